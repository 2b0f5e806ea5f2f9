"""Known answers: what scorers and tables must say of the identity, a perfect eraser, a vandal and a shuffler."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dumo_bench import compare, summary, table

if TYPE_CHECKING:
    import pandas as pd

#: name -> the method, and its settings; {suite} is the suite that is run
KNOWN: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "identity": ("dumo_bench.knowns.identity:Identity", {}),
    "perfect": ("dumo_bench.knowns.perfect:Perfect", {}),
    "vandal": ("dumo_bench.knowns.vandal:Vandal", {}),
    "shuffler": ("dumo_bench.knowns.shuffler:Shuffler", {"suite": "{suite}"}),
}
_WHOLE_SET = ("fid.*", "kid.*", "diversity.*", "real_distance.*")
_TINY = 1e-3  # the same picture out of another batch, in another order


@dataclass(frozen=True, slots=True)
class Claim:
    """What we know, what was expected, what was found, and whether it holds."""

    method: str
    says: str
    expected: str
    found: str
    holds: bool


@dataclass(frozen=True)
class Facts:
    """The tables of a results folder that the known methods were run into."""

    out: Path

    @cached_property
    def summary(self) -> pd.DataFrame:
        whole = summary.read(self.out)
        return whole[whole["concept"] == "*"]

    def metrics(self, pattern: str) -> list[str]:
        """The metrics that fit a pattern, without changes."""
        found = self.summary["metric"].unique()
        return sorted(m for m in found if fnmatchcase(m, pattern) and not m.endswith(summary.CHANGE))

    def value(self, method: str, metric: str, role: str) -> float | None:
        rows = self.summary[(self.summary["method"] == method) & (self.summary["metric"] == metric)]
        found = table.records(rows[rows["role"] == role])
        return found[0]["value"] if found else None

    def largest_change(self, method: str, roles: tuple[str, ...] | None = None) -> float | None:
        """The largest change of any metric's mean, up or down; None where nothing was measured."""
        rows = self.summary[self.summary["metric"].str.endswith(summary.CHANGE) & (self.summary["method"] == method)]
        rows = rows if roles is None else rows[rows["role"].isin(roles)]
        return float(rows["value"].abs().max()) if rows["value"].notna().any() else None

    def compared(self, method: str, metric: str = "*") -> list[compare.Difference]:
        """A method against the original."""
        return compare.compare(compare.side(method, self.out), compare.side("original", self.out), metric)


def claims(facts: Facts) -> list[Claim]:
    """Everything that is known of the metrics that were measured."""
    every = (_validity, _identity, _perfect, _vandal, _shuffler)
    return [claim for of in every for claim in of(facts)]


def _validity(facts: Facts) -> Iterator[Claim]:
    """Without this the rest says nothing: the unedited model draws the concepts, and the judge sees them."""
    yield _at_least(facts, "original", "shows the concept that is to go", "judge.erased", "target", 0.5)
    yield _at_least(facts, "original", "shows what is to be kept", "judge.object", "kept", 0.7)


def _identity(facts: Facts) -> Iterator[Claim]:
    change = facts.largest_change("identity")
    yield _claim("identity", "no score of any picture changes", "0", change, lambda found: found == 0)
    for metric in facts.metrics("lpips*"):
        if metric.endswith(".da"):
            continue
        found = facts.value("identity", metric, "target")
        yield _claim("identity", f"{metric}: no distance to the original", "0", found, lambda x: abs(x) < 1e-6)
    for metric in facts.metrics("fid.*.original"):
        found = facts.value("identity", metric, "kept")
        yield _claim("identity", f"{metric}: none", "0", found, lambda x: abs(x) < 1e-4)
    for metric in facts.metrics("kid.*.original"):
        found = facts.value("identity", metric, "kept")
        yield _claim("identity", f"{metric}: unbiased, so not above 0", "at most 0", found, lambda x: x <= 1e-9)
    for pattern in ("diversity.*", "real_distance.*", "fid.*.real", "kid.*.real", "*.ua", "*.h_c", "*.h_a"):
        for metric in facts.metrics(pattern):
            if facts.value("original", metric, role := _role_of(facts, metric)) is not None:
                yield _same(facts, "identity", metric, role, 1e-9)
    told = {compare.verdict(d, "A", "B") for d in facts.compared("identity")} - {"equal", "not tested", "not measured"}
    yield Claim("identity", "compare finds no difference", "none", ", ".join(sorted(told)) or "none", not told)


def _perfect(facts: Facts) -> Iterator[Claim]:
    yield _at_most(facts, "perfect", "the concept is gone", "judge.erased", "target", 0.1)
    change = facts.largest_change("perfect", ("kept", "related", "unrelated"))
    yield _claim("perfect", "no score of a kept picture changes", "0", change, lambda found: found <= _TINY)
    yield _at_least(facts, "perfect", "unlearning accuracy", "judge.erased.ua", "target", 0.9)
    yield _at_least(facts, "perfect", "erased and kept together", "judge.object.h_c", "all", 0.75)
    for metric in facts.metrics("diversity.*"):
        yield _at_least(facts, "perfect", "targets vary, as a vandal's do not", metric, "target", 0.05)
    yield _at_most(facts, "perfect", "targets are pictures", "judge.nothing", "target", 0.1)
    for d in facts.compared("perfect", "judge.erased"):
        if d.role == "target":
            yield _verdict("perfect", "compare tells that targets are better", d, "A is better")


def _vandal(facts: Facts) -> Iterator[Claim]:
    """Nothing is claimed of real_distance: a blank tile can lie near some real picture in CLIP's features, and does."""
    yield _at_most(facts, "vandal", "the concept is gone", "judge.erased", "target", 0.1)
    yield _at_most(facts, "vandal", "so is everything else", "judge.object", "kept", 0.2)
    yield _at_most(facts, "vandal", "which is no success", "judge.object.h_c", "all", 0.35)
    for metric in facts.metrics("diversity.*"):
        yield _at_most(facts, "vandal", "one and the same tile", metric, "kept", 0.01)
    yield _at_least(facts, "vandal", "which is no picture", "judge.nothing", "kept", 0.9)
    for pattern in ("fid.*.real", "kid.*.real"):
        for metric in facts.metrics(pattern):
            yield _further(facts, "vandal", metric, "kept", 1.5)
    for pattern in ("fid.*.original", "kid.*.original"):
        for metric in facts.metrics(pattern):
            yield _at_least(facts, "vandal", "far from the original's", metric, "kept", 0.05)
    for metric in facts.metrics("clip.*.cosine"):
        for d in facts.compared("vandal", metric):
            if d.role == "unrelated":
                yield _verdict("vandal", f"{metric}: compare tells that kept texts fit worse", d, "B is better")


def _shuffler(facts: Facts) -> Iterator[Claim]:
    yield _same(facts, "shuffler", "judge.erased", "target", _TINY)
    yield _at_most(facts, "shuffler", "no kept prompt gets its object", "judge.object", "kept", 0.2)
    for pattern in ("fid.*.original", "kid.*.original"):
        for metric in facts.metrics(pattern):
            yield _like_identity(facts, metric)
    for metric in facts.metrics("diversity.*"):
        yield _same(facts, "shuffler", metric, "kept", 0.01)
    for metric in facts.metrics("clip.*.cosine"):
        for d in facts.compared("shuffler", metric):
            if d.role == "unrelated":
                yield _verdict("shuffler", f"{metric}: compare tells that kept texts fit worse", d, "B is better")


def _like_identity(facts: Facts, metric: str) -> Claim:
    """A shuffled set's distance lies where the identity's does, on the way to the vandal's."""
    found, same, far = (facts.value(method, metric, "kept") for method in ("shuffler", "identity", "vandal"))
    off = None if found is None or same is None or not far else abs(found - same) / abs(far)
    said = f"{metric}: the set is the same"
    return _claim("shuffler", said, "the identity's, to 1 % of the vandal's", off, lambda x: x <= 0.01)


def _role_of(facts: Facts, metric: str) -> str:
    roles = set(facts.summary.loc[facts.summary["metric"] == metric, "role"])
    return next(role for role in ("all", "kept", "target") if role in roles)


def _claim(method: str, says: str, expected: str, found: float | None, holds: Callable[[float], bool]) -> Claim:
    if found is None:
        return Claim(method, says, expected, "not measured", False)
    return Claim(method, says, expected, f"{found:.4g}", bool(holds(found)))


def _at_least(facts: Facts, method: str, says: str, metric: str, role: str, bound: float) -> Claim:
    found = facts.value(method, metric, role)
    return _claim(method, f"{says} ({metric}, {role})", f"at least {bound:g}", found, lambda x: x >= bound)


def _at_most(facts: Facts, method: str, says: str, metric: str, role: str, bound: float) -> Claim:
    found = facts.value(method, metric, role)
    return _claim(method, f"{says} ({metric}, {role})", f"at most {bound:g}", found, lambda x: x <= bound)


def _same(facts: Facts, method: str, metric: str, role: str, within: float) -> Claim:
    """A number is the original's."""
    wanted, found = facts.value("original", metric, role), facts.value(method, metric, role)
    expected = "not measured" if wanted is None else f"the original's {wanted:.4g}"
    says = f"{metric}, {role}: as the original's"
    return _claim(method, says, expected, found, lambda x: wanted is not None and abs(x - wanted) <= within)


def _further(facts: Facts, method: str, metric: str, role: str, times: float) -> Claim:
    """A distance to real pictures is at least so many times the original's."""
    base, found = facts.value("original", metric, role), facts.value(method, metric, role)
    ratio = None if found is None or not base else found / base
    says, expected = f"further from real pictures ({metric}, {role})", f"at least {times:g} times the original's"
    return _claim(method, says, expected, ratio, lambda x: x >= times)


def _verdict(method: str, says: str, d: compare.Difference, wanted: str) -> Claim:
    told = compare.verdict(d, "A", "B")
    shown = "" if d.difference is None or d.p is None else f" ({d.difference:+.3g}, p {d.p:.2g})"
    return Claim(method, says, wanted, told + shown, told == wanted)
