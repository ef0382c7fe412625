"""A history told as steps: only changes, goals when they are reached, findings at their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance import recordings
from conformance.history import (
    Action,
    End,
    EventWant,
    Goal,
    Header,
    History,
    NodeWant,
    PodWant,
    Quiescent,
    Record,
    Scaling,
    Seen,
)
from conformance.judge import Finding, Judgement, judge
from conformance.recordings import Recording
from conformance.runner import Settings, run_scenario, runtime_class, start
from conformance.runtime import (
    ContainerSeen,
    ContainerSpec,
    ControllerSeen,
    ControllerSpec,
    EngineSeen,
    EventSeen,
    Fault,
    FrameSeen,
    MachineList,
    NodeSeen,
    Observation,
    PodSeen,
    PodSpec,
)
from conformance.scenario import selected
from conformance.story import container_change, node_changes, pod_changes, steps
from conformance.verdict import Verdict
from conformance.workload import RUN_ON
from diagrams.sequence import mermaid
from model.actors import Step
from model.profiles import profile
from tests.recorded import FILES, FOLDER

SPEC = PodSpec("p1", "Always", (ContainerSpec("c1", RUN_ON),))
POD = PodSeen(0.0, "p1", "u1", "Always", "Pending", ("c1",))
NODE = NodeSeen(0.0, "n1", "v1", phase="Running", reachable="True", ready="True")


def pod(phase: str, *containers: ContainerSeen, node: str | None = "n1", deleted: bool = False) -> PodSeen:
    return PodSeen(0.0, "p1", "u1", "Always", phase, ("c1",), node, containers or None, deleted)


def recorded(*contents: Record | Observation, header: bool = True) -> Recording:
    """A history of these records, observations wrapped."""
    history = History()
    for content in (*([Header(scenario="s")] if header else []), *contents):
        history.add(Seen(what=content) if isinstance(content, Observation) else content, 0.0)
    return recordings.of_records("x", history.records)


def told(*contents: Record | Observation, findings: tuple[Finding, ...] = ()) -> list[Step]:
    return steps(recorded(*contents), Judgement("x", "seed", Verdict.PASS, findings, {}, 0))


SMALL: tuple[Record | Observation, ...] = (
    Action(create_node="n1"),
    NODE,
    Action(create_pod=SPEC),
    Goal(want=PodWant("p1", phase="Running"), rules=("pod.phase.running",)),
    pod("Pending"),
    EventSeen(0.0, "e1", "scheduled", "Pod", "p1", 0.0, source="scheduler"),
    FrameSeen(0.0, "docker", {"raw": 1}),
    pod("Running", ContainerSeen("c1", "running")),
    pod("Running", ContainerSeen("c1", "running")),
    Action(inject=Fault("kill-container", "p1", "c1")),
    pod("Failed", ContainerSeen("c1", "terminated", exit_code=137)),
    Quiescent(),
    End(),
)


def test_the_text_of_a_small_history() -> None:
    finding = Finding(Verdict.FAIL, ("pod.x",), "pod p1", "is Failed", 12, 9, "Running")
    assert mermaid("small", told(*SMALL, findings=(finding,))) == (
        "sequenceDiagram\n"
        "    title small\n"
        "    participant suite as suite\n"
        "    participant cluster as cluster\n"
        "    participant node_n1 as node n1\n"
        "    participant pod_p1 as pod p1\n"
        "    participant scheduler as scheduler\n"
        "    suite->>cluster: create node n1\n"
        "    node_n1-->>suite: Running, NodeReachable True, NodeReady True\n"
        "    suite->>cluster: create pod p1 (Always#59; c1)\n"
        "    pod_p1-->>suite: Pending on n1\n"
        "    scheduler-->>pod_p1: event scheduled\n"
        "    pod_p1-->>suite: Pending → Running<br/>container c1 running\n"
        "    Note over suite: reached#58; pod p1 phase=Running\n"
        "    suite->>cluster: kill-container p1 container c1\n"
        "    pod_p1-->>suite: Running → Failed<br/>container c1 running → exited 137\n"
        "    rect rgba(255, 0, 0, 0.15)\n"
        "        Note over pod_p1: FAIL pod.x<br/>line 12#58; pod p1#58; is Failed<br/>allowed#58; Running\n"
        "    end\n"
        "    Note over suite: nothing more will happen by itself\n"
    )


# --- findings -------------------------------------------------------------------------------------------------------


def test_the_failures_of_a_real_recording_stand_right_after_what_they_are_about() -> None:
    """s17: lines 51 to 53 delete the pods of a lost node. Catches findings that are gathered at the end."""
    recording = recordings.read(FOLDER / "s17-kubelet-killed.ndjson")
    found = steps(recording, judge(recording, profile("seed")))
    at = [place for place, step in enumerate(found) if step.kind == "failure"]
    assert [found[place].what.split("\n")[1].split(":")[0] for place in at] == ["line 51", "line 52", "line 53"]
    assert [found[place].who for place in at] == ["pod s17-always", "pod s17-never", "pod s17-rc-rrga3"]
    for place in at:
        assert found[place - 1] == Step(found[place].who, "watcher", "deleted", "seen")
        assert "pod.life.node-lost" in found[place].what


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_failure_of_a_recording_is_told_once(path: Path) -> None:
    recording = recordings.read(path)
    judgement = judge(recording, profile("seed"))
    failures = [step for step in steps(recording, judgement) if step.kind == "failure"]
    assert len(failures) == sum(f.verdict is Verdict.FAIL for f in judgement.findings)


def test_a_finding_without_a_line_stands_at_the_end_and_what_cannot_be_shown_is_left_out() -> None:
    findings = (
        Finding(Verdict.UNKNOWN, ("history.goal.reached",), "history", "cut off"),
        Finding(Verdict.SKIP, ("node.phase.values",), "nodes", "the recording shows no node phase"),
    )
    assert told(NODE, Action(delete_pod="p1"), findings=findings)[2:] == [
        Step("suite", "suite", "UNKNOWN history.goal.reached\nhistory: cut off", "failure")
    ]


def test_why_a_scenario_was_skipped_is_a_note() -> None:
    finding = Finding(Verdict.SKIP, (), "scenario", "the runtime lacks network", 2)
    assert told(Action(create_node="n1"), findings=(finding,))[1].kind == "note"


def test_the_history_of_a_wrong_runtime_shows_what_was_done_before_the_failure(tmp_path: Path) -> None:
    """A scenario run from beginning to end: a disk breaks, and the pod does not fail. That the pod still runs is shown
    where it is certain to stay so, not at the line at which it was last seen, which is before the fault."""
    runtime = start(runtime_class("simulator"), "ignores-dead-disk")
    scenario = next(s for s in selected("seed", ("pod.disk",)) if "of_a_running_pod_dies" in s.id)
    outcome = run_scenario(runtime, runtime.describe(), scenario, Settings(profile("seed"), folder=tmp_path))
    assert outcome.history
    found = steps(recordings.read(outcome.history), outcome.judgement)
    broken = next(place for place, step in enumerate(found) if step.what.startswith("break-disk"))
    assert found[broken][:2] == ("suite", "cluster")
    at = [place for place, step in enumerate(found) if step.kind == "failure"]
    assert len(at) == 2
    assert min(at) > broken
    assert found[min(at) - 1].what == "nothing more will happen by itself"


def test_a_goal_given_up_is_told_at_the_end() -> None:
    """The deadline passed: nobody knows whether it would have come."""
    recording = recorded(Goal(want=PodWant("p1", phase="Running"), rules=()), POD, End(), header=False)
    found = steps(recording, judge(recording, profile("seed")))
    assert [step.kind for step in found] == ["seen", "failure"]
    assert found[-1].what.startswith("UNKNOWN history.goal.reached\nline 1: goal: not seen: pod p1 phase=Running")


# --- changes --------------------------------------------------------------------------------------------------------

RUNNING = ContainerSeen("c1", "running")


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (None, RUNNING, "running"),
        (RUNNING, RUNNING, ""),
        (ContainerSeen("c1", "waiting", reason="pulling"), RUNNING, "waiting (pulling) → running"),
        (RUNNING, ContainerSeen("c1", "terminated", exit_code=7), "running → exited 7"),
        (RUNNING, ContainerSeen("c1", "terminated", exit_code=137, oom=True), "running → exited 137 (out of memory)"),
        (
            ContainerSeen("c1", "terminated", exit_code=7),
            ContainerSeen("c1", "running", restarts=1, last_exit_code=7),
            "exited 7 → running, restart 1",
        ),
        (
            RUNNING,
            ContainerSeen("c1", "running", restarts=1, last_exit_code=7),
            "running, restart 1, the one before exited 7",
        ),
        (
            ContainerSeen("c1", "terminated", exit_code=7),
            ContainerSeen("c1", "terminated", exit_code=7, restarts=1, last_exit_code=7),
            "exited 7, restart 1",
        ),
        (ContainerSeen("c1", "running", restarts=None), RUNNING, ""),
    ],
)
def test_a_container_is_told_by_what_has_changed(before: ContainerSeen | None, now: ContainerSeen, words: str) -> None:
    assert container_change(before, now) == words


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (None, POD, ["Pending"]),
        (POD, POD, []),
        (POD, pod("Pending"), ["on n1"]),
        (POD, pod("Running"), ["Pending → Running on n1"]),
        (pod("Running"), pod("Running", node="n2"), ["on n2 instead of n1"]),
        (pod("Running"), pod("Running", node=None), ["on no node instead of n1"]),
        (pod("Running"), pod("Running", deleted=True), ["deleted"]),
        (pod("Running"), pod("Failed", deleted=True), ["Running → Failed, deleted"]),
    ],
)
def test_a_pod_is_told_by_what_has_changed(before: PodSeen | None, now: PodSeen, words: list[str]) -> None:
    assert pod_changes(before, now) == words


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (NODE, NODE, []),
        (NODE, NodeSeen(0.0, "n1", "v1", "Running", "False", "True"), ["NodeReachable False"]),
        (NODE, NodeSeen(0.0, "n1", "v1", "Terminated", "True", "Unknown"), ["Running → Terminated, NodeReady Unknown"]),
        (NODE, NodeSeen(0.0, "n1", "v1", "Running", "True", "True", True), ["unschedulable"]),
        (NodeSeen(0.0, "n1", "v1", unschedulable=True), NodeSeen(0.0, "n1", "v1"), ["schedulable again"]),
        (NODE, NodeSeen(0.0, "n1", "v1", "Running", "True", "True", deleted=True), ["deleted"]),
        (None, NodeSeen(0.0, "n1", "v1"), ["is there"]),
    ],
)
def test_a_node_is_told_by_what_has_changed(before: NodeSeen | None, now: NodeSeen, words: list[str]) -> None:
    assert node_changes(before, now) == words


def test_pods_of_one_name_are_told_apart() -> None:
    """A pod that is created again begins anew. Catches changes that are told against the namesake."""
    again = PodSeen(0.0, "p1", "u2", "Always", "Pending", ("c1",))
    assert [s.what for s in told(pod("Pending"), pod("Pending", deleted=True), again)] == [
        "Pending on n1", "deleted", "Pending",
    ]  # fmt: skip


def test_an_event_is_told_when_its_count_grows() -> None:
    def event(count: int) -> EventSeen:
        return EventSeen(0.0, "e", "created", "Pod", "p1", 0.0, container="c1", source="kubelet/n1", count=count)

    found = told(event(1), event(1), event(3))
    assert [(s.who, s.whom, s.what) for s in found] == [
        ("kubelet/n1", "pod p1", "event created (container c1)"),
        ("kubelet/n1", "pod p1", "event created (container c1), 3 times so far"),
    ]


def test_controllers_and_engines_are_told() -> None:
    controller = ControllerSeen(0.0, "rc", "u", 2, 1, "Always")
    found = told(
        Action(create_controller=ControllerSpec("rc", 2, "Always", ())),
        controller, controller, ControllerSeen(0.0, "rc", "u", 2, 1, "Always", deleted=True),
        EventSeen(0.0, "e", "made", "ReplicationController", "rc", 0.0),
        EngineSeen(0.0, "die", "i", "p1", "u1", "c1", 7),
    )  # fmt: skip
    assert found == [
        Step("suite", "cluster", "create controller rc (2 pods, Always)"),
        Step("controller rc", "suite", "has 1 of 2 pods", "seen"),
        Step("controller rc", "suite", "deleted", "seen"),
        Step("event", "controller rc", "event made", "seen"),
        Step("container engine", "pod p1", "die container c1, exit code 7", "seen"),
    ]


def test_scaling_and_lists_of_machines_are_told() -> None:
    found = told(
        Action(scale=Scaling("rc", 3)),
        Action(list_machines=MachineList(("n1", "n2"))),
        Action(list_machines=MachineList((), sync=False)),
        Action(list_machines=MachineList(("n1",), cloud=False)),
    )
    assert [step.what for step in found] == [
        "scale controller rc to 3 pods",
        "the cloud lists n1, n2",
        "the cloud lists no machine (--sync_nodes=false)",
        "start the node controller with --machines n1",
    ]


def test_what_was_refused_is_told_with_the_reason() -> None:
    assert told(Action(delete_pod="p9", refused="no pod p9")) == [
        Step("suite", "cluster", "delete pod p9"),
        Step("cluster", "suite", "refused: no pod p9", "seen"),
    ]


def test_goals_are_told_when_they_are_reached_and_once() -> None:
    found = told(
        Goal(want=NodeWant("n1", ready="True"), rules=()),
        Goal(want=EventWant("p1", "started"), rules=()),
        Goal(want=PodWant("p1", gone=True), rules=()),
        NODE, EventSeen(0.0, "e", "started", "Pod", "p1", 0.0), pod("Pending"), Quiescent(),
    )  # fmt: skip
    assert [s.what for s in found if s.kind == "note"] == [
        "reached: node n1 ready=True", "reached: event p1 reason=started", "nothing more will happen by itself",
    ]  # fmt: skip
    assert [s.what for s in found].index("reached: node n1 ready=True") == 1


def test_who_watches_a_recording_of_others_is_not_the_suite() -> None:
    assert {s.whom for s in steps(recorded(POD, header=False), Judgement("x", "seed", Verdict.PASS, (), {}, 0))} == {
        "watcher"
    }
