"""Several judges of one recording together say what one alone says: the same findings in the same order, all counts."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance import recordings
from conformance.history import BadLine
from conformance.judge import Judgement, judge_lines, judge_share, whole
from conformance.judges import case
from conformance.recordings import Entry
from conformance.shares import Entangled, Share
from conformance.verdict import Verdict
from model.profiles import PROFILES, profile
from tests.recorded import FILES, Line, interleaved

from .test_frames import cordoned
from .test_trace import broken

Lines = list[Entry | BadLine]

LOADED: list[Line] = [json.loads(text) for text in interleaved(FILES)]


def read(lines: list[Line], folder: Path) -> Lines:
    path = folder / "recording.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with path.open("rb") as file:
        return list(recordings.Reading(file, path))


def alone(lines: Lines, by: str, window: int) -> Judgement:
    return judge_lines("it", lines, profile(by), window)


def together(lines: Lines, by: str, window: int, judges: int) -> Judgement:
    shares = [Share(number, judges) for number in range(judges)]
    return whole("it", profile(by), [judge_share(lines, profile(by), window, share) for share in shares])


@pytest.mark.parametrize("by", PROFILES)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_recording_is_judged_alike_by_one_and_by_several(path: Path, by: str) -> None:
    with path.open("rb") as file:
        lines = list(recordings.Reading(file, path))
    assert together(lines, by, 10_000, 2) == together(lines, by, 10_000, 3) == alone(lines, by, 10_000)


@pytest.mark.parametrize("window", [20, 10_000])
@pytest.mark.parametrize("by", PROFILES)
def test_so_is_what_a_whole_cluster_tells(by: str, window: int, tmp_path: Path) -> None:
    lines = read(LOADED, tmp_path)
    one = alone(lines, by, window)
    assert one.delivery["objects"] > 60
    assert by == "seed" or window == 20 or one.verdict is Verdict.PASS  # it is a cluster that could have been
    for judges in (2, 3, 7):
        assert together(lines, by, window, judges) == one


def test_so_is_what_is_cut_off(tmp_path: Path) -> None:
    """What is asked of all pods that are left is told in the order in which they came."""
    lines = read(LOADED[: len(LOADED) // 2], tmp_path)
    one = alone(lines, "seed", 10_000)
    assert sum(finding.verdict is Verdict.UNKNOWN for finding in one.findings) > 5
    assert together(lines, "seed", 10_000, 3) == one


def _object(line: Line) -> Line:
    found: Line = line["object"].get("object", {})
    return found


def _of(lines: list[Line], stream: str, choose: random.Random) -> int:
    return choose.choice(
        [n for n, line in enumerate(lines) if line["stream"] == stream and "metadata" in _object(line)]
    )


def _lose(lines: list[Line], choose: random.Random) -> None:
    del lines[choose.randrange(len(lines))]


def _swap(lines: list[Line], choose: random.Random) -> None:
    a, b = choose.randrange(len(lines)), choose.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]


def _repeat(lines: list[Line], choose: random.Random) -> None:
    place = choose.randrange(len(lines))
    lines.insert(place + choose.randrange(1, 40), copy.deepcopy(lines[place]))


def _phase(lines: list[Line], choose: random.Random) -> None:
    _object(lines[_of(lines, "pods", choose)])["status"]["phase"] = choose.choice(["Failed", "Running", "Odd"])


def _restarts(lines: list[Line], choose: random.Random) -> None:
    for status in _object(lines[_of(lines, "pods", choose)])["status"].get("containerStatuses") or ():
        status["restartCount"] = choose.choice([0, 1, 7])


def _delete(lines: list[Line], choose: random.Random) -> None:
    lines[_of(lines, "pods", choose)]["object"]["type"] = "DELETED"


def _policy(lines: list[Line], choose: random.Random) -> None:
    _object(lines[_of(lines, "pods", choose)])["spec"]["restartPolicy"] = choose.choice(["Never", "Always", "Odd"])


def _move(lines: list[Line], choose: random.Random) -> None:
    _object(lines[_of(lines, "pods", choose)])["spec"]["host"] = f"10.0.0.{choose.randrange(30)}"


def _down(lines: list[Line], choose: random.Random) -> None:
    for condition in _object(lines[_of(lines, "nodes", choose)])["status"].get("conditions") or ():
        condition["status"] = choose.choice(["False", "Unknown"])


def _node_goes(lines: list[Line], choose: random.Random) -> None:
    lines[_of(lines, "nodes", choose)]["object"]["type"] = "DELETED"


def _counted(lines: list[Line], choose: random.Random) -> None:
    _object(lines[_of(lines, "replicationcontrollers", choose)])["status"]["replicas"] = choose.randrange(4)


def _reason(lines: list[Line], choose: random.Random) -> None:
    told = _object(lines[_of(lines, "events", choose)])
    told["reason"] = choose.choice(["scheduled", "starting", "killing", "nonsense", "failedScheduling"])


def _unnamed(lines: list[Line], choose: random.Random) -> None:
    _object(lines[_of(lines, "events", choose)])["involvedObject"].pop("uid", None)


def _no_candidate(lines: list[Line], choose: random.Random) -> None:
    told = _object(lines[_of(lines, "events", choose)])
    told |= {"reason": "failedScheduling", "message": "Error: no minions available to schedule pods"}


def _kubelet(lines: list[Line], choose: random.Random) -> None:
    told = _object(lines[_of(lines, "events", choose)])
    told |= {
        "reason": "starting",
        "message": "",
        "involvedObject": {"kind": "Node", "name": "10.0.0.1", "uid": "10.0.0.1"},
    }


def _again(lines: list[Line], choose: random.Random) -> None:
    """A watch whose version is gone begins again, with a list of most of what is there."""
    place = choose.randrange(len(lines) // 3, len(lines))
    last = {_object(line)["metadata"]["uid"]: line for line in lines[:place]
            if line["stream"] == "pods" and line["object"]["type"] in ("ADDED", "MODIFIED")}  # fmt: skip
    listed = [copy.deepcopy(line) for line in last.values() if choose.random() < 0.8]
    for line in listed:
        line["object"]["type"] = "ADDED"
        line["t"] = lines[place]["t"]
    ended = {"t": lines[place]["t"], "stream": "pods", "object": {"type": "ERROR", "object": {"code": 410}}}
    lines[place:place] = [ended, *listed] if choose.random() < 0.7 else listed


TAMPERED: list[Callable[[list[Line], random.Random], None]] = [
    _lose, _swap, _repeat, _phase, _restarts, _delete, _policy, _move, _down, _node_goes, _counted, _reason, _unnamed,
    _no_candidate, _kubelet, _again,
]  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_so_is_what_has_been_tampered_with(seed: int, tmp_path: Path) -> None:
    choose = random.Random(seed)
    lines = copy.deepcopy(LOADED)
    for _ in range(60):
        choose.choice(TAMPERED)(lines, choose)
    entries, window = read(lines, tmp_path), choose.choice([30, 500, 10_000])
    for by in PROFILES:
        one = alone(entries, by, window)
        assert len({rule for finding in one.findings for rule in finding.rules}) > 5
        assert together(entries, by, window, 1 + seed % 4) == together(entries, by, window, 5) == one


def test_what_the_scheduler_says_of_another_pod_is_known(tmp_path: Path) -> None:
    """That it knows no candidate holds of every pod: a binding right after it is a failure."""
    of = cordoned()
    for line in of:
        if line["stream"] == "events" and _object(line)["reason"] == "failedScheduling":
            _object(line)["involvedObject"] |= {"name": "another", "uid": "another"}
    entries = read(of, tmp_path)
    one = alone(entries, "v0.17.0", 10_000)
    assert broken(one) == {"scheduler.candidate.ready"}
    for judges in (2, 3, 4, 5):
        assert together(entries, "v0.17.0", 10_000, judges) == one


@pytest.mark.parametrize("started", [False, True])
def test_that_a_kubelet_started_again_is_known(started: bool, tmp_path: Path) -> None:
    """Its pods may then show an incarnation that is not counted; nobody says which pods those are."""
    of = [line for line in copy.deepcopy(LOADED) if _object(line).get("reason") != "starting"]
    for line in of:
        statuses = _object(line).get("status", {}).get("containerStatuses") if line["stream"] == "pods" else None
        for status in statuses or ():
            status |= {"restartCount": 0, "lastState": {}}
    event = next(line for line in LOADED if _object(line).get("reason") == "starting")
    entries = read([event, *of] if started else of, tmp_path)
    one = alone(entries, "v0.17.0", 10_000)
    assert started != any("a new incarnation runs" in finding.reason for finding in one.findings)
    for judges in (2, 3):
        assert together(entries, "v0.17.0", 10_000, judges) == one


def test_of_very_many_findings_the_same_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case, "FINDINGS", 7)
    lines = copy.deepcopy(LOADED)
    for _ in range(80):
        _phase(lines, random.Random(len(lines)))
        _swap(lines, random.Random(len(lines)))
        _repeat(lines, random.Random(len(lines)))
    entries = read(lines, tmp_path)
    one = alone(entries, "seed", 10_000)
    assert one.untold > 20
    assert together(entries, "seed", 10_000, 3) == one


def test_work_is_shared(tmp_path: Path) -> None:
    """Each judge tells of its own objects only, and has some."""
    entries = read(LOADED, tmp_path)
    parts = [judge_share(entries, profile("v0.17.0"), 10_000, Share(number, 3)) for number in range(3)]
    counts = [part.delivery["objects"] for part in parts]
    assert min(counts) > 10
    assert sum(counts) == alone(entries, "v0.17.0", 10_000).delivery["objects"]


def test_objects_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    lines = copy.deepcopy(LOADED)
    pods = [n for n, line in enumerate(lines) if line["stream"] == "pods"]
    _object(lines[pods[5]])["metadata"]["name"] = "another"
    with pytest.raises(Entangled, match=f"line {pods[5] + 1}: .* is of 'another'|was of 'another'"):
        together(read(lines, tmp_path), "seed", 100, 2)


def test_so_are_instances_of_two_pods(tmp_path: Path) -> None:
    lines = copy.deepcopy(LOADED)
    told = [n for n, line in enumerate(lines) if "docker id" in _object(line).get("message", "")]
    other = next(n for n in told if _object(lines[n])["involvedObject"] != _object(lines[told[0]])["involvedObject"])
    _object(lines[other])["message"] = _object(lines[told[0]])["message"]
    with pytest.raises(Entangled, match="is of"):
        together(read(lines, tmp_path), "v0.17.0", 100, 2)


def test_histories_of_our_own_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text('{"kind": "quiescent", "seq": 1, "t": 0}\n', encoding="utf-8")
    with path.open("rb") as file, pytest.raises(Entangled, match="history of our own"):
        judge_share(list(recordings.Reading(file, path)), profile("seed"), 100, Share(0, 2))
