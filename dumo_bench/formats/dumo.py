"""DuMo's published folder, one a concept: config.json as a ControlNet's, the weights of EPR, time_scale.npy.

Han et al., arXiv 2501.01125. The names are a ControlNet's with `dumo_` for `controlnet_` and without a hint; the table
is absent for nudity, where TLMO and the gate are off.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dumo_bench.errors import UserError
from dumo_bench.formats import locate, read

CLASS, TABLE = "DuMo", "time_scale.npy"
ROWS = 20  # of the table, 50 timesteps each
#: what shapes alone do not tell
SAME = ("block_out_channels", "layers_per_block", "attention_head_dim", "cross_attention_dim", "norm_num_groups")
GATE = "prompt_gate"  # our addition to config.json: whether the folder was trained to be gated


def weights(where: locate.Place) -> dict[str, Tensor]:
    """EPR's tensors."""
    held, _ = read.load(where.files[0])
    return read.flat(where.files[0], held)


def table(where: locate.Place, layers: int) -> Tensor | None:
    """TLMO's table (20, 13), row 0 the cleanest timesteps and the last column the middle; None where there is none."""
    import numpy as np

    path = where.file(TABLE)
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            found = np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # what is no array fails numpy's reader in many ways
        raise UserError(f"{path}: no array of numbers: {' '.join(str(error).split())}") from error
    shape = (ROWS, layers)
    if found.shape != shape or found.dtype.kind != "f":
        raise UserError(f"{path}: wanted numbers of shape {shape}, got {found.dtype} of shape {found.shape}")
    with np.errstate(over="ignore"):  # what overflows is not finite, and the report says so
        return torch.from_numpy(np.ascontiguousarray(found, np.float32))


def gated(where: locate.Place) -> bool:
    """Whether the gate is on: as the folder says, else where it has a table."""
    said = locate.config(where.root).get(GATE)
    return bool(said) if said is not None else where.file(TABLE) is not None


def same_architecture(where: locate.Place, config: Mapping[str, Any], model: str, fields: Sequence[str] = SAME) -> None:
    """Refuse a folder whose config.json describes another network."""
    said = locate.config(where.root)
    for name in (name for name in fields if said.get(name) is not None and config.get(name) is not None):
        if _listed(said[name]) != _listed(config[name]):
            raise UserError(
                f"{where.root}: made for another architecture: {name} is {said[name]}, {model} has {config[name]}"
            )


def config_text(unet_config: Mapping[str, Any], *, gate: bool) -> str:
    """config.json for an EPR beside a U-Net of this configuration."""
    import inspect

    from diffusers import ControlNetModel

    shared = inspect.signature(ControlNetModel.__init__).parameters.keys() & unet_config.keys()
    said = {name: unet_config[name] for name in sorted(shared) if not name.startswith("_")}
    return json.dumps({"_class_name": CLASS, GATE: gate, **said}, indent=2, default=list) + "\n"


def table_bytes(values: Tensor) -> bytes:
    """time_scale.npy."""
    import numpy as np

    out = io.BytesIO()
    np.save(out, values.detach().cpu().numpy(), allow_pickle=False)
    return out.getvalue()


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | list) else value
