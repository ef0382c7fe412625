"""The replication controller: how many pods are wanted, and how many there are that count.

What follows from the difference stands in the network (`situations/replication.py`): it makes a pod while there are
fewer than wanted, and removes one while there are more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.listing import Listing
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

EXPECTATION = Table(
    "expectation",
    ("Met", "Open"),
    "Met",
    (
        Row("Met", "expect", "Open", ("replication.sync.expectations",)),
        Row("Open", "observe", "Met", ("replication.sync.expectations",)),
        Row("Open", "expire", "Met", ("replication.sync.expectations",)),
    ),
)
"""Whether the controller has seen what it did last. Until then, or until it gives up waiting, it does nothing more."""

# --- whose pod it is ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Credit:
    """To whom a pod counts, by how many replication controllers match it."""

    matching: str
    credited: str
    rules: tuple[str, ...]


CREDITS = (
    Credit("none", "nobody", ("replication.count.by-label",)),
    Credit("one", "it", ("replication.count.by-label",)),
    Credit("several", "the first found, and no other", ("replication.count.first-only",)),
)


def credited(labels: Mapping[str, str], selectors: Sequence[Mapping[str, str]]) -> int | None:
    """The place of the controller that a pod counts for: the first one whose selector its labels match."""
    return next((place for place, selector in enumerate(selectors) if selector.items() <= labels.items()), None)


# --- quota ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Quota:
    """Whether a pod counts for a quota, by its phase, under each restart policy."""

    phase: str
    Always: bool
    OnFailure: bool
    Never: bool
    rules: tuple[str, ...]


NOT_ENDED, BY_POLICY = "quota.count.not-ended", "quota.count.by-policy"

QUOTA = (
    Quota("Pending", True, True, True, (NOT_ENDED,)),
    Quota("Running", True, True, True, (NOT_ENDED,)),
    Quota("Succeeded", True, False, False, (NOT_ENDED, BY_POLICY)),
    Quota("Failed", True, True, False, (NOT_ENDED, BY_POLICY)),
)


def counts_for_quota(policy: str, phase: str) -> bool:
    """Whether a pod counts for its namespace's quota."""
    return bool(getattr(next(row for row in QUOTA if row.phase == phase), policy))


LISTINGS = (
    Listing("credit", "To whom a pod counts", CREDITS),
    Listing("quota", "Whether a pod counts for a quota", QUOTA),
)
