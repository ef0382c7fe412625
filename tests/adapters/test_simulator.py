"""The simulator behaves as the documents say, is reproducible, and each of its faults can be seen."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest

from adapters.simulated_api import DIALECTS
from adapters.simulator import SimulatedCluster, Simulator, Timing
from conformance import runtime
from conformance.runtime import (
    ContainerSeen,
    ContainerSpec,
    ControllerSeen,
    ControllerSpec,
    EventSeen,
    Fault,
    MachineList,
    NodeSeen,
    Observation,
    PodSeen,
    PodSpec,
    Policy,
    Refused,
    Unsupported,
)
from conformance.workload import (
    RUN_ON,
    Exit,
    OutOfMemory,
    Put,
    Reach,
    RunOn,
    Serve,
    Take,
    UseDisk,
    Workload,
)

QUIET = Timing(latency=False, reordering=False, late_sampling=False)
POLICIES: tuple[Policy, ...] = ("Always", "OnFailure", "Never")
OK: Workload = (Exit(0),)
BAD: Workload = (Exit(1),)
HUNGRY: Workload = (OutOfMemory(),)
SERVER: Workload = (Serve(),)
FIRST_ADDRESS = "10.0.0.1"
"""The address of the first pod of every world."""


def world(
    fault: str | None = None, profile: str = "seed", seed: int = 1, timing: Timing = QUIET, nodes: int = 1
) -> SimulatedCluster:
    """A cluster with settled nodes n0, n1, …"""
    cluster = Simulator(fault, timing).open("test", seed, profile)
    for number in range(nodes):
        cluster.create_node(f"n{number}")
    cluster.settle()
    return cluster


def pod(policy: Policy, *workloads: Workload, name: str = "p") -> PodSpec:
    """A pod with containers a, b, …"""
    members = zip("abcdef", workloads, strict=False)
    return PodSpec(name, policy, tuple(ContainerSpec(member, workload) for member, workload in members))


def controller(wanted: int, policy: Policy = "Always", workload: Workload = RUN_ON) -> ControllerSpec:
    """A replication controller named rc."""
    return ControllerSpec("rc", wanted, policy, (ContainerSpec("a", workload),))


def watch(cluster: SimulatedCluster, seconds: float = 200.0) -> list[Observation]:
    """Everything that is seen until the world is quiescent or the time is over."""
    seen: list[Observation] = []
    end = cluster.now + seconds
    while cluster.now < end and not cluster.quiescent():
        seen += cluster.observe(end - cluster.now)
    return seen


def run(
    spec: PodSpec, fault: str | None = None, profile: str = "seed", seconds: float = 200.0, timing: Timing = QUIET
) -> list[Observation]:
    """Everything that is seen of one pod on one node."""
    cluster = world(fault, profile, timing=timing)
    cluster.create_pod(spec)
    return watch(cluster, seconds)


def pods(seen: Sequence[Observation], name: str = "p") -> list[PodSeen]:
    return [item for item in seen if isinstance(item, PodSeen) and item.name == name]


def nodes(seen: Sequence[Observation], name: str = "n0") -> list[NodeSeen]:
    return [item for item in seen if isinstance(item, NodeSeen) and item.name == name]


def events(seen: Sequence[Observation]) -> list[EventSeen]:
    return [item for item in seen if isinstance(item, EventSeen)]


def reasons(seen: Sequence[Observation]) -> list[str]:
    return [event.reason for event in events(seen)]


def phases(seen: Sequence[Observation]) -> list[str]:
    """The phases of pod p, repetitions left out."""
    found: list[str] = []
    for item in pods(seen):
        if item.phase not in found[-1:]:
            found.append(item.phase)
    return found


def statuses(seen: Sequence[Observation], place: int = 0) -> list[ContainerSeen]:
    """Every status of container a (or b, …) of pod p."""
    return [item.containers[place] for item in pods(seen) if item.containers]


def codes(seen: Sequence[Observation], place: int = 0) -> set[int]:
    """Every exit code that was seen of container a (or b, …) of pod p."""
    found = {code for status in statuses(seen, place) for code in (status.exit_code, status.last_exit_code)}
    return {code for code in found if code is not None}


def addresses(seen: Sequence[Observation], name: str = "p") -> list[str]:
    """The addresses of a pod, repetitions left out."""
    return list(dict.fromkeys(item.address for item in pods(seen, name) if item.address))


def kept(seen: Sequence[Observation]) -> list[str]:
    """The names of the pods of controller rc that are there at last and have not ended."""
    last = {item.name: item for item in seen if isinstance(item, PodSeen) and item.owner == "rc"}
    return [name for name, item in last.items() if not item.deleted and item.phase in ("Pending", "Running")]


def fault(kind: str, target: str = "p", container: str | None = None) -> Fault:
    return Fault(kind, target, container)


# --- the protocol ---------------------------------------------------------------------------------------------------


def test_implements_the_protocol() -> None:
    assert isinstance(Simulator(), runtime.Runtime)
    assert isinstance(world(), runtime.Cluster)
    assert isinstance(world(), runtime.Replicates)
    assert Simulator().describe().capabilities == set(runtime.CAPABILITIES)
    Simulator().close()


def test_same_seed_same_observations() -> None:
    def record(seed: int) -> list[Observation]:
        cluster = world(seed=seed, timing=Timing(), nodes=3)
        for number, policy in enumerate(POLICIES):
            cluster.create_pod(pod(policy, BAD, OK, name=f"p{number}"))
        return watch(cluster, 60.0)

    assert record(7) == record(7)
    assert record(7) != record(8)


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="moves-pods"):
        Simulator("move-pods")
    with pytest.raises(Unsupported, match="seed"):
        Simulator().open("test", 1, "v9")
    with pytest.raises(Unsupported):
        world().inject(fault("set-on-fire"))


@pytest.mark.parametrize("profile", DIALECTS)
def test_what_it_claims_under_a_profile_is_never_unsupported_and_what_it_lacks_is(profile: str) -> None:
    about = Simulator().describe().under(profile)
    assert about.lacks
    assert about.lacks.keys() == runtime.CAPABILITIES.keys() - about.capabilities
    for kind in runtime.FAULTS:
        cluster = world(profile=profile)
        cluster.create_pod(pod("Always", RUN_ON))
        cluster.settle()
        if kind in about.capabilities:
            with contextlib.suppress(Refused):  # what was not cut cannot be healed
                cluster.inject(fault(kind, "n0" if "node" in kind or "kubelet" in kind else "p", "a"))
        else:
            with pytest.raises(Unsupported, match=about.lacks[kind]):
                cluster.inject(fault(kind))
    if "reaping" in about.capabilities:
        world(profile=profile).reap()
    else:
        with pytest.raises(Unsupported, match=about.lacks["reaping"]):
            world(profile=profile).reap()
    shown = [node.phase for node in world(profile=profile).nodes.values()]
    assert shown == ["Running" if "node-phase" in about.capabilities else None]


def test_time_only_passes_as_far_as_asked() -> None:
    cluster = world()
    watch(cluster)
    start = cluster.now
    assert not cluster.observe(5.0)
    assert cluster.now == start + 5.0
    assert cluster.quiescent()


def test_close_ends_the_world() -> None:
    cluster = world()
    cluster.create_pod(pod("Always", OK))
    cluster.close()
    assert cluster.quiescent()
    assert not cluster.observe(100.0)


# --- nodes ----------------------------------------------------------------------------------------------------------


def test_a_node_is_pending_then_running_then_gets_its_conditions() -> None:
    seen = [(node.phase, node.reachable, node.ready) for node in nodes(watch(world()))]
    assert seen[0] == ("Pending", None, None)
    assert seen[1] == ("Running", "Unknown", "Unknown")
    assert seen[-1] == ("Running", "True", "True")


@pytest.mark.parametrize(
    ("breaks", "mends", "reachable", "ready"),
    [
        ("cut-node", "heal-node", "False", "Unknown"),
        ("cut-node-inbound", "heal-node", "False", "Unknown"),
        ("stop-kubelet", "start-kubelet", "True", "False"),
        ("stop-kubelet", "restart-kubelet", "True", "False"),
    ],
)
def test_conditions_follow_faults(breaks: str, mends: str, reachable: str, ready: str) -> None:
    cluster = world()
    cluster.inject(fault(breaks, "n0"))
    cluster.settle()
    assert (cluster.nodes["n0"].reachable, cluster.nodes["n0"].ready) == (reachable, ready)
    cluster.inject(fault(mends, "n0"))
    cluster.settle()
    assert (cluster.nodes["n0"].reachable, cluster.nodes["n0"].ready) == ("True", "True")


def test_a_node_that_is_cut_off_at_birth_stays_pending() -> None:
    cluster = Simulator(timing=QUIET).open("test", 1, "seed")
    cluster.create_node("n0")
    cluster.inject(fault("cut-node", "n0"))
    cluster.settle()
    assert cluster.nodes["n0"].phase == "Pending"
    cluster.inject(fault("heal-node", "n0"))
    cluster.settle()
    assert cluster.nodes["n0"].phase == "Running"


def test_a_terminated_node_stays_so_loses_its_pods_and_gets_no_more() -> None:
    cluster = world()
    cluster.create_pod(pod("Always", RUN_ON))
    cluster.settle()
    cluster.inject(fault("terminate-node", "n0"))
    cluster.create_pod(pod("Always", RUN_ON, name="q"))
    seen = watch(cluster)
    last = nodes(seen)[-1]
    assert (last.phase, last.reachable, last.ready) == ("Terminated", None, None)
    assert pods(seen)[-1].deleted
    assert list(cluster.pods) == ["q"]
    assert cluster.pods["q"].node is None
    assert cluster.quiescent()


# --- scheduling -----------------------------------------------------------------------------------------------------


def test_a_pod_waits_for_a_node_and_is_bound_once() -> None:
    cluster = world(nodes=0)
    cluster.create_pod(pod("Always", RUN_ON))
    cluster.settle()
    assert cluster.pods["p"].phase == "Pending"
    cluster.create_node("n0")
    cluster.create_node("n1")
    seen = watch(cluster)
    assert "failed-scheduling" in reasons(seen)
    assert [event.source for event in events(seen) if event.reason == "scheduled"] == ["scheduler"]
    assert len({item.node for item in pods(seen)} - {None}) == 1


@pytest.mark.parametrize("kind", ["cut-node", "cut-node-inbound", "stop-kubelet"])
def test_no_pod_is_bound_to_a_node_that_is_not_usable(kind: str) -> None:
    cluster = world(nodes=2)
    cluster.inject(fault(kind, "n0"))
    cluster.settle()
    for number in range(10):
        cluster.create_pod(pod("Always", RUN_ON, name=f"p{number}"))
    cluster.settle()
    assert {item.node for item in cluster.pods.values()} == {"n1"}


# --- containers, restarts, phases, events ---------------------------------------------------------------------------


def test_before_the_first_status_there_are_no_containers_and_then_one_after_the_other_starts() -> None:
    seen = run(pod("Never", RUN_ON, RUN_ON))
    assert pods(seen)[0].containers is None
    assert phases(seen) == ["Pending", "Running"]
    states = [tuple(status.state for status in item.containers) for item in pods(seen) if item.containers]
    assert states[0] == ("waiting", "waiting")
    assert ("running", "waiting") in states
    assert ("waiting", "running") not in states
    started = [event for event in events(seen) if event.reason == "started"]
    assert [(event.container, event.source) for event in started] == [("a", "kubelet/n0"), ("b", "kubelet/n0")]


@pytest.mark.parametrize(
    ("policy", "workload", "expected"),
    [
        ("Always", OK, "Running"),
        ("Always", BAD, "Running"),
        ("Always", HUNGRY, "Running"),
        ("OnFailure", OK, "Succeeded"),
        ("OnFailure", BAD, "Running"),
        ("OnFailure", HUNGRY, "Running"),
        ("Never", OK, "Succeeded"),
        ("Never", BAD, "Failed"),
        ("Never", HUNGRY, "Failed"),
    ],
)
@pytest.mark.parametrize("profile", ["seed", "v0.17.0"])
def test_restart_policies(profile: str, policy: Policy, workload: Workload, expected: str) -> None:
    seen = run(pod(policy, workload), profile=profile, seconds=30.0)
    restarts = max(status.restarts or 0 for status in statuses(seen))
    if expected == "Running":
        assert restarts > 3
        assert phases(seen)[:2] == ["Pending", "Running"]
        assert not {"Succeeded", "Failed"} & set(phases(seen))
    else:
        assert phases(seen) == ["Pending", "Running", expected]
        assert restarts == 0


def test_a_restart_is_a_new_instance_and_remembers_the_end_of_the_old_one() -> None:
    seen = run(pod("OnFailure", (Exit(7), OutOfMemory(), RunOn())))
    ended = [status for status in statuses(seen) if status.state == "terminated"]
    begun = [status for status in statuses(seen) if status.reason == "restarting"]
    assert [(status.exit_code, status.oom, status.restarts) for status in ended] == [(7, False, 0), (137, True, 1)]
    for before, after in zip(ended, begun, strict=True):
        assert after.instance != before.instance
        assert after.restarts == (before.restarts or 0) + 1
        assert (after.last_exit_code, after.last_oom) == (before.exit_code, before.oom)
        assert after.last_finished_at == before.finished_at
        assert after.finished_at is None
    assert statuses(seen)[-1].last_exit_code == 137
    assert set(phases(seen)) == {"Pending", "Running"}


@pytest.mark.parametrize(
    ("policy", "workload", "expected"),
    [
        ("Never", OK, ["completed"]),
        ("Never", BAD, ["failed"]),
        ("Never", HUNGRY, ["out-of-memory", "error"]),
        ("OnFailure", (OutOfMemory(), Exit(0)), ["out-of-memory", "completed"]),
        ("Always", (Exit(3), RunOn()), ["failed"]),
    ],
)
def test_the_end_of_a_container_is_recorded(policy: Policy, workload: Workload, expected: list[str]) -> None:
    seen = run(pod(policy, workload))
    ends = [event for event in events(seen) if event.reason not in ("scheduled", "created", "started")]
    assert [event.reason for event in ends] == expected
    finished = min(status.finished_at for status in statuses(seen) if status.finished_at is not None)
    assert all(event.recorded_at >= finished and event.container == "a" for event in ends)


@pytest.mark.parametrize(
    ("first", "second", "expected"), [(OK, OK, "Succeeded"), (OK, BAD, "Failed"), (BAD, OK, "Failed")]
)
def test_two_containers_under_never(first: Workload, second: Workload, expected: str) -> None:
    assert phases(run(pod("Never", first, second)))[-1] == expected
    assert phases(run(pod("Never", first, RUN_ON)))[-1] == "Running"


def test_always_never_quiesces_and_a_finished_pod_does() -> None:
    cluster = world()
    cluster.create_pod(pod("Always", OK))
    watch(cluster, 500.0)
    assert not cluster.quiescent()
    cluster.delete_pod("p")
    watch(cluster)
    assert cluster.quiescent()


def test_a_killed_container_has_failed() -> None:
    cluster = world()
    cluster.create_pod(pod("Never", RUN_ON))
    cluster.settle()
    cluster.inject(fault("kill-container", "p", "a"))
    seen = watch(cluster)
    assert statuses(seen)[-1].exit_code == 137
    assert phases(seen)[-1] == "Failed"
    assert "failed" in reasons(seen)


def test_a_dead_disk_fails_the_pod() -> None:
    for policy in POLICIES:
        cluster = world()
        cluster.create_pod(pod(policy, RUN_ON, RUN_ON))
        cluster.settle()
        cluster.inject(fault("break-disk"))
        with pytest.raises(Refused):
            cluster.inject(fault("break-disk"))
        seen = watch(cluster)
        assert phases(seen)[-1] == "Failed"
        assert [reason for reason in reasons(seen) if reason in ("killing", "disk-died", "failed")] == [
            "killing",
            "killing",
            "disk-died",
        ]
        assert cluster.quiescent()


def test_a_deleted_pod_goes_at_once_with_its_last_status() -> None:
    cluster = world()
    cluster.create_pod(pod("Always", RUN_ON))
    cluster.settle()
    before = cluster.pods["p"]
    cluster.delete_pod("p")
    assert not cluster.pods
    cluster.create_pod(pod("Always", RUN_ON))
    assert cluster.pods["p"].uid != before.uid
    seen = watch(cluster)
    last = next(item for item in pods(seen) if item.deleted)
    assert (last.uid, last.phase, last.containers) == (before.uid, before.phase, before.containers)
    assert all(item.uid != before.uid for item in pods(seen)[pods(seen).index(last) + 1 :])
    assert "killing" in reasons(seen)


# --- lost nodes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cut-node", "cut-node-inbound", "stop-kubelet"])
def test_the_pods_of_a_lost_node_are_failed_for_ever(kind: str) -> None:
    cluster = world()
    cluster.create_pod(pod("Always", RUN_ON))
    cluster.settle()
    before = cluster.pods["p"]
    start = cluster.now
    cluster.inject(fault(kind, "n0"))
    cluster.settle()
    after = cluster.pods["p"]
    assert (after.phase, after.containers) == ("Failed", before.containers)
    assert after.at >= start + 40.0
    watch(cluster)
    cluster.inject(fault("start-kubelet" if kind == "stop-kubelet" else "heal-node", "n0"))
    seen = watch(cluster)
    assert not pods(seen) and not events(seen)
    assert cluster.quiescent()


@pytest.mark.parametrize(("breaks", "mends"), [("cut-node", "heal-node"), ("stop-kubelet", "start-kubelet")])
def test_what_was_held_back_is_delivered_when_the_node_returns_in_time(breaks: str, mends: str) -> None:
    cluster = world()
    cluster.create_pod(pod("Never", (Exit(0, after=10.0),)))
    watch(cluster, 5.0)
    cluster.inject(fault(breaks, "n0"))
    away = watch(cluster, 20.0)
    assert not pods(away) and not events(away)
    cluster.inject(fault(mends, "n0"))
    seen = watch(cluster)
    assert phases(seen) == ["Succeeded"]
    assert reasons(seen) == ["completed"]


@pytest.mark.parametrize(("breaks", "mends"), [("cut-node", "heal-node"), ("stop-kubelet", "start-kubelet")])
def test_a_node_that_returns_in_time_keeps_its_pods(breaks: str, mends: str) -> None:
    cluster = world()
    cluster.create_pod(pod("Always", RUN_ON))
    cluster.settle()
    before = cluster.pods["p"]
    for _ in range(3):
        cluster.inject(fault(breaks, "n0"))
        watch(cluster, 30.0)
        cluster.inject(fault(mends, "n0"))
        watch(cluster, 5.0)
    cluster.settle()
    assert cluster.pods["p"] == before


def test_nothing_is_reported_of_a_pod_that_was_given_up() -> None:
    cluster = world()
    cluster.create_pod(pod("Always", OK))
    watch(cluster, 5.0)
    cluster.inject(fault("cut-node", "n0"))
    watch(cluster, 100.0)
    assert cluster.pods["p"].phase == "Failed"
    cluster.inject(fault("heal-node", "n0"))
    seen = watch(cluster)
    assert nodes(seen)[-1].ready == "True"
    assert not pods(seen) and not events(seen)
    assert cluster.quiescent()


def test_a_stopped_kubelet_does_not_finish_what_it_was_about_to_do() -> None:
    cluster = world()
    cluster.create_pod(pod("Always", RUN_ON))
    while "created" not in reasons(cluster.observe(1.0)):
        pass
    cluster.inject(fault("stop-kubelet", "n0"))
    watch(cluster, 20.0)
    started_again = cluster.now
    cluster.inject(fault("start-kubelet", "n0"))
    started = next(event for event in events(watch(cluster)) if event.reason == "started")
    assert started.recorded_at > started_again


@pytest.mark.parametrize("kind", ["cut-node", "stop-kubelet"])
def test_nothing_reaches_the_api_from_a_node_that_is_away(kind: str) -> None:
    for seed in range(20):
        cluster = world(seed=seed, timing=Timing())
        cluster.create_pod(pod("Always", BAD))
        watch(cluster, 5.0)
        cluster.inject(fault(kind, "n0"))
        before = cluster.pods["p"]
        seen = watch(cluster, 30.0)
        assert cluster.pods["p"] == before
        away = cluster.now - 30.0
        assert all(event.recorded_at <= away for event in events(seen))


def test_a_cut_kubelet_restarts_and_a_stopped_one_does_not() -> None:
    for kind, mends, restarted in (("cut-node", "heal-node", True), ("stop-kubelet", "start-kubelet", False)):
        cluster = world()
        cluster.create_pod(pod("Always", OK))
        watch(cluster, 1.0)
        cluster.inject(fault(kind, "n0"))
        watch(cluster, 20.0)
        cluster.inject(fault(mends, "n0"))
        seen = statuses(watch(cluster, 1.0))
        assert ((seen[0].restarts or 0) > 5) == restarted


def test_a_node_that_hears_nothing_still_sends() -> None:
    """Until its pods are given up; a right node that is cut off in both directions sends nothing."""
    for kind, sends in (("cut-node-inbound", True), ("cut-node", False)):
        cluster = world()
        cluster.create_pod(pod("Always", (Exit(1, after=10.0),)))
        watch(cluster, 5.0)
        cluster.inject(fault(kind, "n0"))
        seen = watch(cluster, 30.0)
        assert ("failed" in reasons(seen), restarted(seen)) == (sends, sends)
        seen = watch(cluster, 100.0)
        assert phases(seen)[-1] == "Failed"
        assert not pods(watch(cluster, 100.0))


def test_a_kubelet_that_is_started_where_nothing_is_heard_still_sends() -> None:
    cluster = world()
    cluster.create_pod(pod("Always", (Exit(1, after=10.0),)))
    watch(cluster, 5.0)
    for kind in ("stop-kubelet", "cut-node-inbound", "start-kubelet"):
        cluster.inject(fault(kind, "n0"))
    assert restarted(watch(cluster, 30.0))


def test_a_node_that_hears_nothing_hears_of_no_new_pod_and_of_no_deletion() -> None:
    cluster = world()
    cluster.create_pod(pod("Always", (Exit(1, after=10.0),)))
    watch(cluster, 5.0)
    cluster.inject(fault("cut-node-inbound", "n0"))
    cluster.create_pod(pod("Always", RUN_ON, name="q"))
    cluster.delete_pod("p")
    seen = watch(cluster, 30.0)
    assert cluster.pods["q"].containers is None
    assert "killing" not in reasons(seen)
    assert reasons(seen).count("failed") >= 2, "the pod that is gone runs on there"
    cluster.inject(fault("heal-node", "n0"))
    seen = watch(cluster, 5.0)
    assert "killing" in reasons(seen)
    assert cluster.pods["q"].phase == "Running"


def test_a_node_can_be_cut_off_further_but_not_less() -> None:
    cluster = world()
    cluster.inject(fault("cut-node-inbound", "n0"))
    with pytest.raises(Refused):
        cluster.inject(fault("cut-node-inbound", "n0"))
    cluster.inject(fault("cut-node", "n0"))
    with pytest.raises(Refused):
        cluster.inject(fault("cut-node-inbound", "n0"))
    cluster.inject(fault("heal-node", "n0"))
    with pytest.raises(Refused):
        cluster.inject(fault("heal-node", "n0"))


@pytest.mark.parametrize("policy", POLICIES)
def test_a_kubelet_that_is_restarted_ends_what_ran_and_one_that_is_started_does_not(policy: Policy) -> None:
    for kind, ends in (("restart-kubelet", True), ("start-kubelet", False)):
        cluster = world()
        cluster.create_pod(pod(policy, RUN_ON))
        cluster.settle()
        before = cluster.pods["p"].containers or ()
        cluster.inject(fault("stop-kubelet", "n0"))
        watch(cluster, 10.0)
        cluster.inject(fault(kind, "n0"))
        seen = watch(cluster)
        after = cluster.pods["p"].containers or ()
        assert (before[0].instance != after[0].instance) == (ends and policy != "Never")
        assert (after[0].restarts == 1) == (ends and policy != "Never")
        assert (137 in codes(seen)) == ends
        assert [r for r in reasons(seen) if r in ("killing", "failed")] == (["killing", "failed"] if ends else [])


# --- the sandbox, the network, the volume, the disk -----------------------------------------------------------------


def test_a_pod_has_an_address_from_its_sandbox_on_and_gives_it_back_when_it_ends() -> None:
    """None that any pod of this world has had."""
    cluster = world(nodes=2)
    cluster.create_pod(pod("Never", OK))
    cluster.create_pod(pod("Always", RUN_ON, name="q"))
    seen = watch(cluster)
    for item in pods(seen):
        created = any(status.instance for status in item.containers or ())
        assert bool(item.address) == (created and item.phase != "Succeeded")
    assert len({*addresses(seen), *addresses(seen, "q")}) == 2
    cluster.create_pod(pod("Never", RUN_ON, name="r"))
    assert not set(addresses(watch(cluster), "r")) & {*addresses(seen), *addresses(seen, "q")}


@pytest.mark.parametrize("profile", ["seed", "v0.17.0"])
@pytest.mark.parametrize("policy", POLICIES)
def test_the_containers_of_a_pod_end_with_its_sandbox(policy: Policy, profile: str) -> None:
    """What had succeeded stays down (v0.17.0.md RESTART-5); a pod that goes on has a new address."""
    cluster = world(profile=profile)
    cluster.create_pod(pod(policy, RUN_ON, (Exit(0), RunOn())))
    before = watch(cluster)
    cluster.inject(fault("kill-sandbox"))
    with pytest.raises(Refused):
        cluster.inject(fault("kill-sandbox"))
    seen = watch(cluster)
    last = cluster.pods["p"].containers or ()
    assert [status.restarts for status in last] == {"Always": [1, 2], "OnFailure": [1, 0], "Never": [0, 0]}[policy]
    assert codes(seen) == {137}
    assert phases(seen)[-1] == ("Failed" if policy == "Never" else "Running")
    assert set(addresses(seen)) - set(addresses(before)) or policy == "Never"
    assert reasons(seen).count("killing") == (2 if policy == "Always" else 1)
    assert reasons(seen).count("failed") == (reasons(seen).count("killing") if profile == "seed" else 0)


@pytest.mark.parametrize("code", [0, 3])
@pytest.mark.parametrize("policy", POLICIES)
def test_out_of_memory_with_an_exit_code_of_its_own(policy: Policy, code: int) -> None:
    """Always abnormal by the document; in v0.17.0 the exit code alone decides (CSTATE-6)."""
    spec = pod(policy, (OutOfMemory(code=code), RunOn()))
    seen = run(spec)
    assert phases(seen)[-1] == ("Failed" if policy == "Never" else "Running")
    ended = [status for status in statuses(seen) if status.state == "terminated"]
    assert {(status.exit_code, status.oom) for status in ended} == {(code, True)}
    ends = [reason for reason in reasons(seen) if reason not in ("scheduled", "created", "started")]
    assert ends == (["out-of-memory", "error"] if policy == "Never" else ["out-of-memory"])
    by_code = {("Always", 0): "Running", ("OnFailure", 3): "Running", ("Always", 3): "Running"}
    expected = by_code.get((policy, code), "Failed" if code else "Succeeded")
    assert phases(run(spec, profile="v0.17.0"))[-1] == expected


@pytest.mark.parametrize("profile", ["seed", "v0.17.0"])
def test_a_full_disk_ends_those_that_write_to_it_until_it_is_mended(profile: str) -> None:
    cluster = world(profile=profile)
    cluster.create_pod(pod("Always", (UseDisk(code=9),), RUN_ON))
    watch(cluster)
    assert cluster.quiescent(), "a disk that is not full ends nobody"
    cluster.inject(fault("fill-disk"))
    with pytest.raises(Refused):
        cluster.inject(fault("fill-disk"))
    seen = watch(cluster, 10.0)
    assert codes(seen) == {9} and not codes(seen, 1)
    assert (statuses(seen)[-1].restarts or 0) > 3
    cluster.inject(fault("mend-disk"))
    with pytest.raises(Refused):
        cluster.inject(fault("mend-disk"))
    watch(cluster)
    assert cluster.quiescent()
    assert cluster.pods["p"].phase == "Running"


def test_a_disk_that_is_mended_at_once_ends_nobody() -> None:
    cluster = world()
    cluster.create_pod(pod("Always", (UseDisk(),)))
    cluster.settle()
    cluster.inject(fault("fill-disk"))
    cluster.inject(fault("mend-disk"))
    assert not codes(watch(cluster))


def test_a_disk_that_was_mended_at_once_has_died_all_the_same() -> None:
    for moments in (0.0, 50.0):
        cluster = world()
        cluster.create_pod(pod("Always", RUN_ON))
        cluster.settle()
        cluster.inject(fault("break-disk"))
        watch(cluster, moments)
        cluster.inject(fault("mend-disk"))
        watch(cluster)
        assert cluster.pods["p"].phase == "Failed"
        assert cluster.quiescent()


def test_nothing_can_be_put_on_a_full_disk() -> None:
    cluster = world()
    cluster.create_pod(pod("OnFailure", (Exit(1, 20.0), Put("f", 0)), (Take("f"),)))
    watch(cluster, 5.0)
    cluster.inject(fault("fill-disk"))
    seen = watch(cluster, 100.0)
    assert codes(seen) == {0, 1}
    assert codes(seen, 1) == {1}


@pytest.mark.parametrize(
    ("workloads", "code"),
    [
        ((RUN_ON, (Take("f"),)), 1),
        (((Put("f"),), (Take("f"),)), 0),
        (((Exit(1, 40.0), Put("f")), (Take("f"), RunOn())), 0),
        ((SERVER, (Take("f"),)), 1),
        ((SERVER, (Reach(),)), 0),
        ((SERVER, (Reach(port=81),)), 1),
        ((SERVER, (Reach("10.9.9.9"),)), 1),
        ((SERVER, (Reach(FIRST_ADDRESS),)), 0),
        (((Exit(1, 40.0), Serve(81)), (Reach(port=81), RunOn())), 0),
    ],
)
def test_who_looks_for_something_finds_it_or_gives_up_after_a_minute(
    workloads: tuple[Workload, ...], code: int
) -> None:
    seen = run(pod("OnFailure", *workloads))
    ended = [status for status in statuses(seen, 1) if status.state == "terminated"]
    assert ended[0].exit_code == code
    took = (ended[0].finished_at or 0.0) - (ended[0].started_at or 0.0)
    assert took == pytest.approx(60.0) if code else 0.0 < took < 45.0


@pytest.mark.parametrize("kind", ["cut-node", "cut-node-inbound"])
@pytest.mark.parametrize("node", ["n0", "n1"])
def test_a_pod_is_reached_from_another_node_unless_one_of_the_two_is_cut_off(kind: str, node: str) -> None:
    """The server's or the client's; when that is healed, the connection comes about."""
    cluster = world()
    cluster.create_pod(pod("Never", SERVER, name="q"))
    cluster.create_node("n1")
    cluster.settle()
    cluster.inject(fault("stop-kubelet", "n0"))
    watch(cluster, 3.0)
    cluster.create_pod(pod("OnFailure", (Exit(1, 20.0), Reach(FIRST_ADDRESS))))
    watch(cluster, 3.0)
    cluster.inject(fault("start-kubelet", "n0"))
    watch(cluster, 3.0)
    assert (cluster.pods["q"].node, cluster.pods["p"].node) == ("n0", "n1")
    cluster.inject(fault(kind, node))
    watch(cluster, 30.0)
    healed = cluster.now
    cluster.inject(fault("heal-node", node))
    watch(cluster)
    (status,) = cluster.pods["p"].containers or ()
    assert (status.exit_code, status.restarts) == (0, 1)
    assert (status.started_at or 0.0) < healed - 10.0 < healed < (status.finished_at or 0.0)


# --- replication controllers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["seed", "v0.17.0"])
def test_a_replication_controller_keeps_its_pods(profile: str) -> None:
    """Those that are deleted, and those of nodes that are lost or end, are replaced by new ones (RC-4)."""
    cluster = world(profile=profile, nodes=3)
    cluster.create_controller(controller(4))
    with pytest.raises(Refused):
        cluster.create_controller(controller(4))
    seen = watch(cluster)
    first = kept(seen)
    assert len(first) == 4
    cluster.delete_pod(first[0])
    seen += watch(cluster)
    assert set(kept(seen)) > set(first[1:]) and len(kept(seen)) == 4
    for kind in ("cut-node", "terminate-node"):
        node = cluster.pods[kept(seen)[0]].node or ""
        cluster.inject(fault(kind, node))
        seen += watch(cluster)
        assert len(kept(seen)) == 4
        assert not [name for name in kept(seen) if cluster.pods[name].node == node]
    lost = [name for name, item in cluster.pods.items() if item.phase == "Failed"]
    assert bool(lost) == (profile == "seed"), "what failed is left as it is (RC-6)"
    assert all(item.owner == "rc" for item in seen if isinstance(item, PodSeen))
    counts = [item.counted for item in seen if isinstance(item, ControllerSeen)]
    assert counts[0] == 0 and counts[-1] == 4 and max(counts) == 4 and counts.count(4) == 4
    assert {item.wanted for item in seen if isinstance(item, ControllerSeen)} == {4}
    assert cluster.quiescent()


def test_the_pods_of_a_replication_controller_wait_for_a_node_and_others_do_not_count() -> None:
    cluster = world(nodes=0)
    cluster.create_pod(pod("Always", RUN_ON))
    cluster.create_controller(controller(2))
    cluster.settle()
    assert [item.phase for item in cluster.pods.values() if item.owner] == ["Pending", "Pending"]
    cluster.create_node("n0")
    cluster.settle()
    assert [item.phase for item in cluster.pods.values()] == ["Running"] * 3


def test_a_replication_controller_of_no_pods_keeps_none() -> None:
    cluster = world()
    cluster.create_controller(controller(0))
    assert not kept(watch(cluster))


# --- refusals -------------------------------------------------------------------------------------------------------


def refused_actions() -> list[Callable[[SimulatedCluster], None]]:
    """All are refused with a usable node n0, a Terminated n1, pod p running, q finished and u unbound."""
    pairs = [
        ("heal-node", "n0"),
        ("start-kubelet", "n0"),
        ("break-disk", "q"),
        ("break-disk", "u"),
        ("break-disk", "nobody"),
        ("kill-container", "p"),
        ("kill-container", "q"),
        ("kill-container", "u"),
        ("kill-container", "nobody"),
        ("out-of-memory", "q"),
        ("restart-kubelet", "n0"),
        ("mend-disk", "p"),
        *((kind, name) for kind in ("kill-by-engine", "kill-sandbox", "fill-disk", "mend-disk") for name in "qux"),
        *(
            (kind, name)
            for kind in runtime.FAULTS
            if kind.endswith(("-node", "-inbound", "-kubelet")) and "cordon" not in kind
            for name in ("n1", "x")
        ),
        ("terminate-node", "nobody"),
    ]
    actions: list[Callable[[SimulatedCluster], None]] = [
        lambda cluster, kind=kind, name=name: cluster.inject(fault(kind, name))  # type: ignore[misc]
        for kind, name in pairs
    ]
    return [
        *actions,
        lambda cluster: cluster.inject(fault("kill-container", "p", "z")),
        lambda cluster: cluster.inject(fault("kill-container", "q", "a")),
        lambda cluster: cluster.end("q", "a"),
        lambda cluster: cluster.end("u", "a"),
        lambda cluster: cluster.create_node("n0"),
        lambda cluster: cluster.create_node("n1"),
        lambda cluster: cluster.create_pod(pod("Never", OK)),
        lambda cluster: cluster.create_pod(PodSpec("new", "Never", ())),
        lambda cluster: cluster.create_pod(pod("Never", (), name="new")),
        lambda cluster: cluster.create_controller(controller(1, policy="Never")),
        lambda cluster: cluster.create_controller(controller(1, policy="OnFailure")),
        lambda cluster: cluster.create_controller(controller(-1)),
        lambda cluster: cluster.create_controller(controller(1, workload=())),
        lambda cluster: cluster.scale_controller("nobody", 1),
        lambda cluster: cluster.list_machines(MachineList(("n1",))),
        lambda cluster: cluster.delete_pod("nobody"),
    ]


@pytest.mark.parametrize("number", range(len(refused_actions())))
def test_what_is_refused_changes_nothing(number: int) -> None:
    def play(refuse: bool) -> list[Observation]:
        cluster = world(timing=Timing())
        cluster.create_pod(pod("Always", RUN_ON))
        cluster.create_pod(pod("Never", OK, name="q"))
        watch(cluster)
        cluster.create_node("n1")
        cluster.inject(fault("terminate-node", "n1"))
        cluster.inject(fault("cut-node", "n0"))
        watch(cluster, 20.0)
        cluster.create_pod(pod("Never", OK, name="u"))
        watch(cluster, 5.0)
        if refuse:
            with pytest.raises(Refused):
                cluster.inject(fault("cut-node", "n0"))
        cluster.inject(fault("heal-node", "n0"))
        if refuse:
            with pytest.raises(Refused):
                refused_actions()[number](cluster)
        return watch(cluster)

    assert play(refuse=True) == play(refuse=False)


# --- irregular timing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_streams_keep_their_order_and_snapshots_are_consistent(seed: int) -> None:
    cluster = world(seed=seed, timing=Timing(), nodes=2)
    cluster.create_pod(pod("OnFailure", (Exit(1), OutOfMemory(), Exit(0)), (Exit(2), Exit(0))))
    seen = watch(cluster)
    assert [item.at for item in seen] == sorted(item.at for item in seen)
    for source in {event.source for event in events(seen)}:
        times = [event.recorded_at for event in events(seen) if event.source == source]
        assert times == sorted(times)
    counts = [status.restarts or 0 for status in statuses(seen)]
    assert counts == sorted(counts)
    assert phases(seen)[-1] == "Succeeded"
    assert "Failed" not in phases(seen)
    for item in pods(seen):
        if item.phase == "Succeeded":
            assert all(status.state == "terminated" and status.exit_code == 0 for status in item.containers or ())
    ends = ("failed", "out-of-memory", "completed")
    assert sorted(reason for reason in reasons(seen) if reason in ends) == sorted(
        ["failed", "out-of-memory", "completed", "failed", "completed"]
    )


def test_events_and_snapshots_overtake_each_other_and_incarnations_are_skipped() -> None:
    before = after = skipped = False
    for seed in range(30):
        cluster = world(seed=seed, timing=Timing())
        cluster.create_pod(pod("Never", OK))
        cluster.create_pod(pod("Always", (Exit(1, after=0.5), Exit(1, after=0.5), RunOn()), name="q"))
        seen = watch(cluster)
        snapshot = seen.index(next(item for item in pods(seen) if item.phase == "Succeeded"))
        event = seen.index(next(item for item in events(seen) if item.reason == "completed"))
        before |= event < snapshot
        after |= event > snapshot
        counts = [item.containers[0].restarts or 0 for item in pods(seen, "q") if item.containers]
        skipped |= any(later > earlier + 1 for earlier, later in pairwise(counts))
    assert before and after and skipped


# --- the interface for model-based tests ----------------------------------------------------------------------------


@pytest.mark.parametrize("timing", [QUIET, Timing()])
def test_settle_and_end(timing: Timing) -> None:
    cluster = world(timing=timing)
    cluster.create_pod(pod("OnFailure", RUN_ON, RUN_ON))
    cluster.settle()
    assert cluster.pods["p"].phase == "Running"
    cluster.end("p", "a", 3)
    with pytest.raises(Refused):
        cluster.end("p", "a", 3)
    cluster.settle()
    statuses = cluster.pods["p"].containers or ()
    assert (statuses[0].state, statuses[0].restarts, statuses[0].last_exit_code) == ("running", 1, 3)
    cluster.end("p", "a", oom=True)
    cluster.settle()
    statuses = cluster.pods["p"].containers or ()
    assert (statuses[0].restarts, statuses[0].last_exit_code, statuses[0].last_oom) == (2, 137, True)
    cluster.end("p", "a")
    cluster.end("p", "b")
    cluster.settle()
    assert cluster.pods["p"].phase == "Succeeded"
    with pytest.raises(Refused):
        cluster.end("p", "a")


def test_settle_gives_up_on_a_world_that_never_rests() -> None:
    cluster = world(timing=Timing(latency=False, reordering=False))
    cluster.create_pod(pod("Always", (Exit(0, after=0.0),)))
    with pytest.raises(RuntimeError, match="does not settle"):
        cluster.settle()


# --- the dialect of v0.17.0 -----------------------------------------------------------------------------------------


def test_v0_17_0_shows_no_phase_of_nodes_and_no_reachability() -> None:
    cluster = world(profile="v0.17.0")
    seen = watch(cluster)
    assert [(node.phase, node.reachable, node.ready) for node in nodes(seen)] == [
        (None, None, None),
        (None, None, "True"),
    ]
    for breaks, mends in (("cut-node", "heal-node"), ("stop-kubelet", "start-kubelet")):
        for kind, ready in ((breaks, "Unknown"), (mends, "True")):
            cluster.inject(fault(kind, "n0"))
            cluster.settle()
            assert cluster.nodes["n0"].ready == ready


def test_v0_17_0_records_no_end_and_is_pending_while_restarting() -> None:
    seen = run(pod("OnFailure", (OutOfMemory(), Exit(1), Exit(0))), profile="v0.17.0")
    assert set(reasons(seen)) == {"scheduled", "created", "started"}
    assert phases(seen) == ["Pending", "Running", "Pending", "Running", "Pending", "Running", "Succeeded"]


def test_v0_17_0_knows_no_disk_failure() -> None:
    cluster = world(profile="v0.17.0")
    cluster.create_pod(pod("Always", RUN_ON))
    with pytest.raises(Unsupported, match="EVENT-3"):
        cluster.inject(fault("break-disk"))


@pytest.mark.parametrize("kind", ["cut-node", "cut-node-inbound", "stop-kubelet", "terminate-node"])
def test_v0_17_0_deletes_the_pods_of_a_lost_node(kind: str) -> None:
    cluster = world(profile="v0.17.0")
    cluster.create_pod(pod("Always", RUN_ON))
    cluster.settle()
    cluster.inject(fault(kind, "n0"))
    seen = watch(cluster)
    assert pods(seen)[-1].deleted and pods(seen)[-1].phase == "Running"
    assert nodes(seen)[-1].deleted == (kind == "terminate-node")
    assert not cluster.pods


# --- deliberate faults ----------------------------------------------------------------------------------------------

Seen = Sequence[Observation]
Done = Fault | PodSpec | ControllerSpec | Callable[[SimulatedCluster], None]
Play = Callable[[SimulatedCluster], Seen]
"""What is done to a settled cluster with nodes n0 and n1; the result is what is seen."""


def test_what_is_under_way_when_a_world_is_ended_arrives_in_order_and_nothing_else_happens() -> None:
    """Compared with the same world that goes on. Under this seed not all arrives in the order in which it was sent."""
    ended, same = (world(seed=58, timing=Timing()) for _ in range(2))
    for cluster in (ended, same):
        cluster.create_pod(PodSpec("p", "Always", (ContainerSpec("c", BAD),)))
        watch(cluster, 60.0)
    before = ended.pods["p"]
    ended.drain()
    assert ended.now == same.now and ended.pods["p"] == before
    seen, later = ended.observe(0.0), watch(same, 20.0)
    assert len(seen) > 1 and [one.at for one in seen] == sorted(one.at for one in seen)
    assert seen == [one for one in later if one in seen]
    assert ended.quiescent() and not ended.observe(100.0)


def play(*actions: Done, seconds: float = 100.0) -> Play:
    """Each action is followed by enough time for all its consequences."""

    def played(cluster: SimulatedCluster) -> Seen:
        seen = watch(cluster)
        for action in actions:
            if isinstance(action, PodSpec):
                cluster.create_pod(action)
            elif isinstance(action, ControllerSpec):
                with contextlib.suppress(Refused):
                    cluster.create_controller(action)
            elif not isinstance(action, Fault):
                action(cluster)
            else:
                target = cluster.pods["p"].node if action.target == "its node" else action.target
                cluster.inject(Fault(action.kind, target or "", action.container))
            seen += watch(cluster, seconds)
        return seen

    return played


def lacks(*wanted: str) -> Callable[[Seen], bool]:
    """An event that should be there is missing."""
    return lambda seen: not set(wanted) <= set(reasons(seen))


def shows(phase: str) -> Callable[[Seen], bool]:
    """The pod is seen in a phase that it should not be in."""
    return lambda seen: phase in phases(seen)


def falls_back(seen: Seen) -> bool:
    """The pod is not Running for good once it was Running."""
    return ("Running" in phases(seen) and phases(seen)[-1:] != ["Running"]) or phases(seen).count("Pending") > 1


def restarted(seen: Seen) -> bool:
    return any(status.restarts for status in statuses(seen))


def has_lost(phase: str) -> Callable[[Seen], bool]:
    """The pod of the lost or Terminated node does not end as it should."""
    return lambda seen: pods(seen)[-1].phase != phase or pods(seen)[-1].deleted


def is_gone(seen: Seen) -> bool:
    return pods(seen)[-1].deleted


def of_controller(seen: Seen) -> list[PodSeen]:
    """Every observation of a pod of controller rc."""
    return [item for item in seen if isinstance(item, PodSeen) and item.owner == "rc"]


def scaled(wanted: int) -> Done:
    return lambda cluster: cluster.scale_controller("rc", wanted)


def listed(*names: str, cloud: bool = True, sync: bool = True) -> Done:
    return lambda cluster: cluster.list_machines(MachineList(names, cloud, sync))


def deleted(cluster: SimulatedCluster) -> None:
    cluster.delete_pod("p")


def nothing(_: SimulatedCluster) -> None:
    """Only time passes."""


def cut_before_it_runs(cluster: SimulatedCluster) -> Seen:
    """The node of a pod is cut off as soon as it is bound."""
    cluster.create_pod(pod("Always", RUN_ON, RUN_ON, RUN_ON))
    seen: list[Observation] = []
    while not (node := cluster.pods["p"].node):
        seen += cluster.observe(0.01)
    cluster.inject(fault("cut-node", node))
    return seen + watch(cluster)


@dataclass(frozen=True)
class Symptom:
    """A little scenario and what betrays the fault in it, which the right build never shows."""

    play: Play
    seen: Callable[[Seen], bool]
    profile: str = "seed"

    def shows(self, fault: str | None = None, seed: int = 1, timing: Timing = QUIET) -> bool:
        """Whether a build shows it."""
        return self.seen(self.play(world(fault, self.profile, seed, timing, nodes=2)))


LOST = play(pod("Always", RUN_ON), fault("cut-node", "its node"))
DISK = play(pod("Always", RUN_ON), fault("break-disk"))
STOP, START = fault("stop-kubelet", "its node"), fault("start-kubelet", "its node")
NEW = play()
OUTAGE = pod("Always", RUN_ON), fault("cut-node", "its node"), fault("heal-node", "its node")
CORDON = fault("cordon-node", "n0")
RESTART = fault("restart-controller", runtime.NODE_CONTROLLER)

# The other wrong builds are tried by the suite (tests/conformance/test_suite.py).
SYMPTOMS: dict[str, Symptom] = {
    "never-restarts-after-failure": Symptom(play(pod("Never", BAD, RUN_ON)), restarted),
    "onfailure-restarts-after-success": Symptom(play(pod("OnFailure", OK, RUN_ON)), restarted),
    "always-gives-up-after-success": Symptom(play(pod("Always", OK)), lambda seen: not restarted(seen)),
    "onfailure-gives-up-after-failure": Symptom(play(pod("OnFailure", BAD)), lambda seen: not restarted(seen)),
    "forgets-restart-count": Symptom(play(pod("Always", BAD)), lambda seen: not restarted(seen)),
    "counts-backwards": Symptom(
        play(pod("Always", (Exit(1, 9.0),))),
        lambda seen: any((b.restarts or 0) < (a.restarts or 0) for a, b in pairwise(statuses(seen))),
    ),
    "reuses-instance": Symptom(
        play(pod("Always", BAD)), lambda seen: len({status.instance for status in statuses(seen)} - {None}) == 1
    ),
    "revives-terminal": Symptom(
        play(pod("Never", OK)), lambda seen: phases(seen).index("Succeeded") != len(phases(seen)) - 1
    ),
    "never-succeeded-and-failed-is-succeeded": Symptom(play(pod("Never", BAD, OK)), shows("Succeeded")),
    "running-too-early": Symptom(
        play(pod("Never", RUN_ON, RUN_ON, RUN_ON, RUN_ON)),
        lambda seen: any(
            item.phase == "Running" and any(status.state == "waiting" for status in item.containers or ())
            for item in pods(seen)
        ),
    ),
    "pending-while-restarting": Symptom(play(pod("Always", BAD)), falls_back),
    "forgets-completed-event": Symptom(play(pod("Never", OK)), lacks("completed")),
    "forgets-failed-event": Symptom(play(pod("Never", BAD)), lacks("failed")),
    "forgets-out-of-memory-event": Symptom(play(pod("Never", HUNGRY)), lacks("out-of-memory")),
    "forgets-error-event": Symptom(play(pod("Never", HUNGRY)), lacks("error")),
    "forgets-disk-died-event": Symptom(DISK, lacks("disk-died")),
    "oom-is-success": Symptom(play(pod("Never", HUNGRY)), shows("Succeeded")),
    "ignores-lost-node": Symptom(LOST, has_lost("Failed")),
    "deletes-lost-pods": Symptom(LOST, has_lost("Failed")),
    "moves-pods": Symptom(LOST, lambda seen: len({item.node for item in pods(seen)} - {None}) > 1),
    "revives-lost-pods": Symptom(
        play(pod("Always", BAD), fault("cut-node", "its node"), fault("heal-node", "its node")),
        has_lost("Failed"),
    ),
    "schedules-anywhere": Symptom(
        play(fault("cut-node", "n0"), fault("stop-kubelet", "n1"), pod("Never", OK)),
        lambda seen: any(item.node for item in pods(seen)),
    ),
    "starts-before-bound": Symptom(
        play(pod("Never", RUN_ON)), lambda seen: any(item.node is None and item.containers for item in pods(seen))
    ),
    "ignores-dead-disk": Symptom(DISK, has_lost("Failed")),
    "restarts-after-disk-death": Symptom(DISK, has_lost("Failed")),
    "keeps-pods-of-terminated-node": Symptom(
        play(pod("Always", RUN_ON), fault("terminate-node", "its node")), lambda seen: not pods(seen)[-1].deleted
    ),
    "node-skips-pending": Symptom(NEW, lambda seen: nodes(seen)[0].phase == "Running"),
    "terminated-node-returns": Symptom(
        play(fault("terminate-node", "n0")), lambda seen: nodes(seen)[-1].phase != "Terminated"
    ),
    "conditions-outside-running": Symptom(
        NEW, lambda seen: any(node.phase == "Pending" and node.ready for node in nodes(seen))
    ),
    "ready-means-reachable": Symptom(play(fault("stop-kubelet", "n0")), lambda seen: nodes(seen)[-1].ready == "True"),
    "no-shared-localhost": Symptom(play(pod("Never", SERVER, (Reach(),))), lambda seen: 1 in codes(seen, 1)),
    "pods-share-an-address": Symptom(
        play(pod("Never", RUN_ON), pod("Never", RUN_ON, name="q")),
        lambda seen: bool(set(addresses(seen)) & set(addresses(seen, "q"))),
    ),
    "pods-are-unreachable": Symptom(
        play(pod("Never", SERVER, name="q"), pod("Never", (Reach(FIRST_ADDRESS),))), lambda seen: 1 in codes(seen)
    ),
    "no-shared-volume": Symptom(play(pod("Never", (Put("f"),), (Take("f"),))), lambda seen: 1 in codes(seen, 1)),
    "restart-empties-volume": Symptom(
        play(pod("OnFailure", (Put("f", 3), Take("f"), RunOn()))), lambda seen: 1 in codes(seen)
    ),
    "ignores-dead-sandbox": Symptom(
        play(pod("Always", RUN_ON), fault("kill-sandbox")), lambda seen: not restarted(seen)
    ),
    "keeps-dead-sandbox": Symptom(
        play(pod("Always", SERVER, (RunOn(), Reach(), RunOn())), fault("kill-sandbox")),
        lambda seen: 1 in codes(seen, 1),
    ),
    "always-gives-up-after-kill-by-engine": Symptom(
        play(pod("Always", RUN_ON), fault("kill-by-engine", "p", "a")), lambda seen: not restarted(seen)
    ),
    "oom-with-0-is-success": Symptom(play(pod("Never", (OutOfMemory(code=0),))), shows("Succeeded")),
    "full-disk-fails-pod": Symptom(play(pod("Always", (UseDisk(),)), fault("fill-disk")), shows("Failed")),
    "mended-disk-revives": Symptom(
        play(pod("Always", RUN_ON), fault("break-disk"), fault("mend-disk")), has_lost("Failed")
    ),
    "misses-one-way-cut": Symptom(
        play(pod("Always", RUN_ON), fault("cut-node-inbound", "its node")), has_lost("Failed")
    ),
    "forgets-restart-after-restart-of-kubelet": Symptom(
        play(pod("Always", RUN_ON), STOP, fault("restart-kubelet", "its node"), seconds=15.0),
        lambda seen: not restarted(seen),
    ),
    "misses-ends-while-down": Symptom(
        play(pod("Always", RUN_ON), STOP, fault("kill-container", "p", "a"), START, seconds=15.0),
        lambda seen: not restarted(seen),
    ),
    "counts-kubelet-restarts": Symptom(play(pod("Always", RUN_ON), STOP, START, seconds=15.0), restarted),
    "rc-one-too-many": Symptom(play(controller(4)), lambda seen: len(kept(seen)) > 4),
    "rc-one-too-few": Symptom(play(controller(4)), lambda seen: len(kept(seen)) < 4),
    "rc-never-replaces": Symptom(play(controller(4), fault("terminate-node", "n0")), lambda seen: len(kept(seen)) < 4),
    "rc-counts-ended": Symptom(play(controller(4), fault("cut-node", "n0")), lambda seen: len(kept(seen)) < 4),
    "rc-moves-pods": Symptom(
        play(controller(4), fault("cut-node", "n0")),
        lambda seen: any(len({item.node for item in pods(seen, name)} - {None}) > 1 for name in kept(seen)),
    ),
    "rc-ignores-scaling": Symptom(play(controller(4), scaled(2)), lambda seen: len(kept(seen)) != 2),
    "rc-deletes-too-many": Symptom(
        play(controller(4), scaled(3)), lambda seen: sum(item.deleted for item in of_controller(seen)) > 1
    ),
    "rc-deletes-running-first": Symptom(
        play(controller(2), CORDON, fault("cordon-node", "n1"), scaled(3), scaled(2)),
        lambda seen: any(item.deleted and item.node for item in of_controller(seen)),
        "v0.17.0",
    ),
    "rc-fails-surplus": Symptom(
        play(controller(4), scaled(2)), lambda seen: any(item.phase == "Failed" for item in of_controller(seen))
    ),
    "rc-replaces-at-once": Symptom(
        play(controller(4), fault("cut-node", "n0"), seconds=15.0),
        lambda seen: len({item.name for item in of_controller(seen)}) > 4,
    ),
    "rc-accepts-any-policy": Symptom(
        play(controller(1, "Never")), lambda seen: any(isinstance(item, ControllerSeen) for item in seen)
    ),
    "spares-unstarted-pods": Symptom(cut_before_it_runs, has_lost("Failed")),
    "spares-restarting-pods": Symptom(
        play(pod("Always", (Exit(1), RunOn())), fault("cut-node", "its node")), has_lost("Failed")
    ),
    "fails-ended-pods": Symptom(play(pod("Never", OK), fault("cut-node", "its node")), shows("Failed")),
    "deletion-waits-for-kubelet": Symptom(
        play(pod("Always", RUN_ON), fault("cut-node", "its node"), deleted, seconds=15.0),
        lambda seen: not is_gone(seen),
    ),
    "returns-with-restarts": Symptom(play(*OUTAGE, seconds=20.0), restarted),
    "keeps-old-time-out": Symptom(play(*OUTAGE, nothing, seconds=30.0), shows("Failed")),
    "time-outs-add-up": Symptom(play(*OUTAGE, *OUTAGE[1:], seconds=30.0), shows("Failed")),
    "forgets-second-lost-node": Symptom(
        play(controller(4), fault("cut-node", "n0"), fault("cut-node", "n1"), nothing, nothing, seconds=30.0),
        lambda seen: any(pods(seen, name)[-1].node for name in kept(seen)),
    ),
    "restart-keeps-time-outs": Symptom(play(*OUTAGE[:2], RESTART, seconds=30.0), is_gone, "v0.17.0"),
    "restart-forgets-lost-nodes": Symptom(
        play(*OUTAGE[:2], RESTART, nothing, nothing, seconds=30.0), has_lost("Failed")
    ),
    "schedules-to-ended-node": Symptom(
        play(fault("terminate-node", "n0"), fault("terminate-node", "n1"), pod("Never", OK)),
        lambda seen: any(item.node for item in pods(seen)),
    ),
    "binds-to-cordoned-node": Symptom(
        play(CORDON, fault("cordon-node", "n1"), pod("Never", OK)),
        lambda seen: any(item.node for item in pods(seen)),
        "v0.17.0",
    ),
    "cordon-evicts-pods": Symptom(play(pod("Always", RUN_ON), fault("cordon-node", "its node")), is_gone, "v0.17.0"),
    "ignores-uncordon": Symptom(
        play(CORDON, fault("cordon-node", "n1"), pod("Always", RUN_ON), fault("uncordon-node", "n0")),
        lambda seen: "Running" not in phases(seen),
        "v0.17.0",
    ),
    "never-reaps": Symptom(play(SimulatedCluster.reap, pod("Never", OK)), lambda seen: not is_gone(seen)),
    "reaps-by-age": Symptom(play(SimulatedCluster.reap, pod("Never", RUN_ON)), is_gone),
    "reaps-unasked": Symptom(play(pod("Never", OK)), is_gone, "v0.17.0"),
    "misses-new-machines": Symptom(play(listed("m0"), listed("m0", "m1")), lambda seen: not nodes(seen, "m1")),
    "keeps-gone-machines": Symptom(play(listed("m0"), listed()), lambda seen: not nodes(seen, "m0")[-1].deleted),
    "follows-with-sync-off": Symptom(play(listed("m0", sync=False)), lambda seen: bool(nodes(seen, "m0"))),
    "ignores-machines-flag": Symptom(play(listed("m0", cloud=False)), lambda seen: not nodes(seen, "m0")),
    "registers-machines-again": Symptom(
        play(listed("m0", cloud=False), fault("delete-node", "m0")),
        lambda seen: not nodes(seen, "m0")[-1].deleted,
        "v0.17.0",
    ),
    "keeps-hand-made-nodes": Symptom(play(listed("m0")), lambda seen: not nodes(seen)[-1].deleted, "v0.17.0"),
    "deletes-pods-with-record": Symptom(
        play(pod("Always", RUN_ON), fault("delete-node", "its node")), is_gone, "v0.17.0"
    ),
}

CERTAIN_ONLY_WHEN_QUIET = {"node-skips-pending"}
"""A late observer may miss Pending in the right build too."""


@pytest.mark.parametrize("name", SYMPTOMS)
def test_a_fault_shows_itself_and_the_right_build_does_not(name: str) -> None:
    symptom = SYMPTOMS[name]
    assert symptom.shows(name)
    assert not symptom.shows()
    assert Simulator(name).describe().version.endswith(name)


@pytest.mark.parametrize("name", sorted(SYMPTOMS.keys() - CERTAIN_ONLY_WHEN_QUIET))
def test_irregular_timing_hides_no_fault_for_long_and_accuses_nobody(name: str) -> None:
    symptom = SYMPTOMS[name]
    seeds = range(12)
    assert not any(symptom.shows(seed=seed, timing=Timing()) for seed in seeds)
    assert any(symptom.shows(name, seed, Timing()) for seed in seeds)


# --- anything goes --------------------------------------------------------------------------------------------------


ANYTHING: list[Workload] = [
    OK, BAD, HUNGRY, RUN_ON, SERVER, (Exit(2), Exit(0)), (OutOfMemory(code=0),), (UseDisk(),), (Put("f", 0), Take("f")),
    (Put("g"),), (Take("g"), Exit(0)), (Reach(), Exit(0)), (Reach(FIRST_ADDRESS),),
]  # fmt: skip


@pytest.mark.parametrize("profile", ["seed", "v0.17.0"])
@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_done_final_stays_final(profile: str, seed: int) -> None:
    rng = random.Random(seed)
    cluster = world(profile=profile, seed=seed, timing=Timing(), nodes=3)
    seen: list[Observation] = []
    for number in range(60):
        try:
            if rng.random() < 0.3:
                workloads = rng.choices(ANYTHING, k=rng.randint(1, 3))
                cluster.create_pod(pod(rng.choice(POLICIES), *workloads, name=f"p{number % 7}"))
            elif rng.random() < 0.1:
                cluster.delete_pod(f"p{rng.randrange(7)}")
            else:
                # A machine without a record cannot be healed in the end, and may never come to rest.
                kind = rng.choice(sorted(runtime.FAULTS.keys() - {"delete-node"}))
                target = rng.choice("np") + str(rng.randrange(3))
                if kind != "terminate-node" or rng.random() < 0.2:
                    cluster.inject(fault(kind, target, rng.choice("abc")))
        except (Refused, Unsupported):
            pass
        seen += watch(cluster, rng.choice([0.0, 0.5, 5.0, 50.0]))
    for name in list(cluster.pods):
        cluster.delete_pod(name)
    for kind in ("heal-node", "start-kubelet"):
        for name in cluster.nodes:
            with contextlib.suppress(Refused):
                cluster.inject(fault(kind, name))
    seen += watch(cluster, 1000.0)
    assert cluster.quiescent()
    check_finality(seen)


def check_finality(seen: Sequence[Observation]) -> None:
    """Terminal phases and Terminated are final, a binding and a restart count never go back."""
    latest: dict[str, PodSeen] = {}
    terminated: set[str] = set()
    for item in seen:
        if isinstance(item, NodeSeen):
            assert item.name not in terminated
            terminated |= {item.name} if item.phase == "Terminated" else set()
        elif isinstance(item, PodSeen):
            before = latest.get(item.uid, item)
            assert not before.deleted or before is item
            assert before.phase not in ("Succeeded", "Failed") or (
                (before.phase, before.containers) == (item.phase, item.containers)
            )
            assert before.node in (None, item.node)
            for old, new in zip(before.containers or (), item.containers or (), strict=False):
                assert (old.restarts or 0) <= (new.restarts or 0)
            latest[item.uid] = item


def test_the_same_in_every_process() -> None:
    code = (
        "from tests.adapters.test_simulator import *\n"
        "cluster = world(seed=3, timing=Timing(), nodes=3)\n"
        "[cluster.create_pod(pod('OnFailure', BAD, OK, name=name)) for name in 'pqr']\n"
        "print(watch(cluster, 60.0))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert len(outputs.pop()) > 1000
