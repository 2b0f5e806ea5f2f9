"""A U-Net of emoji-sd that never saw an object, and its twin that saw them all, trained side by side.

The bound of every eraser: what an attack brings back from the first was never learnt by its U-Net. Both start from the
same weights and take the same steps with the same rows, noise and timesteps; where a row shows the object, the first
takes another row. Autoencoder and text tower are the host's, which have seen the object.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn

from dumo_bench.emoji import WEIGHTS, drawings, phrases, timed, train_unet, views, world
from dumo_bench.emoji.augment import Studio
from dumo_bench.emoji.loop import Loss
from dumo_bench.emoji.timed import Budget

COPIES, DROP, TOKENS = 96, 0.1, 77


class Twins(nn.Module):
    """Two networks with the same untrained weights."""

    def __init__(self) -> None:
        super().__init__()
        self.unseen, self.twin = train_unet.make(), train_unet.make()


@torch.no_grad()
def states(texts: tuple[str, ...], device: str) -> Tensor:
    """Hidden states (m, 77, 128) of texts by the host's text tower, in half precision."""
    from transformers import CLIPTextModel, CLIPTokenizer

    tower = CLIPTextModel.from_pretrained(WEIGHTS / "text_encoder").float().to(device).eval()
    asked = {"padding": "max_length", "truncation": True, "max_length": TOKENS, "return_tensors": "pt"}
    ids = CLIPTokenizer.from_pretrained(WEIGHTS / "tokenizer")(list(texts), **asked).input_ids
    return torch.cat([tower(part.to(device)).last_hidden_state.half() for part in torch.split(ids, 1024)])


def other_rows(rows: Tensor, hidden: Tensor, g: torch.Generator) -> Tensor:
    """The rows (n,), where they are hidden (m,) bool others that are not."""
    free = (~hidden).nonzero()[:, 0]
    instead = free[torch.randint(len(free), (len(rows),), generator=g, device=g.device)]
    return torch.where(hidden[rows], instead, rows)


def loss_of(latents: Tensor, shown: Tensor, said: phrases.Phrases, context: Tensor, n: int, word: int) -> Loss[Any]:
    """The sum of both networks' losses, weighted by timestep, on scaled latents (m, 4, 8, 8) of pictures (m, 3)."""
    noise_of_t = train_unet.noise_schedule()
    alpha, weight = (x.to(latents.device) for x in (noise_of_t.alphas_cumprod, train_unet.weights(noise_of_t)))
    hidden = shown[:, 0] == word

    def one(net: nn.Module, rows: Tensor, texts: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        a = alpha[t][:, None, None, None]
        z = a.sqrt() * latents[rows] + (1 - a).sqrt() * noise
        guess = net(z, t, encoder_hidden_states=context[texts].float()).sample
        each: Tensor = (guess - noise).square().mean((1, 2, 3))
        return (weight[t] * each).mean()

    def loss(nets: Any, g: torch.Generator) -> Tensor:
        rows = torch.randint(len(shown), (n,), generator=g, device=g.device)
        others = other_rows(rows, hidden, g)
        texts = said.draw(shown[rows], g, style_again=0.5)
        texts_of_others = torch.where(hidden[rows], said.draw(shown[others], g, style_again=0.5), texts)
        silent = torch.rand(n, generator=g, device=g.device) < DROP
        noise = torch.randn((n, *latents.shape[1:]), generator=g, device=g.device)
        t = torch.randint(len(alpha), (n,), generator=g, device=g.device)
        first = one(nets.unseen, others, texts_of_others.masked_fill(silent, 0), noise, t)
        return first + one(nets.twin, rows, texts.masked_fill(silent, 0), noise, t)

    return loss


def main() -> None:
    began = time.monotonic()
    parser = timed.arguments(__doc__, seconds=300, batch=512)
    parser.add_argument("--object", choices=world.OBJECTS, default="ghost")
    parser.add_argument("--lr", type=float, default=8e-4)
    parser.add_argument("--mark", type=float, default=45, help="seconds between checkpoints")
    parser.add_argument("--copies", type=int, default=COPIES)
    options = parser.parse_args()
    device: str = options.device
    timed.ready(device)
    vae = views.autoencoder(device)
    every = drawings.read(options.drawings).to(device)
    studio = Studio(every.only(frozenset(world.STYLES)), every)
    latents, shown = views.latents(vae, studio, options.copies, device)
    said = phrases.build()
    context = states(said.texts, device)
    budget = Budget("unseen", options.seconds - (time.monotonic() - began), lr=options.lr, mark=options.mark)
    word = world.OBJECTS.index(options.object)
    print(f"{len(shown)} pictures, {len(said.texts)} texts, {time.monotonic() - began:.0f} s", flush=True)
    loss = loss_of(latents, shown, said.to(device), context, options.batch, word)
    timed.train(budget, Twins(), loss, options.out, device)


if __name__ == "__main__":
    main()
