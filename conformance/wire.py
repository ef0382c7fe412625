"""What frames, objects and events look like on the wire: of each, the fields that something is read from.

v1beta3; v1 where it differs (its own names stand beside); pods of v1beta1 and v1beta2.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec

from conformance.runtime import MOST_CONTAINERS, ConditionStatus

T = TypeVar("T")

NOTHING = msgspec.Raw()
"""What a field is read as that is not there."""


class Framed(msgspec.Struct, Generic[T]):
    """A line of a recording: when it was seen, in which stream, and what."""

    t: float
    object: T
    stream: str = ""


class Shape(msgspec.Struct):
    """The fields by which the form of a line is recognised."""

    stream: msgspec.Raw = NOTHING
    type: Any = None
    object: msgspec.Raw = NOTHING
    Type: Any = None
    Actor: msgspec.Raw = NOTHING
    kind: Any = None
    apiVersion: Any = None
    items: list[msgspec.Raw] | None = None


class Watch(msgspec.Struct, Generic[T]):
    """A frame of a watch."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "ERROR", "BOOKMARK"]
    object: T


class Meta(msgspec.Struct):
    name: str
    uid: str = ""
    namespace: str = ""
    resourceVersion: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class SpecContainer(msgspec.Struct):
    name: str
    image: str = ""
    livenessProbe: Any = None
    terminationMessagePath: str = ""


class PodSpec(msgspec.Struct):
    containers: Annotated[list[SpecContainer], msgspec.Meta(min_length=1, max_length=MOST_CONTAINERS)]
    restartPolicy: str | dict[str, Any] | None = None
    host: str = ""
    nodeName: str = ""


class Waiting(msgspec.Struct):
    reason: str = ""


class Running(msgspec.Struct):
    startedAt: datetime.datetime | None = None


class Ended(msgspec.Struct):
    exitCode: int
    reason: str = ""
    message: str | None = None
    startedAt: datetime.datetime | None = None
    finishedAt: datetime.datetime | None = None
    containerID: str | None = None


class State(msgspec.Struct):
    """One of these is set. How a container ended is read by itself: which fields it has matters, too."""

    waiting: Waiting | None = None
    running: Running | None = None
    termination: msgspec.Raw = NOTHING
    terminated: msgspec.Raw = NOTHING

    @property
    def end(self) -> bytes:
        """How it ended, as it was written; empty if it has not."""
        written = bytes(self.termination or self.terminated)
        return b"" if written in (b"null", b"{}") else written


class Status(msgspec.Struct):
    name: str
    state: State = msgspec.field(default_factory=State)
    lastState: State = msgspec.field(default_factory=State)
    restartCount: Annotated[int, msgspec.Meta(ge=0)] | None = None
    containerID: str | None = None
    ready: bool | None = None


class PodCondition(msgspec.Struct):
    type: str
    status: ConditionStatus


class PodStatus(msgspec.Struct):
    phase: str = ""
    containerStatuses: msgspec.Raw = NOTHING
    conditions: list[PodCondition] = []
    Condition: list[PodCondition] = []
    """The same, as v1beta3 writes it."""


class Pod(msgspec.Struct):
    metadata: Meta
    spec: msgspec.Raw
    status: PodStatus


class Condition(msgspec.Struct):
    type: str
    status: ConditionStatus
    reason: str | None = None
    lastHeartbeatTime: datetime.datetime | None = None
    lastTransitionTime: datetime.datetime | None = None


class NodeInfo(msgspec.Struct):
    bootID: str | None = None


class NodeSpec(msgspec.Struct):
    unschedulable: bool = False


class NodeStatus(msgspec.Struct):
    phase: str = ""
    conditions: list[Condition] | None = None
    nodeInfo: NodeInfo = msgspec.field(default_factory=NodeInfo)


class Node(msgspec.Struct):
    metadata: Meta
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


class About(msgspec.Struct):
    kind: str = ""
    name: str = ""
    uid: str = ""
    fieldPath: str = ""
    resourceVersion: str = ""


class EventSource(msgspec.Struct):
    component: str = ""
    host: str = ""


class Event(msgspec.Struct):
    metadata: Meta
    involvedObject: About
    reason: str
    lastTimestamp: datetime.datetime | None = None
    eventTime: datetime.datetime | None = None
    """Instead of the others, in v1, from whoever records by the newer API."""
    firstTimestamp: datetime.datetime | None = None
    message: str = ""
    source: EventSource = msgspec.field(default_factory=EventSource)
    count: int = 1


class TemplateMeta(msgspec.Struct):
    labels: dict[str, str] = {}


class Template(msgspec.Struct):
    spec: PodSpec
    metadata: TemplateMeta = msgspec.field(default_factory=TemplateMeta)


class ControllerSpec(msgspec.Struct):
    replicas: int
    selector: dict[str, str] = {}
    template: Template | None = None


class ControllerStatus(msgspec.Struct):
    replicas: int = 0


class Controller(msgspec.Struct):
    metadata: Meta
    spec: ControllerSpec
    status: ControllerStatus = msgspec.field(default_factory=ControllerStatus)


class EngineAttributes(msgspec.Struct):
    name: str = ""
    exitCode: str = ""


class Actor(msgspec.Struct):
    ID: str = ""
    Attributes: EngineAttributes = msgspec.field(default_factory=EngineAttributes)


class Engine(msgspec.Struct):
    Type: str
    Action: str
    Actor: Actor
    timeNano: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Kind(msgspec.Struct):
    kind: str = ""


class BareMeta(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""

    @property
    def number(self) -> int:
        return int(self.resourceVersion) if self.resourceVersion.isdigit() else 0


class Bare(msgspec.Struct):
    kind: str = ""
    metadata: BareMeta = msgspec.field(default_factory=BareMeta)


class Asked(msgspec.Struct):
    t: float
    method: str = ""
    url: str = ""
    status: int = 0
    response: str = ""


class Posted(msgspec.Struct):
    kind: str
    metadata: Meta
    spec: msgspec.Raw


class Beside(msgspec.Struct):
    actions: list[Asked]
    manifest: list[Posted] | Posted


class Answer(msgspec.Struct):
    message: str = ""


class OldDesired(msgspec.Struct):
    manifest: dict[str, Any]
    host: str = ""


class OldCurrent(msgspec.Struct):
    status: str = ""
    Condition: list[PodCondition] = []
    info: dict[str, dict[str, Any]] = {}


class OldPod(msgspec.Struct):
    id: str
    desiredState: OldDesired
    currentState: OldCurrent
    uid: str = ""
    resourceVersion: int | str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Versioned(msgspec.Struct):
    apiVersion: str = ""


class Reference(msgspec.Struct):
    reference: About
