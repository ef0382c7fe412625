"""容器组生命周期: a pod does not go away by itself, and comes back never (seed.md L219, L276)."""

from conformance.scenario import Run, scenario
from conformance.workload import RUN_ON, Exit


@scenario("pod.life.not-by-itself", "pod.life.deleted-at-once")
def test_a_running_pod_goes_when_a_user_deletes_it(run: Run) -> None:
    """Only then, and at once."""
    run.node()
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=("pod.phase.running", "pod.phase.some-run"))
    run.delete(pod)
    run.until(pod, gone=True)


@scenario("pod.life.not-by-itself", "pod.life.deleted-at-once")
def test_a_pod_is_deleted_before_it_was_bound(run: Run) -> None:
    """No node: it waits, is deleted, and a node that comes later does not bring it back."""
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Pending", bound=False, rules=("pod.phase.pending",))
    run.delete(pod)
    run.until(pod, gone=True)
    run.node()
    run.settle()


@scenario("pod.life.not-by-itself", "pod.life.deleted-at-once")
def test_a_pod_is_deleted_while_its_container_restarts(run: Run) -> None:
    """Or has ended: the object goes whatever its phase."""
    run.node()
    pod = run.pod(Exit(1))
    run.until(pod, phase=run.by_policy("Running", "Running", "Failed"), rules=("pod.restart.failure",))
    run.delete(pod)
    run.until(pod, gone=True)


@scenario("pod.concept.one-host", "pod.binding.scheduler", "pod.binding.never-moved")
def test_the_containers_of_a_pod_work_on_one_node_of_two(run: Run) -> None:
    """Two nodes, three pods: each is bound once and stays."""
    run.node("n1")
    run.node("n2")
    pods = [run.pod(RUN_ON, RUN_ON, name=f"p{n}") for n in (1, 2, 3)]
    for pod in pods:
        run.until(pod, phase="Running", bound=True)
