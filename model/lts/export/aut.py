"""A graph in the Aldebaran format (``.aut``) of mCRL2 and CADP.

The first line is ``des (initial state, transitions, states)``, each other one ``(source, "label", target)``.
"""

from __future__ import annotations

import re

from model.lts.bisimulation import Graph

_FIRST = re.compile(r"des\s*\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)")
_EDGE = re.compile(r'\(\s*(\d+)\s*,\s*"([^"]*)"\s*,\s*(\d+)\s*\)')


def aut(graph: Graph) -> str:
    """The graph as text."""
    edges = [f'({source},"{label}",{target})' for source, label, target in graph.edges]
    return "\n".join([f"des (0,{len(edges)},{graph.size})", *edges]) + "\n"


def parse(text: str) -> Graph:
    """The inverse of `aut`. Raises ValueError with the line that is wrong."""
    first, *rest = text.splitlines() or [""]
    head = _FIRST.fullmatch(first.strip())
    if head is None or head[1] != "0":
        raise ValueError(f"line 1: not of the form des (0,transitions,states): {first!r}")
    edges = []
    for number, line in enumerate(rest, 2):
        found = _EDGE.fullmatch(line.strip())
        if found is None or max(int(found[1]), int(found[3])) >= int(head[3]):
            raise ValueError(f'line {number}: not a transition (source,"label",target): {line!r}')
        edges.append((int(found[1]), found[2], int(found[3])))
    if len(edges) != int(head[2]):
        raise ValueError(f"line 1 promises {head[2]} transitions, {len(edges)} follow")
    return Graph(int(head[3]), tuple(sorted(edges)))
