"""Sequence diagrams: the text of a small one, escaping, shortening, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagrams.sequence import MAX_LINES, RESERVED, escaped, mermaid, shortened, write
from model.actors import Kind, Step, counterexample

KINDS: list[Kind] = ["act", "again", "seen", "note", "failure"]

# Characters that Mermaid treats specially, those it uses while it parses, and whatever else there is.
TEXTS = st.text(st.one_of(st.sampled_from("#;:%{}<>&\"'`$\\@\n\r\t\u2028-+,()x ﬂ°¶ß"), st.characters()), max_size=80)
STEPS = st.lists(
    st.one_of(
        st.builds(Step, TEXTS.filter(bool), TEXTS.filter(bool), TEXTS, st.sampled_from(KINDS)),
        st.builds(Step, st.just(""), st.just(""), TEXTS, st.sampled_from(["note", "failure"])),
    ),
    max_size=8,
)

SHOWN = r"(?:[A-Za-z0-9 _.,/()\[\]=+!?'*-]|[^\x00-\x7fﬂ°¶ß\u2028\u2029\x85]|#\d+;|<br/>)+"
LINE = re.compile(
    rf"sequenceDiagram|    title {SHOWN}|    participant [A-Za-z]\w* as {SHOWN}"
    rf"|    (?:    )?[A-Za-z]\w*-?->>[A-Za-z]\w*: {SHOWN}"
    rf"|    (?:    )?Note over [A-Za-z]\w*(?:,[A-Za-z]\w*)?: {SHOWN}"
    r"|    loop for ever, in some order|    rect rgba\(255, 0, 0, 0\.15\)|    end",
    re.ASCII,
)


def test_the_text_of_a_small_diagram() -> None:
    steps = [
        Step("suite", "cluster", "create pod p1"),
        Step("pod p1", "suite", "Pending → Running\ncontainer c1 running", "seen"),
        Step("", "", "all is well", "note"),
        Step("pod p1", "suite", "FAIL pod.x\nline 3: what?", "failure"),
        Step("end", "end", "restart", "again"),
        Step("end", "suite", "start", "again"),
    ]
    assert mermaid("a: b", steps) == (
        "sequenceDiagram\n"
        "    title a#58; b\n"
        "    participant suite as suite\n"
        "    participant cluster as cluster\n"
        "    participant pod_p1 as pod p1\n"
        "    participant the_end as end\n"
        "    suite->>cluster: create pod p1\n"
        "    pod_p1-->>suite: Pending → Running<br/>container c1 running\n"
        "    Note over suite,the_end: all is well\n"
        "    rect rgba(255, 0, 0, 0.15)\n"
        "        Note over pod_p1,suite: FAIL pod.x<br/>line 3#58; what?\n"
        "    end\n"
        "    loop for ever, in some order\n"
        "        the_end->>the_end: restart\n"
        "        the_end->>suite: start\n"
        "    end\n"
    )


def test_a_counterexample_ends_with_what_is_violated_in_red() -> None:
    text = mermaid(
        "seed", counterexample("seed", "a pod is never moved", ("pod.binding.never-moved",), ("bind(p1,n1)",))
    )
    assert text.endswith(
        "    scheduler->>pod_p1: bind (node n1)\n"
        "    rect rgba(255, 0, 0, 0.15)\n"
        "        Note over scheduler,pod_p1: violated#58; a pod is never<br/>moved<br/>pod.binding.never-moved\n"
        "    end\n"
    )


def test_nothing_at_all_is_still_a_diagram() -> None:
    """Mermaid refuses a note over nobody."""
    assert mermaid("t", [Step("", "", "x", "note")]).endswith("participant nobody as nobody\n    Note over nobody: x\n")


# --- escaping -------------------------------------------------------------------------------------------------------


@given(TEXTS, STEPS, st.one_of(st.none(), st.integers(1, 9)))
def test_no_name_and_no_text_breaks_the_lines(title: str, steps: list[Step], most: int | None) -> None:
    """Every line is of a known form, blocks are closed, and every participant is declared, once, before it acts."""
    lines = mermaid(title, steps, most).split("\n")
    assert lines.pop() == ""
    assert not [line for line in lines if not LINE.fullmatch(line)]
    assert sum(line.startswith(("    loop", "    rect")) for line in lines) == lines.count("    end")
    declared = [line.split()[1] for line in lines if line.startswith("    participant ")]
    assert len(set(declared)) == len(declared)
    for line in lines:
        if found := re.match(r" +(?:Note over )?(\w+)(?:-?->>|,|:)(\w+)?", line):
            assert set(filter(None, found.groups())) <= set(declared)


@given(STEPS)
def test_as_many_arrows_and_notes_as_steps(steps: list[Step]) -> None:
    """And as many participants as names: two names that read alike are two."""
    lines = mermaid("t", steps).splitlines()
    assert sum("->>" in line or "Note over" in line for line in lines) == len(steps)
    names = {name for step in steps for name in (step.who, step.whom) if name}
    assert sum(line.startswith("    participant ") for line in lines) == max(1, len(names))


@pytest.mark.parametrize("char", '#;:"<>&%{}$`\\@ﬂ°¶ß')
def test_what_mermaid_takes_for_its_own_becomes_a_number(char: str) -> None:
    assert escaped(f"a{char}b") == f"a#{ord(char)};b"


def test_a_newline_is_a_break_and_what_cannot_be_printed_is_marked() -> None:
    assert escaped("a\nb\r\nc\x00d\te\ud800") == "a<br/>b<br/>c\ufffdd e\ufffd"
    assert escaped("") == escaped("\n") == "…"


def test_a_note_over_several_is_as_narrow_as_they_stand() -> None:
    """Mermaid does not widen such a note: its text would stand beside it. One over a single participant it does."""
    words = "word " * 12
    over = [Step("a", "b", words, "note"), Step("a", "c", words, "note"), Step("b", "b", words, "note")]
    lines = mermaid("t", over).splitlines()[-3:]
    assert [max(map(len, line.split(": ")[1].split("<br/>"))) for line in lines] == [24, 54, 54]


def test_long_texts_are_wrapped_and_very_long_ones_cut() -> None:
    assert escaped("word " * 20).count("<br/>") == 1
    parts = escaped("line\n" * 100).split("<br/>")
    assert (len(parts), parts[-1]) == (MAX_LINES, "…")


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_a_word_of_the_grammar_is_no_identifier(word: str) -> None:
    assert f"participant the_{word.upper()} as {word.upper()}" in mermaid("t", [Step(word.upper(), "x", "y")])


def test_names_that_read_alike_are_told_apart() -> None:
    text = mermaid("t", [Step("pod a-b", "pod a.b", "x")])
    assert "pod_a_b->>pod_a_b_2: x" in text


# --- shortening -----------------------------------------------------------------------------------------------------


def numbered(count: int, *failures: int) -> list[Step]:
    return [Step("a", "b", str(i), "failure" if i in failures else "act") for i in range(count)]


def whats(steps: list[Step]) -> list[str]:
    return [step.what for step in steps]


def test_without_a_failure_the_first_steps_are_kept() -> None:
    assert whats(shortened(numbered(6), 3)) == ["0", "1", "2", "3 steps are left out here"]


def test_what_leads_to_a_failure_is_kept() -> None:
    assert whats(shortened(numbered(10, 5), 3)) == [
        "3 steps are left out here", "3", "4", "5", "4 steps are left out here",
    ]  # fmt: skip


def test_two_failures_share_what_is_kept() -> None:
    assert whats(shortened(numbered(9, 3, 7), 4)) == [
        "2 steps are left out here", "2", "3", "2 steps are left out here", "6", "7", "1 step is left out here",
    ]  # fmt: skip


def test_what_fits_is_not_touched() -> None:
    steps = numbered(4, 2)
    assert shortened(steps, 4) == shortened(steps, None) == steps


@given(st.integers(0, 30), st.sets(st.integers(0, 29)), st.integers(1, 30))
def test_kept_and_left_out_make_up_the_whole(count: int, failures: set[int], most: int) -> None:
    found = shortened(numbered(count, *failures), most)
    kept = [step for step in found if step.kind != "note"]
    assert len(kept) == min(count, most)
    left = sum(int(step.what.split()[0]) for step in found if step.kind == "note")
    assert len(kept) + left == count


# --- files ----------------------------------------------------------------------------------------------------------


def test_files_are_named_after_the_diagrams_and_never_share_a_name(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    written = write(out, [("x: y/z", "1"), ("x y z", "2"), ("../..", "3")])
    assert [path.name for path in written] == ["x-y-z.mmd", "x-y-z_2.mmd", "sequence.mmd"]
    assert [path.read_text() for path in written] == ["1", "2", "3"]
    assert {path.parent for path in written} == {out}


def test_without_diagrams_there_is_no_folder(tmp_path: Path) -> None:
    assert write(tmp_path / "none", []) == []
    assert not (tmp_path / "none").exists()
