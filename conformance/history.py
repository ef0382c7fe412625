"""A history: the sequence of actions and observations of one run, as NDJSON. A verdict depends on nothing else.

Every line is a record with a running number ``seq`` and the runtime's time ``t``. A missing number tells that a line
was lost.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from conformance.runtime import ConditionStatus, ControllerSpec, Fault, MachineList, Observation, PodSpec
from conformance.wording import printable

MAX_LINE = 8 * 1024 * 1024
"""Bytes; a longer line is not read."""


class _Record(msgspec.Struct, frozen=True, tag_field="kind", omit_defaults=True, kw_only=True):
    seq: int = 0
    t: float = 0.0


class Header(_Record, frozen=True, tag="header"):
    """Where the history comes from."""

    scenario: str
    policy: str | None = None
    profile: str = "seed"
    runtime: str = ""
    runtime_version: str = ""
    tool_version: str = ""
    seed: int = 0
    rules: tuple[str, ...] = ()
    time_out: float | None = None
    """What the runtime says of its time-out for lost nodes (`conformance.runtime.About`)."""


class Scaling(msgspec.Struct, frozen=True):
    """A replication controller is told to keep so many pods."""

    controller: str
    wanted: int


class Action(_Record, frozen=True, tag="action"):
    """What the suite did: exactly one of the fields is set. ``refused`` tells that the runtime refused it."""

    create_node: str | None = None
    create_pod: PodSpec | None = None
    create_controller: ControllerSpec | None = None
    scale: Scaling | None = None
    list_machines: MachineList | None = None
    delete_pod: str | None = None
    inject: Fault | None = None
    refused: str | None = None


class Seen(_Record, frozen=True, tag="seen"):
    """What was observed."""

    what: Observation


class PodWant(msgspec.Struct, frozen=True, tag="pod", omit_defaults=True):
    """A state of a pod to wait for; None where it does not matter. ``restarts`` are lower bounds by container,
    ``after`` are incarnations by container that must be over."""

    pod: str
    phase: str | None = None
    restarts: dict[str, int] | None = None
    states: dict[str, str] | None = None
    bound: bool | None = None
    gone: bool = False
    after: dict[str, str | None] | None = None


class NodeWant(msgspec.Struct, frozen=True, tag="node", omit_defaults=True):
    """A state of a node to wait for; None where it does not matter."""

    node: str
    phase: str | None = None
    reachable: ConditionStatus | None = None
    ready: ConditionStatus | None = None
    gone: bool = False
    unschedulable: bool | None = None


class EventWant(msgspec.Struct, frozen=True, tag="event", omit_defaults=True):
    """A recorded event to wait for."""

    pod: str
    reason: str
    container: str | None = None


class ControllerWant(msgspec.Struct, frozen=True, tag="controller", omit_defaults=True):
    """So many pods of a replication controller to wait for that are Running, on other nodes than ``elsewhere``, and are
    none of those named in ``besides``; if ``most`` is given, no more than so many that have not ended."""

    controller: str
    running: int
    elsewhere: str | None = None
    besides: tuple[str, ...] = ()
    most: int | None = None


Want = PodWant | NodeWant | EventWant | ControllerWant


class Goal(_Record, frozen=True, tag="goal"):
    """What the scenario waits for from here on, and the rules that make it due."""

    want: Want
    rules: tuple[str, ...]


class Quiescent(_Record, frozen=True, tag="quiescent"):
    """The runtime says that nothing more will happen by itself."""


class Broken(_Record, frozen=True, tag="broken"):
    """The scenario ended here: ``skip`` for want of a capability, else an error of the adapter or of our own."""

    reason: str
    skip: bool = False


class End(_Record, frozen=True, tag="end"):
    """The scenario came to its end."""


Record = Header | Action | Seen | Goal | Quiescent | Broken | End

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """One line, without its newline."""
    return _encoder.encode(record)


def decode(line: bytes) -> Record:
    """One record. Raises msgspec.DecodeError, which names the field and what was expected."""
    return _decoder.decode(line)


class BadLine(msgspec.Struct, frozen=True):
    """A line that cannot be read: where, and what was expected."""

    file: str
    line: int
    problem: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.problem}"


class History:
    """A history that is being written: kept in memory and, if there is a file, on disk line by line."""

    def __init__(self, path: Path | None = None) -> None:
        self.records: list[Record] = []
        self._file: BinaryIO | None = path.open("wb") if path else None

    def add(self, record: Record, t: float) -> None:
        """Append a record, numbered and stamped with the runtime's time."""
        stamped = msgspec.structs.replace(record, seq=len(self.records) + 1, t=t)
        self.records.append(stamped)
        if self._file:
            self._file.write(encode(stamped) + b"\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


def lines(file: BinaryIO, name: str) -> Iterator[tuple[int, bytes] | BadLine]:
    """The lines of a file by number, 1-based, without blank ones. A line longer than MAX_LINE becomes a BadLine."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if len(line) > MAX_LINE:
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_LINE)
            yield BadLine(name, number, f"longer than {MAX_LINE // 2**20} MiB: expected one record per line")
            continue
        if line.strip():
            yield number, line


def parse_problem(line: bytes, error: Exception) -> str:
    """What is wrong with a line, in words."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as bad:
        return f"not UTF-8 at byte {bad.start}: expected JSON text"
    if isinstance(error, RecursionError):
        return "nested too deeply: expected a record, a frame or an object"
    text = printable(str(error))
    broken = isinstance(error, msgspec.DecodeError) and not isinstance(error, msgspec.ValidationError)
    if "truncated" in text or (broken and not line.endswith(b"\n")):
        return f"the line is truncated: expected a whole JSON object ({text})"
    if isinstance(error, msgspec.ValidationError):
        return text
    return f"no JSON: {text}" if isinstance(error, msgspec.DecodeError) else text


def as_dict(value: Any) -> Any:
    """A record or report entry as plain JSON types."""
    return msgspec.to_builtins(value)
