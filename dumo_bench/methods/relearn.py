"""Relearning: an edited model is fine-tuned on pictures without what was erased. Does that come back?

The question is that of Sanghyun Kim, Moonseok Choi, Jinwoo Shin, Juho Lee. Safety Alignment Backfires: Preventing the
Re-emergence of Suppressed Concepts in Fine-tuned Text-to-Image Diffusion Models. arXiv 2412.00357.

    | G(z_t, t, c) - noise |^2,     z_t of a picture of the caption c, G the edited model's estimate without guidance

is learnt by a LoRA or by the U-Net's own weights, on top of any method's edit, gates and added modules included. Of the
unedited model (`of=original`, fine-tuned on the same pictures in the same order) it is the control: fine-tuning alone
moves what a model draws. `compose=modular` is the paper's remedy: what fine-tuning adds is learnt on the clean model
and added to the edited one.

The settings are ours. The pictures are the unedited model's own, of captions without the concept (`data=concept`: with
it, the upper bound), or a folder's (`data=FOLDER`, see kit/captioned.py), as far as their captions do not name it; rows
of a step share `levels` timesteps, for a guide is asked at one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dumo_bench.citation import Paper
from dumo_bench.errors import UserError
from dumo_bench.hosts import plans
from dumo_bench.hosts.sd import Host, conditions, edited, fits, stock_guide
from dumo_bench.interfaces import Keep, Sequel
from dumo_bench.kit import captioned, lora, parameters, train
from dumo_bench.kit.latents import Trajectory
from dumo_bench.kit.pictures import Pictures, drawn, real
from dumo_bench.progress import log
from dumo_bench.types import Edit, Guide

DRAWN = ("others", "concept")  # what the unedited model draws the pictures of
LAYERS = ("to_q", "to_k", "to_v", "to_out.0")


@dataclass(frozen=True, slots=True)
class Plan:
    """lr of weights, lr_lora and rank of a LoRA; pictures: how many; rows of a step, at so many levels of noise."""

    bounds: ClassVar[Mapping[str, str]] = {
        "lr": "(0, inf)", "lr_lora": "(0, inf)",
        **dict.fromkeys(("rank", "pictures", "rows", "levels"), "[1, inf)"),
    }  # fmt: skip

    lr: float = 1e-5
    lr_lora: float = 1e-4
    rank: int = 4
    pictures: int = 200
    rows: int = 8
    levels: int = 2
    run: Trajectory = field(default=Trajectory(50))


@dataclass(frozen=True)
class Relearn(Sequel):
    """of: the method whose edit is fine-tuned, `of_set` its settings; what: learns; data: which pictures.

    marks: fewer steps whose edits are kept on the way, no part of what names an edit. tune_seed: of pictures and
    noise; the method's own seed is --seed. strength: of what fine-tuning adds. None takes the plan's own. pictures: how
    many are drawn; a folder's are taken all.
    """

    name: ClassVar[str] = "relearn"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "the question of Kim et al., arXiv 2412.00357; settings ours"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "kim2024modular",
            "Safety Alignment Backfires: Preventing the Re-emergence of Suppressed Concepts in Fine-tuned "
            "Text-to-Image Diffusion Models",
            ("Sanghyun Kim", "Moonseok Choi", "Jinwoo Shin", "Juho Lee"),
            2024,
            arxiv="2412.00357",
        ),
    )
    tables: ClassVar[tuple[str, ...]] = ("relearn",)
    shown: ClassVar[tuple[str, ...]] = ("of", "what", "steps")
    bounds: ClassVar[Mapping[str, str]] = {
        "steps": "[0, inf)", "lr": "(0, inf)", "rank": "[1, inf)", "pictures": "[1, inf)", "rows": "[1, inf)",
    }  # fmt: skip

    of: str = "original"
    of_set: tuple[str, ...] = ()
    what: Literal["lora", "attn2", "full"] = "lora"
    compose: Literal["sequential", "modular"] = "sequential"
    data: str = "others"
    steps: int = 200
    marks: tuple[int, ...] = ()
    lr: float | None = None
    rank: int | None = None
    pictures: int | None = None
    rows: int | None = None
    tune_seed: int = 0
    strength: float = 1.0

    def identity(self) -> Mapping[str, Any]:
        own = {name: value for name, value in super().identity().items() if name != "marks"}
        return own if self.data in DRAWN else own | {"data": f"{self._folder.name} {captioned.identity(self._given)}"}

    @property
    def _folder(self) -> Path:
        if not (folder := Path(self.data).expanduser()).is_dir():
            raise UserError(
                f"relearn: data is {self.data!r}: wanted {', '.join(DRAWN)} or a folder of pictures with their captions"
            )
        return folder.resolve()

    @property
    def _given(self) -> list[captioned.Captioned]:
        return captioned.read(self._folder)

    def plan(self, host: Host) -> Plan:
        """Our numbers, with the host's own and this method's settings."""
        rate: dict[str, Any] = {"lr_lora" if self.what == "lora" else "lr": self.lr}
        own = {name: getattr(self, name) for name in ("rank", "pictures", "rows")}
        return plans.plan(host.plans, self.name, PLAN, **own, **rate)

    def fit_on(self, host: Host, under: Edit, erase: Sequence[str], *, seed: int, keep: Keep) -> Edit:
        del seed  # of the edit that it is learnt on
        plan, g = self.plan(host), train.seeded(self.tune_seed)
        pictures = self._pictures(host, erase, plan, g) if self.steps else None
        curve: list[float] = []
        with self._learner(host, under, plan.rank) as (student, guide, free, added):

            def edit() -> Edit:
                header = {"base": dict(under.header), "what": self.what, "sets": 1, "curves": [{"relearn": curve[:]}]}
                return Edit({**{f"base.{k}": t for k, t in under.tensors.items()}, **added()}, header)

            def loss(step: int, g: torch.Generator) -> Tensor:
                if step in self.marks:
                    keep({"steps": step}, edit())
                assert pictures is not None
                value = denoising(student, guide, pictures, plan, g)
                curve.append(float(value.detach()))
                return value

            rate = plan.lr_lora if self.what == "lora" else plan.lr
            curve[:] = train.fit(loss, free, train.Fit(self.steps, rate, f"relearn {self.of}"), g)
            return edit()

    def _pictures(self, host: Host, erase: Sequence[str], plan: Plan, g: torch.Generator) -> Pictures:
        if self.data in DRAWN:
            naming, plain = train.prompts(host, erase)
            texts = train.choose(plain if self.data == "others" else naming, plan.pictures, g)
            return drawn(host, texts, plan.run, g)
        every = self._given
        rows = [row for row in every if not any(train.mentions(row.text, concept) for concept in erase)]
        if not rows:
            raise UserError(
                f"relearn: all {len(every)} captions of {self._folder} name what was erased: {', '.join(erase)}"
            )
        if left_out := len(every) - len(rows):
            log.info(f"relearn: {left_out} of {len(every)} pictures are left out: their captions name what was erased")
        return real(host, rows)

    @contextmanager
    def _learner(self, host: Host, under: Edit, rank: int) -> Iterator[Learner]:
        """What learns: the host with it, the guide through it, its parameters, and what they add as tensors."""
        names = [] if self.what == "lora" else parameters.selected(host, self.what)
        student = replace(host, unet=parameters.twin(host.unet, names)) if names else host
        with self._below(student, under) if self.compose == "sequential" else stock(student) as guide:
            if not names:
                layers = lora.cross_attentions(host.unet, LAYERS)
                own = lora.fresh(host.unet, layers, rank, train.seeded(self.tune_seed))

                def through(given: Any) -> Any:
                    def denoise(z: Tensor, t: Tensor) -> Tensor:
                        with lora.attached(host.unet, [own]):
                            return guide(given)(z, t)

                    return denoise

                yield student, through, lora.parameters(own), lambda: copied(lora.tensors([own]))
                return
            free = {name: p for name, p in student.unet.named_parameters() if name in set(names)}
            start = {name: p.detach().clone() for name, p in free.items()}
            yield (
                student,
                guide,
                [*free.values()],
                lambda: {f"full.{n}": p.detach() - start[n] for n, p in free.items()},
            )

    def _below(self, host: Host, under: Edit) -> AbstractContextManager[Guide]:
        return self.inner.apply(host, under)

    @contextmanager
    def apply(self, host: Host, edit: Edit) -> Iterator[Guide]:
        fits(host, edit)
        below = {k.removeprefix("base."): t for k, t in edit.tensors.items() if k.startswith("base.")}
        with self._below(host, Edit(below, edit.header["base"])) as guide, self._added(host, edit):
            yield guide

    def _added(self, host: Host, edit: Edit) -> AbstractContextManager[None]:
        """What fine-tuning adds to the weights as they are now."""
        if edit.header["what"] == "lora":
            own = {k: t for k, t in edit.tensors.items() if k.startswith("lora.")}
            return lora.attached(host.unet, lora.sets(host.unet, Edit(own, edit.header)), [self.strength])
        now = dict(host.unet.named_parameters())
        full = {k.removeprefix("full."): t for k, t in edit.tensors.items() if k.startswith("full.")}
        moved = {f"{host.kind.network}.{n}": now[n] + self.strength * t.to(now[n]) for n, t in full.items()}
        return edited(host, Edit(moved, {})) if moved else nullcontext()


PLAN = Plan()
Learner = tuple[Host, Guide, list[nn.Parameter], Callable[[], dict[str, Tensor]]]


@contextmanager
def stock(host: Host) -> Iterator[Guide]:
    """The unedited model's guide."""
    yield partial(stock_guide, host)


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as they are now."""
    return {name: tensor.clone() for name, tensor in tensors.items()}


def denoising(host: Host, guide: Guide, pictures: Pictures, plan: Plan, g: torch.Generator) -> Tensor:
    """The mean squared error of what the guide tells of noised pictures, without guidance."""
    which = torch.randint(len(pictures.z), (plan.rows,), generator=g)
    losses = []
    for some in which.chunk(plan.levels):
        t = torch.randint(pictures.levels, (1,), generator=g)
        z, wanted = pictures.noised(some, t.expand(len(some)), g)
        given = conditions(host, [pictures.texts[i] for i in some.tolist()], [1.0] * len(some))
        losses.append(F.mse_loss(guide(given)(z, t[0].to(z.device)), wanted, reduction="sum"))
    return torch.stack(losses).sum() / (len(which) * pictures.z[0].numel())
