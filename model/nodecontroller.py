"""The node controller: its list of machines, the records that it makes of them, and its timers for those that are lost.

A timer is abstract: it is armed, its time elapses, it fires when the controller acts on that. What ends the reason for
it cancels it. A controller that is restarted remembers nothing, so its timers start anew. How long the times are, and
how many tokens there are, stands in `settings.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from model.listing import Listing
from model.lts.table import Row, Table

# --- the list of machines -------------------------------------------------------------------------------------------

MACHINE = Table(
    "machine",
    ("Unlisted", "Listed"),
    "Unlisted",
    (
        Row("Unlisted", "instance_created", "Listed", ("node.record.not-created",)),
        Row("Listed", "instance_deleted", "Unlisted", ("node.record.not-created",)),
    ),
)
"""A machine, as the cloud lists it. Kubernetes does not create it."""

CODE_MACHINE = Table(
    "machine",
    ("Unlisted", "Listed", "ListedInUpperCase"),
    "Unlisted",
    (
        *MACHINE.rows,
        Row("Unlisted", "instance_created_in_upper_case", "ListedInUpperCase", ("node.record.not-created",
                                                                                "nodecontroller.sync.lower-case",
                                                                                "nodecontroller.sync.upper-case-flaps")),
        Row("ListedInUpperCase", "instance_deleted", "Unlisted", ("node.record.not-created",)),
    ),
)  # fmt: skip
"""Records have names in lower case. The cloud may list a machine by a name that has other letters."""

SEED_SYNC = Table(
    "sync",
    ("Starting", "On", "Off"),
    "Starting",
    (
        Row("Starting", "start", "On", ("nodecontroller.sync.loop",)),
        Row("Starting", "start_named", "On", ("nodecontroller.sync.loop", "nodecontroller.sync.machines")),
        Row("Starting", "start_off", "Off", ("nodecontroller.sync.off",)),
        Row("Starting", "start_off_named", "Off", ("nodecontroller.sync.off", "nodecontroller.sync.machines")),
        Row("On", "stop", "Starting", ("nodecontroller.concept.tasks",)),
        Row("Off", "stop", "Starting", ("nodecontroller.concept.tasks",)),
    ),
)
"""The synchronisation: on or off (--sync_nodes=false), each time with the node named in --machines or not."""

CODE_SYNC = Table(
    "sync",
    ("Starting", "Cloud", "CloudOff", "Registering", "Static"),
    "Starting",
    (
        Row("Starting", "start_cloud", "Cloud", ("nodecontroller.sync.start.cloud",
                                                 "nodecontroller.sync.start.machines-ignored")),
        Row("Starting", "start_cloud_off", "CloudOff", ("nodecontroller.sync.start.off",)),
        Row("Starting", "start_static", "Registering", ("nodecontroller.sync.start.static",)),
        Row("Starting", "start_static_unnamed", "Static", ("nodecontroller.sync.static-none",)),
        Row("Registering", "register", "Static", ("nodecontroller.sync.start.static",)),
        Row("Registering", "attempt_failed", "Registering", ("nodecontroller.sync.retried",)),
        Row("Registering", "give_up", "Static", ("nodecontroller.sync.static-once",)),
        Row("Cloud", "list_failed", "Cloud", ("nodecontroller.sync.list-failed",)),
        Row("Cloud", "stop", "Starting", ("nodecontroller.concept.tasks",)),
        Row("CloudOff", "stop", "Starting", ("nodecontroller.concept.tasks",)),
        Row("Static", "stop", "Starting", ("nodecontroller.concept.tasks",)),
    ),
)  # fmt: skip
"""The mode, chosen at the start: the cloud's list, followed or not, or the static list, registered once."""


@dataclass(frozen=True)
class Mode:
    """What the controller starts as. Each of the four is asked for (True, False) or makes no difference (None)."""

    start: str
    provider: bool | None
    node_filter: bool | None
    sync_nodes: bool | None
    machines: bool | None
    rules: tuple[str, ...]


MODES = (
    Mode("start_cloud", True, True, True, None, ("nodecontroller.sync.cloud-mode",
                                                 "nodecontroller.sync.start.machines-ignored")),
    Mode("start_cloud_off", True, True, False, None, ("nodecontroller.sync.cloud-mode",
                                                      "nodecontroller.sync.start.off")),
    Mode("start_static", None, None, None, True, ("nodecontroller.sync.cloud-mode",
                                                  "nodecontroller.sync.start.static")),
    Mode("start_static_unnamed", None, None, None, False, ("nodecontroller.sync.cloud-mode",
                                                           "nodecontroller.sync.static-none")),
)  # fmt: skip
"""The first row that fits decides."""


def mode(provider: bool, node_filter: bool, sync_nodes: bool, machines: bool) -> Mode:
    """The mode of a controller: whether a cloud provider is set, --minion-regexp and --machines are not empty, and
    --sync-nodes is true."""
    asked = (provider, node_filter, sync_nodes, machines)
    rows = (((one.provider, one.node_filter, one.sync_nodes, one.machines), one) for one in MODES)
    return next(one for wanted, one in rows if all(w in (None, a) for w, a in zip(wanted, asked, strict=True)))


LISTING = Listing("modes", "What the node controller starts as (v0.17.0); the first row that fits decides", MODES)

SEED_NODE_RECORD = Table(
    "noderecord",
    ("NoRecord", "Recorded"),
    "NoRecord",
    (
        Row("NoRecord", "create", "Recorded", ("nodecontroller.sync.create", "node.record.is-record")),
        Row("NoRecord", "register", "Recorded", ("nodecontroller.sync.machines", "nodecontroller.sync.kubectl-add")),
        Row("NoRecord", "add_by_hand", "Recorded", ("nodecontroller.sync.kubectl-add",
                                                    "nodecontroller.sync.off.by-hand",
                                                    "nodecontroller.concept.interfaces")),
        Row("Recorded", "register", "Recorded", ("nodecontroller.sync.machines",)),
        Row("Recorded", "delete", "NoRecord", ("nodecontroller.sync.delete",)),
        Row("Recorded", "delete_by_hand", "NoRecord", ("nodecontroller.sync.off.by-hand",)),
    ),
)  # fmt: skip
"""Whether a node has a record. However it was made, it is the same (nodecontroller.sync.kubectl-add)."""

CODE_NODE_RECORD = Table(
    "noderecord",
    ("NoRecord", "Filled", "Bare"),
    "NoRecord",
    (
        Row("NoRecord", "create", "Filled", ("nodecontroller.sync.create", "nodecontroller.sync.create-filled",
                                             "nodecontroller.sync.record-recreated",
                                             "node.address.controller-fills")),
        Row("NoRecord", "register", "Filled", ("nodecontroller.sync.start.static",
                                               "nodecontroller.sync.machines-defaults",
                                               "node.address.controller-fills")),
        Row("Filled", "register", "Filled", ("nodecontroller.sync.already-exists",)),
        Row("Bare", "register", "Bare", ("nodecontroller.sync.already-exists",)),
        Row("NoRecord", "add_by_hand", "Bare", ("nodecontroller.sync.kubectl-bare", "nodecontroller.sync.off.by-hand",
                                                "nodecontroller.sync.by-hand-accepted",
                                                "nodecontroller.concept.interfaces")),
        Row("Filled", "delete", "NoRecord", ("node.record.deleted", "nodecontroller.sync.delete",
                                             "nodecontroller.sync.delete-pods")),
        Row("Bare", "delete", "NoRecord", ("node.record.deleted", "nodecontroller.sync.by-hand-deleted")),
        Row("Filled", "delete_by_hand", "NoRecord", ("node.record.deleted", "nodecontroller.sync.off.by-hand",
                                                     "pod.life.record-deleted-by-hand")),
        Row("Bare", "delete_by_hand", "NoRecord", ("node.record.deleted", "nodecontroller.sync.off.by-hand",
                                                   "pod.life.record-deleted-by-hand")),
    ),
)  # fmt: skip
"""Whether a node has a record, and whether the controller made it (with addresses and capacity) or a hand (bare)."""

# --- the timers, profile seed ---------------------------------------------------------------------------------------

SEED_TIMER = Table(
    "timer",
    ("Idle", "Armed", "Elapsed", "Fired"),
    "Idle",
    (
        Row("Idle", "arm", "Armed", ("pod.partition.waits",)),
        Row("Armed", "elapse", "Elapsed", ("pod.partition.waits",)),
        Row("Elapsed", "fire", "Fired", ("pod.partition.failed", "pod.life.node-lost")),
        *(Row(state, "cancel", "Idle", ("pod.partition.waits",)) for state in ("Armed", "Elapsed", "Fired")),
        *(Row(state, "restart", "Armed", ("pod.partition.waits",)) for state in ("Armed", "Elapsed", "Fired")),
    ),
)
"""The time-out of a node: armed when the node is lost, cancelled when it is back."""

# --- the timers, profile v0.17.0 ------------------------------------------------------------------------------------

LINK = Table(
    "link",
    ("Up", "Cut"),
    "Up",
    (
        Row("Up", "cut", "Cut", ("pod.partition.meaning", "nodecontroller.health.never-probes")),
        Row("Cut", "heal", "Up", ("pod.partition.meaning", "nodecontroller.health.never-probes")),
    ),
)
"""Whether the heartbeats of a node arrive. Cut: the node is segmented out, dead, or its kubelet is."""

GRACE = Table(
    "grace",
    ("Armed", "Elapsed", "Fired"),
    "Armed",
    (
        Row("Armed", "elapse", "Elapsed", ("node.condition.silent",)),
        Row("Elapsed", "fire", "Fired", ("node.condition.silent", "pod.partition.unknown-after")),
        Row("Elapsed", "read_failed", "Elapsed", ("nodecontroller.health.read-failed",)),
        Row("Elapsed", "write_failed", "Elapsed", ("nodecontroller.health.writes-failed",
                                                   "nodecontroller.health.write-retries"), records=("unknown",)),
        *(Row(state, "cancel", "Armed", ("nodecontroller.health.new-heartbeat",))
          for state in ("Armed", "Elapsed", "Fired")),
        *(Row(state, "restart", "Armed", ("nodecontroller.health.restart-resets",))
          for state in ("Armed", "Elapsed", "Fired")),
    ),
)  # fmt: skip
"""The grace period: each new heartbeat arms it anew; when it fires, Ready becomes Unknown."""

CLOCK = Table(
    "clock",
    ("Right", "Wrong"),
    "Right",
    (
        Row("Right", "skew", "Wrong", ("nodecontroller.health.own-clock",)),
        Row("Wrong", "correct", "Right", ("nodecontroller.health.own-clock",)),
    ),
)
"""The node's own clock, by which its heartbeats are dated. The controller's timers run by its own."""

EVICTION = Table(
    "eviction",
    ("Armed", "Elapsed", "Fired"),
    "Armed",
    (
        Row("Armed", "elapse", "Elapsed", ("pod.partition.deleted-after",)),
        Row("Elapsed", "fire", "Fired", ("pod.partition.deleted-after", "pod.partition.later-pass",
                                         "pod.partition.all-pods", "pod.partition.never-reported")),
        Row("Fired", "fire", "Fired", ("pod.partition.repeated", "nodecontroller.health.token-for-nothing")),
        *(Row(state, "cancel", "Armed", ("pod.partition.back-in-time",)) for state in ("Armed", "Elapsed", "Fired")),
        *(Row(state, "restart", "Armed", ("nodecontroller.health.restart-resets",))
          for state in ("Armed", "Elapsed", "Fired")),
    ),
)  # fmt: skip
"""The eviction delay: counted from the same heartbeat; when it fires, the pods of the node are deleted."""

STAMP = Table(
    "stamp",
    ("Fresh", "Old"),
    "Fresh",
    (
        Row("Fresh", "age", "Old", ("pod.partition.not-ready.after-unknown", "pod.partition.not-ready",
                                    "node.condition.transition-time-kept")),
        Row("Fresh", "stamp", "Fresh", ("node.condition.unknown-stamps-time",)),
        Row("Old", "stamp", "Fresh", ("node.condition.unknown-stamps-time",)),
        Row("Old", "restart", "Fresh", ("nodecontroller.health.restart-resets",)),
    ),
)  # fmt: skip
"""When Ready last changed, as the controller knows it: within the eviction delay, or longer ago."""

TOKENS = Table(
    "tokens",
    ("Some", "None"),
    "Some",
    (
        Row("Some", "take", "Some", ("nodecontroller.health.eviction-tokens",)),
        Row("Some", "take", "None", ("nodecontroller.health.eviction-tokens", "nodecontroller.health.no-token")),
        Row("None", "refill", "Some", ("nodecontroller.health.no-token",)),
    ),
)
"""The tokens for evictions, that all nodes share: whether one is left."""

INSTANCE = Table(
    "instance",
    ("NotStarted", "Started", "Stopped"),
    "NotStarted",
    (
        Row("NotStarted", "start_on_node", "Started", ("pod.partition.back-in-time",)),
        Row("Started", "stop_on_node", "Stopped", ("pod.partition.back-late", "pod.life.containers-stopped",
                                                   "pod.partition.two-instances")),
    ),
)  # fmt: skip
"""What really runs of a pod on its node: only the kubelet starts and stops it, and only what it has heard of."""
