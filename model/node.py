"""A node: its phase, and inside Running two orthogonal conditions; in v0.17.0 only a record with one condition."""

from __future__ import annotations

from dataclasses import dataclass

from model.lts.table import Row, Table

# --- profile seed: Pending -> Running -> Terminated, conditions only while Running ----------------------------------

NODE_REACHABLE = Table(
    "NodeReachable",
    ("Unknown", "True", "False"),
    "Unknown",
    (
        Row("Unknown", "reachable", "True", ("node.condition.reachable",)),
        Row("False", "reachable", "True", ("node.condition.reachable",)),
        Row("Unknown", "unreachable", "False", ("node.condition.reachable",)),
        Row("True", "unreachable", "False", ("node.condition.reachable",)),
        Row("True", "reachability_lost", "Unknown", ("node.condition.reachable",)),
        Row("False", "reachability_lost", "Unknown", ("node.condition.reachable",)),
    ),
)

NODE_READY = Table(
    "NodeReady",
    ("Unknown", "True", "False"),
    "Unknown",
    (
        Row("Unknown", "ready", "True", ("node.condition.ready",)),
        Row("False", "ready", "True", ("node.condition.ready",)),
        Row("Unknown", "not_ready", "False", ("node.condition.ready",)),
        Row("True", "not_ready", "False", ("node.condition.ready",)),
        Row("True", "readiness_lost", "Unknown", ("node.condition.ready",)),
        Row("False", "readiness_lost", "Unknown", ("node.condition.ready",)),
    ),
)

SEED_NODE = Table(
    "node",
    ("Pending", "Running", "Terminated", "Removed"),
    "Pending",
    (
        Row("Pending", "check_in", "Running", ("node.phase.running", "node.phase.pending", "node.record.checked")),
        Row("Pending", "terminate", "Terminated", ("node.phase.terminated",)),
        Row("Running", "terminate", "Terminated", ("node.phase.terminated",)),
        Row("Terminated", "remove", "Removed", ("nodecontroller.sync.delete",)),
        Row("Running", "remove", "Removed", ("nodecontroller.sync.delete",)),
        Row("Pending", "remove", "Removed", ("nodecontroller.sync.delete",)),
    ),
    {"Running": (NODE_REACHABLE, NODE_READY)},
)

# --- profile v0.17.0: no phase; the condition Ready, once the kubelet has posted or the controller has given up -----

READY = Table(
    "Ready",
    ("Absent", "True", "False", "Unknown"),
    "Absent",
    (
        Row("Absent", "post_ready", "True", ("node.condition.kubelet-writes", "node.condition.ready-means")),
        Row("True", "post_ready", "True", ("node.condition.kubelet-writes",)),
        Row("False", "post_ready", "True", ("node.condition.kubelet-writes",)),
        Row("Unknown", "post_ready", "True", ("node.condition.kubelet-writes",)),
        Row("Absent", "post_not_ready", "False", ("node.condition.kubelet-writes",)),
        Row("True", "post_not_ready", "False", ("node.condition.kubelet-writes",)),
        Row("False", "post_not_ready", "False", ("node.condition.kubelet-writes",)),
        Row("Unknown", "post_not_ready", "False", ("node.condition.kubelet-writes",)),
        Row("Absent", "never_reported", "Unknown", ("node.condition.never-reported",)),
        Row("True", "silent", "Unknown", ("node.condition.silent", "node.condition.controller-writes")),
        Row("False", "silent", "Unknown", ("node.condition.silent", "node.condition.controller-writes")),
    ),
)

CODE_NODE = Table(
    "node",
    ("Recorded", "Removed"),
    "Recorded",
    (
        Row("Recorded", "remove", "Removed", ("node.record.deleted",)),
        Row("Recorded", "remove_by_cloud", "Removed", ("node.record.deleted", "nodecontroller.sync.delete")),
    ),
    {"Recorded": (READY,)},
)

# --- who writes the condition Ready, and with which reason (v0.17.0) ------------------------------------------------


@dataclass(frozen=True)
class Posting:
    """One way in which Ready is written: its status, who writes it, and the reason given."""

    status: str
    writer: str
    reason: str
    rules: tuple[str, ...]


BY_KUBELET = ("node.condition.kubelet-writes", "node.condition.kubelet-reasons")
BY_CONTROLLER = ("node.condition.controller-writes", "node.condition.controller-reasons")
NEVER_POSTED = "Kubelet never posted node status."

POSTINGS = (
    Posting("True", "kubelet", "kubelet is posting ready status", BY_KUBELET),
    Posting("False", "kubelet", "container runtime is down", BY_KUBELET),
    Posting("Unknown", "node controller", NEVER_POSTED, BY_CONTROLLER),
    Posting("Unknown", "node controller", "Kubelet stopped posting node status.", BY_CONTROLLER),
)
"""All of them: the kubelet never writes Unknown, the node controller nothing else."""
