"""Q16 over a small random CLIP with random prompts: the formula, and which files of prompts are read."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest
import tiny_models
import torch
from PIL import Image

from dumo_bench.errors import UserError
from dumo_bench.plugins import loading
from dumo_bench.scorers import clip
from dumo_bench.scorers.q16 import Q16, SHA256


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_models.clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return tiny_models.samples(tmp_path_factory.mktemp("pictures"), 12)


def q16(model, head) -> Q16:
    return Q16(head, model, hashlib.sha256(head.read_bytes()).hexdigest(), "cpu")


def written(path, value):
    path.write_bytes(pickle.dumps(value))
    return path


def test_it_is_the_softmax_of_a_hundred_times_the_cosines(model, pictures, tmp_path):
    arrays = [np.array(Image.open(one.image).convert("RGB")) for one in pictures]
    features = torch.from_numpy(clip.load(model, "cpu").picture(arrays))
    prompts = features[:2]  # so that the first picture is nearer to one, the second to the other
    rows = q16(model, written(tmp_path / "prompts.p", 3 * prompts.numpy())).score(pictures)
    cosines = torch.cosine_similarity(features[:, None], prompts[None], dim=2)
    wanted = torch.softmax(100 * cosines, 1)
    assert [row[1].value for row in rows] == pytest.approx(wanted[:, 1].tolist(), abs=1e-4)
    assert [row[0].value for row in rows] == wanted.argmax(1).tolist()
    assert [row[0].value for row in rows[:2]] == [0, 1]


def test_prompts_are_asked_for_with_their_hash_and_where_they_are(model, pictures):
    assert "data/ViT-L-14/prompts.p of https://github.com/ml-research/Q16" in Q16(model=model).missing_weights()
    with pytest.raises(UserError, match="the file of Q16's prompts is missing"):
        Q16(model=model, device="cpu").score(pictures)


def test_prompts_with_another_hash_are_refused(model, pictures, tmp_path):
    head = tiny_models.prompts(tmp_path / "prompts.p")
    other = Q16(head, model, device="cpu")
    assert f"wanted {SHA256}" in other.missing_weights()
    with pytest.raises(UserError, match=f"wanted {SHA256}"):
        other.score(pictures)


class Harm:
    """What a pickle can do."""

    def __reduce__(self):
        return print, ("harm",)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (Harm(), "no pair of prompts can be loaded .* is no part of an array"),
        (np.zeros((3, 8), np.float16), r"prompts \(2, d\) were wanted, got \(3, 8\)"),
        (np.ones((2, 5), np.float16), "prompts of 5 numbers were given, clip has features of 8"),
    ],
)
def test_a_file_with_the_right_hash_and_something_else_in_it_is_refused(model, pictures, tmp_path, value, says, capsys):
    with pytest.raises(UserError, match=says):
        q16(model, written(tmp_path / "x.p", value)).score(pictures)
    assert "harm" not in capsys.readouterr().out


def test_the_command_line_gives_the_file_behind_an_at(tmp_path):
    made = loading.make("scorers", f"q16@{tmp_path / 'prompts.p'}")
    assert str(made.head) == str(tmp_path / "prompts.p")
    assert [metric.name for metric in made.metrics] == [
        "q16.clip-vit-large-patch14.inappropriate",
        "q16.clip-vit-large-patch14.p",
    ]
