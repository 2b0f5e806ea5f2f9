"""What a run is asked for, what a stage is, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch

Value: TypeAlias = str | int | float | None
Row: TypeAlias = Mapping[str, Value]  # column -> value; None was not measured
Found: TypeAlias = Mapping[str, Sequence[Row]]  # rows of the stages before, by their name


@dataclass(frozen=True, slots=True)
class Bench:
    """The sizes of a run. Tiny: networks of the tests on the CPU, to try the stages before a GPU is paid for."""

    tiny: bool
    device: str
    steps: int = 10  # of denoising, a cell

    @property
    def size(self) -> int:
        """Pixels along one side."""
        return 64 if self.tiny else 512

    @property
    def batches(self) -> tuple[int, ...]:
        """In the order of their value."""
        return (2, 1) if self.tiny else (8, 16, 32, 1)

    @property
    def repeats(self) -> int:
        return 1 if self.tiny else 3

    def several(self, small: int, large: int) -> int:
        """The first of a tiny run, else the second."""
        return small if self.tiny else large


@dataclass(frozen=True, slots=True)
class Stage:
    """Rows that are measured one after another; before the first it says how many cells it has, an int.

    share: of the time, against the other stages' shares; about the seconds that it needs on a large card. least: the
    seconds under which it gives nothing, so that it is not begun and the others have them.
    """

    name: str
    title: str
    about: str
    share: float
    rows: Callable[[Bench, Found], Iterator[Row | int]]
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """What a stage gave; `state` is running, done, failed or out of time, and `error` one line.

    cells: how many rows a whole stage has; None where it did not come to say.
    """

    stage: Stage
    rows: tuple[Row, ...] = ()
    cells: int | None = None
    state: str = "running"
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Precision:
    """The type of the weights, and whether convolutions and matrix products of float32 may round to tf32."""

    name: str
    dtype: torch.dtype = torch.float32
    convolutions: bool = False
    products: bool = False


FP32 = Precision("fp32")
USUAL = Precision("torch's defaults", convolutions=True)  # float32 weights; convolutions round to tf32
TF32 = Precision("tf32", convolutions=True, products=True)
BF16 = Precision("bf16", torch.bfloat16)
FP16 = Precision("fp16", torch.float16)
FASTER = (TF32, BF16, FP16)
