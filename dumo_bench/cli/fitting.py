"""How wide the columns of a table on a terminal are, so that no word and no number is on two lines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

_GAP = 2  # characters between columns


def widths(columns: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Widths of columns of cells that together fit so many characters: texts wrap between words, the widest first.

    None: not even the longest words fit side by side.
    """
    wide = [max(len(line) for cell in cells for line in cell.split("\n")) for cells in columns]
    least = [max((len(word) for cell in cells for word in cell.split()), default=0) for cells in columns]
    free = room - _GAP * (len(columns) - 1)
    while sum(wide) > free:
        loose = [n for n, width in enumerate(wide) if width > least[n]]
        if not loose:
            return None
        wide[max(loose, key=lambda n: wide[n])] -= 1
    return wide


def records(lines: Sequence[Mapping[str, str]], room: int) -> Iterator[str]:
    """Lines of a table below one another: the first cell, then the others with their heads, wrapped between words."""
    for line in lines:
        (_, first), *rest = line.items()
        yield first
        said = "; ".join(f"{head} {cell}" for head, cell in rest if cell)
        yield from textwrap.wrap(said, room, initial_indent="  ", subsequent_indent="  ", break_long_words=False,
                                 break_on_hyphens=False)  # fmt: skip
