"""The README shows real output: what can be compared without a clock is compared."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

from conformance import coverage, recordings, report, runner
from conformance.judge import judge
from conformance.scenario import selected
from diagrams.draw import graph
from model.profiles import PROFILES, profile
from tests.recorded import FILES, FOLDER

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_the_demo_is_the_real_one() -> None:
    settings = runner.Settings(profile("seed"))
    outcomes = list(runner.run_all(runner.start(runner.runtime_class("simulator")), selected("seed"), settings))
    read = [recordings.read(path) for path in FILES]
    columns = {"simulator": report.by_rule(outcomes)}
    for name, by in PROFILES.items():
        columns[f"recordings/{name}"] = report.of_judgements([judge(r, by) for r in read])
    assert report.matrix(columns) in README, "run `make docs`"


def test_the_findings_that_it_shows_are_the_real_ones() -> None:
    judgement = judge(recordings.read(FOLDER / "s17-kubelet-killed.ndjson"), profile("seed"))
    shown = report.told(judgement)
    assert shown[0] in README
    assert shown[1] in README


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme", ROOT / "tools" / "readme.py")
    assert spec
    assert spec.loader
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def test_its_counts_are_the_real_ones() -> None:
    assert _tool().counts() in README, "run `make docs`"


def test_its_figures_are_those_of_the_last_benchmark() -> None:
    block = f"<!-- performance -->\n{_tool().performance()}\n<!-- end -->"
    assert block in README, "run `python tools/readme.py performance`"


def test_its_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#][^)]*)\)", README):
        assert (ROOT / target).exists(), target


def test_no_committed_text_names_a_place_of_one_machine() -> None:
    for path in [*ROOT.glob("*.*"), ROOT / "Makefile", ROOT / ".ci" / "run", *(ROOT / "tools").iterdir()]:
        if path.is_file():
            assert not re.search(r"/(work|root|home)/\w", path.read_text(encoding="utf-8")), path


def test_the_counts_in_its_picture_of_a_coverage_are_the_real_ones() -> None:
    seed = profile("seed")
    runtime = runner.start(runner.runtime_class("simulator"), "oom-is-success")
    outcomes = runner.run_all(runtime, selected("seed"), runner.Settings(seed))
    covered = coverage.merged(outcome.judgement.coverage for outcome in outcomes)
    counts = re.compile(r"[a-z_]+ \d+×(?: ✘\d+)?")
    drawn = counts.findall(graph(seed, seed.containers["OnFailure"], covered).source)
    picture = (ROOT / "docs" / "coverage.svg").read_text(encoding="utf-8")
    assert sorted(counts.findall(picture)) == sorted(drawn), "run `make docs`"
    assert "out_of_memory 0× ✘3" in drawn
