"""Verification of a profile: explore its network, check every property, prove the refinement."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from model import properties
from model.cluster import Size, exchanges_of_containers, exchanges_of_nodes, network, pods_apart
from model.lts import fast
from model.lts import network as networks
from model.lts.explore import Exploration, explore
from model.lts.parts import Counted, count
from model.lts.properties import Always, Sometimes, Verdict, View, check
from model.lts.refine import Refinement
from model.profiles import Profile
from model.situations.situation import Situation

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Verified:
    """The outcome for one restart policy. ``exploration`` is that of one pod among the nodes, which speaks for all;
    ``counted`` is the size of the whole, ``visited`` how many states were visited for it, and ``depth`` the longest of
    all shortest paths, None where only one of several pods was visited. ``refinements`` is by container count."""

    profile: str
    size: Size
    symmetry: bool
    exploration: Exploration
    counted: Counted
    visited: int
    depth: int | None
    seconds: float
    verdicts: tuple[Verdict, ...]
    refinements: dict[int, Refinement]

    @property
    def holds(self) -> bool:
        """Whether every property holds and every refinement is proved."""
        return all(v.holds for v in self.verdicts) and all(r.holds for r in self.refinements.values())


def verify(
    profile: Profile,
    size: Size,
    max_states: int = 5_000_000,
    progress: Progress | None = None,
    *,
    symmetry: bool = True,
) -> Verified:
    """Verify one profile in one size. Raises ValueError for a senseless size, `TooLarge` past ``max_states`` visited,
    `NotComposed` if the vectors couple pods to one another.

    Pods share nothing but nodes, and a property speaks of each pod by itself. So one pod among the nodes is explored
    (`model.lts.parts` proves from the vectors that this will do), and the states of all are counted, like ones once.
    Without ``symmetry`` every state of the whole network is visited, and what speaks of states is checked in each.
    """
    say = progress or (lambda _: None)

    def levels(states: int, depth: int) -> None:
        say(f"{size.policy}: {states:,} states, depth {depth}")

    begun = time.perf_counter()
    whole = network(profile, size)
    apart = pods_apart(whole, size)
    found = explore(networks.compile(apart.one), max_states, levels)
    stated = properties.properties(profile, replace(size, pods=1))
    verdicts: list[Verdict] = []
    if symmetry:
        say(f"{size.policy}: counting the states of {size.pods} pods")
        counted = count(apart, found, exchanges_of_containers(size), exchanges_of_nodes(size))
        visited, depth = len(found.states), found.depth if size.pods == 1 else None
    else:
        everywhere = [p for p in properties.properties(profile, size) if isinstance(p, Always | Sometimes)]
        every = fast.count(networks.compile(whole), everywhere, max_states=max_states, progress=levels)
        counted = Counted(every.states, every.states, every.transitions)
        visited, depth = every.states, every.depth
        verdicts += every.verdicts
        stated = [p for p in stated if not isinstance(p, Always | Sometimes)]
    for prop in stated:
        say(f"{size.policy}: {prop.name}")
        verdicts.append(check(prop, found))
    seconds = time.perf_counter() - begun
    refinements = {}
    for containers in range(1, size.containers + 1):
        say(f"{size.policy}: refinement with {containers} containers")
        refinements[containers] = refine(profile, size.policy, containers, max_states)
    return Verified(profile.name, size, symmetry, found, counted, visited, depth, seconds, tuple(verdicts), refinements)


def refine(profile: Profile, policy: str, containers: int, max_states: int = 5_000_000) -> Refinement:
    """Whether a pod of this many containers, studied alone, refines the phase table of its policy."""
    alone = Size(policy, pods=1, containers=containers, nodes=0)
    found = explore(networks.compile(network(profile, alone)), max_states)
    return properties.refinement(profile, alone, View(found, found.states))


@dataclass(frozen=True)
class Situated:
    """The outcome for one situation."""

    situation: Situation
    exploration: Exploration
    verdicts: tuple[Verdict, ...]

    @property
    def holds(self) -> bool:
        """Whether every property holds."""
        return all(v.holds for v in self.verdicts)


def verify_situation(situation: Situation, max_states: int = 5_000_000, progress: Progress | None = None) -> Situated:
    """Verify one situation. Raises `TooLarge` past ``max_states``."""
    say = progress or (lambda _: None)
    compiled = networks.compile(situation.network)
    found = explore(compiled, max_states, lambda n, depth: say(f"{situation.name}: {n:,} states, depth {depth}"))
    verdicts = []
    for prop in situation.properties:
        say(f"{situation.name}: {prop.name}")
        verdicts.append(check(prop, found))
    return Situated(situation, found, tuple(verdicts))
