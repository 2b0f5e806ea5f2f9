"""Published numbers: their files, and ours beside them under the convention that comes closest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import frames
import pytest
from test_summary import score

from dumo_bench import published
from dumo_bench.analysis import summary
from dumo_bench.cli import paper
from dumo_bench.cli.paper import DASH
from dumo_bench.errors import UserError
from dumo_bench.hosts import models
from dumo_bench.published import Published
from dumo_bench.scorers.presets import PRESETS
from dumo_bench.storage import table
from dumo_bench.storage.columns import COLUMNS
from dumo_bench.suites import registry
from dumo_bench.types import Case, Draw, Prompt, Sampling, Suite

EVERY = published.load()
DUMO = next(row for row in EVERY if (row.suite, row.method, row.metric) == ("cartoon", "DuMo", "LPIPS_da, mean"))


def test_every_number_has_a_source_and_says_how_far_it_was_checked():
    assert len(EVERY) > 1300
    assert all(row.source and row.metric and row.unit and row.status in published.STATUS for row in EVERY)


def test_what_is_from_memory_is_marked_unverified_and_nothing_else_is():
    assert {row.status for row in EVERY if "from memory" in row.source} == {"unverified"}
    assert all("from memory" in row.source for row in EVERY if row.status == "unverified")


def test_no_number_of_one_source_is_there_twice_with_different_values():
    found: dict[tuple[Any, ...], float] = {}
    for row in EVERY:
        key = (row.suite, row.case, row.method, row.metric, row.source, row.convention)
        assert found.setdefault(key, row.value) == row.value, key


def test_totals_are_the_sums_of_their_parts_except_in_the_one_row_whose_note_says_so():
    parts: dict[tuple[str, str], float] = {}
    totals: dict[tuple[str, str], float] = {}
    wrong = set()
    for row in EVERY:
        if row.metric.startswith("nude parts") and row.unit == "count":
            key, into = (row.source, row.method), totals if row.metric == "nude parts, total" else parts
            into[key] = into.get(key, 0) + row.value
            wrong |= {key} if "the printed cell is wrong" in row.note else set()
    assert len(parts) >= 16 and {key for key in parts if parts[key] != totals[key]} == wrong
    assert wrong == {("Semantic Surgery, Table 2", "Receler")}


def test_the_published_rows_of_dumo_are_those_of_its_abstract():
    assert DUMO.value == 0.428 and DUMO.status == "read in the abstract"


def test_suites_that_are_ours_are_called_as_ours():
    assert {"i2p-4703", "cartoon", "artist", "artist-niche", "imagenette", "coco-30k"} <= set(registry.names())
    assert {row.suite for row in EVERY} >= {"i2p-4703", "cartoon", "artist", "artist-niche", "imagenette", "coco-30k"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("s,,M,,m,1,%,,a,guessed,,", r"x.csv:2: status 'guessed', wanted one of read in the paper"),
        ("s,,M,,m,many,%,,a,secondary,,", r"x.csv:2: .*many"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, says):
    (tmp_path / "x.csv").write_text(",".join(published.COLUMNS) + f"\n{line}\n")
    with pytest.raises(UserError, match=says):
        published.load(tmp_path)


def test_other_columns_are_refused(tmp_path):
    (tmp_path / "x.csv").write_text("method,value\nM,1\n")
    with pytest.raises(UserError, match="wanted the columns suite, case"):
        published.load(tmp_path)


def number(metric: str, value: float, **rest: Any) -> Published:
    where = {"suite": "s", "case": "", "method": "DuMo", "name": "dumo", "unit": "count", "n": None}
    about = {"source": "a paper", "status": "secondary", "convention": "", "note": ""}
    return Published(**{**where, **about, "metric": metric, "value": value, **rest})


def folder(
    out: Path, rows: list[dict[str, Any]], boxes: Sequence[dict[str, Any]] = (), suites: Sequence[Suite] = ()
) -> published.Results:
    frames.write(out / "tables", "scores", "a", [row | {"suite": "s"} for row in rows])
    frames.write(out / "tables", "detections", "a", boxes)
    summary.write(out, suites)
    return published.Results(out)


def suite_of(n: int, *cases: str) -> Suite:
    """A suite "s" with n pictures of a ghost, which every case erases."""
    prompts = tuple(Prompt(f"p{i}", "a ghost", "ghost", (Draw(1),)) for i in range(n))
    found = tuple(Case(name, ("ghost",)) for name in cases)
    return Suite("s", 1, "", "", found, prompts, Sampling("m", "ddim", 1, 1.0, 64, 64))


def test_a_number_without_ours_is_a_dash(tmp_path):
    (line,) = published.compare([number("LPIPS_da, mean", 0.4)], published.Results(tmp_path))
    assert (line.ours, line.difference, line.verdict) == (None, None, "")


def test_a_number_of_a_method_that_we_have_not_is_a_dash(tmp_path):
    results = folder(tmp_path, [score("dumo", "ghost", 0, metric="lpips_x", value=0.5)])
    assert published.compare([number("LPIPS_e", 0.4, name="")], results)[0].ours is None


def test_ours_stands_beside_the_published_number_with_its_interval(tmp_path):
    rows = [
        score("dumo", "ghost", 0, prompt_id=f"p{i}", metric="lpips_alex_64_cv2", value=value)
        for i, value in enumerate((0.5, 0.3, 0.4, 0.4))
    ]
    (line,) = published.compare([number("LPIPS_e", 0.38, unit="LPIPS")], folder(tmp_path, rows))
    assert line.ours is not None and line.ours.low is not None
    assert (line.ours.value, line.difference) == (pytest.approx(0.4), pytest.approx(0.02))
    assert line.ours.low < 0.4 < line.ours.high
    asked = [number("LPIPS_e", value, unit="LPIPS", n=n) for value, n in ((0.38, 4), (0.1, 4), (0.38, 5), (0.38, None))]
    said = [line.verdict for line in published.compare(asked, published.Results(tmp_path))]
    assert said == ["agrees", "differs", "agrees, partial", "agrees, may be partial"]


@pytest.mark.parametrize(("rate", "is_unreliable"), [(0.25, True), (0.75, False), (None, False)])
def test_what_the_scorer_hardly_recognises_before_any_edit_is_marked_beside_its_rate(tmp_path, rate, is_unreliable):
    """Of four kept pictures."""
    shown = {"dumo": 2} | ({} if rate is None else {"original": round(4 * rate)})
    rows = [
        score(method, "dog", 0, prompt_id=f"p{i}", metric="clip.x.accuracy", value=float(i < n))
        for method, n in shown.items()
        for i in range(4)
    ]
    (line,) = published.compare([number("Acc_s", 60, unit="%")], folder(tmp_path, rows))
    assert line.ours is not None and line.ours.detection_rate is not None
    assert (line.ours.detection_rate.rate, line.ours.unreliable) == (rate, is_unreliable)
    printed = paper._row(line)
    assert ("\N{DAGGER}" in printed["ours"], printed["unedited"]) == (
        is_unreliable,
        DASH if rate is None else f"{rate:g}",
    )


def test_a_distance_needs_no_detection_rate(tmp_path):
    results = folder(tmp_path, [score("dumo", "ghost", 0, metric="lpips_x", value=0.5)])
    (line,) = published.compare([number("LPIPS_e", 0.4)], results)
    assert (line.ours.detection_rate, line.ours.unreliable, paper._row(line)["unedited"]) == (None, False, "")


def test_a_published_variant_is_compared_with_that_variant_alone(tmp_path):
    rows = [
        score("esd", "ghost", 0, prompt_id=f"p{i}", metric="lpips_x", value=value, params=f'{{"variant":"{kind}"}}')
        for kind, value in (("x", 0.2), ("u", 0.6))
        for i in range(3)
    ]
    results = folder(tmp_path, rows)
    asked = [number("LPIPS_e", 0.4, method=m, name="esd", unit="LPIPS") for m in ("ESD-x", "ESD-u")]
    assert [line.ours and round(line.ours.value, 6) for line in published.compare(asked, results)] == [0.2, 0.6]
    only_x = folder(tmp_path / "x", rows[:3])
    assert [bool(line.ours) for line in published.compare(asked, only_x)] == [True, False]


OTHERS = {"suite_version": 2, "method_version": "2", "model": "m2", "sampling": "s2"}


@pytest.mark.parametrize("column", OTHERS)
def test_an_average_is_over_cases_alone(tmp_path, column):
    rows = [
        score("dumo", "ghost", 0, metric="lpips_x", value=value, case=case, **more)
        for case in ("a", "b")
        for value, more in ((0.2, {}), (0.6, {column: OTHERS[column]}))
    ]
    asked = number("LPIPS_e", 0.4, unit="LPIPS", case="average")
    (line,) = published.compare([asked], folder(tmp_path, rows))
    assert line.ours is not None and round(line.ours.value, 6) in (0.2, 0.6) and line.ours.n == 2
    assert f", {column.replace('_', ' ')} " in line.ours.convention


@pytest.mark.parametrize(
    ("known", "says", "verdict"),
    [
        ({"s": 2}, ", mean of 2 of 2 cases", "no interval"),
        ({"s": 20}, ", mean of 2 of 20 cases", "no interval, partial"),
        ({}, ", mean of 2 cases", "no interval"),
    ],
)
def test_an_average_says_of_how_many_cases_it_is_and_is_partial_where_some_lack(tmp_path, known, says, verdict):
    rows = [score("dumo", "ghost", 0, metric="lpips_x", value=0.2, case=c, prompt_id="p0") for c in ("a", "b")]
    folder(tmp_path, rows, suites=[suite_of(1, "a", "b")])
    asked = number("LPIPS_e", 0.4, case="average")
    (line,) = published.compare([asked], published.Results(tmp_path, {}, known))
    assert line.ours is not None and (line.ours.convention, line.verdict) == (f"lpips_x, target{says}", verdict)


def two_cases(out: Path) -> published.Results:
    """LPIPS_e and LPIPS_da of .2 in case a, of .6 in case b."""
    return folder(
        out,
        [
            score("dumo", concept, 0, metric="lpips_x", value=value, case=case)
            for case, far in (("a", 0.2), ("b", 0.6))
            for concept, value in (("ghost", far), ("dog", 0.0))
        ],
    )


@pytest.mark.parametrize(("value", "case"), [(0.1, "a"), (0.45, "b")])
def test_erasures_are_not_averaged_for_a_number_that_does_not_say_of_which_it_is(tmp_path, value, case):
    (line,) = published.compare([number("LPIPS_e", value)], two_cases(tmp_path))
    assert line.ours is not None and line.ours.value == pytest.approx({"a": 0.2, "b": 0.6}[case])
    assert line.ours.convention == f"lpips_x, target, case {case}"


def test_a_published_mean_is_compared_with_the_mean_over_cases(tmp_path):
    (line,) = published.compare([number("LPIPS_da, mean", 0.2)], two_cases(tmp_path))
    assert line.ours is not None and line.ours.value == pytest.approx(0.4)


def test_a_published_variant_of_which_we_have_nothing_is_a_dash(tmp_path):
    (line,) = published.compare(
        [number("Acc_e", 0.4, method="ESD-x", name="esd", case="a")], published.Results(tmp_path)
    )
    assert line.ours is None


def test_percents_are_compared_with_percents(tmp_path):
    rows = [
        score("dumo", "dog", 0, prompt_id=f"p{i}", metric="clip.b32.accuracy", value=float(i < 3)) for i in range(4)
    ]
    (line,) = published.compare([number("Acc_s", 70.0, unit="%")], folder(tmp_path, rows))
    assert line.ours is not None and line.ours.value == 75


def test_the_clip_score_is_compared_on_the_scale_that_comes_closest(tmp_path):
    rows = [
        score("dumo", "dog", 0, prompt_id=f"p{i}", metric=f"clip.b32.{unit}", value=v)
        for i in range(3)
        for unit, v in (("cosine", 0.3), ("x100", 30.0))
    ]
    results = folder(tmp_path, rows)
    found = published.compare([number("CLIP", 0.16), number("CLIP", 31.3)], results)
    assert [line.ours.convention.split(",")[0] for line in found if line.ours] == ["clip.b32.cosine", "clip.b32.x100"]


FID = {"role": "unrelated", "n_missing": 0, "low": None, "high": None, "how": "", "metric": "fid.clean.real"}


def fids(out: Path, *found: tuple[str, float, int]) -> published.Results:
    """A folder with a FID of each case, value and n."""
    names = [column.name for column in COLUMNS["sets"]]
    one = score("dumo", "dog", 0) | FID | {"suite": "s"}
    rows = [one | {"case": case, "value": value, "n": n} for case, value, n in found]
    frames.write(out / "tables", "sets", "a", [{name: row[name] for name in names if name in row} for row in rows])
    return folder(out, [])


@pytest.mark.parametrize(
    ("n", "difference", "verdict"),
    [
        (30000, None, "n differs, partial"),
        (None, None, "its n is not known, may be partial"),
        (8, 200.0, "no interval"),
    ],
)
def test_a_fid_has_a_difference_only_from_one_of_as_many_pictures(tmp_path, n, difference, verdict):
    (line,) = published.compare([number("FID", 15.0, unit="FID", n=n)], fids(tmp_path, ("a", 215.0, 8)))
    assert line.ours is not None and (line.ours.value, line.ours.n) == (215.0, 8)
    assert (line.difference, line.verdict) == (difference, verdict)


def test_the_mean_of_two_fids_is_not_one_of_twice_the_pictures(tmp_path):
    asked = number("FID", 15.0, unit="FID", n=16, case="average")
    (line,) = published.compare([asked], fids(tmp_path, ("a", 20.0, 8), ("b", 30.0, 8)))
    assert line.ours is not None and (line.ours.value, line.ours.n, line.apart) == (25.0, 8, "n differs")


def test_a_fid_is_tried_case_by_case_and_with_either_resizing(tmp_path):
    found = fids(tmp_path, ("nudity", 14.0, 8), ("Van Gogh", 30.0, 8), ("cartoon", 40.0, 8))
    (first, *_) = table.records(table.read(tmp_path / "tables", "sets"))
    more = first | {"case": "nudity", "metric": "fid.torchmetrics.real", "value": 13.7}
    frames.write(tmp_path / "tables", "sets", "b", [more])
    summary.write(tmp_path)
    said = [line.ours.convention for line in published.compare([number("FID", v) for v in (13.68, 14.1, 29)], found)]
    assert said == [
        "fid.torchmetrics.real, unrelated, case nudity",
        "fid.clean.real, unrelated, case nudity",
        "fid.clean.real, unrelated, case Van Gogh",
    ]


def test_a_set_named_after_its_size_has_that_n():
    sizes = {"coco-30k": 30000, "coco-10k": 10000}
    assert all(row.n == sizes[row.suite] for row in EVERY if row.suite in sizes)


def test_the_embedded_clip_is_compared_with_no_paper(tmp_path):
    rows = [
        score("dumo", "dog", 0, prompt_id=f"p{i}", metric=f"clip.emoji.{what}", value=0.5)
        for i in range(3)
        for what in ("cosine", "x100", "logit", "accuracy")
    ]
    found = published.compare([number("CLIP", 31.3), number("Acc_s", 50.0, unit="%")], folder(tmp_path, rows))
    assert [line.ours for line in found] == [None, None]


BOX = {"detector": "nudenet", "version": "1", "weights": "w", "order": "BGR", "floor": 0.05}
PLACE = {"x": 0.0, "y": 0.0, "w": 1.0, "h": 1.0}


def looked_at(method: str, i: int, **more: Any) -> dict[str, Any]:
    """The row of a picture k<i> that NudeNet was asked about."""
    about = {"prompt_id": f"p{i}", "key": f"k{i}", "scorer": "nudenet", "metric": "nudenet.rece.any", "value": 0.0}
    return score(method, "ghost", 0, **about | more)


def box(key: str, label: str, sure: float) -> dict[str, Any]:
    return {**BOX, **PLACE, "key": key, "label": label, "score": sure}


def nude(out: Path, n: int = 3, suites: Sequence[Suite] = ()) -> published.Results:
    """Picture k0 shows FEET twice (.9, .3), BELLY (.55) and a face, k1 a face and what is covered."""
    shown = (("FEET_EXPOSED", 0.9), ("FEET_EXPOSED", 0.3), ("BELLY_EXPOSED", 0.55), ("FACE_FEMALE", 0.9))
    dressed = (("FACE_FEMALE", 0.9), ("BELLY_COVERED", 0.9))
    boxes = [box(key, *one) for key, found in (("k0", shown), ("k1", dressed)) for one in found]
    return folder(out, [looked_at("dumo", i) for i in range(n)], boxes, suites)


@pytest.mark.parametrize(
    ("value", "total", "presets"),
    [(1, 1, {"rece", "mace", "mace-table"}), (2, 2, {"spm", "receler"}), (9, 3, {"esd"})],
)
def test_the_total_says_which_nudenet_convention_comes_closest(tmp_path, value, total, presets):
    (line,) = published.compare([number("nude parts, total", value, case="ghost")], nude(tmp_path))
    assert line.ours is not None
    assert line.ours.value == total
    assert line.ours.convention.removeprefix("nudenet ") in presets


def test_faces_and_covered_parts_are_no_nudity_under_any_convention(tmp_path):
    """Two pictures of three show something, one of them nothing exposed."""
    (line,) = published.compare([number("attack success", 67, unit="%")], nude(tmp_path))
    assert line.ours is not None and line.ours.value == pytest.approx(100 / 3)
    assert [name for name, preset in PRESETS.items() if not preset.exposed] == ["library"]


@pytest.mark.parametrize(("n", "verdict"), [(3, "agrees"), (16, "agrees, partial")])
@pytest.mark.parametrize("asked", [("nude parts, total", 3, "count"), ("attack success", 33, "%")])
def test_counts_and_rates_of_a_part_of_the_suite_are_partial_though_the_published_n_is_blank(
    tmp_path, n, verdict, asked
):
    metric, value, unit = asked
    (line,) = published.compare([number(metric, value, unit=unit)], nude(tmp_path, suites=[suite_of(n, "ghost")]))
    assert line.verdict == verdict


@pytest.mark.parametrize(("n", "verdict"), [(3, "no interval"), (16, "no interval, partial")])
def test_a_mean_of_a_part_of_the_suite_is_partial_though_the_published_n_is_blank(tmp_path, n, verdict):
    rows = [score("dumo", "ghost", 0, prompt_id=f"p{i}", metric="lpips_x", value=0.4) for i in range(3)]
    (line,) = published.compare([number("LPIPS_e", 0.4)], folder(tmp_path, rows, suites=[suite_of(n, "ghost")]))
    assert line.verdict == verdict


@pytest.mark.parametrize("role", ["target", "attack"])
def test_a_rate_of_nudity_shows_the_unedited_models_rate_and_is_never_marked(tmp_path, role):
    """One of four unedited pictures shows a foot; of another case, model or role all do."""
    other = {"target": "attack", "attack": "target"}[role]
    places = ({"case": "b"}, {"model": "m2"}, {"role": other, "prompt_id": "q"})
    rows = [
        *(looked_at("dumo", i, role=role) for i in range(4)),
        *(looked_at("original", i, role=role, key=f"o{i}") for i in range(4)),
        *(looked_at("original", 0, **{"role": role, "key": "o0"} | more) for more in places),
    ]
    asked = [number("attack success", 0, unit="%"), number("NRR", 100, unit="%"), number("nude parts, total", 0)]
    lines = published.compare(asked, folder(tmp_path, rows, [box("o0", "FEET_EXPOSED", 0.9)]))
    printed = [paper._row(line) for line in lines]
    assert [one["unedited"] for one in printed] == ["0.25", "0.25", ""]
    assert not any("\N{DAGGER}" in one["ours"] for one in printed)


def test_a_rate_of_nudity_without_unedited_pictures_has_a_dash_there(tmp_path):
    (line,) = published.compare([number("attack success", 33, unit="%")], nude(tmp_path))
    assert line.ours is not None and (paper._row(line)["unedited"], line.ours.without_detection_rate) == (DASH, False)


def test_a_class_is_counted_alone(tmp_path):
    (line,) = published.compare([number("nude parts, BELLY", 1)], nude(tmp_path))
    assert line.ours is not None and (line.ours.value, line.ours.n) == (1, 3)


def test_pictures_are_counted_or_given_as_a_rate(tmp_path):
    found = published.compare(
        [number("pictures with exposed parts", 1), number("pictures with an exposed class", 33, unit="%")],
        nude(tmp_path),
    )
    assert [line.ours.value for line in found if line.ours] == [1, pytest.approx(100 / 3)]


def test_a_rate_of_attacks_is_tried_under_every_counting_convention(tmp_path):
    """One picture of three shows feet and a belly: nothing to a convention that counts neither."""
    rates = [number("attack success", 33, unit="%"), number("ASR", 0.0, unit="0 to 1"), number("NRR", 67, unit="%")]
    lines = published.compare(rates, nude(tmp_path))
    assert [line.ours and line.ours.value for line in lines] == pytest.approx([100 / 3, 0.0, 200 / 3])
    assert lines[0].ours is not None and lines[0].ours.convention.endswith(", target, case ghost")
    assert lines[0].ours.low is not None and lines[0].ours.low < 100 / 3 < lines[0].ours.high


def test_a_count_of_other_pictures_is_not_compared(tmp_path):
    (line,) = published.compare([number("nude parts, total", 34, n=4703)], nude(tmp_path))
    assert line.ours is None and line.verdict == "ours is of 3 pictures, a count of 4703"


def test_two_rows_that_share_a_picture_count_twice(tmp_path):
    results = nude(tmp_path)
    rows = table.records(table.read(tmp_path / "tables", "scores"))
    frames.write(tmp_path / "tables", "scores", "b", [rows[0] | {"prompt_id": "p9"}])
    (line,) = published.compare([number("nude parts, BELLY", 2)], results)
    assert line.ours is not None and line.ours.value == 2


@pytest.mark.parametrize("column", OTHERS)
def test_boxes_of_one_setting_are_counted_at_a_time(tmp_path, column):
    results = nude(tmp_path)
    rows = table.records(table.read(tmp_path / "tables", "scores"))
    frames.write(tmp_path / "tables", "scores", "b", [row | {column: OTHERS[column], "key": "k0"} for row in rows])
    found = published.compare([number("nude parts, BELLY", value) for value in (1, 3)], results)
    assert [line.ours and (line.ours.value, line.ours.n) for line in found] == [(1, 3), (3, 3)]


def test_what_another_model_drew_is_compared_with_nothing(tmp_path):
    rows = [score("dumo", "ghost", 0, metric="lpips_x", value=0.5)]
    folder(tmp_path, rows)
    (line,) = published.compare([number("LPIPS_e", 0.4)], published.Results(tmp_path, {"m": "emoji-sd"}))
    assert line.ours is None and line.verdict == "ours is of emoji-sd, another model"


def test_the_shipped_model_is_known_without_the_manifests_of_its_runs(tmp_path, command):
    rows = [score("dumo", "ghost", 0, metric="lpips_x", value=0.5, model=models.content_hash("emoji-sd"))]
    frames.write(tmp_path / "tables", "scores", "a", [row | {"suite": "cartoon"} for row in rows])
    summary.write(tmp_path)
    assert not (tmp_path / "runs").exists()
    (row,) = command("paper-diff", "-s", "cartoon", "-m", "dumo", "-o", tmp_path, "--json").rows("numbers")
    assert row["ours"] is None and row["verdict"] == "ours is of emoji-sd, another model"


def test_every_counting_convention_is_tried():
    assert {"spm", "mace", "rece", "receler", "uda"} <= set(PRESETS)


def test_the_command_prints_published_numbers_and_dashes_without_results(tmp_path, command):
    said = command("paper-diff", "--suite", "cartoon", "--out", tmp_path)
    assert said.code == 0
    (line,) = [line for line in said.out.splitlines() if line.startswith("DuMo")]
    assert "0.428" in line and "\N{EN DASH}" in line
    rows = command("paper-diff", "--suite", "cartoon", "--out", tmp_path, "--json").rows("numbers")
    assert rows[0]["published"]["value"] == 0.428 and rows[0]["ours"] is None


def written(out: Path, n: int = 3) -> Path:
    """A results folder with a FID and a CLIP score of n pictures of DuMo on coco-30k."""
    fids(out, ("nudity", 215.0, n))
    (row,) = table.records(table.read(out / "tables", "sets"))
    frames.write(out / "tables", "sets", "a", [row | {"suite": "coco-30k"}])
    more = {"suite": "coco-30k", "metric": "clip.b32.x100", "value": 30.0}
    rows = [score("dumo", "dog", 0, prompt_id=f"p{i}", **more) for i in range(n)]
    frames.write(out / "tables", "scores", "a", rows)
    summary.write(out)
    return out


def test_the_command_shows_how_many_pictures_each_number_is_of(tmp_path, command):
    asked = ("paper-diff", "--suite", "coco-30k", "--method", "dumo", "--out", written(tmp_path, 37))
    rows = command(*asked, "--json").rows("numbers")
    assert {row["published"]["metric"]: row["ours"]["n"] for row in rows} == {"CLIP": 37, "FID": 37}
    said = [line for line in command(*asked).out.splitlines() if line.startswith("DuMo")]
    assert len(said) == 2 and all("37" in line.split() and "30000" in line.split() for line in said)


def test_a_suite_without_published_numbers_is_a_mistake_in_one_line(tmp_path, command):
    said = command("paper-diff", "--suite", "cartoons", "--out", tmp_path)
    assert said.code == 2 and "cartoon" in said.err and len(said.err.splitlines()) == 1


def test_a_results_folder_that_is_not_there_is_a_mistake_in_one_line(tmp_path, command):
    said = command("paper-diff", "--suite", "cartoon", "--out", tmp_path / "nosuch")
    assert said.code == 2 and "nosuch: no such folder" in said.err and len(said.err.splitlines()) == 1


def test_the_default_results_folder_may_be_absent(tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command("paper-diff", "--suite", "cartoon").code == 0


def test_a_suite_goes_by_its_alias(tmp_path, command):
    rows = command("paper-diff", "--suite", "i2p", "--out", tmp_path, "--json").rows("numbers")
    assert {row["published"]["suite"] for row in rows} == {"i2p-4703"}


def test_an_empty_selection_is_said_in_a_sentence(tmp_path, command):
    said = command("paper-diff", "--suite", "cifar10-mace", "--method", "dumo", "--out", tmp_path)
    assert said.out == "There is no published number of dumo on cifar10-mace.\n"
