"""What `compare` prints: at 80 columns, one scale of a number, no number broken; no escape in a pipe."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from test_report import tables

from dumo_bench.analysis.catalogue import Catalogue, Known
from dumo_bench.analysis.differences import Difference
from dumo_bench.cli import fitting
from dumo_bench.report import captions, compared, console
from dumo_bench.report.compared import Form
from dumo_bench.types import Metric

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "golden"
NUMBER = re.compile(r"-?\d+\.\d+")


def difference(metric: str = "judge.erased", a: float = 0.1, b: float = 0.4, q: float | None = 0.01) -> Difference:
    ends = (a - b - 0.05, a - b + 0.05)
    return Difference("s", 1, "ghost", "target", metric, False, a, b, *ends, q, 80, 0, 5, 1, 900, "", q=q, family=9)


def known(*metrics: Metric) -> Catalogue:
    return Catalogue({("concept", "1", one.name): Known("concept", "1", one) for one in metrics})


NOTHING = known()


def said(form: Form, *found: Difference, metrics: Catalogue = NOTHING) -> list[str]:
    return list(compared.lines(found, metrics, form))


@pytest.fixture(scope="module")
def noto(tmp_path_factory) -> Path:
    """The committed table's case and first training seed alone, since q is corrected over all that lie in a folder,
    which grows."""
    folder, out = ROOT / "results" / "emoji-methods", tmp_path_factory.mktemp("noto")
    parts = [path for path in folder.glob("tables/s*/*-noto-*") if set(pd.read_parquet(path)["fit_seed"]) == {0}]
    for path in (folder / "summary.parquet", *folder.glob("tables/metrics/*"), *parts, *folder.glob("runs/*.json")):
        to = out / path.relative_to(folder)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    return out


@pytest.mark.parametrize("more", [(), ("--all",), ("--min-effect", "0.25")], ids=["short", "all", "effect"])
def test_the_comparison_at_80_columns_is_the_golden_one(command, monkeypatch, noto, more):
    monkeypatch.setenv("COLUMNS", "80")
    found = command("compare", "dumo", "uce", "--out", noto, "--case", "noto", *more)
    name = "-".join(["compare", *(one.strip("-") for one in more[:1])])
    assert found.code == 0, found.err
    assert found.out == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")
    assert max(map(len, found.out.splitlines())) <= 80


values = st.floats(-500, 500).map(lambda x: round(x, 6))
names = st.text("abcdefgh._", min_size=1, max_size=70)


@given(st.lists(st.tuples(names, values, values), min_size=1, max_size=8), st.integers(80, 140), st.booleans())
@settings(deadline=None)
def test_no_number_is_broken_all_have_one_scale_and_only_a_name_is_wider_than_asked(rows, width, whole):
    found = [difference(name, a=a, b=b) for name, a, b in rows]
    lines = said(Form(width, whole), *found)
    printed = [line for line in lines if re.search(r"\d", line)]
    shown = [n for line in printed for n in re.findall(r"(?<![\w.])-?\d+\.\d+(?![\w.])", line) if "p 0" not in line]
    assert {len(number.partition(".")[2]) for number in shown} == {3}
    for one in found:
        assert f"{round(one.a, 3) + 0.0:.3f}" in shown and f"{round(one.difference, 3) + 0.0:.3f}" in shown
    assert all(len(line) <= width or line.strip() in {d.metric for d in found} for line in lines)


def test_the_metric_with_the_most_digits_says_how_many_all_have():
    kid = Metric("kid", "", "lower", kind="set", digits=4)
    (_, _, one, other) = said(Form(), difference("kid", q=None), difference(), metrics=known(kid))
    assert {len(n.partition(".")[2]) for line in (one, other) for n in NUMBER.findall(line)} == {4}


@pytest.mark.parametrize(
    ("a", "q", "least", "verdict"),
    [
        (0.1, 0.01, 0.0, "A is better"),
        (0.3997, 0.01, 0.0, "too small"),
        (0.1, 0.01, 0.4, "too small"),
        (0.3997, 0.5, 0.0, "not significant"),
        (0.1, 0.01, 0.3, "A is better"),
    ],
)
def test_there_is_no_verdict_on_a_difference_below_what_is_shown_or_asked_for(a, q, least, verdict):
    assert said(Form(min_effect=least), difference(a=a, q=q))[-1].endswith(verdict)


def test_everything_has_p_and_q_and_how_many_pictures_would_tell():
    lines = said(Form(whole=True), difference(q=0.5))
    assert lines[-1] == "    p 0.5, q 0.5, pictures for 80 % power 900"


def test_the_smallest_effect_is_in_the_json_too(command):
    argv = ("compare", "dumo", "uce", "--out", ROOT / "results/emoji-methods", "--case", "noto", "--json")
    plain, asked = (command(*argv, *more).rows("differences") for more in ((), ("--min-effect", "0.2")))
    small = [(x["verdict"], y["verdict"]) for x, y in zip(plain, asked, strict=True) if x["verdict"] != y["verdict"]]
    assert small and {after for _, after in small} == {"too small"}


@pytest.mark.parametrize("columns", ["60", "200", None])
def test_a_pipe_is_as_wide_as_asked_and_holds_no_escape(columns, command, monkeypatch):
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    else:
        monkeypatch.delenv("COLUMNS", raising=False)
    for argv in (("list", "methods"), ("report", ROOT / "results/emoji-small", "--table", "erasure"),
                 ("compare", "dumo", "uce", "--out", ROOT / "results/emoji-methods", "--case", "noto")):  # fmt: skip
        out = command(*argv).out
        assert "\x1b" not in out
        widest = max(map(len, out.splitlines()))
        assert widest <= int(columns or 140) or argv[0] == "list" or int(columns or 140) < 80


# Tables on a terminal


@pytest.mark.parametrize("width", [40, 60, 80, 140])
def test_the_tables_of_a_report_break_no_number_and_no_interval_however_narrow(width):
    cases = tables()
    screen = Console(width=width, record=True, file=io.StringIO())
    for one in console.renderables(cases, width):
        screen.print(one)
    found = screen.export_text()
    assert max(map(len, found.splitlines())) <= width and "\N{HORIZONTAL ELLIPSIS}" not in found
    for column in (column for panel in cases[0].panels for column in panel.columns):
        for cell in column.cells:
            assert captions.number(column, cell) in found and captions.interval(column, cell) in found


cells = st.lists(st.text("ab 1.", max_size=30), min_size=1, max_size=4)


@given(
    st.lists(cells, min_size=1, max_size=5).filter(lambda rows: len({len(row) for row in rows}) == 1),
    st.integers(10, 90),
)
def test_columns_fit_the_room_and_no_word_is_broken_or_they_do_not_fit_at_all(rows, room):
    columns = list(zip(*rows, strict=True))
    longest = [max((len(word) for cell in column for word in cell.split()), default=0) for column in columns]
    found = fitting.widths(columns, room)
    least = sum(longest) + 2 * (len(columns) - 1)
    if found is None:
        assert least > room
    else:
        assert sum(found) + 2 * (len(columns) - 1) <= room
        assert all(width >= word for width, word in zip(found, longest, strict=True))


def test_what_does_not_fit_side_by_side_stands_below_one_another():
    lines = [{"method": "uce", "value": "0.123456789", "note": "some words that go on"}]
    assert list(fitting.records(lines, 24)) == ["uce", "  value 0.123456789;", "  note some words that", "  go on"]
