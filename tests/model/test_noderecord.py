"""The node record: conversion loses nothing, each check refuses and only where it should, and what a real cluster
recorded fits the tables."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import noderecord
from model.noderecord import CHECKS, FIELDS, Action, Record, store
from model.scheduler import no_candidate

from ..recorded import FILES

WORDS = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
ADDRESSES = st.lists(
    st.fixed_dictionaries({
        "type": st.sampled_from([one.name for one in noderecord.ADDRESS_TYPES]),
        "address": st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1", "a.example"]),
    }),
    max_size=4,
)  # fmt: skip
CONDITIONS = st.lists(
    st.fixed_dictionaries({
        "type": st.sampled_from(["Ready", "Reachable", "Schedulable", "OfAClient"]),
        "status": st.sampled_from(["True", "False", "Unknown"]),
        "lastHeartbeatTime": st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-01T00:00:10Z"]),
        "reason": WORDS,
    }),
    max_size=3,
)  # fmt: skip
CAPACITY = st.fixed_dictionaries(
    {}, optional={"cpu": st.integers(0, 10**7).map(lambda milli: Decimal(milli) / 1000),
                  "memory": st.integers(0, 2**45).map(Decimal)},
)  # fmt: skip
RECORDS = st.fixed_dictionaries(
    {"name": WORDS},
    optional={
        "labels": st.dictionaries(WORDS, WORDS, min_size=1, max_size=2),
        "annotations": st.dictionaries(WORDS, st.text(max_size=5), min_size=1, max_size=2),
        "externalID": WORDS, "podCIDR": st.just("10.0.0.0/24"), "unschedulable": st.just(True),
        "phase": st.sampled_from(["Pending", "Running", "Terminated", "Whatever"]),
        "capacity": CAPACITY.filter(bool), "conditions": CONDITIONS.filter(bool), "addresses": ADDRESSES.filter(bool),
        "nodeInfo": st.dictionaries(WORDS, WORDS, min_size=1, max_size=2),
    },
)  # fmt: skip
"""Records as they are inside: without fields that are not set."""


def frames() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The frames of each node in each recording, in order."""
    for path in FILES:
        found: dict[str, list[dict[str, Any]]] = {}
        for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            if line["stream"] == "nodes":
                found.setdefault(line["object"]["object"]["metadata"]["uid"], []).append(line["object"]["object"])
        yield from ((path.name, of_one) for of_one in found.values())


# --- conversion -----------------------------------------------------------------------------------------------------


@given(RECORDS)
def test_there_and_back_nothing_is_lost(record: Record) -> None:
    assert noderecord.read("v1beta3", noderecord.write("v1beta3", record)) == record
    assert noderecord.read("v1beta1", noderecord.write("v1beta1", record)) == record


@given(RECORDS)
def test_the_words_of_v1beta1_are_its_own(record: Record) -> None:
    written = noderecord.write("v1beta1", record)
    assert written["id"] == record["name"]
    assert "metadata" not in written
    assert "spec" not in written
    for condition in written.get("status", {}).get("conditions", ()):
        assert condition.keys() == {"kind", "status", "lastProbeTime", "reason"}
        assert condition["status"] in ("Full", "None", "Unknown")
    assert "capacity" not in written.get("status", {})


@given(RECORDS)
def test_a_condition_of_any_kind_is_kept(record: Record) -> None:
    kinds = [c["type"] for c in record.get("conditions", ())]
    written = noderecord.write("v1beta1", record)
    assert [c["kind"] for c in written.get("status", {}).get("conditions", ())] == kinds


@given(ADDRESSES, st.sampled_from(["10.0.0.1", "10.0.0.9"]))
def test_a_host_ip_is_added_last_unless_it_is_there(addresses: list[dict[str, str]], host: str) -> None:
    legacy = {"type": "LegacyHostIP", "address": host}
    record = noderecord.read("v1beta1", {"id": "a", "hostIP": host, "status": {"addresses": addresses}})
    assert record["addresses"] == (addresses if legacy in addresses else [*addresses, legacy])


@given(ADDRESSES)
def test_the_host_ip_that_is_written_is_the_last_legacy_one(addresses: list[dict[str, str]]) -> None:
    legacy = [a["address"] for a in addresses if a["type"] == "LegacyHostIP"]
    written = noderecord.write("v1beta1", {"name": "a", "addresses": addresses})
    assert written.get("hostIP") == (legacy[-1] if legacy else None)


@pytest.mark.parametrize(
    ("name", "v1beta1", "inside", "v1beta3", "again"),
    [
        ("cpu", 1000, "1000", "1k", "1000"),
        ("cpu", 0.5, "0.5", "500m", "0.5"),
        ("cpu", "2", "2", "2", "2"),
        ("cpu", 0, "0", "0", "0"),
        ("cpu", 1500, "1500", "1500", "1500"),
        ("memory", 1073741824, "1073741824", "1Gi", 1073741824),
        ("memory", 1000, "1000", "1000", 1000),
        ("memory", "1536", "1536", "1536", 1536),
        ("memory", 1536 * 1024, "1572864", "1536Ki", 1572864),
        ("pods", 40, "40", "40", 40),
    ],
)  # fmt: skip
def test_quantities(name: str, v1beta1: float | str, inside: str, v1beta3: str, again: float | str) -> None:
    """A thousand is cores, not thousandths; and cpu is written back as text."""
    record = noderecord.read("v1beta1", {"id": "a", "resources": {"capacity": {name: v1beta1}}})
    assert record["capacity"] == {name: Decimal(inside)}
    assert noderecord.write("v1beta3", record)["status"]["capacity"] == {name: v1beta3}
    written = noderecord.write("v1beta1", record)["resources"]["capacity"][name]
    assert (written, type(written)) == (again, type(again))


@pytest.mark.parametrize("written", ["", "k", "1 Gi", "1e3", "1Q", "one", "--1"])
def test_what_is_no_quantity_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="expected a number and one of m, k"):
        noderecord.amount(written)


# --- what is refused ------------------------------------------------------------------------------------------------

GOOD: Record = {"name": "a", "externalID": "x", "podCIDR": "10.0.0.0/24", "addresses": [], "phase": "Running"}
TWICE = [{"type": "InternalIP", "address": "10.0.0.1"}] * 2


@pytest.mark.parametrize(
    ("check", "action", "sent"),
    [
        ("name", "create", {"name": ""}),
        ("name", "create", {"name": "a..b"}),
        ("name", "create", {"name": "a" * 254}),
        ("no namespace", "create", {"namespace": "default"}),
        ("labels", "create", {"labels": {"a": "b c"}}),
        ("labels", "create", {"labels": {"a/b/c": "d"}}),
        ("labels", "create", {"labels": {"a" * 64: "b"}}),
        ("labels", "update", {"labels": {"A.example/x": "b"}}),
        ("annotations", "create", {"annotations": {"": "b"}}),
        ("stored", "update", {"name": "b"}),
        ("pod network", "update", {"podCIDR": "10.0.1.0/24"}),
        ("same external id", "update", {"externalID": "y"}),
        ("addresses", "status update", {"addresses": TWICE}),
    ],
)
def test_each_check_refuses(check: str, action: Action, sent: Record) -> None:
    assert store(action, GOOD, GOOD)[1] == []
    assert [refusal.check for refusal in store(action, {**GOOD, **sent}, GOOD)[1]] == [check]


def test_no_record_is_without_an_external_id() -> None:
    """All versions default it, so that this check never refuses what has a name."""
    assert store("create", {"name": "a"})[0]["externalID"] == "a"
    assert store("create", {"name": "a", "externalID": "b"})[0]["externalID"] == "b"
    assert {refusal.check for refusal in store("create", {})[1]} == {"name", "external id"}


def test_an_update_creates_nothing() -> None:
    assert "stored" in {refusal.check for refusal in store("update", GOOD)[1]}
    assert "stored" in {refusal.check for refusal in store("status update", GOOD)[1]}


@given(RECORDS)
def test_a_client_that_creates_may_set_all_of_the_status(record: Record) -> None:
    """Two equal addresses included: nothing of the status is checked then."""
    stored, refused = store("create", {**record, "addresses": TWICE})
    assert refused == []
    assert stored == {"externalID": record["name"], **record, "addresses": TWICE}


@given(RECORDS, RECORDS)
def test_an_update_keeps_the_status_and_a_status_update_the_spec(stored: Record, sent: Record) -> None:
    part = {field.name: field.part for field in FIELDS}
    for action, kept in (("update", "status"), ("status update", "spec")):
        result, _ = store(action, sent, stored)  # type: ignore[arg-type]
        of = {"status": stored if kept == "status" else sent, "spec": stored if kept == "spec" else sent}
        for name in part:
            if part[name] != "metadata" and name != "externalID":
                assert result.get(name) == of[part[name]].get(name), (action, name)


@given(RECORDS, ADDRESSES)
def test_addresses_may_change(record: Record, addresses: list[dict[str, str]]) -> None:
    stored, _ = store("create", record)
    result, refused = store("status update", {**stored, "addresses": addresses}, stored)
    assert result["addresses"] == addresses
    twice = len({(a["type"], a["address"]) for a in addresses}) < len(addresses)
    assert [refusal.check for refusal in refused] == (["addresses"] if twice else [])


@given(RECORDS, st.sampled_from(["Pending", "Running", "Terminated", "Whatever"]))
def test_nobody_reads_the_phase(record: Record, phase: str) -> None:
    """Whatever it says, a node is checked, chosen and asked for its address in the same way."""
    assert next(field for field in FIELDS if field.name == "phase").read_by == ()
    other = {**record, "phase": phase}
    assert store("create", record)[1] == store("create", other)[1]
    assert noderecord.host_ip(record) == noderecord.host_ip(other)
    assert no_candidate(record) is no_candidate(other)


def test_every_check_looks_at_a_field_that_there_is() -> None:
    assert {check.field for check in CHECKS} <= {field.name for field in FIELDS}
    named = {name for writer in noderecord.WRITERS for name in writer.fields}
    assert named <= {field.name for field in FIELDS}


# --- addresses ------------------------------------------------------------------------------------------------------


def test_a_pod_takes_the_address_that_is_preferred() -> None:
    types = ["Hostname", "ExternalIP", "InternalIP", "LegacyHostIP"]
    addresses = [{"type": name, "address": name} for name in types]
    taken = [noderecord.host_ip({"addresses": addresses[:number]}) for number in range(5)]
    assert taken == ["", "", "ExternalIP", "InternalIP", "LegacyHostIP"]


DNS = {"a.example": ["10.0.0.7", "10.0.0.8"]}


def lookup(name: str) -> list[str]:
    return DNS.get(name, [])


@pytest.mark.parametrize(
    ("name", "cloud", "addresses"),
    [
        ("a.example", [{"type": "ExternalIP", "address": "1.2.3.4"}], [("ExternalIP", "1.2.3.4")]),
        ("10.1.2.3", None, [("LegacyHostIP", "10.1.2.3")]),
        ("2001:db8::1", None, [("LegacyHostIP", "2001:db8::1")]),
        ("a.example", None, [("LegacyHostIP", "10.0.0.7")]),
        ("b.example", None, []),
    ],
)
def test_where_the_controller_has_addresses_from(name: str, cloud: Any, addresses: list[tuple[str, str]]) -> None:
    found = noderecord.addresses_of(name, cloud, lookup)
    assert [(a["type"], a["address"]) for a in found] == addresses


def test_the_static_list_is_registered_in_lower_case_each_name_once() -> None:
    first, second, third = noderecord.registered(["A.example", "a.Example", "b", "127.0.0.1"], lookup)
    assert [one["name"] for one in (first, second, third)] == ["a.example", "b", "127.0.0.1"]
    assert first["externalID"] == "a.example"
    assert first["capacity"] == {"cpu": 1, "memory": 3 * 1024**3}
    assert noderecord.host_ip(first) == "10.0.0.7"
    assert "addresses" not in second
    assert all(store("create", one)[1] == [] for one in (first, second, third))


# --- a real cluster -------------------------------------------------------------------------------------------------


def test_every_recorded_node_reads_and_writes_back_as_it_was() -> None:
    """Its quantities included, in the very form in which the cluster wrote them."""
    count = 0
    for _, of_one in frames():
        for frame in of_one:
            written = noderecord.write("v1beta3", noderecord.read("v1beta3", frame))
            frame["metadata"].pop("selfLink")
            frame["status"]["nodeInfo"] = written["status"].get("nodeInfo", {})
            assert {**written, "status": {"nodeInfo": {}, **written["status"]}} == frame
            count += 1
    assert count > 200


def test_every_recorded_change_was_somebodys() -> None:
    """Each version of a record differs from the one before only in what one writer may change; addresses never do.
    What a heartbeat changes here, the conditions, the controller may change as well: see the next test but one."""
    seen = set()
    for name, of_one in frames():
        records = [noderecord.read("v1beta3", frame) for frame in of_one]
        for before, after in itertools.pairwise(records):
            who = noderecord.writers(before, after)
            assert who, (name, before, after)
            seen |= {writer.who for writer in who if len(who) == 1}
    assert seen == {"client"}  # who marked the node unschedulable in s16


def test_a_kubelet_that_wrote_addresses_would_be_noticed() -> None:
    before = noderecord.read("v1beta3", next(frames())[1][0])
    assert noderecord.writers(before, {**before, "addresses": []}) == []
    assert noderecord.writers(before, {**before, "phase": "Running"}) == []
    assert [one.who for one in noderecord.writers(before, {**before, "capacity": {}})] == ["kubelet"]


def test_every_recorded_pod_shows_the_address_of_its_node() -> None:
    """s03, s04 and s05 ran on a node whose record was made without addresses: no pod of theirs has a hostIP."""
    addresses = {record["uid"]: noderecord.host_ip(record)
                 for _, of_one in frames() for record in [noderecord.read("v1beta3", of_one[0])]}  # fmt: skip
    assert set(addresses.values()) == {"", "127.0.0.1"}
    shown = {"": 0, "127.0.0.1": 0}
    for path in FILES:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        nodes = [one["object"]["object"]["metadata"] for one in lines if one["stream"] == "nodes"]
        [node] = {meta["uid"] for meta in nodes if meta["name"] == "127.0.0.1"}
        for pod in (one["object"]["object"] for one in lines if one["stream"] == "pods"):
            if pod["status"].get("podIP"):
                assert pod["status"].get("hostIP", "") == addresses[node], path.name
                shown[addresses[node]] += 1
    assert all(count > 10 for count in shown.values()), shown


def test_every_recorded_node_that_has_reported_shows_its_services() -> None:
    for _, of_one in frames():
        for record in (noderecord.read("v1beta3", frame) for frame in of_one):
            missing = noderecord.missing_services(record)
            assert missing == ([] if "conditions" in record else ["Docker", "kubelet", "proxy"])


def test_every_recorded_kubelet_replaced_the_capacity_that_was_there_before() -> None:
    """The node was registered with the default of the flags; once its kubelet has posted, the machine's own shows. The
    node that no kubelet spoke for keeps what was posted for it."""
    [registered] = noderecord.registered(["127.0.0.1"], lookup)
    machine = {"cpu": 2, "memory": 24684084 * 1024}
    assert registered["capacity"] not in ({}, machine)
    for _, of_one in frames():
        for record in (noderecord.read("v1beta3", frame) for frame in of_one):
            assert record["capacity"] == (machine if "conditions" in record else {"cpu": 1000, "memory": 1024**3})


def ready(frame: dict[str, Any]) -> dict[str, str] | None:
    found: list[dict[str, str]] = [c for c in frame["status"].get("conditions", ()) if c["type"] == "Ready"]
    return found[0] if found else None


def test_every_recorded_ready_condition_is_explained_by_its_row() -> None:
    used = set()
    for name, of_one in frames():
        for before, after in zip([None, *of_one], of_one, strict=False):
            now = ready(after)
            if now is not None:
                row = noderecord.explained_by(before and ready(before), now, after["metadata"]["creationTimestamp"])
                assert row, (name, before, now)
                used.add(row.reason)
    assert used == {"kubelet is posting ready status", "Kubelet stopped posting node status."}


T0, T1, T2 = "2026-01-01T00:00:00Z", "2026-01-01T00:00:10Z", "2026-01-01T00:00:20Z"
TRUE = {
    "status": "True",
    "reason": "kubelet is posting ready status",
    "lastHeartbeatTime": T1,
    "lastTransitionTime": T0,
}
FALSE = {**TRUE, "status": "False", "reason": "container runtime is down", "lastHeartbeatTime": T2}
LOST = {**TRUE, "status": "Unknown", "reason": "Kubelet stopped posting node status.", "lastTransitionTime": T2}
NEVER = {**LOST, "reason": "Kubelet never posted node status.", "lastHeartbeatTime": T0}


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (None, TRUE, TRUE["reason"]),
        (TRUE, FALSE, FALSE["reason"]),
        (TRUE, LOST, LOST["reason"]),
        (LOST, LOST, LOST["reason"]),
        (LOST, {**TRUE, "lastHeartbeatTime": T2, "lastTransitionTime": T2}, TRUE["reason"]),
        (None, NEVER, NEVER["reason"]),
        # and what no row explains
        (None, {**TRUE, "status": "Unknown"}, None),
        (None, {**NEVER, "lastHeartbeatTime": T1}, None),
        (TRUE, {**FALSE, "lastTransitionTime": T2}, None),
        (TRUE, {**LOST, "lastHeartbeatTime": T2}, None),
        (TRUE, {**TRUE, "lastHeartbeatTime": T0}, None),
        (LOST, {**LOST, "lastTransitionTime": "2026-01-01T00:00:30Z"}, None),
        (None, LOST, None),
    ],
)  # fmt: skip
def test_ready_is_written_in_four_ways(before: Any, after: Any, reason: str | None) -> None:
    row = noderecord.explained_by(before, after, T0)
    assert (row.reason if row else None) == reason
