"""The simulator with what is observed of it changed on the way: wrong in ways in which no build of it is.

Each alteration names the rules that it breaks: a scenario that claims one of them must fail by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from adapters.simulator import SimulatedCluster, Simulator
from conformance.runtime import NodeSeen, Observation, PodSeen

Change = Callable[[Observation], Observation | None]
"""What is observed instead; None: nothing."""


@dataclass(frozen=True)
class Alteration:
    """A change of what is observed, and the rules that it breaks. ``change`` makes a new one for each scenario."""

    what: str
    breaks: tuple[str, ...]
    change: Callable[[], Change]


def runtime(alteration: Alteration) -> Simulator:
    """The simulator, seen through an alteration."""

    class Altered(SimulatedCluster):
        change: Change

        def observe(self, timeout: float) -> Sequence[Observation]:
            return [seen for one in super().observe(timeout) if (seen := self.change(one)) is not None]

    class Through(Simulator):
        def open(self, scenario: str, seed: int, profile: str) -> SimulatedCluster:
            cluster = super().open(scenario, seed, profile)
            cluster.__class__ = Altered
            cluster.change = alteration.change()  # type: ignore[attr-defined]  # it is an Altered now
            return cluster

    return Through()


def pods(change: Callable[[PodSeen], PodSeen | None]) -> Callable[[], Change]:
    """A change of pods alone."""
    return lambda: lambda seen: change(seen) if isinstance(seen, PodSeen) else seen


def nodes(change: Callable[[NodeSeen], NodeSeen | None]) -> Callable[[], Change]:
    """A change of nodes alone."""
    return lambda: lambda seen: change(seen) if isinstance(seen, NodeSeen) else seen


def first_record_only() -> Change:
    """Of each node the first record: what is made anew is not seen."""
    first: dict[str, str] = {}

    def change(seen: Observation) -> Observation | None:
        if isinstance(seen, NodeSeen) and first.setdefault(seen.name, seen.uid) != seen.uid:
            return None
        return seen

    return change


ALTERATIONS = {
    "pod-has-another-phase": Alteration(
        "a pod that runs shows a phase that is none", ("pod.phase.values", "pod.phase.five-values"),
        pods(lambda o: replace(o, phase="Started") if o.phase == "Running" else o),
    ),
    "pod-stays-pending": Alteration(
        "a pod whose containers run shows as Pending",
        ("pod.phase.running", "pod.phase.some-run", "pod.phase.table", "pod.restart.one-of-two.never"),
        pods(lambda o: replace(o, phase="Pending") if o.phase == "Running" else o),
    ),
    "pod-never-starts": Alteration(
        "a pod is bound, and its containers are never started", ("pod.container.start-never-ran",),
        pods(lambda o: o if o.deleted else replace(o, phase="Pending", containers=None)),
    ),
    "pod-runs-at-once": Alteration(
        "a pod is Running before it is bound", ("pod.phase.pending-before-binding",),
        pods(lambda o: replace(o, phase="Running") if o.phase == "Pending" else o),
    ),
    "pod-runs-unbound": Alteration(
        "containers run though their pod is bound nowhere", ("pod.binding.scheduler", "pod.concept.one-host"),
        pods(lambda o: replace(o, node=None)),
    ),
    "pod-outlives-deletion": Alteration(
        "a pod that is deleted is still there", ("pod.life.deleted-at-once", "pod.life.not-by-itself"),
        pods(lambda o: None if o.deleted else o),
    ),
    "node-has-another-phase": Alteration(
        "a node shows a phase that is none", ("node.phase.values",),
        nodes(lambda o: replace(o, phase="Ready")),
    ),
    "node-never-checks-in": Alteration(
        "a node stays Pending for ever", ("node.phase.running", "node.record.checked"),
        nodes(lambda o: replace(o, phase="Pending", reachable=None, ready=None)),
    ),
    "node-sets-its-phase": Alteration(
        "a node has a phase once it has reported", ("node.phase.never-set",),
        nodes(lambda o: replace(o, phase="Running") if o.ready else o),
    ),
    "node-outlives-deletion": Alteration(
        "a node whose record is deleted is still there", ("node.record.deleted",),
        nodes(lambda o: None if o.deleted else o),
    ),
    "node-not-made-again": Alteration(
        "the record of a machine is made but once", ("nodecontroller.sync.record-recreated",),
        first_record_only,
    ),
    "node-of-a-person-ignored": Alteration(
        "a node that a person adds has no record",
        ("nodecontroller.sync.kubectl-add", "nodecontroller.sync.off.by-hand"),
        nodes(lambda o: None if o.name == "n2" else o),
    ),
    "always-reachable": Alteration(
        "a node that is cut off is said to be reachable", ("node.condition.reachable",),
        nodes(lambda o: replace(o, reachable="True") if o.reachable else o),
    ),
    "never-ready": Alteration(
        "a node is not ready, though its kubelet says OK", ("node.condition.ready-means",),
        nodes(lambda o: replace(o, ready="False") if o.ready else o),
    ),
    "silent-but-ready": Alteration(
        "a node that is silent stays ready", ("node.condition.silent",),
        nodes(lambda o: replace(o, ready="True") if o.ready == "Unknown" else o),
    ),
    "silent-but-not-ready": Alteration(
        "the node controller writes False for a node that is silent", ("node.condition.controller-writes",),
        nodes(lambda o: replace(o, ready="False") if o.ready == "Unknown" else o),
    ),
    "silent-with-another-heartbeat": Alteration(
        "a node that becomes Unknown has an earlier heartbeat than before", ("node.condition.silent.heartbeat-kept",),
        nodes(lambda o: replace(o, heartbeat_at=0.0 if o.ready == "Unknown" else 1.0)),
    ),
}  # fmt: skip
"""All of them, by name."""
