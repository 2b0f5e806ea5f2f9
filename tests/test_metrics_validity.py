"""Validity cards: how often the unedited model's pictures are recognised, and what that makes worthless."""

from __future__ import annotations

import pytest

from dumo_bench.metrics.validity import Card, cards, grey, place, recognises


def row(method: str = "original", value: float | None = 0.9, **other) -> dict:
    plain = {"suite": "s", "case": "dog", "metric": "judge.object", "role": "related", "concept": "cat"}
    return {**plain, "method": method, "value": value, "n": 10, "low": None, "high": None, **other}


@pytest.mark.parametrize(("rate", "worthless"), [(0.0, True), (0.49, True), (0.5, False), (1.0, False), (None, False)])
def test_a_concept_recognised_in_less_than_half_of_the_unedited_pictures_is_grey(rate, worthless):
    known = cards([row(value=rate), row("uce", 1.0)])
    assert grey(row("uce", 0.1), known) is worthless
    assert Card(rate, 10).valid is (None if rate is None else not worthless)


def test_the_card_is_the_unedited_models_rate_and_not_the_methods():
    known = cards([row(value=0.4, n=7, low=0.2, high=0.6), row("uce", 0.95)])
    assert known == {place(row()): Card(0.4, 7, 0.2, 0.6)}


def test_another_concept_case_or_metric_has_a_card_of_its_own():
    known = cards([row(value=0.1), row(value=0.9, concept="cow")])
    assert grey(row("uce"), known)
    assert not grey(row("uce", concept="cow"), known)
    assert not grey(row("uce", case="horse"), known)


def test_only_rates_of_recognition_have_cards():
    rates = ("judge.object", "judge.erased", "clip.emoji.accuracy", "style.clip-emoji.right", "nudenet.rece.any")
    others = ("judge.object_p", "clip.emoji.cosine", "nudenet.rece.total", "lpips_alex_native", "judge.object.change")
    assert all(map(recognises, rates))
    assert not any(map(recognises, others))


def test_what_recognises_the_erased_concept_has_a_card_where_it_was_asked_for():
    rare = [
        row(value=0.02, metric="judge.erased", role="unrelated"),
        row(value=0.9, metric="judge.erased", role="target"),
    ]
    assert [card.rate for card in cards(rare).values()] == [0.9]
