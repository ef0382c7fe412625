"""How long a node can have been lost, by what a history shows: never longer than that is a pod given up too early."""

from __future__ import annotations

import msgspec
import pytest

from conformance import recordings
from conformance.evidence import Evidence
from conformance.history import Action, Header, Record, Seen
from conformance.runtime import NODE_CONTROLLER, Fault, NodeSeen, PodSeen

CUT = Action(inject=Fault("cut-node", "n1"))
HEAL = Action(inject=Fault("heal-node", "n1"))
RESTART = Action(inject=Fault("restart-controller", NODE_CONTROLLER))
UP = NodeSeen(0.0, "n1", "u", "Running", "True", "True")
DOWN = NodeSeen(0.0, "n1", "u", "Running", "False", "Unknown")


def evidence(*done: tuple[float, Action | NodeSeen], time_out: float | None = 40.0) -> Evidence:
    """What a history of these things, each at its time, gives evidence for."""
    records: list[Record] = [Header(scenario="made", time_out=time_out)]
    for t, what in done:
        record = what if isinstance(what, Action) else Seen(what=msgspec.structs.replace(what, at=t))
        records.append(msgspec.structs.replace(record, t=t))
    numbered = [msgspec.structs.replace(record, seq=number) for number, record in enumerate(records, 1)]
    found = Evidence()
    for entry in recordings.of_records("made", numbered).entries:
        found.take(entry)
    return found


def given_up(at: float) -> PodSeen:
    return PodSeen(at, "p1", "u1", "Always", "Failed", ("c1",), "n1")


LONG = ((10.0, CUT), (11.0, DOWN))
SHORT = (*LONG, (30.0, HEAL), (31.0, UP))


@pytest.mark.parametrize(
    ("done", "at", "expected"),
    [
        (LONG, 49.0, True),
        (LONG, 51.0, False),
        (SHORT, 49.0, True),
        (SHORT, 100.0, True),
        ((*SHORT, (32.0, CUT), (33.0, DOWN)), 60.0, True),
        ((*SHORT, (32.0, CUT), (33.0, DOWN)), 73.0, False),
        ((*LONG, (52.0, HEAL), (53.0, UP)), 100.0, False),
    ],
    ids=["too-soon", "late", "over-soon", "over-long-ago", "outages-do-not-add-up", "the-second-alone", "long-enough"],
)
def test_a_pod_is_given_up_too_early(done: tuple[tuple[float, Action], ...], at: float, expected: bool) -> None:
    assert evidence((0.0, UP), *done).too_early(given_up(at)) == expected


@pytest.mark.parametrize(
    "done",
    [
        ((10.0, CUT), (30.0, HEAL), (31.0, UP)),
        (*LONG, (30.0, HEAL), (31.0, CUT), (32.0, UP)),
        (*LONG, (30.0, HEAL)),
        ((11.0, DOWN), (31.0, UP)),
    ],
    ids=["never-seen-down", "up-is-of-before", "not-seen-up", "not-our-doing"],
)
def test_an_outage_is_not_over_before_it_is_known_to_be(done: tuple[tuple[float, Action], ...]) -> None:
    """What was seen may be late, or of an outage before: then nobody is accused."""
    assert not evidence((0.0, UP), *done).too_early(given_up(60.0))


def test_without_a_time_out_and_without_an_outage_nothing_is_too_early() -> None:
    assert not evidence(*LONG, time_out=None).too_early(given_up(12.0))
    assert not evidence(*LONG, time_out=None).too_early(given_up(5.0))
    assert not evidence((0.0, UP)).too_early(given_up(12.0))


def test_a_restart_of_the_node_controller_starts_the_time_out_again_only_where_that_is_a_rule() -> None:
    found = evidence(*LONG, (40.0, RESTART))
    assert not found.too_early(given_up(60.0))
    assert found.too_early(given_up(60.0), restarts=True)
    assert not found.too_early(given_up(81.0), restarts=True)
    late = evidence(*LONG, (60.0, RESTART))
    assert not late.too_early(given_up(61.0), restarts=True), "it was given up before the restart"
