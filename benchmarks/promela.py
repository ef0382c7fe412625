"""A compiled network in Promela, one option of one loop for each move: what SPIN counts must be what we count.

`kubephase export promela` is written to be read; this asks as little as can be, so that SPIN is not made slower than it
is (by about half as much again, on two pods of two containers and two nodes).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from model.lts.network import Compiled, Ints, Move


def promela(compiled: Compiled) -> str:
    """The network as a Promela model of one process; a state of SPIN is a state of the network."""
    names = [f"x{number}" for number in range(len(compiled.names))]
    declared = "\n".join(
        f"byte {name} = {int(number)}; /* {component} */"
        for name, number, component in zip(names, compiled.initial, compiled.names, strict=True)
    )
    options = "\n".join(f"    {_option(compiled, move, names)}" for move in compiled.moves)
    return f"{declared}\n\nactive proctype network() {{\nend: do\n{options}\n    od\n}}\n"


def _option(compiled: Compiled, move: Move, names: list[str]) -> str:
    guards, assignments = [], []
    for component, targets in move.maps:
        guards.append(_among(names[component], np.flatnonzero(targets >= 0), compiled.sizes[component]))
        assignments.append(f"{names[component]} = {_target(names[component], targets)}")
    for every, components, inside in move.conditions:
        tests = [
            _among(names[c], np.flatnonzero(inside[: compiled.sizes[c], at]), compiled.sizes[c])
            for at, c in enumerate(components)
        ]
        guards.append("(" + (" && " if every else " || ").join(tests) + ")")
    return f":: d_step {{ {' && '.join(guards)} -> {'; '.join(assignments)} }} /* {move.vector.name} */"


def _among(name: str, states: Iterable[int], size: int) -> str:
    """That a variable is one of these states; the shorter of what it may be and what it may not."""
    allowed = set(map(int, states))
    denied = set(range(size)) - allowed
    if len(denied) < len(allowed):
        return "(" + (" && ".join(f"{name} != {state}" for state in sorted(denied)) or "true") + ")"
    return "(" + " || ".join(f"{name} == {state}" for state in sorted(allowed)) + ")"


def _target(name: str, targets: Ints) -> str:
    """The new state as an expression of the old one, with as few questions as can be."""
    moved = {source: int(target) for source, target in enumerate(targets) if target >= 0}
    values, counts = np.unique(list(moved.values()), return_counts=True)
    staying = [source for source, target in moved.items() if source == target]
    if len(staying) > counts.max():
        text, asked = name, [source for source in moved if source not in staying]
    else:
        commonest = int(values[np.argmax(counts)])
        text, asked = str(commonest), [source for source, target in moved.items() if target != commonest]
    for source in asked:
        text = f"({name} == {source} -> {moved[source]} : {text})"
    return text
