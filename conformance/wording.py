"""Words of others in what we say: names from recordings, messages of adapters. They may hold anything."""

from __future__ import annotations

import re

MOST = 2000
"""Characters that are quoted of what somebody else wrote."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""What would change a terminal's colours, or cannot be written in XML or UTF-8."""


def printable(text: str, most: int = MOST) -> str:
    """A text that can be printed and written anywhere: what cannot is told by its code, what is too long is cut."""
    if len(text) > most:
        text = f"{text[:most]}… ({len(text):,} characters)"
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)


def message(error: BaseException) -> str:
    """What an exception says. It may be one of an adapter's, and break while it is asked."""
    try:
        return printable(str(error))
    except Exception as other:
        return f"(its message cannot be had: {type(other).__name__})"


def named(error: BaseException) -> str:
    """The kind of an exception, and what it says."""
    return f"{type(error).__name__}: {message(error)}"
