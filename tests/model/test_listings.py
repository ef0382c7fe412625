"""The listings and what reads them: modes, candidates, predicates, credit, quota, what is shared, components."""

from __future__ import annotations

import itertools
import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.runtime import ContainerSpec, PodSpec
from conformance.workload import RUN_ON
from model import actors, noderecord, registry, replication, scheduler, sharing
from model.container import POLICIES
from model.listing import Listing, name_of
from model.listings import LISTINGS
from model.nodecontroller import CODE_SYNC, MODES, mode
from model.pod import CODE_PHASE
from model.scheduler import Demand, Offer, misfit, no_candidate
from model.settings import SETTINGS

from ..recorded import FILES, lines
from .support import reference

# --- all of them ----------------------------------------------------------------------------------------------------


def test_listings_have_names_of_their_own_and_so_have_their_rows() -> None:
    names = [listing.name for listing in LISTINGS]
    assert len(set(names)) == len(names)
    for listing in LISTINGS:
        of_rows = [name_of(row) for row in listing.rows]
        assert len(set(of_rows)) == len(of_rows), listing.name


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.name)
def test_every_entry_names_rules_that_there_are(listing: Listing) -> None:
    for row in listing.rows:
        assert row.rules, name_of(row)
        assert [registry.rule(rule_id).id for rule_id in row.rules] == list(row.rules)


def words_of(default: float | str, unit: str) -> set[str]:
    """The ways in which the rules may write a default."""
    if isinstance(default, bool):
        return {"on by default"} if default else {"no effect"}
    if isinstance(default, str):
        return {default.rpartition("/")[2].partition(":")[0], default} if default else {"empty"}
    if unit != "s":
        return {f"{default:g}", f"{default / 1024**3:g}Gi"}
    return {f"{default:g} s", f"{default * 1000:g} ms", f"{default / 60:g} min", f"{default / 3600:g} h"} | (
        {"every minute"} if default == 60 else set()
    )


def test_every_default_stands_in_a_rule_of_its_own() -> None:
    """All but the growth of the first heartbeats, of which the rule gives what it leads to: 0.1, 0.6, 1.1."""
    without = []
    for one in SETTINGS:
        text = " ".join(registry.rule(rule_id).statement for rule_id in one.rules)
        if not any(re.search(rf"(?<![\d.]){re.escape(word)}", text) for word in words_of(one.default, one.unit)):
            without.append(one.name)
    assert without == ["longer each time"]


# --- the node controller's mode -------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", list(itertools.product((True, False), repeat=4)))
def test_the_mode_follows_the_cloud_only_with_a_provider_and_a_filter(asked: tuple[bool, bool, bool, bool]) -> None:
    provider, node_filter, sync_nodes, machines = asked
    start = mode(*asked).start
    assert (start in ("start_cloud", "start_cloud_off")) == (provider and node_filter)
    assert (start == "start_cloud") == (provider and node_filter and sync_nodes)
    assert (start == "start_static") == (not (provider and node_filter) and machines)


def test_the_modes_are_the_starts_of_the_table() -> None:
    assert {one.start for one in MODES} == {row.event for row in CODE_SYNC.rows if row.source == "Starting"}


# --- candidates -----------------------------------------------------------------------------------------------------


def condition(status: str, kind: str = "Ready") -> dict[str, str]:
    return {"type": kind, "status": status}


@pytest.mark.parametrize(
    ("node", "kept_by"),
    [
        ({"conditions": [condition("True")]}, None),
        ({"conditions": [condition("False")]}, "the status of its last condition is True"),
        ({"conditions": [condition("Unknown")]}, "the status of its last condition is True"),
        ({}, "it has a condition Ready"),
        ({"conditions": [condition("True", "Reachable")]}, "it has a condition Ready"),
        ({"conditions": [condition("True")], "unschedulable": True}, "it is not marked unschedulable"),
        ({"conditions": [condition("False", "Reachable"), condition("True")]}, None),
        # the last one is taken for Ready, in both directions
        ({"conditions": [condition("False"), condition("True", "OfAClient")]}, None),
        ({"conditions": [condition("True"), condition("False", "OfAClient")]},
         "the status of its last condition is True"),
    ],
)  # fmt: skip
def test_what_makes_a_candidate(node: dict[str, Any], kept_by: str | None) -> None:
    kept = no_candidate(node)
    assert (kept.name if kept else None) == kept_by


@given(st.sampled_from(["True", "False", "Unknown"]), st.booleans())
def test_with_the_one_condition_that_is_written_ready_decides(status: str, cordoned: bool) -> None:
    node = {"conditions": [condition(status)], "unschedulable": cordoned}
    assert (no_candidate(node) is None) == (status == "True" and not cordoned)


def test_what_nobody_sets_or_reads_makes_no_candidate() -> None:
    dead = [kind for kind in noderecord.CONDITION_KINDS if not kind.set_by]
    assert [kind.name for kind in dead] == ["Reachable", "Schedulable"]
    for kind in dead:
        assert kind.read_by == ()
        for status in ("True", "False"):
            assert no_candidate({"conditions": [condition(status, kind.name), condition("True")]}) is None


def test_the_recorded_nodes_were_candidates_when_they_should_be() -> None:
    def kept(name: str) -> set[str | None]:
        frames = [line["object"]["object"] for line in lines(name) if line["stream"] == "nodes"]
        rows = [no_candidate(noderecord.read("v1beta3", frame)) for frame in frames]
        return {row.name if row else None for row in rows}

    assert kept("s01-exit0-always") == {None}
    assert kept("s16-unschedulable") == {None, "it is not marked unschedulable", "it has a condition Ready"}
    assert kept("s17-kubelet-killed") == {None, "the status of its last condition is True"}


# --- what fits ------------------------------------------------------------------------------------------------------

SMALL = Offer("n1", {"disk": "ssd"}, {"cpu": 1, "memory": 100})


@pytest.mark.parametrize(
    ("pod", "node", "missing"),
    [
        (Demand(), SMALL, None),
        (Demand({"cpu": 0.5, "memory": 100}), SMALL, None),
        (Demand({"cpu": 1.5}), SMALL, "PodFitsResources"),
        (Demand({"memory": 101}), SMALL, "PodFitsResources"),
        (Demand({"cpu": 0.6}), Offer("n1", capacity={"cpu": 1}, bound=[Demand({"cpu": 0.5})]), "PodFitsResources"),
        (Demand({"cpu": 1000}), Offer("n1", capacity={"cpu": 0}), None),
        (Demand(), Offer("n1", capacity={"cpu": 1}, bound=[Demand({"cpu": 5})]), None),
        (Demand(ports=frozenset({80})), Offer("n1", bound=[Demand(ports=frozenset({80}))]), "PodFitsPorts"),
        (Demand(ports=frozenset({81})), Offer("n1", bound=[Demand(ports=frozenset({80}))]), None),
        (Demand(disks=frozenset({"d"})), Offer("n1", bound=[Demand(disks=frozenset({"d"}))]), "NoDiskConflict"),
        (Demand(selector={"disk": "ssd"}), SMALL, None),
        (Demand(selector={"disk": "hdd"}), SMALL, "MatchNodeSelector"),
        (Demand(host="n1"), SMALL, None),
        (Demand(host="n2"), SMALL, "HostName"),
    ],
)
def test_a_pod_fits_if_all_predicates_hold(pod: Demand, node: Offer, missing: str | None) -> None:
    found = misfit(pod, node)
    assert (found.name if found else None) == missing


DEMANDS = st.builds(
    Demand,
    limits=st.fixed_dictionaries({}, optional={"cpu": st.integers(0, 3), "memory": st.integers(0, 3)}),
    ports=st.frozensets(st.integers(80, 82), max_size=2),
    disks=st.frozensets(st.sampled_from("de"), max_size=1),
)


@given(DEMANDS, st.lists(DEMANDS, max_size=3), st.fixed_dictionaries({"cpu": st.integers(0, 4)}))
def test_a_pod_that_goes_makes_no_less_room(pod: Demand, bound: list[Demand], capacity: dict[str, int]) -> None:
    """And one that has ended and is still bound takes its room as before: nothing tells it from one that runs."""
    if misfit(pod, Offer("n1", {}, capacity, bound)) is None:
        assert misfit(pod, Offer("n1", {}, capacity, bound[1:])) is None


def test_the_best_are_those_with_the_highest_sum_and_ties_are_left_to_chance() -> None:
    def score(least: float, balanced: float, spread: float) -> dict[str, float]:
        return {"LeastRequested": least, "BalancedResourceAllocation": balanced, "ServiceSpreading": spread}

    assert scheduler.best({"a": score(9, 1, 1), "b": score(3, 4, 5), "c": score(4, 4, 4)}) == {"b", "c"}
    assert scheduler.best({"a": score(9, 1, 3), "b": score(3, 4, 5)}) == {"a"}


# --- replication and quota ------------------------------------------------------------------------------------------

LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"), max_size=2)
SELECTOR = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"), min_size=1, max_size=2)
SELECTORS = st.lists(SELECTOR, max_size=4)


@given(LABELS, SELECTORS)
def test_a_pod_counts_for_the_first_controller_that_matches_and_for_no_other(labels: Any, selectors: Any) -> None:
    place = replication.credited(labels, selectors)
    matching = [number for number, selector in enumerate(selectors) if selector.items() <= labels.items()]
    assert place == (matching[0] if matching else None)
    if place is not None:
        assert [replication.credited(labels, selectors[:n]) for n in range(place + 1)] == [None] * (place + 1)
        assert replication.credited(labels, [*selectors, *selectors]) == place


@pytest.mark.parametrize("policy", POLICIES)
def test_quota_leaves_out_only_what_has_ended_for_good(policy: str) -> None:
    """Under Always nothing; under OnFailure not Failed, which no container brings about there."""
    out = {row.phase for row in replication.QUOTA if not replication.counts_for_quota(policy, row.phase)}
    assert out == {"Always": set(), "OnFailure": {"Succeeded"}, "Never": {"Succeeded", "Failed"}}[policy]
    for row in CODE_PHASE[policy].rows:
        if row.source in out:
            assert row.target in (*out, "Deleted") or row.event == "refuse_admission"


# --- what is shared -------------------------------------------------------------------------------------------------


def test_the_containers_of_a_pod_on_docker_share_what_the_listing_says() -> None:
    """What the adapter asks the engine for: the sandbox's network and IPC, one volume, nothing else; and the sandbox
    has the pod's name, which Docker gives to all that join its network."""
    docker = pytest.importorskip("docker", reason="the Docker SDK is not installed (pip install 'kubephase[docker]')")
    from adapters.docker.pods import Pod

    asked = []

    class Api:
        create_host_config = docker.APIClient(version="1.41").create_host_config

        def create_container(self, image: str, command: list[str], **how: Any) -> dict[str, str]:
            asked.append(how)
            return {"Id": f"id{len(asked)}"}

        def inspect_container(self, container: str) -> dict[str, Any]:
            return {"NetworkSettings": {"IPAddress": "10.0.0.2"}}

        def __getattr__(self, name: str) -> Any:
            return lambda *_, **__: None

    engine: Any = SimpleNamespace(client=SimpleNamespace(api=Api()), image="i", run="r", labels=lambda **_: {})
    name = "a" * 63
    pod = Pod(PodSpec(name, "Always", (ContainerSpec("c1", RUN_ON), ContainerSpec("c2", RUN_ON))), "uid", engine=engine)
    pod.volume = "v"
    pod.start()
    sandbox, *members = asked
    assert sandbox["hostname"] == sharing.hostname(name)
    shares = {row.name: row.shared for row in sharing.SHARED}
    for member in members:
        host = member["host_config"]
        assert (host.get("NetworkMode") == "container:id1") is shares["network"]
        assert (host.get("IpcMode") == "container:id1") is shares["IPC"]
        assert ("PidMode" in host) is shares["PID"]
        assert ("UTSMode" in host) is shares["UTS"]
        assert (host["Binds"] == members[0]["host_config"]["Binds"]) is shares["volumes"]
    names = [how["name"] for how in asked]
    assert (len(set(names)) < len(names)) is shares["the container itself"]


def test_the_host_name_is_that_of_the_pod_cut_to_63_characters() -> None:
    assert sharing.hostname("p1") == "p1"
    assert sharing.hostname("a" * 64) == "a" * 63


# --- the components -------------------------------------------------------------------------------------------------


def test_whoever_does_something_in_the_model_is_a_component_or_comes_from_outside() -> None:
    components = {one.name for one in actors.COMPONENTS}
    people = {actors.USER, actors.FAULT, actors.CLOUD, actors.SOMEBODY}
    outside = people | {actors.KERNEL, actors.REAPER, actors.API, actors.ENGINE, actors.ITSELF}
    acting = {who for who, _ in [*actors.ACTS.values(), *actors.ACTS_BY_PROFILE.values()]}
    acting |= {who for rows in actors.SITUATED.values() for who, _, __ in rows.values()}
    assert acting - outside <= components
    starts = {who for event, (who, _) in actors.ACTS.items() if event in ("start", "restart", "recreate")}
    assert starts == {actors.KUBELET}


def test_the_controllers_are_those_of_the_document_and_of_the_code() -> None:
    manager = {one.name: one.rules for one in actors.COMPONENTS if one.inside == actors.MANAGER}
    document = {name.partition(" ")[0] for name, rules in manager.items() if "replication.count.controllers" in rules}
    assert document == set(re.findall(r"(\w+)-controller（", reference("seed.md").splitlines()[131]))
    code = {name for name, rules in manager.items() if "master.component.controllers" in rules}
    [told] = re.findall(r"v0\.17\.0 also runs (.*?) controllers\.", reference("v0.17.0.md"))
    assert told == "node, service, resource-quota, namespace (and optional PV-claim binder)"
    assert code == {"node controller", "service controller", "quota controller", "namespace controller", "claim binder"}


def test_every_recorded_event_came_from_a_component_and_from_where_it_runs() -> None:
    """A kubelet's event names its host; those of the master have none."""
    runs_on = {one.source: one.runs_on for one in actors.COMPONENTS if one.source}
    seen = set()
    for path in FILES:
        for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            if line["stream"] == "events":
                source = line["object"]["object"]["source"]
                assert (runs_on[source["component"]] == "node") == bool(source.get("host")), (path.name, source)
                seen.add(source["component"])
    assert seen == set(runs_on)
