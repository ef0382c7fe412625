"""The rules: one entry per normative sentence, loaded from ``model/rules/*.toml`` and validated at import.

A rule has an id that names its topic, the sentence in our words, a level, the profiles in which it holds, and where it
stands in its source. Tables, properties and scenarios refer to rules by id; nothing else in the project states one.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable
from importlib import resources
from typing import Literal

import msgspec

Level = Literal["MUST", "SHOULD", "MAY"]
ProfileName = Literal["seed", "v0.17.0"]
PROFILES: tuple[ProfileName, ...] = ("seed", "v0.17.0")

_ID = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)+")


class UnknownRule(LookupError):
    """A rule id that no rule has; the message names the nearest ones."""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a rule stands: the document, a line of it (1-based) or the name of its own rule there, and a few words of
    the original."""

    document: str
    quote: str
    line: int | None = None
    anchor: str | None = None

    def __str__(self) -> str:
        place = f" L{self.line}" if self.line else f" {self.anchor}" if self.anchor else ""
        return f"{self.document}{place}"


class Divergence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where document and code disagree. ``rows`` are the numbers in table N of v0.17.0.md."""

    rows: tuple[int, ...]
    text: str


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One normative sentence. ``reading`` says how a sentence that contradicts another, or itself, is read, and why.
    ``describes`` says of a sentence that demands nothing why nothing observable could break it: such a rule counts
    neither as checked nor as unchecked."""

    id: str
    statement: str
    level: Level
    profiles: tuple[ProfileName, ...]
    sources: tuple[Source, ...]
    divergence: Divergence | None = None
    reading: str | None = None
    describes: str | None = None

    @property
    def group(self) -> str:
        """The topic: the first two parts of the id."""
        return ".".join(self.id.split(".")[:2])

    def __str__(self) -> str:
        return f"{self.id}: {self.statement}"


class _RuleFile(msgspec.Struct, forbid_unknown_fields=True):
    rule: list[Rule]


def load(texts: Iterable[tuple[str, str]]) -> dict[str, Rule]:
    """Rules from ``(file name, TOML text)`` pairs, by id. Raises ValueError that names the file and what is wrong."""
    rules: dict[str, Rule] = {}
    for name, text in texts:
        try:
            entries = msgspec.toml.decode(text, type=_RuleFile).rule
        except msgspec.DecodeError as error:
            raise ValueError(f"{name}: {error}") from error
        for rule in entries:
            if not _ID.fullmatch(rule.id):
                raise ValueError(f"{name}: {rule.id!r} is no rule id: expected words of a-z, 0-9 and -, joined by dots")
            if rule.id in rules:
                raise ValueError(f"{name}: rule {rule.id} stands there twice")
            if not rule.profiles or not rule.sources:
                raise ValueError(f"{name}: rule {rule.id} needs at least one profile and one source")
            if rule.describes is not None and not rule.describes.strip():
                raise ValueError(f"{name}: rule {rule.id} describes without a reason: say why nothing can break it")
            rules[rule.id] = rule
    return rules


@functools.cache
def all_rules() -> dict[str, Rule]:
    """Every rule by id, in the order of the files."""
    folder = resources.files("model") / "rules"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda entry: entry.name)
    return load((entry.name, entry.read_text(encoding="utf-8")) for entry in files)


def rule(rule_id: str) -> Rule:
    """The rule with this id. Raises UnknownRule with the nearest ids."""
    try:
        return all_rules()[rule_id]
    except KeyError:
        raise UnknownRule(f"no rule {rule_id!r}{nearest(rule_id, all_rules())}") from None


def select(prefix: str, profile: str | None = None) -> list[Rule]:
    """The rules whose id is ``prefix`` or lies under it, of one profile or of all.

    Raises UnknownRule if no rule of any profile lies there; the message names the nearest ids.
    """
    found = [r for r in all_rules().values() if is_under(r.id, prefix)]
    if not found:
        raise UnknownRule(f"no rule id begins with {prefix!r}{nearest(prefix, _prefixes())}")
    return [r for r in found if profile is None or profile in r.profiles]


def is_under(rule_id: str, prefix: str) -> bool:
    """Whether ``rule_id`` is ``prefix`` or lies under it, as ``pod.restart.counted`` does under ``pod.restart``."""
    wanted = prefix.rstrip(".")
    return not wanted or rule_id == wanted or rule_id.startswith(wanted + ".")


def nearest(word: str, words: Iterable[str]) -> str:
    """`` (nearest: a, b)`` for an error message, or nothing."""
    close = difflib.get_close_matches(word, sorted(words), n=3, cutoff=0.5)
    return f" (nearest: {', '.join(close)})" if close else ""


def _prefixes() -> set[str]:
    return {".".join(i.split(".")[:n]) for i in all_rules() for n in range(1, i.count(".") + 2)}
