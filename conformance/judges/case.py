"""A case: one recording under one profile, and what has been found in it so far. All judges write into the same one."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import msgspec

from conformance import oracle
from conformance.coverage import Counted, Walk
from conformance.evidence import Evidence
from conformance.recordings import Recording
from conformance.verdict import Verdict, worst
from model.profiles import Profile


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing found in a history. ``line`` is the first inexplicable line, ``last_line`` the last explainable one of
    the same object; ``allowed`` is what the model would have allowed instead."""

    verdict: Verdict
    rules: tuple[str, ...]
    object: str
    reason: str
    line: int = 0
    last_line: int = 0
    allowed: str = ""

    def __str__(self) -> str:
        place = f" line {self.line}" if self.line else ""
        instead = f"; allowed: {self.allowed}" if self.allowed else ""
        after = f" (last explainable: line {self.last_line})" if self.last_line else ""
        rules = ", ".join(self.rules) or "no rule"
        return f"{self.verdict.upper()} {rules}:{place}: {self.object}: {self.reason}{instead}{after}"


class Judgement(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was found in one recording under one profile. ``covered`` counts, by rule, how often it was seen to hold,
    ``coverage`` how often each state, row and pair of rows of a table was gone through."""

    name: str
    profile: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    covered: dict[str, int]
    frames: int
    ignored: int = 0
    coverage: dict[str, Counted] = {}

    def by_rule(self) -> dict[str, Verdict]:
        """The verdict on each rule that was looked at: the strongest of its findings, else pass if it was covered."""
        found: dict[str, list[Verdict]] = defaultdict(list)
        for rule in self.covered:
            found[rule].append(Verdict.PASS)
        for finding in self.findings:
            for rule in finding.rules:
                found[rule].append(finding.verdict)
        return {rule: worst(verdicts) for rule, verdicts in found.items()}


@dataclass
class Case:
    """What all judges know, and what they have found."""

    recording: Recording
    profile: Profile
    evidence: Evidence
    findings: list[Finding] = field(default_factory=list)
    covered: Counter[str] = field(default_factory=Counter)
    down: set[str] = field(default_factory=set)
    """Nodes that a fault of ours holds down."""
    ended: set[str] = field(default_factory=set)
    """Nodes that an action of ours has ended."""
    cordoned: set[str] = field(default_factory=set)
    """Nodes that an action of ours has marked unschedulable."""
    listed: set[str] = field(default_factory=set)
    """The machines that the cloud lists."""
    quiescent: int = 0
    """The line that says that nothing more will happen, if that still holds."""
    walk: Walk = field(init=False)
    """What the objects go through."""

    def __post_init__(self) -> None:
        self.walk = Walk(self.profile)

    def held(self, *rules: str) -> tuple[str, ...]:
        """Those of ``rules`` that hold in the profile."""
        return oracle.held(self.profile, rules)

    def cover(self, *rules: str) -> None:
        """Count rules as seen to hold, as far as they are of the profile."""
        self.covered.update(self.held(*rules))

    def fail(
        self, rules: tuple[str, ...], name: str, reason: str, line: int, last_line: int = 0, allowed: str = ""
    ) -> None:
        """Something contradicts these rules. Nothing is found if none of them is of the profile."""
        held = self.held(*rules)
        if held or not rules:
            self.findings.append(Finding(Verdict.FAIL, held, name, reason, line, last_line, allowed))
            self.walk.fail(name, held)

    def holds(self, ok: bool, rules: tuple[str, ...], name: str, reason: str, line: int, allowed: str = "") -> None:
        """One check: the rules are seen to hold, or something contradicts them."""
        if ok:
            self.cover(*rules)
        elif rules:
            self.fail(rules, name, reason, line, 0, allowed)

    def gapless(self, begin: int | None, end: int | None) -> bool:
        """Whether no frame can be missing between two versions of the API: in v0.17.0 one counter gives every change of
        any object its version, so a version that some frame has cannot be that of a missing one."""
        if begin is None or end is None:
            return False
        return all(version in self.evidence.versions for version in range(begin + 1, end))
