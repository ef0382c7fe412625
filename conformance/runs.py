"""Runs as their reports tell of them: what `kubephase conform --report` has written, or `trace`, read and checked."""

from __future__ import annotations

import datetime
import json
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import msgspec

from conformance import coverage
from conformance.judge import Finding, Judgement
from conformance.runner import VERSION
from conformance.verdict import Verdict, worst
from model.profiles import PROFILES, Profile, UnknownProfile
from model.profiles import profile as profile_of

T = TypeVar("T")


class BadReport(Exception):
    """A folder that holds no report of a run, or a damaged one; the message says where and what to do."""


class About(msgspec.Struct, tag_field="kind", tag="run"):
    """The first line of a report: which runtime was run, by what, and when."""

    version: str
    runtime: str
    runtime_name: str
    runtime_version: str
    profile: str
    seed: int
    started: str
    fault: str | None = None
    select: list[str] = []
    capabilities: list[str] = []


class Scenario(msgspec.Struct, tag_field="kind", tag="scenario"):
    """One scenario's line of a report."""

    id: str
    policy: str
    rules: tuple[str, ...]
    verdict: Verdict
    reason: str
    findings: tuple[Finding, ...]
    seconds: float
    history: str | None = None
    covered: dict[str, int] = {}

    @property
    def judgement(self) -> Judgement:
        """What its history says, as far as the report tells."""
        return Judgement(self.id, "", self.verdict, self.findings, self.covered, 0)


class End(msgspec.Struct, tag_field="kind", tag="end"):
    """The last line of a report."""

    verdict: Verdict
    scenarios: int
    planned: int
    interrupted: bool
    seconds: float
    deviations: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Run:
    """One run. ``label`` tells it from the others; ``coverage`` is None if its report has none."""

    folder: Path
    label: str
    about: About
    scenarios: tuple[Scenario, ...]
    end: End
    coverage: coverage.Coverage | None

    @property
    def profile(self) -> Profile:
        """The reading that it was judged by."""
        return PROFILES[self.about.profile]

    def history(self, scenario: Scenario) -> Path | None:
        """The file with the history of a scenario, if it is there."""
        if scenario.history is None:
            return None
        path = self.folder / "histories" / Path(scenario.history).name
        return path if path.is_file() else None


def of_histories(
    files: Sequence[tuple[Path | None, Judgement]], profile: Profile, seconds: float, folder: Path
) -> list[Path]:
    """Write a report in ``folder`` as if the histories, judged by one profile, were the scenarios of a run of a runtime
    called ``recordings``. They are copied, but those that are no files. Returns the files; raises OSError."""
    histories = folder / "histories"
    shutil.rmtree(histories, ignore_errors=True)
    histories.mkdir(parents=True)
    scenarios = []
    for number, (path, judgement) in enumerate(files, 1):
        name = f"{number}-{path.name}" if path else None
        if path and name:
            shutil.copyfile(path, histories / name)
        reason = next((f.reason for f in judgement.findings if f.verdict is judgement.verdict), "")
        told = (judgement.verdict, reason, judgement.findings, 0.0, name, judgement.covered)
        scenarios.append(Scenario(judgement.name, "", (), *told))
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    about = About(VERSION, "trace", "recordings", "", profile.name, 0, started)
    verdict = worst(judgement.verdict for _, judgement in files)
    end = End(verdict, len(scenarios), len(scenarios), False, round(seconds, 3))
    covered = coverage.as_data(profile, coverage.merged(judgement.coverage for _, judgement in files))
    report = folder / "report.jsonl"
    report.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in (about, *scenarios, end)))
    (folder / "coverage.json").write_text(json.dumps(covered, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return [report, folder / "coverage.json", histories]


def read(folders: Sequence[Path]) -> list[Run]:
    """The runs in these folders, each with a label of its own. Raises BadReport."""
    runs = [_read(folder) for folder in folders]
    return [replace(run, label=label) for run, label in zip(runs, _labels(runs), strict=True)]


def _read(folder: Path) -> Run:
    path = folder / "report.jsonl"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise BadReport(f"{folder}: no report.jsonl there; kubephase conform --report DIR writes one") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadReport(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(lines) < 2:
        raise BadReport(f"{path}: is cut off: a report has a line on the run, and one on its end; run it again")
    about = _line(path, 1, lines[0], About, "the run")
    scenarios = tuple(_line(path, n, line, Scenario, "a scenario") for n, line in enumerate(lines[1:-1], 2))
    end = _line(path, len(lines), lines[-1], End, "the end of the run")
    try:
        profile_of(about.profile)
    except UnknownProfile as error:
        raise BadReport(f"{path}: line 1: {error}") from error
    return Run(folder, about.runtime_name, about, scenarios, end, _coverage(folder / "coverage.json"))


def _line(path: Path, number: int, line: str, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.DecodeError as error:
        raise BadReport(f"{path}: line {number}: expected what is told of {what}: {error}") from error


def _coverage(path: Path) -> coverage.Coverage | None:
    try:
        return coverage.from_data(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError) as error:
        raise BadReport(f"{path}: no coverage of a run: {error}; run it again, or remove the file") from error


def _labels(runs: Sequence[Run]) -> list[str]:
    """The runtime's name and version; where several have the same also what tells them apart."""
    labels = [f"{run.about.runtime_name} {run.about.runtime_version}".strip() for run in runs]
    for extras in (
        [f"under {run.about.profile}" for run in runs],
        [f"in {run.folder}" for run in runs],
        [f"#{number}" for number, _ in enumerate(runs, 1)],
    ):
        differing: dict[str, set[str]] = defaultdict(set)
        for label, extra in zip(labels, extras, strict=True):
            differing[label].add(extra)
        labels = [
            f"{label} {extra}" if len(differing[label]) > 1 else label
            for label, extra in zip(labels, extras, strict=True)
        ]
    return labels
