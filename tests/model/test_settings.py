"""The settings are those of the reference, the tables that they time are there, and a real cluster kept to them."""

from __future__ import annotations

import datetime
import itertools
import json
import re
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.simulation import DELAYS
from model import settings
from model.profiles import PROFILES
from model.settings import SETTINGS, by_flag, setting

from ..recorded import FILES, lines
from .support import reference

# --- the reference --------------------------------------------------------------------------------------------------

UNITS = {"s": 1, "min": 60, "h": 3600}
WORDS = {"true": True, "false": False, '""': "", "empty": ""}


def timers() -> list[tuple[str, str, str]]:
    """Table C-T1: quantity, flag (or ``constant``), default."""
    table = reference("v0.17.0.md").partition("**C-T1")[2].partition('All "after"')[0]
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in table.splitlines() if line.startswith("| ")]
    return [(quantity, flag, default) for quantity, flag, default in rows[1:]]


def value(default: str) -> Any:
    if default in WORDS:
        return WORDS[default]
    number, _, unit = default.partition(" ")
    return float(number) * UNITS.get(unit, 1)


def test_every_timer_and_flag_of_the_reference_has_its_row() -> None:
    """Table C-T1 and SETTINGS say the same, flag by flag and constant by constant."""
    constants = {one.default for one in SETTINGS if not one.flag}
    rows = timers()
    for quantity, flag, default in rows:
        named = re.search(r"`(--[-a-z]+)`", flag) or re.search(r"`(--[-a-z]+)`", quantity)
        if named:
            wanted = value(next(part for part in (default, flag) if not part.startswith(("`", "deprecated"))))
            assert by_flag(named[1]).default == wanted, quantity
        else:
            assert flag == "constant", quantity
            assert constants >= {value(part) for part in default.split(" / ")}, quantity
    assert len(rows) == 22


def test_the_flags_of_the_document_are_known_as_it_spells_them() -> None:
    named = set(re.findall(r"`(--\w+(?:=\w+)?)`", reference("seed.md")))
    assert {"--node_sync_period", "--machines", "--sync_nodes=false"} <= named
    assert [by_flag(flag).name for flag in ("--node_sync_period", "--machines", "--sync_nodes=false")] == [
        "node sync", "machines", "node sync on",
    ]  # fmt: skip
    with pytest.raises(KeyError, match=r"no setting has the flag --node_sync"):
        by_flag("--node_sync")


def test_names_and_flags_are_there_once() -> None:
    assert len({one.name for one in SETTINGS}) == len(SETTINGS)
    flags = [one.flag for one in SETTINGS if one.flag]
    assert len(set(flags)) == len(flags)


def test_the_tables_that_are_timed_are_there_and_no_timer_is_without_its_setting() -> None:
    code = PROFILES["v0.17.0"]
    tables = {table.name for table in code.tables()}
    timed = {one.table for one in SETTINGS if one.table}
    assert timed <= tables
    waiting = {part.name for part in code.parts.values() if {"elapse", "refill", "expire"} & set(part.events)}
    assert waiting == {"grace", "eviction", "tokens", "expectation"}
    assert waiting <= timed


def test_the_simulator_waits_as_long_as_the_node_controller() -> None:
    grace, monitor = setting("grace").number, setting("node monitor").number
    assert DELAYS["time-out"] == (grace, grace + monitor)


# --- what follows from them -----------------------------------------------------------------------------------------


@given(st.floats(0, 1e6), st.integers(0, 10**9))
def test_a_delay_must_be_exceeded_and_not_merely_reached(delay: float, since: int) -> None:
    assert not settings.is_over(delay, since, since + delay)
    assert settings.is_over(delay, since, since + delay + 1)


def test_pods_are_deleted_after_four_minutes_and_twenty_seconds() -> None:
    assert settings.silence_before_eviction() == 260
    assert settings.silence_before_eviction(grace=10, eviction=20) == 10


def test_eviction_tokens_come_back_one_in_ten_seconds_and_are_ten_at_most() -> None:
    assert settings.tokens(10, left=0) == pytest.approx(1)
    assert settings.tokens(0, left=3) == 3
    assert settings.tokens(1000, left=9) == 10


def test_the_first_heartbeats_and_the_back_off() -> None:
    ramp = list(settings.ramp())
    assert ramp[:3] == pytest.approx([0.1, 0.6, 1.1])
    assert ramp[-1] == pytest.approx(9.6)
    assert list(itertools.islice(settings.back_off(), 8)) == [1, 2, 4, 8, 16, 32, 60, 60]


# --- a real cluster -------------------------------------------------------------------------------------------------

Line = dict[str, Any]


def recorded() -> Iterator[list[Line]]:
    for path in FILES:
        yield [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def seconds(text: str) -> float:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def of(stream: str, file: list[Line]) -> list[tuple[float, str, Any]]:
    """The frames of a watch: when they came, of which type, and the object."""
    return [(line["t"], line["object"]["type"], line["object"]["object"]) for line in file if line["stream"] == stream]


def engine(file: list[Line], *statuses: str) -> list[tuple[float, Any]]:
    """Events of the engine: when they happened, and the event."""
    events = [line["object"] for line in file if line["stream"] == "docker"]
    return [(event["timeNano"] / 1e9, event) for event in events if event.get("status") in statuses]


def ready(file: list[Line]) -> list[tuple[float, Any]]:
    """Each frame of the real node: when it came, and its condition."""
    return [
        (t, node["status"]["conditions"][0])
        for t, _, node in of("nodes", file)
        if node["status"].get("conditions") and node["metadata"]["name"] == "127.0.0.1"
    ]


def heartbeats(file: list[Line]) -> list[float]:
    """When a new heartbeat came."""
    new = [next(group) for _, group in itertools.groupby(ready(file), key=lambda one: one[1]["lastHeartbeatTime"])]
    return [t for t, condition in new if condition["status"] == "True"]


def gaps(times: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(times)]


def heartbeat_shown() -> None:
    """The kubelet waits so long after each heartbeat; a busy one waits for its turn at the API besides. The one of s16
    had nothing else to do. Heartbeats are dated in whole seconds."""
    every = []
    for file in recorded():
        if file != lines("s17-kubelet-killed"):
            every += gaps(sorted({seconds(condition["lastHeartbeatTime"]) for _, condition in ready(file)}))
    assert len(every) > 100
    assert all(0 <= gap - setting("heartbeat").number <= 2 for gap in every)
    idle = gaps(heartbeats(lines("s16-unschedulable")))
    assert all(gap == pytest.approx(setting("heartbeat").number, abs=0.05) for gap in idle[1:])
    assert len(idle) > 4


def ramp_shown() -> None:
    """The kubelet of s17 came back: its first heartbeats are those after the long silence. Two are of one second."""
    back = [
        t for t, condition in ready(lines("s17-kubelet-killed")) if condition["status"] == "True" and t > lost()[1][-1]
    ]
    found = gaps(back)[:15]
    assert len(found) == 15
    for gap, delay in zip(found, list(settings.ramp())[1:], strict=False):
        assert gap == pytest.approx(delay, abs=0.1)


def lost() -> tuple[float, list[float]]:
    """In s17: when the last heartbeat came, and when the controller wrote Unknown, again and again."""
    frames = ready(lines("s17-kubelet-killed"))
    unknown = [t for t, condition in frames if condition["status"] == "Unknown"]
    return max(t for t in heartbeats(lines("s17-kubelet-killed")) if t < unknown[0]), unknown


def monitor_shown() -> None:
    assert statistics.median(gaps(lost()[1])) == pytest.approx(setting("node monitor").number, abs=0.05)


def grace_shown() -> None:
    """The grace was 10 s there. The controller may see a heartbeat one pass late, and acts up to one pass late."""
    heard, unknown = lost()
    assert settings.is_over(10, heard, unknown[0])
    assert unknown[0] - heard <= 10 + 2 * setting("node monitor").number


def eviction_shown() -> None:
    """The eviction time-out was 20 s there. Pods go in the pass after the one that found the node lost."""
    heard, unknown = lost()
    gone = [t for t, kind, _ in of("pods", lines("s17-kubelet-killed")) if kind == "DELETED"][:3]
    assert settings.is_over(settings.silence_before_eviction(grace=10, eviction=20), heard, min(gone))
    assert min(gone) - unknown[0] == pytest.approx(setting("node monitor").number, abs=0.5)


def pod_sync_shown() -> None:
    """From the end of a container to the creation of the next one of the same name in the same pod."""
    found = []
    for file in recorded():
        ended: dict[tuple[str, ...], float] = {}
        for t, event in engine(file, "die", "create"):
            name = event["Actor"]["Attributes"]["name"].split("_")
            key = (name[1].partition(".")[0], *name[2:5])
            if event["status"] == "die":
                ended[key] = t
            elif key in ended and key[0] != "POD":
                found.append(t - ended.pop(key))
    assert len(found) > 50
    assert setting("pod sync").number - 1 < max(found) < setting("pod sync").number + 0.5


def stop_shown() -> None:
    found = []
    for file in recorded():
        asked: dict[str, float] = {}
        for t, event in engine(file, "kill"):
            signal = event["Actor"]["Attributes"]["signal"]
            if signal == "15":
                asked[event["id"]] = t
            elif signal == "9" and event["id"] in asked:
                found.append(t - asked[event["id"]])
    assert len(found) > 20
    assert all(setting("stop").number <= gap < setting("stop").number + 0.5 for gap in found)


def pause_image_shown() -> None:
    found = [e["Actor"]["Attributes"] for file in recorded() for _, e in engine(file, "create")]
    images = {attributes["image"] for attributes in found if attributes["name"].startswith("k8s_POD.")}
    assert images == {setting("pause image").default}


def back_off_shown() -> None:
    """The event is merged: its count rises at each try."""
    found = [event for _, _, event in of("events", lines("s16-unschedulable")) if event["reason"] == "failedScheduling"]
    assert [event["count"] for event in found] == [1, 2, 3, 4, 5]
    tries = [seconds(event["lastTimestamp"]) for event in found]
    assert gaps(tries) == list(itertools.islice(settings.back_off(), 4))


def retention_shown() -> None:
    events = [event["metadata"] for file in recorded() for _, kind, event in of("events", file) if kind == "ADDED"]
    kept = [seconds(meta["deletionTimestamp"]) - seconds(meta["creationTimestamp"]) for meta in events]
    assert len(kept) > 300
    assert all(0 <= gap - setting("event retention").number <= 1 for gap in kept)


SHOWN: dict[str, Callable[[], None]] = {
    "heartbeat": heartbeat_shown,
    "longer each time": ramp_shown,
    "pod sync": pod_sync_shown,
    "stop": stop_shown,
    "pause image": pause_image_shown,
    "node monitor": monitor_shown,
    "grace": grace_shown,
    "eviction": eviction_shown,
    "first back-off": back_off_shown,
    "event retention": retention_shown,
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_real_cluster_kept_to_it(name: str) -> None:
    SHOWN[name]()


def test_the_settings_say_which_of_them_a_recording_shows() -> None:
    assert {one.name for one in SETTINGS if one.seen} == set(SHOWN)
