"""`push` and `pull`: a results folder as a data set of the hub, which here is a server of this process."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import fake_hub
import pytest
import yaml

from dumo_bench.formats import dataset
from dumo_bench.run import manifest
from dumo_bench.storage import scan

RESULTS = Path(__file__).parents[1] / "results" / "emoji-small"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with fake_hub.running() as found:
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        yield found


@pytest.fixture
def out(tmp_path) -> Path:
    return Path(shutil.copytree(RESULTS, tmp_path / "results"))


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_is_pushed_is_pulled_byte_for_byte_and_reported_alike(hub, out, tmp_path, command):
    assert command("push", out, "me/results").code == command("pull", "me/results", tmp_path / "other").code == 0
    sent = {name: raw for name, raw in files(out).items() if not name.startswith("runs/wanted/")}
    assert files(tmp_path / "other") == sent
    said, again = (command("report", folder, "--json").rows("summary") for folder in (out, tmp_path / "other"))
    assert said == again and said


def test_a_new_data_set_is_private_unless_it_is_said(hub, out, command):
    command("push", out, "me/closed")
    command("push", out, "me/open", "--public")
    assert hub.private == {"me/closed": True, "me/open": False}


def test_a_second_push_deletes_what_the_folder_has_no_longer_and_nothing_of_others(hub, out, command):
    command("push", out, "me/results")
    hub.repositories["me/results"]["notes.md"] = b"mine"
    gone = next(out.glob("tables/scores/*.parquet"))
    gone.unlink()
    command("push", out, "me/results")
    there = hub.repositories["me/results"]
    assert gone.relative_to(out).as_posix() not in there and there["notes.md"] == b"mine"


def test_its_card_names_every_table_so_that_others_read_them(out, monkeypatch):
    found = dataset.shared(out, (), pictures=False)
    card = dataset.card(out, found.files, "me/results")
    head = yaml.safe_load(card.split("---")[1])
    configurations = {one["config_name"]: one["data_files"] for one in head["configs"]}
    assert list(configurations) == ["scores", "sets", "metrics", "summary"]  # no detector ran
    monkeypatch.chdir(out)
    for name, pattern in configurations.items():
        ((n,),) = duckdb.sql(f"SELECT count(*) FROM '{pattern}'").fetchall()
        assert n == (len(scan.read(out / "tables", name, ["metric"])) if name != "summary" else n) > 0
    assert "| emoji-cartoon | ghost | original, uce |" in card


def test_datasets_loads_a_table_by_the_card(out, tmp_path):
    from datasets import load_dataset

    found = dataset.shared(out, (), pictures=False)
    (out / "README.md").write_text(dataset.card(out, found.files, "me/results"))
    loaded = load_dataset(str(out), "scores", split="train", cache_dir=str(tmp_path / "cache"))
    rows = scan.read(out / "tables", "scores", ["value"])
    assert loaded.num_rows == len(rows)
    assert sorted(v for v in loaded["value"] if v is not None) == sorted(rows["value"].drop_nulls().to_list())


def pictured(out: Path, key: str) -> Path:
    path = out / "images" / key[:2] / f"{key}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"PNG")
    return path


def test_pictures_are_sent_where_they_are_asked_for_and_of_no_explicit_or_unknown_suite(hub, out, command):
    key = scan.read(out / "tables", "scores", ["key"])["key"][0]
    known, nobody = pictured(out, str(key)), pictured(out, "0" * 64)
    command("push", out, "me/none")
    assert not any(name.startswith("images/") for name in hub.repositories["me/none"])
    said = command("push", out, "me/some", "--pictures")
    sent = hub.repositories["me/some"]
    assert known.relative_to(out).as_posix() in sent and nobody.relative_to(out).as_posix() not in sent
    assert "1 pictures stay here" in said.err


def test_pictures_of_an_explicit_suite_stay(out):
    key = str(scan.read(out / "tables", "scores", ["key"])["key"][0])
    picture = pictured(out, key)
    explicit, harmless = (dataset.shared(out, shown, pictures=True) for shown in ((), {"emoji-cartoon"}))
    assert (picture in explicit.files, explicit.withheld) == (False, 1)
    assert (picture in harmless.files, harmless.withheld) == (True, 0)


def test_no_prompt_is_sent(hub, out, command):
    from dumo_bench.suites import registry

    command("push", out, "me/results")
    texts = {prompt.text for prompt in registry.load("emoji-cartoon").prompts if len(prompt.text) > 20}
    for name, raw in hub.repositories["me/results"].items():
        assert not any(text.encode() in raw for text in texts), name


@pytest.mark.parametrize(
    ("status", "says"), [(401, "hf auth login"), (403, "may not write"), (404, "not there"), (500, "answers 500")]
)
def test_what_the_hub_refuses_is_one_line(hub, out, command, status, says):
    hub.refuses = status
    said = command("push", out, "me/results")
    assert (said.code, said.err.count("\n")) == (2, 1) and says in said.err


def test_a_hub_that_cannot_be_reached_is_one_line(out, command, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    said = command("push", out, "me/results")
    assert (said.code, said.err.count("\n")) == (2, 1) and "cannot be reached" in said.err


def test_a_closed_hub_stays_closed(out, command, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("DUMO_BENCH_OFFLINE", raising=False)
    assert "HF_HUB_OFFLINE=1 closes the hub" in command("push", out, "me/results").err


@pytest.mark.parametrize("name", ["results", "a/b/c", "/x", "me/re sults"])
def test_a_name_that_is_none_is_refused(hub, out, command, name):
    assert name in command("push", out, name).err
    assert hub.repositories == {}


def test_nothing_is_pulled_into_a_folder_that_holds_something(hub, out, command):
    command("push", out, "me/results")
    assert "is not empty" in command("pull", "me/results", out).err


def test_a_data_set_without_results_is_refused(hub, tmp_path, command):
    hub.repositories["me/poems"], hub.private["me/poems"] = {"poem.txt": b"x"}, False
    assert "holds no results" in command("pull", "me/poems", tmp_path / "new").err


def test_a_dry_run_sends_nothing(hub, out, command):
    said = command("push", out, "me/results", "--dry-run")
    assert hub.repositories == {} and "config_name: scores" in said.out


@pytest.mark.parametrize(("edited", "shown"), [("", {"ex"}), ("text", set()), ("explicit", set())])
def test_pictures_of_a_suite_that_is_not_as_it_was_run_stay(command, tiny_suite, tmp_path, edited, shown):
    """A name is open where all that ran under it can be read as it was and is not explicit."""
    text = tiny_suite.read_text().replace('name = "small"', 'name = "ex"')
    tiny_suite.write_text(text)
    ran = command("run", "-m", "original", "-s", tiny_suite, "--case", "cat", "--limit", 1, "-o", tmp_path / "out",
                  "--scorers", "blank")  # fmt: skip
    assert ran.code == 0, ran.err
    if edited == "text":
        tiny_suite.write_text(text.replace("a photo of {thing}", "a portrait of {thing}"))
    if edited == "explicit":
        tiny_suite.write_text("explicit = true\n" + text)
    assert manifest.harmless(tmp_path / "out") == shown
