"""Node records in files: the document's own, a ``Minion`` of v1beta1 (seed.md L187-L200), or a ``Node`` of v1beta3.

They are read strictly, as the API server reads them, converted and checked by the tables of `model.noderecord`.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from model import noderecord, scheduler
from model.noderecord import Record, Refusal, Version

_KIND = re.compile(rb'"kind"\s*:\s*"(Minion|Node)"')

MAX = 8 * 1024 * 1024
"""Characters (or bytes, before they are that); a longer record is not read."""

VERSIONS: tuple[Version, ...] = ("v1beta1", "v1beta3")


class BadRecord(ValueError):
    """A record that is refused: where, what was expected, and the rules that say so; the first one is told."""

    def __init__(self, message: str, rules: tuple[str, ...] = ()) -> None:
        super().__init__(f"{message} [{rules[0]}]" if rules else message)
        self.rules = rules


# --- the wire -------------------------------------------------------------------------------------------------------


class _Condition(msgspec.Struct, frozen=True):
    status: str
    kind: str = ""
    type: str = ""
    lastProbeTime: str | None = None
    lastHeartbeatTime: str | None = None
    lastTransitionTime: str | None = None
    reason: str = ""
    message: str = ""


class _Address(msgspec.Struct, frozen=True):
    type: str
    address: str


class _Status(msgspec.Struct, frozen=True):
    capacity: dict[str, float | str] = {}
    phase: str = ""
    conditions: list[_Condition] | None = None
    addresses: list[_Address] | None = None
    nodeInfo: dict[str, str] = {}


class _Resources(msgspec.Struct, frozen=True):
    capacity: dict[str, float | str] = {}


class _Minion(msgspec.Struct, frozen=True):
    id: str
    namespace: str = ""
    hostIP: str = ""
    podCIDR: str = ""
    externalID: str = ""
    unschedulable: bool = False
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    resources: _Resources = _Resources()
    status: _Status = _Status()


class _Meta(msgspec.Struct, frozen=True):
    name: str
    namespace: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Spec(msgspec.Struct, frozen=True):
    podCIDR: str = ""
    externalID: str = ""
    unschedulable: bool = False


class _Node(msgspec.Struct, frozen=True):
    metadata: _Meta
    spec: _Spec = _Spec()
    status: _Status = _Status()


SHAPES: dict[Version, type[msgspec.Struct]] = {"v1beta1": _Minion, "v1beta3": _Node}
"""The types of the fields that are read; others are passed over."""


# --- reading --------------------------------------------------------------------------------------------------------


def looks_like_one(head: bytes) -> bool:
    """Whether a file that begins like this holds one node record rather than a history: not several objects, nor one
    that holds others. What is no JSON may be a record with a mistake in it."""
    if not _KIND.search(head) or any(word in head for word in (b'"stream"', b'"seq"', b'"object"', b'"items"')):
        return False
    try:
        _, end = json.JSONDecoder().raw_decode(text := head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n"))
    except (ValueError, RecursionError):
        return True
    return not text[end:].lstrip().startswith("{")


def parse(text: str, name: str = "record") -> Record:
    """The record that a cluster of v0.17.0 stores for this text when it is told to create it.

    Raises BadRecord for text that is no JSON (a trailing comma is told as such, with its place), a field of the wrong
    type, and whatever a row of `model.noderecord.CHECKS` refuses on creation.
    """
    written = _decoded(text, name)
    version = _version(written, name)
    try:
        msgspec.convert(written, SHAPES[version])
    except msgspec.ValidationError as error:
        rules = ("node.record.id-validates",) if "`id`" in str(error) else ()
        raise BadRecord(f"{name}: {error}", rules) from error
    try:
        record, refused = noderecord.store("create", noderecord.read(version, written))
    except ValueError as error:
        raise BadRecord(f"{name}: {error}") from error
    if refused:
        raise BadRecord(f"{name}: {told(refused[0], record, version)}", refused[0].rules)
    return record


def told(refusal: Refusal, record: Record, version: Version) -> str:
    """A refusal in words, with the field as the version of the record names it."""
    field = next(f for f in noderecord.FIELDS if f.name == refusal.field)
    return f"{getattr(field, version)} {record.get(field.name, '')!r}: expected {refusal.expected}"


def shown(record: Record) -> dict[str, Any]:
    """A record for programs: as each version of the API writes it, and what others make of it."""
    keeps = scheduler.no_candidate(record)
    return {
        "name": record["name"],
        **{version: noderecord.write(version, record) for version in VERSIONS},
        "host_ip": noderecord.host_ip(record),
        "missing_services": noderecord.missing_services(record),
        "no_candidate_unless": keeps.name if keeps else None,
    }


def _decoded(text: str, name: str) -> dict[str, Any]:
    if len(text) > MAX:
        raise BadRecord(f"{name}: longer than {MAX // 2**20} MiB: expected one node record")
    try:
        written = msgspec.json.decode(text)
    except RecursionError as error:
        raise BadRecord(f"{name}: nested too deeply: expected one node record") from error
    except ValueError as error:
        raise _no_json(text, name, error) from error
    if not isinstance(written, dict):
        raise BadRecord(f"{name}: expected a JSON object")
    return written


def _no_json(text: str, name: str, error: ValueError) -> BadRecord:
    """What is wrong with it, and where, as Python's own reader tells it; that one lets some things pass (NaN, say)."""
    try:
        json.loads(text)
    except json.JSONDecodeError as told:
        comma = _trailing_comma(text, told.pos)
        if comma is None:
            return BadRecord(f"{name}:{told.lineno}:{told.colno}: no JSON: {told.msg}")
        line, column = text.count("\n", 0, comma) + 1, comma - text.rfind("\n", 0, comma)
        return BadRecord(
            f"{name}:{line}:{column}: trailing comma: JSON allows none before a closing bracket; remove it",
            ("node.record.trailing-commas", "node.record.trailing-commas.kubectl"),
        )
    except (ValueError, RecursionError):
        pass
    return BadRecord(f"{name}: no JSON: {error}")


def _version(written: dict[str, Any], name: str) -> Version:
    kinds = [(known, kind.version) for kind in noderecord.KINDS for known in kind.names]
    kind, version = written.get("kind"), written.get("apiVersion")
    found = next((one for one in VERSIONS if one == version), None)
    if found is None or (kind, version) not in kinds:
        expected = " or ".join(f"{kind.names[0]} of {kind.version}" for kind in noderecord.KINDS)
        raise BadRecord(f"{name}: kind {kind!r} of {version!r}: expected {expected}", ("node.record.kind-names",))
    return found


def _trailing_comma(text: str, at: int) -> int | None:
    """The place of the comma, if that is what is wrong at ``at``: on it, or on the bracket behind it."""
    if text[at : at + 1] == "," and text[at + 1 :].lstrip()[:1] in ("}", "]"):
        return at
    before = text[:at].rstrip()
    return len(before) - 1 if before.endswith(",") and text[at : at + 1] in ("}", "]") else None
