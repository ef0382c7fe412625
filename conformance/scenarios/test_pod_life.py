"""容器组生命周期: a pod does not go away by itself, and comes back never (seed.md L219, L276)."""

from conformance.scenario import Run, scenario
from conformance.workload import RUN_ON, Exit, RunOn


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


@scenario("pod.life.reaped", policies=("OnFailure", "Never"), needs=("reaping",))
def test_a_pod_that_has_ended_expires_and_nothing_else_does(run: Run) -> None:
    """Succeeded and Failed pods go after some time; one that runs and one that waits for its other container stay."""
    run.node()
    done, bad = run.pod(Exit(0), name="done"), run.pod(Exit(int(run.policy == "Never")), name="bad")
    run.pod(RUN_ON, name="runs")
    run.pod(Exit(0), RUN_ON, name="half")
    run.until(done, gone=True)
    run.until(bad, gone=True)
    run.settle()


@scenario("pod.life.reaped", policies=("Always", "OnFailure"), needs=("reaping",))
def test_a_pod_whose_container_is_restarted_again_and_again_does_not_expire(run: Run) -> None:
    """It has not ended, however often its container has."""
    run.node()
    pod = run.pod((*[Exit(1, 8.0)] * 4, RunOn()))
    run.until(pod, restarts={"c1": 4}, states={"c1": "running"}, rules=("pod.restart.failure",))
    run.settle()


@scenario("pod.life.reaped", policies=("Always",), needs=("reaping",))
def test_a_pod_that_waits_for_a_node_does_not_expire(run: Run) -> None:
    """However long it waits."""
    pod = run.pod(RUN_ON)
    run.settle()
    run.node()
    run.until(pod, phase="Running", rules=("pod.phase.running", "pod.phase.some-run"))


@scenario("pod.life.never-reaped", policies=("OnFailure", "Never"))
def test_a_pod_that_has_ended_stays_until_it_is_deleted(run: Run) -> None:
    """v0.17.0: age removes nothing; a person does."""
    run.node()
    pod = run.pod(Exit(0))
    run.until(pod, phase="Succeeded", rules=("pod.restart.success",))
    run.settle()
    run.delete(pod)
    run.until(pod, gone=True)
