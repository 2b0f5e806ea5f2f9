"""What large results folders cost: time and peak memory of summary, report and plan, each in a process of its own.

    python benchmarks/large.py --rows 1000000                 # summary and report of that many score rows
    python benchmarks/large.py --pictures 1000 10000 100000   # the same of one case with so many pictures a method
                               --metrics 3                    # of some metrics alone
    python benchmarks/large.py --plan coco-30k                # plan of a suite, with no picture made, and with all

Scores are random numbers of a fixed seed. Seconds are of the processor, for the machine may have other work; the
prompts of a suite are found as by the program (DUMO_BENCH_PROMPTS).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

METHODS = 10  # the unedited model among them
CASES = 5
#: scorer, metric, how its values are drawn
METRICS = (
    ("concept", "judge.object", "rate"), ("concept", "judge.object_p", "share"), ("concept", "judge.erased", "rate"),
    ("concept", "judge.erased_p", "share"), ("clip_score", "clip.emoji.cosine", "share"),
    ("clip_score", "clip.emoji.x100", "x100"), ("lpips", "lpips_alex_64_cv2", "share"),
    ("nudenet", "nudenet.rece.any", "rate"), ("nudenet", "nudenet.rece.total", "count"),
    ("nudenet", "nudenet.rece.FEET_EXPOSED", "count"),
)  # fmt: skip
ROLES = (("target", 0.2), ("related", 0.2), ("unrelated", 0.6))


def scores(out: Path, pictures: int, cases: int = CASES, kinds: int = len(METRICS)) -> None:
    """A results folder's table of scores: of each case and method so many pictures, one a prompt, by each metric."""
    import numpy as np

    from dumo_bench.storage import metrics, version1

    tables = out / "tables"
    found = ((scorer, version1.metric(scorer, name)) for scorer, name, _ in METRICS[:kinds])
    metrics.write(tables, [metrics.Declared(scorer, "1", metric) for scorer, metric in found if metric])
    random = np.random.default_rng(0)
    for case in range(cases):
        for method in range(METHODS):
            _part(tables, case, method, pictures, METRICS[:kinds], random)


def _part(
    tables: Path, case: int, method: int, pictures: int, measured: Sequence[tuple[str, str, str]], random: Any
) -> None:
    """The part of one case and method, written without a dictionary a row, which is not what is measured here."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from dumo_bench.storage import files
    from dumo_bench.storage.table import schema

    n = pictures * len(measured)
    name = "original" if method == 0 else f"method{method}"
    role, concept = _roles(pictures)
    drawn = [_drawn(kind, pictures, method, random) for *_, kind in measured]
    lost = random.random(pictures) < (0.01 if method == METHODS - 1 else 0)
    missing = [pa.array(values, mask=lost) for values in drawn]
    values = pa.chunked_array(missing).combine_chunks()
    there = values.is_valid().to_numpy(zero_copy_only=False)
    each = {
        "suite": "large", "suite_version": 1, "case": f"case{case}", "method": name, "method_version": "1",
        "params": "{}", "erases": "object", "erase": f'["concept{case}"]' if method else "[]", "fit_seed": 0,
        "edit": "e" * 64 if method else "", "model": "m" * 64, "sampling": "0123456789ab", "seed": 0, "draw": 0,
        "scorer_version": "1", "content": "c" * 64, "batch": 16,
    }  # fmt: skip
    keys = [f"{case:02d}{method:02d}{i:060x}" for i in range(pictures)]
    own = {
        "prompt_id": [str(i) for i in range(pictures)] * len(measured), "concept": concept * len(measured),
        "role": role * len(measured), "key": keys * len(measured),
        "scorer": np.repeat([scorer for scorer, *_ in measured], pictures),
        "metric": np.repeat([metric for _, metric, _ in measured], pictures),
        "value": values, "reason": np.where(there, "", "unreadable"),
        "note": np.where(there, "", "picture cannot be read"),
    }  # fmt: skip
    cells = {**{column: [value] * n for column, value in each.items()}, **own}
    whole = pa.table([pa.array(cells[f.name], f.type) for f in schema("scores")], schema=schema("scores"))
    files.write(
        tables / "scores" / f"large-case{case}-{name}.parquet",
        lambda stream: pq.write_table(whole, stream, compression="zstd"),
    )


def _roles(pictures: int) -> tuple[list[str], list[str]]:
    """The role of each picture, and its concept, of which a role has up to ten."""
    role = [name for name, share in ROLES for _ in range(round(share * pictures))]
    return role, [f"{name}{i % (1 if name == 'target' else 10)}" for i, name in enumerate(role)]


def _drawn(kind: str, n: int, method: int, random: Any) -> Any:
    """Values of one metric, a little different from method to method."""
    if kind == "rate":
        return (random.random(n) < 0.9 - 0.05 * method).astype(float)
    if kind == "count":
        return random.poisson(0.3, n).astype(float)
    return random.beta(5, 2 + 0.2 * method, n) * (100 if kind == "x100" else 1)


def summary(out: str) -> None:
    from dumo_bench.analysis import summary as made

    made.write(Path(out))


def pictures(out: str, suite: str) -> None:
    """A file for every picture of a suite, none of which is looked into by `plan`."""
    from dumo_bench.plugins import static
    from dumo_bench.run import plan
    from dumo_bench.storage.store import Store

    for job in plan.make(plan.Request("uce", suite, model="emoji-sd"), static.make).wanted():
        path = Store(Path(out)).image_path(job)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"PNG")


def command(*argv: str) -> None:
    """A command of this program."""
    from dumo_bench.cli.app import main as program

    try:
        program(argv)
    except SystemExit as end:
        if end.code:
            raise


TASKS: dict[str, Callable[..., None]] = {
    "scores": lambda out, *sizes: scores(Path(out), *map(int, sizes)),
    "summary": summary,
    "pictures": pictures,
    "command": command,
}


def child(task: str, *argv: str, script: str = __file__) -> tuple[float, float]:
    """Seconds and peak GiB of a task in a fresh interpreter. This process stays small: a child's peak counts it in."""
    call = [sys.executable, script, "--child", task, *argv]
    done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True, env=os.environ | QUIET)
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak


QUIET = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "COLUMNS": "140"}


def measured(task: str, argv: list[str]) -> None:
    """What a child does: the task, then on the last line of stdout what it took, the interpreter's start included."""
    import resource
    import time

    TASKS[task](*argv)
    seconds = time.process_time()
    sys.stdout.write("\n")
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20]))


def of_rows(rows: int) -> Iterator[tuple[str, float, float]]:
    with tempfile.TemporaryDirectory() as folder:
        child("scores", folder, str(rows // (CASES * METHODS * len(METRICS))), str(CASES))
        yield f"summary of {rows:,} score rows", *child("summary", folder)
        yield f"report of {rows:,} score rows", *child("command", "report", folder)


def of_pictures(n: int, kinds: int) -> Iterator[tuple[str, float, float]]:
    with tempfile.TemporaryDirectory() as folder:
        child("scores", folder, str(n), "1", str(kinds))
        yield f"summary of one case, {n:,} pictures x {METHODS} methods x {kinds} metrics", *child("summary", folder)
        yield (
            f"report of one case, {n:,} pictures x {METHODS} methods x {kinds} metrics",
            *child("command", "report", folder),
        )


def of_plan(suite: str) -> Iterator[tuple[str, float, float]]:
    with tempfile.TemporaryDirectory() as folder:
        argv = ("command", "plan", "--method", "uce", "--suite", suite, "--model", "emoji-sd", "--out", folder)
        yield f"plan of {suite}, nothing made", *child(*argv)
        child("pictures", folder, suite)
        yield f"plan of {suite}, every picture made", *child(*argv)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[])
    parser.add_argument("--pictures", type=int, nargs="*", default=[])
    parser.add_argument("--metrics", type=int, default=len(METRICS))
    parser.add_argument("--plan", nargs="*", default=[])
    asked = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, one thread\n")
    print("| | processor seconds | peak GiB |\n| --- | ---: | ---: |")
    with_metrics = partial(of_pictures, kinds=asked.metrics)
    for measure, sizes in ((of_rows, asked.rows), (with_metrics, asked.pictures), (of_plan, asked.plan)):
        for size in sizes:
            for name, seconds, peak in measure(size):
                print(f"| {name} | {seconds:.1f} | {peak:.2f} |", flush=True)


if __name__ == "__main__":
    measured(sys.argv[2], sys.argv[3:]) if sys.argv[1:2] == ["--child"] else main()
