"""A starting point of pictures as a file: what an attack sets, and the step that it stands before."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO

from dumo_bench.errors import UserError
from dumo_bench.storage import copies
from dumo_bench.storage.edits import head, tensors_hash
from dumo_bench.types import Start, digest


def encoded(start: Start) -> tuple[str, bytes]:
    """What a starting point is called by, the hash of all that it sets, and its file."""
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in start.tensors.items()}
    key = _key(io.BytesIO(save(tensors)), start.step)
    return key, save(tensors, metadata={"step": str(start.step)})


def read(path: Path) -> Start:
    """The starting point in a file, on the CPU; one that is missing, or is not what it was, is a UserError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.exists():
        raise UserError(f"{path}: no such starting point: run into the folder that `dumo-bench attack` wrote it into")
    there = copies.local(path)
    try:
        tensors = load_file(there)
        with there.open("rb") as stream:
            step = int(head(stream)["__metadata__"]["step"])
        with there.open("rb") as stream:
            whole = _key(stream, step) == path.stem
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is broken: delete it and its suite, and attack again") from error
    if not whole:
        raise UserError(f"{path} is not as it was made: delete it and its suite, and attack again")
    return Start(**tensors, step=step)


def _key(stream: IO[bytes], step: int) -> str:
    return digest([tensors_hash(stream), step])
