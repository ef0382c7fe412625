"""Admission (v0.17.0): a pod that its kubelet may refuse, at every sync anew, and an earlier pod that is in its way."""

from __future__ import annotations

from collections.abc import Callable

from model import kubelet
from model.lts.network import Bools, Network, Vector
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
from model.profiles import Profile
from model.situations.situation import SETTLE, WORLD, Situation, by_world, inside, same, world

PARTS = ("admitted", "earlier", "nodelabels", "wishes", "allowed", "mount", "working")

THERE, AWAY = ("Running", "Ended"), ("Elsewhere", "Gone")
"""The earlier pod takes up what it asked for: as long as it is there, ended or not."""

CAUSES = {
    "refuse_port": (("wishes", ("SamePort",)), ("earlier", THERE)),
    "refuse_selector": (("nodelabels", ("Differ",)),),
    "refuse_capacity": (("wishes", ("TooMuch",)), ("earlier", THERE)),
}
"""Where things must stand for a pod not to be admitted."""


def situation(profile: Profile) -> Situation:
    """The situation, which only v0.17.0 has."""
    return Situation(
        "admission",
        "a pod that lacks a port, a label or room on its node, may not run there, or loses its disk",
        _network(profile),
        tuple(_properties()),
    )


def _network(profile: Profile) -> Network:
    components = {name: profile.parts[name] for name in PARTS}
    components[WORLD] = world("pod.phase.admission-failed")
    by_others = [
        Vector("finish", {"admitted": "finish", "working": "end"}),
        *(Vector(event, {"earlier": event}) for event in components["earlier"].events),
        Vector("relabel", {"nodelabels": "relabel"}),
        *(
            Vector(event, {"wishes": event}, when=(inside("admitted", "Pending"),))
            for event in components["wishes"].events
        ),
        Vector("forbid", {"allowed": "forbid"}),
        *(Vector(event, {"mount": event}) for event in components["mount"].events),
    ]
    fits = inside("nodelabels", "Match"), inside("allowed", "Allowed"), inside("mount", "Mounts")
    by_kubelet = [
        Vector("run(little)", {"admitted": "run", "working": "begin"}, when=(*fits, inside("wishes", "Little"))),
        Vector("run", {"admitted": "run", "working": "begin"}, when=(*fits, inside("earlier", *AWAY))),
        *(
            Vector(event, {"admitted": event}, {"working": "kill"}, tuple(inside(c, *states) for c, states in causes))
            for event, causes in CAUSES.items()
        ),
        Vector("kill_forbidden", {"working": "kill"}, when=(inside("allowed", "Forbidden"),)),
    ]
    return Network(f"{profile.name}: admission", components, (SETTLE, *by_world(by_others), *by_kubelet))


def _properties() -> list[Property]:
    def failed_by(event: str) -> AlwaysStep:
        def only(before: View, events: Labels, _: View) -> Bools:
            caused = all_of(before.is_in(component, *states) for component, states in CAUSES[event])
            return ~events.is_event(event) | caused

        return AlwaysStep(f"{event}: only for its cause", (REFUSALS[event],), only)

    def fails_for_these_only(before: View, events: Labels, after: View) -> Bools:
        failed = ~before.is_in("admitted", "Failed") & after.is_in("admitted", "Failed")
        return ~failed | events.is_event(*CAUSES)

    def killed_by_label(before: View, events: Labels, after: View) -> Bools:
        return events.is_event("refuse_selector") & before.is_in("working", "Working") & after.is_in("working", "Ended")

    def begun_once(before: View, _: Labels, after: View) -> Bools:
        return before.is_in("working", "NotStarted") | ~after.is_in("working", "NotStarted")

    def refused_by_ended(before: View, events: Labels, _: View) -> Bools:
        return events.is_event("refuse_port", "refuse_capacity") & before.is_in("earlier", "Ended")

    def forbidden_not_failed(before: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("forbid", "kill_forbidden") | same(before, after, "admitted")

    def to_kill(view: View) -> Bools:
        return view.is_in("allowed", "Forbidden") & view.is_in("working", "Working") & view.is_in(WORLD, "Quiet")

    def disk_changes_nothing(before: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("disk_died") | same(before, after, "admitted", "working")

    def works_without_disk(view: View) -> Bools:
        return view.is_in("mount", "Fails") & view.is_in("working", "Working") & view.is_in("admitted", "Running")

    def needs_its_volumes(before: View, events: Labels, _: View) -> Bools:
        return ~events.is_event("run") | before.is_in("mount", "Mounts")

    def could_run(view: View) -> Bools:
        room = any_of((view.is_in("wishes", "Little"), view.is_in("earlier", *AWAY)))
        fits = view.is_in("nodelabels", "Match") & view.is_in("allowed", "Allowed") & view.is_in("mount", "Mounts")
        return view.is_in("admitted", "Pending") & room & fits & view.is_in(WORLD, "Quiet")

    return [
        *(failed_by(event) for event in CAUSES),
        *(SometimesStep(f"{event}: it happens", (rule,), _happens(event)) for event, rule in REFUSALS.items()),
        AlwaysStep("a pod fails for no other cause", ("pod.phase.refused-not-failed", "pod.phase.admission-failed"),
                   fails_for_these_only),
        SometimesStep("other labels of its node kill a pod that runs", ("pod.phase.admission-kills",), killed_by_label),
        AlwaysStep("what has begun to work does not wait to begin", ("pod.phase.all-succeeded",), begun_once),
        SometimesStep("a pod that has ended is in the way of another", ("pod.phase.terminal-occupies",),
                      refused_by_ended),
        AlwaysStep("a pod that may not run does not fail for it", ("pod.phase.refused-not-failed",),
                   forbidden_not_failed),
        Eventually("what may not run is killed", ("pod.phase.refused-killed",), to_kill,
                   lambda view: ~to_kill(view), (named("kill_forbidden"),)),
        AlwaysStep("that a disk dies changes nothing", ("pod.disk.not-detected", "pod.phase.mount-failed"),
                   disk_changes_nothing),
        Sometimes("a pod works on without its disk", ("pod.disk.not-detected", "pod.phase.mount-failed"),
                  works_without_disk),
        AlwaysStep("a pod is started only with its volumes", ("pod.phase.mount-failed",), needs_its_volumes),
        Eventually("a pod that fits is started", ("pod.phase.some-run",), could_run, lambda view: ~could_run(view),
                   (named("run", "run(little)"),)),
    ]  # fmt: skip


REFUSALS = {row.event: row.rules[0] for row in kubelet.ADMITTED.rows if row.event in CAUSES}
"""For each refusal its own rule."""


def _happens(event: str) -> Callable[[View, Labels, View], Bools]:
    return lambda _, events, __: events.is_event(event)
