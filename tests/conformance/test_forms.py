"""The forms in which others record: each tells the same as the recording that it was converted from."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from conformance import recordings
from conformance.judge import Judgement, judge
from conformance.verdict import Verdict
from model.profiles import profile
from tests.recorded import Line, judged, lines, pod_at, pod_frames

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


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", ["s06-oom-never", "s02-exit7-always", "s13-rc", "s16-unschedulable"])
def test_each_form_is_judged_like_the_recording(name: str, form: Form, tmp_path: Path) -> None:
    original = judged(lines(name), tmp_path)
    assert told(original) == (Verdict.PASS, set())
    found = read(form(lines(name)), tmp_path)
    assert not found.bad
    judgement = judge(found, profile("v0.17.0"))
    assert told(judgement) == told(original), judgement.findings
    assert {"pod.life.not-by-itself"} & judgement.covered.keys() == {"pod.life.not-by-itself"} & original.covered.keys()


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.__name__)
def test_each_form_shows_what_was_tampered_with(form: Form, tmp_path: Path) -> None:
    tampered = wrong_phase("s06-oom-never")
    original = judged(tampered, tmp_path)
    assert told(original)[0] is Verdict.FAIL
    assert told(judge(read(form(tampered), tmp_path), profile("v0.17.0"))) == told(original)
