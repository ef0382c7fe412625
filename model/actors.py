"""Who does what to whom: the events of the model told as steps of somebody, for sequence diagrams.

An event of the network is named ``bind(p1,n1)``: a label, and the components that it concerns. The table below says for
each label who does it, and in which words. Nothing depends on it: a label without a row is told as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from model.listing import Listing

Kind = Literal["act", "again", "seen", "note", "failure"]
"""``act``: something is done; ``again``: the same, and it may go on for ever; ``seen``: something shows; ``note`` and
``failure``: words beside the steps."""


class Step(NamedTuple):
    """One step: ``who`` does ``what`` to ``whom``. A note stands over both of them; over everybody where ``who`` is
    empty."""

    who: str
    whom: str
    what: str
    kind: Kind = "act"


ITSELF = "itself"
SOMEBODY = "somebody"
"""Who does what no row speaks of."""

SCHEDULER, KUBELET, NODE_CONTROLLER = "scheduler", "kubelet", "node controller"
USER, FAULT, KERNEL, REAPER = "user", "fault", "kernel", "reaper"


@dataclass(frozen=True)
class Component:
    """A program of the cluster: where it runs, in which one, what it does to the lifecycle, and how events name it."""

    name: str
    runs_on: str
    inside: str
    duty: str
    source: str
    rules: tuple[str, ...]


MASTER, NODE, MANAGER = "master", "node", "controller manager"
REPLICATION = "replication controller"

COMPONENTS = (
    Component(KUBELET, NODE, "", "starts, restarts and stops containers, reports its pods and its node", "kubelet",
              ("master.component.kubelet",)),
    Component(SCHEDULER, MASTER, "", "binds pods to nodes", "scheduler", ("pod.binding.scheduler",)),
    Component(REPLICATION, MASTER, MANAGER, "keeps as many pods as are wanted", "replication-controller",
              ("replication.count.controllers",)),
    Component("endpoint controller", MASTER, MANAGER, "lists the pods of a service", "",
              ("replication.count.controllers",)),
    Component(NODE_CONTROLLER, MASTER, MANAGER, "makes and deletes records of nodes, gives up the pods of lost ones",
              "controllermanager", ("master.component.controllers",)),
    Component("service controller", MASTER, MANAGER, "balances load from outside", "",
              ("master.component.controllers",)),
    Component("quota controller", MASTER, MANAGER, "counts the pods of a namespace", "",
              ("master.component.controllers",)),
    Component("namespace controller", MASTER, MANAGER, "empties namespaces that end", "",
              ("master.component.controllers",)),
    Component("claim binder", MASTER, MANAGER, "binds claims to volumes, if it is switched on", "",
              ("master.component.controllers",)),
)  # fmt: skip

LISTING = Listing("components", "The programs of a cluster that do something in the model, or beside it", COMPONENTS)

ACTS: dict[str, tuple[str, str]] = {
    # a pod's record
    "bind": (SCHEDULER, "bind"),
    "refuse_admission": (KUBELET, "refuse admission: Failed"),
    "delete": (USER, "delete"),
    "evict": (NODE_CONTROLLER, "delete: the node is lost"),
    "node_timed_out": (NODE_CONTROLLER, "mark Failed: the node is lost for too long"),
    "node_terminated": (NODE_CONTROLLER, "delete: the node has ended"),
    "disk_died": (FAULT, "a disk dies, and what runs is killed"),
    "sandbox_died": (FAULT, "the sandbox dies, and what runs is killed"),
    "expire": (REAPER, "delete: it has ended long ago"),
    # a container
    "start": (KUBELET, "start"),
    "restart": (KUBELET, "restart"),
    "recreate": (KUBELET, "create again: it could not be started"),
    "liveness_failed": (KUBELET, "kill and restart: the liveness probe failed, or the image is another"),
    "exit_zero": (ITSELF, "exit with 0"),
    "exit_failure": (ITSELF, "exit with a failure"),
    "out_of_memory": (KERNEL, "kill: out of memory"),
    # a node
    "check_in": (KUBELET, "check in: Running"),
    "terminate": (FAULT, "end the node: Terminated"),
    "remove": (NODE_CONTROLLER, "delete the record"),
    "remove_by_cloud": (NODE_CONTROLLER, "delete the record and its pods: the cloud lists it no more"),
    "reachable": (NODE_CONTROLLER, "NodeReachable True"),
    "unreachable": (NODE_CONTROLLER, "NodeReachable False"),
    "reachability_lost": (NODE_CONTROLLER, "NodeReachable Unknown"),
    "ready": (NODE_CONTROLLER, "NodeReady True: the kubelet says OK"),
    "not_ready": (NODE_CONTROLLER, "NodeReady False"),
    "readiness_lost": (NODE_CONTROLLER, "NodeReady Unknown"),
    "post_ready": (KUBELET, "post Ready True"),
    "post_not_ready": (KUBELET, "post Ready False"),
    "never_reported": (NODE_CONTROLLER, "Ready Unknown: the kubelet has never reported"),
    "silent": (NODE_CONTROLLER, "Ready Unknown: the kubelet is silent"),
}
"""Who does an event, and what it is in words, by its label."""

ACTS_BY_PROFILE: dict[tuple[str, str], tuple[str, str]] = {
    ("v0.17.0", "remove"): (USER, "delete the record"),  # NC-SYNC-7; the loop's own deletion is remove_by_cloud
}
"""The same, where a profile reads a label in another way."""


def acted(profile: str, event: str, kind: Kind = "act") -> Step:
    """An event of the network as a step. An event of an unknown form or label is told as it stands."""
    parts = re.fullmatch(r"(\w+)\(([^(),]+)(?:,([^(),]+))?\)", event)
    if parts is None:
        return Step(SOMEBODY, SOMEBODY, event, kind)
    label, component, other = parts.groups()
    who, what = ACTS_BY_PROFILE.get((profile, label)) or ACTS.get(label) or (SOMEBODY, label)
    whom = component_told(component)
    # Where there is one home only (`bind(p1)`) the model names no node; `expire(p1,failed)` names none either.
    place = f" ({component_told(other)})" if other and re.fullmatch(r"n\d+", other) else ""
    return Step(whom if who == ITSELF else who, whom, what + place, kind)


def component_told(name: str) -> str:
    """A component of the network with its kind: ``node n1``, ``pod p1``, ``container p1c1``."""
    for pattern, kind in ((r"n\d+", "node"), (r"p\d+", "pod"), (r"p\d+c\d+", "container")):
        if re.fullmatch(pattern, name):
            return f"{kind} {name}"
    return name


def counterexample(
    profile: str,
    name: str,
    rules: Sequence[str],
    path: Sequence[str] | None,
    loop: Sequence[str] = (),
    step: str | None = None,
) -> list[Step]:
    """A violated property as steps: the path, what may then go on for ever, and last what is violated.

    ``path`` is None where nothing that the property asks for can be reached; ``step`` is the step of the phase table
    that a refinement lacks.
    """
    told = [acted(profile, event) for event in path or ()]
    if path is None:
        told.append(Step("model", "model", "nothing of the kind can be reached", "note"))
    elif not path:
        told.append(Step("model", "model", "at the very beginning", "note"))
    told += [acted(profile, event, "again") for event in loop if event != "stays"]
    if "stays" in loop:
        told.append(Step("", "", "and so it stays for ever", "note"))
    words = [f"violated: {name}", *([", ".join(rules)] if rules else []), *([f"which is: {step}"] if step else [])]
    return [*told, Step("", "", "\n".join(words), "failure")]
