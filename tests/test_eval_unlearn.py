"""eval-unlearn's own command drives this project's methods on emoji-sd, offline."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dumo_bench.emoji import WEIGHTS
from dumo_bench.engines.local import Local
from dumo_bench.errors import UserError
from dumo_bench.hosts import sample
from dumo_bench.run.plan import Request
from dumo_bench.run.session import Session
from dumo_bench.run.technique import Technique
from dumo_bench.storage import garbage, verify
from dumo_bench.types import Draw, Job

GHOSTS = ["a photo of a ghost", "a ghost", "a drawing of a ghost"]
DOGS = ["a photo of a dog face", "a dog face"]
FEW = {"model": "emoji-sd", "contract": "emoji-cartoon", "sampling": {"steps": 8}, "seed": 7, "device": "cpu"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Path:
    """A hub's cache in which the name of OpenAI's CLIP, the only kind that the harness takes, is emoji-sd's."""
    from transformers import CLIPImageProcessor

    home = tmp_path_factory.mktemp("hub")
    place = home / "hub" / "models--openai--clip-vit-base-patch32"
    shutil.copytree(WEIGHTS / "clip", place / "snapshots" / "0")
    half = [0.5, 0.5, 0.5]
    made = CLIPImageProcessor(
        size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64}, image_mean=half, image_std=half
    )
    made.save_pretrained(place / "snapshots" / "0")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("0")
    return home


def command(hub: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """eval-unlearn as it is typed; no network."""
    env = {**os.environ, "HF_HOME": str(hub), "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
    typed = [sys.executable, "-m", "eval_unlearn.cli", *words]
    return subprocess.run(typed, capture_output=True, text=True, check=False, cwd=cwd, env=env)


def run(hub: Path, folder: Path, technique: dict, batch: int = 32) -> tuple[dict, list[np.ndarray]]:
    """The report of one run of the metric UA and IRA, and its pictures in their order."""
    for name, texts in (("target", GHOSTS), ("retain", DOGS)):
        (folder / f"{name}.csv").write_text("prompt\n" + "\n".join(texts) + "\n")
    metric = {
        "target_prompts_path": "target.csv", "retain_prompts_path": "retain.csv", "target_concept": "ghost",
        "retain_concept": "dog face", "clip_model_name": "openai/clip-vit-base-patch32", "batch_size": batch,
        "device": "cpu",
    }  # fmt: skip
    whole = {
        "technique": {"name": "dumo_bench", "config": technique},
        "metric": {"name": "ua_ira", "config": metric},
        "output_dir": f"harness-{batch}",
    }
    (folder / "config.json").write_text(json.dumps(whole))
    done = command(hub, "run", "--config", "config.json", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (report,) = (folder / f"harness-{batch}").glob("*_report_full.json")
    paths = sorted((folder / f"harness-{batch}").rglob("*.png"), key=lambda path: (path.parent.name, path.name))
    shown = {kind: [np.asarray(Image.open(p)) for p in paths if p.parent.name == kind] for kind in ("target", "retain")}
    return json.loads(report.read_text()), [*shown["target"], *shown["retain"]]


def test_the_harness_knows_the_technique(hub, tmp_path):
    said = command(hub, "plugins", cwd=tmp_path)
    techniques = said.stdout.partition("Techniques:")[2].partition("Metrics:")[0].split()
    assert "dumo_bench" in techniques, said.stdout + said.stderr


def test_its_command_measures_an_edit_of_ours_on_the_pictures_that_the_method_makes(hub, tmp_path):
    config = {**FEW, "method": "uce", "erase_concept": "ghost", "out": "ours"}
    report, pictures = run(hub, tmp_path, config)
    assert report["technique_name"] == "dumo_bench" and report["erase_concept"] == "ghost"
    details = report["metric_result"]["details"]
    assert (details["target_total"], details["retain_total"]) == (len(GHOSTS), len(DOGS))
    assert len(list((tmp_path / "ours" / "edits").glob("*.safetensors"))) == 1

    made = Technique(**{**config, "out": str(tmp_path / "ours")})
    with made.method.apply(made.host, made.store.get_edit(made.recipe)) as guide:
        for n, (text, picture) in enumerate(zip([*GHOSTS, *DOGS], pictures, strict=True)):
            job = Job(made.recipe, text, Draw(7 + n), made.sampling)
            wanted = sample.sample(made.host, guide, [job] * made.config.batch_size)[0][0].numpy()
            assert np.abs(wanted.astype(int) - picture).max() <= 1


def test_an_edit_of_ours_erases_by_the_harnesss_own_numbers(hub, tmp_path):
    """UA of the unedited model and of an edit, both of its own metric: most ghosts are seen before, fewer after."""
    results = {}
    for method in ("original", "uce"):
        (tmp_path / method).mkdir()
        config = {**FEW, "sampling": {}, "method": method, "erase_concept": "ghost"}
        report, _ = run(hub, tmp_path / method, config)
        results[method] = report["metric_result"]["details"]
    assert results["original"]["ua_score"] < results["uce"]["ua_score"]
    assert results["original"]["ira_score"] == results["uce"]["ira_score"] == 1


def test_pictures_do_not_depend_on_the_harnesss_batches_and_are_made_once(hub, tmp_path):
    config = {**FEW, "method": "original", "out": "ours"}
    _, together = run(hub, tmp_path, config)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "ours").rglob("*.png")}
    _, apart = run(hub, tmp_path, config, batch=2)
    assert all((one == other).all() for one, other in zip(together, apart, strict=True))
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "ours").rglob("*.png")}


def test_what_it_makes_is_noted_so_that_nothing_of_it_is_collected(tmp_path):
    made = Technique(**{**FEW, "method": "uce", "erase_concept": "ghost", "out": str(tmp_path / "ours")})
    made.generate(GHOSTS[:1])
    assert garbage.collect(made.store.root, delete=True, older=-60).pieces == ()
    (picture,) = made.store.root.rglob("*.png")
    picture.write_bytes(b"harmed")
    assert [(one.path, one.type) for one in verify.verify(made.store.root).broken] == [(picture, f"rm {picture}")]


def test_a_misspelt_setting_ends_the_command_with_what_was_meant(hub, tmp_path):
    (tmp_path / "config.json").write_text(
        json.dumps({
            "technique": {"name": "dumo_bench", "config": {**FEW, "metod": "uce"}},
            "metric": {"name": "ua_ira", "config": {"target_prompts_path": "t.csv", "retain_prompts_path": "t.csv"}},
        })
    )  # fmt: skip
    (tmp_path / "t.csv").write_text("prompt\na ghost\n")
    done = command(hub, "run", "--config", "config.json", cwd=tmp_path)
    assert done.returncode == 1
    with pytest.raises(UserError, match=r"'metod'\. Did you mean 'method'"):
        Technique(**FEW, metod="uce")
    with pytest.raises(UserError, match=r"'stepps'\. Did you mean 'steps'"):
        Technique(**{**FEW, "sampling": {"stepps": 3}})
    with pytest.raises(UserError, match="one concept or more to erase"):
        Technique(**FEW, method="uce")


def test_a_seed_and_the_words_of_pipelines_are_heard(tmp_path):
    made = Technique(**FEW, method="original", out=str(tmp_path))
    (own,), (again,) = (
        made.generate(["a ghost"], seed=3),
        Technique(**{**FEW, "seed": 3}, method="original", out=str(tmp_path / "2")).generate(["a ghost"]),
    )
    assert (np.asarray(own) == np.asarray(again)).all()
    (strong,) = made.generate(["a ghost"], seed=2, guidance_scale=9.0, num_inference_steps=5)
    assert (np.asarray(strong) != np.asarray(own)).any()
    wanted = Job(made.recipe, "a ghost", Draw(3), replace(made.sampling, guidance=9.0, steps=5))
    assert made.store.has(wanted)


def test_the_edit_is_the_one_that_a_run_would_fit_with_the_model_s_own_plans_in_its_key(tmp_path):
    shutil.copytree(WEIGHTS, tmp_path / "mine")
    config = {**FEW, "model": str(tmp_path / "mine"), "method": "uce", "erase_concept": "ghost", "out": str(tmp_path)}
    asked = Request("uce", "emoji-cartoon", cases=("ghost",), model=config["model"])
    keys = []
    for ridge in (2.0, 3.0):
        (tmp_path / "mine" / "plans.toml").write_text(f"[linear]\nridge = {ridge}\n")
        made = Technique(**config)
        keys.append(made.recipe.key)
        assert made.recipe.key == Session(asked, tmp_path, Local()).plan.parts[0].recipe.key
        assert made.store.get_edit(made.recipe).header["ridge_used"] == ridge
    assert keys[0] != keys[1]


def test_a_contract_for_a_larger_model_is_scaled_as_in_a_run(tmp_path):
    made = Technique(model="emoji-sd", contract="cartoon", method="original", device="cpu", out=str(tmp_path))
    assert (made.sampling.height, made.sampling.width) == (64, 64)


def test_one_word_where_a_list_is_wanted_is_one_concept_and_wrong_types_are_refused(tmp_path):
    made = Technique(**{**FEW, "method": "uce", "erase": "ghost", "out": str(tmp_path)})
    assert made.recipe.erase == ("ghost",)
    with pytest.raises(UserError, match="technique dumo_bench: batch_size takes int, got 'two'"):
        Technique(**FEW, batch_size="two")
    with pytest.raises(UserError, match="sampling: steps takes int, got 'few'"):
        Technique(**{**FEW, "sampling": {"steps": "few"}})


def test_a_number_of_steps_that_samples_nothing_is_refused_as_in_a_run(tmp_path):
    with pytest.raises(UserError, match="steps = 1: scheduler 'ddim' would begin at timestep 1 of"):
        Technique(**{**FEW, "sampling": {"steps": 1, "scheduler": "ddim"}, "out": str(tmp_path)})
