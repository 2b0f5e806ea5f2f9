"""What scorers read of a picture's file, beside numpy and cv2."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from dumo_bench.scorers import pictures
from dumo_bench.scorers.pictures import read, read_or_reason

SHAPE = (6, 7)
BYTES = hnp.arrays(np.uint8, (*SHAPE, 4))


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("pictures")


def saved(place: Path, image: Image.Image, kind: str = "png", **how) -> np.ndarray:
    """What is read of an image that was saved; each under a name of its own, since readings are kept."""
    path = place / f"{len(list(place.iterdir()))}.{kind}"
    image.save(path, **how)
    return read(path)


@given(hnp.arrays(np.uint16, SHAPE))
def test_grey_of_16_bits_becomes_grey_of_8(place, levels):
    found = saved(place, Image.fromarray(levels))
    assert np.array_equal(found, np.repeat(np.rint(levels / 257)[..., None], 3, axis=2))


@given(BYTES)
def test_what_is_transparent_is_seen_on_white(place, rgba):
    found = saved(place, Image.fromarray(rgba)).astype(float)
    alpha = rgba[..., 3:] / 255
    assert np.abs(found - (rgba[..., :3] * alpha + 255 * (1 - alpha))).max() <= 1


@given(hnp.arrays(np.uint8, (*SHAPE, 2)))
def test_transparent_grey_too(place, la):
    found = saved(place, Image.fromarray(la, "LA")).astype(float)[..., 0]
    alpha = la[..., 1] / 255
    assert np.abs(found - (la[..., 0] * alpha + 255 * (1 - alpha))).max() <= 1


@given(hnp.arrays(np.uint8, SHAPE, elements=st.integers(0, 3)), st.sampled_from([None, 0, 2]))
def test_a_palette_is_its_colours_and_its_transparent_entry_is_white(place, indices, hole):
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]], np.uint8)
    image = Image.fromarray(indices, "P")
    image.putpalette(colours.tobytes())
    found = saved(place, image, **({} if hole is None else {"transparency": hole}))
    wanted = colours[indices]
    wanted[indices == hole] = 255
    assert np.array_equal(found, wanted)


@given(hnp.arrays(np.uint8, (*SHAPE, 3)), st.sampled_from(["png", "bmp", "webp", "tif"]))
def test_lossless_files_of_any_kind_are_their_pixels_and_cv2s(place, rgb, kind):
    found = saved(place, Image.fromarray(rgb), kind, **({"lossless": True} if kind == "webp" else {}))
    last = max(place.iterdir(), key=lambda path: int(path.stem))
    assert np.array_equal(found, rgb) and np.array_equal(found, cv2.imread(str(last))[..., ::-1])


def test_the_first_of_several_frames_is_read(place):
    red, blue = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    for kind in ("gif", "webp"):
        found = saved(place, red, kind, save_all=True, append_images=[blue])
        assert abs(found.astype(int) - [255, 0, 0]).max() <= 3


def test_cmyk_is_read_as_cv2_reads_it(place):
    path = place / "cmyk.jpg"
    Image.new("CMYK", (8, 8), (0, 200, 30, 10)).save(path)
    assert np.abs(read(path).astype(int) - cv2.imread(str(path))[..., ::-1]).max() <= 12


def test_numbers_without_a_range_are_named(place):
    Image.fromarray(np.ones(SHAPE, np.float32)).save(place / "f.tif")
    assert "numbers without a known range" in str(read_or_reason(place / "f.tif"))


@pytest.mark.parametrize("pillows", [10, 1000])
def test_a_picture_above_a_limit_is_named_and_ends_nothing(place, monkeypatch, pillows):
    Image.new("RGB", (30, 30)).save(place / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillows)
    monkeypatch.setattr(pictures, "MOST", 500)
    assert "picture cannot be read: large.png" in str(read_or_reason(place / "large.png"))
