"""A network as a Promela model, for SPIN.

One process, one ``do``; each option is one ``d_step``, so that a step of the network is one transition and no state
lies in between: SPIN stores as many states as the network has. (Its "transitions" are one more than the network's, as
it counts the arrival at the initial state.) A step looks at all that it moves, even where any state will do: SPIN would
leave a variable that nobody reads out of its states.

With ``-DCHECK`` the properties are asserted, each once: an *always* that is violated, and a *sometimes* that is found.
What that needs to remember is hidden from SPIN, so the states stay the same; what is asserted of states is looked at in
a step of its own that leads nowhere, so there is one transition more for each state. An *eventually* is not exported:
weak fairness between the steps of one process cannot be said in Promela.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from model.lts.export.names import all_states, identifiers, rules_of
from model.lts.formula import (
    FALSE,
    TRUE,
    All,
    Any,
    Formula,
    Is,
    Not,
    Taken,
    Told,
    conjunction,
    disjunction,
    evaluate,
    negation,
    substitute,
    tests,
    told,
)
from model.lts.network import Bools, Compiled, Ints, Move
from model.lts.properties import Always, AlwaysStep, Eventually, Property, Sometimes, SometimesStep

WORDS = """active assert atomic bit bool break byte c_code c_decl c_expr c_state c_track chan d_step do else empty
enabled end eval fi for full get_priority goto hidden if in init inline int len local ltl mtype nempty never nfull
notrace np_ od of pc_value pid print printf printm priority proctype provided return run select set_priority short show
skip switch timeout trace true false typedef unless unsigned xr xs now network ALWAYS SOMETIMES WAS CHECK"""
C_WORDS = """auto break case char const continue default double else enum extern float for goto if inline int long
register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while"""
KEYWORDS = frozenset([*WORDS.split(), *C_WORDS.split()])
"""Words of Promela, of the model itself, and of C, which SPIN makes of it."""

MOST_STATES = 255
"""So many names an ``mtype`` may have."""


def promela(compiled: Compiled, properties: Sequence[Property]) -> str:
    """The network and its properties in Promela. Raises ValueError if its states have too many names."""
    return "\n".join(_Model(compiled, properties).lines()) + "\n"


def asserted(properties: Iterable[Property]) -> dict[str, Property]:
    """The properties that the model asserts, by the name of the variable that it asserts."""
    found: dict[str, Property] = {}
    for number, prop in enumerate((p for p in properties if not isinstance(p, Eventually)), 1):
        found[f"{prop.kind}_{number}"] = prop
    return found


class _Model:
    def __init__(self, compiled: Compiled, properties: Sequence[Property]) -> None:
        self.compiled, self.tables = compiled, compiled.network.components
        states = all_states(compiled.network)
        if len(states) > MOST_STATES:
            raise ValueError(
                f"network {compiled.network.name}: {len(states)} names of states are too many for Promela, "
                f"which has room for {MOST_STATES}; export a smaller one"
            )
        self.asserted = {name: told(prop, compiled) for name, prop in asserted(properties).items()}
        self.eventually = [prop for prop in properties if isinstance(prop, Eventually)]
        self.names = identifiers(compiled.names, KEYWORDS | self.asserted.keys())
        self.was = identifiers((f"was_{name}" for name in compiled.names), KEYWORDS | set(self.names.values()))
        self.states = identifiers(states, KEYWORDS | self.asserted.keys() | {*self.names.values(), *self.was.values()})

    def lines(self) -> Iterable[str]:
        """The model, line by line."""
        yield f"/* {self.compiled.network.name}"
        yield "   spin -a FILE && gcc -O2 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan -E -c0 -m9999999"
        yield "   counts states and transitions; after spin -DCHECK -a FILE it checks the properties, too: each"
        yield "   assertion that is violated is named once. always_N is then violated, sometimes_N is found. */"
        yield ""
        known: set[str] = set()
        for table in dict.fromkeys(self.tables.values()):
            if fresh := [self.states[state] for state in table.states if state not in known]:
                yield f"mtype = {{ {', '.join(fresh)} }};  /* {table.name} */"
            known |= set(table.states)
        yield ""
        for name, table in self.tables.items():
            yield f"mtype {self.names[name]} = {self.states[table.initial]};  /* {table.name} */"
        yield from self._checks()
        yield ""
        yield "active proctype network() {"
        yield "end: do"
        for move in self.compiled.moves:
            yield f"  /* {move.vector.name}: {', '.join(rules_of(self.compiled, move))} */"
            yield f"  :: d_step {{ {self._guard(move)} ->"
            yield from (f"       {line}" for line in self._step(move))
            yield "     }"
        yield from self._look()
        yield "  od"
        yield "}"

    # --- steps ------------------------------------------------------------------------------------------------------

    def _guard(self, move: Move) -> str:
        """Where the move can be taken."""
        parts = [
            Is(self.compiled.names[place], frozenset(np.flatnonzero(targets >= 0).tolist()))
            for place, targets in move.maps
            if self.compiled.names[place] in move.vector.moves or (targets < 0).any()
        ]
        return self._print(conjunction((*parts, *_conditions(self.compiled, move))), top=True)

    def _step(self, move: Move) -> Iterable[str]:
        moved = {self.compiled.names[place]: targets for place, targets in move.maps}
        checks = [line for name, one in self.asserted.items() for line in self._asserts(name, one, move, moved)]
        if checks:
            yield " ".join(f"WAS({self.was[f'was_{name}']}, {self.names[name]})" for name in moved)
        for name, targets in moved.items():
            yield from self._assignment(move, name, targets)
        yield from checks

    def _assignment(self, move: Move, name: str, targets: Ints) -> Iterable[str]:
        """Where the component goes; states with the same target stand together."""
        variable, table = self.names[name], self.tables[name]
        sources: dict[int, list[int]] = {}
        for number, target in enumerate(targets):
            if target >= 0:
                sources.setdefault(int(target), []).append(number)
        if len(sources) == 1 and name in move.vector.moves:
            yield f"{variable} = {self.states[table.states[min(sources)]]};"
            return
        options = []
        for target, numbers in sources.items():
            if numbers != [target]:
                here = self._print(Is(name, frozenset(numbers) - {target}), top=True)
                options.append(f":: {here} -> {variable} = {self.states[table.states[target]]}")
        yield f"if {' '.join(options)} :: else fi;" if options else "skip;"

    # --- properties -------------------------------------------------------------------------------------------------

    def _checks(self) -> Iterable[str]:
        if self.eventually:
            yield ""
            yield f"/* Not here, as they need weak fairness: {'; '.join(prop.name for prop in self.eventually)} */"
        if not self.asserted:
            return
        yield ""
        yield "#ifndef CHECK"
        yield "#define WAS(before, now)"
        yield "#define ALWAYS(known, test)"
        yield "#define SOMETIMES(known, test)"
        yield "#else"
        yield "#define WAS(before, now) before = now;"
        yield "#define ALWAYS(known, test) if :: known && !(test) -> known = 0; assert(known) :: else fi;"
        yield "#define SOMETIMES(known, test) if :: !known && (test) -> known = 1; assert(!known) :: else fi;"
        for name, one in self.asserted.items():
            prop = one.property
            yield f"hidden byte {name} = {int(prop.kind == 'always')};  /* {prop.name}: {', '.join(prop.rules)} */"
        for component in self.compiled.names:
            yield f"hidden mtype {self.was[f'was_{component}']};"
        yield "#endif"

    def _look(self) -> Iterable[str]:
        """What holds of states is looked at in every state, without a step."""
        lines = [
            f"       {_macro(one)}({name}, {self._print(one.holds, top=True)})"
            for name, one in self.asserted.items()
            if isinstance(one.property, Always | Sometimes)
        ]
        if lines:
            yield from ("#ifdef CHECK", "  :: d_step { true ->", *lines, "     }", "#endif")

    def _asserts(self, name: str, one: Told, move: Move, moved: dict[str, Ints]) -> Iterable[str]:
        """What a property of steps says of this one. Of components that stay where they are, both sides of the step are
        the same; parts about these alone that can only hold then (or never) are left out."""
        if not isinstance(one.property, AlwaysStep | SometimesStep):
            return

        def here(test: Is | Taken) -> Formula:
            if isinstance(test, Taken):
                return TRUE if move.vector.name in test.vectors else FALSE
            return test if test.component in moved else Is(test.component, test.states)

        formula = self._without_standing(substitute(one.holds, here), moved)
        if formula != (TRUE if one.property.kind == "always" else FALSE):
            yield f"{_macro(one)}({name}, {self._print(formula, top=True, step=moved)})"

    def _without_standing(self, formula: Formula, moved: dict[str, Ints]) -> Formula:
        """The formula with parts about standing components replaced by their truth, where that is certain."""
        components = list(dict.fromkeys(test.component for test in tests(formula) if isinstance(test, Is)))
        if components and not set(components) & moved.keys():
            values = self._everywhere(formula, sorted(components))
            if values.all() or not values.any():
                return TRUE if values.all() else FALSE
        match formula:
            case All():
                return conjunction(self._without_standing(part, moved) for part in formula.parts)
            case Any():
                return disjunction(self._without_standing(part, moved) for part in formula.parts)
            case Not():
                return negation(self._without_standing(formula.part, moved))
        return formula

    def _everywhere(self, formula: Formula, components: list[str]) -> Bools:
        """The formula in every combination of states of its components; where these are too many, as if undecided."""
        sizes = [len(self.tables[c].states) for c in components]
        if np.prod([float(size) for size in sizes]) > 10_000:
            return np.array([True, False])
        grid = dict(zip(components, np.ix_(*(np.arange(size) for size in sizes)), strict=True))
        return evaluate(formula, lambda component, _: grid[component], lambda _: np.array(False))

    # --- printing ---------------------------------------------------------------------------------------------------

    def _print(self, formula: Formula, *, top: bool = False, step: dict[str, Ints] | None = None) -> str:
        """A formula as an expression; in a ``step`` the moved components have two values."""
        match formula:
            case All(()):
                return "true"
            case Any(()):
                return "false"
            case All() | Any():
                sign = " && " if isinstance(formula, All) else " || "
                text = sign.join(self._print(part, step=step) for part in formula.parts)
                return text if top else f"({text})"
            case Not():
                return f"!{self._print(formula.part, step=step)}"
            case Taken():
                raise AssertionError("which step it is, is known where a step is printed")
            case Is():
                early = step is not None and formula.component in step and not formula.after
                variable = self.was[f"was_{formula.component}"] if early else self.names[formula.component]
                states = self.tables[formula.component].states
                inside = sorted(formula.states)
                outside = [number for number in range(len(states)) if number not in formula.states]
                few = not outside or len(inside) <= len(outside)
                sign, joined = ("==", " || ") if few else ("!=", " && ")
                chosen = inside if few else outside
                text = joined.join(f"{variable} {sign} {self.states[states[number]]}" for number in chosen)
                return text if top and len(chosen) == 1 else f"({text})"


def _macro(one: Told) -> str:
    return "ALWAYS" if one.property.kind == "always" else "SOMETIMES"


def _conditions(compiled: Compiled, move: Move) -> Iterable[Formula]:
    """What must hold of others before the move."""
    for every, places, inside in move.conditions:
        parts = []
        for column, place in enumerate(places):
            numbers = frozenset(np.flatnonzero(inside[: compiled.sizes[place], column]).tolist())
            whole = len(numbers) == compiled.sizes[place]
            parts.append(TRUE if whole else Is(compiled.names[place], numbers) if numbers else FALSE)
        yield conjunction(parts) if every else disjunction(parts)
