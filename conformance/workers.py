"""Judging with several workers: processes here, or those of a Dask cluster on any number of machines.

A task is one share of one file. Each worker opens the file itself and reads all of it, so nothing but the names of
files goes to the workers, and nothing but findings and counts comes back. There are no files in between, and a task
that is lost with its worker can be done again by another one.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.metadata
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, as_completed
from pathlib import Path

import msgspec

from conformance import recordings
from conformance.history import BadLine
from conformance.judge import Judgement, Part, judge_lines, judge_share, whole
from conformance.opening import UnreadableFile, opened
from conformance.shares import Entangled, Share
from model.profiles import UnknownProfile
from model.profiles import profile as profile_of

SHARES = 8
"""Into how many shares a file is cut at most: each judge reads all of it, so more would hardly be faster."""

START = 30.0
"""For how many seconds a Dask cluster is waited for."""


class NoWorkers(Exception):
    """The workers cannot be had, or are lost: the message says why, and what to do."""


class Task(msgspec.Struct, frozen=True):
    """One share of one file. ``path`` is absolute, for the workers may stand elsewhere; ``name`` is what it is called.
    Without a ``profile`` it is that of the run that the file is of, else the document's."""

    path: str
    name: str
    profile: str | None
    window: int
    share: int = 0
    of: int = 1


class Done(msgspec.Struct, frozen=True):
    """What came of a file, or of a share of it."""

    judgement: Judgement | None = None
    """Of a whole file."""
    part: Part | None = None
    """Of a share, by a profile."""
    profile: str = ""
    bad: tuple[BadLine, ...] = ()
    """The first of the lines that cannot be read."""
    more_bad: int = 0
    problem: str = ""
    """Why there is neither."""
    entangled: bool = False
    """Whether the objects cannot be shared out: then one worker has to judge the file."""


def do(task: Task) -> Done:
    """Do a task, wherever this runs."""
    path = Path(task.path)
    try:
        with opened(path) as file:
            reading = recordings.Reading(file, path, task.name)
            by = profile_of(task.profile or reading.profile or "seed")
            if task.of == 1:
                return done(reading, judge_lines(reading.name, reading, by, task.window))
            part = judge_share(reading, by, task.window, Share(task.share, task.of))
            return msgspec.structs.replace(done(reading, None), part=part, profile=by.name)
    except UnreadableFile as error:
        return Done(problem=str(error).replace(task.path, task.name))
    except UnknownProfile as error:
        return Done(problem=f"{task.name}: {error}")
    except Entangled:
        return Done(entangled=True)


def done(reading: recordings.Reading, judgement: Judgement | None) -> Done:
    """What came of a file that has been read."""
    problem = reading.problem() or ""
    return Done(None if problem else judgement, None, "", tuple(reading.bad), reading.more_bad, problem)


def tasks(files: Sequence[Path], profile: str | None, window: int, workers: int) -> list[list[Task]]:
    """For each file its tasks: several if it is more than its share of the work of all workers."""
    sizes = [file.stat().st_size if file.is_file() else 0 for file in files]
    fair = max(1.0, sum(sizes) / workers)
    counts = [max(1, min(SHARES, workers, round(size / fair))) for size in sizes]
    return [
        [Task(str(file.absolute()), str(file), profile, window, number, count) for number in range(count)]
        for file, count in zip(files, counts, strict=True)
    ]


def judged(executor: Executor, asked: Sequence[Sequence[Task]]) -> Iterator[tuple[int, Done]]:
    """What comes of each file, by its place, as it is done. Raises NoWorkers."""
    done: list[list[Done]] = [[] for _ in asked]
    alone: list[Sequence[Task]] = [()] * len(asked)
    running = {executor.submit(do, task): place for place, of in enumerate(asked) for task in of}
    try:
        for future in as_completed(running):
            place = running[future]
            done[place].append(future.result())
            if len(done[place]) < len(asked[place]):
                continue
            if any(part.entangled for part in done[place]):
                alone[place] = [msgspec.structs.replace(asked[place][0], of=1)]
            else:
                yield place, _whole(asked[place][0].name, done[place])
    finally:
        for future in running:
            future.cancel()
    if any(alone):
        yield from judged(executor, alone)


def _whole(name: str, parts: Sequence[Done]) -> Done:
    """What came of a file, from what came of its shares."""
    found = [done.part for done in parts if done.part]
    problem = parts[0].problem
    if problem or not found:
        return parts[0]
    return msgspec.structs.replace(parts[0], part=None, judgement=whole(name, profile_of(parts[0].profile), found))


@contextlib.contextmanager
def processes(count: int) -> Iterator[Executor]:
    """Workers on this machine. They end with us, however we end. Raises NoWorkers if one dies."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, _begin) as executor:
        try:
            yield executor
        except BaseException as error:
            for process in multiprocessing.active_children():
                process.terminate()
            if isinstance(error, BrokenExecutor):
                raise NoWorkers("a worker died; if it was for want of memory, take fewer: --jobs") from error
            raise


def collect_rarely() -> None:
    """A judge makes no circles of objects, but keeps many: looking for circles as often as Python does, after every 700
    new objects, takes a tenth of its time."""
    gc.set_threshold(50_000)


def _begin() -> None:
    """Ctrl-C ends a worker without a word; so does the end of whoever started it."""
    collect_rarely()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def dask(address: str | None, count: int) -> Iterator[tuple[Executor, int]]:
    """The workers of a Dask cluster, and how many there are: of that at an address, or of one that is started here for
    as long as it takes, with so many workers. Raises NoWorkers."""
    try:
        from distributed import Client, KilledWorker, LocalCluster
    except ImportError as error:
        raise NoWorkers("Dask is not installed: pip install 'kubephase[dask]'") from error
    with contextlib.ExitStack() as stack:
        try:
            if address is None:
                here = LocalCluster(
                    n_workers=count, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
                )
                stack.enter_context(here)
            client = stack.enter_context(Client(address or here, timeout=START))
            client.wait_for_workers(1, timeout=START)
        except (OSError, ValueError) as error:
            reason = f"no Dask workers at {address or 'this machine'} within {START:g} s ({error})"
            raise NoWorkers(f"{reason}: start `dask scheduler` and `dask worker ADDRESS`") from error
        try:
            versions = set(client.run(version).values())
        except Exception as error:  # whatever keeps a worker from it
            raise NoWorkers(f"the workers cannot run kubephase {version()}: install it there ({error})") from error
        if versions != {version()}:
            raise NoWorkers(f"the workers have kubephase {', '.join(sorted(versions))}, and here it is {version()}")
        try:
            yield client.get_executor(pure=False), sum(client.nthreads().values())
        except KilledWorker as error:
            raise NoWorkers(f"workers died, one after the other, of one task: {error}") from error


def version() -> str:
    """The version of kubephase that runs here."""
    return importlib.metadata.version("kubephase")
