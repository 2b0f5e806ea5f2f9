"""`store import`: what `store export` wrote, or another program did, is scored as if it had been made here."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
from conftest import SUITE
from PIL import Image

from dumo_bench.api import read
from dumo_bench.plugins import static
from dumo_bench.run import plan
from dumo_bench.run.plan import Request
from dumo_bench.storage import garbage
from dumo_bench.storage.store import Store

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
    assert said.out.endswith(f"score -m pictures --set 'made_by=scaled'\"'\"'s own' -s {suite} -o {tmp_path / 'new'}\n")
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


@pytest.fixture
def sized(suite, there) -> Path:
    """The same pictures in the suite's size."""
    for path in there.glob("*seed*.png"):
        Image.open(path).resize((side(suite), side(suite))).save(path)
    return there


def test_the_same_pictures_again_change_nothing_and_others_under_their_name_are_refused(
    command, suite, sized, tmp_path
):
    """Scores are of the picture that was there: another one in its place would be called by its numbers."""
    assert brought(command, sized, suite, tmp_path / "out").code == 0
    files = {path: path.read_bytes() for path in (tmp_path / "out" / "images").rglob("*.png")}
    assert brought(command, sized, suite, tmp_path / "out").code == 0
    odd = sized / "ink_cat_seed1.png"
    Image.open(odd).rotate(90).point(lambda level: 255 - level).save(odd)
    said = brought(command, sized, suite, tmp_path / "out")
    assert said.code == 2 and f"{odd}: {tmp_path / 'out'} has another picture of this prompt and seed" in said.err
    assert {path: path.read_bytes() for path in (tmp_path / "out" / "images").rglob("*.png")} == files
    assert brought(command, sized, suite, tmp_path / "out", "--made-by", "y").code == 0


def test_a_picture_that_was_altered_in_the_folder_is_mended_by_the_same_import(command, suite, sized, tmp_path):
    assert brought(command, sized, suite, tmp_path / "out").code == 0
    one = next((tmp_path / "out" / "images").rglob("*.png"))
    whole = one.read_bytes()
    one.write_bytes(whole[:-30])
    said = command("store", "verify", tmp_path / "out")
    assert said.code == 1
    typed = shlex.split(said.out.splitlines()[1])[1:]  # no other command makes it: `generate` draws nothing of theirs
    assert typed == shlex.split(f"store import FOLDER --made-by x --suite '{suite}' --to '{tmp_path / 'out'}'")
    assert command(*(str(sized) if word == "FOLDER" else word for word in typed), "--as", "unlearncanvas").code == 0
    assert one.read_bytes() == whole and command("store", "verify", tmp_path / "out").code == 0


def test_a_picture_is_taken_as_scorers_see_it(command, suite, sized, tmp_path):
    """16 bits of grey and transparent places, which a plain conversion makes white or brings to light."""
    deep = Image.frombytes("I;16", (side(suite),) * 2, (100 * 257).to_bytes(2, "little") * side(suite) ** 2)
    deep.save(sized / "ink_cat_seed1.png")
    Image.new("RGBA", (side(suite),) * 2, (9, 9, 9, 0)).save(sized / "ink_cat_seed2.png")
    assert brought(command, sized, suite, tmp_path / "out").code == 0
    shades = {Image.open(path).getpixel((0, 0)) for path in (tmp_path / "out" / "images").rglob("*.png")}
    assert shades == {(100, 100, 100), (255, 255, 255), (40, 9, 9), (80, 9, 9)}


def test_an_animation_is_no_picture(command, suite, sized, tmp_path):
    frames = [Image.new("RGB", (side(suite),) * 2, (shade, 0, 0)) for shade in (0, 99)]
    frames[0].save(sized / "ink_cat_seed1.png", format="GIF", save_all=True, append_images=frames[1:])
    said = brought(command, sized, suite, tmp_path / "out")
    assert said.code == 2 and "ink_cat_seed1.png: 2 pictures in one file, wanted one" in said.err


@pytest.mark.parametrize("ending", [".PNG", ".JPG", ".jpeg"])
def test_endings_in_capitals_are_found(command, suite, sized, tmp_path, ending):
    for path in sized.glob("*seed*.png"):
        Image.open(path).save(path.with_suffix(ending))
        path.unlink()
    said = brought(command, sized, suite, tmp_path / "out")
    assert said.code == 0 and "8 of 8 pictures, case cat; 1 other pictures" in said.out, said.err


@pytest.mark.parametrize("made_by", ["", "  ", "a\nb"])
def test_who_made_them_has_a_name(command, suite, sized, tmp_path, made_by):
    said = brought(command, sized, suite, tmp_path / "out", "--made-by", made_by)
    assert said.code == 2 and "--made-by: wanted a name" in said.err and not (tmp_path / "out").exists()


def test_what_to_type_next_can_be_typed(command, suite, sized, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argv = ("--made-by", "x y", "-s", suite, "--case", "cat", "--limit", 3, "--model", tiny.folder(), "--to", "a b")
    said = command("store", "import", sized, "--as", "unlearncanvas", *argv)
    typed = shlex.split(said.out.splitlines()[-1])
    assert typed[:4] == ["dumo-bench", "score", "-m", "pictures"] and str(tiny.folder()) in typed
    scored = command(*typed[1:], "--scorers", f"{FAKES}:Brightness")
    assert scored.code == 0 and len(scores(tmp_path / "a b", "pictures")) == 3, scored.err


@pytest.mark.parametrize("argv", [
    ("import", "FROM", "--made-by", "x", "-s", "emoji-cartoon", "--to", "FAR"),
    ("export", "FROM", "-m", "uce", "-s", "emoji-cartoon", "--to", "FAR"),
    ("merge", "FROM", "--to", "FAR"),
    ("merge", "FAR", "--to", "new"),
])  # fmt: skip
def test_a_folder_of_a_store_is_refused_and_not_made_here(command, tmp_path, monkeypatch, argv):
    """`memory://a` as a path of this machine would be a folder called "memory:"."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "from").mkdir()
    said = command("store", *({"FROM": "from", "FAR": "memory://a/b"}.get(word, word) for word in argv))
    assert said.code == 2 and "memory://a/b: these commands look at folders of this machine" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["from"]


def test_a_part_of_a_suite_is_exported_and_imported_under_the_names_of_the_whole(command, tmp_path):
    """File n of another program holds the picture of row n, here as bright as n."""
    path, theirs = tmp_path / "part.toml", tmp_path / "theirs"
    path.write_text(SUITE.format(model=tiny.folder()))
    theirs.mkdir()
    for n in range(6):
        Image.new("RGB", (64, 64), (40 * n,) * 3).save(theirs / f"{n}_0.png")
    argv = ("--made-by", "x", "-s", path, "--limit", 3)
    assert command("store", "import", theirs, *argv, "--to", tmp_path / "out").code == 0
    asked = Request("pictures", str(path), settings={"made_by": "x"}, limit=3)
    (part,) = plan.make(asked, static.make).parts
    whole = {row.prompt.id: n for n, row in enumerate(plan.make(replace(asked, limit=None), static.make).parts[0].rows)}
    store = Store(tmp_path / "out")
    for row in part.rows:
        assert Image.open(store.image_path(row.job)).getpixel((0, 0))[0] == 40 * whole[row.prompt.id], row.prompt.id
    out = ("store", "export", tmp_path / "out", "-m", "pictures", "--set", "made_by=x", "-s", path, "--limit", 3)
    assert command(*out, "--as", "rows", "--to", tmp_path / "again").code == 0
    names = {one.name: one.read_bytes() for one in (tmp_path / "again").rglob("*.png")}
    assert set(names) == {f"{whole[row.prompt.id]}_0.png" for row in part.rows}


def test_cases_that_would_share_a_folder_have_two(command, tmp_path):
    path = tmp_path / "two.toml"
    text = SUITE.format(model=tiny.folder())
    path.write_text(
        text.replace('name = "cat"\n', 'name = "dog+cat"\n') + '[[cases]]\nname = "dog-cat"\nerase = ["dog"]\n'
    )
    out = ran(command, path, tmp_path / "out")
    said = command("store", "export", out, "-m", f"{FAKES}:Scaled", "-s", path, "--to", tmp_path / "there")
    assert said.code == 0, said.err
    assert len(list((tmp_path / "there").iterdir())) == 2
