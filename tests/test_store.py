from __future__ import annotations

import errno
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dumo_bench.errors import UserError
from dumo_bench.storage import files
from dumo_bench.storage.store import Store
from dumo_bench.types import Draw, Edit, Job, Recipe, Sampling

RECIPE = Recipe("uce", "1", {"ridge": 0.5}, ("cat",), 0, "a" * 64)
JOB = Job(RECIPE, "a cat", Draw(1), Sampling("m", "ddim", 5, 7.5, 64, 64))
PIXELS = np.arange(64 * 64 * 3, dtype=np.uint32).astype(np.uint8).reshape(64, 64, 3)
EDIT = Edit({"unet.a": torch.arange(6.0).reshape(2, 3), "unet.b": torch.ones(2, dtype=torch.float16)}, {"seed": 0})


@pytest.fixture
def place(tmp_path):
    return Store(tmp_path / "results")


def test_a_picture_is_read_back_bit_for_bit(place):
    path = place.put_image(JOB, PIXELS)
    assert path == place.root / "images" / JOB.key[:2] / f"{JOB.key}.png"
    assert np.array_equal(np.asarray(Image.open(path)), PIXELS)


def test_equal_pixels_are_equal_files(place):
    first = place.put_image(JOB, PIXELS).read_bytes()
    assert place.put_image(JOB, PIXELS.copy()).read_bytes() == first
    assert Image.open(place.image_path(JOB)).info == {}


def test_what_is_missing_is_each_picture_once_in_order(place):
    other, third = (replace(JOB, draw=Draw(seed)) for seed in (2, 3))
    place.put_image(other, PIXELS)
    assert place.missing([third, JOB, other, JOB]) == [third, JOB]
    assert place.has(other)


def test_an_edit_is_read_back_bit_for_bit(place):
    place.put_edit(RECIPE, EDIT)
    found = place.get_edit(RECIPE)
    assert found.header == EDIT.header
    assert all(torch.equal(found.tensors[k], v) and found.tensors[k].dtype == v.dtype for k, v in EDIT.tensors.items())


def test_an_edit_that_is_there_is_never_replaced(place):
    path = place.put_edit(RECIPE, EDIT)
    before = path.read_bytes()
    place.put_edit(RECIPE, Edit({"unet.a": torch.zeros(1)}, {}))
    assert path.read_bytes() == before


@pytest.mark.parametrize("size", [0, 5, 40, -1])
def test_a_cut_edit_says_that_it_is_broken(place, size):
    path = place.put_edit(RECIPE, EDIT)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UserError, match="broken: delete it and fit again"):
        place.get_edit(RECIPE)


def test_an_edit_for_another_model_is_refused(place):
    path = place.put_edit(RECIPE, EDIT)
    other = replace(RECIPE, model="b" * 64)
    path.rename(place.edit_path(other))
    with pytest.raises(UserError, match="made for another model"):
        place.get_edit(other)


def test_an_edit_that_is_not_there_says_what_makes_it(place):
    with pytest.raises(UserError, match="dumo-bench fit"):
        place.get_edit(RECIPE)


def test_a_file_that_is_no_edit_is_refused(place):
    from safetensors.torch import save_file

    path = place.edit_path(RECIPE)
    path.parent.mkdir(parents=True)
    save_file({"a": torch.ones(1)}, str(path))
    with pytest.raises(UserError, match="no edit of dumo-bench"):
        place.get_edit(RECIPE)


@pytest.mark.parametrize("put", [lambda s: s.put_image(JOB, PIXELS), lambda s: s.put_edit(RECIPE, EDIT)])
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(place, monkeypatch, put):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(UserError, match="is full: free some space"):
        put(place)
    assert [path for path in place.root.rglob("*") if path.is_file() and path.suffix != ".sha256"] == []


def test_safetensors_own_error_of_a_full_disk_is_understood(tmp_path):
    from safetensors import SafetensorError

    with pytest.raises(UserError, match="is full"), files.full_disk(tmp_path):
        raise SafetensorError("I/O error: No space left on device (os error 28)")


def test_another_error_of_the_disk_is_raised_as_it_is(tmp_path):
    with pytest.raises(PermissionError), files.full_disk(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_every_file_has_the_permissions_that_the_user_s_mask_gives(place, tmp_path):
    mask = os.umask(0o027)
    try:
        written = [place.put_image(JOB, PIXELS), place.put_edit(RECIPE, EDIT), files.write_text(tmp_path / "a.md", "a")]
    finally:
        os.umask(mask)
    assert {path.stat().st_mode & 0o777 for path in written} == {0o640}


def test_one_function_writes_and_one_hashes_files():
    """Whole or not at all, for every file of the product: nobody else renames or hashes."""
    package = Path(files.__file__).parents[1]
    own = {path.relative_to(package).as_posix(): path.read_text() for path in package.glob("[!b]*/**/*.py")}
    renames = {name for name, text in own.items() if re.search(r"os\.replace|os\.rename|partial\.replace", text)}
    hashes = {name for name, text in own.items() if re.search(r"hashlib\.(sha256|file_digest)", text)}
    caches = {name for name, text in own.items() if re.search(r"snapshot_download|try_to_load_from_cache", text)}
    assert renames == {"storage/files.py", "formats/export.py"}  # a whole folder takes its place there
    assert hashes == {"storage/files.py"}
    assert caches == {"storage/hub.py", "storage/exchange.py"}  # what is there, and what `pull` fetches


def test_a_stopped_writer_leaves_no_file_under_the_final_name(place, monkeypatch):
    monkeypatch.setattr(Image.Image, "save", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        place.put_image(JOB, PIXELS)
    assert not place.has(JOB)


def test_what_a_fit_left_that_was_killed_once_its_edit_was_written_is_cleared_and_another_s_stays(place):
    place.put_edit(RECIPE, EDIT)
    other = replace(RECIPE, fit_seed=RECIPE.fit_seed + 1)
    for recipe in (RECIPE, other):
        place.fit_path(recipe).mkdir()
        (place.fit_path(recipe) / "1.pt").write_bytes(b"state")
        place.claim_path(recipe).with_name(f"{recipe.key}.claim1").write_text("{}")
    place.clear()
    left = {path.name for path in (place.root / "edits").iterdir()}
    assert left == {f"{RECIPE.key}.safetensors", f"{other.key}.fit", f"{other.key}.claim1"}
