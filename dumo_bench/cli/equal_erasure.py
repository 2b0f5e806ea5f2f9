"""`dumo-bench compare --at-equal-erasure A B`: what methods keep where they have erased equally much."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dumo_bench.cli.options import folder

if TYPE_CHECKING:
    from dumo_bench.analysis.equal_erasure import Asked, Contrast, Curve, Reading

_REASONS = {
    "level": "it is of no level: the least that either leaves",
    "low": "no resample differs",
    "high": "no resample differs",
}
_LEGEND = (
    "Each method's settings are a curve, of what is kept against what is left of the target, made monotone and joined "
    "by straight lines; A and B are read off where equally much is left. In brackets: the 95 % confidence interval of "
    "A-B, by bootstrap over prompts, the same of both methods, with the curves made anew of every resample; p is from "
    "the same resamples. q: p corrected by Benjamini and Hochberg over all {} readings of this comparison; significant "
    "below {}."
)


def compare(arguments: Sequence[str], out: Path, asked: Asked, *, as_json: bool) -> None:
    """Methods and results folders as they are typed; without a folder those of `out`, without a method all."""
    from dumo_bench.analysis import differences, equal_erasure, sweeps
    from dumo_bench.cli import output, show

    folders = [folder(text) for text in arguments if _is_folder(text)] or [out]
    given = sweeps.read(folders)
    methods = [text for text in arguments if not _is_folder(text)] or sweeps.several(given)
    found = equal_erasure.contrasts(given, methods, asked)
    if as_json:
        output.emit("compare", _tables(found), _REASONS)
        return
    for one in found:
        _show(one)
    show.echo(f"\n{_LEGEND.format(found[0].reach.family, differences.LEVEL)}")


def _is_folder(text: str) -> bool:
    return (folder(text) / "tables").is_dir()


def _tables(found: Iterable[Contrast]) -> dict[str, list[dict[str, Any]]]:
    """Every table's rows say of which two methods and which case they are."""
    from dumo_bench.analysis.equal_sentences import sentence

    tables: dict[str, list[dict[str, Any]]] = {"contrasts": [], "curves": [], "readings": []}
    for one in found:
        about = {
            "methods": [one.a.method, one.b.method],
            "suite": one.suite, "suite_version": one.suite_version, "case": one.case,
        }  # fmt: skip
        tables["contrasts"].append(about | {"erasure": one.erasure, "said": sentence(one)})
        tables["curves"] += [about | curve._asdict() for curve in (one.a, one.b)]
        tables["readings"] += [
            about | asdict(read) | {"difference": read.difference, "better": _verdict(one, read)}
            for read in (one.reach, *one.kept)
        ]
    return tables


def _show(one: Contrast) -> None:
    from dumo_bench.analysis.equal_sentences import sentence
    from dumo_bench.cli import show

    show.echo(f"\n{one.suite}, erasing {one.case}: what is left is {one.erasure} on target prompts")
    for side, curve in (("A", one.a), ("B", one.b)):
        show.echo(f"{side}: {_curve(curve)}")
    show.table([_line(one, read) for read in (one.reach, *one.kept)])
    show.echo(sentence(one))


def _curve(curve: Curve) -> str:
    points = ", ".join(f"{left:.2f} ({name})" for name, left in zip(curve.settings, curve.left, strict=True))
    return f"{curve.method} leaves {points}"


def _line(one: Contrast, read: Reading) -> dict[str, str]:
    interval = "" if read.low is None else f" [{_number(read.low)}, {_number(read.high)}]"
    return {
        "left": "the least" if read.level is None else f"{read.level:.2f}",
        "metric": read.metric,
        "prompts": read.role,
        "A": _number(read.a),
        "B": _number(read.b),
        "A-B": _number(read.difference) + interval,
        "p": f"{read.p:.2g}",
        "q": f"{read.q:.2g}",
        "pictures": str(read.n),
        "verdict": f"{_verdict(one, read)} is better" if read.better else "not significant",
    }


def _verdict(one: Contrast, read: Reading) -> str:
    """The method that is significantly better; "" where neither is."""
    return {"a": one.a.method, "b": one.b.method}.get(read.better, "")


def _number(value: float | None) -> str:
    return "" if value is None else f"{round(value, 4) + 0.0:.4g}"  # + 0.0: no "-0"
