"""Names for other languages, and what every export says of a step."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from model.lts.network import Compiled, Move, Network


def identifiers(names: Iterable[str], taken: Collection[str]) -> dict[str, str]:
    """An identifier of letters, digits and ``_`` for each name, none of them in ``taken`` and no two the same."""
    found: dict[str, str] = {}
    used = set(taken)
    for name in names:
        word = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
        word = word if word[:1].isalpha() else f"x{word}"
        while word in used:
            word += "_"
        used.add(word)
        found[name] = word
    return found


def all_states(network: Network) -> list[str]:
    """Every name of a state, once, in the order in which the tables have them."""
    return list(dict.fromkeys(state for table in network.components.values() for state in table.states))


def rules_of(compiled: Compiled, move: Move) -> tuple[str, ...]:
    """The rules of all rows that the move may take."""
    found: dict[str, None] = {}
    events = {**move.vector.moves, **move.vector.broadcast}
    for place, targets in move.maps:
        table = compiled.network.components[compiled.names[place]]
        for number, state in enumerate(table.states):
            for row in table.rows_for(state, events[compiled.names[place]]):
                if targets[number] == table.states.index(row.target):
                    found |= dict.fromkeys(row.rules)
    return tuple(found)
