"""FID and KID on Inception's features against clean-fid and torchmetrics, with random networks in its place."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from PIL import Image

from dumo_bench.metrics.frechet import frechet_distance
from dumo_bench.metrics.kernel import kernel_distance
from dumo_bench.scorers.fid_clean import FidClean
from dumo_bench.scorers.fid_torchmetrics import FidTorchmetrics
from dumo_bench.scorers.inception import Inception
from dumo_bench.scorers.kid_clean import KidClean
from dumo_bench.types import UserError

FEW = 16  # dimensions in which covariances of 24 pictures have full rank, as the libraries' matrix roots need


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    tiny_models.clean_inception(folder / "inception-2015-12-05.pt")
    return folder


@pytest.fixture(scope="module")
def clean(models) -> Inception:
    return Inception("clean", models / "inception-2015-12-05.pt", device="cpu")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """Two folders of 24 pictures, of two sizes."""
    root = tmp_path_factory.mktemp("pictures")
    for name, seed in (("a", 0), ("b", 100)):
        (root / name).mkdir()
        for i in range(24):
            tiny_models.picture(root / name / f"{i:02}.png", seed + i, 64 if i % 2 else 96)
    return root / "a", root / "b"


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.png"))


def by_clean_fid(models: Path, folder: Path) -> np.ndarray:
    from cleanfid import fid
    from cleanfid.inception_torchscript import InceptionV3W

    network = InceptionV3W(str(models), download=False, resize_inside=False)
    cpu = torch.device("cpu")
    return fid.get_files_features(
        [str(p) for p in files(folder)], network, num_workers=0, device=cpu, mode="clean", verbose=False
    )


def test_features_fid_and_kid_are_clean_fids(clean, models, folders):
    from cleanfid import fid

    ours, theirs = [clean.of(files(folder))[0] for folder in folders], [by_clean_fid(models, f) for f in folders]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(other, rel=1e-4, abs=1e-4)
    x, y = (features[:, :FEW].astype(np.float64) for features in theirs)
    assert frechet_distance(x, y) == pytest.approx(fid.fid_from_feats(x, y), rel=1e-4)
    wanted = fid.kernel_distance(*(f.astype(np.float64) for f in theirs), num_subsets=1, max_subset_size=24)
    assert kernel_distance(*ours) == pytest.approx(wanted, rel=1e-4)


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


@pytest.fixture(scope="module")
def torchmetrics(models) -> Inception:
    return Inception("torchmetrics", tiny_models.fidelity_inception(models / "weights.pth"), device="cpu")


def test_features_are_torchmetrics(torchmetrics, folders):
    from torchmetrics.image.fid import NoTrainInceptionV3

    network = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(torchmetrics.file))
    paths = files(folders[0])[:3]
    for path, features in zip(paths, torchmetrics.of(paths)[0], strict=True):
        one = torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)[None]
        assert features == pytest.approx(network(one).numpy()[0], rel=1e-4, abs=1e-5)
    samples = [tiny_models.sample(path, i) for i, path in enumerate(paths)]
    found, _ = FidTorchmetrics(torchmetrics).score_set(samples, files(folders[1])[:3])
    x, y = torchmetrics.of(paths)[0], torchmetrics.of(files(folders[1])[:3])[0]
    assert (found.metric, found.value) == ("fid.torchmetrics.original", pytest.approx(frechet_distance(x, y)))


@pytest.mark.slow
def test_fid_is_torchmetrics(torchmetrics, folders):
    from torchmetrics.image.fid import FrechetInceptionDistance, NoTrainInceptionV3

    network = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(torchmetrics.file))
    metric = FrechetInceptionDistance(feature=network)
    for folder, is_real in zip(folders, (True, False), strict=True):
        for path in files(folder):
            metric.update(torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)[None], real=is_real)
    x, y = (torchmetrics.of(files(folder))[0] for folder in folders)
    spread = float(np.var(x, axis=0).sum() + np.var(y, axis=0).sum())  # a root of a singular matrix is that exact
    assert frechet_distance(x, y) == pytest.approx(metric.compute().item(), rel=1e-4, abs=1e-4 * spread)


def test_without_a_folder_of_real_pictures_only_that_comparison_is_missing(clean, folders):
    samples = [tiny_models.sample(path, i) for i, path in enumerate(files(folders[0]))]
    original, real = FidClean(clean).score_set(samples, files(folders[1]))
    assert original.value is not None
    assert (real.value, "fid_clean@FOLDER" in real.note) == (None, True)


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
    assert asked == [5]
    assert lost == 1
    assert np.array_equal(first, again)
    other, _ = memory.of_files("made up by others", copied, make)
    assert asked == [5, 5]
    assert np.array_equal(first, other)
    tiny_models.picture(copied[0], 77)
    changed, _ = memory.of_files("made up", copied, make)
    assert asked == [5, 5, 1]
    assert not np.array_equal(changed[0], first[0])


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
