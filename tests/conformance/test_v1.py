"""Recordings of a real v1.0.1 cluster, in the dialect v1: what its pods and containers do, v0.17.0 did, too."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance import recordings
from conformance.judge import Judgement, judge
from conformance.verdict import Verdict
from model.profiles import profile
from tests.recorded import DATA, Line

FILES = sorted((DATA / "recordings" / "v1.0.1").glob("*.ndjson.gz"))
BY = profile("v0.17.0")


def read(path: Path) -> list[Line]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def judged(of: list[Line], folder: Path) -> Judgement:
    path = folder / "made.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in of), encoding="utf-8")
    return judge(recordings.read(path), BY)


def of_pods(of: list[Line]) -> list[Line]:
    """The frames of pods and of the engine."""
    return [line for line in of if line["stream"] in ("pods", "docker")]


def shows_failures(judgement: Judgement) -> list[str]:
    return [str(f) for f in judgement.findings if f.verdict is Verdict.FAIL]


def test_all_are_there() -> None:
    assert len(FILES) == 21
    assert {p.name.partition(".")[0] for p in FILES if not of_pods(read(p))} == {"s14-rc-never", "s14-rc-onfailure"}


@pytest.mark.parametrize("path", [p for p in FILES if of_pods(read(p))], ids=lambda p: p.name.partition(".")[0])
def test_pods_and_containers_conform_to_v0_17_0(path: Path, tmp_path: Path) -> None:
    judgement = judged(of_pods(read(path)), tmp_path)
    assert judgement.verdict is Verdict.PASS, shows_failures(judgement)
    assert {"pod.phase.table", "pod.binding.scheduler"} & judgement.covered.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name.partition(".")[0])
def test_all_else_differs_in_the_spelling_of_node_events_only(path: Path) -> None:
    judgement = judge(recordings.read(path), BY)
    strange = [f for f in judgement.findings if f.verdict is Verdict.FAIL]
    assert all("NodeNotSchedulable" in f.reason or "NodeSchedulable" in f.reason for f in strange), strange


def status(pod: Line) -> Line:
    found: Line = pod["status"]["containerStatuses"][0]
    return found


def ended(pod: Line) -> bool:
    return pod["status"]["phase"] in ("Succeeded", "Failed")


def restarted(pod: Line) -> bool:
    return any(one["restartCount"] for one in pod["status"].get("containerStatuses", ()))


TAMPERED: dict[str, tuple[Callable[[Line], bool], Callable[[Line], object]]] = {
    "an end turned round": (ended, lambda pod: pod["status"].update(phase="Running")),
    "another phase": (ended, lambda pod: pod["status"].update(
        phase={"Succeeded": "Failed", "Failed": "Succeeded"}[pod["status"]["phase"]])),
    "a count lost": (restarted, lambda pod: [one.update(restartCount=0) for one in pod["status"]["containerStatuses"]]),
    "another policy": (lambda pod: "containerStatuses" in pod["status"], lambda pod: pod["spec"].update(
        restartPolicy="Never" if pod["spec"]["restartPolicy"] == "Always" else "Always")),
    "another node": (restarted, lambda pod: pod["spec"].update(nodeName="elsewhere")),
    "no statuses": (ended, lambda pod: status(pod).update(state={"waiting": {"reason": "x"}}, restartCount=0)),
}  # fmt: skip


@pytest.mark.parametrize("how", TAMPERED)
def test_tampered_copies_do_not(how: str, tmp_path: Path) -> None:
    """The last frame of the kind is changed, in each recording that has one."""
    wanted, change = TAMPERED[how]
    tried = 0
    for path in FILES:
        of = of_pods(read(path))
        places = [n for n, line in enumerate(of) if line["stream"] == "pods" and wanted(line["object"]["object"])]
        if not places:
            continue
        tried += 1
        change(of[places[-1]]["object"]["object"])
        assert judged(of, tmp_path).verdict is Verdict.FAIL, path.name
    assert tried >= 4
