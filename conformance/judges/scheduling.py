"""The judge of the scheduler, from frames of the API: that no pod is bound to a node that is no candidate (SCHED-1).

The scheduler looks at nodes through a watch of its own, which may lag, as may the recording. So a binding to a node
that is no candidate is a failure only if the scheduler itself had said before, in an event, that it knew of no
candidate; if no frame can be missing between that and the binding; and if no frame of the node before the binding shows
it as a candidate. Whoever else may bind a pod records no event ``scheduled``.
"""

from __future__ import annotations

from dataclasses import dataclass

from conformance.exits import EventBook
from conformance.judges.case import Case
from conformance.judges.pods import KnownPod, PodJudge
from conformance.runtime import NodeSeen
from model.events import NO_CANDIDATE


@dataclass
class ScheduleJudge:
    """The judge of all bindings of a case."""

    case: Case
    pods: PodJudge
    book: EventBook

    def judge(self) -> None:
        """Judge every binding that was seen."""
        none_known = [
            event.version
            for events in self.book.entries.values()
            for _, event in events
            if event.reason == "failed-scheduling" and event.message.endswith(NO_CANDIDATE) and event.version
        ]
        for known in self.pods.pods.values():
            by_scheduler = any(event.reason == "scheduled" for _, event in self.book.of(known.first))
            if known.bound and known.node and by_scheduler:
                self._binding(known, known.bound, known.node, none_known)

    def _binding(self, known: KnownPod, version: int, node: str, none_known: list[int]) -> None:
        frames = [frame for at, frame in self.pods.nodes.frames.get(node, ()) if at is not None and at < version]
        if not frames:
            return
        rules, name = ("scheduler.candidate.ready",), f"pod {known.first.name}"
        if is_candidate(frames[-1]):
            self.case.cover(*rules)
        elif not any(map(is_candidate, frames)) and any(
            at < version and self.case.gapless(at, version) for at in none_known
        ):
            state = "unschedulable" if frames[-1].unschedulable else f"Ready={frames[-1].ready}"
            reason = f"is bound to {node}, which is {state}, when the scheduler has just said that it knows no node"
            self.case.fail(rules, name, reason, known.bound_line, 0, "unbound")


def is_candidate(node: NodeSeen) -> bool:
    """Whether a node's record says that pods may be bound to it."""
    return node.ready == "True" and not node.unschedulable and not node.deleted
