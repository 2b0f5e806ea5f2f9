"""`attack`: what an attack finds for the targets of a suite's cases, written as suites into the results folder."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dumo_bench.errors import UserError
from dumo_bench.hosts import models, plans
from dumo_bench.interfaces import SEES, Attack, Sees, Target
from dumo_bench.plugins import loading
from dumo_bench.progress import log, track
from dumo_bench.run import searched, steps
from dumo_bench.run.plan import kind_of
from dumo_bench.storage import references
from dumo_bench.storage.names import bounded
from dumo_bench.suites import attacked, foreign
from dumo_bench.suites.content import content
from dumo_bench.types import WHITE_BOX, Edit, Found, Prompt, Sampling, Search, canonical, digest

if TYPE_CHECKING:
    from dumo_bench.run.plan import Part
    from dumo_bench.run.session import Session


@dataclass(frozen=True, slots=True)
class Aim:
    """An attack as it was asked for. seed: of the search. pictures: of each prompt that is found."""

    attack: Attack
    seed: int = 0
    pictures: int = 1


def made(spec: str, settings: Mapping[str, Any], model: str) -> Attack:
    """An attack, with the model's own numbers (the table [attacks.NAME] of its plans.toml) where nothing was typed."""
    own = plans.read(models.folder(model)).get(plans.ATTACKS, {}).get(loading.load("attacks", spec).name, {})
    found: Attack = loading.make("attacks", spec, {**own, **settings})
    return found


def suites(session: Session, aim: Aim) -> Iterator[Path]:
    """A suite file for each case; one that is there is not searched for again.

    An attack that sees the erased model is of one method's edit, and is made on the unedited model as well, which is
    what it finds where nothing is erased; any other serves all.
    """
    attack = aim.attack
    knows(attack, session.plan.model)
    edits = session.plan.parts if attack.sees in WHITE_BOX else ()
    for part in session.plan.reference:
        yield _of_case(session, aim, part)
    if edits:
        steps.fit(session)
    for part in edits:
        yield _of_case(session, aim, part)


def knows(attack: Attack, model: str) -> None:
    """Refuse an attack that knows no models of this kind."""
    if attack.kinds and (kind := kind_of(model)).name not in attack.kinds:
        raise UserError(f"{attack.name} knows no {kind.title}, which {model} is: choose another --model")


def read(session: Session, name: str, sees: str, source: Path, pictures: int) -> Iterator[Path]:
    """A suite file for each case, of prompts that another program's attack found; they lie in `source`."""
    theirs, content_hash = foreign.read(source), foreign.sha256(source)[:12]
    for part in session.plan.reference:
        suite, concept = session.plan.suite, part.case.erase[0]
        search = Search(name, "", sees, f"read from {source.name} ({content_hash})", 0, "", "", session.plan.model_hash)
        said = f"{name}, sees: {sees}; {search.settings}; under {suite.name} {suite.version}, case {part.case.name}"
        own = _called([name, "read", suite.name, part.case.name], [said, content(suite), pictures])
        prompts = [Prompt(one.id, one.plain, concept, ()) for one in theirs]
        found, under = [Found(one.text) for one in theirs], replace(suite.sampling, model=session.plan.model)
        whole = attacked.Attacked(
            own, suite, part.case, said, search, under, prompts, found, [""] * len(found), pictures
        )
        yield attacked.write(session.out / attacked.FOLDER, whole)


def seen(name: str, said: str | None) -> Sees:
    """The threat model of prompts that are read: that of the attack of this name, or what was typed."""
    if said is None and name in loading.names("attacks"):
        known: Sees = loading.load("attacks", name).sees
        return known
    if said not in SEES:
        raise UserError(f"--sees {said!r}: {name} is no attack of this program: say what it saw: {', '.join(SEES)}")
    return said


def _of_case(session: Session, aim: Aim, part: Part) -> Path:
    name = _name(session, aim, part)
    folder = session.out / attacked.FOLDER
    if (there := folder / f"{name}.toml").exists():
        return there
    prompts = targets(part)
    if not prompts:
        raise UserError(
            f"{session.plan.suite.name}, {part.case.name}: no prompt of it is a target; choose another case"
        )
    log.info(f"{aim.attack.name} on {part.case.name}, {part.recipe.method}: {len(prompts)} prompts")
    found = _found(session, aim, part, prompts, name)
    suite, search = session.plan.suite, searched_as(session, aim, part)
    said, under = _said(session, aim, part, search), contract(session, aim)
    search = spent(search, found)
    with references.alone(session.out, "what this attack found is noted"):
        starts = [session.store.put_start(one.start) if one.start else "" for one in found]
        whole = attacked.Attacked(
            name, suite, part.case, said, search, under, prompts, found, starts, aim.pictures, aim.attack.papers
        )
        written = attacked.write(folder, whole)
    searched.forget(session.out, name)
    return written


def _found(session: Session, aim: Aim, part: Part, prompts: list[Prompt], name: str) -> list[Found]:
    """What the search finds for each prompt; behind those that it found when it was stopped, where it can go on."""
    attack, so_far = aim.attack, searched.Searched(session.store, name)
    found = so_far.read(len(prompts)) if attack.resumes else []
    if found:
        log.info(f"{attack.name}: {len(found)} of {len(prompts)} prompts were found before")
    if len(found) == len(prompts):
        return found
    target = replace(_target(session, aim, part, prompts), found=len(found))
    for one in track(timed(attack.search(target, seed=aim.seed)), "prompts", len(prompts) - len(found)):
        found.append(one)
        if attack.resumes:
            so_far.add(one)
    if len(found) != len(prompts):
        searched.forget(session.out, name)
        raise UserError(f"attack {attack.name}: its search gave {len(found)} prompts, wanted {len(prompts)}")
    return found


def spent(search: Search, found: Sequence[Found]) -> Search:
    """With what a prompt cost in the mean."""
    n = len(found)
    return replace(
        search,
        texts=round(sum(one.texts for one in found) / n),
        forwards=round(sum(one.forwards for one in found) / n),
        seconds=round(sum(one.seconds for one in found) / n, 2),
    )


def contract(session: Session, aim: Aim) -> Sampling:
    """What the suite's pictures are made under."""
    own = session.plan.suite.sampling
    return aim.attack.contract(replace(own, model=session.request.model or own.model))


def timed(found: Iterable[Found]) -> Iterator[Found]:
    """Each with the seconds that it took; what all have in common is the first's."""
    began = time.monotonic()
    for one in found:
        yield replace(one, seconds=time.monotonic() - began)
        began = time.monotonic()


def targets(part: Part) -> list[Prompt]:
    """The prompts of a case that ask for what is erased, each text once."""
    return list({row.prompt.text: row.prompt for row in reversed(part.rows) if row.role == "target"}.values())[::-1]


def searched_as(session: Session, aim: Aim, part: Part) -> Search:
    """What a suite says of its search. Of an attack that sees no edit, none is told."""
    attack, edited = aim.attack, part.recipe.erase and aim.attack.sees in WHITE_BOX
    of = (part.recipe.method, part.recipe.key) if edited else ("", "")
    settings, model = canonical(attack.identity()), session.plan.model_hash
    return Search(attack.name, attack.version, attack.sees, settings, aim.seed, *of, model)


def _said(session: Session, aim: Aim, part: Part, search: Search) -> str:
    """What was searched, with which settings, and what the attack saw: the suite's source."""
    of, suite = f"; {search.method}, edit {search.edit[:12]}" if search.edit else "", session.plan.suite
    settings = ", ".join(f"{key}={value}" for key, value in aim.attack.identity().items())
    return (
        f"{search.attack} {search.version} ({aim.attack.cite}), sees: {search.sees}; {settings}; "
        f"seed {search.seed}; {suite.name} {suite.version}, case {part.case.name}; model {search.model[:12]}{of}"
    )


def _name(session: Session, aim: Aim, part: Part) -> str:
    texts, search = [prompt.text for prompt in targets(part)], searched_as(session, aim, part)
    made_of = [_said(session, aim, part, search), content(session.plan.suite), texts, aim.pictures]
    of = [aim.attack.name, *([search.method] if search.method else []), session.plan.suite.name, part.case.name]
    return _called(of, made_of)


def _called(words: Sequence[str], made_of: Sequence[Any]) -> str:
    """A suite's name: what it is in words, and a hash of all that it is made of."""
    return f"{bounded(re.sub(r'[^A-Za-z0-9.+_-]+', '_', '-'.join(words)))}-{digest(made_of)[:8]}"


def _target(session: Session, aim: Aim, part: Part, prompts: list[Prompt]) -> Target:
    host, texts = session.host, tuple(prompt.text for prompt in prompts)
    of = Target(host, part.case.erase, texts, contract(session, aim), aim.pictures)
    if aim.attack.sees not in WHITE_BOX:
        return of
    edit = session.store.get_edit(part.recipe) if part.recipe.erase else Edit({}, {})
    return replace(of, erased=lambda: part.method.apply(host, edit))
