"""AdvUnlearn: Defensive Unlearning with Adversarial Training for Robust Concept Erasure in Diffusion Models.

Yimeng Zhang, Xin Chen, Jinghan Jia, Yihua Zhang, Chongyu Fan, Jiancheng Liu, Mingyi Hong, Ke Ding, Sijia Liu. NeurIPS
2024, arXiv 2405.15234.

The text encoder S learns, the U-Net stays. A vector v before the concept c brings it back as far as it can, and the
encoder is taught ESD's target in spite of it:

    inner, over v:  | eps(z, t, S(v; c)) - eps(z, t, S_0(c)) |^2
    outer, over S:  | eps(z, t, S(v; c)) - (e_0 - eta (e_p - e_0)) |^2
                     + gamma | eps(z_r, t, S(r)) - eps(z_r, t, S_0(r)) |^2

with e_p, e_0 and S_0 of the unedited model, and prompts r that must stay. Preset `paper`: 1,000 steps of 1e-5, the
first 200 without an attack, then 30 of Adam at 1e-3 a step, each on new latents by the model as it is; gamma 0.3, five
rows of r. Learnt are the layers and the last norm, not the embeddings: 85 of CLIP-L's 123 million.

Followed in part: v begins as the vector of a random token, and r are prompts of this project's, not the released ones.
Several concepts take turns, a step each. Sampling 31 times a step, it is the dearest of all erasers; where a plan
harvests rows, its attack draws from those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dumo_bench.citation import Paper
from dumo_bench.hosts import plans
from dumo_bench.hosts.sd import Host, interpolated, stock_guide, tokens
from dumo_bench.hosts.starts import heard
from dumo_bench.interfaces import Interpolated
from dumo_bench.kit import lesson, parameters, places, train
from dumo_bench.kit.latents import Latents, Trajectory, estimate
from dumo_bench.kit.lesson import Lesson, opposite
from dumo_bench.types import Conditions, Denoiser, Edit


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(lesson.Plan):
    """warm_up: steps before the first attack. inner: steps of an attack, 0: there is none; inner_lr: of its Adam."""

    bounds: ClassVar[Mapping[str, str]] = {
        **lesson.Plan.bounds, **dict.fromkeys(("warm_up", "inner"), "[0, inf)"), "inner_lr": "(0, inf)",
    }  # fmt: skip

    warm_up: int = 200
    inner: int = 30
    inner_lr: float = 1e-3


PLANS: Mapping[str, Plan] = {"paper": Plan(steps=1000, lr=1e-5, run=Trajectory(50), retain=0.3, retain_rows=5)}


@dataclass(frozen=True)
class AdvUnlearn(Interpolated):
    """eta: how far beyond the empty prompt the target lies; inner: steps of an attack; retain: gamma.

    None takes the plan's own.
    """

    name: ClassVar[str] = "advunlearn"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "Zhang et al., NeurIPS 2024, arXiv 2405.15234"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "zhang2024advunlearn",
            "Defensive Unlearning with Adversarial Training for Robust Concept Erasure in Diffusion Models",
            (
                "Yimeng Zhang",
                "Xin Chen",
                "Jinghan Jia",
                "Yihua Zhang",
                "Chongyu Fan",
                "Jiancheng Liu",
                "Mingyi Hong",
                "Ke Ding",
                "Sijia Liu",
            ),
            2024,
            venue="Advances in Neural Information Processing Systems",
            arxiv="2405.15234",
        ),
    )
    tables: ClassVar[tuple[str, ...]] = ("advunlearn",)
    bounds: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("steps", "inner", "retain"), "[0, inf)"), "lr": "(0, inf)",
    }  # fmt: skip

    preset: Literal["paper"] = "paper"
    eta: float = 1.0
    steps: int | None = None
    inner: int | None = None
    lr: float | None = None
    retain: float | None = None
    strength: float = 1.0

    def plan(self, host: Host, concepts: int = 1) -> Plan:
        """The paper's plan with the host's own numbers and this method's settings."""
        own = {name: getattr(self, name) for name in self.bounds}
        return plans.plan(host.plans, self.name, PLANS[self.preset], concepts, **own)

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        plan, g, names = self.plan(host, len(erase)), train.seeded(seed), learnt(host.text_encoder)
        student = Student(host, parameters.twin(host.text_encoder, names))
        theta = dict(student.encoder.named_parameters())
        rows = Lesson(host, plan, erase, g, mix="apart")

        def loss(step: int, g: torch.Generator) -> Tensor:
            erased, retained = rows.rows(step, student.guide, g)
            vector = attack(student, rows, step, g) if plan.inner and step >= plan.warm_up else None
            said = student.states(erased.ids, vector)
            missed = F.mse_loss(student.estimate(erased, said), opposite(host.unet, erased, self.eta))
            return missed if retained is None else missed + plan.retain * student.changed(retained)

        how = plan.fit(f"AdvUnlearn {' + '.join(erase)}")
        curve = train.fit(loss, [theta[n] for n in names], how, g, rows)
        made = interpolated(host, {f"text.{n}": theta[n].detach() for n in names}, self.strength)
        return Edit(made, {"preset": self.preset, "curves": {"advunlearn": curve}})


def learnt(encoder: nn.Module) -> list[str]:
    """The names of what is trained of a text encoder: its layers and last norm, not the embeddings."""
    return [name for name, _ in encoder.named_parameters() if "embed" not in name]


@dataclass(frozen=True, eq=False)
class Student:
    """A text encoder that learns, beside the host's own, which reads for the targets."""

    host: Host
    encoder: Any

    def states(self, ids: Tensor, vector: Tensor | None = None) -> Tensor:
        """The states (n, 77, d) of texts (n, 77); with a vector (1, d) between the first token and the text."""
        if vector is None:
            states: Tensor = self.encoder(ids).last_hidden_state
            return states
        heads = self.encoder.get_input_embeddings()(ids)
        whole = torch.cat([heads[:, :1], vector.to(heads).expand(len(ids), 1, -1), heads[:, 1:-1]], 1)
        with heard(self.encoder, whole):
            return self.states(torch.cat([ids[:, :1], ids[:, :-1]], 1))

    def guide(self, given: Conditions) -> Denoiser:
        """The unedited network, told what this encoder reads."""
        empty = self.states(tokens(self.host, [""])[0]).expand(len(given.ids), -1, -1)
        return stock_guide(self.host, replace(given, cond=self.states(given.ids), uncond=empty))

    def estimate(self, rows: Latents, said: Tensor) -> Tensor:
        return estimate(self.host.unet, rows.z, rows.t, said)

    def changed(self, rows: Latents) -> Tensor:
        """|eps(z, t, S(r)) - eps(z, t, S_0(r))|^2, mean over elements."""
        with torch.no_grad():
            wanted = self.estimate(rows, rows.context)
        return F.mse_loss(self.estimate(rows, self.states(rows.ids)), wanted)


def attack(student: Student, rows: Lesson[Plan], step: int, g: torch.Generator) -> Tensor:
    """The vector (1, d) before a step's texts with which the student says best what the unedited model said of them."""
    heads, plan = student.host.text_encoder.get_input_embeddings(), rows.plan  # type: ignore[operator]
    ordinary = places.ordinary(student.host)
    first = ordinary[torch.randint(len(ordinary), (1,), generator=g)].to(student.host.device)
    vector = nn.Parameter(heads(first).detach().float())
    adam = torch.optim.Adam([vector], lr=plan.inner_lr)
    for _ in range(plan.inner):
        asked = rows.further(step, student.guide, g)
        with torch.no_grad():
            wanted = student.estimate(asked, asked.context)
        missed = F.mse_loss(student.estimate(asked, student.states(asked.ids, vector)), wanted)
        (vector.grad,) = torch.autograd.grad(missed, [vector])
        adam.step()
    return vector.detach()
