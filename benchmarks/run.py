"""What the README's figures come from: ratios taken side by side in one run; single timings are only a hint.

make benchmark
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from tabulate import tabulate

from adapters.simulator import Simulator
from conformance import recordings
from conformance.judge import judge
from conformance.runner import Settings, run_all
from conformance.scenario import selected
from model.cluster import Size, network
from model.lts import network as networks
from model.lts.explore import explore
from model.lts.machine import Stepper
from model.profiles import PROFILES, profile

RECORDINGS = Path(__file__).parent.parent / "tests" / "data" / "recordings" / "v0.17.0"
ROUNDS = 5


def seconds(work: Callable[[], object]) -> float:
    """The median time of a piece of work."""
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def stepping() -> list[list[object]]:
    """Random walks through the container table: `transitions` beside the same walk on integer arrays."""
    table = profile("seed").containers["Always"]
    choose = random.Random(0)
    walk, state = [], table.initial
    for _ in range(2000):
        row = choose.choice([r for r in table.rows if r.source == state])
        if row.event == "kill":
            continue
        walk.append(row.event)
        state = row.target

    def with_transitions() -> None:
        stepper = Stepper(table)
        for event in walk:
            stepper.fire(event)

    index = {s: i for i, s in enumerate(table.states)}
    array = {e: [index[r[0].target] if (r := table.rows_for(s, e)) else -1 for s in table.states] for e in table.events}

    def with_arrays() -> None:
        at = index[table.initial]
        for event in walk:
            at = array[event][at]

    slow, fast = seconds(with_transitions), seconds(with_arrays)
    return [["one step, transitions / arrays", f"{slow / len(walk) * 1e6:.1f} µs", f"{slow / fast:,.0f} ×"]]


def exploring() -> list[list[object]]:
    """Exhaustive exploration, against the plain semantics that it must agree with."""
    small = network(profile("seed"), Size("Always", 1, 4, 0))

    def plainly() -> None:
        seen, frontier = {tuple(small.initial().values())}, [small.initial()]
        names = [v.name for v in small.vectors]
        while frontier:
            state = frontier.pop()
            for name in names:
                try:
                    targets = small.fire(state, name)
                except Exception:  # refused: that is most of the work
                    continue
                for target in targets:
                    if (key := tuple(target.values())) not in seen:
                        seen.add(key)
                        frontier.append(target)

    begun = time.perf_counter()
    plainly()
    slow = time.perf_counter() - begun
    fast = seconds(lambda: explore(networks.compile(small)))
    big = explore(networks.compile(network(profile("seed"), Size("OnFailure", 2, 2, 1))))
    return [
        ["4,883 states, plain / arrays", f"{fast * 1000:.1f} ms", f"{slow / fast:,.0f} ×"],
        [f"{len(big.states):,} states, {len(big.source):,} transitions", f"{big.seconds:.1f} s",
         f"{len(big.states) / big.seconds:,.0f} states/s"],
    ]  # fmt: skip


def judging() -> list[list[object]]:
    """All recordings under both profiles; then one long history: the same pods again and again under other names."""
    files = sorted(RECORDINGS.glob("*.ndjson"))
    read = [recordings.read(f) for f in files]
    lines = sum(len(r.entries) for r in read)
    one = seconds(lambda: [judge(r, p) for r in read for p in PROFILES.values()])
    return [
        [
            f"{len(files)} recordings × 2 profiles, {lines:,} lines each",
            f"{one * 1000:.0f} ms",
            f"{2 * lines / one:,.0f} lines/s",
        ],
        *_long(files[0], 400),
    ]


def _long(file: Path, copies: int) -> list[list[object]]:
    frames = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    entries = []
    for copy in range(copies):
        for frame in frames:
            text = json.dumps(frame).replace("s01-exit0", f"copy{copy}").replace('"uid": "', f'"uid": "{copy}-')
            entries.append(recordings._entry(len(entries) + 1, text.encode()))
    long = recordings.Recording("long", entries, [])
    begun = time.perf_counter()
    judge(long, profile("seed"))
    took = time.perf_counter() - begun
    return [
        [
            f"one history of {copies} pods, {len(entries):,} lines",
            f"{took:.2f} s",
            f"{len(entries) / took:,.0f} lines/s",
        ]
    ]


def suite() -> list[list[object]]:
    """The whole suite on the simulator."""
    scenarios = selected("seed")
    settings = Settings(profile("seed"), jobs=2)
    took = seconds(lambda: list(run_all(Simulator(), scenarios, settings)))
    return [
        [
            f"suite of {len(scenarios)} scenarios on the simulator",
            f"{took * 1000:.0f} ms",
            f"{len(scenarios) / took:,.0f} scenarios/s",
        ]
    ]


if __name__ == "__main__":
    rows = [*stepping(), *exploring(), *judging(), *suite()]
    print(tabulate(rows, ["what", "time", "ratio or rate"], tablefmt="github"))
