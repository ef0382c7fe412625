"""The judge of nodes: each frame against the oracle, and against the one before of the same node."""

from __future__ import annotations

from dataclasses import dataclass, field

from conformance import oracle
from conformance.evidence import is_down
from conformance.judges.case import Case, Finding
from conformance.oracle import NodeOracle
from conformance.recordings import Entry
from conformance.runtime import NodeSeen
from conformance.verdict import Verdict

NODE_PHASE_RULES = (
    "node.phase.values", "node.phase.pending", "node.phase.running", "node.phase.terminated",
    "node.phase.terminated.refuses", "node.phase.terminated.pods-deleted", "node.condition.only-running",
)  # fmt: skip
REACHABLE_RULES = ("node.condition.kinds", "node.condition.reachable")


@dataclass
class NodeJudge:
    """The judge of all nodes of a case."""

    case: Case
    nodes: dict[str, NodeOracle] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    shown: set[str] = field(default_factory=set)
    """Fields of nodes that were shown at least once."""

    def take(self, entry: Entry, seen: NodeSeen) -> None:
        """Judge one observation of a node."""
        line = entry.line
        known = self.nodes.get(seen.name)
        if known is None or (known.last and known.last.uid != seen.uid):
            known = self.nodes[seen.name] = NodeOracle(self.case.profile)
        self.shown |= {name for name in ("phase", "reachable") if getattr(seen, name) is not None}
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
            table = self.case.profile.node.flattened()
            for row in oracle.shortest(table, was, frozenset((s, None) for s in explained.belief), frozenset()):
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
        self.lines[seen.name] = line

    @staticmethod
    def _is_shown(rules: tuple[str, ...], seen: NodeSeen) -> bool:
        """Whether the observation shows what the rules speak of: an unseen phase or condition proves nothing."""
        if any(r.startswith("node.phase.") for r in rules):
            return seen.phase is not None
        if "node.condition.reachable" in rules:
            return seen.reachable is not None
        return seen.ready is not None or seen.deleted

    def lost(self) -> set[str]:
        """The nodes that are lost now, by what was done to them or seen of them."""
        return self.case.down | {node.last.name for node in self.nodes.values() if node.last and is_down(node.last)}

    def not_shown(self) -> None:
        """What a recording cannot show is told as skipped: an unseen phase or condition is no failure."""
        for rules, shown, what in (
            (NODE_PHASE_RULES, "phase", "node phase (v0.17.0 never sets one: NODE-PHASE-2)"),
            (REACHABLE_RULES, "reachable", "condition NodeReachable (v0.17.0 knows none: NODE-COND-1)"),
        ):
            unseen = tuple(r for r in self.case.held(*rules) if r not in self.case.covered)
            if self.nodes and unseen and shown not in self.shown and self.case.profile.name == "seed":
                self.case.findings.append(Finding(Verdict.SKIP, unseen, "nodes", f"the recording shows no {what}"))
