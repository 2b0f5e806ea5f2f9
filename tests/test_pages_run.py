"""What the tutorials type works, in the order in which they type it, in a folder with the files that they show."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from paper import sets_tables

DOCS = Path(__file__).parents[1] / "docs"
RUNS = re.compile(r"<!-- runs -->\n((?:    .*\n)+)")
FILE = re.compile(r"```(?:python|latex|toml)\n([#%] (\S+)\n.*?)```", re.DOTALL)
PAGES = sorted(page.stem for page in DOCS.glob("*.md") if RUNS.search(page.read_text(encoding="utf-8")))


def test_the_first_steps_and_both_tutorials_are_run():
    assert PAGES == ["start", "tutorial-checkpoint", "tutorial-table"]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_types_what_works(page, tmp_path):
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    for content, name in FILE.findall(text):
        (tmp_path / name).write_text(content, encoding="utf-8")
    script = f'dumo-bench() {{ "{sys.executable}" -c "from dumo_bench.cli.app import main; main()" "$@"; }}\nset -e\n'
    script += "".join(line[4:] for block in RUNS.findall(text) for line in block.splitlines(keepends=True))
    paths = os.pathsep.join([str(DOCS.parent), os.environ.get("PYTHONPATH", "")])
    said = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout[-2000:] + said.stderr[-2000:]
    if page == "tutorial-table":
        _is_set(tmp_path)


def _is_set(folder: Path) -> None:
    """The paper of the tutorial is a PDF, where this machine can set one."""
    assert "\\input{erasure}" in (folder / "paper.tex").read_text(encoding="utf-8")
    assert "gandikota2024uce" in (folder / "refs.bib").read_text(encoding="utf-8")
    if sets_tables():
        said = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert said.returncode == 0 and (folder / "paper.pdf").stat().st_size > 10_000, said.stdout[-2000:]
