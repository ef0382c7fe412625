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


@scenario("pod.binding.candidate", "scheduler.candidate.no-condition", policies=("Always",),
          needs=("cut-node", "heal-node"))  # fmt: skip
def test_no_pod_is_bound_to_a_node_that_has_never_checked_in(run: Run) -> None:
    """It was cut off before; the pod waits until the node is there."""
    run.new_node("n1")
    run.inject("cut-node", "n1")
    run.until_node("n1", rules=("node.phase.pending",))
    pod = run.pod(RUN_ON)
    run.settle()
    run.until(pod, phase="Pending", bound=False)
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


@scenario("pod.restart.success", "pod.restart.failure", "pod.phase.terminal", "pod.phase.final",
          policies=("OnFailure", "Never"), needs=("stop-kubelet", "start-kubelet"))  # fmt: skip
def test_what_has_ended_stays_so_when_the_kubelet_is_replaced(run: Run) -> None:
    """A pod that is over, and a container of one that is not."""
    run.node("n1")
    over, half = run.pod(Exit(0), name="over"), run.pod(Exit(0), RUN_ON, name="half")
    run.until(over, phase="Succeeded", rules=("pod.restart.success",))
    run.until(half, phase="Running", states={"c1": "terminated", "c2": "running"}, rules=RUNNING)
    run.inject("stop-kubelet", "n1")
    run.until_node("n1", ready="False" if run.is_seed else "Unknown", rules=("node.condition",))
    run.inject("start-kubelet", "n1")
    run.until_ready("n1")
    run.settle()


@scenario("pod.phase.pending", "pod.phase.running", "pod.phase.some-run", "pod.container.start-never-ran",
          needs=("stop-kubelet", "start-kubelet"))  # fmt: skip
def test_a_kubelet_is_replaced_while_a_pod_is_being_started(run: Run) -> None:
    """The next one goes on where it was."""
    run.node("n1")
    pod = run.pod(*[RUN_ON] * 5)
    run.until(pod, states={"c1": "running"}, rules=("pod.phase.pending",))
    run.inject("stop-kubelet", "n1")
    run.inject("start-kubelet", "n1")
    run.until(pod, phase="Running", states={"c5": "running"})


@scenario("pod.restart.counted", "pod.restart.count-reconstructed", policies=("Always", "OnFailure"),
          needs=("stop-kubelet", "start-kubelet", "kill-container"))  # fmt: skip
def test_restarts_are_counted_on_after_a_kubelet_was_replaced(run: Run) -> None:
    """One before, one after."""
    run.node("n1")
    pod = run.pod((Exit(1), RunOn()))
    run.until(pod, phase="Running", restarts={"c1": 1}, states={"c1": "running"}, rules=("pod.restart.failure",))
    run.inject("stop-kubelet", "n1")
    run.until_node("n1", ready="False" if run.is_seed else "Unknown", rules=("node.condition",))
    run.inject("start-kubelet", "n1")
    run.until_ready("n1")
    run.inject("kill-container", pod, "c1")
    run.until(pod, restarts={"c1": 2})


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


# --- failures in every phase of a pod's life --------------------------------------------------------------------------


def given_up(run: Run, pod: str) -> None:
    """The pod of a node that is lost for good: Failed (v0.17.0: deleted)."""
    run.until(pod, phase="Failed" if run.is_seed else None, gone=not run.is_seed, rules=LOST)


@scenario("pod.binding.scheduler", "pod.binding.candidate", *LOST, needs=("cut-node",))
def test_a_node_is_cut_off_before_a_pod_is_bound(run: Run) -> None:
    """The pod is bound to the other node; or, if the loss is noticed too late, to the lost one, and is given up."""
    run.node("n1")
    run.node("n2")
    run.inject("cut-node", "n1")
    run.pod(RUN_ON)
    run.settle()
    later = run.pod(RUN_ON, name="later")
    run.until(later, phase="Running", rules=RUNNING)


@scenario("pod.binding.scheduler", "node.phase.terminated.refuses", "node.phase.terminated.pods-deleted",
          "nodecontroller.sync.delete-pods", needs=("terminate-node",))  # fmt: skip
def test_a_node_ends_before_a_pod_is_bound(run: Run) -> None:
    """The pod is bound to the other node; or, if the end is noticed too late, to the ended one, and goes with it."""
    run.node("n1")
    run.node("n2")
    run.inject("terminate-node", "n1")
    run.pod(RUN_ON)
    run.settle()
    later = run.pod(RUN_ON, name="later")
    run.until(later, phase="Running", rules=RUNNING)


@scenario(*LOST, needs=("cut-node",))
def test_a_node_is_cut_off_after_a_pod_was_bound_and_before_it_runs(run: Run) -> None:
    """The pod may run there unseen; it is given up as it was last seen, Pending."""
    run.node("n1")
    pod = run.pod(RUN_ON, RUN_ON)
    run.until(pod, bound=True, rules=("pod.binding.scheduler",))
    run.inject("cut-node", "n1")
    given_up(run, pod)


@scenario("pod.binding.never-moved", *LOST, policies=("Always",), needs=("cut-node",))
def test_a_pod_that_waits_on_a_node_that_is_cut_off_is_not_bound_to_another(run: Run) -> None:
    """A second node is ready; the pod has its node, and is given up with it."""
    run.node("n1")
    pod = run.pod(RUN_ON, RUN_ON)
    run.until(pod, bound=True, rules=("pod.binding.scheduler",))
    run.inject("cut-node", "n1")
    run.node("n2")
    given_up(run, pod)


@scenario("node.phase.terminated.pods-deleted", "nodecontroller.sync.delete-pods", needs=("terminate-node",))
def test_a_node_ends_after_a_pod_was_bound_and_before_it_runs(run: Run) -> None:
    """The pod is deleted, and not bound again."""
    run.node("n1")
    pod = run.pod(RUN_ON, RUN_ON)
    run.until(pod, bound=True, rules=("pod.binding.scheduler",))
    run.inject("terminate-node", "n1")
    run.until(pod, gone=True)
    run.node("n2")
    run.settle()


@scenario(*LOST, policies=("Always", "OnFailure"), needs=("cut-node",))
def test_a_node_is_cut_off_while_a_container_restarts(run: Run) -> None:
    """It ends once more and restarts, unseen; whatever it does there, the pod is given up."""
    run.node("n1")
    pod = run.pod((Exit(1, 0.5), Exit(1, 20.0), RunOn()), RUN_ON)
    run.until(pod, restarts={"c1": 1}, rules=("pod.restart.failure",))
    run.inject("cut-node", "n1")
    given_up(run, pod)


@scenario("node.phase.terminated.pods-deleted", "nodecontroller.sync.delete-pods", policies=("Always", "OnFailure"),
          needs=("terminate-node",))  # fmt: skip
def test_a_node_ends_while_a_container_restarts(run: Run) -> None:
    """The pod is deleted; the policy has nothing to say any more."""
    run.node("n1")
    pod = run.pod((Exit(1, 0.5), Exit(1, 20.0), RunOn()), RUN_ON)
    run.until(pod, restarts={"c1": 1}, rules=("pod.restart.failure",))
    run.inject("terminate-node", "n1")
    run.until(pod, gone=True)


@scenario("pod.life.not-by-itself", "pod.life.deleted-at-once", needs=("cut-node", "node-conditions"))
def test_a_pod_is_deleted_while_its_node_is_cut_off(run: Run) -> None:
    """It goes although nobody there can be asked, and does not come back."""
    run.node("n1")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    run.inject("cut-node", "n1")
    run.until_node("n1", ready="Unknown", rules=("node.condition.reachable", "node.condition.silent"))
    run.delete(pod)
    run.until(pod, gone=True)


@scenario("pod.life.not-by-itself", "pod.life.deleted-at-once", needs=("cut-node", "heal-node"))
def test_a_node_is_cut_off_while_a_pod_is_being_deleted(run: Run) -> None:
    """Its containers may not have heard of it; when the node is back the pod stays gone."""
    run.node("n1")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    run.delete(pod)
    run.inject("cut-node", "n1")
    run.until(pod, gone=True)
    run.inject("heal-node", "n1")
    run.until_ready("n1")
    other = run.pod(RUN_ON, name="p2")
    run.until(other, phase="Running", rules=RUNNING)


@scenario("pod.life.not-by-itself", "pod.life.deleted-at-once", needs=("terminate-node",))
def test_a_node_ends_while_a_pod_is_being_deleted(run: Run) -> None:
    """It is gone, and nothing is left of it to be cleaned up."""
    run.node("n1")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    run.delete(pod)
    run.inject("terminate-node", "n1")
    run.until(pod, gone=True)


@scenario("pod.phase.terminal", "pod.phase.final", *LOST, policies=("OnFailure", "Never"), needs=("cut-node",))
def test_a_pod_that_has_succeeded_stays_so_when_its_node_is_lost(run: Run) -> None:
    """Succeeded is final (v0.17.0: it is deleted with the others)."""
    run.node("n1")
    done, running = run.pod(Exit(0), name="done"), run.pod(RUN_ON, name="running")
    run.until(done, phase="Succeeded", rules=("pod.restart.success",))
    run.until(running, phase="Running", rules=RUNNING)
    run.inject("cut-node", "n1")
    given_up(run, running)
    if not run.is_seed:
        run.until(done, gone=True)


# --- flapping ---------------------------------------------------------------------------------------------------------

FLAPS = ("cut-node", "heal-node", "kill-container", "node-conditions", "time-out")
IN_TIME = ("pod.partition.waits", "pod.partition.back-in-time")


@scenario(*IN_TIME, needs=FLAPS)
def test_a_node_that_flaps_keeps_its_pods(run: Run) -> None:
    """Each outage is shorter than the time-out, all together are longer; nothing is restarted, and the time-out of an
    outage that is over gives up nobody."""
    run.node("n1")
    pod = run.pod(RUN_ON, RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    for _ in range(4):
        run.inject("cut-node", "n1")
        run.until_node("n1", ready="Unknown", rules=("node.condition.reachable", "node.condition.silent"))
        run.part_of_time_out(0.3)
        run.inject("heal-node", "n1")
        run.until_ready("n1")
    run.settle()


@scenario(*IN_TIME, "pod.restart.failure", needs=FLAPS)
def test_a_container_that_is_killed_on_a_node_that_flaps_restarts_by_its_policy(run: Run) -> None:
    """Only what ended is started again."""
    run.node("n1")
    pod = run.pod(RUN_ON, RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    for _ in range(2):
        run.inject("cut-node", "n1")
        run.until_node("n1", ready="Unknown", rules=("node.condition.reachable", "node.condition.silent"))
        run.inject("heal-node", "n1")
        run.until_ready("n1")
    run.inject("kill-container", pod, "c1")
    if run.policy == "Never":
        run.until(pod, phase="Running", states={"c1": "terminated", "c2": "running"})
    else:
        run.until(pod, phase="Running", restarts={"c1": 1}, states={"c2": "running"})


# --- two nodes --------------------------------------------------------------------------------------------------------


def one_pod_on_each(run: Run) -> tuple[str, str]:
    """Two nodes, n1 and n2, with a pod each."""
    run.node("n1")
    first = run.pod(RUN_ON, name="first")
    run.until(first, phase="Running", rules=RUNNING)
    run.inject("stop-kubelet", "n1")
    run.until_node("n1", ready="False" if run.is_seed else "Unknown", rules=("node.condition",))
    run.node("n2")
    second = run.pod(RUN_ON, name="second")
    run.until(second, phase="Running", rules=RUNNING)
    run.inject("start-kubelet", "n1")
    run.until_ready("n1")
    return first, second


TWO = ("cut-node", "stop-kubelet", "start-kubelet", "node-conditions")


@scenario(*LOST, needs=TWO)
def test_two_nodes_are_cut_off_at_once(run: Run) -> None:
    """The pods of both are given up: neither waits for the other."""
    first, second = one_pod_on_each(run)
    run.inject("cut-node", "n1")
    run.inject("cut-node", "n2")
    given_up(run, first)
    given_up(run, second)


@scenario(*LOST, *IN_TIME, needs=(*TWO, "heal-node"))
def test_of_two_nodes_that_are_cut_off_one_comes_back(run: Run) -> None:
    """Its pod runs on; that of the other one is given up."""
    first, second = one_pod_on_each(run)
    run.inject("cut-node", "n1")
    run.inject("cut-node", "n2")
    run.until_node("n2", ready="Unknown", rules=("node.condition.reachable", "node.condition.silent"))
    run.inject("heal-node", "n2")
    run.until_ready("n2")
    given_up(run, first)
    run.until(second, phase="Running", rules=IN_TIME)


@scenario("node.phase.terminated.pods-deleted", "nodecontroller.sync.delete-pods", needs=(*TWO, "terminate-node"))
def test_two_nodes_end_at_once(run: Run) -> None:
    """The pods of both are deleted."""
    first, second = one_pod_on_each(run)
    run.inject("terminate-node", "n1")
    run.inject("terminate-node", "n2")
    run.until(first, gone=True)
    run.until(second, gone=True)
