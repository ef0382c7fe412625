"""The container engine's own account of a pod's members, stepped through the container table.

The engine tells events, not states: each is one row. Frames may be missing, so silent steps may lie in between.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from conformance.oracle import RESTART_RULES, PodOracle, Tagged, shortest
from conformance.runtime import EngineSeen
from model import container
from model.lts.table import Row, Table


@dataclass(frozen=True)
class EngineStep:
    """What came of an engine's event: the rows that explain it; or the rules it breaks, and where the container was."""

    rows: tuple[Row, ...] = ()
    broken: tuple[str, ...] = ()
    were: tuple[str, ...] = ()


@dataclass
class EngineOracle:
    """The members of one pod as the engine tells of them."""

    pod: PodOracle
    states: dict[str, frozenset[Tagged]] = field(default_factory=dict)
    killed: set[str] = field(default_factory=set)
    out_of_memory: set[str] = field(default_factory=set)

    def take(self, seen: EngineSeen, barred: frozenset[str]) -> EngineStep:
        """Take one event in. After an inexplicable one the container may be anywhere."""
        if seen.action == "oom":
            self.out_of_memory.add(seen.instance)
            return EngineStep()
        if seen.action == "kill":
            self.killed.add(seen.instance)
            return EngineStep()
        table = self.pod.table
        before = self.states.get(seen.container, frozenset({("Waiting", None)}))
        reach = _spread(table, before, barred)
        events = self._events(seen)
        after = _fired(table, reach, events, barred) if events else reach
        if after:
            self.states[seen.container] = after
            return EngineStep(shortest(table, frozenset(state for state, _ in before), after, barred))
        self.states[seen.container] = frozenset((state, None) for state in table.states)
        were = tuple(sorted({state for state, _ in reach}))
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


def _spread(table: Table, states: frozenset[Tagged], barred: frozenset[str]) -> frozenset[Tagged]:
    """Everything that silent steps of one table lead to."""
    reached, frontier = set(states), list(states)
    while frontier:
        state, tag = frontier.pop()
        for row in table.rows:
            after = (row.target, tag)
            if row.source == state and row.event not in barred and after not in reached:
                reached.add(after)
                frontier.append(after)
    return frozenset(reached)


def _fired(
    table: Table, states: frozenset[Tagged], events: tuple[str, ...], barred: frozenset[str]
) -> frozenset[Tagged]:
    sources = {state for state, _ in states}
    return frozenset(
        (row.target, None)
        for row in table.rows
        if row.source in sources and row.event in events and row.event not in barred
    )
