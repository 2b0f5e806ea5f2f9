"""What is refused, chosen or said before any work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dumo_bench.errors import UserError
from dumo_bench.hosts import models, plans
from dumo_bench.progress import log
from dumo_bench.run import choice, given, manifest
from dumo_bench.run.needs import NotApplicable
from dumo_bench.run.plan import Plan
from dumo_bench.run.session import Session
from dumo_bench.storage import metrics
from dumo_bench.suites import registry
from dumo_bench.types import Prompt, Suite

_FEW = 5  # warnings of one kind before the rest is a number


def check(specs: Sequence[str], suite: Suite, out: Path) -> None:
    """Refuse a scorer that does not exist, lacks its weights, takes no such suite or gives another's metric, before
    any work."""
    for spec, problem in {spec: choice.lacks(spec) for spec in specs}.items():
        if problem:
            raise UserError(f"scorer {spec}: {problem}")
    owners = metrics.owners(out / "tables")
    mine: dict[str, tuple[str, str]] = {}
    for spec in dict.fromkeys(specs):
        scorer = choice.fitted(spec, suite)
        for metric in scorer.metrics:
            other, name = mine.setdefault(metric.name, (spec, scorer.name))
            if other != spec:
                raise _two(metric.name, (name, scorer.name) if name != scorer.name else (other, spec))
            if (owner := owners.get(metric.name, scorer.name)) != scorer.name:
                raise _two(metric.name, (owner, scorer.name))


def _two(metric: str, scorers: tuple[str, str]) -> UserError:
    return UserError(
        f"the metric {metric!r} is given by two scorers, {' and '.join(scorers)}: leave one of them out, rename it in "
        "one, or score into another --out folder"
    )


def needed(session: Session) -> None:
    """Refuse a method that needs what the model lacks, before any work, and note it for the report."""
    try:
        _ = session.plan
    except NotApplicable as why:
        manifest.refuse(session.out, session.request, why)
        raise


def chosen(session: Session, typed: Sequence[str]) -> tuple[str, ...]:
    """The scorers that were typed, and the suite's own in place of `default`; what is left out is said."""
    found = choice.make(typed, session.plan.suite)
    if found.left_out:
        log.warning(choice.said(found.left_out))
    return found.specs


def same_schema(out: Path) -> None:
    """Refuse to add to the results of another schema version, before any work."""
    from dumo_bench.analysis import summary

    if (out / "summary.parquet").exists():
        summary.read(out)


def tell(plan: Plan) -> None:
    """Say what methods are given beside their settings, and what of it is missing."""
    for line in plan.told:
        log.info(line)
    for name in given.unread(plan.model, plan.parts[0].method):
        log.warning(f"warning: no method here reads the table [{name}] of the model's {plans.FILE}")


def warn_too_long(found: Plan) -> None:
    """Say which words of which prompts the text encoder will not see."""
    asked = {row.prompt.id: row.prompt for part in found.reference for row in part.rows}
    long = [prompt for prompt in asked.values() if len(prompt.text.encode()) > 75]  # a token is a byte at least
    cuts = registry.too_long(long, models.tokenizer(found.model)) if long else []
    for cut in cuts[:_FEW]:
        words = f"its end (words: {len(cut.cut.split())})" if found.suite.explicit else repr(cut.cut)
        log.warning(f"warning: prompt {cut.prompt.id}: too long for the text encoder, which will not see {words}")
    if len(cuts) > _FEW:
        log.warning(f"warning: {len(cuts) - _FEW} more prompts are too long for the text encoder")
    if (negative := found.contract.negative) and len(negative.encode()) > 75:
        for cut in registry.too_long([Prompt("", negative, "", ())], models.tokenizer(found.model)):
            log.warning(
                f"warning: the negative prompt is too long for the text encoder, which will not see {cut.cut!r}"
            )
