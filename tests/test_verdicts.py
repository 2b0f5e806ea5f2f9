"""A run ends with a verdict a case: whether the concept is gone and the rest kept, by what the metrics declare."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dumo_bench import report
from dumo_bench.analysis import kinds
from dumo_bench.analysis.catalogue import Known
from dumo_bench.report.cells import CaseTables, Cell, Panel, Shown
from dumo_bench.report.coverage import Coverage, Covered
from dumo_bench.report.variants import Label, Told
from dumo_bench.report.verdicts import verdicts
from dumo_bench.run import manifest
from dumo_bench.types import Metric

ROOT = Path(__file__).parents[1]
ORIGINAL, MINE = ("original", "1", "{}", "m", "s"), ("mine", "1", "{}", "m", "s")
LABELS = (Label("original"), Label("mine"))
GONE = Metric("a.gone", "0 or 1", "lower", kind="rate", measures="erased")
RIGHT = Metric("a.right", "0 or 1", "higher", kind="rate", measures="asked", sees="object")
STYLED = Metric("a.styled", "0 or 1", "higher", kind="rate", measures="asked", sees="style")
FITS = Metric("b.fits", "cosine", "higher", measures="fit", digits=3)
SEEN = Metric("c.seen", "0 or 1", "lower", kind="rate", measures="present")
PLAIN = Metric("d.plain", "a number", "lower")


def cell(value: float | None, n: int = 10, **rest) -> Cell:
    return Cell(value, None if value is None else max(value - 0.1, 0), value, n, measured=True, **rest)


def column(metric: Metric, role: str, *values: float | None, erases: str = "object") -> Shown:
    way = {"higher": True, "lower": False, "neither": None}[metric.way(role, erases)]
    cells = tuple(cell(value) for value in values)
    return Shown(metric.header, metric.name, role, way, metric.digits, 10, 0, cells, known=Known("a", "1", metric))


def tables(*columns: Shown, kin=(ORIGINAL, MINE), labels=LABELS, paired=()) -> CaseTables:
    return CaseTables("s", 1, "cat", (Panel("", labels, columns),), "", Coverage(10, ()), kin=kin, paired=paired)


def test_a_verdict_is_of_what_metrics_declare_and_not_of_what_they_are_called():
    shown = (column(STYLED, "kept", 0.9, 0.8), column(FITS, "target", 0.3, 0.2), column(PLAIN, "target", 0.5, 0.4),
             column(GONE, "target", 1.0, 0.2), column(RIGHT, "kept", 0.9, 0.7))  # fmt: skip
    (one,) = verdicts(tables(*shown), "object")
    assert (one.gone.metric, one.gone.value, one.gone.original) == ("a.gone", 0.2, 1.0)
    assert (one.kept.metric, one.kept.value, one.kept.original) == ("a.right", 0.7, 0.9)
    (of_style,) = verdicts(tables(*shown), "style")
    assert of_style.kept.metric == "a.styled"


@pytest.mark.parametrize(
    ("columns", "gone", "kept"),
    [
        ([(SEEN, "target"), (FITS, "target"), (FITS, "kept")], "c.seen", "b.fits"),
        ([(FITS, "target"), (FITS, "kept"), (PLAIN, "target")], "b.fits", "b.fits"),
        ([(RIGHT, "target"), (PLAIN, "kept")], "a.right", None),
        ([(STYLED, "target"), (PLAIN, "target")], None, None),  # the style of an erased object is to stay
        ([(GONE, "attack"), (RIGHT, "related")], "a.gone", None),
        ([(GONE, "target"), (SEEN, "attack")], "c.seen", None),
    ],
)
def test_where_the_best_number_is_missing_the_next_one_tells_and_never_one_that_does_not_say_so(columns, gone, kept):
    (one,) = verdicts(tables(*(column(metric, role, 0.9, 0.1) for metric, role in columns)), "object")
    assert (one.gone and one.gone.metric, one.kept and one.kept.metric) == (gone, kept)
    lacks = {
        "no scorer measured whether the concept is gone": gone,
        "no scorer measured whether the rest is kept": kept,
    }
    assert [said in str(one) for said in lacks] == [metric is None for metric in lacks.values()] or not (gone or kept)
    assert ("is not judged" in str(one)) == (gone is None and kept is None)


def test_a_difference_is_called_significant_where_its_q_is_and_not_tested_where_there_is_none():
    shown, fits = column(GONE, "target", 1.0, 0.2), column(RIGHT, "kept", 1.0, 1.0)
    cells = (Cell(-0.8, -0.9, -0.7, 10, measured=True, bold=True, q=0.001),)
    of = Shown("", GONE.name, "target", False, 2, 10, 0, cells)
    (one,) = verdicts(tables(shown, fits, paired=(Panel("", (Label("mine"),), (of,)),)), "object")
    assert (one.gone.q, one.gone.significant, one.kept.q, one.kept.significant) == (0.001, True, None, None)
    assert "0.20 [0.10, 0.20] of 10 pictures (original 1.00: significant)" in str(one)
    assert "keeps the rest in 1.00 [0.90, 1.00] of 10 pictures (original 1.00: not tested)" in str(one)


def test_several_fits_are_one_verdict_with_the_lowest_and_the_highest():
    fits = tuple(Label("mine", (Told("seed", str(n), setting=False),)) for n in (0, 1))
    three = {"kin": (ORIGINAL, MINE, MINE), "labels": (Label("original"), *fits)}
    whole = tables(column(GONE, "target", 1.0, 0.1, 0.3), **three)
    (one,) = verdicts(whole, "object")
    assert (one.method, one.fits) == ("mine, 2 fits", 2)
    assert (one.gone.value, one.gone.low, one.gone.high) == (pytest.approx(0.2), 0.1, 0.3)


def test_a_scorer_that_hardly_recognises_the_thing_anyway_gives_no_verdict_of_significance():
    shown = Shown("", GONE.name, "target", False, 2, 10, 0, (cell(0.3, valid=False), cell(0.1, valid=False)),
                  known=Known("a", "1", GONE))  # fmt: skip
    (one,) = verdicts(tables(shown), "object")
    assert one.gone.unreliable
    assert "unreliable, recognised in under 50% of its pictures" in str(one)


def test_what_was_not_measured_is_a_dash_and_the_unedited_model_alone_is_its_own_verdict():
    (one,) = verdicts(tables(column(GONE, "target", 1.0, None)), "object")
    assert one.gone.value is None and "shows cat in \N{EN DASH} of 10" in str(one)
    alone = tables(column(GONE, "target", 1.0), kin=(ORIGINAL,), labels=(Label("original"),))
    (one,) = verdicts(alone, "object")
    assert str(one).startswith("s, cat: original shows cat in 1.00") and "(original" not in str(one)


def test_of_a_part_of_the_suite_is_whose_own_pictures_or_the_originals_lack_and_not_the_other_methods():
    theirs = ("theirs", "1", "{}", "m", "s")
    labels = (*LABELS, Label("theirs"))

    def partial(**asked: int) -> list[bool]:
        told = [Covered(name, "a", n, n) for name, n in asked.items()]
        covered = (*told, *(Covered(name, "another", 0, 0) for name in asked))  # which the verdict does not use
        case = tables(column(GONE, "target", 1.0, 0.1, 0.2), kin=(ORIGINAL, MINE, theirs), labels=labels)
        found = verdicts(replace(case, coverage=Coverage(10, covered)), "object")
        assert [one.partial for one in found] == ["of a part of the suite" in str(one) for one in found]
        return [one.partial for one in found]

    assert partial(original=10, mine=10, theirs=10) == [False, False]
    assert partial(original=10, mine=10, theirs=4) == [False, True]
    assert partial(original=9, mine=10, theirs=10) == [True, True]


def test_the_verdicts_of_the_committed_table_are_its_numbers():
    out = ROOT / "results" / "emoji-small"
    folder = report.read(out)
    suites = manifest.suites(out)
    erases = kinds.of_suites(suites.values())
    means = folder.summary[(folder.summary["concept"] == "*") & ~folder.summary["change"]]
    found = [
        one
        for case in report.cases(folder, suites)
        for one in verdicts(case, erases[case.suite, case.version, case.case])
    ]
    assert found
    for one in found:
        for part in (one.gone, one.kept):
            rows = means[(means["method"] == one.kin[0]) & (means["metric"] == part.metric)]
            rows = rows[(rows["role"] == part.role) & (rows["case"] == one.case) & (rows["suite"] == one.suite)]
            assert part.value == pytest.approx(rows["value"].mean())


RUN = ("run", "-m", "tests/fakes.py:Scaled", "--set", "factor=0.25", "--scorers", "tests/fakes.py:Lit")


def test_a_run_ends_with_a_line_a_case_and_its_tables_are_there_for_the_asking(command, tiny_suite, tmp_path):
    where = ("-s", tiny_suite, "-o", tmp_path / "out")
    short = command(*RUN, *where)
    assert short.code == 0, short.err
    lines = short.out.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("small, cat: scaled shows what should be gone (lit) in ")
    assert "dumo-bench report" in lines[2]
    long = command(*RUN, *where, "-v")
    assert lines[1] in long.out and "Other scorers" in long.out
    told = json.loads(command(*RUN, *where, "--json").out)["tables"]["verdicts"]
    assert [one["said"] for one in told] == [lines[1]]
    assert told[0]["kept"] is None and "no scorer" in told[0]["reasons"]["kept"]
