"""Running scenarios side by side against a runtime, and finding the runtime that was asked for."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import queue
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from conformance import recordings
from conformance.history import Broken, End, Header, History
from conformance.judge import Finding, Judgement, judge
from conformance.runtime import CAPABILITIES, About, Cluster, Provides, Runtime, Unsupported, WrongBuild
from conformance.scenario import AdapterError, DeadlinePassed, Interrupted, Run, Scenario
from conformance.verdict import Verdict
from conformance.wording import message, named, printable
from model import registry
from model.profiles import Profile

VERSION = importlib.metadata.version("kubephase")
GROUP = "kubephase.runtimes"
"""The entry-point group under which runtimes register a short name."""


JOBS = min(12, 6 * (os.cpu_count() or 1))
"""Scenarios side by side: they wait more than they work. On real engines, on two cores, more gained nothing."""


LIMIT = 900.0
"""Seconds of wall time that an adapter gets to begin, to end, and for one scenario."""

STUCK = "did not come back"
"""What is said of an adapter that was left behind."""

T = TypeVar("T")


class NoRuntime(Exception):
    """The runtime that was asked for cannot be had; the message says why and what to do."""


class AdapterExit(Exception):
    """An adapter tried to end the process, or the like; the message says how."""


# --- finding a runtime ----------------------------------------------------------------------------------------------


def runtime_class(spec: str) -> type[Any]:
    """The adapter class that ``spec`` names: a registered name, ``module:Class`` or ``path.py:Class``.

    Raises NoRuntime.
    """
    known = {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}
    if ":" not in spec:
        if spec not in known:
            raise NoRuntime(
                f"no runtime {spec!r}{registry.nearest(spec, known)}; there are: {', '.join(sorted(known)) or 'none'}; "
                "or give module:Class or path.py:Class"
            )
        spec = known[spec].value
    place, _, name = spec.rpartition(":")
    try:
        module = _module_from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except NoRuntime:
        raise
    except (Exception, SystemExit) as error:  # an adapter may raise anything while it is imported
        raise NoRuntime(f"adapter {place} cannot be imported: {named(error)}") from error
    found = getattr(module, name, None)
    if not inspect.isclass(found):
        classes = [n for n, member in vars(module).items() if inspect.isclass(member)]
        raise NoRuntime(f"adapter {place} has no class {name!r}{registry.nearest(name, classes)}")
    if missing := _missing(found, Runtime):
        raise NoRuntime(
            f"adapter {spec} lacks {', '.join(missing)}: a runtime needs {', '.join(_methods(Runtime))} "
            "(conformance.runtime.Runtime)"
        )
    return found


def _module_from_file(path: Path) -> Any:
    if not path.is_file():
        raise NoRuntime(f"adapter file {path} does not exist")
    spec = importlib.util.spec_from_file_location(f"adapter_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise NoRuntime(f"adapter file {path} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module


def _methods(protocol: type[Any]) -> list[str]:
    return [n for n, member in vars(protocol).items() if inspect.isfunction(member) and not n.startswith("_")]


def _missing(thing: object, protocol: type[Any]) -> list[str]:
    return [f"{name}()" for name in _methods(protocol) if not callable(getattr(thing, name, None))]


def faults_of(found: type[Any], hidden: bool = False) -> dict[str, WrongBuild]:
    """The deliberately wrong builds that the adapter offers, by name; also those that it hides, which the suite is not
    asked to find."""
    faults: dict[str, WrongBuild] = getattr(found, "FAULTS", {})
    return faults | getattr(found, "HIDDEN_FAULTS", {}) if hidden else faults


def start(
    found: type[Any], fault: str | None = None, options: Mapping[str, Any] | None = None, limit: float = LIMIT
) -> Runtime:
    """An instance of the adapter, as a wrong build if ``fault`` is given. ``options`` are further arguments for its
    constructor, those that are set; an adapter lists the ones it takes in ``OPTIONS``. Raises NoRuntime, also if it is
    not there, or cannot be closed, within ``limit`` seconds."""
    given = {name: value for name, value in (options or {}).items() if value}
    taken: Mapping[str, str] = getattr(found, "OPTIONS", {})
    if wrong := sorted(given.keys() - taken.keys()):
        takes = ", ".join(taken.values()) or "none"
        raise NoRuntime(f"runtime {found.__name__} takes no {wrong[0].replace('_', ' ')}; it takes: {takes}")
    if fault is not None and fault not in (known := faults_of(found, hidden=True)):
        raise NoRuntime(f"no fault {fault!r}{registry.nearest(fault, known)}; --list-faults shows them")
    try:
        runtime: Runtime = in_time(lambda: found(**({"fault": fault} if fault else {}), **given), limit)
    except Exception as error:
        # An exception of its own is a message to people; any other one is a surprise, whose kind matters.
        told = named(error) if type(error).__module__ == "builtins" else message(error)
        raise NoRuntime(f"runtime {found.__name__} cannot be started: {told}") from error
    try:
        described(runtime, limit)
    except NoRuntime:
        close(runtime, limit)
        raise
    return runtime


def described(runtime: Runtime, limit: float = LIMIT) -> About:
    """What an adapter says of itself. It may say something else each time, so it is asked once for a run. Raises
    NoRuntime if it says nothing, or nonsense."""
    name = type(runtime).__name__
    try:
        about = in_time(runtime.describe, limit)
    except Exception as error:
        raise NoRuntime(f"runtime {name} cannot be started: describe(): {named(error)}") from error
    if problem := _misdescribed(about):
        raise NoRuntime(f"adapter {name}: {problem}")
    return about


def close(runtime: Runtime, limit: float = LIMIT) -> str:
    """End a runtime. What went wrong, in words; empty if nothing did."""
    try:
        in_time(runtime.close, limit)
    except Exception as error:
        return f"close(): {named(error)}"
    return ""


def in_time(ask: Callable[[], T], limit: float) -> T:
    """What a call of the adapter returns, or raises; AdapterExit if that is no `Exception`. Raises TimeoutError if it
    does not come back within ``limit`` seconds; it is left behind then, in a thread of its own."""
    answer: queue.SimpleQueue[tuple[T | None, Exception | None]] = queue.SimpleQueue()

    def call() -> None:
        try:
            answer.put((ask(), None))
        except Exception as error:
            answer.put((None, error))
        except BaseException as error:  # an adapter may raise anything
            answer.put((None, AdapterExit(named(error))))

    threading.Thread(target=call, daemon=True).start()
    try:
        result, error = answer.get(timeout=limit)
    except queue.Empty:
        raise TimeoutError(f"the adapter {STUCK} within {limit:g} s") from None
    if error is not None:
        raise error
    return cast("T", result)


def _misdescribed(about: About) -> str:
    """What is wrong with what an adapter says of itself; empty if nothing is."""
    if not isinstance(about, About):
        return f"describe() returned {type(about).__name__}: expected About"
    if not isinstance(about.capabilities, frozenset) or not all(isinstance(c, str) for c in about.capabilities):
        return f"capabilities are {printable(repr(about.capabilities))}: expected a frozenset of names"
    try:
        if msgspec.json.decode(msgspec.json.encode(about), type=About) != about:
            return f"describe() returned a time-out of {about.time_out}: expected seconds"
    except (TypeError, ValueError, RecursionError) as error:
        return f"describe() returned an About that is none: {message(error)}"
    if about.time_out is not None and about.time_out < 0:
        return f"describe() returned a time-out of {about.time_out}: expected seconds"
    if unknown := sorted(about.capabilities.union(*about.lacks_under.values()) - CAPABILITIES.keys()):
        return f"unknown capability {unknown[0]!r}{registry.nearest(unknown[0], CAPABILITIES)}"
    return ""


# --- running --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What came of one scenario. ``seconds`` is wall time, ``history`` the file that holds the history, if any."""

    scenario: Scenario
    rules: tuple[str, ...]
    judgement: Judgement
    seconds: float
    history: Path | None
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True)
class Settings:
    """How to run. ``deadline`` is in seconds of the runtime's clock, ``limit`` in seconds of wall time per scenario;
    ``folder`` takes the histories, if given."""

    profile: Profile
    seed: int = 0
    jobs: int = 2
    deadline: float = 300.0
    limit: float = LIMIT
    folder: Path | None = None


def run_scenario(
    runtime: Runtime, about: About, scenario: Scenario, settings: Settings, stop: threading.Event | None = None
) -> Outcome:
    """Run one scenario and judge its history. Never raises: what breaks becomes the verdict ``error``."""
    begun = time.perf_counter()
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", scenario.id).strip("-")
    path = settings.folder / f"{name}.ndjson" if settings.folder else None
    history = record(runtime, about, scenario, settings, path, stop)
    judgement = judge(recordings.of_records(scenario.id, history.records), settings.profile)
    rules, seconds = scenario.rules(settings.profile.name), time.perf_counter() - begun
    return Outcome(scenario, rules, judgement, seconds, path, judgement.verdict, _reason(judgement))


def record(
    runtime: Runtime, about: About, scenario: Scenario, settings: Settings, path: Path | None = None,
    stop: threading.Event | None = None,
) -> History:  # fmt: skip
    """Run one scenario and record it. Never raises: what breaks is told by the history, too."""
    profile = settings.profile
    about = about.under(profile.name)
    history = History(path)
    history.add(
        Header(scenario=scenario.id, policy=scenario.policy, profile=profile.name, runtime=about.name,
               runtime_version=about.version, tool_version=VERSION, seed=settings.seed,
               rules=scenario.rules(profile.name), time_out=about.time_out), 0.0,
    )  # fmt: skip
    cluster: Cluster | None = None
    try:
        if lacking := about.why_not(scenario.needs):
            raise Unsupported(lacking)
        cluster = _opened(runtime, scenario, settings)
        if missing := _missing(cluster, Cluster):
            raise TypeError(f"the adapter's cluster lacks {', '.join(missing)}")
        run = Run(scenario, profile, cluster, history, about.capabilities, settings.deadline, stop, about.time_out)
        scenario.function(run)
        run.end()
    except DeadlinePassed:
        history.add(End(), history.records[-1].t)  # the goal is in the history, unreached
    except Interrupted:
        history.add(Broken(reason="interrupted"), history.records[-1].t)
    except Unsupported as error:
        history.add(Broken(reason=message(error), skip=True), history.records[-1].t)
    except BaseException as error:  # the adapter, or we, broke: a verdict of its own, also if it tried to exit
        where = "".join(traceback.format_exception(error)[-2:]).strip()
        history.add(Broken(reason=f"{named(error)}\n{printable(where)}"), history.records[-1].t)
    else:
        history.add(End(), history.records[-1].t)
    finally:
        if cluster is not None:
            try:
                cluster.close()
            except BaseException as error:  # a failing clean-up must be told, too
                history.add(Broken(reason=f"close: {named(error)}"), history.records[-1].t)
        history.close()
    return history


def _opened(runtime: Runtime, scenario: Scenario, settings: Settings) -> Cluster:
    """A cluster for the scenario, whose needs the runtime claims. Raises Unsupported for a profile that it does not do
    at all, AdapterError if it does and yet cannot provide what is needed."""
    place = scenario.id, settings.seed, settings.profile.name
    if not isinstance(runtime, Provides):
        return runtime.open(*place)
    try:
        return runtime.open_for(*place, scenario.needs)
    except Unsupported as error:
        if not scenario.needs:
            raise
        runtime.open(*place).close()  # says so, too, if it is for the profile
        claimed = ", ".join(map(repr, scenario.needs))
        raise AdapterError(
            f"the runtime claims {claimed}, but open_for() raised Unsupported: {message(error)}"
        ) from error


def _reason(judgement: Judgement) -> str:
    return next((str(f.reason) for f in judgement.findings if f.verdict is judgement.verdict), "")


def run_all(
    runtime: Runtime, scenarios: list[Scenario], settings: Settings, interrupted: threading.Event | None = None,
    about: About | None = None,
) -> Iterator[Outcome]:  # fmt: skip
    """Run scenarios side by side, at most ``settings.jobs`` at once; outcomes as they come.

    A scenario that does not come back within ``settings.limit`` seconds gets the verdict error, and is left behind.
    Once ``interrupted`` is set, or when the caller stops early, what has not begun is left out; what runs is asked to
    stop and waited for at most GRACE seconds. All that had ended by then is told. ``about`` is what the runtime has
    said of itself; without it it is asked. Raises NoRuntime if it has no answer.
    """
    told = about or described(runtime, settings.limit)
    todo: queue.SimpleQueue[Scenario] = queue.SimpleQueue()
    for scenario in scenarios:
        todo.put(scenario)
    done: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    running: dict[str, float] = {}
    stop = threading.Event()

    def work() -> None:
        while not (stop.is_set() or (interrupted and interrupted.is_set())):
            try:
                scenario = todo.get_nowait()
            except queue.Empty:
                return
            running[scenario.id] = time.monotonic()
            try:
                done.put(run_scenario(runtime, told, scenario, settings, stop))
            except BaseException as error:  # no history could be written, say
                done.put(_error(scenario, settings, named(error)))

    def begin() -> threading.Thread:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread

    threads = [begin() for _ in range(max(1, min(settings.jobs, len(scenarios))))]
    by_id = {scenario.id: scenario for scenario in scenarios}
    try:
        while by_id:
            try:
                outcome = done.get(timeout=0.5)
            except queue.Empty:
                if interrupted and interrupted.is_set():
                    return
                overdue = [
                    i for i, begun in running.items() if i in by_id and time.monotonic() - begun > settings.limit
                ]
                for scenario_id in overdue:
                    threads.append(begin())
                    reason = f"the adapter {STUCK} within {settings.limit:g} s"
                    yield _error(by_id.pop(scenario_id), settings, reason)
                continue
            if by_id.pop(outcome.scenario.id, None):
                yield outcome
    finally:
        stop.set()
        end = time.monotonic() + GRACE
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()) if by_id else 0.0)


GRACE = 10.0
"""Seconds that running scenarios get to clean up after an interruption."""


def run_one(runtime: Runtime, scenario: Scenario, settings: Settings, about: About | None = None) -> Outcome:
    """The outcome of a scenario that is run alone."""
    return next(iter(run_all(runtime, [scenario], settings, about=about)))


def _error(scenario: Scenario, settings: Settings, reason: str) -> Outcome:
    rules = scenario.rules(settings.profile.name)
    finding = Finding(Verdict.ERROR, rules, "scenario", reason)
    judgement = Judgement(scenario.id, settings.profile.name, Verdict.ERROR, (finding,), {}, 0)
    return Outcome(scenario, rules, judgement, settings.limit, None, Verdict.ERROR, reason)
