"""The embedded simulator: a cluster on virtual time, written from the documents and independently of the tables.

A world is one `SimulatedCluster`: an API (`adapters.simulated_api`), a scheduler, a node controller, and one kubelet
per node (`adapters.simulated_kubelet`), all driven by one event loop (`adapters.simulation`). The same scenario and
seed give the same observations, to the last digit.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Mapping, Sequence
from functools import partial

from adapters.simulated_api import DIALECTS, FAULTS, Api, Happening, NodeRecord, PodRecord
from adapters.simulated_kubelet import KILLED, Kubelet, LocalPod
from adapters.simulation import Loop, Timer, Timing
from conformance.runtime import (
    CAPABILITIES,
    About,
    ConditionStatus,
    Fault,
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

BINDING_DELAY = 10.0
"""After how many seconds the faulty build records a binding."""

RETURN_DELAY = 10.0
"""After how many seconds the faulty build brings a Terminated node back: long enough for its end to be seen."""


class Scheduler:
    """Binds each pod once and for ever to a usable node (seed.md L219)."""

    def __init__(self, api: Api, kubelets: Mapping[str, Kubelet]) -> None:
        self._api = api
        self._kubelets = kubelets
        self._queued: set[str] = set()
        api.pod_watchers.append(self._enqueue)
        api.node_watchers.append(self._retry)

    def _retry(self, _: NodeRecord) -> None:
        """A node has changed: try again for all the pods that wait."""
        for pod in self._api.pods.values():
            self._enqueue(pod)

    def _enqueue(self, pod: PodRecord) -> None:
        if self._waits(pod) and pod.uid not in self._queued:
            self._queued.add(pod.uid)
            self._api.loop.later("schedule", partial(self._schedule, pod))

    @staticmethod
    def _waits(pod: PodRecord) -> bool:
        return pod.node is None and not pod.gone and pod.phase == "Pending"

    def _schedule(self, pod: PodRecord) -> None:
        self._queued.discard(pod.uid)
        if not self._waits(pod):
            return
        candidates = [node.name for node in self._api.nodes.values() if self._is_candidate(node)]
        if not candidates:
            self._record("failed-scheduling", pod)
            return
        node = self._api.loop.rng.choice(candidates)
        if self._api.has_fault("starts-before-bound") and self._kubelets[node].online:
            self._queued.add(pod.uid)
            self._kubelets[node].accept(pod)
            self._api.loop.after(BINDING_DELAY, partial(self._bind, pod, node))
        else:
            self._bind(pod, node)

    def _is_candidate(self, node: NodeRecord) -> bool:
        """A node that is not Running, reachable and ready takes nothing (seed.md L177, L181; v0.17.0.md SCHED-1)."""
        return node.usable or (self._api.has_fault("schedules-anywhere") and node.phase != "Terminated")

    def _bind(self, pod: PodRecord, node: str) -> None:
        self._queued.discard(pod.uid)
        if pod.gone:
            return
        pod.node = node
        self._record("scheduled", pod)
        self._api.publish_pod(pod)

    def _record(self, reason: str, pod: PodRecord) -> None:
        self._api.record("scheduler", Happening(reason, pod, self._api.loop.now))


class NodeController:
    """Keeps the node records up to date, and ends the pods of nodes that are lost or Terminated."""

    def __init__(self, api: Api, kubelets: Mapping[str, Kubelet]) -> None:
        self._api = api
        self._kubelets = kubelets
        self._time_outs: dict[str, Timer] = {}
        api.node_watchers.append(self._watch)

    def add(self, name: str) -> None:
        """A node becomes known: Pending until its kubelet checks in (seed.md L177; v0.17.0.md NODE-PHASE-4)."""
        node = NodeRecord(name, self._api.new_id("node"), self._api.dialect.node_phase)
        self._api.nodes[name] = node
        if self._api.has_fault("conditions-outside-running"):
            node.reachable = node.ready = "True"
        if self._api.has_fault("node-skips-pending"):
            self._set_running(node)
        else:
            self._api.publish_node(node)
        self.look(node)

    def look(self, node: NodeRecord) -> None:
        """Something may have changed on the node: find out, each thing in its own time."""
        later = self._api.loop.later
        if node.phase == "Pending":
            later("check-in", partial(self._check_in, node))
        elif node.phase == "Running":
            later("probe", partial(self._probe_reachable, node))
            later("probe", partial(self._probe_ready, node))

    def _check_in(self, node: NodeRecord) -> None:
        if node.phase == "Pending" and self._kubelets[node.name].connected:
            self._set_running(node)
            self.look(node)

    def _set_running(self, node: NodeRecord) -> None:
        node.phase, node.reachable, node.ready = "Running", "Unknown", self._api.dialect.first_ready
        self._api.publish_node(node)

    def _probe_reachable(self, node: NodeRecord) -> None:
        """NodeReachable: the cluster can reach the node (seed.md L181)."""
        kubelet = self._kubelets[node.name]
        found: ConditionStatus = "False" if kubelet.cut else "True"
        if node.phase == "Running" and node.reachable != found and not kubelet.dead:
            node.reachable = found
            self._api.publish_node(node)

    def _probe_ready(self, node: NodeRecord) -> None:
        """NodeReady: the kubelet answers that all is well (seed.md L181)."""
        kubelet = self._kubelets[node.name]
        found = self._readiness(kubelet)
        if node.phase == "Running" and node.ready != found and not kubelet.dead:
            node.ready = found
            self._api.publish_node(node)

    def _readiness(self, kubelet: Kubelet) -> ConditionStatus:
        if kubelet.cut:
            return "Unknown"
        if kubelet.stopped and not self._api.has_fault("ready-means-reachable"):
            return self._api.dialect.stopped_ready
        return "True"

    # --- nodes that are lost ----------------------------------------------------------------------------------------

    def _watch(self, node: NodeRecord) -> None:
        """Start the clock when a node is lost, stop it when the node is back (seed.md L318-L319)."""
        if node.phase != "Running" or node.usable:
            timer = self._time_outs.pop(node.name, None)
            self._api.loop.cancel(timer)
        elif node.name not in self._time_outs:
            self._time_outs[node.name] = self._api.loop.later("time-out", partial(self._lost, node))

    def _lost(self, node: NodeRecord) -> None:
        """The time is out: the pods of the node are Failed (seed.md L278, L320), or deleted (v0.17.0.md PART-1)."""
        if self._api.has_fault("ignores-lost-node"):
            return
        for pod in self._api.pods_on(node.name):
            if self._api.has_fault("moves-pods"):
                self._move(pod)
            elif self._api.has_fault("deletes-lost-pods") or not self._api.dialect.lost_pods_fail:
                self._api.delete_pod(pod)
            elif not pod.terminal:
                pod.phase = "Failed"
                self._api.publish_pod(pod)

    def _move(self, pod: PodRecord) -> None:
        others = [node.name for node in self._api.nodes.values() if node.usable]
        if others and not pod.terminal:
            pod.node = others[0]
            self._api.publish_pod(pod)

    # --- nodes that end ---------------------------------------------------------------------------------------------

    def terminate(self, node: NodeRecord) -> None:
        """A node has ended: its record says so, and its pods go (seed.md L177)."""
        self._api.loop.later("controller", partial(self._terminated, node))

    def _terminated(self, node: NodeRecord) -> None:
        node.phase, node.reachable, node.ready = "Terminated", None, None
        if self._api.dialect.terminated_node_stays:
            self._api.publish_node(node)
        else:
            self._api.delete_node(node)
        if not self._api.has_fault("keeps-pods-of-terminated-node"):
            self._api.loop.later("controller", partial(self._delete_pods, node))
        if self._api.has_fault("terminated-node-returns") and not node.gone:
            self._api.loop.after(RETURN_DELAY, partial(self._set_running, node))

    def _delete_pods(self, node: NodeRecord) -> None:
        for pod in self._api.pods_on(node.name):
            self._api.delete_pod(pod)


class SimulatedCluster:
    """One simulated world. Implements `conformance.runtime.Cluster`, and adds what model-based tests need."""

    def __init__(self, scenario: str, seed: int, profile: str, fault: str | None, timing: Timing) -> None:
        # A string seeds the same generator in every process; hash() would not.
        self._loop = Loop(random.Random(f"{scenario}/{seed}"), timing)
        self._api = Api(self._loop, DIALECTS[profile], fault)
        self._profile = profile
        self._kubelets: dict[str, Kubelet] = {}
        self._scheduler = Scheduler(self._api, self._kubelets)
        self._controller = NodeController(self._api, self._kubelets)

    # --- the protocol -----------------------------------------------------------------------------------------------

    def create_node(self, name: str) -> None:
        """Make a node known. Raises `Refused` if there is or was one of that name."""
        if name in self._kubelets:
            raise Refused(f"there is or was a node {name}")
        self._kubelets[name] = Kubelet(self._api, name)
        self._controller.add(name)

    def create_pod(self, pod: PodSpec) -> None:
        """Submit a pod. Raises `Refused` if the name is taken or the pod could not run."""
        names = [container.name for container in pod.containers]
        if pod.name in self._api.pods:
            raise Refused(f"there is a pod {pod.name}")
        if not names or len(set(names)) < len(names):
            raise Refused(f"pod {pod.name} needs containers with names of their own")
        if not all(container.workload for container in pod.containers):
            raise Refused(f"pod {pod.name} has a container without workload")
        self._api.pods[pod.name] = record = PodRecord(pod, self._api.new_id("pod"))
        self._api.publish_pod(record)

    def delete_pod(self, name: str) -> None:
        """Delete a pod: the object goes at once (v0.17.0.md DEL-1), its containers when the kubelet hears of it."""
        self._api.delete_pod(self._pod(name))

    def inject(self, fault: Fault) -> None:
        """Inject a fault. One that has no object or would change nothing is `Refused`."""
        match fault.kind:
            case "kill-container":
                self.end(fault.target, fault.container, KILLED)
            case "out-of-memory":
                self.end(fault.target, fault.container, oom=True)
            case "break-disk":
                self._break_disk(fault.target)
            case "cut-node" | "heal-node":
                self._set_cut(fault.target, fault.kind == "cut-node")
            case "stop-kubelet" | "start-kubelet":
                self._set_stopped(fault.target, fault.kind == "stop-kubelet")
            case "terminate-node":
                self._terminate(fault.target)
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
        kubelet, local = self._local(self._pod(pod))
        found = local.find(container)
        if found is None or found.state != "running":
            raise Refused(f"container {container} of pod {pod} is not running")
        kubelet.end_container(local, found, code, oom)

    # --- faults -----------------------------------------------------------------------------------------------------

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

    def _node(self, name: str) -> tuple[Kubelet, NodeRecord]:
        if name not in self._kubelets or self._kubelets[name].dead:
            raise Refused(f"there is no node {name}, or it has ended")
        return self._kubelets[name], self._api.nodes[name]

    def _break_disk(self, name: str) -> None:
        if not self._api.dialect.disk_failure:
            raise Unsupported(f"{self._profile} detects no disk failure: EVENT-3")
        pod = self._pod(name)
        if pod.node is None or pod.terminal:
            raise Refused(f"pod {name} is {'unbound' if pod.node is None else pod.phase}")
        kubelet, _ = self._node(pod.node)
        local = kubelet.pods.get(pod.uid)
        if pod.uid in self._api.broken_disks or (local and kubelet.phase(local) in ("Succeeded", "Failed")):
            raise Refused(f"the disk of pod {name} is broken, or the pod has ended")
        self._api.broken_disks.add(pod.uid)
        if local:
            kubelet.poke(local)

    def _set_cut(self, name: str, cut: bool) -> None:
        kubelet, node = self._node(name)
        if kubelet.cut == cut:
            raise Refused(f"the network of node {name} is {'cut' if cut else 'whole'} already")
        kubelet.set_cut(cut)
        self._controller.look(node)

    def _set_stopped(self, name: str, stopped: bool) -> None:
        kubelet, node = self._node(name)
        if kubelet.stopped == stopped:
            raise Refused(f"the kubelet of node {name} {'does not run' if stopped else 'runs'} already")
        kubelet.set_stopped(stopped)
        self._controller.look(node)

    def _terminate(self, name: str) -> None:
        kubelet, node = self._node(name)
        kubelet.die()
        self._controller.terminate(node)


class Simulator:
    """The simulator as a runtime. ``fault`` (a key of `FAULTS`) makes it deliberately wrong."""

    FAULTS = FAULTS

    def __init__(self, fault: str | None = None, timing: Timing | None = None) -> None:
        if fault is not None and fault not in FAULTS:
            near = difflib.get_close_matches(fault, FAULTS) or sorted(FAULTS)
            raise ValueError(f"the simulator has no fault {fault!r}; did you mean {', '.join(near)}?")
        self._fault = fault
        self._timing = timing or Timing()

    def describe(self) -> About:
        """What it can do under at least one profile; `Unsupported` says the rest."""
        version = VERSION if self._fault is None else f"{VERSION}+{self._fault}"
        return About("simulator", version, frozenset(CAPABILITIES))

    def open(self, scenario: str, seed: int, profile: str) -> SimulatedCluster:
        """A world of its own. Raises `Unsupported` for a profile that the simulator has no dialect for."""
        if profile not in DIALECTS:
            raise Unsupported(f"the simulator has no dialect for profile {profile!r}, only for {', '.join(DIALECTS)}")
        return SimulatedCluster(scenario, seed, profile, self._fault, self._timing)

    def close(self) -> None:
        """Nothing is left: every world lives in its own objects."""
