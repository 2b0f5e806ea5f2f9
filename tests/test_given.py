"""What a fit is given beside its settings: published lists where a model lists nothing, and what tables say of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd
import prompt_files
import pytest
import tiny
import tiny_kinds

from dumo_bench.baselines.rece import RECE
from dumo_bench.baselines.uce import UCE
from dumo_bench.plugins import loading
from dumo_bench.report.variants import VARIANT, variants
from dumo_bench.run import given, jobs, plan
from dumo_bench.storage import table
from dumo_bench.suites import registry
from dumo_bench.types import SHOWN, Case, canonical

ARTISTS = "artists-1734"
LIST = """
name = "painters"
version = 1
source = "written for this test"
licence = "MIT"
task = "style"

[sampling]
model = "emoji-sd"
scheduler = "ddim"
steps = 2
guidance = 3.0
height = 64
width = 64

[[cases]]
erase = ["ink"]

[[block]]
concepts = ["ink", "old ink", "inky", "noto", "cat"]
templates = ["{thing}"]
seeds = [1]
"""


def made(method, erase=("ink",), task: str = "style", model: str = "") -> given.Given:
    return given.make(method, Case("case", tuple(erase)), task, model or str(tiny.folder()), "weights")


@pytest.fixture
def painters(tmp_path) -> Path:
    path = tmp_path / "painters.toml"
    path.write_text(LIST)
    return path


def preserving(suite: Path, **conditions):
    """UCE that preserves a suite's concepts where the published runs preserve the artists."""

    @dataclass(frozen=True)
    class Own(UCE):
        lists: ClassVar = {"style": {"@styles": str(suite), **conditions}}

    return Own(preserve=("@styles",))


def test_a_published_list_stands_where_the_model_lists_nothing_without_what_is_erased(painters):
    found = made(preserving(painters))
    assert found.lists == {"styles": ["inky", "noto", "cat"]}  # a longer name of the erased one is no other
    host = found.to(tiny.host())
    assert preserving(painters).preserved(host, ["ink"]) == ["", "inky", "noto", "cat"]
    (said,) = given.told("uce", found.said)
    assert said.startswith(f"uce preserves the other names of {painters} (digest ")


def test_another_list_is_another_recipe(painters):
    first = made(preserving(painters)).said
    painters.write_text(LIST.replace('"cat"', '"dog"'))
    assert made(preserving(painters)).said != first


@pytest.mark.parametrize(
    "other",
    [
        {"method": UCE(preserve=("@objects",))},
        {"method": UCE(preserve=("@styles",)), "task": "object"},
        {"method": UCE(preserve=("@styles",)), "model": "emoji-sd"},  # lists styles of its own
        {"method": UCE(preset="2025", preserve=("@styles",))},  # that release preserves nothing unasked
        {"method": UCE()},
    ],
    ids=["not asked for", "another task", "a model's own list", "another preset", "nothing preserved"],
)
def test_no_list_stands_in_elsewhere(other):
    assert made(**other).lists == {} and not any(name.startswith("@") for name in made(**other).said)


@pytest.mark.parametrize("method", [UCE, RECE])
def test_a_style_s_own_settings_name_the_published_list(method):
    assert method.lists["style"]["@styles"] == ARTISTS
    found = made(method(**method.by_task["style"]))
    assert found.said == {f"@{ARTISTS}": None} and found.lists == {}  # no list in this test's cache
    (said,) = given.told(method.name, found.said)
    assert said == (
        f"{method.name} does not preserve the other names of {ARTISTS}, as the published runs do: the list was not on "
        f"the machine (`dumo-bench prompts fetch {ARTISTS}`)."
    )


@pytest.mark.parametrize(
    ("erase", "n"),
    [(["Van Gogh"], 1733), (["Vincent Van Gogh"], 1733), (["Rembrandt", "Andy Warhol"], 1732), (["clown"], 1734)],
)
def test_the_other_artists_of_the_published_list_are_preserved_where_it_is_there(monkeypatch, erase, n):
    prompt_files.load(ARTISTS, monkeypatch)
    found = made(UCE(**UCE.by_task["style"]), erase)
    assert len(found.lists["styles"]) == n
    assert not any(word in name for word in erase for name in found.lists["styles"])
    assert found.said[f"@{ARTISTS}"]


def test_keys_of_emoji_sd_say_nothing_of_lists():
    request = plan.Request("uce", "emoji-artist")
    found = plan.make(request, lambda spec, settings: loading.make("methods", spec, settings))
    assert [part.given.said for part in found.parts] == [{}] * len(registry.load("emoji-artist").cases)
    assert found.told == []


def test_every_table_says_that_the_published_list_was_missing(tiny_suite, tmp_path, command):
    tiny_suite.write_text(tiny_suite.read_text().replace('licence = "MIT"', 'licence = "MIT"\ntask = "style"', 1))
    out = tmp_path / "out"
    argv = ("-m", "uce", "-s", tiny_suite, "-o", out)
    assert f"uce does not preserve the other names of {ARTISTS}" in command("plan", *argv).out
    ran = command("run", *argv, "--device", "cpu", "--scorers", f"{Path(__file__).parent}/fakes.py:Brightness")
    assert ran.code == 0, ran.err
    wanted = f"prompts fetch {ARTISTS}"
    assert wanted in ran.err
    assert wanted in " ".join(command("report", out).out.split())
    for name in ("report.md", "report.tex", "report.html"):
        assert wanted in (out / name).read_text(), name
    assert f'"@{ARTISTS}":null' in " ".join(table.read_file(out / "summary.parquet", "summary")["params"])


@pytest.mark.parametrize("host", ["tiny", *tiny_kinds.MAKE])
@pytest.mark.parametrize(("name", "kinds"), [("rece", {"flux"}), ("sdd", {"flux", "sd3"}), ("esd", set())])
def test_every_row_says_of_a_kind_that_no_paper_treats_that_the_method_is_ours_there(name, kinds, host):
    folder, kind = (tiny.folder(), "sd") if host == "tiny" else (tiny_kinds.folder(host), tiny_kinds.KIND[host])
    method = loading.make("methods", name, {})
    said = made(method, ("cat",), "object", str(folder)).said
    recipe = jobs.recipe(method, ["cat"], fit_seed=0, model="", said=said)
    row = dict(zip(VARIANT, (name, "1", canonical(recipe.params), 0, "m", "s"), strict=True))
    (label,) = variants(pd.DataFrame([row])).values()
    assert str(label) == (f"{name} (adaptation=ours)" if kind in kinds else name)
    assert (SHOWN in recipe.params) == (kind in kinds)  # of the others nothing is added to a key
