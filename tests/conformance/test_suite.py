"""The suite itself: it passes a right runtime and fails every wrong one; a wrong adapter is something else."""

from __future__ import annotations

import datetime
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from adapters.simulated_kubelet import PHASES, RESTARTS
from adapters.simulator import FAULTS, SimulatedCluster, Simulator
from conformance import deviations, recordings, report, runner, smoke, trial
from conformance.history import History
from conformance.judge import judge
from conformance.runner import NoRuntime, Outcome, Settings, run_all, run_scenario
from conformance.runtime import Cluster, Observation, PodSeen, Runtime
from conformance.scenario import Run, Scenario, all_scenarios, selected
from conformance.verdict import Verdict
from model.profiles import PROFILES, profile
from model.registry import UnknownRule, all_rules
from tests.conformance import wrong_runtimes

SEED = profile("seed")


def run(runtime: Runtime, *prefixes: str, by: str = "seed", seed: int = 0, deadline: float = 300.0) -> list[Outcome]:
    settings = Settings(profile(by), seed=seed, deadline=deadline)
    return list(run_all(runtime, selected(by, prefixes), settings))


def verdicts(outcomes: list[Outcome]) -> set[Verdict]:
    return {o.verdict for o in outcomes}


# --- right and wrong runtimes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", PROFILES)
@pytest.mark.parametrize("seed", range(6))
def test_the_simulator_passes_every_scenario_with_every_seed(by: str, seed: int) -> None:
    """Latency, reordering and late sampling included. Catches a judge that takes sampling for a failure."""
    outcomes = run(Simulator(), by=by, seed=seed)
    assert len(outcomes) > 70
    assert verdicts(outcomes) == {Verdict.PASS}, [str(f) for o in outcomes for f in o.judgement.findings]


@pytest.mark.parametrize(("fault", "by"), [(name, by) for name, build in FAULTS.items() for by in build.profiles])
def test_every_wrong_build_is_failed_for_what_is_wrong_with_it(fault: str, by: str) -> None:
    """One that the suite does not notice, or only by accident, is a hole in the suite."""
    found = trial.trial("simulator", fault, by)
    assert found.result == "detected", found


def test_there_are_wrong_builds_of_every_kind_that_is_told() -> None:
    """Every cell of the simulator's own decision tables is turned; every topic has rules under every profile."""
    assert len(FAULTS) >= 150
    assert len([build for build in FAULTS.values() if "of which containers are" in build.what]) == 3 * len(PHASES)
    assert len([name for name in FAULTS if "-gives-up-after-" in name or "-restarts-after-" in name]) == len(RESTARTS)
    for name, build in FAULTS.items():
        topics = [[r for r in all_rules().values() if trial.is_on_topic([r.id], (prefix,))] for prefix in build.topic]
        assert all(topics), name
        assert build.profiles, name
        assert all(any(by in r.profiles for rules in topics for r in rules) for by in build.profiles), name


def test_a_runtime_that_sees_nothing_is_unknown_never_a_pass() -> None:
    outcomes = run(wrong_runtimes.Blind(), "pod.restart.success", deadline=5.0)
    assert verdicts(outcomes) == {Verdict.UNKNOWN}


def test_an_adapter_that_breaks_is_an_error_never_a_pass() -> None:
    outcomes = run(wrong_runtimes.BreaksOnCreate(), "pod.restart.success")
    assert verdicts(outcomes) == {Verdict.ERROR}
    assert "ZeroDivisionError: in the adapter" in outcomes[0].reason


def test_an_adapter_that_hangs_is_an_error_and_the_run_ends() -> None:
    settings = Settings(SEED, jobs=2, limit=0.3)
    outcomes = list(run_all(wrong_runtimes.Hangs(), selected("seed", ("pod.restart.success.always",)), settings))
    assert outcomes
    assert verdicts(outcomes) == {Verdict.ERROR}
    assert "did not come back within 0.3 s" in outcomes[0].reason


def test_a_runtime_that_lacks_a_capability_is_skipped_with_the_reason() -> None:
    outcomes = run(wrong_runtimes.CannotKill())
    skipped = {o.scenario.name: o.reason for o in outcomes if o.verdict is Verdict.SKIP}
    assert skipped["the_node_of_a_running_pod_is_cut_off_for_good"] == "the runtime lacks cut-node"
    assert skipped["a_container_is_killed_from_outside"] == "the runtime lacks kill-container; needs root"
    assert verdicts(outcomes) == {Verdict.PASS, Verdict.SKIP}


def test_a_runtime_that_lacks_what_it_claims_is_an_error_in_its_own_words() -> None:
    outcomes = run(wrong_runtimes.ClaimsToKill())
    errors = {o.scenario.name: o for o in outcomes if o.verdict is Verdict.ERROR}
    assert "a_container_is_killed_from_outside" in errors
    for outcome in errors.values():
        assert "kill-container" in outcome.scenario.needs
        claim = "the runtime claims 'kill-container', but inject() raised Unsupported: needs root"
        assert outcome.reason.startswith(f"AdapterError: {claim}\n")
    assert verdicts(outcomes) == {Verdict.PASS, Verdict.ERROR}


def test_the_smoke_check_tells_a_wrong_adapter_from_a_wrong_runtime() -> None:
    settings = Settings(SEED, deadline=5.0)
    assert smoke.smoke(Simulator(), settings).verdict is Verdict.PASS
    assert smoke.smoke(wrong_runtimes.BreaksOnCreate(), settings).verdict is Verdict.ERROR
    assert smoke.smoke(Simulator(fault="node-skips-pending"), settings).verdict is Verdict.PASS
    assert smoke.smoke(wrong_runtimes.Blind(), settings).verdict is Verdict.UNKNOWN


def altered(change: Callable[[PodSeen], object]) -> Runtime:
    """The simulator with its pod observations changed on their way."""

    class Altered(Simulator):
        class Changed(SimulatedCluster):
            def observe(self, timeout: float) -> Sequence[Observation]:
                return [change(o) if isinstance(o, PodSeen) else o for o in super().observe(timeout)]  # type: ignore[misc]

        def open(self, scenario: str, seed: int, profile: str) -> SimulatedCluster:
            cluster = super().open(scenario, seed, profile)
            cluster.__class__ = self.Changed
            return cluster

    return Altered()


def wrong_code(seen: PodSeen) -> PodSeen:
    statuses = tuple(
        msgspec.structs.replace(c, exit_code=8 if c.exit_code == 7 else c.exit_code,
                                last_exit_code=8 if c.last_exit_code == 7 else c.last_exit_code)
        for c in seen.containers or ()
    )  # fmt: skip
    return msgspec.structs.replace(seen, containers=statuses or None)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda o: "a pod", "observe() returned str: expected PodSeen"),
        (lambda o: msgspec.structs.replace(o, policy="Foo"), "Invalid enum value 'Foo'"),
        (lambda o: msgspec.structs.replace(o, phase=3), "Expected `str`, got `int`"),
        (lambda o: msgspec.structs.replace(o, at=float("nan")), "Expected `float`, got `null`"),
        (lambda o: msgspec.structs.replace(o, containers=7), "Expected `array | null`, got `int`"),
    ],
    ids=["no-struct", "enum", "phase", "nan", "containers"],
)  # fmt: skip
def test_an_observation_that_is_none_is_an_error_of_the_adapter(
    change: Callable[[PodSeen], object], problem: str
) -> None:
    outcomes = run(altered(change), "pod.restart.failure.never")
    assert verdicts(outcomes) == {Verdict.ERROR}
    assert problem in outcomes[0].reason


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (wrong_code, "history.workload.done"),
        (lambda o: msgspec.structs.replace(o, node="elsewhere" if o.node else None), "pod.binding.scheduler"),
        (lambda o: msgspec.structs.replace(o, members=("zz",), containers=None), "history.workload.done"),
    ],
    ids=["exit-code", "node", "members"],
)  # fmt: skip
def test_an_observation_that_contradicts_what_was_asked_for_is_a_failure(
    change: Callable[[PodSeen], object], rule: str
) -> None:
    """A container exits with 8 though its workload says 7; a pod runs on a node that nobody created."""
    outcomes = run(altered(change), "pod.restart.failure.never")
    failed = [f for o in outcomes for f in o.judgement.findings if f.verdict is Verdict.FAIL]
    assert any(rule in f.rules for f in failed), failed


def test_an_adapter_that_tries_to_exit_is_an_error() -> None:
    class Exits(Simulator):
        def open(self, scenario: str, seed: int, profile: str) -> SimulatedCluster:
            raise SystemExit(0)

    assert verdicts(run(Exits(), "pod.restart.success")) == {Verdict.ERROR}


def test_the_smoke_check_ends_with_an_adapter_that_hangs() -> None:
    outcome = smoke.smoke(wrong_runtimes.Hangs(), Settings(SEED, limit=0.3))
    assert outcome.verdict is Verdict.ERROR
    assert "did not come back" in outcome.reason


# --- finding a runtime ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("simulater", r"no runtime 'simulater' \(nearest: simulator\)"),
        ("tests.conformance.wrong_runtimes:Hang", r"has no class 'Hang' \(nearest: Hangs\)"),
        (
            "tests.conformance.wrong_runtimes:NoObserve",
            r"lacks open\(\), close\(\): a runtime needs describe, open, close",
        ),
        ("no.such.module:X", r"adapter no\.such\.module cannot be imported: ModuleNotFoundError"),
        ("none.py:X", r"adapter file none\.py does not exist"),
    ],
)
def test_a_runtime_that_cannot_be_had_is_refused_with_what_to_do(spec: str, message: str) -> None:
    with pytest.raises(NoRuntime, match=message):
        runner.runtime_class(spec)


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        (wrong_runtimes.BadDescription, r"describe\(\) returned str: expected About"),
        (wrong_runtimes.UnknownCapability, r"unknown capability 'quiescense' \(nearest: quiescence"),
        (wrong_runtimes.FailsToStart, r"cannot be started: OSError: no engine answers"),
    ],
)
def test_an_adapter_that_does_not_start_is_refused_with_the_reason(adapter: type[Runtime], message: str) -> None:
    with pytest.raises(NoRuntime, match=message):
        runner.start(adapter)


def test_an_adapter_whose_cluster_lacks_a_method_is_an_error_that_names_it() -> None:
    class Half(Simulator):
        def open(self, scenario: str, seed: int, profile: str) -> Cluster:  # type: ignore[override]
            return object()  # type: ignore[return-value]

    outcomes = run(Half(), "pod.restart.success.always")
    assert verdicts(outcomes) == {Verdict.ERROR}
    assert "the adapter's cluster lacks create_node(), create_pod()" in outcomes[0].reason


def test_an_adapter_file_that_breaks_while_it_is_imported_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("raise RuntimeError('half written')")
    with pytest.raises(NoRuntime, match="cannot be imported: RuntimeError: half written"):
        runner.runtime_class(f"{path}:Mine")


def test_an_adapter_is_taken_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("from adapters.simulator import Simulator\nclass Mine(Simulator): pass\n")
    outcomes = run(runner.start(runner.runtime_class(f"{path}:Mine")), "pod.restart.success.never")
    assert outcomes
    assert verdicts(outcomes) == {Verdict.PASS}


def test_an_unknown_fault_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(NoRuntime, match=r"no fault 'moves-pod' .nearest: moves-pods"):
        runner.start(Simulator, "moves-pod")


# --- scenarios and histories ----------------------------------------------------------------------------------------


def test_a_stored_history_is_judged_again_with_the_same_result(tmp_path: Path) -> None:
    """The verdict depends on nothing but the history. Catches a judge that looks at the run."""
    for fault in (None, "never-restarts-after-failure", "forgets-out-of-memory-event", "ignores-lost-node"):
        settings = Settings(SEED, folder=tmp_path)
        runtime = Simulator(fault=fault)
        for outcome in run_all(runtime, selected("seed", ("pod.restart", "pod.partition")), settings):
            assert outcome.history is not None
            again = judge(recordings.read(outcome.history), SEED)
            assert (again.verdict, again.findings) == (outcome.judgement.verdict, outcome.judgement.findings)


def test_the_same_seed_makes_the_same_history_and_another_makes_another() -> None:
    def records(seed: int) -> list[object]:
        settings = Settings(SEED, seed=seed)
        scenario = next(s for s in selected("seed") if "three_containers" in s.id)
        history = History()
        cluster = Simulator().open(scenario.id, settings.seed, "seed")
        scenario.function(Run(scenario, SEED, cluster, history, Simulator().describe().capabilities, 300.0))
        return [*history.records]

    assert records(3) == records(3)
    assert records(3) != records(4)


def test_ids_select_by_whole_parts_and_by_scenario() -> None:
    assert {s.section for s in selected("seed", ("pod.disk",))} == {"disk", "replication"}
    assert all(
        any(r.startswith("pod.restart.oom") for r in s.rules("seed")) for s in selected("seed", ("pod.restart.oom",))
    )
    assert {s.section for s in selected("seed", ("partition/",))} == {"partition"}
    with pytest.raises(UnknownRule, match=r"nearest: .*pod\.restart"):
        selected("seed", ("pod.restrat",))


def test_every_scenario_has_a_name_that_is_a_sentence_a_reason_and_rules() -> None:
    every = all_scenarios()
    assert len({s.id for s in every}) == len(every)
    for s in every:
        assert s.name.count("_") >= 3, s.id
        assert inspect.getdoc(s.function), s.id
        assert any(s.rules(p) for p in PROFILES), s.id


def test_a_scenario_checks_only_rules_of_its_own_policy() -> None:
    for s in all_scenarios():
        for rule in s.rules("seed"):
            last = rule.rpartition(".")[2]
            assert last not in {"always", "onfailure", "never"} or last == s.policy.lower(), s.id


def test_every_pod_rule_of_the_seed_that_a_runtime_shows_has_a_scenario() -> None:
    """All phase, restart, disk, partition, life, event and node phase and condition rules. What is left is for issues
    to come: sharing, replication, the node controller's lists."""
    checked = {r for s in all_scenarios() for r in s.rules("seed")}
    groups = ("pod.phase", "pod.restart", "pod.disk", "pod.partition", "pod.life", "pod.event", "pod.binding",
              "node.phase", "node.condition")  # fmt: skip
    left = {
        r.id for r in all_rules().values()
        if "seed" in r.profiles and r.group in groups and r.level == "MUST" and r.id not in checked
    }  # fmt: skip
    assert left == set()


# --- deviations and reports -----------------------------------------------------------------------------------------

TODAY = datetime.date(2026, 11, 23)


def declared(tmp_path: Path, rule: str, expires: str = "2027-01-01") -> list[deviations.Deviation]:
    path = tmp_path / "deviations.toml"
    path.write_text(
        f'[[deviation]]\nid = "{rule}"\nreason = "known"\nlink = "https://example.org/1"\nexpires = {expires}\n'
    )
    return deviations.load(path)


def test_a_declared_deviation_disables_what_fails_by_it_and_nothing_else(tmp_path: Path) -> None:
    outcomes = run(Simulator(fault="forgets-completed-event"))
    known = declared(tmp_path, "pod.event")
    excused = [deviations.excuse(o, known, TODAY) for o in outcomes]
    assert verdicts(excused) == {Verdict.PASS, Verdict.DISABLED}
    assert "known (https://example.org/1" in next(o.reason for o in excused if o.verdict is Verdict.DISABLED)
    assert deviations.complaints(outcomes, known, "seed", TODAY) == []
    other = [deviations.excuse(o, declared(tmp_path, "pod.disk"), TODAY) for o in outcomes]
    assert Verdict.FAIL in verdicts(other)


def test_a_deviation_that_is_no_more_is_a_failure(tmp_path: Path) -> None:
    found = deviations.complaints(run(Simulator()), declared(tmp_path, "pod.disk.kills"), "seed", TODAY)
    assert [f.verdict for f in found] == [Verdict.FAIL]
    assert "unexpected pass" in found[0].findings[0].reason


def test_a_deviation_that_has_expired_excuses_nothing(tmp_path: Path) -> None:
    outcomes = run(Simulator(fault="forgets-completed-event"), "pod.event")
    known = declared(tmp_path, "pod.event", "2026-01-01")
    assert Verdict.FAIL in verdicts([deviations.excuse(o, known, TODAY) for o in outcomes])
    assert "expired on 2026-01-01" in deviations.complaints(outcomes, known, "seed", TODAY)[0].findings[0].reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[[deviation]]\nid = "pod.evnt"\nreason = "r"\nlink = "l"\nexpires = 2027-01-01',
            r"no rule id begins with 'pod.evnt'",
        ),
        ('[[deviation]]\nid = "pod.event"\nreason = "r"\nlink = "l"', r"missing required field `expires`"),
        (
            '[[deviation]]\nid = "pod.event"\nreason = "r"\nlink = "l"\nexpires = "soon"',
            r"Invalid RFC3339|Expected `date`",
        ),
        ('[[deviation]]\nid = ""\nreason = "r"\nlink = "l"\nexpires = 2027-01-01', r"length >= 1"),
        ("[[deviations]]\n", r"unknown field `deviations`"),
        ("[[", r"."),
    ],
)
def test_a_bad_deviations_file_is_refused_with_the_reason(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(deviations.BadDeviations, match=message):
        deviations.load(path)


def test_the_matrix_counts_rules_and_shows_the_strongest_verdict() -> None:
    columns = {
        "a": {"pod.phase.pending": Verdict.PASS, "pod.phase.running": Verdict.PASS},
        "b": {"pod.phase.pending": Verdict.PASS, "pod.phase.running": Verdict.FAIL, "node.phase.values": Verdict.SKIP},
    }
    text = report.matrix(columns)
    row = next(line for line in text.splitlines() if "pod.phase" in line)
    assert [cell.strip() for cell in row.split("│")[1:4]] == ["pod.phase", "✔ 2", "✘ 1 of 2"]
    assert "· " in next(line for line in text.splitlines() if "node.phase" in line)


def test_a_rule_that_only_passing_scenarios_check_passes_and_one_failure_outweighs_them() -> None:
    right = report.by_rule(run(Simulator(), "pod.restart.failure"))
    wrong = report.by_rule(run(Simulator(fault="never-restarts-after-failure"), "pod.restart.failure"))
    assert right["pod.restart.failure.never"] is Verdict.PASS
    assert wrong["pod.restart.failure.never"] is Verdict.FAIL
    assert wrong["pod.restart.failure.onfailure"] is Verdict.PASS


def test_a_clean_up_that_fails_is_told() -> None:
    class Dirty(Simulator):
        def open(self, scenario: str, seed: int, profile: str) -> Cluster:  # type: ignore[override]
            cluster = super().open(scenario, seed, profile)

            def close() -> None:
                raise OSError("two containers are left")

            cluster.close = close  # type: ignore[method-assign]
            return cluster

    scenario: Scenario = selected("seed", ("pod.restart.success.never",))[0]
    runtime = Dirty()
    outcome = run_scenario(runtime, runtime.describe(), scenario, Settings(SEED))
    assert outcome.verdict is Verdict.ERROR
    assert "two containers are left" in outcome.reason
