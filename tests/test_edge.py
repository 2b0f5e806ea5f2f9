"""A user's or the machine's fault is one line and exit code 2, in the real program; only a bug is a traceback."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny
from test_report import results

from dumo_bench.cli import app, edge
from dumo_bench.errors import UserError

RUN = ("--method", "uce", "--suite")
CODE = "from dumo_bench.cli.app import main; main()"


def program(*argv: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """The real program, as a process."""
    return subprocess.run(
        [sys.executable, "-c", CODE, *map(str, argv)],
        cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def one_line(said: str) -> str:
    (line,) = said.strip().splitlines()
    assert line.startswith("dumo-bench: ")
    return line


def safetensors_error(text: str) -> Exception:
    from safetensors import SafetensorError

    return SafetensorError(text)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "/ro/x"), "/ro/x: Read-only file system: choose another --out"),
        (OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), "a" * 300), "File name too long"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device: free some space"),
        (OSError(errno.EIO, os.strerror(errno.EIO), b"/x"), "/x: Input/output error"),
        (OSError("We couldn't connect\nto the hub"), "We couldn't connect"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/gone"), "/gone: No such file"),
        (safetensors_error("I/O error: No space left on device (os error 28)"), "the disk is full"),
        (safetensors_error("I/O error: Read-only file system (os error 30)"), "tensors could not be read or written"),
        (MemoryError(), "the memory is full"),
    ],
)
def test_whose_fault_is_told_in_one_line(command, monkeypatch, tmp_path, error, said):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("dumo_bench.report.read", fail)
    found = command("report", tmp_path)
    assert found.code == 2 and said in one_line(found.err)


def test_a_bug_is_a_traceback(monkeypatch, tmp_path):
    def fail(*_: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr("dumo_bench.report.read", fail)
    with pytest.raises(KeyError):
        app.main(["report", str(tmp_path)])


@pytest.mark.parametrize("code", [0, 1, None, "bye"])
def test_a_plugin_that_ends_the_program_is_told(command, bare_suite, tmp_path, code):
    (tmp_path / "quits.py").write_text(f"import sys\nsys.exit({code!r})\n")
    found = command("plan", "--method", f"{tmp_path}/quits.py:Thing", "--suite", bare_suite)
    assert found.code == 2 and f"called sys.exit({code!r})" in one_line(found.err)


def test_a_tilde_is_the_users_folder(command, bare_suite, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    said = command("plan", *RUN, f"~/{bare_suite.relative_to(tmp_path)}", "--out=~/out")
    assert said.code == 0 and str(tmp_path / "out") in said.out.replace("\n", "")
    assert "is not there" in command("report", "~/none").err and not (tmp_path / "~").exists()
    found = command("plan", *RUN, bare_suite, "--out=~nobody-there/out")
    assert found.code == 2 and "~nobody-there" in one_line(found.err)


@pytest.mark.parametrize("value", [3, None, "a~b", True])
def test_what_is_no_path_stays(value):
    assert edge.home(value) is value


def test_a_name_that_is_too_long_is_one_line(command, tiny_suite, tmp_path):
    found = command("fit", *RUN, tiny_suite, "--out", tmp_path / ("a" * 300))
    assert found.code == 2 and "File name too long" in found.err.splitlines()[-1]


def test_control_signs_of_an_error_reach_no_terminal(command):
    found = command("plan", *RUN, "x\x1b[2J\u202e\n:y")
    assert found.code == 2 and "\x1b" not in found.err and "\u202e" not in found.err
    one_line(found.err)


# --- real processes


def test_a_stdout_that_is_not_unicode_takes_everything(bare_suite, tmp_path):
    text = bare_suite.read_text().replace('name = "cat"', 'name = "Katze ↑ 猫"')
    bare_suite.write_text(text, encoding="utf-8")
    for coding in ("ascii", "latin-1"):
        said = program("plan", *RUN, bare_suite, cwd=tmp_path, PYTHONIOENCODING=coding)
        assert said.returncode == 0 and "\\u732b" in said.stdout and said.stderr == ""


def test_a_pipe_that_nobody_reads_ends_it_quietly(tmp_path):
    command = f"{sys.executable} -c '{CODE}' list scorers | true; echo ${{PIPESTATUS[0]}}"
    said = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert said.stderr == "" and said.stdout.strip() in ("0", str(edge.PIPE))


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_stream_that_a_shell_closed_is_no_fault(tmp_path, bare_suite, closed):
    command = f"{sys.executable} -c '{CODE}' plan -m uce -s {bare_suite} {closed}"
    said = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (said.returncode, said.stderr) == (0, "")


def test_a_report_that_cannot_be_written_is_still_shown(command, tmp_path, monkeypatch):
    out = results(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(out))

    monkeypatch.setattr("dumo_bench.storage.files.write_text", full)
    found = command("report", out)
    assert found.code == 2 and "Read-only" in one_line(found.err) and "erasing" in found.out


def test_a_checkpoint_without_the_hub_is_answered_in_seconds(tmp_path):
    weights, began = tiny.weights(), time.monotonic()
    away = {"HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "", "HF_ENDPOINT": "http://127.0.0.1:9"}
    said = program("checkpoint", weights, "--model", "sd14", cwd=tmp_path, **away)
    assert said.returncode == 2 and "type `hf download CompVis/stable-diffusion-v1-4" in one_line(said.stderr)
    assert time.monotonic() - began < 60  # nearly all of it imports torch


def test_the_hub_is_never_asked(monkeypatch, tmp_path):
    from dumo_bench.hosts import sd

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="hf download nobody/nothing"):
        sd.load("nobody/nothing")


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("--bogus", "No such option: --bogus (Possible options: --verbose): see dumo-bench --help"),
        ("repor", "No such command 'repor'. Did you mean 'report', 'export'?: see dumo-bench --help"),
        ("run --metod uce", "run: No such option: --metod"),
        ("run -m", "'-m' requires an argument"),
        ("plan", "plan: --method and --suite or an experiment's file wanted: see dumo-bench plan --help"),
        ("prompts frob", "prompts: No such command 'frob': see dumo-bench prompts --help"),
        ("list methods more", "list: Got unexpected extra argument(s) (more): see dumo-bench list --help"),
        ("plan -m uce -s emoji-cartoon --limit 0", "plan: Invalid value for '--limit'"),
        ("plan -m uce -s emoji-cartoon --device tpu", "wanted auto, cpu, cuda, cuda:0, cuda:1, ... or mps"),
    ],
)
def test_what_is_typed_wrong_is_one_line_that_names_the_command_and_its_help(command, typed, says):
    said = command(*typed.split())
    assert said.code == 2 and said.out == "" and says in one_line(said.err)


@pytest.mark.parametrize("group", ["", "prompts", "store"])
def test_a_group_without_a_command_shows_its_help_and_no_more(command, group):
    said = command(*group.split())
    assert said.code == 2 and "Usage" in said.out and said.err == ""


def test_loading_weights_draws_no_bar(tmp_path):
    said = program("list", "weights", cwd=tmp_path)
    assert (said.returncode, said.stderr) == (0, "") and "present" in said.stdout
