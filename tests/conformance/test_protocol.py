"""The parts of the protocol that a runtime may have or not, and what the judge makes of what they show."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from adapters.simulator import SimulatedCluster, Simulator
from conformance import deviations, recordings, report, runner
from conformance.history import ControllerWant, Header, PodWant, Quiescent, Record, Seen
from conformance.judge import Judgement, judge
from conformance.runner import NoRuntime, Outcome, Settings, run_all
from conformance.runtime import About, Cluster, ContainerSeen, FrameSeen, Observation, PodSeen
from conformance.scenario import Run, Scenario, selected
from conformance.verdict import Verdict
from conformance.wants import controller_is_so, pod_is_so
from conformance.workload import RUN_ON
from model.profiles import PROFILES, profile

SEED = profile("seed")


def run(runtime: Simulator, *prefixes: str) -> list[Outcome]:
    return list(run_all(runtime, selected("seed", prefixes), Settings(SEED)))


def judged(*seen: Observation | Record) -> Judgement:
    records = [what if isinstance(what, Record) else Seen(what=what, t=what.at) for what in seen]
    numbered = [msgspec.structs.replace(r, seq=n, t=float(n)) for n, r in enumerate(records, 1)]
    return judge(recordings.of_records("made", numbered), SEED)


def broken(judgement: Judgement) -> set[str]:
    return {rule for f in judgement.findings if f.verdict is Verdict.FAIL for rule in f.rules}


# --- what a runtime is told, and tells ------------------------------------------------------------------------------


class Provider(Simulator):
    """Has to know what a scenario will do."""

    def __init__(self) -> None:
        super().__init__()
        self.needs: dict[str, Sequence[str]] = {}

    def open_for(self, scenario: str, seed: int, profile: str, needs: Sequence[str]) -> Cluster:  # type: ignore[override]
        self.needs[scenario] = needs
        return super().open(scenario, seed, profile)

    def open(self, scenario: str, seed: int, profile: str) -> Cluster:  # type: ignore[override]
        raise AssertionError("open_for is there")


def test_a_runtime_that_provides_for_a_scenario_is_told_what_it_will_do() -> None:
    runtime = Provider()
    outcomes = run(runtime, "pod.partition.waits")
    assert {o.verdict for o in outcomes} == {Verdict.PASS}
    assert runtime.needs == {o.scenario.id: o.scenario.needs for o in outcomes}
    assert any("cut-node" in needs for needs in runtime.needs.values())


def test_why_a_capability_is_lacking_is_told_in_the_verdict() -> None:
    class Lame(Simulator):
        def describe(self) -> About:
            about = super().describe()
            can = about.capabilities - {"break-disk", "mend-disk"}
            return About(about.name, about.version, can, {"break-disk": "no /dev/fuse here: apt-get install fuse3"})

    skipped = [o for o in run(Lame(), "pod.disk") if o.verdict is Verdict.SKIP]
    assert {o.reason for o in skipped} == {
        "the runtime lacks break-disk; no /dev/fuse here: apt-get install fuse3",
        "the runtime lacks break-disk, mend-disk; no /dev/fuse here: apt-get install fuse3",
    }


class Bare(Simulator):
    """Has nothing but what every runtime has, and shows no address; it claims the capabilities that it is given."""

    class OfBare(SimulatedCluster):
        create_controller = scale_controller = list_machines = None  # type: ignore[assignment]

        def observe(self, timeout: float) -> Sequence[Observation]:
            seen = super().observe(timeout)
            return [msgspec.structs.replace(o, address=None) if isinstance(o, PodSeen) else o for o in seen]

    def __init__(self, *claimed: str) -> None:
        super().__init__()
        self.claimed = claimed

    def describe(self) -> About:
        return About("bare", "1", frozenset({"quiescence", *self.claimed}))

    def open(self, scenario: str, seed: int, profile: str) -> SimulatedCluster:
        cluster = super().open(scenario, seed, profile)
        cluster.__class__ = self.OfBare
        return cluster


def _asks_for_an_address(run: Run) -> None:
    run.node()
    run.until(run.pod(RUN_ON), phase="Running")
    run.address("p1")


BARE: list[tuple[str, Callable[[Run], object], str]] = [
    ("replication", lambda run: run.controller(RUN_ON), "its cluster has no create_controller()"),
    ("scaling", lambda run: run.scale("rc1", 2), "its cluster has no scale_controller()"),
    ("node-list", lambda run: run.machines("n1"), "its cluster has no list_machines()"),
    ("time-out", lambda run: run.part_of_time_out(0.5),
     "it does not say after what time a lost node's pods are given up"),
    ("network", _asks_for_an_address, "it shows no address of pod p1"),
]  # fmt: skip


@pytest.mark.parametrize(("capability", "ask", "told"), BARE, ids=[capability for capability, _, _ in BARE])
def test_what_is_not_there_is_skipped_with_what_it_is_and_an_error_if_it_was_claimed(
    capability: str, ask: Callable[[Run], None], told: str
) -> None:
    """The scenario does not say what it needs, as one of a user's may not."""
    scenario = Scenario("of_a_test", "test", "Always", ("pod.life.not-by-itself",), (), ask)
    skipped = runner.run_one(Bare(), scenario, Settings(SEED))
    assert (skipped.verdict, skipped.reason) == (Verdict.SKIP, f"the runtime lacks {capability}: {told}")
    error = runner.run_one(Bare(capability), scenario, Settings(SEED))
    assert error.verdict is Verdict.ERROR
    assert error.reason.startswith(f"AdapterError: the runtime claims '{capability}', but {told}\n")


def test_what_a_runtime_lacks_under_one_profile_is_skipped_under_that_one_alone() -> None:
    class HalfReaper(Simulator):
        def describe(self) -> About:
            lacks = {"seed": {"reaping": "no reaper here: build it with --reaper"}}
            return msgspec.structs.replace(super().describe(), lacks_under=lacks)

    (reaping,) = selected("seed", ("pod_life/a_pod_that_has_ended_expires_and_nothing_else_does[Never]",))
    outcome = runner.run_one(HalfReaper(), reaping, Settings(SEED))
    assert outcome.verdict is Verdict.SKIP
    assert outcome.reason == "the runtime lacks reaping; no reaper here: build it with --reaper"
    outcome = runner.run_one(HalfReaper(), reaping, Settings(profile("v0.17.0")))
    assert outcome.verdict is Verdict.ERROR, "there it has claimed it"
    data = [report.run_data(HalfReaper().describe(), "x", Settings(p), (), None) for p in map(profile, PROFILES)]
    assert {d["profile"]: "reaping" in d["capabilities"] for d in data} == {"seed": False, "v0.17.0": True}


class Optional(Simulator):
    """Takes an option."""

    OPTIONS = {"image": "--image"}  # noqa: RUF012 - as an adapter would write it

    def __init__(self, image: str = "none", fault: str | None = None) -> None:
        super().__init__(fault=fault)
        self.image = image


def test_options_go_to_the_runtimes_that_take_them_and_are_refused_by_others() -> None:
    made = runner.start(Optional, None, {"image": "x", "docker_hosts": ()})
    assert isinstance(made, Optional)
    assert made.image == "x"
    assert isinstance(runner.start(Optional, "moves-pods"), Optional)
    with pytest.raises(NoRuntime, match="Optional takes no docker hosts; it takes: --image"):
        runner.start(Optional, None, {"docker_hosts": ("tcp://x",)})
    with pytest.raises(NoRuntime, match="Simulator takes no image; it takes: none"):
        runner.start(Simulator, None, {"image": "x"})


# --- waiting --------------------------------------------------------------------------------------------------------


class Restless(Simulator):
    """Cannot tell when nothing more will happen. ``clocks`` are its times after each observation."""

    def __init__(self, fault: str | None = None) -> None:
        super().__init__(fault=fault)
        self.clocks: list[float] = []

    def describe(self) -> About:
        about = super().describe()
        return About(about.name, about.version, about.capabilities - {"quiescence"})

    def open(self, scenario: str, seed: int, profile: str) -> SimulatedCluster:
        cluster = super().open(scenario, seed, profile)
        look = cluster.observe

        def observe(timeout: float) -> Sequence[Observation]:
            seen = look(timeout)
            self.clocks.append(cluster._loop.now)
            return seen

        cluster.observe = observe  # type: ignore[method-assign]
        return cluster


def test_a_pod_that_has_ended_otherwise_is_not_waited_for() -> None:
    """It will not leave its phase: to wait for the deadline would tell nothing more."""
    scenarios = selected("seed", ("restart_policy/one_container_exits_badly[Never]",))
    runtime = Restless(fault="never-failed-is-succeeded")
    (outcome,) = run_all(runtime, scenarios, Settings(SEED, deadline=10_000.0))
    assert outcome.verdict is Verdict.FAIL
    assert runtime.clocks[-1] < 1_000.0


def test_a_runtime_that_cannot_tell_when_it_is_done_is_watched_for_a_while(tmp_path: Path) -> None:
    """Without that, what must not happen would have had no time to."""
    runtime = Restless()
    scenarios = selected("seed", ("node_phase/a_node_that_has_ended_does_not_come_back[Always]",))
    (outcome,) = run_all(runtime, scenarios, Settings(SEED, folder=tmp_path))
    assert outcome.verdict is Verdict.PASS
    assert outcome.history is not None
    last = max(entry.t for entry in recordings.read(outcome.history).entries)
    assert runtime.clocks[-1] >= last + 1.5


def pod(name: str, phase: str = "Running", **more: object) -> PodSeen:
    status = ContainerSeen("c1", "running", instance="i1")
    made = PodSeen(1.0, name, f"uid-{name}", "Always", phase, ("c1",), "n1", (status,))
    return msgspec.structs.replace(made, **more)


@pytest.mark.parametrize(
    ("want", "is_so"),
    [
        (PodWant("p", after={"c1": "i0"}), True),
        (PodWant("p", after={"c1": "i1"}), False),
        (PodWant("p", after={"c2": "i0"}), False),
    ],
)
def test_an_incarnation_is_over_when_another_one_is_seen(want: PodWant, is_so: bool) -> None:
    assert pod_is_so(pod("p"), want) is is_so


@pytest.mark.parametrize(
    ("want", "is_so"),
    [
        (ControllerWant("rc", 2), True),
        (ControllerWant("rc", 3), False),
        (ControllerWant("rc", 1, elsewhere="n2"), True),
        (ControllerWant("rc", 1, elsewhere="n1"), False),
        (ControllerWant("rc", 1, besides=("a",)), True),
        (ControllerWant("rc", 2, besides=("a",)), False),
        (ControllerWant("rc", 1, most=2), True),
        (ControllerWant("rc", 1, most=1), False),
        (ControllerWant("other", 1), False),
    ],
)
def test_the_pods_of_a_controller_are_counted_that_run_where_they_should(want: ControllerWant, is_so: bool) -> None:
    pods = [
        pod("a", owner="rc"), pod("b", owner="rc"), pod("c", owner="rc", deleted=True), pod("d", "Failed", owner="rc"),
        pod("e"),
    ]  # fmt: skip
    assert controller_is_so(pods, want) is is_so


# --- what is judged -------------------------------------------------------------------------------------------------


def test_raw_frames_are_kept_and_change_no_verdict() -> None:
    with_frame = judged(pod("p"), FrameSeen(2.0, "docker/n1", {"Action": "die", "id": "x"}))
    without = judged(pod("p"))
    assert with_frame.findings == without.findings
    assert with_frame.frames == without.frames + 1


def test_two_pods_have_one_address_if_one_still_has_it_after_the_other() -> None:
    first, second = pod("a", address="10.0.0.2"), pod("b", address="10.0.0.2")
    assert "pod.sharing.own-ip" in broken(judged(first, second, first))
    assert "pod.sharing.own-ip" not in broken(judged(first, second))  # the first may be gone, though nobody saw it go
    ended = pod("a", address="10.0.0.2", deleted=True)
    assert "pod.sharing.own-ip" not in broken(judged(first, ended, second, second))


def test_at_rest_two_pods_with_one_address_are_a_failure() -> None:
    first, second = pod("a", address="10.0.0.2"), pod("b", address="10.0.0.2")
    header = Header(scenario="s")
    assert "pod.sharing.own-ip" in broken(judged(header, first, second, Quiescent()))


def test_a_pod_that_is_taken_to_be_over_breaks_what_its_policy_says_of_its_containers() -> None:
    """The engine has given a container up that Always restarts: the rule is that of the restart, too."""
    over = ContainerSeen("c1", "terminated", exit_code=137, instance="i1")
    assert "pod.restart.failure.always" in broken(judged(pod("p"), pod("p", "Failed", containers=(over,))))


def test_a_deviation_may_be_narrowed_to_a_scenario(tmp_path: Path) -> None:
    outcomes = run(Simulator(fault="always-gives-up-after-kill-by-engine"), "restart_policy")
    failing = {o.scenario.id for o in outcomes if o.verdict is Verdict.FAIL}
    assert failing == {"restart_policy/a_container_is_killed_through_its_engine[Always]"}
    today = datetime.date(2026, 11, 23)
    path = tmp_path / "deviations.toml"

    def excused(scenario: str) -> set[str]:
        path.write_text(
            f'[[deviation]]\nid = "pod.restart.failure"\nscenario = "{scenario}"\nreason = "r"\nlink = "l"\n'
            "expires = 2027-01-01\n"
        )
        known = deviations.load(path)
        found = {o.scenario.id for o in outcomes if deviations.excuse(o, known, today).verdict is Verdict.DISABLED}
        assert bool(deviations.complaints(outcomes, known, "seed", today)) is not bool(found)
        return found

    assert excused("restart_policy/a_container_is_killed_through_its_engine") == failing
    assert excused("restart_policy/a_container_is_killed_from_outside") == set()
