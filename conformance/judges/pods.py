"""The judge of pods: each frame against the oracle; what never changes; counts, addresses, deletions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from conformance import oracle
from conformance.coverage import HOME
from conformance.engine import EngineOracle, Ledger
from conformance.exits import Exit, Exits
from conformance.judges.case import GONE, UNSEEN, Case
from conformance.judges.nodes import NodeJudge
from conformance.judges.statuses import News, StatusJudge
from conformance.oracle import COUNTED, PodOracle
from conformance.recent import Recent
from conformance.recordings import Entry
from conformance.runtime import ContainerSeen, ControllerSeen, EngineSeen, PodSeen, SandboxSeen
from model import container, pod
from model.lts.table import Row

PHASE_TABLE = frozenset(rule for decision in pod.DECISIONS for rule in decision.rules if rule.startswith("pod.phase."))
"""The rules by which the phase is made of the containers' states."""


RETIRED = 100_000
"""How many pods are remembered as gone, for one of them may come back."""


@dataclass(eq=False)
class KnownPod:
    """What is known of one pod."""

    oracle: PodOracle
    engine: EngineOracle
    first: PodSeen
    place: int = 0
    """Where it was first seen."""
    mine: bool = True
    """Whether it is this judge's: of others it is only known that they are there, and in which phase."""
    line: int = 0
    version: int | None = None
    """The line and the version of the last observation."""
    bound: int | None = None
    bound_line: int = 0
    """The version and the line with which it was bound, if it was seen unbound before."""
    exits: Exits = field(default_factory=Exits)
    ledger: Ledger = field(default_factory=Ledger)
    deleted: bool = False
    failed: bool = False

    @property
    def node(self) -> str | None:
        """The node that it was last seen on."""
        return self.oracle.last.node if self.oracle.last else None


@dataclass
class PodJudge:
    """The judge of all pods of a case."""

    case: Case
    nodes: NodeJudge
    sandboxes: dict[str, Recent[str, None]] = field(default_factory=lambda: defaultdict(Recent))
    """The sandboxes of a pod, by its uid, that have ended."""
    pods: dict[str, KnownPod] = field(default_factory=dict)
    """By uid: those that are there, or have gone within the window."""
    retired: Recent[str, None] = field(default_factory=lambda: Recent(RETIRED))
    """The names and the uids of pods that are gone for longer."""
    owned: dict[str, dict[str, KnownPod]] = field(default_factory=lambda: defaultdict(dict))
    """Pods by the name of their controller, and uid."""
    labelled: dict[tuple[str, str], dict[str, KnownPod]] = field(default_factory=lambda: defaultdict(dict))
    """Pods by label, and uid."""
    expected: set[str] = field(default_factory=set)
    """Pods, by uid, that something has been told of before any frame has shown them."""
    names: dict[str, str] = field(default_factory=dict)
    """The uid that a name had last."""
    early: dict[str, list[tuple[Entry, EngineSeen]]] = field(default_factory=lambda: defaultdict(list))
    """Events of the engine about pods that no frame has shown yet: it is ahead of the API."""
    addresses: dict[str, str] = field(default_factory=dict)
    """The pod, by uid, that was last seen with an address."""
    unfit: dict[int, set[str]] = field(default_factory=dict)
    """For each creation of a pod, by line, the nodes that were then known to be held down, or to have ended, and that
    have been so since."""
    removed: Counter[str] = field(default_factory=Counter)
    """By replication controller of ours, how many of its pods vanished that were too many."""
    on_binding: Callable[[KnownPod], None] = lambda known: None
    on_exit: Callable[[KnownPod, str, int, Exit], None] = lambda known, name, number, end: None
    """Who wants to know that a pod was bound; and that the end of a container (by name and number) is forgotten."""
    on_end: list[Callable[[KnownPod], None]] = field(default_factory=list)
    """Who has something to say when a pod is gone, or the history ends."""

    def __post_init__(self) -> None:
        self.statuses = StatusJudge(self.case)
        self.nodes.is_used = lambda name: any(known.node == name for known in self.pods.values())

    # --- which pods there are ---------------------------------------------------------------------------------------

    def of_controller(self, controller: ControllerSeen) -> Iterable[KnownPod]:
        """The pods that a controller's selector selects; without one, those that it made."""
        if not controller.selector:
            return list(self.owned.get(controller.name, {}).values())
        selected = [self.labelled.get(label, {}) for label in controller.selector.items()]
        fewest = min(selected, key=len)
        return [known for uid, known in fewest.items() if all(uid in pods for pods in selected)]

    def _index(self, seen: PodSeen, before: PodSeen | None, known: KnownPod) -> None:
        """Keep the pod among those of its controller, and of its labels."""
        if before is not None and (before.owner, before.labels) == (seen.owner, seen.labels):
            return
        self._unindex(before)
        if seen.owner:
            self.owned[seen.owner][seen.uid] = known
        for label in seen.labels.items():
            self.labelled[label][seen.uid] = known

    def _unindex(self, seen: PodSeen | None) -> None:
        if seen is None:
            return
        indexes = [(self.owned, seen.owner or ""), *((self.labelled, label) for label in seen.labels.items())]
        for index, key in indexes:
            pods = index.get(key, {})  # type: ignore[attr-defined]
            pods.pop(seen.uid, None)
            if not pods:
                index.pop(key, None)  # type: ignore[attr-defined]

    def expect(self, uid: str, name: str) -> None:
        """Something is told of a pod: keep it for a window, until a frame shows the pod."""
        if uid not in self.pods and uid not in self.expected:
            self.expected.add(uid)
            self.case.forget(partial(self._give_up, uid, name))

    def _give_up(self, uid: str, name: str) -> None:
        self.expected.discard(uid)
        if uid not in self.pods and uid not in self.case.evidence.first:
            self.case.evidence.killed.pop(uid, None)
            self._forget(uid, name)

    def _forget(self, uid: str, name: str) -> None:
        for of in (self.sandboxes, self.early, self.statuses.accounts):
            of.pop(uid, None)
        self.case.gone(name, uid)

    def retire(self, uid: str) -> None:
        """A pod is gone, and whatever is told of it has been told."""
        known = self.pods[uid]
        self._end(known)
        del self.pods[uid]
        self.unfit.pop(self.case.evidence.creation(known.first) or 0, None)
        self.case.evidence.forget(known.first)
        self.retired[uid] = self.retired[known.first.name] = None
        if self.names.get(known.first.name) == uid:
            del self.names[known.first.name]
        last = known.oracle.last
        self._unindex(last)
        if last and self.addresses.get(last.address or "") == uid:
            del self.addresses[last.address or ""]
        self._forget(uid, known.first.name)

    def end(self) -> None:
        """The history ends."""
        for known in self.pods.values():
            self.case.begin(GONE, mine=known.mine)
            self.case.at += (known.place,)
            self._end(known)

    def _end(self, known: KnownPod) -> None:
        for judge in self.on_end:
            judge(known)

    def unseen(self, listed: Iterable[str]) -> None:
        """A new list of all pods does not have some that were there: they went when no watch was there to see it."""
        there = set(listed)
        gone = [(uid, known) for uid, known in self.pods.items() if not known.deleted and uid not in there]
        for uid, known in gone:
            self.case.begin(UNSEEN, mine=known.mine)
            self.case.at += (known.place,)
            self.case.count("unseen")
            self.case.walk.forget(f"pod {known.first.name}")
            self.retire(uid)

    # --- one observation --------------------------------------------------------------------------------------------

    def named(self, name: str) -> KnownPod | None:
        """The pod that had this name last."""
        uid = self.names.get(name)
        return self.pods[uid] if uid else None

    def take(self, entry: Entry, seen: PodSeen) -> None:
        """Judge one observation of a pod."""
        line = entry.line
        if seen.policy not in container.POLICIES:
            self._no_policy(line, seen)
            return
        known = self.pods.get(seen.uid)
        if known is None and seen.uid in self.retired:
            self._back(line, seen, 0)
            return
        if known is None:
            killed = frozenset(self.case.evidence.killed[seen.uid])
            of = PodOracle(self.case.profile, seen.policy, seen.members, killed=killed)
            known = self.pods[seen.uid] = KnownPod(of, EngineOracle(of), seen, self.case.place, self.case.mine)
            self.names[seen.name] = seen.uid
            self.case.walk.forget(f"pod {seen.name}")
            self._unasked(line, seen)
            self.case.count("objects")
            for earlier, event in self.early.pop(seen.uid, ()):
                self.engine(earlier, event)
        name = f"pod {seen.name}"
        before = known.oracle.last
        if known.deleted:
            self._back(line, seen, known.line)
            return
        if problem := _spec_problem(seen, known.first):
            rules = self.case.held("pod.binding.spec-immutable", "pod.restart.policies", "pod.concept.containers")
            self.case.fail(rules, name, problem, line, known.line)
            known.line, known.failed = line, True
            return
        if seen.phase not in pod.PHASES[:4]:
            self.case.fail(("pod.phase.values", "pod.phase.five-values", "pod.phase.unknown-never-set"), name,
                       f"the phase is {seen.phase!r}", line, known.line, ", ".join(pod.PHASES[:4]))  # fmt: skip
            known.line = line
            return
        self._index(seen, before, known)
        known.deleted = seen.deleted
        if not self.case.mine:
            known.oracle.last = seen
            self._kept(entry, seen, known)
            return
        self._binding(line, seen, before, known.line)
        self._address(line, seen, before, known.line)
        told_anew = before is None or seen.containers != before.containers
        news = _news(seen, before) if told_anew else []
        self._counts(line, seen, news, known)
        if before is not None and before.node is None and seen.node:
            known.bound, known.bound_line = entry.api_version, line
            self.on_binding(known)
        if self.case.profile.name == "v0.17.0":
            self.statuses.take(entry, seen, news)
            if told_anew or before is None or seen.ready != before.ready:
                self.statuses.ready(line, seen)
            self._written(entry, seen, known)
        was, barred = known.oracle.belief, self.case.evidence.barred(seen)
        explained = known.oracle.observe(seen, barred)
        if not explained.belief:
            early = seen.phase == "Failed" and self.case.evidence.too_early(seen)
            rules = (*(self.case.held("pod.partition.waits") if early else ()), *explained.rules)
            time_out = f"; its node was not lost for {self.case.evidence.time_out:g} s" if early else ""
            if "pod.phase.final" not in rules and any(rule in PHASE_TABLE for rule in rules):
                rules += tuple(rule for rule, misled in self._not_of(seen).items() if misled)
            self.case.fail(rules, name, explained.why + time_out, line, known.line, explained.allowed)
            known.failed = True
        else:
            self.case.once(explained, lambda: self._explained(seen, before, was, explained.belief, barred), name)
        if told_anew and (self.case.profile.exit_events or self.case.evidence.own):
            for container_name, incarnation, end in known.exits.note(line, seen, known.oracle):
                self.on_exit(known, container_name, incarnation, end)
        if seen.deleted:
            self._deletion(line, seen, known)
        self._kept(entry, seen, known)

    def _kept(self, entry: Entry, seen: PodSeen, known: KnownPod) -> None:
        """It was seen like this."""
        known.line, known.version = entry.line, entry.api_version
        if seen.deleted:
            self.case.forget(partial(self.retire, seen.uid))

    def _unasked(self, line: int, seen: PodSeen) -> None:
        """Who has created a pod that is new? If neither a user nor a controller has, one that was deleted is back."""
        evidence = self.case.evidence
        if not evidence.own or evidence.lost or seen.owner is not None:
            return
        if evidence.uids[seen.name].index(seen.uid) >= len(evidence.created.get(seen.name, ())):
            self.case.fail(("pod.life.not-by-itself",), f"pod {seen.name}", "is there though nobody created it", line)

    def _back(self, line: int, seen: PodSeen, last_line: int) -> None:
        rules = self.case.held("pod.life.not-by-itself")
        self.case.fail(rules, f"pod {seen.name}", "is seen again after it was deleted", line, last_line)

    def _no_policy(self, line: int, seen: PodSeen) -> None:
        rules, reason = ("pod.restart.policies", "pod.phase.other-policy"), f"the restart policy is {seen.policy!r}"
        self.case.fail(rules, f"pod {seen.name}", reason, line, 0, ", ".join(container.POLICIES))

    def _not_of(self, seen: PodSeen) -> dict[str, bool]:
        """What a phase is not made of, by rule, and whether a phase made of it would be the one that is seen: statuses
        of others than the members, and readiness."""
        statuses = seen.containers or ()
        found = {}
        unnamed, unready = self._unlike(seen)
        if unnamed:
            found["pod.phase.unnamed-ignored"] = self._made_of([_class_of(s) for s in statuses], seen)
        if unready:
            ready = ["waiting" if s.state == "running" and s.ready is False else _class_of(s) for s in statuses]
            found["pod.phase.readiness-ignored"] = self._made_of(ready, seen)
        if statuses and len(seen.members) <= 2:
            found["pod.phase.one-or-two"] = True
        return found

    @staticmethod
    def _unlike(seen: PodSeen) -> tuple[bool, bool]:
        """Whether there are statuses of others than the members; and whether one runs and is not ready."""
        unnamed = unready = False
        for status in seen.containers or ():
            unnamed |= status.name not in seen.members
            unready |= status.state == "running" and status.ready is False
        return unnamed, unready

    @staticmethod
    def _made_of(classes: list[str], seen: PodSeen) -> bool:
        return pod.decide(seen.policy, frozenset(classes))[0] == seen.phase

    def _written(self, entry: Entry, seen: PodSeen, known: KnownPod) -> None:
        """A write changes the spec or the status, never both; a deletion neither. Proved if no frame can be missing."""
        before = known.oracle.last
        if before is None or not self.case.gapless(known.version, entry.api_version):
            return
        status = (seen.phase, seen.containers, seen.ready) == (before.phase, before.containers, before.ready)
        if seen.deleted:
            self.case.holds(status, ("pod.life.no-final-phase",), f"pod {seen.name}",
                            "has another status at its deletion than before", entry.line)  # fmt: skip
        elif (seen.node, seen.images) != (before.node, before.images):
            self.case.holds(status, ("pod.phase.update-keeps-status",), f"pod {seen.name}",
                            "has another status after an update of its spec", entry.line)  # fmt: skip

    def _binding(self, line: int, seen: PodSeen, before: PodSeen | None, last_line: int) -> None:
        if before is not None and before.node and seen.node != before.node:
            self.case.fail(("pod.binding.never-moved",), f"pod {seen.name}",
                       f"moved from {before.node} to {seen.node or 'no node'}", line, last_line,
                       before.node)  # fmt: skip
        if seen.node and (before is None or not before.node):
            self.case.cover("pod.binding.scheduler")
            if self.case.evidence.own and not self.case.evidence.lost and seen.node not in self.case.evidence.nodes:
                self.case.fail(("pod.binding.scheduler",), f"pod {seen.name}",
                           f"is bound to {seen.node}, a node that there is not", line, last_line)  # fmt: skip
            created = self.case.evidence.creation(seen) or 0
            since = self.nodes.fit.get(seen.node, 0) < created
            if since and seen.node in self.unfit.get(created, ()) and not self.case.evidence.lost:
                ended = ("node.phase.terminated.refuses",) if seen.node in self.case.ended else ()
                rules = ("pod.binding.candidate", "scheduler.candidate.ready", *ended)
                self.case.fail(rules, f"pod {seen.name}",
                           f"is bound to {seen.node}, which was known to be unfit when the pod was created and has "
                           "been since", line, last_line, "unbound")  # fmt: skip

    def _address(self, line: int, seen: PodSeen, before: PodSeen | None, last_line: int) -> None:
        """No two pods have one address at the same time. Proved only if a pod still has it after another one had."""
        if seen.address is None or seen.phase in pod.TERMINAL or seen.deleted:
            return
        rules = self.case.held("pod.sharing.own-ip")
        other = self.pods.get(self.addresses.get(seen.address, seen.uid))
        if other and other.first.uid != seen.uid and before is not None and before.address == seen.address:
            reason = f"has the address {seen.address}, and so has pod {other.first.name}"
            self.case.fail(rules, f"pod {seen.name}", reason, line, last_line, "an address of its own")
        self.addresses[seen.address] = seen.uid
        self.case.cover(*rules)

    def _counts(self, line: int, seen: PodSeen, news: Iterable[News], known: KnownPod) -> None:
        """Restart counts never fall, are not lost, and every incarnation is counted."""
        limit = self.case.profile.counted_up_to
        for status, was in news:
            if problem := self._count_problem(status, was, limit):
                rules: tuple[str, ...] = COUNTED
            elif problem := known.ledger.statuses(status):
                rules = ("pod.container.terminated", "pod.restart.new-container", "pod.restart.counted")
            else:
                if was is not None and (status.restarts or 0) > (was.restarts or 0):
                    self.case.cover(*COUNTED)
                continue
            self.case.fail(rules, f"pod {seen.name}", f"container {status.name}: {problem}", line, known.line)

    def _explained(
        self, seen: PodSeen, before: PodSeen | None, was: oracle.Belief, belief: oracle.Belief, barred: frozenset[str]
    ) -> None:
        """Count the rules of the simplest explanation as covered. All that is asked here of the observation and the one
        before is in `PodOracle.asked`, too."""
        known, walk, name = self.pods[seen.uid].oracle, self.case.walk, f"pod {seen.name}"
        events: list[str] = []
        paths: list[tuple[Row, ...]] = []
        for place in range(len(seen.members)):
            sources = frozenset(t[0] for members in was.values() for t in members[place])
            targets = frozenset(t for members in belief.values() for t in members[place])
            if all(pod.standing(r) == "DiskDied" for r in belief):  # which kills what has not ended by itself
                targets = frozenset(t for t in targets if t[0] == "Killed") or targets
            paths.append(walk.path(name, known.table, targets, sources, barred, place))
            for row in paths[-1]:
                self.case.cover(*row.rules)
                events.append(row.event)
        record = self.case.profile.record((HOME,))
        of_record = walk.path(name, record, frozenset((r, None) for r in belief), frozenset(was), barred)
        for row in of_record:
            self.case.cover(*row.rules)
            events.append(row.event.partition("@")[0])
        walk.pod(name, seen.policy, paths, of_record, (before.phase if before else "Pending", seen.phase))
        if before is None or events or before.phase != seen.phase:
            old = before.phase if before else "Pending"
            for phase_row in self.case.profile.phases[seen.policy].rows:
                if phase_row.event in events and (phase_row.source, phase_row.target) in (
                    (old, seen.phase),
                    (seen.phase, seen.phase),
                ):
                    self.case.cover(*phase_row.rules)
        self.case.cover("pod.phase.values", "pod.phase.five-values", "pod.phase.table", "pod.restart.policies")
        if seen.containers and not any(pod.standing(r) in pod.FORCED_PHASE for r in belief):
            classes = frozenset(self.case.profile.class_of[sorted({t[0] for m in belief.values() for t in m[p]})[0]]
                                for p in range(len(seen.members)))  # fmt: skip
            self.case.cover(*pod.decide(seen.policy, classes)[1].rules, *self._not_of(seen))
        if before is not None and before.phase in pod.TERMINAL:
            self.case.cover("pod.phase.terminal", "pod.phase.final")
        if before is not None and before.node:
            self.case.cover("pod.binding.never-moved", "pod.concept.one-host")

    def _deletion(self, line: int, seen: PodSeen, known: KnownPod) -> None:
        name, evidence, went = f"pod {seen.name}", self.case.evidence, ""
        by_user = evidence.deleted_by_user(seen)
        terminal = seen.phase in pod.TERMINAL
        stays = bool(self.case.held("pod.life.record-deleted-by-hand")) and seen.node in evidence.by_hand
        ended = seen.node in self.case.ended or seen.node in evidence.unlisted
        on_ended = ended or (evidence.gone_about(seen.node, line) and not stays)
        on_lost = self.nodes.is_lost(seen.node)
        resets = self.case.held("nodecontroller.health.restart-resets")
        too_early = evidence.too_early(seen, restarts=bool(resets))
        was_lost = evidence.in_trouble(seen.node, evidence.first[seen.uid]) and not too_early
        explained = by_user or on_ended or (terminal if self.case.profile.name == "seed" else was_lost)
        explained = explained or (evidence.own and self._is_surplus(seen))
        unexplained = evidence.own and not evidence.lost and not explained
        rules = ("pod.life.not-by-itself", *self._staying(seen, too_early))
        if self.case.profile.name == "seed":
            if on_lost and not evidence.lost and not explained:
                self.case.fail(("pod.life.node-lost", "pod.partition.failed"), name,
                           f"vanishes in phase {seen.phase} while its node {seen.node} is lost, without having been "
                           "marked Failed", line, known.line, "Failed")  # fmt: skip
            elif unexplained:
                self.case.fail(rules, name, "vanishes though nobody deleted it", line, known.line)
            elif on_ended and not by_user:
                self.case.cover("node.phase.terminated.pods-deleted", "pod.life.dead-node-deletes")
                went = "node_terminated"
            elif not terminal or by_user:
                self.case.cover("pod.life.not-by-itself")
                went = "delete"
            else:
                went = "expire"
        elif unexplained:
            self.case.fail(rules, name, "vanishes though nobody deleted it", line, known.line)
        else:
            went = "evict" if was_lost and not by_user else "delete"
            self.case.cover("pod.life.evicted" if went == "evict" else "pod.life.deleted-at-once")
        self.case.walk.gone(name, seen.policy, seen.phase, sorted(known.oracle.belief), went)

    def _staying(self, seen: PodSeen, too_early: bool) -> tuple[str, ...]:
        """What else says that a pod that vanishes by itself should have stayed."""
        evidence = self.case.evidence
        resets = ("nodecontroller.health.restart-resets",) if evidence.restarts else ()
        return self.case.held(
            *(("pod.partition.waits", "pod.partition.back-in-time", *resets) if too_early else ()),
            *(("replication.count.kept",) if seen.owner in evidence.surplus else ()),
            *(("pod.life.never-reaped",) if seen.phase in pod.TERMINAL else ()),
            *(("scheduler.candidate.pods-stay",) if seen.node in self.case.cordoned else ()),
            *(("pod.life.record-deleted-by-hand",) if seen.node in evidence.by_hand else ()),
        )

    def _is_surplus(self, seen: PodSeen) -> bool:
        """Whether its controller may have deleted it. If we told it to keep fewer it may delete as many, and no more;
        else its record must have been seen to want fewer than there are (and, if it is ours, than we asked for)."""
        evidence, owner = self.case.evidence, seen.owner or ""
        if owner in evidence.surplus:
            self.removed[owner] += 1
            surplus = self.removed[owner] <= evidence.surplus[owner]
        else:
            if owner not in evidence.fewest:
                return False
            last = [known.oracle.last for known in self.owned.get(owner, {}).values() if not known.deleted]
            active = [other for other in last if other and other.phase not in pod.TERMINAL]
            fewest = evidence.fewest.get(owner, len(active) + 1)
            surplus = fewest < min(len(active) + 1, evidence.wanted.get(owner, fewest + 1))
        if surplus and evidence.own:
            self.case.cover("replication.count.surplus")
        return surplus

    def engine(self, entry: Entry, seen: EngineSeen) -> None:
        """Judge one event of the engine."""
        if not self.case.mine:
            self.expect(seen.uid, seen.pod)
            return
        line = entry.line
        self.statuses.engine(seen)
        known = self.pods.get(seen.uid)
        if known is None:  # the engine is ahead of the API: keep it until the pod is known
            self.expect(seen.uid, seen.pod)
            self.early[seen.uid].append((entry, seen))
            return
        if problem := known.ledger.engine(seen):
            rules = self.case.held("pod.restart.new-container", "pod.container.terminated", "pod.restart.counted")
            self.case.fail(rules, f"pod {seen.pod}", f"container {seen.container}: {problem}", line)
            return
        step = known.engine.take(seen, self.case.evidence.barred(known.first))
        if step.were:
            rules = step.broken or self.case.held(*COUNTED)
            reason = f"the engine tells '{seen.action}' of container {seen.container}"
            self.case.fail(rules, f"pod {seen.pod}", reason, line, 0, ", ".join(step.were))
        for row in step.rows:
            self.case.cover(*row.rules)

    def sandbox(self, entry: Entry, seen: SandboxSeen) -> None:
        """Judge one event of the engine about a sandbox: one that has died is replaced, not started again."""
        self.expect(seen.uid, seen.pod)
        if not self.case.mine:
            return
        ended = self.sandboxes[seen.uid]
        if seen.action in ("create", "start"):
            rules = ("pod.restart.sandbox-died", "pod.sharing.pause-container")
            reason = f"sandbox {seen.instance[:12]} had ended, and is started again"
            self.case.holds(seen.instance not in ended, rules, f"pod {seen.pod}", reason, entry.line, "a new one")
        if seen.action == "die":
            ended[seen.instance] = None

    def _count_problem(self, status: ContainerSeen, was: ContainerSeen | None, limit: int | None) -> str:
        """What is wrong with a restart count; empty if nothing is."""
        before, now = (was.restarts if was else 0) or 0, status.restarts
        if now is None:
            told_before = was is not None and was.restarts is not None
            lost = told_before or status.last_exit_code is not None or not self.case.evidence.own
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
            and not (capped or (limit is not None and self.case.evidence.restarted_kubelets))
        ):
            return f"a new incarnation runs, but the restart count is still {now}"
        if was and was.instance and status.instance == was.instance and now > before:
            return f"the restart count grows to {now}, but it is the same incarnation"
        return ""


def _news(seen: PodSeen, before: PodSeen | None) -> list[News]:
    """The statuses of members that have changed."""
    old = (before.containers if before else None) or ()
    pairs = [(status, oracle.named(old, status.name)) for status in seen.containers or ()]
    return [(status, was) for status, was in pairs if status != was and status.name in seen.members]


def _spec_problem(seen: PodSeen, first: PodSeen) -> str:
    """What has changed of what never changes: the name, the restart policy, the containers of a pod."""
    if seen.name != first.name:
        return f"the name changes from {first.name!r} to {seen.name!r} under one uid"
    if seen.policy != first.policy:
        return f"the restart policy changes from {first.policy} to {seen.policy}"
    if seen.members != first.members:
        return f"the containers change from {', '.join(first.members)} to {', '.join(seen.members) or 'none'}"
    return ""


def _class_of(status: ContainerSeen) -> str:
    """The class of the decision table that a status says, by itself."""
    if status.state == "terminated":
        return "succeeded" if status.exit_code == 0 else "failed"
    return status.state
