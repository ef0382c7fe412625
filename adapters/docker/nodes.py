"""Docker engines of our own, each in namespaces of its own: the nodes of a cluster on one Linux machine.

    with Fleet(3) as fleet:            # a run's nodes: gone when the run ends, however it ends
        print(fleet.nodes[0].url)      # tcp://10.77.1.2:2375

    up(2)                              # a user's nodes: they stay until `down()`

All that belongs to a node hangs on one process, its init, which is process 1 of the node's PID namespace. When the
init ends, the kernel ends everything in there (engine, shims, containers), and with it go the node's mounts and its end
of the network cable. What remains then is files, empty cgroup folders and perhaps a route: `_undo` removes those.

Three things make sure that an init ends with its owner:

- An init reads from a pipe that the owner holds, and exits when that pipe closes. The nodes of a user are let go with a
  word on the pipe, once all is done.
- The keeper of a run, a process in a session of its own, waits for the end of the run and removes what it has left.
- Whatever is left even so is found by the next `up`, `down`, `sweep` or `Fleet`.

The engine of a node listens without encryption on an address that this machine alone has a route to. Everybody who can
open a connection there is root, as with any Docker socket: not for machines that others log in to.

This module needs Linux and root, and nothing but the standard library: the keeper runs it as a script.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import ipaddress
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

__all__ = ["Fleet", "Node", "NodesError", "Process", "down", "missing", "running", "sweep", "up"]

STATE = Path("/run/kubephase")
"""State of the nodes. The folder itself stays for ever: it is what processes lock against each other."""

DATA = Path("/var/lib/kubephase")
"""Images and containers of the engines: on disk, since overlayfs wants that."""

NETWORK = ipaddress.ip_network("10.77.0.0/16")
"""Node N has 10.77.N.2, and the machine is 10.77.N.1 for it. Containers have addresses of 10.88.N.0/24 in the node."""

HIGHEST = 254
"""The highest number of a node: a byte of its address."""

ROUTE_MARK = "77"
"""The protocol number of the guard route, by which we know our own."""

PRIVATE = (Path("/run/containerd"), Path("/run/docker"), Path("/etc/docker"))
"""Folders that an engine writes to wherever its own folders are. Each node gets empty ones, so that nodes share neither
sockets nor the engine's identity, and the settings of the machine's own engine do not apply."""

CGROUPS = Path("/sys/fs/cgroup")

POLL = 0.02
"""Seconds between two looks at something that is about to happen."""

START_LIMIT = 60.0
"""Seconds that an engine may take to start. Without live restore it first stops the containers that are left from
before a crash, and gives each the time it asked for (10 s unless told otherwise)."""

END_LIMIT = 20.0
"""Seconds that killed processes may take to end."""

ANSWER_LIMIT = 2.0
"""Seconds that an engine may take to answer a ping."""

MARK = "kubephase-node"
"""The last but one argument of an init, before its number: an init is found by it even if nothing else is left."""

INIT = """
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.write(1, b"ready")
os.close(1)
if not os.read(0, 1):
    sys.exit()
while True:
    signal.pause()
"""
"""Process 1 of a node. Ignoring SIGCHLD, it has no zombies. A byte on the pipe lets it go, the pipe's end ends it."""


class NodesError(Exception):
    """Something about the nodes is not as it should be. The message says what, where, and what to do."""


# --- processes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Process:
    """A process of the machine; its start (in clock ticks since boot) tells it from a later one with the same PID."""

    pid: int
    start: int

    @staticmethod
    def of(pid: int) -> Process | None:
        """The process with this PID, or None if there is none or it has ended (a zombie has)."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The name in parentheses may contain anything, so count from behind it.
        fields = text.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else Process(pid, int(fields[19]))

    def alive(self) -> bool:
        """True if it has not ended."""
        return Process.of(self.pid) == self

    def kill(self) -> None:
        """Send SIGKILL, without waiting. No error if it has ended."""
        with self._handle() as handle:
            if handle is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)

    def wait(self, seconds: float | None) -> bool:
        """Wait for its end, for ever with None. True if it has ended."""
        with self._handle() as handle:
            return handle is None or bool(_poll(handle, seconds))

    @contextlib.contextmanager
    def _handle(self) -> Iterator[int | None]:
        """A pidfd of it; None if it has ended."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            yield None
            return
        try:
            # Only now the PID cannot change hands any more, so the look at the start counts.
            yield handle if self.alive() else None
        finally:
            os.close(handle)


def _poll(handle: int, seconds: float | None) -> list[tuple[int, int]]:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return poll.poll(None if seconds is None else seconds * 1000)


def _run(*command: str, text: str = "") -> str:
    """Run a command with ``text`` as its input and return what it prints. Raises `NodesError` if it fails."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, cwd="/")
    except FileNotFoundError as error:
        raise NodesError(f"the command {command[0]} is not there: {missing()}") from error
    if done.returncode != 0:
        raise NodesError(f"`{' '.join(command)}` failed with {done.returncode}: {(done.stderr + done.stdout).strip()}")
    return done.stdout


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - much faster, and polled


def _namespace_pids(folder: Path) -> list[int]:
    """The PIDs of the process with this /proc folder, from our namespace to its own. Empty if it has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in (folder / "status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("NSpid:"):
                return [int(word) for word in line.split()[1:]]
    return []


def _inits() -> dict[int, Process]:
    """All the inits of this machine by the number of their node, whether or not anything else of it is left."""
    found = {}
    for pid in _pids():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
            # The process unshare(1) has the same arguments, but a single PID.
            if words[-2:-1] == [MARK] and words[-1].isdigit() and _namespace_pids(Path(f"/proc/{pid}"))[1:] == [1]:
                process = Process.of(pid)
                if process is not None:
                    found[int(words[-1])] = process
    return found


# --- nodes ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Node:
    """One node. Its methods may be called from any process of root, not only from the one that made it."""

    number: int
    """1 to 254; the other resources are named after it."""

    init: Process
    """The process that all of the node hangs on."""

    @property
    def url(self) -> str:
        """Where its engine listens."""
        return f"tcp://{self._address}:2375"

    @property
    def folder(self) -> Path:
        """Its state. What is mounted below it on the machine appears in the node, too, at the same path."""
        return STATE / "nodes" / str(self.number)

    @property
    def data(self) -> Path:
        """The images and containers of its engine."""
        return DATA / "nodes" / str(self.number)

    @property
    def log(self) -> Path:
        """The log of its engine."""
        return self.folder / "engine.log"

    @property
    def _address(self) -> str:
        return f"10.77.{self.number}.2"

    @property
    def _link(self) -> str:
        return _link(self.number)

    @property
    def _proc(self) -> Path:
        """The node's own /proc: its processes under the PIDs they have there."""
        return Path(f"/proc/{self.init.pid}/root/proc")

    # --- the engine ---

    def start(self, live_restore: bool = False) -> None:
        """Start the engine and wait until it answers, 1.5 s on an idle machine.

        With ``live_restore`` it takes over the containers that survived a `kill`, and they run on; without, it stops
        them first. Raises `NodesError` with the end of the log if it does not start, or if it is running already.
        """
        self._check_alive()
        if self._engine() is not None:
            raise NodesError(f"the engine of node {self.number} is running already: kill() it first")
        # A PID of before a crash may belong to anybody now, and an engine that reads it would believe the other one to
        # be itself, or to be its containerd.
        stale = ["engine.pid", "docker.pid"]
        if self._pid_in("exec/containerd/containerd.pid", f"{self.folder}/exec/containerd/containerd.toml") is None:
            stale.append("exec/containerd/containerd.pid")
        for file in stale:
            (self.folder / file).unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._enter(["setsid", "--fork", "sh", "-c", 'echo $$ >"$0"; exec "$@"', f"{self.folder}/engine.pid",
                         *self._command(live_restore)], log.fileno())  # fmt: skip
        # The socket in the folder answers even if the node is cut off.
        self._await(lambda: self._answers(UnixConnection(f"{self.folder}/docker.sock", ANSWER_LIMIT)), "on its socket")

    def _command(self, live_restore: bool) -> list[str]:
        return ["dockerd", "--config-file", f"{self.folder}/engine.json",
                "--data-root", f"{self.data}", "--exec-root", f"{self.folder}/exec",
                "--pidfile", f"{self.folder}/docker.pid", "-H", self.url, "-H", f"unix://{self.folder}/docker.sock",
                "--tls=false", "--bip", f"10.88.{self.number}.1/24",
                "--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", f"/kubephase/{self.number}",
                *(["--live-restore"] if live_restore else [])]  # fmt: skip

    def kill(self) -> None:
        """Kill the engine (SIGKILL) and wait for its end: a crash. Its containers run on. No error if it is down."""
        self._check_alive()
        pid = self._engine()
        if pid is None:
            return
        with contextlib.suppress(NodesError):
            self.signal(pid, signal.SIGKILL)
        deadline = time.monotonic() + END_LIMIT
        while self._engine() == pid:
            if time.monotonic() > deadline:
                raise NodesError(f"the engine of node {self.number} does not end within {END_LIMIT:g} s of SIGKILL")
            time.sleep(POLL)

    def is_up(self) -> bool:
        """True if the engine answers over the network."""
        return self.init.alive() and self._answers(http.client.HTTPConnection(self._address, 2375, ANSWER_LIMIT))

    @staticmethod
    def _answers(connection: http.client.HTTPConnection) -> bool:
        try:
            connection.request("GET", "/_ping")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _await(self, answers: Callable[[], bool], where: str) -> None:
        """Wait until the engine, just started, answers. Raises `NodesError` with the end of the log if it does not."""
        deadline = time.monotonic() + START_LIMIT
        while not answers():
            has_begun = (self.folder / "engine.pid").read_text() if (self.folder / "engine.pid").exists() else ""
            if has_begun and self._engine() is None:
                raise NodesError(f"the engine of node {self.number} ended at once. {_tail(self.log)}")
            if time.monotonic() > deadline:
                why = f"does not answer {where} within {START_LIMIT:g} s"
                raise NodesError(f"the engine of node {self.number} {why}. {_tail(self.log)}")
            time.sleep(POLL)

    def _engine(self) -> int | None:
        """The PID of the engine within the node, None if it is not running."""
        return self._pid_in("engine.pid", f"{self.folder}/docker.pid")

    def _pid_in(self, file: str, argument: str) -> int | None:
        """The PID in a file of the node's folder, if it belongs to a process with such an argument."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            pid = int((self.folder / file).read_text())
            words = (self._proc / str(pid) / "cmdline").read_bytes().decode(errors="replace")
            # Empty in the middle of an exec: it is on its way to become what it should be.
            if not words or argument in words.split("\0"):
                return pid
        return None

    # --- the network ---

    def cut(self, direction: Literal["both", "in"] = "both") -> None:
        """Cut the node off the machine. Connections stay open on both sides and go on after `heal`.

        both: nothing passes; new connections are refused at once. in: nothing reaches the node, but what it sends on
        connections that exist still arrives; new connections time out.
        """
        self._check_alive()
        if direction == "both":
            _run("ip", "link", "set", self._link, "down")
        elif not self._is_deaf():
            self._iptables("-I")

    def heal(self) -> None:
        """Undo every `cut`. No error if there was none."""
        self._check_alive()
        _run("ip", "link", "set", self._link, "up")
        while self._is_deaf():
            self._iptables("-D")
        # Somebody may have taken the inner end down, and then the kernel has dropped its route.
        _run(*_inside(self.init, "net"), "ip", "-batch", "-", text=_inner_network(self.number, "replace"))
        # Either side may remember for seconds that the other does not answer, and would not even try.
        _run("ip", "neigh", "flush", "dev", self._link)
        _run(*_inside(self.init, "net"), "ip", "neigh", "flush", "dev", "eth0")

    def _is_deaf(self) -> bool:
        try:
            self._iptables("-C")
        except NodesError:
            return False
        return True

    def _iptables(self, action: str) -> None:
        _run(*_inside(self.init, "net"), "iptables", "-w", action, "INPUT", "-i", "eth0", "-j", "DROP")

    # --- processes ---

    def pid_on_host(self, pid: int) -> int:
        """The machine's PID for a process that the node's engine calls ``pid``. Raises `NodesError` if it has ended."""
        folder = self._proc / str(pid)
        try:
            namespace = (folder / "ns/pid").stat().st_ino
        except (FileNotFoundError, ProcessLookupError) as error:
            raise self._gone(pid) from error
        # The PIDs from the node's namespace on, and the innermost namespace: both together there is only once.
        inner = _namespace_pids(folder)
        for candidate in _pids():
            found = Path(f"/proc/{candidate}")
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if inner and _namespace_pids(found)[1:] == inner and (found / "ns/pid").stat().st_ino == namespace:
                    return candidate
        raise self._gone(pid)

    def signal(self, pid: int, sig: signal.Signals) -> None:
        """Send a signal to a process that the node's engine calls ``pid``. Raises `NodesError` if it has ended."""
        try:
            # A folder of /proc serves as a handle of the process, and stays with it.
            handle = os.open(self._proc / str(pid), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError) as error:
            raise self._gone(pid) from error
        try:
            signal.pidfd_send_signal(handle, sig)
        except ProcessLookupError as error:
            raise self._gone(pid) from error
        finally:
            os.close(handle)

    def _gone(self, pid: int) -> NodesError:
        return NodesError(f"there is no process {pid} on node {self.number} (any more)")

    # --- the end ---

    def remove(self) -> None:
        """End the node for good: afterwards nothing of it is left. No error if it has been removed before."""
        with _lock():
            if _is_of(self.number, self.init):
                _undo(self.number)

    def _check_alive(self) -> None:
        if not self.init.alive():
            raise NodesError(f"node {self.number} is gone (its process {self.init.pid} has ended): make a new one")

    def _enter(self, command: Sequence[str], output: int) -> None:
        """Run a command on the node and wait for it."""
        done = subprocess.run([*_inside(self.init, "net", "pid", "mount"), *command], check=False, cwd="/",
                              stdin=subprocess.DEVNULL, stdout=output, stderr=output)  # fmt: skip
        if done.returncode != 0:
            raise NodesError(f"nsenter into node {self.number} failed. {_tail(self.log)}")


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _link(number: int) -> str:
    """The machine's end of the node's network cable."""
    return f"kph{number}"


def _inside(init: Process, *namespaces: str) -> list[str]:
    return ["nsenter", "--target", str(init.pid), *(f"--{name}" for name in namespaces)]


def _inner_network(number: int, verb: Literal["add", "replace"]) -> str:
    """The commands of `ip -batch` that make or repair the inner end of the cable."""
    return f"""\
link set lo up
link set eth0 up
addr replace 10.77.{number}.2/24 dev eth0
route {verb} default via 10.77.{number}.1
"""


def _tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, for an error message."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        text = ""
    return f"The end of its log, {log}:\n" + "\n".join(text.splitlines()[-lines:] or ["(empty)"])


# --- owners and traces ------------------------------------------------------------------------------------------------

Owner = Process | Literal["user"]
"""Whom a node belongs to: a process, with whose end it goes, or the user, with whose `down` it goes."""


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    """Only one process (and thread) at a time claims or undoes nodes. The kernel frees the lock of a dead one."""
    STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(STATE, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _record(number: int) -> dict[str, Any]:
    """What is noted about a node; empty if it is half-made."""
    try:
        found = json.loads((STATE / f"nodes/{number}/node.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _note(number: int, owner: Owner, init: Process | None) -> None:
    """Note whom a node belongs to and what it hangs on."""
    folder = STATE / f"nodes/{number}"
    record = {
        "number": number,
        "owner": owner if isinstance(owner, str) else [owner.pid, owner.start],
        "init": None if init is None else [init.pid, init.start],
        "url": f"tcp://10.77.{number}.2:2375",
    }
    (folder / "node.json.new").write_text(json.dumps(record))
    (folder / "node.json.new").replace(folder / "node.json")


def _owner_of(number: int) -> Owner | None:
    """Whom a node belongs to; None if its owner has ended before it could note that."""
    owner = _record(number).get("owner")
    return Process(*owner) if isinstance(owner, list) else "user" if owner == "user" else None


def _is_of(number: int, init: Process) -> bool:
    """True if the node of this number is the one with this init, and not a later one."""
    return bool(_record(number).get("init") == [init.pid, init.start])


def _is_abandoned(number: int) -> bool:
    owner = _owner_of(number)
    return owner is None or (isinstance(owner, Process) and not owner.alive())


def _numbers(folder: Path) -> set[int]:
    with contextlib.suppress(FileNotFoundError):
        return {int(path.name) for path in (folder / "nodes").iterdir() if path.name.isdigit()}
    return set()


def _traces() -> set[int]:
    """The numbers of all nodes of which there is anything."""
    return _numbers(STATE) | _numbers(DATA) | set(_inits())


def _undo_where(condition: Callable[[int], bool]) -> int:
    """Undo all nodes that meet the condition, and return their number. Raises `NodesError` at the end if any stayed."""
    errors = []
    with _lock():
        doomed = [number for number in sorted(_traces()) if condition(number)]
        inits = _inits()
        for number in doomed:
            if number in inits:
                inits[number].kill()  # all at once: their ends take a while
        for number in doomed:
            try:
                _undo(number)
            except (NodesError, OSError) as error:
                errors.append(f"node {number}: {error}")
    if errors:
        raise NodesError("could not remove everything; try again with `down`: " + "; ".join(errors))
    return len(doomed)


def _undo(number: int) -> None:
    """Remove all traces of a node, however much of it there is. The caller has the lock."""
    init = _inits().get(number)
    if init is not None:
        init.kill()
        if not init.wait(END_LIMIT):
            raise NodesError(f"the processes of the node (init {init.pid}) do not end within {END_LIMIT:g} s")
    holder = _held.pop(number, None)
    if holder is not None:
        _let_go(holder)
        holder.wait()
    # The cable goes with its other end, but only some time after the last process.
    if Path(f"/sys/class/net/{_link(number)}").exists():
        with contextlib.suppress(NodesError):
            _run("ip", "link", "delete", _link(number))
    for place in (STATE, DATA):
        _unmount_all(place / f"nodes/{number}")
    for top in (CGROUPS / "kubephase", *CGROUPS.glob("*/kubephase")):
        _remove_cgroups(top / str(number))
        _remove_if_empty(top)
    _remove_folder(DATA / f"nodes/{number}")
    _remove_folder(STATE / f"nodes/{number}")
    if not _numbers(STATE):
        _end_of_the_last()


def _end_of_the_last() -> None:
    """No node is left: neither is what they had in common."""
    if _our_guard():
        _run("ip", "route", "del", "unreachable", str(NETWORK), "proto", ROUTE_MARK)
    for folder in (STATE / "nodes", DATA / "nodes", DATA, *PRIVATE[:2]):
        _remove_if_empty(folder)


def _unmount_all(folder: Path) -> None:
    """Unmount what is mounted on and below a folder of this machine: latest first, and even if it is in use."""
    # mountinfo writes a blank as \040; our paths have none, but what others mounted below them may.
    points = [line.split()[4].encode().decode("unicode_escape") for line in _mounts()]
    for point in reversed(points):
        if Path(point) == folder or folder in Path(point).parents:
            _run("umount", "--lazy", point)


def _mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()


def _remove_cgroups(folder: Path) -> None:
    """Remove a tree of empty cgroups. The files in there cannot be removed and need not be."""
    for path, _, _ in os.walk(folder, topdown=False):
        # Just after the end of its last process a cgroup may count as busy.
        deadline = time.monotonic() + 1.0
        while not _remove_if_empty(Path(path)) and time.monotonic() < deadline:
            time.sleep(POLL)


def _remove_if_empty(folder: Path) -> bool:
    """Remove a folder if it is empty; False if it is still there."""
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not folder.exists()


def _remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it. The mounts of a dead node may take a moment to vanish."""
    deadline = time.monotonic() + 2.0
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            pass
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL)


# --- making nodes -----------------------------------------------------------------------------------------------------

_held: dict[int, subprocess.Popen[bytes]] = {}
"""The processes unshare(1) of the inits that this process has started: their parents, and the pipes to them."""


def _let_go(holder: subprocess.Popen[bytes], word: bytes = b"") -> None:
    """Close the pipe to an init; with a word first, it stays."""
    if holder.stdin is not None and not holder.stdin.closed:
        with contextlib.suppress(BrokenPipeError), holder.stdin:
            holder.stdin.write(word)


def _routes() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_run("ip", "-4", "-json", "route", "show", "table", "all") or "[]")
    return found


def _is_ours(route: dict[str, Any]) -> bool:
    is_guard = route.get("type") == "unreachable" and str(route.get("protocol")) == ROUTE_MARK
    return is_guard or re.fullmatch(r"kph\d+", route.get("dev", "")) is not None


def _our_guard() -> bool:
    return any(route.get("type") == "unreachable" and _is_ours(route) for route in _routes())


def _guard_network() -> None:
    """Refuse addresses of cut or missing nodes at once; without it their packets would take the default route.

    Raises `NodesError` if somebody else uses our addresses.
    """
    for route in _routes():
        taken = route["dst"] != "default" and ipaddress.ip_network(route["dst"], strict=False).overlaps(NETWORK)
        if taken and not _is_ours(route):
            where = f" on {route['dev']}" if "dev" in route else ""
            raise NodesError(
                f"the nodes need the addresses {NETWORK}, but there is a route to {route['dst']}{where}: "
                f"remove it, or run on another machine (`ip route show table all` lists it)"
            )
    if not _our_guard():
        _run("ip", "route", "add", "unreachable", str(NETWORK), "proto", ROUTE_MARK)


def _claim() -> int:
    """Take the lowest free number for this process. Raises `NodesError` if there is none, or no network for it."""
    owner = Process.of(os.getpid())
    assert owner is not None
    with _lock():
        number = min(set(range(1, HIGHEST + 1)) - _traces(), default=None)
        if number is None:
            raise NodesError(f"all {HIGHEST} numbers of nodes are in use: see {STATE}/nodes, and run `down`")
        (STATE / f"nodes/{number}").mkdir(mode=0o700, parents=True)
        _note(number, owner, None)
        try:
            _guard_network()
        except NodesError:
            _undo(number)
            raise
    return number


def _make(live_restore: bool, say: Callable[[str], None]) -> Node:
    """Make a node, up to an engine that answers. If that fails, nothing is left of it."""
    number = _claim()
    try:
        folder = STATE / f"nodes/{number}"
        # A shared mount, so that what is mounted below it later appears in the node.
        _run("mount", "--bind", "--make-private", str(folder), str(folder))
        _run("mount", "--make-shared", str(folder))
        init = _start_init(number)
        owner = _owner_of(number)
        assert owner is not None
        _note(number, owner, init)
        node = Node(number, init)
        _furnish(node)
        node.start(live_restore)
        node._await(node.is_up, f"at {node.url}")
    except BaseException:
        with _lock():
            _undo(number)
        raise
    say(f"node {number}: {node.url}")
    return node


def _start_init(number: int) -> Process:
    """Start process 1 of a node in namespaces of its own, and wait until it is there."""
    log = STATE / f"nodes/{number}/engine.log"
    with log.open("ab") as errors:
        holder = subprocess.Popen(
            ["unshare", "--net", "--pid", "--fork", "--mount", "--propagation", "slave", "--mount-proc",
             sys.executable, "-I", "-S", "-c", INIT, MARK, str(number)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd="/", start_new_session=True, bufsize=0,
        )  # fmt: skip
    _held[number] = holder
    assert holder.stdout is not None
    with holder.stdout:
        ready = holder.stdout.read(5)
    init = _inits().get(number)
    if ready != b"ready" or init is None:
        raise NodesError(f"cannot start process 1 of node {number} with unshare. {_tail(log)}")
    return init


def _furnish(node: Node) -> None:
    """Give a new node its network and its private folders."""
    for folder in PRIVATE:
        folder.mkdir(parents=True, exist_ok=True)
        _run(*_inside(node.init, "mount"), "mount", "-t", "tmpfs", "-o", "mode=0755", "kubephase", str(folder))
    node.data.mkdir(mode=0o711, parents=True)
    (node.folder / "engine.json").write_text("{}")
    link = _link(node.number)
    _run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(node.init.pid))
    _run("ip", "-batch", "-", text=f"addr add 10.77.{node.number}.1/24 dev {link}\nlink set {link} up\n")
    _run(*_inside(node.init, "net"), "ip", "-batch", "-", text=_inner_network(node.number, "add"))


def _make_all(count: int, live_restore: bool, say: Callable[[str], None]) -> list[Node]:
    """Make nodes side by side. If one fails, the others are removed, and the first error is raised."""
    with ThreadPoolExecutor(max(count, 1)) as pool:
        tasks = [pool.submit(_make, live_restore, say) for _ in range(count)]
        try:
            nodes = [task.result() for task in tasks]
        except BaseException:
            wait(tasks)
            _remove_all(task.result() for task in tasks if task.exception() is None)
            raise
    return sorted(nodes, key=lambda node: node.number)


def _remove_all(nodes: Iterable[Node]) -> None:
    inits = {node.number: node.init for node in nodes}
    _undo_where(lambda number: number in inits and _is_of(number, inits[number]))


# --- for users --------------------------------------------------------------------------------------------------------

PACKAGES = {
    "dockerd": "docker.io",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setsid": "util-linux",
    "mount": "mount",
    "umount": "mount",
    "iptables": "iptables",
}
"""The commands that nodes need, and where Debian has them."""


def missing() -> str:
    """Why this machine cannot have nodes, and what to do about it; empty if it can."""
    if sys.platform != "linux":
        return f"nodes need Linux, and this is {sys.platform}"
    if os.geteuid() != 0:
        return "nodes need root: run it with sudo"
    absent = [command for command in PACKAGES if shutil.which(command) is None]
    if absent:
        packages = " ".join(sorted({PACKAGES[command] for command in absent}))
        return f"nodes need {', '.join(absent)} (Debian: apt-get install {packages})"
    probe = subprocess.run(["unshare", "--net", "--pid", "--fork", "--mount", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        return f"nodes need namespaces, and these are not allowed here: {probe.stderr.decode().strip()}"
    return ""


def _check_machine() -> None:
    problem = missing()
    if problem:
        raise NodesError(problem)


def _quiet(_: str) -> None:
    pass


def up(count: int, owner: Literal["user", "run"] = "user", say: Callable[[str], None] = _quiet) -> list[Node]:
    """Start ``count`` nodes. Either all of them start, or none stays.

    Those of the user stay until `down`. Those of a run end with this process, and the next `up`, `down`, `sweep` or
    `Fleet` removes their files (a `Fleet` has a keeper that does it at once). ``say`` hears of each node that is ready.
    Raises `NodesError` if this machine cannot have them or one fails.
    """
    _check_machine()
    sweep()
    nodes = _make_all(count, False, say)
    if owner == "run":
        return nodes
    # Until here they hang on this process. Note it first: an init that stays must never belong to nobody.
    for node in nodes:
        _note(node.number, "user", node.init)
    for node in nodes:
        _let_go(_held[node.number], b"s")
    return nodes


def running() -> list[Node]:
    """The user's nodes, in the order of their numbers."""
    inits = _inits()
    return [Node(number, inits[number]) for number in sorted(inits) if _owner_of(number) == "user"]


def down(say: Callable[[str], None] = _quiet) -> int:
    """Remove all nodes of the user and of runs that have ended, and return how many there were.

    Complete also for nodes that were half-made or half-removed. Raises `NodesError` if something stays.
    """
    _check_root()

    def is_doomed(number: int) -> bool:
        doomed = _owner_of(number) == "user" or _is_abandoned(number)
        if doomed:
            say(f"node {number}: removed")
        return doomed

    return _undo_where(is_doomed)


def sweep() -> int:
    """Remove what runs that have ended left behind, and return how many nodes. The user's nodes stay."""
    _check_root()
    return _undo_where(_is_abandoned)


def _check_root() -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise NodesError(missing())


# --- for runs ---------------------------------------------------------------------------------------------------------


class Fleet:
    """The nodes of a run. They go when the fleet is closed or this process ends, by whatever signal.

    It may begin with no node at all and `grow`, also from several threads at once.
    """

    def __init__(self, count: int, live_restore: bool = False, say: Callable[[str], None] = _quiet) -> None:
        _check_machine()
        sweep()
        self.live_restore = live_restore
        self.nodes: list[Node] = []
        self._say = say
        self._keeper = _start_keeper()
        try:
            self.nodes = _make_all(count, live_restore, say)
        except BaseException:
            self.close()
            raise

    def grow(self) -> Node:
        """Add one more node."""
        node = _make(self.live_restore, self._say)
        self.nodes.append(node)
        return node

    def close(self) -> None:
        """Remove the nodes. Raises `NodesError` if something stays. May be called again."""
        try:
            _remove_all(self.nodes)
        finally:
            self._keeper.kill()
            self._keeper.wait()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _start_keeper() -> subprocess.Popen[bytes]:
    """Start the process that removes what this one leaves behind. It holds nothing of ours: no pipe, no folder."""
    owner = Process.of(os.getpid())
    assert owner is not None
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(owner.pid), str(owner.start)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        start_new_session=True,
    )  # fmt: skip


def _keep(owner: Process) -> None:
    """Wait for the end of a run, then remove what it has left; some of it may need a second attempt."""
    owner.wait(None)
    for _ in range(5):
        try:
            sweep()
        except NodesError:
            time.sleep(1.0)
        else:
            return


if __name__ == "__main__":
    _keep(Process(int(sys.argv[1]), int(sys.argv[2])))
