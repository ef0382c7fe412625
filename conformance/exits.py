"""How containers ended, and the events that must have been recorded of it (`pod.event`, profile seed).

That an event is absent is proved only by a later one of the same source, as events of one source come in the order in
which they happened; or by a runtime that says that nothing more will happen. Otherwise it may still come.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from conformance import recent
from conformance.oracle import PodOracle
from conformance.recent import Recent
from conformance.runtime import EventSeen, PodSeen

SIGNALLED = 128
"""Exit codes above this tell an end by a signal."""

DUE = (
    (("Completed",), "completed", "pod.event.completed"),
    (("Error", "Killed"), "failed", "pod.event.failed"),
    (("OOMKilled",), "out-of-memory", "pod.event.out-of-memory"),
    (("OOMKilled",), "error", "pod.event.oom-error"),
)
"""Which end of a container must have been recorded as which event, by which rule. The last one only under Never."""


@dataclass(frozen=True)
class Exit:
    """One known end of a container: its state, its code, when on the runtime's clock, and the line that shows it."""

    state: str
    code: int | None
    at: float | None
    line: int
    noticed: float = 0.0
    """When the status that shows it was seen: the end had been noticed by then."""

    @property
    def by_signal(self) -> bool:
        """Whether it was killed, other than for want of memory. By whom, the code does not tell."""
        return self.state != "OOMKilled" and (self.code or 0) > SIGNALLED


@dataclass
class Exits:
    """The known ends of one pod's containers, by container and number of the incarnation: the last of them."""

    known: dict[str, dict[int, Exit]] = field(default_factory=lambda: defaultdict(dict))
    forgotten: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    """How many more there were, by container, state and whether by a signal."""
    total: dict[str, int] = field(default_factory=dict)
    """By container, how many of its incarnations have ended."""

    def note(self, line: int, seen: PodSeen, oracle: PodOracle) -> Iterator[tuple[str, int, Exit]]:
        """Take in what a pod's statuses tell: of the newest incarnations, and of those before. What is forgotten for
        it is returned, by container and number."""
        for status in seen.containers or ():
            count = status.restarts or 0
            found = self.known[status.name]
            ends = count + (status.state == "terminated")
            self.total[status.name] = max(ends, self.total.get(status.name, 0))
            if status.state == "terminated":
                state = oracle.ended_states(status.exit_code, status.oom)[0]
                found.setdefault(count, Exit(state, status.exit_code, status.finished_at, line, seen.at))
            if status.last_exit_code is not None and count > 0:
                state = oracle.ended_states(status.last_exit_code, status.last_oom)[0]
                end = Exit(state, status.last_exit_code, status.last_finished_at, line, seen.at)
                found.setdefault(count - 1, end)
            while len(found) > recent.MOST:
                number = next(iter(found))
                end = found.pop(number)
                self.forgotten[status.name, end.state, end.by_signal] += 1
                yield status.name, number, end

    def most(self, name: str, states: tuple[str, ...]) -> int:
        """How many ends of a container may have been in one of these states, at the most."""
        known = sum(end.state not in states for end in self.known[name].values())
        forgotten = sum(n for (of, state, _), n in self.forgotten.items() if of == name and state not in states)
        return self.total.get(name, 0) - known - forgotten

    def due(self, policy: str, signals_count: bool) -> Iterator[tuple[str, str, str, list[Exit], int]]:
        """For each container and kind of end: container, reason of the due event, rule, the ends in order, and how many
        there were before these.

        ``signals_count``: whether an end by a signal counts as abnormal; if the system itself may have sent the signal,
        that has an event of its own (``killing``).
        """
        for name, found in self.known.items():
            for states, reason, rule in DUE:
                ends = [e for e in found.values() if e.state in states and (signals_count or not e.by_signal)]
                before = sum(
                    count
                    for (container, state, by_signal), count in self.forgotten.items()
                    if container == name and state in states and (signals_count or not by_signal)
                )
                if ends and (reason != "error" or policy == "Never"):
                    yield name, reason, rule, sorted(ends, key=lambda e: e.at or 0.0), before


@dataclass
class Page:
    """The events about objects of one name."""

    recent: deque[tuple[int, EventSeen]] = field(default_factory=lambda: deque(maxlen=recent.MOST))
    """The last of them, by line."""
    latest: Recent[str, EventSeen] = field(default_factory=Recent)
    """By id, as it was last seen with its highest count."""
    counts: Counter[tuple[str | None, str, str | None]] = field(default_factory=Counter)
    """By uid, reason and container, how often it happened."""

    def add(self, line: int, event: EventSeen) -> None:
        """Take an event in: merged ones carry a count, and are seen again as it grows."""
        self.recent.append((line, event))
        before = self.latest.get(event.id)
        more = event.count - (before.count if before else 0)
        if more > 0:
            self.counts[event.object_uid, event.reason, event.container] += more
        if before is None or more >= 0:
            self.latest[event.id] = event


@dataclass
class EventBook:
    """The events seen, by the name of their object."""

    pages: dict[str, Page] = field(default_factory=lambda: defaultdict(Page))

    def add(self, line: int, event: EventSeen) -> None:
        """Take an event in."""
        self.pages[event.object_name].add(line, event)

    def latest(self, name: str, id_: str) -> EventSeen | None:
        """An event about an object of a name, as it was last seen."""
        return self.pages[name].latest.get(id_) if name in self.pages else None

    def about(self, name: str) -> Iterator[EventSeen]:
        """The last events about objects of a name."""
        return (event for _, event in self.pages[name].recent) if name in self.pages else iter(())

    def of(self, pod: PodSeen) -> list[tuple[int, EventSeen]]:
        """The last events of a pod, by line."""
        return [
            (line, event)
            for line, event in (self.pages[pod.name].recent if pod.name in self.pages else ())
            if event.object_kind == "Pod" and event.object_uid in (None, pod.uid)
        ]

    def count(self, pod: PodSeen, reason: str, container: str | None) -> int:
        """How often an event of a pod has happened."""
        counts = self.pages[pod.name].counts if pod.name in self.pages else {}
        return sum(
            count
            for (uid, told, of), count in counts.items()
            if uid in (None, pod.uid) and told == reason and container in (None, of)
        )

    def later(self, pod: PodSeen, container: str, end: Exit) -> tuple[int, EventSeen] | None:
        """The first event that the kubelet recorded after it must have noticed this end: of the next incarnation, of
        the end of the whole pod, or anything about the pod after a status had shown the end."""
        for line, event in self.of(pod):
            after = end.at is not None and event.recorded_at > end.at
            of_next = event.container == container and event.reason in ("created", "started")
            of_pod = event.container is None and event.reason == "killing"
            if event.source.startswith("kubelet") and (
                (after and (of_next or of_pod)) or event.recorded_at > end.noticed
            ):
                return line, event
        return None
