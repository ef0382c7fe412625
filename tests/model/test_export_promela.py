"""SPIN, an independent checker, finds the same states, the same transitions and the same verdicts.

Every policy, 1 to 3 pods of 1 to 3 containers, with and without a node, as far as a network has at most MOST states
(for the LARGE ones, KUBEPHASE_SPIN_STATES says how many); every situation; and every network and situation that is
wrong on purpose, of the tests beside this one. What SPIN cannot be asked is *eventually* (see
`model.lts.export.promela`).
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from model import cluster
from model.cluster import Size, network
from model.container import POLICIES
from model.lts import network as networks
from model.lts.explore import explore
from model.lts.export.promela import asserted, promela
from model.lts.network import Bools, Network, Vector, When, alone
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
    how_many,
)
from model.profiles import PROFILES, Profile
from model.properties import properties
from model.situations import situations

from . import test_situations, test_verify
from .support import random_table, table

MISSING = [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]
if MISSING and os.environ.get("KUBEPHASE_LIVE") == "required":
    raise pytest.UsageError(f"SPIN is required here, but not installed: {', '.join(MISSING)}")
needs_spin = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (apt-get install spin gcc)")

FEW = 1_100_000

MOST = int(os.environ.get("KUBEPHASE_SPIN_STATES", FEW))
"""States of the largest network that SPIN is asked about here."""

LARGE = {
    (2, 3, 1): (2_392_518, 8_415_156),
    (3, 2, 0): (778_688, 3_796_416),
    (3, 2, 1): (7_093_950, 34_388_936),
    (3, 3, 0): (131_096_512, 1_092_727_000),
    (3, 3, 1): (1_192_947_022, 7_921_941_576),
}
"""Of the shapes (pods, containers, nodes) that have more than a FEW states under some policy and profile, the fewest
and the most states. They are reckoned: once the state of the node is known, its pods are independent. So are those of
the other shapes."""


def reckoned(profile: Profile, size: Size) -> int:
    """How many states a network has of one node or none."""
    alone = explore(networks.compile(network(profile, replace(size, pods=1))))
    by_node = Counter(alone.states[:, 0].tolist()) if size.nodes else Counter({0: len(alone.states)})
    return sum(count**size.pods for count in by_node.values())


@dataclass(frozen=True)
class Spun:
    """What SPIN reports."""

    states: int
    transitions: int
    violated: frozenset[str]


def spin(model: str, states: int, *, checked: bool) -> Spun:
    """Verify a model, with its properties or without. ``states``: about how many there are, for the size of SPIN's
    tables, and because only a large model is worth optimising."""
    with tempfile.TemporaryDirectory() as folder:

        def run(*command: str) -> str:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
            assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
            assert "Error" not in done.stdout, done.stdout
            return done.stdout

        Path(folder, "model.pml").write_text(model, encoding="utf-8")
        run("spin", *(["-DCHECK"] if checked else []), "-a", "model.pml")
        run("gcc", "-O1" if states > 50_000 else "-O0", "-w", "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c")
        said = run("./pan", "-E", "-c0", f"-m{2 * states + 1000}", f"-w{states.bit_length() + 2}")
    assert "too small" not in said, said
    violated = re.findall(r"^pan:\d+: assertion violated +!?\(?(\w+)\)?", said, re.MULTILINE)
    errors = re.search(r"errors: (\d+)", said)
    assert errors is not None and int(errors[1]) == len(violated), said
    return Spun(
        _number("states, stored", said), _number(r"transitions \(= stored\+matched\)", said), frozenset(violated)
    )


def _number(what: str, said: str) -> int:
    found = re.search(rf"(\d+) {what}", said)
    assert found is not None, said
    return int(found[1])


@dataclass(frozen=True)
class Asked:
    """A network, what is found here, and what SPIN is about to find: with the properties, and without."""

    name: str
    states: int
    transitions: int
    violated: frozenset[str]
    by_name: dict[str, Property]
    checked: Future[Spun]
    bare: Future[Spun] | None

    def agrees(self) -> None:
        """That SPIN finds what was found here. It counts the arrival at the initial state as a transition; and to look
        at a state is one, for each state, if there is something to look for."""
        spun = self.checked.result()
        looks = self.states if any(isinstance(p, Always | Sometimes) for p in self.by_name.values()) else 0
        assert (self.name, spun.states) == (self.name, self.states)
        assert (self.name, spun.transitions) == (self.name, self.transitions + 1 + looks)
        assert (self.name, self.titles(spun.violated)) == (self.name, self.titles(self.violated))
        if self.bare:
            assert (self.name, self.bare.result()) == (self.name, Spun(self.states, self.transitions + 1, frozenset()))

    def titles(self, names: frozenset[str]) -> set[str]:
        """What the properties say that are asserted under these names."""
        return {f"{name}: {self.by_name[name].name}" for name in names}


def ask(
    pool: ThreadPoolExecutor, net: Network, props: Sequence[Property], name: str = "", *, bare: bool = False
) -> Asked:
    """Look here, and ask SPIN, which answers in its own time."""
    compiled = networks.compile(net)
    found, by_name = explore(compiled, MOST), asserted(props)
    model, states = promela(compiled, props), len(found.states)
    checked = pool.submit(spin, model, states, checked=True)
    unchecked = pool.submit(spin, model, states, checked=False) if bare else None
    # To SPIN a *sometimes* that is found is an assertion violated.
    violated = {key for key, prop in by_name.items() if check(prop, found).holds is (prop.kind == "sometimes")}
    return Asked(f"{net.name}: {name}", states, len(found.source), frozenset(violated), by_name, checked, unchecked)


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    """SPIN runs beside us, and beside itself."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as running:
        yield running


# --- networks and situations ----------------------------------------------------------------------------------------


SHAPES = [(pods, containers, nodes) for nodes in (0, 1) for pods in (1, 2, 3) for containers in (1, 2, 3)]


@needs_spin
@pytest.mark.parametrize("shape", [s for s in SHAPES if s not in LARGE or LARGE[s][0] <= MOST], ids=str)
def test_spin_finds_the_same_in_every_cluster(shape: tuple[int, int, int], pool: ThreadPoolExecutor) -> None:
    asked = [
        ask(pool, network(profile, size), properties(profile, size), bare=shape[0] == 1)
        for profile in PROFILES.values()
        for size in (Size(policy, *shape) for policy in POLICIES)
        if reckoned(profile, size) <= MOST
    ]
    assert asked if shape in LARGE else len(asked) == 6
    for one in asked:
        one.agrees()
        assert not [name for name in one.violated if name.startswith("always")]
        assert len(one.violated) == sum(prop.kind == "sometimes" for prop in one.by_name.values())


def test_the_large_shapes_are_large() -> None:
    """And what is not has the size that was reckoned, so the sizes of the others are right, too."""
    for shape in SHAPES:
        sizes = {
            (profile.name, policy): reckoned(profile, Size(policy, *shape))
            for profile in PROFILES.values()
            for policy in POLICIES
        }
        assert (max(sizes.values()) > FEW) == (shape in LARGE)
        assert shape not in LARGE or LARGE[shape] == (min(sizes.values()), max(sizes.values()))
    for profile in PROFILES.values():
        for shape in ((2, 2, 1), (3, 1, 1), (3, 1, 0)):
            size = Size("Never", *shape)
            assert reckoned(profile, size) == len(explore(networks.compile(network(profile, size))).states)


@needs_spin
@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_spin_finds_the_same_in_every_situation_and_table(profile: Profile, pool: ThreadPoolExecutor) -> None:
    asked = [ask(pool, one.network, one.properties, bare=True) for one in situations(profile)]
    asked += [ask(pool, alone(one), ()) for one in profile.tables()]
    for one in asked:
        one.agrees()


# --- what is wrong on purpose ---------------------------------------------------------------------------------------


@needs_spin
@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_spin_notices_every_wrong_table(
    profile: Profile, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    for case in (case for case in test_verify.WRONG if case.profile is profile):
        if case.noticed_by in eventually(properties(profile, case.size)):
            continue
        with monkeypatch.context() as changing:
            for name, value in case.coupling.items():
                changing.setattr(cluster, name, value)
            changed = case.edit(case.profile)
            stated = properties(changed, case.size)
            asked.append(ask(pool, network(changed, case.size), stated, str(case)))
    assert noticed(asked) == len(asked) > 15


@needs_spin
@pytest.mark.parametrize("situation", ["node list", "scheduling", "sharing", "replication", "loss of a node"])
@pytest.mark.parametrize("profile", PROFILES)
def test_spin_notices_every_wrong_situation(profile: str, situation: str, pool: ThreadPoolExecutor) -> None:
    right = test_situations.named(profile, situation)
    cases = [c for c in test_situations.WRONG if (c.profile, c.situation) == (profile, situation)]
    cases = [case for case in cases if case.noticed_by not in eventually(right.properties)]
    asked = [ask(pool, case.edit(right.network), right.properties, str(case)) for case in cases]
    assert noticed(asked) == len(cases) > 0


def eventually(props: Sequence[Property]) -> set[str]:
    """What SPIN is not asked, without the pod or container that it is stated for."""
    return {test_verify.kind(prop.name) for prop in props if isinstance(prop, Eventually)}


def noticed(asked: Sequence[Asked]) -> int:
    """How many were found wrong, by SPIN and here, for the same reasons."""
    count = 0
    for one in asked:
        one.agrees()
        missing = [name for name, prop in one.by_name.items() if prop.kind == "sometimes" and name not in one.violated]
        count += bool(missing or [name for name in one.violated if name.startswith("always")])
    return count


# --- networks that nobody thought of --------------------------------------------------------------------------------


def anything(rng: random.Random) -> tuple[Network, list[Property]]:
    """A network of three nondeterministic tables that move together, hear each other and wait for each other."""
    events = ("a", "b", "c")
    tables = {name: random_table(rng, name, 4, events, 9) for name in ("x", "y", "z")}
    vectors = []
    for number in range(8):
        some = rng.sample(sorted(tables), 2)
        mine = [event for event in events if event in tables[some[0]].events]
        theirs = [event for event in events if event in tables[some[1]].events]
        others = tuple(rng.sample(sorted(tables), rng.randint(1, 3)))
        known = sorted({state for other in others for state in tables[other].states})
        when = When(rng.choice(("every", "some")), others, frozenset(rng.sample(known, rng.randint(1, 2))))
        joins = {some[1]: rng.choice(theirs)}
        first = {some[0]: rng.choice(mine)}
        both = rng.random() < 0.5
        vectors.append(Vector(f"v{number}(x)", {**first, **(joins if both else {})}, {} if both else joins, (when,)))

    def rare(state: str, other: str) -> Callable[[View], Bools]:
        return lambda view: ~(view.is_in("x", state) & view.is_in("y", other))

    def step(view: View, events: Labels, after: View) -> Bools:
        same: Bools = view.test(view.column("x") == after.column("x"))
        return ~events.is_event("v1", "v2") | same | after.is_in("z", "s1", "s2")

    props: list[Property] = [
        Always(f"{a} {b}", ("r",), rare(a, b)) for a in tables["x"].states for b in tables["y"].states
    ]
    props += [
        Sometimes("meet", ("r",), lambda view: how_many(view.is_in(name, "s0", "s1") for name in tables) == 2),
        AlwaysStep("step", ("r",), step),
        SometimesStep("no step", ("r",), lambda *views: ~step(*views)),
    ]
    return Network(f"anything {rng.random()}", tables, tuple(vectors)), props


@needs_spin
def test_spin_finds_the_same_in_any_network(pool: ThreadPoolExecutor) -> None:
    asked = [ask(pool, *anything(random.Random(seed)), str(seed)) for seed in range(15)]
    for one in asked:
        one.agrees()
    assert sum(bool(one.violated) for one in asked) > 10
    assert sum(len(one.violated) < len(one.by_name) for one in asked) > 10


@needs_spin
def test_a_component_that_nobody_looks_at_counts(pool: ThreadPoolExecutor) -> None:
    """SPIN would leave a variable that is only written out of its states."""
    ends, stays = table("a --go--> b", "b --go--> b", name="x"), table("a --go--> a", name="x")
    hears = table("c --hear--> d", "d --hear--> d", name="y")
    for machine, vector in ((ends, Vector("go", {"x": "go"})), (stays, Vector("go", {"x": "go"}, {"y": "hear"}))):
        one = ask(pool, Network("ends", {"x": machine, "y": hears}, (vector,)), ())
        assert (one.states, one.transitions) == (2, 2)
        one.agrees()


# --- the text ---------------------------------------------------------------------------------------------------------


def test_too_many_names_of_states_are_refused() -> None:
    long = table(*(f"s{n} --go--> s{n + 1}" for n in range(255)))
    with pytest.raises(ValueError, match="256 names of states are too many for Promela, which has room for 255"):
        promela(networks.compile(alone(long)), ())
    fits = table(*(f"s{n} --go--> s{n + 1}" for n in range(254)))
    assert "s254" in promela(networks.compile(alone(fits)), ())


@needs_spin
def test_names_that_are_words_of_promela_or_alike_are_kept_apart(pool: ThreadPoolExecutor) -> None:
    odd = table("if --do--> a/b", "a/b --do--> a@b", "a@b --od--> 1", "1 --od--> always_1", name="init")
    prop = Always("never in a@b", ("r",), lambda view: ~view.is_in("init", "a@b"))
    one = ask(pool, alone(odd), [prop])
    one.agrees()
    assert one.violated == {"always_1"}


def test_the_text_is_the_same_each_time_and_names_rules_and_properties() -> None:
    size = Size("OnFailure", 1, 2, 1)
    seed = PROFILES["seed"]
    texts = [promela(networks.compile(network(seed, size)), properties(seed, size)) for _ in range(2)]
    assert texts[0] == texts[1]
    assert "/* restart(p1c1): pod.restart.failure.onfailure, pod.restart.one-of-two.onfailure" in texts[0]
    assert ":: d_step { n1 == Pending ->" in texts[0]
    for prop in properties(seed, size):
        assert prop.name in texts[0]
