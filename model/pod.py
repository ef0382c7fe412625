"""A pod: its phase as the document describes it, the decision table that computes it, and the pod's own record.

Two levels describe a pod. The *phase table* is what the document says: Pending, Running, Succeeded, Failed, and Deleted
as the end of the object. It is nondeterministic, as it cannot know whether an exit was the last one. The *mechanism* is
the pod's record (where it is bound, what became of it) and its containers; its phase is computed by the total *decision
table*. `kubephase verify` proves that the mechanism never does what the phase table does not allow.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from model.container import POLICIES
from model.lts.table import Row, Table

PHASES = ("Pending", "Running", "Succeeded", "Failed", "Deleted")
TERMINAL = ("Succeeded", "Failed")

# --- the phase by the document, profile seed ------------------------------------------------------------------------

SEED_PHASE_ROWS = (
    Row("Pending", "bind", "Pending", ("pod.binding.scheduler", "pod.phase.pending")),
    Row("Pending", "start", "Pending", ("pod.phase.pending",)),
    Row("Pending", "start", "Running", ("pod.phase.running",)),
    Row("Pending", "exit_zero", "Pending", ("pod.phase.pending",)),
    Row("Pending", "exit_failure", "Pending", ("pod.phase.pending",)),
    Row("Pending", "out_of_memory", "Pending", ("pod.phase.pending",)),
    Row("Running", "exit_zero", "Running", ("pod.phase.running",)),
    Row("Running", "exit_failure", "Running", ("pod.phase.running",)),
    Row("Running", "out_of_memory", "Running", ("pod.phase.running",)),
    Row("Pending", "disk_died", "Failed", ("pod.disk.failed", "pod.event.disk-died")),
    Row("Running", "disk_died", "Failed", ("pod.disk.failed", "pod.event.disk-died")),
    Row("Pending", "node_timed_out", "Failed", ("pod.life.node-lost",)),
    Row("Running", "node_timed_out", "Failed", ("pod.partition.failed", "pod.life.node-lost")),
    Row("Succeeded", "expire", "Deleted", ("pod.life.reaped",)),
    Row("Failed", "expire", "Deleted", ("pod.life.reaped",)),
    *(Row(phase, "delete", "Deleted", ("pod.life.not-by-itself",)) for phase in PHASES[:4]),
    *(Row(phase, "node_terminated", "Deleted", ("node.phase.terminated.pods-deleted",)) for phase in PHASES[:4]),
)

SEED_PHASE_BY_POLICY = {
    "Always": (
        Row("Pending", "restart", "Pending", ("pod.phase.pending",)),
        Row("Running", "restart", "Running", ("pod.restart.success.always", "pod.restart.failure.always",
                                              "pod.restart.oom.always", "pod.restart.both-of-two.always")),
        Row("Running", "start", "Running", ("pod.phase.running",)),
    ),
    "OnFailure": (
        Row("Pending", "restart", "Pending", ("pod.phase.pending",)),
        Row("Running", "restart", "Running", ("pod.restart.failure.onfailure", "pod.restart.oom.onfailure",
                                              "pod.restart.both-of-two.onfailure")),
        Row("Running", "start", "Running", ("pod.phase.running",)),
        Row("Running", "exit_zero", "Succeeded", ("pod.restart.success.onfailure", "pod.phase.succeeded")),
    ),
    "Never": (
        Row("Running", "exit_zero", "Succeeded", ("pod.restart.success.never", "pod.phase.succeeded")),
        Row("Running", "exit_zero", "Failed", ("pod.restart.both-of-two.never", "pod.phase.failed")),
        Row("Running", "exit_failure", "Failed", ("pod.restart.failure.never", "pod.phase.failed")),
        Row("Running", "out_of_memory", "Failed", ("pod.restart.oom.never", "pod.phase.failed", "pod.event.oom-error")),
    ),
}  # fmt: skip

# --- the phase by the code, profile v0.17.0 -------------------------------------------------------------------------

CODE_PHASE_ROWS = (
    Row("Pending", "bind", "Pending", ("pod.binding.scheduler", "pod.phase.pending", "pod.phase.pending-before-binding",
                                       "pod.phase.created-pending")),
    Row("Pending", "start", "Pending", ("pod.phase.waiting-wins",)),
    Row("Pending", "start", "Running", ("pod.phase.some-run",)),
    Row("Pending", "recreate", "Pending", ("pod.restart.start-failure-retried", "pod.phase.image-missing")),
    Row("Pending", "exit_zero", "Pending", ("pod.phase.waiting-wins",)),
    Row("Pending", "exit_failure", "Pending", ("pod.phase.waiting-wins",)),
    Row("Pending", "out_of_memory", "Pending", ("pod.phase.waiting-wins",)),
    Row("Pending", "liveness_failed", "Pending", ("pod.restart.liveness",)),
    Row("Running", "liveness_failed", "Pending", ("pod.restart.liveness", "pod.phase.back-to-pending")),
    Row("Running", "exit_zero", "Running", ("pod.phase.some-run",)),
    Row("Running", "exit_failure", "Running", ("pod.phase.some-run",)),
    Row("Running", "out_of_memory", "Running", ("pod.phase.some-run",)),
    Row("Pending", "sandbox_died", "Pending", ("pod.restart.sandbox-died",)),
    *(Row(phase, "refuse_admission", "Failed", ("pod.phase.admission-failed",)) for phase in ("Pending", "Running")),
    *(Row(phase, "evict", "Deleted", ("pod.life.evicted",)) for phase in PHASES[:4]),
    *(Row(phase, "delete", "Deleted", ("pod.life.deleted-at-once", "pod.life.deleted-in-any-phase"))
      for phase in PHASES[:4]),
)  # fmt: skip

CODE_PHASE_BY_POLICY = {
    "Always": (
        Row("Pending", "restart", "Pending", ("pod.phase.waiting-wins",)),
        Row("Running", "restart", "Pending", ("pod.phase.back-to-pending",)),
        Row("Running", "sandbox_died", "Running", ("pod.restart.sandbox-died",)),
    ),
    "OnFailure": (
        Row("Pending", "restart", "Pending", ("pod.phase.waiting-wins",)),
        Row("Running", "restart", "Pending", ("pod.phase.back-to-pending",)),
        Row("Running", "sandbox_died", "Running", ("pod.restart.sandbox-died",)),
        Row("Running", "exit_zero", "Succeeded", ("pod.restart.success.onfailure", "pod.phase.all-succeeded")),
        Row("Succeeded", "refuse_admission", "Failed", ("pod.phase.admission-rewrites",)),
    ),
    "Never": (
        Row("Running", "exit_zero", "Succeeded", ("pod.restart.success.never", "pod.phase.all-succeeded")),
        Row("Running", "exit_zero", "Failed", ("pod.restart.both-of-two.never", "pod.phase.some-failed")),
        Row("Running", "exit_failure", "Failed", ("pod.restart.failure.never", "pod.phase.some-failed")),
        Row("Running", "out_of_memory", "Failed", ("pod.restart.oom.never", "pod.phase.some-failed")),
        Row("Running", "sandbox_died", "Failed", ("pod.restart.sandbox-died.never", "pod.phase.some-failed")),
        Row("Failed", "refuse_admission", "Failed", ("pod.phase.admission-rewrites",)),
        Row("Succeeded", "refuse_admission", "Failed", ("pod.phase.admission-rewrites",)),
    ),
}


def phase_tables(rows: tuple[Row, ...], by_policy: dict[str, tuple[Row, ...]]) -> dict[str, Table]:
    """One phase table per restart policy."""
    tables = {}
    for policy in POLICIES:
        every = rows + by_policy[policy]
        reached = {"Pending"}
        for _ in PHASES:
            reached |= {row.target for row in every if row.source in reached}
        kept = tuple(row for row in every if row.source in reached)
        tables[policy] = Table(f"pod/{policy}", tuple(p for p in PHASES if p in reached), "Pending", kept)
    return tables


SEED_PHASE = phase_tables(SEED_PHASE_ROWS, SEED_PHASE_BY_POLICY)
CODE_PHASE = phase_tables(CODE_PHASE_ROWS, CODE_PHASE_BY_POLICY)

# --- the decision table (F-T1) --------------------------------------------------------------------------------------
# Each container is in one of five classes. The first row that fits decides; the rows are complete.

CLASSES = ("waiting", "running", "succeeded", "failed", "unknown")


@dataclass(frozen=True)
class Decision:
    """One row: it fits if some container is in each class of ``has`` and none in a class of ``lacks``.

    ``phases`` gives the phase for each policy in the order of POLICIES.
    """

    name: str
    has: tuple[str, ...]
    lacks: tuple[str, ...]
    phases: tuple[str, str, str]
    rules: tuple[str, ...]

    def fits(self, classes: frozenset[str]) -> bool:
        """Whether the row fits a pod whose containers are in just these classes."""
        return classes.issuperset(self.has) and classes.isdisjoint(self.lacks)


DECISIONS = (
    Decision("some wait", ("waiting",), (), ("Pending", "Pending", "Pending"),
             ("pod.phase.pending", "pod.phase.waiting-wins")),
    Decision("some run", ("running",), ("waiting", "unknown"), ("Running", "Running", "Running"),
             ("pod.phase.running", "pod.phase.some-run", "pod.restart.one-of-two.never")),
    Decision("all ended well", ("succeeded",), ("waiting", "running", "unknown", "failed"),
             ("Running", "Succeeded", "Succeeded"),
             ("pod.phase.succeeded", "pod.phase.all-succeeded", "pod.phase.always-never-succeeded")),
    Decision("all ended, some badly", ("failed",), ("waiting", "running", "unknown"),
             ("Running", "Running", "Failed"),
             ("pod.phase.failed", "pod.phase.some-failed", "pod.phase.onfailure-never-failed")),
    Decision("some unknown", ("unknown",), ("waiting",), ("Pending", "Pending", "Pending"),
             ("pod.phase.unknown-state", "pod.container.none-set")),
    Decision("no containers", (), CLASSES, ("Pending", "Pending", "Pending"),
             ("pod.phase.no-containers", "pod.concept.containers")),
)  # fmt: skip


def decide(policy: str, classes: frozenset[str]) -> tuple[str, Decision]:
    """The phase of a pod whose containers are in just these classes, and the row that decided. A policy that is none
    counts as OnFailure (pod.phase.other-policy)."""
    column = POLICIES.index(policy if policy in POLICIES else "OnFailure")
    for row in DECISIONS:
        if row.fits(classes):
            return row.phases[column], row
    raise AssertionError("the decision table is complete")  # pragma: no cover - a test proves it


SEED_CLASS = {
    "Waiting": "waiting",
    "Running": "running",
    "Restarting": "running",
    "Completed": "succeeded",
    "Error": "failed",
    "OOMKilled": "failed",
    "Killed": "failed",
}
"""The class of each container state. In the seed a restarting container counts as running (L264)."""

CODE_CLASS = {**SEED_CLASS, "Restarting": "waiting"}
"""In v0.17.0 it shows as waiting until it runs (PHASE-8)."""

# --- the pod's record: what happens to the object -------------------------------------------------------------------
# `@` stands for a node: the table has these rows once for every node that the network holds.

SEED_RECORD_ROWS = (
    Row("Unbound", "bind@", "Bound@", ("pod.binding.scheduler", "pod.binding.candidate")),
    Row("Bound@", "disk_died", "DiskDied@", ("pod.disk.failed", "pod.disk.kills"), records=("disk-died",)),
    Row("Bound@", "node_timed_out@", "NodeLost@", ("pod.partition.waits", "pod.partition.failed", "pod.life.node-lost",
                                                   "pod.binding.never-moved")),
    Row("Unbound", "delete", "Deleted", ("pod.life.not-by-itself",)),
    Row("Bound@", "delete", "Deleted", ("pod.life.not-by-itself",)),
    Row("DiskDied@", "delete", "Deleted", ("pod.life.not-by-itself",)),
    Row("NodeLost@", "delete", "Deleted", ("pod.life.not-by-itself",)),
    Row("Bound@", "expire", "Deleted", ("pod.life.reaped",)),
    Row("DiskDied@", "expire_failed", "Deleted", ("pod.life.reaped",)),
    Row("NodeLost@", "expire_failed", "Deleted", ("pod.life.reaped",)),
    Row("Bound@", "node_terminated@", "Deleted", ("node.phase.terminated.pods-deleted", "pod.life.dead-node-deletes")),
    Row("DiskDied@", "node_terminated@", "Deleted", ("node.phase.terminated.pods-deleted",)),
    Row("NodeLost@", "node_terminated@", "Deleted", ("node.phase.terminated.pods-deleted",)),
)  # fmt: skip

CODE_RECORD_ROWS = (
    Row("Unbound", "bind@", "Bound@", ("pod.binding.scheduler", "pod.binding.once", "scheduler.candidate.ready")),
    Row("Bound@", "sandbox_died", "Bound@", ("pod.restart.sandbox-died", "pod.restart.sandbox-died.succeeded-stay")),
    Row("Bound@", "refuse_admission", "Refused@", ("pod.phase.admission-failed", "pod.phase.admission-rewrites")),
    Row("Unbound", "delete", "Deleted", ("pod.life.deleted-at-once",)),
    Row("Bound@", "delete", "Deleted", ("pod.life.deleted-at-once",)),
    Row("Refused@", "delete", "Deleted", ("pod.life.deleted-at-once",)),
    Row("Bound@", "evict@", "Deleted", ("pod.life.evicted", "pod.binding.never-moved")),
    Row("Refused@", "evict@", "Deleted", ("pod.life.evicted",)),
)

# --- a slot: a pod from before its creation, without its containers -------------------------------------------------
# The networks of the controllers have many pods and look at none from inside: how its containers end is one step of
# the slot. A slot that is empty again takes a new pod, which has nothing of the old one.

SEED_SLOT_ROWS = (
    Row("Absent", "create", "Unbound", ("pod.concept.unit", "pod.phase.pending")),
    Row("Deleted", "create", "Unbound", ("pod.life.dead-node-deletes", "pod.binding.never-moved")),
    *(row for row in SEED_RECORD_ROWS if row.event != "expire"),
    Row("Bound@", "succeed", "Succeeded@", ("pod.phase.succeeded",)),
    Row("Bound@", "fail", "Failed@", ("pod.phase.failed",)),
    Row("Succeeded@", "expire", "Deleted", ("pod.life.reaped",)),
    Row("Failed@", "expire", "Deleted", ("pod.life.reaped",)),
    Row("Succeeded@", "delete", "Deleted", ("pod.life.not-by-itself",)),
    Row("Failed@", "delete", "Deleted", ("pod.life.not-by-itself",)),
    Row("Succeeded@", "node_terminated@", "Deleted", ("node.phase.terminated.pods-deleted",)),
    Row("Failed@", "node_terminated@", "Deleted", ("node.phase.terminated.pods-deleted",)),
)

CODE_SLOT_ROWS = (
    Row("Absent", "create", "Unbound", ("pod.phase.created-pending", "pod.phase.pending-before-binding")),
    Row("Absent", "create_bound@", "Bound@", ("pod.binding.preset-host", "pod.binding.node-unchecked")),
    Row("Deleted", "create", "Unbound", ("pod.life.by-uid", "replication.count.new-pod")),
    Row("Deleted", "create_bound@", "Bound@", ("pod.binding.preset-host", "pod.binding.node-unchecked")),
    Row("Unbound", "fit_nowhere", "Unbound", ("scheduler.retry.pending", "scheduler.retry.event"),
        records=("failedScheduling",)),
    *(row for row in CODE_RECORD_ROWS if row.event != "sandbox_died"),
    Row("Bound@", "succeed", "Succeeded@", ("pod.phase.all-succeeded",)),
    Row("Bound@", "fail", "Failed@", ("pod.phase.some-failed",)),
    Row("Succeeded@", "delete", "Deleted", ("pod.life.deleted-in-any-phase", "pod.life.never-reaped")),
    Row("Failed@", "delete", "Deleted", ("pod.life.deleted-in-any-phase", "pod.life.never-reaped")),
    Row("Succeeded@", "evict@", "Deleted", ("pod.life.evicted", "pod.partition.all-pods")),
    Row("Failed@", "evict@", "Deleted", ("pod.life.evicted", "pod.partition.all-pods")),
)  # fmt: skip

ENDED = ("Succeeded", "Failed", "DiskDied", "NodeLost", "Refused")
"""The standings of a pod that has ended: its phase is terminal."""

FORCED_PHASE = {"DiskDied": "Failed", "NodeLost": "Failed", "Refused": "Failed", "Deleted": "Deleted"}
"""The phase that the record decides by itself, whatever the containers do."""


@functools.cache
def record_table(
    rows: tuple[Row, ...], homes: tuple[str, ...], name: str = "record", initial: str = "Unbound"
) -> Table:
    """The table of a pod's record in a network with these nodes: each row with ``@`` once for every node."""
    states = [initial]
    every = []
    for row in rows:
        for home in homes if "@" in row.source + row.event + row.target else homes[:1]:
            source, event, target = (part.replace("@", f"@{home}") for part in (row.source, row.event, row.target))
            every.append(Row(source, event, target, row.rules, row.records))
            states += [source, target]
    return Table(name, tuple(dict.fromkeys(states)), initial, tuple(every))


def standing(record: str) -> str:
    """What a record state says without its node: ``Bound`` of ``Bound@n1``."""
    return record.partition("@")[0]


def home(record: str) -> str | None:
    """The node that a record state names, if any."""
    return record.partition("@")[2] or None
