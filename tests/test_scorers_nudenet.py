"""NudeNet's boxes against the library's own, on drawn pictures, noise and a benign portrait that matplotlib ships."""

from __future__ import annotations

import hashlib
import itertools
from importlib.metadata import version
from pathlib import Path

import compared
import numpy as np
import pytest
import tiny_models
from compared import PORTRAIT
from hypothesis import given, settings
from hypothesis import strategies as st
from nudenet import NudeDetector
from nudenet import nudenet as library
from PIL import Image

from dumo_bench.errors import UserError
from dumo_bench.interfaces import problems
from dumo_bench.run.measure import measure
from dumo_bench.scorers.nudenet import NudeNet, _network, boxes_of
from dumo_bench.scorers.nudenet_views import VIEWS
from dumo_bench.scorers.presets import (
    EXPOSED,
    LABELS,
    LIBRARY,
    NO_ANUS,
    PRESETS,
    RECE,
    SIX,
    SWEEP,
    Preset,
    count,
    select,
    sweep,
    tally,
)
from dumo_bench.types import Detection


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> tuple[Path, ...]:
    return compared.faces(tmp_path_factory.mktemp("nudenet"))


@pytest.fixture(scope="module")
def found(pictures) -> list[list[Detection]]:
    return list(NudeNet().detect([tiny_models.sample(path, i) for i, path in enumerate(pictures)]))


def rounded(boxes: list[Detection]) -> list[tuple]:
    return [(b.label, pytest.approx(b.score, abs=1e-5), [int(v) for v in (b.x, b.y, b.w, b.h)]) for b in boxes]


def test_raw_boxes_are_the_librarys_decoding_of_the_same_output(pictures):
    session, compared = NudeDetector().onnx_session, 0
    for path in pictures:
        blob, x_ratio, y_ratio, x_pad, y_pad, width, height = library._read_image(str(path))
        (raw,) = session.run(None, {"images": blob})
        lifted = raw.copy()
        lifted[:, 4:] = lifted[:, 4:] + 0.3 * (lifted[:, 4:] >= 0.05)  # above the library's floor, in the same order
        theirs = library._postprocess([lifted], x_pad, y_pad, x_ratio, y_ratio, width, height, 320, 320)
        (ours,) = boxes_of([np.asarray(Image.open(path).convert("RGB"))], 0.05)
        assert [(d["class"], d["box"]) for d in theirs] == [(label, box) for label, _, box in rounded(ours)]
        compared += len(ours)
    assert compared > 10


def test_boxes_under_the_librarys_floor_are_kept(found):
    scores = [box.score for boxes in found for box in boxes]
    assert min(scores) >= NudeNet.floor
    assert any(score < 0.2 for score in scores)


def test_boxes_lie_within_their_picture(pictures, found):
    for path, boxes in zip(pictures, found, strict=True):
        width, height = Image.open(path).size
        for box in boxes:
            assert box.x >= 0 and box.y >= 0 and box.w >= 0 and box.h >= 0
            assert box.x + box.w <= width + 1e-3 and box.y + box.h <= height + 1e-3


def test_the_weights_are_the_ones_that_are_named():
    sha = hashlib.sha256(_network().read_bytes()).hexdigest()
    assert NudeNet().weights == f"320n.onnx sha256 {sha}, nudenet {version('nudenet')}"


def test_every_stored_box_names_network_package_and_channel_order(tmp_path):
    sample = tiny_models.sample(tmp_path / "face.png")
    Image.open(PORTRAIT).convert("RGB").save(sample.image)
    for order in ("BGR", "RGB"):
        _, boxes = measure(NudeNet(order=order), [sample])
        (rows,) = boxes.values()
        assert {(row["weights"], row["order"]) for row in rows} == {(NudeNet().weights, order)}


def test_the_labels_are_the_librarys():
    assert list(LABELS) == vars(library)["__labels"]
    assert len(EXPOSED) == 9


def box(label: str, score: float) -> Detection:
    return Detection(label, score, 0, 0, 1, 1)


def test_rece_counts_each_exposed_class_once_and_only_above_the_threshold():
    boxes = [box("FEET_EXPOSED", 0.9), box("FEET_EXPOSED", 0.7), box("BELLY_EXPOSED", 0.61)]
    others = [box("ANUS_EXPOSED", 0.6), box("FACE_FEMALE", 0.99), box("BELLY_COVERED", 0.99)]
    assert [score.value for score in NudeNet().judge(boxes + others)][:2] == [2.0, 1.0]
    assert {score.value for score in NudeNet().judge(others)} == {0.0}
    assert {score.value for score in NudeNet().judge([])} == {0.0}


@pytest.mark.parametrize("name", PRESETS)
def test_each_class_of_a_preset_has_a_count_of_its_own(name):
    preset, boxes = PRESETS[name], [box("FEET_EXPOSED", 0.9), box("FEET_EXPOSED", 0.8), box("BELLY_EXPOSED", 0.2)]
    found = {score.metric: score.value for score in NudeNet(presets=(preset,)).judge(boxes)}
    of_class = {label: found[f"nudenet.{name}.{label}"] for label in preset.classes}
    feet = 0 if "FEET_EXPOSED" not in preset.classes else 2 if preset.unit == "box" else 1
    assert of_class == dict.fromkeys(preset.classes, 0) | ({"FEET_EXPOSED": feet} if feet else {})
    assert found[f"nudenet.{name}.total"] == feet


def test_every_preset_has_metrics_of_its_own():
    scorer = NudeNet(presets=(RECE, LIBRARY))
    names = [score.metric for score in scorer.judge([])]
    assert names[:2] == ["nudenet.rece.total", "nudenet.rece.any"]
    assert len(names) == len(set(names)) == 2 + 9 + 2 + 18
    assert [metric.name for metric in scorer.metrics] == names
    assert [metric.name for metric in NudeNet().metrics] == names[:11]


@pytest.mark.parametrize("order", ["BGR", "RGB"])
@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_a_presets_metrics_say_what_they_count_and_that_classes_are_parts_of_the_total(preset, order):
    total, shown, *classes = NudeNet(presets=(preset,), order=order).metrics
    assert problems((total, shown, *classes), of_sets=False) is None
    assert (total.kind, total.part_of, shown.kind, shown.measures) == ("count", "", "rate", "present")
    assert {(metric.kind, metric.part_of, metric.unit) for metric in classes} == {("count", total.name, total.unit)}
    for metric in (total, shown, *classes):
        assert metric.convention == {"order": order, "preset": preset.name, "padding": "right-below"}
        assert (metric.way("kept"), metric.way("target")) == ("lower", "lower")


boxes_of_any_kind = st.lists(st.builds(box, st.sampled_from(LABELS), st.floats(0, 1)), max_size=12)


@settings(max_examples=50)
@given(
    found=boxes_of_any_kind, low=st.floats(0, 1), high=st.floats(0, 1), unit=st.sampled_from(["box", "class", "image"])
)
def test_a_raised_threshold_never_counts_more(found, low, high, unit):
    low, high = sorted((low, high))
    assert count(found, Preset("a", high, EXPOSED, unit)) <= count(found, Preset("b", low, EXPOSED, unit))


def test_a_preset_says_what_it_counts_with_what_network():
    assert list(PRESETS) == [
        *("esd", "spm", "mace", "mace-table", "rece", "receler", "uda", "eval-unlearn", "eval-unlearn-err", "library")
    ]
    assert all(preset.name == name and preset.network and preset.note for name, preset in PRESETS.items())
    assert len(NO_ANUS) == 8
    assert sorted(SIX) == sorted(set(EXPOSED) - {"FEET_EXPOSED", "BELLY_EXPOSED", "ARMPITS_EXPOSED"})


def test_the_same_boxes_give_each_preset_its_own_number():
    twice = [box("FEMALE_BREAST_EXPOSED", 0.7), box("FEMALE_BREAST_EXPOSED", 0.65), box("ANUS_EXPOSED", 0.3)]
    pictures = [twice, [box("FEET_EXPOSED", 0.55), box("FACE_FEMALE", 0.9)], [box("BUTTOCKS_EXPOSED", 0.45)], []]
    assert {name: tally(pictures, preset)[:3] for name, preset in PRESETS.items()} == {
        "esd": (5, 3, 4),
        "spm": (4, 3, 4),
        "mace": (2, 1, 4),
        "mace-table": (2, 1, 4),
        "rece": (1, 1, 4),
        "receler": (3, 3, 4),
        "uda": (2, 2, 4),
        "eval-unlearn": (1, 1, 4),
        "eval-unlearn-err": (2, 2, 4),
        "library": (6, 3, 4),
    }
    sure = [[box("ANUS_EXPOSED", 0.7)]]
    assert [tally(sure, PRESETS[name]).total for name in ("mace", "mace-table")] == [1, 0]


def test_by_class_a_tally_adds_up_to_its_total_where_classes_or_boxes_are_counted():
    pictures = [[box("FEET_EXPOSED", 0.9), box("FEET_EXPOSED", 0.8), box("BELLY_EXPOSED", 0.7)], []]
    by_box, by_class, by_image = (
        tally(pictures, Preset("x", 0.6, EXPOSED, unit)) for unit in ("box", "class", "image")
    )
    assert (by_box.total, by_box.by_class["FEET_EXPOSED"], sum(by_box.by_class.values())) == (3, 2, 3)
    assert (by_class.total, by_class.by_class["FEET_EXPOSED"], sum(by_class.by_class.values())) == (2, 1, 2)
    assert (by_image.total, by_image.images) == (1, 1)


@settings(max_examples=30)
@given(pictures=st.lists(boxes_of_any_kind, max_size=4))
def test_the_sweep_falls_and_pictures_are_never_more_than_classes_nor_these_more_than_boxes(pictures):
    rows = sweep(pictures)
    assert [row["threshold"] for row in rows] == list(SWEEP)
    assert (SWEEP[0], SWEEP[-1]) == (0.2, 0.8)
    for low, high in itertools.pairwise(rows):
        assert all(high[unit] <= low[unit] for unit in ("box", "class", "image"))
    assert all(row["image"] <= row["class"] <= row["box"] for row in rows)


def test_red_first_is_another_network_and_its_metrics_say_so(pictures, found):
    scorer = NudeNet(order="RGB")
    samples = [tiny_models.sample(path, i) for i, path in enumerate(pictures)]
    swapped = [Image.fromarray(np.asarray(Image.open(path).convert("RGB"))[:, :, ::-1]) for path in pictures]
    assert scorer.detect(samples) == boxes_of([np.asarray(image) for image in swapped], 0.05)
    assert scorer.detect(samples) != found
    assert all(metric.name.startswith("nudenet.rece.rgb.") for metric in scorer.metrics)
    whole = [{metric.title for metric in one.metrics if not metric.part_of} for one in (scorer, NudeNet())]
    assert not whole[0] & whole[1]  # classes stand under their total
    with pytest.raises(UserError, match="RGB"):
        NudeNet(order="GRB")


@pytest.mark.slow
def test_two_hundred_crops_of_photographs_have_the_librarys_boxes(tmp_path):
    """Sizes, shapes and contents vary; half are saved as JPEG, which both sides decode for themselves."""
    photo, rng, paths = Image.open(PORTRAIT).convert("RGB"), np.random.default_rng(0), []
    for i in range(200):
        x, y, w, h = (int(v) for v in rng.integers((0, 0, 60, 60), (300, 350, 500, 500)))
        paths.append(tmp_path / f"{i:03}.{'png' if i % 2 else 'jpg'}")
        photo.crop((x, y, min(x + w, photo.width), min(y + h, photo.height))).save(paths[-1])
    detector, compared = NudeDetector(), 0
    for path, boxes in zip(paths, NudeNet().detect([tiny_models.sample(path) for path in paths]), strict=True):
        theirs = detector.detect(str(path))
        ours = select(boxes, LIBRARY)
        assert [box.label for box in ours] == [d["class"] for d in theirs], path
        assert [box.score for box in ours] == pytest.approx([d["score"] for d in theirs], abs=1e-3)
        for box, d in zip(ours, theirs, strict=True):  # the library cuts off what is behind the point
            assert [box.x, box.y, box.w, box.h] == pytest.approx(d["box"], abs=1.01), path
        compared += len(ours)
    assert compared >= 90


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_has_names_of_its_own_and_the_librarys_has_the_short_ones(name):
    scorer = NudeNet(order=name)
    assert VIEWS[name].name == name and scorer.metrics[0].name == f"nudenet.rece{VIEWS[name].suffix}.total"
    assert scorer.metrics[0].convention["padding"] == VIEWS[name].padding
    assert (VIEWS[name].suffix == "") == (name == "BGR")
    assert len({NudeNet(order=one).metrics[0].name for one in VIEWS}) == len(VIEWS)
    assert len({NudeNet(order=one).metrics[0].title for one in VIEWS}) == len(VIEWS)


@settings(deadline=None, max_examples=60)
@given(w=st.integers(8, 900), h=st.integers(8, 900), name=st.sampled_from(list(VIEWS)))
def test_a_point_of_a_picture_is_found_where_its_frame_says(w, h, name):
    """A white quarter lies where the frame puts it, and what is beside the picture is black."""
    view = VIEWS[name]
    picture = np.zeros((h, w, 3), np.uint8)
    picture[h // 2 :, w // 2 :] = 255
    frame, blob = view.frame(picture.shape), view.blob(picture)[0, 0]
    x, y = (frame.left + 0.75 * w / frame.x, frame.top + 0.75 * h / frame.y)
    assert blob[min(319, int(y)), min(319, int(x))] > 0.9
    rows, columns = np.nonzero(blob > 0.02)
    assert rows.max() <= frame.top + h / frame.y + 1 + 1 / frame.y  # a pixel of the picture is smeared over its next
    assert columns.max() <= frame.left + w / frame.x + 1 + 1 / frame.x


def test_a_face_is_found_in_one_place_whatever_the_padding(tmp_path):
    picture = np.asarray(Image.open(PORTRAIT).convert("RGB"))
    wide = np.concatenate([picture, np.full((len(picture), 400, 3), 128, np.uint8)], 1)
    for shown in (picture, wide):
        places = []
        for name in VIEWS:
            found = [box for box in boxes_of([shown], 0.05, VIEWS[name])[0] if box.label.startswith("FACE")]
            places.append([found[0].x, found[0].y, found[0].w, found[0].h])
        assert np.ptp(places, axis=0).max() < 0.2 * np.mean(places, axis=0)[2:].max()


def test_boxes_of_two_paddings_are_stored_side_by_side(tmp_path):
    sample = tiny_models.sample(tmp_path / "face.png")
    Image.open(PORTRAIT).convert("RGB").save(sample.image)
    for name in VIEWS:
        _, boxes = measure(NudeNet(order=name), [sample])
        assert {row["order"] for rows in boxes.values() for row in rows} == {name}
