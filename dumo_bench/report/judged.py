"""What a scorer says of each picture: is the erased concept still there, is the rest of it kept; and by how much."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.report.variants import VARIANT
from dumo_bench.types import Measures, Metric

if TYPE_CHECKING:
    import polars as pl

PICTURE = ("prompt_id", "seed", "draw")
#: code -> what it says
CODES = {
    "S": "erased, still shown",
    "G": "erased, gone",
    "L": "kept, lost",
    "K": "kept, still there",
    "N": "not in the unedited picture either",
    "D": "unedited, drawn",
    "M": "unedited, not drawn",
    "-": "not measured",
}
_THREATENED = ("target", "attack")


@dataclass(frozen=True, slots=True)
class Judge:
    """The metrics of a scorer that give a verdict, each a rate and its probability, where there is one. gone: of the
    erased concept, on targets and attacks; related, unrelated: of what such prompts ask for."""

    scorer: str
    gone: tuple[str, str] = ("", "")
    related: tuple[str, str] = ("", "")
    unrelated: tuple[str, str] = ("", "")


def judges(scores: pl.DataFrame, metrics: Catalogue, kind: str) -> list[Judge]:
    """The scorers of a case that recognise something, those that say most first. kind: of thing that it erases."""
    found: dict[str, list[Metric]] = {}
    for scorer, metric in sorted(scores.select("scorer", "metric").unique().iter_rows()):
        found.setdefault(str(scorer), []).append(metrics.named(str(metric)).metric)
    near = "style" if kind == "style" else "object"
    every = [
        Judge(
            scorer,
            _rate(mine, ("erased", "present"), ""),
            _rate(mine, ("asked",), near),
            _rate(mine, ("asked",), "object"),
        )
        for scorer, mine in found.items()
    ]
    told = [one for one in every if one.gone[0] or one.related[0] or one.unrelated[0]]
    return sorted(told, key=lambda one: (not one.gone[0], not one.unrelated[0]))


def _rate(among: Iterable[Metric], measures: tuple[Measures, ...], sees: str) -> tuple[str, str]:
    """The first rate of such a kind, and the mean beside it that measures the same: a probability."""
    mine = [
        one for one in among if one.measures in measures and (not sees or one.sees in ("", sees)) and not one.part_of
    ]
    rate = next((one.name for one in mine if one.kind == "rate"), "")
    return rate, next((one.name for one in mine if rate and one.kind == "mean" and not one.copy_of), "")


def of(judge: Judge, tiles: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    """A row a picture of `tiles`, in their order: `code` of CODES, `worst` (0 to 100, None: not known) and what was
    `seen`. scores: the rows of the case."""
    import polars as pl

    told = [(role, *getattr(judge, name)) for role, name in _ROLES.items()]
    wanted = pl.DataFrame(told, schema=["role", "rate", "p"], orient="row")
    names = {name for _, *pair in told for name in pair if name}
    mine = scores.filter(pl.col("metric").cast(pl.String).is_in(names))
    mine = mine.with_columns(pl.col(pl.Categorical).cast(pl.String))
    placed = tiles.join(wanted, on="role", how="left", maintain_order="left")
    for column in ("rate", "p"):
        values = {f"{column}_value": "value", f"{column}_note": "note", column: "metric"}
        placed = _joined(placed, mine.select(*_AT, **values), [*_AT, column])
    of = [*PICTURE, "role", "model", "sampling"]
    before = placed.filter(pl.col("method") == REFERENCE).select(*of, before="rate_value")
    whole = _joined(placed, before, of)
    return whole.select(_code().alias("code"), _worst().alias("worst"), seen=pl.col("rate_note").fill_null(""))


_AT = [*VARIANT, *PICTURE]


def _joined(rows: pl.DataFrame, others: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    """The rows with the first of others beside."""
    once = others.unique(on, keep="first", maintain_order=True)
    return rows.join(once, on=on, how="left", maintain_order="left")


_ROLES = {"target": "gone", "attack": "gone", "related": "related", "unrelated": "unrelated"}


def _code() -> pl.Expr:
    import polars as pl

    there, threatened = pl.col("rate_value") >= 0.5, pl.col("role").is_in(_THREATENED)
    absent = pl.col("before") < 0.5
    return (
        pl.when(pl.col("rate_value").is_null()).then(pl.lit("-"))
        .when((pl.col("method") == REFERENCE) & there).then(pl.lit("D"))
        .when(pl.col("method") == REFERENCE).then(pl.lit("M"))
        .when(there & threatened).then(pl.lit("S"))
        .when(there).then(pl.lit("K"))
        .when(absent).then(pl.lit("N"))
        .when(threatened).then(pl.lit("G"))
        .otherwise(pl.lit("L"))
    )  # fmt: skip


def _worst() -> pl.Expr:
    """How bad a picture is, 0 to 100: how much of the erased concept is seen, or how little of what was asked for."""
    import polars as pl

    seen = pl.coalesce("p_value", "rate_value").clip(0, 1)
    bad = pl.when(pl.col("role").is_in(_THREATENED)).then(seen).otherwise(1 - seen)
    return (100 * bad).round().cast(pl.Int16)
