"""Whether a method left the model as it was: what every tensor adds up to, what else its modules, its tokenizer and its
schedule hold, and what is set for all of torch.

Sums are of bits, so that any change of one number is seen, and of some of them by their places, so that numbers which
change places are. One pass over the weights: less than a second on a CPU for Stable Diffusion 1.x, less on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import FunctionType, MethodType, NoneType
from typing import Any, TypeAlias

import torch
from torch import Tensor

from dumo_bench.errors import UserError
from dumo_bench.hosts.sd import Host

Fingerprint: TypeAlias = Mapping[str, tuple[Any, ...]]
_PLACES = 4096  # numbers of a tensor that are summed by their places as well
_TENSORS = ("_parameters", "_buffers", "_modules")  # of a module; they are named one by one
_DEEP = 4  # how far into what modules hold
_PLAIN = (bool, int, float, str, NoneType)
_HOLD = (dict, list, tuple, Mapping)


def taken(host: Host) -> Fingerprint:
    """Of the network, the text encoders, the VAE, and what they are used with."""
    every = [tower.tokenizer for tower in host.towers]
    found: dict[str, tuple[Any, ...]] = {
        "the tokenizer": tuple((len(w), w.model_max_length, w.padding_side, w.truncation_side) for w in every),
        "the schedule": (_said(host.schedule),),
        "the world": (_said(host.world),),
        **_settings(),
    }
    for part, net in {**host.parts, "vae": host.vae}.items():
        tensors = {f"{part}.{name}": one for name, one in (*net.named_parameters(), *net.named_buffers())}
        for (name, one), sums in zip(tensors.items(), _numbers([*tensors.values()]), strict=True):
            found[name] = (one.dtype, tuple(one.shape), one.stride(), one.requires_grad, *sums)
        found |= {f"{part}.{name} (module)": (_said(one),) for name, one in net.named_modules()}
    return found


@contextmanager
def unchanged(host: Host, method: str, what: str) -> Iterator[None]:
    """Refuse what a method did inside, its `fit` for one, where the model is another afterwards."""
    before = taken(host)
    yield
    refuse(before, taken(host), method, what)


def refuse(before: Fingerprint, after: Fingerprint, method: str, what: str) -> None:
    """Name the method that left a model changed, and the first of what it changed."""
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if changed:
        raise UserError(
            f"method {method}: its {what} left the model changed ({len(changed)} of its tensors, modules or settings, "
            f"such as {changed[0]}), so later pictures would be of another model: nothing was written. Wanted: a "
            f"{what} that works on copies, or puts back what it changes"
        )


def _numbers(tensors: list[Tensor]) -> list[list[int]]:
    """Two sums a tensor; they leave the device together."""
    if not tensors:
        return []
    sums: list[list[int]] = torch.stack([_sums(one.detach()) for one in tensors]).tolist()
    return sums


def _sums(tensor: Tensor) -> Tensor:
    bits = tensor.contiguous().flatten().view(torch.uint8)
    words = bits.view(torch.int64) if bits.numel() % 8 == 0 and tensor.storage_offset() == 0 else bits.to(torch.int64)
    some = words[:: max(1, words.numel() // _PLACES)]
    return torch.stack([words.sum(), (some * _numbered(some.numel(), some.device)).sum()])


@cache
def _numbered(n: int, device: torch.device) -> Tensor:
    """1 to n, for at most twice _PLACES different n."""
    return torch.arange(1, n + 1, device=device)


def _said(value: Any, deep: int = _DEEP) -> Any:
    """A value that is equal where nothing of this one was changed: numbers and texts as they are, objects as their type
    and what they hold, functions themselves, and tensors by how often they were written to."""
    if type(value) in _PLAIN or not (isinstance(value, _HOLD) or hasattr(value, "__dict__")):
        return repr(value)
    if isinstance(value, dict | Mapping):  # that one is a dict is told ten times sooner, and nearly all are
        return {name: _said(one, deep) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_said(one, deep) for one in value)
    if isinstance(value, Tensor):
        return id(value), value._version
    if isinstance(value, FunctionType | MethodType | type):
        return value
    held = {name: one for name, one in vars(value).items() if name not in _TENSORS}
    return type(value), _said(held, deep - 1) if deep else ()


def _settings() -> Fingerprint:
    """What is set for all of torch, and moves pixels or stops later fits."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return {
        "torch's default dtype": (torch.get_default_dtype(),),
        "torch's gradients": (torch.is_grad_enabled(),),
        "torch's threads": (torch.get_num_threads(),),
        "torch's precision": (torch.get_float32_matmul_precision(), matmul.allow_tf32, cudnn.allow_tf32),
        "torch's algorithms": (
            torch.are_deterministic_algorithms_enabled(), cudnn.enabled, cudnn.benchmark, cudnn.deterministic,
        ),
    }  # fmt: skip
