"""Scorers and statistics against libraries used directly, within the bounds that docs/deviations.md prints."""

from __future__ import annotations

import numpy as np
import pytest
from compared import Pair
from deviations import COMPARISONS, PAGE, Comparison


def marked(one: Comparison):
    return pytest.param(one, id=one.run.__name__, marks=[pytest.mark.slow] if one.slow else [])


@pytest.mark.parametrize("one", map(marked, COMPARISONS))
def test_it_agrees_with_the_library_within_its_bound(one, tmp_path):
    found = one.run(tmp_path)
    assert found.ours.shape == found.theirs.shape and found.ours.size
    assert (np.abs(found.ours - found.theirs) <= one.allowed(found)).all(), one.row(found)


def test_the_page_has_a_row_with_the_bound_of_every_comparison_and_no_other():
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][1:]
    cells = [row.strip("| ").split(" | ") for row in rows]
    said = [(what, library.rpartition(" ")[0], bound) for what, library, *_, bound in cells]
    assert said == [(one.what, one.library, one.bound) for one in COMPARISONS], "type `make deviations`"


def test_a_row_tells_the_largest_deviations():
    one = Comparison("x", "numpy", lambda _: Pair(np.array([1.0, 2.2, 0.0]), np.array([1.0, 2.0, 0.0]), 3), 0.1, 1e-3)
    assert one.row(one.run(PAGE)).endswith("| 3 | 3 | 2.0e-01 | 1.0e-01 | 0.1 relative or 0.001 absolute |\n")
