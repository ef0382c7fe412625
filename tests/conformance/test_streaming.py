"""A history of any length: memory does not grow with it, and little is known of what lies beyond a window."""

from __future__ import annotations

import copy
import itertools
import json
import re
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

from conformance import recordings
from conformance.history import Seen
from conformance.judge import Judgement, judge, judge_lines
from conformance.judges.case import FINDINGS
from conformance.recent import Recent, Versions
from conformance.recordings import Entry
from conformance.runtime import ContainerSeen, NodeSeen, Observation, PodSeen
from conformance.verdict import Verdict
from model.profiles import PROFILES, profile
from tests.recorded import FILES, Line, lines, pod_at, pod_frames

CODE = profile("v0.17.0")


def told(judgement: Judgement) -> tuple[Verdict, set[str]]:
    return judgement.verdict, {str(finding) for finding in judgement.findings}


def entries(of: Iterable[Line]) -> Iterator[Entry]:
    """Lines as they are read, one after the other."""
    reader = recordings._Reader()
    for number, line in enumerate(of, 1):
        yield from reader.entries(number, json.dumps(line).encode())


def judged(of: Iterable[Line], window: int = 10_000) -> Judgement:
    return judge_lines("made", entries(of), CODE, window)


def broken(judgement: Judgement) -> set[str]:
    return {rule for f in judgement.findings if f.verdict is Verdict.FAIL for rule in f.rules}


# --- the window -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", PROFILES)
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_window_of_thirty_lines_gives_the_same_verdicts(path: Path, by: str) -> None:
    """Streams lag by less. Catches what is forgotten too early, and evidence that is not looked for ahead."""
    recording = recordings.read(path)
    assert told(judge(recording, profile(by), window=30)) == told(judge(recording, profile(by)))


@pytest.mark.parametrize("lag", [5, 20])
def test_events_and_engine_may_come_later_than_what_they_tell_of(lag: int) -> None:
    """Every line of these streams is moved down by as many lines. What came in time is judged as before."""
    for path in FILES:
        of = lines(path.stem)
        late = [(n + lag * (line["stream"] in ("events", "docker")), line) for n, line in enumerate(of)]
        moved = [line for _, line in sorted(late, key=lambda item: item[0])]
        for number, line in enumerate(moved):
            line["t"] = float(number)
        judgement = judged(moved, window=100)
        assert judgement.verdict is Verdict.PASS, (path.stem, [str(f) for f in judgement.findings])


def history(*seen: Observation) -> list[Entry]:
    """Observations of our own form, one a second."""
    records = [Seen(what=what, seq=number, t=float(number)) for number, what in enumerate(seen, 1)]
    return recordings.of_records("made", list(records)).entries


@pytest.mark.parametrize(("between", "verdict"), [(5, Verdict.PASS), (30, Verdict.FAIL)], ids=["within", "beyond"])
def test_what_caused_something_is_looked_for_ahead_within_the_window(between: int, verdict: Verdict) -> None:
    """A pod is Failed, as its node is lost; the node's own frame comes later. Catches a judge that knows no more than
    the line it is at, and one that knows all of them."""
    up, down = (
        NodeSeen(0.0, "n", "n", "Running", "True", "True"),
        NodeSeen(0.0, "n", "n", "Running", "False", "Unknown"),
    )
    running = PodSeen(0.0, "p", "p", "Always", "Running", ("c",), "n", (ContainerSeen("c", "running"),))
    failed = msgspec.structs.replace(running, phase="Failed")
    others = [NodeSeen(0.0, "other", "other", "Running", "True", "True")] * between
    judgement = judge_lines("made", history(up, running, failed, *others, down), profile("seed"), window=20)
    assert judgement.verdict is verdict, [str(f) for f in judgement.findings]


def test_what_is_told_of_a_pod_that_has_just_gone_is_judged() -> None:
    """Catches pods that are forgotten at once."""
    of = lines("s11-delete-running")
    gone = next(n for n, line in enumerate(of) if line["stream"] == "pods" and line["object"]["type"] == "DELETED")
    late = next(copy.deepcopy(line) for line in of if line["stream"] == "events" and _of_kubelet(line))
    about, meta = late["object"]["object"]["involvedObject"], pod_at(of, gone)["metadata"]
    about.update(uid=meta["uid"], name=meta["name"])
    late["object"]["object"]["source"]["host"] = "elsewhere"
    late["object"]["object"]["metadata"].update(name="late", resourceVersion=str(int(meta["resourceVersion"]) + 1))
    late["t"] = of[gone]["t"]
    judgement = judged([*of[: gone + 1], late], window=3)
    assert "pod.event.source-host" in broken(judgement)


def _of_kubelet(line: Line) -> bool:
    event = line["object"]["object"]
    return bool(event["source"].get("component") == "kubelet" and event["involvedObject"]["kind"] == "Pod")


# --- memory ---------------------------------------------------------------------------------------------------------


INSTANCE = re.compile(r"\b[0-9a-f]{4}([0-9a-f]{8}(?:[0-9a-f]{52})?)\b")
"""The id of an instance, or its beginning, as messages have it; or the end of a uid."""


def lives(count: int) -> Iterator[Line]:
    """The life of one pod after that of another: s11, in which a pod is created and deleted, again and again."""
    of = lines("s11-delete-running")
    frames = [line["object"]["object"] for line in of if line["stream"] != "docker"]
    last = max(int(frame["metadata"]["resourceVersion"]) for frame in frames)
    begin, end, text = of[0]["t"], of[-1]["t"], json.dumps(of)
    for number in range(count):
        begun = f"{number:04x}"
        other = INSTANCE.sub(lambda found, begun=begun: begun + found[1], text)  # type: ignore[misc]
        other = other.replace("s11-delete-running", f"p{number}")
        for line in json.loads(other):
            line["t"] += number * (end - begin + 1)
            if line["stream"] == "docker":
                line["object"]["timeNano"] += number * 10**12
            else:
                meta = line["object"]["object"]["metadata"]
                meta["resourceVersion"] = str(int(meta["resourceVersion"]) + number * (last + 1))
            yield line


def restarts(count: int) -> Iterator[Line]:
    """One pod whose container is restarted again and again: the frames of one restart, with other instances."""
    of = lines("s01-exit0-always")
    first = copy.deepcopy(pod_at(of, pod_frames(of)[-1]))
    status = first["status"]["containerStatuses"][0]
    for number in range(count):
        pod = copy.deepcopy(first)
        pod["metadata"]["resourceVersion"] = str(1000 + number)
        again = {**status, "restartCount": min(number, 5), "containerID": f"docker://{number:064x}"}
        again["state"] = {"running": {"startedAt": "2015-05-11T00:00:00Z"}}
        again["lastState"] = {}
        pod["status"]["containerStatuses"] = [again]
        pod["status"]["phase"] = "Running"
        yield {"t": float(number), "stream": "pods", "object": {"type": "MODIFIED", "object": pod}}


def peak(of: Iterable[Line], window: int = 50) -> int:
    tracemalloc.start()
    try:
        assert judged(of, window).verdict is Verdict.PASS
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("make", [lives, restarts], ids=["objects-come-and-go", "one-object-goes-on"])
def test_memory_does_not_grow_with_the_length(
    make: Callable[[int], Iterator[Line]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches anything that is kept of what is gone, or of all that an object ever did: four times the length takes at
    most a tenth more. What is kept of the newest things is made small, so that both lengths fill it."""
    for small in ("recent.MOST", "recent.RUNS", "judges.pods.RETIRED", "judges.events.INSTANCES"):
        monkeypatch.setattr(f"conformance.{small}", 20)
    peak(make(50))  # what is remembered once for all histories
    short, long = peak(make(100)), peak(make(400))
    assert long < 1.1 * short, (short, long)


def test_findings_do_not_grow_with_the_length() -> None:
    """One way to fail, ten thousand and five times: each rule is told, and how often it was broken."""
    of = lines("s01-exit0-never")
    pod = pod_at(of, pod_frames(of)[-1])

    def lost(number: int) -> Line:
        meta = {**pod["metadata"], "uid": f"u{number}", "resourceVersion": str(number + 1)}
        frame = {"type": "MODIFIED", "object": {**pod, "metadata": meta, "status": {"phase": "Lost"}}}
        return {"t": 0.0, "stream": "pods", "object": frame}

    judgement = judged(lost(number) for number in range(FINDINGS + 5))
    assert len(judgement.findings) == FINDINGS
    assert judgement.untold == 5


# --- watches --------------------------------------------------------------------------------------------------------


def until_running(name: str) -> tuple[list[Line], int]:
    """A recording up to the frame after its pod first runs; and the place of that."""
    of = lines(name)
    place = pod_frames(of, lambda pod: pod["status"]["phase"] == "Running")[0]
    return of, place


def again(line: Line) -> Line:
    """A frame as a watch that begins again shows it."""
    found = copy.deepcopy(line)
    found["object"]["type"] = "ADDED"
    return found


def expired(at: Line) -> Line:
    status = {"kind": "Status", "status": "Failure", "message": "too old resource version", "code": 410}
    return {"t": at["t"], "stream": "pods", "object": {"type": "ERROR", "object": status}}


def test_a_watch_that_begins_again_lists_what_is_there() -> None:
    of, place = until_running("s01-exit0-always")
    judgement = judged([*of[: place + 1], again(of[place]), *of[place + 1 :]])
    assert judgement.verdict is Verdict.PASS, [str(f) for f in judgement.findings]
    assert judgement.delivery["restarts"] == 1
    assert judgement.delivery["objects"] == judged(of).delivery["objects"]


def test_an_older_version_of_an_object_is_no_restart_of_the_watch() -> None:
    """Catches any ADDED being taken for one: then two frames could be swapped unseen."""
    of, place = until_running("s01-exit0-always")
    first = pod_frames(of)[0]
    later = again(of[first])
    later["t"] = of[place]["t"]
    judgement = judged([*of[: place + 1], later, *of[place + 1 :]])
    assert "history.order.version" in broken(judgement)
    assert "restarts" not in judgement.delivery


def test_a_version_that_is_gone_begins_the_watch_anew() -> None:
    """Frames are missing then: of two pods, one has gone without a frame; it is not asked for any more, nor failed."""
    of, place = until_running("s01-exit0-always")
    other = copy.deepcopy(of[pod_frames(of)[0]])
    other["object"]["object"]["metadata"].update(name="other", uid="other", resourceVersion="1")
    news = [line for line in of[place + 1 :] if line["stream"] == "pods"]
    for line in news:
        line["t"] = of[-1]["t"]
    judgement = judged([other, *of[: place + 1], expired(of[place]), again(news[1]), *news[2:]])
    assert judgement.verdict is Verdict.PASS, [str(f) for f in judgement.findings]
    assert (judgement.delivery["expired"], judgement.delivery["unseen"]) == (1, 1)


def test_what_comes_after_newer_frames_of_other_streams_is_counted() -> None:
    of = lines("s01-exit0-always")
    place = pod_frames(of)[1]
    late = next(n for n, line in enumerate(of) if n > place and line["stream"] == "events")
    moved = [*of[:place], *of[place + 1 : late + 1], of[place], *of[late + 1 :]]
    for number, line in enumerate(moved):
        line["t"] = float(number)
    found, before = judged(moved), judged(of)
    assert found.delivery.get("late", 0) == before.delivery.get("late", 0) + 1
    assert found.verdict is Verdict.PASS


def test_a_frame_that_comes_again_is_counted() -> None:
    of, place = until_running("s01-exit0-always")
    judgement = judged([*of[: place + 1], of[place], *of[place + 1 :]])
    assert judgement.delivery["repeated"] == 1
    assert judgement.verdict is Verdict.PASS


# --- what is remembered ---------------------------------------------------------------------------------------------


def test_only_the_newest_are_remembered() -> None:
    found: Recent[int, str] = Recent(2)
    for number in (1, 2, 1, 3):
        found.setdefault(number, str(number))
    assert found == {2: "2", 3: "3"}


@pytest.mark.parametrize("order", list(itertools.permutations((3, 4, 5, 9))), ids=str)
def test_versions_without_a_gap(order: tuple[int, ...]) -> None:
    """Whatever the order in which they come. Catches runs that do not meet."""
    found = Versions()
    for version in order:
        found.add(version)
    assert (found.begins, found.ends) == ([3, 9], [5, 9])
    assert found.gapless(2, 6)
    assert found.gapless(7, 8)
    assert not found.gapless(2, 7)
    assert not found.gapless(5, 7)
    assert not found.gapless(None, 4)


def test_of_the_runs_of_versions_the_newest_are_remembered() -> None:
    found = Versions(most=4)
    for version in range(0, 20, 2):
        found.add(version)
    assert len(found.begins) <= 4
    assert found.ends[-1] == 18
    assert not found.gapless(-1, 1)
