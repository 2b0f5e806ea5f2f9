"""-h, -v, -q and completion, of the real program."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from test_json import commands

from dumo_bench import progress

FAKES = ("--method", "tests/fakes.py:Scaled", "--scorers", "tests/fakes.py:Brightness", "--device", "cpu")


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    yield
    progress.listen(logging.INFO)


@pytest.mark.parametrize("name", ["", "prompts", *sorted(commands())])
def test_h_is_help_everywhere_and_help_names_v_and_q(command, name):
    short, long = (command(*name.split(), option) for option in ("-h", "--help"))
    assert short.code == 0 and short.out == long.out and "Usage" in short.out
    assert name == "prompts" or ("--verbose" in short.out and "--quiet" in short.out)


def test_quiet_says_results_and_errors_alone(command, tiny_suite, tmp_path):
    where = ("--suite", tiny_suite, "--out", tmp_path / "a")
    loud = command("run", *FAKES, *where)
    assert "fit scaled: cat" in loud.err and "scaled cat: 6/6" in loud.err
    quiet = command("run", *FAKES, "--suite", tiny_suite, "--out", tmp_path / "b", "-q")
    assert (quiet.code, quiet.err) == (0, "")
    assert "small, cat: scaled is not judged" in quiet.out
    for argv in (("-q", "run", *FAKES), ("run", *FAKES, "--quiet")):
        failed = command(*argv, "--suite", tiny_suite, "--out", tmp_path / "c", "--set", "factor=2e38")
        assert failed.code == 1
        assert {line.split(":")[0] for line in failed.err.splitlines()} == {"failed"}
    assert command("-q", "plan", "--method", "nothing", *where).err.startswith("dumo-bench: ")


def test_verbose_says_the_time_the_model_and_why_a_scorer_failed(command, tiny_suite, tmp_path):
    (tmp_path / "bad.py").write_text(
        "from dataclasses import dataclass\nfrom dumo_bench.interfaces import Scorer\n"
        "from dumo_bench.types import Metric\n@dataclass(frozen=True)\nclass Bad(Scorer):\n"
        "    name = 'bad'\n    version = '1'\n    cite = 'x'\n    metrics = (Metric('bad', 'x', 'neither'),)\n"
        "    def score(self, samples):\n        raise RuntimeError('a bad day')\n"
    )
    argv = ("run", *FAKES[:2], "--scorers", f"{tmp_path / 'bad.py'}:Bad", "--suite", tiny_suite)
    plain = command(*argv, "--out", tmp_path / "a")
    assert "a bad day" in plain.err and "Traceback" not in plain.err
    said = command(*argv, "--out", tmp_path / "b", "-v")
    assert "Traceback" in said.err and "in score" in said.err
    assert any(line[:4].isdigit() and "model " in line for line in said.err.splitlines())


def test_v_and_q_together_are_refused(command):
    assert command("list", "methods", "-v", "-q").err == "dumo-bench: -v and -q: choose one\n"


def test_a_command_after_a_quiet_one_says_as_much_as_ever(command):
    command("list", "methods", "-q")
    assert progress.log.isEnabledFor(logging.ERROR) and not progress.log.isEnabledFor(logging.INFO)
    command("list", "methods")
    assert progress.log.isEnabledFor(logging.INFO)


def test_warnings_of_libraries_are_said_by_the_same_logger(capsys):
    for level, n in ((logging.INFO, 1), (logging.ERROR, 0)):
        progress.listen(level)
        with warnings.catch_warnings():
            logging.captureWarnings(False)
            logging.captureWarnings(True)
            warnings.simplefilter("always")
            warnings.warn("old ways", stacklevel=1)
            logging.captureWarnings(False)
        assert capsys.readouterr().err.count("UserWarning: old ways") == n


def test_what_others_wrote_cannot_act_on_a_terminal_through_the_log(capsys):
    progress.listen(logging.INFO)
    progress.log.warning("a \x1b[31mred\x1b[0m prompt")
    assert "\x1b" not in capsys.readouterr().err


def completed(*words: str) -> list[str]:
    """What bash is told when a tab is typed after these words."""
    env = {"_DUMO_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    code = "import sys; from dumo_bench.cli.app import main; main()"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **env}
    )
    return said.stdout.split("\n")[:-1]


@pytest.mark.parametrize(
    ("words", "some"),
    [
        (("dumo-bench", "pap"), ["paper-diff"]),
        (("dumo-bench", "run", "--method", "rec"), ["rece", "receler"]),
        (("dumo-bench", "plan", "-s", "emoji-c"), ["emoji-cartoon"]),
        (("dumo-bench", "run", "--scorers", "blank,open_"), ["blank,open_nsfw"]),
        (("dumo-bench", "run", "--suite", "emoji-cartoon", "--case", "g"),
         ["ghost", "ghost+santa claus", "ghost+santa claus+clown"]),
        (("dumo-bench", "run", "--model", "emoji-s"), ["emoji-sd"]),
        (("dumo-bench", "prompts", "ver"), ["verify"]),
    ],
)  # fmt: skip
def test_a_shell_completes_commands_and_names(words, some):
    assert completed(*words) == some


def test_the_script_for_a_shell_is_printed():
    env = {**os.environ, "_DUMO_BENCH_COMPLETE": "source_zsh"}
    code = "import sys; from dumo_bench.cli.app import main; main()"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env).stdout
    assert "#compdef dumo-bench" in said
