"""What full batches cost: a run of few pictures of many sizes against the same in short batches, in one process.

python benchmarks/padding.py [--batch 8] [--sizes 4] [--each 10]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from dumo_bench.hosts import sample, sd
from dumo_bench.run import work
from dumo_bench.types import Draw, Job, Recipe, Sampling


def jobs(sizes: int, each: int) -> list[Job]:
    """Pictures of emoji-sd in several widths, in two steps: what counts is the ratio."""
    recipe = Recipe("original", "1", {}, (), 0, "")
    one = Sampling("emoji-sd", "dpm++", 2, 2.5, 64, 64)
    return [Job(recipe, "a ghost", Draw(i), replace(one, width=64 + 32 * k)) for k in range(sizes) for i in range(each)]


def seconds(host: sd.Host, batches: Sequence[Sequence[Job]]) -> float:
    began = time.process_time()
    for batch in batches:
        sample.sample(host, partial(sd.stock_guide, host), batch)
    return time.process_time() - began


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    for name, usual in (("batch", 8), ("sizes", 4), ("each", 10)):
        asked.add_argument(f"--{name}", type=int, default=usual)
    given = asked.parse_args()
    short = list(work.batches(jobs(given.sizes, given.each), given.batch))
    full = [work.full(batch, given.batch) for batch in short]
    host = sd.load("emoji-sd")
    seconds(host, full[:1])  # warms up
    spent = seconds(host, short), seconds(host, full)
    rows = sum(map(len, full)) / sum(map(len, short))
    print(f"short {spent[0]:.1f} s, full {spent[1]:.1f} s: {spent[1] / spent[0]:.2f} times; rows {rows:.2f} times")


if __name__ == "__main__":
    main()
