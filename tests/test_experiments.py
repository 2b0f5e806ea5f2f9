"""An experiment is one value, whether flags, a file or a program states it, and is carried out row by row."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import jsonschema
import pytest

from dumo_bench import api
from dumo_bench.api import carry, file, schema
from dumo_bench.api.experiment import AttackRow, Experiment, MethodRow, SuiteRow
from dumo_bench.errors import UserError
from dumo_bench.hosts import sd
from dumo_bench.run import manifest
from dumo_bench.suites import blocks, csvfile, views
from dumo_bench.suites import file as suites

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "experiments.md").read_text()
(EXAMPLE,) = re.findall(r"```toml\n(# ghost\.toml\n.*?)```", PAGE, re.DOTALL)
FAKES = ROOT / "tests" / "fakes.py"
GOOD = """
seeds = [0, 1]

[[methods]]
name = "uce"

[[methods]]
name = "rece"
seeds = [3]
settings = {start_ridge = 0.5}

[[suites]]
name = "emoji-cartoon"
cases = ["ghost"]
limit = 8

[[suites]]
name = "emoji-artist"
scorers = ["blank"]
"""


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def two(suite: Path, out: Path, *methods: str, more: str = "") -> str:
    """A file of methods of tests/fakes.py on one suite."""
    rows = methods or ("settings = {factor = 0.25}", "settings = {factor = 0.5}")
    of = "".join(f'[[methods]]\nname = "{FAKES}:Scaled"\n{row}\n' for row in rows)
    return f'out = "{out}"\nscorers = ["{FAKES}:Lit"]\n{more}\n{of}\n[[suites]]\nname = "{suite}"\n'


def test_every_method_is_on_every_suite_with_every_seed_suite_by_suite(tmp_path):
    found = file.read(written(tmp_path / "e.toml", GOOD)).rows()
    asked = [(row.request.suite, row.request.method, row.request.fit_seed) for row in found]
    grid = [("uce", 0), ("uce", 1), ("rece", 3)]
    assert asked == [(suite, *row) for suite in ("emoji-cartoon", "emoji-artist") for row in grid]
    assert [(row.request.limit, row.request.cases, row.scorers) for row in found[2:4]] == [
        (8, ("ghost",), ("default",)),
        (None, (), ("blank",)),
    ]
    assert found[2].request.settings == {"start_ridge": 0.5}


def test_flags_are_an_experiment_of_one_row(tmp_path, monkeypatch, command):
    stated = []
    monkeypatch.setattr(carry, "each", lambda of: iter(stated.append(of) or ()))
    words = ("--set", "ridge=50", "--case", "ghost", "--seed", 2, "--limit", 6, "--scorers", "blank,fid")
    for argv in (
        ("-m", "uce", "-s", "emoji-cartoon", *words, "-o", tmp_path, "--device", "cpu"),
        (written(tmp_path / "e.toml", ONE.format(out=tmp_path)),),
    ):
        assert command("run", *argv).code == 0
    assert stated[0] == stated[1] == api.asked(
        method="uce", suite="emoji-cartoon", cases=["ghost"], settings={"ridge": 50}, seed=2, limit=6,
        scorers=("blank", "fid"), out=str(tmp_path), device="cpu",
    )  # fmt: skip


ONE = """
out = "{out}"
device = "cpu"
seeds = [2]
limit = 6
scorers = ["blank", "fid"]
[[methods]]
name = "uce"
settings = {{ridge = 50}}
[[suites]]
name = "emoji-cartoon"
cases = ["ghost"]
"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD.replace("seeds = [0", "seedz = [0"), "e.toml:2: keys of experiment: nothing is called 'seedz'. Did you"),
        (GOOD.replace("seeds = [3]", "sed = [3]"), "e.toml:9: keys of [[methods]] 2: nothing is called 'sed'. Did you"),
        (GOOD.replace("[3]", '["3"]'), "e.toml:9: seeds is a whole number from 0 to "),
        (GOOD.replace("[3]", "3"), "e.toml:9: seeds is a list, got 3"),
        (GOOD.replace("limit = 8", "limit = 0"), "e.toml:15: limit is a whole number from 1 to "),
        (GOOD.replace('["ghost"]', '"ghost"'), "e.toml:14: cases is a list, got 'ghost'"),
        (GOOD.replace("[[suites]]", "[suites]", 1).replace("[[suites]]", "[x]"), "suites is written as tables"),
        ("seeds = [0]\n", "experiment lacks 'methods': [[methods]] with name = "),
        (GOOD.replace('name = "rece"', ""), "e.toml:7: [[methods]] 2 lacks 'name'"),
        (GOOD.replace("seeds = [0, 1]", 'dtype = "float64"'), "e.toml:2: dtype: nothing is called 'float64'"),
        (GOOD.replace("seeds = [0, 1]", 'device = "tpu"'), "e.toml:2: device wanted auto, cpu, cuda"),
        (GOOD.replace("seeds = [0, 1]", 'budget = "soon"'), "e.toml:2: budget wanted a time"),
        (GOOD.replace("seeds = [0, 1]", "seeds = [0, 0]"), "has uce on emoji-cartoon, ghost, seed 0 twice"),
        (GOOD.replace("seeds = [0, 1]", "seeds = []"), "lacks seeds"),
        (GOOD.replace("seeds = [0, 1]", 'model = ""\nbatch_size = true'), "batch_size is a whole number"),
        ("seeds = [", "broken TOML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line_with_its_line_before_anything_is_made(text, says, command, tmp_path):
    said = command("run", written(tmp_path / "e.toml", text), "-o", tmp_path / "out")
    assert said.code == 2 and says in said.err and said.err.count("\n") == 1, said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ((), "run: --method and --suite or an experiment's file wanted: see dumo-bench run --help"),
        (("-m", "uce"), "run: --suite or an experiment's file wanted"),
        (("{file}", "-m", "uce"), "leave method out"),
        (("{file}", "--set", "ridge=1", "--seed", "1"), "leave settings, seed out"),
        (("nowhere.toml",), "experiment nowhere.toml: No such file or directory"),
        (("{file}", "--engine", "local", "--address", "auto"), "--address is about the workers of a cluster"),
    ],
)
def test_a_command_that_is_half_said_is_refused_in_one_line(argv, says, command, tmp_path, tiny_suite):
    own = written(tmp_path / "e.toml", two(tiny_suite, tmp_path / "out"))
    for name in ("run", "plan"):
        said = command(name, *(str(word).format(file=own) for word in argv if name == "run" or "--engine" not in argv))
        if name == "run" or "--engine" not in argv:
            assert said.code == 2 and says.replace("run", name) in said.err and said.err.count("\n") == 1, said.err


def test_a_grid_makes_what_its_methods_share_once_loads_its_model_once_and_goes_on(
    command, tmp_path, tiny_suite, monkeypatch
):
    loads, load = [], sd.load
    monkeypatch.setattr(sd, "load", lambda *args, **rest: loads.append(args) or load(*args, **rest))
    own = written(tmp_path / "e.toml", two(tiny_suite, tmp_path / "out"))
    planned = command("run", own, "--dry-run")
    assert planned.code == 0, planned.err
    assert "together 18 pictures" in planned.out and planned.out == command("plan", own).out
    assert not (tmp_path / "out").exists()
    said = command("run", own)
    assert said.code == 0, said.err
    verdicts = [line for line in said.out.splitlines() if line.startswith("small, cat: ")]
    assert [line.split(" shows ")[0] for line in verdicts] == [
        "small, cat: scaled", "small, cat: scaled (factor=0.5)"
    ]  # fmt: skip
    assert (len(loads), len(list((tmp_path / "out").rglob("*.png")))) == (1, 18)
    again = command("run", own, "--json")
    assert [row["pictures"] for row in again.rows("made")] == [0, 0] and len(again.rows("verdicts")) == 2
    assert len(loads) == 1, "nothing is missing: nothing is loaded"


def test_a_mistake_in_the_last_row_costs_nothing_of_the_first(command, tmp_path, tiny_suite):
    text = two(tiny_suite, tmp_path / "out", "settings = {factor = 0.25}", "settings = {factr = 0.5}")
    said = command("run", written(tmp_path / "e.toml", text))
    assert said.code == 2 and "Did you mean 'factor'" in said.err
    assert not (tmp_path / "out" / "edits").exists()


def test_a_row_that_stops_is_told_and_does_not_stop_the_others(command, tmp_path, tiny_suite):
    text = two(tiny_suite, tmp_path / "out", "settings = {factor = 1e39}", "settings = {factor = 0.5}")
    said = command("run", written(tmp_path / "e.toml", text), "--json")
    assert said.code == 1 and "not finite" in said.err
    assert [(row["kind"], "factor=1e+39" in row["name"]) for row in said.rows("failed")] == [("row", True)]
    assert len(said.rows("verdicts")) == 1
    alone = command(
        "run", written(tmp_path / "e.toml", two(tiny_suite, tmp_path / "out", "settings = {factor = 1e39}"))
    )
    assert alone.code == 2 and "not finite" in alone.err


def test_what_is_typed_is_in_place_of_what_the_file_and_its_suites_say(tmp_path, command, tiny_suite):
    text = two(tiny_suite, tmp_path / "a", more="limit = 5") + "limit = 4\n"
    own = written(tmp_path / "e.toml", text)
    assert command("plan", own, "--json").rows("plan")[0]["pictures"] == 8
    small = command("plan", own, "--limit", 1, "-o", tmp_path / "b", "--json")
    assert [row["pictures"] for row in small.rows("plan")] == [2, 2]


def test_a_method_that_the_model_cannot_run_is_left_out_and_noted(command, tmp_path, tiny_suite):
    text = two(tiny_suite, tmp_path / "out", "").replace(
        "[[suites]]", '[[methods]]\nname = "eraseanything"\n[[suites]]'
    )
    said = command("run", written(tmp_path / "e.toml", text))
    assert said.code == 0 and "left out: eraseanything knows " in said.err
    assert [(one.method, one.case) for one in manifest.not_applicable(tmp_path / "out")] == [("eraseanything", "cat")]


def test_every_method_is_run_on_what_an_attack_finds(tmp_path, tiny_suite):
    attacked = AttackRow(name="ringabell", settings={"generations": 1}, pictures=1)
    scorers = (f"{FAKES}:Lit",)
    whole = Experiment(
        methods=tuple(MethodRow(name=f"{FAKES}:Scaled", settings={"factor": factor}) for factor in (0.25, 0.5)),
        suites=(SuiteRow(name=str(tiny_suite)),), attacks=(attacked,), scorers=scorers, out=str(tmp_path / "out"),
    )  # fmt: skip
    done = list(carry.each(whole))
    suites = [one.session.plan.suite.name for one in done]
    assert suites[0] == suites[2] == "small" and suites[1] == suites[3] and suites[1].startswith("ringabell-")
    assert {one.role for of in done[1::2] for part in of.session.plan.parts for one in part.rows} == {
        "attack",
        "target",
    }
    (verdict,) = api.told(done[1])
    assert verdict.gone is not None and verdict.gone.role == "attack"
    assert " of 2 pictures under attack (original " in str(verdict)


def test_an_attack_that_does_not_know_the_model_is_refused_before_anything_is_made(tmp_path, tiny_suite):
    with pytest.raises(UserError, match="nothing is called 'ringabel'"):
        api.run(
            Experiment(
                methods=(MethodRow(name=f"{FAKES}:Scaled"),),
                suites=(SuiteRow(name=str(tiny_suite)),),
                attacks=(AttackRow(name="ringabel"),),
                out=str(tmp_path / "out"),
            )
        )
    assert not (tmp_path / "out" / "edits").exists()


def test_a_budget_is_of_the_whole_experiment(command, tmp_path, tiny_suite):
    own = written(tmp_path / "e.toml", two(tiny_suite, tmp_path / "out", more='budget = "1h"'))
    said = command("run", own, "--batch-size", 2)
    assert said.code == 0 and said.err.count("--budget: 6 pictures a case of small") == 1
    refused = command("run", own, "--limit", 3)
    assert refused.code == 2 and "leave --limit and --shard out" in refused.err


# --- schemas ---------------------------------------------------------------------------------------------------------


def toml(path: Path) -> dict:
    return tomllib.loads(path.read_text(encoding="utf-8"))


SHIPPED = sorted([*ROOT.glob("prompts/*.toml"), *ROOT.glob("dumo_bench/selftest/controls/*.toml")])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_suite_is_one_by_its_schema(path):
    jsonschema.Draft7Validator(schema.schema("suite")).validate(toml(path))


def test_the_examples_of_the_pages_are_ones_by_their_schemas():
    validator = jsonschema.Draft7Validator(schema.schema("experiment"))
    for text in (EXAMPLE, GOOD, ONE.format(out="x")):
        validator.validate(tomllib.loads(text))
    pages = "".join(page.read_text() for page in sorted((ROOT / "docs").glob("*.md")))
    shown = [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", pages, re.DOTALL)]
    whole = [data for data in shown if {"cases", "sampling"} <= data.keys()]
    assert whole
    for data in whole:
        jsonschema.Draft7Validator(schema.schema("suite")).validate(data)


def test_a_schema_refuses_a_key_that_the_program_refuses():
    validator = jsonschema.Draft7Validator(schema.schema("experiment"))
    assert not validator.is_valid(tomllib.loads(GOOD.replace("seeds = [0", "seedz = [0")))
    assert not validator.is_valid(tomllib.loads(GOOD.replace("seeds = [3]", "sed = [3]")))
    suite = jsonschema.Draft7Validator(schema.schema("suite"))
    cartoon = toml(ROOT / "prompts" / "emoji-cartoon.toml")
    assert suite.is_valid(cartoon) and not suite.is_valid(cartoon | {"sampler": "x"})


def test_the_shipped_schemas_are_what_the_dataclasses_say():
    for name in schema.SCHEMAS:
        assert schema.place(name).read_text() == schema.text(name), "type python -m dumo_bench.api.schema"
        jsonschema.Draft7Validator.check_schema(schema.schema(name))


def test_a_schema_has_the_keys_that_the_program_reads_and_no_others():
    of = schema.schema("suite")["properties"]
    inner = {name: (of[name].get("items") or of[name])["properties"].keys() for name in ("cases", "block", "csv")}
    assert set(of) == set(suites._TOP)
    assert set(inner["cases"]) == set(suites._CASE)
    assert set(inner["block"]) == set(blocks.BLOCK_KEYS)
    assert set(inner["csv"]) == set(csvfile._KEYS)
    assert set(of["view"]["items"]["properties"]) == set(views._KEYS)
    assert set(of["sampling"]["properties"]) == set(suites._SAMPLING)
    assert set(of["sampling"]["required"]) == {"model", "scheduler", "steps", "guidance", "height", "width"}
    assert {one.name for one in fields(Experiment)} == set(schema.schema("experiment")["properties"])


def test_the_schemas_are_named_with_their_files(command):
    rows = command("list", "schemas", "--json").rows("schemas")
    assert {row["name"] for row in rows} == {"experiment", "suite", "paper"} and all(
        Path(row["file"]).is_file() for row in rows
    )


def test_every_key_of_an_experiment_is_on_its_page():
    for cls in (Experiment, MethodRow, SuiteRow, AttackRow):
        assert [one.name for one in fields(cls) if f"`{one.name}`" not in PAGE and f"[[{one.name}]]" not in PAGE] == []


def test_the_example_of_the_page_runs(command, tmp_path):
    said = command("run", written(tmp_path / "ghost.toml", EXAMPLE), "--limit", 2, "-o", tmp_path / "out")
    assert said.code == 0, said.err
    lines = re.findall(r"^(emoji-\w+, \w+: \w+) (?:shows|keeps) ", said.out, re.MULTILINE)
    cases = ("emoji-cartoon, ghost", "emoji-artist, noto")
    assert lines == [f"{case}: {method}" for case in cases for method in ("uce", "rece")]
