"""Tables for a paper: to be \\input; the packages booktabs and graphicx are all that is needed.

A table is cut into parts that fit its paper, and each is measured by LaTeX itself: nothing ever runs into the margin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from string import ascii_lowercase

from dumo_bench.report import captions, coverage, layout, tables
from dumo_bench.report.cells import CaseTables, Cell, Panel, Shown
from dumo_bench.report.tables import Block, Table
from dumo_bench.report.tex import escape, prose
from dumo_bench.report.variants import Label
from dumo_bench.storage.names import plain

PACKAGES = "% \\usepackage{booktabs,graphicx}"
#: what stands around a tabular, so that LaTeX measures it
_WIDER = "\\leavevmode\\setbox0=\\hbox{\\body}\\ifdim\\wd0>\\linewidth"
BEFORE = "{\\def\\body{%\n"
AFTER = (
    f"}}%\n{_WIDER} \\scriptsize\\setlength{{\\tabcolsep}}{{2pt}}\\fi\n"
    f"{_WIDER} \\resizebox{{\\linewidth}}{{!}}{{\\box0}}\\else \\box0\\fi\\par}}"
)


def document(cases: Sequence[CaseTables]) -> str:
    """Each case in words and its panels as floats; then, on a page of its own, what holds for all tables."""
    return "\n".join([PACKAGES, *map(section, cases), "\\clearpage", _paragraph(captions.LEGEND)])


def section(case: CaseTables) -> str:
    """One case: what is to be known of it, a float for each panel, and its paired differences in the same way."""
    parts = [_paragraph(_said(case)), *_floats(case, case.panels, "")]
    if case.paired:
        parts += [_paragraph(f"{case.title}. {captions.paired(case)}"), *_floats(case, case.paired, "-paired")]
    return "\n".join(parts)


def legend(cases: Sequence[CaseTables]) -> str:
    """What holds for all tables, and how the numbers of each case were made."""
    own = (f"{case.title}. {case.contract} {captions.metrics(case)}" for case in cases)
    return "\n".join([PACKAGES, *map(_paragraph, [captions.LEGEND, *own])])


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
    return f"\\par{{\\footnotesize\\sloppy {prose(text)}\\par}}\n"


def _floats(case: CaseTables, panels: Sequence[Panel], kind: str) -> Iterator[str]:
    """A float a panel, for all of a case are taller than a page; the first has the case's label, others its number."""
    for n, panel in enumerate(panels, 1):
        name = f"{label(case)}{kind}" + (f"-{n}" if n > 1 else "")
        yield render(tables.of_panel(case, panel, name), layout.form("ieee", wide=False))


def label(case: CaseTables) -> str:
    """The case as a name without signs."""
    return plain(f"{case.suite}-{case.case}")


def render(table: Table, of: layout.Form) -> str:
    """A table as floats: what does not fit one goes on in the next."""
    marks = _marks(table.labels)
    floats = [_float(table, part, of, marks, n) for n, part in enumerate(layout.pages(layout.across(table, of)))]
    return "\n".join(floats)


def _float(table: Table, parts: Sequence[Table], of: layout.Form, marks: Mapping[Label, str], n: int) -> str:
    kind = "table*" if of.wide else "table"
    title, name = f"{table.title}{' (continued)' * bool(n)}", table.name + (f"-{n + 1}" if n else "")
    said = f"{title}." if n else table.caption
    told = [_settings(marks)] if marks else []
    bodies = "\n\\medskip\n".join(_fitted(_tabular(part, table, marks)) for part in parts)
    return "\n".join(
        [
            f"\\begin{{{kind}}}[htbp]",
            "\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}",
            f"\\caption[{prose(title)}]{{{prose(said)}}}",
            f"\\label{{tab:{name}}}",
            "\\par\\medskip",
            bodies,
            *told,
            f"\\end{{{kind}}}\n",
        ]
    )


def _fitted(tabular: str) -> str:
    """A tabular in its own size where that fits the line, else in a smaller one, else scaled."""
    return f"{BEFORE}{tabular}{AFTER}"


def _marks(labels: Sequence[Label]) -> dict[Label, str]:
    """A letter for each row whose settings are too long to stand beside its method."""
    long = [one for one in labels if layout.is_noted(one)]
    letters = [*ascii_lowercase, *(a + b for a in ascii_lowercase for b in ascii_lowercase)]
    return {one: letters[n % len(letters)] for n, one in enumerate(long)}


def _settings(marks: Mapping[Label, str]) -> str:
    every = "; ".join(f"\\textsuperscript{{{mark}}}\\,{prose(layout.told(label))}" for label, mark in marks.items())
    return f"\\par\\smallskip{{\\scriptsize {every}\\par}}"


def _names(label: Label, marks: Mapping[Label, str]) -> list[str]:
    """What a row is called, in lines; its mark is behind the last."""
    *lines, last = map(escape, layout.names(label))
    return [*lines, f"{last}\\textsuperscript{{{marks[label]}}}" if label in marks else last]


def _tabular(table: Table, whole: Table, marks: Mapping[Label, str]) -> str:
    align = "".join("c" if any(tables.below(c, cell) for cell in c.cells) else "r" for c in table.columns)
    body = [row for i, name in enumerate(table.labels) for row in _rows(_names(name, marks), table.columns, i)]
    lines = ["\\toprule", *_heads(table, whole), "\\midrule", *body, "\\bottomrule"]
    return "\n".join([f"\\begin{{tabular}}{{@{{}}l{align}@{{}}}}", *lines, "\\end{tabular}"])


def _heads(table: Table, whole: Table) -> list[str]:
    """Heads of blocks with rules below, headers that end in one line, and n where columns differ in it."""
    found = []
    if any(block.head for block in table.blocks):
        spans = (_span(block, whole.head(block)) for block in table.blocks)
        found += [_line(["", *spans]), " ".join(_rules(table.blocks))]
    upwards = [list(map(escape, reversed(captions.head(column)))) for column in table.columns]
    found += map(_line, reversed(_stacked(upwards)))
    below = [[escape(line) for line in whole.told(column)] for column in table.columns]
    return [*found, *map(_line, _small(below))]


def _span(block: Block, head: str) -> str:
    return f"\\multicolumn{{{len(block.columns)}}}{{c}}{{{escape(head)}}}"


def _rules(blocks: Sequence[Block]) -> Iterator[str]:
    at = 2
    for block in blocks:
        if block.head:
            yield f"\\cmidrule(lr){{{at}-{at + len(block.columns) - 1}}}"
        at += len(block.columns)


def _rows(names: Sequence[str], columns: Sequence[Shown], i: int) -> list[str]:
    """A method in several lines, so that many columns fit: the numbers, and close below what is said of them."""
    cells = [(column, column.cells[i]) for column in columns]
    small = _small([[escape(text) for text in tables.below(column, cell)] for column, cell in cells])
    numbers = [names[0], *(_number(column, cell) for column, cell in cells)]
    lines = [numbers, *small, *[[""] * len(numbers)] * (len(names) - 1 - len(small))]
    named = [[name, *line[1:]] for name, line in zip_longest(names, lines, fillvalue="")]
    return [*(_line(line, "[-0.6ex]") for line in named[:-1]), _line(named[-1], "[0.1ex]" if len(named) > 1 else "")]


def _small(columns: Sequence[Sequence[str]]) -> list[list[str]]:
    return _stacked([[f"{{\\tiny {text}}}" for text in lines] for lines in columns])


def _stacked(columns: Sequence[Sequence[str]]) -> list[list[str]]:
    """The lines of every column side by side, under an empty label."""
    return [["", *row] for row in zip_longest(*columns, fillvalue="")]


def _number(column: Shown, cell: Cell) -> str:
    shown = escape(captions.number(column, cell))
    return f"\\textbf{{{shown}}}" if cell.bold else f"\\underline{{{shown}}}" if cell.second else shown


def _line(cells: Sequence[str], space: str = "") -> str:
    first, *rest = cells
    guarded = f"{{}}{first}" if first.startswith(("[", "*")) else first  # else the \\\\ above takes it as its argument
    return " & ".join([guarded, *rest]) + r" \\" + space
