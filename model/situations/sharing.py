"""Sharing: a pod with two containers, the network that they share, a volume, and what one of them keeps for itself."""

from __future__ import annotations

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
from model.profiles import Profile
from model.sharing import UP
from model.situations.situation import SETTLE, WORLD, Situation, by_world, inside, world

POLICY = "OnFailure"
"""Under it some ends are restarted and others are not."""

MEMBERS = ("p1c1", "p1c2")
SANDBOX, VOLUME, LAYER = "sandbox", "volume", "layer"
"""The layer is that of the first container."""

NETWORKING = ("give_address", "create_sandbox")
"""What gives the pod its network: the kubelet does, whenever it is missing."""

WRITABLE = ("Empty", "Written")
"""The states of a volume that is set up."""

NEW_CONTAINER = ("restart", "liveness_failed")
"""The steps that put a new container in the place of an old one."""

BY_KUBELET = ("start", "restart")
"""The steps of a container that the kubelet owes. The others are done by the program, or befall it."""


def situation(profile: Profile) -> Situation:
    """The situation in a profile. That a sandbox dies, and that a container has a layer, only v0.17.0 says."""
    return Situation(
        "sharing",
        "two containers of a pod with one network and one volume: started, writing, restarted, killed",
        _network(profile),
        tuple(_properties() + ([] if profile.name == "seed" else _code_properties())),
    )


def _network(profile: Profile) -> Network:
    table, sandbox, volume = profile.containers[POLICY], profile.parts[SANDBOX], profile.parts[VOLUME]
    components: dict[str, Table] = {SANDBOX: sandbox, VOLUME: volume, **dict.fromkeys(MEMBERS, table)}
    components[WORLD] = world("pod.sharing.volumes")
    there = inside(SANDBOX, *(state for state in sandbox.states if state != "Released"))
    gone, up = inside(SANDBOX, "Released"), inside(SANDBOX, *(state for state in UP if state in sandbox.states))
    kill = dict.fromkeys(MEMBERS, "kill") if "kill" in table.events else {}
    kubelet, steps = [], []
    for event in sandbox.events:
        if event in NETWORKING:
            kubelet.append(Vector(event, {SANDBOX: event}))
        else:  # the sandbox dies, the pod ends, or somebody wanted the host's network
            steps.append(Vector(event, {SANDBOX: event}, {} if event == "create_on_host" else kill))
    kubelet.append(Vector("set_up", {VOLUME: "set_up"}, when=(there,)))
    if "set_up_failed" in volume.events:
        steps += [
            Vector("set_up_failed", {VOLUME: "set_up_failed"}),
            Vector("destroy", {VOLUME: "destroy"}, when=(gone,)),
        ]
    steps += [Vector(f"write({c})", {VOLUME: "write"}, when=(inside(c, "Running"),)) for c in MEMBERS]
    layered = LAYER in profile.parts
    if layered:
        components[LAYER] = profile.parts[LAYER]
        steps.append(Vector("write_outside", {LAYER: "write_outside"}, when=(inside(MEMBERS[0], "Running"),)))
    for c in MEMBERS:
        for event in table.events:
            when = (up, inside(VOLUME, *WRITABLE)) if event == "start" else (there,)
            clean = {LAYER: "new_container"} if layered and c == MEMBERS[0] and event in NEW_CONTAINER else {}
            if event != "kill":
                (kubelet if event in BY_KUBELET else steps).append(Vector(f"{event}({c})", {c: event}, clean, when))
    return Network(f"{profile.name}: sharing", components, (SETTLE, *by_world(steps), *kubelet))


# --- what must hold -------------------------------------------------------------------------------------------------


def _properties() -> list[Property]:
    def with_network(view: View) -> Bools:
        return view.is_in(SANDBOX, *UP) | ~_some_runs(view)

    def with_volume(view: View) -> Bools:
        return view.is_in(VOLUME, *WRITABLE) | ~_some_runs(view)

    def content_stays(before: View, _: Labels, after: View) -> Bools:
        return ~before.is_in(VOLUME, "Written") | before.is_in(SANDBOX, "Released") | after.is_in(VOLUME, "Written")

    def restarted_with_content(before: View, events: Labels, _: View) -> Bools:
        return events.is_event("restart") & before.is_in(VOLUME, "Written")

    return [
        Always("a container runs only while its pod has a network", ("pod.sharing.network",), with_network),
        Always("a container runs only with the volume set up", ("pod.sharing.volumes",), with_volume),
        Sometimes("both containers run", ("pod.sharing.network", "pod.sharing.volumes"),
                  lambda view: all_of(view.is_in(c, "Running") for c in MEMBERS)),
        AlwaysStep("what was written to the volume is there as long as the pod is", ("pod.sharing.survives-restart",),
                   content_stays),
        SometimesStep("a container is restarted when something is in the volume", ("pod.sharing.survives-restart",),
                      restarted_with_content),
        *(_starts(c) for c in MEMBERS),
    ]  # fmt: skip


def _starts(c: str) -> Property:
    def waits(view: View) -> Bools:
        return view.is_in(c, "Waiting", "Restarting") & view.is_in(WORLD, "Quiet") & ~view.is_in(SANDBOX, "Released")

    fair = (named(*NETWORKING), named("set_up"), named(f"start({c})"))
    return Eventually(f"{c}: it is started once the pod has what it shares", ("pod.sharing.network",), waits,
                      lambda view: ~waits(view), fair)  # fmt: skip


def _code_properties() -> list[Property]:
    def death_ends_all(_: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("sandbox_died") | ~_some_runs(after)

    def died_while_running(before: View, events: Labels, _: View) -> Bools:
        return events.is_event("sandbox_died") & _some_runs(before)

    def layer_lost(_: View, events: Labels, after: View) -> Bools:
        return ~_is_new(events) | after.is_in(LAYER, "Clean")

    def layer_lost_volume_kept(before: View, events: Labels, after: View) -> Bools:
        both = before.is_in(LAYER, "Dirty") & before.is_in(VOLUME, "Written")
        return _is_new(events) & both & after.is_in(LAYER, "Clean") & after.is_in(VOLUME, "Written")

    def sandbox_replaced(before: View, events: Labels, _: View) -> Bools:
        return events.is_event("create_sandbox") & before.is_in(SANDBOX, "Dead") & before.is_in(VOLUME, "Written")

    def destroyed_at_the_end(before: View, events: Labels, _: View) -> Bools:
        return ~events.is_event("destroy") | (before.is_in(SANDBOX, "Released") & ~_some_runs(before))

    return [
        AlwaysStep("no container outlives its sandbox", ("pod.restart.sandbox-died", "pod.sharing.pause-essential"),
                   death_ends_all),
        SometimesStep("a sandbox dies while containers run", ("pod.restart.sandbox-died",), died_while_running),
        SometimesStep("a sandbox is replaced when something is in the volume", ("pod.sharing.survives-sandbox",),
                      sandbox_replaced),
        AlwaysStep("a new container has a clean layer", ("pod.sharing.own-layer-lost",), layer_lost),
        SometimesStep("a layer is lost and the volume is not",
                      ("pod.sharing.own-layer-lost", "pod.sharing.survives-restart"), layer_lost_volume_kept),
        Sometimes("a container runs in the network of the host", ("pod.sharing.host-network",),
                  lambda view: view.is_in(SANDBOX, "OnHost") & _some_runs(view)),
        AlwaysStep("a volume is destroyed only at the end of its pod", ("pod.sharing.emptied-at-end",),
                   destroyed_at_the_end),
        SometimesStep("a volume is destroyed", ("pod.sharing.emptied-at-end",),
                      lambda _, events, __: events.is_event("destroy")),
    ]  # fmt: skip


def _is_new(events: Labels) -> Bools:
    return events.is_vector(*(f"{event}({MEMBERS[0]})" for event in NEW_CONTAINER))


def _some_runs(view: View) -> Bools:
    return any_of(view.is_in(c, "Running") for c in MEMBERS)
