"""The adapter for Docker on real engines: what it leaves behind, what goes wrong around it, and what it says then."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("docker", reason="the Docker SDK is not installed (pip install 'kubephase[docker]')")

import docker

from adapters.docker import cluster as clusters
from adapters.docker import disk, engine, nodes
from adapters.docker.engine import CLUSTER, MEMBER, OWNER, POD, RUN, EngineError, owner_of
from adapters.docker.nodes import Fleet, Node
from adapters.docker.runtime import Docker
from conformance import recordings, runner
from conformance.judge import judge
from conformance.runner import Outcome, Settings, run_all
from conformance.runtime import ContainerSpec, Fault, FrameSeen, PodSeen, PodSpec, Refused
from conformance.scenario import Run, Scenario, all_scenarios
from conformance.verdict import Verdict
from conformance.workload import RUN_ON, Exit, RunOn
from model.profiles import profile

ROOT = Path(__file__).parent.parent.parent
SEED = profile("seed")
LIMIT = 60.0
"""Seconds for what takes a few on an idle machine."""


# --- helpers ----------------------------------------------------------------------------------------------------------


def until(condition: Callable[[], Any], what: str, process: subprocess.Popen[str] | None = None) -> Any:
    """Wait for a condition, but not for ever, nor if the process has ended that is to bring it; what it returned."""
    deadline = time.monotonic() + LIMIT
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {LIMIT:g} s: {what}"
        assert process is None or process.poll() is None, (what, process.communicate())
        time.sleep(0.02)
    return found


def client(node: Node) -> Any:
    """A client of an engine that is not the adapter's."""
    return docker.DockerClient(base_url=node.url, timeout=LIMIT)  # type: ignore[arg-type]


def labelled(node: Node, *labels: str) -> set[str]:
    """What there is on an engine with labels, ours unless told otherwise."""
    wanted = {"label": list(labels or [RUN])}
    with contextlib.closing(client(node)) as c:
        return {
            *(x["Id"] for x in c.api.containers(all=True, filters=wanted)),
            *(x["Name"] for x in c.api.volumes(filters=wanted)["Volumes"] or []),
            *(x["Id"] for x in c.api.images(filters=wanted)),
        }


def everything(nodes_: Iterable[Node]) -> list[Any]:
    """All that there is on engines, in their folders, and of this process on the machine."""
    found: list[Any] = [sorted(number for number in nodes._traces() if is_mine(number))]
    found.append([m for m in disk._mounts() if any(m.is_relative_to(n.folder) for n in nodes_)])
    for node in nodes_:
        with contextlib.closing(client(node)) as c:
            found.append(sorted(x["Id"] for x in c.api.containers(all=True)))
            found.append(sorted(x["Name"] for x in c.api.volumes()["Volumes"] or []))
            found.append(sorted(x["Id"] for x in c.api.images()))
        found.append(sorted(path.name for path in node.folder.iterdir() if path.name.startswith(engine.DISKS)))
    return found


def is_mine(number: int) -> bool:
    owner = nodes._owner_of(number)
    return isinstance(owner, nodes.Process) and owner.pid == os.getpid()


def nodes_of(pid: int) -> list[int]:
    """The nodes that a process has made for itself."""
    owners = {number: nodes._owner_of(number) for number in nodes._numbers(nodes.STATE)}
    return [number for number, owner in owners.items() if isinstance(owner, nodes.Process) and owner.pid == pid]


AS_OWN = """
import sys
from adapters.docker import nodes
own = [nodes.Node(number, nodes.Process(pid, start)) for number, pid, start in {nodes}]
nodes.running = lambda: own
import kubephase
kubephase.main()
"""
"""The command, for which these nodes are the user's."""


def conform(*arguments: str, own: Iterable[Node] = ()) -> subprocess.Popen[str]:
    """`kubephase conform --runtime docker` in a process group of its own."""
    code = AS_OWN.format(nodes=[(node.number, node.init.pid, node.init.start) for node in own])
    return subprocess.Popen(
        [sys.executable, "-c", code, "conform", "--runtime", "docker", *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={key: value for key, value in os.environ.items() if key != "DOCKER_HOST"},
    )  # fmt: skip


@contextlib.contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Whatever happens, the process and its group end."""
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def hosts(*chosen: Node) -> list[str]:
    return [argument for node in chosen for argument in ("--docker-host", node.url)]


def by_id(*ids: str) -> list[Scenario]:
    known = {scenario.id: scenario for scenario in all_scenarios()}
    return [known[i] for i in ids]


def run(runtime: Docker, scenarios: list[Scenario], folder: Path | None = None, jobs: int = 6) -> list[Outcome]:
    return list(run_all(runtime, scenarios, Settings(SEED, jobs=jobs, deadline=90.0, limit=150.0, folder=folder)))


def own_scenario(function: Callable[[Run], None], needs: tuple[str, ...] = ()) -> Scenario:
    return Scenario("one_of_a_test", "test", "Always", ("pod.life.not-by-itself",), needs, function)


# --- engines ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """Two engines for all tests of this module."""
    if reason := nodes.missing():
        pytest.skip(f"all tests on real engines, here and in test_docker_nodes.py: {reason}")
    with Fleet(2) as made:
        yield made


@pytest.fixture
def pair(fleet: Fleet) -> Iterator[list[Node]]:
    """The two engines, on which a test leaves nothing, not even a node beside them."""
    two = fleet.nodes[:2]
    before = everything(two)
    yield two
    assert everything(two) == before


@pytest.fixture
def first(pair: list[Node]) -> Node:
    return pair[0]


@pytest.fixture
def runtimes() -> Iterator[Callable[..., Docker]]:
    """Makes runtimes, and closes them at the end."""
    with contextlib.ExitStack() as stack:

        def make(*urls: str, **options: Any) -> Docker:
            made = Docker(docker_hosts=urls, **options)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def foreign(first: Node) -> Iterator[str]:
    """A container that is not ours, which runs; its id."""
    with contextlib.closing(client(first)) as c:
        c.api.import_image_from_data(engine._root(engine.busybox()), repository="foreign", tag="1")
        made = c.api.create_container("foreign:1", ["sleep", "1000"], name="foreign", stop_signal="SIGKILL")["Id"]
        c.api.start(made)
        yield made
        c.api.remove_container(made, force=True)
        c.api.remove_image("foreign:1", force=True)


# --- scenarios pass, and leave nothing --------------------------------------------------------------------------------

FAULTS = [
    "restart_policy/a_container_is_killed_from_outside[OnFailure]",
    "restart_policy/a_container_is_killed_through_its_engine[Never]",
    "restart_policy/a_running_container_is_killed_for_want_of_memory[Always]",
    "restart_policy/a_child_runs_out_of_memory_and_the_container_exits_with_0[Never]",
    "sharing/the_sandbox_of_a_running_pod_dies[Always]",
    "disk/a_disk_of_a_running_pod_dies[Never]",
    "disk/a_full_disk_is_the_containers_own_affair[Always]",
    "partition/a_node_that_returns_in_time_keeps_its_pods[Always]",
    "partition/a_container_runs_on_while_its_kubelet_is_replaced[Never]",
    "node_phase/the_pods_of_a_node_that_ends_are_deleted[Never]",
]
"""One for each kind of fault."""


def test_scenarios_with_every_kind_of_fault_pass_and_leave_nothing(
    pair: list[Node], foreign: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(nodes, "running", lambda: pair)
    before = everything(pair)
    with contextlib.closing(client(pair[0])) as c:
        as_it_was = c.api.inspect_container(foreign)
        runtime = Docker(docker_hosts=[node.url for node in pair])
        try:
            scenarios = by_id(*FAULTS)
            if disk.missing():
                scenarios = [scenario for scenario in scenarios if scenario.section != "disk"]
            outcomes = run(runtime, scenarios, tmp_path)
            assert everything(pair) != before
        finally:
            runtime.close()
        assert {o.scenario.id: o.reason for o in outcomes if o.verdict is not Verdict.PASS} == {}
        assert everything(pair) == before
        assert c.api.inspect_container(foreign) == as_it_was
    for outcome in outcomes:
        assert outcome.history
        read = recordings.read(outcome.history)
        again = judge(read, SEED)
        assert (again.verdict, again.findings) == (outcome.verdict, outcome.judgement.findings)
        frames = [seen for _, seen in recordings.observations(read) if isinstance(seen, FrameSeen)]
        assert any(frame.frame.get("Action") == "start" for frame in frames)
        assert any(frame.frame["Type"] == "inspect" for frame in frames)
        assert foreign not in json.dumps([frame.frame for frame in frames])
    assert not [p for pod in runtime.bare for p in pod.spec.name if "foreign" in p]


def test_the_command_judges_a_history_as_the_run_did(first: Node, tmp_path: Path) -> None:
    select = ["--select", "restart_policy/one_container_exits_badly"]
    with ended(conform(*hosts(first), *select, "--report", str(tmp_path), "--json")) as process:
        out, err = process.communicate(timeout=2 * LIMIT)
        assert process.returncode == 0, out + err
    data = json.loads(out)
    files = sorted((tmp_path / "histories").glob("restart_policy*.ndjson"))
    assert len(files) == len(data["results"]) == 3
    traced = subprocess.run(
        [sys.executable, "-m", "kubephase", "trace", "--json", *map(str, files)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT,
    )  # fmt: skip
    assert traced.returncode == 0, traced.stderr
    assert [file["verdict"] for file in json.loads(traced.stdout)["files"]] == ["pass"] * 3
    for file in files:
        assert any(isinstance(seen, FrameSeen) for _, seen in recordings.observations(recordings.read(file)))


# --- runs that end early, and runs side by side -----------------------------------------------------------------------

TWO = ["--select", "restart_policy/one_of_two_containers_exits_badly"]
"""Three scenarios with a container c2, which the smoke test has not."""


def test_what_a_killed_run_has_left_is_swept_by_the_next(pair: list[Node], runtimes: Callable[..., Docker]) -> None:
    """Its own engines go by themselves; what is on other engines goes at the next run's start."""
    select = ["--select", "restart_policy/every_restart", "--select", "partition/the_kubelet_of_a_running_pod_stops"]
    with ended(conform(*hosts(*pair), *select, own=pair)) as process:
        made = until(
            lambda: nodes_of(process.pid) and [n for n in pair if labelled(n, f"{MEMBER}=c1")],
            "a run has containers, and an engine of its own",
            process,
        )
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert all(labelled(node, MEMBER) for node in made)
        until(lambda: not nodes_of(process.pid), "the run's own engines are gone")
    runtime = runtimes(*(node.url for node in pair))
    for node in pair:
        assert labelled(node) == labelled(node, f"{RUN}={runtime._run}") != set()


def test_two_runs_on_one_engine_do_not_disturb_one_another(first: Node, runtimes: Callable[..., Docker]) -> None:
    with ended(conform(*hosts(first), *TWO, "--json")) as process:
        until(lambda: labelled(first, f"{MEMBER}=c2"), "the first run has pods", process)
        theirs = labelled(first)
        runtime = runtimes(first.url)
        assert theirs & labelled(first), "what the first run has there was swept"
        outcomes = run(runtime, by_id("restart_policy/one_container_exits_badly[Never]"))
        assert [o.verdict for o in outcomes] == [Verdict.PASS]
        out, err = process.communicate(timeout=2 * LIMIT)
    assert process.returncode == 0, out + err
    assert json.loads(out)["end"]["verdict"] == "pass"


def test_ctrl_c_ends_a_run_and_it_tells_what_it_knows(first: Node, tmp_path: Path) -> None:
    with ended(conform(*hosts(first), *TWO, "--jobs", "1", "--report", str(tmp_path))) as process:
        histories = tmp_path / "histories"
        until(lambda: len(list(histories.glob("restart_policy*"))) > 1, "the second scenario is under way", process)
        until(lambda: labelled(first, f"{MEMBER}=c1"), "it has a pod", process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=runner.GRACE + 15.0)
    assert process.returncode == 1, out + err
    assert re.search(r"^interrupted: [12] of 3 scenarios were run$", out, re.MULTILINE), out + err
    assert re.search(r"^verdict: unknown", out, re.MULTILINE), out + err
    assert "Traceback" not in out + err and err == ""
    assert labelled(first) == set()
    assert (tmp_path / "report.jsonl").read_text().count('"pass"') >= 1


# --- an engine goes away ----------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as ever, in less time."""
    monkeypatch.setattr(clusters, "GONE", 2.0)
    monkeypatch.setattr(engine, "CALL", 4.0)


def lost_engine(node: Node, runtimes: Callable[..., Docker], go: Callable[[], None]) -> Outcome:
    """The outcome of a scenario in the middle of which an engine goes away, without a fault of the suite's."""

    def function(run: Run) -> None:
        run.node()
        pod = run.pod(RUN_ON)
        run.until(pod, phase="Running")
        go()
        run.until(pod, restarts={"c1": 1})

    begun = time.monotonic()
    [outcome] = run(runtimes(node.url), [own_scenario(function)])
    assert time.monotonic() - begun < 60.0
    return outcome


@pytest.mark.usefixtures("impatient")
def test_an_engine_that_is_killed_is_an_error_in_plain_words(first: Node, runtimes: Callable[..., Docker]) -> None:
    try:
        outcome = lost_engine(first, runtimes, first.kill)
    finally:
        first.start(live_restore=True)
    assert outcome.verdict is Verdict.ERROR
    assert f"the engine at {first.url} went away " in outcome.reason
    assert "[Errno 111] Connection refused" in outcome.reason


@pytest.mark.usefixtures("impatient")
def test_an_engine_that_freezes_is_an_error_and_no_hang(first: Node, runtimes: Callable[..., Docker]) -> None:
    pid = first._engine()
    assert pid
    try:
        outcome = lost_engine(first, runtimes, lambda: first.signal(pid, signal.SIGSTOP))
    finally:
        first.signal(pid, signal.SIGCONT)
    until(first.is_up, "it goes on")
    assert outcome.verdict is Verdict.ERROR
    assert f"the engine at {first.url} went away " in outcome.reason
    assert "no answer within 3 s" in outcome.reason


# --- events -----------------------------------------------------------------------------------------------------------


def made(api: Any, name: str, run_: str, command: list[str]) -> str:
    """A container like a pod's, started."""
    labels = {RUN: run_, OWNER: owner_of(os.getpid()), CLUSTER: "test", POD: "p", MEMBER: name}
    made = api.create_container(f"kubephase:{run_}", command, labels=labels, stop_signal="SIGKILL")["Id"]
    api.start(made)
    return str(made)


def test_a_break_of_the_event_stream_is_told_and_events_go_on(first: Node, runtimes: Callable[..., Docker]) -> None:
    runtime = runtimes(first.url)
    [it] = runtime.engines
    assert it.events
    heard: list[dict[str, Any] | None] = []
    it.events.listen("test", heard.append)

    def starts() -> list[str]:
        return [event["Actor"]["ID"] for event in heard if event and event["Action"] == "start"]

    with contextlib.closing(client(first)) as c:
        one = made(c.api, "one", runtime._run, ["sleep", "1000"])
        until(lambda: starts() == [one], "the first start is told")
        assert None not in heard
        first.kill()
        first.start(live_restore=True)
        until(lambda: None in heard, "the gap is told")
        two = made(c.api, "two", runtime._run, ["sleep", "1000"])
        until(lambda: two in starts(), "events go on")
        c.api.kill(one)
        until(lambda: any(e and e["Action"] == "die" for e in heard), "the one before still has its events")
        # And now a break of the stream alone: the engine tells of the last event again.
        it.events._stream.close()
        until(lambda: heard.count(None) > 1, "the second gap is told")
        three = made(c.api, "three", runtime._run, ["sleep", "1000"])
        until(lambda: three in starts(), "events go on")
    assert starts() == [one, two, three]
    keys = [(e["timeNano"], e["Actor"]["ID"], e["Action"]) for e in heard if e]
    assert len(keys) == len(set(keys)) and keys == sorted(keys, key=lambda key: key[0])


def test_counts_are_right_if_more_events_were_lost_than_the_engine_keeps(
    first: Node, runtimes: Callable[..., Docker], foreign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream is closed under the adapter and kept closed, while its container is restarted and a foreign one floods
    the engine's buffer of 256 events."""
    runtime = runtimes(first.url)
    [it] = runtime.engines
    assert it.events
    is_open = threading.Event()
    is_open.set()
    events = it.client.events

    def gate(**options: Any) -> Any:
        assert is_open.wait(LIMIT)
        return events(**options)

    monkeypatch.setattr(it.client, "events", gate)
    cluster = runtime.open("test", 0, "seed")
    pods: list[PodSeen] = []

    def observe() -> PodSeen | None:
        pods.extend(seen for seen in cluster.observe(0.1) if isinstance(seen, PodSeen))
        return pods[-1] if pods and pods[-1].containers else None

    def restarts() -> int:
        seen = observe()
        return (seen.containers[0].restarts or 0) if seen and seen.containers else -1

    with contextlib.closing(client(first)) as c:
        cluster.create_node("n1")
        workload = (Exit(1, 0.1), Exit(2, 0.1), Exit(3, 0.1), Exit(4, 0.1), Exit(5, 0.1), RunOn())
        cluster.create_pod(PodSpec("p1", "Always", (ContainerSpec("c1", workload),)))
        until(lambda: restarts() >= 1, "its first restart is seen")
        is_open.clear()
        it.events.gap()  # not a break of the stream: what comes is no news
        until(lambda: it.events and it.events._stream is not None, "there is a stream")
        it.events._stream.close()
        [member] = labelled(first, f"{RUN}={runtime._run}", f"{MEMBER}=c1")

        def inspected() -> dict[str, Any]:
            found: dict[str, Any] = c.api.inspect_container(member)
            return found

        until(lambda: inspected()["RestartCount"] == 5 and not inspected()["State"]["Restarting"], "its last restart")
        for number in range(260):
            c.api.rename(foreign, f"foreign-{number}")
        kept = c.events(since=1, until=int(time.time()) + 1, filters={"container": member}, decode=True)
        assert list(kept) == []  # the engine has forgotten them all
        seen_before = len(pods)
        is_open.set()
        until(lambda: restarts() == 5, "the count is right again")
        shown = [pod.containers[0] for pod in pods if pod.containers]
        counts = [container.restarts or 0 for container in shown]
        assert counts == sorted(counts) and max(counts) == 5
        last = shown[-1]
        assert (last.state, last.last_exit_code) in (("running", None), ("running", 5))
        assert seen_before < len(pods)
    cluster.close()


# --- other people's engines -------------------------------------------------------------------------------------------


def test_each_docker_host_is_a_node(pair: list[Node], runtimes: Callable[..., Docker]) -> None:
    runtime = runtimes(*(node.url for node in pair), pair[0].url)
    assert "(2 engines)" in runtime.describe().version
    two = "pod_life/the_containers_of_a_pod_work_on_one_node_of_two[Never]"
    assert [o.verdict for o in run(runtime, by_id(two))] == [Verdict.PASS]


def test_what_an_engine_of_others_cannot_do_is_skipped_with_the_reason(
    first: Node, runtimes: Callable[..., Docker]
) -> None:
    """Its socket is here, but its processes are not: they are in a PID namespace of their own."""
    runtime = runtimes(f"unix://{first.folder}/docker.sock")
    ids = ("pod_life/the_containers_of_a_pod_work_on_one_node_of_two[Never]",
           "partition/the_kubelet_of_a_running_pod_stops_for_good[Always]",
           "disk/a_disk_of_a_running_pod_dies[Never]",
           "restart_policy/a_container_is_killed_from_outside[Never]")  # fmt: skip
    outcomes = {o.scenario.id: o for o in run(runtime, by_id(*ids))}
    assert {o.verdict for o in outcomes.values()} == {Verdict.SKIP}
    reasons = [outcomes[i].reason for i in ids]
    assert reasons[0] == "this needs 2 nodes, and there are 1: give more engines with --docker-host"
    assert "stop-kubelet" in reasons[1] and "break-disk" in reasons[2]
    assert reasons[3] == (
        "the runtime lacks kill-container; a process can be killed by root on the engine's own machine only"
    )


def test_the_containers_of_an_engine_of_others_can_be_killed_where_their_processes_are(first: Node) -> None:
    """The same engine at the same socket, by a command that is in its PID namespace."""
    command = [*nodes._inside(first.init, "pid", "mount"), sys.executable, "-m", "kubephase", "conform", "--json",
               "--runtime", "docker", "--docker-host", f"unix://{first.folder}/docker.sock",
               "--select", "restart_policy/a_container_is_killed_from_outside"]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [result["verdict"] for result in json.loads(done.stdout)["results"]] == ["pass"] * 3


def test_a_fault_for_a_container_that_is_ending_is_refused(
    first: Node, runtimes: Callable[..., Docker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between what was last seen of it and the fault it may end. Catches an engine's error that is taken for ours."""
    cluster = runtimes(first.url).open("ends", 1, "seed")
    cluster.create_node("n1")
    cluster.create_pod(PodSpec("p1", "Never", (ContainerSpec("c1", RUN_ON),)))
    fault = Fault("out-of-memory", "p1", "c1")

    def running() -> Any:
        cluster.observe(0.1)
        with contextlib.suppress(Refused):
            return cluster._running(fault)

    def is_refused(kind: str) -> bool:
        try:
            cluster.inject(Fault(kind, "p1", "c1"))
        except Refused as error:
            return "container c1 of p1 does not run" in str(error)
        return False

    seen = until(running, "the container runs")
    monkeypatch.setattr(cluster, "_running", lambda _: seen)
    until(lambda: is_refused("out-of-memory"), "it has ended, or is about to")
    until(lambda: is_refused("kill-by-engine"), "it has ended")


# --- engines that cannot be used --------------------------------------------------------------------------------------


def refused(*arguments: str, prefix: tuple[str, ...] = ()) -> str:
    """What the command says when it refuses to run."""
    command = [*prefix, sys.executable, "-m", "kubephase", "conform", "--runtime", "docker", *arguments]
    env = {key: value for key, value in os.environ.items() if key != "DOCKER_HOST"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT, env=env)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == "" and "Traceback" not in done.stderr
    return done.stderr


def test_no_engine_at_a_socket() -> None:
    said = refused("--docker-host", "unix:///nowhere/docker.sock")
    assert "no Docker engine answers at unix:///nowhere/docker.sock: [Errno 2] No such file or directory\n" in said
    assert "systemctl start docker" in said and "--docker-host" in said and "kubephase nodes up 2" in said


def test_no_engine_at_an_address() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port
        url = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
        said = refused("--docker-host", url)
    assert f"no Docker engine answers at {url}: [Errno 111] Connection refused\n" in said
    assert "is the address right" in said and "DOCKER_HOST" in said


@pytest.mark.parametrize("url", ["gopher://x", "localhost:2375", "ssh://host"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(EngineError) as caught:
        Docker(docker_hosts=[url])
    said = str(caught.value)
    assert said.startswith(f"{url} is no address that can be used") and "tcp://" in said and "unix://" in said


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_no_permission_on_the_socket(open_folder: Path) -> None:
    path = open_folder / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        path.chmod(0o600)
        nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
        said = refused("--docker-host", f"unix://{path}", prefix=nobody)
    assert f"no permission to use the Docker engine at unix://{path}: [Errno 13] Permission denied\n" in said
    assert "group docker" in said and "root" in said
    assert "systemctl" not in said


@contextlib.contextmanager
def stand_in(answer: bytes, code: int = 200) -> Iterator[str]:
    """Not an engine but a stand-in: it gives one answer to whatever it is asked. Engines that old cannot be had."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Be silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("version", "api"), [("18.09.1", "1.39"), ("1.12.6", "1.24"), ("1.6.0", "1.18")])
def test_an_engine_that_is_too_old(version: str, api: str) -> None:
    """The last one is refused by the SDK itself, which must not look like an engine that does not answer."""
    answer = {"Version": version, "ApiVersion": api, "MinAPIVersion": "1.12", "Os": "linux"}
    with stand_in(json.dumps(answer).encode()) as url, pytest.raises(EngineError) as caught:
        Docker(docker_hosts=[url])
    assert f"the engine at {url} is too old" in str(caught.value)
    assert (api if version != "1.6.0" else "below 1.24") in str(caught.value) and "Docker 19.03" in str(caught.value)
    assert "no Docker engine answers" not in str(caught.value)


@pytest.mark.parametrize(("answer", "code"), [(b"<html>hello</html>", 200), (b"[]", 200), (b"not here", 404)])
def test_something_that_answers_and_is_no_engine(answer: bytes, code: int) -> None:
    with stand_in(answer, code) as url, pytest.raises(EngineError) as caught:
        Docker(docker_hosts=[url])
    assert url in str(caught.value) and "no Docker engine" in str(caught.value)


def test_an_image_that_is_not_there_is_not_pulled(first: Node) -> None:
    with pytest.raises(EngineError) as caught:
        Docker(docker_hosts=[first.url], image="busybox:1.99")
    assert str(caught.value) == (
        f"the engine at {first.url} has no image busybox:1.99, and none is pulled unasked: "
        f"docker -H {first.url} pull busybox:1.99"
    )


def test_no_image_and_nothing_to_make_one_of(first: Node, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dynamic = tmp_path / "busybox"
    dynamic.write_bytes(b"\x7fELF" + bytes(100) + b"/lib64/ld-linux-x86-64.so.2")
    monkeypatch.setattr(engine, "PLACES", (tmp_path / "none", dynamic))
    with pytest.raises(EngineError) as caught:
        Docker(docker_hosts=[first.url])
    said = str(caught.value)
    assert "apt-get install busybox-static" in said and "--image" in said and str(dynamic) in said


@contextlib.contextmanager
def full(node: Node, folder: str, inodes: int) -> Iterator[None]:
    """A folder of an engine's is on a disk that is full, or nearly: a small one, mounted over it in the node."""
    enter, place = nodes._inside(node.init, "pid", "mount"), f"{node.data}/{folder}"
    nodes._run(*enter, "mount", "-t", "tmpfs", "-o", f"size=64k,nr_inodes={inodes}", "full", place)
    try:
        nodes._run(*enter, "mkdir", "-p", f"{place}/l")  # where overlay2 has its links
        yield
    finally:
        nodes._run(*enter, "umount", "--lazy", place)


def test_an_engine_whose_disk_is_full(first: Node) -> None:
    with full(first, "overlay2", 8), pytest.raises(EngineError) as caught:
        Docker(docker_hosts=[first.url])
    said = str(caught.value)
    assert said.startswith(f"the engine at {first.url} cannot be used: ")
    assert "no space left on device" in said  # the engine's own words
    assert "its disk is full: make room there" in said and f"docker -H {first.url} system df" in said


def test_a_disk_that_is_full_in_the_middle_of_a_run_is_an_error(first: Node, runtimes: Callable[..., Docker]) -> None:
    runtime = runtimes(first.url)
    with full(first, "volumes", 2):
        [outcome] = run(runtime, by_id("restart_policy/one_container_exits_badly[Never]"))
    assert outcome.verdict is Verdict.ERROR
    assert "no space left on device" in outcome.reason


WITHOUT_SDK = """
import sys
class NoDocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "docker":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NoDocker())
import kubephase
kubephase.main()
"""


def test_without_the_sdk_it_says_what_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_SDK, "conform", "--runtime", "docker"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    assert "pip install 'kubephase[docker]'" in done.stderr and "Traceback" not in done.stderr


# --- who made what ----------------------------------------------------------------------------------------------------


def test_the_owner_of_a_zombie_is_over() -> None:
    """A killed run whose parent does not wait for it has ended all the same."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        owner = owner_of(process.pid)
        assert not engine.is_over(owner)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert engine.is_over(owner)


def test_the_sweep_spares_runs_that_live_and_those_of_other_machines(
    first: Node, runtimes: Callable[..., Docker]
) -> None:
    boot, pid, started = owner_of(os.getpid()).split("/")
    elsewhere = f"{'0' * len(boot)}/{pid}/{started}"
    gone = f"{boot}/{pid}/{int(started) - 1}"
    with contextlib.closing(client(first)) as c:
        for name, owner in (("elsewhere", elsewhere), ("gone", gone), ("mine", owner_of(os.getpid()))):
            c.api.create_volume(name, labels={RUN: name, OWNER: owner})
        try:
            runtimes(first.url)
            left = {volume["Name"] for volume in c.api.volumes()["Volumes"] or []}
            assert left == {"elsewhere", "mine"}
        finally:
            for name in ("elsewhere", "gone", "mine"):
                with contextlib.suppress(docker.errors.NotFound):
                    c.api.remove_volume(name)
