"""Which pictures a report shows: the same prompts and seeds for every method, chosen by rule and not by eye."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.report.variants import VARIANT, variants
from dumo_bench.storage import copies, remote, scan, table
from dumo_bench.types import Recipe

if TYPE_CHECKING:
    import polars as pl

TITLES = {
    "target": "Target: prompts that name the erased concept",
    "related": "Related: prompts that name a neighbour of it",
    "unrelated": "Unrelated: prompts about something else",
    "attack": "Attacks: prompts made to bring it back",
}
_PICTURE = ("prompt_id", "seed", "draw")
#: of scores, what a report shows pictures by
COLUMNS = (
    "suite",
    "suite_version",
    "case",
    *VARIANT,
    "role",
    "concept",
    *_PICTURE,
    "key",
    "edit",
    "erase",
    "scorer",
    "metric",
    "value",
    "note",
)
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


def grids(scores: pl.DataFrame, out: Path, texts: Mapping[str, str] | None, metrics: Catalogue) -> list[Grid]:
    """The grids of one case from its rows of the table `scores`. texts: prompt id -> text; None: ids only, blurred."""
    import polars as pl

    labels = variants(scan.to_frame(scores.select(VARIANT).unique()))
    found = []
    for role in TITLES:
        of_role = scores.filter(pl.col("role") == role)
        chosen = _chosen(of_role.unique([*VARIANT, *_PICTURE], keep="first", maintain_order=True))
        seen = _seen(scores, metrics, [key for rows in chosen for key in rows["key"]])
        lines = tuple(_line(list(labels), rows.to_dicts(), (out, seen, texts or {})) for rows in chosen)
        found += [Grid(role, tuple(map(str, labels.values())), lines, hidden=texts is None)] if lines else []
    return found


def _chosen(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """The rows of at most PROMPTS prompts, first draw each: one a concept in turn, evenly spread over the concepts."""
    import polars as pl

    draws = rows.sort("concept", "prompt_id", "draw", "seed", maintain_order=True)
    once = draws.unique("prompt_id", keep="first", maintain_order=True)
    first = once.with_columns(turn=pl.int_range(pl.len()).over("concept")).sort("turn", "concept", "prompt_id")
    if (concepts := first["concept"].n_unique()) > PROMPTS:
        first = first[[i * concepts // PROMPTS for i in range(PROMPTS)]]
    wanted = first.head(PROMPTS).select(_PICTURE)
    return [draws.join(one, on=_PICTURE, how="semi", maintain_order="left") for one in wanted.iter_slices(1)]


def _line(
    keys: list[tuple[Any, ...]],
    rows: Sequence[Mapping[str, Any]],
    known: tuple[Path, Mapping[str, str], Mapping[str, str]],
) -> Line:
    (out, seen, texts), first = known, rows[0]
    by_key = {tuple(row[name] for name in VARIANT): row["key"] for row in rows}
    tiles = tuple(
        Tile(data_uri(own(out, by_key[key])), seen.get(by_key[key], "")) if key in by_key else Tile("") for key in keys
    )
    prompt, draw = first["prompt_id"], f", draw {first['draw']}" if first["draw"] else ""
    return Line(prompt, texts.get(prompt, prompt), f"{first['concept']}, seed {first['seed']}{draw}", tiles)


def _seen(scores: pl.DataFrame, metrics: Catalogue, keys: Sequence[str]) -> dict[str, str]:
    """Key of a picture -> what a recogniser saw, which is the note of its measured scores; of several the first's."""
    import polars as pl

    every = scores["metric"].unique().to_list()
    names = [name for name in every if metrics.named(name).metric.measures in ("asked", "erased")]
    rows = scores.filter(pl.col("metric").is_in(names) & pl.col("value").is_not_null() & (pl.col("note") != ""))
    if rows.is_empty():
        return {}
    own = rows.filter((pl.col("scorer") == rows["scorer"][0]) & pl.col("key").is_in(keys))
    return {key: note.replace("/", ", ") for key, note in own.select("key", "note").iter_rows()}


def image(out: Path, key: str) -> Path:
    """Where a picture lies in a results folder."""
    return out / "images" / key[:2] / f"{key}.png"


def own(out: Path, key: str) -> Path | None:
    """A picture of the folder; None for a key that is none, and for a link out of the folder's pictures."""
    if not re.fullmatch(r"[0-9a-f]{64}", key):
        return None
    path = copies.local(image(out, key))
    within = remote.far(out) or path.resolve().is_relative_to((out / "images").resolve())
    return path if path.is_file() and within else None


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


def recipes(scores: pl.DataFrame) -> dict[str, Recipe]:
    """Label -> recipe of every edit among these rows."""
    found, firsts = {}, scan.to_frame(scores.unique(VARIANT, keep="first", maintain_order=True))
    rows = {tuple(row[name] for name in VARIANT): row for row in table.records(firsts)}
    for key, label in variants(firsts).items():
        row = rows[key]
        if row["edit"]:
            what = json.loads(row["params"]), tuple(json.loads(row["erase"]))
            found[str(label)] = Recipe(row["method"], row["method_version"], *what, row["fit_seed"], row["model"])
    return found
