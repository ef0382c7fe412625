"""Sequence diagrams: steps of somebody as Mermaid text, and the files they are written to.

The text is a pure function of the steps. Names come from recordings of others: whatever is in them, each step stays one
line, and shows as it is written.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from model.actors import Kind, Step

ARROWS: dict[Kind, str] = {"act": "->>", "again": "->>", "seen": "-->>"}
"""The kinds that are arrows; the others are notes."""

BLOCKS: dict[Kind, str] = {"again": "loop for ever, in some order", "failure": "rect rgba(255, 0, 0, 0.15)"}
"""What stands around steps of a kind that follow one another. Transparent red shows on light and dark pages."""

WIDTH = 56
"""Characters; longer texts are wrapped, as Mermaid would make the picture as wide as they are."""

APART = 28
"""Characters that fit between two participants who stand side by side."""

MAX_LINES = 12
"""Lines of one text; what follows (of a stack trace, say) is cut off."""

MAX_IDENTIFIER = 40

RESERVED = {
    "accdescr", "acctitle", "activate", "actor", "alt", "and", "as", "autonumber", "box", "break", "create", "critical",
    "deactivate", "destroy", "details", "else", "end", "left", "link", "links", "loop", "note", "off", "opt", "option",
    "over", "par", "par_over", "participant", "properties", "rect", "right", "sequencediagram", "title",
}  # fmt: skip
"""Words of Mermaid's grammar, in lower case: as identifiers they would end or open something."""

PLAIN = frozenset(" _.,/()[]=+-!?'*")
"""What Mermaid shows as it is, besides letters and digits."""

MARKS = frozenset("ﬂ°¶ß")
"""Letters that Mermaid itself puts in the place of escapes while it parses."""


def mermaid(title: str, steps: Sequence[Step], most: int | None = None) -> str:
    """The steps as a Mermaid sequence diagram, participants in the order in which they appear.

    Of more than ``most`` steps those are kept that lead to a failure (without one: the first); a note says where, and
    how many, were left out.
    """
    shown = shortened(steps, most)
    names = list(dict.fromkeys(name for step in shown for name in (step.who, step.whom) if name)) or ["nobody"]
    identifiers = _identifiers(names)
    lines = ["sequenceDiagram", f"    title {_line(title)}"]
    lines += [f"    participant {identifiers[name]} as {_line(name)}" for name in names]
    for block, group in groupby(shown, key=lambda step: BLOCKS.get(step.kind, "")):
        written = [_step(step, identifiers) for step in group]
        lines += [f"    {block}", *(f"        {w}" for w in written), "    end"] if block else [
            f"    {w}" for w in written
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def shortened(steps: Sequence[Step], most: int | None) -> list[Step]:
    """At most so many of the steps, and a note in each gap. Those nearest before a failure are kept first, then, from
    the beginning on, those with no failure after them."""
    if most is None or len(steps) <= most:
        return list(steps)
    last = len(steps)
    distance, away = [0] * last, last
    for place in range(last - 1, -1, -1):
        away = 0 if steps[place].kind == "failure" else min(away + 1, last)
        distance[place] = away
    kept = set(sorted(range(last), key=lambda place: distance[place])[:most])  # stable: the earlier one wins
    found: list[Step] = []
    for inside, places in groupby(range(last), key=kept.__contains__):
        if inside:
            found += [steps[place] for place in places]
        else:
            count = len(list(places))
            found.append(Step("", "", f"{count} {'step is' if count == 1 else 'steps are'} left out here", "note"))
    return found


def _step(step: Step, identifiers: dict[str, str]) -> str:
    everybody = list(identifiers.values())
    who, whom = (identifiers[step.who], identifiers[step.whom]) if step.who else (everybody[0], everybody[-1])
    if arrow := ARROWS.get(step.kind):
        return f"{who}{arrow}{whom}: {escaped(step.what)}"
    if who == whom:
        return f"Note over {who}: {escaped(step.what)}"
    # Mermaid widens a note over one to its text, but not one over several.
    width = min(WIDTH, APART * abs(everybody.index(whom) - everybody.index(who)))
    return f"Note over {who},{whom}: {escaped(step.what, width)}"


# --- text that Mermaid takes as it is -------------------------------------------------------------------------------


def escaped(text: str, width: int = WIDTH) -> str:
    """A text for a message or a note: wrapped, and each character that Mermaid could take for its own as a number.

    ``width`` is in characters, before escaping. What cannot be printed becomes a space or U+FFFD. An empty text becomes
    an ellipsis, as Mermaid wants one.
    """
    lines = [part for line in text.splitlines() for part in _wrapped(line, width)]
    lines = lines if len(lines) <= MAX_LINES else [*lines[: MAX_LINES - 1], "…"]
    return "<br/>".join(_escaped(line) for line in lines) or "…"


def _line(text: str) -> str:
    """The same for a title or a participant's name, in one line."""
    return _escaped(_printable(text)).strip() or "…"


def _wrapped(line: str, width: int) -> list[str]:
    return textwrap.wrap(_printable(line), width, break_on_hyphens=False)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


def _escaped(line: str) -> str:
    return "".join(c if _is_plain(c) else f"#{ord(c)};" for c in line)


def _is_plain(char: str) -> bool:
    if char.isascii():
        return char.isalnum() or char in PLAIN
    return char not in MARKS


def _identifiers(names: Iterable[str]) -> dict[str, str]:
    """An identifier for each name, that reads like it, is no word of the grammar, and no other's."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        base = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:MAX_IDENTIFIER]
        if not base or base[0].isdigit() or base.lower() in RESERVED:
            base = f"the_{base}"
        identifier = _unique(base, taken)
        found[name] = identifier
    return found


def _unique(base: str, taken: set[str]) -> str:
    """The name, numbered if it is taken already, which it then is."""
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    taken.add(name)
    return name


# --- files ----------------------------------------------------------------------------------------------------------


def write(folder: Path, diagrams: Iterable[tuple[str, str]]) -> list[Path]:
    """Write each (name, text) as ``<folder>/<name>.mmd`` and return the files, in this order.

    What does not belong into a file's name becomes a hyphen; a name that comes again is numbered. A file of an earlier
    call is replaced. Without diagrams there is no folder either. Raises OSError.
    """
    taken: set[str] = set()
    written: list[Path] = []
    for name, text in diagrams:
        base = re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-.")[:100] or "sequence"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{_unique(base, taken)}.mmd"
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written
