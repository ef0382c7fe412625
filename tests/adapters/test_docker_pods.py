"""What the adapter makes of an engine's events and answers: no engine needed, only what engines are known to say."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("docker", reason="the Docker SDK is not installed (pip install 'kubephase[docker]')")

from adapters.docker.control import NodeRecord, Replication, schedule
from adapters.docker.engine import _seconds, is_over, nanoseconds, owner_of
from adapters.docker.pods import End, Member, Pod
from conformance.runtime import ContainerSeen, ContainerSpec, ControllerSpec, PodSpec, Policy
from conformance.workload import RUN_ON

SECOND = 10**9
BEGIN = 1_700_000_000 * SECOND
SPEC = ContainerSpec("c1", RUN_ON)


# --- a story, and what an engine says of it ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Life:
    """One incarnation: when it began and ended (None: it runs on), how, and whether the engine restarts it then.

    The events come a little after what they tell of, and the engine shows a change no later than it tells of it.
    """

    begun: int
    ended: int | None = None
    code: int = 0
    oom: bool = False
    restarts: bool = False
    is_counted: bool = True
    """Whether the engine counts the restart that began it; the ones that a new daemon makes it does not."""
    event_lag: int = 1000

    @property
    def start_at(self) -> int:
        return self.begun + self.event_lag

    @property
    def die_at(self) -> int:
        assert self.ended is not None
        return self.ended + self.event_lag


def text(nanoseconds_since_1970: int) -> str:
    """A time as the engine writes it."""
    if not nanoseconds_since_1970:
        return "0001-01-01T00:00:00Z"
    moment = datetime.datetime.fromtimestamp(nanoseconds_since_1970 // SECOND, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds_since_1970 % SECOND:09}Z"


def inspected(
    started: int = 0, finished: int = 0, *, running: bool = True, restarting: bool = False, code: int = 0,
    oom: bool = False, count: int = 0, pid: int = 0,
) -> dict[str, Any]:  # fmt: skip
    return {
        "RestartCount": count,
        "State": {
            "StartedAt": text(started), "FinishedAt": text(finished), "Running": running, "Restarting": restarting,
            "ExitCode": code, "OOMKilled": oom, "Pid": pid,
        },
    }  # fmt: skip


def event(action: str, at: int, code: int | None = None) -> dict[str, Any]:
    return {
        "Action": action,
        "timeNano": at,
        "Actor": {"ID": "c" * 64, "Attributes": {} if code is None else {"exitCode": str(code)}},
    }


@dataclass
class Story:
    """What truly happened to a container, and what the engine says of it at any moment."""

    lives: list[Life] = field(default_factory=list)

    def count(self, index: int) -> int:
        """The engine's count when an incarnation began."""
        return sum(life.is_counted for life in self.lives[1 : index + 1])

    def events(self) -> list[tuple[dict[str, Any], int]]:
        """Each event in order, with the number of its incarnation."""
        told = []
        for index, life in enumerate(self.lives):
            told.append((event("start", life.start_at), index))
            if life.ended is not None:
                if life.oom:
                    told.append((event("oom", life.die_at - 500), index))
                told.append((event("die", life.die_at, life.code), index))
        return told

    def inspect(self, at: int) -> dict[str, Any]:
        """What the engine answers at a moment (live-runtimes.md, section 1)."""
        begun = [index for index, life in enumerate(self.lives) if life.start_at <= at]
        if not begun:
            return inspected(running=False)
        index = begun[-1]
        life, before = self.lives[index], self.lives[index - 1] if index else None
        if life.ended is None or at < life.die_at:
            finished = before.ended if before and before.ended else 0
            # Its exit code is that of no one yet, the memory flag still that of the one before.
            return inspected(life.begun, finished, oom=bool(before and before.oom), count=self.count(index), pid=7)
        return inspected(
            life.begun, life.ended, running=life.restarts, restarting=life.restarts, code=life.code, oom=life.oom,
            count=self.count(index) + life.restarts,
        )  # fmt: skip


def clock(at: int) -> float:
    return (at - BEGIN) / SECOND


def view(member: Member) -> ContainerSeen:
    return member.seen(lambda at: float(at - BEGIN))


def tell(member: Member, story: Story, lag: int = 0) -> list[bool]:
    """Give all events, the engine being asked ``lag`` after each."""
    return [member.take(e, story.inspect(e["timeNano"] + lag)) for e, _ in story.events()]


def at(seconds: float) -> int:
    return BEGIN + int(seconds * SECOND)


CRASHES = Story([Life(at(1), at(2), 7, restarts=True), Life(at(3), at(5), 0, restarts=True), Life(at(9))])
"""Two ends, two restarts, and the third incarnation runs on."""


def known(story: Story = CRASHES, events: int = 99) -> Member:
    """A member that has heard so many events, without delay."""
    member = Member(SPEC, "c" * 64)
    for e, _ in story.events()[:events]:
        assert member.take(e, story.inspect(e["timeNano"]))
    return member


# --- events in order, the engine asked at once ------------------------------------------------------------------------


def test_before_its_start_a_member_waits() -> None:
    assert view(Member(SPEC)) == ContainerSeen("c1", "waiting")


def test_it_starts() -> None:
    member = known(events=1)
    assert view(member) == ContainerSeen("c1", "running", 0, started_at=float(SECOND), instance=member.instance)
    assert member.pid == 7 and not member.is_over


def test_it_ends_and_waits_for_its_restart() -> None:
    """The engine's count is ahead by one then, its exit code that of the end."""
    member = known(events=2)
    assert CRASHES.inspect(at(2.5))["RestartCount"] == 1
    seen = view(member)
    assert (seen.state, seen.restarts, seen.exit_code, seen.reason) == ("terminated", 0, 7, "restarting")
    assert (seen.started_at, seen.finished_at) == (1.0 * SECOND, 2.0 * SECOND)
    assert seen.last_exit_code is None and not member.is_over


def test_it_is_restarted() -> None:
    member = known(events=3)
    seen = view(member)
    assert (seen.state, seen.restarts, seen.exit_code, seen.finished_at) == ("running", 1, None, None)
    assert (seen.last_exit_code, seen.last_finished_at, seen.reason) == (7, 2.0 * SECOND, None)
    assert seen.last_instance == known(events=2).instance != seen.instance


def test_it_ends_for_good() -> None:
    member = known(Story([Life(at(1), at(2), 3)]))
    assert (member.state, member.restarting, member.is_over) == ("terminated", False, True)
    assert member.end == End(3, False, at(2), member.instance) and not member.end.is_good


def test_it_was_killed_through_the_engine_while_it_should_run_for_ever() -> None:
    """`docker kill` suppresses the policy: nothing says that a restart is due."""
    member = known(Story([Life(at(1), at(2), 137, restarts=False)]))
    assert member.is_over and view(member).reason is None


# --- the engine is further than the event -----------------------------------------------------------------------------


def test_a_start_whose_incarnation_has_ended_meanwhile() -> None:
    """It is asked during the wait: the count is one ahead."""
    member = Member(SPEC)
    assert member.take(event("start", CRASHES.lives[0].start_at), CRASHES.inspect(at(2.5)))
    assert (member.state, member.restarts, member.started) == ("running", 0, at(1))


@pytest.mark.parametrize("moment", [3.5, 7, 10])
def test_events_of_an_incarnation_that_the_engine_has_left_behind(moment: float) -> None:
    member = Member(SPEC)
    later = CRASHES.inspect(at(moment))
    assert member.take(event("start", CRASHES.lives[0].start_at), later)
    assert (member.state, member.restarts) == ("running", 0)
    assert member.take(event("die", CRASHES.lives[0].die_at, 7), later)
    seen = view(member)
    assert (seen.state, seen.restarts, seen.exit_code, seen.reason) == ("terminated", 0, 7, "restarting")
    assert seen.finished_at == CRASHES.lives[0].die_at - BEGIN
    assert member.take(event("start", CRASHES.lives[1].start_at), later)
    seen = view(member)
    assert (seen.state, seen.restarts, seen.last_exit_code) == ("running", 1, 7)


def test_the_memory_flag_of_a_later_end_is_not_that_of_the_event() -> None:
    story = Story([Life(at(1), at(2), 7, restarts=True), Life(at(3), at(4), 137, oom=True)])
    member = Member(SPEC)
    for e, _ in story.events()[:2]:
        member.take(e, story.inspect(at(5)))
    assert member.end and (member.end.code, member.end.oom) == (7, False)


# --- gaps -------------------------------------------------------------------------------------------------------------


def test_a_gap_in_which_nothing_happened_is_no_news() -> None:
    for events in range(6):
        member = known(events=events)
        before = view(member)
        moment = CRASHES.events()[events - 1][0]["timeNano"] if events else at(0.5)
        assert not member.look(CRASHES.inspect(moment))
        assert view(member) == before


def test_a_container_that_was_made_and_not_started_is_no_news() -> None:
    member = Member(SPEC)
    assert not member.look(inspected(running=False))
    assert member.state == "waiting"


def test_a_gap_in_which_it_ended() -> None:
    member = known(events=1)
    assert member.look(CRASHES.inspect(at(2.5)))
    seen = view(member)
    assert (seen.state, seen.restarts, seen.exit_code, seen.reason) == ("terminated", 0, 7, "restarting")
    assert seen.finished_at == 2.0 * SECOND


def test_a_gap_in_which_it_was_restarted() -> None:
    """How the one before ended is known to nobody any more."""
    member = known(events=1)
    instance = member.instance
    assert member.look(CRASHES.inspect(at(3.5)))
    seen = view(member)
    assert (seen.state, seen.restarts, seen.last_exit_code, seen.last_instance) == ("running", 1, None, instance)
    assert seen.last_finished_at == 2.0 * SECOND


@pytest.mark.parametrize("events", [0, 1, 2])
def test_a_gap_in_which_incarnations_came_and_went(events: int) -> None:
    member = known(events=events)
    assert member.look(CRASHES.inspect(at(10)))
    seen = view(member)
    assert (seen.state, seen.restarts, seen.started_at) == ("running", 2, 9.0 * SECOND)
    assert seen.last_exit_code is None
    assert seen.last_finished_at in (None, 5.0 * SECOND)


def test_a_gap_in_which_another_incarnation_came_and_ended() -> None:
    member = known(events=1)
    assert member.look(CRASHES.inspect(at(7)))
    seen = view(member)
    assert (seen.state, seen.restarts, seen.exit_code, seen.last_exit_code) == ("terminated", 1, 0, None)
    assert member.restarting


def test_a_gap_in_which_its_restart_was_called_off() -> None:
    member = known(events=2)
    assert member.look(inspected(at(1), at(2), running=False, code=7, count=1))
    assert member.is_over and member.restarts == 0


def test_a_restart_by_a_new_daemon_is_told_as_the_engine_counts_it() -> None:
    """The container runs again, and the count is as before: it is for the judge to see that, not for us to mend."""
    story = Story([Life(at(1), at(2), 137), Life(at(5), is_counted=False)])
    member = known(story, events=1)
    assert member.look(story.inspect(at(6)))
    assert (member.state, member.restarts, member.started) == ("running", 0, at(5))
    assert view(known(story)).restarts == 0


# --- events that come after the engine was looked at ------------------------------------------------------------------


@pytest.mark.parametrize("moment", [1.5, 2.5, 3.5, 7, 10])
def test_what_was_looked_up_is_not_told_again_by_late_events(moment: float) -> None:
    member = Member(SPEC)
    assert member.look(CRASHES.inspect(at(moment)))
    before = view(member)
    for e, _ in CRASHES.events():
        if e["timeNano"] <= at(moment):
            assert not member.take(e, CRASHES.inspect(at(moment)))
            assert view(member) == before


@pytest.mark.parametrize("late", [True, False])
def test_after_a_gap_the_next_incarnation_is_told(late: bool) -> None:
    """Whether or not the event of the start that was looked up still comes."""
    member = Member(SPEC)
    member.look(CRASHES.inspect(at(1.5)))
    taken = [member.take(e, CRASHES.inspect(e["timeNano"])) for e, _ in CRASHES.events()[0 if late else 1 :]]
    assert taken == [False] * late + [True] * 4
    assert (member.state, member.restarts, view(member).last_exit_code) == ("running", 2, 0)


@pytest.mark.parametrize("late", [True, False])
def test_after_a_gap_the_next_incarnation_is_told_if_the_one_before_had_ended(late: bool) -> None:
    member = Member(SPEC)
    member.look(CRASHES.inspect(at(2.5)))
    for e, _ in CRASHES.events()[0 if late else 2 :]:
        member.take(e, CRASHES.inspect(e["timeNano"]))
    assert (member.state, member.restarts, view(member).last_exit_code) == ("running", 2, 0)


def test_a_late_word_of_memory_is_not_about_the_incarnation_that_runs_now() -> None:
    story = Story([Life(at(1), at(2), 137, oom=True, restarts=True), Life(at(3), at(4), 0)])
    member = Member(SPEC)
    member.look(story.inspect(at(3.5)))
    for e, _ in story.events():
        member.take(e, story.inspect(max(at(3.5), e["timeNano"])))
    assert member.end and (member.end.code, member.end.oom, member.end.is_good) == (0, False, True)


# --- out of memory ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [137, 3, 0])
def test_out_of_memory_by_the_event_and_by_the_engines_answer(code: int) -> None:
    """Also if it was a child, and the container itself then ended with 0 or 3."""
    life = Life(at(1), at(2), code, oom=True)
    member = known(Story([life]))
    assert member.end == End(code, True, at(2), member.instance) and not member.end.is_good
    # Only the event: the engine, asked later, is at another incarnation.
    member, story = Member(SPEC), Story([Life(at(1), at(2), code, oom=True, restarts=True), Life(at(3))])
    tell_first = [e for e, index in story.events() if index == 0]
    for e in tell_first:
        member.take(e, story.inspect(at(4)))
    assert member.end and (member.end.code, member.end.oom) == (code, True)
    # Only the answer.
    member = known(Story([life]), events=1)
    assert member.take(event("die", life.die_at, code), Story([life]).inspect(life.die_at))
    assert member.end and member.end.oom


def test_a_child_that_ran_out_of_memory_long_before_the_end() -> None:
    """While it runs the engine's flag is false; only the event tells."""
    member = known(events=1)
    assert member.take(event("oom", at(1.5)), CRASHES.inspect(at(1.5)))
    assert view(member).oom is False
    member.take(event("die", CRASHES.lives[0].die_at, 7), CRASHES.inspect(CRASHES.lives[0].die_at))
    assert view(member).oom is True


def test_out_of_memory_is_not_carried_over() -> None:
    story = Story([Life(at(1), at(2), 137, oom=True, restarts=True), Life(at(3), at(4), 7)])
    member = known(story, events=4)
    assert story.inspect(at(3.5))["State"]["OOMKilled"]
    seen = view(member)
    assert (seen.state, seen.oom, seen.last_oom, seen.last_exit_code) == ("running", False, True, 137)
    seen = view(known(story))
    assert (seen.exit_code, seen.oom, seen.last_oom) == (7, False, True)


def test_out_of_memory_in_a_gap() -> None:
    story = Story([Life(at(1), at(2), 3, oom=True, restarts=True), Life(at(3), at(4), 7)])
    member = known(story, events=1)
    member.look(story.inspect(at(2.5)))
    assert view(member).oom
    member.look(story.inspect(at(3.5)))
    assert not view(member).oom and view(member).last_oom


# --- restarts by the pod layer ----------------------------------------------------------------------------------------


def test_a_restart_by_the_pod_layer_counts_on() -> None:
    """The engine begins to count anew with every start through its API."""
    member = known(Story([*CRASHES.lives[:2], Life(at(9), at(10), 137)]))
    assert member.restarts == 2 and member.is_over
    member.base = member.restarts + 1  # as `Pod.renew` does
    assert member.take(event("start", at(11) + 9), inspected(at(11), at(10), count=0))
    assert (member.state, member.restarts) == ("running", 3)
    assert member.take(event("die", at(12) + 9, 1), inspected(at(11), at(12), restarting=True, code=1, count=1))
    assert (member.restarts, member.restarting) == (3, True)
    assert member.take(event("start", at(13) + 9), inspected(at(13), at(12), count=1))
    assert member.restarts == 4


# --- any story --------------------------------------------------------------------------------------------------------


@st.composite
def stories(draw: st.DrawFn) -> Story:
    lives: list[Life] = []
    moment = BEGIN
    step = st.sampled_from([10_000, SECOND])
    for index in range(last := draw(st.integers(1, 5))):
        begun = moment + draw(step)
        is_last = index == last - 1
        if is_last and draw(st.booleans()):
            lives.append(Life(begun))
            break
        moment = begun + draw(step)
        code, oom = draw(st.sampled_from([0, 3, 7, 137])), draw(st.booleans())
        lives.append(Life(begun, moment, code, oom, restarts=not is_last or draw(st.booleans())))
    return Story(lives)


def told_life(story: Story, seen: ContainerSeen) -> int:
    """Which incarnation is shown as the newest; -1 if it has not begun."""
    if seen.started_at is None:
        return -1
    started = BEGIN + int(seen.started_at)
    found = [i for i, life in enumerate(story.lives) if life.begun <= started <= life.start_at]
    assert len(found) == 1, "it shows an incarnation that there never was"
    return found[0]


def is_at(shown: float | None, life: Life) -> bool:
    """Whether a time may be told as that of an incarnation's end: by the engine's answer or by its event."""
    return shown is None or (life.ended is not None and life.ended <= BEGIN + int(shown) <= life.die_at)


def check(story: Story, seen: ContainerSeen, unheard: Collection[int] = ()) -> int:
    """What is shown does not contradict what happened; the incarnation that is shown. Of those ``unheard`` the word of
    memory was lost: who has heard their end and could not ask before the next one cannot know of it."""
    index = told_life(story, seen)
    if index < 0:
        assert seen == ContainerSeen("c1", "waiting")
        return index
    life = story.lives[index]
    assert seen.restarts == story.count(index)
    if seen.state == "terminated":
        assert life.ended is not None
        assert seen.exit_code == life.code
        assert seen.oom == life.oom or (index in unheard and not seen.oom)
        assert seen.finished_at is not None and is_at(seen.finished_at, life)
        assert (seen.reason == "restarting") == life.restarts
    else:
        assert (seen.state, seen.exit_code, seen.oom, seen.finished_at) == ("running", None, False, None)
    if index == 0:
        assert (seen.last_exit_code, seen.last_oom, seen.last_finished_at) == (None, False, None)
        return index
    before = story.lives[index - 1]
    assert seen.last_exit_code in (None, before.code)
    is_excused = index - 1 in unheard and not seen.last_oom
    assert seen.last_exit_code is None or seen.last_oom == before.oom or is_excused
    assert is_at(seen.last_finished_at, before)
    return index


@given(stories())
def test_any_story_is_told_exactly_if_nothing_is_late_or_lost(story: Story) -> None:
    member = Member(SPEC)
    for e, index in story.events():
        assert member.take(e, story.inspect(e["timeNano"]))
        seen, life = view(member), story.lives[index]
        assert check(story, seen) == index
        assert seen.started_at == life.begun - BEGIN
        assert seen.state == ("terminated" if e["Action"] == "die" else "running")
        assert seen.finished_at == (life.ended - BEGIN if e["Action"] == "die" and life.ended else None)
        if index:
            before = story.lives[index - 1]
            assert before.ended
            shown = (seen.last_exit_code, seen.last_oom, seen.last_finished_at)
            assert shown == (before.code, before.oom, before.ended - BEGIN)


@given(stories(), st.data())
@settings(max_examples=300, deadline=None)
def test_no_story_is_told_wrongly_if_answers_are_late_and_events_are_lost(story: Story, data: st.DataObject) -> None:
    """Events come in order, the engine is asked at any later moment; now and then some are lost, or late and known
    already, and the engine is looked at instead. An incarnation is never told twice, or after a later one."""
    member, events = Member(SPEC), story.events()
    now, shown, position = BEGIN, -1, 0
    moments = [e["timeNano"] + later for e, _ in events for later in (0, 1)]
    end = moments[-1]
    began: list[str] = []
    unheard: set[int] = set()

    def asked(earliest: int) -> dict[str, Any]:
        nonlocal now
        earliest = max(now, earliest)
        now = data.draw(st.sampled_from([earliest, *(moment for moment in moments if moment > earliest)]), "asked at")
        return story.inspect(now)

    def is_consistent() -> None:
        nonlocal shown
        seen = view(member)
        index = check(story, seen, unheard)
        assert index >= shown
        shown = index
        if seen.instance and began[-1:] != [seen.instance]:
            began.append(seen.instance)

    while position < len(events):
        if data.draw(st.booleans(), "look"):
            member.look(asked(events[position][0]["timeNano"]))
            passed = [i for i, (e, _) in enumerate(events) if e["timeNano"] <= now and i >= position]
            # What happened before the look is lost up to somewhere; the rest still comes.
            lost = data.draw(st.integers(0, len(passed)), "lost")
            unheard |= {index for e, index in events[position : position + lost] if e["Action"] == "oom"}
            position += lost
        else:
            e, _ = events[position]
            position += 1
            member.take(e, asked(e["timeNano"]))
        is_consistent()
    member.look(story.inspect(max(now, end)))
    is_consistent()
    assert shown == len(story.lives) - 1
    assert view(member).state == ("running" if story.lives[-1].ended is None else "terminated")
    assert len(began) == len(set(began)) <= len(story.lives)


# --- the pod's phase --------------------------------------------------------------------------------------------------


def pod(policy: Policy, *lives: Life | None, renewed: bool = False) -> Pod:
    """A pod whose members have come so far; None: not begun."""
    made = Pod(PodSpec("p1", policy, tuple(ContainerSpec(f"c{n}", RUN_ON) for n in range(len(lives)))), "uid")
    for member, life in zip(made.members, lives, strict=True):
        if life:
            tell(member, Story([life]))
    if renewed:
        made.renewed = made.members[:1]
    made.settle_phase()
    return made


RUNS, GOOD, BAD = Life(at(1)), Life(at(1), at(2)), Life(at(1), at(2), 7)
AGAIN, OOM = Life(at(1), at(2), 7, restarts=True), Life(at(1), at(2), 0, oom=True)


@pytest.mark.parametrize(
    ("policy", "lives", "phase"),
    [
        ("Never", (RUNS, None), "Pending"),
        ("Never", (GOOD, None), "Pending"),
        ("Never", (RUNS, RUNS), "Running"),
        ("Never", (RUNS, BAD), "Running"),
        ("Never", (GOOD, GOOD), "Succeeded"),
        ("Never", (GOOD, BAD), "Failed"),
        ("Never", (OOM,), "Failed"),
        ("OnFailure", (GOOD, RUNS), "Running"),
        ("OnFailure", (GOOD, AGAIN), "Running"),
        ("OnFailure", (GOOD, GOOD), "Succeeded"),
        ("OnFailure", (GOOD, OOM), "Failed"),
        ("Always", (RUNS,), "Running"),
        ("Always", (AGAIN, AGAIN), "Running"),
        ("Always", (Life(at(1), at(2), restarts=True),), "Running"),
    ],
)
def test_the_phase_is_that_of_the_containers(policy: Policy, lives: tuple[Life | None, ...], phase: str) -> None:
    assert pod(policy, *lives).phase == phase


def test_a_pod_whose_members_are_about_to_be_started_again_runs() -> None:
    assert pod("Always", BAD, renewed=True).phase == "Running"


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_final_phase_stays(phase: str) -> None:
    made = pod("Never", RUNS)
    made.phase = phase
    made.settle_phase()
    assert made.phase == phase and made.is_terminal


@pytest.mark.parametrize(
    ("policy", "good", "bad"), [("Always", True, True), ("OnFailure", False, True), ("Never", False, False)]
)
def test_whom_the_policy_speaks_for(policy: Policy, good: bool, bad: bool) -> None:
    made = pod(policy, GOOD, BAD, OOM)
    assert [made.restarts(member) for member in made.members] == [good, bad, bad]
    made.members[0].end = None
    assert made.restarts(made.members[0]) == bad  # how it ended is not known: not well, as far as one can tell


# --- scheduling and replication ---------------------------------------------------------------------------------------


def node(name: str, phase: str = "Running", reachable: Any = "True", ready: Any = "True") -> NodeRecord:
    return NodeRecord(name, name, cast("Any", None), phase, reachable, ready)


def waiting(*names: str) -> list[Pod]:
    return [Pod(PodSpec(name, "Always", (SPEC,)), name) for name in names]


def test_pods_go_where_the_fewest_are() -> None:
    pods = waiting("a", "b", "c", "d")
    pods[3].node = "n1"
    bound = [(p.spec.name, n.name) for p, n in schedule(pods, [node("n1"), node("n2")])]
    assert bound == [("a", "n2"), ("b", "n1"), ("c", "n2")]


def test_a_pod_that_has_ended_is_no_load_and_is_not_bound() -> None:
    pods = waiting("a", "b")
    pods[0].phase, pods[0].node = "Failed", "n1"
    assert [n.name for _, n in schedule(pods, [node("n1"), node("n2")])] == ["n1"]
    pods[0].node = None
    assert len(schedule(pods, [node("n1")])) == 1


@pytest.mark.parametrize(
    "other",
    [node("x", phase="Pending", reachable=None, ready=None), node("x", phase="Terminated", reachable=None, ready=None),
     node("x", reachable="False", ready="Unknown"), node("x", ready="False")],
)  # fmt: skip
def test_pods_go_to_none_but_ready_nodes(other: NodeRecord) -> None:
    pods = waiting("a", "b")
    assert schedule(pods, [other]) == []
    assert {n.name for _, n in schedule(pods, [other, node("n1")])} == {"n1"}


def test_a_replication_controller_wants_as_many_as_have_not_ended() -> None:
    controller = Replication(ControllerSpec("rc", 2, "Always", (SPEC,)), "uid")
    pods = waiting("foreign")
    assert controller.missing(pods) == 2
    pods += [Pod(controller.next_pod(), str(n), owner="rc") for n in range(2)]
    assert controller.missing(pods) == 0
    pods[1].phase = "Failed"
    assert controller.missing(pods) == 1
    assert [p.spec.name for p in pods[1:]] == ["rc-1", "rc-2"] and controller.next_pod().name == "rc-3"


def test_a_replication_controller_that_is_scaled_down_gives_up_the_unbound_first() -> None:
    controller = Replication(ControllerSpec("rc", 3, "Always", (SPEC,)), "uid")
    pods = [*waiting("foreign"), *(Pod(controller.next_pod(), str(n), owner="rc") for n in range(3))]
    pods[1].node, pods[1].is_started, pods[2].node = "n1", True, "n1"
    assert controller.surplus(pods) == []
    controller.scale(2)
    assert [pod.spec.name for pod in controller.surplus(pods)] == ["rc-3"]
    controller.scale(1)
    assert {pod.spec.name for pod in controller.surplus(pods)} == {"rc-2", "rc-3"}
    controller.scale(4)
    assert controller.surplus(pods) == [] and controller.missing(pods) == 1


def test_a_node_checks_in_with_its_first_good_answer() -> None:
    record = node("n1", "Pending", None, None)
    assert not record.take("True", "False", 1.0)
    assert (record.phase, record.reachable) == ("Pending", None)
    assert record.take("True", "True", 2.0) and record.is_candidate
    assert not record.take("True", "True", 3.0)


def test_a_node_is_lost_from_its_first_bad_answer_on() -> None:
    record = node("n1")
    record.take("True", "False", 5.0)
    record.take("False", "Unknown", 7.0)
    assert record.lost_since == 5.0
    record.take("True", "True", 8.0)
    assert record.lost_since is None
    record.terminate()
    assert not record.take("True", "True", 9.0) and record.reachable is None


# --- times and owners -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engines", "expected"),
    [
        ("0001-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01Z", SECOND),
        ("2023-11-14T22:13:20.123456789Z", BEGIN + 123456789),
        ("2023-11-14T22:13:20.1Z", BEGIN + 100_000_000),
        ("2023-11-14T22:13:20Z", BEGIN),
        ("2023-11-15T00:13:20.123456789+02:00", BEGIN + 123456789),
        ("2023-11-14T17:13:20.5-05:00", BEGIN + 500_000_000),
        ("2023-11-15T00:13:20+02:00", BEGIN),
    ],
)
def test_times_are_read_to_the_nanosecond(engines: str, expected: int) -> None:
    assert nanoseconds(engines) == expected


@given(st.integers(0, 4 * BEGIN), st.integers(0, 4 * BEGIN))
def test_times_keep_their_order_and_are_written_exactly(one: int, other: int) -> None:
    assert nanoseconds(text(one)) == one
    assert (nanoseconds(text(one)) < nanoseconds(text(other))) == (one < other)
    whole, _, fraction = _seconds(one).partition(".")
    assert (int(whole), len(fraction), int(fraction)) == (one // SECOND, 9, one % SECOND)


def test_an_owner_is_over_when_its_process_is() -> None:
    here = owner_of(os.getpid())
    assert here and not is_over(here)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        owner = owner_of(other.pid)
        assert owner != here and not is_over(owner)
        other.communicate(b"\n")
    assert is_over(owner) and owner_of(other.pid) == ""


def test_an_owner_on_another_machine_or_boot_is_never_over() -> None:
    boot, pid, started = owner_of(os.getpid()).split("/")
    assert not is_over(f"{'0' * len(boot)}/{pid}/{started}")
    assert not is_over("") and not is_over("/1/2")


def test_a_process_with_the_same_number_is_another_owner() -> None:
    boot, pid, started = owner_of(os.getpid()).split("/")
    assert is_over(f"{boot}/{pid}/{int(started) - 1}")


def test_a_story_is_well_formed() -> None:
    """What the tests above build on: the engine's own invariants."""
    moments = [e["timeNano"] for e, _ in CRASHES.events()]
    assert all(a < b for a, b in pairwise(moments))
