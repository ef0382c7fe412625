"""The rules are complete, quote their sources truly, and a broken rule file says where it is broken."""

from __future__ import annotations

import re

import pytest

from conformance.references import references
from model import pod, registry
from model.cluster import Size
from model.container import POLICIES
from model.profiles import PROFILES, Profile
from model.properties import properties
from model.registry import Rule, Source, UnknownRule

from .support import reference

SEED_LINES = reference("seed.md").split("\n")
BOTH = list(PROFILES.values())


def quoted(document: str) -> list[tuple[Rule, Source]]:
    return [(rule, s) for rule in registry.all_rules().values() for s in rule.sources if s.document == document]


def squeezed(text: str) -> str:
    return " ".join(text.split())


def sections() -> dict[str, str]:
    """The text of v0.17.0.md under each of its anchors: from a bold name at the start of a line to the next one."""
    parts = re.split(r"^\*\*((?:[A-Z]+-)+[A-Z]?\d+)", reference("v0.17.0.md"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], map(squeezed, parts[2::2]), strict=True))


# --- the rules that we have -----------------------------------------------------------------------------------------


def test_every_file_is_loaded_and_no_rule_is_lost() -> None:
    """Catches a loader that skips a file, or keeps only the last file."""
    files = {"seed": "pod.disk.failed", "v0_17_0": "pod.phase.waiting-wins", "history": "history.order.time"}
    for name, rule_id in files.items():
        assert rule_id in registry.all_rules(), f"{name}.toml is not loaded"
        assert registry.rule(rule_id).id == rule_id
    assert all(key == rule.id for key, rule in registry.all_rules().items())


def test_each_quote_of_the_seed_stands_on_its_line() -> None:
    """Catches a wrong line number, an off-by-one, and a misquotation."""
    wrong = [
        f"{rule.id}: L{source.line} lacks {source.quote!r}"
        for rule, source in quoted("seed.md")
        if source.line is None or source.quote not in SEED_LINES[source.line - 1]
    ]
    assert wrong == []


def test_each_quote_of_the_code_stands_under_its_anchor() -> None:
    """Catches a misquotation, an anchor that does not exist, and a quote from another rule's paragraph."""
    under = sections()
    wrong = [
        f"{rule.id}: {source.anchor} lacks {source.quote!r}"
        for rule, source in quoted("v0.17.0.md")
        if source.anchor is None or squeezed(source.quote) not in under.get(source.anchor, "")
    ]
    assert wrong == []


def test_a_rule_that_only_describes_is_referred_to_by_nothing_and_says_why() -> None:
    """Either something could break it, and is looked for, or nothing could: not both. And it is the exception."""
    describing = [rule for rule in registry.all_rules().values() if rule.describes]
    assert [rule.id for rule in describing if rule.id in references()] == []
    assert all(len((rule.describes or "").split()) > 10 for rule in describing)
    assert 0 < len(describing) < len(registry.all_rules()) / 25


def test_quotes_and_statements_are_not_empty() -> None:
    """An empty quote would stand in every line and pass the tests above."""
    for rule in registry.all_rules().values():
        assert rule.statement.strip(), rule.id
        assert all(source.quote.strip() and source.document.strip() for source in rule.sources), rule.id


def test_every_divergence_of_the_table_is_named_by_a_rule() -> None:
    """Catches a lost divergence, and one that names a row which table N does not have."""
    table_n = reference("v0.17.0.md").partition("## N. Table of all divergences")[2]
    numbered = {int(number) for number in re.findall(r"^\| (\d+) \|", table_n, flags=re.MULTILINE)}
    named = {row for rule in registry.all_rules().values() if rule.divergence for row in rule.divergence.rows}
    assert numbered == set(range(1, 37))
    assert named == numbered


def test_every_anchor_of_the_code_is_cited_by_a_rule() -> None:
    """Catches a rule of the reference that nothing encodes."""
    cited = {source.anchor for _, source in quoted("v0.17.0.md")}
    assert set(sections()) - cited == set()


@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_rows_name_rules_that_hold_in_their_profile(profile: Profile) -> None:
    """Catches a row with a misspelt id, and a seed row justified by a rule of the code or the other way round."""
    rows = [(table.name, row) for table in profile.tables() for row in table.all_rows()]
    wrong = [
        f"{name}: {row}: {rule_id}"
        for name, row in rows
        for rule_id in row.rules
        if profile.name not in registry.rule(rule_id).profiles
    ]
    assert rows
    assert wrong == []


@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_decisions_name_rules_that_hold_in_their_profile(profile: Profile) -> None:
    """Catches a misspelt id (which `Profile.decisions` would drop silently) and a decision that nothing justifies.

    The row "some unknown" may be without rules where no container state is of that class.
    """
    spelt = {rule_id for decision in pod.DECISIONS for rule_id in decision.rules}
    assert all(registry.rule(rule_id).id == rule_id for rule_id in spelt)
    for decision in profile.decisions():
        assert all(profile.name in registry.rule(rule_id).profiles for rule_id in decision.rules)
        possible = set(decision.has) <= set(profile.class_of.values())
        assert decision.rules or not possible, f"{profile.name}: no rule for {decision.name}"


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("profile", BOTH, ids=lambda profile: profile.name)
def test_properties_name_rules_that_hold_in_their_profile(profile: Profile, policy: str) -> None:
    """Catches a property with a misspelt id, or with a rule of the other profile."""
    found = properties(profile, Size(policy, pods=1, containers=2, nodes=2))
    wrong = [
        f"{prop.name}: {rule_id}"
        for prop in found
        for rule_id in prop.rules
        if profile.name not in registry.rule(rule_id).profiles
    ]
    assert all(prop.rules for prop in found)
    assert wrong == []


# --- finding a rule -------------------------------------------------------------------------------------------------


def test_an_unknown_rule_is_refused_with_the_nearest_ids() -> None:
    with pytest.raises(UnknownRule, match=r"no rule 'pod\.disk\.fialed' \(nearest: .*pod\.disk\.failed"):
        registry.rule("pod.disk.fialed")


def test_an_unknown_prefix_is_refused_with_the_nearest_prefixes() -> None:
    with pytest.raises(UnknownRule, match=r"begins with 'pod\.restrat' \(nearest: .*pod\.restart"):
        registry.select("pod.restrat")


def test_nothing_is_near_to_nonsense() -> None:
    """The message does not offer ids that have nothing to do with what was asked for."""
    with pytest.raises(UnknownRule) as caught:
        registry.rule("zzzzzzzz")
    assert str(caught.value) == "no rule 'zzzzzzzz'"


def test_a_prefix_ends_at_a_dot() -> None:
    """Catches selection by plain `startswith`: ``pod.rest`` is no prefix of ``pod.restart.…``."""
    with pytest.raises(UnknownRule):
        registry.select("pod.rest")
    selected = {rule.id for rule in registry.select("pod.restart")}
    assert selected == {i for i in registry.all_rules() if i.startswith("pod.restart.")}
    assert selected


def test_a_prefix_may_be_a_whole_id_end_with_a_dot_or_be_empty() -> None:
    assert [rule.id for rule in registry.select("pod.disk.failed")] == ["pod.disk.failed"]
    assert registry.select("pod.disk.") == registry.select("pod.disk")
    assert registry.select("") == list(registry.all_rules().values())


def test_selection_by_profile_keeps_what_holds_there() -> None:
    """A prefix that exists, but not in this profile, selects nothing and is no error."""
    seed, code = (registry.select("", name) for name in ("seed", "v0.17.0"))
    assert {"seed"} == set.intersection(*(set(rule.profiles) for rule in seed))
    assert {"v0.17.0"} == set.intersection(*(set(rule.profiles) for rule in code))
    assert {rule.id for rule in seed + code} == set(registry.all_rules())
    assert registry.rule("pod.disk.failed").profiles == ("seed",)
    assert registry.select("pod.disk.failed", "v0.17.0") == []


def test_a_rule_prints_its_topic_and_its_place() -> None:
    rule = registry.rule("pod.disk.failed")
    assert rule.group == "pod.disk"
    assert str(rule) == f"pod.disk.failed: {rule.statement}"
    assert str(Source("seed.md", "…", line=12)) == "seed.md L12"
    assert str(Source("v0.17.0.md", "…", anchor="PHASE-1")) == "v0.17.0.md PHASE-1"
    assert str(Source("design.md", "…")) == "design.md"


# --- broken rule files ----------------------------------------------------------------------------------------------

GOOD = """
[[rule]]
id = "pod.some.rule"
statement = "It is so."
level = "MUST"
profiles = ["seed"]
sources = [{ document = "seed.md", line = 1, quote = "so" }]
"""


def test_a_good_file_loads() -> None:
    """Without this, the refusals below could be for another reason."""
    assert list(registry.load([("good.toml", GOOD)])) == ["pod.some.rule"]


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ('"pod.some.rule"', '"Pod.some.rule"', "'Pod.some.rule' is no rule id"),
        ('"pod.some.rule"', '"pod"', "'pod' is no rule id"),
        ('"pod.some.rule"', '"pod..rule"', "'pod..rule' is no rule id"),
        ('"pod.some.rule"', '"pod.some_rule"', "'pod.some_rule' is no rule id"),
        ('level = "MUST"', 'level = "ALWAYS"', "Invalid enum value 'ALWAYS'"),
        ('level = "MUST"\n', "", "missing required field `level`"),
        ('profiles = ["seed"]', 'profiles = ["sead"]', "Invalid enum value 'sead'"),
        ('profiles = ["seed"]', "profiles = []", "pod.some.rule needs at least one profile"),
        ('statement = "It is so."\n', "", "missing required field `statement`"),
        ('level = "MUST"', 'level = "MUST"\nlevle = "MAY"', "unknown field `levle`"),
        ('level = "MUST"', 'level = "MUST"\ndescribes = " "', "pod.some.rule describes without a reason"),
        ("line = 1", "lien = 1", "unknown field `lien`"),
        ("line = 1", 'line = "1"', "Expected `int | null`, got `str`"),
        ('[{ document = "seed.md", line = 1, quote = "so" }]', "[]", "pod.some.rule needs at least one"),
        ('sources = [{ document = "seed.md", line = 1, quote = "so" }]', "", "missing required field `sources`"),
        ('document = "seed.md", ', "", "missing required field `document`"),
        ('id = "pod.some.rule"', "id = ", "bad.toml: "),
        ("[[rule]]", "[[rules]]", "unknown field `rules`"),
        ("[[rule]]", '[[rule]]\ndivergence = { text = "no rows" }', "missing required field `rows`"),
    ],
)
def test_a_broken_file_is_refused_with_its_name_and_the_problem(before: str, after: str, problem: str) -> None:
    assert before in GOOD
    with pytest.raises(ValueError, match=re.escape(problem)) as caught:
        registry.load([("good.toml", GOOD.replace("pod.some", "pod.other")), ("bad.toml", GOOD.replace(before, after))])
    assert str(caught.value).startswith("bad.toml: ")


def test_a_rule_that_stands_twice_is_refused_with_the_second_file() -> None:
    """Catches a dictionary in which the later rule silently wins, within one file and across two."""
    for texts in ([("a.toml", GOOD), ("bad.toml", GOOD)], [("bad.toml", GOOD + GOOD)]):
        with pytest.raises(ValueError, match=r"^bad\.toml: rule pod\.some\.rule stands there twice$"):
            registry.load(texts)


@pytest.mark.parametrize("name", registry.PROFILES)
def test_the_registry_and_the_profiles_know_the_same_names(name: str) -> None:
    assert set(registry.PROFILES) == set(PROFILES)
    assert PROFILES[name].name == name
