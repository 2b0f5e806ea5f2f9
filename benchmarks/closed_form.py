"""UCE and RECE for the 32 key and value matrices of SD v1.4, against solving layer by layer.

From loaded weights to the finished edit, with the text encoder's time and, as `solving`, without it: every text is then
known beforehand. All ways get the same rows. The usual way forms its sums as the formulas read, an outer product a row,
and inverts for every layer, in float32; the careful way uses matrix products and is otherwise the same. This project
reads each text once, and solves once, in float64, in the text width.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import sd14
import torch
from torch import Tensor, nn

from dumo_bench.baselines.rece import RECE
from dumo_bench.baselines.uce import UCE
from dumo_bench.hosts.sd import Host
from dumo_bench.kit import embeddings, linear

Product = Callable[[Tensor, Tensor], Tensor]
CONCEPTS = ("dog", "cat", "ghost", "bicycle", "church", "parachute", "chair", "violin", "camel", "lemon")


def outer(a: Tensor, b: Tensor) -> Tensor:
    """sum_i a_i b_i^T of rows (n, h), (n, d), one outer product a row; a text's 77 rows at once."""
    total = torch.zeros(a.shape[1], b.shape[1], dtype=a.dtype)
    for left, right in zip(a.split(77), b.split(77), strict=True):
        total += (left[:, :, None] @ right[:, None, :]).sum(0)
    return total


def product(a: Tensor, b: Tensor) -> Tensor:
    """The same as one matrix product."""
    return a.T @ b


def host() -> Host:
    """Keys and values, and a text encoder, of SD v1.4's shapes with random weights; the rest of the U-Net is absent."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from dumo_bench.emoji import WEIGHTS

    net, g = sd14.unet(), torch.Generator().manual_seed(0)
    for name in ("conv_in.weight", *linear.weights(net)):
        place, _, last = name.rpartition(".")
        made = nn.Parameter(torch.empty_like(net.get_parameter(name), device="cpu"), requires_grad=False)
        sd14.filled(made, g)
        setattr(net.get_submodule(place), last, made)
    words = CLIPTokenizer.from_pretrained(WEIGHTS, subfolder="tokenizer")
    text = CLIPTextModel(CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_attention_heads=12)).eval()
    return Host(words, text.requires_grad_(False), net, SimpleNamespace(), {}, "random", "", {})


Layers = dict[str, Tensor]


def uce(host: Host, erase: tuple[str, ...], sums: Product, dtype: torch.dtype) -> Layers:
    """W = (lamb W0 + sum W0 c* c^T + sum W0 r r^T) (lamb I + sum c c^T + sum r r^T)^-1, a layer at a time."""
    old, new = (r.to(dtype) for r in embeddings.aligned(host, [(c, " ") for c in erase]))
    keep = embeddings.whole(host, [""]).to(dtype)
    return solved(own(host, dtype), (old, new, keep), (0.5, 1.0), sums)


def rece(host: Host, erase: tuple[str, ...], sums: Product, dtype: torch.dtype, epochs: int = 3) -> Layers:
    """UCE, and in each epoch the derived embedding from the sums over all layers, then a solve a layer."""
    was, now = own(host, dtype), uce(host, erase, sums, dtype)
    c, target = embeddings.whole(host, erase).to(dtype), embeddings.whole(host, [" "] * len(erase)).to(dtype)
    keep = embeddings.whole(host, [""] * len(erase)).to(dtype)
    eye = torch.eye(c.shape[1], dtype=dtype)
    for _ in range(epochs):
        seen, wanted = 0.1 * eye, torch.zeros_like(eye)
        for name, w in now.items():
            seen, wanted = seen + w.T @ w, wanted + w.T @ was[name]
        found = c @ (torch.linalg.inv(seen) @ wanted).T
        now = solved(now, (found, target, keep), (0.1, 0.1), sums)
    return now


def own(host: Host, dtype: torch.dtype) -> Layers:
    return {name: w.to(dtype) for name, w in linear.weights(host.unet).items()}


def solved(
    layers: Mapping[str, Tensor], given: tuple[Tensor, Tensor, Tensor], scales: tuple[float, float], sums: Product
) -> Layers:
    """Every layer's solution; given are the rows old, new and keep, scales the ridge and the weight of keep."""
    (old, new, keep), (ridge, kept) = given, scales
    out = {}
    for name, w in layers.items():
        left = ridge * w + sums(new @ w.T, old) + kept * sums(keep @ w.T, keep)
        right = ridge * torch.eye(w.shape[1], dtype=w.dtype) + sums(old, old) + kept * sums(keep, keep)
        out[name] = left @ torch.linalg.inv(right)
    return out


def compared(host: Host, method: Any, erase: tuple[str, ...], repeats: int) -> list[str]:
    """A row of the table."""
    layered = {"uce": uce, "rece": rece}[method.name]
    exact = layered(host, erase, product, torch.float64)
    mine = method.fit(host, erase, seed=0).tensors
    off = max(float((mine[f"unet.{n}"] - w).norm() / w.norm()) for n, w in exact.items())
    known = embeddings.once(host)
    layered(known, erase, product, torch.float32)  # it has now read every text
    ways = {
        "here": lambda: method.fit(host, erase, seed=0),
        "careful": lambda: layered(host, erase, product, torch.float32),
        "usual": lambda: layered(host, erase, outer, torch.float32),
        "here, solving": lambda: method.fit(known, erase, seed=0),
        "usual, solving": lambda: layered(known, erase, outer, torch.float32),
    }
    took = sd14.times(ways, repeats)
    return [
        f"{method.name.upper()}, {len(erase)} jointly" if len(erase) > 1 else method.name.upper(),
        f"{took['here']:.2f} s",
        *(f"{took[way]:.2f} s | {took[way] / took['here']:.1f}x" for way in ("usual", "careful")),
        f"{took['here, solving']:.2f} s | {took['usual, solving'] / took['here, solving']:.1f}x",
        f"{off:.0e}",
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--concepts", type=int, default=1, help="how many, erased jointly, up to 10")
    chosen = parser.parse_args()
    model, repeats, erase = host(), chosen.repeats, CONCEPTS[: chosen.concepts]
    head = ["", "here", "usual", "ratio", "careful", "ratio", "solving", "usual / solving", "difference"]
    with torch.no_grad():
        print(sd14.table(head, [compared(model, method, erase, repeats) for method in (UCE(), RECE(epochs=3))]))
    print(f"\n{sd14.machine()}; medians of {repeats}; difference: relative, the largest of the layers, against float64")
