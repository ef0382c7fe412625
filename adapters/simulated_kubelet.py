"""The kubelet of one simulated machine: it looks after the pods and containers that run there.

The kubelet is level-triggered, as real ones are: it looks at what is and does one step at a time. So it catches up by
itself after it was stopped or cut off, with no special case for either.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from adapters.simulated_api import Api, Happening, PodRecord
from adapters.simulated_machine import KILLED, Container, LocalPod, Machine
from conformance.runtime import ContainerSeen, Policy

RESTARTS: dict[Policy, tuple[bool, bool]] = {
    "Always": (True, True),
    "OnFailure": (False, True),
    "Never": (False, False),
}
"""Whether a policy restarts a container after a normal and after an abnormal end (seed.md L284-L293)."""

FAULTY_RESTARTS: dict[str, tuple[Policy, tuple[bool, bool]]] = {
    "never-restarts-anyway": ("Never", (False, True)),
    "onfailure-restarts-success": ("OnFailure", (True, True)),
    "always-gives-up": ("Always", (False, True)),
    "onfailure-gives-up": ("OnFailure", (False, False)),
}
"""The row of `RESTARTS` that a fault replaces."""

REVIVAL = 10.0
"""After how many seconds the faulty build revives a pod: long enough for its end to be seen."""

Cut = Literal["", "inbound", "both"]
"""In which directions the network of a machine is cut off."""


class Kubelet:
    """The agent of one node, and the machine under it.

    ``cut``, ``stopped`` and ``dead`` say how the machine is; ``online`` whether the kubelet's reports reach the API.
    """

    def __init__(self, api: Api, name: str) -> None:
        self.name = name
        self.cut: Cut = ""
        self.stopped = False
        self.dead = False
        self.online = True
        self.pods: dict[str, LocalPod] = {}
        self.buried: dict[str, LocalPod] = {}
        """What a wrong build keeps of the pods that are over."""
        self.machine = Machine(api, name, self.end_container)
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
                self._end_running(pod, "kubelet")
            elif self._api.has_fault("counts-kubelet-restarts"):
                self._count_running(pod)
            self.poke(pod)

    def _end_running(self, pod: LocalPod, killer: Literal["kubelet", "sandbox"]) -> None:
        """Kill what runs of a pod: an abnormal end like any other."""
        for container in pod.running:
            self._record(pod, "killing", container)
            self.machine.stop(container, KILLED)
            container.killer, container.noticed = killer, False

    @staticmethod
    def _count_running(pod: LocalPod) -> None:
        for container in pod.running:
            container.incarnation += 1

    def die(self) -> None:
        """The machine ends for good, and all that ran there with it."""
        self.dead = True
        self.online = False
        for pod in list(self.pods.values()):
            self._forget(pod)

    def end_container(self, pod: LocalPod, container: Container, code: int, oom: bool = False) -> None:
        """The process of a running container ends; it takes a kubelet to find out."""
        if oom and self._api.has_fault("oom-is-success"):
            code, oom = 0, False
        if self.stopped and self._api.has_fault("misses-ends-while-down"):
            self._loop.cancel(container.end)
            return
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
            if self._api.has_fault("returns-with-restarts"):
                self._end_running(pod, "kubelet")
                self.poke(pod)
            self._touch(pod)

    def _watch(self, record: PodRecord) -> None:
        if self._is_new(record) or (record.uid in self.pods and self._is_over(record)):
            self._loop.later("read", self._read)

    def _is_new(self, record: PodRecord) -> bool:
        mine = record.node == self.name and record.uid not in self.pods
        return mine and not record.gone and not record.terminal

    def _is_over(self, record: PodRecord) -> bool:
        marked = record.terminal and not self._api.has_fault("revives-lost-pods")
        return record.gone or marked or record.node not in (None, self.name)

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
        if pod.disk_dead and not self._api.has_fault("restarts-after-disk-death"):
            return []
        steps = [self._step(pod, index) for index in range(len(pod.containers))]
        return [step for step in steps if step is not None]

    def _notices(self, pod: LocalPod) -> list[Callable[[], None]]:
        ended = [container for container in pod.containers if not container.noticed]
        if not ended and self._has_unnoticed_disk(pod):
            return [partial(self._notice_disk, pod)]
        if not ended and pod.sandbox_dead and not self._api.has_fault("ignores-dead-sandbox"):
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
        if container.instance is None or not self._api.has_fault("reuses-instance"):
            container.instance = self._api.new_id("container")
        self._record(pod, "created", container)

    def _start(self, pod: LocalPod, container: Container) -> None:
        self.machine.make_sandbox(pod)
        self._record(pod, "started", container)
        self.machine.start(pod, container)

    def _restart(self, pod: LocalPod, index: int) -> None:
        ended = pod.containers[index]
        uncounted = ended.killer == "kubelet" and self._api.has_fault("forgets-kubelet-kills")
        pod.containers[index] = ended.next_incarnation(0 if uncounted else 1)
        if self._api.has_fault("restart-empties-volume"):
            pod.files.clear()
        self._create(pod, pod.containers[index])

    def _restarts(self, pod: LocalPod, container: Container) -> bool:
        """Whether the policy restarts an ended container (seed.md L284-L293, L309-L312). Who ended it is all one."""
        if container.killer == "engine" and self._api.has_fault("engine-kill-is-final"):
            return False
        if container.killer == "sandbox" and self._api.has_fault("restarts-after-sandbox-death"):
            return True
        policy = pod.record.spec.policy
        row = RESTARTS[policy]
        for fault, (faulty_policy, faulty_row) in FAULTY_RESTARTS.items():
            if self._api.has_fault(fault) and policy == faulty_policy:
                row = faulty_row
        after_normal, after_abnormal = row
        return after_abnormal if self._has_failed(container) else after_normal

    def _has_failed(self, container: Container) -> bool:
        """Whether an ended container ended abnormally (seed.md L288, L307; v0.17.0.md RESTART-4, CSTATE-6)."""
        oom_counts = self._api.dialect.oom_is_failure and not self._api.has_fault("oom-with-0-is-success")
        return container.exit_code != 0 or (container.oom and oom_counts)

    def _notice_end(self, pod: LocalPod, container: Container) -> None:
        """Record how a container ended (seed.md L283, L289, L308, L312)."""
        container.noticed = True
        if not self._api.dialect.exit_events:
            return
        for reason, fault in self._reasons(pod, container):
            if not self._api.has_fault(fault):
                self._record(pod, reason, container)

    def _reasons(self, pod: LocalPod, container: Container) -> list[tuple[str, str]]:
        """The events of a container's end, each with the fault that forgets it."""
        if container.oom and pod.record.spec.policy == "Never":
            return [("out-of-memory", "forgets-oom-event"), ("error", "forgets-error-event")]
        if container.oom:
            return [("out-of-memory", "forgets-oom-event")]
        if container.exit_code != 0:
            return [("failed", "forgets-failed-event")]
        return [("completed", "forgets-completed-event")]

    def _has_unnoticed_disk(self, pod: LocalPod) -> bool:
        broken = pod.record.uid in self._api.broken_disks and not pod.disk_dead
        return broken and not self._api.has_fault("ignores-dead-disk")

    def _notice_disk(self, pod: LocalPod) -> None:
        """A disk has died: kill all containers, record it, and the pod is Failed (seed.md L313-L316)."""
        pod.disk_dead = True
        for container in pod.running:
            self.machine.stop(container, KILLED)
            self._record(pod, "killing", container)
        if not self._api.has_fault("forgets-disk-event"):
            self._record(pod, "disk-died")

    def _notice_sandbox(self, pod: LocalPod) -> None:
        """The sandbox has died: end what ran in it. What is started again gets a new one (v0.17.0.md RESTART-5)."""
        pod.sandbox_dead = False
        self._end_running(pod, "sandbox")
        self.machine.end_sandbox(pod)
        if self._api.has_fault("keeps-dead-sandbox"):
            pod.address = ""

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
        statuses = tuple(self._status(container) for container in pod.containers)
        self._api.write_status(pod.record, phase, statuses, pod.address or None)
        if phase in ("Succeeded", "Failed"):
            self._finish(pod)
        else:
            self.poke(pod)

    def _status(self, container: Container) -> ContainerSeen:
        restarts = container.incarnation
        if self._api.has_fault("forgets-restart-count"):
            restarts = 0
        if self._api.has_fault("counts-backwards") and restarts >= 2:
            restarts -= 2
        return container.status(restarts)

    def phase(self, pod: LocalPod) -> str:
        """The phase of a pod (seed.md L258-L272; v0.17.0.md F-T1)."""
        if pod.disk_dead and not self._api.has_fault("restarts-after-disk-death"):
            return "Failed"
        if self._is_pending(pod):
            return "Pending"
        if any(container.state != "terminated" or self._restarts(pod, container) for container in pod.containers):
            return "Running"
        failed = [self._has_failed(container) for container in pod.containers]
        has_failed = all(failed) if self._api.has_fault("failed-needs-all") else any(failed)
        return "Failed" if has_failed else "Succeeded"

    def _is_pending(self, pod: LocalPod) -> bool:
        if self._api.has_fault("running-too-early"):
            return False
        restarting_counts = not self._api.dialect.restarting_is_running
        if restarting_counts or self._api.has_fault("pending-while-restarting"):
            return any(container.state == "waiting" for container in pod.containers)
        return any(not container.begun for container in pod.containers)

    def _finish(self, pod: LocalPod) -> None:
        """A terminal phase is final: the pod is forgotten."""
        self._forget(pod)
        if self._api.has_fault("revives-terminal") and not pod.revived:
            pod.revived = True
            self._loop.after(REVIVAL, partial(self.revive, pod))
        if self._api.has_fault("mended-disk-revives"):
            self.buried[pod.record.uid] = pod

    def revive(self, pod: LocalPod) -> None:
        """Start the containers of a pod that is over again, as only a wrong build does."""
        if pod.record.gone or self.dead:
            return
        self.pods[pod.record.uid] = pod
        pod.worker = pod.sync = None
        pod.disk_dead = False
        self._api.broken_disks.discard(pod.record.uid)
        for index in range(len(pod.containers)):
            self._restart(pod, index)
        self.poke(pod)
        self._touch(pod)
