"""Whatever an adapter does, the run ends, nothing that it did wrong is a pass, and it is told in its words."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.simulator import SimulatedCluster, Simulator
from conformance import report, runner
from conformance.runner import NoRuntime, Outcome, Settings, run_all
from conformance.runtime import About, ContainerSeen, EventSeen, NodeSeen, Observation, PodSeen, Refused, Unsupported
from conformance.scenario import selected
from conformance.verdict import Verdict
from model.profiles import profile

SEED = profile("seed")
EXAMPLES = int(os.environ.get("KUBEPHASE_FUZZ", "25"))
ROOT = Path(__file__).parents[2]

SCENARIOS = selected("seed", ("pod.restart.success.onfailure", "node_phase", "pod.partition.failed"))[:6]
"""A pod that ends, nodes that end, a node that is cut off."""


class Odd(Exception):
    """Says nothing."""

    def __str__(self) -> str:
        raise ValueError("no words")


class Escape(BaseException):
    """Is no `Exception`."""


WORDS = "in \x1b[31mthe adapter\x00 \ud800"
ERRORS: list[Callable[[], BaseException]] = [
    lambda: ZeroDivisionError(WORDS), lambda: Odd(WORDS), lambda: SystemExit(WORDS), lambda: KeyboardInterrupt(WORDS),
    lambda: Escape(WORDS), lambda: GeneratorExit(WORDS), lambda: StopIteration(WORDS), lambda: RecursionError(WORDS),
    lambda: MemoryError(WORDS), lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, WORDS), lambda: Refused(WORDS),
    lambda: TimeoutError(WORDS),
]  # fmt: skip
CLUSTER = ("create_node", "create_pod", "inject", "observe", "quiescent", "drain", "close")


class Misbehaves(Simulator):
    """The simulator, but one call of one of its cluster's methods, in one of its scenarios, does something else."""

    def __init__(self, method: str, call: int, instead: Callable[[Callable[..., Any]], Any]) -> None:
        super().__init__()
        self.method, self.call, self.instead = method, call, instead
        self.done: set[str] = set()
        """The scenarios in which it was called so often."""

    def open(self, scenario: str, seed: int, profile: str) -> SimulatedCluster:
        if self.method == "open":
            self.done.add(scenario)
            self.instead(lambda: None)
        cluster = super().open(scenario, seed, profile)
        right, calls = getattr(cluster, self.method, None), 0

        def wrong(*given: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls != self.call:
                return right(*given)  # type: ignore[misc]
            self.done.add(scenario)
            return self.instead(lambda: right(*given))  # type: ignore[misc]

        if self.method != "open":
            setattr(cluster, self.method, wrong)
        return cluster


def outcomes(runtime: Simulator, **more: Any) -> list[Outcome]:
    found = list(run_all(runtime, SCENARIOS, Settings(SEED, **more)))
    assert len(found) == len(SCENARIOS)
    for outcome in found:
        for finding in outcome.judgement.findings:
            assert str(finding).isprintable() or "\n" in str(finding)
            str(finding).encode()
    return found


def raising(error: Callable[[], BaseException]) -> Callable[[object], Any]:
    def instead(_: object) -> Any:
        raise error()

    return instead


@settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES <= 25)
@given(st.sampled_from(("open", *CLUSTER)), st.integers(1, 4), st.sampled_from(ERRORS))
def test_an_adapter_that_throws_is_an_error_in_its_own_words(
    method: str, call: int, error: Callable[[], BaseException]
) -> None:
    """Those of its scenarios in which it does not are judged as ever."""
    runtime = Misbehaves(method, call, raising(error))
    for outcome in outcomes(runtime):
        if outcome.scenario.id in runtime.done:
            assert outcome.verdict is Verdict.ERROR
            assert type(error()).__name__ in outcome.reason
            assert "in \\x1b[31mthe adapter" in outcome.reason or isinstance(error(), Odd), outcome.reason
        else:
            assert outcome.verdict is Verdict.PASS, outcome.reason


NONSENSE: list[Any] = [
    None, 0, 7, "", "Running", b"x", object(), Ellipsis, float("nan"), {}, {"pods": []}, [None], ["pod"], [[]], {1, 2},
    iter([]), (x for x in (1, 2)), Exception("e"), PodSeen, lambda: [], [PodSeen], range(10**9), range(3),
]  # fmt: skip
POD = PodSeen(1.0, "p1", "u", "Always", "Running", ("c1",), "n1", (ContainerSeen("c1", "running", instance="i"),))
WRONG: list[Observation] = [
    msgspec.structs.replace(POD, **change)
    for change in (
        {"at": float("nan")}, {"at": float("inf")}, {"at": None}, {"at": "1"}, {"name": None}, {"name": b"p1"},
        {"name": "\ud800"}, {"policy": "Sometimes"}, {"phase": 3}, {"members": ()}, {"members": "c1"},
        {"members": ("c",) * 100}, {"containers": 1}, {"containers": (None,)}, {"labels": [1]}, {"labels": {1: None}},
        {"deleted": "no"}, {"uid": object()}, {"name": "x" * 9_000_000},
        {"containers": (ContainerSeen("c1", "asleep"),)},  # type: ignore[arg-type]
        {"containers": (ContainerSeen("c1", "running", started_at=float("nan")),)},
        {"containers": (ContainerSeen("c1", "running", restarts=0.5),)},  # type: ignore[arg-type]
        {"containers": (ContainerSeen("c1", "running", restarts=-1),)},
    )
]  # fmt: skip
WRONG += [
    NodeSeen(1.0, "n1", "u", reachable="Perhaps"),  # type: ignore[arg-type]
    EventSeen(1.0, "e", "killing", "Pod", "p1", float("-inf")),
    EventSeen(1.0, "e", "killing", "Pod", "p1", 1.0, count=-1),
]


@settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES <= 25)
@given(
    st.integers(1, 6),
    st.one_of(st.sampled_from(NONSENSE), st.lists(st.sampled_from([*WRONG, None, 1]), min_size=1, max_size=3)),
)
def test_what_is_no_observation_is_an_error_that_says_what_came(call: int, answer: Any) -> None:
    runtime = Misbehaves("observe", call, lambda right: answer)
    assert {o.verdict for o in outcomes(runtime) if o.scenario.id in runtime.done} <= {Verdict.ERROR}
    for outcome in outcomes(runtime):
        if outcome.scenario.id in runtime.done:
            assert outcome.reason.startswith("AdapterError: observe() returned"), outcome.reason


@pytest.mark.parametrize("answer", [None, 1, "yes", [], object(), float("nan")], ids=lambda a: type(a).__name__)
def test_an_answer_whether_all_is_at_rest_that_is_none_is_an_error(answer: Any) -> None:
    runtime = Misbehaves("quiescent", 1, lambda right: answer)
    found = {o.verdict: o.reason for o in outcomes(runtime) if o.scenario.id in runtime.done}
    assert found.keys() == {Verdict.ERROR}
    assert "quiescent() returned" in found[Verdict.ERROR]


def test_one_that_never_ends_its_answer_is_cut_off() -> None:
    class Endless(Sequence[Observation]):
        def __len__(self) -> int:
            return 1

        def __getitem__(self, at: Any) -> Any:
            return POD

    runtime = Misbehaves("observe", 1, lambda right: Endless())
    (outcome,) = run_all(runtime, SCENARIOS[:1], Settings(SEED))
    assert outcome.verdict is Verdict.FAIL, "so many of one pod's observations break rules, too"
    assert any("more than 100,000 observations" in f.reason for f in outcome.judgement.findings)


# --- blocking -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["open", *CLUSTER])
def test_one_that_blocks_is_left_behind_and_the_others_are_judged(method: str) -> None:
    """Only one of the scenarios blocks."""
    blocked = SCENARIOS[-1].id

    class Blocks(Misbehaves):
        def open(self, scenario: str, seed: int, profile: str) -> SimulatedCluster:
            self.method = method if scenario == blocked else "close"
            self.call = 1 if scenario == blocked else -1
            return super().open(scenario, seed, profile)

    forever = threading.Event()
    found = outcomes(Blocks(method, 1, lambda right: forever.wait()), jobs=1, limit=0.6)
    by_id = {o.scenario.id: o for o in found}
    stuck = by_id.pop(blocked)
    assert stuck.verdict is Verdict.ERROR
    assert "did not come back within 0.6 s" in stuck.reason
    assert {o.verdict for o in by_id.values()} == {Verdict.PASS}
    forever.set()


BLOCKING = """
import threading
from adapters.simulator import Simulator

class Mine(Simulator):
    def {method}(self, *given, **more):
        keep = threading.Thread(target=threading.Event().wait)  # keeps an ordinary process from ending
        keep.start()
        keep.join()
"""


@pytest.mark.parametrize(("method", "code"), [("__init__", 2), ("describe", 2), ("close", 1), ("open", 1)])
def test_a_runtime_that_blocks_does_not_keep_the_command_from_ending(method: str, code: int, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(BLOCKING.format(method=method))
    options = ["--runtime", f"{path}:Mine", "--limit", "1", "--select", "pod.restart.success.never"]
    command = [sys.executable, "-m", "kubephase", "conform", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    told = done.stdout + done.stderr
    assert "did not come back within 1 s" in told
    assert "Traceback" not in told
    assert done.returncode == code, told


# --- what it says of itself -----------------------------------------------------------------------------------------


def describing(*answers: Any) -> type[Simulator]:
    class Describes(Simulator):
        said = 0

        def describe(self) -> About:
            answer = answers[min(self.said, len(answers) - 1)]
            Describes.said += 1
            if isinstance(answer, BaseException):
                raise answer
            return answer(super().describe()) if callable(answer) else answer  # type: ignore[no-any-return]

    return Describes


def with_(**change: Any) -> Callable[[About], About]:
    return lambda about: msgspec.structs.replace(about, **change)


@pytest.mark.parametrize(
    "answer",
    [
        None, 3, "a fine runtime", Odd(), SystemExit("bye"), ZeroDivisionError("no"), Escape("out"),
        with_(name=None), with_(name="\ud800"), with_(version=1), with_(capabilities=None),
        with_(capabilities={"events"}),
        with_(capabilities=frozenset({1})), with_(capabilities=frozenset({"flying"})), with_(time_out=float("inf")),
        with_(time_out=float("nan")), with_(time_out=-1.0), with_(time_out="soon"), with_(lacks=None),
        with_(lacks={"events": 1}), with_(notes=(1,)), with_(notes=3), with_(lacks_under=None),
        with_(lacks_under={"seed": {"flying": "no wings"}}), with_(lacks_under={"seed": ["events"]}),
    ],
    ids=lambda a: getattr(a, "__name__", type(a).__name__),
)  # fmt: skip
def test_a_description_that_is_none_is_refused(answer: Any) -> None:
    with pytest.raises(NoRuntime):
        runner.start(describing(answer))


def test_the_first_description_of_a_run_holds() -> None:
    """One that has other words each time does not change what is tried, nor break the report."""
    all_of_it, nothing = with_(), with_(capabilities=frozenset(), name="another")
    runtime = describing(all_of_it, all_of_it, nothing)()
    about = runner.described(runtime)
    found = list(run_all(runtime, SCENARIOS, Settings(SEED), about=about))
    assert {o.verdict for o in found} == {Verdict.PASS}


def test_one_that_can_no_longer_describe_itself_is_refused() -> None:
    runtime = describing(with_(), ZeroDivisionError("later"))()
    runner.described(runtime)
    with pytest.raises(NoRuntime, match="ZeroDivisionError: later"):
        list(run_all(runtime, SCENARIOS, Settings(SEED)))


@pytest.mark.parametrize("method", ["observe", "quiescent"])
def test_one_that_cannot_do_what_it_says_is_an_error_not_a_skip(method: str) -> None:
    runtime = Misbehaves(method, 2, raising(lambda: Unsupported("no eyes")))
    found = [o for o in outcomes(runtime) if o.scenario.id in runtime.done]
    assert {o.verdict for o in found} == {Verdict.ERROR}
    assert f"{method}() raised Unsupported: no eyes" in found[0].reason


@pytest.mark.parametrize(
    ("method", "capability"),
    [
        ("inject", "cut-node"), ("create_controller", "replication"), ("scale_controller", "scaling"),
        ("list_machines", "node-list"),
    ],
)  # fmt: skip
def test_one_that_claims_what_it_says_it_cannot_do_is_an_error_in_its_own_words(method: str, capability: str) -> None:
    needs_it = [s for s in selected("seed") if capability in s.needs][:3]
    runtime = Misbehaves(method, 1, raising(lambda: Unsupported("needs wings")))
    found = list(run_all(runtime, needs_it, Settings(SEED)))
    assert runtime.done == {o.scenario.id for o in found}
    for outcome in found:
        assert outcome.verdict is Verdict.ERROR
        told = f"the runtime claims '{capability}', but {method}() raised Unsupported: needs wings"
        assert outcome.reason.startswith(f"AdapterError: {told}\n")


def test_what_cannot_be_provided_for_is_an_error_if_it_was_claimed() -> None:
    """It is no matter of the profile: `open` does it."""

    class CannotProvide(Simulator):
        def open_for(self, scenario: str, seed: int, profile: str, needs: Sequence[str]) -> SimulatedCluster:
            raise Unsupported("needs a broom")

    found = list(run_all(CannotProvide(), selected("seed", ("pod_life",)), Settings(SEED)))
    for outcome in found:
        if outcome.scenario.needs:
            assert outcome.verdict is Verdict.ERROR
            told = "the runtime claims 'reaping', but open_for() raised Unsupported: needs a broom"
            assert outcome.reason.startswith(f"AdapterError: {told}\n")
        else:
            assert (outcome.verdict, outcome.reason) == (Verdict.SKIP, "needs a broom")
    assert {o.verdict for o in found} == {Verdict.SKIP, Verdict.ERROR}


def test_one_that_does_not_do_the_profile_at_all_is_skipped_whatever_is_needed() -> None:
    class Other(Simulator):
        def open(self, scenario: str, seed: int, profile: str) -> SimulatedCluster:
            raise Unsupported(f"no {profile} here")

    found = outcomes(Other())
    assert any(o.scenario.needs for o in found)
    assert {(o.verdict, o.reason) for o in found} == {(Verdict.SKIP, "no seed here")}


def test_one_that_has_one_node_only_is_skipped_where_there_are_to_be_two() -> None:
    """How many nodes there can be is no capability."""
    runtime = Misbehaves("create_node", 2, raising(lambda: Unsupported("there is one node only")))
    found = [o for o in outcomes(runtime) if o.scenario.id in runtime.done]
    assert found
    assert {(o.verdict, o.reason) for o in found} == {(Verdict.SKIP, "there is one node only")}


def test_one_that_does_nothing_though_it_says_it_can_never_passes() -> None:
    """A fault that is not there leaves the goal open."""
    runtime = Misbehaves("inject", 1, lambda right: None)
    found = [o for o in outcomes(runtime, deadline=20.0) if o.scenario.id in runtime.done]
    assert found
    assert Verdict.PASS not in {o.verdict for o in found}


# --- reports --------------------------------------------------------------------------------------------------------


def test_a_report_can_be_written_of_any_words(tmp_path: Path) -> None:
    """XML has no NUL, UTF-8 no surrogates."""
    (tmp_path / "histories").mkdir()
    runtime = Misbehaves("create_pod", 1, raising(lambda: ZeroDivisionError(WORDS)))
    found = outcomes(runtime, folder=tmp_path / "histories")
    settings_ = Settings(SEED)
    data = report.run_data(runtime.describe(), "x", settings_, (), None)
    end = report.end_data(found, len(found), Verdict.ERROR, 1.0, [])
    report.write(tmp_path, data, found, end)
    messages = [e.get("message") for e in ElementTree.parse(tmp_path / "junit.xml").iter("error")]
    assert messages
    assert all("in \\x1b[31mthe adapter\\x00 \\ud800" in str(message) for message in messages)


def test_a_history_that_cannot_be_written_is_an_error_of_its_scenario(tmp_path: Path) -> None:
    path = tmp_path / "histories"
    path.mkdir()
    found = list(run_all(Simulator(), SCENARIOS[:1], Settings(SEED, folder=path / "gone")))
    assert [o.verdict for o in found] == [Verdict.ERROR]
    assert "FileNotFoundError" in found[0].reason
