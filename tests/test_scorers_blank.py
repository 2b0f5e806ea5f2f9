"""Blank pictures: known answers, and the word beside a rate of erasure."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_models
from PIL import Image

from dumo_bench.run import choice
from dumo_bench.scorers.blank import BOUND, Blank, blank, edges
from dumo_bench.suites import registry

Y, X = np.mgrid[:64, :64]


def grey(levels: np.ndarray) -> np.ndarray:
    return np.repeat(np.clip(levels, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("side", [64, 200, 512])
@pytest.mark.parametrize(
    "draw",
    [
        lambda x, y: 0 * x, lambda x, y: 0 * x + 0.5, lambda x, y: 0 * x + 1, lambda x, y: x, lambda x, y: (x + y) / 2,
        lambda x, y: 1 - np.hypot(x - 0.5, y - 0.5),
    ],
    ids=["black", "grey", "white", "gradient", "diagonal", "radial"],
)  # fmt: skip
def test_nothing_is_blank_at_any_size(draw, side):
    y, x = np.mgrid[:side, :side] / side
    assert blank(grey(255 * draw(x, y)))


@pytest.mark.parametrize("side", [64, 512])
def test_a_disc_and_a_line_are_not_blank(side):
    y, x = np.mgrid[:side, :side] / side
    assert not blank(grey(255 * (np.hypot(x - 0.5, y - 0.5) < 0.2)))
    assert not blank(grey(255 * (np.abs(x - 0.5) > 0.02)))


def test_pictures_too_small_to_have_edges_are_blank():
    assert edges(grey(X[:2, :2])) == 0


def test_a_missing_picture_is_not_blank_but_unreadable(tmp_path):
    Image.fromarray(grey(0 * X)).save(tmp_path / "a.png")
    there, gone = Blank().score([tiny_models.sample(tmp_path / name) for name in ("a.png", "b.png")])
    assert there[0].value == 1 and (gone[0].value, gone[0].reason) == (None, "unreadable")


def test_what_emoji_sd_draws_is_far_from_the_bound():
    """Of 1,054 unedited pictures of the three emoji suites none is blank; the least has 0.043."""
    from functools import partial

    from dumo_bench.hosts import sample, sd
    from dumo_bench.selftest.controls.blank import Blank
    from dumo_bench.types import Draw, Edit, Job, Recipe, Sampling

    host = sd.load("emoji-sd")
    contract = Sampling("emoji-sd", "dpm++", 10, 2.5, 64, 64)
    jobs = [Job(Recipe("original", "1", {}, (), 0, ""), text, Draw(1), contract) for text in ("a ghost", "a cat")]
    pictures = sample.sample(host, partial(sd.stock_guide, host), jobs)[0].numpy()
    assert all(edges(one) > 3 * BOUND for one in pictures)
    with Blank().apply(host, Edit({}, {})) as guide:  # its one tile has a texture: variety finds it, this does not
        assert not blank(sample.sample(host, guide, jobs)[0].numpy()[0])


def test_a_folder_names_what_it_skipped_and_counts_blanks(tmp_path, command):
    Image.fromarray(grey(0 * X)).save(tmp_path / "black.webp")
    Image.fromarray(grey(255 * (X % 8 < 4))).save(tmp_path / "bars.gif")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("notes")
    said = command("nudenet", tmp_path)
    assert said.code == 0 and "2 pictures, 1 not readable" in said.out
    assert "1 pictures not read, 1 other files skipped, 1 of 2 pictures blank" in said.err
    for name in ("broken.png", "notes.txt", "black.webp"):
        assert name in said.err


def shown(rates: dict[str, float]) -> list[str]:
    from dumo_bench.report import captions
    from dumo_bench.report.cells import CaseTables, Cell, Panel, Shown
    from dumo_bench.report.coverage import Coverage
    from dumo_bench.report.variants import Label

    column = Shown(
        "blank", "blank", "target", False, 2, 9, 0, tuple(Cell(v, n=9, measured=True) for v in rates.values())
    )
    panel = Panel("t", tuple(map(Label, rates)), (column,))
    kin = tuple((method, "1", "{}", "m", "s") for method in rates)
    return captions.blanks(CaseTables("s", 1, "c", (panel,), "", Coverage(9, ()), kin=kin))


def test_blank_targets_have_a_sentence_from_a_tenth_above_the_unedited_model():
    assert shown({"original": 0.02, "uce": 0.11}) == []
    (said,) = shown({"original": 0.02, "uce": 0.12, "esd": 0.0, "blank": 1.0})
    assert "uce 0.12, blank 1.00; the unedited model 0.02" in said and "esd" not in said


def test_run_measures_it_always():
    suites = [registry.load(name) for name in ("cartoon", "emoji-unsafe", "emoji-artist")]
    assert all("blank" in choice.make(["default"], suite).specs for suite in suites)
