"""A model's own plans: without them the papers' numbers, in the key of every edit, refused where they do not fit."""

from __future__ import annotations

import ast
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import tiny_kinds
import torch
from test_architecture import FILES, place

from dumo_bench.baselines import esd, receler
from dumo_bench.baselines.ca import CA
from dumo_bench.baselines.eap import EAP
from dumo_bench.baselines.esd import ESD
from dumo_bench.baselines.receler import Receler
from dumo_bench.baselines.sce import SCE
from dumo_bench.baselines.sdd import SDD
from dumo_bench.baselines.speed import SPEED
from dumo_bench.engines.local import Local
from dumo_bench.errors import UserError
from dumo_bench.hosts import models, plans, sd
from dumo_bench.kit import linear
from dumo_bench.kit.latents import Trajectory
from dumo_bench.methods import dumo_recipe
from dumo_bench.methods.dumo import DuMo
from dumo_bench.plugins import loading
from dumo_bench.run import given, plan, steps
from dumo_bench.run.session import Session
from dumo_bench.storage.edits import read as read_edit
from dumo_bench.types import digest

METHODS = ("uce", "rece", "esd", "receler", "dumo")
OWN = """
[linear]
ridge = 2.0
least = 0.05

[esd]
steps = 7
run = { steps = 3 }

[esd.shared]
steps = 9

[receler]
steps = 7

[dumo]
table_lr = 0.5
"""


@pytest.fixture
def model(tmp_path) -> Path:
    """A user's own copy of the random model, with plans."""
    shutil.copytree(tiny.folder(), tmp_path / "mine")
    (tmp_path / "mine" / "plans.toml").write_text(OWN)
    return tmp_path / "mine"


@pytest.fixture
def session(tiny_suite, tmp_path, model):
    """A session of a method on that model, as it is now."""

    def make(method: str, **settings) -> Session:
        request = plan.Request(method, str(tiny_suite), model=str(model), settings=settings)
        return Session(request, tmp_path / "out", Local(), "cpu")

    return make


def told(model: Path, old: str, new: str) -> None:
    """Change a number of the model's plans."""
    path = model / "plans.toml"
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))


def key(session: Session) -> str:
    return session.plan.parts[0].recipe.key


# what a plan is


def test_a_model_without_plans_has_the_papers_whatever_its_size():
    host = tiny.host()
    assert host.plans == {} and host.unet.config.cross_attention_dim == 32
    assert (ESD().plan(host), ESD(preset="2025").plan(host)) == (esd.PLANS["paper"], esd.PLANS["2025"])
    assert Receler().plan(host) == Receler().plan(host, 7) == receler.PLAN
    assert DuMo().plan(host) == DuMo().plan(host, 7) == dumo_recipe.PLAN
    assert linear.plan(host, "uce", 1) == linear.Plan(0.5, 0.1)


def test_a_user_s_folder_brings_its_own_plans_and_what_they_do_not_say_is_as_in_the_paper(model):
    host = sd.load(str(model))
    assert ESD().plan(host) == replace(esd.PLANS["paper"], steps=7, run=Trajectory(3))
    later = ESD(preset="2025", lr=0.1).plan(host, 2)
    assert later == replace(esd.PLANS["2025"], steps=9, lr=0.1, run=replace(esd.PLANS["2025"].run, steps=3))
    assert Receler().plan(host) == replace(receler.PLAN, steps=7)
    assert Receler(steps=3).plan(host, 4) == replace(receler.PLAN, steps=3)
    assert linear.plan(host, "uce", 1) == linear.Plan(2.0, 0.05)


def test_several_concepts_of_emoji_sd_learn_longer_and_retain_more():
    host = sd.load("emoji-sd")
    for method in (DuMo(), Receler()):
        one, several = method.plan(host), method.plan(host, 7)
        assert several.steps > one.steps and several.retain_prompts > one.retain_prompts and several.retain > one.retain
    assert Receler().parts(host, ["a", "b"]) == [("a", "b")]


ROOMS = {
    ("hosts", "unet"): "how wide a row is that is read",
    ("hosts", "sdxl"): "how wide a row is that is read",
    ("kit", "tokens"): "the shape of new vectors",
    ("formats", "dumo"): "of a published file, beside other shapes",
}


def test_no_code_asks_for_a_text_width_but_to_make_tensors_of_it():
    found = {place(path) for path in FILES if "cross_attention_dim" in path.read_text() and place(path)[0] != "emoji"}
    assert found == ROOMS.keys()


def test_no_method_s_file_holds_a_plan_of_emoji_sd():
    """Its name stands in what is said of choices, never in code."""
    for path in FILES:
        if place(path)[0] in ("baselines", "kit"):
            texts = [n.value for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant)]
            assert "emoji-sd" not in texts, path


# what a key says of it


def test_the_shipped_tables_are_those_with_which_the_first_edits_were_made():
    weights = models.content_hash("emoji-sd")
    shipped = plans.read(models.folder("emoji-sd"))
    made = {name: digest(table) for name, table in shipped.items()}
    assert plans.of(made, plans.FIRST[weights]) == plans.FIRST[weights]
    assert {name for name in made if plans.key(shipped, [name], weights)} == made.keys() - plans.FIRST[weights].keys()
    for name in METHODS:
        tables = loading.load("methods", name).tables
        assert plans.key(shipped, tables, weights) == ""
        assert plans.key(shipped, tables, "another model's hash") != ""
        assert plans.key({}, tables, weights) != ""  # the same weights by the paper's numbers
        assert plans.key({}, tables, "another model's hash") == ""


def test_plans_are_outside_of_the_model_s_hash(model):
    before = models.content_hash(str(model))
    (model / "plans.toml").unlink()
    assert models.content_hash(str(model)) == before == models.content_hash(str(tiny.folder()))


@pytest.mark.parametrize("name", ["uce", "rece"])
@pytest.mark.parametrize(("old", "new"), [("ridge = 2.0", "ridge = 3.0"), ("least = 0.05", "least = 0.3")])
def test_a_changed_number_of_the_closed_forms_is_seen_and_the_edit_fitted_anew(session, model, name, old, new):
    many = {"preserve": [f"thing {i}" for i in range(9)]}
    (first,) = steps.fit(session(name, **many))
    assert steps.fit(session(name, **many)) == [first]
    told(model, old, new)
    (second,) = steps.fit(session(name, **many))
    assert second != first
    one, other = (read_edit(path) for path in (first, second))
    assert any(not torch.equal(tensor, other.tensors[k]) for k, tensor in one.tensors.items())
    assert other.header["plans"] == plans.of(plans.read(model), ["linear"])


@pytest.mark.parametrize("name", ["uce", "rece"])
def test_a_closed_form_s_own_table_stands_on_top_of_the_shared_one_and_that_of_several_concepts_on_top(model, name):
    with (model / "plans.toml").open("a") as file:
        file.write(f"[linear.shared]\nridge = 3.0\n[{name}]\nleast = 0.2\n[{name}.shared]\nleast = 0.3\n")
    host, other = sd.load(str(model)), {"uce": "rece", "rece": "uce"}[name]
    assert linear.plan(host, name, 1) == linear.Plan(2.0, 0.2)
    assert linear.plan(host, name, 2) == linear.Plan(3.0, 0.3)
    assert linear.plan(host, other, 2) == linear.Plan(3.0, 0.05)


@pytest.mark.parametrize("name", ["uce", "rece"])
def test_a_number_of_a_closed_form_s_own_table_is_the_one_that_it_is_fitted_with(session, model, name):
    (model / "plans.toml").write_text(f"[linear]\nridge = 3.0\n[{name}]\nridge = 5.0\n")
    (path,) = steps.fit(session(name))
    assert read_edit(path).header["ridge_used"] == 5.0 * {"uce": 1, "rece": 0.2}[name]


@pytest.mark.parametrize("name", ["uce", "esd"])
def test_what_a_model_says_of_its_vocabulary_is_in_the_key_of_what_is_learnt_from_it(session, model, name):
    before = key(session(name))
    (model / "world.json").write_text('{"objects": ["cat", "dog"]}')
    one = key(session(name))
    (model / "world.json").write_text('{"objects": ["cat", "dog", "owl"]}')
    assert len({before, one, key(session(name))}) == 3
    (model / "world.json").unlink()
    assert key(session(name)) == before


def test_the_first_edits_of_emoji_sd_were_made_with_the_vocabulary_that_ships():
    words = models.world(models.folder("emoji-sd"))
    assert {models.content_hash("emoji-sd"): digest(words)} == given.FIRST


def test_a_changed_step_of_a_plan_is_trained_anew(session, model):
    short = tiny.QUICK["esd"] | {"steps": 1}
    lines = [f"{k} = {v}" for k, v in short.items() if not isinstance(v, dict)]
    (model / "plans.toml").write_text("\n".join(["[esd]", *lines, "run = { steps = 2 }"]))
    made = steps.fit(session("esd"))
    told(model, "retain = 3.0", "retain = 30.0")
    again = steps.fit(session("esd"))
    assert made != again
    one, other = (read_edit(paths[0]).header["curves"]["esd"] for paths in (made, again))
    assert len(one) == len(other) == 1


@pytest.mark.parametrize("name", METHODS)
def test_any_number_that_a_method_reads_is_in_its_key_and_no_other(session, model, name):
    tables = loading.load("methods", name).tables
    for table, old, new in (
        ("linear", "least = 0.05", "least = 0.06"),
        ("esd", "run = { steps = 3 }", "run = { steps = 4 }"),
        ("esd", "steps = 9", "steps = 8"),
        ("receler", "[receler]\nsteps = 7", "[receler]\nsteps = 8"),
        ("dumo", "table_lr = 0.5", "table_lr = 0.6"),
    ):
        before = key(session(name))
        told(model, old, new)
        assert (key(session(name)) != before) == (table in tables), (table, old)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_fitted_with_the_tables_of_its_key_and_no_others(session, name):
    part = session(name).plan.parts[0]
    host = part.given.to(tiny.quick_host())
    assert host.plans.keys() == set(loading.load("methods", name).tables) & {"linear", "esd", "receler", "dumo"}


def test_parts_of_an_edit_say_the_plan_as_well(session, model, tiny_suite):
    tiny_suite.write_text(tiny_suite.read_text().replace('erase = ["cat"]', 'erase = ["cat", "dog"]'))
    (model / "plans.toml").write_text("[receler]\nsteps = 1\ninner = 1\nrank = 2\nrun = { steps = 2 }\nrows = 1\n")
    steps.fit(session("receler"))
    told(model, "rank = 2", "rank = 3")
    (path,) = steps.fit(session("receler"))
    assert len(list(path.parent.glob("*.safetensors"))) == 6
    assert {len(t) for k, t in read_edit(path).tensors.items() if k.endswith("down.bias")} == {3}


# what does not fit


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[esd]\nstep = 3", r"plans.toml: \[esd\]: nothing is called 'step'. Did you mean 'steps'\?"),
        ("[esd]\nsteps = 2.5", r"plans.toml: \[esd\]: steps takes int, got 2.5"),
        ("[esd]\nsteps = -1", r"plans.toml: \[esd\]: steps takes a number in \[0, inf\), got -1"),
        ("[esd]\nema = 1.0", r"plans.toml: \[esd\]: ema takes a number in \[0, 1\), got 1.0"),
        ("[esd]\nlr = nan", r"plans.toml: \[esd\]: lr takes finite numbers, got nan"),
        ("[esd]\nrun = 20", r"plans.toml: esd.run takes a table, got 20"),
        ("[esd]\nrun = { steps = 0 }", r"plans.toml: \[esd.run\]: steps takes a number in \[1, inf\), got 0"),
        (
            '[esd]\nrun = { align = "bins" }',
            r"plans.toml: \[esd.run\]: align is one of bin, level, compvis",
        ),
        ("[esd]\nshared = 2", r"plans.toml: esd.shared takes a table, got 2"),
        ("[esd.shared]\nstep = 2", r"plans.toml: \[esd.shared\]: nothing is called 'step'"),
        ("steps = 3", r"plans.toml: 'steps' stands above all tables: put it below a method, as in \[esd\]"),
        ("[esd", "plans.toml cannot be read: "),
        ("[esd]\nsteps = 1979-05-27", "plans.toml: wanted numbers, texts and tables of them, got "),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line_before_any_step(session, model, text, says):
    (model / "plans.toml").write_text(text)
    with pytest.raises(UserError, match=says) as error:
        steps.fit(session("esd"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "table"), [("uce", "linaer"), ("sld", "sld"), ("negative", "negative")])
def test_a_table_that_no_method_reads_is_told_and_in_no_key(session, model, caplog, name, table):
    (model / "plans.toml").unlink()
    before = key(session(name))
    (model / "plans.toml").write_text(f"[{table}]\nridge = 3.0\n")
    steps.fit(session(name))
    said = f"warning: no method here reads the table [{table}] of the model's plans.toml"
    assert said in [record.getMessage() for record in caplog.records]
    assert key(session(name)) == before


@pytest.mark.parametrize("name", loading.names("methods"))
def test_a_method_that_names_a_table_refuses_what_it_does_not_know_in_it(session, model, name):
    method = loading.load("methods", name)
    if method.kinds and "sd" not in method.kinds:  # a model of a kind that it knows takes the other's place
        shutil.rmtree(model)
        known = next(made for made in tiny_kinds.MAKE if tiny_kinds.KIND[made] in method.kinds)
        shutil.copytree(tiny_kinds.folder(known), model)
    for table in method.tables:
        (model / "plans.toml").write_text(f"[{table}]\nno_such_number = 1\n")
        with pytest.raises(UserError, match=rf"plans.toml: \[{table}\]: nothing is called 'no_such_number'"):
            steps.fit(session(name))


@pytest.mark.parametrize("cls", [CA, EAP, SCE, SDD, SPEED])
def test_the_bounds_of_a_methods_settings_are_those_of_its_plan(cls):
    module = sys.modules[cls.__module__]
    assert {name: module.Plan.bounds[name] for name in cls.bounds if name in module.Plan.bounds} == dict(cls.bounds)
