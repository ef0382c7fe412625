"""The runtime of plain processes: real processes, real signals, real time."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="the runtime needs setpriv (Debian: util-linux)")
def test_the_runtime_of_processes_passes_what_it_claims_and_skips_the_rest() -> None:
    """The workloads run as shell scripts; the restart policy is judged by what really exits."""
    done = subprocess.run(
        [sys.executable, "-m", "kubephase", "conform", "--runtime", "adapters/processes.py:Processes", "--jobs", "16",
         "--select", "pod.restart.success", "--select", "pod.restart.failure", "--select", "pod.sharing", "--json"],
        capture_output=True, text=True, cwd=ROOT, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    results = json.loads(done.stdout)["results"]
    verdicts = {r["verdict"] for r in results}
    assert verdicts <= {"pass", "skip"}
    passed = {r["id"] for r in results if r["verdict"] == "pass"}
    assert "restart_policy/a_container_is_killed_from_outside[OnFailure]" in passed
    assert "restart_policy/every_restart_is_counted[Always]" in passed
    assert "sharing/the_containers_of_a_pod_share_a_volume[Never]" in passed
    assert "sharing/what_a_container_wrote_is_there_after_its_restart[OnFailure]" in passed
