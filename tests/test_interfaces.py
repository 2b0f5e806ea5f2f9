"""What a plugin has to be, and that nothing else is asked of one: every hook has its name and default in one file."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import ClassVar

import pytest

from dumo_bench import interfaces
from dumo_bench.errors import UserError
from dumo_bench.interfaces import Method, Plugin
from dumo_bench.plugins import checks, loading, static
from dumo_bench.run import jobs
from dumo_bench.types import SHOWN, Recipe

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "golden" / "recipes.json"
METHODS = loading.names("methods")
CONTROLS = [f"dumo_bench.selftest.controls.{n}:{n.title()}" for n in ("identity", "perfect", "shuffled", "blank")]

MINE = '''
from dataclasses import dataclass
from typing import ClassVar
from dumo_bench.interfaces import Method

@dataclass(frozen=True)
class Mine(Method):
    name: ClassVar[str] = "mine"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "a test"
    strength: float = 1.0

    def fit(self, host, erase, *, seed):
        """Learns nothing."""
'''


@pytest.fixture(params=["loaded", "read from its source"])
def refused(request, tmp_path):
    """`refused(text)`: in what words a file with a method is refused, however it is looked at."""

    def make(text: str) -> str:
        path = tmp_path / "mine.py"
        path.write_text(text)
        look = loading.make if request.param == "loaded" else lambda _, spec: static.make(spec, {})
        with pytest.raises(UserError) as error:
            look("methods", f"{path}:Mine")
        said = str(error.value)
        assert said.startswith(f"{path}:Mine: ") and "\n" not in said
        return said.removeprefix(f"{path}:Mine: ")

    return make


def test_a_base_class_adds_no_setting_and_so_nothing_to_a_recipe():
    every = [one for one in vars(interfaces).values() if isinstance(one, type) and issubclass(one, Plugin)]
    assert {Plugin, Method} <= set(every)
    assert not any(map(dataclasses.is_dataclass, every))


@pytest.mark.parametrize("spec", [*METHODS, *CONTROLS])
def test_every_method_inherits_the_interface_and_makes_its_hooks_alike(spec):
    cls = loading.load("methods", spec)
    assert issubclass(cls, Method)
    for name, hook in vars(Method).items():
        if inspect.isfunction(hook) and not name.startswith("_"):
            assert _parameters(getattr(cls, name)) == _parameters(hook), name


def _parameters(hook) -> list[tuple[str, inspect._ParameterKind]]:
    return [(name, one.kind) for name, one in inspect.signature(hook).parameters.items()]


@pytest.mark.parametrize("spec", [*METHODS, *CONTROLS])
def test_a_method_repeats_no_default(spec):
    cls = loading.load("methods", spec)
    again = [
        name
        for name in ("kinds", "needs", "by_task", "by_kind", "ours", "bounds")
        if name in vars(cls) and vars(cls)[name] == getattr(Method, name)
    ]
    assert again == []


def test_a_class_that_inherits_nothing_is_told_what_to_inherit_and_where_it_is(refused):
    said = refused(MINE.replace("Mine(Method)", "Mine"))
    assert "wanted a class that inherits Method of dumo_bench.interfaces, got class Mine(object)" in said
    assert "write `from dumo_bench.interfaces import Method` and `class Mine(Method):`" in said


def test_what_is_no_class_is_told_so(refused):
    said = refused("def Mine():\n    pass\n")
    assert "wanted a class that inherits Method of dumo_bench.interfaces, got an object of type function" in said


@pytest.mark.parametrize(
    ("line", "hook"),
    [
        ("    by_tasks: ClassVar[dict] = {}", "by_task"),
        ("    byTask: ClassVar[dict] = {}", "by_task"),
        ("    bound: ClassVar[dict] = {}", "bounds"),
        ("    bound: float = 1.0", "bounds"),
        ("    need = frozenset()", "needs"),
        ("    def part(self, host, erase):\n        return [erase]", "parts"),
        ("    def identify(self):\n        return {}", "identity"),
        ("    @property\n    def applies(self):\n        return 1\n\n    aply = applies", "apply"),
    ],
)
def test_a_name_that_is_nearly_a_hook_s_is_refused_and_the_hook_is_named(refused, line, hook):
    said = refused(f"{MINE}\n{line}\n")
    assert "is no hook" in said and f"Did you mean {hook!r}?" in said


@pytest.mark.parametrize("spec", [*METHODS, *CONTROLS])
def test_a_hook_with_one_letter_too_few_or_too_many_is_refused_of_every_method(spec):
    cls = loading.load("methods", spec)
    absent = checks.hooks(Method) - {name for one in cls.__mro__ if one not in Method.__mro__ for name in vars(one)}
    assert absent
    fewer = {hook[:i] + hook[i + 1 :] for hook in absent for i in range(len(hook))}
    more = {hook[:i] + hook[i] + hook[i:] for hook in absent for i in range(len(hook))}
    for wrong in fewer | more:
        with pytest.raises(UserError, match=f"Mine.{wrong} is no hook"):
            checks.check("methods", spec, type("Mine", (cls,), {wrong: 1}))


@pytest.mark.parametrize(
    "name", ["steps", "model", "paths", "rounds", "seeds", "start", "plan", "groups", "mode", "rank"]
)
def test_a_name_that_only_resembles_a_hook_s_is_a_setting_like_any_other(tmp_path, name):
    path = tmp_path / "mine.py"
    path.write_text(MINE.replace("strength", name))
    for one in (loading.make("methods", f"{path}:Mine"), static.make(f"{path}:Mine", {})):
        assert one.identity() == {name: 1.0}


@pytest.mark.parametrize("name", ["names", "parted", "cites", "fits"])
def test_a_name_is_no_misspelling_of_a_hook_that_is_there_as_well(tmp_path, name):
    path = tmp_path / "mine.py"
    path.write_text(f"{MINE}\n    def parts(self, host, erase):\n        return [erase]\n\n    {name}: int = 1\n")
    assert name in loading.make("methods", f"{path}:Mine").identity()


@pytest.mark.parametrize("name", ["name", "version", "cite"])
def test_what_a_method_does_not_say_of_itself_is_asked_for(refused, name):
    line = next(line for line in MINE.splitlines() if line.startswith(f"    {name}:"))
    assert refused(MINE.replace(line, "")) == f"Mine lacks `{name}: ClassVar[str] = ...`"


def test_a_method_that_cannot_learn_is_told_how_fit_is_written(refused):
    said = refused(MINE.replace("def fit", "def learn"))
    assert said == "Mine lacks `def fit(self, host, erase, *, seed)`"


def test_a_method_without_settings_is_a_dataclass_all_the_same(refused):
    said = refused(MINE.replace("@dataclass(frozen=True)", ""))
    assert said == "Mine is no dataclass, and its settings are its fields: write `@dataclass(frozen=True)` above it"


def test_a_ready_made_object_is_held_to_the_same_and_used_as_it_is(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(f"{MINE}\nhalf = Mine(strength=0.5)\nwrong = 3\n")
    for make in (loading.make, lambda _, spec: static.make(spec, {})):
        assert make("methods", f"{path}:half").strength == 0.5
        with pytest.raises(UserError, match=r"wanted a class that inherits Method of .*, got an object of type int"):
            make("methods", f"{path}:wrong")


def test_the_old_name_of_the_baselines_is_the_same_class():
    assert loading.load("methods", "baselines.uce:UCE") is loading.load("methods", "uce")
    assert type(static.make("baselines.uce:UCE", {})).__module__ == static.__name__  # read without its module
    assert loading.make("methods", "baselines.uce:UCE") == loading.make("methods", "uce")


class Attack(Plugin):
    """Another kind of thing that could be extended."""

    strong: ClassVar[float] = 1.0


@dataclass(frozen=True)
class Search(Attack):
    name: ClassVar[str] = "search"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "a test"


def test_another_kind_of_plugin_is_one_row_of_a_table(monkeypatch):
    monkeypatch.setattr(checks, "BASES", {**checks.BASES, "attacks": (Attack,)})
    known = [EntryPoint("search", "test_interfaces:Search", "dumo_bench.attacks")]
    monkeypatch.setattr(loading, "entry_points", lambda group: known if group == "dumo_bench.attacks" else [])
    assert loading.names("attacks") == ("search",)
    assert type(loading.make("attacks", "search")).__name__ == "Search"
    with pytest.raises(UserError, match="wanted a class that inherits Attack"):
        loading.load("attacks", "dumo_bench.methods.original:Original")


# recipes


def keys() -> dict[str, str]:
    """The key of each method's recipe, as it is and with its settings for each task."""
    found = {}
    for name in METHODS:
        cls = loading.load("methods", name)
        for task, own in {"": {}, **cls.by_task}.items() if name != "checkpoint" else ():
            method = loading.make("methods", name, own)
            recipe = jobs.recipe(method, ["cat"], fit_seed=0, model="m")
            found[" ".join(filter(None, (name, cls.version, task)))] = recipe.key
    return found


def test_a_recipe_keeps_its_key_until_its_method_has_a_new_version():
    assert json.loads(GOLDEN.read_text()) == keys(), "a changed recipe forgets every edit and picture of its method"


def test_the_recipes_of_the_stored_results_are_still_made():
    stored = [json.loads(path.read_text()) for path in (ROOT / "results" / "emoji-sd").glob("**/runs/*.json")]
    recipes = [said for one in stored for said in one["recipes"].values()]
    assert len(recipes) > 100
    for said in recipes:
        kept = Recipe(**{**said, "erase": tuple(said["erase"])})
        own = {name: value for name, value in kept.params.items() if name != SHOWN}
        method = loading.make("methods", kept.method, own)
        assert jobs.recipe(method, kept.erase, fit_seed=kept.fit_seed, model=kept.model).key == kept.key


# no hook is looked for by its name

#: room/file, call -> why it is no look for a hook
ALLOWED = {
    ("plugins/loading.py", "hasattr(module, thing)"): "of a module, what the user named",
    ("plugins/loading.py", "getattr(module, thing)"): "of a module, what the user named",
    ("run/resize.py", "getattr(thing, name)"): "of a prompt or a contract, its size",
    ("run/machine.py", "hasattr(os, 'sysconf')"): "of the system",
    ("plugins/versions.py", "getattr(scorer, scorer.takes)"): "of the field that the scorer declares",
    ("run/score.py", "getattr(found, name)"): "of a score",
    ("plugins/static.py", "getattr(line, 'value', None)"): "of a line of a source that is read",
    ("cli/diff.py", "getattr(one, table)"): "of a difference of folders",
}


def looks(text: str) -> set[str]:
    """Every `hasattr` and `getattr` of a source."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return {ast.unparse(call) for call in calls if ast.unparse(call.func) in ("hasattr", "getattr")}


def test_the_program_asks_a_plugin_for_nothing_that_its_interface_does_not_have():
    files = [path for room in ("plugins", "run", "cli") for path in (ROOT / "dumo_bench" / room).glob("*.py")]
    found = {(f"{path.parent.name}/{path.name}", call) for path in files for call in looks(path.read_text())}
    assert found == ALLOWED.keys()


def test_a_planted_look_for_a_hook_is_found():
    assert looks("own = getattr(method, 'identity', None)\nx.hasattr(1)\nif hasattr(m, 'parts'): pass") == {
        "getattr(method, 'identity', None)",
        "hasattr(m, 'parts')",
    }


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(keys(), indent=1) + "\n")
