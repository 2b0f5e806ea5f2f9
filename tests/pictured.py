"""A results folder with pictures of three methods whose verdicts are known, for tests of the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import frames
from PIL import Image
from test_report import BASE

from dumo_bench.analysis import summary
from dumo_bench.report import gallery
from dumo_bench.types import Case, Draw, Prompt, Sampling, Suite

METHODS = ("original", "dumo", "uce")
CONCEPTS = {"ghost": "target", "alien": "related", "dog": "unrelated"}
N = 12  # prompts a concept


def suite(text: str = "a {concept} {n}", *, explicit: bool = False) -> Suite:
    """Twelve prompts of each concept; `text` is what they say."""
    prompts = [
        Prompt(f"{concept}-{n:02d}", text.format(concept=concept, n=n), concept, (Draw(n),), shows={"object": concept})
        for concept in CONCEPTS
        for n in range(N)
    ]
    return Suite(
        "emoji-cartoon", 1, "here", "MIT", (Case("ghost", ("ghost",)),), tuple(prompts),
        Sampling("m", "ddim", 20, 7.5, 64, 64), {"ghost": ("alien",)}, explicit=explicit,
    )  # fmt: skip


def there(method: str, concept: str, n: int) -> float:
    """How sure the judge is that a picture shows its concept. The unedited model draws all but dog 3. dumo leaves ghost
    0 and loses alien 1; uce leaves ghosts 0 to 5, the later the surer, and loses no other."""
    if (concept, n) == ("dog", 3):
        return 0.1
    if method == "dumo":
        return {("ghost", 0): 0.9, ("alien", 1): 0.2}.get((concept, n), 0.05 if concept == "ghost" else 0.95)
    if method == "uce" and concept == "ghost":
        return 0.6 + 0.05 * n if n < 6 else 0.1
    return 0.97


def key(method: str, concept: str, n: int) -> str:
    return f"{METHODS.index(method)}{concept}-{n:02d}".encode().hex().ljust(64, "0")


def results(out: Path, side: int = 64) -> Path:
    """The folder; the picture dog 0 of uce is lost."""
    rows: list[dict[str, Any]] = []
    for method in METHODS:
        for concept, role in CONCEPTS.items():
            for n in range(N):
                rows += _rows(method, concept, role, n)
                if (method, concept, n) != ("uce", "dog", 0):
                    path = gallery.image(out, key(method, concept, n))
                    path.parent.mkdir(parents=True, exist_ok=True)
                    colour = (80 * METHODS.index(method), 80 * list(CONCEPTS).index(concept), 20 * n)
                    Image.new("RGB", (side, side), colour).save(path)
    frames.write(out / "tables", "scores", "a", rows)
    summary.write(out)
    return out


def _rows(method: str, concept: str, role: str, n: int) -> list[dict[str, Any]]:
    p = there(method, concept, n)
    run = {name: BASE[name] for name in ("suite", "suite_version", "case", "method_version", "fit_seed", "model")}
    run |= {"method": method, "sampling": "s0", "params": "{}", "role": role, "concept": concept, "draw": 0, "seed": n}
    run |= {"key": key(method, concept, n), "prompt_id": f"{concept}-{n:02d}", "scorer": "concept"}
    run |= {"erase": "[]" if method == "original" else '["ghost"]', "edit": "" if method == "original" else method}
    seen, erased = f"{concept if p >= 0.5 else 'a blob'}/noto", p if concept == "ghost" else 0.01
    values = {"judge.object": float(p >= 0.5), "judge.object_p": p, "judge.erased": float(erased >= 0.5)}
    values["judge.erased_p"] = erased
    return [run | {"metric": metric, "value": value, "note": seen} for metric, value in values.items()]
