"""Every table keeps the principles, and each of them is broken by a table that is wrong on purpose."""

from __future__ import annotations

import pytest

from model.profiles import PROFILES, Profile
from tests import principles
from tests.mutants import mutants, mutated


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_every_table_keeps_them(profile: Profile) -> None:
    assert principles.broken(profile) == []


@pytest.mark.parametrize(
    ("mutant", "told"),
    [
        ("v0.17.0 grace: Elapsed --fire--> Armed added", "fire leads from one state to several, by chance"),
        ("seed node: Running --check_in--> Pending added", "check_in leads to several states: Pending, Running"),
        ("v0.17.0 link: Cut --cut--> Cut added", "cut changes nothing in Cut; expected: nowhere"),
        ("v0.17.0 queue: Waiting --emit--> Waiting removed", "emit changes nothing in nowhere; expected: Waiting"),
        ("v0.17.0 newest: Created --probe_error--> Running added", "probe_error happens in Created; expected: nowhere"),
        ("v0.17.0 sandbox: Released --create_sandbox--> Addressed added", "for ever are nowhere; expected: Released"),
        ("seed machine: Listed --instance_deleted--> Unlisted removed", "for ever are Listed; expected: nowhere"),
        ("seed container/Always: Error --start--> Running added", "start happens in Error, Restarting, Waiting"),
        ("seed container/Never: Waiting --kill--> Killed added", "kill happens in Running, Waiting; expected: nowhere"),
        ("v0.17.0 agent: UpAgain --crash--> Down removed", "crash happens in Up; expected: Up, UpAgain"),
        ("seed NodeReady: Unknown --ready--> True removed", "ready happens in False; expected: False, Unknown"),
        ("v0.17.0 slot: Refused@ --evict@--> Deleted removed", "evict happens in Bound, Failed, Succeeded"),
        ("v0.17.0 sync: Cloud --list_failed--> Cloud removed", "list_failed changes nothing in nowhere"),
    ],
)
def test_a_table_that_is_wrong_breaks_one(mutant: str, told: str) -> None:
    """Each kind of breach, by its words; no other table is named."""
    profile, _, rest = mutant.partition(" ")
    [found] = [one for one in mutants(PROFILES[profile]) if one.id == mutant]
    problems = principles.broken(mutated(found))
    assert any(told in problem for problem in problems), problems
    assert {problem.partition(":")[0] for problem in problems} == {rest.partition(":")[0]}


def test_what_the_principles_name_is_there() -> None:
    """Catches a table, an event or a state that is named and that no profile has any more."""
    tables = {
        name: table
        for profile in PROFILES.values()
        for one in profile.tables()
        for table in (one, *(region for inner in one.regions.values() for region in inner))
        for name in principles._names(profile.name, table)
    }
    for named in (principles.CHANCE, principles.BY_STATE, principles.ENDS, principles.ANYWHERE):
        assert named.keys() <= tables.keys()
    for stated in (principles.AGAIN, principles.LEAVE, principles.SEVERAL):
        assert stated.keys() <= tables.keys()
