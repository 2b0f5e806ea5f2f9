"""A training loop that is given a time and not a number of steps: on a GPU that is lent, and on a CPU.

The rate falls by the share of the time that has gone. At marks the averaged weights are written in half precision
with the steps and losses so far, so that a run that is cut keeps what it has; beside them lies a checkpoint from
which the next run goes on, with its whole state if that is there, else from the averaged weights alone.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dumo_bench.emoji.loop import Loss, M, blend
from dumo_bench.storage import files


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run is: its name, seconds of training in all, rates, decay of the averaged weights, seconds a mark."""

    name: str
    seconds: float
    lr: float
    warmup: int = 300
    decay: float = 0.01
    ema: float = 0.999
    seed: int = 0
    mark: float = 30.0
    most: int = 10**9  # steps

    def rate(self, step: int, share: float) -> float:
        """Linear warm-up by steps, half a cosine to a hundredth by the share of the time."""
        warm = min(1.0, (step + 1) / self.warmup)
        return self.lr * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))


@dataclass
class State:
    """A run under way; log holds (step, seconds, running loss)."""

    module: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    log: list[tuple[int, float, float]] = field(default_factory=list)


def arguments(about: str | None, seconds: float, batch: int) -> argparse.ArgumentParser:
    """What every training on packed drawings is asked for; `seconds`, `batch`: the defaults."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--drawings", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=seconds, help="wall clock, from the start of the program")
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser


def autocast(device: str) -> Any:
    """bfloat16 on a GPU, nothing on a CPU."""
    return torch.autocast("cuda", torch.bfloat16) if device.startswith("cuda") else nullcontext()


def ready(device: str) -> None:
    """The settings that make small networks fast on a GPU."""
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = device.startswith("cuda")
    torch.backends.cudnn.allow_tf32 = True


def start(budget: Budget, module: nn.Module, folder: Path, device: str) -> State:
    """A new run, or what an earlier one left in `folder`."""
    module = module.to(device)
    average = copy.deepcopy(module).requires_grad_(False)
    free = [p for p in module.parameters() if p.requires_grad]
    fused = device.startswith("cuda")
    optimiser = torch.optim.AdamW(free, lr=budget.lr, weight_decay=budget.decay, betas=(0.9, 0.99), fused=fused)
    state = State(module, average, optimiser)
    if (folder / f"{budget.name}.ckpt").exists():
        _restore(state, folder / f"{budget.name}.ckpt", device)
    elif (folder / f"{budget.name}.safetensors").exists():
        _restart(state, folder / f"{budget.name}.safetensors")
    return state


def train(
    budget: Budget,
    module: M,
    loss: Loss[M],
    folder: Path,
    device: str = "cpu",
    clock: Callable[[], float] = time.monotonic,
) -> State:
    """Minimise `loss` until the time is over. Step i draws from a generator seeded by (seed, i) alone."""
    state = start(budget, module, folder, device)
    g = torch.Generator(device)
    before, began, marked = state.seconds, clock(), state.seconds
    running: Tensor | None = None
    while state.seconds < budget.seconds and state.step < budget.most:
        value = _step(budget, state, loss, g.manual_seed(budget.seed * 1_000_003 + state.step))
        running = value if running is None else running.lerp(value, 0.02)
        state.step += 1
        state.seconds = before + clock() - began
        if state.seconds - marked >= budget.mark:
            marked = state.seconds
            save(budget, state, folder, float(running))
    if running is not None:
        save(budget, state, folder, float(running))
    return state


def _step(budget: Budget, state: State, loss: Loss[Any], g: torch.Generator) -> Tensor:
    free = state.optimiser.param_groups[0]["params"]
    for group in state.optimiser.param_groups:
        group["lr"] = budget.rate(state.step, state.seconds / budget.seconds)
    value = loss(state.module, g)
    state.optimiser.zero_grad(set_to_none=True)
    value.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(free, 1.0)
    state.optimiser.step()
    blend(state.average, state.module, min(budget.ema, (state.step + 1) / (state.step + 10)))
    return value.detach().float()


def save(budget: Budget, state: State, folder: Path, running: float) -> None:
    """The averaged weights in half precision with step, seconds and losses, and the checkpoint."""
    from safetensors.torch import save as packed

    state.log.append((state.step, round(state.seconds, 1), round(running, 4)))
    print(f"{budget.name} step {state.step} loss {running:.4f} {state.seconds:.0f} s", flush=True)
    facts = {"step": str(state.step), "seconds": f"{state.seconds:.1f}", "log": json.dumps(state.log)}
    weights = packed(halved(state.average), {"format": "pt", **facts})
    files.write_bytes(folder / f"{budget.name}.safetensors", weights)
    kept = {"step": state.step, "seconds": state.seconds, "log": state.log}
    nets = {"module": state.module.state_dict(), "average": state.average.state_dict()}
    whole = {**kept, **nets, "optimiser": state.optimiser.state_dict()}
    files.write(folder / f"{budget.name}.ckpt", lambda stream: torch.save(whole, stream))


def halved(net: nn.Module) -> dict[str, Tensor]:
    """Its tensors on the CPU, those of single precision in half."""
    every = net.state_dict().items()
    return {k: (v.half() if v.dtype == torch.float32 else v).cpu().contiguous() for k, v in every}


def _restore(state: State, path: Path, device: str) -> None:
    kept = torch.load(path, weights_only=True, map_location=device)
    state.module.load_state_dict(kept["module"])
    state.average.load_state_dict(kept["average"])
    state.optimiser.load_state_dict(kept["optimiser"])
    state.step, state.seconds = int(kept["step"]), float(kept["seconds"])
    state.log = [tuple(row) for row in kept["log"]]


def kept(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The averaged weights that a mark left, and its step, seconds and losses."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118


def _restart(state: State, path: Path) -> None:
    """From averaged weights alone: the steps count on, the optimiser and the time begin anew."""
    tensors, facts = kept(path)
    state.module.load_state_dict(tensors)
    state.average.load_state_dict(tensors)
    state.step = int(facts["step"])
    state.log = [tuple(row) for row in json.loads(facts["log"])]
