"""The figures of a paper, each by name, drawn from what lies in a results folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dumo_bench.analysis import curves, results
from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.errors import UserError, unknown
from dumo_bench.report import build, compose, figures, gallery, scale
from dumo_bench.report.blocks import Key, Measured
from dumo_bench.report.compose import Asked
from dumo_bench.report.plots import front, grid, growing, spectrum, training
from dumo_bench.report.variants import VARIANT
from dumo_bench.storage import copies
from dumo_bench.storage.store import Store

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Given:
    """A results folder and what of it is asked for."""

    out: Path
    found: Measured
    asked: Asked


def tradeoff(given: Given) -> Any:
    """What is left of the concept against what is kept, a panel a case."""
    return front.draw(compose.make(replace(given.asked, shape="erasure", columns=("erased", "kept")), given.found))


def grown(given: Given) -> Any:
    """What is left and kept, and what fits cost, as more concepts go at once."""
    cases = build.build(given.found.sources)
    every = scale.scales(cases, given.found.runs, given.found.sources.kinds)
    if not every:
        raise UserError(f"figure scale: it wants a suite with {scale.FEW} measured cases, each holding the one before")
    return growing.growing(every[0])


def relearned(given: Given) -> Any:
    """The erased concept over steps of fine-tuning."""
    found = curves.read(given.found.sources.summary, given.found.sources.metrics)
    mine = [one for one in found if not given.asked.cases or one.case in given.asked.cases]
    if not mine:
        raise UserError("figure relearn: no edit was fine-tuned: `dumo-bench relearn` does it")
    first = (mine[0].suite, mine[0].case)
    return figures.steps([one for one in mine if (one.suite, one.case) == first], ", ".join(first))


def trained(given: Given) -> Any:
    """The losses of every fit, as its edit keeps them."""
    suite, _, case = _case(given)
    found = list(training.read(given.out, _rows(given)))
    if not found:
        raise UserError(f"figure training: {given.out} holds no edit of {suite}, {case} that kept its losses")
    return training.draw(found, f"{suite}, erasing {case}")


def drawn(given: Given) -> Any:
    """The same prompts and noise by every method; those of an explicit suite, or of one that is not known, blurred."""
    rows, suite = _rows(given), given.found.suites.get(_case(given)[0])
    methods = _methods(rows, given.asked)
    hidden = suite is None or suite.explicit
    texts = {} if suite is None or hidden else {prompt.id: prompt.text for prompt in suite.prompts}
    lines = grid.lines(rows, given.out, methods, texts)
    if not any(path for line in lines for path in line.paths):
        raise UserError(f"figure pictures: {given.out} holds no picture of them: `dumo-bench generate` makes them")
    return grid.draw(lines, methods, hidden=hidden)


def frequencies(given: Given) -> Any:
    """Spectra of what an edit changes, on targets and on what is to be kept."""
    rows, (suite, _, case) = _rows(given), _case(given)
    found = [one for method in _methods(rows, given.asked)[1:] for one in _spectra(given.out, rows, method)]
    if not found:
        raise UserError(f"figure spectrum: {given.out} holds no pair of an edited and an unedited picture")
    return spectrum.draw(found, f"{suite}, erasing {case}")


def acting(given: Given) -> Any:
    """How strongly an edit acts at each timestep in each layer: the TLMO table of the first edit that has one."""
    for label, recipe in gallery.recipes(_rows(given)).items():
        for scales in figures.read_tlmo(copies.local(Store(given.out).edit_path(recipe))).values():
            return figures.map_of(scales, f"{label}: {', '.join(recipe.erase)}")
    raise UserError("figure map: no edit of this case has a table of timesteps and layers (method dumo makes one)")


def _case(given: Given) -> Key:
    """The one case of a figure: the first, or the first that is asked for."""
    rows = given.found.sources.summary[["suite", "suite_version", "case"]]
    every: list[Key] = sorted(set(rows.itertuples(index=False, name=None)))
    mine = [key for key in every if not given.asked.cases or key[2] in given.asked.cases]
    if not mine:
        raise unknown("cases", given.asked.cases[0], {key[2] for key in every})
    return mine[0]


def _rows(given: Given) -> pl.DataFrame:
    """The scores of the case and of the methods that are asked for."""
    import polars as pl

    suite, version, case = _case(given)
    of = (pl.col("suite") == suite) & (pl.col("suite_version") == version) & (pl.col("case") == case)
    rows = results.columns(given.out, list(dict.fromkeys([*grid.COLUMNS, *VARIANT, "edit", "erase"]))).filter(of)
    if not (methods := given.asked.methods):
        return rows
    if missing := set(methods) - (known := set(rows["method"].unique())):
        raise unknown(f"methods of {suite}, {case}", min(missing), known)
    return rows.filter(pl.col("method").is_in([REFERENCE, *methods]))


def _methods(rows: pl.DataFrame, asked: Asked) -> list[str]:
    """The unedited model, then the others as they are asked for, or by name."""
    there = sorted(set(rows["method"].unique()) - {REFERENCE})
    return [REFERENCE, *([one for one in asked.methods if one != REFERENCE] or there)]


def _spectra(out: Path, rows: pl.DataFrame, method: str) -> Iterator[spectrum.Spectrum]:
    """Of a method's first fit, by role."""
    import polars as pl

    mine = rows.filter(pl.col("method") == method).sort("fit_seed", "params")
    first = mine.filter(*(pl.col(name) == mine[name][0] for name in ("fit_seed", "params")))
    on = ["role", *grid.PICTURE]
    pairs = (
        first.unique([*on, "key"])
        .join(rows.filter(pl.col("method") == REFERENCE).unique([*on, "key"]), on=on, suffix="_of")
        .sort(on)
    )
    for role in [one for one in grid.PROMPTS if (pairs["role"] == one).any()]:
        own = pairs.filter(pl.col("role") == role)
        keys = own.select("key", "key_of").iter_rows()
        paths = ((grid.path(out, a), grid.path(out, b)) for a, b in keys)
        found = spectrum.of_pairs(method, role, [(a, b) for a, b in paths if a and b])
        if found:
            yield found


#: name -> what draws it
DRAWINGS: Mapping[str, Callable[[Given], Any]] = {
    "tradeoff": tradeoff,
    "scale": grown,
    "relearn": relearned,
    "training": trained,
    "pictures": drawn,
    "spectrum": frequencies,
    "map": acting,
}


def draw(name: str, given: Given) -> Any:
    """A figure by name, as matplotlib's."""
    if name not in DRAWINGS:
        raise unknown("figures", name, DRAWINGS)
    return DRAWINGS[name](given)
