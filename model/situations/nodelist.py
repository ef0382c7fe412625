"""The list of nodes: a machine comes and goes, the node controller follows it, or does not, and so do people by hand.

Whether the node is well is the subject of `loss.py`: here a node with a record can take a pod.
"""

from __future__ import annotations

from collections.abc import Callable

from model.lts.network import Bools, Network, Vector
from model.lts.properties import (
    AlwaysStep,
    Eventually,
    Labels,
    Property,
    Sometimes,
    SometimesStep,
    View,
    named,
)
from model.pod import home
from model.profiles import Profile
from model.situations.situation import SETTLE, WORLD, Situation, by_world, inside, same, world

NODE, MACHINE, SYNC, RECORD, POD = "n1", "machine", "sync", "noderecord", "p1"


def situation(profile: Profile) -> Situation:
    """The situation in a profile."""
    return Situation(
        "node list",
        "a machine, its record, the synchronisation on and off, people with kubectl, and a pod",
        _network(profile),
        tuple(_seed_properties(profile) if profile.name == "seed" else _code_properties(profile)),
    )


def _network(profile: Profile) -> Network:
    machine, sync, record, slot = *(profile.parts[name] for name in (MACHINE, SYNC, RECORD)), profile.slot((NODE,))
    recorded = inside(RECORD, *(state for state in record.states if state != "NoRecord"))
    follows = inside(SYNC, FOLLOWS[profile.name])
    listed = inside(MACHINE, *(state for state in machine.states if state != "Unlisted"))
    not_by_its_name = inside(MACHINE, *(state for state in machine.states if state != "Listed"))
    started = inside(SYNC, *(state for state in sync.states if state != "Starting"))
    lost_too = {POD: f"{WITH_RECORD[profile.name]}@{NODE}"}
    by_hand = lost_too if profile.name == "seed" else {}
    steps = [Vector(f"{event}({NODE})", {MACHINE: event}) for event in machine.events]
    steps += [Vector(event, {SYNC: event}) for event in sync.events if event not in REGISTERS]
    steps += [Vector(event, {SYNC: event, RECORD: "register"}) for event in REGISTERS if event in sync.events]
    steps += [
        Vector(f"add_by_hand({NODE})", {RECORD: "add_by_hand"}, when=(started,)),
        Vector(f"delete_by_hand({NODE})", {RECORD: "delete_by_hand"}, by_hand, (started,)),
        Vector(f"create({POD})", {POD: "create"}),
        Vector(f"delete({POD})", {POD: "delete"}),
    ]
    vectors = [
        SETTLE,
        *by_world(steps),
        Vector(f"bind({POD},{NODE})", {POD: f"bind@{NODE}"}, when=(recorded,)),
        Vector(f"sync_create({NODE})", {RECORD: "create"}, when=(follows, listed)),
        Vector(f"sync_delete({NODE})", {RECORD: "delete"}, lost_too, (follows, not_by_its_name)),
    ]
    if (
        profile.name != "seed"
    ):  # what becomes of a lost node is told in `loss.py`; here it matters that it is in any mode
        vectors.append(Vector(f"evict({POD})", {POD: f"evict@{NODE}"}, when=(started, recorded)))
    components = {MACHINE: machine, SYNC: sync, RECORD: record, POD: slot, WORLD: world("nodecontroller.sync.loop")}
    return Network(f"{profile.name}: node list", components, tuple(vectors))


FOLLOWS = {"seed": "On", "v0.17.0": "Cloud"}
"""The state of the synchronisation in which it follows the list."""

REGISTERS = ("start_named", "start_off_named", "register")
"""The steps of the controller's start that make a record for a name in --machines."""

STATIC = ("register", "give_up", "start_static_unnamed")
"""What brings a controller into static mode (v0.17.0)."""

WITH_RECORD = {"seed": "node_terminated", "v0.17.0": "evict"}
"""How a pod goes together with the record of its node."""


# --- what must hold -------------------------------------------------------------------------------------------------


def _common(profile: Profile) -> list[Property]:
    follows = FOLLOWS[profile.name]

    def follows_the_list(before: View, events: Labels, _: View) -> Bools:
        made, deleted = events.is_event("sync_create"), events.is_event("sync_delete")
        return (~made | ~before.is_in(MACHINE, "Unlisted")) & (~deleted | ~before.is_in(MACHINE, "Listed"))

    def only_when_on(before: View, events: Labels, _: View) -> Bools:
        return ~events.is_event("sync_create", "sync_delete") | before.is_in(SYNC, follows)

    def missing(view: View) -> Bools:
        on = view.is_in(SYNC, follows) & view.is_in(WORLD, "Quiet")
        return on & view.is_in(MACHINE, "Listed") & view.is_in(RECORD, "NoRecord")

    def left_over(view: View) -> Bools:
        on = view.is_in(SYNC, follows) & view.is_in(WORLD, "Quiet")
        return on & view.is_in(MACHINE, "Unlisted") & ~view.is_in(RECORD, "NoRecord")

    def bound_to_records(before: View, events: Labels, _: View) -> Bools:
        return ~events.is_event("bind") | ~before.is_in(RECORD, "NoRecord")

    return [
        AlwaysStep("the loop makes a record only for a machine on the list, and deletes only of one that is not",
                   ("nodecontroller.sync.create", "nodecontroller.sync.delete"), follows_the_list),
        AlwaysStep("the loop does nothing unless the controller follows the list",
                   ("nodecontroller.sync.off" if profile.name == "seed" else "nodecontroller.sync.start.off",),
                   only_when_on),
        Eventually("a machine on the list gets its record", ("nodecontroller.sync.loop", "nodecontroller.sync.create"),
                   missing, lambda view: ~missing(view), (named(f"sync_create({NODE})"),)),
        Eventually("the record of a machine that is gone is deleted",
                   ("nodecontroller.sync.loop", "nodecontroller.sync.delete"),
                   left_over, lambda view: ~left_over(view), (named(f"sync_delete({NODE})"),)),
        AlwaysStep("a pod is bound only to a node with a record", ("pod.binding.scheduler",), bound_to_records),
        SometimesStep("a pod is bound", ("pod.binding.scheduler",), lambda _, events, __: events.is_event("bind")),
    ]  # fmt: skip


def _seed_properties(profile: Profile) -> list[Property]:
    def pods_go_too(before: View, _: Labels, after: View) -> Bools:
        return ~_gone(before, after) | ~_bound(after)

    def by_hand_while_off(view: View) -> Bools:
        off = view.is_in(SYNC, "Off") & view.is_in(MACHINE, "Unlisted")
        return off & view.is_in(RECORD, "Recorded")

    def as_flagged(_: View, events: Labels, after: View) -> Bools:
        on, off = events.is_event("start", "start_named"), events.is_event("start_off", "start_off_named")
        return (~on | after.is_in(SYNC, "On")) & (~off | after.is_in(SYNC, "Off"))

    def registered(*starts: str) -> Callable[[View, Labels, View], Bools]:
        return lambda before, events, _: events.is_event(*starts) & before.is_in(RECORD, "NoRecord")

    def named_is_recorded(_: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("start_named", "start_off_named") | after.is_in(RECORD, "Recorded")

    return [
        *_common(profile),
        AlwaysStep("the synchronisation is on, but with --sync_nodes=false",
                   ("nodecontroller.sync.loop", "nodecontroller.sync.off"), as_flagged),
        *(SometimesStep(f"a controller begins without a record: {start}",
                        ("nodecontroller.sync.machines", "nodecontroller.sync.off"), registered(start))
          for start in ("start", "start_named", "start_off", "start_off_named")),
        AlwaysStep("with its record a node loses its pods, whoever deletes it", ("pod.life.dead-node-deletes",),
                   pods_go_too),
        AlwaysStep("a node that --machines names has a record from the start", ("nodecontroller.sync.machines",),
                   named_is_recorded),
        Sometimes("with synchronisation off there is a record of no machine on the list",
                  ("nodecontroller.sync.off.by-hand",), by_hand_while_off),
        SometimesStep("a record is added by hand", ("nodecontroller.sync.kubectl-add",),
                      lambda _, events, __: events.is_event("add_by_hand")),
    ]  # fmt: skip


def _code_properties(profile: Profile) -> list[Property]:
    def pods_go_with_the_machine(_: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("sync_delete") | ~_bound(after)

    def pods_stay(before: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("delete_by_hand") | same(before, after, POD)

    def bound_without_record(view: View) -> Bools:
        return _bound(view) & view.is_in(RECORD, "NoRecord")

    def static_after_start(before: View, events: Labels, after: View) -> Bools:
        changed = ~same(before, after, RECORD)
        return ~(before.is_in(SYNC, "Static") & changed) | events.is_event("add_by_hand", "delete_by_hand")

    def bare_by_hand(before: View, events: Labels, after: View) -> Bools:
        made = before.is_in(RECORD, "NoRecord") & ~after.is_in(RECORD, "NoRecord")
        by_hand, bare = events.is_event("add_by_hand"), after.is_in(RECORD, "Bare")
        return ~made | (by_hand & bare) | ~(by_hand | bare)

    def kept_as_it_is(before: View, events: Labels, after: View) -> Bools:
        there = events.is_event("register") & ~before.is_in(RECORD, "NoRecord")
        return ~there | same(before, after, RECORD)

    def failed_list(before: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("list_failed") | same(before, after, RECORD, POD)

    def ends_static(_: View, events: Labels, after: View) -> Bools:
        return ~events.is_event(*STATIC) | after.is_in(SYNC, "Static")

    def made_at_the_start(before: View, events: Labels, after: View) -> Bools:
        return events.is_event("register") & before.is_in(RECORD, "NoRecord") & after.is_in(RECORD, "Filled")

    def in_upper_case(event: str) -> Callable[[View, Labels, View], Bools]:
        return lambda before, events, _: events.is_event(event) & before.is_in(MACHINE, "ListedInUpperCase")

    def monitored(mode: str) -> Callable[[View, Labels, View], Bools]:
        return lambda before, events, _: events.is_event("evict") & before.is_in(SYNC, mode)

    def by_hand_deleted(before: View, events: Labels, _: View) -> Bools:
        return events.is_event("sync_delete") & before.is_in(RECORD, "Bare")

    return [
        *_common(profile),
        AlwaysStep("the pods of a machine that is gone are deleted at once", ("nodecontroller.sync.delete-pods",),
                   pods_go_with_the_machine),
        AlwaysStep("a record deleted by hand takes no pods along", ("pod.life.record-deleted-by-hand",), pods_stay),
        Sometimes("a pod is bound to a node without a record", ("pod.life.record-deleted-by-hand",),
                  bound_without_record),
        AlwaysStep("in static mode only hands make and delete records after the start",
                   ("nodecontroller.sync.static-none", "nodecontroller.sync.static-once"), static_after_start),
        AlwaysStep("a record made by hand is bare, and no other",
                   ("nodecontroller.sync.kubectl-bare", "nodecontroller.sync.create-filled"), bare_by_hand),
        AlwaysStep("registering leaves a record as it is", ("nodecontroller.sync.already-exists",), kept_as_it_is),
        AlwaysStep("a pass whose list fails changes nothing", ("nodecontroller.sync.list-failed",), failed_list),
        AlwaysStep("registration ends in static mode, and so does a start without machines",
                   ("nodecontroller.sync.start.static", "nodecontroller.sync.static-none"), ends_static),
        SometimesStep("registration is given up", ("nodecontroller.sync.static-once",),
                      lambda _, events, __: events.is_event("give_up")),
        SometimesStep("a controller starts without a cloud and without machines", ("nodecontroller.sync.static-none",),
                      lambda _, events, __: events.is_event("start_static_unnamed")),
        SometimesStep("the loop deletes a record made by hand", ("nodecontroller.sync.by-hand-deleted",),
                      by_hand_deleted),
        SometimesStep("in static mode a record is made at the start", ("nodecontroller.sync.start.static",),
                      made_at_the_start),
        SometimesStep("a record is made for a machine that is listed in upper case",
                      ("nodecontroller.sync.upper-case-flaps",), in_upper_case("sync_create")),
        SometimesStep("and is deleted again, though the machine is there", ("nodecontroller.sync.upper-case-flaps",),
                      in_upper_case("sync_delete")),
        *(SometimesStep(f"a lost node is noticed in mode {mode}", ("nodecontroller.health.always",), monitored(mode))
          for mode in ("Cloud", "CloudOff", "Static")),
    ]  # fmt: skip


def _gone(before: View, after: View) -> Bools:
    return ~before.is_in(RECORD, "NoRecord") & after.is_in(RECORD, "NoRecord")


def _bound(view: View) -> Bools:
    return view.lookup(POD, lambda state: home(state) is not None)
