"""The report prints what was measured, says what was not, and is the same bytes for the same tables."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import frames
import numpy as np
import pandas as pd
import paper
import pytest
from PIL import Image
from rich.console import Console
from safetensors.numpy import save_file

from dumo_bench import report
from dumo_bench.analysis import catalogue, summary
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.errors import UserError
from dumo_bench.plugins import loading
from dumo_bench.report import (
    build,
    captions,
    cells,
    console,
    coverage,
    details,
    figures,
    gallery,
    latex,
    markdown,
    page,
    paired,
    panels,
    tradeoff,
    variants,
)
from dumo_bench.run.measure import declared
from dumo_bench.scorers.clip_accuracy_mace import ClipAccuracyMace
from dumo_bench.scorers.judge2 import Judge2
from dumo_bench.scorers.stlpips import StLpips
from dumo_bench.storage import table
from dumo_bench.types import Case, Draw, Prompt, Recipe, Sampling, Suite, canonical

GOLDEN = Path(__file__).parent / "golden"
DASH = "\N{EN DASH}"
KINDS = {("emoji-cartoon", 1, "ghost"): "object"}
BASE = {
    "suite": "emoji-cartoon", "suite_version": 1, "case": "ghost", "method_version": "1", "params": "{}",
    "fit_seed": 0, "model": "m" * 12, "sampling": "s0", "concept": "*", "scorer": "concept", "n": 40, "n_missing": 0,
    "low": None, "high": None, "how": "mean", "higher_is_better": None, "note": "",
    "expected": None, "partial": None,
}  # fmt: skip


def mean(method: str, metric: str, role: str, value: float | None, **rest: Any) -> dict[str, Any]:
    """A row of the summary."""
    return BASE | {"method": method, "metric": metric, "role": role, "value": value} | rest


LOST = {"n": 38, "n_missing": 2, "note": "2 missing: unreadable image"}
TEN = [
    mean("original", "judge.erased", "target", 0.975, low=0.925, high=1.0),
    mean("dumo", "judge.erased", "target", 0.05, low=0.0, high=0.125),
    mean("uce", "judge.erased", "target", 0.4, low=0.275, high=0.55),
    mean("original", "judge.object", "unrelated", 0.95, low=0.875, high=1.0),
    mean("dumo", "judge.object", "unrelated", 0.925, low=0.85, high=0.975),
    mean("uce", "judge.object", "unrelated", 0.894, low=0.8, high=0.975, **LOST),
    mean("original", "diversity.emojiclip", "target", 0.512),
    mean("dumo", "diversity.emojiclip", "target", None, n=0, n_missing=40, note="no 100 % & no_weights"),
    mean("uce", "diversity.emojiclip", "target", 0.401),
    mean("dumo", "judge.style", "target", 0.8, low=0.7, high=0.9),
]  # fmt: skip


def tables(
    rows: list[dict[str, Any]] | None = None, kinds: Mapping[tuple[str, int, str], str] = KINDS, **more: Any
) -> list[cells.CaseTables]:
    """The tables of rows of a summary; `more`: sizes, contracts."""
    found = frames.frame("summary", TEN if rows is None else rows)
    return build.build(build.Sources(found, known(found), kinds, **more))


def test_the_tables_of_one_case_are_as_among_those_of_all():
    rows = [{**row, "case": case} for case in ("ghost", "clown", "alien") for row in TEN]
    given = build.Sources(found := frames.frame("summary", rows), known(found), KINDS)
    every, one = build.build(given), build.build(given, only=lambda suite, case: case == "clown")
    assert [case.case for case in every] == ["alien", "clown", "ghost"] and one == [every[1]]


PARTS = (
    "judge.erased",
    "judge.object",
    "clip.x.accuracy",
    "clip.x.erased",
    "style.x.right",
    "style.x.erased",
    "lpips_x",
)


def known(rows: pd.DataFrame) -> Catalogue:
    """The metrics of rows of a summary: measured ones, and those that are made of `PARTS`."""
    return frames.known(rows, frames.frame("summary", [mean("dumo", part, "target", 0.5) for part in PARTS]))


def erasing(kind: str) -> Mapping[tuple[str, int, str], str]:
    """The case of the rows, as erasing such a thing."""
    return dict.fromkeys(KINDS, kind)


def named(labels: Iterable[variants.Label]) -> list[str]:
    """What rows are called, in order."""
    return list(map(str, labels))


def column(cases: list[cells.CaseTables], metric: str, role: str) -> tuple[cells.Shown, dict[str, cells.Cell]]:
    for panel in cases[0].panels:
        for found in panel.columns:
            if (found.metric, found.role) == (metric, role):
                return found, dict(zip(named(panel.labels), found.cells, strict=True))
    raise AssertionError(f"no column {metric} on {role}")


def drawn(cases: list[cells.CaseTables]) -> str:
    screen = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    for one in console.renderables(cases):
        screen.print(one)
    return screen.export_text()


# How much was measured


def covered(rows: list[dict[str, Any]], whole: int | None = None) -> list[str]:
    sizes = {("emoji-cartoon", 1): whole} if whole else {}
    return coverage.sentences(tables(rows, sizes=sizes)[0].coverage)


BOTH = [mean(m, "judge.erased", role, 0.5) for m in ("original", "dumo") for role in ("target", "unrelated", "kept")]


def test_a_whole_suite_that_was_seen_is_complete():
    said = "Complete: 80 pictures a method expected, 80 seen, 0 failed, by concept."
    assert covered(BOTH, 80) == [said]  # kept pictures are not counted again
    assert covered(BOTH)[0].startswith("80 pictures a method seen by concept; how many there should be is not known")


@pytest.mark.parametrize("text", [latex.document, markdown.document, drawn])
def test_a_part_of_a_suite_is_marked_partial_in_every_text(text):
    assert covered(BOTH, 166) == ["Partial: 166 pictures a method expected, 80 given to concept."]
    assert "Partial" in text(tables(TEN)) and "Partial" not in text(tables(BOTH))


def test_pictures_that_a_scorer_failed_on_are_counted_and_make_a_run_partial():
    rows = [*BOTH, mean("original", "clip.x.cosine", "target", 0.3, scorer="clip_score")]
    rows += [mean("dumo", "clip.x.cosine", "target", 0.3, scorer="clip_score", **LOST)]
    assert covered(rows, 80) == [
        "Partial: 80 pictures a method expected, 80 given to clip_score, concept.",
        "original: clip_score was given 40, measured 40, 0 failed.",
        "dumo: clip_score was given 40, measured 38, 2 failed (2 missing: unreadable image).",
    ]


def test_a_picture_that_a_scorer_was_asked_nothing_of_has_not_failed():
    every = [("original", "target"), ("original", "unrelated"), ("dumo", "target")]
    rows = [*BOTH, *(mean(m, "style.x.right", role, 0.3, scorer="style_classifier") for m, role in every)]
    none = {"n": 30, "n_missing": 10, "note": "10 missing: the prompt names no style"}
    rows += [mean("dumo", "style.x.right", "unrelated", 0.3, scorer="style_classifier", **none)]
    assert covered(rows, 80)[0].startswith("Complete")
    assert "dumo: style_classifier measured 70 of 80, 0 failed (10 missing: the prompt names no style)." in covered(
        rows
    )
    none |= {"n": 0, "n_missing": 40, "note": "40 missing: the case erases no style"}
    assert covered([*rows[:-1], rows[-1] | none], 80)[0].startswith("Complete")
    lost = none | {"note": "39 missing: the prompt names no style; 1 missing: picture cannot be read: a.png"}
    rows[-1] = mean("dumo", "style.x.right", "unrelated", 0.3, scorer="style_classifier", **lost)
    assert covered(rows, 80)[0].startswith("Partial")


def test_what_else_a_note_tells_of_a_number_is_no_reason_of_a_failure():
    lost = {
        "n": 39,
        "n_missing": 1,
        "note": "1 missing: picture cannot be read; n=39, against 40, FID falls as n grows",
    }
    whole = {"note": "n=40, against 40, FID falls as n grows"}
    rows = [*BOTH, mean("dumo", "fid.x.real", "target", 3.0, scorer="fid", **lost)]
    rows += [mean("dumo", "fid.x.real", "unrelated", 3.0, scorer="fid", **whole)]
    assert covered(rows, 80)[-1] == "dumo: fid measured 79 of 80, 1 failed (1 missing: picture cannot be read)."


def test_a_scorer_that_was_not_run_on_a_method_is_named():
    rows = [*BOTH, *(mean("dumo", "clip.x.cosine", role, 0.3, scorer="clip_score") for role in ("target", "unrelated"))]
    assert covered(rows, 80)[1:] == ["original: clip_score was not run."]


def test_a_metric_that_does_not_apply_to_some_pictures_makes_no_run_partial():
    rows = [*BOTH, *(mean(m, "judge.style", "target", 0.3, **LOST) for m in ("original", "dumo"))]
    assert covered(rows, 80)[0].startswith("Complete")


# Several fits


def fits(*rates: float, method: str = "dumo", wide: float = 0.01) -> list[dict[str, Any]]:
    """What is left of the concept by each training seed of a method."""
    return [
        mean(method, "judge.erased", "target", rate, low=rate - wide, high=rate + wide, fit_seed=seed)
        for seed, rate in enumerate(rates)
    ]


def test_fits_that_differ_in_their_seed_alone_have_a_row_of_their_mean_and_extremes():
    rows = [*fits(0.04, 0.09, 0.02), *fits(0.5, method="uce"), mean("original", "judge.erased", "target", 0.9)]
    one, over = tables(rows)[0].panels
    assert named(one.labels) == ["original", "dumo (seed 0)", "dumo (seed 1)", "dumo (seed 2)", "uce"]
    assert named(over.labels) == ["dumo, 3 fits"] and "over training seeds" in over.title
    (cell,) = over.columns[0].cells
    assert (cell.value, cell.low, cell.high, cell.bold) == (pytest.approx(0.05), 0.02, 0.09, False)
    assert len(tables(fits(0.04))[0].panels) == 1


def test_the_mean_of_fits_is_missing_where_one_of_them_is():
    rows = [*fits(0.04), mean("dumo", "judge.erased", "target", None, fit_seed=1, n=0, n_missing=40)]
    (cell,) = tables(rows)[0].panels[1].columns[0].cells
    assert (cell.value, cell.low, cell.note) == (None, None, "a fit has no number")


def test_methods_under_different_sampling_contracts_are_not_ranked_and_the_report_says_so_first():
    rows = [row if row["method"] != "uce" else row | {"sampling": "s1"} for row in TEN]
    cases = tables(rows)
    assert "2 sampling contracts" in cases[0].warning
    for text in (latex.document(cases), markdown.document(cases), drawn(cases)):
        assert text.index("2 sampling contracts") < text.index("0.40")
    html = page.render([page.Section(cases[0])])
    assert html.index("2 sampling contracts") < html.index("95 % confidence interval") < html.index("0.40")


LMS = {
    "model": "sd14", "scheduler": "lms", "steps": 50, "guidance": "per row", "height": 512, "width": 512,
    "revision": "", "negative": "", "noise": "cpu", "dtype": "float32", "sampler": "LMSDiscreteScheduler(order=4)",
}  # fmt: skip


def paged_alone(cases: list[cells.CaseTables]) -> str:
    return page.render([page.Section(cases[0])])


@pytest.mark.parametrize("text", [latex.document, markdown.document, drawn, paged_alone])
def test_every_text_says_how_pictures_were_sampled_or_that_nothing_tells_it(text):
    for contracts, said in (
        ({"s0": LMS}, "s0: sd14, lms, 50 steps, guidance per row, 512 x 512, float32, noise from the cpu."),
        (
            {"s0": LMS | {"width": "per row, else 512", "negative": "ugly"}},
            "size per row, float32, noise from the cpu, ",
        ),
        ({"s0": LMS | {"sampler": ""}}, "s0: sd14, lms, an older key: what else the sampler does was left to"),
        ({}, "s0: no run in this folder's runs/ tells it."),
    ):
        cases = tables(contracts=contracts)
        assert said in " ".join(text(cases).replace("&#39;", "'").split())


def test_a_mixture_says_what_of_the_contracts_differs():
    rows = [row if row["method"] != "uce" else row | {"sampling": "s1"} for row in TEN]
    contracts = {"s0": LMS, "s1": LMS | {"steps": 20, "negative": "ugly"}}
    warning = tables(rows, contracts=contracts)[0].warning
    assert "contract s0 (50 steps, no negative prompt): dumo, original" in warning
    assert "contract s1 (20 steps, negative prompt 'ugly'): uce" in warning
    assert "contract s1: uce" in tables(rows)[0].warning


# What a scorer hardly recognises


def recognised(rate: float | None) -> list[dict[str, Any]]:
    """A concept's rows and its role's: `rate` on unedited pictures (None: there are none), 0.2 on dumo's."""
    rates = {"original": rate, "uce": 0.7, "dumo": 0.2}
    return [
        mean(method, "judge.object", "related", value, low=value, high=value, concept=concept)
        for method, value in rates.items()
        for concept in ("*", "cat")
        if value is not None
    ]


def paged(rows: list[dict[str, Any]]) -> str:
    """The page of these rows, without pictures."""
    found = frames.frame("summary", rows)
    labels = variants.variants(found)
    metrics = known(found)
    parts = {
        "details": details.details(found, metrics),
        "heads": details.heads(labels),
        "concepts": details.concepts(found, metrics),
    }
    return page.render([page.Section(tables(rows)[0], dict.fromkeys(named(labels.values()), ""), **parts)])


def unreliable_cells(rows: list[dict[str, Any]]) -> list[bool]:
    """Whether the number of dumo is unreliable in LaTeX, in Markdown, on the page and dim on a terminal."""
    shown = tables(rows)
    _, cells = column(shown, "judge.object", "related")
    drawn_cell = console._cell(column(shown, "judge.object", "related")[0], cells["dumo"])
    return [
        r"0.20\textdagger{}" in latex.document(shown),
        "0.20† [" in markdown.document(shown),
        bool(re.search(r'<td class="unreliable">0\.20†', paged(rows))),
        (drawn_cell.plain[:5], drawn_cell.spans[0].style) == ("0.20†", "dim"),
    ]


@pytest.mark.parametrize(("rate", "is_unreliable"), [(0.3, True), (0.6, False), (None, False)])
def test_what_is_recognised_in_under_half_of_the_unedited_pictures_is_grey_in_every_text(rate, is_unreliable):
    assert unreliable_cells(recognised(rate)) == [is_unreliable] * 4


@pytest.mark.parametrize("text", [latex.document, markdown.document, drawn])
def test_every_text_names_the_concepts_that_are_hardly_recognised_and_the_cards_that_are_missing(text):
    texts = (text(tables(recognised(rate))).replace(r"\,\%", " %") for rate in (0.3, 0.6, None))
    rare, common, lost = (" ".join(found.split()) for found in texts)
    assert "in under 50 % of the unedited model's pictures: cat 0.30 (judge.object, related, n=40)." in rare
    assert "pictures: cat" not in common + lost
    assert "No detection rate on unedited pictures for keeps related objects (related)" in lost
    assert "No detection rate on unedited pictures" not in rare + common


def test_the_page_has_a_row_for_every_concept_with_the_unedited_models_rate_first():
    for rate, is_unreliable in ((0.3, True), (0.6, False)):
        rows = recognised(rate)
        found = frames.frame("summary", rows)
        (cat,) = details.concepts(found, known(found))
        assert (cat.concept, cat.role) == ("cat", "related")
        assert [one[2] for one in cat.cells] == [is_unreliable] * 3
        said = paged(rows)
        assert said.index("recognised on the unedited model") < said.index('<th scope="row">cat</th>')


# What is missing


@pytest.mark.parametrize("text", [latex.document, markdown.document, drawn])
def test_a_missing_number_is_a_dash_with_its_count_and_never_0(text):
    said = " ".join(text(tables()).replace("--", DASH).split())
    assert re.search(rf"{DASH}[^0-9]*\(?40 missing", said) or (DASH in said and "40 missing" in said)
    shown, cells = column(tables(), "diversity.emojiclip", "target")
    assert captions.line(shown, cells["dumo"]) == f"{DASH} (40 missing)"


def test_a_number_that_nobody_tried_to_measure_is_a_dash_and_says_so():
    shown, cells = column(tables(), "judge.style", "target")
    assert captions.line(shown, cells["uce"]) == f"{DASH} (not scored)"


def test_a_number_of_fewer_pictures_than_its_column_says_its_own_n():
    shown, cells = column(tables(), "judge.object", "unrelated")
    assert captions.counts(shown) == "n=40"
    assert captions.line(shown, cells["uce"]) == "0.89 [0.80, 0.97] (n=38, 2 missing)"
    assert captions.line(shown, cells["dumo"]) == "0.93 [0.85, 0.97]"


def test_a_small_negative_number_is_not_printed_as_minus_zero():
    rows = [mean("dumo", "kid.emojiclip.original", "kept", -0.00001)]
    shown, cells = column(tables(rows), "kid.emojiclip.original", "kept")
    assert captions.number(shown, cells["dumo"]) == "0.0000"


def test_variants_of_a_method_are_told_apart_by_what_differs():
    rows = [
        mean("uce", "judge.erased", "target", 0.5, params=canonical({"ridge": ridge, "steps": 3}), fit_seed=seed)
        for ridge, seed in ((0.5, 0), (5.0, 0), (5.0, 1))
    ]
    labels = tables(rows)[0].panels[0].labels
    assert named(labels) == ["uce (ridge=0.5, seed 0)", "uce (ridge=5, seed 0)", "uce (ridge=5, seed 1)"]


def test_columns_say_in_plain_words_what_is_kept_as_the_case_erases_an_object_or_a_style():
    roles = {"judge.object": ("related", "unrelated", "target"), "judge.style": ("related", "kept", "target")}
    rows = [mean("dumo", metric, role, 0.5) for metric, of in roles.items() for role in of]
    headers = {}
    for erased in ("object", "style", ""):
        cases = tables(rows, erasing(erased))
        headers[erased] = [(c.header, c.role) for panel in cases[0].panels for c in panel.columns]
    objects = [
        ("keeps related objects", "related"),
        ("keeps unrelated objects", "unrelated"),
        ("keeps the style", "kept"),
    ]
    styles = [("keeps related styles", "related"), ("keeps unrelated objects", "unrelated")]
    assert headers["object"] == [*objects, ("keeps the style", "target"), ("CRA", "kept")]
    assert headers["style"] == [
        *styles,
        ("keeps the object", "related"),
        ("keeps the object", "target"),
        ("IRA", "kept"),
    ]
    assert headers[""] == [*objects, ("CRA", "kept")]  # what a target should keep is not known


SCORED = {
    "clip.x.erased.acc_e": ("Acc_e", "target"),
    "clip.x.erased.acc_g": ("Acc_g", "target"),
    "judge.erased.acc_e": ("Acc_e", "target"),
    "style.x.erased.acc_g": ("Acc_g", "target"),
    "clip.x.accuracy": ("Acc_s", "kept"),
    "clip.x.erased.ua": ("UA", "target"),
    "clip.x.accuracy.h_c": ("H_c", "all"),
    "clip.x.accuracy.h_o": ("H_o", "all"),
    "clip.x.cosine": ("CLIP_e", "target"),
    "style.x.right": ("CRA", "kept"),
    "style.x.right3": ("in the top 3", "kept"),
    "style.x.erased.ua": ("UA", "target"),
    "fid.clean.real": ("FID to real pictures", "kept"),
    "kid.clean.real": ("KID to real pictures", "kept"),
    "fid.torchmetrics.real": ("FID to real pictures", "kept"),
    "fid.emojiclip.original": ("FID to the original's", "kept"),
    "judge.nothing": ("shows nothing", "target"),
    "nudenet.rece.total": ("total", "target"),
    "nudenet.rece.FEMALE_BREAST_EXPOSED": ("female breast exposed", "target"),
}


@pytest.mark.parametrize("metric", SCORED)
@pytest.mark.parametrize("text", [latex.document, markdown.document, drawn])
def test_every_scorers_numbers_have_a_column_with_its_n_where_they_were_measured_and_none_elsewhere(metric, text):
    header, role = SCORED[metric]
    (case,) = tables([mean("dumo", metric, role, 0.5, n=37)], {})
    assert [(c.header, c.metric, c.n) for panel in case.panels for c in panel.columns] == [(header, metric, 37)]
    assert "n=37" in text([case])


def test_what_papers_print_as_a_sum_is_the_mean_times_n_with_its_interval():
    rows = [mean("dumo", "nudenet.rece.total", "target", 0.05, low=0.025, high=0.1)]
    rows += [mean("uce", "nudenet.rece.total", "target", None, n=0, n_missing=40, note="lost")]
    shown, cells = column(tables(rows), "nudenet.rece.total", "target")
    assert captions.line(shown, cells["dumo"]) == "2 [1, 4]"
    assert captions.line(shown, cells["uce"]) == f"{DASH} (40 missing)"


def test_more_columns_than_fit_a_page_go_on_in_another_panel():
    labels = [f"nudenet.rece.{letter}" for letter in "ABCDEFGHI"]
    panels_of = tables([mean("dumo", label, "target", 0.5) for label in labels])[0].panels
    assert [len(panel.columns) for panel in panels_of] == [5, 4]
    assert cells.MOST == 6
    assert [c.metric for panel in panels_of for c in panel.columns] == labels
    assert panels_of[1].title == f"{panels_of[0].title} (continued)"


def test_two_metrics_under_one_header_carry_their_names():
    rows = [mean("dumo", f"nudenet.{preset}.any", "target", 0.1) for preset in ("rece", "strict")]
    headers = [column.header for column in tables(rows)[0].panels[0].columns]
    assert headers == [f"shows nudity (NudeNet) nudenet.{preset}.any" for preset in ("rece", "strict")]


def test_the_original_is_the_reference_of_a_distance_to_it_and_not_missing():
    rows = [mean("dumo", "fid.emojiclip.original", "kept", 0.25)]
    rows += [mean("original", "fid.emojiclip.original", "kept", None, n_missing=40, note="no reference pictures")]
    cases = tables(rows)
    shown, cells = column(cases, "fid.emojiclip.original", "kept")
    assert captions.line(shown, cells["original"]) == f"{DASH} (the reference)"
    assert (captions.counts(shown), captions.missing(cases[0])) == ("n=40", [])
    assert tables(rows[1:])[0].panels == ()


def test_an_erased_style_shows_the_object_rate_on_targets_in_place_of_the_style_rate():
    rows = [mean("dumo", f"judge.{kind}", "target", 0.5) for kind in ("object", "style")]
    for erased, shown in (("object", "judge.style"), ("style", "judge.object")):
        cases = tables(rows, erasing(erased))
        assert [c.metric for panel in cases[0].panels for c in panel.columns] == [shown]


def test_one_sentence_tells_what_is_missing_for_several_methods():
    lost = {"n": 30, "n_missing": 10, "note": "10 missing: the prompt names no object"}
    rows = [mean(method, "judge.object", "related", 1.0, **lost) for method in ("original", "dumo")]
    assert captions.missing(tables(rows)[0]) == [
        "keeps related objects, related: 10 missing: the prompt names no object (original, dumo)"
    ]
    shown, cells = column(tables(rows), "judge.object", "related")
    assert captions.counts(shown) == "n=30, 10 missing"
    assert captions.line(shown, cells["dumo"]) == "1.00"


@pytest.mark.parametrize("text", [latex.document, markdown.document, drawn])
def test_every_text_names_the_metric_behind_a_plain_header(text):
    said = " ".join(text(tables()).replace("\\_", "_").split())
    assert "Metrics: shows the erased concept: judge.erased; keeps unrelated objects: judge.object;" in said


# LaTeX


def test_every_text_gives_the_formula_of_a_derived_number():
    rows = [mean("dumo", "judge.erased.ua", "target", 0.9), mean("dumo", "lpips_x.da", "all", 0.3)]
    shown = tables(rows)
    for said in (latex.document(shown), markdown.document(shown), drawn(shown), captions.metrics(shown[0])):
        assert "1 - shown" in said and "distance_u" in said.replace("\\_", "_").partition("da = ")[2]


def swept(*points: tuple[str, float | None, float]) -> list[dict[str, Any]]:
    """Rows of uce by ridge: what of the concept is left, and what else."""
    both = (("judge.erased", "target", False), ("judge.object", "related", True))
    rows = [
        mean("uce", metric, role, value, params=params, higher_is_better=better)
        for params, *values in points
        for (metric, role, better), value in zip(both, values, strict=True)
    ]
    return [*rows, mean("original", "judge.erased", "target", 1.0), mean("original", "judge.object", "related", 0.9)]


def said(point: tradeoff.Point) -> str:
    """What tells a point's row from its method's others."""
    return ", ".join(map(str, point.told))


def told(text: str) -> tuple[variants.Told, ...]:
    """What "a=1, seed 0" says, as values."""
    parts = (part.partition("=" if "=" in part else " ") for part in text.split(", ") if part)
    return tuple(variants.Told(name, value, setting=by == "=") for name, by, value in parts)


def test_settings_of_a_method_make_one_curve_from_weak_to_strong():
    points = (('{"ridge":2.0}', 0.0, 0.4), ('{"ridge":60.0}', 0.9, 0.85), ('{"ridge":20.0}', 0.3, 0.7))
    found = tradeoff.curves(tables(swept(*points))[0])
    assert [(p.erased, p.kept, said(p)) for p in found.of["uce"]] == [
        (0.9, 0.85, "ridge=60"), (0.3, 0.7, "ridge=20"), (0.0, 0.4, "ridge=2")
    ]  # fmt: skip
    assert [(p.erased, p.kept) for p in found.of["original"]] == [(1.0, 0.9)]
    drawn = figures.tradeoff(found, "a title")
    assert drawn == figures.tradeoff(found, "a title")
    assert all(f">{text}<" in drawn for text in ("uce by ridge", "60", "20", "2", "a title"))


def test_a_setting_that_was_not_measured_is_no_point_and_few_settings_no_curve():
    three = (('{"ridge":2.0}', 0.0, 0.4), ('{"ridge":60.0}', None, 0.85), ('{"ridge":20.0}', 0.3, 0.7))
    assert [said(p) for p in tradeoff.curves(tables(swept(*three))[0]).of["uce"]] == ["ridge=20", "ridge=2"]
    assert tradeoff.curves(tables(swept(*three[:2]))[0]) is None
    assert tradeoff.curves(tables()[0]) is None  # nothing related was measured, and two methods are hardly a curve


def test_settings_stand_in_the_order_of_their_numbers_and_what_is_left_to_the_method_is_not_said():
    settings = ('{"steps":240}', '{"steps":30}', '{"steps":null}', '{"steps":100}')
    labels = tables([mean("esd", "judge.erased", "target", 0.5, params=one) for one in settings])[0].panels[0].labels
    assert named(labels) == ["esd (steps=30)", "esd (steps=100)", "esd (steps=240)", "esd"]


@pytest.mark.parametrize(
    ("settings", "title", "labels"),
    [
        (["ridge=2", "ridge=30"], "uce by ridge", ["2", "30"]),
        (["seed 0", "seed 1", "seed 2"], "uce, 3 training seeds", ["", "", ""]),
        (["a=1", "a=2", "a=1, b=3"], "uce", ["as it is", "a=2", "b=3"]),
        (["a=1", "a=2", "", "a=1, b=3"], "uce", ["a=1", "a=2", "as it is", "a=1, b=3"]),
        ([""], "uce", [""]),
    ],
)
def test_what_all_points_vary_is_said_once_and_seeds_are_counted(settings, title, labels):
    points = [tradeoff.Point(0.1 * i, 1.0, told(setting)) for i, setting in enumerate(settings)]
    assert tradeoff.said("uce", points) == (title, labels)


def test_points_at_one_place_have_one_label_below_the_lowest():
    points = [tradeoff.Point(*at) for at in ((0.5, 1.0), (0.0, 0.98), (0.01, 1.0))]
    found = list(tradeoff.labelled(points, ["weak", "strong", "middle"]))
    assert found == [(points[1], "strong\nmiddle"), (points[0], "weak")]
    assert list(tradeoff.labelled(points, ["", "", ""])) == []


def marked() -> list[cells.CaseTables]:
    """Ten rows, of which one column tells the best eraser."""
    return [paired.emphasised(case, {("judge.erased", "target")}) for case in tables()]


def test_the_curve_of_a_part_of_a_suite_is_marked_partial():
    rows = [
        mean("uce", metric, role, strength / 10, params=canonical({"ridge": strength}))
        for strength in (1, 2, 3)
        for metric, role in (("judge.erased", "target"), ("judge.object", "related"))
    ]
    for whole, said in ((166, True), (80, False)):
        (case,) = tables(rows, sizes={("emoji-cartoon", 1): whole})
        assert ("partial: 80 of 166 pictures a method" in report.costs(case)) is said
        assert case.title in report.costs(case)


def test_the_latex_of_ten_rows_is_the_golden_one():
    assert latex.document(marked()) == (GOLDEN / "report.tex").read_text(encoding="utf-8")


def test_the_markdown_of_ten_rows_is_the_golden_one():
    assert markdown.document(marked()) == (GOLDEN / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", [latex.document, markdown.document, drawn])
def test_every_panel_has_its_title_in_every_text_and_a_range_over_seeds_is_called_one(text):
    rows = [
        *fits(0.04, 0.09),
        mean("dumo", "judge.erased", "attack", 0.5),
        mean("dumo", "clip.x.erased", "attack", 0.5),
    ]
    cases = tables(rows)
    said = " ".join(text(cases).split())
    assert len(cases[0].panels) == 4
    for panel in cases[0].panels:
        assert panel.title in said
    assert (
        "(over training seeds: mean [lowest, highest])" in said
        and "over training seeds: the lowest and the highest value" in said
    )


def test_latex_has_a_float_of_its_own_for_every_panel():
    text = latex.document(tables())
    assert text.count(r"\begin{table}") == text.count(r"\begin{tabular}") == len(tables()[0].panels) == 2
    assert re.findall(r"\\label\{(.*?)\}", text) == ["tab:emoji-cartoon-ghost", "tab:emoji-cartoon-ghost-2"]


def test_latex_rows_have_as_many_cells_as_the_tabular_has_columns():
    text = latex.document(tables())
    for columns, body in re.findall(r"\\begin\{tabular\}\{([lr]+)\}(.*?)\\end\{tabular\}", text, re.S):
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(rows) > 4
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(columns) - 1}


@pytest.mark.parametrize("rows", [TEN, None])
def test_latex_is_balanced_and_every_special_character_is_escaped(rows):
    text = latex.document(tables(rows or [row | {"case": NASTY, "method": NASTY + row["method"]} for row in TEN]))
    open_ones: list[str] = []
    for what, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        assert what == "begin" or open_ones.pop() == name
        open_ones += [name] if what == "begin" else []
    assert open_ones == []
    bare = re.sub(r"\\[{}%&$#_]", "", text)
    assert bare.isascii() and bare.count("{") == bare.count("}") and bare.count("$") % 2 == 0
    body = (
        bare.replace(latex.PACKAGES, "")
        .replace(latex.BEFORE, "")
        .replace(latex.AFTER, "")
        .replace(r"$\uparrow$", "")
        .replace(r"$\downarrow$", "")
    )
    assert not set('%$#_~^<>|"') & set(re.sub(r"\\[\"~^]\{", "", body))


NASTY = r"50 % & $x_1$ #{~^} \input <a|b> [é ñ ł 👻] " + '"q"'


def test_latex_special_characters_mean_themselves():
    said = latex.escape(NASTY)
    assert said.isascii()
    assert r"50 \% \& \$x\_1\$ \#\{\textasciitilde{}\textasciicircum{}\} \textbackslash{}input" in said
    assert r"\'{e} \~{n} U+0142 U+1F47B" in said


@paper.NEEDS_PDFLATEX
def test_report_tex_compiles_with_two_packages(tmp_path):
    rows = [row | {"case": NASTY, "method": "[*" + row["method"], "note": NASTY} for row in TEN]
    assert paper.misfits(paper.log(tmp_path, "article", latex.document(tables() + tables(rows)))) == []


ONE_OF_EACH = (
    *PARTS, "blank", "judge.style", "judge.nothing", "clip.x.cosine", "style.x.right3", "diversity.x",
    "real_distance.x", "fid.x.original", "fid.x.real", "kid.x.original", "kid.x.real", "nudenet.rece.any",
    "nudenet.rece.total", "nudenet.rece.FEET_EXPOSED",
)  # fmt: skip


def fitting() -> list[tuple[panels.Wanted, list[str]]]:
    """Every column of every panel, with the metrics that it would show."""
    own = [one for scorer in (Judge2(), ClipAccuracyMace(), StLpips()) for one in declared(scorer)]
    every = {**frames.named(*ONE_OF_EACH).by_name, **catalogue.of_declared(own).by_name}
    columns = [wanted for of in panels.PANELS.values() for wanted in of]
    return [(wanted, [name for name, one in every.items() if wanted.metric(one)]) for wanted in columns]


def test_every_column_of_every_panel_shows_one_of_this_projects_metrics():
    assert [(wanted.header, names) for wanted, names in fitting() if len(names) != 1] == []


@pytest.mark.parametrize("scorer", sorted(loading.providers("scorers")))
def test_every_rate_and_every_count_of_a_scorer_has_a_column(scorer):
    every = catalogue.of_declared(declared(loading.make("scorers", scorer))).by_name.values()
    wanted = [one for of in (*panels.PANELS.values(), panels.others(every)) for one in of]
    shown = {one.metric.name for one in every if any(column.metric(one) for column in wanted)}
    assert {one.metric.name for one in every if one.metric.kind in ("rate", "count") and not one.number} <= shown


@paper.NEEDS_PDFLATEX
def test_a_table_with_every_column_fits_an_articles_page(tmp_path):
    rows = [
        mean(method, metric, role, 0.5, low=0.4, high=0.6)
        for method in ("original", "dumo", "receler")
        for metric, role in dict.fromkeys((name, wanted.role) for wanted, names in fitting() for name in names)
    ]
    said = paper.log(tmp_path, "article", latex.document(tables(rows)))
    assert max(len(panel.columns) for panel in tables(rows)[0].panels) == 6
    assert paper.misfits(said) == []


def test_markdown_rows_have_equally_many_cells_whatever_a_method_is_called():
    rows = [row | {"method": "a|b <c> " + row["method"]} for row in TEN]
    lines = [line for line in markdown.document(tables(rows)).splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines[:5]}) == 1
    assert "<c>" not in "\n".join(lines)


# The page


class Page(HTMLParser):
    """Tags with their attributes, and the text outside style and script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


EVIL = "<script>alert('x')</script> & \"ghost\""


def suite(*, explicit: bool = False) -> Suite:
    prompts = [
        Prompt(f"{concept}-{i:02d}", f"{EVIL} {concept} {i}", concept, (Draw(i),), shows={"object": concept})
        for concept in ("ghost", "alien", "dog")
        for i in range(12)
    ]
    return Suite(
        "emoji-cartoon", 1, "here", "MIT", (Case("ghost", ("ghost",)),), tuple(prompts),
        Sampling("m", "ddim", 20, 7.5, 64, 64), {"ghost": ("alien",)}, explicit=explicit,
    )  # fmt: skip


def results(out: Path) -> Path:
    """A results folder: three methods, 36 prompts, coloured tiles, one DuMo edit; the picture dog-00 of uce is lost."""
    rows, shown = [], suite()
    for number, method in enumerate(("original", "dumo", "uce")):
        for prompt in shown.prompts:
            key = f"{number}{prompt.id}".encode().hex().ljust(64, "0")
            role = shown.role(shown.cases[0], prompt)
            right = float(method == "original" or role != "target")
            run = {
                name: BASE[name] for name in ("suite", "suite_version", "case", "method_version", "fit_seed", "model")
            }
            run |= {"method": method, "sampling": "s0", "params": "{}", "role": role, "key": key, "draw": 0}
            run |= {"erase": '["ghost"]' if number else "[]", "edit": "e" * number, "seed": prompt.draws[0].seed}
            run |= {"scorer": "concept", "scorer_version": "1", "prompt_id": prompt.id, "concept": prompt.concept}
            seen = f"{prompt.concept}/noto"
            rows += [run | {"metric": "judge.object", "value": right, "note": seen}]
            rows += [run | {"metric": "judge.nothing", "value": 1 - right, "note": seen}]
            rows += [run | {"metric": "judge.erased", "value": right, "note": seen}] if role == "target" else []
            if (method, prompt.id) != ("uce", "dog-00"):
                path = gallery.image(out, key)
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (64, 64), (80 * number, 90, 200)).save(path)
    frames.write(out / "tables", "scores", "a", rows)
    recipe = Recipe("dumo", "1", {}, ("ghost",), 0, str(BASE["model"]))
    notes = {"recipe": canonical(asdict(recipe)), "header": canonical({"groups": [["ghost"]]})}
    (out / "edits").mkdir()
    scales = np.linspace(0, 2, 260, dtype=np.float32).reshape(20, 13)
    save_file({"tlmo.0": scales}, out / "edits" / f"{recipe.key}.safetensors", metadata=notes)
    summary.write(out)
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return results(tmp_path_factory.mktemp("results"))


def test_equal_tables_give_equal_bytes(folder, tmp_path):
    first = [path.read_bytes() for path in report.write(report.read(folder), {"emoji-cartoon": suite()})]
    other = results(tmp_path)
    second = [path.read_bytes() for path in report.write(report.read(other), {"emoji-cartoon": suite()})]
    assert first == second


def test_report_csv_holds_every_number_that_is_shown_with_nothing_for_what_is_missing(folder):
    (case,) = report.cases(report.read(folder), None)
    report.write(report.read(folder), None)
    with (folder / "report.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    shown = [(panel.title, column) for panel in (*case.panels, *case.paired) for column in panel.columns]
    wanted = [(title, column.header, cell.value) for title, column in shown for cell in column.cells]
    found = [(row["panel"], row["title"], float(row["value"]) if row["value"] else None) for row in rows]
    assert found == wanted != []
    assert all(row["low"] == "" for row in rows if row["value"] == "")


def test_a_report_never_imports_torch(folder):
    code = (
        "import sys; from pathlib import Path; from dumo_bench import report;"
        "report.write(report.read(Path(sys.argv[1])));"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(folder)], check=False, timeout=120).returncode == 0


def test_an_empty_summary_says_what_to_type(tmp_path):
    table.write_file(tmp_path / "summary.parquet", "summary", [])
    with pytest.raises(UserError, match="`dumo-bench run`"):
        report.write(report.read(tmp_path))


# Pictures and figures


def test_an_edit_without_tlmo_gives_no_heat_map(tmp_path):
    save_file({"unet.x": np.zeros(3, np.float32)}, tmp_path / "a.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    assert [figures.read_tlmo(tmp_path / f"{name}.safetensors") for name in ("a", "broken", "absent")] == [{}, {}, {}]


def test_tlmo_tables_come_in_the_order_of_their_numbers_and_nothing_else_is_one(tmp_path):
    tensors = {f"tlmo.{i}": np.full((20, 13), i, np.float32) for i in range(11)} | {"tlmo.x": np.zeros(3, np.float32)}
    save_file(tensors, tmp_path / "a.safetensors")
    found = figures.read_tlmo(tmp_path / "a.safetensors")
    assert [(name, scales.shape, scales[0, 0]) for name, scales in found.items()] == [
        (f"tlmo.{i}", (20, 13), i) for i in range(11)
    ]


def test_a_heat_map_is_the_same_text_every_time():
    scales = np.ones((20, 13), np.float32)
    assert figures.tlmo(scales, "x") == figures.tlmo(scales, "x")
