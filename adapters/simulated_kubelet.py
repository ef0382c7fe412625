"""The kubelet of one simulated machine: it looks after the pods and containers that run there.

The kubelet is level-triggered, as real ones are: it looks at what is and does one step at a time. So it catches up by
itself after it was stopped or cut off, with no special case for either.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar, Literal, get_args

from adapters.simulated_api import Api, Happening, PodRecord
from adapters.simulated_machine import KILLED, Container, Killer, LocalPod, Machine
from conformance.runtime import Policy

POLICIES: tuple[Policy, ...] = ("Always", "OnFailure", "Never")

End = Literal["success", "failure", "out-of-memory", "kill", "kill-by-engine", "death-of-sandbox", "restart-of-kubelet"]
"""How an incarnation of a container ended: by itself, for want of memory, or killed, and by what."""

ENDS: tuple[End, ...] = get_args(End)

RESTARTS: dict[tuple[Policy, End], bool] = {
    (policy, end): policy == "Always" or (policy == "OnFailure" and end != "success")
    for policy in POLICIES
    for end in ENDS
}
"""Whether a policy restarts a container after such an end (seed.md L284-L293, L309-L312). Who ended it is all one."""

EVENTS: dict[End, str] = dict.fromkeys(ENDS, "failed") | {"success": "completed", "out-of-memory": "out-of-memory"}
"""The event that tells of an end (seed.md L283, L289, L308)."""

Class = Literal["waiting", "running", "succeeded", "failed"]
"""What a container counts as when the phase of its pod is made."""

CLASSES: tuple[Class, ...] = get_args(Class)

Classes = frozenset[Class]


def _phase_of(policy: Policy, classes: Classes) -> str:
    if "waiting" in classes:
        return "Pending"
    goes_on = {"Always": CLASSES, "OnFailure": ("running", "failed"), "Never": ("running",)}
    if classes & set(goes_on[policy]):
        return "Running"
    return "Failed" if "failed" in classes else "Succeeded"


PHASES: dict[tuple[Policy, Classes], str] = {
    (policy, classes): _phase_of(policy, classes)
    for policy in POLICIES
    for number in range(1, len(CLASSES) + 1)
    for classes in map(frozenset, itertools.combinations(CLASSES, number))
}
"""The phase of a pod by its policy and the classes of its containers (seed.md L258-L272; v0.17.0.md F-T1)."""

Cut = Literal["", "inbound", "both"]
"""In which directions the network of a machine is cut off."""


class Kubelet:
    """The agent of one node, and the machine under it.

    ``cut``, ``stopped`` and ``dead`` say how the machine is; ``online`` whether the kubelet's reports reach the API.
    """

    restarts: ClassVar[Mapping[tuple[Policy, End], bool]] = RESTARTS
    phases: ClassVar[Mapping[tuple[Policy, Classes], str]] = PHASES
    events: ClassVar[Mapping[End, str]] = EVENTS

    def __init__(self, api: Api, name: str) -> None:
        self.name = name
        self.cut: Cut = ""
        self.stopped = False
        self.dead = False
        self.online = True
        self.pods: dict[str, LocalPod] = {}
        self.machine = api.part(Machine)(api, name, self.end_container)
        self._api = api
        self._loop = api.loop
        self._held: list[Happening] = []
        api.pod_watchers.append(self._watch)

    # --- the machine: what faults do to it -------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """The kubelet is up and the network works."""
        return self._sends and not self.cut

    @property
    def _sends(self) -> bool:
        """What the kubelet reports arrives."""
        return self.cut != "both" and not (self.stopped or self.dead)

    def set_cut(self, cut: Cut) -> None:
        """Cut or heal the network of the machine; what runs there runs on."""
        self.cut = cut
        if cut:
            self._api.network.isolated.add(self.name)
        else:
            self._api.network.isolated.discard(self.name)
        if cut != "inbound":
            self._link_changed()

    def stop(self) -> None:
        """Stop the agent; the containers run on, but nobody looks after them."""
        self.stopped = True
        self._link_changed()

    def start(self, clean: bool) -> None:
        """Start the agent again; if ``clean``, it first ends whatever ran without it."""
        self.stopped = False
        self._link_changed()
        for pod in self.pods.values():
            if clean:
                self._end_running(pod, "restart-of-kubelet")
            self.poke(pod)

    def _end_running(self, pod: LocalPod, killer: Killer) -> None:
        """Kill what runs of a pod: an abnormal end like any other."""
        for container in pod.running:
            self._record(pod, "killing", container)
            self.machine.stop(container, KILLED)
            container.killer, container.noticed = killer, False

    def die(self) -> None:
        """The machine ends for good, and all that ran there with it."""
        self.dead = True
        self.online = False
        for pod in list(self.pods.values()):
            self._forget(pod)

    def end_container(self, pod: LocalPod, container: Container, code: int, oom: bool = False) -> None:
        """The process of a running container ends; it takes a kubelet to find out."""
        self.machine.stop(container, code, oom)
        container.noticed = False
        self.poke(pod)
        self._touch(pod)

    # --- the link to the API ----------------------------------------------------------------------------------------

    def _link_changed(self) -> None:
        self.online = False
        if self._sends:
            self._loop.later("read", self._come_online)

    def _come_online(self) -> None:
        """Catch up: first with what the API says, then tell it what was held back."""
        if self.online or not self._sends:
            return
        self.online = True
        self._read()
        held, self._held = self._held, []
        for happening in held:
            # A pod that was ended in the meantime is over: nothing more is reported of it.
            if not (happening.pod.gone or happening.pod.terminal):
                self._api.record(f"kubelet/{self.name}", happening)
        for pod in self.pods.values():
            self._touch(pod)

    def _watch(self, record: PodRecord) -> None:
        if self._is_new(record) or (record.uid in self.pods and self._is_over(record)):
            self._loop.later("read", self._read)

    def _is_new(self, record: PodRecord) -> bool:
        mine = record.node == self.name and record.uid not in self.pods
        return mine and not record.gone and not record.terminal

    def _is_over(self, record: PodRecord) -> bool:
        return record.gone or record.terminal or record.node not in (None, self.name)

    def _read(self) -> None:
        """Compare what runs here with what the API says: take on new pods, stop the ones that are over."""
        if not (self.online and self.connected):
            return
        for pod in [pod for pod in self.pods.values() if self._is_over(pod.record)]:
            self._drop(pod)
        for record in [record for record in self._api.pods.values() if self._is_new(record)]:
            self.accept(record)

    def accept(self, record: PodRecord) -> None:
        """Take on a pod that is bound to this node."""
        pod = LocalPod(record, [Container(spec) for spec in record.spec.containers])
        self.pods[record.uid] = pod
        self.poke(pod)
        self._touch(pod)

    def _drop(self, pod: LocalPod) -> None:
        """Stop a pod that is over. Of one that was marked Failed from outside nothing is reported (seed.md L278)."""
        for container in pod.running:
            self.machine.stop(container, KILLED)
            if pod.record.gone:
                self._record(pod, "killing", container)
        self._forget(pod)

    def _forget(self, pod: LocalPod) -> None:
        for timer in (pod.worker, pod.sync, *(container.end for container in pod.containers)):
            self._loop.cancel(timer)
        self.machine.end_sandbox(pod)
        del self.pods[pod.record.uid]

    def _record(self, pod: LocalPod, reason: str, container: Container | None = None) -> None:
        if pod.record.terminal:
            return
        happening = Happening(reason, pod.record, self._loop.now, container.spec.name if container else None)
        if self.online:
            self._api.record(f"kubelet/{self.name}", happening)
        else:
            self._held.append(happening)

    # --- the work: one step of one pod after the other ---------------------------------------------------------------

    def poke(self, pod: LocalPod) -> None:
        """Arm the next step of a pod, if there is something to do and somebody to do it."""
        if pod.worker is None and not self.stopped and self._steps(pod):
            pod.worker = self._loop.later("work", partial(self._work, pod))

    def _work(self, pod: LocalPod) -> None:
        pod.worker = None
        if self.stopped:
            return
        if steps := self._steps(pod):
            self._loop.rng.choice(steps)()
            self._touch(pod)
        self.poke(pod)

    def _steps(self, pod: LocalPod) -> list[Callable[[], None]]:
        """What can be done next: what happened is noticed first, then containers are created and started."""
        if notices := self._notices(pod):
            return notices
        if self._is_ended_by_disk(pod):
            return []
        steps = [self._step(pod, index) for index in range(len(pod.containers))]
        return [step for step in steps if step is not None]

    def _notices(self, pod: LocalPod) -> list[Callable[[], None]]:
        ended = [container for container in pod.containers if not container.noticed]
        if not ended and self._has_unnoticed_disk(pod):
            return [partial(self._notice_disk, pod)]
        if not ended and self._has_unnoticed_sandbox(pod):
            return [partial(self._notice_sandbox, pod)]
        return [partial(self._notice_end, pod, container) for container in ended]

    def _step(self, pod: LocalPod, index: int) -> Callable[[], None] | None:
        container = pod.containers[index]
        if container.state == "terminated":
            return partial(self._restart, pod, index) if self._restarts(pod, container) else None
        if container.state == "running":
            return None
        if container.instance is not None:
            return partial(self._start, pod, container)
        # Containers are started one after the other.
        first = index == 0 or pod.containers[index - 1].begun
        return partial(self._create, pod, container) if first else None

    def _create(self, pod: LocalPod, container: Container) -> None:
        self.machine.make_sandbox(pod)
        container.instance = self._api.new_id("container")
        self._record(pod, "created", container)

    def _start(self, pod: LocalPod, container: Container) -> None:
        self.machine.make_sandbox(pod)
        self._record(pod, "started", container)
        self.machine.start(pod, container)

    def _restart(self, pod: LocalPod, index: int) -> None:
        pod.containers[index] = self._next(pod.containers[index])
        self._create(pod, pod.containers[index])

    def _next(self, ended: Container) -> Container:
        return ended.next_incarnation()

    def _restarts(self, pod: LocalPod, container: Container) -> bool:
        """Whether the policy restarts an ended container."""
        return self.restarts[pod.record.spec.policy, self.end_of(container)]

    def end_of(self, container: Container) -> End:
        """How an ended container ended (seed.md L288, L307; v0.17.0.md RESTART-4, CSTATE-6)."""
        if container.killer:
            return container.killer
        if container.oom and (self._api.dialect.oom_is_failure or container.exit_code != 0):
            return "out-of-memory"
        if container.exit_code == KILLED:
            return "kill"
        return "failure" if container.exit_code else "success"

    def _notice_end(self, pod: LocalPod, container: Container) -> None:
        """Record how a container ended; an end for want of memory under Never also as an error (seed.md L312)."""
        container.noticed = True
        if not self._api.dialect.exit_events:
            return
        end = self.end_of(container)
        self.tell(pod, self.events[end], container)
        if end == "out-of-memory" and pod.record.spec.policy == "Never":
            self.tell(pod, "error", container)

    def tell(self, pod: LocalPod, reason: str, container: Container | None = None) -> None:
        """Record an event that the document demands."""
        self._record(pod, reason, container)

    def _has_unnoticed_disk(self, pod: LocalPod) -> bool:
        return pod.record.uid in self._api.broken_disks and not pod.disk_dead

    def _has_unnoticed_sandbox(self, pod: LocalPod) -> bool:
        return pod.sandbox_dead

    def _is_ended_by_disk(self, pod: LocalPod) -> bool:
        return pod.disk_dead

    def disk_changed(self, uid: str) -> None:
        """The disk of a pod here has filled up, died, or works again."""
        if pod := self.pods.get(uid):
            self.machine.disk_changed(pod)
            self.poke(pod)

    def _notice_disk(self, pod: LocalPod) -> None:
        """A disk has died: kill all containers, record it, and the pod is Failed (seed.md L313-L316)."""
        pod.disk_dead = True
        for container in pod.running:
            self.machine.stop(container, KILLED)
            self._record(pod, "killing", container)
        self.tell(pod, "disk-died")

    def _notice_sandbox(self, pod: LocalPod) -> None:
        """The sandbox has died: end what ran in it. What is started again gets a new one (v0.17.0.md RESTART-5)."""
        pod.sandbox_dead = False
        self._end_running(pod, "death-of-sandbox")
        self.machine.end_sandbox(pod)

    # --- the status --------------------------------------------------------------------------------------------------

    def _touch(self, pod: LocalPod) -> None:
        """Something has changed: arm a write of the status, unless one is armed."""
        if pod.sync is None and self.online:
            delay = self._loop.delay("status", True) if self._loop.timing.late_sampling else 0.0
            pod.sync = self._loop.after(delay, partial(self._sync, pod))

    def _sync(self, pod: LocalPod) -> None:
        """Write the status as it is at this moment. What it shows has been noticed, so its events were recorded."""
        pod.sync = None
        if not self.online:
            return
        while notices := self._notices(pod):
            notices[0]()
        phase = self.phase(pod)
        statuses = tuple(container.status(self._count(pod, container)) for container in pod.containers)
        self._api.write_status(pod.record, phase, statuses, pod.address or None)
        if phase in ("Succeeded", "Failed"):
            self._finish(pod)
        else:
            self.poke(pod)

    def _count(self, pod: LocalPod, container: Container) -> int:  # noqa: ARG002 - a wrong build looks at the pod
        """The restart count that the status shows."""
        return container.incarnation

    def phase(self, pod: LocalPod) -> str:
        """The phase of a pod (seed.md L258-L272; v0.17.0.md F-T1)."""
        if self._is_ended_by_disk(pod):
            return "Failed"
        policy = pod.record.spec.policy
        return self.phases[policy, frozenset(self.class_of(container) for container in pod.containers)]

    def class_of(self, container: Container) -> Class:
        """What a container counts as."""
        if container.state == "running":
            return "running"
        if container.state == "terminated":
            return "succeeded" if self.end_of(container) == "success" else "failed"
        return "running" if container.begun and self._api.dialect.restarting_is_running else "waiting"

    def _finish(self, pod: LocalPod) -> None:
        """A terminal phase is final: the pod is forgotten."""
        self._forget(pod)
