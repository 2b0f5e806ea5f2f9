"""`dumo-bench selftest`: methods whose results are known, through the same steps as `run`, scored and judged."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from dumo_bench.selftest import Claim

_SCORERS = "concept,clip_score,likeness,fid,kid"


def selftest(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Keep pictures and tables here; what is there is not made again.")
    ] = None,
    scorers: Annotated[str, typer.Option("--scorers", help="Names of `list scorers`, with commas between.")] = _SCORERS,
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"], typer.Option("--device", help="Where to compute.")
    ] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Check that scorers and tables say what is known: of no edit, a perfect one, a vandal and a shuffler. Minutes."""
    with nullcontext(out) if out else tempfile.TemporaryDirectory(prefix="dumo-bench-selftest-") as folder:
        found = tested(Path(folder), scorers, device)
    if as_json:
        typer.echo(json.dumps([asdict(claim) for claim in found], indent=1))
    else:
        _show(found)
    raise typer.Exit(0 if all(claim.holds for claim in found) else 1)


def tested(out: Path, scorers: str, device: str) -> list[Claim]:
    """Run the known methods into a folder and judge what its tables say."""
    from dumo_bench import selftest as known
    from dumo_bench.commands import running
    from dumo_bench.knowns import SUITE
    from dumo_bench.names import listing
    from dumo_bench.plan import Wish

    for spec, settings in known.KNOWN.values():
        filled = {key: value.format(suite=SUITE) for key, value in settings.items()}
        session = running.Session(Wish(spec, str(SUITE), settings=filled), out, device)
        running.run(session, listing(scorers))
    return known.claims(known.Facts(out))


def _show(found: Sequence[Claim]) -> None:
    from dumo_bench.commands import show

    show.table(
        [
            {
                "": "pass" if claim.holds else "FAIL",
                "method": claim.method,
                "what is known": claim.says,
                "expected": claim.expected,
                "found": claim.found,
            }
            for claim in found
        ]
    )
    failed = sum(not claim.holds for claim in found)
    typer.echo(f"{len(found) - failed} of {len(found)} claims hold" + (f"; {failed} do not" if failed else ""))
