"""Tables for a paper: booktabs, to be \\input; nothing but the booktabs package is needed."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import zip_longest

from dumo_bench.analysis.recognition import MARK
from dumo_bench.report import captions, coverage
from dumo_bench.report.cells import CaseTables, Cell, Panel, Shown
from dumo_bench.storage.names import plain

_SPECIAL = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",
    captions.DASH: "--",
    MARK: r"\textdagger{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}
_ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u030a": "r", "\u0327": "c"}


def escape(text: str) -> str:
    """Text that means itself in LaTeX; a character that plain pdflatex cannot set becomes its code point."""
    return "".join(_one(char) for char in text)


def _one(char: str) -> str:
    if char in _SPECIAL:
        return _SPECIAL[char]
    if char.isascii():
        return char if char.isprintable() else " "
    parts = unicodedata.normalize("NFD", char)
    if len(parts) == 2 and parts[0].isascii() and parts[1] in _ACCENTS:
        return f"\\{_ACCENTS[parts[1]]}{{{parts[0]}}}"
    return f"U+{ord(char):04X}"


def document(cases: Sequence[CaseTables]) -> str:
    """Everything: what holds for all tables, then each case in words and its panels as floats."""
    return "\n".join(["% \\usepackage{booktabs}", _paragraph(captions.LEGEND), *map(section, cases)])


def section(case: CaseTables) -> str:
    """One case: what is to be known of it, a float for each panel, and its paired differences in the same way."""
    parts = [_paragraph(_said(case)), *_floats(case, case.panels, "")]
    if case.paired:
        parts += [_paragraph(f"{case.title}. {captions.paired(case)}"), *_floats(case, case.paired, "-paired")]
    return "\n".join(parts)


def _said(case: CaseTables) -> str:
    lost = captions.missing(case)
    said = [f"{case.title}.", case.warning, *coverage.sentences(case.coverage), case.contract]
    said += [
        *captions.detection_rates(case),
        captions.metrics(case),
        f"Missing: {'; '.join(lost)}." if lost else "Nothing is missing.",
    ]
    return " ".join(part for part in said if part)


def _paragraph(text: str) -> str:
    return f"\\par{{\\footnotesize\\sloppy {escape(text)}\\par}}\n"


def _floats(case: CaseTables, panels: Sequence[Panel], kind: str) -> list[str]:
    """A float a panel, for all of a case are taller than a page; the first has the case's label, others its number."""
    names = [f"{label(case)}{kind}" + (f"-{n}" if n > 1 else "") for n in range(1, len(panels) + 1)]
    return [_float(f"{case.title}: {panel.title}", name, panel) for name, panel in zip(names, panels, strict=True)]


def _float(caption: str, name: str, panel: Panel) -> str:
    return (
        "\\begin{table}[htbp]\n\\centering\n\\footnotesize\n\\setlength{\\tabcolsep}{4pt}\n"
        f"\\caption{{{escape(caption)}}}\n\\label{{tab:{name}}}\n\\par\\medskip\n{_tabular(panel)}\n\\end{{table}}\n"
    )


def label(case: CaseTables) -> str:
    """The case as a name without signs."""
    return plain(f"{case.suite}-{case.case}")


def _tabular(panel: Panel) -> str:
    upwards = [list(map(escape, reversed([*captions.head(c), c.role]))) for c in panel.columns]
    heads = [*reversed(_stacked(upwards)), *_small([captions.counts(c).split(", ") for c in panel.columns])]
    body = [row for i, name in enumerate(panel.labels) for row in _rows(str(name), panel.columns, i)]
    lines = ["\\toprule", *map(_line, heads), "\\midrule", *map(_line, body), "\\bottomrule"]
    return "\n".join([f"\\begin{{tabular}}{{l{'r' * len(panel.columns)}}}", *lines, "\\end{tabular}"])


def _rows(name: str, columns: Sequence[Shown], i: int) -> list[list[str]]:
    """A method takes several lines, so that seven columns fit the page: the numbers, their intervals, their remarks."""
    cells = [(column, column.cells[i]) for column in columns]
    numbers = [escape(name), *(_number(column, cell) for column, cell in cells)]
    return [numbers, *_small([captions.below(column, cell) for column, cell in cells])]


def _small(columns: Sequence[Sequence[str]]) -> list[list[str]]:
    return _stacked([[f"\\scriptsize {escape(text)}" for text in lines] for lines in columns])


def _stacked(columns: Sequence[Sequence[str]]) -> list[list[str]]:
    """The lines of every column side by side, under an empty label."""
    return [["", *row] for row in zip_longest(*columns, fillvalue="")]


def _number(column: Shown, cell: Cell) -> str:
    shown = escape(captions.number(column, cell))
    return f"\\textbf{{{shown}}}" if cell.bold else shown


def _line(cells: Sequence[str]) -> str:
    first, *rest = cells
    guarded = f"{{}}{first}" if first.startswith(("[", "*")) else first  # else the \\\\ above takes it as its argument
    return " & ".join([guarded, *rest]) + r" \\"
