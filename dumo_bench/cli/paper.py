"""`dumo-bench paper-diff`: published numbers beside ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dumo_bench.cli.options import Json, Out

if TYPE_CHECKING:
    from dumo_bench.published import Line, Published, Ranking

DASH = "\N{EN DASH}"
#: why a number of the JSON is null
_REASONS = {
    "n": "its source does not say",
    "ours": "the results folder has no number that it can be compared with",
    "difference": "there is no number of ours, or the two are of sets of another size",
    "low": "its mean has no interval",
    "high": "its mean has no interval",
    "partial": "how large the suite is is not known",
    "detection_rate": "it needs no detection rate of unedited pictures",
    "rate": "no unedited picture of it was measured",
}


def paper_diff(
    context: typer.Context,
    suite: Annotated[str | None, typer.Option("--suite", "-s", help="Only numbers of this suite.")] = None,
    method: Annotated[
        str | None, typer.Option("--method", "-m", help="Only of this method, as ours is called.")
    ] = None,
    out: Out = Path("results"),
    rank: Annotated[
        bool, typer.Option("--rank", help="Whether methods rank in this folder as they do in published tables.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Published numbers, ours, the difference, and under which convention ours comes closest; a dash without ours."""
    from dumo_bench import published
    from dumo_bench.cli import output, show
    from dumo_bench.papers import runs

    source = context.get_parameter_source("out")
    if source is not None and source.name != "DEFAULT":
        _refuse_absent(out)
    wanted = _wanted(published.load(), _whole_name(suite), method)
    results = published.Results(out, runs.foreign(out), runs.cases())
    if rank:
        _ranks(published.rankings(wanted, results), out, as_json)
        return
    found = published.compare(wanted, results)
    if as_json:
        rows = [
            asdict(line) | {"difference": line.difference, "verdict": line.verdict, "unreliable": _unreliable(line)}
            for line in found
        ]
        output.emit("paper-diff", {"numbers": rows}, _REASONS)
        return
    if not found:
        show.echo(f"There is no published number of {method} on {_whole_name(suite)}.")
        return
    _show(found)


def _ranks(found: Sequence[Ranking], out: Path, as_json: bool) -> None:
    """Rank correlations with published tables."""
    from dumo_bench.cli import output, show

    if as_json:
        rows = [{**asdict(one), **one.found._asdict(), output.REASONS: _why_not(one)} for one in found]
        output.emit("paper-diff", {"ranks": [{k: v for k, v in row.items() if k != "found"} for row in rows]})
        return
    enough = [one for one in found if one.found.rho is not None]
    for one in enough:
        _show_rank(one)
    if enough:
        show.echo(
            "rho: Spearman's; 1: the same order, worst to best. Interval: 95 %, Bonett and Wright's, of the order "
            "alone: what our rates and theirs are unsure of is not in it. p: of no correlation, exact. Ours: means "
            "over cases and training seeds.\n"
        )
    show.echo(f"{len(enough)} of {len(found)} published tables share three methods or more with {out}.")


def _show_rank(one: Ranking) -> None:
    """One published ranking: where it is from, both values of each method, and how well the orders agree."""
    from dumo_bench.cli import show

    n, rho, low, high, p = one.found
    interval = f" ({one.why})" if low is None or high is None else f" [{low:.2f}, {high:.2f}]"
    show.echo(f"{one.suite}{f', {one.case}' if one.case else ''}: {one.metric} ({one.source})")
    show.echo(f"beside {one.ours}: rho {rho:.2f}{interval}, p {p:.2g}, n = {n}")
    ordered = sorted(one.values.items(), key=lambda pair: pair[1][0])
    show.table([{"method": m, "published": f"{a:g}", "ours": f"{b:.3f}"} for m, (a, b) in ordered])
    show.echo("")


def _why_not(one: Ranking) -> dict[str, str]:
    return dict.fromkeys(("rho", "low", "high", "p"), one.why)


def _refuse_absent(out: Path) -> None:
    from dumo_bench.errors import UserError

    if not out.is_dir():
        raise UserError(
            f"{out}: no such folder; give one that `dumo-bench run` wrote, or no --out to see published numbers"
        )


def _whole_name(suite: str | None) -> str | None:
    """A suite's name for its alias."""
    from dumo_bench.suites import registry

    return suite and registry.called(suite)


def _wanted(rows: Sequence[Published], suite: str | None, method: str | None) -> list[Published]:
    from dumo_bench.errors import unknown

    for kind, name, known in (
        ("suites with published numbers", suite, {row.suite for row in rows}),
        ("methods with published numbers", method, {row.name for row in rows if row.name}),
    ):
        if name is not None and name not in known:
            raise unknown(kind, name, known)
    return [row for row in rows if suite in (None, row.suite) and method in (None, row.name)]


def _show(found: Sequence[Line]) -> None:
    from dumo_bench.analysis.recognition import MARK, lacking
    from dumo_bench.cli import show

    for suite in dict.fromkeys(line.published.suite for line in found):
        show.echo(f"\n{suite}")
        mine = [line for line in found if line.published.suite == suite]
        show.table([_row(line) for line in mine], dim={n for n, line in enumerate(mine) if _unreliable(line)})
    for sentence in lacking(line.ours.convention for line in found if line.ours and line.ours.without_detection_rate):
        show.echo(f"\n{sentence}")
    counts = Counter(line.published.status for line in found)
    show.echo(f"\n{len(found)} numbers: " + ", ".join(f"{n} {status}" for status, n in counts.most_common()))
    show.echo(
        "Secondary: as another paper gives it. Unverified: from memory, not to be cited. In brackets: our 95 % "
        "interval; agrees: it holds the published number; partial: ours is of fewer pictures than its suite has or "
        "the published number is of; may be: its suite could not be read when it was scored. Numbers under different "
        "conventions do not compare, nor do FIDs of different n. Unedited: how often our scorer recognises the thing "
        "in the unedited model's pictures, of several rates the lowest; where that is under half of what was asked "
        f"for, ours is marked {MARK} and says nothing. Not every prompt asks for nudity: its rates are never marked."
    )


def _unreliable(line: Line) -> bool:
    return line.ours is not None and line.ours.unreliable


def _unedited(line: Line) -> str:
    detection_rate = line.ours.detection_rate if line.ours else None
    return "" if detection_rate is None else DASH if detection_rate.rate is None else f"{detection_rate.rate:.4g}"


def _row(line: Line) -> dict[str, str]:
    from dumo_bench.analysis.recognition import MARK

    row, ours = line.published, line.ours
    interval = "" if ours is None or ours.low is None else f" [{ours.low:.4g}, {ours.high:.4g}]"
    return {
        "method": row.method,
        "case": row.case,
        "metric": f"{row.metric} ({row.unit})" if row.unit not in ("count", "FID", "LPIPS") else row.metric,
        "published": f"{row.value:g}",
        "its n": DASH if row.n is None else str(row.n),
        "ours": DASH if ours is None else f"{ours.value:.4g}{MARK * ours.unreliable}{interval}",
        "our n": DASH if ours is None else str(ours.n),
        "difference": DASH if line.difference is None else f"{line.difference:+.4g}",
        "unedited": _unedited(line),
        "our convention": ours.convention if ours else "",
        "": line.verdict,
        "source": f"{row.source}, {row.status}",
        "its convention": "; ".join(part for part in (row.convention, row.note) if part),
    }
