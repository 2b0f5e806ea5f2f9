"""Which pictures a report shows: the same prompts and seeds for every method, chosen by rule and not by eye."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.report.variants import VARIANT, variants
from dumo_bench.storage import table
from dumo_bench.types import Recipe

if TYPE_CHECKING:
    import pandas as pd

TITLES = {
    "target": "Target: prompts that name the erased concept",
    "related": "Related: prompts that name a neighbour of it",
    "unrelated": "Unrelated: prompts about something else",
    "attack": "Attacks: prompts made to bring it back",
}
PROMPTS = 8  # a role
SIDE = 256  # larger pictures are shown at this size, in pixels


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture as a data URI ("" when there is none to show), and what a classifier saw in it."""

    uri: str
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One prompt with one seed: a tile a method. `text` is the prompt's id where its text is not to be shown."""

    prompt: str
    text: str
    detail: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """The pictures of one role; `hidden`: blurred until asked for."""

    role: str
    labels: tuple[str, ...]
    lines: tuple[Line, ...]
    hidden: bool

    @property
    def title(self) -> str:
        return TITLES[self.role]


def grids(scores: pd.DataFrame, out: Path, texts: Mapping[str, str] | None, metrics: Catalogue) -> list[Grid]:
    """The grids of one case from its rows of the table `scores`. texts: prompt id -> text; None: ids only, blurred."""
    labels = variants(scores)
    seen = _seen(scores, metrics)
    found = []
    for role in TITLES:
        rows = scores[scores["role"] == role].drop_duplicates([*VARIANT, "prompt_id", "seed", "draw"])
        lines = tuple(_line(list(labels), line, (out, seen, texts or {})) for line in _chosen(rows))
        found += [Grid(role, tuple(map(str, labels.values())), lines, hidden=texts is None)] if lines else []
    return found


def _chosen(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The rows of at most PROMPTS prompts, first draw each: one a concept in turn, evenly spread over the concepts."""
    draws = rows.sort_values(["concept", "prompt_id", "draw", "seed"])
    first = draws.drop_duplicates("prompt_id").copy()
    first["turn"] = first.groupby("concept").cumcount()
    first = first.sort_values(["turn", "concept", "prompt_id"])
    if (first["turn"] == 0).sum() > PROMPTS:
        first = first[first["turn"] == 0]
        first = first.iloc[[i * len(first) // PROMPTS for i in range(PROMPTS)]]
    for one in table.records(first.head(PROMPTS)):
        yield draws[(draws[["prompt_id", "seed", "draw"]] == [one["prompt_id"], one["seed"], one["draw"]]).all(axis=1)]


def _line(
    keys: list[tuple[Any, ...]], rows: pd.DataFrame, known: tuple[Path, Mapping[str, str], Mapping[str, str]]
) -> Line:
    out, seen, texts = known
    first, *_ = records = table.records(rows)
    by_key = {tuple(row[name] for name in VARIANT): row["key"] for row in records}
    tiles = tuple(
        Tile(data_uri(own(out, by_key[key])), seen.get(by_key[key], "")) if key in by_key else Tile("") for key in keys
    )
    prompt, draw = first["prompt_id"], f", draw {first['draw']}" if first["draw"] else ""
    return Line(prompt, texts.get(prompt, prompt), f"{first['concept']}, seed {first['seed']}{draw}", tiles)


def _seen(scores: pd.DataFrame, metrics: Catalogue) -> dict[str, str]:
    """Key of a picture -> what a recogniser saw, which is the note of its measured scores; of several the first's."""
    names = [name for name in scores["metric"].unique() if metrics.named(name).metric.measures in ("asked", "erased")]
    rows = scores[scores["metric"].isin(names) & scores["value"].notna() & (scores["note"] != "")]
    first = rows[rows["scorer"] == rows["scorer"].iloc[0]] if len(rows) else rows
    return dict(zip(first["key"], first["note"].str.replace("/", ", "), strict=True))


def image(out: Path, key: str) -> Path:
    """Where a picture lies in a results folder."""
    return out / "images" / key[:2] / f"{key}.png"


def own(out: Path, key: str) -> Path | None:
    """A picture of the folder; None for a key that is none, and for a link out of the folder's pictures."""
    path = image(out, key)
    key_like = re.fullmatch(r"[0-9a-f]{64}", key) and path.is_file()
    return path if key_like and path.resolve().is_relative_to((out / "images").resolve()) else None


def data_uri(path: Path | None) -> str:
    """A picture as a data URI: as it is, or made smaller; nothing when there is none or it cannot be read."""
    from PIL import Image

    if path is None:
        return ""
    try:
        with Image.open(path) as picture:
            picture.load()
            if max(picture.size) <= SIDE and picture.format == "PNG":
                return _uri("image/png", path.read_bytes())
            small, stream = picture.convert("RGB"), io.BytesIO()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # all that Pillow says of a broken PNG
        return ""
    small.thumbnail((SIDE, SIDE))
    small.save(stream, "WEBP", quality=85)
    return _uri("image/webp", stream.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def recipes(scores: pd.DataFrame) -> dict[str, Recipe]:
    """Label -> recipe of every edit among these rows."""
    found = {}
    for key, label in variants(scores).items():
        row = table.records(scores[(scores[list(VARIANT)] == list(key)).all(axis=1)].head(1))[0]
        if row["edit"]:
            what = json.loads(row["params"]), tuple(json.loads(row["erase"]))
            found[str(label)] = Recipe(row["method"], row["method_version"], *what, row["fit_seed"], row["model"])
    return found
