"""A network as a TLA+ module: Init, Next, fairness and the properties.

States are strings, each vector is an action. The variable ``step`` says which one was taken last, as two vectors may do
the same and mean different things. So TLC counts more states than the network has, unless it is told ``VIEW vars``;
that is right for what holds always, and wrong for what comes about eventually. A step that changes nothing, taken twice
in a row, is none to TLA+.

An *always* is an invariant, or a property of steps. A *sometimes* is found if its ``Unseen`` is violated. What comes
about *eventually* carries its own fairness.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from model.lts.export.names import identifiers, rules_of
from model.lts.formula import All, Any, Formula, Is, Not, Taken, Told, told
from model.lts.network import Compiled, Vector, When
from model.lts.properties import Always, Eventually, Property, Sometimes
from model.lts.table import Table

WORDS = """ASSUME ASSUMPTION AXIOM BOOLEAN CASE CHOOSE CONSTANT CONSTANTS DOMAIN ELSE ENABLED EXCEPT EXTENDS FALSE IF IN
INSTANCE LAMBDA LET LOCAL MODULE OTHER PROOF QED SF_ STRING SUBSET THEN THEOREM TRUE UNCHANGED UNION VARIABLE VARIABLES
WF_ WITH Init Next Spec step vars all"""
KEYWORDS = frozenset(WORDS.split())
"""Words of TLA+, and of the module itself."""

AND, OR = " /\\ ", " \\/ "


def tla(compiled: Compiled, properties: Sequence[Property], module: str) -> str:
    """The network and its properties as a module of this name; after its end, what TLC wants in its ``.cfg``."""
    return "\n".join(_Module(compiled, properties).lines(module)) + "\n"


def configuration(text: str) -> str:
    """The ``.cfg`` for TLC that stands after the end of a module."""
    return text.rpartition(f"\n{END}\n")[2]


END = "=" * 80


class _Module:
    def __init__(self, compiled: Compiled, properties: Sequence[Property]) -> None:
        self.compiled, self.network, self.tables = compiled, compiled.network, compiled.network.components
        numbered = (told(prop, compiled) for prop in properties)
        self.stated = {f"{one.property.kind.title()}_{n}": one for n, one in enumerate(numbered, 1)}
        reserved = KEYWORDS | self.stated.keys() | {f"Unseen_{n}" for n in range(1, len(properties) + 1)}
        self.variables = identifiers(self.tables, reserved)
        vectors = (vector.name for vector in self.network.vectors)
        self.actions = identifiers(vectors, reserved | set(self.variables.values()))

    def lines(self, module: str) -> Iterable[str]:
        """The module, line by line."""
        every = ", ".join(self.variables.values())
        yield f"{'-' * 30} MODULE {module} {'-' * 30}"
        yield f"\\* {self.network.name}"
        yield ""
        yield f"VARIABLES {every}, step"
        yield ""
        yield f"vars == <<{every}>>"
        yield f"all == <<{every}, step>>"
        yield ""
        yield "Init =="
        for name, table in self.tables.items():
            yield f"  /\\ {self.variables[name]} = {_text(table.initial)}"
        yield '  /\\ step = "none"'
        for vector in self.network.vectors:
            yield from self._action(vector)
        yield ""
        yield "Next =="
        yield from (f"  \\/ {action}" for action in self.actions.values())
        yield ""
        yield "Spec == Init /\\ [][Next]_all"
        for name, one in self.stated.items():
            yield from self._property(name, one)
        yield ""
        yield END
        yield "SPECIFICATION Spec"
        yield "CHECK_DEADLOCK FALSE"
        yield from (f"{_role(one)} {self._checked(name, one)}" for name, one in self.stated.items())

    # --- steps ------------------------------------------------------------------------------------------------------

    def _action(self, vector: Vector) -> Iterable[str]:
        rules = dict.fromkeys(r for m in self.compiled.moves if m.vector is vector for r in rules_of(self.compiled, m))
        yield ""
        yield f"\\* {', '.join(rules)}"
        yield f"{self.actions[vector.name]} =="
        yield from (f"  /\\ {self._condition(when)}" for when in vector.when)
        for name, event in vector.moves.items():
            table = self.tables[name]
            sources = frozenset(n for n, state in enumerate(table.states) if table.rows_for(state, event))
            yield f"  /\\ {self._print(Is(name, sources))}"
            yield f"  /\\ {self.variables[name]}' {_targets(self.variables[name], table, event, stays=False)}"
        for name, event in vector.broadcast.items():
            targets = _targets(self.variables[name], self.tables[name], event, stays=True)
            yield f"  /\\ {self.variables[name]}' {targets}"
        still = [self.variables[n] for n in self.tables if n not in vector.moves and n not in vector.broadcast]
        yield from (f"  /\\ UNCHANGED <<{', '.join(still)}>>" for _ in still[:1])
        yield f"  /\\ step' = {_text(vector.name)}"

    def _condition(self, when: When) -> str:
        """A condition; states that a component does not have are left out."""
        parts = []
        for name in when.components:
            states = self.tables[name].states
            parts.append(self._print(Is(name, frozenset(n for n, s in enumerate(states) if s in when.states))))
        sign = AND if when.quantifier == "every" else OR
        return parts[0] if len(parts) == 1 else f"({sign.join(parts)})"

    # --- properties -------------------------------------------------------------------------------------------------

    def _property(self, name: str, one: Told) -> Iterable[str]:
        prop = one.property
        yield ""
        yield f"\\* {prop.name}: {', '.join(prop.rules)}"
        if isinstance(prop, Eventually):
            fair = [f"WF_vars({OR.join(self._names(group)) or 'FALSE'})" for group in one.fair]
            leads = f"[]({self._print(one.after)} => <>{self._print(one.holds)})"
            yield f"{name} == ({AND.join(fair) or 'TRUE'}) => {leads}"
        elif isinstance(prop, Always | Sometimes):
            yield f"{name} == {self._print(one.holds)}"
            if prop.kind == "sometimes":
                yield f"{self._checked(name, one)} == ~{name}"
        elif prop.kind == "always":
            yield f"{name} == [][{self._print(one.holds)}]_all"
        else:
            yield f"{self._checked(name, one)} == [][~{self._print(one.holds)}]_all"

    def _names(self, vectors: frozenset[str]) -> list[str]:
        return [action for name, action in self.actions.items() if name in vectors]

    def _checked(self, name: str, one: Told) -> str:
        return name.replace("Sometimes", "Unseen") if one.property.kind == "sometimes" else name

    def _print(self, formula: Formula) -> str:
        match formula:
            case All(()):
                return "TRUE"
            case Any(()):
                return "FALSE"
            case All():
                return f"({AND.join(map(self._print, formula.parts))})"
            case Any():
                return f"({OR.join(map(self._print, formula.parts))})"
            case Not():
                return f"~({self._print(formula.part)})"
            case Taken():
                names = (vector.name for vector in self.network.vectors)
                return f"step' {_among([name for name in names if name in formula.vectors])}"
            case Is():
                states = self.tables[formula.component].states
                variable = self.variables[formula.component] + ("'" if formula.after else "")
                inside = [states[number] for number in sorted(formula.states)]
                outside = [state for number, state in enumerate(states) if number not in formula.states]
                if not outside or len(inside) <= len(outside):
                    return f"{variable} {_among(inside)}"
                return (
                    f"{variable} # {_text(outside[0])}" if len(outside) == 1 else f"{variable} \\notin {_set(outside)}"
                )


def _role(one: Told) -> str:
    return "INVARIANT" if isinstance(one.property, Always | Sometimes) else "PROPERTY"


def _targets(variable: str, table: Table, event: str, *, stays: bool) -> str:
    """Where an event leads; it may hang on where it begins. Without a row a component ``stays``."""
    sources: dict[tuple[str, ...], list[str]] = {}
    for state in table.states:
        if rows := table.rows_for(state, event):
            sources.setdefault(tuple(dict.fromkeys(row.target for row in rows)), []).append(state)
    if len(sources) == 1 and not stays:
        return _among(min(sources))
    cases = [f"{variable} \\in {_set(states)} -> {_set(targets)}" for targets, states in sources.items()]
    return f"\\in (CASE {' [] '.join(cases)}{f' [] OTHER -> {{{variable}}}' if stays else ''})"


def _among(states: Sequence[str]) -> str:
    """That something is one of these states."""
    return f"= {_text(states[0])}" if len(states) == 1 else f"\\in {_set(states)}"


def _set(states: Iterable[str]) -> str:
    return f"{{{', '.join(map(_text, states))}}}"


def _text(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
