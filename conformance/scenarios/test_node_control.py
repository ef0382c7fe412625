"""节点控制: the node controller and its list of machines (seed.md L206-L212), and what a person does to a node."""

from conformance.scenario import Run, scenario
from conformance.workload import RUN_ON

RUNNING = ("pod.phase.running", "pod.phase.some-run")
SILENT = ("node.condition.reachable", "node.condition.silent")
LOST = ("pod.partition.failed", "pod.life.node-lost", "pod.life.evicted")

# --- the node controller is replaced ----------------------------------------------------------------------------------


@scenario(*LOST, policies=("Always",), needs=("cut-node", "restart-controller", "node-conditions"))
def test_a_node_controller_that_is_restarted_gives_up_a_node_that_was_lost_before(run: Run) -> None:
    """It looks for itself, and has all the time-outs of its predecessor."""
    run.node("n1")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    run.inject("cut-node", "n1")
    run.until_node("n1", ready="Unknown", rules=SILENT)
    run.restart_controller()
    run.until(pod, phase="Failed" if run.is_seed else None, gone=not run.is_seed)


@scenario("nodecontroller.health.restart-resets", policies=("Always",),
          needs=("cut-node", "heal-node", "restart-controller", "node-conditions", "time-out"))  # fmt: skip
def test_a_node_controller_that_is_restarted_starts_every_time_out_again(run: Run) -> None:
    """A node is lost for longer than the time-out, but for no longer to either of two controllers."""
    run.node("n1")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    run.inject("cut-node", "n1")
    run.until_node("n1", ready="Unknown", rules=SILENT)
    run.part_of_time_out(0.6)
    run.restart_controller()
    run.part_of_time_out(0.7)
    run.inject("heal-node", "n1")
    run.until_ready("n1")
    run.settle()


@scenario("pod.binding.scheduler", "pod.partition.waits", policies=("Always",), needs=("restart-controller",))
def test_nothing_happens_to_pods_when_the_node_controller_is_restarted(run: Run) -> None:
    """Those that run run on, and new ones are bound."""
    run.node("n1")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    run.restart_controller()
    other = run.pod(RUN_ON, name="p2")
    run.until(other, phase="Running", rules=RUNNING)


# --- a person marks a node --------------------------------------------------------------------------------------------


@scenario("scheduler.candidate.ready", "scheduler.retry.pending", policies=("Always",),
          needs=("cordon-node", "uncordon-node"))  # fmt: skip
def test_no_pod_is_bound_to_a_node_that_is_marked_unschedulable(run: Run) -> None:
    """It waits, Pending, and is bound when the node is schedulable again."""
    run.node("n1")
    run.inject("cordon-node", "n1")
    run.until_node("n1", unschedulable=True)
    pod = run.pod(RUN_ON)
    run.settle()
    run.until(pod, phase="Pending", bound=False)
    run.inject("uncordon-node", "n1")
    run.until(pod, phase="Running", rules=RUNNING)


@scenario("scheduler.candidate.pods-stay", policies=("Always",), needs=("cordon-node",))
def test_the_pods_of_a_node_that_is_marked_unschedulable_run_on(run: Run) -> None:
    """The mark keeps new ones away and nothing else."""
    run.node("n1")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    run.inject("cordon-node", "n1")
    run.until_node("n1", unschedulable=True)
    run.settle()


@scenario("pod.life.record-deleted-by-hand", policies=("Always",), needs=("delete-node",))
def test_the_pods_of_a_node_whose_record_a_person_deletes_stay(run: Run) -> None:
    """They keep their last phase: nobody looks after them any more."""
    run.node("n1")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    run.inject("delete-node", "n1")
    run.until_node("n1", gone=True)
    run.settle()


# --- the list of machines ---------------------------------------------------------------------------------------------

LISTS = ("node-list",)
CREATED = ("nodecontroller.sync.create",)
NAMED = ("nodecontroller.sync.machines", "nodecontroller.sync.start.static")


@scenario("nodecontroller.sync.create", "nodecontroller.sync.loop", policies=("Always",), needs=LISTS)
def test_a_machine_that_the_cloud_lists_becomes_a_node(run: Run) -> None:
    """Those of the start, and one that comes later; pods run there."""
    run.machines("n1")
    run.until_node("n1", rules=CREATED)
    run.until_ready("n1")
    run.machines("n1", "n2")
    run.until_node("n2", rules=CREATED)
    run.until_ready("n2")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)


@scenario("nodecontroller.sync.delete", "nodecontroller.sync.loop", policies=("Always",), needs=LISTS)
def test_the_record_of_a_machine_that_the_cloud_lists_no_more_is_deleted(run: Run) -> None:
    """The others stay."""
    run.machines("n1", "n2")
    run.until_ready("n1")
    run.until_ready("n2")
    run.machines("n2")
    run.until_node("n1", gone=True)


@scenario("nodecontroller.sync.delete-pods", "pod.life.dead-node-deletes", policies=("Always",), needs=LISTS)
def test_the_pods_of_a_machine_that_the_cloud_lists_no_more_are_deleted(run: Run) -> None:
    """They go with the record of their node."""
    run.machines("n1")
    run.until_ready("n1")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)
    run.machines()
    run.until(pod, gone=True)


@scenario("nodecontroller.sync.off", "nodecontroller.sync.off.by-hand", "nodecontroller.sync.start.off",
          policies=("Always",), needs=LISTS)  # fmt: skip
def test_with_synchronisation_off_the_clouds_list_makes_no_node(run: Run) -> None:
    """--sync_nodes=false: what the cloud lists is nobody's concern, and a person adds the node."""
    run.machines("n1", sync=False)
    run.settle()
    run.node("n2", rules=("nodecontroller.sync.off.by-hand",))
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)


@scenario("nodecontroller.sync.machines", "nodecontroller.sync.start.static", policies=("Always",), needs=LISTS)
def test_the_machines_that_are_named_at_the_start_become_nodes(run: Run) -> None:
    """--machines: the result is the same as with kubectl."""
    run.machines("n1", "n2", cloud=False)
    run.until_node("n1", rules=NAMED)
    run.until_node("n2", rules=NAMED)
    run.until_ready("n1")
    run.until_ready("n2")
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=RUNNING)


@scenario("nodecontroller.sync.kubectl-add", "nodecontroller.sync.static-none", policies=("Always",), needs=LISTS)
def test_a_node_that_a_person_adds_stays_beside_those_of_the_start(run: Run) -> None:
    """--machines and kubectl together; no list is compared with anything later."""
    run.machines("n1", cloud=False)
    run.until_node("n1", rules=NAMED)
    run.until_ready("n1")
    run.node("n2", rules=("nodecontroller.sync.kubectl-add",))
    run.settle()
    run.until_ready("n2", rules=("nodecontroller.sync.static-none",))


@scenario("nodecontroller.sync.static-once", policies=("Always",), needs=(*LISTS, "delete-node"))
def test_a_node_of_the_start_that_a_person_deletes_does_not_come_back(run: Run) -> None:
    """--machines is read once."""
    run.machines("n1", cloud=False)
    run.until_node("n1", rules=NAMED)
    run.until_ready("n1")
    run.inject("delete-node", "n1")
    run.until_node("n1", gone=True)
    run.settle()


@scenario("nodecontroller.sync.record-recreated", policies=("Always",), needs=(*LISTS, "delete-node"))
def test_a_record_that_a_person_deletes_comes_back_while_the_cloud_lists_its_machine(run: Run) -> None:
    """The loop makes it anew."""
    run.machines("n1")
    run.until_ready("n1")
    run.inject("delete-node", "n1")
    run.until_node("n1", gone=True)
    run.until_ready("n1", rules=("nodecontroller.sync.record-recreated",))


@scenario("nodecontroller.sync.by-hand-accepted", "nodecontroller.sync.by-hand-deleted", policies=("Always",),
          needs=LISTS)  # fmt: skip
def test_a_node_that_a_person_adds_goes_again_as_the_cloud_does_not_list_it(run: Run) -> None:
    """It is accepted, and deleted by the next pass of the loop."""
    run.machines("n1")
    run.until_ready("n1")
    run.new_node("n2")
    run.until_node("n2", gone=True)
