"""What the simulator's API server keeps (pods, nodes, controllers, events), the network between the pods, and the
dialects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from adapters.simulation import Loop, Wire
from conformance.runtime import (
    ConditionStatus,
    ContainerSeen,
    ControllerSeen,
    ControllerSpec,
    EventSeen,
    NodeSeen,
    PodSeen,
    PodSpec,
    Policy,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Dialect:
    """Where the readings of the lifecycle differ in what the simulator does."""

    exit_events: bool
    """The end of a container is recorded as an event (seed.md L283-L312; v0.17.0.md EVENT-2, EVENT-3)."""
    restarting_is_running: bool
    """A pod is Running while a container restarts (seed.md L264; v0.17.0.md F-T1 row 1)."""
    first_ready: ConditionStatus
    """NodeReady when the kubelet has just checked in (v0.17.0.md NODE-COND-4: the first report says True)."""
    stopped_ready: ConditionStatus
    """NodeReady when the kubelet of a reachable node does not answer (seed.md L181; v0.17.0.md NODE-COND-10)."""
    lost_pods_fail: bool
    """The pods of a lost node become Failed (seed.md L278); otherwise they are deleted (v0.17.0.md PART-1)."""
    terminated_node_stays: bool
    """The record of a node that ended stays (seed.md L177); otherwise it is deleted (v0.17.0.md NC-SYNC-4)."""
    oom_is_failure: bool
    """Out of memory is an abnormal end whatever the exit code (seed.md L307); otherwise the code alone decides
    (v0.17.0.md CSTATE-6)."""
    lacks: dict[str, str]
    """The capabilities that it has not, and why."""

    @property
    def node_phase(self) -> bool:
        """Nodes have a phase and NodeReachable (seed.md L177, L181)."""
        return "node-phase" not in self.lacks


DIALECTS: dict[str, Dialect] = {
    "seed": Dialect(
        exit_events=True,
        restarting_is_running=True,
        first_ready="Unknown",
        stopped_ready="False",
        lost_pods_fail=True,
        terminated_node_stays=True,
        oom_is_failure=True,
        lacks=dict.fromkeys(("cordon-node", "uncordon-node"), "the document knows no node that is unschedulable"),
    ),
    "v0.17.0": Dialect(
        exit_events=False,
        restarting_is_running=False,
        first_ready="True",
        stopped_ready="Unknown",
        lost_pods_fail=False,
        terminated_node_stays=False,
        oom_is_failure=False,
        lacks={
            "break-disk": "v0.17.0 notices no disk that dies: EVENT-3",
            "reaping": "v0.17.0 reaps nothing: REAP-1",
            "node-phase": "v0.17.0 gives nodes no phase: NODE-PHASE-2",
        },
    ),
}
"""The dialect that the simulator speaks under each profile."""


@dataclass
class PodRecord:
    """A pod object. ``owner`` is the name of the replication controller that created it."""

    spec: PodSpec
    uid: str
    owner: str | None = None
    phase: str = "Pending"
    node: str | None = None
    containers: tuple[ContainerSeen, ...] | None = None
    address: str | None = None
    gone: bool = False

    @property
    def terminal(self) -> bool:
        """Succeeded and Failed are final."""
        return self.phase in ("Succeeded", "Failed")

    def seen(self, at: float) -> PodSeen:
        """The object as it is now."""
        return PodSeen(
            at=at,
            name=self.spec.name,
            uid=self.uid,
            policy=self.spec.policy,
            phase=self.phase,
            members=tuple(container.name for container in self.spec.containers),
            node=self.node,
            containers=self.containers,
            deleted=self.gone,
            owner=self.owner,
            address=None if self.terminal else self.address,
        )


@dataclass
class NodeRecord:
    """A node object. In a dialect without node phase it is kept all the same, and not shown."""

    name: str
    uid: str
    shows_phase: bool
    phase: Literal["Pending", "Running", "Terminated"] = "Pending"
    reachable: ConditionStatus | None = None
    ready: ConditionStatus | None = None
    unschedulable: bool = False
    gone: bool = False

    @property
    def usable(self) -> bool:
        """Running, reachable and ready (seed.md L177, L181); in a dialect that shows neither phase nor NodeReachable,
        ready (v0.17.0.md SCHED-1)."""
        reachable = self.reachable == "True" or not self.shows_phase
        return self.phase == "Running" and reachable and self.ready == "True"

    def seen(self, at: float) -> NodeSeen:
        """The object as it is now."""
        return NodeSeen(
            at=at,
            name=self.name,
            uid=self.uid,
            phase=self.phase if self.shows_phase else None,
            reachable=self.reachable if self.shows_phase else None,
            ready=self.ready,
            unschedulable=self.unschedulable,
            deleted=self.gone,
        )


@dataclass
class ControllerRecord:
    """A replication controller object. ``counted`` are the active pods that it has last found."""

    spec: ControllerSpec
    uid: str
    counted: int = 0

    def seen(self, at: float) -> ControllerSeen:
        """The object as it is now."""
        return ControllerSeen(at, self.spec.name, self.uid, self.spec.wanted, self.counted, self.spec.policy)


@dataclass(frozen=True)
class Happening:
    """What an event will tell of a pod."""

    reason: str
    pod: PodRecord
    at: float
    container: str | None = None


class Network:
    """The addresses of the pods, the machines behind them, and who is to be asked whether a port is open there."""

    def __init__(self) -> None:
        self.isolated: set[str] = set()
        """The machines that are cut off, in one direction or both: no connection comes about in either case."""
        self._given = 0
        self._hosts: dict[str, tuple[str, Callable[[int], bool]]] = {}

    def new_address(self) -> str:
        """An address that no other pod has had."""
        self._given += 1
        return f"10.{self._given >> 16 & 255}.{self._given >> 8 & 255}.{self._given & 255}"

    def join(self, address: str, machine: str, listens: Callable[[int], bool]) -> None:
        """A pod on a machine is at this address; ``listens`` says whether it accepts connections on a port."""
        self._hosts[address] = machine, listens

    def leave(self, address: str) -> None:
        """Nobody is at this address any more."""
        self._hosts.pop(address, None)

    def connects(self, origin: str, address: str, port: int) -> bool:
        """Whether a connection from a pod on the machine ``origin`` is accepted."""
        if address not in self._hosts:
            return False
        machine, listens = self._hosts[address]
        return listens(port) and (machine == origin or not {machine, origin} & self.isolated)


class Api:
    """Keeps the objects, sends every version of them to the observer, and tells the components of every change.

    ``replaced`` are classes to be used instead of those that they derive from: parts of a wrong build.
    """

    def __init__(self, loop: Loop, dialect: Dialect, replaced: tuple[type, ...]) -> None:
        self._replaced = replaced
        self.loop = loop
        self.wire = Wire(loop)
        self.network = self.part(Network)()
        self.dialect = dialect
        self.pods: dict[str, PodRecord] = {}
        self.nodes: dict[str, NodeRecord] = {}
        self.controllers: dict[str, ControllerRecord] = {}
        self.broken_disks: set[str] = set()
        """The pods whose disk has died: mended or not, its death is not undone."""
        self.unusable_disks: set[str] = set()
        """The pods whose disk is dead or full at present."""
        self.pods_seen: dict[str, PodSeen] = {}
        self.nodes_seen: dict[str, NodeSeen] = {}
        self.pod_watchers: list[Callable[[PodRecord], None]] = []
        self.node_watchers: list[Callable[[NodeRecord], None]] = []
        self._ids = 0

    def part(self, right: type[T]) -> type[T]:
        """The class to be used as ``right``: itself, or what a wrong build has instead."""
        return next((wrong for wrong in self._replaced if issubclass(wrong, right)), right)

    def new_id(self, kind: str) -> str:
        """An id that no other thing of this cluster has."""
        self._ids += 1
        return f"{kind}-{self._ids:05}"

    def create_pod(self, spec: PodSpec, owner: str | None = None) -> None:
        """A user or a replication controller submits a pod."""
        self.pods[spec.name] = pod = PodRecord(spec, self.new_id("pod"), owner)
        self.publish_pod(pod)

    def publish_pod(self, pod: PodRecord) -> None:
        """A pod was created or changed."""
        self.pods_seen[pod.spec.name] = pod.seen(self.loop.now)
        self.wire.send(f"pod/{pod.spec.name}", pod.seen, pod.uid)
        for watcher in self.pod_watchers:
            watcher(pod)

    def publish_node(self, node: NodeRecord) -> None:
        """A node was created or changed. A change that the dialect does not show is not sent."""
        last = self.nodes_seen.get(node.name)
        if last is None or node.seen(last.at) != last:
            self.nodes_seen[node.name] = node.seen(self.loop.now)
            self.wire.send(f"node/{node.name}", node.seen, node.uid)
        for watcher in self.node_watchers:
            watcher(node)

    def publish_controller(self, controller: ControllerRecord) -> None:
        """A replication controller was created or changed."""
        self.wire.send(f"controller/{controller.spec.name}", controller.seen, controller.uid)

    def write_status(
        self, pod: PodRecord, phase: str, containers: tuple[ContainerSeen, ...], address: str | None
    ) -> None:
        """A kubelet writes the status of a pod; one that is gone has none any more."""
        if pod.gone or self.is_final(pod) or (pod.phase, pod.containers, pod.address) == (phase, containers, address):
            return
        pod.phase, pod.containers, pod.address = phase, containers, address
        self.publish_pod(pod)

    def is_final(self, pod: PodRecord) -> bool:
        """Whether no status is written any more: a terminal phase is final (seed.md L276)."""
        return pod.terminal

    def accepts_template(self, policy: Policy) -> bool:
        """Whether a replication controller may have pods of this policy (v0.17.0.md RC-3)."""
        return policy == "Always"

    def break_disk(self, pod: PodRecord) -> None:
        """The disk of a pod dies."""
        self.broken_disks.add(pod.uid)
        self.unusable_disks.add(pod.uid)

    def fill_disk(self, pod: PodRecord) -> None:
        """The disk of a pod is full."""
        self.unusable_disks.add(pod.uid)

    def user_deletes(self, pod: PodRecord) -> None:
        """A user deletes a pod."""
        self.delete_pod(pod)

    def delete_pod(self, pod: PodRecord) -> None:
        """The object goes at once; the last thing seen of it is its last status."""
        del self.pods[pod.spec.name]
        pod.gone = True
        self.publish_pod(pod)
        del self.pods_seen[pod.spec.name]

    def delete_node(self, node: NodeRecord) -> None:
        """The record goes at once."""
        del self.nodes[node.name]
        node.gone = True
        self.publish_node(node)
        del self.nodes_seen[node.name]

    def pods_on(self, node: str) -> list[PodRecord]:
        """The pods that are bound to a node."""
        return [pod for pod in self.pods.values() if pod.node == node]

    def record(self, source: str, happening: Happening) -> None:
        """Record an event."""
        name = self.new_id("event")

        def seen(at: float) -> EventSeen:
            return EventSeen(
                at=at,
                id=name,
                reason=happening.reason,
                object_kind="Pod",
                object_name=happening.pod.spec.name,
                object_uid=happening.pod.uid,
                recorded_at=happening.at,
                container=happening.container,
                source=source,
            )

        self.wire.send(f"events/{source}", seen)
