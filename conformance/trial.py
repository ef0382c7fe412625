"""Trying the suite itself: it has to find every wrong build of a runtime, for what is wrong with it, and must never
accuse the right one, whatever the seed (`kubephase faults`, `kubephase soak`)."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from typing import Literal, TypeVar

import msgspec

from conformance.runner import (
    NoRuntime,
    Outcome,
    Settings,
    close,
    described,
    faults_of,
    run_one,
    runtime_class,
    start,
)
from conformance.runtime import WrongBuild
from conformance.scenario import Scenario, selected
from conformance.verdict import Verdict
from model.profiles import profile as profile_of
from model.registry import is_under, nearest

SEEDS = 5
"""Runs that a wrong build gets at the most: some of its errors take an unlucky moment."""

T = TypeVar("T")
R = TypeVar("R")

Result = Literal["detected", "by accident", "unknown", "survives"]
RESULTS: dict[Result, str] = {
    "detected": "a scenario fails by a rule of the topic",
    "by accident": "scenarios fail, but by rules that have nothing to do with what is wrong",
    "unknown": "a goal was not reached in time, or the adapter broke: nothing is proved",
    "survives": "every scenario passes",
}
"""What may come of a wrong build; all but the first are holes in the suite."""


class Trial(msgspec.Struct, frozen=True):
    """What came of one wrong build under one profile, after so many runs of the suite. ``seed`` and ``scenario`` are
    where it was found, or where anything was first; ``rules`` are all that failed until then, ``reason`` is why."""

    fault: str
    profile: str
    build: WrongBuild
    result: Result
    runs: int
    seed: int | None = None
    scenario: str = ""
    rules: tuple[str, ...] = ()
    reason: str = ""


def is_on_topic(rules: Iterable[str], topic: tuple[str, ...]) -> bool:
    """Whether one of the rules is of the topic."""
    return any(is_under(rule, prefix) for rule in rules for prefix in topic)


def failed_rules(outcome: Outcome) -> tuple[str, ...]:
    """The rules by which a scenario failed."""
    findings = [finding for finding in outcome.judgement.findings if finding.verdict is Verdict.FAIL]
    return tuple(dict.fromkeys(rule for finding in findings for rule in finding.rules))


def _relevant_first(build: WrongBuild, profile: str) -> list[Scenario]:
    return sorted(selected(profile), key=lambda scenario: not is_on_topic(scenario.rules(profile), build.topic))


def trial(spec: str, fault: str, profile: str, seed: int = 0, seeds: int = SEEDS) -> Trial:
    """Run the suite against a wrong build, the scenarios that check what it breaks first, until one of them fails by a
    rule of its topic. Raises NoRuntime."""
    found = runtime_class(spec)
    build = faults_of(found)[fault]
    runtime = start(found, fault)
    about, scenarios = described(runtime), _relevant_first(build, profile)
    held: dict[Verdict, tuple[int, Outcome]] = {}
    rules: dict[str, None] = {}
    for number in range(seed, seed + seeds):
        settings = Settings(profile_of(profile), seed=number)
        for scenario in scenarios:
            outcome = run_one(runtime, scenario, settings, about)
            failed = failed_rules(outcome)
            rules |= dict.fromkeys(failed)
            if is_on_topic(failed, build.topic):
                held = {Verdict.FAIL: (number, outcome)}
                break
            held.setdefault(outcome.verdict, (number, outcome))
        else:
            continue
        result: Result = "detected"
        break
    else:
        unsure = Verdict.UNKNOWN in held or Verdict.ERROR in held
        result = "by accident" if Verdict.FAIL in held else "unknown" if unsure else "survives"
    close(runtime)
    first = next((held[v] for v in (Verdict.FAIL, Verdict.ERROR, Verdict.UNKNOWN) if v in held), None)
    if first is None:
        return Trial(fault, profile, build, result, seeds)
    at, outcome = first
    runs = at - seed + 1 if result == "detected" else seeds
    return Trial(fault, profile, build, result, runs, at, outcome.scenario.id, tuple(rules), outcome.reason)


def trials(
    spec: str, faults: Iterable[str] = (), profile: str | None = None, jobs: int = 1, seed: int = 0, seeds: int = SEEDS
) -> tuple[int, Iterator[Trial]]:
    """How many trials there are, and their results as they come, in processes of their own: of the wrong builds named
    (all if none is), each under the profiles under which it is wrong. Raises NoRuntime."""
    known = faults_of(runtime_class(spec))
    names = list(faults) or list(known)
    for name in names:
        if name not in known:
            raise NoRuntime(f"no fault {name!r}{nearest(name, known)}; kubephase conform --list-faults shows them")
    todo = [(name, p) for name in names for p in known[name].profiles if profile in (None, p)]
    if not todo:
        raise NoRuntime("there is no wrong build to try" + (f" under {profile}" if names else ""))
    return len(todo), _side_by_side(partial(_trial, spec, seed, seeds), todo, jobs)


def _trial(spec: str, seed: int, seeds: int, what: tuple[str, str]) -> Trial:
    return trial(spec, *what, seed, seeds)


class Run(msgspec.Struct, frozen=True):
    """One run of the whole suite under one profile: how often each verdict was given, and what was not passed: the id
    of the scenario, the verdict and its reason."""

    profile: str
    seed: int
    verdicts: dict[str, int]
    alarms: tuple[tuple[str, str, str], ...]


def soak(spec: str, profiles: Iterable[str], seeds: Iterable[int], jobs: int = 1) -> Iterator[Run]:
    """Runs of the whole suite against the right build, one for each profile and seed, as they come. Raises NoRuntime
    when they are begun."""
    runtime_class(spec)
    return _side_by_side(partial(_run, spec), [(p, seed) for seed in seeds for p in profiles], jobs)


def _run(spec: str, what: tuple[str, int]) -> Run:
    profile, seed = what
    runtime = start(runtime_class(spec))
    about, settings = described(runtime), Settings(profile_of(profile), seed=seed)
    outcomes = [run_one(runtime, scenario, settings, about) for scenario in selected(profile)]
    problem = close(runtime)
    alarms = [o for o in outcomes if o.verdict not in (Verdict.PASS, Verdict.SKIP)]
    told = tuple((o.scenario.id, str(o.verdict), o.reason) for o in alarms)
    told += (("close", str(Verdict.ERROR), problem),) if problem else ()
    return Run(profile, seed, dict(Counter(str(o.verdict) for o in outcomes)), told)


def _side_by_side(do: Callable[[T], R], todo: list[T], jobs: int) -> Iterator[R]:
    """The results as they come. With one job there is no other process."""
    if jobs == 1:
        yield from map(do, todo)
        return
    # A fresh interpreter each: a fork would copy the threads of whoever calls.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        pending = [pool.submit(do, one) for one in todo]
        try:
            for future in as_completed(pending):
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
