"""What the containers of a scenario do, incarnation by incarnation, and the shell script that does it.

A workload is a tuple of steps, one per incarnation of the container; the last step serves all later incarnations too.
It is compiled to one ``sh`` script that needs nothing but a POSIX shell and a directory that outlives the container
(the pod's own volume), where it keeps its incarnation count. So it runs on any runtime without a control channel.
"""

from __future__ import annotations

import shlex

import msgspec


class Exit(msgspec.Struct, frozen=True, tag="exit"):
    """Run for ``after`` seconds, then exit with ``code`` (0 to 255)."""

    code: int = 0
    after: float = 1.0


class OutOfMemory(msgspec.Struct, frozen=True, tag="out-of-memory"):
    """Run for ``after`` seconds, then allocate until the kernel kills the process."""

    after: float = 1.0


class RunOn(msgspec.Struct, frozen=True, tag="run-on"):
    """Run until killed."""


Step = Exit | OutOfMemory | RunOn
Workload = tuple[Step, ...]

RUN_ON: Workload = (RunOn(),)


def step_of(workload: Workload, incarnation: int) -> Step:
    """The step that incarnation number ``incarnation`` (the first is 0) performs."""
    return workload[min(incarnation, len(workload) - 1)]


def compile_to_sh(workload: Workload, counter: str) -> str:
    """The workload as a POSIX shell script.

    ``counter`` is the path of the file that holds the number of incarnations begun; its directory must outlive the
    container. Raises ValueError for an empty workload, an exit code outside 0 to 255, or a time that is
    negative or endless.
    """
    if not workload:
        raise ValueError("a workload needs at least one step")
    last = len(workload) - 1
    cases = [f"{n if n < last else '*'}) {_command(step)} ;;" for n, step in enumerate(workload)]
    path = shlex.quote(counter)
    return "\n".join(
        [
            f"n=$(cat {path} 2>/dev/null || echo 0)",
            f"echo $((n + 1)) > {path}",
            "case $n in",
            *(f"  {case}" for case in cases),
            "esac",
            "",
        ]
    )


def _command(step: Step) -> str:
    match step:
        case Exit(code, after):
            if not 0 <= code <= 255:
                raise ValueError(f"exit code {code} is not between 0 and 255")
            return f"sleep {_seconds(after)}; exit {code}"
        case OutOfMemory(after):
            return f"sleep {_seconds(after)}; x=x; while :; do x=$x$x; done"
        case RunOn():
            return "while :; do sleep 1; done"


def _seconds(after: float) -> str:
    """Seconds as every ``sleep`` reads them: without an exponent, and without a point where none is needed."""
    if not 0 <= after < float("inf"):
        raise ValueError(f"a step cannot take {after} seconds")
    return f"{after:.3f}".rstrip("0").rstrip(".")
