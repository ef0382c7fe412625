"""What the containers of a scenario do, incarnation by incarnation, and the shell script that does it.

A workload is a tuple of steps, one per incarnation of the container; the last step serves all later incarnations too.
It is compiled to one ``sh`` script that needs nothing but a POSIX shell and a directory that outlives the container
(the pod's own volume), where it keeps its incarnation count. So it runs on any runtime without a control channel.
"""

from __future__ import annotations

import posixpath
import shlex

import msgspec


class Exit(msgspec.Struct, frozen=True, tag="exit"):
    """Run for ``after`` seconds, then exit with ``code`` (0 to 255)."""

    code: int = 0
    after: float = 1.0


class OutOfMemory(msgspec.Struct, frozen=True, tag="out-of-memory"):
    """Run for ``after`` seconds, then allocate until the kernel kills the process.

    With a ``code`` it is a child that allocates and is killed; the container itself then exits with that code.
    """

    after: float = 1.0
    code: int | None = None


class RunOn(msgspec.Struct, frozen=True, tag="run-on"):
    """Run until killed."""


class UseDisk(msgspec.Struct, frozen=True, tag="use-disk"):
    """Write to the pod's volume several times a second; exit with ``code`` once a write fails."""

    code: int = 5


class Put(msgspec.Struct, frozen=True, tag="put"):
    """Put a file of this name into the pod's volume, then run until killed; or exit with ``code`` if there is one."""

    file: str
    code: int | None = None


class Take(msgspec.Struct, frozen=True, tag="take"):
    """Exit with 0 once the pod's volume has a file of this name; with 1 if it has none for a minute."""

    file: str


class Serve(msgspec.Struct, frozen=True, tag="serve"):
    """Accept connections on a TCP port until killed."""

    port: int = 8080


class Reach(msgspec.Struct, frozen=True, tag="reach"):
    """Exit with 0 once a connection to ``host`` is accepted on the TCP port; with 1 if none is for a minute."""

    host: str = "127.0.0.1"
    port: int = 8080


Step = Exit | OutOfMemory | RunOn | UseDisk | Put | Take | Serve | Reach
Workload = tuple[Step, ...]

RUN_ON: Workload = (RunOn(),)


def step_of(workload: Workload, incarnation: int) -> Step:
    """The step that incarnation number ``incarnation`` (the first is 0) performs."""
    return workload[min(incarnation, len(workload) - 1)]


def compile_to_sh(workload: Workload, counter: str) -> str:
    """The workload as a POSIX shell script.

    ``counter`` is the path of the file that holds the number of incarnations begun. Its directory is the pod's volume
    and must outlive the container. Raises ValueError for an empty workload, an exit code outside 0 to 255, or a time
    that is negative or endless.
    """
    if not workload:
        raise ValueError("a workload needs at least one step")
    last = len(workload) - 1
    volume = posixpath.dirname(counter) or "."
    cases = [f"{n if n < last else '*'}) {_command(step, volume)} ;;" for n, step in enumerate(workload)]
    path, new = shlex.quote(counter), shlex.quote(f"{counter}.new")
    return "\n".join(
        [
            f"n=$(cat {path} 2>/dev/null || echo 0)",
            # Whole or not at all: a process that is killed while it counts, or a full disk, must not lose the count.
            f"echo $((n + 1)) > {new} && mv {new} {path}",
            "case $n in",
            *(f"  {case}" for case in cases),
            "esac",
            "",
        ]
    )


def _command(step: Step, volume: str) -> str:
    match step:
        case Exit(code, after):
            return f"sleep {_seconds(after)}; exit {_code(code)}"
        case OutOfMemory(after, None):
            return f"sleep {_seconds(after)}; {HOG}"
        case OutOfMemory(after, code):
            # Not at once: a runtime learns of the victim in another way than of the end, and should do so first.
            return f"sleep {_seconds(after)}; ({HOG}); sleep 0.5; exit {_code(code or 0)}"
        case RunOn():
            return RUN
        case UseDisk(code):
            used = shlex.quote(f"{volume}/used")
            # Removed again: to overwrite one's own file takes no room, so nobody would find out that the disk is full.
            return f"while echo x > {used} && rm {used}; do sleep 0.2; done; exit {_code(code)}"
        case Put(file, code):
            end = RUN if code is None else f"exit {_code(code)}"
            return f"echo x > {shlex.quote(f'{volume}/{file}')}; {end}"
        case Take(file):
            return _tries(f"[ -e {shlex.quote(f'{volume}/{file}')} ]")
        case Serve(port):
            return f"while :; do nc -l -p {port} < /dev/null > /dev/null; done"
        case Reach(host, port):
            return _tries(f"nc -w 1 {shlex.quote(host)} {port} < /dev/null")


RUN = "while :; do sleep 1; done"
HOG = "x=x; while :; do x=$x$x; done"


def _tries(command: str) -> str:
    """Try a command twice a second for a minute: exit with 0 when it succeeds, else with 1."""
    return f"for i in $(seq 120); do {command} && exit 0; sleep 0.5; done; exit 1"


def _code(code: int) -> int:
    if not 0 <= code <= 255:
        raise ValueError(f"exit code {code} is not between 0 and 255")
    return code


def _seconds(after: float) -> str:
    """Seconds as every ``sleep`` reads them: without an exponent, and without a point where none is needed."""
    if not 0 <= after < float("inf"):
        raise ValueError(f"a step cannot take {after} seconds")
    return f"{after:.3f}".rstrip("0").rstrip(".")
