"""The command as its users call it: output, JSON, exit codes, bad input, interruption."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from conformance import recordings
from conformance.judge import judge
from conformance.report import by_rule, of_judgements
from conformance.runs import read
from kubephase import cli
from model.profiles import PROFILES, SEED
from tests.model.test_verify import moving
from tests.recorded import DATA, FILES, FOLDER

ROOT = Path(__file__).parent.parent
SEED_LINES = (DATA / "seed.md").read_text(encoding="utf-8").splitlines()


def kubephase(*arguments: object, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "kubephase", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, timeout=120, check=False,
        env={**os.environ, "COLUMNS": "120", **env},
    )  # fmt: skip


def as_json(*arguments: object, code: int = 0) -> Any:
    done = kubephase(*arguments, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("command", ["verify", "conform", "trace", "draw", "report", "rules", "export", "demo"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = kubephase(command, "--help")
    assert done.returncode == 0
    assert f"Example: kubephase {command}" in done.stdout


# --- verify ---------------------------------------------------------------------------------------------------------


def test_verify_reports_sizes_and_every_property() -> None:
    data = as_json("verify", "--policy", "Never", "--containers", 3)
    assert {"states", "transitions", "depth", "seconds", "properties"} <= data.keys()
    assert data["states"] > 100
    assert data["transitions"] > data["stands_for"] > data["states"]
    assert data["peak_memory"] > 2**20
    assert {p["kind"] for p in data["properties"]} == {"always", "sometimes", "eventually", "refinement"}
    assert {p["verdict"] for p in data["properties"]} == {"holds"}
    assert [p["name"] for p in data["properties"] if p["kind"] == "refinement"] == [
        f"{n} containers refine the phase machine" for n in (1, 2, 3)
    ]


def test_verify_all_is_the_sum_of_the_policies() -> None:
    each = [
        as_json("verify", "--policy", p, "--nodes", 1, "--containers", 1)["states"]
        for p in ("Always", "OnFailure", "Never")
    ]
    assert as_json("verify", "--policy", "all", "--nodes", 1, "--containers", 1)["states"] == sum(each)


def test_verify_explores_the_situations_of_the_controllers_under_any_policy() -> None:
    data = as_json("verify", "--policy", "Never", "--containers", 1)
    names = [one["situation"] for one in data["situations"]]
    assert names == ["node list", "scheduling", "sharing", "replication", "loss of a node"]
    assert all(one["holds"] and one["states"] > 50 and one["summary"] for one in data["situations"])
    assert {prop["situation"] for prop in data["properties"] if "situation" in prop} == set(names)
    shown = kubephase("verify", "--policy", "Never", "--containers", 1).stdout
    assert all(re.search(rf"^│ {name} ", shown, re.MULTILINE) for name in names)


def test_verify_of_v0_17_0_holds() -> None:
    done = kubephase("verify", "--profile", "v0.17.0", "--pods", 2, "--containers", 1, "--nodes", 1)
    assert done.returncode == 0
    assert "profile v0.17.0 holds" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--profile", "sead"), "no profile 'sead' (nearest: seed)"),
        (("--pods", 0), "0 is not in the range"),
        (("--policy", "Sometimes"), "'Sometimes' is not one of"),
        (("--pods", 3, "--containers", 4, "--max-states", 1000), "more than 1,000 states"),
        (("--pods", 3, "--containers", 30), "combinations of states are too many"),
    ],
)
def test_verify_refuses_bad_sizes_with_exit_code_2(arguments: tuple[object, ...], message: str) -> None:
    done = kubephase("verify", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_verify_draws_each_counterexample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is wrong on purpose; in this process, as the command takes no tables. One file for each violated
    property, named in both forms of the output."""
    monkeypatch.setitem(PROFILES, "seed", moving(SEED))
    out = tmp_path / "out"
    call = ["verify", "--policy", "Never", "--containers", "1", "--nodes", "2", "--sequence", str(out)]
    done = CliRunner().invoke(cli, call)
    path = out / "Never-a-pod-is-never-moved.mmd"
    assert done.exit_code == 1
    assert f"sequence: {path}" in done.stdout
    assert list(out.iterdir()) == [path]
    text = path.read_text()
    assert text.startswith("sequenceDiagram\n    title seed Never#58; a pod is never moved\n")
    assert "scheduler->>pod_p1: bind (node n1)" in text
    assert "violated#58; a pod is never moved<br/>pod.binding.never-moved" in text
    data = json.loads(CliRunner().invoke(cli, [*call, "--json"]).stdout)
    assert [p["sequence"] for p in data["properties"] if p["verdict"] == "violated"] == [str(path)]
    assert not [p for p in data["properties"] if p["verdict"] == "holds" and "sequence" in p]


def test_verify_draws_nothing_and_says_so_when_all_holds(tmp_path: Path) -> None:
    done = kubephase("verify", "--policy", "Never", "--containers", 1, "--sequence", tmp_path / "out")
    assert done.returncode == 0
    assert "no sequence diagrams: nothing is violated" in done.stdout
    assert not (tmp_path / "out").exists()


# --- rules ----------------------------------------------------------------------------------------------------------


def test_rules_are_listed_searched_and_selected() -> None:
    found = as_json("rules", "pod.restart.oom", "--profile", "seed")
    assert [r["id"] for r in found] == [
        "pod.restart.oom.always", "pod.restart.oom.onfailure", "pod.restart.oom.never", "pod.restart.oom.abnormal",
    ]  # fmt: skip
    assert found[0]["sources"][0] == {
        "document": "seed.md",
        "line": 310,
        "quote": "始终：重启容器，容器组保持 `running`",
    }
    assert {ref["kind"] for ref in found[0]["references"]} == {"row", "property", "scenario"}
    assert [r["id"] for r in as_json("rules", "--search", "杀死所有容器", "--profile", "seed")] == ["pod.disk.kills"]
    assert as_json("rules", "--search", "no such words") == []


def test_unchecked_rules_are_the_committed_list_which_can_only_shrink() -> None:
    now = set(kubephase("rules", "--unchecked").stdout.split())
    text = (ROOT / "docs" / "unchecked.txt").read_text(encoding="utf-8")
    committed = {line for line in text.splitlines() if line and not line.startswith("#")}
    assert now - committed == set(), "new rules without a row, property or scenario: check them"
    assert committed - now == set(), "these are checked now: run `make docs` to shorten the list"


def test_of_the_document_no_rule_is_unchecked() -> None:
    done = kubephase("rules", "--unchecked", "--profile", "seed")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_rules_that_only_describe_say_so_and_are_counted_apart() -> None:
    shown = kubephase("rules", "pod.concept").stdout
    assert "only describes: It asks for light containers without a measure" in shown
    assert shown.splitlines()[-1] == "9 rules, 6 checked, 3 only describe"
    assert not as_json("rules", "pod.concept.light-containers")[0]["references"]


def test_an_unknown_rule_is_refused_with_the_nearest() -> None:
    done = kubephase("rules", "pod.restrat")
    assert done.returncode == 2
    assert "nearest: pod.restart" in done.stderr


# --- export ---------------------------------------------------------------------------------------------------------


def test_export_aut_has_the_numbers_of_verify(tmp_path: Path) -> None:
    size = ("--policy", "OnFailure", "--pods", 2, "--containers", 1, "--nodes", 1, "--profile", "v0.17.0")
    [run] = as_json("verify", *size)["runs"]
    out = tmp_path / "pod.aut"
    assert kubephase("export", "aut", *size, "--out", out).stdout == ""
    text = out.read_text(encoding="utf-8")
    assert text == kubephase("export", "aut", *size).stdout
    assert text.startswith(f"des (0,{run['transitions']},{run['stands_for']})\n")


def test_export_promela_names_every_property_of_verify() -> None:
    size = ("--policy", "Never", "--containers", 1)
    text = kubephase("export", "promela", *size).stdout
    for prop in as_json("verify", *size)["properties"]:
        assert prop["name"] in text or prop["kind"] == "refinement" or "situation" in prop


def test_export_tla_to_a_file_names_the_module_after_it_and_writes_its_cfg(tmp_path: Path) -> None:
    assert kubephase("export", "tla", "--situation", "scheduling", "--out", tmp_path / "Scheduling.tla").returncode == 0
    assert " MODULE Scheduling " in (tmp_path / "Scheduling.tla").read_text(encoding="utf-8")
    config = (tmp_path / "Scheduling.cfg").read_text(encoding="utf-8")
    assert config.startswith("SPECIFICATION Spec\n")
    assert "\nINVARIANT " in config


@pytest.mark.parametrize("form", ["promela", "aut", "tla"])
def test_export_of_a_single_table(form: str) -> None:
    text = kubephase("export", form, "--table", "pod/OnFailure").stdout
    assert "exit_zero" in text
    assert ("Succeeded" in text) is (form != "aut")


def test_export_json_has_the_vectors_of_a_policy() -> None:
    data = json.loads(kubephase("export", "json", "--policy", "Never", "--containers", 1).stdout)
    assert {vector["policy"] for vector in data["vectors"]} == {"Never"}
    assert {len(vector["containers"]) for vector in data["vectors"]} == {1}
    every = json.loads(kubephase("export", "json").stdout)
    assert {vector["policy"] for vector in every["vectors"]} == {"Always", "OnFailure", "Never"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["aut"], "one of --policy, --situation and --table says what to export"),
        (["tla", "--policy", "Never", "--table", "node"], "one of --policy, --situation and --table"),
        (["aut", "--table", "pod/Allways"], "no table 'pod/Allways' (nearest: pod/Always"),
        (["tla", "--situation", "schedule"], "no situation 'schedule' (nearest: scheduling"),
        (["json", "--nodes", "1"], "only --profile, --policy, --containers go with json"),
        (["aut", "--policy", "Never", "--max-states", "5"], "more than 5 states"),
        (["promela", "--policy", "Never", "--nodes", "99"], "names of states are too many for Promela"),
        (["dot", "--policy", "Never"], "'dot' is not one of 'promela', 'aut', 'tla', 'json'"),
        (["aut", "--policy", "Never", "--out", "/no/such/folder/x.aut"], "/no/such/folder/x.aut: No such file"),
    ],
)
def test_export_says_what_is_wrong(arguments: list[str], message: str) -> None:
    done = kubephase("export", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""


# --- trace ----------------------------------------------------------------------------------------------------------


def test_trace_of_all_recordings_conforms_to_v0_17_0_and_not_to_the_seed() -> None:
    data = as_json("trace", "--profile", "v0.17.0", *FILES)
    assert data["verdict"] == "pass"
    assert len(data["files"]) == 30
    data = as_json("trace", "--profile", "seed", *FILES, code=1)
    assert data["verdict"] == "fail"
    finding = next(f["findings"][0] for f in data["files"] if "s17" in f["name"])
    assert {"verdict", "rules", "object", "reason", "line"} <= finding.keys()


def test_trace_judges_what_comes_before_a_truncated_line_and_exits_with_2(tmp_path: Path) -> None:
    path = tmp_path / "cut.ndjson"
    whole = (FOLDER / "s02-exit7-never.ndjson").read_bytes()
    path.write_bytes(whole[:-300])
    done = kubephase("trace", "--profile", "v0.17.0", path)
    assert done.returncode == 2
    assert f"{path}:31: the line is truncated" in done.stderr
    assert "pass under v0.17.0 (30 lines" in done.stdout


def test_a_violation_outweighs_a_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "both.ndjson"
    path.write_bytes((FOLDER / "s02-exit7-never.ndjson").read_bytes() + b"nonsense\n")
    done = kubephase("trace", "--profile", "seed", path)
    assert done.returncode == 1
    assert f"{path}:32: no JSON" in done.stderr
    assert "pod.event.failed" in done.stdout


@pytest.mark.parametrize("name", ["none.ndjson", "."])
def test_trace_of_a_file_that_cannot_be_read_exits_with_2(name: str, tmp_path: Path) -> None:
    done = kubephase("trace", tmp_path / name)
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("content", [FILES[0].read_bytes(), gzip.compress(FILES[0].read_bytes())])
def test_trace_reads_standard_input_and_pipes(content: bytes, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kubephase", "trace", "--profile", "v0.17.0"]
    done = subprocess.run([*command, "-"], input=content, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith("✔ stdin: pass under v0.17.0".encode())
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    whole = tmp_path / "whole"
    whole.write_bytes(content)
    with subprocess.Popen(["sh", "-c", 'cat "$0" > "$1"', whole, pipe]) as writing:
        try:
            read = subprocess.run([*command, pipe], capture_output=True, check=False, timeout=60)
        finally:
            writing.kill()
    assert (read.returncode, read.stdout) == (0, done.stdout.replace(b"stdin", str(pipe).encode()))


def test_trace_of_a_closed_standard_input_exits_with_2() -> None:
    shell = ["sh", "-c", '"$0" -m kubephase trace - <&-', sys.executable]
    done = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "kubephase: stdin: Bad file descriptor\n")


def test_trace_of_damaged_compressed_data_exits_with_2(tmp_path: Path) -> None:
    path = tmp_path / "cut.ndjson.gz"
    path.write_bytes(gzip.compress(FILES[0].read_bytes())[:-20])
    done = kubephase("trace", path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"kubephase: {path}: the compressed data is damaged or cut off (")
    assert done.stderr.count("\n") == 1, "no traceback"


def test_trace_checks_the_node_record_of_the_document(tmp_path: Path) -> None:
    path = tmp_path / "minion.json"
    path.write_text("\n".join(SEED_LINES[186:200]))
    done = kubephase("trace", path)
    assert done.returncode == 2
    assert f"{path}:9:10: trailing comma" in done.stderr
    path.write_text('{"id": "10.1.2.3", "kind": "Minion", "apiVersion": "v1beta1"}')
    done = kubephase("trace", path)
    assert done.returncode == 0
    assert "node record 10.1.2.3 is accepted; no candidate for pods unless it has a condition Ready" in done.stdout


def test_trace_converts_a_node_record_and_names_the_rule_that_refuses_it(tmp_path: Path) -> None:
    path = tmp_path / "minion.json"
    record = {"id": "10.1.2.3", "kind": "Minion", "apiVersion": "v1beta1", "resources": {"capacity": {"cpu": 1000}}}
    path.write_text(json.dumps(record))
    [shown] = as_json("trace", "--profile", "v0.17.0", path)["files"]
    assert shown["record"]["v1beta3"]["status"] == {"capacity": {"cpu": "1k"}}
    assert shown["record"]["v1beta1"]["resources"] == {"capacity": {"cpu": "1000"}}
    path.write_text(json.dumps({**record, "namespace": "default"}))
    done = kubephase("trace", "--profile", "v0.17.0", path)
    assert done.returncode == 2
    assert done.stderr.endswith(
        f"{path}: namespace 'default': expected none: a node belongs to no namespace [node.record.cluster-scoped]\n"
    )


@pytest.mark.parametrize("several", [["--jobs", "2"], ["--engine", "dask", "--jobs", "2"]], ids=" ".join)
def test_trace_with_several_workers_says_the_same(several: list[str], tmp_path: Path) -> None:
    """Also of what only this process can read, and of what cannot be read; in the order in which it was asked."""
    (tmp_path / "node.json").write_text('{"kind": "Minion", "apiVersion": "v1beta1", "id": "n"}', encoding="utf-8")
    (tmp_path / "broken").write_text(FILES[0].read_text(encoding="utf-8") + "no line\n", encoding="utf-8")
    files = [*FILES[3:6], tmp_path / "node.json", tmp_path / "missing", tmp_path / "broken", FILES[-1]]
    plain = kubephase("trace", "--json", *files)
    assert [len(json.loads(plain.stdout)[kind]) for kind in ("files", "problems")] == [6, 2]
    shared = kubephase("trace", "--json", *several, *files)
    assert (shared.stdout, shared.stderr, shared.returncode) == (plain.stdout, plain.stderr, plain.returncode)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--engine", "spark"], "expected dask, or dask=ADDRESS"),
        (["--engine", "dask="], "expected dask, or dask=ADDRESS"),
        (["--engine", "dask=nowhere"], "no Dask workers at nowhere"),
        (["--jobs", "2", "--sequence", "out"], "leave out --jobs and --engine"),
    ],
)
def test_trace_with_workers_that_cannot_be_had_exits_with_2(arguments: list[str], problem: str) -> None:
    done = kubephase("trace", *arguments, FILES[0])
    assert done.returncode == 2
    assert problem in done.stderr
    assert "Traceback" not in done.stderr


def test_trace_draws_each_history(tmp_path: Path) -> None:
    """Verdict and exit code stay. Two files of one name get two pictures."""
    name = "s17-kubelet-killed.ndjson"
    again = tmp_path / name
    again.write_bytes((FOLDER / name).read_bytes())
    out = tmp_path / "out"
    done = kubephase("trace", "--profile", "seed", "--sequence", out, FOLDER / name, again)
    assert done.returncode == 1
    assert "pod.life.node-lost" in done.stdout
    first, second = out / "s17-kubelet-killed.mmd", out / "s17-kubelet-killed_2.mmd"
    assert f"sequence: {first}\nsequence: {second}\n" in done.stdout
    assert first.read_text() == second.read_text()
    assert first.read_text().startswith("sequenceDiagram\n    title s17-kubelet-killed#58; fail under seed\n")
    data = as_json("trace", "--profile", "seed", "--sequence", out, FOLDER / name, code=1)
    assert [f["sequence"] for f in data["files"]] == [str(first)]


def test_trace_draws_as_many_steps_as_asked_for(tmp_path: Path) -> None:
    kubephase("trace", "--profile", "seed", "--sequence", tmp_path, "--steps", 5, FOLDER / "s17-kubelet-killed.ndjson")
    text = (tmp_path / "s17-kubelet-killed.mmd").read_text()
    assert text.count("FAIL pod.life.node-lost") == 3
    assert text.count("->>") + text.count("Note over") - text.count("left out here") == 5
    assert "steps are left out here" in text


def test_trace_draws_nothing_of_what_it_cannot_read_or_of_a_node_record(tmp_path: Path) -> None:
    record, broken, out = tmp_path / "minion.json", tmp_path / "broken.ndjson", tmp_path / "out"
    record.write_text('{"id": "10.1.2.3", "kind": "Minion", "apiVersion": "v1beta1"}')
    broken.write_text("nonsense\n")
    assert kubephase("trace", "--sequence", out, record, broken).returncode == 2
    assert not out.exists()


def test_a_folder_for_pictures_that_cannot_be_made_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = kubephase("trace", "--sequence", tmp_path / "file" / "out", FILES[0])
    assert done.returncode == 2
    assert f"kubephase: {tmp_path / 'file' / 'out'}: Not a directory" in done.stderr
    assert "Traceback" not in done.stderr
    done = kubephase("trace", "--sequence", tmp_path, "--steps", 0, FILES[0])
    assert done.returncode == 2
    assert "0 is not in the range" in done.stderr


# --- conform --------------------------------------------------------------------------------------------------------


def test_conform_writes_a_report_that_can_be_judged_again(tmp_path: Path) -> None:
    done = kubephase(
        "conform", "--select", "pod.restart.oom", "--report", tmp_path, "--seed", 3, "--fault", "oom-is-success"
    )
    assert done.returncode == 1
    report = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    run, scenarios, end = report[0], report[1:-1], report[-1]
    assert (run["runtime_name"], run["profile"], run["seed"], run["fault"]) == (
        "simulator",
        "seed",
        3,
        "oom-is-success",
    )
    assert {"version", "runtime_version", "capabilities", "started", "python"} <= run.keys()
    assert end["verdict"] == "fail"
    assert end["scenarios"] == end["planned"] == len(scenarios)
    assert end["counts"]["fail"] == sum(s["verdict"] == "fail" for s in scenarios) > 0
    for scenario in scenarios:
        history = tmp_path / "histories" / scenario["history"]
        again = kubephase("trace", history)
        assert again.returncode == (1 if scenario["verdict"] == "fail" else 0), again.stdout
    junit = ET.parse(tmp_path / "junit.xml").getroot()
    assert len(junit.findall(".//testcase")) == len(scenarios)
    assert len(junit.findall(".//failure")) == end["counts"]["fail"]
    assert "kubephase trace" in done.stdout


def test_a_history_is_judged_again_by_its_own_profile(tmp_path: Path) -> None:
    """What passed under v0.17.0 passes again, without being told the profile."""
    done = kubephase("conform", "--profile", "v0.17.0", "--select", "pod.life.evicted", "--report", tmp_path)
    assert done.returncode == 0
    done = kubephase("trace", *sorted((tmp_path / "histories").iterdir()))
    assert done.returncode == 0, done.stdout
    assert "pass under v0.17.0" in done.stdout


def test_conform_tells_what_it_covered(tmp_path: Path) -> None:
    """The same on the console, in the report, and as JSON: of a failing run with the rows that failed."""
    arguments = ("conform", "--select", "pod.restart.oom", "--fault", "oom-is-success")
    done = kubephase(*arguments, "--report", tmp_path)
    written = json.loads((tmp_path / "coverage.json").read_text())
    assert written["profile"] == "seed"
    one = written["machines"]["container/OnFailure"]
    assert one["total"] == {"states": 7, "rows": 8, "pairs": 12}
    assert one["rows"]["Running --out_of_memory--> OOMKilled"] == 0
    assert one["failed"]["Running --out_of_memory--> OOMKilled"] > 0
    covered = "/".join(map(str, (one["covered"]["rows"], one["total"]["rows"])))
    [line] = [line for line in done.stdout.splitlines() if "container/OnFailure" in line and "│" in line]
    assert [cell.strip() for cell in line.split("│")][3] == covered
    assert as_json(*arguments, code=1)["coverage"] == written


def test_trace_tells_what_the_histories_covered() -> None:
    """Of several the sum; by reading, if they differ."""
    one, two = FILES[:2]
    separate = [as_json("trace", "--profile", "v0.17.0", path)["coverage"][0]["machines"] for path in (one, two)]
    [both] = as_json("trace", "--profile", "v0.17.0", one, two)["coverage"]
    assert both["profile"] == "v0.17.0"
    for name, machine in both["machines"].items():
        for row, count in machine["rows"].items():
            assert count == sum(each[name]["rows"][row] for each in separate)
    assert sum(both["machines"]["record"]["rows"].values()) > 0
    assert "covered" in kubephase("trace", "--profile", "v0.17.0", one).stdout


# --- report ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    kubephase("conform", "--select", "pod.restart.oom", "--fault", "oom-is-success", "--report", folder)
    return folder


def test_report_puts_runs_on_one_page(run_folder: Path, tmp_path: Path) -> None:
    """Exit code 0 also if the runs failed: it judges nothing. Twice the same is one more time the same."""
    data = as_json("report", run_folder, run_folder, "--out", tmp_path)
    assert data["runs"] == ["simulator 1+oom-is-success #1", "simulator 1+oom-is-success #2"]
    first = (tmp_path / "index.html").read_bytes()
    scenarios = len((run_folder / "report.jsonl").read_text(encoding="utf-8").splitlines()) - 2
    assert len(list((tmp_path / "histories" / "2").iterdir())) == scenarios > 0
    assert str(tmp_path / "index.html") in kubephase("report", run_folder, run_folder, "--out", tmp_path).stdout
    assert (tmp_path / "index.html").read_bytes() == first


def test_report_without_dot_goes_without_pictures(run_folder: Path, tmp_path: Path) -> None:
    done = kubephase("report", run_folder, "--out", tmp_path, PATH="")
    assert done.returncode == 0
    assert "apt-get install graphviz" in done.stderr
    assert "<svg" not in (tmp_path / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [("report",), ("draw", "--report")])
def test_a_folder_that_holds_no_report_is_bad_input(command: tuple[str, ...], run_folder: Path, tmp_path: Path) -> None:
    done = kubephase(*command, tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"kubephase: {tmp_path}: no report.jsonl there; kubephase conform --report")
    (tmp_path / "report.jsonl").write_text("{}\n{}\n", encoding="utf-8")
    done = kubephase(*command, tmp_path)
    assert done.returncode == 2
    assert "report.jsonl: line 1" in done.stderr
    assert "Traceback" not in done.stderr


def test_draw_colours_the_pictures_by_a_report(run_folder: Path, tmp_path: Path) -> None:
    done = kubephase("draw", "--report", run_folder, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "seed" / "node.svg").exists()
    assert "✘" in (tmp_path / "seed" / "container-onfailure.dot").read_text(encoding="utf-8")
    assert not (tmp_path / "seed" / "slot.dot").exists(), "what the judge does not walk through is not drawn"
    once = (tmp_path / "seed" / "container-onfailure.dot").read_text(encoding="utf-8")
    kubephase("draw", "--report", run_folder, "--report", run_folder, "--out", tmp_path)
    counts = [int(n) for n in re.findall(r"start (\d+)×", once)]
    twice = [int(n) for n in re.findall(r"start (\d+)×", (tmp_path / "seed" / "container-onfailure.dot").read_text())]
    assert twice == [2 * n for n in counts] != []


def test_recordings_are_a_column_of_the_page_too(run_folder: Path, tmp_path: Path) -> None:
    files = FILES[:3]
    data = as_json("trace", "--profile", "seed", *files, "--report", tmp_path / "recorded", code=1)
    page = as_json("report", run_folder, tmp_path / "recorded", "--out", tmp_path / "page")
    assert page["runs"] == ["simulator 1+oom-is-success", "recordings"]
    copies = sorted((tmp_path / "page" / "histories" / "2").iterdir())
    assert [copy.read_bytes() for copy in copies] == [path.read_bytes() for path in files]
    [run] = read([tmp_path / "recorded"])
    judgements = [judge(recordings.read(path), SEED) for path in files]
    assert by_rule(run.scenarios) == of_judgements(judgements)
    assert [s.verdict.value for s in run.scenarios] == [f["verdict"] for f in data["files"]]
    assert json.loads((tmp_path / "recorded" / "coverage.json").read_text()) == data["coverage"][0]


def test_histories_of_two_readings_make_no_report(tmp_path: Path) -> None:
    for name in PROFILES:
        kubephase("conform", "--profile", name, "--select", "pod.restart.success", "--report", tmp_path / name)
    every = [path for name in PROFILES for path in (tmp_path / name / "histories").iterdir()]
    done = kubephase("trace", *every, "--report", tmp_path / "both")
    assert done.returncode == 2
    assert "seed and v0.17.0: --profile P judges all by one" in done.stderr
    done = kubephase("trace", "--profile", "seed", *every, "--report", tmp_path / "seed")
    assert done.returncode == 2
    assert "give another" in done.stderr
    assert all(path.exists() for path in every)


def test_draw_says_what_it_lacks(run_folder: Path, tmp_path: Path) -> None:
    assert kubephase("draw").returncode == 2
    assert kubephase("draw", "--report", run_folder, "--reference").returncode == 2
    done = kubephase("draw", "--report", run_folder, "--profile", "v0.17.0")
    assert (done.returncode, "under profile v0.17.0" in done.stderr) == (2, True)


def test_conform_prints_json_for_programs() -> None:
    data = as_json("conform", "--select", "pod.disk")
    assert data["end"]["verdict"] == "pass"
    assert {r["verdict"] for r in data["results"]} == {"pass"}


def test_conform_lists_scenarios_and_faults_without_running() -> None:
    done = kubephase("conform", "--list", "--select", "pod.disk")
    assert "disk/a_disk_of_a_running_pod_dies[Never]" in done.stdout
    assert "checks: pod.disk.kills" in done.stdout
    faults = as_json("conform", "--list-faults")
    assert "moves-pods" in faults


def test_faults_tries_wrong_builds_and_tells_the_score() -> None:
    done = kubephase("faults", "moves-pods", "forgets-failed-event", "--jobs", 1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "score: 3 of 3 detected by topic (2 wrong builds" in done.stdout
    data = as_json("faults", "moves-pods", "--profile", "v0.17.0", "--jobs", 1)
    assert (data["detected"], data["tried"], data["trials"][0]["result"]) == (1, 1, "detected")
    done = kubephase("faults", "moves-pod")
    assert done.returncode == 2
    assert "no fault 'moves-pod' (nearest: moves-pods" in done.stderr


def test_faults_names_what_was_missed() -> None:
    done = kubephase("faults", "--runtime", "tests.conformance.test_trial:Tried", "--seeds", 1, "--jobs", 1, cwd=ROOT)
    assert done.returncode == 1
    assert "✘ nothing (nothing is wrong) under seed: survives" in done.stdout
    assert "✘ forgets-completed-event (no such event) under seed: by accident" in done.stdout
    assert "its topic: pod.sharing" in done.stdout
    assert "score: 2 of 4 detected by topic (3 wrong builds" in done.stdout


def test_soak_runs_the_suite_again_and_again() -> None:
    done = kubephase("soak", "--runs", 2, "--seed", 50, "--profile", "seed", "--jobs", 1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(r"2 runs under seed, seeds 50 to 51: \d+ pass \(", done.stdout)
    runtime = "tests.conformance.test_trial:AlwaysWrong"
    done = kubephase("soak", "--runs", 1, "--profile", "seed", "--jobs", 1, "--runtime", runtime, cwd=ROOT)
    assert done.returncode == 1
    assert "✘ seed, seed 0: sharing/a_pod_is_reached_at_an_address_of_its_own" in done.stdout


def test_conform_smoke_checks_the_adapter_only() -> None:
    done = kubephase("conform", "--smoke")
    assert done.returncode == 0
    assert "smoke: the adapter works" in done.stdout
    done = kubephase("conform", "--runtime", "tests.conformance.wrong_runtimes:BreaksOnCreate", cwd=ROOT)
    assert done.returncode == 1
    assert "the adapter does not work" in done.stdout
    assert "ZeroDivisionError" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--runtime", "simulater"), "nearest: simulator"),
        (("--select", "pod.restrat"), "nearest: pod.restart"),
        (("--fault", "moves-pod"), "nearest: moves-pods"),
        (("--profile", "v0.18"), "there are: seed, v0.17.0"),
        (("--jobs", 0), "not in the range"),
        (("--deviations", "none.toml"), "none.toml: No such file"),
    ],
)
def test_conform_refuses_wrong_usage_with_exit_code_2(arguments: tuple[object, ...], message: str) -> None:
    done = kubephase("conform", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_writes_the_report_of_what_it_has(number: int, tmp_path: Path) -> None:
    """The fourth scenario of this runtime goes on for ever, and says so; then the signal comes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kubephase", "conform", "--runtime", "tests.conformance.wrong_runtimes:WaitsForASignal",
         "--jobs", "1", "--deadline", "1e9", "--report", str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "interrupted: 3 of" in out
    end = json.loads((tmp_path / "report.jsonl").read_text().splitlines()[-1])
    assert (end["interrupted"], end["scenarios"]) == (True, 3)


# --- demo and pytest ------------------------------------------------------------------------------------------------


def test_the_demo_does_the_main_job(tmp_path: Path) -> None:
    done = kubephase("demo", "--recordings", FOLDER, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "30 of 30 recordings conform" in done.stdout
    assert "rule group" in done.stdout
    assert (tmp_path / "conform" / "report.jsonl").exists()
    assert list((tmp_path / "diagrams").rglob("*.mmd"))


def pytest_conformance(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The documented call, from a folder that knows nothing of the project."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--pyargs", "conformance", "-q", "-p", "no:cacheprovider", *arguments],
        capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False,
    )  # fmt: skip


def test_pytest_runs_the_suite_from_any_folder(tmp_path: Path) -> None:
    done = pytest_conformance(tmp_path, "--runtime", "simulator")
    assert done.returncode == 0, done.stdout
    assert "202 passed" in done.stdout
    assert "│ container/Always    │ 7/7      │ 9/9 " in done.stdout


def test_pytest_shows_rule_line_and_reason_of_a_failure(tmp_path: Path) -> None:
    done = pytest_conformance(tmp_path, "--runtime", "simulator", "--runtime-fault", "ignores-dead-disk")
    assert done.returncode == 1
    assert "MUST: A disk of a running pod dies: the pod becomes failed" in done.stdout
    assert "9 failed, 193 passed" in done.stdout


def test_pytest_selects_skips_and_excuses(tmp_path: Path) -> None:
    done = pytest_conformance(tmp_path, "--runtime-select", "pod.disk", "--runtime-profile", "seed")
    assert "9 passed, 206 deselected" in done.stdout
    known = tmp_path / "known.toml"
    known.write_text('[[deviation]]\nid = "pod.disk"\nreason = "r"\nlink = "l"\nexpires = 2099-01-01\n')
    done = pytest_conformance(
        tmp_path,
        "--runtime-select",
        "pod.disk",
        "--runtime-fault",
        "ignores-dead-disk",
        "--runtime-deviations",
        str(known),
    )
    assert done.returncode == 0, done.stdout
    assert "9 xfailed" in done.stdout
    done = pytest_conformance(tmp_path, "--runtime-select", "pod.disk", "--runtime-deviations", str(known))
    assert done.returncode != 0
    assert "unexpected pass" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("option", "value"), [("--runtime", "simulater"), ("--runtime-profile", "sead"), ("--runtime-select", "x.y")]
)
def test_pytest_refuses_wrong_usage(option: str, value: str, tmp_path: Path) -> None:
    done = pytest_conformance(tmp_path, option, value)
    assert done.returncode == 4, done.stdout
    assert value in done.stderr + done.stdout
    assert "INTERNALERROR" not in done.stdout
