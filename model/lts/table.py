"""A table: one explicit state machine (a labelled transition system), given as data.

Every transition is a `Row`. An event that has no row in the present state is *refused*: it is reported and it changes
nothing. A state may hold orthogonal regions, each a table of its own, that run side by side while the state lasts.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True)
class Row:
    """``source --event--> target``, and the ids of the rules that it encodes.

    ``records`` names the event that the system must record when the row is taken.
    """

    source: str
    event: str
    target: str
    rules: tuple[str, ...]
    records: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.source} --{self.event}--> {self.target}"


class Refused(Exception):
    """An event that the table has no row for in the present state. Nothing has changed."""

    def __init__(self, table: str, state: str, event: str, allowed: tuple[str, ...]) -> None:
        self.table, self.state, self.event, self.allowed = table, state, event, allowed
        super().__init__(f"{table}: {event!r} is refused in state {state}; allowed: {', '.join(allowed) or 'nothing'}")


@dataclass(frozen=True, eq=False)
class Table:
    """A state machine as data. ``regions`` maps a state to the tables that run side by side inside it.

    Raises ValueError on construction for an unknown state, a state or row that stands twice, a row without rules, a
    state that no row leads to, regions inside regions, or an event of two tables.
    """

    name: str
    states: tuple[str, ...]
    initial: str
    rows: tuple[Row, ...]
    regions: Mapping[str, tuple[Table, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = set(self.states)
        if len(known) < len(self.states):
            raise ValueError(f"table {self.name}: a state stands there twice")
        self._check_regions()
        for state in (self.initial, *self.regions, *(s for r in self.rows for s in (r.source, r.target))):
            if state not in known:
                raise ValueError(f"table {self.name}: unknown state {state!r}")
        seen: set[tuple[str, str, str]] = set()
        for row in self.rows:
            if (key := (row.source, row.event, row.target)) in seen:
                raise ValueError(f"table {self.name}: row {row} stands there twice")
            if not row.rules:
                raise ValueError(f"table {self.name}: row {row} names no rule")
            seen.add(key)
        if unreached := known - self.reach({self.initial}):
            raise ValueError(f"table {self.name}: no row leads to {', '.join(sorted(unreached))}")

    def _check_regions(self) -> None:
        """Regions are one level deep, and every event belongs to one table only: so its meaning is plain."""
        taken = {row.event for row in self.rows}
        for regions in self.regions.values():
            for region in regions:
                if region.regions:
                    raise ValueError(f"table {self.name}: region {region.name} has regions of its own")
                own = {row.event for row in region.rows}
                if shared := taken & own:
                    raise ValueError(
                        f"table {self.name}: event {min(shared)!r} belongs to region {region.name} and another"
                    )
                taken |= own

    def reach(self, states: Iterable[str], barred: Collection[str] = ()) -> frozenset[str]:
        """The states that rows lead to from ``states``, themselves included, without the events in ``barred``."""
        reached, frontier = set(states), list(states)
        while frontier:
            state = frontier.pop()
            for row in self.rows:
                if row.source == state and row.event not in barred and row.target not in reached:
                    reached.add(row.target)
                    frontier.append(row.target)
        return frozenset(reached)

    @cached_property
    def events(self) -> tuple[str, ...]:
        """All events, own and of regions, in order of first appearance."""
        own = [r.event for r in self.rows]
        inner = [e for regions in self.regions.values() for region in regions for e in region.events]
        return tuple(dict.fromkeys(own + inner))

    @cached_property
    def _by_source(self) -> dict[tuple[str, str], tuple[Row, ...]]:
        index: dict[tuple[str, str], tuple[Row, ...]] = {}
        for row in self.rows:
            index[row.source, row.event] = (*index.get((row.source, row.event), ()), row)
        return index

    def rows_for(self, state: str, event: str) -> tuple[Row, ...]:
        """The rows of ``event`` in ``state``; none if it is refused, several if the table is nondeterministic."""
        return self._by_source.get((state, event), ())

    def allowed(self, state: str) -> tuple[str, ...]:
        """The events that ``state`` does not refuse."""
        return tuple(dict.fromkeys(r.event for r in self.rows if r.source == state))

    def fire(self, state: str, event: str) -> tuple[Row, ...]:
        """The rows of ``event`` in ``state``. Raises `Refused` if there is none."""
        if found := self.rows_for(state, event):
            return found
        raise Refused(self.name, state, event, self.allowed(state))

    def all_rows(self) -> tuple[Row, ...]:
        """Own rows and those of all regions."""
        return (*self.rows, *(r for regions in self.regions.values() for region in regions for r in region.all_rows()))

    def flattened(self) -> Table:
        """The same machine without regions: a state with regions becomes one state for each combination of theirs."""
        return self._flat

    @cached_property
    def _flat(self) -> Table:
        if not self.regions:
            return self
        inner = {
            state: tuple(itertools.product(*(region.states for region in regions)))
            for state, regions in self.regions.items()
        }

        def entry(state: str) -> str:
            return joint(state, tuple(region.initial for region in self.regions[state])) if state in inner else state

        def variants(state: str) -> tuple[str, ...]:
            return tuple(joint(state, combination) for combination in inner[state]) if state in inner else (state,)

        rows = [Row(s, r.event, entry(r.target), r.rules, r.records) for r in self.rows for s in variants(r.source)]
        for state, combinations in inner.items():
            for combination in combinations:
                for place, region in enumerate(self.regions[state]):
                    for r in region.rows:
                        if r.source == combination[place]:
                            target = (*combination[:place], r.target, *combination[place + 1 :])
                            rows.append(
                                Row(joint(state, combination), r.event, joint(state, target), r.rules, r.records)
                            )
        states = tuple(v for s in self.states for v in variants(s))
        return Table(self.name, states, entry(self.initial), tuple(rows))


def joint(state: str, combination: tuple[str, ...]) -> str:
    """The flat name of a state together with the states of its regions: ``Running/True/Unknown``."""
    return "/".join((state, *combination))
