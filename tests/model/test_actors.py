"""Who does what: every event of every network has a row, and a wrong table's counterexample names the right actors."""

from __future__ import annotations

import pytest

from model.actors import ACTS, ACTS_BY_PROFILE, SITUATED, Step, acted, counterexample
from model.cluster import Size, network
from model.container import POLICIES
from model.profiles import PROFILES, SEED, Profile
from model.situations import situations
from model.verify import verify

from .test_verify import moving


def labels(profile: Profile) -> set[str]:
    """The labels of all events of a profile, with nodes and without."""
    sizes = [Size(policy, 1, 1, nodes) for policy in POLICIES for nodes in (0, 1)]
    return {vector.name.partition("(")[0] for size in sizes for vector in network(profile, size).vectors}


def situated(profile: Profile) -> set[tuple[str, str]]:
    """All events of the situations of a profile, each with the name of its situation."""
    return {(one.name, vector.name) for one in situations(profile) for vector in one.network.vectors}


def test_every_event_of_the_model_has_a_row_and_every_row_an_event() -> None:
    """Catches an event that is added without saying who does it, and a row left behind by one that is gone."""
    of = {name: labels(profile) for name, profile in PROFILES.items()}
    inside = {(name, event.partition("(")[0]) for profile in PROFILES.values() for name, event in situated(profile)}
    own = {(name, label) for name, rows in SITUATED.items() for label in rows}
    assert own <= inside
    assert set().union(*of.values(), (label for _, label in inside - own)) == {*ACTS, "settle"}
    assert all(label in of[profile] for profile, label in ACTS_BY_PROFILE)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_every_event_of_a_situation_is_done_to_somebody(profile: Profile) -> None:
    """Catches an event that names no component and has no row of its own situation: nobody would be at either end."""
    told = {(name, event): acted(profile.name, event, situation=name) for name, event in situated(profile)}
    assert {event for event, step in told.items() if step.whom == "somebody"} == set()


def test_one_label_may_mean_two_things_in_two_situations() -> None:
    assert acted("v0.17.0", "write_failed", situation="ending").what == "write the phase Failed"
    assert acted("v0.17.0", "write_failed", situation="loss of a node").who == "API server"
    assert acted("seed", "write(p1c1)", situation="sharing") == Step(
        "container p1c1", "container p1c1", "write to the volume"
    )
    assert acted("v0.17.0", "write", situation="recording").whom == "API server"


@pytest.mark.parametrize(
    ("profile", "event", "step"),
    [
        ("seed", "bind(p1,n2)", Step("scheduler", "pod p1", "bind (node n2)")),
        ("seed", "bind(p1)", Step("scheduler", "pod p1", "bind")),
        ("seed", "expire(p1,failed)", Step("reaper", "pod p1", "delete: it has ended long ago")),
        ("seed", "exit_failure(p1c1)", Step("container p1c1", "container p1c1", "exit with a failure")),
        ("seed", "out_of_memory(p1c2)", Step("kernel", "container p1c2", "kill: out of memory")),
        ("seed", "remove(n1)", Step("node controller", "node n1", "delete the record")),
        ("v0.17.0", "remove(n1)", Step("user", "node n1", "delete the record")),
        ("seed", "recover(p1)", Step("somebody", "pod p1", "recover")),
        ("seed", "no event", Step("somebody", "somebody", "no event")),
    ],
)
def test_an_event_is_told_as_a_step_of_somebody(profile: str, event: str, step: Step) -> None:
    assert acted(profile, event) == step


def test_the_counterexample_of_a_wrong_table_names_who_did_what_to_whom() -> None:
    """A bound pod may be bound again: the node comes up, the scheduler binds, and binds once more."""
    done = verify(moving(SEED), Size("Never", 1, 1, 2))
    found = next(v for v in done.verdicts if v.property.name == "a pod is never moved")
    steps = counterexample("seed", found.property.name, found.property.rules, found.path, found.loop)
    assert [s.what for s in steps if s.who == "scheduler"] in (
        ["bind (node n1)", "bind (node n2)"],
        ["bind (node n2)", "bind (node n1)"],
    )
    assert {s.whom for s in steps if s.who == "scheduler"} == {"pod p1"}
    assert {(s.who, s.whom) for s in steps if "check in" in s.what} == {("kubelet", "node n1"), ("kubelet", "node n2")}
    assert len(steps) == len(found.path or ()) + 1
    assert steps[-1] == Step("", "", "violated: a pod is never moved\n" + ", ".join(found.property.rules), "failure")


def test_what_may_go_on_for_ever_comes_after_the_path() -> None:
    steps = counterexample("seed", "ends", (), ("bind(p1)",), ("restart(p1c1)", "start(p1c1)"))
    assert [(s.what, s.kind) for s in steps] == [
        ("bind", "act"), ("restart", "again"), ("start", "again"), ("violated: ends", "failure"),
    ]  # fmt: skip


def test_a_run_that_rests_for_ever_does_nothing_more() -> None:
    steps = counterexample("seed", "ends", (), ("bind(p1)",), ("stays",))
    assert [s.kind for s in steps] == ["act", "note", "failure"]


def test_what_cannot_be_reached_and_what_is_so_from_the_beginning_are_told_apart() -> None:
    assert counterexample("seed", "x", (), None)[0].what == "nothing of the kind can be reached"
    assert counterexample("seed", "x", (), ())[0].what == "at the very beginning"


def test_a_refinement_tells_the_step_that_the_phase_table_lacks() -> None:
    steps = counterexample("seed", "2 containers refine the phase machine", (), ("bind(p1)",), (), "A --b--> C")
    assert steps[-1].what.endswith("which is: A --b--> C")
