"""The module is TLA+ and says what the network does: a reader of its own takes every step, asks every property."""

from __future__ import annotations

import random

import numpy as np
import pytest

from model.cluster import Size, network
from model.container import POLICIES
from model.lts import network as networks
from model.lts.export.tla import configuration, tla
from model.lts.network import Network, alone
from model.lts.properties import Always, AlwaysStep, Eventually, Labels, Property, Sometimes, View, check
from model.profiles import PROFILES, Profile
from model.properties import properties
from model.situations import situations

from . import test_situations, test_verify
from .support import Plain, explored, plain, table
from .test_export_promela import anything
from .tla import Module, Values


def read(net: Network, props: list[Property]) -> tuple[Module, str]:
    text = tla(networks.compile(net), props, "anything")
    return Module(text), configuration(text)


def agrees(net: Network, props: list[Property]) -> list[str]:
    """That the module has the network's states, steps and verdicts. Returns the names of the properties violated."""
    module, config = read(net, props)

    def key(state: Values) -> tuple[str, ...]:
        return tuple(state[name] for name in module.variables if name != "step")

    start = module.initial()
    steps, seen, queue = set[tuple[tuple[str, ...], str, tuple[str, ...]]](), {key(start)}, [start]
    pairs: list[tuple[Values, Values]] = []
    for state in queue:
        for after in module.steps(state):
            steps.add((key(state), after["step"], key(after)))
            pairs.append((state, after))
            if key(after) not in seen:
                seen.add(key(after))
                queue.append(after)
    expected: Plain = plain(net)
    assert seen == expected.distance.keys()
    assert steps == set(expected.steps)
    told = [line.split() for line in config.splitlines() if line.startswith(("INVARIANT", "PROPERTY"))]
    assert len(told) == len(props)
    found, wrong = explored(net), []
    names = [move.vector.name for move in found.compiled.moves]

    def view(states: list[Values]) -> View:
        named = [dict(zip(net.components, key(state), strict=True)) for state in states]
        return View(found, np.array([found.compiled.encode(state) for state in named]))

    before, after_all = ([pair[place] for pair in pairs] for place in (0, 1))
    labels = Labels(found, np.array([names.index(after["step"]) for after in after_all]))
    for (role, name), prop in zip(told, props, strict=True):
        assert name in module.definitions
        if isinstance(prop, Eventually):
            assert (role, name.partition("_")[0]) == ("PROPERTY", "Eventually")
            continue
        if isinstance(prop, Always | Sometimes):
            assert role == "INVARIANT"
            said, meant = [module.holds(name, state, {}) for state in queue], prop.holds(view(queue))
        else:
            assert role == "PROPERTY"
            said = [module.holds(name, state, after) for state, after in pairs]
            meant = prop.holds(view(before), labels, view(after_all))
        assert (np.array(said) == (meant if prop.kind == "always" else ~meant)).all(), prop.name
        assert all(said) is (check(prop, found).holds is (prop.kind == "always")), prop.name
        wrong += [prop.name] if not all(said) and prop.kind == "always" else []
    return wrong


@pytest.mark.parametrize("shape", [(1, 1, 0), (1, 2, 0), (1, 1, 1)], ids=str)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_the_module_does_what_the_cluster_does(profile: Profile, policy: str, shape: tuple[int, int, int]) -> None:
    size = Size(policy, *shape)
    assert agrees(network(profile, size), properties(profile, size)) == []


@pytest.mark.parametrize("seed", range(10))
def test_the_module_does_what_any_network_does(seed: int) -> None:
    net, props = anything(random.Random(seed))
    agrees(net, props)


def test_the_module_is_wrong_where_the_network_is() -> None:
    """A table, and a situation, that are wrong on purpose: an *always* of states and one of steps."""
    case = next(case for case in test_verify.WRONG if case.noticed_by == test_verify.UNBOUND)
    changed = case.edit(case.profile)
    size = Size(case.size.policy, 1, 1, 0)
    assert agrees(network(changed, size), properties(changed, size)) == [test_verify.UNBOUND]
    wrong = next(
        c for c in test_situations.WRONG if (c.situation, c.noticed_by) == ("sharing", test_situations.NETWORK)
    )
    right = test_situations.named(wrong.profile, "sharing")
    assert test_situations.NETWORK in agrees(wrong.edit(right.network), list(right.properties))


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_every_table_and_situation_is_tla(profile: Profile) -> None:
    for one in profile.tables():
        assert agrees(alone(one), []) == []
    for situation in situations(profile):
        module, config = read(situation.network, list(situation.properties))
        assert len(module.definitions) > len(situation.properties) + len(situation.network.vectors)
        assert config.startswith("SPECIFICATION Spec\nCHECK_DEADLOCK FALSE\n")


def test_fairness_is_that_of_the_property() -> None:
    net = network(PROFILES["seed"], Size("Always", 1, 1, 2))
    text = tla(networks.compile(net), properties(PROFILES["seed"], Size("Always", 1, 1, 2)), "two")
    assert '== (WF_vars(bind_p1_n1 \\/ bind_p1_n2)) => [](p1 = "Unbound" => <>' in text
    assert text.startswith("------------------------------ MODULE two ------------------------------\n")


def test_a_text_that_is_no_tla_is_noticed() -> None:
    net = alone(table("a --go--> b"))
    text = tla(networks.compile(net), [], "m")
    assert Module(text).name == "m"
    with pytest.raises(ValueError, match="not TLA"):
        Module(text.replace("VARIABLES", "VARIABLE OF"))


def test_names_that_are_words_of_tla_are_kept_apart() -> None:
    odd = table("a --Next--> b", "b --vars--> c", "c --1--> a", name="step")
    prop = Always("not c", ("r",), lambda view: ~view.is_in("step", "c"))
    never = AlwaysStep("no", ("r",), lambda before, events, after: ~events.is_event("1"))
    assert agrees(alone(odd), [prop, never]) == ["not c", "no"]
