"""CA: Ablating Concepts in Text-to-Image Diffusion Models.

Nupur Kumari, Bingliang Zhang, Sheng-Yu Wang, Eli Shechtman, Richard Zhang, Jun-Yan Zhu. ICCV 2023, arXiv 2303.13516.

What the model says of a caption c* with the concept is to be what it says of the same caption c with an anchor concept:

    | eps(x_t, t, c*) - sg[eps(x_t, t, c)] |^2 + prior | eps(x_t, t, c) - noise |^2

on noised pictures x of the anchor, which the unedited model draws; sg stops the gradient, so the target moves with the
weights. This is the paper's model-based variant, its default. It trains cross-attention keys and values, without what
the start token's row would tell them. Preset `concepts`, for instances and styles: the released 100 steps of 8 rows at
2e-6 a row; `nudity`: 400 at 4e-6, all of the cross-attentions, with the prior (of as many rows, which is not verified).
Followed in part: the released pictures are of captions by a language model, cropped and scaled, and go through the VAE;
ours are of the host's or the kit's captions, and stay latents. AdamW, clipped at 1 and decaying by 1e-2, is Adam here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from dumo_bench.citation import Paper
from dumo_bench.hosts import plans
from dumo_bench.hosts.sample import scheduler
from dumo_bench.hosts.sd import Host, encode, stock_guide
from dumo_bench.interfaces import Interpolated
from dumo_bench.kit import latents, lesson, parameters, train
from dumo_bench.kit.latents import Trajectory, estimate
from dumo_bench.kit.lesson import unchanged
from dumo_bench.types import Edit

#: preset -> what is trained
TRAINED: Mapping[str, str] = {"concepts": "kv", "nudity": "attn2"}
#: the paper's instances; where a style goes, the anchor is the caption without it
ANCHORS: Mapping[str, str] = {"grumpy cat": "cat", "nemo": "fish", "r2d2": "robot", "snoopy": "dog"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(lesson.Plan):
    """pictures: of the anchors, to draw rows from; prior: weight of the denoising loss on them."""

    bounds: ClassVar[Mapping[str, str]] = {**lesson.Plan.bounds, "pictures": "[1, inf)", "prior": "[0, inf)"}

    rows: int = 8
    pictures: int = 1000
    prior: float = 0.0


_RUN = Trajectory(25, guidance=6.0, sampler="dpm++")
PLANS: Mapping[str, Plan] = {
    "concepts": Plan(steps=100, lr=1.6e-5, run=_RUN),
    "nudity": Plan(steps=400, lr=3.2e-5, run=_RUN, prior=1.0),
}


@dataclass(frozen=True)
class CA(Interpolated):
    """anchor: one for all concepts, or one each; "" is the caption without the concept, None the paper's or "".

    Several concepts take turns in the pictures. retain: weight of prompts that must stay, 0 in the paper. None takes
    the plan's own.
    """

    name: ClassVar[str] = "ca"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "Kumari et al., ICCV 2023, arXiv 2303.13516"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "kumari2023ca",
            "Ablating Concepts in Text-to-Image Diffusion Models",
            ("Nupur Kumari", "Bingliang Zhang", "Sheng-Yu Wang", "Eli Shechtman", "Richard Zhang", "Jun-Yan Zhu"),
            2023,
            venue="IEEE/CVF International Conference on Computer Vision",
            arxiv="2303.13516",
        ),
    )
    tables: ClassVar[tuple[str, ...]] = ("ca",)
    by_task: ClassVar[Mapping[str, Mapping[str, Any]]] = {"style": {"anchor": ("",)}, "explicit": {"preset": "nudity"}}
    bounds: ClassVar[Mapping[str, str]] = {
        "steps": "[0, inf)",
        "lr": "(0, inf)",
        "pictures": "[1, inf)",
        "prior": "[0, inf)",
        "retain": "[0, inf)",
        "ema": "[0, 1)",
    }

    preset: Literal["concepts", "nudity"] = "concepts"
    anchor: tuple[str, ...] | None = None
    steps: int | None = None
    lr: float | None = None
    pictures: int | None = None
    prior: float | None = None
    retain: float | None = None
    ema: float | None = None
    strength: float = 1.0

    def plan(self, host: Host, concepts: int = 1) -> Plan:
        """The preset's plan with the host's own numbers and this method's settings."""
        own = {name: getattr(self, name) for name in self.bounds}
        return plans.plan(host.plans, self.name, PLANS[self.preset], concepts, **own)

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        plan, g = self.plan(host, len(erase)), train.seeded(seed)
        names = parameters.SELECTIONS[TRAINED[self.preset]](host.unet)
        student = parameters.twin(host.unet, names)
        theta = dict(student.named_parameters())
        pictures = Pictures(host, plan, self.pairs(host, erase), g)
        stay = lesson.retained(host, erase, plan.retain_prompts, plan.run, g) if plan.retain else None

        def loss(step: int, g: torch.Generator) -> Tensor:
            erased = objective(student, pictures.draw(g), plan.prior)
            if stay is None:
                return erased
            return erased + plan.retain * unchanged(host.unet, student, stay.draw(plan.retain_rows, g))

        with start_apart(student):
            curve = train.fit(loss, [theta[n] for n in names], plan.fit(f"CA {' + '.join(erase)}"), g)
        made = parameters.towards(host, student, names, self.strength)
        return Edit(made, {"preset": self.preset, "anchors": self.anchors(erase), "curves": {"ca": curve}})

    def anchors(self, erase: Sequence[str]) -> list[str]:
        """The anchor of each concept."""
        if self.anchor is None:
            return [ANCHORS.get(concept.casefold(), "") for concept in erase]
        return train.each(self.name, "anchor", self.anchor, erase)

    def pairs(self, host: Host, erase: Sequence[str]) -> list[list[tuple[str, str]]]:
        """For each concept, captions that name it, each with what its anchor makes of it."""
        every = [(c, a, train.prompts(host, [c])[0]) for c, a in zip(erase, self.anchors(erase), strict=True)]
        return [[(one, train.instead(one, c, a, erase)) for one in captions] for c, a, captions in every]


@dataclass(frozen=True, slots=True)
class Rows:
    """Noised pictures x (n, c, h, w) of anchors at t (n,), their noise, states (n, 77, d) of both captions."""

    x: Tensor
    t: Tensor
    noise: Tensor
    named: Tensor
    anchored: Tensor


def objective(student: Any, rows: Rows, prior: float) -> Tensor:
    """|eps(x_t, t, c*) - sg[eps(x_t, t, c)]|^2 + prior |eps(x_t, t, c) - noise|^2, means over elements."""
    with torch.no_grad():
        wanted = estimate(student, rows.x, rows.t, rows.anchored)
    loss = F.mse_loss(estimate(student, rows.x, rows.t, rows.named), wanted)
    if not prior:
        return loss
    return loss + prior * F.mse_loss(estimate(student, rows.x, rows.t, rows.anchored), rows.noise)


class Pictures:
    """Clean latents of anchors' captions, of each concept in turn, sampled by the host as it is."""

    def __init__(self, host: Host, plan: Plan, pairs: Sequence[Sequence[tuple[str, str]]], g: torch.Generator) -> None:
        self.host, self.plan = host, plan
        lists = [pairs[i % len(pairs)] for i in range(plan.pictures)]
        self.said = [own[int(torch.randint(len(own), (1,), generator=g))] for own in lists]
        parts = [self.said[i : i + lesson.BATCH] for i in range(0, len(self.said), lesson.BATCH)]
        self.z = torch.cat([self.clean([anchored for _, anchored in part], g) for part in parts])

    def clean(self, texts: Sequence[str], g: torch.Generator) -> Tensor:
        """Clean latents (n, c, h, w) of texts."""
        return latents.till(self.host, partial(stock_guide, self.host), texts, self.plan.run, self.plan.run.steps, g)[0]

    def draw(self, g: torch.Generator) -> Rows:
        """Rows of a step; the noise is stated as the model states it."""
        n, schedule = self.plan.rows, scheduler(self.host, "ddim", 1)
        which = torch.randint(len(self.z), (n,), generator=g)
        t = torch.randint(schedule.config.num_train_timesteps, (n,), generator=g).to(self.z.device)
        z, noise = self.z[which], torch.randn(n, *self.z.shape[1:], generator=g).to(self.z)
        named, anchored = (encode(self.host, [self.said[i][k] for i in which.tolist()]) for k in (0, 1))
        velocity = schedule.config.prediction_type == "v_prediction"
        stated = schedule.get_velocity(z, noise, t) if velocity else noise
        return Rows(schedule.add_noise(z, noise, t), t, stated, named, anchored)


@contextmanager
def start_apart(unet: Any) -> Iterator[None]:
    """No gradient comes to the cross-attentions' keys and values from the start token's row."""

    def apart(layer: Any, args: Any, out: Tensor) -> Tensor:
        return torch.cat([out[:, :1].detach(), out[:, 1:]], dim=1)

    layers = [m for n, m in unet.named_modules() if n.endswith(("attn2.to_k", "attn2.to_v"))]
    handles = [layer.register_forward_hook(apart) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
