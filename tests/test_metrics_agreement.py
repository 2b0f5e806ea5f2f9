from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from dumo_bench.metrics.agreement import Agreement, agreement

verdicts = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)


def of(pairs) -> Agreement:
    first, second = np.array(pairs, np.bool_).reshape(-1, 2).T
    return agreement(first, second)


@given(verdicts)
def test_kappa_is_statsmodels(pairs):
    two = of(pairs)
    if two.kappa is None:
        assert len(set(pairs)) == 1 and len(set(pairs[0])) == 1
    else:
        theirs = cohens_kappa([[two.both, two.first], [two.second, two.neither]]).kappa
        assert two.kappa == pytest.approx(theirs, abs=1e-12)


@given(verdicts)
def test_the_counts_are_all_pictures_and_changing_places_changes_no_agreement(pairs):
    two, other = of(pairs), of([pair[::-1] for pair in pairs])
    assert two.n == len(pairs)
    assert (two.observed, two.both, two.first) == (other.observed, other.both, other.second)
    assert (two.kappa is None) == (other.kappa is None)
    assert two.kappa is None or two.kappa == pytest.approx(other.kappa)


def test_known_answers():
    assert of([(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15).kappa == (
        pytest.approx(0.4)
    )
    assert of([(True, True), (False, False)]).kappa == 1
    assert of([(True, False), (False, True)]).kappa == -1


def test_of_no_picture_or_of_one_verdict_there_is_no_kappa():
    assert (of([]).observed, of([]).kappa) == (None, None)
    assert (of([(False, False)] * 9).observed, of([(False, False)] * 9).kappa) == (1, None)


def test_verdicts_of_other_pictures_are_refused():
    with pytest.raises(ValueError, match="of the same pictures"):
        agreement(np.zeros(2, np.bool_), np.zeros(3, np.bool_))
