"""Names of one style in many forms: which label is meant, and when none is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dumo_bench.scorers.stylenames import place, words

ARTISTS = ("vincent-van-gogh", "pablo-picasso", "rembrandt", "pieter-bruegel", "jan-bruegel", "post-impressionism")
NAME = st.lists(st.text("abcdefgh", min_size=1, max_size=5), min_size=1, max_size=4)


@pytest.mark.parametrize(
    "name", ["vincent-van-gogh", "Vincent van Gogh", "vincent_van_gogh", "Van Gogh", "Gogh", " VINCENT  VAN-GOGH "]
)
def test_forms_of_one_name_and_its_surname_mean_one_label(name):
    assert place(name, ARTISTS) == 0


def test_a_label_may_be_the_surname_of_the_artist_and_accents_and_colons_do_not_count():
    assert place("Vincent van Gogh", ("monet", "van_gogh")) == 1
    assert place("Edouard Manet", ("Claude-Monet", "Édouard Manet")) == 1
    assert place("Ajin: Demi Human", ("ajin demi-human", "x")) == 0


@pytest.mark.parametrize(
    ("name", "labels", "others", "says"),
    [
        ("Bruegel", ARTISTS, (), "'Bruegel' may be any of 'pieter-bruegel', 'jan-bruegel'"),
        ("Jan Bruegel", ("bruegel", "monet"), ("Pieter Bruegel",), "'bruegel' may be 'Jan Bruegel' or 'Pieter Brue"),
        ("Michelangelo", ("michelangelo-merisi-da-caravaggio",), (), "no style 'Michelangelo'"),
        ("impressionism", ARTISTS, (), "no style 'impressionism'"),
        ("Van Gogh", ("Van_Gogh", "van gogh"), (), "may be any of"),
        ("Tyler Edlin", ARTISTS, (), "no style 'Tyler Edlin'"),
        ("ogh", ARTISTS, (), "no style 'ogh'"),
        ("", ARTISTS, (), "the prompt names no style"),
    ],
)
def test_a_name_that_no_label_or_more_than_one_may_mean_is_a_reason(name, labels, others, says):
    found = place(name, labels, others)
    assert isinstance(found, str) and says in found


def test_a_label_of_the_same_words_goes_before_a_surname():
    assert place("Bruegel", ("pieter-bruegel", "bruegel")) == 1


@given(NAME, st.sampled_from([" ", "-", "_", ", ", " - "]), st.sampled_from([str.upper, str.title, str.lower]))
def test_separators_and_case_never_matter(parts, between, write):
    assert words(write(between.join(parts))) == tuple(parts)
