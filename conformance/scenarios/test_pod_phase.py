"""容器组的生命状态: the phases of a pod (seed.md L254-L272)."""

from conformance.scenario import Run, scenario
from conformance.workload import RUN_ON, Exit, RunOn, Workload


@scenario(
    "pod.phase.pending",
    "pod.phase.running",
    "pod.phase.some-run",
    "pod.phase.waiting-wins",
    "pod.phase.values",
    "pod.phase.five-values",
    "pod.phase.table",
    "pod.container.start-never-ran",
)
def test_a_pod_is_pending_until_all_its_containers_run(run: Run) -> None:
    """Pending first; Running when all three run."""
    run.node()
    pod = run.pod(RUN_ON, RUN_ON, RUN_ON)
    run.until(pod, phase="Running", states={"c1": "running", "c2": "running", "c3": "running"})


WELL: Workload = (*[Exit(0, after=0)] * 4, RunOn())
BADLY: Workload = (*[Exit(1, after=0)] * 4, RunOn())
SOON_WELL: Workload = (*[Exit(0, after=0.5)] * 4, RunOn())
SOON_BADLY: Workload = (*[Exit(1, after=0.5)] * 4, RunOn())


@scenario("pod.phase.pending", "pod.phase.waiting-wins", "pod.phase.table")
def test_a_pod_is_pending_while_a_container_has_never_run_whatever_the_others_did(run: Run) -> None:
    """Some end at once, well or badly; until the last one has been started the pod is Pending."""
    run.node()
    before: dict[str, tuple[Workload, ...]] = {
        "well": (WELL, WELL, WELL),
        "badly": (BADLY, BADLY, BADLY),
        "both": (WELL, BADLY, WELL),
        "well-one-runs": (RUN_ON, WELL, WELL),
        "badly-one-runs": (RUN_ON, BADLY, BADLY),
        "both-one-runs": (RUN_ON, WELL, BADLY),
    }
    pods = [run.pod(*members, RUN_ON, name=name) for name, members in before.items()]
    for pod in pods:
        run.until(pod, phase="Running", states={"c4": "running"}, rules=("pod.phase.running", "pod.phase.some-run"))


@scenario("pod.phase.running", "pod.phase.some-run", "pod.phase.table", "pod.restart.both-of-two")
def test_the_containers_of_a_pod_end_in_different_ways_at_the_same_time(run: Run) -> None:
    """Again and again where they are restarted; the pod is over only if all have ended for good."""
    run.node()
    ends = run.pod(SOON_WELL, SOON_BADLY, name="all-end")
    runs = run.pod(RUN_ON, SOON_WELL, SOON_BADLY, name="one-runs")
    often = {"Always": {"c1": 4, "c2": 4}, "OnFailure": {"c2": 4}, "Never": None}[run.policy]
    run.until(ends, phase=run.by_policy("Running", "Running", "Failed"), restarts=often)
    run.until(runs, phase="Running")


@scenario(
    "pod.phase.succeeded",
    "pod.phase.all-succeeded",
    "pod.phase.terminal",
    "pod.phase.final",
    policies=("OnFailure", "Never"),
)
def test_a_pod_whose_containers_all_exit_with_0_succeeds(run: Run) -> None:
    """Two containers, one after the other: Running until the last, then Succeeded for ever."""
    run.node()
    pod = run.pod(Exit(0, after=2), Exit(0, after=8))
    run.until(pod, phase="Succeeded")
    run.until_event(pod, "completed", "c1", rules=("pod.event.completed",))
    run.until_event(pod, "completed", "c2", rules=("pod.event.completed",))


@scenario("pod.phase.failed", "pod.phase.some-failed", "pod.phase.terminal", "pod.phase.final", policies=("Never",))
def test_a_pod_with_one_good_and_one_bad_exit_fails(run: Run) -> None:
    """One failure among all that ended is enough, whichever came last."""
    run.node()
    first = run.pod(Exit(1, after=2), Exit(0, after=8), name="bad-then-good")
    second = run.pod(Exit(0, after=2), Exit(1, after=8), name="good-then-bad")
    run.until(first, phase="Failed")
    run.until(second, phase="Failed")


@scenario("pod.phase.running", "pod.phase.some-run", policies=("OnFailure", "Never"))
def test_a_pod_runs_on_while_one_container_runs(run: Run) -> None:
    """One of two has exited for good; the pod stays Running."""
    run.node()
    pod = run.pod(Exit(0), RUN_ON)
    run.until(pod, phase="Running", states={"c1": "terminated", "c2": "running"})


@scenario(
    "pod.phase.pending",
    "pod.binding.scheduler",
    "pod.binding.candidate",
    "scheduler.candidate.ready",
    "scheduler.retry.pending",
    "pod.phase.pending-before-binding",
)
def test_a_pod_without_a_node_stays_pending(run: Run) -> None:
    """No node: Pending and unbound; with the first node it runs there."""
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Pending", bound=False)
    run.settle()
    run.node()
    run.until(pod, phase="Running", bound=True)
