"""Listings: the tables that are no state machines, such as the fields of a record or the length of a timer.

A listing is read by the functions that stand beside it. Its rows are frozen dataclasses: the first field names the row,
the field ``rules`` holds the rules that it encodes, the others are shown as columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol


class Entry(Protocol):
    """One row of a listing."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that the row encodes."""


@dataclass(frozen=True)
class Listing:
    """A table with a name, a line on what it says, and its rows."""

    name: str
    about: str
    rows: tuple[Entry, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """What is shown of each row: all but its rules and its functions."""
        return tuple(f.name for f in fields(self.rows[0]) if f.name != "rules" and not callable(_value(self, f.name)))

    def cells(self) -> Iterator[tuple[str, ...]]:
        """The rows as words."""
        return (tuple(in_words(getattr(row, column)) for column in self.columns) for row in self.rows)


def _value(listing: Listing, column: str) -> Any:
    return getattr(listing.rows[0], column)


def name_of(row: Entry) -> str:
    """What a row is called: its first field."""
    return in_words(getattr(row, fields(row)[0].name))


def in_words(value: Any) -> str:
    """A cell as it is shown."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(in_words, value))
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
