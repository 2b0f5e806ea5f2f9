"""`compare --at-equal-erasure`: synthetic curves whose true difference is known, and the shipped sweep."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import frames
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression
from scipy.stats import binomtest
from test_summary import score

from dumo_bench.analysis import equal_erasure, equal_sentences, summary, sweeps
from dumo_bench.errors import UserError
from dumo_bench.metrics import curves
from dumo_bench.metrics.curves import Curve, Values

SWEEP = Path(__file__).parents[1] / "results" / "emoji-sd" / "sweep"
Points = Mapping[float, tuple[float, float]]  # strength -> the shares that are left, and kept


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8))
def test_a_monotone_sequence_is_that_of_scipy(x):
    found = curves.monotone(np.array(x))
    assert found == pytest.approx(isotonic_regression(x).x, abs=1e-9)


def test_a_curve_is_read_on_its_straight_lines_and_is_level_beyond_its_ends():
    left, kept = np.array([0.0, 0.0, 0.2, 0.6]), np.array([0.1, 0.5, 0.7, 0.9])
    read = [float(curves.at(left, kept, level)) for level in (0.0, 0.1, 0.2, 0.4, 0.6, 0.9)]
    assert read == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9, 0.9])


def drawn(rates: Sequence[float], n: int, g: np.random.Generator, items: np.ndarray) -> Values:
    """Yes/no values (settings, 2n) of n prompts, two pictures each, which are alike as far as `items` say."""
    from scipy.stats import norm

    shared = np.repeat(items, 2) * np.sqrt(0.5)
    values = [(shared + np.sqrt(0.5) * g.normal(size=2 * n) < norm.ppf(rate)).astype(float) for rate in rates]
    return Values(np.array(values), np.repeat(np.arange(n), 2))


@pytest.mark.parametrize(("gap", "saturated"), [(0.0, False), (0.2, False), (0.2, True)])
def test_the_interval_holds_the_true_difference_as_often_as_it_says(monkeypatch, gap, saturated):
    """160 data sets of 24 target and 40 kept prompts: 95 % wanted, at least 89 % found (four standard errors)."""
    monkeypatch.setattr(curves, "TIMES", 1)
    g, level, held = np.random.default_rng(1), 0.3, 0
    strength = np.linspace(0, 1, 5)
    floor = 0.001 if saturated else 0.05
    left = [floor + 0.85 * strength**1.5, floor + 0.85 * strength**1.2]
    kept = [0.6 + 0.35 * strength, 0.6 + gap + (0.35 - gap) * strength]
    true = float(np.subtract(*(curves.at(*of, level) for of in zip(left, kept, strict=True))))
    for _ in range(160):
        items = g.normal(size=24), g.normal(size=40)
        a, b = (
            Curve(curves.left(drawn(x, 24, g, items[0]), rate=True), curves.kept(drawn(y, 40, g, items[1]), rate=True))
            for x, y in zip(left, kept, strict=True)
        )
        (found,) = curves.differences(a, b, [level])
        held += found.low <= true <= found.high
    assert held / 160 >= 0.89


@pytest.mark.parametrize(("prompts", "p"), [(1, 1.0), (4, 0.125), (6, 0.03125), (20, 0.02)])
def test_few_prompts_give_no_smaller_p_than_an_exact_test_of_signs(prompts, p):
    found = curves.attainable(curves.Difference(0.2, 0.9, -0.9, -0.5, 0.02), prompts)
    assert found == (0.2, 0.9, -0.9, -0.5, p)
    assert p >= binomtest(0, prompts).pvalue


def test_equal_methods_are_equal_and_turning_them_round_turns_the_signs():
    g = np.random.default_rng(0)
    items = g.normal(size=20)
    one = [curves.left(drawn((0.1, 0.3, 0.8), 20, g, items), rate=True) for _ in range(2)]
    two = [curves.kept(drawn((0.5, 0.7, 0.9), 20, g, items), rate=True) for _ in range(2)]
    a, b = (Curve(*of) for of in zip(one, two, strict=True))
    assert curves.differences(a, a, [0.4]) == [
        (*[pytest.approx(curves.differences(a, b, [0.4])[0].a)] * 2, None, None, 1)
    ]
    there, back = curves.differences(a, b, [0.4])[0], curves.differences(b, a, [0.4])[0]
    assert (there.low, there.high, there.p) == pytest.approx((-back.high, -back.low, back.p))


def exact(rate: float, n: int) -> list[float]:
    """n values of 0 and 1 with such a share of 1, spread evenly."""
    return [float(int((i + 1) * rate + 1e-9) > int(i * rate + 1e-9)) for i in range(n)]


def rows(method: str, points: Points, n: int = 60, key: str = "ridge", **more: Any) -> list[dict[str, Any]]:
    """Scores of a method whose settings leave and keep exactly such shares."""
    found = []
    for strength, (left, kept) in points.items():
        own = {"params": json.dumps({key: strength}), **more}
        for concept, metric, rate in (("ghost", "judge.erased", left), ("alien", "judge.object", kept)):
            found += [
                score(method, concept, 0, prompt_id=f"{concept}-{i}", metric=metric, value=value, **own)
                for i, value in enumerate(exact(rate, n))
            ]
    return found


def folder(out: Path, every: list[dict[str, Any]]) -> Path:
    frames.write(out / "tables", "scores", "a", every)
    summary.write(out)
    return out


STRONG: Points = {1.0: (0.0, 0.2), 2.0: (0.2, 0.5), 3.0: (0.6, 0.7)}
GENTLE: Points = {1.0: (0.4, 0.95), 2.0: (0.5, 0.95), 3.0: (0.7, 0.95)}


@pytest.fixture
def read(tmp_path) -> Callable[..., list[equal_erasure.Contrast]]:
    def of(every: list[dict[str, Any]], methods: Sequence[str] = ("esd", "uce"), **asked: Any):
        given = sweeps.read([folder(tmp_path, every)])
        return equal_erasure.contrasts(given, methods, equal_erasure.Asked(**asked))

    return of


def test_the_difference_at_equal_erasure_is_the_known_one_and_is_said_in_a_sentence(read):
    (found,) = read([*rows("esd", STRONG), *rows("uce", GENTLE)], levels=(0.5,))
    (kept,) = found.kept
    assert (kept.a, kept.b) == pytest.approx((0.65, 0.95), abs=0.02)
    assert kept.low < kept.difference < kept.high < 0 and kept.better == "b"
    assert (found.reach.a, found.reach.b, found.reach.better) == (pytest.approx(0), pytest.approx(0.4), "a")
    assert equal_sentences.sentence(found).startswith(
        "esd erases more but breaks more: at 0.50 of the target left, judge.object on related prompts is 0.65 with esd"
    )


def test_of_four_prompts_no_method_is_called_better(read):
    (found,) = read([*rows("esd", STRONG, n=4), *rows("uce", {1.0: (0.7, 1.0), 2.0: (0.8, 1.0)}, n=4)])
    assert found.reach.p >= 0.125 and not found.reach.better


def test_nothing_is_said_that_is_not_significant(read):
    gentle = {strength: (left, 0.93) for strength, (left, _) in GENTLE.items()}
    (found,) = read([*rows("esd", gentle), *rows("uce", GENTLE)])
    assert all(not one.better for one in (found.reach, *found.kept))
    assert equal_sentences.sentence(found) == "At equal erasure no difference between esd and uce is significant."


def test_methods_that_nowhere_erase_equally_much_are_not_compared(read):
    weak = {1.0: (0.8, 0.9), 2.0: (0.9, 0.95)}
    (found,) = read([*rows("esd", STRONG), *rows("uce", weak)])
    assert found.kept == ()
    said = "They nowhere erase equally much: esd leaves 0.00 to 0.60, uce leaves 0.80 to 0.90 of the target."
    assert equal_sentences.sentence(found) == said


def test_settings_too_strong_to_erase_more_do_not_count_against_a_method(read):
    """Two settings leave nothing; the weaker of them, which keeps more, is where its curve begins."""
    overshot = {0.5: (0.0, 0.0), 0.8: (0.0, 0.1)}
    plain, longer = (
        read([*rows("esd", points), *rows("uce", GENTLE | {0.1: (0.0, 0.9)})], levels=(0.1,))[0].kept[0].a
        for points in (STRONG, STRONG | overshot)
    )
    assert longer == pytest.approx(plain)


@pytest.mark.parametrize(("rises", "kept"), [(True, [0.8, 0.2, 0.9]), (False, [0.1, 0.5, 0.05])])
def test_of_settings_that_leave_the_same_the_worse_stands_first_and_counts_for_nothing(rises, kept):
    two = pd.DataFrame({"params": ['{"a": 1, "b": 2}', '{"a": 1, "b": 1}', '{"a": 2, "b": 2}'][::-1]})
    sweep = sweeps.Sweep("esd", two)
    assert sweep.strengths is None and sweep.order(np.array([0.0, 0.0, 0.5]), np.array(kept), rises=rises) == [1, 0, 2]


def test_settings_stand_in_the_order_of_the_one_number_that_is_swept(read):
    """More steps erase more: the order turns round."""
    by_steps = {480: (0.0, 0.6), 240: (0.05, 0.8), 30: (0.9, 1.0)}
    (found,) = read([*rows("esd", by_steps, key="steps"), *rows("uce", GENTLE)])
    assert (found.a.by, found.a.settings) == ("steps", ("steps=480", "steps=240", "steps=30"))


def test_one_method_may_lie_in_several_folders(tmp_path):
    """The first two settings of esd in one folder, the others and uce in another; what both have counts once."""
    weak = {strength: STRONG[strength] for strength in (2.0, 3.0)}
    first = folder(tmp_path / "a", rows("esd", {1.0: STRONG[1.0], 2.0: STRONG[2.0]}))
    second = folder(tmp_path / "b", [*rows("esd", weak), *rows("uce", GENTLE)])
    whole = folder(tmp_path / "c", [*rows("esd", STRONG), *rows("uce", GENTLE)])
    asked = equal_erasure.Asked()
    apart, together = (
        equal_erasure.contrasts(sweeps.read(folders), ["esd", "uce"], asked) for folders in ([first, second], [whole])
    )
    assert apart == together


@pytest.mark.parametrize(
    ("every", "methods", "said"),
    [
        ([*rows("esd", STRONG), *rows("uce", {1.0: (0.4, 0.9)})], ("esd", "uce"), "two settings or more"),
        ([*rows("esd", STRONG), *rows("uce", GENTLE)], ("esd", "uec"), "Did you mean 'uce'"),
        ([*rows("esd", STRONG), *rows("uce", GENTLE), *rows("uce", GENTLE, method_version="2")], ("esd", "uce"),
         "name one: uce:version=1, uce:version=2"),
        ([*rows("esd", STRONG), *rows("uce", GENTLE, sampling="t")], ("esd", "uce"), "one sampling contract"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused_with_what_to_type(read, every, methods, said):
    with pytest.raises(UserError, match=said):
        read(every, methods)


def test_a_metric_of_erasure_that_is_not_there_is_refused(read):
    with pytest.raises(UserError, match=r"nothing is called 'judge.erasd'. Did you mean 'judge.erased'"):
        read([*rows("esd", STRONG), *rows("uce", GENTLE)], erasure="judge.erasd")


def test_the_command_prints_the_curves_the_readings_and_the_sentence(tmp_path, command):
    out = folder(tmp_path, [*rows("esd", STRONG), *rows("uce", GENTLE)])
    said = command("compare", "esd", "uce", "--at-equal-erasure", "--at", "0.5", "--out", out).out
    assert "A: esd leaves 0.00 (ridge=1.0), 0.20 (ridge=2.0), 0.60 (ridge=3.0)" in said
    assert "esd erases more but breaks more: at 0.50 of the target left" in said
    told = command("compare", out, "--at-equal-erasure", "--json")
    assert [row["method"] for row in told.rows("curves")] == ["esd", "uce"]
    (contrast,) = told.rows("contrasts")
    assert contrast["erasure"] == "judge.erased"
    least, *rest = told.rows("readings")
    assert least["reasons"]["level"] and [row["level"] for row in rest] == [0.5]


@pytest.mark.parametrize("case", ["ghost", "unsafe"])
def test_the_shipped_sweep_is_read_the_same_either_way_round(monkeypatch, case):
    monkeypatch.setattr(curves, "TIMES", 1)
    given, asked = sweeps.read([SWEEP]), equal_erasure.Asked(case=case, metric="judge.object")
    there, back = (equal_erasure.contrasts(given, two, asked)[0] for two in (("rece", "uce"), ("uce", "rece")))
    assert there.kept and there.both == back.both
    assert [(d.a, d.b, d.level) for d in there.kept] == [(d.b, d.a, d.level) for d in back.kept]
