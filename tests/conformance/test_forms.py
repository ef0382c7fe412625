"""The forms in which others record: each tells the same as the recording that it was converted from."""

from __future__ import annotations

import copy
import errno
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from conformance import recordings
from conformance.judge import Judgement, judge
from conformance.runtime import EngineSeen, EventSeen, PodSeen
from conformance.verdict import Verdict
from model.profiles import profile
from tests.recorded import FILES, FOLDER, Line, judged, lines, pod_at, pod_frames

Form = Callable[[list[Line]], bytes]


def printed(objects: list[Any], indent: int | None = None) -> bytes:
    return "".join(json.dumps(one, indent=indent) + "\n" for one in objects).encode()


def ours(of: list[Line]) -> bytes:
    return printed(of)


def watch_frames(of: list[Line]) -> bytes:
    """As the API sends them, and `docker events --format '{{json .}}'` between them."""
    return printed([line["object"] for line in of])


def bare(of: list[Line]) -> list[Any]:
    return [line["object"].get("object", line["object"]) for line in of]


def objects(of: list[Line]) -> bytes:
    return printed(bare(of))


def pretty(of: list[Line]) -> bytes:
    """As `kubectl get -w -o json` prints them."""
    return printed(bare(of), indent=4)


def lists(of: list[Line]) -> bytes:
    """As `kubectl get -o json` prints them, asked again after each change; engine events are no objects."""
    return printed(
        [
            {"apiVersion": "v1", "items": [one], "kind": "List", "metadata": {}} if "kind" in one else one
            for one in bare(of)
        ],
        indent=4,
    )


def zipped(of: list[Line]) -> bytes:
    return gzip.compress(ours(of))


def zstd(of: list[Line]) -> bytes:
    """In two frames, as when a recorder was started again."""
    whole = ours(of)
    return b"".join(zstandard.ZstdCompressor().compress(part) for part in (whole[:5000], whole[5000:]))


FORMS: list[Form] = [watch_frames, objects, pretty, lists, zipped, zstd]


def read(content: bytes, folder: Path) -> recordings.Recording:
    path = folder / "given"  # a name tells nothing
    path.write_bytes(content)
    return recordings.read(path)


def told(judgement: Judgement) -> tuple[Verdict, set[str]]:
    rules = {rule for f in judgement.findings if f.verdict is Verdict.FAIL for rule in f.rules}
    return judgement.verdict, rules


def wrong_phase(name: str) -> list[Line]:
    """A copy in which a pod that has ended is Running."""
    of = copy.deepcopy(lines(name))
    for place in pod_frames(of, lambda pod: pod["status"]["phase"] == "Failed"):
        pod_at(of, place)["status"]["phase"] = "Running"
    return of


UNDELETED = (objects, pretty, lists)
"""Forms in which no deletion is told."""

BY_DELETION = {"pod.life.node-lost", "pod.partition.failed"}
"""Rules that s17 breaks by a deletion."""


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("by", ["v0.17.0", "seed"])
def test_each_form_is_judged_like_the_recording(form: Form, by: str, tmp_path: Path) -> None:
    failed = 0
    for path in FILES:
        original = judged(lines(path.stem), tmp_path, by)
        found = read(form(lines(path.stem)), tmp_path)
        assert not found.bad
        judgement = judge(found, profile(by))
        rules = told(original)[1] - (BY_DELETION if form in UNDELETED else set())
        verdict = original.verdict if rules == told(original)[1] else Verdict.PASS
        assert told(judgement) == (verdict, rules), (path.stem, judgement.findings)
        failed += verdict is Verdict.FAIL
    assert failed == {"v0.17.0": 0, "seed": 20 if form in UNDELETED else 21}[by]


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.__name__)
def test_each_form_shows_what_was_tampered_with(form: Form, tmp_path: Path) -> None:
    tampered = wrong_phase("s06-oom-never")
    original = judged(tampered, tmp_path)
    assert told(original)[0] is Verdict.FAIL
    assert told(judge(read(form(tampered), tmp_path), profile("v0.17.0"))) == told(original)


def pod_object(version: int, name: str = "p", **more: Any) -> dict[str, Any]:
    """A pod of v1 that has no node yet."""
    meta = {"name": name, "namespace": "default", "uid": f"u-{name}", "resourceVersion": str(version), **more}
    spec = {"containers": [{"name": "c"}], "restartPolicy": "Always"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": {"phase": "Pending"}}


def pods(of: recordings.Recording) -> list[PodSeen]:
    return [what for _, what in recordings.observations(of) if isinstance(what, PodSeen)]


def test_an_object_is_added_then_modified_and_never_deleted(tmp_path: Path) -> None:
    """A pod with a `deletionTimestamp` is being deleted: it is still there."""
    going = pod_object(3, deletionTimestamp="2026-11-23T12:00:00Z")
    found = read(printed([pod_object(2), going, going]), tmp_path)
    assert [entry.added for entry in found.entries] == [True, False], "the version seen before tells nothing new"
    assert [entry.stream for entry in found.entries] == ["pods", "pods"]
    assert not any(pod.deleted for pod in pods(found))
    deleted = read(printed([{"type": "DELETED", "object": going}]), tmp_path)
    assert [pod.deleted for pod in pods(deleted)] == [True]


def test_a_watch_begins_with_what_is_there_in_any_order(tmp_path: Path) -> None:
    """Whether objects or frames; what was swapped after the first change is told."""
    listed = [pod_object(9, "a"), pod_object(4, "b")]
    swapped = [pod_object(12, "a"), pod_object(11, "b")]
    for begin in (listed, [{"type": "ADDED", "object": one} for one in listed]):
        assert told(judge(read(printed(begin), tmp_path), profile("seed")))[1] == set()
    late = [pod_object(12, "a"), pod_object(11, "c")]
    for more in (swapped, [{"type": "MODIFIED", "object": one} for one in swapped], late):
        judgement = judge(read(printed(listed + more), tmp_path), profile("seed"))
        assert told(judgement)[1] == {"history.order.version"}


def test_lists_are_ordered_by_name_and_repeat_what_has_not_changed(tmp_path: Path) -> None:
    a, b = pod_object(9, "a"), pod_object(4, "b")
    del a["kind"], b["kind"]  # a list of the API itself tells the kind once
    first = {"kind": "PodList", "apiVersion": "v1", "items": [a, b]}
    second = {"kind": "List", "apiVersion": "v1", "items": [pod_object(13, "a"), pod_object(11, "b"), pod_object(12)]}
    found = read(printed([first, second, second], indent=2), tmp_path)
    assert [pod.name for pod in pods(found)] == ["b", "a", "b", "p", "a"]
    assert told(judge(found, profile("seed")))[1] == set()


EVENT = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "p.1", "resourceVersion": "5"},
    "involvedObject": {"kind": "Pod", "name": "p"},
    "reason": "Scheduled",
    "lastTimestamp": None,
    "eventTime": "1970-01-01T00:01:40.5Z",
}
DIED = {
    "Type": "container",
    "Action": "die",
    "Actor": {"ID": "i", "Attributes": {"name": "k8s_c.1_p_default_u_2", "exitCode": "3"}},
    "time": 90,
    "timeNano": 90_000_000_000,
}


def test_the_time_of_a_line_that_has_none(tmp_path: Path) -> None:
    """That of the engine or of the event; never back; between lines with a time, theirs. When a pod was seen is not
    known, so nothing is taken to have come after it."""
    found = read(printed([pod_object(2), EVENT, DIED, pod_object(6)]), tmp_path)
    assert [entry.t for entry in found.entries] == [0.0, 100.5, 100.5, 100.5]
    assert [what.at for what in pods(found)] == [float("inf")] * 2
    seen = [what for _, what in recordings.observations(found)]
    assert [what.recorded_at for what in seen if isinstance(what, EventSeen)] == [100.5]
    assert [(what.at, what.exit_code) for what in seen if isinstance(what, EngineSeen)] == [(90.0, 3)]
    timed = {"t": 7.0, "stream": "pods", "object": {"type": "ADDED", "object": pod_object(2)}}
    assert [entry.t for entry in read(printed([timed, EVENT, DIED]), tmp_path).entries] == [7.0, 7.0, 7.0]


@pytest.mark.parametrize("name", ["k8s_c.1f2e_p_default_u_2a", "k8s_c_p_default_u_2"])
def test_an_engine_tells_the_container_with_and_without_a_hash(name: str, tmp_path: Path) -> None:
    event = {**DIED, "Actor": {"ID": "i", "Attributes": {"name": name, "exitCode": "3"}}}
    [(_, seen)] = recordings.observations(read(printed([event]), tmp_path))
    assert isinstance(seen, EngineSeen)
    assert (seen.container, seen.pod, seen.uid) == ("c", "p", "u")


def test_what_nobody_judges_is_counted(tmp_path: Path) -> None:
    ended = {"type": "ERROR", "object": {"kind": "Status", "code": 410}}
    mark = {"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {"resourceVersion": "7"}}}
    service = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "s"}}
    pulled = {"Type": "image", "Action": "pull", "Actor": {"ID": "i"}, "timeNano": 1}
    found = read(printed([ended, mark, service, pulled]), tmp_path)
    assert (len(found.entries), found.ignored, found.bad) == (4, 4, [])


def test_a_bad_object_is_told_with_its_line_and_the_others_are_read(tmp_path: Path) -> None:
    one = json.dumps(pod_object(1), indent=4)
    wrong = one.replace('"Pending"', "17").replace('"1"', '"7"')
    cut, later = one[:60] + "\n", one.replace('"1"', '"2"')
    content = f"{one}\n{wrong}\n{cut}{later}\n{cut}"
    found = read(content.encode(), tmp_path)
    size = one.count("\n") + 1
    assert [entry.line for entry in found.entries] == [1, 2 * size + cut.count("\n") + 1]
    assert [bad.line for bad in found.bad] == [size + 1, 2 * size + 1, 3 * size + cut.count("\n") + 1]
    assert "Expected `str`, got `int` - at `$.object.status.phase`" in found.bad[0].problem
    assert "truncated" in found.bad[2].problem


@pytest.mark.parametrize("form", [zipped, zstd], ids=lambda f: f.__name__)
@pytest.mark.parametrize("damage", [lambda c: c[:-9], lambda c: c[:900], lambda c: c[:200] + b"\0" * 40 + c[240:]])
def test_damaged_compressed_data_is_told(form: Form, damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """What comes before the damage is read; that something is missing is told. Catches data taken for whole."""
    whole = read(form(lines("s13-rc")), tmp_path).entries
    try:
        found = read(damage(form(lines("s13-rc"))), tmp_path)
        problem = str(found.bad[-1])
        assert 0 < len(found.entries) <= len(whole)
        assert found.entries == whole[: len(found.entries)]
    except recordings.UnreadableFile as error:
        problem = str(error)
    assert "the compressed data is damaged or cut off" in problem


class BrokenDisk(io.BytesIO):
    """The first line can be read, the second one not."""

    def readline(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            raise OSError(errno.EIO, "Input/output error")
        return super().readline(size)


def test_a_disk_that_fails_while_it_is_read_is_told() -> None:
    found = recordings.read_from(BrokenDisk(objects(lines("s13-rc"))), Path("given"))
    assert len(found.entries) == 1
    assert [str(bad) for bad in found.bad] == ["given:2: Input/output error: nothing can be read from here on"]


def test_what_the_api_refused_is_found_beside_a_compressed_recording(tmp_path: Path) -> None:
    for end in (".ndjson", ".json"):
        content = (FOLDER / f"s14-rc-never{end}").read_bytes()
        name = f"s14{end}.gz" if end == ".ndjson" else f"s14{end}"
        (tmp_path / name).write_bytes(gzip.compress(content) if end == ".ndjson" else content)
    plain = recordings.read(FOLDER / "s14-rc-never.ndjson")
    assert len(plain.entries) == len(lines("s14-rc-never")) + 1, "the refusal"
    assert recordings.read(tmp_path / "s14.ndjson.gz").entries == plain.entries
