"""Rules × scenarios: what shows that a scenario fails by the rule that it is there to check, when that rule is broken.

A rule is shown by a *witness*: a wrong build of the simulator, or an alteration of what is observed of it that breaks
the rule, under which a scenario that claims the rule fails with a finding that names it. One witness of each rule
stands in `tests/data/witnesses.toml`, which `python tools/mutants.py --witnesses` writes; what has none, with the
reason, in `tests/data/mutants.toml`.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from adapters.simulator import FAULTS, Simulator
from conformance.runner import Settings, run_scenario
from conformance.scenario import Scenario, selected
from conformance.verdict import Verdict
from model.profiles import PROFILES
from tests.altered import ALTERATIONS, runtime
from tests.mutants import DATA

WITNESSES = DATA / "witnesses.toml"
Witness = tuple[str, str]
"""What is broken, and the id of a scenario that fails."""


def claimed(profile: str) -> dict[str, list[Scenario]]:
    """The scenarios that are there to check a rule."""
    found: dict[str, list[Scenario]] = defaultdict(list)
    for scenario in selected(profile, ()):
        for rule in scenario.rules(profile):
            found[rule].append(scenario)
    return found


def fails_by(profile: str, broken: str, scenario: Scenario) -> set[str]:
    """The rules that a scenario claims, and fails by when this is broken. An alteration shows what it breaks only."""
    if broken in ALTERATIONS:
        subject, breaks = runtime(ALTERATIONS[broken]), set(ALTERATIONS[broken].breaks)
    else:
        subject, breaks = Simulator(fault=broken), set(scenario.rules(profile))
    judgement = run_scenario(subject, subject.describe(), scenario, Settings(PROFILES[profile])).judgement
    named = {rule for finding in judgement.findings if finding.verdict is Verdict.FAIL for rule in finding.rules}
    return named & breaks & set(scenario.rules(profile))


def shown(profile: str) -> dict[str, list[Witness]]:
    """All witnesses of each rule: every scenario that claims it with everything that breaks it."""
    found: dict[str, list[Witness]] = defaultdict(list)
    for broken, scenario in _trials(profile):
        for rule in fails_by(profile, broken, scenario):
            found[rule].append((broken, scenario.id))
    return found


def _trials(profile: str) -> Iterator[tuple[str, Scenario]]:
    rules = claimed(profile)
    for name, alteration in ALTERATIONS.items():
        scenarios = {one.id: one for rule in alteration.breaks for one in rules.get(rule, ())}
        yield from ((name, one) for one in scenarios.values())
    builds = {fault: wrong.topic for fault, wrong in FAULTS.items() if profile in wrong.profiles}
    nobodys = [rule for rule in rules if not any(rule.startswith(topic) for topic in builds.values())]
    for fault, topic in builds.items():  # a rule that is no build's topic may be broken by any
        broken = [rule for rule in rules if rule.startswith(topic) or rule in nobodys]
        scenarios = {one.id: one for rule in broken for one in rules[rule]}
        yield from ((fault, one) for one in scenarios.values())


def witnesses(profile: str) -> dict[str, Witness]:
    """The witness of each rule, as it is written down."""
    data = tomllib.loads(WITNESSES.read_text(encoding="utf-8"))
    return {rule: (broken, scenario) for rule, (broken, scenario) in data.get(profile, {}).items()}


def written(by_profile: Mapping[str, Mapping[str, Sequence[Witness]]]) -> str:
    """The file of witnesses: of each rule the one that breaks the fewest rules, so that it is this one's own."""
    lines = ["# Of each rule that scenarios claim: what shows it, and by which scenario. tools/mutants.py --witnesses"]
    for profile, found in by_profile.items():
        broad: dict[str, int] = defaultdict(int)
        for ways in found.values():
            for broken in {broken for broken, _ in ways}:
                broad[broken] += 1
        lines += ["", f'["{profile}"]']
        for rule in sorted(found):
            broken, scenario = min(found[rule], key=lambda way: (broad[way[0]], way))
            lines.append(f'"{rule}" = ["{broken}", "{scenario}"]')
    return "\n".join(lines) + "\n"


def excused(profile: str) -> dict[str, str]:
    """The rules that nothing shows, with the reason."""
    data = tomllib.loads((DATA / "mutants.toml").read_text(encoding="utf-8"))
    return {rule: one["reason"] for one in data.get("not_shown", ()) for rule in one["rules"].get(profile, ())}
