"""Pictures that another program made, under the names of a known layout, as pictures of a results folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dumo_bench.errors import UserError
from dumo_bench.run import layouts, note
from dumo_bench.run.jobs import Row
from dumo_bench.run.layouts import Layout
from dumo_bench.run.plan import Part, Plan, Request
from dumo_bench.storage.names import plain
from dumo_bench.storage.store import Store
from dumo_bench.texts import line
from dumo_bench.types import Edit

if TYPE_CHECKING:
    import numpy as np

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
    copied: UserError where a picture lacks, cannot be read or is of another size than the suite says.

    folder: of one case its pictures, or a folder a case, as `store export` calls it. partial: take what is there.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder: wanted the folder with the pictures")
    found = [_found(part, layout, folder, alone=len(plan.parts) == 1) for part in plan.parts]
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
    store.begin()
    note.write(out, request, plan)
    return [_bring(one, store, folder) for one in found]


def _found(part: Part, layout: Layout, folder: Path, *, alone: bool) -> Found:
    own = folder / plain(part.case.name)
    place = own if own.is_dir() or not alone else folder
    keys = [row.job.key for row in part.rows]
    laid = layouts.named(part, layout, place, keys)
    paths = [_path(place / name) for name in laid.pictures]
    there = [(row, path) for row, path in zip(part.rows, paths, strict=True) if path]
    lacking = [str(place / name) for name, path in zip(laid.pictures, paths, strict=True) if path is None]
    every = [path for path in place.rglob("*") if path.suffix.lower() in _ENDS] if place.is_dir() else []
    return Found(part, there, lacking, len({*every} - {path for _, path in there}))


def _path(named: Path) -> Path | None:
    """The picture of that name, as PNG or JPEG."""
    ends = dict.fromkeys((named.suffix, *_ENDS))
    return next((path for end in ends if (path := named.with_suffix(end)).is_file()), None)


def _pixels(row: Row, path: Path) -> np.ndarray[Any, Any]:
    """A picture, (h, w, 3) uint8, of the size that its row is sampled in."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except (OSError, UnidentifiedImageError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: cannot be read: {line(str(error))}") from error
    wanted = (row.job.sampling.width, row.job.sampling.height)
    if (came := (pixels.shape[1], pixels.shape[0])) != wanted:
        raise UserError(
            f"{path}: {came[0]} x {came[1]} pixels, the suite's [sampling] says {wanted[0]} x {wanted[1]}: state in a "
            "suite of your own how they were made"
        )
    return pixels


def _bring(found: Found, store: Store, folder: Path) -> str:
    store.put_edit(found.part.recipe, Edit({}, {"from": str(folder)}))
    for row, path in _tracked(found):
        store.put_image(row.job, _pixels(row, path))
    rest = f"; {found.others} other pictures beside them were left alone" if found.others else ""
    return f"{len(found.there)} of {len(found.part.rows)} pictures, case {found.part.case.name}{rest}"


def _tracked(found: Found) -> Iterator[tuple[Row, Path]]:
    from dumo_bench.progress import track

    return track(found.there, f"import {found.part.case.name}")
