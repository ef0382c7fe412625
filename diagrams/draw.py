"""Pictures of the tables: SVG, PNG and DOT through the diagram support of `transitions`, Mermaid as plain text.

An event that leaves a state as it is stands under a line inside that state; all others are edges, one for each pair of
states. A state that nothing leads out of has a double border. Colours repeat what the names say.

With a coverage (`kubephase draw --report`) they say instead what was gone through, and how often: a row or a state that
was is drawn in solid blue, one that was not dashed and grey, a row at which a failure was found thick and red, with ✘.
"""

from __future__ import annotations

import html
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import graphviz
from transitions.extensions import HierarchicalGraphMachine
from transitions.extensions.diagrams_graphviz import NestedGraph

from model import pod
from model.lts.machine import SlashState, build
from model.lts.table import Table
from model.profiles import Profile

SUFFIXES = {"svg": "svg", "png": "png", "dot": "dot", "mermaid": "mmd"}
"""The formats and how their files end."""

WITHOUT_DOT = "pictures as SVG and PNG need Graphviz' program dot: apt-get install graphviz"

# --- what a state means, and how that looks -------------------------------------------------------------------------

MEANINGS = {
    "waiting": (
        *("Pending", "Unknown", "Absent", "Unbound", "NoRecord", "NoAddress", "NoSandbox", "NotSetUp", "NotStarted"),
        *("Starting", "Registering", "Unlisted", "Idle", "Armed", "Fresh", "Empty", "AnyString"),
        *("NoController", "Want0", "Have0"),
        *("NoInstance", "Created", "Unfinished", "NoneKept", "Open", "Unset", "NoneRun", "Nothing", "Elsewhere"),
        *("NoMirror", "NoEvent", "Waiting"),
    ),
    "running": (
        *("Running", "True", "Bound", "Recorded", "Filled", "Bare", "Listed", "On", "Cloud", "Static", "Up", "Old"),
        *("Some", "Started", "Schedulable", "Addressed", "OnHost", "Written", "Clean", "Dirty", "Right"),
        *("Want1", "Want2", "Have1", "Have2", "Have3", "ListedInUpperCase", "Met"),
        *("UpAgain", "Due", "Kept", "Exact", "Low", "Answers", "Present", "Reported", "Adopted", "PostStartRun"),
        *("Match", "Allowed", "Mounts", "Working", "Mirrored", "Once", "Repeated", "Little", "SamePort", "TooMuch"),
    ),
    "succeeded": ("Succeeded", "ExitedWell", "Finished", "Final"),
    "failed": (
        *("Failed", "False", "DiskDied", "NodeLost", "Refused", "Cut", "Elapsed", "Fired", "None", "Unschedulable"),
        *("Dead", "Off", "CloudOff", "Wrong"),
        *("Down", "ExitedBadly", "Unavailable", "Broken", "Missing", "Hidden", "Lost", "Silent", "Stopping", "Killing"),
        *("Differ", "Forbidden", "Fails"),
    ),
    "gone": (
        *("Deleted", "Removed", "Terminated", "Stopped", "Released", "Destroyed"),
        *("GonePending", "GoneRunning", "GoneSucceeded", "GoneFailed", "Gone", "Ended"),
    ),
}
"""The states of each meaning. What a container's state means is its class for the decision table."""

LOOKS = {
    "waiting": {"fillcolor": "#e8e8e8", "color": "#555555", "style": "rounded,filled,dashed"},
    "running": {"fillcolor": "#d3ecd0", "color": "#1b6e1b"},
    "succeeded": {"fillcolor": "#d2e3f7", "color": "#1a4f8f"},
    "failed": {"fillcolor": "#f8d3cf", "color": "#a11d12", "penwidth": "2.2"},
    "gone": {"fillcolor": "#4a4a4a", "color": "#222222", "fontcolor": "white"},
    "other": {"fillcolor": "white", "color": "black"},
}
"""Graphviz attributes by meaning. Borders and brightness differ as well, for those who see no colours."""

COVERED, UNCOVERED, FAILED = "covered", "uncovered", "failed"

INKS = {COVERED: "#0b4f8a", UNCOVERED: "#6b6b6b", FAILED: "#b3261e"}
"""The colour of lines and letters by what became of a row or state; the three differ in their lines, too."""

FONT = "Helvetica,Arial,sans-serif"

PAGE = {
    "rankdir": "LR", "compound": "true", "size": "10.4,14", "fontname": FONT, "fontsize": "13",
    "nodesep": "0.3", "ranksep": "0.4", "pad": "0.15",
}  # fmt: skip
"""What holds for a whole picture; ``size`` is the largest in inches: 1000 pixels wide on a screen."""

STYLES = {
    "node": {
        "default": {"shape": "box", "style": "rounded,filled", "fontname": FONT, "fontsize": "13"},
        **LOOKS,
        **{f"{meaning}, the end": {**look, "peripheries": "2"} for meaning, look in LOOKS.items()},
    },
    "edge": {
        "default": {"fontname": FONT, "fontsize": "11", "arrowsize": "0.8"},
        COVERED: {"color": INKS[COVERED], "penwidth": "1.6"},
        UNCOVERED: {"color": INKS[UNCOVERED], "style": "dashed"},
        FAILED: {"color": INKS[FAILED], "penwidth": "3"},
    },
    "graph": {
        "parallel": {"style": "rounded,dashed", "color": "#777777"},
        **{meaning: {"style": "rounded", "color": look["color"]} for meaning, look in LOOKS.items()},
    },
}
"""The style attributes of the `transitions` machine: by kind of thing and by style name."""

COVERAGE_LOOKS = {
    COVERED: {"fillcolor": "#dbe9f8", "color": INKS[COVERED], "penwidth": "1.6"},
    UNCOVERED: {
        "fillcolor": "white", "color": INKS[UNCOVERED], "fontcolor": INKS[UNCOVERED],
        "style": "rounded,filled,dashed",
    },
}  # fmt: skip
"""The looks of states in a picture of a coverage."""

COVERAGE_STYLES = {
    "node": {
        "default": STYLES["node"]["default"],
        **COVERAGE_LOOKS,
        **{f"{how}, the end": {**look, "peripheries": "2"} for how, look in COVERAGE_LOOKS.items()},
    },
    "edge": STYLES["edge"],
    "graph": {
        "parallel": STYLES["graph"]["parallel"],
        COVERED: {"style": "rounded", "color": INKS[COVERED]},
        UNCOVERED: {"style": "rounded,dashed", "color": INKS[UNCOVERED]},
    },
}
"""As `STYLES`, for a picture of a coverage."""


class Marks(Protocol):
    """How often each state and row of one table was gone through, and how often a failure was found at a row; a row is
    named as it is written, ``Running --kill--> Killed``."""

    @property
    def states(self) -> Mapping[str, int]:
        """By state."""

    @property
    def rows(self) -> Mapping[str, int]:
        """By row."""

    @property
    def failed(self) -> Mapping[str, int]:
        """By row, the failures."""


Coverage = Mapping[str, Marks]
"""The marks by table; a region of a state is a table of its own: ``node/NodeReady``."""


def meanings(profile: Profile, table: Table) -> dict[str, str]:
    """What each state of a table means, those of its regions included (as ``Running/NodeReady/True``)."""
    known = {state: meaning for meaning, states in MEANINGS.items() for state in states}
    if table in profile.containers.values():
        known = dict(profile.class_of)
    found = {state: known.get(pod.standing(state), "other") for state in table.states}
    for state, regions in table.regions.items():
        for region in regions:
            inner = meanings(profile, region)
            found |= {f"{state}/{region.name}/{name}": meaning for name, meaning in inner.items()}
    return found


# --- Graphviz -------------------------------------------------------------------------------------------------------


class _Machine(HierarchicalGraphMachine):
    """The machine class that is drawn."""

    state_cls = SlashState


class _Model:
    """What the machine drives."""


class _Picture(NestedGraph):
    """The graph of a table. What is drawn comes from the machine; only labels and looks are ours."""

    def __init__(self, machine: Any, table: Table, looks: Mapping[str, str]) -> None:
        super().__init__(machine)
        self.initial, self.regions = table.initial, table.regions
        ways_on = {row.source for row in table.rows}
        self.styles = {
            state: f"{look}, the end" if state in table.states and state not in ways_on else look
            for state, look in looks.items()
        }

    def get_graph(self, title: str | None = None, roi_state: str | None = None) -> Any:
        self.custom_styles["node"].update(self.styles)
        graph = super().get_graph(title, roi_state)
        for state in self.regions:
            graph.node(state, style="invis")
        start = self._create_edge_attr("(start)", self.initial, {"trigger": ""})
        graph.node("(start)", label="", shape="point", width="0.13")
        graph.edge(start["source"], start["dest"], lhead=start.get("lhead"))
        return graph

    def _get_elements(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        states, transitions = super()._get_elements()
        edges = _merged((one["source"], one["trigger"], one["dest"]) for one in transitions)
        moves = [
            {"source": source, "dest": target, "trigger": self._edge_label(source, events, target)}
            for (source, target), events in edges.items()
            if source != target
        ]
        staying = {source: events for (source, target), events in edges.items() if source == target}
        return [self._labelled(state, state["name"], staying) for state in states], moves

    def _edge_label(self, source: str, events: Sequence[str], target: str) -> str:  # noqa: ARG002 - a coverage needs it
        return "\n".join(events)

    def _labelled(self, state: Mapping[str, Any], path: str, staying: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """The state and its children, each with a label: the name and, under a line, the events that leave it as it
        is."""
        inner = [self._labelled(child, f"{path}/{child['name']}", staying) for child in state.get("children", ())]
        label = self._name(state["name"], path)
        if events := staying.get(path):
            row = '<tr><td align="left"><font point-size="10">{}</font></td></tr>'
            rows = "".join(row.format(self._staying(path, event)) for event in events)
            label = f'<table border="0" cellspacing="0" cellpadding="1"><tr><td>{label}</td></tr><hr/>{rows}</table>'
        return {**state, "label": f"<{label}>", **({"children": inner} if inner else {})}

    def _name(self, name: str, path: str) -> str:  # noqa: ARG002 - a coverage needs it
        return f"<b>{html.escape(name)}</b>"

    def _staying(self, path: str, event: str) -> str:  # noqa: ARG002 - a coverage needs it
        return html.escape(event)

    def _convert_state_attributes(self, state: dict[str, Any]) -> str:
        return str(state["label"])

    def _create_edge_attr(self, src: str, dst: str, transition: dict[str, str]) -> dict[str, Any]:
        attributes = super()._create_edge_attr(src, dst, transition)
        attributes["label"] = attributes.pop(attributes["label_pos"])
        attributes["label_pos"] = "label"
        if "lhead" in attributes:  # an edge to a state with regions ends at its border, on the left
            attributes["dest"] = f"{dst}/{self.regions[dst][-1].name}"
        if "ltail" in attributes:  # and one from it begins there, on the right
            last = self.regions[src][-1]
            attributes["source"] = f"{src}/{last.name}/{last.states[-1]}"
        return attributes


class _CoveragePicture(_Picture):
    """The same with counts, and looks that say what was gone through."""

    def __init__(self, machine: Any, table: Table, coverage: Coverage) -> None:
        self.visits: dict[str, int] = {}
        self.steps: dict[tuple[str, str, str], tuple[int, int]] = {}
        self._count(table, coverage, table.name, "")
        super().__init__(machine, table, {state: _covered(count) for state, count in self.visits.items()})

    def _count(self, table: Table, coverage: Coverage, name: str, before: str) -> None:
        marks = coverage.get(name)
        self.visits |= {f"{before}{state}": marks.states.get(state, 0) if marks else 0 for state in table.states}
        for row in table.rows:
            step = (f"{before}{row.source}", row.event, f"{before}{row.target}")
            self.steps[step] = (marks.rows.get(str(row), 0), marks.failed.get(str(row), 0)) if marks else (0, 0)
        for state, regions in table.regions.items():
            for region in regions:
                self._count(region, coverage, f"{name}/{region.name}", f"{before}{state}/{region.name}/")

    def _edge_label(self, source: str, events: Sequence[str], target: str) -> str:
        if events == [""]:  # where a region begins
            return ""
        fates = {self._fate(source, event, target) for event in events}
        edges: Any = self.custom_styles["edge"]
        edges[source][target] = next(fate for fate in (FAILED, COVERED, UNCOVERED) if fate in fates)
        return f"<{'<br/>'.join(self._counted(source, event, target) for event in events)}>"

    def _name(self, name: str, path: str) -> str:
        count = f'<br/><font point-size="10">{self.visits[path]:,}×</font>' if path in self.visits else ""
        return f"{super()._name(name, path)}{count}"

    def _staying(self, path: str, event: str) -> str:
        return self._counted(path, event, path)

    def _fate(self, *step: str) -> str:
        count, failures = self.steps[step]  # type: ignore[index]
        return FAILED if failures else _covered(count)

    def _counted(self, source: str, event: str, target: str) -> str:
        count, failures = self.steps[source, event, target]
        told = f"{html.escape(event)} {count:,}×" + (f" ✘{failures:,}" if failures else "")
        return f'<font color="{INKS[self._fate(source, event, target)]}">{told}</font>'


def _covered(count: int) -> str:
    return COVERED if count else UNCOVERED


def _merged(steps: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str], list[str]]:
    """The events between each pair of states, each once."""
    events: dict[tuple[str, str], dict[str, None]] = {}
    for source, event, target in steps:
        events.setdefault((source, target), {})[event] = None
    return {pair: list(found) for pair, found in events.items()}


LEGEND = (
    f'<font color="{INKS[COVERED]}">── covered, and how often</font>   '
    f'<font color="{INKS[UNCOVERED]}">╌╌ not covered (0×)</font>   '
    f'<font color="{INKS[FAILED]}"><b>━━ ✘ a failure was found at it, and how many</b></font>'
)
"""What the lines of a picture of a coverage mean, under it."""


def graph(profile: Profile, table: Table, coverage: Coverage | None = None, title: str = "") -> graphviz.Digraph:
    """The graph of a table, to be written as DOT or rendered; with a coverage, with the counts, looks and the legend of
    one, and a ``title`` above the legend."""
    machine = build(table, _Model(), machine=_Machine, graph_engine="graphviz", title="")
    if coverage is None:
        machine.machine_attributes, machine.style_attributes = PAGE, STYLES
        return _Picture(machine, table, meanings(profile, table)).get_graph()
    label = f'<<br/>{html.escape(title)}<br/><font point-size="11">{LEGEND}</font>>'
    machine.machine_attributes, machine.style_attributes = PAGE, COVERAGE_STYLES
    drawn = _CoveragePicture(machine, table, coverage).get_graph()
    drawn.graph_attr["label"] = label
    return drawn


# --- Mermaid --------------------------------------------------------------------------------------------------------
# The Mermaid text of `transitions` names nested states with a slash and hands Graphviz' attributes on, neither of which
# Mermaid can read; so this is written from the table itself.


def mermaid(profile: Profile, table: Table) -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    direction LR"]
    meaning = meanings(profile, table)
    for name, look in LOOKS.items():
        styles = [f"fill:{look['fillcolor']}", f"stroke:{look['color']}", f"color:{look.get('fontcolor', 'black')}"]
        styles += ["stroke-width:3px"] if "penwidth" in look else []
        styles += ["stroke-dasharray:4"] if "dashed" in look.get("style", "") else []
        if name in meaning.values():
            lines.append(f"    classDef {name} {','.join(styles)}")
    lines += _mermaid(table, "", "    ")
    lines += [f"    {_alias(state)} --> [*]" for state in table.states if not table.allowed(state)]
    composite = {*table.regions, *(f"{s}/{region.name}" for s, regions in table.regions.items() for region in regions)}
    lines += [f"    class {_alias(state)} {m}" for state, m in meaning.items() if state not in composite]
    return "\n".join(lines) + "\n"


def _mermaid(table: Table, prefix: str, indent: str) -> Iterator[str]:
    edges = _merged((row.source, row.event, row.target) for row in table.rows)
    for state in table.states:
        declared = f'{indent}state "{state}" as {_alias(prefix + state)}'
        yield declared + (" {" if state in table.regions else "")
        for place, region in enumerate(table.regions.get(state, ())):
            inner = f"{prefix}{state}/{region.name}"
            yield from [f"{indent}    --"] if place else []
            yield f'{indent}    state "{region.name}" as {_alias(inner)} {{'
            yield from _mermaid(region, f"{inner}/", indent + " " * 8)
            yield f"{indent}    }}"
        yield from [f"{indent}}}"] if state in table.regions else []
        yield from (f"{indent}{_alias(prefix + state)} : {event}" for event in edges.get((state, state), ()))
    yield f"{indent}[*] --> {_alias(prefix + table.initial)}"
    for (source, target), events in edges.items():
        if source != target:
            yield f"{indent}{_alias(prefix + source)} --> {_alias(prefix + target)} : {'<br>'.join(events)}"


def _alias(path: str) -> str:
    """A name without the characters that Mermaid takes for its own."""
    return re.sub(r"\W", "_", path)


# --- files ----------------------------------------------------------------------------------------------------------


def stem(table: Table) -> str:
    """What the files of a table are called: ``container-always`` for ``container/Always``."""
    return table.name.lower().replace("/", "-")


def draw(
    out: Path,
    profiles: Sequence[Profile],
    formats: Sequence[str] = tuple(SUFFIXES),
    say: Callable[[str], None] | None = None,
) -> list[Path]:
    """Write every table of the profiles as ``<out>/<profile>/<table>.<suffix>`` and return the files.

    Without Graphviz' program ``dot``, or with one that fails, SVG and PNG are left out, and ``say`` is told once how to
    get them. The same tables give the same bytes each time, SVG and PNG as far as ``dot`` and the fonts are the same.
    Raises ValueError for an unknown format.
    """
    if unknown := [name for name in formats if name not in SUFFIXES]:
        raise ValueError(f"no format {unknown[0]!r}; there are: {', '.join(SUFFIXES)}")
    drawn = ((profile, table, graph(profile, table)) for profile in profiles for table in profile.tables())
    return list(_written(out, drawn, formats, say))


def _written(
    out: Path,
    drawn: Iterable[tuple[Profile, Table, graphviz.Digraph]],
    formats: Sequence[str],
    say: Callable[[str], None] | None,
) -> Iterator[Path]:
    """Write pictures, and yield the files."""
    rendering = True
    for profile, table, picture in drawn:
        (out / profile.name).mkdir(parents=True, exist_ok=True)
        for name in formats:
            try:
                content = _content(name, profile, table, picture) if rendering or name in ("dot", "mermaid") else None
            except (graphviz.ExecutableNotFound, subprocess.CalledProcessError):
                content, rendering = None, False
                if say:
                    say(WITHOUT_DOT)
            if content is not None:
                path = out / profile.name / f"{stem(table)}.{SUFFIXES[name]}"
                path.write_bytes(content)
                yield path


def draw_coverage(
    out: Path,
    profile: Profile,
    tables: Iterable[Table],
    coverage: Coverage,
    title: str,
    say: Callable[[str], None] | None = None,
) -> list[Path]:
    """Write these tables with their coverage as ``<out>/<profile>/<table>.svg``, ``.png`` and ``.dot``, and return the
    files; ``title`` says whose coverage it is. Without ``dot`` as `draw`."""
    drawn = ((profile, t, graph(profile, t, coverage, f"{profile.name} {t.name}: {title}")) for t in tables)
    return list(_written(out, drawn, ("svg", "png", "dot"), say))


def inline(profile: Profile, table: Table, coverage: Coverage) -> str:
    """The picture of a coverage as an ``<svg>`` to stand inside a page: without ids, which a page has only once, and
    without a title and a legend, which are the page's. Without ``dot``: `graphviz.ExecutableNotFound`, or
    CalledProcessError."""
    picture = graph(profile, table, coverage)
    picture.graph_attr.update(label="", bgcolor="transparent")
    text = graphviz.pipe("dot", "svg", picture.source.encode()).decode()
    return re.sub(r' id="[^"]*"|<title>.*?</title>\n?|<!--.*?-->\n?', "", text[text.index("<svg") :], flags=re.DOTALL)


def _content(name: str, profile: Profile, table: Table, drawn: graphviz.Digraph) -> bytes:
    if name == "mermaid":
        return mermaid(profile, table).encode()
    source = drawn.source.encode()
    rendered: bytes = source if name == "dot" else graphviz.pipe("dot", name, source)
    return rendered
