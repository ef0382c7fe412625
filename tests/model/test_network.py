"""Networks: the plain semantics by hand-made examples, and the compiled arrays against it."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable

import numpy as np
import pytest

from model.cluster import Size, network
from model.container import POLICIES
from model.lts import network as networks
from model.lts.network import Network, Vector, When
from model.lts.table import Table, joint
from model.profiles import PROFILES, Profile

from .support import alone, enabled, explored, plain, random_table, refuses, table

LAMP = table("off --press--> on", "on --press--> off", "on --burn--> dead", name="lamp")
DOOR = table("shut --open--> ajar", "ajar --close--> shut", name="door")
COIN = table("up --toss--> heads", "up --toss--> tails", "heads --lift--> up", "tails --lift--> up", name="coin")


def lamps(*vectors: Vector) -> Network:
    return Network("room", {"a": LAMP, "b": LAMP, "d": DOOR}, vectors)


# --- construction ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vector", "problem"),
    [
        (Vector("v", {"x": "press"}), "network room: vector v names no component 'x'"),
        (Vector("v", {}, {"x": "press"}), "network room: vector v names no component 'x'"),
        (Vector("v", {"a": "press"}, when=(When("some", ("a", "x"), frozenset({"on"})),)), "names no component 'x'"),
        (Vector("v", {"a": "open"}), "network room: vector v: table lamp has no event 'open'"),
        (Vector("v", {"a": "press"}, {"d": "press"}), "network room: vector v: table door has no event 'press'"),
    ],
)
def test_a_wrong_vector_is_not_built(vector: Vector, problem: str) -> None:
    """In moves, broadcasts and conditions alike; a vector that could never be taken would only look like a refusal."""
    with pytest.raises(ValueError, match=problem):
        lamps(vector)


def test_a_component_with_regions_is_not_built() -> None:
    nested = Table("nested", ("up",), "up", (), {"up": (DOOR,)})
    with pytest.raises(ValueError, match=r"component m has regions; use table\.flattened\(\)"):
        Network("n", {"m": nested}, ())
    assert alone(nested.flattened()).initial() == {"m": "up/shut"}


def test_a_condition_on_a_state_that_does_not_exist_is_not_built() -> None:
    """A misspelt state makes a guard that never (or, negated by hand, always) holds, and nobody notices."""
    with pytest.raises(ValueError, match="dark"):
        lamps(Vector("v", {"a": "press"}, when=(When("every", ("b",), frozenset({"dark"})),)))


def test_two_vectors_with_one_name_are_not_built() -> None:
    """`fire` would know the first only, the explorer both: a counterexample would not replay."""
    with pytest.raises(ValueError, match="v"):
        lamps(Vector("v", {"a": "press"}), Vector("v", {"d": "open"}))


def test_a_component_that_moves_and_hears_at_once_is_refused_or_means_the_same_to_both_semantics() -> None:
    """Which of its two events would it take?"""
    try:
        net = lamps(Vector("v", {"a": "burn"}, {"a": "press"}))
    except ValueError:
        return
    assert set(explored_states(net)) == set(plain(net).distance)


def test_a_condition_on_no_component_is_refused_or_means_the_same_to_both_semantics() -> None:
    """Every one of none is in these states; some one of none is not."""
    for quantifier in ("every", "some"):
        try:
            net = lamps(Vector("v", {"a": "press"}, when=(When(quantifier, (), frozenset({"on"})),)))
            compiled = networks.compile(net)
        except ValueError as error:
            assert re.search(r"\bvector v\b", str(error)), error  # noqa: PT017 - not one from deep inside
            continue
        mask = compiled.enabled(compiled.moves[0], compiled.initial[np.newaxis, :])
        assert mask.tolist() == [quantifier == "every"]


# --- the plain semantics --------------------------------------------------------------------------------------------


def test_a_vector_moves_its_participants_and_nobody_else() -> None:
    net = lamps(Vector("both", {"a": "press", "d": "open"}))
    assert net.initial() == {"a": "off", "b": "off", "d": "shut"}
    assert net.fire(net.initial(), "both") == [{"a": "on", "b": "off", "d": "ajar"}]


def test_a_vector_is_refused_if_one_participant_refuses() -> None:
    """Catches a step that is taken by those who can."""
    net = lamps(Vector("both", {"a": "press", "d": "open"}), Vector("close", {"d": "close"}))
    refused = refuses(lambda: net.fire({"a": "off", "b": "on", "d": "ajar"}, "both"))
    assert refused.state == "a=off, b=on, d=ajar"
    assert refused.allowed == ("close",)


def test_a_vector_that_does_not_exist_is_refused_with_what_is_allowed() -> None:
    net = lamps(Vector("press(a)", {"a": "press"}), Vector("burn(a)", {"a": "burn"}), Vector("open", {"d": "open"}))
    assert refuses(lambda: net.fire(net.initial(), "press")).allowed == ("press(a)", "open")


def test_a_broadcast_moves_who_can_and_leaves_who_cannot() -> None:
    net = lamps(Vector("shock", {"d": "open"}, {"a": "burn", "b": "burn"}))
    assert net.fire({"a": "on", "b": "off", "d": "shut"}, "shock") == [{"a": "dead", "b": "off", "d": "ajar"}]


def test_a_broadcast_that_nobody_hears_is_still_a_step() -> None:
    net = lamps(Vector("shock", {"d": "open"}, {"a": "burn", "b": "burn"}))
    assert net.fire(net.initial(), "shock") == [{"a": "off", "b": "off", "d": "ajar"}]


def test_a_broadcast_does_not_enable_what_its_vector_refuses() -> None:
    net = lamps(Vector("shock", {"d": "open"}, {"a": "burn"}))
    refuses(lambda: net.fire({"a": "on", "b": "off", "d": "ajar"}, "shock"))


@pytest.mark.parametrize(
    ("quantifier", "a", "b", "holds"),
    [
        ("every", "on", "on", True),
        ("every", "on", "off", False),
        ("every", "off", "off", False),
        ("every", "dead", "on", True),
        ("some", "on", "on", True),
        ("some", "off", "on", True),
        ("some", "off", "off", False),
        ("some", "dead", "off", True),
    ],
)
def test_conditions_are_over_all_their_components_and_any_of_their_states(
    quantifier: str, a: str, b: str, holds: bool
) -> None:
    """In `fire` and in the arrays. Catches every taken for some, and a condition that looks at one component only."""
    lit = When("every" if quantifier == "every" else "some", ("a", "b"), frozenset({"on", "dead"}))
    net = lamps(Vector("open", {"d": "open"}, when=(lit,)))
    state = {"a": a, "b": b, "d": "shut"}
    assert ("open" in enabled(net, state)) is holds
    compiled = networks.compile(net)
    assert compiled.enabled(compiled.moves[0], compiled.encode(state)[np.newaxis, :]).tolist() == [holds]


def test_all_conditions_must_hold_and_look_at_the_state_before_the_step() -> None:
    net = lamps(
        Vector(
            "swap",
            {"a": "press", "b": "press"},
            when=(When("every", ("a",), frozenset({"off"})), When("every", ("b",), frozenset({"on"}))),
        )
    )
    assert net.fire({"a": "off", "b": "on", "d": "shut"}, "swap") == [{"a": "on", "b": "off", "d": "shut"}]
    refuses(lambda: net.fire({"a": "off", "b": "off", "d": "shut"}, "swap"))
    refuses(lambda: net.fire({"a": "on", "b": "on", "d": "shut"}, "swap"))


def test_conditions_on_tables_of_different_sizes() -> None:
    """The same state name may stand at different numbers, and a number of one table may not exist in the other."""
    tall = table("x --up--> y", "y --up--> z", "z --up--> on", name="tall")
    net = Network(
        "n", {"t": tall, "l": LAMP, "d": DOOR},
        (
            Vector("open", {"d": "open"}, when=(When("every", ("t", "l"), frozenset({"on"})),)),
            *(Vector(f"{e}", {c: e}) for c, e in (("t", "up"), ("l", "press"), ("l", "burn"))),
        ),
    )  # fmt: skip
    assert states_where(net, lambda s: "open" in enabled(net, s)) == [{"t": "on", "l": "on", "d": "shut"}]
    assert set(explored_states(net)) == set(plain(net).distance)


def test_a_nondeterministic_event_has_all_its_targets() -> None:
    net = Network("n", {"a": COIN, "b": COIN}, (Vector("toss", {"a": "toss", "b": "toss"}),))
    outcomes = {tuple(state.values()) for state in net.fire(net.initial(), "toss")}
    assert outcomes == set(itertools.product(("heads", "tails"), repeat=2))


def test_a_nondeterministic_broadcast_has_all_its_targets_and_no_stay() -> None:
    """Who can move does not stay; catches a second target that is compiled with staying."""
    net = Network("n", {"a": COIN, "d": DOOR}, (Vector("slam", {"d": "open"}, {"a": "toss"}),))
    assert {tuple(state.values()) for state in net.fire(net.initial(), "slam")} == {
        ("heads", "ajar"),
        ("tails", "ajar"),
    }
    assert net.fire({"a": "heads", "d": "shut"}, "slam") == [{"a": "heads", "d": "ajar"}]
    assert set(explored_states(net)) == {("up", "shut"), ("heads", "ajar"), ("tails", "ajar")}
    assert len(explored(net).source) == 2


# --- the compiled arrays --------------------------------------------------------------------------------------------


def explored_states(net: Network) -> list[tuple[str, ...]]:
    found = explored(net)
    return [tuple(found.compiled.decode(state).values()) for state in found.states]


def states_where(net: Network, test: Callable[[dict[str, str]], bool]) -> list[dict[str, str]]:
    states = (dict(zip(net.components, state, strict=True)) for state in plain(net).distance)
    return [state for state in states if test(state)]


def test_encode_and_decode_are_inverse_over_all_combinations() -> None:
    """Three components of different sizes: catches a transposition."""
    net = Network("n", {"a": LAMP, "d": DOOR, "c": COIN}, ())
    compiled = networks.compile(net)
    seen = set()
    for numbers in itertools.product(range(3), range(2), range(3)):
        decoded = compiled.decode(np.array(numbers, dtype=compiled.initial.dtype))
        assert compiled.encode(decoded).tolist() == list(numbers)
        seen.add(joint("", tuple(decoded.values())))
    assert len(seen) == 18
    assert compiled.decode(np.array([2, 1, 0], dtype=compiled.initial.dtype)) == {"a": "dead", "d": "ajar", "c": "up"}
    assert compiled.decode(compiled.initial) == net.initial()


def test_encode_reads_names_not_the_order_in_which_they_come() -> None:
    compiled = networks.compile(Network("n", {"a": LAMP, "d": DOOR}, ()))
    assert compiled.encode({"d": "ajar", "a": "on"}).tolist() == [1, 1]
    assert compiled.encode({"d": "shut", "a": "dead"}).tolist() == [2, 0]


def test_a_nondeterministic_vector_becomes_one_move_for_each_combination() -> None:
    net = Network("n", {"a": COIN, "b": COIN}, (Vector("toss", {"a": "toss", "b": "toss"}), Vector("x", {"a": "lift"})))
    assert [move.vector.name for move in networks.compile(net).moves] == ["toss"] * 4 + ["x"]


def agree(net: Network) -> None:
    """The same states, and the same steps by the same vectors, each the same number of times."""
    found, expected = explored(net), plain(net)
    states = explored_states(net)
    assert len(states) == len(set(states))
    assert set(states) == set(expected.distance)
    steps: dict[tuple[tuple[str, ...], str, tuple[str, ...]], int] = {}
    for source, move, target in zip(found.source, found.move, found.target, strict=True):
        step = (states[source], found.compiled.moves[move].vector.name, states[target])
        steps[step] = steps.get(step, 0) + 1
    assert steps == dict(expected.steps)


@pytest.mark.parametrize("shape", [(1, 2, 0), (1, 1, 1), (2, 1, 0)], ids=["1x2x0", "1x1x1", "2x1x0"])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_arrays_and_plain_semantics_agree_on_small_clusters(
    profile: Profile, policy: str, shape: tuple[int, int, int]
) -> None:
    pods, containers, nodes = shape
    agree(network(profile, Size(policy, pods, containers, nodes)))


def random_network(seed: int) -> Network:
    """Three nondeterministic tables, coupled at random by moves, broadcasts and conditions."""
    rng = random.Random(seed)
    events = ("e", "f")
    parts = {name: random_table(rng, name, rng.randint(2, 4), events, rng.randint(2, 7)) for name in ("a", "b", "c")}
    vectors = []
    for number in range(rng.randint(2, 5)):
        names = rng.sample(sorted(parts), 3)
        cut = rng.randint(1, 2)
        moves = {name: rng.choice(parts[name].events) for name in names[:cut]}
        heard = {name: rng.choice(parts[name].events) for name in names[cut:] if rng.random() < 0.5}
        guards = []
        for _ in range(rng.randint(0, 2)):
            looked_at = tuple(rng.sample(sorted(parts), rng.randint(1, 3)))
            common = sorted(set.union(*(set(parts[name].states) for name in looked_at)))
            states = frozenset(rng.sample(common, rng.randint(1, len(common))))
            guards.append(When("every" if rng.random() < 0.5 else "some", looked_at, states))
        vectors.append(Vector(f"v{number}", moves, heard, tuple(guards)))
    return Network(f"random {seed}", parts, tuple(vectors))


@pytest.mark.parametrize("seed", range(100))
def test_arrays_and_plain_semantics_agree_on_random_networks(seed: int) -> None:
    """Catches what the clusters do not have: nondeterministic broadcasts, two conditions, three participants."""
    agree(random_network(seed))


def test_random_networks_are_worth_exploring() -> None:
    """The test above would prove little if most of them were stuck at once."""
    sizes = [len(plain(random_network(seed)).distance) for seed in range(100)]
    assert sum(size >= 5 for size in sizes) >= 30
    steps = [plain(random_network(seed)).steps for seed in range(100)]
    assert any(count > 1 for found in steps for count in found.values()) or any(
        len({target for source, vector, target in found if (source, vector) == key}) > 1
        for found in steps
        for key in {(source, vector) for source, vector, _ in found}
    )
