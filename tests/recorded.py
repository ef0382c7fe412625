"""The recordings of a real v0.17.0 cluster, for the tests, and copies of them that have been tampered with."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from conformance import recordings
from conformance.judge import WINDOW, Judgement, judge, judge_share, whole
from conformance.shares import Entangled, Share
from model.profiles import profile

DATA = Path(__file__).parent / "data"
FOLDER = DATA / "recordings" / "v0.17.0"
FILES = sorted(FOLDER.glob("*.ndjson"))

Line = dict[str, Any]


def lines(name: str) -> list[Line]:
    """The lines of one recording."""
    return [json.loads(line) for line in (FOLDER / f"{name}.ndjson").read_text(encoding="utf-8").splitlines()]


def judged(tampered: list[Line], folder: Path, by: str = "v0.17.0") -> Judgement:
    """What the judge says of these lines, alone; three who share them say the same, if they can be shared out."""
    path = folder / "tampered.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in tampered), encoding="utf-8")
    recording = recordings.read(path)
    alone = judge(recording, profile(by))
    with contextlib.suppress(Entangled):
        parts = [judge_share(recording.entries, profile(by), WINDOW, Share(number, 3)) for number in range(3)]
        assert whole(recording.name, profile(by), parts) == alone
    return alone


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


VERSION = re.compile(r'(?<="resourceVersion": ")\d+')
TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
NANO = re.compile(r'(?<="timeNano": )\d+')


def interleaved(files: Iterable[Path], copies: int = 1) -> list[str]:
    """The lines of several recordings, each so many times, as one cluster would have told them at the same time: names,
    uids and instances are of each copy alone, and one counter has given all versions, with a gap where there was one.
    Frames of the API come in the order of their versions, events of the engines in that of their times."""
    told: list[tuple[float, int, int, str]] = []
    begin = 0
    for copy, file in enumerate(sorted(files) * copies):
        texts = file.read_text(encoding="utf-8").splitlines()
        times = [json.loads(text)["t"] for text in texts]
        begin = begin or int(min(times))
        later = begin - int(min(times)) + copy % 7
        versions = [int(found[0]) if (found := VERSION.findall(text)) else 0 for text in texts]
        at = {version: t for t, version in sorted(zip(times, versions, strict=True), reverse=True) if version}
        soon = float("inf")
        for known in sorted(at, reverse=True):
            soon = at[known] = min(soon, at[known])
        for t, version, text in zip(times, versions, texts, strict=True):
            nano = NANO.search(text)
            moved = (at[version] if version else int(nano[0]) / 1e9 if nano else t) + later
            told.append((moved, copy, version, _renamed(text, copy, moved, later)))
    told.sort(key=lambda line: line[:3])
    given: dict[tuple[int, int], int] = {}
    next_ = 1
    for _, copy, version, _ in told:
        if version and (copy, version) not in given:
            next_ += (copy, version - 1) not in given  # a gap
            given[copy, version], next_ = next_, next_ + 1

    def versioned(copy: int, text: str) -> str:
        return VERSION.sub(lambda version: str(given.get((copy, int(version[0])), 1)), text)

    return [versioned(copy, text) for _, copy, _, text in told]


def _renamed(text: str, copy: int, t: float, later: int) -> str:
    text = re.sub(r'^\{"t": [\d.e+-]+', f'{{"t": {t:.6f}', text)
    shift = timedelta(seconds=later)
    text = TIME.sub(lambda when: f"{datetime.fromisoformat(when[0]) + shift:%Y-%m-%dT%H:%M:%SZ}", text)
    text = NANO.sub(lambda when: str(int(when[0]) + later * 10**9), text)
    text = text.replace("127.0.0.1", f"10.0.{copy // 250}.{copy % 250}")
    text = re.sub(r"(?<![0-9A-Za-z-])s\d\d-(?=[a-z])", lambda name: f"c{copy}-{name[0]}", text)
    text = re.sub(r"\b([0-9a-f]{8}-[0-9a-f]{4}-11[ef][0-9a-f]-[0-9a-f]{4})-[0-9a-f]{12}", rf"\g<1>-{copy:012x}", text)
    return re.sub(r"(?<![0-9a-f])[0-9a-f]{4}(?=[0-9a-f]{8}(?:[0-9a-f]{52})?(?![0-9a-f-]))", f"{copy:04x}", text)
