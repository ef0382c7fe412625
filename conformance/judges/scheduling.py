"""The judge of the scheduler, from frames of the API: that no pod is bound to a node that is no candidate (SCHED-1).

The scheduler looks at nodes through a watch of its own, which may lag, as may the recording. So a binding to a node
that is no candidate is a failure only if the scheduler itself had said before, in an event, that it knew of no
candidate; if no frame can be missing between that and the binding; and if no frame of the node before the binding shows
it as a candidate. Whoever else may bind a pod records no event ``scheduled``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from conformance.exits import EventBook
from conformance.judges.case import Case
from conformance.judges.pods import KnownPod, PodJudge
from conformance.recent import Recent
from conformance.runtime import EventSeen, NodeSeen
from model.events import NO_CANDIDATE


@dataclass
class ScheduleJudge:
    """The judge of all bindings of a case."""

    case: Case
    pods: PodJudge
    book: EventBook
    none_known: Recent[int, None] = field(default_factory=Recent)
    """The versions of the events in which the scheduler said that it knew of no candidate."""

    def __post_init__(self) -> None:
        self.pods.on_binding = lambda known: self.case.later(partial(self._binding, known))

    def take(self, seen: EventSeen) -> None:
        """Take an event in."""
        if seen.reason == "failed-scheduling" and seen.message.endswith(NO_CANDIDATE) and seen.version:
            self.none_known[seen.version] = None

    def _binding(self, known: KnownPod) -> None:
        """Judge a binding that was seen."""
        version, node, name = known.bound, known.node, f"pod {known.first.name}"
        frames = self.pods.nodes.frames.get(node or "", ())
        last = next((frame.seen for frame in reversed(frames) if frame.before(version)), None)
        by_scheduler = any(event.reason == "scheduled" for _, event in self.book.of(known.first))
        if not (version and by_scheduler and last):
            return
        rules = ("scheduler.candidate.ready",)
        if is_candidate(last):
            self.case.cover(*rules)
        elif not any(is_candidate(frame.seen) for frame in frames if frame.before(version)) and any(
            at < version and self.case.gapless(at, version) for at in self.none_known
        ):
            state = "unschedulable" if last.unschedulable else f"Ready={last.ready}"
            reason = f"is bound to {node}, which is {state}, when the scheduler has just said that it knows no node"
            self.case.fail(rules, name, reason, known.bound_line, 0, "unbound")


def is_candidate(node: NodeSeen) -> bool:
    """Whether a node's record says that pods may be bound to it."""
    return node.ready == "True" and not node.unschedulable and not node.deleted
