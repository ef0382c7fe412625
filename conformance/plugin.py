"""The pytest plugin: ``pytest --pyargs conformance --runtime simulator`` runs the suite against a runtime.

All collected scenarios are run side by side before the first is reported. ``unknown`` and ``error`` fail the test and
say so; ``skip`` skips it with its reason; ``disabled`` (a declared deviation) is an expected failure.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # imported only when there are scenarios to run: this plugin is loaded with every pytest
    from conformance.runner import Outcome
    from conformance.scenario import Scenario

OUTCOMES = pytest.StashKey[dict[str, "Outcome"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of a conformance run."""
    group = parser.getgroup("kubephase", "conformance of a runtime")
    group.addoption(
        "--runtime",
        default="simulator",
        metavar="NAME|module:Class|path.py:Class",
        help="runtime to judge (default: simulator)",
    )
    group.addoption(
        "--runtime-profile", default="seed", metavar="P", help="profile to judge by: seed or v0.17.0 (default: seed)"
    )
    group.addoption(
        "--runtime-select",
        action="append",
        default=[],
        metavar="PREFIX",
        help="only scenarios that check rules under this id",
    )
    group.addoption("--runtime-seed", type=int, default=0, metavar="N", help="seed of the run (default: 0)")
    group.addoption("--runtime-jobs", type=int, default=None, metavar="N", help="scenarios side by side")
    group.addoption(
        "--runtime-docker-host",
        action="append",
        default=[],
        metavar="URL",
        help="an engine for the runtime docker (may be repeated: each is a node)",
    )
    group.addoption("--runtime-image", default=None, metavar="NAME", help="an image that the engines have")
    group.addoption(
        "--runtime-fault", default=None, metavar="NAME", help="run a deliberately wrong build of the runtime"
    )
    group.addoption(
        "--runtime-deviations",
        type=Path,
        default=None,
        metavar="FILE",
        help="declared deviations of the runtime (TOML)",
    )


class ScenarioItem(pytest.Item):
    """One scenario under one policy."""

    def __init__(self, *, scenario: Scenario, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scenario = scenario

    def runtest(self) -> None:
        """Report the outcome of the run that `pytest_runtestloop` made."""
        from conformance.verdict import Verdict

        outcome = self.config.stash[OUTCOMES][self.scenario.id]
        match outcome.verdict:
            case Verdict.SKIP:
                pytest.skip(outcome.reason)
            case Verdict.DISABLED:
                pytest.xfail(outcome.reason)
            case Verdict.PASS:
                return
            case _:
                raise ScenarioFailed(outcome)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The findings, with the statements of their rules, instead of a traceback."""
        from conformance import report

        if isinstance(excinfo.value, ScenarioFailed):
            outcome = excinfo.value.outcome
            lines = [f"{outcome.verdict.upper()} {self.scenario.id}", *report.told(outcome.judgement)]
            return "\n".join([*lines, f"  checks: {', '.join(outcome.rules)}"])
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the scenario stands."""
        return self.path, self.scenario.function.__code__.co_firstlineno - 1, self.scenario.id


class ScenarioFailed(Exception):
    """The verdict on a scenario is fail, unknown or error."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"{outcome.verdict}: {outcome.reason}")
        self.outcome = outcome


def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> list[pytest.Item] | None:
    """Collect what the decorator `scenario` made."""
    if not name.startswith("test_") or type(obj).__module__ != "conformance.scenario":
        return None
    from conformance.scenario import ScenarioFunction

    if not isinstance(obj, ScenarioFunction):
        return None
    return [ScenarioItem.from_parent(collector, name=f"{name}[{s.policy}]", scenario=s) for s in obj.scenarios]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the scenarios that check no rule of the profile, or none under ``--runtime-select``."""
    if not any(isinstance(item, ScenarioItem) for item in items):
        return
    from conformance import scenario
    from model.profiles import UnknownProfile, profile
    from model.registry import UnknownRule

    try:
        chosen = {
            s.id
            for s in scenario.selected(
                profile(config.getoption("runtime_profile")).name,
                tuple(config.getoption("runtime_select")),
                [item.scenario for item in items if isinstance(item, ScenarioItem)],
            )
        }
    except (UnknownRule, UnknownProfile) as error:
        raise pytest.UsageError(str(error)) from error
    out = [item for item in items if isinstance(item, ScenarioItem) and item.scenario.id not in chosen]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Run all scenarios that were collected, side by side."""
    scenarios = [item.scenario for item in session.items if isinstance(item, ScenarioItem)]
    if scenarios and not session.config.getoption("collectonly"):
        session.config.stash[OUTCOMES] = {o.scenario.id: o for o in _run(session.config, scenarios)}


def _run(config: pytest.Config, scenarios: list[Scenario]) -> Iterable[Outcome]:
    from conformance import deviations, runner
    from model.profiles import profile

    option = config.getoption
    try:
        options = {"docker_hosts": option("runtime_docker_host"), "image": option("runtime_image")}
        runtime = runner.start(runner.runtime_class(option("runtime")), option("runtime_fault"), options)
        declared = deviations.load(option("runtime_deviations")) if option("runtime_deviations") else []
    except (runner.NoRuntime, deviations.BadDeviations) as error:
        raise pytest.UsageError(str(error)) from error
    settings = runner.Settings(
        profile(option("runtime_profile")), seed=option("runtime_seed"), jobs=option("runtime_jobs") or runner.JOBS
    )
    try:
        outcomes = list(runner.run_all(runtime, scenarios, settings))
    finally:
        problem = runner.close(runtime)
    if problem:
        raise pytest.UsageError(f"runtime {option('runtime')}: {problem}")
    today = datetime.datetime.now(datetime.UTC).date()
    for complaint in deviations.complaints(outcomes, declared, settings.profile.name, today):
        raise pytest.UsageError(complaint.findings[0].reason)
    return [deviations.excuse(outcome, declared, today) for outcome in outcomes]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell what the scenarios went through of the tables."""
    outcomes = config.stash.get(OUTCOMES, {})
    if not outcomes:
        return
    from conformance import coverage
    from model.profiles import profile

    covered = coverage.merged(outcome.judgement.coverage for outcome in outcomes.values())
    terminalreporter.section("what was covered")
    terminalreporter.write_line(coverage.table(profile(config.getoption("runtime_profile")), covered))
