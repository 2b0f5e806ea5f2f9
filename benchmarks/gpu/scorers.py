"""Pictures a second of the two scorers that cost most."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import scoring
import torch

from . import clock, networks
from .bench import FP16, FP32, TF32, Bench, Found, Precision, Row
from .ours import ClipScore, NudeNet


def rates(bench: Bench, found: Found) -> Iterator[Row | int]:
    """NudeNet and CLIP over PNG files of 512 pixels, read anew; and CLIP's picture network alone."""
    del found
    n, alike = bench.several(4, 64), (FP32, TF32, FP16)
    yield 2 + len(alike)
    with TemporaryDirectory() as folder:
        place = Path(folder)
        some = scoring.prepared(scoring.source(None, n), place, 512)
        yield {"scorer": "NudeNet", "runs on": onnx(), "pictures/s": n / anew(lambda: NudeNet().detect(some))}
        vit = networks.clip(bench, place / "clip")
        clip = ClipScore(model=vit, device=bench.device)
        yield {"scorer": "CLIP score", "runs on": bench.device, "pictures/s": n / anew(lambda: clip.score(some))}
        yield from (alone(bench, vit, precision) for precision in alike)


def anew(way: Callable[[], Any]) -> float:
    """Median seconds of two passes over files that no cache holds, after one that loads the model."""

    def once() -> None:
        scoring.forget()
        way()

    once()
    return clock.median(once, 2)[0]


def onnx() -> str:
    """What onnxruntime could use here; the scorer asks for the CPU."""
    import onnxruntime

    there = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
    return f"CPU (onnxruntime here has {', '.join(there)})"


@torch.no_grad()
def alone(bench: Bench, folder: Path, precision: Precision) -> Row:
    """The network that reads pictures, on inputs that are on the device already."""
    from transformers import CLIPModel

    model = CLIPModel.from_pretrained(folder, dtype=precision.dtype).eval().to(bench.device)
    batch, side = bench.several(2, 64), model.config.vision_config.image_size
    x = torch.randn(batch, 3, side, side, device=bench.device).to(precision.dtype)
    with clock.rounding(precision):
        way = partial(model.get_image_features, pixel_values=x)
        took = clock.turns({"pictures": way}, bench.repeats)["pictures"]
    name = f"CLIP's picture network alone, {precision.name}, batch {batch}"
    return {"scorer": name, "runs on": bench.device, "pictures/s": batch / took}
