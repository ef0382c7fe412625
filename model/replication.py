"""The replication controller: how many pods are wanted, and how many there are that count.

What follows from the difference stands in the network (`situations/replication.py`): it makes a pod while there are
fewer than wanted, and removes one while there are more.
"""

from __future__ import annotations

from model.lts.table import Row, Table

COUNTED = ("Unbound", "Bound")
"""A pod counts in these standings of its record: it is there and has not ended (replication.count.active)."""

WANT = {"NoController": -1, "Want0": 0, "Want1": 1, "Want2": 2}
HAVE = {"Have0": 0, "Have1": 1, "Have2": 2, "Have3": 3}
"""The states of the two tables as numbers. There may be one pod more than are ever wanted."""

# --- how many pods are wanted ---------------------------------------------------------------------------------------

SCALED = ("replication.count.kept",)

SEED_CONTROLLER = Table(
    "controller",
    tuple(WANT),
    "NoController",
    (
        Row("NoController", "submit", "Want1", SCALED),
        Row("Want0", "scale_up", "Want1", SCALED),
        Row("Want1", "scale_up", "Want2", SCALED),
        Row("Want2", "scale_down", "Want1", SCALED),
        Row("Want1", "scale_down", "Want0", SCALED),
        *(Row(state, "withdraw", "NoController", SCALED) for state in ("Want0", "Want1", "Want2")),
    ),
)

REFUSED = {
    "submit_other_policy": "replication.template.always-only",
    "submit_bad_selector": "replication.template.selector",
    "submit_negative": "replication.template.replicas",
}
"""What a replication controller is refused for in v0.17.0, on creation and on update: it changes nothing."""

CODE_CONTROLLER = Table(
    "controller",
    tuple(WANT),
    "NoController",
    (
        Row("NoController", "submit", "Want1", ("replication.template.always-only", "replication.template.selector")),
        *(row for row in SEED_CONTROLLER.rows if row.event in ("scale_up", "scale_down")),
        *(
            Row(state, "withdraw", "NoController", ("replication.life.pods-left",))
            for state in ("Want0", "Want1", "Want2")
        ),
        *(Row(state, event, state, (rule,)) for state in WANT for event, rule in REFUSED.items()),
    ),
)

# --- how many pods count --------------------------------------------------------------------------------------------

STEPS = (("Have0", "Have1"), ("Have1", "Have2"), ("Have2", "Have3"))


def active_table(
    create: tuple[str, ...],
    remove: tuple[str, ...],
    gain: tuple[str, ...],
    lose: tuple[str, ...],
    recorded: tuple[str, ...] = (),
) -> Table:
    """The number of pods that count: the controller creates and removes them; others come, end or go by themselves."""
    return Table(
        "active",
        tuple(HAVE),
        "Have0",
        (
            *(Row(fewer, "create", more, create, recorded) for fewer, more in STEPS[: max(WANT.values())]),
            *(Row(more, "remove", fewer, remove) for fewer, more in STEPS),
            *(Row(fewer, "gain", more, gain) for fewer, more in STEPS),
            *(Row(more, "lose", fewer, lose) for fewer, more in STEPS),
        ),
    )


SEED_ACTIVE = active_table(
    create=("replication.count.kept", "pod.partition.recreated", "pod.disk.recreated"),
    remove=("replication.count.kept", "pod.life.not-by-itself"),
    gain=("replication.count.kept",),
    lose=("replication.count.kept",),
)

CODE_ACTIVE = active_table(
    create=("replication.count.kept", "replication.count.new-pod", "replication.event.create"),
    remove=("replication.count.kept", "replication.count.surplus", "replication.event.none-on-delete"),
    gain=("replication.count.by-label",),
    lose=("replication.count.active", "replication.count.status", "replication.count.node-lost",
          "replication.count.failed-left"),
    recorded=("successfulCreate",),
)  # fmt: skip
