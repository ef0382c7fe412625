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
USER, FAULT, KERNEL, REAPER, CLOUD = "user", "fault", "kernel", "reaper", "cloud"


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

API, ENGINE, WORLD = "API server", "Docker", "world"

ACTS: dict[str, tuple[str, str]] = {
    # a pod's record
    "create": (USER, "create"),
    "create_bound": (USER, "create, bound to a node by its spec"),
    "fit_nowhere": (SCHEDULER, "record failedScheduling: it fits nowhere"),
    "succeed": (KUBELET, "Succeeded: all containers have ended well"),
    "fail": (KUBELET, "Failed: containers have ended badly"),
    "bind": (SCHEDULER, "bind"),
    "refuse_admission": (KUBELET, "refuse admission: Failed"),
    "delete": (USER, "delete"),
    "evict": (NODE_CONTROLLER, "delete: the node is lost"),
    "node_timed_out": (NODE_CONTROLLER, "mark Failed: the node is lost for too long"),
    "node_terminated": (NODE_CONTROLLER, "delete: the node has ended"),
    "disk_died": (FAULT, "a disk dies, and what runs is killed"),
    "sandbox_died": (FAULT, "the sandbox dies, and what runs is killed"),
    "expire": (REAPER, "delete: it has ended long ago"),
    "expire_failed": (REAPER, "delete: it has failed long ago"),
    "replace": (REPLICATION, "create, in place of one that is missing"),
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
    "lost": (FAULT, "the node is lost"),
    "back": (FAULT, "the node is back"),
    "cordon": (USER, "mark unschedulable"),
    "uncordon": (USER, "mark schedulable"),
    "add_by_hand": (USER, "create the record"),
    "delete_by_hand": (USER, "delete the record"),
    "sync_create": (NODE_CONTROLLER, "create the record: the machine is on the list"),
    "sync_delete": (NODE_CONTROLLER, "delete the record: the machine is not on the list"),
    "instance_created": (CLOUD, "list the machine"),
    "instance_created_in_upper_case": (CLOUD, "list the machine in upper case"),
    "instance_deleted": (CLOUD, "list the machine no more"),
    "start_on_node": (KUBELET, "start what the pod is made of"),
    "stop_on_node": (KUBELET, "stop what the pod is made of"),
    "write": (ITSELF, "write to the volume"),
}
"""Who does an event, and what it is in words, by its label."""

SITUATED: dict[str, dict[str, tuple[str, str, str]]] = {
    "node list": {
        "start": (USER, NODE_CONTROLLER, "start, following the cloud"),
        "start_off": (USER, NODE_CONTROLLER, "start with --sync_nodes=false"),
        "start_named": (USER, NODE_CONTROLLER, "start with --machines"),
        "start_off_named": (USER, NODE_CONTROLLER, "start with --machines and --sync_nodes=false"),
        "start_cloud": (USER, NODE_CONTROLLER, "start, following the cloud"),
        "start_cloud_off": (USER, NODE_CONTROLLER, "start, with the cloud and --sync-nodes=false"),
        "start_static": (USER, NODE_CONTROLLER, "start with --machines, without a cloud"),
        "start_static_unnamed": (USER, NODE_CONTROLLER, "start without a cloud and without --machines"),
        "stop": (USER, NODE_CONTROLLER, "stop"),
        "register": (NODE_CONTROLLER, API, "create the records of --machines"),
        "attempt_failed": (API, NODE_CONTROLLER, "refuse a record: to be tried again"),
        "give_up": (NODE_CONTROLLER, NODE_CONTROLLER, "give up after the last attempt"),
        "list_failed": (CLOUD, NODE_CONTROLLER, "fail to list the machines"),
    },
    "scheduling": {
        "write_pending": (USER, "node n1", "write the phase Pending"),
        "write_running": (USER, "node n1", "write the phase Running"),
        "write_terminated": (USER, "node n1", "write the phase Terminated"),
        "write_any_string": (USER, "node n1", "write a phase that is none"),
    },
    "sharing": {
        "create_sandbox": (KUBELET, "sandbox", "create"),
        "create_on_host": (KUBELET, "sandbox", "create in the network of the host"),
        "give_address": (KUBELET, "sandbox", "create, with an address"),
        "release": (KUBELET, "sandbox", "stop, and what runs with it"),
        "sandbox_died": (FAULT, "sandbox", "dies, and what runs is killed"),
        "set_up": (KUBELET, "volume", "set up"),
        "set_up_failed": (FAULT, "volume", "cannot be set up"),
        "destroy": (KUBELET, "volume", "destroy"),
        "write_outside": (SOMEBODY, "container", "write beside the volume"),
    },
    "replication": {
        "submit": (USER, REPLICATION, "create"),
        "submit_other_policy": (USER, API, "create a controller of pods that are not Always: refused"),
        "submit_bad_selector": (USER, API, "create a controller that would not find its pods: refused"),
        "submit_negative": (USER, API, "create a controller of fewer than no pods: refused"),
        "scale_up": (USER, REPLICATION, "ask for one pod more"),
        "scale_down": (USER, REPLICATION, "ask for one pod less"),
        "withdraw": (USER, REPLICATION, "delete"),
        "observe": (REPLICATION, REPLICATION, "see what it has created"),
        "expire": (REPLICATION, REPLICATION, "expect no longer what it has not seen"),
    },
    "loss of a node": {
        "post_ready": (KUBELET, "node n1", "post Ready True"),
        "post_not_ready": (KUBELET, "node n1", "post Ready False"),
        "never_reported": (NODE_CONTROLLER, "node n1", "Ready Unknown: the kubelet has never reported"),
        "silent": (NODE_CONTROLLER, "node n1", "Ready Unknown: the kubelet is silent"),
        "restart_controller": (FAULT, NODE_CONTROLLER, "restart: its timers begin again"),
        "elapse": (NODE_CONTROLLER, NODE_CONTROLLER, "the time-out has elapsed"),
        "time_out": (NODE_CONTROLLER, "pods of n1", "mark Failed: the node is lost for too long"),
        "cut": (FAULT, "node n1", "cut off"),
        "heal": (FAULT, "node n1", "connect again"),
        "skew": (FAULT, "node n1", "the clock goes wrong"),
        "correct": (USER, "node n1", "set the clock right"),
        "read_failed": (API, NODE_CONTROLLER, "fail to read the node"),
        "write_failed": (API, NODE_CONTROLLER, "refuse the node's status: to be tried again"),
        "elapse_grace": (NODE_CONTROLLER, NODE_CONTROLLER, "the grace period has elapsed"),
        "elapse_eviction": (NODE_CONTROLLER, NODE_CONTROLLER, "the eviction delay has elapsed"),
        "age": (NODE_CONTROLLER, NODE_CONTROLLER, "the last transition is long ago"),
        "refill": (NODE_CONTROLLER, NODE_CONTROLLER, "a token for a deletion is back"),
    },
    "admission": {
        "finish": (ITSELF, "pod", "exit with 0"),
        "come": (SOMEBODY, "earlier pod", "run on the node"),
        "end": (ITSELF, "earlier pod", "exit with 0"),
        "leave": (USER, "earlier pod", "delete"),
        "relabel": (USER, "node", "change the labels"),
        "want_port": (USER, "pod", "ask for the port of the earlier pod"),
        "want_much": (USER, "pod", "ask for more than the node has"),
        "forbid": (USER, KUBELET, "forbid what the pod asks for"),
        "disk_died": (FAULT, "volume", "cannot be mounted"),
        "mend_disk": (USER, "volume", "can be mounted again"),
        "run": (KUBELET, "pod", "start"),
        "refuse_port": (KUBELET, "pod", "refuse: the port is taken. Failed"),
        "refuse_selector": (KUBELET, "pod", "refuse: the node has not the labels. Failed"),
        "refuse_capacity": (KUBELET, "pod", "refuse: the node has not the room. Failed"),
        "kill_forbidden": (KUBELET, "pod", "kill what is forbidden"),
    },
    "restarting": {
        "create": (KUBELET, "container", "create"),
        "start": (KUBELET, "container", "start"),
        "exit_zero": (ITSELF, "container", "exit with 0"),
        "exit_failure": (ITSELF, "container", "exit with a failure"),
        "restart": (KUBELET, "container", "create again"),
        "restart_ended": (KUBELET, "container", "create again, though it has ended well: Docker failed to tell"),
        "probe_error": (KUBELET, "container", "probe in vain: the probe itself fails"),
        "hook_failed": (KUBELET, "container", "kill: the hook after its start failed"),
        "pull_failed": (ENGINE, KUBELET, "fail to pull the image"),
        "record_gone": (USER, "container", "remove the dead container behind the kubelet's back"),
        "crash": (FAULT, KUBELET, "crash"),
        "start_again": (SOMEBODY, KUBELET, "start again"),
        "stall": (FAULT, ENGINE, "answers no more"),
        "break_down": (FAULT, ENGINE, "answers wrongly"),
        "recover": (SOMEBODY, ENGINE, "answers again"),
        "remove_image": (USER, "image", "remove"),
        "hide_image": (FAULT, "image", "cannot be asked about"),
        "restore_image": (USER, "image", "is there again"),
        "cut": (FAULT, "node", "cut off"),
        "heal": (FAULT, "node", "connect again"),
        "any_change": (API, KUBELET, "tell of a change of any pod"),
        "period": (KUBELET, KUBELET, "the sync period is over"),
        "collect": (KUBELET, "container", "remove old instances"),
        "create_sandbox": (KUBELET, "sandbox", "create"),
        "end_sandbox": (KUBELET, "sandbox", "stop"),
        "publish_pending": (KUBELET, API, "post Pending"),
        "publish_unset": (KUBELET, API, "post no phase"),
        "publish_running": (KUBELET, API, "post Running"),
        "publish_succeeded": (KUBELET, API, "post Succeeded"),
        "publish_lost": (KUBELET, API, "post Pending: the statuses are lost"),
        "sync_unavailable": (KUBELET, KUBELET, "sync without Docker's answer: nothing is posted"),
        "sync_cut": (KUBELET, KUBELET, "sync while cut off: nothing arrives"),
        "sync_over": (KUBELET, KUBELET, "sync of a pod that has ended: nothing to do"),
    },
    "ending": {
        "write_pending": (SOMEBODY, "pod", "write the phase Pending"),
        "write_running": (SOMEBODY, "pod", "write the phase Running"),
        "write_succeeded": (SOMEBODY, "pod", "write the phase Succeeded"),
        "write_failed": (SOMEBODY, "pod", "write the phase Failed"),
        "delete": (USER, "pod", "delete"),
        "delete_gracefully": (USER, "pod", "delete, with a grace period: it is ignored"),
        "restart_agent": (FAULT, KUBELET, "restart"),
        "report": (API, KUBELET, "report all pods"),
        "post_start": (KUBELET, "container", "run the hook after its start"),
        "ask_to_stop": (KUBELET, "container", "ask to stop"),
        "stop": (ITSELF, "container", "stop, or be killed"),
    },
    "mirroring": {
        "cut": (FAULT, "node", "cut off"),
        "heal": (FAULT, "node", "connect again"),
        "run_static": (KUBELET, "static pod", "start"),
        "exit_static": (ITSELF, "static pod", "exit"),
        "evict": (NODE_CONTROLLER, "mirror pod", "delete: the node is lost"),
        "delete_mirror": (USER, "mirror pod", "delete"),
        "make_mirror": (KUBELET, "mirror pod", "create"),
        "show_running": (KUBELET, "mirror pod", "post Running"),
        "show_pending": (KUBELET, "mirror pod", "post Pending"),
        "list_pod": ("endpoint controller", "pod", "list as an endpoint"),
        "unlist_pod": ("endpoint controller", "pod", "list as an endpoint no more"),
    },
    "recording": {
        "engine_stops": (FAULT, ENGINE, "stop"),
        "engine_starts": (SOMEBODY, ENGINE, "start"),
        "post_ready": (KUBELET, "node n1", "post Ready True"),
        "post_not_ready": (KUBELET, "node n1", "post Ready False"),
        "never_reported": (NODE_CONTROLLER, "node n1", "Ready Unknown: the kubelet has never reported"),
        "silent": (NODE_CONTROLLER, "node n1", "Ready Unknown: the kubelet is silent"),
        "drop": (FAULT, KUBELET, "lose an event that waits to be written"),
        "write": (KUBELET, API, "write an event that waits"),
    },
}
"""In a situation: who does an event, to whom, and what it is in words, by its label. Events that are not here are those
of the cluster."""

ACTS_BY_PROFILE: dict[tuple[str, str], tuple[str, str]] = {
    ("v0.17.0", "remove"): (USER, "delete the record"),  # NC-SYNC-7; the loop's own deletion is remove_by_cloud
}
"""The same, where a profile reads a label in another way."""


def acted(profile: str, event: str, kind: Kind = "act", situation: str = "") -> Step:
    """An event of the network, or of a situation, as a step. An event of an unknown form or label is told as it
    stands."""
    if event == "settle":
        return Step(WORLD, WORLD, "come to rest", kind)
    if (row := SITUATED.get(situation, {}).get(event.partition("(")[0])) is not None:
        who, whom, what = row
        return Step(whom if who == ITSELF else who, whom, what, kind)
    parts = re.fullmatch(r"(\w+)\(([^(),]+)(?:,([^(),]+))?(?:,[^(),]+)*\)", event)
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
    situation: str = "",
) -> list[Step]:
    """A violated property as steps: the path, what may then go on for ever, and last what is violated.

    ``path`` is None where nothing that the property asks for can be reached; ``step`` is the step of the phase table
    that a refinement lacks; ``situation`` names the one whose events these are.
    """
    told = [acted(profile, event, situation=situation) for event in path or ()]
    if path is None:
        told.append(Step("model", "model", "nothing of the kind can be reached", "note"))
    elif not path:
        told.append(Step("model", "model", "at the very beginning", "note"))
    told += [acted(profile, event, "again", situation) for event in loop if event != "stays"]
    if "stays" in loop:
        told.append(Step("", "", "and so it stays for ever", "note"))
    words = [f"violated: {name}", *([", ".join(rules)] if rules else []), *([f"which is: {step}"] if step else [])]
    return [*told, Step("", "", "\n".join(words), "failure")]
