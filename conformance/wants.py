"""What a scenario waits for, compared with what is seen: used while it runs, and again when its history is judged."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from conformance.history import ControllerWant, EventWant, NodeWant, PodWant, Want
from conformance.runtime import EventSeen, NodeSeen, PodSeen


def pod_is_so(seen: PodSeen | None, want: PodWant) -> bool:
    """Whether a pod looks as wanted."""
    if seen is None:
        return False
    if want.gone or seen.deleted:
        return want.gone and seen.deleted
    statuses = {c.name: c for c in seen.containers or ()}
    return (
        want.phase in (None, seen.phase)
        and want.bound in (None, seen.node is not None)
        and all(n in statuses and (statuses[n].restarts or 0) >= least for n, least in (want.restarts or {}).items())
        and all(n in statuses and statuses[n].state == state for n, state in (want.states or {}).items())
        and all(n in statuses and statuses[n].instance != over for n, over in (want.after or {}).items())
    )


def node_is_so(seen: NodeSeen | None, want: NodeWant) -> bool:
    """Whether a node looks as wanted."""
    if seen is None:
        return False
    if want.gone or seen.deleted:
        return want.gone and seen.deleted
    return (
        want.phase in (None, seen.phase)
        and want.reachable in (None, seen.reachable)
        and want.ready in (None, seen.ready)
        and want.unschedulable in (None, seen.unschedulable)
    )


def event_is_so(seen: EventSeen, want: EventWant) -> bool:
    """Whether an event is the wanted one."""
    return seen.object_name == want.pod and seen.reason == want.reason and want.container in (None, seen.container)


def controller_is_so(pods: Iterable[PodSeen], want: ControllerWant) -> bool:
    """Whether enough pods of a replication controller run as wanted, and not too many are there."""
    own = [pod for pod in pods if pod.owner == want.controller and not pod.deleted]
    active = [pod for pod in own if pod.phase not in ("Succeeded", "Failed")]
    running = [
        pod for pod in own
        if pod.phase == "Running" and pod.node != want.elsewhere and pod.name not in want.besides
    ]  # fmt: skip
    return len(running) >= want.running and (want.most is None or len(active) <= want.most)


def want_about(want: Want) -> str:
    """The name of what a wanted state is about."""
    match want:
        case NodeWant():
            return want.node
        case ControllerWant():
            return want.controller
        case _:
            return want.pod


def want_told(want: Want) -> str:
    """A wanted state in words."""
    told = msgspec.to_builtins(want)
    kind = told.pop("type")
    return f"{kind} {told.pop(kind, None) or told.pop('pod', '')} " + " ".join(f"{k}={v}" for k, v in told.items())
