"""Detection rates on unedited pictures, and which numbers they make unreliable."""

from __future__ import annotations

from functools import partial

import frames
import pytest

from dumo_bench.analysis import recognition
from dumo_bench.analysis.catalogue import Known
from dumo_bench.analysis.recognition import DetectionRate, needs_detection_rate, place, rarely_detected
from dumo_bench.report import captions
from dumo_bench.report.cells import Shown
from dumo_bench.scorers import judge2
from dumo_bench.storage import metrics
from dumo_bench.types import Metric, Misdeclared

METRICS = frames.named(
    "judge.object", "judge.object_p", "judge.erased", "clip.x.accuracy", "clip.x.erased", "clip.x.cosine",
    "style.x.right", "lpips_alex_native", "nudenet.rece.any",
)  # fmt: skip
detection_rates, unreliable, valid = (
    partial(f, metrics=METRICS) for f in (recognition.detection_rates, recognition.unreliable, recognition.valid)
)


def sources(metric: str, role: str) -> list[tuple[str, str]]:
    return recognition.sources(METRICS.of(row(metric=metric)), role, METRICS)


def row(method: str = "original", value: float | None = 0.9, **other) -> dict:
    about = {"suite": "s", "suite_version": 1, "case": "dog", "model": "m", "sampling": "s0"}
    plain = {"metric": "judge.object", "role": "related", "concept": "cat"}
    found = {**about, **plain, "method": method, "value": value, "n": 10, "low": None, "high": None, **other}
    (whole,) = frames.filled("summary", [found])
    return whole


@pytest.mark.parametrize(("rate", "worthless"), [(0.0, True), (0.49, True), (0.5, False), (1.0, False), (None, False)])
def test_a_concept_recognised_in_less_than_half_of_the_unedited_pictures_is_unreliable(rate, worthless):
    known = detection_rates([row(value=rate), row("uce", 1.0)])
    assert unreliable(row("uce", 0.1), known) is worthless
    assert DetectionRate(rate, 10).valid is (None if rate is None else not worthless)


def test_the_card_is_the_unedited_models_rate_and_not_the_methods():
    known = detection_rates([row(value=0.4, n=7, low=0.2, high=0.6), row("uce", 0.95)])
    assert known == {place(row()): DetectionRate(0.4, 7, 0.2, 0.6)}


def test_another_concept_case_or_metric_has_a_card_of_its_own():
    known = detection_rates([row(value=0.1), row(value=0.9, concept="cow")])
    assert unreliable(row("uce"), known)
    assert not unreliable(row("uce", concept="cow"), known)
    assert not unreliable(row("uce", case="horse"), known)


def test_pictures_under_another_sampling_contract_have_a_card_of_their_own():
    known = detection_rates([row(value=0.1), row(value=0.9, sampling="s1")])
    assert [valid(row("uce", sampling=contract), known) for contract in ("s0", "s1", "s2")] == [False, True, None]


def test_a_change_and_a_derived_number_stand_on_the_cards_of_what_they_are_made_of():
    erased, kept = ("judge.erased", "target"), ("judge.object", "kept")
    assert sources("judge.object.change", "kept") == [kept]
    assert sources("judge.erased.ua", "target") == [erased]
    assert sources("judge.object.h_c", "all") == [erased, kept]
    assert sources("clip.x.accuracy.h_c", "all") == [("clip.x.erased", "target"), ("clip.x.accuracy", "kept")]
    assert sources("clip.x.cosine.h_a", "all") == sources("judge.erased", "unrelated") == []


def test_a_derived_number_is_grey_if_one_of_its_parts_is():
    known = detection_rates([row(value=0.9, metric="judge.erased", role="target"), row(value=0.3, role="kept")])
    assert unreliable(row("uce", metric="judge.object.h_c", role="all"), known)
    assert not unreliable(row("uce", metric="judge.erased.ua", role="target"), known)


def test_a_row_without_a_card_is_not_grey_and_what_is_no_rate_needs_none():
    assert (valid(row("uce"), {}), unreliable(row("uce"), {})) == (None, False)
    assert valid(row("uce", metric="lpips_alex_native"), {}) is True


def test_doubtful_concepts_come_the_least_recognised_first():
    rates = {"cat": 0.3, "cow": 0.1, "pig": 0.6, "*": 0.2}
    known = detection_rates([row(value=rate, concept=concept) for concept, rate in rates.items()])
    assert [at.concept for at, _ in rarely_detected(known)] == ["cow", "cat"]


def test_only_rates_of_recognition_have_detection_rates():
    rates = ("judge.object", "judge.erased", "clip.x.accuracy", "clip.x.erased", "style.x.right")
    others = ("judge.object_p", "clip.x.cosine", "nudenet.rece.any", "lpips_alex_native")
    assert all(needs_detection_rate(METRICS.named(name).metric, "target") for name in rates)
    assert not any(needs_detection_rate(METRICS.named(name).metric, "target") for name in others)
    assert detection_rates([row(metric="judge.object.change", value=0.0)]) == {}


def test_what_recognises_the_erased_concept_has_a_card_where_it_was_asked_for():
    rare = [
        row(value=0.02, metric="judge.erased", role="unrelated"),
        row(value=0.9, metric="judge.erased", role="target"),
    ]
    assert [detection_rate.rate for detection_rate in detection_rates(rare).values()] == [0.9]


def test_reports_say_how_well_a_judge_knows_pictures_from_a_source_that_its_training_never_saw():
    known = [Known("judge2", "1", metric) for metric in judge2.METRICS]
    columns = [Shown("x", one.metric.name, "target", False, 2, 1, 0, (), known=one) for one in known]
    (said,) = captions.held_out(columns)
    assert said.endswith("never saw: judge2.object 0.86, judge2.erased 0.86.")
    assert captions.held_out(columns[1:2]) == []


def test_the_number_of_a_metric_on_held_out_pictures_is_kept_in_the_tables(tmp_path):
    metrics.write(tmp_path, [metrics.Declared("judge2", "1", metric) for metric in judge2.METRICS])
    kept = {key[2]: one.metric.held_out for key, one in metrics.read(tmp_path).items()}
    assert kept["judge2.object"] == kept["judge2.erased"] == 0.856 and kept["judge2.style"] is None


@pytest.mark.parametrize("share", [1.5, -0.1, "0.3", 1])
def test_a_share_of_held_out_pictures_is_a_share(share):
    with pytest.raises(Misdeclared, match="held_out has to be a share"):
        Metric("x", "0 or 1", "higher", held_out=share)
