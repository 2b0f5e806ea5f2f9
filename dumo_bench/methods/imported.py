"""From a published artefact to an edit: its tensors under an edit's names, and the report of what fits the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dumo_bench.errors import UserError
from dumo_bench.formats import dumo, kind, read, receler, spm, weights
from dumo_bench.formats.locate import Place
from dumo_bench.formats.match import Report, compare
from dumo_bench.hosts import kinds
from dumo_bench.hosts.sd import Host
from dumo_bench.kit import adapter, lora, train
from dumo_bench.methods.dumo import DuMo
from dumo_bench.methods.epr import EPR, widths
from dumo_bench.types import Edit


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user says beyond the files."""

    partial: bool = False
    gate: bool | None = None
    strength: float = 1.0


def examine(host: Host, where: Place, words: Sequence[str], choice: Choice) -> tuple[Edit, Report]:
    """The edit of one artefact for a concept group, of the tensors that fit, and the report of all."""
    if where.kind == "dumo":
        kind.only(host, f"{where.name}, of DuMo", kinds.SD)
        return _dumo(host, where, words, choice)
    if where.kind in ("file", "receler"):
        held, notes = read.load(where.files[0])
        if receler.is_receler(held):
            kind.only(host, f"{where.name}, of Receler", kinds.SD)
            return _receler(host, where, read.flat(where.files[0], held), choice)
        if spm.is_spm(held, notes):
            kind.only(host, f"{where.name}, an SPM", kinds.SD)
            return _spm(host, where, (read.flat(where.files[0], held), notes), choice)
    return _weights(host, where, choice)


def join(edits: Sequence[Edit]) -> Edit:
    """Edits of several concepts side by side: DuMo's, Receler's and SPM's networks add up, changed weights do not."""
    if len(edits) == 1:
        return edits[0]
    every = [one for edit in edits for one in edit.header["imported"]]
    kinds = {edit.header["kind"] for edit in edits}
    if kinds == {"adapter"}:
        return Edit(adapter.side_by_side(edits), {"kind": "adapter", "sets": len(edits), "imported": every})
    if kinds == {"spm"}:
        groups = [one for edit in edits for one in edit.header["groups"]]
        header = {**edits[0].header, "sets": len(edits), "groups": groups, "imported": every}
        return Edit(lora.side_by_side(edits), header)
    if kinds != {"dumo"}:
        raise UserError("several artefacts: those of DuMo, Receler or SPM alone add up; give one path")
    if len({edit.header["gate"] for edit in edits}) > 1:
        raise UserError("some of the DuMo folders have a gate and some have none: say --set gate=true or gate=false")
    joined = DuMo().join(edits)
    return Edit(joined.tensors, {**joined.header, "imported": every})


def _weights(host: Host, where: Place, choice: Choice) -> tuple[Edit, Report]:
    """Tensors in place of the model's own."""
    found, own = weights.found(host, where), weights.own(host)
    wanted = () if choice.partial else found.wanted
    tensors = compare(found.tensors, own, wanted)
    report = Report(where.name, where.sha256, found.family, notes=found.notes, **tensors)
    new = {name: weights.towards(own[name], found.tensors[name], choice.strength) for name in report.matched}
    kept = {name: tensor for name, tensor in new.items() if not torch.equal(tensor, own[name])}
    return Edit(kept, {"kind": "weights", "imported": [report.facts]}), report


def _dumo(host: Host, where: Place, words: Sequence[str], choice: Choice) -> tuple[Edit, Report]:
    """EPR and TLMO of one concept group, which are the words of the gate."""
    dumo.same_architecture(where, host.unet.config, host.model)
    own, found = EPR(host.unet).state_dict(), dumo.weights(where)
    layers = len(widths(host.unet.config))
    table = dumo.table(where, layers)
    gate = dumo.gated(where) if choice.gate is None else choice.gate
    remarks = () if table is not None else (f"no {dumo.TABLE}: TLMO is one everywhere",)
    scale = torch.ones(dumo.ROWS, layers) if table is None else table
    parts = _scaled(compare(found, own, own, deciding="dumo_"), scale)
    report = Report(where.name, where.sha256, "DuMo", notes=(*remarks, f"gate {'on' if gate else 'off'}"), **parts)
    new = {f"epr.0.{name}": found[name].to(own[name].dtype) for name in report.matched}
    header = {"kind": "dumo", "groups": [list(words)], "gate": gate, "imported": [report.facts]}
    return Edit({**new, "tlmo.0": scale * choice.strength}, header), report


def _scaled(parts: Mapping[str, Any], scale: Tensor) -> dict[str, Any]:
    """The parts of a DuMo's report with what its table says: every correction is multiplied by it."""
    broken = () if scale.isfinite().all() else (dumo.TABLE,)
    zero = {} if scale.any() else {"moves": False, "still": f"{dumo.TABLE} is 0 everywhere"}
    return {**parts, "infinite": (*parts["infinite"], *broken), **zero}


def _receler(host: Host, where: Place, found: Mapping[str, Tensor], choice: Choice) -> tuple[Edit, Report]:
    """Erasers beside the cross-attentions."""
    rank = receler.rank(found)
    receler.check_config(where, rank)
    fresh = adapter.state(adapter.fresh(host.unet, rank, train.seeded(0)))
    own = {name: torch.zeros_like(tensor) for name, tensor in fresh.items()}
    parts = compare(found, own, own, deciding=".up.")
    report = Report(where.name, where.sha256, f"Receler, rank {rank}", **parts)
    scale = {name: choice.strength if ".up." in name else 1.0 for name in report.matched}
    new = {f"adapter.0.{name}": (factor * found[name]).to(own[name].dtype) for name, factor in scale.items()}
    return Edit(new, {"kind": "adapter", "sets": 1, "imported": [report.facts]}), report


def _spm(
    host: Host, where: Place, file: tuple[Mapping[str, Tensor], Mapping[str, str]], choice: Choice
) -> tuple[Edit, Report]:
    """A membrane of all layers inside the transformers; its own prompts are the words of its gate."""
    held, notes = file
    layers = lora.inside_transformers(host.unet)
    found = spm.membrane(held, notes, layers)
    rank = max((len(t) for name, t in found.items() if name.endswith("down.weight") and t.dim()), default=1)
    fresh = lora.state(lora.fresh(host.unet, layers, rank, train.seeded(0)))
    own = {name: torch.zeros_like(tensor) for name, tensor in fresh.items()}
    gate, words = "off" if choice.gate is False else "paper", spm.words(notes)
    remark = "gate off" if gate == "off" else f"gate on: {', '.join(words)}"
    parts = compare(found, own, own, deciding=".up.")
    report = Report(where.name, where.sha256, f"SPM, rank {rank}", notes=(remark,), **parts)
    scale = {name: choice.strength if ".up." in name else 1.0 for name in report.matched}
    new = {f"lora.0.{name}": (factor * found[name]).to(own[name].dtype) for name, factor in scale.items()}
    return Edit(new, {"kind": "spm", "sets": 1, "groups": [words], "gate": gate, "imported": [report.facts]}), report
