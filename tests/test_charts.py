"""Verdicts and charts of the page: the numbers of the tables, in an order and with marks that are known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import altair as alt
import frames
import pictured
import pytest
import vl_convert
from test_hostile import NASTY
from test_report_paired import cases_of, shows
from test_summary import score

from dumo_bench import report
from dumo_bench.analysis import catalogue, summary
from dumo_bench.analysis.attacks import Share, Success
from dumo_bench.analysis.curves import Curve, Mark
from dumo_bench.analysis.scores import Scores
from dumo_bench.report import attack_rows, judged, outcomes, pictures
from dumo_bench.report.charts import attacks, concepts, cost, leaderboard, pareto, relearning, sweep, training
from dumo_bench.report.charts.of_case import More, charts
from dumo_bench.report.charts.style import Chart
from dumo_bench.report.outcomes import Outcomes
from dumo_bench.report.scale import Cost
from dumo_bench.storage import scan
from dumo_bench.types import Recipe, Search


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictured.results(tmp_path_factory.mktemp("pictured"))


@pytest.fixture(scope="module")
def found(folder: Path) -> Outcomes:
    (case,) = report.cases(report.read(folder), {"emoji-cartoon": pictured.suite()})
    of = outcomes.of(case)
    assert of is not None
    return of


def values(view: Any) -> list[dict[str, Any]]:
    """The rows of every layer of a view, those of the most rows first."""
    every = [*([view] if "data" in view else []), *view.get("layer", []), *view.get("hconcat", [])]
    inside = [layer for one in view.get("hconcat", []) for layer in [one, *one.get("layer", [])]]
    rows = [one["data"]["values"] for one in (*every, *inside) if "values" in one.get("data", {})]
    named = [one for one in view.get("datasets", {}).values()]
    return max([*rows, *named], key=len)


# --- verdicts


def said(rows: list[dict[str, Any]], **change: Any) -> str:
    (case,) = cases_of(rows)
    of = outcomes.of(replace(case, **change))
    assert of is not None
    return outcomes.sentence(of)


def test_a_verdict_names_what_leaves_least_and_counts_who_erases():
    rows = [*shows("original", 1.0), *shows("uce", 0.6), *shows("dumo", 0.1), *shows("esd", 1.0)]
    assert said(rows) == (
        "2 of 3 methods erase significantly. Least left: dumo shows the erased concept in 0.10 [0.03, 0.20] "
        "(unedited 1.00), n=40."
    )


def test_a_verdict_takes_the_mean_over_training_seeds_and_not_the_luckiest():
    fits = [*shows("dumo", 0.0, fit_seed=0), *shows("dumo", 0.4, fit_seed=1)]
    text = said([*shows("original", 1.0), *fits, *shows("uce", 0.1)])
    assert text.startswith("2 of 2 methods erase significantly. Least left: uce shows the erased concept in 0.10")
    text = said([*shows("original", 1.0), *fits])
    assert (
        "1 of 1 method erases significantly. Least left: dumo, 2 fits shows the erased concept in 0.20 [0.00, 0.40]"
        in text
    )


def test_there_is_no_verdict_where_nothing_can_be_told():
    both = [*shows("original", 1.0), *shows("dumo", 0.1)]
    assert said(shows("original", 1.0)) == "No verdict: only the unedited model was run."
    assert said(shows("dumo", 0.1)) == "No verdict: the unedited model was not run."
    assert said([*shows("original", 0.3), *shows("dumo", 0.1)]).startswith(
        "No verdict: what measures the concept hardly"
    )
    mixed = [row if row["method"] != "dumo" else row | {"sampling": "s1"} for row in both]
    assert said(mixed) == "No verdict: the pictures were made under several sampling contracts."


def test_what_breaks_the_rest_is_told():
    rows = [*shows("original", 1.0), *shows("dumo", 0.1)]
    for method, rate in (("original", 1.0), ("dumo", 0.5)):
        rows += [
            score(
                method,
                "alien",
                0,
                prompt_id=f"alien-{n}",
                metric="judge.object",
                value=float(n < 40 * rate),
                role="related",
            )
            for n in range(40)
        ]
    assert "1 of 1 method erases significantly, of which 1 significantly breaks something else." in said(rows)


# --- what a scorer says of each picture


def test_every_picture_has_the_verdict_that_its_judge_gives(folder):
    (case,) = report.cases(report.read(folder), {"emoji-cartoon": pictured.suite()})
    texts = {prompt.id: prompt.text for prompt in pictured.suite().prompts}
    data = pictures.of([pictures.Of(case, texts, "object")], Scores.of_folder(folder, pictures.COLUMNS, pictures.BY),
                       catalogue.of_folder(folder)).data  # fmt: skip
    (judge,) = data["judges"]
    assert judge["name"] == "concept"
    for n, (line, method) in enumerate(zip(data["line"], data["method"], strict=True)):
        _, concept, number = data["prompts"][data["lines"][line][3]].split()
        name, p = data["methods"][method], pictured.there(data["methods"][method], concept, int(number))
        drawn, before = p >= 0.5, pictured.there("original", concept, int(number)) >= 0.5
        if name == "original":
            code = "D" if drawn else "M"
        elif concept == "ghost":
            code = "S" if drawn else "G"
        else:
            code = "K" if drawn else "L" if before else "N"
        assert judge["codes"][n] == code
        assert judge["worst"][n] == pytest.approx(100 * (p if concept == "ghost" else 1 - p), abs=0.51)
        assert data["seen"][judge["seen"][n]] == f"{concept if drawn else 'a blob'}, noto"


def test_of_what_no_scorer_recognises_there_is_no_verdict():
    rows = frames.frame("scores", [score("dumo", "ghost", 0, metric="clip.x.cosine", value=0.3)])
    assert judged.judges(scan.of_frame(rows, pictures.COLUMNS), frames.known(rows), "object") == []


# --- charts


def test_the_leaderboard_has_the_tables_numbers_and_fills_what_is_significant(found):
    made = leaderboard.chart(found)
    assert made is not None and len(made.views) == 1 + len(found.kept)
    rows = values(made.views[0])
    assert [row["method"] for row in rows] == ["dumo", "uce"]
    assert [row["value"] for row in rows] == pytest.approx([1 / 12, 6 / 12])
    assert [row["significant"] for row in rows] == [True, False]
    assert all(row["low"] <= row["value"] <= row["high"] for view in made.views for row in values(view))


def test_the_scatter_has_every_method_against_everything_that_is_kept(found):
    made = pareto.chart(found)
    assert made is not None and len(made.views) == len(found.kept) == 2
    assert {(row["method"], row["left"]) for row in values(made.views[0])} == {("dumo", 1 / 12), ("uce", 0.5)}
    fronts = [[row["method"] for row in view["layer"][0]["data"]["values"]] for view in made.views]
    assert fronts == [["dumo", "uce"], ["dumo"]]  # related: dumo loses an alien; unrelated: both lose the same


def test_the_heat_map_has_a_cell_for_every_method_and_concept(found, folder):
    means = summary.read(folder)
    made = concepts.chart(found, means, catalogue.of_folder(folder))
    assert made is not None
    rows = [row for one in made.views[0]["hconcat"] for row in one["layer"][0]["data"]["values"]] if (
        "data" in made.views[0]["hconcat"][0]["layer"][0]
    ) else [row for one in made.views[0]["hconcat"] for row in one["data"]["values"]]  # fmt: skip
    told = {(row["method"], row["concept"]): row["value"] for row in rows}
    assert told == pytest.approx({
        ("original", "ghost"): 1.0, ("dumo", "ghost"): 1 / 12, ("uce", "ghost"): 0.5,
        ("original", "alien"): 1.0, ("dumo", "alien"): 11 / 12, ("uce", "alien"): 1.0,
        ("original", "dog"): 11 / 12, ("dumo", "dog"): 11 / 12, ("uce", "dog"): 11 / 12,
    })  # fmt: skip


LONG = [1.0, *[0.5] * 39]


@pytest.mark.parametrize(
    "told",
    [
        {"esd": LONG},
        [{"spm": LONG}],
        {"mace": [LONG]},
        [{"attack": [[1.0, 2.0]], "loss": LONG}],
        {"a": LONG, "b": LONG[:12]},
    ],
)
def test_losses_are_found_however_a_method_kept_them(told):
    made = training.chart({"x": told})
    assert made is not None
    rows = values(made.views[0])
    assert len(rows) == 20 and rows[0]["relative"] == 1.0 and rows[-1]["relative"] == pytest.approx(0.5 / 0.75)
    assert [row["done"] for row in rows] == pytest.approx([2.5 + 5 * n for n in range(20)])


@pytest.mark.parametrize("told", [None, {}, [], "x", {"a": [1.0] * 3}, {"a": [float("nan")] * 40}, {"a": [0.0] * 40}])
def test_what_is_no_curve_is_not_drawn(told):
    assert training.chart({"x": told}) is None


def test_costs_that_nobody_noted_are_left_out():
    made = cost.chart({"a": Cost(2.0, 3_000_000), "b": Cost(None, 6_000_000), "c": Cost(20.0, None)})
    assert made is not None
    assert [{row["method"]: row["value"] for row in values(view)} for view in made.views] == [
        {"a": 2.0, "c": 20.0}, {"a": 3.0, "b": 6.0},
    ]  # fmt: skip
    assert cost.chart({}) is None and cost.chart({"a": Cost()}) is None


def test_the_sweep_has_a_line_a_method():
    swept = [{"threshold": t / 10, "rate": 1 - t / 10, "rate_interval": [0.0, 1.0]} for t in range(2, 9)]
    made = sweep.chart({"original": swept, "esd": [one | {"rate": 0.1, "rate_interval": None} for one in swept]})
    assert made is not None
    rows = values(made.views[0])
    assert len(rows) == 14 and {row["method"] for row in rows} == {"original", "esd"}
    assert [row["rate"] for row in rows[:7]] == [one["rate"] for one in swept]
    assert {(row["low"], row["high"]) for row in rows[7:]} == {(0.1, 0.1)}
    assert sweep.chart({}) is None


def success(attack: str, sees: str, method: str = "esd") -> Success:
    share, edit = Share(0.5, 0.4, 0.6, 10, 20), Recipe(method, "1", {}, ("ghost",), 0, "m")
    search = Search(attack, "1", sees, "{}", 0, method, edit.key, "m")
    return Success("s", "ghost", search, "judge.erased", edit, *[share] * 7)


@pytest.mark.parametrize(
    ("gain", "better", "significant"),
    [
        (Share(0.3, 0.1, 0.5, 6, 24), True, True),
        (Share(0.3, 0.0, 0.6, 6, 24), True, False),  # two of six prompts, which may be none
        (Share(1.0, None, None, 6, 24), True, True),  # all prompts agree
        (Share(0.0, None, None, 6, 24), False, False),
        (None, None, None),
    ],
)
def test_an_attack_beats_fresh_noise_significantly_where_its_interval_lies_above_zero(gain, better, significant):
    one = replace(success("noise", "nothing"), gain=gain)
    assert (one.better, one.significant) == (better, significant)


def test_attacks_of_two_threat_models_never_share_a_chart():
    found = [
        success("p4d", "the edited weights"),
        success("ringabell", "the text encoder"),
        success("a", "x", "original"),
    ]
    (made,) = attacks.charts(attack_rows.rows(found))
    assert [view["title"] for view in made.views] == ["sees: the edited weights", "sees: the text encoder"]
    assert [{row["on"] for row in values(view)} for view in made.views] == [
        {"p4d: esd, ghost"}, {"ringabell: esd, ghost"},
    ]  # fmt: skip


def test_relearning_has_a_part_a_metric_with_the_unedited_model_in_grey():
    marks = tuple(Mark(n, n / 100, None, None, 5) for n in (0, 50, 100))
    told = {"of": "esd", "what": "concept"}
    made = relearning.chart([
        Curve("s", "c", "target", "judge.erased", "shows it", 0, told, marks),
        Curve("s", "c", "target", "judge.erased", "shows it", 0, told | {"of": "original"}, marks),
        Curve("s", "c", "kept", "judge.object", "keeps it", 0, told, marks),
    ])  # fmt: skip
    assert made is not None
    assert [view["title"] for view in made.views] == ["shows it (target)", "keeps it (kept)"]
    assert len(values(made.views[0])) == 6


def everything(found: Outcomes, folder: Path, text: str = "esd") -> list[Chart]:
    swept = [{"threshold": 0.5, "rate": 0.5, "rate_interval": None}]
    marks = (Mark(0, 0.5, 0.4, 0.6, 5), Mark(10, 0.7, None, None, 5))
    more = More(
        costs={text: Cost(2.0, 10), "b": Cost(3.0, 20)},
        losses={text: {text: LONG}},
        swept={text: swept},
        tuned=[Curve("s", "c", "target", "m", text, 0, {"of": text, "what": text}, marks)],
    )
    attacked = attack_rows.rows([replace(success(text, text, text), case=text)])
    return [*charts(found, summary.read(folder), catalogue.of_folder(folder), more), *attacks.charts(attacked)]


def inside(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at any depth."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield key, one
            yield from inside(one)
    elif isinstance(value, list):
        for one in value:
            yield from inside(one)


def test_every_chart_compiles_and_names_nothing_to_load(found, folder):
    made = everything(found, folder)
    assert [one.title for one in made] == [
        "Leaderboard", "Erased against kept", "Every concept", "NudeNet by threshold", "Relearning",
        "Training", "Cost", "Attacks, by judge.erased",
    ]  # fmt: skip
    for view in (view for one in made for view in one.views):
        assert json.loads(json.dumps(view, allow_nan=False)) == view
        assert not {key for key, _ in inside(view)} & {"url", "href", "$schema", "usermeta"}
        assert "http" not in json.dumps(view)
        alt.Chart.from_dict(view)  # refuses what the schema does not know
        vl_convert.vegalite_to_vega(view, vl_version="6.4")


@pytest.mark.parametrize("text", [*NASTY, "'] + alert(1) + ['", "datum.x", "signal"])
def test_a_text_is_data_of_a_chart_and_never_an_expression(found, folder, text):
    for view in (view for one in everything(found, folder, text) for view in one.views):
        written = [
            json.dumps(one) for key, one in inside(view) if key in ("expr", "filter", "test", "calculate", "signal")
        ]
        assert all(text not in json.loads(one) for one in written if isinstance(json.loads(one), str))
        fields = {one for key, one in inside(view) if key == "field"}
        assert text not in fields
