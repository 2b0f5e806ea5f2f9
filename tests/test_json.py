"""`--json` of every command: one schema, nothing else on stdout, and a reason wherever a value is null."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import fake_hub
import pytest
import tiny
import tiny_models
from conftest import SUITE
from test_prompt_sets import GOOD, write

from dumo_bench.cli import output, selftest
from dumo_bench.cli.app import app
from dumo_bench.cli.prompts import app as prompts
from dumo_bench.cli.store import app as store
from dumo_bench.selftest import expectations
from dumo_bench.suites import source
from dumo_bench.view import server

FAKES = ("--method", "tests/fakes.py:Scaled", "--set", "factor=0.25")
SCORED = ("--scorers", "tests/fakes.py:Brightness,blank")


def commands() -> set[str]:
    """Every command that there is, as it is typed."""
    of_app = {info.name or info.callback.__name__ for info in app.registered_commands if info.callback}
    groups = {"prompts": prompts, "store": store}
    inside = ((group, info) for group, app in groups.items() for info in app.registered_commands)
    return of_app | {f"{group} {info.name or info.callback.__name__}" for group, info in inside if info.callback}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A results folder of two methods, one of them fitted with two seeds, and a suite beside it."""
    from dumo_bench.cli.app import main

    root = tmp_path_factory.mktemp("made")
    (root / "tiny.toml").write_text(SUITE.format(model=tiny.folder()))
    for more in (("--seed", "0"), ("--seed", "1")):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
            patch.chdir(Path(__file__).parents[1])
            main(["run", *FAKES, *SCORED, "--suite", str(root / "tiny.toml"), "--out", str(root / "out"), *more])
    return root


@pytest.fixture(autouse=True)
def lists(tmp_path, monkeypatch) -> Path:
    """A list of prompts of our own, and the root of the project to be in."""
    monkeypatch.chdir(Path(__file__).parents[1])
    monkeypatch.setenv(source.FOLDER, str(tmp_path / "lists"))
    (tmp_path / "lists").mkdir()
    (tmp_path / "suites").mkdir()
    path = write(tmp_path / "suites")
    (tmp_path / "suites" / "list.csv").write_text(GOOD)
    return path


@pytest.fixture(autouse=True)
def hub(made, monkeypatch, tmp_path) -> Iterator[None]:
    """A hub with a data set."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with fake_hub.running() as found:
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        found.repositories["me/results"] = {"summary.parquet": (made / "out" / "summary.parquet").read_bytes()}
        found.private["me/results"] = False
        yield


def argv(name: str, made: Path, own: Path, tmp: Path) -> list[object]:
    """What a command is given here."""
    where = ["--suite", made / "tiny.toml", "--out", made / "out"]
    pictures = tmp / "pictures"
    pictures.mkdir()
    tiny_models.picture(pictures / "x.png", 1)
    return {
        "list": ["metrics"],
        "plan": [*FAKES, *where],
        "fit": [*FAKES, *where],
        "generate": [*FAKES, *where],
        "score": [*FAKES, *where, *SCORED],
        "run": [*FAKES, *where, *SCORED],
        "report": [made / "out"],
        "cite": [made / "out"],
        "push": [made / "out", "me/results", "--dry-run"],
        "pull": ["me/results", tmp / "pulled"],
        "view": [made / "out", "--no-browser"],
        "doctor": ["--out", tmp],
        "nudenet": [pictures, "--sweep", "--agreement", "--presets", "rece"],
        "compare": ["scaled:seed=0", "original", "--out", made / "out"],
        "diff": ["scaled:seed=0", "scaled:seed=1", "--out", made / "out"],
        "paper-diff": ["--suite", "cartoon", "--out", made / "out"],
        "reproduce": ["speed-2025", "--table", "2", "--out", made / "out"],
        "attack": ["--attack", "ringabell", "--attack-set", "generations=1", *where],
        "relearn": [*FAKES, *where, "--marks", "0,1", "--relearn-set", "pictures=2", "--scorers", "tests/fakes.py:Lit"],
        "sequence": [_sequence(tmp), "--metric", "lit"] if name == "sequence" else [],
        "selftest": [],
        "checkpoint": [tiny.weights(), "--model", tiny.folder()],
        "export": [next((made / "out" / "edits").glob("*.safetensors")), "--to", tmp / "exported"],
        "prompts list": [],
        "store stats": [made / "out"],
        "store verify": [made / "out"],
        "store export": [made / "out", *FAKES, "--suite", made / "tiny.toml", "--to", tmp / "laid"],
        "store import": [
            _laid(made, tmp) if name == "store import" else "",
            "--made-by",
            "x",
            *where[:2],
            "--to",
            tmp / "new",
        ],
        "store merge": [made / "out", made / "out", "--to", tmp / "merged"],
        "store gc": [_with_garbage(made / "out")],
        "prompts fetch": [own],
        "prompts verify": [own],
        "prompts show": [own],
    }[name]


def _sequence(tmp: Path) -> Path:
    """A results folder of two cases, the second with a concept more."""
    from dumo_bench.cli.app import main

    (tmp / "two.toml").write_text(
        SUITE.format(model=tiny.folder()) + '\n[[cases]]\nname = "both"\nerase = ["cat", "dog"]\n'
    )
    with pytest.raises(SystemExit):
        main(
            [
                "run",
                *FAKES,
                "--scorers",
                "tests/fakes.py:Lit",
                "--suite",
                str(tmp / "two.toml"),
                "--out",
                str(tmp / "two"),
            ]
        )
    return tmp / "two"


def _laid(made: Path, tmp: Path) -> Path:
    """Pictures as another program would have them."""
    from dumo_bench.cli.app import main

    to = tmp / "elsewhere"
    with pytest.raises(SystemExit):
        main(["store", "export", str(made / "out"), *FAKES, "--suite", str(made / "tiny.toml"), "--to", str(to)])
    return to


def _with_garbage(out: Path) -> Path:
    """The folder with what a program that was killed long ago left behind."""
    partial = out / ".host-1-0123abcd.partial"
    partial.write_text("half")
    os.utime(partial, (0, 0))
    return out


def mappings(value: Any) -> Iterator[dict[str, Any]]:
    """Every object within."""
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from mappings(one)


@pytest.mark.parametrize("name", sorted(commands()))
def test_a_command_prints_its_tables_and_a_reason_for_every_null(name, made, lists, command, tmp_path, monkeypatch):
    claims = [expectations.Claim("a", "b", "c", "d", True), expectations.unchecked("lpips", "type this")]
    monkeypatch.setattr(selftest, "tested", lambda *_: claims)
    monkeypatch.setattr(server, "serve", server.Server.server_close)
    said = command(*name.split(), *argv(name, made, lists, tmp_path), "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert list(found) == ["schema", "command", "version", "tables"]
    assert (found["schema"], found["command"].startswith(name)) == (output.SCHEMA, True)
    assert any(found["tables"].values())
    for rows in found["tables"].values():
        assert isinstance(rows, list) and all(isinstance(row, dict) and row for row in rows)
        assert len({frozenset(row.keys() - {output.REASONS}) for row in rows}) <= 1  # of the same columns
    for one in mappings(found["tables"]):
        reasons = one.get(output.REASONS, {})
        assert {key for key, value in one.items() if value is None} == set(reasons)
        assert all(reasons.values()) and output.NONE not in reasons.values(), one


def test_json_says_what_the_table_says(made, command):
    rows = command("report", made / "out", "--json").rows("summary")
    mine = [row for row in rows if row["metric"] == "brightness" and row["concept"] == "*"]
    assert {row["method"] for row in mine} == {"scaled", "original"}
    assert all(0 < row["value"] < 1 for row in mine)
    files = command("report", made / "out", "--json").rows("files")
    assert {Path(row["path"]).name for row in files} >= {"report.tex", "report.html", "report.csv"}


def test_a_run_says_what_it_made_and_what_failed(made, command, tmp_path):
    where = ("--suite", made / "tiny.toml", "--out", tmp_path / "out")
    said = command("run", *FAKES[:2], "--set", "factor=2e38", *SCORED, *where, "--json")
    assert said.code == 1
    assert said.rows("made")[0]["pictures"] == 6
    assert [row["why"] for row in said.rows("failed")] == ["the latents are not finite"] * 6
    assert {row["case"] for row in said.rows("summary")} == {"cat"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_none_is_null(value):
    assert output.explained({"a": value, "b": [value]}, {"a": "why"}) == {
        "a": None, "b": [None], "reasons": {"a": "why"}
    }  # fmt: skip


def test_a_rows_own_reason_wins_and_within_it_every_object_has_its_own():
    row = {"p": None, "detection_rate": {"rate": None}, "reasons": {"p": "of sets"}}
    assert output.explained(row, {"p": "x", "rate": "no picture"}) == {
        "p": None,
        "detection_rate": {"rate": None, "reasons": {"rate": "no picture"}},
        "reasons": {"p": "of sets"},
    }
    assert asdict(expectations.unchecked("a", "b"))["holds"] is None
