"""FID and KID on Inception's features, with random networks in its place; against the libraries: test_deviations.py."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import compared
import numpy as np
import pytest
import tiny_models
from compared import files

from dumo_bench.errors import UserError
from dumo_bench.metrics.frechet import frechet_distance
from dumo_bench.metrics.kernel import kernel_distance
from dumo_bench.scorers.fid_clean import FidClean
from dumo_bench.scorers.fid_torchmetrics import FidTorchmetrics
from dumo_bench.scorers.inception import Inception
from dumo_bench.scorers.kid_clean import KidClean


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Inception:
    return compared.clean(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """Two folders of 24 pictures, of two sizes."""
    return compared.folders(tmp_path_factory.mktemp("pictures"))


def test_the_scorers_numbers_are_those_of_the_features(clean, folders):
    x, y = (clean.of(files(folder))[0] for folder in folders)
    samples = [tiny_models.sample(path, i) for i, path in enumerate(files(folders[0]))]
    original, real = FidClean(clean, real=folders[1]).score_set(samples, files(folders[0]))
    assert (original.metric, original.n) == ("fid.clean.original", 24)
    assert original.value == pytest.approx(0, abs=1e-6)
    assert real.value == pytest.approx(frechet_distance(x, y))
    assert "n=24, against 24" in real.note
    assert "compare it at equal n only" in real.note
    (_, kid) = KidClean(clean, real=folders[1]).score_set(samples, [])
    assert kid.value == pytest.approx(kernel_distance(x, y))
    assert "12" in kid.note


def test_torchmetrics_number_is_that_of_its_features(tmp_path, folders):
    network = compared.torchmetrics(tmp_path)
    paths, others = files(folders[0])[:3], files(folders[1])[:3]
    samples = [tiny_models.sample(path, i) for i, path in enumerate(paths)]
    found, _ = FidTorchmetrics(network).score_set(samples, others)
    value = pytest.approx(frechet_distance(network.of(paths)[0], network.of(others)[0]))
    assert (found.metric, found.value) == ("fid.torchmetrics.original", value)


def test_without_a_folder_of_real_pictures_only_that_comparison_is_missing(clean, folders):
    samples = [tiny_models.sample(path, i) for i, path in enumerate(files(folders[0]))]
    original, real = FidClean(clean).score_set(samples, files(folders[1]))
    assert original.value is not None
    assert (real.value, "fid_clean@FOLDER" in real.note) == (None, True)
    assert (original.reason, real.reason) == ("", "no reference")


def test_real_pictures_that_cannot_be_read_are_counted_as_lost(clean, folders, tmp_path):
    samples = [tiny_models.sample(path, i) for i, path in enumerate(files(folders[0])[:3])]
    for path in files(folders[1])[:3]:
        shutil.copy(path, tmp_path)
    (tmp_path / "broken.png").write_text("no picture")
    for scorer in (FidClean(clean, real=tmp_path), KidClean(clean, real=tmp_path)):
        original, real = scorer.score_set(samples, files(folders[1])[:3])
        assert (original.lost, original.n_missing) == (0, 0)
        assert (real.lost, real.n_missing, real.value is None) == (1, 0, False)


def test_features_are_made_once_kept_on_disk_and_known_by_content(clean, folders, tmp_path):
    from dumo_bench.scorers import memory

    asked: list[int] = []

    def make(pictures):
        asked.append(len(pictures))
        return np.stack([np.full(3, picture.mean(), np.float32) for picture in pictures])

    paths = files(folders[0])[:5]
    first, _ = memory.of_files("made up", paths, make)
    copied = [Path(shutil.copy(path, tmp_path)) for path in paths]
    memory._MADE.clear()  # as another process would begin
    memory._READ.clear()
    again, lost = memory.of_files("made up", [*copied, tmp_path / "gone.png"], make)
    assert asked == [memory.BATCH]
    assert lost == 1
    assert np.array_equal(first, again)
    other, _ = memory.of_files("made up by others", copied, make)
    assert asked == [memory.BATCH] * 2
    assert np.array_equal(first, other)
    tiny_models.picture(copied[0], 77)
    changed, _ = memory.of_files("made up", copied, make)
    assert asked == [memory.BATCH] * 3
    assert not np.array_equal(changed[0], first[0])


def test_features_are_made_in_batches_of_one_size_whichever_pictures_are_new():
    from dumo_bench.scorers import memory

    sizes = []

    def make(pictures):
        sizes.append(len(pictures))
        return np.stack([picture.astype(np.float32).ravel() for picture in pictures])

    pictures = [np.full((1, 2, 3), n, np.uint8) for n in range(memory.BATCH + 5)]
    whole = memory.full(make, pictures)
    assert [row[0] for row in whole] == list(range(memory.BATCH + 5))
    assert memory.full(make, pictures[-1:])[0, 0] == memory.BATCH + 4 and {*sizes} == {memory.BATCH}


def test_a_broken_cache_is_made_again(folders):
    from dumo_bench.scorers import memory

    paths = files(folders[0])[:2]
    made = memory.of_files("broken", paths, lambda p: np.ones((len(p), 2), np.float32))
    for path in memory.folder("broken").glob("*.safetensors"):
        path.write_bytes(b"broken")
    memory._MADE.clear()
    memory._READ.clear()
    again = memory.of_files("broken", paths, lambda p: np.ones((len(p), 2), np.float32))
    assert np.array_equal(made[0], again[0])


@pytest.mark.parametrize(("how", "site"), [("clean", "nvlabs-fi-cdn.nvidia.com"), ("torchmetrics", "torch-fidelity")])
def test_missing_weights_are_said_with_the_command_that_gets_them(how, site, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said = Inception(how).missing_weights()
    assert said.startswith(str(tmp_path))
    assert "curl -L" in said
    assert site in said
    with pytest.raises(UserError, match="curl"):
        Inception(how).of([])


def test_a_folder_of_real_pictures_that_is_not_there_is_said(clean):
    assert "no folder" in replace(clean, real="gone").missing_weights()


@pytest.mark.parametrize("how", ["clean", "torchmetrics"])
def test_a_file_of_weights_that_is_broken_is_refused_in_one_line(how, tmp_path, folders):
    broken = tmp_path / "weights.pth"
    broken.write_bytes(np.random.default_rng(0).bytes(20_000))
    with pytest.raises(UserError, match=r"weights\.pth: no Inception of .* can be loaded") as said:
        Inception(how, broken, device="cpu").of(files(folders[0])[:1])
    assert "\n" not in str(said.value)


def test_a_file_that_is_not_what_its_name_says_is_refused_with_the_command_that_gets_it(tmp_path):
    file = tmp_path / "weights-inception-2015-12-05-6726825d.pth"
    file.write_bytes(b"another")
    assert "its sha256 begins with" in (said := Inception("torchmetrics", file).missing_weights())
    assert "curl -L" in said
    right = tmp_path / f"weights-{hashlib.sha256(b'another').hexdigest()[:8]}.pth"
    right.write_bytes(b"another")
    assert Inception("torchmetrics", right).missing_weights() is None
