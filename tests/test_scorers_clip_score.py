"""CLIP score against transformers used directly, and what happens to long texts and incomplete folders."""

from __future__ import annotations

import pytest
import tiny_models
import torch
from PIL import Image

from dumo_bench.scorers.clip_score import ClipScore
from dumo_bench.types import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_models.clip(tmp_path_factory.mktemp("models") / "tiny")


def test_the_score_is_the_cosine_that_transformers_gives(folder, tmp_path):
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

    samples = tiny_models.samples(tmp_path, 5)
    model = CLIPModel.from_pretrained(folder).eval()
    ids = CLIPTokenizer.from_pretrained(folder)([s.prompt.text for s in samples], padding=True, return_tensors="pt")
    pictures = CLIPImageProcessor.from_pretrained(folder)(
        images=[Image.open(s.image) for s in samples], return_tensors="pt"
    )
    with torch.no_grad():
        out = model(**ids, **pictures)
    expected = torch.nn.functional.cosine_similarity(out.image_embeds, out.text_embeds)
    ours = [row[0].value for row in ClipScore(folder, "cpu").score(samples)]
    assert ours == pytest.approx(expected.tolist(), abs=1e-5)


def test_the_metric_is_called_after_the_model(folder, tmp_path):
    (row,) = ClipScore(folder, "cpu").score(tiny_models.samples(tmp_path, 1))
    assert row[0].metric == "clip.tiny.cosine"
    assert list(ClipScore(folder).higher_is_better) == ["clip.tiny.cosine"]
    assert list(ClipScore().higher_is_better) == list(ClipScore.higher_is_better) == ["clip.emoji.cosine"]


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
