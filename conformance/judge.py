"""The judgement: a pure function from a recording to findings. The same history gives the same verdicts, always.

Every finding has a rule, a verdict and, where it is not a pass, the place and the reason. Line by line: the order of
the lines, and each observation by the judge of its kind (`conformance.judges`); then, over the whole, the events that
must have been recorded, what is still owed when a runtime says that nothing more will happen, goals, and workloads.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from conformance.evidence import NODE_FAULTS, NODE_MENDED, gather
from conformance.history import (
    Action,
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
from conformance.judges.case import Case, Finding, Judgement
from conformance.judges.controllers import ControllerJudge
from conformance.judges.events import EventJudge
from conformance.judges.nodes import NodeJudge
from conformance.judges.pods import PodJudge
from conformance.judges.rest import RestJudge
from conformance.judges.scheduling import ScheduleJudge
from conformance.judges.workloads import WorkloadJudge
from conformance.recordings import Entry, Recording
from conformance.runtime import ControllerSeen, EngineSeen, EventSeen, NodeSeen, PodSeen, SandboxSeen
from conformance.verdict import Verdict, worst
from conformance.wants import controller_is_so, event_is_so, node_is_so, pod_is_so, want_about, want_told
from model.profiles import Profile

__all__ = ["Finding", "Judgement", "judge"]


def judge(recording: Recording, profile: Profile) -> Judgement:
    """Judge a recording by a profile. A judge that breaks is an error, never a pass."""
    try:
        return _Judge(Case(recording, profile, gather(recording))).run()
    except Exception as error:
        reason = f"the judge broke: {type(error).__name__}: {error}; please report it with this history"
        finding = Finding(Verdict.ERROR, (), "history", reason)
        return Judgement(recording.name, profile.name, Verdict.ERROR, (finding,), {}, len(recording.entries))


@dataclass
class _Judge:
    """The order of the lines, the actions and the goals; and the judges of what was observed."""

    case: Case
    goals: list[tuple[int, Goal]] = field(default_factory=list)
    latest: dict[str, object] = field(default_factory=dict)
    """The last content of each stream: a watch that is resumed may repeat it."""
    watched: set[str] = field(default_factory=set)
    """Streams in which something has changed: until then ADDED frames list what is there, in any order."""

    def __post_init__(self) -> None:
        self.nodes = NodeJudge(self.case)
        self.pods = PodJudge(self.case, self.nodes)
        self.controllers = ControllerJudge(self.case, self.pods)
        self.events = EventJudge(self.case, self.pods)

    def run(self) -> Judgement:
        case = self.case
        last_t, versions = float("-inf"), dict[str, int]()
        for entry in case.recording.entries:
            self._order(entry, last_t, versions)
            last_t = max(last_t, entry.t)
            self._take(entry)
        if not any("history.order" in rule for f in case.findings for rule in f.rules):
            case.cover("history.order.time", *(["history.order.version"] if versions else []))
        self.pods.statuses.judge()
        self.events.judge()
        ScheduleJudge(case, self.pods, self.events.book).judge()
        RestJudge(case, self.pods, self.controllers).judge()
        self._goals()
        self.nodes.not_shown()
        WorkloadJudge(case, self.pods).judge()
        return self._judgement()

    def _judgement(self) -> Judgement:
        case = self.case
        cut = case.evidence.own and not case.evidence.ended
        seen_some = self.pods.pods or self.nodes.nodes or self.events.book.entries or self.controllers.last
        if cut or not (seen_some or case.findings):
            reason = "the run was cut off: the history ends before its scenario does" if cut else "nothing was observed"
            case.findings.append(Finding(Verdict.UNKNOWN, ("history.goal.reached",), "history", reason))
        verdict = worst([f.verdict for f in case.findings] or [Verdict.PASS])
        if verdict in (Verdict.SKIP, Verdict.DISABLED) and not any(f.object == "scenario" for f in case.findings):
            verdict = Verdict.PASS
        return Judgement(
            case.recording.name,
            case.profile.name,
            verdict,
            tuple(case.findings),
            dict(case.covered),
            len(case.recording.entries),
            case.recording.ignored,
            dict(case.walk.counted),
        )

    # --- one line ---------------------------------------------------------------------------------------------------

    def _order(self, entry: Entry, last_t: float, versions: dict[str, int]) -> None:
        if entry.t < last_t:
            reason = f"the time falls by {last_t - entry.t:.3f} s: lines were swapped"
            self.case.fail(("history.order.time",), "history", reason, entry.line)
        if entry.version is None:
            return
        before = versions.get(entry.stream)
        may_list = entry.listed or (entry.added and not _is_new(entry.content))
        listing = may_list and entry.stream not in self.watched
        if not (entry.added or entry.listed):
            self.watched.add(entry.stream)
        rising = (
            before is None
            or listing
            or entry.version > before
            or (
                entry.version == before
                and (entry.stream == "docker" or _same(entry.content, self.latest.get(entry.stream)))
            )
        )
        self.latest[entry.stream] = entry.content
        if not rising:
            reason = f"version {entry.version} comes after {before}: frames were swapped"
            self.case.fail(("history.order.version",), f"stream {entry.stream}", reason, entry.line)
        versions[entry.stream] = max(entry.version, before or entry.version)

    def _take(self, entry: Entry) -> None:
        if isinstance(entry.content, Seen):
            self.case.quiescent = 0
        match entry.what:
            case Action() as action:
                self._action(entry.line, action)
            case Goal() as goal:
                self.goals.append((entry.line, goal))
            case Quiescent():
                self.case.quiescent = entry.line
            case Broken(skip=skip, reason=reason):
                verdict = Verdict.SKIP if skip else Verdict.ERROR
                rules = self.case.evidence.rules
                self.case.findings.append(Finding(verdict, rules, "scenario", reason, entry.line))
            case PodSeen() as seen:
                self.pods.take(entry, seen)
            case NodeSeen() as seen:
                self.nodes.take(entry, seen)
            case EventSeen() as seen:
                self.events.take(entry, seen)
            case ControllerSeen() as seen:
                self.controllers.take(entry, seen)
            case EngineSeen() as seen:
                self.pods.engine(entry.line, seen)
            case SandboxSeen() as seen:
                self.pods.sandbox(entry.line, seen)
        self.goals = [(line, goal) for line, goal in self.goals if not self._reached(goal)]

    def _action(self, line: int, action: Action) -> None:
        case = self.case
        case.quiescent = 0
        if action.create_controller:
            self.controllers.submitted(line, action.create_controller, action.refused)
        if action.refused is not None:
            return
        if action.create_pod:
            held = case.down | case.ended | case.cordoned
            self.pods.unfit[line] = {name for name in held if self.nodes.is_known_unfit(name)}
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
        if fault.kind == "delete-node":
            case.down.discard(fault.target)
        if fault.kind in NODE_FAULTS:
            case.down.add(fault.target)
        if fault.kind in (*NODE_MENDED, "uncordon-node"):
            case.down.discard(fault.target)
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
                known = self.pods.named(name)
                return known is not None and pod_is_so(known.oracle.last, want)
            case NodeWant(node=name):
                nodes = self.nodes.nodes
                return name in nodes and node_is_so(nodes[name].last, want)
            case EventWant():
                return any(event_is_so(event, want) for _, event in self.events.book.entries.get(want.pod, ()))
            case ControllerWant():
                return controller_is_so((k.oracle.last for k in self.pods.pods.values() if k.oracle.last), want)

    def _goals(self) -> None:
        case = self.case
        for line, goal in self.goals:
            rules = case.held(*goal.rules) or ("history.goal.reached",)
            certain = case.quiescent and not case.evidence.lost
            why = "nothing more will happen" if certain else "the deadline passed: it may have happened"
            target = want_about(goal.want)
            observed = self.pods.named(target) or target in self.nodes.nodes or isinstance(goal.want, ControllerWant)
            if not observed:
                why = f"{target} was never observed; {why}"
            verdict = Verdict.FAIL if certain else Verdict.UNKNOWN
            if certain:
                case.walk.fail(f"pod {target}", rules)
            case.findings.append(Finding(verdict, rules, "goal", f"not seen: {want_told(goal.want)}; {why}", line))


def _same(content: object, before: object) -> bool:
    """Whether a frame repeats the one before: the same object, received again."""
    if not isinstance(content, PodSeen | NodeSeen | EventSeen | ControllerSeen) or type(content) is not type(before):
        return False
    return msgspec.structs.replace(content, at=0.0) == msgspec.structs.replace(before, at=0.0)


def _is_new(content: object) -> bool:
    """Whether an ADDED frame shows a pod that has just been created, rather than one that was there before."""
    return isinstance(content, PodSeen) and content.node is None and not content.containers
