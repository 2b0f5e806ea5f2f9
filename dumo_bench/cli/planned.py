"""What `plan` prints: what a run would make, how long it would take, and what would measure it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from dumo_bench.cli.show import console, echo, table

if TYPE_CHECKING:
    from dumo_bench.api.planned import Planned
    from dumo_bench.run.budget import Cost
    from dumo_bench.run.choice import Choice
    from dumo_bench.run.plan import Count, Plan

_FEW = 6  # words of one kind before the rest is a number


def plan(found: Plan, count: Count, out: Path) -> None:
    """What a run would make."""
    from dumo_bench.suites import concepts

    to = console()
    cases = ", ".join(part.case.name for part in found.reference)
    size = f"{found.contract.width} x {found.contract.height}"
    to.print(f"[bold]{escape(found.suite.label)}[/] on {escape(found.model)} at {size}: {escape(cases)}")
    for what, n, there, rest in (
        ("pictures", count.pictures, count.present, f"missing, about {count.bytes / 2**20:.1f} MiB"),
        ("edits", count.edits, count.edits_present, "to fit"),
    ):
        some = f"{there} present, {n - there} {rest}" if there is not None else _unseen(found, what, count)
        to.print(f"{what}: {n} wanted, {some}", soft_wrap=True)
    for line in (*found.told, *concepts.said(found.suite)):
        to.print(escape(line), soft_wrap=True)
    to.print(f"in {escape(str(out))}, the unedited model's pictures included")


def planned(found: Sequence[Planned], out: Path) -> None:
    """What an experiment would make, and what would measure it."""
    if len(found) == 1:
        plan(found[0].plan, found[0].count, out)
    else:
        table([_row(one) for one in found])
        keys = {(one.plan.suite.name, job.key) for one in found for job in one.plan.wanted(one.row.request.shard)}
        echo(f"together {len(keys)} pictures, the unedited model's included, in {out}")
    for suite, one in {one.plan.suite.name: one for one in found}.items():
        if len(found) > 1:
            console().print(f"[bold]{escape(suite)}[/]")
        scorers(one.measured, one.not_judged)


def _row(one: Planned) -> dict[str, str]:
    request, count = one.row.request, one.count
    missing = {
        name: "not known" if there is None else str(wanted - there)
        for name, wanted, there in (
            ("missing pictures", count.pictures, count.present),
            ("edits to fit", count.edits, count.edits_present),
        )
    }
    settings = ", ".join(f"{key}={value}" for key, value in request.settings.items())
    return {
        "method": request.method, "settings": settings, "suite": one.plan.suite.name,
        "cases": str(len(one.plan.reference)), "seed": str(request.fit_seed), "pictures": str(count.pictures),
        **missing,
    }  # fmt: skip


def _unseen(found: Plan, what: str, count: Count) -> str:
    """What can be said of what is there where the model is not."""
    if what == "edits":
        return "how many are present is not known"
    size = f"all of them about {count.bytes / 2**20:.1f} MiB"
    return f"{size}; how many are present is not known: model {escape(repr(found.model))} is not on this machine"


def cost(found: Cost | None) -> None:
    """How long the missing pictures will take."""
    to = console()
    if found is None:
        to.print("nothing is missing: nothing was measured")
        return
    to.print(
        f"batches: {found.batches} of {found.batch_size} pictures; {found.tried} of the unedited model took "
        f"{found.seconds:.1f} s each (the median): {found.hours:.2f} device-hours, fits and scores not counted in"
        + (f"; memory: {found.memory / 2**30:.1f} GiB at the peak" if found.memory is not None else ""),
        soft_wrap=True,
    )


def scorers(found: Choice, not_judged: Iterable[tuple[str, Sequence[str]]]) -> None:
    """What would measure, what is left out and why, and which words a scorer does not know."""
    to = console()
    to.print(f"scorers: {escape(', '.join(found.specs) or 'none')}")
    for spec, why in found.left_out.items():
        to.print(f"left out: {escape(spec)}: {escape(why)}", soft_wrap=True)
    for spec, words in not_judged:
        rest = f" and {len(words) - _FEW} more" if len(words) > _FEW else ""
        to.print(f"{escape(spec)} cannot judge: {escape(', '.join(words[:_FEW]))}{rest}", soft_wrap=True)
