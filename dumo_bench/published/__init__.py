"""Published numbers beside ours: what was printed, what we found, and under which convention ours comes closest."""

from dumo_bench.published.averages import ways
from dumo_bench.published.counts import counts
from dumo_bench.published.match import Line, compare
from dumo_bench.published.numbers import COLUMNS, OWN, STATUS, Published, folder, load
from dumo_bench.published.ours import Ours
from dumo_bench.published.rank import Ranking, rankings
from dumo_bench.published.tables import Results

__all__ = [
    "COLUMNS",
    "OWN",
    "STATUS",
    "Line",
    "Ours",
    "Published",
    "Ranking",
    "Results",
    "compare",
    "counts",
    "folder",
    "load",
    "rankings",
    "ways",
]
