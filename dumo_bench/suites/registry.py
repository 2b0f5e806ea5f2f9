"""Suites by name: the project's own files in prompts/, their views, and those of other packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dumo_bench.errors import UserError, unknown
from dumo_bench.plugins import loading
from dumo_bench.storage import files
from dumo_bench.suites import bounds, concepts, file
from dumo_bench.suites.file import SuiteFile
from dumo_bench.types import Case, Prompt, Suite


class Own(NamedTuple):
    """A suite of this project: its file, and which view of it; "" is the whole."""

    file: SuiteFile
    view: str = ""

    @property
    def cases(self) -> tuple[Case, ...]:
        found = next((view for view in self.file.views if view.name == self.view), None)
        return self.file.cases(found) if found else self.file.empty.cases

    @property
    def size(self) -> int:
        """Prompts; of a published list, as many as it states, so that the list itself need not be here."""
        stated = {view.name: view.rows for view in self.file.views}
        listed = self.file.csv.source.rows if self.file.csv else 0
        return stated.get(self.view) or listed or len(self.file.suite().prompts)


def folder() -> Path:
    """Where the project's own suites lie: inside the installed package, beside it in a checkout."""
    return files.shipped("prompts", "prompts")


def own() -> dict[str, Own]:
    """The project's own suites and views by name. Reads no published list."""
    found: dict[str, Own] = {}
    for one in map(file.read, sorted(folder().glob("*.toml"))):
        for name, view in ((one.name, ""), *((view.name, view.name) for view in one.views)):
            if name in found:
                raise UserError(f"{one.path}: the suite {name!r} is there already, in {found[name].file.path}")
            found[name] = Own(one, view)
    return found


def aliases(known: Mapping[str, Own]) -> dict[str, str]:
    """Short names of the project's own suites: alias -> name."""
    return {alias: name for name, one in known.items() if not one.view for alias in one.file.aliases}


def names() -> tuple[str, ...]:
    """The project's own suites, their views, and the suites of installed packages. Reads no published list."""
    return tuple(sorted(own().keys() | set(loading.names("suites"))))


def load(spec: str) -> Suite:
    """A suite by name or alias, by TOML file, or as package.module:Thing (a Suite, a path, a function giving one)."""
    found = _load(spec)
    bounds.check(found)
    return found


def _load(spec: str) -> Suite:
    if spec.endswith(".toml"):
        return read(Path(spec))
    if ":" not in spec:
        known = own()
        name = aliases(known).get(spec, spec)
        theirs = loading.providers("suites")
        if name in known and name in theirs:
            raise UserError(
                f"suites: {name!r} is provided twice, by {known[name].file.path} and by {theirs[name].value}"
            )
        if name in known:
            return known[name].file.suite(known[name].view, known[name].file.name)
        if spec not in theirs:
            raise unknown("suites", spec, {*known, *theirs})
    thing = loading.load("suites", spec)
    thing = thing() if callable(thing) else thing
    return _checked(thing) if isinstance(thing, Suite) else read(Path(thing))


def _checked(suite: Suite) -> Suite:
    """A ready-made suite, held to what a file is held to."""
    if found := concepts.problem(suite):
        raise UserError(f"suite {suite.name!r}: {found[1]}")
    return concepts.one_spelling(suite)


def from_data(spec: str) -> Suite:
    """A suite that a data file names: one of this project, or a TOML file. What is neither is not looked for."""
    if not spec.endswith(".toml"):
        known = own()
        name = aliases(known).get(spec, spec)
        if name not in known:
            raise unknown("suites of this project", spec, known)
        return known[name].file.suite(known[name].view, known[name].file.name)
    try:
        there = Path(spec).is_file()
    except (OSError, ValueError):
        there = False
    if not there:
        raise UserError(f"suite {spec}: no such file")
    return read(Path(spec))


def read(path: Path) -> Suite:
    """The suite that a TOML file holds."""
    return file.read(path).suite()


def file_of(spec: str) -> SuiteFile:
    """The file behind a name, an alias or a path."""
    if spec.endswith(".toml"):
        return file.read(Path(spec))
    known = own()
    name = aliases(known).get(spec, spec)
    if name not in known:
        raise unknown("suites of this project", spec, known)
    return known[name].file


def called(spec: str) -> str:
    """The name that results have of a suite of a name, an alias or a path."""
    return file.read(Path(spec)).name if spec.endswith(".toml") else aliases(own()).get(spec, spec)


@dataclass(frozen=True, slots=True)
class TooLong:
    """A prompt that the tokenizer cuts, and the words that are lost."""

    prompt: Prompt
    cut: str


def too_long(prompts: Iterable[Prompt], tokenizer: Any) -> list[TooLong]:
    """The prompts with more tokens than the text encoder takes. `tokenizer` is a Hugging Face one."""
    room = tokenizer.model_max_length - 2  # begin and end take one each
    found = []
    for prompt in prompts:
        ids = tokenizer(prompt.text, add_special_tokens=False, verbose=False).input_ids
        if len(ids) > room:
            found.append(TooLong(prompt, tokenizer.decode(ids[room:]).strip()))
    return found
