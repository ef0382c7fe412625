"""The adapter: clusters of Docker engines, and real faults.

kubephase conform --runtime docker                                   the local engine
kubephase conform --runtime docker --docker-host tcp://10.0.0.2:2375 --docker-host tcp://10.0.0.3:2375
kubephase nodes up 2 && kubephase conform --runtime docker           engines of our own: node faults, too
"""

from __future__ import annotations

import itertools
import os
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import ClassVar

try:
    from docker.errors import DockerException
except ModuleNotFoundError as error:
    raise ImportError(f"{error}: the Docker SDK is not installed (pip install 'kubephase[docker]')") from error

from adapters.docker import disk, floor, nodes
from adapters.docker.cluster import DISK_FAULTS, NODE_FAULTS, DockerCluster
from adapters.docker.control import TIME_OUT
from adapters.docker.engine import LOST, Engine, EngineError, connect
from conformance.runtime import About, Unsupported

ALWAYS_THERE = frozenset(
    {"kill-by-engine", "kill-sandbox", "out-of-memory", "events", "node-phase", "node-conditions", "network", "volumes",
     "replication", "scaling", "restart-controller", "reaping", "time-out"}
)  # fmt: skip


class Docker:
    """The runtime. ``docker_hosts`` are addresses of engines, each a node; without any it is that of DOCKER_HOST, else
    the engines of `kubephase nodes up`, else the local socket. ``image`` is an image that the engines have; without
    one they get one that is made here. Raises EngineError."""

    OPTIONS: ClassVar = {"docker_hosts": "--docker-host", "image": "--image"}

    def __init__(self, docker_hosts: Sequence[str] = (), image: str | None = None) -> None:
        self._run = uuid.uuid4().hex[:12]
        self._image = image
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._spare: list[Engine] = []
        self._fleet: nodes.Fleet | None = None
        self._clusters: set[DockerCluster] = set()
        self.engines: list[Engine] = []
        self.bare: list[floor.BarePod] = []
        own = {node.url: node for node in nodes.running()} if os.geteuid() == 0 else {}  # they are root's alone
        urls = list(docker_hosts) or _default_hosts(own)
        try:
            for url in dict.fromkeys(urls):
                self.engines.append(connect(url, self._run, image, own.get(url)))
            self._about = self._examine()
        except BaseException:
            self.close()
            raise

    def describe(self) -> About:
        """What the engines are, and what can be done to them."""
        return self._about

    def _examine(self) -> About:
        version = self.engines[0].client.version()
        lacks = {"node-list": "its nodes are engines that are there already: no list makes one"}
        if not all(engine.is_here for engine in self.engines):
            lacks["kill-container"] = "a process can be killed by root on the engine's own machine only"
        if not all(engine.node for engine in self.engines):
            lacks |= dict.fromkeys(NODE_FAULTS | DISK_FAULTS, "it takes engines of our own: kubephase nodes up 2")
        elif reason := disk.missing():
            lacks |= dict.fromkeys(DISK_FAULTS, reason)
        can = ALWAYS_THERE | {"kill-container"} | NODE_FAULTS | DISK_FAULTS
        count = f"{len(self.engines)} engine{'s' if len(self.engines) > 1 else ''}"
        others = sorted({owner.split("/")[1] for engine in self.engines for owner in engine.others})
        note = f"other runs are at work on these engines (process {', '.join(others)}): neither sees the other's pods"
        return About(
            "docker", f"{version['Version']} ({count})", can - frozenset(lacks), lacks, (note,) if others else (),
            TIME_OUT,
        )  # fmt: skip

    def open(self, scenario: str, seed: int, profile: str) -> DockerCluster:
        """A cluster on the engines that there are."""
        return self.open_for(scenario, seed, profile, ())

    def open_for(self, scenario: str, seed: int, profile: str, needs: Sequence[str]) -> DockerCluster:  # noqa: ARG002
        """A cluster on the engines that there are; on engines of its own, if the scenario does something to them."""
        number = next(self._ids)
        if NODE_FAULTS & set(needs):
            source: Callable[[int], Engine] = self._exclusive
        else:
            source = lambda n: self._shared(number + n, n)  # noqa: E731 - one line says it
        cluster = DockerCluster(f"{self._run}-{number}", source, self._back, bool(DISK_FAULTS & set(needs)))
        if "reaping" in needs:
            cluster.reap()
        with self._lock:
            self._clusters.add(cluster)
        return cluster

    def _shared(self, place: int, count: int) -> Engine:
        if count >= len(self.engines):
            raise Unsupported(
                f"this needs {count + 1} nodes, and there are {len(self.engines)}: give more engines with --docker-host"
            )
        return self.engines[place % len(self.engines)]

    def _exclusive(self, count: int) -> Engine:  # noqa: ARG002 - any engine will do
        """An engine that nobody else uses; it need not be given back in one piece."""
        with self._lock:
            if self._spare:
                return self._spare.pop()
            if self._fleet is None:
                self._fleet = nodes.Fleet(0)
            fleet = self._fleet
        node = fleet.grow()
        return connect(node.url, self._run, self._image, node)

    def _back(self, cluster: DockerCluster) -> None:
        """A cluster has ended: what it left goes, and its own engines are kept for the next one if they are whole."""
        with self._lock:
            self._clusters.discard(cluster)
            self.bare += cluster.bare
        for record in cluster.nodes.values():
            engine = record.engine
            if engine in self.engines:
                continue
            if cluster.leaves_whole(record):
                with self._lock:
                    self._spare.append(engine)
            else:
                self._drop(engine)

    def _drop(self, engine: Engine) -> None:
        engine.let_go()
        if engine.node:
            engine.node.remove()

    def close(self) -> None:
        """Remove everything that this run has made."""
        with self._lock:
            clusters = list(self._clusters)
        for cluster in clusters:
            cluster.stop()
        problems: list[str] = []
        steps: list[Callable[[], object]] = [engine.close for engine in self.engines]
        if self._fleet:
            steps += [*(engine.let_go for engine in self._spare), self._fleet.close]
        for step in steps:
            try:
                step()
            except (DockerException, nodes.NodesError, disk.DiskError, *LOST) as error:
                problems.append(str(error))
        if problems:
            raise EngineError("not everything could be removed: " + "; ".join(problems))

    def floor(self, jobs: int) -> float:
        """Seconds that the bare containers of this run take on the same engines."""
        return floor.seconds(self.bare, self.engines, jobs)


def _default_hosts(own: dict[str, nodes.Node]) -> list[str]:
    if host := os.environ.get("DOCKER_HOST"):
        return [host]
    return list(own) or ["unix:///var/run/docker.sock"]
