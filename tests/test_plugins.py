from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from importlib.metadata import EntryPoint

import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from dumo_bench.errors import UserError
from dumo_bench.interfaces import Method
from dumo_bench.plugins import loading, settings, static

METHOD = '''
from dataclasses import dataclass
from typing import ClassVar, Literal

from dumo_bench.interfaces import Method

@dataclass(frozen=True)
class Mine(Method):
    name: ClassVar[str] = "mine"
    version: ClassVar[str] = "3"
    cite: ClassVar[str] = "a test"
    ridge: float = 0.5
    steps: int | None = None
    mode: Literal["a", "b"] = "a"
    keep: tuple[str, ...] = ()
    gate: bool = True
    decay: float = 0.5
    bounds: ClassVar[dict[str, str]] = {"steps": "[0, inf)", "decay": "[0, 1)"}

    def fit(self, host, erase, *, seed):
        """Learns nothing."""
'''


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(METHOD)
    return f"{path}:Mine"


def test_a_method_is_found_in_a_file(mine):
    assert loading.make("methods", mine).ridge == 0.5


def test_a_setting_without_a_default_is_asked_for(tmp_path):
    (tmp_path / "bare.py").write_text(METHOD.replace("ridge: float = 0.5", "ridge: float"))
    with pytest.raises(UserError, match="ridge has no default: say ridge=VALUE"):
        loading.make("methods", f"{tmp_path}/bare.py:Mine", {"steps": 3})
    assert loading.make("methods", f"{tmp_path}/bare.py:Mine", {"ridge": 1}).ridge == 1.0


def test_a_file_is_imported_once(mine):
    assert loading.load("methods", mine) is loading.load("methods", mine)


def test_a_method_is_found_by_module_and_thing():
    from dumo_bench.methods.original import Original

    assert loading.load("methods", "dumo_bench.methods.original:Original") is Original


@pytest.mark.parametrize("name", loading.names("methods"))
def test_every_listed_method_is_a_method(name):
    assert isinstance(loading.make("methods", name), Method)
    assert loading.load("methods", name).name == name


@pytest.mark.parametrize("name", loading.names("scorers"))
def test_every_listed_scorer_has_its_listed_name(name):
    assert loading.load("scorers", name).name == name


def test_listing_names_imports_no_plugin():
    code = (
        "import sys; from dumo_bench.plugins import loading; loading.names('methods');"
        "from dumo_bench.suites import registry; registry.names();"
        "print([m for m in ('torch', 'pandas', 'transformers', 'dumo_bench.baselines.uce') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_an_unknown_name_says_the_nearest_and_all():
    with pytest.raises(UserError, match=r"nothing is called 'ucee'. Did you mean 'uce'\? Known: .*dumo.*, uce"):
        loading.load("methods", "ucee")


def test_two_providers_of_one_name_are_an_error_that_shows_both(monkeypatch):
    twins = [EntryPoint("uce", f"{place}:UCE", "dumo_bench.methods") for place in ("one.uce", "two.uce")]
    monkeypatch.setattr(loading, "entry_points", lambda group: twins)
    with pytest.raises(UserError, match=r"'uce' is provided twice, by one.uce:UCE .* and by two.uce:UCE"):
        loading.names("methods")


def test_one_thing_installed_twice_is_no_error(monkeypatch):
    same = [EntryPoint("uce", "one.uce:UCE", "dumo_bench.methods")] * 2
    monkeypatch.setattr(loading, "entry_points", lambda group: same)
    assert loading.names("methods") == ("uce",)


def test_an_import_error_inside_a_plugin_is_shown(tmp_path):
    (tmp_path / "broken.py").write_text("import no_such_library\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        loading.load("methods", f"{tmp_path / 'broken.py'}:Mine")


def test_a_broken_plugin_is_tried_again_once_it_is_mended(tmp_path):
    path = tmp_path / "mended.py"
    path.write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        loading.load("methods", f"{path}:Mine")
    path.write_text(METHOD + "\n# mended\n")
    assert loading.make("methods", f"{path}:Mine").ridge == 0.5


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("no_such_module:X", "no module"),
        (":X", "'' names no module"),
        (".:X", "'.' names no module"),
        (".relative:X", "'.relative' names no module"),
        ("nowhere/x.py:X", "no such file"),
        ("dumo_bench.types:Drow", "Did you mean 'Draw'"),
    ],
)
def test_a_place_that_is_not_there_is_said_in_one_line(spec, says):
    with pytest.raises(UserError, match=says) as error:
        loading.load("methods", spec)
    assert "\n" not in str(error.value)


def test_settings_are_read_as_toml_values_or_else_as_text():
    assert settings.parse(["a=1", "b=0.5", "c=true", 'd=["x"]', "e=plain words", "f=", "g= 2 "]) == {
        "a": 1, "b": 0.5, "c": True, "d": ["x"], "e": "plain words", "f": "", "g": 2,
    }  # fmt: skip


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_a_setting(text):
    assert set(settings.parse([f"key={text}"])) == {"key"}


def test_settings_take_the_type_of_their_field(mine):
    made = loading.make("methods", mine, {"ridge": 2, "keep": ["a", "b"], "steps": 4})
    assert (made.ridge, made.keep, made.steps) == (2.0, ("a", "b"), 4)
    assert isinstance(made.ridge, float)
    assert loading.make("methods", mine, {"steps": "none"}).steps is None
    assert loading.make("methods", mine, {"keep": "a"}).keep == ("a",)  # --set keep=a


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({"rigde": 1}, "Did you mean 'ridge'"),
        ({"ridge": "much"}, "takes float, got 'much'"),
        ({"gate": 1}, "takes bool"),
        ({"steps": 0.5}, "takes int | None"),
        ({"mode": "c"}, "one of a, b"),
        ({"steps": -1}, r"steps takes a number in \[0, inf\), got -1"),
        ({"decay": 1}, r"decay takes a number in \[0, 1\), got 1.0"),
        ({"decay": float("nan")}, r"decay takes finite numbers, got nan"),
    ],
)
@pytest.mark.parametrize("make", [lambda s, v: loading.make("methods", s, v), static.make])
def test_a_wrong_setting_is_said_in_one_line(mine, given_, says, make):
    with pytest.raises(UserError, match=says.replace("|", r"\|")):
        make(mine, given_)


def test_the_ends_of_an_interval_are_in_it_or_not_as_it_says(mine):
    assert loading.make("methods", mine, {"steps": 0, "decay": 0, "ridge": -2}).steps == 0


NONSENSE = {
    "dumo": [{"steps": -1}, {"lr": 0}, {"lr": -1e-3}],
    "esd": [{"steps": -1}, {"lr": 0}, {"ema": 1}, {"ema": -0.1}],
    "mace": [{"lora_steps": -1}, {"lr": 0}, {"ridge": 0}, {"pictures": 0}],
    "spm": [{"anchors": -1}, {"anchoring": -1}, {"lr": 0}, {"rank": 0}],
    "receler": [{"steps": -1}, {"lr": 0}, {"rank": 0}, {"inner": 0}],
    "uce": [{"ridge": 0}, {"ridge": -1}],
    "rece": [{"ridge": 0}, {"start_ridge": 0}, {"regular": 0}, {"epochs": -1}, {"epochs_of_several": -1}],
}


@pytest.mark.parametrize(("name", "wrong"), [(name, wrong) for name, every in NONSENSE.items() for wrong in every])
@pytest.mark.parametrize("make", [lambda s, v: loading.make("methods", s, v), static.make])
def test_a_number_that_is_nonsense_is_refused_with_what_is_wanted(name, wrong, make):
    (key,) = wrong
    with pytest.raises(UserError, match=rf"settings of {name}: {key} takes a number in .*, got {float(wrong[key]):g}"):
        make(name, wrong)


@pytest.mark.parametrize("name", loading.names("methods"))
def test_the_bounds_of_a_method_are_of_its_fields_and_hold_its_own_settings(name):
    cls = loading.load("methods", name)
    usual = {field.name: field.default for field in fields(cls)}
    assert cls.bounds.keys() <= usual.keys()
    for task in ({}, *cls.by_task.values()):
        loading.make("methods", name, {**usual, **task})


@pytest.mark.parametrize("name", loading.names("methods"))
def test_a_method_read_from_its_source_makes_the_recipe_of_the_real_one(name):
    from dumo_bench.run import jobs

    made = [make(name, tiny.given(name)) for make in (static.make, lambda s, v: loading.make("methods", s, v))]
    one, other = (jobs.recipe(m, ["cat"], fit_seed=0, model="m").key for m in made)
    assert one == other


def test_what_a_plugin_is_about_is_read_without_importing_the_packages_above_it(tmp_path, monkeypatch):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "__init__.py").write_text("1 / 0\n")
    (tmp_path / "theirs" / "mine.py").write_text(f'"""Mine: does this.\n\nAnd more.\n"""\n{METHOD}')
    monkeypatch.syspath_prepend(tmp_path)
    assert static.about("theirs.mine:Mine") == "Mine: does this."
    assert static.about("theirs.other:Mine") == static.about("nobodys.mine:Mine") == ""
    assert static.make("theirs.mine:Mine", {"ridge": 2}).ridge == 2.0


def test_a_method_whose_defaults_are_computed_is_imported_after_all(tmp_path):
    path = tmp_path / "computed.py"
    path.write_text(METHOD.replace("0.5", "HALF").replace("@dataclass", "HALF = 0.25\n@dataclass"))
    assert static.make(f"{path}:Mine", {}).ridge == 0.25


def test_a_value_behind_the_name_sets_the_field_that_the_plugin_takes():
    assert loading.make("scorers", "nudenet@RGB").order == "RGB"
    with pytest.raises(UserError, match=r"the channel order is BGR or RGB .* got 'red'"):
        loading.make("scorers", "nudenet@red")
    with pytest.raises(UserError, match="original takes nothing behind @"):
        loading.make("methods", "original@x")


FILE = """
import dumo_bench.interfaces as hooks
from dumo_bench.baselines.uce import UCE
from dumo_bench.interfaces import Method, Scorer as Eye
raise SystemExit("a plan runs nothing")
class Mine(Method): ...
class Heir(UCE): ...
class Grandchild(Mine): ...
class Dotted(hooks.Method): ...
class Sharp(Eye): ...
class _Hidden(Method): ...
class Value: ...
"""


@pytest.mark.parametrize(
    ("option", "names"),
    [("--method", ["Mine", "Heir", "Grandchild", "Dotted"]), ("--scorers", ["Sharp"])],
)
def test_a_file_without_a_class_is_answered_with_the_classes_that_it_holds(command, tmp_path, option, names):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    words = {"--method": "uce", "--suite": "emoji-cartoon", option: path}
    said = command("plan", *(word for pair in words.items() for word in pair))
    assert said.code == 2
    assert said.err.strip().endswith(" or ".join(f"{path}:{name}" for name in names))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("class Value: ...", "no class in it inherits Method"),
        ("class (", "is no Python"),
        (None, "no such file (path/to/file.py:Thing)"),
    ],
)
def test_a_file_that_holds_no_method_says_so(command, tmp_path, text, says):
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    said = command("plan", "--method", path, "--suite", "emoji-cartoon")
    assert said.code == 2 and says in said.err and len(said.err.splitlines()) == 1
