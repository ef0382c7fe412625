"""Dependencies point one way: three floors, no import upwards; what is judged does not consult the judge."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("model", "conformance", "adapters", "diagrams", "kubephase", "tests")
ALLOWED = {
    "model": {"model"},
    "conformance": {"conformance", "model"},
    "diagrams": {"diagrams", "model"},
    "adapters": {"adapters", "conformance.runtime", "conformance.workload"},
}


def imports(path: Path) -> set[str]:
    """The modules of ours that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the floor"
            module = node.module or ""
            found |= {f"{module}.{alias.name}" for alias in node.names} if module in OURS else {module}
    return {name for name in found if name.split(".")[0] in OURS}


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        for name in imports(path):
            assert any(name == a or name.startswith(a + ".") for a in ALLOWED[package]), f"{path.name} imports {name}"


def test_the_machinery_knows_nothing_of_kubernetes() -> None:
    for path in (ROOT / "model" / "lts").rglob("*.py"):
        assert all(name.startswith("model.lts") for name in imports(path)), path
        text = path.read_text(encoding="utf-8").lower()
        assert not [word for word in ("kubelet", "restart", "container") if word in text], path


@pytest.mark.parametrize("module", ["runtime", "workload"])
def test_the_runtime_protocol_does_not_know_the_model(module: str) -> None:
    assert imports(ROOT / "conformance" / f"{module}.py") <= {"conformance.workload"}


def test_no_import_runs_in_a_circle() -> None:
    """Module by module, imports at the top of a file only: a circle there breaks the start of the program."""
    graph: dict[str, set[str]] = {}
    for package in ALLOWED:
        for path in (ROOT / package).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            graph[name] = imports(path)

    def modules(name: str) -> set[str]:
        return {m for m in (name, name.rpartition(".")[0]) if m in graph}

    edges = {name: set().union(*(modules(i) for i in found)) - {name} for name, found in graph.items()}
    done: set[str] = set()
    while ready := {name for name, found in edges.items() if name not in done and found <= done}:
        done |= ready
    assert done == set(edges), f"in a circle: {sorted(set(edges) - done)}"
