"""容器组生命周期, 举例如下: every restart-policy case of the examples (seed.md L282-L312)."""

from conformance.scenario import Run, scenario
from conformance.workload import RUN_ON, Exit, OutOfMemory, RunOn


@scenario("pod.restart.success", "pod.event.completed", "pod.restart.exit-code-only")
def test_one_container_exits_well(run: Run) -> None:
    """L282: Always restarts it, OnFailure and Never succeed."""
    run.node()
    pod = run.pod((Exit(0), RunOn()))
    run.until(
        pod,
        phase=run.by_policy("Running", "Succeeded", "Succeeded"),
        restarts={"c1": 1} if run.policy == "Always" else None,
    )
    run.until_event(pod, "completed", "c1", rules=("pod.event.completed",))


@scenario("pod.restart.failure", "pod.event.failed", "pod.restart.exit-code-only")
def test_one_container_exits_badly(run: Run) -> None:
    """L288: Always and OnFailure restart it, Never fails."""
    run.node()
    pod = run.pod((Exit(7), RunOn()))
    run.until(
        pod, phase=run.by_policy("Running", "Running", "Failed"), restarts={"c1": 1} if run.policy != "Never" else None
    )
    run.until_event(pod, "failed", "c1", rules=("pod.event.failed",))


@scenario("pod.restart.one-of-two", "pod.event.failed")
def test_one_of_two_containers_exits_badly(run: Run) -> None:
    """L294: Always and OnFailure restart it, Never leaves it; the pod stays Running."""
    run.node()
    pod = run.pod((Exit(1), RunOn()), RUN_ON)
    states = {"c1": "terminated" if run.policy == "Never" else "running", "c2": "running"}
    run.until(pod, phase="Running", states=states, restarts={"c1": 0 if run.policy == "Never" else 1})
    run.until_event(pod, "failed", "c1", rules=("pod.event.failed",))


@scenario("pod.restart.both-of-two", "pod.event.both-of-two", "pod.event.failed")
def test_then_the_other_container_exits_badly(run: Run) -> None:
    """L300: Always and OnFailure restart both, Never fails."""
    run.node()
    pod = run.pod((Exit(1), RunOn()), (Exit(2, after=8), RunOn()))
    again = None if run.policy == "Never" else {"c1": 1, "c2": 1}
    run.until(pod, phase=run.by_policy("Running", "Running", "Failed"), restarts=again)
    run.until_event(pod, "failed", "c1", rules=("pod.event.failed",))
    run.until_event(pod, "failed", "c2", rules=("pod.event.both-of-two",))


@scenario("pod.restart.both-of-two", "pod.event.failed", "pod.event.completed")
def test_then_the_other_container_exits_well(run: Run) -> None:
    """L300 with a good second exit: Never fails all the same; OnFailure runs on with the first, restarted."""
    run.node()
    pod = run.pod((Exit(1), RunOn()), (Exit(0, after=8), RunOn()))
    again = {"Always": {"c1": 1, "c2": 1}, "OnFailure": {"c1": 1}, "Never": None}[run.policy]
    states = {"c2": "terminated"} if run.policy == "OnFailure" else None
    run.until(pod, phase=run.by_policy("Running", "Running", "Failed"), restarts=again, states=states)
    run.until_event(pod, "completed", "c2", rules=("pod.event.completed",))


@scenario(
    "pod.restart.oom",
    "pod.restart.oom-exit-code",
    "pod.event.out-of-memory",
    "pod.event.oom-error",
    needs=("out-of-memory",),
)
def test_a_container_runs_out_of_memory(run: Run) -> None:
    """L306: an abnormal end with an event of its own; under Never an error event besides."""
    run.node()
    pod = run.pod((OutOfMemory(), RunOn()))
    run.until(
        pod, phase=run.by_policy("Running", "Running", "Failed"), restarts={"c1": 1} if run.policy != "Never" else None
    )
    run.until_event(pod, "out-of-memory", "c1", rules=("pod.event.out-of-memory",))
    if run.policy == "Never":
        run.until_event(pod, "error", rules=("pod.event.oom-error",))


@scenario("pod.restart.failure", "pod.event.failed", needs=("kill-container",))
def test_a_container_is_killed_from_outside(run: Run) -> None:
    """SIGKILL is an abnormal end like any other (exit code 137)."""
    run.node()
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=("pod.phase.running", "pod.phase.some-run"))
    run.inject("kill-container", pod, "c1")
    run.until(
        pod, phase=run.by_policy("Running", "Running", "Failed"), restarts={"c1": 1} if run.policy != "Never" else None
    )
    run.until_event(pod, "failed", "c1", rules=("pod.event.failed",))


@scenario("pod.restart.failure", "pod.event.failed", needs=("kill-by-engine",))
def test_a_container_is_killed_through_its_engine(run: Run) -> None:
    """Who kills it makes no difference: an abnormal end is one."""
    run.node()
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=("pod.phase.running", "pod.phase.some-run"))
    run.inject("kill-by-engine", pod, "c1")
    run.until(
        pod, phase=run.by_policy("Running", "Running", "Failed"), restarts={"c1": 1} if run.policy != "Never" else None
    )
    run.until_event(pod, "failed", "c1", rules=("pod.event.failed",))


@scenario("pod.restart.oom", "pod.event.out-of-memory", "pod.event.oom-error", needs=("out-of-memory",))
def test_a_child_runs_out_of_memory_and_the_container_exits_badly(run: Run) -> None:
    """The kernel's victim is another process of the container: it was out of memory all the same."""
    run.node()
    pod = run.pod((OutOfMemory(code=3), RunOn()))
    run.until(
        pod, phase=run.by_policy("Running", "Running", "Failed"), restarts={"c1": 1} if run.policy != "Never" else None
    )
    run.until_event(pod, "out-of-memory", "c1", rules=("pod.event.out-of-memory",))


@scenario("pod.restart.oom", "pod.restart.oom-exit-code", "pod.event.out-of-memory", needs=("out-of-memory",))
def test_a_child_runs_out_of_memory_and_the_container_exits_with_0(run: Run) -> None:
    """L306: marked as ended in error, whatever the exit code (v0.17.0: the exit code alone decides)."""
    run.node()
    pod = run.pod((OutOfMemory(code=0), RunOn()))
    if run.is_seed:
        phase, restarted = run.by_policy("Running", "Running", "Failed"), run.policy != "Never"
    else:
        phase, restarted = run.by_policy("Running", "Succeeded", "Succeeded"), run.policy == "Always"
    run.until(pod, phase=phase, restarts={"c1": 1} if restarted else None)
    run.until_event(pod, "out-of-memory", "c1", rules=("pod.event.out-of-memory",))


@scenario("pod.restart.oom", "pod.event.out-of-memory", needs=("out-of-memory",))
def test_a_running_container_is_killed_for_want_of_memory(run: Run) -> None:
    """The kernel's doing, in the middle of the container's life."""
    run.node()
    pod = run.pod(RUN_ON, RUN_ON)
    run.until(pod, phase="Running", rules=("pod.phase.running", "pod.phase.some-run"))
    run.inject("out-of-memory", pod, "c2")
    states = {"c1": "running", "c2": "terminated" if run.policy == "Never" else "running"}
    run.until(pod, phase="Running", states=states, restarts={"c2": 0 if run.policy == "Never" else 1})
    run.until_event(pod, "out-of-memory", "c2", rules=("pod.event.out-of-memory",))


@scenario(
    "pod.restart.failure.onfailure",
    "pod.restart.success.onfailure",
    "pod.restart.counted",
    "pod.restart.count-reconstructed",
    policies=("OnFailure",),
)
def test_a_container_that_fails_twice_and_then_succeeds(run: Run) -> None:
    """OnFailure: two restarts, both counted, then Succeeded."""
    run.node()
    pod = run.pod((Exit(1), Exit(2), Exit(0)))
    run.until(pod, phase="Succeeded", restarts={"c1": 2})
    run.until_event(pod, "completed", "c1", rules=("pod.event.completed",))


@scenario(
    "pod.restart.success.always",
    "pod.restart.failure.always",
    "pod.restart.counted",
    "pod.restart.count-reconstructed",
    policies=("Always",),
)
def test_every_restart_is_counted(run: Run) -> None:
    """Always: good and bad exits in turn, four restarts, then it runs on."""
    run.node()
    pod = run.pod((Exit(0), Exit(3), Exit(0), Exit(4), RunOn()))
    run.until(pod, phase="Running", restarts={"c1": 4}, states={"c1": "running"})
    run.until_event(pod, "failed", "c1", rules=("pod.event.failed",))


@scenario("pod.restart.policies", "pod.concept.containers", needs=("out-of-memory",))
def test_three_containers_that_end_in_three_ways(run: Run) -> None:
    """The policy holds for each container by itself."""
    run.node()
    pod = run.pod((Exit(0), RunOn()), (Exit(5, after=2), RunOn()), (OutOfMemory(after=3), RunOn()))
    again = {"Always": {"c1": 1, "c2": 1, "c3": 1}, "OnFailure": {"c2": 1, "c3": 1}, "Never": None}[run.policy]
    run.until(pod, phase=run.by_policy("Running", "Running", "Failed"), restarts=again)
