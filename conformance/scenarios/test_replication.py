"""Replication controllers: so many pods run, and are created again elsewhere (seed.md L154, L317, L321)."""

from conformance.scenario import Run, scenario
from conformance.workload import RUN_ON

KEPT = ("replication.count.kept",)


@scenario("replication.count.kept", policies=("Always",), needs=("replication",))
def test_a_replication_controller_keeps_two_pods_running(run: Run) -> None:
    """Not one, not three; a pod that is deleted is replaced by a new one."""
    run.node()
    controller = run.controller(RUN_ON, wanted=2)
    run.until_replicated(controller, 2)
    first = run.pods_of(controller)[0].name
    run.delete(first)
    run.until_replicated(controller, 2, besides=(first,))


@scenario("replication.count.kept", policies=("Always",), needs=("replication",))
def test_the_pods_of_a_replication_controller_wait_for_a_node(run: Run) -> None:
    """They are created all the same, and run once there is a node."""
    controller = run.controller(RUN_ON, wanted=2)
    run.settle()
    run.node()
    run.until_replicated(controller, 2)


@scenario("pod.disk.recreated", policies=("Always",), needs=("replication", "break-disk"))
def test_a_pod_whose_disk_died_is_created_again(run: Run) -> None:
    """A new pod; the old one stays Failed."""
    run.node()
    controller = run.controller(RUN_ON)
    run.until_replicated(controller, rules=KEPT)
    old = run.pods_of(controller)[0].name
    run.inject("break-disk", old)
    run.until(old, phase="Failed", rules=("pod.disk.failed",))
    run.until_replicated(controller, besides=(old,))


@scenario("pod.partition.recreated", "pod.binding.never-moved", policies=("Always",), needs=("replication", "cut-node"))
def test_the_pod_of_a_lost_node_is_created_again_on_another(run: Run) -> None:
    """After the time-out: a new pod elsewhere; the old one is Failed, and not moved."""
    run.node("n1")
    run.node("n2")
    controller = run.controller(RUN_ON)
    run.until_replicated(controller, rules=KEPT)
    old = run.pods_of(controller)[0]
    lost = old.node or ""
    run.inject("cut-node", lost)
    if run.is_seed:
        run.until(old.name, phase="Failed", rules=("pod.partition.failed",))
    run.until_replicated(controller, elsewhere=lost)


@scenario(
    "replication.count.kept",
    "node.phase.terminated.pods-deleted",
    policies=("Always",),
    needs=("replication", "terminate-node"),
)
def test_the_pod_of_a_node_that_ends_is_created_again_on_another(run: Run) -> None:
    """The old one is deleted with its node."""
    run.node("n1")
    run.node("n2")
    controller = run.controller(RUN_ON)
    run.until_replicated(controller, rules=KEPT)
    old = run.pods_of(controller)[0]
    run.inject("terminate-node", old.node or "")
    run.until(old.name, gone=True)
    run.until_replicated(controller, elsewhere=old.node)
