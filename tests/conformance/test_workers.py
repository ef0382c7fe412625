"""Several workers say what one process says: here, and on a Dask cluster; and they neither hang nor stay behind."""

from __future__ import annotations

import json
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import pytest

from conformance import recordings, workers
from conformance.judge import Judgement, judge
from model.profiles import PROFILES, profile
from tests.recorded import FILES, interleaved, pod_at, pod_frames


@pytest.fixture(scope="module")
def dask_cluster() -> Iterator[Executor]:
    with workers.dask(None, 2) as (executor, count):
        assert count == 2
        yield executor


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    with workers.processes(2) as executor:
        yield executor


@pytest.fixture(params=["processes", "dask"])
def two(request: pytest.FixtureRequest) -> Executor:
    """Two workers."""
    found: Executor = request.getfixturevalue({"processes": "pool", "dask": "dask_cluster"}[request.param])
    return found


@pytest.fixture(scope="module")
def cluster_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cluster") / "cluster.ndjson"
    path.write_text("\n".join(interleaved(FILES)) + "\n", encoding="utf-8")
    return path


def by_workers(executor: Executor, files: list[Path], by: str) -> list[Judgement | None]:
    tasks = workers.tasks(files, by, 10_000, 2)
    return [done.judgement for _, done in sorted(workers.judged(executor, tasks), key=lambda found: found[0])]


@pytest.mark.parametrize("by", PROFILES)
def test_two_workers_say_what_one_process_says(two: Executor, by: str, cluster_file: Path) -> None:
    files = [cluster_file, *FILES[:5]]
    assert [len(of) for of in workers.tasks(files, by, 10_000, 2)] == [2, 1, 1, 1, 1, 1]
    assert by_workers(two, files, by) == [judge(recordings.read(file), profile(by)) for file in files]


def test_what_cannot_be_shared_out_is_judged_by_one(two: Executor, cluster_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "renamed.ndjson"
    lines = [json.loads(line) for line in cluster_file.read_text(encoding="utf-8").splitlines()]
    frames = pod_frames(lines, lambda pod: pod["metadata"]["name"] == "c0-s01-exit0-always")
    pod_at(lines, frames[3])["metadata"]["name"] = "other"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    plain = judge(recordings.read(path), profile("v0.17.0"))
    assert any("the name changes" in finding.reason for finding in plain.findings)
    assert by_workers(two, [path], "v0.17.0") == [plain]


def test_files_that_cannot_be_read_say_why_by_their_own_name(two: Executor, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    missing = workers.Task(str(tmp_path / "missing"), "missing", None, 100)
    empty = [workers.Task(str(tmp_path / "empty"), "empty", None, 100, number, 2) for number in range(2)]
    found = dict(workers.judged(two, [[missing], empty]))
    assert found[0].problem == "missing: No such file or directory"
    assert found[1].problem.startswith("empty: no history")


def test_bad_lines_are_told_once(two: Executor, cluster_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.ndjson"
    path.write_bytes(cluster_file.read_bytes() + b"no line\n")
    (_, done), *_ = workers.judged(two, workers.tasks([path], "seed", 100, 2))
    assert [bad.line for bad in done.bad] == [len(path.read_bytes().splitlines())]


# --- ends -----------------------------------------------------------------------------------------------------------

READING = """
from conformance import workers
if __name__ == "__main__":
    with workers.processes(2) as executor:
        list(workers.judged(executor, [[workers.Task({path!r}, "pipe", "seed", 100)]]))
"""
"""A worker that reads from a pipe for as long as that is open."""


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def is_read_no_more(end: int) -> bool:
    """Whether whoever has read from a pipe is gone, soon."""
    poll = select.poll()
    poll.register(end, select.POLLERR)
    return bool(poll.poll(60_000))


def test_a_worker_that_dies_is_told(pipe: Path) -> None:
    others = multiprocessing.active_children()

    def kill() -> None:
        with pipe.open("wb"):  # as soon as the worker reads
            for child in set(multiprocessing.active_children()) - set(others):
                child.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(workers.NoWorkers, match="a worker died"), workers.processes(2) as executor:
        list(workers.judged(executor, [[workers.Task(str(pipe), "pipe", "seed", 100)]]))
    killer.join()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_who_has_started_them(end: signal.Signals, pipe: Path, tmp_path: Path) -> None:
    (tmp_path / "reading.py").write_text(READING.format(path=str(pipe)), encoding="utf-8")
    command = [sys.executable, str(tmp_path / "reading.py")]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=paths, start_new_session=True, stderr=subprocess.DEVNULL) as running:
        with pipe.open("wb") as written:  # as soon as the worker reads
            running.send_signal(end)
            assert is_read_no_more(written.fileno())
        running.wait(60)


def test_without_dask_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(workers.NoWorkers, match=r"pip install 'kubephase\[dask\]'"), workers.dask(None, 2):
        pass


def test_a_scheduler_that_there_is_not_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "START", 0.5)
    address = "tcp://127.0.0.1:1"
    with pytest.raises(workers.NoWorkers, match=f"no Dask workers at {address}"), workers.dask(address, 2):
        pass
