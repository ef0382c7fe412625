"""Known deviations of a runtime, declared in a TOML file instead of being hidden in the tests.

    [[deviation]]
    id = "pod.event"                    # a rule id, or a prefix of one
    reason = "records no event when a container exits"
    link = "https://example.org/issues/7"
    expires = 2027-06-30
    scenario = "restart_policy/one_container"   # optional: only in scenarios whose id begins so

A scenario that fails only by declared rules is `disabled`, with the reason. A deviation that no scenario shows any more
is an unexpected pass, and a failure; so is one that has expired.
"""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Annotated

import msgspec

from conformance.judge import Finding, Judgement
from conformance.runner import Outcome
from conformance.verdict import Verdict
from model import registry

Text = Annotated[str, msgspec.Meta(min_length=1)]


class Deviation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One declared deviation."""

    id: Text
    reason: Text
    link: Text
    expires: datetime.date
    scenario: str = ""

    def speaks_of(self, outcome: Outcome) -> bool:
        """Whether it is about this scenario."""
        return outcome.scenario.id.startswith(self.scenario)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    deviation: list[Deviation] = []


class BadDeviations(ValueError):
    """The file cannot be used; the message says why."""


def load(path: Path) -> list[Deviation]:
    """The deviations of a file. Raises BadDeviations for one that cannot be read, or a rule id that does not exist."""
    try:
        found = msgspec.toml.decode(path.read_bytes(), type=_File).deviation
    except OSError as error:
        raise BadDeviations(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadDeviations(f"{path}: {error}") from error
    for deviation in found:
        try:
            registry.select(deviation.id)
        except registry.UnknownRule as error:
            raise BadDeviations(f"{path}: {error}") from error
    return found


def excuse(outcome: Outcome, declared: list[Deviation], today: datetime.date) -> Outcome:
    """The outcome with what is declared taken into account."""
    failures = [f for f in outcome.judgement.findings if f.verdict is Verdict.FAIL]
    about = [deviation for deviation in declared if deviation.speaks_of(outcome)]
    reasons = [_reason(finding, about, today) for finding in failures]
    if not failures or not all(reasons):
        return outcome
    return dataclasses.replace(outcome, verdict=Verdict.DISABLED, reason="; ".join(dict.fromkeys(reasons)))


def _reason(finding: Finding, declared: list[Deviation], today: datetime.date) -> str:
    for deviation in declared:
        if deviation.expires >= today and any(registry.is_under(rule, deviation.id) for rule in finding.rules):
            return f"{deviation.id}: {deviation.reason} ({deviation.link}, until {deviation.expires})"
    return ""


def complaints(
    outcomes: list[Outcome], declared: list[Deviation], profile: str, today: datetime.date
) -> list[Judgement]:
    """A failure for each deviation that has expired, or that no scenario that checks its rules shows any more."""
    found = []
    for deviation in declared:
        about = [o for o in outcomes if deviation.speaks_of(o)]
        checking = [o for o in about if deviation.scenario or any(registry.is_under(r, deviation.id) for r in o.rules)]
        shown = any(
            registry.is_under(rule, deviation.id)
            for o in about
            for f in o.judgement.findings
            if f.verdict is Verdict.FAIL
            for rule in f.rules
        )
        ran = [o for o in checking if o.verdict not in (Verdict.SKIP, Verdict.ERROR, Verdict.UNKNOWN)]
        if deviation.expires < today:
            why = f"the deviation expired on {deviation.expires}: mend it or renew it ({deviation.link})"
        elif ran and not shown:
            why = f"unexpected pass: {len(ran)} scenarios check it and none fails; remove it ({deviation.reason})"
        else:
            continue
        finding = Finding(Verdict.FAIL, (deviation.id,), f"deviation {deviation.id}", why)
        found.append(Judgement(f"deviation {deviation.id}", profile, Verdict.FAIL, (finding,), {}, 0))
    return found
