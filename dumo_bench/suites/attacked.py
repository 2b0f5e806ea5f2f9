"""An attack's prompts as a suite: a TOML file and the CSV beside it, which any method is run on as on another suite."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dumo_bench.citation import Paper
from dumo_bench.storage import files
from dumo_bench.types import Case, Found, Prompt, Suite

_SAMPLING = ("model", "scheduler", "steps", "guidance", "height", "width", "noise")


@dataclass(frozen=True, slots=True)
class Attacked:
    """A case of a suite under attack. said: what was searched, and with what. seeds: pictures of each prompt found.

    papers: what the attack asks to be cited, beside the suite's own.
    """

    name: str
    suite: Suite
    case: Case
    said: str
    model: str
    prompts: Sequence[Prompt]
    found: Sequence[Found]
    seeds: int
    papers: Sequence[Paper] = ()


def write(folder: Path, of: Attacked) -> Path:
    """Write both files, the CSV first; a suite that is there is whole. Returns the TOML file."""
    rows = _rows(of)
    files.write_text(folder / f"{of.name}.csv", rows)
    return files.write_text(folder / f"{of.name}.toml", _toml(of, files.sha256_of([rows.encode()]), len(rows.encode())))


def _rows(of: Attacked) -> str:
    """A prompt a row, with the one it was made from, and what its search ended with and cost."""
    measured = list(dict.fromkeys(key for one in of.found for key in one.measured))
    text = io.StringIO()
    into = csv.writer(text, lineterminator="\n")
    into.writerow(["id", "prompt", "concept", "from", "rows", *measured])
    for prompt, one in zip(of.prompts, of.found, strict=True):
        cells = [one.measured.get(key, "") for key in measured]
        into.writerow([f"{prompt.id}-attacked", one.text, prompt.concept, prompt.id, one.rows, *cells])
    return text.getvalue()


def _toml(of: Attacked, sha256: str, size: int) -> str:
    sampling = {name: getattr(of.suite.sampling, name) for name in _SAMPLING} | {"model": of.model}
    whole: Mapping[str, Any] = {
        "name": of.name, "version": 1, "source": of.said, "licence": of.suite.licence, "task": of.suite.task,
        "explicit": of.suite.explicit, "scorers": list(of.suite.scorers),
    }  # fmt: skip
    listed = {"file": f"{of.name}.csv", "sha256": sha256, "rows": len(of.found), "bytes": size, "role": "attack"}
    parts = [
        _pairs(whole),
        "[sampling]\n" + _pairs(sampling),
        "[[cases]]\n" + _pairs({"name": of.case.name, "erase": list(of.case.erase)}),
        "[csv]\n" + _pairs({**listed, "kind": "hint", "seeds": of.seeds}),
        "[csv.columns]\n" + _pairs({"id": "id", "text": "prompt", "concept": "concept"}),
    ]
    cited = dict.fromkeys((*of.suite.papers, *of.papers))
    return "\n".join([*parts, *("[[paper]]\n" + _pairs(asdict(paper)) for paper in cited)])


def _pairs(values: Mapping[str, Any]) -> str:
    """Lines of TOML: texts, numbers and lists of them are written as JSON writes them."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
