"""A suite that is changed under its name and version is another content: kept apart, and said."""

from __future__ import annotations

import pytest

from dumo_bench.analysis import results, summary
from dumo_bench.storage import table
from dumo_bench.suites import registry
from dumo_bench.suites.content import content

CHANGES = [
    ("a photo of", "an icon of"), ('"an alien"', '"an owl"'), ("seeds = [1]", "seeds = [2]"), ('["dog"]', '["alien"]'),
    ("steps = 2", "steps = 3"), ('name = "cat"', 'name = "kitten"'),
    ('licence = "MIT"', 'licence = "MIT"\ntask = "style"'),
]  # fmt: skip


def changed(path, old: str, new: str):
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize("change", CHANGES, ids=[new for _, new in CHANGES])
def test_whatever_decides_what_is_drawn_and_how_it_counts_is_content(bare_suite, change):
    before = content(registry.load(str(bare_suite)))
    assert before == content(registry.load(str(bare_suite)))
    changed(bare_suite, *change)
    assert content(registry.load(str(bare_suite))) != before


def test_what_decides_neither_is_not(bare_suite):
    before = content(registry.load(str(bare_suite)))
    changed(bare_suite, 'licence = "MIT"', 'licence = "free"\nscorers = ["nudenet"]')
    assert content(registry.load(str(bare_suite))) == before


@pytest.fixture
def run(command, tiny_suite, tmp_path):
    out = tmp_path / "out"
    given = ("-m", "tests/fakes.py:Scaled", "-s", tiny_suite, "-o", out, "--device", "cpu")
    return lambda: (command("run", *given, "--scorers", "tests/fakes.py:Brightness,fid"), out)


def test_a_prompt_that_is_changed_is_not_mixed_in(command, run, tiny_suite):
    said, out = run()
    assert said.code == 0 and "contents of suite" not in said.err
    before = summary.read(out)
    assert set(before["suite"]) == {"small"} and before["content"].nunique() == 1
    changed(tiny_suite, "a photo of {thing}", "{thing}, a photo")
    said, out = run()
    assert said.code == 0 and "warning: 2 contents of suite small version 1" in said.err
    assert "content " in said.out  # the tables of the content that was just run
    after = summary.read(out)
    assert after["suite"].nunique() == after["content"].nunique() == 2
    whole = after[(after["metric"] == "brightness") & (after["concept"] == "*") & (after["role"] == "target")]
    assert set(whole["n"]) == set(before.loc[before["concept"] == "*", "n"][before["role"] == "target"]) == {2}
    assert len(table.read(out / "tables", "scores")) == 48  # 6 prompts, two methods, two contents, two scorers
    report = command("report", out)
    assert report.code == 0 and "2 contents of suite small version 1" in (out / "report.md").read_text()
    assert command("compare", "scaled", "original", "--out", out).code == 0


def test_the_same_suite_again_is_the_same_content(run, tiny_suite):
    run()
    said, out = run()
    assert "contents of suite" not in said.err and results.said(out) == []
    assert len(list((out / "tables" / "scores").glob("*.parquet"))) == 2


def test_tables_of_before_are_read_and_said_to_be_of_a_content_that_is_not_known(run):
    _, out = run()
    for name in ("scores", "sets"):
        for path in (out / "tables" / name).glob("*.parquet"):
            rows = table.records(table.read_file(path, name))
            table.write_part(out / "tables", name, f"old-{path.stem}", [{**row, "content": None} for row in rows])
            path.unlink()
    summary.write(out)
    assert set(summary.read(out)["suite"]) == {"small"} and summary.read(out)["content"].isna().all()
    said, _ = run()
    assert "small (content not known)" in said.err
    assert summary.read(out)["suite"].nunique() == 2
