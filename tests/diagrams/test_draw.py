from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from conformance.coverage import Counted
from diagrams.draw import SUFFIXES, draw, draw_coverage, graph, inline, meanings, mermaid, stem
from model.lts.table import Row, Table
from model.profiles import PROFILES, Profile

DOCS = Path(__file__).parents[2] / "docs" / "diagrams"
TEXTS = ("dot", "mermaid")
EVERY = list(PROFILES.values())
TABLES = [
    pytest.param(profile, table, id=f"{profile.name}-{stem(table)}") for profile in EVERY for table in profile.tables()
]

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz' program dot is not installed")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("diagrams")
    draw(out, EVERY)
    return out


def files(folder: Path, *suffixes: str) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*.*"))
        if path.suffix in suffixes
    }


def paths(table: Table, before: str = "") -> list[tuple[str, Row]]:
    """Every row with what its states' names begin with."""
    found = [(before, row) for row in table.rows]
    for state, regions in table.regions.items():
        for region in regions:
            found += paths(region, f"{before}{state}/{region.name}/")
    return found


def states(table: Table) -> set[str]:
    return {*table.states, *(s for regions in table.regions.values() for region in regions for s in states(region))}


# --- the committed pictures -----------------------------------------------------------------------------------------


def test_the_committed_dot_and_mermaid_are_what_is_drawn_now(drawn: Path) -> None:
    assert files(DOCS, ".dot", ".mmd") == files(drawn, ".dot", ".mmd")


@needs_dot
def test_the_committed_svg_are_what_is_drawn_now(drawn: Path) -> None:
    committed, now = files(DOCS, ".svg"), files(drawn, ".svg")
    assert committed.keys() == now.keys()
    if version(committed) != version(now):
        pytest.skip(f"the committed SVG were written by dot {version(committed)}, here is dot {version(now)}")
    if width(committed) != width(now):
        pytest.skip("the committed SVG were written where other fonts are installed")
    assert committed == now


def version(svgs: dict[str, bytes]) -> set[str]:
    return {match[1].decode() for svg in svgs.values() for match in re.finditer(rb"graphviz version (\S+)", svg)}


def width(svgs: dict[str, bytes]) -> set[float]:
    """The width of the box around the word Waiting: it depends on the font alone, wherever the box stands."""
    boxes = [re.search(rb'<title>Waiting</title>\n<path [^>]*d="([^"]+)"', svg) for svg in svgs.values()]
    points = [[float(x) for x in re.findall(rb"([-\d.]+),", box[1])] for box in boxes if box]
    assert points
    return {round(max(xs) - min(xs), 1) for xs in points}


def test_png_are_not_committed() -> None:
    assert files(DOCS, ".png") == {}


# --- what is drawn --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("profile", "table"), TABLES)
def test_every_state_and_event_occurs_in_the_dot(profile: Profile, table: Table) -> None:
    source = graph(profile, table).source.replace('"(start)"', "")
    words = set(re.findall(r"[\w@]+", source))
    assert set(table.events) <= words
    assert states(table) <= words


@pytest.mark.parametrize(("profile", "table"), TABLES)
def test_the_dot_has_one_edge_for_each_pair_of_states_and_one_for_each_beginning(
    profile: Profile, table: Table
) -> None:
    pairs = {(before, row.source, row.target) for before, row in paths(table) if row.source != row.target}
    beginnings = 1 + sum(len(regions) for regions in table.regions.values())
    assert graph(profile, table).source.count(" -> ") == len(pairs) + beginnings


@pytest.mark.parametrize(("profile", "table"), TABLES)
def test_every_row_stands_in_the_mermaid(profile: Profile, table: Table) -> None:
    text = mermaid(profile, table)
    for name in states(table):
        assert f'state "{name}" as ' in text
    said = set()
    for line in text.splitlines():
        if edge := re.fullmatch(r" +(\S+) --> (\S+) : (\S+)", line):
            said |= {(edge[1], event, edge[2]) for event in edge[3].split("<br>")}
        elif staying := re.fullmatch(r" +(\S+) : (\S+)", line):
            said.add((staying[1], staying[2], staying[1]))

    def alias(name: str) -> str:
        return name.replace("/", "_").replace("@", "_")

    wanted = {(alias(before + row.source), row.event, alias(before + row.target)) for before, row in paths(table)}
    assert said == wanted


@pytest.mark.parametrize(("profile", "table"), TABLES)
def test_mermaid_names_hold_no_character_that_mermaid_takes_for_its_own(profile: Profile, table: Table) -> None:
    names = re.findall(r'state ".*?" as (\S+)', mermaid(profile, table))
    assert names
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"\w+", name) for name in names)


@pytest.mark.parametrize(("profile", "table"), TABLES)
def test_only_states_with_no_way_out_are_marked_as_ends(profile: Profile, table: Table) -> None:
    ends = {state for state in table.states if not table.allowed(state)}
    double = re.findall(r'^\t"?([\w@]+)"? \[label=.* peripheries=2 ', graph(profile, table).source, re.MULTILINE)
    assert set(double) == ends
    finals = re.findall(r"(\S+) --> \[\*\]", mermaid(profile, table))
    assert set(finals) == {state.replace("@", "_") for state in ends}


@pytest.mark.parametrize(("profile", "table"), TABLES)
def test_every_state_has_a_look(profile: Profile, table: Table) -> None:
    assert "other" not in meanings(profile, table).values()


def test_the_parallel_regions_of_a_node_are_divided_in_mermaid() -> None:
    seed = PROFILES["seed"]
    assert mermaid(seed, seed.node).count("\n        --\n") == 1


# --- files ----------------------------------------------------------------------------------------------------------


@needs_dot
def test_every_table_is_written_in_every_format(tmp_path: Path) -> None:
    written = draw(tmp_path, EVERY[:1])
    assert len(written) == len(set(written)) == len(EVERY[0].tables()) * len(SUFFIXES)
    assert all(path.stat().st_size for path in written)
    assert tmp_path / "seed" / "container-always.svg" in written


@needs_dot
def test_drawing_again_gives_the_same_bytes(tmp_path: Path, drawn: Path) -> None:
    draw(tmp_path, EVERY)
    assert files(tmp_path, ".svg", ".png", ".dot", ".mmd") == files(drawn, ".svg", ".png", ".dot", ".mmd")


@needs_dot
def test_pngs_are_pngs_of_one_page(drawn: Path) -> None:
    pngs = files(drawn, ".png")
    assert len(pngs) == len(TABLES)
    for name, content in pngs.items():
        assert content.startswith(b"\x89PNG\r\n\x1a\n"), name
        width, _ = struct.unpack(">II", content[16:24])
        assert 200 < width <= 1100, name


@needs_dot
def test_graphviz_reads_the_dot_without_a_warning(drawn: Path) -> None:
    for path in drawn.rglob("*.dot"):
        run = subprocess.run(["dot", "-Tcanon", str(path)], capture_output=True, text=True, check=True)
        assert run.stderr == "", path


def test_without_dot_the_texts_are_written_and_one_line_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, out = tmp_path / "bin", tmp_path / "out"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))
    said: list[str] = []
    written = draw(out, EVERY, say=said.append)
    assert len(said) == 1
    assert "apt-get install graphviz" in said[0]
    assert "\n" not in said[0]
    assert len(written) == len(TABLES) * len(TEXTS)
    assert {path.suffix for path in out.rglob("*") if path.is_file()} == {".dot", ".mmd"}


def test_without_dot_nothing_is_said_if_only_texts_are_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    assert draw(tmp_path, EVERY, formats=TEXTS, say=said.append)
    assert said == []


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no format 'gif'; there are: svg, png, dot, mermaid"):
        draw(tmp_path, EVERY, formats=("gif",))
    assert not list(tmp_path.iterdir())


def test_a_dot_that_fails_is_like_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DOT and Mermaid are still written, and one line says how to get the rest."""
    broken = tmp_path / "dot"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    written = draw(tmp_path / "out", list(PROFILES.values())[:1], say=said.append)
    assert len(said) == 1
    assert {path.suffix for path in written} == {".dot", ".mmd"}


# --- what a run went through ----------------------------------------------------------------------------------------

SEED = PROFILES["seed"]
COVERED = {
    "container/Never": Counted(
        {"Waiting": 2, "Running": 2, "Completed": 1},
        {"Waiting --start--> Running": 2, "Running --exit_zero--> Completed": 1},
        {},
        {"Running --exit_failure--> Error": 3},
    ),
    "pod/Never": Counted({"Pending": 3}, {"Pending --bind--> Pending": 2}),
    "node/NodeReady": Counted({"Unknown": 7}, {"Unknown --ready--> True": 5}),
}


def drawn_line(table: Table, *names: str) -> str:
    """The line of the DOT text for one state, or for the edge between two."""
    source: str = graph(SEED, table, COVERED).source
    [line] = [line for line in source.splitlines() if line.startswith(f"\t{' -> '.join(names)} [")]
    return line


def test_a_coverage_is_drawn_with_counts_and_with_lines_that_differ() -> None:
    """Never by colour alone: solid, dashed, thick; and each says how often."""
    table = SEED.containers["Never"]
    covered, failed = drawn_line(table, "Waiting", "Running"), drawn_line(table, "Running", "Error")
    uncovered = drawn_line(table, "Running", "Killed")
    assert "start 2×" in covered
    assert "dashed" not in covered
    assert "kill 0×" in uncovered
    assert "style=dashed" in uncovered
    assert "exit_failure 0× ✘3" in failed
    assert "penwidth=3" in failed
    assert "2×" in drawn_line(table, "Running")
    assert "dashed" not in drawn_line(table, "Running")
    assert "dashed" in drawn_line(table, "Killed")
    assert len({line.partition(' color="')[2][:7] for line in (covered, uncovered, failed)}) == 3


def test_an_event_that_leaves_a_state_as_it_is_has_its_count_inside() -> None:
    pending = drawn_line(SEED.phases["Never"], "Pending")
    assert "bind 2×" in pending
    assert "start 0×" in pending


def test_a_region_has_the_counts_of_its_own_table() -> None:
    source = graph(SEED, SEED.node, COVERED).source
    assert "ready 5×" in source
    assert "reachable 0×" in source
    assert "check_in 0×" in source
    assert source.count("7×") == 1


def test_without_a_coverage_nothing_is_counted() -> None:
    assert all("×" not in graph(SEED, table).source for table in SEED.tables())


@needs_dot
def test_the_pictures_of_a_coverage_say_whose_it_is_and_what_the_lines_mean(tmp_path: Path) -> None:
    written = draw_coverage(tmp_path, SEED, [SEED.containers["Never"], SEED.node], COVERED, "mine <1>")
    assert {path.name for path in written} == {
        f"{name}.{suffix}" for name in ("container-never", "node") for suffix in ("svg", "png", "dot")
    }
    text = (tmp_path / "seed" / "container-never.svg").read_text(encoding="utf-8")
    for words in ("mine &lt;1&gt;", "covered, and how often", "not covered (0×)", "a failure was found at it"):
        assert words in text


@needs_dot
@pytest.mark.parametrize("table", SEED.tables()[:9], ids=stem)
def test_a_picture_for_a_page_brings_no_ids_and_nothing_from_elsewhere(table: Table) -> None:
    text = inline(SEED, table, COVERED)
    assert text.startswith("<svg")
    assert text.rstrip().endswith("</svg>")
    assert ' id="' not in text
    assert "<title" not in text
    assert text.count("http") == len(re.findall(r'xmlns(:xlink)?="http://www.w3.org/', text))
