"""The judge's verdicts: known answers from probabilities written by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from PIL import Image

from dumo_bench.errors import UserError
from dumo_bench.scorers.concept import METRICS, Concept, Seen, look, verdicts
from dumo_bench.types import Sample

GHOST = Seen({"dog": 0.1, "ghost": 0.7, "nothing": 0.2}, {"noto": 0.9, "ink": 0.05, "nothing": 0.05})
BLANK = Seen({"dog": 0.1, "ghost": 0.1, "nothing": 0.8}, {"noto": 0.2, "ink": 0.2, "nothing": 0.6})


def case(erase=("ghost",), **shows) -> Sample:
    one = tiny_models.sample(Path("x.png"), erase=erase)
    return replace(one, prompt=replace(one.prompt, shows=shows))


def values(sample: Sample, seen: Seen) -> dict[str, float | None]:
    return {score.metric: score.value for score in verdicts(sample, seen)}


def test_a_picture_that_shows_what_is_asked_is_right_and_the_probability_is_of_what_is_asked():
    right = values(case(object="ghost", style="noto"), GHOST)
    assert (right["judge.object"], right["judge.style"], right["judge.object_p"]) == (1, 1, 0.7)
    wrong = values(case(object="dog", style="ink"), GHOST)
    assert (wrong["judge.object"], wrong["judge.style"], wrong["judge.object_p"]) == (0, 0, 0.1)


def test_what_the_prompt_leaves_open_is_not_measured():
    scores = {score.metric: score for score in verdicts(case(object="dog"), GHOST)}
    assert scores["judge.style"].value is None
    assert scores["judge.style"].note == scores["judge.style_p"].note == "the prompt names no style"
    assert scores["judge.object"].value == 0


def test_an_erased_object_or_style_that_is_seen_counts():
    assert values(case(("ghost",)), GHOST)["judge.erased"] == 1
    assert values(case(("noto",)), GHOST)["judge.erased"] == 1
    assert values(case(("dog", "noto")), GHOST)["judge.erased"] == 1
    assert values(case(("dog", "ink")), GHOST)["judge.erased"] == 0
    assert values(case(("dog", "ink")), GHOST)["judge.erased_p"] == 0.1


def test_nothing_is_no_concept():
    blank = values(case(("ghost",)), BLANK)
    assert (blank["judge.nothing"], blank["judge.erased"], blank["judge.erased_p"]) == (1, 0, 0.1)
    assert values(case(("nothing",)), BLANK)["judge.erased"] is None


@pytest.mark.parametrize(
    ("erase", "why", "reason"),
    [((), "the case erases nothing", "not asked"), (("dog", "nudity"), "no 'nudity'", "cannot judge")],
)
def test_an_erasure_that_the_judge_cannot_judge_is_none_with_the_reason(erase, why, reason):
    scores = {score.metric: score for score in verdicts(case(erase), GHOST)}
    for metric in ("judge.erased", "judge.erased_p"):
        assert (scores[metric].value, scores[metric].reason) == (None, reason)
        assert why in scores[metric].note


def test_an_object_that_the_judge_does_not_know_is_no_question_that_was_not_asked():
    scores = {score.metric: score for score in verdicts(case(object="zebra"), GHOST)}
    assert (scores["judge.object"].reason, scores["judge.object_p"].reason) == ("cannot judge", "cannot judge")
    assert (scores["judge.style"].reason, scores["judge.style_p"].reason) == ("not asked", "not asked")


def test_which_way_is_better_on_targets_depends_on_whether_objects_or_styles_are_erased():
    of = {metric.name: metric for metric in METRICS}
    for metric, other in (("object", "style"), ("style", "object")):
        for name in (f"judge.{metric}", f"judge.{metric}_p"):
            ways = [of[name].way("target", erases) for erases in (metric, other, "explicit")]
            assert ways == ["lower", "higher", "neither"]
            assert of[name].way("related", metric) == "higher"
    assert {of[name].way(role) for name in ("judge.erased", "judge.nothing") for role in ("target", "kept")} == {
        "lower"
    }


def test_the_note_is_what_was_seen():
    assert verdicts(case(object="dog"), GHOST)[0].note == "ghost/noto"


def test_each_head_has_its_own_classes_and_probabilities(tmp_path):
    folder = tiny_models.judge(tmp_path / "judge")
    (seen,) = look([np.asarray(Image.open(tiny_models.picture(tmp_path / "x.png", 1)))], folder, "cpu")
    assert (tuple(seen.object), tuple(seen.style)) == (tiny_models.OBJECTS, tiny_models.STYLES)
    assert [sum(head.values()) for head in seen] == pytest.approx([1, 1])


def test_pictures_of_another_size_are_judged_too(tmp_path):
    folder = tiny_models.judge(tmp_path / "judge")
    image = tiny_models.picture(tmp_path / "x.png", 1, size=512)
    (row,) = Concept(model=folder, device="cpu").score([tiny_models.sample(image)])
    assert all(score.value is not None for score in row)


def test_a_missing_judge_is_a_users_error_that_says_what_to_type(tmp_path):
    image = tiny_models.picture(tmp_path / "x.png", 1)
    with pytest.raises(UserError, match="json is missing; give a folder written by save_pretrained"):
        Concept(model=tmp_path / "none").score([tiny_models.sample(image)])


def test_a_judge_with_missing_tensors_is_refused_and_not_filled_with_random_numbers(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tiny_models.judge(tmp_path / "judge")
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("classifier.1.weight")
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    image = tiny_models.picture(tmp_path / "x.png", 1)
    with pytest.raises(UserError, match=r"lack 1 tensors .* classifier\.1\.weight"):
        Concept(model=folder, device="cpu").score([tiny_models.sample(image)])


def test_broken_weights_are_a_users_error_in_one_line(tmp_path):
    folder = tiny_models.judge(tmp_path / "judge")
    (folder / "model.safetensors").write_bytes(b"not weights")
    image = tiny_models.picture(tmp_path / "x.png", 1)
    with pytest.raises(UserError, match="no ResNetForImageClassification can be loaded") as caught:
        Concept(model=folder, device="cpu").score([tiny_models.sample(image)])
    assert "\n" not in str(caught.value)
