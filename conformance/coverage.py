"""Coverage: through which states, rows and pairs of consecutive rows of the tables a history went, and how often.

*Covered* are the rows of a shortest explanation of what was observed. Observation is sampling, so there may be other
explanations, and what truly happened may have been longer. *Failed* are the rows that name a rule of a failure, in the
tables of the object that it is about: those that begin where the explanation stood, or, if none does there, any.

A coverage is a value: counts by table, to be added up over any number of histories of one profile. Tables are known by
their names, the regions of a state as ``node/NodeReady``; a row by how it is written, ``Running --kill--> Killed``.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from tabulate import tabulate

from conformance.oracle import Tagged, shortest
from model.lts.table import Row, Table
from model.pod import standing
from model.profiles import Profile


class Counted(msgspec.Struct, omit_defaults=True):
    """How often each state, row and pair of consecutive rows of one table was gone through, and how often a failure was
    found at a row."""

    states: dict[str, int] = msgspec.field(default_factory=Counter)
    rows: dict[str, int] = msgspec.field(default_factory=Counter)
    pairs: dict[str, int] = msgspec.field(default_factory=Counter)
    failed: dict[str, int] = msgspec.field(default_factory=Counter)

    def add(self, other: Counted) -> None:
        """Count what another one has counted, too."""
        for kind in (*KINDS, "failed"):
            sums: Counter[str] = getattr(self, kind)
            sums.update(getattr(other, kind))


Coverage = Mapping[str, Counted]
"""The counts by table."""

KINDS = ("states", "rows", "pairs")
"""What is counted, and has a total."""


def merged(coverages: Iterable[Coverage]) -> dict[str, Counted]:
    """The sum of several coverages of one profile."""
    total: dict[str, Counted] = defaultdict(Counted)
    for coverage in coverages:
        add(total, coverage)
    return dict(total)


def add(total: dict[str, Counted], coverage: Coverage, times: int = 1) -> None:
    """Add a coverage, so many times, to a total that has any table by default."""
    for name, counted in coverage.items():
        for kind in (*KINDS, "failed"):
            sums = getattr(total[name], kind)
            for key, count in getattr(counted, kind).items():
                sums[key] += count * times


# --- the tables that the judge walks through ------------------------------------------------------------------------


HOME = "node"
"""What stands for a pod's node in the states of its record."""


def whole(profile: Profile) -> list[Table]:
    """The tables that the judge walks through, as they are drawn: regions inside their states."""
    return [profile.node, profile.record((HOME,)), *profile.phases.values(), *profile.containers.values()]


def parts(table: Table) -> dict[str, Table]:
    """A table and its regions, by name."""
    inner = itertools.chain(*table.regions.values())
    return {table.name: table, **{f"{table.name}/{region.name}": region for region in inner}}


def observed(profile: Profile) -> dict[str, Table]:
    """The tables that the judge walks through, by name, regions included."""
    return {name: part for table in whole(profile) for name, part in parts(table).items()}


def unobserved(profile: Profile) -> list[str]:
    """The tables that it does not: what a controller or a kubelet does inside is not seen, only what comes of it."""
    return [table.name for table in profile.tables() if table.name not in observed(profile)]


def pair(before: Row, row: Row) -> str:
    """How two rows are written of which one follows the other."""
    return f"{before} --{row.event}--> {row.target}"


def possible(table: Table) -> dict[str, list[str]]:
    """By kind, everything that there is to be covered."""
    pairs = [pair(before, row) for before in table.rows for row in table.rows if before.target == row.source]
    return {"states": list(table.states), "rows": [str(row) for row in table.rows], "pairs": pairs}


# --- counting -------------------------------------------------------------------------------------------------------


_Place = tuple[str, Row | None]
"""Where one object stands in one table, and the row that led there."""

_Places = dict[tuple[str, int], _Place]
"""The places of one object, by table and, of the containers of a pod, which one."""


@dataclass
class Walk:
    """Counts what the objects of one history go through. It keeps the places of each object, until that is gone."""

    profile: Profile
    counted: dict[str, Counted] = field(default_factory=lambda: defaultdict(Counted))
    at: dict[str, int] = field(default_factory=dict)
    """By object, the number of its places: very many objects stand alike."""
    known: list[_Places] = field(default_factory=lambda: [{}])
    """The places that objects were ever at, by number."""
    moving: dict[str, _Places] = field(default_factory=dict)
    """By object, the places that it is going to, which have no number yet: there are many steps on one way."""
    numbers: dict[frozenset[tuple[tuple[str, int], _Place]], int] = field(default_factory=lambda: {frozenset(): 0})

    def __post_init__(self) -> None:
        self.tables = observed(self.profile)

    def take(self, name: str, table: Table, path: Iterable[Row], member: int = 0) -> None:
        """One step of the object ``name``: the rows that explain it. Those of a flattened table are counted where they
        stand: in the table or in a region."""
        self._place(name, table.name, member)
        drawn = self.tables[table.name]
        for row in path:
            machine, inner = _unflattened(drawn, row)
            self._row(name, machine, inner, member)
            if machine == table.name:
                for region in drawn.regions.get(inner.target, ()):
                    self._place(name, f"{machine}/{region.name}", member)

    def path(
        self, name: str, table: Table, targets: frozenset[Tagged], sources: frozenset[str], barred: frozenset[str],
        member: int = 0,
    ) -> tuple[Row, ...]:  # fmt: skip
        """The rows of a shortest way from where the object stands to one of ``targets``; if there is none, as where it
        stands was only one explanation of several, from one of ``sources``."""
        here, _ = self._place(name, table.name, member)
        if (here, None) in targets:
            return ()
        return shortest(table, frozenset({here}), targets, barred) or shortest(table, sources, targets, barred)

    def standing(self, name: str) -> int:
        """The number of an object's places."""
        if places := self.moving.pop(name, None):
            self.at[name] = self.numbers.setdefault(frozenset(places.items()), len(self.known))
            if self.at[name] == len(self.known):
                self.known.append(places)
        return self.at.get(name, 0)

    def stands(self, name: str, number: int) -> None:
        """An object has gone to these places."""
        self.at[name] = number

    def forget_unused(self) -> None:
        """Forget the places that no object is at, and give new numbers to the others."""
        for name in list(self.moving):
            self.standing(name)
        used = {0: 0, **{number: place for place, number in enumerate(sorted({*self.at.values()} - {0}), 1)}}
        self.known = [self.known[number] for number in used]
        self.numbers = {frozenset(places.items()): number for number, places in enumerate(self.known)}
        self.at = {name: used[number] for name, number in self.at.items()}

    def _places(self, name: str) -> _Places:
        """The places of an object, to be changed."""
        if name not in self.moving:
            self.moving[name] = dict(self.known[self.at.get(name, 0)])
        return self.moving[name]

    def _place(self, name: str, machine: str, member: int) -> _Place:
        places = self._places(name)
        if (machine, member) not in places:
            places[machine, member] = (self.tables[machine].initial, None)
            self.counted[machine].states[self.tables[machine].initial] += 1
        return places[machine, member]

    def _row(self, name: str, machine: str, row: Row, member: int) -> None:
        (_, last), counted = self._place(name, machine, member), self.counted[machine]
        counted.rows[str(row)] += 1
        counted.states[row.target] += 1
        if last and last.target == row.source:
            counted.pairs[pair(last, row)] += 1
        self._places(name)[machine, member] = (row.target, row)

    def pod(
        self,
        name: str,
        policy: str,
        containers: Sequence[Sequence[Row]],
        record: Sequence[Row],
        phases: tuple[str, str],
    ) -> None:
        """One step of a pod: the paths of its containers and of its record, and from which phase to which it went.
        The phase is led through the events of them all, each container taking a step in turn: of several orders one."""
        for member, path in enumerate(containers):
            self.take(name, self.profile.containers[policy], path, member)
        self.take(name, self.profile.record((HOME,)), record)
        binding = [row for row in record if row.source == "Unbound"]
        events = [*_in_turn([binding]), *_in_turn(containers), *_in_turn([record[len(binding) :]])]
        table, (begin, end) = self.profile.phases[policy], phases
        self.take(name, table, through(table, begin, events, end))

    def gone(self, name: str, policy: str, phase: str, records: Sequence[str], how: str) -> None:
        """A pod is gone by the event ``how`` (empty: nothing explains it), its record in one of the states ``records``:
        one that has its name later is another."""
        record, phases = self.profile.record((HOME,)), self.profile.phases[policy]
        self.take(name, record, _row_to_deleted(record, records, how))
        self.take(name, phases, _row_to_deleted(phases, [phase], how))
        self.forget(name)

    def fail(self, name: str, rules: Sequence[str]) -> None:
        """A failure of the object ``name``: at its places, if it is one that is known."""
        standing_at: dict[str, set[str]] = defaultdict(set)
        for (machine, _), (state, _) in self.known[self.standing(name)].items():
            standing_at[machine].add(state)
        for machine, states in standing_at.items():
            naming = [row for row in self.tables[machine].rows if not set(rules).isdisjoint(row.rules)]
            for row in [row for row in naming if row.source in states] or naming:
                self.counted[machine].failed[str(row)] += 1

    def forget(self, name: str) -> None:
        """The object is gone: one that has its name later is another."""
        self.at.pop(name, None)
        self.moving.pop(name, None)


def _unflattened(table: Table, row: Row) -> tuple[str, Row]:
    """The table or region that a row of the flattened table comes from, and the row as it stands there."""
    source, target = row.source.split("/"), row.target.split("/")
    for regions in table.regions.values():
        for place, region in enumerate(regions, 1):
            if row.event in region.events:
                return f"{table.name}/{region.name}", Row(source[place], row.event, target[place], row.rules)
    return table.name, Row(source[0], row.event, target[0], row.rules)


def _in_turn(paths: Iterable[Sequence[Row]]) -> list[str]:
    """The events of several paths as if each took a step in turn, those of the record without their node."""
    return [standing(row.event) for step in itertools.zip_longest(*paths) for row in step if row]


def through(table: Table, begin: str, events: Iterable[str], end: str) -> tuple[Row, ...]:
    """The rows of a table from ``begin`` to ``end`` under these events in this order, of which those are left out that
    it does not know; of several ways the first in the order of the rows. None if there is no such way."""
    ways: dict[str, tuple[Row, ...]] = {begin: ()}
    for event in events:
        if event in table.events:
            further: dict[str, tuple[Row, ...]] = {}
            for state, way in ways.items():
                for row in table.rows_for(state, event):
                    further.setdefault(row.target, (*way, row))
            ways = further
    return ways.get(end, ())


def _row_to_deleted(table: Table, states: Iterable[str], how: str) -> list[Row]:
    """The row by which an object in one of these states goes, if it goes like this."""
    leaving = [
        row for row in table.rows if row.target == "Deleted" and standing(row.event).removesuffix("_failed") == how
    ]
    return [row for state in states for row in leaving if row.source == state][:1]


# --- telling --------------------------------------------------------------------------------------------------------


def as_data(profile: Profile, coverage: Coverage) -> dict[str, Any]:
    """The coverage as JSON types: of each table that the judge walks through how much of it was covered, and each
    state, row and pair with its count; of pairs only those that were gone through."""
    machines = {}
    for name, table in observed(profile).items():
        counted, there_is = coverage.get(name, Counted()), possible(table)
        machines[name] = {
            "covered": {kind: len(getattr(counted, kind)) for kind in KINDS},
            "total": {kind: len(there_is[kind]) for kind in KINDS},
            **{
                kind: {key: getattr(counted, kind).get(key, 0) for key in there_is[kind]} for kind in ("states", "rows")
            },
            "pairs": dict(counted.pairs),
            "failed": dict(counted.failed),
        }
    return {"profile": profile.name, "machines": machines, "unobserved": unobserved(profile)}


def from_data(data: Mapping[str, Any]) -> dict[str, Counted]:
    """The coverage of what `as_data` has written. Raises msgspec.ValidationError for anything else."""
    told = msgspec.convert(data.get("machines"), dict[str, Counted])
    counted = {name: Counted(*(+Counter(getattr(c, k)) for k in (*KINDS, "failed"))) for name, c in told.items()}
    return {name: one for name, one in counted.items() if one != Counted()}


def table(profile: Profile, coverage: Coverage) -> str:
    """The coverage for people: how many states, rows and pairs of each table, and how many rows a failure was at."""
    data = as_data(profile, coverage)
    lines = [
        [name, *(f"{one['covered'][kind]}/{one['total'][kind]}" for kind in KINDS), len(one["failed"]) or ""]
        for name, one in data["machines"].items()
        if name in coverage
    ]
    if not lines:
        return "covered: nothing, as nothing was observed that a table explains"
    return tabulate(lines, ["covered", *KINDS, "rows failed"], tablefmt="simple_outline", disable_numparse=True)
