"""prompts/*.toml -> Suite. docs/design.md says what a file may hold; what is wrong is refused with file and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dumo_bench import plugins
from dumo_bench.blocks import BLOCK_KEYS, Refused, expand
from dumo_bench.names import unknown
from dumo_bench.types import Case, Prompt, Sampling, Suite, UserError

_TOP = ("name", "version", "source", "licence", "explicit", "task", "cases", "related", "sampling", "block")
TASKS = ("object", "style", "explicit")
_CASE = ("name", "erase")
_SAMPLING = tuple(Sampling.__dataclass_fields__)
_NEEDED = ("name", "version", "source", "licence", "cases", "sampling", "block")


def folder() -> Path:
    """Where the project's own suites lie: inside the installed package, beside it in a checkout."""
    inside = Path(__file__).parent / "prompts"
    return inside if inside.is_dir() else Path(__file__).parents[1] / "prompts"


def names() -> tuple[str, ...]:
    """The project's own suites and those of installed packages. Reads no file."""
    return tuple(sorted({path.stem for path in folder().glob("*.toml")} | set(plugins.names("suites"))))


def load(spec: str) -> Suite:
    """A suite by name, by TOML file, or as package.module:Thing (a Suite, a path, or a function that gives one)."""
    own = folder() / f"{spec}.toml"
    if spec in {path.stem for path in folder().glob("*.toml")}:
        if spec in plugins.names("suites"):
            raise UserError(
                f"suites: {spec!r} is provided twice, by {own} and by {plugins.providers('suites')[spec].value}"
            )
        return read(own)
    if spec.endswith(".toml"):
        return read(Path(spec))
    if ":" not in spec and spec not in plugins.names("suites"):
        raise unknown("suites", spec, names())
    thing = plugins.load("suites", spec)
    thing = thing() if callable(thing) else thing
    return thing if isinstance(thing, Suite) else read(Path(thing))


def read(path: Path) -> Suite:
    """The suite that a TOML file holds."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"suite {path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}:{_syntax_line(error, text)}: broken TOML: {error}") from error
    try:
        return _suite(data)
    except Refused as refused:
        raise UserError(f"{path}:{line_of(text, refused.key, refused.nth)}: {refused}") from refused


def line_of(text: str, key: str, nth: int = 0) -> int:
    """The line on which `key` is set, or its table opens, for the (nth + 1)-th time; 1 when it is nowhere."""
    mark = re.compile(
        rf"""^\s*(\[+\s*([\w-]+\.)*)?["']?{re.escape(key)}["']?\s*(=|\])|[{{,]\s*["']?{re.escape(key)}["']?\s*="""
    )
    lines = [number for number, line in enumerate(text.splitlines(), 1) if mark.search(line)]
    return lines[min(nth, len(lines) - 1)] if lines else 1


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


def _suite(data: Mapping[str, Any]) -> Suite:
    _keys("suite", data, _TOP)
    for key in _NEEDED:
        if not data.get(key):
            raise Refused("name", f"the suite lacks {key!r}" + (": it is empty" if key == "block" else ""))
    explicit = _typed(data, "explicit", bool, False)
    blocks = _tables(data, "block")
    found = [_block(blocks, nth, explicit) for nth in range(len(blocks))]
    prompts = tuple(prompt for block in found for prompt in block)
    _no_twins("block", [(prompt.id, nth) for nth, block in enumerate(found) for prompt in block])
    cases = tuple(_case(case, nth) for nth, case in enumerate(_tables(data, "cases")))
    _no_twins("cases", [(case.name, nth) for nth, case in enumerate(cases)])
    _all_known(cases, prompts)
    return Suite(
        name=_typed(data, "name", str),
        version=_typed(data, "version", int),
        source=_typed(data, "source", str),
        licence=_typed(data, "licence", str),
        cases=cases,
        prompts=prompts,
        sampling=_sampling(_typed(data, "sampling", dict)),
        related={concept: _words(near, concept) for concept, near in _typed(data, "related", dict, {}).items()},
        explicit=explicit,
        task=_one_of(data, "task", TASKS),
    )


def _block(blocks: Sequence[Mapping[str, Any]], nth: int, explicit: bool) -> Sequence[Prompt]:
    try:
        _keys("block", blocks[nth], BLOCK_KEYS)
        return expand(blocks[nth], explicit=explicit)
    except Refused as refused:
        key = refused.key
        before = nth if key == "block" else sum(key in block for block in blocks[:nth])
        raise Refused(key, f"block {nth + 1}: {refused}", before) from refused


def _case(case: Mapping[str, Any], nth: int) -> Case:
    _keys("case", case, _CASE)
    if "erase" not in case or not case["erase"]:
        raise Refused("cases", f'case {nth + 1} erases nothing: wanted erase = ["..."]', nth)
    erase = _words(case["erase"], "erase")
    return Case(_typed(case, "name", str, "+".join(erase)), erase)


def _sampling(data: Mapping[str, Any]) -> Sampling:
    _keys("sampling", data, _SAMPLING)
    numbers: Mapping[str, Callable[[Any], Any]] = {"steps": int, "height": int, "width": int, "guidance": float}
    for key in ("model", "scheduler", *numbers):
        if key not in data:
            raise Refused("sampling", f"[sampling] lacks {key!r}")
    for key in numbers:
        if isinstance(data[key], bool) or not isinstance(data[key], int | float):
            raise Refused(key, f"{key} is a number, got {data[key]!r}")
    return Sampling(**{**data, **{key: number(data[key]) for key, number in numbers.items()}})


def _all_known(cases: Sequence[Case], prompts: Sequence[Prompt]) -> None:
    """Every erased concept has target prompts: otherwise a case measures nothing."""
    concepts = {prompt.concept for prompt in prompts}
    for case in cases:
        for concept in case.erase:
            if concept not in concepts and not any(prompt.role == "target" for prompt in prompts):
                raise Refused("cases", f"case {case.name!r}: {unknown('concepts of the prompts', concept, concepts)}")


def _keys(where: str, data: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in data:
        if key not in known:
            raise Refused(key, str(unknown(f"keys of a {where}", key, known)))


def _tables(data: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    found = data[key]
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise Refused(key, f"{key} is written as tables: [[{key}]]")
    return found


def _typed(data: Mapping[str, Any], key: str, kind: type, default: Any = None) -> Any:
    value = data.get(key, default)
    if type(value) is not kind:
        raise Refused(key, f"{key} is {'a table' if kind is dict else f'of type {kind.__name__}'}, got {value!r}")
    return value


def _one_of(data: Mapping[str, Any], key: str, known: Sequence[str]) -> str:
    """The first when it is not said."""
    value = _typed(data, key, str, known[0])
    if value not in known:
        raise Refused(key, str(unknown(key, value, known)))
    return str(value)


def _words(value: Any, key: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise Refused(key, f"{key} is a list of texts, got {value!r}")
    return tuple(value)


def _no_twins(key: str, ids: Sequence[tuple[str, int]]) -> None:
    """`ids` with the number of the table that each is from."""
    seen: dict[str, int] = {}
    for name, nth in ids:
        if name in seen:
            raise Refused(key, f"{key} {nth + 1}: the id {name!r} is there already, from {key} {seen[name] + 1}", nth)
        seen[name] = nth


def _syntax_line(error: tomllib.TOMLDecodeError, text: str) -> int:
    found = re.search(r"at line (\d+)", str(error))
    return int(found[1]) if found else len(text.splitlines())
