"""Properties of a network: *always*, *sometimes*, *eventually*; a violated one yields a shortest counterexample.

- always: holds in every reachable state, or across every transition;
- sometimes: some reachable state has it: proves that an *always* beside it is not vacuous;
- eventually: wherever ``after`` holds, ``holds`` comes about, under weak fairness: a group of events that stays enabled
  is not put off for ever. Cycles count: it is checked on strongly connected components.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

from model.lts.explore import Exploration
from model.lts.network import Bools, Ints, States


@dataclass(frozen=True)
class View:
    """Some states (or the sources or targets of some transitions) of a network, to state properties over."""

    exploration: Exploration
    states: States

    def __len__(self) -> int:
        return len(self.states)

    def column(self, component: str) -> Ints:
        """The state numbers of one component; shape (n,)."""
        return self.states[:, self.exploration.compiled.index[component]].astype(np.int64)

    def lookup(self, component: str, values: Callable[[str], bool]) -> Bools:
        """Where the state of ``component`` is one for which ``values`` is true; shape (n,)."""
        table = self.exploration.compiled.network.components[component]
        return np.array([values(state) for state in table.states], dtype=np.bool_)[self.column(component)]

    def is_in(self, component: str, *states: str) -> Bools:
        """Where ``component`` is in one of ``states``; shape (n,)."""
        return self.lookup(component, lambda state: state in states)

    def test(self, values: Bools) -> Bools:
        """``values``, which were worked out from columns: a test like the others. (`model.lts.formula` has its own.)"""
        return values


def all_of(parts: Iterable[Bools]) -> Bools:
    """Where all of these tests hold."""
    return functools.reduce(operator.and_, parts)


def any_of(parts: Iterable[Bools]) -> Bools:
    """Where some of these tests holds."""
    return functools.reduce(operator.or_, parts)


def how_many(parts: Iterable[Bools]) -> Ints:
    """How many of these tests hold; shape (n,)."""
    return functools.reduce(np.add, (np.asarray(part, dtype=np.int64) for part in parts))


def named(*names: str) -> Callable[[str], bool]:
    """The group of the vectors with these names, to be fair to."""
    return lambda name: name in names


StateTest = Callable[[View], Bools]
StepTest = Callable[[View, "Labels", View], Bools]


@dataclass(frozen=True)
class Labels:
    """The events of some transitions."""

    exploration: Exploration
    moves: Ints

    def is_event(self, *labels: str) -> Bools:
        """Where the step is one of these events; shape (n,)."""
        return np.isin(self.exploration.labels, labels)[self.moves]

    def is_vector(self, *names: str) -> Bools:
        """Where the step is one of these vectors, arguments included; shape (n,)."""
        vectors = np.array([move.vector.name in names for move in self.exploration.compiled.moves], dtype=np.bool_)
        return vectors[self.moves]


@dataclass(frozen=True)
class Always:
    """``holds`` in every reachable state."""

    name: str
    rules: tuple[str, ...]
    holds: StateTest
    kind: Literal["always"] = "always"


@dataclass(frozen=True)
class AlwaysStep:
    """``holds`` across every transition: (states before, events, states after)."""

    name: str
    rules: tuple[str, ...]
    holds: StepTest
    kind: Literal["always"] = "always"


@dataclass(frozen=True)
class Sometimes:
    """``holds`` in some reachable state."""

    name: str
    rules: tuple[str, ...]
    holds: StateTest
    kind: Literal["sometimes"] = "sometimes"


@dataclass(frozen=True)
class SometimesStep:
    """Some transition has ``holds``."""

    name: str
    rules: tuple[str, ...]
    holds: StepTest
    kind: Literal["sometimes"] = "sometimes"


@dataclass(frozen=True)
class Eventually:
    """From every state with ``after``, ``holds`` comes about if each group of ``fair`` vectors is weakly fair.

    A group is given by a test on the vector's name; a run in which a group stays enabled for ever but is never taken
    does not count.
    """

    name: str
    rules: tuple[str, ...]
    after: StateTest
    holds: StateTest
    fair: tuple[Callable[[str], bool], ...]
    kind: Literal["eventually"] = "eventually"


Property = Always | AlwaysStep | Sometimes | SometimesStep | Eventually


@dataclass(frozen=True)
class Verdict:
    """Whether a property holds. ``path`` is a shortest counterexample (for *sometimes*: an example) as vector names;
    ``loop`` the vectors that may then go on for ever (``stays`` where the run just rests)."""

    property: Property
    holds: bool
    path: tuple[str, ...] | None = None
    loop: tuple[str, ...] = ()


def check(prop: Property, found: Exploration) -> Verdict:
    """The verdict on one property."""
    match prop:
        case Always():
            bad = np.flatnonzero(~prop.holds(View(found, found.states)))
            return Verdict(prop, not len(bad), tuple(found.path(int(bad[0]))) if len(bad) else None)
        case Sometimes():
            good = np.flatnonzero(prop.holds(View(found, found.states)))
            return Verdict(prop, bool(len(good)), tuple(found.path(int(good[0]))) if len(good) else None)
        case AlwaysStep():
            return _first_step(prop, found, ~_steps(prop, found), holds=False)
        case SometimesStep():
            return _first_step(prop, found, _steps(prop, found), holds=True)
        case Eventually():
            return _eventually(prop, found)


def _steps(prop: AlwaysStep | SometimesStep, found: Exploration) -> Bools:
    before, after = View(found, found.states[found.source]), View(found, found.states[found.target])
    return prop.holds(before, Labels(found, found.move), after)


def _first_step(prop: Property, found: Exploration, hits: Bools, *, holds: bool) -> Verdict:
    """The verdict from the transitions that decide; transitions stand in breadth-first order of their sources."""
    at = np.flatnonzero(hits)
    if not len(at):
        return Verdict(prop, not holds)
    first = int(at[0])
    last = found.compiled.moves[found.move[first]].vector.name
    return Verdict(prop, holds, (*found.path(int(found.source[first])), last))


def _eventually(prop: Eventually, found: Exploration) -> Verdict:
    view = View(found, found.states)
    pending = ~prop.holds(view)
    inside = pending[found.source] & pending[found.target]
    source, move, target = found.source[inside], found.move[inside], found.target[inside]
    size = len(found.states)
    graph = csr_array((np.ones(len(source), dtype=np.int8), (source, target)), shape=(size, size))
    count, labels = connected_components(graph, directed=True, connection="strong")
    component = labels.astype(np.int64)
    stuck = np.ones(count, dtype=np.bool_)
    for group in prop.fair:
        chosen = np.array([group(m.vector.name) for m in found.compiled.moves], dtype=np.bool_)
        enabled = np.zeros(size, dtype=np.bool_)
        enabled[found.source[chosen[found.move]]] = True
        somewhere_disabled = np.zeros(count, dtype=np.bool_)
        somewhere_disabled[component[~enabled]] = True
        taken = chosen[move] & (component[source] == component[target])
        taken_inside = np.zeros(count, dtype=np.bool_)
        taken_inside[component[source[taken]]] = True
        stuck &= somewhere_disabled | taken_inside
    trap = stuck[component] & pending
    begun = np.flatnonzero(prop.after(view) & pending)
    return _lasso(prop, found, graph, begun, trap, component, (source, move, target))


def _lasso(
    prop: Eventually,
    found: Exploration,
    graph: csr_array,
    begun: Ints,
    trap: Bools,
    component: Ints,
    edges: tuple[Ints, Ints, Ints],
) -> Verdict:
    """A shortest path to a place where ``after`` holds, and on to a component that may be stayed in for ever."""
    source, move, target = edges
    traps = np.flatnonzero(trap)
    if not len(traps) or not len(begun):
        return Verdict(prop, True)
    away = dijkstra(graph.T.tocsr(), unweighted=True, indices=traps, min_only=True)
    length = found.distance[begun] + away[begun]
    best = int(np.argmin(length))
    if not np.isfinite(length[best]):
        return Verdict(prop, True)
    at, steps = int(begun[best]), list(found.path(int(begun[best])))
    while away[at]:
        onward = np.flatnonzero((source == at) & (away[target] == away[at] - 1))[0]
        steps.append(found.compiled.moves[move[onward]].vector.name)
        at = int(target[onward])
    here = component == component[at]
    inside = np.unique(move[here[source] & here[target]])
    loop = tuple(found.compiled.moves[m].vector.name for m in inside) or ("stays",)
    return Verdict(prop, False, tuple(steps), loop)
