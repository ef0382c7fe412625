"""A cluster: one scenario's nodes and pods on Docker engines, the faults done to them, and what is seen of it all."""

from __future__ import annotations

import contextlib
import errno
import http
import itertools
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from docker.errors import APIError, NotFound

from adapters.docker import disk, nodes
from adapters.docker.control import EXPIRY, TIME_OUT, Monitor, NodeRecord, Replication, schedule
from adapters.docker.engine import CLUSTER, LOST, MEMBER, POD, Engine, complaint, health, is_process_of, remove
from adapters.docker.floor import BarePod
from adapters.docker.pods import SANDBOX, Member, Pod
from conformance.runtime import (
    ControllerSpec,
    EventSeen,
    Fault,
    FrameSeen,
    Observation,
    PodSeen,
    PodSpec,
    Refused,
    Unsupported,
)

LINK_FAULTS = frozenset({"cut-node", "cut-node-inbound", "heal-node"})
NODE_FAULTS = LINK_FAULTS | {"stop-kubelet", "start-kubelet", "restart-kubelet", "terminate-node"}
DISK_FAULTS = frozenset({"break-disk", "fill-disk", "mend-disk"})

TICK = 0.1
"""Seconds between two looks at timers and disks."""

PROBE = 0.25
"""Seconds between two looks at a pod's disk."""

GONE = 6.0
"""Seconds without an answer after which an engine that no fault of ours holds down is taken to have gone away."""

UNCLEAR = 1.5
"""Seconds to wait for the kernel's word on whether a process that got SIGKILL was out of memory."""

NOT_STARTED = "unable to start container process"
"""What an engine's internal error says of a process that it could not start in a container that is ending. That there
is no such program is an error of another kind."""

HOGS = """
echo 1000 > /proc/1/oom_score_adj
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
  ( x=x; n=0; while [ $n -lt 22 ]; do x=$x$x; n=$((n + 1)); done; while :; do sleep 1; done ) &
done
wait
"""
"""Uses up a container's memory, by processes that are each too small to be the kernel's choice, from the inside. The
kernel's victim is the container's main process."""


class EngineGone(Exception):
    """An engine went away in the middle of a run."""


@contextlib.contextmanager
def refused_if_it_ends(what: str) -> Iterator[None]:
    """A container may have ended, or be ending, when something is done to it: then nothing is done."""
    try:
        yield
    except APIError as error:
        not_started = error.is_server_error() and NOT_STARTED in str(error.explanation)
        if error.status_code != http.HTTPStatus.CONFLICT and not not_started:
            raise
        raise Refused(f"{what} does not run: {error.explanation}") from error


class DockerCluster:
    """One scenario's nodes and pods. Everything is done in the scenario's thread, by `observe`; other threads (each
    engine's events, each node's monitor) only put what they find into the queue."""

    def __init__(
        self, name: str, source: Callable[[int], Engine], back: Callable[[DockerCluster], None], uses_disks: bool
    ) -> None:
        self.nodes: dict[str, NodeRecord] = {}
        self.bare: list[BarePod] = []
        self._name, self._source, self._back, self._uses_disks = name, source, back, uses_disks
        self._pods: dict[str, Pod] = {}
        self._controllers: dict[str, Replication] = {}
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._seen: list[Observation] = []
        self._shown: dict[str, PodSeen] = {}
        self._ids = itertools.count(1)
        self._begun, self._begun_wall = time.monotonic(), time.time_ns()
        self._probed = 0.0
        self._hurt: dict[str, set[str]] = {}
        self._unclear: dict[str, tuple[float, Callable[[], None]]] = {}
        self._stopped = threading.Event()
        self._reaps = False
        self._ended: dict[str, float] = {}
        """When each pod was found to have ended, by uid."""

    # --- the protocol -----------------------------------------------------------------------------------------------

    def create_node(self, name: str) -> None:
        """Register an engine as a node. It checks in when its health endpoint says OK for the first time."""
        if name in self.nodes:
            raise Refused(f"there is or was a node {name}")
        engine = self._source(len(self.nodes))
        record = self.nodes[name] = NodeRecord(name, f"{self._name}-{name}", engine)
        if engine.events:
            engine.events.listen(self._name, self._listener(record))
        self._show_node(record)

    def create_pod(self, pod: PodSpec) -> None:
        """Submit a pod."""
        if pod.name in self._pods:
            raise Refused(f"there is a pod {pod.name}")
        self._add(pod)

    def create_controller(self, controller: ControllerSpec) -> None:
        """Submit a replication controller."""
        if controller.name in self._controllers:
            raise Refused(f"there is a controller {controller.name}")
        if controller.policy != "Always":
            raise Refused(f"the template of {controller.name} has policy {controller.policy}: only Always is taken")
        self._controllers[controller.name] = Replication(controller, f"{self._name}-{controller.name}")

    def scale_controller(self, name: str, wanted: int) -> None:
        """Tell a replication controller to keep so many pods."""
        if name not in self._controllers:
            raise Refused(f"there is no controller {name}")
        self._controllers[name].scale(wanted)

    def reap(self) -> None:
        """From now on pods that have ended expire."""
        self._reaps = True

    def delete_pod(self, name: str) -> None:
        """Delete a pod: the object goes at once, its containers then."""
        self._delete(self._pod(name))

    def inject(self, fault: Fault) -> None:
        """Do something bad to a container, a disk or a node."""
        match fault.kind:
            case "kill-container":
                self._kill(*self._running(fault))
            case "kill-by-engine":
                pod, member = self._running(fault)
                with refused_if_it_ends(f"container {fault.container} of {fault.target}"):
                    pod.api.kill(member.container)
            case "out-of-memory":
                pod, member = self._running(fault)
                with refused_if_it_ends(f"container {fault.container} of {fault.target}"):
                    pod.api.exec_start(pod.api.exec_create(member.container, ["sh", "-c", HOGS])["Id"], detach=True)
            case "kill-sandbox":
                pod = self._pod(fault.target)
                if not pod.is_started:
                    raise Refused(f"pod {fault.target} does not run")
                with refused_if_it_ends(f"the sandbox of pod {fault.target}"):
                    pod.api.kill(pod.sandbox)
            case "break-disk" | "fill-disk" | "mend-disk":
                self._switch_disk(fault.kind, self._pod(fault.target))
            case "restart-controller":
                for record in self.nodes.values():
                    record.lost_since = record.lost_since and time.monotonic()
            case _:
                self._hurt_node(fault.kind, self._node(fault.target))

    def observe(self, timeout: float) -> Sequence[Observation]:
        """Let things happen until there is something to tell."""
        end = time.monotonic() + timeout
        self._start_monitors()
        while True:
            self._work()
            if self._seen or time.monotonic() >= end or self._stopped.is_set():
                seen, self._seen = self._seen, []
                return seen
            self._handle(min(TICK, max(0.0, end - time.monotonic())))

    def quiescent(self) -> bool:
        """Never certain; not among the capabilities, so never asked."""
        return False

    def close(self) -> None:
        """Remove what this cluster has made."""
        self.stop()
        for record in self.nodes.values():
            if record.engine.events:
                record.engine.events.forget(self._name)
        for pod in self._pods.values():
            self._remember(pod)
        try:
            for record in self.nodes.values():
                if self.leaves_whole(record):
                    remove(record.engine.client, {CLUSTER: self._name})
        finally:
            self._back(self)

    def stop(self) -> None:
        """Let `observe` return, and look at no node any more."""
        self._stopped.set()
        for record in self.nodes.values():
            if record.monitor:
                record.monitor.close()

    def leaves_whole(self, record: NodeRecord) -> bool:
        """Whether a node's engine can be used again: it was never killed, and the link to it works."""
        done = self._hurt.get(record.name, set())
        if not done:
            return True
        if record.engine.node is None or not done <= LINK_FAULTS:
            return False
        try:
            record.engine.node.heal()
        except nodes.NodesError:
            return False
        return health(record.engine.url) == ("True", "True")

    # --- what arrives -----------------------------------------------------------------------------------------------

    def _listener(self, record: NodeRecord) -> Callable[[dict[str, Any] | None], None]:
        def listen(event: dict[str, Any] | None) -> None:
            self._inbox.put(lambda: self._gap(record) if event is None else self._event(record, event))

        return listen

    def _start_monitors(self) -> None:
        """A node is looked at from the first observation on: what is done to it before comes before its check-in."""
        for record in self.nodes.values():
            if record.monitor is None:

                def say(reachable: Any, ready: Any, record: NodeRecord = record) -> None:
                    self._inbox.put(lambda: self._probed_node(record, reachable, ready))

                record.monitor = Monitor(record.engine.url, say)
                record.monitor.start()

    def _handle(self, seconds: float) -> None:
        """Handle what has arrived, waiting for the first."""
        try:
            self._inbox.get(timeout=seconds)()
            while True:
                self._inbox.get_nowait()()
        except queue.Empty:
            return

    def _probed_node(self, record: NodeRecord, reachable: Any, ready: Any) -> None:
        was_candidate = record.is_candidate
        if record.take(reachable, ready, time.monotonic()):
            self._show_node(record)
            if record.is_candidate and not was_candidate:
                self._gap(record)
        if record.lost_since and not record.is_faulted and _ago(max(record.lost_since, record.mended_at)) > GONE:
            raise EngineGone(
                f"the engine at {record.engine.url} went away (its address "
                f"{'answers' if record.reachable == 'True' else 'does not answer'}, its health endpoint says no OK): "
                f"{complaint(record.engine.url)}"
            )

    def _event(self, record: NodeRecord, event: dict[str, Any]) -> None:
        """An event of the engine's about a container of this cluster."""
        attributes = event["Actor"]["Attributes"]
        pod = next((p for p in self._pods.values() if p.uid == attributes.get(POD)), None)
        self._frame(record, event)
        if pod is None or pod.is_terminal or event["Action"] not in ("start", "oom", "kill", "die"):
            return
        with _tolerant(record):
            if attributes.get(MEMBER) == SANDBOX:
                if event["Action"] == "die" and pod.is_started and not pod.sandbox_runs():
                    self._sandbox_died(pod)
            elif (member := pod.member(attributes.get(MEMBER))) and member.container == event["Actor"]["ID"]:
                member.oom |= event["Action"] == "oom" and member.container in self._unclear
                self._clear_up(member.container)
                inspected = self._inspect(record, pod, member)
                if member.state == "running" and member.is_unclear(event, inspected):
                    take = partial(self._take, record, pod, member, event, inspected)
                    self._unclear[member.container] = (time.monotonic(), take)
                else:
                    self._take(record, pod, member, event, inspected)

    def _take(
        self, record: NodeRecord, pod: Pod, member: Member, event: dict[str, Any], inspected: dict[str, Any]
    ) -> None:
        was = member.started
        if not member.take(event, inspected):
            return
        self._tell(pod, member, began=member.started != was, ended=event["Action"] == "die")
        with _tolerant(record):
            if member.is_over and pod.restarts(member) and not (pod.renewed or pod.sandbox_runs()):
                self._sandbox_died(pod, member)
            self._settle(pod)

    def _clear_up(self, container: str | None = None) -> None:
        """Take in the ends that were unclear: of one container, or all for which the kernel's word came too late."""
        for name, (since, take) in list(self._unclear.items()):
            if name == container or _ago(since) > UNCLEAR:
                del self._unclear[name]
                take()

    def _gap(self, record: NodeRecord) -> None:
        """Events may be missing: look at everything on that node."""
        if not record.is_candidate:
            return  # it is looked at when it is back
        for pod in [p for p in self._pods.values() if p.node == record.name and p.is_started]:
            with _tolerant(record):
                for member in pod.members:
                    self._clear_up(member.container)
                if pod.is_terminal:
                    continue
                if pod.renewed or not pod.sandbox_runs():
                    self._sandbox_died(pod)
                else:
                    self._look(record, pod)

    def _look(self, record: NodeRecord, pod: Pod) -> None:
        for member in pod.members:
            was = (member.started, member.end)
            if member.look(self._inspect(record, pod, member)):
                ended = member.end is not None and member.end is not was[1]
                self._tell(pod, member, began=member.started != was[0], ended=ended)
        self._settle(pod)

    def _inspect(self, record: NodeRecord, pod: Pod, member: Member) -> dict[str, Any]:
        inspected = pod.inspect(member)
        wanted = {key: inspected[key] for key in ("Id", "Name", "RestartCount", "State")}
        self._frame(record, {"Type": "inspect", **wanted})
        return inspected

    def _sandbox_died(self, pod: Pod, *ended: Member) -> None:
        """End what is left of the pod, and start again what ran, if the policy says so. ``ended`` are members whose end
        has just been noticed: the engine did not restart them, as they had no network."""
        ran = [member for member in pod.members if member in (*ended, *pod.renewed) or not member.is_over]
        pod.renewed = [] if pod.spec.policy == "Never" else ran
        pod.kill()
        self._look(self.nodes[pod.node or ""], pod)
        if pod.renewed:
            pod.renew()

    # --- what is to be done -----------------------------------------------------------------------------------------

    def _work(self) -> None:
        self._clear_up()
        for record in self.nodes.values():
            if record.is_stale and record.is_candidate:
                record.is_stale = False
                self._gap(record)
        self._give_up_pods()
        self._expire()
        self._replicate()
        for pod, record in schedule(list(self._pods.values()), list(self.nodes.values())):
            pod.node, pod.engine, pod.cluster = record.name, record.engine, self._name
            self._record(pod, "scheduled", source="scheduler")
            self._show(pod)
        for pod in list(self._pods.values()):
            home = self.nodes.get(pod.node or "")
            if home and home.is_candidate and not (pod.is_started or pod.is_terminal):
                self._start(home, pod)
        self._probe_disks()

    def _start(self, record: NodeRecord, pod: Pod) -> None:
        with _tolerant(record):
            if self._uses_disks and not pod.disk:
                pod.disk = record.engine.disks().add(pod.uid)
            pod.volume = str(pod.disk or f"kubephase-{pod.uid}")
            pod.start()
            self._settle(pod)

    def _give_up_pods(self) -> None:
        """The node controller: a lost node's pods are Failed after the time-out, those of one that has ended are
        deleted (seed.md L177, L278, L319)."""
        for record in self.nodes.values():
            on_it = [pod for pod in self._pods.values() if pod.node == record.name]
            if record.is_gone and record.phase != "Terminated":
                record.terminate()
                self._show_node(record)
            if record.phase == "Terminated":
                for pod in on_it:
                    self._delete(pod)
            elif record.lost_since and _ago(record.lost_since) > TIME_OUT:
                for pod in on_it:
                    if not pod.is_terminal:
                        pod.phase = "Failed"
                        self._show(pod)
            elif record.is_candidate:
                self._end_given_up(record, on_it)

    def _expire(self) -> None:
        """What has ended goes some time later, if the scenario needs that (seed.md L276)."""
        for pod in [pod for pod in self._pods.values() if self._reaps and pod.is_terminal]:
            if _ago(self._ended.setdefault(pod.uid, time.monotonic())) > EXPIRY:
                self._delete(pod)

    def _end_given_up(self, record: NodeRecord, pods: list[Pod]) -> None:
        """The node is back: what still runs there of pods that were given up is ended."""
        for pod in pods:
            if pod.is_terminal and pod.is_started and not all(member.is_over for member in pod.members):
                with _tolerant(record):
                    pod.kill()
                    pod.is_started = False

    def _replicate(self) -> None:
        for controller in self._controllers.values():
            pods = list(self._pods.values())
            for pod in controller.surplus(pods):
                self._delete(pod)
            for _ in range(controller.missing(pods)):
                self._add(controller.next_pod(), owner=controller.spec.name)
            counted = len(controller.active(list(self._pods.values())))
            if counted != controller.counted:
                controller.counted = counted
                self._seen.append(controller.seen(self._now()))

    def _probe_disks(self) -> None:
        """The kubelet's part for disks: a pod whose disk has died is over (seed.md L313-L316)."""
        if not self._uses_disks or _ago(self._probed) < PROBE:
            return
        self._probed = time.monotonic()
        for pod in self._pods.values():
            record = self.nodes.get(pod.node or "")
            if not (record and record.is_candidate and pod.is_started and pod.disk) or pod.is_terminal:
                continue
            if disk.probe(pod.disk) not in (None, errno.ENOSPC):  # a full disk is not dead
                with _tolerant(record):
                    running = [member for member in pod.members if member.state == "running"]
                    pod.kill()
                    for member in pod.members:
                        member.look(self._inspect(record, pod, member))
                    for member in running:
                        self._record(pod, "killing", member)
                    self._record(pod, "disk-died")
                    pod.phase = "Failed"
                    self._show(pod)

    def _add(self, spec: PodSpec, owner: str | None = None) -> None:
        pod = self._pods[spec.name] = Pod(spec, f"{self._name}-{next(self._ids)}", owner)
        self._show(pod)

    def _delete(self, pod: Pod) -> None:
        del self._pods[pod.spec.name]
        self._remember(pod)
        self._seen.append(pod.seen(self._now(), self._clock, deleted=True))
        record = self.nodes.get(pod.node or "")
        if record and record.is_candidate:
            with _tolerant(record):
                pod.remove()

    def _remember(self, pod: Pod) -> None:
        if pod.is_started:
            began = tuple(member.restarts + 1 for member in pod.members)
            self.bare.append(BarePod(pod.spec, began, tuple(member.is_over for member in pod.members)))

    # --- faults -----------------------------------------------------------------------------------------------------

    def _kill(self, pod: Pod, member: Member) -> None:
        assert pod.engine is not None
        if pod.engine.node:
            try:
                pod.engine.node.signal(member.pid, signal.SIGKILL)
            except nodes.NodesError as error:
                raise Refused(f"container {member.spec.name} of {pod.spec.name} does not run: {error}") from error
            return
        if not pod.engine.is_here:
            raise Unsupported(f"the processes of the engine at {pod.engine.url} cannot be killed from here")
        if not is_process_of(member.container, member.pid):
            raise Refused(f"container {member.spec.name} of {pod.spec.name} does not run")
        os.kill(member.pid, signal.SIGKILL)

    def _switch_disk(self, kind: str, pod: Pod) -> None:
        if pod.engine is None or pod.disk is None:
            raise Refused(f"pod {pod.spec.name} has no disk that can fail")
        disks = pod.engine.disks()
        if kind == "mend-disk":
            disks.mend(pod.uid)
        else:
            disks.fail(pod.uid, "EIO" if kind == "break-disk" else "ENOSPC")

    def _hurt_node(self, kind: str, record: NodeRecord) -> None:
        node = record.engine.node
        if node is None or kind not in NODE_FAULTS:
            raise Unsupported(f"cannot {kind} at {record.engine.url}: it is no engine of ours (kubephase nodes up)")
        self._hurt.setdefault(record.name, set()).add(kind)
        record.is_faulted = kind in ("cut-node", "cut-node-inbound", "stop-kubelet", "terminate-node")
        match kind:
            case "cut-node":
                node.cut()
            case "cut-node-inbound":
                node.cut("in")
            case "heal-node":
                node.heal()
            case "stop-kubelet":
                node.kill()
            case "start-kubelet" | "restart-kubelet":
                node.start(live_restore=kind == "start-kubelet")
            case _:
                node.remove()
                record.is_gone = True
        record.mended_at = time.monotonic()

    def _running(self, fault: Fault) -> tuple[Pod, Member]:
        pod = self._pod(fault.target)
        member = pod.member(fault.container)
        if member is None or member.state != "running":
            raise Refused(f"container {fault.container} of {fault.target} does not run")
        return pod, member

    # --- what is told -----------------------------------------------------------------------------------------------

    def _tell(self, pod: Pod, member: Member, began: bool, ended: bool) -> None:
        """Record what has happened to a container (seed.md L283, L289, L308, L312)."""
        if pod.is_terminal:
            return
        if began:
            self._record(pod, "started", member)
        if not ended or member.end is None or member.end.code is None:
            return
        if member.end.oom:
            self._record(pod, "out-of-memory", member)
            if pod.spec.policy == "Never":
                self._record(pod, "error", member)
        else:
            self._record(pod, "completed" if member.end.is_good else "failed", member)

    def _record(self, pod: Pod, reason: str, member: Member | None = None, source: str = "") -> None:
        now = self._now()
        self._seen.append(
            EventSeen(
                now, f"{self._name}-event-{next(self._ids)}", reason, "Pod", pod.spec.name, now, pod.uid,
                member.spec.name if member else None, source or f"kubelet/{pod.node}",
            )
        )  # fmt: skip

    def _settle(self, pod: Pod) -> None:
        pod.settle_phase()
        self._show(pod)

    def _show(self, pod: Pod) -> None:
        """Tell of a pod if it looks other than before."""
        seen = pod.seen(0.0, self._clock)
        if self._shown.get(pod.uid) != seen:
            self._shown[pod.uid] = seen
            self._seen.append(pod.seen(self._now(), self._clock))

    def _show_node(self, record: NodeRecord) -> None:
        self._seen.append(record.seen(self._now()))

    def _frame(self, record: NodeRecord, frame: dict[str, Any]) -> None:
        self._seen.append(FrameSeen(self._now(), f"docker/{record.name}", frame))

    # --- small things -----------------------------------------------------------------------------------------------

    def _pod(self, name: str) -> Pod:
        if name not in self._pods:
            raise Refused(f"there is no pod {name}")
        return self._pods[name]

    def _node(self, name: str) -> NodeRecord:
        if name not in self.nodes:
            raise Refused(f"there is no node {name}")
        return self.nodes[name]

    def _now(self) -> float:
        return time.monotonic() - self._begun

    def _clock(self, nanoseconds: int) -> float:
        """A time of an engine's on the clock of this cluster."""
        return round((nanoseconds - self._begun_wall) / 1e9, 6)


def _ago(moment: float) -> float:
    """Seconds since a moment of the clock that only goes forward."""
    return time.monotonic() - moment


class _tolerant:  # noqa: N801 - read as a word of the language
    """What cannot be done as the node does not answer is left: all is looked at again when it is back."""

    def __init__(self, record: NodeRecord) -> None:
        self._record = record

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, NotFound):
            return True  # removed meanwhile
        lost = isinstance(error, LOST) and not isinstance(error, APIError)
        self._record.is_stale |= lost
        return lost
