"""The columns of every table, declared as data, and the page of docs made from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from dumo_bench.types import SETS, Reason, Role

SCHEMA_VERSION = "2"
MOST = 1e100
KEY = "key"  # the column whose texts are as many as pictures


class Column(NamedTuple):
    """One column; `type` is "text", "integer", "number" or "yes/no"; `null` says whether it may be missing.

    `late`: files of this schema version that were written before it was added have null in it. `among`: what a text
    may be.
    """

    name: str
    type: Literal["text", "integer", "number", "yes/no"]
    says: str
    null: bool = False
    late: bool = False
    among: tuple[str, ...] = ()


_RUN = (
    Column("suite", "text", "name of the suite"),
    Column("suite_version", "integer", "version of the suite"),
    Column("case", "text", "which erasure of the suite"),
    Column("method", "text", "name of the method"),
    Column("method_version", "text", "version of the method"),
    Column("params", "text", "the method's hyperparameters, canonical JSON"),
)
_ERASES = Column("erases", "text", "what kind of thing the case erases: object, style, explicit; empty: not known")
_EDIT = (
    Column("erase", "text", "the erased concepts, canonical JSON list"),
    Column("fit_seed", "integer", "seed of the fit"),
    Column(
        "edit",
        "text",
        "sha256 of the edit's recipe and tensors (early ones: of its file); empty for the unedited model",
    ),
    Column("model", "text", "content hash of the model"),
    Column("sampling", "text", "key of the sampling contract"),
)
_BATCH = Column(
    "batch", "integer", "how many pictures were sampled at once; null: several, or not known", null=True, late=True
)
_SCORER = (
    Column("scorer", "text", "name of the scorer"),
    Column("scorer_version", "text", "version of the scorer; behind + what it was given (name@value)"),
    Column("metric", "text", "the metric; its name states its convention"),
)
_PICTURE = Column(KEY, "text", "key of the picture's job, which is its file name")
_NOTE = Column("note", "text", "why a value is missing, in words, or what to know about it")
_REASON = Column("reason", "text", f"why a value is missing: {', '.join(get_args(Reason))}; empty: it is measured")
_ESTIMATE = (
    Column("n", "integer", "how many were measured"),
    Column("n_missing", "integer", "how many could not be measured; never counted as 0"),
    Column("value", "number", "the mean, or the set's number; null: not measured", null=True),
    Column(
        "low", "number", "lower end of the 95 % interval; null: none is known (none of a whole set has one)", null=True
    ),
    Column("high", "number", "upper end of the 95 % interval; null: as for low", null=True),
    Column("how", "text", "how value and interval were made"),
)

_CONTENT = Column(
    "content",
    "text",
    "hash of the suite's prompts, cases, neighbours and sampling; null: not known",
    null=True,
    late=True,
)
_EXPECTED = "how many pictures the suite has for a method here; null: the suite could not be read"
_HELD_OUT = "share recognised of pictures from a source that its training never saw; null: not measured"
_PARTIAL = "whether it is of fewer than expected, or some could not be measured; null: not known"

COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "scores": (
        *_RUN,
        _ERASES,
        *_EDIT,
        Column("prompt_id", "text", "id of the prompt within its suite"),
        Column("concept", "text", "concept the prompt is counted under"),
        Column("role", "text", "target, related, unrelated or attack, for this case", among=get_args(Role)),
        Column("seed", "integer", "seed of the draw's generator"),
        Column("draw", "integer", "index of the draw within its generator"),
        _PICTURE,
        *_SCORER,
        Column("value", "number", "the score; null: not measured, and the note says why", null=True),
        _REASON,
        _NOTE,
        _CONTENT,
        _BATCH,
    ),
    "sets": (
        *_RUN,
        _ERASES,
        *_EDIT,
        Column("role", "text", "which prompts form the set", among=tuple(SETS)),
        *_SCORER,
        *_ESTIMATE,
        Column("lost", "integer", "reference pictures that could not be read: the number is measured again"),
        _REASON,
        _NOTE,
        Column("pictures", "text", "hash of the keys of the set's pictures; null: not known", null=True, late=True),
        _CONTENT,
        _BATCH,
    ),
    "metrics": (
        *_SCORER,
        Column("unit", "text", "in words"),
        Column("better", "text", "on prompts that are to be kept, and on sets: higher, lower, neither"),
        Column("on_targets", "text", "on prompts whose concept is to go; empty: by what it measures"),
        Column("kind", "text", "rate (0 or 1 a picture), count, mean, or set: which interval and which test hold"),
        Column("measures", "text", "asked, erased, present, fit, distance, or empty: which numbers are made of it"),
        Column("sees", "text", "of what is asked: object, style, or empty for either"),
        Column("partner", "text", "of what is asked: the metric that measures the erased concept"),
        Column("copy_of", "text", "the metric that this is in another unit"),
        Column("part_of", "text", "the metric that this is a part of"),
        Column("held_out", "number", _HELD_OUT, null=True, late=True),
        Column("title", "text", "what tables call it; empty: its name"),
        Column("digits", "integer", "behind the point in tables"),
        Column("convention", "text", "what else it was made with, canonical JSON"),
        Column("source", "text", "paper or page of the scorer"),
    ),
    "detections": (
        _PICTURE,
        Column("detector", "text", "name of the detector"),
        Column("version", "text", "version of the detector"),
        Column("weights", "text", "file, sha256 and package version of the detector's network"),
        Column("order", "text", "channel order that the network sees, and its padding where it is another"),
        Column("floor", "number", "score below which nothing was kept"),
        Column("label", "text", "class of the box"),
        Column("score", "number", "confidence, 0 to 1"),
        *(Column(name, "number", f"{says} of the box in pixels") for name, says in
          (("x", "left edge"), ("y", "top edge"), ("w", "width"), ("h", "height"))),
    ),
    "summary": (
        *_RUN,
        _ERASES,
        *(column for column in _EDIT if column.name in ("fit_seed", "model", "sampling")),
        Column("role", "text", "target, related, unrelated, attack, kept (= related and unrelated), or all",
               among=(*SETS, "all")),
        Column("concept", "text", 'one concept of the role, or "*" for all of them'),
        *_SCORER,
        Column("change", "yes/no", "whether it is the metric minus the unedited model's, prompt by prompt"),
        *_ESTIMATE,
        Column("n_unasked", "integer", "how many of the missing asked nothing of the scorer"),
        Column("higher_is_better", "yes/no", "direction for this role; null: neither", null=True),
        _NOTE,
        Column("expected", "integer", _EXPECTED, null=True, late=True),
        Column("partial", "yes/no", _PARTIAL, null=True, late=True),
        _CONTENT,
    ),
}  # fmt: skip


def measurable(value: float) -> bool:
    """Whether a table holds it: a number, and not so large that means and variances overflow."""
    return abs(value) <= MOST  # NaN is not


def names(table: str) -> list[str]:
    """The column names of a table."""
    return [column.name for column in COLUMNS[table]]


def schema_page() -> str:
    """The page of docs that describes every column, in Markdown."""
    lines = [
        "# Tables",
        "",
        "Everything that is measured lies in parquet files under `results/`. A null number means *not measured*; it is",
        "never 0, and its note says why. Reading a folder of parts is reading the table. Schema version"
        f" {SCHEMA_VERSION}, in each file's metadata.",
        "",
        "| table | place | one row |",
        "|---|---|---|",
        *(f"| {name} | `{place}` | {row} |" for name, place, row in _PLACES),
    ]
    lines += ["", *_WITHOUT_INTERVAL]
    for name, columns in COLUMNS.items():
        lines += ["", f"## {name}", "", "| column | type | null | meaning |", "|---|---|---|---|"]
        lines += [f"| {c.name} | {c.type} | {'yes' if c.null else ''} | {c.says} |" for c in columns]
    return "\n".join(lines) + "\n"


_WITHOUT_INTERVAL = (
    "Numbers of whole sets have no interval. A bootstrap draws pictures twice, and these numbers move when it does:",
    "the FID of a resample lies above that of its set, for it has fewer different pictures, and FID falls as n grows;",
    "KID and `diversity` are means over pairs, and a picture and its copy are a pair at distance 0 that the set has",
    "not. An interval from such resamples need not hold its own number. What KID's note gives, mean and standard",
    "deviation over subsets of half the smaller set drawn without replacement, is the spread of sets half as large.",
    "`real_distance` is a mean over pictures and could have an interval, but its rows keep no picture's distance: they",
    "would all have to be scored again, under another version.",
)
_PLACES = (
    ("scores", "results/tables/scores/*.parquet", "a picture and a metric"),
    ("sets", "results/tables/sets/*.parquet", "a set of pictures and a metric"),
    ("metrics", "results/tables/metrics/*.parquet", "a metric of a scorer's version, as the scorer declared it"),
    ("detections", "results/tables/detections/*.parquet", "a box that a detector found"),
    ("summary", "results/summary.parquet", "a set of pictures, a concept and a metric, with its interval"),
)
