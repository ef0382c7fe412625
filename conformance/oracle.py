"""The oracle: which states of the model can explain what was seen so far.

Observation is sampling: between two observations the system may have taken any number of legal silent steps. So the
next set of states is everything reachable from the present one that matches what is seen now (subset construction, on
the fly). An empty set is a failure.

The set is kept factored: for each state of the pod's record, one set of states per container, as containers only meet
in the record. A container's state carries a tag: the state in which its last restart since the previous observation
began (None: no restart). Steps between such sets are cached, so that a long history costs look-ups.
"""

from __future__ import annotations

import functools
import itertools
from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from conformance.recent import Recent
from conformance.runtime import ContainerSeen, NodeSeen, PodSeen
from model import container, pod
from model.cluster import ANYWHERE, Size, network
from model.lts.network import Network, Vector
from model.lts.table import Row, Table
from model.profiles import PROFILES, Profile
from model.registry import all_rules

Tagged = tuple[str, str | None]
"""A container's state, and the state in which its last restart since the last observation began."""
Members = tuple[frozenset[Tagged], ...]
Belief = Mapping[str, Members]
"""For each possible state of the record: for each container its possible states."""

POD = "p1"

EXPLAINED = 20_000
"""How many explanations are remembered."""


@functools.cache
def _network(profile: str, policy: str, containers: int) -> Network:
    return network(PROFILES[profile], Size(policy, pods=1, containers=containers, nodes=0))


@functools.lru_cache(EXPLAINED)
def closure(profile: str, policy: str, belief: tuple[tuple[str, Members], ...], barred: frozenset[str]) -> Belief:
    """Everything that silent steps lead to from ``belief``, without the events in ``barred``."""
    count = len(belief[0][1])
    net = _network(profile, policy, count)
    vectors = [vector for vector in net.vectors if not (vector.label in barred or vector.name in barred)]
    reached: dict[str, Members] = dict(belief)
    pending = list(reached)
    while pending:
        record = pending.pop(0)
        for vector in vectors:
            for target, after in _image(net, vector, record, reached[record]):
                before = reached.get(target, (frozenset(),) * count)
                merged = tuple(a | b for a, b in zip(before, after, strict=True))
                if merged != before or target not in reached:
                    reached[target] = merged
                    if target not in pending:
                        pending.append(target)
    return reached


def _image(net: Network, vector: Vector, record: str, members: Members) -> list[tuple[str, Members]]:
    """Where one vector leads from one record state and the possible states of its containers."""
    names = [name for name in net.components if name != POD]
    allowed = list(members)
    for when in vector.when:
        if when.components == (POD,):
            if record not in when.states:
                return []
            continue
        inside = [frozenset(t for t in m if t[0] in when.states) for m in allowed]
        if when.quantifier == "some" and not any(inside):
            return []
        if when.quantifier == "every":
            allowed = inside
    if not all(allowed):
        return []
    records = (
        [r.target for r in net.components[POD].rows_for(record, vector.moves[POD])] if POD in vector.moves else [record]
    )
    for place, name in enumerate(names):
        event = vector.moves.get(name) or vector.broadcast.get(name)
        if event:
            stay = name in vector.broadcast
            allowed[place] = _step(net.components[name], allowed[place], event, stay=stay)
    return [(target, tuple(allowed)) for target in records] if all(allowed) else []


@functools.lru_cache(EXPLAINED)
def _step(table: Table, states: frozenset[Tagged], event: str, *, stay: bool) -> frozenset[Tagged]:
    after: set[Tagged] = set()
    for state, tag in states:
        rows = table.rows_for(state, event)
        after |= {(row.target, _tag(event, state, tag)) for row in rows}
        if not rows and stay:
            after.add((state, tag))
    return frozenset(after)


def _tag(event: str, state: str, tag: str | None) -> str | None:
    """A new incarnation is tagged with the state it began from; one that only failed to start keeps the tag."""
    if event not in container.COUNTED or (event == "recreate" and tag is not None):
        return tag
    return state


def named(statuses: Iterable[ContainerSeen], name: str) -> ContainerSeen | None:
    """The status of a container."""
    for status in statuses:
        if status.name == name:
            return status
    return None


_numbers: Recent[tuple[tuple[str, Members], ...], int] = Recent(EXPLAINED)
_next_number = itertools.count(1)


def _number(belief: tuple[tuple[str, Members], ...]) -> int:
    """A number for a belief: equal ones, in the same order, have the same; one that was forgotten gets a new one."""
    if belief not in _numbers:
        _numbers[belief] = next(_next_number)
    return _numbers[belief]


def initial(containers: int) -> Belief:
    """A pod that has just been accepted."""
    return {"Unbound": (frozenset({("Waiting", None)}),) * containers}


@dataclass(eq=False)
class Explanation:
    """What came of an observation: the states that explain it. If there are none: why, by which rules, and what would
    have been allowed instead."""

    belief: Belief
    why: str = ""
    rules: tuple[str, ...] = ()
    allowed: str = ""


_reached: Recent[Hashable, Belief] = Recent(EXPLAINED)
"""What silent steps lead to, by profile, policy, the number of a belief, and what is barred."""

_explained: Recent[Hashable, tuple[Explanation, int]] = Recent(EXPLAINED)
"""Explanations by what is asked for them, each with the number of the belief: a long history asks the same again."""


@dataclass
class PodOracle:
    """The oracle for one pod. ``profile`` is the reading, ``policy`` and ``members`` come from the pod's spec."""

    profile: Profile
    policy: str
    members: tuple[str, ...]
    belief: Belief = field(default_factory=dict)
    last: PodSeen | None = None
    killed: frozenset[str] = frozenset()
    """Members that the system is known to have killed: such an end may have exit code 0."""
    number: int = 0
    """The number of the belief: equal beliefs have the same."""

    def __post_init__(self) -> None:
        self._believe(initial(len(self.members)))

    def _believe(self, belief: Belief) -> None:
        self.belief, self.number = belief, _number(tuple(belief.items()))

    @property
    def table(self) -> Table:
        """The container table of the pod's policy."""
        return self.profile.containers[self.policy]

    def may_become(self, barred: frozenset[str]) -> Belief:
        """Everything that silent steps lead to from what is believed now."""
        key = (self.profile.name, self.policy, self.number, barred)
        if key not in _reached:
            untagged = [(record, tuple(map(_untagged, members))) for record, members in self.belief.items()]
            _reached[key] = closure(self.profile.name, self.policy, tuple(sorted(untagged)), barred)
        return _reached[key]

    def observe(self, seen: PodSeen, barred: frozenset[str]) -> Explanation:
        """Take an observation in. After an inexplicable one the oracle goes on from whatever could look like it."""
        key = (self.number, barred, self.asked(seen))
        if known := _explained.get(key):
            explanation, self.number = known
            self.belief, self.last = explanation.belief, seen
            return explanation
        explanation = self._revived(seen, barred) or self._explain(seen, self.may_become(barred))
        self._believe(explanation.belief or self._anything_like(seen))
        self.last = seen
        if explanation.belief:
            _explained[key] = explanation, self.number
        return explanation

    def asked(self, seen: PodSeen) -> Hashable:
        """All that is asked of an observation, after the last one, to explain it, and to tell the rules of that."""
        last = self.last
        asked: list[object] = []
        statuses, old = seen.containers or (), (last.containers if last else None) or ()
        for name in self.members:
            if (status := named(statuses, name)) is None:
                asked.append(None)
                continue
            state, ends = status.state, self.ends_of(name, status.exit_code, status.oom)
            unready = state == "running" and status.ready is False
            count = self._asked_count(status, named(old, name))
            asked.append((state, status.restarts == 0, ends, unready, count))
        return (
            self.profile.name, self.policy, seen.phase, seen.node is None, seen.containers is None, len(statuses),
            last and (last.phase, last.node is None), tuple(asked),
        )  # fmt: skip

    def _asked_count(self, seen: ContainerSeen, was: ContainerSeen | None) -> object:
        """What `_count_fits` asks of a status: whether the count is told, how it has changed, and how it ended last."""
        before, limit = (was.restarts or 0) if was else 0, self.profile.counted_up_to
        if seen.restarts is None or (limit is not None and min(before, seen.restarts) >= limit):
            return "any"
        if seen.restarts <= before:
            return seen.restarts < before
        if seen.last_exit_code is None:
            return "more"
        return self.ends_of(seen.name, seen.last_exit_code, seen.last_oom)

    def _revived(self, seen: PodSeen, barred: frozenset[str]) -> Explanation | None:
        """A phase that the phase table does not lead to from a terminal one, whatever the statuses say."""
        if self.last is None or self.last.phase not in pod.TERMINAL:
            return None
        possible = reach(self.profile.phases[self.policy], frozenset({self.last.phase}), barred)
        if seen.phase in possible:
            return None
        allowed = ", ".join(sorted(possible - {"Deleted"}))
        rules = self.held("pod.phase.terminal", "pod.phase.final") + self._ended_rules()
        return Explanation({}, f"the phase is {seen.phase!r} after {self.last.phase}", rules, allowed)

    def _ended_rules(self) -> tuple[str, ...]:
        """What the policy says of the ends that are certain."""
        ends = set().union(*(self._ended_before(place) for place in range(len(self.members))))
        rules = [r for end in sorted(ends) if not self.table.rows_for(end, "restart") for r in RESTART_RULES[end]]
        return self.held(*(f"{rule}.{self.policy.lower()}" for rule in dict.fromkeys(rules)))

    # --- matching an observation ------------------------------------------------------------------------------------

    def _explain(self, seen: PodSeen, reach: Belief) -> Explanation:
        placed = {r: m for r, m in reach.items() if self._record_fits(r, seen)}
        if not placed:
            return self._misplaced(seen, reach)
        fitting: dict[str, Members] = {}
        for record, members in placed.items():
            matched = tuple(
                self._matching(name, states, seen) for name, states in zip(self.members, members, strict=True)
            )
            if all(matched):
                fitting[record] = matched
        if not fitting:
            return self._misfit(seen, placed)
        phased = {r: kept for r, m in fitting.items() if (kept := self._with_phase(r, m, seen))}
        if not phased:
            return self._wrong_phase(seen, fitting)
        return Explanation(phased)

    def _record_fits(self, record: str, seen: PodSeen) -> bool:
        standing = pod.standing(record)
        if standing == "Deleted":
            return False
        if standing == "Refused":
            return not seen.containers and seen.node is not None
        return (standing == "Unbound") == (seen.node is None)

    def _matching(self, name: str, states: frozenset[Tagged], seen: PodSeen) -> frozenset[Tagged]:
        status = named(seen.containers or (), name)
        if status is None:
            return states
        was = named((self.last.containers if self.last else None) or (), name)
        return frozenset(t for t in states if self._state_fits(t[0], status) and self._count_fits(t[1], status, was))

    def _state_fits(self, state: str, seen: ContainerSeen) -> bool:
        match seen.state:
            case "waiting":
                # A restart is counted when it begins, where every restart is counted.
                begun = seen.restarts != 0 or self.profile.counted_up_to is not None
                return state == "Waiting" or (state == "Restarting" and begun)
            case "running":
                return state == "Running"
            case "terminated":
                return state in self.ends_of(seen.name, seen.exit_code, seen.oom)
            case _:
                return True

    def ended_states(self, exit_code: int | None, oom: bool) -> tuple[str, ...]:
        """The states in which a container may be that ended like this."""
        if oom and (self.profile.oom_is_failure or exit_code != 0):
            return ("OOMKilled",)
        return ("Completed",) if exit_code == 0 else ("Error", "Killed")

    def ends_of(self, name: str, exit_code: int | None, oom: bool) -> tuple[str, ...]:
        """The same for a member by name: one that the system is known to have killed may have exited with 0."""
        ends = self.ended_states(exit_code, oom)
        return (*ends, "Killed") if name in self.killed and "Killed" not in ends else ends

    def _count_fits(self, tag: str | None, seen: ContainerSeen, was: ContainerSeen | None) -> bool:
        before = (was.restarts or 0) if was else 0
        if seen.restarts is None:
            return True
        if (limit := self.profile.counted_up_to) is not None and min(before, seen.restarts) >= limit:
            return True
        if seen.restarts <= before:
            return tag is None or seen.restarts < before
        if tag is None or seen.last_exit_code is None or tag not in container.ENDED:
            return tag is not None
        ends = self.ends_of(seen.name, seen.last_exit_code, seen.last_oom)
        return tag in ends or (tag == "OOMKilled" and "Error" in ends)

    def _classes(self, members: Members, seen: PodSeen) -> Classes:
        """For each member the classes of the decision table that it may be in: where its status is missing or says
        nothing, that is what the phase is computed from, whatever its true state."""
        shown = {c.name for c in seen.containers or () if c.state != "unknown"}
        listed = seen.containers is not None or (self.profile.statuses_are_listed and seen.node is not None)
        class_of = self.profile.class_of
        return tuple([
            UNKNOWN if listed and name not in shown else frozenset({class_of[state] for state, _ in states})
            for name, states in zip(self.members, members, strict=True)
        ])  # fmt: skip

    def _with_phase(self, record: str, members: Members, seen: PodSeen) -> Members | None:
        """The states of the containers that can make up the phase; None if none can."""
        forced = pod.FORCED_PHASE.get(pod.standing(record))
        if forced:
            return members if forced == seen.phase else None
        kept = []
        for states, fine in zip(members, _making(self.policy, self._classes(members, seen), seen.phase), strict=True):
            if not fine:
                return None
            kept.append(
                states if fine == UNKNOWN else frozenset(t for t in states if self.profile.class_of[t[0]] in fine)
            )
        return tuple(kept)

    def _anything_like(self, seen: PodSeen) -> Belief:
        """Every state that looks like the observation, however it came about."""
        every = frozenset((state, None) for state in self.table.states)
        matched: list[frozenset[Tagged]] = []
        for name in self.members:
            status = named(seen.containers or (), name)
            fitting = frozenset(t for t in every if status is None or self._state_fits(t[0], status))
            matched.append(fitting or every)
        records = self.profile.record((ANYWHERE,)).states
        return {r: tuple(matched) for r in records if self._record_fits(r, seen)} or {"Unbound": tuple(matched)}

    # --- saying why -------------------------------------------------------------------------------------------------

    def _misplaced(self, seen: PodSeen, reach: Belief) -> Explanation:
        here = f"bound to {seen.node}" if seen.node else "unbound"
        allowed = ", ".join(sorted({pod.standing(r) for r in reach})) or "nothing"
        return Explanation(
            {}, f"the pod is {here}", self.held("pod.binding.never-moved", "pod.binding.scheduler"), allowed
        )

    def _misfit(self, seen: PodSeen, placed: Belief) -> Explanation:
        """Which container cannot be where it is seen, by which rules, and where it could be."""
        for place, name in enumerate(self.members):
            states: frozenset[Tagged] = frozenset().union(*(m[place] for m in placed.values()))
            status = named(seen.containers or (), name)
            if status is None or self._matching(name, states, seen):
                continue
            unbound = all(pod.standing(record) == "Unbound" for record in placed)
            rules = self._broken_by(place, status) or self.held(*(("pod.binding.scheduler",) if unbound else COUNTED))
            allowed = ", ".join(sorted({t[0] for t in states if self._tag_possible(t[1])}))
            return Explanation({}, f"container {name} {told(status)}", rules, allowed)
        return Explanation({}, "the containers do not fit together", self.held("pod.concept.unit"), "")

    def _broken_by(self, place: int, status: ContainerSeen) -> tuple[str, ...]:
        """The rules that a container breaks that is seen like this after what is believed of it."""
        rules: list[str] = []
        if self.last is not None and self.last.phase in pod.TERMINAL:
            rules += self.held("pod.phase.terminal", "pod.phase.final")
        forced = all(pod.standing(record) in pod.FORCED_PHASE for record in self.belief)
        ends = set() if forced else self._ended_before(place)
        if status.last_exit_code is not None and status.restarts:
            ends |= set(self.ended_states(status.last_exit_code, status.last_oom))
        for end in sorted(ends):
            if end in self.table.states and not self.table.rows_for(end, "restart") and not forced:
                rules += self.held(*(f"{rule}.{self.policy.lower()}" for rule in RESTART_RULES[end]))
        return tuple(dict.fromkeys(rules))

    def _tag_possible(self, tag: str | None) -> bool:
        return tag is None or tag in self.table.states

    def _ended_before(self, place: int) -> set[str]:
        """The final states in which a container is believed to be, if it is certain that it has ended for good."""
        states = {t[0] for members in self.belief.values() for t in members[place]}
        return states if states <= set(container.final(self.table)) else set()

    def _wrong_phase(self, seen: PodSeen, fitting: Belief) -> Explanation:
        possible: dict[str, tuple[str, ...]] = {}
        for record, members in fitting.items():
            forced = pod.FORCED_PHASE.get(pod.standing(record))
            if forced:
                possible.setdefault(forced, self._record_rules(record))
                continue
            for classes in sorted(_mixtures(self._classes(members, seen)), key=sorted):
                phase, row = pod.decide(self.policy, classes)
                possible.setdefault(phase, self.held(*row.rules))
        rules = tuple(dict.fromkeys((*self._given_up(seen), *(rule for found in possible.values() for rule in found))))
        if self.last and self.last.phase in pod.TERMINAL and seen.phase != self.last.phase:
            rules = (*self.held("pod.phase.terminal", "pod.phase.final"), *rules)
        return Explanation({}, f"the phase is {seen.phase!r}", rules, ", ".join(sorted(possible)))

    def _given_up(self, seen: PodSeen) -> tuple[str, ...]:
        """What the policy says of containers that it restarts, if their pod is taken to be over."""
        ended = [c for c in seen.containers or () if c.state == "terminated"] if seen.phase in pod.TERMINAL else []
        ends = [self.ended_states(c.exit_code, c.oom)[0] for c in ended]
        rules = [rule for end in ends if self.table.rows_for(end, "restart") for rule in RESTART_RULES[end]]
        return self.held(*(f"{rule}.{self.policy.lower()}" for rule in rules))

    def _record_rules(self, record: str) -> tuple[str, ...]:
        rows = self.profile.record((ANYWHERE,)).rows
        return self.held(*(rule for row in rows if row.target == record for rule in row.rules))

    def held(self, *rules: str) -> tuple[str, ...]:
        """Those of ``rules`` that hold in the profile."""
        return held(self.profile, rules)


RESTART_RULES = {
    "Completed": ("pod.restart.success",),
    "Error": ("pod.restart.failure",),
    "Killed": ("pod.restart.failure",),
    "OOMKilled": ("pod.restart.oom",),
}
"""What the restart policy says of a container that ended so; the policy's own name completes the id."""

COUNTED = ("pod.restart.counted", "pod.restart.count-reconstructed")
"""The rules by which restarts are counted: one in each profile."""


def held(profile: Profile, rules: tuple[str, ...]) -> tuple[str, ...]:
    """Those of ``rules`` that hold in the profile."""
    return _held(profile.name, rules)


@functools.cache
def _held(profile: str, rules: tuple[str, ...]) -> tuple[str, ...]:
    known = all_rules()
    return tuple(r for r in rules if r in known and profile in known[r].profiles)


Classes = tuple[frozenset[str], ...]
"""For each member the classes of the decision table that it may be in."""

UNKNOWN = frozenset({"unknown"})


@functools.lru_cache(EXPLAINED)
def _making(policy: str, classes: Classes, phase: str) -> Classes:
    """Of these classes those that can make up the phase, together with any of the other members'."""
    others = [_mixtures(classes[:place] + classes[place + 1 :]) for place in range(len(classes))]
    return tuple(
        frozenset(c for c in mine if any(pod.decide(policy, other | {c})[0] == phase for other in of_others))
        for mine, of_others in zip(classes, others, strict=True)
    )


def _mixtures(classes: Classes) -> set[frozenset[str]]:
    """Every set of classes that members may make up together: at most 32, however many members there are."""
    found = {frozenset[str]()}
    for some in classes:
        found = {mixture | {c} for mixture in found for c in some}
    return found


def told(status: ContainerSeen) -> str:
    """A container's status in words."""
    code = f" with exit code {status.exit_code}" if status.state == "terminated" else ""
    oom = " (out of memory)" if status.oom else ""
    count = "an unknown number of" if status.restarts is None else status.restarts
    return f"is {status.state}{code}{oom} after {count} restart{'' if status.restarts == 1 else 's'}"


def _untagged(states: frozenset[Tagged]) -> frozenset[Tagged]:
    return frozenset((state, None) for state, _ in states)


# --- the simplest explanation, for coverage -------------------------------------------------------------------------


@functools.cache
def shortest(
    table: Table, sources: frozenset[str], targets: frozenset[Tagged], barred: frozenset[str]
) -> tuple[Row, ...]:
    """The rows of a shortest run of one table from one of ``sources`` to one of ``targets``; none if there is none."""
    queue: deque[tuple[Tagged, tuple[Row, ...]]] = deque(((s, None), ()) for s in sorted(sources))
    seen = {state for state, _ in queue}
    while queue:
        (state, tag), path = queue.popleft()
        if (state, tag) in targets:
            return path
        for row in table.rows:
            if row.source == state and row.event not in barred:
                after = (row.target, _tag(row.event, state, tag))
                if after not in seen:
                    seen.add(after)
                    queue.append((after, (*path, row)))
    return ()


# --- nodes ----------------------------------------------------------------------------------------------------------


@dataclass
class NodeOracle:
    """The oracle for one node: its table is small, so the set is a plain one."""

    profile: Profile
    states: frozenset[str] = frozenset()
    last: NodeSeen | None = None

    def __post_init__(self) -> None:
        self.states = frozenset({self.profile.node.flattened().initial})

    def observe(self, seen: NodeSeen, barred: frozenset[str] = frozenset()) -> Explanation:
        """Take an observation in."""
        table = self.profile.node.flattened()
        possible = reach(table, self.states, barred)
        fitting = _fitting(self.profile.name, possible, seen.phase, seen.reachable, seen.ready, seen.deleted)
        explanation = Explanation(dict.fromkeys(fitting, ()))
        if not fitting:
            explanation.why = f"the node {node_told(seen)}"
            explanation.allowed = ", ".join(sorted(possible))
            explanation.rules = self._rules(seen)
            every = frozenset(table.states)
            fitting = _fitting(self.profile.name, every, seen.phase, seen.reachable, seen.ready, seen.deleted) or every
        self.states, self.last = fitting, seen
        return explanation

    def _rules(self, seen: NodeSeen) -> tuple[str, ...]:
        table = self.profile.node
        if seen.phase is not None and seen.phase not in table.states:
            return held(self.profile, ("node.phase.values", "node.phase.never-set"))
        if seen.phase not in (None, "Running") and (seen.reachable or seen.ready):
            return held(self.profile, ("node.condition.only-running",))
        if any(s in ("Terminated", "Removed") for s in self.states):
            return held(self.profile, ("node.phase.terminated", "node.record.deleted"))
        return held(self.profile, ("node.phase.pending", "node.phase.running", "node.condition.only-ready"))


@functools.cache
def reach(table: Table, states: frozenset[str], barred: frozenset[str]) -> frozenset[str]:
    """`Table.reach`, remembered: a history asks the same again and again."""
    return table.reach(states, barred)


@functools.lru_cache(EXPLAINED)
def _fitting(
    profile: str, states: frozenset[str], phase: str | None, reachable: str | None, ready: str | None, deleted: bool
) -> frozenset[str]:
    """Those of these flat states in which a node can look so; what is not shown (None) fits anything."""
    shown = {"NodeReachable": reachable, "NodeReady": ready, "Ready": ready}
    conditions = {name: shown[name] for name in CONDITIONS[profile] if shown[name] is not None}

    def fits(state: str) -> bool:
        root, *inner = state.split("/")
        if deleted or root == "Removed":
            return deleted and root == "Removed"
        if phase is not None and root not in ("Recorded", phase):
            return False
        regions = dict(zip((r.name for r in PROFILES[profile].node.regions.get(root, ())), inner, strict=True))
        return all(regions.get(name, "Absent") == value for name, value in conditions.items())

    return frozenset(filter(fits, states))


CONDITIONS = {"seed": ("NodeReachable", "NodeReady"), "v0.17.0": ("Ready",)}


def node_told(seen: NodeSeen) -> str:
    """A node's record in words."""
    parts = [f"is {seen.phase}" if seen.phase else "has no phase"]
    parts += [f"NodeReachable={seen.reachable}"] if seen.reachable else []
    parts += [f"NodeReady={seen.ready}"] if seen.ready else []
    return "was removed" if seen.deleted else ", ".join(parts)
