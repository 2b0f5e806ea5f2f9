"""Who may import whom, as one table, read from the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: room -> what of this project it may import, anywhere in its code; those of EVERYBODYS are everybody's
MAY: dict[str, set[str]] = {
    "errors": set(),
    "citation": set(),  # what to cite, a value
    "types": set(),
    "progress": set(),
    "texts": set(),  # texts of others, made harmless to show
    "fields": set(),  # values of TOML and of options, with the types that a dataclass declares
    "interfaces": {"hosts"},  # what can be extended; a default may need the host
    "metrics": set(),  # pure functions of arrays
    "storage": set(),  # one write, one hash, one place a thing
    "plugins": {"interfaces", "storage"},
    "suites": {"plugins", "storage"},
    "hosts": {"storage"},
    "emoji": {"hosts", "storage"},
    "kit": {"hosts", "scorers", "storage"},  # of scorers how a picture is read
    "formats": {"hosts", "kit", "storage"},
    "methods": {"hosts", "interfaces", "kit", "formats"},
    "baselines": {"hosts", "interfaces", "kit"},
    "attacks": {"hosts", "interfaces", "kit"},
    "scorers": {"emoji", "interfaces", "metrics", "storage"},
    "analysis": {"metrics", "scorers", "storage"},  # of scorers the counting conventions alone
    # of scorers how a picture is read
    "run": {"analysis", "hosts", "interfaces", "kit", "metrics", "plugins", "scorers", "storage", "suites"},
    "engines": {"run"},  # where what `run` splits into tasks is done
    "published": {"analysis", "metrics", "scorers", "storage"},  # of scorers the counting conventions alone
    "papers": {"api", "hosts", "plugins", "published", "run", "storage", "suites"},  # published tables run again
    "report": {"analysis", "run", "storage", "suites"},
    "view": {"report", "storage"},
    "selftest": {"analysis", "hosts", "interfaces", "storage", "suites"},
    "api": {"analysis", "engines", "plugins", "report", "run", "storage", "suites"},  # what programs call, cli too
}
EVERYBODYS = {"errors", "citation", "types", "progress", "texts", "fields"}
#: nobody imports it, it imports anybody
ABOVE = {"cli"}

#: who never needs it, even inside a function: a room, or a module of one
NEVER: dict[str, set[str]] = {
    "torch": EVERYBODYS
    | {"interfaces", "storage", "plugins", "suites", "analysis", "published", "papers", "report", "view", "api"}
    | {"hosts.models", "hosts.samplers", "hosts.flows", "hosts.kinds", "hosts.plans"}
    | {"run.inventory", "run.given", "run.plan", "run.jobs", "run.manifest", "run.resize", "run.score"}
    | {"selftest.checks", "selftest.expectations"},
    "diffusers": {"scorers", "metrics", "report", "view", "analysis", "storage", "run.score"},
}
#: who may import these at the top of a file
AT_THE_TOP: dict[str, set[str]] = {
    "torch": {
        "hosts.sd",
        "hosts.parts",
        "hosts.unet",
        "hosts.flux",
        "hosts.sdxl",
        "hosts.sd3",
        "hosts.sample",
        "hosts.starts",
        "hosts.fingerprint",
        "hosts.kv_cache",
        "kit",
        "formats",
        "methods",
        "attacks",
        "baselines",
        "selftest.controls",
        "run.work",
    }
    | {"emoji", "metrics"},
    "pandas": set(),
    "polars": set(),
    "pyarrow": set(),
    "transformers": {"emoji"},
    "diffusers": {"emoji"},
    "matplotlib": set(),
    "altair": set(),
    "vl_convert": set(),
    "nudenet": set(),
    "numpy": {"metrics", "scorers", "emoji", "analysis", "published", "papers", "report", "view", "selftest"},
    "PIL": {"scorers", "emoji"},
    "ray": set(),
    "rich": {"cli.planned", "cli.show"},
    "typer": {"cli"},
}

FILES = sorted(
    [p for p in ROOT.glob("dumo_bench/**/*.py") if "baselines" not in p.parts] + [*ROOT.glob("baselines/*.py")]
)


def place(path: Path) -> tuple[str, str]:
    """The room of a file and the module within it; ("", "") for the package itself."""
    inside = path.relative_to(ROOT).with_suffix("").parts
    if inside[0] == "baselines":
        return "baselines", inside[1]
    room = inside[1].removeprefix("__init__")
    return room, inside[2] if len(inside) > 2 else ""


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
    """The room that an import of this project is of."""
    parts = name.split(".")
    return parts[1] if parts[0] == "dumo_bench" and len(parts) > 1 else None


def found(path: Path, **how: bool) -> list[tuple[int, str]]:
    return list(imports(ast.parse(path.read_text()), **how))


def test_every_file_is_in_the_table():
    there = {place(path)[0] for path in FILES} - {""}
    assert there == MAY.keys() | ABOVE


def test_the_table_has_no_circle():
    left = {room: set(may) for room, may in MAY.items()}
    while free := {room for room, may in left.items() if not may & left.keys()}:
        left = {room: may for room, may in left.items() if room not in free}
    assert left == {}


def test_the_tree_fits_a_screen():
    assert len(MAY) + len(ABOVE) <= 29
    assert len(list((ROOT / "dumo_bench").glob("*.py"))) <= 8


def wrong(room: str, module: str, tree: ast.AST) -> list[str]:
    """What the code of a module imports and may not, each with its line."""
    mine = {room, f"{room}.{module}"}
    may = MAY.keys() | ABOVE if room in ABOVE else MAY.get(room, set()) | EVERYBODYS | {room}
    whole, top = list(imports(tree)), list(imports(tree, top=True))
    strangers = [(n, name) for n, name in whole if own(name) not in {None, "__version__", *may}]
    early = [(n, name) for n, name in top if not mine & AT_THE_TOP.get(name.split(".")[0], mine)]
    never = [(n, name) for n, name in whole if mine & NEVER.get(name.split(".")[0], set())]
    return [f"line {n}: {name}" for n, name in sorted({*strangers, *early, *never})]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_what_it_may(path):
    assert wrong(*place(path), ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    ("mine", "code", "says"),
    [
        ("types", "import torch", ["line 1: torch"]),
        ("storage.table", "import pandas as pd", ["line 1: pandas"]),
        ("storage.table", "def f():\n import pandas as pd", []),
        ("report.page", "def f():\n from torch import nn", ["line 2: torch.nn"]),
        ("run.plan", "if TYPE_CHECKING:\n import torch", []),
        ("run.plan", "def f():\n import torch", ["line 2: torch"]),
        ("run.work", "import torch", []),
        ("hosts.device", "import torch", ["line 1: torch"]),
        ("scorers.fid", "def f():\n import diffusers", ["line 2: diffusers"]),
        ("scorers.fid", "from dumo_bench.run import score", ["line 1: dumo_bench.run.score"]),
        ("metrics.kernel", "from dumo_bench.storage import files", ["line 1: dumo_bench.storage.files"]),
        ("methods.dumo", "from dumo_bench.baselines.uce import UCE", ["line 1: dumo_bench.baselines.uce.UCE"]),
        ("baselines.uce", "from dumo_bench.methods import dumo", ["line 1: dumo_bench.methods.dumo"]),
        ("run.score", "from dumo_bench.cli import show", ["line 1: dumo_bench.cli.show"]),
        ("hosts.sd", "from dumo_bench.errors import UserError", []),
    ],
)
def test_a_planted_import_is_found(mine, code, says):
    room, _, module = mine.partition(".")
    assert wrong(room, module, ast.parse(code)) == says


def test_scorers_know_of_emoji_only_where_its_weights_lie():
    names = {name for path in FILES if place(path)[0] == "scorers" for _, name in found(path) if own(name) == "emoji"}
    assert names == {"dumo_bench.emoji.WEIGHTS"}


def test_importing_what_needs_no_model_loads_nothing_heavy():
    """The table speaks of files, this of what they pull in together."""
    heavy = sorted(AT_THE_TOP.keys() - {"rich", "typer"})
    early = set.union(*(AT_THE_TOP[library] for library in heavy))
    light = [(room, module) for room, module in map(place, FILES) if not {room, f"{room}.{module}"} & early]
    names = [".".join(filter(None, ("dumo_bench", *one))).removesuffix(".__init__") for one in light]
    assert {"dumo_bench.run.plan", "dumo_bench.run.steps", "dumo_bench.cli.app", "dumo_bench.storage.table"} <= {*names}
    code = (
        f"import sys, importlib\nfor name in {names}: importlib.import_module(name)\n"
        f"print([library for library in {heavy} if library in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_baselines_do_not_import_one_another():
    files = [path for path in FILES if place(path)[0] == "baselines"]
    assert all(own(name) != "baselines" for path in files for _, name in found(path))


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
