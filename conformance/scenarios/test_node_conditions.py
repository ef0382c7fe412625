"""节点状态: the conditions of a node (seed.md L181)."""

from conformance.scenario import Run, scenario


@scenario(
    "node.condition.reachable",
    "node.condition.silent",
    "node.condition.controller-writes",
    policies=("Always",),
    needs=("node-conditions", "cut-node", "heal-node"),
)
def test_a_node_that_is_cut_off_is_not_reachable_until_it_is_healed(run: Run) -> None:
    """NodeReachable turns False, and True again (v0.17.0: Ready turns Unknown, and True again)."""
    run.node("n1")
    run.inject("cut-node", "n1")
    if run.is_seed:
        run.until_node("n1", reachable="False")
    else:
        run.until_node("n1", ready="Unknown")
    run.inject("heal-node", "n1")
    run.until_ready("n1")


@scenario(
    "node.condition.ready",
    "node.condition.kinds",
    policies=("Always",),
    needs=("node-conditions", "stop-kubelet", "start-kubelet"),
)
def test_a_node_whose_kubelet_stops_is_reachable_and_not_ready(run: Run) -> None:
    """NodeReady turns False while NodeReachable stays True: the two are independent."""
    run.node("n1")
    run.inject("stop-kubelet", "n1")
    run.until_node("n1", ready="False", reachable="True")
    run.inject("start-kubelet", "n1")
    run.until_ready("n1")


@scenario(
    "node.condition.only-running", policies=("Always",), needs=("node-phase", "node-conditions", "terminate-node")
)
def test_a_node_has_conditions_only_while_it_runs(run: Run) -> None:
    """None before the check-in, none after the end."""
    run.node("n1")
    run.inject("terminate-node", "n1")
    run.until_node("n1", phase="Terminated")


@scenario(
    "node.condition.kubelet-writes",
    "node.condition.only-ready",
    policies=("Always",),
    needs=("node-conditions", "stop-kubelet", "start-kubelet"),
)
def test_a_node_whose_kubelet_is_silent_is_unknown_until_it_posts_again(run: Run) -> None:
    """v0.17.0: Ready is True, Unknown, True; there is no other condition."""
    run.node("n1")
    run.inject("stop-kubelet", "n1")
    run.until_node("n1", ready="Unknown")
    run.inject("start-kubelet", "n1")
    run.until_ready("n1")
