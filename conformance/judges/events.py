"""The judge of events: in v0.17.0, who may record what about which object (`model.events`), and in which order; in the
document, those that must have been recorded of how containers ended."""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from conformance.exits import DUE, EventBook
from conformance.exits import Exit as KnownExit
from conformance.judges.case import Case, Finding
from conformance.judges.nodes import Frame
from conformance.judges.pods import KnownPod, PodJudge
from conformance.judges.scheduling import ScheduleJudge
from conformance.recent import Recent
from conformance.recordings import Entry
from conformance.runtime import EventSeen, NodeSeen
from conformance.verdict import Verdict
from model import events, pod

STEPS = ("created", "started", "killing")
"""What a kubelet does to an instance of a container, in this order."""

INSTANCE = re.compile(r"(?:Created with docker id|Started with docker id|Killing) ([0-9a-f]{12,64})")
"""The instance that a message names."""

INSTANCES = 100_000
"""How many instances are remembered, of all pods."""

SAYS: dict[str, Callable[[NodeSeen], bool]] = {
    "online": lambda node: node.ready != "True",
    "schedulable": lambda node: not node.unschedulable,
    "unschedulable": lambda node: node.unschedulable,
}
"""What the kubelet must have read in its node's record that tells so."""


@dataclass
class EventJudge:
    """The judge of all events of a case."""

    case: Case
    pods: PodJudge
    book: EventBook = field(default_factory=EventBook)
    done: Recent[str, tuple[int, str]] = field(default_factory=lambda: Recent(INSTANCES))
    """By instance, what a kubelet did to it last, and the event that told so."""

    def __post_init__(self) -> None:
        self.schedule = ScheduleJudge(self.case, self.pods, self.book)
        self.pods.on_end.append(self.exits)
        self.case.on_gone.append(self._forget)

    def take(self, entry: Entry, seen: EventSeen) -> None:
        """Judge one event."""
        if self.case.mine and self.case.profile.name == "v0.17.0" and entry.framed:
            page = self.book.pages[seen.object_name]
            of = (seen.reason, seen.source, seen.object_kind, seen.place, seen.namespace)
            self.case.once((*of, seen.object_uid == seen.object_name), partial(self._kind, entry.line, seen))
            self._again(entry.line, seen, page.latest.get(seen.id))
            self.case.later(partial(self._beside, entry.line, seen))
        if seen.object_kind == events.POD and seen.object_uid:
            self.pods.expect(seen.object_uid, seen.object_name)
        self.schedule.take(seen)
        self.book.add(entry.line, seen)

    def _beside(self, line: int, seen: EventSeen) -> None:
        """Judge an event beside its object."""
        if seen.object_kind == events.POD:
            self._of_pod(line, seen)
        elif seen.object_kind == events.NODE:
            self._of_node(line, seen)
        elif seen.object_kind == events.CONTROLLER:
            self._of_controller(line, seen)
        self._instance(line, seen)

    def _forget(self, name: str, uid: str) -> None:
        if name not in self.pods.names:
            self.book.pages.pop(name, None)
        elif name in self.book.pages:
            counts = self.book.pages[name].counts
            for key in [key for key in counts if key[0] == uid]:
                del counts[key]

    # --- one event --------------------------------------------------------------------------------------------------

    def _kind(self, line: int, seen: EventSeen) -> None:
        """Who records it, about what; and that it is one of those that there are."""
        name, (component, _, host) = _object(seen), seen.source.partition("/")
        kind = events.BY_NAME.get(seen.reason)
        if kind is None:
            rules = events.never(component, seen.object_kind, seen.reason)
            if rules:
                self.case.fail(rules, name, f"{component} records {seen.reason!r}, which it never does", line)
            elif component in events.COMPONENTS and not events.SPELLING.fullmatch(seen.reason):
                self.case.fail(("pod.event.spelling",), name, f"the reason {seen.reason!r} is misspelt", line)
            return
        self.case.cover("pod.event.spelling")
        about = events.POD if kind.about == events.CONTAINER else kind.about
        fits = component == kind.component and seen.object_kind == about
        if kind.about == events.CONTAINER:
            fits = fits and events.PLACE.fullmatch(seen.place) is not None
        place = f" ({seen.place})" if seen.place else ""
        self.case.holds(fits, kind.rules, name,
                        f"{component or 'nobody'} records {kind.reason!r} about this {seen.object_kind}{place}", line,
                        f"{kind.component} about a {kind.about}")  # fmt: skip
        if component == events.KUBELET:
            self.case.holds(host != "", ("pod.event.source-host",), name, f"{kind.reason!r} names no host", line)
        if seen.object_kind == events.NODE:
            there = seen.object_uid == seen.object_name and seen.namespace in ("", "default")
            self.case.holds(there, ("node.event.object",), name,
                            f"{kind.reason!r} has uid {seen.object_uid}, and lies in {seen.namespace}", line,
                            f"uid {seen.object_name} in namespace default")  # fmt: skip

    def _again(self, line: int, seen: EventSeen, before: EventSeen | None) -> None:
        """An event that is seen again has happened again: it is the same but for its count and last time."""
        if before is None:
            return
        alike = (seen.reason, seen.message, seen.source, seen.first_at) == (
            before.reason, before.message, before.source, before.first_at)  # fmt: skip
        grown = seen.count >= before.count and seen.recorded_at >= before.recorded_at
        self.case.holds(alike and grown, ("pod.event.merged",), _object(seen),
                        f"event {seen.id} is seen again, with count {seen.count} after {before.count}, and "
                        f"{'' if alike else 'not '}the same", line)  # fmt: skip

    # --- an event beside its object ---------------------------------------------------------------------------------

    def _of_pod(self, line: int, seen: EventSeen) -> None:
        known = self.pods.pods.get(seen.object_uid or "")
        if known is None:
            return
        node, name = known.node, _object(seen)
        component, _, host = seen.source.partition("/")
        if component == events.KUBELET and node:
            self.case.holds(host == node, ("pod.event.source-host",), name,
                            f"the kubelet of {host} tells of it, but it is on {node}", line, node)  # fmt: skip
        if seen.reason == "scheduled" and node:
            self.case.holds(seen.message.endswith(f" to {node}"), ("pod.event.scheduled",), name,
                            f"{seen.message!r}, but it is on {node}", line, node)  # fmt: skip
        if component == events.SCHEDULER and known.bound and seen.object_version is not None:
            rules = events.BY_NAME[seen.reason].rules if seen.reason in events.BY_NAME else ()
            self.case.holds(seen.object_version < known.bound, rules, name,
                            f"{seen.reason!r} about a pod that was bound already", line)  # fmt: skip

    def _of_node(self, line: int, seen: EventSeen) -> None:
        """What the kubelet tells of its node's record, it has read there. Both times are of its own clock."""
        said = SAYS.get(seen.reason)
        frames = self.pods.nodes.frames.get(seen.object_name, deque())
        if said is None or seen.first_at != seen.recorded_at:
            return
        around = _around(frames, seen.recorded_at)
        sure = around and all(self.case.gapless(a.version, b.version) for a, b in itertools.pairwise(around))
        kind = events.BY_NAME[seen.reason]
        if any(said(frame.seen) for frame in around):
            self.case.cover(*kind.rules)
        elif sure:
            self.case.fail(kind.rules, _object(seen), f"{seen.reason!r}, but its record never said so", line)

    def _of_controller(self, line: int, seen: EventSeen) -> None:
        """A pod that a controller says it created is one of its own."""
        made = self.pods.named(seen.message.rpartition(" ")[2])
        if seen.reason == "successfulCreate" and made is not None:
            owner = made.first.owner
            self.case.holds(owner == seen.object_name, ("replication.event.create",), _object(seen),
                            f"{seen.message!r}, but the owner of that is {owner}", line, seen.object_name)  # fmt: skip

    def _instance(self, line: int, seen: EventSeen) -> None:
        """A kubelet records what it did to an instance in the order in which it did it, each once."""
        told = INSTANCE.match(seen.message)
        if told is None or seen.reason not in STEPS:
            return
        instance, step = told[1], STEPS.index(seen.reason)
        last, before = self.done.get(instance, (-1, ""))
        kind = events.BY_NAME[seen.reason]
        self.case.holds(step > last or before == seen.id, kind.rules, _object(seen),
                        f"{seen.reason!r} of {instance[:12]} comes after {STEPS[last]!r}", line)  # fmt: skip
        if seen.reason == "killing":
            self.case.cover("pod.event.killing.only")
        self.done[instance] = (max(step, last), seen.id)

    # --- the events of the document ---------------------------------------------------------------------------------

    def exits(self, known: KnownPod) -> None:
        """Every end of a container of a pod that is known of, and the death of its disk, must have been recorded."""
        if not self.case.profile.exit_events or known.failed:
            return
        by_us = self.case.evidence.own and not self.case.evidence.disk_died(known.first)
        for name, reason, rule, ends, before in known.exits.due(known.first.policy, by_us):
            of, due = None if rule == "pod.event.oom-error" else name, before + len(ends)
            if (count := self.book.count(known.first, reason, of)) >= due:
                self.case.cover(rule)
                continue
            how = f"container {name} ended {due}× in {ends[0].state}"
            what = f"{how}, but {count} events '{reason}' are recorded"
            self._absent(known, (rule,), what, name, ends[max(0, count - before)])
        if by_us:
            self._all_recorded(known)
            self._none_twice(known)
        records = [pod.standing(record) for record in known.oracle.belief]
        if known.oracle.last and set(records) == {"DiskDied"}:
            if count := self.book.count(known.first, "disk-died", None):
                once = count == 1 or not self.case.evidence.own
                self.case.holds(once, ("pod.event.disk-died",), f"pod {known.first.name}",
                                f"its disk died, and {count} events tell of it", known.line, "one")  # fmt: skip
            else:
                end = KnownExit("Killed", None, None, known.line, float("inf"))
                self._absent(known, ("pod.event.disk-died",), "its disk died, and no event is recorded", "", end)

    def _all_recorded(self, known: KnownPod) -> None:
        """At rest, there are as many events as ends, also of those that no status has shown."""
        for name, ends in known.exits.total.items():
            reasons = ("completed", "failed", "out-of-memory", "killing")
            count = sum(self.book.count(known.first, reason, name) for reason in reasons)
            if self.case.quiescent and count < ends:
                what = f"container {name} ended {ends}×, but {count} events tell of an end"
                end = KnownExit("", None, None, known.line, float("inf"))
                self._absent(known, ("pod.event.completed", "pod.event.failed"), what, name, end)

    def _none_twice(self, known: KnownPod) -> None:
        """At rest, there are no more events of a kind than ends. The status of a pod that was given up, or deleted, may
        be behind its events."""
        behind = known.deleted or self.case.evidence.in_trouble(known.node, self.case.evidence.first[known.first.uid])
        if not self.case.quiescent or self.case.evidence.lost or behind:
            return
        for name in known.first.members:
            for states, reason, rule in DUE:
                count, most = self.book.count(known.first, reason, name), known.exits.most(name, states)
                if count > most:
                    what = f"{count} events '{reason}' tell of container {name}, which ended so {most}× at the most"
                    self.case.fail((rule,), f"pod {known.first.name}", what, self.case.quiescent)

    def _absent(self, known: KnownPod, rules: tuple[str, ...], what: str, name: str, end: KnownExit) -> None:
        """An event is absent: a failure if it is proved that it will not come. A lost line leaves no proof."""
        later = self.book.later(known.first, name, end)
        proof = ""
        if self.case.quiescent:
            proof = f"nothing more will happen (line {self.case.quiescent})"
        elif later:
            proof = f"a later event '{later[1].reason}' of the same source was (line {later[0]})"
        if self.case.evidence.lost or not proof:
            verdict, reason = Verdict.UNKNOWN, f"{what} so far; it may have come later"
        else:
            verdict, reason = Verdict.FAIL, f"{what}; {proof}"
        self.case.find(Finding(verdict, rules, f"pod {known.first.name}", reason, end.line))


def _object(seen: EventSeen) -> str:
    return f"{KINDS.get(seen.object_kind, seen.object_kind)} {seen.object_name}"


KINDS = {events.POD: "pod", events.NODE: "node", events.CONTROLLER: "controller"}


def _around(frames: deque[Frame], at: float) -> list[Frame]:
    """The frames of a node from the last one whose heartbeat was before a time to the first one after it. Empty if
    there are not both."""
    found: list[Frame] = []
    for frame in reversed(frames):
        heartbeat = frame.seen.heartbeat_at
        if heartbeat is None:
            continue
        if heartbeat > at:
            found.clear()
        found.append(frame)
        if heartbeat < at:
            found.reverse()
            return found if len(found) > 1 and (found[-1].seen.heartbeat_at or at) > at else []
    return []
