"""The simulated master but for its API: scheduler, node controller, replication controllers, and reaper.

Each watches the API (`adapters.simulated_api`) and does one thing at a time, some time after something has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import msgspec

from adapters.simulated_api import Api, ControllerRecord, Happening, NodeRecord, PodRecord
from adapters.simulated_kubelet import Kubelet
from adapters.simulation import Timer
from conformance.runtime import ConditionStatus, ControllerSpec, MachineList, PodSpec


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
        self._bind(pod, self._api.loop.rng.choice(candidates))

    def _is_candidate(self, node: NodeRecord) -> bool:
        """A node that is not Running, reachable and ready takes nothing (seed.md L177, L181; v0.17.0.md SCHED-1)."""
        return node.usable and not node.unschedulable

    def _bind(self, pod: PodRecord, node: str) -> None:
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
        self._listed: set[str] | None = None
        """The machines that the cloud lists, if the node controller follows it."""
        self._static: set[str] = set()
        self._list_pass: Timer | None = None
        api.node_watchers += [self._watch, self._compare]

    def add(self, name: str) -> None:
        """A node becomes known: Pending until its kubelet checks in (seed.md L177; v0.17.0.md NODE-PHASE-4)."""
        node = NodeRecord(name, self._api.new_id("node"), self._api.dialect.node_phase)
        self._api.nodes[name] = node
        self._begin(node)
        self.look(node)

    def _begin(self, node: NodeRecord) -> None:
        self._api.publish_node(node)

    def look(self, node: NodeRecord) -> None:
        """Something may have changed on the node: find out, each thing in its own time."""
        later = self._api.loop.later
        if node.phase == "Pending":
            later("check-in", partial(self._check_in, node))
        elif node.phase == "Running":
            later("probe", partial(self._probe_reachable, node))
            later("probe", partial(self._probe_ready, node))

    def _check_in(self, node: NodeRecord) -> None:
        if node.phase == "Pending" and self._kubelets[node.name].connected and not node.gone:
            self._set_running(node)
            self.look(node)

    def _set_running(self, node: NodeRecord) -> None:
        node.phase, node.reachable, node.ready = "Running", "Unknown", self._api.dialect.first_ready
        self._api.publish_node(node)

    def _probe_reachable(self, node: NodeRecord) -> None:
        """NodeReachable: the cluster can reach the node (seed.md L181)."""
        kubelet = self._kubelets[node.name]
        found: ConditionStatus = "False" if self._is_cut(kubelet) else "True"
        if node.phase == "Running" and node.reachable != found and not (kubelet.dead or node.gone):
            node.reachable = found
            self._api.publish_node(node)

    def _probe_ready(self, node: NodeRecord) -> None:
        """NodeReady: the kubelet answers that all is well (seed.md L181)."""
        kubelet = self._kubelets[node.name]
        found = self._readiness(kubelet)
        if node.phase == "Running" and node.ready != found and not (kubelet.dead or node.gone):
            node.ready = found
            self._api.publish_node(node)

    def _is_cut(self, kubelet: Kubelet) -> bool:
        """Whether nothing reaches the node. What it sends may still arrive."""
        return kubelet.cut != ""

    def _readiness(self, kubelet: Kubelet) -> ConditionStatus:
        if self._is_cut(kubelet):
            return "Unknown"
        return self._api.dialect.stopped_ready if kubelet.stopped else "True"

    # --- nodes that are lost ----------------------------------------------------------------------------------------

    def _watch(self, node: NodeRecord) -> None:
        """Start the clock when a node is lost, stop it when the node is back (seed.md L318-L319)."""
        if node.gone or node.phase != "Running" or node.usable:
            self._stop_clock(node.name)
        elif node.name not in self._time_outs:
            self._start_clock(node)

    def _start_clock(self, node: NodeRecord) -> None:
        self._time_outs[node.name] = self._api.loop.after(self._patience(node), partial(self._lost, node))

    def _patience(self, node: NodeRecord) -> float:  # noqa: ARG002 - it is the same for all, but in a wrong build
        """For how many seconds a node is lost before its pods are given up."""
        return self._api.loop.delay("time-out", self._api.loop.timing.latency)

    def _stop_clock(self, name: str) -> None:
        self._api.loop.cancel(self._time_outs.pop(name, None))

    def restart(self) -> None:
        """A new node controller takes over: it has to look, and all clocks start again (v0.17.0.md PART-8)."""
        for node in self._api.nodes.values():
            self._api.loop.cancel(self._time_outs.pop(node.name, None))
            self._api.loop.later("probe", partial(self._watch, node))

    def _lost(self, node: NodeRecord) -> None:
        """The time is out: the pods of the node are Failed (seed.md L278, L320), or deleted (v0.17.0.md PART-1)."""
        for pod in self._api.pods_on(node.name):
            self._give_up(pod)

    def _give_up(self, pod: PodRecord) -> None:
        if not self._api.dialect.lost_pods_fail:
            self._api.delete_pod(pod)
        elif not pod.terminal:
            pod.phase = "Failed"
            self._api.publish_pod(pod)

    # --- nodes that end ---------------------------------------------------------------------------------------------

    def terminate(self, node: NodeRecord) -> None:
        """A node has ended: its record says so, and its pods go (seed.md L177)."""
        self._api.loop.later("controller", partial(self._terminated, node))

    def _terminated(self, node: NodeRecord) -> None:
        node.phase, node.reachable, node.ready = "Terminated", None, None
        if self._listed is not None:
            self._listed.discard(node.name)
        if self._api.dialect.terminated_node_stays and not node.gone:
            self._api.publish_node(node)
        elif not node.gone:
            self._api.delete_node(node)
        self._api.loop.later("controller", partial(self._delete_pods, node))

    def _delete_pods(self, node: NodeRecord) -> None:
        for pod in self._api.pods_on(node.name):
            self._api.delete_pod(pod)

    # --- what a person does to a node -------------------------------------------------------------------------------

    def cordon(self, node: NodeRecord, unschedulable: bool) -> None:
        """Mark a node unschedulable, or schedulable. The pods there stay (v0.17.0.md SCHED-7)."""
        node.unschedulable = unschedulable
        self._api.publish_node(node)

    def delete(self, node: NodeRecord) -> None:
        """Delete a node's record. The machine and its pods stay (v0.17.0.md NC-SYNC-7)."""
        self._api.delete_node(node)

    # --- the list of machines (seed.md L212; v0.17.0.md NC-SYNC-1 to NC-SYNC-7) ---------------------------------------

    def take_list(self, listed: MachineList) -> None:
        """The cloud lists these machines, or --machines names them."""
        self._listed = None
        if not listed.cloud:
            self._static = set(listed.machines)
            self._api.loop.later("controller", self._register)
        elif listed.sync:
            self._listed = set(listed.machines)
            self._compare()

    def _register(self) -> None:
        """The nodes of --machines are registered at the start, and never again (v0.17.0.md NC-SYNC-3)."""
        for name in sorted(self._static - self._api.nodes.keys()):
            self.add(name)

    def _compare(self, _: NodeRecord | None = None) -> None:
        """The list or a record has changed: arm a pass over them if they differ."""
        if self._list_pass is None and any(self._differences()):
            self._list_pass = self._api.loop.later("list", self._follow)

    def _differences(self) -> tuple[list[str], list[str]]:
        """The machines that lack a record, and the records that lack a machine."""
        if self._listed is None:
            return [], []
        missing = self._listed - self._api.nodes.keys()
        extra = {name for name, node in self._api.nodes.items() if node.phase != "Terminated"} - self._listed
        return sorted(missing), sorted(extra)

    def _follow(self) -> None:
        """A pass of the loop: make and delete records, with a record its pods at once (v0.17.0.md NC-SYNC-4)."""
        self._list_pass = None
        missing, extra = self._differences()
        for name in missing:
            self.add(name)
        for name in extra:
            node = self._api.nodes[name]
            self._api.delete_node(node)
            self._delete_pods(node)


class ReplicationController:
    """Keeps so many pods of each replication controller (seed.md L154; v0.17.0.md RC-1 to RC-6).

    A pod that has ended, or is gone, is replaced by a new one, and the scheduler finds the node (seed.md L317, L321).
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._queued: set[str] = set()
        api.pod_watchers.append(self._watch)

    def scale(self, controller: ControllerRecord, wanted: int) -> None:
        """From now on it is to keep so many pods."""
        controller.spec = msgspec.structs.replace(controller.spec, wanted=wanted)
        self._api.publish_controller(controller)
        self._enqueue(controller)

    def add(self, spec: ControllerSpec) -> None:
        """A replication controller becomes known."""
        controller = ControllerRecord(spec, self._api.new_id("controller"))
        self._api.controllers[spec.name] = controller
        self._api.publish_controller(controller)
        self._enqueue(controller)

    def _watch(self, pod: PodRecord) -> None:
        controller = self._api.controllers.get(pod.owner or "")
        if controller is not None:
            self._enqueue(controller)

    def _enqueue(self, controller: ControllerRecord) -> None:
        if controller.uid not in self._queued:
            self._queued.add(controller.uid)
            self._api.loop.later("controller", partial(self._sync, controller))

    def _sync(self, controller: ControllerRecord) -> None:
        """Count the active pods, and create or delete the difference (v0.17.0.md RC-2)."""
        self._queued.discard(controller.uid)
        active = self._active(controller)
        if controller.counted != self._count(active):
            controller.counted = self._count(active)
            self._api.publish_controller(controller)
        missing = self._wanted(controller) - len(active)
        for pod in self._surplus(active, -missing):
            self._remove(pod)
        if missing > 0:
            self._fill(controller, missing)

    def _active(self, controller: ControllerRecord) -> list[PodRecord]:
        """Its pods that have not ended (v0.17.0.md RC-1), whether they run or not, and wherever (RC-5)."""
        return [pod for pod in self._own(controller) if not pod.terminal]

    def _own(self, controller: ControllerRecord) -> list[PodRecord]:
        return [pod for pod in self._api.pods.values() if pod.owner == controller.spec.name]

    def _count(self, active: list[PodRecord]) -> int:
        """The count that the record shows."""
        return len(active)

    def _wanted(self, controller: ControllerRecord) -> int:
        return controller.spec.wanted

    def _surplus(self, active: list[PodRecord], number: int) -> list[PodRecord]:
        """Those that go if there are ``number`` pods too many."""
        return sorted(active, key=_by_worth)[: max(number, 0)]

    def _remove(self, pod: PodRecord) -> None:
        self._api.delete_pod(pod)

    def _fill(self, controller: ControllerRecord, missing: int) -> None:
        for _ in range(missing):
            self._add_pod(controller.spec)

    def _add_pod(self, spec: ControllerSpec) -> None:
        """A new pod with a name of its own (v0.17.0.md RC-4)."""
        self._api.create_pod(PodSpec(self._api.new_id(spec.name), spec.policy, spec.containers), spec.name)


class Reaper:
    """Deletes pods some time after they have ended, and nothing else (seed.md L276)."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: set[str] = set()
        api.pod_watchers.append(self._watch)

    def _watch(self, pod: PodRecord) -> None:
        if self._expires(pod) and not pod.gone and pod.uid not in self._known:
            self._known.add(pod.uid)
            self._api.loop.later("expire", partial(self._expire, pod))

    def _expires(self, pod: PodRecord) -> bool:
        return pod.terminal

    def _expire(self, pod: PodRecord) -> None:
        if not pod.gone:
            self._api.delete_pod(pod)


def _by_worth(pod: PodRecord) -> tuple[bool, bool]:
    """What is deleted first if there are too many: the unbound, then the ones that do not run yet."""
    return pod.node is not None, pod.phase == "Running"
