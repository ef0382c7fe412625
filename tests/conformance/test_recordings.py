"""Reading recordings: what becomes of each field, and of each kind of bad line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conformance import history, recordings
from conformance.history import Header, History, Seen
from conformance.runtime import ContainerSeen, EngineSeen, EventSeen, NodeSeen, Observation, PodSeen
from model import pod
from tests.recorded import FILES, FOLDER, lines


def seen(name: str) -> list[Observation]:
    return [what for _, what in recordings.observations(recordings.read(FOLDER / f"{name}.ndjson"))]


def class_of(status: ContainerSeen | None) -> str:
    """The class of the decision table, straight from the frame: no model state, no oracle (F-T1)."""
    if status is None or status.state == "unknown":
        return "unknown"
    if status.state == "terminated":
        return "succeeded" if status.exit_code == 0 else "failed"
    return status.state


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_the_decision_table_predicts_the_phase_of_every_recorded_frame(path: Path) -> None:
    """F-T1 needs nothing but the frame's own container statuses. Catches a wrong row, and a misread field."""
    frames = 0
    for _, what in recordings.observations(recordings.read(path)):
        if isinstance(what, PodSeen):
            statuses = {c.name: c for c in what.containers or ()}
            classes = frozenset(class_of(statuses.get(member)) for member in what.members)
            assert pod.decide(what.policy, classes)[0] == what.phase, what
            frames += 1
    assert frames or path.stem.startswith("s14"), "s14 alone has no pod: the API refused its controller"


def test_all_recordings_are_there_and_have_no_bad_line() -> None:
    read = [recordings.read(path) for path in FILES]
    assert len(read) == 30
    assert sum(len(r.entries) for r in read) == 1579 + 2, "and two refusals, told by the files beside s14"
    assert not [bad for r in read for bad in r.bad]


def test_what_a_pod_frame_becomes() -> None:
    pods = [p for p in seen("s06-oom-never") if isinstance(p, PodSeen)]
    assert (pods[0].node, pods[0].containers, pods[0].phase) == (None, None, "Pending")
    failed = pods[3]
    assert (failed.node, failed.policy, failed.members, failed.deleted) == ("127.0.0.1", "Never", ("c1",), False)
    assert failed.containers is not None
    status = failed.containers[0]
    assert (status.state, status.exit_code, status.oom, status.restarts) == ("terminated", 137, True, 0)
    assert status.finished_at is not None
    assert pods[-1].deleted


def test_what_a_restarted_container_becomes() -> None:
    last = [p for p in seen("s02-exit7-always") if isinstance(p, PodSeen)][-1]
    assert last.containers is not None
    status = last.containers[0]
    assert (status.state, status.restarts, status.last_exit_code, status.last_oom) == ("running", 3, 7, False)


def test_what_node_event_and_engine_frames_become() -> None:
    found = seen("s17-kubelet-killed")
    ready = [n.ready for n in found if isinstance(n, NodeSeen)]
    assert ready[:2] == ["True", "True"]
    assert "Unknown" in ready
    assert ready[-1] == "True"
    assert {n.phase for n in found if isinstance(n, NodeSeen)} == {None}
    reasons = {e.reason for e in found if isinstance(e, EventSeen)}
    assert {"scheduled", "created", "started", "unknown", "online", "successfulCreate"} <= reasons
    engine = [e for e in found if isinstance(e, EngineSeen)]
    assert {e.container for e in engine} == {"c1"}, "the sandbox (POD) is no member"
    assert [e.exit_code for e in engine if e.action == "die"] == [137, 137, 137]


def test_a_failed_event_of_v0_17_0_is_a_failed_start_not_a_failed_container() -> None:
    """EVENT-1: `failed` there means image, create or start trouble. Catches an event rule that takes it for an exit."""
    reasons = {e.reason for e in seen("s09-noimage-never") if isinstance(e, EventSeen) and e.container}
    assert reasons == {"start-failed"}


def test_the_v1_dialect_is_read_as_well(tmp_path: Path) -> None:
    """`nodeName`, `terminated`, `OOMKilled` instead of `host`, `termination`, `OOM Killed`."""
    frames = lines("s06-oom-never")
    text = "".join(json.dumps(line) + "\n" for line in frames)
    text = text.replace('"host": "127', '"nodeName": "127').replace('"termination"', '"terminated"')
    path = tmp_path / "v1.ndjson"
    path.write_text(text.replace("OOM Killed", "OOMKilled"))
    found = [p for _, p in recordings.observations(recordings.read(path)) if isinstance(p, PodSeen)][3]
    assert (found.node, found.phase) == ("127.0.0.1", "Failed")
    assert found.containers is not None
    assert (found.containers[0].exit_code, found.containers[0].oom) == (137, True)


GOOD = json.dumps(lines("s09-noimage-never")[0]).encode() + b"\n"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"nonsense\n", "no JSON"),
        (GOOD[:200], "truncated"),
        (GOOD.replace(b"default", b"def\xff\xfeult"), "not UTF-8 at byte"),
        (b'{"t": 1, "stream": "pods", "object": "x' + b"x" * history.MAX_LINE + b'"}\n', "longer than 8 MiB"),
        (GOOD.replace(b'"t": ', b'"t": "soon", "u": '), "Expected `float`, got `str` - at `$.t`"),
        (GOOD.replace(b'"Pending"', b"17"), "Expected `str`, got `int`"),
        (GOOD.replace(b'"Never", "dns', b'17, "dns'), "Expected `str | object | null`, got `int`"),
        (b'{"seq": 1, "t": 0.0, "kind": "gossip"}\n', "Invalid value 'gossip'"),
        (b"[1, 2]\n", "Expected `object`, got `array`"),
    ],
    ids=["no-json", "truncated", "not-utf8", "enormous", "t", "phase", "policy", "kind", "array"],
)
def test_a_bad_line_is_told_with_its_place_and_the_others_are_read(tmp_path: Path, line: bytes, problem: str) -> None:
    path = tmp_path / "bad.ndjson"
    path.write_bytes(GOOD + b"\n" + GOOD + line)
    read = recordings.read(path)
    assert len(read.entries) == 2
    assert [(bad.file, bad.line) for bad in read.bad] == [(str(path), 4)]
    assert problem in read.bad[0].problem


def test_lines_after_a_bad_one_are_read(tmp_path: Path) -> None:
    path = tmp_path / "bad.ndjson"
    path.write_bytes(GOOD + b"}\n" + GOOD)
    assert [e.line for e in recordings.read(path).entries] == [1, 3]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"nothing of the kind\n"])
def test_a_file_without_a_history_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "empty.ndjson"
    path.write_bytes(content)
    with pytest.raises(recordings.UnreadableFile, match="expected NDJSON"):
        recordings.read(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(recordings.UnreadableFile, match="No such file"):
        recordings.read(tmp_path / "none.ndjson")


def test_frames_that_tell_nothing_are_counted(tmp_path: Path) -> None:
    """A watch that breaks off, and a stream that we do not know."""
    path = tmp_path / "more.ndjson"
    path.write_bytes(
        GOOD + b'{"t": 1, "stream": "pods", "object": {"type": "ERROR", "object": {"code": 410}}}\n'
        b'{"t": 2, "stream": "services", "object": {}}\n'
    )
    read = recordings.read(path)
    assert (len(read.entries), read.ignored, read.bad) == (3, 2, [])


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "own.ndjson"
    written = History(path)
    written.add(Header(scenario="x", policy="Never"), 0.0)
    pod_seen = PodSeen(at=1.5, name="p", uid="u", policy="Never", phase="Pending", members=("c1",))
    written.add(Seen(what=pod_seen), 1.5)
    written.close()
    read = recordings.read(path)
    assert [e.content for e in read.entries] == written.records
    assert [(e.t, e.version) for e in read.entries] == [(0.0, 1), (1.5, 2)]
