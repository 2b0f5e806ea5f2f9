"""A method that needs what the model lacks: refused before any work, and n/a in the report's folder."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from test_bad_input import refused

from dumo_bench.errors import UserError
from dumo_bench.hosts import models
from dumo_bench.plugins import loading
from dumo_bench.run import manifest, needs

INDEX = {
    "_class_name": "StableDiffusion3Pipeline",
    "transformer": ["diffusers", "SD3Transformer2DModel"],
    "text_encoder": ["transformers", "CLIPTextModelWithProjection"],
    "text_encoder_3": [None, None],
    "vae": ["diffusers", "AutoencoderKL"],
    "safety_checker": [None, None],
}
REASON = (
    "dumo needs skip connections (of a U-Net), {} has a diffusion transformer (transformer), "
    "a text encoder (text_encoder), a VAE (vae)"
)


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    """A folder whose index names a transformer; it holds nothing else, for nothing is loaded."""
    folder = tmp_path / "flow"
    folder.mkdir()
    (folder / "model_index.json").write_text(json.dumps(INDEX))
    return folder


def test_a_model_says_what_it_has_by_its_index(flow):
    assert models.has(flow) == {"transformer", "text_encoder", "vae", "negative"}
    assert models.has(models.place("emoji-sd")) == {"unet", "skips", "text_encoder", "vae", "negative"}


def test_a_network_that_is_told_its_guidance_has_no_negative_prompt(flow):
    (flow / "transformer").mkdir()
    for told in (True, False):
        (flow / "transformer" / "config.json").write_text(json.dumps({"guidance_embeds": told}))
        assert ("negative" in models.has(flow)) is not told
        said = needs.lacking(loading.make("methods", "negative", {}), str(flow))
        assert said.startswith("negative needs a negative prompt, which" if told else "") and bool(said) is told


@pytest.mark.parametrize("index", [None, "broken", "[1]"])
def test_a_model_without_an_index_says_it_by_its_folders(bare_model, index):
    if index:
        (bare_model / "model_index.json").write_text(index)
    assert models.has(bare_model) == {"unet", "skips", "text_encoder", "vae", "negative"}


def test_a_part_that_is_left_out_is_not_there(flow):
    (flow / "model_index.json").write_text(json.dumps({**INDEX, "vae": [None, None]}))
    assert models.has(flow) == {"transformer", "text_encoder", "negative"}


@pytest.mark.parametrize("verb", ["plan", "fit", "generate", "score", "run"])
def test_a_method_that_needs_what_the_model_lacks_is_refused_before_any_work(command, bare_suite, flow, tmp_path, verb):
    more = ("--scorers", "nudenet") if verb in ("run", "score") else ()
    out = tmp_path / "out"
    said = command(verb, "-m", "dumo", "-s", bare_suite, "--model", flow, "--out", out, *more)
    refused(said, REASON.format("flow"), "choose another --model (`dumo-bench list models`)")
    made = [path.relative_to(out).parts[0] for path in out.rglob("*") if path.is_file()]
    assert made == (["runs"] if verb == "run" else [])


def test_a_run_that_was_refused_is_kept_with_its_reason_for_the_report(command, bare_suite, flow, tmp_path):
    out = tmp_path / "out"
    assert manifest.not_applicable(out) == []
    for seed in (0, 1, 1):  # what is n/a with one seed is n/a with all
        run = ("run", "-m", "dumo", "-s", bare_suite, "--model", flow, "--scorers", "nudenet", "--seed", seed)
        assert command(*run, "--out", out).code == 2
    assert len(manifest.read_all(out)) == 2
    assert manifest.not_applicable(out) == [("small", "cat", "dumo", REASON.format("flow"))]
    assert manifest.scorers(out) == [] and manifest.contracts(out) == {}


def test_a_refusal_does_not_take_the_place_of_a_run_nor_outlive_one(command, tiny_suite, flow, tmp_path):
    """The same words, and behind them another model."""
    model, out = tmp_path / "model", tmp_path / "out"
    run = ("run", "-m", "fakes:Scaled", "-s", tiny_suite, "--model", model, "--scorers", "fakes:Brightness", "-o", out)
    model.symlink_to(flow)
    assert command(*run).code == 2 and len(manifest.not_applicable(out)) == 1
    model.unlink()
    import tiny

    model.symlink_to(tiny.folder())
    assert command(*run).code == 0 and manifest.not_applicable(out) == []
    model.unlink()
    model.symlink_to(flow)
    assert command(*run).code == 2 and manifest.not_applicable(out) == []
    assert manifest.read_all(out)[0]["runs"]


def test_a_method_may_need_something_else_than_a_u_net(flow, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE.format("transformer"))
    method = loading.make("methods", f"{path}:Mine")
    assert needs.lacking(method, str(flow)) == ""
    assert needs.lacking(method, "emoji-sd").startswith(
        "mine needs a diffusion transformer (transformer), emoji-sd has a U"
    )


def test_a_need_that_nobody_knows_is_refused(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE.format("unett"))
    with pytest.raises(UserError, match=r"needs of mine: nothing is called 'unett'. Did you mean 'unet'\?"):
        needs.lacking(loading.make("methods", f"{path}:Mine"), "emoji-sd")


def test_a_folder_of_refusals_alone_is_one_line_that_says_so(command, bare_suite, flow, tmp_path):
    assert command("run", "-s", bare_suite, "-m", "dumo", "--model", flow, "--out", tmp_path / "out").code == 2
    refused(command("report", tmp_path / "out"), "holds no numbers", f"small, cat: dumo: n/a, {REASON.format('flow')}")


MINE = """
from dataclasses import dataclass
from dumo_bench.interfaces import Method

@dataclass(frozen=True)
class Mine(Method):
    name = "mine"
    version = "1"
    cite = "a test"
    kinds = frozenset()
    needs = frozenset({{"{}"}})

    def fit(self, host, erase, *, seed):
        raise NotImplementedError
"""


def test_the_tables_say_n_a_for_a_method_that_the_model_cannot_run(command, tiny_suite, flow, tmp_path):
    out = tmp_path / "out"
    run = ("run", "-s", tiny_suite, "--limit", 4, "--scorers", "clip_score", "--out", out)
    assert command(*run, "-m", "original").code == 0
    assert command(*run, "-m", "dumo", "--model", flow).code == 2
    said = command("report", out)
    reason = f"dumo: n/a, {REASON.format('flow')}."
    assert said.code == 0 and reason in " ".join(said.out.split())
    for name in ("report.md", "report.tex", "report.html"):
        text = (out / name).read_text()
        assert "n/a" in text and REASON.format("flow").split(",")[0] in text
    lines = [line for line in csv.DictReader((out / "report.csv").open()) if line["method"] == "dumo"]
    assert {(line["note"], line["value"]) for line in lines} == {("n/a", "")}
    said = command("compare", "original", "dumo", "--out", out)
    assert said.code == 2 and f"dumo: n/a, {REASON.format('flow')}" in said.err
    rows = [line for line in (out / "report.md").read_text().splitlines() if line.startswith("| dumo |")]
    assert rows and all(row.count("n/a") == row.count("|") - 2 > 0 for row in rows)
