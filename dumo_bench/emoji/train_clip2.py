"""emoji-clip, version 2: the scoring CLIP that has seen many artists. It is not the host's text encoder's.

Half of each batch are the host's pictures with any caption, half any artist's drawings, strongly changed, with
captions that name neither style nor background.
"""

from __future__ import annotations

import json
import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPModel

from dumo_bench.emoji import captions, drawings, measure, phrases, timed, wear, world
from dumo_bench.emoji.augment import Batch, Studio
from dumo_bench.emoji.drawings import Drawings
from dumo_bench.emoji.loop import Loss
from dumo_bench.emoji.timed import Budget

WIDTH = 128
BOS, EOS, WORDS = 1047, 1048, 1049  # of the host's tokenizer


def make() -> CLIPModel:
    """Untrained weights, drawn from a fixed seed: 3 text layers of width 128, 6 picture layers of width 192."""
    torch.manual_seed(0)
    special = {"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": EOS, "vocab_size": WORDS}
    text = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_attention_heads": 4, "num_hidden_layers": 3}
    text |= {**special, "max_position_embeddings": 77, "projection_dim": WIDTH}
    vision = {"hidden_size": 192, "intermediate_size": 768, "num_attention_heads": 6, "num_hidden_layers": 6}
    vision |= {"image_size": world.SIZE, "patch_size": 8, "projection_dim": WIDTH}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=WIDTH))


def family(studio: Studio, objects: int, g: torch.Generator) -> Batch:
    """Some objects in all five styles, so that style alone tells them apart."""
    own = studio.own
    order = (own.object * len(world.STYLES) + own.artist).argsort().view(len(world.OBJECTS), -1)
    rows = order[torch.randperm(len(order), generator=g, device=g.device)[:objects]].flatten()
    return studio.tiles(rows, g)


def batch(studio: Studio, n: int, g: torch.Generator) -> Batch:
    """n pictures, half of them the host's, and half of those families."""
    own = family(studio, n // 20, g)
    own = own + studio.mild(n // 2 - len(own.object), g)
    return Batch(wear.tinted(own.picture, g), own.object, own.style, own.background) + studio.strong(n // 2, g)


def contrast(to_text: Tensor, match: Tensor) -> Tensor:
    """InfoNCE both ways of logits (texts, pictures); all pictures of which a caption is true share its probability."""
    match = match.float()
    across = F.cross_entropy(to_text, match / match.sum(1, keepdim=True))
    return (across + F.cross_entropy(to_text.T, (match / match.sum(0)).T)) / 2


def loss_of(studio: Studio, every: phrases.Phrases, ids: tuple[Tensor, Tensor], n: int) -> Loss[nn.Module]:
    """The contrastive loss of a batch with captions drawn for it."""

    def loss(clip: nn.Module, g: torch.Generator) -> Tensor:
        b = batch(studio, n, g)
        shown = torch.stack([b.object, b.style, b.background], 1)
        said = every.draw(shown, g)
        out = clip(pixel_values=2 * b.picture - 1, input_ids=ids[0][said], attention_mask=ids[1][said])
        return contrast(out.logits_per_text, every.fits(said, shown))

    return loss


@torch.no_grad()
def zero_shot(clip: Any, pictures: Tensor, ids: tuple[Tensor, Tensor]) -> Tensor:
    """The likeliest object (n,) of pictures (n, 3, 64, 64) uint8, given the tokens of one caption an object."""
    parts = torch.split(pictures, 256)
    outs = [clip(pixel_values=p.float() / 127.5 - 1, input_ids=ids[0], attention_mask=ids[1]) for p in parts]
    return torch.cat([out.logits_per_image.argmax(1) for out in outs]).cpu()


def measured(clip: Any, every: Drawings, device: str) -> dict[str, float]:
    """Zero-shot accuracy of the object, each artist plain and cropped."""
    said = tuple(f"a picture of {captions.article(word)}" for word in world.OBJECTS)
    ids = tuple(t.to(device) for t in phrases.tokens(said))
    out = {}
    for name in every.names:
        for cropped in (False, True):
            pictures, right = measure.shown(every.only(frozenset({name})), cropped)
            hit = zero_shot(clip, pictures, (ids[0], ids[1])) == right
            out[name + "/cropped" * cropped] = float(hit.float().mean())
    return out


def main() -> None:
    began = time.monotonic()
    parser = timed.arguments(__doc__, seconds=300, batch=768)
    options = parser.parse_args()
    device: str = options.device
    timed.ready(device)
    every = drawings.read(options.drawings).to(device)
    studio = Studio(every.only(frozenset(world.STYLES)), every.only(drawings.trained_on()))
    said = phrases.build()
    ids, mask = (t.to(device) for t in phrases.tokens(said.texts))
    budget = Budget("clip-2", options.seconds - (time.monotonic() - began), lr=1e-3, decay=0.05)
    loss = loss_of(studio, said.to(device), (ids, mask), options.batch)
    state = timed.train(budget, make(), loss, options.out, device)
    found = measured(state.average.eval(), every, device)
    (options.out / "clip-2.json").write_text(json.dumps({"steps": state.step, **found}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
