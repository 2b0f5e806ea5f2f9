"""Papers that tables are set in, with pdflatex: what it says of boxes that do not fit."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

_FOOTNOTES = r"\makeatletter\renewcommand{\footnotesize}{\@setfontsize\footnotesize\@ixpt\@xpt}\makeatother"


def _times(columns: str, text: str, between: str) -> str:
    """What begins a paper in Times of this width and gap between its columns."""
    sizes = f"textwidth={text},textheight=9in,columnsep={between}"
    return rf"\documentclass[{columns}]{{article}}\usepackage[{sizes}]{{geometry}}\usepackage{{times}}"


#: a paper of `layout.PAPERS` -> what begins one of its width; the last four by the numbers of their styles
CLASSES = {
    "article": r"\documentclass{article}",
    "article-twocolumn": r"\documentclass[twocolumn]{article}",
    "neurips": _times("onecolumn", "5.5in", "1in") + _FOOTNOTES,
    "ieee": _times("twocolumn", "7.16in", ".16in"),
    "cvpr": _times("twocolumn", "6.875in", ".375in"),
    "icml": _times("twocolumn", "6.75in", ".25in"),
}


def sets_tables() -> bool:
    """Whether this machine has pdflatex, and what some give in packages of their own."""
    if not (shutil.which("pdflatex") and shutil.which("kpsewhich")):
        return False
    wanted = ("booktabs.sty", "graphicx.sty", "geometry.sty", "times.sty")
    found = (subprocess.run(["kpsewhich", name], capture_output=True, check=False).returncode for name in wanted)
    return not any(found)


NEEDS_PDFLATEX = pytest.mark.skipif(
    not sets_tables(), reason="no pdflatex with booktabs: apt install texlive-latex-base texlive-latex-recommended"
)


def log(folder: Path, paper: str, *texts: str) -> str:
    """What pdflatex says of a paper that has nothing but these texts, each \\input; it must make a page."""
    for n, text in enumerate(texts):
        (folder / f"part{n}.tex").write_text(text, encoding="utf-8")
    parts = (rf"\input{{part{n}}}" for n in range(len(texts)))
    lines = [CLASSES[paper], r"\usepackage{booktabs,graphicx}", r"\begin{document}", "Text.", *parts, r"\end{document}"]
    (folder / "paper.tex").write_text("\n".join(lines))
    made = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"],
        cwd=folder, capture_output=True, text=True, errors="replace", check=False, timeout=120,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout[-2000:]
    assert (folder / "paper.pdf").stat().st_size > 1000
    return made.stdout


def misfits(said: str) -> list[str]:
    """What does not fit its line or its page, in the words of LaTeX."""
    return re.findall(r"^(?:Overfull.*|LaTeX Warning: Float too large.*)$", said, re.M)
