"""The sampling loop equals diffusers' own pipeline, and a picture is its job's alone."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import tiny
import torch

from dumo_bench.errors import UserError
from dumo_bench.hosts import sample, samplers, sd
from dumo_bench.methods.original import Original
from dumo_bench.run import work
from dumo_bench.run.jobs import batches
from dumo_bench.storage.store import Store
from dumo_bench.types import Draw, Edit


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.host()


@pytest.mark.parametrize("name", sorted(samplers.SAMPLERS))
def test_latents_equal_those_of_the_diffusers_pipeline(host, name):
    from diffusers import StableDiffusionPipeline

    job = tiny.job("a dog in noto style", 7)
    job = replace(job, sampling=replace(job.sampling, scheduler=name, steps=6))
    pipe = StableDiffusionPipeline.from_pretrained(tiny.folder(), safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = sample.scheduler(host, name, 6)
    noise = sd.latents(host, job.draw, 64, 64)
    theirs = pipe(job.text, latents=noise, guidance_scale=3.0, num_inference_steps=6, output_type="latent").images
    ours = sample.clean(host, partial(sd.stock_guide, host), [job])
    assert torch.allclose(ours, theirs, atol=2e-4 * float(theirs.abs().max()))


def test_guidance_of_a_row_is_its_own(host):
    jobs = [tiny.job("a cat", 1, guidance=g) for g in (1.0, 2.0, 7.5)]
    guide = partial(sd.stock_guide, host)
    together = sample.clean(host, guide, jobs)
    for job, z in zip(jobs, together, strict=True):
        assert torch.allclose(z, sample.clean(host, guide, [job])[0], atol=1e-4)


def test_the_third_of_five_draws_is_the_third_of_one_batch(host):
    batch = torch.randn(5, 4, 8, 8, generator=torch.Generator().manual_seed(2024))
    assert torch.equal(sd.latents(host, Draw(2024, 2, 5), 64, 64)[0], batch[2])


def test_cuda_noise_without_a_gpu_is_refused_not_replaced(host):
    if torch.cuda.is_available():
        assert sd.latents(host, Draw(1), 64, 64, "cuda").shape == (1, 4, 8, 8)
    else:
        with pytest.raises(UserError, match="no GPU"):
            sd.latents(host, Draw(1), 64, 64, "cuda")


def test_an_unknown_scheduler_names_the_known_ones(host):
    with pytest.raises(UserError, match="ddim"):
        sample.scheduler(host, "ddmi", 4)


class Poison(Original):
    """Gives no finite latents where the prompt says cat."""

    def apply(self, host, edit):
        from contextlib import nullcontext

        def guide(given):
            bad = torch.tensor([float("nan") if "cat" in t else 0.0 for t in given.texts])

            def denoise(z, t):
                return sd.stock_guide(host, given)(z, t) + bad[:, None, None, None]

            return denoise

        return nullcontext(guide)


def overflowing(host: sd.Host, factor: float) -> sd.Host:
    """The host with the first weights of its decoder so much larger."""
    host.vae.decoder.conv_in.weight.data.mul_(factor)
    return host


def test_a_picture_that_the_vae_makes_infinite_is_reported_and_not_written(tmp_path):
    store, job = Store(tmp_path), tiny.job("a dog")
    failed = work.generate(overflowing(tiny.host(), 1e38), Original(), [job], store, 1).failed
    assert failed == [(job, "the VAE overflows: the decoded picture is not finite")]
    assert not store.has(job)


def test_only_the_pictures_that_are_not_finite_fail(host):
    z = torch.zeros(3, 4, 8, 8)
    z[1] = 1e38
    pictures, finite = sd.decode(host, z)
    assert finite.tolist() == [True, False, True] and torch.equal(pictures[0], pictures[2])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_vae_that_would_overflow_in_half_precision_makes_the_pictures_of_float32(dtype):
    """Its decoder's first numbers exceed 65504, the largest of float16."""
    z = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    half, whole = (overflowing(tiny.host(name), 1e6) for name in (dtype, "float32"))
    made, finite = sd.decode(half, z.to(half.dtype))
    wanted, _ = sd.decode(whole, z.to(half.dtype).float())
    assert finite.all() and torch.equal(made, wanted)


def test_a_picture_that_is_not_finite_is_reported_and_not_written(host, tmp_path):
    store, jobs = Store(tmp_path), [tiny.job("a dog"), tiny.job("a cat"), tiny.job("alien")]
    failed = work.generate(host, Poison(), jobs, store, 2).failed
    assert [(job.text, why) for job, why in failed] == [("a cat", "the latents are not finite")]
    assert [store.has(job) for job in jobs] == [True, False, True]


def test_a_second_run_makes_nothing_and_another_batch_size_moves_pixels_by_one_at_most(host, tmp_path):
    one, two = Store(tmp_path / "one"), Store(tmp_path / "two")
    jobs = [tiny.job(text, seed) for seed in (0, 1) for text in ("a dog", "alien", "")]
    assert work.generate(host, Original(), jobs, one, 4).failed == []
    written = {job.key: one.image_path(job).stat().st_mtime_ns for job in jobs}
    assert work.generate(host, Original(), jobs, one, 4).failed == []
    assert written == {job.key: one.image_path(job).stat().st_mtime_ns for job in jobs}
    work.generate(host, Original(), jobs[::-1], two, 1)
    from PIL import Image

    for job in jobs:
        a, b = (np.asarray(Image.open(s.image_path(job))).astype(int) for s in (one, two))
        assert np.abs(a - b).max() <= 1


def test_jobs_of_two_sizes_are_never_in_one_batch():
    small = tiny.job("a dog")
    wide = replace(small, sampling=replace(small.sampling, width=128))
    guided = replace(small, sampling=replace(small.sampling, guidance=9.0))
    sizes = [[j.sampling.width for j in batch] for batch in batches([small, wide, guided, wide], 8)]
    assert sorted(sizes) == [[64, 64], [128, 128]] or sorted(map(sorted, sizes)) == [[64, 64], [128, 128]]


def test_an_edit_with_a_foreign_tensor_is_refused_and_leaves_no_trace(host):
    before = host.unet.conv_in.weight.clone()
    edit = Edit({"unet.conv_in.weight": before + 1, "unet.nowhere": torch.zeros(1)}, {})
    with pytest.raises(UserError, match="nowhere"), sd.edited(host, edit):
        pass
    assert torch.equal(before, host.unet.conv_in.weight)
