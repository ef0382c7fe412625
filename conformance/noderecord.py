"""The node record of the document: a Minion in v1beta1 (seed.md L187-L200), read strictly."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_KIND = re.compile(rb'"kind"\s*:\s*"(Minion|Node)"')

SNIFFED = 65536
"""Bytes at the beginning of a file that tell whether it holds a node record."""


class BadRecord(ValueError):
    """A record that is refused: where, and what was expected."""


class Capacity(msgspec.Struct, frozen=True):
    """``cpu`` in cores, ``memory`` in bytes: numbers, or strings as the API writes them back."""

    cpu: float | str = 0
    memory: float | str = 0


class Resources(msgspec.Struct, frozen=True):
    """What a node has."""

    capacity: Capacity = Capacity()


class NodeRecord(msgspec.Struct, frozen=True):
    """A node as v1beta1 keeps it. Fields that the document does not show are left out."""

    id: str
    kind: str
    apiVersion: str
    resources: Resources = Resources()
    labels: dict[str, str] = {}


def looks_like_one(path: Path) -> bool:
    """Whether a file holds a node record rather than lines of a history."""
    try:
        with path.open("rb") as file:
            head = file.read(SNIFFED)
    except OSError:
        return False
    return bool(_KIND.search(head)) and b'"stream"' not in head and b'"seq"' not in head


def parse(text: str, name: str = "record") -> NodeRecord:
    """A node record from JSON.

    Raises BadRecord for text that is no JSON (a trailing comma is told as such, with its place), a field of the wrong
    type, or an id that is no DNS-1123 subdomain of at most 253 characters.
    """
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        comma = _trailing_comma(text, error.pos)
        if comma is None:
            raise BadRecord(f"{name}:{error.lineno}:{error.colno}: no JSON: {error.msg}") from error
        line, column = text.count("\n", 0, comma) + 1, comma - text.rfind("\n", 0, comma)
        raise BadRecord(
            f"{name}:{line}:{column}: trailing comma: JSON allows none before a closing bracket; remove it"
        ) from error
    try:
        record = msgspec.json.decode(text, type=NodeRecord)
    except msgspec.ValidationError as error:
        raise BadRecord(f"{name}: {error}") from error
    if record.kind not in ("Minion", "Node") or record.apiVersion != "v1beta1":
        raise BadRecord(f"{name}: kind {record.kind!r} of {record.apiVersion!r}: expected Minion of v1beta1")
    if not _NAME.fullmatch(record.id) or len(record.id) > 253:
        raise BadRecord(f"{name}: id {record.id!r}: expected lower-case words of a-z, 0-9 and -, joined by dots")
    return record


def _trailing_comma(text: str, at: int) -> int | None:
    """The place of the comma, if that is what is wrong at ``at``: on it, or on the bracket behind it."""
    if text[at : at + 1] == "," and text[at + 1 :].lstrip()[:1] in ("}", "]"):
        return at
    before = text[:at].rstrip()
    return len(before) - 1 if before.endswith(",") and text[at : at + 1] in ("}", "]") else None
