"""The six verdicts, and how they combine. They are never merged into one another."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """What can be said of a rule, a scenario or a run."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"
    """The runtime lacks a capability; the reason says which."""
    DISABLED = "disabled"
    """Switched off by configuration: a declared deviation."""
    UNKNOWN = "unknown"
    """Timed out, or not all was seen: it may have happened."""
    ERROR = "error"
    """Our own engine, or the adapter, broke."""


RANK = (Verdict.FAIL, Verdict.ERROR, Verdict.UNKNOWN, Verdict.PASS, Verdict.DISABLED, Verdict.SKIP)
"""Which verdict wins when several are summed up, strongest first."""

SIGN = {
    Verdict.PASS: "✔",
    Verdict.FAIL: "✘",
    Verdict.SKIP: "–",
    Verdict.DISABLED: "○",
    Verdict.UNKNOWN: "?",
    Verdict.ERROR: "!",
}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The strongest of some verdicts; skip for none, as nothing was looked at."""
    return min(verdicts, key=RANK.index, default=Verdict.SKIP)


def exit_code(verdict: Verdict) -> int:
    """0 if what was looked at holds, 1 if it does not or cannot be said."""
    return 0 if verdict in (Verdict.PASS, Verdict.SKIP, Verdict.DISABLED) else 1
