"""Counting a network of like parts: against plain exploration, and against exchanging names by hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from model.cluster import Size, alike, exchanges_of_containers, exchanges_of_nodes, network, pods_apart
from model.container import POLICIES
from model.lts import fast
from model.lts.network import Network, Vector, When, compile
from model.lts.parts import Counted, NotComposed, Renaming, compose, count, is_symmetric
from model.profiles import CODE, PROFILES, SEED, Profile

from .support import explored, table

STAY = [Renaming({})]
BOTH = list(PROFILES.values())


def counted(profile: Profile, size: Size) -> Counted:
    apart = pods_apart(network(profile, size), size)
    return count(apart, explored(apart.one), exchanges_of_containers(size), exchanges_of_nodes(size))


# --- the cluster ----------------------------------------------------------------------------------------------------

SHAPES = [(1, 1, 0), (1, 3, 0), (2, 2, 0), (3, 1, 0), (1, 2, 1), (2, 1, 1), (2, 2, 1), (3, 1, 1), (1, 1, 3), (1, 2, 2)]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_the_count_is_that_of_visiting_every_state(profile: Profile, policy: str, shape: tuple[int, int, int]) -> None:
    size = Size(policy, *shape)
    whole, found = explored(network(profile, size)), counted(profile, size)
    assert (found.stands_for, found.transitions) == (len(whole.states), len(whole.source))


def renamed(named: dict[str, str], size: Size) -> Iterator[tuple[tuple[str, ...], ...]]:
    """The state under every exchange of nodes, of pods, and of the containers of each pod: nodes, then pod by pod."""
    orders = list(itertools.permutations(range(size.containers)))
    for nodes in itertools.permutations(size.node_names):
        places = dict(zip(size.node_names, nodes, strict=True))
        around = tuple(named[n] for n in nodes)
        for pods in itertools.permutations(size.pod_names):
            for inside in itertools.product(orders, repeat=size.pods):
                parts = []
                for p, order in zip(pods, inside, strict=True):
                    record, _, home = named[p].partition("@")
                    back = {new: old for old, new in places.items()}
                    members = size.containers_of(p)
                    parts.append((record, back.get(home, home), *(named[members[i]] for i in order)))
                yield (around, *parts)


@pytest.mark.parametrize("shape", [(2, 2, 0), (3, 1, 0), (2, 1, 2), (1, 2, 2), (1, 1, 3)], ids=str)
@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_like_states_are_counted_once(profile: Profile, shape: tuple[int, int, int]) -> None:
    """Every reachable state is put in the least of its forms under all exchanges; the forms are counted."""
    size = Size("Never", *shape)
    found = explored(network(profile, size))
    forms = {min(renamed(found.compiled.decode(state), size)) for state in found.states}
    assert counted(profile, size).states == len(forms)


@pytest.mark.parametrize("shape", [(3, 2, 0), (2, 2, 1), (3, 1, 2), (2, 1, 3)], ids=str)
def test_visiting_one_of_all_that_are_alike_finds_as_many(shape: tuple[int, int, int]) -> None:
    """A second opinion where names cannot be exchanged by hand: `model.lts.fast` puts every state that it visits
    in a canonical form."""
    size = Size("Never", *shape)
    visited, found = fast.count(compile(network(SEED, size)), alike=alike(size)), counted(SEED, size)
    assert (visited.classes, visited.states, visited.transitions) == (found.states, found.stands_for, found.transitions)


def test_a_whole_cluster() -> None:
    """Three nodes, four pods of two containers: more states than can be visited, from what one pod can reach.

    Here one history of the nodes leads everywhere that any other with the same end leads, so that the number is the sum
    over the states of the nodes of the fourth power of what one pod can be in.
    """
    size = Size("Never", pods=4, containers=2, nodes=3)
    apart = pods_apart(network(SEED, size), size)
    found = explored(apart.one)
    nodes = [found.compiled.index[n] for n in size.node_names]
    _, each = np.unique(found.states[:, nodes], axis=0, return_counts=True)
    expected = sum(int(number) ** 4 for number in each)
    done = count(apart, found, exchanges_of_containers(size), exchanges_of_nodes(size))
    assert done.stands_for == expected == 1_689_553_569_507
    assert expected / (6 * 24 * 2**4) < done.states < expected / 1000


def test_exchanges_make_no_difference() -> None:
    size = Size("OnFailure", pods=1, containers=3, nodes=3)
    for profile in BOTH:
        net = network(profile, size)
        assert len({tuple(sorted(one.component.items())) for one in exchanges_of_nodes(size)}) == 6
        assert all(is_symmetric(net, one) for one in exchanges_of_nodes(size) + exchanges_of_containers(size))


def test_an_exchange_of_nodes_that_forgets_the_records_makes_a_difference() -> None:
    size = Size("Never", pods=1, containers=1, nodes=2)
    apart = pods_apart(network(SEED, size), size)
    half = Renaming({"n1": "n2", "n2": "n1"})
    assert not is_symmetric(apart.one, half)
    with pytest.raises(NotComposed, match="makes a difference"):
        count(apart, explored(apart.one), STAY, [Renaming({}), half])


# --- small networks, counted by hand --------------------------------------------------------------------------------

FORK = table("before --go_left--> after", "before --go_right--> after", name="fork")
HEARER = table("still --left--> L", "still --right--> R", name="hearer")
FORGETFUL = table("still --left--> L", "still --right--> R", "L --back--> still", name="forgetful")


def forked(*, copies: int, back: bool = False) -> Network:
    """The surroundings go left or right, and every part hears which."""
    names = [f"h{i}" for i in range(copies)]
    vectors = [
        Vector("go_left", {"fork": "go_left"}, dict.fromkeys(names, "left")),
        Vector("go_right", {"fork": "go_right"}, dict.fromkeys(names, "right")),
    ]
    vectors += [Vector(f"back({name})", {name: "back"}) for name in names if back]
    return Network("forked", {"fork": FORK, **dict.fromkeys(names, FORGETFUL if back else HEARER)}, tuple(vectors))


def counted_parts(net: Network, copies: int) -> Counted:
    apart = compose(net, ["fork"], [[f"h{i}"] for i in range(copies)])
    return count(apart, explored(apart.one), STAY, STAY)


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_parts_remember_the_same_history(copies: int) -> None:
    """Before, or all L, or all R: three states for any number of parts. Never one L beside one R, though either can be
    reached: catches counting the combinations of all that a part can be in."""
    net = forked(copies=copies)
    assert counted_parts(net, copies) == Counted(3, 3, 2)
    assert len(explored(net).states) == 3


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_histories_that_overlap_are_counted_once(copies: int) -> None:
    """Gone left, each part is L or still again; gone right, all are R. Like states: by how many are L."""
    net = forked(copies=copies, back=True)
    found, whole = counted_parts(net, copies), explored(net)
    assert (found.stands_for, found.transitions) == (len(whole.states), len(whole.source)) == (
        1 + 2**copies + 1, 2 + copies * 2 ** (copies - 1),
    )  # fmt: skip
    assert found.states == 1 + (copies + 1) + 1


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_an_exchange_of_histories(copies: int) -> None:
    """Left for right: all L and all R are then one, although no history has both: catches counting a cycle of states
    that only together are what the exchange leaves in place."""
    sides = {"go_left": "go_right", "left": "right", "L": "R"}
    sides |= {after: before for before, after in sides.items()}
    mirror = Renaming({}, lambda _, word: sides.get(word, word))
    apart = compose(forked(copies=copies), ["fork"], [[f"h{i}"] for i in range(copies)])
    assert count(apart, explored(apart.one), STAY, [Renaming({}), mirror]) == Counted(2, 3, 2)


def test_overlapping_histories() -> None:
    """Going left keeps {a, b} open, going right {b, c}: together 4 + 4 − 1 states of two parts, the b b of both."""
    hearer = table("s --left--> b", "s --right--> c", "b --slide--> a", "c --slip--> b", name="hearer")
    names = ["h0", "h1"]
    left, right = When("every", ("side",), frozenset({"L"})), When("every", ("side",), frozenset({"R"}))
    side = table("before --go_left--> L", "before --go_right--> R", "L --meet--> M", "R --meet--> M", name="side")
    vectors = [
        Vector("go_left", {"side": "go_left"}, dict.fromkeys(names, "left")),
        Vector("go_right", {"side": "go_right"}, dict.fromkeys(names, "right")),
        Vector("meet", {"side": "meet"}),
        *(Vector(f"slide({h})", {h: "slide"}, when=(left,)) for h in names),
        *(Vector(f"slip({h})", {h: "slip"}, when=(right,)) for h in names),
    ]
    net = Network("two sides", {"side": side, "h0": hearer, "h1": hearer}, tuple(vectors))
    apart = compose(net, ["side"], [["h0"], ["h1"]])
    found, whole = count(apart, explored(apart.one), STAY, STAY), explored(net)
    assert found.stands_for == len(whole.states) == 1 + 4 + 4 + 7
    assert found.transitions == len(whole.source)
    assert found.states == 1 + 3 + 3 + 5


# --- what is not like that ------------------------------------------------------------------------------------------

TOGGLE = table("off --switch--> on", "on --switch--> off", name="toggle")
ROUND = table("a --go--> b", "b --go--> a", name="round")
CHOICE = table("a --go--> b", "a --go--> c", name="choice")


@pytest.mark.parametrize(
    ("vector", "complaint"),
    [
        (Vector("both", {"p": "switch", "q": "switch"}), "both couples"),
        (Vector("asks", {"p": "switch"}, when=(When("every", ("q",), frozenset({"on"})),)), "asks couples"),
        (Vector("mixed", {"p": "switch"}, when=(When("some", ("p", "env"), frozenset({"on", "a"})),)), "mixed couples"),
        (Vector("told", {"p": "switch"}, {"q": "switch"}), "told couples"),
        (Vector("pulls", {"p": "switch", "env": "go"}), "pulls couples"),
        (Vector("moves", {"p": "switch"}, {"env": "go"}), "moves couples"),
        (Vector("feels", {"env": "go"}, when=(When("some", ("p",), frozenset({"on"})),)), "feels couples"),
        (Vector("only", {"p": "switch"}), "q is not like p"),
        (Vector("hears", {"env": "go"}, {"p": "switch"}), "q is not like p"),
    ],
    ids=lambda value: value.name if isinstance(value, Vector) else "",
)
def test_coupled_parts_are_told(vector: Vector, complaint: str) -> None:
    net = Network("coupled", {"env": ROUND, "p": TOGGLE, "q": TOGGLE}, (vector,))
    with pytest.raises(NotComposed, match=complaint):
        compose(net, ["env"], [["p"], ["q"]])


def test_a_part_that_can_do_the_same_in_two_ways_is_not_like_one_that_has_one() -> None:
    """Both reach the same states, but not by as many transitions."""
    vectors = (Vector("a(p)", {"p": "switch"}), Vector("b(p)", {"p": "switch"}), Vector("a(q)", {"q": "switch"}))
    with pytest.raises(NotComposed, match="q is not like p"):
        compose(Network("twofold", {"p": TOGGLE, "q": TOGGLE}, vectors), [], [["p"], ["q"]])


def test_parts_of_different_tables_are_not_like() -> None:
    net = Network("different", {"p": TOGGLE, "q": ROUND}, ())
    with pytest.raises(NotComposed, match="q is not like p"):
        compose(net, [], [["p"], ["q"]])


def test_parts_that_may_choose_what_they_hear_are_told() -> None:
    """Each may choose otherwise: one image for all of them would be wrong."""
    hears = Vector("go", {"env": "go"}, {"p": "go", "q": "go"})
    net = Network("choosing", {"env": ROUND, "p": CHOICE, "q": CHOICE}, (hears,))
    with pytest.raises(NotComposed, match="have a choice"):
        compose(net, ["env"], [["p"], ["q"]])


@pytest.mark.parametrize("profile", [SEED, CODE], ids=lambda profile: profile.name)
def test_the_pods_of_a_cluster_are_apart(profile: Profile) -> None:
    """What is left of three pods is the network of one."""
    size = Size("Always", pods=3, containers=2, nodes=2)
    alone = network(profile, Size("Always", pods=1, containers=2, nodes=2))
    apart = pods_apart(network(profile, size), size)
    assert (apart.copies, apart.one.components) == (3, alone.components)
    assert {(v.name, *map(str, (v.moves, v.broadcast, v.when))) for v in apart.one.vectors} == {
        (v.name, *map(str, (v.moves, v.broadcast, v.when))) for v in alone.vectors
    }
