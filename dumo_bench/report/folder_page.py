"""The page of a results folder: its tables, its pictures and what else lies there, read once and put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from dumo_bench.analysis import curves, kinds, nudity, results
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.analysis.scores import Scores
from dumo_bench.errors import UserError
from dumo_bench.report import attack_rows, contract, gallery, page, pictures, thumbnails
from dumo_bench.report.cells import CaseTables
from dumo_bench.report.charts.of_case import More
from dumo_bench.report.page_parts import Gallery
from dumo_bench.report.scale import Cost, Scale
from dumo_bench.report.variants import VARIANT, variants
from dumo_bench.storage import copies, table
from dumo_bench.storage.store import Store
from dumo_bench.types import Suite

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Images: TypeAlias = Literal["inside", "served", "none"]  # small copies in the page, all beside it, none


class Given(NamedTuple):
    """What a page is made from: a results folder, its summary, its metrics, how its pictures were sampled, its suites,
    its tables, and its scales with their figures."""

    out: Path
    summary: pd.DataFrame
    metrics: Catalogue
    contracts: contract.Contracts
    suites: Mapping[str, Suite]
    shown: Sequence[CaseTables]
    scales: Sequence[tuple[Scale, str]] = ()


def text(given: Given, attacked: Sequence[attack_rows.Row] = (), images: Images = "inside") -> str:
    """The page. Prompts of an explicit suite, or of one that is not known, are ids, and their pictures blurred.

    attacked: what attacks brought back, of all cases.
    """
    shows = images != "none" and (given.out / "images").is_dir()  # without: tables alone, as they are passed on
    scores = Scores.of_folder(given.out, pictures.COLUMNS if shows else ["key"], pictures.BY)
    frames = page.Frames(scores, given.summary, given.metrics)
    tuned = curves.read(given.summary, given.metrics)
    swept = _swept(given)
    erases = kinds.of_rows(given.summary) | kinds.of_suites(given.suites.values())
    sections = []
    for case in given.shown:
        edits = _edits(scores.of_case(case.suite, case.version, case.case), given.out)
        more = More(
            costs={label: _cost(edit) for label, edit in edits.items()},
            losses={label: told for label, edit in edits.items() if (told := edit.header.get("curves"))},
            swept=swept.get((case.suite, case.version, case.case), {}),
            tuned=[one for one in tuned if (one.suite, one.case) == (case.suite, case.case)],
        )
        sections.append(
            page.section(case, frames, given.out, more, erases.get((case.suite, case.version, case.case), ""))
        )
    shown = _gallery(given, scores, erases, images) if shows else None
    return page.render(sections, given.scales, attacked, ran=_ran(given, scores), shown=shown)


def _ran(given: Given, scores: Scores) -> page.Ran:
    models = sorted({str(one["model"]) for one in given.contracts.values()})
    methods = sorted(set(given.summary["method"]))
    edited = [one for one in methods if one != REFERENCE]
    scorers, sampled = sorted(given.summary["scorer"].unique()), sorted(given.summary["sampling"].unique())
    told = contract.line(sampled, given.contracts), results.said(given.out)
    return page.Ran(models, REFERENCE in methods, edited, scorers, _pictures(scores), *told)


def _pictures(scores: Scores) -> int:
    """How many pictures were scored, by hashes of their keys; of a million two are the same once in 30 million."""
    import polars as pl

    return pl.concat([part["key"].hash().unique() for part in scores.each(["key"])]).n_unique()


def _gallery(given: Given, scores: Scores, erases: kinds.Kinds, images: Images) -> Gallery | None:
    cases = [
        pictures.Of(one, prompt_texts(given.suites.get(one.suite)), erases.get((one.suite, one.version, one.case), ""))
        for one in given.shown
    ]
    found = pictures.of(cases, scores, given.metrics)
    if images == "served" or not found.keys:
        return Gallery(found.data, found.keys) if found.keys else None
    copies.several(given.out / "images", [gallery.image(given.out, key) for key in found.keys])  # at once, of a store
    small = thumbnails.inside([partial(gallery.own, given.out, key) for key in found.keys])
    return Gallery(found.data, found.keys, small.copies, small.left_out)


def prompt_texts(suite: Suite | None) -> dict[str, str] | None:
    """The texts of a suite by prompt id, or None when they are not to be shown."""
    return None if suite is None or suite.explicit else {prompt.id: prompt.text for prompt in suite.prompts}


class _Edit(NamedTuple):
    """What an edit's file tells of how it was made, and its bytes."""

    header: Mapping[str, Any]
    bytes: int


def _edits(rows: pl.DataFrame, out: Path) -> dict[str, _Edit]:
    """The edit of each row of a case by the row's name, where its file is there."""
    found, store = {}, Store(out)
    for label, recipe in gallery.recipes(rows).items():
        with suppress(UserError, OSError):  # deleted, or of another: the page is whole without it
            found[label] = _Edit(store.edit_header(recipe), store.edit_path(recipe).stat().st_size)
    return found


def _cost(edit: _Edit) -> Cost:
    seconds = edit.header.get("seconds")
    return Cost(seconds if isinstance(seconds, (int, float)) else None, edit.bytes)


def _swept(given: Given) -> dict[tuple[str, int, str], dict[str, list[dict[str, Any]]]]:
    """Of each case NudeNet's rates over thresholds on its target prompts, by the name of the row; where it was run."""
    if "nudenet" not in set(given.summary["scorer"]) or not table.names_of_parts(given.out / "tables", "detections"):
        return {}
    try:
        boxes = nudity.pictures(given.out, "BGR")
    except UserError:
        return {}  # boxes of another channel order alone
    found: dict[tuple[str, int, str], dict[str, list[dict[str, Any]]]] = {}
    for key, there in boxes.items():
        own = given.summary[(given.summary["suite"] == key.suite) & (given.summary["case"] == key.case)]
        label = variants(own[own["concept"] == "*"]).get(tuple(getattr(key, name) for name in VARIANT))
        seen = {place: one for place, one in there.items() if one is not None}
        if key.role == "target" and label and seen:
            group = nudity.Group("", list(seen.values()), [str(place[0]) for place in seen], 0)
            found.setdefault((key.suite, key.suite_version, key.case), {})[str(label)] = nudity.swept(group)
    return found
