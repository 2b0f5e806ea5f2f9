"""What DuMo's sampling costs over the original's: SD v1.4's shapes, random weights, one concept, equal batches.

A step is the whole guided estimate, both halves in one batch. The parts are timed in the same run and take turns.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import sd14
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from dumo_bench.hosts.sd import stock_guide
from dumo_bench.methods.epr import EPR, corrected, denoiser, features, scaled
from dumo_bench.methods.tlmo import BINS
from dumo_bench.types import Conditions


def lively(unet: Any) -> EPR:
    """An EPR whose 1x1 convolutions are not zero."""
    epr = EPR(unet).eval().requires_grad_(False)
    for conv in (*epr.dumo_down_blocks, epr.dumo_mid_block):
        conv.weight.fill_(1e-3)
    return epr


def ways(unet: Any, epr: EPR, side: int, batch: int) -> dict[str, Callable[[], Any]]:
    """The two samplers' steps, and DuMo's parts."""
    z, _, context = sd14.inputs(side, batch)
    text = ("",) * batch
    given = Conditions(text, torch.zeros(batch, 77).long(), context, context.flip(1), torch.full((batch,), 7.5))
    table, t = torch.ones(BINS, 13), torch.tensor(500)
    original = stock_guide(SimpleNamespace(unet=unet), given)  # type: ignore[arg-type]
    edited = denoiser(unet, [(epr, table)], [torch.ones(batch)], given)
    both, texts, when = torch.cat([z, z]), torch.cat([given.uncond, given.cond]), t.expand(2 * batch)
    found = features(epr, both, when, texts)
    convs = [*epr.dumo_down_blocks, epr.dumo_mid_block]
    made = scaled(epr, table, both, when, texts)
    return {
        "original": lambda: original(z, t),
        "dumo": lambda: edited(z, t),
        "encoder": partial(features, epr, both, when, texts),
        "convolutions": lambda: [conv(f) for conv, f in zip(convs, found, strict=True)],
        "scaling": lambda: [1.0 * r for r in made],
        "unet with corrections": partial(corrected, unet, both, t, texts, made),
    }


def share(part: Callable[[Any, Tensor, Tensor, Tensor], Any], net: Any, side: int) -> float:
    """Floating-point operations of a network at this size, from its shapes."""
    with FlopCounterMode(display=False) as counter:
        part(net, *sd14.inputs(side, 1, "meta"))
    return float(counter.get_total_flops())


def computed(side: int) -> list[str]:
    """A row of the table of operations."""
    unet = sd14.unet()
    epr = EPR(unet)
    whole = share(lambda u, z, t, c: u(z, t, encoder_hidden_states=c), unet, side)
    encoder, all_of_it = share(features, epr, side), share(lambda e, z, t, c: e(z, t, c), epr, side)
    values = (encoder / whole, (all_of_it - encoder) / whole, 1 + all_of_it / whole)
    return [f"{side} x {side}", f"{whole / 1e9:.0f} G", *(f"{v:.3f}" for v in values)]


def measured(unet: Any, epr: EPR, side: int, options: argparse.Namespace) -> list[str]:
    """A row of the table of times; parts as shares of the original's step."""
    todo = ways(unet, epr, side, options.batch)
    for name in ("original", "dumo"):  # the first call allocates
        todo[name]()
    took = sd14.times(todo, options.repeats)
    one = took["original"]
    added = took["unet with corrections"] - one
    parts = [took[name] / one for name in ("encoder", "convolutions", "scaling")] + [added / one]
    return [f"{side} x {side}", f"{one:.2f} s", f"{took['dumo'] / one:.2f}x", *(f"{100 * p:.1f} %" for p in parts)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 64], help="latents along one side")
    parser.add_argument("--computed-only", action="store_true", help="count operations from shapes, time nothing")
    chosen = parser.parse_args()
    with torch.no_grad():
        head = ["latents", "original", "EPR's encoder", "its 1x1", "DuMo / original"]
        print("Operations of a forward, counted\n\n" + sd14.table(head, map(computed, chosen.sides)))
        if not chosen.computed_only:
            net = sd14.unet("cpu")
            own = lively(net)
            head = ["latents", "original", "DuMo", "encoder", "1x1", "scaling", "adding"]
            found = [measured(net, own, side, chosen) for side in chosen.sides]
            print(f"\nTimes of a guided step, batch {chosen.batch}\n\n" + sd14.table(head, found))
            print(f"\n{sd14.machine()}; medians of {chosen.repeats}; parts as shares of the original's step")
