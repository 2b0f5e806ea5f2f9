"""How fast pictures are scored: all per-image scorers in one pass against a pass each, and NudeNet against its library.

    python benchmarks/scoring.py [FOLDER] [--n 64] [--size 512] [--processor]

Pictures are those of FOLDER, or crops of a photograph that matplotlib ships, saved as PNG of one size. They are of
two methods, half each, of one suite's own prompts, as every run has the unedited model's beside an eraser's. A pass
reads the files anew; models are loaded before the clock starts, and every way of measuring runs once before it is
timed, then `--rounds` times in turn; the median counts. NudeNet's boxes are first held to the library's, picture by
picture. CLIP is one of ViT-B/32's size, as the published suites are scored with, and LPIPS takes part where its weights
are there; random weights, which are as fast, stand in for those of both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from dumo_bench.run.score import score
from dumo_bench.scorers import memory, pictures
from dumo_bench.scorers.clip_accuracy import ClipAccuracy
from dumo_bench.scorers.clip_score import ClipScore
from dumo_bench.scorers.concept import Concept
from dumo_bench.scorers.lpips import Lpips
from dumo_bench.scorers.nudenet import NudeNet
from dumo_bench.scorers.presets import LIBRARY, select
from dumo_bench.scorers.style_classifier import StyleClassifier
from dumo_bench.suites import registry
from dumo_bench.types import Case, Draw, Job, Prompt, Recipe, Sample, Sampling

ABOUT = {"suite": "speed", "suite_version": 1, "erases": "object", "edit": "", "sampling": ""}
METHODS = ("original", "edited")


def source(folder: Path | None, n: int) -> list[Image.Image]:
    """The pictures of a folder, or n crops of a photograph."""
    if folder:
        found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg"))
        return [Image.fromarray(pictures.read(path)) for path in found][:n]
    import matplotlib

    photo = Image.open(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg").convert("RGB")
    rng = np.random.default_rng(0)
    corners = [
        (int(x), int(y), int(s)) for x, y, s in zip(*rng.integers((0, 0, 200), (200, 200, 400), (n, 3)).T, strict=True)
    ]
    return [photo.crop((x, y, x + s, y + s)) for x, y, s in corners]


def prepared(images: Sequence[Image.Image], folder: Path, size: int, prompts: Sequence[Prompt]) -> list[Sample]:
    """Samples of two methods around PNG files of one size; the original of each is another picture."""
    paths = [folder / f"{i:04}.png" for i in range(len(images))]
    for image, path in zip(images, paths, strict=True):
        image.resize((size, size)).save(path)
    half = -(-len(paths) // 2)
    return [
        _sample(METHODS[i // half], i % half, prompts[i % half % len(prompts)], path, paths[i - 1])
        for i, path in enumerate(paths)
    ]


def _sample(method: str, i: int, prompt: Prompt, path: Path, other: Path) -> Sample:
    contract, recipe = Sampling("none", "ddim", 1, 1.0, 64, 64), Recipe(method, "1", {}, ("noto",), 0, "")
    case = Case("noto", ("noto",))
    return Sample(Job(recipe, prompt.text, Draw(i), contract), prompt, Draw(i), case, "target", path, other)


def timed(ways: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float]) -> dict[str, float]:
    """The median seconds of each way, after one that does not count; they take turns."""
    for way in ways.values():
        way()
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = clock()
            way()
            taken[name].append(clock() - began)
    return {name: statistics.median(each) for name, each in taken.items()}


def forget() -> None:
    """As a new process would begin: no picture is decoded, no feature is known."""
    pictures._decoded.cache_clear()
    memory._MADE.clear()
    memory._READ_TEXTS.clear()


def passes(samples: Sequence[Sample], scorers: Sequence[Any], folder: Path) -> dict[str, Callable[[], object]]:
    """All scorers over each chunk of pictures, without the last one and with it; and the pictures anew for each."""

    def run(some: Sequence[Any]) -> None:
        forget()
        with TemporaryDirectory(dir=folder) as tables:
            for method in METHODS:
                score([s for s in samples if s.job.recipe.method == method], some, Path(tables), ABOUT)

    def reading() -> None:
        forget()
        pictures.read_all([sample.image for sample in samples])

    together = {"one pass": lambda: run(scorers[:-1]), "with the last": lambda: run(scorers)}
    return {**together, "reading": reading, **{one.name: partial(run, [one]) for one in scorers}}


def compared(samples: Sequence[Sample]) -> int:
    """How many boxes the library and we find alike in all pictures; another box ends the program."""
    from nudenet import NudeDetector

    library, n = NudeDetector(), 0
    for sample, found in zip(samples, NudeNet().detect(samples), strict=True):
        ours = [(b.label, b.score, [int(v) for v in (b.x, b.y, b.w, b.h)]) for b in select(found, LIBRARY)]  # type: ignore[arg-type]
        theirs = [(d["class"], d["score"], d["box"]) for d in library.detect(str(sample.image))]
        same = len(ours) == len(theirs) and all(
            a[0] == b[0] and abs(a[1] - b[1]) < 1e-4 and max(abs(x - y) for x, y in zip(a[2], b[2], strict=True)) <= 1
            for a, b in zip(ours, theirs, strict=True)
        )
        if not same:
            sys.exit(f"{sample.image}: {ours} is not the library's {theirs}")
        n += len(ours)
    return n


def detecting(samples: Sequence[Sample]) -> dict[str, Callable[[], object]]:
    """Our detector over all pictures, and the library's over each."""
    from nudenet import NudeDetector

    library, ours = NudeDetector(), NudeNet()

    def batched() -> None:
        forget()
        ours.detect(samples)

    return {
        "batched": batched,
        "the library, picture by picture": lambda: [library.detect(str(s.image)) for s in samples],
    }


def lpips(folder: Path) -> Lpips:
    """With its own weights, or with random ones."""
    if Lpips().missing_weights() is None:
        return Lpips()
    import torch
    from torchvision.models import AlexNet

    state = {f"features.{name}": value for name, value in AlexNet().features.state_dict().items()}
    torch.save(state, folder / "alexnet.pth")
    return Lpips(folder / "alexnet.pth")


def clip(folder: Path) -> Path:
    """A CLIP of ViT-B/32's size with random weights; the tokenizer is emoji-sd's."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

    from dumo_bench.emoji import WEIGHTS

    words = CLIPTokenizer.from_pretrained(WEIGHTS, subfolder="tokenizer")
    ends = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id}
    for part in (CLIPModel(CLIPConfig(text_config=ends)), words, CLIPImageProcessor()):
        part.save_pretrained(folder)
    return folder


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("folder", type=Path, nargs="?")
    asked.add_argument("--n", type=int, default=64)
    asked.add_argument("--size", type=int, default=512)
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument(
        "--processor", action="store_true", help="count processor seconds: for a machine that is not idle"
    )
    request = asked.parse_args()
    clock = time.process_time if request.processor else time.perf_counter
    suite = registry.load("emoji-artist")
    with TemporaryDirectory() as name:
        folder = Path(name)
        samples = prepared(source(request.folder, request.n), folder, request.size, suite.prompts)
        vit = clip(folder / "vit-b-32")
        accuracy, style = (
            ClipAccuracy(model=vit).for_suite(suite),
            StyleClassifier(model=f"clip:{vit}").for_suite(suite),
        )
        some = [Concept(), ClipScore(model=vit), accuracy, style, NudeNet()]
        load = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}"
        counted = "processor seconds" if request.processor else "seconds by the clock"
        print(f"{len(samples)} pictures of {request.size} x {request.size}, {load}, {counted}")
        print(f"NudeNet: {compared(samples)} boxes are the library's")
        taken = timed(passes(samples, [*some, lpips(folder)], folder), request.rounds, clock)
        one, more, _, *each = taken.values()
        print(", ".join(f"{name} {s:.2f} s" for name, s in taken.items()))
        print(f"a pass each over one pass: {sum(each[:-1]) / one:.2f} times, with LPIPS {sum(each) / more:.2f} times")
        ours, library = timed(detecting(samples), request.rounds, clock).values()
        print(f"NudeNet in batches {ours:.2f} s, its library {library:.2f} s: {library / ours:.2f} times")


if __name__ == "__main__":
    main()
