"""What the benchmarks measure is what they say: the recording that they make could be one of a v0.17.0 cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conformance import recordings
from conformance.judge import judge
from model.profiles import profile
from tests.recorded import FILES

FRAMES = Path(__file__).parent.parent / "benchmarks" / "frames.py"
NUMBER = 3_000

HELD = {
    "history.order.time", "pod.phase.table", "pod.phase.succeeded", "pod.phase.failed", "pod.restart.unlimited",
    "pod.restart.oom.onfailure", "pod.binding.scheduler", "pod.life.deleted-at-once", "node.condition.only-ready",
    "replication.count.status",
}  # fmt: skip
"""Some of the rules that it takes a busy cluster to see."""

LACKS = {
    "nodes": {".object.object.metadata.labels.name: str", ".object.object.spec.unschedulable: bool"},
    "pods": {
        ".object.object.spec.containers[].resources.limits.memory: str",
        ".object.object.spec.containers[].securityContext.privileged: bool",
    },
    "replicationcontrollers": {".object.object.spec.template.spec.containers[].securityContext.privileged: bool"},
}
"""What some real objects have besides, as somebody had put it into their manifest."""


def made(path: Path, *options: str) -> Path:
    subprocess.run([sys.executable, FRAMES, *options, str(NUMBER), path], check=True)
    return path


def shape(value: Any, path: str = "") -> set[str]:
    """The places of a value at which there is something, and what kind of thing."""
    if isinstance(value, dict):
        return {place for name, part in value.items() for place in shape(part, f"{path}.{name}")}
    if isinstance(value, list):
        return {place for part in value for place in shape(part, f"{path}[]")}
    return {f"{path}: {type(value).__name__}"}


@pytest.mark.parametrize("options", [(), ("--history",)])
def test_what_is_judged_in_the_benchmarks_is_whole_and_passes(tmp_path: Path, options: tuple[str, ...]) -> None:
    read = recordings.read(made(tmp_path / "made.ndjson", *options))
    assert len(read.entries) == NUMBER
    assert not read.bad
    assert not read.ignored
    judgement = judge(read, profile("v0.17.0"))
    assert judgement.verdict == "pass", judgement.findings[:3]
    assert set(judgement.covered) >= HELD


def test_its_frames_have_all_that_real_ones_have(tmp_path: Path) -> None:
    def shapes(files: list[Path]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for line in [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]:
            frame = json.loads(line)
            found.setdefault(frame["stream"], set()).update(shape(frame))
        return found

    real, ours = shapes(FILES), shapes([made(tmp_path / "made.ndjson")])
    assert set(ours) == set(real) - {"docker"}
    for stream, found in ours.items():
        assert found - real[stream] == set()
        assert real[stream] - found == LACKS.get(stream, set())


def test_the_same_call_writes_the_same_bytes(tmp_path: Path) -> None:
    assert made(tmp_path / "one.ndjson").read_bytes() == made(tmp_path / "other.ndjson").read_bytes()
