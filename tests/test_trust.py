"""What lies in a results folder is what was made: pictures, edits, the model they are made with, and scores."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import subprocess
import zlib
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tiny
import torch
from fakes import Brightness, Scaled
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from test_score import ABOUT, Count, Size, read, samples, tables
from test_store import EDIT, JOB, PIXELS, RECIPE

from dumo_bench.analysis import summary
from dumo_bench.errors import UserError
from dumo_bench.hosts import fingerprint, sd
from dumo_bench.run import measure, work
from dumo_bench.run.score import score
from dumo_bench.storage import checksums, files
from dumo_bench.storage.store import Store
from dumo_bench.types import Draw, Edit, Recipe, Score

__all__ = ["samples", "tables"]
RUN = ("--method", "uce", "--suite")


@pytest.fixture
def place(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


# --- pictures


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def other_pixels(path: Path) -> None:
    with Image.open(path) as picture:
        pixels = np.asarray(picture).copy()
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(path)


def other_size(path: Path) -> None:
    Image.new("RGB", (32, 32)).save(path)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def another(path: Path) -> None:
    """A whole picture of this folder under another's name."""
    other = next(one for one in path.parents[1].rglob("*.png") if one.read_bytes() != path.read_bytes())
    path.write_bytes(other.read_bytes())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """A finished folder, and the bytes of its pictures."""
    import conftest

    from dumo_bench.cli.app import main

    folder = tmp_path_factory.mktemp("made")
    suite = folder / "tiny.toml"
    suite.write_text(conftest.SUITE.format(model=tiny.folder()))
    with pytest.raises(SystemExit):
        main(["generate", *RUN, str(suite), "--out", str(folder / "out")])
    return folder, {path.name: path.read_bytes() for path in (folder / "out").rglob("*.png")}


@pytest.mark.parametrize("harm", [truncated, other_pixels, other_size, emptied, another])
def test_an_altered_picture_is_made_again_and_said(command, made, harm):
    folder, before = made
    path = sorted((folder / "out").rglob("*.png"))[3]
    harm(path)
    said = command("generate", *RUN, folder / "tiny.toml", "--out", folder / "out")
    assert said.code == 0 and f"picture {path.stem[:12]}: it is not as it was made: it is made again" in said.err
    assert {one.name: one.read_bytes() for one in (folder / "out").rglob("*.png")} == before
    assert "made again" not in command("generate", *RUN, folder / "tiny.toml", "--out", folder / "out").err


def test_an_altered_picture_is_not_scored(command, made, tmp_path):
    folder, _ = made
    (tmp_path / "bright.py").write_text("from fakes import Brightness\n")
    path = sorted((folder / "out").rglob("*.png"))[1]
    kept = path.read_bytes()
    other_pixels(path)
    argv = (*RUN, folder / "tiny.toml", "--out", folder / "out", "--scorers", f"{tmp_path}/bright.py:Brightness")
    said = command("score", *argv)
    assert "it is not scored; `dumo-bench run` makes it again" in said.err
    rows = {row["key"]: row for row in read(folder / "out" / "tables")}
    assert rows[path.stem]["value"] is None and rows[path.stem]["reason"] == "unreadable"
    assert sum(row["value"] is None for row in rows.values()) == 1
    said = command("run", *argv)
    rows = {row["key"]: row for row in read(folder / "out" / "tables")}
    assert path.read_bytes() == kept and all(row["value"] is not None for row in rows.values())


def bomb(path: Path) -> None:
    """A header that says 60,000 x 60,000."""
    raw = bytearray(path.read_bytes())
    raw[16:24] = struct.pack(">II", 60_000, 60_000)
    raw[29:33] = struct.pack(">I", zlib.crc32(raw[12:29]))
    path.write_bytes(raw)


def pipe(path: Path) -> None:
    """Whoever opens it waits for ever."""
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("harm", [bomb, pipe, Path.unlink])
def test_whatever_lies_in_a_pictures_place_the_others_are_scored_with_their_batch(command, made, tmp_path, harm):
    folder, _ = made
    (tmp_path / "bright.py").write_text("from fakes import Brightness\n")
    shutil.copytree(folder / "out", tmp_path / "out", ignore=shutil.ignore_patterns("tables", "summary.parquet"))
    path = sorted((tmp_path / "out").rglob("*.png"))[1]
    harm(path)
    argv = (*RUN, folder / "tiny.toml", "--out", tmp_path / "out", "--scorers", f"{tmp_path}/bright.py:Brightness")
    assert command("score", *argv).code == 0
    rows = read(tmp_path / "out" / "tables")
    assert {row["key"] for row in rows if row["value"] is None} == {path.stem}
    assert {row["batch"] for row in rows} == {16}


def test_pictures_of_an_earlier_version_are_taken_as_they_are_and_watched_from_then_on(place):
    path = place.put_image(JOB, PIXELS)
    (kept,) = (place.root / checksums.FOLDER).iterdir()
    kept.unlink()
    assert place.check([JOB]) == checksums.Found({}, (JOB.key,))
    assert place.check([JOB]) == checksums.Found({}, ())
    other_pixels(path)
    assert list(place.check([JOB]).altered) == [JOB.key]


@pytest.mark.parametrize("kept", [True, False])
def test_a_pipe_in_the_place_of_a_picture_is_not_waited_for(place, kept):
    path = place.put_image(JOB, PIXELS)
    path.unlink()
    os.mkfifo(path)
    if not kept:
        next((place.root / checksums.FOLDER).iterdir()).unlink()
    assert place.check([JOB]).altered == {JOB.key: "it is no file"}


@pytest.mark.parametrize("harm", [truncated, other_size, emptied])
def test_a_broken_picture_of_an_earlier_version_is_found_all_the_same(place, harm):
    path = place.put_image(JOB, PIXELS)
    next((place.root / checksums.FOLDER).iterdir()).unlink()
    harm(path)
    assert list(place.check([JOB]).altered) == [JOB.key]


def test_a_torn_line_of_checksums_spoils_no_other(place):
    place.put_image(JOB, PIXELS)
    (kept,) = (place.root / checksums.FOLDER).iterdir()
    kept.write_bytes(kept.read_bytes()[:-30])
    other = replace(JOB, draw=Draw(2))
    place.put_image(other, PIXELS)
    assert place.check([JOB, other]) == checksums.Found({}, (JOB.key,))


def test_sha256sum_reads_the_checksums(place):
    place.put_image(JOB, PIXELS)
    (kept,) = (place.root / checksums.FOLDER).iterdir()
    said = subprocess.run(["sha256sum", "-c", kept], cwd=place.root, capture_output=True, text=True, check=False)
    assert said.returncode == 0 and said.stdout.endswith(": OK\n")


# --- edits


def rewritten(path: Path, change: Any) -> None:
    with safe_open(path, framework="pt") as file:
        notes = dict(file.metadata())
    tensors = load_file(path)
    path.unlink()
    save_file(change(tensors, notes), path, metadata=notes)


def changed(tensors: dict[str, Any], _: Any) -> dict[str, Any]:
    return tensors | {"unet.a": tensors["unet.a"] + 1}


def fewer(tensors: dict[str, Any], _: Any) -> dict[str, Any]:
    return {"unet.a": tensors["unet.a"]}


def renamed(tensors: dict[str, Any], _: Any) -> dict[str, Any]:
    return {"unet.b": tensors["unet.b"], "unet.c": tensors["unet.a"]}


def halved(tensors: dict[str, Any], _: Any) -> dict[str, Any]:
    return {name: one.half() for name, one in tensors.items()}


@pytest.mark.parametrize("change", [changed, fewer, renamed, halved])
def test_an_edit_whose_tensors_are_others_is_refused(place, change):
    rewritten(place.put_edit(RECIPE, EDIT), change)
    with pytest.raises(UserError, match="its tensors are not those that were learnt: delete it and fit again"):
        place.get_edit(RECIPE)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(RECIPE, params={"ridge": 9.0}), "params"),
        (replace(RECIPE, erase=("dog",)), "erase"),
        (replace(RECIPE, fit_seed=3), "fit_seed"),
        (replace(RECIPE, method="rece"), "method"),
        (replace(RECIPE, version="0"), "version"),
    ],
)
def test_an_edit_of_another_recipe_is_refused(place, other, said):
    place.put_edit(other, EDIT).rename(place.edit_path(RECIPE))
    with pytest.raises(UserError, match=f"is of another recipe .{said} .*delete it and fit again"):
        place.get_edit(RECIPE)


def test_an_edit_that_says_something_else_of_itself_is_refused(place):
    path = place.put_edit(RECIPE, EDIT)
    rewritten(path, lambda tensors, notes: notes.update(header='{"gate": true}') or tensors)
    with pytest.raises(UserError, match="what it says of itself was changed: delete it and fit again"):
        place.get_edit(RECIPE)


def early(place: Store, header: Any) -> Any:
    """What an edit of before its header had a checksum says of itself."""

    def change(tensors: Any, notes: Any) -> Any:
        notes.update(header=json.dumps(header))
        notes.pop("header_sha256")
        return tensors

    rewritten(place.put_edit(RECIPE, EDIT), change)
    return place.get_edit(RECIPE).header


@pytest.mark.parametrize("odd", [{"model_hash": 5}, {"concepts": "cat"}, {"params": []}, {"model": None}])
def test_an_edit_that_says_odd_things_of_itself_is_one_line(place, odd):
    with pytest.raises(UserError, match=r"its \w+ is .* wanted \w+: delete it and fit again"):
        early(place, odd)


def test_what_an_edit_does_not_say_is_one_line(place):
    with pytest.raises(UserError, match="the edit does not say its 'groups': delete it and fit again"):
        _ = early(place, {"method": "dumo"})["groups"]


@pytest.mark.parametrize(
    "notes", [{"recipe": "[]", "header": "{}"}, {"recipe": "{}", "header": "3"}, {"recipe": "{", "header": ""}]
)
def test_an_edit_with_odd_notes_is_refused_in_one_line(place, notes):
    path = place.edit_path(RECIPE)
    path.parent.mkdir(parents=True)
    save_file({"a": torch.ones(1)}, path, metadata=notes)
    with pytest.raises(UserError, match="delete it and fit again"):
        place.get_edit(RECIPE)


def test_an_edit_of_an_earlier_version_is_read_and_called_by_its_file(place):
    path = place.put_edit(RECIPE, EDIT)
    rewritten(path, lambda tensors, notes: notes.pop("tensors") and tensors)
    assert place.get_edit(RECIPE).header == EDIT.header
    assert place.edit_hash(RECIPE) == files.sha256(path)


def test_an_edit_is_called_by_its_recipe_and_tensors_and_not_by_what_it_took(tmp_path):
    costs = [Edit(EDIT.tensors, {"seconds": n, "peak_memory": n}) for n in (1, 2)]
    first, second = (Store(tmp_path / str(n)) for n in (1, 2))
    for store, edit in zip((first, second), costs, strict=True):
        store.put_edit(RECIPE, edit)
    assert first.edit_hash(RECIPE) == second.edit_hash(RECIPE) != ""
    second.edit_path(RECIPE).unlink()
    second.put_edit(RECIPE, Edit({"unet.a": torch.zeros(1)}, {}))
    assert first.edit_hash(RECIPE) != second.edit_hash(RECIPE)


# --- the model


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.host()


def name_of(host: sd.Host) -> str:
    return sd.key_value_names(host.unet)[-1]


@dataclass(frozen=True)
class Careless(Scaled):
    """Leaves something of the model changed, in `fit`, or after `apply`."""

    harm: ClassVar[Any] = None
    where: str = "fit"

    def fit(self, host, erase, *, seed):
        if self.where == "fit":
            type(self).harm(host)
        return super().fit(host, erase, seed=seed)

    def apply(self, host, edit):
        if self.where == "apply":
            type(self).harm(host)
        return super().apply(host, edit)


def one_number(host: sd.Host) -> None:
    with torch.no_grad():
        dict(host.unet.named_parameters())[name_of(host)][0, 0] += 1e-6


def two_places(host: sd.Host) -> None:
    with torch.no_grad():
        own = dict(host.unet.named_parameters())[name_of(host)]
        own[[0, 1]] = own[[1, 0]].clone()


def a_text_weight(host: sd.Host) -> None:
    with torch.no_grad():
        next(host.text_encoder.parameters()).mul_(1.001)


def the_vae(host: sd.Host) -> None:
    with torch.no_grad():
        next(host.vae.decoder.parameters()).mul_(2)


def a_hook(host: sd.Host) -> None:
    host.unet.mid_block.register_forward_hook(lambda *_: None)


def a_forward(host: sd.Host) -> None:
    host.unet.mid_block.forward = host.unet.mid_block.forward


def another_mode(host: sd.Host) -> None:
    host.unet.train()


def a_decode(host: sd.Host) -> None:
    host.vae.decode = host.vae.decode


def a_configuration(host: sd.Host) -> None:
    host.vae.register_to_config(scaling_factor=0.5)


def a_scale_of_attention(host: sd.Host) -> None:
    next(one for one in host.unet.modules() if hasattr(one, "to_k")).scale *= 2


def a_state_of_a_processor(host: sd.Host) -> None:
    next(iter(host.unet.attn_processors.values())).strength = 2.0


def an_epsilon(host: sd.Host) -> None:
    next(one for one in host.vae.modules() if isinstance(one, torch.nn.GroupNorm)).eps = 0.1


def tiles(host: sd.Host) -> None:
    host.vae.enable_tiling()


def an_order_in_memory(host: sd.Host) -> None:
    host.unet.to(memory_format=torch.channels_last)


def gradients_of_weights(host: sd.Host) -> None:
    host.unet.requires_grad_(True)


def the_schedule(host: sd.Host) -> None:
    host.schedule["beta_end"] = 0.5  # type: ignore[index]


def a_word(host: sd.Host) -> None:
    host.tokenizer.add_tokens(["<new>"])


def the_default_dtype(_: sd.Host) -> None:
    torch.set_default_dtype(torch.float64)


def no_gradients(_: sd.Host) -> None:
    torch.set_grad_enabled(False)


def quick_convolutions(_: sd.Host) -> None:
    torch.backends.cudnn.benchmark = True


@pytest.fixture(autouse=True)
def torch_as_it_was():
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)
    torch.backends.cudnn.benchmark = False


HARMS = [
    one_number, two_places, a_text_weight, the_vae, a_hook, a_forward, another_mode, a_decode, a_configuration,
    a_scale_of_attention, a_state_of_a_processor, an_epsilon, tiles, an_order_in_memory, gradients_of_weights,
    the_schedule, a_word, the_default_dtype, no_gradients, quick_convolutions,
]  # fmt: skip


@pytest.mark.parametrize("harm", HARMS)
def test_a_fit_that_leaves_the_model_changed_is_named_and_nothing_is_written(tmp_path, monkeypatch, harm):
    host = tiny.host()
    monkeypatch.setattr(Careless, "harm", staticmethod(harm))
    store, recipe = Store(tmp_path), Recipe("scaled", "1", {}, ("ghost",), 0, host.hash)
    with pytest.raises(UserError, match=r"method scaled: its fit left the model changed .*nothing was written"):
        work.fit(host, Careless(), recipe, store)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("harm", HARMS[:2])
def test_an_apply_that_leaves_the_model_changed_is_named_and_nothing_is_written(tmp_path, monkeypatch, harm):
    host = tiny.host()
    monkeypatch.setattr(Careless, "harm", staticmethod(harm))
    recipe = Recipe("scaled", "1", {}, ("ghost",), 0, host.hash)
    store, method = Store(tmp_path), Careless(where="apply")
    work.fit(host, method, recipe, store)
    job = replace(JOB, recipe=recipe, sampling=replace(JOB.sampling, steps=1))
    with pytest.raises(UserError, match="method scaled: its apply left the model changed"):
        work.generate(host, method, [job], store, 1)
    assert list(tmp_path.rglob("*.png")) == []


def test_a_model_that_is_left_alone_has_the_same_fingerprint(host):
    assert fingerprint.taken(host) == fingerprint.taken(host)


# --- scorers


@dataclass(frozen=True)
class Raises(Brightness):
    """Fails as often as it is told to."""

    name: ClassVar[str] = "raises"
    metrics = (replace(Brightness.metrics[0], name="raises"),)
    error: ClassVar[BaseException | None] = None

    def score(self, samples):
        if self.error is not None:
            raise self.error
        return [[replace(self._one(sample), metric="raises")] for sample in samples]


class Panic(BaseException):
    """As libraries in Rust raise them: no Exception."""


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("it cannot say what it is")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("no\nsuch \x1b[2Jluck"), "RuntimeError: no such"),
        (SystemExit(0), "SystemExit: 0"),
        (UserError("weights are broken"), "UserError: weights are broken"),
        (MemoryError(), "MemoryError"),
        (Panic("called `Option::unwrap()`"), "Panic: called"),
        (Mute(), "Mute"),
    ],
)
def test_a_scorer_that_raises_fails_alone_and_is_measured_later(samples, tables, monkeypatch, error, said):
    monkeypatch.setattr(Raises, "error", error)
    found = score(samples, [Raises(), Size()], tables, ABOUT)
    assert found.failed[0][0] == "raises" and found.failed[0][1].startswith(said)
    rows = [row for row in read(tables) if row["scorer"] == "raises"]
    assert len(rows) == 9 and {(row["value"], row["reason"]) for row in rows} == {(None, "failed")}
    assert all(row["note"].startswith(said) and "\x1b" not in row["note"] for row in rows)
    assert len(read(tables)) == 9 + 18
    monkeypatch.setattr(Raises, "error", None)
    again = score(samples, [Raises(), Size()], tables, ABOUT)
    assert (again.new, again.failed) == (9, ())
    assert all(row["value"] is not None for row in read(tables) if row["scorer"] == "raises")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e308, -1e200])
def test_a_value_that_no_table_can_hold_is_not_measured_and_the_summary_is_written(tmp_path, samples, value):
    score(samples, [Gives(value), Size()], tmp_path / "tables", ABOUT)
    rows = [row for row in read(tmp_path / "tables") if row["scorer"] == "gives"]
    assert {(row["value"], row["reason"], row["note"]) for row in rows} == {
        (None, "failed", f"the scorer returned {value}")
    }
    assert len(summary.read(summary.write(tmp_path).parent))


@pytest.mark.parametrize("value", [Decimal("0.5"), Fraction(1, 2), np.float32(0.5), np.array(0.5), torch.tensor(0.5)])
def test_a_value_may_be_any_kind_of_number_and_a_note_any_text(tables, samples, value):
    score(samples, [Gives(value, "half\ud800 a \x1b[31m")], tables, ABOUT)
    assert {(row["value"], row["note"]) for row in read(tables)} == {(0.5, "half\ufffd a \ufffd[31m")}


@dataclass(frozen=True)
class Gives(Brightness):
    """The same of every picture."""

    value: Any = 0.5
    note: str = ""
    name: ClassVar[str] = "gives"
    metrics = (replace(Brightness.metrics[0], name="gives"),)

    def score(self, samples):
        return [[Score("gives", self.value, self.note)] for _ in samples]


def test_a_scorer_that_takes_no_such_suite_is_refused_before_any_work(command, tiny_suite, tmp_path):
    code = "from fakes import Brightness\nclass Odd(Brightness):\n    def for_suite(self, suite): return None\n"
    (tmp_path / "odd.py").write_text(code)
    said = command("run", *RUN, tiny_suite, "--out", tmp_path / "out", "--scorers", f"{tmp_path}/odd.py:Odd")
    assert said.code == 2 and "for_suite gave None; wanted a Odd" in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_an_edit_that_is_not_finite_is_refused_and_not_kept(tmp_path, factor):
    host, place, recipe = tiny.host(), Store(tmp_path), Recipe("scaled", "1", {}, ("cat",), 0, tiny.host().hash)
    with pytest.raises(UserError, match=r"fit scaled: unet\.\S+ of the edit are not finite: .* in torch.float32"):
        work.fit(host, Scaled(factor=factor), recipe, place)
    assert not place.has_edit(recipe)
    work.fit(host, Scaled(), recipe, place)
    assert place.has_edit(recipe)


@dataclass(frozen=True)
class Picky(Brightness):
    """Fails whenever it is given a picture of these; counts how often it is asked."""

    name: ClassVar[str] = "picky"
    metrics = (replace(Brightness.metrics[0], name="picky"),)
    at_fault: ClassVar[set[Path]] = set()
    asked: ClassVar[list[int]] = []

    def score(self, samples):
        self.asked.append(len(samples))
        if bad := [sample.image.name for sample in samples if sample.image in self.at_fault]:
            raise ValueError(bad[0])
        return [[replace(self._one(sample), metric="picky")] for sample in samples]


@pytest.mark.parametrize("at_fault", [(0,), (4,), (0, 8), tuple(range(1, 9))], ids=str)
def test_only_the_pictures_at_fault_carry_the_reason(samples, tables, monkeypatch, at_fault):
    bad = {samples[n].image for n in at_fault}
    monkeypatch.setattr(Picky, "at_fault", bad)
    found = score(samples, [Picky(), Size()], tables, ABOUT)
    assert found.failed[0][0] == "picky"
    of = {row["key"]: row for row in read(tables) if row["scorer"] == "picky"}
    for sample in samples:
        row = of[sample.job.key]
        assert (row["value"] is None) == (sample.image in bad)
        assert row["note"] == (f"ValueError: {sample.image.name}" if sample.image in bad else "")


def test_a_scorer_that_raises_for_every_picture_is_not_asked_thousands_of_times(samples, tables, monkeypatch):
    many = [replace(s, prompt=replace(s.prompt, id=f"{s.prompt.id}-{n}")) for n in range(100) for s in samples]
    monkeypatch.setattr(Picky, "at_fault", {sample.image for sample in samples})
    monkeypatch.setattr(Picky, "asked", [])
    score(many, [Picky()], tables, ABOUT)
    assert Picky.asked == [64] + [1] * measure.FEW
    assert len(read(tables)) == len(many) and all(row["reason"] == "failed" for row in read(tables))


def test_a_scorer_that_gives_too_few_results_is_refused(samples, tables, monkeypatch):
    monkeypatch.setattr(Raises, "score", lambda self, samples: [])
    with pytest.raises(UserError, match="pictures and gave back 0; wanted one each"):
        score(samples, [Raises()], tables, ABOUT)


def test_a_scorer_of_sets_that_raises_fails_alone_and_is_measured_later(samples, tables, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Count, "score_set", lambda *_: 1 / 0)
        found = score(samples, [Count(), Size()], tables, ABOUT)
    assert found.failed == (("count", "ZeroDivisionError: division by zero"),)
    assert {(row["value"], row["reason"]) for row in read(tables, "sets")} == {(None, "failed")}
    assert len(read(tables)) == 18
    assert score(samples, [Count(), Size()], tables, ABOUT).failed == ()
    assert all(row["value"] is not None for row in read(tables, "sets") if row["metric"] == "count.set")


def test_a_run_with_a_scorer_that_raises_ends_with_1_and_the_others_and_a_summary(command, made, tmp_path):
    folder, _ = made
    code = (
        "from dataclasses import dataclass\nfrom test_trust import Raises\nRaises.error = RuntimeError('not today')\n"
    )
    (tmp_path / "mine.py").write_text(code)
    (tmp_path / "bright.py").write_text("from fakes import Brightness\n")
    scorers = f"{tmp_path}/mine.py:Raises,{tmp_path}/bright.py:Brightness"
    argv = ("score", *RUN, folder / "tiny.toml", "--out", folder / "out", "--scorers", scorers)
    try:
        said = command(*argv)
        assert said.code == 1 and "failed: scorer raises: RuntimeError: not today; the same command" in said.err
        assert (folder / "out" / "summary.parquet").exists() and "small, cat: uce" in said.out
        assert "brightness" in command("report", folder / "out").out
    finally:
        Raises.error = None
    said = command(*argv)
    assert (said.code, "failed" in said.err) == (0, False)
    manifests = [json.loads(path.read_text()) for path in (folder / "out" / "runs").glob("*.json")]
    assert any(run.get("scorers_failed") for one in manifests for run in one["runs"])


def test_equal_pixels_have_equal_checksums(place):
    place.put_image(JOB, PIXELS)
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, format="PNG")
    assert checksums.known(place.root)[JOB.key] == {files.sha256_of([stream.getvalue()])}
