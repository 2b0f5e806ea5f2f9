"""Who may import whom, as one table, read from the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: package or module -> what of this project it may import, anywhere in its code
MAY: dict[str, set[str]] = {
    "types": set(),
    "files": set(),
    "names": {"types"},
    "settings": {"types", "names"},
    "plugins": {"types", "names", "settings"},
    "models": {"types", "files", "names"},
    "columns": {"types"},
    "table": {"types", "columns", "store"},
    "store": {"types", "files"},
    "jobs": {"types"},
    "progress": set(),
    "resume": {"types", "store"},
    "promptsets": {"types", "files", "names", "jobs", "promptsets"},
    "blocks": {"types", "promptsets"},
    "suitefile": {"types", "names", "blocks", "promptsets"},
    "suites": {"types", "files", "names", "plugins", "suitefile"},
    "sizes": {"types"},
    "metrics": {"metrics"},
    "emoji": {"types", "emoji", "sd", "sample", "progress"},
    "sd": {"types", "models"},  # models says where a name lies
    "sample": {"types", "sd"},
    "kit": {"types", "names", "sd", "sample", "kit", "progress", "resume"},
    "formats": {"types", "models", "sd", "kit", "formats"},
    "export": {"types", "models", "store", "formats"},
    "methods": {"types", "names", "sd", "sample", "kit", "formats", "methods"},
    "scorers": {"types", "files", "metrics", "scorers", "emoji"},
    "work": {"types", "sd", "sample", "store", "progress", "resume"},
    "stamp": {"types"},
    "score": {"types", "table", "stamp"},
    "derived": {"types", "metrics"},
    "expected": {"types", "derived"},
    "summary": {"types", "table", "columns", "metrics", "derived", "expected"},
    "validity": {"table", "derived", "summary"},
    "pairs": {"table", "metrics", "derived", "validity"},
    "compare": {"types", "names", "table", "metrics", "derived", "summary", "validity", "pairs"},
    "knowns": {"types", "sd", "sample", "suites", "knowns"},
    "claims": {"table", "derived", "summary", "pairs", "compare"},
    "selftest": {"claims", "compare"},
    # of scorers the counting conventions alone
    "published": {"types", "files", "table", "summary", "metrics", "scorers", "validity", "published"},
    "report": {"types", "table", "columns", "derived", "expected", "summary", "validity", "pairs", "store", "report"}
    | {"jobs", "manifest"},
    "peek": {"types", "names", "plugins", "settings"},
    "plan": {"types", "names", "jobs", "models", "sizes", "suites", "store"},
    "manifest": {"types", "jobs", "plan", "store"},
    "doctor": {"types", "models", "plugins", "suites"},
}
#: nobody imports these, they import anybody
ABOVE = {"cli", "cli_compare", "cli_export", "cli_nudenet", "cli_paper", "cli_prompts", "cli_selftest", "commands"}
BASELINES = {"types", "sd", "sample", "kit"}
#: who reads tables and makes tables
OF_TABLES = {
    "derived",
    "expected",
    "validity",
    "pairs",
    "compare",
    "published",
    "claims",
    "selftest",
    "summary",
    "report",
}

#: who never needs it, even inside a function
NEVER: dict[str, set[str]] = {
    "torch": {"types", "files", "names", "settings", "plugins", "models", "columns", "table", "jobs", "blocks", "peek"}
    | {"suites", "plan", "manifest", "progress", "suitefile", "sizes", "promptsets"}
    | OF_TABLES,
    "diffusers": {"scorers", "metrics", "report", "summary", "score", "store"},
}
#: who may import these at the top of a file
AT_THE_TOP: dict[str, set[str]] = {
    "torch": {"sd", "sample", "kit", "formats", "methods", "knowns", "work", "emoji", "metrics", "baselines"},
    "pandas": set(),
    "pyarrow": set(),
    "transformers": {"emoji"},
    "diffusers": {"emoji"},
    "matplotlib": set(),
    "nudenet": set(),
    "numpy": {"metrics", "scorers", "emoji"} | OF_TABLES,
    "PIL": {"scorers", "emoji"},
    "rich": {"commands"},
    "typer": {"cli", "cli_export", "cli_compare", "cli_paper", "cli_selftest", "cli_nudenet", "cli_prompts"},
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


def wrong(mine: str, tree: ast.AST) -> list[str]:
    """What the code of a unit imports and may not, each with its line."""
    may = BASELINES if mine == "baselines" else MAY.keys() | ABOVE if mine in ABOVE else MAY.get(mine, set())
    whole, top = list(imports(tree)), list(imports(tree, top=True))
    strangers = [(n, name) for n, name in whole if own(name) not in {None, "__version__", *may}]
    early = [(n, name) for n, name in top if mine not in AT_THE_TOP.get(name.split(".")[0], {mine})]
    never = [(n, name) for n, name in whole if mine in NEVER.get(name.split(".")[0], ())]
    return [f"line {n}: {name}" for n, name in sorted({*strangers, *early, *never})]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_what_it_may(path):
    assert wrong(unit(path), ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    ("mine", "code", "says"),
    [
        ("types", "import torch", ["line 1: torch"]),
        ("table", "import pandas as pd", ["line 1: pandas"]),
        ("table", "def f():\n import pandas as pd", []),
        ("report", "def f():\n from torch import nn", ["line 2: torch.nn"]),
        ("plan", "if TYPE_CHECKING:\n import torch", []),
        ("scorers", "def f():\n import diffusers", ["line 2: diffusers"]),
        ("scorers", "from dumo_bench import store", ["line 1: dumo_bench.storage.store"]),
        ("metrics", "from dumo_bench.types import Score", ["line 1: dumo_bench.types.Score"]),
        ("methods", "from dumo_bench.baselines.uce import UCE", ["line 1: dumo_bench.baselines.uce.UCE"]),
        ("baselines", "from dumo_bench.methods import dumo", ["line 1: dumo_bench.methods.dumo"]),
        ("score", "from dumo_bench.commands import running", ["line 1: dumo_bench.run.running"]),
    ],
)
def test_a_planted_import_is_found(mine, code, says):
    assert wrong(mine, ast.parse(code)) == says


def test_scorers_know_of_emoji_only_where_its_weights_lie():
    names = {name for path in FILES if unit(path) == "scorers" for _, name in found(path) if own(name) == "emoji"}
    assert names == {"dumo_bench.emoji.WEIGHTS"}


def test_importing_what_needs_no_model_loads_nothing_heavy():
    """The table speaks of files, this of what they pull in together."""
    light = [*sorted(MAY.keys() - AT_THE_TOP["torch"] - AT_THE_TOP["numpy"]), "cli", "commands.running", "doctor"]
    heavy = sorted(AT_THE_TOP.keys() - {"rich", "typer"})
    code = (
        f"import sys\nfor name in {light}: __import__('dumo_bench.' + name)\n"
        f"print([library for library in {heavy} if library in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


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
    long = [
        f"{path}:{node.lineno}: {node.name}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert long == []
