"""Exhaustive exploration of a compiled network: breadth first, level by level, on whole arrays of states."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from model.lts.network import Compiled, Ints, States


class TooLarge(Exception):
    """The network has more reachable states than asked for."""


@dataclass(frozen=True)
class Exploration:
    """All reachable states, in breadth-first order, and all transitions between them.

    ``states`` is n × components, ``distance`` the length of a shortest path to each of them. ``parent`` and ``via``
    (move number) lead back to the initial state on such a path; both are -1 there. ``source``, ``move``, ``target`` are
    one entry per transition. ``depth`` is the greatest distance.
    """

    compiled: Compiled
    states: States
    distance: Ints
    parent: Ints
    via: Ints
    source: Ints
    move: Ints
    target: Ints
    depth: int
    seconds: float

    def path(self, state: int) -> list[str]:
        """The vectors of a shortest path from the initial state to state number ``state``."""
        names = []
        while self.parent[state] >= 0:
            names.append(self.compiled.moves[self.via[state]].vector.name)
            state = int(self.parent[state])
        return names[::-1]

    @cached_property
    def labels(self) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
        """The label of each move, by move number."""
        return np.array([move.vector.label for move in self.compiled.moves])


def explore(
    compiled: Compiled, max_states: int = 5_000_000, progress: Callable[[int, int], None] | None = None
) -> Exploration:
    """Every reachable state and transition. ``progress`` is called with (states, depth) after each level.

    Raises `TooLarge` when there are more than ``max_states`` states.
    """
    begun = time.perf_counter()
    weights = _weights(compiled)
    level = compiled.initial[np.newaxis, :].copy()
    parent, via = [np.array([-1])], [np.array([-1])]
    levels, edges = [level], []
    known_keys, known_numbers = _keys(level, weights), np.array([0])
    total, depth, first = 1, 0, 0
    while len(level):
        sources, moves, targets = _successors(compiled, level, first)
        keys = _keys(targets, weights)
        unique, where = np.unique(keys, return_index=True)
        place = np.searchsorted(known_keys, unique)
        old = known_keys[np.minimum(place, len(known_keys) - 1)] == unique
        fresh, fresh_at = unique[~old], where[~old]
        if total + len(fresh) > max_states:
            raise TooLarge(
                f"network {compiled.network.name}: more than {max_states:,} states at depth {depth + 1}; "
                "explore a smaller one, or raise the limit"
            )
        order = np.argsort(fresh_at, kind="stable")
        numbers = np.empty(len(fresh), dtype=np.int64)
        numbers[order] = np.arange(total, total + len(fresh))
        at = np.searchsorted(known_keys, fresh)
        known_keys, known_numbers = np.insert(known_keys, at, fresh), np.insert(known_numbers, at, numbers)
        edges.append((sources, moves, known_numbers[np.searchsorted(known_keys, keys)]))
        picked = fresh_at[order]
        level, first = targets[picked], total
        total += len(fresh)
        if len(fresh):
            depth += 1
            levels.append(level)
            parent.append(sources[picked])
            via.append(moves[picked])
        if progress:
            progress(total, depth)
    source, move, target = (np.concatenate(parts) for parts in zip(*edges, strict=True))
    distance = np.repeat(np.arange(len(levels)), [len(level) for level in levels])
    seconds = time.perf_counter() - begun
    return Exploration(
        compiled, np.concatenate(levels), distance, np.concatenate(parent), np.concatenate(via), source, move, target,
        depth, seconds,
    )  # fmt: skip


def _successors(compiled: Compiled, level: States, first: int) -> tuple[Ints, Ints, States]:
    """All transitions out of ``level``, whose states are numbered from ``first``."""
    none = np.zeros(0, dtype=np.int64)
    sources, moves, targets = [none], [none], [level[:0]]
    for number, move in enumerate(compiled.moves):
        at = np.flatnonzero(compiled.enabled(move, level))
        sources.append(at + first)
        moves.append(np.full(len(at), number, dtype=np.int64))
        targets.append(compiled.apply(move, level[at]))
    return np.concatenate(sources), np.concatenate(moves), np.concatenate(targets)


def _weights(compiled: Compiled) -> Ints:
    """Mixed-radix weights: a state times these is its key."""
    weights, weight = [], 1
    for size in compiled.sizes:
        weights.append(weight)
        weight *= size
    if weight > 2**62:
        raise TooLarge(
            f"network {compiled.network.name}: 10^{len(str(weight)) - 1} combinations of states are too many to number"
        )
    return np.array(weights, dtype=np.int64)


def _keys(states: States, weights: Ints) -> Ints:
    return states.astype(np.int64) @ weights
