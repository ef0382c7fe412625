"""What once broke something does not any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import CASES, TARGETS


@pytest.mark.parametrize(
    "path", sorted(path for path in CASES.glob("*/*") if path.is_file()), ids=lambda p: f"{p.parent.name}-{p.name}"
)
def test_what_once_broke_a_target_is_judged_or_refused_in_words(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())
