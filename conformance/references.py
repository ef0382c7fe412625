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
from model import properties, registry
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
    "node.record.trailing-commas": "a node record with a trailing comma is refused with its place",
    "node.record.trailing-commas.kubectl": "a node record with a trailing comma is refused with its place",
    "node.record.example-accepted": "the document's node record without its trailing commas is accepted",
    "node.record.structure": "a node record has id, kind, apiVersion, capacity and labels",
    "node.record.id-validates": "a node record without an id is refused",
}
"""What `conformance.judge` and `conformance.noderecord` check by themselves, by rule."""


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
    for rule, what in JUDGED.items():
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
