"""Ending (v0.17.0): a pod whose object is deleted, the kubelet that notices, and the containers that it stops."""

from __future__ import annotations

from model import kubelet
from model.lts.network import Bools, Network, Vector
from model.lts.properties import (
    AlwaysStep,
    Eventually,
    Labels,
    Property,
    SometimesStep,
    View,
    all_of,
    named,
)
from model.profiles import Profile
from model.situations.situation import SETTLE, WORLD, Situation, by_world, inside, same, world

PARTS = ("object", "sources", "member", "hooks", "told")
DELETIONS = ("delete", "delete_gracefully")
GONE = tuple(kubelet.GONE.values())


def situation(profile: Profile) -> Situation:
    """The situation, which only v0.17.0 has."""
    return Situation(
        "ending",
        "a pod that is deleted, with a period of grace or without, and the kubelet that stops its containers",
        _network(profile),
        tuple(_properties()),
    )


def _network(profile: Profile) -> Network:
    components = {name: profile.parts[name] for name in PARTS}
    components[WORLD] = world("pod.life.deleted-at-once")
    by_others = [
        *(Vector(event, {"object": event}) for event in components["object"].events),
        Vector("restart_agent", {"sources": "restart_agent"}, {"member": "restart_agent"}),
    ]
    stopping = (inside("object", *GONE), inside("sources", "Reported"))
    by_kubelet = [
        Vector("report", {"sources": "report"}),
        Vector("post_start", {"hooks": "post_start"}, when=(inside("member", "Running"),)),
        Vector("ask_to_stop", {"member": "ask_to_stop", "told": "record_killing"},
               when=(*stopping, inside("member", "Running"))),
        Vector("ask_to_stop(adopted)", {"member": "ask_to_stop"}, when=(*stopping, inside("member", "Adopted"))),
        Vector("stop", {"member": "stop"}),
    ]  # fmt: skip
    return Network(f"{profile.name}: ending", components, (SETTLE, *by_world(by_others), *by_kubelet))


def _properties() -> list[Property]:
    def at_once(_: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("delete") | after.is_in("object", *GONE)

    def grace_ignored(_: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("delete_gracefully") | after.is_in("object", *GONE)

    def no_final_phase(before: View, events: Labels, after: View) -> Bools:
        kept = all_of(~before.is_in("object", phase) | after.is_in("object", gone, *kubelet.PHASES)
                      for phase, gone in kubelet.GONE.items())  # fmt: skip
        return ~events.is_event(*DELETIONS) | kept

    def nothing_recorded(before: View, events: Labels, after: View) -> Bools:
        return ~events.is_event(*DELETIONS) | same(before, after, "told")

    def sources_first(before: View, events: Labels, _: View) -> Bools:
        return ~events.is_event("ask_to_stop") | before.is_in("sources", "Reported")

    def own_only(before: View, _: Labels, after: View) -> Bools:
        recorded = before.is_in("told", "Nothing") & after.is_in("told", "Killing")
        return ~recorded | before.is_in("member", "Running")

    def own_always(before: View, events: Labels, after: View) -> Bools:
        return ~(events.is_event("ask_to_stop") & before.is_in("member", "Running")) | after.is_in("told", "Killing")

    def no_pre_stop(before: View, _: Labels, after: View) -> Bools:
        return ~before.is_in("member", "Stopping") | same(before, after, "hooks")

    def taken_back(before: View, _: Labels, after: View) -> Bools:
        return before.is_in("object", "Succeeded", "Failed") & after.is_in("object", "Pending", "Running")

    def to_stop(view: View) -> Bools:
        return view.is_in("object", *GONE) & view.is_in(WORLD, "Quiet") & ~view.is_in("member", "Stopped")

    return [
        AlwaysStep("a deletion takes the object away at once", ("pod.life.deleted-at-once",), at_once),
        AlwaysStep("a period of grace changes nothing", ("pod.life.grace-ignored",), grace_ignored),
        SometimesStep("a pod is deleted with a period of grace", ("pod.life.grace-ignored",),
                      lambda _, events, __: events.is_event("delete_gracefully")),
        AlwaysStep("a deletion writes no phase", ("pod.life.no-final-phase",), no_final_phase),
        AlwaysStep("a deletion records nothing", ("pod.event.none-on-delete",), nothing_recorded),
        AlwaysStep("nothing is stopped before every source has reported", ("pod.life.sources-first",), sources_first),
        AlwaysStep("killing is recorded only by the kubelet that started the container",
                   ("pod.event.killing.own-only",), own_only),
        AlwaysStep("the kubelet that started a container records its killing", ("pod.event.killing",), own_always),
        SometimesStep("a container is stopped by another run of the kubelet", ("pod.event.killing.own-only",),
                      lambda before, events, _: events.is_event("ask_to_stop") & before.is_in("member", "Adopted")),
        AlwaysStep("no hook is run once a container is to stop", ("pod.container.pre-stop-never",), no_pre_stop),
        SometimesStep("a write takes the end of a pod back", ("pod.phase.status-writes-free",), taken_back),
        Eventually("the containers of a pod that is gone are stopped", ("pod.life.containers-stopped",), to_stop,
                   lambda view: ~to_stop(view),
                   (named("report"), named("ask_to_stop", "ask_to_stop(adopted)"), named("stop"))),
    ]  # fmt: skip
