"""What a history gives evidence for, gathered ahead of the judge.

Streams may arrive in any order relative to one another, so a fault may be told after what it caused: the lines within a
window ahead are gathered before a line is judged. A step that no evidence speaks for (a disk that died, a node that was
lost) must not be taken silently; where lines are known to be missing, anything may have been in them.

What is gathered about a pod or a node is forgotten when that is gone; of what it keeps doing, only the last is kept.
"""

from __future__ import annotations

import bisect
import functools
import itertools
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from conformance.history import Action, BadLine, Broken, End, Header
from conformance.recent import Versions
from conformance.recordings import Entry
from conformance.runtime import (
    ControllerSeen,
    EngineSeen,
    EventSeen,
    Fault,
    MachineList,
    NodeSeen,
    PodSeen,
    PodSpec,
)

NODE_MENDED: dict[str, tuple[str, ...]] = {
    "heal-node": ("cut-node", "cut-node-inbound"),
    "start-kubelet": ("stop-kubelet",),
    "restart-kubelet": ("stop-kubelet",),
}
"""What ends which faults of a node."""

NODE_FAULTS = frozenset(fault for faults in NODE_MENDED.values() for fault in faults)
"""Faults that keep a node from being a candidate; they do nothing to what runs there."""

POD_FAULTS = frozenset({"kill-container", "kill-by-engine", "kill-sandbox", "out-of-memory", "break-disk"})
"""Faults that end containers of one pod."""

NODE_ENDS = frozenset({"stop-kubelet", "restart-kubelet", "terminate-node"})
"""Faults that may end whatever runs on one node."""

NEVER_SILENT = frozenset({"delete", "evict", "expire", "node_terminated"})
"""A deletion is seen, never silent."""


NOBODY: frozenset[str] = frozenset()

OUTAGES = 16
"""How many outages of a node are remembered."""


def is_down(node: NodeSeen) -> bool:
    """Whether an observation shows a node in trouble: known to be unreachable, not ready, or silent."""
    return "False" in (node.reachable, node.ready) or (node.ready == "Unknown" and node.reachable != "Unknown")


@functools.cache
def _barred(may_die: bool, may_time_out: bool, lives: tuple[bool, ...]) -> frozenset[str]:
    """The steps that nothing speaks for; ``lives`` tells of which members the liveness may be found wanting."""
    barred = set(NEVER_SILENT)
    if not may_die:
        barred.add("disk_died")
    if not may_time_out:
        barred.add("node_timed_out")
    barred |= {f"liveness_failed(p1c{n})" for n, alive in enumerate(lives, 1) if not alive}
    if not any(lives):
        barred.add("liveness_failed")
    return frozenset(barred)


class Held(dict[str, set[str]]):
    """The nodes that faults of ours hold down, each with those of `NODE_FAULTS` that nothing has ended yet: the agent
    of a node may be stopped while its network is cut, and mending the one does not mend the other."""

    def take(self, fault: Fault) -> None:
        """A fault is injected, or something that ends some."""
        if fault.kind in NODE_FAULTS:
            self.setdefault(fault.target, set()).add(fault.kind)
        elif fault.target in self:
            self[fault.target] -= set(NODE_MENDED.get(fault.kind, ()))
            if not self[fault.target]:
                del self[fault.target]


@dataclass
class Outage:
    """A time in which a node was lost to the node controller: it began when we did something to the node, or later, and
    was over when the node was seen up again after it was seen down, or earlier. Times are the runtime's."""

    begin: float
    end: float = float("inf")
    seen_down: bool = False


@dataclass
class Evidence:
    """All of it. Lines are those of the recording."""

    judged: int = 0
    """The line that is being judged: those gathered are ahead of it."""
    number: int = 0
    """The number of the last record of ours."""
    own: bool = False
    ended: bool = False
    lost: bool = False
    rules: tuple[str, ...] = ()
    nodes: set[str] = field(default_factory=set)
    made: Counter[str] = field(default_factory=Counter)
    """How often the record of a node was made by a person: created, or named when the node controller started."""
    specs: dict[int, PodSpec] = field(default_factory=dict)
    wanted: dict[str, int] = field(default_factory=dict)
    """By replication controller that an action of ours created, how many pods it is to keep in the end."""
    fewest: dict[str, int] = field(default_factory=dict)
    """By replication controller, the fewest pods that it was ever seen to want."""
    surplus: Counter[str] = field(default_factory=Counter)
    """By replication controller, how many pods fewer it was told to keep, all in all."""
    time_out: float = 0.0
    """For how long, at least, a node is lost before its pods are given up; 0 if the runtime does not say."""
    restarts: list[float] = field(default_factory=list)
    """When the node controller was restarted."""
    outages: dict[str, list[Outage]] = field(default_factory=lambda: defaultdict(list))
    held: Held = field(default_factory=Held)
    """Nodes that faults of ours hold down, as far as this has been gathered."""
    hurt: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """By pod, when a fault of ours may have ended containers of it."""
    ended_on: set[str] = field(default_factory=set)
    """Nodes on which a fault of ours may have ended whatever ran there."""
    machines: set[str] = field(default_factory=set)
    """What the cloud lists, as far as this has been gathered."""
    followed: set[str] = field(default_factory=set)
    """Machines that the cloud has listed while the node controller followed it: their records come back."""
    follows: bool = False
    """The node controller follows the cloud's list, as far as this has been gathered."""
    unlisted: set[str] = field(default_factory=set)
    """Nodes that the cloud did not list while the node controller followed it: their records go, and their pods."""
    by_hand: set[str] = field(default_factory=set)
    """Nodes whose records a person has deleted."""
    created: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """By name of a pod, when we created one; below, when we deleted one, and when we broke a disk of one."""
    deleted: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    broken: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    died: set[tuple[str, str | None]] = field(default_factory=set)
    first: dict[str, int] = field(default_factory=dict)
    """By uid, when a pod was first seen."""
    uids: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The pods of a name, in the order in which they were first seen."""
    probed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    images: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The images of a pod, by uid, when it was first seen, and below the members that have got another one since."""
    reimaged: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    killed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    versions: Versions = field(default_factory=Versions)
    """The versions of all frames of the API: of every kind of object."""
    trouble: dict[str, float] = field(default_factory=dict)
    """By node that was ever in trouble, up to which line it may have been so."""
    gone: dict[str, deque[tuple[int, bool]]] = field(default_factory=lambda: defaultdict(deque))
    """By node, whether the frames from the last one before the judge on show that it is gone."""
    restarted_kubelets: bool = False
    engine_told: bool = False
    """Whether an engine's own account has been met, as far as this has been gathered."""

    # --- what the judge asks ----------------------------------------------------------------------------------------

    def barred(self, pod: PodSeen) -> frozenset[str]:
        """The steps that nothing speaks for: labels of vectors, and names of vectors for single containers."""
        if self.lost:
            return NEVER_SILENT
        may_die, may_time_out = self.disk_died(pod), self.in_trouble(pod.node, self.first.get(pod.uid, 0))
        alive = self.probed.get(pod.uid, NOBODY) | self.reimaged.get(pod.uid, NOBODY)
        lives = tuple([name in alive for name in pod.members])
        return _barred(may_die, may_time_out and not self.too_early(pod), lives)

    def disk_died(self, pod: PodSeen) -> bool:
        """Whether a disk of this pod may have died: by an action of ours, or by an event."""
        died = bool(self.died) and bool({(pod.name, pod.uid), (pod.name, None)} & self.died)
        return died or self._within(self.broken, pod)

    def disk_surely_died(self, pod: PodSeen) -> bool:
        """Whether an action of ours has broken a disk of this very pod."""
        return self.creation(pod) is not None and self._within(self.broken, pod)

    def deleted_by_user(self, pod: PodSeen) -> bool:
        """Whether it may have been this pod that a user deleted."""
        return self._within(self.deleted, pod)

    def in_trouble(self, node: str | None, since: int) -> bool:
        """Whether a node was in trouble at any time from line ``since`` on."""
        return self.trouble.get(node or "", -1) >= since

    def too_early(self, pod: PodSeen, restarts: bool = False) -> bool:
        """Whether a pod that is given up, as this shows, was so before its node can have been lost for the time-out;
        with ``restarts``, before it has been so for one and the same node controller."""
        if not self.own or self.lost or not self.time_out:
            return False
        outages = self.outages.get(pod.node or "", [])
        parts = [part for outage in outages for part in (self._parts(outage) if restarts else [outage])]
        long_enough = [o for o in parts if min(o.end, pod.at) - o.begin >= self.time_out]
        return bool(outages and not long_enough)

    def _parts(self, outage: Outage) -> list[Outage]:
        """An outage as the node controllers have seen it, one after the other."""
        cuts = [outage.begin, *(r for r in self.restarts if outage.begin < r < outage.end), outage.end]
        return [Outage(begin, end) for begin, end in itertools.pairwise(cuts)]

    def spared(self, pod: PodSeen) -> bool:
        """Whether nothing that we did may have ended a container of this pod."""
        hurt = self._within(self.hurt, pod) or self.deleted_by_user(pod) or pod.node in self.ended_on
        return self.own and not (self.lost or hurt)

    def gone_about(self, node: str | None, line: int) -> bool:
        """Whether a node is gone by what was last seen of it before ``line``, or by what is seen next."""
        seen = self.gone.get(node or "", ())
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
        lines = actions.get(pod.name)
        if not lines:
            return False
        births, first, last = self._births(pod)
        begin = births[first] if births else 0
        end = births[last + 1] if last + 1 < len(births) else float("inf")
        return any(begin <= line < end for line in lines)

    # --- gathering --------------------------------------------------------------------------------------------------

    def passed(self, entry: Entry) -> None:
        """What a line tells is another judge's: only that there is a frame of this version."""
        if entry.api_version is not None:
            self.versions.add(entry.api_version)

    def take(self, entry: Entry | BadLine) -> None:
        """Gather what a line gives evidence for."""
        if isinstance(entry, BadLine):
            self.lost |= self.own
            return
        if entry.stream == "history":
            self._record(entry)
        elif (version := entry.api_version) is not None:
            self.versions.add(version)
        if gatherer := self.gatherers.get(type(entry.what)):
            gatherer(entry.line, entry.what)

    def _record(self, entry: Entry) -> None:
        match entry.what:
            case Header(rules=rules, time_out=time_out):
                self.own, self.rules, self.time_out = True, rules, time_out or 0.0
            case Action() as action:
                self._action(entry.line, entry.t, action)
            case End() | Broken():
                self.ended = True
        if entry.version is not None:
            self.lost |= entry.version > self.number + 1
            self.number = max(self.number, entry.version)

    def forget(self, pod: PodSeen) -> None:
        """A pod is gone, and whatever could be told of it has been told."""
        for known in (self.first, self.probed, self.images, self.reimaged, self.killed):
            known.pop(pod.uid, None)
        self.died.discard((pod.name, pod.uid))
        uids, births = self.uids[pod.name], self.created.get(pod.name, [])
        if pod.uid in uids:
            uids[uids.index(pod.uid)] = ""
        while uids and not uids[0]:  # the k-th pod of a name is of its k-th creation, or of a later one
            uids.pop(0)
            self.specs.pop(births.pop(0) if births else 0, None)
        since = births[0] if births else float("inf")
        for acts in (self.deleted, self.broken, self.hurt):
            if pod.name in acts:
                acts[pod.name] = [line for line in acts[pod.name] if line >= since]
        if not uids and not births:
            for names in (self.uids, self.created, self.deleted, self.broken, self.hurt):
                names.pop(pod.name, None)

    def forget_node(self, name: str) -> None:
        """A node is gone, and whatever could be told of it has been told."""
        for known in (self.outages, self.trouble, self.gone):
            known.pop(name, None)

    def _action(self, line: int, t: float, action: Action) -> None:
        if action.refused is not None:
            return
        if action.create_node:
            self.nodes.add(action.create_node)
            self.made[action.create_node] += 1
            self.unlisted |= {action.create_node} - self.machines if self.follows else set()
        if action.create_pod:
            self.created[action.create_pod.name].append(line)
            self.specs[line] = action.create_pod
        if action.create_controller:
            self.wanted[action.create_controller.name] = action.create_controller.wanted
        if action.scale:
            before = self.wanted.get(action.scale.controller, 0)
            self.surplus[action.scale.controller] += max(0, before - action.scale.wanted)
            self.wanted[action.scale.controller] = action.scale.wanted
        if action.list_machines:
            self._listed(action.list_machines)
        if action.delete_pod:
            self.deleted[action.delete_pod].append(line)
        if action.inject:
            self._fault(line, t, action.inject)

    def _listed(self, listed: MachineList) -> None:
        """The nodes that there are to be, and the machines that are no more."""
        if listed.cloud:
            self.ended_on |= self.machines - set(listed.machines)
            self.machines = set(listed.machines)
            self.followed |= self.machines if listed.sync else set()
        if listed.sync or not listed.cloud:
            self.nodes |= set(listed.machines)
        if not listed.cloud:
            self.made.update(listed.machines)
        self.follows = listed.cloud and listed.sync
        self.unlisted |= self.nodes - self.machines if self.follows else set()

    def _fault(self, line: int, t: float, fault: Fault) -> None:
        if fault.kind in POD_FAULTS:
            self.hurt[fault.target].append(line)
        if fault.kind in NODE_ENDS:
            self.ended_on.add(fault.target)
        if fault.kind == "restart-controller":
            self.restarts.append(t)
        if fault.kind == "delete-node":
            self.by_hand.add(fault.target)
        if fault.kind == "break-disk":
            self.broken[fault.target].append(line)
        self.held.take(fault)
        if fault.kind in NODE_FAULTS:
            self.trouble[fault.target] = float("inf")
            outages = self.outages[fault.target]
            if not outages or outages[-1].end < float("inf"):
                outages.append(Outage(t))
        if fault.kind in NODE_MENDED and fault.target in self.trouble and fault.target not in self.held:
            self.trouble[fault.target] = min(line, self.trouble[fault.target])

    def __post_init__(self) -> None:
        self.gatherers: dict[type, Callable[[int, Any], None]] = {
            PodSeen: self._pod,
            EventSeen: self._event,
            EngineSeen: self._engine,
            ControllerSeen: self._controller,
            NodeSeen: self._node,
        }
        """What is gathered of an observation, by its kind."""

    def _pod(self, line: int, seen: PodSeen) -> None:
        if seen.uid not in self.first:
            self.first[seen.uid] = line
            self.uids[seen.name].append(seen.uid)
            self.images[seen.uid] = seen.images
        if seen.probed:
            self.probed[seen.uid] |= set(seen.probed)
        if seen.images != self.images[seen.uid]:
            first = zip(seen.members, self.images[seen.uid], seen.images, strict=False)
            self.reimaged[seen.uid] |= {name for name, before, image in first if image != before}

    def _event(self, _: int, seen: EventSeen) -> None:
        match seen:
            case EventSeen(reason="disk-died"):
                self.died.add((seen.object_name, seen.object_uid))
            case EventSeen(reason="killing", container=str(name), object_uid=str(uid)):
                self.killed[uid].add(name)
            case EventSeen(reason="starting", object_kind="Node"):
                self.restarted_kubelets = True

    def _engine(self, _: int, seen: EngineSeen) -> None:
        self.engine_told = True
        if seen.action == "kill":
            self.killed[seen.uid].add(seen.container)

    def _controller(self, _: int, seen: ControllerSeen) -> None:
        self.fewest[seen.name] = min(seen.wanted, self.fewest.get(seen.name, seen.wanted))

    def _node(self, line: int, seen: NodeSeen) -> None:
        self._outage(seen)
        gone = self.gone[seen.name]
        gone.append((line, seen.deleted or seen.phase == "Terminated"))
        while len(gone) > 1 and gone[1][0] < self.judged:
            gone.popleft()
        if is_down(seen):
            self.trouble[seen.name] = max(line, self.trouble.get(seen.name, 0))
        elif self.trouble.get(seen.name, float("inf")) < float("inf"):
            self.trouble[seen.name] = line

    def _outage(self, seen: NodeSeen) -> None:
        """A node is seen down: if we have not done it, nobody knows since when. Or up: if it was seen down before, and
        we do not hold it down, its outage is over."""
        last = self.outages[seen.name][-1:]
        is_open = bool(last) and last[0].end == float("inf")
        if is_down(seen) and not is_open:
            self.outages[seen.name].append(Outage(float("-inf"), seen_down=True))
            del self.outages[seen.name][:-OUTAGES]
        elif is_down(seen):
            last[0].seen_down = True
        elif is_open and last[0].seen_down and seen.ready == "True" and seen.name not in self.held:
            last[0].end = seen.at
