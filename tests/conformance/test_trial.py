"""The trial of the suite: what counts as found, and what does not."""

from __future__ import annotations

from typing import ClassVar

import pytest

from adapters.simulator import Simulator
from conformance import trial
from conformance.runner import NoRuntime
from conformance.runtime import WrongBuild
from model.profiles import PROFILES
from tests.conformance.wrong_runtimes import Blind

HERE = "tests.conformance.test_trial"


class Tried(Simulator):
    """Wrong builds with topics that fit or do not, and one that is not wrong at all."""

    FAULTS: ClassVar = {
        "moves-pods": WrongBuild("moves pods", ("pod.binding.never-moved",), ("seed", "v0.17.0")),
        "forgets-completed-event": WrongBuild("no such event", ("pod.sharing",), ("seed",)),
        "nothing": WrongBuild("nothing is wrong", ("pod",), ("seed",)),
    }

    def __init__(self, fault: str | None = None) -> None:
        super().__init__(None if fault == "nothing" else fault)


class Unseen(Blind):
    """Nothing is ever seen of it: no goal is reached, and nothing is proved."""

    FAULTS: ClassVar = {"blind": WrongBuild("shows nothing", ("pod",), ("seed",))}

    def __init__(self, fault: str | None = None) -> None:
        super().__init__()


@pytest.mark.parametrize(
    ("runtime", "fault", "result"),
    [
        ("Tried", "moves-pods", "detected"),
        ("Tried", "forgets-completed-event", "by accident"),
        ("Tried", "nothing", "survives"),
        ("Unseen", "blind", "unknown"),
    ],
)
def test_only_a_failure_by_a_rule_of_the_topic_counts(runtime: str, fault: str, result: str) -> None:
    found = trial.trial(f"{HERE}:{runtime}", fault, "seed", seeds=1)
    assert found.result == result, found
    assert (found.scenario == "") is (result == "survives")
    assert ("pod.event.completed" in found.rules) is (fault == "forgets-completed-event")


def test_each_build_is_tried_under_its_profiles() -> None:
    def tried(profile: str | None, *names: str) -> set[tuple[str, str]]:
        total, found = trial.trials(f"{HERE}:Tried", names, profile, seeds=1)
        results = {(one.fault, one.profile) for one in found}
        assert len(results) == total
        return results

    assert tried(None, "moves-pods") == {("moves-pods", "seed"), ("moves-pods", "v0.17.0")}
    assert tried("seed", "moves-pods", "nothing") == {("moves-pods", "seed"), ("nothing", "seed")}
    assert tried("v0.17.0") == {("moves-pods", "v0.17.0")}
    with pytest.raises(NoRuntime, match=r"no fault 'move-pods' .nearest: moves-pods"):
        tried(None, "move-pods")
    with pytest.raises(NoRuntime, match=r"no wrong build to try under v0\.17\.0"):
        tried("v0.17.0", "nothing")


def test_the_same_is_found_in_other_processes() -> None:
    names = ("moves-pods", "forgets-failed-event", "never-failed-is-running")
    alone, aside = (
        sorted((one.fault, one.profile, one.result, one.scenario, one.rules) for one in found)
        for _, found in (trial.trials("simulator", names, jobs=jobs) for jobs in (1, 2))
    )
    assert alone == aside


def test_the_right_simulator_is_never_accused() -> None:
    """`kubephase soak` goes on with more seeds."""
    runs = list(trial.soak("simulator", PROFILES, range(100, 110)))
    assert [(run.profile, run.seed, run.alarms) for run in runs if run.alarms or run.verdicts.keys() != {"pass"}] == []
    assert {(run.profile, run.seed) for run in runs} == {(p, seed) for p in PROFILES for seed in range(100, 110)}


def test_a_wrong_runtime_is_accused_in_a_soak() -> None:
    (run,) = trial.soak("tests.conformance.test_trial:AlwaysWrong", ["seed"], [3])
    assert run.verdicts["fail"] == sum(verdict == "fail" for _, verdict, _ in run.alarms) > 0


class AlwaysWrong(Simulator):
    """A wrong build that does not say so."""

    def __init__(self) -> None:
        super().__init__("pods-share-an-address")
