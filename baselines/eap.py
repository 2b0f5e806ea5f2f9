"""EAP: Erasing Undesirable Concepts in Diffusion Models with Adversarial Preservation.

Anh Bui, Long Vuong, Khanh Doan, Trung Le, Paul Montague, Tamas Abraham, Dinh Phung. NeurIPS 2024, arXiv 2410.15618.

A concept c is erased as in ESD, and of all candidates a the one is preserved that erasing it harms most:

    min_theta max_a  | x0(eps(z, t, c)) - x0(e_0 - eta (e_c - e_0)) |^2 + | x0(eps(z_a, t, a)) - x0(eps0(z_a, t, a)) |^2

with e_c = eps0(z, t, c), e_0 = eps0(z, t, ""); x0 is the picture that an estimate stands for, so both terms weigh
(1 - abar) / abar. a is a hard Gumbel-softmax over the candidates' states, whose logits climb the second term, a step
after each of the weights. z and z_a are samples of the model being trained, of one noise. Presets are of the released
scripts, 1000 steps of either kind: `concepts`, objects and artists, in the cross-attentions; `nudity` in all else.

The released candidates are English words: of those nearest to the concept the ones next to k-means' centres of their
distances. Ours are the tokenizer's own commonest words, or what a model's `world.json` lists. Nothing there leaves out
the concept itself and its synonyms, which are then erased and preserved at once; here they are no candidates, unless
candidates="released". Concepts take turns, where theirs are drawn, each with candidates of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dumo_bench.citation import Paper
from dumo_bench.errors import UserError
from dumo_bench.hosts import plans
from dumo_bench.hosts.sample import scheduler
from dumo_bench.hosts.sd import Host, stock_guide
from dumo_bench.interfaces import Interpolated
from dumo_bench.kit import candidates, lesson, parameters, resume, train
from dumo_bench.kit.candidates import Table
from dumo_bench.kit.latents import Latents, Trajectory, estimate
from dumo_bench.kit.lesson import Lesson
from dumo_bench.types import Edit, Guide

#: variant -> what is trained
TRAINED: Mapping[str, str] = {"x": "attn2", "u": "noxattn"}
#: beside the user's own; words that hold a concept's name are its synonyms anyhow
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "nudity": ("bare", "naked", "nude", "nudes", "nudist", "topless", "undressed", "unclothed"),
    "church": ("basilica", "cathedral", "chapel", "churches"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(lesson.Split):
    """adversary_lr: of the logits.

    nearest, centres: of the candidates, 0: all. retain: weight of the chosen ones, retain_rows: of them, a step. With
    harvest, candidates have latents of runs that the unedited model makes of retain_prompts captions of them.
    """

    bounds: ClassVar[Mapping[str, str]] = {
        **lesson.Split.bounds,
        **dict.fromkeys(("adversary_lr", "temperature"), "(0, inf)"),
        **dict.fromkeys(("nearest", "centres"), "[0, inf)"),
    }

    retain: float = 1.0
    nearest: int = 1000
    centres: int = 100
    adversary_lr: float = 1e-2
    temperature: float = 2.0


PLANS: Mapping[str, Plan] = {
    "concepts": Plan(steps=1000, lr=1e-5, run=Trajectory(50)),
    "nudity": Plan(steps=1000, lr=1e-5, run=Trajectory(50), nearest=2000, centres=50),
}


@dataclass(frozen=True)
class EAP(Interpolated):
    """variant: the cross-attentions (x) or all else (u). eta: how far beyond the empty prompt the target lies.

    candidates: of what may be preserved all but the concepts and their synonyms (others), or these too (released);
    synonyms: further ones. None takes the plan's own.
    """

    name: ClassVar[str] = "eap"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "Bui et al., NeurIPS 2024, arXiv 2410.15618"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "bui2024eap",
            "Erasing Undesirable Concepts in Diffusion Models with Adversarial Preservation",
            ("Anh Bui", "Long Vuong", "Khanh Doan", "Trung Le", "Paul Montague", "Tamas Abraham", "Dinh Phung"),
            2024,
            venue="Advances in Neural Information Processing Systems",
            arxiv="2410.15618",
        ),
    )
    tables: ClassVar[tuple[str, ...]] = ("eap",)
    by_task: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "style": {"variant": "x"},
        "object": {"variant": "x"},
        "explicit": {"preset": "nudity", "variant": "u"},
    }
    bounds: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("steps", "retain", "nearest", "centres"), "[0, inf)"),
        **dict.fromkeys(("lr", "adversary_lr"), "(0, inf)"),
        "ema": "[0, 1)",
    }

    preset: Literal["concepts", "nudity"] = "concepts"
    variant: Literal["x", "u"] = "x"
    eta: float = 1.0
    candidates: Literal["others", "released"] = "others"
    synonyms: tuple[str, ...] = ()
    nearest: int | None = None
    centres: int | None = None
    steps: int | None = None
    lr: float | None = None
    adversary_lr: float | None = None
    retain: float | None = None
    ema: float | None = None
    strength: float = 1.0

    def plan(self, host: Host, concepts: int = 1) -> Plan:
        """The preset's plan with the host's own numbers and this method's settings; lr is of what is trained."""
        own = {name: getattr(self, name) for name in self.bounds if name != "lr"}
        found = plans.plan(host.plans, self.name, PLANS[self.preset], concepts, **own)
        return found.at(self.variant, self.lr)

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        plan, g = self.plan(host, len(erase)), train.seeded(seed)
        names = parameters.selected(host, TRAINED[self.variant])
        student = parameters.twin(host.unet, names)
        theta = dict(student.named_parameters())
        game = Game(host, plan, erase, self.words(host, plan, erase, g), g)
        guide = partial(stock_guide, replace(host, unet=student))

        def loss(step: int, g: torch.Generator) -> Tensor:
            if step:  # a step of the adversary after each of the weights; after the last it would change nothing
                kept = game.kept(step, guide, g)
                game.climb(kept_loss(host, student, kept))
            erased, kept = game.rows(step, guide, g)
            return erased_loss(host, student, erased, self.eta) + plan.retain * kept_loss(host, student, kept)

        memory = resume.Together({"rows": game.lesson, "adversary": game})
        curve = train.fit(loss, [theta[n] for n in names], plan.fit(f"EAP {' + '.join(erase)}"), g, memory)
        made = parameters.towards(host, student, names, self.strength)
        return Edit(made, {"variant": self.variant, "preserved": game.favourites(), "curves": {"eap": curve}})

    def words(self, host: Host, plan: Plan, erase: Sequence[str], g: torch.Generator) -> list[list[str]]:
        """The candidates of each concept."""
        known = [word for concept in erase for word in SYNONYMS.get(concept.casefold(), ())]
        gone = () if self.candidates == "released" else (*erase, *known, *self.synonyms)
        every = candidates.vocabulary(host, gone)
        if not every:
            raise UserError("eap: nothing is left to preserve: wanted a model that knows words beside those erased")
        return [candidates.nearest(host, concept, every, plan.nearest, plan.centres, g) for concept in erase]


def erased_loss(host: Host, student: Any, rows: Latents, eta: float) -> Tensor:
    """|x0(eps(z, t, c)) - x0(e_0 - eta (e_c - e_0))|^2, mean over elements."""
    z, t = rows.z, rows.t
    with torch.no_grad():
        e_c, e_0 = (estimate(host.unet, z, t, text) for text in (rows.context, rows.anchor))
    return far(host, estimate(student, z, t, rows.context), e_0 - eta * (e_c - e_0), t)


def kept_loss(host: Host, student: Any, rows: Latents) -> Tensor:
    """|x0(eps(z, t, a)) - x0(eps0(z, t, a))|^2, mean over elements; its gradient reaches a through both networks."""
    own, wanted = (estimate(unet, rows.z, rows.t, rows.context) for unet in (student, host.unet))
    return far(host, own, wanted, rows.t)


def far(host: Host, a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """The mean square of how far apart the pictures x0 of two estimates are, at timesteps t (n,)."""
    schedule = scheduler(host, "ddim", 1)
    abar = schedule.alphas_cumprod.to(a)[t]
    weight = 1 - abar if schedule.config.prediction_type == "v_prediction" else (1 - abar) / abar
    distance: Tensor = (weight[:, None, None, None] * (a - b).square()).mean()
    return distance


class Game:
    """The rows of every step, and the adversary who chooses what is preserved; concepts take turns."""

    def __init__(
        self, host: Host, plan: Plan, erase: Sequence[str], words: Sequence[Sequence[str]], g: torch.Generator
    ) -> None:
        self.plan, self.erase, self.host = plan, erase, host
        self.lesson: Lesson[Plan] = Lesson(host, replace(plan, retain=0.0), erase, g, mix="apart")
        self.tables = [Table(host, plan, own, erase, g) for own in words]
        self.logits = [nn.Parameter(torch.full((len(own),), 1 / len(own), device=host.device)) for own in words]
        self.adam = torch.optim.Adam(self.logits, lr=plan.adversary_lr)

    def choose(self, which: int, g: torch.Generator) -> Tensor:
        """A hard Gumbel-softmax, (rows, candidates) of 0 and 1, with the gradient of the soft one."""
        own = self.logits[which]
        noise = -torch.empty(self.plan.retain_rows, len(own)).exponential_(generator=g).log()
        soft = ((own + noise.to(own)) / self.plan.temperature).softmax(1)
        return F.one_hot(soft.argmax(1), len(own)) + (soft - soft.detach())

    def rows(self, step: int, guide: Guide, g: torch.Generator) -> tuple[Latents, Latents]:
        """Of the concept, and of what was chosen: of the same noise and level where each is a run of its own."""
        which = step % len(self.erase)
        choice, noise = self.choose(which, g).detach(), g.get_state()
        erased, _ = self.lesson.rows(step, guide, g)
        if not self.plan.harvest:
            g.set_state(noise)
        return erased, self.tables[which].rows(choice, guide, g)

    def kept(self, step: int, guide: Guide, g: torch.Generator) -> Latents:
        """Rows of what the adversary chooses, through which a gradient reaches its logits."""
        which = step % len(self.erase)
        return self.tables[which].rows(self.choose(which, g), guide, g)

    def climb(self, loss: Tensor) -> None:
        """A step of the adversary up a loss."""
        for own, grad in zip(self.logits, torch.autograd.grad(-loss, self.logits, allow_unused=True), strict=True):
            own.grad = grad
        self.adam.step()

    def favourites(self) -> dict[str, list[str]]:
        """What the adversary chooses most in the end, five words a concept."""
        every = zip(self.erase, self.tables, self.logits, strict=True)
        return {concept: [table.words[i] for i in own.topk(min(5, len(own))).indices] for concept, table, own in every}

    def state_dict(self) -> dict[str, Any]:
        return {"logits": [own.detach() for own in self.logits], "adam": self.adam.state_dict()}

    def load_state_dict(self, kept: dict[str, Any]) -> None:
        for own, was in zip(self.logits, kept["logits"], strict=True):
            own.data.copy_(was)
        self.adam.load_state_dict(kept["adam"])
