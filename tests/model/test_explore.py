"""Exploration: all states and no others, by numbers derived by hand, and paths that are shortest and replay."""

from __future__ import annotations

import pytest

from model.cluster import Size, network
from model.container import POLICIES
from model.lts import network as networks
from model.lts.explore import Exploration, TooLarge, explore
from model.lts.network import Network, Vector, When
from model.profiles import CODE, PROFILES, SEED, Profile

from .support import alone, explored, plain, replay, table

RING = table(*(f"s{i} --next--> s{(i + 1) % 5}" for i in range(5)), name="ring")
"""s0 → s1 → s2 → s3 → s4 → s0: five states, the farthest four steps away."""

PROCESS = table("idle --ask--> waiting", "waiting --enter--> inside", "inside --leave--> idle", name="process")


def mutex() -> Network:
    """Two processes of which at most one is inside."""
    vectors = []
    for me, other in (("p", "q"), ("q", "p")):
        outside = When("every", (other,), frozenset({"idle", "waiting"}))
        vectors += [Vector(f"ask({me})", {me: "ask"}), Vector(f"leave({me})", {me: "leave"})]
        vectors += [Vector(f"enter({me})", {me: "enter"}, when=(outside,))]
    return Network("mutex", {"p": PROCESS, "q": PROCESS}, tuple(vectors))


def both() -> Network:
    """Two independent rings."""
    return Network(
        "rings", {"a": RING, "b": RING}, (Vector("next(a)", {"a": "next"}), Vector("next(b)", {"b": "next"}))
    )


# --- counts by hand -------------------------------------------------------------------------------------------------


def test_a_ring_alone() -> None:
    found = explored(alone(RING))
    assert (len(found.states), len(found.source), found.depth) == (5, 5, 4)


def test_two_rings_side_by_side() -> None:
    """5 × 5 states, two steps out of each, the farthest is four and four steps away."""
    found = explored(both())
    assert (len(found.states), len(found.source), found.depth) == (25, 50, 8)


def test_two_rings_in_step() -> None:
    """Coupled by one vector there are only five states: catches moves that are taken one component at a time."""
    found = explored(Network("pair", {"a": RING, "b": RING}, (Vector("next", {"a": "next", "b": "next"}),)))
    assert (len(found.states), len(found.source), found.depth) == (5, 5, 4)


def test_mutual_exclusion() -> None:
    """3 × 3 states less the one in which both are inside. Steps: 2 × 9 − 2 (into both inside) − 2 (out of it).

    The farthest states are (waiting, inside) and (inside, waiting): three steps.
    """
    found = explored(mutex())
    assert (len(found.states), len(found.source), found.depth) == (8, 14, 3)


def test_a_network_where_nothing_can_happen() -> None:
    """One state, no step, no depth: catches an explorer that needs at least one level of successors."""
    never = Vector("next", {"a": "next"}, when=(When("every", ("a",), frozenset({"s4"})),))
    found = explored(Network("stuck", {"a": RING}, (never,)))
    assert (len(found.states), len(found.source), found.depth) == (1, 0, 0)
    assert found.path(0) == []


def test_a_network_without_vectors() -> None:
    found = explored(Network("still", {"a": RING}, ()))
    assert (len(found.states), len(found.source), found.depth) == (1, 0, 0)


@pytest.mark.parametrize("size", [255, 256, 257, 300])
def test_a_table_of_many_states(size: int) -> None:
    """A chain has as many states as links. Catches state numbers that wrap around at 256."""
    chain = table(*(f"s{i} --next--> s{i + 1}" for i in range(size - 1)), name="chain")
    found = explored(alone(chain))
    assert (len(found.states), found.depth) == (size, size - 1)
    assert found.compiled.decode(found.states[-1]) == {"m": f"s{size - 1}"}


def test_a_pod_of_the_seed_that_restarts_always() -> None:
    """One container, no nodes.

    Unbound: only Waiting (1). Bound: Waiting, Running, Completed, Error, OOMKilled, Restarting (6). NodeLost: the same
    (6), as none of them is an end. DiskDied: Waiting, Completed, Error, OOMKilled and Restarting as they were,
    and Killed (6): what does not run has nothing to be killed. Deleted: what any of these had, so all seven (7).
    """
    assert len(explored(network(SEED, Size("Always", 1, 1, 0))).states) == 1 + 6 + 6 + 6 + 7


def test_a_pod_of_the_seed_that_never_restarts() -> None:
    """No Restarting, and every end is final, so a lost node or a dead disk find only Waiting and Running.

    Unbound 1; Bound: Waiting, Running, Completed, Error, OOMKilled (5); NodeLost: Waiting, Running (2); DiskDied:
    Waiting, Killed (2); Deleted: all six (6).
    """
    assert len(explored(network(SEED, Size("Never", 1, 1, 0))).states) == 1 + 5 + 2 + 2 + 6


@pytest.mark.parametrize("policy", POLICIES)
def test_a_pod_of_the_code(policy: str) -> None:
    """Unbound 1; Bound, Refused and Deleted each with all seven container states: sandbox deaths leave Killed, and a
    failed liveness probe leaves Restarting, also under Never."""
    assert len(explored(network(CODE, Size(policy, 1, 1, 0))).states) == 1 + 7 + 7 + 7


# --- paths ----------------------------------------------------------------------------------------------------------

SMALL = [
    pytest.param(profile, Size(policy, *shape), id=f"{profile.name}-{policy}-{'x'.join(map(str, shape))}")
    for profile in PROFILES.values()
    for policy in POLICIES
    for shape in ((1, 2, 0), (1, 1, 1))
]


def check_paths(net: Network, found: Exploration) -> None:
    distance = plain(net).distance
    for number, state in enumerate(found.states):
        decoded = found.compiled.decode(state)
        path = found.path(number)
        assert len(path) == distance[tuple(decoded.values())]
        assert decoded in replay(net, path)
    assert found.depth == max(distance.values())


@pytest.mark.parametrize(("profile", "size"), SMALL)
def test_paths_replay_to_their_state_and_none_is_shorter(profile: Profile, size: Size) -> None:
    """Replayed by `Network.fire`, compared with plain distances. Catches a wrong parent, a reversed path, a depth that
    counts levels instead of steps."""
    net = network(profile, size)
    check_paths(net, explored(net))


def test_paths_of_hand_made_networks() -> None:
    for net in (alone(RING), both(), mutex()):
        check_paths(net, explored(net))


def test_states_stand_in_breadth_first_order() -> None:
    """Verdicts rely on it: the first state that violates a property is one that is nearest."""
    found = explored(both())
    lengths = [len(found.path(number)) for number in range(len(found.states))]
    assert lengths == sorted(lengths)
    by_source = [lengths[source] for source in found.source]
    assert by_source == sorted(by_source)


def test_a_path_takes_the_short_cut() -> None:
    """a → b → c → d, and a → d: catches depth-first search."""
    found = explored(alone(table("a --x--> b", "b --x--> c", "c --x--> d", "a --cut--> d")))
    at = {found.compiled.decode(state)["m"]: number for number, state in enumerate(found.states)}
    assert found.path(at["d"]) == ["cut"]
    assert found.path(at["c"]) == ["x", "x"]
    assert found.path(at["a"]) == []


def test_labels_are_names_without_arguments() -> None:
    found = explored(mutex())
    assert found.labels.tolist() == ["ask", "leave", "enter"] * 2


# --- limits ---------------------------------------------------------------------------------------------------------


def test_too_many_states_are_refused_with_advice() -> None:
    """The message names the network, the limit and what to do. Exactly as many states as allowed are fine."""
    compiled = networks.compile(mutex())
    assert len(explore(compiled, max_states=8).states) == 8
    with pytest.raises(TooLarge, match=r"network mutex: more than 7 states at depth 3; explore .*raise the limit"):
        explore(compiled, max_states=7)


def test_states_that_cannot_be_numbered_are_refused_at_once() -> None:
    """5^27 > 2^62: a key would overflow and states would be mixed up silently. 5^26 < 2^62 has room."""
    for count, fits in ((26, True), (27, False)):
        wide = Network("wide", {f"r{i}": RING for i in range(count)}, (Vector("next", {"r0": "next"}),))
        if fits:
            assert len(explored(wide).states) == 5
        else:
            with pytest.raises(TooLarge, match=r"network wide: .* too many to number"):
                explored(wide)


def test_progress_is_told_after_every_level() -> None:
    told: list[tuple[int, int]] = []
    found = explore(networks.compile(mutex()), progress=lambda states, depth: told.append((states, depth)))
    assert told == [(3, 1), (6, 2), (8, 3), (8, 3)]
    assert found.seconds >= 0
