"""Reading what was recorded: our own histories, and other people's formats, turned into observations.

A recording of a Kubernetes cluster is NDJSON ``{"t", "stream", "object"}``: frames of the API's watches of pods, nodes,
events and replication controllers (v1beta3; v1 where it differs; pods of v1beta1, too), and events of the
Docker engine (`conformance.frames`).

Other forms are recognised by what they hold: watch frames as the API sends them (``{"type", "object"}``), objects as
``kubectl get -w -o json`` prints them, one after the other (lists of them, too), and what ``docker events`` prints as
JSON. Their stream is named by their kind. That an object was deleted shows only in a watch frame: one that is being
deleted is still there. Engine events and events tell their time; of all others only the order is known.

What the API refused shows in no watch. A file ``NAME.json`` beside ``NAME.ndjson`` may tell it: ``actions`` is what was
asked of the API (``t``, ``method``, ``url``, ``status``, ``response``), ``manifest`` the objects that were posted.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from conformance import history, wire
from conformance.frames import FRAMED, OBJECTS, WATCHES, Frames, Told, of_engine
from conformance.history import BadLine, Record
from conformance.opening import UnreadableFile as UnreadableFile
from conformance.opening import name_of, opened, uncompressed
from conformance.recent import Recent
from conformance.runtime import ControllerSpec, EventSeen, Observation
from model import podrecord


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One line of a file: a record of ours, or an observation from a frame."""

    line: int
    t: float
    what: Record | Observation | None
    """What it tells; None if no rule speaks of that. An observation of ours is without the record around it."""
    stream: str = ""
    version: int | None = None
    """What orders the lines of a stream."""
    api_version: int | None = None
    """The version, if it is one that the API gave: one counter gives every change of any object its own."""
    added: bool = False
    """Whether a watch frame says ADDED: those that begin a watch list what is there, in any order."""
    listed: bool = False
    """Whether this may be of such a list for another reason: a line without a time tells not even of a pod that has no
    node yet, or of an event, whether it is new."""
    expired: bool = False
    """Whether this is an error of a watch, such as that its version is gone: it begins again."""
    record: Record | None = None
    """The record, if it is one of ours."""

    @property
    def framed(self) -> bool:
        """Whether this is a frame of somebody's cluster, rather than a record of ours."""
        return self.stream != "history"

    @property
    def content(self) -> Record | Observation | None:
        """What the line holds: the record, if it is one of ours."""
        return self.record or self.what


class Recording(msgspec.Struct, frozen=True):
    """A file, read: its entries, the lines that could not be read, and how many frames no rule speaks of."""

    name: str
    entries: list[Entry]
    bad: list[BadLine]
    ignored: int = 0


# --- reading --------------------------------------------------------------------------------------------------------


BAD = 1000
"""How many bad lines are told one by one."""


class Reading:
    """The lines of a file as they are read: entries, and the bad lines between them. Reading a line never raises: the
    first that cannot be read at all, because of the disk or of damage to compressed data, is the last one."""

    def __init__(self, file: BinaryIO, path: Path, name: str | None = None) -> None:
        self.name = name or name_of(path)
        self.bad: list[BadLine] = []
        """The first of the bad lines."""
        self.more_bad = 0
        self.read = 0
        """How many entries have been read."""
        self._file = file
        self._lines = self._refused(_refusals(uncompressed(path)), self._read())
        self._first = list(itertools.islice(self._lines, 1))

    def __iter__(self) -> Iterator[Entry | BadLine]:
        return itertools.chain(self._first, self._lines)

    @property
    def profile(self) -> str | None:
        """The profile that a run of ours was judged by; None for a recording of others."""
        headers = [line.content for line in self._first if isinstance(line, Entry)]
        return headers[0].profile if headers and isinstance(headers[0], history.Header) else None

    def problem(self) -> str | None:
        """What is wrong if nothing could be read."""
        if self.read:
            return None
        detail = f" ({self.bad[0].problem} in line {self.bad[0].line})" if self.bad else ""
        expected = "expected NDJSON lines of records or watch frames, objects of kubectl -o json, or docker events"
        return f"{self.name}: no history: {expected}{detail}"

    def _read(self) -> Iterator[Entry | BadLine]:
        reader, number = _Reader(), 0
        try:
            for item in _whole(history.lines(self._file, self.name)):
                if isinstance(item, BadLine):
                    number = item.line
                    yield self._told(item)
                    continue
                number, text = item
                try:
                    for entry in reader.entries(number, text):
                        self.read += 1
                        yield entry
                except (ValueError, RecursionError) as error:
                    yield self._told(BadLine(self.name, number, history.parse_problem(text, error)))
        except OSError as error:
            problem = f"{error.strerror or error}: nothing can be read from here on"
            yield self._told(BadLine(self.name, number + 1, problem))

    def _told(self, bad: BadLine) -> BadLine:
        if len(self.bad) < BAD:
            self.bad.append(bad)
        else:
            self.more_bad += 1
        return bad

    @staticmethod
    def _refused(refusals: Iterable[Entry], lines: Iterable[Entry | BadLine]) -> Iterator[Entry | BadLine]:
        """Each refusal before the first line that came later; the lines stay in their order."""
        waiting = deque(refusals)
        for line in lines:
            while waiting and isinstance(line, Entry) and line.t > waiting[0].t:
                yield waiting.popleft()
            yield line
        yield from waiting


def read(path: Path) -> Recording:
    """A history or recording. Bad lines are told, not raised: what can be read is judged.

    Raises UnreadableFile if the file cannot be opened, or holds no line that could be read.
    """
    with opened(path) as file:
        return read_from(file, path)


def read_from(file: BinaryIO, path: Path) -> Recording:
    """The same, of a file that is open already. ``path`` is its name."""
    reading = Reading(file, path)
    entries = [line for line in reading if isinstance(line, Entry)]
    if problem := reading.problem():
        raise UnreadableFile(problem)
    ignored = sum(entry.what is None for entry in entries)
    return Recording(reading.name, entries, reading.bad, ignored)


def _whole(lines: Iterable[tuple[int, bytes] | BadLine]) -> Iterator[tuple[int, bytes] | BadLine]:
    """The same lines, those of an object that is printed over several of them as one: it begins with a line that is
    an opening bracket and nothing else, and ends with such a closing one, or is cut off where it becomes too long."""
    begun = bytearray()
    first = 0
    for item in lines:
        bracket = b"" if isinstance(item, BadLine) else item[1].rstrip()
        if begun and (bracket == b"{" or len(begun) > history.MAX_LINE or isinstance(item, BadLine)):
            yield first, bytes(begun)
            begun.clear()
        if isinstance(item, BadLine):
            yield item
        elif begun or bracket == b"{":
            first = first if begun else item[0]
            begun += item[1]
            if bracket == b"}":
                yield first, bytes(begun)
                begun.clear()
        else:
            yield item
    if begun:
        yield first, bytes(begun)


def of_records(name: str, records: list[Record]) -> Recording:
    """A history in memory, in the form in which a file is read."""
    return Recording(name, [_own(number, record) for number, record in enumerate(records, 1)], [])


STREAMS = {"Pod": "pods", "Node": "nodes", "Event": "events", "ReplicationController": "replicationcontrollers"}
"""The stream that an object is of, by its kind, where the line does not tell it."""

_FORM = re.compile(
    rb'\{"(?:t": ?[-+.\deE]+, ?"stream": ?"(?P<framed>\w+)"'
    rb'|type": ?"(?:ADDED|MODIFIED|DELETED)", ?"object": ?\{"kind": ?"(?P<watch>\w+)"'
    rb'|(?P<own>kind": ?"(?:header|action|seen|goal|quiescent|broken|end)"))'
)
"""How the lines begin of which a month has millions: they need not be recognised by all of what they hold."""

_Key = tuple[str, str, str]

_engines = msgspec.json.Decoder(wire.Framed[wire.Engine])

LISTED = 200_000
"""Of how many objects that came without a watch frame it is remembered in which version."""


class _Reader:
    """From lines to entries. What a line does not tell, those before it do: the time, and whether an object is new."""

    def __init__(self) -> None:
        self._frames = Frames()
        self._t = 0.0
        self._timed = False
        """Whether there were lines with a time: those of another clock would not fit between them."""
        self._versions: Recent[_Key, str] = Recent(LISTED)
        """The version in which an object was last seen that came without a watch frame."""

    def entries(self, number: int, text: bytes) -> Iterable[Entry]:
        """The entries of one line, or of one object over several lines."""
        text.decode("utf-8")  # also where a field is not read: raises UnicodeDecodeError
        if form := _FORM.match(text):
            try:
                if entry := self._common(number, text, form):
                    return (entry,)
            except msgspec.ValidationError:
                pass  # what it is, and what is wrong with it, is found out below
        return self._any(number, text)

    def _common(self, number: int, text: bytes, form: re.Match[bytes]) -> Entry | None:
        """The entry of a line that is of a common form."""
        framed, watch, own = form.groups()
        if own:
            return _own(number, history.decode(text))
        if framed == b"docker":
            line = _engines.decode(text)
            seen, version = of_engine(line.object)
            self._t, self._timed = line.t, True
            return _entry(number, line.t, "docker", (seen, version))
        name = framed.decode() if framed else STREAMS.get(watch.decode(), "")
        if name not in OBJECTS:
            return None
        if framed:
            frame = FRAMED[name].decode(text)
            if frame.object.type in ("ERROR", "BOOKMARK"):
                return None
            self._t, self._timed = frame.t, True
            return _entry(number, frame.t, name, self._frames.told[name](frame.object, frame.t), frame.object.type)
        told = WATCHES[name].decode(text)
        return self._untimed(number, name, self._frames.told[name](told, float("inf")), told.type, told.type == "ADDED")

    def _any(self, number: int, text: bytes) -> Iterator[Entry]:
        shape = msgspec.json.decode(text, type=wire.Shape)
        if shape.stream:
            line = msgspec.json.decode(text, type=wire.Framed[msgspec.Raw])
            entry = self._line(number, line.t, line.stream, bytes(line.object))
            self._t, self._timed = line.t, True
            yield entry
        elif shape.Type and shape.Actor:
            yield self._untimed(number, "docker", of_engine(msgspec.json.decode(text, type=wire.Engine)))
        elif shape.type and shape.object:
            kind = msgspec.json.decode(shape.object, type=wire.Kind).kind
            yield self._watched(number, STREAMS.get(kind, kind), text, shape.type == "ADDED")
        elif shape.items is not None:
            yield from self._list(number, str(shape.kind).removesuffix("List"), shape.items)
        elif shape.apiVersion or str(shape.kind) in STREAMS:
            yield from self._bare(number, str(shape.kind), text)
        elif shape.kind:
            yield _own(number, history.decode(text))
        else:
            raise ValueError(
                "neither a record of ours (with `kind`) nor a frame (with `t`, `stream`, `object`, "
                "or `type`, `object`), an object (with `kind`, `apiVersion`), an engine event (with `Type`, `Actor`)"
            )

    def _line(self, number: int, t: float, stream: str, raw: bytes) -> Entry:
        """A line that tells its time and its stream."""
        if stream == "docker":
            return _entry(number, t, stream, of_engine(msgspec.json.decode(raw, type=wire.Engine)))
        if stream in OBJECTS:
            return _entry(number, t, stream, *self._frames.of_api(stream, raw, t))
        if close := difflib.get_close_matches(stream[:50], (*OBJECTS, "docker"), n=1, cutoff=0.7):
            raise ValueError(f"unknown stream {stream!r}: expected {close[0]!r}?")
        return Entry(number, t, None, stream)

    def _list(self, number: int, kind: str, items: list[msgspec.Raw]) -> Iterator[Entry]:
        """A list is ordered by name: what changed first is told by the versions."""
        for item in sorted(items, key=lambda item: msgspec.json.decode(item, type=wire.Bare).metadata.number):
            yield from self._bare(number, kind, bytes(item))

    def _bare(self, number: int, kind: str, text: bytes) -> Iterator[Entry]:
        """An object alone: first seen it is added, then modified. The version that was seen before tells nothing."""
        about = msgspec.json.decode(text, type=wire.Bare)
        kind, meta = about.kind or kind, about.metadata
        key = (kind, meta.namespace, meta.uid or meta.name)
        before = self._versions.get(key)
        if before and before == meta.resourceVersion:
            return
        told = b"ADDED" if before is None else b"MODIFIED"
        frame = b'{"type":"%s","object":%s}' % (told, text)
        yield self._watched(number, STREAMS.get(kind, kind), frame, before is None)
        self._versions[key] = meta.resourceVersion

    def _watched(self, number: int, stream: str, raw: bytes, listed: bool) -> Entry:
        """A watch frame that does not tell its time."""
        if stream not in OBJECTS:
            expired = msgspec.json.decode(raw, type=wire.Shape).type == "ERROR"
            return Entry(number, self._t, None, "" if expired else stream, expired=expired)
        told, type_ = self._frames.of_api(stream, raw, float("inf"))
        return self._untimed(number, stream, told, type_, listed)

    def _untimed(self, number: int, stream: str, told: Told, type_: str = "", listed: bool = False) -> Entry:
        seen, version = told
        if not self._timed:
            happened = seen.recorded_at if isinstance(seen, EventSeen) else 0.0
            self._t = max(self._t, version / 1e9 if stream == "docker" and version else happened)
        return _entry(number, self._t, stream, told, type_, listed)


def _entry(number: int, t: float, stream: str, told: Told, type_: str = "", listed: bool = False) -> Entry:
    seen, version = told
    api_version = None if stream == "docker" else version
    return Entry(number, t, seen, stream, version, api_version, type_ == "ADDED", listed, type_ == "ERROR")


def _refusals(path: Path) -> list[Entry]:
    """The replication controllers that the API refused, by the file beside a recording; none if there is no such."""
    beside = path.with_suffix(".json")
    try:
        if path.suffix != ".ndjson" or not beside.is_file() or beside.stat().st_size > history.MAX_LINE:
            return []
        return list(_refused(msgspec.json.decode(beside.read_bytes(), type=wire.Beside)))
    except (OSError, ValueError, RecursionError):
        return []  # something else that has the same name


def _refused(told: wire.Beside) -> Iterator[Entry]:
    objects = told.manifest if isinstance(told.manifest, list) else [told.manifest]
    posted = [a for a in told.actions if a.method == "POST" and a.url.endswith("/replicationcontrollers")]
    controllers = [found for found in objects if found.kind == "ReplicationController"]
    for asked, controller in zip(posted, controllers, strict=False):
        if asked.status >= 400:
            spec = msgspec.json.decode(controller.spec, type=wire.ControllerSpec)
            policy = podrecord.policy_of(spec.template.spec.restartPolicy if spec.template else None)
            refused = msgspec.json.decode(asked.response, type=wire.Answer).message or str(asked.status)
            wanted = ControllerSpec(controller.metadata.name, spec.replicas, policy, ())  # type: ignore[arg-type]
            yield Entry(0, asked.t, history.Action(create_controller=wanted, refused=refused))


def _own(number: int, record: Record) -> Entry:
    what = record.what if isinstance(record, history.Seen) else record
    return Entry(number, record.t, what, "history", record.seq, record=record)


def observations(recording: Recording) -> Iterator[tuple[Entry, Observation]]:
    """The observations of a recording, each with its entry."""
    for entry in recording.entries:
        if isinstance(what := entry.what, Observation):
            yield entry, what
