"""Counting and checking at speed: all reachable states, level by level, on compiled code and all cores, without edges.

It finds what `model.lts.explore` finds (states, transitions, depth; the tests hold the two together) but keeps no
edges, so it has room for far more. A state is a number (`model.lts.blocks`). Where all numbers have room as bits, sets
of states are bits, and a move takes whole rows of them at once; otherwise sets are hashed. With symmetry only one of
all states that are alike is explored, and counted as all of them.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np

from model.lts.blocks import Blocks, blocks
from model.lts.explore import Exploration, TooLarge, explore
from model.lts.network import Bools, Compiled, Ints, States
from model.lts.properties import Always, AlwaysStep, Labels, Property, Sometimes, SometimesStep, Verdict, View, check
from model.lts.symmetry import Alike, Symmetry, symmetry

SMALL = 100_000
"""Networks with fewer combinations are explored without compiled code: loading it would take longer."""

BITS = 2**33
"""Where the combinations are no more, sets of states are bits; there is one such set for each thread, and two more."""

THREADS = 8
"""No more threads than these, however many cores there are: each has bits of its own."""

BATCH = 1 << 14
"""How many numbers a thread takes at once where sets are hashed."""

BATCH_OF_VIEW = 1 << 16
"""How many states properties are asked about at once."""

Way = Literal["arrays", "bits", "hashed"]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Count:
    """What was found. ``classes`` is how many ``states`` there are that are not alike (all, if nothing was declared
    alike). ``way`` says how: on plain ``arrays``, with sets of ``bits``, or ``hashed``."""

    states: int
    transitions: int
    depth: int
    classes: int
    verdicts: tuple[Verdict, ...]
    way: Way
    seconds: float


def count(
    compiled: Compiled,
    properties: Sequence[Property] = (),
    alike: Sequence[Alike] = (),
    max_states: int | None = None,
    progress: Progress | None = None,
    *,
    way: Way | None = None,
    threads: int | None = None,
) -> Count:
    """All reachable states, counted, and the verdicts on ``properties``, found while exploring.

    ``alike`` declares a symmetry: of states that are alike one is explored, and the properties must treat all that is
    alike the same way. *Eventually* needs the edges: `model.lts.properties.check` has it, on an exploration.
    ``progress`` is called with (states explored, depth). ``way`` and ``threads`` are chosen if not given.
    Raises `TooLarge` past ``max_states`` explored, ValueError for a property that needs edges and for a symmetry that
    is none.
    """
    begun = time.perf_counter()
    if late := [prop.name for prop in properties if prop.kind == "eventually"]:
        raise ValueError(f"network {compiled.network.name}: {late[0]!r} needs the edges; use explore and check")
    declared = symmetry(compiled, alike) if alike else None
    cut = declared.blocks if declared else blocks(compiled)
    way = way or _way(cut, declared)
    if way == "arrays":
        return _on_arrays(cut, declared, properties, max_states, progress)
    if cut.combinations > 2**62:
        raise TooLarge(f"network {compiled.network.name}: {cut.combinations:.1e} combinations are too many to number")
    threads = threads or min(os.cpu_count() or 1, THREADS)
    with ThreadPoolExecutor(threads) as pool:
        search: Search = Bits(cut, pool, threads) if way == "bits" else Hashed(cut, declared, pool, threads)
        watch = Watch(cut, properties)
        explored, depth = search.fresh, 0
        while search.fresh:
            if watch.unsettled:
                watch.look(search.numbers())
            search.advance()
            explored, depth = explored + search.fresh, depth + (search.fresh > 0)
            if max_states is not None and explored > max_states:
                raise TooLarge(
                    f"network {compiled.network.name}: more than {max_states:,} states at depth {depth}; "
                    "explore a smaller one, or raise the limit"
                )
            if progress:
                progress(explored, depth)
        verdicts = watch.verdicts(Backwards(cut, declared))
    seconds = time.perf_counter() - begun
    return Count(search.states, search.transitions, depth, explored, verdicts, way, seconds)


def _way(cut: Blocks, declared: Symmetry | None) -> Way:
    if cut.combinations <= SMALL:
        return "arrays"
    return "bits" if declared is None and 64 * math.prod(shape_of_bits(cut)) <= BITS else "hashed"


def _on_arrays(
    cut: Blocks,
    declared: Symmetry | None,
    properties: Sequence[Property],
    max_states: int | None,
    progress: Progress | None,
) -> Count:
    """The same by `model.lts.explore`."""
    found = explore(cut.compiled, max_states or cut.combinations, progress)
    verdicts = tuple(check(prop, found) for prop in properties)
    states = len(found.states)
    classes = len(np.unique(declared.least(cut.number(found.states)))) if declared else states
    return Count(states, len(found.source), found.depth, classes, verdicts, "arrays", found.seconds)


# --- a network as a program -----------------------------------------------------------------------------------------


def program(cut: Blocks, *, rows: bool = False) -> tuple[Any, list[tuple[Ints, ...]]]:
    """The steps as arrays (`model.lts.kernels.Program`). With ``rows``, numbers are those of rows: the first block is
    left out, and what each entry does to it comes second: the maps of one or several steps."""
    from model.lts import kernels

    begin = 1 if rows else 0
    row = np.arange(cut.sizes[0])
    # A network of one block has one row: a block of one state that no move concerns.
    sizes = np.array(cut.sizes[begin:] or (1,))
    weights = np.array([weight // (cut.sizes[0] if rows else 1) for weight in cut.weights[begin:]] or (1,))
    offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    entries: list[dict[tuple[int, tuple[tuple[int, int], ...]], list[Ints]]] = [{} for _ in range(sizes.sum())]
    tables: dict[bytes, int] = {}
    for step in cut.steps:
        maps = {block - begin: numbers for block, numbers in step.maps.items() if block >= begin}
        added = {
            block: np.where(numbers < 0, kernels.REFUSED, (numbers - np.arange(len(numbers))) * weights[block])
            for block, numbers in maps.items()
        } or {0: np.zeros(sizes[0], dtype=np.int64)}
        # The block in which the step is refused most often leads, so that it is seldom looked at in vain.
        lead = min(added, key=lambda block: np.mean(added[block] != kernels.REFUSED))
        extras = tuple(
            (block, tables.setdefault(numbers.tobytes(), sum(map(len, tables)) // 8))
            for block, numbers in added.items()
            if block != lead
        )
        for digit in np.flatnonzero(added[lead] != kernels.REFUSED):
            key = (int(added[lead][digit]), extras)
            same = entries[offsets[lead] + digit].setdefault(key, [])
            same.append(step.maps.get(0, row) if rows else row)
    flat: list[tuple[int, tuple[tuple[int, int], ...], tuple[Ints, ...]]] = []
    first = [0]
    for at in entries:
        for (delta, extras), images in at.items():
            flat += [(delta, extras, tuple(images))] if rows else [(delta, extras, (image,)) for image in images]
        first.append(len(flat))
    found = kernels.Program(
        sizes, weights, offsets, _ints(first), _ints(delta for delta, _, _ in flat),
        _ints(np.cumsum([0] + [len(extras) for _, extras, _ in flat])),
        _ints(block for _, extras, _ in flat for block, _ in extras),
        _ints(table for _, extras, _ in flat for _, table in extras),
        np.frombuffer(bytearray(b"".join(tables)), dtype=np.int64),
    )  # fmt: skip
    return found, [images for _, _, images in flat]


def images(of_entries: Sequence[tuple[Ints, ...]]) -> Any:
    """What entries do to the bits of a row (`model.lts.kernels.Images`), each different one once."""
    from model.lts import kernels

    different: dict[tuple[bytes, ...], int] = {}
    maps: list[tuple[Ints, ...]] = []
    number = []
    for entry in of_entries:
        number.append(different.setdefault(tuple(m.tobytes() for m in entry), len(different)))
        if len(different) > len(maps):
            maps.append(entry)
    size = len(maps[0][0]) if maps else 1
    words = -(-size // 64)
    allowed = np.zeros((len(maps), words * 64), dtype=np.bool_)
    target = np.zeros((len(maps), size, words * 64), dtype=np.bool_)
    degree = np.zeros((len(maps), size), dtype=np.int64)
    whole = np.zeros(len(maps), dtype=np.bool_)
    for image, several in enumerate(maps):
        for targets in several:
            at = np.flatnonzero(targets >= 0)
            allowed[image, at] = True
            target[image, at, targets[at]] = True
            degree[image, at] += 1
        whole[image] = len(several) == 1 and bool((several[0][at] == at).all())
    return kernels.Images(_ints(number), whole, _words(allowed), _words(target), degree)


def _words(bits: np.ndarray[Any, np.dtype[np.bool_]]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Bits (along the last axis, a multiple of 64) as words, the first bit lowest."""
    return np.packbits(bits, axis=-1, bitorder="little").view("<u8").astype(np.uint64)


def _ints(numbers: Any) -> Ints:
    return np.array(list(numbers), dtype=np.int64)


def likeness(cut: Blocks, declared: Symmetry | None) -> Any:
    """A symmetry as arrays (`model.lts.kernels.Likeness`); without one, every state is like itself only."""
    from model.lts import kernels

    if declared is None:
        each = np.concatenate([np.arange(size) for size in cut.sizes])
        blocks_of = np.arange(len(cut.sizes))
        return kernels.Likeness(each[None], blocks_of[None], _ints([0]), _ints([]), np.ones(len(each), dtype=np.int64))
    return kernels.Likeness(
        np.array([np.concatenate(digits) for digits in declared.digits]),
        np.array(declared.moved, dtype=np.int64),
        _ints(np.cumsum([0] + [len(sort) for sort in declared.sorts])),
        _ints(block for sort in declared.sorts for block in sort),
        np.concatenate(declared.alike),
    )


# --- searching level by level ---------------------------------------------------------------------------------------


class Search(Protocol):
    """A search that stands at one level, which has ``fresh`` states. What has been left behind stands for so many
    ``states``, with so many ``transitions``."""

    fresh: int
    states: int
    transitions: int

    def advance(self) -> None:
        """On to the next level."""

    def numbers(self) -> Ints:
        """The states of this level."""
        ...


def shape_of_bits(cut: Blocks) -> tuple[int, int]:
    """How many rows a set of states has, and how many words a row."""
    return cut.combinations // cut.sizes[0], -(-cut.sizes[0] // 64)


class Bits:
    """Sets of states are bits. Each thread sets those of the successors in rows of its own; then they are merged."""

    def __init__(self, cut: Blocks, pool: ThreadPoolExecutor, threads: int) -> None:
        from model.lts import kernels

        self._kernels, self._pool, self._threads, self._size = kernels, pool, threads, cut.sizes[0]
        self._program, maps = program(cut, rows=True)
        self._images = images(maps)
        shape = shape_of_bits(cut)
        chunks = -(-shape[0] // kernels.CHUNK)
        # What is never written takes no memory.
        self._frontier, self._known = np.zeros(shape, np.uint64), np.zeros(shape, np.uint64)
        self._fresh, self._touched = np.zeros((threads, *shape), np.uint64), np.zeros((threads, chunks), np.uint8)
        self._flags = np.zeros(chunks, np.uint8)
        row, bit = divmod(int(cut.number(cut.compiled.initial[np.newaxis, :])[0]), cut.sizes[0])
        self._frontier[row, bit // 64] = self._known[row, bit // 64] = 1 << bit % 64
        self._flags[row // kernels.CHUNK] = 1
        self.fresh, self.states, self.transitions = 1, 0, 0

    def advance(self) -> None:
        """On to the next level."""
        self.states += self.fresh
        self.transitions += sum(self._pool.map(self._expand, range(self._threads)))
        self.fresh = sum(self._pool.map(self._merge, range(self._threads)))

    def _expand(self, thread: int) -> int:
        fresh = self._fresh[thread], self._touched[thread]
        return int(self._kernels.expand_rows(
            self._program, self._images, thread, self._threads, self._frontier, self._flags, *fresh
        ))  # fmt: skip

    def _merge(self, thread: int) -> int:
        return int(self._kernels.merge_rows(
            thread, self._threads, self._frontier, self._flags, self._fresh, self._touched, self._known
        ))  # fmt: skip

    def numbers(self) -> Ints:
        """The states of this level."""
        found = np.empty(self.fresh, dtype=np.int64)
        self._kernels.numbers_of_rows(self._frontier, self._flags, self._size, found)
        return found


class Hashed:
    """Sets of states are hashed. Each thread owns the numbers with certain hashes: all threads find successors, then
    each adds those that it owns to its set."""

    def __init__(self, cut: Blocks, declared: Symmetry | None, pool: ThreadPoolExecutor, threads: int) -> None:
        from model.lts import kernels

        self._kernels, self._pool, self._threads = kernels, pool, threads
        self._symmetric, self._like = declared is not None, likeness(cut, declared)
        self._program, _ = program(cut)
        degrees = np.diff(self._program.first)
        parts = np.split(degrees, self._program.offsets[1:])
        most = BATCH * int(sum(part.max() for part in parts))
        self._found = np.empty((threads, threads, most), np.int64)
        self._counts = np.zeros((threads, threads), np.int64)
        self._totals = np.zeros((threads, 2), np.int64)
        self._known = [np.full(1024, -1, np.int64) for _ in range(threads)]
        self._sizes = [0] * threads
        self._level = cut.number(cut.compiled.initial[np.newaxis, :])
        for owner in range(threads):
            self._insert(owner, self._level if owner == 0 else self._level[:0])
        self.fresh, self.states, self.transitions = 1, 0, 0

    def advance(self) -> None:
        """On to the next level."""
        fresh = []
        threads = range(self._threads)
        for begin in range(0, len(self._level), BATCH * self._threads):
            batches = np.array_split(self._level[begin : begin + BATCH * self._threads], self._threads)
            list(self._pool.map(self._expand, threads, batches))
            fresh += list(self._pool.map(self._collect, threads))
        self._level = np.concatenate(fresh)
        self.fresh = len(self._level)
        self.states, self.transitions = (int(total) for total in self._totals.sum(axis=0))

    def numbers(self) -> Ints:
        """The states of this level."""
        return self._level

    def _expand(self, thread: int, numbers: Ints) -> None:
        self._kernels.expand_numbers(
            self._program, self._like, self._symmetric, numbers, self._found[thread], self._counts[thread],
            self._totals[thread],
        )  # fmt: skip

    def _collect(self, owner: int) -> Ints:
        counts = self._counts[:, owner]
        return np.concatenate(
            [self._insert(owner, found[owner, :n]) for found, n in zip(self._found, counts, strict=True)]
        )

    def _insert(self, owner: int, numbers: Ints) -> Ints:
        """Those of the numbers that the owner did not know. Its set stays at most half full."""
        known, size = self._known[owner], self._sizes[owner] + len(numbers)
        if 2 * size > len(known):
            self._known[owner] = np.full(1 << (4 * size - 1).bit_length(), -1, np.int64)
            self._kernels.grow(known, self._known[owner])
        fresh = np.empty(len(numbers), np.int64)
        count = self._kernels.insert(self._known[owner], numbers, fresh)
        self._sizes[owner] += count
        return fresh[:count]


# --- properties on the way ------------------------------------------------------------------------------------------


class Backwards:
    """Shortest paths, found backwards through the levels, then told forwards from the initial state."""

    def __init__(self, cut: Blocks, declared: Symmetry | None) -> None:
        self.cut, self.declared = cut, declared

    @cached_property
    def _arrays(self) -> tuple[Any, Any]:
        return program(self.cut)[0], likeness(self.cut, self.declared)

    def path(self, levels: Sequence[Ints], number: int) -> tuple[list[str], States]:
        """The vectors to the state with this number in the last level (or to one that is like it), and that state."""
        from model.lts import kernels

        symmetric = self.declared is not None
        goals = [number]
        for level in reversed(levels[:-1]):
            goals.append(int(kernels.first_before(*self._arrays, symmetric, level, goals[-1])))
        compiled, names = self.cut.compiled, list[str]()
        state = compiled.initial[np.newaxis, :]
        for goal in reversed(goals[:-1]):
            taken = (move for move in compiled.moves if compiled.enabled(move, state)[0])
            move = next(move for move in taken if self._least(compiled.apply(move, state)) == goal)
            names.append(move.vector.name)
            state = compiled.apply(move, state)
        return names, state

    def _least(self, state: States) -> int:
        from model.lts import kernels

        number = int(self.cut.number(state)[0])
        if self.declared is None:
            return number
        scratch = np.empty(len(self.cut.sizes), np.int64)
        return int(kernels.canonical(*self._arrays, number, scratch)[0])


class Watch:
    """Looks at each level until every property is settled; keeps the levels, for the paths."""

    def __init__(self, cut: Blocks, properties: Sequence[Property]) -> None:
        self._cut, self._properties = cut, properties
        self._levels: list[Ints] = []
        self._settled: dict[int, tuple[int, int]] = {}
        none = np.zeros(0, dtype=np.int64)
        self._shell = Exploration(cut.compiled, cut.compiled.initial[:0], none, none, none, none, none, none, 0, 0.0)

    @property
    def unsettled(self) -> list[int]:
        """The numbers of the properties on which nothing decisive was seen yet."""
        return [i for i in range(len(self._properties)) if i not in self._settled]

    def look(self, numbers: Ints) -> None:
        """Looks at the next level."""
        self._levels.append(numbers)
        for begin in range(0, len(numbers), BATCH_OF_VIEW):
            batch = numbers[begin : begin + BATCH_OF_VIEW]
            states = self._cut.states(batch)
            for which, prop in self._unsettled(Always, Sometimes):
                self._settle(which, batch, prop.holds(View(self._shell, states)))
            for number, move in enumerate(self._cut.compiled.moves):
                if unsettled := self._unsettled(AlwaysStep, SometimesStep):
                    at = np.flatnonzero(self._cut.compiled.enabled(move, states))
                    step = self._step(states[at], number)
                    for which, prop in unsettled:
                        self._settle(which, batch[at], prop.holds(*step))

    def _unsettled(self, *kinds: type) -> list[tuple[int, Any]]:
        return [(which, self._properties[which]) for which in self.unsettled if type(self._properties[which]) in kinds]

    def _settle(self, which: int, numbers: Ints, holds: Bools) -> None:
        """Settles a property if it is violated (or shown, if it is a *sometimes*) at one of these states."""
        hits = np.flatnonzero(holds != (self._properties[which].kind == "always"))
        if len(hits):
            self._settled[which] = len(self._levels), int(numbers[hits[0]])

    def _step(self, before: States, move: int) -> tuple[View, Labels, View]:
        """A move out of these states, in all of which it can be taken, as properties look at it."""
        compiled = self._cut.compiled
        after = compiled.apply(compiled.moves[move], before)
        return View(self._shell, before), Labels(self._shell, np.full(len(before), move)), View(self._shell, after)

    def verdicts(self, backwards: Backwards) -> tuple[Verdict, ...]:
        """What is known after the last level."""
        found = []
        for which, prop in enumerate(self._properties):
            always = prop.kind == "always"
            if which not in self._settled:
                found.append(Verdict(prop, always))
                continue
            level, number = self._settled[which]
            names, state = backwards.path(self._levels[:level], number)
            if isinstance(prop, AlwaysStep | SometimesStep):
                names.append(self._last(prop, state))
            found.append(Verdict(prop, not always, tuple(names)))
        return tuple(found)

    def _last(self, prop: AlwaysStep | SometimesStep, state: States) -> str:
        """The vector of a step out of this state that violates an *always*, or shows a *sometimes*."""
        compiled = self._cut.compiled
        taken = (number for number, move in enumerate(compiled.moves) if compiled.enabled(move, state)[0])
        for number in taken:
            if prop.holds(*self._step(state, number))[0] != (prop.kind == "always"):
                return compiled.moves[number].vector.name
        raise ValueError(f"{prop.name!r} does not treat all that is declared alike the same way")
