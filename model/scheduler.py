"""What the scheduler looks at beside a node's conditions: whether it is cordoned; and what it does not, its phase.

Only the profile v0.17.0 has these: the document knows no unschedulable node, and its phase is a machine (`node.py`).
"""

from __future__ import annotations

from model.lts.table import Row, Table

CORDON = Table(
    "cordon",
    ("Schedulable", "Unschedulable"),
    "Schedulable",
    (
        Row("Schedulable", "cordon", "Unschedulable", ("scheduler.candidate.ready", "scheduler.candidate.pods-stay",
                                                       "node.record.mutable")),
        Row("Unschedulable", "uncordon", "Schedulable", ("scheduler.candidate.ready", "node.record.mutable")),
    ),
)  # fmt: skip

PHASE_STRING = Table(
    "nodephase",
    ("Empty", "Pending", "Running", "Terminated", "AnyString"),
    "Empty",
    (
        Row("Empty", "write_pending", "Pending", ("node.phase.constants", "node.phase.empty")),
        Row("Empty", "write_running", "Running", ("node.phase.constants", "scheduler.candidate.phase-ignored")),
        Row("Empty", "write_terminated", "Terminated", ("node.phase.constants", "node.phase.terminated-is-scheduled",
                                                        "node.phase.terminated-keeps-pods")),
        Row("Empty", "write_any_string", "AnyString", ("node.phase.any-string", "node.record.status-unchecked")),
    ),
)  # fmt: skip
"""A node's phase in v0.17.0: what the client that created the node wrote, if anything; nobody changes it afterwards."""
