"""Refinement: every step of a mechanism is a step of an abstract table, through a function from states to states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model.lts.explore import Exploration
from model.lts.network import Ints
from model.lts.table import Table


@dataclass(frozen=True)
class Refinement:
    """The outcome. ``path`` is a shortest counterexample as vector names, and ``step`` the abstract step that its last
    one amounts to and that the table lacks. ``unused`` are the rows of the table that no step takes."""

    holds: bool
    path: tuple[str, ...] | None
    step: str | None
    unused: tuple[str, ...]


def refines(found: Exploration, image: Ints, abstract: Table) -> Refinement:
    """Whether the explored mechanism refines ``abstract``.

    ``image`` gives, for each explored state, the number of the abstract state that it maps to (shape (n,)). The initial
    state must map to the initial one, and each transition to a row with the same source, label and target.
    """
    if abstract.states[image[0]] != abstract.initial:
        return Refinement(False, (), f"begins in {abstract.states[image[0]]}", ())
    labels, label_of_move = np.unique(found.labels, return_inverse=True)
    size, events = len(abstract.states), len(labels)
    allowed = np.zeros((size, events, size), dtype=np.bool_)
    for row in abstract.rows:
        for number in np.flatnonzero(labels == row.event):
            allowed[abstract.states.index(row.source), number, abstract.states.index(row.target)] = True
    before, event, after = image[found.source], label_of_move[found.move], image[found.target]
    bad = np.flatnonzero(~allowed[before, event, after])
    taken = np.zeros_like(allowed)
    taken[before, event, after] = True
    numbers = {str(label): number for number, label in enumerate(labels)}
    unused = tuple(
        str(row)
        for row in abstract.rows
        if row.event not in numbers
        or not taken[abstract.states.index(row.source), numbers[row.event], abstract.states.index(row.target)]
    )
    if not len(bad):
        return Refinement(True, None, None, unused)
    first = int(bad[0])
    path = (*found.path(int(found.source[first])), found.compiled.moves[found.move[first]].vector.name)
    step = f"{abstract.states[before[first]]} --{labels[event[first]]}--> {abstract.states[after[first]]}"
    return Refinement(False, path, step, unused)
