"""The negative prompt is that of diffusers' pipeline."""

from __future__ import annotations

import pytest
import tiny
import torch

from dumo_bench.baselines.negative import Negative
from dumo_bench.hosts import sample, sd
from dumo_bench.types import Edit


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.host("float64")


def clean(host: sd.Host, method: Negative, edit: Edit, **settings) -> torch.Tensor:
    with method.apply(host, edit) as guide:
        return sample.clean(host, guide, [tiny.job("a photo of ghost", 2, **settings)])


def test_latents_equal_those_of_diffusers_pipeline_with_the_negative_prompt(host):
    from diffusers import StableDiffusionPipeline

    rest = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    made = sample.scheduler(host, "ddim", 4)
    pipe = StableDiffusionPipeline(host.vae, host.text_encoder, host.tokenizer, host.unet, made, **rest)
    pipe.set_progress_bar_config(disable=True)
    noise = sd.latents(host, tiny.job(seed=2).draw, 64, 64)
    how = {"num_inference_steps": 4, "guidance_scale": 3.0, "output_type": "latent"}
    theirs = pipe("a photo of ghost", negative_prompt="ghost, alien", latents=noise, **how).images
    ours = clean(host, Negative(), Negative().fit(host, ["ghost", "alien"], seed=0))
    assert torch.allclose(ours, theirs, atol=1e-9)


def test_another_text_can_be_guided_away_from(host):
    asked = Negative(text="dog")
    edit = asked.fit(host, ["ghost"], seed=0)
    assert edit == Edit({}, {"text": "dog"})
    assert not torch.allclose(clean(host, asked, edit), clean(host, Negative(), Edit({}, {"text": "ghost"})))


def test_at_a_guidance_of_one_it_does_nothing(host):
    plain = clean(host, Negative(strength=0.0), Edit({}, {"text": "ghost"}), guidance=1.0)
    assert torch.allclose(plain, clean(host, Negative(), Edit({}, {"text": "ghost"}), guidance=1.0), atol=1e-10)
