"""EraseAnything: Enabling Concept Erasure in Rectified Flow Transformers.

Daiheng Gao and others. ICML 2025, arXiv 2412.20413.

A LoRA of rank 8 on the text's queries and keys of FLUX's double blocks. Steps take turns:

    erase      |v_p - (v_b - eta (v_p - v_b))|^2 + 1e-3 sum_q sum_k |A[:, q, k]|_2
    preserve   0.1 |v(x_t, t, p) - (noise - x_0)|^2 + 0.1 (s_p - logsumexp(s_p, s_1, s_2, s_3))

with v_p = v(z, t, p), v_b = v(z, t, b), s_i = cos(F_i, F_s) / 0.07; p a prompt with the concept, b the same without it,
x_0 a picture of p by the unedited model; what stands behind the minus has no gradient and is of the same weights. A are
the last double block's maps (heads, queries, keys), k the concept's tokens; F its first head's columns at these, for p,
a synonym s and three unrelated words. But for the first term p's words are shuffled, and half the time the synonym
stands for the concept. The signs are the released files'.

`latents`: how z and t of the erase step are come by. "paper": by the model as it is now, stopped at the level t. In the
"released" files a sampler that is never set back walks its 1,000 levels 28 a run, and stands still beyond: of 500 runs
465 move nothing (simulated with the sister repository's scheduler, not observed). So there z is pure noise and t any of
the run's, drawn without regard to it; what the first 35 runs move, 28 levels of 1,000 each, is left out.
In part ours: synonyms and unrelated words are the fixed lists below in place of WordNet and a language model, Adam is
without its decay of 1e-5, and several concepts are the sum of their LoRAs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dumo_bench.citation import Paper
from dumo_bench.hosts import plans
from dumo_bench.hosts.sd import Host, encode, fits, stock_guide
from dumo_bench.interfaces import Method
from dumo_bench.kit import attention, latents, lora, train
from dumo_bench.kit.latents import Trajectory
from dumo_bench.types import Edit, Guide

TEMPERATURE, SHUFFLED, RENAMED = 0.07, 0.9, 0.5
#: in place of WordNet's lemmas; a concept that has none stands for itself, as there
SYNONYMS: Mapping[str, str] = {
    "nudity": "nakedness", "church": "church building", "parachute": "chute", "tench": "Tinca tinca",
    "english springer": "English springer spaniel", "cassette player": "tape player", "chain saw": "chainsaw",
    "french horn": "horn", "garbage truck": "dustcart", "gas pump": "petrol pump", "golf ball": "ball",
    "ghost": "spectre", "santa claus": "Father Christmas", "clown": "buffoon", "bomb": "explosive", "gun": "firearm",
}  # fmt: skip
#: in place of a language model's, where the model lists no objects of its own
UNRELATED = ("teapot", "mountain", "bicycle", "violin", "window", "orange", "river", "carpet")


RUN = Trajectory(28, guidance=3.0, side=0.5, align="level")  # 512 pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """pictures: of the concept, that the preserve steps learn from. attention, flow, contrast: weights of the terms."""

    bounds: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("steps", "attention", "flow", "contrast"), "[0, inf)"),
        **dict.fromkeys(("rank", "rows", "pictures"), "[1, inf)"), "lr": "(0, inf)",
    }  # fmt: skip

    steps: int = 300
    lr: float = 1e-3
    rank: int = 8
    rows: int = 1
    pictures: int = 8
    attention: float = 1e-3
    flow: float = 0.1
    contrast: float = 0.1
    run: Trajectory = field(default=RUN)


@dataclass(frozen=True)
class EraseAnything(Method):
    """eta: how far beyond the neutral prompt the target lies. None takes the plan's own."""

    name: ClassVar[str] = "eraseanything"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "Gao et al., ICML 2025, arXiv 2412.20413"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "gao2025eraseanything",
            "EraseAnything: Enabling Concept Erasure in Rectified Flow Transformers",
            ("Daiheng Gao", "others"),
            2025,
            venue="International Conference on Machine Learning",
            arxiv="2412.20413",
        ),
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"flux"})
    tables: ClassVar[tuple[str, ...]] = ("eraseanything",)
    after_fit: ClassVar[frozenset[str]] = frozenset({"strength"})
    bounds: ClassVar[Mapping[str, str]] = {"steps": "[0, inf)", "lr": "(0, inf)", "rank": "[1, inf)"}

    latents: Literal["paper", "released"] = "paper"
    eta: float = 1.0
    steps: int | None = None
    lr: float | None = None
    rank: int | None = None
    strength: float = 1.0

    def plan(self, host: Host) -> Plan:
        """The released plan with the host's own numbers and this method's settings."""
        return plans.plan(host.plans, self.name, Plan(), **{name: getattr(self, name) for name in self.bounds})

    def parts(self, host: Host, erase: Sequence[str]) -> list[tuple[str, ...]]:
        """Each concept has a LoRA of its own."""
        del host
        return [(concept,) for concept in erase]

    def join(self, edits: Sequence[Edit]) -> Edit:
        """Several concepts are the sum of their LoRAs."""
        return Edit(
            lora.side_by_side(edits), {"sets": len(edits), "gate": "off", "curves": [e.header["curves"] for e in edits]}
        )

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        if len(groups := self.parts(host, erase)) > 1:
            return self.join([self.fit(host, group, seed=seed) for group in groups])
        plan, g = self.plan(host), train.seeded(seed)
        pairs = lora.fresh(host.unet, layers(host.unet), plan.rank, g)
        for pair in pairs.values():
            nn.init.normal_(pair.weights[0], std=1 / plan.rank, generator=g)
        loss = Step(self, host, plan, erase[0], g)
        with lora.attached(host.unet, [pairs]):
            how = train.Fit(plan.steps, plan.lr, f"EraseAnything {erase[0]}")
            curve = train.fit(loss, lora.parameters(pairs), how, g, loss)
        return Edit(lora.tensors([pairs]), {"sets": 1, "gate": "off", "curves": {"eraseanything": curve}})

    @contextmanager
    def apply(self, host: Host, edit: Edit) -> Iterator[Guide]:
        fits(host, edit)
        sets = lora.sets(host.unet, edit)
        with lora.attached(host.unet, sets, [self.strength] * len(sets)):
            yield partial(stock_guide, host)


def layers(net: nn.Module) -> list[str]:
    """The text's queries and keys in double blocks; single blocks have none."""
    return [n for n, _ in net.named_modules() if n.endswith((".attn.add_q_proj", ".attn.add_k_proj"))]


class Step:
    """The loss of a step, on rows of one concept."""

    def __init__(self, method: EraseAnything, host: Host, plan: Plan, concept: str, g: torch.Generator) -> None:
        self.method, self.host, self.plan, self.concept = method, host, plan, concept
        captions = train.prompts(host, [concept])[0]
        self.pictured = train.choose(captions, plan.pictures, g)
        guide = partial(stock_guide, host)
        self.x_0 = latents.till(host, guide, self.pictured, plan.run, plan.run.steps, g)[0]
        others = [w for w in host.world.get("objects", UNRELATED) if w.casefold() != concept.casefold()]
        self.unrelated = [others[int(i)] for i in torch.randperm(len(others), generator=g)[:3]]
        self.t = torch.zeros(plan.rows).to(self.x_0)  # of the erase step, which the preserve step takes over
        self.synonym = SYNONYMS.get(concept.casefold(), concept)

    def __call__(self, step: int, g: torch.Generator) -> Tensor:
        which = torch.randint(len(self.pictured), (self.plan.rows,), generator=g)
        plain, x_0 = [self.pictured[int(i)] for i in which], self.x_0[which]
        read = [self.shuffled(text, g) for text in plain]
        at, texts = self.tokens([text for text, _ in read]), [text for _, text in read]
        noise = torch.randn(x_0.shape, generator=g).to(x_0)
        if step % 2 == 0:
            z, self.t = self.standing(plain, g)
        x_t = x_0.lerp(noise, (self.t / 1000)[:, None, None, None])
        if step % 2 == 0:
            return self.erase(z, plain) + self.plan.attention * self.attended(x_t, texts, at)
        v = self.host.estimate(x_t, self.t, encode(self.host, texts))
        return self.plan.flow * F.mse_loss(v, noise - x_0) + self.plan.contrast * self.contrast(x_t, texts, at)

    def state_dict(self) -> dict[str, Tensor]:
        return {"t": self.t}

    def load_state_dict(self, kept: dict[str, Tensor]) -> None:
        self.t = kept["t"].to(self.x_0)

    def standing(self, texts: Sequence[str], g: torch.Generator) -> tuple[Tensor, Tensor]:
        """Latents z (n, c, h, w) and the timesteps (n,) that the network is asked at."""
        run, guide = self.plan.run, partial(stock_guide, self.host)
        if self.method.latents == "paper":
            rows = latents.stopped(self.host, guide, texts, texts, run, g)
            return rows.z, rows.t.to(rows.z)
        z = latents.till(self.host, guide, texts, run, 0, g)[0]
        return z, (1000 * torch.randn(len(texts), generator=g).sigmoid()).to(z)

    def erase(self, z: Tensor, texts: Sequence[str]) -> Tensor:
        """ESD's term in velocities; the target is of the same weights."""
        v_p = self.host.estimate(z, self.t, encode(self.host, texts))
        with torch.no_grad():
            v_b = self.host.estimate(z, self.t, encode(self.host, [train.without(x, [self.concept]) for x in texts]))
        return F.mse_loss(v_p, v_b - self.method.eta * (v_p.detach() - v_b))

    def attended(self, x_t: Tensor, texts: Sequence[str], at: Tensor) -> Tensor:
        """sum over queries and the concept's tokens (n, tokens) of the heads' norm, mean over rows."""
        maps = self.maps(x_t, texts)
        return (maps.square().sum(1).clamp_min(1e-12).sqrt() * at[:, None]).sum() / len(texts)

    def contrast(self, x_t: Tensor, texts: Sequence[str], at: Tensor) -> Tensor:
        """s_p - logsumexp(s_p, s_1, s_2, s_3): away from the synonym, towards what is unrelated."""
        words = (self.synonym, *self.unrelated)
        every = [texts, *([renamed(text, self.concept, word) for text in texts] for word in words)]
        own, synonym, *others = ((self.maps(x_t, said)[:, 0] * at[:, None]).sum(-1) for said in every)  # the first head
        s = torch.stack([F.cosine_similarity(one, synonym, dim=-1) for one in (own, *others)]) / TEMPERATURE
        return (s[0] - s.logsumexp(0)).mean()

    def maps(self, x_t: Tensor, texts: Sequence[str]) -> Tensor:
        """The last double block's maps (n, heads, queries, text tokens)."""
        context = encode(self.host, texts)
        with attention.watched_joint(self.host.unet) as seen:
            self.host.estimate(x_t, self.t, context)
        return seen["last"][..., : context.shape[1] - 1]

    def tokens(self, texts: Sequence[str]) -> Tensor:
        """Where the concept's tokens stand in texts, (n, tokens) of 0 and 1: every token that is one of them."""
        tower = self.host.towers[1]
        ids = tower.tokens(texts, self.host.device)[0]
        special = torch.tensor(tower.tokenizer.all_special_ids, device=ids.device)
        own = tower.tokens([self.concept], self.host.device)[0][0]
        return torch.isin(ids, own[~torch.isin(own, special)]).to(self.host.dtype)

    def shuffled(self, text: str, g: torch.Generator) -> tuple[str, str]:
        """The text with its words in another order most of the time; and that, half the time with the synonym.

        The concept's tokens are looked for in the former, as in the released files.
        """
        words = text.split()
        if float(torch.rand(1, generator=g)) < SHUFFLED:
            words = [words[int(i)] for i in torch.randperm(len(words), generator=g)]
        said = " ".join(words)
        return said, renamed(said, self.concept, self.synonym) if float(torch.rand(1, generator=g)) < RENAMED else said


def renamed(text: str, concept: str, word: str) -> str:
    """The text with another word in the place of the first of the concept's words, its others left out."""
    first, *rest = concept.lower().split()
    said = [word if one.lower() == first else one for one in text.split() if one.lower() not in rest]
    return " ".join(said)
