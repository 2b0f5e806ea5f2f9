"""CLIP accuracy and the style classifier against transformers used directly, and what they say of unknown words."""

from __future__ import annotations

from dataclasses import replace

import compared
import numpy as np
import pytest
import tiny_models
from compared import WORDS
from tiny_models import suite

from dumo_bench.analysis import derived
from dumo_bench.errors import UserError
from dumo_bench.plugins import versions
from dumo_bench.scorers.clip_accuracy import ClipAccuracy
from dumo_bench.scorers.clip_accuracy_mace import ClipAccuracyMace
from dumo_bench.scorers.style_classifier import StyleClassifier
from dumo_bench.types import Case

PAIRS = ((0.1, 0.9), (0.9, 0.1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_models.clip(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    return tiny_models.classifier(tmp_path_factory.mktemp("models") / "styles")


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return tiny_models.samples(tmp_path_factory.mktemp("pictures"), 5)


def softmax_by_transformers(folder, samples, texts):
    return compared.by_transformers(folder, samples, texts).logits_per_image.softmax(1)


def test_the_likeliest_is_the_one_that_transformers_finds(folder, samples):
    expected = softmax_by_transformers(folder, samples, [f"a photo of {word}" for word in WORDS])
    rows = ClipAccuracy(folder, "cpu", WORDS).score(samples)
    assert [row[0].value for row in rows] == [float(best == 0) for best in expected.argmax(1)]
    assert [row[0].note for row in rows] == [WORDS[best] for best in expected.argmax(1)]
    assert [score.metric for score in rows[0]] == ["clip.tiny.accuracy", "clip.tiny.accuracy_p", "clip.tiny.erased"]


def test_the_probabilities_of_all_concepts_add_up_to_one(folder, samples):
    def share(word):
        return replace(samples[0], prompt=replace(samples[0].prompt, concept=word))

    rows = ClipAccuracy(folder, "cpu", WORDS).score([share(word) for word in WORDS])
    assert sum(row[1].value for row in rows) == pytest.approx(1)
    assert sum(row[0].value for row in rows) == 1


def test_the_choice_is_among_the_suites_concepts(folder):
    assert ClipAccuracy(folder).for_suite(suite()).concepts == ("dog", "ghost")
    assert "photo" in ClipAccuracy(folder).for_suite(suite()).template
    assert "style" in ClipAccuracy(folder).for_suite(suite("style")).template


def test_a_concept_outside_the_list_or_no_list_is_not_measured(folder, samples):
    for words, says in ((("cat", "cow"), "'dog' is none of the suite's concepts"), ((), "two concepts at least")):
        (row,) = ClipAccuracy(folder, "cpu", words).score(samples[:1])
        assert all(score.value is None for score in row) and says in row[0].note
        assert {score.reason for score in row} == {"cannot judge"}
    none = replace(samples[0], case=Case("none", ()), role="unrelated")
    assert ClipAccuracy(folder, "cpu", WORDS).score([none])[0][-1].reason == "not asked"


def erased_of(scorer, sample, seen: str, known=WORDS) -> float | None:
    """Whether a scorer that has recognised `seen` says that the erased concept is shown."""
    p = np.array([float(word == seen) for word in known])
    row = scorer._verdict(sample, p) if isinstance(scorer, ClipAccuracy) else scorer._verdict(sample, known, p)
    return row[-1].value


@pytest.mark.parametrize("scorer", [ClipAccuracy("x", "cpu", (*WORDS, "spirit")), StyleClassifier("x", "cpu")])
def test_a_concept_that_the_case_erases_is_shown_by_its_name_or_by_a_targets_own_word(samples, scorer):
    known = (*WORDS, "spirit")
    ghost = replace(samples[0], case=Case("ghost", ("ghost",)))
    prompt = replace(ghost.prompt, concept="spirit", shows={"style": "spirit"})
    other_words, kept = replace(ghost, prompt=prompt), replace(ghost, prompt=prompt, role="related")
    told = [erased_of(scorer, one, seen, known) for one in (other_words, kept) for seen in ("ghost", "spirit", "bomb")]
    assert told == [1, 1, 0, 1, 0, 0]


MACE = ClipAccuracyMace("x", "cpu", (*WORDS, "spirit"))


def test_maces_probability_is_of_the_prompts_concept_and_of_what_is_to_be_gone(samples):
    """dog 0.1, ghost 0.2, bomb 0.3, spirit 0.4; a ghost is erased, the picture was asked for a spirit or a bomb."""
    p, ghost = np.array([0.1, 0.2, 0.3, 0.4]), replace(samples[0], case=Case("ghost", ("ghost", "bomb")))

    def told(concept: str, role: str) -> list[float | None]:
        one = replace(ghost, prompt=replace(ghost.prompt, concept=concept), role=role)
        return [score.value for score in MACE._verdict(one, p)]

    assert told("ghost", "target") == pytest.approx([0.2, 0.2])  # Acc_e: of its own concept, though two are erased
    assert told("spirit", "target") == pytest.approx([0.4, 0.4 + 0.2 + 0.3])  # Acc_g: in other words
    assert told("spirit", "related") == pytest.approx([0.4, 0.2 + 0.3])
    assert told("cow", "related")[0] is None
    none = replace(ghost, case=Case("none", ()), role="unrelated")
    assert MACE._verdict(none, p)[1].reason == "not asked"
    cow = replace(ghost, case=Case("cow", ("cow",)), role="unrelated")
    assert MACE._verdict(cow, p)[1].reason == "cannot judge"


def test_maces_text_and_scale_are_in_the_convention_and_the_same_in_a_suite_of_styles(folder):
    for task in ("object", "style"):
        scorer = ClipAccuracyMace(folder).for_suite(suite(task))
        assert (scorer.template, scorer.scale) == ("a photo of the {}", 100.0)
    asked, erased = ClipAccuracyMace("ViT-B/32").metrics
    assert asked.name == "clip.clip-vit-base-patch32.mace_p" and asked.partner == erased.name
    assert asked.convention == {"text": "a photo of the {}", "scale": "100"}


def test_maces_acc_and_h_are_made_of_means_of_probabilities():
    made = {number.what: number for number in derived.numbers(ClipAccuracyMace("x").metrics)}
    assert set(made) == {"ua", "acc_e", "acc_g", "h_c", "h_o", "hm"} and not any(one.rates for one in made.values())
    h_o = made["h_o"].f(*(np.array(part) for part in (0.0849, 0.9735, 0.1053)))
    assert h_o == pytest.approx(0.92659, abs=1e-5)  # 3 / (1/0.9151 + 1/0.9735 + 1/0.8947)


def test_erasing_what_a_classifier_cannot_name_is_not_measured(samples):
    cow = replace(samples[0], case=Case("cow", ("cow",)), role="unrelated")
    for scorer in (ClipAccuracy("x", "cpu", WORDS), StyleClassifier("x", "cpu")):
        assert erased_of(scorer, cow, "dog") is None


def test_a_classifier_is_right_where_its_own_label_is_the_likeliest(classifier, samples):
    rows = StyleClassifier(classifier, "cpu").score(samples)
    assert [row[0].value for row in rows] == [float(row[0].note == "Noto") for row in rows]
    assert [row[1].value for row in rows] == [1.0] * 5  # of three labels
    assert [score.metric for score in rows[0]] == [
        f"style.styles.{what}" for what in ("right", "right3", "p", "erased")
    ]


def test_without_a_classifier_a_clip_chooses_among_the_suites_styles(folder, samples):
    scorer = StyleClassifier(f"clip:{folder}", "cpu").for_suite(suite())
    assert scorer.styles == ("noto", "ink")
    expected = softmax_by_transformers(folder, samples, [f"a picture in the style of {s}" for s in scorer.styles])
    rows = scorer.score(samples)
    assert [row[2].value for row in rows] == pytest.approx(expected[:, 0].tolist(), abs=1e-5)
    assert rows[0][0].metric == "style.clip-tiny.right"


def test_an_artist_is_a_style_in_a_suite_of_styles(folder, samples):
    bare = replace(suite("style"), prompts=tuple(replace(p, shows={}) for p in suite().prompts))
    scorer = StyleClassifier(f"clip:{folder}", "cpu").for_suite(bare)
    assert scorer.styles == ("dog", "ghost")
    (row,) = scorer.score([replace(samples[0], prompt=replace(samples[0].prompt, shows={}))])
    assert row[0].value is not None


def test_labels_match_whatever_their_case_and_dashes(classifier, samples):
    (row,) = StyleClassifier(classifier, "cpu").score(
        [replace(samples[0], prompt=replace(samples[0].prompt, shows={"style": "ink-drawing"}))]
    )
    assert row[0].value is not None


@pytest.mark.parametrize(
    ("shows", "says", "reason"),
    [({"style": "fauvism"}, "no style 'fauvism'", "cannot judge"), ({}, "names no style", "not asked")],
)
def test_a_style_without_a_label_is_not_measured(classifier, samples, shows, says, reason):
    (row,) = StyleClassifier(classifier, "cpu").score(
        [replace(samples[0], prompt=replace(samples[0].prompt, shows=shows))]
    )
    assert all(score.value is None for score in row) and says in row[0].note
    assert {score.reason for score in row[:3]} == {reason}


def test_an_artist_without_a_label_is_no_success_of_an_erasure_of_two(samples):
    two = replace(samples[0], case=Case("two", ("Vincent van Gogh", "Tyler Edlin")), role="related")
    row = StyleClassifier("x", "cpu")._verdict(two, ("van-gogh", "rembrandt"), np.array([0.1, 0.9]))
    assert (row[-1].value, row[-1].note) == (None, "the classifier knows no style 'Tyler Edlin'")
    one = replace(two, case=Case("one", ("Vincent van Gogh",)))
    told = [StyleClassifier("x", "cpu")._verdict(one, ("van-gogh", "rembrandt"), np.array(p))[-1].value for p in PAIRS]
    assert told == [0, 1]


def test_a_case_that_erases_an_object_asks_nothing_of_a_style_classifier_and_a_style_without_a_label_does(samples):
    def why(task: str, *erase: str) -> tuple[str, str]:
        one = replace(samples[0], case=Case("x", erase))
        known = StyleClassifier("x", "cpu").for_suite(suite(task))
        score = known._verdict(one, ("van-gogh", "noto"), np.array([0.1, 0.9]))[-1]
        return score.note, score.reason

    assert why("object", "ghost") == ("the case erases no style", "not asked")
    assert why("object", "ink") == ("the classifier knows no style 'ink'", "cannot judge")
    assert why("style", "Tyler Edlin") == ("the classifier knows no style 'Tyler Edlin'", "cannot judge")
    assert why("style") == ("the case erases nothing", "not asked")


def test_a_given_list_is_what_the_clip_chooses_among_and_is_in_name_label_and_version(folder, samples, tmp_path):
    listed = tmp_path / "masters.txt"
    listed.write_text("# painters\nCaspar David Friedrich\n\nNoto\nink_drawing\n")
    scorer = StyleClassifier(f"clip:{folder}:{listed}", "cpu").for_suite(suite())
    names = ("Caspar David Friedrich", "Noto", "ink_drawing")
    expected = softmax_by_transformers(folder, samples, [f"a picture in the style of {name}" for name in names])
    rows = scorer.score(samples)
    assert [row[2].value for row in rows] == pytest.approx(expected[:, 1].tolist(), abs=1e-5)
    assert rows[0][2].metric == "style.clip-tiny-masters.p"
    assert "3 styles" in scorer.label
    first = versions.version(scorer)
    listed.write_text("Caspar David Friedrich\nNoto\nRembrandt\n")
    own = versions.version(StyleClassifier(f"clip:{folder}", "cpu"))
    assert len({first, versions.version(scorer), own}) == 3


def test_a_list_that_is_not_there_or_is_no_choice_is_said(folder, samples, tmp_path):
    scorer = StyleClassifier(f"clip:{folder}:{tmp_path / 'none.txt'}", "cpu")
    assert "none.txt is missing" in scorer.missing_weights()
    for said, why in (("Noto\n", "two styles at least"), ("Van Gogh\nvan_gogh\n", "'van_gogh' is listed twice")):
        (tmp_path / "none.txt").write_text(said)
        with pytest.raises(UserError, match=why):
            scorer.score(samples[:1])


def test_one_style_is_no_choice_and_a_classifier_without_its_processor_is_refused(folder, samples, tmp_path):
    (row,) = StyleClassifier(f"clip:{folder}", "cpu", ("noto",)).score(samples[:1])
    assert "two styles at least, the suite has 1" in row[0].note
    assert {score.reason for score in row} == {"cannot judge"}
    (tiny_models.classifier(tmp_path) / "preprocessor_config.json").unlink()
    with pytest.raises(UserError, match="save the model's image processor"):
        StyleClassifier(tmp_path).score(samples[:1])
    assert "hf download a/b" in StyleClassifier("a/b").missing_weights()
    assert "hf download openai" in StyleClassifier("clip:ViT-B/32").missing_weights()
