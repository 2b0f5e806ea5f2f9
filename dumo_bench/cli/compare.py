"""`dumo-bench compare A B ...`: what differs between methods on the same prompts and noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dumo_bench.cli.options import Json, Out, folder

if TYPE_CHECKING:
    from dumo_bench.analysis.compare import Seeds
    from dumo_bench.analysis.differences import Difference
    from dumo_bench.analysis.overlaps import Overlap
    from dumo_bench.analysis.sides import Side
    from dumo_bench.report.compared import Form

DASH = "\N{EN DASH}"
#: why a number of the JSON is null
_REASONS = {
    "a": "not measured of the pictures that both have",
    "b": "not measured of the pictures that both have",
    "difference": "one of the two was not measured",
    "low": "no resample differs, or nothing can be resampled",
    "high": "no resample differs, or nothing can be resampled",
    "p": "nothing can be resampled, as of numbers of whole sets",
    "q": "there is no p",
    "needed": "the difference is significant, or there is none to find",
    "higher": "neither direction is better",
    "detection_rate": "it needs no detection rate of unedited pictures",
    "unedited": "it is no rate",
    "rate": "no unedited picture of it was measured",
    "valid": "no unedited picture of it was measured",
    "whole": "how large the suite is is not known",
    "generation": "its numbers are of one picture a prompt, or of whole sets",
}
_MEASURED = ("a", "b", "difference", "low", "high", "p", "q", "needed")  # null where nothing was measured, for d.how


def compare(
    methods: Annotated[
        list[str], typer.Argument(help="Two or more methods of the folder, method:key=value, or results folders.")
    ],
    out: Out = Path("results"),
    case: Annotated[str, typer.Option("--case", "-c", help="Only cases of this name; * stands for anything.")] = "*",
    metric: Annotated[str, typer.Option("--metric", help="Only metrics of this name; * stands for anything.")] = "*",
    at_equal_erasure: Annotated[
        bool,
        typer.Option(
            "--at-equal-erasure",
            help="Of methods that were run with several settings: what each keeps where both leave equally much.",
        ),
    ] = False,
    at: Annotated[
        list[float] | None,
        typer.Option("--at", min=0, help="With --at-equal-erasure: how much is left there; may be repeated."),
    ] = None,
    erasure: Annotated[
        str, typer.Option("--erasure", help="With --at-equal-erasure: the metric that says what is left.")
    ] = "",
    min_effect: Annotated[
        float, typer.Option("--min-effect", min=0, help="No verdict on a smaller difference, however significant.")
    ] = 0.0,
    whole: Annotated[bool, typer.Option("--all", help="Every metric, with p, q and the sample size needed.")] = False,
    as_json: Json = False,
) -> None:
    """Compare methods prompt by prompt: effect size, interval and verdict; p-values and sample sizes with --all."""
    if at_equal_erasure:
        from dumo_bench.analysis.equal_erasure import Asked
        from dumo_bench.cli import equal_erasure

        asked = Asked(case, metric, erasure, tuple(sorted(set(at or ()))))
        equal_erasure.compare(methods, out, asked, as_json=as_json)
        return
    from dumo_bench.analysis import compare as comparing
    from dumo_bench.analysis import coverage
    from dumo_bench.analysis.overlaps import overlaps
    from dumo_bench.cli import output, show
    from dumo_bench.report import compared
    from dumo_bench.run import manifest

    sides, folders = _sides(_runnable(methods, out), out), _folders(methods) or [out]
    show.gone(*folders)
    sizes = coverage.sizes(manifest.suites(folders[0]).values())
    found = [
        (x, y, group, [*comparing.seeds(x, metric, case), *comparing.seeds(y, metric, case)],
         overlaps(x, y, metric, case, sizes))
        for (x, y), group in zip(sides, comparing.every(sides, metric, case), strict=True)
    ]  # fmt: skip
    if as_json:
        output.emit("compare", _tables([_plain(min_effect, *one) for one in found]), _REASONS)
        return
    form = compared.Form(show.console().width, whole, min_effect)
    for one in found:
        _show(form, metric == "*" and not whole, *one)
    show.wrapped(compared.legend(max(d.family for _, _, group, *_ in found for d in group), form))


def _runnable(methods: Sequence[str], out: Path) -> list[str]:
    """Those that are not n/a on the model of the folder; of the others it says why, and two have to be left."""
    from dumo_bench.analysis import results
    from dumo_bench.errors import UserError
    from dumo_bench.progress import log
    from dumo_bench.run import manifest

    reasons = {one.method: one.reason for one in manifest.not_applicable(out)}
    ran = set(results.scores(out)["method"]) if reasons else set()
    away = {spec: why for spec in methods if (why := reasons.get(name := spec.partition(":")[0])) and name not in ran}
    said = [f"{spec}: n/a, {why}" for spec, why in away.items()]
    if said and len(methods) - len(said) < 2:
        raise UserError("; ".join(said))
    for line in said:
        log.info(line)
    return [spec for spec in methods if spec not in away]


def _folders(methods: Sequence[str]) -> list[Path]:
    """Those of the arguments that are results folders."""
    return [found for text in methods if ((found := folder(text)) / "tables").is_dir()]


def _sides(methods: Sequence[str], out: Path) -> list[tuple[Side, Side]]:
    """Every two of them, in order."""
    from dumo_bench.analysis.sides import shared, side
    from dumo_bench.errors import UserError

    if len(methods) < 2:
        raise UserError(f"compare {methods[0]}: with what? dumo-bench compare {methods[0]} METHOD")
    full = _folders(methods)
    if len(full) == len(methods):
        return [two for a, b in combinations(full, 2) for two in shared(a, b)]
    if full:
        raise UserError(_half(methods, full))
    return list(combinations([side(spec, out) for spec in methods], 2))


def _half(methods: Sequence[str], full: Sequence[Path]) -> str:
    """Some are results folders: the others have to be, too."""
    other = next(text for text in methods if folder(text) not in full)
    return (
        f"compare {' '.join(methods)}: {full[0]} is a results folder and {other} is none; give results folders, or "
        f"methods of one: dumo-bench compare METHOD METHOD --out {full[0]}"
    )


def _plain(
    min_effect: float,
    a: Side,
    b: Side,
    found: Sequence[Difference],
    seeds: Sequence[Seeds],
    pictures: Sequence[Overlap],
) -> dict[str, object]:
    from dumo_bench.analysis.compare import verdict
    from dumo_bench.analysis.sides import told

    rows = [
        asdict(d)
        | {"difference": d.difference, "verdict": verdict(d, a.label, b.label, min_effect), "unreliable": d.unreliable}
        | ({"reasons": dict.fromkeys(_MEASURED, d.how)} if d.difference is None else {})
        for d in found
    ]
    counts = [asdict(one) | {"partial": one.partial} for one in pictures]
    return {"a": a.label, "b": b.label, "settings": told(a, b), "pictures": counts, "differences": rows,
            "seeds": [asdict(one) for one in seeds]}  # fmt: skip


def _tables(found: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The tables of all that are compared: every row says of which two methods it is."""
    sides = [{"a": one["a"], "b": one["b"]} for one in found]
    tables: dict[str, list[dict[str, Any]]] = {
        "comparisons": [{**of, "settings": one["settings"]} for of, one in zip(sides, found, strict=True)]
    }
    for name in ("pictures", "differences"):
        tables[name] = [
            {"methods": [of["a"], of["b"]], **row} for of, one in zip(sides, found, strict=True) for row in one[name]
        ]
    return tables | {"seeds": [row for one in found for row in one["seeds"]]}


def _show(
    form: Form,
    short: bool,
    a: Side,
    b: Side,
    found: Sequence[Difference],
    seeds: Sequence[Seeds],
    pictures: Sequence[Overlap],
) -> None:
    from dumo_bench.analysis import kinds
    from dumo_bench.analysis.catalogue import Catalogue
    from dumo_bench.analysis.sides import told
    from dumo_bench.cli import show
    from dumo_bench.report import compared

    show.wrapped(f"\nA: {a.label}\nB: {b.label}\nsettings that differ: {told(a, b)}")
    for one in pictures:
        if one.partial:
            show.wrapped(_partial(one, pictures))
    metrics = Catalogue({**b.metrics.by_key, **a.metrics.by_key})
    chosen = compared.short(found, metrics, kinds.of_rows(a.summary, b.summary)) if short else []
    chosen = chosen or [d for d in found if not (d.copy_of and form.whole)]  # of one number in several units one
    several = {d.suite for d in chosen if len({one.suite_version for one in chosen if one.suite == d.suite}) > 1}
    for suite, version, case in dict.fromkeys((d.suite, d.suite_version, d.case) for d in chosen):
        show.echo(f"\n{f'{suite} {version}' if suite in several else suite}, erasing {case}")
        shown = [d for d in chosen if (d.suite, d.suite_version, d.case) == (suite, version, case)]
        show.echo("\n".join(compared.lines(shown, metrics, form)))
    for sentence in _detection_rates(chosen):
        show.wrapped(f"\n{sentence}")
    if seeds and form.whole:
        show.echo("\nStandard deviation of a mean from one training seed to another, and from generation seeds alone")
        show.table([_seeded(one) for one in seeds])
    show.echo("")


def _partial(one: Overlap, among: Sequence[Overlap]) -> str:
    """Which pictures are no pairs; metrics are named where others of the case have other counts."""
    case = (one.suite, one.suite_version, one.case)
    alone = sum((other.suite, other.suite_version, other.case) == case for other in among) == 1
    suite = f", the suite {one.whole}" if one.whole else ""
    of = "" if alone else f" of {', '.join(one.metrics)}"
    return (
        f"Partial: A has {one.a} pictures, B {one.b}, both {one.both}{of}{suite} "
        f"({one.suite} version {one.suite_version}, erasing {one.case}); only those of both are compared"
    )


def _detection_rates(found: Sequence[Difference]) -> list[str]:
    """Of what the detection rate on unedited pictures is missing."""
    from dumo_bench.analysis.recognition import lacking

    return lacking(
        f"{d.metric} ({d.role})" for d in found if d.detection_rate is not None and d.detection_rate.rate is None
    )


def _seeded(one: Seeds) -> dict[str, str]:
    return {
        "method": one.label,
        "case": f"{one.suite}: {one.case}",
        "metric": one.metric,
        "prompts": one.role,
        "fits": str(one.fits),
        "training seed": f"{one.fit:.4f}",
        "generation seeds": DASH if one.generation is None else f"{one.generation:.4f}",
        "pictures": str(one.n),
    }
