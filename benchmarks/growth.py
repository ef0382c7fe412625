"""What one more pod, container or node costs, counted as `kubephase verify` does, and with every state visited.

python benchmarks/growth.py Always 2 2 1 counting     one measurement, as JSON; or: visiting
"""

from __future__ import annotations

import json
import sys

from measure import COUNT, MEGABYTES, SECONDS, Row, Table, alone, medians, of, peak, say

from model.cluster import Size
from model.profiles import profile
from model.verify import verify

SIZES = [
    (1, 1, 1), (1, 2, 1), (1, 3, 1), (1, 4, 1), (1, 5, 1),
    (2, 2, 1), (3, 2, 1), (4, 2, 1), (8, 2, 1),
    (1, 1, 2), (1, 1, 3), (1, 2, 2), (1, 2, 3),
    (2, 2, 2), (4, 2, 2), (4, 2, 3),
]  # fmt: skip
"""Pods, containers of each, nodes: more containers, more pods, more nodes, more of all."""

QUICK = [(1, 1, 1), (1, 3, 1), (2, 2, 1), (1, 2, 2), (4, 2, 2)]

MOST = 50_000_000
"""Where there are more states than these, not every one is visited."""


def measured(policy: str, size: tuple[int, int, int], visiting: bool) -> Row:
    """One measurement in this process: what `kubephase verify` needs, properties included, without the proof of the
    refinement, which does not grow with the cluster."""
    found = verify(profile("seed"), Size(policy, *size), MOST, symmetry=not visiting)
    if not all(verdict.holds for verdict in found.verdicts):
        sys.exit(f"{size}: {[verdict.prop.name for verdict in found.verdicts if not verdict.holds]}")
    return {"states": found.counted.stands_for, "transitions": found.counted.transitions,
            "not alike": found.counted.states, "time": found.seconds, "memory": peak()}  # fmt: skip


def table(sizes: list[tuple[int, int, int]], rounds: int) -> Table:
    """All sizes, each in a process of its own."""
    found = []
    for number in range(1, rounds + 1):
        rows = []
        for pods, containers, nodes in sizes:
            row: Row = {"pods": pods, "containers": containers, "nodes": nodes}
            counted = alone("growth.py", "Always", pods, containers, nodes, "counting")
            row |= counted
            if counted["states"] <= MOST:
                visited = alone("growth.py", "Always", pods, containers, nodes, "visiting")
                if (visited["states"], visited["transitions"]) != (counted["states"], counted["transitions"]):
                    sys.exit(f"{row}: counting finds other states than visiting: {visited}")
                row |= {"time, visiting": visited["time"], "memory, visiting": visited["memory"]}
            say(f"growth, round {number}: {pods} × {containers} × {nodes}: {counted['time']:.2f} s")
            rows.append(row)
        found.append(rows)
    return Table(
        "Growth",
        "`kubephase verify --policy Always` under seed: one pod among the nodes is explored, and the states of all are "
        "counted, those that differ only by an exchange once (*not alike*). *Visiting* is `--no-symmetry`: every "
        f"state, up to {MOST / 1e6:.0f} million, on all cores, loading the compiled code included. Properties are "
        f"checked in both, and both must find the same states and transitions. {of(rounds)}, each in a process of its "
        "own; memory is the peak of that.",
        {"pods": COUNT, "containers": COUNT, "nodes": COUNT, "states": COUNT, "transitions": COUNT, "not alike": COUNT,
         "time": SECONDS, "memory": MEGABYTES, "time, visiting": SECONDS, "memory, visiting": MEGABYTES},
        medians(found),
    )  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], (int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])),
                              sys.argv[5] == "visiting")))  # fmt: skip
