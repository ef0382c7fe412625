"""The .aut files, and what the phase machine and the network of containers have in common as mere graphs.

The two are *not* strongly bisimilar, and must not be: the phase machine is an abstraction. It cannot know which exit
was the last one, so in Running it offers `exit_zero` to Running, Succeeded and Failed, while a network offers just one
of them, and it lets a pod under Never start for ever, while n containers start n times. What holds, and is shown, is:

- projected on phases, with the names of the steps, the network of two containers or more *is* the phase machine: each
  step of the machine is one that some state of the network behind its phase takes, and the other way round. (One
  container shows less: nothing else can wait or run beside it.) Minimised modulo strong bisimulation they are equal;
- who sees the phases alone sees the same sequences of them, for any number of containers: with phases as labels and all
  other steps silent, both are equal once determinised and minimised.
"""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from model.cluster import Size, network
from model.container import POLICIES
from model.lts.bisimulation import Graph, bisimilar, determinised, image, minimised, of_exploration, of_table
from model.lts.explore import Exploration
from model.lts.export.aut import aut, parse
from model.lts.network import Ints
from model.lts.properties import View
from model.lts.table import Table
from model.pod import PHASES
from model.profiles import PROFILES, Profile
from model.properties import phase_numbers

from .support import explored, table
from .test_verify import rebuilt, rows_of

EVERY = pytest.mark.parametrize(
    ("profile", "policy"),
    list(itertools.product(PROFILES.values(), POLICIES)),
    ids=lambda part: getattr(part, "name", part),
)


def graph(*edges: str) -> Graph:
    """From arrows between numbers, ``0 a 1``."""
    split = [edge.split() for edge in edges]
    found = tuple(sorted((int(source), label, int(target)) for source, label, target in split))
    return Graph(max(max(a, b) for a, _, b in found) + 1, found)


def mechanism(profile: Profile, policy: str, containers: int) -> tuple[Exploration, Ints]:
    """A pod by itself, and the place of the phase of each of its states in the phase table."""
    size = Size(policy, 1, containers, 0)
    found = explored(network(profile, size))
    phases = phase_numbers(View(found, found.states), profile, size, "p1")
    return found, np.array([states_of(profile.phases[policy]).get(phase, -1) for phase in PHASES])[phases]


def states_of(phases: Table) -> dict[str, int]:
    """The numbers that `of_table` gives: the phases begin with the initial one."""
    assert phases.states[0] == phases.initial
    return {state: number for number, state in enumerate(phases.states)}


# --- phase machine and containers -------------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("containers", [2, 3, 4])
def test_projected_on_phases_the_containers_are_the_phase_machine(
    profile: Profile, policy: str, containers: int
) -> None:
    machine = parse(aut(of_table(profile.phases[policy])))
    projected = parse(aut(image(*mechanism(profile, policy, containers))))
    assert projected == machine
    assert bisimilar(minimised(projected), minimised(machine))
    assert minimised(projected) == minimised(machine)


@EVERY
def test_one_container_shows_a_part_of_the_phase_machine(profile: Profile, policy: str) -> None:
    machine, projected = of_table(profile.phases[policy]), image(*mechanism(profile, policy, 1))
    assert set(projected.edges) < set(machine.edges)
    assert not bisimilar(projected, machine)


@EVERY
def test_a_row_more_or_less_is_noticed(profile: Profile, policy: str) -> None:
    """Every row of every phase machine, left out; and one more."""
    phases = profile.phases[policy]
    projected = image(*mechanism(profile, policy, 2))
    fewer = [rebuilt(phases, (str(row),)) for row in phases.rows if row.target != "Failed"]
    more = rebuilt(phases, add=rows_of(("Deleted --bind--> Pending",)))
    assert all(of_table(wrong) != projected for wrong in (*fewer, more))
    assert not bisimilar(of_table(more), projected)


@EVERY
def test_unprojected_they_are_not_bisimilar(profile: Profile, policy: str) -> None:
    """The projection is needed; the module says why."""
    for containers in (1, 2, 3):
        found, _ = mechanism(profile, policy, containers)
        whole = of_exploration(found)
        bare = Graph(whole.size, tuple(sorted({(a, label.partition("(")[0], b) for a, label, b in whole.edges})))
        assert not bisimilar(bare, of_table(profile.phases[policy]))


def phases_seen(found: Graph, names: list[str]) -> Graph:
    """The graph for who sees phases alone: a step that changes it is labelled by the new one, others are silent."""
    edges = {(a, names[b] if names[a] != names[b] else "", b) for a, _, b in found.edges}
    return determinised(Graph(found.size, tuple(sorted(edges))), silent=lambda label: not label)


@EVERY
@pytest.mark.parametrize("containers", [1, 2, 3])
def test_who_sees_phases_alone_sees_the_same(profile: Profile, policy: str, containers: int) -> None:
    phases = profile.phases[policy]
    found, numbers = mechanism(profile, policy, containers)
    expected = phases_seen(of_table(phases), list(phases.states))
    seen = phases_seen(of_exploration(found), [phases.states[number] for number in numbers])
    assert bisimilar(seen, expected)
    assert minimised(seen).size == minimised(expected).size
    back = rebuilt(phases, add=rows_of(("Failed --recover--> Running",)))
    assert not bisimilar(seen, phases_seen(of_table(back), list(back.states)))


# --- bisimulation -----------------------------------------------------------------------------------------------------


def test_choices_are_told_apart_from_the_time_they_are_made() -> None:
    """The classic pair: the same sequences, and not bisimilar."""
    late, early = graph("0 a 1", "1 b 2", "1 c 3"), graph("0 a 1", "0 a 2", "1 b 3", "2 c 4")
    assert not bisimilar(late, early)
    assert bisimilar(determinised(late), determinised(early))
    assert minimised(late) == graph("0 a 1", "1 b 2", "1 c 2")
    assert (minimised(early).size, len(minimised(early).edges)) == (4, 4)


def test_a_loop_is_as_good_as_its_unrolling() -> None:
    assert bisimilar(graph("0 a 0"), graph("0 a 1", "1 a 2", "2 a 0"))
    assert minimised(graph("0 a 1", "1 a 2", "2 a 0")) == graph("0 a 0")
    assert not bisimilar(graph("0 a 0"), graph("0 a 1", "1 a 2"))


def test_silent_steps_are_not_seen_by_who_sees_sequences() -> None:
    assert bisimilar(determinised(graph("0 t 1", "1 a 2"), lambda label: label == "t"), graph("0 a 1"))


def plainly_bisimilar(one: Graph, other: Graph) -> bool:
    """The greatest bisimulation as a relation: pairs are struck out until each matches step by step."""
    related = set(itertools.product(range(one.size), range(other.size)))

    def matches(pair: tuple[int, int]) -> bool:
        ways = [[(label, t) for s, label, t in g.edges if s == n] for g, n in zip((one, other), pair, strict=True)]
        return all(any(m == n and (a, b) in related for n, b in ways[1]) for m, a in ways[0]) and all(
            any(m == n and (a, b) in related for m, a in ways[0]) for n, b in ways[1]
        )

    while wrong := {pair for pair in related if not matches(pair)}:
        related -= wrong
    return (0, 0) in related


def test_bisimulation_is_the_one_of_the_definition() -> None:
    rng, verdicts = random.Random(7), []
    for _ in range(300):
        one, other = (
            Graph(
                4,
                tuple(
                    sorted({(rng.randrange(4), rng.choice("ab"), rng.randrange(4)) for _ in range(rng.randrange(2, 7))})
                ),
            )
            for _ in "12"
        )
        verdicts.append(plainly_bisimilar(one, other))
        assert bisimilar(one, other) is verdicts[-1]
        assert bisimilar(one, minimised(one))
        assert minimised(minimised(one)).size == minimised(one).size
    assert 20 < sum(verdicts) < 280


# --- the file ---------------------------------------------------------------------------------------------------------


def test_the_file_is_that_of_aldebaran() -> None:
    machine = table("a --go(1,2)--> b", "b --back--> a", "a --stay--> a")
    text = 'des (0,3,2)\n(0,"go(1,2)",1)\n(0,"stay",0)\n(1,"back",0)\n'
    assert aut(of_table(machine)) == text
    assert parse(text) == of_table(machine)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_a_network_has_as_many_states_and_transitions_in_its_file(profile: Profile) -> None:
    found = explored(network(profile, Size("OnFailure", 2, 1, 1)))
    text = aut(of_exploration(found))
    assert text.startswith(f"des (0,{len(found.source)},{len(found.states)})\n")
    assert text.count("\n") == len(found.source) + 1
    assert text == aut(of_exploration(explored(network(profile, Size("OnFailure", 2, 1, 1)))))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: not of the form"),
        ('des (1,1,2)\n(0,"a",1)\n', "line 1: not of the form"),
        ('des (0,1,2)\n(0,"a",2)\n', "line 2: not a transition"),
        ("des (0,1,2)\n(0,a,1)\n", "line 2: not a transition"),
        ('des (0,2,2)\n(0,"a",1)\n', "line 1 promises 2 transitions, 1 follow"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)
