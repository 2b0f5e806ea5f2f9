"""Ridge algebra on the cross-attention keys and values.

All K and V matrices take the same text embeddings and have no bias, so the minimiser of

    e sum_i |W c_i - W0 c*_i|^2 + p sum_j |W r_j - W0 r_j|^2 + ridge |W - W0|_F^2

is W = W0 M with one and the same M, whatever the layer: one small system instead of one a layer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dumo_bench.sd import key_value_names


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


def times(unet: nn.Module, m: Tensor) -> dict[str, Tensor]:
    """Every key and value matrix multiplied by M from the right, named as in an edit, in the model's dtype."""
    own = dict(unet.named_parameters())
    return {f"unet.{n}": (own[n].double() @ m).to(own[n].dtype) for n in key_value_names(unet)}
