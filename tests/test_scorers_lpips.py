"""LPIPS with a random AlexNet under torchvision's names; against the package: test_deviations.py."""

from __future__ import annotations

from dataclasses import replace

import compared
import numpy as np
import pytest
import tiny_models
import torch
from PIL import Image

from dumo_bench.errors import UserError
from dumo_bench.scorers import lpips
from dumo_bench.scorers.lpips import ALEXNET, Lpips, shortened


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory):
    return compared.alexnet(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return compared.lpips_pairs(tmp_path_factory.mktemp("pictures"))


def test_shrinking_first_is_another_distance(alexnet, pairs):
    rows = Lpips(alexnet, "cpu").score(pairs)
    shrunk = [row[0].value != pytest.approx(row[1].value, rel=1e-3) for row in rows]
    assert shrunk == [True, False, True, True]  # the second is of 64 pixels as it is


def test_a_picture_is_at_no_distance_from_itself(alexnet, pairs):
    (row,) = Lpips(alexnet, "cpu").score([replace(pairs[0], original=pairs[0].image)])
    assert [score.value for score in row] == [0.0, 0.0, 0.0]


def test_without_the_unedited_models_picture_nothing_is_measured(alexnet, pairs, tmp_path):
    none, gone = replace(pairs[0], original=None), replace(pairs[1], original=tmp_path / "gone.png")
    rows = Lpips(alexnet, "cpu").score([none, gone, pairs[2]])
    assert [score.value for row in rows[:2] for score in row] == [None] * 6
    assert "no picture of the unedited model" in rows[0][0].note
    assert "gone.png" in rows[1][1].note
    assert {score.reason for row in rows[:2] for score in row} == {"no reference"}
    assert all(score.value is not None for score in rows[2])


def test_pictures_of_two_sizes_compare_only_after_shrinking(alexnet, pairs):
    (row,) = Lpips(alexnet, "cpu").score([replace(pairs[0], original=pairs[3].original)])
    assert row[0].value is not None
    assert (row[1].value, row[1].note) == (None, "sizes differ: 96 x 96 and 128 x 128")
    assert row[1].reason == "no reference"
    assert (row[2].value, row[2].note, row[2].reason) == (None, row[1].note, "no reference")


@pytest.mark.parametrize(("w", "h"), [(96, 96), (201, 96), (70, 133), (48, 48), (64, 200), (513, 512)])
def test_the_shorter_side_becomes_64_by_torchvisions_own_resizing(w, h):
    from torchvision.transforms import Resize

    picture = np.random.default_rng(w).integers(0, 256, (h, w, 3), dtype=np.uint8)
    assert (shortened(picture) == np.asarray(Resize(64)(Image.fromarray(picture)))).all()


def test_a_missing_alexnet_is_said_with_the_command_that_gets_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert "torchvision.models.alexnet(weights=" in Lpips().missing_weights()
    with pytest.raises(UserError, match="is missing"):
        Lpips().score([replace(tiny_models.samples(tmp_path, 1)[0])])


def test_a_file_that_is_no_alexnet_is_refused(tmp_path):
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "x.pth")
    with pytest.raises(UserError, match=r"lacks features\.0\.bias"):
        Lpips(tmp_path / "x.pth", "cpu").score(tiny_models.samples(tmp_path, 1))


def test_a_broken_file_is_refused_in_one_line_and_one_that_is_not_what_its_name_says_by_its_hash(tmp_path):
    for name, says in (("x.pth", "no AlexNet of torchvision can be loaded"), (ALEXNET, "its sha256 begins with")):
        (tmp_path / name).write_bytes(bytes(range(256)) * 40)
        with pytest.raises(UserError, match=says) as said:
            Lpips(tmp_path / name, "cpu").score(tiny_models.samples(tmp_path, 1))
        assert "\n" not in str(said.value)


def test_the_names_say_net_and_size_and_far_is_good_only_where_a_concept_is_to_go():
    every = Lpips().metrics
    assert [metric.name for metric in every] == ["lpips_alex_64_cv2", "lpips_alex_native", "lpips_alex_64_pil"]
    assert len({metric.convention["size"] for metric in every}) == len({metric.title for metric in every}) == 3
    for metric in every:
        assert (metric.way("kept"), metric.way("target")) == ("lower", "higher")


def counted(monkeypatch) -> list[int]:
    """How many pairs pass the network each time."""
    real, passed = lpips._load, list[int]()

    def load(*given):
        network = real(*given)
        return lambda x, y: (passed.append(len(x)), network(x, y))[1]

    monkeypatch.setattr(lpips, "_load", load)
    return passed


def test_a_picture_passes_the_network_once_where_all_sizes_are_one_and_never_beside_itself(
    alexnet, tmp_path, monkeypatch
):
    samples = tiny_models.samples(tmp_path, 3)
    small = [replace(one, original=samples[n - 1].image) for n, one in enumerate(samples)]
    for one in samples:
        Image.open(one.image).resize((64, 64)).save(one.image)
    passed = counted(monkeypatch)
    rows = Lpips(alexnet, "cpu").score(small)
    assert passed == [3]
    assert all(len({score.value for score in row}) == 1 and row[0].value > 0 for row in rows)
    rows = Lpips(alexnet, "cpu").score([replace(one, original=one.image) for one in samples])
    assert passed == [3] and [score.value for row in rows for score in row] == [0.0] * 9


def test_the_numbers_are_those_of_every_size_measured_alone(alexnet, pairs, monkeypatch):
    ours = Lpips(alexnet, "cpu").score(pairs)
    monkeypatch.setattr(lpips, "same", lambda *_: False)
    assert ours == Lpips(alexnet, "cpu").score(pairs)
