"""SLD: its estimate is diffusers' own; its five numbers, whatever set them, are those of the recipe."""

from __future__ import annotations

from dataclasses import asdict, replace

import pandas as pd
import pytest
import tiny
import torch

from dumo_bench.baselines.sld import CONFIGS, INAPPROPRIATE, SLD, Numbers, Safe
from dumo_bench.errors import UserError
from dumo_bench.hosts import sample, sd
from dumo_bench.plugins import loading
from dumo_bench.report.variants import VARIANT, variants
from dumo_bench.run import jobs
from dumo_bench.types import Job, canonical

STEPS = 18  # beyond the longest warm-up


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.host("float64")


def job(scheduler: str = "ddim") -> Job:
    made = tiny.job("a photo of ghost", 5, guidance=4.0, steps=STEPS)
    return replace(made, sampling=replace(made.sampling, scheduler=scheduler))


def ours(host: sd.Host, method: SLD, one: Job) -> torch.Tensor:
    with method.apply(host, method.fit(host, ["ghost"], seed=0)) as guide:
        return sample.clean(host, guide, [one])


def theirs(host: sd.Host, numbers: Numbers, one: Job) -> torch.Tensor:
    """The last latents of diffusers' own pipeline."""
    from diffusers import StableDiffusionPipelineSafe

    made = sample.scheduler(host, one.sampling.scheduler, STEPS)
    rest = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipe = StableDiffusionPipelineSafe(host.vae, host.text_encoder, host.tokenizer, host.unet, made, **rest)
    pipe.set_progress_bar_config(disable=True)
    pipe.safety_concept = "ghost"
    seen: list[torch.Tensor] = []
    pipe(
        one.text,
        latents=sd.latents(host, one.draw, 64, 64),
        num_inference_steps=STEPS,
        guidance_scale=one.sampling.guidance,
        height=64,
        width=64,
        callback=lambda step, t, z: seen.append(z),
        sld_guidance_scale=numbers.guidance,
        sld_warmup_steps=numbers.warmup,
        sld_threshold=numbers.threshold,
        sld_momentum_scale=numbers.momentum,
        sld_mom_beta=numbers.beta,
    )
    return seen[-1]


@pytest.mark.parametrize(("config", "scheduler"), [*((c, "ddim") for c in CONFIGS), ("max", "pndm"), ("max", "euler")])
def test_latents_equal_those_of_diffusers_own_pipeline(host, config, scheduler):
    made = ours(host, SLD(config=config), job(scheduler))
    plain = sample.clean(host, lambda given: sd.stock_guide(host, given), [job(scheduler)])
    assert (made - plain).abs().max() > 1e-3
    assert torch.allclose(made, theirs(host, CONFIGS[config], job(scheduler)), atol=1e-5)


def test_diffusers_configurations_are_the_papers_but_for_the_guidance_of_the_weak_one():
    from diffusers.pipelines.deprecated.stable_diffusion_safe import SafetyConfig

    names = ("guidance_scale", "warmup_steps", "threshold", "momentum_scale", "mom_beta")
    for config, numbers in CONFIGS.items():
        wanted = Numbers(*(getattr(SafetyConfig, config.upper())[f"sld_{name}"] for name in names))
        assert wanted == (replace(numbers, guidance=20.0) if config == "weak" else numbers)


def test_a_step_is_the_formula_in_plain_numbers(host):
    """mu and nu of two steps, a warm-up of one, written out."""
    given = sd.conditions(host, ["a ghost", "a dog"], [4.0, 2.0])
    numbers = Numbers(guidance=300.0, warmup=1, threshold=0.002, momentum=0.5, beta=0.7)
    safe, nu = Safe(host, numbers, "ghost", 1.0, given), torch.zeros(2, 4, 8, 8)
    z = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    s = sd.encode(host, ["ghost"]).expand(2, -1, -1)
    for step, t in enumerate((801, 701)):
        with torch.no_grad():
            e_0, e_p, e_s = (host.unet(z, t, encoder_hidden_states=c).sample for c in (given.uncond, given.cond, s))
            made = safe(z, torch.tensor(t))
        mu = (300.0 * (e_p - e_s)).abs().minimum(torch.ones(1)) * (e_p - e_s < 0.002)
        assert {0.0, 1.0} < set(mu.flatten().tolist())  # beyond the threshold, cut, and between
        gamma = mu * (e_s - e_0) + 0.5 * nu
        nu = 0.7 * nu + 0.3 * gamma
        wanted = e_0 + torch.tensor([4.0, 2.0])[:, None, None, None] * (e_p - e_0 - (gamma if step else 0))
        assert torch.allclose(made, wanted, atol=1e-12)


def test_every_sampling_begins_with_no_momentum_and_its_first_step(host):
    method = SLD(config="strong")
    with method.apply(host, method.fit(host, ["ghost"], seed=0)) as guide:
        first, second = (sample.clean(host, guide, [job()]) for _ in range(2))
    assert torch.equal(first, second)


def test_the_five_numbers_are_in_the_recipe_whichever_setting_they_came_from():
    own = SLD(config="strong", warmup=3)
    assert asdict(own.numbers) == {**asdict(CONFIGS["strong"]), "warmup": 3}
    for method in (SLD(), own):
        params = jobs.recipe(method, ["ghost"], fit_seed=0, model="").params
        assert {name: params[name] for name in asdict(method.numbers)} == asdict(method.numbers)


def test_the_five_numbers_stand_in_a_row_of_a_table_even_where_it_is_the_only_one():
    params = canonical(jobs.recipe(SLD(), ["ghost"], fit_seed=0, model="").params)
    row = dict(zip(VARIANT, ("sld", "1", params, 0, "m", "s"), strict=True))
    labels = [str(label) for label in variants(pd.DataFrame([row])).values()]
    assert labels == ["sld (beta=0.4, guidance=1000, momentum=0.3, threshold=0.01, warmup=10)"]


def test_a_number_out_of_its_bounds_is_refused():
    with pytest.raises(UserError, match="beta"):
        loading.make("methods", "sld", {"beta": 1.5})


def test_the_text_is_the_erased_concepts_or_the_released_list(host):
    from diffusers import StableDiffusionPipelineSafe

    parts = (host.vae, host.text_encoder, host.tokenizer, host.unet, sample.scheduler(host, "ddim", 2))
    pipe = StableDiffusionPipelineSafe(*parts, None, None, requires_safety_checker=False)
    assert SLD().fit(host, ["ghost", "clown"], seed=0).header == {"text": "ghost, clown"}
    assert SLD(concept="inappropriate").fit(host, ["ghost"], seed=0).header == {"text": INAPPROPRIATE}
    assert pipe.safety_concept == INAPPROPRIATE
