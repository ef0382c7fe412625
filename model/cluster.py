"""The cluster as a network: nodes, the records of pods, their containers, and the vectors that couple them.

A component is named ``n1`` (node), ``p1`` (record of a pod) or ``p1c1`` (container). Without nodes the pods have one
home that is always there, so that they can be studied alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from model import container
from model.lts.network import Network, Vector, When
from model.lts.parts import Composed, Renaming, compose
from model.lts.symmetry import Alike
from model.lts.table import Table
from model.pod import home, standing
from model.profiles import Profile

ANYWHERE = "node"


@dataclass(frozen=True)
class Size:
    """How many of each the network holds, and the restart policy of its pods."""

    policy: str
    pods: int = 1
    containers: int = 2
    nodes: int = 0

    @property
    def node_names(self) -> tuple[str, ...]:
        """The names of the nodes; none if pods are studied alone."""
        return tuple(f"n{i + 1}" for i in range(self.nodes))

    @property
    def homes(self) -> tuple[str, ...]:
        """Where a pod may be bound."""
        return self.node_names or (ANYWHERE,)

    @property
    def pod_names(self) -> tuple[str, ...]:
        """The names of the pods."""
        return tuple(f"p{i + 1}" for i in range(self.pods))

    def containers_of(self, pod: str) -> tuple[str, ...]:
        """The names of the containers of a pod."""
        return tuple(f"{pod}c{i + 1}" for i in range(self.containers))


def network(profile: Profile, size: Size) -> Network:
    """The network of a profile in this size. Raises ValueError for a size that makes no sense."""
    if size.pods < 1 or size.containers < 1 or size.nodes < 0:
        raise ValueError("a network needs at least one pod, one container per pod and no fewer than zero nodes")
    record = profile.record(size.homes)
    node = profile.node.flattened()
    components: dict[str, Table] = dict.fromkeys(size.node_names, node)
    for p in size.pod_names:
        components[p] = record
        components |= dict.fromkeys(size.containers_of(p), profile.containers[size.policy])
    vectors = [v for n in size.node_names for v in _node_vectors(size, n, node, record)]
    for p in size.pod_names:
        vectors += _record_vectors(profile, size, p, record, node)
        vectors += [v for c in size.containers_of(p) for v in _container_vectors(profile, size, p, c, record)]
    name = f"{profile.name} {size.policy}: {size.pods} pods x {size.containers} containers, {size.nodes} nodes"
    return Network(name, components, tuple(vectors))


def alike(size: Size) -> list[Alike]:
    """What may change places in the network of this size: nodes, pods with their containers, containers of a pod."""
    nodes = Alike(tuple((n,) for n in size.node_names), renamed=_at_another_node)
    pods = Alike(tuple((p, *size.containers_of(p)) for p in size.pod_names))
    containers = [Alike(tuple((c,) for c in size.containers_of(p))) for p in size.pod_names]
    return [pods, *containers, *([nodes] if size.nodes else [])]


def _at_another_node(state: str, names: Mapping[str, str]) -> str:
    """A state of a record that names a node, if that node has another name."""
    place = home(state)
    return f"{standing(state)}@{names[place]}" if place and place in names else state


def _node_vectors(size: Size, n: str, node: Table, record: Table) -> list[Vector]:
    """Every event of a node by itself; the ones that end it take the records of its pods along."""
    vectors = []
    for event in node.events:
        ends = f"{ENDS[event]}@{n}" if event in ENDS else ""
        broadcast = dict.fromkeys(size.pod_names, ends) if ends and ends in record.events else {}
        vectors.append(Vector(f"{event}({n})", {n: event}, broadcast))
    return vectors


def _record_vectors(profile: Profile, size: Size, p: str, record: Table, node: Table) -> list[Vector]:
    """Every event of a pod's record, with what it requires of its node and does to its containers."""
    vectors = []
    members = size.containers_of(p)
    table = profile.containers[size.policy]
    ended = frozenset(container.final(table))
    for event in record.events:
        label, _, place = event.partition("@")
        arguments = f"{p},{place}" if place and size.nodes else p
        if event == "expire_failed":  # the record itself says Failed: no need to ask the containers
            label, arguments = "expire", f"{p},failed"
        when: list[When] = []
        broadcast: dict[str, str] = {}
        if label == "node_terminated" and size.nodes:
            continue  # a broadcast of the node's own end
        if place and size.nodes and label in GOOD_NODE:
            good = frozenset(s for s in node.states if is_candidate(s) is GOOD_NODE[label] and s not in GONE_NODE)
            when.append(When("every", (place,), good))
        if label in NEEDS_UNFINISHED:
            when.append(When("some", members, frozenset(table.states) - ended))
        if event in NEEDS_FINISHED:
            when.append(When("every", members, ended))
        if label in KILLS and "kill" in table.events:
            broadcast = dict.fromkeys(members, "kill")
        vectors.append(Vector(f"{label}({arguments})", {p: event}, broadcast, tuple(when)))
    return vectors


GOOD_NODE = {"bind": True, "node_timed_out": False, "evict": False}
"""Events of a record that need the node to be a candidate (True), or not to be one (False)."""

GONE_NODE = ("Terminated", "Removed")
"""A node that has ended is neither: its pods go with it, or (v0.17.0, a record deleted by hand) nobody looks."""

ENDS = {"terminate": "node_terminated", "remove": "node_terminated", "remove_by_cloud": "evict"}
"""What the end of a node does to the records of its pods, where their table knows it."""

NEEDS_UNFINISHED = ("disk_died", "node_timed_out", "sandbox_died")
"""Events that only a pod can meet whose containers have not all ended for good."""

NEEDS_FINISHED = ("expire",)
KILLS = ("disk_died", "sandbox_died")
"""Events that kill the containers of the pod."""


def is_candidate(node_state: str) -> bool:
    """Whether a pod may be bound to a node in this (flat) state."""
    return node_state in ("Running/True/True", "Recorded/True")


def _container_vectors(profile: Profile, size: Size, p: str, c: str, record: Table) -> list[Vector]:
    """Every event of a container by itself, while its pod is bound. Killing is the record's doing."""
    bound = When("every", (p,), frozenset(s for s in record.states if standing(s) == "Bound"))
    events = (event for event in profile.containers[size.policy].events if event != "kill")
    return [Vector(f"{event}({c})", {c: event}, when=(bound,)) for event in events]


# --- pods know nothing of one another: they have only nodes in common -----------------------------------------------


def pods_apart(network: Network, size: Size) -> Composed:
    """The network as like pods on common nodes. Raises `model.lts.parts.NotComposed` if a vector couples pods."""
    return compose(network, size.node_names, [(p, *size.containers_of(p)) for p in size.pod_names])


def exchanges_of_containers(size: Size) -> list[Renaming]:
    """Neighbouring containers of the first pod exchanged: all other ways are put together from these."""
    return [Renaming({a: b, b: a}) for a, b in itertools.pairwise(size.containers_of(size.pod_names[0]))]


def exchanges_of_nodes(size: Size) -> list[Renaming]:
    """Every way of exchanging the nodes: the words of a record that name a node then name another."""
    return [
        _exchange(dict(zip(size.node_names, order, strict=True))) for order in itertools.permutations(size.node_names)
    ]


def _exchange(nodes: dict[str, str]) -> Renaming:
    def renamed(_: str, word: str) -> str:
        place = home(word)
        return word.replace(f"@{place}", f"@{nodes[place]}") if place in nodes else word

    return Renaming(nodes, renamed)
