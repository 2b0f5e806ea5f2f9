"""A scorer in a file of one's own is a full citizen: its numbers have the directions, cards, tests and tables that this
project's own have, and they outlive the file."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import tiny
from conftest import SUITE, Said

from dumo_bench.analysis import catalogue, recognition, summary
from dumo_bench.plugins import presence
from dumo_bench.scorers import concept
from dumo_bench.storage import table
from dumo_bench.types import Sample, digest

ROOT = Path(__file__).parents[1]
CONTRAST = re.search(r"```python\n# contrast\.py\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), re.DOTALL)
HEAD = """
from dataclasses import dataclass, replace
from dumo_bench.interfaces import Scorer
from dumo_bench.scorers.concept import Concept
from dumo_bench.scorers.pictures import scored
from dumo_bench.types import Metric, Score

"""
MINE = f"""{HEAD}
SAME = {{"judge.object": "mine.right", "judge.erased": "mine.erased"}}

@dataclass(frozen=True)
class Mine(Scorer):
    name = "mine"
    version = "1"
    cite = "a test"
    metrics = (
        Metric("mine.right", "0 or 1", "higher", kind="rate", measures="asked", sees="object", partner="mine.erased",
               title="recognised"),
        Metric("mine.erased", "0 or 1", "lower", kind="rate", measures="erased", title="persists"),
    )

    def score(self, samples):
        found = Concept().score(samples)
        return [[replace(one, metric=SAME[one.metric]) for one in of if one.metric in SAME] for of in found]
"""
NEAR = f"""{HEAD}
@dataclass(frozen=True)
class Near(Scorer):
    name = "near"
    version = "1"
    cite = "a test"
    metrics = (
        Metric("near.distance", "of 0 to 255", "lower", measures="distance", title="moved"),
        Metric("near.fit", "of 0 to 255", "higher", measures="fit", title="matches"),
    )

    def score(self, samples):
        return scored(samples, self.metrics, self._measure)

    def _measure(self, samples, pictures):
        return [[Score(metric.name, float(one.mean())) for metric in self.metrics] for one in pictures]
"""
TITLES = {
    "contrast.std": "contrast", "mine.right": "recognised", "mine.erased": "persists", "near.distance": "moved",
    "near.fit": "matches",
}  # fmt: skip
#: which way is better on kept prompts, on targets
WAYS = {"contrast": "↑↑", "recognised": "↑↓", "persists": "↓↓", "moved": "↓↑", "matches": "↑↓"}
#: of what the judge gives, what the stranger's recogniser calls it
SAME = {"judge.object": "mine.right", "judge.erased": "mine.erased"}
#: targets in other words, and attacks
MORE = """
[[block]]
concepts = ["a cat"]
as = "feline"
role = "{role}"
templates = [{templates}]
seeds = [1]
"""
OTHER = ROOT / "tests" / "fakes.py:Brightness"
GONE = "scorer {} is no longer there: its numbers are shown as they were measured\n"


@dataclass(frozen=True)
class Made:
    """A folder of results with numbers of strangers, what `run` printed, and what it was given."""

    out: Path
    said: Said
    suite: Path
    plugins: Path

    @property
    def contrast(self) -> str:
        return f"{self.plugins / 'contrast.py'}:Contrast"


def suite(path: Path) -> Path:
    """Enough prompts a role for a test to tell methods apart; targets by name and in other words, and attacks."""
    plain, target, attack = (", ".join(f'"{{thing}} {word}{i}"' for i in range(12)) for word in "abc")
    text = SUITE.format(model=tiny.folder()).replace('"{thing}", "a photo of {thing}"', plain)
    more = (MORE.format(role=role, templates=of) for role, of in (("target", target), ("attack", attack)))
    path.write_text("".join([text, *more]))
    return path


def seen(sample: Sample) -> concept.Seen:
    """What the judge of these tests sees: mostly what is asked for, and of what an edit erased hardly anything."""
    rate = 0.9 if sample.job.recipe.method == "original" else 0.15 if sample.role == "target" else 0.8
    right = int(digest([sample.prompt.id, sample.job.recipe.method])[:8], 16) / 16**8 < rate
    objects = {"cat": 0.0, concept.NOTHING: float(not right), sample.prompt.shows["object"]: float(right)}
    return concept.Seen(objects, {"noto": 1.0})


def looked(self: concept.Concept, samples: list[Sample], pictures: list[Any]) -> list[Any]:
    return [concept.verdicts(sample, seen(sample)) for sample in samples]


def called(*argv: object) -> Said:
    """The real program, in this process, as the fixture `command` calls it."""
    from dumo_bench.cli.app import main

    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as stop:
        main([str(word) for word in argv])
    return Said(int(stop.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def patched(cache_home: Path) -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache_home))
        patch.setattr(concept.Concept, "_measure", looked)
        yield patch


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, patched: pytest.MonkeyPatch) -> Made:
    """A run with this project's judge and three strangers: two in files, one in a package."""
    base = tmp_path_factory.mktemp("stranger")
    plugins, package = base / "plugins", base / "path" / "stranger_package"
    for folder in (plugins, package):
        folder.mkdir(parents=True)
    assert CONTRAST
    (plugins / "contrast.py").write_text(CONTRAST[1])
    (plugins / "mine.py").write_text(MINE)
    (package / "__init__.py").write_text("")
    (package / "near.py").write_text(NEAR)
    patched.syspath_prepend(str(base / "path"))
    given = Made(base / "out", Said(0, "", ""), suite(base / "small.toml"), plugins)
    scorers = f"concept,{given.contrast},{plugins / 'mine.py'}:Mine,stranger_package.near:Near"
    said = called("run", "--method", "uce", "--suite", given.suite, "--scorers", scorers, "--out", given.out, "-v")
    assert said.code == 0, said.err
    return Made(given.out, said, given.suite, given.plugins)


@pytest.fixture
def out(made: Made, tmp_path: Path) -> Path:
    """A copy of the results that a test may add to."""
    return shutil.copytree(made.out, tmp_path / "copy")


Command = Callable[..., Said]


def one_line(text: str) -> str:
    return " ".join(text.replace("\\_", "_").split())


# Tables


def test_a_strangers_metrics_stand_in_every_text_under_the_titles_they_chose(command: Command, made: Made, out: Path):
    said = command("report", out)
    texts = [made.said.out, said.out, *((out / f"report.{end}").read_text() for end in ("md", "tex", "html"))]
    for metric, title in TITLES.items():
        assert [f"{title}: {metric}" in one_line(text) for text in texts] == [True] * 5, metric
    with (out / "report.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["metric"]: row["title"] for row in rows if row["metric"] in TITLES} == TITLES


@pytest.mark.parametrize("name", ["terminal", "report.md", "report.tex", "report.html"])
def test_a_strangers_titles_are_heads_of_columns_with_their_numbers(command: Command, made: Made, out: Path, name: str):
    command("report", out)
    text = (made.said.out if name == "terminal" else (out / name).read_text()).partition("Other scorers")[2]
    text = text.replace("$\\uparrow$", "↑").replace("$\\downarrow$", "↓").replace("&nbsp;", " ")
    means = summary.read(out).set_index(["metric", "method", "role", "concept"])["value"]
    number = f"{means['contrast.std', 'uce', 'target', '*']:.3f}"
    assert number in text
    assert all(f"{title} {way}" in text for title, ways in WAYS.items() for way in ways)
    assert "LPIPS_da" not in text


# Roles


def strangers_name(metric: str) -> str:
    """What the recogniser calls a metric of the judge, a change of it, or a number made of it."""
    return next((metric.replace(judge, mine, 1) for judge, mine in SAME.items() if metric.startswith(judge)), metric)


def both(rows: list[dict[str, Any]]) -> list[dict[tuple[Any, ...], dict[str, Any]]]:
    """The judge's rows and the stranger's, under the stranger's names; all that is in them but whose they are."""
    own = [row for row in rows if re.match(r"judge\.(object|erased)(?!_p)", row["metric"])]
    theirs = [row for row in rows if row["metric"].startswith("mine.")]
    keys = ("suite", "case", "method", "role", "concept", "metric")
    renamed = ([row | {"metric": strangers_name(row["metric"])} for row in of] for of in (own, theirs))
    return [
        {
            tuple(row.get(key) for key in keys): {k: v for k, v in row.items() if not k.startswith("scorer")}
            for row in of
        }
        for of in renamed
    ]


def test_a_strangers_recogniser_has_every_number_direction_and_interval_of_the_judge(made: Made):
    judge, mine = both(table.records(summary.read(made.out)))
    assert judge == mine and len(mine) > 50
    ways = {(metric, role): row["higher_is_better"] for (*_, role, _, metric), row in mine.items()}
    roles = ("target", "attack", "related", "unrelated", "kept")
    assert [ways["mine.right", role] for role in roles] == [False, False, True, True, True]
    assert [ways["mine.erased", role] for role in roles] == [False] * 5


def test_a_strangers_recogniser_has_the_numbers_that_are_made_of_the_judges(made: Made):
    rows = summary.read(made.out).query("concept == '*'")
    values = {(row["metric"], row["role"]): row["value"] for row in table.records(rows[rows["method"] == "uce"])}
    made_of = [("mine.erased.ua", "target"), ("mine.erased.acc_e", "target"), ("mine.erased.acc_g", "target")]
    made_of += [("mine.right.h_c", "all"), ("mine.right.h_o", "all")]
    assert all(0 < values[key] < 1 for key in made_of)
    for what, role in (("near.distance.da", "all"), ("near.fit.h_a", "all")):
        assert values[what, role] is not None
    assert values["near.distance.da", "all"] == pytest.approx(
        values["near.distance", "target"] - values["near.distance", "kept"]
    )


def test_a_strangers_recogniser_has_the_detection_rate_on_unedited_pictures_of_the_judge(made: Made):
    cards = recognition.of_summary(summary.read(made.out), catalogue.of_folder(made.out))
    judge, mine = (
        {
            at._replace(metric=strangers_name(at.metric)): card
            for at, card in cards.items()
            if at.metric.startswith(start)
        }
        for start in (("judge.object", "judge.erased"), "mine.")
    )
    assert judge == mine and len(mine) > 8
    assert {card.valid for at, card in mine.items() if at.concept == "*"} == {True}


def test_compare_has_the_same_verdict_on_a_strangers_recogniser_as_on_the_judge(command: Command, made: Made):
    said = command("compare", "uce", "original", "--out", made.out, "--json")
    judge, mine = both(json.loads(said.out)["tables"]["differences"])
    assert judge == mine and len(mine) > 8
    verdicts = {(metric, role): row["verdict"] for (*_, role, _, metric), row in mine.items()}
    assert verdicts["mine.erased", "target"] == verdicts["mine.right", "target"] == "uce is better"
    assert all(row["unedited"]["rate"] > 0.5 for row in mine.values() if row["role"] == "target")


# Without the plugin


@contextmanager
def away(path: Path) -> Iterator[None]:
    """A file or folder in another place, under another name, for a while."""
    (path.parent / "away").mkdir(exist_ok=True)
    hidden = path.rename(path.parent / "away" / f"_{path.name}")
    yield
    hidden.rename(path)


def lines(said: Said) -> list[str]:
    """What was said of scorers that are no longer there."""
    return [line for line in said.err.splitlines(keepends=True) if "no longer there" in line]


def used(command: Command, made: Made, out: Path) -> list[Said]:
    """Every command that reads or adds to a folder of results."""
    return [
        command("report", out),
        command("compare", "uce", "original", "--out", out),
        command("compare", out, made.out),
        command("run", "--method", "uce", "--suite", made.suite, "--scorers", OTHER, "--out", out),
    ]


def numbers(out: Path, scorer: str) -> list[dict[str, Any]]:
    rows = summary.read(out)
    return table.records(rows[rows["scorer"] == scorer])


def test_while_the_scorers_are_there_no_command_says_otherwise(command: Command, made: Made, out: Path):
    assert [(said.code, lines(said)) for said in used(command, made, out)] == [(0, [])] * 4


@pytest.mark.parametrize(
    "scorer", ["contrast", "near"], ids=["a file that was moved and renamed", "a package that is uninstalled"]
)
def test_results_are_whole_without_the_scorer_that_measured_them(
    command: Command, made: Made, out: Path, monkeypatch: pytest.MonkeyPatch, scorer: str
):
    before = numbers(out, scorer)
    for name in [name for name in sys.modules if name.startswith("stranger_package")]:
        monkeypatch.delitem(sys.modules, name)
    place = made.plugins / "contrast.py" if scorer == "contrast" else made.plugins.parent / "path/stranger_package"
    spec = made.contrast if scorer == "contrast" else "stranger_package.near:Near"
    with away(place):
        found = [(said.code, lines(said)) for said in used(command, made, out)]
        shown = command("report", out).out
    assert found == [(0, [GONE.format(spec)])] * 4
    assert numbers(out, scorer) == before != [] != numbers(out, "brightness")
    titles = {"contrast": ["contrast"], "near": ["moved", "matches"]}[scorer]
    assert all(
        f"{title}: {scorer}." in one_line(text) for title in titles for text in (shown, (out / "report.md").read_text())
    )


@pytest.mark.parametrize(
    ("spec", "is_there"),
    [
        ("concept", True), ("clip_score@openai/clip-vit-large-patch14", True), ("no_such_scorer", False),
        ("no_such_scorer@x:y", False), (f"{ROOT}/tests/fakes.py:Brightness", True), ("no/such/file.py:Thing", False),
        ("dumo_bench.scorers.concept:Concept", True), ("dumo_bench.scorers.none:Concept", False),
        ("dumo_bench.errors.json:Concept", False), ("no_such_package.module:Thing", False),
    ],
)  # fmt: skip
def test_whether_a_plugin_is_there_is_told_without_importing_it(spec: str, is_there: bool):
    before = set(sys.modules)
    assert presence.there("scorers", spec) is is_there
    assert not {name for name in set(sys.modules) - before if name.startswith("dumo_bench.")}


# Refusals

LIAR = f"""{HEAD}
@dataclass(frozen=True)
class Liar(Scorer):
    name = "liar"
    version = "1"
    cite = "a test"
    metrics = (Metric("liar.a", "", "higher"), Metric("liar.b", "", "higher"))

    def score(self, samples):
        return [[Score(name, 0.0) for name in GIVEN] for _ in samples]

GIVEN = """


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("liar.a", "liar.b", "liar.c"), "a metric that it does not declare in `metrics`: nothing is called 'liar.c'"),
        (("liar.a", "liar.a", "liar.b"), "the metric 'liar.a' twice"),
        (("liar.a",), "no 'liar.b', which it declares"),
    ],
    ids=["undeclared", "twice", "not at all"],
)
def test_a_scorer_that_does_not_give_what_it_declares_once_is_refused_with_its_name_and_the_metrics(
    command: Command, made: Made, out: Path, tmp_path: Path, given: tuple[str, ...], said: str
):
    (tmp_path / "liar.py").write_text(LIAR + repr(given))
    before = (out / "summary.parquet").read_bytes()
    found = command(
        "score", "--method", "uce", "--suite", made.suite, "--scorers", f"{tmp_path}/liar.py:Liar", "--out", out
    )
    assert found.code == 2 and "scorer liar gave the picture of prompt " in found.err and said in one_line(found.err)
    assert (out / "summary.parquet").read_bytes() == before


WRONG = f"""{HEAD}
@dataclass(frozen=True)
class Wrong(Scorer):
    name = "wrong"
    version = "1"
    cite = "a test"
    metrics = (Metric("wrong.a", "", "higher", kind=KIND),)

    def score(self, samples):
        return GIVEN(samples)

"""


@pytest.mark.parametrize(
    "case",
    [
        ("mean", "[[Score('wrong.a', 0.0)]]", "pictures and gave back 1; wanted one each"),
        ("mean", "None", "gave its pictures None; wanted a sequence"),
        ("mean", "[Score('wrong.a', 0.0) for _ in samples]", "wanted a sequence of Score"),
        ("mean", "[['x'] for _ in samples]", "gave the picture of prompt"),
        ("mean", "[[Score('wrong.a', 'high')] for _ in samples]", "'high' for wrong.a; wanted a number"),
        ("rate", "[[Score('wrong.a', 0.7)] for _ in samples]", "0.7 for wrong.a, which is a rate; wanted 0 or 1"),
        ("count", "[[Score('wrong.a', -0.5)] for _ in samples]", "-0.5 for wrong.a, which is a count"),
    ],
    ids=["too few", "nothing", "flat", "a text", "a value as text", "no rate", "no count"],
)
def test_what_a_scorer_gives_wrongly_is_said_in_one_line(
    command: Command, made: Made, out: Path, tmp_path: Path, case: tuple[str, str, str]
):
    kind, given, said = case
    (tmp_path / "wrong.py").write_text(f"KIND = {kind!r}\n{WRONG}\ndef GIVEN(samples):\n    return {given}\n")
    spec = f"{tmp_path}/wrong.py:Wrong"
    found = command("score", "--method", "uce", "--suite", made.suite, "--scorers", spec, "--out", out)
    assert found.code == 2 and said in one_line(found.err) and "scorer wrong" in found.err
    assert "Traceback" not in found.err


def test_two_files_with_one_scorers_name_and_metric_are_refused_with_both_files(
    command: Command, tiny_suite: Path, tmp_path: Path
):
    for name in ("mine.py", "copy.py"):
        (tmp_path / name).write_text(MINE)
    scorers = f"{tmp_path}/mine.py:Mine,{tmp_path}/copy.py:Mine"
    said = command("run", "--method", "uce", "--suite", tiny_suite, "--scorers", scorers, "--out", tmp_path / "out")
    assert said.code == 2 and f"{tmp_path}/mine.py:Mine and {tmp_path}/copy.py:Mine" in one_line(said.err)
    assert not (tmp_path / "out").exists()


def test_who_gave_a_metric_is_read_from_its_numbers_and_not_from_what_was_declared(
    command: Command, made: Made, out: Path, tmp_path: Path
):
    """A folder of schema version 1 declares nothing, and one may lack what it declared."""
    for path in (out / "tables/metrics").glob("*.parquet"):
        path.unlink()
    (tmp_path / "other.py").write_text(MINE.replace('name = "mine"', 'name = "other"'))
    scorers = f"{tmp_path}/other.py:Mine"
    said = command("run", "--method", "uce", "--suite", made.suite, "--scorers", scorers, "--out", out)
    assert said.code == 2 and "given by two scorers, mine and other" in one_line(said.err)


def test_two_scorers_of_one_metric_are_refused_with_both_names_before_any_work(
    command: Command, tiny_suite: Path, tmp_path: Path
):
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "other.py").write_text(MINE.replace('name = "mine"', 'name = "other"'))
    scorers = f"{tmp_path}/mine.py:Mine,{tmp_path}/other.py:Mine"
    said = command("run", "--method", "uce", "--suite", tiny_suite, "--scorers", scorers, "--out", tmp_path / "out")
    assert said.code == 2 and "'mine.right' is given by two scorers, mine and other" in one_line(said.err)
    assert not (tmp_path / "out").exists()


def test_a_metric_of_a_scorer_that_is_no_longer_there_is_not_given_by_another(
    command: Command, made: Made, out: Path, tmp_path: Path
):
    (tmp_path / "other.py").write_text(MINE.replace('name = "mine"', 'name = "other"'))
    before = (out / "summary.parquet").read_bytes()
    scorers = f"{tmp_path}/other.py:Mine"
    said = command("run", "--method", "uce", "--suite", made.suite, "--scorers", scorers, "--out", out)
    assert said.code == 2 and "given by two scorers, mine and other" in one_line(said.err)
    assert (out / "summary.parquet").read_bytes() == before
