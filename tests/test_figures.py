"""Figures of papers: their numbers, their files, and that every one is drawn from a results folder in one style."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from test_paper_tables import CARTOON, THREE, made
from test_report import folder, suite  # noqa: F401  # folder is a fixture

from dumo_bench.report.cells import Cell
from dumo_bench.report.plots import drawings, front, grid, spectrum, style, training

BEGINS = {".pdf": b"%PDF", ".svg": b"<?xml", ".png": b"\x89PNG"}


def wave(cycles: int, side: int = 64) -> np.ndarray:
    return np.cos(2 * np.pi * cycles * np.arange(side) / side)[None, :].repeat(side, 0)


@pytest.mark.parametrize("cycles", [1, 5, 31])
def test_a_wave_has_its_power_at_its_frequency_alone(cycles):
    found = spectrum.radial(wave(cycles))
    assert found.argmax() + 1 == cycles and found[np.arange(32) != cycles - 1].max() < 1e-12


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_the_radial_mean_is_that_of_an_independent_library(seed):
    x = np.random.default_rng(seed).normal(size=(32, 32))
    power = np.abs(np.fft.fftshift(np.fft.fft2(x))) ** 2 / 32**4
    rows, columns = np.indices(x.shape) - 16
    rings = np.rint(np.hypot(rows, columns)).astype(int)
    assert spectrum.radial(x) == pytest.approx(ndimage.mean(power, rings, np.arange(1, 17)))


def test_equal_pictures_have_no_power_and_a_lost_one_is_no_pair(tmp_path):
    for name, shade in (("a", 10), ("b", 10), ("c", 200)):
        Image.new("L", (16, 16), shade).save(tmp_path / f"{name}.png")
    pairs = [(tmp_path / "a.png", tmp_path / "b.png"), (tmp_path / "a.png", tmp_path / "lost.png")]
    found = spectrum.of_pairs("uce", "target", pairs)
    assert found.n == 1 and found.power.max() == 0 and len(found.power) == 8
    assert spectrum.of_pairs("uce", "target", pairs[1:]) is None


def test_the_front_holds_what_no_other_beats_in_both():
    at = {"a": (0.0, 0.5), "b": (0.1, 0.9), "c": (0.1, 0.8), "d": (0.5, 0.95), "e": (0.6, 0.9)}
    points = [front.Point(name, Cell(x), Cell(y)) for name, (x, y) in at.items()]
    assert [one.label for one in front.pareto(points)] == ["a", "b", "d"]


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12))
@settings(deadline=None)
def test_every_point_is_on_the_front_or_beaten_by_one_of_it(values):
    points = [front.Point(str(n), Cell(x), Cell(y)) for n, (x, y) in enumerate(values)]
    kept = front.pareto(points)
    for one in points:
        assert any(k.across.value <= one.across.value and k.upwards.value >= one.upwards.value for k in kept)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=200))
def test_a_running_mean_is_as_long_as_its_values_and_within_them(values):
    found = training.smooth(values)
    assert len(found) == len(values)
    assert min(values) - 1e-9 <= found.min() and found.max() <= max(values) + 1e-9


def test_losses_are_found_under_their_names_however_deep_and_short_lists_are_none():
    kept = {"mace": [[1.0] * 20, [2.0] * 20], "few": [1.0, 2.0], "esd": [3.0] * 10}
    assert [(name, values[0]) for name, values in training.parts("", kept)] == [
        ("mace 1", 1.0), ("mace 2", 2.0), ("esd", 3.0)
    ]  # fmt: skip


def test_colours_and_marks_are_all_different_and_neighbours_differ_in_both():
    looks = style.looks(36)
    assert len({(one["color"], one["marker"]) for one in looks}) == 36
    assert all(a["color"] != b["color"] and a["marker"] != b["marker"] for a, b in pairwise(looks))


@pytest.mark.parametrize("ending", style.ENDINGS)
def test_a_figure_is_the_same_bytes_every_time_in_every_format(ending):
    table = made("erasure", [*THREE, *(row | {"metric": "judge.object", "role": "related"} for row in THREE)],
                 CARTOON, columns=("erased", "kept"))  # fmt: skip
    first, second = (style.content(front.draw(table), ending) for _ in range(2))
    assert first == second and first.startswith(BEGINS[ending])


def test_pictures_of_an_explicit_suite_are_blurred_beyond_recognition(tmp_path):
    Image.effect_noise((64, 64), 120).save(tmp_path / "a.png")
    line = grid.Line("target", "p-00", (tmp_path / "a.png",))
    shown, hidden = (grid.draw([line], ["uce"], hidden=one).axes[0].images[0].get_array() for one in (False, True))
    assert np.asarray(hidden).std() < np.asarray(shown).std() / 8


def test_a_lost_picture_is_an_empty_frame():
    drawn = grid.draw([grid.Line("target", "a $dollar", (None,))], ["uce"], hidden=False)
    assert not drawn.axes[0].images and all(one.get_visible() for one in drawn.axes[0].spines.values())


def test_every_role_has_its_first_prompts_one_a_concept_in_turn():
    rows = [
        {"suite": "s", "suite_version": 1, "case": "c", "method": m, "params": "{}", "fit_seed": 0, "role": "target",
         "concept": c, "prompt_id": f"{c}-{i}", "seed": 1, "draw": 0, "key": "k"}
        for m in ("original", "uce") for c in "abc" for i in range(3)
    ]  # fmt: skip
    found = grid.lines(pl.DataFrame(rows), Path("none"), ["original", "uce"], {"a-0": "a text"})
    assert [line.text for line in found] == ["a text", "b-0", "c-0", "a-1"]


@pytest.mark.parametrize("name", ["pictures", "spectrum"])
def test_a_figure_of_pictures_is_drawn_from_a_results_folder(name, folder, command, tmp_path):  # noqa: F811
    said = command("report", folder, "--figure", name, "--out", tmp_path / "a.png", "--method", "dumo")
    assert said.code == 0, said.err
    assert Image.open(io.BytesIO((tmp_path / "a.png").read_bytes())).size[0] > 400


def test_the_map_of_an_edit_is_drawn_from_its_tables(folder, command, tmp_path):  # noqa: F811
    assert command("report", folder, "--figure", "map", "--out", tmp_path / "a.svg").code == 0
    assert ">dumo: ghost<" in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize("name", drawings.DRAWINGS)
def test_a_figure_without_numbers_says_so_in_one_line_or_is_drawn(name, command, tmp_path):
    small = Path(__file__).parents[1] / "results" / "emoji-small"
    said = command("report", small, "--figure", name, "--out", tmp_path / "a.pdf")
    assert (said.code == 0) == (name == "tradeoff"), said.err
    assert said.code == 0 or (said.code == 2 and len(said.err.splitlines()) == 1 and f"figure {name}" in said.err)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--figure", "trade"), "Did you mean 'tradeoff'"),
        (("--figure", "tradeoff"), "--out tradeoff.pdf"),
        (("--figure", "tradeoff", "--out", "a.eps"), "wanted a name that ends in .pdf, .svg, .png"),
        (("--figure", "tradeoff", "--table", "erasure"), "one of them at a time"),
        (("--figure", "pictures", "--out", "a.pdf", "--case", "gost"), "Did you mean 'ghost'"),
    ],
)
def test_what_no_figure_can_be_made_of_is_a_mistake_in_one_line(command, argv, says):
    said = command("report", Path(__file__).parents[1] / "results" / "emoji-small", *argv)
    assert said.code == 2 and says in said.err and len(said.err.splitlines()) == 1
