"""What an attack found as a suite: a TOML file and the CSV beside it, which any method is run on as on another suite.

Beside each prompt found, role "attack", stands the prompt that it was made from, role "target", with as many more
pictures as the search cost: what fresh noise alone brings back at an equal budget.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from dumo_bench.citation import Paper
from dumo_bench.storage import files
from dumo_bench.suites import bounds
from dumo_bench.types import ATTACKED, Case, Found, Prompt, Sampling, Search, Suite, digest

FOLDER = "attacks"  # of a results folder: where they lie
_SAMPLING = ("model", "scheduler", "steps", "guidance", "height", "width", "noise")
_OWN = ("id", "prompt", "concept", "role", "seed", "draws", "start", "from")
_COST = ("texts", "forwards", "seconds")
_SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class Attacked:
    """A case of a suite under attack. said: what was searched, in words. sampling: what its pictures are made under.

    starts: of each prompt found the hash of its starting point, or "". pictures: of each prompt found, where it does
    not say. papers: what the attack asks to be cited, beside the suite's own.
    """

    name: str
    suite: Suite
    case: Case
    said: str
    search: Search
    sampling: Sampling
    prompts: Sequence[Prompt]
    found: Sequence[Found]
    starts: Sequence[str]
    pictures: int
    papers: Sequence[Paper] = ()


def write(folder: Path, of: Attacked) -> Path:
    """Write both files, the CSV first; a suite that is there is whole. Returns the TOML file."""
    text = _csv(of)
    files.write_text(folder / f"{of.name}.csv", text)
    return files.write_text(folder / f"{of.name}.toml", _toml(of, files.sha256_of([text.encode()]), len(text.encode())))


def control(of: Attacked, found: Found) -> int:
    """Pictures of the plain prompt that cost what the search and its pictures cost together, at most MOST_DRAWS."""
    a_picture = of.sampling.steps * (2 if of.sampling.guidance != 1 else 1)
    return min((found.draws or of.pictures) + math.ceil(found.forwards / a_picture), bounds.MOST_DRAWS)


def _csv(of: Attacked) -> str:
    measured = list(dict.fromkeys(key for one in of.found for key in one.measured))
    text = io.StringIO()
    into = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)  # else no \r in a text is quoted
    into.writerow([*_OWN, *_COST, *(f"measured_{key}" if key in (*_OWN, *_COST) else key for key in measured)])
    into.writerows(_rows(of, measured))
    return text.getvalue()


def plain(of: Attacked) -> list[tuple[Prompt, Found]]:
    """The prompts that those found were made from, where they are known."""
    return [pair for pair in zip(of.prompts, of.found, strict=True) if pair[0].text.strip()]


def _rows(of: Attacked, measured: Sequence[str]) -> Iterator[list[Any]]:
    """A row a prompt found, with what its search cost and ended with; then a row a plain prompt."""
    every = list(zip(of.prompts, of.found, of.starts, strict=True))
    for prompt, one, start in every:
        cost = [one.texts, one.forwards, round(one.seconds, 2)]
        cells = [one.measured.get(key, "") for key in measured]
        own = [f"{prompt.id}{ATTACKED}", one.text, prompt.concept, "attack", _seed(of.name, one.text, prompt.id)]
        yield [*own, one.draws or of.pictures, start, prompt.id, *cost, *cells]
    for prompt, one in plain(of):
        own = [prompt.id, prompt.text, prompt.concept, "target", _seed(of.suite.name, prompt.text, prompt.id)]
        yield [*own, control(of, one), "", prompt.id, 0, 0, 0, *("" for _ in measured)]


def _seed(*of: str) -> int:
    """A seed that is a row's own."""
    return int(digest(of)[:16], 16) % _SEEDS


def _toml(of: Attacked, sha256: str, size: int) -> str:
    whole: Mapping[str, Any] = {
        "name": of.name, "version": 1, "source": of.said, "licence": of.suite.licence,
        "task": of.case.task or of.suite.task,
        "explicit": of.suite.explicit, "scorers": list(of.suite.scorers),
    }  # fmt: skip
    listed = {"file": f"{of.name}.csv", "sha256": sha256, "rows": len(of.found) + len(plain(of)), "bytes": size}
    columns = {"id": "id", "text": "prompt", **{name: name for name in ("concept", "role", "seed", "draws", "start")}}
    parts = [
        _pairs(whole),
        "[attack]\n" + _pairs(asdict(of.search)),
        "[sampling]\n" + _pairs(_contract(of.sampling)),
        "[[cases]]\n" + _pairs({"name": of.case.name, "erase": list(of.case.erase)}),
        "[csv]\n" + _pairs({**listed, "kind": "hint"}),
        "[csv.columns]\n" + _pairs(columns),
    ]
    cited = dict.fromkeys((*of.suite.papers, *of.papers))
    return "\n".join([*parts, *("[[paper]]\n" + _pairs(asdict(paper)) for paper in cited)])


def _contract(of: Sampling) -> dict[str, Any]:
    """What pictures are made under, but for what the plan fills in; of the rest what is not the usual."""
    own = asdict(of)
    usual = {one.name: one.default for one in fields(Sampling) if one.default is not MISSING}
    return {k: v for k, v in own.items() if k in _SAMPLING or (k != "sampler" and v != usual.get(k, v))}


def _pairs(values: Mapping[str, Any]) -> str:
    """Lines of TOML: texts, numbers and lists of them are written as JSON writes them."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
