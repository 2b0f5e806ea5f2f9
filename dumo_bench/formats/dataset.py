"""A results folder as a data set of the hub: which of its files are shared, and the card by which others read them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from dumo_bench import __version__
from dumo_bench.errors import UserError
from dumo_bench.storage import statistics, table
from dumo_bench.storage.columns import COLUMNS
from dumo_bench.texts import plain

SUMMARY = "summary.parquet"
#: table -> its files; each is a configuration of the data set
FILES: Mapping[str, str] = {name: SUMMARY if name == "summary" else f"tables/{name}/*.parquet" for name in COLUMNS}
PICTURES = "images/*/*.png"


class Shared(NamedTuple):
    """Files of a results folder that are shared, and how many pictures are not, since they may be explicit."""

    files: tuple[Path, ...]
    withheld: int


def shared(out: Path, shown: Collection[str], *, pictures: bool) -> Shared:
    """Tables and the manifests of runs; with `pictures`, those of the suites whose pictures may be shown.

    No table holds a prompt. UserError where there is no table.
    """
    tables = [path for pattern in FILES.values() for path in sorted(out.glob(pattern))]
    if not tables:
        raise UserError(f"{out} holds no tables: `dumo-bench run` into {out} makes them")
    files = [*tables, *sorted(out.glob("runs/*.json"))]
    if not pictures:
        return Shared(tuple(files), 0)
    every = sorted(out.glob(PICTURES))
    owners = statistics.Owners(out)
    open_ = [path for path in every if _all_of(owners.of.get(path.stem, set()), shown)]
    hashes = sorted(out.glob("checksums/*.sha256")) if open_ else []
    return Shared((*files, *open_, *hashes), len(every) - len(open_))


def _all_of(owners: Collection[tuple[str, str]], shown: Collection[str]) -> bool:
    """Whether a picture has an owner, and every suite that it is of may be shown."""
    return bool(owners) and all(suite in shown for suite, _ in owners)


def card(out: Path, files: Sequence[Path], repository: str) -> str:
    """The README of the data set: how each table is read, what ran, and what its columns mean."""
    there = [name for name, pattern in FILES.items() if any(path.match(pattern) for path in files)]
    head = ["---", "tags:", "- concept-erasure", "- dumo-bench", "configs:"]
    for name in there:
        head += [f"- config_name: {name}", f'  data_files: "{FILES[name]}"']
    return "\n".join([*head, "---", "", *_about(out, repository, there), *_columns(there)]) + "\n"


def _about(out: Path, repository: str, there: Sequence[str]) -> list[str]:
    return [
        f"# {repository.partition('/')[2]}",
        "",
        f"Results of [dumo-bench](https://pypi.org/project/dumo-bench/) {__version__}: does a method remove a concept",
        "from a text-to-image model, and what else does it break? A null number means *not measured*, and its note",
        "says why. Prompts are named by their ids.",
        "",
        "```python",
        f'datasets.load_dataset("{repository}", "{there[0]}", split="train")',
        f"duckdb.sql(\"SELECT * FROM 'hf://datasets/{repository}/{FILES[there[0]]}'\")",
        "```",
        "",
        f"    dumo-bench pull {repository} results     # then report, compare, paper-diff as on any results folder",
        "",
        *_ran(out),
    ]


def _ran(out: Path) -> list[str]:
    """Which methods each suite and case has."""
    if not (out / SUMMARY).exists():
        return []
    rows = table.read_file(out / SUMMARY, "summary")
    found: dict[tuple[str, str], dict[str, None]] = {}
    for suite, case, method in zip(rows["suite"], rows["case"], rows["method"], strict=True):
        found.setdefault((suite, case), {})[method] = None
    lines = [f"| {_cell(suite)} | {_cell(case)} | {_cell(', '.join(of))} |" for (suite, case), of in found.items()]
    return ["| suite | erased | methods |", "|---|---|---|", *lines, ""]


def _cell(text: str) -> str:
    return plain(text).replace("|", "\\|")


def _columns(there: Sequence[str]) -> list[str]:
    found = []
    for name in there:
        found += [f"## {name}", "", "| column | type | meaning |", "|---|---|---|"]
        found += [f"| {column.name} | {column.type} | {_cell(column.says)} |" for column in COLUMNS[name]]
        found.append("")
    return found[:-1]
