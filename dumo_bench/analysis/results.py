"""The rows of a results folder that numbers are made of: contents of one suite apart, of several sets the largest.

Where a folder holds a suite of one name and version with two contents (a prompt was changed), each is a suite of its
own, called after its content, in all that is made of these rows: nothing is averaged or compared across them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dumo_bench.storage import scan, table

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

_OTHER = ("pictures", "batch", "n", "n_missing", "value", "low", "high", "how", "lost", "reason", "note", "edit")
_CONTENT = "(content "
WHAT = ["suite", "suite_version", "content"]


def scores(out: Path) -> pd.DataFrame:
    """The scores of pictures."""
    return _read(out)[0]


def columns(out: Path, wanted: Sequence[str]) -> pl.DataFrame:
    """Some columns of the scores of pictures, the suite's name among them; equal rows are not looked for."""
    tables = out / "tables"
    found = scan.read(tables, "scores", list(dict.fromkeys([*wanted, *WHAT])))
    return renamed(found, called(found, table.read(tables, "sets"))).select(wanted)


def called(scores: pl.DataFrame, sets: pd.DataFrame) -> pl.DataFrame | None:
    """What the suite of each row of scores is `called`, by `WHAT`; None: as it says, for each has one content."""
    import polars as pl

    keys = scores.select(WHAT).unique(maintain_order=True)
    several = contents(frame := scan.to_frame(keys), sets)
    if not several:
        return None
    names = _apart(frame, several)["suite"].tolist()
    return keys.with_columns(called=pl.Series(names, dtype=pl.Categorical))


def renamed(scores: pl.DataFrame, names: pl.DataFrame | None) -> pl.DataFrame:
    """With the suites as they are `called`."""
    if names is None:
        return scores
    joined = scores.join(names, on=WHAT, how="left", nulls_equal=True, maintain_order="left")
    return joined.with_columns(suite="called").drop("called")


def parts(out: Path) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The scores and the boxes of each part by itself: two parts may hold the same picture."""
    tables = out / "tables"
    several = contents(scan.distinct(tables, "scores", WHAT))
    for part in table.names_of_parts(tables, "scores"):
        found = table.read_part(tables, "scores", part)
        yield _apart(found, several), table.read_part(tables, "detections", part)


def sets(out: Path) -> pd.DataFrame:
    """The numbers of sets, each metric of a method once."""
    found, tables = table.read(out / "tables", "sets"), out / "tables"
    several = contents(scan.distinct(tables, "scores", WHAT), found)
    return largest(_apart(found, several) if several else found)


def named(suite: str, content: str) -> str:
    """What a suite is called where its folder holds another content of it. Earlier tables do not say their content."""
    return f"{suite} {_CONTENT}{content or 'not known'})"


def among(known: Collection[str], suite: str, content: str | None) -> str:
    """What the suite of some rows is called among suites that are known: by its content, where they are called so too.
    A file that was edited since says nothing of rows that were made before."""
    by_content = any(name.startswith(f"{suite} {_CONTENT}") for name in known)
    return named(suite, content) if content and by_content else suite


def contents(*frames: pd.DataFrame) -> dict[tuple[str, int], set[str]]:
    """The suites, by name and version, of which there are several contents."""
    found: dict[tuple[str, int], set[str]] = {}
    for frame in frames:
        every = frame[WHAT].fillna({"content": ""}).drop_duplicates()
        for suite, version, content in every.itertuples(index=False, name=None):
            found.setdefault((suite, version), set()).add(content)
    return {key: several for key, several in found.items() if len(several) > 1}


def said(out: Path) -> list[str]:
    """A line for each suite of which a folder holds several contents."""
    found = contents(*(scan.distinct(out / "tables", name, WHAT) for name in ("scores", "sets")))
    return [
        f"{len(several)} contents of suite {suite} version {version} are in {out}: its prompts, cases or sampling were "
        f"changed. They are kept apart ({', '.join(sorted(named(suite, one) for one in several))}); a changed suite "
        "is a new version"
        for (suite, version), several in found.items()
    ]


def largest(found: pd.DataFrame) -> pd.DataFrame:
    """Of one metric and role of a method the row of its largest set: a later, smaller --limit measures another set."""
    of = [name for name in found.columns if name not in _OTHER]
    size = found["n"] + found["n_missing"]
    order = found.assign(size=size, whole=found["value"].notna()).sort_values(["size", "whole"], kind="stable")
    return found.loc[sorted(order.drop_duplicates(of, keep="last").index)].reset_index(drop=True)


def _read(out: Path) -> list[pd.DataFrame]:
    frames = [table.read(out / "tables", name) for name in ("scores", "sets")]
    several = contents(*frames)
    return [_apart(frame, several) for frame in frames] if several else frames


def _apart(frame: pd.DataFrame, several: Iterable[tuple[str, int]]) -> pd.DataFrame:
    rows = frame[WHAT].fillna({"content": ""}).itertuples(index=False, name=None)
    known = set(several)
    return frame.assign(suite=[named(s, content) if (s, version) in known else s for s, version, content in rows])
