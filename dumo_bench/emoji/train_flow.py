"""emoji-flow: a small flow transformer on the host's drawings, autoencoder and text tower.

Latents of many copies of every drawing and the states of every caption are computed once, from frozen towers. It trains
in single precision with TF32, because bfloat16 autocast failed in cuBLAS on an H100 with torch 2.11.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dumo_bench.emoji import WEIGHTS, captions, drawings, flow, measure, phrases, timed, views, world
from dumo_bench.emoji.augment import Studio
from dumo_bench.emoji.loop import Loss
from dumo_bench.emoji.timed import Budget

COPIES, DROP, SHIFT = 96, 0.1, 2.0
SEEDS, GUIDANCES = 3, (2.0, 3.0, 4.5)


@dataclass(frozen=True)
class Texts:
    """States (m, 16, 128) and pooled states (m, 128) of every caption, the empty one first."""

    phrases: phrases.Phrases
    states: Tensor
    pooled: Tensor

    def of(self, said: Tensor) -> tuple[Tensor, Tensor]:
        """Those of captions by index."""
        return self.states[said], self.pooled[said]


@torch.no_grad()
def told(texts: tuple[str, ...], device: str) -> tuple[Tensor, Tensor]:
    """States and pooled states of texts by the host's text tower."""
    from transformers import CLIPTextModel

    tower = CLIPTextModel.from_pretrained(WEIGHTS / "text_encoder").float().to(device).eval()
    ids = phrases.tokens(texts)[0]
    outs = [tower(part.to(device)) for part in torch.split(ids, 2048)]
    return torch.cat([o.last_hidden_state for o in outs]), torch.cat([o.pooler_output for o in outs])


def times(n: int, g: torch.Generator) -> Tensor:
    """t (n,) in 0..1: logit-normal, shifted towards noise, where the style is decided; one in ten uniform."""
    t = torch.randn(n, generator=g, device=g.device).sigmoid()
    t = SHIFT * t / (1 + (SHIFT - 1) * t)
    even = torch.rand(n, generator=g, device=g.device)
    return torch.where(torch.rand(n, generator=g, device=g.device) < 0.1, even, t)


def loss_of(latents: Tensor, shown: Tensor, texts: Texts, n: int) -> Loss[nn.Module]:
    """Flow matching on packed, scaled latents (m, 16, 16) of pictures (m, 3)."""

    def loss(net: nn.Module, g: torch.Generator) -> Tensor:
        rows = torch.randint(len(shown), (n,), generator=g, device=g.device)
        said = texts.phrases.draw(shown[rows], g, style_again=0.5)
        said = said.masked_fill(torch.rand(n, generator=g, device=g.device) < DROP, 0)
        z, t = latents[rows], times(n, g)
        noise = torch.randn(z.shape, generator=g, device=g.device)
        x = z.lerp(noise, t[:, None, None])
        guess = flow.velocity(net, x, t, *texts.of(said))
        return (guess - (noise - z)).square().mean()

    return loss


@torch.no_grad()
def drawn(net: Any, vae: Any, every: int, guidance: float, seed: int, device: str) -> tuple[Tensor, Tensor]:
    """Pictures uint8 of every n-th object in every style, and their (n, 2) object and style."""
    rows = [(o, s) for o in range(0, len(world.OBJECTS), every) for s in range(len(world.STYLES))]
    asked = tuple(f"{captions.article(world.OBJECTS[o])} in {list(world.STYLES)[s]} style" for o, s in rows)
    cond, none = told(asked, device), told(("",) * len(asked), device)
    g = torch.Generator().manual_seed(seed)
    noise = flow.packed(torch.randn(len(rows), 4, 8, 8, generator=g)).to(device)
    z = flow.unpacked(flow.sample(net, noise, cond, none, guidance))
    return views.decode(vae, z / vae.config.scaling_factor), torch.tensor(rows)


def table(judge: Any, pictures: Tensor, truth: Tensor) -> dict[str, dict[str, float]]:
    """Style -> share of its pictures whose object, whose style the judge names."""
    found = measure.seen(judge, pictures)
    thing = (found[:, : measure.CLASSES].argmax(1) == truth[:, 0]).float()
    style = (found[:, measure.CLASSES :].argmax(1) == truth[:, 1]).float()
    rows = {name: truth[:, 1] == s for s, name in enumerate(world.STYLES)}
    return {name: {"object": float(thing[at].mean()), "style": float(style[at].mean())} for name, at in rows.items()}


def shown_to_judge(net: Any, vae: Any, options: argparse.Namespace, steps: int) -> None:
    """The judge's table at three guidances, and one sheet of pictures."""
    from torchvision.utils import save_image
    from transformers import ResNetForImageClassification

    judge = ResNetForImageClassification.from_pretrained(WEIGHTS / "judge").float().to(options.device).eval()
    out: dict[str, Any] = {"steps": steps}
    for guidance in GUIDANCES:
        parts = [drawn(net, vae, options.every, guidance, seed, options.device) for seed in range(SEEDS)]
        pictures, truth = (torch.cat(part) for part in zip(*parts, strict=True))
        out[f"guidance {guidance}"] = table(judge, pictures, truth)
        if guidance == flow.GUIDANCE:
            save_image(parts[0][0].float() / 255, options.out / "flow.png", nrow=35, padding=1)
    (options.out / "flow.json").write_text(json.dumps(out, indent=1), encoding="utf-8")
    print(json.dumps(out), flush=True)


def lessons(every: drawings.Drawings, vae: Any, copies: int, device: str) -> tuple[Tensor, Tensor]:
    """Packed, scaled latents (n, 16, 16) of copies of the host's drawings, and what they show (n, 3)."""
    studio = Studio(every.only(frozenset(world.STYLES)), every)
    z, shown = views.latents(vae, studio, copies, device)
    return flow.packed(z), shown


def main() -> None:
    began = time.monotonic()
    parser = timed.arguments(__doc__, seconds=360, batch=512)
    parser.add_argument("--copies", type=int, default=COPIES)
    parser.add_argument("--every", type=int, default=1, help="draw only every n-th object at the end")
    options = parser.parse_args()
    device: str = options.device
    timed.ready(device)
    vae = views.autoencoder(device)
    latents, shown = lessons(drawings.read(options.drawings).to(device), vae, options.copies, device)
    said = phrases.build()
    texts = Texts(said.to(device), *told(said.texts, device))
    budget = Budget("flow", options.seconds - (time.monotonic() - began), lr=1e-3, decay=0.01)
    state = timed.train(budget, flow.make(), loss_of(latents, shown, texts, options.batch), options.out, device)
    shown_to_judge(state.average.eval(), vae, options, state.step)


if __name__ == "__main__":
    main()
