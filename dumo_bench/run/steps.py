"""fit, generate, score, run. Each makes only what is missing: the same command again goes on where it stopped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dumo_bench.analysis import kinds, results
from dumo_bench.interfaces import SetScorer
from dumo_bench.progress import log
from dumo_bench.run import before, manifest, measure, note
from dumo_bench.run import score as scoring
from dumo_bench.run.jobs import batches, of_recipes
from dumo_bench.run.plan import Part, Plan
from dumo_bench.run.session import Session
from dumo_bench.run.tasks import Fit, Make, Measure, Task
from dumo_bench.storage import store
from dumo_bench.suites import concepts, contract
from dumo_bench.types import Job

_BATCHES = 4  # of pictures that one task makes, at most: an edit is applied once a task
_CHUNKS = 16  # of pictures that one task scores, at most: its part of the tables is read once a task


def fit(session: Session) -> list[Path]:
    """The edit files of all cases, learnt where they are not there."""
    note.write(session.out, session.request, session.plan)
    _carried(session, unfitted(session))
    return [session.store.edit_path(part.recipe) for part in learnt(session.plan.parts)]


def generate(session: Session) -> list[tuple[Job, str]]:
    """Fit what is not fitted, and make the pictures of this shard that are not there; returns what failed, and why."""
    note.write(session.out, session.request, session.plan)
    for line in concepts.said(session.plan.suite):
        log.warning(f"warning: {line}")
    before.warn_too_long(session.plan)
    again(session)
    missing = session.store.missing(session.plan.wanted(session.request.shard))
    failed = _carried(session, [*unfitted(session), *unmade(session, missing)])
    session.spent["failed"] = {job.key: why for job, why in failed}
    for job, why in failed:
        named = f"picture {job.key[:12]}" if session.plan.suite.explicit else repr(job.text)
        log.error(f"failed: {named}, seed {job.draw.seed}: {why}")
    return failed


def _carried(session: Session, tasks: Sequence[Task]) -> list[tuple[Job, str]]:
    """Do fits and pictures; notes what they took, of all workers together, and returns the pictures that failed."""
    if any(isinstance(task, Fit) for task in tasks):
        before.tell(session.plan)
    spent, made, failed = {Fit: 0.0, Make: 0.0}, 0, list[tuple[Job, str]]()
    for task, done in session.engine.each(session, tasks, "fits and pictures"):
        spent[type(task)] += done.seconds
        made += done.made
        failed += done.failed
    session.spent |= {"made": made, "edits_made": sum(isinstance(task, Fit) for task in tasks)}
    session.spent |= {"fit_seconds": round(spent[Fit], 1), "generate_seconds": round(spent[Make], 1)}
    return failed


def unfitted(session: Session) -> list[Task]:
    """A task for every edit that is not there."""
    recipes = (part.recipe for part in learnt(session.plan.parts))
    return [Fit(recipe.key) for recipe in recipes if not session.store.has_edit(recipe)]


def unmade(session: Session, missing: Sequence[Job]) -> list[Task]:
    """Tasks that make pictures: each of one recipe, and of jobs that are sampled together as far as that goes."""
    if not missing:
        return []
    size = session.batch_size
    size *= session.engine.share(math.ceil(len(missing) / size), _BATCHES)
    groups = by_recipe(session.plan, missing)
    return [Make(part.recipe.key, tuple(some)) for part, jobs in groups for some in batches(jobs, size, strewn=True)]


def again(session: Session) -> None:
    """Delete the pictures of this shard that are not as they were made, so that they are made again; says so."""
    jobs = {job.key: job for job in session.plan.wanted(session.request.shard)}
    altered = sound(session, list(jobs.values()))
    for key, why in altered.items():
        log.warning(f"picture {key[:12]}: {why}: it is made again")
        session.store.drop([jobs[key]])
        session.sound.pop(key)
    session.spent["made_again"] = len(altered)


def sound(session: Session, jobs: Sequence[Job]) -> Mapping[str, str]:
    """Which pictures are not as they were made, and why; each is looked at once a command."""
    found = session.store.check([job for job in jobs if job.key not in session.sound])
    session.sound |= {job.key: job.key not in found.altered for job in jobs if job.key not in session.sound}
    if found.unknown:
        log.warning(f"{len(found.unknown)} pictures were made before checksums were kept: they are taken as they are")
    return found.altered


def labels(specs: Sequence[str], scorers: Sequence[Any]) -> dict[str, str]:
    """The weights of each scorer that has some."""
    found = {}
    for spec, one in zip(specs, scorers, strict=True):
        try:
            found[spec] = one.label
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a scorer that failed may not know its weights either
            found[spec] = f"not known: {measure.why(error)}"
    return {spec: label for spec, label in found.items() if label}


def score(session: Session, specs: Sequence[str]) -> None:
    """Score the pictures of every case, of the method and of the original, and summarise the results folder."""
    from dumo_bench.analysis import summary

    scorers = [session.scorer(spec) for spec in specs]
    note.write(session.out, session.request, session.plan)
    seconds, measured, failed = 0.0, 0, dict[str, str]()
    for key, why in sound(session, session.plan.wanted()).items():
        log.warning(f"picture {key[:12]}: {why}: it is not scored; `dumo-bench run` makes it again")
    for _, done in session.engine.each(session, list(unscored(session, specs)), "scores"):
        seconds, measured = seconds + done.seconds, measured + done.measured.new
        failed |= dict(done.measured.failed)
    for name, reason in failed.items():
        log.error(f"failed: scorer {name}: {reason}; the same command measures what is missing")
    session.spent |= {
        "measured": measured,
        "scorers_failed": failed,
        "score_seconds": round(seconds, 1),
    }
    session.spent["weights"] = labels(specs, scorers)
    manifest.write(session.out, session.request, session.plan, specs, session.spent)
    for line in results.said(session.out):
        log.warning(f"warning: {line}")
    known = {session.plan.suite.name: session.plan.suite} | manifest.suites(session.out)
    summary.write(session.out, known.values())


def unscored(session: Session, specs: Sequence[str]) -> Iterator[Task]:
    """Tasks that score every case: its pictures in whole chunks, and its sets at once."""
    sets = tuple(spec for spec in specs if isinstance(session.scorer(spec), SetScorer))
    pictured = tuple(spec for spec in specs if spec not in sets)
    altered = frozenset(key for key, as_made in session.sound.items() if not as_made)
    for part in (*session.plan.reference, *session.plan.parts):
        n, about = len(part.rows), describe(session, part)
        size = scoring.BATCH * session.engine.share(math.ceil(n / scoring.BATCH), _CHUNKS)
        whole = Measure(part.case.name, part.recipe.key, tuple(specs), 0, n, about, altered)
        if size >= n:
            yield whole
            continue
        if pictured:
            cuts = ((start, min(start + size, n)) for start in range(0, n, size))
            yield from (replace(whole, scorers=pictured, start=start, stop=stop) for start, stop in cuts)
        if sets:
            yield replace(whole, scorers=sets)


def run(session: Session, specs: Sequence[str]) -> bool:
    """fit, generate, score, summarise. False when scoring has to wait for other shards."""
    before.needed(session)
    before.check(specs, session.plan.suite, session.out)
    before.same_schema(session.out)
    session.store.begin()
    failed = generate(session)
    away = len(session.store.missing(session.plan.wanted())) - len(failed)
    if session.request.shard[1] > 1 and away > 0:
        manifest.write(session.out, session.request, session.plan, (), session.spent)
        return False
    score(session, specs)
    return True


def describe(session: Session, part: Part) -> Mapping[str, Any]:
    """The columns of a table that a sample does not know."""
    found = session.plan
    there = [row.job for row in part.rows if session.sound.get(row.job.key, True)]
    return {
        "suite": found.suite.name,
        "suite_version": found.suite.version,
        "content": found.content,
        "erases": kinds.of_case(found.suite, part.case),
        "edit": session.store.edit_hash(part.recipe),
        "batch": store.batch_of(set(session.store.pictures(there))),
        "sampling": contract.contract_key(found.suite, found.contract),
    }


def learnt(parts: Iterable[Part]) -> list[Part]:
    """One part a recipe that learns something."""
    return list({part.recipe.key: part for part in parts if part.recipe.erase}.values())


def by_recipe(found: Plan, wanted: Sequence[Job]) -> list[tuple[Part, list[Job]]]:
    """Jobs by the recipe they share, with a part that has its method; in the order in which recipes first come."""
    parts = {part.recipe.key: part for part in (*found.reference, *found.parts)}
    return [(parts[key], group) for key, group in of_recipes(wanted).items()]
