"""What docs/scale.md says of a month of a large cluster: measured here, frame by frame, and then multiplied.

PYTHONPATH=. python benchmarks/scale.py

What is assumed of the cluster stands at the top. What a frame costs is measured on the recordings in tests/data, copied
until there are enough of them; times are of the processor, so that other work on the machine counts little.
"""

from __future__ import annotations

import json
import multiprocessing
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from tabulate import tabulate

from conformance import recordings
from conformance.judge import judge_share
from conformance.judges.case import WINDOW
from conformance.shares import Share
from model.profiles import profile
from tests.recorded import FILES, interleaved

NODES, PODS = 5_000, 150_000
MONTH = 30 * 86_400
"""Seconds."""
HEARTBEAT = 10
"""Seconds between two statuses of a node: `--node_status_update_frequency` of v0.17.0 (nodeStatusUpdateFrequency)."""
LIFE = 86_400
"""Seconds that a pod lives. Nobody has measured this; what a life tells is what the pods of the recordings tell."""

PROFILE = profile("v0.17.0")
ELSEWHERE = Share(1, 2**31)
"""A share that has no objects: what it costs to read what others judge."""
ROUNDS = 3


@dataclass(frozen=True)
class Cost:
    """Of one line: bytes; seconds to read it, to read and judge it, and to read it where another judge judges it."""

    bytes: float
    read: float
    judged: float
    elsewhere: float


def of(stream: str, lines: Iterable[str]) -> list[str]:
    return [line for line in lines if f'"stream": "{stream}"' in line]


def seconds(work: Callable[[], object]) -> float:
    """The least processor time of some rounds."""
    times = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times)


def cost(lines: list[str]) -> Cost:
    data = "\n".join(lines).encode()

    def read() -> Iterable[recordings.Entry | recordings.BadLine]:
        return recordings.Reading(BytesIO(data), Path("it"))  # type: ignore[arg-type]

    times = [
        seconds(lambda: sum(1 for _ in read())),
        seconds(lambda: judge_share(read(), PROFILE, WINDOW, Share())),
        seconds(lambda: judge_share(read(), PROFILE, WINDOW, ELSEWHERE)),
    ]
    return Cost(len(data) / len(lines), *(found / len(lines) for found in times))


def heartbeats(nodes: int, each: int) -> list[str]:
    """So many statuses of so many nodes, as they were recorded of one; one counter gives the versions."""
    line = next(line for line in of("nodes", FILES[0].read_text(encoding="utf-8").splitlines()) if "MODIFIED" in line)
    version = 0
    told = []
    for beat in range(each):
        for node in range(nodes):
            version += 1
            at = f"2026-11-23T{beat // 360 % 24:02}:{beat // 6 % 60:02}:{beat % 6 * 10:02}Z"
            text = line.replace("127.0.0.1", f"10.{node // 250}.{node % 250}.1")
            text = re.sub(r'("lastHeartbeatTime": ")[^"]*', rf"\g<1>{at}", text)
            text = re.sub(r'("resourceVersion": ")\d+', rf"\g<1>{version}", text)
            text = re.sub(r'("uid": "[0-9a-f-]*)[0-9a-f]{6}"', rf'\g<1>{node:06x}"', text)
            told.append(re.sub(r'^\{"t": [\d.]+', f'{{"t": {beat * 10 + node / nodes}', text))
    return told


def living(pods: int) -> list[str]:
    """The first frames of so many pods, which then stay."""
    found = of("pods", next(f for f in FILES if "three-always" in f.name).read_text(encoding="utf-8").splitlines())
    uid = json.loads(found[0])["object"]["object"]["metadata"]["uid"]
    first = [line for line in found if uid in line and "DELETED" not in line][:4]
    told = []
    for pod in range(pods):
        for place, line in enumerate(first):
            text = re.sub(r'("resourceVersion": ")\d+', rf"\g<1>{pod * 4 + place + 1}", line)
            text = text.replace(uid, f"{uid[:-6]}{pod:06x}").replace("s08-three-always", f"s08-{pod}")
            told.append(re.sub(r'^\{"t": [\d.]+', f'{{"t": {pod * 4 + place}', text))
    return told


def peak(lines: list[str]) -> int:
    """The most memory, in bytes, that a process of its own takes to judge these lines."""
    with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(1) as pool:
        path = Path(folder) / "it.ndjson"
        path.write_text("\n".join(lines), encoding="utf-8")
        return pool.apply(_peak, (path,))


def _peak(path: Path) -> int:
    with path.open("rb") as file:
        judge_share(recordings.Reading(file, path), PROFILE, 100, Share())
    told = Path("/proc/self/status").read_text(encoding="ascii")  # what getrusage says is inherited
    return int(re.findall(r"VmHWM:\s*(\d+) kB", told)[0]) * 1024


def main() -> None:
    lines = interleaved(FILES, 10)
    lives = [line for line in lines if '"stream": "nodes"' not in line and "replicationcontrollers" not in line]
    uids = {json.loads(line)["object"]["object"]["metadata"]["uid"] for line in of("pods", lines)}
    streams = Counter(json.loads(line)["stream"] for line in lives)
    costs = {"node": cost(heartbeats(200, 100)), "life": cost(lives)}
    month = {"node": NODES * MONTH / HEARTBEAT, "life": PODS * MONTH / LIFE * len(lives) / len(uids)}

    told = ", ".join(f"{count / len(uids):.1f} {stream}" for stream, count in streams.most_common())
    print(f"lines of one pod's life, on the average of {len(uids) // 10} pods: {told}\n")
    rows = []
    for kind, what in (("node", "node status"), ("life", "pods: frames, events, engine events")):
        c, n = costs[kind], month[kind]
        rows.append([what, f"{n / MONTH:,.0f}", f"{n / 1e6:,.0f}", f"{c.bytes:,.0f}", f"{n * c.bytes / 1e12:.2f}",
                     f"{c.read * 1e6:.0f}", f"{c.judged * 1e6:.0f}", f"{c.elsewhere * 1e6:.0f}",
                     f"{n * c.judged / 3600:.1f}"])  # fmt: skip
    headers = ["lines", "each second", "million a month", "bytes each", "TB", "µs to read", "µs to read and judge",
               "µs if another judges", "hours, one judge"]  # fmt: skip
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True), "\n")

    rows = []
    for judges in (1, 2, 4, 8):
        hours = sum(n * (c.elsewhere + (c.judged - c.elsewhere) / judges) if judges > 1 else n * c.judged
                    for c, n in ((costs[kind], month[kind]) for kind in costs)) / 3600  # fmt: skip
        rows.append([judges, f"{hours:.1f}", f"{hours * 60 / 30:.0f}"])
    headers = ["judges of one file", "hours a month", "minutes a day of the cluster"]
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True), "\n")

    rows = []
    for kind, count, few, many in (("nodes", NODES, 1_000, 5_000), ("pods", PODS, 2_000, 20_000)):
        made = living if kind == "pods" else lambda nodes: heartbeats(nodes, 8)
        each = (peak(made(many)) - peak(made(few))) / (many - few)
        rows.append([kind, f"{each / 1000:.1f}", f"{count:,}", f"{each * count / 1e9:.2f}"])
    print(tabulate(rows, headers=["objects", "kB each", "there", "GB"], tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
