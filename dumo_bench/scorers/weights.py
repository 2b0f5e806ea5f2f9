"""Where the weights of scorers lie, their hashes, and what to type when they are not there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dumo_bench.emoji import WEIGHTS
from dumo_bench.errors import UserError
from dumo_bench.storage import files, hub

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
CLIP, JUDGE, REAL = WEIGHTS / "clip", WEIGHTS / "judge", WEIGHTS / "real.safetensors"
CLIP2, JUDGE2 = WEIGHTS / "clip-2", WEIGHTS / "judge-2"


def folder(spec: str | Path) -> Path | None:
    """The folder that a spec names: itself, or where `hf download` has put a hub id; None where there is neither."""
    if Path(spec).is_dir():
        return Path(spec)
    if not (isinstance(spec, str) and HUB_ID.fullmatch(spec)):
        return None
    return hub.snapshot(spec)


def missing(spec: str | Path) -> str | None:
    """What is missing and how to get it, in one line; None when it is there."""
    if isinstance(spec, str) and HUB_ID.fullmatch(spec) and not Path(spec).exists():
        place = folder(spec)
        absent = f"{spec} is no folder and not in the hub's cache: type `hf download {spec}`"
        return missing(place) if place else absent
    path = Path(spec)
    if (path.suffix == ".safetensors" and path.is_file()) or (path / "config.json").is_file():
        return None
    if path.is_relative_to(WEIGHTS):
        return f"{path} is missing: type `pip install --force-reinstall dumo-bench`, whose package contains it"
    if path.suffix == ".safetensors":
        return f"{path} is missing: give a safetensors file whose tensor 'clip' (n, d) holds features of real pictures"
    return f"{path} is no model folder: config.json is missing; give a folder written by save_pretrained"


def require(path: Path) -> Path:
    """The path, or a UserError that says what to type."""
    if problem := missing(path):
        raise UserError(problem)
    return path


def load(kind: Any, folder: Path, device: str) -> Any:
    """The model of class `kind` in a folder, whole, in float32, for inference; a UserError says what is wrong."""
    hub.quiet_loading()
    with opened(require(folder), kind.__name__):
        model, info = kind.from_pretrained(folder, output_loading_info=True, **hub.CLOSED)
    if lacking := sorted(info["missing_keys"]):  # transformers would fill them with random numbers
        raise UserError(f"{folder}: its weights lack {len(lacking)} tensors of a {kind.__name__}, such as {lacking[0]}")
    return model.float().eval().to(device)


#: how a file of torch's hub says what it holds: the first digits of its sha256
NAMED = re.compile(r"-(?P<sha256>[0-9a-f]{8,})\.pth?")


def another(path: Path) -> str | None:
    """Why a file that is there is not the one that its name says, or None."""
    said = NAMED.search(path.name)
    if said is None or sha12(path).startswith(said["sha256"][:12]):
        return None
    return f"{path} is not what its name says: its sha256 begins with {sha12(path)}; remove it and"


def in_package(package: str, *inside: str) -> Path | None:
    """A file of an installed package, found without importing it; None where it is not installed."""
    spec = find_spec(package)
    return Path(spec.origin).parent.joinpath(*inside) if spec and spec.origin else None


def lacking(path: Path | None, what: str, sha256: str, get: str) -> str | None:
    """Why a file that has to have a sha256 cannot be used, with how to `get` it; None where it can."""
    if path is None or not path.is_file():
        return f"{what} is missing: {get}"
    found = files.fingerprint(path)
    return None if found == sha256 else f"{path} has sha256 {found}, wanted {sha256}: {get}"


def onnx_session(path: Path | None, problem: str | None) -> Any:
    """A network of onnxruntime, one picture at a time on one thread; a UserError of what is missing, if anything is."""
    import onnxruntime  # type: ignore[import-untyped]

    if problem:
        raise UserError(problem)
    one_thread = onnxruntime.SessionOptions()
    one_thread.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), one_thread, providers=["CPUExecutionProvider"])


@contextmanager
def opened(path: Path, what: str) -> Iterator[None]:
    """Loading that fails raises a UserError of one line, whatever a library makes of a broken file."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UserError(f"{path}: no {what} can be loaded from it: {reason}") from error


@cache
def sha12(path: Path) -> str:
    """The first 12 hex digits of the sha256 of a file, or of a folder's weight files in the order of their names."""
    own = [path] if path.is_file() else sorted([*path.glob("*.safetensors"), *path.glob("*.bin")])
    return files.sha256_of(one.read_bytes() for one in own)[:12]


def label(path: Path) -> str:
    """Name and hash of the weights in a file or folder."""
    return f"{path.name} {sha12(path)}"


def sha12_of(tensors: Mapping[str, Any]) -> str:
    """The first 12 hex digits of the sha256 of named tensors, for weights that are in no one file."""
    parts = (name.encode() + one.detach().cpu().contiguous().numpy().tobytes() for name, one in sorted(tensors.items()))
    return files.sha256_of(parts)[:12]


def device(name: str) -> str:
    """ "auto" resolved: cuda where there is one, else cpu."""
    import torch

    return name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
