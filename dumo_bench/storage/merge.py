"""Several results folders as one: their tables and manifests, so that what labs have measured stands in one report.

Reading a folder is the merge, so files of tables are only brought together. Where two folders measured one picture and
metric, the later folder's row counts; how many of these differ is said, for one recipe on two machines need not give
the same pictures.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dumo_bench.errors import UserError
from dumo_bench.storage import files, parts, scan, table
from dumo_bench.types import canonical

_WHOSE = {
    "scores": ("key", "case"),
    "sets": ("suite", "case", "method", "method_version", "params", "fit_seed", "model", "sampling"),
}
EQUAL = 1e-6  # values that differ by less differ by rounding


class Merged(NamedTuple):
    """How many files there are; of the scores and sets that two folders measured, how many differ, and how many these
    are; edits: of which methods and cases pictures of several edits of one recipe stand together."""

    files: int
    differ: int
    twice: int
    edits: tuple[str, ...] = ()


def merge(folders: Sequence[Path], to: Path) -> Merged:
    """Copy tables and manifests into an empty folder; `run`'s pictures and edits stay where they are."""
    for folder in folders:
        if not (folder / "tables").is_dir():
            raise UserError(f"{folder} holds no tables: wanted a results folder")
    _refuse_versions(folders)
    differ = twice = 0
    for n, folder in enumerate(folders):
        for name in ("scores", "sets") if n else ():
            both = _both(to, folder, name)
            differ, twice = differ + both[0], twice + both[1]
        _add(folder, to)
    return Merged(sum(path.is_file() for path in to.rglob("*")), differ, twice, tuple(_edits(to)))


def _refuse_versions(folders: Sequence[Path]) -> None:
    """Of a metric on a suite all folders have scores by the same version of its scorer: the rows of another would be
    dropped."""
    found: dict[tuple[str, ...], dict[str, Path]] = {}
    for name in ("scores", "sets"):
        for folder in folders:
            rows = scan.distinct(folder / "tables", name, ["suite", "scorer", "metric", "scorer_version"])
            for *what, version in rows.astype(str).itertuples(index=False, name=None):
                found.setdefault(tuple(what), {})[version] = folder
    for (suite, scorer, metric), by in found.items():
        if len(by) > 1:
            said = ", ".join(f"{version} in {folder}" for version, folder in by.items())
            raise UserError(
                f"{suite}, {metric} was scored by several versions of {scorer} ({said}): run `dumo-bench score` into "
                "each folder, so that one version has scored all"
            )


def _edits(to: Path) -> list[str]:
    """Methods and cases of which one recipe was fitted in several ways, as two machines do."""
    of = ["suite", "case", "method", "method_version", "params", "fit_seed", "model"]
    rows = scan.distinct(to / "tables", "scores", [*of, "edit"]).astype(str)
    several = rows[rows["edit"] != ""].groupby(of)["edit"].nunique().reset_index()
    own = several[several["edit"] > 1][["method", "suite", "case"]].drop_duplicates()
    return sorted(f"{method} on {suite}, {case}" for method, suite, case in own.itertuples(index=False, name=None))


def _add(folder: Path, to: Path) -> None:
    for path in sorted(folder.glob("tables/*/*.parquet")):
        place = to / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists() and files.sha256(place) == files.sha256(path):
            continue
        if not parts.paths(place.parent, parts.stem(path)):
            shutil.copyfile(path, place)
        elif place.parent.name == "scores":
            _add_measured(path, place.parent)
        else:
            shutil.copyfile(path, parts.fresh(place.parent, parts.stem(path)))
    for path in sorted(folder.glob("runs/*.json")):
        _add_run(path, to / "runs" / path.name)


def _add_measured(path: Path, folder: Path) -> None:
    """The rows of a file that measured something, or of which the part there measured nothing either: a picture that
    one folder lacks is no news of it."""
    rule, part = parts.RULES["scores"], parts.stem(path)
    ours = table.read_part(folder.parent, "scores", part)
    known = set(ours[ours["value"].notna()][list(rule.row)].itertuples(index=False, name=None))
    theirs = table.read_file(path, "scores")
    keys = theirs[list(rule.row)].itertuples(index=False, name=None)
    news = [measured or key not in known for measured, key in zip(theirs["value"].notna(), keys, strict=True)]
    table.write_file(parts.fresh(folder, part), "scores", table.records(theirs[news]))


def _add_run(path: Path, place: Path) -> None:
    """A manifest; of one request that both folders had, the runs of both."""
    said = _read(path)
    if place.exists():
        before = _read(place)
        said = before | said | {name: _joined(before, said, name) for name in ("runs", "scorers")}
        said |= {"edits": before["edits"] | said.get("edits", {})} if "edits" in before else {}
    files.write_text(place, json.dumps(said, indent=1, sort_keys=True) + "\n")


def _read(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON ({error}): `dumo-bench store verify` says what to type") from error
    if not isinstance(said, dict):
        raise UserError(f"{path} is no manifest: `dumo-bench store verify` says what to type")
    return said


def _joined(before: dict[str, Any], said: dict[str, Any], name: str) -> list[Any]:
    """Both lists, what is equal once."""
    every = [*before.get(name, ()), *said.get(name, ())]
    return list({canonical(one): one for one in every}.values())


def _both(ours: Path, theirs: Path, name: str) -> tuple[int, int]:
    """Of the scores of one picture, or of one set, that two folders measured: how many differ, how many."""
    import polars as pl

    rule, of = parts.RULES[name], _WHOSE[name]
    on = [*of, *rule.row, rule.version]
    a, b = (scan.read(folder / "tables", name, [*on, "value"]).drop_nulls("value") for folder in (ours, theirs))
    both = a.join(b.rename({"value": "other"}), on=on, how="inner")
    return len(both.filter((pl.col("value") - pl.col("other")).abs() > EQUAL)), len(both)
