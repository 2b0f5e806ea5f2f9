"""The workflows: what they type exists, and what the CPU ones type works as it is written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dumo_bench.cli.app import app
from dumo_bench.hosts import models

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CI, PAPER = (ROOT / ".github" / "workflows" / f"{name}.yml" for name in ("ci", "paper"))
TESTS = "make test"  # the one step that is not executed by a test


def steps(path: Path) -> Iterator[tuple[str, str]]:
    """The name of a job and what a step of it types."""
    for job, of in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].items():
        yield from ((job, step["run"]) for step in of["steps"] if "run" in step)


def test_the_tests_run_on_every_python_that_the_package_is_for():
    jobs = yaml.safe_load(CI.read_text(encoding="utf-8"))["jobs"]
    versions = jobs["tests"]["strategy"]["matrix"]["python"]
    said = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert versions == said == ["3.11", "3.12", "3.13", "3.14"]
    assert set(jobs) == {"lint", "tests", "emoji", "docs", "wheel"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_a_workflow_types_exists(path):
    typed = "\n".join(text for _, text in steps(path))
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    groups = [group.name for group in app.registered_groups]
    known = {*(info.name or info.callback.__name__ for info in app.registered_commands if info.callback), *groups}
    assert {name for name in re.findall(r"\bmake ([a-z-]+)", typed)} <= set(targets)
    assert {name for name in re.findall(r'dumo-bench"? ([a-z-]+)', typed)} <= known
    assert all((ROOT / script).is_file() for script in re.findall(r"(?:benchmarks|tests)/[\w/]+\.\w+", typed))


def test_the_papers_workflow_takes_the_weights_that_the_program_knows():
    env = yaml.safe_load(PAPER.read_text(encoding="utf-8"))["env"]
    known = models.named("sd14")
    assert (env["MODEL"], env["REVISION"]) == (known.location, known.revision)
    text = PAPER.read_text(encoding="utf-8")
    assert f"weights-{known.revision}" in text and "matrix:\n        shard: [0, 1, 2, 3]" in text and env["SHARDS"] == 4


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A checkout of what is here, whose environment is this one: `make setup` finds it made."""
    folder = tmp_path_factory.mktemp("ci") / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    (folder / ".venv").mkdir()
    for entry in Path(sys.prefix).iterdir():
        if entry.name != ".stamp":
            (folder / ".venv" / entry.name).symlink_to(entry)
    (folder / ".venv" / ".stamp").touch()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("job", "typed"), [one for one in dict.fromkeys(steps(CI)) if one[1] != TESTS])
def test_a_step_of_ci_works_as_it_is_written(job, typed, checkout, tmp_path):
    """What a fresh environment installs comes from this one, so that no network is needed: pip leaves it out."""
    here = [path for path in sys.path if path.endswith("site-packages")]
    fresh = {"PIP_NO_DEPS": "1", "PIP_FORCE_REINSTALL": "1", "PYTHONPATH": os.pathsep.join(here)}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "GITHUB_WORKSPACE": str(checkout), "PATH": path, "TMPDIR": str(tmp_path)}
    said = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", typed],
        cwd=checkout, env=env | (fresh if job == "wheel" else {}), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout[-2000:] + said.stderr[-2000:]
