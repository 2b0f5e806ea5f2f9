"""Edits as files that other programs load: a U-Net, its changed tensors, a LoRA, DuMo's, Receler's and SPM's files.

Torch only inside.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from dumo_bench.errors import UserError
from dumo_bench.formats import locate
from dumo_bench.hosts import kinds, models
from dumo_bench.storage import edits, files, hub
from dumo_bench.storage.names import bounded
from dumo_bench.types import Edit, canonical

if TYPE_CHECKING:
    from torch import Tensor

Form: TypeAlias = Literal["unet", "partial", "dumo", "receler", "spm", "lora"]


def edit_file(where: Path) -> Path:
    """The edit that is meant by its own path, or by a results folder that has one."""
    if where.is_file() or not where.exists():
        return where
    found = sorted((where / "edits").glob("*.safetensors"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(f"{where}: no edits in it: wanted edits/<recipe>.safetensors of a results folder")
    heads = [(path, edits.header(path)) for path in found[:6]]
    names = [f"{path} ({head['method']}: {' + '.join(head['concepts'])})" for path, head in heads]
    more = f", and {len(found) - 6} more" if len(found) > 6 else ""
    raise UserError(f"{where}: holds {len(found)} edits; name one: {', '.join(names)}{more}")


def export(where: Path, to: Path, form: Form, model: str | None = None) -> list[str]:
    """Write an edit into a new folder; returns lines that say what lies there and how it is loaded."""
    edit = edits.read(edit_file(where))
    base = model or edit.header["model"]
    if models.content_hash(base) != edit.header["model_hash"]:
        raise UserError(
            f"{where}: the edit was made for another model than {base} (hash {edit.header['model_hash'][:12]}): "
            "name its own by --model"
        )
    write: dict[Form, Callable[[Edit, str, Path], list[str]]] = {
        "unet": unet, "partial": partial, "dumo": dumo, "receler": receler, "spm": spm, "lora": lora
    }  # fmt: skip
    with staged(to) as folder:
        said = write[form](edit, base, folder)
    return [line.replace(str(folder), str(to)) for line in said]


def unet(edit: Edit, model: str, to: Path) -> list[str]:
    """The model's U-Net with the edit in it, as diffusers saves it."""
    from diffusers import UNet2DConditionModel

    new = weights(edit)
    if (network := _network(model)) != "unet":
        raise UserError(f"--as unet: {model} has a {network} in its place: --as partial")
    net = UNet2DConditionModel.from_pretrained(models.folder(model) / "unet", **hub.LOCAL)
    own = net.state_dict()
    if odd := [name for name, one in new.items() if name not in own or own[name].shape != one.shape]:
        raise UserError(f"the edit has another {odd[0]!r} than the U-Net of {model}: it is for another model")
    net.load_state_dict({**own, **new})
    net.save_pretrained(to)
    return [
        f"{len(new)} of {len(net.state_dict())} tensors changed: {to}",
        f'UNet2DConditionModel.from_pretrained("{to}") loads it',
    ]


def partial(edit: Edit, model: str, to: Path) -> list[str]:
    """The changed tensors alone, under the network's own names; the notes count them."""
    from safetensors.torch import save_file

    new = weights(edit)
    header = {name: value for name, value in edit.header.items() if name not in ("curves", "imported")}
    words = [edit.header["method"], *map(locate.folder_name, edit.header["concepts"])]
    path = to / f"{bounded('-'.join(words))}.safetensors"
    notes = {"format": "pt", "tensors": str(len(new)), "dumo_bench": canonical(header)}
    save_file({name: tensor.contiguous() for name, tensor in new.items()}, path, metadata=notes)
    return [
        f"{len(new)} tensors: {path}",
        f'{_network(model)}.load_state_dict(load_file("{path}"), strict=False) loads it',
    ]


def dumo(edit: Edit, model: str, to: Path) -> list[str]:
    """One folder a concept group, as DuMo's are published; several groups are folders within the folder."""
    if "groups" not in edit.header:
        raise UserError(
            f"--as dumo: the edit is of {edit.header['method']}, which has no EPR: --as unet or --as partial"
        )
    groups = edit.header["groups"]
    said = []
    for i, words in enumerate(groups):
        folder = to if len(groups) == 1 else to / bounded(locate.folder_name(" ".join(words)))
        folder.mkdir(exist_ok=True)
        _epr(edit, i, models.folder(model) / "unet", folder)
        said.append(f"{' + '.join(words)}: {folder}")
    gate = "on: who loads the folder applies it, with the concepts as its words" if edit.header["gate"] else "off"
    return [*said, f"gate {gate}"]


def _epr(edit: Edit, i: int, base: Path, to: Path) -> None:
    """config.json, weights and time_scale.npy of the i-th group."""
    from safetensors.torch import save_file

    from dumo_bench.formats import dumo as published

    table = edit.tensors.get(f"tlmo.{i}")
    if edit.header.get("tlmo") == "blend" or table is None or table.dim() != 2:
        raise UserError(f"--as dumo: its scale is {edit.header.get('tlmo')}, and the published folder has a table")
    (to / published.TABLE).write_bytes(published.table_bytes(table * _strength(edit, "dumo")))
    start = f"epr.{i}."
    held = {name.removeprefix(start): t.contiguous() for name, t in edit.tensors.items() if name.startswith(start)}
    save_file(held, to / f"{locate.WEIGHTS}.safetensors", metadata={"format": "pt"})
    text = published.config_text(locate.config(base), gate=edit.header["gate"])
    (to / "config.json").write_text(text, encoding="utf-8")


def receler(edit: Edit, model: str, to: Path) -> list[str]:
    """Receler's published folder; several sets of erasers are one of the sum of their ranks, which says the same."""
    import torch

    from dumo_bench.formats import receler as published

    del model
    if "sets" not in edit.header:
        raise UserError(f"--as receler: the edit is of {edit.header['method']}, which has no erasers: --as unet")
    starts = [f"adapter.{i}." for i in range(edit.header["sets"])]
    sets = [{k.removeprefix(s): t for k, t in edit.tensors.items() if k.startswith(s)} for s in starts]
    held = published.summed(sets, _strength(edit, "receler"))
    rank = len(next(iter(held.values()))["down.bias"])
    torch.save(held, to / published.WEIGHTS)
    (to / published.CONFIG).write_text(published.config_text(rank), encoding="utf-8")
    return [f"{len(held)} erasers of rank {rank}: {to}"]


def spm(edit: Edit, model: str, to: Path) -> list[str]:
    """One file a concept, as SPM's are published: a plain LoRA to who does not read its notes, and without its gate."""
    from safetensors.torch import save_file

    from dumo_bench.formats import spm as published

    del model
    if edit.header.get("gate", "off") == "off" or "sets" not in edit.header:
        raise UserError(f"--as spm: the edit is of {edit.header['method']}, which has no gate: --as lora or --as unet")
    strength, said = _strength(edit, "spm"), []
    for pairs, words in zip(_pairs(edit, strength), edit.header["groups"], strict=True):
        path = to / f"{bounded(locate.folder_name(' '.join(words)))}.safetensors"
        held, notes = published.published(pairs, words)
        save_file(held, path, metadata=notes)
        said.append(f"{', '.join(words)}: {path}")
    return said


def lora(edit: Edit, model: str, to: Path) -> list[str]:
    """One LoRA of the sum of the sets' ranks, in diffusers' keys."""
    import torch
    from safetensors.torch import save_file

    network = _network(model)
    if edit.header.get("gate", "on") != "off":
        raise UserError(f"--as lora: the edit of {edit.header['method']} is no LoRA, or one with a gate: --as spm")
    sets = _pairs(edit, _strength(edit, str(edit.header["method"])))
    held: dict[str, Tensor] = {}
    for name in dict.fromkeys(name for pairs in sets for name in pairs):
        several, down = [pairs[name] for pairs in sets if name in pairs], name.endswith(".down.weight")
        side = "lora_A" if down else "lora_B"
        layer = name.rsplit(".", 2)[0]
        held[f"{network}.{layer}.{side}.weight"] = torch.cat(several, dim=0 if down else 1).contiguous()
    path = to / "pytorch_lora_weights.safetensors"
    save_file(held, path, metadata={"format": "pt"})
    return [f"{len(held) // 2} layers: {path}", f'pipe.load_lora_weights("{to}") loads it']


def _network(model: str) -> str:
    """What the model calls the network that is edited."""
    return (models.kind(models.folder(model)) or kinds.SD).network


def _pairs(edit: Edit, strength: float) -> list[dict[str, Tensor]]:
    """The sets of an edit's low-rank adapters, `<layer>.down.weight` and `<layer>.up.weight`, the latter scaled."""
    starts = [f"lora.{i}." for i in range(edit.header["sets"])]
    return [
        {k.removeprefix(s): strength * t if ".up." in k else t for k, t in edit.tensors.items() if k.startswith(s)}
        for s in starts
    ]


def _strength(edit: Edit, method: str) -> float:
    """A method's factor at inference, for its published form; an imported edit has its own in the tensors already."""
    return float(edit.header["params"].get("strength", 1.0)) if edit.header["method"] == method else 1.0


def weights(edit: Edit) -> dict[str, Tensor]:
    """The tensors of an edit that are the network's own; a UserError where it is more than these, or other."""
    parts = sorted({name.partition(".")[0] for name in edit.tensors})
    if "epr" in parts:
        raise UserError("the edit is networks beside the U-Net, with a gate, which no U-Net has a place for: --as dumo")
    if "adapter" in parts:
        raise UserError("the edit is erasers beside the cross-attentions, which no U-Net has a place for: --as receler")
    if "lora" in parts:
        raise UserError("the edit is low-rank adapters beside the U-Net: --as lora, or --as spm where they have a gate")
    if n := sum(name.startswith("text") for name in edit.tensors):
        raise UserError(f"the edit changes {n} tensors of the text encoder too, which a U-Net lacks: {_KEEP}")
    if parts not in (["unet"], ["transformer"]):
        raise UserError(
            f"the edit is {', '.join(parts) or 'nothing'} beside the U-Net, which has no place for it: {_KEEP}"
        )
    return {name.partition(".")[2]: tensor for name, tensor in edit.tensors.items()}


_KEEP = "use it by `dumo-bench generate`, with the method that made it"


@contextmanager
def staged(to: Path) -> Iterator[Path]:
    """A folder beside `to` that takes its place once all is written; `to` is new or empty."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UserError(f"--to {to}: exists and is not empty: name a new folder")
    to.parent.mkdir(parents=True, exist_ok=True)
    with files.full_disk(to.parent):
        beside = Path(tempfile.mkdtemp(prefix=f".{to.name}.", dir=to.parent))
        try:
            yield beside
            beside.chmod(0o755)
            os.replace(beside, to)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
