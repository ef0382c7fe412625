"""Scenarios: a purpose each, as a plain function that drives a `Run`; one module per section of the document.

    @scenario("pod.restart.success", policies=POLICIES)
    def test_a_container_that_exits_with_0_is_restarted_only_under_always(run: Run) -> None:
        run.node()
        pod = run.pod(Exit(0))
        run.until(pod, phase=run.by_policy("Running", "Succeeded", "Succeeded"))

A scenario says what to wait for; it asserts nothing. The verdict comes from the history alone (`conformance.judge`).
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import pkgutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import msgspec

from conformance.history import (
    MAX_LINE,
    Action,
    ControllerWant,
    EventWant,
    Goal,
    History,
    NodeWant,
    PodWant,
    Quiescent,
    Scaling,
    Seen,
    Want,
    decode,
    encode,
)
from conformance.runtime import (
    NODE_CONTROLLER,
    Cluster,
    ConditionStatus,
    ContainerSpec,
    ControllerSpec,
    Drains,
    EventSeen,
    Fault,
    ListsNodes,
    MachineList,
    NodeSeen,
    Observation,
    PodSeen,
    PodSpec,
    Policy,
    Refused,
    Replicates,
    Scales,
    Unsupported,
)
from conformance.wants import controller_is_so, event_is_so, node_is_so, pod_is_so
from conformance.wording import message, printable
from conformance.workload import Step, Workload
from model import registry
from model.profiles import Profile

T = TypeVar("T")

POLICIES: tuple[Policy, ...] = ("Always", "OnFailure", "Never")


class DeadlinePassed(Exception):
    """What a scenario waited for was not seen in time, or cannot come any more."""


class AdapterError(Exception):
    """What the adapter returned is not what the protocol says: which method, and what was expected."""


MAX_RECORDS = 100_000
"""Lines of one scenario's history; an adapter that goes on for ever is told so."""


LINGER = 2.0
"""Seconds of the runtime's clock to watch a runtime that cannot tell when nothing more will happen."""

SLICE = 1.0
"""Seconds of the runtime's clock after which a waiting scenario looks whether it is to stop."""


class Interrupted(Exception):
    """The run is to end: the scenario stops where it is."""


@dataclass(frozen=True)
class Scenario:
    """A scenario under one restart policy. ``rules`` are ids or prefixes of rules; ``needs`` are capabilities."""

    name: str
    section: str
    policy: Policy
    rule_prefixes: tuple[str, ...]
    needs: tuple[str, ...]
    function: Callable[[Run], None]

    @property
    def id(self) -> str:
        """``section/name[policy]``."""
        return f"{self.section}/{self.name}[{self.policy}]"

    def rules(self, profile: str) -> tuple[str, ...]:
        """The rules that the scenario is there to check, of one profile and of its own policy."""
        return _rules(self.rule_prefixes, self.policy, profile)


@functools.cache
def _rules(prefixes: tuple[str, ...], policy: Policy, profile: str) -> tuple[str, ...]:
    found = [r for prefix in prefixes for r in registry.select(prefix, profile)]
    others = {p.lower() for p in POLICIES} - {policy.lower()}
    return tuple(dict.fromkeys(r.id for r in found if r.id.rpartition(".")[2] not in others))


class ScenarioFunction:
    """What `scenario` makes of a function: its scenarios, one per policy. pytest collects it as such."""

    def __init__(self, function: Callable[[Run], None], scenarios: tuple[Scenario, ...]) -> None:
        self.function, self.scenarios = function, scenarios
        self.__doc__ = function.__doc__


def scenario(
    *rules: str, policies: tuple[Policy, ...] = POLICIES, needs: tuple[str, ...] = ()
) -> Callable[[Callable[[Run], None]], ScenarioFunction]:
    """Declare a scenario. ``rules`` are ids or prefixes; raises UnknownRule at import for one that does not exist."""
    for prefix in rules:
        registry.select(prefix)

    def declare(function: Callable[[Run], None]) -> ScenarioFunction:
        section = function.__module__.rpartition(".")[2].removeprefix("test_")
        name = function.__name__.removeprefix("test_")
        return ScenarioFunction(
            function, tuple(Scenario(name, section, policy, rules, needs, function) for policy in policies)
        )

    return declare


def all_scenarios() -> list[Scenario]:
    """Every scenario of the suite, in the order of the modules and of their definitions."""
    package = importlib.import_module("conformance.scenarios")
    found: list[Scenario] = []
    for module in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        if module.startswith("test_"):
            contents = vars(importlib.import_module(f"conformance.scenarios.{module}")).values()
            found += [s for c in contents if isinstance(c, ScenarioFunction) for s in c.scenarios]
    return found


def selected(profile: str, prefixes: tuple[str, ...] = (), among: Sequence[Scenario] | None = None) -> list[Scenario]:
    """The scenarios that check a rule of the profile under one of ``prefixes`` (all rules if there are none): of the
    suite, or of those given.

    A prefix may also be the beginning of a scenario's id. Raises UnknownRule for one that is neither.
    """
    every = [s for s in (all_scenarios() if among is None else among) if s.rules(profile)]
    by_id = {p: [s for s in every if s.id.startswith(p)] for p in prefixes}
    for prefix in prefixes:
        if not by_id[prefix]:
            registry.select(prefix)
    return [
        s for s in every
        if not prefixes
        or any(s in by_id[p] or any(registry.is_under(r, p) for r in s.rules(profile)) for p in prefixes)
    ]  # fmt: skip


class Run:
    """One scenario being run: actions and observations go into its history.

    ``deadline`` is in seconds of the runtime's clock. After it `until` gives up, and the goal stays open.
    """

    def __init__(
        self, scenario: Scenario, profile: Profile, cluster: Cluster, history: History, capabilities: frozenset[str],
        deadline: float, stop: threading.Event | None = None, time_out: float | None = None,
    ) -> None:  # fmt: skip
        self.scenario, self.profile, self.policy = scenario, profile, scenario.policy
        self._cluster, self._history, self._deadline = cluster, history, deadline
        self._capabilities = capabilities
        self._stop, self._time_out = stop, time_out
        self._pods: dict[str, PodSeen] = {}
        self._nodes: dict[str, NodeSeen] = {}
        self._events: dict[str, EventSeen] = {}
        self._now = 0.0

    # --- what a scenario does ---------------------------------------------------------------------------------------

    def by_policy(self, always: str, on_failure: str, never: str) -> str:
        """The one that goes with the scenario's policy."""
        return dict(zip(POLICIES, (always, on_failure, never), strict=True))[self.policy]

    @property
    def is_seed(self) -> bool:
        """Whether the run is judged by the document."""
        return self.profile.name == "seed"

    def node(self, name: str = "n1", *, rules: tuple[str, ...] = ()) -> str:
        """Create a node and wait until pods can be bound to it. ``rules`` say so too, beside those of `until_ready`."""
        self.new_node(name)
        self.until_ready(name, rules=rules)
        return name

    def new_node(self, name: str = "n1") -> str:
        """Create a node."""
        self._act(Action(create_node=name), lambda: self._cluster.create_node(name))
        return name

    def until_ready(self, name: str, *, rules: tuple[str, ...] = ()) -> None:
        """Wait until pods can be bound to the node; ``rules`` say so too, beside those of any node."""
        phase = "Running" if self.is_seed and "node-phase" in self._capabilities else None
        shown = "node-conditions" in self._capabilities
        self.until_node(
            name, phase=phase, reachable="True" if shown and self.is_seed else None, ready="True" if shown else None,
            rules=("node.phase.running", "node.condition.reachable", "node.condition.ready",
                   "node.condition.ready-means", *rules),
        )  # fmt: skip

    def pod(self, *workloads: Step | Workload, name: str = "p1", policy: Policy | None = None) -> str:
        """Create a pod with one container (c1, c2, …) per workload, under the scenario's policy or another one."""
        spec = PodSpec(name, policy or self.policy, _containers(workloads))
        self._act(Action(create_pod=spec), lambda: self._cluster.create_pod(spec))
        return name

    def controller(
        self, *workloads: Step | Workload, wanted: int = 1, name: str = "rc1", policy: Policy | None = None
    ) -> str:
        """Create a replication controller of pods with one container (c1, c2, …) per workload, under the scenario's
        policy or another one."""
        cluster = self._cluster
        if not isinstance(cluster, Replicates):
            raise self._lacking("replication", "its cluster has no create_controller()")
        spec = ControllerSpec(name, wanted, policy or self.policy, _containers(workloads))
        self._act(
            Action(create_controller=spec), lambda: cluster.create_controller(spec), "create_controller", "replication"
        )
        return name

    def refused_controller(self, *workloads: Step | Workload, wanted: int = 1, name: str = "rc1") -> None:
        """Submit a replication controller that is to be refused. If it is not, the history says so."""
        with contextlib.suppress(Refused):
            self.controller(*workloads, wanted=wanted, name=name)

    def scale(self, controller: str, wanted: int) -> None:
        """Tell a replication controller to keep so many pods."""
        cluster = self._cluster
        if not isinstance(cluster, Scales):
            raise self._lacking("scaling", "its cluster has no scale_controller()")
        scaling = Action(scale=Scaling(controller, wanted))
        self._act(scaling, lambda: cluster.scale_controller(controller, wanted), "scale_controller", "scaling")

    def machines(self, *names: str, cloud: bool = True, sync: bool = True) -> None:
        """These are the machines that the node controller is told of, from now on."""
        cluster = self._cluster
        if not isinstance(cluster, ListsNodes):
            raise self._lacking("node-list", "its cluster has no list_machines()")
        listed = MachineList(names, cloud, sync)
        self._act(Action(list_machines=listed), lambda: cluster.list_machines(listed), "list_machines", "node-list")

    def restart_controller(self) -> None:
        """Replace the node controller by a new one."""
        self.inject("restart-controller", NODE_CONTROLLER)

    def part_of_time_out(self, share: float) -> None:
        """Let this share of the time pass for which a lost node's pods are left as they are."""
        if self._time_out is None:
            raise self._lacking("time-out", "it does not say after what time a lost node's pods are given up")
        self.let_pass(share * self._time_out)

    def let_pass(self, seconds: float) -> None:
        """Let some time of the runtime's clock pass."""
        end = self._now + seconds
        while self._now < end:
            self._observe(end - self._now)

    def pods_of(self, controller: str) -> list[PodSeen]:
        """The pods of a replication controller that are Running, as last seen."""
        return [p for p in self._pods.values() if p.owner == controller and p.phase == "Running" and not p.deleted]

    def incarnations(self, pod: str) -> dict[str, str | None]:
        """The incarnations of the pod's containers, as last seen."""
        return {c.name: c.instance for c in self._pods[pod].containers or ()}

    def address(self, pod: str) -> str:
        """The pod's own network address, as last seen."""
        address = self._pods[pod].address if pod in self._pods else None
        if address is None:
            raise self._lacking("network", f"it shows no address of pod {pod}")
        return address

    def delete(self, pod: str) -> None:
        """Delete a pod as a user would."""
        self._act(Action(delete_pod=pod), lambda: self._cluster.delete_pod(pod))

    def inject(self, kind: str, target: str, container: str | None = None) -> None:
        """Inject a fault. The scenario is skipped if the runtime does not claim it."""
        if kind not in self._capabilities:
            raise Unsupported(f"the runtime lacks {kind}")
        fault = Fault(kind, target, container)
        self._act(Action(inject=fault), lambda: self._cluster.inject(fault), "inject", kind)

    def until(
        self, pod: str, *, phase: str | None = None, restarts: dict[str, int] | None = None,
        states: dict[str, str] | None = None, bound: bool | None = None, gone: bool = False,
        after: dict[str, str | None] | None = None, rules: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """Wait until the pod looks like this."""
        self._wait(PodWant(pod, phase, restarts, states, bound, gone, after), rules)

    def until_node(
        self, node: str, *, phase: str | None = None, reachable: str | None = None, ready: str | None = None,
        gone: bool = False, unschedulable: bool | None = None, rules: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """Wait until the node looks like this."""
        want = NodeWant(
            node, phase, cast("ConditionStatus | None", reachable), cast("ConditionStatus | None", ready), gone,
            unschedulable,
        )  # fmt: skip
        self._wait(want, rules)

    def until_event(self, pod: str, reason: str, container: str | None = None, rules: tuple[str, ...] = ()) -> None:
        """Wait until the event is recorded, where the profile wants it and the runtime shows events."""
        if self.profile.exit_events and "events" in self._capabilities:
            self._wait(EventWant(pod, reason, container), rules)

    def until_replicated(
        self, controller: str, running: int = 1, *, elsewhere: str | None = None, besides: tuple[str, ...] = (),
        most: int | None = None, rules: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """Wait until so many pods of the controller are Running: not on node ``elsewhere``, none of ``besides``; and no
        more than ``most`` of its pods have not ended."""
        self._wait(ControllerWant(controller, running, elsewhere, besides, most), rules)

    def settle(self, seconds: float = 60.0) -> None:
        """Let things happen until nothing more will. A runtime that cannot tell is watched for LINGER seconds: what it
        must not do it may do then."""
        if "quiescence" not in self._capabilities:
            self.let_pass(LINGER)
            return
        end = self._now + seconds
        while not self._quiescent() and self._now < end:
            self._observe(end - self._now)
        if self._quiescent():
            self._history.add(Quiescent(), self._now)

    def end(self) -> None:
        """Let things happen until nothing more will. What goes on for ever is broken off, and all that had happened by
        then is seen: else the status of a container that has ended could be the last line, and the event be missed."""
        self.settle()
        if isinstance(self._cluster, Drains):
            self._ask(self._cluster.drain, "drain")
            self._observe(0.0)

    # --- how it is done ---------------------------------------------------------------------------------------------

    def _act(self, action: Action, do: Callable[[], None], method: str = "", capability: str = "") -> None:
        """Do something; ``capability``, if any, is what it takes, ``method`` what then does it."""
        try:
            do()
        except Refused as error:
            self._history.add(msgspec.structs.replace(action, refused=message(error)), self._now)
            raise
        except Unsupported as error:
            if not capability:
                raise
            raise self._lacking(capability, f"{method}() raised Unsupported: {message(error)}") from error
        self._history.add(action, self._now)

    def _lacking(self, capability: str, told: str) -> Unsupported | AdapterError:
        """What to raise where a runtime turns out to lack a capability: if it has claimed it, that was wrong."""
        if capability in self._capabilities:
            return AdapterError(f"the runtime claims {capability!r}, but {told}")
        return Unsupported(f"the runtime lacks {capability}: {told}")

    def _wait(self, want: Want, rules: tuple[str, ...]) -> None:
        held = tuple(r.id for prefix in rules for r in registry.select(prefix, self.profile.name))
        self._history.add(Goal(want=want, rules=held or self.scenario.rules(self.profile.name)), self._now)
        end = self._now + self._deadline
        while not self._is_so(want):
            if "quiescence" in self._capabilities and self._quiescent():
                self._history.add(Quiescent(), self._now)
                raise DeadlinePassed(str(want))
            if self._now >= end or self._has_ended(want):
                raise DeadlinePassed(str(want))
            self._observe(end - self._now)

    def _is_so(self, want: Want) -> bool:
        match want:
            case PodWant():
                return pod_is_so(self._pods.get(want.pod), want)
            case NodeWant():
                return node_is_so(self._nodes.get(want.node), want)
            case EventWant():
                return any(event_is_so(event, want) for event in self._events.values())
            case ControllerWant():
                return controller_is_so(self._pods.values(), want)

    def _has_ended(self, want: Want) -> bool:
        """Whether a pod has ended in another phase than the wanted one: it will not leave it any more."""
        seen = self._pods.get(want.pod) if isinstance(want, PodWant) else None
        return (
            isinstance(want, PodWant)
            and want.phase is not None
            and seen is not None
            and (seen.deleted or (seen.phase in ("Succeeded", "Failed") and seen.phase != want.phase))
        )

    def _observe(self, timeout: float) -> None:
        if self._stop is not None and self._stop.is_set():
            raise Interrupted
        seen = self._ask(lambda: self._cluster.observe(min(timeout, SLICE)), "observe")
        if not isinstance(seen, Sequence) or isinstance(seen, str | bytes):
            raise AdapterError(f"observe() returned {type(seen).__name__}: expected a sequence of observations")
        if not seen:
            self._now += min(timeout, SLICE)
        for given in seen:
            if len(self._history.records) > MAX_RECORDS:
                raise AdapterError(f"more than {MAX_RECORDS:,} observations in one scenario")
            what = _checked(given)
            self._now = max(self._now, what.at)
            match what:
                case PodSeen():
                    self._pods[what.name] = what
                case NodeSeen():
                    self._nodes[what.name] = what
                case EventSeen():
                    self._events[what.id] = what
            self._history.add(Seen(what=what), self._now)

    def _quiescent(self) -> bool:
        said = self._ask(self._cluster.quiescent, "quiescent")
        if not isinstance(said, bool):
            raise AdapterError(f"quiescent() returned {type(said).__name__}: expected True or False")
        return said

    @staticmethod
    def _ask(ask: Callable[[], T], method: str) -> T:
        """An answer of the cluster. This much every runtime can do that says so: it is not for it to skip the rest."""
        try:
            return ask()
        except Unsupported as error:
            raise AdapterError(f"{method}() raised Unsupported: {message(error)}") from error


def _containers(workloads: tuple[Step | Workload, ...]) -> tuple[ContainerSpec, ...]:
    return tuple(ContainerSpec(f"c{n}", w if isinstance(w, tuple) else (w,)) for n, w in enumerate(workloads, 1))


def _checked(what: object) -> Observation:
    """An observation as it will be read again from the history. Raises AdapterError if it is none, with every field of
    its type."""
    kind = type(what).__name__
    if not isinstance(what, Observation):
        raise AdapterError(f"observe() returned {kind}: expected PodSeen, NodeSeen, EventSeen, …")
    try:
        line = encode(Seen(what=what))
        if len(line) > MAX_LINE:
            raise AdapterError(f"observe() returned a {kind} of more than {MAX_LINE // 2**20} MiB")
        read = cast("Seen", decode(line)).what
        if read != what:  # NaN, bytes for text, a list for a tuple
            name = next(n for n in what.__struct_fields__ if getattr(read, n, None) != getattr(what, n))
            told = printable(repr(getattr(what, name)), 200)
            raise AdapterError(f"observe() returned a {kind} with {name} {told}: it has none of the field's type")
    except (TypeError, ValueError, RecursionError) as error:
        raise AdapterError(f"observe() returned a {kind} that is none: {message(error)}") from error
    return read
