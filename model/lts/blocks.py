"""A network cut into blocks: components that belong together become one digit of a state's number.

A block lists only the states that its components can reach together, whatever the others do. So a state of the network
is a few digits, and a move is, for each block that it concerns, a map from digit to digit: taking it adds a number to
the state's number. `model.lts.fast` explores on that.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from model.lts.network import Bools, Compiled, Ints, Move, States

WIDEST = 512
"""How many states a block may have that was put together for speed."""

Test = tuple[Literal["every", "some", "none"], tuple[int, ...], Bools]
"""Whether every, some or none of these components is in a state that has True (state number × component)."""


@dataclass(frozen=True)
class Step:
    """One way to take a move: for each block that it concerns a map from digit to digit, -1 where it is refused."""

    move: int
    maps: Mapping[int, Ints]


@dataclass(frozen=True)
class Blocks:
    """A compiled network in blocks. ``groups`` has the components of each block, ``rows`` the states of each block
    (n × its components), in ascending order. No two of ``steps`` are the same way to take the same move."""

    compiled: Compiled
    groups: tuple[tuple[int, ...], ...]
    rows: tuple[Ints, ...]
    steps: tuple[Step, ...]

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """How many states each block has."""
        return tuple(len(rows) for rows in self.rows)

    @property
    def combinations(self) -> int:
        """How many numbers there are: no fewer than there are states."""
        return math.prod(self.sizes)

    @cached_property
    def weights(self) -> tuple[int, ...]:
        """What a digit of each block is worth in a state's number; the first block is worth least."""
        return tuple(itertools.accumulate(self.sizes[:-1], int.__mul__, initial=1))

    def digit(self, block: int, rows: States | Ints) -> Ints:
        """The digits of these states of one block (n × its components), -1 where it has no such state."""
        weights = _weights(self.compiled, self.groups[block])
        known, asked = self.rows[block] @ weights, rows @ weights
        place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
        return np.where(known[place] == asked, place, -1)

    def number(self, states: States) -> Ints:
        """The numbers of these states (n × components), all of which the blocks must have."""
        digits = [self.digit(block, states[:, list(group)]) for block, group in enumerate(self.groups)]
        return np.array(self.weights) @ np.stack(digits)

    def states(self, numbers: Ints) -> States:
        """The inverse of `number`."""
        found = np.empty((len(numbers), len(self.compiled.names)), dtype=np.uint16)
        for group, rows, weight in zip(self.groups, self.rows, self.weights, strict=True):
            found[:, list(group)] = rows[numbers // weight % len(rows)]
        return found


def blocks(compiled: Compiled, groups: Sequence[Sequence[int]] | None = None) -> Blocks:
    """The network in these groups of components, or in such as make its numbers few (then widest first)."""
    parts = [_part(compiled, group) for group in groups] if groups is not None else _coupled(compiled)
    place = {component: block for block, part in enumerate(parts) for component in part.group}
    steps = [
        Step(number, maps)
        for number, move in enumerate(compiled.moves)
        for tests in _cases(move, place)
        if (maps := _maps(parts, place, move, tests)) is not None
    ]
    return Blocks(compiled, tuple(p.group for p in parts), tuple(p.rows for p in parts), tuple(steps))


@dataclass(frozen=True)
class _Part:
    """Some components, the states that they reach together, and where each combination of them stands (or -1).

    ``weights`` are what each component's state number is worth in the number of a combination.
    """

    group: tuple[int, ...]
    rows: Ints
    place: Ints
    weights: Mapping[int, int]

    def map(self, move: Move, tests: Sequence[Test]) -> Ints:
        """A move as far as it concerns these components; -1 where it is refused."""
        places = np.flatnonzero(self.place >= 0)
        found, allowed = _local(dict(zip(self.group, self.rows.T, strict=True)), places, self.weights, move, tests)
        numbers = np.full(len(self.rows), -1, dtype=np.int64)
        numbers[allowed] = self.place[found[allowed]]
        return numbers


def _local(
    column: Mapping[int, Ints], places: Ints, weights: Mapping[int, int], move: Move, tests: Sequence[Test]
) -> tuple[Ints, Bools]:
    """Where a move leads from the combinations at these places, given by component, and whether it may be taken."""
    allowed = np.ones(len(places), dtype=np.bool_)
    for quantifier, components, inside in tests:
        hits = np.stack([inside[column[c], at] for at, c in enumerate(components)])
        allowed &= {"every": hits.all(axis=0), "some": hits.any(axis=0), "none": ~hits.any(axis=0)}[quantifier]
    after = places.copy()
    for component, numbers in move.maps:
        if component in column:
            target = numbers[column[component]]
            allowed &= target >= 0
            after += (target - column[component]) * weights[component]
    return after, allowed


def _weights(compiled: Compiled, group: tuple[int, ...]) -> Ints:
    """What the state number of each component is worth in the number of a combination, in ascending order of rows."""
    sizes = [compiled.sizes[c] for c in group]
    return np.array([math.prod(sizes[at + 1 :]) for at in range(len(sizes))], dtype=np.int64)


def _part(compiled: Compiled, components: Sequence[int]) -> _Part:
    """What these components can reach together if the others never stand in their way."""
    group = tuple(components)
    sizes = [compiled.sizes[c] for c in group]
    places = np.arange(math.prod(sizes))
    column = dict(zip(group, np.unravel_index(places, sizes), strict=True))
    weights = dict(zip(group, _weights(compiled, group).tolist(), strict=True))
    alone = dict.fromkeys(group, 0)
    steps = [np.zeros((2, 0), dtype=np.int64)]
    for move in compiled.moves:
        if any(component in alone for component, _ in move.maps):
            for tests in _cases(move, alone):
                after, allowed = _local(column, places, weights, move, tests.get(0, []))
                steps.append(np.stack([np.flatnonzero(allowed), after[allowed]]))
    source, target = np.concatenate(steps, axis=1)
    reached = np.zeros(len(places), dtype=np.bool_)
    reached[compiled.initial[list(group)] @ _weights(compiled, group)] = True
    while not reached[further := target[reached[source]]].all():
        reached[further] = True
    place = np.full(len(places), -1, dtype=np.int64)
    place[reached] = np.arange(np.count_nonzero(reached))
    rows = np.stack([numbers[reached] for numbers in column.values()], axis=1)
    return _Part(group, rows, place, weights)


def _cases(move: Move, place: Mapping[int, int]) -> Iterator[dict[int, list[Test]]]:
    """The conditions of a move by block. *some* over several blocks is several cases, of which one at most holds: the
    first block in which some component is there. Components that stand in no block do not count: theirs may hold."""
    choices: list[list[list[tuple[int, Test]]]] = []
    for every, components, inside in move.conditions:
        by_block: dict[int, list[int]] = {}
        for at, component in enumerate(components):
            if component in place:
                by_block.setdefault(place[component], []).append(at)
        parts = [(b, tuple(components[at] for at in ats), inside[:, ats]) for b, ats in by_block.items()]
        if every:
            choices.append([[(b, ("every", cs, test)) for b, cs, test in parts]])
            continue
        cases: list[list[tuple[int, Test]]] = [
            [(b, ("none", cs, test)) for b, cs, test in parts[:first]]
            + [(parts[first][0], ("some", *parts[first][1:]))]
            for first in range(len(parts))
        ]
        if any(component not in place for component in components):
            cases.append([])
        choices.append(cases)
    for choice in itertools.product(*choices):
        tests: dict[int, list[Test]] = {}
        for block, test in itertools.chain.from_iterable(choice):
            tests.setdefault(block, []).append(test)
        yield tests


def _maps(
    parts: Sequence[_Part], place: Mapping[int, int], move: Move, tests: Mapping[int, list[Test]]
) -> dict[int, Ints] | None:
    """The maps of one case of a move by block; None if it can never be taken. Blocks left alone have none."""
    concerned = sorted({place[c] for c, _ in move.maps} | tests.keys())
    maps = {}
    for block in concerned:
        numbers = parts[block].map(move, tests.get(block, []))
        if (numbers < 0).all():
            return None
        if (numbers != np.arange(len(numbers))).any():
            maps[block] = numbers
    return maps


def _coupled(compiled: Compiled) -> list[_Part]:
    """Groups that make the numbers few: again and again the two of which the fewest combinations can be reached."""
    parts = [_part(compiled, [c]) for c in range(len(compiled.names))]
    together: dict[tuple[int, ...], _Part] = {}
    concerned = [
        {c for c, _ in m.maps}.union(*(components for _, components, _ in m.conditions)) for m in compiled.moves
    ]

    def join(one: _Part, other: _Part) -> _Part | None:
        group = tuple(sorted(one.group + other.group))
        shared = any(not moved.isdisjoint(one.group) and not moved.isdisjoint(other.group) for moved in concerned)
        if not shared or math.prod(compiled.sizes[c] for c in group) > 16 * WIDEST:
            return None
        if group not in together:
            together[group] = _part(compiled, group)
        return together[group] if len(together[group].rows) <= WIDEST else None

    def saving(pair: tuple[_Part, _Part]) -> float:
        joined = join(*pair)
        return len(joined.rows) / (len(pair[0].rows) * len(pair[1].rows)) if joined else 2.0

    while len(parts) > 1:
        pairs = list(itertools.combinations(parts, 2))
        one, other = min(pairs, key=saving)
        joined = join(one, other)
        if joined is None or saving((one, other)) >= 1:
            break
        parts = [p for p in parts if p is not one and p is not other] + [joined]
    return sorted(parts, key=lambda part: (-len(part.rows), part.group))
