"""The profiles are verified, and each property and each refinement is violated by a table that is wrong on purpose."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from model import cluster, pod, properties
from model.cluster import Size, network
from model.container import POLICIES
from model.lts.explore import TooLarge
from model.lts.network import Network
from model.lts.properties import Always, AlwaysStep, Eventually, Labels, Sometimes, SometimesStep, Verdict, View, check
from model.lts.refine import refines
from model.lts.table import Row, Table
from model.profiles import CODE, PROFILES, SEED, Profile
from model.verify import Verified, refine, verify

from .support import alone, arrow, enabled, explored, replay, table

BOTH = list(PROFILES.values())


# --- the profiles hold ----------------------------------------------------------------------------------------------

SIZES = [*((1, containers, 0) for containers in (1, 2, 3, 4)), (2, 1, 1), (1, 2, 2)]


@pytest.mark.parametrize("shape", SIZES, ids=lambda shape: "x".join(map(str, shape)))
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_the_profiles_hold(profile: Profile, policy: str, shape: tuple[int, int, int]) -> None:
    """Every property and every refinement. What makes each of them fail stands below."""
    done = verify(profile, Size(policy, *shape))
    assert [verdict.property.name for verdict in done.verdicts if not verdict.holds] == []
    assert [count for count, found in done.refinements.items() if not found.holds] == []
    assert done.holds
    assert (done.profile, done.size) == (profile.name, Size(policy, *shape))
    assert list(done.refinements) == list(range(1, shape[1] + 1))
    one_pod = dataclasses.replace(done.size, pods=1)
    assert len(done.verdicts) == len(properties.properties(profile, one_pod))


@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_every_state_of_two_pods_may_be_visited(profile: Profile) -> None:
    """Without symmetry: the states are those that are only counted with it; what speaks of states is checked of both
    pods in each of them."""
    size = Size("OnFailure", pods=2, containers=1, nodes=1)
    each, like = verify(profile, size, symmetry=False), verify(profile, size)
    whole = explored(network(profile, size))
    assert each.holds
    assert (each.visited, each.depth) == (len(whole.states), whole.depth)
    assert (like.visited, like.depth) == (len(like.exploration.states), None)
    assert each.counted.states == each.counted.stands_for == like.counted.stands_for == len(whole.states)
    assert like.counted.states < like.counted.stands_for
    assert like.counted.transitions == each.counted.transitions == len(whole.source)
    assert {kind(v.property.name) for v in each.verdicts} == {kind(v.property.name) for v in like.verdicts}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
@pytest.mark.parametrize("containers", [1, 2, 3, 4])
def test_the_mechanism_refines_the_phase_table(profile: Profile, policy: str, containers: int) -> None:
    """And with two containers or more it takes every row of it: no row is there for nothing."""
    found = refine(profile, policy, containers)
    assert (found.holds, found.path, found.step) == (True, None, None)
    if containers >= 2:
        assert found.unused == ()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_phases_of_arrays_are_the_phases_of_the_profile(profile: Profile, policy: str) -> None:
    """`phase_numbers` (on which all properties rest) against `Profile.phase`, in every reachable state of two pods."""
    size = Size(policy, pods=2, containers=1, nodes=0) if policy == "Always" else Size(policy, 1, 2, 0)
    found = explored(network(profile, size))
    view = View(found, found.states)
    for p in size.pod_names:
        numbers = properties.phase_numbers(view, profile, size, p)
        for state, number in zip(found.states, numbers, strict=True):
            named = found.compiled.decode(state)
            containers = tuple(named[c] for c in size.containers_of(p))
            assert pod.PHASES[number] == profile.phase(policy, named[p], containers)


def test_two_runs_of_verify_say_the_same() -> None:
    """Verdicts, paths and examples included: nothing hangs on the order of a set."""
    first, second = (verify(SEED, Size("Never", 1, 2, 1)) for _ in range(2))
    assert [(v.property.name, v.holds, v.path, v.loop) for v in first.verdicts] == [
        (v.property.name, v.holds, v.path, v.loop) for v in second.verdicts
    ]
    assert first.refinements == second.refinements


def test_examples_of_what_must_be_possible_replay() -> None:
    """A *sometimes* that holds shows how, by a path."""
    for profile in BOTH:
        size = Size("OnFailure", 1, 2, 1)
        for verdict in verify(profile, size).verdicts:
            if isinstance(verdict.property, Sometimes | SometimesStep):
                assert verdict.path is not None
                assert replay(network(profile, size), verdict.path)


def test_verify_tells_its_progress_and_keeps_its_limit() -> None:
    told: list[str] = []
    verify(SEED, Size("Never", 1, 2, 0), progress=told.append)
    for name in (r"[\d,]+ states, depth \d+", "a terminal phase is for ever", "refinement with 2 containers"):
        assert any(re.search(f"{name}$", text) for text in told), name
    with pytest.raises(TooLarge, match="seed Never: 1 pods x 2 containers, 0 nodes: more than 10 states"):
        verify(SEED, Size("Never", 1, 2, 0), max_states=10)


@pytest.mark.parametrize("shape", [(0, 1, 0), (1, 0, 0), (1, 1, -1)])
def test_a_size_without_sense_is_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="at least one pod"):
        verify(SEED, Size("Never", *shape))


# --- what the cluster couples ---------------------------------------------------------------------------------------


def after(profile: Profile, size: Size, *path: str) -> tuple[Network, dict[str, str]]:
    net = network(profile, size)
    (state,) = replay(net, path)
    return net, state


def test_the_end_of_a_node_takes_its_pods_and_no_others() -> None:
    """Both pods are bound, to different nodes; n1 ends."""
    net = network(SEED, Size("Never", pods=2, containers=1, nodes=2))
    up = [f"{event}({n})" for n in ("n1", "n2") for event in ("check_in", "reachable", "ready")]
    (state,) = replay(net, [*up, "bind(p1,n1)", "bind(p2,n2)", "terminate(n1)"])
    assert (state["n1"], state["n2"]) == ("Terminated", "Running/True/True")
    assert (state["p1"], state["p2"]) == ("Deleted", "Bound@n2")


def test_a_dead_disk_kills_what_runs_and_nothing_else() -> None:
    size = Size("Never", pods=1, containers=3)
    _, state = after(SEED, size, "bind(p1)", "start(p1c1)", "start(p1c2)", "exit_zero(p1c2)", "disk_died(p1)")
    assert state == {"p1": "DiskDied@node", "p1c1": "Killed", "p1c2": "Completed", "p1c3": "Waiting"}


def test_a_pod_that_has_ended_does_not_fail_any_more() -> None:
    """Disk and lost node find nothing to end; what is finished may be reaped, what is not may not."""
    ended = after(SEED, Size("Never", 1, 1), "bind(p1)", "start(p1c1)", "exit_zero(p1c1)")
    assert {"disk_died(p1)", "node_timed_out(p1)"}.isdisjoint(enabled(*ended))
    assert "expire(p1)" in enabled(*ended)
    running = after(SEED, Size("Never", 1, 1), "bind(p1)", "start(p1c1)")
    assert {"disk_died(p1)", "node_timed_out(p1)"} <= set(enabled(*running))
    assert "expire(p1)" not in enabled(*running)


def test_containers_move_only_while_their_pod_is_bound() -> None:
    for path in ((), ("bind(p1)", "delete(p1)"), ("bind(p1)", "disk_died(p1)")):
        state = after(SEED, Size("Always", 1, 1), *path)
        assert not [name for name in enabled(*state) if "p1c1" in name]
    assert "start(p1c1)" in enabled(*after(SEED, Size("Always", 1, 1), "bind(p1)"))


@pytest.mark.parametrize("conditions", ["True/False", "False/True", "Unknown/True", "True/Unknown"])
def test_a_node_of_the_seed_is_a_candidate_only_if_reachable_and_ready(conditions: str) -> None:
    net = network(SEED, Size("Never", 1, 1, 1))
    state = {"n1": f"Running/{conditions}", "p1": "Unbound", "p1c1": "Waiting"}
    assert "bind(p1,n1)" not in enabled(net, state)
    assert "bind(p1,n1)" in enabled(net, {**state, "n1": "Running/True/True"})


@pytest.mark.parametrize("condition", ["False", "Unknown"])
def test_the_node_controller_of_the_code_evicts_while_the_node_is_not_ready(condition: str) -> None:
    """PART-2, PART-3; not while it is Ready."""
    net = network(CODE, Size("Never", 1, 1, 1))
    state = {"n1": f"Recorded/{condition}", "p1": "Bound@n1", "p1c1": "Running"}
    assert "evict(p1,n1)" in enabled(net, state)
    assert "evict(p1,n1)" not in enabled(net, {**state, "n1": "Recorded/True"})


def test_pods_of_a_record_deleted_through_the_api_are_not_evicted() -> None:
    """NC-SYNC-7: a node without a record is no longer visited; its pods keep their last phase (until somebody deletes
    them). Only the cloud loop takes them along."""
    up = ("post_ready(n1)", "bind(p1,n1)", "start(p1c1)")
    net, state = after(CODE, Size("Never", 1, 1, 1), *up, "remove(n1)")
    assert (state["n1"], state["p1"]) == ("Removed", "Bound@n1")
    assert "delete(p1)" in enabled(net, state)
    assert "evict(p1,n1)" not in enabled(net, state)


def test_pods_of_an_instance_that_the_cloud_lost_are_deleted_at_once() -> None:
    """NC-SYNC-4."""
    _, state = after(CODE, Size("Never", 1, 1, 1), "post_ready(n1)", "bind(p1,n1)", "remove_by_cloud(n1)")
    assert (state["n1"], state["p1"]) == ("Removed", "Deleted")


@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_no_row_of_the_mechanism_is_dead(profile: Profile) -> None:
    """Each row of node, record and container is taken by some step of a cluster with one of each (node and record:
    under some policy): no guard of a vector and no missing vector cuts off what its table alone can do."""
    taken: set[tuple[Table, str]] = set()
    tables: set[Table] = set()
    for policy in POLICIES:
        size = Size(policy, 1, 1, 1)
        found = explored(network(profile, size))
        for place, (component, machine) in enumerate(found.compiled.network.components.items()):
            tables.add(machine)
            for source, move, target in zip(found.source, found.move, found.target, strict=True):
                vector = found.compiled.moves[move].vector
                event = vector.moves.get(component) or vector.broadcast.get(component)
                before, now = (machine.states[found.states[number, place]] for number in (source, target))
                taken.add((machine, f"{before} --{event}--> {now}"))
    assert len(tables) == 2 + len(POLICIES)
    assert [str(row) for machine in tables for row in machine.rows if (machine, str(row)) not in taken] == []


# --- tables that are wrong on purpose -------------------------------------------------------------------------------

Edit = Callable[[Profile], Profile]


def rebuilt(old: Table, drop: tuple[str, ...] = (), add: tuple[Row, ...] = ()) -> Table:
    """The table without the rows that print like ``drop`` and with those of ``add``, less what is then unreachable."""
    printed = {str(row) for row in old.rows}
    assert set(drop) <= printed, f"{old.name} has no row {set(drop) - printed}"
    assert not {str(row) for row in add} & printed, f"{old.name} has such a row already"
    rows = tuple(row for row in old.rows if str(row) not in drop) + add
    reached, before = {old.initial}, 0
    while len(reached) > before:
        before = len(reached)
        reached |= {row.target for row in rows if row.source in reached}
    names = dict.fromkeys((*old.states, *(state for row in rows for state in (row.source, row.target))))
    states = tuple(state for state in names if state in reached)
    return Table(old.name, states, old.initial, tuple(row for row in rows if row.source in reached), old.regions)


def rows_of(texts: tuple[str, ...]) -> tuple[Row, ...]:
    return tuple(arrow(text) for text in texts)


def containers(*add: str, drop: tuple[str, ...] = (), **classes: str) -> Edit:
    """Another container table under every policy that has the dropped rows, and other classes for its states."""

    def edit(profile: Profile) -> Profile:
        tables = dict(profile.containers)
        for policy, old in tables.items():
            if set(drop) <= {str(row) for row in old.rows}:
                fresh = tuple(row for row in rows_of(add) if str(row) not in {str(r) for r in old.rows})
                tables[policy] = rebuilt(old, drop, fresh)
        assert any(tables[policy] is not profile.containers[policy] for policy in tables)
        return dataclasses.replace(profile, containers=tables, class_of={**profile.class_of, **classes})

    return edit


def classes(**changed: str) -> Edit:
    """Other classes for the decision table, the containers as they are."""
    return lambda profile: dataclasses.replace(profile, class_of={**profile.class_of, **changed})


def record(*add: str, drop: tuple[str, ...] = ()) -> Edit:
    """Other rows of the pod's record; ``drop`` are patterns of printed rows."""

    def edit(profile: Profile) -> Profile:
        for pattern in drop:
            assert any(re.search(pattern, str(row)) for row in profile.record_rows), pattern
        kept = tuple(row for row in profile.record_rows if not any(re.search(p, str(row)) for p in drop))
        return dataclasses.replace(profile, record_rows=kept + rows_of(add))

    return edit


def node(*add: str, drop: tuple[str, ...] = ()) -> Edit:
    return lambda profile: dataclasses.replace(profile, node=rebuilt(profile.node, drop, rows_of(add)))


def region_without(name: str, state: str) -> Edit:
    """A condition that never has this value."""

    def edit(profile: Profile) -> Profile:
        inside = tuple(
            rebuilt(region, tuple(str(row) for row in region.rows if row.target == state))
            if region.name == name
            else region
            for region in profile.node.regions["Running"]
        )
        return dataclasses.replace(profile, node=dataclasses.replace(profile.node, regions={"Running": inside}))

    return edit


def every(*edits: Edit) -> Edit:
    def edit(profile: Profile) -> Profile:
        for one in edits:
            profile = one(profile)
        return profile

    return edit


class Moving(Profile):
    """A profile in which a bound pod may be bound again elsewhere: the check that spec.host is empty is missing."""

    def record(self, homes: tuple[str, ...]) -> Table:
        again = [(a, b) for a in homes for b in homes if a != b]
        return rebuilt(
            super().record(homes), add=rows_of(tuple(f"Bound@{a} --bind@{b}--> Bound@{b}" for a, b in again))
        )


def moving(profile: Profile) -> Profile:
    return Moving(**{part.name: getattr(profile, part.name) for part in dataclasses.fields(profile)})


def unchanged(profile: Profile) -> Profile:
    return profile


@dataclass(frozen=True)
class Wrong:
    """A mistake, and the property that must notice it: exactly this one, and what cannot but go wrong with it."""

    noticed_by: str
    profile: Profile
    size: Size
    edit: Edit
    why: str
    also: frozenset[str] = frozenset()
    coupling: Mapping[str, object] = field(default_factory=dict)
    """Attributes of `model.cluster` to replace: mistakes in what couples the tables."""

    def __str__(self) -> str:
        return f"{self.profile.name} {self.size.policy}: {self.noticed_by}: {self.why}"


def wrong(
    noticed_by: str, profile: Profile, policy: str, edit: Edit, why: str, shape: tuple[int, int, int] = (1, 1, 1),
    also: tuple[str, ...] = (), **coupling: object,
) -> Wrong:  # fmt: skip
    return Wrong(noticed_by, profile, Size(policy, *shape), edit, why, frozenset(also), coupling)


TERMINAL = "a terminal phase is for ever"
SUCCEEDED = "Succeeded: every container exited with 0"
FAILED = "Failed: every container has ended, one of them badly, or the record says so"
RUNNING = "Running: every container has been started"
STARTED = "a container of a bound pod is started"
UNBOUND = "no container runs before its pod is bound"
ENDED = "Never: a container that has ended stays ended"
ALONE = "OnFailure: a container that exited with 0 is left alone"
CANDIDATE = "a pod is bound only to a candidate"
TERMINATED = "a Terminated node has lost its pods"

WRONG = [
    wrong("what has been started is started again, not for the first time", CODE, "OnFailure",
          containers("Running --liveness_failed--> Waiting", drop=("Running --liveness_failed--> Restarting",)),
          "what is killed for its liveness is forgotten"),
    # the phase
    wrong(TERMINAL, SEED, "Always", record("DiskDied@ --recover--> Bound@"), "the disk comes back"),
    wrong(TERMINAL, SEED, "OnFailure", record("NodeLost@ --recover--> Bound@"), "the node comes back too late"),
    wrong(TERMINAL, CODE, "Always", record("Refused@ --admit--> Bound@"), "a refused pod is admitted later"),
    wrong(SUCCEEDED, SEED, "Never", classes(Error="succeeded"), "a failure counts as success"),
    wrong(SUCCEEDED, CODE, "Never", classes(OOMKilled="succeeded"), "want of memory counts as success"),
    *(
        wrong(FAILED, profile, "Never", containers("Running --pause--> Paused", Paused="failed"), "paused is no end")
        for profile in BOTH
    ),
    wrong(RUNNING, SEED, "Always", classes(Waiting="running", Restarting="waiting"), "classes are swapped"),
    wrong(RUNNING, CODE, "Always", classes(Waiting="running"), "a container counts as running before its start"),
    *(
        wrong("a pod is Pending", profile, "Never", classes(Waiting="running", Restarting="running"),
              "nothing counts as waiting, so what waits must count as something else", also=(RUNNING,))
        for profile in BOTH
    ),
    *(
        wrong("a pod is Running", profile, "Never", classes(Running="waiting"), "what runs counts as waiting")
        for profile in BOTH
    ),
    *(
        wrong("a pod is Succeeded", profile, policy, containers(drop=("Running --exit_zero--> Completed",)),
              "no exit with 0")
        for profile in BOTH for policy in ("Never", "OnFailure")
    ),
    wrong("a pod is Failed", SEED, "Always", record(drop=("DiskDied", "NodeLost")),
          "nothing gives up a pod", shape=(1, 1, 0)),
    wrong("a pod is Failed", CODE, "Always", record(drop=("refuse_admission", "Refused")), "admission never refuses"),
    *(
        wrong("a pod is Deleted", profile, "Always", record(drop=("--> Deleted",)), "pods stay", shape=(1, 1, 0))
        for profile in BOTH
    ),
    # containers
    *(
        wrong(STARTED, profile, "Always", containers("Waiting --start--> Waiting"), "a start may fail for ever")
        for profile in BOTH
    ),
    *(
        wrong(ENDED, profile, "Never", containers("Error --start--> Again", "Again --exit_zero--> Completed",
              Error="running", Again="running"), "a failure is tried once more, and shows as running meanwhile")
        for profile in BOTH
    ),
    *(
        wrong("Never: a container has failed beside one that succeeded, or alone", profile, "Never",
              containers(drop=("Running --exit_failure--> Error",)), "no exit but with 0")
        for profile in BOTH
    ),
    wrong("Never: a finite workload ends", SEED, "Never", containers("Running --exit_failure--> Running"),
          "a failure is retried in place"),
    *(
        wrong(ALONE, profile, "OnFailure", containers("Completed --restart--> Restarting"),
              "success is restarted, so the pod cannot stay Succeeded", also=(TERMINAL,))
        for profile in BOTH
    ),
    *(
        wrong(f"{policy}: a container is restarted", profile, policy,
              containers(drop=tuple(f"{state} --restart--> Restarting" for state in restarted)), "nothing is restarted")
        for profile, policy, restarted in (
            (SEED, "Always", ("Completed", "Error", "OOMKilled")), (SEED, "OnFailure", ("Error", "OOMKilled")),
            (CODE, "Always", ("Completed", "Error", "OOMKilled", "Killed")),
            (CODE, "OnFailure", ("Error", "OOMKilled", "Killed")),
        )
    ),
    *(
        wrong(f"{policy}: an ended container is restarted", profile, policy, containers("Error --restart--> Error"),
              "a restart may fail for ever")
        for profile in BOTH for policy in ("Always", "OnFailure")
    ),
    # the record
    wrong(UNBOUND, SEED, "Always",
          every(record("Unbound --disk_died--> Unbound"), containers("Waiting --kill--> Killed")),
          "a dead disk kills before the pod is there"),
    wrong(UNBOUND, CODE, "Always",
          every(record("Unbound --sandbox_died--> Unbound"), containers("Waiting --kill--> Killed")),
          "a sandbox dies before there is one"),
    *(wrong("a pod is never moved", profile, "Never", moving, "a bound pod is bound again", shape=(1, 1, 2))
      for profile in BOTH),
    *(wrong("a pod is never moved", profile, "Never", record("Bound@ --release--> Unbound"),
            "a pod goes back to the scheduler, with containers that have run", also=(UNBOUND, *finite))
      for profile, finite in ((SEED, ("Never: a finite workload ends",)), (CODE, ()))),
    *(
        wrong("a deleted pod does not come back", profile, "Always", record("Deleted --bind@--> Bound@"), "it is bound")
        for profile in BOTH
    ),
    # nodes
    wrong(CANDIDATE, SEED, "Never", unchanged, "no check of the node, so Terminated ones get pods too",
          also=(TERMINATED,), GOOD_NODE={"node_timed_out": False}),
    wrong(CANDIDATE, CODE, "Never", unchanged, "no check of the node", GOOD_NODE={"evict": False}),
    *(
        wrong("an unbound pod is bound while a candidate stays", profile, "Never", record("Unbound --bind@--> Unbound"),
              "binding may fail for ever")
        for profile in BOTH
    ),
    wrong("a pod of n1 is given up if the node stays lost", SEED, "Always",
          record("Bound@ --node_timed_out@--> Bound@"), "a time-out may have no effect"),
    wrong("a pod of n1 is given up if the node stays lost", SEED, "Always", unchanged, "only an unknown node is lost",
          GOOD_NODE={"bind": True, "node_timed_out": True}),
    wrong("a pod of n1 is given up if the node stays lost", CODE, "Always", record("Bound@ --evict@--> Bound@"),
          "an eviction may have no effect"),
    wrong(TERMINATED, SEED, "Never", record(drop=("^Bound@ --node_terminated@",)), "bound pods stay on a dead node"),
    wrong(TERMINATED, SEED, "Never", record(drop=("^NodeLost@ --node_terminated@",)), "lost pods stay on a dead node"),
    wrong("Terminated is for ever", SEED, "Never", node("Terminated --check_in--> Running"), "a dead node comes back"),
    wrong("a node begins as Pending and runs only after its check-in", SEED, "Never",
          node("Pending --discover--> Running"), "a discovered node runs (L177 read literally)"),
    wrong("a node is reachable and not ready", SEED, "Never", region_without("NodeReady", "False"),
          "readiness is never False"),
    wrong("a node is ready and not reachable", SEED, "Never", region_without("NodeReachable", "False"),
          "reachability is never False"),
]  # fmt: skip


def kind(name: str) -> str:
    """A property's name without the pod or container that it is stated for."""
    return re.sub(r"^p\d+(c\d+)?: ", "", name)


def verified(case: Wrong, monkeypatch: pytest.MonkeyPatch) -> tuple[Profile, Verified]:
    for name, value in case.coupling.items():
        assert hasattr(cluster, name)
        monkeypatch.setattr(cluster, name, value)
    changed = case.edit(case.profile)
    return changed, verify(changed, case.size)


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_a_wrong_table_is_noticed_by_its_property_and_no_other(case: Wrong, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the counterexample replays, step by step, on the plain semantics, to where the property is broken."""
    assert verify(case.profile, case.size).holds
    changed, done = verified(case, monkeypatch)
    violated = [verdict for verdict in done.verdicts if not verdict.holds]
    assert {kind(verdict.property.name) for verdict in violated} == {case.noticed_by, *case.also}
    assert not done.holds
    for verdict in violated:
        breaks(verdict, done, network(changed, case.size))


def breaks(verdict: Verdict, done: Verified, net: Network) -> None:
    """That the verdict's counterexample leads where the property does not hold."""
    compiled, prop = done.exploration.compiled, verdict.property

    def view(states: list[dict[str, str]]) -> View:
        return View(done.exploration, np.array([compiled.encode(state) for state in states]))

    if isinstance(prop, Sometimes | SometimesStep):
        assert verdict.path is None
        return
    assert verdict.path is not None
    ends = view(replay(net, verdict.path))
    match prop:
        case Always():
            assert not prop.holds(ends).all()
        case AlwaysStep():
            (number,) = {i for i, move in enumerate(compiled.moves) if move.vector.name == verdict.path[-1]}
            for state in replay(net, verdict.path[:-1]):
                if verdict.path[-1] in enabled(net, state):
                    reached = view(net.fire(state, verdict.path[-1]))
                    before = view([state] * len(reached))
                    labels = Labels(done.exploration, np.array([number] * len(reached)))
                    if not prop.holds(before, labels, reached).all():
                        return
            raise AssertionError("no step of the counterexample breaks the property")
        case Eventually():
            assert not prop.holds(ends).all()
            assert verdict.loop
            assert verdict.loop == ("stays",) or set(verdict.loop) <= {vector.name for vector in net.vectors}


@pytest.mark.parametrize("case", [case for case in WRONG if case.size.policy == "Never"][::3], ids=str)
def test_a_wrong_table_is_noticed_among_two_pods(case: Wrong, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the same properties, whether one pod speaks for both or every state is visited; and one more pod changes no
    verdict, as a plain exploration of both with all that is stated of them says."""
    changed, single = verified(case, monkeypatch)
    size = dataclasses.replace(case.size, pods=2)
    both = explored(network(changed, size))
    found = {kind(prop.name) for prop in properties.properties(changed, size) if not check(prop, both).holds}
    assert {kind(v.property.name) for v in single.verdicts if not v.holds} == found
    for symmetry in (True, False):
        done = verify(changed, size, symmetry=symmetry)
        assert {kind(v.property.name) for v in done.verdicts if not v.holds} == found
        assert done.counted.stands_for == len(both.states)


@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_every_property_has_a_wrong_table(profile: Profile) -> None:
    """A property that nothing violates proves nothing. Fails for a new property until it has its mistake here."""
    stated = {kind(prop.name) for policy in POLICIES for prop in properties.properties(profile, Size(policy, 1, 1, 1))}
    noticed = {case.noticed_by for case in WRONG if case.profile.name == profile.name}
    assert stated - noticed == set()
    assert noticed - stated == set()


def test_no_two_properties_of_a_profile_share_a_name() -> None:
    """A report would not tell which one failed."""
    for profile in BOTH:
        for policy in POLICIES:
            names = [prop.name for prop in properties.properties(profile, Size(policy, 2, 2, 2))]
            assert len(names) == len(set(names))


# --- refinements that must fail -------------------------------------------------------------------------------------


def phases(policy: str, *drop: str, add: tuple[str, ...] = ()) -> Edit:
    """Another phase table under one policy."""

    def edit(profile: Profile) -> Profile:
        changed = rebuilt(profile.phases[policy], drop, rows_of(add))
        return dataclasses.replace(profile, phases={**profile.phases, policy: changed})

    return edit


def without_phase(policy: str, phase: str) -> Edit:
    def edit(profile: Profile) -> Profile:
        rows = tuple(str(row) for row in profile.phases[policy].rows if phase in (row.source, row.target))
        return phases(policy, *rows)(profile)

    return edit


@dataclass(frozen=True)
class Unrefined:
    """A mistake, the fewest containers that show it, and by hand how near it is and (if one is nearest) which step."""

    profile: Profile
    policy: str
    edit: Edit
    containers: int
    length: int
    step: str

    def __str__(self) -> str:
        return f"{self.profile.name} {self.policy}: {self.step} with {self.containers}"


UNREFINED = [
    # bind, start, exit, restart
    Unrefined(SEED, "Always", phases("Always", "Running --restart--> Running"), 1, 4, "Running --restart--> Running"),
    Unrefined(SEED, "Always", classes(Restarting="waiting"), 1, 4, "Running --restart--> Pending"),
    Unrefined(CODE, "OnFailure", phases("OnFailure", "Running --restart--> Pending"), 1, 4,
              "Running --restart--> Pending"),
    # one more: the start of what was restarted
    Unrefined(SEED, "OnFailure", phases("OnFailure", "Running --start--> Running"), 1, 5, "Running --start--> Running"),
    # bind, start, then it ends
    Unrefined(SEED, "Never", phases("Never", "Running --exit_failure--> Failed"), 1, 3,
              "Running --exit_failure--> Failed"),
    Unrefined(SEED, "Never", phases("Never", "Running --out_of_memory--> Failed"), 1, 3,
              "Running --out_of_memory--> Failed"),
    Unrefined(SEED, "OnFailure", classes(OOMKilled="succeeded"), 1, 3, "Running --out_of_memory--> Succeeded"),
    Unrefined(CODE, "Never", classes(Error="succeeded"), 1, 3, "Running --exit_failure--> Succeeded"),
    Unrefined(CODE, "Never", classes(Restarting="running"), 1, 3, "Running --liveness_failed--> Running"),
    Unrefined(CODE, "Never", phases("Never", "Running --sandbox_died--> Failed"), 1, 3,
              "Running --sandbox_died--> Failed"),
    # bind, refused
    Unrefined(CODE, "Always", phases("Always", "Pending --refuse_admission--> Failed"), 1, 2,
              "Pending --refuse_admission--> Failed"),
    # bind, disk_died, then gone: the phase Failed needs no start
    Unrefined(SEED, "Always", phases("Always", "Failed --expire--> Deleted"), 1, 3, "Failed --expire--> Deleted"),
    # two containers: bind, start one, it ends while the other waits
    Unrefined(SEED, "Always", phases("Always", "Pending --exit_zero--> Pending"), 2, 3,
              "Pending --exit_zero--> Pending"),
    # bind, start, start, one fails (Running), the other exits with 0
    Unrefined(SEED, "Never", phases("Never", "Running --exit_zero--> Failed"), 2, 5, "Running --exit_zero--> Failed"),
    Unrefined(SEED, "Never", phases("Never", "Running --exit_failure--> Running"), 2, 4,
              "Running --exit_failure--> Running"),
    Unrefined(SEED, "Never", phases("Never", "Pending --start--> Pending"), 2, 2, "Pending --start--> Pending"),
    # nothing yet
    Unrefined(SEED, "Always", classes(Waiting="running"), 1, 0, "begins in Running"),
    Unrefined(CODE, "Never", phases("Never", "Pending --bind--> Pending"), 1, 1, "Pending --bind--> Pending"),
    # a phase that the table lacks altogether
    Unrefined(SEED, "OnFailure", without_phase("OnFailure", "Succeeded"), 1, 3,
              "a phase that the table does not have"),
    # a mechanism that does more than it may; several steps are then equally near
    Unrefined(SEED, "Never", containers("Error --restart--> Restarting", "Restarting --start--> Running"), 1, 4, ""),
    Unrefined(SEED, "OnFailure", record("DiskDied@ --recover--> Bound@"), 1, 3, ""),
]  # fmt: skip


@pytest.mark.parametrize("case", UNREFINED, ids=str)
def test_a_wrong_phase_table_or_mechanism_is_not_refined(case: Unrefined) -> None:
    """By a shortest path that replays; and not one container earlier than the mistake can show."""
    changed = case.edit(case.profile)
    for fewer in range(1, case.containers):
        assert refine(changed, case.policy, fewer).holds
    found = refine(changed, case.policy, case.containers)
    assert not found.holds
    assert found.path is not None
    assert len(found.path) == case.length
    assert case.step == found.step or not case.step
    net = network(changed, Size(case.policy, 1, case.containers, 0))
    assert replay(net, found.path)
    if " --" in (found.step or ""):
        assert leads(changed, case, net, found.path) == found.step
    assert not verify(changed, Size(case.policy, 1, case.containers, 0)).holds


def leads(changed: Profile, case: Unrefined, net: Network, path: tuple[str, ...]) -> str:
    """The abstract step that the last step of a path amounts to."""

    def phase(state: dict[str, str]) -> str:
        inner = tuple(where for name, where in state.items() if name != "p1")
        return changed.phase(case.policy, state["p1"], inner)

    before, reached = replay(net, path[:-1]), replay(net, path)
    assert (len(before), len(reached)) == (1, 1)
    return f"{phase(before[0])} --{path[-1].partition('(')[0]}--> {phase(reached[0])}"


def test_a_row_that_the_mechanism_never_takes_is_named() -> None:
    changed = phases("Always", add=("Failed --restart--> Running", "Failed --pardon--> Pending"))(SEED)
    found = refine(changed, "Always", 2)
    assert found.holds
    assert found.unused == ("Failed --restart--> Running", "Failed --pardon--> Pending")


def test_rows_that_need_a_second_container_are_unused_with_one() -> None:
    """A pod of one container is never Pending after its start, and its first failure is its last (seed, Never)."""
    assert set(refine(SEED, "Never", 1).unused) == {
        "Pending --start--> Pending",
        *(f"Pending --{end}--> Pending" for end in ("exit_zero", "exit_failure", "out_of_memory")),
        *(f"Running --{end}--> Running" for end in ("exit_zero", "exit_failure", "out_of_memory")),
        "Running --exit_zero--> Failed",
    }


# --- refinement on hand-made tables ---------------------------------------------------------------------------------

BLINK = table("dark --go--> dim", "dim --go--> bright", "bright --stop--> dark", name="blink")


def image(*numbers: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(numbers, dtype=np.int64)


def test_a_mechanism_refines_what_it_looks_like() -> None:
    """dark is off, dim and bright are on."""
    found = refines(
        explored(alone(BLINK)), image(0, 1, 1), table("off --go--> on", "on --go--> on", "on --stop--> off")
    )
    assert (found.holds, found.path, found.step, found.unused) == (True, None, None, ())


@pytest.mark.parametrize(
    ("abstract", "path", "step"),
    [
        (("off --go--> on", "on --stop--> off"), ("go", "go"), "on --go--> on"),
        (("off --go--> on", "on --go--> on", "on --halt--> off"), ("go", "go", "stop"), "on --stop--> off"),
        (("off --go--> on", "on --go--> off", "on --go--> on", "off --stop--> on"), ("go", "go", "stop"),
         "on --stop--> off"),
        (("on --go--> on", "on --stop--> off", "off --go--> on"), (), "begins in off"),
    ],
)  # fmt: skip
def test_source_label_target_and_beginning_must_all_fit(
    abstract: tuple[str, ...], path: tuple[str, ...], step: str
) -> None:
    """Each case lacks one of them and has the rest in another row."""
    spec = table(*abstract)
    numbers = image(*(spec.states.index(name) for name in ("off", "on", "on")))
    found = refines(explored(alone(BLINK)), numbers, spec)
    assert (found.holds, found.path, found.step) == (False, path, step)
