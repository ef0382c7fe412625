"""Reading what was recorded: our own histories, and other people's formats, turned into observations.

A recording of a Kubernetes cluster is NDJSON ``{"t", "stream", "object"}``: frames of the API's watches of pods, nodes,
events and replication controllers (v1beta3; v1 where it differs; pods of v1beta1, too), and events of the
Docker engine.

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

Other forms are recognised by what they hold: watch frames as the API sends them (``{"type", "object"}``), objects as
``kubectl get -w -o json`` prints them, one after the other (lists of them, too), and what ``docker events`` prints as
JSON. Their stream is named by their kind. That an object was deleted shows only in a watch frame: one that is being
deleted is still there. Engine events and events tell their time; of all others only the order is known.

What the API refused shows in no watch. A file ``NAME.json`` beside ``NAME.ndjson`` may tell it: ``actions`` is what was
asked of the API (``t``, ``method``, ``url``, ``status``, ``response``), ``manifest`` the objects that were posted.
"""

from __future__ import annotations

import datetime
import difflib
import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec

from conformance import history
from conformance.history import BadLine, Record
from conformance.opening import UnreadableFile as UnreadableFile
from conformance.opening import name_of, opened, uncompressed
from conformance.runtime import (
    ConditionStatus,
    ContainerSeen,
    ControllerSeen,
    ControllerSpec,
    EngineSeen,
    EventSeen,
    NodeSeen,
    Observation,
    PodSeen,
    SandboxSeen,
)
from model import events, podrecord


class Entry(msgspec.Struct, frozen=True):
    """One line of a file: a record of ours, or an observation from a frame. ``version`` orders a stream."""

    line: int
    t: float
    content: Record | Observation | None
    stream: str = ""
    version: int | None = None
    added: bool = False
    """Whether a watch frame says ADDED: those that begin a watch list what is there, in any order."""
    listed: bool = False
    """Whether this may be of such a list for another reason: a line without a time tells not even of a pod that has no
    node yet, or of an event, whether it is new."""
    expired: bool = False
    """Whether this is an error of a watch, such as that its version is gone: it begins again."""

    @property
    def framed(self) -> bool:
        """Whether this is a frame of somebody's cluster, rather than a record of ours."""
        return self.stream != "history"

    @property
    def api_version(self) -> int | None:
        """The version, if it is one that the API gave: one counter gives every change of any object its own."""
        return self.version if self.framed and self.stream != "docker" else None

    @property
    def what(self) -> Record | Observation | None:
        """The content, an observation of ours without the record around it."""
        return self.content.what if isinstance(self.content, history.Seen) else self.content


class Recording(msgspec.Struct, frozen=True):
    """A file, read: its entries, the lines that could not be read, and how many frames no rule speaks of."""

    name: str
    entries: list[Entry]
    bad: list[BadLine]
    ignored: int = 0

    @property
    def profile(self) -> str | None:
        """The profile that a run of ours was judged by; None for a recording of others."""
        return next((e.content.profile for e in self.entries if isinstance(e.content, history.Header)), None)


# --- the wire -------------------------------------------------------------------------------------------------------


class _Line(msgspec.Struct):
    t: float
    stream: str
    object: msgspec.Raw
    timed: bool = True

    @property
    def at(self) -> float:
        """When this was seen, at the latest."""
        return self.t if self.timed else float("inf")


class _Shape(msgspec.Struct):
    """The fields by which the form of a line is recognised."""

    stream: msgspec.Raw = msgspec.Raw()
    type: Any = None
    object: msgspec.Raw = msgspec.Raw()
    Type: Any = None
    Actor: msgspec.Raw = msgspec.Raw()
    kind: Any = None
    apiVersion: Any = None
    items: list[msgspec.Raw] | None = None


class _Watch(msgspec.Struct):
    type: Literal["ADDED", "MODIFIED", "DELETED", "ERROR", "BOOKMARK"]
    object: msgspec.Raw


class _Meta(msgspec.Struct):
    name: str
    uid: str = ""
    namespace: str = ""
    resourceVersion: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class _SpecContainer(msgspec.Struct):
    name: str
    image: str = ""
    livenessProbe: Any = None
    terminationMessagePath: str = ""


class _PodSpec(msgspec.Struct):
    containers: list[_SpecContainer]
    restartPolicy: str | dict[str, Any] | None = None
    host: str = ""
    nodeName: str = ""


class _Waiting(msgspec.Struct):
    reason: str = ""


class _Running(msgspec.Struct):
    startedAt: datetime.datetime | None = None


class _Ended(msgspec.Struct):
    exitCode: int
    reason: str = ""
    message: str | None = None
    startedAt: datetime.datetime | None = None
    finishedAt: datetime.datetime | None = None
    containerID: str | None = None


class _State(msgspec.Struct):
    waiting: _Waiting | None = None
    running: _Running | None = None
    termination: dict[str, Any] | None = None
    terminated: dict[str, Any] | None = None

    @property
    def ended(self) -> _Ended | None:
        found = self.termination or self.terminated
        return msgspec.convert(found, _Ended) if found else None

    @property
    def set(self) -> tuple[str, ...]:
        """All states that are set, the one that ContainerSeen shows first."""
        states = {"running": self.running, "terminated": self.termination or self.terminated, "waiting": self.waiting}
        return tuple(name for name, state in states.items() if state) or ("unknown",)


class _Status(msgspec.Struct):
    name: str
    state: _State = msgspec.field(default_factory=_State)
    lastState: _State = msgspec.field(default_factory=_State)
    restartCount: int | None = None
    containerID: str | None = None
    ready: bool | None = None


class _PodCondition(msgspec.Struct):
    type: str
    status: ConditionStatus


class _PodStatus(msgspec.Struct):
    phase: str = ""
    containerStatuses: list[_Status] | None = None
    conditions: list[_PodCondition] = []
    Condition: list[_PodCondition] = []
    """The same, as v1beta3 writes it."""


class _Pod(msgspec.Struct):
    metadata: _Meta
    spec: _PodSpec
    status: _PodStatus


class _Condition(msgspec.Struct):
    type: str
    status: ConditionStatus
    reason: str | None = None
    lastHeartbeatTime: datetime.datetime | None = None
    lastTransitionTime: datetime.datetime | None = None


class _NodeInfo(msgspec.Struct):
    bootID: str | None = None


class _NodeSpec(msgspec.Struct):
    unschedulable: bool = False


class _NodeStatus(msgspec.Struct):
    phase: str = ""
    conditions: list[_Condition] | None = None
    nodeInfo: _NodeInfo = msgspec.field(default_factory=_NodeInfo)


class _Node(msgspec.Struct):
    metadata: _Meta
    spec: _NodeSpec = msgspec.field(default_factory=_NodeSpec)
    status: _NodeStatus = msgspec.field(default_factory=_NodeStatus)


class _About(msgspec.Struct):
    kind: str = ""
    name: str = ""
    uid: str = ""
    fieldPath: str = ""
    resourceVersion: str = ""


class _EventSource(msgspec.Struct):
    component: str = ""
    host: str = ""


class _Event(msgspec.Struct):
    metadata: _Meta
    involvedObject: _About
    reason: str
    lastTimestamp: datetime.datetime | None = None
    eventTime: datetime.datetime | None = None
    """Instead of the others, in v1, from whoever records by the newer API."""
    firstTimestamp: datetime.datetime | None = None
    message: str = ""
    source: _EventSource = msgspec.field(default_factory=_EventSource)
    count: int = 1


class _TemplateMeta(msgspec.Struct):
    labels: dict[str, str] = {}


class _Template(msgspec.Struct):
    spec: _PodSpec
    metadata: _TemplateMeta = msgspec.field(default_factory=_TemplateMeta)


class _ControllerSpec(msgspec.Struct):
    replicas: int
    selector: dict[str, str] = {}
    template: _Template | None = None


class _ControllerStatus(msgspec.Struct):
    replicas: int = 0


class _Controller(msgspec.Struct):
    metadata: _Meta
    spec: _ControllerSpec
    status: _ControllerStatus = msgspec.field(default_factory=_ControllerStatus)


class _Actor(msgspec.Struct):
    ID: str = ""
    Attributes: dict[str, str] = {}


class _Engine(msgspec.Struct):
    Type: str
    Action: str
    Actor: _Actor
    timeNano: int


# --- reading --------------------------------------------------------------------------------------------------------


BAD = 1000
"""How many bad lines are told one by one."""


class Reading:
    """The lines of a file as they are read: entries, and the bad lines between them. Reading a line never raises: the
    first that cannot be read at all, because of the disk or of damage to compressed data, is the last one."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.name = name_of(path)
        self.bad: list[BadLine] = []
        """The first of the bad lines."""
        self.more_bad = 0
        self.read = 0
        """How many entries have been read."""
        self._file = file
        self._lines = self._refused(_refusals(uncompressed(path)), self._read())
        self._first = list(itertools.islice(self._lines, 1))

    def __iter__(self) -> Iterator[Entry | BadLine]:
        return itertools.chain(self._first, self._lines)

    @property
    def profile(self) -> str | None:
        """The profile that a run of ours was judged by; None for a recording of others."""
        headers = [line.content for line in self._first if isinstance(line, Entry)]
        return headers[0].profile if headers and isinstance(headers[0], history.Header) else None

    def problem(self) -> str | None:
        """What is wrong if nothing could be read."""
        if self.read:
            return None
        detail = f" ({self.bad[0].problem} in line {self.bad[0].line})" if self.bad else ""
        expected = "expected NDJSON lines of records or watch frames, objects of kubectl -o json, or docker events"
        return f"{self.name}: no history: {expected}{detail}"

    def _read(self) -> Iterator[Entry | BadLine]:
        reader, number = _Reader(), 0
        try:
            for item in _whole(history.lines(self._file, self.name)):
                if isinstance(item, BadLine):
                    number = item.line
                    yield self._told(item)
                    continue
                number, text = item
                try:
                    for entry in reader.entries(number, text):
                        self.read += 1
                        yield entry
                except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
                    yield self._told(BadLine(self.name, number, history.parse_problem(text, error)))
        except OSError as error:
            problem = f"{error.strerror or error}: nothing can be read from here on"
            yield self._told(BadLine(self.name, number + 1, problem))

    def _told(self, bad: BadLine) -> BadLine:
        if len(self.bad) < BAD:
            self.bad.append(bad)
        else:
            self.more_bad += 1
        return bad

    @staticmethod
    def _refused(refusals: Iterable[Entry], lines: Iterable[Entry | BadLine]) -> Iterator[Entry | BadLine]:
        """Each refusal before the first line that came later; the lines stay in their order."""
        waiting = deque(refusals)
        for line in lines:
            while waiting and isinstance(line, Entry) and line.t > waiting[0].t:
                yield waiting.popleft()
            yield line
        yield from waiting


def read(path: Path) -> Recording:
    """A history or recording. Bad lines are told, not raised: what can be read is judged.

    Raises UnreadableFile if the file cannot be opened, or holds no line that could be read.
    """
    with opened(path) as file:
        return read_from(file, path)


def read_from(file: BinaryIO, path: Path) -> Recording:
    """The same, of a file that is open already. ``path`` is its name."""
    reading = Reading(file, path)
    entries = [line for line in reading if isinstance(line, Entry)]
    if problem := reading.problem():
        raise UnreadableFile(problem)
    ignored = sum(entry.content is None for entry in entries)
    return Recording(reading.name, entries, reading.bad, ignored)


def _whole(lines: Iterable[tuple[int, bytes] | BadLine]) -> Iterator[tuple[int, bytes] | BadLine]:
    """The same lines, those of an object that is printed over several of them as one: it begins with a line that is
    an opening bracket and nothing else, and ends with such a closing one."""
    begun: list[tuple[int, bytes]] = []
    for item in lines:
        bracket = b"" if isinstance(item, BadLine) else item[1].rstrip()
        if begun and (bracket == b"{" or isinstance(item, BadLine)):
            yield _joined(begun)
            begun = []
        if isinstance(item, BadLine):
            yield item
        elif begun or bracket == b"{":
            begun.append(item)
            if bracket == b"}":
                yield _joined(begun)
                begun = []
        else:
            yield item
    if begun:
        yield _joined(begun)


def _joined(begun: list[tuple[int, bytes]]) -> tuple[int, bytes]:
    return begun[0][0], b"".join(line for _, line in begun)


def of_records(name: str, records: list[Record]) -> Recording:
    """A history in memory, in the form in which a file is read."""
    return Recording(name, [_own(number, record) for number, record in enumerate(records, 1)], [])


_STREAMS = {"Pod": "pods", "Node": "nodes", "Event": "events", "ReplicationController": "replicationcontrollers"}
"""The stream that an object is of, by its kind, where the line does not tell it."""

_Key = tuple[str, str, str]


class _Reader:
    """From lines to entries. What a line does not tell, those before it do: the time, and whether an object is new."""

    def __init__(self) -> None:
        self._t = 0.0
        self._timed = False
        """Whether there were lines with a time: those of another clock would not fit between them."""
        self._versions: dict[_Key, str] = {}
        """The version in which an object was last seen that came without a watch frame."""

    def entries(self, number: int, text: bytes) -> Iterator[Entry]:
        """The entries of one line, or of one object over several lines."""
        text.decode("utf-8")  # also where a field is not read: raises UnicodeDecodeError
        shape = msgspec.json.decode(text, type=_Shape)
        if shape.stream:
            entry = _entry(number, msgspec.json.decode(text, type=_Line))
            self._t, self._timed = entry.t, True
            yield entry
        elif shape.Type and shape.Actor:
            yield self._untimed(number, "docker", text)
        elif shape.type and shape.object:
            kind = msgspec.json.decode(shape.object, type=_Kind).kind
            yield self._untimed(number, _STREAMS.get(kind, kind), text, shape.type == "ADDED")
        elif shape.items is not None:
            yield from self._list(number, str(shape.kind).removesuffix("List"), shape.items)
        elif shape.apiVersion or shape.kind in _STREAMS:
            yield from self._bare(number, str(shape.kind), text)
        elif shape.kind:
            yield _own(number, history.decode(text))
        else:
            raise ValueError(
                "neither a record of ours (with `kind`) nor a frame (with `t`, `stream`, `object`, "
                "or `type`, `object`), an object (with `kind`, `apiVersion`), an engine event (with `Type`, `Actor`)"
            )

    def _list(self, number: int, kind: str, items: list[msgspec.Raw]) -> Iterator[Entry]:
        """A list is ordered by name: what changed first is told by the versions."""
        for item in sorted(items, key=lambda item: msgspec.json.decode(item, type=_Bare).metadata.number):
            yield from self._bare(number, kind, bytes(item))

    def _bare(self, number: int, kind: str, text: bytes) -> Iterator[Entry]:
        """An object alone: first seen it is added, then modified. The version that was seen before tells nothing."""
        about = msgspec.json.decode(text, type=_Bare)
        kind, meta = about.kind or kind, about.metadata
        key = (kind, meta.namespace, meta.uid or meta.name)
        before = self._versions.get(key)
        if before and before == meta.resourceVersion:
            return
        told = b"ADDED" if before is None else b"MODIFIED"
        frame = b'{"type":"%s","object":%s}' % (told, text)
        yield self._untimed(number, _STREAMS.get(kind, kind), frame, before is None)
        self._versions[key] = meta.resourceVersion

    def _untimed(self, number: int, stream: str, text: bytes, listed: bool = False) -> Entry:
        entry = _entry(number, _Line(self._t, stream, msgspec.Raw(text), timed=False))
        if not self._timed:
            self._t = max(self._t, _own_time(entry))
        return msgspec.structs.replace(entry, t=self._t, listed=listed)


class _Kind(msgspec.Struct):
    kind: str = ""


class _BareMeta(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""

    @property
    def number(self) -> int:
        return int(self.resourceVersion) if self.resourceVersion.isdigit() else 0


class _Bare(msgspec.Struct):
    kind: str = ""
    metadata: _BareMeta = msgspec.field(default_factory=_BareMeta)


def _own_time(entry: Entry) -> float:
    """When an engine event or an event says that it happened; 0 for all others."""
    if isinstance(entry.content, EventSeen):
        return entry.content.recorded_at
    return entry.version / 1e9 if entry.stream == "docker" and entry.version else 0.0


def _entry(number: int, frame: _Line) -> Entry:
    reader = _READERS.get(frame.stream)
    if reader is None:
        if close := difflib.get_close_matches(frame.stream, _READERS, n=1, cutoff=0.7):
            raise ValueError(f"unknown stream {frame.stream!r}: expected {close[0]!r}?")
        return Entry(number, frame.t, None, frame.stream)
    return reader(number, frame)


class _Asked(msgspec.Struct):
    t: float
    method: str = ""
    url: str = ""
    status: int = 0
    response: str = ""


class _Posted(msgspec.Struct):
    kind: str
    metadata: _Meta
    spec: msgspec.Raw


class _Beside(msgspec.Struct):
    actions: list[_Asked]
    manifest: list[_Posted] | _Posted


class _Answer(msgspec.Struct):
    message: str = ""


def _refusals(path: Path) -> Iterator[Entry]:
    """The replication controllers that the API refused, by the file beside a recording; none if there is no such."""
    beside = path.with_suffix(".json")
    if path.suffix != ".ndjson" or not beside.exists():
        return
    try:
        told = msgspec.json.decode(beside.read_bytes(), type=_Beside)
    except msgspec.DecodeError:
        return  # something else that has the same name
    objects = told.manifest if isinstance(told.manifest, list) else [told.manifest]
    posted = [a for a in told.actions if a.method == "POST" and a.url.endswith("/replicationcontrollers")]
    controllers = [found for found in objects if found.kind == "ReplicationController"]
    for asked, controller in zip(posted, controllers, strict=False):
        if asked.status >= 400:
            spec = msgspec.json.decode(controller.spec, type=_ControllerSpec)
            policy = podrecord.policy_of(spec.template.spec.restartPolicy if spec.template else None)
            refused = msgspec.json.decode(asked.response, type=_Answer).message or str(asked.status)
            wanted = ControllerSpec(controller.metadata.name, spec.replicas, policy, ())  # type: ignore[arg-type]
            yield Entry(0, asked.t, history.Action(create_controller=wanted, refused=refused))


def _own(number: int, record: Record) -> Entry:
    return Entry(number, record.t, record, "history", record.seq)


def _watch(frame: _Line, type_: Any) -> tuple[str, Any] | None:
    """What the frame tells (ADDED, MODIFIED or DELETED), and its object; None if it tells of the watch itself."""
    watch = msgspec.json.decode(frame.object, type=_Watch)
    if watch.type in ("ERROR", "BOOKMARK"):
        return None
    return watch.type, msgspec.json.decode(watch.object, type=type_)


def _version(meta: _Meta) -> int | None:
    if meta.resourceVersion and not meta.resourceVersion.isdigit():
        raise ValueError(f"resourceVersion {meta.resourceVersion!r}: expected a number")
    return int(meta.resourceVersion) if meta.resourceVersion else None


class _OldManifest(msgspec.Struct):
    containers: list[_SpecContainer]
    restartPolicy: str | dict[str, Any] | None = None


class _OldDesired(msgspec.Struct):
    manifest: _OldManifest
    host: str = ""


class _OldCurrent(msgspec.Struct):
    status: str = ""
    Condition: list[_PodCondition] = []
    info: dict[str, dict[str, Any]] = {}


class _OldPod(msgspec.Struct):
    id: str
    desiredState: _OldDesired
    currentState: _OldCurrent
    uid: str = ""
    resourceVersion: int | str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}

    def as_new(self, version: str) -> _Pod:
        """The same pod, as v1beta3 writes it."""
        desired, current = self.desiredState, self.currentState
        statuses = [msgspec.convert({**status, "name": name}, _Status) for name, status in current.info.items()]
        meta = _Meta(self.id, self.uid, "", str(self.resourceVersion), self.labels, self.annotations)
        spec = _PodSpec(desired.manifest.containers, desired.manifest.restartPolicy, desired.host)
        phase = podrecord.phase_of(current.status, version)
        return _Pod(meta, spec, _PodStatus(phase, statuses or None, [], current.Condition))


class _Versioned(msgspec.Struct):
    apiVersion: str = ""


def _pod(number: int, frame: _Line) -> Entry:
    read = _watch(frame, msgspec.Raw)
    if read is None:
        return Entry(number, frame.t, None, frame.stream)
    told, raw = read
    version = msgspec.json.decode(raw, type=_Versioned).apiVersion
    if version in podrecord.OLD:
        pod = msgspec.json.decode(raw, type=_OldPod).as_new(version)
    else:
        pod = msgspec.json.decode(raw, type=_Pod)
    statuses = pod.status.containerStatuses
    seen = PodSeen(
        at=frame.at,
        name=pod.metadata.name,
        uid=pod.metadata.uid or pod.metadata.name,
        policy=podrecord.policy_of(pod.spec.restartPolicy),  # type: ignore[arg-type]  # another one is told by the judge
        phase=pod.status.phase,
        members=tuple(c.name for c in pod.spec.containers),
        node=pod.spec.host or pod.spec.nodeName or None,
        containers=tuple(_container(s) for s in statuses) if statuses else None,
        deleted=told == "DELETED",
        owner=_owner(pod.metadata.annotations.get(CREATED_BY)),
        images=tuple(c.image for c in pod.spec.containers),
        probed=tuple(c.name for c in pod.spec.containers if c.livenessProbe),
        messaged=tuple(c.name for c in pod.spec.containers if c.terminationMessagePath),
        ready=next((c.status for c in (*pod.status.conditions, *pod.status.Condition) if c.type == "Ready"), None),
        labels=pod.metadata.labels,
    )
    return Entry(number, frame.t, seen, frame.stream, _version(pod.metadata), told == "ADDED")


CREATED_BY = "kubernetes.io/created-by"
"""The annotation that tells which controller made a pod."""


class _Reference(msgspec.Struct):
    reference: _About


def _owner(annotation: str | None) -> str | None:
    """The name of the controller that made a pod."""
    return msgspec.json.decode(annotation, type=_Reference).reference.name if annotation else None


def _container(status: _Status) -> ContainerSeen:
    state, ended, last = status.state, status.state.ended, status.lastState.ended
    begun = state.running or ended
    return ContainerSeen(
        name=status.name,
        state=state.set[0],  # type: ignore[arg-type]  # one of the known ones
        also=state.set[1:],
        fields=tuple(state.termination or state.terminated or ()),
        message=ended.message if ended else None,
        ready=status.ready,
        restarts=status.restartCount,
        exit_code=ended.exitCode if ended else None,
        oom=_is_oom(ended),
        started_at=_seconds(begun.startedAt) if begun else None,
        finished_at=_seconds(ended.finishedAt) if ended else None,
        last_exit_code=last.exitCode if last else None,
        last_oom=_is_oom(last),
        last_finished_at=_seconds(last.finishedAt) if last else None,
        last_instance=_instance(last.containerID) if last else None,
        instance=_instance(status.containerID),
        reason=(state.waiting.reason if state.waiting else ended.reason if ended else "") or None,
    )


def _is_oom(ended: _Ended | None) -> bool:
    return ended is not None and ended.reason in ("OOM Killed", "OOMKilled")


def _instance(container_id: str | None) -> str | None:
    """The engine's own id, as its events have it."""
    return container_id.rpartition("/")[2] if container_id else None


def _seconds(when: datetime.datetime | None) -> float | None:
    return when.timestamp() if when else None


def _node(number: int, frame: _Line) -> Entry:
    read = _watch(frame, _Node)
    if read is None:
        return Entry(number, frame.t, None, frame.stream)
    told, node = read
    conditions = {c.type: c.status for c in node.status.conditions or []}
    ready = next((c for c in node.status.conditions or [] if c.type == "Ready"), None)
    seen = NodeSeen(
        at=frame.at,
        name=node.metadata.name,
        uid=node.metadata.uid or node.metadata.name,
        phase=node.status.phase or None,
        reachable=conditions.get("Reachable"),
        ready=conditions.get("Ready"),
        unschedulable=node.spec.unschedulable,
        deleted=told == "DELETED",
        conditions=tuple(conditions),
        ready_reason=ready.reason if ready else None,
        heartbeat_at=_seconds(ready.lastHeartbeatTime) if ready else None,
        changed_at=_seconds(ready.lastTransitionTime) if ready else None,
        boot=node.status.nodeInfo.bootID,
    )
    return Entry(number, frame.t, seen, frame.stream, _version(node.metadata), told == "ADDED")


def _event(number: int, frame: _Line) -> Entry:
    read = _watch(frame, _Event)
    if read is None or read[0] == "DELETED":  # an event that expired tells nothing
        return Entry(number, frame.t, None, frame.stream)
    event = read[1]
    recorded = event.lastTimestamp or event.eventTime
    if recorded is None:
        raise ValueError(f"event {event.metadata.name}: expected a `lastTimestamp` or an `eventTime`")
    about, path = event.involvedObject, event.involvedObject.fieldPath
    container = path.removeprefix("spec.containers{").rstrip("}") if path.startswith("spec.containers{") else None
    seen = EventSeen(
        at=frame.at,
        id=event.metadata.name or event.metadata.uid,  # with each repetition the uid is a new one
        reason=events.name_of(event.reason),
        object_kind=about.kind,
        object_name=about.name,
        object_uid=about.uid or None,
        recorded_at=recorded.timestamp(),
        container=container,
        source="/".join(part for part in (event.source.component, event.source.host) if part),
        count=event.count,
        message=event.message,
        first_at=_seconds(event.firstTimestamp),
        place=path,
        version=_version(event.metadata),
        object_version=int(about.resourceVersion) if about.resourceVersion.isdigit() else None,
        namespace=event.metadata.namespace,
    )
    return Entry(number, frame.t, seen, frame.stream, _version(event.metadata))


def _controller(number: int, frame: _Line) -> Entry:
    read = _watch(frame, _Controller)
    if read is None:
        return Entry(number, frame.t, None, frame.stream)
    told, controller = read
    template = controller.spec.template
    seen = ControllerSeen(
        at=frame.at,
        name=controller.metadata.name,
        uid=controller.metadata.uid or controller.metadata.name,
        wanted=controller.spec.replicas,
        counted=controller.status.replicas,
        policy=podrecord.policy_of(template.spec.restartPolicy if template else None),
        deleted=told == "DELETED",
        selector=controller.spec.selector,
        labels=template.metadata.labels if template else {},
    )
    return Entry(number, frame.t, seen, frame.stream, _version(controller.metadata))


def _engine(number: int, frame: _Line) -> Entry:
    event = msgspec.json.decode(frame.object, type=_Engine)
    parts = event.Actor.Attributes.get("name", "").split("_")
    known = event.Type == "container" and event.Action in ("create", "start", "oom", "kill", "die")
    if not known or len(parts) < 6 or parts[0] != "k8s":
        return Entry(number, frame.t, None, frame.stream, event.timeNano)
    member = parts[1].partition(".")[0]  # later releases leave out .HASH
    if member == "POD":
        at, action, instance = event.timeNano / 1e9, event.Action, event.Actor.ID
        sandbox = SandboxSeen(at, action, instance, "_".join(parts[2:-3]), parts[-2])  # type: ignore[arg-type]
        return Entry(number, frame.t, sandbox, frame.stream, event.timeNano)
    code = event.Actor.Attributes.get("exitCode")
    seen = EngineSeen(
        at=event.timeNano / 1e9,
        action=event.Action,  # type: ignore[arg-type]  # one of the known ones
        instance=event.Actor.ID,
        pod="_".join(parts[2:-3]),
        uid=parts[-2],
        container=member,
        exit_code=int(code) if code else None,
    )
    return Entry(number, frame.t, seen, frame.stream, event.timeNano)


_READERS = {
    "pods": _pod,
    "nodes": _node,
    "events": _event,
    "replicationcontrollers": _controller,
    "docker": _engine,
}


def observations(recording: Recording) -> Iterator[tuple[Entry, Observation]]:
    """The observations of a recording, each with its entry."""
    for entry in recording.entries:
        if isinstance(what := entry.what, Observation):
            yield entry, what
