"""A property that is told as a formula says the same as its test: of every state and step, reachable or not."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from model.cluster import Size, network
from model.container import POLICIES
from model.lts import network as networks
from model.lts.explore import Exploration
from model.lts.formula import FALSE, TRUE, All, Any, Is, Not, Taken, conjunction, disjunction, evaluate, negation, told
from model.lts.network import Bools, Ints, Network, States
from model.lts.properties import Always, AlwaysStep, Eventually, Labels, Property, SometimesStep, View, all_of
from model.profiles import PROFILES, Profile
from model.properties import properties
from model.situations import situations

from .support import alone, explored, table
from .test_export_promela import anything

MANY = 400
"""States and steps that are drawn, whatever can be reached."""


def says_the_same(net: Network, props: Sequence[Property], rng: random.Random) -> int:
    """That test and formula agree on states and steps drawn by chance. Returns how many decided otherwise than all
    others: so the comparison is not one of constants."""
    compiled = networks.compile(net)
    found = explored(net)
    before, after = (
        np.array([[rng.randrange(size) for size in compiled.sizes] for _ in range(MANY)], dtype=np.uint16) for _ in "12"
    )
    reached = found.states[[rng.randrange(len(found.states)) for _ in range(MANY)]]
    before, after = np.concatenate([before, reached]), np.concatenate([after, reached])
    moves = np.array([rng.randrange(len(compiled.moves)) for _ in before])
    undecided = 0
    for prop in props:
        one = told(prop, compiled)
        if isinstance(prop, AlwaysStep | SometimesStep):
            expected = prop.holds(View(found, before), Labels(found, moves), View(found, after))
        else:
            expected = prop.holds(View(found, before))
        assert (truth(one.holds, found, before, moves, after) == expected).all(), prop.name
        undecided += bool(expected.any() and not expected.all())
        if isinstance(prop, Eventually):
            asked = prop.after(View(found, before))
            assert (truth(one.after, found, before, moves, after) == asked).all(), prop.name
            names = {vector.name for vector in net.vectors}
            assert one.fair == tuple(frozenset(name for name in names if group(name)) for group in prop.fair)
    return undecided


def truth(formula: object, found: Exploration, before: States, moves: Ints, after: States) -> Bools:
    def column(component: str, later: bool) -> Ints:
        return (after if later else before)[:, found.compiled.index[component]].astype(np.int64)

    def taken(vectors: frozenset[str]) -> Bools:
        return np.array([move.vector.name in vectors for move in found.compiled.moves], dtype=np.bool_)[moves]

    holds = evaluate(formula, column, taken)  # type: ignore[arg-type]  # any formula
    return np.broadcast_to(holds, (len(before),))


@pytest.mark.parametrize("shape", [(1, 3, 0), (2, 2, 0), (1, 2, 2), (3, 1, 1)], ids=str)
@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_properties_of_a_cluster_as_formulas(profile: Profile, shape: tuple[int, int, int]) -> None:
    for policy in POLICIES:
        size = Size(policy, *shape)
        assert says_the_same(network(profile, size), properties(profile, size), random.Random(1)) > 10


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_properties_of_situations_as_formulas(profile: Profile) -> None:
    for one in situations(profile):
        assert says_the_same(one.network, one.properties, random.Random(2)) > len(one.properties) // 2


def test_properties_of_any_network_as_formulas() -> None:
    for seed in range(20):
        assert says_the_same(*anything(random.Random(seed)), random.Random(seed)) > 2


def test_what_goes_without_saying_is_left_out() -> None:
    here, there = Is("m", frozenset({0})), Is("m", frozenset({1}))
    assert conjunction([here, TRUE, here]) == here
    assert conjunction([here, FALSE]) == FALSE
    assert disjunction([FALSE, here, Any((there, here))]) == Any((here, there))
    assert disjunction([here, TRUE]) == TRUE
    assert (negation(TRUE), negation(FALSE), negation(Not(here))) == (FALSE, TRUE, here)


def test_a_test_keeps_its_form() -> None:
    """What was written with look-ups reads as it was written."""
    machine = table("a --go--> b", "b --go--> c", name="m")
    compiled = networks.compile(alone(machine))
    step = AlwaysStep("p", ("r",), lambda before, events, after: ~events.is_event("go") | before.is_in("m", "a", "b"))
    assert told(step, compiled).holds == Any((Not(Taken(frozenset({"go"}))), Is("m", frozenset({0, 1}))))
    moved = AlwaysStep("p", ("r",), lambda before, _, after: before.column("m") < after.column("m"))
    assert told(moved, compiled).holds == Any(
        (
            All((Is("m", frozenset({1}), after=True), Is("m", frozenset({0})))),
            All((Is("m", frozenset({2}), after=True), Is("m", frozenset({0, 1})))),
        )
    )


def test_a_test_of_too_many_cases_is_refused() -> None:
    size = Size("Never", 1, 10, 0)
    compiled = networks.compile(network(PROFILES["seed"], size))
    with pytest.raises(ValueError, match="too many cases to be told as a formula; export a smaller one"):
        [told(prop, compiled) for prop in properties(PROFILES["seed"], size)]


def test_steps_cannot_be_counted() -> None:
    compiled = networks.compile(alone(table("a --go--> b", name="m")))
    counts = AlwaysStep("p", ("r",), lambda before, events, after: np.asarray(events.is_event("go")))
    with pytest.raises(TypeError, match="whether a step is one of go cannot be counted"):
        told(counts, compiled)
    assert told(Always("p", ("r",), lambda view: all_of([view.is_in("m", "a", "b")])), compiled).holds == TRUE
