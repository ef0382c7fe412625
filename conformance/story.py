"""A history told as steps, for a sequence diagram: what the suite did, what was seen to change, goals and findings.

An observation is told only where it differs from the one before of the same object; raw frames are left out. Each
finding stands right after its line; what never came, where it is certain (or given up) that it will not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from conformance.history import Action, ControllerWant, EventWant, Goal, Header, NodeWant, PodWant, Quiescent, Want
from conformance.judge import Finding, Judgement
from conformance.recordings import Entry, Recording
from conformance.runtime import (
    ContainerSeen,
    ControllerSeen,
    EngineSeen,
    EventSeen,
    MachineList,
    NodeSeen,
    PodSeen,
)
from conformance.verdict import Verdict
from conformance.wants import controller_is_so, event_is_so, node_is_so, pod_is_so, want_told
from model.actors import Step

SUITE, CLUSTER, WATCHER, ENGINE = "suite", "cluster", "watcher", "container engine"
"""Who acts in a run of ours, on whom; who sees in a recording of others; and the engine, which tells of containers."""

BAD = (Verdict.FAIL, Verdict.ERROR, Verdict.UNKNOWN)
KINDS = {"ReplicationController": "controller"}
"""What events call an object whose observations have a shorter name."""

AT_REST = "nothing more will happen"
"""What the judge says of everything that is still owed at rest."""

OBJECTS = ("pod ", "node ", "controller ")
"""How a finding's object begins if it is one that takes part; others (goal, history, …) belong to the observer."""


def steps(recording: Recording, judgement: Judgement) -> list[Step]:
    """The steps of a recording, with what the judgement found in it at its lines. It is a pure function."""
    own = any(isinstance(entry.content, Header) for entry in recording.entries)
    story = _Story(SUITE if own else WATCHER)
    rest_at = max((e.line for e in recording.entries if isinstance(e.content, Quiescent)), default=0)
    findings: dict[int, list[Finding]] = defaultdict(list)
    for finding in judgement.findings:
        findings[rest_at if _never_came(finding) else finding.line].append(finding)
    told: list[Step] = []
    for entry in recording.entries:
        told += story.take(entry)
        told += story.found(findings.pop(entry.line, []))
    # What belongs to no line stands at the end; that something could not be shown at all is no step.
    rest = [f for line in sorted(findings) for f in findings[line] if f.verdict in BAD or f.object == "scenario"]
    return told + story.found(rest)


def _never_came(finding: Finding) -> bool:
    """Whether it is something that was awaited: its line is then that of the goal, or the last one of the object, which
    may well be before what made it due."""
    return finding.object == "goal" or AT_REST in finding.reason


@dataclass
class _Story:
    """What was last seen of everything, which is what a change is told against. ``observer`` is who sees it."""

    observer: str
    pods: dict[str, PodSeen] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """By name, the uid of the pod that was last seen under it."""
    nodes: dict[str, NodeSeen] = field(default_factory=dict)
    controllers: dict[str, ControllerSeen] = field(default_factory=dict)
    events: dict[str, EventSeen] = field(default_factory=dict)
    goals: list[Goal] = field(default_factory=list)

    def take(self, entry: Entry) -> Iterator[Step]:
        """The steps that an entry tells, and the goals that are reached with it."""
        match entry.what:
            case Action() as action:
                yield from self._action(action)
            case Goal() as goal:
                self.goals.append(goal)
            case Quiescent():
                yield Step(self.observer, self.observer, "nothing more will happen by itself", "note")
            case PodSeen() as pod:
                yield from self._changed(f"pod {pod.name}", pod_changes(self.pods.get(pod.uid), pod))
                self.pods[pod.uid] = pod
                self.names[pod.name] = pod.uid
            case NodeSeen() as node:
                yield from self._changed(f"node {node.name}", node_changes(self.nodes.get(node.name), node))
                self.nodes[node.name] = node
            case ControllerSeen() as controller:
                before = self.controllers.get(controller.name)
                yield from self._changed(f"controller {controller.name}", controller_changes(before, controller))
                self.controllers[controller.name] = controller
            case EventSeen() as event:
                yield from self._event(event)
            case EngineSeen() as engine:
                code = "" if engine.exit_code is None else f", exit code {engine.exit_code}"
                yield Step(ENGINE, f"pod {engine.pod}", f"{engine.action} container {engine.container}{code}", "seen")
        yield from self._reached()

    def found(self, findings: list[Finding]) -> list[Step]:
        """Findings as notes: one that is bad as a failure."""
        told = []
        for finding in findings:
            over = finding.object if finding.object.startswith(OBJECTS) else self.observer
            told.append(Step(over, over, finding_told(finding), "failure" if finding.verdict in BAD else "note"))
        return told

    def _action(self, action: Action) -> Iterator[Step]:
        yield Step(self.observer, CLUSTER, action_told(action))
        if action.refused is not None:
            yield Step(CLUSTER, self.observer, f"refused: {action.refused}", "seen")

    def _changed(self, who: str, changes: list[str]) -> Iterator[Step]:
        if changes:
            yield Step(who, self.observer, "\n".join(changes), "seen")

    def _event(self, event: EventSeen) -> Iterator[Step]:
        before = self.events.get(event.id)
        self.events[event.id] = event
        if before is not None and before.count == event.count:
            return
        container = f" (container {event.container})" if event.container else ""
        times = f", {event.count} times so far" if event.count > 1 else ""
        kind = KINDS.get(event.object_kind, event.object_kind.lower())
        whom = f"{kind} {event.object_name}"
        yield Step(event.source or "event", whom, f"event {event.reason}{container}{times}", "seen")

    def _reached(self) -> Iterator[Step]:
        for goal in [goal for goal in self.goals if self._is_so(goal.want)]:
            self.goals.remove(goal)
            yield Step(self.observer, self.observer, f"reached: {want_told(goal.want).strip()}", "note")

    def _is_so(self, want: Want) -> bool:
        match want:
            case PodWant():
                return pod_is_so(self.pods.get(self.names.get(want.pod, "")), want)
            case NodeWant():
                return node_is_so(self.nodes.get(want.node), want)
            case EventWant():
                return any(event_is_so(event, want) for event in self.events.values())
            case ControllerWant():
                return controller_is_so(self.pods.values(), want)


# --- words ----------------------------------------------------------------------------------------------------------


def action_told(action: Action) -> str:
    """What the suite did, in words."""
    if action.create_node is not None:
        return f"create node {action.create_node}"
    if action.create_pod is not None:
        pod = action.create_pod
        return f"create pod {pod.name} ({pod.policy}; {', '.join(c.name for c in pod.containers)})"
    if action.create_controller is not None:
        controller = action.create_controller
        return f"create controller {controller.name} ({controller.wanted} pods, {controller.policy})"
    if action.scale is not None:
        return f"scale controller {action.scale.controller} to {action.scale.wanted} pods"
    if action.list_machines is not None:
        return _listing_told(action.list_machines)
    if action.delete_pod is not None:
        return f"delete pod {action.delete_pod}"
    if action.inject is not None:
        container = f" container {action.inject.container}" if action.inject.container else ""
        return f"{action.inject.kind} {action.inject.target}{container}"
    return "nothing"


def _listing_told(listed: MachineList) -> str:
    names = ", ".join(listed.machines) or "no machine"
    if not listed.cloud:
        return f"start the node controller with --machines {names}"
    return f"the cloud lists {names}" + ("" if listed.sync else " (--sync_nodes=false)")


def finding_told(finding: Finding) -> str:
    """A finding in words, a line each: verdict and rules, place and reason, what would have been allowed."""
    place = f"line {finding.line}: " if finding.line else ""
    lines = [
        f"{finding.verdict.upper()} {', '.join(finding.rules) or 'no rule'}",
        f"{place}{finding.object}: {finding.reason}",
        *([f"allowed: {finding.allowed}"] if finding.allowed else []),
    ]
    return "\n".join(lines)


def pod_changes(before: PodSeen | None, now: PodSeen) -> list[str]:
    """What is new of a pod, a line for the pod and one for each container; empty if nothing is."""
    phase = _from(before.phase if before else None, now.phase) if before is None or before.phase != now.phase else ""
    words = [f"{phase} {_place(before.node if before else None, now.node)}".strip()]
    if now.address and (before is None or before.address != now.address):
        words.append(f"address {now.address}")
    if now.deleted and not (before and before.deleted):
        words.append("deleted")
    told = ", ".join(word for word in words if word)
    return [*([told] if told else []), *_containers(before, now)]


def _place(before: str | None, now: str | None) -> str:
    if before == now:
        return ""
    return f"on {now or 'no node'}" + (f" instead of {before}" if before else "")


def _containers(before: PodSeen | None, now: PodSeen) -> list[str]:
    old = {c.name: c for c in (before.containers if before else None) or ()}
    return [
        f"container {c.name} {told}" for c in now.containers or () if (told := container_change(old.get(c.name), c))
    ]


def container_change(before: ContainerSeen | None, now: ContainerSeen) -> str:
    """What is new of a container; empty if nothing is."""
    state, restarts = _state(now), now.restarts or 0
    again = restarts != ((before.restarts if before else 0) or 0)
    words = []
    if before is None or _state(before) != state or again:
        words.append(_from(_state(before) if before else None, state))
    if again:
        words.append(f"restart {restarts}")
        # An end between two observations shows only as that of the incarnation before.
        missed = now.last_exit_code is not None and not (before and before.exit_code == now.last_exit_code)
        words += [f"the one before exited {now.last_exit_code}"] if missed else []
    return ", ".join(words)


def _state(seen: ContainerSeen) -> str:
    if seen.state == "terminated":
        return f"exited {seen.exit_code}" + (" (out of memory)" if seen.oom else "")
    return f"{seen.state} ({seen.reason})" if seen.reason else seen.state


def node_changes(before: NodeSeen | None, now: NodeSeen) -> list[str]:
    """What is new of a node; empty if nothing is."""
    words = []
    if now.phase and (before is None or before.phase != now.phase):
        words.append(_from(before.phase if before else None, now.phase))
    if now.reachable and (before is None or before.reachable != now.reachable):
        words.append(f"NodeReachable {now.reachable}")
    if now.ready and (before is None or before.ready != now.ready):
        words.append(f"NodeReady {now.ready}")
    if now.unschedulable != (before is not None and before.unschedulable):
        words.append("unschedulable" if now.unschedulable else "schedulable again")
    if now.deleted and not (before and before.deleted):
        words.append("deleted")
    if before is None and not words:
        words.append("is there")
    return [", ".join(words)] if words else []


def controller_changes(before: ControllerSeen | None, now: ControllerSeen) -> list[str]:
    """What is new of a replication controller; empty if nothing is."""
    words = []
    if before is None or (before.wanted, before.counted) != (now.wanted, now.counted):
        words.append(f"has {now.counted} of {now.wanted} pods")
    if now.deleted and not (before and before.deleted):
        words.append("deleted")
    return [", ".join(words)] if words else []


def _from(before: str | None, now: str) -> str:
    return f"{before} → {now}" if before and before != now else now
