"""A reader of the TLA+ that is exported: it parses with the grammar of the TLA+ tools' editors, and takes every step.

It knows the part of TLA+ that the export uses, and nothing of the network behind it. What comes about eventually is
parsed, and not judged: no package brings TLC along.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tree_sitter
import tree_sitter_tlaplus

Values = dict[str, Any]

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # the grammar hands itself over in an old way
    LANGUAGE = tree_sitter.Language(tree_sitter_tlaplus.language())


@dataclass
class Module:
    """A module; states map variables to strings. Raises ValueError for what the grammar does not know."""

    text: str

    def __post_init__(self) -> None:
        self.source = self.text.encode()
        root = tree_sitter.Parser(LANGUAGE).parse(self.source).root_node
        if root.has_error:
            raise ValueError("not TLA+")
        [module] = [node for node in root.children if node.type == "module"]
        self.name = self.said(module.child_by_field_name("name"))
        [variables] = [node for node in module.children if node.type == "variable_declaration"]
        self.variables = [self.said(node) for node in variables.children if node.type == "identifier"]
        self.definitions = {
            self.said(node.child_by_field_name("name")): next(c for c in reversed(node.children) if c.type != "comment")
            for node in module.children
            if node.type == "operator_definition"
        }

    def said(self, node: Any) -> str:
        return self.source[node.start_byte : node.end_byte].decode()

    def initial(self) -> Values:
        """The one state that Init allows: each conjunct gives a variable its value."""
        found = {}
        for item in self.conjuncts(self.definitions["Init"]):
            found[self.said(item.children[0])] = self.value(item.children[2], {}, {})
        assert found.keys() == set(self.variables)
        return found

    def steps(self, state: Values) -> Iterator[Values]:
        """Every state that Next leads to."""
        for item in self.definitions["Next"].children:
            if item.type != "disj_item":
                continue
            for after in self.choices(self.conjuncts(self.definitions[self.said(item.children[1])]), state, {}):
                assert after.keys() == set(self.variables), f"{self.said(item)} leaves something open"
                yield after

    def choices(self, items: list[Any], state: Values, after: Values) -> Iterator[Values]:
        """Every way to make all conjuncts true: the first that speaks of a variable after the step gives it a value."""
        if not items:
            yield after
            return
        first, rest = items[0], items[1:]
        if first.type == "bound_prefix_op" and first.children[0].type == "unchanged":
            names = [self.said(n) for n in first.children[1].children if n.type == "identifier_ref"]
            yield from self.choices(rest, state, {**after, **{name: state[name] for name in names}})
        elif first.type == "bound_infix_op" and first.children[0].type == "bound_postfix_op":
            name = self.said(first.children[0].children[0])
            assert name not in after, f"{name} is given two values"
            value = self.value(first.children[2], state, after)
            for chosen in [value] if first.children[1].type == "eq" else sorted(value):
                yield from self.choices(rest, state, {**after, name: chosen})
        elif self.value(first, state, after):
            yield from self.choices(rest, state, after)

    def conjuncts(self, node: Any) -> list[Any]:
        items = [item.children[1] for item in node.children if item.type == "conj_item"]
        return items if node.type == "conj_list" else [node]

    def holds(self, name: str, state: Values, after: Values) -> bool:
        """Whether a definition holds of a state, or, if it is of the form ``[][P]_all``, P of a step."""
        node = self.definitions[name]
        if node.type == "bound_prefix_op" and node.children[0].type == "always":
            node = node.children[1].children[1]
        return bool(self.value(node, state, after))

    def value(self, node: Any, state: Values, after: Values) -> Any:
        """What an expression says."""
        parts = node.children
        match node.type:
            case "string":
                return self.said(node)[1:-1]
            case "boolean":
                return self.said(node) == "TRUE"
            case "identifier_ref":
                name = self.said(node)
                return state[name] if name in self.variables else self.value(self.definitions[name], state, after)
            case "parentheses":
                return self.value(parts[1], state, after)
            case "finite_set_literal":
                return {self.value(part, state, after) for part in parts if part.type not in "{,}"}
            case "bound_postfix_op":
                return after[self.said(parts[0])]
            case "bound_prefix_op" if parts[0].type == "lnot":
                return not self.value(parts[1], state, after)
            case "case":
                for arm in parts:
                    if arm.type == "other_arm" or (
                        arm.type == "case_arm" and self.value(arm.children[0], state, after)
                    ):
                        return self.value(arm.children[2], state, after)
                raise AssertionError(f"no case fits: {self.said(node)}")
            case "bound_infix_op":
                return self.infix(parts[1].type, parts[0], parts[2], state, after)
        raise AssertionError(f"this reader does not know {node.type}: {self.said(node)}")

    def infix(self, sign: str, left: Any, right: Any, state: Values, after: Values) -> bool:
        first = self.value(left, state, after)
        match sign:
            case "land":
                return bool(first and self.value(right, state, after))
            case "lor":
                return bool(first or self.value(right, state, after))
            case "eq":
                return bool(first == self.value(right, state, after))
            case "neq":
                return bool(first != self.value(right, state, after))
            case "in":
                return first in self.value(right, state, after)
            case "notin":
                return first not in self.value(right, state, after)
        raise AssertionError(f"this reader does not know {sign}")
