"""Restarting (v0.17.0): one container under OnFailure, and all that its kubelet may meet with on the way."""

from __future__ import annotations

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
from model.profiles import Profile
from model.situations.situation import SETTLE, WORLD, Situation, by_world, inside, same, world

PARTS = ("agent", "podsync", "newest", "past", "old", "count", "runtime", "image", "memory", "status")

UP = inside("agent", "Up", "UpAgain")
DUE = inside("podsync", "Due")
NOT_OVER = (inside("memory", "Open"), inside("status", "Pending", "Unset", "Lost", "Running"))
"""The pod is synced: the kubelet does not know that it has ended, neither by itself nor from the API."""

ASKED = inside("runtime", "Answers")
GUESSED = inside("runtime", "Answers", "Broken")
"""The sync goes on: after an error of the runtime with an empty list."""


def situation(profile: Profile) -> Situation:
    """The situation, which only v0.17.0 has."""
    return Situation(
        "restarting",
        "a container that exits, is restarted, loses its image or its record; a kubelet and a runtime that fail",
        _network(profile),
        tuple(_properties()),
    )


def _network(profile: Profile) -> Network:
    link, sandbox = profile.parts["link"], profile.parts["sandbox"]
    components = {name: profile.parts[name] for name in PARTS}
    components |= {"link": link, "sandbox": sandbox, WORLD: world("pod.restart.kubelet-decides")}
    there = inside("sandbox", "Addressed")
    by_others = [
        Vector("exit_zero", {"newest": "exit_zero", "past": "finish"}),
        *(Vector(event, {"newest": event}) for event in ("exit_failure", "probe_error", "record_gone")),
        Vector("crash", {"agent": "crash"}, {"memory": "forget"}),
        *(Vector(event, {"runtime": event}) for event in ("stall", "break_down", "recover")),
        *(Vector(event, {"image": event}) for event in ("remove_image", "hide_image", "restore_image")),
        *(Vector(event, {"link": event}) for event in ("cut", "heal")),
        Vector("any_change", {"podsync": "any_change"}, when=(UP,)),
        Vector("collect", {"old": "collect"}),
    ]
    syncing = (UP, DUE, *NOT_OVER)
    restart = (*syncing, GUESSED, inside("image", "Present"), there)
    by_kubelet = [
        Vector("start_again", {"agent": "start_again"}),
        Vector("period", {"podsync": "period"}, when=(UP,)),
        Vector("create_sandbox", {"sandbox": "create_sandbox"}, when=(*syncing, inside("sandbox", "NoSandbox"))),
        Vector("create", {"newest": "create"}, when=restart),
        Vector("start", {"newest": "start"}, when=(*syncing, there)),
        Vector("hook_failed", {"newest": "hook_failed"}, when=(UP, DUE)),
        Vector("restart", {"newest": "restart", "old": "keep"}, when=(*restart, inside("agent", "Up"))),
        Vector("restart(again)", {"newest": "restart", "old": "keep"}, when=(*restart, inside("agent", "UpAgain"))),
        Vector("restart(undercounted)", {"newest": "restart", "old": "keep", "count": "undercount"},
               when=(*restart, inside("agent", "UpAgain"))),
        Vector("restart_ended", {"newest": "restart_ended", "old": "keep"},
               when=(*restart, inside("runtime", "Broken"))),
        Vector("pull_failed", {"newest": "pull_failed"},
               when=(*syncing, ASKED, inside("image", "Missing"))),
        *_publishing(),
        Vector("end_sandbox", {"sandbox": "release"}, when=(UP, inside("memory", "Final"))),
    ]  # fmt: skip
    return Network(f"{profile.name}: restarting", components, (SETTLE, *by_world(by_others), *by_kubelet))


def _publishing() -> list[Vector]:
    """The end of a sync: the status is computed, and written if the node is not cut off."""
    syncing, online = (UP, DUE, *NOT_OVER), inside("link", "Up")
    without_image = inside("image", "Missing", "Hidden")
    cases = [
        ("pending", "created", (ASKED, inside("newest", "Created"))),
        ("pending", "no image", (ASKED, inside("newest", "NoInstance"), inside("image", "Missing"))),
        ("unset", "", (ASKED, inside("newest", "NoInstance"), inside("image", "Hidden"))),
        ("running", "", (ASKED, inside("newest", "Running"))),
        ("running", "dead", (ASKED, inside("newest", "ExitedBadly"), without_image)),
        ("succeeded", "", (ASKED, inside("newest", "ExitedWell"))),
        ("lost", "", (inside("runtime", "Broken"),)),
    ]
    found = []
    for status, case, when in cases:
        known = {"memory": "conclude"} if status == "succeeded" else {}
        name = f"publish_{status}" + (f"({case})" if case else "")
        moves = {"podsync": "synced", "status": f"publish_{status}", **known}
        found.append(Vector(name, moves, when=(*syncing, online, *when)))
    found += [
        Vector("sync_unavailable", {"podsync": "synced"}, when=(*syncing, inside("runtime", "Unavailable"))),
        Vector("sync_cut", {"podsync": "synced"}, when=(*syncing, ASKED, inside("link", "Cut"),
                                                     inside("newest", "Created", "Running"))),
        Vector("sync_cut(ended)", {"podsync": "synced", "memory": "conclude"},
               when=(*syncing, ASKED, inside("link", "Cut"), inside("newest", "ExitedWell"))),
        Vector("publish_succeeded(remembered)", {"status": "publish_succeeded"},
               when=(UP, online, inside("memory", "Final"))),
        Vector("sync_over", {"podsync": "synced", "memory": "conclude"},
               when=(UP, DUE, inside("memory", "Open"), inside("status", "Succeeded"))),
    ]  # fmt: skip
    return found


# --- what must hold -------------------------------------------------------------------------------------------------


def _properties() -> list[Property]:
    def kept(before: View, events: Labels, after: View) -> Bools:
        ends = events.is_event("exit_zero", "exit_failure", "hook_failed")
        return ~before.is_in("newest", "Running") | after.is_in("newest", "Running") | ends

    def nothing_left(before: View, events: Labels, _: View) -> Bools:
        startable = before.is_in("newest", "ExitedBadly") & before.is_in("image", "Present")
        ended = events.is_event("publish_pending", "publish_unset", "publish_running", "publish_succeeded", "sync_cut")
        return ~(ended & startable)

    def restarted_cut_off(before: View, events: Labels, _: View) -> Bools:
        return events.is_event("restart") & before.is_in("link", "Cut")

    def owed(view: View) -> Bools:
        able = view.is_in("runtime", "Answers") & view.is_in("image", "Present") & view.is_in("sandbox", "Addressed")
        return view.is_in("newest", "ExitedBadly") & able & view.is_in(WORLD, "Quiet")

    def ended_stays(before: View, _: Labels, after: View) -> Bools:
        again = before.is_in("newest", "ExitedWell") & after.is_in("newest", "Created")
        return ~again | before.is_in("runtime", "Broken")

    def finished_anew(before: View, events: Labels, _: View) -> Bools:
        return events.is_event("create") & before.is_in("past", "Finished")

    def finished_anew_after_crash(before: View, events: Labels, after: View) -> Bools:
        return (
            events.is_event("crash")
            & before.is_in("memory", "Final")
            & after.is_in("memory", "Open")
            & ~before.is_in("status", "Succeeded")
        )

    def old_kept(before: View, events: Labels, after: View) -> Bools:
        lost = before.is_in("old", "Kept") & after.is_in("old", "NoneKept") & ~events.is_event("collect")
        return ~lost & (~events.is_event("restart", "restart_ended") | after.is_in("old", "Kept"))

    def low_after_restart(before: View, _: Labels, after: View) -> Bools:
        return after.is_in("count", "Exact") | before.is_in("count", "Low") | before.is_in("agent", "UpAgain")

    def made_not_started(before: View, events: Labels, after: View) -> Bools:
        in_vain = same(before, after, "newest")
        return ~events.is_event("create", "restart", "restart_ended") | after.is_in("newest", "Created") | in_vain

    def ended_as_it_exited(_: View, events: Labels, after: View) -> Bools:
        well, badly = after.is_in("newest", "ExitedWell"), after.is_in("newest", "ExitedBadly")
        return (~events.is_event("exit_zero") | well) & (~events.is_event("exit_failure") | badly)

    def hook_ends(_: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("hook_failed") | after.is_in("newest", "ExitedBadly")

    def pull_changes_nothing(before: View, events: Labels, after: View) -> Bools:
        return ~events.is_event("pull_failed") | same(before, after, "newest", "status")

    def dead_without_image(before: View, events: Labels, _: View) -> Bools:
        dead = before.is_in("newest", "ExitedBadly") & before.is_in("image", "Missing")
        return events.is_event("publish_running") & dead

    def as_it_is(before: View, events: Labels, _: View) -> Bools:
        wanted = {
            "publish_pending": ("Created", "NoInstance"),
            "publish_unset": ("NoInstance",),
            "publish_running": ("Running", "ExitedBadly"),
        }
        right = ~events.is_event(*wanted)
        for event, states in wanted.items():
            right = right | (events.is_event(event) & before.is_in("newest", *states))
        return right

    def kept_while_unavailable(before: View, _: Labels, after: View) -> Bools:
        asked = before.is_in("runtime", "Answers", "Broken") | before.is_in("memory", "Final")
        return asked | same(before, after, "status")

    def to_be_ended(view: View) -> Bools:
        over = view.is_in("memory", "Final") & view.is_in("agent", "Up", "UpAgain")
        return over & view.is_in("sandbox", "Addressed") & view.is_in(WORLD, "Quiet")

    def ended_with_all(before: View, events: Labels, _: View) -> Bools:
        return ~events.is_event("end_sandbox") | before.is_in("memory", "Final")

    return [
        AlwaysStep("what runs well is kept", ("pod.container.healthy-kept",), kept),
        AlwaysStep("a sync leaves nothing dead that is to be restarted",
                   ("pod.restart.no-back-off", "pod.restart.next-sync"), nothing_left),
        SometimesStep("a container is restarted while its node is cut off",
                      ("pod.restart.while-partitioned", "pod.restart.kubelet-decides"), restarted_cut_off),
        SometimesStep("a change elsewhere makes a sync due", ("pod.restart.any-change-syncs",),
                      lambda before, events, _: events.is_event("any_change") & before.is_in("podsync", "Idle")),
        Eventually("what has failed is restarted", ("pod.restart.next-sync", "pod.restart.kubelet-decides"), owed,
                   lambda view: ~owed(view),
                   (named("start_again"), named("period"),
                    named("restart", "restart(again)", "restart(undercounted)"))),
        AlwaysStep("what has ended well is started again only on an error of the runtime",
                   ("pod.restart.never.runtime-error",), ended_stays),
        SometimesStep("an error of the runtime starts what has ended well", ("pod.restart.never.runtime-error",),
                      lambda _, events, __: events.is_event("restart_ended")),
        SometimesStep("what had finished is created anew: its record was gone", ("pod.restart.never.record-gone",),
                      finished_anew),
        SometimesStep("a crash makes the kubelet forget an end that it has not written", ("pod.restart.kubelet-crash",),
                      finished_anew_after_crash),
        AlwaysStep("the old instance is kept until it is collected", ("pod.restart.old-kept",), old_kept),
        AlwaysStep("a count is too low only after a restart of the kubelet",
                   ("pod.restart.count-after-kubelet-restart",), low_after_restart),
        Sometimes("a count is too low", ("pod.restart.count-after-kubelet-restart",),
                  lambda view: view.is_in("count", "Low")),
        AlwaysStep("what has been created is not started yet", ("pod.container.start-never-ran",), made_not_started),
        AlwaysStep("a container has ended as its exit code says", ("pod.restart.exit-code-only",), ended_as_it_exited),
        AlwaysStep("a hook that fails ends the container", ("pod.container.post-start",), hook_ends),
        AlwaysStep("a pull that fails changes nothing", ("pod.phase.image-missing",), pull_changes_nothing),
        SometimesStep("without its image a dead container shows as it ended",
                      ("pod.phase.image-missing.earlier-instance",), dead_without_image),
        AlwaysStep("the status tells of the newest instance", ("pod.phase.recomputed",), as_it_is),
        SometimesStep("no state is set: nobody knows of the image", ("pod.container.image-query-failed",),
                      lambda _, events, __: events.is_event("publish_unset")),
        AlwaysStep("the status stays while the runtime cannot be asked", ("pod.phase.status-kept",),
                   kept_while_unavailable),
        Eventually("the sandbox ends with the pod", ("pod.container.sandbox-ends",), to_be_ended,
                   lambda view: ~to_be_ended(view), (named("end_sandbox"),)),
        AlwaysStep("the sandbox ends with the pod only", ("pod.container.sandbox-ends",), ended_with_all),
    ]  # fmt: skip
