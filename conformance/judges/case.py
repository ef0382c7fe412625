"""A case: one recording under one profile, and what has been found in it so far. All judges write into the same one."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from conformance import oracle
from conformance.coverage import Counted, Walk, add
from conformance.evidence import Evidence, Held
from conformance.verdict import Verdict, worst
from conformance.wording import printable
from model.profiles import Profile

WINDOW = 10_000
"""How many lines streams may lag behind one another: so many are read ahead of the one that is judged, and so many wait
behind it until what a line tells is compared with what other streams tell."""

OUTCOMES = 20_000
"""How many outcomes of checks are remembered."""

FINDINGS = 10_000
"""How many findings are told one by one; of more, only what is the first of its rules and verdict."""


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
    untold: int = 0
    """How many failures there are besides, like those that are told."""
    delivery: dict[str, int] = {}
    """How the lines came, as far as it is worth telling: by kind of event (`DELIVERY`), how often."""
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


def _printable(finding: Finding) -> Finding:
    """It quotes names and messages from the recording."""
    told = {name: printable(getattr(finding, name)) for name in ("object", "reason", "allowed")}
    return msgspec.structs.replace(finding, **told)


DELIVERY = {
    "objects": "objects, interleaved",
    "restarts": "restarts of a watch",
    "expired": "watches that ended, as their version was gone",
    "repeated": "frames that came again",
    "late": "frames that came after newer ones of other streams",
    "unseen": "objects that went while no watch was there to see it",
}
"""What is counted of how the lines came."""


At = tuple[Any, ...]
"""A place in the course of a judgement: these are compared."""

ORDER, UNSEEN, VERSION, OBJECT, WAITED, FORGOTTEN, GONE, END = range(8)
"""The steps that are done at one place, in this order."""


@dataclass(eq=False)
class Outcome:
    """What came of a check: what was seen to hold and gone through, where the object stands then; and how often the
    same came without being counted yet."""

    covers: Counter[tuple[str, ...]]
    counted: dict[str, Counted]
    standing: int
    times: int = 1


@dataclass
class Case:
    """What all judges know, and what they have found."""

    name: str
    profile: Profile
    evidence: Evidence = field(default_factory=Evidence)
    window: int = WINDOW
    place: int = 0
    """How many lines have been judged."""
    at: At = ()
    """Where the judgement is, so that findings of several judges can be put into the order in which one finds them: the
    place, and the step there (`ORDER` and so on); in a check that has waited, where that was asked for."""
    mine: bool = True
    """Whether what is found now is for this judge to tell: there may be others (`conformance.shares`)."""
    waiting: deque[tuple[int, At, bool, Callable[[], None]]] = field(default_factory=deque)
    """Checks that wait until the lines around one are known, each with the number of that."""
    forgetting: deque[tuple[int, At, bool, Callable[[], None]]] = field(default_factory=deque)
    """What is to be forgotten once nothing waits any more that may ask for it. Never at the end: then all is asked."""
    on_gone: list[Callable[[str, str], None]] = field(default_factory=list)
    """Who keeps something of an object (by name and uid) that is to be forgotten."""
    outcomes: dict[Hashable, Outcome] = field(default_factory=dict)
    """The outcomes of checks that came to no finding, by all that these ask for."""
    findings: list[Finding] = field(default_factory=list)
    places: list[At] = field(default_factory=list)
    """Where each of them was found."""
    kinds: set[tuple[Verdict, tuple[str, ...]]] = field(default_factory=set)
    """The verdicts and rules of all findings."""
    untold: int = 0
    delivery: Counter[str] = field(default_factory=Counter)
    covers: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """How often rules were seen to hold together."""
    down: Held = field(default_factory=Held)
    """Nodes that faults of ours hold down, and whose record nobody has deleted since."""
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
        if self.mine:
            self.covers[rules] += 1

    @property
    def covered(self) -> Counter[str]:
        """How often each rule of the profile was seen to hold."""
        self._recount()
        found: Counter[str] = Counter()
        for rules, count in self.covers.items():
            for rule in self.held(*rules):
                found[rule] += count
        return found

    def count(self, kind: str) -> None:
        """Count how the lines came (`DELIVERY`)."""
        if self.mine:
            self.delivery[kind] += 1

    def begin(self, step: int, *, mine: bool) -> None:
        """Begin a step of the judgement of a line, which is this judge's or not."""
        self.at, self.mine = (self.place, step), mine

    def later(self, check: Callable[[], None]) -> None:
        """Make a check when the lines after this one are known, too: a window later, or at the end."""
        self.waiting.append((self.place, self.at, self.mine, check))

    def forget(self, forget: Callable[[], None]) -> None:
        """Forget something when nothing waits any more that may ask for it: two windows later."""
        self.forgetting.append((self.place, self.at, self.mine, forget))

    def once(self, asked: Hashable, check: Callable[[], None], name: str = "") -> None:
        """Make a check that asks for nothing but this, and for where the object ``name`` stands in its tables. If all
        is well, what was seen to hold, and gone through, is counted again where the same is asked again; what is not
        well is looked at each time."""
        key = (asked, self.walk.standing(name), self.mine)
        if outcome := self.outcomes.get(key):
            outcome.times += 1
            if name:
                self.walk.stands(name, outcome.standing)
            return
        covers, counted, found = self.covers, self.walk.counted, len(self.findings) + self.untold
        self.covers, self.walk.counted = Counter(), defaultdict(Counted)
        try:
            check()
        finally:
            outcome = Outcome(self.covers, self.walk.counted, self.walk.standing(name))
            self.covers, self.walk.counted = covers, counted
            self._count(outcome)
        if len(self.findings) + self.untold == found:
            if len(self.outcomes) == OUTCOMES:
                self._recount()
                self.walk.forget_unused()
            self.outcomes[key] = outcome

    def _count(self, outcome: Outcome) -> None:
        """Count the outcome of a check as often as it came."""
        for rules, count in outcome.covers.items():
            self.covers[rules] += count * outcome.times
        add(self.walk.counted, outcome.counted, outcome.times)
        outcome.times = 0

    def _recount(self) -> None:
        """Count the outcomes that came again, and forget them."""
        for outcome in self.outcomes.values():
            self._count(outcome)
        self.outcomes.clear()

    def check(self, *, at_end: bool = False) -> None:
        """Make the checks that have waited long enough; at the end all of them."""
        while self.waiting and (at_end or self.waiting[0][0] + self.window <= self.place):
            _, asked, self.mine, check = self.waiting.popleft()
            self.at = (self.place, WAITED, asked)
            check()
        while self.forgetting and not at_end and self.forgetting[0][0] + 2 * self.window <= self.place:
            _, asked, self.mine, forget = self.forgetting.popleft()
            self.at = (self.place, FORGOTTEN, asked)
            forget()

    def gone(self, name: str, uid: str) -> None:
        """An object is gone, and whatever could be told of it has been told."""
        for forget in self.on_gone:
            forget(name, uid)

    def find(self, finding: Finding) -> None:
        """Keep a finding. There may be very many, and one place may be enough to see why."""
        if not self.mine:
            return
        kind = (finding.verdict, finding.rules)
        if len(self.findings) < FINDINGS or kind not in self.kinds:
            self.findings.append(_printable(finding))
            self.places.append(self.at)
            self.kinds.add(kind)
        else:
            self.untold += 1

    def fail(
        self, rules: tuple[str, ...], name: str, reason: str, line: int, last_line: int = 0, allowed: str = ""
    ) -> None:
        """Something contradicts these rules. Nothing is found if none of them is of the profile."""
        held = self.held(*rules)
        if self.mine and (held or not rules):
            self.find(Finding(Verdict.FAIL, held, name, reason, line, last_line, allowed))
            self.walk.fail(name, held)

    def holds(self, ok: bool, rules: tuple[str, ...], name: str, reason: str, line: int, allowed: str = "") -> None:
        """One check: the rules are seen to hold, or something contradicts them."""
        if ok:
            self.cover(*rules)
        elif rules:
            self.fail(rules, name, reason, line, 0, allowed)

    def gapless(self, begin: int | None, end: int | None) -> bool:
        """Whether no frame can be missing between two versions of the API."""
        return self.evidence.versions.gapless(begin, end)
