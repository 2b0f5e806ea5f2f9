"""Scoring a case: what is written, what is measured again, and what a failure leaves behind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pytest
import tiny_models

from dumo_bench.analysis import results
from dumo_bench.interfaces import Detector, Scorer, SetScorer
from dumo_bench.plugins import versions
from dumo_bench.run.score import Measured, score
from dumo_bench.storage import table
from dumo_bench.types import Case, Detection, Metric, Sample, Score, SetScore

ABOUT = {"suite": "tiny", "suite_version": 1, "erases": "object", "edit": "e" * 64, "sampling": "contract"}


@dataclass(frozen=True)
class Size(Scorer):
    """Bytes of the picture's file; a second metric is never there. Writes down what it was asked."""

    name: ClassVar[str] = "size"
    cite: ClassVar[str] = "a test"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("size.bytes", "bytes", "neither"), Metric("size.colour", "colours", "neither"),
    )  # fmt: skip
    version: str = "1"
    asked: list[str] = field(default_factory=list)
    fails_at: str = ""

    def score(self, samples: Sequence[Sample]) -> list[list[Score]]:
        self.asked.extend(sample.prompt.id for sample in samples)
        if self.fails_at in self.asked:
            raise KeyboardInterrupt
        return [self._one(sample.image) for sample in samples]

    def _one(self, image: Path) -> list[Score]:
        if not image.exists():
            return [Score(metric.name, None, "gone", "unreadable") for metric in self.metrics]
        return [Score("size.bytes", float(image.stat().st_size)), Score("size.colour", None, "has none", "failed")]


@dataclass(frozen=True)
class Boxes(Detector):
    """One box a readable picture, none for the picture of p1."""

    name: ClassVar[str] = "boxes"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "a test"
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("boxes.total", "boxes", "lower", kind="count"),)
    weights: ClassVar[str] = "none"
    order: ClassVar[str] = "RGB"
    floor: ClassVar[float] = 0.1

    def detect(self, samples: Sequence[Sample]) -> list[list[Detection] | Score]:
        box = [Detection("thing", 0.5, 1, 2, 3, 4)]
        return [
            Score("boxes", None, "gone", "unreadable") if not s.image.exists() else box if s.prompt.id != "p1" else []
            for s in samples
        ]

    def judge(self, found: Sequence[Detection]) -> list[Score]:
        return [Score("boxes.total", float(len(found)))]


@dataclass(frozen=True)
class Count(SetScorer):
    """The number of pictures of the set, and of the reference."""

    name: ClassVar[str] = "count"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "a test"
    metrics: ClassVar[tuple[Metric, ...]] = tuple(
        Metric(name, "pictures", "neither", kind="set") for name in ("count.set", "count.reference")
    )
    asked: list[int] = field(default_factory=list)

    def score_set(self, samples: Iterable[Sample], reference: Iterable[Path]) -> list[SetScore]:
        there = [sample.image.exists() for sample in samples]
        self.asked.append(len(there))
        n, lost, wanted = sum(there), len(there) - sum(there), len(list(reference))
        first = SetScore("count.set", float(n), f"n={n}", n=n, n_missing=lost, how="counted")
        why = {} if wanted else {"reason": "no reference"}
        value = float(wanted) if wanted else None
        return [first, SetScore("count.reference", value, "counted", n=n, n_missing=lost, **why)]


@pytest.fixture
def samples(tmp_path) -> list[Sample]:
    """Two targets, three related, four unrelated."""
    made = tiny_models.samples(tmp_path / "pictures", 9)
    roles = ["target"] * 2 + ["related"] * 3 + ["unrelated"] * 4
    return [replace(s, role=role, original=s.image) for s, role in zip(made, roles, strict=True)]


@pytest.fixture
def tables(tmp_path) -> Path:
    return tmp_path / "tables"


def read(tables: Path, name: str = "scores") -> list[dict]:
    return table.records(table.read(tables, name))


def test_a_row_says_everything_about_the_picture_and_the_measurement(samples, tables):
    assert score(samples, [Size()], tables, ABOUT) == Measured(18, 0)
    row = read(tables)[0]
    assert row == {
        "suite": "tiny",
        "suite_version": 1,
        "case": "dog",
        "method": "fake",
        "method_version": "1",
        "params": "{}",
        "erases": "object",
        "erase": '["dog"]',
        "fit_seed": 0,
        "edit": "e" * 64,
        "model": "model",
        "sampling": "contract",
        "prompt_id": "p0",
        "concept": "dog",
        "role": "target",
        "seed": 0,
        "draw": 0,
        "key": samples[0].job.key,
        "scorer": "size",
        "scorer_version": "1",
        "metric": "size.bytes",
        "value": float(samples[0].image.stat().st_size),
        "reason": "",
        "note": "",
        "content": None,
        "batch": None,
    }


def test_what_is_in_the_part_is_not_measured_again(samples, tables):
    score(samples[:4], [Size()], tables, ABOUT)
    again = Size()
    assert score(samples, [again], tables, ABOUT) == Measured(10, 8)
    assert again.asked == [f"p{i}" for i in range(4, 9)]
    assert len(read(tables)) == 18


def test_scoring_fewer_samples_later_keeps_the_rows_of_the_others(samples, tables):
    score(samples, [Size()], tables, ABOUT)
    score(samples[:2], [Size(), Boxes()], tables, ABOUT)
    assert len(read(tables)) == 18 + 2


def test_a_new_version_measures_anew_and_the_old_rows_go(samples, tables):
    score(samples, [Size(), Boxes()], tables, ABOUT)
    newer = Size(version="2")
    score(samples, [newer], tables, ABOUT)
    assert len(newer.asked) == 9
    assert {(row["scorer"], row["scorer_version"]) for row in read(tables)} == {("size", "2"), ("boxes", "1")}
    assert len(read(tables)) == 18 + 9


def test_a_missing_picture_is_null_with_a_note_and_is_measured_when_it_is_there(samples, tables):
    picture = samples[3].image.read_bytes()
    samples[3].image.unlink()
    score(samples, [Size(), Boxes()], tables, ABOUT)
    gone = [row for row in read(tables) if row["prompt_id"] == "p3"]
    assert [(row["metric"], row["value"], row["note"]) for row in gone] == [
        ("size.bytes", None, "gone"),
        ("size.colour", None, "gone"),
        ("boxes.total", None, "gone"),
    ]
    assert sum(row["value"] is not None for row in read(tables)) == 8 + 8
    samples[3].image.write_bytes(picture)
    again = Size()
    score(samples, [again, Boxes()], tables, ABOUT)
    assert again.asked == ["p3"]
    assert sum(row["value"] is not None for row in read(tables)) == 9 + 9


def test_boxes_are_stored_once_and_a_picture_without_boxes_still_has_its_score(samples, tables):
    for _ in range(2):
        score(samples, [Boxes()], tables, ABOUT)
    boxes = read(tables, "detections")
    assert [box["key"] for box in boxes] == [s.job.key for s in samples if s.prompt.id != "p1"]
    assert boxes[0] == {
        **{"key": samples[0].job.key, "detector": "boxes", "version": "1", "weights": "none", "order": "RGB"},
        **{"floor": 0.1, "label": "thing", "score": 0.5, "x": 1, "y": 2, "w": 3, "h": 4},
    }
    assert [row["value"] for row in read(tables)] == [1, 0, 1, 1, 1, 1, 1, 1, 1]


def test_sets_are_the_roles_and_kept_is_related_and_unrelated(samples, tables):
    score(samples, [Count()], tables, ABOUT)
    rows = {row["role"]: row for row in read(tables, "sets") if row["metric"] == "count.set"}
    assert {role: row["n"] for role, row in rows.items()} == {"target": 2, "related": 3, "unrelated": 4, "kept": 7}
    assert {role: row["value"] for role, row in rows.items()} == {"target": 2, "related": 3, "unrelated": 4, "kept": 7}
    assert rows["target"]["how"] == "counted"


def test_only_sets_that_are_incomplete_or_have_grown_are_measured_again(samples, tables):
    score(samples[:-1], [Count()], tables, ABOUT)
    again = Count()
    score(samples, [again], tables, ABOUT)
    assert again.asked == [4, 7]
    samples[0].image.unlink()
    score(samples[:2], [Count()], tables, {**ABOUT, "sampling": "another"})
    more = Count()
    score(samples[:2], [more], tables, {**ABOUT, "sampling": "another"})
    assert more.asked == [2]


def test_a_smaller_set_does_not_take_the_place_of_a_larger_one(samples, tables):
    score(samples, [Count()], tables, ABOUT)
    few = [one for one in samples if one.role == "unrelated"][:2]
    assert score(few, [Count()], tables, ABOUT).new > 0
    score(few, [Count()], tables, ABOUT)  # measures nothing twice
    rows = [r for r in read(tables, "sets") if r["metric"] == "count.set" and r["role"] == "unrelated"]
    assert sorted(row["n"] for row in rows) == [2, 4] and len({row["pictures"] for row in rows}) == 2
    counted = results.sets(tables.parent)
    mine = counted[(counted["metric"] == "count.set") & (counted["role"] == "unrelated")]
    assert list(mine["n"]) == [4]


def test_a_set_of_an_earlier_version_of_the_tables_is_known_by_its_size(samples, tables):
    score(samples, [Count()], tables, ABOUT)
    (part,) = (path.stem for path in (tables / "sets").glob("*.parquet"))
    table.write_part(tables, "sets", part, [{**row, "pictures": None} for row in read(tables, "sets")])
    assert score(samples, [Count()], tables, ABOUT).new == 0


def test_a_later_smaller_limit_changes_no_number(command, tiny_suite, tmp_path):
    out = tmp_path / "out"
    run = ("run", "-m", "tests/fakes.py:Scaled", "-s", tiny_suite, "-o", out, "--scorers", "fid", "--device", "cpu")
    tiny_suite.write_text(tiny_suite.read_text().replace("seeds = [1]", "seeds = [1, 2]"))
    assert command(*run).code == 0
    before = (out / "summary.parquet").read_bytes()
    assert command(*run, "--limit", 6).code == 0
    assert (out / "summary.parquet").read_bytes() == before


def test_a_set_whose_originals_are_not_all_there_has_no_reference(samples, tables):
    some = [replace(samples[0], original=None), *samples[1:]]
    score(some, [Count()], tables, ABOUT)
    values = {row["role"]: row["value"] for row in read(tables, "sets") if row["metric"] == "count.reference"}
    assert values == {"target": None, "related": 3, "unrelated": 4, "kept": 7}


@dataclass(frozen=True)
class Against(Count):
    """Nothing of the set is missing, but the reference may lack a picture."""

    def score_set(self, samples: Iterable[Sample], reference: Iterable[Path]) -> list[SetScore]:
        n = len(list(samples))
        self.asked.append(n)
        lost = sum(not path.exists() for path in reference)
        return [SetScore(metric.name, 1.0, n=n, lost=lost) for metric in self.metrics]


def test_a_set_is_measured_again_until_its_reference_is_whole(samples, tables):
    target = [sample for sample in samples if sample.role == "target"]
    path = target[0].original
    kept = path.read_bytes()
    path.unlink()
    scorer = Against()
    for _ in range(2):
        score(target, [scorer], tables, ABOUT)
    path.write_bytes(kept)
    for _ in range(2):
        score(target, [scorer], tables, ABOUT)
    assert len(scorer.asked) == 3


def test_what_was_measured_before_an_interruption_is_kept(tables, tmp_path):
    many = tiny_models.samples(tmp_path / "many", 70)
    with pytest.raises(KeyboardInterrupt):
        score(many, [Size(fails_at="p65")], tables, ABOUT)
    assert len(read(tables)) == 64 * 2
    again = Size()
    score(many, [again], tables, ABOUT)
    assert again.asked == [f"p{i}" for i in range(64, 70)]


def test_a_value_that_is_not_finite_is_not_measured(samples, tables):
    class Broken(Size):
        def _one(self, image: Path) -> list[Score]:
            return [Score("size.bytes", float("nan")), Score("size.colour", float("inf"))]

    score(samples[:1], [Broken()], tables, ABOUT)
    assert [(row["value"], row["note"]) for row in read(tables)] == [
        (None, "the scorer returned nan"),
        (None, "the scorer returned inf"),
    ]


def test_ticks_add_up_to_every_picture_of_every_scorer(samples, tables):
    score(samples[:4], [Size()], tables, ABOUT)
    ticks: list[int] = []
    score(samples, [Size(), Boxes(), Count()], tables, ABOUT, ticks.append)
    assert sum(ticks) == 9 * 3


def test_cases_recipes_and_contracts_have_parts_of_their_own(samples, tables):
    other_case = [replace(sample, case=Case("a/b", ("dog",))) for sample in samples]
    score(samples, [Size()], tables, ABOUT)
    score(other_case, [Size()], tables, ABOUT)
    score(samples, [Size()], tables, {**ABOUT, "sampling": "another"})
    assert len(list((tables / "scores").glob("*.parquet"))) == 3


def test_samples_of_two_cases_and_incomplete_descriptions_are_refused(samples, tables):
    mixed = [*samples, replace(samples[0], case=Case("cat", ("cat",)))]
    with pytest.raises(ValueError, match="one case and one recipe"):
        score(mixed, [Size()], tables, ABOUT)
    with pytest.raises(ValueError, match="it lacks edit"):
        score(samples, [Size()], tables, {name: value for name, value in ABOUT.items() if name != "edit"})
    assert score([], [Size()], tables, ABOUT) == Measured(0, 0)


@dataclass(frozen=True)
class Told(Scorer):
    """Says what it was given, under a name that does not: of pictures and of sets."""

    name: ClassVar[str] = "told"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "a test"
    takes: ClassVar[str] = "model"
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("told.length", "letters", "neither"),)
    model: str = ""

    def score(self, samples: Sequence[Sample]) -> list[list[Score]]:
        return [[Score("told.length", float(len(self.model)))] for _ in samples]


@dataclass(frozen=True)
class ToldOfSets(SetScorer):
    name: ClassVar[str] = "told"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "a test"
    takes: ClassVar[str] = "model"
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("told.length", "letters", "neither", kind="set"),)
    model: str = ""

    def score_set(self, samples: Iterable[Sample], reference: Iterable[Path]) -> list[SetScore]:
        n = len(list(samples))
        return [SetScore("told.length", float(len(self.model)), n=n)]


@pytest.mark.parametrize(("kind", "scorer"), [("scores", Told), ("sets", ToldOfSets)])
def test_a_score_by_other_weights_is_not_taken_for_the_one_that_is_asked_for(tmp_path, kind, scorer):
    samples = tiny_models.samples(tmp_path / "pictures", 3)
    tables = tmp_path / "tables"
    for model in ("", "abc", "abc", "abcd", ""):
        score(samples, [scorer(model=model)], tables, ABOUT)
        rows = table.records(table.read(tables, kind))
        assert {row["value"] for row in rows} == {float(len(model))}
    plain = {row["scorer_version"] for row in rows}
    assert plain == {"1"}


def test_what_a_scorer_was_given_is_in_its_version(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for place in (one, other):
        place.mkdir()
        (place / "a.png").write_bytes(b"12")
    assert versions.version(Told()) == "1"
    first = versions.version(Told(model=str(one)))
    assert first.startswith("1+") and first == versions.version(Told(model=str(other)))  # equal files, another name
    (one / "b.png").write_bytes(b"3")
    assert len({first, versions.version(Told(model=str(one))), versions.version(Told(model="c"))}) == 3


def test_a_reference_picture_that_is_replaced_by_one_of_equal_size_is_another_version(tmp_path):
    (tmp_path / "real.png").write_bytes(b"one")
    before = versions.version(Told(model=str(tmp_path)))
    (tmp_path / "real.png").write_bytes(b"two")
    assert versions.version(Told(model=str(tmp_path))) != before
