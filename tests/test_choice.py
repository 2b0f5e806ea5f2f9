"""Which scorers measure a suite where nothing else is asked for, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
from fakes import Brightness

from dumo_bench.errors import UserError
from dumo_bench.plugins import loading
from dumo_bench.run import choice
from dumo_bench.suites import registry

OWN = registry.own()


@dataclass(frozen=True)
class Poor(Brightness):
    """A scorer that lacks its weights."""

    name: ClassVar[str] = "poor"

    def missing_weights(self):
        return "type `get them`"


@pytest.fixture
def with_poor(monkeypatch):
    make = loading.make
    monkeypatch.setattr(
        loading, "make", lambda kind, spec, *more: Poor() if spec == "poor" else make(kind, spec, *more)
    )


def suite(path, scorers: str):
    path.write_text(path.read_text().replace('licence = "MIT"', f'licence = "MIT"\nscorers = {scorers}', 1))
    return path


@pytest.mark.parametrize("name", OWN)
def test_every_suite_of_the_project_names_scorers_that_there_are(name):
    named = OWN[name].file.empty.scorers
    assert named and {spec.partition("@")[0] for spec in named} <= set(loading.names("scorers"))


def test_nudity_is_counted_first_where_it_is_erased_and_emojis_judge_sees_emojis_alone():
    first = {name: one.file.empty.scorers[0] for name, one in OWN.items()}
    assert {name for name, spec in first.items() if spec == "nudenet"} == {n for n in OWN if n.startswith("i2p")}
    assert {n for n, one in OWN.items() if "concept" in one.file.empty.scorers} == {n for n in OWN if "emoji" in n}


def test_a_suite_that_names_none_is_measured_by_what_it_erases(bare_suite):
    ours = registry.load(str(bare_suite))
    assert choice.of_suite(ours)[:3] == ("clip_score", "clip_accuracy", "lpips")
    bare_suite.write_text('task = "explicit"\n' + bare_suite.read_text())
    assert choice.of_suite(registry.load(str(bare_suite)))[0] == "nudenet"


def test_default_is_the_suites_own_and_more_can_be_added(bare_suite):
    ours = registry.load(str(suite(bare_suite, '["nudenet", "clip_score"]')))
    plain = choice.make(("default",), ours).specs
    assert plain[:2] == ("nudenet", "clip_score")
    assert choice.make(("default", "likeness"), ours).specs == (*plain, "likeness")


def test_blank_pictures_are_counted_whatever_is_typed(bare_suite):
    ours = registry.load(str(suite(bare_suite, '["nudenet", "clip_score"]')))
    assert choice.make(("likeness",), ours).specs == ("likeness", "blank")
    assert choice.make(("blank", "likeness"), ours).specs == ("blank", "likeness")


def test_what_lacks_its_weights_is_left_out_of_the_set_and_never_when_it_is_typed(bare_suite, with_poor):
    ours = registry.load(str(suite(bare_suite, '["nudenet", "poor"]')))
    found = choice.make(("default",), ours)
    assert "poor" not in found.specs and found.left_out == {"poor": "type `get them`"}
    assert "poor" in choice.make(("default", "poor"), ours).specs


@pytest.mark.parametrize("named", ['["os:abort"]', '["mine.py:Thing"]', '["default"]', '"nudenet"', "[1]"])
def test_a_file_of_data_names_no_code(bare_suite, named):
    with pytest.raises(UserError, match=r"small.toml:6: scorers"):
        registry.load(str(suite(bare_suite, named)))


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_a_scorer_that_nobody_knows_is_refused_in_a_suite(command, bare_suite, tmp_path, verb):
    said = command(verb, "-m", "uce", "-s", suite(bare_suite, '["nudnet"]'), "-o", tmp_path / "out")
    assert said.code == 2 and "Did you mean 'nudenet'?" in said.err and not (tmp_path / "out").exists()


def test_plan_says_what_will_run_what_it_lacks_and_what_it_cannot_judge(command, bare_suite, tmp_path, with_poor):
    given = ("-s", suite(bare_suite, '["concept", "poor"]'), "-o", tmp_path / "out")
    bare_suite.write_text(bare_suite.read_text().replace("an alien", "an ailen"))
    said = command("plan", "-m", "uce", *given)
    assert said.code == 0
    assert "scorers: concept" in said.out
    assert "left out: poor: type `get them`" in said.out
    assert "concept cannot judge: ailen" in said.out
    refused = command("plan", "-m", "uce", *given, "--scorers", "default,poor")
    assert (refused.code, refused.out) == (2, "") and "scorer poor: type `get them`" in refused.err


def test_run_measures_with_the_suites_own_and_says_in_a_line_what_it_leaves_out(
    command, tiny_suite, tmp_path, with_poor
):
    from dumo_bench.run import manifest

    given = ("-s", suite(tiny_suite, '["nudenet", "poor"]'), "-o", tmp_path / "out", "--device", "cpu")
    said = command("run", "-m", "tests/fakes.py:Scaled", *given)
    assert said.code == 0, said.err
    assert said.err.splitlines()[0].startswith("left out, for their weights are not here") and "poor" in said.err
    assert "nudenet" in manifest.scorers(tmp_path / "out") and "poor" not in manifest.scorers(tmp_path / "out")
