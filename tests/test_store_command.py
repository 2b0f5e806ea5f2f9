"""`dumo-bench store` on a folder that the real program made: what it counts, finds broken, collects and exports."""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from conftest import SUITE
from PIL import Image
from test_garbage import ONE, planned

from dumo_bench.errors import UserError
from dumo_bench.run import layouts
from dumo_bench.storage import edits, files, garbage, statistics, store, verify
from dumo_bench.types import Start

METHOD = ("--method", "tests/fakes.py:Scaled", "--set", "mode=a = 'b'")


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished folder `out` beside its suite."""
    from dumo_bench.cli.app import main

    root = tmp_path_factory.mktemp("store")
    (root / "tiny.toml").write_text(SUITE.format(model=tiny.folder()))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stop:
        patch.chdir(Path(__file__).parents[1])
        main(["run", *METHOD, "--scorers", "blank", "--suite", str(root / "tiny.toml"), "--out", str(root / "out")])
    assert not stop.value.code
    return root


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """A folder of one's own to harm."""
    shutil.copytree(made / "out", tmp_path / "out")
    return tmp_path / "out"


def test_every_file_is_counted_once_under_its_suite_and_method(made, command):
    rows = command("store", "stats", made / "out", "--json").rows("files")
    every = [path for path in (made / "out").rglob("*") if path.is_file()]
    assert sum(row["files"] for row in rows) == len(every)
    assert sum(row["bytes"] for row in rows) == sum(path.stat().st_size for path in every)
    pictures = {(row["suite"], row["method"]): row["files"] for row in rows if row["what"] == "pictures"}
    assert pictures == {("small", "original"): 6, ("small", "scaled"): 6}
    assert {(row["what"], row["method"], row["files"]) for row in rows} >= {
        ("edits", "scaled", 1), ("table scores", "scaled", 1), ("notes of runs", None, 2)
    }  # fmt: skip
    said = command("store", "stats", made / "out").out.splitlines()
    assert said[-1].split()[:2] == ["all", str(len(every))]


def test_a_whole_folder_has_nothing_broken_and_nothing_to_collect(made, command):
    found = command("store", "verify", made / "out")
    assert (found.code, found.out.splitlines()[-1].partition(" of ")[0]) == (0, "0 broken")
    assert "12 x picture" in found.out and "1 x edit" in found.out
    assert command("store", "gc", made / "out", "--older-than", "1s").out.splitlines()[-1].startswith("0 files")


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-30] ^= 1
    path.write_bytes(bytes(raw))


HARMED = {
    "images/*/*.png": ("picture", "it is not as it was made"),
    "edits/*.safetensors": ("edit", "its tensors are not those that were learnt"),
    "tables/scores/*.parquet": ("table", "not a readable parquet file"),
    "runs/*.json": ("note of a run", "it is no JSON"),
    "runs/wanted/*.json": ("note of a run", "it cannot be read"),
}


@pytest.mark.parametrize("what", HARMED)
def test_what_is_broken_is_named_with_why_and_what_to_type(copy, command, what):
    path = sorted(copy.glob(what))[0]
    path.write_bytes(b"{" + path.read_bytes()[1:-20]) if "json" in what or "parquet" in what else flip(path)
    found = command("store", "verify", copy, "--json")
    (row,) = found.rows("broken")
    kind, why = HARMED[what]
    assert found.code == 1 and (row["kind"], row["path"]) == (kind, str(path)) and row["why"].startswith(why)
    assert {one["kind"]: one["broken"] for one in found.rows("checked")}[kind] == 1
    typed = shlex.split(row["type"])
    assert typed == ["rm", str(path)] if kind != "picture" else typed[:2] == ["dumo-bench", "generate"]
    lines = command("store", "verify", copy).out.splitlines()
    assert lines[0] == f"{kind} {path}: {row['why']}" and lines[1].strip() == row["type"]


def test_what_verify_says_to_type_makes_the_picture_again(made, command):
    """With a setting that a shell would take apart."""
    path = sorted((made / "out").glob("images/*/*.png"))[4]
    before = path.read_bytes()
    flip(path)
    (row,) = command("store", "verify", made / "out", "--json").rows("broken")
    program, *argv = shlex.split(row["type"])
    assert program == "dumo-bench" and command(*argv).code == 0
    assert path.read_bytes() == before and command("store", "verify", made / "out").code == 0


def test_a_folder_in_the_place_of_a_picture_goes_before_the_picture_is_made_again(copy):
    path = sorted(copy.glob("images/*/*.png"))[0]
    path.unlink()
    (path / "inside").mkdir(parents=True)
    (found,) = verify.verify(copy).broken
    assert found.why == "it is no file" and shlex.split(found.type) == ["rm", "-r", str(path)]
    subprocess.run(shlex.split(found.type), check=True)
    assert verify.verify(copy).broken == ()


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_manifest_ends_a_merge_in_one_line_and_leaves_nothing(made, copy, command, tmp_path, text):
    (path,) = copy.glob("runs/*.json")
    path.write_text(text)
    said = command("store", "merge", made / "out", copy, "--to", tmp_path / "merged")
    assert said.code == 2 and said.err.startswith(f"dumo-bench: {path} is no ") and len(said.err.splitlines()) == 1
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out"]
    assert command("store", "merge", made / "out", made / "out", "--to", tmp_path / "merged").code == 0


def test_a_picture_that_its_suite_no_longer_has_can_only_go(copy):
    """The command of its run would not make it again."""
    (before,) = copy.glob("runs/wanted/*.json")
    said = json.loads(before.read_text())
    for group in said["groups"]:
        lost = group["pictures"].pop()
    before.with_name(f"{before.stem.rpartition('-')[0]}-{0:012d}.json").write_text(json.dumps(said))
    os.utime(before, (0, 0))
    path = copy / "images" / lost[:2] / f"{lost}.png"
    flip(path)
    (found,) = verify.verify(copy).broken
    assert shlex.split(found.type) == ["rm", str(path)]


def test_an_edit_under_another_name_a_cut_state_and_a_picture_in_another_folder_are_broken(copy):
    (edit,) = copy.glob("edits/*.safetensors")
    edit.rename(edit.with_name("0" * 64 + ".safetensors"))
    picture = sorted(copy.glob("images/*/*.png"))[0]
    (copy / "images" / "zz").mkdir()
    picture.rename(copy / "images" / "zz" / picture.name)
    state = copy / "edits" / ("1" * 64 + ".fit") / "1.pt"
    state.parent.mkdir()
    state.write_bytes(b"PK\x03\x04 cut")
    found = {(one.kind, one.path.name): one.why for one in verify.verify(copy).broken}
    assert found == {
        ("edit", "0" * 64 + ".safetensors"): "it is of another recipe than its name says",
        ("picture", picture.name): f"it lies in zz/, wanted {picture.name[:2]}/",
        ("stopped fit", "1.pt"): "it is not as it was written",
    }


def attacked(out: Path) -> list[Path]:
    """Three starting points, of which a suite of an attack names two; its files after them."""
    held = store.Store(out)
    keys = [held.put_start(Start(latents=torch.full((1, 4, 8, 8), n))) for n in (1.0, 2.0, 3.0)]
    suite = [out / "attacks" / f"of.{ending}" for ending in ("csv", "toml")]
    files.write_text(suite[0], f"id,start\na,{keys[0]}\nb,{keys[1]}\n")
    files.write_text(suite[1], 'name = "of"\n')
    return [*map(held.start_path, keys), *suite]


def test_starting_points_of_attacks_are_counted_looked_at_and_named_with_the_suite_that_must_be_made_anew(
    copy, command
):
    one, other, lone, *suite = attacked(copy)
    assert verify.verify(copy).broken == () and verify.verify(copy).counts["starting point"] == 3
    assert {line.what: line.files for line in statistics.lines(copy)}.items() >= {
        ("starting points", 3), ("suites of attacks", 2)
    }  # fmt: skip
    flip(one), other.unlink(), lone.write_bytes(b"cut")
    found = {Path(row["path"]): row for row in command("store", "verify", copy, "--json").rows("broken")}
    assert found.keys() == {one, other, lone} and {row["kind"] for row in found.values()} == {"starting point"}
    assert found[one]["why"] == "is not as it was made" and found[other]["why"].startswith("no such starting point")
    typed = {path: shlex.split(row["type"]) for path, row in found.items()}
    assert typed == {path: ["rm", *map(str, rest)] for path, rest in
                     {one: [one, *suite], other: suite, lone: [lone]}.items()}  # fmt: skip
    subprocess.run(typed[one], check=True)
    subprocess.run(typed[lone], check=True)
    assert command("store", "verify", copy).code == 0


def test_a_bit_that_flips_in_the_state_of_a_stopped_fit_is_a_finding_or_nothing(tmp_path):
    state = tmp_path / "edits" / ("1" * 64 + ".fit") / "1.pt"
    state.parent.mkdir(parents=True)
    with zipfile.ZipFile(state, "w") as archive:
        archive.writestr("archive/data/0", bytes(64))
    raw = state.read_bytes()
    for bit in range(8 * len(raw)):
        state.write_bytes(bytes(byte ^ (1 << bit % 8 if n == bit // 8 else 0) for n, byte in enumerate(raw)))
        assert all(one.kind == "stopped fit" and one.why for one in verify.verify(tmp_path).broken)


def test_pictures_on_another_disk_behind_a_link_are_counted_as_pictures(copy, tmp_path):
    before = statistics.lines(copy)
    (copy / "images").rename(tmp_path / "disk")
    (copy / "images").symlink_to(tmp_path / "disk")
    assert statistics.lines(copy) == before


@pytest.mark.parametrize("name", ["stats", "verify", "gc"])
def test_a_folder_that_is_not_there_is_one_line(command, tmp_path, name):
    found = command("store", name, tmp_path / "none")
    assert found.code == 2 and found.err.strip().endswith("no such folder: wanted a results folder")


def test_pictures_that_were_made_and_not_scored_are_kept_and_not_made_again(made, tmp_path, command, monkeypatch):
    argv = ("generate", *METHOD, "--suite", made / "tiny.toml", "--out", tmp_path / "out")
    assert command(*argv, "--limit", "4", "--json").rows("made")[0]["pictures"] == 8
    monkeypatch.setattr(garbage.time, "time", lambda: 4e9)  # a hundred years later
    assert command("store", "gc", tmp_path / "out", "--delete", "--json").rows("pieces") == []
    assert command(*argv, "--limit", "4", "--json").rows("made")[0]["pictures"] == 0
    for note in (tmp_path / "out" / "runs" / "wanted").iterdir():
        note.unlink()
    gone = command("store", "gc", tmp_path / "out", "--delete", "--json").rows("pieces")
    assert [row["kind"] for row in gone] == ["edit", *["picture"] * 8]
    assert not list((tmp_path / "out").rglob("*.png"))


def test_one_prompt_that_is_changed_is_one_picture(tmp_path, command):
    suite = tmp_path / "tiny.toml"
    argv = ("generate", "--method", "original", "--suite", suite, "--out", tmp_path / "out", "--json")
    text = SUITE.format(model=tiny.folder())
    suite.write_text(text)
    assert command(*argv).rows("made")[0]["pictures"] == 6
    before = set((tmp_path / "out").rglob("*.png"))
    more = '[[block]]\nconcepts = ["a ghost"]\ntemplates = ["{thing}"]\nseeds = [1]\n'
    suite.write_text(f"{text}\n{more}")
    assert command(*argv).rows("made")[0]["pictures"] == 1
    suite.write_text(f"{text}\n{more.replace('{thing}', 'a drawing of {thing}')}")
    assert command(*argv).rows("made")[0]["pictures"] == 1
    assert before < set((tmp_path / "out").rglob("*.png"))
    suite.write_text(text)
    assert command(*argv).rows("made")[0]["pictures"] == 0


# --- export


@pytest.fixture
def exported(made: Path, command, tmp_path: Path) -> Callable[[str], Path]:
    def export(layout: str, *more: object) -> Path:
        to = tmp_path / layout
        suite = ("--suite", made / "tiny.toml")
        found = command("store", "export", made / "out", *METHOD, *suite, "--to", to, "--as", layout, *more)
        assert found.code == 0, found.err
        assert found.out.startswith("6 of 6 pictures of scaled, case cat: ")
        return to / "cat"

    return export


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def pictures(made: Path) -> dict[str, bytes]:
    """The bytes of the pictures of the method, by their prompts."""
    rows = references_of(made)
    return {text: (made / "out" / "images" / key[:2] / f"{key}.png").read_bytes() for text, key in rows.items()}


def references_of(made: Path) -> dict[str, str]:
    from dumo_bench.plugins import loading
    from dumo_bench.run import plan

    request = plan.Request("tests/fakes.py:Scaled", str(made / "tiny.toml"), settings={"mode": "a = 'b'"})
    found = plan.make(request, lambda spec, settings: loading.make("methods", spec, settings))
    return {row.prompt.text: row.job.key for row in found.parts[0].rows}


def test_rows_are_a_csv_and_pictures_called_by_its_case_numbers(made, exported):
    to, own = exported("rows"), pictures(made)
    with (to / "prompts.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["case_number"] for row in rows] == [str(n) for n in range(6)]
    assert rows[0].keys() == {"case_number", "prompt", "evaluation_seed", "evaluation_guidance", "class"}
    assert {row["evaluation_seed"] for row in rows} == {"1"} and {row["evaluation_guidance"] for row in rows} == {"3.0"}
    assert {row["prompt"]: (to / f"{row['case_number']}_0.png").read_bytes() for row in rows} == own
    assert len(list(to.iterdir())) == 7


def test_spm_finds_every_picture_of_a_concept_and_a_template_in_meta_json(made, exported):
    to, own = exported("spm"), pictures(made)
    meta = json.loads((to / "meta.json").read_text())
    assert set(meta) == {"cat", "dog", "alien"} and all(set(of) == {"0", "1"} for of in meta.values())
    for concept, of in meta.items():
        thing = "an alien" if concept == "alien" else f"a {concept}"
        for template, text in (("0", thing), ("1", f"a photo of {thing}")):
            (path,) = of[template]
            assert Path(path).is_absolute() and Path(path).read_bytes() == own[text]
            assert Path(path).name == f"{template}_0.png"


def test_images_and_texts_are_in_one_order(made, exported):
    to, own = exported("texts"), pictures(made)
    images, texts = (sorted((to / name).iterdir()) for name in ("images", "texts"))
    assert [path.stem for path in images] == [path.stem for path in texts]
    assert {t.read_text().rstrip("\n"): i.read_bytes() for i, t in zip(images, texts, strict=True)} == own


def test_two_pictures_of_one_name_are_refused(made, command, tmp_path):
    argv = ("--suite", made / "tiny.toml", "--to", tmp_path / "to", "--as", "unlearncanvas")
    found = command("store", "export", made / "out", *METHOD, *argv)
    assert found.code == 2 and "several pictures would be called Seed_Images_cat_seed1.jpg" in found.err
    assert not (tmp_path / "to").exists() and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("shows", "says"), [({}, "need the object"), ({"object": "a/b"}, "is no name of a file")])
def test_unlearncanvas_needs_to_know_what_a_prompt_shows(shows, says):
    _, plan = planned(ONE)
    row = plan.parts[0].rows[0]
    with pytest.raises(UserError, match=says):
        layouts.unlearncanvas([replace(row, prompt=replace(row.prompt, shows=shows))], Path(), ())


def test_unlearncanvas_reads_theme_object_and_seed_in_a_name(command, tmp_path):
    suite = tmp_path / "tiny.toml"
    head = SUITE.format(model=tiny.folder()).partition("[[block]]")[0]
    templates = 'templates = ["{thing}", "{thing} in {style} style"]\nseeds = [3, 188]\n'
    suite.write_text(f'{head}[[block]]\nconcepts = ["a cat", "a dog"]\nstyles = ["old ink"]\n{templates}')
    argv = ("--method", "original", "--suite", suite)
    assert command("generate", *argv, "--out", tmp_path / "out").code == 0
    found = command("store", "export", tmp_path / "out", *argv, "--to", tmp_path / "to", "--as", "unlearncanvas")
    assert found.code == 0, found.err
    names = {f"{t}_{o}_seed{s}.jpg" for t in ("Seed_Images", "old_ink") for o in ("cat", "dog") for s in (3, 188)}
    assert {path.name for path in (tmp_path / "to" / "cat").iterdir()} == names
    originals = [pixels(path) for path in (tmp_path / "out").rglob("*.png")]
    for path in (tmp_path / "to" / "cat").iterdir():
        with Image.open(path) as picture:
            assert picture.format == "JPEG"
        nearest = min(np.abs(pixels(path).astype(int) - one).mean() for one in originals)
        assert nearest < 8


def test_missing_and_altered_pictures_are_not_exported_silently(made, copy, command, tmp_path):
    keys = list(references_of(made).values())
    (copy / "images" / keys[0][:2] / f"{keys[0]}.png").unlink()
    flip(copy / "images" / keys[1][:2] / f"{keys[1]}.png")
    argv = ("store", "export", copy, *METHOD, "--suite", made / "tiny.toml", "--to", tmp_path / "to")
    found = command(*argv)
    assert found.code == 2 and "2 of 6 pictures are not there, or not as they were made" in found.err
    assert not (tmp_path / "to").exists()
    found = command(*argv, "--partial")
    assert found.code == 0 and found.out.startswith("4 of 6") and len(list((tmp_path / "to").rglob("*.png"))) == 4
    assert "exists and is not empty" in command(*argv, "--partial").err


NAMES = {
    "rows": [f"{n}_0.png" for n in (1, 2, 3, 4, 5)],
    "spm": ["alien/0_0.png", "alien/1_0.png", "cat/1_0.png", "dog/0_0.png", "dog/1_0.png"],
    "texts": [f"images/00000{n}.png" for n in (1, 2, 3, 4, 5)],
}


@pytest.mark.parametrize("layout", NAMES)
def test_a_picture_is_called_the_same_whichever_others_are_missing(made, copy, command, tmp_path, layout):
    """Else a tool that pairs two exports by their names pairs pictures of two prompts."""
    key = references_of(made)["a cat"]
    (copy / "images" / key[:2] / f"{key}.png").unlink()
    argv = (*METHOD, "--suite", made / "tiny.toml", "--to", tmp_path / "to", "--as", layout, "--partial")
    assert command("store", "export", copy, *argv).code == 0
    to = tmp_path / "to" / "cat"
    assert sorted(path.relative_to(to).as_posix() for path in to.rglob("*.png")) == NAMES[layout]
    said = {
        path.relative_to(to).as_posix(): path.read_text()
        for path in to.rglob("*")
        if path.suffix != ".png" and path.is_file()
    }
    assert {
        "rows": lambda: said["prompts.csv"].splitlines()[1] == "1,a photo of a cat,1,3.0,cat",
        "spm": lambda: list(json.loads(said["meta.json"])["cat"]) == ["1"],
        "texts": lambda: (
            sorted(said) == [name.replace("images", "texts").replace("png", "txt") for name in NAMES["texts"]]
        ),
    }[layout]()


def test_an_explicit_suite_is_exported_only_when_asked(made, command, tmp_path):
    suite = tmp_path / "tiny.toml"
    suite.write_text((made / "tiny.toml").read_text().replace('licence = "MIT"', 'licence = "MIT"\nexplicit = true'))
    argv = ("store", "export", made / "out", *METHOD, "--suite", suite, "--to", tmp_path / "to")
    found = command(*argv)
    assert found.code == 2 and "is explicit" in found.err and not (tmp_path / "to").exists()
    assert command(*argv, "--explicit").code == 0 and len(list((tmp_path / "to").rglob("*.png"))) == 6


def test_case_numbers_are_a_list_s_own_where_its_ids_are_numbers():
    _, plan = planned(ONE)
    rows = plan.parts[0].rows
    numbered = [replace(row, prompt=replace(row.prompt, id=str(40 + n // 2))) for n, row in enumerate(rows)]
    one_seed = [replace(row, draw=replace(row.draw, seed=5, index=n % 2, of=2)) for n, row in enumerate(numbered)]
    assert layouts.rows(one_seed, Path(), ()).pictures == ["40_0.png", "40_1.png", "41_0.png", "41_1.png"]
    assert layouts.rows(numbered, Path(), ()).pictures == ["0_0.png", "1_0.png", "2_0.png", "3_0.png"]


# --- two at once

TOGETHER = """
import sys, time
from pathlib import Path
from dumo_bench.cli.app import main
Path(sys.argv[1]).touch()
while len(list(Path(sys.argv[1]).parent.glob("ready-*"))) < 2:
    time.sleep(0.01)
main(sys.argv[2:])
"""


@pytest.mark.slow  # two programs that import torch
def test_two_runs_at_once_over_one_folder_neither_corrupt_nor_duplicate(made, tmp_path):
    """Two processes of the same run: the pictures of one alone, each row once, nothing broken, nothing half written."""
    argv = ["run", *METHOD, "--scorers", "blank", "--suite", str(made / "tiny.toml"), "--out", str(tmp_path / "out")]
    both = [subprocess.Popen([sys.executable, "-c", TOGETHER, str(tmp_path / f"ready-{n}"), *argv]) for n in (1, 2)]
    assert [process.wait() for process in both] == [0, 0]
    out = tmp_path / "out"
    assert {path.name: path.read_bytes() for path in out.rglob("*.png")} == {
        path.name: path.read_bytes() for path in (made / "out").rglob("*.png")
    }
    assert [edits.tensors_hash(path.open("rb")) for path in out.glob("edits/*")] == [
        edits.tensors_hash(path.open("rb")) for path in (made / "out").glob("edits/*")
    ]
    from dumo_bench.storage import table

    scores = [table.records(table.read(root / "tables", "scores")) for root in (out, made / "out")]
    assert [len(rows) for rows in scores] == [12, 12]
    assert verify.verify(out).broken == () and not list(out.rglob("*.claim*")) and not list(out.rglob("*.partial"))
