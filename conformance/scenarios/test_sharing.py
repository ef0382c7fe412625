"""资源共享和通信: what the containers of a pod share, and what a pod has of its own (seed.md L152-L156, L225-L229)."""

from conformance.scenario import Run, scenario
from conformance.workload import RUN_ON, Exit, Put, Reach, RunOn, Serve, Take

RUNNING = ("pod.phase.running", "pod.phase.some-run")


@scenario("pod.sharing.network", needs=("network",))
def test_the_containers_of_a_pod_reach_one_another_on_localhost(run: Run) -> None:
    """One listens, the other one connects and exits with 0."""
    run.node()
    pod = run.pod(Serve(), (Reach(), RunOn()))
    if run.policy == "Always":
        run.until(pod, phase="Running", restarts={"c2": 1})
    else:
        run.until(pod, phase="Running", states={"c1": "running", "c2": "terminated"})


@scenario("pod.sharing.own-ip", needs=("network",))
def test_a_pod_is_reached_at_an_address_of_its_own(run: Run) -> None:
    """Both listen on the same port, a third connects to each of them by its address."""
    run.node()
    first, second = run.pod(Serve(), name="first"), run.pod(Serve(), name="second")
    run.until(first, phase="Running", rules=RUNNING)
    run.until(second, phase="Running", rules=RUNNING)
    workloads = [(Reach(run.address(pod)), RunOn()) for pod in (first, second)]
    third = run.pod(*workloads, name="third")
    again = {"c1": 1, "c2": 1} if run.policy == "Always" else None
    run.until(third, phase=run.by_policy("Running", "Succeeded", "Succeeded"), restarts=again)


@scenario("pod.sharing.volumes", "pod.sharing.volume-is-directory", needs=("volumes",))
def test_the_containers_of_a_pod_share_a_volume(run: Run) -> None:
    """One puts a file there, the other one finds it and exits with 0."""
    run.node()
    pod = run.pod(Put("greeting"), (Take("greeting"), RunOn()))
    if run.policy == "Always":
        run.until(pod, phase="Running", restarts={"c2": 1})
    else:
        run.until(pod, phase="Running", states={"c1": "running", "c2": "terminated"})


@scenario("pod.sharing.survives-restart", policies=("Always", "OnFailure"), needs=("volumes",))
def test_what_a_container_wrote_is_there_after_its_restart(run: Run) -> None:
    """The first incarnation puts a file into the volume and fails; the second one finds it."""
    run.node()
    pod = run.pod((Put("greeting", code=3), Take("greeting"), RunOn()))
    again = {"c1": 2} if run.policy == "Always" else {"c1": 1}
    run.until(pod, phase=run.by_policy("Running", "Succeeded", ""), restarts=again)


@scenario("pod.sharing.survives-restart", "pod.sharing.survives-sandbox", policies=("Always", "OnFailure"),
          needs=("volumes", "kill-sandbox"))  # fmt: skip
def test_what_a_container_wrote_is_there_after_its_sandbox_died(run: Run) -> None:
    """The first incarnation puts a file into the volume and ends with the sandbox; the second one finds it."""
    run.node()
    pod = run.pod((Put("greeting"), Take("greeting"), RunOn()))
    run.until(pod, phase="Running", rules=RUNNING)
    run.inject("kill-sandbox", pod)
    again = {"c1": 2} if run.policy == "Always" else {"c1": 1}
    run.until(pod, phase=run.by_policy("Running", "Succeeded", ""), restarts=again)


@scenario("pod.sharing.survives-restart", policies=("Always", "OnFailure"),
          needs=("volumes", "stop-kubelet", "restart-kubelet"))  # fmt: skip
def test_what_a_container_wrote_is_there_after_its_kubelet_was_replaced(run: Run) -> None:
    """The kubelet that comes back ends what runs; the next incarnation finds the file."""
    run.node()
    pod = run.pod((Put("greeting"), Take("greeting"), RunOn()))
    run.until(pod, phase="Running", rules=RUNNING)
    run.inject("stop-kubelet", "n1")
    run.inject("restart-kubelet", "n1")
    again = {"c1": 2} if run.policy == "Always" else {"c1": 1}
    run.until(pod, phase=run.by_policy("Running", "Succeeded", ""), restarts=again)


@scenario("pod.restart.counted", "pod.restart.count-reconstructed", policies=("Always", "OnFailure"),
          needs=("kill-sandbox",))  # fmt: skip
def test_restarts_are_counted_on_after_the_sandbox_of_a_pod_died(run: Run) -> None:
    """One before, one by it."""
    run.node()
    pod = run.pod((Exit(1), RunOn()))
    run.until(pod, phase="Running", restarts={"c1": 1}, states={"c1": "running"}, rules=("pod.restart.failure",))
    run.inject("kill-sandbox", pod)
    run.until(pod, restarts={"c1": 2})


@scenario(
    "pod.event.failed", "pod.sharing.network", policies=("Always", "OnFailure"), needs=("kill-sandbox", "network")
)
def test_the_sandbox_of_a_running_pod_dies(run: Run) -> None:
    """Its containers end with it. They are started again, and share a network again."""
    run.node()
    pod = run.pod(Serve(), (RunOn(), Reach(), RunOn()))
    run.until(pod, phase="Running", rules=RUNNING)
    run.inject("kill-sandbox", pod)
    run.until_event(pod, "failed", "c1", rules=("pod.event.failed",))
    if run.policy == "Always":
        run.until(pod, phase="Running", restarts={"c1": 1, "c2": 2})
    else:
        run.until(pod, phase="Running", restarts={"c1": 1, "c2": 1}, states={"c2": "terminated"})


@scenario("pod.restart.sandbox-died.never", "pod.restart.failure", policies=("Never",), needs=("kill-sandbox",))
def test_the_sandbox_of_a_pod_that_is_never_restarted_dies(run: Run) -> None:
    """Its containers end with it, and with them the pod."""
    run.node()
    pod = run.pod(RUN_ON, Exit(0))
    run.until(pod, phase="Running", states={"c1": "running", "c2": "terminated"}, rules=RUNNING)
    run.inject("kill-sandbox", pod)
    run.until(pod, phase="Failed", states={"c1": "terminated", "c2": "terminated"})
    run.until_event(pod, "failed", "c1", rules=("pod.event.failed",))
