"""Shuffled pictures: every prompt gets that of another. Sets of pictures stay the same, no prompt gets its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from dumo_bench.errors import UserError
from dumo_bench.hosts.sd import Host, fits, stock_guide
from dumo_bench.interfaces import Method
from dumo_bench.selftest.controls.texts import instead
from dumo_bench.types import Case, Conditions, Denoiser, Edit, Guide, Prompt


@dataclass(frozen=True)
class Shuffled(Method):
    """It needs the suite, as it is run: texts change places within their role, which takes equal seeds and all rows."""

    name: ClassVar[str] = "shuffled"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "a known answer, no eraser"
    kinds: ClassVar[frozenset[str]] = frozenset()

    suite: str = ""

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        del host, seed  # nothing is learnt
        from dumo_bench.suites import registry

        if not self.suite:
            raise UserError("the control `shuffled` needs the suite that is run: type --set suite=NAME")
        suite, case = registry.load(self.suite), Case("", tuple(erase))
        roles: dict[str, list[Prompt]] = {}
        for prompt in suite.prompts:
            roles.setdefault(suite.role(case, prompt), []).append(prompt)
        return Edit({}, {"texts": {text: other for each in roles.values() for text, other in shuffled(each).items()}})

    @contextmanager
    def apply(self, host: Host, edit: Edit) -> Iterator[Guide]:
        fits(host, edit)
        texts: Mapping[str, str] = edit.header["texts"]

        def guide(given: Conditions) -> Denoiser:
            return stock_guide(host, instead(host, given, [texts.get(text, text) for text in given.texts]))

        yield guide


def shuffled(prompts: Sequence[Prompt]) -> dict[str, str]:
    """Each text with another's, of another concept wherever no concept has more than half of the texts."""
    if len({(p.draws, p.guidance, p.height, p.width) for p in prompts}) > 1:
        raise UserError(
            "the control `shuffled` needs prompts of a role to share seeds, guidance and size: sets would not be equal"
        )
    concepts = {prompt.text: prompt.concept for prompt in prompts}
    texts = sorted(concepts, key=lambda text: (concepts[text], text))
    counts = Counter(concepts.values())
    step = max(counts.values()) if len(counts) > 1 else 1
    return {text: texts[(i + step) % len(texts)] for i, text in enumerate(texts)}
