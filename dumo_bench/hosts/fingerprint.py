"""Whether a method left the model as it was: what every tensor adds up to, and what hangs on its modules.

Sums are of bits, so that any change of one number is seen, and of some of them by their places, so that numbers which
change places are. One pass over the weights: less than a second on a CPU for Stable Diffusion 1.x, less on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from dumo_bench.errors import UserError
from dumo_bench.hosts.sd import Host

Fingerprint: TypeAlias = Mapping[str, tuple[Any, ...]]
_PLACES = 4096  # numbers of a tensor that are summed by their places as well
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")


def taken(host: Host) -> Fingerprint:
    """Of the U-Net, the text encoder and the VAE."""
    found: dict[str, tuple[Any, ...]] = {}
    for part, net in (("unet", host.unet), ("text", host.text_encoder), ("vae", host.vae)):
        tensors = {f"{part}.{name}": one.detach() for name, one in (*net.named_parameters(), *net.named_buffers())}
        for (name, one), sums in zip(tensors.items(), _numbers([*tensors.values()]), strict=True):
            found[name] = (one.dtype, tuple(one.shape), *sums)
        found |= {f"{part}.{name} (module)": _module(one) for name, one in net.named_modules()}
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
            f"method {method}: its {what} left the model changed ({len(changed)} of its tensors or modules, such as "
            f"{changed[0]}), so later pictures would be of another model: nothing was written. Wanted: a {what} that "
            "works on copies, or puts back what it changes"
        )


def _numbers(tensors: list[Tensor]) -> list[list[int]]:
    """Two sums a tensor; they leave the device together."""
    if not tensors:
        return []
    sums: list[list[int]] = torch.stack([_sums(one) for one in tensors]).tolist()
    return sums


def _sums(tensor: Tensor) -> Tensor:
    bits = tensor.contiguous().flatten().view(torch.uint8)
    words = bits.view(torch.int64) if bits.numel() % 8 == 0 and tensor.storage_offset() == 0 else bits.to(torch.int64)
    some = words[:: max(1, words.numel() // _PLACES)]
    places = torch.arange(1, some.numel() + 1, device=some.device)
    return torch.stack([words.sum(), (some * places).sum()])


def _module(one: nn.Module) -> tuple[Any, ...]:
    hooks = (len(getattr(one, name)) for name in _HOOKS)
    return type(one).__qualname__, one.training, *hooks, "forward" in vars(one), type(getattr(one, "processor", None))
