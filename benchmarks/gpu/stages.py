"""The stages in the order of their value."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from . import methods, pixels, sampling, scorers
from .bench import Bench, Found, Row, Stage
from .record import PLACE

ROOT = Path(__file__).parents[2]
COLLECTED = re.compile(r"collected (?:.* / )?(\d+) (?:items?|selected)$")
OUTCOME = re.compile(r"tests/\S+?::(.+?) (PASSED|FAILED|SKIPPED|ERROR)\b")


def tests(bench: Bench, found: Found) -> Iterator[Row | int]:
    """The tests that need CUDA, each as it ends; without it they are skipped."""
    del bench, found
    asked = ["-o", "addopts=", "-v", "-m", "gpu", "-p", "no:cacheprovider", "tests/test_gpu.py"]
    pytest = [sys.executable, "-m", "pytest", *asked]
    with subprocess.Popen(pytest, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as ran:
        try:
            for line in ran.stdout or ():
                print("   |", line, end="", flush=True)
                if count := COLLECTED.search(line.strip()):
                    yield int(count[1])
                if ended := OUTCOME.match(line):
                    yield {"test": PLACE.sub("...", ended[1]), "outcome": ended[2].lower()}
        except BaseException:
            ran.kill()
            raise
    if ran.returncode not in (0, 5):
        raise RuntimeError(f"pytest ended with {ran.returncode}")


STAGES = (
    Stage(
        "ceiling", "Ceiling",
        "Square matrix products of normal random numbers: ten in a row, the median of three times.",
        3, sampling.ceiling,
    ),
    Stage(
        "usual", "The usual script",
        "One prompt at a time through diffusers' StableDiffusionPipeline, DDIM, guidance 7.5, to PIL pictures. fp32 is "
        "float32 throughout; torch's defaults let convolutions round to tf32, and are what a script gets unasked.",
        12, sampling.usual,
    ),
    Stage(
        "ours", "Our loop",
        "The loop that `generate` runs, from texts to pixels in the computer's memory, warm. TFLOP/s are the "
        "operations of the U-Net and the decoder that these pictures need, and their share of the precision's ceiling.",
        100, sampling.ours,
    ),
    Stage(
        "cost", "What sampling costs with an edit",
        "Denoising without the decoder, one concept; DuMo and Receler as multiples of the original, in turns.",
        35, methods.sampling,
    ),
    Stage("closed", "Closed forms", "Whole fits, float32, their texts read anew, warm.", 6, methods.closed),
    Stage(
        "training", "Training",
        "With torch's defaults. GiB: the most allocated during the fit, the VAE left out, beside what "
        "benchmarks/training_memory.py computes. A step is its losses and Adam; ESD's and Receler's own loops sample "
        "a row first, 24.5 guided steps on average. Receler: 50 inner iterations a step. DuMo: 8 rows a step.",
        40, methods.training,
    ),
    Stage(
        "pixels", "What precision and batch change in pixels",
        f"Grey levels, 0 to 255, over {pixels.SHOWN} pictures; DDIM, guidance 7.5; emoji-sd in 20 steps, the large "
        "model in ten. Random weights stand for no model's sensitivity; emoji-sd is trained.",
        40, pixels.differences,
    ),
    Stage(
        "metrics", "What precision changes in metrics",
        "emoji-sd, unedited, the same rows of the suite emoji-cartoon in every precision.",
        22, pixels.metrics,
    ),
    Stage(
        "scorers", "Scorers",
        "PNG files of 512 pixels, crops of a photograph, read anew in every pass; CLIP of ViT-L/14's size with random "
        "weights in float32.",
        25, scorers.rates,
    ),
    Stage("tests", "Tests that need a GPU", "`pytest -m gpu`.", 65, tests, 45),
    Stage(
        "compiled", "torch.compile",
        "The U-Net alone is compiled, inductor's default mode; the first call holds the compilation.",
        90, sampling.compiled, 100,
    ),
)  # fmt: skip
