"""Nodes: real engines in their own namespaces, and that nothing of them is left, however they end."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from adapters.docker import nodes
from adapters.docker.nodes import Fleet, Node, NodesError

if reason := nodes.missing():
    pytest.skip(reason, allow_module_level=True)

ROOT = Path(__file__).parent.parent.parent
LIMIT = 30.0

HOLD_A_FLEET = """
import time
from adapters.docker.nodes import Fleet
fleet = Fleet(1)
print(fleet._keeper.pid, fleet.nodes[0].number, flush=True)
time.sleep(600)
"""

UP = """
from adapters.docker import nodes
print(*[node.number for node in nodes.up(2)])
"""


# --- helpers ----------------------------------------------------------------------------------------------------------


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition, but not for ever."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, f"not within {LIMIT:g} s: {what}"
        time.sleep(0.01)


def out(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def inside(node: Node, *command: str) -> str:
    return out("nsenter", "-t", str(node.init.pid), "-n", *command)


def cgroups(number: int) -> list[Path]:
    """The node's cgroups: of both versions."""
    top = Path("/sys/fs/cgroup")
    return [path for path in (top / f"kubephase/{number}", *top.glob(f"*/kubephase/{number}")) if path.exists()]


def traces(number: int) -> list[str]:
    """All that there is of a node on this machine, each thing as a line."""
    found = [line for line in out("ps", "-eo", "args").splitlines() if f"/kubephase/nodes/{number}/" in line]
    found += [f"init {number}"] if number in nodes._inits() else []
    found += [line for line in out("ip", "-o", "link").splitlines() if f": kph{number}@" in line]
    found += [line for line in nodes._mounts() if f"/kubephase/nodes/{number}" in line]
    folders = [nodes.STATE / f"nodes/{number}", nodes.DATA / f"nodes/{number}"]
    folders += cgroups(number)
    return found + [str(folder) for folder in folders if folder.exists()]


def common_traces() -> list[str]:
    """What nodes have in common, unless there are nodes of others at this moment. The caller has the lock."""
    if nodes._traces():
        return []
    found = [line for line in out("ip", "route").splitlines() if line.startswith("unreachable 10.77.")]
    return found + [str(path) for folder in (nodes.STATE, nodes.DATA) for path in folder.rglob("*")]


def is_free(number: int) -> bool:
    """True if nothing is left of a node, or if somebody else already has its number for one of theirs."""
    owner = nodes._owner_of(number)
    others = isinstance(owner, nodes.Process) and owner.alive() and owner.pid != os.getpid()
    return others or not traces(number)


def assert_nothing_left(*numbers: int) -> None:
    with nodes._lock():
        assert [line for number in numbers if not is_free(number) for line in traces(number)] == []
        assert common_traces() == []


def python(program: str, **how: Any) -> subprocess.Popen[str]:
    """Start a program in a process group of its own."""
    return subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True,
                            start_new_session=True, **how)  # fmt: skip


@contextlib.contextmanager
def a_run() -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """A run in another process that holds a fleet of one node: the process, its keeper's PID, the node's number."""
    with python(HOLD_A_FLEET) as run:
        try:
            assert run.stdout is not None
            keeper, number = map(int, run.stdout.readline().split())
            yield run, keeper, number
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)


def request(node: Node, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> Any:
    """One call of the engine's API. The answer's JSON, None if it has none."""
    connection = http.client.HTTPConnection(f"10.77.{node.number}.2", 2375, timeout=LIMIT)
    try:
        connection.request(method, path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status < 400, text
        return json.loads(text) if text.startswith((b"{", b"[")) else None
    finally:
        connection.close()


def import_busybox(node: Node) -> None:
    """An image of the machine's own busybox, for there may be no registry to be reached."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("needs a static busybox (Debian: apt-get install busybox-static)")
    pack = io.BytesIO()
    with tarfile.open(fileobj=pack, mode="w") as tar:
        tar.add(busybox, "bin/busybox")
        for name in ("sh", "sleep"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    request(node, "POST", "/images/create?fromSrc=-&repo=busybox", pack.getvalue(), "application/x-tar")


def container(node: Node, script: str) -> str:
    """Start a container without network that runs a script. Returns its id."""
    spec = {
        "Image": "busybox",
        "Cmd": ["/bin/sh", "-c", script],
        "HostConfig": {"NetworkMode": "none"},
        "StopTimeout": 1,
    }
    made = request(node, "POST", "/containers/create", json.dumps(spec).encode())["Id"]
    request(node, "POST", f"/containers/{made}/start")
    return str(made)


def state_of(node: Node, made: str) -> dict[str, Any]:
    found: dict[str, Any] = request(node, "GET", f"/containers/{made}/json")["State"]
    return found


@contextlib.contextmanager
def deaths(node: Node) -> Iterator[http.client.HTTPResponse]:
    """A stream of the deaths of containers, open before it is left to be read."""
    connection = http.client.HTTPConnection(f"10.77.{node.number}.2", 2375, timeout=LIMIT)
    try:
        connection.request("GET", "/events?" + urlencode({"filters": json.dumps({"event": ["die"]})}))
        yield connection.getresponse()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """A fleet for the tests that leave it as it was."""
    with Fleet(1) as made:
        import_busybox(made.nodes[0])
        yield made


@pytest.fixture
def node(fleet: Fleet) -> Iterator[Node]:
    """A healthy node, healed afterwards."""
    found = fleet.nodes[0]
    yield found
    found.heal()
    if found._engine() is None:
        found.start()


@pytest.fixture
def no_user_nodes() -> None:
    """`down` must not take the nodes of whoever runs the tests."""
    if nodes.running():
        pytest.skip("you have nodes of your own running, which this test would remove (`down` does, too)")


# --- how they end -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_user_nodes")
def test_the_nodes_of_a_user_stay_until_down_which_leaves_nothing() -> None:
    forwarding = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    with python(UP) as process:
        printed, _ = process.communicate(timeout=LIMIT)
    numbers = sorted(map(int, printed.split()))
    assert len(numbers) == 2

    assert nodes.sweep() == 0
    found = nodes.running()
    assert [node.number for node in found] == numbers
    assert all(node.is_up() for node in found)
    import_busybox(found[0])
    container(found[0], "sleep 600")
    assert any(any(path.glob("*/")) for path in cgroups(numbers[0])), "this test looks in the wrong place"
    # What is mounted on the machine later, as a disk that can be broken, is seen in the node.
    volume = found[0].folder / "a volume"
    volume.mkdir()
    out("mount", "-t", "tmpfs", "volume", str(volume))
    (volume / "here").touch()
    assert Path(f"/proc/{found[0].init.pid}/root{volume}/here").exists()

    assert nodes.down() == 2
    assert_nothing_left(*numbers)
    assert nodes.down() == 0
    assert nodes.running() == []
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == forwarding
    assert not [line for line in out("iptables-save").splitlines() if "10.88." in line]


def test_a_fleet_leaves_nothing() -> None:
    with Fleet(2) as fleet:
        third = fleet.grow()
        assert third.is_up()
        assert third.number not in [node.number for node in fleet.nodes[:2]]
        # Each is a node of its own: its engine has its own identity, and the same PID in the node as the others have.
        assert len({request(node, "GET", "/info")["ID"] for node in fleet.nodes}) == 3
        for node in fleet.nodes:
            engine = node._engine()
            assert engine is not None
            command = Path(f"/proc/{node.pid_on_host(engine)}/cmdline").read_text().split("\0")
            assert str(node.folder / "docker.pid") in command
        fleet.nodes[0].remove()
        assert traces(fleet.nodes[0].number) == []
        fleet.nodes[0].remove()
        with pytest.raises(NodesError, match="is gone"):
            fleet.nodes[0].cut()
        assert not fleet.nodes[0].is_up()
    assert_nothing_left(*[node.number for node in fleet.nodes])
    fleet.close()


def test_the_keeper_undoes_a_run_that_is_killed_with_its_process_group() -> None:
    with a_run() as (run, _, number):
        assert traces(number)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        until(lambda: is_free(number), "the keeper has removed all")
    assert_nothing_left(number)


def test_if_the_keeper_is_killed_too_the_processes_end_and_the_next_run_removes_the_rest() -> None:
    with a_run() as (run, keeper, number):
        os.kill(keeper, signal.SIGKILL)
        os.killpg(run.pid, signal.SIGKILL)
        until(lambda: number not in nodes._inits(), "the init has ended")
    with Fleet(1) as fleet:
        assert fleet.nodes[0].number <= number, "the number is free again"
    assert_nothing_left(number)


@pytest.mark.usefixtures("no_user_nodes")
def test_a_living_run_keeps_its_nodes_whatever_others_do() -> None:
    with a_run() as (_, _, number):
        before = nodes._inits()[number]
        nodes.sweep()
        nodes.down()
        with Fleet(1) as fleet:
            assert fleet.nodes[0].number != number
        assert nodes._inits()[number] == before
        assert Node(number, before).is_up()
        assert out("ip", "route").count("unreachable 10.77.0.0/16") == 1
        # Whoever has a node that is gone, and whose number somebody else has now, does no harm with it.
        Node(number, nodes.Process(before.pid, before.start - 1)).remove()
        assert before.alive()
    until(lambda: is_free(number), "the keeper has removed all")


@pytest.mark.usefixtures("no_user_nodes")
@pytest.mark.parametrize("stage", ["claimed", "init", "engine"])
def test_down_undoes_an_up_that_is_killed_half_way(stage: str) -> None:
    before = nodes._traces()

    def reached() -> bool:
        new = nodes._traces() - before
        match stage:
            case "claimed":
                return bool(new)
            case "init":
                return bool(new & set(nodes._inits()))
            case _:
                return any((nodes.STATE / f"nodes/{number}/engine.pid").exists() for number in new)

    with python(UP) as process:
        until(reached, stage)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    numbers = nodes._traces() - before
    assert numbers
    assert not {node.number for node in nodes.running()} & numbers
    nodes.down()
    assert_nothing_left(*numbers)


def test_what_is_left_of_a_half_made_and_a_half_removed_node_is_swept() -> None:
    (nodes.STATE / "nodes/253").mkdir(parents=True)
    (nodes.DATA / "nodes/254").mkdir(parents=True)
    (nodes.DATA / "nodes/254/layer").touch()
    assert nodes.sweep() == 2
    assert_nothing_left(253, 254)


# --- faults -----------------------------------------------------------------------------------------------------------


def test_a_cut_node_refuses_at_once_and_its_connections_go_on_after_the_cut(node: Node) -> None:
    with deaths(node) as stream:
        made = container(node, "sleep 0.5; exit 3")
        node.cut()
        begun = time.monotonic()
        assert not node.is_up()
        assert time.monotonic() - begun < 1.0
        way = subprocess.run(
            ["ip", "route", "get", f"10.77.{node.number}.2"], capture_output=True, text=True, check=False
        )
        assert way.returncode != 0, f"its packets go elsewhere: {way.stdout}"
        node.cut()
        node.heal()
        node.heal()
        assert node.is_up()
        assert json.loads(stream.readline())["id"] == made
    assert state_of(node, made)["ExitCode"] == 3


def test_a_deaf_node_can_still_be_heard(node: Node) -> None:
    with deaths(node) as stream:
        made = container(node, "sleep 1; exit 3")
        node.cut("in")
        node.cut("in")
        assert not node.is_up()
        assert json.loads(stream.readline())["id"] == made
        assert not node.is_up(), "the cut was over before the event came"
    node.heal()
    assert node.is_up()
    assert "DROP" not in inside(node, "iptables", "-S", "INPUT")


def test_heal_brings_back_the_route_of_the_node(node: Node) -> None:
    inside(node, "ip", "link", "set", "eth0", "down")
    assert not node.is_up()
    node.heal()
    assert node.is_up()
    assert "default via" in inside(node, "ip", "route")


def test_an_engine_starts_again_while_its_node_is_cut_off(node: Node) -> None:
    node.kill()
    node.cut()
    node.start()
    assert not node.is_up()
    node.heal()
    assert node.is_up()


def test_containers_outlive_a_crash_with_live_restore(node: Node) -> None:
    made = container(node, "sleep 600")
    pid = state_of(node, made)["Pid"]
    host = node.pid_on_host(pid)
    command = Path(f"/proc/{host}/cmdline").read_bytes().replace(b"\0", b" ")
    assert command.endswith(b"sleep 600 ")  # of the shell, or of what it has become by now
    node.kill()
    node.kill()
    assert not node.is_up()
    assert Path(f"/proc/{host}").exists()
    node.start(live_restore=True)
    state = state_of(node, made)
    assert (state["Running"], state["Pid"]) == (True, pid)
    node.signal(pid, signal.SIGKILL)
    until(lambda: not state_of(node, made)["Running"], "the container has ended")
    assert state_of(node, made)["ExitCode"] == 137
    for missing in (lambda: node.pid_on_host(pid), lambda: node.signal(pid, signal.SIGKILL)):
        with pytest.raises(NodesError, match=f"no process {pid} on node {node.number}"):
            missing()


def test_an_engine_without_live_restore_stops_what_survived_its_crash(node: Node) -> None:
    made = container(node, "sleep 600")
    host = node.pid_on_host(state_of(node, made)["Pid"])
    node.kill()
    assert Path(f"/proc/{host}").exists()
    # The PIDs of the crashed engine and its containerd have new owners: that must not matter.
    (node.folder / "docker.pid").write_text("1")
    (node.folder / "exec/containerd/containerd.pid").write_text("1")
    node.start()
    state = state_of(node, made)
    assert (state["Running"], state["Status"]) == (False, "exited")
    assert not Path(f"/proc/{host}").exists()


# --- errors -----------------------------------------------------------------------------------------------------------


def test_an_engine_that_runs_is_not_started_twice(node: Node) -> None:
    with pytest.raises(NodesError, match="running already"):
        node.start()


def test_without_the_commands_the_error_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NodesError, match=r"need dockerd, .*apt-get install docker\.io iproute2"):
        Fleet(1)
    with pytest.raises(NodesError, match="apt-get install"):
        nodes.up(1)


def test_an_engine_that_does_not_start_is_quoted_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = nodes._traces()
    fake = tmp_path / "dockerd"
    # The first of the two engines is a real one, so that there is something to be undone.
    start_first = f'mkdir {tmp_path}/first 2>/dev/null && exec {shutil.which("dockerd")} "$@"'
    fake.write_text(f"#!/bin/sh\n{start_first}\necho 'the moon is in the wrong house' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(NodesError, match=r"(?s)engine of node \d+ ended at once.*the moon is in the wrong house"):
        Fleet(2)
    assert nodes._traces() == before
    assert_nothing_left(*nodes._traces() - before)


def test_addresses_in_use_by_others_are_refused() -> None:
    before = nodes._traces()
    out("ip", "route", "add", "10.77.200.0/24", "dev", "lo")
    try:
        with pytest.raises(NodesError, match=r"there is a route to 10\.77\.200\.0/24 on lo"):
            nodes.up(1)
        assert "10.77.200.0/24" in out("ip", "route")
    finally:
        out("ip", "route", "del", "10.77.200.0/24", "dev", "lo")
    assert nodes._traces() == before


def test_a_fleet_may_begin_empty() -> None:
    with Fleet(0) as fleet:
        assert fleet.nodes == []
        assert fleet.grow().is_up()
    assert_nothing_left(fleet.nodes[0].number)
