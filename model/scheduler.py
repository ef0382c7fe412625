"""The scheduler: which nodes are candidates, which of them fit a pod, and which of those is the best.

Only the profile v0.17.0 has these: the document knows no unschedulable node, and its phase is a machine (`node.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from model.listing import Listing
from model.lts.table import Row, Table
from model.noderecord import Record

# --- what it looks at, and what it does not: a cordon, and the phase ------------------------------------------------

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

# --- candidates -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Candidacy:
    """What a node's record must show for the node to be a candidate."""

    name: str
    holds: Callable[[Record], bool]
    rules: tuple[str, ...]


CANDIDACY = (
    Candidacy("it is not marked unschedulable", lambda node: not node.get("unschedulable"),
              ("scheduler.candidate.ready",)),
    Candidacy("it has a condition Ready",
              lambda node: any(c.get("type") == "Ready" for c in node.get("conditions", ())),
              ("scheduler.candidate.ready", "scheduler.candidate.no-condition")),
    Candidacy("the status of its last condition is True", lambda node: node["conditions"][-1]["status"] == "True",
              ("scheduler.candidate.ready", "scheduler.candidate.last-condition")),
)  # fmt: skip
"""Nothing else counts. With the one condition that v0.17.0 writes the last one is Ready."""


def no_candidate(node: Record) -> Candidacy | None:
    """The first row of `CANDIDACY` that keeps a node from being a candidate; None if it is one."""
    return next((row for row in CANDIDACY if not row.holds(node)), None)


# --- what fits ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Demand:
    """What a pod asks of its node: limits (cpu in cores, memory in bytes; 0: no limit), ports of the host, disks,
    labels that the node must have, and its name if it must be that node."""

    limits: Mapping[str, float] = field(default_factory=dict)
    ports: frozenset[int] = frozenset()
    disks: frozenset[str] = frozenset()
    selector: Mapping[str, str] = field(default_factory=dict)
    host: str = ""


@dataclass(frozen=True)
class Offer:
    """What a node has: its name, labels and capacity, and the pods that are bound to it, whether they have ended or
    not (scheduler.fit.terminal-counts)."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    capacity: Mapping[str, float] = field(default_factory=dict)
    bound: Sequence[Demand] = ()


def _resources(pod: Demand, node: Offer) -> bool:
    if not any(pod.limits.values()):
        return True
    return all(
        not node.capacity.get(name) or sum(one.limits.get(name, 0) for one in (pod, *node.bound)) <= node.capacity[name]
        for name in ("cpu", "memory")
    )


@dataclass(frozen=True)
class Predicate:
    """Something that must hold for a pod to fit on a node."""

    name: str
    meaning: str
    holds: Callable[[Demand, Offer], bool]
    rules: tuple[str, ...]


FITS = ("scheduler.fit.predicates",)

PREDICATES = (
    Predicate("PodFitsPorts", "no pod there has one of its host ports",
              lambda pod, node: all(pod.ports.isdisjoint(other.ports) for other in node.bound),
              (*FITS, "scheduler.fit.terminal-counts", "pod.sharing.port-mapping")),
    Predicate("PodFitsResources", "its limits and those of the pods there are within the capacity (zero: unlimited); "
              "without limits it fits",
              _resources, (*FITS, "scheduler.fit.resources", "scheduler.fit.terminal-counts")),
    Predicate("NoDiskConflict", "no pod there has one of its disks",
              lambda pod, node: all(pod.disks.isdisjoint(other.disks) for other in node.bound),
              (*FITS, "scheduler.fit.terminal-counts")),
    Predicate("MatchNodeSelector", "the node has the labels that it asks for",
              lambda pod, node: pod.selector.items() <= node.labels.items(), FITS),
    Predicate("HostName", "it asks for no node, or for this one",
              lambda pod, node: pod.host in ("", node.name), FITS),
)  # fmt: skip


def misfit(pod: Demand, node: Offer) -> Predicate | None:
    """The first predicate that keeps a pod from a node; None if it fits."""
    return next((predicate for predicate in PREDICATES if not predicate.holds(pod, node)), None)


@dataclass(frozen=True)
class Priority:
    """Something by which nodes that fit are compared, and how much it weighs."""

    name: str
    weight: int
    rules: tuple[str, ...]


PRIORITIES = (
    Priority("LeastRequested", 1, ("scheduler.fit.priorities",)),
    Priority("BalancedResourceAllocation", 1, ("scheduler.fit.priorities",)),
    Priority("ServiceSpreading", 1, ("scheduler.fit.priorities",)),
)


def best(scores: Mapping[str, Mapping[str, float]]) -> set[str]:
    """The nodes, any of which may be taken: those with the highest weighted sum. ``scores`` is by node and priority."""
    total = {node: sum(p.weight * score[p.name] for p in PRIORITIES) for node, score in scores.items()}
    return {node for node, score in total.items() if score == max(total.values())}


LISTINGS = (
    Listing("candidacy", "What a node's record must show for the node to be a candidate", CANDIDACY),
    Listing("predicates", "What must hold for a pod to fit on a candidate", PREDICATES),
    Listing("priorities", "By what the nodes that fit are compared; ties are broken at random", PRIORITIES),
)
