"""The judge of events: those that must have been recorded of how containers ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from conformance.exits import EventBook
from conformance.exits import Exit as KnownExit
from conformance.judges.case import Case, Finding
from conformance.judges.pods import KnownPod, PodJudge
from conformance.recordings import Entry
from conformance.runtime import EventSeen
from conformance.verdict import Verdict
from model import pod


@dataclass
class EventJudge:
    """The judge of all events of a case."""

    case: Case
    pods: PodJudge
    book: EventBook = field(default_factory=EventBook)

    def take(self, entry: Entry, seen: EventSeen) -> None:
        """Take an event in."""
        self.book.add(entry.line, seen)

    def exits(self) -> None:
        """Every end of a container that is known of, and every disk that died, must have been recorded."""
        if not self.case.profile.exit_events:
            return
        for known in self.pods.pods.values():
            by_us = self.case.evidence.own and not self.case.evidence.disk_died(known.first)
            for name, reason, rule, ends in [] if known.failed else known.exits.due(known.first.policy, by_us):
                of = None if rule == "pod.event.oom-error" else name
                if (count := self.book.count(known.first, reason, of)) >= len(ends):
                    self.case.cover(rule)
                    continue
                how = f"container {name} ended {len(ends)}× in {ends[0].state}"
                what = f"{how}, but {count} events '{reason}' are recorded"
                self._absent(known, (rule,), what, name, ends[count])
            if by_us and not known.failed:
                self._all_recorded(known)
            records = [pod.standing(record) for record in known.oracle.belief]
            if known.oracle.last and not known.failed and set(records) == {"DiskDied"}:
                if self.book.count(known.first, "disk-died", None):
                    self.case.cover("pod.event.disk-died")
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
        self.case.findings.append(Finding(verdict, rules, f"pod {known.first.name}", reason, end.line))
