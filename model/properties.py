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
from model.lts.properties import Always, AlwaysStep, Eventually, Labels, Property, Sometimes, SometimesStep, View
from model.lts.refine import Refinement, refines
from model.pod import PHASES, TERMINAL, standing
from model.profiles import Profile

DELETED = PHASES.index("Deleted")


def phase_numbers(view: View, profile: Profile, size: Size, p: str) -> Ints:
    """The phase of pod ``p`` in each state, as an index into PHASES; shape (n,)."""
    members = size.containers_of(p)
    masks = np.zeros(len(view), dtype=np.int64)
    for c in members:
        states = view.exploration.compiled.network.components[c].states
        bits = np.array([1 << pod.CLASSES.index(profile.class_of[s]) for s in states])
        masks |= bits[view.column(c)]
    by_mask = np.array([PHASES.index(pod.decide(size.policy, _classes(mask))[0]) for mask in range(2 ** len(pod.CLASSES))])
    record = view.exploration.compiled.network.components[p]
    forced = np.array([PHASES.index(pod.FORCED_PHASE.get(standing(s), "Pending")) for s in record.states])
    is_forced = view.lookup(p, lambda s: standing(s) in pod.FORCED_PHASE)
    return np.where(is_forced, forced[view.column(p)], by_mask[masks])


def _classes(mask: int) -> frozenset[str]:
    return frozenset(name for bit, name in enumerate(pod.CLASSES) if mask >> bit & 1)


def refinement(profile: Profile, size: Size, view: View) -> Refinement:
    """Whether the mechanism of one pod (explored without nodes) refines the phase table of its policy."""
    abstract = profile.phases[size.policy]
    names = [abstract.states.index(phase) if phase in abstract.states else len(abstract.states) for phase in PHASES]
    image = np.array(names)[phase_numbers(view, profile, size, size.pod_names[0])]
    if (image == len(abstract.states)).any():
        first = int(np.flatnonzero(image == len(abstract.states))[0])
        return Refinement(False, tuple(view.exploration.path(first)), "a phase that the table does not have", ())
    return refines(view.exploration, image, abstract)


def properties(profile: Profile, size: Size) -> list[Property]:
    """All properties of the profile for a network of this size."""
    return [
        *_phase_properties(profile, size),
        *_container_properties(profile, size),
        *_record_properties(profile, size),
        *(_node_properties(profile, size) if size.nodes else []),
    ]


def _phase_properties(profile: Profile, size: Size) -> list[Property]:
    seed = profile.name == "seed"
    terminal = [PHASES.index(t) for t in TERMINAL]

    def phases(view: View) -> list[Ints]:
        return [phase_numbers(view, profile, size, p) for p in size.pod_names]

    def terminal_is_final(before: View, events: Labels, after: View) -> Bools:
        fine = np.ones(len(before), dtype=np.bool_)
        for was, now in zip(phases(before), phases(after), strict=True):
            fine &= ~np.isin(was, terminal) | (was == now) | (now == DELETED) | events.is_event("refuse_admission")
        return fine

    def means(phase: str, told: Callable[[View, str], Bools]) -> Callable[[View], Bools]:
        number = PHASES.index(phase)
        return lambda view: _all(
            (phase_numbers(view, profile, size, p) != number) | told(view, p) for p in size.pod_names
        )

    def every(*states: str) -> Callable[[View, str], Bools]:
        return lambda view, p: _all(view.is_in(c, *states) for c in size.containers_of(p))

    def failed_is_deserved(view: View, p: str) -> Bools:
        return view.lookup(p, lambda s: standing(s) in pod.FORCED_PHASE) | (
            every(*container.ENDED)(view, p) & ~every("Completed")(view, p)
        )

    reached = [phase for phase in PHASES if phase in profile.phases[size.policy].states]
    return [
        AlwaysStep("a terminal phase is for ever", ("pod.phase.terminal" if seed else "pod.phase.final",),
                   terminal_is_final),
        Always("Succeeded: every container exited with 0", ("pod.phase.succeeded",),
               means("Succeeded", every("Completed"))),
        Always("Failed: every container has ended, one of them badly, or the record says so", ("pod.phase.failed",),
               means("Failed", failed_is_deserved)),
        Always("Running: every container has been started",
               ("pod.phase.running" if seed else "pod.phase.some-run",),
               means("Running", lambda view, p: ~_any(view.is_in(c, "Waiting") for c in size.containers_of(p)))),
        *(Sometimes(f"a pod is {phase}", ("pod.phase.values" if seed else "pod.phase.five-values",), _is(phase, phases))
          for phase in reached),
    ]  # fmt: skip


def _is(phase: str, phases: Callable[[View], list[Ints]]) -> Callable[[View], Bools]:
    return lambda view: _any(numbers == PHASES.index(phase) for numbers in phases(view))


def _container_properties(profile: Profile, size: Size) -> list[Property]:
    members = [(p, c) for p in size.pod_names for c in size.containers_of(p)]
    table = profile.containers[size.policy]
    seed = profile.name == "seed"

    def stays_ended(states: tuple[str, ...]) -> Callable[[View, Labels, View], Bools]:
        return lambda before, events, after: _all(
            ~before.is_in(c, *states) | after.is_in(c, *states) for _, c in members
        )

    def not_bound(view: View, p: str) -> Bools:
        return ~view.lookup(p, lambda s: standing(s) == "Bound")

    owed: list[Property] = []
    for p, c in members:
        owed.append(
            Eventually(f"{c}: a container of a bound pod is started", ("pod.phase.pending",),
                       lambda v, p=p, c=c: ~not_bound(v, p) & v.is_in(c, "Waiting"),
                       lambda v, p=p, c=c: not_bound(v, p) | ~v.is_in(c, "Waiting"),
                       (_named(f"start({c})"),))
        )  # fmt: skip
    match size.policy:
        case "Never":
            owed += [
                AlwaysStep("Never: a container that has ended stays ended",
                           ("pod.restart.failure.never", "pod.restart.success.never", "pod.restart.oom.never"),
                           stays_ended(container.ENDED)),
                Sometimes("Never: a container has failed beside one that succeeded, or alone",
                          ("pod.restart.one-of-two.never",), lambda v: _any(v.is_in(c, "Error") for _, c in members)),
            ]  # fmt: skip
            if seed:
                ends = tuple(
                    _named(*(f"{e}({c})" for e in ("exit_zero", "exit_failure", "out_of_memory"))) for _, c in members
                )
                starts = tuple(_named(f"start({c})") for _, c in members)
                owed += [
                    Eventually(f"{p}: Never: a finite workload ends", ("pod.phase.terminal",),
                               lambda v, p=p: v.lookup(p, lambda s: standing(s) == "Bound"),
                               lambda v, p=p: np.isin(phase_numbers(v, profile, size, p), FINAL_NUMBERS),
                               starts + ends)
                    for p in size.pod_names
                ]  # fmt: skip
        case "OnFailure":
            owed.append(
                AlwaysStep("OnFailure: a container that exited with 0 is left alone",
                           ("pod.restart.success.onfailure",), stays_ended(("Completed",)))
            )  # fmt: skip
    if size.policy != "Never":
        restarted = tuple(s for s in container.ENDED if table.rows_for(s, "restart"))
        owed.append(
            SometimesStep(f"{size.policy}: a container is restarted",
                          (f"pod.restart.failure.{size.policy.lower()}",),
                          lambda before, events, after: events.is_event("restart"))
        )  # fmt: skip
        rules = tuple(
            f"pod.restart.{why}.{size.policy.lower()}" for why in ("failure", "oom", "one-of-two", "both-of-two")
        )
        for p, c in members:
            owed.append(
                Eventually(f"{c}: {size.policy}: an ended container is restarted", rules,
                           lambda v, p=p, c=c: ~not_bound(v, p) & v.is_in(c, *restarted),
                           lambda v, p=p, c=c: not_bound(v, p) | ~v.is_in(c, *restarted),
                           (_named(f"restart({c})"),))
            )  # fmt: skip
    return owed


FINAL_NUMBERS = [PHASES.index(phase) for phase in (*TERMINAL, "Deleted")]


def _record_properties(profile: Profile, size: Size) -> list[Property]:
    def nothing_runs_unbound(view: View) -> Bools:
        return _all(
            ~view.is_in(p, "Unbound") | _all(view.is_in(c, "Waiting") for c in size.containers_of(p))
            for p in size.pod_names
        )

    def never_moved(before: View, events: Labels, after: View) -> Bools:
        return _all(
            ~before.lookup(p, lambda s, h=h: pod.home(s) == h)
            | after.lookup(p, lambda s, h=h: pod.home(s) in (h, None) and s != "Unbound")
            for p in size.pod_names
            for h in size.homes
        )

    def deleted_is_the_end(before: View, events: Labels, after: View) -> Bools:
        return _all(~before.is_in(p, "Deleted") | after.is_in(p, "Deleted") for p in size.pod_names)

    return [
        Always("no container runs before its pod is bound", ("pod.binding.scheduler",), nothing_runs_unbound),
        AlwaysStep("a pod is never moved", ("pod.binding.never-moved", "pod.concept.one-host"), never_moved),
        AlwaysStep("a deleted pod does not come back", ("pod.life.not-by-itself",), deleted_is_the_end),
    ]


def _node_properties(profile: Profile, size: Size) -> list[Property]:
    seed = profile.name == "seed"
    lost = "node_timed_out" if seed else "evict"

    def bound_to_candidates(before: View, events: Labels, after: View) -> Bools:
        return _all(
            ~events.is_vector(f"bind({p},{n})") | before.lookup(n, is_candidate)
            for p in size.pod_names
            for n in size.node_names
        )

    def held_by(view: View, p: str, n: str) -> Bools:
        return view.lookup(p, lambda s: pod.home(s) == n)

    found: list[Property] = [
        AlwaysStep("a pod is bound only to a candidate",
                   ("pod.binding.candidate", "node.phase.terminated.refuses") if seed else ("scheduler.candidate.ready",),
                   bound_to_candidates),
        *(Eventually(f"{p}: an unbound pod is bound while a candidate stays", ("pod.binding.scheduler",),
                     lambda v, p=p: v.is_in(p, "Unbound"),
                     lambda v, p=p: ~v.is_in(p, "Unbound") | ~_any(v.lookup(n, is_candidate) for n in size.node_names),
                     (_named(*(f"bind({p},{n})" for n in size.node_names)),))
          for p in size.pod_names),
        *(Eventually(f"{p}: a pod of {n} is given up if the node stays lost",
                     ("pod.partition.failed", "pod.life.node-lost") if seed else ("pod.life.evicted",),
                     lambda v, p=p, n=n: v.is_in(p, f"Bound@{n}") & ~v.lookup(n, is_candidate),
                     lambda v, p=p, n=n: ~v.is_in(p, f"Bound@{n}") | v.lookup(n, _holds_pods(is_candidate))
                     | _all(v.is_in(c, *container.final(profile.containers[size.policy])) for c in size.containers_of(p)),
                     (_named(f"{lost}({p},{n})"),))
          for p in size.pod_names for n in size.node_names),
    ]  # fmt: skip
    if seed:
        found += [
            Always("a Terminated node has lost its pods",
                   ("node.phase.terminated.pods-deleted", "pod.life.dead-node-deletes"),
                   lambda v: _all(~v.is_in(n, "Terminated") | ~held_by(v, p, n)
                                  for p in size.pod_names for n in size.node_names)),
            AlwaysStep("Terminated is for ever", ("node.phase.terminated",),
                       lambda before, events, after: _all(
                           ~before.is_in(n, "Terminated") | after.is_in(n, "Terminated", "Removed")
                           for n in size.node_names)),
            AlwaysStep("a node begins as Pending and runs only after its check-in",
                       ("node.phase.pending", "node.phase.running"),
                       lambda before, events, after: _all(
                           ~before.is_in(n, "Pending") | after.is_in(n, "Pending", "Terminated", "Removed")
                           | events.is_vector(f"check_in({n})") for n in size.node_names)),
            Sometimes("a node is reachable and not ready", ("node.condition.kinds",),
                      lambda v: _any(v.is_in(n, "Running/True/False") for n in size.node_names)),
            Sometimes("a node is ready and not reachable", ("node.condition.kinds",),
                      lambda v: _any(v.is_in(n, "Running/False/True") for n in size.node_names)),
        ]  # fmt: skip
    return found


def _holds_pods(candidate: Callable[[str], bool]) -> Callable[[str], bool]:
    """A node that is a candidate again, or has gone for good and taken the time-out's object with it."""
    return lambda state: candidate(state) or state in ("Removed", "Terminated")


def _named(*names: str) -> Callable[[str], bool]:
    return lambda name: name in names


def _all(parts: object) -> Bools:
    return np.logical_and.reduce(list(parts))  # type: ignore[call-overload,no-any-return]


def _any(parts: object) -> Bools:
    return np.logical_or.reduce(list(parts))  # type: ignore[call-overload,no-any-return]
