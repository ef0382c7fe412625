"""一块磁盘死掉: a disk of a running pod dies (seed.md L313-L317)."""

from conformance.scenario import Run, scenario
from conformance.workload import RUN_ON, Exit


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
