"""The judge of workloads: each incarnation of a container ends as the scenario says."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.judges.case import Case
from conformance.judges.pods import KnownPod, PodJudge
from conformance.workload import Exit, OutOfMemory, Put, Reach, Step, Take, UseDisk, step_of

KILLED_CODES = (137, 143)
"""Exit codes of a container that got SIGKILL or SIGTERM, by a fault or by the system."""


@dataclass
class WorkloadJudge:
    """The judge of the workloads of a case."""

    case: Case
    pods: PodJudge

    def judge(self) -> None:
        """Each incarnation ends as its workload says, unless a fault ended it (`history.workload.done`)."""
        for known in self.pods.pods.values():
            line = self.case.evidence.creation(known.first)
            spec = self.case.evidence.specs.get(line or 0)
            if spec is None or known.failed:
                continue
            rule = "history.workload.done"
            workloads = {c.name: c.workload for c in spec.containers}
            if known.first.members != tuple(workloads):
                self.case.fail((rule,), f"pod {spec.name}", f"its containers are {known.first.members}", known.line, 0,
                           str(tuple(workloads)))  # fmt: skip
                continue
            runs_on = self._runs_on(known)
            for name, exits in known.exits.known.items():
                for number, end in exits.items():
                    step = step_of(workloads[name], number)
                    expected = _expected_codes(step)
                    rules = (rule, *self.case.held(*_shown_by(step, number)))
                    if end.code in expected or ((end.code or 0) in KILLED_CODES and not runs_on):
                        self.case.cover(*(rules if end.code in expected else (rule,)))
                        continue
                    reason = f"incarnation {number} of container {name} ended with exit code {end.code}"
                    allowed = (
                        "any but 0" if len(expected) > 1 else ", ".join(map(str, expected)) or "an end by a signal"
                    )
                    blamed = (rule, *runs_on) if (end.code or 0) in KILLED_CODES else rules[1:] or rules
                    if any(end.code in _expected_codes(step_of(workloads[name], before)) for before in range(number)):
                        reason += ", as an earlier one should"
                        blamed = (*blamed, *self.case.held("pod.restart.counted", "pod.restart.count-reconstructed"))
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
