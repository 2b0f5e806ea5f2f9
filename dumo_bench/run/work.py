"""The worker: fit an edit, make pictures. Every engine calls these two functions and no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from dumo_bench import progress
from dumo_bench.errors import UserError
from dumo_bench.hosts import fingerprint, sample
from dumo_bench.hosts.sd import Host, stock_guide
from dumo_bench.interfaces import Method, Sequel
from dumo_bench.kit import resume
from dumo_bench.run import machine, whole
from dumo_bench.run.room import Room, full
from dumo_bench.storage import claims
from dumo_bench.storage.background import Writer
from dumo_bench.storage.store import Store
from dumo_bench.types import Edit, Guide, Job, Recipe, canonical

if TYPE_CHECKING:
    from dumo_bench.run.plan import Part


class Made(NamedTuple):
    """How many pictures were made here, and those that failed, each with its reason."""

    pictures: int
    failed: list[tuple[Job, str]]


def fit_part(host: Host, part: Part, store: Store) -> Path:
    """The path of the edit of a part, learnt unless it is there, and so is what it is learnt on top of."""
    under = part.base.recipe if part.base else None
    if part.base and under and under.erase and not store.has_edit(part.recipe):
        fit_part(host, part.base, store)
    return fit(part.given.to(host), part.method, part.recipe, store, under)


def fit(host: Host, method: Method, recipe: Recipe, store: Store, under: Recipe | None = None) -> Path:
    """The path of the recipe's edit, learnt unless it is there; `under`: of the edit that it is learnt on top of.

    Settings that act on what was learnt (`after_fit`) are taken of an edit that has them at their defaults, which is
    learnt once for all of them. Where the method takes concepts apart (`parts`, `join`), each part is an edit of its
    own, which other cases reuse.
    """
    said = f"fit {recipe.method}: {' + '.join(recipe.erase)}"
    with claims.claimed(store.claim_path(recipe), lambda: store.has_edit(recipe), said) as mine:
        return _fitted(host, method, recipe, store, under) if mine else store.edit_path(recipe)


def _fitted(host: Host, method: Method, recipe: Recipe, store: Store, under: Recipe | None) -> Path:
    if (learns := whole.method(method)) != method:
        plain = whole.recipe(method, recipe)
        fit(host, learns, plain, store, under)
        own = finished(host, method, recipe, edit := store.get_edit(plain))
        spent = {name: edit.header.get(name) for name in ("seconds", "peak_memory")}
        return store.put_edit(recipe, with_provenance(host, recipe, own, spent))
    parts = method.parts(host, recipe.erase)
    if len(parts) > 1:
        singles = [replace(recipe, erase=tuple(part)) for part in parts]
        for single in singles:
            fit(host, method, single, store)
        edits = [store.get_edit(single) for single in singles]
        edit, spent = method.join(edits), cost(host, sum(e.header["seconds"] for e in edits))
        return store.put_edit(recipe, with_provenance(host, recipe, finite(host, recipe, edit), spent))
    with resume.at(store.fit_path(recipe), about=canonical(asdict(recipe))) as kept:

        def keep(change: Mapping[str, Any], edit: Edit) -> Path:
            own = replace(recipe, params={**recipe.params, **change})
            return store.put_edit(own, with_provenance(host, own, finite(host, own, edit), cost(host, kept.seconds)))

        if under and isinstance(method, Sequel):
            below = store.get_edit(under) if under.erase else Edit({}, {})
            learn = partial(method.fit_on, host, below, keep=keep)
        else:
            learn = partial(method.fit, host)
        return keep({}, learnt(host, learn, recipe))


def finished(host: Host, method: Method, recipe: Recipe, edit: Edit) -> Edit:
    """A method's edit of what was learnt for it, which leaves the model as it was."""
    with fingerprint.unchanged(host, recipe.method, "finished"):
        found = method.finished(host, edit)
    if not isinstance(found, Edit):
        raise UserError(f"method {recipe.method}: its finished gave a {type(found).__name__}, wanted an Edit")
    return finite(host, recipe, found)


def learnt(host: Host, fit: Callable[..., Edit], recipe: Recipe) -> Edit:
    """What a method learns, which leaves the model as it was."""
    with fingerprint.unchanged(host, recipe.method, "fit"):
        return fit(recipe.erase, seed=recipe.fit_seed)


def finite(host: Host, recipe: Recipe, edit: Edit) -> Edit:
    """The edit; one with numbers that are none is refused: it would be kept, and all its pictures would fail."""
    if broken := [name for name, tensor in edit.tensors.items() if not tensor.isfinite().all()]:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise UserError(
            f"fit {recipe.method}: {broken[0]}{more} of the edit are not finite: the model or the fit overflows in "
            f"{host.dtype}; try --dtype float32 or other settings"
        )
    return edit


@contextmanager
def applied(host: Host, method: Method, recipe: Recipe, store: Store, undo: Callable[[], object]) -> Iterator[Guide]:
    """The guide of a recipe's edit, which leaves the model as it was; tried once before anything is made with it.

    `undo` takes back what was made where the model is another only afterwards. Where nothing is erased there is no
    edit in the store, and the method is asked for one.
    """
    before, what = fingerprint.taken(host), "apply" if recipe.erase else "fit or apply"
    edit = store.get_edit(recipe) if recipe.erase else method.fit(host, (), seed=recipe.fit_seed)
    with method.apply(host, edit):
        pass
    fingerprint.refuse(before, fingerprint.taken(host), method.name, what)
    with method.apply(host, edit) as guide:
        yield guide
    try:
        fingerprint.refuse(before, fingerprint.taken(host), method.name, "apply")
    except UserError:
        undo()
        raise


def with_provenance(host: Host, recipe: Recipe, edit: Edit, spent: Mapping[str, Any]) -> Edit:
    """The edit with what every edit says of itself, and what it cost."""
    return Edit(edit.tensors, {**edit.header, **facts(host, recipe), **spent})


def cost(host: Host, seconds: float) -> dict[str, Any]:
    """What an edit that took so long cost."""
    return {"seconds": round(seconds, 2), **memory(host)}


def facts(host: Host, recipe: Recipe) -> dict[str, Any]:
    """What every edit says of itself."""
    return {
        "method": recipe.method,
        "version": recipe.version,
        "params": dict(recipe.params),
        "concepts": list(recipe.erase),
        "seed": recipe.fit_seed,
        "model": host.model,
        "model_hash": host.hash,
        "plans": dict(host.plans),
    }


def memory(host: Host) -> dict[str, int | None]:
    """Peak memory so far, in bytes: of the GPU where there is one, else of the process; None where it is not known."""
    if host.device.type == "cuda":
        return {"peak_memory": torch.cuda.max_memory_allocated(host.device)}
    return {"peak_memory": machine.peak()}


def generate(host: Host, method: Method, jobs: Sequence[Job], store: Store, room: Room | int) -> Made:
    """Make the pictures that are not there. Before each batch it is looked what another program has made meanwhile.

    All jobs share one recipe. room: how many are sampled at once; where the memory is full it is halved, and each
    picture says in a batch of how many it was made. A result that is not finite is not written. Every batch is full, so
    that a picture does not depend on how many others were still missing.
    """
    room = Room(room) if isinstance(room, int) else room
    wanted = store.missing(jobs)
    made, failed = 0, list[tuple[Job, str]]()
    if not wanted:
        return Made(made, failed)
    recipe = wanted[0].recipe
    starts = {key: store.get_start(key) for key in {job.start for job in wanted} if key}
    what = f"{recipe.method} {' + '.join(recipe.erase)}".strip()
    bar = progress.Bar(what, len(wanted))

    def missing(batch: list[Job]) -> list[Job]:
        left = batch if store.missing(batch[:1]) else store.missing(batch)  # one question to a store, not one a picture
        bar.advance(len(batch) - len(left))
        return left

    with applied(host, method, recipe, store, lambda: store.drop(wanted)) as guide, bar, Writer() as writer:
        for batch, found in room.sampled(wanted, partial(sample.sample, host, guide, starts=starts), what, missing):
            bar.advance(len(batch))
            if found is None:
                failed += [(job, room.reason) for job in batch]
                continue
            for job, picture, problem in zip(batch, found[0].numpy(), found[1], strict=False):  # the rest is filling
                if problem:
                    failed.append((job, problem))
                else:
                    writer.submit(store.put_image, job, picture, room.batch)
                    made += 1
    return Made(made, failed)


def tried(host: Host, jobs: Sequence[Job], batch_size: int) -> float:
    """Seconds that a full batch of the unedited model takes, with decoding; nothing is written."""
    began = time.monotonic()
    sample.sample(host, partial(stock_guide, host), full(jobs, batch_size))
    return time.monotonic() - began
