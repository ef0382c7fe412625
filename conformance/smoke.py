"""The smoke check: does the adapter work at all? It tells a wrong adapter from a wrong runtime."""

from __future__ import annotations

import dataclasses

from conformance.runner import Outcome, Settings, run_one
from conformance.runtime import About, Runtime
from conformance.scenario import Run, Scenario
from conformance.workload import RUN_ON


def _smoke(run: Run) -> None:
    run.node("n1")
    run.pod(RUN_ON, name="smoke")
    run.until("smoke", phase="Running", rules=("pod.phase.running", "pod.phase.some-run"))
    run.delete("smoke")
    run.until("smoke", gone=True, rules=("pod.life.not-by-itself",))


SMOKE = Scenario(
    "a_node_and_a_pod_can_be_made_seen_and_deleted", "smoke", "Always", ("pod.life.not-by-itself",), (), _smoke
)


LIMIT = 120.0
"""Seconds of wall time after which an adapter is taken to hang."""


def smoke(runtime: Runtime, settings: Settings, about: About | None = None) -> Outcome:
    """Make a node and a pod, see the pod run, delete it, see it gone."""
    limited = dataclasses.replace(settings, limit=min(settings.limit, LIMIT))
    return run_one(runtime, SMOKE, limited, about)
