"""docs/live.md: two of its columns are made anew here; that of the real engines is compared by `make live`."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from conformance import deviations
from conformance.scenario import all_scenarios
from conformance.verdict import SIGN
from model.registry import all_rules

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "live.md").read_text(encoding="utf-8")
ROWS = {m[1]: m[2].split(" | ") for m in re.finditer(r"^\| `([a-z0-9.-]+)` \| (.*) \|$", PAGE, re.MULTILINE)}


@pytest.fixture(scope="module")
def live() -> ModuleType:
    spec = importlib.util.spec_from_file_location("live", ROOT / "tools" / "live.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_columns_of_simulator_and_recordings_are_true(live: ModuleType) -> None:
    """Catches a change of rules, scenarios or judge after which nobody ran `make live-docs`."""
    for place, column in ((0, live.simulator()), (2, live.recorded())):
        looked_at = {rule: SIGN[verdict] for rule, verdict in column.items() if verdict in live.LOOKED_AT}
        assert {rule: cells[place] for rule, cells in ROWS.items() if cells[place] != "·"} == looked_at


def test_every_deviation_is_told_with_a_scenario_that_there_is() -> None:
    declared = deviations.load(ROOT / "adapters" / "docker" / "deviations.toml")
    ids = [s.id for s in all_scenarios()]
    for deviation in declared:
        assert f"### `{deviation.id}`" in PAGE
        assert any(i.startswith(deviation.scenario) for i in ids), deviation.scenario


def test_what_is_broken_on_real_engines_is_declared() -> None:
    """Or follows from what is: a pod that is taken to be over, as its container was not restarted."""
    declared = {d.id for d in deviations.load(ROOT / "adapters" / "docker" / "deviations.toml")} | {"pod.phase.failed"}
    wrong = {rule for rule, cells in ROWS.items() if cells[1] not in ("✔", "·")}
    assert wrong <= all_rules().keys()
    assert [rule for rule in wrong if not any(rule == d or rule.startswith(f"{d}.") for d in declared)] == []
