"""The tables, entered a second time by another key: not by state, but by event. It guards against slips of the hand;
what the tables say of Kubernetes is for the properties to prove. These principles hold of every table:

1. An event leads from one state to one state; chance may choose only in CHANCE.
2. It leads to the same state wherever it happens; but some events count, or go to and fro: BY_STATE.
3. An event that would change nothing is refused; but some may happen AGAIN, and some are accepted and always LEAVE
   things as they are: in the states named there, and in no other ones.
4. What is over stays over: the states in ENDS are those that nothing leads out of.
5. An event has one state in which it happens. But what comes from outside asks for nothing, and happens wherever
   something is left to change: ANYWHERE; and some events happen in just the states that SEVERAL names.

A table is given by its own name, by that of its kind (``container`` for ``container/Never``), or by either in one
profile. The phase tables are held otherwise: they choose, as they do not know the containers, and `kubephase verify`
proves that the containers do what these tables say, and take every row of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from model.container import ENDED
from model.kubelet import GONE, PHASES
from model.lts.table import Row, Table
from model.pod import standing
from model.profiles import Profile
from model.replication import REFUSED, WANT

Events = Mapping[str, Sequence[str]]
States = Mapping[str, Mapping[str, Sequence[str]]]

CHANCE: Events = {"tokens": ("take",)}
"""A token is taken: it may have been the last one."""

BY_STATE: Events = {
    "controller": ("scale_up", "scale_down"),
    "active": ("create", "remove", "gain", "lose"),
    "object": ("delete", "delete_gracefully"),  # the phase that was written last stays with what is gone
    "nodelabels": ("relabel",),
    "stored": ("write",),
}

AGAIN: States = {
    "Ready": {"post_ready": ("True",), "post_not_ready": ("False",)},
    "timer": {"restart": ("Armed",)},
    "grace": {"cancel": ("Armed",), "restart": ("Armed",)},
    "eviction": {"cancel": ("Armed",), "restart": ("Armed",), "fire": ("Fired",)},
    "stamp": {"stamp": ("Fresh",)},
    "tokens": {"take": ("Some",)},
    "layer": {"write_outside": ("Dirty",)},
    "past": {"finish": ("Finished",)},
    "old": {"keep": ("Kept",)},
    "count": {"undercount": ("Low",)},
    "status": {f"publish_{state.lower()}": (state,) for state in ("Pending", "Unset", "Lost", "Running")},
    "object": {f"write_{phase.lower()}": (phase,) for phase in PHASES},
    "shownphase": {"show_pending": ("Pending",), "show_running": ("Running",)},
    "queue": {"emit": ("Waiting",)},
    "stored": {"write": ("Repeated",)},
    "seed volume": {"write": ("Written",)},
    "v0.17.0 volume": {"write": ("Written",), "set_up": ("Empty", "Written")},
    "seed noderecord": {"register": ("Recorded",)},
    "v0.17.0 noderecord": {"register": ("Filled", "Bare")},
}

LEAVE: States = {
    "grace": {"read_failed": ("Elapsed",), "write_failed": ("Elapsed",)},
    "v0.17.0 volume": {"set_up_failed": ("NotSetUp",)},
    "v0.17.0 container": {"recreate": ("Waiting", "Restarting")},
    "v0.17.0 record": {"sandbox_died": ("Bound",)},
    "v0.17.0 slot": {"fit_nowhere": ("Unbound",)},
    "v0.17.0 sync": {"attempt_failed": ("Registering",), "list_failed": ("Cloud",)},
    "v0.17.0 controller": {event: tuple(WANT) for event in REFUSED},
    "newest": {"probe_error": ("Running",), "pull_failed": ("NoInstance", "ExitedBadly")},
}

ENDS: Events = {
    "node": ("Removed",),
    "record": ("Deleted",),
    "sandbox": ("Released",),
    "v0.17.0 volume": ("Destroyed",),
    "instance": ("Stopped",),
    "nodephase": ("Pending", "Running", "Terminated", "AnyString"),  # whoever creates the node writes it, once
    "status": ("Succeeded",),
    "object": tuple(GONE.values()),
    "member": ("Stopped",),
    "hooks": ("PostStartRun",),
    "told": ("Killing",),
    "admitted": ("Failed",),
    "earlier": ("Gone",),
    "wishes": ("SamePort", "TooMuch"),
    "allowed": ("Forbidden",),
    "working": ("Ended",),
    "count": ("Low",),
    "past": ("Finished",),
    "stored": ("Repeated",),
    "seed volume": ("Written",),
    "seed container/Always": ("Killed",),
    "seed container/OnFailure": ("Completed", "Killed"),
    "v0.17.0 container/OnFailure": ("Completed",),
    "container/Never": ENDED,
}
"""Nothing leads out of them but what may happen again. A slot has no such state: it takes a new pod."""

ANYWHERE: Events = {
    "seed node": ("terminate", "remove"),
    "NodeReachable": ("reachable", "unreachable", "reachability_lost"),
    "NodeReady": ("ready", "not_ready", "readiness_lost"),
    "Ready": ("post_ready", "post_not_ready"),
    "record": ("delete",),
    "v0.17.0 machine": ("instance_deleted",),
    "seed sync": ("stop",),
    "timer": ("cancel",),
    "controller": ("withdraw",),
    "v0.17.0 noderecord": ("delete", "delete_by_hand"),
    "grace": ("cancel", "restart"),
    "eviction": ("cancel", "restart"),
    "agent": ("crash",),
    "runtime": ("recover",),
    "image": ("restore_image",),
    "status": tuple(f"publish_{state}" for state in ("pending", "unset", "lost", "running", "succeeded")),
    "object": (*(f"write_{phase.lower()}" for phase in PHASES), "delete", "delete_gracefully"),
    "member": ("ask_to_stop",),
    "admitted": ("refuse_port", "refuse_selector", "refuse_capacity"),
    "nodelabels": ("relabel",),
    "shownphase": ("object_gone",),
    "stored": ("write",),
}

SEVERAL: States = {
    "seed container/Always": {"start": ("Waiting", "Restarting"), "restart": ("Completed", "Error", "OOMKilled")},
    "seed container/OnFailure": {"start": ("Waiting", "Restarting"), "restart": ("Error", "OOMKilled")},
    "v0.17.0 container": {"start": ("Waiting", "Restarting")},
    "v0.17.0 container/Always": {"restart": ENDED},
    "v0.17.0 container/OnFailure": {"restart": ("Error", "OOMKilled", "Killed")},
    "seed record": {
        "expire_failed": ("DiskDied", "NodeLost"),
        "node_terminated": ("Bound", "DiskDied", "NodeLost"),
    },
    "v0.17.0 record": {"evict": ("Bound", "Refused")},
    "slot": {"create": ("Absent", "Deleted")},
    "seed slot": {
        "delete": ("Unbound", "Bound", "DiskDied", "NodeLost", "Succeeded", "Failed"),
        "expire": ("Succeeded", "Failed"),
        "expire_failed": ("DiskDied", "NodeLost"),
        "node_terminated": ("Bound", "DiskDied", "NodeLost", "Succeeded", "Failed"),
    },
    "v0.17.0 slot": {
        "create_bound": ("Absent", "Deleted"),
        "delete": ("Unbound", "Bound", "Refused", "Succeeded", "Failed"),
        "evict": ("Bound", "Refused", "Succeeded", "Failed"),
    },
    "Ready": {"silent": ("True", "False")},
    "v0.17.0 sync": {"stop": ("Cloud", "CloudOff", "Static")},
    "timer": {"restart": ("Elapsed", "Fired")},
    "controller": {"scale_up": ("Want0", "Want1"), "scale_down": ("Want1", "Want2")},
    "active": {
        "create": ("Have0", "Have1"),
        "gain": ("Have0", "Have1", "Have2"),
        "remove": ("Have1", "Have2", "Have3"),
        "lose": ("Have1", "Have2", "Have3"),
    },
    "v0.17.0 sandbox": {
        "create_sandbox": ("NoSandbox", "Dead"),
        "create_on_host": ("NoSandbox", "Dead"),
        "sandbox_died": ("Addressed", "OnHost"),
        "release": ("Addressed", "OnHost", "Dead"),
    },
    "v0.17.0 volume": {"destroy": ("Empty", "Written")},
    "earlier": {"leave": ("Running", "Ended")},
    "newest": {"record_gone": ("ExitedWell", "ExitedBadly")},
}
"""Where an event happens that changes something, if neither in one state nor in every one."""


def broken(profile: Profile) -> list[str]:
    """Where a table of the profile breaks a principle, in words."""
    tables = [table for table in profile.tables() if not table.name.startswith("pod/")]
    regions = [region for table in tables for inner in table.regions.values() for region in inner]
    return [problem for table in (*tables, *regions) for problem in _broken(profile.name, table)]


def _broken(profile: str, table: Table) -> Iterator[str]:
    names = _names(profile, table)
    again, leave, several = (
        {event: states for name in names for event, states in named.get(name, {}).items()}
        for named in (AGAIN, LEAVE, SEVERAL)
    )
    stays = {**again, **leave}
    chance, by_state, anywhere, ends = (
        {word for name in names for word in named.get(name, ())} for named in (CHANCE, BY_STATE, ANYWHERE, ENDS)
    )
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in table.rows:
        rows[standing(row.event)].append(row)
    left = {standing(row.source) for row in table.rows if row.source != row.target}
    over = {standing(state) for state in table.states} - left
    if over != ends:
        yield f"{table.name}: for ever are {_told(over)}; expected: {_told(ends)}"
    for event in {*rows, *stays, *several, *anywhere}:
        own = rows[event]
        sources = {standing(row.source) for row in own if row.source != row.target}
        targets = {standing(row.target) for row in own if row.source != row.target}
        kept = {standing(row.source) for row in own if row.source == row.target}
        if event not in chance and len({row.source for row in own}) < len(own):
            yield f"{table.name}: {event} leads from one state to several, by chance"
        if event not in (*by_state, *chance) and len(targets) > 1:
            yield f"{table.name}: {event} leads to several states: {_told(targets)}"
        if kept != set(stays.get(event, ())):
            yield f"{table.name}: {event} changes nothing in {_told(kept)}; expected: {_told(stays.get(event, ()))}"
        if event in anywhere:
            everywhere = {standing(state) for state in table.states} - ends - kept
            expected = everywhere if event in by_state else everywhere - targets
        elif event in several:
            expected = set(several[event])
        else:
            expected = sources if len(sources) == 1 and event not in leave else set()
        if sources != expected or not own:
            yield f"{table.name}: {event} happens in {_told(sources)}; expected: {_told(expected)}"


def _names(profile: str, table: Table) -> tuple[str, ...]:
    kind = table.name.partition("/")[0]
    return tuple(dict.fromkeys((kind, table.name, f"{profile} {kind}", f"{profile} {table.name}")))


def _told(states: Sequence[str] | set[str]) -> str:
    return ", ".join(sorted(states)) or "nowhere"
