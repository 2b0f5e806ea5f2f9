"""Pictures in the folders that other tools read: what each picture is called there, and the texts beside them.

What is known of the layouts: ESD, UCE, RECE and DuMo name pictures `{case_number}_{n}.png` by the rows of a CSV file;
SPM's `meta.json` is {concept: {template: [paths]}} (Con6924/SPM, `src/evaluation/clip_evaluator.py`); UnlearnCanvas
reads `{theme}_{object}_seed{seed}.jpg`, with the theme `Seed_Images` for no style; CLIP scores pair images/ and texts/.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import IO, Literal, NamedTuple, TypeAlias

from dumo_bench.errors import UserError
from dumo_bench.run import jobs
from dumo_bench.run.jobs import Row
from dumo_bench.run.plan import Part, Plan
from dumo_bench.storage import checksums, files
from dumo_bench.storage.names import plain
from dumo_bench.storage.store import Store
from dumo_bench.types import Case, digest

Layout: TypeAlias = Literal["rows", "spm", "unlearncanvas", "texts"]
QUALITY = 95  # of a JPEG, colours in full resolution
_COLUMNS = ("case_number", "prompt", "evaluation_seed", "evaluation_guidance", "class")
_NO_STYLE = "Seed_Images"


class Laid(NamedTuple):
    """What the pictures of all rows are called, in their order, and the texts beside those that are there.

    A picture's name does not depend on which others are there: exports of two methods are compared name by name.
    """

    pictures: Sequence[str]
    texts: Mapping[str, str]


Lay: TypeAlias = "Callable[[Sequence[Row], Path, Collection[str]], Laid]"  # there: keys of the pictures that are


def rows(every: Sequence[Row], to: Path, there: Collection[str]) -> Laid:
    """`{case_number}_{n}.png`: a row of prompts.csv is a prompt and a seed, n the latent drawn from it."""
    del to
    pairs = list(dict.fromkeys((row.prompt.id, row.draw.seed) for row in every))
    ids = [name for name, _ in pairs]
    own = len(set(ids)) == len(ids) and all(name.isascii() and name.isdecimal() for name in ids)
    number = {pair: int(pair[0]) if own else n for n, pair in enumerate(pairs)}
    said, lines = io.StringIO(), {}
    for row in (row for row in every if row.job.key in there):
        case = number[row.prompt.id, row.draw.seed]
        lines[case] = (case, row.prompt.text, row.draw.seed, row.job.sampling.guidance, row.prompt.concept)
    csv.writer(said, lineterminator="\n").writerows([_COLUMNS, *lines.values()])
    names = [f"{number[row.prompt.id, row.draw.seed]}_{row.draw.index}.png" for row in every]
    return Laid(names, {"prompts.csv": said.getvalue()})


def spm(every: Sequence[Row], to: Path, there: Collection[str]) -> Laid:
    """`{concept}/{template}_{n}.png` and meta.json; a template is the place of a text among those of its concept."""
    meta: dict[str, dict[str, list[str]]] = {}
    templates: dict[str, list[str]] = {}
    names, counts = [], Counter[tuple[str, str]]()
    for row in every:
        concept, texts = row.prompt.concept, templates.setdefault(row.prompt.concept, [])
        if row.prompt.text not in texts:
            texts.append(row.prompt.text)
        template = str(texts.index(row.prompt.text))
        names.append(f"{plain(concept)}/{template}_{counts[concept, template]}.png")
        counts[concept, template] += 1
        if row.job.key in there:
            meta.setdefault(concept, {}).setdefault(template, []).append(str(to / names[-1]))
    return Laid(names, {"meta.json": json.dumps(meta, ensure_ascii=False, indent=1) + "\n"})


def unlearncanvas(every: Sequence[Row], to: Path, there: Collection[str]) -> Laid:
    """`{theme}_{object}_seed{seed}.jpg`, of suites whose prompts say what they show."""
    del to, there
    return Laid([_canvas(row) for row in every], {})


def _canvas(row: Row) -> str:
    shows = row.prompt.shows
    if "object" not in shows:
        raise UserError(
            f"prompt {row.prompt.id}: UnlearnCanvas's names need the object that it shows; its suite does not say one"
        )
    theme = shows.get("style", _NO_STYLE).replace(" ", "_")
    name = f"{theme}_{shows['object']}_seed{row.draw.seed}.jpg"
    if "/" in name:
        raise UserError(f"prompt {row.prompt.id}: {name!r} is no name of a file")
    return name


def texts(every: Sequence[Row], to: Path, there: Collection[str]) -> Laid:
    """`images/000000.png` and `texts/000000.txt`: in both folders the same order."""
    del to
    stems = [f"{n:06d}" for n in range(len(every))]
    said = {
        f"texts/{stem}.txt": row.prompt.text + "\n"
        for stem, row in zip(stems, every, strict=True)
        if row.job.key in there
    }
    return Laid([f"images/{stem}.png" for stem in stems], said)


LAYOUTS: Mapping[Layout, Lay] = {
    "rows": rows, "spm": spm, "unlearncanvas": unlearncanvas, "texts": texts
}  # fmt: skip


class Allowed(NamedTuple):
    """What was asked for beside the layout: explicit pictures and texts; to go on where pictures are missing."""

    explicit: bool = False
    partial: bool = False


def write(plan: Plan, store: Store, layout: Layout, folder: Path, to: Path, allowed: Allowed) -> list[str]:
    """Write the pictures of a plan below `folder`, which will be called `to`, a folder a case; returns what was
    written, a line a case.
    """
    if plan.suite.explicit and not allowed.explicit:
        raise UserError(f"{plan.suite.name} is explicit: its pictures and prompts are exported with --explicit only")
    parts = plan.parts or plan.reference
    there = {part.case.name: _there(part, store) for part in parts}
    wanted = sum(len(part.rows) for part in parts)
    lacking = wanted - sum(map(len, there.values()))
    if lacking and not allowed.partial:
        raise UserError(
            f"{lacking} of {wanted} pictures are not there, or not as they were made: `dumo-bench generate` with the "
            "same options makes them; --partial exports the others"
        )
    return [_case(plan, part, there[part.case.name], store, layout, (folder, to)) for part in parts]


def _there(part: Part, store: Store) -> set[str]:
    """The keys of a part's pictures that are there, as they were made, by rows."""
    every = [row.job for row in part.rows]
    places = [(store.image_path(job), (job.sampling.width, job.sampling.height)) for job in every if store.has(job)]
    return {path.stem for path, _ in places} - set(checksums.check(store.root, places).altered)


def named(plan: Plan, part: Part, layout: Layout, to: Path, there: Collection[str]) -> Laid:
    """What the pictures of a part are called in a layout, each otherwise: as among all that its case has."""
    every = jobs.rows(plan.suite, part.case, part.recipe, plan.contract)
    laid = LAYOUTS[layout](every, to, there)
    if twice := [name for name, n in Counter(laid.pictures).items() if n > 1]:
        raise UserError(f"case {part.case.name!r}: several pictures would be called {twice[0]}: choose another --as")
    called = {(row.prompt.id, row.draw): name for row, name in zip(every, laid.pictures, strict=True)}
    return Laid([called[row.prompt.id, row.draw] for row in part.rows], laid.texts)


def folder_of(plan: Plan, case: Case) -> str:
    """What the folder of a case is called: with a hash where another case of the suite would be called the same."""
    alike = [one.name for one in plan.suite.cases if plain(one.name) == plain(case.name)]
    return plain(case.name) if len(alike) == 1 else f"{plain(case.name)}-{digest(case.name)[:8]}"


def _case(
    plan: Plan, part: Part, there: Collection[str], store: Store, layout: Layout, where: tuple[Path, Path]
) -> str:
    folder, to = (place / folder_of(plan, part.case) for place in where)
    laid = named(plan, part, layout, to, there)
    some = [(row, name) for row, name in zip(part.rows, laid.pictures, strict=True) if row.job.key in there]
    for row, name in some:
        _copy(store.image_path(row.job), folder / name)
    for name, text in laid.texts.items():
        files.write_text(folder / name, text)
    return f"{len(some)} of {len(part.rows)} pictures of {part.recipe.method}, case {part.case.name}: {to}"


def _copy(picture: Path, to: Path) -> None:
    """The picture's bytes; as a JPEG, its pixels as nearly as that holds them."""
    if to.suffix != ".jpg":
        files.write_bytes(to, picture.read_bytes())
        return
    from PIL import Image

    def save(stream: IO[bytes]) -> None:
        with Image.open(picture) as pixels:
            pixels.convert("RGB").save(stream, format="JPEG", quality=QUALITY, subsampling=0)

    files.write(to, save)
