"""One Docker engine: its address and health, the image, its events, and what runs of ours have left there.

Everything that a run makes carries its labels; nothing without them is looked at, counted or touched.
"""

from __future__ import annotations

import contextlib
import datetime
import http.client
import io
import os
import re
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, InvalidVersion, NotFound

from adapters.docker.disk import Disks
from adapters.docker.disk import sweep as sweep_mounts
from adapters.docker.nodes import Node, UnixConnection

RUN, OWNER, CLUSTER, POD, MEMBER = (f"kubephase.{name}" for name in ("run", "owner", "cluster", "pod", "member"))
"""Labels. ``RUN`` tells whose an object is; ``OWNER`` is the process that made it, see `owner_of`."""

DISKS = "disks-"
"""The beginning of the name of a folder with a run's disks."""

MINIMUM_API = (1, 40)
"""Docker 19.03. Older engines were never tried."""

ANSWER = 3.0
"""Seconds in which an engine's address and health endpoint must answer."""

CALL = 20.0
"""Seconds after which a call of the engine's API is given up."""

SCHEMES = ("unix", "http+unix", "tcp", "http")
"""Kinds of addresses, as far as `health` can ask there, too."""

PLACES = tuple(map(Path, ("/bin/busybox", "/usr/bin/busybox", "/bin/busybox.static")))
"""Where a static busybox is looked for."""

LINKS = ("sh", "sleep", "cat", "mv", "seq", "nc")
"""What the workloads' scripts call besides the shell's own commands."""

LOST = (requests.ConnectionError, requests.Timeout, ConnectionError, TimeoutError, OSError)
"""What a call raises when the engine does not answer."""


class EngineError(Exception):
    """An engine cannot be used: which one, why (in its own words), and what to do."""


# --- who made what ---------------------------------------------------------------------------------------------------


def owner_of(pid: int) -> str:
    """A name for a process that no later one has: the machine's boot, its pid and its start. Empty if it is gone."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    return "" if state in "ZX" else f"{boot}/{pid}/{fields[18]}"  # a zombie has ended, too


def is_over(owner: str) -> bool:
    """Whether the process that made something is surely gone: it ran on this machine, and does so no more."""
    boot, _, rest = owner.partition("/")
    here = owner_of(os.getpid()).partition("/")[0]
    return bool(here) and boot == here and owner_of(int(rest.partition("/")[0] or 0)) != owner


# --- the engine ------------------------------------------------------------------------------------------------------


@dataclass
class Engine:
    """An engine that answers. ``node`` is set if it is one of our own, which can be cut off and killed."""

    url: str
    client: docker.DockerClient
    run: str
    image: str = ""
    node: Node | None = None
    events: Events | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    others: list[str] = field(default_factory=list)
    """Runs that were at work there when this one began."""
    is_here: bool = False
    """Its processes are this machine's, and can be killed from here."""
    _disks: Disks | None = None

    def labels(self, **more: str) -> dict[str, str]:
        """The labels of whatever this run makes."""
        return {RUN: self.run, OWNER: owner_of(os.getpid()), **more}

    def disks(self) -> Disks:
        """Disks that can be made to fail, in the folder of an engine of our own: what is mounted there it can see."""
        assert self.node is not None
        with self.lock:
            if self._disks is None:
                folder = self.node.folder / f"{DISKS}{self.run}"
                folder.mkdir()
                (folder / OWNER).write_text(owner_of(os.getpid()))
                self._disks = Disks(folder)
            return self._disks

    def close(self) -> None:
        """Remove everything that this run made there; then let go of the engine."""
        try:
            remove(self.client, {RUN: self.run})
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Use the engine no more, without a word to it."""
        if self.events:
            self.events.close()
        self.client.close()
        if self._disks:
            self._disks.close()
            shutil.rmtree(self._disks.base, ignore_errors=True)


def connect(url: str, run: str, image: str | None = None, node: Node | None = None) -> Engine:
    """An engine that is ready for use: checked, swept, with the image, its events being listened to.

    Raises EngineError.
    """
    client = _checked(url)
    engine = Engine(url, client, run, node=node)
    try:
        engine.others = sweep(client)
        if node:
            sweep_disks(node.folder)
        engine.image = _given(client, image, url) if image else _made(engine)
        engine.is_here = os.geteuid() == 0 and (node is not None or _runs_here(engine))
        engine.events = Events(engine)
        engine.events.open()
    except (EngineError, DockerException, *LOST) as error:
        with contextlib.suppress(DockerException, *LOST):
            engine.close()
        if isinstance(error, EngineError):
            raise
        raise EngineError(f"the engine at {url} cannot be used: {_words(error)}{_full(url, error)}") from error
    return engine


def _checked(url: str) -> docker.DockerClient:
    """A client of an engine that can be used as far as its version tells. Raises EngineError."""
    try:
        client = docker.DockerClient(base_url=url, timeout=CALL, max_pool_size=32)  # type: ignore[arg-type]
        version = client.version()
    except InvalidVersion as error:
        raise _too_old(url, str(error)) from error
    except (DockerException, KeyError, TypeError, ValueError, *LOST) as error:
        raise EngineError(_no_engine(url, error)) from error
    if not isinstance(version, dict) or "ApiVersion" not in version:
        raise EngineError(_no_engine(url, ValueError("what answers there is something else")))
    if tuple(int(part) for part in version["ApiVersion"].split(".")) < MINIMUM_API:
        raise _too_old(url, f"Docker {version.get('Version', '?')} with API {version['ApiVersion']}")
    if version.get("Os", "linux") != "linux":
        raise EngineError(f"the engine at {url} runs {version['Os']} containers: it takes Linux ones")
    return client


def _too_old(url: str, which: str) -> EngineError:
    needed = ".".join(map(str, MINIMUM_API))
    return EngineError(
        f"the engine at {url} is too old: {which}\nit takes API {needed} (Docker 19.03) or newer: "
        "bring it up to date, or name another with --docker-host or DOCKER_HOST"
    )


def _no_engine(url: str, error: BaseException) -> str:
    """What to tell of an address where no engine can be spoken to: which, why, and what to do."""
    words, other = _words(error), "name another with --docker-host or DOCKER_HOST"
    if urlsplit(url).scheme not in SCHEMES:
        return (
            f"{url} is no address that can be used: it must be like unix:///var/run/docker.sock or tcp://10.0.0.2:2375"
        )
    if "Permission denied" in words:
        return (
            f"no permission to use the Docker engine at {url}: {words}\n"
            f"join the group docker (and log in again), or become root; or {other}"
        )
    if url.startswith("unix://"):
        advice = f"start one (systemctl start docker, or as root: kubephase nodes up 2), or {other}"
    else:
        advice = f"is the address right, and does an engine listen there? If not, {other}"
    return f"no Docker engine answers at {url}: {words}\n{advice}"


def _words(error: BaseException) -> str:
    """The engine's own words, or those of the system that could not reach it."""
    if explanation := getattr(error, "explanation", None):
        return str(explanation)
    words = str(error)
    if "[Errno" in words:
        return words[words.index("[Errno") :].rstrip("')\"")
    if found := re.search(r"Error\((\d+), ['\"](.*?)['\"]\)", words):  # the same from a Unix socket
        return f"[Errno {found[1]}] {found[2]}"
    return words.removeprefix("Error while fetching server API version: ")


def _full(url: str, error: BaseException) -> str:
    if "no space left" not in str(error):
        return ""
    return f"\nits disk is full: make room there (docker -H {url} system df tells what takes it)"


def _runs_here(engine: Engine) -> bool:
    """Whether a container of the engine is a process of this machine: its address does not tell, as a socket may lead
    anywhere, and be that of an engine in a PID namespace of its own."""
    api = engine.client.api
    container = str(api.create_container(engine.image, ["sleep", "60"], labels=engine.labels())["Id"])
    try:
        api.start(container)
        return is_process_of(container, api.inspect_container(container)["State"]["Pid"])
    finally:
        api.remove_container(container, force=True, v=True)


def is_process_of(container: str, pid: int) -> bool:
    """Whether a process of this machine is one of the container's, whose engine calls it so."""
    try:
        return container in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:  # it has ended, or is somewhere else
        return False


# --- the image -------------------------------------------------------------------------------------------------------


def _given(client: docker.DockerClient, image: str, url: str) -> str:
    try:
        client.images.get(image)
    except ImageNotFound:
        raise EngineError(
            f"the engine at {url} has no image {image}, and none is pulled unasked: docker -H {url} pull {image}"
        ) from None
    return image


def _made(engine: Engine) -> str:
    """An image of this run with nothing but a static busybox, made here and not in a registry."""
    name = f"kubephase:{engine.run}"
    changes = [f"LABEL {key}={value}" for key, value in engine.labels().items()]
    engine.client.api.import_image_from_data(_root(busybox()), repository="kubephase", tag=engine.run, changes=changes)
    return name


def busybox() -> Path:
    """A static busybox of this machine. Raises EngineError if there is none."""
    there = [place for place in PLACES if place.is_file()]
    for place in there:
        if _is_static(place.read_bytes()):
            return place
    found = f"not static: {_listed(there)}" if there else f"there is none of {_listed(PLACES)}"
    raise EngineError(
        f"there is no image and no way to make one, which takes a static busybox: {found}\n"
        "install one (Debian: apt-get install busybox-static), or name an image that the engine has, with a shell, "
        "sleep and nc: --image NAME"
    )


def _listed(places: Iterable[Path]) -> str:
    return ", ".join(map(str, places))


def _is_static(program: bytes) -> bool:
    """Whether an ELF program needs no loader: it names none."""
    return program[:4] == b"\x7fELF" and b"/ld-linux" not in program[:4096] and b"/ld-musl" not in program[:4096]


def _root(program: Path) -> bytes:
    """The image's file system as a tar archive."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder in ("bin", "tmp", "pod"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = program.stat().st_size, 0o755
        with program.open("rb") as file:
            tar.addfile(entry, file)
        for name in LINKS:
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    return archive.getvalue()


# --- health ----------------------------------------------------------------------------------------------------------

Reached = Literal["True", "False"]
Ready = Literal["True", "False", "Unknown"]


def health(url: str) -> tuple[Reached, Ready]:
    """NodeReachable: the engine's address answers, if only to say that nobody listens there. NodeReady: its health
    endpoint says OK; Unknown if the address does not answer."""
    connection = _connection(url)
    try:
        connection.connect()
    except ConnectionRefusedError:
        return "True", "False"
    except OSError:
        return "False", "Unknown"
    try:
        connection.request("GET", "/_ping")
        return "True", "True" if connection.getresponse().read() == b"OK" else "False"
    except (OSError, http.client.HTTPException):
        return "True", "False"
    finally:
        connection.close()


def complaint(url: str) -> str:
    """What an engine that is not healthy says of itself, or the system of it."""
    connection = _connection(url)
    try:
        connection.request("GET", "/_ping")
        answer = connection.getresponse()
        words = answer.read(500).decode(errors="replace")
        return "it answers again" if words == "OK" else f"{answer.status} {answer.reason}: {words.strip()}"
    except TimeoutError:
        return f"no answer within {ANSWER:g} s"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()


def _connection(url: str) -> http.client.HTTPConnection:
    """HTTP over TCP or a Unix socket, not yet connected."""
    parts = urlsplit(url)
    if parts.scheme in ("unix", "http+unix"):
        return UnixConnection(parts.path, ANSWER)
    return http.client.HTTPConnection(parts.hostname or "localhost", parts.port or 2375, timeout=ANSWER)


# --- events ----------------------------------------------------------------------------------------------------------

Listener = Callable[[dict[str, Any] | None], None]
"""Gets each event once, and None after a gap: whatever happened in it must be looked up."""


class Events(threading.Thread):
    """The engine's events about this run's containers, each once and in order.

    The engine keeps 256 events and forgets them when it restarts. So the stream is open before anything is created,
    goes on after the last event after a break, and tells of every break.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(daemon=True, name=f"events of {engine.url}")
        self._engine = engine
        self._listeners: dict[str, Listener] = {}
        self._lock = threading.Lock()
        self._over, self._opened = threading.Event(), threading.Event()
        self._seen: set[tuple[int, str, str]] = set()
        # The engine answers a little before it listens: beginning at its own time of before, nothing is lost.
        self._since = _seconds(nanoseconds(engine.client.info()["SystemTime"]))
        self._stream: Any = None

    def listen(self, cluster: str, listener: Listener) -> None:
        """Send the events of one cluster there."""
        with self._lock:
            self._listeners[cluster] = listener

    def forget(self, cluster: str) -> None:
        """Send them no more."""
        with self._lock:
            self._listeners.pop(cluster, None)

    def run(self) -> None:
        """Listen until `close`."""
        while not self._over.is_set():
            try:
                filters = {"type": "container", "label": f"{RUN}={self._engine.run}"}
                since: Any = self._since  # the library's types do not know that a string is exact
                self._stream = self._engine.client.events(since=since, filters=filters, decode=True)
                if self._opened.is_set():
                    self.gap()
                self._opened.set()
                for event in self._stream:
                    self._take(event)
            except (DockerException, *LOST, ValueError, AttributeError):  # the stream broke, or was closed under us
                pass
            self._over.wait(0.1)

    def open(self) -> None:
        """Begin to listen; returns when the stream is open. Raises EngineError if it cannot be opened."""
        self.start()
        if not self._opened.wait(CALL):
            raise EngineError(f"the engine at {self._engine.url} gives no stream of its events within {CALL:g} s")

    def gap(self) -> None:
        """Tell all listeners that events may be missing."""
        for listener in self._current():
            listener(None)

    def close(self) -> None:
        """Stop listening."""
        self._over.set()
        if self._stream is not None:
            with contextlib.suppress(DockerException, *LOST, ValueError, AttributeError):
                self._stream.close()

    def _take(self, event: dict[str, Any]) -> None:
        key = (int(event["timeNano"]), str(event["Actor"]["ID"]), str(event["Action"]))
        self._since = _seconds(key[0])
        if key in self._seen:
            return
        self._seen.add(key)
        with self._lock:
            listener = self._listeners.get(event["Actor"]["Attributes"].get(CLUSTER, ""))
        if listener:
            listener(event)

    def _current(self) -> list[Listener]:
        with self._lock:
            return list(self._listeners.values())


def nanoseconds(time_of_engine: str) -> int:
    """A time as the engine writes it (RFC 3339, to the nanosecond), since 1970; 0 for its zero time."""
    found = re.fullmatch(r"(.+T[0-9:]+)(?:\.([0-9]+))?(Z|[+-][0-9:]+)", time_of_engine)
    if found is None:
        raise ValueError(f"no time: {time_of_engine}")
    whole, fraction, offset = found[1], found[2] or "", found[3]
    seconds = int(datetime.datetime.fromisoformat(whole + offset.replace("Z", "+00:00")).timestamp())
    return max(0, seconds * 10**9 + int(fraction.ljust(9, "0")[:9] or 0))


def _seconds(nanoseconds_since_1970: int) -> str:
    """A time as the engine reads it, exactly."""
    return f"{nanoseconds_since_1970 // 10**9}.{nanoseconds_since_1970 % 10**9:09}"


# --- leaving no trace ------------------------------------------------------------------------------------------------


def remove(client: docker.DockerClient, labels: dict[str, str]) -> None:
    """Remove the containers, volumes and images with these labels."""
    wanted = {"label": [f"{key}={value}" for key, value in labels.items()]}
    for container in client.api.containers(all=True, filters=wanted):
        _gone(partial(client.api.remove_container, container["Id"], force=True, v=True))
    for volume in client.api.volumes(filters=wanted)["Volumes"] or []:
        _gone(partial(client.api.remove_volume, volume["Name"], force=True))
    for image in client.api.images(filters=wanted):
        _gone(partial(client.api.remove_image, image["Id"], force=True))


def _gone(removal: Callable[[], object]) -> None:
    """Remove something, wherever another one may be doing the same."""
    try:
        removal()
    except NotFound:
        pass
    except APIError as error:
        if error.status_code != 409:  # "removal is already in progress", or an image that another one still uses
            raise


def sweep(client: docker.DockerClient) -> list[str]:
    """Remove what runs have left that were killed: those whose process on this machine is gone. Returns the owners of
    the others, which are at work there."""
    wanted = {"label": [OWNER]}
    found = [
        *(c["Labels"] or {} for c in client.api.containers(all=True, filters=wanted)),
        *(v["Labels"] or {} for v in client.api.volumes(filters=wanted)["Volumes"] or []),
        *(i["Labels"] or {} for i in client.api.images(filters=wanted)),
    ]
    for run in {labels[RUN] for labels in found if RUN in labels and is_over(labels[OWNER])}:
        remove(client, {RUN: run})
    mine = owner_of(os.getpid())
    return sorted({labels[OWNER] for labels in found if not is_over(labels[OWNER]) and labels[OWNER] != mine})


def sweep_disks(folder: Path) -> None:
    """Remove the disks of runs that were killed from an engine's folder."""
    sweep_mounts(folder)
    for disks in folder.glob(f"{DISKS}*"):
        with contextlib.suppress(OSError):
            if is_over((disks / OWNER).read_text()):
                shutil.rmtree(disks, ignore_errors=True)
