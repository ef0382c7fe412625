"""A property as a formula, for tools that do not run Python: read off the very test that is checked here.

The test of a property is a function over arrays of states. `told` calls it with a view whose columns are the axes of a
grid (one axis for each component that is read; numpy broadcasts the rest) and whose look-ups are formulas already. So
nothing is said twice: what other tools are given is the test itself, on its whole domain, reachable or not.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any as Anything

import numpy as np
import numpy.typing as npt

from model.lts.explore import Exploration
from model.lts.network import Bools, Compiled, Ints
from model.lts.properties import AlwaysStep, Eventually, Labels, Property, SometimesStep, View


@dataclass(frozen=True)
class Is:
    """A component is in one of these states, given by number; ``after`` the step instead of before it."""

    component: str
    states: frozenset[int]
    after: bool = False


@dataclass(frozen=True)
class Taken:
    """The step is one of these vectors."""

    vectors: frozenset[str]


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    part: Formula


@dataclass(frozen=True)
class All:
    """Every part holds."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True)
class Any:
    """Some part holds."""

    parts: tuple[Formula, ...]


Formula = Is | Taken | Not | All | Any

TRUE, FALSE = All(()), Any(())


def conjunction(parts: Iterable[Formula]) -> Formula:
    """`All`, flat and without what goes without saying."""
    flat = list(dict.fromkeys(q for part in parts for q in (part.parts if isinstance(part, All) else (part,))))
    if FALSE in flat:
        return FALSE
    return flat[0] if len(flat) == 1 else All(tuple(flat))


def disjunction(parts: Iterable[Formula]) -> Formula:
    """`Any`, flat and without what can never be."""
    flat = list(dict.fromkeys(q for part in parts for q in (part.parts if isinstance(part, Any) else (part,))))
    if TRUE in flat:
        return TRUE
    return flat[0] if len(flat) == 1 else Any(tuple(flat))


def negation(part: Formula) -> Formula:
    """`Not`, but of what is no negation itself."""
    match part:
        case Not():
            return part.part
        case All(()):
            return FALSE
        case Any(()):
            return TRUE
    return Not(part)


Column = Callable[[str, bool], Ints]


def evaluate(formula: Formula, column: Column, taken: Callable[[frozenset[str]], Bools]) -> Bools:
    """Where the formula holds. ``column(component, after)`` gives state numbers, ``taken(vectors)`` says where the step
    is one of these; arrays that broadcast."""
    match formula:
        case Is():
            return np.isin(column(formula.component, formula.after), list(formula.states))
        case Taken():
            return taken(formula.vectors)
        case Not():
            return np.logical_not(evaluate(formula.part, column, taken))
        case All():
            parts = (evaluate(part, column, taken) for part in formula.parts)
            return functools.reduce(np.logical_and, parts, np.array(True))
        case Any():
            parts = (evaluate(part, column, taken) for part in formula.parts)
            return functools.reduce(np.logical_or, parts, np.array(False))


def substitute(formula: Formula, change: Callable[[Is | Taken], Formula]) -> Formula:
    """The formula with each test replaced by what ``change`` makes of it."""
    match formula:
        case Not():
            return negation(substitute(formula.part, change))
        case All():
            return conjunction(substitute(part, change) for part in formula.parts)
        case Any():
            return disjunction(substitute(part, change) for part in formula.parts)
    return change(formula)


def tests(formula: Formula) -> set[Is | Taken]:
    """Every single test in the formula."""
    found: set[Is | Taken] = set()

    def keep(test: Is | Taken) -> Formula:
        found.add(test)
        return test

    substitute(formula, keep)
    return found


# --- reading a property ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """One property as formulas: ``holds``, and for *eventually* ``after`` and the vectors of each ``fair`` group."""

    property: Property
    holds: Formula
    after: Formula = TRUE
    fair: tuple[frozenset[str], ...] = ()


def told(prop: Property, compiled: Compiled) -> Told:
    """The property as formulas."""
    reading = _Reading(compiled)
    before, after = _SymbolicView(reading, after=False), _SymbolicView(reading, after=True)
    match prop:
        case AlwaysStep() | SometimesStep():
            return Told(prop, reading.formula(prop.holds(before, _SymbolicLabels(reading), after)))
        case Eventually():
            names = [vector.name for vector in compiled.network.vectors]
            fair = tuple(frozenset(filter(group, names)) for group in prop.fair)
            return Told(prop, reading.formula(prop.holds(before)), reading.formula(prop.after(before)), fair)
    return Told(prop, reading.formula(prop.holds(before)))


MOST_AXES, MOST_POINTS = 64, 20_000_000
"""Of a grid: numpy has no more axes; more points take too long."""


@dataclass
class _Reading:
    """The axes of the grid: each component (before or after the step) whose column was read, in that order.

    The first one is the last axis, so that an array that knows only the first few broadcasts with all others.
    """

    compiled: Compiled
    axes: list[tuple[str, bool]] = field(default_factory=list)
    together: set[tuple[str, bool]] = field(default_factory=set)
    """Those that were read for the grid that is coming."""

    def column(self, component: str, after: bool) -> Ints:
        """All state numbers of a component, along its own axis. Raises ValueError if the grid gets too large."""
        if (component, after) not in self.axes:
            self.axes.append((component, after))
        self.together.add((component, after))
        place = self.axes.index((component, after))
        if place >= MOST_AXES or math.prod(self._size(name) for name, _ in self.together) > MOST_POINTS:
            raise ValueError(
                f"network {self.compiled.network.name}: a property of {len(self.axes)} components or more has too "
                "many cases to be told as a formula; export a smaller one"
            )
        return np.arange(self._size(component)).reshape(-1, *(1,) * place)

    def _size(self, component: str) -> int:
        return self.compiled.sizes[self.compiled.index[component]]

    def formula(self, value: Anything) -> Formula:
        """What came out of a test, as a formula: it may be one, or a grid, or a plain truth value."""
        if isinstance(value, _Symbol):
            return value.formula
        self.together.clear()
        return self._grow(np.asarray(value, dtype=np.bool_))

    def _grow(self, values: Bools) -> Formula:
        """A grid as a decision tree: along its first axis, states that lead to the same grid stand together."""
        if values.all() or not values.any():
            return TRUE if values.all() else FALSE
        axis = next(axis for axis, size in enumerate(values.shape) if size > 1)
        component, after = self.axes[values.ndim - 1 - axis]
        groups: dict[bytes, list[int]] = {}
        for number in range(values.shape[axis]):
            groups.setdefault(values.take([number], axis).tobytes(), []).append(number)
        branches = []
        for numbers in groups.values():
            rest = self._grow(values.take([numbers[0]], axis))
            here: Formula = Is(component, frozenset(numbers), after) if len(groups) > 1 else TRUE
            branches.append(conjunction((here, rest)))
        return disjunction(branch for branch in branches if branch != FALSE)


@dataclass(frozen=True)
class _Symbol:
    """A formula that takes the place of an array of truth values: it knows ``&``, ``|`` and ``~``."""

    reading: _Reading
    formula: Formula
    __array_ufunc__ = None  # so that an array leaves its operators to this class

    def __and__(self, other: Anything) -> _Symbol:
        return _Symbol(self.reading, conjunction((self.formula, self.reading.formula(other))))

    def __or__(self, other: Anything) -> _Symbol:
        return _Symbol(self.reading, disjunction((self.formula, self.reading.formula(other))))

    __rand__, __ror__ = __and__, __or__

    def __invert__(self) -> _Symbol:
        return _Symbol(self.reading, negation(self.formula))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Anything]:
        """As a grid, to count with."""

        def no_step(vectors: frozenset[str]) -> Bools:
            raise TypeError(f"whether a step is one of {', '.join(sorted(vectors))} cannot be counted")

        return evaluate(self.formula, self.reading.column, no_step).astype(dtype or np.bool_)


class _SymbolicView(View):
    """A view of every state at once, reachable or not."""

    def __init__(self, reading: _Reading, after: bool) -> None:
        none = np.zeros(0, dtype=np.int64)
        start = reading.compiled.initial[np.newaxis, :]
        found = Exploration(reading.compiled, start, none, none, none, none, none, none, 0, 0.0)
        super().__init__(found, start)
        vars(self).update(reading=reading, after=after)

    reading: _Reading
    after: bool

    def column(self, component: str) -> Ints:
        return self.reading.column(component, self.after)

    def lookup(self, component: str, values: Callable[[str], bool]) -> Bools:
        states = self.exploration.compiled.network.components[component].states
        numbers = frozenset(number for number, state in enumerate(states) if values(state))
        if len(numbers) in (0, len(states)):
            return self._symbol(TRUE if numbers else FALSE)
        return self._symbol(Is(component, numbers, self.after))

    def test(self, values: Bools) -> Bools:
        return self._symbol(self.reading.formula(values))

    def _symbol(self, formula: Formula) -> Bools:
        return _Symbol(self.reading, formula)  # type: ignore[return-value]  # in place of an array


class _SymbolicLabels(Labels):
    """The step, as yet unknown."""

    def __init__(self, reading: _Reading) -> None:
        vars(self).update(reading=reading)

    reading: _Reading

    def is_event(self, *labels: str) -> Bools:
        return self._taken(lambda vector: vector.label in labels)

    def is_vector(self, *names: str) -> Bools:
        return self._taken(lambda vector: vector.name in names)

    def _taken(self, chosen: Callable[[Anything], bool]) -> Bools:
        vectors = frozenset(vector.name for vector in self.reading.compiled.network.vectors if chosen(vector))
        return _Symbol(self.reading, Taken(vectors) if vectors else FALSE)  # type: ignore[return-value]
