"""One simulated machine: the processes of its containers, and the volume and the network that each pod's have.

What a container does it does by itself, whether or not its kubelet looks on (`adapters.simulated_kubelet`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from adapters.simulated_api import Api, PodRecord
from adapters.simulation import Timer
from conformance.runtime import ContainerSeen, ContainerSpec
from conformance.workload import Exit, OutOfMemory, Put, Reach, Serve, Step, Take, UseDisk, step_of

KILLED = 137
"""Exit code of a process that got SIGKILL, from outside or for want of memory."""

LOCALHOST = "127.0.0.1"
"""The address at which the containers of a pod reach one another (seed.md L227)."""

WRITING = 0.2
"""Seconds after which a container that uses a full disk finds out."""

PUTTING = 0.1
"""Seconds that it takes to put a file into a volume."""

PATIENCE, TRY = 60.0, 0.5
"""For how many seconds a container looks for a file or a listener, and after how many it looks again."""

Killer = Literal["kill-by-engine", "death-of-sandbox", "restart-of-kubelet"]
"""Who ended a container, where a right build does not care and a wrong one does."""


@dataclass
class Container:
    """A container of a pod, as its engine knows it: the newest incarnation, and how the one before it ended."""

    spec: ContainerSpec
    incarnation: int = 0
    state: Literal["waiting", "running", "terminated"] = "waiting"
    reason: str | None = "creating"
    begun: bool = False
    """It has run at least once."""
    instance: str | None = None
    step: Step | None = None
    """What this incarnation does, once it runs."""
    exit_code: int | None = None
    oom: bool = False
    killer: Killer | None = None
    started_at: float | None = None
    finished_at: float | None = None
    noticed: bool = True
    """The kubelet knows of its end."""
    previous: Container | None = None
    end: Timer | None = None

    def next_incarnation(self, counted: int = 1) -> Container:
        """The incarnation that follows an ended one."""
        return Container(
            self.spec,
            self.incarnation + counted,
            reason="restarting",
            begun=True,
            instance=self.instance,
            previous=replace(self, previous=None),
        )

    def status(self, restarts: int) -> ContainerSeen:
        """The container's part of the pod's status."""
        last = self.previous
        return ContainerSeen(
            name=self.spec.name,
            state=self.state,
            restarts=restarts,
            exit_code=self.exit_code,
            oom=self.oom,
            started_at=self.started_at,
            finished_at=self.finished_at,
            last_exit_code=last.exit_code if last else None,
            last_oom=last.oom if last else False,
            last_finished_at=last.finished_at if last else None,
            instance=self.instance,
            reason=self.reason,
        )


@dataclass
class LocalPod:
    """A pod that runs on this machine."""

    record: PodRecord
    containers: list[Container]
    address: str | None = None
    """That of its sandbox; None while it has none, and empty (in a wrong build) if it shall have none any more."""
    files: set[tuple[str, str]] = field(default_factory=set)
    """What is in its volume: whose it is (all containers share one, so nobody's), and the file's name."""
    sandbox_dead: bool = False
    """The sandbox has died, and the kubelet has not noticed yet."""
    disk_dead: bool = False
    """The kubelet has found a disk of the pod dead: the pod is over."""
    worker: Timer | None = None
    sync: Timer | None = None

    def find(self, name: str | None) -> Container | None:
        """The container of that name."""
        return next((container for container in self.containers if container.spec.name == name), None)

    @property
    def running(self) -> list[Container]:
        """The containers that run."""
        return [container for container in self.containers if container.state == "running"]


class Machine:
    """A machine: it runs the processes of containers, and tells ``on_end`` when one ends by itself."""

    def __init__(self, api: Api, name: str, on_end: Callable[[LocalPod, Container, int, bool], None]) -> None:
        self._name = name
        self._api = api
        self._loop = api.loop
        self._on_end = on_end

    # --- processes --------------------------------------------------------------------------------------------------

    def start(self, pod: LocalPod, container: Container) -> None:
        """The process of a new incarnation begins with what its workload says."""
        container.state, container.reason, container.begun = "running", None, True
        container.started_at = self._loop.now
        container.step = step_of(container.spec.workload, container.incarnation)
        match container.step:
            case Exit(code, after):
                self._end_after(after, pod, container, code)
            case OutOfMemory(after, code):
                self._end_after(after, pod, container, KILLED if code is None else code, oom=True)
            case UseDisk():
                self._use_disk(pod, container)
            case Put(file, code):
                self._put(pod, container, file, code)
            case Take() | Reach():
                self._try_later(pod, container)

    def stop(self, container: Container, code: int, oom: bool = False) -> None:
        """The process of a running container is over."""
        self._loop.cancel(container.end)
        container.state, container.reason = "terminated", None
        container.exit_code, container.oom, container.finished_at = code, oom, self._loop.now

    def _end_after(self, seconds: float, pod: LocalPod, container: Container, code: int, oom: bool = False) -> None:
        end = partial(self._on_end, pod, container, code, oom)
        container.end = self._loop.after(seconds, end, own=True)

    def _try_later(self, pod: LocalPod, container: Container) -> None:
        container.end = self._loop.after(TRY, partial(self._try, pod, container), own=True)

    def _try(self, pod: LocalPod, container: Container) -> None:
        """Look for a file or a listener once more: success ends the process, and so does a lack of patience."""
        if self._finds(pod, container):
            self._on_end(pod, container, 0, False)
        elif self._loop.now - (container.started_at or 0.0) >= PATIENCE:
            self._on_end(pod, container, 1, False)
        else:
            self._try_later(pod, container)

    def _finds(self, pod: LocalPod, container: Container) -> bool:
        match container.step:
            case Take(file):
                return (self._volume(container), file) in pod.files
            case Reach(host, port) if host == LOCALHOST:
                return self._answers_itself(pod, port)
            case Reach(host, port):
                return bool(pod.address) and self._is_reached(host, port)
            case _:
                return False

    # --- volumes (seed.md L217, L229; v0.17.0.md SHARE-4) ---------------------------------------------------------

    def _volume(self, container: Container) -> str:  # noqa: ARG002 - it is the same for all, but in a wrong build
        return ""

    def _put(self, pod: LocalPod, container: Container, file: str, code: int | None) -> None:
        if pod.record.uid not in self._api.unusable_disks:
            pod.files.add((self._volume(container), file))
        if code is not None:
            self._end_after(PUTTING, pod, container, code)

    def _use_disk(self, pod: LocalPod, container: Container) -> None:
        if pod.record.uid in self._api.unusable_disks and isinstance(container.step, UseDisk):
            self._end_after(WRITING, pod, container, container.step.code)

    def disk_changed(self, pod: LocalPod) -> None:
        """The disk of a pod has filled up, died, or works again: those that write to it find out by themselves."""
        for container in pod.running:
            if isinstance(container.step, UseDisk):
                self._loop.cancel(container.end)
                self._use_disk(pod, container)

    # --- network (seed.md L227; v0.17.0.md SHARE-1, SHARE-3) ------------------------------------------------------

    def make_sandbox(self, pod: LocalPod) -> None:
        """Make a sandbox if the pod has none: it has an address of its own from now on."""
        if pod.address is None:
            network = self._api.network
            pod.address = network.new_address()
            network.join(pod.address, self._name, partial(self._listens, pod))

    def end_sandbox(self, pod: LocalPod) -> None:
        """Its sandbox is no more, and nobody is at its address."""
        if pod.address is not None:
            self._api.network.leave(pod.address)
        pod.address = None

    def kill_sandbox(self, pod: LocalPod) -> None:
        """Its sandbox dies: nobody is at its address, but it takes a kubelet to find out."""
        pod.sandbox_dead = True
        self._api.network.leave(pod.address or "")

    def _listens(self, pod: LocalPod, port: int) -> bool:
        return any(container.step == Serve(port) for container in pod.running)

    def _answers_itself(self, pod: LocalPod, port: int) -> bool:
        return self._listens(pod, port) and bool(pod.address) and not pod.sandbox_dead

    def _is_reached(self, host: str, port: int) -> bool:
        return self._api.network.connects(self._name, host, port)
