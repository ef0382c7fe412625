"""Mirroring (v0.17.0): a static pod, the object that stands for it in the API, and a service that lists it."""

from __future__ import annotations

from model.lts.network import Bools, Network, Vector
from model.lts.properties import Always, AlwaysStep, Eventually, Labels, Property, SometimesStep, View, named
from model.profiles import Profile
from model.situations.situation import SETTLE, WORLD, Situation, by_world, inside, same, world

PARTS = ("mirror", "static", "shownphase", "endpoint")


def situation(profile: Profile) -> Situation:
    """The situation, which only v0.17.0 has."""
    return Situation(
        "mirroring",
        "a static pod, its mirror in the API, which is deleted when the node is lost, and the endpoints of a service",
        _network(profile),
        tuple(_properties()),
    )


def _network(profile: Profile) -> Network:
    components = {name: profile.parts[name] for name in PARTS}
    components |= {"link": profile.parts["link"], WORLD: world("pod.partition.mirror")}
    online, mirrored = inside("link", "Up"), inside("mirror", "Mirrored")
    gone = {"shownphase": "object_gone"}
    by_others = [
        *(Vector(event, {"link": event}) for event in ("cut", "heal")),
        Vector("exit_static", {"static": "exit_static"}),
        Vector("delete_mirror", {"mirror": "delete_mirror", **gone}),
        Vector("evict", {"mirror": "evict", **gone}, when=(inside("link", "Cut"),)),
    ]
    by_system = [
        Vector("run_static", {"static": "run_static"}),
        Vector("make_mirror", {"mirror": "make_mirror", "shownphase": "new_object"}, when=(online,)),
        Vector("show_running", {"shownphase": "show_running"}, when=(online, mirrored, inside("static", "Running"))),
        Vector("show_pending", {"shownphase": "show_pending"}, when=(online, mirrored, inside("static", "Starting"))),
        Vector("list_pod", {"endpoint": "list_pod"}, when=(inside("shownphase", "Running"),)),
        Vector("unlist_pod", {"endpoint": "unlist_pod"}, when=(inside("shownphase", "Nothing", "Pending"),)),
    ]
    return Network(f"{profile.name}: mirroring", components, (SETTLE, *by_world(by_others), *by_system))


def _properties() -> list[Property]:
    def containers_stay(before: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("evict", "delete_mirror") | same(before, after, "static")

    def phase_of_object(view: View) -> Bools:
        return view.is_in("shownphase", "Nothing") | view.is_in("mirror", "Mirrored")

    def as_it_begins(_: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("make_mirror", "show_pending") | after.is_in("shownphase", "Pending")

    def back_to_pending(before: View, _: Labels, after: View) -> Bools:
        return before.is_in("shownphase", "Running") & after.is_in("shownphase", "Pending")

    def missing(view: View) -> Bools:
        return view.is_in("mirror", "NoMirror") & view.is_in("link", "Up") & view.is_in(WORLD, "Quiet")

    def listed_while_cut(before: View, _: Labels, after: View) -> Bools:
        cut = before.is_in("link", "Cut") & before.is_in("shownphase", "Running")
        return ~(cut & before.is_in("endpoint", "Listed")) | after.is_in("endpoint", "Listed")

    def cut_while_listed(before: View, events: Labels, _: View) -> Bools:
        return events.is_event("cut") & before.is_in("endpoint", "Listed")

    return [
        AlwaysStep("the containers of a static pod stay when its mirror is deleted", ("pod.partition.static",),
                   containers_stay),
        Always("no phase is published without a mirror", ("pod.phase.static-without-mirror",), phase_of_object),
        AlwaysStep("a new mirror is Pending, and so is one whose containers start", ("pod.phase.created-pending",),
                   as_it_begins),
        SometimesStep("a mirror goes back to Pending", ("pod.phase.back-to-pending",), back_to_pending),
        SometimesStep("a mirror is deleted when its node is lost", ("pod.partition.mirror",),
                      lambda _, events, __: events.is_event("evict")),
        Eventually("a mirror is made anew once the kubelet can", ("pod.partition.mirror",), missing,
                   lambda view: ~missing(view), (named("make_mirror"),)),
        AlwaysStep("endpoints go on listing a pod that is cut off", ("pod.partition.endpoints-kept",),
                   listed_while_cut),
        SometimesStep("a pod is cut off while it is listed", ("pod.partition.endpoints-kept",), cut_while_listed),
    ]  # fmt: skip
