"""Mutants: every table of a profile with one row removed, redirected or added, and what notices that.

A mutant is noticed by the first of these that does, cheapest first:

- *building*: the table or a network that holds it cannot be built;
- *principle*: it breaks one of the principles that all tables keep (`tests.principles`: the tables entered a second
  time, by event);
- *property*: a property or a refinement is violated in a situation that holds the table, or in a small cluster;
- *idle*: a row of the table is never taken, in whatever situation or cluster;
- *recording*: a recording of the real cluster is judged otherwise under the mutated table;
- *suite*: the right simulator fails the suite, judged by the mutated table;
- *build*: a wrong build of the simulator passes it.

Generated pages do not count: they tell of any change of the text.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from adapters.simulator import FAULTS, Simulator
from conformance import oracle, recordings
from conformance.judge import judge
from conformance.runner import Outcome, Settings, run_scenario
from conformance.scenario import Scenario, selected
from conformance.verdict import Verdict
from model import cluster, pod
from model.cluster import Size
from model.container import POLICIES
from model.lts import network as networks
from model.lts.explore import Exploration, explore
from model.lts.network import Network
from model.lts.properties import Property, check
from model.lts.table import Row, Table
from model.profiles import PROFILES, Profile
from model.properties import properties
from model.situations import situations
from model.verify import refine
from tests.principles import broken
from tests.recorded import FILES

DATA = Path(__file__).parent / "data"

Change = Literal["removed", "redirected", "added"]
Taken = set[tuple[str, str]]
"""Rows that were taken: the name of the table, and the row as it is written, at whatever node."""


@dataclass(frozen=True)
class Mutant:
    """One change of one table. ``row`` is the row that is removed, redirected to ``target``, or added."""

    profile: str
    table: str
    change: Change
    row: Row
    target: str = ""

    @property
    def id(self) -> str:
        """What a list calls it: ``seed machine: Listed --instance_deleted--> Unlisted removed``."""
        how = f"redirected to {self.target}" if self.change == "redirected" else self.change
        return f"{self.profile} {self.table}: {self.row} {how}"

    def rows(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """The rows of the mutated table."""
        match self.change:
            case "removed":
                return tuple(row for row in rows if row != self.row)
            case "redirected":
                return tuple(replace(row, target=self.target) if row == self.row else row for row in rows)
            case _:
                return (*rows, self.row)


# --- every table of a profile, and how to put another one in its place ----------------------------------------------


@dataclass(frozen=True)
class Place:
    """A table of a profile: its rows as they are written, its states, and the profile with other rows in it."""

    name: str
    states: tuple[str, ...]
    rows: tuple[Row, ...]
    put: Callable[[tuple[Row, ...]], Profile]


def places(profile: Profile) -> list[Place]:
    """Every table of a profile, regions by themselves. The rows of records are as they are written, with ``@``."""
    found = []

    def place(table: Table, put: Callable[[Table], Profile]) -> None:
        found.append(Place(table.name, table.states, table.rows, lambda rows: put(replace(table, rows=rows))))

    def phases(policy: str) -> Callable[[Table], Profile]:
        return lambda table: replace(profile, phases={**profile.phases, policy: table})

    def containers(policy: str) -> Callable[[Table], Profile]:
        return lambda table: replace(profile, containers={**profile.containers, policy: table})

    def part(name: str) -> Callable[[Table], Profile]:
        return lambda table: replace(profile, parts={**profile.parts, name: table})

    node = profile.node
    place(node, lambda table: replace(profile, node=table))
    for state, regions in node.regions.items():
        for region in regions:

            def inside(table: Table, state: str = state, regions: tuple[Table, ...] = regions) -> Profile:
                changed = tuple(table if one.name == table.name else one for one in regions)
                return replace(profile, node=replace(node, regions={**node.regions, state: changed}))

            place(region, inside)
    for policy in POLICIES:
        place(profile.phases[policy], phases(policy))
    for policy in POLICIES:
        place(profile.containers[policy], containers(policy))
    found.append(_written("record", "Unbound", profile.record_rows, lambda rows: replace(profile, record_rows=rows)))
    found.append(_written("slot", "Absent", profile.slot_rows, lambda rows: replace(profile, slot_rows=rows)))
    for name, table in profile.parts.items():
        place(table, part(name))
    return found


def _written(name: str, initial: str, rows: tuple[Row, ...], put: Callable[[tuple[Row, ...]], Profile]) -> Place:
    states = dict.fromkeys((initial, *(state for row in rows for state in (row.source, row.target))))
    return Place(name, tuple(states), rows, put)


def mutants(profile: Profile) -> Iterator[Mutant]:
    """Every row removed; redirected to each other state; and every row added that has an event of the table."""
    for place in places(profile):
        known = {(row.source, row.event, row.target) for row in place.rows}
        for row in place.rows:
            yield Mutant(profile.name, place.name, "removed", row)
            for target in place.states:
                if (row.source, row.event, target) not in known:
                    yield Mutant(profile.name, place.name, "redirected", row, target)
        rules = {row.event: row.rules for row in reversed(place.rows)}
        for source in place.states:
            for event in dict.fromkeys(row.event for row in place.rows):
                for target in place.states:
                    if (source, event, target) not in known:
                        yield Mutant(profile.name, place.name, "added", Row(source, event, target, rules[event]))


def mutated(mutant: Mutant) -> Profile:
    """The profile with the mutated table. Raises ValueError if there can be no such table."""
    [place] = [place for place in places(PROFILES[mutant.profile]) if place.name == mutant.table]
    changed = place.put(mutant.rows(place.rows))
    changed.tables()  # builds what is built of rows
    return changed


# --- what notices it ------------------------------------------------------------------------------------------------


def taken(found: Exploration) -> Taken:
    """The rows that some transition takes."""
    order = np.argsort(found.move, kind="stable")
    ends = np.searchsorted(found.move[order], np.arange(len(found.compiled.moves) + 1))
    rows: Taken = set()
    tables = found.compiled.network.components
    for number, move in enumerate(found.compiled.moves):
        at = order[ends[number] : ends[number + 1]]
        if not len(at):
            continue
        for component, event in (*move.vector.moves.items(), *move.vector.broadcast.items()):
            table, column = tables[component], found.compiled.index[component]
            before, after = found.states[found.source[at], column], found.states[found.target[at], column]
            for one in np.unique(before.astype(np.int64) * len(table.states) + after):
                source, target = divmod(int(one), len(table.states))
                if any(row.target == table.states[target] for row in table.rows_for(table.states[source], event)):
                    rows.add((table.name, _anywhere(f"{table.states[source]} --{event}--> {table.states[target]}")))
    return rows


JUDGED = ("pod", "container", "record", "node", "NodeReachable", "NodeReady", "Ready")
"""The kinds of tables that the judge steps."""


def _anywhere(row: str) -> str:
    return re.sub(r"@\w+", "@", row)


SHAPES = ((1, 1, 1), (1, 2, 1), (1, 1, 2))
"""Clusters in which every row of a node, a record and a container is taken: pods, containers, nodes."""


def noticed(mutant: Mutant) -> tuple[str, str]:
    """By what a mutant is noticed, and the words of it; two empty strings if nothing does."""
    old = PROFILES[mutant.profile]
    try:
        new = mutated(mutant)
        if problems := broken(new):
            return "principle", problems[0]
        if found := _by_verification(old, new):
            return found
    except ValueError as error:
        return "building", str(error)
    return (_by_judgement(new) if mutant.table.partition("/")[0] in JUDGED else None) or ("", "")


def _by_verification(old: Profile, new: Profile) -> tuple[str, str] | None:
    wanted: Taken = set()
    rows: Taken = set()
    for (before, had), (name, after, props) in zip(_right(old.name), _networks(new), strict=True):
        if before == _tables(after):
            rows |= had
            continue
        found = explore(networks.compile(after))
        for prop in props:
            if not check(prop, found).holds:
                return "property", f"{name}: {prop.name}"
        wanted |= {(table.name, _anywhere(str(row))) for table in after.components.values() for row in table.rows}
        rows |= taken(found)
    for policy in POLICIES:
        if _refined(old, policy) != _refined(new, policy):
            for containers in (1, 2):
                refined = refine(new, policy, containers)
                if not refined.holds:
                    return "property", f"refinement, {policy}: {refined.step}"
            wanted |= {(new.phases[policy].name, row) for row in refined.unused}
    if idle := wanted - rows:
        return "idle", "{}: {}".format(*min(idle))
    return None


def _refined(profile: Profile, policy: str) -> tuple[object, ...]:
    """What the refinement of a policy depends on."""
    tables = profile.phases[policy].rows, profile.containers[policy].rows
    return (*tables, profile.record_rows, profile.class_of)


def _networks(profile: Profile) -> Iterator[tuple[str, Network, Sequence[Property]]]:
    """Every situation and small cluster of a profile: its name, the network, and what must hold of it."""
    for one in situations(profile):
        yield one.name, one.network, one.properties
    for policy in POLICIES:
        for shape in SHAPES:
            size = Size(policy, *shape)
            yield f"cluster, {policy}", cluster.network(profile, size), properties(profile, size)


@functools.cache
def _right(profile: str) -> list[tuple[list[tuple[Row, ...]], Taken]]:
    """Of each network of a profile as it is: the rows of its tables, and those that are taken."""
    return [
        (_tables(network), taken(explore(networks.compile(network)))) for _, network, _ in _networks(PROFILES[profile])
    ]


def _tables(network: Network) -> list[tuple[Row, ...]]:
    return [table.rows for table in network.components.values()]


def idle(profile: Profile) -> Taken:
    """Rows that are never taken, in whatever situation or small cluster."""
    wanted: Taken = set()
    rows: Taken = set()
    for _, network, _ in _networks(profile):
        wanted |= {(table.name, _anywhere(str(row))) for table in network.components.values() for row in table.rows}
        rows |= taken(explore(networks.compile(network)))
    for policy in POLICIES:
        wanted |= {(profile.phases[policy].name, row) for row in refine(profile, policy, 2).unused}
    return wanted - rows


# --- by the judge ---------------------------------------------------------------------------------------------------


@functools.cache
def failing(profile: str, fault: str) -> tuple[Scenario, ...]:
    """The scenarios that a wrong build of the simulator fails."""
    return tuple(one for one in selected(profile, ()) if outcome(one, PROFILES[profile], fault).verdict is Verdict.FAIL)


def outcome(scenario: Scenario, profile: Profile, fault: str | None = None) -> Outcome:
    """What comes of a scenario on the simulator, right or as a wrong build. What is recorded hangs on no table."""
    runtime = Simulator(fault=fault)
    return run_scenario(runtime, runtime.describe(), scenario, Settings(profile))


@functools.cache
def recorded(profile: str) -> dict[Path, Verdict]:
    """The verdicts on the recordings of the real cluster."""
    return {path: judge(recordings.read(path), PROFILES[profile]).verdict for path in FILES}


@contextmanager
def judging_by(profile: Profile) -> Iterator[None]:
    """With a profile in the place of the one that has its name: the judge looks it up there."""
    right = PROFILES[profile.name]
    PROFILES[profile.name] = profile
    _forget()
    try:
        yield
    finally:
        PROFILES[profile.name] = right
        _forget()


def _forget() -> None:
    for remembered in (
        oracle.closure, oracle._network, oracle.reach, oracle.shortest, oracle._fitting, pod.record_table
    ):  # fmt: skip
        remembered.cache_clear()
    oracle._explained.clear()


def _by_judgement(new: Profile, faults: Iterable[str] = FAULTS) -> tuple[str, str] | None:
    name = new.name
    real = recorded(name)
    with judging_by(new):
        for path, verdict in real.items():
            if (now := judge(recordings.read(path), new).verdict) is not verdict:
                return "recording", f"{path.stem}: {now}, not {verdict}"
        for scenario in selected(name, ()):
            if (now := outcome(scenario, new).verdict) is not Verdict.PASS:
                return "suite", f"{scenario.id}: {now}"
    wrong = {fault: failing(name, fault) for fault in faults if name in FAULTS[fault].profiles}
    with judging_by(new):
        for fault, scenarios in wrong.items():
            if all(outcome(scenario, new, fault).verdict is not Verdict.FAIL for scenario in scenarios):
                return "build", fault
    return None


def warm_up() -> None:
    """Find out once what all mutants are compared with."""
    for name in PROFILES:
        _right(name)
        recorded(name)


# --- what is expected to survive ------------------------------------------------------------------------------------


def equivalent() -> dict[str, str]:
    """The mutants that nothing can notice, with the reason (`tests/data/mutants.toml`)."""
    data = tomllib.loads((DATA / "mutants.toml").read_text(encoding="utf-8"))
    return {mutant: group["reason"] for group in data.get("equivalent", ()) for mutant in group["mutants"]}
