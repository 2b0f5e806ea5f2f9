"""Low-rank adapters beside linear and convolution layers: W + up down, Hu et al., arXiv 2106.09685.

    sets = [lora.fresh(unet, lora.inside_transformers(unet), 1, g)]
    with lora.attached(unet, sets):    # every layer says W x + sum over the sets of up(down(x))
        ...

As an edit their tensors are named `lora.<i>.<layer>.down.weight` and `.up.weight`, i being the set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from dumo_bench.errors import UserError
from dumo_bench.hosts.sd import Host, stock_guide
from dumo_bench.kit.gate import Gate, Route
from dumo_bench.types import Conditions, Denoiser, Edit, Guide


class Pair(nn.Module):
    """up(down(x)) of one layer's input; `up` begins at zero, so a new one adds nothing.

    Of a convolution, `down` is one with its kernel, stride and padding, `up` a 1x1 convolution.
    """

    def __init__(self, layer: Any, rank: int) -> None:
        super().__init__()
        if isinstance(layer, nn.Conv2d):
            how: Any = {"stride": layer.stride, "padding": layer.padding, "bias": False}
            size: Any = layer.kernel_size
            self.down: nn.Module = skip_init(nn.Conv2d, layer.in_channels, rank, size, **how)  # type: ignore[no-untyped-call]
            self.up: nn.Module = skip_init(nn.Conv2d, rank, layer.out_channels, 1, bias=False)  # type: ignore[no-untyped-call]
        else:
            self.down = skip_init(nn.Linear, layer.in_features, rank, bias=False)  # type: ignore[no-untyped-call]
            self.up = skip_init(nn.Linear, rank, layer.out_features, bias=False)  # type: ignore[no-untyped-call]
        nn.init.zeros_(self.weights[1])

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.up(self.down(x))
        return out

    @property
    def weights(self) -> tuple[Tensor, Tensor]:
        """down (r, in) or (r, in, k, k), up (out, r) or (out, r, 1, 1)."""
        return self.down.weight, self.up.weight  # type: ignore[return-value]

    @property
    def delta(self) -> Tensor:
        """What it adds to the layer's weight, in its shape."""
        down, up = self.weights
        return (up.flatten(1) @ down.flatten(1)).view(len(up), *down.shape[1:])


Set: TypeAlias = Mapping[str, Pair]  # of layers by their name in the U-Net


def inside_transformers(unet: nn.Module) -> list[str]:
    """Linear and convolution layers inside the transformers; 192 on SD 1.x."""
    outer = [n for n, m in unet.named_modules() if type(m).__name__ == "Transformer2DModel"]
    kinds = (nn.Linear, nn.Conv2d)
    return [f"{n}.{k}" for n in outer for k, m in unet.get_submodule(n).named_modules() if isinstance(m, kinds)]


def cross_attentions(unet: nn.Module, ends: Sequence[str]) -> list[str]:
    """The cross-attentions' layers of these names, such as "to_k"; each 16 on SD 1.x."""
    return [n for n, _ in unet.named_modules() if n.endswith(tuple(f".attn2.{end}" for end in ends))]


def fresh(unet: nn.Module, layers: Sequence[str], rank: int, g: torch.Generator) -> dict[str, Pair]:
    """A pair for each of the layers; `down` is drawn as torch draws linear layers, but from g."""
    made = {name: Pair(unet.get_submodule(name), rank) for name in layers}
    like = next(unet.parameters())
    for pair in made.values():
        nn.init.kaiming_uniform_(pair.weights[0], a=5**0.5, generator=g)
        pair.to(like.device, like.dtype)
    return made


def parameters(pairs: Set) -> list[nn.Parameter]:
    return [p for pair in pairs.values() for p in pair.parameters()]


def state(pairs: Set) -> dict[str, Tensor]:
    """Tensors named `<layer>.down.weight` and `<layer>.up.weight`."""
    return {f"{name}.{k}": t.detach() for name, pair in pairs.items() for k, t in pair.state_dict().items()}


def tensors(sets: Sequence[Set]) -> dict[str, Tensor]:
    """The sets as an edit's tensors."""
    return {f"lora.{i}.{k}": t for i, pairs in enumerate(sets) for k, t in state(pairs).items()}


def side_by_side(edits: Sequence[Edit]) -> dict[str, Tensor]:
    """The tensors of edits of one set each as one edit's of several."""
    return {f"lora.{i}.{k.split('.', 2)[2]}": t for i, e in enumerate(edits) for k, t in e.tensors.items()}


def joined(earlier: Edit, new: Edit) -> Edit:
    """The sets of two edits as one edit's, those of the new one behind; all else is the earlier's."""
    n, behind = earlier.header["sets"], {}
    for name, tensor in new.tensors.items():
        kind, i, rest = name.split(".", 2)
        behind[f"{kind}.{int(i) + n}.{rest}"] = tensor
    groups = [*earlier.header["groups"], *new.header["groups"]]
    header = {**earlier.header, "groups": groups, "sets": n + new.header["sets"]}
    return Edit({**earlier.tensors, **behind}, header)


def overlap(own: Set, earlier: Sequence[Set], weight: float = 1.0) -> Tensor:
    """The weighted mean of |A_i A^T| over layers and earlier sets i, A the rows of `down`: 0 if orthogonal."""
    each = [
        (pair.weights[0].flatten(1) @ one[name].weights[0].flatten(1).T).abs().mean()
        for one in earlier
        for name, pair in own.items()
        if name in one
    ]
    return weight * torch.stack(each).mean() if each else torch.zeros(())


def sets(unet: nn.Module, edit: Edit) -> list[dict[str, Pair]]:
    """The pairs of an edit; strict: a layer that the model lacks or of another shape is a UserError."""
    starts = [f"lora.{i}." for i in range(edit.header["sets"])]
    own = [{k.removeprefix(s): t for k, t in edit.tensors.items() if k.startswith(s)} for s in starts]
    if odd := [k for k in edit.tensors if not k.startswith(tuple(starts))]:
        raise UserError(f"the edit has {odd[0]!r} beside its {len(starts)} sets of low-rank adapters")
    return [loaded(unet, one) for one in own]


def loaded(unet: nn.Module, held: Mapping[str, Tensor]) -> dict[str, Pair]:
    """Pairs of tensors named as by `state`."""
    layers = dict(unet.named_modules())
    made: dict[str, Pair] = {}
    for name in dict.fromkeys(key.rpartition(".")[0].rpartition(".")[0] for key in held):
        own = {k: held.get(f"{name}.{k}") for k in ("down.weight", "up.weight")}
        down, layer = own["down.weight"], layers.get(name)
        if not isinstance(layer, nn.Linear | nn.Conv2d):
            raise UserError(f"the edit has an adapter of {name!r}, which this model has no linear layer for")
        made[name] = Pair(layer, 0 if down is None else len(down))
        shapes = {k: t.shape for k, t in made[name].state_dict().items()}
        if {k: None if t is None else t.shape for k, t in own.items()} != shapes:
            raise UserError(f"the adapter of {name} is not whole or does not fit: this model has {layer}")
        made[name].requires_grad_(False).to(layer.weight.device, layer.weight.dtype)
        made[name].load_state_dict(own)  # a copy: where tensors lie in memory moves the last bits of products
    return made


@contextmanager
def attached(
    unet: nn.Module, sets: Sequence[Set], scales: Sequence[Tensor | float] = (), *, squared: bool = False
) -> Iterator[None]:
    """Every layer says what it did plus sum_i s_i up_i down_i x over the sets, until the `with` is left.

    scales: one a set, a number or (batch,); () is 1. squared: (sum_i s_i up_i) (sum_i s_i down_i) x in its place, as
    of tensors that are scaled and then summed; all sets are of one rank then.
    """
    by = list(scales) or [1.0] * len(sets)

    def scaled(x: Tensor, s: Tensor | float) -> Tensor:
        return x * (s.view(-1, *[1] * (x.dim() - 1)).to(x.dtype) if isinstance(s, Tensor) else s)

    def hook(name: str) -> Any:
        pairs = [(one[name], s) for one, s in zip(sets, by, strict=True) if name in one]

        def add(module: nn.Module, args: Any, out: Tensor) -> Tensor:
            inner = [scaled(pair.down(args[0]), s) for pair, s in pairs]
            if squared:
                total = torch.stack(inner).sum(0)
                inner = [scaled(total, s) for _, s in pairs]
            return out + torch.stack([pair.up(h) for (pair, _), h in zip(pairs, inner, strict=True)]).sum(0)

        return add

    layers = dict.fromkeys(name for one in sets for name in one)
    handles = [unet.get_submodule(name).register_forward_hook(hook(name)) for name in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def gated(host: Host, edit: Edit, strength: float = 1.0) -> Guide:
    """Sample with the sets of an edit, each as far open as its gate says of the prompt, in both halves of the guidance.

    The header's `groups` are the words of each set's gate; `gate` is the paper's, the code's (see `squared`), "route",
    which shares a prompt out among the sets, or "off".
    """
    kind, opened, groups = edit.header["gate"], sets(host.unet, edit), edit.header["groups"]
    gates = [Gate(host, words) for words in groups] if kind in ("paper", "code") else []
    route = Route(host, groups) if kind == "route" else None

    def guide(given: Conditions) -> Denoiser:
        found = route(given) if route else [gate(given) for gate in gates]
        found = found or [torch.ones_like(given.guidance)] * len(opened)
        gamma = [strength * torch.cat([m, m]) for m in found]
        plain = stock_guide(host, given)

        def denoise(z: Tensor, t: Tensor) -> Tensor:
            with attached(host.unet, opened, gamma, squared=kind == "code"):
                return plain(z, t)

        return denoise

    return guide
