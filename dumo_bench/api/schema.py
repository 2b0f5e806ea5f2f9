"""JSON schemas of experiments, suites and papers, for editors: made of the dataclasses that the files become.

A schema says which keys there are, of which types; what else holds (that a case erases what prompts ask for) is said
by the program. `python -m dumo_bench.api.schema` writes the files, which the package ships.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from dumo_bench.api.experiment import Experiment
from dumo_bench.api.paper import Paper as PaperFile
from dumo_bench.citation import Paper
from dumo_bench.storage import files
from dumo_bench.suites.csvfile import KINDS, ROLES
from dumo_bench.suites.file import TASKS
from dumo_bench.suites.views import View
from dumo_bench.types import SCHEDULERS, Search

Schema = dict[str, Any]
Words = Annotated[list[str] | dict[str, str], 'A list of texts, or a table name = "how it is said".']
Role = Annotated[str, ROLES]
Kind = Annotated[str, KINDS]
Task = Annotated[str, TASKS]


@dataclass(frozen=True)
class CaseTable:
    """One erasure of the suite."""

    erase: Annotated[list[str], "What goes."]
    name: Annotated[str, "What tables call it; without it the concepts, joined by +."] = ""
    task: Task = ""


@dataclass(frozen=True)
class SamplingTable:
    """How pictures are sampled: the contract."""

    model: str
    scheduler: Annotated[str, SCHEDULERS]
    steps: int
    guidance: float
    height: int
    width: int
    revision: str = ""
    negative: str = ""
    noise: Literal["cpu", "cuda"] = "cpu"
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"


@dataclass(frozen=True)
class Generator:
    """Latents drawn one after another from one generator."""

    seed: int
    of: int


@dataclass(frozen=True)
class BlockTable:
    """Word lists and templates that give prompts."""

    concepts: Words
    templates: Words
    kind: Kind = ""
    objects: Words = field(default_factory=list)
    styles: Words = field(default_factory=list)
    backgrounds: Words = field(default_factory=list)
    every: Annotated[list[str], "The axes of which every combination is made; the others turn with them."] = field(
        default_factory=list
    )
    seeds: Annotated[int | list[int], "Seeds of each prompt, or how many."] = 1
    draws: Generator | None = None
    role: Role = ""
    as_: Annotated[str, "The concept that its prompts are counted under."] = ""


@dataclass(frozen=True)
class CsvTable:
    """A published list of prompts: which file, and which column is what."""

    file: str
    columns: Annotated[dict[str, str | int], "What a prompt has = the file's own name for it, or its number from 1."]
    sha256: str = ""
    rows: int = 0
    bytes: int = 0
    urls: list[str] = field(default_factory=list)
    seeds: int | list[int] = 1
    draws: Generator | None = None
    kind: Kind = ""
    role: Role = ""
    roles: Annotated[dict[str, str], "The list's own words for roles."] = field(default_factory=dict)
    concept: str = ""
    strata: Annotated[dict[str, list[str]], "Concepts by words of the text; the first that is met."] = field(
        default_factory=dict
    )
    header: bool = True
    lines: Annotated[bool, "A text a line, in which commas and quotes mean themselves; column 1 is the line."] = False


@dataclass(frozen=True)
class SuiteTable:
    """A suite: prompts, the erasures to try on them, and how to sample."""

    name: str
    version: Annotated[int, "A changed suite is a new version."]
    source: str
    licence: str
    cases: list[CaseTable]
    sampling: SamplingTable
    explicit: Annotated[bool, "Texts are shown by id, pictures blurred."] = False
    task: Task = ""
    related: Annotated[dict[str, list[str]], "concept = its neighbours."] = field(default_factory=dict)
    implied: Annotated[dict[str, list[str]], "concept = what prompts say in its place."] = field(default_factory=dict)
    block: list[BlockTable] = field(default_factory=list)
    csv: CsvTable | None = None
    view: list[View] = field(default_factory=list)
    alias: list[str] = field(default_factory=list)
    scorers: Annotated[list[str], "What measures it where nothing else is asked for."] = field(default_factory=list)
    attack: Annotated[Search | None, "Of a suite that an attack wrote: how it was found."] = None
    paper: Annotated[list[Paper], "What who uses it has to cite."] = field(default_factory=list)


SCHEMAS: Mapping[str, type] = {"experiment": Experiment, "suite": SuiteTable, "paper": PaperFile}


def schema(name: str) -> Schema:
    """The schema of "experiment", "suite" or "paper"."""
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": f"dumo-bench {name}", **_of(SCHEMAS[name])}


def text(name: str) -> str:
    """The same as its file has it."""
    return json.dumps(schema(name), indent=1, ensure_ascii=False) + "\n"


def place(name: str) -> Path:
    """The file that the package ships: what an editor is given."""
    return Path(__file__).with_name(f"{name}.schema.json")


def lines() -> list[dict[str, str]]:
    """A line for each schema: its name, what it is of, and where its file lies."""
    return [{"name": name, "about": _said(cls), "file": str(place(name))} for name, cls in SCHEMAS.items()]


def _said(cls: Any) -> str:
    """The first paragraph of its docstring, on one line."""
    return " ".join((cls.__doc__ or "").split("\n\n")[0].split())


def _of(hint: Any) -> Schema:
    """The schema of a type."""
    origin, of = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _of(of[0]) | ({"description": of[1]} if isinstance(of[1], str) else {"enum": list(of[1])})
    if origin in (typing.Union, UnionType):
        found = [_of(one) for one in of if one is not type(None)]
        return found[0] if len(found) == 1 else {"anyOf": found}
    if origin in (tuple, list):
        return {"type": "array", "items": _of(of[0])}
    if origin is not None:
        return {"enum": list(of)} if origin is Literal else {"type": "object", "additionalProperties": _of(of[1])}
    if is_dataclass(hint):
        return _table(hint)
    return {} if hint is Any else {"type": _NAMES[hint]}


def _table(cls: Any) -> Schema:
    """A table whose keys are the fields of a dataclass, and no others."""
    hints = get_type_hints(cls, include_extras=True)
    lacking = (one for one in fields(cls) if one.default is MISSING and one.default_factory is MISSING)
    return {
        "type": "object",
        "description": _said(cls),
        "properties": {one.name.rstrip("_"): _of(hints[one.name]) for one in fields(cls)},
        "required": [one.name for one in lacking],
        "additionalProperties": False,
    }


_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean"}

if __name__ == "__main__":
    for one in SCHEMAS:
        files.write_text(place(one), text(one))
