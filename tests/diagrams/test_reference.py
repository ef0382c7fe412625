from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from conformance.references import describing, references, unchecked
from diagrams.draw import draw, stem
from diagrams.reference import _plain, write_reference
from model import events, registry
from model.listings import LISTINGS
from model.profiles import PROFILES
from model.situations import situations

DOCS = Path(__file__).parents[2] / "docs"
RULES = registry.all_rules()


@dataclass
class Ref:
    kind: str
    place: str
    name: str


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    draw(folder / "diagrams", list(PROFILES.values()), formats=("dot",))
    write_reference(folder, references())
    return folder


def texts(folder: Path) -> dict[str, str]:
    paths = [*(folder / "reference").rglob("*.*"), *folder.glob("*.txt")]
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in sorted(paths)}


def entries(folder: Path) -> dict[str, str]:
    """What stands below the heading of each rule."""
    found = {}
    for rule_id in RULES:
        page = (folder / "reference" / f"{rule_id.partition('.')[0]}.md").read_text(encoding="utf-8")
        below = page.split(f'### <a id="{rule_id}"></a>{rule_id}\n')
        assert len(below) == 2, f"{rule_id} has {len(below) - 1} headings"
        found[rule_id] = re.split(r"^##", below[1], maxsplit=1, flags=re.MULTILINE)[0]
    return found


def entry(folder: Path, rule_id: str, *refs: Ref) -> str:
    write_reference(folder, {rule_id: refs} if refs else {})
    return entries(folder)[rule_id]


# --- the committed reference ----------------------------------------------------------------------------------------


def test_the_committed_reference_is_what_is_written_now(out: Path) -> None:
    committed, now = texts(DOCS), texts(out)
    assert committed.keys() == now.keys()
    for name in now:
        assert committed[name] == now[name], f"docs/{name} is stale"


def test_unchecked_names_the_rules_that_nothing_refers_to(out: Path) -> None:
    first, *ids = (out / "unchecked.txt").read_text().splitlines()
    assert first.startswith("# ")
    assert first.endswith("kubephase draw --out docs --reference")
    assert ids == sorted(rule.id for rule in unchecked())


# --- rules ----------------------------------------------------------------------------------------------------------


def test_every_rule_stands_there_with_its_sources(out: Path) -> None:
    found = entries(out)
    for rule in RULES.values():
        text = found[rule.id]
        assert f"**{rule.level}** · {', '.join(rule.profiles)}\n" in text
        assert rule.statement in text
        for source in rule.sources:
            assert f"{source}: “{source.quote}”" in text
        if rule.reading:
            assert f"Reading: {rule.reading}" in text
        if rule.describes:
            assert f"Only describes: {rule.describes}" in text
        if rule.divergence:
            assert rule.divergence.text in text
            assert all(re.search(rf"\(table N, rows? .*\b{row}\b.*\): ", text) for row in rule.divergence.rows)


def test_every_reference_is_named(out: Path) -> None:
    found = entries(out)
    for rule_id, refs in references().items():
        assert "Nothing refers to it yet" not in found[rule_id]
        assert "Only describes" not in found[rule_id]
        for ref in refs:
            name = ref.name.partition("[")[0] if ref.kind == "scenario" else ref.name
            assert name in found[rule_id], (rule_id, ref)
            if ref.kind == "row":
                assert f"(tables.md#{ref.place.replace(': ', '-').replace('/', '-').lower()})" in found[rule_id]


def test_a_rule_without_a_reference_says_so(out: Path) -> None:
    said = {rule_id for rule_id, text in entries(out).items() if "*Nothing refers to it yet.*" in text}
    assert said == {rule.id for rule in unchecked()}


def test_a_reference_to_a_rule_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(registry.UnknownRule, match=r"pod\.phase\.runing.*pod\.phase\.running"):
        write_reference(tmp_path, {"pod.phase.runing": (Ref("judge", "every history", "nothing"),)})
    assert not list(tmp_path.iterdir())


def test_what_differs_in_its_policy_only_is_one_line(tmp_path: Path) -> None:
    text = entry(
        tmp_path,
        "pod.phase.running",
        Ref("row", "seed: pod/Always", "Pending --start--> Running"),
        Ref("row", "seed: pod/Never", "Pending --start--> Running"),
        Ref("row", "seed: node", "Pending --check_in--> Running"),
        Ref("property", "seed Always: always", "some invariant"),
        Ref("property", "seed OnFailure: always", "some invariant"),
        Ref("property", "seed Never: always", "some invariant"),
        Ref("property", "v0.17.0 Never: always", "some invariant"),
        Ref("scenario", "pod_life", "pod_life/a_pod_lives[Always]"),
        Ref("scenario", "pod_life", "pod_life/a_pod_lives[OnFailure]"),
        Ref("scenario", "pod_life", "pod_life/a_pod_lives[Never]"),
        Ref("scenario", "pod_life", "pod_life/a_pod_dies[Never]"),
        Ref("judge", "every history", "it is so"),
    )
    assert (
        text.partition("Encoded by:")[2]
        == """

- seed pod [Always](tables.md#seed-pod-always), [Never](tables.md#seed-pod-never): `Pending --start--> Running`
- seed [node](tables.md#seed-node): `Pending --check_in--> Running`

Checked by:

- property, *always*: some invariant (seed, v0.17.0 Never)
- scenario `pod_life/a_pod_lives`
- scenario `pod_life/a_pod_dies` under Never
- every history: it is so

"""
    )


def test_a_decision_is_linked_to_its_table(tmp_path: Path) -> None:
    text = entry(tmp_path, "pod.phase.failed", Ref("decision", "seed", "all ended, some badly"))
    assert "Encoded by: decision table of [seed](tables.md#seed-decisions): “all ended, some badly”\n" in text


# --- pages ----------------------------------------------------------------------------------------------------------


def test_every_link_leads_somewhere(out: Path) -> None:
    pages = {name: text for name, text in texts(out).items() if name.endswith(".md")}
    anchors = {(out / name).resolve(): set(re.findall(r'<a id="([^"]+)"', text)) for name, text in pages.items()}
    links = 0
    for name, text in pages.items():
        for link in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[[^]]+\]: (\S+)$", text, re.MULTILINE):
            links += 1
            target, _, anchor = link.partition("#")
            path = ((out / name).parent / target).resolve() if target else (out / name).resolve()
            if path.suffix == ".svg":  # drawn here as DOT only, which needs no other program
                path = path.with_suffix(".dot")
            assert path.exists(), f"{name}: {link}"
            assert not anchor or anchor in anchors[path], f"{name}: {link}"
    assert links > 300


def test_every_anchor_is_there_once(out: Path) -> None:
    for name, text in texts(out).items():
        ids = re.findall(r'<a id="([^"]+)"', text)
        assert len(ids) == len(set(ids)), name


def test_every_rule_in_a_table_is_a_link(out: Path) -> None:
    text = texts(out)["reference/tables.md"]
    used = {one for line in text.splitlines() if line.startswith("|") for one in re.findall(r"\[([^]]+)\]", line)}
    assert used == set(re.findall(r"^\[([^]]+)\]: ", text, re.MULTILINE))
    assert used <= RULES.keys()


def test_every_row_stands_below_the_picture_of_its_table(out: Path) -> None:
    sections = texts(out)["reference/tables.md"].split("### ")
    for profile in PROFILES.values():
        for table in profile.tables():
            picture = f"](../diagrams/{profile.name}/{stem(table)}.svg)"
            [section] = [text for text in sections if picture in text]
            assert section.startswith(f'<a id="{profile.name}-{stem(table)}"></a>{profile.name}: {table.name}\n')
            cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if "|" in line]
            assert len(cells) == len(table.all_rows()) + 2
            for row, line in zip(table.all_rows(), cells[2:], strict=True):
                assert [line[0].split("/")[-1], line[1], line[2].split("/")[-1]] == [row.source, row.event, row.target]
                assert re.findall(r"\[([^]]+)\]", line[3]) == list(row.rules)
                assert (line[4] if len(line) > 4 else "") == ", ".join(row.records)


def test_every_entry_of_a_listing_stands_below_its_heading(out: Path) -> None:
    sections = texts(out)["reference/listings.md"].split("\n## ")
    for listing in LISTINGS:
        [section] = [text for text in sections if f"</a>{listing.name}\n" in text]
        lines = [line for line in section.splitlines() if line.startswith("| ")]
        assert len(lines) == len(listing.rows) + 1
        for line, row, cells in zip(lines[1:], listing.rows, listing.cells(), strict=True):
            assert [cell.strip() for cell in line.split("|")[1:-2]] == list(cells)
            assert re.findall(r"\[([^]]+)\]", line.split("|")[-2]) == list(row.rules)


def test_every_property_of_a_situation_stands_below_its_heading(out: Path) -> None:
    sections = texts(out)["reference/situations.md"].split("\n## ")
    for profile in PROFILES.values():
        for one in situations(profile):
            [section] = [text for text in sections if f"</a>{profile.name}: {one.name}\n" in text]
            for prop in one.properties:
                [line] = [line for line in section.splitlines() if re.search(rf"\| {prop.name} +\|", line)]
                assert f"*{prop.kind}*" in line
                assert re.findall(r"\[([^]]+)\]", line) == list(prop.rules)
            for vector in one.network.vectors:
                assert (f"| `{vector.name}` " in section) == (len(vector.moves) + len(vector.broadcast) > 1)


def test_the_decisions_and_the_classes_of_each_profile_are_there(out: Path) -> None:
    text = texts(out)["reference/tables.md"]
    for profile in PROFILES.values():
        section = text.split(f'<a id="{profile.name}-decisions"></a>')[1].split("\n## ")[0]
        for decision in profile.decisions():
            [line] = [line for line in section.splitlines() if line.startswith(f"| {decision.name} ")]
            assert re.findall(r"\[([^]]+)\]", line) == list(decision.rules)
            assert [cell.strip() for cell in line.split("|")[4:7]] == list(decision.phases)
        for state, its in profile.class_of.items():
            assert re.search(rf"^\| {its} .*\b{state}\b", section, re.MULTILINE)


def test_the_events_of_v0_17_0_are_there(out: Path) -> None:
    section = texts(out)["reference/tables.md"].split('<a id="v0.17.0-events"></a>')[1]
    for kind in events.KINDS:
        [line] = [line for line in section.splitlines() if line.startswith(f"| {kind.reason} ")]
        assert [cell.strip() for cell in line.split("|")[2:5]] == [kind.component, kind.about, kind.when]
        assert re.findall(r"\[([^]]+)\]", line) == list(kind.rules)


def test_the_index_counts_every_rule_once(out: Path) -> None:
    lines = [line for line in texts(out)["reference/README.md"].splitlines() if line.startswith("| ")]
    numbers = [[int(cell) for cell in re.findall(r"\| +(\d+) (?=\|)", line)] for line in lines[1:]]
    *groups, total = numbers
    assert [sum(column) for column in zip(*groups, strict=True)] == total
    by_profile = [sum(name in rule.profiles for rule in RULES.values()) for name in registry.PROFILES]
    describe = len(describing())
    checked = len(RULES) - len(unchecked()) - describe
    assert total == [len(RULES), *by_profile, checked, len(unchecked()), describe]
    assert checked == len(references())


def test_no_line_is_too_long_to_read(out: Path) -> None:
    for name, text in texts(out).items():
        assert max(map(len, text.splitlines())) < 1000, name


def test_no_page_holds_html_but_anchors(out: Path) -> None:
    for name, text in texts(out).items():
        bare = re.sub(r"`[^`]*`", "", text)
        assert set(re.findall(r"<(?=[A-Za-z/!])[^>]*>?", bare)) <= {"</a>", *re.findall(r'<a id="[^"]+">', bare)}, name
    assert _plain("a <b> in `<c>`: Pending < Running") == "a &lt;b> in `<c>`: Pending < Running"
