"""The report as a page: rules × runtimes, with the reason of each verdict, the histories and the pictures.

``index.html`` needs nothing but itself and the histories that are copied beside it: no network, and no JavaScript but
for searching. It is written from ``page.html``, ``page.css`` and ``page.js`` in this folder.
"""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from conformance import coverage
from conformance.report import by_rule
from conformance.runner import VERSION
from conformance.runs import Run, Scenario
from conformance.verdict import RANK, SIGN, Verdict, worst
from model import registry
from model.lts.table import Table
from model.registry import Rule

SHOWN = 10
"""So many findings are shown of one rule in one run; all are with the scenarios."""

NOT_LOOKED_AT, NOT_IN_PROFILE = "not looked at", "not in the profile"

Pictures = Mapping[tuple[int, str], str]
"""SVG by number of the run and name of the table."""


@dataclass(frozen=True)
class Reason:
    """Why a rule has a verdict in one scenario; ``history`` is a link."""

    verdict: Verdict
    scenario: str
    text: str
    allowed: str
    line: int
    history: str | None


@dataclass(frozen=True)
class Step:
    """A row that encodes a rule, and what became of it."""

    table: str
    anchor: str
    row: str
    count: int
    failed: int


@dataclass(frozen=True)
class Cell:
    """One rule in one run. ``held``: how often it was seen to hold, ``scenarios``: in how many."""

    verdict: Verdict | None
    word: str
    sign: str
    held: int = 0
    scenarios: int = 0
    reasons: tuple[Reason, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def times(self) -> int:
        """How many of the reasons are for the verdict itself: under a pass some scenarios may have been skipped."""
        return sum(reason.verdict is self.verdict for reason in self.reasons)

    @property
    def shown(self) -> tuple[Reason, ...]:
        """The reasons that have room."""
        return self.reasons[:SHOWN]


@dataclass(frozen=True)
class Line:
    """One rule in all runs. A report of another version may name a rule that is not known here."""

    id: str
    rule: Rule | None
    cells: tuple[Cell, ...]

    @property
    def anchor(self) -> str:
        """Where its reasons stand."""
        return f"rule-{slug(self.id)}"

    @property
    def verdicts(self) -> str:
        """The words of its cells, to be searched."""
        return " ".join(dict.fromkeys(cell.word.replace(" ", "-") for cell in self.cells))


@dataclass(frozen=True)
class Machine:
    """One table of a run with its regions, each with how much of it was covered. ``picture`` is SVG, or empty."""

    name: str
    anchor: str
    picture: str
    parts: tuple[tuple[str, dict[str, tuple[int, int]], int], ...]
    """Name, covered and all by kind, rows failed."""
    rows: tuple[tuple[str, str, int, int, tuple[str, ...]], ...]
    """Part, row, count, failures, rules."""


def slug(name: str) -> str:
    """A name as part of an anchor."""
    return re.sub(r"[^\w.]+", "-", name)


def write(out: Path, runs: Sequence[Run], pictures: Pictures) -> list[Path]:
    """Write ``index.html``, and the histories under ``histories/NUMBER``; return the files. Raises OSError."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for number, run in enumerate(runs, 1):
        folder = out / "histories" / str(number)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for scenario in run.scenarios:
            if history := run.history(scenario):
                written.append(Path(shutil.copyfile(history, folder / history.name)))
    page = out / "index.html"
    page.write_text(html(runs, pictures), encoding="utf-8", newline="\n")
    return [page, *written]


def html(runs: Sequence[Run], pictures: Pictures) -> str:
    """The page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["slug"] = slug
    lines = _lines(runs)
    groups: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        groups[line.rule.group if line.rule else "unknown to this version"].append(line)
    verdict = worst(run.end.verdict for run in runs)
    return environment.get_template("page.html").render(
        runs=[_run(number, run, pictures) for number, run in enumerate(runs, 1)],
        groups=groups,
        words=[word for word in _words() if any(cell.word == word for line in lines for cell in line.cells)],
        verdict=verdict,
        sign=SIGN,
        legend=_words(),
        version=VERSION,
        shown=SHOWN,
    )


def _words() -> dict[str, str]:
    """The words for a cell, and their signs."""
    return {**{verdict.value: sign for verdict, sign in SIGN.items()}, NOT_LOOKED_AT: "·", NOT_IN_PROFILE: "∅"}


# --- the matrix -----------------------------------------------------------------------------------------------------


def _lines(runs: Sequence[Run]) -> list[Line]:
    known = registry.all_rules()
    verdicts = [by_rule(run.scenarios) for run in runs]
    profiles = {run.about.profile for run in runs}
    ids = [rule.id for rule in known.values() if profiles.intersection(rule.profiles)]
    ids += sorted(set().union(*verdicts) - set(ids))
    columns = [
        _column(number, run, ids, found) for number, (run, found) in enumerate(zip(runs, verdicts, strict=True), 1)
    ]
    return [Line(i, known.get(i), tuple(column[i] for column in columns)) for i in ids]


def _column(number: int, run: Run, ids: Iterable[str], verdicts: Mapping[str, Verdict]) -> dict[str, Cell]:
    """The cells of one run."""
    reasons = _reasons(number, run)
    held: dict[str, list[int]] = defaultdict(list)
    for scenario in run.scenarios:
        for rule, count in scenario.covered.items():
            held[rule].append(count)
    steps = _steps(number, run)
    known, words = registry.all_rules(), _words()
    cells = {}
    for i in ids:
        verdict = verdicts.get(i)
        outside = i in known and run.about.profile not in known[i].profiles
        word = verdict.value if verdict else NOT_IN_PROFILE if outside else NOT_LOOKED_AT
        cells[i] = Cell(verdict, word, words[word], sum(held[i]), len(held[i]), tuple(reasons[i]), tuple(steps[i]))
    return cells


def _reasons(number: int, run: Run) -> dict[str, list[Reason]]:
    """By rule, all that is no pass: the strongest first, else in the order of the scenarios."""
    found: dict[str, list[Reason]] = defaultdict(list)
    for scenario in run.scenarios:
        link = _link(number, run, scenario)
        for finding in scenario.findings:
            verdict = scenario.verdict if finding.verdict is Verdict.FAIL else finding.verdict
            text = f"{finding.object}: {finding.reason}"
            for rule in finding.rules:
                found[rule].append(Reason(verdict, scenario.id, text, finding.allowed, finding.line, link))
        told = {rule for finding in scenario.findings for rule in finding.rules}
        if scenario.verdict not in (Verdict.PASS, Verdict.FAIL):
            for rule in set(scenario.rules) - told:
                found[rule].append(Reason(scenario.verdict, scenario.id, scenario.reason, "", 0, link))
    for reasons in found.values():
        reasons.sort(key=lambda reason: RANK.index(reason.verdict))
    return found


def _steps(number: int, run: Run) -> dict[str, list[Step]]:
    """By rule, the rows that encode it."""
    found: dict[str, list[Step]] = defaultdict(list)
    for table in coverage.whole(run.profile):
        for part, rows in coverage.parts(table).items():
            counted = (run.coverage or {}).get(part, coverage.Counted())
            for row in rows.rows:
                name = str(row)
                step = Step(part, _anchor(number, table), name, counted.rows.get(name, 0), counted.failed.get(name, 0))
                for rule in row.rules:
                    found[rule].append(step)
    return found


def _link(number: int, run: Run, scenario: Scenario) -> str | None:
    history = run.history(scenario)
    return f"histories/{number}/{history.name}" if history else None


# --- a run ----------------------------------------------------------------------------------------------------------


def _run(number: int, run: Run, pictures: Pictures) -> dict[str, Any]:
    """What the page tells of a run."""
    return {
        "number": number,
        "label": run.label,
        "about": run.about,
        "end": run.end,
        "counts": {v: sum(s.verdict is v for s in run.scenarios) for v in Verdict},
        "scenarios": [(scenario, _link(number, run, scenario)) for scenario in run.scenarios],
        "machines": [_machine(number, run, table, pictures) for table in coverage.whole(run.profile)]
        if run.coverage is not None
        else [],
        "unobserved": coverage.unobserved(run.profile),
    }


def _machine(number: int, run: Run, table: Table, pictures: Pictures) -> Machine:
    parts: list[tuple[str, dict[str, tuple[int, int]], int]] = []
    rows: list[tuple[str, str, int, int, tuple[str, ...]]] = []
    for name, part in coverage.parts(table).items():
        counted, there_is = (run.coverage or {}).get(name, coverage.Counted()), coverage.possible(part)
        sizes = {kind: (len(getattr(counted, kind)), len(there_is[kind])) for kind in coverage.KINDS}
        parts.append((name, sizes, len(counted.failed)))
        rows += [
            (name, str(row), counted.rows.get(str(row), 0), counted.failed.get(str(row), 0), row.rules)
            for row in part.rows
        ]
    picture = pictures.get((number, table.name), "")
    return Machine(table.name, _anchor(number, table), picture, tuple(parts), tuple(rows))


def _anchor(number: int, table: Table) -> str:
    return f"run-{number}-{slug(table.name)}"
