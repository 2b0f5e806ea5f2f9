"""MACE: Mass Concept Erasure in Diffusion Models.

Shilin Lu, Zilan Wang, Leyang Li, Yanzhu Liu, Adams Wai-Kin Kong. CVPR 2024, arXiv 2403.06135.

Of the cross-attentions' key and value matrices W, in three steps. "Closed-form refinement" takes the concepts out of
the words beside them: f are rows of captions after the concept's own, g those of the same words where the caption says
the anchor instead, p preserved rows; then W' = W M,

    M = (mean g f^T + lambda_1 mean p p^T) (mean f f^T + lambda_1 mean p p^T)^-1

A LoRA of rank one a concept, on W', learns that no attention A falls on the concept's own words where noised pictures
show it, sum over layers of |A[words] * mask|_F, at timesteps around 300: xi(t) ~ s((t - 200) / 20) - s((t - 400) / 20).
"Closed-form fusion" then makes one W* that says (W' + D_i) e of the rows e of concept i, and W p of preserved ones:

    W* = (sum_i (W' + D_i) mean e e^T + lambda_2 W mean p p^T) (sum_i mean e e^T + lambda_2 mean p p^T)^-1

From the paper alone; its code, which is non-commercial, was not read. Not followed: preserved are captions and names of
the model's own or the kit's, in the paper all captions of COCO, whose weights are of sums of another size: lambda_1,
lambda_2 and a small ridge, which stands for the rank that COCO has, are ours. Masks are Grounded-SAM's there. Here
`masks` are of attention (where the unedited model looks at the concept's words), of the figure (whatever stands on the
plain ground of a drawing, as on emoji-sd), or the whole picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from dumo_bench.citation import Paper
from dumo_bench.hosts import plans
from dumo_bench.hosts.sd import Host
from dumo_bench.interfaces import Method
from dumo_bench.kit import attention, embeddings, linear, lora, masks, parameters, train
from dumo_bench.kit.captions import Captions
from dumo_bench.kit.latents import Trajectory, estimate
from dumo_bench.kit.pictures import Pictures, drawn
from dumo_bench.types import Edit


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """anchor: what captions say instead of a concept, "" for nothing. lora_steps, lr, rank: of the LoRA.

    pictures: of each concept; rows: of them, a step; around: timesteps around 300, or uniform ones. captions: of each
    concept and of what is preserved; refine, fuse: lambda_1 and lambda_2; ridge: weight of all directions.
    """

    bounds: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("lora_steps", "refine", "fuse"), "[0, inf)"), **dict.fromkeys(("lr", "ridge"), "(0, inf)"),
        **dict.fromkeys(("rank", "pictures", "rows", "captions"), "[1, inf)"),
    }  # fmt: skip

    anchor: str = ""
    lora_steps: int = 50
    lr: float = 1e-4
    rank: int = 1
    pictures: int = 8
    rows: int = 1
    around: bool = True
    masks: masks.Kind = "attention"
    captions: int = 64
    refine: float = 0.1
    fuse: float = 0.1
    ridge: float = 1e-3
    run: Trajectory


_RUN = Trajectory(50, guidance=7.5)
PLANS: Mapping[str, Plan] = {
    "celebrities": Plan(anchor="a person", run=_RUN),
    "art": Plan(anchor="art", masks="whole", run=_RUN),  # a style is everywhere
    "objects": Plan(lr=1e-5, run=_RUN),
    "nudity": Plan(lr=1e-5, lora_steps=120, around=False, anchor="a person wearing clothes", run=_RUN),
}


@dataclass(frozen=True)
class MACE(Method):
    """anchor: what the concepts' captions say in their place; preserve: strings that stay, as in speed.py.

    What is None is the plan's of the preset, or the model's own. Any number of concepts: a LoRA each, fused into one.
    """

    name: ClassVar[str] = "mace"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "Lu et al., CVPR 2024, arXiv 2403.06135"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "lu2024mace",
            "MACE: Mass Concept Erasure in Diffusion Models",
            ("Shilin Lu", "Zilan Wang", "Leyang Li", "Yanzhu Liu", "Adams Wai-Kin Kong"),
            2024,
            venue="IEEE/CVF Conference on Computer Vision and Pattern Recognition",
            arxiv="2403.06135",
        ),
    )
    tables: ClassVar[tuple[str, ...]] = ("mace",)
    by_task: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "object": {"preset": "objects", "preserve": ("@objects", "@styles")},
        "style": {"preset": "art", "preserve": ("@styles",)},
        "explicit": {"preset": "nudity", "preserve": ("@objects", "@styles")},
    }
    lists: ClassVar[Mapping[str, Mapping[str, str]]] = {"style": {"@styles": "artists-1734"}}
    bounds: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("lora_steps", "refine", "fuse"), "[0, inf)"), **dict.fromkeys(("lr", "ridge"), "(0, inf)"),
        "rank": "[1, inf)", "pictures": "[1, inf)",
    }  # fmt: skip

    preset: Literal["celebrities", "art", "objects", "nudity"] = "objects"
    anchor: str | None = None
    preserve: tuple[str, ...] = ()
    masks: Literal["attention", "figure", "whole"] | None = None
    lora_steps: int | None = None
    lr: float | None = None
    rank: int | None = None
    pictures: int | None = None
    refine: float | None = None
    fuse: float | None = None
    ridge: float | None = None
    strength: float = 1.0

    def plan(self, host: Host, concepts: int = 1) -> Plan:
        """The preset's plan with the host's own numbers and this method's settings."""
        own = {field.name: getattr(self, field.name, None) for field in fields(Plan)}
        return plans.plan(host.plans, self.name, PLANS[self.preset], concepts, **own)

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        host, plan, g = embeddings.once(host), self.plan(host, len(erase)), train.seeded(seed)
        names = embeddings.strings(host, self.preserve, erase)
        kept = [name for name in names if not any(train.mentions(name, concept) for concept in erase)]
        kept += train.choose(train.prompts(host, erase)[1], plan.captions, g)
        p = mean_gram(host, kept)
        said = [Captions(host, concept, plan.anchor, plan.captions, g) for concept in erase]
        beside, others = (torch.cat(rows) for rows in zip(*(one.beside for one in said), strict=True))
        m = refined(beside, others, plan.refine * p, plan.ridge)
        student = with_factor(host.unet, m)
        learnt = [learn(host, student, one, plan, g) for one in said]
        own = [mean_gram_of(one.rows) for one in said]
        made = {}
        for name, w in linear.weights(host.unet).items():
            each = [pairs[name.removesuffix(".weight")].delta.double() for pairs, _ in learnt]
            new = fused(w.double(), m, each, own, plan.fuse * p, plan.ridge)
            made[f"unet.{name}"] = torch.lerp(w.double(), new, self.strength).to(w.dtype)
        return Edit(made, {"preset": self.preset, "masks": plan.masks, "curves": {"mace": [c for _, c in learnt]}})


def refined(f: Tensor, g: Tensor, p: Tensor, ridge: float) -> Tensor:
    """M (d, d): rows f (n, d) become g; p (d, d) is the weighted mean p p^T of what stays."""
    stay = p + ridge * torch.eye(len(p), dtype=p.dtype, device=p.device)
    n = max(1, len(f))
    m: Tensor = torch.linalg.solve(linear.gram(f, f) / n + stay, linear.gram(g, f) / n + stay, left=False)
    return m


def with_factor(unet: Any, m: Tensor) -> Any:
    """A copy of the U-Net whose keys and values are times M; all else is the given one's own."""
    changed = {name.removeprefix("unet."): t for name, t in linear.times(unet, m).items()}
    made = parameters.twin(unet, list(changed))
    made.load_state_dict(changed, strict=False)
    return made.requires_grad_(False)


def fused(w: Tensor, m: Tensor, each: Sequence[Tensor], own: Sequence[Tensor], p: Tensor, ridge: float) -> Tensor:
    """W* (h, d) of W, M, the LoRAs' D_i (h, d) and the concepts' mean e e^T (d, d)."""
    stay = p + ridge * torch.eye(len(p), dtype=p.dtype, device=p.device)
    said = torch.stack([(w @ m + d) @ e for d, e in zip(each, own, strict=True)]).sum(0)
    new: Tensor = torch.linalg.solve(torch.stack(list(own)).sum(0) + stay, said + w @ stay, left=False)
    return new


def mean_gram_of(rows: Tensor) -> Tensor:
    return linear.gram(rows, rows) / max(1, len(rows))


def mean_gram(host: Host, texts: Sequence[str]) -> Tensor:
    """Mean p p^T (d, d) over all rows of the texts."""
    parts = [embeddings.whole(host, texts[i : i + embeddings.CHUNK]) for i in range(0, len(texts), embeddings.CHUNK)]
    return torch.stack([linear.gram(rows, rows) for rows in parts]).sum(0) / sum(map(len, parts))


def masked(pictures: Pictures, kind: masks.Kind, word: Tensor, g: torch.Generator) -> Tensor:
    """Where the pictures show the concept, whose tokens in their captions are word (n, 77) bool: (n, 1, s, s)."""
    host, z = pictures.host, pictures.z
    if kind == "attention":
        every = torch.arange(len(z))
        t = torch.full((len(z),), 300, device=z.device)
        return masks.attended(host, pictures.noised(every, t, g)[0], t, pictures.contexts(every), word)
    return masks.figures(host, z) if kind == "figure" else masks.whole(z)


def importance(t: Tensor) -> Tensor:
    """xi(t), up to a factor: high between 200 and 400."""
    return torch.sigmoid(0.05 * (t - 200)) - torch.sigmoid(0.05 * (t - 400))


def learn(host: Host, unet: Any, said: Captions, plan: Plan, g: torch.Generator) -> tuple[lora.Set, list[float]]:
    """The LoRA of one concept on a refined U-Net, and its loss of every step."""
    pictures = drawn(host, train.choose(said.texts, plan.pictures, g), plan.run, g)
    words = said.words(pictures.texts)
    mask = masked(pictures, plan.masks, words, g)
    pairs = lora.fresh(unet, lora.cross_attentions(unet, ("to_k", "to_v")), plan.rank, g)
    levels = torch.arange(pictures.levels)
    odds = importance(levels) if plan.around else torch.ones(len(levels))

    def loss(step: int, g: torch.Generator) -> Tensor:
        which = torch.randint(len(words), (plan.rows,), generator=g)
        t = torch.multinomial(odds, plan.rows, replacement=True, generator=g)
        z, _ = pictures.noised(which, t, g)
        with lora.attached(unet, [pairs]), attention.watched(unet) as maps:
            estimate(unet, z, t.to(z.device), pictures.contexts(which))
        return mass(maps.values(), words[which], mask[which])

    how = train.Fit(plan.lora_steps, plan.lr, f"MACE {said.concept}")
    return pairs, train.fit(loss, lora.parameters(pairs), how, g)


def mass(maps: Iterable[Tensor], word: Tensor, mask: Tensor) -> Tensor:
    """Sum over layers of |A[words] * mask|_F: maps (n, heads, s * s, tokens), word (n, tokens) bool; mean over n."""
    layers = []
    for a in maps:
        side = round(a.shape[2] ** 0.5)
        there = F.interpolate(mask, size=(side, side), mode="area").flatten(2)[..., None]
        layers.append(torch.linalg.vector_norm((a * word[:, None, None] * there).flatten(1), dim=1))
    return torch.stack(layers).sum(0).mean()
