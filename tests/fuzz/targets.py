"""The ways in, each for any bytes, with what must hold whatever they are; what does not is raised."""

from __future__ import annotations

import functools
import io
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

from adapters.simulator import Simulator
from conformance import deviations, noderecord
from conformance.history import BadLine
from conformance.judge import WINDOW, judge_lines
from conformance.opening import UnreadableFile, opened
from conformance.recordings import Entry, Reading
from conformance.runner import Settings, run_scenario
from conformance.scenario import selected
from conformance.verdict import Verdict
from model.profiles import PROFILES
from tests.fuzz import mutate

ROOT = Path(__file__).parents[2]
CASES = Path(__file__).parent / "cases"
RECORDINGS = sorted((ROOT / "tests" / "data" / "recordings" / "v0.17.0").glob("*.ndjson"))
SHORTEST = min(RECORDINGS, key=lambda path: path.stat().st_size)
WINDOWS = (WINDOW, 1, 5)

TOLD = 4000
"""Characters of a message about one line: more nobody reads, and a thousand of them are kept."""


def judged(file: io.BufferedIOBase, name: Path, which: int = 0) -> None:
    """A history is judged by one of the profiles with one of the windows, ``which``; bad lines are told."""
    profile = list(PROFILES.values())[which % len(PROFILES)]
    reading = Reading(file, name)  # type: ignore[arg-type]
    lines = list(reading)
    judgement = judge_lines(str(name), lines, profile, WINDOWS[which // len(PROFILES) % len(WINDOWS)])
    assert judgement.verdict is not Verdict.ERROR or _was_broken(lines), judgement.findings[0].reason
    assert not any("the judge broke" in finding.reason for finding in judgement.findings), judgement.findings[0].reason
    assert reading.read <= sum(isinstance(one, Entry) for one in lines)
    assert reading.problem() is None or not reading.read
    assert all(len(str(bad)) < TOLD for bad in reading.bad)


def _was_broken(lines: list[Entry | BadLine]) -> bool:
    """Whether the history itself says that its scenario broke."""
    return any(isinstance(one, Entry) and type(one.what).__name__ == "Broken" for one in lines)


def history(data: bytes) -> None:
    """A history or recording, of any form; its first byte chooses how it is judged."""
    judged(io.BufferedReader(io.BytesIO(data[1:])), Path("fuzzed.ndjson"), data[0] if data else 0)


def record(data: bytes) -> None:
    """A node record: it is accepted, or refused in words, and what is accepted can be printed."""
    noderecord.looks_like_one(data)
    try:
        shown = noderecord.shown(noderecord.parse(data.decode("utf-8"), "fuzzed"))
    except UnicodeDecodeError:
        return
    except noderecord.BadRecord as error:
        str(error).encode()
        return
    json.dumps(shown, ensure_ascii=False, allow_nan=False).encode()


def deviation(data: bytes) -> None:
    """A file of deviations: it is loaded, or refused in words."""
    with tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(data)
        file.flush()
        try:
            deviations.load(Path(file.name))
        except deviations.BadDeviations as error:
            str(error).encode()


def packed(data: bytes) -> None:
    """A file as it lies on the disk, plain or compressed."""
    with tempfile.NamedTemporaryFile(suffix=".ndjson") as file:
        file.write(data)
        file.flush()
        try:
            with opened(Path(file.name)) as plain:
                judged(plain, Path(file.name))
        except UnreadableFile as error:
            str(error).encode()


def beside(data: bytes) -> None:
    """A file beside a recording that tells what the API refused, or something else."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fuzzed.ndjson"
        path.with_suffix(".json").write_bytes(data)
        judged(io.BufferedReader(io.BytesIO(SHORTEST.read_bytes())), path)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "history": history,
    "record": record,
    "deviation": deviation,
    "packed": packed,
    "beside": beside,
}
"""By name; tests/fuzz/cases/NAME holds what once broke each."""


# --- where they begin -----------------------------------------------------------------------------------------------

MINION = b"""{"kind": "Minion", "apiVersion": "v1beta1", "id": "10.240.0.4", "hostIP": "10.240.0.4",
 "podCIDR": "10.1.0.0/16", "labels": {"a": "b"}, "resources": {"capacity": {"cpu": "1", "memory": 3892043776}},
 "status": {"phase": "Running", "conditions": [{"kind": "Ready", "status": "Full",
  "lastTransitionTime": null}], "addresses": [{"type": "ExternalIP", "address": "1.2.3.4"}],
  "nodeInfo": {"machineID": "x", "bootID": "y"}}}"""
NODE = b"""{"kind": "Node", "apiVersion": "v1beta3",
 "metadata": {"name": "n1", "labels": {"a": "b"}, "annotations": null},
 "spec": {"podCIDR": "10.1.0.0/16", "externalID": "n1", "unschedulable": false}, "status": {"capacity": {"cpu": "1"},
 "phase": "Pending", "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2015-01-01T00:00:00Z"}],
 "addresses": [{"type": "InternalIP", "address": "1.2.3.4"}]}}"""
DEVIATIONS = b"""[[deviation]]
id = "pod.event"
reason = "records no event when a container exits"
link = "https://example.org/issues/7"
expires = 2027-06-30
scenario = "restart_policy/one_container"
"""


def source(at: random.Random) -> bytes:
    """A stretch of a recording of a real cluster, in one of its forms, or a history of ours."""
    if at.random() < 0.3:
        return at.choice(histories())
    lines = at.choice(RECORDINGS).read_bytes().splitlines(keepends=True)
    most = at.choice((2, 5, 12))
    begin = at.randrange(max(1, len(lines) - most))
    lines = lines[begin : begin + most]
    if at.random() < 0.5:
        return b"".join(lines)
    frames = [json.loads(line)["object"] for line in lines]  # as the API and the engine send them
    if at.random() < 0.5:
        return b"".join(json.dumps(frame).encode() + b"\n" for frame in frames)
    bare = [frame.get("object", frame) for frame in frames]  # as kubectl prints them
    if at.random() < 0.5:
        return b"".join(json.dumps(one, indent=at.choice((None, 4))).encode() + b"\n" for one in bare)
    items = [one for one in bare if "kind" in one]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode()


@functools.cache
def histories() -> tuple[bytes, ...]:
    """Histories of ours, of every kind of record and observation."""
    runtime = Simulator()
    with tempfile.TemporaryDirectory() as folder:
        for profile in PROFILES.values():
            for scenario in selected(profile.name)[::9]:
                run_scenario(runtime, runtime.describe(), scenario, Settings(profile, folder=Path(folder)))
        return tuple(path.read_bytes() for path in sorted(Path(folder).iterdir()))


def begin(name: str, at: random.Random) -> bytes:
    """Good input for a target."""
    match name:
        case "history":
            return bytes([at.randrange(6)]) + source(at)
        case "record":
            return at.choice((MINION, NODE))
        case "deviation":
            return DEVIATIONS
        case "packed":
            return at.choice(mutate.COMPRESS)(source(at))
        case _:
            return (
                at.choice([path for path in RECORDINGS if path.with_suffix(".json").exists()])
                .with_suffix(".json")
                .read_bytes()
            )


def changed(name: str, data: bytes, at: random.Random) -> bytes:
    """Input for a target, out of good input."""
    match name:
        case "history":
            return data[:1] + mutate.lines(data[1:], at, source(at))
        case "record" | "beside":
            return mutate.line(data, at) if at.random() < 0.8 else mutate.scrambled(data, at)
        case "packed":
            return mutate.scrambled(data, at)
        case _:
            return mutate.scrambled(data, at)
