"""`import dumo_bench as db`: few names, typed, light to import, and what the command line itself calls."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

import dumo_bench as db
from dumo_bench import api
from dumo_bench.api.results import NAMES
from dumo_bench.storage.columns import COLUMNS, names

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"
SMALL = ROOT / "results" / "emoji-small"
FAKES = ROOT / "tests" / "fakes.py"


def test_there_are_ten_public_names_at_most_each_documented_and_typed():
    assert db.__all__ == api.__all__ and len(db.__all__) <= 10
    for name in db.__all__:
        one = getattr(db, name)
        assert one is getattr(api, name) and inspect.getdoc(one), name
        if inspect.isfunction(one):
            assert inspect.signature(one).return_annotation is not inspect.Signature.empty, name
    assert set(db.__all__) <= set(dir(db))
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        _ = db.runn


def test_the_function_run_and_the_package_of_its_name_do_not_meet():

    assert db.run is api.run
    assert sys.modules["dumo_bench.run"].plan is dumo_bench_run_plan()


def dumo_bench_run_plan():
    from dumo_bench.run import plan

    return plan


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, dumo_bench; print([m for m in ('torch', 'numpy', 'pandas', 'typer') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_command_line_calls_what_programs_call():
    tree = ast.parse((ROOT / "dumo_bench" / "cli" / "run.py").read_text())
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert {"api.asked", "api.plan", "carry.each", "carry.costs"} <= called


def test_a_run_from_python_gives_verdicts_tables_and_what_failed(tiny_suite, tmp_path):
    asked = {"method": f"{FAKES}:Scaled", "suite": str(tiny_suite), "scorers": (f"{FAKES}:Lit",)}
    planned = db.plan(**asked, out=str(tmp_path / "out"))
    assert [row.count.pictures for row in planned] == [12] and not (tmp_path / "out").exists()
    done = db.run(**asked, settings={"factor": 0.25}, out=str(tmp_path / "out"))
    (verdict,) = done.verdicts
    assert (verdict.gone.metric, verdict.gone.n, dict(done.failed)) == ("lit", 2, {})
    assert str(done) == str(verdict)
    broken = db.run(**asked, settings={"factor": 2e38}, out=str(tmp_path / "out"))
    assert set(broken.failed.values()) == {"the latents are not finite"}
    with pytest.raises(db.UserError, match="Did you mean 'limit'"):
        db.run(**asked, limits=3)


@pytest.mark.parametrize("name", NAMES)
def test_pandas_polars_and_duckdb_read_the_same_rows(name):
    results = db.read(SMALL)
    whole = results.pandas(name)
    assert list(whole.columns) == list(names(name)) == [column.name for column in COLUMNS[name]]
    as_polars = results.polars(name)
    assert as_polars.columns == list(whole.columns) and len(as_polars) == len(whole)
    ducks = results.duckdb().sql(f"select * from {name}").df()
    assert list(ducks.columns) == list(whole.columns) and len(ducks) == len(whole)
    for column in ("value", "n"):
        if column in whole.columns:
            values = [pd.to_numeric(frame[column]).astype(float) for frame in (whole, as_polars.to_pandas(), ducks)]
            for other in values[1:]:
                pd.testing.assert_series_equal(values[0], other, check_names=False)


def test_what_was_not_measured_is_null_in_each_of_them_and_never_0():
    results = db.read(SMALL)
    missing = int(results.pandas("scores")["value"].isna().sum())
    assert missing > 0
    assert results.polars("scores")["value"].null_count() == missing
    assert results.duckdb().sql("select count(*) from scores where value is null").fetchall() == [(missing,)]


def test_a_folder_without_tables_and_a_table_that_there_is_not_are_said(tmp_path):
    with pytest.raises(db.UserError, match="no such folder"):
        db.read(tmp_path / "nowhere")
    with pytest.raises(db.UserError, match="has no tables of scores"):
        db.read(tmp_path)
    with pytest.raises(db.UserError, match="Did you mean 'scores'"):
        db.read(SMALL).pandas("score")


def test_a_comparison_is_the_commands(command):
    methods = [name for name in db.read(SMALL).pandas()["method"].unique() if name != "original"]
    found = db.compare(methods[0], "original", out=SMALL)
    rows = command("compare", methods[0], "original", "--out", SMALL, "--json").rows("differences")
    assert [(d.metric, d.role, d.difference, d.q) for d in found] == [
        (row["metric"], row["role"], row["difference"], row["q"]) for row in rows
    ]


def test_the_notebook_runs_on_the_embedded_model_and_is_kept_without_its_output(tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "outputs are not committed"
    done = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    texts = [
        "".join(str(out.get("text", out.get("data", {}))) for out in cell.get("outputs", ())) for cell in done.cells
    ]
    assert "emoji-cartoon, ghost: uce shows ghost in " in texts[3]
    assert (tmp_path / "results" / "notebook" / "summary.parquet").exists()
