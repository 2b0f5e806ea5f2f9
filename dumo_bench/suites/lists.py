"""`prompts list, fetch, verify, show`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dumo_bench.errors import UserError
from dumo_bench.storage import files
from dumo_bench.suites import csvfile, registry, source
from dumo_bench.suites import fetch as fetching
from dumo_bench.suites.contract import resolved
from dumo_bench.suites.csvfile import Csv
from dumo_bench.suites.fair import interleaved
from dumo_bench.suites.file import SuiteFile
from dumo_bench.types import Prompt, Suite

Line = dict[str, str]


class Listed(NamedTuple):
    """A suite that is made of a published list; `called` is what a command calls it."""

    called: str
    file: SuiteFile
    csv: Csv

    def check(self, raw: bytes, place: Path | str) -> int:
        """How many rows the bytes have; UserError where they are not what the suite says."""
        source.verify(raw, self.csv.source, place)
        return len(csvfile.prompts(raw, place, self.csv, explicit=self.file.empty.explicit))


def every() -> list[Listed]:
    """The project's own suites that are made of a published list."""
    own = sorted(registry.own().items())
    return [Listed(name, one.file, one.file.csv) for name, one in own if one.file.csv and not one.view]


def chosen(names: Sequence[str]) -> list[Listed]:
    """The lists of these suites, or all. A suite that needs none is refused."""
    found = {}
    for spec in names:
        file = registry.file_of(spec)
        if file.csv is None:
            raise UserError(f"suite {spec!r} needs no list: its prompts are in {file.path}")
        found[file.path] = Listed(spec if spec.endswith(".toml") else file.name, file, file.csv)
    return list(found.values()) if names else every()


def listing() -> list[Line]:
    """One line a list."""
    return [
        {
            "suite": one.called,
            "rows": f"{one.csv.source.rows:,}",
            "file": one.csv.source.file,
            "licence": one.file.empty.licence,
            "source": one.file.empty.source,
            "state": "present" if source.find(one.csv.source) else source.command(one.called),
        }
        for one in every()
    ]


def fetch(names: Sequence[str], given: Path | None) -> Iterator[str]:
    """Fetch the lists that are not here, or those of `given` in any case; what was done, and on whose terms."""
    if given is not None and given.is_file() and len(names) != 1:
        raise UserError(f"--from {given} is one file: name the suite that it is for, or give a folder")
    for one in chosen(names):
        kept = source.find(one.csv.source)
        if kept and given is None:
            one.check(kept.read_bytes(), kept)
            yield f"{one.called}: {kept} is there and is the right one"
        else:
            place, address = fetching.fetch(one.csv.source, one.called, given, one.check)
            yield f"{one.called}: {place}, {one.csv.source.rows:,} rows, from {address}"
        yield from (f"  {said}" for said in origin(one.file.empty))


def origin(suite: Suite) -> list[str]:
    """Where a suite's prompts come from, the hub's address of its own where it has one, and on whose terms."""
    hub = [found.rstrip(".,;)") for found in re.findall(r"https://huggingface\.co/\S+", suite.source)]
    return [f"source: {suite.source}", *(f"hub: {address}" for address in hub), f"licence: {suite.licence}"]


def verify(names: Sequence[str]) -> tuple[list[Line], bool]:
    """What each list is, and whether all are right; one that is not here counts only where it was named."""
    lines, good = [], True
    for one in chosen(names):
        place = source.find(one.csv.source)
        if place is None:
            said, right = source.missing(one.csv.source, one.called), not names
        else:
            said, right = _verdict(one, place)
        lines.append(
            {"suite": one.called, "": "✓" if place and right else "✗" if place or names else "-", "list": said}
        )
        good &= right
    return lines, good


def _verdict(one: Listed, place: Path) -> tuple[str, bool]:
    raw = place.read_bytes()
    wanted, found = one.csv.source.sha256, files.sha256_of([raw])
    hashes = f"sha256 wanted {wanted or 'none is stated'}, found {found}"
    try:
        return f"{place}: {one.check(raw, place):,} rows, {hashes}", True
    except UserError as error:
        return f"{error}; {hashes}" if wanted == found else f"{place}: another file of this name, {hashes}", False


def show(spec: str, limit: int, *, explicit: bool) -> tuple[list[Line], list[str]]:
    """`limit` prompts of a suite, concepts in proportion, in the suite's order; and where they come from."""
    suite = registry.load(spec)
    first = {id(prompt) for prompt in interleaved(suite.prompts, lambda prompt: prompt.concept)[:limit]}
    return [_line(suite, prompt, explicit) for prompt in suite.prompts if id(prompt) in first], origin(suite)


def _line(suite: Suite, prompt: Prompt, explicit: bool) -> Line:
    contract = resolved(suite.sampling, prompt)
    return {
        "id": prompt.id,
        "concept": prompt.concept,
        "seeds": ", ".join(f"{d.seed}" + (f" {d.index + 1}/{d.of}" if d.of > 1 else "") for d in prompt.draws),
        "guidance": f"{contract.guidance:g}",
        "size": f"{contract.width}x{contract.height}",
        "text": text(prompt, hidden=suite.explicit and not explicit),
    }


def text(prompt: Prompt, *, hidden: bool) -> str:
    """A prompt's text, or only how long it is."""
    return f"[{len(prompt.text.split())} words; --explicit shows them]" if hidden else prompt.text
