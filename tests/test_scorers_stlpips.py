"""ST-LPIPS with the authors' weights, against their own package; on photographs and drawings that others ship."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import tiny_models
import torch
from compared import PORTRAIT
from PIL import Image

from dumo_bench.analysis import derived
from dumo_bench.errors import UserError
from dumo_bench.published.averages import _LPIPS
from dumo_bench.report.panels import PANELS
from dumo_bench.scorers import lpips, stlpips, weights
from dumo_bench.scorers.stlpips import SHA256, SMALLEST, StLpips


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A portrait, and it with noise, moved by a pixel, upside down and blurred; two patchworks."""
    folder = tmp_path_factory.mktemp("pictures")
    face, rng = Image.open(PORTRAIT).convert("RGB").resize((96, 120)), np.random.default_rng(0)
    pixels = np.asarray(face, np.float64)
    changed = {
        "noisy": Image.fromarray(np.clip(pixels + rng.normal(0, 20, pixels.shape), 0, 255).astype(np.uint8)),
        "moved": Image.fromarray(np.roll(np.asarray(face), 1, 1)),
        "turned": face.rotate(180),
        "blurred": face.resize((24, 30)).resize((96, 120)),
    }
    face.save(folder / "face.png")
    made = []
    for i, (name, image) in enumerate(changed.items()):
        image.save(folder / f"{name}.png")
        made.append(replace(tiny_models.sample(folder / f"{name}.png", i), original=folder / "face.png"))
    patches = [tiny_models.picture(folder / f"{n}.png", n) for n in (1, 2)]
    return [*made, replace(tiny_models.sample(patches[0], 9), original=patches[1])]


@pytest.fixture(scope="module")
def library():
    """The authors' network; what its package imports and does not use is left out."""
    with pytest.MonkeyPatch.context() as patch:
        for name, thing in (("IPython", "embed"), ("torchsummary", "summary")):
            module = ModuleType(name)
            setattr(module, thing, None)
            patch.setitem(sys.modules, name, module)
        from stlpips_pytorch import stlpips as theirs
    return lambda net: theirs.LPIPS(net=net, variant="shift_tolerant", verbose=False)


def tensor(path) -> torch.Tensor:
    pixels = np.array(Image.open(path).convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1


@pytest.mark.parametrize("net", SHA256)
def test_it_gives_the_authors_numbers(net, pairs, library):
    network = library(net)
    with torch.inference_mode():
        theirs = [network(tensor(pair.image), tensor(pair.original)).item() for pair in pairs]
    ours = [row[0].value for row in StLpips(net, "cpu").score(pairs)]
    assert ours == pytest.approx(theirs, rel=1e-5)
    assert min(ours) > 0


#: of the portrait with noise, moved by a pixel, turned and blurred, and of two patchworks: by the authors' package
KNOWN = {
    "alex": [0.15426, 0.00441, 0.38722, 0.39886, 0.32790],
    "vgg": [0.33206, 0.03159, 0.49889, 0.51611, 0.56606],
}


@pytest.mark.parametrize("net", KNOWN)
def test_known_answers(net, pairs):
    assert [row[0].value for row in StLpips(net, "cpu").score(pairs)] == pytest.approx(KNOWN[net], abs=1e-4)


def test_a_pixels_shift_moves_it_less_than_noise_turning_and_blur(pairs):
    noisy, moved, turned, blurred, _ = (row[0].value for row in StLpips("alex", "cpu").score(pairs))
    assert moved < min(noisy, turned, blurred) / 10


@pytest.mark.parametrize("net", SHA256)
def test_a_picture_is_at_no_distance_from_itself_and_two_are_as_far_either_way(net, pairs):
    one = pairs[0]
    same, there, back = (
        StLpips(net, "cpu").score([replace(one, image=image, original=original)])[0][0].value
        for image, original in ((one.image, one.image), (one.image, one.original), (one.original, one.image))
    )
    assert same == 0
    assert there == pytest.approx(back, rel=1e-6)


def test_without_a_picture_of_the_same_size_to_compare_with_nothing_is_measured(pairs, tmp_path):
    none, gone = replace(pairs[0], original=None), replace(pairs[1], original=tmp_path / "gone.png")
    other = replace(pairs[2], original=pairs[4].original)
    rows = StLpips("alex", "cpu").score([none, gone, other, pairs[3]])
    assert [row[0].reason for row in rows] == ["no reference"] * 3 + [""]
    says = [row[0].note for row in rows]
    assert "no picture of the unedited model" in says[0] and "gone.png" in says[1]
    assert says[2] == "sizes differ: 96 x 120 and 64 x 64"


@pytest.mark.parametrize("net", SHA256)
@pytest.mark.parametrize("least", [True, False])
def test_the_smallest_picture_is_measured_and_a_smaller_one_is_refused_by_itself(net, least, pairs, tmp_path):
    side = SMALLEST[net] - (not least)
    paths = [tmp_path / name for name in ("a.png", "b.png")]
    for n, path in enumerate(paths):
        Image.open(tiny_models.picture(path, n)).resize((64, side)).save(path)
    small, other = StLpips(net, "cpu").score([replace(tiny_models.sample(paths[0]), original=paths[1]), pairs[0]])
    assert (small[0].value is not None) == least
    assert small[0].reason == ("" if least else "cannot judge")
    assert other[0].value is not None


def test_another_file_or_none_is_refused_with_what_to_type(monkeypatch, tmp_path, pairs):
    assert StLpips().missing_weights() is None
    (tmp_path / "x.pth").write_bytes(b"other weights")
    for place, says in ((None, "ST-LPIPS is missing"), (tmp_path / "x.pth", f"wanted {SHA256['alex']}")):
        monkeypatch.setattr(weights, "in_package", lambda *_, place=place: place)
        stlpips._load.cache_clear()
        assert says in StLpips().missing_weights()
        with pytest.raises(UserError, match=r"type `pip install 'dumo-bench\[stlpips\]'`"):
            StLpips("alex", "cpu").score(pairs)


def test_a_network_that_there_is_not_is_refused():
    with pytest.raises(UserError, match="alex or vgg, got 'squeeze'"):
        StLpips("squeeze")


def test_it_has_its_own_da_and_is_never_a_column_beside_lpips():
    made = {number.metric.name: number for number in derived.numbers(StLpips().metrics)}
    assert list(made) == ["stlpips_alex_native.da"]
    assert made["stlpips_alex_native.da"].formula == "distance_e - distance_u"
    names = {net: {m.name for m in of.metrics} for net, of in (("st", StLpips()), ("lpips", lpips.Lpips()))}
    assert not names["st"] & names["lpips"]
    for wanted in PANELS.values():
        scorers = {name for one in wanted for name in getattr(one.metric, "scorers", ())}
        assert not {"lpips", "stlpips"} <= scorers
    assert _LPIPS().scorers == ("lpips",)  # published numbers are compared with it alone
