"""The node record: its fields on the wire and inside, who writes them, and what is refused.

A record is a dictionary from the names of `FIELDS` to values, without the fields that are not set. On the wire it is
a ``Minion`` of v1beta1, as in the document (seed.md L187-L200), or a ``Node`` of v1beta3. Everything here is a table
and the few lines that read it; nothing looks at a network or a clock.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from model.listing import Listing
from model.settings import setting

Record = dict[str, Any]
Json = dict[str, Any]
Version = Literal["v1beta1", "v1beta3"]

# --- the fields -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """One field: where it stands in each version of the API, and who reads it (people beside)."""

    name: str
    v1beta3: str
    v1beta1: str
    read_by: tuple[str, ...]
    rules: tuple[str, ...]

    @property
    def part(self) -> str:
        """``metadata``, ``spec`` or ``status``: the part of the record that it belongs to."""
        return self.v1beta3.partition(".")[0]


SCHEDULER, KUBELET, NODE_CONTROLLER, CLIENT = "scheduler", "kubelet", "node controller", "client"

FIELDS = (
    Field("name", "metadata.name", "id", (SCHEDULER, KUBELET, NODE_CONTROLLER),
          ("node.record.fields", "node.record.wire-names")),
    Field("namespace", "metadata.namespace", "namespace", (), ("node.record.cluster-scoped",)),
    Field("labels", "metadata.labels", "labels", (SCHEDULER, KUBELET), ("node.record.fields",)),
    Field("annotations", "metadata.annotations", "annotations", (), ("node.record.fields",)),
    Field("uid", "metadata.uid", "uid", (), ("node.record.fields",)),
    Field("version", "metadata.resourceVersion", "resourceVersion", (), ("node.record.fields",)),
    Field("created", "metadata.creationTimestamp", "creationTimestamp", (NODE_CONTROLLER,), ("node.record.fields",)),
    Field("podCIDR", "spec.podCIDR", "podCIDR", (), ("node.record.fields",)),
    Field("externalID", "spec.externalID", "externalID", (), ("node.record.fields",)),
    Field("unschedulable", "spec.unschedulable", "unschedulable", (SCHEDULER, KUBELET), ("node.record.fields",)),
    Field("capacity", "status.capacity", "resources.capacity", (SCHEDULER, KUBELET),
          ("node.record.fields", "node.record.wire-names")),
    Field("phase", "status.phase", "status.phase", (), ("node.record.fields", "node.status.three-parts")),
    Field("conditions", "status.conditions", "status.conditions", (SCHEDULER, NODE_CONTROLLER),
          ("node.record.fields", "node.status.three-parts")),
    Field("addresses", "status.addresses", "status.addresses", (KUBELET,),
          ("node.record.fields", "node.status.three-parts")),
    Field("nodeInfo", "status.nodeInfo", "status.nodeInfo", (KUBELET,), ("node.record.fields",)),
)  # fmt: skip
"""Of the status the document has three: host IP, phase and conditions."""


@dataclass(frozen=True)
class Kind:
    """A kind of object: the names by which a version knows it; the first one is written."""

    version: str
    names: tuple[str, ...]
    rules: tuple[str, ...]


KINDS = (
    Kind("v1beta1", ("Minion", "Node"), ("node.record.kind-names",)),
    Kind("v1beta3", ("Node", "Minion"), ("node.record.kind-names",)),
)

# --- addresses ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AddressType:
    """A type of address, what the document calls it, and when a pod's hostIP is taken from it (1 is first)."""

    name: str
    in_the_document: str
    taken: int | None
    rules: tuple[str, ...]


ADDRESS_TYPES = (
    AddressType("LegacyHostIP", "host IP", 1, ("node.address.four-kinds", "node.address.preference",
                                               "node.record.host-ip")),
    AddressType("InternalIP", "private IP", 2, ("node.address.four-kinds", "node.address.preference",
                                                "node.address.kinds")),
    AddressType("ExternalIP", "public IP", 3, ("node.address.four-kinds", "node.address.preference",
                                               "node.address.kinds")),
    AddressType("Hostname", "", None, ("node.address.four-kinds",)),
)  # fmt: skip
"""A dynamic or IPv6 address of the document has no type of its own: each of these may hold one."""


def host_ip(record: Record) -> str:
    """What the pods of a node show as hostIP: its first address of the type that is preferred; nothing without one
    (node.address.missing)."""
    preferred = sorted((one for one in ADDRESS_TYPES if one.taken), key=lambda one: one.taken or 0)
    found = (a["address"] for one in preferred for a in record.get("addresses", ()) if a["type"] == one.name)
    return next(found, "")


@dataclass(frozen=True)
class AddressSource:
    """Where the node controller has the addresses from, for a record that it makes itself."""

    when: str
    addresses: str
    rules: tuple[str, ...]


ADDRESS_SOURCES = (
    AddressSource("a cloud", "those that it gives for the instance", ("node.address.from-cloud",)),
    AddressSource("no cloud, the name is an IP address", "one LegacyHostIP: the name", ("node.address.from-name",)),
    AddressSource("no cloud, DNS knows the name", "one LegacyHostIP: the first answer", ("node.address.from-name",)),
    AddressSource("nothing of this", "none", ("node.address.lookup-failed", "node.address.missing")),
)


def addresses_of(name: str, cloud: list[Json] | None, lookup: Callable[[str], list[str]]) -> list[Json]:
    """The addresses that the node controller writes into a record that it makes, by the rows of `ADDRESS_SOURCES`.

    ``lookup`` asks DNS: addresses, or nothing.
    """
    if cloud is not None:
        return cloud
    found = [name] if _is_ip(name) else lookup(name)
    return [{"type": "LegacyHostIP", "address": address} for address in found[:1]]


@dataclass(frozen=True)
class Registration:
    """What the node controller writes into the record that it makes of a name in the static list."""

    field: str
    value: str
    rules: tuple[str, ...]


REGISTRATION = (
    Registration("name", "the name in lower case, each once", ("nodecontroller.sync.lower-case",)),
    Registration("addresses", "from the name (see address sources)", ("nodecontroller.sync.machines-defaults",)),
    Registration("capacity", "the default of the flags", ("nodecontroller.sync.machines-defaults",)),
)


def registered(machines: Iterable[str], lookup: Callable[[str], list[str]]) -> list[Record]:
    """The records that the node controller makes of the static list: names in lower case, each once, with addresses and
    the capacity of its flags, by the rows of `REGISTRATION`."""
    capacity = {
        "cpu": Decimal(setting("cpu of a machine").number) / 1000,
        "memory": Decimal(setting("memory of a machine").number),
    }
    records = []
    for name in dict.fromkeys(machine.lower() for machine in machines):
        found = addresses_of(name, None, lookup)
        records.append(defaulted({"name": name, "capacity": capacity, **({"addresses": found} if found else {})}))
    return records


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


# --- capacity -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Quantity:
    """A quantity of the capacity: its unit inside and in v1beta1, and the suffixes with which v1beta3 shortens it."""

    name: str
    unit: str
    v1beta1: str
    suffixes: tuple[str, ...]
    rules: tuple[str, ...]


QUANTITIES = (
    Quantity("cpu", "cores", "cores: read as a number or text, written as text", ("m", "k", "M", "G"),
             ("node.record.cpu-unit", "node.record.cpu-cores", "node.record.cpu-output")),
    Quantity("memory", "bytes", "bytes: a number", ("Ki", "Mi", "Gi", "Ti"), ("node.record.memory-bytes",)),
)  # fmt: skip
"""The document gives numbers without a unit. A cpu of 1000 is a thousand cores, not one core of a thousand parts."""

SUFFIXES = {
    "m": Decimal("0.001"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40),
}  # fmt: skip


def amount(written: float | str) -> Decimal:
    """A quantity as it is written, in its unit. Raises ValueError."""
    found = re.fullmatch(r"([+-]?\d+(?:\.\d+)?|[+-]?\.\d+)([a-zA-Z]*)", str(written))
    if found is None or found[2] not in SUFFIXES:
        raise ValueError(f"quantity {written!r}: expected a number and one of {', '.join(filter(None, SUFFIXES))}")
    value = Decimal(found[1]) * SUFFIXES[found[2]]
    if abs(value) >= 10**24:
        raise ValueError(f"quantity {written!r:.40}…: expected less than 10^24")
    return value


def shortened(name: str, value: Decimal) -> str:
    """A quantity as v1beta3 writes it: with the largest suffix that leaves a whole number, as ``1k`` or ``1Gi``."""
    known = next((one.suffixes for one in QUANTITIES if one.name == name), ())
    whole = [suffix for suffix in ("", *known) if value % SUFFIXES[suffix] == 0]
    suffix = max(whole, key=lambda one: SUFFIXES[one]) if value and whole else ""
    return f"{_plain(value / SUFFIXES[suffix])}{suffix}"


def _plain(value: Decimal) -> str:
    """``1000``, not ``1E+3``."""
    return f"{value.normalize():f}"


def _capacity_in(written: Json) -> Record:
    return {name: amount(value) for name, value in written.items()}


def _capacity_to_v1beta1(capacity: Record) -> Json:
    return {name: _plain(value) if name == "cpu" else int(value) for name, value in capacity.items()}


def _capacity_to_v1beta3(capacity: Record) -> Json:
    return {name: shortened(name, value) for name, value in capacity.items()}


# --- conditions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ConditionKind:
    """A kind of condition, the versions that name it, and who sets and reads it."""

    name: str
    versions: tuple[str, ...]
    set_by: tuple[str, ...]
    read_by: tuple[str, ...]
    rules: tuple[str, ...]


CONDITION_KINDS = (
    ConditionKind("Ready", ("v1beta1", "v1beta2", "v1beta3"), (KUBELET, NODE_CONTROLLER), (SCHEDULER, NODE_CONTROLLER),
                  ("node.condition.only-ready", "node.condition.kubelet-writes", "node.condition.controller-writes")),
    ConditionKind("Reachable", ("v1beta1", "v1beta2"), (), (), ("node.condition.reachable-dead",)),
    ConditionKind("Schedulable", ("v1beta1", "v1beta2"), (), (), ("node.condition.reachable-dead",)),
    ConditionKind("any other", (), (CLIENT,), (), ("node.condition.unknown-kinds-kept", "node.condition.more-later")),
)  # fmt: skip
"""Conditions of every kind are kept as they were written."""


@dataclass(frozen=True)
class WireName:
    """A word that v1beta1 (and v1beta2) spells differently."""

    v1beta3: str
    v1beta1: str
    rules: tuple[str, ...]


CONDITION_FIELDS = (
    WireName("type", "kind", ("node.condition.wire-fields",)),
    WireName("lastHeartbeatTime", "lastProbeTime", ("node.condition.wire-fields",)),
)
CONDITION_STATUS = (
    WireName("True", "Full", ("node.condition.wire-values",)),
    WireName("False", "None", ("node.condition.wire-values",)),
    WireName("Unknown", "Unknown", ("node.condition.wire-values",)),
)


def _renamed(conditions: list[Json], fields: Mapping[str, str], status: Mapping[str, str]) -> list[Json]:
    return [
        {fields.get(key, key): status.get(value, value) if key == "status" else value for key, value in one.items()}
        for one in conditions
    ]


def _conditions_in(conditions: list[Json]) -> list[Json]:
    return _renamed(conditions, _inside(CONDITION_FIELDS), _inside(CONDITION_STATUS))


def _conditions_out(conditions: list[Json]) -> list[Json]:
    return _renamed(conditions, _outside(CONDITION_FIELDS), _outside(CONDITION_STATUS))


def _inside(names: Iterable[WireName]) -> dict[str, str]:
    return {one.v1beta1: one.v1beta3 for one in names}


def _outside(names: Iterable[WireName]) -> dict[str, str]:
    return {one.v1beta3: one.v1beta1 for one in names}


@dataclass(frozen=True)
class ReadyWrite:
    """One way in which Ready is written. A time is ``now``, ``kept`` from the condition before, or ``created``: the
    node's."""

    reason: str
    by: str
    status: str
    heartbeat: str
    transition: str
    rules: tuple[str, ...]


READY_WRITES = (
    ReadyWrite("kubelet is posting ready status", KUBELET, "True", "now", "kept",
               ("node.condition.kubelet-reasons", "node.condition.transition-time-kept")),
    ReadyWrite("container runtime is down", KUBELET, "False", "now", "kept",
               ("node.condition.kubelet-reasons", "node.condition.transition-time-kept")),
    ReadyWrite("Kubelet stopped posting node status.", NODE_CONTROLLER, "Unknown", "kept", "now",
               ("node.condition.controller-reasons", "node.condition.silent", "node.condition.unknown-stamps-time")),
    ReadyWrite("Kubelet never posted node status.", NODE_CONTROLLER, "Unknown", "created", "now",
               ("node.condition.controller-reasons", "node.condition.never-reported.heartbeat")),
)  # fmt: skip
"""What is ``kept`` is ``now`` where there was no condition before."""


def explained_by(before: Json | None, after: Json, created: str) -> ReadyWrite | None:
    """The row that leads from one Ready condition (v1beta3; None: there was none) to another; None if no row does.

    Times are text that sorts by time. A condition that is written again, unchanged, is explained by its own row.
    """
    for row in READY_WRITES:
        if (after.get("status"), after.get("reason")) != (row.status, row.reason):
            continue
        times = {"created": created, "kept": None if before is None else before["lastHeartbeatTime"]}
        heartbeat, transition = after["lastHeartbeatTime"], after["lastTransitionTime"]
        if row.heartbeat != "now" and times[row.heartbeat] != heartbeat:
            continue
        if before is not None:
            earlier = before["lastHeartbeatTime"] > heartbeat or before["lastTransitionTime"] > transition
            moved = before["lastTransitionTime"] != transition
            if earlier or (moved and (row.transition == "kept" or before["status"] == row.status)):
                continue
        return row
    return None


# --- reading and writing --------------------------------------------------------------------------------------------


def read(version: Version, written: Json) -> Record:
    """A record from its wire form. Unknown fields are passed over. Raises ValueError for a quantity that is none."""
    record: Record = {}
    for field in FIELDS:
        value = _look(written, getattr(field, version))
        if value not in (None, "", {}, [], False):
            record[field.name] = value
    if "capacity" in record:
        record["capacity"] = _capacity_in(record["capacity"])
    if version == "v1beta1":
        if "conditions" in record:
            record["conditions"] = _conditions_in(record["conditions"])
        if host := written.get("hostIP"):
            record["addresses"] = with_host_ip(record.get("addresses", []), host)
    return record


def write(version: Version, record: Record) -> Json:
    """The wire form of a record."""
    kind = next(one for one in KINDS if one.version == version)
    written: Json = {"kind": kind.names[0], "apiVersion": version}
    values = dict(record)
    if "capacity" in values:
        out = _capacity_to_v1beta1 if version == "v1beta1" else _capacity_to_v1beta3
        values["capacity"] = out(values["capacity"])
    if version == "v1beta1" and "conditions" in values:
        values["conditions"] = _conditions_out(values["conditions"])
    for field in FIELDS:
        if field.name in values:
            _put(written, getattr(field, version), values[field.name])
    if version == "v1beta1" and (host := last_host_ip(record.get("addresses", []))):
        written["hostIP"] = host
    return written


def with_host_ip(addresses: list[Json], host: str) -> list[Json]:
    """The addresses, and hostIP among them: added last as a LegacyHostIP unless it is there already."""
    address = {"type": "LegacyHostIP", "address": host}
    return addresses if address in addresses else [*addresses, address]


def last_host_ip(addresses: list[Json]) -> str:
    """What v1beta1 writes as hostIP: the last LegacyHostIP."""
    return next((a["address"] for a in reversed(addresses) if a["type"] == "LegacyHostIP"), "")


def _look(written: Json, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(written, dict) or key not in written:
            return None
        written = written[key]
    return written


def _put(written: Json, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for key in parents:
        written = written.setdefault(key, {})
    written[last] = value


# --- what is refused ------------------------------------------------------------------------------------------------

Action = Literal["create", "update", "status update"]

NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
WORD = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
LONGEST_NAME, LONGEST_WORD = 253, 63


class Refusal(NamedTuple):
    """Why a record is refused: the row of `CHECKS` that does, the field, and what was expected."""

    check: str
    field: str
    expected: str
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Check:
    """What must hold of a field. ``holds`` takes the record that is to be stored, and the stored one, if any."""

    name: str
    field: str
    when: tuple[Action, ...]
    expected: str
    holds: Callable[[Record, Record], bool]
    rules: tuple[str, ...]


def is_name(text: str) -> bool:
    """Whether a text is a DNS-1123 subdomain: lower-case words, joined by dots, of at most 253 characters."""
    return len(text) <= LONGEST_NAME and NAME.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """Whether a text may be the key of a label or annotation: a word, or a DNS name, a slash and a word."""
    prefix, slash, word = text.rpartition("/")
    return (is_name(prefix) if slash else True) and _is_word(word)


def _is_word(text: str) -> bool:
    return len(text) <= LONGEST_WORD and WORD.fullmatch(text) is not None


def _has_name(record: Record, _: Record) -> bool:
    return is_name(record.get("name", ""))


def _labels_are_good(record: Record, _: Record) -> bool:
    return all(is_key(key) and (not value or _is_word(value)) for key, value in record.get("labels", {}).items())


def _annotations_are_good(record: Record, _: Record) -> bool:
    return all(map(is_key, record.get("annotations", {})))


def _same(field: str) -> Callable[[Record, Record], bool]:
    return lambda record, stored: record.get(field) == stored.get(field)


def _no_address_twice(record: Record, _: Record) -> bool:
    pairs = [(a["type"], a["address"]) for a in record.get("addresses", ())]
    return len(pairs) == len(set(pairs))


ALWAYS: tuple[Action, ...] = ("create", "update", "status update")
CHANGES: tuple[Action, ...] = ("update", "status update")

CHECKS = (
    Check("name", "name", ALWAYS, "lower-case words of a-z, 0-9 and -, joined by dots, at most 253 characters",
          _has_name, ("node.record.name-syntax", "node.record.id-validates", "node.record.syntax-only",
                      "node.address.id-without-cloud", "node.address.id-always-required")),
    Check("no namespace", "namespace", ALWAYS, "none: a node belongs to no namespace",
          lambda record, _: "namespace" not in record, ("node.record.cluster-scoped",)),
    Check("labels", "labels", ALWAYS, "words of at most 63 characters; a key may have a DNS name and a slash before it",
          _labels_are_good, ("node.record.labels-well-formed",)),
    Check("annotations", "annotations", ALWAYS, "keys like those of labels", _annotations_are_good,
          ("node.record.labels-well-formed",)),
    Check("external id", "externalID", ALWAYS, "one; it is the name unless something else is given",
          lambda record, _: "externalID" in record, ("node.record.external-id-default",)),
    Check("stored", "name", CHANGES, "that of a node that is stored: an update creates nothing",
          lambda record, stored: bool(stored) and record.get("name") == stored.get("name"),
          ("node.record.update-creates-nothing",)),
    Check("pod network", "podCIDR", CHANGES, "the stored one: it cannot be changed", _same("podCIDR"),
          ("node.record.immutable",)),
    Check("same external id", "externalID", CHANGES, "the stored one: it cannot be changed", _same("externalID"),
          ("node.record.immutable",)),
    Check("addresses", "addresses", CHANGES, "no two that are equal in type and address", _no_address_twice,
          ("node.record.duplicate-address", "node.address.may-change")),
)  # fmt: skip
"""All that is checked. Nothing of the status is, on creation; and nothing is asked of the node itself."""


@dataclass(frozen=True)
class Kept:
    """What an action takes from the stored record, whatever the client sends."""

    action: str
    sent: tuple[str, ...]
    stored: tuple[str, ...]
    rules: tuple[str, ...]


KEPT = (
    Kept("create", ("metadata", "spec", "status"), (), ("node.record.create-sets-status",)),
    Kept("update", ("metadata", "spec"), ("status",), ("node.record.update-keeps-status",)),
    Kept("status update", ("metadata", "status"), ("spec",), ("node.record.status-update-keeps-spec",)),
)


def defaulted(record: Record) -> Record:
    """The record with its defaults: externalID is the name."""
    return {"externalID": record["name"], **record} if record.get("name") else record


def store(action: Action, sent: Record, stored: Record | None = None) -> tuple[Record, list[Refusal]]:
    """The record that an action would leave, and why it is refused: empty if it is not."""
    kept = next(one for one in KEPT if one.action == action)
    old = stored or {}
    result = {
        field.name: source[field.name]
        for field in FIELDS
        for source in [old if field.part in kept.stored else defaulted(sent)]
        if field.name in source
    }
    refused = [
        Refusal(check.name, check.field, check.expected, check.rules)
        for check in CHECKS
        if action in check.when and not check.holds(result, old)
    ]
    return result, refused


# --- who writes it, and what it tells -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Writer:
    """Somebody who writes a record, and which fields he may change."""

    who: str
    when: str
    fields: tuple[str, ...]
    rules: tuple[str, ...]


WRITERS = (
    Writer(CLIENT, "updates the record", ("labels", "annotations", "unschedulable"), ("node.record.mutable",)),
    Writer(KUBELET, "posts a heartbeat", ("capacity", "conditions", "nodeInfo"),
           ("node.record.capacity-overwritten", "node.address.not-by-kubelet", "node.condition.kubelet-writes")),
    Writer(NODE_CONTROLLER, "finds the node silent", ("conditions",), ("node.condition.controller-writes",)),
)  # fmt: skip
"""Who changes a record that is there. The phase nobody changes; addresses only a client could, through the status."""


def writers(before: Record, after: Record) -> list[Writer]:
    """Who may have made one stored version of a record into another: those who may change all that changed."""
    changed = {f.name for f in FIELDS if f.name != "version" and before.get(f.name) != after.get(f.name)}
    return [writer for writer in WRITERS if changed <= set(writer.fields)]


@dataclass(frozen=True)
class Service:
    """A service that a node needs, and the field of nodeInfo that shows its version."""

    name: str
    shown_as: str
    rules: tuple[str, ...]


SERVICES = (
    Service("Docker", "containerRuntimeVersion", ("node.concept.services",)),
    Service("kubelet", "kubeletVersion", ("node.concept.services",)),
    Service("proxy", "kubeProxyVersion", ("node.concept.services",)),
)


def missing_services(record: Record) -> list[str]:
    """The services of which a node shows no version: all of them till its kubelet has reported."""
    info = record.get("nodeInfo", {})
    return [service.name for service in SERVICES if not info.get(service.shown_as)]


LISTINGS = (
    Listing("node fields", "The fields of a node record, on the wire and inside, and who reads them", FIELDS),
    Listing("node kinds", "What the record is called; the first name is written", KINDS),
    Listing("address types", "The types of addresses; a pod's hostIP is the first that its node has", ADDRESS_TYPES),
    Listing("address sources", "What the node controller takes for addresses, in a record that it makes",
            ADDRESS_SOURCES),
    Listing("registration", "What the node controller writes into the record of a name in --machines", REGISTRATION),
    Listing("quantities", "The capacity of a node", QUANTITIES),
    Listing("condition kinds", "The kinds of conditions", CONDITION_KINDS),
    Listing("condition fields", "What v1beta1 and v1beta2 call the fields of a condition", CONDITION_FIELDS),
    Listing("condition statuses", "What v1beta1 and v1beta2 call the status of a condition", CONDITION_STATUS),
    Listing("ready writes", "Each way in which Ready is written, with its times", READY_WRITES),
    Listing("node checks", "What a record is refused for", CHECKS),
    Listing("node parts", "What an action takes from the client, and what from the stored record", KEPT),
    Listing("node writers", "Who changes which fields of a stored record", WRITERS),
    Listing("node services", "The services of a node, and where it shows them", SERVICES),
)  # fmt: skip
