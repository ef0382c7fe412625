"""Wrong builds that err only after several things have happened in one order: no single fault betrays them.

The suite's scenarios are each about one thing and do not find them; `kubephase explore` has to. They are hidden: only
``--list-faults --all`` shows them, and `kubephase faults` leaves them out. Each says what must happen first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial

from adapters.simulated_api import Api, ControllerRecord, NodeRecord, PodRecord
from adapters.simulated_controllers import NodeController, ReplicationController
from adapters.simulated_kubelet import Cut, Kubelet
from adapters.simulated_machine import Container, LocalPod
from adapters.wrong_builds import (
    COUNTED,
    DELETED,
    DISK,
    FINAL,
    KEPT,
    MOMENT,
    SEED,
    STAYS,
    WAITS,
    Part,
    Resetting,
    wrong,
)  # fmt: skip
from conformance.runtime import WrongBuild

COMPOUND: dict[str, WrongBuild] = {}
"""By name, what is wrong with a build."""

FAILURE = "pod.restart.failure"


def compound(
    name: str, what: str, *topic: str, profiles: tuple[str, ...] = SEED, beside: tuple[type, ...] = ()
) -> Callable[[Part], Part]:
    """Like `wrong`, but hidden."""
    return wrong(name, what, *topic, profiles=profiles, beside=beside, among=COMPOUND)


# --- a kubelet that is replaced, and something before ---------------------------------------------------------------


@compound("second-new-kubelet-reruns", "every second kubelet of a node starts once more what has ended for good",
          "pod.restart")  # fmt: skip
class SecondNewKubeletReruns(Kubelet):
    _number = 0

    def start(self, clean: bool) -> None:
        super().start(clean)
        self._number += 1
        for pod in self.pods.values() if self._number % 2 == 0 else ():
            for index, container in enumerate(pod.containers):
                if container.state == "terminated":
                    self._restart(pod, index)
            self.poke(pod)


@compound("new-kubelet-resets-count-of-new-sandbox", "a kubelet that is replaced counts the restarts of a pod from 0 "
          "again if the pod has had two sandboxes", *COUNTED)  # fmt: skip
class NewKubeletResetsCountOfNewSandbox(Resetting):
    @cached_property
    def _renewed(self) -> set[str]:
        return set()

    def _notice_sandbox(self, pod: LocalPod) -> None:
        super()._notice_sandbox(pod)
        self._renewed.add(pod.record.uid)

    def start(self, clean: bool) -> None:
        for uid in self._renewed & self.pods.keys():
            self._reset(self.pods[uid])
        super().start(clean)


@compound("new-kubelet-forgets-waiting-restart", "a kubelet that is replaced while a container waits for its restart "
          "loses its restart count", *COUNTED)  # fmt: skip
class NewKubeletForgetsWaitingRestart(Resetting):
    def start(self, clean: bool) -> None:
        for pod in self.pods.values():
            if any(container.begun and container.state == "waiting" for container in pod.containers):
                self._reset(pod)
        super().start(clean)


# --- ends of containers, and something before -----------------------------------------------------------------------


@compound("failure-after-oom-is-final", "a container that fails after it was out of memory is not restarted any more",
          FAILURE, "pod.restart.oom")  # fmt: skip
class FailureAfterOomIsFinal(Kubelet):
    def _restarts(self, pod: LocalPod, container: Container) -> bool:
        before = container.previous
        is_final = before is not None and before.oom and not container.oom and container.exit_code != 0
        return super()._restarts(pod, container) and not is_final


@compound("second-kill-by-engine-is-final", "a container that is killed through its engine twice in a row is "
          "not restarted any more", FAILURE)  # fmt: skip
class SecondKillByEngineIsFinal(Kubelet):
    def _restarts(self, pod: LocalPod, container: Container) -> bool:
        before = container.previous
        is_final = before is not None and before.killer == container.killer == "kill-by-engine"
        return super()._restarts(pod, container) and not is_final


# --- disks, and something else --------------------------------------------------------------------------------------


@compound("misses-disk-death-in-the-dark", "the death of a disk is missed while the node is cut off", *DISK)
class MissesDiskDeathInTheDark(Kubelet):
    @cached_property
    def _missed(self) -> set[str]:
        return set()

    def disk_changed(self, uid: str) -> None:
        if self.cut:
            self._missed.add(uid)
        super().disk_changed(uid)

    def _has_unnoticed_disk(self, pod: LocalPod) -> bool:
        return super()._has_unnoticed_disk(pod) and pod.record.uid not in self._missed


@compound("dead-sandbox-after-mended-disk-fails-pod", "if the sandbox dies of a pod whose disk was full once, its disk "
          "counts as dead", "pod.phase", "pod.restart", *DISK)  # fmt: skip
class DeadSandboxAfterMendedDiskFailsPod(Kubelet):
    @cached_property
    def _full(self) -> set[str]:
        return set()

    @cached_property
    def _mended(self) -> set[str]:
        return set()

    def disk_changed(self, uid: str) -> None:
        if uid in self._api.unusable_disks:
            self._full.add(uid)
        elif uid in self._full:
            self._mended.add(uid)
        super().disk_changed(uid)

    def _notice_sandbox(self, pod: LocalPod) -> None:
        super()._notice_sandbox(pod)
        pod.disk_dead |= pod.record.uid in self._mended


@compound("deleted-with-full-disk-returns", "a pod that is deleted while its disk is full is there again", STAYS)
class DeletedWithFullDiskReturns(Api):
    def user_deletes(self, pod: PodRecord) -> None:
        super().user_deletes(pod)
        if pod.uid in self.unusable_disks - self.broken_disks:
            self.loop.after(MOMENT, partial(self._bring_back, pod))

    def _bring_back(self, pod: PodRecord) -> None:
        if pod.spec.name not in self.pods:
            self.pods[pod.spec.name], pod.gone = pod, False
            self.publish_pod(pod)


# --- nodes that are lost, and something else ------------------------------------------------------------------------


@compound("restart-while-lost-shortens-next-time-out", "a node that was lost when the node controller was restarted is "
          "given up at once when it is lost again", *WAITS, *FINAL)  # fmt: skip
class RestartWhileLostShortensNextTimeOut(NodeController):
    @cached_property
    def _suspects(self) -> set[str]:
        return set()

    @cached_property
    def _returned(self) -> set[str]:
        return set()

    def restart(self) -> None:
        self._suspects.update(node.name for node in self._api.nodes.values() if node.reachable == "False")
        super().restart()

    def _watch(self, node: NodeRecord) -> None:
        if node.usable and node.name in self._suspects:
            self._returned.add(node.name)
        super()._watch(node)

    def _patience(self, node: NodeRecord) -> float:
        return 0.1 if node.name in self._returned else super()._patience(node)


@compound("node-that-was-cut-keeps-pods-when-it-ends", "the pods of a node that ends stay as they are if it was cut "
          "off once and came back", *DELETED)  # fmt: skip
class NodeThatWasCutKeepsPodsWhenItEnds(NodeController):
    @cached_property
    def _cut(self) -> set[str]:
        return set()

    @cached_property
    def _healed(self) -> set[str]:
        return set()

    def _watch(self, node: NodeRecord) -> None:
        if node.phase == "Running" and node.reachable == "False":
            self._cut.add(node.name)
        elif node.usable and node.name in self._cut:
            self._healed.add(node.name)
        super()._watch(node)

    def _delete_pods(self, node: NodeRecord) -> None:
        if node.name not in self._healed:
            super()._delete_pods(node)


@compound("pod-inherits-count-of-pod-deleted-in-the-dark", "a pod begins with a restart if one of its name was deleted "
          "while their node was cut off", *COUNTED)  # fmt: skip
class PodInheritsCountOfPodDeletedInTheDark(Kubelet):
    @cached_property
    def _ghosts(self) -> set[str]:
        return set()

    def set_cut(self, cut: Cut) -> None:
        if not cut:
            self._ghosts.update(pod.record.spec.name for pod in self.pods.values() if pod.record.gone)
        super().set_cut(cut)

    def _count(self, pod: LocalPod, container: Container) -> int:
        return super()._count(pod, container) + (pod.record.spec.name in self._ghosts)


@compound("rc-ignores-scaling-after-loss", "a replication controller is not scaled any more once it has replaced a pod "
          "of a lost node", KEPT)  # fmt: skip
class RcIgnoresScalingAfterLoss(ReplicationController):
    @cached_property
    def _lost(self) -> dict[str, int]:
        return {}

    def _watch(self, pod: PodRecord) -> None:
        controller = self._api.controllers.get(pod.owner or "")
        if controller is not None and pod.phase == "Failed":
            self._lost.setdefault(controller.uid, controller.spec.wanted)
        super()._watch(pod)

    def _wanted(self, controller: ControllerRecord) -> int:
        return self._lost.get(controller.uid, super()._wanted(controller))
