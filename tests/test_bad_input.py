"""A user's mistake is one line on stderr and exit code 2, before any work and without a traceback."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

RUN = ("--method", "uce", "--suite")
FREE = ("--scorers", "nudenet")  # needs no weights of the embedded model


def refused(said, *parts: str) -> None:
    assert said.code == 2, said
    lines = said.err.strip().splitlines()
    assert len(lines) == 1, said.err
    assert lines[0].startswith("dumo-bench: ")
    for part in parts:
        assert part in lines[0]
    assert "Traceback" not in said.out + said.err


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_an_unknown_method(command, bare_suite, verb):
    said = command(verb, "--method", "uec", "--suite", bare_suite, *(FREE if verb == "run" else ()))
    refused(said, "methods: nothing is called 'uec'. Did you mean 'uce'?", "dumo")


def test_an_unknown_scorer(command, bare_suite, tmp_path):
    said = command("run", *RUN, bare_suite, "--scorers", "concept,clipscore", "--out", tmp_path / "out")
    refused(said, "scorers: nothing is called 'clipscore'. Did you mean 'clip_score'?")
    assert not (tmp_path / "out").exists()


def test_an_unknown_suite(command):
    refused(command("plan", *RUN, "emoji-artists"), "Did you mean 'emoji-artist'?", "emoji-unsafe")


def test_an_unknown_case(command, bare_suite):
    refused(command("plan", *RUN, bare_suite, "--case", "cta"), "cases of small", "Did you mean 'cat'?")


def test_an_unknown_model(command, bare_suite):
    said = command("plan", *RUN, bare_suite, "--model", "emoji_sd")
    refused(said, "models: nothing is called 'emoji_sd'. Did you mean 'emoji-sd'?", "hub id")


@pytest.mark.parametrize("verb", ["plan", "fit", "run"])
def test_an_unknown_setting(command, bare_suite, verb):
    said = command(verb, *RUN, bare_suite, "--set", "rigde=1", *(FREE if verb == "run" else ()))
    refused(said, "settings of uce", "'rigde'", "Did you mean 'ridge'?")


def test_a_setting_of_the_wrong_type(command, bare_suite):
    refused(command("plan", *RUN, bare_suite, "--set", "strength=much"), "strength takes float, got 'much'")


@pytest.mark.parametrize("verb", ["plan", "fit", "run"])
def test_a_setting_that_is_nonsense(command, bare_suite, tmp_path, verb):
    more = FREE if verb == "run" else ()
    said = command(verb, "-m", "dumo", "-s", bare_suite, "--set", "lr=0", "--out", tmp_path / "out", *more)
    refused(said, "settings of dumo: lr takes a number in (0, inf), got 0.0")
    assert not (tmp_path / "out" / "edits").exists()


@pytest.mark.parametrize("verb", ["plan", "fit", "run"])
def test_a_case_that_erases_an_empty_concept(command, bare_suite, verb):
    """In a suite that measures attacks no prompt need be of the concept."""
    text = bare_suite.read_text().replace('erase = ["cat"]', 'erase = [" "]')
    bare_suite.write_text(f'{text}role = "attack"\n')
    said = command(verb, "-m", "dumo", "-s", bare_suite, *(FREE if verb == "run" else ()))
    refused(said, "dumo: wanted one concept or more to erase, none of them empty, got [' ']")


def test_a_setting_without_a_value(command, bare_suite):
    refused(command("plan", *RUN, bare_suite, "--set", "ridge"), "wanted key=value")


def test_an_unknown_key_in_a_suite(command, bare_suite):
    bare_suite.write_text(bare_suite.read_text().replace("templates", "template"))
    refused(command("plan", *RUN, bare_suite), "small.toml:24", "Did you mean 'templates'?")


def test_a_broken_suite(command, bare_suite):
    bare_suite.write_text(bare_suite.read_text().replace('name = "small"', "name = "))
    refused(command("plan", *RUN, bare_suite), "small.toml:2", "broken TOML")


def test_an_empty_suite(command, bare_suite):
    bare_suite.write_text(bare_suite.read_text().partition("[[block]]")[0])
    refused(command("run", *RUN, bare_suite, *FREE), "lacks 'block': it is empty")


def test_duplicate_ids(command, bare_suite):
    text = bare_suite.read_text()
    bare_suite.write_text(text + "[[block]]" + text.partition("[[block]]")[2])
    refused(command("run", *RUN, bare_suite, *FREE), "small.toml:26", "the id 'a-cat' is there already")


@pytest.mark.parametrize("parts", [("unet",), ("vae", "tokenizer")])
def test_a_model_folder_without_the_needed_parts(command, bare_suite, bare_model, parts):
    for part in parts:
        (bare_model / part).rename(bare_model / f"not-{part}")
    refused(command("run", *RUN, bare_suite, *FREE), f"lacks {', '.join(parts)}")


def test_a_model_folder_whose_weights_are_none(command, bare_suite, tmp_path):
    said = command("run", *RUN, bare_suite, "--out", tmp_path / "out", "--scorers", "", "--device", "cpu")
    refused(said, "cannot be loaded")


def test_a_hub_model_that_is_not_here_says_what_to_type(command, bare_suite, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    refused(command("run", *RUN, bare_suite, "--model", "nobody/nothing"), "hf download nobody/nothing")


def test_a_wrong_shard(command, bare_suite):
    refused(command("plan", *RUN, bare_suite, "--shard", "2/2"), "wanted i/n")


def test_a_report_of_a_folder_without_results(command, tmp_path):
    refused(command("report", tmp_path), "summary.parquet is not there", "dumo-bench")


def test_a_report_of_a_folder_that_is_not_there(command, tmp_path):
    refused(command("report", tmp_path / "none"), "is not there")


@pytest.mark.parametrize(
    "argv", [("report",), ("run", *RUN, "emoji-artist", "--scorers", "", "--out")], ids=lambda a: a[0]
)
def test_results_of_another_schema_version_are_refused_and_stay_as_they_are(command, tmp_path, argv):
    import pyarrow.parquet as pq

    from dumo_bench.storage import arrow

    schema = arrow.schema("summary").with_metadata({b"dumo_bench_schema": b"99"})
    pq.write_table(schema.empty_table(), tmp_path / "summary.parquet")
    before = (tmp_path / "summary.parquet").read_bytes()
    refused(command(*argv, tmp_path), "summary.parquet has schema version 99")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"summary.parquet": before}


def test_a_results_folder_that_is_a_file(command, bare_suite, tmp_path):
    (tmp_path / "out").write_text("mine")
    refused(command("run", *RUN, bare_suite, "--scorers", "", "--out", tmp_path / "out"), str(tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("part", ["unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"])
def test_a_model_whose_weights_are_cut_short(command, tiny_suite, tmp_path, part):
    import shutil

    import tiny

    model = shutil.copytree(tiny.folder(), tmp_path / "cut")
    (model / part).write_bytes((model / part).read_bytes()[:-100])
    said = command("run", *RUN, tiny_suite, "--model", model, "--scorers", "", "--out", tmp_path / "out")
    refused(said, "cannot be loaded")


def test_a_mistake_shows_no_traceback_in_the_real_program(tmp_path):
    code = "from dumo_bench.cli.app import main; main(['plan', '-m', 'dumo', '-s', 'emoji-cartoons'])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (said.returncode, said.stdout, len(said.stderr.splitlines())) == (2, "", 1)


def test_a_broken_manifest(command, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "x.json").write_text("{")
    refused(command("report", tmp_path), "x.json is broken")


def test_an_edit_made_for_another_model(command, tiny_suite, tmp_path):
    """The file of one model's edit under the name that another model's has."""
    import tiny

    out, other = tmp_path / "out", tiny.save(tmp_path / "other", seed=1)
    assert command("fit", *RUN, tiny_suite, "--out", out).code == 0
    (edit,) = (out / "edits").iterdir()
    assert command("fit", *RUN, tiny_suite, "--model", other, "--out", tmp_path / "second").code == 0
    (wanted,) = (tmp_path / "second" / "edits").iterdir()
    os.replace(edit, wanted)
    said = command("run", *RUN, tiny_suite, "--model", other, "--out", tmp_path / "second", "--scorers", "")
    assert said.code == 2
    assert "was made for another model" in said.err.splitlines()[-1]


def test_a_full_disk_loses_nothing(command, tiny_suite, tmp_path, monkeypatch):
    out = tmp_path / "out"
    rename, made = os.replace, []

    def full(source, target):
        if str(target).endswith(".png") and len(made) >= 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        made.extend([target] if str(target).endswith(".png") else [])
        return rename(source, target)

    monkeypatch.setattr("os.replace", full)
    said = command("generate", *RUN, tiny_suite, "--out", out)
    assert said.code == 2
    assert "is full: free some space" in said.err.splitlines()[-1]
    assert len(list(out.rglob("*.png"))) == 2
    assert list(out.rglob("*.partial")) == []
    monkeypatch.undo()
    assert "and 10 pictures" in command("generate", *RUN, tiny_suite, "--out", out).out


def test_a_prompt_longer_than_the_tokenizer_takes_is_warned_of_before_any_work(command, tiny_suite, tmp_path):
    tiny_suite.write_text(tiny_suite.read_text().replace("a photo of {thing}", "a photo of {thing}" + " on blue" * 40))
    said = command("generate", *RUN, tiny_suite, "--out", tmp_path / "out")
    assert said.code == 0
    first = said.err.splitlines()[0]
    assert first.startswith("warning: prompt a-photo-of-a-cat")
    assert "too long for the text encoder, which will not see '" in first
    assert first.endswith("on blue on blue'")


def test_a_negative_prompt_that_is_too_long_is_warned_of_too(command, tiny_suite, tmp_path):
    negative = "width = 64\nnegative = '" + "ugly " * 80 + "'"
    tiny_suite.write_text(tiny_suite.read_text().replace("width = 64", negative))
    said = command("generate", *RUN, tiny_suite, "--out", tmp_path / "out", "--limit", "1")
    assert said.err.startswith("warning: the negative prompt is too long for the text encoder, which will not see '")


def test_an_option_that_does_not_exist(command):
    said = command("run", "--methd", "uce")
    assert said.code == 2
    assert "--method" in said.err
