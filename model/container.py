"""A container, one table per restart policy.

A container waits until it is started, runs, ends in one of four ways, and, if the policy says so, is restarted: a new
incarnation has then been begun (that is what the restart count counts) and will run soon.

    Waiting --start--> Running --exit_zero-->     Completed  --restart--> Restarting --start--> Running
                               --exit_failure-->  Error
                               --out_of_memory--> OOMKilled
                               --kill-->          Killed
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from model.lts.table import Row, Table

POLICIES = ("Always", "OnFailure", "Never")

STATES = ("Waiting", "Running", "Completed", "Error", "OOMKilled", "Killed", "Restarting")
ENDED = ("Completed", "Error", "OOMKilled", "Killed")
"""The states of an incarnation that is over: by exit 0, by failure, by want of memory, or killed by the system."""

COUNTED = ("restart", "recreate", "liveness_failed")
"""The events that begin a new incarnation: each adds one to the restart count."""

# --- profile seed ---------------------------------------------------------------------------------------------------

SEED_ROWS = (
    Row("Waiting", "start", "Running", ("pod.phase.running",), records=("started",)),
    Row("Running", "exit_zero", "Completed", ("pod.event.completed",), records=("completed",)),
    Row("Running", "exit_failure", "Error", ("pod.event.failed",), records=("failed",)),
    Row("Running", "out_of_memory", "OOMKilled", ("pod.restart.oom.abnormal", "pod.event.out-of-memory"),
        records=("out-of-memory",)),
    Row("Running", "kill", "Killed", ("pod.disk.kills",), records=("killing",)),
)  # fmt: skip

SEED_RESTARTS = {
    "Always": (
        Row("Completed", "restart", "Restarting", ("pod.restart.success.always",)),
        Row("Error", "restart", "Restarting", ("pod.restart.failure.always", "pod.restart.one-of-two.always")),
        Row("OOMKilled", "restart", "Restarting", ("pod.restart.oom.always",)),
        Row("Restarting", "start", "Running", ("pod.phase.running",), records=("started",)),
    ),
    "OnFailure": (
        Row("Error", "restart", "Restarting", ("pod.restart.failure.onfailure", "pod.restart.one-of-two.onfailure")),
        Row("OOMKilled", "restart", "Restarting", ("pod.restart.oom.onfailure",)),
        Row("Restarting", "start", "Running", ("pod.phase.running",), records=("started",)),
    ),
    "Never": (),
}

# --- profile v0.17.0 ------------------------------------------------------------------------------------------------
# Killed here is what the kubelet does to the containers of a pod whose sandbox died. A new incarnation is created
# before it is started, and shows as waiting in between.

CODE_ROWS = (
    Row("Waiting", "start", "Running", ("pod.container.start-never-ran",)),
    Row("Waiting", "recreate", "Waiting", ("pod.restart.start-failure-retried",)),
    Row("Running", "exit_zero", "Completed", ("pod.restart.exit-code-only", "pod.event.none-on-exit")),
    Row("Running", "exit_failure", "Error", ("pod.restart.exit-code-only", "pod.event.none-on-exit")),
    Row("Running", "out_of_memory", "OOMKilled", ("pod.restart.oom-exit-code", "pod.event.none-on-oom")),
    Row("Running", "liveness_failed", "Restarting", ("pod.restart.liveness", "pod.restart.image-changed",
                                                     "pod.concept.released-alone")),
    Row("Restarting", "start", "Running", ("pod.container.start-never-ran",)),
    Row("Restarting", "recreate", "Restarting", ("pod.restart.start-failure-retried",)),
)  # fmt: skip

CODE_RESTARTS = {
    "Always": (
        Row("Completed", "restart", "Restarting", ("pod.restart.success.always", "pod.restart.exit-zero")),
        Row("Error", "restart", "Restarting", ("pod.restart.failure.always", "pod.restart.one-of-two.always",
                                               "pod.restart.exit-non-zero", "pod.restart.unlimited")),
        Row("OOMKilled", "restart", "Restarting", ("pod.restart.oom.always",)),
        Row("Running", "kill", "Killed", ("pod.restart.sandbox-died",)),
        Row("Killed", "restart", "Restarting", ("pod.restart.sandbox-died",)),
    ),
    "OnFailure": (
        Row("Error", "restart", "Restarting", ("pod.restart.failure.onfailure", "pod.restart.one-of-two.onfailure",
                                               "pod.restart.exit-non-zero", "pod.restart.unlimited")),
        Row("OOMKilled", "restart", "Restarting", ("pod.restart.oom.onfailure",)),
        Row("Running", "kill", "Killed", ("pod.restart.sandbox-died",)),
        Row("Killed", "restart", "Restarting", ("pod.restart.sandbox-died",)),
    ),
    "Never": (
        Row("Running", "kill", "Killed", ("pod.restart.sandbox-died.never",)),
    ),
}  # fmt: skip


def container_tables(rows: tuple[Row, ...], restarts: dict[str, tuple[Row, ...]]) -> dict[str, Table]:
    """One container table per restart policy: the common rows and those of the policy."""
    tables = {}
    for policy in POLICIES:
        every = rows + restarts[policy]
        reached = {"Waiting", *(row.target for row in every)}
        states = tuple(state for state in STATES if state in reached)
        tables[policy] = Table(f"container/{policy}", states, "Waiting", every)
    return tables


SEED = container_tables(SEED_ROWS, SEED_RESTARTS)
CODE = container_tables(CODE_ROWS, CODE_RESTARTS)


def final(table: Table) -> tuple[str, ...]:
    """The states in which a container has ended for good: the table has no way on."""
    return tuple(state for state in ENDED if state in table.states and not table.allowed(state))


# --- how a status shows a container (v0.17.0) -----------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """What a status must have that shows this: whether an instance is named, always, never, or maybe."""

    instance: Literal["always", "never", "maybe"]
    rules: tuple[str, ...]


SHOWN: dict[str, Shown | None] = {
    "waiting": Shown("maybe", ("pod.container.never-ran", "pod.container.no-instance")),
    "running": Shown("always", ("pod.container.running",)),
    "terminated": Shown("always", ("pod.container.terminated",)),
    "unknown": None,
}
"""The states of a status. None of the three set is no state of its own: nothing is said (pod.container.none-set)."""

WAITING = {
    "Container cannot run": Shown("always", ("pod.container.never-ran",)),
    "image ready, container is creating": Shown("never", ("pod.container.no-instance",)),
    "image is not ready on the node": Shown("never", ("pod.container.no-instance",)),
}
"""The reasons of a waiting container. Any other one is the error of the last attempt (pod.container.waiting-reason)."""

TERMINATION = ("exitCode", "signal", "reason", "message", "startedAt", "finishedAt", "containerID")
"""What a Termination may say."""

ALWAYS_TOLD = ("exitCode", "startedAt", "finishedAt", "containerID")
"""What it always says."""
