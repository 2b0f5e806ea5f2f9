"""What a row came to, told to an experiment tracker: its settings, the losses of its fits, the numbers of its summary.

The trackers are those of accelerate, so that all are told alike. A row is one run of theirs. No prompt and no picture
is sent; a tracker that fails costs no result.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dumo_bench.api.experiment import Tracker
from dumo_bench.errors import UserError
from dumo_bench.progress import log
from dumo_bench.run import steps
from dumo_bench.storage import names, remote, table
from dumo_bench.types import canonical

if TYPE_CHECKING:
    from dumo_bench.api.carry import Done

FOLDER = "logs"  # of a results folder, for the tracker that writes files
PROJECT = "dumo-bench"  # the project, or experiment, that runs are filed under


@dataclass(frozen=True, slots=True)
class Told:
    """A row as trackers take it: settings by name, the losses of each fit step by step, numbers, and the verdicts."""

    name: str
    settings: Mapping[str, str | float | bool]
    losses: Mapping[str, Sequence[float]]
    numbers: Mapping[str, float]
    said: str


def check(name: Tracker, out: Path) -> None:
    """Refuse a tracker that is not installed, or cannot write there, before anything is made."""
    if lacks := [one for one in ("accelerate", name) if importlib.util.find_spec(one) is None]:
        raise UserError(f"--log {name}: {' and '.join(lacks)} wanted: type pip install 'dumo-bench[{name}]'")
    if name == "tensorboard" and remote.far(out):
        raise UserError(f"--log tensorboard writes files into a folder of this machine, not {out}: wandb and mlflow do")


def tell(name: Tracker, done: Done) -> None:
    """Send what a row came to; where that fails, it is said, and the results stand."""
    try:
        _send(name, of(done), done.session.out)
    except Exception as error:  # of a library, a server, a network
        log.warning(f"--log {name}: {type(error).__name__}: {error}: results are not lost, they are in the folder")


def of(done: Done) -> Told:
    """What trackers are told of a row that was scored."""
    from dumo_bench.report import verdicts
    from dumo_bench.report.plots import training

    plan, out = done.session.plan, done.session.out
    recipes = {part.case.name: part.recipe for part in steps.learnt(plan.parts)}
    losses: dict[str, Sequence[float]] = {}
    for case, recipe in recipes.items():
        kept = done.session.store.edit_header(recipe).get("curves", {})
        losses |= {_key("loss", case, part): values for part, values in training.parts("", kept)}
    said = "\n".join(map(str, verdicts.of_plan(verdicts.tables(out, plan), plan)))
    return Told(str(done.row), _settings(done), losses, dict(_numbers(done)), said)


def _settings(done: Done) -> dict[str, str | float | bool]:
    asked, plan = done.row.request, done.session.plan
    part = (plan.parts or plan.reference)[0]
    found: dict[str, str | float | bool] = {
        "method": asked.method,
        "version": part.recipe.version,
        "suite": asked.suite,
        "seed": asked.fit_seed,
    }
    found |= {"model": plan.model, "limit": asked.limit or "all", "cases": ", ".join(asked.cases) or "all"}
    return found | {f"set.{key}": value if _plain(value) else str(value) for key, value in part.recipe.params.items()}


def _plain(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool))


def _numbers(done: Done) -> Iterator[tuple[str, float]]:
    """The summary's values of the row's own eraser over all concepts of a role, with the ends of their intervals."""
    from dumo_bench.analysis import summary
    from dumo_bench.report import verdicts

    plan = done.session.plan
    called = verdicts.names(plan)
    own = {
        (part.case.name, one.method, one.version, canonical(one.params), one.fit_seed, one.model)
        for part in plan.parts or plan.reference
        for one in (part.recipe,)
    }
    about = ("case", "method", "method_version", "params", "fit_seed", "model")
    for row in table.records(summary.read(done.session.out)):
        if row["suite"] in called and row["concept"] == "*" and tuple(row[name] for name in about) in own:
            key = _key(row["case"], row["role"], row["metric"])
            ends = {key: row["value"], f"{key}.low": row["low"], f"{key}.high": row["high"]}
            yield from ((name, value) for name, value in ends.items() if value is not None)


def _key(*parts: str) -> str:
    """A name of the characters that all trackers take."""
    return "/".join(re.sub(r"[^\w.: -]", "_", part) for part in parts if part)


def _send(name: Tracker, told: Told, out: Path) -> None:
    from accelerate import PartialState, tracking

    given: dict[Tracker, tuple[Any, ...]] = {
        "tensorboard": (
            tracking.TensorBoardTracker,
            names.bounded(_key(told.name.replace("/", "_"))),
            {"logging_dir": str(out / FOLDER)},
        ),
        "wandb": (tracking.WandBTracker, os.environ.get("WANDB_PROJECT", PROJECT), {"name": told.name}),
        "mlflow": (tracking.MLflowTracker, PROJECT, {"run_name": told.name}),
    }
    PartialState(cpu=True)  # without which trackers do not log
    make, called, more = given[name]
    tracker = make(called, **more)
    tracker.start()
    try:
        tracker.store_init_configuration(dict(told.settings))
        for step in range(max(map(len, told.losses.values()), default=0)):
            tracker.log({key: one[step] for key, one in told.losses.items() if step < len(one)}, step=step + 1)
        tracker.log(dict(told.numbers))
        if name != "mlflow":  # which takes numbers alone
            tracker.log({"verdict": told.said})
    finally:
        tracker.finish()
