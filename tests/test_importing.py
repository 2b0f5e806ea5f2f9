"""`store import`: what `store export` wrote, or another program did, is scored as if it had been made here."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
from conftest import SUITE
from PIL import Image

from dumo_bench.api import read
from dumo_bench.storage import garbage

FAKES = Path(__file__).with_name("fakes.py")
LAYOUTS = ("rows", "spm", "texts", "unlearncanvas")
#: with an object and a style in every prompt, so that each layout has a name for it
BLOCK = """[[block]]
concepts = ["a cat", "a dog"]
styles = ["ink", "old oil"]
templates = ["{thing} in {style} style"]
every = ["concepts", "styles"]
seeds = [1, 2]
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "tiny.toml"
    path.write_text(SUITE.format(model=tiny.folder()).partition("[[block]]")[0] + BLOCK)
    return path


def ran(command, suite, out):
    said = command("run", "-m", f"{FAKES}:Scaled", "-s", suite, "-o", out, "--scorers", f"{FAKES}:Brightness")
    assert said.code == 0, said.err
    return out


def scores(out: Path, method: str) -> dict[tuple, float]:
    table = read(out).pandas("scores")
    rows = table[table["method"] == method]
    return {(row.prompt_id, row.seed): row.value for row in rows.itertuples()}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_was_exported_is_imported_and_scored_alike(command, suite, tmp_path, layout):
    out = ran(command, suite, tmp_path / "out")
    argv = ("-s", suite, "--as", layout, "--to")
    assert command("store", "export", out, "-m", f"{FAKES}:Scaled", *argv, tmp_path / "there").code == 0
    said = command("store", "import", tmp_path / "there", "--made-by", "scaled's own", *argv, tmp_path / "new")
    assert said.code == 0 and said.out.startswith("8 of 8 pictures, case cat\n"), said.err
    assert said.out.endswith(
        f"score -m pictures --set 'made_by=scaled'\"'\"'s own' -s {suite}  -o {tmp_path / 'new'}\n"
    )
    more = ("--set", "made_by=scaled's own", "-s", suite, "-o", tmp_path / "new", "--scorers", f"{FAKES}:Brightness")
    scored = command("score", "-m", "pictures", *more)
    assert scored.code == 0, scored.err
    mine, new = scores(out, "scaled"), scores(tmp_path / "new", "pictures")
    assert len(mine) == 8 and new == (pytest.approx(mine, abs=0.01) if layout == "unlearncanvas" else mine)
    assert "scaled's own" in command("report", tmp_path / "new").out
    assert command("store", "verify", tmp_path / "new").code == 0
    assert not garbage.collect(tmp_path / "new", delete=False, older=0).pieces


@pytest.fixture
def there(tmp_path) -> Path:
    """Pictures of the suite's prompts as UnlearnCanvas calls them, and one of something else."""
    folder = tmp_path / "there"
    folder.mkdir()
    for thing in ("cat", "dog"):
        for style in ("ink", "old_oil"):
            for seed in (1, 2):
                Image.new("RGB", (32, 32), (seed * 40, 9, 9)).save(folder / f"{style}_{thing}_seed{seed}.png")
    Image.new("RGB", (8, 8)).save(folder / "grid.png")
    return folder


def brought(command, folder, suite, out, *more):
    return command(
        "store", "import", folder, "--made-by", "x", "-s", suite, "--as", "unlearncanvas", "--to", out, *more
    )


def test_a_flat_folder_and_other_pictures_in_it(command, suite, there, tmp_path):
    size = side(suite)
    for path in there.glob("*seed*.png"):
        Image.open(path).resize((size, size)).save(path)
    said = brought(command, there, suite, tmp_path / "out")
    assert said.code == 0 and "8 of 8 pictures, case cat; 1 other pictures" in said.out, said.err
    next(there.glob("*seed*.png")).unlink()
    lacks = brought(command, there, suite, tmp_path / "less")
    assert lacks.code == 2 and "1 of 8 pictures are not there" in lacks.err and not (tmp_path / "less").exists()
    assert "7 of 8 pictures" in brought(command, there, suite, tmp_path / "less", "--partial").out


def side(suite: Path) -> int:
    return int(next(line for line in suite.read_text().splitlines() if line.startswith("height")).split()[-1])


@pytest.mark.parametrize(("spoil", "says"), [
    (lambda path: path.write_bytes(path.read_bytes()[:40]), "cannot be read"),
    (lambda path: Image.new("RGB", (24, 24)).save(path), "24 x 24 pixels, the suite's [sampling] says"),
])  # fmt: skip
def test_a_picture_that_cannot_be_is_refused_before_any_is_copied(command, suite, there, tmp_path, spoil, says):
    size = side(suite)
    for path in there.glob("*seed*.png"):
        Image.open(path).resize((size, size)).save(path)
    spoil(there / "old_oil_dog_seed2.png")
    said = brought(command, there, suite, tmp_path / "out")
    assert said.code == 2 and says in said.err and "old_oil_dog_seed2.png" in said.err
    assert said.err.count("\n") == 1 and not (tmp_path / "out").exists()


def test_nothing_is_drawn_in_their_place(command, suite, tmp_path):
    argv = ("-m", "pictures", "--set", "made_by=salun", "-s", suite, "-o", tmp_path / "out")
    said = command("generate", *argv)
    assert said.code == 2 and "pictures of salun are not made here: type `dumo-bench store import" in said.err


def test_a_folder_that_is_none_or_has_none(command, suite, tmp_path):
    assert "no such folder" in brought(command, tmp_path / "no", suite, tmp_path / "out").err
    (tmp_path / "empty").mkdir()
    assert "none of the pictures" in brought(command, tmp_path / "empty", suite, tmp_path / "out", "--partial").err
