"""Tables of schema version 1, read as version 2: what stood in names and notes then is in columns now.

This is the one place where a metric's name or the wording of a note is taken apart. It knows the scorers of that time;
of any other a table of version 1 says no more than the name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from dumo_bench.types import Metric, Reason

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = "1"
_CHANGE = ".change"
#: how notes of that time begin -> the reason
_REASONS: tuple[tuple[str, Reason], ...] = (
    ("the prompt names no ", "not asked"),
    ("the case erases no", "not asked"),
    ("the judge knows no", "cannot judge"),
    ("a choice needs two", "cannot judge"),
    ("picture is missing", "unreadable"),
    ("picture cannot be read", "unreadable"),
    ("unedited model: ", "no reference"),
    ("sizes differ: ", "no reference"),
    ("no real pictures", "no reference"),
    ("no features of real pictures", "no reference"),
    ("a set of fewer than 2 pictures", "too few pictures"),
)
_OF = " missing: "  # between how many are missing and why, in the notes of a summary
_LOST = " reference pictures could not be read"  # behind their number, in the note of a set


def upgraded(name: str, found: pa.Table) -> pa.Table:
    """A table of version 1 with the columns that version 2 has more of it."""
    import pyarrow as pa

    rows = found.select([column for column in ("metric", "value", "note") if column in found.column_names]).to_pylist()
    for column, make in _NEW.get(name, {}).items():
        found = found.append_column(column, pa.array([make(row) for row in rows]))
    return found


def reason(row: Mapping[str, Any]) -> str:
    """Why a value is missing, by how its note begins; "" where it is not."""
    if row["value"] is not None:
        return ""
    return next((why for start, why in _REASONS if row["note"].startswith(start)), "failed")


def _lost(row: Mapping[str, Any]) -> int:
    before, there, _ = row["note"].partition(_LOST)
    count = before.rpartition(" ")[2]
    return int(count) if there and count.isdecimal() else 0


def _unasked(row: Mapping[str, Any]) -> int:
    """How many of a summary's missing values are said to have asked nothing."""
    parts = [part.partition(_OF) for part in row["note"].split("; ")]
    asked_nothing = (count for count, of, why in parts if of and reason({"value": None, "note": why}) == "not asked")
    return sum(int(count) for count in asked_nothing if count.isdecimal())


_NEW: Mapping[str, Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {
    "scores": {"erases": lambda row: "", "reason": reason},
    "sets": {"erases": lambda row: "", "reason": reason, "lost": _lost},
    "summary": {
        "erases": lambda row: "",
        "scorer_version": lambda row: "",
        "change": lambda row: row["metric"].endswith(_CHANGE),
        "n_unasked": _unasked,
    },
}


def metric(scorer: str, name: str) -> Metric | None:
    """A metric of that time as its scorer would have declared it; None of a scorer that is not this project's."""
    for of, pattern, about in _METRICS:
        if scorer in of and fnmatchcase(name, pattern):
            return Metric(name, **{key: _filled(value, name) for key, value in about.items()})
    return None


def _filled(value: Any, name: str) -> Any:
    """{stem} in a text is the metric's name without its last word, {inside} what is between its first and its last,
    {last} that word in small letters."""
    if isinstance(value, dict):
        return {key: _filled(inner, name) for key, inner in value.items()}
    _, *inside, last = name.split(".") if "." in name else ("", name, "")
    if not isinstance(value, str):
        return value
    words = {"stem": name.removesuffix(f".{last}"), "inside": ".".join(inside), "last": last.replace("_", " ").lower()}
    return value.format(**words)


_CLIP = {"convention": {"clip": "{inside}"}}
_AGAINST = {where: {"convention": {"features": "{inside}", "against": where}} for where in ("original", "real")}
_RATE = {"unit": "0 or 1", "kind": "rate"}
_P = {"unit": "probability"}
_ASKED = {"better": "higher", "measures": "asked"}
_GONE = {"better": "lower", "measures": "erased"}
_FIT = {**_CLIP, "better": "higher", "measures": "fit", "digits": 3}
_COUNT = {"unit": "classes a picture", "better": "lower", "kind": "count"}
_SET = {"better": "lower", "kind": "set", "digits": 3}
_FIDS = ("fid", "fid_clean", "fid_torchmetrics")
_KIDS = ("kid", "kid_clean")
_CLASS = {**_COUNT, "part_of": "{stem}.total", "title": "{last}"}
_RGB = {"convention": {"order": "RGB"}}
_BGR = {"convention": {"order": "BGR"}}
#: scorers, a metric of theirs, what it is
_METRICS: tuple[tuple[tuple[str, ...], str, dict[str, Any]], ...] = (
    (("concept",), "judge.object", {**_RATE, **_ASKED, "sees": "object", "partner": "judge.erased"}),
    (("concept",), "judge.style", {**_RATE, **_ASKED, "sees": "style", "partner": "judge.erased"}),
    (("concept",), "judge.object_p", {**_P, **_ASKED, "sees": "object"}),
    (("concept",), "judge.style_p", {**_P, **_ASKED, "sees": "style"}),
    (("concept",), "judge.erased", {**_RATE, **_GONE}),
    (("concept",), "judge.erased_p", {**_P, **_GONE}),
    (("concept",), "judge.nothing", {**_RATE, "better": "lower"}),
    (("blank",), "blank", {**_RATE, "better": "lower"}),
    (("clip_accuracy",), "*.accuracy", {**_RATE, **_ASKED, **_CLIP, "partner": "{stem}.erased"}),
    (("clip_accuracy",), "*.accuracy_p", {**_P, **_ASKED, **_CLIP}),
    (("clip_accuracy",), "*.erased", {**_RATE, **_GONE, **_CLIP}),
    (("style_classifier",), "*.erased", {**_RATE, **_GONE}),
    (("clip_score",), "*.cosine", {**_FIT, "unit": "cosine, -1 to 1"}),
    (("clip_score",), "*", {**_FIT, "unit": "scaled cosine", "copy_of": "{stem}.cosine"}),
    (("style_classifier",), "*.right", {**_RATE, **_ASKED, "sees": "style", "partner": "{stem}.erased"}),
    (("style_classifier",), "*.right3", {**_RATE, "better": "higher", "on_targets": "neither"}),
    (("style_classifier",), "*.p", {**_P, **_ASKED, "sees": "style"}),
    (("lpips",), "*", {"unit": "distance of features", "better": "lower", "measures": "distance", "digits": 3}),
    (
        _FIDS,
        "*.original",
        {**_SET, **_AGAINST["original"], "unit": "squared distance of features", "on_targets": "neither"},
    ),
    (_FIDS, "*", {**_SET, **_AGAINST["real"], "unit": "squared distance of features"}),
    (
        _KIDS,
        "*.original",
        {**_SET, **_AGAINST["original"], "unit": "squared MMD, unbiased", "on_targets": "neither", "digits": 4},
    ),
    (_KIDS, "*", {**_SET, **_AGAINST["real"], "unit": "squared MMD, unbiased", "digits": 4}),
    (("likeness",), "diversity.*", {**_SET, "unit": "cosine distance, 0 to 2", "better": "higher"}),
    (("likeness",), "*", {**_SET, "unit": "cosine distance, 0 to 2"}),
    (("nudenet",), "*.rgb.any", {**_RATE, **_RGB, "better": "lower", "measures": "present"}),
    (("nudenet",), "*.any", {**_RATE, **_BGR, "better": "lower", "measures": "present"}),
    (("nudenet",), "*.rgb.total", {**_COUNT, **_RGB}),
    (("nudenet",), "*.total", {**_COUNT, **_BGR}),
    (("nudenet",), "*.rgb.*", {**_CLASS, **_RGB}),
    (("nudenet",), "*", {**_CLASS, **_BGR}),
)
