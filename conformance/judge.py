"""The judgement: a pure function from a recording to findings. The same history gives the same verdicts, always.

Every finding has a rule, a verdict and, where it is not a pass, the place and the reason. Checks, in the order of a
history: the order of its lines; every pod and node against the oracle; the engine's own account of the containers; what
goes with a deletion; goals; then, over the whole, the events that must have been recorded and what is still owed when a
runtime says that nothing more will happen.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import msgspec

from conformance import oracle
from conformance.engine import EngineOracle, Ledger
from conformance.evidence import NODE_FAULTS, NODE_MENDED, gather, is_down
from conformance.exits import EventBook, Exits
from conformance.exits import Exit as KnownExit
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
from conformance.oracle import NodeOracle, PodOracle
from conformance.recordings import Entry, Recording
from conformance.runtime import (
    ContainerSeen,
    ControllerSeen,
    ControllerSpec,
    EngineSeen,
    EventSeen,
    NodeSeen,
    PodSeen,
)
from conformance.verdict import Verdict, worst
from conformance.wants import controller_is_so, event_is_so, node_is_so, pod_is_so, want_about, want_told
from conformance.workload import Exit, OutOfMemory, Put, Reach, Step, Take, UseDisk, step_of
from model import pod
from model.cluster import is_candidate
from model.profiles import Profile


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing found in a history. ``line`` is the first inexplicable line, ``last_line`` the last explainable one of
    the same object; ``allowed`` is what the model would have allowed instead."""

    verdict: Verdict
    rules: tuple[str, ...]
    object: str
    reason: str
    line: int = 0
    last_line: int = 0
    allowed: str = ""

    def __str__(self) -> str:
        place = f" line {self.line}" if self.line else ""
        instead = f"; allowed: {self.allowed}" if self.allowed else ""
        after = f" (last explainable: line {self.last_line})" if self.last_line else ""
        rules = ", ".join(self.rules) or "no rule"
        return f"{self.verdict.upper()} {rules}:{place}: {self.object}: {self.reason}{instead}{after}"


class Judgement(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was found in one recording under one profile. ``covered`` counts, by rule, how often it was seen to hold."""

    name: str
    profile: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    covered: dict[str, int]
    frames: int
    ignored: int = 0

    def by_rule(self) -> dict[str, Verdict]:
        """The verdict on each rule that was looked at: the strongest of its findings, else pass if it was covered."""
        found: dict[str, list[Verdict]] = defaultdict(list)
        for rule in self.covered:
            found[rule].append(Verdict.PASS)
        for finding in self.findings:
            for rule in finding.rules:
                found[rule].append(finding.verdict)
        return {rule: worst(verdicts) for rule, verdicts in found.items()}


def judge(recording: Recording, profile: Profile) -> Judgement:
    """Judge a recording by a profile. A judge that breaks is an error, never a pass."""
    try:
        return _Judge(recording, profile).run()
    except Exception as error:
        reason = f"the judge broke: {type(error).__name__}: {error}; please report it with this history"
        finding = Finding(Verdict.ERROR, (), "history", reason)
        return Judgement(recording.name, profile.name, Verdict.ERROR, (finding,), {}, len(recording.entries))


NODE_PHASE_RULES = (
    "node.phase.values", "node.phase.pending", "node.phase.running", "node.phase.terminated",
    "node.phase.terminated.refuses", "node.phase.terminated.pods-deleted", "node.condition.only-running",
)  # fmt: skip
REACHABLE_RULES = ("node.condition.kinds", "node.condition.reachable")


@dataclass
class _Pod:
    """What is known of one pod."""

    oracle: PodOracle
    engine: EngineOracle
    first: PodSeen
    line: int = 0
    exits: Exits = field(default_factory=Exits)
    ledger: Ledger = field(default_factory=Ledger)
    deleted: bool = False
    failed: bool = False


@dataclass
class _Judge:
    recording: Recording
    profile: Profile
    findings: list[Finding] = field(default_factory=list)
    covered: Counter[str] = field(default_factory=Counter)
    pods: dict[str, _Pod] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, NodeOracle] = field(default_factory=dict)
    early: dict[str, list[tuple[int, EngineSeen]]] = field(default_factory=lambda: defaultdict(list))
    node_lines: dict[str, int] = field(default_factory=dict)
    events: EventBook = field(default_factory=EventBook)
    goals: list[tuple[int, Goal]] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    """Nodes that a fault of ours holds down."""
    ended: set[str] = field(default_factory=set)
    """Nodes that an action of ours has ended."""
    cordoned: set[str] = field(default_factory=set)
    """Nodes that an action of ours has marked unschedulable."""
    listed: set[str] = field(default_factory=set)
    """The machines that the cloud lists."""
    removed: Counter[str] = field(default_factory=Counter)
    """By replication controller, how many of its pods vanished that were too many."""
    unfit: dict[int, set[str]] = field(default_factory=dict)
    """For each creation of a pod, by line, the nodes that were then known to be held down, or to have ended, and that
    have been so since."""
    shown: set[str] = field(default_factory=set)
    """Fields of nodes that were shown at least once."""
    latest: dict[str, object] = field(default_factory=dict)
    """The last content of each stream: a watch that is resumed may repeat it."""
    watched: set[str] = field(default_factory=set)
    """Streams in which something has changed: until then ADDED frames list what is there, in any order."""
    addresses: dict[str, str] = field(default_factory=dict)
    """The pod, by uid, that was last seen with an address."""
    seen_controllers: bool = False
    quiescent: int = 0
    """The line that says that nothing more will happen, if that still holds."""

    def run(self) -> Judgement:
        self.evidence = gather(self.recording)
        last_t, versions = float("-inf"), dict[str, int]()
        for entry in self.recording.entries:
            self._order(entry, last_t, versions)
            last_t = max(last_t, entry.t)
            self._take(entry)
        if not any("history.order" in rule for f in self.findings for rule in f.rules):
            self._cover("history.order.time", *(["history.order.version"] if versions else []))
        self._events()
        self._owed()
        self._goals()
        self._not_shown()
        self._workloads()
        cut = self.evidence.own and not self.evidence.ended
        empty = not (self.pods or self.nodes or self.events.entries or self.findings or self.seen_controllers)
        if cut or empty:
            reason = "the run was cut off: the history ends before its scenario does" if cut else "nothing was observed"
            self.findings.append(Finding(Verdict.UNKNOWN, ("history.goal.reached",), "history", reason))
        frames = len(self.recording.entries)
        verdict = worst([f.verdict for f in self.findings] or [Verdict.PASS])
        if verdict in (Verdict.SKIP, Verdict.DISABLED) and not any(f.object == "scenario" for f in self.findings):
            verdict = Verdict.PASS
        return Judgement(
            self.recording.name, self.profile.name, verdict, tuple(self.findings), dict(self.covered), frames,
            self.recording.ignored,
        )  # fmt: skip

    # --- one line ---------------------------------------------------------------------------------------------------

    def _order(self, entry: Entry, last_t: float, versions: dict[str, int]) -> None:
        if entry.t < last_t:
            self._fail(
                ("history.order.time",),
                "history",
                f"the time falls by {last_t - entry.t:.3f} s: lines were swapped",
                entry.line,
            )
        if entry.version is None:
            return
        before = versions.get(entry.stream)
        listing = entry.added and entry.stream not in self.watched and not _is_new(entry.content)
        if not entry.added:
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
            self._fail(("history.order.version",), f"stream {entry.stream}",
                       f"version {entry.version} comes after {before}: frames were swapped", entry.line)  # fmt: skip
        versions[entry.stream] = max(entry.version, before or entry.version)

    def _take(self, entry: Entry) -> None:
        if isinstance(entry.content, Seen):
            self.quiescent = 0
        content = entry.what
        match content:
            case Action():
                self._action(entry.line, content)
            case Goal():
                self.goals.append((entry.line, content))
            case Quiescent():
                self.quiescent = entry.line
            case Broken(skip=skip, reason=reason):
                rules = self.evidence.rules
                self.findings.append(
                    Finding(Verdict.SKIP if skip else Verdict.ERROR, rules, "scenario", reason, entry.line)
                )
            case PodSeen():
                self._pod(entry.line, content)
            case NodeSeen():
                self._node(entry.line, content)
            case EventSeen():
                self.events.add(entry.line, content)
            case ControllerSeen():
                self._controller(entry.line, content)
            case EngineSeen():
                self._engine(entry.line, content)
        self.goals = [(line, goal) for line, goal in self.goals if not self._reached(goal)]

    def _action(self, line: int, action: Action) -> None:
        self.quiescent = 0
        if action.refused is not None:
            return
        if action.create_pod:
            self.unfit[line] = {n for n in self.down | self.ended | self.cordoned if self._is_known_unfit(n)}
        if action.create_controller:
            self._accepted(line, action.create_controller)
        if action.list_machines and action.list_machines.cloud:
            self.ended |= self.listed - set(action.list_machines.machines)
            self.listed = set(action.list_machines.machines)
        fault = action.inject
        if fault is None:
            return
        if fault.kind == "cordon-node":
            self.cordoned.add(fault.target)
        if fault.kind == "uncordon-node":
            self.cordoned.discard(fault.target)
        if fault.kind == "delete-node":
            self.down.discard(fault.target)
        if fault.kind in NODE_FAULTS:
            self.down.add(fault.target)
        if fault.kind in (*NODE_MENDED, "uncordon-node"):
            self.down.discard(fault.target)
            for nodes in self.unfit.values():
                nodes.discard(fault.target)
        if fault.kind == "terminate-node":
            self.ended.add(fault.target)

    def _is_known_unfit(self, name: str) -> bool:
        """Whether a node was seen to be no candidate, or marked unschedulable."""
        node = self.nodes.get(name)
        marked = bool(node and node.last and node.last.unschedulable)
        return node is not None and (marked or not any(is_candidate(s) for s in node.states))

    def _accepted(self, line: int, spec: ControllerSpec) -> None:
        """A replication controller was accepted: it may not be one that is to be refused."""
        if rules := self._held("replication.template.always-only") if spec.policy != "Always" else ():
            self._fail(
                rules, f"controller {spec.name}", f"is accepted with pods under {spec.policy}", line, 0, "Always"
            )

    def _pod(self, line: int, seen: PodSeen) -> None:
        known = self.pods.get(seen.uid)
        if known is None:
            killed = frozenset(self.evidence.killed[seen.uid])
            of = PodOracle(self.profile, seen.policy, seen.members, killed=killed)
            known = self.pods[seen.uid] = _Pod(of, EngineOracle(of), seen)
            self.names[seen.name] = seen.uid
            for earlier, event in self.early.pop(seen.uid, ()):
                self._engine(earlier, event)
        name = f"pod {seen.name}"
        before = known.oracle.last
        if known.deleted:
            self._fail(
                self._held("pod.life.not-by-itself"), name, "is seen again after it was deleted", line, known.line
            )
            return
        if problem := _spec_problem(seen, known.first):
            rules = self._held("pod.binding.spec-immutable", "pod.restart.policies", "pod.concept.containers")
            self._fail(rules, name, problem, line, known.line)
            known.line, known.failed = line, True
            return
        if seen.phase not in pod.PHASES[:4]:
            self._fail(self._held("pod.phase.values", "pod.phase.five-values", "pod.phase.unknown-never-set"), name,
                       f"the phase is {seen.phase!r}", line, known.line, ", ".join(pod.PHASES[:4]))  # fmt: skip
            known.line = line
            return
        self._binding(line, seen, before, known.line)
        self._address(line, seen, before, known.line)
        self._counts(line, seen, before, known.line)
        was = dict(known.oracle.belief)
        explained = known.oracle.observe(seen, self.evidence.barred(seen))
        if not explained.belief:
            early = seen.phase == "Failed" and self.evidence.too_early(seen)
            rules = self._held("pod.partition.waits") if early else ()
            why = f"{explained.why}; its node was not lost for {self.evidence.time_out:g} s" if early else explained.why
            self._fail((*rules, *explained.rules), name, why, line, known.line, explained.allowed)
            known.failed = True
        else:
            self._explained(seen, before, was, explained.belief)
        known.exits.note(line, seen, known.oracle)
        if seen.deleted:
            self._deletion(line, seen, known)
        known.line = line

    def _binding(self, line: int, seen: PodSeen, before: PodSeen | None, last_line: int) -> None:
        if before is not None and before.node and seen.node != before.node:
            self._fail(self._held("pod.binding.never-moved"), f"pod {seen.name}",
                       f"moved from {before.node} to {seen.node or 'no node'}", line, last_line,
                       before.node)  # fmt: skip
        if seen.node and (before is None or not before.node):
            self._cover(*self._held("pod.binding.scheduler"))
            if self.evidence.own and not self.evidence.lost and seen.node not in self.evidence.nodes:
                self._fail(self._held("pod.binding.scheduler"), f"pod {seen.name}",
                           f"is bound to {seen.node}, a node that there is not", line, last_line)  # fmt: skip
            if seen.node in self.unfit.get(self.evidence.creation(seen) or 0, ()) and not self.evidence.lost:
                ended = ("node.phase.terminated.refuses",) if seen.node in self.ended else ()
                rules = self._held("pod.binding.candidate", "scheduler.candidate.ready", *ended)
                self._fail(rules, f"pod {seen.name}",
                           f"is bound to {seen.node}, which was known to be unfit when the pod was created and has "
                           "been since", line, last_line, "unbound")  # fmt: skip

    def _address(self, line: int, seen: PodSeen, before: PodSeen | None, last_line: int) -> None:
        """No two pods have one address at the same time. Proved only if a pod still has it after another one had."""
        if seen.address is None or seen.phase in pod.TERMINAL or seen.deleted:
            return
        rules = self._held("pod.sharing.own-ip")
        other = self.addresses.get(seen.address, seen.uid)
        if other != seen.uid and before is not None and before.address == seen.address:
            name = self.pods[other].first.name
            self._fail(rules, f"pod {seen.name}", f"has the address {seen.address}, and so has pod {name}", line,
                       last_line, "an address of its own")  # fmt: skip
        self.addresses[seen.address] = seen.uid
        self._cover(*rules)

    def _counts(self, line: int, seen: PodSeen, before: PodSeen | None, last_line: int) -> None:
        """Restart counts never fall, are not lost, and every incarnation is counted."""
        limit = self.profile.counted_up_to
        rules = self._held("pod.restart.counted", "pod.restart.count-reconstructed")
        old = {c.name: c for c in (before.containers if before else None) or ()}
        ended = self._held("pod.container.terminated", "pod.restart.new-container", "pod.restart.counted")
        for status in seen.containers or ():
            if status.name not in seen.members:
                continue
            was = old.get(status.name)
            if problem := self._count_problem(status, was, limit):
                self._fail(rules, f"pod {seen.name}", f"container {status.name}: {problem}", line, last_line)
            elif problem := self.pods[seen.uid].ledger.statuses(status):
                self._fail(ended, f"pod {seen.name}", f"container {status.name}: {problem}", line, last_line)
            elif was is not None and (status.restarts or 0) > (was.restarts or 0):
                self._cover(*rules)

    def _explained(self, seen: PodSeen, before: PodSeen | None, was: oracle.Belief, belief: oracle.Belief) -> None:
        """Count the rules of the simplest explanation as covered."""
        barred = self.evidence.barred(seen)
        known = self.pods[seen.uid].oracle
        events: list[str] = []
        for place in range(len(seen.members)):
            sources = frozenset(t[0] for members in was.values() for t in members[place])
            targets = frozenset(t for members in belief.values() for t in members[place])
            for row in oracle.shortest(known.table, sources, targets, barred):
                self._cover(*self._held(*row.rules))
                events.append(row.event)
        record = self.profile.record(("node",))
        for row in oracle.shortest(record, frozenset(was), frozenset((r, None) for r in belief), barred):
            self._cover(*self._held(*row.rules))
            events.append(row.event.partition("@")[0])
        if before is None or events or before.phase != seen.phase:
            old = before.phase if before else "Pending"
            for phase_row in self.profile.phases[seen.policy].rows:
                if phase_row.event in events and (phase_row.source, phase_row.target) in (
                    (old, seen.phase),
                    (seen.phase, seen.phase),
                ):
                    self._cover(*self._held(*phase_row.rules))
        self._cover(*self._held("pod.phase.values", "pod.phase.five-values", "pod.phase.table", "pod.restart.policies"))
        if seen.containers and not any(pod.standing(r) in pod.FORCED_PHASE for r in belief):
            classes = frozenset(self.profile.class_of[sorted({t[0] for m in belief.values() for t in m[p]})[0]]
                                for p in range(len(seen.members)))  # fmt: skip
            self._cover(*self._held(*pod.decide(seen.policy, classes)[1].rules))
        if before is not None and before.phase in pod.TERMINAL:
            self._cover(*self._held("pod.phase.terminal", "pod.phase.final"))
        if before is not None and before.node:
            self._cover(*self._held("pod.binding.never-moved", "pod.concept.one-host"))

    def _deletion(self, line: int, seen: PodSeen, known: _Pod) -> None:
        known.deleted = True
        name = f"pod {seen.name}"
        by_user = self.evidence.deleted_by_user(seen)
        terminal = seen.phase in pod.TERMINAL
        stays = bool(self._held("pod.life.record-deleted-by-hand")) and seen.node in self.evidence.by_hand
        ended = self.ended | self.evidence.unlisted
        on_ended = seen.node in ended or (self.evidence.gone_about(seen.node, line) and not stays)
        on_lost = seen.node in self._lost_nodes()
        resets = self._held("nodecontroller.health.restart-resets")
        too_early = self.evidence.too_early(seen, restarts=bool(resets))
        was_lost = self.evidence.in_trouble(seen.node, self.evidence.first[seen.uid]) and not too_early
        explained = by_user or on_ended or (terminal if self.profile.name == "seed" else was_lost)
        surplus = not explained and self._is_surplus(seen)
        unexplained = self.evidence.own and not self.evidence.lost and not (explained or surplus)
        rules = ("pod.life.not-by-itself", *self._staying(seen, too_early))
        if self.profile.name == "seed":
            if on_lost and not self.evidence.lost and not (explained or surplus):
                self._fail(("pod.life.node-lost", "pod.partition.failed"), name,
                           f"vanishes in phase {seen.phase} while its node {seen.node} is lost, without having been "
                           "marked Failed", line, known.line, "Failed")  # fmt: skip
            elif unexplained:
                self._fail(rules, name, "vanishes though nobody deleted it", line, known.line)
            elif on_ended and not by_user:
                self._cover("node.phase.terminated.pods-deleted", "pod.life.dead-node-deletes")
            elif not terminal or by_user:
                self._cover("pod.life.not-by-itself")
        elif unexplained:
            self._fail(rules, name, "vanishes though nobody deleted it", line, known.line)
        else:
            self._cover("pod.life.evicted" if was_lost and not by_user else "pod.life.deleted-at-once")

    def _is_surplus(self, seen: PodSeen) -> bool:
        """Whether a pod vanishes that its replication controller has too many of."""
        self.removed[seen.owner or ""] += 1
        return self.removed[seen.owner or ""] <= self.evidence.surplus[seen.owner or ""]

    def _staying(self, seen: PodSeen, too_early: bool) -> tuple[str, ...]:
        """What else says that a pod that vanishes by itself should have stayed."""
        resets = ("nodecontroller.health.restart-resets",) if self.evidence.restarts else ()
        return self._held(
            *(("pod.partition.waits", "pod.partition.back-in-time", *resets) if too_early else ()),
            *(("replication.count.kept",) if seen.owner in self.evidence.surplus else ()),
            *(("pod.life.never-reaped",) if seen.phase in pod.TERMINAL else ()),
            *(("scheduler.candidate.pods-stay",) if seen.node in self.cordoned else ()),
            *(("pod.life.record-deleted-by-hand",) if seen.node in self.evidence.by_hand else ()),
        )

    def _lost_nodes(self) -> set[str]:
        return self.down | {node.last.name for node in self.nodes.values() if node.last and is_down(node.last)}

    def _node(self, line: int, seen: NodeSeen) -> None:
        known = self.nodes.get(seen.name)
        if known is None or (known.last and known.last.uid != seen.uid):
            self._record(line, seen, again=known is not None)
            known = self.nodes[seen.name] = NodeOracle(self.profile)
        self.shown |= {name for name in ("phase", "reachable") if getattr(seen, name) is not None}
        was, before = known.states, known.last
        explained = known.observe(seen)
        last_line = self.node_lines.get(seen.name, 0)
        never_set = self._held("node.phase.never-set")
        if never_set and before is not None and before.phase != seen.phase:
            why = f"the phase changes from {before.phase!r} to {seen.phase!r}"
            self._fail(never_set, f"node {seen.name}", why, line, last_line)
        if not explained.belief:
            self._fail(explained.rules, f"node {seen.name}", explained.why, line, last_line, explained.allowed)
        else:
            table = self.profile.node.flattened()
            for row in oracle.shortest(table, was, frozenset((s, None) for s in explained.belief), frozenset()):
                if self._is_shown(row.rules, seen):
                    self._cover(*self._held(*row.rules))
            if seen.phase is not None:
                self._cover(*self._held("node.phase.values", "node.condition.only-running", "node.phase.pending"))
            if seen.reachable is not None and seen.ready is not None:
                self._cover(*self._held("node.condition.kinds"))
            if seen.phase is None:
                self._cover(*self._held("node.phase.never-set"))
            if seen.reachable is None and seen.ready is not None:
                self._cover(*self._held("node.condition.only-ready"))
        self.node_lines[seen.name] = line

    def _record(self, line: int, seen: NodeSeen, again: bool) -> None:
        """A record of a node is new: somebody must have made it, or the cloud lists it and is followed."""
        if not self.evidence.own or self.evidence.lost or seen.name in self.evidence.followed:
            return
        if again:
            rules = self._held("nodecontroller.sync.static-once", "nodecontroller.sync.off")
            self._fail(rules, f"node {seen.name}", "comes back though nobody made it again", line)
        elif seen.name not in self.evidence.nodes:
            rules = self._held("nodecontroller.sync.off", "nodecontroller.sync.start.off")
            self._fail(rules, f"node {seen.name}", "has a record though nobody made one, and no list is followed", line)

    @staticmethod
    def _is_shown(rules: tuple[str, ...], seen: NodeSeen) -> bool:
        """Whether the observation shows what the rules speak of: an unseen phase or condition proves nothing."""
        if any(r.startswith("node.phase.") for r in rules):
            return seen.phase is not None
        if "node.condition.reachable" in rules:
            return seen.reachable is not None
        return seen.ready is not None or seen.deleted

    def _controller(self, line: int, seen: ControllerSeen) -> None:
        self.seen_controllers = True
        rules = self._held("replication.template.always-only")
        if seen.policy != "Always" and rules:
            self._fail(
                rules, f"controller {seen.name}", f"its template has restart policy {seen.policy}", line, 0, "Always"
            )
        else:
            self._cover(*rules)

    def _engine(self, line: int, seen: EngineSeen) -> None:
        known = self.pods.get(seen.uid)
        if known is None:  # the engine is ahead of the API: keep it until the pod is known
            self.early[seen.uid].append((line, seen))
            return
        if problem := known.ledger.engine(seen):
            rules = self._held("pod.restart.new-container", "pod.container.terminated", "pod.restart.counted")
            self._fail(rules, f"pod {seen.pod}", f"container {seen.container}: {problem}", line)
            return
        step = known.engine.take(seen, self.evidence.barred(known.first))
        if step.were:
            rules = step.broken or self._held("pod.restart.counted", "pod.restart.count-reconstructed")
            reason = f"the engine tells '{seen.action}' of container {seen.container}"
            self._fail(rules, f"pod {seen.pod}", reason, line, 0, ", ".join(step.were))
        for row in step.rows:
            self._cover(*self._held(*row.rules))

    # --- at the end -------------------------------------------------------------------------------------------------

    def _events(self) -> None:
        """Every end of a container that is known of, and every disk that died, must have been recorded."""
        if not self.profile.exit_events:
            return
        for known in self.pods.values():
            by_us = self.evidence.own and not self.evidence.disk_died(known.first)
            for name, reason, rule, ends in [] if known.failed else known.exits.due(known.first.policy, by_us):
                of = None if rule == "pod.event.oom-error" else name
                if (count := self.events.count(known.first, reason, of)) >= len(ends):
                    self._cover(rule)
                    continue
                how = f"container {name} ended {len(ends)}× in {ends[0].state}"
                what = f"{how}, but {count} events '{reason}' are recorded"
                self._absent(known, (rule,), what, name, ends[count])
            if by_us and not known.failed:
                self._all_recorded(known)
            records = [pod.standing(record) for record in known.oracle.belief]
            if known.oracle.last and not known.failed and set(records) == {"DiskDied"}:
                if self.events.count(known.first, "disk-died", None):
                    self._cover("pod.event.disk-died")
                else:
                    end = KnownExit("Killed", None, None, known.line, float("inf"))
                    self._absent(known, ("pod.event.disk-died",), "its disk died, and no event is recorded", "", end)

    def _all_recorded(self, known: _Pod) -> None:
        """At rest, there are as many events as ends, also of those that no status has shown."""
        for name, ends in known.exits.total.items():
            reasons = ("completed", "failed", "out-of-memory", "killing")
            count = sum(self.events.count(known.first, reason, name) for reason in reasons)
            if self.quiescent and count < ends:
                what = f"container {name} ended {ends}×, but {count} events tell of an end"
                end = KnownExit("", None, None, known.line, float("inf"))
                self._absent(known, ("pod.event.completed", "pod.event.failed"), what, name, end)

    def _absent(self, known: _Pod, rules: tuple[str, ...], what: str, name: str, end: KnownExit) -> None:
        """An event is absent: a failure if it is proved that it will not come. A lost line leaves no proof."""
        later = self.events.later(known.first, name, end)
        proof = ""
        if self.quiescent:
            proof = f"nothing more will happen (line {self.quiescent})"
        elif later:
            proof = f"a later event '{later[1].reason}' of the same source was (line {later[0]})"
        if self.evidence.lost or not proof:
            verdict, reason = Verdict.UNKNOWN, f"{what} so far; it may have come later"
        else:
            verdict, reason = Verdict.FAIL, f"{what}; {proof}"
        self.findings.append(Finding(verdict, rules, f"pod {known.first.name}", reason, end.line))

    def _owed(self) -> None:
        """When nothing more will happen by itself, nothing may be owed any more."""
        if not self.quiescent or self.evidence.lost:
            return
        self._owed_addresses()
        self._owed_replicas()
        for known in self.pods.values():
            seen = known.oracle.last
            if seen is None or known.deleted or known.failed:
                continue
            name = f"pod {seen.name}"
            if seen.node in self.ended:
                self._owes(self._held("node.phase.terminated.pods-deleted", "pod.life.dead-node-deletes",
                                      "nodecontroller.sync.delete-pods"),
                           name,
                           f"is still there though its node {seen.node} has ended", known)  # fmt: skip
            elif seen.phase in pod.TERMINAL:
                continue
            elif self.evidence.disk_surely_died(seen) and self.profile.name == "seed":
                self._owes(("pod.disk.failed", "pod.disk.kills"), name, f"is {seen.phase} though its disk died", known)
            elif seen.node in self.down:
                self._owes(self._held("pod.partition.failed", "pod.life.node-lost", "pod.life.evicted"), name,
                           f"is {seen.phase} though its node {seen.node} is lost and all time-outs are over",
                           known)  # fmt: skip
            elif seen.node is None:
                unfit = self.down | self.cordoned
                if any(
                    node.last and node.last.name not in unfit and self._only_candidates(node)
                    for node in self.nodes.values()
                ):
                    self._owes(
                        self._held("pod.binding.scheduler"), name, "is not bound though a node could take it", known
                    )
            else:
                self._owes_containers(known, name)

    def _owed_addresses(self) -> None:
        """At rest, what was last seen of each pod is how it is: no two of them may have one address."""
        last = [k.oracle.last for k in self.pods.values() if k.oracle.last and not k.deleted]
        by_address: dict[str, list[str]] = defaultdict(list)
        for seen in last:
            if seen.address and seen.phase not in pod.TERMINAL:
                by_address[seen.address].append(seen.name)
        for address, names in by_address.items():
            if len(names) > 1:
                self._fail(self._held("pod.sharing.own-ip"), f"pod {names[-1]}",
                           f"{', '.join(names)} have the address {address}; nothing more will happen", self.quiescent,
                           0, "an address of its own")  # fmt: skip

    def _owed_replicas(self) -> None:
        """At rest, so many pods of a replication controller are there as it is to keep: neither fewer nor more."""
        rules = self._held("replication.count.kept")
        for name, wanted in self.evidence.wanted.items():
            last = [k.oracle.last for k in self.pods.values() if k.oracle.last and k.oracle.last.owner == name]
            active = [seen.name for seen in last if not seen.deleted and seen.phase not in pod.TERMINAL]
            if len(active) == wanted:
                self._cover(*rules)
                continue
            reason = f"keeps {len(active)} pods ({', '.join(active) or 'none'}); nothing more will happen"
            self._fail(rules, f"controller {name}", reason, self.quiescent, 0, f"{wanted} pods")

    @staticmethod
    def _only_candidates(node: NodeOracle) -> bool:
        return bool(node.states) and all(is_candidate(s) for s in node.states)

    def _owes_containers(self, known: _Pod, name: str) -> None:
        table = known.oracle.table
        for place, member in enumerate(known.oracle.members):
            states = {t[0] for members in known.oracle.belief.values() for t in members[place]}
            rows = [r for s in sorted(states) for e in ("start", "restart") for r in table.rows_for(s, e)]
            if states and len({r.source for r in rows}) == len(states):
                rules = tuple(dict.fromkeys(rule for row in rows for rule in row.rules))
                self._owes(self._held(*rules), name, f"container {member} is left {' or '.join(sorted(states))}", known)

    def _owes(self, rules: tuple[str, ...], name: str, reason: str, known: _Pod) -> None:
        self.findings.append(
            Finding(
                Verdict.FAIL, rules, name, f"{reason}; nothing more will happen (line {self.quiescent})", known.line
            )
        )

    # --- goals ------------------------------------------------------------------------------------------------------

    def _reached(self, goal: Goal) -> bool:
        if not self._is_so(goal.want):
            return False
        self._cover("history.goal.reached", *self._held(*goal.rules))
        return True

    def _is_so(self, want: Want) -> bool:
        match want:
            case PodWant(pod=name):
                uid = self.names.get(name)
                known = self.pods.get(uid) if uid else None
                return known is not None and pod_is_so(known.oracle.last, want)
            case NodeWant(node=name):
                return name in self.nodes and node_is_so(self.nodes[name].last, want)
            case EventWant():
                return any(event_is_so(event, want) for _, event in self.events.entries.get(want.pod, ()))
            case ControllerWant():
                return controller_is_so((k.oracle.last for k in self.pods.values() if k.oracle.last), want)

    def _goals(self) -> None:
        for line, goal in self.goals:
            rules = self._held(*goal.rules) or ("history.goal.reached",)
            certain = self.quiescent and not self.evidence.lost
            why = "nothing more will happen" if certain else "the deadline passed: it may have happened"
            target = want_about(goal.want)
            if target not in self.names and target not in self.nodes and not isinstance(goal.want, ControllerWant):
                why = f"{target} was never observed; {why}"
            self.findings.append(Finding(Verdict.FAIL if certain else Verdict.UNKNOWN, rules, "goal",
                                         f"not seen: {want_told(goal.want)}; {why}", line))  # fmt: skip

    def _workloads(self) -> None:
        """Each incarnation ends as its workload says, unless a fault ended it (`history.workload.done`)."""
        for known in self.pods.values():
            line = self.evidence.creation(known.first)
            spec = self.evidence.specs.get(line or 0)
            if spec is None or known.failed:
                continue
            rule = "history.workload.done"
            workloads = {c.name: c.workload for c in spec.containers}
            if known.first.members != tuple(workloads):
                self._fail((rule,), f"pod {spec.name}", f"its containers are {known.first.members}", known.line, 0,
                           str(tuple(workloads)))  # fmt: skip
                continue
            runs_on = self._runs_on(known)
            for name, exits in known.exits.known.items():
                for number, end in exits.items():
                    step = step_of(workloads[name], number)
                    expected = _expected_codes(step)
                    rules = (rule, *self._held(*_shown_by(step, number)))
                    if end.code in expected or ((end.code or 0) in KILLED_CODES and not runs_on):
                        self._cover(*(rules if end.code in expected else (rule,)))
                        continue
                    reason = f"incarnation {number} of container {name} ended with exit code {end.code}"
                    allowed = (
                        "any but 0" if len(expected) > 1 else ", ".join(map(str, expected)) or "an end by a signal"
                    )
                    blamed = (rule, *runs_on) if (end.code or 0) in KILLED_CODES else rules[1:] or rules
                    self._fail(blamed, f"pod {spec.name}", reason, end.line, 0, allowed)

    def _runs_on(self, known: _Pod) -> tuple[str, ...]:
        """The rules by which nothing but its workload ends a container of this pod: its node was lost, or not, and
        nothing else was done to it."""
        last = known.oracle.last
        if last is None or not self.evidence.in_trouble(last.node, 0) or not self.evidence.spared(last):
            return ()
        return self._held("pod.partition.waits", "pod.partition.back-in-time")

    def _not_shown(self) -> None:
        """What a recording cannot show is told as skipped: an unseen phase or condition is no failure."""
        for rules, shown, what in (
            (NODE_PHASE_RULES, "phase", "node phase (v0.17.0 never sets one: NODE-PHASE-2)"),
            (REACHABLE_RULES, "reachable", "condition NodeReachable (v0.17.0 knows none: NODE-COND-1)"),
        ):
            unseen = tuple(r for r in self._held(*rules) if r not in self.covered)
            if self.nodes and unseen and shown not in self.shown and self.profile.name == "seed":
                self.findings.append(Finding(Verdict.SKIP, unseen, "nodes", f"the recording shows no {what}"))

    # --- small things -----------------------------------------------------------------------------------------------

    def _held(self, *rules: str) -> tuple[str, ...]:
        return oracle.held(self.profile, rules)

    def _cover(self, *rules: str) -> None:
        self.covered.update(rules)

    def _fail(
        self, rules: tuple[str, ...], name: str, reason: str, line: int, last_line: int = 0, allowed: str = ""
    ) -> None:
        self.findings.append(Finding(Verdict.FAIL, rules, name, reason, line, last_line, allowed))

    def _count_problem(self, status: ContainerSeen, was: ContainerSeen | None, limit: int | None) -> str:
        """What is wrong with a restart count; empty if nothing is."""
        before, now = (was.restarts if was else 0) or 0, status.restarts
        if now is None:
            told_before = was is not None and was.restarts is not None
            lost = told_before or status.last_exit_code is not None or not self.evidence.own
            return "the restart count is missing" if lost else ""
        capped = limit is not None and min(before, now) >= limit
        if now < before and not capped:
            return f"the restart count falls from {before} to {now}"
        codes = (was.last_exit_code if was else None, status.last_exit_code)
        if now == before and not capped and None not in codes and codes[0] != codes[1]:
            return f"the end before it had exit code {codes[0]}, and now {codes[1]}"
        if now == 0 and status.last_exit_code is not None:
            return "an incarnation ended before this one, but the restart count is 0"
        if (
            was
            and was.instance
            and status.instance
            and status.instance != was.instance
            and now == before
            and not (capped or (limit is not None and self.evidence.restarted_kubelets))
        ):
            return f"a new incarnation runs, but the restart count is still {now}"
        if was and was.instance and status.instance == was.instance and now > before:
            return f"the restart count grows to {now}, but it is the same incarnation"
        return ""


def _same(content: object, before: object) -> bool:
    """Whether a frame repeats the one before: the same object, received again."""
    if not isinstance(content, PodSeen | NodeSeen | EventSeen | ControllerSeen) or type(content) is not type(before):
        return False
    return msgspec.structs.replace(content, at=0.0) == msgspec.structs.replace(before, at=0.0)


def _is_new(content: object) -> bool:
    """Whether an ADDED frame shows a pod that has just been created, rather than one that was there before."""
    return isinstance(content, PodSeen) and content.node is None and not content.containers


KILLED_CODES = (137, 143)
"""Exit codes of a container that got SIGKILL or SIGTERM, by a fault or by the system."""


def _expected_codes(step: Step) -> tuple[int, ...]:
    """The exit codes with which a step of a workload may end by itself."""
    match step:
        case Exit(code=code):
            return (code,)
        case OutOfMemory(code=None):
            return tuple(range(1, 256))
        case OutOfMemory(code=int(code)) | UseDisk(code=code) | Put(code=int(code)):
            return (code,)
        case Take() | Reach():
            return (0,)
        case _:
            return ()


def _shown_by(step: Step, incarnation: int) -> tuple[str, ...]:
    """The rules that hold if a step ends well: what it reached or found was there."""
    match step:
        case Reach(host="127.0.0.1"):
            return ("pod.sharing.network",)
        case Reach():
            return ("pod.sharing.own-ip",)
        case Take():
            before = ("pod.sharing.survives-restart",) if incarnation else ()
            return ("pod.sharing.volumes", "pod.sharing.volume-is-directory", *before)
        case _:
            return ()


def _spec_problem(seen: PodSeen, first: PodSeen) -> str:
    """What has changed of what never changes: the name, the restart policy, the containers of a pod."""
    if seen.name != first.name:
        return f"the name changes from {first.name!r} to {seen.name!r} under one uid"
    if seen.policy != first.policy:
        return f"the restart policy changes from {first.policy} to {seen.policy}"
    if seen.members != first.members:
        return f"the containers change from {', '.join(first.members)} to {', '.join(seen.members) or 'none'}"
    return ""
