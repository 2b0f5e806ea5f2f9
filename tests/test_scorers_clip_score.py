"""CLIP score, long texts and missing weights; against transformers and open_clip: test_deviations.py."""

from __future__ import annotations

import re

import pytest
import tiny_models
import torch

from dumo_bench.errors import UserError
from dumo_bench.scorers import clip, memory
from dumo_bench.scorers.clip_accuracy import ClipAccuracy
from dumo_bench.scorers.clip_score import UNITS, ClipScore
from dumo_bench.scorers.features import Extractor


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_models.clip(tmp_path_factory.mktemp("models") / "tiny")


def test_the_three_scalings_are_of_one_cosine(folder, tmp_path):
    scale = clip.load(folder, "cpu").scale
    for row in ClipScore(folder, "cpu").score(tiny_models.samples(tmp_path, 5)):
        cosine, x100, logit = (score.value for score in row)
        assert (x100, logit) == pytest.approx((100 * cosine, scale * cosine))


def test_the_metric_is_called_after_the_model(folder, tmp_path):
    (row,) = ClipScore(folder, "cpu").score(tiny_models.samples(tmp_path, 1))
    assert [score.metric for score in row] == ["clip.tiny.cosine", "clip.tiny.x100", "clip.tiny.logit"]
    assert [metric.name for metric in ClipScore(folder).metrics] == [score.metric for score in row]
    assert [metric.name for metric in ClipScore().metrics] == [f"clip.emoji.{unit}" for unit in UNITS]
    assert [metric.copy_of for metric in ClipScore(folder).metrics] == ["", "clip.tiny.cosine", "clip.tiny.cosine"]
    names = {spec: clip.name(spec) for spec in ("emoji", "emoji-2", "ViT-L/14", "a/b", "open_clip:RN50/openai")}
    assert list(names.values()) == ["emoji", "emoji-2", "clip-vit-large-patch14", "b", "open_clip-RN50-openai"]


def test_a_text_that_is_too_long_is_cut_and_the_note_says_so(folder, tmp_path):
    image = tiny_models.picture(tmp_path / "x.png", 1)
    texts = ["a " * 75, "a " * 76, "a " * 75 + "b"]
    rows = ClipScore(folder, "cpu").score([tiny_models.sample(image, i, text=text) for i, text in enumerate(texts)])
    assert [row[0].note for row in rows] == ["", "text cut to 77 tokens", "text cut to 77 tokens"]
    assert rows[1][0].value == pytest.approx(rows[0][0].value, abs=1e-6)


def test_a_model_without_its_tokenizer_is_refused(tmp_path):
    folder = tiny_models.clip(tmp_path / "bare")
    for name in ("tokenizer.json", "vocab.json"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(UserError, match="the tokenizer is missing"):
        ClipScore(folder).score(tiny_models.samples(tmp_path / "pictures", 1))


def test_a_model_without_its_image_processor_is_refused_and_not_guessed(tmp_path):
    folder = tiny_models.clip(tmp_path / "bare")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(UserError, match="json is missing; save the model's CLIPImageProcessor"):
        ClipScore(folder).score(tiny_models.samples(tmp_path / "pictures", 1))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("nobody/nothing", "hf download nobody/nothing"),
        ("ViT-B/32", "hf download openai/clip-vit-base-patch32"),
        ("open_clip:ViT-B-32/laion2b_s34b_b79k", "create_model\\('ViT-B-32', pretrained='laion2b_s34b_b79k'\\)"),
        ("open_clip:ViT-B-32/laion", "known: openai"),
        ("open_clip:ViT-B-33/x", "list_models"),
        ("gone", "save_pretrained"),
    ],
)
def test_a_model_that_is_not_there_is_said_with_the_command_that_gets_it(spec, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert re.search(says, ClipScore(spec).missing_weights())
    with pytest.raises(UserError, match=says):
        ClipScore(spec).score(tiny_models.samples(tmp_path / "pictures", 1))


def test_pictures_pass_the_model_once_whichever_scorers_ask(folder, tmp_path):
    samples, seen = tiny_models.samples(tmp_path, 3, seed=900), []  # no other test has asked for these

    def count(module, args, out) -> None:
        if isinstance(module, torch.nn.Conv2d):  # a CLIP has one: it cuts pictures into patches
            seen.append(len(out))

    handle = torch.nn.modules.module.register_module_forward_hook(count)
    try:
        ClipScore(folder, "cpu").score(samples)
        ClipAccuracy(folder, "cpu", ("dog", "cat")).score(samples)
        Extractor(folder, device="cpu").of([sample.image for sample in samples])
    finally:
        handle.remove()
    assert seen == [memory.BATCH]  # one batch, filled up


def test_a_text_is_read_once_whichever_pictures_ask_for_it(folder):
    model, seen = clip.load(folder, "cpu"), []
    texts = [f"text {i} of this test" for i in range(3)]

    def make(new):
        seen.append(list(new))
        return model.text(new)

    for asked in (texts, texts[::-1], [*texts, texts[0]]):
        memory.of_texts("counted", asked, make, lambda new: [16] * len(new))
    assert [one[:3] for one in seen] == [texts]
    assert len(seen[0]) == memory.BATCH


def test_features_of_a_text_do_not_depend_on_the_texts_beside_it(folder):
    texts = ["a dog", "a " * 20, "a " * 40, "a " * 100, *(f"a cat {i}" for i in range(30))]
    together = clip.text_vectors(folder, "cpu", texts)
    memory._READ_TEXTS.clear()
    alone = [clip.text_vectors(folder, "cpu", [text])[0] for text in reversed(texts)]
    assert (together[::-1] == alone).all()


def test_short_padding_gives_the_features_of_full_padding(folder):
    model = clip.load(folder, "cpu")
    texts = ["a dog", "a " * 20, "", "a " * 70]
    alone, beside_a_full_one = model.text(texts[:1]), model.text([*texts, "a " * 100])
    assert alone[0] == pytest.approx(beside_a_full_one[0], abs=1e-5)
    assert clip.text_vectors(folder, "cpu", texts) == pytest.approx(beside_a_full_one[:4], abs=1e-5)
