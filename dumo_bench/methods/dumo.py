"""DuMo: Dual Encoder Modulation Network for Precise Concept Erasure.

Feng Han, Kai Chen, Chao Gong, Zhipeng Wei, Jingjing Chen, Yu-Gang Jiang. AAAI 2025, arXiv 2501.01125.

A frozen U-Net whose skip connections and middle output are corrected by EPR, a trained copy of its encoder; TLMO
scales each correction by timestep and layer; a gate scales it by how much the prompt speaks of the concept.
Structure and inference follow the published code; the training recipe was never published, ours is in dumo_recipe.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from dumo_bench.citation import Paper
from dumo_bench.errors import UserError
from dumo_bench.hosts import plans
from dumo_bench.hosts.sd import Host, fits
from dumo_bench.interfaces import Method
from dumo_bench.kit import train
from dumo_bench.kit.gate import Gate
from dumo_bench.methods import tlmo
from dumo_bench.methods.dumo_recipe import PLAN, Plan, learn
from dumo_bench.methods.epr import EPR, Blend, denoiser
from dumo_bench.types import Conditions, Denoiser, Edit, Guide

SEPARATE = 3  # up to three concepts have an EPR each, the most that was published; above, one EPR serves them all


@dataclass(frozen=True)
class DuMo(Method):
    """Re-implementation, training recipe ours.

    negative: how far beyond the anchor the target lies (0: the anchor itself); retain: weight of the prompts that
    must stay; tlmo, gate, mid: the parts of the method, for ablations (what tlmo may be is in tlmo.py; without mid the
    skips alone are corrected); steps, lr: in place of the host's recipe; strength: the gate's factor at inference.
    """

    name: ClassVar[str] = "dumo"
    version: ClassVar[str] = "3"
    needs: ClassVar[frozenset[str]] = frozenset({"skips"})
    cite: ClassVar[str] = "Han et al., AAAI 2025, arXiv 2501.01125 (re-implementation, training recipe ours)"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "han2025dumo",
            "DuMo: Dual Encoder Modulation Network for Precise Concept Erasure",
            ("Feng Han", "Kai Chen", "Chao Gong", "Zhipeng Wei", "Jingjing Chen", "Yu-Gang Jiang"),
            2025,
            venue="AAAI Conference on Artificial Intelligence",
            arxiv="2501.01125",
        ),
    )
    tables: ClassVar[tuple[str, ...]] = ("dumo",)
    after_fit: ClassVar[frozenset[str]] = frozenset({"strength"})
    by_task: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "explicit": {"gate": False, "tlmo": "off"},  # as released
    }
    bounds: ClassVar[Mapping[str, str]] = {"retain": "[0, inf)", "steps": "[0, inf)", "lr": "(0, inf)"}

    negative: float = 1.5
    retain: float = 1.0
    tlmo: Literal["table", "layer", "time", "linear", "blend", "off"] = "table"
    gate: bool = True
    mid: bool = True
    steps: int | None = None
    lr: float | None = None
    strength: float = 1.0

    def plan(self, host: Host, concepts: int = 1) -> Plan:
        """Our recipe with the host's own numbers and this method's settings, for an EPR of so many concepts."""
        return plans.plan(host.plans, self.name, PLAN, concepts, steps=self.steps, lr=self.lr)

    def parts(self, host: Host, erase: Sequence[str]) -> list[tuple[str, ...]]:
        """The concept groups that have an EPR each; their edits are made one by one and joined."""
        del host  # as many on any model
        return train.groups(erase, SEPARATE)

    def join(self, edits: Sequence[Edit]) -> Edit:
        """Several concepts are the sum of their corrections: the edits side by side."""
        tensors = {}
        for i, edit in enumerate(edits):
            for name, tensor in edit.tensors.items():
                kind, _, *rest = name.split(".", 2)
                tensors[".".join([kind, str(i), *rest])] = tensor
        first = dict(edits[0].header)
        return Edit(tensors, {**first, "groups": [g for e in edits for g in e.header["groups"]]})

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        groups = self.parts(host, erase)
        if len(groups) > 1:
            return self.join([self.fit(host, group, seed=seed) for group in groups])
        epr, scale, curves = learn(host, self, erase, train.seeded(seed))
        tensors = {f"epr.0.{k}": v for k, v in epr.state_dict().items()}
        tensors |= {f"tlmo.0{k}": v for k, v in tlmo.named(scale).items()}
        return Edit(tensors, {"groups": [list(erase)], "gate": self.gate, "tlmo": self.tlmo, "curves": curves})

    @contextmanager
    def apply(self, host: Host, edit: Edit) -> Iterator[Guide]:
        fits(host, edit)
        modules = load(host, edit)
        gates = [Gate(host, words) for words in edit.header["groups"]] if edit.header["gate"] else None

        def guide(given: Conditions) -> Denoiser:
            found = [g(given) for g in gates] if gates else [torch.ones_like(given.guidance)] * len(modules)
            return denoiser(host.unet, modules, [self.strength * m for m in found], given)

        yield guide


def load(host: Host, edit: Edit) -> list[tuple[EPR, tlmo.Scale]]:
    """The EPRs of an edit, each with its scale; strict. An edit that does not say what its scale is has a table."""
    kind: tlmo.Kind = edit.header.get("tlmo", "table")
    out = []
    for i in range(len(edit.header["groups"])):
        epr = (Blend if kind == "blend" else EPR)(host.unet)
        try:
            epr.load_state_dict(own(edit, f"epr.{i}."))
        except RuntimeError as error:
            raise UserError(
                f"the edit's EPR {i} does not fit {host.model}: {str(error).splitlines()[1].strip()}"
            ) from error
        found = {k: t.to(host.device) for k, t in own(edit, f"tlmo.{i}").items() if k[:1] in ("", ".")}
        out.append((epr.to(host.device).eval(), tlmo.read(found, kind)))
    return out


def own(edit: Edit, start: str) -> dict[str, Tensor]:
    """The edit's tensors whose names begin so, by the rest of their names."""
    return {k.removeprefix(start): t for k, t in edit.tensors.items() if k.startswith(start)}
