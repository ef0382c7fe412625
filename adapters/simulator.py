"""The embedded simulator: a cluster on virtual time, written from the documents and independently of the tables.

A world is one `SimulatedCluster`: an API (`adapters.simulated_api`), a scheduler, a node controller and replication
controllers (`adapters.simulated_controllers`), and per node one kubelet (`adapters.simulated_kubelet`) and the machine
under it (`adapters.simulated_machine`), all driven by one event loop (`adapters.simulation`). The same scenario and
seed give the same observations, to the last digit. Nothing of it knows of the deliberately wrong builds, which replace
one part or another (`adapters.wrong_builds`).
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Mapping, Sequence
from typing import ClassVar

from adapters.compound_builds import COMPOUND
from adapters.simulated_api import DIALECTS, Api, NodeRecord, PodRecord
from adapters.simulated_controllers import NodeController, Reaper, ReplicationController, Scheduler
from adapters.simulated_kubelet import Cut, Kubelet
from adapters.simulated_machine import KILLED, Container, LocalPod
from adapters.simulation import DELAYS, Loop, Timing
from adapters.wrong_builds import FAULTS, REPLACED
from conformance.runtime import (
    CAPABILITIES,
    About,
    ContainerSpec,
    ControllerSpec,
    Fault,
    MachineList,
    NodeSeen,
    Observation,
    PodSeen,
    PodSpec,
    Refused,
    Unsupported,
)

__all__ = ["FAULTS", "SimulatedCluster", "Simulator", "Timing"]

VERSION = "1"

SETTLING_STEPS = 100_000
"""A world that has not settled after so many steps never will."""

CUTS: dict[str, Cut] = {"cut-node": "both", "cut-node-inbound": "inbound", "heal-node": ""}
"""How each fault leaves the network of a node."""


class SimulatedCluster:
    """One simulated world. Implements `conformance.runtime.Cluster`, `Replicates`, `Scales`, `ListsNodes` and
    `Drains`, and adds what model-based tests need."""

    def __init__(self, scenario: str, seed: int, profile: str, timing: Timing, replaced: tuple[type, ...] = ()) -> None:
        # A string seeds the same generator in every process; hash() would not.
        self._loop = Loop(random.Random(f"{scenario}/{seed}"), timing)
        api = next((wrong for wrong in replaced if issubclass(wrong, Api)), Api)
        self._api = api(self._loop, DIALECTS[profile], replaced)
        self._kubelets: dict[str, Kubelet] = {}
        self._scheduler = self._api.part(Scheduler)(self._api, self._kubelets)
        self._controller = self._api.part(NodeController)(self._api, self._kubelets)
        self._replication = self._api.part(ReplicationController)(self._api)
        self._cloud: set[str] = set()

    # --- the protocol -----------------------------------------------------------------------------------------------

    def create_node(self, name: str) -> None:
        """Make a node known. Raises `Refused` if there is or was one of that name."""
        if name in self._kubelets:
            raise Refused(f"there is or was a node {name}")
        self._kubelets[name] = self._api.part(Kubelet)(self._api, name)
        self._controller.add(name)

    def create_pod(self, pod: PodSpec) -> None:
        """Submit a pod. Raises `Refused` if the name is taken or the pod could not run."""
        if pod.name in self._api.pods:
            raise Refused(f"there is a pod {pod.name}")
        _check_containers(f"pod {pod.name}", pod.containers)
        self._api.create_pod(pod)

    def create_controller(self, controller: ControllerSpec) -> None:
        """Submit a replication controller. Raises `Refused` if the name is taken, its pods could not run, or it is none
        that the API accepts (v0.17.0.md RC-3)."""
        if controller.name in self._api.controllers:
            raise Refused(f"there is a replication controller {controller.name}")
        if not self._api.accepts_template(controller.policy):
            raise Refused(f"the pods of a replication controller are always restarted, not {controller.policy}")
        if controller.wanted < 0:
            raise Refused(f"a replication controller cannot keep {controller.wanted} pods")
        _check_containers(f"replication controller {controller.name}", controller.containers)
        self._replication.add(controller)

    def scale_controller(self, name: str, wanted: int) -> None:
        """Tell a replication controller to keep so many pods. Raises `Refused` for one that there is not."""
        if name not in self._api.controllers:
            raise Refused(f"there is no replication controller {name}")
        if wanted < 0:
            raise Refused(f"a replication controller cannot keep {wanted} pods")
        self._replication.scale(self._api.controllers[name], wanted)

    def list_machines(self, listed: MachineList) -> None:
        """Replace the list of machines. Those that the cloud lists no more have ended, and all that ran there."""
        names = set(listed.machines)
        if ended := sorted(name for name in names if name in self._kubelets and self._kubelets[name].dead):
            raise Refused(f"machine {ended[0]} has ended")
        for name in sorted(names - self._kubelets.keys()):
            self._kubelets[name] = self._api.part(Kubelet)(self._api, name)
        for name in sorted(self._cloud - names):
            self._kubelets[name].die()
        self._cloud = names if listed.cloud else set()
        self._controller.take_list(listed)

    def delete_pod(self, name: str) -> None:
        """Delete a pod: the object goes at once (v0.17.0.md DEL-1), its containers when the kubelet hears of it."""
        self._api.user_deletes(self._pod(name))

    def inject(self, fault: Fault) -> None:
        """Inject a fault. One that has no object or would change nothing is `Refused`."""
        self._check_offered(fault.kind)
        match fault.kind:
            case "kill-container":
                self.end(fault.target, fault.container, KILLED)
            case "kill-by-engine":
                self._kill_by_engine(fault.target, fault.container)
            case "kill-sandbox":
                self._kill_sandbox(fault.target)
            case "out-of-memory":
                self.end(fault.target, fault.container, oom=True)
            case "break-disk":
                self._break_disk(fault.target)
            case "fill-disk":
                self._fill_disk(fault.target)
            case "mend-disk":
                self._mend_disk(fault.target)
            case "cut-node" | "cut-node-inbound" | "heal-node":
                self._set_cut(fault.target, CUTS[fault.kind])
            case "stop-kubelet":
                self._stop_kubelet(fault.target)
            case "start-kubelet" | "restart-kubelet":
                self._start_kubelet(fault.target, fault.kind == "restart-kubelet")
            case "terminate-node":
                self._terminate(fault.target)
            case "cordon-node" | "uncordon-node":
                self._cordon(fault.target, fault.kind == "cordon-node")
            case "delete-node":
                self._controller.delete(self._node(fault.target)[1])
            case "restart-controller":
                self._controller.restart()
            case _:
                raise Unsupported(f"the simulator knows no fault {fault.kind!r}")

    def observe(self, timeout: float) -> Sequence[Observation]:
        """What has arrived; if nothing has, virtual time runs until something does or ``timeout`` seconds are over.
        The field ``at`` of an observation is when it arrived."""
        deadline = self._loop.now + max(timeout, 0.0)
        while not self._api.wire.inbox:
            due = self._loop.next_time()
            if due is None or due > deadline:
                self._loop.now = deadline
                break
            self._loop.step()
        while self._loop.next_time() == self._loop.now:
            self._loop.step()
        return self._api.wire.collect()

    def quiescent(self) -> bool:
        """True if nothing is due and nothing is left to be read."""
        return self._loop.idle() and not self._api.wire.inbox

    def drain(self) -> None:
        """End the world; what it has sent arrives."""
        self._loop.clear()
        self._api.wire.drain()

    def reap(self) -> None:
        """From now on pods that have ended expire. Raises `Unsupported` for a profile in which nothing does."""
        self._check_offered("reaping")
        self._api.part(Reaper)(self._api)

    def close(self) -> None:
        """End the world."""
        self._loop.clear()
        self._api.wire.inbox.clear()

    # --- for model-based tests ---------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """The virtual time."""
        return self._loop.now

    @property
    def pods(self) -> Mapping[str, PodSeen]:
        """The pods as the API has them at this moment, before any delay."""
        return dict(self._api.pods_seen)

    @property
    def nodes(self) -> Mapping[str, NodeSeen]:
        """The nodes as the API has them at this moment, before any delay."""
        return dict(self._api.nodes_seen)

    def settle(self) -> None:
        """Let time run until nothing is due but, at most, the ends that running containers will come to."""
        for _ in range(SETTLING_STEPS):
            if self._loop.idle(but_own=True):
                return
            self._loop.step()
        raise RuntimeError(f"this world does not settle: it still moves after {SETTLING_STEPS} steps")

    def end(self, pod: str, container: str | None, code: int = 0, oom: bool = False) -> None:
        """End the running incarnation of a container now. Raises `Refused` if it is not running."""
        kubelet, local, found = self._running(pod, container)
        kubelet.end_container(local, found, KILLED if oom else code, oom)

    # --- faults -----------------------------------------------------------------------------------------------------

    def _check_offered(self, capability: str) -> None:
        if reason := self._api.dialect.lacks.get(capability):
            raise Unsupported(reason)

    def _pod(self, name: str) -> PodRecord:
        if name not in self._api.pods:
            raise Refused(f"there is no pod {name}")
        return self._api.pods[name]

    def _local(self, pod: PodRecord) -> tuple[Kubelet, LocalPod]:
        """The pod where it runs, and the kubelet there."""
        for kubelet in self._kubelets.values():
            if pod.uid in kubelet.pods and not pod.terminal:
                return kubelet, kubelet.pods[pod.uid]
        raise Refused(f"pod {pod.spec.name} does not run anywhere")

    def _running(self, pod: str, container: str | None) -> tuple[Kubelet, LocalPod, Container]:
        """A container that runs, its pod, and the kubelet there."""
        kubelet, local = self._local(self._pod(pod))
        found = local.find(container)
        if found is None or found.state != "running":
            raise Refused(f"container {container} of pod {pod} is not running")
        return kubelet, local, found

    def _node(self, name: str) -> tuple[Kubelet, NodeRecord]:
        if name not in self._api.nodes or self._kubelets[name].dead:
            raise Refused(f"there is no node {name}, or it has ended")
        return self._kubelets[name], self._api.nodes[name]

    def _kill_by_engine(self, pod: str, container: str | None) -> None:
        kubelet, local, found = self._running(pod, container)
        found.killer = "kill-by-engine"
        kubelet.end_container(local, found, KILLED)

    def _kill_sandbox(self, name: str) -> None:
        kubelet, local = self._local(self._pod(name))
        if local.sandbox_dead or not local.address:
            raise Refused(f"pod {name} has no sandbox at present")
        kubelet.machine.kill_sandbox(local)
        kubelet.poke(local)

    def _break_disk(self, name: str) -> None:
        kubelet, pod = self._with_disk(name)
        if pod.uid in self._api.broken_disks:
            raise Refused(f"the disk of pod {name} is broken already")
        self._api.break_disk(pod)
        kubelet.disk_changed(pod.uid)

    def _fill_disk(self, name: str) -> None:
        kubelet, pod = self._with_disk(name)
        if pod.uid in self._api.unusable_disks:
            raise Refused(f"the disk of pod {name} is full or broken already")
        self._api.fill_disk(pod)
        kubelet.disk_changed(pod.uid)

    def _mend_disk(self, name: str) -> None:
        """A dead disk that works again is an empty one: that it died is not undone (seed.md L313)."""
        pod = self._pod(name)
        if pod.uid not in self._api.unusable_disks:
            raise Refused(f"the disk of pod {name} is neither full nor broken")
        kubelet, _ = self._node(pod.node or "")
        self._api.unusable_disks.discard(pod.uid)
        kubelet.disk_changed(pod.uid)

    def _with_disk(self, name: str) -> tuple[Kubelet, PodRecord]:
        """A pod that has a disk: it is on a machine and has not ended."""
        pod = self._pod(name)
        if pod.node is None or pod.terminal:
            raise Refused(f"pod {name} is {'unbound' if pod.node is None else pod.phase}")
        kubelet, _ = self._node(pod.node)
        local = kubelet.pods.get(pod.uid)
        if local and kubelet.phase(local) in ("Succeeded", "Failed"):
            raise Refused(f"pod {name} has ended")
        return kubelet, pod

    def _set_cut(self, name: str, cut: Cut) -> None:
        kubelet, node = self._node(name)
        if kubelet.cut == cut or (kubelet.cut == "both" and cut == "inbound"):
            raise Refused(f"the network of node {name} is {'cut' if cut else 'whole'} already")
        kubelet.set_cut(cut)
        self._controller.look(node)

    def _stop_kubelet(self, name: str) -> None:
        kubelet, node = self._node(name)
        if kubelet.stopped:
            raise Refused(f"the kubelet of node {name} does not run already")
        kubelet.stop()
        self._controller.look(node)

    def _start_kubelet(self, name: str, clean: bool) -> None:
        kubelet, node = self._node(name)
        if not kubelet.stopped:
            raise Refused(f"the kubelet of node {name} runs already")
        kubelet.start(clean)
        self._controller.look(node)

    def _terminate(self, name: str) -> None:
        kubelet, node = self._node(name)
        kubelet.die()
        self._cloud.discard(name)
        self._controller.terminate(node)

    def _cordon(self, name: str, unschedulable: bool) -> None:
        _, node = self._node(name)
        if node.unschedulable == unschedulable:
            raise Refused(f"node {name} is {'un' if unschedulable else ''}schedulable already")
        self._controller.cordon(node, unschedulable)


def _check_containers(what: str, containers: Sequence[ContainerSpec]) -> None:
    """Whether a pod of these containers could run. Raises `Refused`."""
    names = [container.name for container in containers]
    if not names or len(set(names)) < len(names):
        raise Refused(f"{what} needs containers with names of their own")
    if not all(container.workload for container in containers):
        raise Refused(f"{what} has a container without workload")


class Simulator:
    """The simulator as a runtime. ``fault``, a key of `FAULTS` or `COMPOUND`, makes it wrong on purpose
    (`adapters.wrong_builds`, `adapters.compound_builds`)."""

    FAULTS: ClassVar = FAULTS
    HIDDEN_FAULTS: ClassVar = COMPOUND

    def __init__(self, fault: str | None = None, timing: Timing | None = None) -> None:
        if fault is not None and fault not in FAULTS | COMPOUND:
            near = difflib.get_close_matches(fault, FAULTS | COMPOUND) or sorted(FAULTS)
            raise ValueError(f"the simulator has no fault {fault!r}; did you mean {', '.join(near)}?")
        self._fault = fault
        self._timing = timing or Timing()

    def describe(self) -> About:
        """It can do everything under one profile or the other."""
        version = VERSION if self._fault is None else f"{VERSION}+{self._fault}"
        lacks = {profile: dialect.lacks for profile, dialect in DIALECTS.items()}
        return About(
            "simulator", version, frozenset(CAPABILITIES), time_out=DELAYS["time-out"][0], lacks_under=lacks
        )  # fmt: skip

    def open(self, scenario: str, seed: int, profile: str) -> SimulatedCluster:
        """A world of its own. Raises `Unsupported` for a profile that the simulator has no dialect for."""
        if profile not in DIALECTS:
            raise Unsupported(f"the simulator has no dialect for profile {profile!r}, only for {', '.join(DIALECTS)}")
        return SimulatedCluster(scenario, seed, profile, self._timing, REPLACED.get(self._fault or "", ()))

    def open_for(self, scenario: str, seed: int, profile: str, needs: Sequence[str]) -> SimulatedCluster:
        """Like `open`; the world has a reaper if the scenario needs one."""
        cluster = self.open(scenario, seed, profile)
        if "reaping" in needs:
            cluster.reap()
        return cluster

    def close(self) -> None:
        """Nothing is left: every world lives in its own objects."""
