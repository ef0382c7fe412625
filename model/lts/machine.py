"""Stepping a table with the `transitions` library: the machine that people drive, name and draw."""

from __future__ import annotations

from typing import Any

from transitions import EventData, MachineError
from transitions.extensions import HierarchicalMachine
from transitions.extensions.nesting import NestedState

from model.lts.table import Refused, Row, Table


class SlashState(NestedState):
    """A nested state whose parts are joined by ``/``, as in `Table.flattened`."""

    separator = "/"


class Machine(HierarchicalMachine):
    """The `transitions` machine class of this project."""

    state_cls = SlashState


class Stepper:
    """A table as a `transitions` machine, stepped one event at a time."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.machine = build(table, self)
        vars(self).pop("to", None)  # `transitions` gives nested machines a way into any state: not one of our rows

    @property
    def current(self) -> str:
        """The state, in the flat form of `Table.flattened`."""
        state: Any = self.state  # type: ignore[attr-defined]  # set by transitions
        parts = state if isinstance(state, list) else [state]
        root = parts[0].split("/")[0]
        return "/".join((root, *(part.split("/")[-1] for part in parts if part != root)))

    def fire(self, event: str, target: str | None = None) -> str:
        """Take ``event``; ``target`` chooses where the table is nondeterministic. Returns the new state.

        Raises `Refused`, which names state and event; the state is then unchanged.
        """
        before = self.current
        try:
            moved = event in self.table.events and self.trigger(event, target=target)  # type: ignore[attr-defined]
        except MachineError:
            moved = False
        if not moved:
            raise Refused(self.table.name, before, event, self.table.flattened().allowed(before))
        return self.current


def build(table: Table, model: object, machine: type[HierarchicalMachine] = Machine, **more: Any) -> Any:
    """A `transitions` machine of class ``machine`` for ``table`` that drives ``model``; no auto transitions."""
    built = machine(
        model=model,
        states=[_state(table, state) for state in table.states],
        initial=table.initial,
        auto_transitions=False,
        send_event=True,
        **more,
    )
    for row in table.rows:
        built.add_transition(row.event, row.source, row.target, conditions=[_chooses(row, 0)])
    return built


def _state(table: Table, state: str) -> Any:
    regions = table.regions.get(state)
    if not regions:
        return state
    return {
        "name": state,
        "parallel": [
            {
                "name": region.name,
                "initial": region.initial,
                "children": list(region.states),
                "transitions": [[row.event, row.source, row.target, [_chooses(row, place)]] for row in region.rows],
            }
            for place, region in enumerate(regions, 1)
        ],
    }


def _chooses(row: Row, place: int) -> Any:
    """A condition that leaves the choice among the rows of one event to the caller: it never changes state.

    ``place`` is where the row's target stands in a flat state: 0 for the state itself, then its regions in order.
    """

    def chosen(event: EventData) -> bool:
        target = event.kwargs.get("target")
        parts = target.split("/") if target else []
        return not parts or (len(parts) > place and parts[place] == row.target)

    return chosen
