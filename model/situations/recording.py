"""Recording (v0.17.0): the event ``online`` of a node, from the heartbeat that makes it to the API that merges it."""

from __future__ import annotations

from model.lts.network import Bools, Network, Vector
from model.lts.properties import (
    AlwaysStep,
    Eventually,
    Labels,
    Property,
    SometimesStep,
    View,
    named,
)
from model.profiles import Profile
from model.situations.situation import SETTLE, WORLD, Situation, by_world, inside, world

PARTS = ("engine", "queue", "stored")
NOT_TRUE = ("Absent", "False", "Unknown")
"""What a heartbeat may find stored that makes it record ``online``."""


def situation(profile: Profile) -> Situation:
    """The situation, which only v0.17.0 has."""
    return Situation(
        "recording",
        "the heartbeats of a node, the event that they record, which may be merged with the one before, or lost",
        _network(profile),
        tuple(_properties()),
    )


def _network(profile: Profile) -> Network:
    [ready] = profile.node.regions["Recorded"]
    components = {name: profile.parts[name] for name in PARTS}
    components |= {"Ready": ready, WORLD: world("pod.event.best-effort")}
    by_others = [
        *(Vector(event, {"engine": event}) for event in components["engine"].events),
        *(Vector(event, {"Ready": event}) for event in ("never_reported", "silent")),
        Vector("drop", {"queue": "drop"}),
    ]
    by_kubelet = [Vector("write", {"queue": "write", "stored": "write"})]
    for event, engine in (("post_ready", "Running"), ("post_not_ready", "Silent")):
        answers = inside("engine", engine)
        by_kubelet += [
            Vector(f"{event}(online)", {"Ready": event, "queue": "emit"}, when=(answers, inside("Ready", *NOT_TRUE))),
            Vector(event, {"Ready": event}, when=(answers, inside("Ready", "True"))),
        ]
    return Network(f"{profile.name}: recording", components, (SETTLE, *by_world(by_others), *by_kubelet))


def _properties() -> list[Property]:
    online = ("post_ready(online)", "post_not_ready(online)")

    def if_not_true(before: View, events: Labels, _: View) -> Bools:
        return ~events.is_vector(*online) | before.is_in("Ready", *NOT_TRUE)

    def whenever_not_true(before: View, events: Labels, _: View) -> Bools:
        return ~events.is_vector("post_ready", "post_not_ready") | before.is_in("Ready", "True")

    def though_not_ready(before: View, events: Labels, after: View) -> Bools:
        return events.is_vector(*online) & before.is_in("Ready", "False") & after.is_in("Ready", "False")

    def one_object(before: View, events: Labels, after: View) -> Bools:
        again = events.is_event("write") & before.is_in("stored", "Once", "Repeated")
        return ~again | after.is_in("stored", "Repeated")

    def on_its_way(view: View) -> Bools:
        waits = view.is_in("queue", "Waiting") & view.is_in("stored", "NoEvent")
        return waits & view.is_in(WORLD, "Quiet")

    return [
        AlwaysStep("online is recorded only if Ready was stored as anything but True", ("node.event.online",),
                   if_not_true),
        AlwaysStep("whenever it was, online is recorded", ("node.event.online",), whenever_not_true),
        SometimesStep("online is recorded though the node is not ready", ("node.event.online-repeats",),
                      though_not_ready),
        AlwaysStep("an event like an earlier one is merged with it", ("pod.event.merged",), one_object),
        SometimesStep("an event is lost", ("pod.event.best-effort",), lambda _, events, __: events.is_event("drop")),
        Eventually("an event that is not lost is written", ("pod.event.merged",), on_its_way,
                   lambda view: ~on_its_way(view), (named("write"),)),
    ]  # fmt: skip
