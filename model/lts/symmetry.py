"""Symmetry: parts of a network that may change places. Of states that are then alike, one is enough to explore.

What is alike is declared (`Alike`) and proved before it is used: each exchange must lead from the network to itself.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from model.lts.blocks import Blocks, blocks
from model.lts.network import Compiled, Ints, States

Renaming = Callable[[str, Mapping[str, str]], str]


def unchanged(state: str, _: Mapping[str, str]) -> str:
    """The renaming for parts that no state names."""
    return state


@dataclass(frozen=True)
class Alike:
    """Members that may change places: each is some components, in corresponding order.

    Where the states of other components speak of a member (as ``Bound@n1`` does), ``renamed`` gives the state that
    speaks of others instead: it is called with a state and the new name for each member's first component.
    """

    members: tuple[tuple[str, ...], ...]
    renamed: Renaming = unchanged


@dataclass(frozen=True)
class Exchange:
    """A renaming as arrays: component ``c`` becomes ``moved[c]`` and its state ``s`` becomes ``states[c][s]``."""

    moved: tuple[int, ...]
    states: tuple[Ints, ...]

    def apply(self, rows: States) -> States:
        """These states (n × all components) under other names."""
        found = np.empty_like(rows)
        for component, (to, numbers) in enumerate(zip(self.moved, self.states, strict=True)):
            found[:, to] = numbers[rows[:, component]]
        return found


def exchange(compiled: Compiled, alike: Alike, order: Sequence[int]) -> Exchange:
    """The members in another order: member ``i`` takes the place of member ``order[i]``."""
    moved = list(range(len(compiled.names)))
    names = {}
    for one, other in zip(alike.members, (alike.members[i] for i in order), strict=True):
        names[one[0]] = other[0]
        for old, new in zip(one, other, strict=True):
            moved[compiled.index[old]] = compiled.index[new]
    tables = [compiled.network.components[name] for name in compiled.names]
    numbers = []
    for component, to in enumerate(moved):
        places = {state: number for number, state in enumerate(tables[to].states)}
        renamed = [alike.renamed(state, names) for state in tables[component].states]
        if strange := set(renamed) - places.keys():
            raise ValueError(
                f"network {compiled.network.name}: {alike.members} are not alike: "
                f"{compiled.names[to]} has no state {min(strange)!r}"
            )
        numbers.append(np.array([places[state] for state in renamed], dtype=np.int64))
    return Exchange(tuple(moved), tuple(numbers))


def neighbours(compiled: Compiled, alike: Alike) -> list[Exchange]:
    """The exchanges of two neighbours, of which every other order is made."""
    count = len(alike.members)
    orders = [[*range(i), i + 1, i, *range(i + 2, count)] for i in range(count - 1)]
    return [exchange(compiled, alike, order) for order in orders]


def prove(compiled: Compiled, alike: Sequence[Alike]) -> None:
    """That each exchange leads from the network to itself. Raises ValueError for one that does not."""
    itself = [np.arange(size) for size in compiled.sizes]
    every = _vectors(compiled, Exchange(tuple(range(len(itself))), tuple(itself)))
    for declared in alike:
        for swap in neighbours(compiled, declared):
            same = (swap.apply(compiled.initial[np.newaxis, :])[0] == compiled.initial).all()
            if not same or _vectors(compiled, swap) != every:
                raise ValueError(f"network {compiled.network.name}: {declared.members} are not alike")


def _vectors(compiled: Compiled, names: Exchange) -> Counter[Hashable]:
    """What the vectors do, under other names: their conditions, and the steps of each component that they move."""
    steps: dict[str, dict[int, set[tuple[int, int]]]] = {}
    conditions: dict[str, frozenset[Hashable]] = {}
    for move in compiled.moves:
        relations = steps.setdefault(move.vector.name, {})
        for component, targets in move.maps:
            new = names.states[component]
            pairs = {(int(new[s]), int(new[t])) for s, t in enumerate(targets) if t >= 0}
            relations.setdefault(names.moved[component], set()).update(pairs)
        conditions[move.vector.name] = frozenset(
            (every, frozenset((names.moved[c], _allowed(names.states[c], inside[:, at])) for at, c in enumerate(cs)))
            for every, cs, inside in move.conditions
        )
    return Counter(
        (frozenset((c, frozenset(pairs)) for c, pairs in relations.items()), conditions[name])
        for name, relations in steps.items()
    )


def _allowed(new: Ints, inside: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> frozenset[int]:
    return frozenset(int(number) for number in new[np.flatnonzero(inside[: len(new)])])


@dataclass(frozen=True)
class Symmetry:
    """What is alike, by the digits of blocks. ``digits[r][b]`` are the digits (of block ``moved[r][b]``) that those of
    block ``b`` become under renaming ``r``, each the least of the ``alike[b]`` that are so inside the block; the blocks
    of one of ``sorts`` may be permuted at will."""

    blocks: Blocks
    moved: tuple[tuple[int, ...], ...]
    digits: tuple[tuple[Ints, ...], ...]
    sorts: tuple[tuple[int, ...], ...]
    alike: tuple[Ints, ...]

    def least(self, numbers: Ints) -> Ints:
        """For each state the least number of all that are like it."""
        found = np.full(len(numbers), np.iinfo(np.int64).max)
        sizes, weights = self.blocks.sizes, self.blocks.weights
        for moved, images in zip(self.moved, self.digits, strict=True):
            digits = np.empty((len(sizes), len(numbers)), dtype=np.int64)
            for to, image, size, weight in zip(moved, images, sizes, weights, strict=True):
                digits[to] = image[numbers // weight % size]
            for members in self.sorts:
                digits[list(members)] = np.sort(digits[list(members)], axis=0)
            found = np.minimum(found, np.array(weights) @ digits)
        return found


def symmetry(compiled: Compiled, alike: Sequence[Alike]) -> Symmetry:
    """The declared symmetry by blocks, one for each largest member. Raises ValueError if it is none."""
    prove(compiled, alike)
    cut = blocks(compiled, _groups(compiled, alike))
    place = {component: block for block, group in enumerate(cut.groups) for component in group}
    sorts: list[tuple[int, ...]] = []
    inside: list[Exchange] = []
    named: list[Alike] = []
    for declared in alike:
        homes = [{place[compiled.index[c]] for c in member} for member in declared.members]
        swaps = neighbours(compiled, declared)
        if len(set.union(*homes)) == 1:
            inside += swaps
        elif all(_only_moves(cut, place, swap) for swap in swaps):
            sorts.append(tuple(min(home) for home in homes))
        else:
            named.append(declared)
    least = [_least(cut, block, inside) for block in range(len(cut.groups))]
    moved, digits = [], []
    for choice in itertools.product(*(itertools.permutations(range(len(n.members))) for n in named)):
        renaming = Exchange(tuple(range(len(compiled.names))), tuple(np.arange(size) for size in compiled.sizes))
        for declared, order in zip(named, choice, strict=True):
            renaming = _then(renaming, exchange(compiled, declared, order))
        images = [_image(cut, place, block, renaming) for block in range(len(cut.groups))]
        moved.append(tuple(to for to, _ in images))
        digits.append(tuple(least[to][0][found] for to, found in images))
    return Symmetry(cut, tuple(moved), tuple(digits), tuple(sorts), tuple(count for _, count in least))


def _groups(compiled: Compiled, alike: Sequence[Alike]) -> list[tuple[int, ...]]:
    """The components that stand in one member, together."""
    group = {name: {name} for name in compiled.names}
    for member in (member for declared in alike for member in declared.members):
        joined = set().union(*(group[name] for name in member))
        group |= dict.fromkeys(joined, joined)
    found = {tuple(sorted(compiled.index[name] for name in names)) for names in group.values()}
    return sorted(found)


def _image(cut: Blocks, place: Mapping[int, int], block: int, renaming: Exchange) -> tuple[int, Ints]:
    """The block that a block becomes, and the digits that its digits become."""
    group = cut.groups[block]
    to = place[renaming.moved[group[0]]]
    rows = np.empty_like(cut.rows[block])
    for at, component in enumerate(group):
        column = cut.groups[to].index(renaming.moved[component])
        rows[:, column] = renaming.states[component][cut.rows[block][:, at]]
    return to, cut.digit(to, rows)


def _only_moves(cut: Blocks, place: Mapping[int, int], swap: Exchange) -> bool:
    """Whether an exchange changes blocks only, and no digit."""
    images = (_image(cut, place, block, swap) for block in range(len(cut.groups)))
    return all((digits == np.arange(len(digits))).all() for _, digits in images)


def _least(cut: Blocks, block: int, swaps: Sequence[Exchange]) -> tuple[Ints, Ints]:
    """For each digit of a block the least one that is like it, and how many are."""
    size = cut.sizes[block]
    place = dict.fromkeys(range(len(cut.compiled.names)), block)
    inside = [swap for swap in swaps if any(swap.moved[c] != c for c in cut.groups[block])]
    targets = [_image(cut, place, block, swap)[1] for swap in inside]
    sources = np.tile(np.arange(size), len(targets))
    ones = np.ones(len(sources), dtype=np.int8)
    graph = csr_array((ones, (sources, np.concatenate(targets or [sources]))), shape=(size, size))
    _, label = connected_components(graph, directed=False)
    _, first, number, count = np.unique(label, return_index=True, return_inverse=True, return_counts=True)
    return first[number].astype(np.int64), count[number].astype(np.int64)


def _then(one: Exchange, other: Exchange) -> Exchange:
    """One renaming after the other."""
    moved = tuple(other.moved[to] for to in one.moved)
    states = (other.states[to][numbers] for to, numbers in zip(one.moved, one.states, strict=True))
    return Exchange(moved, tuple(states))
