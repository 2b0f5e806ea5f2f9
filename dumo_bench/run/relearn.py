"""Requests of protocol R: an edited model and the unedited one, fine-tuned in the same way, at every mark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dumo_bench.errors import UserError
from dumo_bench.run.plan import REFERENCE, Request

METHOD = "relearn"
MARKS = (0, 50, 100, 200)


def requests(
    asked: Request, typed: Sequence[str], marks: Sequence[int], how: Mapping[str, Any], *, control: bool = True
) -> Iterator[Request]:
    """What `run` is to be asked, the last mark first: its fit keeps the edits of the others.

    asked: of the method whose edit is fine-tuned, `typed` its settings as --set has them; how: settings of relearning.
    """
    if bad := sorted({"of", "of_set", "steps", "marks"} & how.keys()):
        raise UserError(f"--relearn-set {bad[0]}: the command sets it itself, by --method, --set and --marks")
    for of, own in [
        (asked.method, tuple(typed)),
        *([(REFERENCE, ())] if control and asked.method != REFERENCE else []),
    ]:
        for steps in sorted(set(marks), reverse=True):
            earlier = tuple(sorted(one for one in set(marks) if one < steps))
            settings = {**how, "of": of, "of_set": own, "steps": steps, "marks": earlier}
            yield replace(asked, method=METHOD, settings=settings)


def listed(text: str) -> tuple[int, ...]:
    """`0,50,200` as steps."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isascii() and part.isdecimal() for part in parts):
        raise UserError(f"--marks {text!r}: wanted numbers of steps with commas between, as in 0,50,200")
    return tuple(sorted({int(part) for part in parts}))
