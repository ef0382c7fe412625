"""Each rule's scenario is the one that fails when its rule is broken."""

from __future__ import annotations

import pytest

from conformance.scenario import selected
from model.profiles import PROFILES
from tests import shown
from tests.altered import ALTERATIONS

BOTH = list(PROFILES)


@pytest.mark.parametrize("profile", BOTH)
def test_every_rule_of_a_scenario_has_a_witness_or_a_reason(profile: str) -> None:
    """Catches a scenario that claims a rule which it never fails by. `python tools/mutants.py --witnesses` looks for
    witnesses; what has none is listed in tests/data/mutants.toml with the reason."""
    rules, witnessed, excused = shown.claimed(profile).keys(), shown.witnesses(profile).keys(), shown.excused(profile)
    assert rules - witnessed == excused.keys()
    assert witnessed <= rules
    assert all(excused.values())
    assert len(excused) < 5


@pytest.mark.parametrize("profile", BOTH)
def test_a_scenario_fails_by_its_rule_when_that_is_broken(profile: str) -> None:
    """Every witness is tried."""
    scenarios = {one.id: one for one in selected(profile, ())}
    wrong = {
        rule: (broken, scenario)
        for rule, (broken, scenario) in shown.witnesses(profile).items()
        if rule not in shown.fails_by(profile, broken, scenarios[scenario])
    }
    assert wrong == {}


@pytest.mark.parametrize("name", ALTERATIONS)
def test_an_alteration_breaks_what_it_says(name: str) -> None:
    """Some scenario that claims the rule fails by it, in some profile."""
    found = {
        rule
        for profile in BOTH
        for scenario in selected(profile, ALTERATIONS[name].breaks)
        for rule in shown.fails_by(profile, name, scenario)
    }
    assert found == set(ALTERATIONS[name].breaks)
