"""Always, sometimes, eventually: on tables so small that the answer is known."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import numpy as np
import pytest

from model.lts.explore import Exploration
from model.lts.network import Bools, Network, Vector
from model.lts.properties import (
    Always,
    AlwaysStep,
    Eventually,
    Labels,
    Sometimes,
    SometimesStep,
    StateTest,
    StepTest,
    Verdict,
    View,
    check,
)
from model.lts.table import Table

from .support import alone, explored, plain, random_table, replay, table

RULES = ("some.rule",)


def among(*states: str) -> StateTest:
    return lambda view: view.is_in("m", *states)


def outside(*states: str) -> StateTest:
    return lambda view: ~view.is_in("m", *states)


def group(*vectors: str) -> Callable[[str], bool]:
    return lambda name: name in vectors


def machine(*arrows: str) -> Exploration:
    return explored(alone(table(*arrows)))


# --- always and sometimes, in states --------------------------------------------------------------------------------

DETOUR = machine("a --x--> b", "b --x--> bad", "a --y--> c", "c --y--> d", "d --y--> bad", "bad --z--> worse")
"""Two ways to bad: of two steps and of three; worse lies behind it."""


def test_always_holds() -> None:
    verdict = check(Always("p", RULES, outside("nowhere")), DETOUR)
    assert (verdict.holds, verdict.path, verdict.loop) == (True, None, ())


def test_always_is_violated_by_a_shortest_path() -> None:
    """The nearest bad state, by the shorter way; not the last one found, not one behind it."""
    verdict = check(Always("p", RULES, outside("bad", "worse")), DETOUR)
    assert (verdict.holds, verdict.path) == (False, ("x", "x"))
    assert replay(DETOUR.compiled.network, ("x", "x")) == [{"m": "bad"}]


def test_always_may_be_violated_at_once() -> None:
    """An empty path is a counterexample, and not none."""
    verdict = check(Always("p", RULES, outside("a")), DETOUR)
    assert (verdict.holds, verdict.path) == (False, ())


def test_always_looks_only_at_reachable_states() -> None:
    """Two lamps that only go on together are never in two states."""
    lamp = table("off --press--> on", "on --press--> off")
    pair = explored(Network("pair", {"a": lamp, "b": lamp}, (Vector("press", {"a": "press", "b": "press"}),)))
    same = Always("p", RULES, lambda view: view.column("a") == view.column("b"))
    assert check(same, pair).holds
    free = explored(
        Network("pair", {"a": lamp, "b": lamp}, tuple(Vector(f"press({x})", {x: "press"}) for x in ("a", "b")))
    )
    assert check(same, free).path == ("press(a)",)


def test_sometimes_holds_with_a_shortest_example() -> None:
    verdict = check(Sometimes("p", RULES, among("bad", "worse")), DETOUR)
    assert (verdict.holds, verdict.path) == (True, ("x", "x"))


def test_sometimes_is_violated_without_an_example() -> None:
    verdict = check(Sometimes("p", RULES, among("nowhere")), DETOUR)
    assert (verdict.holds, verdict.path) == (False, None)


def test_a_vacuous_always_is_told_by_its_sometimes() -> None:
    """What the pair is for: the state is spelt wrong, the invariant holds, and the companion does not."""
    assert check(Always("p", RULES, outside("baad")), DETOUR).holds
    assert not check(Sometimes("p", RULES, among("baad")), DETOUR).holds


# --- always and sometimes, across steps -----------------------------------------------------------------------------

DOOR = machine("shut --open--> ajar", "ajar --open--> wide", "wide --close--> shut", "ajar --close--> shut")


def into(state: str, *events: str) -> StepTest:
    """Whether what leads into ``state`` is one of these events."""
    return lambda before, labels, after: ~after.is_in("m", state) | labels.is_event(*events)


def test_always_step_holds() -> None:
    verdict = check(AlwaysStep("p", RULES, into("shut", "close")), DOOR)
    assert (verdict.holds, verdict.path) == (True, None)


def test_always_step_is_violated_by_a_shortest_path_that_ends_with_the_step() -> None:
    """Nobody may close: the nearest closing is from ajar, two steps in all, the offending one last."""
    verdict = check(AlwaysStep("p", RULES, into("shut")), DOOR)
    assert (verdict.holds, verdict.path) == (False, ("open", "close"))
    never_wide = check(AlwaysStep("p", RULES, into("wide")), DOOR)
    assert never_wide.path == ("open", "open")


def test_a_step_test_sees_before_event_and_after_of_the_same_step() -> None:
    """Each transition of DOOR once, in its own row. Catches sources and targets that are mixed up."""
    seen: set[tuple[str, str, str]] = set()

    def spy(before: View, labels: Labels, after: View) -> Bools:
        names = DOOR.compiled.network.components["m"].states
        events = [DOOR.compiled.moves[move].vector.name for move in labels.moves]
        seen.update(
            (names[b], event, names[a])
            for b, event, a in zip(before.column("m"), events, after.column("m"), strict=True)
        )
        return np.ones(len(before), dtype=np.bool_)

    assert check(AlwaysStep("p", RULES, spy), DOOR).holds
    rows = DOOR.compiled.network.components["m"].rows
    assert seen == {(row.source, row.event, row.target) for row in rows}


def test_sometimes_step_holds_with_a_shortest_example() -> None:
    verdict = check(SometimesStep("p", RULES, lambda b, labels, a: labels.is_event("close")), DOOR)
    assert (verdict.holds, verdict.path) == (True, ("open", "close"))


def test_sometimes_step_is_violated_where_the_states_exist_but_not_the_step() -> None:
    """shut and wide are both reachable; no step leads from one to the other by opening."""
    verdict = check(
        SometimesStep("p", RULES, lambda before, _, after: before.is_in("m", "shut") & after.is_in("m", "wide")), DOOR
    )
    assert (verdict.holds, verdict.path) == (False, None)


def test_events_and_vectors_are_told_apart() -> None:
    """``press`` is the event of both vectors, ``press(a)`` is one of them."""
    lamp = table("off --press--> on", "on --press--> off")
    free = explored(
        Network("pair", {"a": lamp, "b": lamp}, tuple(Vector(f"press({x})", {x: "press"}) for x in ("a", "b")))
    )
    labels = Labels(free, free.move)
    assert labels.is_event("press").all()
    assert not labels.is_event("press(a)").any()
    assert labels.is_vector("press(a)").sum() == 4
    assert (labels.is_vector("press(a)") ^ labels.is_vector("press(b)")).all()
    assert labels.is_vector("press(a)", "press(b)").all()
    assert not labels.is_vector("press").any()


@pytest.mark.parametrize("seed", range(30))
def test_shortest_counterexamples_on_random_tables(seed: int) -> None:
    """For each state: forbidding it, and forbidding the steps into it, is violated at its plain distance."""
    rng = random.Random(seed)
    net = alone(random_table(rng, "random", 6, ("e", "f", "g"), 9))
    found, expected = explored(net), plain(net)
    for state in net.components["m"].states:
        verdict = check(Always("p", RULES, outside(state)), found)
        assert verdict.path is not None
        assert len(verdict.path) == expected.distance[(state,)]
        assert {"m": state} in replay(net, verdict.path)
        sources = [source for source, _, target in expected.steps if target == (state,)]
        step = check(AlwaysStep("p", RULES, into(state)), found)
        assert step.holds is (not sources)
        if step.path is not None:
            assert len(step.path) == min(expected.distance[source] for source in sources) + 1
            assert {"m": state} in replay(net, step.path)


# --- eventually -----------------------------------------------------------------------------------------------------


def eventually(
    found: Exploration, *fair: Callable[[str], bool], after: StateTest | None = None, holds: StateTest | None = None
) -> Verdict:
    """From wherever ``after`` holds (by default everywhere) to done."""
    return check(Eventually("p", RULES, after or outside("nowhere"), holds or among("done"), fair), found)


def refuted(verdict: Verdict, found: Exploration, goal: str = "done") -> tuple[tuple[str, ...], set[str]]:
    """Path and loop of a violated *eventually*, after replaying them: the loop is possible where the path ends."""
    assert not verdict.holds
    assert verdict.path is not None
    network = found.compiled.network
    ends = [state for state in replay(network, verdict.path) if state["m"] != goal]
    assert ends
    if verdict.loop != ("stays",):
        assert set(verdict.loop) <= {v.name for v in network.vectors}
    return verdict.path, set(verdict.loop)


WORK = "wait --work--> done"


def test_a_step_that_is_owed_is_taken() -> None:
    found = machine(WORK)
    assert eventually(found, group("work")).holds


def test_a_step_that_nobody_owes_may_never_come() -> None:
    """Without fairness a run may just rest; catches an eventually that is only reachability."""
    found = machine(WORK)
    assert refuted(eventually(found), found) == ((), {"stays"})
    assert refuted(eventually(found, group("something else")), found) == ((), {"stays"})


def test_a_deadlock_is_a_counterexample() -> None:
    """Nothing is owed where nothing is possible."""
    found = machine(WORK, "wait --jam--> stuck")
    assert refuted(eventually(found, group("work")), found) == (("jam",), {"stays"})


def test_a_loop_in_which_the_step_is_always_possible_does_not_count() -> None:
    """The group is enabled all around the cycle but never taken: that run is unfair."""
    found = machine(WORK, "wait --spin--> wait")
    assert eventually(found, group("work")).holds
    longer = machine(WORK, "wait --spin--> busy", "busy --spin--> wait", "busy --work--> done")
    assert eventually(longer, group("work")).holds


def test_a_loop_counts_without_fairness() -> None:
    found = machine(WORK, "wait --spin--> busy", "busy --spin--> wait", "busy --work--> done")
    path, loop = refuted(eventually(found), found)
    assert (path, loop) == ((), {"spin"})


def test_a_loop_in_which_the_step_is_somewhere_impossible_may_starve_it() -> None:
    """Weak fairness only: what is enabled again and again, but not all the time, may never be taken."""
    found = machine(WORK, "wait --spin--> busy", "busy --rest--> wait")
    assert refuted(eventually(found, group("work")), found) == ((), {"spin", "rest"})


def test_a_fair_loop_is_a_counterexample() -> None:
    """What is owed is taken, again and again, and leads nowhere: a start that fails."""
    found = machine(WORK, "wait --work--> wait")
    assert refuted(eventually(found, group("work")), found) == ((), {"work"})


def test_a_loop_of_which_the_owed_step_is_a_part_is_fair() -> None:
    found = machine("a --go--> b", "b --back--> a", "a --leave--> done")
    path, loop = refuted(eventually(found, group("go", "leave")), found)
    assert (path, loop) == ((), {"go", "back"})


def test_a_group_is_owed_as_a_whole() -> None:
    """left is possible in a only, right in b only. Owed one by one each may starve; owed together, one is always
    possible. Catches groups that are merged, and groups that are taken apart."""
    found = machine("a --flip--> b", "b --flop--> a", "a --left--> done", "b --right--> done")
    assert refuted(eventually(found, group("left"), group("right")), found) == ((), {"flip", "flop"})
    assert eventually(found, group("left", "right")).holds


def test_one_group_that_must_leave_is_enough() -> None:
    """Not every group has to lead on: catches a check that asks for any group instead of all."""
    found = machine("a --flip--> b", "b --flop--> a", "a --out--> done", "b --out--> done")
    assert eventually(found, group("flip"), group("flop"), group("out")).holds
    assert not eventually(found, group("flip"), group("flop")).holds


def test_a_step_out_of_the_loop_that_is_owed_does_not_make_the_loop_fair() -> None:
    """work leaves for another trap: the loop is left, the trap is the counterexample. Catches taken counted as soon as
    it starts in the component."""
    found = machine("wait --spin--> wait", "wait --work--> trap", "done --spin--> done", "wait --win--> done")
    path, loop = refuted(eventually(found, group("work")), found)
    assert (path, loop) == (("work",), {"stays"})


def test_only_runs_from_after_count() -> None:
    """The trap is reachable, but not from where it is owed."""
    found = machine("start --to_trap--> trap", "start --ask--> wait", WORK)
    assert eventually(found, group("work"), after=among("wait")).holds
    assert refuted(eventually(found, group("work"), after=among("start")), found) == ((), {"stays"})
    assert refuted(eventually(found, group("work", "ask", "to_trap")), found) == (("to_trap",), {"stays"})


def test_what_came_about_once_is_enough() -> None:
    """Behind done lies a trap; the debt was paid before."""
    found = machine(WORK, "done --fall--> trap")
    assert eventually(found, group("work"), after=among("wait")).holds
    assert not eventually(found, group("work"), after=among("wait", "trap")).holds


def test_a_counterexample_goes_on_from_after_to_its_trap() -> None:
    """Two steps to where it is owed, two more to the trap: the path is one piece and replays."""
    found = machine(
        "a --x--> b", "b --x--> wait", WORK, "wait --l--> half", "half --work--> done", "half --l--> trap",
        "trap --turn--> trap",
    )  # fmt: skip
    verdict = eventually(found, group("work"), after=among("wait"))
    assert refuted(verdict, found) == (("x", "x", "l", "l"), {"turn"})
    assert replay(found.compiled.network, verdict.path or ()) == [{"m": "trap"}]


def test_a_debt_never_incurred_is_paid() -> None:
    found = machine(WORK)
    assert eventually(found, after=among("nowhere")).holds
    assert eventually(found, after=among("done")).holds


def test_the_counterexample_is_a_shortest_one() -> None:
    """From the near state with a debt the trap is far; a state with a debt two steps away is the trap itself."""
    long = ["near --l--> l1", *(f"l{i} --l--> l{i + 1}" for i in range(1, 6))]
    found = machine("a --x--> near", "a --y--> b", "b --y--> trap", *long)
    walk = group("l", "x", "y")
    verdict = eventually(found, walk, after=among("near", "trap"), holds=among("nowhere"))
    path, _ = refuted(verdict, found)
    assert path == ("y", "y")


def brute_force(net: Table, owed: set[str], goal: set[str], fair: list[set[str]]) -> bool:
    """Whether *eventually* is violated, by definition: a set of states without the goal that a run may stay in for
    ever (connected inside, or one state to rest in), where each group is somewhere impossible or taken inside."""
    states = [state for state in net.states if state not in goal]
    inner = [row for row in net.rows if row.source in states and row.target in states]
    ahead = {state for state in states if state in owed}
    while more := {row.target for row in inner if row.source in ahead} - ahead:
        ahead |= more
    for size in range(1, len(states) + 1):
        for chosen in itertools.combinations(states, size):
            kept = [row for row in inner if row.source in chosen and row.target in chosen]
            if ahead.issuperset(chosen) and connected(chosen, [(row.source, row.target) for row in kept]):
                enabled = {state: {row.event for row in net.rows if row.source == state} for state in chosen}
                taken = {row.event for row in kept}
                if all(any(not (enabled[s] & g) for s in chosen) or taken & g for g in fair):
                    return True
    return False


def connected(states: tuple[str, ...], edges: list[tuple[str, str]]) -> bool:
    """Whether each state reaches each other one (one state alone does)."""
    for start in states:
        reached = {start}
        while more := {target for source, target in edges if source in reached} - reached:
            reached |= more
        if reached != set(states):
            return False
    return True


def random_debt(seed: int) -> tuple[Table, set[str], set[str], list[set[str]]]:
    rng = random.Random(seed)
    events = ("e", "f", "g")
    drawn = random_table(rng, "random", rng.randint(3, 6), events, rng.randint(4, 10))
    owed = set(rng.sample(drawn.states, rng.randint(1, len(drawn.states))))
    goal = set(rng.sample(drawn.states, rng.randint(1, 2) if len(drawn.states) > 2 else 1))
    fair = [set(rng.sample(events, rng.randint(1, 2))) for _ in range(rng.randint(0, 3))]
    return drawn, owed, goal, fair


@pytest.mark.parametrize("seed", range(150))
def test_eventually_is_what_its_definition_says(seed: int) -> None:
    """Against all subsets of states. The path of a counterexample replays, and begins with a debt that is not paid."""
    drawn, owed, goal, fair = random_debt(seed)
    net = alone(drawn)
    found = explored(net)
    verdict = eventually(found, *(group(*names) for names in fair), after=among(*owed), holds=among(*goal))
    assert verdict.holds is not brute_force(drawn, owed, goal, fair)
    if not verdict.holds:
        assert verdict.path is not None
        prefixes = [replay(net, verdict.path[:cut]) for cut in range(len(verdict.path) + 1)]
        assert any(state["m"] in owed - goal for ends in prefixes for state in ends)
        assert any(state["m"] not in goal for state in prefixes[-1])


def test_random_debts_are_of_both_kinds() -> None:
    verdicts = [brute_force(*random_debt(seed)) for seed in range(150)]
    assert 30 <= sum(verdicts) <= 120
