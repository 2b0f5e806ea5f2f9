"""Papers reproduced: their tables as data, run through the code of experiments, ours beside what was published."""

from dumo_bench.papers.deviations import Deviation, deviations
from dumo_bench.papers.found import Found, lines, names, read
from dumo_bench.papers.grid import Grid, Head, check, grids
from dumo_bench.papers.runs import Runs, beside, runnable

__all__ = [
    "Deviation",
    "Found",
    "Grid",
    "Head",
    "Runs",
    "beside",
    "check",
    "deviations",
    "grids",
    "lines",
    "names",
    "read",
    "runnable",
]
