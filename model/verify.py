"""Verification of a profile: explore its network, check every property, prove the refinement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from model import properties
from model.cluster import Size, network
from model.lts import network as networks
from model.lts.explore import Exploration, explore
from model.lts.properties import Verdict, View, check
from model.lts.refine import Refinement
from model.profiles import Profile
from model.situations.situation import Situation

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Verified:
    """The outcome for one restart policy. ``refinements`` is by container count, from 1 up."""

    profile: str
    size: Size
    exploration: Exploration
    verdicts: tuple[Verdict, ...]
    refinements: dict[int, Refinement]

    @property
    def holds(self) -> bool:
        """Whether every property holds and every refinement is proved."""
        return all(v.holds for v in self.verdicts) and all(r.holds for r in self.refinements.values())


def verify(profile: Profile, size: Size, max_states: int = 5_000_000, progress: Progress | None = None) -> Verified:
    """Verify one profile in one size. Raises ValueError for a senseless size, `TooLarge` past ``max_states``."""
    say = progress or (lambda _: None)
    compiled = networks.compile(network(profile, size))
    found = explore(compiled, max_states, lambda n, depth: say(f"{size.policy}: {n:,} states, depth {depth}"))
    verdicts = []
    for prop in properties.properties(profile, size):
        say(f"{size.policy}: {prop.name}")
        verdicts.append(check(prop, found))
    refinements = {}
    for containers in range(1, size.containers + 1):
        say(f"{size.policy}: refinement with {containers} containers")
        refinements[containers] = refine(profile, size.policy, containers, max_states)
    return Verified(profile.name, size, found, tuple(verdicts), refinements)


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
