"""Exploration finds what needs several events in one order, and tells it as the shortest story there is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis.database import InMemoryExampleDatabase

from adapters.compound_builds import COMPOUND
from adapters.processes import Processes
from adapters.simulator import FAULTS, SimulatedCluster, Simulator
from conformance import runner
from conformance.deeds import BadStory, Deed, Story, StoryFile, canonical, encoded, load, python, refused, without
from conformance.explore import Explored, Explorer, Limits, is_possible
from conformance.history import Quiescent
from conformance.runner import Settings
from conformance.scenario import selected
from conformance.verdict import Verdict
from conformance.workload import RUN_ON, Exit
from kubephase import cli
from model.profiles import PROFILES

SEED = PROFILES["seed"]
EXAMPLES = 120

SHORTEST = {
    "second-new-kubelet-reruns": (0, 6),
    "new-kubelet-resets-count-of-new-sandbox": (0, 5),
    "new-kubelet-forgets-waiting-restart": (1, 4),
    "failure-after-oom-is-final": (3, 2),
    "second-kill-by-engine-is-final": (0, 4),
    "misses-disk-death-in-the-dark": (20, 5),
    "dead-sandbox-after-mended-disk-fails-pod": (2, 5),
    "deleted-with-full-disk-returns": (3, 4),
    "restart-while-lost-shortens-next-time-out": (9, 6),
    "node-that-was-cut-keeps-pods-when-it-ends": (4, 5),
    "pod-inherits-count-of-pod-deleted-in-the-dark": (18, 6),
    "rc-ignores-scaling-after-loss": (1, 4),
}
"""By compound fault a seed under which it is found within EXAMPLES stories, and the fewest deeds that can betray it:
what it needs by its own words, on a node with a pod (or a replication controller)."""

NODE, POD = Deed("node", "n1"), Deed("pod", "p1", policy="Always", workloads=(RUN_ON,))
TWICE = Story((NODE, POD, Deed("kill-by-engine", "p1", 10.0, "c1"), Deed("kill-by-engine", "p1", 10.0, "c1")))
WRONG = "second-kill-by-engine-is-final"


def explored(fault: str | None, seed: int = 0, jobs: int = 1, examples: int = EXAMPLES) -> Explored:
    limits = Limits(examples=examples, jobs=jobs)
    return Explorer(Simulator(fault), Settings(SEED, seed), limits, lambda _: None).explore()


def kept(*stories: Story) -> InMemoryExampleDatabase:
    database = InMemoryExampleDatabase()
    for story in stories:
        database.save(b"key", msgspec.json.encode(story))
    return database


@pytest.mark.parametrize("fault", SHORTEST)
def test_a_compound_fault_is_found_and_its_story_is_the_shortest(fault: str) -> None:
    seed, fewest = SHORTEST[fault]
    found = explored(fault, seed)
    assert found.shortest is not None and found.told <= EXAMPLES
    assert len(found.shortest.story.deeds) == fewest, str(found.shortest.story)
    right = Explorer(Simulator(), Settings(SEED), Limits(), lambda _: None).tell(found.shortest.story)
    assert right.judgement.verdict is Verdict.PASS


def test_compound_faults_are_hidden_and_none_is_without_a_story() -> None:
    assert COMPOUND.keys() == SHORTEST.keys()
    assert not FAULTS.keys() & COMPOUND.keys()
    assert runner.faults_of(Simulator).keys() == FAULTS.keys()
    listed = CliRunner().invoke(cli, ["conform", "--list-faults"]).output
    assert WRONG not in listed and "moves-pods" in listed
    assert WRONG in CliRunner().invoke(cli, ["conform", "--list-faults", "--all"]).output


def test_the_suite_does_not_find_compound_faults() -> None:
    for fault in COMPOUND:
        runtime = Simulator(fault)
        for scenario in selected("seed", COMPOUND[fault].topic):  # the others were tried, too, when it was written
            outcome = runner.run_scenario(runtime, runtime.describe(), scenario, Settings(SEED))
            assert outcome.verdict in (Verdict.PASS, Verdict.SKIP), f"{fault}: {scenario.id}"


@pytest.mark.parametrize("profile", PROFILES)
def test_nothing_is_found_in_the_right_build(profile: str) -> None:
    limits = Limits(examples=EXAMPLES)
    told = Explorer(Simulator(), Settings(PROFILES[profile]), limits, lambda _: None).explore()
    assert told.found is None and told.told == EXAMPLES


def test_no_story_asks_for_what_the_runtime_lacks_under_the_profile() -> None:
    lacks = {"v0.17.0": {"kill-sandbox": "its pods have none"}}
    about = msgspec.structs.replace(Simulator().describe(), lacks_under=lacks)
    assert is_possible(("kill-sandbox",), about, "seed")
    assert not is_possible(("kill-sandbox",), about, "v0.17.0")


def test_of_a_story_that_never_rests_all_is_seen_that_has_happened() -> None:
    """When it is broken off, the event of an end may be under way whose status has been seen."""
    explorer = Explorer(Simulator(), Settings(SEED), Limits(), lambda _: None)
    failing = msgspec.structs.replace(POD, workloads=((Exit(1),),) * 5)
    for seed in range(40):
        told = explorer.tell(Story((NODE, failing), seed))
        assert not any(isinstance(record, Quiescent) for record in told.records)
        assert told.judgement.verdict is Verdict.PASS


def test_under_the_document_a_person_deletes_nodes_too() -> None:
    assert is_possible(("delete-node", "node"), Simulator().describe(), "seed")
    assert not is_possible(("cordon-node",), Simulator().describe(), "seed")


def test_the_same_seed_gives_the_same_story() -> None:
    first, second = (explored("deleted-with-full-disk-returns", 3) for _ in range(2))
    assert first.found and second.found and first.shortest and second.shortest
    assert (first.found.story, first.shortest.story) == (second.found.story, second.shortest.story)
    assert first.told == second.told


def test_several_stories_at_a_time_find_and_shorten_too() -> None:
    more = Story((*TWICE.deeds, Deed("pod", "p2", policy="Never", workloads=(RUN_ON,)), Deed("delete", "p2", 3.0)))
    explorer = Explorer(Simulator(WRONG), Settings(SEED), Limits(jobs=3), lambda _: None)
    told = explorer.explore(kept(more), b"key")
    assert told.shortest is not None and len(told.shortest.story.deeds) == 4
    assert explored(None, jobs=3, examples=30).told == 30


class Counting(Simulator):
    """Remembers how often a story was lived."""

    def __init__(self, fault: str | None = None) -> None:
        super().__init__(fault)
        self.opened = 0

    def open_for(self, scenario: str, seed: int, profile: str, needs: Sequence[str]) -> SimulatedCluster:
        self.opened += 1
        return super().open_for(scenario, seed, profile, needs)


def test_no_story_is_lived_twice_and_the_kept_one_is_tried_first() -> None:
    runtime = Counting(WRONG)
    explorer = Explorer(runtime, Settings(SEED), Limits(), lambda _: None)
    told = explorer.explore(kept(TWICE), b"key")
    assert (told.told, told.kept) == (1, 1)
    assert told.shortest is not None and len(told.shortest.story.deeds) == 4
    assert runtime.opened == told.told + told.shrunk
    assert explorer.tell(TWICE).rules == explorer.tell(TWICE).rules
    assert runtime.opened == told.told + told.shrunk


def test_a_failure_is_kept_for_the_next_run() -> None:
    database = kept()
    for _ in range(2):
        told = Explorer(Simulator("failure-after-oom-is-final"), Settings(SEED, 1), Limits(examples=EXAMPLES),
                        lambda _: None).explore(database, b"key")  # fmt: skip
        assert told.shortest is not None
    assert (told.told, told.kept) == (1, 1)


def test_a_third_of_the_budget_is_left_for_making_a_failure_shorter() -> None:
    limits = Limits(budget=3.0, examples=sys.maxsize)
    told = Explorer(Simulator(), Settings(SEED), limits, lambda _: None).explore()
    assert told.told > 1 and 1.9 < told.seconds < 2.9


def test_when_the_budget_is_used_up_the_shortest_so_far_is_told() -> None:
    class Late(Explorer):
        def _left(self, share: float) -> bool:
            return share < 1.0

    told = Late(Simulator(WRONG), Settings(SEED), Limits(), lambda _: None).explore(kept(TWICE), b"key")
    assert told.shortest is not None and told.shortest.story == TWICE and not told.whole


def test_what_was_covered_is_counted_by_row() -> None:
    told = Explorer(Simulator(), Settings(SEED), Limits(), lambda _: None)
    told.explored.coverage.clear()
    told._take(Story((NODE, POD, Deed("delete", "p1", 30.0))))
    told._take(Story((NODE, POD, Deed("delete", "p1", 60.0))))
    deleted = [count for row, count in told.explored.coverage["record"].rows.items() if "--delete" in row]
    assert deleted == [2]


# --- words ----------------------------------------------------------------------------------------------------------


def test_what_has_no_object_is_left_out_and_names_follow_the_order() -> None:
    pod, kill = Deed("pod", "p2", 1.0, policy="Never", workloads=(RUN_ON,)), Deed("kill-sandbox", "p1", 2.0)
    assert canonical(Story((NODE, kill, pod, Deed("delete", "p2")))) == Story(
        (NODE, Deed("pod", "p1", 3.0, policy="Never", workloads=(RUN_ON,)), Deed("delete", "p1"))
    )


def test_what_follows_a_deed_that_is_left_out_keeps_its_time() -> None:
    story = Story((NODE, Deed("cut-node", "n1", 3.0), Deed("heal-node", "n1", 4.0)))
    assert without(story, 1) == Story((NODE, Deed("heal-node", "n1", 7.0)))


def test_a_refused_deed_stays_in_the_scenario_as_one_that_may_be_refused() -> None:
    story = Story((NODE, Deed("heal-node", "n1", 10.0)))
    told = Explorer(Simulator(), Settings(SEED), Limits(), lambda _: None).tell(story)
    assert refused(told.records) == {1}
    text = python(StoryFile(story, "seed", "simulator"), refused(told.records))
    assert 'with contextlib.suppress(Refused):\n        run.inject("heal-node", "n1")' in text
    compile(text, "story", "exec")


def test_a_written_scenario_does_what_its_story_does() -> None:
    deeds = (Deed("delete", "p1", 10.0), Deed("controller", "rc1", policy="Always", workloads=(RUN_ON,), wanted=2),
             Deed("scale", "rc1", 20.0, wanted=1), Deed("cut-node", "n1", 3.0))  # fmt: skip
    story = Story((*TWICE.deeds, *deeds))
    module: dict[str, Any] = {"__name__": "test_explored"}
    exec(python(StoryFile(story, "seed", "simulator", rules=("pod.restart",))), module)
    (written,) = module["test_story"].scenarios
    runtime = Simulator()
    (_, *lived), (_, *told) = (
        runner.record(runtime, runtime.describe(), scenario, Settings(SEED)).records
        for scenario in (written, story.scenario)
    )
    assert lived == told and len(told) > 20
    assert (written.id, written.needs) == (story.scenario.id, story.scenario.needs)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("{", "no story"), ('{"kubephase": "story"}', "missing required field"), ("[]", "no story")],
)
def test_a_file_without_a_story_is_refused_in_one_line(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "story.json").write_text(text)
    with pytest.raises(BadStory, match=expected):
        load(tmp_path / "story.json")
    assert CliRunner().invoke(cli, ["replay", str(tmp_path / "story.json")]).exit_code == 2
    assert CliRunner().invoke(cli, ["replay", str(tmp_path / "none.json")]).exit_code == 2


def test_an_unknown_kind_of_deed_is_told(tmp_path: Path) -> None:
    (tmp_path / "story.json").write_bytes(encoded(StoryFile(Story((Deed("dance", "n1"),)), "seed", "simulator")))
    with pytest.raises(BadStory, match="no kind of deed 'dance'"):
        load(tmp_path / "story.json")


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of an exploration that fails."""
    folder = tmp_path_factory.mktemp("explored")
    arguments = [
        "--fault",
        "failure-after-oom-is-final",
        "--seed",
        "4",
        "--database",
        str(folder / "db"),
        "--report",
        str(folder),
    ]
    result = CliRunner().invoke(cli, ["explore", *arguments])
    assert result.exit_code == 1, result.output
    for told in ("as a scenario", "def test_story(run: Run)", "once more: kubephase replay", "sequenceDiagram"):
        assert told in result.output
    return folder


def test_the_report_says_what_was_covered(report: Path) -> None:
    data = json.loads((report / "explored.json").read_text())
    rows = data["coverage"]["machines"]["pod/Always"]["rows"]
    assert sum(rows.values()) > 0 and 0 in rows.values()
    assert len(data["failure"]["story"]["deeds"]) == 2
    assert data["stories"] == sum(data["verdicts"].values())


@pytest.mark.parametrize(("fault", "code"), [("failure-after-oom-is-final", 1), ("", 0)])
def test_the_scenario_that_is_written_fails_on_the_wrong_build_alone(report: Path, fault: str, code: int) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib"]
    command += [str(report / "test_explored.py"), *(["--runtime-fault", fault] if fault else [])]
    seed = json.loads((report / "story.json").read_text())["story"]["seed"]
    done = subprocess.run([*command, "--runtime-seed", str(seed)], capture_output=True, text=True, cwd=report)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("FAIL explored/story" in done.stdout) is bool(code), done.stdout


def test_a_story_is_replayed_with_the_same_verdict(report: Path) -> None:
    again = CliRunner().invoke(cli, ["replay", str(report / "story.json"), "--sequence", str(report / "again")])
    assert again.exit_code == 1 and "fail under seed (before: fail)" in again.output
    assert (report / "again" / "story.mmd").read_text().startswith("sequenceDiagram")
    right = CliRunner().invoke(cli, ["replay", str(report / "story.json"), "--fault", "none", "--json"])
    assert right.exit_code == 0 and json.loads(right.output)["verdict"] == "pass"


def test_a_story_of_the_simulator_is_lived_by_real_processes() -> None:
    story = Story((NODE, Deed("pod", "p1", policy="OnFailure", workloads=((Exit(1, 0.1), Exit(0, 0.1)),))))
    told = Explorer(Processes(), Settings(SEED), Limits(), lambda _: None).tell(story)
    assert told.judgement.verdict is Verdict.PASS
    assert told.judgement.coverage["container/OnFailure"].rows
