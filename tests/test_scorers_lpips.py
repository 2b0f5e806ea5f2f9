"""LPIPS against the package used directly, with a random AlexNet under torchvision's names."""

from __future__ import annotations

from dataclasses import replace

import cv2
import lpips
import numpy as np
import pytest
import tiny_models
import torch
from PIL import Image

from dumo_bench.scorers.lpips import METRICS, Lpips
from dumo_bench.types import UserError


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory):
    return tiny_models.alexnet(tmp_path_factory.mktemp("models") / "alexnet.pth")


@pytest.fixture(scope="module")
def package(alexnet):
    """The package's network, made as its own users make it, with the same weights in its slices."""
    network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    state, layers = torch.load(alexnet), dict(network.net.named_modules())
    for slice_name, number in (("slice1", 0), ("slice2", 3), ("slice3", 6), ("slice4", 8), ("slice5", 10)):
        layers[f"{slice_name}.{number}"].load_state_dict(
            {kind: state[f"features.{number}.{kind}"] for kind in ("weight", "bias")}
        )
    return network.eval()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Pictures of two sizes, each with another one of its size as the unedited model's."""
    folder = tmp_path_factory.mktemp("pictures")
    made = []
    for i, size in enumerate((96, 64, 96, 128)):
        one = tiny_models.sample(tiny_models.picture(folder / f"{i}.png", i, size), i)
        made.append(replace(one, original=tiny_models.picture(folder / f"o{i}.png", 50 + i, size)))
    return made


def expected(package, one, other, size=None) -> float:
    x, y = (np.asarray(Image.open(path)) for path in (one, other))
    if size:
        x, y = cv2.resize(x, (size, size)), cv2.resize(y, (size, size))
    with torch.no_grad():
        return package(lpips.im2tensor(x), lpips.im2tensor(y)).item()


def test_the_distances_are_the_packages(alexnet, package, pairs):
    rows = Lpips(alexnet, "cpu").score(pairs)
    assert [row[0].value for row in rows] == pytest.approx(
        [expected(package, s.image, s.original, 64) for s in pairs], rel=1e-4
    )
    assert [row[1].value for row in rows] == pytest.approx(
        [expected(package, s.image, s.original) for s in pairs], rel=1e-4
    )
    assert all(row[0].value != pytest.approx(row[1].value, rel=1e-3) for row in rows[2:])


def test_a_picture_is_at_no_distance_from_itself(alexnet, pairs):
    (row,) = Lpips(alexnet, "cpu").score([replace(pairs[0], original=pairs[0].image)])
    assert [score.value for score in row] == [0.0, 0.0]


def test_without_the_unedited_models_picture_nothing_is_measured(alexnet, pairs, tmp_path):
    none, gone = replace(pairs[0], original=None), replace(pairs[1], original=tmp_path / "gone.png")
    rows = Lpips(alexnet, "cpu").score([none, gone, pairs[2]])
    assert [score.value for row in rows[:2] for score in row] == [None] * 4
    assert "no picture of the unedited model" in rows[0][0].note
    assert "gone.png" in rows[1][1].note
    assert all(score.value is not None for score in rows[2])


def test_pictures_of_two_sizes_compare_only_after_shrinking(alexnet, pairs):
    (row,) = Lpips(alexnet, "cpu").score([replace(pairs[0], original=pairs[3].original)])
    assert row[0].value is not None
    assert (row[1].value, row[1].note) == (None, "sizes differ: 96 x 96 and 128 x 128")


def test_a_missing_alexnet_is_said_with_the_command_that_gets_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert "torchvision.models.alexnet(weights=" in Lpips().missing_weights()
    with pytest.raises(UserError, match="is missing"):
        Lpips().score([replace(tiny_models.samples(tmp_path, 1)[0])])


def test_a_file_that_is_no_alexnet_is_refused(tmp_path):
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "x.pth")
    with pytest.raises(UserError, match=r"lacks features\.0\.bias"):
        Lpips(tmp_path / "x.pth", "cpu").score(tiny_models.samples(tmp_path, 1))


def test_the_names_say_net_and_size():
    assert list(Lpips.higher_is_better) == list(METRICS) == ["lpips_alex_64_cv2", "lpips_alex_native"]
