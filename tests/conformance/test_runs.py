"""Reading the reports of runs back, and what is said of folders that hold none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from adapters.simulator import Simulator
from conformance import coverage, report, runs
from conformance.runner import Settings, run_all
from conformance.scenario import selected
from conformance.verdict import Verdict, worst
from model.profiles import profile


def reported(folder: Path, by: str = "seed", fault: str | None = None, select: str = "pod.restart.oom") -> Path:
    """The report of a run of the simulator."""
    runtime, settings = Simulator(fault=fault), Settings(profile(by), folder=folder / "histories")
    (folder / "histories").mkdir(parents=True)
    outcomes = list(run_all(runtime, selected(by, (select,)), settings))
    data = report.run_data(runtime.describe(), "simulator", settings, (select,), fault)
    end = report.end_data(outcomes, len(outcomes), worst(o.verdict for o in outcomes), 1.0, [])
    report.write(folder, data, outcomes, end)
    return folder


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reported(tmp_path_factory.mktemp("right"))


@pytest.fixture
def damaged(right: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(right, tmp_path / "damaged"))


def lines(folder: Path) -> list[str]:
    return (folder / "report.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)


def test_a_report_tells_all_that_the_run_knew(tmp_path: Path) -> None:
    """The same verdict on each rule, and the same coverage, as the outcomes themselves."""
    settings = Settings(profile("seed"))
    folder = reported(tmp_path / "wrong", fault="oom-is-success")
    outcomes = list(run_all(Simulator(fault="oom-is-success"), selected("seed", ("pod.restart.oom",)), settings))
    [run] = runs.read([folder])
    assert report.by_rule(run.scenarios) == report.by_rule(outcomes)
    assert Verdict.FAIL in report.by_rule(run.scenarios).values()
    assert run.coverage == coverage.merged(o.judgement.coverage for o in outcomes)
    assert run.end.verdict is Verdict.FAIL
    for scenario in run.scenarios:
        history = run.history(scenario)
        assert history
        assert scenario.id in history.read_text(encoding="utf-8").splitlines()[0]


def test_runs_get_labels_that_tell_them_apart(right: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(right, tmp_path / "other"))
    code = reported(tmp_path / "code", by="v0.17.0")
    wrong = reported(tmp_path / "wrong", fault="oom-is-success")

    def labels(*folders: Path) -> list[str]:
        return [run.label for run in runs.read(folders)]

    assert labels(right) == ["simulator 1"]
    assert labels(right, wrong) == ["simulator 1", "simulator 1+oom-is-success"]
    assert labels(right, code) == ["simulator 1 under seed", "simulator 1 under v0.17.0"]
    assert labels(right, other, wrong) == [
        f"simulator 1 in {right}",
        f"simulator 1 in {other}",
        "simulator 1+oom-is-success",
    ]
    assert labels(right, right) == ["simulator 1 #1", "simulator 1 #2"]


def test_a_report_without_coverage_is_one_all_the_same(damaged: Path) -> None:
    """Reports of earlier versions have none, and count no rules that held."""
    (damaged / "coverage.json").unlink()
    path = damaged / "report.jsonl"
    old = [json.loads(line) for line in lines(damaged)]
    for line in old:
        line.pop("covered", None)
    path.write_text("".join(json.dumps(line) + "\n" for line in old), encoding="utf-8")
    [run] = runs.read([damaged])
    assert run.coverage is None
    assert set(report.by_rule(run.scenarios)) == {rule for s in run.scenarios for rule in s.rules}


def test_a_history_is_only_looked_for_in_its_folder(damaged: Path) -> None:
    (damaged.parent / "secret.ndjson").write_text("secret", encoding="utf-8")
    path = damaged / "report.jsonl"
    first, scenario, *rest = lines(damaged)
    wrong = {**json.loads(scenario), "history": "../../secret.ndjson"}
    path.write_text("".join([first, json.dumps(wrong) + "\n", *rest]), encoding="utf-8")
    [run] = runs.read([damaged])
    assert run.history(run.scenarios[0]) is None
    assert run.history(run.scenarios[1])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda old: [], "cut off"),
        (lambda old: old[:1], "cut off"),
        (lambda old: old[:-1], "expected what is told of the end of the run"),
        (lambda old: [*old[:1], "{", *old[1:]], "line 2: expected what is told of a scenario"),
        (lambda old: old[1:], "line 1: expected what is told of the run"),
        (lambda old: [old[0].replace('"seed",', '"sed",'), *old[1:]], "nearest: seed"),
        (lambda old: [old[0], old[1].replace('"verdict": "pass"', '"verdict": "fine"'), *old[2:]], "fine"),
    ],
)
def test_a_damaged_report_is_told_with_its_line(damage, said: str, damaged: Path) -> None:  # type: ignore[no-untyped-def]
    (damaged / "report.jsonl").write_text("".join(damage(lines(damaged))), encoding="utf-8")
    with pytest.raises(runs.BadReport) as raised:
        runs.read([damaged])
    assert said in str(raised.value)
    assert str(damaged) in str(raised.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"machines": {"node": 1}}', '{"profile": "seed"}', "\xff"])
def test_a_damaged_coverage_is_told(text: str, damaged: Path) -> None:
    (damaged / "coverage.json").write_text(text, encoding="latin-1")
    with pytest.raises(runs.BadReport, match=r"coverage\.json"):
        runs.read([damaged])


def test_a_folder_without_a_report_is_told(tmp_path: Path) -> None:
    with pytest.raises(runs.BadReport, match="kubephase conform --report"):
        runs.read([tmp_path])
    (tmp_path / "report.jsonl").mkdir()
    with pytest.raises(runs.BadReport, match="cannot be read"):
        runs.read([tmp_path])
