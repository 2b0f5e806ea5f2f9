"""What the benchmarks share: networks of Stable Diffusion v1.4's shapes with random weights, a clock, a table."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

TEXT = (77, 768)


def unet(device: str = "meta") -> Any:
    """SD v1.4's U-Net, 859,520,964 parameters; on "meta" it has shapes alone, else small normal weights in float32."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        net = UNet2DConditionModel(
            sample_size=64,
            block_out_channels=(320, 640, 1280, 1280),
            down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
            cross_attention_dim=TEXT[1],
            attention_head_dim=8,
        )
    net.eval().requires_grad_(False)
    if device != "meta":
        net.to_empty(device=device)
        g = torch.Generator(device).manual_seed(0)
        for name, p in net.named_parameters():
            filled(p, g, norm="norm" in name and name.endswith("weight"))
    return net


def filled(p: Tensor, g: torch.Generator, *, norm: bool = False) -> None:
    """Weights of the size that a layer of this width begins with; of a norm, ones."""
    if norm:
        p.fill_(1.0)
    else:
        p.normal_(0, (3 * max(1, p[0].numel())) ** -0.5, generator=g)


def inputs(side: int, rows: int = 1, device: str = "cpu") -> tuple[Tensor, Tensor, Tensor]:
    """Latents (rows, 4, side, side), timesteps (rows,), text (rows, 77, 768)."""
    z, c = torch.empty(rows, 4, side, side, device=device), torch.empty(rows, *TEXT, device=device)
    if device != "meta":
        g = torch.Generator(device).manual_seed(1)
        z.normal_(generator=g)
        c.normal_(generator=g)
    return z, torch.full((rows,), 500, device=device), c


def times(ways: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median wall seconds of each; they take turns, so that a loaded machine is loaded for all of them alike."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            spent[name].append(time.perf_counter() - began)
    return {name: statistics.median(found) for name, found in spent.items()}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table: the first column to the left, the others to the right."""
    marks = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, marks, *rows))


def machine() -> str:
    """Threads and load, without which a time means little."""
    threads, load = torch.get_num_threads(), os.getloadavg()[0]
    return f"{threads} threads on {os.cpu_count()} cores, load {load:.1f}, torch {torch.__version__}"
