"""From a frame of the API's watches, or an event of the Docker engine, to an observation.

field of the frame                              observation
metadata.name, uid                              PodSeen.name, uid
spec.host (v1beta3), spec.nodeName (v1)         PodSeen.node
spec.restartPolicy, spec.containers[].name      PodSeen.policy, members
status.phase                                    PodSeen.phase
status.containerStatuses[].state                ContainerSeen.state; exitCode, reason "OOM Killed" / "OOMKilled"
status.containerStatuses[].lastState            ContainerSeen.last_exit_code, last_oom
status.conditions[type=Ready].status            NodeSeen.ready (NodeReady of the document)
reason (`model.events`)                         EventSeen.reason
Actor.Attributes.name k8s_NAME.HASH_POD_NS_UID  EngineSeen.container, pod, uid; SandboxSeen for the name POD
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from conformance import wire
from conformance.recent import Recent, remembered
from conformance.runtime import (
    ContainerSeen,
    ControllerSeen,
    EngineSeen,
    EventSeen,
    NodeSeen,
    Observation,
    PodSeen,
    SandboxSeen,
)
from model import events, podrecord

Told = tuple[Observation | None, int | None]
"""What a frame tells, or None if no rule speaks of it; and its version, if it has one that counts."""

WRITTEN = 200_000
"""Of how many pods it is remembered what was written of them."""


OBJECTS = {
    "pods": wire.Pod,
    "nodes": wire.Node,
    "events": wire.Event,
    "replicationcontrollers": wire.Controller,
}
"""What the streams are of."""

WATCHES: dict[str, msgspec.json.Decoder[wire.Watch[Any]]] = {
    stream: msgspec.json.Decoder(wire.Watch[of])  # type: ignore[valid-type]
    for stream, of in OBJECTS.items()
}
FRAMED: dict[str, msgspec.json.Decoder[wire.Framed[wire.Watch[Any]]]] = {
    stream: msgspec.json.Decoder(wire.Framed[wire.Watch[of]])  # type: ignore[valid-type]
    for stream, of in OBJECTS.items()
}


@dataclass(frozen=True)
class Spec:
    """What is read from a pod's spec."""

    policy: str
    node: str | None
    members: tuple[str, ...]
    images: tuple[str, ...]
    probed: tuple[str, ...]
    messaged: tuple[str, ...]


@dataclass
class Written:
    """What was last read of a pod, as it was written, and what it said: most of it comes again."""

    spec: bytes
    read: Spec
    statuses: bytes = b""
    seen: tuple[ContainerSeen, ...] | None = None


@dataclass
class Frames:
    """The frames of one file."""

    written: Recent[str, Written] = field(default_factory=lambda: Recent(WRITTEN))
    """By uid."""

    def __post_init__(self) -> None:
        self.told: dict[str, Callable[[wire.Watch[Any], float], Told]] = {
            "pods": self._pod,
            "nodes": _node,
            "events": _event,
            "replicationcontrollers": _controller,
        }
        """What a frame tells, by stream."""

    def of_api(self, stream: str, raw: bytes, at: float) -> tuple[Told, str]:
        """What a watch frame tells that was seen at a time, and its type. Raises msgspec.DecodeError."""
        told = msgspec.json.decode(raw, type=wire.Watch[msgspec.Raw])
        if told.type in ("ERROR", "BOOKMARK"):
            return (None, None), told.type
        version = msgspec.json.decode(told.object, type=wire.Versioned).apiVersion
        if stream == "pods" and version in podrecord.OLD:
            old = msgspec.json.decode(told.object, type=wire.OldPod)
            return self._pod(wire.Watch(told.type, _as_new(old, version)), at), told.type
        return self.told[stream](WATCHES[stream].decode(raw), at), told.type

    def _pod(self, frame: wire.Watch[wire.Pod], at: float) -> Told:
        pod, deleted = frame.object, frame.type == "DELETED"
        meta, status, uid = pod.metadata, pod.status, pod.metadata.uid or pod.metadata.name
        raw, statuses = bytes(pod.spec), bytes(status.containerStatuses)
        written = self.written.get(uid)
        if written is None or written.spec != raw:
            written = self.written[uid] = Written(raw, _spec(raw))
        if statuses != written.statuses:
            written.seen, written.statuses = _containers(statuses), statuses
        if deleted:
            del self.written[uid]
        spec, ready = written.read, None
        for condition in status.conditions or status.Condition:
            if condition.type == "Ready":
                ready = condition.status
        seen = PodSeen(
            at=at,
            name=meta.name,
            uid=uid,
            policy=spec.policy,  # type: ignore[arg-type]  # another one is told by the judge
            phase=status.phase,
            members=spec.members,
            node=spec.node,
            containers=written.seen,
            deleted=deleted,
            owner=_owner(meta.annotations[CREATED_BY]) if CREATED_BY in meta.annotations else None,
            images=spec.images,
            probed=spec.probed,
            messaged=spec.messaged,
            ready=ready,
            labels=meta.labels,
        )
        return seen, _version(meta)


# --- pods -----------------------------------------------------------------------------------------------------------

CREATED_BY = "kubernetes.io/created-by"
"""The annotation that tells which controller made a pod."""


def _spec(raw: bytes) -> Spec:
    spec = msgspec.json.decode(raw, type=wire.PodSpec)
    return Spec(
        policy=podrecord.policy_of(spec.restartPolicy),
        node=spec.host or spec.nodeName or None,
        members=tuple(c.name for c in spec.containers),
        images=tuple(c.image for c in spec.containers),
        probed=tuple(c.name for c in spec.containers if c.livenessProbe),
        messaged=tuple(c.name for c in spec.containers if c.terminationMessagePath),
    )


@remembered
def _owner(annotation: str) -> str:
    """The name of the controller that made a pod."""
    return msgspec.json.decode(annotation, type=wire.Reference).reference.name


_statuses = msgspec.json.Decoder(list[wire.Status] | None)


def _containers(raw: bytes) -> tuple[ContainerSeen, ...] | None:
    statuses = _statuses.decode(raw) if raw else None
    return tuple([_container(status) for status in statuses]) if statuses else None


def _container(status: wire.Status) -> ContainerSeen:
    state, last = status.state, _ended(status.lastState.end)
    ended = _ended(state.end)
    running = state.running
    started = running.startedAt if running else ended.startedAt if ended else None
    return ContainerSeen(
        name=status.name,
        state="running" if running else "terminated" if ended else "waiting" if state.waiting else "unknown",
        also=_also(state, ended),
        fields=_fields(state.end),
        message=ended.message if ended else None,
        ready=status.ready,
        restarts=status.restartCount,
        exit_code=ended.exitCode if ended else None,
        oom=_is_oom(ended),
        started_at=_seconds(started),
        finished_at=_seconds(ended.finishedAt) if ended else None,
        last_exit_code=last.exitCode if last else None,
        last_oom=_is_oom(last),
        last_finished_at=_seconds(last.finishedAt) if last else None,
        last_instance=_instance(last.containerID) if last else None,
        instance=_instance(status.containerID),
        reason=(state.waiting.reason if state.waiting else ended.reason if ended else "") or None,
    )


def _also(state: wire.State, ended: wire.Ended | None) -> tuple[str, ...]:
    """The states that are set besides the one that is shown."""
    states = {"running": state.running, "terminated": ended, "waiting": state.waiting}
    return tuple([name for name, found in states.items() if found is not None])[1:]


@remembered
def _ended(raw: bytes) -> wire.Ended | None:
    return msgspec.json.decode(raw, type=wire.Ended) if raw else None


@remembered
def _fields(raw: bytes) -> tuple[str, ...]:
    return tuple(msgspec.json.decode(raw, type=dict[str, Any])) if raw else ()


def _is_oom(ended: wire.Ended | None) -> bool:
    return ended is not None and ended.reason in ("OOM Killed", "OOMKilled")


def _instance(container_id: str | None) -> str | None:
    """The engine's own id, as its events have it."""
    return container_id.rpartition("/")[2] if container_id else None


def _as_new(old: wire.OldPod, version: str) -> wire.Pod:
    """A pod as v1beta3 writes it."""
    desired, current = old.desiredState, old.currentState
    statuses = [{**status, "name": name} for name, status in current.info.items()]
    meta = wire.Meta(old.id, old.uid, "", str(old.resourceVersion), old.labels, old.annotations)
    spec = msgspec.json.encode({**desired.manifest, "host": desired.host})
    phase = podrecord.phase_of(current.status, version)
    status = wire.PodStatus(phase, msgspec.Raw(msgspec.json.encode(statuses)), [], current.Condition)
    return wire.Pod(meta, msgspec.Raw(spec), status)


# --- nodes, events, controllers -------------------------------------------------------------------------------------


def _node(frame: wire.Watch[wire.Node], at: float) -> Told:
    node = frame.object
    found = node.status.conditions or []
    conditions = {c.type: c.status for c in found}
    ready = next((c for c in found if c.type == "Ready"), None)
    seen = NodeSeen(
        at=at,
        name=node.metadata.name,
        uid=node.metadata.uid or node.metadata.name,
        phase=node.status.phase or None,
        reachable=conditions.get("Reachable"),
        ready=ready.status if ready else None,
        unschedulable=node.spec.unschedulable,
        deleted=frame.type == "DELETED",
        conditions=tuple(conditions),
        ready_reason=ready.reason if ready else None,
        heartbeat_at=_seconds(ready.lastHeartbeatTime) if ready else None,
        changed_at=_seconds(ready.lastTransitionTime) if ready else None,
        boot=node.status.nodeInfo.bootID,
    )
    return seen, _version(node.metadata)


def _event(frame: wire.Watch[wire.Event], at: float) -> Told:
    event = frame.object
    if frame.type == "DELETED":  # an event that expired tells nothing
        return None, None
    recorded = event.lastTimestamp or event.eventTime
    if recorded is None:
        raise ValueError(f"event {event.metadata.name}: expected a `lastTimestamp` or an `eventTime`")
    about, path, version = event.involvedObject, event.involvedObject.fieldPath, _version(event.metadata)
    container = path.removeprefix("spec.containers{").rstrip("}") if path.startswith("spec.containers{") else None
    seen = EventSeen(
        at=at,
        id=event.metadata.name or event.metadata.uid,  # with each repetition the uid is a new one
        reason=events.name_of(event.reason),
        object_kind=about.kind,
        object_name=about.name,
        object_uid=about.uid or None,
        recorded_at=recorded.timestamp(),
        container=container,
        source="/".join([part for part in (event.source.component, event.source.host) if part]),
        count=event.count,
        message=event.message,
        first_at=_seconds(event.firstTimestamp),
        place=path,
        version=version,
        object_version=int(about.resourceVersion) if about.resourceVersion.isdigit() else None,
        namespace=event.metadata.namespace,
    )
    return seen, version


def _controller(frame: wire.Watch[wire.Controller], at: float) -> Told:
    controller = frame.object
    template = controller.spec.template
    seen = ControllerSeen(
        at=at,
        name=controller.metadata.name,
        uid=controller.metadata.uid or controller.metadata.name,
        wanted=controller.spec.replicas,
        counted=controller.status.replicas,
        policy=podrecord.policy_of(template.spec.restartPolicy if template else None),
        deleted=frame.type == "DELETED",
        selector=controller.spec.selector,
        labels=template.metadata.labels if template else {},
    )
    return seen, _version(controller.metadata)


def _seconds(when: datetime.datetime | None) -> float | None:
    return when.timestamp() if when else None


def _version(meta: wire.Meta) -> int | None:
    version = meta.resourceVersion
    if version and not version.isdigit():
        raise ValueError(f"resourceVersion {version!r}: expected a number")
    return int(version) if version else None


# --- the engine -----------------------------------------------------------------------------------------------------


def of_engine(event: wire.Engine) -> tuple[Observation | None, int]:
    """What an event of the engine tells, and its time, which orders them."""
    name = event.Actor.Attributes.name
    if event.Type != "container" or not name.startswith("k8s_"):
        return None, event.timeNano
    parts = name.split("_")
    if event.Action not in ("create", "start", "oom", "kill", "die") or len(parts) < 6:
        return None, event.timeNano
    member = parts[1].partition(".")[0]  # later releases leave out .HASH
    at, action, instance = event.timeNano / 1e9, event.Action, event.Actor.ID
    pod, uid = "_".join(parts[2:-3]), parts[-2]
    if member == "POD":
        return SandboxSeen(at, action, instance, pod, uid), event.timeNano  # type: ignore[arg-type]  # one of the known
    code = event.Actor.Attributes.exitCode
    seen = EngineSeen(at, action, instance, pod, uid, member, int(code) if code else None)  # type: ignore[arg-type]
    return seen, event.timeNano
