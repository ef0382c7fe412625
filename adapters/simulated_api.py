"""What the simulator's API server keeps (pods, nodes, controllers, events), the network between the pods, the dialects,
and the deliberate faults."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

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
)

FAULTS: dict[str, str] = {
    "never-restarts-anyway": "Never restarts a container that failed",
    "onfailure-restarts-success": "OnFailure restarts a container that exited 0",
    "always-gives-up": "Always does not restart a container that exited 0",
    "onfailure-gives-up": "OnFailure does not restart a container that failed",
    "forgets-restart-count": "the restart count stays 0",
    "counts-backwards": "the restart count is 0 again at the third incarnation",
    "reuses-instance": "a restarted container keeps the id of its first incarnation",
    "revives-terminal": "the containers of a Succeeded or Failed pod are started again",
    "failed-needs-all": "a pod with one container that failed and one that did not is Succeeded",
    "running-too-early": "a pod is Running although one of its containers has never started",
    "pending-while-restarting": "a pod is Pending while a container restarts",
    "forgets-completed-event": "no event records a normal exit",
    "forgets-failed-event": "no event records an abnormal exit",
    "forgets-oom-event": "no event records that a container ran out of memory",
    "forgets-error-event": "under Never no error event follows the one about the memory",
    "forgets-disk-event": "no event records the death of a disk",
    "oom-is-success": "a container that ran out of memory counts as having exited 0",
    "ignores-lost-node": "the pods of a lost node stay as they are",
    "deletes-lost-pods": "the pods of a lost node are deleted, not marked Failed",
    "moves-pods": "the pods of a lost node are bound to another node",
    "revives-lost-pods": "a node that returns overwrites the Failed that its pods were marked with",
    "schedules-anywhere": "pods are bound to nodes that are not ready",
    "starts-before-bound": "containers run before the binding of their pod is recorded",
    "ignores-dead-disk": "nothing happens when a disk dies",
    "restarts-after-disk-death": "the restart policy is applied to what the death of a disk has killed",
    "keeps-pods-of-terminated-node": "the pods of a Terminated node stay as they are",
    "node-skips-pending": "a new node is Running at once",
    "terminated-node-returns": "a Terminated node becomes Running again",
    "conditions-outside-running": "a Pending node shows conditions",
    "ready-means-reachable": "NodeReady stays True when the kubelet stops answering",
    "no-shared-localhost": "the containers of a pod do not reach one another on localhost",
    "pods-share-an-address": "all pods get the same address",
    "pods-are-unreachable": "no pod is reached at its address",
    "no-shared-volume": "each container has a volume of its own",
    "restart-empties-volume": "what a container wrote to the volume is gone after its restart",
    "ignores-dead-sandbox": "nothing happens when the sandbox of a pod dies",
    "restarts-after-sandbox-death": "Never restarts what ended with the sandbox of its pod",
    "keeps-dead-sandbox": "what is restarted after the sandbox died has no network",
    "engine-kill-is-final": "a container that was killed through its engine is not restarted",
    "oom-with-0-is-success": "a container that was out of memory and exited 0 counts as successful",
    "full-disk-fails-pod": "a full disk counts as a dead one",
    "mended-disk-revives": "the containers of a pod whose disk died are started again when it is mended",
    "misses-one-way-cut": "a node that nothing reaches, but that still sends, is taken for reachable",
    "forgets-kubelet-kills": "what a restarted kubelet has ended is restarted without being counted",
    "misses-ends-while-down": "a container that ends while its kubelet is down is taken to run for ever",
    "counts-kubelet-restarts": "a container that runs on while its kubelet is replaced counts as restarted",
    "rc-one-too-many": "a replication controller keeps one pod more than it should",
    "rc-one-too-few": "a replication controller keeps one pod less than it should",
    "rc-never-replaces": "a replication controller creates its pods once and replaces none",
    "rc-counts-ended": "pods that ended count for their replication controller",
    "rc-moves-pods": "a replication controller moves a pod that ended to another node instead of replacing it",
    "rc-ignores-scaling": "a replication controller goes on keeping as many pods as it was created with",
    "rc-deletes-too-many": "a replication controller that is scaled down deletes one pod more than it should",
    "rc-deletes-running-first": "a replication controller that has too many pods deletes those that run first",
    "rc-fails-surplus": "a replication controller that has too many pods marks them Failed",
    "rc-replaces-at-once": "pods whose node is not ready do not count for their replication controller",
    "rc-accepts-any-policy": "a replication controller of pods under OnFailure or Never is accepted",
    "spares-unstarted-pods": "the pods of a lost node that have not begun to run stay as they are",
    "spares-restarting-pods": "the pods of a lost node whose containers have been restarted stay as they are",
    "fails-ended-pods": "the Succeeded pods of a lost node are marked Failed",
    "deletion-waits-for-kubelet": "a pod whose kubelet does not answer cannot be deleted",
    "returns-with-restarts": "a node that comes back ends what runs there and starts it again",
    "keeps-old-time-out": "the time-out of a lost node goes on when the node is back",
    "time-outs-add-up": "a node that was lost before is given up the sooner when it is lost again",
    "forgets-second-lost-node": "while one node is lost no other one is given up",
    "restart-keeps-time-outs": "a node controller that is restarted goes on with the time-outs of the one before",
    "restart-forgets-lost-nodes": "a node controller that is restarted gives up no node that was lost before",
    "schedules-to-ended-node": "pods are bound to Terminated nodes",
    "binds-to-cordoned-node": "pods are bound to nodes that are marked unschedulable",
    "cordon-evicts-pods": "the pods of a node that is marked unschedulable are deleted",
    "ignores-uncordon": "a node that was marked unschedulable stays so",
    "never-reaps": "pods that have ended do not expire where they should",
    "reaps-by-age": "a pod expires some time after its creation, whether it has ended or not",
    "reaps-unasked": "pods that have ended expire where nothing should",
    "misses-new-machines": "a machine that the cloud lists later gets no record",
    "keeps-gone-machines": "the record of a machine that the cloud lists no more stays",
    "follows-with-sync-off": "the cloud's list is followed although --sync_nodes=false",
    "ignores-machines-flag": "the nodes that --machines names get no record",
    "registers-machines-again": "a record from --machines that was deleted by hand comes back",
    "keeps-hand-made-nodes": "a record made by hand stays although the cloud does not list its machine",
    "deletes-pods-with-record": "with the record of a node that a person deletes its pods are deleted",
}
"""The deliberately wrong builds of the simulator: a suite that misses one of them has a hole."""


@dataclass(frozen=True)
class Dialect:
    """Where the readings of the lifecycle differ in what the simulator does."""

    exit_events: bool
    """The end of a container is recorded as an event (seed.md L283-L312; v0.17.0.md EVENT-2, EVENT-3)."""
    disk_failure: bool
    """The death of a disk is noticed (seed.md L313-L316; v0.17.0.md EVENT-3)."""
    restarting_is_running: bool
    """A pod is Running while a container restarts (seed.md L264; v0.17.0.md F-T1 row 1)."""
    node_phase: bool
    """Nodes have a phase and NodeReachable (seed.md L177, L181; v0.17.0.md NODE-PHASE-2, NODE-COND-1)."""
    first_ready: ConditionStatus
    """NodeReady when the kubelet has just checked in (v0.17.0.md NODE-COND-4: the first report says True)."""
    stopped_ready: ConditionStatus
    """NodeReady when the kubelet of a reachable node does not answer (seed.md L181; v0.17.0.md NODE-COND-10)."""
    lost_pods_fail: bool
    """The pods of a lost node become Failed (seed.md L278); otherwise they are deleted (v0.17.0.md PART-1)."""
    terminated_node_stays: bool
    """The record of a node that ended stays (seed.md L177); otherwise it is deleted (v0.17.0.md NC-SYNC-4)."""
    cordon: bool
    """A node can be marked unschedulable (v0.17.0.md SCHED-1, SCHED-7; the document is silent)."""
    reaping: bool
    """Pods that have ended may expire (seed.md L276; v0.17.0.md REAP-1)."""
    oom_is_failure: bool
    """Out of memory is an abnormal end whatever the exit code (seed.md L307); otherwise the code alone decides
    (v0.17.0.md CSTATE-6)."""


DIALECTS: dict[str, Dialect] = {
    "seed": Dialect(
        exit_events=True,
        disk_failure=True,
        restarting_is_running=True,
        node_phase=True,
        first_ready="Unknown",
        stopped_ready="False",
        lost_pods_fail=True,
        terminated_node_stays=True,
        cordon=False,
        reaping=True,
        oom_is_failure=True,
    ),
    "v0.17.0": Dialect(
        exit_events=False,
        disk_failure=False,
        restarting_is_running=False,
        node_phase=False,
        first_ready="True",
        stopped_ready="Unknown",
        lost_pods_fail=False,
        terminated_node_stays=False,
        cordon=True,
        reaping=False,
        oom_is_failure=False,
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
    """A replication controller object. ``counted`` are the active pods that it has last found, ``kept`` is how many
    there are to be by its spec (or, in a wrong build, not)."""

    spec: ControllerSpec
    uid: str
    kept: int
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

    def new_address(self, shared: bool = False) -> str:
        """An address that no other pod has had; with ``shared`` (a deliberate fault) always the same."""
        self._given += 1
        number = 1 if shared else self._given
        return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"

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


REVIVING = ("revives-terminal", "revives-lost-pods", "mended-disk-revives")
"""The faults in whose builds a terminal phase can be overwritten."""


class Api:
    """Keeps the objects, sends every version of them to the observer, and tells the components of every change."""

    def __init__(self, loop: Loop, dialect: Dialect, fault: str | None) -> None:
        self.loop = loop
        self.wire = Wire(loop)
        self.network = Network()
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
        self._fault = fault
        self._ids = 0

    def has_fault(self, name: str) -> bool:
        """True in the build that has the fault ``name`` of `FAULTS`."""
        return self._fault == name

    def has_one_of(self, names: Collection[str]) -> bool:
        """True in a build that has one of these faults."""
        return self._fault in names

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
        """A kubelet writes the status of a pod. A terminal phase is final (seed.md L276), a pod that is gone too."""
        final = pod.terminal and not self.has_one_of(REVIVING)
        if pod.gone or final or (pod.phase, pod.containers, pod.address) == (phase, containers, address):
            return
        pod.phase, pod.containers, pod.address = phase, containers, address
        self.publish_pod(pod)

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
