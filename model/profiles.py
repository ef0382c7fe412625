"""A profile: one complete reading of the lifecycle, put together from the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from model import container, kubelet, node, nodecontroller, pod, registry, replication, scheduler, sharing
from model.lts.table import Row, Table


@dataclass(frozen=True)
class Profile:
    """All tables of one reading. ``containers`` and ``phases`` are by restart policy; ``class_of`` gives the class of
    each container state for the decision table; ``free`` are the events that need no evidence in a history."""

    name: str
    summary: str
    containers: Mapping[str, Table]
    phases: Mapping[str, Table]
    class_of: Mapping[str, str]
    record_rows: tuple[Row, ...]
    slot_rows: tuple[Row, ...]
    node: Table
    parts: Mapping[str, Table]
    """The tables of the controllers and of what a pod shares, by name."""
    oom_is_failure: bool
    """Whether running out of memory is a failure even with exit code 0 (`pod.restart.oom.abnormal`)."""
    exit_events: bool
    """Whether the end of a container must be recorded as an event."""
    statuses_are_listed: bool
    """Whether a bound pod always lists its containers' statuses, so that missing ones count as unknown: the pod then
    shows as Pending (`pod.phase.unknown-state`, `pod.phase.status-lost`)."""
    counted_up_to: int | None
    """The restart count up to which it may not fall; None: never (`pod.restart.count-reconstructed`)."""

    def record(self, homes: tuple[str, ...]) -> Table:
        """The table of a pod's record in a network with these nodes."""
        return pod.record_table(self.record_rows, homes)

    def slot(self, homes: tuple[str, ...]) -> Table:
        """The table of a pod in the networks of the controllers: from before its creation, without its containers."""
        return pod.record_table(self.slot_rows, homes, "slot", "Absent")

    def tables(self) -> list[Table]:
        """Every table of the profile, for drawing and for the reference."""
        pods = [*self.phases.values(), *self.containers.values(), self.record(("node",)), self.slot(("node",))]
        return [self.node, *pods, *self.parts.values()]

    def decisions(self) -> list[pod.Decision]:
        """The rows of the decision table, with the rules that hold in this profile."""
        held = {rule.id for rule in registry.all_rules().values() if self.name in rule.profiles}
        return [
            pod.Decision(d.name, d.has, d.lacks, d.phases, tuple(r for r in d.rules if r in held))
            for d in pod.DECISIONS
        ]

    def phase(self, policy: str, record: str, states: tuple[str, ...]) -> str:
        """The phase of a pod from the state of its record and of its containers."""
        forced = pod.FORCED_PHASE.get(pod.standing(record))
        return forced or pod.decide(policy, frozenset(self.class_of[s] for s in states))[0]


def _parts(*tables: Table) -> dict[str, Table]:
    parts = {table.name: table for table in tables}
    if len(parts) < len(tables):
        raise ValueError("two tables of a profile have one name")
    return parts


SEED = Profile(
    name="seed",
    summary="the document: node phases and conditions, pod phases, every restart-policy case of its examples",
    containers=container.SEED,
    phases=pod.SEED_PHASE,
    class_of=pod.SEED_CLASS,
    record_rows=pod.SEED_RECORD_ROWS,
    slot_rows=pod.SEED_SLOT_ROWS,
    node=node.SEED_NODE,
    parts=_parts(
        nodecontroller.MACHINE,
        nodecontroller.SEED_SYNC,
        nodecontroller.SEED_NODE_RECORD,
        nodecontroller.SEED_TIMER,
        replication.SEED_CONTROLLER,
        replication.SEED_ACTIVE,
        sharing.SEED_SANDBOX,
        sharing.SEED_VOLUME,
    ),
    oom_is_failure=True,
    exit_events=True,
    statuses_are_listed=False,
    counted_up_to=None,
)

CODE = Profile(
    name="v0.17.0",
    summary="what the code of Kubernetes v0.17.0 does, where it differs from the document",
    containers=container.CODE,
    phases=pod.CODE_PHASE,
    class_of=pod.CODE_CLASS,
    record_rows=pod.CODE_RECORD_ROWS,
    slot_rows=pod.CODE_SLOT_ROWS,
    node=node.CODE_NODE,
    parts=_parts(
        nodecontroller.CODE_MACHINE,
        nodecontroller.CODE_SYNC,
        nodecontroller.CODE_NODE_RECORD,
        nodecontroller.LINK,
        nodecontroller.CLOCK,
        nodecontroller.GRACE,
        nodecontroller.EVICTION,
        nodecontroller.STAMP,
        nodecontroller.TOKENS,
        nodecontroller.INSTANCE,
        scheduler.CORDON,
        scheduler.PHASE_STRING,
        replication.CODE_CONTROLLER,
        replication.CODE_ACTIVE,
        replication.EXPECTATION,
        sharing.CODE_SANDBOX,
        sharing.CODE_VOLUME,
        sharing.LAYER,
        *kubelet.TABLES,
    ),
    oom_is_failure=False,
    exit_events=False,
    statuses_are_listed=True,
    counted_up_to=5,
)

PROFILES: dict[str, Profile] = {profile.name: profile for profile in (SEED, CODE)}


class UnknownProfile(LookupError):
    """A profile name that no profile has; the message names the known ones."""


def profile(name: str) -> Profile:
    """The profile with this name. Raises UnknownProfile."""
    try:
        return PROFILES[name]
    except KeyError:
        near = registry.nearest(name, PROFILES)
        raise UnknownProfile(f"no profile {name!r}{near}; there are: {', '.join(PROFILES)}") from None
