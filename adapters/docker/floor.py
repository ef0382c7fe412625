"""What a run would have cost without the suite: its containers once more, bare."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from adapters.docker.engine import Engine
from adapters.docker.pods import Member, Pod
from conformance.runtime import PodSpec
from conformance.workload import Put, Reach, RunOn, Serve, Step, UseDisk, step_of


@dataclass(frozen=True)
class BarePod:
    """What a pod came to: its spec, and of each member how many incarnations began and whether the last one ended."""

    spec: PodSpec
    began: tuple[int, ...]
    ended: tuple[bool, ...]

    def replay(self, engine: Engine, number: int) -> None:
        """The same containers once more, with nobody looking after them but the engine."""
        name = f"{engine.run}-bare"
        pod = Pod(self.spec, f"bare{number}", engine=engine, cluster=name, volume=f"kubephase-{name}{number}")
        try:
            pod.start()
            for member, began, ended in zip(pod.members, self.began, self.ended, strict=True):
                while not self._has_come(pod, member, began, ended):
                    time.sleep(0.05)
        finally:
            pod.remove()

    def _has_come(self, pod: Pod, member: Member, began: int, ended: bool) -> bool:
        """Whether a member is as far as it came in the run, or as far as it gets without the faults of the run."""
        inspected = pod.inspect(member)
        state = inspected["State"]
        restarts = inspected["RestartCount"] - state["Restarting"]
        runs_on = _is_endless(step_of(member.spec.workload, restarts))
        over = not (state["Running"] or state["Restarting"])
        return over or runs_on or restarts >= began or (restarts == began - 1 and not ended)


def _is_endless(step: Step) -> bool:
    """Whether a step of a workload does not end by itself; to reach another pod is nothing that bare containers can."""
    match step:
        case RunOn() | Serve() | UseDisk() | Put(code=None):
            return True
        case Reach(host=host):
            return host != "127.0.0.1"
        case _:
            return False


def seconds(pods: list[BarePod], engines: list[Engine], jobs: int) -> float:
    """Seconds that the containers take: made, started, waited for and removed, and nothing else, ``jobs`` pods side by
    side on the engines in turn."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(jobs) as pool:
        places = zip(pods, itertools.cycle(engines), itertools.count(), strict=False)
        for done in [pool.submit(pod.replay, engine, number) for pod, engine, number in places]:
            done.result()
    return time.perf_counter() - begun
