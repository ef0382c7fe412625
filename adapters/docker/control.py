"""The controllers that a cluster of engines needs besides: for nodes, scheduling and replication. All small.

They see nodes as the document has them: what runs there they learn from the engine, or not at all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from adapters.docker.engine import Engine, Reached, Ready, health
from adapters.docker.pods import Pod
from conformance.runtime import ConditionStatus, ControllerSeen, ControllerSpec, NodeSeen, PodSpec

POLL = 0.25
"""Seconds between two looks at a node."""

TIME_OUT = 8.0
"""Seconds after which the pods of a lost node are given up (seed.md L319)."""

EXPIRY = 4.0
"""Seconds after which a pod that has ended expires, where a scenario needs that (seed.md L276)."""


@dataclass
class NodeRecord:
    """A node: the record that the cluster keeps of an engine (seed.md L177, L181, L185)."""

    name: str
    uid: str
    engine: Engine
    phase: str = "Pending"
    reachable: ConditionStatus | None = None
    ready: ConditionStatus | None = None
    lost_since: float | None = None
    is_faulted: bool = False
    """A fault of ours holds it down."""
    mended_at: float = 0.0
    """When the last fault was undone: it answers a little later."""
    is_gone: bool = False
    """The machine has ended for good."""
    is_stale: bool = False
    """Something could not be done or looked up there: all is looked at again when it answers."""
    monitor: Monitor | None = None

    @property
    def is_candidate(self) -> bool:
        """Whether pods may be bound to it: Running, reachable and ready."""
        return self.phase == "Running" and self.reachable == "True" and self.ready == "True"

    def take(self, reachable: Reached, ready: Ready, now: float) -> bool:
        """Take in what a look at the node found; whether it was news. The first good answer is the check-in."""
        if self.phase == "Terminated" or (self.phase == "Pending" and ready != "True"):
            return False
        was = (self.phase, self.reachable, self.ready)
        self.phase, self.reachable, self.ready = "Running", reachable, ready
        self.lost_since = None if self.is_candidate else self.lost_since or now
        return was != (self.phase, self.reachable, self.ready)

    def terminate(self) -> None:
        """The node has ended: no conditions any more (seed.md L177, L181)."""
        self.phase, self.reachable, self.ready, self.lost_since = "Terminated", None, None, None

    def seen(self, at: float) -> NodeSeen:
        """The record as it is now."""
        return NodeSeen(at, self.name, self.uid, self.phase, self.reachable, self.ready)


class Monitor(threading.Thread):
    """Looks at a node again and again, and says what it finds."""

    def __init__(self, url: str, say: Callable[[Reached, Ready], None]) -> None:
        super().__init__(daemon=True, name=f"monitor of {url}")
        self._url, self._say = url, say
        self._over = threading.Event()

    def run(self) -> None:
        """Look until `close`."""
        while not self._over.is_set():
            self._say(*health(self._url))
            self._over.wait(POLL)

    def close(self) -> None:
        """Stop looking."""
        self._over.set()


def schedule(pods: list[Pod], nodes: list[NodeRecord]) -> list[tuple[Pod, NodeRecord]]:
    """Which waiting pod goes to which node: the candidate with the fewest pods (seed.md L177)."""
    candidates = [node for node in nodes if node.is_candidate]
    load = {node.name: sum(pod.node == node.name and not pod.is_terminal for pod in pods) for node in candidates}
    bound = []
    for pod in pods:
        if pod.node is None and not pod.is_terminal and candidates:
            node = min(candidates, key=lambda n: load[n.name])
            load[node.name] += 1
            bound.append((pod, node))
    return bound


@dataclass
class Replication:
    """A replication controller: so many pods of its own that have not ended (v0.17.0.md RC-1, RC-2)."""

    spec: ControllerSpec
    uid: str
    made: int = 0
    counted: int = -1

    def scale(self, wanted: int) -> None:
        """Keep so many pods from now on."""
        self.spec = msgspec.structs.replace(self.spec, wanted=wanted)

    def missing(self, pods: list[Pod]) -> int:
        """How many pods are to be created; negative if there are too many."""
        return self.spec.wanted - len(self.active(pods))

    def surplus(self, pods: list[Pod]) -> list[Pod]:
        """Those that are too many: first the ones without a node, then those that do not run yet."""
        by_worth = sorted(self.active(pods), key=lambda pod: (pod.node is not None, pod.is_started))
        return by_worth[: max(0, -self.missing(pods))]

    def active(self, pods: list[Pod]) -> list[Pod]:
        """Its pods that count."""
        return [pod for pod in pods if pod.owner == self.spec.name and not pod.is_terminal]

    def next_pod(self) -> PodSpec:
        """A new pod like the template; never the old one again."""
        self.made += 1
        return PodSpec(f"{self.spec.name}-{self.made}", self.spec.policy, self.spec.containers)

    def seen(self, at: float) -> ControllerSeen:
        """The controller as it is now."""
        return ControllerSeen(at, self.spec.name, self.uid, self.spec.wanted, self.counted, self.spec.policy)
