"""Labelled transition systems as mere graphs: strong bisimulation, determinisation, images.

What two systems have in common is asked here without their states' names: only labels count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from model.lts.explore import Exploration
from model.lts.network import Ints
from model.lts.table import Table


@dataclass(frozen=True)
class Graph:
    """States 0 to ``size`` - 1, of which 0 is initial, and transitions (source, label, target), sorted, each once."""

    size: int
    edges: tuple[tuple[int, str, int], ...]

    def successors(self) -> dict[int, list[tuple[str, int]]]:
        """The way on from each state."""
        found: dict[int, list[tuple[str, int]]] = defaultdict(list)
        for source, label, target in self.edges:
            found[source].append((label, target))
        return found


def of_exploration(found: Exploration) -> Graph:
    """What was explored; the labels are the names of the vectors, arguments included."""
    names = [move.vector.name for move in found.compiled.moves]
    edges = zip(found.source.tolist(), (names[move] for move in found.move), found.target.tolist(), strict=True)
    return Graph(len(found.states), tuple(sorted(set(edges))))


def of_table(table: Table) -> Graph:
    """A table without regions, its initial state first."""
    order = [table.initial, *(state for state in table.states if state != table.initial)]
    number = {state: place for place, state in enumerate(order)}
    edges = {(number[row.source], row.event, number[row.target]) for row in table.rows}
    return Graph(len(order), tuple(sorted(edges)))


def image(found: Exploration, states: Ints) -> Graph:
    """What the exploration looks like where state number i is seen as ``states[i]``, and a step as its label without
    arguments: each step of the image is one that some state behind it takes. The initial state is seen as 0."""
    labels = found.labels[found.move].tolist()
    edges = zip(states[found.source].tolist(), labels, states[found.target].tolist(), strict=True)
    return Graph(int(states.max()) + 1, tuple(sorted(set(edges))))


def minimised(graph: Graph) -> Graph:
    """The smallest graph that is strongly bisimilar. States are numbered as they are met first in ``graph``."""
    block = _blocks(graph)
    return Graph(max(block) + 1, tuple(sorted({(block[a], label, block[b]) for a, label, b in graph.edges})))


def bisimilar(one: Graph, other: Graph) -> bool:
    """Whether the initial states of both are strongly bisimilar."""
    moved = tuple((a + one.size, label, b + one.size) for a, label, b in other.edges)
    block = _blocks(Graph(one.size + other.size, one.edges + moved))
    return block[0] == block[one.size]


def _blocks(graph: Graph) -> list[int]:
    """The block of each state in the coarsest partition whose blocks have, state by state, the same ways on: refined
    from one block until nothing splits any more."""
    block, count, after = [0] * graph.size, 1, graph.successors()
    while True:
        seen = [(block[s], frozenset((label, block[t]) for label, t in after[s])) for s in range(graph.size)]
        block = _numbered(seen)
        if max(block) + 1 == count:
            return block
        count = max(block) + 1


def _numbered(keys: Iterable[Hashable]) -> list[int]:
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def determinised(graph: Graph, silent: Callable[[str], bool] = lambda _: False) -> Graph:
    """The graph whose states are the sets of states that one sequence of labels may have led to; ``silent`` labels are
    not seen. Two graphs have the same sequences of labels if, and only if, these are strongly bisimilar."""
    after = graph.successors()

    def closed(states: set[int]) -> frozenset[int]:
        found, waiting = set(states), list(states)
        while waiting:
            for label, target in after[waiting.pop()]:
                if silent(label) and target not in found:
                    found.add(target)
                    waiting.append(target)
        return frozenset(found)

    numbers = {closed({0}): 0}
    waiting, edges = list(numbers), []
    while waiting:
        here = waiting.pop()
        targets: dict[str, set[int]] = defaultdict(set)
        for state in sorted(here):
            for label, target in after[state]:
                if not silent(label):
                    targets[label].add(target)
        for label, states in sorted(targets.items()):
            there = closed(states)
            if there not in numbers:
                numbers[there] = len(numbers)
                waiting.append(there)
            edges.append((numbers[here], label, numbers[there]))
    return Graph(len(numbers), tuple(sorted(edges)))
