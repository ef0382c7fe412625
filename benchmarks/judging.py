"""Judging a recording, against decoding its JSON and nothing else.

    python benchmarks/judging.py orjson recording.ndjson     one measurement, as JSON

Each measurement is made in a process of its own, so that its memory is its own; the rounds go through all ways, so that
what else the machine does falls on all of them. All ways are of one thread, so it is the processor's time that is told.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from measure import COUNT, MEGABYTES, MICROSECONDS, SECONDS, Row, Table, alone, medians, of, peak, say, times

DECODERS = ("msgspec", "orjson", "pysimdjson", "fastsimdjson")
"""The decoders, each to objects of Python."""

LAZY, READ, TRACE = "pysimdjson, no objects made", "reading (`recordings.Reading`)", "`kubephase trace`"


def _decoder(name: str) -> Callable[[bytes], object]:
    if name == "msgspec":
        import msgspec

        return msgspec.json.Decoder().decode
    if name == "orjson":
        import orjson

        return orjson.loads
    if name == "fastsimdjson":
        import fastsimdjson

        return fastsimdjson.loads
    import simdjson

    parser = simdjson.Parser()
    if name == "pysimdjson":
        return lambda line: parser.parse(line, True)

    def lazily(line: bytes) -> None:
        parser.parse(line)  # what it gives must be dropped before the next one

    return lazily


def _decoding(name: str, path: Path) -> Callable[[], int]:
    decode = _decoder(name)

    def work() -> int:
        count = 0
        with path.open("rb") as file:
            for line in file:
                decode(line)
                count += 1
        return count

    return work


def _reading(path: Path, judged: bool) -> Callable[[], int]:
    """What `kubephase trace` does; if not ``judged``, its first half."""
    from conformance.judge import judge_lines
    from conformance.opening import opened
    from conformance.recordings import Reading
    from model.profiles import profile

    v0_17_0 = profile("v0.17.0")

    def work() -> int:
        with opened(path) as file:
            reading = Reading(file, path)
            if judged:
                judgement = judge_lines(reading.name, reading, v0_17_0)
                if judgement.verdict != "pass":
                    sys.exit(f"{path}: {judgement.verdict}: {judgement.findings[:3]}")
            else:
                for _ in reading:
                    pass
            if reading.bad:
                sys.exit(f"{path}: {reading.bad[0]}")
            return reading.read

    return work


def measured(way: str, path: Path) -> Row:
    """One measurement in this process: processor time in seconds, and peak memory in MB."""
    work = _reading(path, way == TRACE) if way in (READ, TRACE) else _decoding(way, path)
    begun = time.process_time()
    lines = work()
    return {"seconds": time.process_time() - begun, "memory": peak(), "lines": lines}


def _side_by_side(path: Path, what: str, lines: int, rounds: int) -> list[Row]:
    found = []
    for number in range(1, rounds + 1):
        row = []
        for way in (*DECODERS, LAZY, READ, TRACE):
            one = alone("judging.py", way, path)
            if one["lines"] != lines:
                sys.exit(f"{path} has {lines} lines, but {way} found {one['lines']}")
            say(f"{what}, {lines:,} lines, round {number}: {way}: {one['seconds']:.2f} s, {one['memory']:.0f} MB")
            row.append({"lines of": what, "lines": lines, "way": way, **one})
        found.append(row)
    rows = medians(found)
    fastest = min(row["seconds"] for row in rows if row["way"] in DECODERS)
    return [{**row, "a line": row["seconds"] / lines * 1e6, "of the fastest": row["seconds"] / fastest} for row in rows]


def table(sizes: list[int], own: list[int], rounds: int) -> Table:
    """Recordings of so many frames, and histories of our own of so many records, beside decoding alone."""
    from frames import write, write_history  # not in the processes that are measured

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for make, what, counts in ((write, "watch frames", sizes), (write_history, "our own history", own)):
            for lines in counts:
                path = Path(folder) / "recording.ndjson"
                say(f"writing {what}, {lines:,} lines")
                make(path, lines)
                rows += _side_by_side(path, what, lines, rounds)
    return Table(
        "Judging beside decoding",
        "One simulated cluster of 20 nodes and some 180 pods at a time (`benchmarks/frames.py`), judged under v0.17.0: "
        "a pass. Each decoder gets one line after the other, and makes objects of Python of all that is in it; only "
        f"*{LAZY}* makes none, and shows what parsing alone takes. The last column is the processor's time "
        f"over that of the fastest decoder. {of(rounds)}, each in a process of its own; memory is the peak of that.",
        {"lines of": str, "lines": COUNT, "way": str, "seconds": SECONDS, "a line": MICROSECONDS, "memory": MEGABYTES,
         "of the fastest": times},
        rows,
    )  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], Path(sys.argv[2]))))
