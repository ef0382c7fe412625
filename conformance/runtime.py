"""The runtime protocol: what an adapter does, and what can be seen through it.

An adapter is a class without constructor arguments (or with only optional ones) that implements `Runtime`.
For every scenario the suite calls `Runtime.open` and drives the `Cluster` that it returns: it creates nodes and pods,
injects the faults that the runtime says it is capable of, and reads observations until it has seen enough.

This module knows nothing of the model: what is judged must not consult the judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import msgspec

from conformance.workload import Workload

Policy = Literal["Always", "OnFailure", "Never"]
ConditionStatus = Literal["True", "False", "Unknown"]

# --- what can be asked of a runtime ---------------------------------------------------------------------------------

FAULTS: dict[str, str] = {
    "kill-container": "the container's process gets SIGKILL from outside (exit code 137)",
    "kill-by-engine": "somebody kills the container through the container engine, behind the agent's back (137)",
    "kill-sandbox": "the pod's sandbox dies, which holds its network",
    "out-of-memory": "the kernel kills the container's process for want of memory (exit code 137)",
    "break-disk": "a disk that the pod uses dies",
    "fill-disk": "the pod's disk is full: what needs space on it fails",
    "mend-disk": "the pod's disk works again",
    "cut-node": "the node's network is cut in both directions; what runs there runs on",
    "cut-node-inbound": "nothing reaches the node any more; what it sends still arrives",
    "heal-node": "the cut network of the node works again, whichever way it was cut",
    "stop-kubelet": "the node's agent stops answering; the node itself stays reachable",
    "start-kubelet": "the node's agent answers again; what ran meanwhile runs on",
    "restart-kubelet": "the node's agent answers again, and first ends whatever ran without it",
    "terminate-node": "the node ends for good",
    "cordon-node": "a person marks the node unschedulable; what runs there runs on",
    "uncordon-node": "a person marks the node schedulable again",
    "delete-node": "a person deletes the node's record; the machine, and what runs there, runs on",
    "restart-controller": "the node controller is replaced by a new one, which has no memory; its target is its name",
}
"""Every fault that a scenario may inject, by name, and what a person may do to a running cluster.
`About.capabilities` lists the ones that a runtime can do."""

NODE_CONTROLLER = "node-controller"
"""The target of ``restart-controller``."""

CAPABILITIES: dict[str, str] = {
    **FAULTS,
    "events": "recorded events can be seen",
    "node-phase": "the phase of a node can be seen (Pending, Running, Terminated)",
    "node-conditions": "the node conditions NodeReachable and NodeReady can be seen",
    "network": "pods have addresses of their own, which they show, and their containers share one",
    "volumes": "the containers of a pod share a volume that outlives them",
    "replication": "replication controllers can be created (the cluster is a `Replicates`)",
    "scaling": "replication controllers can be told to keep more or fewer pods (the cluster is a `Scales`)",
    "node-list": "the node controller can be given a list of machines (the cluster is a `ListsNodes`)",
    "reaping": "pods that have ended expire after some time, in a cluster whose scenario needs it",
    "time-out": "it is known how long a lost node's pods are left as they are (`About.time_out`)",
    "quiescence": "the runtime can tell that nothing more will happen by itself",
}


class Unsupported(Exception):
    """The runtime cannot do what was asked, and has not claimed it (`About`); the message says why. The scenario is
    skipped with that reason. Raised for what is claimed it is an error: the claim was wrong."""


class Refused(Exception):
    """The runtime refuses an action in the present state (a pod that does not exist, say). Nothing has changed."""


class ContainerSpec(msgspec.Struct, frozen=True):
    """One container of a pod. ``workload`` says what each incarnation does."""

    name: str
    workload: Workload


class PodSpec(msgspec.Struct, frozen=True):
    """A pod to create. ``name`` is unique within the cluster; ``policy`` is the restart policy of all containers."""

    name: str
    policy: Policy
    containers: tuple[ContainerSpec, ...]


class ControllerSpec(msgspec.Struct, frozen=True):
    """A replication controller to create: it sees to it that ``wanted`` pods like the template run. The pods are named
    by the runtime and tell their controller's name as `PodSeen.owner`."""

    name: str
    wanted: int
    policy: Policy
    containers: tuple[ContainerSpec, ...]


class MachineList(msgspec.Struct, frozen=True):
    """The machines that the node controller is told of.

    ``cloud``: they are those of the cloud platform at present, and the node controller follows them if ``sync`` is on
    (--sync_nodes); one that is listed no more has ended. Otherwise they are named at the start (--machines), once.
    """

    machines: tuple[str, ...]
    cloud: bool = True
    sync: bool = True


class Fault(msgspec.Struct, frozen=True):
    """One fault: ``kind`` is a key of `FAULTS`, ``target`` a pod's or node's name, ``container`` one of the pod's."""

    kind: str
    target: str
    container: str | None = None


class About(msgspec.Struct, frozen=True):
    """What a runtime says of itself. ``capabilities`` are keys of `CAPABILITIES`: what is claimed is there whenever it
    is asked for. ``lacks`` tells, for some of those that it could have, why it has not, and what to do."""

    name: str
    version: str
    capabilities: frozenset[str]
    lacks: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    """What people should know of this run."""
    time_out: float | None = None
    """For how many seconds of the runtime's clock, at least, a node is lost before its pods are given up (capability
    ``time-out``)."""
    lacks_under: dict[str, dict[str, str]] = {}
    """By profile, which of the capabilities it has not under this one, and why."""

    def under(self, profile: str) -> About:
        """What it says of itself under this profile."""
        lacks = self.lacks_under.get(profile, {})
        can = self.capabilities - lacks.keys()
        return msgspec.structs.replace(self, capabilities=can, lacks=self.lacks | lacks, lacks_under={})

    def why_not(self, needs: Sequence[str]) -> str:
        """Why a scenario with these needs cannot run here; empty if it can."""
        lacking = [need for need in needs if need not in self.capabilities]
        reasons = dict.fromkeys(self.lacks[need] for need in lacking if need in self.lacks)
        return f"the runtime lacks {', '.join(lacking)}" + "".join(f"; {r}" for r in reasons) if lacking else ""


class WrongBuild(msgspec.Struct, frozen=True):
    """A deliberately wrong build that an adapter offers to try the suite: what is wrong; the rules that it breaks (ids,
    or the beginnings of ids), by one of which it has to be failed; the profiles under which it is wrong at all.

    An adapter has its wrong builds by name in a class attribute ``FAULTS``; its constructor takes a name as ``fault``.
    Those in ``HIDDEN_FAULTS`` the suite is not asked to find: they are for `kubephase explore`.
    """

    what: str
    topic: tuple[str, ...]
    profiles: tuple[str, ...]


# --- what can be seen of a runtime ----------------------------------------------------------------------------------
# Times are seconds on the runtime's own clock. They are used as order only.


MOST_CONTAINERS = 99
"""Containers of a pod: what explains their statuses is looked for among all of them together."""


class ContainerSeen(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A container's status as its pod's status shows it.

    ``state`` is that of the newest incarnation; ``unknown`` where none is set. ``exit_code`` and ``oom`` belong to a
    terminated one, ``last_*`` to the incarnation before the newest. ``restarts`` counts the incarnations begun after
    the first; None where the status does not say. ``instance`` and ``last_instance`` tell incarnations apart.
    ``started_at`` and ``finished_at`` are None where they are not known. ``also`` are states that are set besides,
    ``fields`` what a terminated one says on the wire, ``message`` what the container left behind, ``ready`` whether it
    can serve.
    """

    name: str
    state: Literal["waiting", "running", "terminated", "unknown"]
    restarts: Annotated[int, msgspec.Meta(ge=0)] | None = 0
    exit_code: int | None = None
    oom: bool = False
    started_at: float | None = None
    finished_at: float | None = None
    last_exit_code: int | None = None
    last_oom: bool = False
    last_finished_at: float | None = None
    last_instance: str | None = None
    instance: str | None = None
    reason: str | None = None
    also: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    message: str | None = None
    ready: bool | None = None


class PodSeen(msgspec.Struct, frozen=True, omit_defaults=True, tag="pod", gc=False):
    """A pod object at one moment. ``containers`` is None where the status lists none yet; ``members`` are the names
    of the spec. ``node`` is None while unbound. ``deleted`` is True in the last observation of a pod."""

    at: float
    name: str
    uid: str
    policy: Policy
    phase: str
    members: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MOST_CONTAINERS)]
    node: str | None = None
    containers: tuple[ContainerSeen, ...] | None = None
    deleted: bool = False
    owner: str | None = None
    address: str | None = None
    """The pod's own network address, where it has one and shows it."""
    images: tuple[str, ...] = ()
    probed: tuple[str, ...] = ()
    """Members with a liveness probe."""
    messaged: tuple[str, ...] = ()
    """Members that may leave a message."""
    ready: ConditionStatus | None = None
    """The pod's condition Ready."""
    labels: dict[str, str] = {}


class NodeSeen(msgspec.Struct, frozen=True, omit_defaults=True, tag="node", gc=False):
    """A node record at one moment. A field is None where the runtime does not show it."""

    at: float
    name: str
    uid: str
    phase: str | None = None
    reachable: ConditionStatus | None = None
    ready: ConditionStatus | None = None
    unschedulable: bool = False
    deleted: bool = False
    conditions: tuple[str, ...] = ()
    """The kinds of all conditions that the record has."""
    ready_reason: str | None = None
    heartbeat_at: float | None = None
    """When the agent of the node last reported, and, below, when Ready last changed: by the clock of who wrote it."""
    changed_at: float | None = None
    boot: str | None = None
    """What tells one boot of the machine from the next."""


class EventSeen(msgspec.Struct, frozen=True, omit_defaults=True, tag="event", gc=False):
    """A recorded event. ``reason`` is one of `EVENT_REASONS` where one fits, else the runtime's own word.

    ``source`` names the component: events of one source come in the order in which they happened.
    ``count`` is how often this same event has happened so far, ``first_at`` when it first did, and ``recorded_at`` when
    it last did. ``place`` is the part of the object that it is about, ``version`` its own version and
    ``object_version`` that of the object as its source knew it, ``namespace`` where the event itself lies.
    """

    at: float
    id: str
    reason: str
    object_kind: str
    object_name: str
    recorded_at: float
    object_uid: str | None = None
    container: str | None = None
    source: str = ""
    count: Annotated[int, msgspec.Meta(ge=0)] = 1
    message: str = ""
    first_at: float | None = None
    place: str = ""
    version: int | None = None
    object_version: int | None = None
    namespace: str = ""


EVENT_REASONS: dict[str, str] = {
    "scheduled": "the pod was bound to a node",
    "failed-scheduling": "no node was found for the pod",
    "pulled": "an image was pulled",
    "created": "a container was created",
    "started": "a container was started",
    "start-failed": "a container could not be created or started",
    "killing": "the system stopped a container",
    "completed": "a container exited normally",
    "failed": "a container exited abnormally",
    "out-of-memory": "a container ran out of memory",
    "error": "the pod ends in error because a container ran out of memory",
    "disk-died": "a disk of the pod died",
}


class ControllerSeen(msgspec.Struct, frozen=True, omit_defaults=True, tag="controller", gc=False):
    """A replication controller at one moment: wanted and counted pods, and its template's restart policy and labels;
    ``selector`` tells its pods from others."""

    at: float
    name: str
    uid: str
    wanted: int
    counted: Annotated[int, msgspec.Meta(ge=0)]
    policy: str
    deleted: bool = False
    selector: dict[str, str] = {}
    labels: dict[str, str] = {}


class EngineSeen(msgspec.Struct, frozen=True, omit_defaults=True, tag="engine", gc=False):
    """One event of the container engine about a member of a pod (not its sandbox).

    ``instance`` is the engine's container id: a restart by a kubelet makes a new one.
    """

    at: float
    action: Literal["create", "start", "oom", "kill", "die"]
    instance: str
    pod: str
    uid: str
    container: str
    exit_code: int | None = None


class SandboxSeen(msgspec.Struct, frozen=True, omit_defaults=True, tag="sandbox", gc=False):
    """One event of the container engine about the sandbox of a pod, which holds its network."""

    at: float
    action: Literal["create", "start", "oom", "kill", "die"]
    instance: str
    pod: str
    uid: str


class FrameSeen(msgspec.Struct, frozen=True, omit_defaults=True, tag="frame"):
    """A raw frame of the runtime's own, from which the adapter made other observations. It is kept for people to
    compare; no rule speaks of it. ``source`` names where it came from."""

    at: float
    source: str
    frame: dict[str, Any]


Observation = PodSeen | NodeSeen | EventSeen | ControllerSeen | EngineSeen | SandboxSeen | FrameSeen

# --- the protocol ---------------------------------------------------------------------------------------------------


@runtime_checkable
class Cluster(Protocol):
    """The part of a runtime that one scenario has to itself. Not shared between threads."""

    def create_node(self, name: str) -> None:
        """Make a node known to the cluster. It becomes usable by itself."""

    def create_pod(self, pod: PodSpec) -> None:
        """Submit a pod. Raises `Refused` if the name is taken."""

    def delete_pod(self, name: str) -> None:
        """Delete a pod as a user would. Raises `Refused` if there is none."""

    def inject(self, fault: Fault) -> None:
        """Inject a fault. Raises `Unsupported` for one the runtime does not claim, `Refused` where it has no object."""

    def observe(self, timeout: float) -> Sequence[Observation]:
        """What has been seen since the last call, in order of arrival; waits up to ``timeout`` seconds of the
        runtime's clock for the first. Empty when there was nothing."""

    def quiescent(self) -> bool:
        """True only if it is certain that nothing more will happen or be seen without an action from outside."""

    def close(self) -> None:
        """Remove everything that this cluster created."""


@runtime_checkable
class Replicates(Protocol):
    """A cluster that has replication controllers (capability ``replication``)."""

    def create_controller(self, controller: ControllerSpec) -> None:
        """Submit a replication controller. Raises `Refused` if the name is taken."""


@runtime_checkable
class Scales(Protocol):
    """A cluster whose replication controllers can be scaled (capability ``scaling``)."""

    def scale_controller(self, name: str, wanted: int) -> None:
        """Tell a replication controller to keep ``wanted`` pods. Raises `Refused` if there is none of that name."""


@runtime_checkable
class ListsNodes(Protocol):
    """A cluster whose node controller knows machines from a list (capability ``node-list``)."""

    def list_machines(self, listed: MachineList) -> None:
        """Replace the list. A machine that is listed for the first time is a new one, which the node controller has to
        make a record of (or not, if it does not follow the cloud). Raises `Refused` where a name is in use."""


@runtime_checkable
class Drains(Protocol):
    """A cluster that can stop and tell what has happened by then, seen or not: one whose time is virtual."""

    def drain(self) -> None:
        """End the world: the next `Cluster.observe` returns all that is under way, and nothing more happens."""


@runtime_checkable
class Provides(Protocol):
    """A runtime that has to provide for what a scenario will do to it (machines of its own, say)."""

    def open_for(self, scenario: str, seed: int, profile: str, needs: Sequence[str]) -> Cluster:
        """Like `Runtime.open`, which is not called then. ``needs`` are the capabilities that the scenario will use, all
        of them claimed; raises `Unsupported` only where `Runtime.open` does so, too."""


@runtime_checkable
class Measures(Protocol):
    """A runtime that can say what its run would have cost without the suite."""

    def floor(self, jobs: int) -> float:
        """Seconds that the bare work of the run takes once more, ``jobs`` pods side by side; after the run."""


@runtime_checkable
class Runtime(Protocol):
    """The system under test."""

    def describe(self) -> About:
        """Name, version and capabilities."""

    def open(self, scenario: str, seed: int, profile: str) -> Cluster:
        """A cluster of its own for one scenario. ``profile`` is the reading of the lifecycle that it will be judged
        by; a runtime that has only one behaviour ignores it. Raises `Unsupported` for a profile under which it can
        do nothing. Called from several threads."""

    def close(self) -> None:
        """End of the run: remove whatever is left."""
