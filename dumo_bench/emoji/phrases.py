"""All captions as tables, so that a caption is drawn by an index on any device. What is drawn is `captions.draw`'s."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from dumo_bench.emoji import captions, world
from dumo_bench.emoji.captions import TEMPLATES, WITHOUT_OBJECT

LENGTH = 16  # tokens; the longest caption has 13
MOST = max(len(captions.hints_of(word)) for word in world.OBJECTS)
SLOTS = (*WITHOUT_OBJECT, *TEMPLATES, *TEMPLATES)  # without the object, with its name, with a hint
CHANCES = (*(0.04 / len(WITHOUT_OBJECT),) * 4, *(0.90 / len(TEMPLATES),) * 18, *(0.06 / len(TEMPLATES),) * 18)


@dataclass(frozen=True)
class Phrases:
    """texts (m), the first of them empty; what each is true of: objects (m, 126) bool, style, background (m,) or -1.

    table (126, 5, 5, columns) gives the text of a picture under each template; hints (126,) how many hints there are.
    """

    texts: tuple[str, ...]
    objects: Tensor
    style: Tensor
    background: Tensor
    table: Tensor
    hints: Tensor

    def draw(self, shown: Tensor, g: torch.Generator, style_again: float = 0.0) -> Tensor:
        """Indices (n,) of captions of pictures: shown (n, 3) is object, style, background, below 0 if unknown.

        Of captions that leave the style open, a share `style_again` is drawn again.
        """
        odds = slot_odds(style_again, g.device)
        with_style, with_background = (marked(mark, g.device) for mark in MARKS)
        odds = odds.expand(len(shown), -1).masked_fill((shown[:, 1:2] < 0) & with_style, 0)
        odds = odds.masked_fill((shown[:, 2:] < 0) & with_background, 0)
        slot = torch.multinomial(odds, 1, generator=g)[:, 0]
        thing, style, background = shown.clamp_min(0).unbind(1)
        hint = (torch.rand(len(shown), generator=g, device=g.device) * self.hints[thing]).long()
        column = torch.where(slot < len(SLOTS) - len(TEMPLATES), slot, slot + len(TEMPLATES) * hint)
        return self.table[thing, style, background, column]

    def fits(self, said: Tensor, shown: Tensor) -> Tensor:
        """(n, m) bool: which captions (n,) are true of which pictures (m, 3); of an unknown style only open ones."""
        rest = torch.stack([self.style[said], self.background[said]], 1)[:, None]
        return self.objects[said][:, shown[:, 0]] & ((rest == shown[None, :, 1:]) | (rest < 0)).all(-1)

    def to(self, device: str) -> Phrases:
        """The same on a device."""
        tensors = (self.objects, self.style, self.background, self.table, self.hints)
        return Phrases(self.texts, *(t.to(device) for t in tensors))


MARKS = ("{style}", "{background}")


@cache
def marked(mark: str, device: torch.device) -> Tensor:
    """Which slots (40,) name what the mark stands for."""
    return torch.tensor([mark in slot for slot in SLOTS], device=device)


@cache
def slot_odds(again: float, device: torch.device) -> Tensor:
    """Chance of each slot (40,), when a share of those without a style is drawn again."""
    odds, styled = torch.tensor(CHANCES, device=device), marked(MARKS[0], device)
    dropped = again * odds[~styled].sum()
    return torch.where(styled, odds, odds * (1 - again)) + dropped * odds


def build() -> Phrases:
    """Every caption of every picture."""
    known: dict[str, tuple[int, tuple[int, ...], int, int]] = {"": (0, captions.EVERY, -1, -1)}
    styles, grounds = range(len(world.STYLES)), range(len(world.BACKGROUNDS))
    said = {hint: _objects(hint) for word in world.OBJECTS for hint in captions.hints_of(word)}
    rows = [_row(o, s, b, said, known) for o in captions.EVERY for s in styles for b in grounds]
    objects = torch.zeros(len(known), len(world.OBJECTS), dtype=torch.bool)
    for i, those, _, _ in known.values():
        objects[i, list(those)] = True
    rest = torch.tensor([fact[2:] for fact in known.values()])
    table = torch.tensor(rows).view(len(captions.EVERY), len(styles), len(grounds), -1)
    hints = torch.tensor([len(captions.hints_of(word)) for word in world.OBJECTS])
    return Phrases(tuple(known), objects, rest[:, 0].clone(), rest[:, 1].clone(), table, hints)


def _objects(hint: str) -> tuple[int, ...]:
    return tuple(o for o in captions.EVERY if hint in captions.hints_of(world.OBJECTS[o]))


def _row(o: int, s: int, b: int, said: dict[str, tuple[int, ...]], known: dict[str, Any]) -> list[int]:
    """Indices of the captions of one picture in the table's order; new ones are added to `known`."""
    word = world.OBJECTS[o]
    hints = captions.hints_of(word)
    spoken = [(slot, "", "", captions.EVERY) for slot in WITHOUT_OBJECT]
    spoken += [(slot, captions.article(word), word, (o,)) for slot in TEMPLATES]
    hinted = [hints[k % len(hints)] for k in range(MOST)]
    spoken += [(slot, hint, hint, said[hint]) for hint in hinted for slot in TEMPLATES]
    return [_index(slot, thing, bare, (true, s, b), known) for slot, thing, bare, true in spoken]


def _index(slot: str, thing: str, bare: str, fact: tuple[tuple[int, ...], int, int], known: dict[str, Any]) -> int:
    true, s, b = fact
    text = captions.fill(slot, thing, bare, s, b)
    fresh = (len(known), true, *(n if mark in slot else -1 for mark, n in zip(MARKS, (s, b), strict=True)))
    return int(known.setdefault(text, fresh)[0])


def tokens(texts: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask (m, 16) by the host's tokenizer."""
    from transformers import CLIPTokenizer

    from dumo_bench.emoji import WEIGHTS

    found = CLIPTokenizer.from_pretrained(WEIGHTS / "tokenizer")(
        list(texts), padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt"
    )
    return found.input_ids, found.attention_mask
