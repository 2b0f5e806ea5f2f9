"""Who may import whom, as one table. Read from the source: nothing is imported here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: package or module -> what of this project it may import, anywhere in its code
MAY: dict[str, set[str]] = {
    "types": set(),
    "names": {"types"},
    "settings": {"types", "names"},
    "plugins": {"types", "names", "settings"},
    "models": {"types", "names"},
    "columns": {"types"},
    "table": {"types", "columns", "store"},
    "store": {"types"},
    "jobs": {"types"},
    "progress": set(),
    "blocks": {"types"},
    "suites": {"types", "names", "plugins", "blocks"},
    "metrics": {"metrics"},
    "emoji": {"types", "emoji", "sd", "sample", "scorers", "store", "jobs", "models", "metrics", "work", "progress"},
    "sd": {"types", "models"},  # models says where a name lies
    "sample": {"types", "sd"},
    "kit": {"types", "sd", "sample", "kit", "progress"},
    "methods": {"types", "sd", "sample", "kit", "methods"},
    "scorers": {"types", "metrics", "scorers", "emoji"},
    "work": {"types", "sd", "sample", "store", "progress"},
    "score": {"types", "table"},
    "summary": {"types", "table", "columns", "metrics"},
    "report": {"types", "table", "columns", "summary", "store", "report"},
    "peek": {"types", "names", "plugins", "settings"},
    "plan": {"types", "names", "jobs", "models", "suites", "store"},
    "manifest": {"types", "plan", "store"},
    "doctor": {"types", "models", "plugins", "suites"},
}
ABOVE = {"cli", "commands"}  # nobody imports these, they import anybody
BASELINES = {"types", "sd", "sample", "kit"}

#: who never needs it, even inside a function
NEVER: dict[str, set[str]] = {
    "torch": {"types", "names", "settings", "plugins", "models", "columns", "table", "jobs", "blocks", "suites", "peek"}
    | {"plan", "manifest", "summary", "report", "progress"},
    "diffusers": {"scorers", "metrics", "report", "summary", "score", "store"},
}
#: who may import these at the top of a file
AT_THE_TOP: dict[str, set[str]] = {
    "torch": {"sd", "sample", "kit", "methods", "work", "emoji", "metrics", "baselines"},
    "pandas": set(),
    "pyarrow": set(),
    "transformers": {"emoji"},
    "diffusers": {"emoji"},
    "matplotlib": set(),
    "nudenet": set(),
    "numpy": {"metrics", "scorers", "summary", "emoji", "report"},
    "PIL": {"scorers", "emoji"},
    "rich": {"commands"},
    "typer": {"cli"},
}

FILES = sorted([*ROOT.glob("dumo_bench/**/*.py"), *ROOT.glob("baselines/**/*.py")])


def unit(path: Path) -> str:
    """The row of the table for a file: its folder within dumo_bench, or its own name; "" for the package."""
    inside = path.relative_to(ROOT).with_suffix("").parts
    return "baselines" if inside[0] == "baselines" else inside[1].removeprefix("__init__")


def imports(tree: ast.AST, *, top: bool = False) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import at run time; of those at the top of the file only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif not (top and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
            yield from imports(node, top=top)


def own(name: str) -> str | None:
    """The row that an import of this project is of."""
    parts = name.split(".")
    if parts[0] == "baselines":
        return "baselines"
    return parts[1] if parts[0] == "dumo_bench" and len(parts) > 1 else None


def found(path: Path, **how: bool) -> list[tuple[int, str]]:
    return list(imports(ast.parse(path.read_text()), **how))


def test_every_file_is_in_the_table():
    assert {unit(path) for path in FILES} - {"", "baselines"} <= MAY.keys() | ABOVE


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_it_imports_only_what_it_may(path):
    mine = unit(path)
    may = BASELINES if mine == "baselines" else MAY.keys() | ABOVE if mine in ABOVE else MAY.get(mine, set())
    wrong = [f"{path}:{n}: {name}" for n, name in found(path) if own(name) not in {None, "__version__", *may}]
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_libraries_are_imported_where_they_may_be(path):
    mine = unit(path)
    wrong = [
        f"{path}:{n}: {name}"
        for library in AT_THE_TOP
        for n, name in found(path, top=True)
        if name.split(".")[0] == library and mine not in AT_THE_TOP[library]
    ]
    wrong += [f"{path}:{n}: {name}" for n, name in found(path) if mine in NEVER.get(name.split(".")[0], ())]
    assert wrong == []


def test_baselines_do_not_import_one_another():
    assert all(own(name) != "baselines" for path in FILES if unit(path) == "baselines" for _, name in found(path))


def test_the_product_holds_no_test_code():
    tools = {"pytest", "hypothesis", "unittest", "tests", "fakes", "tiny", "conftest"}
    assert [name for path in FILES for _, name in found(path) if name.split(".")[0] in tools] == []


@pytest.mark.parametrize(
    ("code", "top", "whole"),
    [
        ("import torch", ["torch"], ["torch"]),
        ("def f():\n import torch", [], ["torch"]),
        ("if TYPE_CHECKING:\n import torch", [], []),
        ("class A:\n from a import b", ["a.b"], ["a.b"]),
        ("try:\n import a\nexcept E:\n import b", ["a", "b"], ["a", "b"]),
    ],
)
def test_imports_are_found_where_they_stand(code, top, whole):
    tree = ast.parse(code)
    assert [name for _, name in imports(tree, top=True)] == top
    assert [name for _, name in imports(tree)] == whole


def test_no_function_is_longer_than_sixty_lines():
    wrong = [
        f"{path}:{node.lineno}: {node.name}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert wrong == []
