"""What the suite itself costs: scenarios on the simulator, and where the time goes."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from measure import COUNT, MILLISECONDS, Row, Table, medians, of, say, times

from adapters.simulator import SimulatedCluster, Simulator
from conformance import runner
from conformance.history import History
from conformance.runner import Settings, run_scenario
from conformance.scenario import selected
from model.profiles import PROFILES, Profile

PARTS: dict[str, list[tuple[Any, str]]] = {
    "simulating": [
        (Simulator, "open_for"),
        *[
            (SimulatedCluster, name)
            for name in (
                "create_node", "create_pod", "create_controller", "scale_controller", "list_machines", "delete_pod",
                "inject", "observe", "quiescent", "close",
            )
        ],
    ],
    "recording": [(History, "__init__"), (History, "add"), (History, "close")],
    "judging": [(runner.recordings, "of_records"), (runner, "judge")],
}  # fmt: skip
"""What belongs to which part: what the runtime under test does, writing the history line by line, and the verdict. What
is left is driving: to decide what to do next, and whether what is waited for has been seen."""


@contextlib.contextmanager
def timed(spent: Counter[str]) -> Iterator[None]:
    """While this lasts, the processor time of each part is added up. None of them calls another."""

    def measuring(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*args: Any, **options: Any) -> Any:
            begun = time.process_time()
            try:
                return function(*args, **options)
            finally:
                spent[part] += time.process_time() - begun

        return measured

    with contextlib.ExitStack() as stack:
        for part, functions in PARTS.items():
            for owner, name in functions:
                stack.enter_context(mock.patch.object(owner, name, measuring(part, getattr(owner, name))))
        yield


def _run(profile: Profile) -> Row:
    """All scenarios of a profile, one after the other."""
    scenarios, runtime, spent, each = selected(profile.name), Simulator(), Counter[str](), []
    with tempfile.TemporaryDirectory() as folder, timed(spent):
        settings = Settings(profile, folder=Path(folder))
        about = runtime.describe()
        for scenario in scenarios:
            begun = time.process_time()
            outcome = run_scenario(runtime, about, scenario, settings)
            each.append(time.process_time() - begun)
            if outcome.verdict not in ("pass", "skip"):
                raise SystemExit(f"{scenario.id}: {outcome.verdict}: {outcome.reason}")
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    spent["driving"] = sum(each) - sum(spent.values())
    parts = {part: spent[part] / len(each) * 1000 for part in (*PARTS, "driving")}
    return {"profile": profile.name, "scenarios": len(each), "history": size / len(each) / 1000, **parts,
            "a scenario": statistics.mean(each) * 1000, "the longest": max(each) * 1000,
            "of simulating": sum(each) / spent["simulating"]}  # fmt: skip


def table(rounds: int) -> Table:
    """Both profiles."""
    for profile in PROFILES.values():
        _run(profile)  # what is kept from one run to the next is there
    found = []
    for number in range(1, rounds + 1):
        found.append([_run(profile) for profile in PROFILES.values()])
        say(
            f"suite, round {number}: {', '.join('{:.1f} ms'.format(row['a scenario']) for row in found[-1])} a scenario"
        )
    return Table(
        "The suite's own overhead",
        "Scenarios on the simulator, one after the other: the processor's time for each, on average, and its parts: "
        "what the runtime under test does, writing the history to a file, judging it, and driving (what is left). On a "
        f"real runtime all but *simulating* is the same, and a scenario takes seconds. {of(rounds)}.",
        {"profile": str, "scenarios": COUNT, "history": "{:.1f} kB".format, "simulating": MILLISECONDS,
         "recording": MILLISECONDS, "judging": MILLISECONDS, "driving": MILLISECONDS, "a scenario": MILLISECONDS,
         "the longest": MILLISECONDS, "of simulating": times},
        medians(found),
    )  # fmt: skip
