"""对应的节点段溢出: the node of a running pod is cut off or dies (seed.md L278, L318-L321)."""

from conformance.scenario import Run, scenario
from conformance.workload import RUN_ON, Exit, RunOn

RUNNING = ("pod.phase.running", "pod.phase.some-run")
LOST = ("pod.partition.failed", "pod.life.node-lost", "pod.life.evicted")


@scenario("pod.partition.failed", "pod.partition.waits", "pod.life.node-lost", "pod.life.evicted", needs=("cut-node",))
def test_the_node_of_a_running_pod_is_cut_off_for_good(run: Run) -> None:
    """After the time-out the pod is marked Failed, whatever its policy (v0.17.0: it is deleted)."""
    run.node("n1")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    run.inject("cut-node", "n1")
    run.until(pod, phase="Failed" if run.is_seed else None, gone=not run.is_seed)


@scenario("pod.partition.failed", "pod.life.node-lost", "pod.life.evicted", needs=("cut-node-inbound",))
def test_the_node_of_a_running_pod_hears_nothing_any_more(run: Run) -> None:
    """Cut in one direction: what it sends still arrives, but it is lost."""
    run.node("n1")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    run.inject("cut-node-inbound", "n1")
    run.until(pod, phase="Failed" if run.is_seed else None, gone=not run.is_seed)


@scenario("pod.partition.failed", "pod.life.node-lost", "pod.life.evicted", needs=("stop-kubelet",))
def test_the_kubelet_of_a_running_pod_stops_for_good(run: Run) -> None:
    """A node that is not ready is lost as well."""
    run.node("n1")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    run.inject("stop-kubelet", "n1")
    run.until(pod, phase="Failed" if run.is_seed else None, gone=not run.is_seed)


@scenario("pod.partition.waits", needs=("cut-node", "heal-node", "kill-container"))
def test_a_node_that_returns_in_time_keeps_its_pods(run: Run) -> None:
    """Cut and healed at once: the pod stays Running and is looked after as before."""
    run.node("n1")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    run.inject("cut-node", "n1")
    run.until_node("n1", reachable="False", rules=("node.condition.reachable",))
    run.inject("heal-node", "n1")
    run.until_ready("n1")
    run.inject("kill-container", pod, "c1")
    run.until(
        pod,
        phase=run.by_policy("Running", "Running", "Failed"),
        restarts=None if run.policy == "Never" else {"c1": 1},
        rules=("pod.restart.failure",),
    )


@scenario("pod.phase.terminal", "pod.life.node-lost", needs=("cut-node", "heal-node"))
def test_a_pod_that_was_failed_with_its_node_stays_failed_when_the_node_returns(run: Run) -> None:
    """Failed is final, also for a pod whose containers never noticed."""
    run.node("n1")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    run.inject("cut-node", "n1")
    run.until(pod, phase="Failed", rules=LOST)
    run.inject("heal-node", "n1")
    run.until_ready("n1")
    run.settle()


@scenario("pod.binding.never-moved", "pod.binding.candidate", "scheduler.candidate.ready", needs=("cut-node",))
def test_the_pod_of_a_lost_node_is_not_moved_to_another(run: Run) -> None:
    """A second node stands by; the pod does not go there, a new one does."""
    run.node("n1")
    pod = run.pod(RUN_ON, name="first")
    run.until(pod, phase="Running", rules=RUNNING)
    run.node("n2")
    run.inject("cut-node", "n1")
    run.until(pod, phase="Failed" if run.is_seed else None, gone=not run.is_seed, rules=LOST)
    other = run.pod(RUN_ON, name="second")
    run.until(other, phase="Running", bound=True, rules=RUNNING)


@scenario("pod.binding.candidate", "scheduler.candidate.ready", needs=("cut-node", "heal-node", "node-conditions"))
def test_no_pod_is_bound_to_a_node_that_is_cut_off(run: Run) -> None:
    """It waits, and is bound when the node is back."""
    run.node("n1")
    run.inject("cut-node", "n1")
    run.until_node(
        "n1",
        reachable="False" if run.is_seed else None,
        ready="Unknown",
        rules=("node.condition.reachable", "node.condition.silent"),
    )
    pod = run.pod(RUN_ON)
    run.settle()
    run.inject("heal-node", "n1")
    run.until(pod, phase="Running", bound=True)


@scenario("pod.binding.candidate", needs=("stop-kubelet", "start-kubelet", "node-conditions"))
def test_no_pod_is_bound_to_a_node_whose_kubelet_has_stopped(run: Run) -> None:
    """Reachable is not enough."""
    run.node("n1")
    run.inject("stop-kubelet", "n1")
    run.until_node("n1", ready="False", rules=("node.condition.ready",))
    pod = run.pod(RUN_ON)
    run.settle()
    run.inject("start-kubelet", "n1")
    run.until(pod, phase="Running", bound=True)


@scenario("pod.partition.failed", "pod.phase.terminal", "pod.life.evicted", needs=("cut-node",))
def test_a_pod_that_has_ended_is_not_touched_when_its_node_is_lost(run: Run) -> None:
    """One pod has ended before the cut and keeps its phase; its neighbour runs and is given up."""
    run.node("n1")
    ended = run.pod((Exit(0), RunOn()), name="ended")
    running = run.pod(RUN_ON, name="running")
    phase = run.by_policy("Running", "Succeeded", "Succeeded")
    run.until(ended, phase=phase, rules=("pod.restart.success",))
    run.until(running, phase="Running", rules=RUNNING)
    run.inject("cut-node", "n1")
    run.until(running, phase="Failed" if run.is_seed else None, gone=not run.is_seed)


@scenario("pod.partition.waits", "pod.restart.failure", needs=("cut-node", "heal-node", "kill-container"))
def test_a_container_ends_while_its_node_is_cut_off(run: Run) -> None:
    """The node looks after its pods by itself; what happened is seen when it is back in time."""
    run.node("n1")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    run.inject("cut-node", "n1")
    run.until_node("n1", ready="Unknown", rules=("node.condition.reachable", "node.condition.silent"))
    run.inject("kill-container", pod, "c1")
    run.inject("heal-node", "n1")
    run.until(
        pod, phase=run.by_policy("Running", "Running", "Failed"), restarts={"c1": 1} if run.policy != "Never" else None
    )


@scenario("pod.partition.waits", "pod.restart.failure", needs=("stop-kubelet", "start-kubelet", "kill-container"))
def test_a_container_ends_while_its_kubelet_is_down(run: Run) -> None:
    """Nobody sees it end; the kubelet finds out when it is back, and the policy decides."""
    run.node("n1")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    first = run.incarnations(pod)
    run.inject("stop-kubelet", "n1")
    run.until_node("n1", ready="False" if run.is_seed else "Unknown", rules=("node.condition",))
    run.inject("kill-container", pod, "c1")
    run.inject("start-kubelet", "n1")
    states = {"c1": "terminated"} if run.policy == "Never" else {"c1": "running"}
    run.until(pod, phase=run.by_policy("Running", "Running", "Failed"), states=states,
              after=None if run.policy == "Never" else first)  # fmt: skip


@scenario("pod.partition.waits", "pod.restart.counted", needs=("stop-kubelet", "start-kubelet"))
def test_a_container_runs_on_while_its_kubelet_is_replaced(run: Run) -> None:
    """The kubelet that comes back finds it running, and it was not restarted."""
    run.node("n1")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    run.inject("stop-kubelet", "n1")
    run.until_node("n1", ready="False" if run.is_seed else "Unknown", rules=("node.condition",))
    run.inject("start-kubelet", "n1")
    run.until_ready("n1")
    run.settle()


@scenario("pod.restart.failure", "pod.restart.counted", needs=("stop-kubelet", "restart-kubelet"))
def test_a_kubelet_that_comes_back_ends_what_ran_without_it(run: Run) -> None:
    """The containers are killed: an abnormal end, and the policy decides."""
    run.node("n1")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    first = run.incarnations(pod)
    run.inject("stop-kubelet", "n1")
    run.until_node("n1", ready="False" if run.is_seed else "Unknown", rules=("node.condition",))
    run.inject("restart-kubelet", "n1")
    states = {"c1": "terminated"} if run.policy == "Never" else {"c1": "running"}
    run.until(pod, phase=run.by_policy("Running", "Running", "Failed"), states=states,
              after=None if run.policy == "Never" else first)  # fmt: skip
