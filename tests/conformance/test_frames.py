"""Frames of a real v0.17.0 cluster, tampered with in one place: the judge finds just the rules that this breaks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from conformance import recordings
from conformance.history import Action, End, Header, Quiescent, Record, Seen
from conformance.judge import Judgement, judge
from conformance.runtime import ControllerSeen, ControllerSpec, PodSeen
from conformance.verdict import Verdict
from model import events
from model.profiles import profile
from tests.recorded import FILES, FOLDER, Line, judged, lines, pod_frames

from .test_trace import broken

Which = Callable[[Line], bool]
Change = Callable[[Line], object]

HOUR = "2026-11-23T12:34:56Z"
RESTARTED, EXITED = "s02-exit7-always", "s02-exit7-never"
CORDON, LOST, CONTROLLER, NO_IMAGE = "s16-unschedulable", "s17-kubelet-killed", "s13-rc", "s09-noimage-never"


def places(of: list[Line], stream: str, which: Which = lambda _: True) -> list[int]:
    """The places of the frames of a stream whose object is wanted."""
    return [n for n, line in enumerate(of) if line["stream"] == stream and which(line["object"].get("object", line))]


def edited(name: str, stream: str, which: Which, change: Change, place: int = 0) -> list[Line]:
    """A recording with one of the objects that are wanted changed."""
    of = lines(name)
    change(of[places(of, stream, which)[place]]["object"]["object"])
    return of


def status(pod: Line) -> Line:
    """The status of the first container of a pod."""
    found: Line = pod["status"]["containerStatuses"][0]
    return found


def state_is(state: str) -> Which:
    return lambda pod: bool(pod["status"].get("containerStatuses")) and state in status(pod)["state"]


def on_status(**changes: object) -> Change:
    """Other fields in the status of the first container; None takes one away."""

    def change(pod: Line) -> None:
        for key, value in changes.items():
            status(pod).update({key: value})
            if value is None:
                del status(pod)[key]

    return change


def on_state(key: str, **changes: object) -> Change:
    """Other fields in the state of the first container."""

    def change(pod: Line) -> None:
        for field, value in changes.items():
            status(pod)["state"][key].update({field: value})
            if value is None:
                del status(pod)["state"][key][field]

    return change


def ready(pod: Line, container: bool, condition: str) -> None:
    status(pod)["ready"] = container
    pod["status"]["Condition"] = [{"type": "Ready", "status": condition}]


def second_last(pod: Line) -> None:
    """The instance before the one before: the first of all."""
    status(pod)["lastState"]["termination"]["containerID"] = first_instance(RESTARTED)


def first_instance(name: str) -> str:
    frames = [line["object"]["object"] for line in lines(name) if line["stream"] == "pods"]
    found = next(status(pod)["containerID"] for pod in frames if pod["status"].get("containerStatuses"))
    return str(found)


def phase(pod: Line, word: str) -> None:
    pod["status"]["phase"] = word


def ghost(pod: Line, word: str) -> None:
    """One more status, of no container of the spec."""
    pod["status"]["containerStatuses"].append({"name": "ghost", "state": {"waiting": {"reason": "x"}}})
    phase(pod, word)


PODS = [
    ("two states", RESTARTED, state_is("running"), lambda pod: status(pod)["state"].update(waiting={"reason": "x"}),
     {"pod.container.three-states"}),
    ("a strange field", EXITED, state_is("termination"), on_state("termination", colour=1),
     {"pod.container.termination-fields"}),
    ("no start", EXITED, state_is("termination"), on_state("termination", startedAt=None),
     {"pod.container.termination-fields"}),
    ("an older last instance", RESTARTED, lambda pod: bool(pod["status"].get("containerStatuses"))
     and status(pod)["restartCount"] == 3, second_last, {"pod.container.last-state"}),
    ("runs since later", RESTARTED, state_is("running"), on_state("running", startedAt=HOUR),
     {"pod.container.running"}),
    ("runs without instance", RESTARTED, state_is("running"), on_status(containerID=None), {"pod.container.running"}),
    ("finished later", EXITED, state_is("termination"), on_state("termination", finishedAt=HOUR),
     {"pod.container.terminated"}),
    ("ended without instance", EXITED, state_is("termination"), on_status(containerID=None),
     {"pod.container.terminated"}),
    ("waits without reason", NO_IMAGE, state_is("waiting"), on_state("waiting", reason=None),
     {"pod.container.no-instance", "pod.container.waiting-reason"}),
    ("cannot run, without instance", NO_IMAGE, state_is("waiting"), on_state("waiting", reason="Container cannot run"),
     {"pod.container.never-ran"}),
    ("no image, with instance", NO_IMAGE, state_is("waiting"), on_status(
        state={"waiting": {"reason": "image is not ready on the node"}}, containerID="docker://x"),
     {"pod.container.no-instance"}),
    ("ready though ended", EXITED, state_is("termination"), lambda pod: ready(pod, True, "True"),
     {"pod.container.ready"}),
    ("Ready though not ready", EXITED, state_is("termination"), lambda pod: ready(pod, False, "True"),
     {"pod.container.ready-condition"}),
    ("another policy", EXITED, state_is("termination"), lambda pod: pod["spec"].update(restartPolicy="Sometimes"),
     {"pod.phase.other-policy", "pod.restart.policies"}),
    ("Pending for a stranger", RESTARTED, lambda pod: state_is("running")(pod) and status(pod)["ready"],
     lambda pod: ghost(pod, "Pending"),
     {"pod.phase.unnamed-ignored", "pod.phase.one-or-two", "pod.phase.some-run", "pod.restart.one-of-two.never"}),
    ("Pending as not ready", RESTARTED, lambda pod: state_is("running")(pod) and not status(pod)["ready"],
     lambda pod: phase(pod, "Pending"),
     {"pod.phase.readiness-ignored", "pod.phase.one-or-two", "pod.phase.some-run", "pod.restart.one-of-two.never"}),
    ("bound with a condition", LOST, lambda pod: bool(pod["spec"].get("host")),
     lambda pod: pod["status"].update(Condition=[{"type": "Ready", "status": "False"}]),
     {"pod.phase.update-keeps-status"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "which", "change", "rules"), [p[1:] for p in PODS], ids=[p[0] for p in PODS])
def test_a_pod_frame_that_contradicts_itself_or_the_engine(
    name: str, which: Which, change: Change, rules: set[str], tmp_path: Path
) -> None:
    assert broken(judged(edited(name, "pods", which, change), tmp_path)) == rules


def test_a_status_of_no_container_of_the_spec_changes_nothing(tmp_path: Path) -> None:
    of = edited(RESTARTED, "pods", state_is("running"), lambda pod: ghost(pod, "Running"))
    judgement = judged(of, tmp_path)
    assert judgement.verdict is Verdict.PASS, judgement.findings
    assert judgement.covered["pod.phase.unnamed-ignored"] == 1


def test_a_message_needs_a_file(tmp_path: Path) -> None:
    of = edited(EXITED, "pods", state_is("termination"), on_state("termination", message="done"))
    assert broken(judged(of, tmp_path)) == set()
    for place in pod_frames(of):
        del of[place]["object"]["object"]["spec"]["containers"][0]["terminationMessagePath"]
    assert broken(judged(of, tmp_path)) == {"pod.container.termination-message"}


def test_what_ran_out_of_memory_says_so(tmp_path: Path) -> None:
    of = edited("s06-oom-never", "pods", state_is("termination"), on_state("termination", reason=None))
    assert "pod.container.oom-reason" in broken(judged(of, tmp_path))


def test_without_an_instance_the_count_is_carried_over(tmp_path: Path) -> None:
    def gone(pod: Line) -> None:
        on_status(state={"waiting": {"reason": "no such image"}}, containerID=None, restartCount=0, lastState={})(pod)
        phase(pod, "Pending")

    def restarted(pod: Line) -> bool:
        return bool(pod["status"].get("containerStatuses")) and status(pod)["restartCount"] == 3

    of = edited(RESTARTED, "pods", restarted, gone)
    assert "pod.container.count-carried" in broken(judged(of, tmp_path))


def test_an_instance_is_newer_than_the_one_shown_before(tmp_path: Path) -> None:
    """By the order in which the engine created them; nothing else is kept of the engine here."""
    of = [
        line
        for line in lines(RESTARTED)
        if line["stream"] != "docker"
        or (line["object"]["Action"] == "create" and "k8s_c1" in str(line["object"]["Actor"]))
    ]
    first, second = [line["object"]["Actor"] for line in of if line["stream"] == "docker"][:2]
    assert broken(judged(of, tmp_path)) == set()
    first["ID"], second["ID"] = second["ID"], first["ID"]
    assert "pod.container.newest" in broken(judged(of, tmp_path))


def test_a_pod_is_deleted_with_the_status_that_it_had(tmp_path: Path) -> None:
    """Proved only where no version is missing in between."""
    of = edited(CORDON, "pods", lambda pod: True, lambda pod: ready(pod, True, "True"), -1)
    place = places(of, "pods")[-1]
    before = of[places(of, "pods")[-2]]["object"]["object"]
    assert not status(before)["ready"]
    assert broken(judged(of, tmp_path)) == {"pod.life.no-final-phase"}
    of[place]["object"]["object"]["metadata"]["resourceVersion"] = "2210"
    of[places(of, "nodes", lambda node: node["metadata"]["name"] == "10.1.2.3")[0]]["stream"] = "docker-lost"
    assert broken(judged(of[: place + 1], tmp_path)) == set()


def test_a_sandbox_that_has_died_is_not_started_again(tmp_path: Path) -> None:
    of = lines("s12-pausekill-always")
    made = [
        line["object"]["Actor"]
        for line in of
        if line["stream"] == "docker" and "k8s_POD" in str(line) and line["object"]["Action"] in ("create", "start")
    ]
    first, again = made[0]["ID"], made[2]["ID"]
    for actor in made:
        actor["ID"] = first if actor["ID"] == again else actor["ID"]
    assert broken(judged(of, tmp_path)) == {"pod.restart.sandbox-died", "pod.sharing.pause-container"}


# --- nodes ----------------------------------------------------------------------------------------------------------


def is_ready(word: str) -> Which:
    return lambda node: bool(node["status"].get("conditions")) and condition(node)["status"] == word


def condition(node: Line) -> Line:
    found: Line = node["status"]["conditions"][0]
    return found


def on_condition(**changes: str) -> Change:
    return lambda node: condition(node).update(changes)


NODES = [
    ("the kubelet of a runtime that is down", is_ready("True"), on_condition(reason="container runtime is down"),
     {"node.condition.kubelet-writes", "node.condition.kubelet-reasons"}),
    ("Unknown by the kubelet", is_ready("Unknown"), on_condition(reason="kubelet is posting ready status"),
     {"node.condition.controller-writes", "node.condition.controller-reasons"}),
    ("never posted", is_ready("Unknown"), on_condition(reason="Kubelet never posted node status."),
     {"node.condition.never-reported"}),
    ("another heartbeat", is_ready("Unknown"), on_condition(lastHeartbeatTime="2026-11-23T11:11:56Z"),
     {"node.condition.silent.heartbeat-kept"}),
    ("an old time", is_ready("Unknown"), on_condition(lastTransitionTime="2026-11-23T10:40:27Z"),
     {"node.condition.unknown-stamps-time"}),
    ("a new condition", is_ready("Unknown"),
     lambda node: node["status"]["conditions"].append({"type": "Schedulable", "status": "True"}),
     {"node.condition.only-ready"}),
]  # fmt: skip


@pytest.mark.parametrize(("which", "change", "rules"), [n[1:] for n in NODES], ids=[n[0] for n in NODES])
def test_a_node_frame_that_its_writer_cannot_have_written(
    which: Which, change: Change, rules: set[str], tmp_path: Path
) -> None:
    assert broken(judged(edited(LOST, "nodes", which, change), tmp_path)) == rules


# --- the scheduler --------------------------------------------------------------------------------------------------


def cordoned(**ready: str) -> list[Line]:
    """s16 with a node that is never a candidate, so that the pod is bound to it all the same."""
    of = lines(CORDON)
    for place in places(of, "nodes", lambda node: node["metadata"]["name"] == "127.0.0.1"):
        node = of[place]["object"]["object"]
        if ready:
            del node["spec"]["unschedulable"]
            condition(node).update(ready)
        else:
            node["spec"]["unschedulable"] = True
    event = of[places(of, "events", lambda event: event["reason"] == "schedulable")[0]]["object"]["object"]
    event["reason"] = "rebooted"
    return of


def test_a_pod_bound_to_a_cordoned_node_is_a_failure(tmp_path: Path) -> None:
    """The scheduler had just said that it knows no candidate, and no version is missing since (SCHED-1)."""
    judgement = judged(cordoned(), tmp_path)
    assert broken(judgement) == {"scheduler.candidate.ready"}
    assert [f.line for f in judgement.findings] == [16]
    assert "unschedulable" in judgement.findings[0].reason


def test_a_pod_bound_to_a_node_that_is_not_ready_is_a_failure(tmp_path: Path) -> None:
    of = lines(CORDON)
    for place in places(of, "nodes", lambda node: node["metadata"]["name"] == "127.0.0.1"):
        node = of[place]["object"]["object"]
        node["spec"].pop("unschedulable", None)
        condition(node).update(status="False", reason="container runtime is down")
    for place in places(of, "events", lambda event: event["reason"].endswith("chedulable")):
        of[place]["object"]["object"]["reason"] = "rebooted"
    assert broken(judged(of, tmp_path)) == {"scheduler.candidate.ready"}


@pytest.mark.parametrize("drop", ["a version", "the word of the scheduler", "who bound it"])
def test_a_binding_is_no_failure_without_proof(drop: str, tmp_path: Path) -> None:
    of = cordoned()
    bound = places(of, "pods")[1]
    at = {
        "a version": [n for n in places(of, "nodes") if n < bound][-1:],
        "the word of the scheduler": places(of, "events", lambda event: event["reason"] == "failedScheduling"),
        "who bound it": places(of, "events", lambda event: event["reason"] == "scheduled"),
    }[drop]
    assert at
    assert broken(judged([line for n, line in enumerate(of) if n not in at], tmp_path)) == set()


# --- replication controllers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        (lambda rc: rc["spec"]["template"]["metadata"].update(labels={"app": "x"}), {"replication.template.selector"}),
        (lambda rc: rc["spec"].update(selector={}), {"replication.template.selector"}),
        (lambda rc: rc["spec"].update(replicas=-1), {"replication.template.replicas"}),
        (lambda rc: rc["spec"]["template"]["spec"].update(restartPolicy="Never"), {"replication.template.always-only"}),
    ],
    ids=["other labels", "no selector", "negative", "Never"],
)
def test_a_controller_that_the_api_would_have_refused(change: Change, rules: set[str], tmp_path: Path) -> None:
    assert broken(judged(edited(CONTROLLER, "replicationcontrollers", lambda _: True, change), tmp_path)) == rules


@pytest.mark.parametrize("name", ["s14-rc-never", "s14-rc-onfailure"])
def test_a_refusal_is_read_from_the_file_beside_a_recording(name: str) -> None:
    """The API refuses these templates, which shows in no watch."""
    recording = recordings.read(FOLDER / f"{name}.ndjson")
    [action] = [entry.content for entry in recording.entries if isinstance(entry.content, Action)]
    assert action.refused is not None
    assert "unsupported value" in action.refused
    assert judge(recording, profile("v0.17.0")).covered["replication.template.always-only"] == 1


def of_records(*records: Record, by: str = "v0.17.0") -> Judgement:
    return judge(recordings.of_records("made", list(records)), profile(by))


@pytest.mark.parametrize(("refused", "by", "fails"), [(None, "v0.17.0", True), ("no", "v0.17.0", False),
                                                      (None, "seed", False)])  # fmt: skip
def test_a_template_that_should_have_been_refused(refused: str | None, by: str, fails: bool) -> None:
    action = Action(create_controller=ControllerSpec("rc", 1, "Never", ()), refused=refused, seq=2)
    judgement = of_records(Header(scenario="s", seq=1), action, End(seq=3), by=by)
    assert broken(judgement) == ({"replication.template.always-only"} if fails else set())


@pytest.mark.parametrize("counted", [0, 1, 2])
def test_at_rest_a_controller_says_how_many_pods_count(counted: int) -> None:
    pod = PodSeen(0.0, "rc-1", "u", "Always", "Pending", ("c1",), owner="rc")
    controller = ControllerSeen(0.0, "rc", "r", 1, counted, "Always")
    judgement = of_records(Seen(what=pod, seq=1), Seen(what=controller, seq=2), Quiescent(seq=3))
    assert broken(judgement) == (set() if counted == 1 else {"replication.count.status"})


@pytest.mark.parametrize("by", ["seed", "v0.17.0"])
@pytest.mark.parametrize(("wanted", "fails"), [(1, False), (2, True)])
def test_a_controller_deletes_what_is_too_much_and_nothing_else(wanted: int, fails: bool, by: str) -> None:
    """Two pods of a controller; one of them vanishes, and nobody deleted it."""
    spec = ControllerSpec("rc", 2, "Always", ())
    one, two = (PodSeen(0.0, f"rc-{n}", f"u{n}", "Always", "Pending", ("c1",), owner="rc") for n in (1, 2))
    controller = ControllerSeen(0.0, "rc", "r", wanted, 2, "Always")
    seen = (one, two, controller, msgspec.structs.replace(two, deleted=True))
    told: list[Record] = [Header(scenario="s"), Action(create_controller=spec), *(Seen(what=s) for s in seen), End()]
    judgement = of_records(*(msgspec.structs.replace(r, seq=n) for n, r in enumerate(told, 1)), by=by)
    assert broken(judgement) == ({"pod.life.not-by-itself"} if fails else set())


# --- events ---------------------------------------------------------------------------------------------------------

OBJECTS = {
    events.POD: ("scheduled", LOST),
    events.CONTAINER: ("created", LOST),
    events.NODE: ("starting", LOST),
    events.CONTROLLER: ("successfulCreate", LOST),
}
"""For each kind of object a recorded event about one."""


def event_as(kind: events.Kind, component: str) -> list[Line]:
    """A recorded event about the right kind of object, told to be of this kind, by a component."""
    reason, name = OBJECTS[kind.about]

    def change(event: Line) -> None:
        host = {"host": "127.0.0.1"} if component == events.KUBELET else {}
        event.update(reason=kind.reason, source={"component": component, **host}, message="so it is")

    return edited(name, "events", lambda event: event["reason"] == reason, change)


SAID_OF_A_RECORD = ("online", "schedulable", "unschedulable")
"""Events of which the judge knows more than that: see below."""


@pytest.mark.parametrize(
    "kind", [k for k in events.KINDS if k.reason not in SAID_OF_A_RECORD], ids=lambda kind: kind.reason
)
def test_an_event_is_recorded_by_its_component_about_its_kind_of_object(kind: events.Kind, tmp_path: Path) -> None:
    other = events.SCHEDULER if kind.component != events.SCHEDULER else events.NODE_CONTROLLER
    right, wrong = judged(event_as(kind, kind.component), tmp_path), judged(event_as(kind, other), tmp_path)
    if kind.reason not in ("scheduled", "successfulCreate"):  # whose messages are compared, too
        assert broken(right) == set()
        assert broken(wrong) == set(kind.rules)
    assert set(kind.rules) <= broken(wrong)


@pytest.mark.parametrize("never", events.NEVER, ids=lambda never: f"{never.component} {never.words or 'anything'}")
def test_what_a_component_never_records(never: events.Never, tmp_path: Path) -> None:
    word = never.words.split("|")[0] or "evicted"
    about = {events.POD: "started", events.NODE: "starting", events.CONTROLLER: "successfulCreate"}[never.about]

    def change(event: Line) -> None:
        event.update(reason=word, source={"component": never.component, "host": "127.0.0.1"}, message="")

    of = edited(LOST, "events", lambda event: event["reason"] == about, change)
    assert broken(judged(of, tmp_path)) == set(never.rules)


def of_reason(*reasons: str) -> Which:
    return lambda event: event["reason"] in reasons


EVENTS = [
    ("misspelt", LOST, of_reason("started"), lambda e: e.update(reason="Started"), {"pod.event.spelling"}),
    ("no host", LOST, of_reason("started"), lambda e: e["source"].pop("host"), {"pod.event.source-host"}),
    ("another host", LOST, of_reason("started"), lambda e: e["source"].update(host="10.0.0.9"),
     {"pod.event.source-host"}),
    ("a node's uid", LOST, of_reason("starting"), lambda e: e["involvedObject"].update(uid="4bb65935"),
     {"node.event.object"}),
    ("a node's namespace", LOST, of_reason("starting"), lambda e: e["metadata"].update(namespace="other"),
     {"node.event.object"}),
    ("scheduled elsewhere", LOST, of_reason("scheduled"), lambda e: e.update(message="Successfully assigned x to y"),
     {"pod.event.scheduled"}),
    ("scheduled twice", LOST, of_reason("scheduled"), lambda e: e["involvedObject"].update(resourceVersion="2290"),
     {"pod.event.scheduled"}),
    ("not schedulable though bound", CORDON, of_reason("failedScheduling"),
     lambda e: e["involvedObject"].update(resourceVersion="2203"), {"pod.event.failed-scheduling"}),
    ("online though it was", CORDON, of_reason("schedulable"), lambda e: e.update(reason="online"),
     {"node.event.online"}),
    ("unschedulable though it was not", CORDON, of_reason("schedulable"), lambda e: e.update(reason="unschedulable"),
     {"node.event.schedulable"}),
    ("a pod of another", LOST, of_reason("successfulCreate"), lambda e: e.update(message="Created pod: s17-always"),
     {"replication.event.create"}),
    ("a container without its place", LOST, of_reason("created"), lambda e: e["involvedObject"].pop("fieldPath"),
     {"pod.event.created"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "which", "change", "rules"), [e[1:] for e in EVENTS], ids=[e[0] for e in EVENTS])
def test_an_event_that_contradicts_its_object(
    name: str, which: Which, change: Change, rules: set[str], tmp_path: Path
) -> None:
    assert broken(judged(edited(name, "events", which, change), tmp_path)) == rules


def test_an_instance_is_started_after_it_was_created(tmp_path: Path) -> None:
    of = lines(LOST)
    created, started = (of[places(of, "events", of_reason(r))[0]]["object"]["object"] for r in ("created", "started"))
    for field in ("reason", "message"):
        created[field], started[field] = started[field], created[field]
    assert broken(judged(of, tmp_path)) == {"pod.event.created"}


def test_an_event_that_is_merged_grows(tmp_path: Path) -> None:
    of = edited(CORDON, "events", of_reason("failedScheduling"), lambda e: e.update(count=1), 3)
    assert broken(judged(of, tmp_path)) == {"pod.event.merged"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_an_event_that_is_absent_is_no_failure(path: Path, tmp_path: Path) -> None:
    """EVENT-6: delivery is best effort."""
    of = [line for line in lines(path.stem) if line["stream"] != "events"]
    assert broken(judged(of, tmp_path)) == set()


# --- the wire -------------------------------------------------------------------------------------------------------

OLD_WORDS = {"Pending": "Waiting", "Failed": "Terminated"}
OLD_POLICIES = {"Always": "always", "OnFailure": "onFailure", "Never": "never"}


def as_v1beta1(pod: Line) -> Line:
    """A pod of v1beta3 as v1beta1 writes it."""
    meta, spec, known = pod["metadata"], pod["spec"], pod["status"]
    return {
        "kind": "Pod", "apiVersion": "v1beta1", "id": meta["name"], "uid": meta["uid"],
        "resourceVersion": int(meta["resourceVersion"]), "labels": meta.get("labels", {}),
        "annotations": meta.get("annotations", {}),
        "desiredState": {"host": spec.get("host", ""), "manifest": {
            "containers": spec["containers"], "restartPolicy": {OLD_POLICIES[spec["restartPolicy"]]: {}}}},
        "currentState": {"status": OLD_WORDS.get(known["phase"], known["phase"]),
                         "Condition": known.get("Condition", []),
                         "info": {s["name"]: {k: v for k, v in s.items() if k != "name"}
                                  for s in known.get("containerStatuses", [])}},
    }  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_pods_of_v1beta1_are_the_same_in_other_words(path: Path, tmp_path: Path) -> None:
    new = lines(path.stem)
    old = copy.deepcopy(new)
    for place in pod_frames(old):
        old[place]["object"]["object"] = as_v1beta1(old[place]["object"]["object"])
    before, after = judged(new, tmp_path), judged(old, tmp_path)
    assert after.verdict is Verdict.PASS, after.findings
    assert (before.findings, before.covered) == (after.findings, after.covered)


def test_a_word_of_another_version_is_no_phase(tmp_path: Path) -> None:
    of = lines(EXITED)
    place = pod_frames(of)[-1]
    of[place]["object"]["object"]["status"]["phase"] = "Terminated"
    assert "pod.phase.five-values" in broken(judged(of, tmp_path))
    of = lines(EXITED)
    of[place]["object"]["object"] = as_v1beta1(of[place]["object"]["object"])
    of[place]["object"]["object"]["currentState"]["status"] = "Failed"
    assert "pod.phase.five-values" in broken(judged(of, tmp_path))


def test_a_pod_that_names_no_policy_has_always(tmp_path: Path) -> None:
    of = lines(RESTARTED)
    for place in pod_frames(of):
        del of[place]["object"]["object"]["spec"]["restartPolicy"]
    assert judged(of, tmp_path).verdict is Verdict.PASS
    of = lines(EXITED)
    for place in pod_frames(of):
        del of[place]["object"]["object"]["spec"]["restartPolicy"]
    assert broken(judged(of, tmp_path)), "under Always the pod cannot have failed"
