"""A small runtime of real things: pods of plain processes on this machine, and an example of an adapter of one's own.

    kubephase conform --runtime processes

It runs the suite's workloads as real shell scripts. The containers of a pod share a volume: the folder where they count
their incarnations. It has no nodes to speak of and one fault: a container can be killed. What it cannot do it does not
claim, so the scenarios that need it are skipped with that reason. Needs Linux: setpriv ends a process together with the
run that started it, even if that was killed.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from conformance.runtime import (
    About,
    ContainerSeen,
    ContainerSpec,
    EventSeen,
    Fault,
    NodeSeen,
    Observation,
    PodSeen,
    PodSpec,
    Refused,
    Unsupported,
)
from conformance.workload import compile_to_sh

POLL = 0.02
"""Seconds between two looks at the processes."""


@dataclass
class Container:
    """One container: its process, if one has begun and when, and how this one and the one before it ended (code,
    time)."""

    spec: ContainerSpec
    script: str
    process: subprocess.Popen[bytes] | None = None
    begun: float | None = None
    restarts: int = 0
    ended: tuple[int, float] | None = None
    before: tuple[int, float] | None = None


@dataclass
class Pod:
    """One pod on the only node there is."""

    spec: PodSpec
    uid: str
    node: str
    containers: list[Container]
    last: PodSeen | None = None


class Processes:
    """The runtime."""

    def __init__(self) -> None:
        if shutil.which("setpriv") is None:
            raise RuntimeError("this runtime needs setpriv (Debian: apt-get install util-linux)")

    def describe(self) -> About:
        """Containers share a volume and can be killed; how they end is recorded as events."""
        return About("processes", "1", frozenset({"kill-container", "events", "volumes"}))

    def open(self, scenario: str, seed: int, profile: str) -> ProcessCluster:  # noqa: ARG002 - the protocol's signature
        """Each scenario has its own folder and its own processes."""
        return ProcessCluster()

    def close(self) -> None:
        """Nothing is left: each cluster cleans up after itself."""


@dataclass
class ProcessCluster:
    """The pods of one scenario."""

    folder: tempfile.TemporaryDirectory[str] = field(default_factory=tempfile.TemporaryDirectory)
    begun: float = field(default_factory=time.monotonic)
    node: str | None = None
    pods: dict[str, Pod] = field(default_factory=dict)
    seen: list[Observation] = field(default_factory=list)
    made: int = 0

    # --- the protocol -----------------------------------------------------------------------------------------------

    def create_node(self, name: str) -> None:
        """The first node is this machine; a second one there is none."""
        if self.node:
            raise Unsupported("there is one node only: this machine")
        self.node = name
        self.seen.append(NodeSeen(self._now(), name, name, ready="True"))

    def create_pod(self, pod: PodSpec) -> None:
        """Compile the containers' scripts; they are started when `observe` looks next."""
        if pod.name in self.pods:
            raise Refused(f"there is a pod {pod.name}")
        if self.node is None:
            raise Unsupported("a pod cannot wait for a node here")
        self.made += 1
        volume = Path(self.folder.name) / f"pod-{self.made}"
        volume.mkdir()
        containers = [Container(c, compile_to_sh(c.workload, str(volume / f"{c.name}.count"))) for c in pod.containers]
        self.pods[pod.name] = Pod(pod, f"pod-{self.made}", self.node, containers)
        self._show(self.pods[pod.name])

    def delete_pod(self, name: str) -> None:
        """Kill its processes and forget it."""
        pod = self._pod(name)
        self._kill(pod)
        del self.pods[name]
        self.seen.append(self._snapshot(pod, deleted=True))

    def inject(self, fault: Fault) -> None:
        """SIGKILL from outside is the one fault that is offered."""
        if fault.kind != "kill-container":
            raise Unsupported(f"cannot {fault.kind}")
        container = next((c for c in self._pod(fault.target).containers if c.spec.name == fault.container), None)
        if container is None or container.process is None or container.process.poll() is not None:
            raise Refused(f"container {fault.container} of {fault.target} does not run")
        container.process.kill()

    def observe(self, timeout: float) -> Sequence[Observation]:
        """Look after the processes until something has changed."""
        end = time.monotonic() + timeout
        while True:
            for pod in self.pods.values():
                self._look_after(pod)
            if self.seen or time.monotonic() >= end:
                seen, self.seen = self.seen, []
                return seen
            time.sleep(POLL)

    def quiescent(self) -> bool:
        """Never certain with real processes; not among the capabilities, so never asked."""
        return False

    def close(self) -> None:
        """Kill what runs."""
        for pod in self.pods.values():
            self._kill(pod)
        self.folder.cleanup()

    # --- restart policy, phase, events ------------------------------------------------------------------------------

    def _look_after(self, pod: Pod) -> None:
        if pod.last and pod.last.phase in ("Succeeded", "Failed"):
            return
        for container in pod.containers:
            if container.process is None:
                self._start(container)
            elif container.ended is None and (code := container.process.poll()) is not None:
                container.ended = (128 - code if code < 0 else code, self._now())
                self._record(pod, container)
            elif container.ended and self._restarts(pod, container):
                container.before, container.ended = container.ended, None
                container.restarts += 1
                self._start(container)
        self._show(pod)

    @staticmethod
    def _restarts(pod: Pod, container: Container) -> bool:
        failed = container.ended is not None and container.ended[0] != 0
        return pod.spec.policy == "Always" or (pod.spec.policy == "OnFailure" and failed)

    def _start(self, container: Container) -> None:
        container.begun = self._now()
        container.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "sh", "-c", container.script])

    def _phase(self, pod: Pod) -> str:
        if any(c.process is None for c in pod.containers):
            return "Pending"
        if any(c.ended is None or self._restarts(pod, c) for c in pod.containers):
            return "Running"
        return "Failed" if any(c.ended and c.ended[0] for c in pod.containers) else "Succeeded"

    def _record(self, pod: Pod, container: Container) -> None:
        self.made += 1
        reason = "failed" if container.ended and container.ended[0] else "completed"
        self.seen.append(
            EventSeen(self._now(), f"event-{self.made}", reason, "Pod", pod.spec.name, self._now(), pod.uid,
                      container.spec.name, "kubelet")
        )  # fmt: skip

    # --- what is shown ----------------------------------------------------------------------------------------------

    def _show(self, pod: Pod) -> None:
        """Report the pod if it looks other than before."""
        shown = self._snapshot(pod)
        if pod.last is None or (shown.phase, shown.containers) != (pod.last.phase, pod.last.containers):
            pod.last = shown
            self.seen.append(shown)

    def _snapshot(self, pod: Pod, deleted: bool = False) -> PodSeen:
        return PodSeen(
            at=self._now(), name=pod.spec.name, uid=pod.uid, policy=pod.spec.policy,
            phase=pod.last.phase if deleted and pod.last else self._phase(pod),
            members=tuple(c.spec.name for c in pod.containers), node=pod.node,
            containers=pod.last.containers if deleted and pod.last else tuple(self._status(c) for c in pod.containers),
            deleted=deleted,
        )  # fmt: skip

    @staticmethod
    def _status(container: Container) -> ContainerSeen:
        if container.process is None:
            return ContainerSeen(container.spec.name, "waiting")
        code, at = container.ended or (None, None)
        last_code, last_at = container.before or (None, None)
        return ContainerSeen(
            container.spec.name, "terminated" if container.ended else "running", container.restarts, code,
            started_at=container.begun, finished_at=at, last_exit_code=last_code, last_finished_at=last_at,
            instance=str(container.process.pid),
        )  # fmt: skip

    # --- small things -----------------------------------------------------------------------------------------------

    @staticmethod
    def _kill(pod: Pod) -> None:
        for container in pod.containers:
            if container.process:
                container.process.kill()
                container.process.wait()

    def _pod(self, name: str) -> Pod:
        if name not in self.pods:
            raise Refused(f"there is no pod {name}")
        return self.pods[name]

    def _now(self) -> float:
        return time.monotonic() - self.begun
