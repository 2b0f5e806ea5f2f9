"""Tables of schema version 1, as the committed results have them, are read as version 2 and say the same."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from dumo_bench.analysis import catalogue, summary
from dumo_bench.run import manifest
from dumo_bench.storage import table, version1
from dumo_bench.storage.columns import SCHEMA_VERSION

OUT = Path(__file__).parents[1] / "results/emoji-sd"
KEY = [
    "suite", "case", "method", "params", "fit_seed", "role", "concept", "scorer", "metric",
]  # fmt: skip
SAME = ["value", "n", "n_missing", "how", "note", "expected", "partial"]


def of_case(rows: pd.DataFrame, case: str) -> pd.DataFrame:
    return rows[(rows["case"] == case) & rows["method"].isin(["original", "uce"])]


@pytest.fixture(scope="module", params=["ghost", "noto"])
def both(request) -> pd.DataFrame:
    """The committed summary of a case beside the one that is made anew of its scores and sets."""
    scores, sets = (of_case(table.read(OUT / "tables", name), request.param) for name in ("scores", "sets"))
    known = catalogue.of_frames(OUT / "tables", scores, sets)
    anew = summary.make(scores, sets, known, manifest.suites(OUT).values())
    kept = of_case(summary.read(OUT), request.param)
    return kept.merge(anew, on=KEY, how="outer", suffixes=("", "_anew"), indicator=True)


def test_the_committed_results_are_of_version_1():
    versions = {pq.read_schema(path).metadata[b"dumo_bench_schema"].decode() for path in OUT.glob("tables/*/*.parquet")}
    assert versions == {version1.VERSION} and version1.VERSION != SCHEMA_VERSION


def test_a_summary_made_of_them_anew_has_the_same_rows(both):
    assert len(both) > 500
    assert set(both["_merge"]) == {"both"}


@pytest.mark.parametrize("column", SAME)
def test_a_summary_made_of_them_anew_has_the_same_numbers_to_the_bit(both, column):
    old, new = both[column], both[f"{column}_anew"]
    assert bool(((old == new).fillna(False) | (old.isna() & new.isna())).all())


@pytest.mark.parametrize("end", ["low", "high"])
def test_its_intervals_are_those_of_other_draws_at_most(both, end):
    """Resamples are drawn by a prompt's place among all prompts, and these are of two methods alone."""
    old, new = both[end], both[f"{end}_anew"]
    assert bool((old.isna() == new.isna()).all())
    assert float((old - new).abs().max()) < 0.05 * float(new.abs().max())


def test_directions_are_as_they_were_and_no_longer_open_where_the_kind_of_thing_erased_decides(both):
    old, new = both["higher_is_better"], both["higher_is_better_anew"]
    changed = both[old.isna() & new.notna()]
    assert bool(((old == new) | old.isna()).all())
    assert set(changed["role"]) == {"target"}
    assert {metric.removesuffix(".change").removesuffix("_p") for metric in changed["metric"]} == {
        "judge.object",
        "judge.style",
    }
    object_goes = changed["erases_anew"] == "object"
    of_object = changed["metric"].str.startswith("judge.object")
    assert (changed["higher_is_better_anew"] == (object_goes != of_object)).all()


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        ("the prompt names no style", "not asked"),
        ("the case erases nothing", "not asked"),
        ("the judge knows no object called 'x'", "cannot judge"),
        ("picture cannot be read: a.png: OSError", "unreadable"),
        ("unedited model: picture is missing: a.png", "no reference"),
        ("a set of fewer than 2 pictures: n=1", "too few pictures"),
        ("the scorer returned nan", "failed"),
    ],
)
def test_why_a_value_is_missing_is_read_off_its_note(note, reason):
    assert version1.reason({"value": None, "note": note}) == reason
    assert version1.reason({"value": 1.0, "note": note}) == ""


def test_what_asked_nothing_and_what_was_lost_is_counted_from_the_notes():
    make = version1._NEW["summary"]["n_unasked"], version1._NEW["sets"]["lost"]
    note = "9 missing: the prompt names no style; 1 missing: picture cannot be read: a.png"
    assert make[0]({"note": note}) == 9
    assert make[1]({"note": "n=4, against 3, x 12; 2 reference pictures could not be read"}) == 2
    assert make[1]({"note": "n=4, against 4"}) == 0


def test_of_another_scorer_a_name_says_nothing():
    assert version1.metric("contrast", "contrast.std") is None
    assert version1.metric("clip_score", "clip.a.b.x100").copy_of == "clip.a.b.cosine"
    assert version1.metric("nudenet", "nudenet.rece.rgb.FEET_EXPOSED").part_of == "nudenet.rece.rgb.total"
