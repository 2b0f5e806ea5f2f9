"""One file of prompts/*.toml. docs/extending.md says what it may hold; what is wrong is refused with file and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

from dumo_bench.citation import Paper
from dumo_bench.errors import UserError
from dumo_bench.fields import checked
from dumo_bench.suites import bounds, concepts, csvfile, source, views
from dumo_bench.suites.blocks import BLOCK_KEYS, expand
from dumo_bench.suites.checks import Refused, keys, named, no_twins, one_of, tables, typed, words
from dumo_bench.suites.csvfile import Csv
from dumo_bench.suites.views import View
from dumo_bench.types import Case, Prompt, Sampling, Search, Suite

TASKS = ("object", "style", "explicit")
_NEEDED = ("name", "version", "source", "licence", "cases", "sampling")
_OF_CONCEPTS = ("related", "implied")
_TOP = (*_NEEDED, "explicit", "task", *_OF_CONCEPTS, "block", "csv", "view", "alias", "scorers", "attack", "paper")
_CASE = ("name", "erase", "task")
DEFAULT = "default"  # among scorers that are typed: those of the suite
_SAMPLING = tuple(name for name in Sampling.__dataclass_fields__ if name != "sampler")  # the plan fills that in


@dataclass(frozen=True, slots=True)
class SuiteFile:
    """What a file states. `empty` is its suite without prompts, which come from `blocks` or from the file of `csv`."""

    path: Path
    text: str
    empty: Suite
    blocks: Sequence[Mapping[str, Any]]
    csv: Csv | None
    views: tuple[View, ...]
    aliases: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.empty.name

    def prompts(self, called: str) -> tuple[Prompt, ...]:
        """Every prompt of the file; a published list that is not on this machine is told, with what to type."""
        explicit = self.empty.explicit
        if self.csv:
            place, raw = source.read(self.csv.source, called)
            return tuple(csvfile.prompts(raw, place, self.csv, explicit=explicit))
        found = [_block(self.blocks, nth, explicit) for nth in range(len(self.blocks))]
        no_twins("block", [(prompt.id, nth) for nth, block in enumerate(found) for prompt in block])
        return tuple(prompt for block in found for prompt in block)

    def suite(self, view: str = "", called: str = "") -> Suite:
        """The suite with its prompts, or the view of it that has this name; `called` as it was typed."""
        with located(self.path, self.text):
            prompts = self.prompts(called or str(self.path))
            whole = replace(self.empty, prompts=prompts)
            suite = _checked(self._view(whole, view) if view else whole)
            if found := concepts.stray(whole):  # a view need not have every neighbour
                raise Refused(*found)
            return suite

    def _view(self, whole: Suite, view: str) -> Suite:
        one = {found.name: found for found in self.views}[view]
        return replace(whole, name=view, prompts=views.part(whole.prompts, one), cases=self.cases(one))

    def cases(self, view: View) -> tuple[Case, ...]:
        """The cases of a view: its own, or the whole suite's."""
        return (Case("+".join(view.erase), view.erase),) if view.erase else self.empty.cases


def read(path: Path) -> SuiteFile:
    """What a file states; reads no prompts."""
    text, data = parsed(path, "suite")
    with located(path, text):
        return _file(path, text, data)


def parsed(path: Path, what: str) -> tuple[str, dict[str, Any]]:
    """A TOML file of a suite or an experiment, its text and its tables; one that cannot be read is one line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{what} {path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}:{syntax_line(error, text)}: broken TOML: {error}") from error


@contextmanager
def located(path: Path, text: str) -> Iterator[None]:
    """What is refused, with file and line."""
    try:
        yield
    except Refused as refused:
        raise UserError(f"{path}:{line_of(text, refused.key, refused.nth)}: {refused}") from refused


def line_of(text: str, key: str, nth: int = 0) -> int:
    """The line on which `key` is set, or its table opens, for the (nth + 1)-th time; 1 when it is nowhere."""
    mark = re.compile(
        rf"""^\s*(\[+\s*([\w-]+\.)*)?["']?{re.escape(key)}["']?\s*(=|\])|[{{,]\s*["']?{re.escape(key)}["']?\s*="""
    )
    lines = [number for number, line in enumerate(text.splitlines(), 1) if mark.search(line)]
    return lines[min(nth, len(lines) - 1)] if lines else 1


def _file(path: Path, text: str, data: Mapping[str, Any]) -> SuiteFile:
    keys("suite", data, _TOP)
    listed = "csv" in data
    for key in (*_NEEDED, *(() if listed else ("block",))):
        if not data.get(key):
            raise Refused("name", f"the suite lacks {key!r}" + (": it is empty" if key == "block" else ""))
    if listed and "block" in data:
        raise Refused("csv", "a suite has blocks or a [csv], not both")
    cases = tuple(_case(case, nth) for nth, case in enumerate(tables(data, "cases")))
    no_twins("cases", [(case.name, nth) for nth, case in enumerate(cases)])
    parts = tuple(views.parse(view) for view in tables(data, "view"))
    no_twins("view", [(view.name, nth) for nth, view in enumerate(parts)])
    empty = Suite(
        name=named(data, "name"),
        version=_version(data),
        source=typed(data, "source", str),
        licence=typed(data, "licence", str),
        cases=cases,
        prompts=(),
        sampling=_sampling(typed(data, "sampling", dict)),
        related=_of_concepts(data, "related"),
        implied=_of_concepts(data, "implied"),
        explicit=typed(data, "explicit", bool, False),
        task=one_of(data, "task", TASKS),
        scorers=_scorers(data),
        search=_search(typed(data, "attack", dict)) if "attack" in data else None,
        papers=tuple(_paper(row, nth) for nth, row in enumerate(tables(data, "paper"))),
    )
    csv = csvfile.parse(typed(data, "csv", dict), path.parent) if listed else None
    return SuiteFile(path, text, empty, tables(data, "block"), csv, parts, words(data.get("alias", []), "alias"))


def _of_concepts(data: Mapping[str, Any], key: str) -> Mapping[str, tuple[str, ...]]:
    """A table concept = [words]."""
    return {concept: words(found, concept) for concept, found in typed(data, key, dict, {}).items()}


def _block(blocks: Sequence[Mapping[str, Any]], nth: int, explicit: bool) -> Sequence[Prompt]:
    try:
        keys("block", blocks[nth], BLOCK_KEYS)
        return expand(blocks[nth], explicit=explicit)
    except Refused as refused:
        key = refused.key
        before = nth if key == "block" else sum(key in block for block in blocks[:nth])
        raise Refused(key, f"block {nth + 1}: {refused}", before) from refused


def _case(case: Mapping[str, Any], nth: int) -> Case:
    keys("case", case, _CASE)
    if "erase" not in case or not case["erase"]:
        raise Refused("cases", f'case {nth + 1} erases nothing: wanted erase = ["..."]', nth)
    erase = words(case["erase"], "erase")
    task = one_of(case, "task", TASKS) if "task" in case else ""
    return Case(named(case, "name", "+".join(erase)), erase, task)


def _version(data: Mapping[str, Any]) -> int:
    version: int = typed(data, "version", int)
    if problem := bounds.version(version):
        raise Refused("version", f"version {problem}, got {version}")
    return version


def _scorers(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of `list scorers`, with `@value` behind. A file of data names no code: `package.module:Thing` is typed."""
    found = words(data.get("scorers", []), "scorers")
    for spec in found:
        if not re.fullmatch(r"[\w-]+(@.+)?", spec) or spec == DEFAULT:
            raise Refused("scorers", f"scorers are names of `list scorers`, got {spec!r}: type others behind --scorers")
    return found


def _search(data: Mapping[str, Any]) -> Search:
    """The [attack] table of a suite that an attack wrote."""
    kinds = {"seed": int, "texts": int, "forwards": int, "seconds": float}
    known = {one.name: kinds.get(one.name, str) for one in fields(Search)}
    keys("attack", data, tuple(known))
    needed = {one.name for one in fields(Search) if one.default is MISSING}
    return Search(**{name: typed(data, name, kind) for name, kind in known.items() if name in needed or name in data})


def _paper(row: Mapping[str, Any], nth: int) -> Paper:
    """What who uses the suite has to cite: the fields of a `Paper`."""
    for key in ("key", "title", "authors", "year"):
        if key not in row:
            raise Refused("paper", f"[[paper]] {nth + 1} lacks {key!r}", nth)
    try:
        return Paper(**checked(f"[[paper]] {nth + 1}", Paper, row))
    except UserError as error:
        raise Refused("paper", str(error), nth) from error


def _sampling(data: Mapping[str, Any]) -> Sampling:
    keys("sampling", data, _SAMPLING)
    for key in ("model", "scheduler", "steps", "guidance", "height", "width"):
        if key not in data:
            raise Refused("sampling", f"[sampling] lacks {key!r}")
    for key, value in data.items():
        if problem := bounds.wrong(key, value):
            raise Refused(key, problem)
    return Sampling(**{**data, "guidance": float(data["guidance"]) + 0.0})  # -0 is 0


def _checked(suite: Suite) -> Suite:
    """Every erased concept has target prompts, or the suite measures what is kept and says so on every prompt."""
    if found := concepts.problem(suite):
        nth, why = found
        raise Refused("cases", why, nth)
    return concepts.one_spelling(suite)


def syntax_line(error: tomllib.TOMLDecodeError, text: str) -> int:
    found = re.search(r"at line (\d+)", str(error))
    return int(found[1]) if found else len(text.splitlines())
