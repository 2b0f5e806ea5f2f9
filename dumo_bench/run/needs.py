"""What a method needs, what a model has, and the refusal where the one is not in the other."""

from __future__ import annotations

from collections.abc import Sequence

from dumo_bench.errors import UserError, unknown
from dumo_bench.hosts import kinds, models
from dumo_bench.interfaces import Method
from dumo_bench.types import Case, Suite


class NotApplicable(UserError):
    """A method needs what the model lacks. `reason` is what tables print beside n/a, under each of the cases."""

    def __init__(self, reason: str, method: str, model: str, suite: Suite, cases: Sequence[Case]) -> None:
        super().__init__(f"{reason}: choose another --model (`dumo-bench list models`) or another --method")
        self.reason, self.method, self.model, self.suite, self.cases = reason, method, model, suite, cases


def lacking(method: Method, model: str) -> str:
    """Why the model cannot run the method: "dumo needs skip connections, emoji-flow has a diffusion transformer ...".

    "" where it can. Loads nothing.
    """
    known = {kind.name: kind for kind in kinds.KINDS}
    for word in sorted(method.needs - models.FEATURES.keys()):
        raise unknown(f"needs of {method.name}", word, models.FEATURES)
    for word in sorted(method.kinds - known.keys()):
        raise unknown(f"kinds of {method.name}", word, known)
    where, name = models.place(model), models.named(model).name
    there = models.has(where)
    if not there & {"unet", "transformer"}:
        models.folder(model)  # it is no model of another kind, but one that is not whole: this says what is missing
    if missing := method.needs - there:
        return f"{method.name} needs {_said(missing)}, {name} has {_said(there & models.PARTS)}"
    own = models.kind(where)
    if not method.kinds or (own and own.name in method.kinds):
        return ""
    titles = " and ".join(known[word].title for word in sorted(method.kinds))
    return f"{method.name} knows {titles}, {name} is {own.title if own else models.index(where).get('_class_name')}"


def _said(features: frozenset[str]) -> str:
    return ", ".join(text for word, text in models.FEATURES.items() if word in features) or "no part that is known here"
