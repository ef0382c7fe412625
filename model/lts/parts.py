"""A network of like parts that share their surroundings and nothing else: counted without visiting every state.

The components fall into *surroundings* and *parts*. What moves the surroundings asks nothing of the parts, though they
may hear it; what moves a part moves nothing else, and asks only of itself and of the surroundings. Then the parts know
nothing of one another: along one path of the surroundings each can be, at any moment, wherever a single part can be. So
the reachable states are, over all paths of the surroundings, the combinations of what one part can have reached; and
what is said of one part holds of it among many just if it holds of it alone.

`compose` proves all that of a network from its vectors. `count` follows the paths of the surroundings, each with the
set of states that a part may be in by then (a subset construction), and counts the combinations.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb

import numpy as np
from scipy.sparse import csr_array

from model.lts.explore import Exploration
from model.lts.network import Bools, Ints, Network, States, Vector, When


class NotComposed(ValueError):
    """The network is not one of like, independent parts; the message names what speaks against it."""


@dataclass(frozen=True)
class Renaming:
    """An exchange of like things: ``component`` gives the new name of each component that gets another one, ``word``
    the new form of a state or event of a component (asked with the component's old name)."""

    component: Mapping[str, str]
    word: Callable[[str, str], str] = lambda _, word: word

    def name(self, component: str) -> str:
        """The new name of a component."""
        return self.component.get(component, component)


@dataclass(frozen=True)
class Composed:
    """A network of ``copies`` like parts. ``one`` is the same network with the first part only."""

    one: Network
    surroundings: tuple[str, ...]
    part: tuple[str, ...]
    copies: int


def compose(network: Network, surroundings: Sequence[str], parts: Sequence[Sequence[str]]) -> Composed:
    """The network as parts in surroundings. Raises `NotComposed` if it is none."""
    home = {component: place for place, part in enumerate(parts) for component in part}
    of_part: list[list[Vector]] = [[] for _ in parts]
    for vector in network.vectors:
        moved = {home.get(component) for component in vector.moves}
        heard = {home.get(component) for component in vector.broadcast}
        asked = [{home.get(component) for component in when.components} for when in vector.when]
        if moved == {None} and all(one == {None} for one in asked):
            if len(parts) > 1 and _has_choice(network, vector):
                raise NotComposed(f"network {network.name}: parts that hear {vector.name} have a choice")
            for place in range(len(parts)):
                hears = {c: event for c, event in vector.broadcast.items() if home.get(c, place) == place}
                of_part[place].append(replace(vector, broadcast=hears))
        elif len(moved) == 1 and None not in moved and heard <= moved and all(one in (moved, {None}) for one in asked):
            of_part[moved.pop() or 0].append(vector)
        else:
            raise NotComposed(f"network {network.name}: {vector.name} couples what should be independent")
    first = tuple(parts[0])
    for part, vectors in zip(parts, of_part, strict=True):
        like = Renaming(dict(zip(part, first, strict=True)))
        same_tables = all(network.components[c] is network.components[like.name(c)] for c in part)
        if not same_tables or _shapes(vectors, like) != _shapes(of_part[0], Renaming({})):
            raise NotComposed(f"network {network.name}: {part[0]} is not like {first[0]}")
    components = {c: network.components[c] for c in (*surroundings, *first)}
    name = network.name if len(parts) == 1 else f"{network.name}, one of {len(parts)} parts"
    one = Network(name, components, tuple(of_part[0]))
    return Composed(one, tuple(surroundings), first, len(parts))


def _has_choice(network: Network, vector: Vector) -> bool:
    """Whether a component that hears the vector may do one of several things."""
    tables = [(network.components[c], event) for c, event in vector.broadcast.items()]
    return any(len(table.rows_for(state, event)) > 1 for table, event in tables for state in table.states)


def is_symmetric(network: Network, renaming: Renaming) -> bool:
    """Whether the network with all names exchanged is the same network."""

    def rows(component: str, how: Renaming) -> tuple[str, set[tuple[str, str, str]]]:
        table, word = network.components[component], how.word
        return word(component, table.initial), {
            (word(component, r.source), word(component, r.event), word(component, r.target)) for r in table.rows
        }

    same_tables = all(rows(c, renaming) == rows(renaming.name(c), Renaming({})) for c in network.components)
    return same_tables and _shapes(network.vectors, renaming) == _shapes(network.vectors, Renaming({}))


def _shapes(vectors: Iterable[Vector], how: Renaming) -> Counter[object]:
    """What vectors do, but for their own names, after a renaming, and how many do so: each is a transition."""

    def words(events: Mapping[str, str]) -> frozenset[tuple[str, str]]:
        return frozenset((how.name(c), how.word(c, event)) for c, event in events.items())

    def condition(when: When) -> object:
        states = frozenset((how.name(c), how.word(c, s)) for c in when.components for s in when.states)
        return when.quantifier, states

    return Counter((words(v.moves), words(v.broadcast), frozenset(map(condition, v.when))) for v in vectors)


# --- counting -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counted:
    """How much is reachable. ``states`` counts states that differ only by an exchange of like things once;
    ``stands_for`` and ``transitions`` count each for itself."""

    states: int
    stands_for: int
    transitions: int


def count(composed: Composed, found: Exploration, within: Sequence[Renaming], among: Sequence[Renaming]) -> Counted:
    """Count the whole network from the exploration ``found`` of ``composed.one``.

    ``within`` are exchanges inside a part, of which others may be put together; ``among`` are all exchanges in the
    surroundings, the one that leaves everything in place included. Parts are always like one another. Raises
    `NotComposed` for an exchange that makes a difference.
    """
    for renaming in (*within, *among):
        if not is_symmetric(composed.one, renaming):
            raise NotComposed(f"network {composed.one.name}: exchanging {dict(renaming.component)} makes a difference")
    frame = frame_of(composed, found)
    reached = _follow(frame)
    n = composed.copies
    stands_for = transitions = 0
    for around, sets in enumerate(reached):
        leaving, own = len(frame.steps[around]), frame.degrees[frame.kinds[around]]
        for sign, common in _overlaps(sets):
            size = int(common.sum())
            stands_for += sign * size**n
            transitions += sign * (leaving * size**n + n * size ** (n - 1) * int(own[common].sum()))
    classes = _classes([frame.parts.renamed(renaming) for renaming in within], len(frame.parts.states))
    fixed = sum(_fixed(frame, reached, classes, renaming, n) for renaming in among)
    return Counted(fixed // len(among), stands_for, transitions)


@dataclass(frozen=True)
class Frame:
    """One part in its surroundings, the states of either numbered apart. A set of states of the part is a mask of shape
    (p,); a is the number of states of the surroundings."""

    around: Numbered
    parts: Numbered
    steps: list[list[tuple[int, Ints]]]
    """By state of the surroundings: where each step leads, and where it takes a part that hears it (shape (p,))."""
    kinds: Ints
    """By state of the surroundings, which of the graphs ``own`` a part has there; shape (a,)."""
    own: list[csr_array]
    """The steps of a part by itself, p × p: ``own @ mask`` is where one step leads from the mask."""
    degrees: list[Ints]
    """How many of these leave each state of the part; shape (p,)."""


class Numbered:
    """The states that some components of a network take together, numbered; ``states`` is n × components."""

    def __init__(self, found: Exploration, components: Sequence[str]) -> None:
        self.compiled, self.components = found.compiled, tuple(components)
        self.columns = [self.compiled.index[c] for c in components]
        weights = np.cumprod([1, *(self.compiled.sizes[c] for c in self.columns)])[:-1].astype(np.int64)
        self._weights = weights
        self._keys, first = np.unique(self._key(found.states[:, self.columns]), return_index=True)
        self.states = found.states[first][:, self.columns]

    def _key(self, states: States) -> Ints:
        return states.astype(np.int64) @ self._weights

    def find(self, states: States) -> Ints:
        """The numbers of states (n × components); -1 where there is no such state."""
        keys = self._key(states)
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[places] == keys, places, -1)

    def renamed(self, renaming: Renaming) -> Ints:
        """Where an exchange takes each state; shape (n,)."""
        after = np.zeros_like(self.states)
        for place, component in enumerate(self.components):
            name = renaming.name(component)
            words = self.compiled.network.components[name].states
            new = [words.index(renaming.word(component, s)) for s in self.compiled.network.components[component].states]
            after[:, self.components.index(name)] = np.array(new, dtype=np.uint16)[self.states[:, place]]
        return self.find(after)


def frame_of(composed: Composed, found: Exploration) -> Frame:
    """One part in its surroundings, from the exploration of ``composed.one``."""
    compiled = found.compiled
    around, parts = Numbered(found, composed.surroundings), Numbered(found, composed.part)

    def whole(outer: States, inner: States) -> States:
        states = np.zeros((max(len(outer), len(inner)), len(compiled.names)), dtype=np.uint16)
        states[:, around.columns], states[:, parts.columns] = outer, inner
        return states

    outside = set(around.columns)
    outer_moves = [m for m in compiled.moves if set(m.vector.moves) <= set(composed.surroundings)]
    own_moves = [m for m in compiled.moves if not set(m.vector.moves) <= set(composed.surroundings)]
    everywhere = whole(around.states, parts.states[:1])
    steps: list[list[tuple[int, Ints]]] = [[] for _ in around.states]
    for move in outer_moves:
        heard = parts.find(compiled.apply(move, whole(around.states[:1], parts.states))[:, parts.columns])
        sources = np.flatnonzero(compiled.enabled(move, everywhere))
        targets = around.find(compiled.apply(move, everywhere[sources])[:, around.columns])
        for source, target in zip(sources, targets, strict=True):
            steps[source].append((int(target), heard))
    open_here = np.ones((len(around.states), len(own_moves)), dtype=np.bool_)
    for place, move in enumerate(own_moves):
        asks_around = tuple(c for c in move.conditions if set(c[1]) <= outside)
        open_here[:, place] = compiled.enabled(replace(move, maps=(), conditions=asks_around), everywhere)
    _, first, kinds = np.unique(open_here, axis=0, return_index=True, return_inverse=True)
    own, degrees = [], []
    for example in first:
        states = whole(around.states[example : example + 1], parts.states)
        ends = [np.zeros((2, 0), dtype=np.int64)]
        for move in own_moves:
            sources = np.flatnonzero(compiled.enabled(move, states))
            ends.append(np.stack([sources, parts.find(compiled.apply(move, states[sources])[:, parts.columns])]))
        source, target = np.concatenate(ends, axis=1)
        known = target >= 0  # a step from a state that is never reached here may lead anywhere
        shape = (len(parts.states), len(parts.states))
        own.append(csr_array((np.ones(known.sum(), dtype=np.int32), (target[known], source[known])), shape=shape))
        degrees.append(np.bincount(source, minlength=len(parts.states)))
    return Frame(around, parts, steps, kinds.reshape(-1), own, degrees)


def _follow(frame: Frame) -> list[list[Bools]]:
    """By state of the surroundings: the sets of states that a part may be in when they are there, one for each way they
    may have come, without those that another one includes."""
    closed: dict[tuple[int, bytes], Bools] = {}

    def close(kind: int, mask: Bools) -> Bools:
        """The mask with all that a part may do by itself."""
        key = kind, mask.tobytes()
        if key not in closed:
            while (wider := mask | (frame.own[kind] @ mask > 0)).sum() > mask.sum():
                mask = wider
            closed[key] = mask
        return closed[key]

    begin = np.zeros(len(frame.parts.states), dtype=np.bool_)
    initial = frame.parts.compiled.initial[np.newaxis]
    begin[frame.parts.find(initial[:, frame.parts.columns])] = True
    start = int(frame.around.find(initial[:, frame.around.columns])[0])
    kept: list[list[Bools]] = [[] for _ in frame.around.states]
    todo = [(start, close(int(frame.kinds[start]), begin))]
    while todo:
        at, mask = todo.pop()
        if any(not (mask & ~other).any() for other in kept[at]):
            continue
        kept[at] = [other for other in kept[at] if (other & ~mask).any()] + [mask]
        for target, heard in frame.steps[at]:
            image = np.zeros_like(mask)
            image[heard[mask]] = True
            todo.append((target, close(int(frame.kinds[target]), image)))
    return kept


def _overlaps(sets: Sequence[Bools]) -> Iterator[tuple[int, Bools]]:
    """The signed intersections whose sizes add up to that of the union (inclusion and exclusion)."""
    for number in range(1, len(sets) + 1):
        for chosen in itertools.combinations(sets, number):
            yield (-1) ** (number + 1), np.logical_and.reduce(chosen)


def _classes(exchanges: Sequence[Ints], number: int) -> Ints:
    """The class of each state under these exchanges, named by the least state in it; shape (number,)."""
    classes, before = np.arange(number), np.array([])
    while not np.array_equal(classes, before):
        before = classes
        for exchange in exchanges:
            classes = np.minimum(classes, classes[exchange])
    return classes


def _fixed(frame: Frame, reached: list[list[Bools]], classes: Ints, renaming: Renaming, copies: int) -> int:
    """How many states an exchange leaves as they are, those of the parts told apart only by their class and taken in no
    order: their average over all exchanges is the number of states that are truly different (Burnside's lemma)."""
    around, parts = frame.around.renamed(renaming), frame.parts.renamed(renaming)
    onward = classes[parts]  # classes are named by their least member, so this maps class to class
    total = 0
    for place in np.flatnonzero(around == np.arange(len(around))):
        for sign, common in _overlaps(reached[place]):
            total += sign * _multisets(_cycles(onward, {int(c) for c in classes[common]}), copies)
    return total


def _cycles(onward: Ints, members: set[int]) -> Counter[int]:
    """How many cycles of each length the map has that lie in ``members`` entirely."""
    lengths: Counter[int] = Counter()
    while members:
        cycle = [members.pop()]
        while (after := int(onward[cycle[-1]])) != cycle[0]:
            cycle.append(after)
        if set(cycle[1:]) <= members:
            lengths[len(cycle)] += 1
        members.difference_update(cycle)
    return lengths


def _multisets(cycles: Counter[int], size: int) -> int:
    """How many multisets of this size are put together from whole cycles of these lengths."""
    ways = [1] + [0] * size
    for length, number in cycles.items():
        ways = [
            sum(ways[total - times * length] * comb(number + times - 1, times) for times in range(total // length + 1))
            for total in range(size + 1)
        ]
    return ways[size]
