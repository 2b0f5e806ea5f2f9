"""FID, KID and likeness of pictures: known answers through the real extractor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tiny_models

from dumo_bench.scorers.features import Extractor, picture_vectors, scaled
from dumo_bench.scorers.fid import Fid
from dumo_bench.scorers.kid import Kid
from dumo_bench.scorers.likeness import Likeness
from dumo_bench.scorers.pictures import read

MISSING = "1 missing: picture cannot be read; "


@pytest.fixture(scope="module")
def extractor(tmp_path_factory) -> Extractor:
    folder = tmp_path_factory.mktemp("models")
    return Extractor(tiny_models.clip(folder / "tiny"), tiny_models.real(folder / "real.safetensors"), "cpu")


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return tiny_models.samples(tmp_path_factory.mktemp("many"), 40)


def test_a_set_against_itself_has_an_fid_of_nought(extractor, many):
    original, real = Fid(extractor).score_set(many, [sample.image for sample in many])
    assert original.metric == "fid.tiny.original"
    assert original.value == pytest.approx(0, abs=1e-6)
    assert real.value > 0.1


def test_two_halves_of_one_distribution_have_a_kid_near_nought_and_another_one_has_not(extractor, many, tmp_path):
    plain = tiny_models.sample(tiny_models.picture(tmp_path / "x.png", 0))
    alike, _ = Kid(extractor).score_set(many[:20], [sample.image for sample in many[20:]])
    other, _ = Kid(extractor).score_set([plain] * 20, [sample.image for sample in many[20:]])
    assert abs(alike.value) < 0.1 * other.value


def test_the_note_of_kid_gives_its_spread_over_subsets(extractor, many):
    original, real = Kid(extractor).score_set(many, [sample.image for sample in many[:30]])
    assert "n=40, against 30" in original.note
    assert "20 subsets of 15" in original.note
    assert "n=40, against 40" in real.note


def with_originals(samples, originals):
    return [replace(sample, original=other.image) for sample, other in zip(samples, originals, strict=True)]


def test_the_unedited_models_pictures_against_themselves_have_a_kid_of_nought(extractor, many):
    for n in (2, 6, 40):
        own = with_originals(many[:n], many[:n])
        original, _ = Kid(extractor).score_set(own, [sample.original for sample in own])
        assert original.value == pytest.approx(0, abs=1e-9) and "of pairs" in original.note
    strangers, _ = Kid(extractor).score_set(many[:6], [sample.image for sample in many[:6]])
    assert strangers.value < -0.05 and "of pairs" not in strangers.note


def test_a_pair_of_which_a_picture_cannot_be_read_is_left_out_whole(extractor, many, tmp_path):
    whole = with_originals(many[:8], many[8:16])
    (tmp_path / "broken.png").write_text("no picture")
    edited = replace(many[20], image=tmp_path / "broken.png", original=many[21].image)
    first = replace(many[22], original=tmp_path / "broken.png")
    some = [edited, *whole[:4], first, *whole[4:]]
    wanted, _ = Kid(extractor).score_set(whole, [sample.original for sample in whole])
    found, _ = Kid(extractor).score_set(some, [sample.original for sample in some])
    assert found.value == pytest.approx(wanted.value)
    assert (found.n, found.n_missing, found.lost) == (8, 2, 1)


def test_one_and_the_same_picture_has_no_diversity(extractor, many):
    same, _ = Likeness(extractor).score_set([many[0]] * 5, [])
    varied, _ = Likeness(extractor).score_set(many, [])
    assert same.value == pytest.approx(0, abs=1e-6)
    assert varied.value > 0.001


def test_pictures_that_are_the_real_ones_are_at_distance_nought_from_them(extractor, many, tmp_path):
    from safetensors.numpy import save_file

    vectors = picture_vectors([read(sample.image) for sample in many], extractor.folder, "cpu")
    save_file({"clip": vectors.astype(np.float16)}, tmp_path / "real.safetensors")
    at_home = Extractor(extractor.folder, tmp_path / "real.safetensors", "cpu")
    assert Likeness(at_home).score_set(many, [])[1].value == pytest.approx(0, abs=1e-5)
    assert Fid(at_home).score_set(many, [])[1].value == pytest.approx(0, abs=1e-3)
    assert Likeness(extractor).score_set(many, [])[1].value > 0.01


def test_without_real_features_only_the_comparison_with_them_is_missing(extractor, many, tmp_path):
    bare = Extractor(extractor.folder, tmp_path / "none.safetensors", "cpu")
    for scorer in (Fid(bare), Kid(bare), Likeness(bare)):
        first, second = scorer.score_set(many, [sample.image for sample in many])
        assert first.value is not None
        assert second.value is None
        assert "no features of real pictures" in second.note
        assert second.reason == "no reference"


def test_real_features_of_another_width_are_none_with_both_widths(extractor, many, tmp_path):
    wide = Extractor(extractor.folder, tiny_models.real(tmp_path / "real.safetensors", width=16), "cpu")
    for scorer in (Fid(wide), Kid(wide), Likeness(wide)):
        score = scorer.score_set(many, [])[-1]
        assert score.value is None
        assert "8 and 16" in score.note
        assert score.reason == "failed"


def test_a_picture_that_the_reference_lacks_is_in_the_note_and_no_picture_of_the_set(extractor, many, tmp_path):
    gone = tmp_path / "gone.png"
    some = [*many[:11], replace(many[11], image=gone)]
    original, real = Fid(extractor).score_set(some, [*(s.image for s in many[:11]), gone])
    assert [(one.n, one.n_missing) for one in (original, real)] == [(11, 1), (11, 1)]
    assert "; 1 reference pictures could not be read" in original.note and "reference" not in real.note
    assert (original.lost, real.lost) == (1, 0)
    assert original.note.startswith(MISSING) and real.note.startswith(MISSING)
    (whole, real) = Fid(extractor).score_set(many, [*(s.image for s in many[:30]), gone])
    assert (whole.n, whole.n_missing, whole.lost, real.lost) == (40, 0, 1, 0)
    assert "missing" not in whole.note


def test_a_set_is_too_small_before_its_reference_is_missing(extractor, many, tmp_path):
    """One picture is too few whatever the reference; enough pictures with nothing to compare lack a reference."""
    one, some, gone = many[:1], many[:5], tmp_path / "gone.png"
    wanted = [
        (one, [], "too few pictures", 0),
        (one, [gone], "too few pictures", 1),
        (some, [], "no reference", 0),
        (some, [gone], "no reference", 1),
        (some, [many[0].image], "too few pictures", 0),
    ]
    for scorer in (Fid(extractor), Kid(extractor)):
        for samples, reference, reason, lost in wanted:
            original, _ = scorer.score_set(samples, reference)
            assert (original.value, original.reason, original.lost) == (None, reason, lost)


def test_fid_and_kid_differ_in_what_they_stand_for_and_say_what_they_are_made_with(extractor):
    for scorer, digits, more in ((Fid(extractor), 3, {}), (Kid(extractor), 4, {"estimate": "of pairs"})):
        original, real = scorer.metrics
        assert (original.way("target"), original.way("kept")) == ("neither", "lower")
        assert (real.way("target"), real.way("kept")) == ("lower", "lower")
        assert original.convention == {"features": "tiny", "against": "original", **more}
        assert real.convention == {"features": "tiny", "against": "real"}
        assert original.digits == real.digits == digits


def test_features_have_the_length_that_the_kernel_expects(extractor, many):
    x, lost = extractor.of(sample.image for sample in many)
    assert lost == 0
    assert (x**2).sum(1) == pytest.approx(np.full(40, 8.0), rel=1e-5)
    assert x == pytest.approx(scaled(picture_vectors([read(s.image) for s in many], extractor.folder, "cpu")), abs=1e-4)


def test_a_picture_that_was_made_again_gets_new_features(extractor, tmp_path):
    path = tiny_models.picture(tmp_path / "x.png", 1)
    (before,), _ = extractor.of([path])
    tiny_models.picture(path, 2, size=96)
    (after,), _ = extractor.of([path])
    assert np.abs(before - after).max() > 1e-3


def test_other_weights_have_another_hash_in_the_label(extractor, tmp_path):
    other = Extractor(tiny_models.clip(tmp_path / "tiny", seed=1), extractor.real)
    assert other.name == extractor.name == "tiny"
    assert other.label != extractor.label
