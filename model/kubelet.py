"""The kubelet in v0.17.0: how it keeps the containers of a pod, admits pods, ends them, and records events.

The document says nothing of how a kubelet works, so only the profile v0.17.0 has these tables. What they do together
stands in the situations `restarting`, `ending`, `admission`, `mirroring` and `recording`.
"""

from __future__ import annotations

from model.lts.table import Row, Table

# --- keeping a container (policy OnFailure) -------------------------------------------------------------------------

AGENT = Table(
    "agent",
    ("Up", "Down", "UpAgain"),
    "Up",
    (
        Row("Up", "crash", "Down", ("pod.restart.kubelet-crash",)),
        Row("UpAgain", "crash", "Down", ("pod.restart.kubelet-crash",)),
        Row("Down", "start_again", "UpAgain", ("pod.restart.count-after-kubelet-restart",)),
    ),
)
"""The kubelet itself. Once it has been started again it does not know all that it knew."""

SYNC = Table(
    "podsync",
    ("Idle", "Due"),
    "Idle",
    (
        Row("Idle", "period", "Due", ("pod.restart.next-sync",)),
        Row("Idle", "any_change", "Due", ("pod.restart.any-change-syncs",)),
        Row("Due", "synced", "Idle", ("pod.phase.recomputed",)),
    ),
)
"""The sync of a pod: due after a period, or when any pod on the node changes; it ends with the status."""

INSTANCE = Table(
    "newest",
    ("NoInstance", "Created", "Running", "ExitedWell", "ExitedBadly"),
    "NoInstance",
    (
        Row("NoInstance", "create", "Created", ("pod.container.start-never-ran",)),
        Row("Created", "start", "Running", ("pod.container.start-never-ran",)),
        Row("Running", "exit_zero", "ExitedWell", ("pod.restart.exit-code-only",)),
        Row("Running", "exit_failure", "ExitedBadly", ("pod.restart.exit-code-only",)),
        Row("Running", "probe_error", "Running", ("pod.container.healthy-kept",)),
        Row("Running", "hook_failed", "ExitedBadly", ("pod.container.post-start",)),
        Row("ExitedBadly", "restart", "Created", ("pod.restart.failure.onfailure", "pod.restart.next-sync",
                                                  "pod.restart.no-back-off", "pod.restart.kubelet-decides")),
        Row("ExitedWell", "restart_ended", "Created", ("pod.restart.never.runtime-error",)),
        Row("NoInstance", "pull_failed", "NoInstance", ("pod.phase.image-missing",)),
        Row("ExitedBadly", "pull_failed", "ExitedBadly", ("pod.phase.image-missing.earlier-instance",)),
        Row("ExitedWell", "record_gone", "NoInstance", ("pod.restart.never.record-gone",)),
        Row("ExitedBadly", "record_gone", "NoInstance", ("pod.restart.never.record-gone",)),
    ),
)  # fmt: skip
"""The newest instance of a container, as the runtime has it."""

PAST = Table(
    "past",
    ("Unfinished", "Finished"),
    "Unfinished",
    (
        Row("Unfinished", "finish", "Finished", ("pod.restart.exit-code-only",)),
        Row("Finished", "finish", "Finished", ("pod.restart.exit-code-only",)),
    ),
)
"""Whether the container has ever finished its work. Nobody knows but the runtime's record of the dead instance."""

OLD = Table(
    "old",
    ("NoneKept", "Kept"),
    "NoneKept",
    (
        Row("NoneKept", "keep", "Kept", ("pod.restart.old-kept",)),
        Row("Kept", "keep", "Kept", ("pod.restart.old-kept",)),
        Row("Kept", "collect", "NoneKept", ("pod.restart.old-kept",)),
    ),
)
"""Dead instances beside the newest one."""

COUNT = Table(
    "count",
    ("Exact", "Low"),
    "Exact",
    (
        Row("Exact", "undercount", "Low", ("pod.restart.count-after-kubelet-restart",)),
        Row("Low", "undercount", "Low", ("pod.restart.count-after-kubelet-restart",)),
    ),
)
"""Whether the restart count says how often the container was restarted."""

RUNTIME = Table(
    "runtime",
    ("Answers", "Unavailable", "Broken"),
    "Answers",
    (
        Row("Answers", "stall", "Unavailable", ("pod.phase.status-kept",)),
        Row("Answers", "break_down", "Broken", ("pod.restart.never.runtime-error", "pod.phase.status-lost")),
        Row("Unavailable", "recover", "Answers", ("pod.phase.status-kept",)),
        Row("Broken", "recover", "Answers", ("pod.restart.never.runtime-error",)),
    ),
)
"""What the runtime says when it is asked for its containers: the list, that it cannot now, or an error."""

IMAGE = Table(
    "image",
    ("Present", "Missing", "Hidden"),
    "Present",
    (
        Row("Present", "remove_image", "Missing", ("pod.phase.image-missing.earlier-instance",)),
        Row("Missing", "restore_image", "Present", ("pod.phase.image-missing.earlier-instance",)),
        Row("Present", "hide_image", "Hidden", ("pod.container.image-query-failed",)),
        Row("Hidden", "restore_image", "Present", ("pod.container.image-query-failed",)),
    ),
)
"""The image of the container. Hidden: it cannot be found out whether it is there."""

MEMORY = Table(
    "memory",
    ("Open", "Final"),
    "Open",
    (
        Row("Open", "conclude", "Final", ("pod.phase.final",)),
        Row("Final", "forget", "Open", ("pod.restart.kubelet-crash",)),
    ),
)
"""Whether the kubelet knows that the pod has ended. It forgets that with a crash, and learns it from the API again."""

STATUS = Table(
    "status",
    ("Pending", "Unset", "Lost", "Running", "Succeeded"),
    "Pending",
    (
        *(
            Row(before, f"publish_{after.lower()}", after, rules)
            for before in ("Pending", "Unset", "Lost", "Running")
            for after, rules in (
                ("Pending", ("pod.phase.recomputed", "pod.phase.waiting-wins")),
                ("Unset", ("pod.phase.recomputed", "pod.container.image-query-failed", "pod.phase.unknown-state")),
                ("Lost", ("pod.phase.recomputed", "pod.phase.status-lost")),
                ("Running", ("pod.phase.recomputed", "pod.phase.some-run")),
                ("Succeeded", ("pod.phase.recomputed", "pod.phase.all-succeeded")),
            )
        ),
    ),
)
"""The status that the API has. Unset: Pending, and the container in no state. Lost: Pending, without containers."""

# --- ending a pod ---------------------------------------------------------------------------------------------------

PHASES = ("Pending", "Running", "Succeeded", "Failed")
GONE = {phase: f"Gone{phase}" for phase in PHASES}

OBJECT = Table(
    "object",
    (*PHASES, *GONE.values()),
    "Pending",
    (
        *(
            Row(phase, f"write_{to.lower()}", to, ("pod.phase.status-writes-free",))
            for phase in PHASES
            for to in PHASES
        ),
        *(Row(phase, "delete", GONE[phase], ("pod.life.deleted-at-once", "pod.life.no-final-phase"))
          for phase in PHASES),
        *(Row(phase, "delete_gracefully", GONE[phase], ("pod.life.grace-ignored", "pod.life.deleted-at-once"))
          for phase in PHASES),
    ),
)  # fmt: skip
"""The pod's object in the API, with the last phase written to it: any. A deletion writes none."""

SOURCES = Table(
    "sources",
    ("Silent", "Reported"),
    "Silent",
    (Row("Silent", "report", "Reported", ("pod.life.sources-first",)),
     Row("Reported", "restart_agent", "Silent", ("pod.life.sources-first",))),
)  # fmt: skip
"""Whether each source of pods has reported to the kubelet since it was started."""

MEMBER = Table(
    "member",
    ("Running", "Adopted", "Stopping", "Stopped"),
    "Running",
    (
        Row("Running", "restart_agent", "Adopted", ("pod.event.killing.own-only",)),
        Row("Running", "ask_to_stop", "Stopping", ("pod.life.containers-stopped", "pod.container.pre-stop-never")),
        Row("Adopted", "ask_to_stop", "Stopping", ("pod.life.containers-stopped", "pod.container.pre-stop-never")),
        Row("Stopping", "stop", "Stopped", ("pod.life.containers-stopped",)),
    ),
)
"""A container of the pod. Adopted: it was started by an earlier run of the kubelet."""

HOOKS = Table(
    "hooks",
    ("NoneRun", "PostStartRun"),
    "NoneRun",
    (Row("NoneRun", "post_start", "PostStartRun", ("pod.container.post-start",)),),
)
"""The hooks of a container: no row runs PreStop."""

TOLD = Table(
    "told",
    ("Nothing", "Killing"),
    "Nothing",
    (Row("Nothing", "record_killing", "Killing", ("pod.event.killing", "pod.event.killing.only"),
         records=("killing",)),),
)  # fmt: skip
"""The event that tells of the container's end."""

# --- admitting a pod ------------------------------------------------------------------------------------------------

ADMITTED = Table(
    "admitted",
    ("Pending", "Running", "Succeeded", "Failed"),
    "Pending",
    (
        Row("Pending", "run", "Running", ("pod.phase.some-run",)),
        Row("Running", "finish", "Succeeded", ("pod.phase.all-succeeded",)),
        *(
            Row(phase, event, "Failed", (rule, "pod.phase.admission-failed", "pod.event.admission"), (reason,))
            for phase in ("Pending", "Running", "Succeeded")
            for event, rule, reason in (
                ("refuse_port", "pod.phase.admission-failed.host-port", "hostPortConflict"),
                ("refuse_selector", "pod.phase.admission-failed.node-selector", "nodeSelectorMismatching"),
                ("refuse_capacity", "pod.phase.admission-failed.capacity", "capacityExceeded"),
            )
        ),
    ),
)
"""The phase of a pod that its kubelet admits or not, at every sync anew."""

EARLIER = Table(
    "earlier",
    ("Elsewhere", "Running", "Ended", "Gone"),
    "Elsewhere",
    (
        Row("Elsewhere", "come", "Running", ("pod.phase.admission-failed.host-port",)),
        Row("Running", "end", "Ended", ("pod.phase.terminal-occupies",)),
        Row("Running", "leave", "Gone", ("pod.phase.admission-failed.host-port",)),
        Row("Ended", "leave", "Gone", ("pod.phase.admission-failed.host-port",)),
    ),
)
"""A pod that was created earlier, with the same host port, and takes up most of the node once it is bound there."""

NODE_LABELS = Table(
    "nodelabels",
    ("Match", "Differ"),
    "Match",
    (
        Row("Match", "relabel", "Differ", ("pod.phase.admission-kills",)),
        Row("Differ", "relabel", "Match", ("pod.phase.admission-failed.node-selector",)),
    ),
)
"""Whether the labels of the node are those that the pod selects."""

WISHES = Table(
    "wishes",
    ("Little", "SamePort", "TooMuch"),
    "Little",
    (
        Row("Little", "want_port", "SamePort", ("pod.phase.admission-failed.host-port",)),
        Row("Little", "want_much", "TooMuch", ("pod.phase.admission-failed.capacity",)),
    ),
)
"""What the pod asks for."""

ALLOWED = Table(
    "allowed",
    ("Allowed", "Forbidden"),
    "Allowed",
    (Row("Allowed", "forbid", "Forbidden", ("pod.phase.refused-not-failed",), records=("failedSync",)),),
)
"""Whether the kubelet may run such a pod at all: a privileged one, or one on the host's network."""

MOUNT = Table(
    "mount",
    ("Mounts", "Fails"),
    "Mounts",
    (
        Row("Mounts", "disk_died", "Fails", ("pod.disk.not-detected", "pod.phase.mount-failed"),
            records=("failedMount",)),
        Row("Fails", "mend_disk", "Mounts", ("pod.phase.mount-failed",)),
    ),
)  # fmt: skip
"""Whether the volumes of the pod can be set up."""

WORKING = Table(
    "working",
    ("NotStarted", "Working", "Ended"),
    "NotStarted",
    (
        Row("NotStarted", "begin", "Working", ("pod.phase.some-run",)),
        Row("Working", "end", "Ended", ("pod.phase.all-succeeded",)),
        Row("Working", "kill", "Ended", ("pod.phase.admission-kills", "pod.phase.refused-killed")),
    ),
)
"""The pod's containers."""

# --- mirroring a static pod -----------------------------------------------------------------------------------------

MIRROR = Table(
    "mirror",
    ("NoMirror", "Mirrored"),
    "NoMirror",
    (
        Row("NoMirror", "make_mirror", "Mirrored", ("pod.partition.mirror",)),
        Row("Mirrored", "evict", "NoMirror", ("pod.partition.mirror", "pod.partition.static")),
        Row("Mirrored", "delete_mirror", "NoMirror", ("pod.partition.mirror",)),
    ),
)
"""The object in the API that stands for a static pod."""

STATIC = Table(
    "static",
    ("Starting", "Running"),
    "Starting",
    (
        Row("Starting", "run_static", "Running", ("pod.partition.static",)),
        Row("Running", "exit_static", "Starting", ("pod.partition.static",)),
    ),
)
"""The containers of a static pod, which the kubelet knows from a file."""

SHOWN_PHASE = Table(
    "shownphase",
    ("Nothing", "Pending", "Running"),
    "Nothing",
    (
        *(Row(before, "show_running", "Running", ("pod.phase.static-without-mirror",))
          for before in ("Pending", "Running")),
        *(Row(before, "show_pending", "Pending", ("pod.phase.static-without-mirror",))
          for before in ("Pending", "Running")),
        Row("Nothing", "new_object", "Pending", ("pod.phase.created-pending",)),
        *(Row(before, "object_gone", "Nothing", ("pod.phase.static-without-mirror",))
          for before in ("Pending", "Running")),
    ),
)  # fmt: skip
"""The phase in the object: there is none without it."""

ENDPOINT = Table(
    "endpoint",
    ("Unlisted", "Listed"),
    "Unlisted",
    (
        Row("Unlisted", "list_pod", "Listed", ("pod.partition.endpoints-kept",)),
        Row("Listed", "unlist_pod", "Unlisted", ("pod.partition.endpoints-kept",)),
    ),
)
"""Whether the endpoints of a service list the pod: they go by its address and readiness in the API."""

# --- recording events -----------------------------------------------------------------------------------------------

ENGINE = Table(
    "engine",
    ("Running", "Silent"),
    "Running",
    (
        Row("Running", "engine_stops", "Silent", ("node.event.online-repeats",)),
        Row("Silent", "engine_starts", "Running", ("node.event.online-repeats",)),
    ),
)
"""Whether the container runtime of a node has answered lately."""

QUEUE = Table(
    "queue",
    ("Empty", "Waiting"),
    "Empty",
    (
        Row("Empty", "emit", "Waiting", ("node.event.online",), records=("online",)),
        Row("Waiting", "emit", "Waiting", ("node.event.online", "pod.event.best-effort"), records=("online",)),
        Row("Waiting", "write", "Empty", ("pod.event.merged",)),
        Row("Waiting", "drop", "Empty", ("pod.event.best-effort",)),
    ),
)
"""Events on their way to the API."""

STORED = Table(
    "stored",
    ("NoEvent", "Once", "Repeated"),
    "NoEvent",
    (
        Row("NoEvent", "write", "Once", ("pod.event.merged",)),
        Row("Once", "write", "Repeated", ("pod.event.merged",)),
        Row("Repeated", "write", "Repeated", ("pod.event.merged",)),
    ),
)
"""The event as the API has it: one object, however often it happened."""

TABLES = (
    AGENT, SYNC, INSTANCE, PAST, OLD, COUNT, RUNTIME, IMAGE, MEMORY, STATUS,
    OBJECT, SOURCES, MEMBER, HOOKS, TOLD,
    ADMITTED, EARLIER, NODE_LABELS, WISHES, ALLOWED, MOUNT, WORKING,
    MIRROR, STATIC, SHOWN_PHASE, ENDPOINT,
    ENGINE, QUEUE, STORED,
)  # fmt: skip
