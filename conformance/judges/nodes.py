"""The judge of nodes: each frame against the oracle, and against the one before of the same node."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from functools import partial

from conformance import oracle
from conformance.evidence import is_down
from conformance.judges.case import Case, Finding
from conformance.oracle import NodeOracle
from conformance.recordings import Entry
from conformance.runtime import NodeSeen
from conformance.verdict import Verdict
from model.cluster import is_candidate
from model.node import NEVER_POSTED, POSTINGS

NODE_PHASE_RULES = (
    "node.phase.values", "node.phase.pending", "node.phase.running", "node.phase.terminated",
    "node.phase.terminated.refuses", "node.phase.terminated.pods-deleted", "node.condition.only-running",
)  # fmt: skip
REACHABLE_RULES = ("node.condition.kinds", "node.condition.reachable")


FRAMES = 8
"""How many frames of a node are kept, besides those within the window."""


@dataclass(frozen=True)
class Frame:
    """One frame of a node: its place among the lines, its version, and what it shows."""

    place: int
    version: int | None
    seen: NodeSeen

    def before(self, version: int | None) -> bool:
        """Whether it is certain that it shows the node as it was before a version."""
        return self.version is not None and version is not None and self.version < version


@dataclass
class NodeJudge:
    """The judge of all nodes of a case."""

    case: Case
    nodes: dict[str, NodeOracle] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    frames: dict[str, deque[Frame]] = field(default_factory=lambda: defaultdict(deque))
    """The last frames of a node."""
    fit: dict[str, int] = field(default_factory=dict)
    """By node, the last line that may show it as a candidate."""
    is_used: Callable[[str], bool] = lambda name: False
    """Whether there are pods on a node."""
    reported: set[str] = field(default_factory=set)
    """The records, by uid, that have had a condition Ready."""
    records: Counter[str] = field(default_factory=Counter)
    """How many records of a node were seen: each has a uid of its own."""
    shown: set[str] | None = None
    """Fields of nodes that were shown at least once; None if there was no node."""

    def take(self, entry: Entry, seen: NodeSeen) -> None:
        """Judge one observation of a node."""
        line = entry.line
        known = self.nodes.get(seen.name)
        if known is None or (known.last and known.last.uid != seen.uid):
            if known is not None and known.last is not None:
                self.reported.discard(known.last.uid)
            self.records[seen.name] += 1
            self.case.count("objects")
            self._record(line, seen)
            known = self.nodes[seen.name] = NodeOracle(self.case.profile)
            self.case.walk.forget(f"node {seen.name}")
        self.shown = self.shown or set()
        if seen.phase is not None:
            self.shown.add("phase")
        if seen.reachable is not None:
            self.shown.add("reachable")
        if not self.case.mine:  # what others ask of it is kept
            known.last = seen
            self._keep(entry, seen)
            return
        was, before = known.states, known.last
        explained = known.observe(seen)
        last_line = self.lines.get(seen.name, 0)
        never_set = self.case.held("node.phase.never-set")
        if never_set and before is not None and before.phase != seen.phase:
            why = f"the phase changes from {before.phase!r} to {seen.phase!r}"
            self.case.fail(never_set, f"node {seen.name}", why, line, last_line)
        if not explained.belief:
            self.case.fail(explained.rules, f"node {seen.name}", explained.why, line, last_line, explained.allowed)
        else:
            shown = (seen.phase is None, seen.reachable is None, seen.ready is None, seen.deleted)
            check = partial(self._explained, seen, was, known.states)
            self.case.once(("node", was, known.states, *shown), check, f"node {seen.name}")
            if seen.deleted:
                self.case.walk.forget(f"node {seen.name}")
        if self.case.profile.name == "v0.17.0":
            self._condition(line, seen)
            self._since(entry, seen, before)
        self._keep(entry, seen)

    def _explained(self, seen: NodeSeen, was: frozenset[str], states: frozenset[str]) -> None:
        """Count the rules of the simplest explanation as covered."""
        table = self.case.profile.node.flattened()
        path = oracle.shortest(table, was, frozenset((s, None) for s in states), frozenset())
        self.case.walk.take(f"node {seen.name}", table, path)
        for row in path:
            if self._is_shown(row.rules, seen):
                self.case.cover(*row.rules)
        if seen.phase is not None:
            self.case.cover("node.phase.values", "node.condition.only-running", "node.phase.pending")
        if seen.reachable is not None and seen.ready is not None:
            self.case.cover("node.condition.kinds")
        if seen.phase is None:
            self.case.cover("node.phase.never-set")
        if seen.reachable is None and seen.ready is not None:
            self.case.cover("node.condition.only-ready")

    def _keep(self, entry: Entry, seen: NodeSeen) -> None:
        if not self.is_known_unfit(seen.name):
            self.fit[seen.name] = entry.line
        if seen.ready is not None:
            self.reported.add(seen.uid)
        frames = self.frames[seen.name]
        frames.append(Frame(self.case.place, entry.api_version, seen))
        while len(frames) > FRAMES and frames[0].place + 2 * self.case.window < self.case.place:
            frames.popleft()
        self.lines[seen.name] = entry.line
        if seen.deleted:
            self.case.forget(partial(self._retire, seen))

    def _retire(self, seen: NodeSeen) -> None:
        """Forget a node that is gone, unless it has come back."""
        self.reported.discard(seen.uid)
        known = self.nodes.get(seen.name)
        if known is not None and known.last is seen:
            for of in (self.nodes, self.lines, self.frames, self.fit):
                of.pop(seen.name, None)
            if not self.is_used(seen.name):
                self.case.evidence.forget_node(seen.name)
            self.case.gone(seen.name, seen.uid)
            if not self.case.evidence.own:
                del self.records[seen.name]

    def _record(self, line: int, seen: NodeSeen) -> None:
        """A record of a node is new: somebody must have made it, or the cloud lists it and is followed."""
        evidence, name = self.case.evidence, f"node {seen.name}"
        if not evidence.own or evidence.lost or seen.name in evidence.followed:
            return
        if self.records[seen.name] > max(1, evidence.made[seen.name]):
            rules = self.case.held("nodecontroller.sync.static-once", "nodecontroller.sync.off")
            self.case.fail(rules, name, "comes back though nobody made it again", line)
        elif seen.name not in evidence.nodes:
            rules = self.case.held("nodecontroller.sync.off", "nodecontroller.sync.start.off")
            self.case.fail(rules, name, "has a record though nobody made one, and no list is followed", line)

    def _condition(self, line: int, seen: NodeSeen) -> None:
        """Who may write which status of Ready, and with which reason (`model.node.POSTINGS`)."""
        if seen.ready is None or seen.ready_reason is None:
            return
        postings = [posting for posting in POSTINGS if posting.status == seen.ready]
        reasons = [posting.reason for posting in postings]
        why = f"Ready is {seen.ready}, with the reason {seen.ready_reason!r}"
        fits = seen.ready_reason in reasons
        self.case.holds(fits, postings[0].rules, f"node {seen.name}", why, line, " or ".join(map(repr, reasons)))
        reported = seen.uid in self.reported
        if fits and seen.ready_reason == NEVER_POSTED:
            self.case.holds(not reported, ("node.condition.never-reported",), f"node {seen.name}",
                            "is said to have never reported, but it had", line)  # fmt: skip

    def _since(self, entry: Entry, seen: NodeSeen, before: NodeSeen | None) -> None:
        """What a frame must have of the one before: the heartbeat of a silent node, and no other conditions."""
        if before is None or before.uid != seen.uid or seen.deleted:
            return
        name, certain = f"node {seen.name}", self.case.gapless(self.frames[seen.name][-1].version, entry.api_version)
        if more := set(seen.conditions) - set(before.conditions) - {"Ready"}:
            reason = f"has a new condition {', '.join(sorted(more))}"
            self.case.fail(("node.condition.only-ready",), name, reason, entry.line, 0, "Ready")
        if seen.ready != "Unknown" or before.heartbeat_at is None or seen.heartbeat_at is None:
            return
        kept = seen.heartbeat_at == before.heartbeat_at if certain else seen.heartbeat_at >= before.heartbeat_at
        self.case.holds(kept, ("node.condition.silent.heartbeat-kept",), name,
                        "is silent, but its heartbeat is another than before", entry.line)  # fmt: skip
        if certain and before.ready != "Unknown":
            self.case.holds(seen.changed_at != before.changed_at, ("node.condition.unknown-stamps-time",), name,
                            "became Unknown, but the time of the transition is the old one", entry.line)  # fmt: skip

    @staticmethod
    def _is_shown(rules: tuple[str, ...], seen: NodeSeen) -> bool:
        """Whether the observation shows what the rules speak of: an unseen phase or condition proves nothing."""
        if any(r.startswith("node.phase.") for r in rules):
            return seen.phase is not None
        if "node.condition.reachable" in rules:
            return seen.reachable is not None
        return seen.ready is not None or seen.deleted

    def is_known_unfit(self, name: str) -> bool:
        """Whether a node was seen to be no candidate, or marked unschedulable."""
        node = self.nodes.get(name)
        marked = bool(node and node.last and node.last.unschedulable)
        return node is not None and (marked or not any(is_candidate(s) for s in node.states))

    def has_fallen(self, name: str) -> bool:
        """Whether a node was seen to be a candidate, and then to be none: it is not just that it is new."""
        return name in self.fit and self.is_known_unfit(name)

    def has_ended(self, name: str) -> bool:
        """Whether a node was seen to have ended, or to be gone."""
        node = self.nodes.get(name)
        return node is not None and node.last is not None and (node.last.deleted or node.last.phase == "Terminated")

    def is_lost(self, name: str | None) -> bool:
        """Whether a node is lost now, by what was done to it or seen of it."""
        node = self.nodes.get(name or "")
        return name in self.case.down or (node is not None and node.last is not None and is_down(node.last))


def not_shown(case: Case, shown: Sequence[set[str]], covered: Container[str]) -> None:
    """What a recording cannot show is told as skipped: an unseen phase or condition is no failure. ``shown`` is what
    each judge that has seen a node was shown of it."""
    for rules, name, what in (
        (NODE_PHASE_RULES, "phase", "node phase (v0.17.0 never sets one: NODE-PHASE-2)"),
        (REACHABLE_RULES, "reachable", "condition NodeReachable (v0.17.0 knows none: NODE-COND-1)"),
    ):
        unseen = tuple(r for r in case.held(*rules) if r not in covered)
        if shown and unseen and not any(name in fields for fields in shown) and case.profile.name == "seed":
            case.find(Finding(Verdict.SKIP, unseen, "nodes", f"the recording shows no {what}"))
