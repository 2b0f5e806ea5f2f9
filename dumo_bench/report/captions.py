"""How numbers, their intervals and their absence are said, the same in every format."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from dumo_bench.analysis.recognition import MARK, REFERENCE, lacking
from dumo_bench.report import telling
from dumo_bench.report.cells import CaseTables, Cell, Shown

DASH = "\N{EN DASH}"
MOST = 10  # concepts that are named in a note
LEGEND = (
    "Shows, keeps: the share of pictures (0 to 1) in which a classifier recognises the concept; arrows point to what "
    "is better. Target prompts name the erased concept, related ones a neighbour of it, unrelated ones something "
    "else; kept means related and unrelated together. n counts pictures. In brackets: the 95 % confidence interval, "
    "by bootstrap over prompts, or Wilson's interval where all prompts have the same rate; counts that are all equal "
    "and numbers of a whole set have none. In rows over training seeds: the lowest and the highest value, which is no "
    "interval. A dash: not measured, which is never 0. Bold: the best method, where it differs significantly from "
    "every other one (q below 0.05: the largest p of the paired tests, corrected by Benjamini and Hochberg over all "
    "columns of all cases) and all were measured on equally many pictures; underlined: the second, where in the same "
    "way it differs from all behind it. The row of the original is the detection "
    f"rate on unedited pictures. Where it is under 50 %, the numbers are unreliable: they are grey and marked {MARK}."
)


PAIRED = (
    "Each method minus the unedited model on the same prompts and noise, the mean over training seeds. In brackets: "
    "the 95 % confidence interval, by bootstrap over prompts; for numbers made of several means with Jeffreys' "
    "posterior of a rate that all prompts share; none where no resample differs. q: p (McNemar's exact test of yes/no "
    "values of one picture a prompt, else a permutation test that flips signs per prompt; for numbers made of several "
    "means it exchanges the two methods per prompt), corrected by Benjamini and Hochberg over all {} tests of these "
    "tables, of all cases. Bold: significant, q below 0.05."
)


def paired(case: CaseTables) -> str:
    """What the table of paired differences shows."""
    return PAIRED.format(case.family)


def number(column: Shown, cell: Cell) -> str:
    """The value without its interval, marked where it says nothing; a dash where there is none."""
    return DASH if cell.value is None else _fixed(cell.value, column.digits) + (MARK if cell.unreliable else "")


def _fixed(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: no "-0.00"


def interval(column: Shown, cell: Cell) -> str:
    """The interval, or nothing."""
    if cell.low is None or cell.high is None:
        return ""
    return f"[{_fixed(cell.low, column.digits)}, {_fixed(cell.high, column.digits)}]"


def q_value(cell: Cell) -> str:
    """q of a difference, or nothing."""
    return "" if cell.q is None else "q<0.001" if cell.q < 0.001 else f"q={cell.q:.2g}"


def remark(column: Shown, cell: Cell) -> str:
    """What has to stand beside a number: what is missing, and an n other than its column's."""
    if not cell.measured:
        return cell.note or "not scored"
    if cell.value is None:
        return f"{cell.n_missing} missing" if cell.n_missing else f"n={cell.n}"
    if (cell.n, cell.n_missing) == (column.n, column.n_missing):
        return ""
    return _counted(cell.n, cell.n_missing)


def head(column: Shown) -> list[str]:
    """The header and its arrow in short lines, so that the numbers below decide how wide a column is."""
    text = "\u00a0".join(part for part in (column.header, arrow(column)) if part)  # the arrow never stands alone
    return [one.replace("\u00a0", " ") for one in textwrap.wrap(text, 12, break_long_words=False)]


def wrapped(text: str, width: int) -> list[str]:
    """A text in lines of at most so many characters, one at least."""
    return textwrap.wrap(text, width) or [""]


def below(column: Shown, cell: Cell) -> list[str]:
    """What stands under a number, in short lines: its interval, its remark."""
    return [part for part in (interval(column, cell), q_value(cell), *remark(column, cell).split(", ")) if part]


def line(column: Shown, cell: Cell) -> str:
    """A cell on one line: "0.05 [0.01, 0.12]", a dash and "(3 missing)"."""
    said = ", ".join(part for part in (q_value(cell), remark(column, cell)) if part)
    parts = (number(column, cell), interval(column, cell), f"({said})" if said else "")
    return " ".join(part for part in parts if part)


def counts(column: Shown) -> str:
    """n of a column: "n=40", "n=38, 2 missing"; nothing where nothing was counted."""
    return _counted(column.n, column.n_missing) if column.n or column.n_missing else ""


def _counted(n: int, n_missing: int) -> str:
    return f"n={n}" + (f", {n_missing} missing" if n_missing else "")


def arrow(column: Shown) -> str:
    """Which way is better."""
    return {True: "↑", False: "↓", None: ""}[column.higher]


def metrics(case: CaseTables) -> str:
    """Which metric is behind each header; its name states its convention. A derived one has its formula."""
    columns = [column for panel in case.panels for column in panel.columns]
    pairs = dict.fromkeys(
        " = ".join(filter(None, (f"{column.header}: {column.metric}", column.formula))) for column in columns
    )
    return f"Metrics: {'; '.join(pairs)}."


def detection_rates(case: CaseTables) -> list[str]:
    """Blank pictures, missing detection rates on unedited pictures, concepts that are rarely detected in them."""
    columns = [column for panel in case.panels for column in panel.columns]
    lost = lacking(f"{c.header} ({c.role})" for c in columns if any(one.valid is None for one in c.cells))
    rare = [
        f"{at.concept} {detection_rate.rate:.2f} ({at.metric}, {at.role}, n={detection_rate.n})"
        for at, detection_rate in case.rarely_detected[:MOST]
    ]
    more = len(case.rarely_detected) - len(rare)
    named = "; ".join(rare) + (f"; and {more} more" if more else "")
    rarely_detected = [f"Detected in under 50 % of the unedited model's pictures: {named}."] * bool(rare)
    return [*blanks(case), *lost, *rarely_detected, *held_out(columns)]


def held_out(columns: Iterable[Shown]) -> list[str]:
    """How well what recognises things knows them from a source that its training never saw."""
    metrics = {column.known.metric.name: column.known.metric for column in columns if column.known}
    said = [f"{name} {metric.held_out:.2f}" for name, metric in metrics.items() if metric.held_out is not None]
    return [f"Recognised in pictures from a source that its training never saw: {', '.join(said)}."] * bool(said)


def blanks(case: CaseTables) -> list[str]:
    """Which methods draw nothing on target prompts oftener than the unedited model does, by a tenth or more."""
    rows = [
        (str(label), kin, cell.value, telling.unedited(case, column, kin).value)
        for panel in case.panels
        for column in panel.columns
        if (column.metric, column.role) == ("blank", "target")
        for label, kin, cell in zip(panel.labels, case.kin, column.cells, strict=False)
    ]
    more = [(label, rate, before) for label, kin, rate, before in rows
            if kin[0] != REFERENCE and rate is not None and rate >= (before or 0.0) + 0.1 - 1e-9]  # fmt: skip
    if not more:
        return []
    said = "Blank pictures on target prompts, where nothing is drawn and so nothing recognised"
    beside = {before for _, _, before in more}
    if len(beside) == 1:
        named = ", ".join(f"{label} {rate:.2f}" for label, rate, _ in more)
        return [f"{said}: {named}; the unedited model {_rate(*beside)}."]
    named = ", ".join(f"{label} {rate:.2f} (the unedited model {_rate(before)})" for label, rate, before in more)
    return [f"{said}: {named}."]


def _rate(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f}"


def missing(case: CaseTables) -> list[str]:
    """One sentence for everything that is missing, with its reasons and the methods it is missing for."""
    found: dict[str, list[str]] = {}
    for panel in case.panels:
        for column in panel.columns:
            for label, cell in zip(panel.labels, column.cells, strict=True):
                if cell.measured and (cell.n_missing or cell.value is None):
                    what = f"{column.header}, {column.role}: {cell.note or 'not measured'}"
                    found.setdefault(what, []).append(str(label))
    return [f"{what} ({', '.join(labels)})" for what, labels in found.items()]
