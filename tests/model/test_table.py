"""Tables: what they refuse to be, what they refuse to do, regions, and the `transitions` machine beside them."""

from __future__ import annotations

import re
from collections import Counter, deque
from typing import Any

import pytest

from model import node
from model.lts.machine import Stepper
from model.lts.network import Network
from model.lts.table import Refused, Row, Table, joint
from model.profiles import PROFILES

from .support import alone, arrow, refuses, replay, table

DOOR = table("shut --open--> ajar", "ajar --close--> shut", "shut --lock--> locked", "locked --unlock--> shut")

HEAT = table("cold --warm--> hot", "hot --cool--> cold", name="heat")
FAN = table("still --spin--> fast", "fast --spin--> fastest", "fastest --brake--> still", name="fan")
OVEN = Table(
    "oven",
    ("off", "on", "broken"),
    "off",
    (arrow("off --switch--> on"), arrow("on --switch--> off"), arrow("on --hit--> broken"), arrow("on --reset--> on")),
    {"on": (HEAT, FAN)},
)

EVERY_TABLE = [
    pytest.param(machine, id=f"{profile.name}-{machine.name}")
    for profile in PROFILES.values()
    for machine in [*profile.tables(), profile.record(("n1", "n2"))]
]


# --- construction ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "initial", "rows", "problem"),
    [
        (("a", "b"), "c", ("a --go--> b",), "unknown state 'c'"),
        (("a", "b"), "a", ("a --go--> b", "a --go--> c"), "unknown state 'c'"),
        (("a", "b"), "a", ("a --go--> b", "c --go--> b"), "unknown state 'c'"),
        (("a", "b"), "a", ("a --go--> b", "a --go--> b"), "row a --go--> b stands there twice"),
        (("a", "b", "c"), "a", ("a --go--> b", "c --go--> b"), "no row leads to c"),
        (("a", "b", "c"), "a", ("a --go--> b", "c --go--> c"), "no row leads to c"),
    ],
)
def test_a_wrong_table_is_not_built(states: tuple[str, ...], initial: str, rows: tuple[str, ...], problem: str) -> None:
    """Each message names the table and what is wrong. A state that only leads to itself is not reached either."""
    with pytest.raises(ValueError, match=f"^table wrong: {re.escape(problem)}$"):
        Table("wrong", states, initial, tuple(arrow(row) for row in rows))


def test_regions_of_an_unknown_state_are_not_built() -> None:
    with pytest.raises(ValueError, match="table wrong: unknown state 'b'"):
        Table("wrong", ("a",), "a", (), {"b": (HEAT,)})


def test_a_row_without_rules_is_not_built() -> None:
    with pytest.raises(ValueError, match="table wrong: row a --go--> b names no rule"):
        Table("wrong", ("a", "b"), "a", (Row("a", "go", "b", ()),))


def test_the_same_rule_may_justify_two_rows_and_one_event_may_have_two_targets() -> None:
    """The checks do not refuse a nondeterministic table."""
    machine = table("a --go--> b", "a --go--> c")
    assert [row.target for row in machine.rows_for("a", "go")] == ["b", "c"]


def test_a_state_that_stands_twice_is_not_built() -> None:
    """Two numbers for one name: exploring would know it by the first number only."""
    with pytest.raises(ValueError, match="a"):
        Table("wrong", ("a", "a"), "a", ())


# --- refusal: it is reported, and it changes nothing ----------------------------------------------------------------


def test_a_table_reports_a_refusal_with_state_event_and_what_is_allowed() -> None:
    refused = refuses(lambda: DOOR.fire("locked", "open"))
    assert (refused.table, refused.state, refused.event, refused.allowed) == ("tiny", "locked", "open", ("unlock",))
    assert str(refused) == "tiny: 'open' is refused in state locked; allowed: unlock"


def test_a_table_reports_that_nothing_is_allowed() -> None:
    assert str(refuses(lambda: table("a --go--> b").fire("b", "go"))).endswith("allowed: nothing")


def test_a_table_is_the_same_after_a_refusal() -> None:
    """A table has no present state; a refusal must not leave rows or events behind in its index either."""
    before = (DOOR.rows, DOOR.events, DOOR.allowed("locked"), DOOR.rows_for("locked", "unlock"))
    refuses(lambda: DOOR.fire("locked", "no such event"))
    refuses(lambda: DOOR.fire("locked", "open"))
    assert (DOOR.rows, DOOR.events, DOOR.allowed("locked"), DOOR.rows_for("locked", "unlock")) == before
    assert DOOR.rows_for("locked", "open") == ()


@pytest.mark.parametrize("event", ["close", "no such event"])
def test_a_stepper_reports_a_refusal(event: str) -> None:
    """A known event in the wrong state, and an unknown one."""
    stepper = Stepper(DOOR)
    stepper.fire("lock")
    refused = refuses(lambda: stepper.fire(event))
    assert (refused.table, refused.state, refused.event, refused.allowed) == ("tiny", "locked", event, ("unlock",))


@pytest.mark.parametrize("event", ["close", "no such event"])
def test_a_stepper_is_unchanged_by_a_refusal(event: str) -> None:
    stepper = Stepper(DOOR)
    stepper.fire("lock")
    refuses(lambda: stepper.fire(event))
    assert stepper.current == "locked"
    assert stepper.fire("unlock") == "shut"


def test_a_stepper_refuses_a_target_that_no_row_has() -> None:
    stepper = Stepper(table("a --go--> b", "a --go--> c", "b --back--> a"))
    refuses(lambda: stepper.fire("go", target="a"))
    assert stepper.current == "a"
    assert stepper.fire("go", target="c") == "c"


def test_a_stepper_in_regions_reports_the_flat_state_and_keeps_both_regions() -> None:
    stepper = Stepper(OVEN)
    stepper.fire("switch")
    stepper.fire("spin")
    refused = refuses(lambda: stepper.fire("brake"))
    assert (refused.state, set(refused.allowed)) == ("on/cold/fast", {"switch", "hit", "reset", "warm", "spin"})
    assert stepper.current == "on/cold/fast"


def test_a_network_reports_a_refusal() -> None:
    refused = refuses(lambda: alone(DOOR).fire({"m": "locked"}, "open"))
    assert (refused.table, refused.state, refused.event, refused.allowed) == ("tiny", "m=locked", "open", ("unlock",))


def test_a_network_changes_nothing_by_a_refusal_nor_by_a_step() -> None:
    """Catches a fire that writes into the state it was given."""
    state = {"m": "locked"}
    refuses(lambda: alone(DOOR).fire(state, "open"))
    assert state == {"m": "locked"}
    assert alone(DOOR).fire(state, "unlock") == [{"m": "shut"}]
    assert state == {"m": "locked"}


def test_there_is_no_way_into_a_state_but_rows() -> None:
    """Catches a machine that was built with auto transitions, by name and by event."""
    stepper = Stepper(node.SEED_NODE)
    assert [name for name in dir(stepper) if name.startswith("to_")] == []
    for event in ("to_Running", "to_Terminated", "to_Running/True/True", "to"):
        refuses(lambda event=event: stepper.fire(event))  # type: ignore[misc]
    assert stepper.current == "Pending"
    states = [*node.SEED_NODE.states, *(f"Running/{region}" for region in ("NodeReachable", "NodeReady"))]
    assert {event for state in states for event in stepper.machine.get_triggers(state)} <= set(node.SEED_NODE.events)


def test_a_stepper_has_no_method_that_jumps() -> None:
    """`transitions` gives every nested machine's model a method ``to`` that enters any state without a row."""
    stepper: Any = Stepper(node.SEED_NODE)
    if hasattr(stepper, "to"):
        stepper.to("Removed")
    assert stepper.current == "Pending"


# --- regions --------------------------------------------------------------------------------------------------------


def test_a_table_without_regions_is_its_own_flat_form() -> None:
    assert DOOR.flattened() is DOOR


def test_flattening_gives_one_state_for_each_combination() -> None:
    """off, broken, and 2 × 3 combinations for on, in the place of on."""
    flat = OVEN.flattened()
    combinations = [joint("on", (h, f)) for h in ("cold", "hot") for f in ("still", "fast", "fastest")]
    assert flat.states == ("off", *combinations, "broken")
    assert (flat.initial, flat.regions) == ("off", {})


def test_flattening_gives_each_row_once_for_each_combination() -> None:
    """switch, hit and reset leave 6 variants of on; one row enters on; heat moves in 3 × 2 places, the fan in 2 × 3."""
    by_event = Counter(row.event for row in OVEN.flattened().rows)
    assert by_event == {"switch": 1 + 6, "hit": 6, "reset": 6, "warm": 3, "cool": 3, "spin": 2 * 2, "brake": 2}


def test_flat_rows_keep_their_rules() -> None:
    flat = node.SEED_NODE.flattened()
    assert flat.rows_for("Running/True/False", "ready")[0].rules == ("node.condition.ready",)
    assert flat.rows_for("Running/True/False", "terminate")[0].rules == ("node.phase.terminated",)


def test_flat_rows_keep_what_must_be_recorded() -> None:
    """A row that must record an event must do so inside a region as well."""
    alarm = Table("alarm", ("quiet", "loud"), "quiet", (Row("quiet", "ring", "loud", ("some.rule",), ("rang",)),))
    house = Table(
        "house", ("here", "gone"), "here", (Row("here", "go", "gone", ("some.rule",), ("left",)),), {"here": (alarm,)}
    )
    assert {(row.event, row.records) for row in house.flattened().rows} == {("go", ("left",)), ("ring", ("rang",))}


def test_regions_move_independently() -> None:
    """An event of one region leaves the other where it is, in each of its states."""
    flat = OVEN.flattened()
    for fan in FAN.states:
        assert [r.target for r in flat.rows_for(f"on/cold/{fan}", "warm")] == [f"on/hot/{fan}"]
    for heat in HEAT.states:
        assert [r.target for r in flat.rows_for(f"on/{heat}/still", "spin")] == [f"on/{heat}/fast"]


@pytest.mark.parametrize(("event", "target"), [("switch", "off"), ("hit", "broken")])
def test_leaving_the_state_leaves_both_regions_from_everywhere(event: str, target: str) -> None:
    flat = OVEN.flattened()
    inside = [state for state in flat.states if state.startswith("on/")]
    assert len(inside) == 6
    for state in inside:
        assert [row.target for row in flat.rows_for(state, event)] == [target]
        assert set(flat.allowed(target)).isdisjoint(HEAT.events + FAN.events)


def test_entering_starts_both_regions_at_their_initial_states() -> None:
    """Also after having been inside before: nothing is remembered; and a row from on to on enters again."""
    flat, stepper = OVEN.flattened(), Stepper(OVEN)
    for event in ("switch", "warm", "spin", "switch", "switch"):
        stepper.fire(event)
    assert stepper.current == "on/cold/still"
    assert {row.target for row in flat.rows if row.event == "switch"} == {"on/cold/still", "off"}
    stepper.fire("warm")
    assert stepper.fire("reset") == "on/cold/still"
    assert [row.target for row in flat.rows_for("on/hot/fast", "reset")] == ["on/cold/still"]


def test_a_table_may_begin_inside_regions() -> None:
    flat = node.CODE_NODE.flattened()
    assert flat.initial == "Recorded/Absent"
    assert Stepper(node.CODE_NODE).current == "Recorded/Absent"


def test_the_node_of_the_seed_has_twelve_flat_states_and_conditions_only_while_running() -> None:
    """3 × 3 conditions inside Running, and Pending, Terminated, Removed without any (seed L177, L181)."""
    flat = node.SEED_NODE.flattened()
    assert len(flat.states) == 12
    conditions = set(node.NODE_READY.events + node.NODE_REACHABLE.events)
    for state in flat.states:
        assert bool(conditions & set(flat.allowed(state))) == state.startswith("Running/")


def test_events_and_rows_of_regions_are_counted_in() -> None:
    assert OVEN.events == ("switch", "hit", "reset", "warm", "cool", "spin", "brake")
    assert len(OVEN.all_rows()) == 4 + 2 + 3
    assert set(OVEN.flattened().events) == set(OVEN.events)


def test_regions_inside_regions_are_refused_or_flattened() -> None:
    """A table whose region has regions must not lose them: events that `events` lists must stay possible."""
    try:
        flat = Table("house", ("up",), "up", (), {"up": (OVEN,)}).flattened()
    except ValueError:
        return
    assert {"warm", "spin"} <= set(flat.events)


@pytest.mark.parametrize("own", [(), ("on --warm--> off",)])
def test_an_event_shared_by_regions_is_refused_or_means_the_same_to_table_and_machine(own: tuple[str, ...]) -> None:
    """Two regions, or a state and its region, with the same event: the machine moves them together (or the inner one
    only), the flat table one or the other."""
    twin = table("cold --warm--> hot", "hot --cool--> cold", name="twin")
    rows = tuple(arrow(row) for row in ("on --leave--> off", *own))
    try:
        machine = Table("pair", ("on", "off"), "on", rows, {"on": (HEAT, twin) if not own else (HEAT,)})
    except ValueError:
        return
    flat = machine.flattened()
    assert {Stepper(machine).fire("warm")} == {row.target for row in flat.rows_for(flat.initial, "warm")}


# --- the machine and the flat table are the same --------------------------------------------------------------------


def routes(flat: Table) -> dict[str, list[Row]]:
    """For each flat state rows that lead there."""
    found: dict[str, list[Row]] = {flat.initial: []}
    queue = deque([flat.initial])
    while queue:
        state = queue.popleft()
        for row in flat.rows:
            if row.source == state and row.target not in found:
                found[row.target] = [*found[state], row]
                queue.append(row.target)
    return found


def step(stepper: Stepper, flat: Table, row: Row) -> str:
    """Take one row of the flat table; the target is named only where there is a choice."""
    choice = len(flat.rows_for(row.source, row.event)) > 1
    return stepper.fire(row.event, target=row.target if choice else None)


def stepped_to(machine: Table, flat: Table, route: list[Row]) -> Stepper:
    stepper = Stepper(machine)
    for row in route:
        step(stepper, flat, row)
    return stepper


@pytest.mark.parametrize("machine", [*EVERY_TABLE, pytest.param(OVEN, id="oven")])
def test_machine_and_flat_table_agree_in_every_state_on_every_event(machine: Table) -> None:
    """Exhaustive: the same refusals, the same targets. Catches a wrong flattening and a wrong building alike."""
    flat = machine.flattened()
    found = routes(flat)
    assert set(found) == set(flat.states)
    for state, route in found.items():
        stepper = stepped_to(machine, flat, route)
        assert stepper.current == state
        refused_events = [event for event in machine.events if not flat.rows_for(state, event)]
        for event in refused_events:
            refused = refuses(lambda stepper=stepper, event=event: stepper.fire(event))  # type: ignore[misc]
            assert (refused.state, refused.event, stepper.current) == (state, event, state)
            assert set(refused.allowed) == set(machine.events) - set(refused_events)
        for row in (r for r in flat.rows if r.source == state):
            assert step(stepped_to(machine, flat, route), flat, row) == row.target


@pytest.mark.parametrize("machine", EVERY_TABLE)
def test_a_network_of_the_flat_table_alone_steps_like_the_machine(machine: Table) -> None:
    """The third reading of the same rows: `Network.fire`."""
    flat = machine.flattened()
    network: Network = alone(flat)
    for state, route in routes(flat).items():
        assert {"m": state} in replay(network, [row.event for row in route])
        for event in flat.events:
            targets = [{"m": row.target} for row in flat.rows_for(state, event)]
            if targets:
                assert network.fire({"m": state}, event) == targets
            else:
                with pytest.raises(Refused):
                    network.fire({"m": state}, event)


def test_without_a_target_the_machine_takes_the_first_row() -> None:
    assert Stepper(table("a --go--> c", "a --go--> b")).fire("go") == "c"


def test_a_target_may_be_named_as_the_stepper_itself_names_it() -> None:
    """`fire` returns flat names; the same name must be a legal ``target``, with regions and inside them."""
    assert Stepper(OVEN).fire("switch", target="on/cold/still") == "on/cold/still"


def test_a_target_chooses_inside_a_region_as_well() -> None:
    coin = table("spinning --fall--> heads", "spinning --fall--> tails", name="coin")
    stepper = Stepper(Table("hand", ("open",), "open", (), {"open": (coin,)}))
    assert stepper.fire("fall", target="open/tails") == "open/tails"
