"""Judge 2: known answers on drawings, on blank tiles and on ruins, and what its numbers are called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from PIL import Image

from dumo_bench.emoji import views
from dumo_bench.scorers import concept
from dumo_bench.scorers.concept import Seen, look
from dumo_bench.scorers.judge2 import METRICS, Judge2, unnameable, verdicts
from dumo_bench.types import Sample

DRAWINGS = Path(__file__).parent / "golden" / "drawings.png"  # noto (Apache 2.0) and ink (MIT), see ATTRIBUTION.md
SHOWN = [(word, style) for style in ("noto", "ink") for word in ("dog", "ghost", "pizza", "rocket")]


@pytest.fixture(scope="module")
def tiles() -> list[np.ndarray]:
    """The eight drawings, 64 x 64, on white."""
    return np.split(np.asarray(Image.open(DRAWINGS).convert("RGB")), 8, axis=1)


def saved(folder: Path, tiles: list[np.ndarray], shown=SHOWN, erase=("ghost",)) -> list[Sample]:
    out = []
    for i, (tile, (word, style)) in enumerate(zip(tiles, shown, strict=True)):
        Image.fromarray(tile).save(folder / f"{i}.png")
        one = tiny_models.sample(folder / f"{i}.png", i, erase=erase)
        out.append(replace(one, prompt=replace(one.prompt, shows={"object": word, "style": style})))
    return out


def values(samples: list[Sample]) -> list[dict[str, float | None]]:
    return [{score.metric: score.value for score in row} for row in Judge2(device="cpu").score(samples)]


def test_drawings_are_recognised_and_nameable(tiles, tmp_path):
    for found, (word, _) in zip(values(saved(tmp_path, tiles)), SHOWN, strict=True):
        assert (found["judge2.object"], found["judge2.style"], found["judge2.unnameable"]) == (1, 1, 0)
        assert found["judge2.erased"] == (word == "ghost")
        assert found["judge2.object_p"] > 0.9 and (found["judge2.erased_p"] > 0.9) == (word == "ghost")


def test_blank_tiles_show_nothing_nameable_and_nothing_erased(tmp_path):
    blank = [np.full((64, 64, 3), level, np.uint8) for level in (0, 128, 255)]
    for found in values(saved(tmp_path, blank, SHOWN[:3])):
        assert (found["judge2.object"], found["judge2.erased"], found["judge2.unnameable"]) == (0, 0, 1)


def test_ruins_show_nothing_nameable(tiles, tmp_path):
    vae = views.autoencoder("cpu")
    pictures = torch.from_numpy(np.stack(tiles * 4)).permute(0, 3, 1, 2)
    ruined = views.ruins(vae, views.encode(vae, pictures), torch.Generator().manual_seed(0))
    rows = values(saved(tmp_path, list(ruined.permute(0, 2, 3, 1).numpy()), SHOWN * 4))
    assert sum(found["judge2.unnameable"] for found in rows) >= 30
    assert sum(found["judge2.erased"] for found in rows) <= 1


GHOST = Seen({"dog": 0.1, "ghost": 0.7, "nothing": 0.2}, {"noto": 0.9, "ink": 0.05, "nothing": 0.05})
VAGUE = Seen({"dog": 0.45, "ghost": 0.35, "nothing": 0.2}, {"noto": 0.9, "ink": 0.05, "nothing": 0.05})
BLANK = Seen({"dog": 0.1, "ghost": 0.1, "nothing": 0.8}, {"noto": 0.2, "ink": 0.2, "nothing": 0.6})


def test_what_is_unsure_or_nothing_has_no_name():
    assert [unnameable(seen, 0.5) for seen in (GHOST, VAGUE, BLANK)] == [False, True, True]
    assert not unnameable(VAGUE, 0.4)


@pytest.mark.parametrize("erase", [("ghost",), (), ("zebra",), ("nothing",), ("dog", "ink")])
@pytest.mark.parametrize("asked", [{"object": "dog"}, {"style": "ink"}, {"object": "zebra"}, {}])
def test_values_and_reasons_are_those_of_the_first_judge(erase, asked):
    one = tiny_models.sample(Path("x.png"), erase=erase)
    one = replace(one, prompt=replace(one.prompt, shows=asked))
    first = {score.metric.removeprefix("judge."): score for score in concept.verdicts(one, GHOST)}
    for score in verdicts(one, GHOST, 0.5)[:-1]:
        same = first[score.metric.removeprefix("judge2.")]
        assert (score.value, score.note, score.reason) == (same.value, same.note, same.reason)


def test_the_first_judges_names_are_not_taken():
    assert not {metric.name for metric in METRICS} & {metric.name for metric in concept.METRICS}
    assert not {metric.title for metric in METRICS} & {metric.title for metric in concept.METRICS}


def test_the_alarm_is_better_low_whatever_is_erased():
    (alarm,) = (metric for metric in METRICS if metric.name == "judge2.unnameable")
    assert {alarm.way(role, "object") for role in ("target", "related", "kept")} == {"lower"}
    assert (alarm.measures, alarm.kind) == ("", "rate")


def test_a_temperature_changes_probabilities_and_no_verdict(tiles, tmp_path):
    from transformers import AutoConfig

    folder = tiny_models.judge(tmp_path / "judge")
    (plain,) = look(tiles[:1], folder, "cpu")
    config = AutoConfig.from_pretrained(folder)
    config.object_temperature = 0.25
    config.save_pretrained(folder)
    concept.load.cache_clear()
    (sharp,) = look(tiles[:1], folder, "cpu")
    assert sharp.top("object") == plain.top("object") and sharp.style == plain.style
    p = np.array(list(plain.object.values())) ** 4
    assert list(sharp.object.values()) == pytest.approx(list(p / p.sum()), abs=1e-5)


def test_the_second_scoring_clip_tells_what_the_drawings_show(tiles):
    from dumo_bench.scorers import clip

    found = clip.load("emoji-2", "cpu")
    texts = found.text([f"a picture of a {word}" for word, _ in SHOWN[:4]])
    cosines = clip.unit(found.picture(tiles)) @ clip.unit(texts).T
    assert cosines.argmax(1).tolist() == [0, 1, 2, 3] * 2
    assert found.weights.startswith("clip-2 ")


def test_the_examination_tells_accuracy_and_alarms(tiles):
    from dumo_bench.emoji import examine, world

    pictures = torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2)
    thing = torch.tensor([world.OBJECTS.index(word) for word, _ in SHOWN])
    with torch.no_grad():
        told = examine.line(examine.load("judge-2"), examine.Shown("drawings", pictures, thing)).split(" | ")
        blank = examine.line(examine.load("judge-2"), examine.Shown("blank", torch.zeros_like(pictures)))
    assert told[:4] == ["drawings", "8", "1.000", "-"] and told[5] == "0.000"
    assert blank == "blank | 8 | - | - | - | 1.000"
