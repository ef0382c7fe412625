"""A network: tables that run side by side, coupled only by synchronisation vectors.

A vector is one step of the network: it moves several tables at once, under conditions on where others are. `compile`
turns a network into integer arrays, on which `model.lts.explore` works; no table is stepped by calls there.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from model.lts.table import Refused, Table

Ints = npt.NDArray[np.int64]
States = npt.NDArray[np.uint16]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class When:
    """A condition on other tables: ``every`` or ``some`` of these components is in one of these states."""

    quantifier: Literal["every", "some"]
    components: tuple[str, ...]
    states: frozenset[str]


@dataclass(frozen=True)
class Vector:
    """One synchronised step, named like ``exit_zero(p1,c1)``.

    ``moves`` maps each participant to the event that its table must have a row for; ``broadcast`` maps components to an
    event that they take if they can (and otherwise stay); ``when`` must hold before the step.
    """

    name: str
    moves: Mapping[str, str]
    broadcast: Mapping[str, str] = field(default_factory=dict)
    when: tuple[When, ...] = ()

    @property
    def label(self) -> str:
        """The name without its arguments: the event as the abstract machine knows it."""
        return self.name.partition("(")[0]


@dataclass(frozen=True)
class Network:
    """Components by name, each a flat table, and the vectors that couple them."""

    name: str
    components: Mapping[str, Table]
    vectors: tuple[Vector, ...]

    def __post_init__(self) -> None:
        for name, table in self.components.items():
            if table.regions:
                raise ValueError(f"network {self.name}: component {name} has regions; use table.flattened()")
        names = [vector.name for vector in self.vectors]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"network {self.name}: vector {min(twice)} stands there twice")
        for vector in self.vectors:
            self._check(vector)
            for component in (*vector.moves, *vector.broadcast, *(c for w in vector.when for c in w.components)):
                if component not in self.components:
                    raise ValueError(f"network {self.name}: vector {vector.name} names no component {component!r}")
            for component, event in (*vector.moves.items(), *vector.broadcast.items()):
                if event not in self.components[component].events:
                    raise ValueError(
                        f"network {self.name}: vector {vector.name}: table {self.components[component].name} "
                        f"has no event {event!r}"
                    )

    def _check(self, vector: Vector) -> None:
        if both := vector.moves.keys() & vector.broadcast.keys():
            raise ValueError(f"network {self.name}: vector {vector.name}: {min(both)} both moves and hears")
        for when in vector.when:
            if not when.components:
                raise ValueError(f"network {self.name}: vector {vector.name}: a condition on no component")
            known = {s for c in when.components if c in self.components for s in self.components[c].states}
            if known and (strange := when.states - known):
                raise ValueError(
                    f"network {self.name}: vector {vector.name}: a condition on unknown state {min(strange)!r}"
                )

    def initial(self) -> dict[str, str]:
        """The state in which every component begins."""
        return {name: table.initial for name, table in self.components.items()}

    def fire(self, state: Mapping[str, str], name: str) -> list[dict[str, str]]:
        """The states that the vector ``name`` leads to: the plain semantics that the compiled arrays must agree with.

        Raises `Refused` if the vector is not enabled (or does not exist); nothing has changed then.
        """
        vector = next((v for v in self.vectors if v.name == name), None)
        choices = self._choices(vector, state) if vector else None
        if not choices:
            allowed = tuple(v.name for v in self.vectors if self._choices(v, state))
            shown = ", ".join(f"{component}={where}" for component, where in state.items())
            raise Refused(self.name, shown, name, allowed)
        return choices

    def steps(self, state: Mapping[str, str]) -> list[tuple[Vector, dict[str, str]]]:
        """Every step from ``state``: its vector, and the state that it leads to."""
        return [(vector, after) for vector in self.vectors for after in self._choices(vector, state)]

    def _choices(self, vector: Vector, state: Mapping[str, str]) -> list[dict[str, str]]:
        for when in vector.when:
            inside = [state[component] in when.states for component in when.components]
            if not (all(inside) if when.quantifier == "every" else any(inside)):
                return []
        targets: dict[str, list[str]] = {}
        for component, event in vector.moves.items():
            targets[component] = [r.target for r in self.components[component].rows_for(state[component], event)]
        for component, event in vector.broadcast.items():
            rows = self.components[component].rows_for(state[component], event)
            targets[component] = [r.target for r in rows] or [state[component]]
        return [{**state, **dict(zip(targets, choice, strict=True))} for choice in itertools.product(*targets.values())]


def alone(table: Table) -> Network:
    """One table as a network: its only component is named like it, and its vectors like its events."""
    flat = table.flattened()
    return Network(flat.name, {flat.name: flat}, tuple(Vector(event, {flat.name: event}) for event in flat.events))


@dataclass(frozen=True)
class Move:
    """A vector as arrays: for each moved component a map from state number to state number, -1 where refused.

    A nondeterministic vector becomes several moves.
    """

    vector: Vector
    maps: tuple[tuple[int, Ints], ...]
    conditions: tuple[tuple[bool, tuple[int, ...], Bools], ...]


@dataclass(frozen=True)
class Compiled:
    """A network as integer arrays. A state is a row of component state numbers."""

    network: Network
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    initial: States
    moves: tuple[Move, ...]
    index: Mapping[str, int] = field(default_factory=dict)

    def enabled(self, move: Move, states: States) -> Bools:
        """For each of ``states`` (n × components) whether ``move`` can be taken there; shape (n,)."""
        mask = np.ones(len(states), dtype=np.bool_)
        for every, components, inside in move.conditions:
            hits = np.stack([inside[states[:, c], place] for place, c in enumerate(components)])
            mask &= hits.all(axis=0) if every else hits.any(axis=0)
        for component, table in move.maps:
            mask &= table[states[:, component]] >= 0
        return mask

    def apply(self, move: Move, states: States) -> States:
        """The states after ``move``, which must be enabled in all of ``states``."""
        after = states.copy()
        for component, table in move.maps:
            after[:, component] = table[states[:, component]]
        return after

    def decode(self, state: States) -> dict[str, str]:
        """One state (shape (components,)) by names."""
        tables = self.network.components
        return {name: tables[name].states[int(number)] for name, number in zip(self.names, state, strict=True)}

    def encode(self, state: Mapping[str, str]) -> States:
        """The inverse of `decode`."""
        tables = self.network.components
        return np.array([tables[name].states.index(state[name]) for name in self.names], dtype=np.uint16)


def compile(network: Network) -> Compiled:
    """The network as integer arrays."""
    names = tuple(network.components)
    index = {name: place for place, name in enumerate(names)}
    moves: list[Move] = []
    for vector in network.vectors:
        conditions = tuple(
            (when.quantifier == "every", tuple(index[c] for c in when.components), _inside(network, when))
            for when in vector.when
        )
        options = [
            [(index[c], m) for m in _maps(network.components[c], event, stay=False)]
            for c, event in vector.moves.items()
        ] + [
            [(index[c], m) for m in _maps(network.components[c], event, stay=True)]
            for c, event in vector.broadcast.items()
        ]
        moves += [Move(vector, choice, conditions) for choice in itertools.product(*options)]
    initial = np.array([t.states.index(t.initial) for t in network.components.values()], dtype=np.uint16)
    sizes = tuple(len(t.states) for t in network.components.values())
    return Compiled(network, names, sizes, initial, tuple(moves), index)


def _inside(network: Network, when: When) -> Bools:
    """For each state number (row) and component (column) whether it is one of the condition's states."""
    tables = [network.components[c] for c in when.components]
    inside = np.zeros((max(len(t.states) for t in tables), len(tables)), dtype=np.bool_)
    for place, table in enumerate(tables):
        for number, state in enumerate(table.states):
            inside[number, place] = state in when.states
    return inside


def _maps(table: Table, event: str, *, stay: bool) -> list[Ints]:
    """Deterministic maps that together have every row of ``event``; ``stay`` maps refusing states to themselves."""
    rows = [table.rows_for(state, event) for state in table.states]
    layers = max(len(found) for found in rows)
    maps = []
    for layer in range(layers):
        numbers = np.full(len(table.states), -1, dtype=np.int64)
        for number, found in enumerate(rows):
            if layer < len(found):
                numbers[number] = table.states.index(found[layer].target)
            elif stay and layer == 0:
                numbers[number] = number
        maps.append(numbers)
    return maps
