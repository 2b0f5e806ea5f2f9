"""`relearn`: does an erased concept come back when the edited model is fine-tuned on pictures without it?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dumo_bench.cli.options import (
    DEFAULT_SCORERS,
    Batch,
    Cases,
    Device,
    Dtype,
    Json,
    Limit,
    Method,
    Model,
    Out,
    Scorers,
    Seed,
    Settings,
    Suite,
)
from dumo_bench.cli.run import given
from dumo_bench.cli.run import request as requested

Marks = Annotated[str, typer.Option("--marks", metavar="N,N,...", help="Steps of fine-tuning at which it is measured.")]
Own = Annotated[
    list[str] | None,
    typer.Option("--relearn-set", metavar="KEY=VALUE", help="A setting of `relearn`, what=full for one; repeatable."),
]


def _aimed(
    method: Method,
    suite: Suite,
    case: Cases = None,
    model: Model = None,
    limit: Limit = None,
    dtype: Dtype = None,
    seed: Seed = 0,
    settings: Settings = None,
) -> Any:
    """The request, and the method's settings as they were typed."""
    return requested(method, suite, case, model, limit, dtype, seed), tuple(settings or ())


@given("asked", _aimed)
def relearn(
    asked: Any,
    *,
    marks: Marks = "0,50,100,200",
    relearn_set: Own = None,
    scorers: Scorers = DEFAULT_SCORERS,
    batch_size: Batch = 16,
    device: Device = "auto",
    out: Out = Path("results"),
    as_json: Json = False,
) -> None:
    """Fine-tune a method's edit, and the unedited model beside it, and measure both at every mark.

    Prints the curves and draws them as relearn-*.svg. What is there is not made again.
    """
    from dumo_bench import engines, report
    from dumo_bench.analysis import curves
    from dumo_bench.cli import curves as shown
    from dumo_bench.cli import output, show
    from dumo_bench.plugins import settings as setting
    from dumo_bench.run import before, steps
    from dumo_bench.run import relearn as protocol
    from dumo_bench.run.session import Loaded, Session

    request, typed = asked
    how, failed = setting.parse(relearn_set or ()), False
    loaded = Loaded()
    with engines.make(engines.Asked(), device) as engine:
        for one in protocol.requests(request, typed, protocol.listed(marks), how):
            session = Session(one, out, engine, device, batch_size, loaded=loaded)
            before.needed(session)
            steps.run(session, before.chosen(session, setting.listing(scorers)))
            failed = failed or session.failed
    folder = report.read(out)
    found = curves.read(folder.summary, folder.metrics)
    written = report.relearning(folder)
    if as_json:
        output.emit("relearn", {"curves": curves.rows(found), "files": output.paths(written)}, curves.REASONS)
    else:
        shown.curves(found)
        show.echo("\n".join(f"wrote {path}" for path in written))
    raise typer.Exit(1 if failed else 0)
