"""The events of v0.17.0: who records what, about which kind of object, and when; and what nobody ever records.

The document speaks of other events (`EVENT_REASONS` of the suite has them all); their rows stand in `container.py` and
`pod.py`, as what a step must record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SCHEDULER, KUBELET = "scheduler", "kubelet"
NODE_CONTROLLER, REPLICATION = "controllermanager", "replication-controller"
"""The components that record events, as an event's source names them."""

COMPONENTS = (SCHEDULER, KUBELET, NODE_CONTROLLER, REPLICATION)

POD, NODE, CONTROLLER = "Pod", "Node", "ReplicationController"
"""The kinds of object that events are about."""

CONTAINER = "container"
"""An event about a container is one about its pod, with the place of the container in its spec."""

PLACE = re.compile(r"spec\.containers\{[^{}]+\}|implicitly required container POD")
"""The place of a container. The pause container stands in no spec."""

SPELLING = re.compile(r"[a-z]+([A-Z][a-z]*)*")
"""Lower camel case. Two reasons are written otherwise: SystemOOM, and not_ready, which is never recorded."""


NO_CANDIDATE = "no minions available to schedule pods"
"""How the message of failedScheduling ends if the scheduler knows no node that could take any pod."""


@dataclass(frozen=True)
class Kind:
    """One kind of event: its reason, the component that records it, what it is about, and when. ``name`` is what the
    suite calls it, where that is another word."""

    reason: str
    component: str
    about: str
    when: str
    rules: tuple[str, ...]
    name: str = ""


KINDS = (
    # pods, by the scheduler
    Kind("scheduled", SCHEDULER, POD, "a pod was bound", ("pod.event.scheduled",)),
    Kind("failedScheduling", SCHEDULER, POD, "no node fits, scheduling fails, or the binding is refused",
         ("pod.event.failed-scheduling",), "failed-scheduling"),
    # containers, by the kubelet
    Kind("pulled", KUBELET, CONTAINER, "an image was pulled; for the pause container, even if it was there",
         ("pod.event.pulled",)),
    Kind("failed", KUBELET, CONTAINER, "an image cannot be inspected or pulled, a container not created or started",
         ("pod.event.start-failed",), "start-failed"),
    Kind("created", KUBELET, CONTAINER, "a container was created", ("pod.event.created",)),
    Kind("started", KUBELET, CONTAINER, "a container was started", ("pod.event.started",)),
    Kind("killing", KUBELET, CONTAINER, "the runtime was asked to stop a container", ("pod.event.killing",)),
    Kind("unhealthy", KUBELET, CONTAINER, "a readiness probe does not succeed", ("pod.event.unhealthy",)),
    # pods, by the kubelet
    Kind("failedSync", KUBELET, POD, "the sync of a pod returned an error", ("pod.event.failed-sync",)),
    Kind("failedMount", KUBELET, POD, "a volume could not be set up", ("pod.event.failed-mount",)),
    Kind("failedValidation", KUBELET, POD, "a pod from a source is invalid, or there already",
         ("pod.event.failed-validation",)),
    Kind("hostPortConflict", KUBELET, POD, "a pod is not admitted: its host port is taken", ("pod.event.admission",)),
    Kind("nodeSelectorMismatching", KUBELET, POD, "a pod is not admitted: its node has other labels",
         ("pod.event.admission",)),
    Kind("capacityExceeded", KUBELET, POD, "a pod is not admitted: its node has not enough", ("pod.event.admission",)),
    # nodes, by the kubelet
    Kind("starting", KUBELET, NODE, "the kubelet starts", ("node.event.starting",)),
    Kind("online", KUBELET, NODE, "a heartbeat finds Ready stored as anything but True", ("node.event.online",)),
    Kind("schedulable", KUBELET, NODE, "spec.unschedulable has become false", ("node.event.schedulable",)),
    Kind("unschedulable", KUBELET, NODE, "spec.unschedulable has become true", ("node.event.schedulable",)),
    Kind("rebooted", KUBELET, NODE, "the boot id has changed", ("node.event.rebooted",)),
    Kind("SystemOOM", KUBELET, NODE, "the whole host ran out of memory", ("node.event.system-oom",)),
    Kind("imageManagerFailed", KUBELET, NODE, "the collection of images did not start", ("node.event.image-trouble",)),
    Kind("invalidDiskCapacity", KUBELET, NODE, "the disk says that it has no capacity", ("node.event.image-trouble",)),
    Kind("freeDiskSpaceFailed", KUBELET, NODE, "too little of the disk could be freed", ("node.event.image-trouble",)),
    # by the controllers
    Kind("unknown", NODE_CONTROLLER, NODE, "Ready was turned into Unknown", ("node.event.unknown",)),
    Kind("successfulCreate", REPLICATION, CONTROLLER, "a pod was created", ("replication.event.create",)),
    Kind("failedCreate", REPLICATION, CONTROLLER, "a pod could not be created", ("replication.event.create",)),
)  # fmt: skip
"""Every event of v0.17.0."""

BY_REASON = {kind.reason: kind for kind in KINDS}
BY_NAME = {kind.name or kind.reason: kind for kind in KINDS}


def name_of(reason: str) -> str:
    """What the suite calls an event with this reason: another word for some, the reason itself for others."""
    return BY_REASON[reason].name or reason if reason in BY_REASON else reason


@dataclass(frozen=True)
class Never:
    """What a component never records about a kind of object: any reason with one of these words in it."""

    component: str
    about: str
    words: str
    rules: tuple[str, ...]


NEVER = (
    Never(NODE_CONTROLLER, NODE, r"ready", ("node.event.ready-never",)),
    Never(NODE_CONTROLLER, POD, r"", ("pod.event.none-on-eviction",)),
    Never(REPLICATION, CONTROLLER, r"delet|remov|kill", ("replication.event.none-on-delete",)),
    Never(KUBELET, POD, r"oom|memory", ("pod.event.none-on-oom",)),
    Never(KUBELET, POD, r"disk|volume died", ("pod.event.none-on-disk",)),
    Never(KUBELET, POD, r"delet|remov", ("pod.event.none-on-delete",)),
    Never(KUBELET, POD, r"complet|succe|exit|fail|err|finish", ("pod.event.none-on-exit",)),
    Never(KUBELET, POD, r"stop|die|dead|terminat|kill", ("pod.event.killing.only",)),
)
"""What is not in KINDS and must not be seen. The first row that fits tells the rule."""


def never(component: str, about: str, reason: str) -> tuple[str, ...]:
    """The rules that a reason contradicts that is none of KINDS; none if no rule speaks of it."""
    for row in NEVER:
        if (row.component, row.about) == (component, about) and re.search(row.words, reason, re.IGNORECASE):
            return row.rules
    return ()
