"""What acts on what was learnt costs no fit of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import ClassVar

import pytest
import tiny
import torch
from fakes import Scaled

from dumo_bench.errors import UserError
from dumo_bench.interfaces import Method
from dumo_bench.plugins import checks
from dumo_bench.run import jobs, work
from dumo_bench.storage import edits, garbage, references
from dumo_bench.storage.store import Store
from dumo_bench.types import Edit


@dataclass(frozen=True)
class Counted(Method):
    """Scales as `Scaled` does, by `factor` of what it learnt; counts its fits."""

    name: ClassVar[str] = "counted"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "none"
    after_fit: ClassVar[frozenset[str]] = frozenset({"factor"})
    fits: ClassVar[list[tuple[str, ...]]] = []
    apart: bool = False
    factor: float = 2.0

    def parts(self, host, erase):
        return [(one,) for one in erase] if self.apart else [erase]

    def join(self, edits):
        return Edit({k: sum(e.tensors[k] for e in edits) / len(edits) for k in edits[0].tensors}, {})

    def fit(self, host, erase, *, seed):
        self.fits.append(tuple(erase))
        return self.finished(host, Scaled(factor=1.0 + len(erase[0])).fit(host, erase, seed=seed))

    def finished(self, host, learnt):
        return Edit({k: t * (self.factor / 2) for k, t in learnt.tensors.items()}, learnt.header)


@pytest.fixture
def fit(tmp_path):
    """The edit of a method as the worker makes it."""
    host, store = tiny.host(), Store(tmp_path)
    Counted.fits.clear()

    def fitted(method, erase=("cat",)):
        recipe = jobs.recipe(method, erase, fit_seed=0, model=host.hash)
        work.fit(host, method, recipe, store)
        return store.get_edit(recipe)

    return fitted


def test_every_value_is_taken_of_one_fit_whichever_is_asked_for_first(fit):
    found = {factor: fit(Counted(factor=factor)) for factor in (4.0, 2.0, 1.0)}
    assert Counted.fits == [("cat",)]
    name = next(iter(found[2.0].tensors))
    assert all(torch.equal(edit.tensors[name], found[2.0].tensors[name] * (f / 2)) for f, edit in found.items())


def test_such_an_edit_says_its_own_settings_and_what_learning_cost(fit):
    half, whole = fit(Counted(factor=1.0)), fit(Counted())
    assert (half.header["params"]["factor"], whole.header["params"]["factor"]) == (1.0, 2.0)
    assert half.header["seconds"] == whole.header["seconds"]


def test_the_memory_it_says_is_that_of_learning(fit, monkeypatch):
    whole = fit(Counted())
    monkeypatch.setattr(work, "memory", lambda host: {"peak_memory": -1})
    assert fit(Counted(factor=1.0)).header["peak_memory"] == whole.header["peak_memory"] != -1


@dataclass(frozen=True)
class Touching(Counted):
    """Leaves the model changed when it finishes an edit."""

    def finished(self, host, learnt):
        if self.factor != 2:
            host.unet.conv_in.weight.data += 0.1
        return super().finished(host, learnt)


def test_what_finishes_an_edit_leaves_the_model_as_it_was(fit):
    with pytest.raises(UserError, match="method counted: its finished left the model changed"):
        fit(Touching(factor=1.0))


@dataclass(frozen=True)
class Forgetful(Counted):
    """Finishes an edit into nothing."""

    def finished(self, host, learnt):
        return super().finished(host, learnt) if self.factor == 2 else None


def test_what_finishes_an_edit_gives_one(fit):
    with pytest.raises(UserError, match="method counted: its finished gave a NoneType, wanted an Edit"):
        fit(Forgetful(factor=1.0))


@dataclass(frozen=True)
class Silent(Scaled):
    """Says that a setting acts after its fit, which nothing reads."""

    after_fit: ClassVar[frozenset[str]] = frozenset({"factor"})


@dataclass(frozen=True)
class Misspelt(Counted):
    after_fit: ClassVar[frozenset[str]] = frozenset({"facter"})


@dataclass(frozen=True)
class Lettered(Counted):
    after_fit: ClassVar[str] = "factor"


@dataclass(frozen=True)
class Undecided(Counted):
    after_fit: ClassVar[frozenset[str]] = frozenset({"words"})
    words: list[str] = field(default_factory=list)


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (Silent, "neither `finished` nor `apply` is written"),
        (Misspelt, "'facter', which is none of its fields: apart, factor"),
        (Lettered, "has to be a set, frozenset"),
        (Undecided, "'words', which has no default"),
    ],
)
def test_a_setting_that_cannot_act_after_a_fit_is_refused_when_the_method_is_loaded(cls, said):
    with pytest.raises(UserError, match=re.escape(said)):
        checks.check("methods", "here:Cls", cls)


def test_edits_that_others_are_taken_of_are_noted_so_that_gc_leaves_them(command, tiny_suite, tmp_path):
    asked = ("--method", "receler", "--set", "strength=0.5", "--set", "steps=0", "--suite", tiny_suite)
    assert command("fit", *asked, "--out", tmp_path).code == 0
    notes = references.notes(tmp_path).values()
    made = {edits.recipe(path).key for path in (tmp_path / "edits").rglob("*.safetensors")}
    assert len(made) == 2 and made <= {group.recipe.key for one in notes for group in one.groups}


def test_edits_below_a_sequel_are_noted_too(command, tiny_suite, tmp_path):
    asked = (
        "--method",
        "relearn",
        "--set",
        "of=uce",
        "--set",
        "strength=0.5",
        "--set",
        "steps=1",
        "--set",
        "pictures=2",
    )
    said = command("fit", *asked, "--suite", tiny_suite, "--case", "cat", "--out", tmp_path)
    assert said.code == 0, said.err
    notes = references.notes(tmp_path).values()
    made = {recipe.method: recipe.key for recipe in map(edits.recipe, (tmp_path / "edits").rglob("*.safetensors"))}
    assert set(made) == {"relearn", "uce"}
    kept = {edits.recipe(path).key for path in (tmp_path / "edits").rglob("*.safetensors")}
    assert kept <= {group.recipe.key for one in notes for group in one.groups}
    assert not garbage.collect(tmp_path, older=-60).pieces


def test_a_plan_counts_no_fit_for_what_is_taken_of_one_that_is_there(command, tiny_suite, tmp_path):
    asked = ("--method", "receler", "--set", "steps=0", "--suite", tiny_suite, "--case", "cat", "--out", tmp_path)
    assert "1 to fit" in command("plan", *asked, "--set", "strength=0.25").out
    assert command("fit", *asked, "--set", "strength=0.5").code == 0
    assert "1 present, 0 to fit" in command("plan", *asked, "--set", "strength=0.25").out


def test_what_is_learnt_otherwise_is_learnt_anew(fit):
    fit(Counted())
    fit(replace(Counted(factor=1.0), apart=True))
    assert Counted.fits == [("cat",), ("cat",)]


def test_of_concepts_learnt_apart_the_joined_edit_is_taken(fit):
    fit(Counted(apart=True, factor=1.0), ("cat", "mouse"))
    fit(Counted(apart=True, factor=4.0), ("cat", "mouse"))
    fit(Counted(apart=True), ("mouse",))
    assert Counted.fits == [("cat",), ("mouse",)]
