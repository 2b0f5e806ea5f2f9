from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from dumo_bench.analysis import summary
from dumo_bench.plugins import loading
from dumo_bench.run import manifest, plan

ARGS = ("--method", "tests/fakes.py:Scaled", "--scorers", "tests/fakes.py:Brightness", "--device", "cpu")
HEAVY = ("torch", "pandas", "transformers", "diffusers", "numpy", "pyarrow", "matplotlib", "scipy")


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])


def pictures(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.rglob("*.png")}


def program(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize(
    "argv",
    [["--help"], ["run", "--help"], *(["list", what] for what in ("methods", "scorers", "suites", "models"))],
    ids=" ".join,
)
def test_help_and_list_import_nothing_heavy(argv):
    out = program(
        f"import sys; from dumo_bench.cli.app import main\ntry: main({argv})\nexcept SystemExit: pass\n"
        f"print('HEAVY', [m for m in {HEAVY} if m in sys.modules])"
    )
    assert len(out.splitlines()) > 3  # it said something
    assert out.splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize(
    "method",
    [name for name in loading.names("methods") if name not in ("checkpoint", "original", "relearn", "sequence")],
)  # the last two read what they are learnt on top of, and so are imported whole
def test_plan_imports_no_torch(bare_suite, method):
    """It asks the suite's scorers what they lack, and their files import numpy."""
    kinds = loading.load("methods", method).kinds
    model = [] if not kinds or "sd" in kinds else ["--model", "emoji-flow"]
    argv = ["plan", "--method", method, "--suite", str(bare_suite), *model]
    out = program(
        f"import sys; from dumo_bench.cli.app import main\ntry: main({argv})\nexcept SystemExit as e: print(e.code)\n"
        f"print('HEAVY', [m for m in {HEAVY} if m in sys.modules and m != 'numpy'])"  # scorers need it
    )
    assert "12 wanted, 0 present, 12 missing" in out
    assert out.splitlines()[-2:] == ["0", "HEAVY []"]


@pytest.mark.parametrize(
    ("what", "some"),
    [
        ("methods", "uce"),
        ("scorers", "nudenet"),
        ("metrics", "judge.erased"),
        ("weights", "nudenet"),
        ("suites", "emoji-unsafe"),
        ("models", "emoji-sd"),
    ],
)
def test_list_prints_names_and_json_of_them(command, what, some):
    assert some in command("list", what).out
    assert some in [line["name"] for line in command("list", what, "--json").rows(what)]


def test_the_list_of_weights_says_what_is_here_and_what_gets_the_rest(command, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("dumo_bench.plugins.loading.providers", with_broken(loading.providers))
    lines = {line["name"]: line for line in command("list", "weights", "--json").rows("weights")}
    assert lines["concept"]["state"] == "present" and lines["concept"]["weights"].startswith("judge ")
    assert lines["lpips"]["weights"] == "" and "torchvision.models.alexnet(weights=" in lines["lpips"]["state"]
    assert "no_such_module" in lines["broken"]["state"]


def with_broken(providers):
    """The providers with a scorer that cannot be imported."""
    broken = EntryPoint("broken", "no_such_module:Thing", "dumo_bench.scorers")
    return lambda kind: {**providers(kind), **({"broken": broken} if kind == "scorers" else {})}


def test_version_and_help_without_a_command(command):
    assert command("--version").out.startswith("dumo-bench 0.")
    assert "Usage" in command().out + command("--help").out


def test_run_makes_scores_and_summarises_and_a_second_run_makes_nothing(command, tiny_suite, tmp_path):
    out = tmp_path / "out"
    first = command("run", *ARGS, "--suite", tiny_suite, "--out", out)
    assert (first.code, len(pictures(out))) == (0, 12)
    assert "made 1 edit in" in first.out
    assert "12 pictures" in first.out
    before = pictures(out), (out / "summary.parquet").read_bytes()
    second = command("run", *ARGS, "--suite", tiny_suite, "--out", out)
    assert "made 0 edits" in second.out
    assert "0 pictures" in second.out
    assert (pictures(out), (out / "summary.parquet").read_bytes()) == before
    assert command("report", out).code == 0
    assert {"report.tex", "report.html"} <= {path.name for path in out.iterdir()}


@pytest.mark.parametrize(("limit", "partial"), [((), False), (("--limit", 1), True)])
def test_the_summary_says_what_was_expected_and_that_a_part_is_partial(command, tiny_suite, tmp_path, limit, partial):
    from dumo_bench.analysis import summary

    command("run", *ARGS, "--suite", tiny_suite, "--out", tmp_path, *limit)
    found = summary.read(tmp_path)
    rows = found[found["concept"] == "*"]
    assert set(rows["partial"]) == {partial}
    assert (rows["n"] < rows["expected"]).all() == partial and rows["expected"].max() < 12


def test_plan_counts_what_a_run_has_made(command, tiny_suite, tmp_path):
    where = ("--method", "uce", "--suite", tiny_suite, "--out", tmp_path)
    command("generate", *where, "--limit", 2)
    said = command("plan", *where).out
    assert "12 wanted, 4 present, 8 missing" in said
    assert "1 wanted, 1 present, 0 to fit" in said


def test_two_methods_share_the_pictures_of_the_unedited_model(command, tiny_suite, tmp_path):
    command("generate", "--method", "uce", "--suite", tiny_suite, "--out", tmp_path)
    assert "6 pictures" in command("generate", *ARGS[:2], "--suite", tiny_suite, "--out", tmp_path).out


def test_the_original_alone_is_a_run_too(command, tiny_suite, tmp_path):
    said = command("run", "--method", "original", *ARGS[2:], "--suite", tiny_suite, "--out", tmp_path)
    assert said.code == 0
    assert len(pictures(tmp_path)) == 6


def test_shards_make_the_same_pictures_as_one_run_and_the_last_one_scores(command, tiny_suite, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    alike = (*ARGS, "--batch-size", 1)  # shards only: a batch of another size may round a pixel otherwise
    command("run", *alike, "--suite", tiny_suite, "--out", whole)
    first = command("run", *alike, "--suite", tiny_suite, "--out", parts, "--shard", "0/2")
    assert "waits for the other shards" in first.out
    assert not (parts / "summary.parquet").exists()
    assert command("run", *alike, "--suite", tiny_suite, "--out", parts, "--shard", "1/2").code == 0
    assert pictures(parts) == pictures(whole)
    assert (parts / "summary.parquet").exists()


def test_pictures_do_not_depend_on_the_batch(command, tiny_suite, tmp_path):
    for size in (1, 5):
        command("generate", *ARGS[:2], "--suite", tiny_suite, "--out", tmp_path / str(size), "--batch-size", size)
    one, five = (pictures(tmp_path / str(size)) for size in (1, 5))
    assert one.keys() == five.keys()
    assert close(tmp_path / "1", tmp_path / "5")


def close(one: Path, other: Path) -> bool:
    """Equal up to one step of brightness: a batch of another size adds up in another order."""
    import numpy as np
    from PIL import Image

    pairs = [(path, other / path.relative_to(one)) for path in one.rglob("*.png")]
    arrays = [[np.asarray(Image.open(path)).astype(int) for path in pair] for pair in pairs]
    return all(abs(a - b).max() <= 1 for a, b in arrays)


def test_ctrl_c_keeps_what_was_made_and_the_same_command_goes_on(command, tiny_suite, tmp_path, monkeypatch):
    from dumo_bench.storage.store import Store

    put, made = Store.put_image, []

    def stopped(self, job, pixels, batch):
        if len(made) == 4:
            raise KeyboardInterrupt
        made.append(job)
        return put(self, job, pixels, batch)

    monkeypatch.setattr(Store, "put_image", stopped)
    where = ("--method", "uce", "--suite", tiny_suite, "--out", tmp_path, "--batch-size", 1)
    said = command("generate", *where)
    assert said.code == 130
    assert "type the same command again" in said.err.splitlines()[-1]
    assert "Traceback" not in said.err
    assert len(pictures(tmp_path)) == 4
    monkeypatch.undo()
    assert "and 8 pictures" in command("generate", *where).out


def test_a_picture_that_is_not_finite_is_not_written_and_the_run_says_so(command, tiny_suite, tmp_path):
    said = command("run", *ARGS, "--suite", tiny_suite, "--out", tmp_path, "--set", "factor=2e38")
    assert said.code == 1
    assert "6 failed" in said.out
    assert said.err.count("the latents are not finite") == 6
    assert len(pictures(tmp_path)) == 6


def test_a_picture_that_was_deleted_is_not_measured_and_says_so(command, tiny_suite, tmp_path):
    from dumo_bench.storage import table

    command("generate", *ARGS[:2], "--suite", tiny_suite, "--out", tmp_path)
    next(iter(tmp_path.rglob("*.png"))).unlink()
    assert command("score", *ARGS[:4], "--suite", tiny_suite, "--out", tmp_path).code == 0
    scores = table.read(tmp_path / "tables", "scores")
    assert scores["value"].isna().sum() == 2  # of two scorers
    notes = scores.loc[scores["value"].isna()].set_index("scorer")["note"]
    assert notes["brightness"] == "no picture" and notes["blank"].startswith("picture is missing")


def test_the_manifest_names_the_weights_of_every_run_that_measured_and_of_no_idle_one(bare_suite, tmp_path):
    """The scorer is called as before; the weights behind its name are others."""
    request = plan.Request("original", str(bare_suite))
    of = plan.make(request, lambda spec, settings: loading.make("methods", spec, settings))
    for label, measured in (("clip 1111", 6), ("clip 1111", 0), ("clip 2222", 6), ("clip 2222", 0)):
        spent = {"made": 0, "measured": measured, "weights": {"clip_score@folder": label}}
        manifest.write(tmp_path, request, of, ["clip_score@folder"], spent)
    (found,) = manifest.read_all(tmp_path)
    assert [run["weights"]["clip_score@folder"] for run in found["runs"]] == ["clip 1111", "clip 2222"]


def test_scores_that_are_measured_again_are_a_run_of_the_manifest(command, tiny_suite, tmp_path):
    def runs() -> list[tuple[int, int]]:
        (found,) = manifest.read_all(tmp_path)
        return [(run["made"], run["measured"]) for run in found["runs"]]

    command("run", *ARGS, "--suite", tiny_suite, "--out", tmp_path)
    command("run", *ARGS, "--suite", tiny_suite, "--out", tmp_path)
    assert runs() == [(12, 24)]
    shutil.rmtree(tmp_path / "tables")
    command("run", *ARGS, "--suite", tiny_suite, "--out", tmp_path)
    assert runs() == [(12, 24), (0, 24)]


def test_the_manifest_says_what_was_asked_and_what_it_took(command, tiny_suite, tmp_path):
    command("run", *ARGS, "--suite", tiny_suite, "--out", tmp_path, "--set", "factor=0.25")
    (path,) = (tmp_path / "runs").glob("*.json")
    found = json.loads(path.read_text())
    assert found["recipes"]["cat"]["params"] == {"factor": 0.25, "mode": "plain"}
    assert found["runs"][0]["made"] == 12
    assert found["sampling"]["key"] in set(summary.read(tmp_path)["sampling"])
    assert found["runs"][0]["libraries"]["torch"]
    assert str(os.getcwd()) not in json.dumps(found["runs"])


def test_doctor_says_plainly_that_there_is_no_gpu_and_what_follows(command, tmp_path, monkeypatch):
    import torch

    from dumo_bench.run import machine

    for mps, cuda in ((True, False), (False, True)):
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        assert "device gpu" not in [one.about for one in machine._devices()]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for built, says in (("13.0", "none: torch is built for CUDA 13.0 and finds no GPU"), (None, "built without CUDA")):
        monkeypatch.setattr(torch.version, "cuda", built)
        (gpu,) = [one for one in machine._devices() if one.about == "device gpu"]
        assert says in gpu.text and "emoji-sd needs none" in gpu.text


def test_doctor_advises_the_extras_that_there_are_and_no_other(command, tmp_path):
    import tomllib

    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    there = set(project["optional-dependencies"]) - {"dev"}
    rows = command("doctor", "--out", tmp_path, "--json").rows("findings")
    told = {row["about"].removeprefix("extra "): row for row in rows if row["about"].startswith("extra ")}
    assert set(told) == there
    assert all(row["good"] or f"pip install 'dumo-bench[{name}]'" in row["text"] for name, row in told.items())


def test_doctor_names_what_is_there_and_what_is_missing(command, tmp_path):
    said = command("doctor", "--out", tmp_path / "not" / "yet")
    assert said.code == 0
    machine, plugins = ("device cpu", "on the cpu", "threads: "), ("scorer nudenet", "method dumo")
    for part in (*machine, *plugins, "suite emoji-artist", "model sd14"):
        assert part in said.out
    assert "Traceback" not in said.out
