"""`dumo-bench selftest`: methods whose results are known, through the same steps as `run`, scored and judged."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dumo_bench.cli import output
from dumo_bench.cli.options import Device, Folder, Json, folder

if TYPE_CHECKING:
    from dumo_bench.selftest.expectations import Claim

_SCORERS = (
    "concept,clip_score,clip_accuracy,style_classifier,likeness,fid,kid,nudenet,lpips,stlpips,"
    "fid_clean,kid_clean,fid_torchmetrics"
)

_MARKS = {True: "pass", False: "FAIL", None: "-"}


def selftest(
    out: Annotated[
        Folder | None,
        typer.Option(
            "--out",
            "-o",
            parser=folder,
            help="Keep pictures and tables here; what is there is not made again.",
        ),
    ] = None,
    scorers: Annotated[str, typer.Option("--scorers", help="Names of `list scorers`, with commas between.")] = _SCORERS,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Run control methods with known outcomes (no edit, perfect, blank, shuffled) and check every scorer. Minutes."""

    with nullcontext("") if out else tempfile.TemporaryDirectory(prefix="dumo-bench-selftest-") as place:
        found = tested(out or Path(place), scorers, device)
    if as_json:
        output.emit("selftest", {"claims": map(asdict, found)}, {"holds": "it could not be checked"})
    else:
        _show(found)
    raise typer.Exit(0 if all(claim.holds is not False for claim in found) else 1)


def tested(out: Path, scorers: str, device: str) -> list[Claim]:
    """Run the known methods into a folder and judge what its tables say. A scorer without its weights is left out."""
    from dumo_bench.engines.local import Local
    from dumo_bench.plugins.settings import listing
    from dumo_bench.run import choice, steps
    from dumo_bench.run.plan import Request
    from dumo_bench.run.session import Loaded, Session
    from dumo_bench.selftest import expectations as known
    from dumo_bench.selftest.controls import SUITE

    lacking = {spec: why for spec in listing(scorers) if (why := choice.lacks(spec))}
    there = tuple(spec for spec in listing(scorers) if spec not in lacking)
    loaded = Loaded()
    for spec, settings in known.KNOWN.values():
        filled = {key: value.format(suite=SUITE) for key, value in settings.items()}
        steps.run(Session(Request(spec, str(SUITE), settings=filled), out, Local(), device, loaded=loaded), there)
    return [*known.claims(known.Facts(out)), *(known.unchecked(spec, why) for spec, why in lacking.items())]


def _show(found: Sequence[Claim]) -> None:
    from dumo_bench.cli import show

    show.table(
        [
            {
                "": _MARKS[claim.holds],
                "method": claim.method,
                "what is known": claim.says,
                "expected": claim.expected,
                "found": claim.found,
            }
            for claim in found
        ]
    )
    held, failed, open_ones = (sum(claim.holds is one for claim in found) for one in (True, False, None))
    parts = (f"{failed} do not" if failed else "", f"{open_ones} not checked" if open_ones else "")
    show.echo("; ".join(filter(None, (f"{held} of {held + failed} claims hold", *parts))))
