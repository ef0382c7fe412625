"""The judge of workloads: each incarnation of a container ends as the scenario says."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.exits import Exit as KnownExit
from conformance.judges.case import Case
from conformance.judges.pods import KnownPod, PodJudge
from conformance.oracle import COUNTED
from conformance.runtime import PodSpec
from conformance.workload import Exit, OutOfMemory, Put, Reach, Step, Take, UseDisk, step_of

KILLED_CODES = (137, 143)
"""Exit codes of a container that got SIGKILL or SIGTERM, by a fault or by the system."""


@dataclass
class WorkloadJudge:
    """The judge of the workloads of a case."""

    case: Case
    pods: PodJudge

    def __post_init__(self) -> None:
        self.pods.on_exit = self._exit
        self.pods.on_end.append(self.judge)

    def judge(self, known: KnownPod) -> None:
        """Each incarnation ends as its workload says, unless a fault ended it (`history.workload.done`)."""
        spec = self._spec(known)
        if spec and known.first.members != (names := tuple(c.name for c in spec.containers)):
            self.case.fail(("history.workload.done",), f"pod {spec.name}", f"its containers are {known.first.members}",
                           known.line, 0, str(names))  # fmt: skip
            return
        for name, exits in known.exits.known.items():
            for number, end in exits.items():
                self._exit(known, name, number, end)

    def _spec(self, known: KnownPod) -> PodSpec | None:
        """What we asked for, if this pod is known to be ours, and was well so far."""
        line = None if known.failed else self.case.evidence.creation(known.first)
        return self.case.evidence.specs.get(line or 0)

    def _exit(self, known: KnownPod, name: str, number: int, end: KnownExit) -> None:
        """The end of one incarnation of a container."""
        spec = self._spec(known)
        workload = next((c.workload for c in spec.containers if c.name == name), None) if spec else None
        if spec is None or workload is None:
            return
        rule, step = "history.workload.done", step_of(workload, number)
        expected, runs_on = _expected_codes(step), self._runs_on(known)
        rules = (rule, *self.case.held(*_shown_by(step, number)))
        if end.code in expected or ((end.code or 0) in KILLED_CODES and not runs_on):
            self.case.cover(*(rules if end.code in expected else (rule,)))
            return
        reason = f"incarnation {number} of container {name} ended with exit code {end.code}"
        allowed = "any but 0" if len(expected) > 1 else ", ".join(map(str, expected)) or "an end by a signal"
        blamed = (rule, *runs_on) if (end.code or 0) in KILLED_CODES else rules[1:] or rules
        if any(end.code in _expected_codes(step_of(workload, before)) for before in range(number)):
            reason += ", as an earlier one should"
            blamed = (*blamed, *self.case.held(*COUNTED))
        self.case.fail(blamed, f"pod {spec.name}", reason, end.line, 0, allowed)

    def _runs_on(self, known: KnownPod) -> tuple[str, ...]:
        """The rules by which nothing but its workload ends a container of this pod: its node was lost, or not, and
        nothing else was done to it. If it was not lost, only what another container does could have ended it."""
        last, evidence = known.oracle.last, self.case.evidence
        if last is None or not evidence.spared(last):
            return ()
        if evidence.in_trouble(last.node, 0):
            return self.case.held("pod.partition.waits", "pod.partition.back-in-time")
        if known.deleted or len(last.members) == 1:
            return ()
        return self.case.held(f"pod.restart.one-of-two.{last.policy.lower()}", "pod.container.healthy-kept")


def _expected_codes(step: Step) -> tuple[int, ...]:
    """The exit codes with which a step of a workload may end by itself."""
    match step:
        case Exit(code=code):
            return (code,)
        case OutOfMemory(code=None):
            return tuple(range(1, 256))
        case OutOfMemory(code=int(code)) | UseDisk(code=code) | Put(code=int(code)):
            return (code,)
        case Take() | Reach():
            return (0,)
        case _:
            return ()


def _shown_by(step: Step, incarnation: int) -> tuple[str, ...]:
    """The rules that hold if a step ends well: what it reached or found was there."""
    match step:
        case Reach(host="127.0.0.1"):
            return ("pod.sharing.network",)
        case Reach():
            return ("pod.sharing.own-ip",)
        case Take():
            before = ("pod.sharing.survives-restart",) if incarnation else ()
            return ("pod.sharing.volumes", "pod.sharing.volume-is-directory", *before)
        case _:
            return ()
