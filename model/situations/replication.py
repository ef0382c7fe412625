"""Replication: a controller that wants so many pods, three places for pods, and two nodes that may be lost.

A node is here only what the others see of it: fit to take a pod, or lost. What makes it so is told elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from model import pod
from model.lts.network import Bools, Ints, Network, Vector, When
from model.lts.properties import (
    Always,
    AlwaysStep,
    Eventually,
    Labels,
    Property,
    Sometimes,
    SometimesStep,
    View,
    all_of,
    any_of,
    how_many,
    named,
)
from model.lts.table import Row, Table
from model.pod import home, standing
from model.profiles import Profile
from model.replication import COUNTED, HAVE, REFUSED, WANT
from model.situations.situation import (
    SETTLE,
    WORLD,
    Crossing,
    Situation,
    by_world,
    crossings,
    inside,
    same,
    standing_in,
    world,
)

NODES = ("n1", "n2")
PODS = tuple(f"p{number + 1}" for number in range(max(HAVE.values())))
RC, ACTIVE, EXPECTATION = "controller", "active", "expectation"


def situation(profile: Profile) -> Situation:
    """The situation in a profile."""
    return Situation(
        "replication",
        "a replication controller, its pods, two nodes: too few are replaced by new ones, too many are deleted",
        _network(profile),
        tuple(_properties(profile)),
    )


def fitness(profile: Profile) -> Table:
    """A node as the scheduler and the node controller see it."""
    rules = ("pod.binding.candidate",) if profile.name == "seed" else ("scheduler.candidate.ready",)
    return Table(
        "fitness", ("Fit", "Lost"), "Fit", (Row("Fit", "lost", "Lost", rules), Row("Lost", "back", "Fit", rules))
    )


def counts(state: str) -> bool:
    """Whether a pod in this state of its slot is one of those that the controller counts."""
    return standing(state) in COUNTED


def _network(profile: Profile) -> Network:
    slot, controller, node = profile.slot(NODES), profile.parts[RC], fitness(profile)
    components: dict[str, Table] = {
        RC: controller,
        ACTIVE: profile.parts[ACTIVE],
        **dict.fromkeys(PODS, slot),
        **dict.fromkeys(NODES, node),
    }
    components[WORLD] = world("replication.count.kept")
    expects = {EXPECTATION: "expect"} if EXPECTATION in profile.parts else {}
    steps = [Vector(f"{event}({n})", {n: event}) for n in NODES for event in node.events]
    steps += [Vector(event, {RC: event}) for event in controller.events]
    system: list[Vector] = []
    if expects:
        components[EXPECTATION] = profile.parts[EXPECTATION]
        system += [Vector(event, {EXPECTATION: event}) for event in MET]
    for p in PODS:
        system += [
            Vector(f"replace({p})", {ACTIVE: "create", p: "create", **expects}, when=too_few()),
            *_surplus(profile, slot, p),
            *(Vector(f"bind({p},{n})", {p: f"bind@{n}"}, when=(inside(n, "Fit"),)) for n in NODES),
        ]
        for n in NODES:
            for vector in _counted(slot, p, f"{GIVEN_UP[profile.name]}@{n}", f"{p},{n}"):
                system.append(Vector(vector.name, vector.moves, when=(*vector.when, inside(n, "Lost"))))
        steps.append(Vector(f"create({p})", {ACTIVE: "gain", p: "create"}))
        steps += [vector for event in BY_WORLD if event in slot.events for vector in _counted(slot, p, event)]
        system += [vector for event in BY_SYSTEM if event in slot.events for vector in _counted(slot, p, event)]
    return Network(f"{profile.name}: replication", components, (SETTLE, *by_world(steps), *system))


BY_WORLD = ("delete", "disk_died", "refuse_admission")
"""What befalls a pod from outside. Its programs end nothing: its policy is Always (replication.count.never-ends)."""

BY_SYSTEM = ("expire_failed",)
"""What the reaper does (seed)."""

MET = ("observe", "expire")
"""How the controller stops waiting for what it did last (v0.17.0)."""

GIVEN_UP = {"seed": "node_timed_out", "v0.17.0": "evict"}
"""What the node controller does to the pods of a lost node."""


def _counted(slot: Table, p: str, event: str, argument: str = "") -> list[Vector]:
    """A step of a pod, and the controller's count with it: one less if the pod counted and no longer does."""
    ends = Crossing("", counts, lambda state: not counts(state), {ACTIVE: "lose"})
    ended = Crossing("ended", lambda state: not counts(state), lambda state: not counts(state))
    return crossings(p, slot, event, (ends, ended), argument)


def too_few() -> tuple[When, ...]:
    """Fewer pods count than are wanted: whatever the number, more than it are wanted, or fewer than it count."""
    return _less(ACTIVE, HAVE, RC, WANT)


def too_many() -> tuple[When, ...]:
    """There is a controller, and more pods count than it wants."""
    return (inside(RC, *(state for state, want in WANT.items() if want >= 0)), *_less(RC, WANT, ACTIVE, HAVE))


def _less(low: str, lows: Mapping[str, int], high: str, highs: Mapping[str, int]) -> tuple[When, ...]:
    """That the number of ``low`` is less than that of ``high``, as conditions on states."""
    return tuple(
        When(
            "some",
            (low, high),
            frozenset(state for state, value in lows.items() if value < number)
            | frozenset(state for state, value in highs.items() if value > number),
        )
        for number in sorted({*lows.values(), *highs.values()})
    )


def _surplus(profile: Profile, slot: Table, p: str) -> list[Vector]:
    """Deletion of one too many: in v0.17.0 of one that is not bound yet, if there is any."""
    removed = {ACTIVE: "remove", p: "delete", **({EXPECTATION: "expect"} if EXPECTATION in profile.parts else {})}
    free, bound = standing_in(p, slot, "Unbound"), standing_in(p, slot, "Bound")
    others = tuple(other for other in PODS if other != p)
    none_free = (When("every", others, frozenset(slot.states) - {"Unbound"}),) if profile.name != "seed" else ()
    return [
        Vector(f"remove({p},unbound)", removed, when=(free, *too_many())),
        Vector(f"remove({p},bound)", removed, when=(bound, *none_free, *too_many())),
    ]


# --- what must hold -------------------------------------------------------------------------------------------------


def _number(view: View, test: Callable[[str], bool]) -> Ints:
    """How many pods are in a state of which ``test`` is true; shape (n,)."""
    return how_many(view.lookup(p, test) for p in PODS)


def _wanted(view: View) -> Ints:
    """How many pods are wanted; -1 without a controller."""
    return _as_number(view, RC, WANT)


def _as_number(view: View, component: str, numbers: Mapping[str, int]) -> Ints:
    states = view.exploration.compiled.network.components[component].states
    return np.array([numbers[state] for state in states], dtype=np.int64)[view.column(component)]


def _properties(profile: Profile) -> list[Property]:
    seed = profile.name == "seed"
    kept = ("replication.count.kept",)
    recreated = ("pod.partition.recreated", "pod.disk.recreated") if seed else ("replication.count.new-pod",)

    def count_is_right(view: View) -> Bools:
        return np.asarray(_as_number(view, ACTIVE, HAVE) == _number(view, _active))

    def as_told(before: View, events: Labels, after: View) -> Bools:
        was, now = _wanted(before), _wanted(after)
        return all_of(
            ~events.is_event(event) | np.equal(now, wanted)
            for event, wanted in (("submit", np.ones_like(was)), ("scale_up", was + 1), ("scale_down", was - 1))
        )

    def only_what_is_missing(before: View, events: Labels, _: View) -> Bools:
        have, want = _number(before, _active), _wanted(before)
        return (~events.is_event("replace") | (have < want)) & (
            ~events.is_event("remove") | ((want >= 0) & (have > want))
        )

    def never_moved(before: View, _: Labels, after: View) -> Bools:
        return all_of(~_at(before, p, n) | _at(after, p, n) | after.is_in(p, "Deleted") for p in PODS for n in NODES)

    def new_pods_are_unbound(before: View, events: Labels, after: View) -> Bools:
        return all_of(
            ~events.is_vector(f"replace({p})") | (before.is_in(p, "Absent", "Deleted") & after.is_in(p, "Unbound"))
            for p in PODS
        )

    def to_fit_nodes(before: View, events: Labels, _: View) -> Bools:
        return all_of(~events.is_vector(f"bind({p},{n})") | before.is_in(n, "Fit") for p in PODS for n in NODES)

    def given_up_when_lost(before: View, events: Labels, _: View) -> Bools:
        verb = GIVEN_UP[profile.name]
        return all_of(
            ~events.is_vector(f"{verb}({p},{n})", f"{verb}({p},{n},ended)") | before.is_in(n, "Lost")
            for p in PODS
            for n in NODES
        )

    def out_of_balance(view: View) -> Bools:
        quiet, want = view.is_in(WORLD, "Quiet"), _wanted(view)
        room = any_of(view.is_in(p, "Absent", "Deleted") for p in PODS)
        have = _number(view, _active)
        return quiet & (want >= 0) & ((have > want) | ((have < want) & room))

    def not_running(view: View) -> Bools:
        """Fewer pods are bound to nodes that are fit than are wanted, though there is such a node, and room."""
        room = any_of(view.is_in(p, "Absent", "Deleted", "Unbound") for p in PODS)
        a_node = any_of(view.is_in(n, "Fit") for n in NODES)
        return view.is_in(WORLD, "Quiet") & room & a_node & (_running(view) < _wanted(view))

    def replaced(*, elsewhere: bool) -> Callable[[View, Labels, View], Bools]:
        """The one pod that is wanted is bound where another has ended, or on the other node."""
        pairs = [(n, m) for n in NODES for m in NODES if (n != m) is elsewhere]
        return lambda before, events, _: (
            (_wanted(before) == 1)
            & any_of(
                events.is_vector(f"bind({q},{m})") & _ended_at(before, p, n)
                for p in PODS
                for q in PODS
                for n, m in pairs
            )
        )

    seeing = () if seed else (named(*MET),)
    making = (named(*(f"replace({p})" for p in PODS)),)
    removing = (named(*(f"remove({p},{how})" for p in PODS for how in ("bound", "unbound"))),)
    binding = tuple(named(*(f"bind({p},{n})" for n in NODES)) for p in PODS)
    giving_up = tuple(named(f"{GIVEN_UP[profile.name]}({p},{n})") for p in PODS for n in NODES)
    found: list[Property] = [
        Always("the controller counts the pods that are there and have not ended",
               kept if seed else ("replication.count.active", "replication.count.status"), count_is_right),
        AlwaysStep("a controller wants what it is told to", kept, as_told),
        AlwaysStep("a pod is made only if one is missing, and removed only if there is one too many",
                   kept if seed else (*kept, "replication.count.surplus"), only_what_is_missing),
        Sometimes("there are too few pods", kept, lambda view: _number(view, _active) < _wanted(view)),
        Sometimes("there are too many pods", kept,
                  lambda view: (_number(view, _active) > _wanted(view)) & (_wanted(view) >= 0)),
        AlwaysStep("a replacement is a new pod", recreated, new_pods_are_unbound),
        AlwaysStep("an old pod is never moved", ("pod.binding.never-moved",), never_moved),
        AlwaysStep("every pod is bound to a node that is fit",
                   ("pod.binding.candidate",) if seed else ("scheduler.candidate.ready",), to_fit_nodes),
        AlwaysStep("a pod is given up only when its node is lost",
                   ("pod.life.node-lost",) if seed else ("pod.life.evicted",), given_up_when_lost),
        Eventually("the number of pods becomes the one that is wanted", kept, out_of_balance,
                   lambda view: ~out_of_balance(view), (*seeing, *making, *removing)),
        Eventually("so many pods run as are wanted, if a node stays fit", (*kept, *recreated), not_running,
                   lambda view: ~not_running(view), (*seeing, *making, *removing, *binding, *giving_up)),
        SometimesStep("a replacement is bound to the same node",
                  kept if seed else ("replication.count.same-node",), replaced(elsewhere=False)),
        SometimesStep("a replacement is bound to another node", recreated, replaced(elsewhere=True)),
    ]  # fmt: skip
    return found + ([] if seed else _code_properties())


def _code_properties() -> list[Property]:
    def leaves_its_pods(before: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("withdraw") | same(before, after, *PODS)

    def had_pods(before: View, events: Labels, _: View) -> Bools:
        return events.is_event("withdraw") & (_number(before, _active) > 0)

    def refused_changes_nothing(before: View, events: Labels, after: View) -> Bools:
        return ~events.is_event(*REFUSED) | same(before, after, RC, ACTIVE, *PODS)

    def unassigned_first(before: View, events: Labels, _: View) -> Bools:
        bound = events.is_vector(*(f"remove({p},bound)" for p in PODS))
        return ~bound | ~any_of(before.is_in(p, "Unbound") for p in PODS)

    def piled_up(view: View) -> Bools:
        return (_number(view, lambda s: standing(s) == "Refused") >= 2) & (_number(view, _active) >= 1)

    def lost_and_counted(view: View) -> Bools:
        return any_of(view.is_in(p, f"Bound@{n}") & view.is_in(n, "Lost") for p in PODS for n in NODES)

    def one_at_a_time(before: View, events: Labels, _: View) -> Bools:
        return ~events.is_event("replace", "remove") | before.is_in(EXPECTATION, "Met")

    def waits_though_too_few(view: View) -> Bools:
        return view.is_in(EXPECTATION, "Open") & (_number(view, _active) < _wanted(view))

    def ended_by_programs(view: View) -> Bools:
        return any_of(view.lookup(p, lambda state: standing(state) in ("Succeeded", "Failed")) for p in PODS)

    return [
        AlwaysStep("nothing is made or removed till the last is seen, or waited for long enough",
                   ("replication.sync.expectations",), one_at_a_time),
        Sometimes("a controller waits that has too few", ("replication.sync.expectations",), waits_though_too_few),
        Always("no pod is ended by its programs", ("replication.count.never-ends",),
               lambda view: ~ended_by_programs(view)),
        AlwaysStep("a controller that is deleted leaves its pods", ("replication.life.pods-left",), leaves_its_pods),
        SometimesStep("a controller is deleted that has pods", ("replication.life.pods-left",), had_pods),
        AlwaysStep("a controller that is refused changes nothing", tuple(REFUSED.values()),
                   refused_changes_nothing),
        SometimesStep("a controller with another policy than Always is refused", ("replication.template.always-only",),
                      lambda _, events, __: events.is_event("submit_other_policy")),
        AlwaysStep("of too many pods those without a node go first", ("replication.count.surplus",), unassigned_first),
        Sometimes("failed pods pile up beside their replacements",
                  ("replication.count.failed-left", "replication.count.replaced-again"), piled_up),
        Sometimes("a pod of a lost node counts", ("replication.count.node-lost",), lost_and_counted),
    ]  # fmt: skip


def _active(state: str) -> bool:
    """Neither ended nor gone: said once more, as the property must not take the network's word for it."""
    return standing(state) not in (*pod.ENDED, "Absent", "Deleted")


def _running(view: View) -> Ints:
    """How many pods are bound to a node that is fit; shape (n,)."""
    return how_many(view.is_in(p, f"Bound@{n}") & view.is_in(n, "Fit") for p in PODS for n in NODES)


def _ended_at(view: View, p: str, n: str) -> Bools:
    return view.is_in(p, *(f"{ended}@{n}" for ended in pod.ENDED))


def _at(view: View, p: str, n: str) -> Bools:
    return view.lookup(p, lambda state: home(state) == n)
