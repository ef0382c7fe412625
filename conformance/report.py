"""Reports: console tables, ``report.jsonl`` with the run's metadata, JUnit XML, and the matrix of rule groups."""

from __future__ import annotations

import datetime
import json
import platform
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import junitparser
from tabulate import tabulate

from conformance import coverage
from conformance.history import as_dict
from conformance.judge import Judgement
from conformance.runner import VERSION, Outcome, Settings
from conformance.runtime import About
from conformance.verdict import SIGN, Verdict, worst
from conformance.wording import printable
from model import registry
from model.profiles import PROFILES


class Judged(Protocol):
    """What came of one scenario, from a run or from its report."""

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that it is there to check."""

    @property
    def verdict(self) -> Verdict:
        """The verdict on it."""

    @property
    def judgement(self) -> Judgement:
        """What its history says."""


def by_rule(outcomes: Iterable[Judged]) -> dict[str, Verdict]:
    """The verdict on each rule: what the histories say of it, and of the scenarios that are there to check it."""
    found: dict[str, list[Verdict]] = defaultdict(list)
    for outcome in outcomes:
        for rule, verdict in outcome.judgement.by_rule().items():
            found[rule].append(outcome.verdict if verdict is Verdict.FAIL else verdict)
        if outcome.verdict is not Verdict.FAIL:
            for rule in outcome.rules:
                found[rule].append(outcome.verdict)
    return {rule: worst(verdicts) for rule, verdicts in found.items()}


def of_judgements(judgements: Iterable[Judgement]) -> dict[str, Verdict]:
    """The verdict on each rule over several recordings."""
    found: dict[str, list[Verdict]] = defaultdict(list)
    for judgement in judgements:
        for rule, verdict in judgement.by_rule().items():
            found[rule].append(verdict)
    return {rule: worst(verdicts) for rule, verdicts in found.items()}


def matrix(columns: Mapping[str, Mapping[str, Verdict]]) -> str:
    """Rule group × column: how many rules were looked at, and how many of them do not hold."""
    groups = list(dict.fromkeys(r.group for r in registry.all_rules().values()))
    rows = []
    for group in groups:
        cells = [
            _cell([v for rule, v in verdicts.items() if registry.rule(rule).group == group])
            for verdicts in columns.values()
        ]
        if any(cells):
            rows.append([group, *(cell or "·" for cell in cells)])
    rows.append(["all", *(_cell(list(verdicts.values())) or "·" for verdicts in columns.values())])
    return tabulate(rows, ["rule group", *columns], tablefmt="simple_outline")


def _cell(verdicts: Sequence[Verdict]) -> str:
    """``✔ 5``: five rules, all hold. ``✘ 2 of 5``: two of them do not."""
    if not verdicts:
        return ""
    counts = Counter(verdicts)
    strongest = worst(verdicts)
    if strongest in (Verdict.PASS, Verdict.SKIP, Verdict.DISABLED):
        skipped = counts[Verdict.SKIP]
        passed = f"{SIGN[Verdict.PASS]} {counts[Verdict.PASS]}" if counts[Verdict.PASS] else ""
        rest = [f"{SIGN[v]} {counts[v]}" for v in (Verdict.DISABLED,) if counts[v]]
        return "  ".join([p for p in (passed, *rest, f"{SIGN[Verdict.SKIP]} {skipped}" if skipped else "") if p])
    return f"{SIGN[strongest]} {counts[strongest]} of {len(verdicts)}"


LEGEND = "  ".join(f"{sign} {verdict}" for verdict, sign in SIGN.items()) + "  · not looked at; the number counts rules"


def summary(outcomes: Sequence[Outcome]) -> str:
    """Section × verdict, with the number of scenarios."""
    sections = list(dict.fromkeys(o.scenario.section for o in sorted(outcomes, key=lambda o: o.scenario.id)))
    kinds = [v for v in Verdict if any(o.verdict is v for o in outcomes)]
    rows = []
    for section in sections:
        counts = Counter(o.verdict for o in outcomes if o.scenario.section == section)
        rows.append([section, sum(counts.values()), *(counts[v] or "" for v in kinds)])
    total = Counter(o.verdict for o in outcomes)
    rows.append(["all", len(outcomes), *(total[v] or "" for v in kinds)])
    return tabulate(rows, ["section", "scenarios", *(f"{SIGN[v]} {v}" for v in kinds)], tablefmt="simple_outline")


def told(judgement: Judgement, limit: int = 20) -> list[str]:
    """The findings that are no pass, as lines, each with the statement of its first rule."""
    lines = []
    shown = [f for f in judgement.findings if f.verdict not in (Verdict.SKIP, Verdict.DISABLED)]
    for finding in shown[:limit]:
        lines.append(f"  {SIGN[finding.verdict]} {finding}")
        if finding.rules and (rule := registry.all_rules().get(finding.rules[0])):
            lines.append(f"      {rule.level}: {rule.statement} [{'; '.join(str(s) for s in rule.sources)}]")
    if len(shown) > limit:
        lines.append(f"  … and {len(shown) - limit} more")
    return lines


def run_data(
    about: About, spec: str, settings: Settings, selection: Sequence[str], fault: str | None
) -> dict[str, Any]:
    """The metadata of a run."""
    return {
        "kind": "run",
        "tool": "kubephase",
        "version": VERSION,
        "runtime": spec,
        "runtime_name": printable(about.name),
        "runtime_version": printable(about.version),
        "capabilities": sorted(about.under(settings.profile.name).capabilities),
        "notes": [printable(note) for note in about.notes],
        "profile": settings.profile.name,
        "seed": settings.seed,
        "jobs": settings.jobs,
        "deadline": settings.deadline,
        "select": list(selection),
        "fault": fault,
        "python": platform.python_version(),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def outcome_data(outcome: Outcome) -> dict[str, Any]:
    """One scenario's line of the report."""
    return {
        "kind": "scenario",
        "id": outcome.scenario.id,
        "policy": outcome.scenario.policy,
        "rules": list(outcome.rules),
        "verdict": outcome.verdict.value,
        "reason": outcome.reason,
        "findings": as_dict(outcome.judgement.findings),
        "covered": outcome.judgement.covered,
        "seconds": round(outcome.seconds, 3),
        "history": str(outcome.history.name) if outcome.history else None,
    }


def end_data(
    outcomes: Sequence[Outcome], planned: int, verdict: Verdict, seconds: float, extra: Sequence[Judgement],
    floor: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The last line of the report. ``floor``: what the bare work of the run took, if it was measured."""
    counts = Counter(o.verdict.value for o in outcomes)
    return {
        "kind": "end",
        "verdict": verdict.value,
        "counts": {v.value: counts[v.value] for v in Verdict},
        "scenarios": len(outcomes),
        "planned": planned,
        "interrupted": len(outcomes) < planned,
        "seconds": round(seconds, 3),
        "floor": floor and round(floor, 3),
        "deviations": [as_dict(f) for j in extra for f in j.findings],
    }


def coverage_data(outcomes: Iterable[Outcome], profile: str) -> dict[str, Any]:
    """What the run covered of the tables (`coverage.as_data`)."""
    return coverage.as_data(PROFILES[profile], coverage.merged(o.judgement.coverage for o in outcomes))


def write(folder: Path, data: dict[str, Any], outcomes: Sequence[Outcome], end: dict[str, Any]) -> None:
    """``report.jsonl``, ``coverage.json`` and ``junit.xml``. Raises OSError if the folder cannot be written."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [data, *(outcome_data(o) for o in outcomes), end]
    (folder / "report.jsonl").write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8"
    )
    covered = json.dumps(coverage_data(outcomes, data["profile"]), ensure_ascii=False, indent=1)
    (folder / "coverage.json").write_text(covered + "\n", encoding="utf-8")
    junit(outcomes, data, end).write(str(folder / "junit.xml"), pretty=True)


def junit(outcomes: Sequence[Outcome], data: Mapping[str, Any], end: Mapping[str, Any]) -> junitparser.JUnitXml:
    """The run as JUnit XML: a suite per section, a case per scenario."""
    xml = junitparser.JUnitXml("kubephase")
    for section in sorted({o.scenario.section for o in outcomes}):
        suite = junitparser.TestSuite(section)
        for key in ("version", "runtime_name", "runtime_version", "profile", "seed"):
            suite.add_property(key, str(data[key]))
        for outcome in (o for o in outcomes if o.scenario.section == section):
            case = junitparser.TestCase(
                f"{outcome.scenario.name}[{outcome.scenario.policy}]", f"{section}", outcome.seconds
            )
            text = "\n".join(str(f) for f in outcome.judgement.findings)
            match outcome.verdict:
                case Verdict.FAIL:
                    case.result = [junitparser.Failure(outcome.reason, "fail")]
                case Verdict.UNKNOWN:
                    case.result = [junitparser.Failure(f"unknown: {outcome.reason}", "unknown")]
                case Verdict.ERROR:
                    case.result = [junitparser.Error(outcome.reason, "error")]
                case Verdict.SKIP | Verdict.DISABLED:
                    case.result = [junitparser.Skipped(outcome.reason, outcome.verdict.value)]
            if text:
                case.system_out = text
            suite.add_testcase(case)
        xml.add_testsuite(suite)
    if end["deviations"]:
        suite = junitparser.TestSuite("deviations")
        for finding in end["deviations"]:
            case = junitparser.TestCase(finding["object"], "deviations")
            case.result = [junitparser.Failure(finding["reason"], "fail")]
            suite.add_testcase(case)
        xml.add_testsuite(suite)
    xml.update_statistics()  # type: ignore[no-untyped-call]
    return xml
