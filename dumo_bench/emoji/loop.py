"""The training loop of all emoji models: seeded step by step, resumable, with an average of the weights."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from dumo_bench.storage import files

M = TypeVar("M", bound=nn.Module)
Loss = Callable[[M, torch.Generator], Tensor]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training run is. `name` is the checkpoint's file name; `ema` the decay of the averaged weights."""

    name: str
    steps: int
    lr: float
    warmup: int = 100
    decay: float = 0.01
    ema: float = 0.999
    seed: int = 0

    def rate(self, step: int) -> float:
        """Linear warm-up, then half a cosine to a fiftieth."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.lr * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


def train(plan: Plan, module: M, loss: Loss[M], folder: Path, say: Callable[[str], None] = print) -> M:
    """Minimise `loss` and return the averaged module. Run again, it goes on from its last checkpoint.

    Step i draws from a generator seeded by (plan.seed, i) alone, so an interrupted run gives the same weights.
    """
    path = folder / f"{plan.name}.ckpt"
    module = module.to(memory_format=torch.channels_last)  # 1.4x on a CPU
    average = copy.deepcopy(module).requires_grad_(False)
    free = [p for p in module.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(free, lr=plan.lr, weight_decay=plan.decay, betas=(0.9, 0.99))
    start, seconds = _resume(path, module, average, optimiser)
    began = saved = time.monotonic()
    running = 0.0
    for step in range(start, plan.steps):
        g = torch.Generator().manual_seed(plan.seed * 1_000_003 + step)
        for group in optimiser.param_groups:
            group["lr"] = plan.rate(step)
        value = loss(module, g)
        optimiser.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(free, 1.0)
        optimiser.step()
        blend(average, module, min(plan.ema, (step + 1) / (step + 10)))
        now_loss = float(value.detach())
        running += 0.02 * (now_loss - running) if step > start else now_loss
        now = time.monotonic()
        last = step + 1 == plan.steps
        if last or (step + 1) % 50 == 0:
            say(f"{plan.name} {step + 1}/{plan.steps} loss {running:.4f} {seconds + now - began:.0f} s")
        if last or now - saved > 60:
            saved = now
            _save(path, step + 1, seconds + now - began, module, average, optimiser)
    return average.eval()


def seconds(folder: Path, name: str) -> float:
    """Training time of a finished or interrupted run."""
    return float(torch.load(folder / f"{name}.ckpt", weights_only=True)["seconds"])


@torch.no_grad()
def blend(average: nn.Module, module: nn.Module, decay: float) -> None:
    """Move the averaged weights towards the module's; buffers are taken as they are."""
    old, new = ([p.detach() for p in net.parameters()] for net in (average, module))
    torch._foreach_lerp_(old, new, 1 - decay)
    for kept, seen in zip(average.buffers(), module.buffers(), strict=True):
        kept.copy_(seen)


def _save(
    path: Path, step: int, spent: float, module: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer
) -> None:
    parts = {"module": module.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict()}
    files.write(path, lambda stream: torch.save({"step": step, "seconds": spent, **parts}, stream))


def _resume(path: Path, module: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[int, float]:
    if not path.exists():
        return 0, 0.0
    kept = torch.load(path, weights_only=True)
    module.load_state_dict(kept["module"])
    average.load_state_dict(kept["average"])
    optimiser.load_state_dict(kept["optimiser"])
    return int(kept["step"]), float(kept["seconds"])
