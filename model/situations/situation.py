"""What every situation is made of: a network, its properties, and a world that may come to rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from model.lts.network import Bools, Network, Vector, When
from model.lts.properties import Property, View, all_of
from model.lts.table import Row, Table
from model.pod import standing

WORLD = "world"


@dataclass(frozen=True)
class Situation:
    """A network with a line on what it is for, and what must hold in it."""

    name: str
    summary: str
    network: Network
    properties: tuple[Property, ...]


def world(*rules: str) -> Table:
    """Users, clouds and faults. They may do anything until they rest; what is owed eventually is owed then.

    Without this nothing would be owed, as a user may delete each pod as soon as it is there, for ever.
    """
    return Table(WORLD, ("Restless", "Quiet"), "Restless", (Row("Restless", "settle", "Quiet", rules),))


RESTLESS = When("every", (WORLD,), frozenset({"Restless"}))
SETTLE = Vector("settle", {WORLD: "settle"})


def by_world(vectors: Iterable[Vector]) -> list[Vector]:
    """The same steps, taken by the world: not once it has come to rest."""
    return [replace(vector, when=(*vector.when, RESTLESS)) for vector in vectors]


def inside(component: str, *states: str) -> When:
    """The condition that a component is in one of these states."""
    return When("every", (component,), frozenset(states))


def standing_in(component: str, slot: Table, *standings: str) -> When:
    """The condition that a pod has one of these standings, wherever it is."""
    return inside(component, *(state for state in slot.states if standing(state) in standings))


@dataclass(frozen=True)
class Crossing:
    """What a step of one component means for others: ``moves`` they make if it leads from a state of which ``was`` is
    true to one of which ``now`` is true. ``word`` tells the step from the others of the same event."""

    word: str
    was: Callable[[str], bool]
    now: Callable[[str], bool]
    moves: Mapping[str, str] = field(default_factory=dict)
    broadcast: Mapping[str, str] = field(default_factory=dict)


def crossings(component: str, table: Table, event: str, cases: Iterable[Crossing], argument: str = "") -> list[Vector]:
    """One vector for each case that some row of ``event`` is of. Each row is of one case at most."""
    found = []
    for case in cases:
        sources = {
            row.source for row in table.rows if row.event == event and case.was(row.source) and case.now(row.target)
        }
        if sources:
            arguments = ",".join(part for part in (argument or component, case.word) if part)
            found.append(
                Vector(
                    f"{event.partition('@')[0]}({arguments})",
                    {component: event, **case.moves},
                    case.broadcast,
                    (inside(component, *sorted(sources)),),
                )
            )
    return found


def same(before: View, after: View, *components: str) -> Bools:
    """Where a step leaves these components as they are."""
    return all_of(before.test(before.column(c) == after.column(c)) for c in components)
