"""No row of any table may be removed, redirected or added without notice; `make mutants` tries them all."""

from __future__ import annotations

import dataclasses
import zlib
from collections import Counter
from collections.abc import Iterator

import pytest

from model import pod
from model.cluster import Size, network
from model.container import POLICIES
from model.lts.properties import check
from model.lts.table import Row
from model.pod import CLASSES, PHASES, Decision
from model.profiles import PROFILES, Profile
from model.properties import properties
from model.verify import refine
from tests import mutants
from tests.model import test_decision
from tests.model.support import explored
from tests.mutants import Mutant

BOTH = list(PROFILES)
EVERY = {one.id: one for profile in PROFILES.values() for one in mutants.mutants(profile)}
PARTS, KEPT = 8, 3
"""The mutants fall into so many parts by their ids; so many of them are tried here: half a minute on two cores."""


@pytest.mark.parametrize("part", range(KEPT))
def test_a_mutant_is_noticed_unless_it_is_listed(part: int) -> None:
    """Catches a property that is weakened, and a row, table or event that nothing is stated of."""
    chosen = [one for one in EVERY.values() if zlib.crc32(one.id.encode()) % PARTS == part]
    assert len(chosen) > 1000
    assert {one.change for one in chosen} == {"removed", "redirected", "added"}
    unnoticed = {one.id for one in chosen if not mutants.noticed(one)[0]}
    assert unnoticed - mutants.equivalent().keys() == set()


def test_what_is_listed_exists_and_survives() -> None:
    """The list cannot rot."""
    for name in mutants.equivalent():
        assert name in EVERY, f"{name}: there is no such mutant"
        assert mutants.noticed(EVERY[name]) == ("", ""), f"{name} is noticed"


def test_every_table_has_mutants_of_each_kind() -> None:
    """All tables of both profiles, regions among them, and as many mutants as there are ways."""
    assert len(EVERY) == sum(len(list(mutants.mutants(profile))) for profile in PROFILES.values())
    for profile in PROFILES.values():
        places = mutants.places(profile)
        regions = [r.name for inner in profile.node.regions.values() for r in inner]
        assert sorted(place.name for place in places) == sorted([*(t.name for t in profile.tables()), *regions])
        for place in places:
            own = Counter(m.change for m in EVERY.values() if (m.profile, m.table) == (profile.name, place.name))
            states, events = len(place.states), len({row.event for row in place.rows})
            targets = Counter((row.source, row.event) for row in place.rows)
            assert own["removed"] == len(place.rows)
            assert own["redirected"] == sum(states - targets[row.source, row.event] for row in place.rows)
            assert own["added"] == states * events * states - len(place.rows)


@pytest.mark.parametrize(
    ("mutant", "way"),
    [
        ("seed machine: Unlisted --instance_created--> Listed removed", "building"),
        ("v0.17.0 link: Cut --cut--> Cut added", "principle"),
        ("seed controller: NoController --submit--> Want1 redirected to Want2", "property"),
        ("seed pod/Never: Pending --restart--> Pending added", None),
        ("seed pod/Always: Succeeded --expire--> Deleted added", None),
        ("seed pod/Always: Failed --start--> Pending added", "idle"),
    ],
)
def test_a_mutant_is_noticed_by_the_first_that_does(mutant: str, way: str | None) -> None:
    assert (mutant in EVERY) is (way is not None)
    if way:
        assert mutants.noticed(EVERY[mutant])[0] == way


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_no_row_of_any_table_is_there_for_nothing(profile: Profile) -> None:
    """Each is taken in a situation or a small cluster, and each of a phase table by the containers."""
    assert mutants.idle(profile) == set()


# --- the judge ------------------------------------------------------------------------------------------------------


def bent(profile: str, table: str, change: mutants.Change, row: Row, target: str = "") -> Profile:
    return mutants.mutated(Mutant(profile, table, change, row, target))


def row_of(profile: str, table: str, text: str) -> Row:
    [place] = [place for place in mutants.places(PROFILES[profile]) if place.name == table]
    [found] = [row for row in place.rows if str(row) == text]
    return found


@pytest.mark.parametrize(
    ("profile", "table", "row", "way"),
    [
        ("v0.17.0", "container/Always", "Error --restart--> Restarting", "recording"),
        ("seed", "node", "Running --terminate--> Terminated", "suite"),
    ],
)
def test_the_judge_notices_a_row_that_is_missing(profile: str, table: str, row: str, way: str) -> None:
    """Recordings of a real cluster, or the right simulator: what was explained by the row is not any more."""
    found = mutants._by_judgement(bent(profile, table, "removed", row_of(profile, table, row)), ())
    assert found is not None
    assert found[0] == way


def test_the_judge_notices_a_row_too_many() -> None:
    """A wrong build of the simulator does what the row allows, and passes; with the right tables it fails."""
    fault = "terminated-node-returns"
    extra = Row("Terminated", "check_in", "Running", ("node.phase.terminated",))
    assert mutants._by_judgement(bent("seed", "node", "added", extra), [fault]) == ("build", fault)
    assert mutants._by_judgement(PROFILES["seed"], [fault]) is None


# --- the decision table, and the classes it looks at ----------------------------------------------------------------


def decisions() -> Iterator[tuple[str, tuple[Decision, ...]]]:
    """The decision table with a row removed, with another phase, or with another class that must or must not be."""

    def instead(place: int, row: Decision) -> tuple[Decision, ...]:
        return (*pod.DECISIONS[:place], row, *pod.DECISIONS[place + 1 :])

    def toggled(classes: tuple[str, ...], name: str) -> tuple[str, ...]:
        return tuple(c for c in classes if c != name) if name in classes else (*classes, name)

    for place, row in enumerate(pod.DECISIONS):
        yield f"{row.name} removed", pod.DECISIONS[:place] + pod.DECISIONS[place + 1 :]
        for column, policy in enumerate(POLICIES):
            for phase in PHASES:
                if phase != row.phases[column]:
                    phases = (*row.phases[:column], phase, *row.phases[column + 1 :])
                    changed = dataclasses.replace(row, phases=phases)  # type: ignore[arg-type]  # still three
                    yield f"{row.name}: {policy} {phase}", instead(place, changed)
        for name in CLASSES:
            yield f"{row.name}: has {name}", instead(place, dataclasses.replace(row, has=toggled(row.has, name)))
            yield f"{row.name}: lacks {name}", instead(place, dataclasses.replace(row, lacks=toggled(row.lacks, name)))


def test_no_decision_changes_unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison with F-T1 of the reference, which is parsed, notices every mutant of the decision table; but a
    class that a row both has and lacks makes it fit nothing, like its removal."""
    unnoticed = []
    for name, changed in list(decisions()):  # before the table is replaced
        monkeypatch.setattr(pod, "DECISIONS", changed)
        monkeypatch.setattr(test_decision, "DECISIONS", changed)
        try:
            test_decision.test_decisions_are_the_rows_of_the_reference_in_its_order()
            test_decision.test_guards_are_those_of_the_reference_for_all_counts_up_to_two()
            for classes in test_decision.CLASS_SETS:
                test_decision.test_exactly_one_row_decides_whatever_the_order(classes)
        except AssertionError:
            continue
        unnoticed.append(name)
    assert unnoticed == []


SAME = {
    # what waits makes its pod Pending, and so does what is unknown: the phase cannot tell them apart
    "Waiting counted as unknown": BOTH,
    "Restarting counted as unknown": ["v0.17.0"],
    # no policy that restarts ever ends in a failure, and a pod with a failed container is Running like any other
    "Restarting counted as failed": ["seed"],
    # only the death of a disk kills, and then the record says Failed, whatever the containers do
    **{f"Killed counted as {name}": ["seed"] for name in CLASSES if name != "failed"},
}
"""Classes that make no difference, with the profiles in which they make none."""


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_no_class_of_a_container_changes_unnoticed(profile: Profile) -> None:
    """Every state of a container counted as each other class, in a pod of two: the refinement or a property fails."""
    found = {p: explored(network(profile, Size(p, 1, 2, 0))) for p in POLICIES}
    unnoticed = set()
    for state, right in profile.class_of.items():
        for wrong in CLASSES:
            changed = dataclasses.replace(profile, class_of={**profile.class_of, state: wrong})
            holds = all(
                refine(changed, p, 2).holds
                and all(check(prop, found[p]).holds for prop in properties(changed, Size(p, 1, 2, 0)))
                and not refine(changed, p, 2).unused
                for p in POLICIES
            )
            if wrong != right and holds:
                unnoticed.add(f"{state} counted as {wrong}")
    assert unnoticed == {name for name, profiles in SAME.items() if profile.name in profiles}
