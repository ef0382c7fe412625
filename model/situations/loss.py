"""The loss of a node: it falls silent and comes back, the node controller's timers run, and pods wait, or are given up.

Every order of loss, recovery, restart of the controller, elapse and action is explored.
"""

from __future__ import annotations

from model.cluster import is_candidate
from model.lts.network import Bools, Network, Vector
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
    named,
)
from model.lts.table import Table
from model.pod import standing
from model.profiles import Profile
from model.situations.situation import (
    SETTLE,
    WORLD,
    Crossing,
    Situation,
    by_world,
    crossings,
    inside,
    same,
    world,
)

NODE = "n1"
PODS = ("p1", "p2")
TIMER, LINK, CLOCK, GRACE, EVICTION, STAMP, TOKENS, INSTANCE = (
    "timer", "link", "clock", "grace", "eviction", "stamp", "tokens", "instance",
)  # fmt: skip


def situation(profile: Profile) -> Situation:
    """The situation in a profile."""
    if profile.name == "seed":
        summary = "a node with two pods is lost and comes back; its time-out is armed, cancelled, elapses, fires"
        return Situation("loss of a node", summary, _seed_network(profile), tuple(_seed_properties()))
    summary = "a node with two pods is cut off and heard again; grace period, eviction delay, tokens, what really runs"
    return Situation("loss of a node", summary, _code_network(profile), tuple(_code_properties()))


# --- profile seed ---------------------------------------------------------------------------------------------------


def _seed_network(profile: Profile) -> Network:
    """The timer moves with what the node does: it is armed in the step in which a candidate is lost."""
    node, slot, timer = profile.node.flattened(), profile.slot((NODE,)), profile.parts[TIMER]
    components: dict[str, Table] = {NODE: node, TIMER: timer, **dict.fromkeys(PODS, slot)}
    components[WORLD] = world("pod.partition.waits")
    steps = [vector for event in node.events for vector in _with_timer(node, event)]
    steps.append(Vector("restart_controller", {TIMER: "restart"}))
    for p in PODS:
        steps += [Vector(f"{event}({p})", {p: event}) for event in ("create", "delete", "succeed", "fail")]
    candidate = inside(NODE, *(state for state in node.states if is_candidate(state)))
    vectors = [
        SETTLE,
        *by_world(steps),
        *(Vector(f"bind({p})", {p: f"bind@{NODE}"}, when=(candidate,)) for p in PODS),
        Vector("elapse", {TIMER: "elapse"}),
        Vector("time_out", {TIMER: "fire"}, dict.fromkeys(PODS, f"node_timed_out@{NODE}")),
    ]
    return Network("seed: loss of a node", components, tuple(vectors))


def _with_timer(node: Table, event: str) -> list[Vector]:
    """A step of the node, and what it means for its timer and its pods."""
    cases = (
        Crossing("lost", is_candidate, _is_lost, broadcast={TIMER: "arm"}),
        Crossing("back", _is_lost, is_candidate, broadcast={TIMER: "cancel"}),
        Crossing("ended", lambda state: not _is_over(state), _is_over,
                 broadcast={TIMER: "cancel", **dict.fromkeys(PODS, f"node_terminated@{NODE}")}),
        Crossing("", _is_lost, _is_lost),
        Crossing("over", _is_over, _is_over),
    )  # fmt: skip
    return crossings(NODE, node, event, cases)


def _is_over(state: str) -> bool:
    return state in ("Terminated", "Removed")


def _is_lost(state: str) -> bool:
    """Not (yet, or any more) a candidate."""
    return not is_candidate(state) and not _is_over(state)


def _seed_properties() -> list[Property]:
    def runs_only_while_lost(view: View) -> Bools:
        return view.is_in(TIMER, "Idle") | view.lookup(NODE, _is_lost)

    def begins_anew(before: View, _: Labels, after: View) -> Bools:
        return ~before.is_in(TIMER, "Idle") | after.is_in(TIMER, "Idle", "Armed")

    def left_till_then(before: View, events: Labels, after: View) -> Bools:
        return _none_given_up(before, after, "NodeLost") | events.is_event("time_out")

    def fires_after_its_time(before: View, events: Labels, _: View) -> Bools:
        return ~events.is_event("time_out") | (before.is_in(TIMER, "Elapsed") & before.lookup(NODE, _is_lost))

    def marks_all(_: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("time_out") | ~any_of(after.is_in(p, f"Bound@{NODE}") for p in PODS)

    def back_in_time(before: View, _: Labels, after: View) -> Bools:
        came_back = before.lookup(NODE, _is_lost) & after.lookup(NODE, is_candidate)
        return ~came_back | same(before, after, *PODS)

    def back_with_its_pod(before: View, _: Labels, after: View) -> Bools:
        return before.is_in(TIMER, "Elapsed") & after.is_in(TIMER, "Idle") & after.is_in(PODS[0], f"Bound@{NODE}")

    def starts_anew(_: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("restart_controller") | after.is_in(TIMER, "Armed")

    def put_off(before: View, events: Labels, _: View) -> Bools:
        return events.is_event("restart_controller") & before.is_in(TIMER, "Elapsed")

    def waits_in_vain(view: View) -> Bools:
        lost = view.is_in(WORLD, "Quiet") & view.lookup(NODE, _is_lost)
        return lost & any_of(view.is_in(p, f"Bound@{NODE}") for p in PODS)

    def lost_again(view: View) -> Bools:
        """The node came back after its pod was marked, and has a new pod beside it."""
        return view.is_in(PODS[0], f"NodeLost@{NODE}") & view.is_in(PODS[1], f"Bound@{NODE}")

    waits = ("pod.partition.waits",)
    fails = ("pod.partition.failed", "pod.life.node-lost")
    return [
        Always("a time-out that was cancelled does not run on", waits, runs_only_while_lost),
        AlwaysStep("the time-out of a node that is lost begins with its loss", waits, begins_anew),
        AlwaysStep("a time-out fires only after its time, while the node is lost", waits, fires_after_its_time),
        SometimesStep("a time-out fires", fails, lambda _, events, __: events.is_event("time_out")),
        AlwaysStep("till the time-out the pods of a lost node are left as they are", waits, left_till_then),
        AlwaysStep("the time-out marks every pod of the node", fails, marks_all),
        AlwaysStep("the node's coming back changes no pod", waits, back_in_time),
        SometimesStep("a node comes back just before its time-out fires", waits, back_with_its_pod),
        AlwaysStep("a controller that is restarted waits anew", waits, starts_anew),
        SometimesStep("a restart puts off a time-out that had elapsed", waits, put_off),
        Eventually("the pods of a node that stays lost are marked", fails, waits_in_vain,
                   lambda view: ~waits_in_vain(view), (named("elapse"), named("time_out"))),
        Sometimes("a node that is back has a failed pod and a new one", fails, lost_again),
    ]  # fmt: skip


# --- profile v0.17.0 ------------------------------------------------------------------------------------------------


def _code_network(profile: Profile) -> Network:
    """p1 is an ordinary pod, of which also is told what really runs; p2 is one that is created on the node itself."""
    node, slot, parts = profile.node.flattened(), profile.slot((NODE,)), profile.parts
    components: dict[str, Table] = {
        NODE: node,
        **{name: parts[name] for name in COMPONENTS},
        **dict.fromkeys(PODS, slot),
    }
    components[WORLD] = world("pod.partition.meaning")
    p1, p2 = PODS
    heard = {GRACE: "cancel", EVICTION: "cancel"}
    up, cut = inside(LINK, "Up"), inside(LINK, "Cut")
    silent = inside(GRACE, "Elapsed", "Fired")
    unknown, not_ready = inside(NODE, "Recorded/Unknown"), inside(NODE, "Recorded/False")
    all_pods = dict.fromkeys(PODS, f"evict@{NODE}")
    by_the_world = [
        Vector("cut", {LINK: "cut"}),
        Vector("heal", {LINK: "heal"}),
        Vector("skew", {CLOCK: "skew"}),
        Vector("correct", {CLOCK: "correct"}),
        Vector("read_failed", {GRACE: "read_failed"}),
        Vector("write_failed", {GRACE: "write_failed"}),
        Vector("post_not_ready", {NODE: "post_not_ready", **heard}, when=(up,)),
        Vector("restart_controller", {GRACE: "restart", EVICTION: "restart"}, {STAMP: "restart"}),
        Vector(f"create({p1})", {p1: "create"}, when=(inside(p1, "Absent"),)),
        *(Vector(f"delete({p})", {p: "delete"}) for p in PODS),
        Vector(f"remove({NODE})", {NODE: "remove"}),
        Vector(f"create_bound({p2})", {p2: f"create_bound@{NODE}"}),
    ]
    system = [
        Vector("post_ready", {NODE: "post_ready", **heard}, when=(up,)),
        Vector("elapse_grace", {GRACE: "elapse"}, when=(cut,)),
        Vector("silent", {NODE: "silent", GRACE: "fire", STAMP: "stamp"}),
        Vector("never_reported", {NODE: "never_reported", GRACE: "fire", STAMP: "stamp"}),
        Vector("elapse_eviction", {EVICTION: "elapse"}, when=(cut, silent)),
        Vector("evict(all)", {EVICTION: "fire", TOKENS: "take"}, all_pods, (unknown,)),
        Vector("evict(not_ready)", {TOKENS: "take"}, all_pods, (not_ready, inside(STAMP, "Old"))),
        Vector("age", {STAMP: "age"}),
        Vector("refill", {TOKENS: "refill"}),
        Vector(f"bind({p1})", {p1: f"bind@{NODE}"}, when=(inside(NODE, "Recorded/True"),)),
        Vector(f"start_on_node({p1})", {INSTANCE: "start_on_node"}, when=(up, inside(p1, f"Bound@{NODE}"))),
        Vector(f"stop_on_node({p1})", {INSTANCE: "stop_on_node"}, when=(up, inside(p1, "Deleted"))),
    ]
    return Network("v0.17.0: loss of a node", components, (SETTLE, *by_world(by_the_world), *system))


COMPONENTS = (LINK, CLOCK, GRACE, EVICTION, STAMP, TOKENS, INSTANCE)


def _code_properties() -> list[Property]:
    p1, p2 = PODS

    def grace_first(before: View, events: Labels, _: View) -> Bools:
        return ~events.is_event("silent", "never_reported") | before.is_in(GRACE, "Elapsed")

    def silent_is_unknown(_: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("silent", "never_reported") | after.is_in(NODE, "Recorded/Unknown", "Removed")

    def heard_rearms(_: View, events: Labels, after: View) -> Bools:
        armed = after.is_in(GRACE, "Armed") & after.is_in(EVICTION, "Armed")
        return ~events.is_event("post_ready", "post_not_ready") | armed

    def clock_times_nothing(before: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("skew", "correct") | same(before, after, NODE, GRACE, EVICTION, STAMP)

    def heard_with_wrong_clock(before: View, events: Labels, _: View) -> Bools:
        return events.is_event("post_ready") & before.is_in(CLOCK, "Wrong")

    def skipped(before: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("read_failed") | same(before, after, NODE, GRACE, EVICTION, STAMP, TOKENS, *PODS)

    def evicted_after_delay(before: View, events: Labels, _: View) -> Bools:
        after_delay = before.is_in(NODE, "Recorded/Unknown") & before.is_in(EVICTION, "Elapsed", "Fired")
        return ~events.is_vector("evict(all)") | after_delay

    def not_ready_after_unknown(before: View, events: Labels, _: View) -> Bools:
        return ~events.is_vector("evict(not_ready)") | before.is_in(STAMP, "Old")

    def delay_after_grace(view: View) -> Bools:
        return view.is_in(EVICTION, "Armed") | view.is_in(GRACE, "Elapsed", "Fired")

    def never_failed(view: View) -> Bools:
        return ~any_of(view.lookup(p, lambda state: standing(state) in ("Failed", "NodeLost")) for p in PODS)

    def frozen(before: View, events: Labels, after: View) -> Bools:
        """What the controller sees or does, and the way of the link, change no pod but by eviction."""
        return same(before, after, *PODS) | events.is_event("create", "create_bound", "delete", "bind", "evict")

    def untouched(before: View, _: Labels, after: View) -> Bools:
        """What runs is started and stopped by the kubelet alone, and not while it hears nothing."""
        return same(before, after, INSTANCE) | before.is_in(LINK, "Up")

    def back_in_time(before: View, events: Labels, _: View) -> Bools:
        was = (
            before.is_in(NODE, "Recorded/Unknown")
            & before.is_in(p1, f"Bound@{NODE}")
            & before.is_in(INSTANCE, "Started")
        )
        return events.is_event("post_ready") & was

    def takes_all(_: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("evict") | ~any_of(after.is_in(p, f"Bound@{NODE}") for p in PODS)

    def with_token(before: View, events: Labels, _: View) -> Bools:
        return ~events.is_event("evict") | before.is_in(TOKENS, "Some")

    def for_nothing(before: View, events: Labels, after: View) -> Bools:
        nobody = ~any_of(before.is_in(p, f"Bound@{NODE}") for p in PODS)
        return events.is_event("evict") & nobody & after.is_in(TOKENS, "None")

    def repeated(before: View, events: Labels, _: View) -> Bools:
        return events.is_event("evict") & before.is_in(EVICTION, "Fired") & before.is_in(p2, f"Bound@{NODE}")

    def starts_anew(_: View, events: Labels, after: View) -> Bools:
        anew = after.is_in(GRACE, "Armed") & after.is_in(EVICTION, "Armed") & after.is_in(STAMP, "Fresh")
        return ~events.is_event("restart_controller") | anew

    def put_off(before: View, events: Labels, _: View) -> Bools:
        return (
            events.is_event("restart_controller")
            & before.is_in(EVICTION, "Elapsed")
            & before.is_in(p1, f"Bound@{NODE}")
        )

    def record_kept(before: View, events: Labels, after: View) -> Bools:
        return ~after.is_in(NODE, "Removed") | before.is_in(NODE, "Removed") | events.is_event("remove")

    def not_heard_without_record(before: View, events: Labels, after: View) -> Bools:
        quiet = ~events.is_event("post_ready", "post_not_ready", "silent", "never_reported", "evict")
        return ~before.is_in(NODE, "Removed") | (quiet & after.is_in(NODE, "Removed"))

    def stranded(view: View) -> Bools:
        return view.is_in(NODE, "Removed") & view.is_in(p1, f"Bound@{NODE}") & view.is_in(INSTANCE, "Started")

    def waits_in_vain(view: View) -> Bools:
        cut_off = view.is_in(WORLD, "Quiet") & view.is_in(LINK, "Cut") & ~view.is_in(NODE, "Removed")
        return cut_off & any_of(view.is_in(p, f"Bound@{NODE}") for p in PODS) & ~view.is_in(NODE, "Recorded/False")

    def runs_without_pod(view: View) -> Bools:
        return view.is_in(p1, "Deleted") & view.is_in(INSTANCE, "Started")

    def left_running(view: View) -> Bools:
        return runs_without_pod(view) & view.is_in(WORLD, "Quiet") & view.is_in(LINK, "Up")

    pass_after_pass = tuple(
        named(*group)
        for group in (
            ("elapse_grace",), ("silent", "never_reported"), ("elapse_eviction",), ("evict(all)",), ("refill",),
        )
    )  # fmt: skip
    return [
        AlwaysStep("Ready becomes Unknown only after the grace period, if nothing was heard since",
                   ("node.condition.silent", "pod.partition.unknown-after"), grace_first),
        AlwaysStep("a node that is not heard becomes Unknown",
                   ("node.condition.silent", "node.condition.never-reported"), silent_is_unknown),
        AlwaysStep("a heartbeat arms the timers anew", ("nodecontroller.health.new-heartbeat",), heard_rearms),
        AlwaysStep("the clock of the node times nothing", ("nodecontroller.health.own-clock",), clock_times_nothing),
        SometimesStep("a node with a wrong clock is heard", ("nodecontroller.health.own-clock",),
                      heard_with_wrong_clock),
        AlwaysStep("a node whose record cannot be read is skipped", ("nodecontroller.health.read-failed",), skipped),
        SometimesStep("no write of a status succeeds, and the pass goes on", ("nodecontroller.health.writes-failed",),
                      lambda _, events, __: events.is_event("write_failed")),
        AlwaysStep("the pods of a lost node are evicted only after the eviction delay, in a later pass",
                   ("pod.partition.deleted-after", "pod.partition.later-pass"), evicted_after_delay),
        Always("the eviction delay does not elapse before the grace period", ("pod.partition.deleted-after",),
               delay_after_grace),
        AlwaysStep("a node that is not ready is evicted only if it has not just been Unknown",
                   ("pod.partition.not-ready.after-unknown",), not_ready_after_unknown),
        SometimesStep("a node that is not ready is evicted", ("pod.partition.not-ready",),
                      lambda _, events, __: events.is_vector("evict(not_ready)")),
        Always("the node controller marks no pod failed", ("pod.life.evicted",), never_failed),
        AlwaysStep("till it is evicted a pod stays as it is", ("pod.partition.status-frozen",), frozen),
        AlwaysStep("while its node is cut off nothing is stopped there", ("pod.partition.two-instances",), untouched),
        SometimesStep("a node is back in time, and its pod has run all the while", ("pod.partition.back-in-time",),
                      back_in_time),
        AlwaysStep("an eviction takes all pods of the node", ("pod.partition.all-pods",), takes_all),
        AlwaysStep("an eviction takes a token", ("nodecontroller.health.no-token",), with_token),
        SometimesStep("the last token is taken for nothing", ("nodecontroller.health.token-for-nothing",), for_nothing),
        SometimesStep("a pod that came later is evicted as well", ("pod.partition.repeated",), repeated),
        AlwaysStep("a controller that is restarted waits anew", ("nodecontroller.health.restart-resets",), starts_anew),
        SometimesStep("a restart puts off an eviction", ("nodecontroller.health.restart-resets",), put_off),
        AlwaysStep("however silent a node is, its record is kept", ("node.record.kept-while-silent",), record_kept),
        AlwaysStep("a node without a record is neither heard nor visited",
                   ("node.condition.heartbeat-without-record", "node.record.no-self-registration"),
                   not_heard_without_record),
        Sometimes("a pod runs on a node whose record was deleted", ("pod.life.record-deleted-by-hand",), stranded),
        Eventually("the pods of a node that stays cut off are evicted", ("pod.life.evicted",), waits_in_vain,
                   lambda view: ~waits_in_vain(view), pass_after_pass),
        Sometimes("a pod that is deleted runs on", ("pod.partition.two-instances",), runs_without_pod),
        Eventually("what runs without its pod is stopped once the node is back", ("pod.partition.back-late",),
                   left_running, lambda view: ~left_running(view), (named(f"stop_on_node({p1})"),)),
    ]  # fmt: skip


def _none_given_up(before: View, after: View, given_up: str) -> Bools:
    return all_of(~after.lookup(p, lambda state: standing(state) == given_up) | same(before, after, p) for p in PODS)
