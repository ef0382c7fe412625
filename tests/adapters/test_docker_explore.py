"""Exploration on a real engine: what fails there is made as short as on the simulator, within the budget.

The engine is right; what is seen of it is falsified: once a pod's sandbox has died twice, its restart counts are shown
as 0.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis.database import InMemoryExampleDatabase

from adapters.docker import nodes
from conformance.deeds import Deed, Story
from conformance.explore import Explorer, Limits
from conformance.runner import Settings
from conformance.runtime import Fault, Observation, PodSeen
from conformance.workload import RUN_ON, Exit
from model.profiles import PROFILES

if reason := nodes.missing():
    pytest.skip(reason, allow_module_level=True)

from adapters.docker.nodes import Fleet
from adapters.docker.runtime import Docker

BUDGET = 120.0


class Falsified:
    """A cluster whose restart counts are lost when a sandbox has died twice."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self._renewed: set[str] = set()
        self._lost: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def inject(self, fault: Fault) -> None:
        self._cluster.inject(fault)
        if fault.kind == "kill-sandbox":
            (self._lost if fault.target in self._renewed else self._renewed).add(fault.target)

    def observe(self, timeout: float) -> Sequence[Observation]:
        return [self._falsified(seen) for seen in self._cluster.observe(timeout)]

    def _falsified(self, seen: Observation) -> Observation:
        if not isinstance(seen, PodSeen) or seen.name not in self._lost:
            return seen
        statuses = tuple(msgspec.structs.replace(c, restarts=0) for c in seen.containers or ())
        return msgspec.structs.replace(seen, containers=statuses)


class WrongDocker(Docker):
    def open_for(self, scenario: str, seed: int, profile: str, needs: Sequence[str]) -> Any:
        return Falsified(super().open_for(scenario, seed, profile, needs))


@pytest.fixture
def engine() -> Iterator[str]:
    fleet = Fleet(1)
    yield fleet.nodes[0].url
    fleet.close()


def test_a_story_that_fails_on_a_real_engine_is_made_short_within_the_budget(engine: str) -> None:
    pod = Deed("pod", "p1", policy="Always", workloads=(RUN_ON, (Exit(1, 5.0), *RUN_ON)))
    other = Deed("pod", "p2", policy="Never", workloads=(RUN_ON,))
    long = Story((
        Deed("node", "n1"), pod, other, Deed("kill-sandbox", "p2", 2.0), Deed("kill-sandbox", "p1", 2.0),
        Deed("delete", "p2", 2.0), Deed("kill-sandbox", "p1", 2.0), other,
    ))  # fmt: skip
    database = InMemoryExampleDatabase()
    database.save(b"key", msgspec.json.encode(long))
    runtime = WrongDocker((engine,))
    begun = time.monotonic()
    try:
        limits = Limits(budget=BUDGET, jobs=8)
        told = Explorer(runtime, Settings(PROFILES["seed"]), limits, print).explore(database, b"key")
    finally:
        runtime.close()
    assert time.monotonic() - begun < BUDGET + 10
    assert (told.told, told.kept) == (1, 1)
    assert told.shortest is not None
    kinds = [deed.kind for deed in told.shortest.story.deeds]
    assert kinds == ["node", "pod", "kill-sandbox", "kill-sandbox"], str(told.shortest.story)
    print(f"{told.shrunk} attempts, {told.seconds:.1f} s, {told.known} known: {told.shortest.story}")
