"""results/runs/<name>.json: what was asked, on what machine, and what it took. No clock in the name: a run resumes."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, fields, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from dumo_bench.analysis import results
from dumo_bench.errors import UserError
from dumo_bench.run import manifest_fields
from dumo_bench.run.needs import NotApplicable
from dumo_bench.run.plan import Plan, Request
from dumo_bench.storage import claims, files, scan
from dumo_bench.storage.names import bounded
from dumo_bench.storage.store import Store
from dumo_bench.suites import attacked, contract, registry
from dumo_bench.suites.content import content
from dumo_bench.types import Recipe, Sampling, Suite, canonical, digest

LIBRARIES = ("dumo-bench", "torch", "diffusers", "transformers", "nudenet", "torchmetrics", "numpy", "scipy")


class Refusal(NamedTuple):
    """A case that a method was asked for and cannot do, because the model lacks what it needs."""

    suite: str
    case: str
    method: str
    reason: str


def path(out: Path, request: Request, suite: str, method: str) -> Path:
    """Where the manifest of a request lies; equal requests share one, and their shards."""
    key = digest({k: v for k, v in asdict(request).items() if k != "shard"})[:8]
    name = re.sub(r"[^\w.-]+", "_", f"{suite}-{method}")
    return out / "runs" / f"{bounded(name)}-{key}.json"


def write(out: Path, request: Request, plan: Plan, scorers: Sequence[str], spent: Mapping[str, Any]) -> Path:
    """Add one run to the manifest of its request; a run that made no picture and measured nothing changes nothing.

    Of shards that end together each waits for the other, so that the runs of both are there.
    """
    place = path(out, request, plan.suite.name, (plan.parts or plan.reference)[0].recipe.method)
    with claims.claimed(place, lambda: False, place.name):
        return _add(place, out, request, plan, scorers, spent)


def _edits(out: Path, plan: Plan) -> dict[str, dict[str, float | None]]:
    """What the edit of each case took and takes: seconds of its fit, bytes of its file. One may have been deleted."""
    store = Store(out)
    there = [part for part in plan.parts if store.has_edit(part.recipe)]
    return {part.case.name: _cost(store, part.recipe) for part in there}


def _cost(store: Store, recipe: Recipe) -> dict[str, float | None]:
    spent = store.edit_header(recipe).get("seconds")
    return {"seconds": spent, "bytes": store.edit_path(recipe).stat().st_size}


def _add(
    place: Path, out: Path, request: Request, plan: Plan, scorers: Sequence[str], spent: Mapping[str, Any]
) -> Path:
    before = _read(place) if place.exists() else {"runs": []}
    idle = not spent.get("made") and not spent.get("measured")
    if before.get("runs") and idle and set(scorers) <= set(before.get("scorers", ())):
        return place
    said = {
        "suite": plan.suite.name,
        "suite_version": plan.suite.version,
        "cases": [part.case.name for part in plan.reference],
        "wish": asdict(request),
        "model": plan.model,
        "model_hash": plan.model_hash,
        "sampling": contract.described(plan.suite, plan.contract),
        "recipes": {part.case.name: asdict(part.recipe) for part in plan.parts or plan.reference},
        "edits": before.get("edits", {}) | _edits(out, plan),
        "scorers": sorted({*scorers, *before.get("scorers", ())}),
        "runs": [*before.get("runs", ()), {**spent, **machine()}],
    }
    return _put(place, said)


def refuse(out: Path, request: Request, why: NotApplicable) -> Path:
    """Note that a request cannot be carried out on this model; what was run before under the same request stays."""
    place = path(out, request, why.suite.name, why.method)
    with claims.claimed(place, lambda: False, place.name):
        return _refuse(place, request, why)


def _refuse(place: Path, request: Request, why: NotApplicable) -> Path:
    if place.exists() and _read(place).get("runs"):
        return place
    said = {
        "suite": why.suite.name,
        "suite_version": why.suite.version,
        "cases": [case.name for case in why.cases],
        "wish": asdict(request),
        "model": why.model,
        "model_hash": "",
        "method": why.method,
        "not_applicable": why.reason,
        "recipes": {},
        "scorers": [],
        "runs": [],
    }
    return _put(place, said)


def not_applicable(out: Path) -> list[Refusal]:
    """The cases of a results folder that a method cannot do on the model it was asked for, each once."""
    refused = [entry for entry in read_all(out) if "not_applicable" in entry]
    every = [
        Refusal(one["suite"], case, one["method"], one["not_applicable"]) for one in refused for case in one["cases"]
    ]
    return list(dict.fromkeys(every))


def _put(place: Path, said: Mapping[str, Any]) -> Path:
    return files.write_text(place, json.dumps(json.loads(canonical(said)), indent=1) + "\n")


def read_all(out: Path) -> list[dict[str, Any]]:
    """Every manifest of a results folder, in the order of their names."""
    return [_read(place) for place in sorted((out / "runs").glob("*.json"))]


def scorers(out: Path) -> list[str]:
    """Every scorer that has been run into a results folder."""
    return sorted({name for manifest in read_all(out) for name in manifest.get("scorers", ())})


def suites(out: Path) -> dict[str, Suite]:
    """The suites that were run into a results folder, where they can still be read.

    A manifest is data: nothing that it names is imported. It may name a suite of this project, or a TOML file; one that
    an attack wrote lies in the folder itself, wherever that is now.
    """
    found = {}
    for spec in sorted({entry["wish"]["suite"] for entry in read_all(out)}):
        try:
            suite = _suite(out, spec)
        except UserError:
            continue  # its file has moved, or it is a plugin's: the tables are still whole
        found[suite.name] = suite
        name = results.named(suite.name, content(suite))  # where its folder holds another content of it as well
        found[name] = replace(suite, name=name)
    return found


def harmless(out: Path) -> set[str]:
    """The suites whose pictures may be shown: of a name all that ran is there as it was run, and none is explicit."""
    known: dict[str, set[tuple[int, str]]] = {}
    shut = set[str]()
    for entry in read_all(out):
        try:
            suite = _suite(out, entry["wish"]["suite"])
        except UserError:
            shut.add(str(entry["suite"]))
            continue
        known.setdefault(suite.name, set()).add((suite.version, content(suite)))
        shut |= {suite.name} if suite.explicit else set()
    ran = scan.distinct(out / "tables", "scores", results.WHAT).fillna({"content": ""})
    for name, of, own in ran.itertuples(index=False, name=None):
        if own and (int(of), str(own)) not in known.get(str(name), set()):
            shut.add(str(name))
    return known.keys() - shut


def lost_attacks(out: Path) -> dict[str, str]:
    """The suites that attacks wrote and were run into a results folder and cannot be read any more, each with the
    reason: what such an attack brings back is in no table of attacks."""
    found = {}
    for spec in sorted({entry["wish"]["suite"] for entry in read_all(out)}):
        if Path(spec).parent.name == attacked.FOLDER and spec.endswith(".toml"):
            try:
                _suite(out, spec)
            except UserError as error:
                found[spec] = str(error)
    return found


def _suite(out: Path, spec: str) -> Suite:
    """A suite that was run; one that an attack wrote is read where it lies now. One that cannot be is a UserError."""
    own = out / attacked.FOLDER / Path(spec).name
    return registry.from_data(str(own) if own.is_file() else spec)


def contracts(out: Path) -> dict[str, dict[str, Any]]:
    """The sampling contracts of a results folder's runs by their keys."""
    every = [manifest["sampling"] for manifest in read_all(out) if "sampling" in manifest]
    return {key: said for one in every for key, said in _by_key({**_DEFAULTS, **one})}


#: what an early contract need not say; none said what a sampler is, and their keys have no word of it
_DEFAULTS = {one.name: one.default for one in fields(Sampling) if one.default is not MISSING and one.name != "sampler"}


def _by_key(said: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A contract with its key. One of an early manifest has none and does not say what rows state: every possible."""
    if "key" in said:
        yield str(said["key"]), {name: value for name, value in said.items() if name != "key"}
        return
    for n in range(len(contract.OF_ROWS) + 1):
        for own in combinations(contract.OF_ROWS, n):
            yield contract.keyed(digest(said)[:12], own), {**said, **dict.fromkeys(own, contract.PER_ROW)}


def machine() -> dict[str, Any]:
    """The machine and the versions that pictures and numbers may depend on."""
    return {"machine": platform.machine(), "python": platform.python_version(), "libraries": _versions()}


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _read(place: Path) -> dict[str, Any]:
    """A manifest; one that cannot be what this program wrote is told in one line."""
    try:
        if not place.is_file():
            raise ValueError("it is no file")
        found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        manifest_fields.check(found)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place} is broken ({error}): delete it; pictures and tables do not depend on it") from error
    return found
