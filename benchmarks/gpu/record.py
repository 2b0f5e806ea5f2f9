"""The results as JSON and as Markdown, written anew after every row: a run that is cut keeps what it has."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import sd14
import torch

from .bench import FP32, USUAL, Bench, Result, Row, Value

PLACE = re.compile(r"(?:/[\w.+~-]+){2,}/?")  # a path of the machine says nothing to others


def machine(bench: Bench) -> dict[str, Value]:
    """What the numbers depend on."""
    about: dict[str, Value] = {"card": card(bench), "driver": driver() if bench.device != "cpu" else None}
    if bench.device != "cpu":
        about["memory, GiB"] = round(torch.cuda.get_device_properties(0).total_memory / 2**30, 1)
        about["CUDA"], about["cuDNN"] = torch.version.cuda, torch.backends.cudnn.version()
    about["CPU cores"], about["Python"] = os.cpu_count(), platform.python_version()
    return about | {name: version(name) for name in ("torch", "diffusers", "transformers")}


def card(bench: Bench) -> str:
    """The GPU's name."""
    return "No card: tiny networks on the CPU" if bench.device == "cpu" else torch.cuda.get_device_name(0)


def driver() -> str | None:
    """NVIDIA's driver, where its tool is there to ask."""
    ask = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, check=True, timeout=20).stdout.split()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        return None


def one_line(error: BaseException) -> str:
    """The error's kind and first line, without paths."""
    text = next(iter(str(error).strip().splitlines()), "")
    return PLACE.sub("...", f"{type(error).__name__}: {text}")[:300]


def write(folder: Path, bench: Bench, about: Mapping[str, Value], results: Sequence[Result]) -> None:
    """gpu-<card>.json and gpu-<card>.md."""
    slug = "tiny" if bench.tiny else re.sub(r"[^a-z0-9]+", "-", card(bench).lower()).strip("-")
    whole = {"machine": dict(about), "steps": bench.steps, "stages": [stated(result) for result in results]}
    text = json.dumps(whole, indent=1) + "\n"
    for name, content in ((f"gpu-{slug}.json", text), (f"gpu-{slug}.md", page(bench, about, results))):
        partial = folder / f".{name}.partial"
        partial.write_text(content)
        partial.replace(folder / name)


def stated(result: Result) -> dict[str, object]:
    """A stage as JSON."""
    stage = result.stage
    said = {"name": stage.name, "title": stage.title, "about": stage.about, "state": result.state}
    took = {"error": result.error, "seconds": round(result.seconds, 1), "cells": result.cells}
    return {**said, **took, "rows": [dict(row) for row in result.rows]}


def page(bench: Bench, about: Mapping[str, Value], results: Sequence[Result]) -> str:
    """The Markdown page."""
    what = "These numbers mean nothing: the stages are tried." if bench.tiny else (
        "Networks of Stable Diffusion v1.4's shapes with random weights, 512 x 512, made by `benchmarks/gpu.sh`."
    )  # fmt: skip
    facts = ", ".join(f"{name} {value}" for name, value in about.items() if name != "card" and value is not None)
    head = f"# {card(bench)}\n\n{what} {bench.steps} denoising steps a picture, medians.\n\n{facts}.\n"
    return "\n".join([head, headline(results), overview(results), *(section(result) for result in results)])


def overview(results: Sequence[Result]) -> str:
    """How much of every stage was measured."""
    lines = [[r.stage.title, cells(r), f"{r.seconds:.0f}", "" if r.state == "done" else ended(r)] for r in results]
    return sd14.table(["stage", "measured", "seconds", "ended"], lines) + "\n"


def cells(result: Result) -> str:
    """Rows that hold a number, of the rows that a whole stage has."""
    n = sum("note" not in row for row in result.rows)
    return f"{n} cells" if result.cells is None else f"{n} of {result.cells} cells"


def section(result: Result) -> str:
    """A stage's heading, what it measured, its table, and how it ended."""
    end = "" if result.state == "done" else f"; this stage {ended(result)}"
    return f"## {result.stage.title}\n\n{result.stage.about}\n\n{table(result.rows)}\n{cells(result)}{end}.\n"


def ended(result: Result) -> str:
    said = {"running": "was not finished", "failed": "failed", "out of time": "ran out of its time"}[result.state]
    return f"{said}: {result.error}" if result.error else said


def table(rows: Sequence[Row]) -> str:
    """Columns in the order in which rows name them; those that nothing was measured for are left out."""
    every = dict.fromkeys(name for row in rows for name in row)
    names = [name for name in every if any(row.get(name) is not None for row in rows)]
    return sd14.table(names, [[shown(row.get(name)) for name in names] for row in rows]) if names else ""


def headline(results: Sequence[Result]) -> str:
    """The best of our loop against the usual script, at its own precision and at any."""
    rows = [row for result in results if result.stage.name == "ours" for row in result.rows]
    lines = []
    for base in (FP32, USUAL):
        name = f"times usual, {base.name}"
        measured = [row for row in rows if isinstance(row.get(name), float)]
        alike = [row for row in measured if row["precision"] == base.name]
        told = [best(some, name) for some in (alike, measured) if some]
        lines += [f"- Against the usual script ({base.name}): " + "; ".join(told) + "."] if told else []
    return "\n".join(lines) + "\n" if lines else ""


def best(rows: Sequence[Row], name: str) -> str:
    """The row with the largest value, in words."""
    row = max(rows, key=lambda row: float(row[name] or 0))
    return f"{shown(row[name])} times at most by {row['way']}, {row['precision']}, batch {row['batch']}"


def shown(value: Value) -> str:
    """Three digits of what is measured, all of what is counted."""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return "" if value is None else str(value)
