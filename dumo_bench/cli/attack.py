"""`attack`: look for an erased concept again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dumo_bench.cli.options import Cases, Device, Dtype, Json, Limit, Model, Out, Seed, Settings, Suite
from dumo_bench.cli.run import given
from dumo_bench.cli.run import request as requested

Name = Annotated[
    str,
    typer.Option("--attack", "-a", help="A name of `list attacks`, package.module:Thing or file.py:Thing."),
]
Own = Annotated[
    list[str] | None,
    typer.Option("--attack-set", metavar="KEY=VALUE", help="A setting of the attack; may be repeated."),
]
Pictures = Annotated[int, typer.Option("--pictures", min=1, max=1000, help="Seeds of each prompt that is found.")]


Found = Annotated[
    Path | None,
    typer.Option("--from", help="Read what another program found: UnlearnDiffAtk's logs, a list of prompts."),
]
Saw = Annotated[str | None, typer.Option("--sees", help="What that attack saw, where it is none of `list attacks`.")]


def _aimed(
    suite: Suite,
    method: Annotated[
        str, typer.Option("--method", "-m", help="Whose edit an attack sees that sees the erased model.")
    ] = "original",
    case: Cases = None,
    model: Model = None,
    limit: Limit = None,
    dtype: Dtype = None,
    seed: Seed = 0,
    settings: Settings = None,
) -> Any:
    return requested(method, suite, case, model, limit, dtype, seed, settings)


@given("request", _aimed)
def attack(
    request: Any,
    *,
    attack: Name,
    attack_set: Own = None,
    pictures: Pictures = 4,
    found_by: Found = None,
    sees: Saw = None,
    device: Device = "auto",
    out: Out = Path("results"),
    as_json: Json = False,
) -> None:
    """Search prompts that bring an erased concept back; prints suite files to run methods on.

    An attack that does not see the erased model makes one suite for all methods.
    One that does is made on the unedited model and on the method's edit, a suite each.
    """
    from dumo_bench import engines
    from dumo_bench.plugins import settings as setting
    from dumo_bench.run import attack as attacks
    from dumo_bench.run.session import Session

    with engines.make(engines.Asked(), device) as engine:
        session = Session(request, out, engine, device)
        if found_by is not None:
            named = (attack, attacks.seen(attack, sees), found_by, pictures)
            return _told(list(attacks.read(session, *named)), as_json)
        made = attacks.made(attack, setting.parse(attack_set or ()), session.plan.model)
        found = list(attacks.suites(session, attacks.Aim(made, request.fit_seed, pictures)))
    _told(found, as_json)


def _told(found: list[Path], as_json: bool) -> None:
    """The suites that were written."""
    from dumo_bench.cli import output, show

    if as_json:
        output.emit("attack", {"suites": output.paths(found)})
        return
    for path in found:
        show.echo(path)
