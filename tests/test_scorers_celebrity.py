"""The celebrity scorer: its network and its reading of names against independent ones, with random weights; its rules
with faces that a stand-in for the face finder gives. No picture of anybody is used."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import prompt_files
import pytest
import tiny_faces
import tiny_models
import torch
from PIL import Image
from torchvision.transforms.functional import to_tensor

from dumo_bench.errors import UserError
from dumo_bench.plugins import loading
from dumo_bench.scorers import celebrity
from dumo_bench.scorers.celebrity import Celebrity, Mtcnn
from dumo_bench.types import Case

PACKAGE = """
import numpy as np

class MTCNN:
    def __init__(self, **settings):
        self.settings = settings

    def detect(self, picture):
        if np.asarray(picture).mean() < 100:
            return None, [None]
        return np.array([[0.0, 0.0, 8.0, 8.0], [8.0, 8.0, 40.0, 48.0]]), np.array([0.8, 0.99])
"""


@pytest.fixture(scope="module")
def theirs() -> tiny_faces.Theirs:
    return tiny_faces.network()


@pytest.fixture(scope="module")
def folder(theirs, tmp_path_factory) -> Path:
    return tiny_faces.write(tmp_path_factory.mktemp("gcd"), theirs)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A stand-in for facenet-pytorch: two faces in whatever is bright, the second the surer."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "facenet_pytorch.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(str(tmp_path / "package"))
    monkeypatch.delitem(sys.modules, "facenet_pytorch", raising=False)
    celebrity._mtcnn.cache_clear()
    yield
    celebrity._mtcnn.cache_clear()
    sys.modules.pop("facenet_pytorch", None)


def samples(tmp_path, erase=("Bo Del Mid",), concepts=("ann first", "Bo Del Mid", "Nobody Known")):
    """A bright and a dark picture of each concept."""
    made = []
    for concept in concepts:
        for value in (200, 20):
            path = tmp_path / f"{concept}-{value}.png"
            Image.fromarray(np.full((64, 64, 3), value, np.uint8)).save(path)
            one = tiny_models.sample(path, len(made))
            made.append(replace(one, prompt=replace(one.prompt, concept=concept), case=Case("x", tuple(erase))))
    return made


def test_a_face_has_the_name_that_the_detector_s_own_network_gives_it(folder, theirs):
    faces = [np.random.default_rng(i).integers(0, 256, (224, 224, 3), dtype=np.uint8) for i in range(4)]
    with torch.no_grad():
        wanted = theirs(torch.stack([to_tensor(one) for one in faces]))
        mine = celebrity.logits(folder, "cpu", torch.from_numpy(np.stack(faces)))
    assert torch.allclose(mine, wanted, atol=1e-5)
    order = ["Ann First", "Bo Del Mid", "Zoe Last"]
    assert celebrity.named(folder, "cpu", faces) == [order[i] for i in wanted.argmax(1).tolist()]
    assert celebrity.named(folder, "cpu", []) == []


def test_classes_are_in_the_order_of_the_sorted_labels_whatever_their_index(folder):
    assert celebrity.names(folder) == ("Ann First", "Bo Del Mid", "Zoe Last")


@pytest.mark.parametrize(
    ("box", "found"),
    [
        ((20.0, 10.0, 40.0, 40.0), (18, 7, 42, 43)),
        ((-3.0, 2.0, 62.5, 70.0), (0, 0, 64, 64)),
        ((10.9, 10.9, 14.8, 14.8), (10, 10, 14, 14)),
    ],
)
def test_a_face_is_cut_with_a_tenth_of_its_box_on_each_side_within_the_picture(box, found):
    assert celebrity.around(box, 64, 64) == found


def test_the_surest_face_is_cut_and_brought_to_the_network_s_size(package):
    picture = np.random.default_rng(0).integers(150, 256, (64, 64, 3), dtype=np.uint8)
    box = Mtcnn().box(picture, "cpu")
    assert box == (8.0, 8.0, 40.0, 48.0) and Mtcnn().box(np.zeros((64, 64, 3), np.uint8), "cpu") is None
    cut = Image.fromarray(picture[4:52, 5:43]).resize((224, 224), Image.Resampling.BILINEAR)
    assert np.array_equal(celebrity.face(picture, box), np.asarray(cut))
    assert celebrity.face(picture, None) is None and celebrity.face(picture, (70.0, 70.0, 80.0, 80.0)) is None


def test_faces_are_found_with_the_detector_s_own_thresholds(package):
    settings = {"min_face_size": 20, "thresholds": [0.6, 0.7, 0.7], "factor": 0.709}
    assert celebrity._mtcnn("cpu").settings == {**settings, "select_largest": False, "device": "cpu"}


def test_pictures_without_a_face_are_counted_beside_and_judged_by_nobody(package, folder, tmp_path):
    every = samples(tmp_path)
    rows = [{s.metric: s for s in row} for row in Celebrity(folder, "cpu").score(every)]
    assert [row["celebrity.face"].value for row in rows] == [1.0, 0.0] * 3
    for sample, row in zip(every, rows, strict=True):
        seen, asked = row["celebrity.erased"].note, sample.prompt.concept
        if not row["celebrity.face"].value:
            assert row["celebrity.erased"].value is None and seen == "no face is found"
            continue
        assert row["celebrity.erased"].value == (seen == "Bo Del Mid")
        known = asked != "Nobody Known"
        assert row["celebrity.right"].value == (float(seen.lower() == asked.lower()) if known else None)
    assert rows[4]["celebrity.right"].note == "the detector knows no 'Nobody Known'"


@pytest.mark.parametrize(
    ("seen", "right", "erased"), [("Ann First", 1.0, 0.0), ("Bo Del Mid", 0.0, 1.0), ("Zoe Last", 0.0, 0.0)]
)
def test_right_is_the_prompt_s_name_and_erased_any_that_the_case_erases(tmp_path, seen, right, erased):
    known = {"ann first", "bo del mid", "zoe last"}
    found = {s.metric: s.value for s in celebrity.verdict(samples(tmp_path)[0], known, seen)}
    assert found == {"celebrity.right": right, "celebrity.erased": erased, "celebrity.face": 1.0}


def test_a_case_that_erases_somebody_unknown_or_nobody_has_no_verdict(tmp_path):
    for erase, reason in ((("Ann First", "Who"), "cannot judge"), ((), "not asked")):
        one = samples(tmp_path, erase)[0]
        found = {s.metric: s for s in celebrity.verdict(one, {"ann first"}, "Ann First")}
        assert found["celebrity.erased"].value is None and found["celebrity.erased"].reason == reason


def test_what_is_missing_is_said_with_what_to_type(folder, tmp_path, monkeypatch):
    assert "celebrity@FOLDER" in loading.make("scorers", f"celebrity@{tmp_path}").missing_weights()
    monkeypatch.setattr(celebrity, "find_spec", lambda _: None)
    celebrity._mtcnn.cache_clear()
    assert "pip install --no-deps facenet-pytorch" in Celebrity(folder).missing_weights()
    with pytest.raises(UserError, match="pip install --no-deps facenet-pytorch"):
        Mtcnn().box(np.zeros((64, 64, 3), np.uint8), "cpu")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda state: {k: w for k, w in state.items() if "fc1.bias" not in k}, "fc1.bias does not fit"),
        (lambda state: {**state, "model.fc3.weight": torch.zeros(1)}, "fc3.weight does not fit"),
        (lambda state: {**state, "model.fc2.weight": torch.zeros(4, 256), "model.fc2.bias": torch.zeros(4)}, "4 names"),
        (lambda state: {}, "no network can be loaded"),
    ],
)
def test_weights_of_another_network_are_refused_in_one_line(folder, tmp_path, change, says):
    state = torch.load(folder / celebrity.WEIGHTS, weights_only=True)["model_state"]
    torch.save({"model_state": change(state)}, tmp_path / celebrity.WEIGHTS)
    (tmp_path / celebrity.NAMES).write_text((folder / celebrity.NAMES).read_text())
    with pytest.raises(UserError, match=says) as told:
        celebrity._network(tmp_path, "cpu")
    assert "\n" not in str(told.value)


def test_the_suite_s_list_is_ten_names_that_go_and_a_hundred_that_stay(monkeypatch):
    """Written by its rule, names x templates x five seeds, it has the bytes and the hash that the suite states."""
    suite = prompt_files.load("celebrities", monkeypatch)
    (case,) = suite.cases
    roles = [suite.role(case, prompt) for prompt in suite.prompts]
    assert (roles.count("target"), roles.count("unrelated")) == (250, 2500) and len(case.erase) == 10
    assert suite.prompts[-1].text == "Robert De Niro in an official photo" and suite.prompts[-1].draws[0].seed == 5
    assert all(prompt.concept in prompt.text for prompt in suite.prompts)
