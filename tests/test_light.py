"""What only reads results works where torch, diffusers, transformers and nudenet cannot be imported."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMALL = ROOT / "results" / "emoji-small"
#: what a machine that only reads results need not have; the last are what those bring
HEAVY = ("torch", "torchvision", "diffusers", "transformers", "nudenet", "onnxruntime", "cv2", "cleanfid", "open_clip")
BLOCKED = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}} (blocked)", name=name)
sys.meta_path.insert(0, Blocked())
"""
READS = [
    ["report", "{out}"],
    ["report", "{out}", "--json"],
    ["compare", "uce", "original", "--out", "{out}"],
    ["compare", "{out}", "{out}"],
    ["diff", "uce", "original", "--out", "{out}"],
    ["cite", "{out}"],
    ["paper-diff", "--suite", "cartoon", "--out", "{out}"],
    ["paper-diff", "--rank", "--out", "{out}"],
    ["reproduce"],
    ["reproduce", "emoji", "--dry-run", "--out", "{out}"],
    ["plan", "--method", "uce", "--suite", "emoji-cartoon", "--case", "ghost", "--out", "{out}"],
    ["run", "{file}", "--dry-run", "--out", "{out}"],
    *(
        ["list", what]
        for what in ("methods", "scorers", "metrics", "weights", "suites", "models", "attacks", "schemas", "papers")
    ),
    ["prompts", "list"],
    ["store", "stats", "{out}"],
    ["store", "verify", "{out}"],
    ["doctor", "--out", "{out}"],
]


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    return shutil.copytree(SMALL, tmp_path_factory.mktemp("light") / "results")


def called(argv: list[str], code: str = BLOCKED) -> subprocess.CompletedProcess[str]:
    whole = f"{code}\nfrom dumo_bench.cli.app import main\nmain({argv!r})"
    return subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.parametrize("argv", READS, ids=lambda argv: " ".join(word for word in argv if "{" not in word))
def test_a_command_that_reads_needs_nothing_heavy(argv, out, tmp_path):
    (tmp_path / "ghost.toml").write_text(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1])
    said = called([word.format(out=out, file=tmp_path / "ghost.toml") for word in argv])
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip() and "Traceback" not in said.stderr


PAGE = (ROOT / "docs" / "experiments.md").read_text()


def test_the_package_from_python_reads_too(out):
    code = f"""{BLOCKED}
import dumo_bench as db
results = db.read({str(out)!r})
assert len(results.pandas()) and len(results.polars("scores")) and results.duckdb().sql("from summary").fetchall()
assert db.compare("uce", "original", out={str(out)!r})
print(len(db.plan(method="uce", suite="emoji-cartoon", cases=["ghost"])))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout.strip()) == (0, "1"), said.stderr


def test_what_needs_torch_says_so_in_one_line_and_the_blocker_blocks(out):
    assert (
        "blocked"
        in subprocess.run(
            [sys.executable, "-c", f"{BLOCKED}\nimport torch"], capture_output=True, text=True, check=False
        ).stderr
    )
    said = called(["run", "--method", "uce", "--suite", "emoji-cartoon", "--limit", "1", "--out", str(out)])
    assert said.returncode == 2 and said.stderr.strip().count("\n") == 0, said.stderr
    assert "torch is not installed" in said.stderr


def test_the_page_names_what_to_install_and_the_index_of_torch_for_a_cpu():
    page = (ROOT / "docs" / "platforms.md").read_text()
    assert "https://download.pytorch.org/whl/cpu" in page
    (listed,) = re.findall(r"pip install --no-deps dumo-bench\n +pip install (.*?)\n\n", page, re.DOTALL)
    names = {name.replace("_", "-") for name in listed.replace("\\\n", " ").split()}
    project = (ROOT / "pyproject.toml").read_text().partition("dependencies = [")[2].partition("]")[0]
    base = {re.match(r"[\w-]+", name)[0].replace("_", "-") for name in re.findall(r'"([^"]+)"', project)}
    heavy = {"torch", "torchvision", "diffusers", "transformers", "nudenet", "onnxruntime", "opencv-python-headless",
             "clean-fid", "open-clip-torch"}  # fmt: skip
    assert names == base - heavy
