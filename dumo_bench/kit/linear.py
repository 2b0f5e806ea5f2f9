"""Ridge algebra on the matrices that read a text: a U-Net's cross-attention keys and values, for one.

All K and V matrices take the same text embeddings and have no bias, so the minimiser of

    e sum_i |W c_i - W0 c*_i|^2 + p sum_j |W r_j - W0 r_j|^2 + ridge |W - W0|_F^2

is W = W0 M with one and the same M, whatever the layer: one small system instead of one a layer. What is then asked of
all layers together needs W0 only by A = sum_l W0_l^T W0_l, so that too is solved in the text width. Other kinds of
models have several such systems, one for the matrices that read the same (`hosts.parts.Reads`); a bias stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from dumo_bench.hosts import plans
from dumo_bench.hosts.parts import Reads
from dumo_bench.hosts.sd import Host, key_value_names


@dataclass(frozen=True, slots=True)
class Plan:
    """ridge: weight of |W - W0|^2 where rows are all those from the last subject token on.

    least: weight of a preserved string's rows, however many strings there are. Of UCE's published code, for SD 1.x.
    """

    bounds: ClassVar[Mapping[str, str]] = {"ridge": "(0, inf)", "least": "[0, inf)"}

    ridge: float = 0.5
    least: float = 0.1


def plan(host: Host, method: str, concepts: int) -> Plan:
    """The published numbers, or the host's own: of [linear], and of the method's own table on top."""
    both = plans.plan(host.plans, "linear", Plan(), concepts)
    return plans.plan(host.plans, method, both, concepts)


def gram(a: Tensor, b: Tensor) -> Tensor:
    """sum_i a_i b_i^T of rows a, b (n, d); (d, d) in float64."""
    return a.double().T @ b.double()


def factor(old: Tensor, new: Tensor, keep: Tensor, *, erase: float, preserve: float, ridge: float) -> Tensor:
    """M (d, d), float64. old, new (n, d): rows to move and where to; keep (m, d): rows that must stay."""
    if ridge <= 0:
        raise ValueError(f"ridge must be above 0, got {ridge}: without it the system may be singular")
    stay = ridge * torch.eye(old.shape[1], dtype=torch.float64, device=old.device) + preserve * gram(keep, keep)
    wanted = stay + erase * gram(new, old)
    have = stay + erase * gram(old, old)
    m: Tensor = torch.linalg.solve(have, wanted, left=False)
    return m


def weights(unet: nn.Module, by: Reads | None = None) -> dict[str, Tensor]:
    """Every matrix (h, d) that reads these rows, by its name; of a U-Net, every key and value matrix."""
    own = dict(unet.named_parameters())
    return {n: own[n].detach() for n in (by.names if by else key_value_names(unet))}


def joint(unet: nn.Module, by: Reads | None = None) -> Tensor:
    """A = sum over all these matrices of W^T W: (d, d) in float64."""
    every = [gram(w, w) for w in weights(unet, by).values()]
    return torch.stack(every).sum(0)


def derived(c: Tensor, a: Tensor, m: Tensor, ridge: float, toward: Tensor | None = None, seen: float = 0.0) -> Tensor:
    """What the edited model must be given to see what the original sees in rows c (n, d): rows c' (n, d), float64.

    They minimise sum_l |W0_l M c' - W0_l c|^2 + ridge |c' - toward|^2 + seen sum_l |W0_l M (c' - c)|^2; toward None is
    zero; a is `joint` of the original.
    """
    back = m.T @ a
    own = back @ m
    wanted = back @ c.double().T
    if toward is not None:
        wanted = wanted + ridge * toward.double().T
    if seen:
        wanted = wanted + seen * own @ c.double().T
    eye = torch.eye(len(a), dtype=a.dtype, device=a.device)
    found: Tensor = torch.linalg.solve(ridge * eye + (1 + seen) * own, wanted)
    return found.T


def times(unet: nn.Module, m: Tensor, strength: float = 1.0, by: Reads | None = None) -> dict[str, Tensor]:
    """Every matrix that reads these rows times M, or that far on the way there, named as in an edit, in its own dtype.

    Only the change is multiplied out, so float32 is exact enough for float32 weights: what it rounds is a small part.
    """
    step = strength * (m - torch.eye(len(m), dtype=m.dtype, device=m.device))
    network = by.network if by else "unet"
    return {f"{network}.{n}": _moved(w, step) for n, w in weights(unet, by).items()}


def _moved(w: Tensor, step: Tensor) -> Tensor:
    exact = torch.promote_types(w.dtype, torch.float32)
    return (w.to(exact) + w.to(exact) @ step.to(exact)).to(w.dtype)
