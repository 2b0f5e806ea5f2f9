"""Pictures that another program made, under the names of a known layout, as pictures of a results folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dumo_bench.errors import UserError
from dumo_bench.progress import track
from dumo_bench.run import layouts, note
from dumo_bench.run.jobs import Row
from dumo_bench.run.layouts import Layout
from dumo_bench.run.plan import Part, Plan, Request
from dumo_bench.storage.store import Store
from dumo_bench.types import Edit

if TYPE_CHECKING:
    from dumo_bench.scorers.pictures import Picture

_ENDS = (".png", ".jpg", ".jpeg")  # a layout's own first


class Found(NamedTuple):
    """Of a case: the rows whose pictures are there, each with its file, the names of those that are not, and how many
    other pictures lie beside them."""

    part: Part
    there: Sequence[tuple[Row, Path]]
    lacking: Sequence[str]
    others: int


def bring(request: Request, plan: Plan, out: Path, layout: Layout, folder: Path, *, partial: bool) -> list[str]:
    """Copy pictures of every case into a results folder; returns a line a case. Every file is looked at before one is
    copied: UserError where a picture lacks, cannot be read, is of another size than the suite says, or is not the one
    that the results folder has.

    folder: of one case its pictures, or a folder a case, as `store export` calls it. partial: take what is there.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder: wanted the folder with the pictures")
    found = [_found(plan, part, layout, folder) for part in plan.parts]
    lacking = [name for one in found for name in one.lacking]
    if lacking and not partial:
        wanted = sum(len(part.rows) for part in plan.parts)
        raise UserError(
            f"{folder}: {len(lacking)} of {wanted} pictures are not there, {lacking[0]} first: --partial takes the "
            "others"
        )
    if not any(one.there for one in found):
        raise UserError(f"{folder}: none of the pictures is there: wanted {lacking[0]} and so on")
    for one in found:
        for row, path in one.there:
            _pixels(row, path)
    store = Store(out)
    new = [_new(one, store) for one in found]
    store.begin()
    note.write(out, request, plan)
    return [_bring(one, some, store, folder) for one, some in zip(found, new, strict=True)]


def _found(plan: Plan, part: Part, layout: Layout, folder: Path) -> Found:
    own = folder / layouts.folder_of(plan, part.case)
    place = own if own.is_dir() or len(plan.parts) > 1 else folder
    keys = [row.job.key for row in part.rows]
    laid = layouts.named(plan, part, layout, place, keys)
    paths = [_path(place / name) for name in laid.pictures]
    there = [(row, path) for row, path in zip(part.rows, paths, strict=True) if path]
    lacking = [str(place / name) for name, path in zip(laid.pictures, paths, strict=True) if path is None]
    every = [path for path in place.rglob("*") if path.suffix.lower() in _ENDS] if place.is_dir() else []
    return Found(part, there, lacking, len({*every} - {path for _, path in there}))


def _path(named: Path) -> Path | None:
    """The picture of that name, as PNG or JPEG, whose ending may be in capitals."""
    ends = dict.fromkeys(written for end in (named.suffix, *_ENDS) for written in (end, end.upper()))
    return next((path for end in ends if (path := named.with_suffix(end)).is_file()), None)


def _pixels(row: Row, path: Path) -> Picture:
    """A picture as scorers see it, (h, w, 3) uint8, of the size that its row is sampled in."""
    from dumo_bench.scorers import pictures

    pixels = pictures.read_or_reason(path)
    if isinstance(pixels, str):
        raise UserError(f"{path}: {pixels}")
    if (frames := pictures.frames(path)) > 1:
        raise UserError(f"{path}: {frames} pictures in one file, wanted one")
    wanted = (row.job.sampling.width, row.job.sampling.height)
    if (came := (pixels.shape[1], pixels.shape[0])) != wanted:
        raise UserError(
            f"{path}: {came[0]} x {came[1]} pixels, the suite's [sampling] says {wanted[0]} x {wanted[1]}: state in a "
            "suite of your own how they were made"
        )
    return pixels


def _new(found: Found, store: Store) -> list[tuple[Row, Path]]:
    """The pictures that the results folder lacks, or has not as they were made; UserError where it has another one of
    the same prompt, for what was measured of that one would be said of this."""
    import numpy as np

    from dumo_bench.scorers import pictures

    altered = store.check(row.job for row, _ in found.there).altered
    new = []
    for row, path in found.there:
        held = store.image_path(row.job)
        if row.job.key in altered or not held.exists():
            new.append((row, path))
        elif not np.array_equal(_pixels(row, path), pictures.read(held)):
            raise UserError(
                f"{path}: {store.root} has another picture of this prompt and seed from the same --made-by: wanted "
                "another name for other pictures, or another --to"
            )
    return new


def _bring(found: Found, new: Sequence[tuple[Row, Path]], store: Store, folder: Path) -> str:
    store.put_edit(found.part.recipe, Edit({}, {"from": str(folder)}))
    for row, path in track(new, f"import {found.part.case.name}"):
        store.put_image(row.job, _pixels(row, path))
    rest = f"; {found.others} other pictures beside them were left alone" if found.others else ""
    return f"{len(found.there)} of {len(found.part.rows)} pictures, case {found.part.case.name}{rest}"
