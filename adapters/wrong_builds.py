"""The deliberately wrong builds of the simulator: in each of them one part decides one thing wrongly.

A suite that misses one of them has a hole. Each is a small wrong decision that a real runtime could make, or has made
(then the issue of Kubernetes is named). Those that turn one cell of the simulator's own tables are generated from these
tables; the others are subclasses of the part that errs. Beside it stands what it breaks (`WrongBuild.topic`): a build
that is failed for something else is not found out, it was unlucky.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import TypeVar

import msgspec

from adapters.simulated_api import Api, ControllerRecord, Network, NodeRecord, PodRecord
from adapters.simulated_controllers import NodeController, Reaper, ReplicationController, Scheduler
from adapters.simulated_kubelet import CLASSES, ENDS, EVENTS, PHASES, RESTARTS, Class, Classes, End, Kubelet
from adapters.simulated_machine import KILLED, Container, Killer, LocalPod, Machine
from conformance.runtime import ConditionStatus, ControllerSpec, MachineList, PodSpec, Policy, WrongBuild

SEED, CODE = ("seed",), ("v0.17.0",)
BOTH = (*SEED, *CODE)
"""The profiles under which something is wrong."""

FAULTS: dict[str, WrongBuild] = {}
REPLACED: dict[str, tuple[type, ...]] = {}
"""By name, what is wrong with a build, and its parts that are not the right ones."""

MOMENT = 10.0
"""Seconds after which a wrong build does something that comes too late: long enough for what was before to be seen."""

Part = TypeVar("Part", bound=type)


def wrong(
    name: str, what: str, *topic: str, profiles: tuple[str, ...] = BOTH, beside: tuple[type, ...] = (),
    among: dict[str, WrongBuild] = FAULTS,
) -> Callable[[Part], Part]:  # fmt: skip
    """The class is the part that errs in the wrong build ``name``, with those ``beside`` it. ``topic``: what it breaks,
    as in `WrongBuild`."""

    def register(part: Part) -> Part:
        among[name] = WrongBuild(what, topic, profiles)
        REPLACED[name] = (part, *beside)
        return part

    return register


# --- cells of the restart table -------------------------------------------------------------------------------------

FAILURE = ("pod.restart.failure.{}", "pod.restart.one-of-two.{}", "pod.restart.both-of-two.{}")
TOPIC_OF_END: dict[End, tuple[str, ...]] = dict.fromkeys(ENDS, FAILURE) | {
    "success": ("pod.restart.success.{}",),
    "out-of-memory": ("pod.restart.oom.{}",),
    "death-of-sandbox": (*FAILURE, "pod.restart.sandbox-died"),
}


def _turn_restart(policy: Policy, end: End) -> None:
    restarts = RESTARTS[policy, end]
    topic = [rule.format(policy.lower()) for rule in TOPIC_OF_END[end]]
    name = f"{policy.lower()}-{'gives-up' if restarts else 'restarts'}-after-{end}"
    what = f"{policy} {'does not restart' if restarts else 'restarts'} a container after: {end.replace('-', ' ')}"
    wrong(name, what, *topic)(type(name, (Kubelet,), {"restarts": RESTARTS | {(policy, end): not restarts}}))


for _cell in RESTARTS:
    _turn_restart(*_cell)

# --- cells of the phase table ---------------------------------------------------------------------------------------

TOPIC_OF_CLASS = {
    "waiting": ("pod.phase.pending", "pod.phase.waiting-wins"),
    "running": ("pod.phase.running", "pod.phase.some-run", "pod.restart.one-of-two.never"),
    "failed": ("pod.phase.failed", "pod.phase.some-failed", "pod.phase.onfailure-never-failed",
               "pod.restart.failure.{}", "pod.restart.both-of-two.{}"),
    "succeeded": ("pod.phase.succeeded", "pod.phase.all-succeeded", "pod.phase.always-never-succeeded",
                  "pod.restart.success.{}"),
}  # fmt: skip
"""What is said of a pod of which a container is in this class, and none in a class before it."""


def _turn_phase(policy: Policy, classes: Classes, mistaken: str) -> None:
    members = [one for one in CLASSES if one in classes]
    name = f"{policy.lower()}-{'-and-'.join(members)}-is-{mistaken.lower()}"
    right = PHASES[policy, classes]
    what = f"under {policy} a pod of which containers are {', '.join(members)} is {mistaken}, not {right}"
    topic = next(rules for one, rules in TOPIC_OF_CLASS.items() if one in classes)
    phases = PHASES | {(policy, classes): mistaken}
    wrong(name, what, *(rule.format(policy.lower()) for rule in topic))(type(name, (Kubelet,), {"phases": phases}))


for _row, _right in PHASES.items():
    for _mistaken in sorted(set(PHASES.values()) - {_right}):
        _turn_phase(*_row, _mistaken)


@wrong("running-too-early", "a pod is Running although one of its containers has never started",
       "pod.phase.pending", "pod.phase.waiting-wins")  # fmt: skip
class RunningTooEarly(Kubelet):
    phases = PHASES | {(policy, classes): "Running" for policy, classes in PHASES if "waiting" in classes}


@wrong("pending-while-restarting", "a pod is Pending while a container restarts", "pod.phase.running", profiles=SEED)
class PendingWhileRestarting(Kubelet):
    def class_of(self, container: Container) -> Class:
        return "waiting" if container.state == "waiting" else super().class_of(container)


@wrong("pending-when-its-kubelet-returns", "a pod is Pending once more when its kubelet has been replaced",
       "pod.phase.running", "pod.phase.some-run")  # fmt: skip
class PendingWhenItsKubeletReturns(Kubelet):
    @cached_property
    def _unlooked(self) -> set[str]:
        return set()

    def start(self, clean: bool) -> None:
        self._unlooked = set(self.pods)
        super().start(clean)

    def phase(self, pod: LocalPod) -> str:
        if pod.record.uid not in self._unlooked:
            return super().phase(pod)
        self._unlooked.discard(pod.record.uid)
        return "Pending"


# --- events ---------------------------------------------------------------------------------------------------------

RULE_OF_EVENT = {
    "completed": "pod.event.completed",
    "failed": "pod.event.failed",
    "out-of-memory": "pod.event.out-of-memory",
    "error": "pod.event.oom-error",
    "disk-died": "pod.event.disk-died",
}


def _forget(reason: str) -> None:
    @wrong(f"forgets-{reason}-event", f"no event '{reason}' is recorded", RULE_OF_EVENT[reason], profiles=SEED)
    class Forgets(Kubelet):
        def tell(self, pod: LocalPod, what: str, container: Container | None = None) -> None:
            if what != reason:
                super().tell(pod, what, container)


def _double(reason: str) -> None:
    @wrong(f"doubles-{reason}-event", f"the event '{reason}' is recorded twice", RULE_OF_EVENT[reason], profiles=SEED)
    class Doubles(Kubelet):
        def tell(self, pod: LocalPod, what: str, container: Container | None = None) -> None:
            for _ in range(1 + (what == reason)):
                super().tell(pod, what, container)


def _misplace(reason: str) -> None:
    @wrong(f"{reason}-event-of-another-container", f"the event '{reason}' is recorded of another container of the pod",
           RULE_OF_EVENT[reason], profiles=SEED)  # fmt: skip
    class Misplaces(Kubelet):
        def tell(self, pod: LocalPod, what: str, container: Container | None = None) -> None:
            others = [other for other in pod.containers if other is not container]
            if what == reason and container and others:
                container = others[0]
            super().tell(pod, what, container)


def _mistake(reason: str, mistaken: str) -> None:
    name, what = f"tells-{mistaken}-for-{reason}", f"the event '{mistaken}' is recorded where '{reason}' should be"
    events = {end: mistaken if event == reason else event for end, event in EVENTS.items()}
    wrong(name, what, RULE_OF_EVENT[reason], profiles=SEED)(type(name, (Kubelet,), {"events": events}))


for _reason in RULE_OF_EVENT:
    _forget(_reason)
    _double(_reason)
for _reason in EVENTS.values():
    if f"{_reason}-event-of-another-container" not in FAULTS:
        _misplace(_reason)
_mistake("completed", "failed")
_mistake("failed", "completed")
_mistake("out-of-memory", "failed")

# --- ends and restarts ----------------------------------------------------------------------------------------------


@wrong("oom-is-success", "a container that ran out of memory counts as having exited 0", "pod.restart.oom",
       "history.workload.done")  # fmt: skip
class OomIsSuccess(Kubelet):
    def end_container(self, pod: LocalPod, container: Container, code: int, oom: bool = False) -> None:
        super().end_container(pod, container, 0 if oom else code)


@wrong("oom-with-0-is-success", "a container that was out of memory and exited 0 counts as successful",
       "pod.restart.oom", profiles=SEED)  # fmt: skip
class OomWith0IsSuccess(Kubelet):
    def end_of(self, container: Container) -> End:
        return "success" if container.exit_code == 0 else super().end_of(container)


@wrong("oom-with-0-is-failure", "a container that was out of memory and exited 0 counts as failed",
       "pod.restart.oom-exit-code", "pod.restart.success", "pod.phase.succeeded", "pod.phase.all-succeeded",
       profiles=CODE)  # fmt: skip
class OomWith0IsFailure(Kubelet):
    def end_of(self, container: Container) -> End:
        return "out-of-memory" if container.oom else super().end_of(container)


@wrong("end-while-down-is-success", "the exit code of a container that ends while its kubelet is down is lost, and 0 "
       "is assumed (kubernetes 111744, 90636)", "history.workload.done", "pod.restart.failure")  # fmt: skip
class EndWhileDownIsSuccess(Kubelet):
    def end_container(self, pod: LocalPod, container: Container, code: int, oom: bool = False) -> None:
        super().end_container(pod, container, 0 if self.stopped else code, oom and not self.stopped)


@wrong("misses-ends-while-down", "a container that ends while its kubelet is down is taken to run for ever",
       "pod.restart.failure")  # fmt: skip
class MissesEndsWhileDown(Kubelet):
    def end_container(self, pod: LocalPod, container: Container, code: int, oom: bool = False) -> None:
        if self.stopped:
            self._loop.cancel(container.end)
        else:
            super().end_container(pod, container, code, oom)


@wrong("restarts-all-containers", "with a container all others of its pod are restarted", "pod.container.healthy-kept",
       "pod.restart.one-of-two")  # fmt: skip
class RestartsAllContainers(Kubelet):
    def _restart(self, pod: LocalPod, index: int) -> None:
        for other in pod.running:
            self.machine.stop(other, KILLED)
            other.noticed = False
        super()._restart(pod, index)


@wrong("returns-with-restarts", "a node that comes back ends what runs there and starts it again",
       "pod.partition.waits", "pod.partition.back-in-time")  # fmt: skip
class ReturnsWithRestarts(Kubelet):
    def _come_online(self) -> None:
        returns = self._sends and not self.online
        super()._come_online()
        if returns:
            for pod in self.pods.values():
                self._end_running(pod, "restart-of-kubelet")
                self.poke(pod)


# --- a kubelet that is replaced -------------------------------------------------------------------------------------


@wrong("new-kubelet-reruns-ended-containers", "a kubelet that is replaced starts once more what has ended for good "
       "(kubernetes 51142)", "pod.restart.success.never", "pod.restart.failure.never", "pod.restart.success.onfailure",
       "pod.restart.one-of-two.never")  # fmt: skip
class NewKubeletRerunsEndedContainers(Kubelet):
    def start(self, clean: bool) -> None:
        super().start(clean)
        for pod in self.pods.values():
            for index, container in enumerate(pod.containers):
                if container.state == "terminated":
                    self._restart(pod, index)
            self.poke(pod)


@wrong("new-kubelet-forgets-starting-pods", "a kubelet that is replaced starts nothing more of a pod that does not run "
       "yet (kubernetes 118321)", "pod.phase.running", "pod.phase.some-run",
       "pod.container.start-never-ran")  # fmt: skip
class NewKubeletForgetsStartingPods(Kubelet):
    @cached_property
    def _left_out(self) -> set[str]:
        return set()

    def start(self, clean: bool) -> None:
        self._left_out = {uid for uid, pod in self.pods.items() if not all(one.begun for one in pod.containers)}
        super().start(clean)

    def _steps(self, pod: LocalPod) -> list[Callable[[], None]]:
        return [] if pod.record.uid in self._left_out else super()._steps(pod)


@wrong("new-kubelet-fails-running-pods", "a kubelet that is replaced refuses the pods that run there "
       "(kubernetes 123859)", "pod.phase.running", "pod.phase.some-run", "pod.partition.waits",
       "pod.partition.back-in-time")  # fmt: skip
class NewKubeletFailsRunningPods(Kubelet):
    @cached_property
    def _refused(self) -> set[str]:
        return set()

    def start(self, clean: bool) -> None:
        self._refused = set(self.pods)
        super().start(clean)

    def phase(self, pod: LocalPod) -> str:
        return "Failed" if pod.record.uid in self._refused else super().phase(pod)


# --- the restart count ----------------------------------------------------------------------------------------------

COUNTED = ("pod.restart.counted", "pod.restart.count-reconstructed")


@wrong("forgets-restart-count", "the restart count stays 0", *COUNTED)
class ForgetsRestartCount(Kubelet):
    def _count(self, pod: LocalPod, container: Container) -> int:
        return 0


@wrong("counts-backwards", "the restart count is 0 again at the third incarnation (kubernetes 13103)", *COUNTED)
class CountsBackwards(Kubelet):
    def _count(self, pod: LocalPod, container: Container) -> int:
        return container.incarnation - 2 * (container.incarnation >= 2)


@wrong("doubles-restart-count", "every restart is counted twice", *COUNTED)
class DoublesRestartCount(Kubelet):
    def _count(self, pod: LocalPod, container: Container) -> int:
        return 2 * container.incarnation


@wrong("counts-for-the-pod", "the restart count of a container is that of all containers of its pod", *COUNTED)
class CountsForThePod(Kubelet):
    def _count(self, pod: LocalPod, container: Container) -> int:
        return sum(one.incarnation for one in pod.containers)


@wrong("stops-counting", "no restart after the second one is counted", *COUNTED)
class StopsCounting(Kubelet):
    def _count(self, pod: LocalPod, container: Container) -> int:
        return min(container.incarnation, 2)


class Resetting(Kubelet):
    @cached_property
    def _before(self) -> dict[tuple[str, str], int]:
        return {}

    def _reset(self, pod: LocalPod) -> None:
        for container in pod.containers:
            self._before[pod.record.uid, container.spec.name] = container.incarnation

    def _count(self, pod: LocalPod, container: Container) -> int:
        return container.incarnation - self._before.get((pod.record.uid, container.spec.name), 0)


@wrong("kubelet-resets-restart-count", "a kubelet that is replaced begins to count from 0 again (kubernetes 13320)",
       *COUNTED)  # fmt: skip
class KubeletResetsRestartCount(Resetting):
    def start(self, clean: bool) -> None:
        for pod in self.pods.values():
            self._reset(pod)
        super().start(clean)


@wrong("sandbox-resets-restart-count", "in a new sandbox restarts are counted from 0 again", *COUNTED)
class SandboxResetsRestartCount(Resetting):
    def _notice_sandbox(self, pod: LocalPod) -> None:
        self._reset(pod)
        super()._notice_sandbox(pod)


def _uncounted(end: End) -> None:
    @wrong(f"forgets-restart-after-{end}", f"what is restarted after this is not counted: {end.replace('-', ' ')} "
           "(kubernetes 19302)", *COUNTED)  # fmt: skip
    class Uncounted(Kubelet):
        def _next(self, ended: Container) -> Container:
            return ended.next_incarnation(0 if self.end_of(ended) == end else 1)


for _end in ENDS:
    _uncounted(_end)


@wrong(
    "counts-kubelet-restarts", "a container that runs on while its kubelet is replaced counts as restarted", *COUNTED
)
class CountsKubeletRestarts(Kubelet):
    def start(self, clean: bool) -> None:
        for pod in self.pods.values():
            for container in [] if clean else pod.running:
                container.incarnation += 1
        super().start(clean)


@wrong("reuses-instance", "a restarted container keeps the id of its first incarnation", *COUNTED,
       "pod.restart.new-container")  # fmt: skip
class ReusesInstance(Kubelet):
    def _create(self, pod: LocalPod, container: Container) -> None:
        before = container.instance
        super()._create(pod, container)
        container.instance = before or container.instance


# --- terminal phases ------------------------------------------------------------------------------------------------

FINAL = ("pod.phase.terminal", "pod.phase.final")


class NothingIsFinal(Api):
    def is_final(self, pod: PodRecord) -> bool:
        return False


class Reviving(Kubelet):
    def revive(self, pod: LocalPod) -> None:
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


@wrong("revives-terminal", "the containers of a Succeeded or Failed pod are started again (kubernetes 105358)", *FINAL,
       beside=(NothingIsFinal,))  # fmt: skip
class RevivesTerminal(Reviving):
    @cached_property
    def _revived(self) -> set[str]:
        return set()

    def _finish(self, pod: LocalPod) -> None:
        super()._finish(pod)
        if pod.record.uid not in self._revived:
            self._revived.add(pod.record.uid)
            self._loop.after(MOMENT, partial(self.revive, pod))


@wrong("new-kubelet-revives-terminal", "a kubelet that is replaced starts the containers of pods that are over once "
       "more (kubernetes 7250)", *FINAL, beside=(NothingIsFinal,))  # fmt: skip
class NewKubeletRevivesTerminal(Reviving):
    @cached_property
    def _over(self) -> list[LocalPod]:
        return []

    def _finish(self, pod: LocalPod) -> None:
        super()._finish(pod)
        self._over.append(pod)

    def start(self, clean: bool) -> None:
        super().start(clean)
        for pod in self._over:
            self._loop.after(MOMENT, partial(self.revive, pod))


def _change(before: str, after: str, issue: str) -> None:
    name, what = f"{before.lower()}-becomes-{after.lower()}", f"a {before} pod is {after} later (kubernetes {issue})"

    @wrong(name, what, *FINAL, beside=(NothingIsFinal,))
    class Changes(Kubelet):
        def _finish(self, pod: LocalPod) -> None:
            super()._finish(pod)
            if self.phase(pod) == before:
                self._loop.after(MOMENT, partial(self._change, pod.record))

        def _change(self, record: PodRecord) -> None:
            self._api.write_status(record, after, record.containers or (), record.address)


_change("Succeeded", "Failed", "125410")
_change("Failed", "Succeeded", "58711")
_change("Succeeded", "Pending", "59228")
_change("Failed", "Running", "105358")


@wrong("revives-lost-pods", "a node that returns overwrites the Failed that its pods were marked with", *FINAL,
       profiles=SEED, beside=(NothingIsFinal,))  # fmt: skip
class RevivesLostPods(Kubelet):
    def _is_over(self, record: PodRecord) -> bool:
        return record.gone or record.node not in (None, self.name)


# --- disks ----------------------------------------------------------------------------------------------------------

DISK = ("pod.disk.failed", "pod.disk.kills")


@wrong("ignores-dead-disk", "nothing happens when a disk dies", *DISK, profiles=SEED)
class IgnoresDeadDisk(Kubelet):
    def _has_unnoticed_disk(self, pod: LocalPod) -> bool:
        return False


@wrong("restarts-after-disk-death", "the restart policy is applied to what the death of a disk has killed", *DISK,
       profiles=SEED)  # fmt: skip
class RestartsAfterDiskDeath(Kubelet):
    def _is_ended_by_disk(self, pod: LocalPod) -> bool:
        return False


@wrong("disk-death-spares-containers", "when a disk dies only the first container is killed", "pod.disk.kills",
       profiles=SEED)  # fmt: skip
class DiskDeathSparesContainers(Kubelet):
    def _notice_disk(self, pod: LocalPod) -> None:
        pod.disk_dead = True
        for container in pod.running[:1]:
            self.machine.stop(container, KILLED)
            self._record(pod, "killing", container)
        self.tell(pod, "disk-died")


@wrong("disk-death-is-success", "a pod whose disk dies is Succeeded", "pod.disk.failed", profiles=SEED)
class DiskDeathIsSuccess(Kubelet):
    def phase(self, pod: LocalPod) -> str:
        return "Succeeded" if pod.disk_dead else super().phase(pod)


@wrong("full-disk-fails-pod", "a full disk counts as a dead one", "pod.restart.failure", profiles=SEED)
class FullDiskFailsPod(Api):
    def fill_disk(self, pod: PodRecord) -> None:
        self.break_disk(pod)


@wrong("mended-disk-revives", "the containers of a pod whose disk died are started again when it is mended", *FINAL,
       profiles=SEED, beside=(NothingIsFinal,))  # fmt: skip
class MendedDiskRevives(Reviving):
    @cached_property
    def _buried(self) -> dict[str, LocalPod]:
        return {}

    def _finish(self, pod: LocalPod) -> None:
        super()._finish(pod)
        self._buried[pod.record.uid] = pod

    def disk_changed(self, uid: str) -> None:
        super().disk_changed(uid)
        if uid in self._buried and uid not in self._api.unusable_disks:
            self.revive(self._buried.pop(uid))


# --- what the containers of a pod share -----------------------------------------------------------------------------

LOCAL, ADDRESS = "pod.sharing.network", "pod.sharing.own-ip"
VOLUME, SURVIVES = "pod.sharing.volumes", ("pod.sharing.survives-restart", "pod.sharing.survives-sandbox")


@wrong("no-shared-localhost", "the containers of a pod do not reach one another on localhost", LOCAL)
class NoSharedLocalhost(Machine):
    def _answers_itself(self, pod: LocalPod, port: int) -> bool:
        return False


@wrong("pods-share-an-address", "all pods get the same address", ADDRESS, profiles=SEED)
class PodsShareAnAddress(Network):
    def new_address(self) -> str:
        return "10.0.0.1"


@wrong("pods-of-a-node-share-an-address", "all pods of a node get its address", ADDRESS, profiles=SEED)
class PodsOfANodeShareAnAddress(Machine):
    def make_sandbox(self, pod: LocalPod) -> None:
        if pod.address is None:
            pod.address = f"10.1.0.{sum(map(ord, self._name)) % 256}"
            self._api.network.join(pod.address, self._name, partial(self._listens, pod))


@wrong("pods-are-unreachable", "no pod is reached at its address", ADDRESS, profiles=SEED)
class PodsAreUnreachable(Machine):
    def _is_reached(self, host: str, port: int) -> bool:
        return False


@wrong("no-shared-volume", "each container has a volume of its own", VOLUME)
class NoSharedVolume(Machine):
    def _volume(self, container: Container) -> str:
        return container.spec.name


@wrong("restart-empties-volume", "what a container wrote to the volume is gone after its restart", *SURVIVES)
class RestartEmptiesVolume(Kubelet):
    def _restart(self, pod: LocalPod, index: int) -> None:
        pod.files.clear()
        super()._restart(pod, index)


@wrong("new-sandbox-empties-volume", "what the volume holds is gone when the sandbox has died", *SURVIVES)
class NewSandboxEmptiesVolume(Kubelet):
    def _notice_sandbox(self, pod: LocalPod) -> None:
        pod.files.clear()
        super()._notice_sandbox(pod)


@wrong("new-kubelet-empties-volume", "what the volume holds is gone when the kubelet is replaced", *SURVIVES)
class NewKubeletEmptiesVolume(Kubelet):
    def start(self, clean: bool) -> None:
        for pod in self.pods.values():
            pod.files.clear()
        super().start(clean)


@wrong("ignores-dead-sandbox", "nothing happens when the sandbox of a pod dies", "pod.restart.sandbox-died",
       "pod.restart.failure", LOCAL)  # fmt: skip
class IgnoresDeadSandbox(Kubelet):
    def _has_unnoticed_sandbox(self, pod: LocalPod) -> bool:
        return False


@wrong("dead-sandbox-spares-containers", "when the sandbox dies only the first container ends with it", LOCAL,
       "pod.restart.sandbox-died", "pod.restart.failure.never")  # fmt: skip
class DeadSandboxSparesContainers(Kubelet):
    def _end_running(self, pod: LocalPod, killer: Killer) -> None:
        spared = pod.running[1:] if killer == "death-of-sandbox" else []
        for container in spared:
            container.state = "waiting"
        super()._end_running(pod, killer)
        for container in spared:
            container.state = "running"


@wrong("keeps-dead-sandbox", "what is restarted after the sandbox died has no network", LOCAL)
class KeepsDeadSandbox(Kubelet):
    def _notice_sandbox(self, pod: LocalPod) -> None:
        super()._notice_sandbox(pod)
        pod.address = ""


# --- the scheduler --------------------------------------------------------------------------------------------------

CANDIDATE = ("pod.binding.candidate", "scheduler.candidate.ready")
BOUND = ("pod.binding.scheduler", "scheduler.retry.pending")


def _candidates(name: str, what: str, also: Callable[[NodeRecord], bool], *topic: str,
                profiles: tuple[str, ...] = BOTH) -> None:  # fmt: skip
    @wrong(name, what, *topic, profiles=profiles)
    class TakesOthers(Scheduler):
        def _is_candidate(self, node: NodeRecord) -> bool:
            return super()._is_candidate(node) or also(node)


_candidates("schedules-anywhere", "pods are bound to nodes that are not ready",
            lambda node: node.phase != "Terminated" and not node.unschedulable, *CANDIDATE)  # fmt: skip
_candidates("schedules-to-pending-node", "pods are bound to nodes that have not checked in",
            lambda node: node.phase == "Pending", *CANDIDATE, "scheduler.candidate.no-condition")  # fmt: skip
_candidates("schedules-to-unready-node", "pods are bound to nodes that are reachable and not ready",
            lambda node: node.phase == "Running" and node.reachable == "True", "pod.binding.candidate",
            profiles=SEED)  # fmt: skip
_candidates("schedules-to-silent-node", "pods are bound to nodes of which it is unknown whether they are ready",
            lambda node: node.phase == "Running" and node.ready == "Unknown", *CANDIDATE)  # fmt: skip
_candidates("schedules-to-ended-node", "pods are bound to Terminated nodes",
            lambda node: node.phase == "Terminated", "node.phase.terminated.refuses", "pod.binding.candidate",
            profiles=SEED)  # fmt: skip
_candidates("binds-to-cordoned-node", "pods are bound to nodes that are marked unschedulable",
            lambda node: node.usable, "scheduler.candidate.ready", profiles=CODE)  # fmt: skip


@wrong("never-schedules", "no pod is ever bound", *BOUND)
class NeverSchedules(Scheduler):
    def _is_candidate(self, node: NodeRecord) -> bool:
        return False


@wrong("schedules-once", "a pod for which there was no node when it came is never bound", *BOUND)
class SchedulesOnce(Scheduler):
    def _retry(self, _: NodeRecord) -> None:
        pass


@wrong("starts-before-bound", "containers run before the binding of their pod is recorded", "pod.binding.scheduler",
       "pod.phase.pending-before-binding", "pod.phase.pending")  # fmt: skip
class StartsBeforeBound(Scheduler):
    def _bind(self, pod: PodRecord, node: str) -> None:
        if not self._kubelets[node].online:
            super()._bind(pod, node)
            return
        self._queued.add(pod.uid)
        self._kubelets[node].accept(pod)
        self._api.loop.after(MOMENT, partial(self._record_binding, pod, node))

    def _record_binding(self, pod: PodRecord, node: str) -> None:
        self._queued.discard(pod.uid)
        if not pod.gone:
            super()._bind(pod, node)


@wrong("rebinds-waiting-pods", "a pod that does not run yet is bound again when another node is ready",
       "pod.binding.never-moved")  # fmt: skip
class RebindsWaitingPods(Scheduler):
    def _retry(self, node: NodeRecord) -> None:
        super()._retry(node)
        for pod in self._api.pods.values():
            if node.usable and pod.node not in (None, node.name) and pod.phase == "Pending" and not pod.owner:
                pod.node = node.name
                self._api.publish_pod(pod)


# --- what is known of a node ----------------------------------------------------------------------------------------

REACHABLE = ("node.condition.reachable", "node.condition.silent")
READY = ("node.condition.ready", "node.condition.ready-means", "node.condition.kubelet-writes")


@wrong("node-skips-pending", "a new node is Running at once", "node.phase.pending", profiles=SEED)
class NodeSkipsPending(NodeController):
    def _begin(self, node: NodeRecord) -> None:
        self._set_running(node)


@wrong("checks-in-unreached", "a node that cannot be reached is Running", "node.phase.pending", profiles=SEED)
class ChecksInUnreached(NodeController):
    def _check_in(self, node: NodeRecord) -> None:
        if node.phase == "Pending" and not node.gone:
            self._set_running(node)
            self.look(node)


@wrong("never-checks-in", "a node stays Pending", "node.phase.running", *READY)
class NeverChecksIn(NodeController):
    def _check_in(self, node: NodeRecord) -> None:
        pass


@wrong("node-becomes-pending-again", "a node that is lost is Pending again", "node.phase.running", "node.phase.pending",
       profiles=SEED)  # fmt: skip
class NodeBecomesPendingAgain(NodeController):
    def _watch(self, node: NodeRecord) -> None:
        super()._watch(node)
        if node.phase == "Running" and node.reachable == "False":
            node.phase, node.reachable, node.ready = "Pending", None, None
            self._api.publish_node(node)


@wrong("terminated-node-returns", "a Terminated node becomes Running again", "node.phase.terminated", profiles=SEED)
class TerminatedNodeReturns(NodeController):
    def _terminated(self, node: NodeRecord) -> None:
        super()._terminated(node)
        if not node.gone:
            self._api.loop.after(MOMENT, partial(self._set_running, node))


@wrong("drops-terminated-node", "the record of a node that ends is deleted", "node.phase.terminated", profiles=SEED)
class DropsTerminatedNode(NodeController):
    def _terminated(self, node: NodeRecord) -> None:
        super()._terminated(node)
        if not node.gone:
            self._api.delete_node(node)


@wrong("misses-end-of-node", "a node that ends is taken for one that is lost", "node.phase.terminated",
       "node.record.deleted")  # fmt: skip
class MissesEndOfNode(NodeController):
    def terminate(self, node: NodeRecord) -> None:
        self._kubelets[node.name].dead = False
        self._kubelets[node.name].stop()
        self.look(node)


@wrong("conditions-outside-running", "a Pending node shows conditions", "node.condition.only-running", profiles=SEED)
class ConditionsOutsideRunning(NodeController):
    def _begin(self, node: NodeRecord) -> None:
        node.reachable = node.ready = "True"
        super()._begin(node)


@wrong("terminated-node-keeps-conditions", "a Terminated node shows conditions", "node.condition.only-running",
       profiles=SEED)  # fmt: skip
class TerminatedNodeKeepsConditions(NodeController):
    def _terminated(self, node: NodeRecord) -> None:
        before = node.reachable, node.ready
        super()._terminated(node)
        node.reachable, node.ready = before
        self._api.publish_node(node)


@wrong("ready-means-reachable", "NodeReady stays True when the kubelet stops answering", *READY)
class ReadyMeansReachable(NodeController):
    def _readiness(self, kubelet: Kubelet) -> ConditionStatus:
        return "Unknown" if self._is_cut(kubelet) else "True"


@wrong("ready-though-cut", "NodeReady stays True when the node is cut off", *REACHABLE)
class ReadyThoughCut(NodeController):
    def _readiness(self, kubelet: Kubelet) -> ConditionStatus:
        return self._api.dialect.stopped_ready if kubelet.stopped else "True"


@wrong("never-ready", "NodeReady is False whatever the kubelet says", *READY)
class NeverReady(NodeController):
    def _readiness(self, kubelet: Kubelet) -> ConditionStatus:
        return "False"


@wrong("misses-cuts", "a node that is cut off is taken for reachable", *REACHABLE)
class MissesCuts(NodeController):
    def _is_cut(self, kubelet: Kubelet) -> bool:
        return False


@wrong("misses-one-way-cut", "a node that nothing reaches, but that still sends, is taken for reachable",
       "pod.partition.failed", "pod.life.node-lost", "pod.life.evicted")  # fmt: skip
class MissesOneWayCut(NodeController):
    def _is_cut(self, kubelet: Kubelet) -> bool:
        return kubelet.cut == "both"


@wrong("stopped-means-unreachable", "NodeReachable turns False when the kubelet stops answering",
       "node.condition.ready", profiles=SEED)  # fmt: skip
class StoppedMeansUnreachable(NodeController):
    def _is_cut(self, kubelet: Kubelet) -> bool:
        return kubelet.stopped or super()._is_cut(kubelet)


@wrong("cut-for-ever", "a node that was cut off once is never taken for reachable again", *REACHABLE,
       "node.condition.controller-writes", *READY)  # fmt: skip
class CutForEver(NodeController):
    @cached_property
    def _ever_cut(self) -> set[str]:
        return set()

    def _is_cut(self, kubelet: Kubelet) -> bool:
        if kubelet.cut:
            self._ever_cut.add(kubelet.name)
        return kubelet.name in self._ever_cut


# --- pods of nodes that are lost, or have ended ---------------------------------------------------------------------

GIVEN_UP = ("pod.partition.failed", "pod.life.node-lost", "pod.life.evicted", "pod.partition.all-pods")
WAITS = ("pod.partition.waits", "pod.partition.back-in-time")
DELETED = ("node.phase.terminated.pods-deleted", "nodecontroller.sync.delete-pods", "pod.life.dead-node-deletes")


@wrong("ignores-lost-node", "the pods of a lost node stay as they are", *GIVEN_UP)
class IgnoresLostNode(NodeController):
    def _lost(self, node: NodeRecord) -> None:
        pass


@wrong("deletes-lost-pods", "the pods of a lost node are deleted, not marked Failed", *GIVEN_UP, profiles=SEED)
class DeletesLostPods(NodeController):
    def _give_up(self, pod: PodRecord) -> None:
        self._api.delete_pod(pod)


@wrong("fails-lost-pods", "the pods of a lost node are marked Failed, not deleted", *GIVEN_UP, "pod.phase.some-run",
       profiles=CODE)  # fmt: skip
class FailsLostPods(NodeController):
    def _give_up(self, pod: PodRecord) -> None:
        pod.phase = "Failed"
        self._api.publish_pod(pod)


@wrong("moves-pods", "the pods of a lost node are bound to another node", "pod.binding.never-moved")
class MovesPods(NodeController):
    def _give_up(self, pod: PodRecord) -> None:
        others = [node.name for node in self._api.nodes.values() if node.usable]
        if others and not pod.terminal:
            pod.node = others[0]
            self._api.publish_pod(pod)


@wrong("fails-ended-pods", "the Succeeded pods of a lost node are marked Failed", *FINAL, profiles=SEED)
class FailsEndedPods(NodeController):
    def _give_up(self, pod: PodRecord) -> None:
        pod.phase = "Failed"
        self._api.publish_pod(pod)


def _spare(name: str, what: str, spares: Callable[[PodRecord], bool]) -> None:
    @wrong(name, what, *GIVEN_UP)
    class Spares(NodeController):
        def _give_up(self, pod: PodRecord) -> None:
            if not spares(pod):
                super()._give_up(pod)


def _has_restarted(pod: PodRecord) -> bool:
    return any(container.restarts for container in pod.containers or ())


_spare("spares-unstarted-pods", "the pods of a lost node that have not begun to run stay as they are",
       lambda pod: pod.phase == "Pending" and not _has_restarted(pod))  # fmt: skip
_spare("spares-restarting-pods", "the pods of a lost node whose containers have been restarted stay as they are",
       _has_restarted)  # fmt: skip


@wrong("gives-up-one-pod", "of the pods of a lost node only one is given up", *GIVEN_UP)
class GivesUpOnePod(NodeController):
    def _lost(self, node: NodeRecord) -> None:
        for pod in [pod for pod in self._api.pods_on(node.name) if not pod.terminal][:1]:
            self._give_up(pod)


@wrong("gives-up-at-once", "the pods of a node are given up as soon as it is found to be lost", *WAITS)
class GivesUpAtOnce(NodeController):
    def _patience(self, node: NodeRecord) -> float:
        return 0.0


@wrong("gives-up-half-way", "the pods of a lost node are given up after half of the time-out", *WAITS)
class GivesUpHalfWay(NodeController):
    def _patience(self, node: NodeRecord) -> float:
        return super()._patience(node) / 2


@wrong("keeps-old-time-out", "the time-out of a lost node goes on when the node is back", *WAITS)
class KeepsOldTimeOut(NodeController):
    def _stop_clock(self, name: str) -> None:
        if self._api.pods_on(name):
            self._time_outs.pop(name, None)
        else:
            super()._stop_clock(name)


@wrong("time-outs-add-up", "a node that was lost before is given up the sooner when it is lost again", *WAITS)
class TimeOutsAddUp(NodeController):
    @cached_property
    def _left(self) -> dict[str, float]:
        return {}

    def _patience(self, node: NodeRecord) -> float:
        return self._left.pop(node.name, None) or super()._patience(node)

    def _stop_clock(self, name: str) -> None:
        timer = self._time_outs.get(name)
        if timer and timer.live:
            self._left[name] = timer.time - self._api.loop.now
        super()._stop_clock(name)


@wrong("forgets-second-lost-node", "while one node is lost no other one is given up", *GIVEN_UP)
class ForgetsSecondLostNode(NodeController):
    def _start_clock(self, node: NodeRecord) -> None:
        if not any(timer.live for timer in self._time_outs.values()):
            super()._start_clock(node)


@wrong("restart-keeps-time-outs", "a node controller that is restarted goes on with the time-outs of the one before",
       "nodecontroller.health.restart-resets", profiles=CODE)  # fmt: skip
class RestartKeepsTimeOuts(NodeController):
    def restart(self) -> None:
        pass


@wrong("restart-forgets-lost-nodes", "a node controller that is restarted gives up no node that was lost before",
       *GIVEN_UP)  # fmt: skip
class RestartForgetsLostNodes(NodeController):
    def restart(self) -> None:
        for node in self._api.nodes.values():
            self._api.loop.cancel(self._time_outs.pop(node.name, None))


@wrong("restart-gives-up-at-once", "a node controller that is restarted gives up all nodes that are lost", *WAITS,
       "nodecontroller.health.restart-resets")  # fmt: skip
class RestartGivesUpAtOnce(NodeController):
    def restart(self) -> None:
        for node in self._api.nodes.values():
            if self._time_outs.get(node.name):
                self._lost(node)
        super().restart()


@wrong("keeps-pods-of-terminated-node", "the pods of a Terminated node stay as they are", *DELETED)
class KeepsPodsOfTerminatedNode(NodeController):
    def _delete_pods(self, node: NodeRecord) -> None:
        if node.phase != "Terminated":
            super()._delete_pods(node)


@wrong("fails-pods-of-terminated-node", "the pods of a Terminated node are marked Failed, not deleted", *DELETED)
class FailsPodsOfTerminatedNode(NodeController):
    def _delete_pods(self, node: NodeRecord) -> None:
        for pod in self._api.pods_on(node.name):
            pod.phase = "Failed"
            self._api.publish_pod(pod)


# --- what a person, or the cloud, says of nodes ---------------------------------------------------------------------


@wrong("cordon-evicts-pods", "the pods of a node that is marked unschedulable are deleted",
       "scheduler.candidate.pods-stay", profiles=CODE)  # fmt: skip
class CordonEvictsPods(NodeController):
    def cordon(self, node: NodeRecord, unschedulable: bool) -> None:
        super().cordon(node, unschedulable)
        if unschedulable:
            self._delete_pods(node)


@wrong("ignores-uncordon", "a node that was marked unschedulable stays so", *BOUND, profiles=CODE)
class IgnoresUncordon(NodeController):
    def cordon(self, node: NodeRecord, unschedulable: bool) -> None:
        super().cordon(node, True)


@wrong("deletes-pods-with-record", "with the record of a node that a person deletes its pods are deleted",
       "pod.life.record-deleted-by-hand", profiles=CODE)  # fmt: skip
class DeletesPodsWithRecord(NodeController):
    def delete(self, node: NodeRecord) -> None:
        super().delete(node)
        self._delete_pods(node)


@wrong("follows-with-sync-off", "the cloud's list is followed although --sync_nodes=false", "nodecontroller.sync.off",
       "nodecontroller.sync.start.off")  # fmt: skip
class FollowsWithSyncOff(NodeController):
    def take_list(self, listed: MachineList) -> None:
        super().take_list(msgspec.structs.replace(listed, sync=True))


@wrong("ignores-machines-flag", "the nodes that --machines names get no record", "nodecontroller.sync.machines",
       "nodecontroller.sync.start.static")  # fmt: skip
class IgnoresMachinesFlag(NodeController):
    def _register(self) -> None:
        pass


@wrong("registers-machines-again", "a record from --machines that was deleted by hand comes back",
       "nodecontroller.sync.static-once", profiles=CODE)  # fmt: skip
class RegistersMachinesAgain(NodeController):
    def _compare(self, node: NodeRecord | None = None) -> None:
        if node and node.gone and node.name in self._static:
            self._api.loop.later("controller", self._register)
        super()._compare(node)


def _lists(name: str, what: str, topic: str, change: Callable[[NodeController, set[str], set[str]], None],
           profiles: tuple[str, ...] = BOTH) -> None:  # fmt: skip
    """``change`` takes something out of the machines that lack a record, or of the records that lack a machine."""

    @wrong(name, what, topic, profiles=profiles)
    class Differs(NodeController):
        def _differences(self) -> tuple[list[str], list[str]]:
            missing, extra = map(set, super()._differences())
            change(self, missing, extra)
            return sorted(missing), sorted(extra)


def _without_new(controller: NodeController, missing: set[str], _: set[str]) -> None:
    if controller._api.nodes:
        missing.clear()


def _without_gone(controller: NodeController, _: set[str], extra: set[str]) -> None:
    extra -= {name for name in extra if controller._kubelets[name].dead}


def _without_hand_made(controller: NodeController, _: set[str], extra: set[str]) -> None:
    extra &= {name for name in extra if controller._kubelets[name].dead}


_lists("misses-new-machines", "a machine that the cloud lists later gets no record", "nodecontroller.sync.create",
       _without_new)  # fmt: skip
_lists("keeps-gone-machines", "the record of a machine that the cloud lists no more stays",
       "nodecontroller.sync.delete", _without_gone)  # fmt: skip
_lists("keeps-hand-made-nodes", "a record made by hand stays although the cloud does not list its machine",
       "nodecontroller.sync.by-hand-deleted", _without_hand_made, CODE)  # fmt: skip

# --- replication controllers ----------------------------------------------------------------------------------------

KEPT = "replication.count.kept"


def _keep(name: str, what: str, kept: Callable[[int], int]) -> None:
    @wrong(name, what, KEPT)
    class Keeps(ReplicationController):
        def _wanted(self, controller: ControllerRecord) -> int:
            return kept(super()._wanted(controller))


_keep("rc-one-too-many", "a replication controller keeps one pod more than it should", lambda wanted: wanted + 1)
_keep("rc-one-too-few", "a replication controller keeps one pod less than it should", lambda wanted: wanted - 1)
_keep("rc-never-empty", "a replication controller keeps one pod though it should keep none",
      lambda wanted: max(wanted, 1))  # fmt: skip


def _first(name: str, what: str, kept: Callable[[int, int], int]) -> None:
    """``kept``: how many pods are kept, of those that were wanted first and are wanted now."""

    @wrong(name, what, KEPT)
    class Remembers(ReplicationController):
        @cached_property
        def _first(self) -> dict[str, int]:
            return {}

        def _wanted(self, controller: ControllerRecord) -> int:
            wanted = super()._wanted(controller)
            return kept(self._first.setdefault(controller.uid, wanted), wanted)


_first("rc-ignores-scaling", "a replication controller goes on keeping as many pods as it was created with",
       lambda first, _: first)  # fmt: skip
_first("rc-never-grows", "a replication controller that is scaled up creates no pod", min)
_first("rc-never-shrinks", "a replication controller that is scaled down deletes no pod", max)


@wrong("rc-never-replaces", "a replication controller creates its pods once and replaces none", KEPT)
class RcNeverReplaces(ReplicationController):
    @cached_property
    def _filled(self) -> set[str]:
        return set()

    def _fill(self, controller: ControllerRecord, missing: int) -> None:
        if controller.uid not in self._filled:
            self._filled.add(controller.uid)
            super()._fill(controller, missing)


@wrong("rc-counts-ended", "pods that ended count for their replication controller", KEPT, "pod.disk.recreated",
       "pod.partition.recreated", profiles=SEED)  # fmt: skip
class RcCountsEnded(ReplicationController):
    def _active(self, controller: ControllerRecord) -> list[PodRecord]:
        return self._own(controller)


@wrong("rc-counts-only-running", "pods that do not run yet do not count for their replication controller", KEPT)
class RcCountsOnlyRunning(ReplicationController):
    def _active(self, controller: ControllerRecord) -> list[PodRecord]:
        return [pod for pod in super()._active(controller) if pod.phase == "Running"]


@wrong("rc-counts-strangers", "pods that a user created count for every replication controller", KEPT)
class RcCountsStrangers(ReplicationController):
    def _own(self, controller: ControllerRecord) -> list[PodRecord]:
        return super()._own(controller) + [pod for pod in self._api.pods.values() if pod.owner is None]


@wrong("rc-miscounts", "the record of a replication controller says one pod too many", "replication.count.status",
       profiles=CODE)  # fmt: skip
class RcMiscounts(ReplicationController):
    def _count(self, active: list[PodRecord]) -> int:
        return len(active) + 1


@wrong("rc-moves-pods", "a replication controller moves a pod that ended to another node instead of replacing it",
       "pod.binding.never-moved", profiles=SEED)  # fmt: skip
class RcMovesPods(ReplicationController):
    def _fill(self, controller: ControllerRecord, missing: int) -> None:
        usable = [node.name for node in self._api.nodes.values() if node.usable]
        for pod in self._own(controller):
            others = [name for name in usable if name != pod.node]
            if pod.terminal and others:
                pod.phase, pod.node = "Pending", others[0]
                self._api.publish_pod(pod)
                return
        super()._fill(controller, missing)


@wrong("rc-deletes-too-many", "a replication controller that is scaled down deletes one pod more than it should", KEPT)
class RcDeletesTooMany(ReplicationController):
    def _surplus(self, active: list[PodRecord], number: int) -> list[PodRecord]:
        return super()._surplus(active, number + 1) if number > 0 else []


@wrong("rc-deletes-running-first", "a replication controller that has too many pods deletes those that run first",
       "replication.count.surplus", profiles=CODE)  # fmt: skip
class RcDeletesRunningFirst(ReplicationController):
    def _surplus(self, active: list[PodRecord], number: int) -> list[PodRecord]:
        return super()._surplus(active, len(active))[::-1][: max(number, 0)]


@wrong("rc-fails-surplus", "a replication controller that has too many pods marks them Failed", "pod.phase.running",
       "pod.phase.some-run", KEPT, "replication.count.surplus")  # fmt: skip
class RcFailsSurplus(ReplicationController):
    def _remove(self, pod: PodRecord) -> None:
        pod.phase = "Failed"
        self._api.publish_pod(pod)


@wrong("rc-replaces-at-once", "pods whose node is not ready do not count for their replication controller", KEPT,
       "pod.life.not-by-itself", "replication.count.node-lost")  # fmt: skip
class RcReplacesAtOnce(ReplicationController):
    def __init__(self, api: Api) -> None:
        super().__init__(api)
        api.node_watchers.append(self._look)

    def _look(self, _: NodeRecord) -> None:
        for controller in self._api.controllers.values():
            self._enqueue(controller)

    def _active(self, controller: ControllerRecord) -> list[PodRecord]:
        nodes = self._api.nodes
        return [pod for pod in super()._active(controller) if pod.node not in nodes or nodes[pod.node].usable]


@wrong("rc-reuses-names", "a replication controller gives a new pod the name of one that is gone", KEPT,
       "replication.count.new-pod")  # fmt: skip
class RcReusesNames(ReplicationController):
    def _add_pod(self, spec: ControllerSpec) -> None:
        names = (f"{spec.name}-{number}" for number in range(len(self._api.pods) + 1))
        free = next(name for name in names if name not in self._api.pods)
        self._api.create_pod(PodSpec(free, spec.policy, spec.containers), spec.name)


@wrong("rc-accepts-any-policy", "a replication controller of pods under OnFailure or Never is accepted",
       "replication.template.always-only", profiles=CODE)  # fmt: skip
class RcAcceptsAnyPolicy(Api):
    def accepts_template(self, policy: Policy) -> bool:
        return True


# --- the end of a pod's life ----------------------------------------------------------------------------------------

STAYS = "pod.life.not-by-itself"
GONE = (STAYS, "pod.life.deleted-at-once")


@wrong("never-deletes", "a pod that a user deletes stays", *GONE)
class NeverDeletes(Api):
    def user_deletes(self, pod: PodRecord) -> None:
        pass


@wrong("deletion-waits-for-kubelet", "a pod whose node does not answer cannot be deleted", *GONE, profiles=SEED)
class DeletionWaitsForKubelet(Api):
    def user_deletes(self, pod: PodRecord) -> None:
        if pod.node not in self.nodes or self.nodes[pod.node].usable:
            super().user_deletes(pod)


@wrong("deletion-fails-pod", "a pod that a user deletes is marked Failed", *GONE, "pod.phase.running",
       "pod.phase.some-run")  # fmt: skip
class DeletionFailsPod(Api):
    def user_deletes(self, pod: PodRecord) -> None:
        pod.phase = "Failed"
        self.publish_pod(pod)


@wrong("deletes-neighbours", "with a pod that a user deletes another one of its node is deleted", STAYS)
class DeletesNeighbours(Api):
    def user_deletes(self, pod: PodRecord) -> None:
        super().user_deletes(pod)
        for other in self.pods_on(pod.node)[:1] if pod.node else []:
            self.delete_pod(other)


@wrong("deleted-pod-returns", "a pod that a user deleted is there again", STAYS)
class DeletedPodReturns(Api):
    def user_deletes(self, pod: PodRecord) -> None:
        super().user_deletes(pod)
        self.loop.after(MOMENT, partial(self._bring_back, pod))

    def _bring_back(self, pod: PodRecord) -> None:
        if pod.spec.name not in self.pods:
            self.pods[pod.spec.name], pod.gone = pod, False
            self.publish_pod(pod)


@wrong("deleted-pod-is-made-again", "for a pod that a user deleted a new one of its name is created", STAYS)
class DeletedPodIsMadeAgain(Api):
    def user_deletes(self, pod: PodRecord) -> None:
        super().user_deletes(pod)
        self.loop.after(MOMENT, partial(self._make_again, pod.spec))

    def _make_again(self, spec: PodSpec) -> None:
        if spec.name not in self.pods:
            self.create_pod(spec)


@wrong("kubelet-returns-deleted-pods", "a node that comes back brings its pods back that were deleted meanwhile", STAYS)
class KubeletReturnsDeletedPods(Kubelet):
    def _come_online(self) -> None:
        for pod in self.pods.values():
            record = pod.record
            if record.gone and record.spec.name not in self._api.pods and self._sends:
                self._api.pods[record.spec.name], record.gone = record, False
                self._api.publish_pod(record)
        super()._come_online()


@wrong("never-reaps", "pods that have ended do not expire where they should", "pod.life.reaped", profiles=SEED)
class NeverReaps(Reaper):
    def _expire(self, pod: PodRecord) -> None:
        pass


def _reap(name: str, what: str, expires: Callable[[PodRecord], bool]) -> None:
    @wrong(name, what, STAYS, "pod.life.reaped", profiles=SEED)
    class Reaps(Reaper):
        def _expires(self, pod: PodRecord) -> bool:
            return expires(pod)


_reap("reaps-by-age", "a pod expires some time after its creation, whether it has ended or not", lambda pod: True)
_reap("reaps-running-pods", "a pod expires some time after it began to run", lambda pod: pod.phase == "Running")
_reap("reaps-waiting-pods", "a pod that is not bound expires", lambda pod: pod.terminal or pod.node is None)
_reap("reaps-restarted-pods", "a pod of which a container was restarted expires",
      lambda pod: pod.terminal or _has_restarted(pod))  # fmt: skip
_reap("reaps-half-ended-pods", "a pod expires some time after one of its containers has ended",
      lambda pod: any(container.state == "terminated" for container in pod.containers or ()))  # fmt: skip
_reap("reaps-only-succeeded-pods", "Failed pods do not expire", lambda pod: pod.phase == "Succeeded")


@wrong("reaps-unasked", "pods that have ended expire where nothing should", "pod.life.never-reaped", profiles=CODE)
class ReapsUnasked(ReplicationController):
    def __init__(self, api: Api) -> None:
        super().__init__(api)
        Reaper(api)
