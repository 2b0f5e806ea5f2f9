"""What a suite holds, as one hash: a prompt that is changed under the same name and version is another content."""

from __future__ import annotations

from dataclasses import asdict

from dumo_bench.types import Suite, digest


def content(suite: Suite) -> str:
    """The hash of prompts, cases, neighbours, task and sampling, as the suite's own file or list states them."""
    prompts = [
        [p.id, p.text, p.concept, p.role, p.guidance, p.height, p.width, dict(p.shows), list(map(asdict, p.draws))]
        + [p.start] * bool(p.start)
        for p in suite.prompts
    ]
    cases = [asdict(case) for case in suite.cases]
    implied = [dict(suite.implied)] if suite.implied else []  # a suite without any keeps the hash that it had
    return digest([prompts, cases, dict(suite.related), suite.task, asdict(suite.sampling), *implied])[:12]
