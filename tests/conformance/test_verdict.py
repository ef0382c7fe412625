"""Verdicts are never merged: which one wins, and what the exit code says."""

from __future__ import annotations

import itertools

import pytest

from conformance.verdict import RANK, SIGN, Verdict, exit_code, worst


def test_fail_outranks_unknown_outranks_pass() -> None:
    assert worst([Verdict.PASS, Verdict.UNKNOWN, Verdict.FAIL]) is Verdict.FAIL
    assert worst([Verdict.PASS, Verdict.UNKNOWN]) is Verdict.UNKNOWN
    assert worst([Verdict.SKIP, Verdict.PASS]) is Verdict.PASS
    assert worst([]) is Verdict.SKIP


def test_a_broken_engine_is_no_pass() -> None:
    """Catches an order in which an error hides behind passes."""
    assert worst([Verdict.PASS, Verdict.ERROR]) is Verdict.ERROR
    assert exit_code(Verdict.ERROR) == 1


def test_the_order_is_total_and_the_sum_does_not_depend_on_it() -> None:
    assert set(RANK) == set(Verdict) == set(SIGN)
    for some in itertools.permutations([Verdict.SKIP, Verdict.FAIL, Verdict.DISABLED, Verdict.UNKNOWN]):
        assert worst(some) is Verdict.FAIL


@pytest.mark.parametrize(
    ("verdict", "code"),
    [("pass", 0), ("skip", 0), ("disabled", 0), ("fail", 1), ("unknown", 1), ("error", 1)],
)
def test_the_exit_code_follows(verdict: str, code: int) -> None:
    assert exit_code(Verdict(verdict)) == code
