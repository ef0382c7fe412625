"""The accounts of one world agree, step by step, and the judge never accuses the right one.

Three accounts of the same world are stepped side by side: the `transitions` machines, the compiled arrays, and the
simulator, which was written from the documents without a look at the tables. Then arbitrary worlds of the simulator
are recorded and judged: the right build is never accused, whatever is lost of its history, and every wrong build is.

All examples are chosen by the source of the test alone, so that a run is the same everywhere. To explore further, raise
EXPLORE, and set `derandomize=False` to see other examples in every run.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from adapters.simulator import FAULTS, SimulatedCluster, Simulator, Timing
from conformance import recordings, runtime
from conformance.history import End, Header, History, Record, Seen
from conformance.judge import Judgement, judge
from conformance.runtime import ContainerSeen, ContainerSpec, Fault, NodeSeen, PodSeen, PodSpec, Policy, Unsupported
from conformance.scenario import POLICIES, Run, Scenario
from conformance.verdict import Verdict
from conformance.workload import RUN_ON, Exit, OutOfMemory, Put, RunOn, Serve, Step, UseDisk, Workload
from model import container, pod
from model.cluster import Size, is_candidate, network
from model.lts import network as networks
from model.lts.machine import Stepper
from model.lts.network import Vector
from model.lts.table import Refused, Table
from model.profiles import PROFILES, Profile
from tests.adapters.test_simulator import SYMPTOMS

EXPLORE = 1
"""Every number of examples below is multiplied with this."""


def budget(examples: int, steps: int = 50) -> settings:
    """How many examples, and steps of a state machine in each: the same ones in every run."""
    return settings(
        max_examples=examples * EXPLORE,
        stateful_step_count=steps,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


# --- the two accounts of the model ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """A pod as the model had it at some moment: its record and containers by name, and the restart counts."""

    states: Mapping[str, str]
    restarts: Mapping[str, int]
    phase: str


class Model:
    """The `transitions` machines and the compiled arrays, which take every step together and must agree on it.

    A pod or node that does not exist yet is one that is gone: its component is Deleted or Removed.
    """

    def __init__(self, profile: Profile, size: Size) -> None:
        self.profile, self.size = profile, size
        self.network = network(profile, size)
        self.arrays = networks.compile(self.network)
        self.vectors: dict[str, Vector] = {v.name: v for v in self.network.vectors}
        # A node is stepped with its regions, as the reference draws it; the arrays have it flat.
        tables = {name: profile.node if name in size.node_names else t for name, t in self.network.components.items()}
        self.machines = {name: Stepper(table) for name, table in tables.items()}
        self.phases = {p: Stepper(profile.phases[size.policy]) for p in size.pod_names}
        self.restarts: Counter[str] = Counter()
        for name in (*size.node_names, *size.pod_names):
            place(self.machines[name], "Removed" if name in size.node_names else "Deleted")
        for machine in self.phases.values():
            place(machine, "Deleted")
        self.row = self.arrays.encode(self.states)[np.newaxis, :]

    @property
    def states(self) -> dict[str, str]:
        """The states of all components by the machines."""
        return {name: machine.current for name, machine in self.machines.items()}

    def create(self, *names: str) -> None:
        """Components that begin anew: a node, or the record and the containers of a pod."""
        for name in names:
            table = self.machines[name].table
            self.machines[name] = Stepper(table)
            self.restarts[name] = 0
            if name in self.phases:
                self.phases[name] = Stepper(self.phases[name].table)
        self.row = self.arrays.encode(self.states)[np.newaxis, :]

    def told(self, p: str) -> Told:
        """The pod as it is now."""
        members = self.size.containers_of(p)
        states = {name: self.machines[name].current for name in (p, *members)}
        return Told(states, {c: self.restarts[c] for c in members}, self.phases[p].current)

    def go_back(self, p: str, told: Told) -> None:
        """The pod is again as it was: what nobody was told of may as well not have happened."""
        for name, state in told.states.items():
            place(self.machines[name], state)
        self.restarts.update({c: n - self.restarts[c] for c, n in told.restarts.items()})
        place(self.phases[p], told.phase)
        self.row = self.arrays.encode(self.states)[np.newaxis, :]

    def take(self, name: str) -> bool:
        """Whether the step ``name`` is accepted. All accounts must say the same, and a refusal changes none."""
        before, row = self.states, self.row
        moves = [m for m in self.arrays.moves if m.vector.name == name and self.arrays.enabled(m, row)[0]]
        assert len(moves) <= 1, f"{name} is nondeterministic"
        try:
            self._fire(self.vectors.get(name))
        except Refused:
            assert not moves, f"the machines refuse {name} in {before}, the arrays do not"
            assert self.states == before, f"{name} was refused and has changed something"
            with pytest.raises(Refused):
                self.network.fire(before, name)
            return False
        assert moves, f"the arrays refuse {name} in {before}, the machines do not"
        self.row = self.arrays.apply(moves[0], row)
        assert self.arrays.decode(self.row[0]) == self.states, f"{name} in {before}"
        assert self.states in self.network.fire(before, name)
        self._follow(self.vectors[name], before)
        return True

    def owed(self, name: str) -> None:
        """A step that the model must be able to take."""
        assert self.take(name), f"{name} is refused in {self.states}"

    def _fire(self, vector: Vector | None) -> None:
        """One vector by the machines. Raises Refused."""
        if vector is None:
            raise Refused("network", "any state", "an event that it does not have", ())
        for when in vector.when:
            inside = [self.machines[c].current in when.states for c in when.components]
            if not (all(inside) if when.quantifier == "every" else any(inside)):
                raise Refused("network", str(when), vector.name, ())
        assert len(vector.moves) == 1
        for name, event in vector.moves.items():
            self.machines[name].fire(event)
            self.restarts[name] += event in container.COUNTED
        for name, event in vector.broadcast.items():
            before = self.machines[name].current
            try:
                self.machines[name].fire(event)
            except Refused:
                assert self.machines[name].current == before

    def _follow(self, vector: Vector, before: Mapping[str, str]) -> None:
        """The phase tables take the same step, to the phase that the decision table computes. Raises Refused."""
        for p in self.size.pod_names:
            labels = [vector.label for name in vector.moves if name in (p, *self.size.containers_of(p))]
            if event := vector.broadcast.get(p):
                table: Table = self.network.components[p]
                labels += [event.partition("@")[0]] if table.rows_for(before[p], event) else []
            for label in labels:
                self.phases[p].fire(label, target=self.computed(p))
            assert self.phases[p].current == self.computed(p)

    def computed(self, p: str) -> str:
        """The phase of a pod by the decision table."""
        states = tuple(self.machines[c].current for c in self.size.containers_of(p))
        return self.profile.phase(self.size.policy, self.machines[p].current, states)


def place(machine: Stepper, state: str) -> None:
    """Put a machine into a state."""
    machine.machine.set_state(state, machine)


# --- side by side with the simulator --------------------------------------------------------------------------------

KNOWN_PODS, KNOWN_NODES = ("p1", "p2"), ("n1", "n2")
pods = st.sampled_from((*KNOWN_PODS, *KNOWN_PODS, "p9"))
nodes = st.sampled_from((*KNOWN_NODES, *KNOWN_NODES, "n9"))
containers = st.sampled_from(("c1", "c1", "c2", "c3", "c4"))
codes = st.integers(1, 255)

NOTICED, DONE, ALL_DONE = 4.0, 10.0, 17.0
"""Seconds after which, at the simulator's slowest: the state of a node has been found out; one container has been
restarted and the status of its pod written; all containers have, on a node that has just come back."""

TOO_LATE, LAST_MOMENT = 18.0, 36.0
"""Seconds in the dark after which nothing more is begun that lasts until ALL_DONE; after which a node that comes back
might not be found out to be back before the shortest time-out (40 s)."""

UNTOUCHED = {
    "expire": "it reaps nothing",
    "remove": "nobody deletes a node's record by hand",
    "reachability_lost": "it always knows whether it reaches a node",
    "never_reported": "(v0.17.0) a node that never reports is never given up, as NODE-COND-9 would have it",
    "post_not_ready": "(v0.17.0) container runtimes do not fail",
    "recreate": "(v0.17.0) what is created can be started",
    "liveness_failed": "(v0.17.0) there are no probes",
    "sandbox_died": "(v0.17.0) sandboxes do not die",
    "refuse_admission": "(v0.17.0) every pod fits on every node",
}
"""Steps of the model that the simulator never takes, and why."""


class SideBySide(RuleBasedStateMachine):
    """A cluster of two pods and two nodes, told by the simulator, by the machines and by the arrays.

    The workloads run on; the rules end them. After each rule the world settles, and the model takes the steps that are
    owed. Only while a node is *in the dark* (cut off or stopped, but its time-out has not passed) time passes in small
    portions, long enough for all that is local to the nodes and too short for the time-out.
    """

    profile: ClassVar[Profile]
    policy: ClassVar[Policy]
    fired: ClassVar[Counter[str]]
    """How often each rule was accepted (its name), and refused (``not`` and its name)."""
    taken: ClassVar[set[str]]
    """The labels of the steps that the model took."""

    model: Model
    cluster: SimulatedCluster

    @initialize(
        size=st.integers(1, 3),
        seed=st.integers(0, 2**16),
        timing=st.builds(Timing, st.booleans(), st.booleans(), st.booleans()),
        second=st.booleans(),
    )
    def open(self, size: int, seed: int, timing: Timing, second: bool) -> None:
        self.model = Model(self.profile, Size(self.policy, pods=2, containers=size, nodes=2))
        self.cluster = Simulator(timing=timing).open("side by side", seed, self.profile.name)
        self.cut: set[str] = set()
        self.stopped: set[str] = set()
        self.dark: dict[str, float] = {}
        self.told: dict[str, Told] = {}
        self.made: set[str] = set()
        for node in KNOWN_NODES[: 1 + second]:
            self.create_node(node, None)
        for name in KNOWN_PODS:
            self.create_pod(name)

    # --- how a step is taken ----------------------------------------------------------------------------------------

    def act(self, rule_name: str, step: str | None, do: Callable[[], None], creates: tuple[str, ...] = ()) -> bool:
        """One event, told to all; whether it was accepted. They must agree, and a refusal changes nothing.

        ``step`` is the model's name for it, None where the model has none; ``creates`` are the components that begin.
        """
        looked = self.cluster.now, self.cluster.pods, self.cluster.nodes
        allowed = self.model.take(step) if step else None
        refusal: Exception | None = None
        try:
            do()
        except (runtime.Refused, Unsupported) as error:
            refusal = error
        if refusal:
            assert not allowed, f"the simulator refuses {step}: {refusal}"
            assert (self.cluster.now, self.cluster.pods, self.cluster.nodes) == looked
            self.fired[f"not {rule_name}"] += 1
            return False
        assert allowed is not False, f"the model refuses {step}, the simulator does not"
        self.model.create(*creates)
        self.fired[rule_name] += 1
        self.taken.add((step or "").partition("(")[0])
        return True

    def go_on(self, seconds: float) -> None:
        """Time passes: until nothing is due, or for so many seconds if a node is in the dark. Then all must agree."""
        if self.dark:
            self.wait(seconds)
        else:
            self.cluster.settle()
        self.owe()
        self.compare()

    def wait(self, seconds: float) -> None:
        end = self.cluster.now + seconds
        while self.cluster.now < end:
            self.cluster.observe(end - self.cluster.now)

    def is_connected(self, node: str) -> bool:
        return node not in self.cut | self.stopped

    def owe(self) -> None:
        """The model takes the silent steps that the system owes."""
        for n in self.model.size.node_names:
            self.owe_conditions(n)
        for p in self.model.size.pod_names:
            if self.model.states[p] == "Unbound" and any(is_candidate(self.model.states[n]) for n in KNOWN_NODES):
                self.owed(f"bind({p},{self.cluster.pods[p].node})")
            home = pod.home(self.model.states[p])
            if pod.standing(self.model.states[p]) == "Bound" and home not in self.stopped:
                self.owe_containers(p)
            if home is None or self.is_connected(home):
                self.told[p] = self.model.told(p)

    def owed(self, step: str) -> None:
        self.model.owed(step)
        self.taken.add(step.partition("(")[0])

    def owe_conditions(self, n: str) -> None:
        """What the cluster finds out of a node (seed.md L177, L181; v0.17.0.md NODE-COND-3, NODE-COND-10)."""
        root, *shown = self.model.states[n].split("/")
        if root == "Recorded":
            wanted = "True" if self.is_connected(n) else "Unknown"
            if shown != [wanted] and (shown != ["Absent"] or wanted == "True"):
                self.owed(f"{'post_ready' if wanted == 'True' else 'silent'}({n})")
        if root == "Pending" and self.is_connected(n):
            self.owed(f"check_in({n})")
            root, shown = "Running", ["Unknown", "Unknown"]
        if root == "Running":
            reachable = "False" if n in self.cut else "True"
            ready = "Unknown" if n in self.cut else "False" if n in self.stopped else "True"
            events = (
                {"True": "reachable", "False": "unreachable"},
                {"True": "ready", "False": "not_ready", "Unknown": "readiness_lost"},
            )
            for was, now, names in zip(shown, (reachable, ready), events, strict=True):
                if was != now:
                    self.owed(f"{names[now]}({n})")

    def owe_containers(self, p: str) -> None:
        """Every container that has not run is started, every one that the policy restarts is (seed.md L284-L312)."""
        for c in self.model.size.containers_of(p):
            if self.model.states[c] in container.ENDED and self.model.machines[c].table.allowed(self.model.states[c]):
                self.owed(f"restart({c})")
            if self.model.states[c] in ("Waiting", "Restarting"):
                self.owed(f"start({c})")

    # --- what must agree --------------------------------------------------------------------------------------------

    def compare(self) -> None:
        """What the API shows is what the model says: of a node in the dark, what it had told before."""
        states = self.model.states
        for n in self.model.size.node_names:
            assert shown_node(self.cluster.nodes.get(n)) == modelled_node(states[n]), n
        for p in self.model.size.pod_names:
            home = pod.home(states[p])
            if home is not None and home in self.dark:
                self.compare_pod(p, self.told[p])
            else:
                self.compare_pod(p, self.model.told(p))

    def compare_pod(self, p: str, told: Told) -> None:
        seen = self.cluster.pods.get(p)
        assert (seen is None) == (told.phase == "Deleted"), p
        if seen is None:
            return
        assert (seen.phase, seen.node) == (told.phase, pod.home(told.states[p])), p
        members = self.model.size.containers_of(p)
        shown = [shown_container(status) for status in seen.containers or ()] or [("Waiting", 0)] * len(members)
        modelled = [({"Killed": "Error"}.get(told.states[c], told.states[c]), told.restarts[c]) for c in members]
        assert shown == modelled, p

    # --- rules: objects ---------------------------------------------------------------------------------------------

    def in_time(self) -> bool:
        return not self.dark or self.in_the_dark() <= TOO_LATE

    def in_the_dark(self) -> float:
        """Seconds since the first of the nodes in the dark went there."""
        return self.cluster.now - min(self.dark.values())

    @precondition(lambda self: not self.dark)
    @rule(node=st.sampled_from(KNOWN_NODES), trouble=st.sampled_from((None, "cut-node", "stop-kubelet")))
    def create_node(self, node: str, trouble: str | None) -> None:
        """A node, perhaps one that cannot check in; a name is never used again."""
        is_new = node not in self.made
        assert (
            self.act("create_node", None, lambda: self.cluster.create_node(node), (node,) if is_new else ()) == is_new
        )
        self.made.add(node)
        if is_new and trouble:
            self.cluster.inject(Fault(trouble, node))
            (self.cut if trouble == "cut-node" else self.stopped).add(node)
        self.go_on(0.0)

    @precondition(lambda self: not self.dark)
    @rule(name=st.sampled_from(KNOWN_PODS))
    def create_pod(self, name: str) -> None:
        """A pod; its name may be used again when it is gone."""
        members = self.model.size.containers_of(name)
        spec = PodSpec(name, self.policy, tuple(ContainerSpec(c.removeprefix(name), RUN_ON) for c in members))
        is_new = self.model.states[name] == "Deleted"
        begun = (name, *members) if is_new else ()
        assert self.act("create_pod", None, lambda: self.cluster.create_pod(spec), begun) == is_new
        self.go_on(0.0)

    @precondition(lambda self: not self.dark)
    @rule()
    def replace_pods_that_ended(self) -> None:
        """They and those that are gone: only living ones make a lively world."""
        for name in KNOWN_PODS:
            if self.model.computed(name) in pod.TERMINAL:
                self.delete_pod(name)
            if self.model.states[name] == "Deleted":
                self.create_pod(name)

    @precondition(in_time)
    @rule(name=pods)
    def delete_pod(self, name: str) -> None:
        if self.act("delete_pod", f"delete({name})", lambda: self.cluster.delete_pod(name)):
            self.go_on(DONE)

    @rule(name=pods)
    def a_pod_that_has_not_ended_is_not_reaped(self, name: str) -> None:
        """The simulator reaps nothing, so only the accounts of the model can be asked."""
        if name not in KNOWN_PODS or self.model.computed(name) not in pod.TERMINAL:
            assert not self.model.take(f"expire({name})")

    # --- rules: ends of containers ----------------------------------------------------------------------------------

    def end(self, rule_name: str, event: str, name: str, member: str, do: Callable[[], None]) -> None:
        if self.act(rule_name, f"{event}({name}{member})", do):
            self.go_on(DONE)

    @precondition(in_time)
    @rule(name=pods, member=containers)
    def exit_zero(self, name: str, member: str) -> None:
        self.end("exit_zero", "exit_zero", name, member, lambda: self.cluster.end(name, member, 0))

    @precondition(in_time)
    @rule(name=pods, member=containers, code=codes)
    def exit_failure(self, name: str, member: str, code: int) -> None:
        self.end("exit_failure", "exit_failure", name, member, lambda: self.cluster.end(name, member, code))

    @precondition(in_time)
    @rule(name=pods, member=containers)
    def out_of_memory(self, name: str, member: str) -> None:
        fault = Fault("out-of-memory", name, member)
        self.end("out_of_memory", "out_of_memory", name, member, lambda: self.cluster.inject(fault))

    @precondition(in_time)
    @rule(name=pods, member=containers)
    def kill_container(self, name: str, member: str) -> None:
        fault = Fault("kill-container", name, member)
        self.end("kill_container", "exit_failure", name, member, lambda: self.cluster.inject(fault))

    @precondition(in_time)
    @rule(name=st.sampled_from(KNOWN_PODS), code=st.integers(0, 1))
    def all_exit_at_once(self, name: str, code: int) -> None:
        event = "exit_failure" if code else "exit_zero"
        for c in self.model.size.containers_of(name):
            member = c.removeprefix(name)
            self.act("all_exit_at_once", f"{event}({c})", functools.partial(self.cluster.end, name, member, code))
        self.go_on(ALL_DONE)

    @precondition(in_time)
    @rule(name=pods)
    def break_disk(self, name: str) -> None:
        """Not under a kubelet that is stopped: it would find out later, and the containers run until then."""
        if name in KNOWN_PODS and pod.home(self.model.states[name]) in self.stopped:
            return
        if self.act("break_disk", f"disk_died({name})", lambda: self.cluster.inject(Fault("break-disk", name))):
            self.go_on(DONE)

    # --- rules: nodes -----------------------------------------------------------------------------------------------

    def disconnect(self, kind: str, node: str, already: set[str]) -> None:
        is_refused = node in already or self.is_gone(node)
        accepted = self.act(kind, None, lambda: self.cluster.inject(Fault(kind, node)))
        assert accepted is not is_refused
        if accepted:
            if self.is_connected(node) and self.model.states[node] in GOOD:
                self.dark[node] = self.cluster.now
            already.add(node)
            self.go_on(NOTICED)

    def connect(self, kind: str, node: str, already: set[str]) -> bool:
        is_refused = node not in already or self.is_gone(node)
        accepted = self.act(kind, None, lambda: self.cluster.inject(Fault(kind, node)))
        assert accepted is not is_refused
        if accepted:
            already.discard(node)
            if self.is_connected(node):
                self.dark.pop(node, None)
        return accepted

    def is_gone(self, node: str) -> bool:
        return self.model.states.get(node, "Removed") in ("Terminated", "Removed")

    @precondition(in_time)
    @rule(node=nodes)
    def cut_node(self, node: str) -> None:
        self.disconnect("cut-node", node, self.cut)

    @precondition(in_time)
    @rule(node=nodes)
    def stop_kubelet(self, node: str) -> None:
        self.disconnect("stop-kubelet", node, self.stopped)

    @precondition(in_time)
    @rule(node=nodes)
    def heal_node(self, node: str) -> None:
        if self.connect("heal-node", node, self.cut):
            self.go_on(ALL_DONE)

    @precondition(in_time)
    @rule(node=nodes)
    def start_kubelet(self, node: str) -> None:
        if self.connect("start-kubelet", node, self.stopped):
            self.go_on(ALL_DONE)

    @precondition(
        lambda self: self.in_time() if len(self.dark) > 1 else self.dark and self.in_the_dark() <= LAST_MOMENT
    )
    @rule(number=st.integers(0, 1))
    def return_in_time(self, number: int) -> None:
        """A node in the dark comes back before its time-out: its pods go on, and tell what happened."""
        node = sorted(self.dark)[number % len(self.dark)]
        for kind, troubled in (("heal-node", self.cut), ("start-kubelet", self.stopped)):
            if node in troubled:
                self.connect(kind, node, troubled)
        self.fired["return_in_time"] += 1
        self.go_on(ALL_DONE)

    @precondition(lambda self: self.dark)
    @rule()
    def time_out(self) -> None:
        """The time-out of every node in the dark passes: their pods are failed, or (v0.17.0) evicted.

        What happened there in the dark was never told. The model takes it that it happened after the time-out, when
        the pod was given up already: `node_timed_out` is refused for a pod all of whose containers have ended.
        """
        self.dark.clear()
        self.cluster.settle()
        seed = self.profile.name == "seed"
        for p in self.model.size.pod_names:
            home = pod.home(self.model.states[p])
            if home is not None and not self.is_connected(home):
                self.model.go_back(p, self.told[p])
                if not seed or (
                    pod.standing(self.model.states[p]) == "Bound" and self.told[p].phase not in pod.TERMINAL
                ):
                    self.owed(f"{'node_timed_out' if seed else 'evict'}({p},{home})")
        self.fired["time_out"] += 1
        self.go_on(0.0)

    @precondition(in_time)
    @rule(node=nodes, really=st.integers(0, 2))
    def terminate_node(self, node: str, really: int) -> None:
        """Now and then: a node that has ended makes a dull world."""
        if node in KNOWN_NODES and not self.is_gone(node) and really:
            return
        step = f"{'terminate' if self.profile.name == 'seed' else 'remove_by_cloud'}({node})"
        if self.act("terminate_node", step, lambda: self.cluster.inject(Fault("terminate-node", node))):
            self.dark.pop(node, None)
            self.cut.discard(node)
            self.stopped.discard(node)
            self.go_on(NOTICED)


GOOD = ("Running/True/True", "Recorded/True")

RULES = (
    "create_node",
    "create_pod",
    "delete_pod",
    "exit_zero",
    "exit_failure",
    "out_of_memory",
    "kill_container",
    "all_exit_at_once",
    "break_disk",
    "cut-node",
    "stop-kubelet",
    "heal-node",
    "start-kubelet",
    "terminate_node",
)
"""What may be refused; every one is, and is accepted, in every run."""


def shown_node(seen: NodeSeen | None) -> tuple[str | None, ...] | None:
    return (seen.phase, seen.reachable, seen.ready) if seen else None


def modelled_node(state: str) -> tuple[str | None, ...] | None:
    """What a node in this flat state shows."""
    match state.split("/"):
        case ["Removed"]:
            return None
        case ["Recorded", ready]:
            return None, None, None if ready == "Absent" else ready
        case ["Running", reachable, ready]:
            return "Running", reachable, ready
        case _:
            return state, None, None


def shown_container(seen: ContainerSeen) -> tuple[str, int]:
    """The model's state for a status, and the restart count. A kill looks like a failure."""
    match seen.state:
        case "running":
            state = "Running"
        case "terminated":
            state = "OOMKilled" if seen.oom else "Error" if seen.exit_code else "Completed"
        case _:
            state = "Restarting" if seen.restarts else "Waiting"
    return state, seen.restarts or 0


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("profile", PROFILES)
def test_machines_arrays_and_simulator_agree(profile: str, policy: Policy) -> None:
    class Chosen(SideBySide):
        fired: ClassVar[Counter[str]] = Counter()
        taken: ClassVar[set[str]] = set()

    Chosen.profile, Chosen.policy = PROFILES[profile], policy
    run_state_machine_as_test(Chosen, settings=budget(60, steps=40))
    wanted = {*RULES, *(f"not {name}" for name in RULES), "return_in_time", "time_out"}
    if profile == "v0.17.0":
        wanted.discard("break_disk")
    never = sorted(wanted - Chosen.fired.keys())
    assert not never, "rules that never happened check nothing"
    labels = {vector.label for vector in network(Chosen.profile, Size(policy, nodes=1)).vectors}
    assert labels - Chosen.taken == labels & UNTOUCHED.keys(), "steps that were never taken"


# --- arbitrary worlds, recorded -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Deed:
    """Something done to a world, after waiting for ``wait`` seconds or until nothing more happens."""

    wait: float
    kind: str
    target: str
    container: str | None = None
    workloads: tuple[Workload, ...] = ()


@dataclass(frozen=True)
class World:
    """What is done, in which order and under which policy, to the cluster that the seed makes; whether what has ended
    expires there, if the profile has that."""

    policy: Policy
    seed: int
    deeds: tuple[Deed, ...]
    reaping: bool = False


LENGTH = 300.0
"""Virtual seconds for which a world is watched at the end, if it does not come to rest before."""

steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(Exit, st.sampled_from((0, 1, 7, 137)), st.sampled_from((0.5, 2.0, 5.0, 20.0))),
    st.builds(OutOfMemory, st.sampled_from((0.5, 10.0)), st.sampled_from((None, None, 0, 3))),
    st.sampled_from((RunOn(), RunOn(), UseDisk(), Put("f", 3), Serve())),
)
workloads: st.SearchStrategy[Workload] = st.lists(steps, min_size=1, max_size=4).map(tuple)
waits = st.sampled_from((0.0, 0.3, 1.0, 3.0, 10.0, 30.0, 41.0, 60.0))
some_pods = st.sampled_from(("p1", "p1", "p2"))
some_nodes = st.sampled_from(("n1", "n1", "n2"))
members = st.sampled_from(("c1", "c2", "c3"))


def pod_deeds(wait: float, name: str, containers: list[Workload]) -> tuple[Deed, ...]:
    return (Deed(wait, "pod", name, workloads=tuple(containers)),)


MENDS = {"cut-node": "heal-node", "cut-node-inbound": "heal-node", "stop-kubelet": "start-kubelet"}


def outage(wait: float, node: str, fault: str, longer: float) -> tuple[Deed, ...]:
    """A node is lost, and comes back, in time or not."""
    return Deed(wait, fault, node), Deed(longer, MENDS[fault], node)


def lost_replica(wait: float, node: str, longer: float) -> tuple[Deed, ...]:
    """A node is lost on which a replication controller may have a pod, long enough for the pod to be given up."""
    return Deed(wait, "controller", "rc1"), *outage(10.0, node, "cut-node", longer)


def restarts(wait: float, node: str, longer: float) -> tuple[Deed, ...]:
    """While a node is lost the node controller is restarted."""
    return Deed(wait, "cut-node", node), Deed(longer, "restart-controller", runtime.NODE_CONTROLLER)


def cordoned(wait: float, node: str, longer: float) -> tuple[Deed, ...]:
    """A node is marked unschedulable, a pod is created, and the mark goes."""
    pod = Deed(10.0, "pod", "p2", workloads=(RUN_ON,))
    return Deed(wait, "cordon-node", node), pod, Deed(longer, "uncordon-node", node)


scales = st.sampled_from(("scale-0", "scale-1", "scale-3"))
some_machines = st.sampled_from(("n1", "n1,n3", "n1,n2,n3", "n3", ""))
new_pods = st.builds(pod_deeds, waits, some_pods, st.lists(workloads, min_size=1, max_size=3))
deeds = st.one_of(
    new_pods,
    new_pods,
    st.builds(outage, waits, some_nodes, st.sampled_from(tuple(MENDS)), waits),
    st.tuples(st.builds(Deed, waits, st.sampled_from(("delete", "delete", "break-disk")), some_pods)),
    st.tuples(st.builds(Deed, waits, st.just("kill-sandbox"), some_pods)),
    st.tuples(
        st.builds(Deed, waits, st.sampled_from(("break-disk", "fill-disk")), some_pods),
        st.builds(Deed, waits, st.just("mend-disk"), some_pods),
    ),
    st.tuples(
        st.builds(Deed, waits, st.just("stop-kubelet"), some_nodes),
        st.builds(Deed, st.sampled_from((3.0, 10.0)), st.just("restart-kubelet"), some_nodes),
    ),
    st.tuples(st.builds(Deed, waits, st.sampled_from(("kill-container", "out-of-memory")), some_pods, members)),
    st.tuples(st.builds(Deed, waits, st.just("kill-by-engine"), some_pods, members)),
    st.tuples(st.builds(Deed, waits, st.just("controller"), st.just("rc1"))),
    st.builds(lost_replica, waits, some_nodes, st.sampled_from((41.0, 60.0, 90.0))),
    st.tuples(
        st.builds(Deed, waits, st.just("controller"), st.just("rc1")), st.builds(Deed, waits, scales, st.just("rc1"))
    ),
    st.builds(restarts, waits, some_nodes, waits),
    st.builds(cordoned, waits, some_nodes, waits),
    st.tuples(st.builds(Deed, waits, st.sampled_from(("cloud", "cloud", "unsynced", "static")), some_machines)),
    st.tuples(
        st.builds(
            Deed, waits, st.sampled_from(sorted(k for k in runtime.FAULTS if "node" in k or "kube" in k)), some_nodes
        )
    ),
)
"""A pod, its end, or a fault, on whatever has that name."""


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """One or two nodes, a pod, and up to eight deeds more."""
    names = draw(st.sampled_from((("n1",), ("n1", "n2"))))
    begin = [Deed(0.0, "node", name) for name in names]
    more = [deed for some in draw(st.lists(deeds, max_size=8)) for deed in some]
    done = (*begin, *draw(new_pods), *more)
    return World(draw(st.sampled_from(POLICIES)), draw(st.integers(0, 2**16)), done, draw(st.booleans()))


def recorded(world: World, profile: str, fault: str | None = None, length: float = LENGTH) -> list[Record]:
    """The history of a world, as the suite records one (`conformance.runner.run_scenario`)."""
    simulator = Simulator(fault)
    about = simulator.describe().under(profile)
    history = History()
    header = Header(
        scenario="world", policy=world.policy, profile=profile, runtime=about.name, seed=world.seed,
        time_out=about.time_out,
    )  # fmt: skip
    history.add(header, 0.0)
    scenario = Scenario("world", "world", world.policy, (), (), lambda run: None)
    cluster = simulator.open("world", world.seed, profile)
    if world.reaping and "reaping" in about.capabilities:
        cluster.reap()
    run = Run(scenario, PROFILES[profile], cluster, history, about.capabilities, length)
    for deed in world.deeds:
        if deed.wait:
            run.settle(deed.wait)
        with contextlib.suppress(runtime.Refused, Unsupported):
            do(run, deed)
    run.settle(length)
    history.add(End(), history.records[-1].t)
    return history.records


def do(run: Run, deed: Deed) -> None:
    match deed.kind:
        case "node":
            run.new_node(deed.target)
        case "pod":
            run.pod(*deed.workloads, name=deed.target)
        case "controller":
            run.controller(RUN_ON, wanted=2, name=deed.target)
        case "scale-0" | "scale-1" | "scale-3":
            run.scale(deed.target, int(deed.kind[-1]))
        case "cloud" | "unsynced" | "static":
            names = [name for name in deed.target.split(",") if name]
            run.machines(*names, cloud=deed.kind != "static", sync=deed.kind == "cloud")
        case "delete":
            run.delete(deed.target)
        case _:
            run.inject(deed.kind, deed.target, deed.container)


def judged(records: list[Record], profile: str) -> Judgement:
    return judge(recordings.of_records("world", records), PROFILES[profile])


def acquit(records: list[Record], profile: str) -> None:
    """No accusation. What stays unknown is printed with its reason."""
    judgement = judged(records, profile)
    for finding in judgement.findings:
        print(finding)
    accusations = [finding for finding in judgement.findings if finding.verdict in (Verdict.FAIL, Verdict.ERROR)]
    last = max((finding.line for finding in accusations), default=0)
    about = "\n".join(f"{number:4} {record}" for number, record in enumerate(records[:last], 1) if number > last - 40)
    assert not accusations, "\n".join([*map(str, accusations), about])


@pytest.mark.parametrize("profile", PROFILES)
def test_the_judge_never_accuses_a_right_simulator(profile: str) -> None:
    @budget(120)
    @given(worlds())
    def check(world: World) -> None:
        acquit(recorded(world, profile), profile)

    check()


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_lost_accuses_nobody(profile: str) -> None:
    """Lines that were lost leave a gap in the numbers, and the judge must take it into account."""

    @budget(120)
    @given(worlds(), st.data())
    def check(world: World, data: st.DataObject) -> None:
        records = recorded(world, profile, length=60.0)
        places = [place for place, record in enumerate(records) if isinstance(record, Seen)]
        some = data.draw(st.sets(st.sampled_from(places), max_size=20), "some lines")
        dropped = some if data.draw(st.booleans(), "are lost") else set(places) - some
        acquit([record for place, record in enumerate(records) if place not in dropped], profile)

    check()


OK: Workload = (Exit(0, 2.0),)
BAD: Workload = (Exit(1, 2.0),)
HUNGRY: Workload = (OutOfMemory(0.5),)
NODE = Deed(0.0, "node", "n1")

INNOCENT: dict[str, tuple[Policy, float, tuple[Deed, ...]]] = {
    "what happens after the world once came to rest is not over when the history ends": (
        "Always", 20.0, (NODE, Deed(60.0, "pod", "p1", None, (BAD,)))
    ),
    "a fault that was refused has not happened: the pod has failed by itself": (
        "Never", 20.0, (NODE, Deed(5.0, "pod", "p1", None, (BAD,)), Deed(60.0, "break-disk", "p1"))
    ),
    "a fault that was refused has not happened: the pod is not bound": (
        "Always", 20.0, (Deed(0.0, "pod", "p1", None, (RUN_ON,)), Deed(5.0, "break-disk", "p1"), NODE)
    ),
    "the disk of a pod is not the disk of the next pod of that name": (
        "Always", 20.0,
        (NODE, Deed(5.0, "pod", "p1", None, (RUN_ON,)), Deed(20.0, "break-disk", "p1"), Deed(20.0, "delete", "p1"),
         Deed(20.0, "pod", "p1", None, (RUN_ON,))),
    ),
    "a pod may be bound before it is found out that the kubelet has stopped": (
        "Always", 20.0, (NODE, Deed(20.0, "stop-kubelet", "n1"), Deed(0.0, "pod", "p1", None, (RUN_ON,)))
    ),
    "a pod may be bound before its node ends, and be seen bound after": (
        "Always", 20.0, (NODE, Deed(20.0, "pod", "p1", None, (RUN_ON,)), Deed(1.0, "terminate-node", "n1"))
    ),
    "the disk of a pod dies on a node that cannot tell": (
        "Always", 100.0,
        (NODE, Deed(5.0, "pod", "p1", None, (RUN_ON,)), Deed(0.3, "cut-node", "n1"), Deed(0.3, "break-disk", "p1")),
    ),
    "a container that restarts when the disk dies has nothing to be killed": (
        "Always", 60.0, (NODE, Deed(5.0, "pod", "p1", None, (HUNGRY, HUNGRY, RUN_ON)), Deed(10.0, "break-disk", "p1"))
    ),
    "a kubelet notices the ends of containers in any order": (
        "Always", 15.0, (NODE, Deed(5.0, "pod", "p1", None, (HUNGRY, (Exit(1, 0.5),), (Exit(0, 0.5),))))
    ),
    "a pod that is deleted and made anew before it is ever seen": (
        "Always", 20.0,
        (NODE, Deed(20.0, "pod", "p1", None, (RUN_ON,)), Deed(0.3, "delete", "p1"),
         Deed(0.0, "pod", "p1", None, (OK,))),
    ),
    "a pod that goes with its node and is made anew before it is ever seen": (
        "Always", 20.0,
        (NODE, Deed(20.0, "pod", "p1", None, (RUN_ON,)), Deed(0.3, "terminate-node", "n1"),
         Deed(1.0, "pod", "p1", None, (OK,))),
    ),
    "a pod is given up, and its node returns before that is seen": (
        "Always", 60.0,
        (NODE, Deed(5.0, "pod", "p1", None, (RUN_ON,)), Deed(20.0, "cut-node", "n1"), Deed(41.0, "heal-node", "n1")),
    ),
    "a replication controller that is scaled down deletes pods of a lost node": (
        "Always", 20.0,
        (NODE, Deed(5.0, "controller", "rc1"), Deed(20.0, "cut-node", "n1"), Deed(3.0, "scale-0", "rc1")),
    ),
    "a node that the cloud does not list takes its pods with it before it is seen to go": (
        "Always", 20.0,
        (Deed(0.0, "node", "n2"), Deed(1.0, "pod", "p1", None, (RUN_ON,)), Deed(3.0, "cloud", "n1")),
    ),
    "nobody looks after a pod whose kubelet is down and whose node has no record": (
        "OnFailure", 60.0, (NODE, Deed(0.0, "pod", "p1", None, (BAD,)), Deed(3.0, "stop-kubelet", "n1"),
                            Deed(0.3, "delete-node", "n1"))
    ),
    "nobody notices the dead disk of a pod whose kubelet is down and whose node has no record": (
        "Always", 60.0, (NODE, Deed(5.0, "pod", "p1", None, (RUN_ON,)), Deed(10.0, "stop-kubelet", "n1"),
                         Deed(0.0, "break-disk", "p1"), Deed(3.0, "delete-node", "n1"))
    ),
    "a kubelet is down still when the network of its node is healed, and nobody notices the dead disk": (
        "Always", 60.0, (NODE, Deed(5.0, "pod", "p1", None, (RUN_ON,)), Deed(10.0, "stop-kubelet", "n1"),
                         Deed(0.0, "cut-node", "n1"), Deed(0.0, "heal-node", "n1"), Deed(0.0, "break-disk", "p1"),
                         Deed(3.0, "delete-node", "n1"))
    ),
    "a kubelet is down still when the network of its node is healed, and its pods are given up": (
        "Always", 60.0, (NODE, Deed(8.0, "pod", "p1", None, (RUN_ON,)), Deed(0.3, "stop-kubelet", "n1"),
                         Deed(0.0, "cut-node", "n1"), Deed(0.0, "heal-node", "n1"))
    ),
    "a kubelet that was started again takes pods until its node is known to be down once more": (
        "Always", 60.0, (NODE, Deed(8.0, "stop-kubelet", "n1"), Deed(4.0, "start-kubelet", "n1"),
                         Deed(1.0, "stop-kubelet", "n1"), Deed(0.0, "pod", "p1", None, (RUN_ON,)))
    ),
    "a node takes pods until it is known to be down, also if it was never seen to be ready": (
        "Always", 60.0, (NODE, Deed(1.5, "stop-kubelet", "n1"), Deed(0.0, "pod", "p1", None, (RUN_ON,)))
    ),
    "a node takes pods until it is known to have ended, also if it was never seen to be ready": (
        "Always", 60.0, (NODE, Deed(1.5, "terminate-node", "n1"), Deed(0.0, "pod", "p1", None, (RUN_ON,)))
    ),
    "a node whose record comes back is not marked any more": (
        "Always", 30.0, (Deed(0.0, "cloud", "n1"), Deed(20.0, "cordon-node", "n1"),
                         Deed(5.0, "pod", "p1", None, (RUN_ON,)), Deed(0.3, "delete-node", "n1"))
    ),
    "a node that the cloud does not list is named when the node controller starts again": (
        "Always", 20.0, (NODE, Deed(20.0, "cloud", "n2"), Deed(20.0, "static", "n1")),
    ),
}  # fmt: skip
"""Where a judge that sees only samples, late and out of order, is easily deceived: the policy, how long to watch, and
what is done."""


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", INNOCENT)
def test_appearances_that_deceive(name: str, profile: str) -> None:
    """Under some of the seeds events come in the order that makes it look bad."""
    policy, length, done = INNOCENT[name]
    for seed in range(15 * EXPLORE):
        acquit(recorded(World(policy, seed, done), profile, length=length), profile)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("last", ["delete", "terminate-node", "cut-node"])
def test_nothing_is_owed_when_the_line_that_pays_it_was_lost(last: str, profile: str) -> None:
    target = "p1" if last == "delete" else "n1"
    world = World("Always", 1, (NODE, Deed(5.0, "pod", "p1", None, (RUN_ON,)), Deed(60.0, last, target)))
    records = recorded(world, profile)
    place = max(place for place, r in enumerate(records) if isinstance(r, Seen) and isinstance(r.what, PodSeen))
    acquit(records[:place] + records[place + 1 :], profile)


# --- wrong simulators -----------------------------------------------------------------------------------------------

UNSEEN = {
    "node-skips-pending": "an observer that samples may miss Pending in the right build, too",
    "oom-is-success": "without a look at the workload it is nothing but an exit with 0",
    "no-shared-localhost": "no arbitrary world connects to anything",
    "pods-are-unreachable": "no arbitrary world connects to anything",
    "keeps-dead-sandbox": "no arbitrary world connects to anything",
    "no-shared-volume": "no arbitrary world looks for a file",
    "restart-empties-volume": "no arbitrary world looks for a file",
    "ignores-dead-sandbox": "without a goal it is nothing but a sandbox that did not die",
    "misses-ends-while-down": "without a goal it is nothing but a container that runs on",
    "full-disk-fails-pod": "the event tells that a disk died",
    "rc-deletes-running-first": "without a goal it does not matter which of too many pods goes",
    "deletion-waits-for-kubelet": "without a goal a deletion that does not come is nothing",
    "never-reaps": "without a goal nothing has to expire",
    "misses-new-machines": "without a goal a node that is never seen is nothing",
    "ignores-machines-flag": "without a goal a node that is never seen is nothing",
    "keeps-hand-made-nodes": "without a goal a record that stays is nothing",
    "registers-machines-again": "no world happens to name a machine at the start and to delete its record then",
}
"""Faults that no arbitrary world can betray; the suite has scenarios for them."""


def misfortunes() -> Iterator[World]:
    """Each fault there is, alone, and two nodes lost at once: what Hypothesis makes up hangs on all the code that is
    loaded, so that it may leave out any of them."""
    pods = (Deed(5.0, "pod", "p1", None, (RUN_ON, (Exit(1, 5.0), RunOn()))), Deed(0.0, "pod", "p2", None, (RUN_ON,)))
    late = Deed(100.0, "pod", "p3", None, (OK,))
    more = (Deed(10.0, "pod", f"p{number}", None, (RUN_ON,)) for number in (4, 5, 6))
    lost = (Deed(0.0, "node", "n2"), *more, Deed(20.0, "cut-node", "n1"))
    for policy, seed_, kind in itertools.product(POLICIES, range(4), sorted(runtime.FAULTS)):
        target = "n1" if "node" in kind or "kubelet" in kind else "p1"
        target = runtime.NODE_CONTROLLER if kind == "restart-controller" else target
        yield World(policy, seed_, (NODE, *pods, Deed(20.0, kind, target, "c1"), late))
        yield World(policy, seed_, (NODE, *pods, *lost, Deed(3.0, "cut-node", "n2"), late))
    for policy, seed_ in itertools.product(POLICIES, range(4)):
        yield World(policy, seed_, (Deed(5.0, "cloud", "n1"), *pods, Deed(20.0, "cloud", ""), late))


@functools.cache
def some_worlds() -> list[World]:
    found: list[World] = list(misfortunes())

    @settings(budget(2000), phases=[Phase.generate])
    @given(worlds())
    def collect(world: World) -> None:
        found.append(world)

    collect()
    return list(dict.fromkeys(found))


@functools.cache
def is_innocent(world: World, profile: str) -> bool:
    return judged(recorded(world, profile, length=40.0), profile).verdict not in (Verdict.FAIL, Verdict.ERROR)


@pytest.mark.parametrize("profile", PROFILES)
def test_no_misfortune_is_held_against_the_right_build(profile: str) -> None:
    for world in dict.fromkeys(misfortunes()):
        acquit(recorded(world, profile, length=40.0), profile)


@pytest.mark.parametrize("fault", sorted(SYMPTOMS.keys() - UNSEEN))
def test_every_fault_with_a_symptom_is_found_in_some_arbitrary_world(fault: str) -> None:
    """In a world in which the right build is not accused. The other faults are for the suite to find."""
    by = FAULTS[fault].profiles[0]
    assert any(
        judged(recorded(world, by, fault, length=40.0), by).verdict is Verdict.FAIL and is_innocent(world, by)
        for world in some_worlds()
    )


def test_only_known_faults_are_excused() -> None:
    assert SYMPTOMS.keys() >= UNSEEN.keys()
