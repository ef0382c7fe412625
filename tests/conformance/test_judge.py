"""The judge on histories of our own, and on the subtler of the tampered recordings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from adapters.simulator import Simulator
from conformance import recordings
from conformance.evidence import Evidence
from conformance.history import Action, End, Goal, Header, PodWant, Quiescent, Record, Seen
from conformance.judge import Judgement, judge
from conformance.runner import Settings, run_all
from conformance.runtime import ContainerSeen, ContainerSpec, Fault, NodeSeen, Observation, PodSeen, PodSpec
from conformance.scenario import selected
from conformance.verdict import Verdict
from conformance.workload import RunOn
from model.profiles import profile
from tests.recorded import Line, judged, lines, pod_at, pod_frames

SEED = profile("seed")


def broken(judgement: Judgement) -> set[str]:
    return {rule for f in judgement.findings if f.verdict is Verdict.FAIL for rule in f.rules}


def numbered(records: list[Record]) -> list[Record]:
    return [msgspec.structs.replace(r, seq=n) for n, r in enumerate(records, 1)]


def of(*seen: Observation, by: str = "seed") -> Judgement:
    """What the judge says of these observations, with nothing else known."""
    records: list[Record] = [Seen(what=what, t=what.at) for what in seen]
    return judge(recordings.of_records("made", numbered(records)), profile(by))


def pod(at: float, phase: str, *states: str, policy: str = "Never", node: str | None = "n1", uid: str = "u") -> PodSeen:
    """A pod whose containers c1, c2, … are in these states; ``terminated`` means exit code 0."""
    members = tuple(f"c{n}" for n in range(1, max(len(states), 1) + 1))
    statuses = tuple(
        ContainerSeen(name, state, exit_code=0 if state == "terminated" else None)  # type: ignore[arg-type]
        for name, state in zip(members, states, strict=False)
    )
    return PodSeen(at, "p", uid, policy, phase, members, node, statuses or None)  # type: ignore[arg-type]


# --- recordings, tampered with more subtly --------------------------------------------------------------------------


def tampered(name: str, change: Callable[[Line], object], which: Callable[[Line], bool]) -> list[Line]:
    """A recording with the first pod frame that is wanted changed."""
    found = lines(name)
    place = pod_frames(found, which)[0]
    change(pod_at(found, place))
    return found


def has_restarted(frame: Line) -> bool:
    return any(c.get("lastState") for c in frame["status"].get("containerStatuses", []))


def has_ended(frame: Line) -> bool:
    return any("termination" in c["state"] for c in frame["status"].get("containerStatuses", []))


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("s02-exit7-always", lambda p: p["status"]["containerStatuses"][0].update(state={}), "pod.phase.unknown-state"),
        ("s03-two-1-0-always", lambda p: p["status"]["containerStatuses"].pop(), "pod.phase.unknown-state"),
        ("s02-exit7-always", lambda p: p["spec"].update(restartPolicy="Never"), "pod.binding.spec-immutable"),
        ("s02-exit7-always", lambda p: p["spec"]["containers"][0].update(name="x"), "pod.binding.spec-immutable"),
        ("s02-exit7-always", lambda p: p["spec"]["containers"].append({"name": "x"}), "pod.binding.spec-immutable"),
        ("s02-exit7-onfailure",
         lambda p: p["status"]["containerStatuses"][0]["lastState"]["termination"].update(exitCode=0),
         "pod.restart.success.onfailure"),
    ],
    ids=["state-gone", "status-gone", "policy", "renamed", "added", "restarted-after-0"],
)  # fmt: skip
def test_a_changed_frame_is_a_failure_by_its_rule(
    name: str, change: Callable[[Line], object], rule: str, tmp_path: Path
) -> None:
    judgement = judged(tampered(name, change, has_restarted), tmp_path)
    assert judgement.verdict is Verdict.FAIL, judgement.findings
    assert rule in broken(judgement)


def test_the_engine_and_the_api_must_agree_on_how_an_incarnation_ended(tmp_path: Path) -> None:
    """CSTATE-3: the exit code is Docker's. The ids in both streams are the same."""
    found = lines("s02-exit7-never")
    died = next(line for line in found if line["stream"] == "docker" and line["object"]["Action"] == "die")
    died["object"]["Actor"]["Attributes"]["exitCode"] = "0"
    assert "pod.container.terminated" in broken(judged(found, tmp_path))


def test_an_incarnation_that_has_ended_does_not_run_again(tmp_path: Path) -> None:
    """RESTART-8: a restart makes a new container. The count grows, but the id is that of the dead one."""
    found = lines("s02-exit7-always")
    dead, again = pod_frames(found, lambda p: p["status"].get("containerStatuses", []) != [])[2:4]
    first = pod_at(found, dead)["status"]["containerStatuses"][0]
    assert "termination" in first["state"]
    pod_at(found, again)["status"]["containerStatuses"][0]["containerID"] = first["containerID"]
    assert broken(judged(found, tmp_path)) & {"pod.restart.new-container", "pod.restart.count-reconstructed"}


def test_an_incarnation_that_was_replaced_does_not_come_back(tmp_path: Path) -> None:
    """Also where the count says nothing, as it is not exact from five on (RESTART-9)."""
    found = lines("s03-two-1-0-always")
    frames = pod_frames(found, lambda p: any(c["restartCount"] >= 5 for c in p["status"].get("containerStatuses", [])))
    ids = [c["containerID"] for c in pod_at(found, frames[0])["status"]["containerStatuses"] if c["name"] == "c1"]
    status = next(c for c in pod_at(found, frames[-1])["status"]["containerStatuses"] if c["name"] == "c1")
    assert status["containerID"] != ids[0]
    status["containerID"] = ids[0]
    assert "pod.restart.new-container" in broken(judged(found, tmp_path))


def test_a_changed_image_explains_a_restart_under_never_and_nothing_else_does(tmp_path: Path) -> None:
    """RESTART-3: evidence is needed, for this very container."""
    found = lines("s03-two-1-0-never")
    place = pod_frames(
        found, lambda p: any("termination" in c["state"] for c in p["status"].get("containerStatuses", []))
    )[0]
    statuses = pod_at(found, place)["status"]["containerStatuses"]
    status = next(c for c in statuses if c["name"] == "c1")
    status["lastState"], status["state"], status["restartCount"] = {}, {"running": {}}, 1
    status["containerID"] = "docker://new"
    short = [line for line in found[: place + 1] if line["stream"] != "docker"]
    assert broken(judged(short, tmp_path))
    pod_at(short, len(short) - 1)["spec"]["containers"][1]["image"] = "other"
    assert broken(judged(short, tmp_path)), "the image of c2 changed, not of c1"
    pod_at(short, len(short) - 1)["spec"]["containers"][0]["image"] = "other"
    assert not broken(judged(short, tmp_path))


def test_the_frames_that_begin_a_watch_may_list_what_is_there_in_any_order(tmp_path: Path) -> None:
    frames = [line for line in lines("s17-kubelet-killed") if line["stream"] == "pods"]
    found = [line for line in frames if line["object"]["object"]["spec"].get("host")][:2]
    for line, version in zip(found, ("20", "10"), strict=True):
        line["object"]["type"] = "ADDED"
        line["object"]["object"]["metadata"]["resourceVersion"] = version
    assert not broken(judged(found, tmp_path))
    for line in found:
        line["object"]["type"] = "MODIFIED"
    assert "history.order.version" in broken(judged(found, tmp_path))


# --- the phase, from statuses that say little -----------------------------------------------------------------------


def test_a_bound_pod_without_statuses_is_pending_and_nothing_else() -> None:
    """CSTATE-8 and F-T1 row 5: it may fall back from Running, but not stay there."""
    begin = (pod(0, "Pending", node=None), pod(1, "Running", "running"))
    assert of(*begin, pod(2, "Pending"), by="v0.17.0").verdict is Verdict.PASS
    assert of(*begin, pod(2, "Running"), by="v0.17.0").verdict is Verdict.FAIL


def test_a_pod_that_has_ended_does_not_fall_back_even_without_statuses() -> None:
    ended = (pod(0, "Running", "running"), pod(1, "Succeeded", "terminated"))
    assert "pod.phase.final" in broken(of(*ended, pod(2, "Pending"), by="v0.17.0"))
    assert of(*ended, pod(2, "Failed"), by="v0.17.0").verdict is Verdict.PASS, "admission may rewrite it (PHASE-12)"
    assert "pod.phase.terminal" in broken(of(*ended, pod(2, "Failed", "terminated")))


def test_thirty_containers_are_judged_at_once() -> None:
    """A judge that looks at every combination of states would not come back."""
    waiting, running = ["waiting"] * 30, ["running"] * 30
    steps = (pod(0, "Pending", *waiting), pod(1, "Pending", "running", *waiting[1:]), pod(2, "Running", *running))
    assert of(*steps).verdict is Verdict.PASS
    assert of(*steps, pod(3, "Pending", *running)).verdict is Verdict.FAIL


def test_what_is_wrong_with_a_status_is_told_when_it_comes_and_not_again_with_news_of_another_container() -> None:
    lost = ContainerSeen("c1", "running", restarts=0, last_exit_code=1)
    frames = [
        pod(at, "Running", "running", other, policy="Always") for at, other in enumerate(("running", "terminated"))
    ]
    told = [msgspec.structs.replace(f, containers=(lost, *(f.containers or ())[1:])) for f in frames]
    wrong = [f for f in of(*told).findings if "restart count is 0" in f.reason]
    assert [(f.line, f.verdict) for f in wrong] == [(1, Verdict.FAIL)]


# --- nodes ----------------------------------------------------------------------------------------------------------


def node(at: float, ready: str, **more: str) -> NodeSeen:
    return NodeSeen(at, "n1", "n", ready=ready, **more)  # type: ignore[arg-type]


def test_trouble_that_was_over_before_a_pod_explains_nothing() -> None:
    """The node was not ready long ago; the pod of today is Failed while its container runs."""
    pods = (pod(3, "Running", "running"), pod(4, "Failed", "running"))
    assert broken(of(node(0, "True"), node(1, "False"), node(2, "True"), *pods))
    assert not broken(of(node(0, "True"), pods[0], node(3.5, "False"), pods[1]))


def test_a_phase_that_a_client_gave_a_node_stays_and_must_not_change() -> None:
    """NODE-PHASE-2: no component changes it."""
    given = node(0, "True", phase="Running")
    assert of(given, node(1, "True", phase="Running"), by="v0.17.0").verdict is Verdict.PASS
    assert "node.phase.never-set" in broken(of(given, node(1, "True", phase="Pending"), by="v0.17.0"))


# --- whole runs -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("histories")
    some = selected("seed", ("pod.disk", "pod.partition", "pod.life", "pod.restart.both-of-two"))
    outcomes = list(run_all(Simulator(), some, Settings(SEED, folder=folder)))
    assert {o.verdict for o in outcomes} == {Verdict.PASS}
    return [o.history for o in outcomes if o.history]


def test_a_line_that_is_lost_is_never_a_failure(histories: list[Path]) -> None:
    """Actions included: a gap in the numbers tells that something is missing."""
    for path in histories:
        records = [e.content for e in recordings.read(path).entries]
        for place in range(len(records)):
            kept = [r for n, r in enumerate(records) if n != place]
            judgement = judge(recordings.of_records(path.stem, kept), SEED)  # type: ignore[arg-type]
            assert not broken(judgement), (path.stem, place, judgement.findings)


def test_a_history_that_ends_before_its_scenario_is_unknown(histories: list[Path], tmp_path: Path) -> None:
    """A run that was killed is no pass; and no failure, wherever it was cut."""
    for path in histories[:6]:
        whole = path.read_bytes().splitlines(keepends=True)
        assert isinstance(recordings.read(path).entries[-1].content, End)
        for length in range(1, len(whole)):
            cut = tmp_path / "cut.ndjson"
            cut.write_bytes(b"".join(whole[:length]))
            judgement = judge(recordings.read(cut), SEED)
            assert judgement.verdict is Verdict.UNKNOWN, (path.stem, length, judgement.findings)


def test_two_swapped_lines_are_a_failure(histories: list[Path]) -> None:
    records = [e.content for e in recordings.read(histories[0]).entries]
    for place in range(len(records) - 1):
        swapped = [*records]
        swapped[place], swapped[place + 1] = swapped[place + 1], swapped[place]
        judgement = judge(recordings.of_records("swapped", swapped), SEED)  # type: ignore[arg-type]
        assert broken(judgement) & {"history.order.version", "history.order.time"}, place


def test_what_a_runtime_promised_at_rest_is_over_with_the_next_action() -> None:
    """Quiescent, then an action: what is owed since is not owed at the end."""
    begin: list[Record] = [Header(scenario="s"), Quiescent(), Action(create_node="n1")]
    goal = Goal(want=PodWant("p", phase="Running"), rules=("pod.phase.running",))
    judgement = judge(recordings.of_records("made", numbered([*begin, goal, End()])), SEED)
    assert [f.verdict for f in judgement.findings] == [Verdict.UNKNOWN]


def test_a_goal_that_cannot_be_reached_any_more_is_a_failure() -> None:
    goal = Goal(want=PodWant("p", phase="Running"), rules=("pod.phase.running",))
    judgement = judge(recordings.of_records("made", numbered([Header(scenario="s"), goal, Quiescent(), End()])), SEED)
    assert broken(judgement) == {"pod.phase.running"}


def test_a_judge_that_breaks_is_an_error_never_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(evidence: object, line: object) -> None:
        raise IndexError("somewhere")

    monkeypatch.setattr(Evidence, "take", breaks)
    judgement = of(pod(0, "Pending", node=None))
    assert judgement.verdict is Verdict.ERROR
    assert "IndexError: somewhere" in judgement.findings[0].reason


# --- the right runtime is not accused -------------------------------------------------------------------------------


NEW = NodeSeen(0, "n1", "n1", "Pending")
UP = NodeSeen(0, "n1", "n1", "Running", "True", "True")
DOWN = NodeSeen(0, "n1", "n1", "Running", "False", "Unknown")
ENDED = NodeSeen(0, "n1", "n1", "Terminated")


def unfit_node(
    fault: str, before: NodeSeen, since: tuple[NodeSeen, ...], after: tuple[NodeSeen, ...] = ()
) -> Judgement:
    """What is seen of a node before something is done to it, and since; then a pod is created, and bound to it after
    something more is seen."""
    spec = PodSpec("p", "Never", (ContainerSpec("c1", (RunOn(),)),))
    records: list[Record] = [
        Header(scenario="s"),
        Action(create_node="n1"),
        Seen(what=before),
        Action(inject=Fault(fault, "n1")),
        *(Seen(what=node) for node in since),
        Action(create_pod=spec),
        Seen(what=pod(0, "Pending", node=None)),
        *(Seen(what=node) for node in after),
        Seen(what=pod(0, "Pending")),
        End(),
    ]
    return judge(recordings.of_records("made", numbered(records)), SEED)


@pytest.mark.parametrize(("fault", "since"), [("terminate-node", ENDED), ("cut-node", DOWN)])
def test_a_node_is_no_candidate_once_it_is_seen_to_be_none_any_more(fault: str, since: NodeSeen) -> None:
    """Unless it is seen as one again. Found by exploration."""
    assert "pod.binding.candidate" in broken(unfit_node(fault, UP, (since,)))
    assert "pod.binding.candidate" not in broken(unfit_node(fault, UP, (since,), (UP,)))


@pytest.mark.parametrize("fault", ["terminate-node", "cut-node", "stop-kubelet"])
def test_a_node_that_was_seen_to_be_new_may_have_been_a_candidate_since(fault: str) -> None:
    """For a while, before it was known to be none, and the news of that are under way. Found by exploration."""
    assert "pod.binding.candidate" not in broken(unfit_node(fault, NEW, ()))


def test_the_trouble_of_a_node_that_is_gone_is_known_as_long_as_there_are_pods_on_it() -> None:
    """Also at the end, and however many lines lie between: the pod is given up for that. Found by exploration."""
    up = NodeSeen(0, "n1", "n1", "Running", "True", "True")
    down = NodeSeen(0, "n1", "n1", "Running", "False", "Unknown")
    gone = NodeSeen(0, "n1", "n1", "Running", "False", "Unknown", deleted=True)
    others = [NodeSeen(0, "other", "other", "Running", "True", "True")] * 50
    seen: list[Observation] = [up, pod(0, "Running", "running"), down, gone, *others, pod(0, "Failed", "running")]
    records: list[Record] = [Seen(what=what) for what in seen]
    found = judge(recordings.of_records("made", numbered(records)), SEED, window=5)
    assert found.verdict is not Verdict.FAIL, [str(f) for f in found.findings]
