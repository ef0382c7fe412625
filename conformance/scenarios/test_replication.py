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


@scenario("replication.count.kept", policies=("Always",), needs=("replication",))
def test_a_pod_that_a_user_created_does_not_count_for_a_replication_controller(run: Run) -> None:
    """It is none of its own, however like them it is."""
    run.node()
    own = run.pod(RUN_ON)
    run.until(own, phase="Running", rules=("pod.phase.running", "pod.phase.some-run"))
    controller = run.controller(RUN_ON, wanted=2)
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


SCALES = ("replication", "scaling")


@scenario("replication.count.kept", policies=("Always",), needs=SCALES)
def test_a_replication_controller_that_is_scaled_up_creates_the_difference(run: Run) -> None:
    """One pod more; the first one runs on."""
    run.node()
    controller = run.controller(RUN_ON)
    run.until_replicated(controller)
    run.scale(controller, 3)
    run.until_replicated(controller, 3, most=3)


@scenario("replication.count.kept", "replication.count.surplus", policies=("Always",), needs=SCALES)
def test_a_replication_controller_that_is_scaled_down_deletes_the_surplus(run: Run) -> None:
    """Two of three go, and no more."""
    run.node()
    controller = run.controller(RUN_ON, wanted=3)
    run.until_replicated(controller, 3)
    run.scale(controller, 1)
    run.until_replicated(controller, 1, most=1)


@scenario("replication.count.kept", policies=("Always",), needs=SCALES)
def test_a_replication_controller_that_is_scaled_to_nothing_keeps_no_pod(run: Run) -> None:
    """And begins again with new ones."""
    run.node()
    controller = run.controller(RUN_ON, wanted=2)
    run.until_replicated(controller, 2)
    old = [pod.name for pod in run.pods_of(controller)]
    run.scale(controller, 0)
    for name in old:
        run.until(name, gone=True)
    run.scale(controller, 1)
    run.until_replicated(controller, besides=tuple(old))


@scenario("replication.count.surplus", policies=("Always",), needs=(*SCALES, "cordon-node"))
def test_of_too_many_pods_those_go_first_that_have_no_node(run: Run) -> None:
    """The one that runs stays, the one that waits goes."""
    run.node()
    controller = run.controller(RUN_ON)
    run.until_replicated(controller, rules=KEPT)
    old = run.pods_of(controller)[0].name
    run.inject("cordon-node", "n1")
    run.until_node("n1", unschedulable=True, rules=("scheduler.candidate.ready",))
    run.scale(controller, 2)
    run.settle()
    run.scale(controller, 1)
    run.settle()
    run.until(old, phase="Running")


@scenario("replication.template.always-only", policies=("OnFailure", "Never"), needs=("replication",))
def test_a_replication_controller_of_pods_that_may_end_is_refused(run: Run) -> None:
    """Its pods would never stay ended."""
    run.node()
    run.refused_controller(RUN_ON)
    run.settle()


@scenario("replication.count.kept", "pod.partition.waits", "replication.count.node-lost", policies=("Always",),
          needs=("replication", "cut-node", "heal-node", "node-conditions"))  # fmt: skip
def test_no_pod_is_replaced_while_its_node_may_still_come_back(run: Run) -> None:
    """Till the time-out it counts; when the node is back it is the only one."""
    run.node("n1")
    run.node("n2")
    controller = run.controller(RUN_ON)
    run.until_replicated(controller, rules=KEPT)
    node = run.pods_of(controller)[0].node or ""
    run.inject("cut-node", node)
    run.until_node(node, ready="Unknown", rules=("node.condition.reachable", "node.condition.silent"))
    run.inject("heal-node", node)
    run.until_ready(node)
    run.settle()


@scenario("replication.count.kept", "pod.partition.recreated", "replication.count.new-pod", policies=("Always",),
          needs=("replication", "cut-node", "heal-node"))  # fmt: skip
def test_the_old_pod_of_a_node_that_returns_late_does_not_count_again(run: Run) -> None:
    """It was given up and replaced: there are not too many when the node is back."""
    run.node("n1")
    run.node("n2")
    controller = run.controller(RUN_ON)
    run.until_replicated(controller, rules=KEPT)
    old = run.pods_of(controller)[0]
    lost = old.node or ""
    run.inject("cut-node", lost)
    run.until_replicated(controller, elsewhere=lost, besides=(old.name,))
    run.inject("heal-node", lost)
    run.until_ready(lost)
    run.settle()
