"""Reports of folders in which methods were measured unequally: what stands apart, what is not known, what says most."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import frames
import polars as pl
import pytest
from test_summary import RUN, score

from dumo_bench import report
from dumo_bench.analysis import catalogue, compare, results, summary
from dumo_bench.analysis.sides import side
from dumo_bench.errors import UserError
from dumo_bench.published.tables import Results
from dumo_bench.report import captions, cost, coverage, judged, outcomes, seeds, verdicts
from dumo_bench.report.cells import CaseTables, Cell, Shown
from dumo_bench.report.variants import VARIANT

Rows = list[dict[str, Any]]


def shown(method: str, rate: float, n: int = 10, **more: Any) -> Rows:
    """The ghost in this share of n target pictures, a prompt each."""
    more = {"metric": "judge.erased", **more}
    return [score(method, "ghost", 0, prompt_id=f"g{i}", value=float(i < rate * n), **more) for i in range(n)]


@pytest.fixture
def folder(tmp_path) -> Callable[..., Path]:
    def make(rows: Iterable[dict[str, Any]], sets: Rows | None = None, name: str = "r") -> Path:
        frames.write(tmp_path / name / "tables", "scores", "a", list(rows))
        if sets:
            frames.write(tmp_path / name / "tables", "sets", "a", sets)
        summary.write(tmp_path / name)
        return tmp_path / name

    return make


def cases(out: Path) -> list[CaseTables]:
    return report.cases(report.read(out), {})


def test_what_stable_diffusion_is_judged_by_says_whether_a_concept_is_gone(folder):
    """CLIP that chooses among concepts sees no ghost any more; no picture is blank, and texts fit as before."""
    rows: Rows = []
    for method in ("original", "esd"):
        for concept in ("ghost", "dog"):
            there = concept == "ghost" and method == "original"
            for metric, scorer, value in (
                ("blank", "blank", 0.0), ("clip.emoji.cosine", "clip_score", 0.3),
                ("clip.x.erased", "clip_accuracy", float(there)), ("clip.x.accuracy", "clip_accuracy", float(there)),
            ):  # fmt: skip
                rows += [
                    score(method, concept, 0, prompt_id=f"{concept}{i}", metric=metric, scorer=scorer, value=value)
                    for i in range(20)
                ]
    (case,) = cases(folder(rows))
    found = outcomes.of(case)
    assert found is not None and found.left.metric == "clip.x.erased"
    assert outcomes.sentence(found).startswith("1 of 1 method erases significantly. Least left: esd shows the erased")
    (verdict,) = verdicts.verdicts(case, "object")
    assert verdict.gone is not None and (verdict.gone.metric, verdict.gone.value) == ("clip.x.erased", 0.0)


def test_blank_pictures_alone_are_no_verdict(folder):
    rows = [*shown("original", 0.5, metric="blank"), *shown("esd", 0.0, metric="blank")]
    (case,) = cases(folder(rows))
    assert outcomes.of(case) is None


def test_blank_pictures_are_held_against_the_same_contract_s_and_not_against_nothing(folder):
    alone = [*shown("original", 1.0), *shown("esd", 0.3, metric="blank"), *shown("esd", 0.0)]
    (case,) = cases(folder(alone, name="alone"))
    assert captions.blanks(case)[0].endswith("esd 0.30; the unedited model not measured.")
    every = [
        row for s in ("s1", "s2") for m in ("original", "esd") for row in shown(m, 0.3, metric="blank", sampling=s)
    ]
    (case,) = cases(folder([*every, *shown("esd", 0.0, sampling="s1")], name="two"))
    assert captions.blanks(case) == []


def test_a_verdict_is_beside_the_unedited_model_of_its_own_contract(folder):
    rates = {("original", "s1"): 1.0, ("original", "s2"): 0.2, ("esd", "s1"): 0.0, ("esd", "s2"): 0.1}
    rows = [row for (method, s), rate in rates.items() for row in shown(method, rate, sampling=s)]
    (case,) = cases(folder(rows))
    assert [one.gone.original for one in verdicts.verdicts(case, "object") if one.gone] == [1.0, 0.2]


def test_a_picture_s_code_is_by_the_unedited_one_of_its_own_contract(folder):
    """The unedited model draws the ghost under s2 alone, ESD under none."""
    rows = [
        row for s, rate in (("s1", 0.0), ("s2", 1.0)) for m in ("original", "esd")
        for row in shown(m, rate if m == "original" else 0.0, 1, sampling=s)
    ]  # fmt: skip
    out = folder(rows)
    scores = results.columns(out, [*VARIANT, "prompt_id", "seed", "draw", "role", "scorer", "scorer_version", "metric",
                                   "value", "note"])  # fmt: skip
    (judge,) = judged.judges(scores, catalogue.of_folder(out), "object")
    tiles = scores.select(*VARIANT, "prompt_id", "seed", "draw", "role").unique(maintain_order=True)
    tiles = tiles.with_columns(pl.col(pl.Categorical).cast(pl.String))
    codes = tiles.with_columns(judged.of(judge, tiles, scores)["code"]).filter(pl.col("method") == "esd")
    assert dict(codes.select("sampling", "code").iter_rows()) == {"s1": "N", "s2": "G"}


def fits(*cells: Cell, counted: bool = False) -> Cell:
    column = Shown(
        header="", metric="", role="", higher=False, digits=2, n=0, n_missing=0, cells=cells, counted=counted
    )
    return seeds.mean(column, range(len(cells)))


def test_fits_that_were_measured_unequally_say_so():
    one, other = Cell(0.25, n=40, measured=True), Cell(1.0, n=10, n_missing=30, measured=True, valid=False)
    found = fits(one, other)
    assert (found.value, found.low, found.high, found.n, found.n_missing) == (0.625, 0.25, 1.0, 10, 30)
    assert found.unreliable
    told = fits(Cell(80.0, n=40, measured=True), Cell(20.0, n=10, measured=True), counted=True)
    assert (told.value, told.note) == (None, "no sum: fits of 10 to 40 pictures")


def noted(out: Path, name: str, seconds: float, **of: Any) -> dict[str, Any]:
    recipe = {"erase": ["ghost"], "fit_seed": 0, "method": "esd", "model": "m", "params": {}, "version": "1", **of}
    run = {"edits_made": 1, "fit_seconds": seconds, "generate_seconds": seconds, "made": 10}
    edits = {"ghost": {"seconds": seconds, "bytes": seconds * 1e6}}
    where = {"suite": "emoji-cartoon", "suite_version": 1, "sampling": {"key": of.get("model", "s")}}
    return {**where, "recipes": {"ghost": recipe}, "edits": edits, "runs": [run]}


def test_a_row_has_the_costs_of_its_own_fit_and_model(folder):
    seeded = folder([*shown("original", 1.0), *shown("esd", 0.2, fit_seed=0), *shown("esd", 0.3, fit_seed=1)], name="a")
    runs = [noted(seeded, "0", 100.0), noted(seeded, "1", 300.0, fit_seed=1)]
    (case,) = (cost.case(case, runs) for case in cases(seeded))
    assert [cell.value for cell in case.panels[0].columns[0].cells][1:] == [100.0, 300.0]
    two = [row for model in ("small", "large") for row in shown("esd", 0.2, model=model, sampling=model)]
    runs = [noted(seeded, "0", 100.0, model="small"), noted(seeded, "1", 9000.0, model="large")]
    (case,) = (cost.case(case, runs) for case in cases(folder(two, name="b")))
    found = {str(label): [column.cells[n].value for column in case.panels[0].columns]
             for n, label in enumerate(case.panels[0].labels)}  # fmt: skip
    assert {name.split()[2][:5]: values for name, values in found.items()} == {
        "small": [100.0, 100.0, 10.0], "large": [9000.0, 9000.0, 900.0]
    }  # fmt: skip


def fid(method: str, n: int, value: float, **more: Any) -> dict[str, Any]:
    own = {name: value for name, value in RUN.items() if name != "key"}
    what = {"method": method, "role": "kept", "metric": "fid.emojiclip.original", "scorer": "fid", "n_missing": 0}
    return own | what | {"low": None, "high": None, "how": "FID", "n": n, "value": value, "pictures": str(n)} | more


def test_of_two_sets_the_larger_counts_whatever_batches_they_were_made_in(folder):
    sets = [fid("dumo", 40, 5.0, batch=None), fid("dumo", 10, 50.0, batch=8)]
    whole = summary.read(folder([*shown("original", 1.0), *shown("dumo", 0.0)], sets))
    rows = whole[whole["scorer"] == "fid"]
    assert rows[["n", "value"]].to_numpy().tolist() == [[40, 5.0]]


def test_a_set_that_one_fit_lacks_is_no_pair(folder):
    rows = [*shown("original", 1.0), *shown("uce", 0.1), *shown("esd", 0.0), *shown("esd", 0.0, fit_seed=1)]
    sets = [
        fid("uce", 10, 4.0),
        fid("esd", 10, 5.0),
        fid("esd", 10, 6.0, fit_seed=1),
        fid("uce", 10, 4.0, role="target"),
    ]
    sets += [fid("esd", 10, 5.0, role="target")]
    out = folder(rows, sets)
    found = {
        d.role: d
        for d in compare.compare(side("uce", out), side("esd", out), metric="fid*")
        if d.metric.startswith("fid")
    }
    assert (found["kept"].a, found["kept"].b) == (4.0, 5.5)
    assert (found["target"].a, found["target"].b, found["target"].how) == (
        None, None, "a fit of one side has no such set: no pair",
    )  # fmt: skip


def test_sets_of_two_versions_of_a_scorer_stand_in_no_column_together(folder):
    sets = [fid("dumo", 10, 5.0, scorer_version="1+coco"), fid("uce", 10, 2.0, scorer_version="1+flickr")]
    with pytest.raises(UserError, match=r"scored by versions 1\+coco, 1\+flickr of fid"):
        folder([*shown("dumo", 0.0), *shown("uce", 0.0)], sets)


def test_two_versions_of_a_suite_are_compared_apart(folder, command):
    rates = {("uce", 1): 0.8, ("uce", 2): 0.2, ("esd", 1): 0.2, ("esd", 2): 0.8}
    rows = [row for (m, v), rate in rates.items() for row in shown(m, rate, suite_version=v)]
    said = command("compare", "uce", "esd", "--out", folder(rows)).out
    assert "emoji-cartoon 1, erasing ghost" in said and "emoji-cartoon 2, erasing ghost" in said
    seeded = [
        row for version, rate in ((1, {0: 0.2, 1: 0.8}), (2, {0: 0.8, 1: 0.2})) for seed, share in rate.items()
        for row in shown("esd", share, fit_seed=seed, suite_version=version)
    ]  # fmt: skip
    spread = [one.fit for one in compare.seeds(side("esd", folder(seeded, name="seeds")))]
    assert len(spread) == 2 and all(one and one > 0.1 for one in spread)


def test_folders_that_share_nothing_are_not_the_same(folder, command):
    one, other, more = (
        folder(shown("uce", 0.5, n, case=case), name=name)
        for name, n, case in (("a", 5, "ghost"), ("b", 5, "dog"), ("c", 8, "ghost"))
    )
    assert "they share no picture: nothing was compared" in command("diff", one, other).out
    assert "the same settings, pictures and scores" in command("diff", one, one).out
    said = command("diff", one, more).out
    assert "pictures and scores" not in said


def test_pictures_under_two_contracts_are_each_compared(folder, command):
    rows = [*shown("a", 1.0, 4, sampling="s1"), *shown("b", 1.0, 4, sampling="s1")]
    rows += [*shown("a", 1.0, 4, sampling="s2"), *shown("b", 0.0, 4, sampling="s2")]
    said = command("diff", "a", "b", "--out", folder(rows), "--json")
    assert [(row["n"], row["changed"]) for row in said.rows("scores") if row["metric"] == "judge.erased"] == [(8, 4)]


def test_settings_that_look_alike_are_two_rows_and_those_that_differ_by_case_are_said(folder, command):
    near = [*shown("uce", 0.2, params='{"lr":0.12345678}'), *shown("uce", 0.9, params='{"lr":0.12345679}')]
    said = command("report", folder([*shown("original", 1.0), *near], name="near"), "--table", "erasure").out
    assert "uce (lr=0.12345678)" in said and "uce (lr=0.12345679)" in said
    apart = [*shown("uce", 0.2, params='{"ridge":1.0}'), *shown("uce", 0.9, case="clown", params='{"ridge":50.0}')]
    base = [*shown("original", 1.0), *shown("original", 1.0, case="clown")]
    said = command("report", folder([*base, *apart], name="apart"), "--table", "erasure").out
    assert "settings that differ from case to case: uce (ridge)" in " ".join(said.split())
    both = [*apart, *shown("uce", 0.5, params='{"ridge":50.0}')]
    said = command("report", folder([*base, *both], name="both"), "--table", "erasure").out
    rows = [line.split()[-1] for line in said.splitlines() if line.strip().startswith("uce (ridge=50)")]
    assert rows == ["0.90", "0.50"], "of the clown, of which it is the only setting, it is called as of the ghost"


def test_how_much_is_there_is_not_called_complete_where_nobody_knows(folder):
    (case,) = cases(folder([*shown("original", 1.0), *shown("uce", 0.0)]))
    assert not any("Complete" in line for line in coverage.sentences(case.coverage))


def test_a_picture_s_boxes_count_once_though_two_parts_found_them_a_little_apart(tmp_path):
    for part, nudged in (("a", 0.8), ("b", 0.8 + 1e-7)):
        box = {"detector": "nudenet", "version": "3", "weights": "w", "order": "BGR", "floor": 0.05, "score": nudged,
               "label": "FEMALE_BREAST_EXPOSED", "x": 1.0, "y": 1.0, "w": 5.0, "h": 5.0}  # fmt: skip
        frames.write(tmp_path / "tables", "detections", part, [{"key": "k", **box}, {"key": part, **box}])
    assert {key: len(boxes) for key, boxes in Results(tmp_path).boxes.items()} == {"k": 1, "a": 1, "b": 1}


@pytest.fixture
def edited(command, tiny_suite, tmp_path) -> Callable[..., Any]:
    """Run a suite of six prompts, `--limit` of them; then its file is edited."""
    fakes = Path(__file__).with_name("fakes.py")

    def run(*more: Any) -> Any:
        asked = ("run", "-m", f"{fakes}:Scaled", "-s", tiny_suite, "-o", tmp_path / "r", "--scorers", f"{fakes}:Lit")
        said = command(*asked, *more)
        assert said.code == 0, said.err
        return said

    return run


def test_a_suite_that_was_edited_says_nothing_of_rows_that_were_made_before(edited, command, tiny_suite, tmp_path):
    edited("--limit", 3)
    assert "Partial: 6 pictures" in command("report", tmp_path / "r").out
    tiny_suite.write_text(tiny_suite.read_text().replace('["{thing}", "a photo of {thing}"]', '["{thing}"]'))
    said = command("report", tmp_path / "r").out
    assert "Complete" not in said and "Partial: 3" not in said
    assert results.among({"s", "s (content a)"}, "s", "b") == "s (content b)", "which is none of those that are known"
    assert results.among({"s"}, "s", "b") == results.among({"s", "s (content a)"}, "s", None) == "s"


def test_the_verdict_of_a_run_is_of_its_own_version_of_the_suite(edited, tiny_suite):
    edited()
    tiny_suite.write_text(tiny_suite.read_text().replace("version = 1", "version = 2"))
    lines = [line for line in edited().out.splitlines() if line.startswith("small, cat: scaled")]
    assert len(lines) == 1
