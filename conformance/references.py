"""What refers to a rule: rows of tables, decisions and listings, properties, scenarios, and checks of recordings.

A rule that nothing refers to is *unchecked*, unless it only describes. The list of those is committed
(``docs/unchecked.txt``): it can only shrink.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from typing import Literal

import msgspec

from conformance.scenario import all_scenarios
from model import events, properties, registry
from model.cluster import Size
from model.container import POLICIES
from model.listing import name_of
from model.listings import LISTINGS
from model.profiles import PROFILES
from model.situations import situations

Kind = Literal["row", "decision", "entry", "property", "scenario", "judge"]


class Reference(msgspec.Struct, frozen=True):
    """One thing that refers to a rule: what kind of thing, in which table or module, and which one."""

    kind: Kind
    place: str
    name: str


JUDGED = {
    "history.order.time": "the time of the lines never falls",
    "history.order.version": "versions within a stream rise",
    "history.goal.reached": "what a scenario waits for is seen",
    "history.workload.done": "containers end as their workloads say",
    "pod.event.completed": "every normal exit is recorded",
    "pod.event.failed": "every abnormal exit is recorded",
    "pod.event.out-of-memory": "every end for want of memory is recorded",
    "pod.event.oom-error": "under Never an error event besides",
    "pod.event.disk-died": "the death of a disk is recorded",
    "pod.restart.counted": "restart counts never fall and miss no incarnation",
    "pod.restart.count-reconstructed": "restart counts do not fall below five and miss no incarnation",
    "pod.phase.values": "a phase is one of four",
    "pod.phase.five-values": "a phase is one of five",
    "pod.phase.unknown-never-set": "a phase is never Unknown",
    "pod.phase.table": "the phase is what the decision table says",
    "pod.phase.status-lost": "a pod may be Pending without statuses in between",
    "pod.life.not-by-itself": "nothing vanishes by itself or comes back",
    "pod.life.node-lost": "no pod vanishes from a lost node unmarked",
    "pod.binding.never-moved": "the node of a pod never changes",
    "pod.binding.candidate": "no pod is bound to a node that a fault holds down",
    "scheduler.candidate.ready": "no pod is bound to a node that a fault holds down",
    "node.phase.values": "a node's phase is one of three",
    "node.phase.never-set": "a node's phase is empty",
    "node.condition.only-ready": "Ready is the only condition",
    "node.condition.only-running": "conditions only while Running",
    "replication.template.always-only": "the template of a controller has policy Always",
    "replication.template.selector": "the selector of a controller is not empty, and its template's labels match",
    "replication.template.replicas": "no controller wants a negative number of pods",
    "replication.count.status": "at rest, a controller's record says how many pods count",
    "node.condition.kubelet-writes": "Ready is True or False with a reason of the kubelet",
    "node.condition.kubelet-reasons": "Ready is True or False with a reason of the kubelet",
    "node.condition.controller-writes": "Ready is Unknown with a reason of the node controller",
    "node.condition.controller-reasons": "Ready is Unknown with a reason of the node controller",
    "node.condition.never-reported": "no node that has reported is said to have never reported",
    "node.condition.silent.heartbeat-kept": "a silent node keeps its heartbeat time",
    "node.condition.unknown-stamps-time": "a node that becomes Unknown has a new time of transition",
    "pod.binding.spec-immutable": "of a pod's spec only the images change",
    "pod.life.no-final-phase": "a pod is deleted with the status that it had",
    "pod.phase.update-keeps-status": "a pod that is bound, or gets another image, keeps its status",
    "pod.phase.other-policy": "a pod's restart policy is one of three",
    "pod.phase.unnamed-ignored": "the phase is not made of statuses of containers that are not in the spec",
    "pod.phase.readiness-ignored": "the phase is not made of readiness",
    "pod.phase.one-or-two": "the phase of one or two containers is that of the decision table",
    "pod.phase.wire-names": "frames of v1beta1 and v1beta2 are read by their own words for phases",
    "pod.restart.wire-names": "frames of v1beta1 and v1beta2 are read by their own words for policies",
    "pod.restart.default-always": "a frame without a restart policy is read as Always",
    "pod.restart.sandbox-died": "a sandbox that has died is not started again",
    "pod.sharing.pause-container": "a sandbox that has died is not started again",
    "pod.container.three-states": "a container is in one state",
    "pod.container.none-set": "a container in no state counts as unknown",
    "pod.container.termination-fields": "a Termination has the fields that it may and must have",
    "pod.container.termination-message": "a Termination has a message only if the spec names a file for one",
    "pod.container.newest": "the instance shown is never older than one shown before",
    "pod.container.last-state": "the last instance shown is the one before the newest, by the engine's account",
    "pod.container.running": "a running container names its instance, and since when it runs agrees with the engine",
    "pod.container.terminated": "a terminated container names its instance; code and end agree with the engine",
    "pod.container.oom-reason": "what ran out of memory by the engine's account says so",
    "pod.container.never-ran": "a container that waits with an instance says why",
    "pod.container.no-instance": "a container that waits without an instance says why",
    "pod.container.waiting-reason": "a container that waits has a reason",
    "pod.container.count-carried": "without an instance the restart count does not fall",
    "pod.container.ready": "only a running container is ready",
    "pod.container.ready-condition": "a pod is Ready if, and only if, all its containers are",
    "pod.event.spelling": "reasons of events are in lower camel case, but for SystemOOM",
    "pod.event.source-host": "an event of the kubelet names its host, which is the pod's node",
    "pod.event.merged": "an event that is seen again has grown, and is otherwise the same",
    "node.event.object": "an event of a node has the node's name as uid, and lies in namespace default",
    "node.record.trailing-commas": "a node record with a trailing comma is refused with its place",
    "node.record.trailing-commas.kubectl": "a node record with a trailing comma is refused with its place",
    "node.record.example-accepted": "the document's node record without its trailing commas is accepted",
    "node.record.structure": "a node record has id, kind, apiVersion, capacity and labels",
    "node.record.id-validates": "a node record without an id is refused",
}
"""What `conformance.judge` and `conformance.noderecord` check by themselves, by rule."""

JUDGED_EVENTS = [
    *((kind.rules, f"{kind.component} alone records {kind.reason}, about a {kind.about}") for kind in events.KINDS),
    *((never.rules, f"{never.component} records nothing else about a {never.about}") for never in events.NEVER),
]
"""What the judge checks of every event, by the tables of `model.events`."""


@functools.cache
def references() -> dict[str, tuple[Reference, ...]]:
    """Everything that refers to a rule, by rule id."""
    found: dict[str, list[Reference]] = defaultdict(list)
    for profile in PROFILES.values():
        for table in profile.tables():
            for row in table.all_rows():
                for rule in row.rules:
                    found[rule].append(Reference("row", f"{profile.name}: {table.name}", str(row)))
        for decision in profile.decisions():
            for rule in decision.rules:
                found[rule].append(Reference("decision", profile.name, decision.name))
        for policy in POLICIES:
            for prop in properties.properties(profile, Size(policy, pods=1, containers=1, nodes=1)):
                for rule in prop.rules:
                    found[rule].append(Reference("property", f"{profile.name} {policy}: {prop.kind}", prop.name))
        for situation in situations(profile):
            for prop in situation.properties:
                for rule in prop.rules:
                    place = f"{profile.name} {situation.name}: {prop.kind}"
                    found[rule].append(Reference("property", place, prop.name))
        for scenario in all_scenarios():
            for rule in scenario.rules(profile.name):
                found[rule].append(Reference("scenario", scenario.section, scenario.id))
    for listing in LISTINGS:
        for entry in listing.rows:
            for rule in entry.rules:
                found[rule].append(Reference("entry", listing.name, name_of(entry)))
    judged = [*JUDGED.items(), *((rule, what) for rules, what in JUDGED_EVENTS for rule in rules)]
    for rule, what in judged:
        found[rule].append(Reference("judge", "every history", what))
    return {rule: tuple(dict.fromkeys(refs)) for rule, refs in found.items()}


def unchecked(profile: str | None = None) -> list[registry.Rule]:
    """The rules that nothing refers to though they do not only describe, of one profile or of all."""
    known = references()
    return [r for r in _of(profile) if r.id not in known and not r.describes]


def describing(profile: str | None = None) -> list[registry.Rule]:
    """The rules that only describe, of one profile or of all."""
    return [r for r in _of(profile) if r.describes]


def _of(profile: str | None) -> list[registry.Rule]:
    return [r for r in registry.all_rules().values() if profile is None or profile in r.profiles]
