"""The container engine's own account of a pod's members, stepped through the container table.

The engine tells events, not states: each is one row. Frames may be missing, so silent steps may lie in between.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from conformance.oracle import RESTART_RULES, PodOracle, reach, shortest
from conformance.recent import Recent
from conformance.runtime import ContainerSeen, EngineSeen
from model import container
from model.lts.table import Row, Table


@dataclass(frozen=True)
class EngineStep:
    """What came of an engine's event: the rows that explain it; or the rules it breaks, and where the container was."""

    rows: tuple[Row, ...] = ()
    broken: tuple[str, ...] = ()
    were: tuple[str, ...] = ()


@dataclass
class Ledger:
    """How each incarnation of a pod's containers ended, by its id: by the statuses and by the engine alike."""

    codes: Recent[str, int | None] = field(default_factory=Recent)
    shown: Recent[str, None] = field(default_factory=Recent)
    """Incarnations that a status has shown to have ended. The engine knows earlier: statuses lag behind it."""
    newest: dict[str, str | None] = field(default_factory=dict)
    """By container, the incarnation last shown: once another one is, it has ended."""
    told: Recent[str, None] = field(default_factory=Recent)
    """Incarnations that the engine has told to have ended."""

    def statuses(self, status: ContainerSeen) -> str:
        """Take a status in; what is wrong with it, or nothing."""
        problem, instance = "", status.instance
        before = self.newest.setdefault(status.name, status.instance) if status.instance else None
        if status.instance and before and before != status.instance:
            self.shown[before] = None
            self.newest[status.name] = status.instance
        if status.last_instance and status.last_exit_code is not None:
            problem = self._end(status.last_instance, status.last_exit_code)
            self.shown[status.last_instance] = None
        if status.instance and status.state == "terminated":
            self.shown[status.instance] = None
            return problem or self._end(status.instance, status.exit_code)
        if instance and instance in self.shown and status.state == "running":
            return problem or f"incarnation {instance[:12]} had ended, and runs again"
        return problem

    def engine(self, seen: EngineSeen) -> str:
        """Take an engine's event in; what is wrong with it, or nothing."""
        if seen.instance in self.told and seen.action in ("create", "start", "die"):
            return f"incarnation {seen.instance[:12]} had ended: a restart makes a new one"
        if seen.action != "die":
            return ""
        self.told[seen.instance] = None
        return self._end(seen.instance, seen.exit_code)

    def _end(self, instance: str, code: int | None) -> str:
        before = self.codes.setdefault(instance, code)
        if before == code or None in (before, code):
            return ""
        return f"incarnation {instance[:12]} had ended with exit code {before}, and now with {code}"


@dataclass
class EngineOracle:
    """The members of one pod as the engine tells of them."""

    pod: PodOracle
    states: dict[str, frozenset[str]] = field(default_factory=dict)
    killed: Recent[str, None] = field(default_factory=Recent)
    out_of_memory: Recent[str, None] = field(default_factory=Recent)

    def take(self, seen: EngineSeen, barred: frozenset[str]) -> EngineStep:
        """Take one event in. After an inexplicable one the container may be anywhere."""
        if seen.action == "oom":
            self.out_of_memory[seen.instance] = None
            return EngineStep()
        if seen.action == "kill":
            self.killed[seen.instance] = None
            return EngineStep()
        table = self.pod.table
        before = self.states.get(seen.container, frozenset({table.initial}))
        possible = reach(table, before, barred)
        events = self._events(seen)
        after = _fired(table, possible, events, barred) if events else possible
        if after:
            self.states[seen.container] = after
            return EngineStep(shortest(table, before, frozenset((state, None) for state in after), barred))
        self.states[seen.container] = frozenset(table.states)
        were = tuple(sorted(possible))
        broken = [f"{r}.{self.pod.policy.lower()}" for state in were for r in RESTART_RULES.get(state, ())]
        return EngineStep(broken=self.pod.held(*dict.fromkeys(broken)), were=were)

    def _events(self, seen: EngineSeen) -> tuple[str, ...]:
        """The events of the container table that this one may be; none for the creation of the first incarnation."""
        match seen.action:
            case "create":
                return container.COUNTED if seen.container in self.states else ()
            case "start":
                return ("start",)
            case _ if seen.instance in self.killed:
                return ("kill", "exit_zero", "exit_failure", "out_of_memory", "liveness_failed")
            case _:
                ends = self.pod.ended_states(seen.exit_code, seen.instance in self.out_of_memory)
                return {"Completed": ("exit_zero",), "OOMKilled": ("out_of_memory",)}.get(ends[0], ("exit_failure",))


def _fired(table: Table, states: frozenset[str], events: tuple[str, ...], barred: frozenset[str]) -> frozenset[str]:
    return frozenset(
        row.target for row in table.rows if row.source in states and row.event in events and row.event not in barred
    )
