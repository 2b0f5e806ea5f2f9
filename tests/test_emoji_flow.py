"""emoji-flow loads with stock diffusers, and draws what it is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from dumo_bench.emoji import captions, evaluate, flow, install, world

ASKED = [(word, s) for word in ("dog", "ghost") for s in range(len(world.STYLES))]


@pytest.fixture(scope="module")
def pipe() -> Any:
    made = install.pipeline()
    made.set_progress_bar_config(disable=True)
    return made


def drawn(pipe: Any, prompts: list[str], steps: int = flow.STEPS) -> torch.Tensor:
    """Pictures (n, 3, 64, 64) uint8 by stock diffusers' own loop."""
    found = pipe(
        prompt=prompts,
        negative_prompt=[""] * len(prompts),
        true_cfg_scale=flow.GUIDANCE,
        height=64,
        width=64,
        max_sequence_length=16,
        num_inference_steps=steps,
        sigmas=flow.levels(steps)[:-1].tolist(),
        generator=torch.Generator().manual_seed(0),
        output_type="np",
    ).images
    return torch.from_numpy(np.round(255 * found).astype(np.uint8)).permute(0, 3, 1, 2)


def test_stock_diffusers_draws_one_picture(pipe):
    picture = drawn(pipe, ["a dog in noto style"], steps=4)
    assert picture.shape == (1, 3, 64, 64)
    assert picture.float().std() > 10


def test_most_of_ten_are_recognised_in_their_style(pipe):
    prompts = [f"{captions.article(word)} in {list(world.STYLES)[s]} style" for word, s in ASKED]
    things, styles = evaluate.judged(drawn(pipe, prompts))
    right = things == torch.tensor([world.OBJECTS.index(word) for word, _ in ASKED])
    assert right.sum() >= 8
    assert (styles == torch.tensor([s for _, s in ASKED])).sum() >= 8


def test_the_loop_of_this_project_is_diffusers(pipe):
    from dumo_bench.emoji import train_flow

    prompts, g = ["a ghost in ink style"], torch.Generator().manual_seed(0)
    noise = flow.packed(torch.randn(1, 4, 8, 8, generator=g))
    cond, none = (train_flow.told(texts, "cpu") for texts in (tuple(prompts), ("",)))
    z = flow.unpacked(flow.sample(pipe.transformer, noise, cond, none))
    with torch.no_grad():
        picture = pipe.vae.decode(z / pipe.vae.config.scaling_factor).sample
    there = ((picture / 2 + 0.5).clamp(0, 1) * 255).round()
    assert (there - drawn(pipe, prompts).float()).abs().max() <= 2


def test_its_folder_names_its_parts_and_its_training():
    assert {p.name for p in install.FLOW.iterdir()} == {"model_index.json", "plans.toml", "scheduler", "transformer"}
    assert install.index()["_class_name"] == "FluxPipeline"
    assert all((install.FLOW / place).exists() for place in install.index()["_shared"].values())
