"""What a suite holds, as one hash: a prompt that is changed under the same name and version is another content."""

from __future__ import annotations

from dataclasses import asdict, fields
from operator import attrgetter
from typing import Any

from dumo_bench.types import Draw, Suite, digest

_OF_A_DRAW = tuple(field.name for field in fields(Draw))
_READ = attrgetter(*_OF_A_DRAW)


def _told(draw: Draw) -> dict[str, Any]:
    """A draw as `asdict` tells it, which takes ten times as long."""
    return dict(zip(_OF_A_DRAW, _READ(draw), strict=True))


def content(suite: Suite) -> str:
    """The hash of prompts, cases, neighbours, task and sampling, as the suite's own file or list states them."""
    prompts = [
        [p.id, p.text, p.concept, p.role, p.guidance, p.height, p.width, dict(p.shows), list(map(_told, p.draws))]
        + [p.start] * bool(p.start)
        for p in suite.prompts
    ]
    cases = [asdict(case) for case in suite.cases]
    implied = [dict(suite.implied)] if suite.implied else []  # a suite without any keeps the hash that it had
    return digest([prompts, cases, dict(suite.related), suite.task, asdict(suite.sampling), *implied])[:12]
