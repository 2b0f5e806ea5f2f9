"""Sampling from where an attack starts it: learnt vectors in a text, latents, a hole, noise in every step.

Rows of a batch are independent: each has its own start, and one without is sampled as it is without the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dumo_bench.errors import UserError
from dumo_bench.hosts.sd import Host, tokens
from dumo_bench.types import Conditions, Denoiser, Draw, Start, digest

MARK = "*"  # in a text, for a learnt vector; one token of every byte-pair vocabulary


class Row(NamedTuple):
    """A row of a batch."""

    start: Start
    draw: Draw


@contextmanager
def heard(encoder: Any, vectors: Tensor) -> Iterator[None]:
    """Inside, the encoder reads vectors (n, 77, d) whatever tokens it is given, and a gradient reaches them."""
    own = encoder.get_input_embeddings()
    hook = own.register_forward_hook(lambda module, given, out: vectors.to(out.dtype))
    try:
        yield
    finally:
        hook.remove()


def table(host: Host) -> Tensor:
    """The vectors (V, d) of all tokens, in float32."""
    return host.text_encoder.get_input_embeddings().weight.detach().float()  # type: ignore[operator,no-any-return]


def mark(host: Host) -> int:
    """The token that a learnt vector stands in for."""
    ids: list[int] = host.tokenizer(MARK, add_special_tokens=False).input_ids
    if len(ids) != 1:
        raise UserError(f"{host.model}: its tokenizer reads {MARK!r} as {len(ids)} tokens, wanted 1: no vector fits in")
    return ids[0]


def read(host: Host, texts: Sequence[str], embedding: Tensor) -> Tensor:
    """The states (n, 77, d) of texts whose marks are vectors (v, d), in order; of more marks than vectors in turn."""
    ids = tokens(host, texts)[0]
    at = ids == mark(host)
    nth = (at.cumsum(1) - 1).clamp_min(0) % len(embedding)
    whole = torch.where(at[..., None], embedding.float().to(ids.device)[nth], table(host)[ids])
    with heard(host.text_encoder, whole):
        states: Tensor = host.text_encoder(ids).last_hidden_state
    return states


@torch.no_grad()
def said(host: Host, given: Conditions, rows: Sequence[Row]) -> Conditions:
    """The conditions of a batch with learnt vectors in the texts of the rows that have some."""
    cond = given.cond.clone()
    for i, (start, _) in enumerate(rows):
        if start.embedding is not None:
            cond[i] = read(host, [given.texts[i]], start.embedding)[0]
    return replace(given, cond=cond)


@torch.no_grad()
def denoised(denoise: Denoiser, schedule: Any, noise: Tensor, rows: Sequence[Row]) -> Tensor:
    """Run the whole schedule from unit-normal noise (B, c, h, w), or where rows start, to clean latents."""
    fits(schedule, rows)
    z, sources = noise * schedule.init_noise_sigma, [source(row.draw) for row in rows]
    for step, t in enumerate(schedule.timesteps):
        z = begun(schedule, z, noise, step, t, rows)
        estimate = denoise(schedule.scale_model_input(z, t), t)
        after = schedule.step(estimate, t, z)
        drawn = [stochastic(schedule, after.pred_original_sample[i], t, z[i], row, g)
                 if row.start.eta is not None else after.prev_sample[i]
                 for i, (row, g) in enumerate(zip(rows, sources, strict=True))]  # fmt: skip
        z = torch.stack(drawn)
    whole = [row.start.picture[row.draw.index].to(z) if row.start.picture is not None else z[i]
             for i, row in enumerate(rows)]  # fmt: skip
    return torch.stack([_outside(z[i], whole[i], row.start.hole) for i, row in enumerate(rows)])


def fits(schedule: Any, rows: Sequence[Row]) -> None:
    """Refuse a sampler that remembers earlier steps where a row starts in the midst of them, or adds noise."""
    apart = any(row.start.step or row.start.eta is not None or row.start.picture is not None for row in rows)
    if apart and type(schedule).__name__ != "DDIMScheduler":
        raise UserError(f"a starting point between two steps is of the sampler ddim, not of {type(schedule).__name__}")


def begun(schedule: Any, z: Tensor, noise: Tensor, step: int, t: Tensor, rows: Sequence[Row]) -> Tensor:
    """Latents (B, c, h, w) before a step, with what rows start with there, and what surrounds their holes."""
    found = list(z)
    for i, (start, draw) in enumerate(rows):
        if start.latents is not None and start.step == step:
            found[i] = start.latents[draw.index].to(z)
        if start.picture is not None:
            around = schedule.add_noise(start.picture[draw.index].to(z), noise[i], t.reshape(1))
            found[i] = _outside(found[i], around.reshape(z[i].shape), start.hole)
    return torch.stack(found)


def _outside(drawn: Tensor, around: Tensor, hole: Tensor | None) -> Tensor:
    return drawn if hole is None else torch.where(hole.to(drawn.device) > 0, drawn, around)


def source(draw: Draw) -> torch.Generator:
    """Where the noise that steps add to a picture comes from."""
    return torch.Generator().manual_seed(int(digest(["steps", draw.seed, draw.index, draw.of])[:15], 16))


def stochastic(schedule: Any, x: Tensor, t: Tensor, z: Tensor, row: Row, g: torch.Generator) -> Tensor:
    """A step of DDIM from latents z (c, h, w), whose picture is told as x, with eta times DDPM's noise, times a scale.

    sigma = eta sqrt((1 - a') / (1 - a)) sqrt(1 - a / a')
    z' = sqrt(a') x + sqrt(|1 - a' - sigma^2|) e + scale sigma n

    Beyond eta 1 the noise may ask for more than its place leaves; then the absolute value adds variance.
    """
    assert row.start.eta is not None
    before = int(t) - schedule.config.num_train_timesteps // schedule.num_inference_steps
    a = schedule.alphas_cumprod[int(t)]
    a_next = schedule.alphas_cumprod[before] if before >= 0 else schedule.final_alpha_cumprod
    e = (z - a.sqrt() * x) / (1 - a).sqrt()
    sigma = row.start.eta[row.draw.index].cpu() * ((1 - a_next) / (1 - a) * (1 - a / a_next)).sqrt()
    scale = 1.0 if row.start.scale is None else row.start.scale[row.draw.index].cpu()
    noise = torch.randn(z.shape, generator=g).to(z)
    found: Tensor = a_next.sqrt() * x + (1 - a_next - sigma**2).abs().sqrt() * e + scale * sigma * noise
    return found.to(z.dtype)
