"""Differences between two methods as lines of text: narrow enough for a terminal, and no number on two lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.compare import verdict
from dumo_bench.analysis.differences import LEVEL, Difference
from dumo_bench.analysis.kinds import Kinds
from dumo_bench.analysis.recognition import MARK
from dumo_bench.report import columns
from dumo_bench.report.captions import DASH
from dumo_bench.types import SETS

#: the columns of a paper whose metrics are compared where no others are asked for
SHORT = (
    "erased",
    "asr",
    "unsafe",
    "total",
    "related",
    "unrelated",
    "style",
    "clip",
    "lpips_e",
    "lpips_u",
    "fid",
    "kid",
)
_LEAST, _MOST = 3, 4  # digits behind the point
_VERDICT = 15  # characters of the longest verdict
_NAME = 12  # of a metric at least; a longer one that does not fit has a line of its own


@dataclass(frozen=True, slots=True)
class Form:
    """How differences are written: how wide, whether with everything that is known, and what is too small for a
    verdict."""

    width: int = 80
    whole: bool = False
    min_effect: float = 0.0


def short(found: Sequence[Difference], metrics: Catalogue, kinds: Kinds) -> list[Difference]:
    """Those that a paper would show: of several scorers of one thing the first's."""
    kept: set[int] = set()
    for key in dict.fromkeys((d.suite, d.suite_version, d.case) for d in found):
        mine = [(n, d) for n, d in enumerate(found) if (d.suite, d.suite_version, d.case) == key]
        kind = kinds.get(key, "")
        for of in columns.wanted(SHORT).values():
            for one in of:
                fit = [(columns.rank(one, metrics.named(d.metric)), n) for n, d in mine
                       if d.role in SETS.get(one.role, ()) and one.metric(metrics.named(d.metric))]  # fmt: skip
                if fit and (kind if kind in ("object", "style") else "") in one.kinds:
                    kept |= {n for rank, n in fit if rank == min(fit)[0]}
                    break
    return [d for n, d in enumerate(found) if n in kept]


def lines(found: Sequence[Difference], metrics: Catalogue, form: Form) -> Iterator[str]:
    """The differences of one case: a head, then below each role its metrics, all to one scale."""
    digits = min(_MOST, max(_LEAST, *(metrics.named(d.metric).metric.digits for d in found)))
    cells = [_cells(d, digits, form.min_effect) for d in found]
    widths = [max(len(row[n]) for row in (_HEAD, *cells)) for n in range(len(_HEAD))]
    room = form.width - sum(widths) - len(widths) - 2 - _VERDICT
    name = max(_NAME, min(room, 2 + max(len(d.metric) for d in found)))
    yield _line("", name, _HEAD, widths, "")
    for n, (d, row) in enumerate(zip(found, cells, strict=True)):
        if n == 0 or found[n - 1].role != d.role:
            yield f"{d.role} prompts"
        if len(d.metric) > name - 2:
            yield f"  {d.metric}"
        said = _verdict(d, digits, form.min_effect)
        yield _line("" if len(d.metric) > name - 2 else f"  {d.metric}", name, row, widths, said)
        if form.whole:
            yield from _wrapped(_details(d, digits), form.width)


_HEAD = ("A", "B", "A-B", "95 % interval", "pairs")


def _cells(d: Difference, digits: int, least: float) -> tuple[str, ...]:
    ends = "" if d.low is None or d.high is None else f"[{_number(d.low, digits)}, {_number(d.high, digits)}]"
    return (*(_number(value, digits) for value in (d.a, d.b, d.difference)), ends, str(d.n))


def _line(name: str, wide: int, row: Sequence[str], widths: Sequence[int], said: str) -> str:
    cells = (f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
    return f"{name:<{wide}} {' '.join(cells)}  {said}".rstrip()


def _number(value: float | None, digits: int) -> str:
    return DASH if value is None else f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: no "-0"


def _verdict(d: Difference, digits: int, min_effect: float) -> str:
    """In words; none of a difference that cannot be seen in its numbers."""
    return verdict(d, "A", "B", max(min_effect, 0.5 * 10.0**-digits)) + MARK * d.unreliable


def _details(d: Difference, digits: int) -> list[str]:
    """What else is known of a difference."""
    known: Mapping[str, str | None] = {
        "p": None if d.p is None else f"{d.p:.2g}",
        "q": None if d.q is None else f"{d.q:.2g}",
        "missing pairs": str(d.n_missing) if d.n_missing else None,
        "unedited": None if d.unedited is None else _number(d.unedited.rate, digits),
        "pictures for 80 % power": str(d.needed) if d.needed and not d.separable and d.p is not None else None,
    }
    return [f"{name} {value}" for name, value in known.items() if value is not None]


def _wrapped(parts: Sequence[str], width: int) -> Iterator[str]:
    """Parts with commas between, in lines that are no wider; none is broken."""
    line = "   "
    for n, part in enumerate(parts):
        said = f" {part}{',' * (n + 1 < len(parts))}"
        if len(line) + len(said) > width:
            yield line
            line = "   "
        line += said
    if parts:
        yield line


def legend(tested: int, form: Form) -> str:
    """What the lines mean; all of it where everything is shown."""
    effect = f", and at least {form.min_effect:g}" if form.min_effect else ""
    first = (
        "Pairs share prompt and noise. A verdict: a significant difference of paired tests, q < "
        f"{LEVEL} (Benjamini and Hochberg over all {tested} tests of this comparison, shown or not){effect}."
    )
    return f"{first} {_WHOLE}" if form.whole else f"{first} --all: every metric, with p, q and the pictures needed."


_WHOLE = (
    "95 % interval: of A-B, by bootstrap over prompts; for numbers made of several means with Jeffreys' posterior of a "
    "rate that all prompts share; none where no resample differs. p: McNemar's exact test of yes/no values of one "
    "picture a prompt, else a permutation test that flips signs per prompt; for numbers made of several means it "
    "exchanges A and B per prompt. One number in several units is one test. Pictures for 80 % power: if the true "
    "difference is the one observed, before any correction. Unedited: the detection rate on unedited pictures, of two "
    f"the lower; under 50 % the line is unreliable and marked {MARK}."
)
