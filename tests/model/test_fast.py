"""Counting at speed: compiled code finds what plain arrays find, on bits and hashed, with symmetry and without."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from model import properties
from model.cluster import Size, alike, network
from model.container import POLICIES
from model.lts import fast, kernels
from model.lts import network as networks
from model.lts.blocks import Blocks, blocks
from model.lts.explore import Exploration, TooLarge, explore
from model.lts.fast import Bits, Count, Hashed, count
from model.lts.network import Compiled, Network, Vector, When
from model.lts.properties import (
    Always,
    AlwaysStep,
    Eventually,
    Labels,
    Property,
    Sometimes,
    SometimesStep,
    View,
    check,
    named,
)
from model.lts.symmetry import Alike, Symmetry, neighbours, symmetry
from model.profiles import PROFILES, SEED, Profile
from model.situations import situations
from model.situations.situation import Situation

from .support import alone, explored, replay, table
from .test_network import random_network

WAYS: tuple[fast.Way, ...] = ("bits", "hashed")
SHAPES = [(1, 1, 0), (1, 2, 0), (2, 1, 0), (1, 1, 1), (1, 2, 1), (2, 1, 1), (3, 1, 0), (1, 1, 2), (1, 2, 2), (2, 2, 0)]
LARGER = [(3, 1, 1), (2, 1, 2), (2, 2, 1)]


def cluster(profile: Profile, policy: str, shape: tuple[int, int, int]) -> tuple[Compiled, Size]:
    size = Size(policy, *shape)
    return networks.compile(network(profile, size)), size


def levels(cut: Blocks, way: fast.Way, threads: int) -> list[set[tuple[int, ...]]]:
    """The states of each level, as a search finds them."""
    found = []
    with ThreadPoolExecutor(threads) as pool:
        search = Bits(cut, pool, threads) if way == "bits" else Hashed(cut, None, pool, threads)
        while search.fresh:
            states = [tuple(state) for state in cut.states(search.numbers()).tolist()]
            assert len(states) == len(set(states)) == search.fresh
            found.append(set(states))
            search.advance()
    return found


def plain_levels(found: Exploration) -> list[set[tuple[int, ...]]]:
    sets: list[set[tuple[int, ...]]] = [set() for _ in range(found.depth + 1)]
    for state, distance in zip(found.states.tolist(), found.distance, strict=True):
        sets[distance].add(tuple(state))
    return sets


def numbers(found: Count) -> tuple[int, int, int]:
    return found.states, found.transitions, found.depth


def plain_numbers(found: Exploration) -> tuple[int, int, int]:
    return len(found.states), len(found.source), found.depth


# --- blocks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_every_reachable_state_has_a_number_of_its_own(profile: Profile) -> None:
    compiled, _ = cluster(profile, "OnFailure", (1, 2, 2))
    found = explore(compiled)
    cut = blocks(compiled)
    own = cut.number(found.states)
    assert len(np.unique(own)) == len(found.states)
    assert (cut.states(own) == found.states).all()
    assert own.max() < cut.combinations < np.prod(compiled.sizes)


def test_a_state_that_cannot_be_reached_has_no_digit() -> None:
    """A pod that is not bound has containers that wait, all of them."""
    compiled, _ = cluster(SEED, "Always", (1, 2, 0))
    cut = blocks(compiled, [range(3)])
    unbound = {"p1": "Unbound", "p1c1": "Waiting", "p1c2": "Waiting"}
    states = np.array([compiled.encode({**unbound, "p1c2": state}) for state in ("Waiting", "Running")])
    assert cut.digit(0, states).tolist() == [cut.digit(0, compiled.initial[np.newaxis, :])[0], -1]
    assert cut.sizes == (156,)  # as many as the exploration finds: nothing else stands in the way of this pod


# --- the same as on plain arrays ------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_the_same_states_at_the_same_distances(
    profile: Profile, policy: str, shape: tuple[int, int, int], way: fast.Way
) -> None:
    compiled, _ = cluster(profile, policy, shape)
    found = explore(compiled)
    assert levels(blocks(compiled), way, threads=2) == plain_levels(found)
    assert numbers(count(compiled, way=way)) == plain_numbers(found)


@pytest.mark.parametrize("shape", LARGER, ids=str)
@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_the_same_numbers_on_larger_clusters(profile: Profile, shape: tuple[int, int, int]) -> None:
    compiled, size = cluster(profile, "Never", shape)
    expected = plain_numbers(explore(compiled))
    assert [numbers(count(compiled, way=way, threads=n)) for way in WAYS for n in (1, 3)] == [expected] * 4
    assert numbers(count(compiled, alike=alike(size), way="hashed")) == expected


@pytest.mark.parametrize(
    "situation",
    [situation for profile in PROFILES.values() for situation in situations(profile)],
    ids=lambda situation: situation.name,
)
def test_the_same_numbers_on_situations(situation: Situation) -> None:
    compiled = networks.compile(situation.network)
    expected = plain_numbers(explore(compiled))
    assert [numbers(count(compiled, way=way)) for way in WAYS] == [expected] * 2


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    groups=st.sampled_from([None, [[0], [1], [2]], [[2], [0], [1]], [[0, 1], [2]], [[1], [0, 2]], [[0, 1, 2]]]),
    threads=st.integers(1, 3),
)
def test_the_same_on_random_networks_in_any_blocks(
    way: fast.Way, seed: int, groups: list[list[int]] | None, threads: int
) -> None:
    """Nondeterministic, with broadcasts, and conditions *some* and *every* across blocks."""
    found = explored(random_network(seed))
    assert levels(blocks(found.compiled, groups), way, threads) == plain_levels(found)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_same_transitions_on_random_networks(seed: int) -> None:
    found = explored(random_network(seed))
    assert [numbers(count(found.compiled, way=way)) for way in WAYS] == [plain_numbers(found)] * 2


def test_some_over_several_blocks_is_not_counted_twice() -> None:
    """Both are on: still one transition. Nobody is on: none. By hand: 4 presses while the door is shut, 2 while it is
    ajar (somebody is on then), and it opens in 3 of the 4 states."""
    lamp = table("off --press--> on", name="lamp")
    door = table("shut --open--> ajar", name="door")
    some = When("some", ("a", "b"), frozenset({"on"}))
    net = Network(
        "room", {"a": lamp, "b": lamp, "d": door},
        (Vector("a", {"a": "press"}), Vector("b", {"b": "press"}), Vector("open", {"d": "open"}, when=(some,))),
    )  # fmt: skip
    compiled = networks.compile(net)
    apart = blocks(compiled, [[0], [1], [2]])
    assert [len(level) for level in levels(apart, "bits", 1)] == [1, 2, 3, 1]
    with ThreadPoolExecutor(1) as pool:
        search = Bits(apart, pool, 1)
        while search.fresh:
            search.advance()
    assert (search.states, search.transitions) == (7, 4 + 2 + 3)


def test_rows_of_many_words() -> None:
    """All components in one block: one row of 1,502 bits."""
    compiled, _ = cluster(SEED, "Always", (1, 2, 1))
    cut = blocks(compiled, [range(len(compiled.names))])
    assert cut.sizes == (1502,)
    assert levels(cut, "bits", 2) == plain_levels(explore(compiled))


def test_batches_smaller_than_a_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "BATCH", 7)
    compiled, _ = cluster(SEED, "Never", (1, 2, 1))
    assert levels(blocks(compiled), "hashed", 2) == plain_levels(explore(compiled))


# --- symmetry -------------------------------------------------------------------------------------------------------


def classes(found: Exploration, declared: Sequence[Alike]) -> dict[int, list[int]]:
    """The states that are alike, by exchanging neighbours again and again: numbers of states by number of class."""
    known = {tuple(state): number for number, state in enumerate(found.states.tolist())}
    sources: list[int] = []
    targets: list[int] = []
    for swap in (swap for one in declared for swap in neighbours(found.compiled, one)):
        sources += range(len(known))
        targets += [known[tuple(state)] for state in swap.apply(found.states).tolist()]
    graph = csr_array((np.ones(len(sources), dtype=np.int8), (sources, targets)), shape=(len(known), len(known)))
    _, labels = connected_components(graph, directed=False)
    grouped: dict[int, list[int]] = {}
    for number, label in enumerate(labels):
        grouped.setdefault(int(label), []).append(number)
    return grouped


def stands_for(declared: Symmetry, number: int) -> int:
    run, scratch = fast.program(declared.blocks)[0], np.empty(len(declared.blocks.sizes), np.int64)
    return int(kernels.stands_for(run, fast.likeness(declared.blocks, declared), number, scratch))


@pytest.mark.parametrize("shape", [(1, 2, 0), (2, 1, 1), (2, 2, 0), (1, 2, 2), (3, 1, 0), (1, 1, 3)], ids=str)
@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_of_states_that_are_alike_one_is_explored_and_counts_for_all(
    profile: Profile, shape: tuple[int, int, int]
) -> None:
    """The least number is one for each class, found by exchanging; and it stands for as many as the class has."""
    compiled, size = cluster(profile, "Never", shape)
    found, declared = explore(compiled), symmetry(compiled, alike(size))
    least = declared.least(declared.blocks.number(found.states))
    grouped = classes(found, alike(size))
    assert len(grouped) < len(found.states)
    for members in grouped.values():
        assert len(set(least[members])) == 1
    picked = [int(least[members[0]]) for members in grouped.values()]
    assert len(set(picked)) == len(picked)
    some = list(zip(picked, grouped.values(), strict=True))[:: max(1, len(picked) // 200)]
    assert [stands_for(declared, number) for number, _ in some] == [len(members) for _, members in some]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_with_symmetry_the_same_numbers(profile: Profile, policy: str, shape: tuple[int, int, int]) -> None:
    """States, transitions and depth as without; as many classes on compiled code as on plain arrays."""
    compiled, size = cluster(profile, policy, shape)
    reduced = count(compiled, alike=alike(size), way="hashed")
    assert numbers(reduced) == numbers(count(compiled, way="bits"))
    assert reduced.classes == count(compiled, alike=alike(size), way="arrays").classes


def test_three_nodes_and_two_pods_of_two() -> None:
    """Everything at once: nodes that are renamed, pods that are permuted, containers inside."""
    compiled, size = cluster(PROFILES["v0.17.0"], "Always", (2, 2, 3))
    reduced = count(compiled, alike=alike(size))
    assert numbers(reduced) == numbers(count(compiled))
    assert reduced.states / (2 * 2**2 * 6) < reduced.classes < reduced.states / 20


def test_what_is_not_alike_is_refused() -> None:
    size = Size("Always", 2, 1, 2)
    whole = network(SEED, size)
    pods, *_, nodes = alike(size)
    one_less = Network("less", whole.components, tuple(v for v in whole.vectors if v.name != "delete(p2)"))
    with pytest.raises(ValueError, match=r"network less: .*'p1'.* are not alike"):
        symmetry(networks.compile(one_less), [pods])
    with pytest.raises(ValueError, match=r"are not alike"):
        symmetry(networks.compile(whole), [Alike(nodes.members)])  # bound to the one is not bound to the other
    assert symmetry(networks.compile(whole), [nodes]).moved == ((0, 1, 2, 3, 4, 5), (1, 0, 2, 3, 4, 5))


def test_parts_that_begin_differently_are_not_alike() -> None:
    lit = table("on --press--> off", "off --press--> on", name="lamp")
    dark = table("on --press--> off", "off --press--> on", name="lamp", initial="off")
    vectors = Vector("a", {"a": "press"}), Vector("b", {"b": "press"})
    with pytest.raises(ValueError, match="are not alike"):
        symmetry(networks.compile(Network("n", {"a": lit, "b": dark}, vectors)), [Alike((("a",), ("b",)))])


def test_a_condition_on_one_member_only_is_not_alike() -> None:
    lamp = table("off --press--> on", "on --press--> off", name="lamp")
    door = table("shut --open--> ajar", name="door")
    vectors = [Vector("a", {"a": "press"}), Vector("b", {"b": "press"})]
    both = [Vector(f"open{c}", {"d": "open"}, when=(When("every", (c,), frozenset({"on"})),)) for c in "ab"]
    parts, members = {"a": lamp, "b": lamp, "d": door}, [Alike((("a",), ("b",)))]
    symmetry(networks.compile(Network("n", parts, (*vectors, *both))), members)
    with pytest.raises(ValueError, match="are not alike"):
        symmetry(networks.compile(Network("n", parts, (*vectors, *both[:1]))), members)


# --- properties -----------------------------------------------------------------------------------------------------


def broken(size: Size) -> list[Property]:
    """Properties that do not hold, alike for all pods: some by a long way round, some across a step."""
    pods = size.pod_names
    members = [c for p in pods for c in size.containers_of(p)]
    return [
        Always("not all pods are deleted", (), lambda v: ~np.logical_and.reduce([v.is_in(p, "Deleted") for p in pods])),
        Always("not everything runs", (), lambda v: ~np.logical_and.reduce([v.is_in(c, "Running") for c in members])),
        AlwaysStep("no restart", (), lambda b, e, a: ~e.is_event("exit_failure")),
        AlwaysStep("the last pod is not deleted", (), lambda b, e, a: ~(
            e.is_event("delete") & np.logical_and.reduce([a.is_in(p, "Deleted") for p in pods]))),
        Sometimes("a container sleeps", (), lambda v: np.zeros(len(v), np.bool_)),
        SometimesStep("a container is counted", (), lambda b, e, a: e.is_event("count")),
    ]  # fmt: skip


@pytest.mark.parametrize(("way", "symmetric"), [("bits", False), ("hashed", False), ("hashed", True)])
@pytest.mark.parametrize(("policy", "shape"), [("Never", (2, 1, 1)), ("OnFailure", (1, 2, 2)), ("Always", (2, 2, 0))])
@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_the_same_verdicts_by_paths_that_are_as_short_and_replay(
    profile: Profile, policy: str, shape: tuple[int, int, int], way: fast.Way, symmetric: bool
) -> None:
    compiled, size = cluster(profile, policy, shape)
    asked = [p for p in [*properties.properties(profile, size), *broken(size)] if p.kind != "eventually"]
    found = explore(compiled)
    got = count(compiled, asked, alike(size) if symmetric else (), way=way)
    assert [v.property for v in got.verdicts] == asked
    assert sum(not v.holds for v in got.verdicts) == 6
    for verdict in got.verdicts:
        expected = check(verdict.property, found)
        assert verdict.holds is expected.holds
        assert (verdict.path is None) is (expected.path is None)
        if verdict.path is not None and expected.path is not None:
            assert len(verdict.path) == len(expected.path)
            _decides(verdict.property, found, verdict.path)


def _decides(prop: Property, found: Exploration, path: tuple[str, ...]) -> None:
    """The path replays, and the property's own test says so at its end."""
    ends = [found.compiled.encode(state) for state in replay(found.compiled.network, path)]
    place = {tuple(state): number for number, state in enumerate(found.states.tolist())}
    at = [place[tuple(end.tolist())] for end in ends]
    if isinstance(prop, Always | Sometimes):
        holds = [prop.holds(View(found, found.states[[number]]))[0] for number in at]
    else:
        assert isinstance(prop, AlwaysStep | SometimesStep)
        named_so = np.array([move.vector.name == path[-1] for move in found.compiled.moves])
        steps = np.flatnonzero(np.isin(found.target, at) & named_so[found.move])
        views = [View(found, found.states[end[steps]]) for end in (found.source, found.target)]
        holds = prop.holds(views[0], Labels(found, found.move[steps]), views[1]).tolist()
    assert (prop.kind == "sometimes") in holds


def test_eventually_is_refused_because_it_needs_the_edges() -> None:
    compiled = networks.compile(alone(table("a --x--> b")))
    late = Eventually("x", (), lambda v: v.is_in("m", "a"), lambda v: v.is_in("m", "b"), (named("x"),))
    with pytest.raises(ValueError, match="'x' needs the edges"):
        count(compiled, [late])


# --- limits and costs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [*WAYS, "arrays"])
def test_too_many_states_are_refused_with_advice(way: fast.Way) -> None:
    compiled, _ = cluster(SEED, "Always", (1, 1, 1))
    assert count(compiled, max_states=252, way=way).states == 252
    with pytest.raises(TooLarge, match=r"more than 251 states at depth 10; explore .*raise the limit"):
        count(compiled, max_states=251, way=way)


def test_combinations_that_have_no_room_as_bits_are_hashed_and_too_many_to_number_are_refused() -> None:
    """5^26 < 2^62 < 5^27; and 5^26 bits are more than there is room for."""
    ring = table(*(f"s{i} --next--> s{(i + 1) % 5}" for i in range(5)), name="ring")

    def rings(number: int) -> Compiled:
        parts = {f"r{i}": ring for i in range(number)}
        return networks.compile(Network("wide", parts, tuple(Vector(f"next({r})", {r: "next"}) for r in parts)))

    with pytest.raises(TooLarge, match=r"network wide: more than 1,000 states at depth 3"):
        count(rings(26), max_states=1000)
    with pytest.raises(TooLarge, match=r"network wide: .* too many to number"):
        count(rings(27), max_states=1000)


def test_progress_tells_states_and_depth() -> None:
    compiled, _ = cluster(SEED, "Always", (1, 1, 0))
    told: list[tuple[int, int]] = []
    found = count(compiled, way="bits", progress=lambda states, depth: told.append((states, depth)))
    assert told[-1] == (found.states, found.depth) == (26, 5)
    assert told == sorted(told)


def test_a_small_network_does_not_load_the_compiler() -> None:
    code = (
        "import sys; from model.cluster import *; from model.profiles import SEED; from model.lts import network as n;"
        "from model.lts.fast import count; size = Size('Always', 1, 2, 1);"
        "found = count(n.compile(network(SEED, size)), alike=alike(size));"
        "assert (found.states, found.way) == (1502, 'arrays'); sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
