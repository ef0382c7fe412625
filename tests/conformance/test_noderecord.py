"""The document's own node record: refused with the place of its first trailing comma, accepted without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance import noderecord
from tests.recorded import DATA

SEED = (DATA / "seed.md").read_text(encoding="utf-8").splitlines()
PRINTED = "\n".join(SEED[186:200])
CORRECTED = PRINTED.replace("},\n      },", "}\n      },").replace('node",', 'node"').replace("},\n    }", "}\n    }")


def test_the_record_as_the_document_prints_it_is_refused_with_the_place_of_the_first_trailing_comma() -> None:
    """Line 9 of the record (the comma behind the closing brace of `capacity`), column 10."""
    with pytest.raises(noderecord.BadRecord, match=r"^minion\.json:9:10: trailing comma"):
        noderecord.parse(PRINTED, "minion.json")
    assert PRINTED.splitlines()[8][9] == ","


def test_without_the_three_commas_it_is_accepted() -> None:
    assert PRINTED.count(",") - CORRECTED.count(",") == 3
    record = noderecord.parse(CORRECTED)
    assert (record.id, record.kind, record.apiVersion) == ("10.1.2.3", "Minion", "v1beta1")
    assert (record.resources.capacity.cpu, record.resources.capacity.memory) == (1000, 1073741824)
    assert record.labels == {"name": "my-first-k8s-node"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"id": "a", "kind": "Minion", "apiVersion": "v1beta1", "labels": [1,]}', r"r:1:68: trailing comma"),
        ('{"id": "a" "kind": "Minion"}', r"r:1:12: no JSON"),
        ('{"kind": "Minion", "apiVersion": "v1beta1"}', r"missing required field `id`"),
        ('{"id": 7, "kind": "Minion", "apiVersion": "v1beta1"}', r"Expected `str`, got `int` - at `\$.id`"),
        ('{"id": "Upper", "kind": "Minion", "apiVersion": "v1beta1"}', r"id 'Upper': expected lower-case"),
        ('{"id": "", "kind": "Minion", "apiVersion": "v1beta1"}', r"id '': expected"),
        ('{"id": "a", "kind": "Pod", "apiVersion": "v1beta1"}', r"kind 'Pod'"),
        ('{"id": "a", "kind": "Minion", "apiVersion": "v9"}', r"of 'v9'"),
        ('{"id": "a", "kind": "Minion", "apiVersion": "v1beta1", "labels": {"x": 1}}', r"labels"),
        ('{"id": "' + "a" * 254 + '", "kind": "Minion", "apiVersion": "v1beta1"}', r"expected lower-case"),
    ],
)
def test_other_bad_records_are_refused_with_what_was_expected(text: str, problem: str) -> None:
    with pytest.raises(noderecord.BadRecord, match=problem):
        noderecord.parse(text, "r")


def test_a_comma_in_a_text_is_no_trailing_comma() -> None:
    text = '{"id": "a", "kind": "Minion", "apiVersion": "v1beta1", "labels": {"x": ",}"}}'
    assert noderecord.parse(text).labels == {"x": ",}"}


def test_a_history_is_not_taken_for_a_record(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text('{"t": 1, "stream": "nodes", "object": {"kind": "Node"}}')
    assert not noderecord.looks_like_one(path)
    path.write_text(PRINTED)
    assert noderecord.looks_like_one(path)
    assert not noderecord.looks_like_one(tmp_path / "none")
