"""一块磁盘死掉: a disk of a running pod dies (seed.md L313-L317)."""

from conformance.scenario import Run, scenario
from conformance.workload import RUN_ON, Exit, UseDisk


@scenario("pod.disk.kills", "pod.disk.failed", "pod.event.disk-died", needs=("break-disk",))
def test_a_disk_of_a_running_pod_dies(run: Run) -> None:
    """All containers are killed, an event is recorded, the pod fails whatever the policy."""
    run.node()
    pod = run.pod(RUN_ON, RUN_ON)
    run.until(pod, phase="Running", rules=("pod.phase.running",))
    run.inject("break-disk", pod)
    run.until(pod, phase="Failed", states={"c1": "terminated", "c2": "terminated"})
    run.until_event(pod, "disk-died", rules=("pod.event.disk-died",))


@scenario("pod.disk.failed", needs=("break-disk",), policies=("Never", "OnFailure"))
def test_a_disk_dies_after_one_of_two_containers_exited_well(run: Run) -> None:
    """The pod fails; the good exit stays what it was."""
    run.node()
    pod = run.pod(Exit(0), RUN_ON)
    run.until(pod, phase="Running", states={"c1": "terminated", "c2": "running"}, rules=("pod.phase.running",))
    run.inject("break-disk", pod)
    run.until(pod, phase="Failed", states={"c1": "terminated", "c2": "terminated"})


@scenario("pod.disk.failed", "pod.phase.terminal", needs=("break-disk", "mend-disk"))
def test_a_pod_whose_disk_died_stays_failed_when_the_disk_recovers(run: Run) -> None:
    """Failed is final, and nothing is started again."""
    run.node()
    pod = run.pod(RUN_ON)
    run.until(pod, phase="Running", rules=("pod.phase.running",))
    run.inject("break-disk", pod)
    run.until(pod, phase="Failed")
    run.inject("mend-disk", pod)
    run.settle()


@scenario("pod.restart.failure", "pod.event.failed", needs=("fill-disk", "mend-disk"))
def test_a_full_disk_is_the_containers_own_affair(run: Run) -> None:
    """A container that cannot write exits badly; the policy decides, and its neighbour runs on."""
    run.node()
    pod = run.pod(UseDisk(), RUN_ON)
    run.until(pod, phase="Running", rules=("pod.phase.running", "pod.phase.some-run"))
    run.inject("fill-disk", pod)
    if run.policy == "Never":
        run.until(pod, phase="Running", states={"c1": "terminated", "c2": "running"})
    else:
        run.until(pod, restarts={"c1": 1})
    run.until_event(pod, "failed", "c1", rules=("pod.event.failed",))
    run.inject("mend-disk", pod)
    if run.policy != "Never":
        run.until(pod, phase="Running", states={"c1": "running", "c2": "running"}, rules=("pod.phase.running",))
