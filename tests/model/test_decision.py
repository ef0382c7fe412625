"""The decision table of the pod phase, and the restart policies, against the tables of v0.17.0.md, which are parsed."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping

import pytest

from model import container, pod
from model.container import POLICIES
from model.pod import CLASSES, DECISIONS, PHASES, decide
from model.profiles import PROFILES, Profile

from .support import reference

CLASS_SETS = [frozenset(names) for size in range(6) for names in itertools.combinations(CLASSES, size)]

Phases = tuple[str, ...]


def rows_under(anchor: str) -> list[list[str]]:
    """The cells of the first table under an anchor of v0.17.0.md, without its head."""
    text = reference("v0.17.0.md").partition(f"**{anchor} ")[2]
    lines = list(itertools.dropwhile(lambda line: not line.startswith("|"), text.split("\n")))
    table = itertools.takewhile(lambda line: line.startswith("|"), lines)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table][2:]


# --- F-T1: the decision table ---------------------------------------------------------------------------------------

LETTERS = {"w": "waiting", "r": "running", "s0": "succeeded", "f": "failed", "u": "unknown"}


def guard_holds(guard: str, counts: Mapping[str, int]) -> bool:
    """A guard of F-T1 like ``w=0, r=0, s0+f ≥ 1``, read as the document writes it."""
    if guard.startswith("all zero"):
        return not any(counts.values())
    terms = re.findall(r"([a-z0-9+]+)\s*(=|≥)\s*(\d+)", guard)
    assert terms, guard
    for letters, sign, number in terms:
        total = sum(counts[LETTERS[letter]] for letter in letters.split("+"))
        if not (total == int(number) if sign == "=" else total >= int(number)):
            return False
    return True


def f_t1() -> list[tuple[str, Phases]]:
    return [(guard, (always, onfailure, never)) for _, guard, always, onfailure, never in rows_under("F-T1")]


def test_the_class_sets_are_all_32() -> None:
    assert len(set(CLASS_SETS)) == 32


@pytest.mark.parametrize("classes", CLASS_SETS, ids=lambda classes: "+".join(sorted(classes)) or "none")
def test_exactly_one_row_decides_whatever_the_order(classes: frozenset[str]) -> None:
    """Total: some row fits. Unambiguous: never two. Catches a guard that only works because of the row above it."""
    fitting = [row for row in DECISIONS if row.fits(classes)]
    assert len(fitting) == 1
    for policy in POLICIES:
        phase, row = decide(policy, classes)
        assert row is fitting[0]
        assert phase in PHASES[:4]


def test_every_row_decides_something() -> None:
    assert {decide("Never", classes)[1].name for classes in CLASS_SETS} == {row.name for row in DECISIONS}


def test_decisions_are_the_rows_of_the_reference_in_its_order() -> None:
    """The three columns of F-T1 are Always, OnFailure, Never, like `Decision.phases`."""
    assert POLICIES == ("Always", "OnFailure", "Never")
    assert [row.phases for row in DECISIONS] == [phases for _, phases in f_t1()]


def test_guards_are_those_of_the_reference_for_all_counts_up_to_two() -> None:
    """243 pods: the first guard of F-T1 that holds and the row that decides are the same one; no other guard holds."""
    guards = [guard for guard, _ in f_t1()]
    assert len(guards) == 6
    for numbers in itertools.product(range(3), repeat=5):
        counts = dict(zip(CLASSES, numbers, strict=True))
        held = [place for place, guard in enumerate(guards) if guard_holds(guard, counts)]
        _, row = decide("Always", frozenset(name for name, number in counts.items() if number))
        assert held == [DECISIONS.index(row)], counts


# --- F-T2: all multisets of one and two containers ------------------------------------------------------------------

SHORT = {"P": "Pending", "R": "Running", "Succ": "Succeeded", "Fail": "Failed"}
OF_LETTER = {"W": "waiting", "R": "running", "S": "succeeded", "F": "failed", "U": "unknown"}


def f_t2() -> dict[str, Phases]:
    """Two tables side by side: set, A, O, N, (nothing), set, A, O, N."""
    found: dict[str, Phases] = {}
    for cells in rows_under("F-T2"):
        for name, *phases in (cells[:4], cells[5:9]):
            if name:
                assert name not in found
                found[name] = tuple(SHORT[phase] for phase in phases)
    return found


def test_the_reference_has_all_multisets_of_up_to_two_containers() -> None:
    """1 empty, 5 of one, 15 of two; otherwise the next test would compare less than it seems to."""
    sizes = Counter(0 if name == "(none)" else len(name) for name in f_t2())
    assert sizes == {0: 1, 1: 5, 2: 15}


@pytest.mark.parametrize(("name", "phases"), f_t2().items(), ids=f_t2())
def test_phases_of_up_to_two_containers_are_those_of_the_reference(name: str, phases: Phases) -> None:
    classes = frozenset(OF_LETTER[letter] for letter in name if name != "(none)")
    assert tuple(decide(policy, classes)[0] for policy in POLICIES) == phases


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
@pytest.mark.parametrize("policy", POLICIES)
def test_the_phase_of_container_states_is_that_of_their_letters(profile: Profile, policy: str) -> None:
    """Through `Profile.phase` and `class_of`: what a container state shows as, in F-T2. Catches a wrong class.

    A restarting container shows as running in the seed (L264: or restarting) and as waiting in the code (CSTATE-3).
    """
    letters = {"Waiting": "W", "Running": "R", "Completed": "S", "Error": "F", "OOMKilled": "F", "Killed": "F"}
    letters["Restarting"] = {"seed": "R", "v0.17.0": "W"}[profile.name]
    expected = f_t2()
    for first, second in itertools.product(profile.containers[policy].states, repeat=2):
        name = letters[first] + letters[second]
        phases = expected.get(name) or expected[name[::-1]]
        assert profile.phase(policy, "Bound@n1", (first, second)) == phases[POLICIES.index(policy)]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_a_record_that_decides_the_phase_does_so_for_all_containers(profile: Profile) -> None:
    """Failed by disk, lost node or refusal, and Deleted, whatever the containers do; Bound decides nothing."""
    expected = {"Deleted": "Deleted", "DiskDied": "Failed", "NodeLost": "Failed", "Refused": "Failed"}
    record = profile.record(("n1",))
    for policy in POLICIES:
        for state, inner in itertools.product(record.states, profile.containers[policy].states):
            by_containers = decide(policy, frozenset({profile.class_of[inner]}))[0]
            assert profile.phase(policy, state, (inner,)) == expected.get(pod.standing(state), by_containers)


# --- what the kubelet's own tests of v0.17.0 say (TestPodPhaseWithRestart…) ----------------------------------------

MISSING = "unknown"  # a container of the spec without a status


@pytest.mark.parametrize(
    ("policy", "classes", "phase"),
    [
        ("Always", (MISSING, MISSING), "Pending"),
        ("Always", ("running", "running"), "Running"),
        ("Always", ("succeeded", "succeeded"), "Running"),
        ("Always", ("failed", "failed"), "Running"),
        ("Always", ("running", "succeeded"), "Running"),
        ("Always", ("running", MISSING), "Pending"),
        ("Always", ("running", "waiting"), "Pending"),
        ("Never", (MISSING, MISSING), "Pending"),
        ("Never", ("running", "running"), "Running"),
        ("Never", ("succeeded", "succeeded"), "Succeeded"),
        ("Never", ("failed", "failed"), "Failed"),
        ("Never", ("running", "failed"), "Running"),
        ("Never", ("running", MISSING), "Pending"),
        ("OnFailure", (MISSING, MISSING), "Pending"),
        ("OnFailure", ("running", "running"), "Running"),
        ("OnFailure", ("succeeded", "succeeded"), "Succeeded"),
        ("OnFailure", ("failed", "failed"), "Running"),
        ("OnFailure", ("running", "succeeded"), "Running"),
        ("OnFailure", ("running", MISSING), "Pending"),
    ],
)
def test_phase_as_the_kubelet_tests_have_it(policy: str, classes: tuple[str, ...], phase: str) -> None:
    assert decide(policy, frozenset(classes))[0] == phase


# --- G-T1: which containers are started again -----------------------------------------------------------------------


def g_t1() -> dict[str, Phases]:
    return {cells[0]: tuple(cell.strip("*") for cell in cells[1:]) for cells in rows_under("G-T1")}


def cell(start_of_row: str, policy: str) -> str:
    (row,) = (cells for newest, cells in g_t1().items() if newest.startswith(start_of_row))
    return row[POLICIES.index(policy)]


@pytest.mark.parametrize("policy", POLICIES)
def test_restarts_of_the_code_are_those_of_the_reference(policy: str) -> None:
    """Each row of G-T1 against the container table. OOM with exit 0 is exit_zero there, so OOMKilled has exit ≠ 0."""
    table = container.CODE[policy]

    def ways_on(state: str) -> set[str]:
        return {row.target for row in table.rows if row.source == state and row.target != state}

    assert cell("none ever created", policy) == "start"
    assert table.rows_for("Waiting", "start")[0].target == "Running"
    again = {"start": {"Restarting"}, "leave": set[str]()}
    assert ways_on("Completed") == again[cell("terminated, exit 0", policy)]
    for failed in ("Error", "OOMKilled"):
        assert ways_on(failed) == again[cell("terminated, exit ≠ 0", policy)]
    assert cell("running, liveness probe failed", policy) == "kill + start"
    assert cell("running, spec hash changed", policy) == "kill + start"
    assert [row.target for row in table.rows_for("Running", "liveness_failed")] == ["Restarting"]
    pause_gone = {"kill + start": {"Restarting"}, "kill, not restarted": set[str]()}
    assert [row.target for row in table.rows_for("Running", "kill")] == ["Killed"]
    assert ways_on("Killed") == pause_gone[cell("running, but pause container missing", policy).replace("*", "")]
    assert ways_on("Restarting") == {"Running"}


@pytest.mark.parametrize(
    ("policy", "restarted"),
    [("Always", {"Completed", "Error", "OOMKilled"}), ("OnFailure", {"Error", "OOMKilled"}), ("Never", set[str]())],
)
def test_restarts_of_the_seed_are_those_of_its_examples(policy: str, restarted: set[str]) -> None:
    """L282-L312: always, at failure (want of memory included), never; what the disk's death killed is not restarted."""
    table = container.SEED[policy]
    assert {row.source for row in table.rows if row.event == "restart"} == restarted
    ended = {"Completed", "Error", "OOMKilled", "Killed"}
    assert set(container.final(table)) == ended - restarted
    assert {row.target for row in table.rows if row.event == "restart"} <= {"Restarting"}
