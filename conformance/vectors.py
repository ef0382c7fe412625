"""Test vectors: for a pod and what its containers do, everything that may be seen of it, as JSON.

A vector is made from the tables (`model.cluster`), so that whoever writes a runtime in another language needs neither
these tables nor Python: create the pod, look at it now and then, and compare. `HOW` says how; the schema of the file
is ``vectors.schema.json`` beside this module.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from conformance.history import as_dict
from conformance.oracle import held
from conformance.workload import Exit, OutOfMemory, RunOn, step_of
from model import container, pod
from model.cluster import Size, network
from model.lts.network import Network, Vector
from model.profiles import Profile
from model.registry import all_rules

SCHEMA = "vectors.schema.json"
"""The name of the schema beside this module."""

HOW = """\
Create the pod of a vector in a cluster with one good node. Step n of a container's workload is what its incarnation \
n does; the last step serves all later ones. Begin at observation 0. Whenever you look at the pod, what you see must \
match an observation that may_follow the one before, itself among them: look as often as you like, and miss as much as \
you like. If it matches several, go on from all of them. What an observation does not mention may be anything; a \
container whose status is not listed counts as one that waits and was never restarted. The pod comes to rest in an \
observation of end, and nowhere else. If the vector has an action, do it once, at any time after the pod was bound, \
unless the pod has ended by then."""


class SeenContainer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A container's status. ``exit_code`` belongs to one that is terminated; without it any will do."""

    state: Literal["waiting", "running", "terminated"]
    restarts: int
    exit_code: int | None = None
    oom: bool = False


class Seen(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a pod looks like at one moment. Of a Deleted one, whose object is gone, nothing else is to be seen."""

    phase: Literal["Pending", "Running", "Succeeded", "Failed", "Deleted"]
    bound: bool = False
    containers: tuple[SeenContainer, ...] = ()


class Member(msgspec.Struct, frozen=True):
    """A container and its workload."""

    name: str
    workload: tuple[Exit | OutOfMemory | RunOn, ...]


class PodVector(msgspec.Struct, frozen=True):
    """One pod. ``rules`` are all that its rows encode; ``action``, a key of `ACTIONS`, is done to it once, if there is
    one. ``may_follow`` and ``end`` are places in ``observations``."""

    id: str
    rules: tuple[str, ...]
    policy: Literal["Always", "OnFailure", "Never"]
    containers: tuple[Member, ...]
    observations: tuple[Seen, ...]
    may_follow: tuple[tuple[int, ...], ...]
    end: tuple[int, ...]
    action: str | None = None


class PodVectors(msgspec.Struct, frozen=True):
    """All vectors of a profile. ``not_covered`` are the rules of its container, phase and record rows, and of the rows
    that decide the phase, that no vector here has."""

    profile: str
    how: str
    actions: dict[str, str]
    vectors: tuple[PodVector, ...]
    not_covered: tuple[str, ...]


ACTIONS = {
    "delete": "delete the pod through the API",
    "disk_died": "break the disk of the pod's volume",
    "sandbox_died": "kill the pod's sandbox, from outside",
    "node_timed_out": "cut the pod's node off, until its time-out is over",
    "evict": "cut the pod's node off, until its time-out is over",
    "node_terminated": "terminate the pod's node",
}
"""What may be done to a pod from outside, as far as the profile's record has an event for it."""

BY_ITSELF = ("bind", "start", "restart")
"""What the system does without being asked."""

ENDS: tuple[Exit | OutOfMemory, ...] = (Exit(0), Exit(7), OutOfMemory())
"""How an incarnation may end. The time that it takes says nothing about what is legal."""


def workloads(policy: str, profile: Profile, ends: int) -> list[tuple[Exit | OutOfMemory | RunOn, ...]]:
    """Every workload of at most so many incarnations that end, and then one that runs on; without what is never done,
    as the policy restarts nothing after it."""
    table = profile.containers[policy]
    found: dict[tuple[Exit | OutOfMemory | RunOn, ...], None] = {(RunOn(),): None}
    for count in range(1, ends + 1):
        steps: tuple[Exit | OutOfMemory, ...]
        for steps in itertools.product(ENDS, repeat=count):
            restarted = [bool(table.rows_for(_end(step), "restart")) for step in steps]
            if all(restarted[:-1]):
                found[(*steps, RunOn()) if restarted[-1] else steps] = None
    return list(found)


def vectors(profile: Profile, policies: tuple[str, ...], containers: int = 2) -> PodVectors:
    """The vectors of pods of 1 to ``containers`` containers: two ends for each container of one or two, one of more;
    and each action on pods of one and two. Raises ValueError for no container."""
    if containers < 1:
        raise ValueError("a pod needs at least one container")
    found = [vector for policy in policies for vector in _vectors(profile, policy, containers)]
    return PodVectors(profile.name, HOW, ACTIONS, tuple(found), tuple(sorted(_rules(profile, policies) - {
        rule for vector in found for rule in vector.rules
    })))  # fmt: skip


def _vectors(profile: Profile, policy: str, containers: int) -> Iterator[PodVector]:
    for count in range(1, containers + 1):
        for several in itertools.combinations_with_replacement(
            workloads(policy, profile, 2 if count < 3 else 1), count
        ):
            yield _vector(profile, policy, several, None)
    events = {event.partition("@")[0] for event in profile.record(("node",)).events}
    for count, action in itertools.product(range(1, min(containers, 2) + 1), ACTIONS):
        if action in events:
            for several in itertools.combinations_with_replacement(workloads(policy, profile, ends=1), count):
                yield _vector(profile, policy, several, action)


# --- one vector -----------------------------------------------------------------------------------------------------


class _Moment(msgspec.Struct, frozen=True):
    """A state of the network, how often each container was restarted, and whether the action is done."""

    state: tuple[str, ...]
    begun: tuple[int, ...]
    acted: bool


def _vector(
    profile: Profile, policy: str, several: tuple[tuple[Exit | OutOfMemory | RunOn, ...], ...], action: str | None
) -> PodVector:
    net = network(profile, Size(policy, 1, len(several), 0))
    members = tuple(Member(f"c{n}", workload) for n, workload in enumerate(several, 1))
    start = _Moment(tuple(net.initial().values()), (0,) * len(members), False)
    numbers, following, rules = {start: 0}, list[set[int]](), dict[str, None]()
    for moment in (queue := [start]):
        rules |= dict.fromkeys(_decided_by(profile, policy, moment))
        following.append(set())
        for vector, after in _steps(net, members, moment, action):
            rules |= dict.fromkeys(_encoded(net, vector, moment, after))
            rules |= dict.fromkeys(_phase_rules(profile, policy, vector, moment, after))
            if after not in numbers:
                numbers[after] = len(queue)
                queue.append(after)
            following[-1].add(numbers[after])
    looks = [_seen(profile, policy, members, moment) for moment in queue]
    seen = {look: place for place, look in enumerate(dict.fromkeys(looks))}
    may_follow: list[set[int]] = [set() for _ in seen]
    for number, reached in enumerate(_closure(following)):
        may_follow[seen[looks[number]]] |= {seen[looks[other]] for other in reached}
    told = " + ".join(" ".join(map(_told, workload)) for workload in several)
    return PodVector(
        id=f"{profile.name}/{policy}/{told}" + (f"/{action}" if action else ""),
        rules=tuple(rule for rule in held(profile, tuple(rules)) if _is_of(rule, policy)),
        policy=policy,  # type: ignore[arg-type]  # one of POLICIES
        containers=members,
        observations=tuple(seen),
        may_follow=tuple(tuple(sorted(places)) for places in may_follow),
        end=tuple(sorted({seen[looks[n]] for n, onward in enumerate(following) if not onward})),
        action=action,
    )


def _steps(
    net: Network, members: tuple[Member, ...], moment: _Moment, action: str | None
) -> Iterator[tuple[Vector, _Moment]]:
    """What may happen: what the system does by itself, what the workloads do next, and the action, once."""
    before = dict(zip(net.components, moment.state, strict=True))
    for vector, after in net.steps(before):
        acts = vector.label == action and not moment.acted and pod.standing(before["p1"]) != "Unbound"
        place = next((n for n, _ in enumerate(members) if f"p1c{n + 1}" in vector.moves), None)
        ends = place is not None and _ends(members[place], moment.begun[place]) == vector.label
        if not (vector.label in BY_ITSELF or acts or ends):
            continue
        begun = moment.begun
        if place is not None and vector.label in container.COUNTED:
            begun = (*begun[:place], begun[place] + 1, *begun[place + 1 :])
        yield vector, _Moment(tuple(after.values()), begun, moment.acted or acts)


def _ends(member: Member, incarnation: int) -> str | None:
    """The event by which an incarnation ends; None if it runs on."""
    step = step_of(member.workload, incarnation)
    names = {"Completed": "exit_zero", "Error": "exit_failure", "OOMKilled": "out_of_memory"}
    return None if isinstance(step, RunOn) else names[_end(step)]  # type: ignore[arg-type]


def _end(step: Exit | OutOfMemory) -> str:
    """The state in which an incarnation ends that does this."""
    if isinstance(step, OutOfMemory):
        return "OOMKilled"
    return "Completed" if step.code == 0 else "Error"


def _seen(profile: Profile, policy: str, members: tuple[Member, ...], moment: _Moment) -> Seen:
    record, *states = moment.state
    phase = profile.phase(policy, record, tuple(states))
    if phase == "Deleted":
        return Seen("Deleted")
    bound = pod.standing(record) != "Unbound"
    return Seen(
        phase,  # type: ignore[arg-type]  # one of PHASES
        bound,
        tuple(map(_status, states, members, moment.begun)),
    )


def _status(state: str, member: Member, begun: int) -> SeenContainer:
    if state in ("Waiting", "Restarting"):
        return SeenContainer("waiting", begun)
    if state == "Running":
        return SeenContainer("running", begun)
    step = step_of(member.workload, begun)
    code = step.code if isinstance(step, Exit) and state != "Killed" else None
    return SeenContainer("terminated", begun, code, oom=state == "OOMKilled")


def _closure(following: list[set[int]]) -> list[set[int]]:
    """Everything that each place leads to in any number of steps, none included."""
    found = []
    for place in range(len(following)):
        reached, waiting = {place}, [place]
        while waiting:
            fresh = following[waiting.pop()] - reached
            reached |= fresh
            waiting += fresh
        found.append(reached)
    return found


def _told(step: Exit | OutOfMemory | RunOn) -> str:
    return {Exit: str(getattr(step, "code", "")), OutOfMemory: "oom", RunOn: "run-on"}[type(step)]


# --- rules ----------------------------------------------------------------------------------------------------------


def _encoded(net: Network, vector: Vector, before: _Moment, after: _Moment) -> Iterator[str]:
    """The rules of the rows that a step takes."""
    for (name, table), source, target in zip(net.components.items(), before.state, after.state, strict=True):
        event = vector.moves.get(name) or vector.broadcast.get(name)
        for row in table.rows_for(source, event) if event else ():
            if row.target == target:
                yield from row.rules


def _phase_rules(profile: Profile, policy: str, vector: Vector, before: _Moment, after: _Moment) -> Iterator[str]:
    """The rules of the row of the phase table that a step amounts to."""
    source, target = (profile.phase(policy, moment.state[0], moment.state[1:]) for moment in (before, after))
    for row in profile.phases[policy].rows_for(source, vector.label):
        if row.target == target:
            yield from row.rules


def _is_of(rule: str, policy: str) -> bool:
    """Whether a rule speaks of this policy, or of none: a row that decides under every policy names those of all."""
    named = rule.rpartition(".")[2]
    return named == policy.lower() or named not in [other.lower() for other in container.POLICIES]


def _decided_by(profile: Profile, policy: str, moment: _Moment) -> tuple[str, ...]:
    """The rules of the row that decides the phase."""
    record, *states = moment.state
    if pod.standing(record) in pod.FORCED_PHASE:
        return ()
    return pod.decide(policy, frozenset(profile.class_of[state] for state in states))[1].rules


def _rules(profile: Profile, policies: tuple[str, ...]) -> set[str]:
    """The rules that the tables of a pod and its containers encode under these policies."""
    tables = [profile.record(("node",))]
    tables += [by_policy[policy] for by_policy in (profile.containers, profile.phases) for policy in policies]
    found = {rule for table in tables for row in table.rows for rule in row.rules}
    found |= {rule for decision in profile.decisions() for rule in decision.rules}
    known = all_rules()
    return {rule for rule in found if profile.name in known[rule].profiles and any(_is_of(rule, p) for p in policies)}


def schema() -> dict[str, Any]:
    """The JSON Schema of `PodVectors`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(PodVectors)}


def text(made: PodVectors) -> str:
    """As JSON, a vector on each line."""
    head = as_dict(msgspec.structs.replace(made, vectors=()))
    before, after = msgspec.json.encode(head).decode().split('"vectors":[]')
    lines = ",\n".join(msgspec.json.encode(vector).decode() for vector in made.vectors)
    return f'{before}"vectors":[\n{lines}\n]{after}\n'
