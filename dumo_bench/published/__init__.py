"""Published numbers beside ours: what was printed, what we found, and under which convention ours comes closest."""

from dumo_bench.published.lines import Line, compare
from dumo_bench.published.ours import Ours
from dumo_bench.published.results import Results
from dumo_bench.published.rows import COLUMNS, STATUS, Published, folder, load

__all__ = ["COLUMNS", "STATUS", "Line", "Ours", "Published", "Results", "compare", "folder", "load"]
