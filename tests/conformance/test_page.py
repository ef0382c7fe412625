"""The report page as a person meets it: in headless Chromium, light and dark, wide and narrow, by keyboard, offline."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from conformance import coverage, report, runs
from conformance.page import write
from conformance.verdict import Verdict
from diagrams.draw import inline
from tests.conformance.test_runs import reported

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = [what for what, there in (("chromium", CHROMIUM), ("dot", shutil.which("dot"))) if not there]
if MISSING and os.environ.get("KUBEPHASE_LIVE") == "required":
    raise pytest.UsageError(f"the page must be looked at here, but not installed: {', '.join(MISSING)}")
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (apt-get install chromium graphviz)"
)

WIDE, NARROW = (1280, 900), (390, 800)


def written(out: Path, folders: list[Path]) -> Path:
    found = runs.read(folders)
    pictures = {
        (number, table.name): inline(run.profile, table, run.coverage or {})
        for number, run in enumerate(found, 1)
        for table in coverage.whole(run.profile)
    }
    return write(out, found, pictures)[0]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A run that is right, one that is wrong, and one by another reading. The right one's name tries to be markup."""
    out = tmp_path_factory.mktemp("reports")
    right = reported(out / "right", select="pod.restart")
    path = right / "report.jsonl"
    first, *rest = path.read_text(encoding="utf-8").splitlines(keepends=True)
    named = {**json.loads(first), "runtime_name": "<b>mine</b><script>document.title = 'taken'</script>"}
    path.write_text("".join([json.dumps(named) + "\n", *rest]), encoding="utf-8")
    wrong = reported(out / "wrong", fault="oom-is-success", select="pod.restart")
    return [right, wrong, reported(out / "code", by="v0.17.0", select="pod.life.evicted")]


@pytest.fixture(scope="module")
def index(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("page"), folders)


@pytest.fixture(scope="module")
def small(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without the third run, which brings three hundred rules along."""
    return written(tmp_path_factory.mktemp("small"), folders[:2])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, index: Path) -> Iterator[Page]:
    """The page; whatever it complains of fails the test."""
    context = browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(index.as_uri())
    yield page
    context.close()
    assert complaints == []


def failing(page: Page) -> Locator:
    """The cell of the rule on which the wrong run failed."""
    return page.locator("tr", has=page.get_by_role("link", name="pod.restart.oom.abnormal", exact=True)).locator(
        "td.fail a"
    )


# --- what it tells --------------------------------------------------------------------------------------------------


def test_each_cell_has_the_verdict_of_its_rule_in_its_run_in_words(page: Page, folders: list[Path]) -> None:
    words = page.eval_on_selector_all(
        "#rules tr.rule", "rows => rows.map(r => [r.querySelector('a').textContent, ...[...r.querySelectorAll('td')]"
        ".map(c => c.textContent.trim().split(/\\s+/)[1])])",
    )  # fmt: skip
    told = {rule: cells for rule, *cells in words}
    assert told["pod.restart.oom.abnormal"] == ["pass", "fail", "not"]
    assert told["pod.restart.success.always"] == ["pass", "pass", "pass"]
    assert told["pod.life.evicted"] == ["not", "not", "pass"]
    for column, run in enumerate(runs.read(folders)):
        verdicts = report.by_rule(run.scenarios)
        assert {rule: cells[column] for rule, cells in told.items() if cells[column] != "not"} == {
            rule: verdict.value for rule, verdict in verdicts.items()
        }


def test_a_cell_counts_what_is_of_its_verdict(page: Page, folders: list[Path]) -> None:
    wrong = runs.read(folders)[1]
    rule = "pod.restart.oom.abnormal"
    times = sum(
        finding.verdict is Verdict.FAIL for s in wrong.scenarios for finding in s.findings if rule in finding.rules
    )
    assert 0 < times < sum(rule in finding.rules for s in wrong.scenarios for finding in s.findings)
    expect(failing(page)).to_have_text(re.compile(rf"fail {times} times"))
    assert page.locator("#rules td.pass .number").count() == 0


def test_the_reason_leads_to_the_history_and_to_the_picture(page: Page, index: Path, folders: list[Path]) -> None:
    failing(page).click()
    reason = page.locator("#rule-pod\\.restart\\.oom\\.abnormal-2")
    expect(reason).to_be_visible()
    expect(reason).to_contain_text("not seen: pod p1 phase=Failed; nothing more will happen")
    link = reason.get_by_role("link", name="history").first.get_attribute("href")
    assert link
    history = index.parent / link
    assert history.read_bytes() == (folders[1] / "histories" / history.name).read_bytes()
    reason.get_by_role("link", name="container/OnFailure").click()
    picture = page.locator("#run-2-container-OnFailure svg")
    expect(picture).to_be_visible()
    expect(picture).to_contain_text("out_of_memory 0×")
    expect(picture).to_contain_text("✘")


def test_what_others_have_written_is_no_markup(page: Page) -> None:
    assert "taken" not in page.title().split(":")[0]
    expect(page.locator("h3", has_text="<b>mine</b><script>").first).to_be_visible()
    assert page.locator("main b b, h3 b").count() == 0


def test_it_asks_the_network_for_nothing(browser: Browser, index: Path) -> None:
    with browser.new_context() as context:
        page, asked = context.new_page(), []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(index.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert asked == [index.as_uri()]
    text = index.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert not [line for line in text.splitlines() if 'src="' in line or 'href="http' in line or "@import" in line]


def test_every_link_leads_somewhere(page: Page, index: Path) -> None:
    links = page.eval_on_selector_all("a", "all => all.map(a => a.getAttribute('href'))")
    ids = set(page.eval_on_selector_all("[id]", "all => all.map(e => e.id)"))
    inside = {link.removeprefix("#") for link in links if link.startswith("#")}
    files = {link for link in links if not link.startswith("#")}
    assert inside <= ids
    assert len(inside) > 100
    assert files
    assert all((index.parent / file).is_file() for file in files)
    assert page.eval_on_selector_all("[id]", "all => all.length") == len(ids), "an id stands twice"


def test_it_is_of_use_without_javascript(browser: Browser, index: Path) -> None:
    """Only the search is missing: a cell opens its reason by itself."""
    with browser.new_context(java_script_enabled=False, viewport={"width": WIDE[0], "height": WIDE[1]}) as context:
        page = context.new_page()
        page.goto(index.as_uri())
        expect(page.get_by_role("searchbox")).to_be_hidden()
        failing(page).press("Enter")
        expect(page.locator("#rule-pod\\.restart\\.oom\\.abnormal-2")).to_be_in_viewport()


# --- by keyboard ----------------------------------------------------------------------------------------------------


def test_the_keyboard_reaches_every_cell_and_opens_its_reason(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the matrix")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#matrix")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("pod.restart.oom.abnormal")
    while not failing(page).evaluate("link => link === document.activeElement"):
        before = page.evaluate("document.activeElement.outerHTML")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.outerHTML") != before
        assert not page.evaluate("document.activeElement.closest('#reasons')"), "tabbed past the cell"
    outline = failing(page).evaluate("link => getComputedStyle(link).outlineStyle")
    assert outline == "solid", "where the focus is cannot be seen"
    page.keyboard.press("Enter")
    reason = page.locator("#rule-pod\\.restart\\.oom\\.abnormal-2")
    expect(reason).to_be_focused()
    expect(reason).to_be_in_viewport()
    reason.locator("xpath=..").get_by_role("link", name="Back to the matrix").press("Enter")
    expect(failing(page)).to_be_focused()


def test_arrows_move_between_cells(page: Page) -> None:
    page.get_by_role("searchbox").fill("pod.restart.oom.")
    first = page.get_by_role("link", name="pod.restart.oom.abnormal", exact=True)
    first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(failing(page)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(first).to_be_focused()
    shown = page.locator("#rules tr.rule:visible th a").all_text_contents()
    above = page.get_by_role("link", name=shown[shown.index("pod.restart.oom.abnormal") - 1], exact=True)
    page.keyboard.press("ArrowUp")
    expect(above).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(first).to_be_focused()


def test_the_search_finds_rules_by_id_statement_and_verdict(page: Page) -> None:
    shown = page.locator("#rules tr.rule:visible")
    every = shown.count()
    page.keyboard.press("/")
    page.keyboard.type("POD.RESTART oom.never")
    assert shown.locator("th a").all_text_contents() == ["pod.restart.oom.never"]
    expect(page.locator("#found")).to_have_text(f"1 of {every} rules")
    page.keyboard.press("Escape")
    assert shown.count() == every
    page.get_by_label("fail", exact=True).check()
    assert 0 < shown.count() == page.locator("#rules tr.rule:has(td.fail)").count() < every
    page.get_by_label("fail", exact=True).uncheck()
    page.get_by_role("searchbox").fill("no such rule")
    assert shown.count() == 0
    expect(page.locator("#rules tr.group:visible")).to_have_count(0)


# --- to be read -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_from_reading_it(
    scheme: str, size: tuple[int, int], browser: Browser, small: Path
) -> None:
    """axe-core finds nothing: contrast, names, landmarks, headings, tables, focus; with reasons and pictures open."""
    viewport = {"width": size[0], "height": size[1]}
    with browser.new_context(color_scheme=scheme, viewport=viewport) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(small.as_uri())
        page.evaluate(
            "document.querySelectorAll('.scenarios, .machine, .reason:has(.fail)').forEach(one => one.open = true)"
        )
        found = Axe().run(page).response
        assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found["violations"]] == []
        assert {"color-contrast", "heading-order", "th-has-data-cells", "landmark-unique"} <= {
            p["id"] for p in found["passes"]
        }
        style = "getComputedStyle(document.querySelector('{}')).{}".format
        paper, ink = page.evaluate(f"[{style('body', 'backgroundColor')}, {style('svg text', 'fill')}]")
        bright = [sum(map(int, color.strip("rgb()").split(","))) > 384 for color in (paper, ink)]
        assert bright == ([True, False] if scheme == "light" else [False, True]), (paper, ink)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= size[0], "the page itself must not scroll sideways"


def test_the_table_says_what_its_cells_belong_to(page: Page) -> None:
    table = page.get_by_role("table", name="The verdict on each rule in each run")
    expect(table.get_by_role("columnheader")).to_have_count(4)
    row = table.get_by_role("row", name="pod.restart.oom.abnormal")
    expect(row.get_by_role("rowheader")).to_have_count(1)
    expect(row.get_by_role("cell").nth(1)).to_contain_text("fail")
    expect(table.get_by_role("rowgroup")).not_to_have_count(0)


def test_names_stay_in_sight_while_the_matrix_scrolls(page: Page) -> None:
    matrix = page.locator("section[aria-labelledby=matrix] .scroll")
    matrix.evaluate("area => { area.scrollIntoView(); area.scrollTop = area.scrollHeight / 2; }")
    header, box = page.locator("#rules thead th").first.bounding_box(), matrix.bounding_box()
    assert header
    assert box
    assert abs(header["y"] - box["y"]) <= 2


def test_a_large_report_stays_small(folders: list[Path], tmp_path: Path) -> None:
    """The whole suite, by both readings and once wrong; the histories stand beside the page, not in it."""
    whole = [
        reported(tmp_path / "seed", select=""),
        reported(tmp_path / "wrong", fault="never-restarts-after-failure", select=""),
        reported(tmp_path / "code", by="v0.17.0", select=""),
    ]
    page = written(tmp_path / "page", whole)
    scenarios = sum(len(run.scenarios) for run in runs.read(whole))
    assert scenarios > 500
    assert page.stat().st_size < 2_500_000
    assert len(list((tmp_path / "page" / "histories").rglob("*.ndjson"))) == scenarios
