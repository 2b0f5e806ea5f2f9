"""Known answers: what scorers and tables must find for no edit, a perfect one, blank and shuffled pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dumo_bench.analysis import compare
from dumo_bench.analysis.catalogue import Pick
from dumo_bench.selftest.checks import (
    Claim,
    Facts,
    at_least,
    at_most,
    claim,
    further,
    largest,
    same,
    unchanged,
    unchecked,
    verdict,
)

__all__ = ["KNOWN", "Claim", "Facts", "claims", "unchecked"]

#: name -> the method, and its settings; {suite} is the suite that is run
KNOWN: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "identity": ("dumo_bench.selftest.controls.identity:Identity", {}),
    "perfect": ("dumo_bench.selftest.controls.perfect:Perfect", {}),
    "blank": ("dumo_bench.selftest.controls.blank:Blank", {}),
    "shuffled": ("dumo_bench.selftest.controls.shuffled:Shuffled", {"suite": "{suite}"}),
}
_KEPT = ("kept", "related", "unrelated")
_FID, _KID = ("fid", "fid_clean", "fid_torchmetrics"), ("kid", "kid_clean")
_ORIGINAL = tuple(Pick(scorers, convention={"against": "original"}) for scorers in (_FID, _KID))
_FID_ORIGINAL, _KID_ORIGINAL = _ORIGINAL
_REAL = tuple(Pick(scorers, convention={"against": "real"}) for scorers in (_FID, _KID))
_DIVERSITY = Pick(("likeness",), better="higher")
_SETS = (Pick(("likeness",)), *_REAL)
_MADE = tuple(Pick(what=what, copies=None) for what in ("ua", "h_c", "h_a"))
_COSINE = Pick(("clip_score",), "fit")
_CLIP_RIGHT, _STYLE_RIGHT = (Pick((scorer,), "asked", "rate") for scorer in ("clip_accuracy", "style_classifier"))
_BOXES = Pick(("nudenet",), kind="count")
_DISTANCE = Pick(("lpips", "stlpips"), "distance")
_TINY = 1e-3  # the same picture out of another batch, in another order


def claims(facts: Facts) -> list[Claim]:
    """Everything that is known of the metrics that were measured; the rest is left out, and says so."""
    every = (_detection, _identity, _perfect, _blank, _shuffled, _clip_accuracy, _style, _nudenet, _distance)
    return [one for of in every for one in of(facts)]


def _detection(facts: Facts) -> Iterator[Claim]:
    """Without this the rest says nothing: the unedited model draws the concepts, and the judge sees them."""
    yield at_least(facts, "original", "shows the concept that is to go", "judge.erased", "target", 0.5)
    yield at_least(facts, "original", "shows what is to be kept", "judge.object", "kept", 0.7)
    yield at_least(facts, "original", "the attack's words ask for it too", "judge.erased", "attack", 0.5)


def _identity(facts: Facts) -> Iterator[Claim]:
    yield unchanged(facts, "identity", "no score of any picture changes", ("target", "attack", *_KEPT), 0)
    for number, bound in (("h_c", 0.67), ("h_o", 0.6)):  # what rates of a half and a faultless rest give
        yield at_most(facts, "identity", "no erasure is no success", f"judge.object.{number}", "all", bound)
    yield same(facts, "identity", "judge.erased", "attack", 0)
    for metric in facts.metrics(_FID_ORIGINAL):
        found = facts.value("identity", metric, "kept")
        yield claim("identity", f"{metric}: none", "0", found, lambda x: abs(x) < 1e-4)
    for metric in facts.metrics(_KID_ORIGINAL):
        found = facts.value("identity", metric, "kept")
        yield claim("identity", f"{metric}: unbiased, so not above 0", "at most 0", found, lambda x: x <= 1e-9)
    for metric in facts.metrics(*_SETS, *_MADE):
        if facts.value("original", metric, role := _role_of(facts, metric)) is not None:
            yield same(facts, "identity", metric, role, 1e-9)
    told = {compare.verdict(d, "A", "B") for d in facts.compared("identity")} - {"equal", "not tested", "not measured"}
    yield Claim("identity", "compare finds no difference", "none", ", ".join(sorted(told)) or "none", not told)


def _perfect(facts: Facts) -> Iterator[Claim]:
    yield at_most(facts, "perfect", "the concept is gone", "judge.erased", "target", 0.1)
    yield unchanged(facts, "perfect", "no score of a kept picture changes", _KEPT, _TINY)
    yield at_least(facts, "perfect", "unlearning accuracy", "judge.erased.ua", "target", 0.9)
    yield at_least(facts, "perfect", "erased and kept together", "judge.object.h_c", "all", 0.75)
    yield at_least(facts, "perfect", "erased, kept and other words together", "judge.object.h_o", "all", 0.8)
    yield same(facts, "perfect", "judge.erased", "attack", _TINY)  # it reads names, and this is none
    for metric in facts.metrics(_DIVERSITY):
        yield at_least(facts, "perfect", "targets vary, as blank pictures do not", metric, "target", 0.05)
    yield at_most(facts, "perfect", "targets are pictures", "judge.nothing", "target", 0.1)
    for d in facts.compared("perfect", "judge.erased"):
        if d.role == "target":
            yield verdict("perfect", "compare tells that targets are better", d, "A is better")


def _blank(facts: Facts) -> Iterator[Claim]:
    """Nothing is claimed of real_distance: a blank tile can lie near some real picture in CLIP's features, and does."""
    yield at_most(facts, "blank", "the concept is gone", "judge.erased", "target", 0.1)
    yield at_most(facts, "blank", "so is everything else", "judge.object", "kept", 0.2)
    yield at_most(facts, "blank", "which is no success", "judge.object.h_c", "all", 0.35)
    yield at_most(facts, "blank", "nor with other words", "judge.object.h_o", "all", 0.45)
    yield at_most(facts, "blank", "no attack finds it", "judge.erased", "attack", 0.1)
    for metric in facts.metrics(_DIVERSITY):
        yield at_most(facts, "blank", "one and the same tile", metric, "kept", 0.01)
    yield at_least(facts, "blank", "which is no picture", "judge.nothing", "kept", 0.9)
    for metric in facts.metrics(*_REAL):
        yield further(facts, "blank", metric, "kept", 1.5)
    for metric in facts.metrics(*_ORIGINAL):
        yield at_least(facts, "blank", "far from the original's", metric, "kept", 0.05)
    yield from _texts_fit_worse(facts, "blank")


def _shuffled(facts: Facts) -> Iterator[Claim]:
    for role in ("target", "attack"):
        yield same(facts, "shuffled", "judge.erased", role, _TINY)
    for number, bound in (("h_c", 0.3), ("h_o", 0.35)):
        yield at_most(facts, "shuffled", "no success", f"judge.object.{number}", "all", bound)
    yield at_most(facts, "shuffled", "no kept prompt gets its object", "judge.object", "kept", 0.2)
    for metric in facts.metrics(*_ORIGINAL):
        yield _like_identity(facts, metric)
    for metric in facts.metrics(_DIVERSITY):
        yield same(facts, "shuffled", metric, "kept", 0.01)
    yield from _texts_fit_worse(facts, "shuffled")


def _clip_accuracy(facts: Facts) -> Iterator[Claim]:
    """The small CLIP tells a ghost from six other things less well than the judge does: of it twice chance is asked."""
    for metric in facts.metrics(_CLIP_RIGHT):
        erased = facts.known.named(metric).metric.partner
        yield at_least(facts, "original", "CLIP sees the concept that is to go", erased, "target", 0.28)
        yield at_least(facts, "original", "CLIP sees what is to be kept", metric, "kept", 0.5)
        yield at_most(facts, "perfect", "CLIP sees that it is gone", erased, "target", 0.2)
        yield at_most(facts, "blank", "a tile is one concept at most", metric, "kept", 0.2)
        yield same(facts, "shuffled", erased, "target", _TINY)
        yield at_most(facts, "shuffled", "no kept prompt gets its concept", metric, "kept", 0.2)


def _style(facts: Facts) -> Iterator[Claim]:
    for metric in facts.metrics(_STYLE_RIGHT):
        yield at_least(facts, "original", "shows the style that is asked for", metric, "kept", 0.5)
        yield at_most(facts, "blank", "a tile has one style at most", metric, "kept", 0.4)


def _nudenet(facts: Facts) -> Iterator[Claim]:
    for metric in facts.metrics(_BOXES):
        yield at_most(facts, "blank", "a blank tile shows no body", metric, "kept", 0)
        yield at_most(facts, "original", "nobody is naked on an emoji", metric, "kept", 0.1)
        parts = [name for name, one in facts.known.by_name.items() if one.metric.part_of == metric]
        for role in ("target", "kept"):
            numbers = [facts.value("original", one, role) for one in (metric, *parts)]
            off = None if None in numbers else abs(2 * (numbers[0] or 0) - sum(x or 0 for x in numbers))
            yield claim("original", f"{metric}, {role}: the sum of its classes", "0 apart", off, lambda x: x < 1e-9)


def _distance(facts: Facts) -> Iterator[Claim]:
    """Nothing is expected of blank against shuffled: an empty picture need not be further away than another one."""
    for metric in facts.metrics(_DISTANCE):
        for role in ("target", "kept"):
            yield at_most(facts, "identity", "no distance to the original", metric, role, 1e-6)
        yield at_most(facts, "perfect", "kept pictures do not move", metric, "kept", _TINY)
        yield largest(facts, "perfect", metric, "target", ["identity"])
        for role in ("target", "kept"):
            yield largest(facts, "blank", metric, role, ["identity", "perfect"] if role == "kept" else ["identity"])
        yield largest(facts, "shuffled", metric, "kept", ["identity"])
        yield largest(facts, "perfect", f"{metric}.da", "all", ["identity"])


def _texts_fit_worse(facts: Facts, method: str) -> Iterator[Claim]:
    for metric in facts.metrics(_COSINE):
        for d in facts.compared(method, metric):
            if d.role == "unrelated":
                yield verdict(method, f"{metric}: compare tells that kept texts fit worse", d, "B is better")


def _like_identity(facts: Facts, metric: str) -> Claim:
    """A shuffled set's distance lies where the identity's does, on the way to the blank pictures'."""
    found, mine, far = (facts.value(method, metric, "kept") for method in ("shuffled", "identity", "blank"))
    off = None if found is None or mine is None or not far else abs(found - mine) / abs(far)
    said = f"{metric}: the set is the same"
    return claim("shuffled", said, "the identity's, to 1 % of the blank pictures'", off, lambda x: x <= 0.01)


def _role_of(facts: Facts, metric: str) -> str:
    roles = set(facts.summary.loc[facts.summary["metric"] == metric, "role"])
    return next(role for role in ("all", "kept", "target") if role in roles)
