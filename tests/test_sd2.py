"""Stable Diffusion 2: v-prediction, linear projections, padding with "!", and the counts of SD 2.1's text width."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import diffusers
import pytest
import tiny
import torch

from dumo_bench.formats.unet_state import selections
from dumo_bench.hosts import sample, samplers, sd
from dumo_bench.kit import adapter, embeddings, latents, tokens, train
from dumo_bench.kit.gate import Gate
from dumo_bench.methods.epr import EPR
from dumo_bench.plugins import loading
from dumo_bench.types import Edit

METHODS = [name for name in loading.names("methods") if name not in ("original", "pictures")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("second") / "tiny-2", second=True)


@pytest.fixture(scope="module")
def host(folder) -> sd.Host:
    return replace(sd.load(str(folder), dtype="float64"), plans=tiny.QUICK)


def pictures(host, method, edit: Edit) -> torch.Tensor:
    with method.apply(host, edit) as guide:
        return sample.clean(host, guide, [tiny.job("a ghost", steps=2)])


@pytest.mark.parametrize("name", [name for name in METHODS if "sd" in (loading.load("methods", name).kinds or {"sd"})])
def test_every_method_fits_and_changes_the_picture(host, name):
    method = tiny.method(name, host.model)
    edit = method.fit(host, ("ghost",), seed=0)
    edited, plain = pictures(host, method, edit), pictures(host, tiny.method("original"), Edit({}, {}))
    assert edited.isfinite().all() and (edited - plain).abs().max() > 1e-6


@pytest.mark.parametrize("name", sorted(samplers.SAMPLERS))
def test_latents_of_a_v_prediction_equal_those_of_the_diffusers_pipeline(folder, host, name):
    """Its noise is the pipeline's own."""
    assert host.schedule["prediction_type"] == "v_prediction"
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float64)
    pipe.set_progress_bar_config(disable=True)
    ours = samplers.named(name)
    pipe.scheduler = getattr(diffusers, ours.kind).from_config(pipe.scheduler.config, **ours.settings)
    job = tiny.job("a ghost", 7)
    job = replace(job, sampling=replace(job.sampling, scheduler=name))
    start = sd.latents(host, job.draw, 64, 64)
    theirs = pipe(job.text, latents=start, guidance_scale=3.0, num_inference_steps=4, output_type="latent").images
    assert torch.allclose(sample.clean(host, partial(sd.stock_guide, host), [job]), theirs, atol=1e-12)


def test_latents_to_learn_from_are_sampled_by_v_prediction_too(host):
    guide = partial(sd.stock_guide, host)
    *_, (made, _) = latents.levels(host, guide, ["a ghost"], latents.Trajectory(4), train.seeded(7))
    assert torch.allclose(made, sample.clean(host, guide, [tiny.job("a ghost", 7)]), atol=1e-12)


def test_padding_is_no_word_though_it_is_an_ordinary_token(host):
    ids = sd.tokens(host, ["a ghost", ""])[0]
    assert host.tokenizer.pad_token == "!" and ids[0, 4:].unique().tolist() == [host.tokenizer.pad_token_id] == [0]
    assert embeddings.last(host, ["ghost", "a ghost", ""]).tolist() == [1, 2, 0]
    assert tokens.after(host, ids).tolist() == [3, 1]
    ghost = sd.tokens(host, ["ghost"])[0][0]
    assert tokens.words(host, ids, ghost).sum(1).tolist() == [1, 0]
    given = sd.conditions(host, ["a dog", "a ghost"], [1.0, 1.0])
    assert Gate(host, ["ghost"])(replace(given, cond=torch.zeros_like(given.cond))).tolist() == [0, 1]


@cache
def sd21():
    """The U-Net of SD 2.1 without its weights."""
    with torch.device("meta"):
        return diffusers.UNet2DConditionModel(
            sample_size=96, cross_attention_dim=1024, attention_head_dim=(5, 10, 20, 20), use_linear_projection=True
        )


def test_epr_of_sd_2_1_has_363141760_parameters_and_its_unet_s_shapes():
    epr, meta = EPR(sd21()), {"device": "meta"}
    assert sum(p.numel() for p in sd21().parameters()) == 865_910_724
    assert sum(p.numel() for p in epr.parameters()) == 363_141_760
    out = epr(torch.empty(2, 4, 96, 96, **meta), torch.empty(2, **meta), torch.empty(2, 77, 1024, **meta))
    sizes = [(320, 96)] * 3 + [(320, 48)] + [(640, 48)] * 2 + [(640, 24)] + [(1280, 24)] * 2 + [(1280, 12)] * 4
    assert [tuple(r.shape) for r in out] == [(2, c, s, s) for c, s in sizes]


def test_selections_of_sd_2_1_have_as_many_tensors_as_sd_1_s(host):
    assert [len(names) for names in selections(replace(host, unet=sd21())).values()] == [16, 16, 32, 80, 388, 468, 686]


def test_sd_2_1_has_sixteen_adapters():
    assert len(adapter.fresh(sd21(), 128, train.seeded(0))) == 16
