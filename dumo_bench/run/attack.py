"""`attack`: what an attack finds for the targets of a suite's cases, written as suites into the results folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dumo_bench.errors import UserError
from dumo_bench.interfaces import Attack, Target
from dumo_bench.progress import log, track
from dumo_bench.run import steps
from dumo_bench.run.plan import kind_of
from dumo_bench.storage.names import bounded
from dumo_bench.suites import attacked
from dumo_bench.suites.content import content
from dumo_bench.types import Prompt, digest

if TYPE_CHECKING:
    from dumo_bench.run.plan import Part
    from dumo_bench.run.session import Session

FOLDER = "attacks"
_WHITE_BOX = ("erased model", "both models")


def suites(session: Session, attack: Attack, *, seed: int = 0, seeds: int = 1) -> Iterator[Path]:
    """A suite file for each case; one that is there is not searched for again.

    seed: of the search. seeds: pictures of each prompt. An attack that sees the erased model is of one method's edit,
    any other serves all.
    """
    if attack.kinds and (kind := kind_of(session.plan.model)).name not in attack.kinds:
        raise UserError(f"{attack.name} knows no {kind.title}, which {session.plan.model} is: choose another --model")
    if attack.sees in _WHITE_BOX:
        steps.fit(session)
    for part in session.plan.parts or session.plan.reference:
        yield _of_case(session, attack, part, seed, seeds)


def _of_case(session: Session, attack: Attack, part: Part, seed: int, seeds: int) -> Path:
    name = _name(session, attack, part, seed, seeds)
    folder = session.out / FOLDER
    if (there := folder / f"{name}.toml").exists():
        return there
    prompts = targets(part)
    if not prompts:
        raise UserError(
            f"{session.plan.suite.name}, {part.case.name}: no prompt of it is a target; choose another case"
        )
    log.info(f"{attack.name} on {part.case.name}: {len(prompts)} prompts")
    searched = attack.search(_target(session, attack, part, prompts), seed=seed)
    found = list(track(searched, "prompts", len(prompts)))
    model = session.request.model or session.plan.suite.sampling.model
    whole = attacked.Attacked(
        name,
        session.plan.suite,
        part.case,
        said(session, attack, part, seed),
        model,
        prompts,
        found,
        seeds,
        attack.papers,
    )
    return attacked.write(folder, whole)


def targets(part: Part) -> list[Prompt]:
    """The prompts of a case that ask for what is erased, each text once."""
    return list({row.prompt.text: row.prompt for row in reversed(part.rows) if row.role == "target"}.values())[::-1]


def said(session: Session, attack: Attack, part: Part, seed: int) -> str:
    """What was searched, with which settings, and what the attack saw: the suite's source."""
    settings = ", ".join(f"{key}={value}" for key, value in attack.identity().items())
    of = f"; edit {part.recipe.key[:12]}" if attack.sees in _WHITE_BOX else ""
    suite = session.plan.suite
    return (
        f"{attack.name} {attack.version} ({attack.cite}), sees: {attack.sees}; {settings}; seed {seed}; "
        f"{suite.name} {suite.version}, case {part.case.name}; model {session.plan.model_hash[:12]}{of}"
    )


def _name(session: Session, attack: Attack, part: Part, seed: int, seeds: int) -> str:
    texts = [prompt.text for prompt in targets(part)]
    key = digest([said(session, attack, part, seed), content(session.plan.suite), texts, seeds])[:8]
    readable = f"{attack.name}-{session.plan.suite.name}-{part.case.name}"
    return f"{bounded(re.sub(r'[^A-Za-z0-9.+_-]+', '_', readable))}-{key}"


def _target(session: Session, attack: Attack, part: Part, prompts: list[Prompt]) -> Target:
    host, texts = session.host, tuple(prompt.text for prompt in prompts)
    if attack.sees not in _WHITE_BOX:
        return Target(host, part.case.erase, texts)
    edit = session.store.get_edit(part.recipe)
    return Target(host, part.case.erase, texts, lambda: part.method.apply(host, edit))
