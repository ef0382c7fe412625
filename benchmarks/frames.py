"""A recording of any length: the life of a simulated cluster, as the watches of a v0.17.0 API server would tell it.

    python benchmarks/frames.py 1000000 recording.ndjson
    python benchmarks/frames.py --history 1000000 history.ndjson    the same life as a history of our own

Twenty nodes, and some two hundred pods at a time: those of replication controllers, which are kept alive, and others
that come, crash and restart, complete, and are deleted. Every node reports every ten seconds; now and then one is lost.
What happens, and when, is the simulator's (seeded, so that the same call writes the same bytes); what it does not tell,
but a real frame has, is written as the recorded clusters have it (tests/data/recordings/v0.17.0): spec, image ids,
addresses, heartbeats. Engine events, which the simulator does not tell, are missing, and events do not expire.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import msgspec

from adapters.simulator import SimulatedCluster, Simulator, Timing
from conformance.history import Action, End, Header, Record, Scaling, Seen, encode
from conformance.runtime import (
    ContainerSeen,
    ContainerSpec,
    ControllerSeen,
    ControllerSpec,
    EventSeen,
    Fault,
    NodeSeen,
    Observation,
    PodSeen,
    PodSpec,
)
from conformance.workload import Exit, OutOfMemory, RunOn, Step, Workload
from model.events import NO_CANDIDATE

NODES = [f"10.240.0.{number}" for number in range(2, 22)]
CONTROLLERS, REPLICAS = 16, (2, 6)
PODS = 120
"""How many pods there are at a time besides those of the controllers."""

LIFETIME = 300.0
"""Seconds that such a pod is left, on average, before somebody deletes it."""

HEARTBEAT, GRACE = 10, 40
"""Seconds between two reports of a node, and after which one that is silent is lost (v0.17.0.md C-T1)."""

LOST_EVERY, LOST_FOR = 300, (5, 120)
"""Seconds between two losses of a node, and how long one lasts."""

SCALED_EVERY = 120
"""Seconds between two times that somebody scales a controller."""

BUSY = 10
"""From this second on there are pods: all nodes are ready."""

BEGIN = 1_795_432_000.0
"""The time of day at which it all begins."""


# --- what happens -----------------------------------------------------------------------------------------------------


@dataclass
class Life:
    """A cluster, and the people who use it. It goes on for ever."""

    seed: int
    specs: dict[str, PodSpec | ControllerSpec] = field(default_factory=dict)
    """What was submitted, by name: an observation does not tell what containers do."""

    def __post_init__(self) -> None:
        self.choose = random.Random(self.seed)
        # Each watch is in order, and the order of the versions is that in which the API wrote.
        self.cluster: SimulatedCluster = Simulator(timing=Timing(reordering=False)).open("life", self.seed, "v0.17.0")
        self.due: dict[int, list[tuple[str, str]]] = {}
        """What people will do, by second."""
        self.silent: set[str] = set()
        self.pods = 0

    def records(self) -> Iterator[Action | Seen]:
        """All that people do and the API says, in order."""
        for node in NODES:
            self.cluster.create_node(node)
            yield Action(create_node=node)
        for second in itertools.count(1):
            while self.cluster.now < second:
                yield from map(_seen, self.cluster.observe(second - self.cluster.now))
            yield from map(_seen, self._heartbeats(second))
            if second == BUSY:
                yield from self._submit_controllers()
            if second > BUSY:
                yield from self._act(second)

    def _heartbeats(self, second: int) -> Iterator[Observation]:
        nodes = self.cluster.nodes
        for place, name in enumerate(NODES):
            if (second + place) % HEARTBEAT == 0 and name not in self.silent and nodes[name].ready == "True":
                yield msgspec.structs.replace(nodes[name], at=self.cluster.now)

    def _submit_controllers(self) -> Iterator[Action]:
        for number in range(CONTROLLERS):
            containers = self._containers()
            spec = ControllerSpec(f"web-{number:02}", self.choose.randint(*REPLICAS), "Always", containers)
            self.specs[spec.name] = spec
            self.cluster.create_controller(spec)
            yield self._did(create_controller=spec)

    def _act(self, second: int) -> Iterator[Action]:
        for what, name in self.due.pop(second, ()):
            yield from self._do(what, name)
        if second % LOST_EVERY == 0:
            self._lose(second, self.choose.choice(NODES))
        if second % SCALED_EVERY == 0:
            scaling = Scaling(f"web-{self.choose.randrange(CONTROLLERS):02}", self.choose.randint(*REPLICAS))
            self.cluster.scale_controller(scaling.controller, scaling.wanted)
            yield self._did(scale=scaling)
        missing = PODS - sum(pod.owner is None for pod in self.cluster.pods.values())
        for _ in range(min(missing, 2)):  # not all at the beginning
            yield self._submit(second)

    def _submit(self, second: int) -> Action:
        self.pods += 1
        policy = self.choose.choice(("Always", "OnFailure", "Never"))
        name = f"{policy.lower()}-{self.pods:06}"
        spec = self.specs[name] = PodSpec(name, policy, self._containers())  # type: ignore[arg-type]
        self.cluster.create_pod(spec)
        self._plan(second + 5 + int(self.choose.expovariate(1 / LIFETIME)), "delete", name)
        return self._did(create_pod=spec)

    def _containers(self) -> tuple[ContainerSpec, ...]:
        return tuple(
            ContainerSpec(f"c{number}", self._workload())
            for number in range(1, self.choose.choice((1, 1, 1, 2, 2, 3)) + 1)
        )

    def _workload(self) -> Workload:
        """What a container does: it works, it fails, it does not get up, it fails now and then, or it runs on."""
        after = self.choose.randint(3, 60)
        ends: list[Workload] = [
            (Exit(0, after),),
            (Exit(self.choose.choice((1, 2, 7, 137)), after),),
            (OutOfMemory(after),),
            (Exit(1, after), Exit(1, after), RunOn()),
            (RunOn(),),
            (RunOn(),),
        ]
        return self.choose.choice(ends)

    def _lose(self, second: int, node: str) -> None:
        """A node reports no more; after the grace time that is noticed, and some time later it is back."""
        if node not in self.silent:
            self.silent.add(node)
            lost = second + GRACE
            self._plan(lost, "cut-node", node)
            self._plan(lost + self.choose.randint(*LOST_FOR), "heal-node", node)

    def _plan(self, second: int, what: str, name: str) -> None:
        self.due.setdefault(second, []).append((what, name))

    def _do(self, what: str, name: str) -> Iterator[Action]:
        if what == "delete":
            if name in self.cluster.pods:  # else its node was lost, and it went with it
                self.cluster.delete_pod(name)
                yield self._did(delete_pod=name)
            return
        self.cluster.inject(Fault(what, name))
        yield self._did(inject=Fault(what, name))
        if what == "heal-node":
            self.silent.discard(name)

    def _did(self, **what: Any) -> Action:
        return Action(t=self.cluster.now, **what)


def _seen(what: Observation) -> Seen:
    return Seen(t=what.at, what=what)


# --- how it is written ------------------------------------------------------------------------------------------------

IMAGE = "busybox:local"
IMAGE_ID = "docker://sha256:b9b3b7c9da17e48bc5aa301237719c7ada590066dde75fffbcfdf8f6d9d1c398"
READY = {"True": "kubelet is posting ready status", "Unknown": "Kubelet stopped posting node status."}
REASONS = {"failed-scheduling": "failedScheduling"}
MACHINE = {
    "systemUUID": "",
    "bootID": "f1ff8662-da0d-4e23-8c89-f6e55c307862",
    "kernelVersion": "6.18.44-fc-v669",
    "osImage": "Debian GNU/Linux 12 (bookworm)",
    "containerRuntimeVersion": "docker://20.10.24+dfsg1",
    "kubeletVersion": "v0.17.0",
    "kubeProxyVersion": "v0.17.0",
}


@dataclass
class Written:
    """What is remembered of an object, as each of its frames repeats it."""

    meta: dict[str, Any]
    spec: dict[str, Any]
    made: Counter[str] = field(default_factory=Counter)
    """How many instances of a container were created so far."""
    begun: dict[tuple[str, int], str] = field(default_factory=dict)
    """When an incarnation of a container began, where that was seen."""
    version: dict[str, str] = field(default_factory=dict)
    """Of which version of a pod the scheduler knows, and the kubelet."""
    heartbeat: str = ""
    ready: str = ""
    changed: str = ""


class Writer:
    """From observations to the frames of the watches."""

    def __init__(self, specs: dict[str, PodSpec | ControllerSpec]) -> None:
        self._specs = specs
        self._version = 1000
        self._known: dict[str, Written] = {}
        """By uid."""
        self._controllers: dict[str, Written] = {}
        """By name."""

    def lines(self, observations: Iterable[Observation]) -> Iterator[bytes]:
        """A line for each."""
        held: list[Observation] = []
        for seen in observations:
            if isinstance(seen, EventSeen) and seen.reason == "scheduled":
                held.append(seen)  # where to, the pod tells, which comes next
                continue
            yield self._line(seen)
            yield from map(self._line, held)
            held = []

    def _line(self, seen: Observation) -> bytes:
        self._version += 1
        match seen:
            case PodSeen():
                stream, told = "pods", self._pod(seen)
            case NodeSeen():
                stream, told = "nodes", self._node(seen)
            case ControllerSeen():
                stream, told = "replicationcontrollers", self._controller(seen)
            case EventSeen():
                stream, told = "events", self._event(seen)
            case _:
                raise ValueError(f"the simulator tells of a {type(seen).__name__}, which no watch does")
        line = {"t": round(BEGIN + seen.at, 6), "stream": stream, "object": told}
        return json.dumps(line).encode() + b"\n"

    def _pod(self, seen: PodSeen) -> dict[str, Any]:
        written = self._known.get(seen.uid)
        type_ = "MODIFIED" if written else "ADDED"
        if written is None:
            written = self._known[seen.uid] = self._new_pod(seen)
        written.meta["resourceVersion"] = str(self._version)
        if seen.node and "host" not in written.spec:
            written.spec["host"] = seen.node
            written.version["kubelet"] = str(self._version)
        if seen.deleted:
            type_ = "DELETED"
        status: dict[str, Any] = {"phase": seen.phase}
        if seen.containers is not None:
            status |= {"Condition": [{"type": "Ready", "status": "False"}], "hostIP": seen.node}
            status |= {"podIP": seen.address} if seen.address else {}
            status["containerStatuses"] = [_status(seen.uid, written, container) for container in seen.containers]
        return _object(type_, "Pod", written.meta, written.spec, status)

    def _new_pod(self, seen: PodSeen) -> Written:
        spec = self._specs[seen.owner or seen.name]
        meta = self._meta("pods", seen.name, seen.uid, seen.at)
        if seen.owner:
            owner = self._controllers[seen.owner].meta
            reference = {"kind": "ReplicationController", "namespace": "default", "name": seen.owner,
                         "uid": owner["uid"], "apiVersion": "v1beta3",
                         "resourceVersion": owner["resourceVersion"]}  # fmt: skip
            told = {"kind": "SerializedReference", "apiVersion": "v1beta3", "reference": reference}
            meta = {"name": seen.name, "generateName": f"{seen.owner}-", **meta, "labels": {"app": seen.owner}}
            meta["annotations"] = {"kubernetes.io/created-by": json.dumps(told, separators=(",", ":"))}
        return Written(meta, _pod_spec(spec), version={"scheduler": str(self._version)})

    def _node(self, seen: NodeSeen) -> dict[str, Any]:
        written, now = self._known.get(seen.uid), _day(seen.at)
        type_ = "MODIFIED" if written else "ADDED"
        if written is None:
            written = self._known[seen.uid] = Written(
                self._meta("nodes", seen.name, seen.uid, seen.at), {"externalID": seen.name}
            )
        written.meta["resourceVersion"] = str(self._version)
        status: dict[str, Any] = {"capacity": {"cpu": "2", "memory": "24684084Ki"}}
        if seen.ready is not None:
            if seen.ready != written.ready:
                written.ready, written.changed = seen.ready, now
            if seen.ready == "True":
                written.heartbeat = now
            status["conditions"] = [{"type": "Ready", "status": seen.ready, "lastHeartbeatTime": written.heartbeat,
                                     "lastTransitionTime": written.changed, "reason": READY[seen.ready]}]  # fmt: skip
            status["addresses"] = [{"type": "LegacyHostIP", "address": seen.name}]
        status["nodeInfo"] = {"machineID": _hash(seen.name)[:32], **MACHINE}
        return _object("DELETED" if seen.deleted else type_, "Node", written.meta, written.spec, status)

    def _controller(self, seen: ControllerSeen) -> dict[str, Any]:
        written = self._controllers.get(seen.name)
        type_ = "MODIFIED" if written else "ADDED"
        if written is None:
            labels = {"app": seen.name}
            meta = {**self._meta("replicationcontrollers", seen.name, seen.uid, seen.at), "labels": labels}
            template = {
                "metadata": {"creationTimestamp": None, "labels": labels},
                "spec": _pod_spec(self._specs[seen.name]),
            }
            spec = {"replicas": seen.wanted, "selector": labels, "template": template}
            written = self._controllers[seen.name] = Written(meta, spec)
        written.meta["resourceVersion"] = str(self._version)
        written.spec["replicas"] = seen.wanted
        status = {"replicas": seen.counted}
        return _object(type_, "ReplicationController", written.meta, written.spec, status)

    def _event(self, seen: EventSeen) -> dict[str, Any]:
        component, _, host = seen.source.partition("/")
        pod, container = self._known[seen.object_uid or ""], seen.container
        now = _day(seen.recorded_at)
        number = int((BEGIN + seen.recorded_at) * 1e9) + int(seen.id.rpartition("-")[2])
        meta = self._meta("events", f"{seen.object_name}.{number:x}", seen.id, seen.at)
        meta["deletionTimestamp"] = _day(seen.at + 3600)
        about = {"kind": "Pod", "namespace": "default", "name": seen.object_name, "uid": pod.meta["uid"],
                 "apiVersion": "v1beta3", "resourceVersion": pod.version[component]}  # fmt: skip
        if container:
            about["fieldPath"] = f"spec.containers{{{container}}}"
        told = {
            "kind": "Event",
            "apiVersion": "v1beta3",
            "metadata": meta,
            "involvedObject": about,
            "reason": REASONS.get(seen.reason, seen.reason),
            "message": self._message(seen, pod),
            "source": {"component": component, "host": host} if host else {"component": component},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        return {"type": "ADDED", "object": told}

    def _message(self, seen: EventSeen, pod: Written) -> str:
        uid, container = seen.object_uid or "", seen.container or ""
        if seen.reason == "created":
            pod.made[container] += 1
        instance = _instance(uid, container, pod.made[container] - 1)
        match seen.reason:
            case "scheduled":
                return f"Successfully assigned {seen.object_name} to {pod.spec['host']}"
            case "failed-scheduling":
                return f"Error scheduling: {NO_CANDIDATE}"
            case "created":
                return f"Created with docker id {instance}"
            case "started":
                return f"Started with docker id {instance}"
            case "killing":
                return f"Killing {instance}"
            case _:
                raise ValueError(f"v0.17.0 has no event {seen.reason!r}")

    def _meta(self, resource: str, name: str, uid: str, at: float) -> dict[str, Any]:
        namespace = "" if resource == "nodes" else "namespaces/default/"
        return {
            "name": name,
            **({"namespace": "default"} if namespace else {}),
            "selfLink": f"/api/v1beta3/{namespace}{resource}/{name}",
            "uid": _uid(uid),
            "resourceVersion": str(self._version),
            "creationTimestamp": _day(at),
        }


def _object(type_: str, kind: str, meta: Any, spec: Any, status: Any) -> dict[str, Any]:
    told = {"kind": kind, "apiVersion": "v1beta3", "metadata": meta, "spec": spec, "status": status}
    return {"type": type_, "object": told}


def _pod_spec(spec: PodSpec | ControllerSpec) -> dict[str, Any]:
    containers = [
        {
            "name": container.name,
            "image": IMAGE,
            "command": ["sh", "-c", "; ".join(map(_command, container.workload))],
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "imagePullPolicy": "Never",
            "capabilities": {},
            "securityContext": {"capabilities": {}},
        }
        for container in spec.containers
    ]
    return {"volumes": None, "containers": containers, "restartPolicy": spec.policy, "dnsPolicy": "ClusterFirst"}


def _command(step: Step) -> str:
    match step:
        case Exit(code, after):
            return f"sleep {after}; exit {code}"
        case OutOfMemory(after):
            return f"sleep {after}; tail /dev/zero"
        case _:
            return "while true; do sleep 3600; done"


def _status(uid: str, written: Written, seen: ContainerSeen) -> dict[str, Any]:
    number = seen.restarts or 0
    instance = _instance(uid, seen.name, number)
    state: dict[str, Any]
    if seen.started_at is not None:
        written.begun[seen.name, number] = _day(seen.started_at)
    if seen.state == "running":
        state = {"running": {"startedAt": _day(seen.started_at or 0.0)}}
    elif seen.state == "terminated":
        state = {"termination": _ended(written, seen.name, number, instance, seen.exit_code, seen.oom,
                                       seen.finished_at)}  # fmt: skip
    else:
        why = "Container cannot run" if seen.instance else "image ready, container is creating"
        state = {"waiting": {"reason": why}}
    last: dict[str, Any] = {}
    if seen.last_exit_code is not None:
        before = _instance(uid, seen.name, number - 1)
        last = {"termination": _ended(written, seen.name, number - 1, before, seen.last_exit_code, seen.last_oom,
                                      seen.last_finished_at)}  # fmt: skip
    status = {"name": seen.name, "state": state, "lastState": last, "ready": False, "restartCount": number,
              "image": IMAGE, "imageID": IMAGE_ID}  # fmt: skip
    return {**status, "containerID": f"docker://{instance}"} if seen.instance else status


def _ended(
    written: Written, name: str, number: int, instance: str, code: int | None, oom: bool, finished: float | None
) -> dict[str, Any]:
    """How an incarnation ended. One that began and ended between two writes is told to have begun when it ended."""
    end = _day(finished or 0.0)
    reason = {"reason": "OOM Killed"} if oom else {}
    return {"exitCode": code, **reason, "startedAt": written.begun.get((name, number), end), "finishedAt": end,
            "containerID": f"docker://{instance}"}  # fmt: skip


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@functools.lru_cache(10_000)
def _instance(uid: str, container: str, number: int) -> str:
    """The engine's id of an incarnation of a container."""
    return _hash(f"{uid}/{container}/{number}")


def _uid(text: str) -> str:
    found = _hash(text)
    return f"{found[:8]}-{found[8:12]}-11f1-{found[12:16]}-{found[16:28]}"


@functools.lru_cache(1000)
def _time(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))


def _day(at: float) -> str:
    """The time of day, to the second, as the API writes it."""
    return _time(int(BEGIN + at))


def write(path: Path, frames: int, seed: int = 0) -> None:
    """A recording of so many frames."""
    life = Life(seed)
    observations = (record.what for record in life.records() if isinstance(record, Seen))
    with path.open("wb") as file:
        file.writelines(itertools.islice(Writer(life.specs).lines(observations), frames))


def write_history(path: Path, records: int, seed: int = 0) -> None:
    """A history of so many records, with what people did."""
    header = Header(scenario="benchmark", profile="v0.17.0", runtime="simulator", seed=seed)
    lived: Iterator[Record] = itertools.islice(Life(seed).records(), records - 2)
    at = 0.0
    with path.open("wb") as file:
        for number, record in enumerate(itertools.chain([header], lived, [End()]), 1):
            at = max(at, record.t)
            file.write(encode(msgspec.structs.replace(record, seq=number, t=at)) + b"\n")


@click.command()
@click.argument("frames", type=click.IntRange(min=3))
@click.argument("path", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@click.option("--history", is_flag=True, help="A history of our own instead: what was done is told, too.")
@click.option("--seed", default=0, show_default=True, help="Another seed is another life.")
def main(frames: int, path: Path, history: bool, seed: int) -> None:
    """Write a recording of FRAMES frames to PATH."""
    (write_history if history else write)(path, frames, seed)


if __name__ == "__main__":
    main()
