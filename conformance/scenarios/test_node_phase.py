"""节点周期: the phases of a node (seed.md L177)."""

from conformance.scenario import POLICIES, Run, scenario
from conformance.workload import RUN_ON


@scenario(
    "node.phase.values",
    "node.phase.pending",
    "node.phase.running",
    "node.condition.ready-means",
    "node.record.checked",
    "node.phase.never-set",
    policies=("Always",),
    needs=("node-conditions",),
)
def test_a_node_that_is_created_checks_in(run: Run) -> None:
    """Pending until it checks in, then Running."""
    run.node("n1", rules=("node.record.checked",))


@scenario("node.phase.pending", "node.condition.only-running", policies=("Always",), needs=("node-phase", "cut-node"))
def test_a_node_that_cannot_be_reached_does_not_check_in(run: Run) -> None:
    """A node is cut off before its check-in: it stays Pending, without conditions, until the cut is healed."""
    run.new_node("n1")
    run.inject("cut-node", "n1")
    run.until_node("n1", phase="Pending", rules=("node.phase.pending",))
    run.settle()
    run.inject("heal-node", "n1")
    run.until_ready("n1")


@scenario("node.phase.terminated", "node.record.deleted", policies=("Always",), needs=("terminate-node",))
def test_a_node_that_has_ended_does_not_come_back(run: Run) -> None:
    """Terminated is for ever (v0.17.0: the record is gone)."""
    run.node("n1")
    run.inject("terminate-node", "n1")
    run.until_node("n1", phase="Terminated" if run.is_seed else None, gone=not run.is_seed)
    run.settle()


@scenario("node.phase.terminated.refuses", policies=POLICIES, needs=("terminate-node",))
def test_nothing_is_scheduled_to_a_node_that_has_ended(run: Run) -> None:
    """A pod waits although the ended node was once fit for it, and goes to a new one."""
    run.node("n1")
    run.inject("terminate-node", "n1")
    run.until_node("n1", phase="Terminated", rules=("node.phase.terminated",))
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Pending", rules=("pod.phase.pending",))
    run.settle()
    run.node("n2")
    run.until(pod, phase="Running", rules=("pod.phase.running",))


@scenario(
    "node.phase.terminated.pods-deleted", "pod.life.dead-node-deletes", "pod.life.evicted", needs=("terminate-node",)
)
def test_the_pods_of_a_node_that_ends_are_deleted(run: Run) -> None:
    """A pod that runs there is removed; one on another node stays."""
    run.node("n1")
    pod = run.pod(RUN_ON, name="there")
    run.until(pod, phase="Running", rules=("pod.phase.running", "pod.phase.some-run"))
    run.node("n2")
    run.inject("terminate-node", "n1")
    run.until(pod, gone=True)
    other = run.pod(RUN_ON, name="elsewhere")
    run.until(other, phase="Running", rules=("pod.phase.running", "pod.phase.some-run"))
