"""What a history gives evidence for, gathered before it is judged.

Streams may arrive in any order relative to one another, so a fault may be told after what it caused. A step that no
evidence speaks for (a disk that died, a node that was lost) must not be taken silently; where lines are known to be
missing, anything may have been in them.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from dataclasses import dataclass, field

from conformance.history import Action, Broken, End, Header
from conformance.recordings import Recording
from conformance.runtime import ControllerSeen, EngineSeen, EventSeen, NodeSeen, PodSeen, PodSpec

NODE_FAULTS = frozenset({"cut-node", "cut-node-inbound", "stop-kubelet"})
"""Faults that keep a node from being a candidate."""

NODE_MENDED = frozenset({"heal-node", "start-kubelet", "restart-kubelet"})
"""What ends them."""

NEVER_SILENT = frozenset({"delete", "evict", "expire", "node_terminated"})
"""A deletion is seen, never silent."""


def is_down(node: NodeSeen) -> bool:
    """Whether an observation shows a node in trouble: known to be unreachable, not ready, or silent."""
    return "False" in (node.reachable, node.ready) or (node.ready == "Unknown" and node.reachable != "Unknown")


@dataclass
class Evidence:
    """All of it. Lines are those of the recording."""

    own: bool = False
    ended: bool = False
    lost: bool = False
    rules: tuple[str, ...] = ()
    nodes: set[str] = field(default_factory=set)
    specs: dict[int, PodSpec] = field(default_factory=dict)
    wanted: dict[str, int] = field(default_factory=dict)
    """By replication controller that an action of ours created, how many pods it is to keep."""
    fewest: dict[str, int] = field(default_factory=dict)
    """By replication controller, the fewest pods that it was ever seen to want."""
    created: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    deleted: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    broken: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    died: set[tuple[str, str | None]] = field(default_factory=set)
    first: dict[str, int] = field(default_factory=dict)
    uids: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    probed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    images: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    reimaged: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    killed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    versions: set[int] = field(default_factory=set)
    """The versions of all frames of the API: of every kind of object."""
    trouble: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    gone: dict[str, list[tuple[int, bool]]] = field(default_factory=lambda: defaultdict(list))
    restarted_kubelets: bool = False

    # --- what the judge asks ----------------------------------------------------------------------------------------

    def barred(self, pod: PodSeen) -> frozenset[str]:
        """The steps that nothing speaks for: labels of vectors, and names of vectors for single containers."""
        if self.lost:
            return NEVER_SILENT
        barred = set(NEVER_SILENT)
        if not self.disk_died(pod):
            barred.add("disk_died")
        if not self.in_trouble(pod.node, self.first.get(pod.uid, 0)):
            barred.add("node_timed_out")
        alive = self.probed[pod.uid] | self.reimaged[pod.uid]
        barred |= {f"liveness_failed(p1c{n})" for n, name in enumerate(pod.members, 1) if name not in alive}
        if not alive:
            barred.add("liveness_failed")
        return frozenset(barred)

    def disk_died(self, pod: PodSeen) -> bool:
        """Whether a disk of this pod may have died: by an action of ours, or by an event."""
        return self._within(self.broken, pod) or bool({(pod.name, pod.uid), (pod.name, None)} & self.died)

    def disk_surely_died(self, pod: PodSeen) -> bool:
        """Whether an action of ours has broken a disk of this very pod."""
        return self.creation(pod) is not None and self._within(self.broken, pod)

    def deleted_by_user(self, pod: PodSeen) -> bool:
        """Whether it may have been this pod that a user deleted."""
        return self._within(self.deleted, pod)

    def in_trouble(self, node: str | None, since: int) -> bool:
        """Whether a node was in trouble at any time from line ``since`` on."""
        return any(end >= since for _, end in self.trouble.get(node or "", ()))

    def gone_about(self, node: str | None, line: int) -> bool:
        """Whether a node is gone by what was last seen of it before ``line``, or by what is seen next."""
        seen = self.gone.get(node or "", [])
        before = [gone for at, gone in seen if at < line][-1:]
        after = [gone for at, gone in seen if at > line][:1]
        return any(before + after)

    def creation(self, pod: PodSeen) -> int | None:
        """The line of the action that created this very pod, if that is certain: a pod may be seen late, when another
        one of its name has been created already."""
        births, first, last = self._births(pod)
        return births[first] if births and first == last else None

    def _births(self, pod: PodSeen) -> tuple[list[int], int, int]:
        """The creations of this name, and the places of the first and the last one that may have been this pod's: the
        k-th pod of a name was not created before the k-th creation, nor after it was first seen."""
        births = self.created.get(pod.name, [])
        order = self.uids[pod.name].index(pod.uid) if pod.uid in self.uids[pod.name] else 0
        last = bisect.bisect_right(births, self.first.get(pod.uid, 0)) - 1
        return births, min(order, max(last, 0)), last

    def _within(self, actions: dict[str, list[int]], pod: PodSeen) -> bool:
        """Whether one of the actions on this name may have fallen into the life of this pod."""
        births, first, last = self._births(pod)
        begin = births[first] if births else 0
        end = births[last + 1] if last + 1 < len(births) else float("inf")
        return any(begin <= line < end for line in actions.get(pod.name, ()))

    # --- gathering --------------------------------------------------------------------------------------------------

    def _action(self, line: int, action: Action) -> None:
        if action.refused is not None:
            return
        if action.create_node:
            self.nodes.add(action.create_node)
        if action.create_pod:
            self.created[action.create_pod.name].append(line)
            self.specs[line] = action.create_pod
        if action.create_controller:
            self.wanted[action.create_controller.name] = action.create_controller.wanted
        if action.delete_pod:
            self.deleted[action.delete_pod].append(line)
        fault = action.inject
        if fault is None:
            return
        if fault.kind == "break-disk":
            self.broken[fault.target].append(line)
        if fault.kind in NODE_FAULTS:
            self.trouble[fault.target].append((line, float("inf")))
        if fault.kind in NODE_MENDED:
            self.trouble[fault.target] = [(b, min(e, line)) for b, e in self.trouble[fault.target]]

    def _seen(self, line: int, what: object) -> None:
        match what:
            case PodSeen():
                if what.uid not in self.first:
                    self.first[what.uid] = line
                    self.uids[what.name].append(what.uid)
                self.probed[what.uid] |= set(what.probed)
                for name, image in zip(what.members, what.images, strict=False):
                    if self.images[what.uid].setdefault(name, image) != image:
                        self.reimaged[what.uid].add(name)
            case EventSeen(reason="disk-died"):
                self.died.add((what.object_name, what.object_uid))
            case EventSeen(reason="killing", container=str(name), object_uid=str(uid)):
                self.killed[uid].add(name)
            case EventSeen(reason="starting", object_kind="Node"):
                self.restarted_kubelets = True
            case EngineSeen(action="kill"):
                self.killed[what.uid].add(what.container)
            case ControllerSeen():
                self.fewest[what.name] = min(what.wanted, self.fewest.get(what.name, what.wanted))
            case NodeSeen():
                self.gone[what.name].append((line, what.deleted or what.phase == "Terminated"))
                if is_down(what):
                    self.trouble[what.name].append((line, line))
                elif self.trouble[what.name] and self.trouble[what.name][-1][1] != float("inf"):
                    begin, _ = self.trouble[what.name][-1]
                    self.trouble[what.name][-1] = (begin, line)


def gather(recording: Recording) -> Evidence:
    """The evidence in a recording."""
    found = Evidence()
    number = 0
    for entry in recording.entries:
        match entry.content:
            case Header():
                found.own, found.rules = True, entry.content.rules
            case Action():
                found._action(entry.line, entry.content)
            case End() | Broken():
                found.ended = True
        if entry.stream == "history" and entry.version is not None:
            found.lost |= entry.version > number + 1
            number = max(number, entry.version)
        if entry.api_version is not None:
            found.versions.add(entry.api_version)
        found._seen(entry.line, entry.what)
    found.lost |= found.own and bool(recording.bad)
    return found
