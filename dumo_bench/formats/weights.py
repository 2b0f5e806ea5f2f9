"""What weights files say of a model's own network and text encoders, in every layout but DuMo's and Receler's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dumo_bench.errors import UserError
from dumo_bench.formats import compvis, dumo, kind, locate, lora, lora_keys, match, read, unet_state, wrappers
from dumo_bench.formats.locate import Place
from dumo_bench.hosts import kinds
from dumo_bench.hosts.sd import Host

PARTS = {name: part for name, part in lora_keys.PARTS.items() if name != "text"}
#: buffers that older text encoders, and SD3, keep beside their weights
BUFFERS = ("position_ids", "pos_embed.pos_embed")
SPM = "an SPM has these keys too; its gate is in none of them: imported, it acts on every prompt"
#: of config.json of a network and of a text encoder, what shapes alone do not tell
SAME = (
    *dumo.SAME, "num_layers", "num_single_layers", "num_attention_heads", "joint_attention_dim",
    "pooled_projection_dim", "guidance_embeds",
)  # fmt: skip
SAME_TEXT = ("num_attention_heads", "hidden_act")


@dataclass(frozen=True, slots=True)
class Found:
    """Tensors under an edit's names (`unet.*`, `text.*`, ...), those that must be there, and what is to be known."""

    family: str
    tensors: dict[str, Tensor]
    wanted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def own(host: Host) -> dict[str, Tensor]:
    """The model's own tensors that an edit can name."""
    return {f"{part}.{name}": p.detach() for part, net in host.parts.items() for name, p in net.named_parameters()}


def found(host: Host, where: Place) -> Found:
    """What an artefact says of the model; a UserError for what no edit has a place for."""
    readers = {"pipeline": _pipeline, "peft": _peft, "vae": _vae, "network": _network, "text": _text}
    return readers.get(where.kind, _file)(host, where)


def _pipeline(host: Host, where: Place) -> Found:
    """U-Net and text encoder together; a VAE that equals the model's is left out, another is refused."""
    several = [found(host, part) for part in where.parts]
    tensors = {name: tensor for one in several for name, tensor in one.tensors.items()}
    families = dict.fromkeys(one.family for one in several if one.tensors)
    names = (tuple(name for one in several for name in one.wanted), tuple(n for one in several for n in one.notes))
    return Found(" and ".join(families), tensors, *names)


def _vae(host: Host, where: Place) -> Found:
    held, _ = read.load(where.files[0])
    _same_vae(host, where.root, read.flat(where.files[0], held))
    return Found("a VAE", {})


def _same_vae(host: Host, what: Path, held: Mapping[str, Tensor]) -> None:
    """Refuse a VAE that is not the model's: an edit is of network and text encoders."""
    mine = dict(host.vae.named_parameters())
    for name, tensor in held.items():
        if name not in mine or mine[name].shape != tensor.shape or match.moved(tensor, mine[name]):
            raise UserError(
                f"{what}: its VAE is not that of {host.model} ({name}), and an edit holds U-Net and text encoder "
                "alone: name the folder or file of these"
            )


def _network(host: Host, where: Place) -> Found:
    kind.only(host, where.root, kind.of_config(locate.config(where.root)))
    dumo.same_architecture(where, host.unet.config, host.model, SAME)
    return _file(host, where)


def _text(host: Host, where: Place) -> Found:
    dumo.same_architecture(where, vars(host.text_encoder.config), host.model, SAME_TEXT)
    return _file(host, where)


def _peft(host: Host, where: Place) -> Found:
    """A folder of peft, of the part that has its layers."""
    held, _ = read.load(where.files[0])
    clean, notes = wrappers.unwrapped(where.files[0], read.flat(where.files[0], held))
    kind.check(host, where.root, clean)
    mine = own(host)
    part = lora_keys.folder_part(lora.part_of(clean, mine), clean, locate.read_json(where.files[1]))
    tensors, wanted = lora.merged([part], mine)
    return Found("LoRA of peft", tensors, tuple(wanted), notes)


def _file(host: Host, where: Place) -> Found:
    """One file of weights in whatever keys."""
    path = where.files[0]
    held, said = read.load(path)
    clean, notes = wrappers.unwrapped(path, dict(read.named(held)))
    clean = {name: value for name, value in clean.items() if not name.endswith(BUFFERS)}
    kind.check(host, path, clean)
    if compvis.is_compvis(clean):
        kind.only(host, f"{path}, in CompVis's names", kinds.SD)
        return _compvis(host, path, read.dense(path, compvis.without_schedule(clean)), notes)
    flat = read.dense(path, clean)
    if lora_keys.is_lora(flat):
        parts = lora_keys.file_parts(flat, said, host.unet.config, host.kind.network)
        tensors, told = lora.merged(parts, own(host))
        title, wanted = unet_state.adapted(host, tensors)
        remarks = (*notes, SPM) if host.kind == kinds.SD else notes
        return Found(title, tensors, tuple(dict.fromkeys([*told, *wanted])), remarks)
    return _named(host, flat, said, notes)


def _compvis(host: Host, path: Path, held: Mapping[str, Tensor], notes: tuple[str, ...]) -> Found:
    """U-Net and text encoder of a file in CompVis's names; its VAE has to be the model's. of CA attentions alone."""
    if (trained := compvis.attention(held, host.unet.config)) is not None:
        title, names = unet_state.wanted(host, trained, {})
        return Found(f"CompVis, {title}", _prefixed("unet", trained), tuple(f"unet.{name}" for name in names), notes)
    unet, left = compvis.convert(held, host.unet.config)
    text, vae = compvis.text(held, host.text_encoder), compvis.vae(held, host.vae.config)
    _same_vae(host, path, vae)
    odd = [name for name in left if not name.startswith((compvis.VAE, compvis.TEXT, compvis.TEXT2))]
    named = {lora.known("text", name, own(host)): tensor for name, tensor in text.items()}
    whole = unet_state.selections(host)[unet_state.WHOLE]
    wanted = (*(f"unet.{name}" for name in whole), *(_whole(host, "text") if named else ()))
    tensors = {**_prefixed("unet", unet), **named, **{name: held[name] for name in odd}}
    return Found(f"CompVis, {_both(unet_state.WHOLE, named)}", tensors, wanted, notes)


def _named(host: Host, held: Mapping[str, Tensor], said: Mapping[str, str], notes: tuple[str, ...]) -> Found:
    """A file in diffusers' and transformers' own names, with or without the part of the model before them."""
    mine, network = own(host), host.kind.network
    parts: dict[str, dict[str, Tensor]] = {network: {}}
    for name, tensor in held.items():
        first, _, rest = name.partition(".")
        of_text = lora.known("text", name, mine) in mine or first == "text_model"
        part, key = (PARTS[first], rest) if first in PARTS else ("text" if of_text else network, name)
        parts.setdefault(part, {})[key] = tensor
    changed = parts.pop(network)
    text = {lora.known(part, name, mine): tensor for part, of in parts.items() for name, tensor in of.items()}
    title, names = unet_state.wanted(host, changed, said) if changed else ("", [])
    counted = said.get(unet_state.COUNT) == str(len(held))
    whole = [name for part in parts if not counted for name in _whole(host, part)]
    tensors = {**_prefixed(network, changed), **text}
    return Found(
        f"diffusers' keys, {_both(title, text)}", tensors, (*_prefixed(network, dict.fromkeys(names)), *whole), notes
    )


def _both(title: str, text: Iterable[str]) -> str:
    return " and ".join(filter(None, (title, "the text encoder" if text else "")))


def _whole(host: Host, part: str) -> list[str]:
    """All tensors of a part; none of one that the model lacks, whose tensors are unexpected."""
    return [name for name in own(host) if name.startswith(f"{part}.")]


def _prefixed(part: str, held: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{part}.{name}": value for name, value in held.items()}


def towards(mine: Tensor, new: Tensor, strength: float) -> Tensor:
    """mine + strength (new - mine), in the model's precision."""
    new = new.to(mine.device)
    if strength == 1:
        return new.to(mine.dtype)
    wide = torch.promote_types(mine.dtype, torch.float32)
    return torch.lerp(mine.to(wide), new.to(wide), strength).to(mine.dtype)
