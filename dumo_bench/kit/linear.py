"""Ridge algebra on the cross-attention keys and values.

All K and V matrices take the same text embeddings and have no bias, so the minimiser of

    e sum_i |W c_i - W0 c*_i|^2 + p sum_j |W r_j - W0 r_j|^2 + ridge |W - W0|_F^2

is W = W0 M with one and the same M, whatever the layer: one small system instead of one a layer. What is then asked of
all layers together needs W0 only by A = sum_l W0_l^T W0_l, so that too is solved in the text width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dumo_bench.hosts.sd import Host, key_value_names

#: text width -> weight of |W - W0|^2 where rows are all those from the last subject token on. 768 is UCE's paper's; a
#: text space of 128 has far fewer spare directions for as many rows, so 0.5 would also erase everything else.
RIDGE: Mapping[int, float] = {768: 0.5, 128: 10.0}


def ridge_of(host: Host) -> float:
    """The ridge of the host's text width; the paper's where the width is not in the table."""
    return RIDGE.get(host.unet.config.cross_attention_dim, RIDGE[768])


#: text width -> least weight of a preserved string's rows, however many there are: the papers' 0.1; at 0.1 the 131 of
#: emoji-sd hold on to the ghost as well (UCE left 0.31 of its pictures; at 0.05 0.17, with as much kept), and below
#: 0.05 what looks like three erased objects goes with them (of those 0.82 stayed at 0.03, 0.94 at 0.05; 120 pictures)
LEAST: Mapping[int, float] = {768: 0.1, 128: 0.05}


def least_of(host: Host) -> float:
    """The least weight of a preserved string in the host's text width; the papers' where it is not in the table."""
    return LEAST.get(host.unet.config.cross_attention_dim, LEAST[768])


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


def weights(unet: nn.Module) -> dict[str, Tensor]:
    """Every key and value matrix (h, d) by its name."""
    own = dict(unet.named_parameters())
    return {n: own[n].detach() for n in key_value_names(unet)}


def joint(unet: nn.Module) -> Tensor:
    """A = sum over all key and value matrices of W^T W: (d, d) in float64."""
    every = [gram(w, w) for w in weights(unet).values()]
    return torch.stack(every).sum(0)


def derived(c: Tensor, a: Tensor, m: Tensor, ridge: float, toward: Tensor | None = None) -> Tensor:
    """Rows c' (n, d) that minimise sum_l |W0_l M c' - W0_l c|^2 + ridge |c' - toward|^2, float64; toward None is zero.

    What the edited model must be given to see what the original sees in c (n, d); a is `joint` of the original.
    """
    back = m.T @ a
    eye = torch.eye(len(a), dtype=a.dtype, device=a.device)
    wanted = back @ c.double().T
    if toward is not None:
        wanted = wanted + ridge * toward.double().T
    found: Tensor = torch.linalg.solve(ridge * eye + back @ m, wanted)
    return found.T


def times(unet: nn.Module, m: Tensor, strength: float = 1.0) -> dict[str, Tensor]:
    """Every key and value matrix times M, or that far on the way there, named as in an edit, in the model's dtype.

    Only the change is multiplied out, so float32 is exact enough for float32 weights: what it rounds is a small part.
    """
    step = strength * (m - torch.eye(len(m), dtype=m.dtype, device=m.device))
    return {f"unet.{n}": _moved(w, step) for n, w in weights(unet).items()}


def _moved(w: Tensor, step: Tensor) -> Tensor:
    exact = torch.promote_types(w.dtype, torch.float32)
    return (w.to(exact) + w.to(exact) @ step.to(exact)).to(w.dtype)
