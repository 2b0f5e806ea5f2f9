"""Tables for a paper: booktabs, to be \\input; nothing but the booktabs package is needed."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import zip_longest

from dumo_bench.report import coverage, words
from dumo_bench.report.model import CaseTables, Cell, Panel, Shown
from dumo_bench.validity import MARK

_SPECIAL = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",
    words.DASH: "--",
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
    """Everything: of each case a float, and one of its paired differences."""
    floats = (text for case in cases for text in (table(case), paired(case)) if text)
    return "% \\usepackage{booktabs}\n" + "\n".join(floats)


def table(case: CaseTables) -> str:
    """One case as a float with its panels, one under another."""
    return _float(_caption(case), label(case), case.panels)


def paired(case: CaseTables) -> str:
    """Its paired differences to the unedited model as a float, if there are any."""
    if not case.paired:
        return ""
    said = escape(f"{case.title}: {case.paired[0].title.lower()}. {words.paired(case)}")
    return _float(said, f"{label(case)}-paired", case.paired)


def _float(caption: str, name: str, panels: Sequence[Panel]) -> str:
    body = "\n\\par\\medskip\n".join(map(_tabular, panels))
    return (
        "\\begin{table}[tbp]\n\\centering\n\\footnotesize\n\\setlength{\\tabcolsep}{4pt}\n"
        f"\\caption{{{caption}}}\n\\label{{tab:{name}}}\n\\par\\medskip\n{body}\n\\end{{table}}\n"
    )


def _caption(case: CaseTables) -> str:
    lost = words.missing(case)
    said = [f"{case.title}.", case.warning, *coverage.sentences(case.coverage), words.LEGEND]
    said += [*words.cards(case), words.metrics(case), f"Missing: {'; '.join(lost)}." if lost else "Nothing is missing."]
    return escape(" ".join(part for part in said if part))


def label(case: CaseTables) -> str:
    """The case as a name without signs."""
    return "".join(char if char.isascii() and char.isalnum() else "-" for char in f"{case.suite}-{case.case}")


def _tabular(panel: Panel) -> str:
    upwards = [list(map(escape, reversed([*words.head(c), c.role]))) for c in panel.columns]
    heads = [*reversed(_stacked(upwards)), *_small([words.counts(c).split(", ") for c in panel.columns])]
    body = [row for i, name in enumerate(panel.labels) for row in _rows(name, panel.columns, i)]
    lines = ["\\toprule", *map(_line, heads), "\\midrule", *map(_line, body), "\\bottomrule"]
    return "\n".join([f"\\begin{{tabular}}{{l{'r' * len(panel.columns)}}}", *lines, "\\end{tabular}"])


def _rows(name: str, columns: Sequence[Shown], i: int) -> list[list[str]]:
    """A method takes several lines, so that seven columns fit the page: the numbers, their intervals, their remarks."""
    cells = [(column, column.cells[i]) for column in columns]
    numbers = [escape(name), *(_number(column, cell) for column, cell in cells)]
    return [numbers, *_small([words.below(column, cell) for column, cell in cells])]


def _small(columns: Sequence[Sequence[str]]) -> list[list[str]]:
    return _stacked([[f"\\scriptsize {escape(text)}" for text in lines] for lines in columns])


def _stacked(columns: Sequence[Sequence[str]]) -> list[list[str]]:
    """The lines of every column side by side, under an empty label."""
    return [["", *row] for row in zip_longest(*columns, fillvalue="")]


def _number(column: Shown, cell: Cell) -> str:
    shown = escape(words.number(column, cell))
    return f"\\textbf{{{shown}}}" if cell.bold else shown


def _line(cells: Sequence[str]) -> str:
    first, *rest = cells
    guarded = f"{{}}{first}" if first.startswith(("[", "*")) else first  # else the \\\\ above takes it as its argument
    return " & ".join([guarded, *rest]) + r" \\"
