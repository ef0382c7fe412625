"""Scheduling and reaping: two nodes, a pod that is bound to one of them, ends, and expires or is deleted."""

from __future__ import annotations

from collections.abc import Callable

from model import pod
from model.cluster import ENDS, GONE_NODE, is_candidate
from model.lts.network import Bools, Network, Vector, When
from model.lts.properties import (
    AlwaysStep,
    Eventually,
    Labels,
    Property,
    Sometimes,
    SometimesStep,
    View,
    all_of,
    any_of,
    named,
)
from model.lts.table import Table
from model.pod import standing
from model.profiles import Profile
from model.situations.situation import SETTLE, WORLD, Situation, by_world, inside, same, world

NODES = ("n1", "n2")
POD = "p1"
CORDONS = {n: f"{n}cordon" for n in NODES}
PHASES = {n: f"{n}phase" for n in NODES[:1]}
"""One node's phase is enough to show that nobody looks at it."""


def situation(profile: Profile) -> Situation:
    """The situation in a profile. A cordon, and a phase that is a mere string, only v0.17.0 has."""
    return Situation(
        "scheduling",
        "two nodes and a pod: bound to a candidate only, never moved, and gone only by somebody's doing",
        _network(profile),
        tuple(_properties(profile)),
    )


def _network(profile: Profile) -> Network:
    node, slot = profile.node.flattened(), profile.slot(NODES)
    components: dict[str, Table] = {POD: slot, WORLD: world("pod.binding.scheduler"), **dict.fromkeys(NODES, node)}
    steps: list[Vector] = []
    for n in NODES:
        steps += [Vector(f"{event}({n})", {n: event}, _ended(slot, event, n)) for event in node.events]
    if "cordon" in profile.parts:
        cordon = profile.parts["cordon"]
        components |= {CORDONS[n]: cordon for n in NODES}
        steps += [Vector(f"{event}({n})", {CORDONS[n]: event}) for n in NODES for event in cordon.events]
    if "nodephase" in profile.parts:
        phase = profile.parts["nodephase"]
        components |= {PHASES[n]: phase for n in PHASES}
        steps += [Vector(f"{event}({n})", {PHASES[n]: event}) for n in PHASES for event in phase.events]
    steps += [Vector(f"{event}({POD})", {POD: event}) for event in BY_WORLD if event in slot.events]
    vectors = [SETTLE, *by_world(steps), *_by_scheduler(profile, node, slot)]
    vectors += [Vector(f"{event}({POD})", {POD: event}) for event in BY_SYSTEM if event in slot.events]
    return Network(f"{profile.name}: scheduling", components, tuple(vectors))


BY_WORLD = ("create", "delete", "succeed", "fail", "disk_died", "refuse_admission")
"""What befalls a pod from outside: a user, its programs, a disk, a kubelet."""

BY_SYSTEM = ("expire", "expire_failed")
"""What the reaper does."""


def _ended(slot: Table, event: str, n: str) -> dict[str, str]:
    """The end of a node takes its pods along, where their table knows that."""
    ends = f"{ENDS[event]}@{n}" if event in ENDS else ""
    return {POD: ends} if ends in slot.events else {}


def _by_scheduler(profile: Profile, node: Table, slot: Table) -> list[Vector]:
    good = frozenset(state for state in node.states if is_candidate(state))
    vectors = []
    for n in NODES:
        when = [When("every", (n,), good)]
        if "cordon" in profile.parts:
            when.append(inside(CORDONS[n], "Schedulable"))
        vectors.append(Vector(f"bind({POD},{n})", {POD: f"bind@{n}"}, when=tuple(when)))
        lost = frozenset(node.states) - good - set(GONE_NODE)
        vectors += [
            Vector(f"{event}({POD},{n})", {POD: f"{event}@{n}"}, when=(When("every", (n,), lost),))
            for event in GIVEN_UP
            if f"{event}@{n}" in slot.events
        ]
    if "fit_nowhere" in slot.events:
        bad = frozenset(node.states) - good | {"Unschedulable"}
        nowhere = tuple(When("some", (n, CORDONS[n]), bad) for n in NODES)
        vectors.append(Vector(f"fit_nowhere({POD})", {POD: "fit_nowhere"}, when=nowhere))
    return vectors


GIVEN_UP = ("node_timed_out", "evict")
"""What the node controller does to a pod of a lost node."""


# --- what must hold -------------------------------------------------------------------------------------------------


def candidates(profile: Profile, view: View, n: str) -> Bools:
    """Where node ``n`` could take a pod."""
    able = view.lookup(n, is_candidate)
    return able & view.is_in(CORDONS[n], "Schedulable") if "cordon" in profile.parts else able


def _properties(profile: Profile) -> list[Property]:
    seed = profile.name == "seed"

    def to_candidates_only(before: View, events: Labels, _: View) -> Bools:
        return all_of(~events.is_vector(f"bind({POD},{n})") | candidates(profile, before, n) for n in NODES)

    def never_two_homes(before: View, _: Labels, after: View) -> Bools:
        return all_of(~_at(before, n) | _at(after, n) | after.is_in(POD, "Deleted") for n in NODES)

    def terminal_is_final(before: View, events: Labels, after: View) -> Bools:
        stays = all_of(
            ~_stands(before, standing) | _stands(after, standing) | after.is_in(POD, "Deleted")
            for standing in pod.ENDED
        )
        return stays | events.is_event("refuse_admission")

    def goes_by_an_actor(before: View, events: Labels, after: View) -> Bools:
        gone = ~before.is_in(POD, "Deleted") & after.is_in(POD, "Deleted")
        return ~gone | events.is_event(*REMOVERS)

    def expires_when_ended(before: View, events: Labels, _: View) -> Bools:
        return ~events.is_event(*BY_SYSTEM) | _stands(before, *pod.ENDED)

    def unbound(view: View) -> Bools:
        return view.is_in(POD, "Unbound") & view.is_in(WORLD, "Quiet")

    def bound_or_hopeless(view: View) -> Bools:
        return ~view.is_in(POD, "Unbound") | ~any_of(candidates(profile, view, n) for n in NODES)

    def waits(view: View) -> Bools:
        return unbound(view) & ~any_of(candidates(profile, view, n) for n in NODES)

    found: list[Property] = [
        AlwaysStep("a pod is bound only to a node that can take it",
                   ("pod.binding.candidate",) if seed else ("scheduler.candidate.ready",), to_candidates_only),
        *(SometimesStep(f"a pod is bound to {n}", ("pod.binding.scheduler",), _is_bound(n)) for n in NODES),
        AlwaysStep("a pod has never two homes", ("pod.binding.never-moved", "pod.concept.one-host"), never_two_homes),
        AlwaysStep("what has ended stays as it ended, until it is gone",
                   ("pod.phase.terminal" if seed else "pod.phase.final",), terminal_is_final),
        Sometimes("a pod has ended well", ("pod.phase.succeeded",), lambda view: _stands(view, "Succeeded")),
        AlwaysStep("a pod goes only by an actor, not by itself", ("pod.life.not-by-itself",), goes_by_an_actor),
        Eventually("a Pending pod is bound once there is a candidate that stays", ("pod.binding.scheduler",), unbound,
                   bound_or_hopeless, (named(*(f"bind({POD},{n})" for n in NODES)),)),
        Sometimes("a pod waits without a candidate", ("pod.phase.pending",), waits),
    ]  # fmt: skip
    if seed:
        found += [
            AlwaysStep("only what has ended expires", ("pod.life.reaped",), expires_when_ended),
            SometimesStep("a pod expires", ("pod.life.reaped",), lambda _, events, __: events.is_event(*BY_SYSTEM)),
        ]
    return found + ([] if seed else _code_properties(profile))


REMOVERS = ("delete", "expire", "expire_failed", "evict", *ENDS)
"""The steps that may end a pod: a user's or controller's, the reaper's, the node controller's, the end of its node."""


def _code_properties(profile: Profile) -> list[Property]:
    def cordon_touches_no_pod(before: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("cordon", "uncordon") | same(before, after, POD)

    def phase_touches_no_pod(before: View, events: Labels, after: View) -> Bools:
        written = events.is_event(*profile.parts["nodephase"].events)
        return ~written | same(before, after, POD)

    def cordoned_with_pod(view: View) -> Bools:
        return any_of(view.is_in(CORDONS[n], "Unschedulable") & _at(view, n) for n in NODES)

    def bound_to_terminated(before: View, events: Labels, _: View) -> Bools:
        return any_of(events.is_vector(f"bind({POD},{n})") & before.is_in(PHASES[n], "Terminated") for n in PHASES)

    def taken_by_cloud(before: View, events: Labels, after: View) -> Bools:
        return events.is_event("remove_by_cloud") & before.lookup(POD, is_bound) & after.is_in(POD, "Deleted")

    def is_bound(state: str) -> bool:
        return standing(state) == "Bound"

    def nothing_fits(before: View, events: Labels, _: View) -> Bools:
        fits = any_of(candidates(profile, before, n) for n in NODES)
        return ~events.is_event("fit_nowhere") | (before.is_in(POD, "Unbound") & ~fits)

    return [
        AlwaysStep("a cordon touches no pod", ("scheduler.candidate.pods-stay",), cordon_touches_no_pod),
        Sometimes("a pod is on a cordoned node", ("scheduler.candidate.pods-stay",), cordoned_with_pod),
        AlwaysStep("a phase touches no pod", ("node.phase.terminated-keeps-pods",), phase_touches_no_pod),
        SometimesStep("a pod is bound to a node of phase Terminated",
                      ("node.phase.terminated-is-scheduled", "scheduler.candidate.phase-ignored",
                       "scheduler.candidate.nothing-else"), bound_to_terminated),
        SometimesStep("a node that the cloud lists no more takes its pod along",
                      ("node.record.deleted", "nodecontroller.sync.delete-pods"), taken_by_cloud),
        AlwaysStep("a pod is told to fit nowhere only if there is no candidate", ("scheduler.retry.pending",),
                   nothing_fits),
        SometimesStep("a pod is told to fit nowhere", ("scheduler.retry.event",),
                      lambda _, events, __: events.is_event("fit_nowhere")),
    ]  # fmt: skip


def _is_bound(n: str) -> Callable[[View, Labels, View], Bools]:
    return lambda _, events, __: events.is_vector(f"bind({POD},{n})")


def _stands(view: View, *standings: str) -> Bools:
    return view.lookup(POD, lambda state: standing(state) in standings)


def _at(view: View, n: str) -> Bools:
    return view.lookup(POD, lambda state: pod.home(state) == n)
