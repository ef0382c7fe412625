"""The judgement: a pure function from a recording to findings. The same history gives the same verdicts, always.

Every finding has a rule, a verdict and, where it is not a pass, the place and the reason. Line by line: the order of
the lines, and each observation by the judge of its kind (`conformance.judges`); when an object is gone, the events that
must have been recorded of it, and its workloads; at the end, goals, and what is still owed when a runtime says that
nothing more will happen.

A history may be of any length: memory is for the objects that are there, and for the lines of two windows, in which
streams may come in any order relative to one another (`conformance.judges.case.WINDOW`).
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import msgspec

from conformance.coverage import Coverage, add
from conformance.evidence import NODE_MENDED
from conformance.history import (
    Action,
    BadLine,
    Broken,
    ControllerWant,
    EventWant,
    Goal,
    NodeWant,
    PodWant,
    Quiescent,
    Seen,
    Want,
)
from conformance.judges.case import DELIVERY, END, OBJECT, ORDER, VERSION, WINDOW, At, Case, Finding, Judgement
from conformance.judges.controllers import ControllerJudge
from conformance.judges.events import EventJudge
from conformance.judges.nodes import NodeJudge, not_shown
from conformance.judges.pods import PodJudge
from conformance.judges.rest import RestJudge
from conformance.judges.workloads import WorkloadJudge
from conformance.recordings import Entry, Recording
from conformance.runtime import ControllerSeen, EngineSeen, EventSeen, NodeSeen, PodSeen, SandboxSeen
from conformance.shares import WHOLE, Role, Share
from conformance.verdict import Verdict, worst
from conformance.wants import controller_is_so, event_is_so, node_is_so, pod_is_so, want_about, want_told
from conformance.wording import named
from model.profiles import Profile

__all__ = ["DELIVERY", "WINDOW", "Finding", "Judgement", "Part", "judge", "judge_lines", "judge_share", "whole"]


def judge(recording: Recording, profile: Profile, window: int = WINDOW) -> Judgement:
    """Judge a recording by a profile. A judge that breaks is an error, never a pass."""
    first: list[Entry | BadLine] = [*recording.entries[:1], *recording.bad[:1]]
    lines = itertools.chain(first, itertools.islice(recording.entries, 1, None))
    return judge_lines(recording.name, lines, profile, window)


def judge_lines(name: str, lines: Iterable[Entry | BadLine], profile: Profile, window: int = WINDOW) -> Judgement:
    """The same for lines as they are read, however many there are."""
    case = Case(name, profile, window=window)
    try:
        return whole(name, profile, [_Judge(case, WHOLE).run(lines)])
    except Exception as error:
        reason = f"the judge broke: {named(error)}; please report it with this history"
        finding = Finding(Verdict.ERROR, (), "history", reason)
        return Judgement(name, profile.name, Verdict.ERROR, (finding,), {}, case.place)


class Part(msgspec.Struct, frozen=True):
    """What one of several judges found: its share of the judgement."""

    findings: list[tuple[At, Finding]]
    covered: Counter[str]
    untold: int
    frames: int
    ignored: int
    delivery: Counter[str]
    shown: set[str] | None
    """Fields of nodes that were shown at least once; None if there was no node."""
    coverage: Coverage
    cut: bool
    """Whether this is a history of ours that ends before its scenario does."""


def judge_share(lines: Iterable[Entry | BadLine], profile: Profile, window: int, share: Share) -> Part:
    """Judge a share of the objects of a recording. Every judge reads all of its lines.

    Raises Entangled if its objects cannot be shared out.
    """
    return _Judge(Case("", profile, window=window), share).run(lines)


def whole(name: str, profile: Profile, parts: Sequence[Part]) -> Judgement:
    """The judgement that one judge alone would have come to, from those of all shares."""
    case = Case(name, profile, delivery=sum((part.delivery for part in parts), Counter()))
    found = heapq.merge(*(part.findings for part in parts), key=itemgetter(0))
    for at, finding in found:
        case.at = at
        case.find(finding)
    case.untold += sum(part.untold for part in parts)
    for part in parts:
        add(case.walk.counted, part.coverage)
    covered = sum((part.covered for part in parts), Counter())
    not_shown(case, [part.shown for part in parts if part.shown is not None], covered)
    cut = any(part.cut for part in parts)
    if cut or not (case.delivery["objects"] or case.findings):
        reason = "the run was cut off: the history ends before its scenario does" if cut else "nothing was observed"
        case.find(Finding(Verdict.UNKNOWN, ("history.goal.reached",), "history", reason))
    verdict = worst([f.verdict for f in case.findings] or [Verdict.PASS])
    if verdict in (Verdict.SKIP, Verdict.DISABLED) and not any(f.object == "scenario" for f in case.findings):
        verdict = Verdict.PASS
    return Judgement(
        name,
        profile.name,
        verdict,
        tuple(case.findings),
        dict(sorted(covered.items())),
        max(part.frames for part in parts),
        sum(part.ignored for part in parts),
        case.untold,
        {kind: case.delivery[kind] for kind in DELIVERY if case.delivery[kind]},
        dict(case.walk.counted),
    )


@dataclass
class _Stream:
    """What is known of one stream."""

    version: int | None = None
    latest: object = None
    """Its last content: a watch that is resumed may repeat it."""
    watched: bool = False
    """Something has changed in it: until then ADDED frames list what is there, in any order."""
    again: bool = False
    """It has begun again, and lists what is there."""
    listing: set[str] | None = None
    """After a watch whose version was gone: the objects, by uid, that the new list has so far."""


@dataclass
class _Judge:
    """The order of the lines, the actions and the goals; and the judges of what was observed."""

    case: Case
    share: Share
    goals: list[tuple[int, Goal]] = field(default_factory=list)
    streams: dict[str, _Stream] = field(default_factory=lambda: defaultdict(_Stream))
    ignored: int = 0
    mended: set[str] = field(default_factory=set)
    """Nodes that something has mended, or whose record was deleted: what is seen of them may be of before that."""
    newest: int = 0
    """The greatest version that a frame of any stream had."""

    def __post_init__(self) -> None:
        self.nodes = NodeJudge(self.case)
        self.pods = PodJudge(self.case, self.nodes)
        self.controllers = ControllerJudge(self.case, self.pods)
        self.events = EventJudge(self.case, self.pods)
        self.workloads = WorkloadJudge(self.case, self.pods)
        self.judges: dict[type, Callable[[Entry, Any], None]] = {
            Action: self._action,
            Goal: self._goal,
            Quiescent: self._quiescent,
            Broken: self._broken,
            PodSeen: self.pods.take,
            NodeSeen: self.nodes.take,
            EventSeen: self.events.take,
            ControllerSeen: self.controllers.take,
            EngineSeen: self.pods.engine,
            SandboxSeen: self.pods.sandbox,
        }
        """Who takes a line in, by what it tells."""

    def run(self, lines: Iterable[Entry | BadLine]) -> Part:
        """Judge all lines."""
        case, first, last_t = self.case, self.share.first, float("-inf")
        for entry, role in self._ahead(lines):
            case.place += 1
            case.evidence.judged = entry.line
            if first or entry.expired or self.streams[entry.stream].listing is not None:
                case.begin(ORDER, mine=first)
                self._order(entry, last_t)
            last_t = max(last_t, entry.t)
            if role is not Role.PASSED:
                case.begin(OBJECT, mine=role is Role.JUDGED)
                self._take(entry)
            case.check()
        case.check(at_end=True)
        self.pods.end()
        case.begin(END, mine=first)
        if not any("history.order" in rule for f in case.findings for rule in f.rules):
            versioned = any(stream.version is not None for stream in self.streams.values())
            case.cover("history.order.time", *(["history.order.version"] if versioned else []))
        RestJudge(case, self.pods, self.controllers).judge()
        self._goals()
        return Part(
            list(zip(case.places, case.findings, strict=True)),
            case.covered,
            case.untold,
            case.place,
            self.ignored,
            case.delivery,
            self.nodes.shown,
            case.walk.counted,
            case.evidence.own and not case.evidence.ended,
        )

    def _ahead(self, lines: Iterable[Entry | BadLine]) -> Iterator[tuple[Entry, Role]]:
        """The entries, each when the evidence of a window after it has been gathered; and what it is to this judge."""
        waiting: deque[tuple[Entry, Role]] = deque()
        for line in lines:
            role = Role.JUDGED if isinstance(line, BadLine) else self.share.role(line)
            if isinstance(line, Entry):
                waiting.append((line, role))
            if isinstance(line, Entry) and role is Role.PASSED:
                self.case.evidence.passed(line)
            else:
                self.case.evidence.take(line)
            if len(waiting) > self.case.window:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()

    # --- one line ---------------------------------------------------------------------------------------------------

    def _order(self, entry: Entry, last_t: float) -> None:
        if entry.t < last_t:
            reason = f"the time falls by {last_t - entry.t:.3f} s: lines were swapped"
            self.case.fail(("history.order.time",), "history", reason, entry.line)
        stream = self.streams[entry.stream]
        if entry.expired:
            self._restarts(stream, "expired")
            stream.listing = set()
        if entry.version is None:
            return
        if entry.added and stream.watched and self._is_there(entry):
            self._restarts(stream, "restarts")
        may_list = entry.listed or (entry.added and (stream.again or not _is_new(entry.what)))
        listing = may_list and not stream.watched
        if not (entry.added or entry.listed) or (isinstance(entry.what, EventSeen) and not may_list):
            self._changes(stream, entry)
        elif stream.listing is not None:
            stream.listing.add(getattr(entry.what, "uid", ""))
        before = stream.version
        repeats = entry.version == before and _same(entry.what, stream.latest)
        rising = before is None or entry.version > before or (entry.version == before and entry.stream == "docker")
        if not (rising or listing or repeats):
            reason = f"version {entry.version} comes after {before}: frames were swapped"
            self.case.fail(("history.order.version",), f"stream {entry.stream}", reason, entry.line)
        if repeats:
            self.case.count("repeated")
        if entry.api_version is not None:
            if entry.api_version < self.newest and not listing:
                self.case.count("late")
            self.newest = max(entry.api_version, self.newest)
        stream.latest, stream.version = entry.what, max(entry.version, before or entry.version)

    def _restarts(self, stream: _Stream, how: str) -> None:
        """A watch begins again: with a list of what is there, in any order."""
        self.case.count(how)
        stream.watched, stream.again = False, True

    def _changes(self, stream: _Stream, entry: Entry) -> None:
        """Something changes: the list of what is there is over."""
        stream.watched, stream.again = True, False
        if stream.listing is not None and isinstance(entry.what, PodSeen):
            self.pods.unseen(stream.listing | {entry.what.uid})
            self.case.begin(VERSION, mine=self.share.first)
        stream.listing = None

    def _is_there(self, entry: Entry) -> bool:
        """Whether an object that is said to be new is known, as it was then or older: a watch has begun again."""
        version = entry.version or 0
        match entry.what:
            case EventSeen(object_name=name, id=id):
                return version == getattr(self.events.book.latest(name, id), "version", None)
            case PodSeen(uid=uid) if uid in self.pods.pods:
                return version >= (self.pods.pods[uid].version or version)
            case NodeSeen(name=name) if frames := self.nodes.frames.get(name):
                return version >= (frames[-1].version or version)
            case ControllerSeen(name=name):
                return name in self.controllers.last
            case _:
                return False

    def _take(self, entry: Entry) -> None:
        if isinstance(entry.record, Seen):
            self.case.quiescent = 0
        if judge := self.judges.get(type(entry.what)):
            judge(entry, entry.what)
        elif entry.what is None:
            self.ignored += 1
        if self.goals:
            self.goals = [(line, goal) for line, goal in self.goals if not self._reached(goal)]

    def _broken(self, entry: Entry, broken: Broken) -> None:
        verdict = Verdict.SKIP if broken.skip else Verdict.ERROR
        self.case.find(Finding(verdict, self.case.evidence.rules, "scenario", broken.reason, entry.line))

    def _goal(self, entry: Entry, goal: Goal) -> None:
        self.goals.append((entry.line, goal))

    def _quiescent(self, entry: Entry, _: Quiescent) -> None:
        self.case.quiescent = entry.line

    def _action(self, entry: Entry, action: Action) -> None:
        case, line = self.case, entry.line
        case.quiescent = 0
        if action.create_controller:
            self.controllers.submitted(line, action.create_controller, action.refused)
        if action.refused is not None:
            return
        if action.create_pod:
            held = case.down.keys() | case.cordoned
            fallen = {name for name in held - self.mended if self.nodes.has_fallen(name)}
            self.pods.unfit[line] = fallen | {name for name in case.ended if self.nodes.has_ended(name)}
        if action.list_machines and action.list_machines.cloud:
            case.ended |= case.listed - set(action.list_machines.machines)
            case.listed = set(action.list_machines.machines)
        fault = action.inject
        if fault is None:
            return
        if fault.kind == "cordon-node":
            case.cordoned.add(fault.target)
        if fault.kind == "uncordon-node":
            case.cordoned.discard(fault.target)
        case.down.take(fault)
        if fault.kind == "delete-node":
            case.down.pop(fault.target, None)
        if fault.kind in (*NODE_MENDED, "uncordon-node", "delete-node"):
            self.mended.add(fault.target)
            for unfit in self.pods.unfit.values():
                unfit.discard(fault.target)
        if fault.kind == "terminate-node":
            case.ended.add(fault.target)

    # --- goals ------------------------------------------------------------------------------------------------------

    def _reached(self, goal: Goal) -> bool:
        if not self._is_so(goal.want):
            return False
        self.case.cover("history.goal.reached", *goal.rules)
        return True

    def _is_so(self, want: Want) -> bool:
        match want:
            case PodWant(pod=name):
                if known := self.pods.named(name):
                    return pod_is_so(known.oracle.last, want)
                return want.gone and name in self.pods.retired
            case NodeWant(node=name):
                nodes = self.nodes.nodes
                return name in nodes and node_is_so(nodes[name].last, want)
            case EventWant():
                return any(event_is_so(event, want) for event in self.events.book.about(want.pod))
            case ControllerWant():
                return controller_is_so((k.oracle.last for k in self.pods.pods.values() if k.oracle.last), want)

    def _goals(self) -> None:
        case = self.case
        for line, goal in self.goals:
            rules = case.held(*goal.rules) or ("history.goal.reached",)
            certain = case.quiescent and not case.evidence.lost
            why = "nothing more will happen" if certain else "the deadline passed: it may have happened"
            target = want_about(goal.want)
            known = self.pods.named(target) or target in self.pods.retired or target in self.nodes.nodes
            observed = known or isinstance(goal.want, ControllerWant)
            if not observed:
                why = f"{target} was never observed; {why}"
            verdict = Verdict.FAIL if certain else Verdict.UNKNOWN
            if certain:
                case.walk.fail(f"pod {target}", rules)
            case.find(Finding(verdict, rules, "goal", f"not seen: {want_told(goal.want)}; {why}", line))


def _same(content: object, before: object) -> bool:
    """Whether a frame repeats the one before: the same object, received again."""
    if not isinstance(content, PodSeen | NodeSeen | EventSeen | ControllerSeen) or type(content) is not type(before):
        return False
    return msgspec.structs.replace(content, at=0.0) == msgspec.structs.replace(before, at=0.0)


def _is_new(what: object) -> bool:
    """Whether an ADDED frame shows something that has just been created, rather than what was there before: an event,
    or a pod that nothing has been done with."""
    return isinstance(what, EventSeen) or (isinstance(what, PodSeen) and what.node is None and not what.containers)
