"""Coverage: what the simplest explanation goes through, counted by hand for histories made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from adapters.simulator import Simulator
from conformance import coverage, recordings
from conformance.coverage import Counted, Walk
from conformance.history import Action, End, Goal, Header, PodWant, Quiescent, Record, Seen
from conformance.judge import Judgement, judge
from conformance.runner import Settings, run_all
from conformance.runtime import ContainerSeen, NodeSeen, Observation, PodSeen
from conformance.scenario import selected
from conformance.verdict import Verdict
from model.lts.table import Row, Table
from model.profiles import PROFILES, profile
from tests.recorded import FILES

SEED = profile("seed")
RUNNING = ContainerSeen("c1", "running", restarts=0)


def of(*seen: Observation | Action, by: str = "seed") -> Judgement:
    """What the judge says of these observations and actions, one each second."""
    records: list[Record] = [
        msgspec.structs.replace(one, seq=n, t=float(n))
        if isinstance(one, Action)
        else Seen(seq=n, t=float(n), what=one)
        for n, one in enumerate(seen, 1)
    ]
    return judge(recordings.of_records("made", records), profile(by))


def pod(
    phase: str, *statuses: ContainerSeen, policy: str = "Always", node: str | None = "n1", members: int = 1,
    deleted: bool = False,
) -> PodSeen:  # fmt: skip
    names = tuple(f"c{n}" for n in range(1, members + 1))
    return PodSeen(0.0, "p", "u", policy, phase, names, node, statuses or None, deleted=deleted)  # type: ignore[arg-type]


def ended(code: int, name: str = "c1", restarts: int = 0) -> ContainerSeen:
    return ContainerSeen(name, "terminated", restarts=restarts, exit_code=code)


BOUND = "Unbound --bind@node--> Bound@node"

# --- what is counted ------------------------------------------------------------------------------------------------


def test_each_step_of_a_pod_is_counted_in_its_container_its_record_and_its_phase() -> None:
    again = ContainerSeen("c1", "running", restarts=1, last_exit_code=0)
    found = of(pod("Pending", node=None), pod("Pending"), pod("Running", RUNNING), pod("Running", again)).coverage
    assert found["container/Always"].rows == {
        "Waiting --start--> Running": 1,
        "Running --exit_zero--> Completed": 1,
        "Completed --restart--> Restarting": 1,
        "Restarting --start--> Running": 1,
    }
    assert found["container/Always"].states == {
        "Waiting": 1, "Running": 2, "Completed": 1, "Restarting": 1,
    }  # fmt: skip
    assert found["container/Always"].pairs == {
        "Waiting --start--> Running --exit_zero--> Completed": 1,
        "Running --exit_zero--> Completed --restart--> Restarting": 1,
        "Completed --restart--> Restarting --start--> Running": 1,
    }
    assert (found["record"].rows, found["record"].pairs) == ({BOUND: 1}, {})
    assert found["pod/Always"].rows == {
        "Pending --bind--> Pending": 1,
        "Pending --start--> Running": 1,
        "Running --exit_zero--> Running": 1,
        "Running --restart--> Running": 1,
        "Running --start--> Running": 1,
    }
    assert sum(found["pod/Always"].pairs.values()) == 4
    assert set(found) == {"container/Always", "record", "pod/Always"}


def test_a_container_whose_status_is_not_told_stays_where_it_was_until_one_is() -> None:
    """Under v0.17.0 a pod may be shown without statuses. What is seen then is explained from where it had been."""
    found = of(
        pod("Pending", node=None), pod("Pending"), pod("Pending"), pod("Running", RUNNING), by="v0.17.0"
    ).coverage
    assert found["container/Always"].rows == {"Waiting --start--> Running": 1}


def test_containers_take_their_steps_in_turn() -> None:
    """Both must have started before the phase is Running; the first exit leaves it, the second ends it."""
    c2 = ContainerSeen("c2", "running", restarts=0)
    found = of(
        pod("Pending", policy="Never", members=2),
        pod("Running", RUNNING, c2, policy="Never", members=2),
        pod("Failed", ended(0), ended(1, "c2"), policy="Never", members=2),
    ).coverage
    assert found["pod/Never"].rows == {
        "Pending --bind--> Pending": 1,
        "Pending --start--> Pending": 1,
        "Pending --start--> Running": 1,
        "Running --exit_zero--> Running": 1,
        "Running --exit_failure--> Failed": 1,
    }


def test_what_is_seen_only_at_its_end_is_explained_from_the_beginning() -> None:
    """Bound, then both start, and only then the first exits."""
    found = of(pod("Failed", ended(0), ended(1, "c2"), policy="Never", members=2)).coverage
    assert list(found["pod/Never"].rows) == [
        "Pending --bind--> Pending",
        "Pending --start--> Pending",
        "Pending --start--> Running",
        "Running --exit_zero--> Running",
        "Running --exit_failure--> Failed",
    ]


def test_a_node_that_comes_back_is_another_one() -> None:
    there = NodeSeen(0.0, "n1", "u1", "Running", "Unknown", "Unknown")
    gone, back = msgspec.structs.replace(there, deleted=True), msgspec.structs.replace(there, uid="u2")
    assert of(there, gone, back).coverage["node"].states == {"Pending": 2, "Running": 2, "Removed": 1}


def test_a_row_inside_a_state_is_counted_in_its_region_which_begins_anew_with_the_state() -> None:
    def node(reachable: str, ready: str, **more: object) -> NodeSeen:
        return NodeSeen(0.0, "n1", "u1", "Running", reachable, ready, **more)  # type: ignore[arg-type]

    found = of(
        node("Unknown", "Unknown"), node("True", "Unknown"), node("True", "True"), node("False", "True")
    ).coverage
    assert found["node"].rows == {"Pending --check_in--> Running": 1}
    assert found["node"].states == {"Pending": 1, "Running": 1}
    assert found["node/NodeReachable"].rows == {"Unknown --reachable--> True": 1, "True --unreachable--> False": 1}
    assert found["node/NodeReachable"].pairs == {"Unknown --reachable--> True --unreachable--> False": 1}
    assert found["node/NodeReady"].rows == {"Unknown --ready--> True": 1}
    assert found["node/NodeReady"].states == {"Unknown": 1, "True": 1}


@pytest.mark.parametrize(
    ("by", "phase", "deleted", "row"),
    [
        ("seed", "Running", True, "Running --delete--> Deleted"),
        ("seed", "Succeeded", False, "Succeeded --expire--> Deleted"),
        ("v0.17.0", "Running", True, "Running --delete--> Deleted"),
    ],
)
def test_the_end_of_a_pod_is_a_row_too(by: str, phase: str, deleted: bool, row: str) -> None:
    status = ended(0) if phase == "Succeeded" else RUNNING
    steps = [pod("Pending", policy="OnFailure"), pod(phase, status, policy="OnFailure")]
    by_us = [Action(delete_pod="p")] if deleted else []
    found = of(*steps, *by_us, pod(phase, status, policy="OnFailure", deleted=True), by=by)
    assert found.verdict is not Verdict.FAIL
    assert found.coverage["pod/OnFailure"].rows[row] == 1
    assert found.coverage["record"].states["Deleted"] == 1


def test_what_is_gone_is_forgotten() -> None:
    """Only the place of each object is kept, and that no longer than the object."""
    walk = Walk(SEED)
    table = SEED.containers["Always"]
    walk.take("pod a", table, table.rows_for("Waiting", "start"))
    walk.gone("pod a", "Always", "Running", ["Bound@node"], "delete")
    assert not walk.at
    assert walk.counted["record"].rows == {"Bound@node --delete--> Deleted": 1}
    walk.take("pod a", table, table.rows_for("Waiting", "start"))
    assert walk.counted["container/Always"].states == {"Waiting": 2, "Running": 2}
    assert not walk.counted["container/Always"].pairs


def test_a_pod_that_failed_expires_by_rows_of_its_own() -> None:
    walk = Walk(SEED)
    walk.gone("pod a", "Always", "Failed", ["DiskDied@node"], "expire")
    assert walk.counted["record"].rows == {"DiskDied@node --expire_failed--> Deleted": 1}
    assert walk.counted["pod/Always"].rows == {"Failed --expire--> Deleted": 1}


def test_rows_that_do_not_meet_are_no_pair() -> None:
    """Where an object stood was one explanation of several; the next row may begin elsewhere."""
    walk, table = Walk(SEED), SEED.containers["Always"]
    walk.take("pod a", table, table.rows_for("Waiting", "start"))
    walk.take("pod a", table, table.rows_for("Completed", "restart"))
    assert walk.counted["container/Always"].rows.keys() == {
        "Waiting --start--> Running",
        "Completed --restart--> Restarting",
    }
    assert not walk.counted["container/Always"].pairs


# --- what failed ----------------------------------------------------------------------------------------------------


def test_a_failure_is_told_at_the_rows_that_name_its_rules() -> None:
    """The pod is over although its container must be restarted."""
    found = of(pod("Pending"), pod("Running", RUNNING), pod("Succeeded", ended(0)))
    rules = {rule for finding in found.findings for rule in finding.rules}
    assert "pod.restart.success.always" in rules
    assert found.coverage["container/Always"].failed == {"Completed --restart--> Restarting": 1}
    assert "pod/Never" not in found.coverage


def test_of_the_rows_that_name_a_rule_those_failed_that_begin_where_the_object_stood() -> None:
    walk = Walk(SEED)
    table = SEED.phases["Always"]
    walk.take("pod a", table, table.rows_for("Pending", "bind"))
    walk.take("pod b", table, coverage.through(table, "Pending", ["start"], "Running"))
    walk.fail("pod a", ("pod.life.node-lost",))
    assert walk.counted["pod/Always"].failed == {"Pending --node_timed_out--> Failed": 1}
    walk.fail("pod c", ("pod.life.node-lost",))  # nobody knows where that stands
    assert walk.counted["pod/Always"].failed == {"Pending --node_timed_out--> Failed": 1}


def test_a_goal_that_was_not_reached_though_nothing_more_will_happen_is_told_at_its_rows() -> None:
    records: list[Record] = [
        Header(scenario="made", policy="Always", runtime="none", seq=1, t=0.0),
        Seen(what=pod("Running", RUNNING), seq=2, t=1.0),
        Goal(want=PodWant(pod="p", phase="Failed"), rules=("pod.life.node-lost",), seq=3, t=2.0),
        Quiescent(seq=4, t=3.0),
        End(seq=5, t=4.0),
    ]
    found = judge(recordings.of_records("made", records), SEED)
    assert found.verdict is Verdict.FAIL
    assert found.coverage["pod/Always"].failed == {"Running --node_timed_out--> Failed": 1}


# --- the way of the phase -------------------------------------------------------------------------------------------

TABLE = Table(
    "t",
    ("A", "B"),
    "A",
    (Row("A", "go", "A", ("r",)), Row("A", "go", "B", ("r",)), Row("B", "back", "A", ("r",))),
)


@pytest.mark.parametrize(
    ("events", "end", "way"),
    [
        ("", "A", ""),
        ("go go", "B", "A --go--> A, A --go--> B"),
        ("go other back", "A", "A --go--> B, B --back--> A"),
        ("back", "A", ""),
    ],
)
def test_a_way_through_a_table_takes_every_event_that_the_table_knows(events: str, end: str, way: str) -> None:
    assert ", ".join(map(str, coverage.through(TABLE, "A", events.split(), end))) == way


def test_of_two_ways_the_one_is_taken_that_stays_longer() -> None:
    """Both containers of a pod start: it is Running only after the second."""
    way = coverage.through(SEED.phases["Always"], "Pending", ["start", "start"], "Running")
    assert [str(row) for row in way] == ["Pending --start--> Pending", "Pending --start--> Running"]


# --- the value ------------------------------------------------------------------------------------------------------


def test_everything_that_can_be_covered_is_counted() -> None:
    """Of three rows, those may follow one another that meet: go-go, go-leave, leave-back, back-go, back-leave."""
    assert coverage.possible(TABLE)["states"] == ["A", "B"]
    assert set(coverage.possible(TABLE)["pairs"]) == {
        "A --go--> A --go--> A",
        "A --go--> A --go--> B",
        "A --go--> B --back--> A",
        "B --back--> A --go--> A",
        "B --back--> A --go--> B",
    }


def test_coverages_add_up() -> None:
    one = {"t": Counted({"A": 1}, {"A --go--> B": 1}, {}, {"A --go--> A": 2})}
    two = {"t": Counted({"A": 2, "B": 1}), "u": Counted({"C": 1})}
    assert coverage.merged([one, two]) == {
        "t": Counted({"A": 3, "B": 1}, {"A --go--> B": 1}, {}, {"A --go--> A": 2}),
        "u": Counted({"C": 1}),
    }
    assert one["t"].states == {"A": 1}, "what is added up stays as it was"


@pytest.mark.parametrize("by", PROFILES)
def test_what_is_counted_is_what_there_is(by: str) -> None:
    """In every recording, by every reading: no state, row or pair that the table has not; and it survives as JSON."""
    total = coverage.merged(judge(recordings.read(path), profile(by)).coverage for path in FILES)
    assert {"record", "pod/Always", "container/Always"} <= total.keys()
    for name, counted in total.items():
        there_is = coverage.possible(coverage.observed(profile(by))[name])
        for kind in coverage.KINDS:
            assert set(getattr(counted, kind)) <= set(there_is[kind]), (name, kind)
        assert set(counted.failed) <= set(there_is["rows"])
    written = json.loads(json.dumps(coverage.as_data(profile(by), total)))
    assert coverage.from_data(written) == total
    assert not set(written["unobserved"]) & set(written["machines"])
    assert len(written["unobserved"]) + len(coverage.whole(profile(by))) == len(profile(by).tables())


def test_the_suite_goes_through_every_row_of_a_container_that_is_restarted(tmp_path: Path) -> None:
    outcomes = list(run_all(Simulator(), selected("seed"), Settings(SEED)))
    total = coverage.merged(outcome.judgement.coverage for outcome in outcomes)
    data = coverage.as_data(SEED, total)["machines"]
    assert data["container/Always"]["covered"]["rows"] == data["container/Always"]["total"]["rows"] == 9
    assert data["record"]["covered"]["states"] == data["record"]["total"]["states"]
    assert not any(one["failed"] for one in data.values())
    assert "container/Always    │ 7/7      │ 9/9" in coverage.table(SEED, total)


def test_an_empty_coverage_is_told_as_such() -> None:
    assert "nothing was observed" in coverage.table(SEED, {})


def test_where_nothing_stands_any_more_is_forgotten() -> None:
    """What stands somewhere goes on from there. Catches numbers that are given to others."""
    walk, table = Walk(SEED), SEED.containers["Always"]
    start, restart = table.rows_for("Waiting", "start"), table.rows_for("Completed", "restart")
    walk.take("pod a", table, start)
    walk.take("pod b", table, table.rows_for("Running", "exit_failure"))
    walk.take("pod a", table, table.rows_for("Running", "exit_zero"))
    walk.forget_unused()
    assert len(walk.known) == len(walk.numbers) == 3
    walk.take("pod a", table, restart)
    assert walk.counted["container/Always"].pairs == {
        "Waiting --start--> Running --exit_zero--> Completed": 1,
        "Running --exit_zero--> Completed --restart--> Restarting": 1,
    }
