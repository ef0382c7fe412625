"""The flags and constants of v0.17.0: who has them, what they are by default, and what they mean.

The tables of the controllers are abstract: a timer of theirs is armed, elapses and fires. How long that takes stands
here, and only here. ``table`` names the table whose steps the setting times; ``seen`` says where a recording of a real
cluster shows the value, and is empty where none does.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from model.listing import Listing

Value = float | int | bool | str
MINUTE, HOUR = 60, 3600

NODE_CONTROLLER, REPLICATION, SCHEDULER = "node controller", "replication controller", "scheduler"
KUBELET, API_SERVER = "kubelet", "API server"


@dataclass(frozen=True)
class Setting:
    """A flag, or a constant where ``flag`` is empty. ``default`` is in ``unit``; times are in seconds."""

    name: str
    owner: str
    flag: str
    default: Value
    unit: str
    meaning: str
    rules: tuple[str, ...]
    table: str = ""
    seen: str = ""

    @property
    def number(self) -> float:
        """The default as a number. Raises ValueError for a setting that is none."""
        return float(self.default)


SETTINGS = (
    Setting(
        "heartbeat", KUBELET, "--node-status-update-frequency", 10, "s", "the kubelet posts the status of its node",
        ("node.condition.heartbeat-period",), "node", "v0.17.0: all with two node frames",
    ),
    Setting(
        "first heartbeat", KUBELET, "", 0.1, "s", "the delay before the first heartbeat of a kubelet that started",
        ("node.condition.heartbeat-ramp",), "node",
    ),
    Setting(
        "longer each time", KUBELET, "", 0.5, "s", "each further delay is so much longer, up to the period",
        ("node.condition.heartbeat-ramp",), "node", "v0.17.0: s17, after the kubelet came back",
    ),
    Setting(
        "tries of a heartbeat", KUBELET, "", 5, "", "at once, one after the other",
        ("node.condition.heartbeat-retries",)
    ),
    Setting(
        "runtime polled", KUBELET, "", 5, "s", "the kubelet asks its runtime for its version",
        ("node.condition.runtime-polled",),
    ),
    Setting(
        "answer of the runtime", KUBELET, "", 0.1, "s", "how long each such question may take",
        ("node.condition.runtime-polled",),
    ),
    Setting(
        "runtime down", KUBELET, "", 5 * MINUTE, "s", "the runtime has not answered for so long: Ready becomes False",
        ("node.condition.ready-means",), "node",
    ),
    Setting(
        "pod sync", KUBELET, "--sync-frequency", 10, "s", "at the latest then each pod is synced again",
        ("pod.restart.sync-period",), "", "v0.17.0: from each end of a container to its restart",
    ),
    Setting(
        "runtime cache", KUBELET, "", 2, "s", "so old what the kubelet knows of its runtime may be",
        ("pod.container.cache-age",),
    ),
    Setting(
        "dead kept of a container", KUBELET, "--maximum-dead-containers-per-container", 5, "",
        "so many dead instances of one container of a pod stay when they are collected", ("pod.container.dead-kept",),
    ),
    Setting(
        "dead kept in all", KUBELET, "--maximum-dead-containers", 100, "", "so many dead containers stay on a node",
        ("pod.container.dead-kept-in-all",),
    ),
    Setting(
        "age of the dead", KUBELET, "--minimum-container-ttl-duration", MINUTE, "s",
        "a dead container that is younger is not collected", ("pod.container.dead-min-age",),
    ),
    Setting(
        "containers collected", KUBELET, "", MINUTE, "s", "how often dead containers are collected",
        ("pod.container.collected",),
    ),
    Setting(
        "images collected", KUBELET, "", 5 * MINUTE, "s", "how often images are collected", ("pod.container.collected",)
    ),
    Setting(
        "image pulls", KUBELET, "--registry-qps", 0, "per s", "how many images are pulled; 0 is without a limit",
        ("pod.container.pull-rate",),
    ),
    Setting(
        "stop", KUBELET, "", 10, "s", "a container that is to stop is killed after so long, whatever its pod asks for",
        ("pod.life.stop-time-out",), "", "v0.17.0: from signal 15 to signal 9 in every engine event log",
    ),
    Setting(
        "host network", KUBELET, "--host-network-sources", "file", "",
        "the sources whose pods may use the host's network",
        ("pod.sharing.host-network-sources",), "sandbox",
    ),
    Setting(
        "pause image", KUBELET, "", "gcr.io/google_containers/pause:0.8.0", "",
        "the image of each pod's sandbox; the document takes it for a test image", ("pod.sharing.pause-image",),
        "sandbox",
        "v0.17.0: every sandbox in the engine event logs",
    ),
    Setting(
        "node monitor", NODE_CONTROLLER, "--node-monitor-period", 5, "s", "one pass over all nodes",
        ("nodecontroller.health.monitor-period",), "", "v0.17.0: s17, while Unknown is written again and again",
    ),
    Setting(
        "grace", NODE_CONTROLLER, "--node-monitor-grace-period", 40, "s", "silent for longer: Ready becomes Unknown",
        ("node.condition.silent", "nodecontroller.health.strict"), "grace", "v0.17.0: s17, there 10 s",
    ),
    Setting(
        "start-up grace", NODE_CONTROLLER, "--node-startup-grace-period", 60, "s",
        "never heard for longer than this since its creation: Ready becomes Unknown",
        ("node.condition.never-reported", "nodecontroller.health.strict"), "grace",
    ),
    Setting(
        "eviction", NODE_CONTROLLER, "--pod-eviction-timeout", 5 * MINUTE, "s",
        "the pods of a lost node are deleted so long after the last heartbeat, less the grace",
        ("nodecontroller.health.eviction-delay", "pod.partition.deleted-after", "nodecontroller.health.strict"),
        "eviction", "v0.17.0: s17, there 20 s",
    ),
    Setting(
        "eviction tokens", NODE_CONTROLLER, "--deleting-pods-qps", 0.1, "per s",
        "how fast tokens for evictions come back",
        ("nodecontroller.health.token-refill",), "tokens",
    ),
    Setting(
        "eviction tokens at most", NODE_CONTROLLER, "--deleting-pods-burst", 10, "", "and so many there are at a time",
        ("nodecontroller.health.token-burst",), "tokens",
    ),
    Setting(
        "tries of a status write", NODE_CONTROLLER, "", 5, "", "in one pass, for one node",
        ("nodecontroller.health.write-retries",), "grace",
    ),
    Setting(
        "node sync", NODE_CONTROLLER, "--node-sync-period", 10, "s",
        "the cloud's list is read, and a registration that failed is tried again",
        ("nodecontroller.sync.period", "nodecontroller.sync.period-default"), "sync",
    ),
    Setting(
        "tries of a registration", NODE_CONTROLLER, "--register-retry-count", 10, "",
        "for each node of the static list",
        ("nodecontroller.sync.retry-count", "nodecontroller.sync.retried"), "sync",
    ),
    Setting(
        "node sync on", NODE_CONTROLLER, "--sync-nodes", True, "", "whether the cloud's list is followed",
        ("nodecontroller.sync.on-by-default",), "sync",
    ),
    Setting(
        "status sync", NODE_CONTROLLER, "--sync-node-status", False, "", "nothing: the flag has no effect",
        ("nodecontroller.sync.status-flag-dead",),
    ),
    Setting(
        "node filter", NODE_CONTROLLER, "--minion-regexp", "", "", "the instances of the cloud that are nodes",
        ("nodecontroller.sync.filter-default",), "sync",
    ),
    Setting(
        "machines", NODE_CONTROLLER, "--machines", "", "", "the static list of nodes",
        ("nodecontroller.sync.machines-default",), "sync",
    ),
    Setting(
        "cpu of a machine", NODE_CONTROLLER, "--node-milli-cpu", 1000, "milli-cores",
        "the capacity of a node of the static list, till its kubelet reports",
        ("nodecontroller.sync.machines-defaults",),
    ),
    Setting(
        "memory of a machine", NODE_CONTROLLER, "--node-memory", 3 * 1024**3, "bytes",
        "the capacity of a node of the static list, till its kubelet reports",
        ("nodecontroller.sync.machines-defaults",),
    ),
    Setting(
        "pods in a step", REPLICATION, "", 500, "", "so many pods are created or deleted at most",
        ("replication.count.step",), "active",
    ),
    Setting(
        "replication sync", REPLICATION, "", 30, "s", "each controller is looked at again",
        ("replication.sync.period",),
        "active",
    ),
    Setting(
        "pods listed", REPLICATION, "", 5 * MINUTE, "s", "all pods are listed anew", ("replication.sync.period",)
    ),
    Setting(
        "expectation", REPLICATION, "", 3 * MINUTE, "s",
        "so long the controller waits at most to see what it created or deleted", ("replication.sync.expectations",),
        "expectation",
    ),
    Setting(
        "first back-off", SCHEDULER, "", 1, "s", "a pod that fits nowhere is tried again; then after twice as long, …",
        ("scheduler.retry.back-off",), "slot", "v0.17.0: s16, the count of failedScheduling",
    ),
    Setting(
        "last back-off", SCHEDULER, "", MINUTE, "s", "… but never after longer than this",
        ("scheduler.retry.back-off",),
        "slot",
    ),
    Setting(
        "event retention", API_SERVER, "--event-ttl", HOUR, "s", "an event is kept so long after it was last written",
        ("pod.event.retention",), "", "v0.17.0: deletionTimestamp of every event frame",
    ),
)  # fmt: skip

LISTING = Listing(
    "settings",
    "The flags and constants, with their defaults. A delay of the node controller must be exceeded, not merely reached",
    SETTINGS,
)


def setting(name: str) -> Setting:
    """The setting of this name. Raises KeyError."""
    return _BY_NAME[name]


_BY_NAME = {one.name: one for one in SETTINGS}


def by_flag(flag: str) -> Setting:
    """The setting of a flag; dashes, underscores and dots are the same. Raises KeyError."""
    wanted = re.sub(r"[_.]", "-", flag.partition("=")[0])
    for one in SETTINGS:
        if one.flag == wanted:
            return one
    raise KeyError(f"no setting has the flag {flag}")


def is_over(delay: float, since: float, now: float) -> bool:
    """Whether more time has passed than a delay of the node controller: merely reaching it is not enough."""
    return now > since + delay


def silence_before_eviction(grace: float | None = None, eviction: float | None = None) -> float:
    """Seconds from the last heartbeat seen till pods may be deleted: the eviction time-out less the grace (PART-2)."""
    grace = setting("grace").number if grace is None else grace
    return (setting("eviction").number if eviction is None else eviction) - grace


def tokens(seconds: float, left: float) -> float:
    """How many eviction tokens there are if ``left`` were there so many seconds ago, and none was taken."""
    return min(setting("eviction tokens at most").number, left + seconds * setting("eviction tokens").number)


def ramp() -> Iterator[float]:
    """The delays between the first heartbeats of a kubelet that started: 0.1, 0.6, 1.1, …, as long as they are shorter
    than the period."""
    first, step, period = (setting(name).number for name in ("first heartbeat", "longer each time", "heartbeat"))
    return itertools.takewhile(lambda delay: delay < period, (first + n * step for n in itertools.count()))


def back_off() -> Iterator[float]:
    """The delays after which the scheduler tries a pod again: 1, 2, 4, … and then 60 for ever."""
    first, last = setting("first back-off").number, setting("last back-off").number
    return (min(first * 2**n, last) for n in itertools.count())
