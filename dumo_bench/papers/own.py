"""A run of this project in place of published numbers: `python -m dumo_bench.papers.own NAME RESULTS` writes the file
beside the paper's that `reproduce NAME` holds others to."""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from dumo_bench import __version__, published
from dumo_bench.api.paper import Line, PaperTable
from dumo_bench.papers.found import Found, read
from dumo_bench.papers.grid import Head
from dumo_bench.papers.runs import results
from dumo_bench.published import Published
from dumo_bench.storage import files


def numbers(found: Found, out: Path) -> list[Published]:
    """What a results folder has of every line and column of a paper's tables, as published numbers are written."""
    asked = [one for table in found.paper.tables for one in _asked(table)]
    return [_as_published(line) for line in published.compare(asked, results(found, out)) if line.ours]


def _asked(table: PaperTable) -> Iterator[Published]:
    heads = [Head(of, metric) for of in table.columns for metric in of.metrics]
    yield from (_row(table, line, head) for line in table.methods for head in heads if line.name)


def _row(table: PaperTable, line: Line, head: Head) -> Published:
    return Published(
        suite=head.of.suite, case=head.of.case, method=line.printed, name=line.name, metric=head.metric,
        value=math.nan, unit="0 to 1", n=None, source=table.sources[0], status=f"{published.OWN}, {__version__}",
        convention="", note="",
    )  # fmt: skip


def _as_published(line: published.Line) -> Published:
    assert line.ours is not None
    return Published(**{**asdict(line.published), "value": round(line.ours.value, 6), "n": line.ours.n})


def text(rows: Sequence[Published]) -> str:
    """The file that holds them."""
    to = io.StringIO()
    lines = csv.DictWriter(to, published.COLUMNS, lineterminator="\n")
    lines.writeheader()
    lines.writerows(asdict(row) for row in rows)
    return to.getvalue()


if __name__ == "__main__":
    name, out = sys.argv[1:]
    files.write_text(published.folder() / name / "numbers.csv", text(numbers(read(name), Path(out))))
