"""What must hold of the cluster of a profile: the properties that `kubephase verify` checks, each with its rules.

An *always* stands beside a *sometimes* that proves it not to be vacuous. Fairness is weak and given with each
*eventually*: what the system (or the end of a finite workload) owes, never what a user or a fault might do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from model import container, pod
from model.cluster import Size, is_candidate
from model.lts.network import Bools, Ints
from model.lts.properties import (
    Always,
    AlwaysStep,
    Eventually,
    Labels,
    Property,
    Sometimes,
    SometimesStep,
    View,
    all_of,
    any_of,
    named,
)
from model.lts.refine import Refinement, refines
from model.pod import PHASES, TERMINAL, standing
from model.profiles import Profile


def properties(profile: Profile, size: Size) -> list[Property]:
    """All properties of the profile for a network of this size."""
    found = _phases(profile, size) + _records(size) + _containers(size)
    for p in size.pod_names:
        for c in size.containers_of(p):
            found += _one_container(profile, size, p, c)
        found += _one_pod(profile, size, p)
    if size.nodes:
        found += _nodes(profile, size)
    return found


# --- the phase of a pod ---------------------------------------------------------------------------------------------


def phase_numbers(view: View, profile: Profile, size: Size, p: str) -> Ints:
    """The phase of pod ``p`` in each state, as an index into PHASES; shape (n,)."""
    tables = view.exploration.compiled.network.components
    masks = np.zeros(len(view), dtype=np.int64)
    for c in size.containers_of(p):
        bits = np.array([1 << pod.CLASSES.index(profile.class_of[s]) for s in tables[c].states])
        masks = masks | bits[view.column(c)]
    decided = [pod.decide(size.policy, _classes(mask))[0] for mask in range(2 ** len(pod.CLASSES))]
    by_mask = np.array([PHASES.index(phase) for phase in decided])
    forced = np.array([PHASES.index(pod.FORCED_PHASE.get(standing(s), "Pending")) for s in tables[p].states])
    is_forced = np.array([standing(s) in pod.FORCED_PHASE for s in tables[p].states])
    return np.where(is_forced[view.column(p)], forced[view.column(p)], by_mask[masks])


def _classes(mask: int) -> frozenset[str]:
    return frozenset(name for bit, name in enumerate(pod.CLASSES) if mask >> bit & 1)


def refinement(profile: Profile, size: Size, view: View) -> Refinement:
    """Whether the mechanism of one pod (explored without nodes) refines the phase table of its policy."""
    abstract = profile.phases[size.policy]
    missing = len(abstract.states)
    names = [abstract.states.index(phase) if phase in abstract.states else missing for phase in PHASES]
    image = np.array(names)[phase_numbers(view, profile, size, size.pod_names[0])]
    strange = np.flatnonzero(image == missing)
    if len(strange):
        path = tuple(view.exploration.path(int(strange[0])))
        return Refinement(False, path, "a phase that the table does not have", ())
    return refines(view.exploration, image, abstract)


def _phases(profile: Profile, size: Size) -> list[Property]:
    seed = profile.name == "seed"

    def is_phase(view: View, p: str, *phases: str) -> Bools:
        wanted = [PHASES.index(phase) for phase in phases]
        return view.test(np.isin(phase_numbers(view, profile, size, p), wanted))

    def terminal_is_final(before: View, events: Labels, after: View) -> Bools:
        """v0.17.0 has one exception: admission may rewrite Succeeded to Failed (PHASE-12)."""
        rewrites = events.is_event("refuse_admission")
        return all_of(
            ~is_phase(before, p, phase)
            | is_phase(after, p, phase, "Deleted")
            | (rewrites & is_phase(before, p, "Succeeded") & is_phase(after, p, "Failed"))
            for p in size.pod_names
            for phase in TERMINAL
        )

    def succeeded_is_deserved(view: View) -> Bools:
        return all_of(~is_phase(view, p, "Succeeded") | _every(view, size, p, "Completed") for p in size.pod_names)

    def failed_is_deserved(view: View) -> Bools:
        def deserved(p: str) -> Bools:
            by_record = view.lookup(p, lambda s: standing(s) in pod.FORCED_PHASE)
            return by_record | (_every(view, size, p, *container.ENDED) & ~_every(view, size, p, "Completed"))

        return all_of(~is_phase(view, p, "Failed") | deserved(p) for p in size.pod_names)

    def running_has_started(view: View) -> Bools:
        return all_of(
            ~is_phase(view, p, "Running") | ~view.is_in(c, "Waiting")
            for p in size.pod_names
            for c in size.containers_of(p)
        )

    def reached(phase: str) -> Sometimes:
        rules = ("pod.phase.values" if seed else "pod.phase.five-values",)
        names = size.pod_names
        return Sometimes(f"a pod is {phase}", rules, lambda view: any_of(is_phase(view, p, phase) for p in names))

    return [
        AlwaysStep("a terminal phase is for ever", ("pod.phase.terminal" if seed else "pod.phase.final",),
                   terminal_is_final),
        Always("Succeeded: every container exited with 0", ("pod.phase.succeeded",), succeeded_is_deserved),
        Always("Failed: every container has ended, one of them badly, or the record says so", ("pod.phase.failed",),
               failed_is_deserved),
        Always("Running: every container has been started",
               ("pod.phase.running" if seed else "pod.phase.some-run",), running_has_started),
        *(reached(phase) for phase in PHASES if phase in profile.phases[size.policy].states),
    ]  # fmt: skip


# --- containers under their policy ----------------------------------------------------------------------------------


def _containers(size: Size) -> list[Property]:
    members = [c for p in size.pod_names for c in size.containers_of(p)]

    def stays(*states: str) -> Callable[[View, Labels, View], Bools]:
        return lambda before, events, after: all_of(
            ~before.is_in(c, *states) | after.is_in(c, *states) for c in members
        )

    def restarted(_: View, events: Labels, __: View) -> Bools:
        return events.is_event("restart")

    def some_failed(view: View) -> Bools:
        return any_of(view.is_in(c, "Error") for c in members)

    restart = SometimesStep(f"{size.policy}: a container is restarted", _restart_rules(size, "failure"), restarted)
    match size.policy:
        case "Never":
            return [
                AlwaysStep("Never: a container that has ended stays ended",
                           _restart_rules(size, "failure", "success", "oom"), stays(*container.ENDED)),
                Sometimes("Never: a container has failed beside one that succeeded, or alone",
                          _restart_rules(size, "one-of-two"), some_failed),
            ]  # fmt: skip
        case "OnFailure":
            left_alone = AlwaysStep(
                "OnFailure: a container that exited with 0 is left alone",
                _restart_rules(size, "success"),
                stays("Completed"),
            )
            return [left_alone, restart]
        case _:
            return [restart]


def _one_container(profile: Profile, size: Size, p: str, c: str) -> list[Property]:
    table = profile.containers[size.policy]
    ended = tuple(s for s in container.ENDED if table.rows_for(s, "restart"))

    def leaves(*states: str) -> tuple[Callable[[View], Bools], Callable[[View], Bools]]:
        """The tests of: a container of a bound pod that is in one of these states does not stay there."""
        return (
            lambda view: _bound(view, p) & view.is_in(c, *states),
            lambda view: ~_bound(view, p) | ~view.is_in(c, *states),
        )

    def restarts(_: View, events: Labels, after: View) -> Bools:
        return ~events.is_vector(f"liveness_failed({c})") | after.is_in(c, "Restarting")

    found: list[Property] = [
        Eventually(f"{c}: a container of a bound pod is started", ("pod.phase.pending",), *leaves("Waiting"),
                   fair=(named(f"start({c})"),)),
    ]  # fmt: skip
    if "liveness_failed" in table.events:
        found.append(AlwaysStep(f"{c}: what has been started is started again, not for the first time",
                                ("pod.restart.liveness",), restarts))  # fmt: skip
    if ended:
        found.append(
            Eventually(f"{c}: {size.policy}: an ended container is restarted",
                       (*_restart_rules(size, "failure", "oom", "one-of-two", "both-of-two"),
                        "pod.concept.transparent", "pod.concept.no-process-manager"), *leaves(*ended),
                       fair=(named(f"restart({c})"),))
        )  # fmt: skip
    return found


def _one_pod(profile: Profile, size: Size, p: str) -> list[Property]:
    """A finite workload ends. (Not in v0.17.0, where a liveness probe restarts a container under any policy.)"""
    if size.policy != "Never" or profile.name != "seed":
        return []
    over = [PHASES.index(phase) for phase in (*TERMINAL, "Deleted")]
    members = size.containers_of(p)
    starts = tuple(named(f"start({c})") for c in members)
    ends = tuple(named(*(f"{end}({c})" for end in ("exit_zero", "exit_failure", "out_of_memory"))) for c in members)

    def is_bound(view: View) -> Bools:
        return _bound(view, p)

    def is_over(view: View) -> Bools:
        return np.isin(phase_numbers(view, profile, size, p), over)

    return [
        Eventually(f"{p}: Never: a finite workload ends", ("pod.phase.terminal",), is_bound, is_over, starts + ends)
    ]


def _restart_rules(size: Size, *cases: str) -> tuple[str, ...]:
    return tuple(f"pod.restart.{case}.{size.policy.lower()}" for case in cases)


# --- the record of a pod --------------------------------------------------------------------------------------------


def _records(size: Size) -> list[Property]:
    def nothing_runs_unbound(view: View) -> Bools:
        return all_of(~view.is_in(p, "Unbound") | _every(view, size, p, "Waiting") for p in size.pod_names)

    def never_moved(before: View, _: Labels, after: View) -> Bools:
        return all_of(
            ~_is_home(before, p, h) | _is_home(after, p, h) | after.is_in(p, "Deleted")
            for p in size.pod_names
            for h in size.homes
        )

    def deleted_is_the_end(before: View, _: Labels, after: View) -> Bools:
        return all_of(~before.is_in(p, "Deleted") | after.is_in(p, "Deleted") for p in size.pod_names)

    return [
        Always("no container runs before its pod is bound", ("pod.binding.scheduler",), nothing_runs_unbound),
        AlwaysStep("a pod is never moved", ("pod.binding.never-moved", "pod.concept.one-host"), never_moved),
        AlwaysStep("a deleted pod does not come back", ("pod.life.not-by-itself",), deleted_is_the_end),
    ]


# --- nodes ----------------------------------------------------------------------------------------------------------


def _nodes(profile: Profile, size: Size) -> list[Property]:
    seed = profile.name == "seed"
    chosen = ("pod.binding.candidate", "node.phase.terminated.refuses") if seed else CANDIDATE_RULES

    def bound_to_candidates(before: View, events: Labels, _: View) -> Bools:
        return all_of(
            ~events.is_vector(f"bind({p},{n})") | before.lookup(n, is_candidate)
            for p in size.pod_names
            for n in size.node_names
        )

    found: list[Property] = [AlwaysStep("a pod is bound only to a candidate", chosen, bound_to_candidates)]
    for p in size.pod_names:
        found.append(_is_bound_eventually(size, p))
        found += [_is_given_up(profile, size, p, n) for n in size.node_names]
    return found + (_seed_nodes(size) if seed else [])


CANDIDATE_RULES = (
    "scheduler.candidate.ready",
    "scheduler.candidate.unknown-excluded",
    "scheduler.candidate.no-condition",
)


def _is_bound_eventually(size: Size, p: str) -> Property:
    def unbound(view: View) -> Bools:
        return view.is_in(p, "Unbound")

    def bound_or_no_candidate(view: View) -> Bools:
        return ~unbound(view) | ~any_of(view.lookup(n, is_candidate) for n in size.node_names)

    return Eventually(
        f"{p}: an unbound pod is bound while a candidate stays",
        ("pod.binding.scheduler",),
        unbound,
        bound_or_no_candidate,
        fair=(named(*(f"bind({p},{n})" for n in size.node_names)),),
    )


def _is_given_up(profile: Profile, size: Size, p: str, n: str) -> Property:
    seed = profile.name == "seed"
    final = container.final(profile.containers[size.policy])

    def lost(view: View) -> Bools:
        return view.is_in(p, f"Bound@{n}") & ~view.lookup(n, is_candidate)

    def resolved(view: View) -> Bools:
        """Given up, or the node is back or gone for good, or there was nothing left to give up."""
        settled = view.lookup(n, lambda s: is_candidate(s) or s in ("Removed", "Terminated"))
        return ~view.is_in(p, f"Bound@{n}") | settled | _every(view, size, p, *final)

    return Eventually(
        f"{p}: a pod of {n} is given up if the node stays lost",
        ("pod.partition.failed", "pod.life.node-lost") if seed else ("pod.life.evicted",),
        lost,
        resolved,
        fair=(named(f"{'node_timed_out' if seed else 'evict'}({p},{n})"),),
    )


def _seed_nodes(size: Size) -> list[Property]:
    def terminated_has_no_pods(view: View) -> Bools:
        return all_of(
            ~view.is_in(n, "Terminated", "Removed") | ~_is_home(view, p, n)
            for p in size.pod_names
            for n in size.node_names
        )

    def terminated_is_final(before: View, _: Labels, after: View) -> Bools:
        return all_of(~before.is_in(n, "Terminated") | after.is_in(n, "Terminated", "Removed") for n in size.node_names)

    def pending_until_check_in(before: View, events: Labels, after: View) -> Bools:
        return all_of(
            ~before.is_in(n, "Pending")
            | after.is_in(n, "Pending", "Terminated", "Removed")
            | events.is_vector(f"check_in({n})")
            for n in size.node_names
        )

    def some_node(state: str) -> Callable[[View], Bools]:
        return lambda view: any_of(view.is_in(n, state) for n in size.node_names)

    return [
        Always("a Terminated node has lost its pods",
               ("node.phase.terminated.pods-deleted", "pod.life.dead-node-deletes"), terminated_has_no_pods),
        AlwaysStep("Terminated is for ever", ("node.phase.terminated",), terminated_is_final),
        AlwaysStep("a node begins as Pending and runs only after its check-in",
                   ("node.phase.pending", "node.phase.running"), pending_until_check_in),
        Sometimes("a node is reachable and not ready", ("node.condition.kinds",), some_node("Running/True/False")),
        Sometimes("a node is ready and not reachable", ("node.condition.kinds",), some_node("Running/False/True")),
    ]  # fmt: skip


# --- small things ---------------------------------------------------------------------------------------------------


def _every(view: View, size: Size, p: str, *states: str) -> Bools:
    return all_of(view.is_in(c, *states) for c in size.containers_of(p))


def _bound(view: View, p: str) -> Bools:
    return view.lookup(p, lambda s: standing(s) == "Bound")


def _is_home(view: View, p: str, n: str) -> Bools:
    return view.lookup(p, lambda s: pod.home(s) == n)
