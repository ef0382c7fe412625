"""Pods on one engine: a sandbox, which holds the network, and members, which share it.

Two things are kept apart. `Member` says what the engine says of a container. `Pod` is the layer above: the phase, the
events, and what is to be done when the sandbox or a disk dies, of all of which the engine knows nothing. Whether a
container is restarted is the engine's own affair: its restart policy is the pod's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from docker.errors import NotFound

from adapters.docker.engine import CLUSTER, MEMBER, POD, Engine, nanoseconds
from conformance.runtime import ContainerSeen, ContainerSpec, PodSeen, PodSpec, Policy
from conformance.workload import compile_to_sh

RESTART: dict[Policy, str] = {"Always": "always", "OnFailure": "on-failure", "Never": "no"}
"""The engine's own restart policies."""

MEMORY = "32m"
"""What a member may use; more is out of memory."""

SANDBOX = "sandbox"
VOLUME = "/pod"
FOREVER = ["sleep", "2147483647"]


# --- what the engine says of a container -----------------------------------------------------------------------------


@dataclass
class End:
    """How an incarnation ended; ``code`` is None where the engine has forgotten it."""

    code: int | None
    oom: bool
    at: int
    instance: str

    @property
    def is_good(self) -> bool:
        """A normal exit; out of memory is none, whatever the code (seed.md L306)."""
        return self.code == 0 and not self.oom


@dataclass
class Member:
    """One container of a pod. Times are nanoseconds since 1970, by the engine's clock.

    ``started`` tells incarnations apart: the engine uses the container again. ``restarts`` is the engine's own count,
    but for restarts of ours (``base``), with each of which the engine begins to count anew.
    """

    spec: ContainerSpec
    container: str = ""
    state: Literal["waiting", "running", "terminated"] = "waiting"
    started: int = 0
    restarts: int = 0
    base: int = 0
    end: End | None = None
    before: End | None = None
    oom: bool = False
    """The kernel has killed a process of this incarnation for want of memory."""
    is_killed: bool = False
    """The engine has killed this incarnation, because it was told to."""
    restarting: bool = False
    """It is going to be restarted."""
    pid: int = 0
    """The main process of the newest incarnation that was asked about, by its engine's numbers."""
    is_told: bool = True
    """The event of the newest incarnation's start has come; after a gap it may still be on its way."""

    @property
    def is_over(self) -> bool:
        """It has ended, and the engine will not restart it."""
        return self.state == "terminated" and not self.restarting

    def take(self, event: dict[str, Any], inspected: dict[str, Any]) -> bool:
        """Take an event in, with what the engine said when it was asked just after; whether it was news."""
        at, state = int(event["timeNano"]), inspected["State"]
        started = nanoseconds(state["StartedAt"])
        self.pid = int(state["Pid"]) or self.pid
        match event["Action"]:
            case "start" if at > self.started and not self.is_told and self._is_late(at, started):
                self.is_told = True
                return False
            case "start" if at > self.started:
                # An incarnation starts before its event is told, and the next one after the event of its end.
                if started <= at:
                    self._begin(started, self._count(inspected))
                else:  # the engine is already further: its count is that of a later incarnation
                    self._begin(at, self.restarts + (self.started > 0))
            case "oom" if self.state == "running" and at > self.started:
                self.oom = True
            case "kill" if self.state == "running" and at > self.started:
                self.is_killed = True
            case "die" if self.state == "running" and at > self.started:
                current = started <= self.started
                code = int(event["Actor"]["Attributes"]["exitCode"])
                oom = self.oom or (current and bool(state["OOMKilled"]))
                self._end(code, oom, nanoseconds(state["FinishedAt"]) if current else at)
                self.restarting = bool(state["Restarting"]) if current else True
            case _:
                return False
        return True

    def is_unclear(self, event: dict[str, Any], inspected: dict[str, Any]) -> bool:
        """Whether this end may have been for want of memory, though nothing says so yet: the engine tells of the
        kernel's killing in another way than of the end, and on a busy machine later."""
        killed = event["Action"] == "die" and event["Actor"]["Attributes"].get("exitCode") == "137"
        return killed and not (self.oom or self.is_killed or inspected["State"]["OOMKilled"])

    def look(self, inspected: dict[str, Any]) -> bool:
        """Take in what the engine says after a gap in its events; whether it was news. The end of an incarnation that
        has begun and ended in the gap is lost, but for the last one's."""
        state = inspected["State"]
        started, finished = nanoseconds(state["StartedAt"]), nanoseconds(state["FinishedAt"])
        was = (self.state, self.started, self.restarting)
        self.pid = int(state["Pid"]) or self.pid
        runs = bool(state["Running"]) and not state["Restarting"]
        if started > self.started:
            last = finished if runs else 0  # when the one before ended, if the newest one has not
            is_unknown = last > self.end.at if self.end else self.started > 0
            if is_unknown or self._count(inspected) > self.restarts + (self.started > 0):
                self._end(None, False, last)
            self._begin(started, self._count(inspected))
            self.is_told = False
        if self.state == "running" and started and not runs:
            self._end(int(state["ExitCode"]), bool(state["OOMKilled"]) or self.oom, finished)
        self.restarting = self.state == "terminated" and bool(state["Restarting"])
        return was != (self.state, self.started, self.restarting)

    def _is_late(self, at: int, started: int) -> bool:
        """Whether the event of a start is that of the incarnation that was looked up, and not of the next one."""
        return started == self.started or (started > at and not (self.end and at > self.end.at))

    def _count(self, inspected: dict[str, Any]) -> int:
        """The engine raises its count when the wait for a restart begins: then it is ahead by one."""
        return self.base + int(inspected["RestartCount"]) - bool(inspected["State"]["Restarting"])

    def _begin(self, started: int, restarts: int) -> None:
        self.before, self.end, self.is_told = self.end, None, True
        self.state, self.started, self.restarts = "running", started, restarts
        self.oom = self.is_killed = self.restarting = False

    def _end(self, code: int | None, oom: bool, at: int) -> None:
        self.state, self.end = "terminated", End(code, oom, at, self.instance)

    @property
    def instance(self) -> str:
        """An id of the newest incarnation."""
        return f"{self.container[:12]}@{self.started}"

    def seen(self, clock: Callable[[int], float]) -> ContainerSeen:
        """The container's part of the pod's status."""
        end, before = self.end, self.before
        return ContainerSeen(
            name=self.spec.name,
            state=self.state,
            restarts=self.restarts,
            exit_code=end.code if end else None,
            oom=end.oom if end else False,
            started_at=clock(self.started) if self.started else None,
            finished_at=clock(end.at) if end else None,
            last_exit_code=before.code if before else None,
            last_oom=before.oom if before else False,
            last_finished_at=clock(before.at) if before and before.at else None,
            last_instance=before.instance if before else None,
            instance=self.instance if self.started else None,
            reason="restarting" if self.restarting else None,
        )


# --- what the engine cannot know -------------------------------------------------------------------------------------


@dataclass
class Pod:
    """A pod. ``node`` is the node's name once it is bound, ``engine`` the engine there."""

    spec: PodSpec
    uid: str
    owner: str | None = None
    phase: str = "Pending"
    node: str | None = None
    engine: Engine | None = None
    cluster: str = ""
    sandbox: str = ""
    address: str | None = None
    disk: Path | None = None
    volume: str = ""
    """What is mounted into the members: a volume of the engine's, or the folder of a disk that can fail."""
    members: list[Member] = field(default_factory=list)
    is_started: bool = False
    renewed: list[Member] = field(default_factory=list)
    """Its sandbox has died, and this layer is about to start these members again."""

    def __post_init__(self) -> None:
        self.members = [Member(spec) for spec in self.spec.containers]

    @property
    def is_terminal(self) -> bool:
        """Succeeded and Failed are final."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def api(self) -> Any:
        """The API of the engine that it is bound to."""
        assert self.engine is not None
        return self.engine.client.api

    def member(self, name: str | None) -> Member | None:
        """The member of that name."""
        return next((m for m in self.members if m.spec.name == name), None)

    # --- making and ending ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Make the sandbox and the members, and start them. What an earlier try has left is removed before."""
        assert self.engine is not None
        self.remove()
        if self.disk is None:
            self.api.create_volume(self.volume, labels=self.engine.labels(**{CLUSTER: self.cluster}))
        self.sandbox = self._create(SANDBOX, FOREVER, ipc_mode="shareable", hostname=self.spec.name, shm_size="64m")
        self._start_sandbox()
        for member in self.members:
            script = compile_to_sh(member.spec.workload, f"{VOLUME}/{member.spec.name}")
            member.container = self._create(
                member.spec.name,
                ["sh", "-c", script],
                network_mode=f"container:{self.sandbox}",
                ipc_mode=f"container:{self.sandbox}",
                mem_limit=MEMORY,
                memswap_limit=MEMORY,
                binds=[f"{self.volume}:{VOLUME}"],
                restart_policy={"Name": RESTART[self.spec.policy]},
            )
        for member in self.members:
            self.api.start(member.container)
        self.is_started = True

    def _create(self, member: str, command: list[str], hostname: str | None = None, **host: Any) -> str:
        assert self.engine is not None
        made = self.api.create_container(
            self.engine.image,
            command,
            name=self._name(member),
            hostname=hostname,
            labels=self.engine.labels(**{CLUSTER: self.cluster, POD: self.uid, MEMBER: member}),
            stop_signal="SIGKILL",
            host_config=self.api.create_host_config(**host),
        )
        return str(made["Id"])

    def _name(self, member: str) -> str:
        assert self.engine is not None
        return f"kubephase-{self.engine.run}-{self.uid}-{member}"

    def _start_sandbox(self) -> None:
        self.api.start(self.sandbox)
        self.address = self.api.inspect_container(self.sandbox)["NetworkSettings"]["IPAddress"] or None

    def remove(self) -> None:
        """Remove its containers, and with them its volume."""
        if self.engine is None:
            return
        for member in [*(m.spec.name for m in self.members), SANDBOX]:
            with contextlib.suppress(NotFound):
                self.api.remove_container(self._name(member), force=True, v=True)
        if self.disk is None and self.volume:
            with contextlib.suppress(NotFound):
                self.api.remove_volume(self.volume, force=True)

    # --- looking ----------------------------------------------------------------------------------------------------

    def inspect(self, member: Member) -> dict[str, Any]:
        """What the engine says of a member now."""
        inspected: dict[str, Any] = self.api.inspect_container(member.container)
        return inspected

    def settle_phase(self) -> None:
        """The phase that its containers' states make (seed.md L258-L272)."""
        if self.is_terminal or any(not member.started for member in self.members):
            return
        if self.renewed or not all(member.is_over for member in self.members):
            self.phase = "Running"
        else:
            good = all(member.end and member.end.is_good for member in self.members)
            self.phase = "Succeeded" if good else "Failed"

    # --- what happens to it -----------------------------------------------------------------------------------------

    def kill(self) -> None:
        """End all members by the engine's own command, after which it does not restart them."""
        for member in self.members:
            if not member.is_over:
                with contextlib.suppress(NotFound):
                    self.api.stop(member.container, timeout=0)

    def sandbox_runs(self) -> bool:
        """Whether the sandbox is alive."""
        return bool(self.api.inspect_container(self.sandbox)["State"]["Running"])

    def restarts(self, member: Member) -> bool:
        """Whether the policy restarts a member that has ended (seed.md L284-L293, L309-L312)."""
        bad = member.end is None or not member.end.is_good
        return self.spec.policy == "Always" or (self.spec.policy == "OnFailure" and bad)

    def renew(self) -> None:
        """The sandbox has died, and its members with it, see `kill`: without a network the engine could not restart
        them. So it is this layer that starts those again that the policy speaks for (v0.17.0.md RESTART-5)."""
        self._start_sandbox()
        while self.renewed:
            member = self.renewed[0]
            member.base = member.restarts + 1
            self.api.start(member.container)
            member.restarting = True  # until the engine tells that it has started
            self.renewed.pop(0)

    # --- being seen -------------------------------------------------------------------------------------------------

    def seen(self, at: float, clock: Callable[[int], float], deleted: bool = False) -> PodSeen:
        """The pod as it is now."""
        return PodSeen(
            at=at,
            name=self.spec.name,
            uid=self.uid,
            policy=self.spec.policy,
            phase=self.phase,
            members=tuple(m.spec.name for m in self.members),
            node=self.node,
            containers=tuple(m.seen(clock) for m in self.members) if self.node else None,
            deleted=deleted,
            owner=self.owner,
            address=None if self.is_terminal else self.address,
        )
