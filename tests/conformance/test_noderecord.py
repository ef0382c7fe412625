"""Node records in files: the document's own is refused with the place of its first trailing comma, and accepted and
converted without them; others are refused with the field and the rule."""

from __future__ import annotations

import json

import pytest

from conformance import noderecord
from model import registry
from model.noderecord import Record
from tests.recorded import DATA, lines

SEED = (DATA / "seed.md").read_text(encoding="utf-8").splitlines()
PRINTED = "\n".join(SEED[186:200])
CORRECTED = PRINTED.replace("},\n      },", "}\n      },").replace('node",', 'node"').replace("},\n    }", "}\n    }")


def minion(**fields: object) -> str:
    return json.dumps({"id": "a", "kind": "Minion", "apiVersion": "v1beta1", **fields})


def node(metadata: dict[str, object] | None = None, **fields: object) -> str:
    return json.dumps(
        {"kind": "Node", "apiVersion": "v1beta3", "metadata": {"name": "a", **(metadata or {})}, **fields}
    )


def test_the_record_as_the_document_prints_it_is_refused_with_the_place_of_the_first_trailing_comma() -> None:
    """Line 9 of the record (the comma behind the closing brace of `capacity`), column 10. It begins with a brace, so
    kubectl does not take it for YAML either."""
    with pytest.raises(noderecord.BadRecord, match=r"^minion\.json:9:10: trailing comma") as caught:
        noderecord.parse(PRINTED, "minion.json")
    assert caught.value.rules == ("node.record.trailing-commas", "node.record.trailing-commas.kubectl")
    assert PRINTED.splitlines()[8][9] == ","


def accepted() -> Record:
    return noderecord.parse(CORRECTED)


def test_without_the_three_commas_it_is_accepted_and_a_thousand_is_cores() -> None:
    assert PRINTED.count(",") - CORRECTED.count(",") == 3
    assert accepted() == {
        "name": "10.1.2.3",
        "externalID": "10.1.2.3",
        "labels": {"name": "my-first-k8s-node"},
        "capacity": {"cpu": 1000, "memory": 1024**3},
    }


def test_a_real_cluster_stored_the_same() -> None:
    """Somebody posted the document's record to the recorded cluster: s16 has the frame. Nothing answers at its address,
    and it names no host IP, so it was neither asked nor filled in."""
    [frame] = [line["object"]["object"] for line in lines("s16-unschedulable") if '"1k"' in json.dumps(line)]
    stored = noderecord.parse(json.dumps(frame))
    given = {"uid", "version", "created", "nodeInfo"}
    assert {key: value for key, value in stored.items() if key not in given} == accepted()
    assert noderecord.shown(stored)["v1beta3"]["status"]["capacity"] == frame["status"]["capacity"]
    assert noderecord.shown(stored)["host_ip"] == ""


def test_what_is_shown_of_it_is_both_forms_and_what_others_make_of_it() -> None:
    shown = noderecord.shown(accepted())
    assert shown["v1beta1"] == {
        "kind": "Minion", "apiVersion": "v1beta1", "id": "10.1.2.3", "externalID": "10.1.2.3",
        "labels": {"name": "my-first-k8s-node"}, "resources": {"capacity": {"cpu": "1000", "memory": 1073741824}},
    }  # fmt: skip
    assert shown["v1beta3"] == {
        "kind": "Node", "apiVersion": "v1beta3",
        "metadata": {"name": "10.1.2.3", "labels": {"name": "my-first-k8s-node"}},
        "spec": {"externalID": "10.1.2.3"}, "status": {"capacity": {"cpu": "1k", "memory": "1Gi"}},
    }  # fmt: skip
    assert shown["missing_services"] == ["Docker", "kubelet", "proxy"]
    assert shown["no_candidate_unless"] == "it has a condition Ready"


@pytest.mark.parametrize(
    ("text", "problem", "rule"),
    [
        (minion(labels=[1]).replace("1]", "1,]"), r"r:1:68: trailing comma", "node.record.trailing-commas"),
        ('{"id": "a" "kind": "Minion"}', r"r:1:12: no JSON", None),
        ("[]", "expected a JSON object", None),
        (minion().replace('"id": "a", ', ""), r"missing required field `id`", "node.record.id-validates"),
        (minion(id=7), r"Expected `str`, got `int` - at `\$.id`", None),
        (minion(id="Upper"), r"id 'Upper': expected lower-case", "node.record.name-syntax"),
        (minion(id=""), r"id '': expected", "node.record.name-syntax"),
        (minion(id="a" * 254), r"expected lower-case", "node.record.name-syntax"),
        (minion(kind="Pod"), r"kind 'Pod' of 'v1beta1': expected Minion of v1beta1 or Node of v1beta3",
         "node.record.kind-names"),
        (minion(apiVersion="v9"), r"of 'v9'", "node.record.kind-names"),
        (minion(namespace="default"), r"namespace 'default': expected none", "node.record.cluster-scoped"),
        (minion(labels={"x": 1}), r"Expected `str`, got `int` - at `\$.labels", None),
        (minion(labels={"-x": "1"}), r"labels \{'-x': '1'\}: expected words", "node.record.labels-well-formed"),
        (minion(resources={"capacity": {"cpu": "many"}}), r"quantity 'many': expected a number", None),
        (node({"name": "Upper"}), r"metadata.name 'Upper': expected", "node.record.name-syntax"),
        (node({"namespace": "default"}), r"metadata.namespace 'default'", "node.record.cluster-scoped"),
        (node({"annotations": {"a b": "c"}}), r"metadata.annotations", "node.record.labels-well-formed"),
        (node(spec={"unschedulable": "yes"}), r"Expected `bool`, got `str`", None),
    ],
)  # fmt: skip
def test_bad_records_are_refused_with_what_was_expected(text: str, problem: str, rule: str | None) -> None:
    with pytest.raises(noderecord.BadRecord, match=problem) as caught:
        noderecord.parse(text, "r")
    assert caught.value.rules[:1] == ((rule,) if rule else ())
    assert rule is None or str(caught.value).endswith(f"[{registry.rule(rule).id}]")


@pytest.mark.parametrize("text", [minion(kind="Node"), node(kind="Minion"), minion(unknown=1), minion(labels=None)])
def test_what_the_api_takes_is_accepted(text: str) -> None:
    """Both names of the kind in both versions; fields that nobody knows are passed over."""
    assert noderecord.parse(text) == {"name": "a", "externalID": "a"}


def test_a_comma_in_a_text_is_no_trailing_comma() -> None:
    assert noderecord.parse(minion(annotations={"x": ",}"}))["annotations"] == {"x": ",}"}


FRAME = '{"t": 1, "stream": "nodes", "object": {"kind": "Node"}}'
NODE = '{"kind": "Node", "apiVersion": "v1beta3", "metadata": {"name": "n"}}'


@pytest.mark.parametrize(
    ("text", "record"),
    [
        (PRINTED, True),
        (NODE, True),
        (FRAME, False),
        (f'{{"type": "ADDED", "object": {NODE}}}', False),
        (f"{NODE}\n{NODE}\n", False),
        (f'{{"apiVersion": "v1", "items": [{NODE}], "kind": "List"}}', False),
    ],
    ids=["document", "node", "frame", "watch", "several", "list"],
)
def test_a_history_is_not_taken_for_a_record(text: str, record: bool) -> None:
    assert noderecord.looks_like_one(text.encode()) == record
