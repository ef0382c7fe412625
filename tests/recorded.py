"""The recordings of a real v0.17.0 cluster, for the tests, and copies of them that have been tampered with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conformance import recordings
from conformance.judge import Judgement, judge
from model.profiles import profile

DATA = Path(__file__).parent / "data"
FOLDER = DATA / "recordings" / "v0.17.0"
FILES = sorted(FOLDER.glob("*.ndjson"))

Line = dict[str, Any]


def lines(name: str) -> list[Line]:
    """The lines of one recording."""
    return [json.loads(line) for line in (FOLDER / f"{name}.ndjson").read_text(encoding="utf-8").splitlines()]


def judged(tampered: list[Line], folder: Path, by: str = "v0.17.0") -> Judgement:
    """What the judge says of these lines."""
    path = folder / "tampered.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in tampered), encoding="utf-8")
    return judge(recordings.read(path), profile(by))


def pod_frames(of: list[Line], wanted: Callable[[Line], bool] = lambda pod: True) -> list[int]:
    """The places of the pod frames whose pod is wanted."""
    return [i for i, line in enumerate(of) if line["stream"] == "pods" and wanted(line["object"]["object"])]


def pod_at(of: list[Line], place: int) -> Line:
    """The pod object in a frame."""
    found: Line = of[place]["object"]["object"]
    return found


def versioned_after(pod: Line, by: int) -> None:
    """Give a copied pod a later resource version, as a real frame would have."""
    pod["metadata"]["resourceVersion"] = str(int(pod["metadata"]["resourceVersion"]) + by)
