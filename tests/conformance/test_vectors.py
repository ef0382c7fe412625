"""The test vectors are complete, valid by their schema, and enough for a runtime: they are used here without the model.

What stands under "used" reads JSON as a program in another language would; of ours it knows the simulator alone.
"""

from __future__ import annotations

import ast
import contextlib
import json
import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from adapters.simulator import SimulatedCluster, Simulator
from conformance import vectors
from conformance.runtime import ContainerSpec, Fault, PodSeen, PodSpec, Refused
from conformance.workload import Exit, OutOfMemory, RunOn, Workload
from model.container import POLICIES
from model.profiles import PROFILES

SCHEMA = Path(vectors.__file__).parent / vectors.SCHEMA


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    """What `kubephase export json` writes, by profile."""
    return {name: vectors.text(vectors.vectors(profile, POLICIES)) for name, profile in PROFILES.items()}


# --- the file ---------------------------------------------------------------------------------------------------------


def test_the_schema_is_the_one_of_the_code() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == json.loads(json.dumps(vectors.schema()))


@pytest.mark.parametrize("profile", PROFILES)
def test_the_vectors_are_valid_by_their_schema(profile: str, files: dict[str, str]) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    read = json.loads(files[profile])
    validator.validate(read)
    assert len(read["vectors"]) == files[profile].count("\n") - 2
    read["vectors"][0]["observations"][0]["phase"] = "Started"
    assert not validator.is_valid(read)


def test_the_vectors_are_the_same_each_time(files: dict[str, str]) -> None:
    seed = PROFILES["seed"]
    assert vectors.text(vectors.vectors(seed, POLICIES)) == files["seed"]
    ids = [vector.id for vector in vectors.vectors(seed, POLICIES).vectors]
    assert len(ids) == len(set(ids))


NOT_COVERED = {
    "seed": {
        "pod.concept.containers": "a pod without containers cannot be created",
        "pod.life.reaped": "when the reaper comes is its own affair",
    },
    "v0.17.0": {
        "pod.concept.containers": "a pod without containers cannot be created",
        "pod.phase.no-containers": "a pod without containers cannot be created",
        "pod.phase.unknown-state": "a container's state is lost by no action of ours",
        "pod.container.none-set": "a container's state is lost by no action of ours",
        "pod.concept.released-alone": "a pod is not changed",
        "pod.phase.admission-failed": "the kubelet's reasons to refuse a pod are its own",
        "pod.phase.admission-rewrites": "the kubelet's reasons to refuse a pod are its own",
        "pod.phase.image-missing": "a workload has its image",
        "pod.restart.start-failure-retried": "a workload can be started",
        "pod.restart.image-changed": "a pod is not changed",
        "pod.restart.liveness": "a workload has no probe",
    },
}
"""The rules of the tables of pods and containers that no vector has, and why."""


@pytest.mark.parametrize("profile", PROFILES)
def test_every_rule_of_the_tables_has_a_vector_or_a_reason(profile: str, files: dict[str, str]) -> None:
    assert set(json.loads(files[profile])["not_covered"]) == set(NOT_COVERED[profile])


def test_workloads_end_where_the_policy_restarts_nothing() -> None:
    told = {p: vectors.workloads(p, PROFILES["seed"], 2) for p in POLICIES}
    assert {p: len(found) for p, found in told.items()} == {"Always": 1 + 3 + 9, "OnFailure": 1 + 3 + 6, "Never": 1 + 3}
    assert (Exit(0), Exit(7), RunOn()) in told["Always"]
    assert (Exit(7), Exit(0)) in told["OnFailure"]
    assert all(len(workload) == 1 for workload in told["Never"])


@pytest.mark.parametrize("profile", PROFILES)
def test_observations_tell_the_states_apart(profile: str, files: dict[str, str]) -> None:
    """Where nothing is done to a pod: so that what may follow one is exact. It leads on, and never back."""
    for vector in json.loads(files[profile])["vectors"]:
        follow = vector["may_follow"]
        assert all(place in following for place, following in enumerate(follow))
        if vector["action"] is None:
            assert all(follow[place] == [place] for place in vector["end"])
            assert all(set(follow[there]) < set(following) for here, following in enumerate(follow)
                       for there in following if there != here)  # fmt: skip


def test_no_container_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one container"):
        vectors.vectors(PROFILES["seed"], POLICIES, 0)


# --- used -------------------------------------------------------------------------------------------------------------

STEPS: dict[str, Any] = {
    "exit": lambda step: Exit(step["code"], step["after"]),
    "out-of-memory": lambda step: OutOfMemory(step["after"], step["code"]),
    "run-on": lambda step: RunOn(),
}
FAULT = {
    "disk_died": Fault("break-disk", "pod"),
    "sandbox_died": Fault("kill-sandbox", "pod"),
    "node_timed_out": Fault("cut-node", "node"),
    "evict": Fault("cut-node", "node"),
    "node_terminated": Fault("terminate-node", "node"),
}
ENOUGH = 400.0
"""Seconds of virtual time in which everything comes to rest: a node's time-out is 45, a restart is put off by less than
80."""


def run(vector: dict[str, Any], profile: str, seed: int, fault: str | None = None) -> list[str]:
    """What the simulator does that the vector does not allow: the first such thing."""
    cluster = Simulator(fault).open(vector["id"], seed, profile)
    cluster.create_node("node")
    cluster.observe(30.0)
    members = [ContainerSpec(member["name"], workload(member)) for member in vector["containers"]]
    cluster.create_pod(PodSpec("pod", vector["policy"], tuple(members)))
    act_at = cluster.now + random.Random(f"{vector['id']}/{seed}").uniform(0, 20)
    places, deadline, acted = {0}, cluster.now + ENOUGH, vector["action"] is None
    while cluster.now < deadline:
        for seen in cluster.observe(min(5.0, deadline - cluster.now)):
            if isinstance(seen, PodSeen) and seen.name == "pod":
                before = [vector["observations"][n] for n in places]
                places = {n for place in places for n in vector["may_follow"][place]}
                places = {n for n in places if matches(vector["observations"][n], seen)}
                if not places:
                    return [f"{vector['id']}: after {before} came {seen}"]
        if not acted and cluster.now >= act_at and all(vector["observations"][n].get("bound") for n in places):
            act(cluster, vector["action"])
            acted = True
    at_rest = [vector["observations"][n] for n in places]
    return [] if places & set(vector["end"]) else [f"{vector['id']}: came to rest as {at_rest}"]


def workload(member: dict[str, Any]) -> Workload:
    return tuple(STEPS[step["type"]](step) for step in member["workload"])


def act(cluster: SimulatedCluster, action: str) -> None:
    with contextlib.suppress(Refused):  # of a pod that has ended the disk, say, is gone
        cluster.delete_pod("pod") if action == "delete" else cluster.inject(FAULT[action])


def matches(expected: dict[str, Any], seen: PodSeen) -> bool:
    if seen.deleted or expected["phase"] == "Deleted":
        return seen.deleted and expected["phase"] == "Deleted"
    if (expected["phase"], expected.get("bound", False)) != (seen.phase, seen.node is not None):
        return False
    found = {status.name: status for status in seen.containers or ()}
    for name, status in zip(seen.members, expected.get("containers", ()), strict=True):
        if name not in found:
            if (status["state"], status["restarts"]) != ("waiting", 0):
                return False
        elif (status["state"], status["restarts"]) != (found[name].state, found[name].restarts) or (
            "exit_code" in status and status["exit_code"] != found[name].exit_code
        ) or (status["state"] == "terminated" and status.get("oom", False) != found[name].oom):  # fmt: skip
            return False
    return True


def test_what_uses_them_knows_no_table() -> None:
    """The functions above name nothing that comes from the model."""
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    used = {"run", "workload", "act", "matches"}
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in used):
        names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
        assert not names & {"vectors", "PROFILES", "POLICIES"}, function.name


@pytest.mark.parametrize("profile", PROFILES)
def test_the_simulator_does_what_every_vector_says(profile: str, files: dict[str, str]) -> None:
    wrong = [
        text
        for vector in json.loads(files[profile])["vectors"]
        for seed in range(2)
        for text in run(vector, profile, seed)
    ]
    assert wrong == []


NOTICED = {
    "never-restarts-after-failure": "Never",
    "onfailure-restarts-after-success": "OnFailure",
    "always-gives-up-after-success": "Always",
    "onfailure-gives-up-after-failure": "OnFailure",
    "forgets-restart-count": "Always",
    "counts-backwards": "Always",
    "never-succeeded-and-failed-is-succeeded": "Never",
    "running-too-early": "Always",
    "pending-while-restarting": "Always",
    "oom-is-success": "OnFailure",
    "ignores-lost-node": "Never",
    "deletes-lost-pods": "Never",
    "revives-terminal": "Never",
    "starts-before-bound": "Never",
    "ignores-dead-disk": "Always",
    "restarts-after-disk-death": "Always",
    "keeps-pods-of-terminated-node": "Always",
}
"""Wrong builds of the simulator, as far as the phase, the containers and the restart counts of a pod show them."""


@pytest.mark.parametrize("fault", NOTICED)
def test_the_vectors_notice_a_wrong_build(fault: str, files: dict[str, str]) -> None:
    tried = [vector for vector in json.loads(files["seed"])["vectors"] if vector["policy"] == NOTICED[fault]]
    assert any(run(vector, "seed", seed, fault) for vector in tried for seed in range(2))
