"""What is installed: one top-level package, with the baselines inside it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from setuptools import find_namespace_packages

ROOT = Path(__file__).parents[1]


def test_the_baselines_are_found_inside_the_package_alone():
    found = find_namespace_packages(str(ROOT), include=["dumo_bench*"])
    assert {name.partition(".")[0] for name in found} == {"dumo_bench"}
    assert "dumo_bench.baselines" in found
    assert (ROOT / "dumo_bench/baselines").resolve() == ROOT / "baselines"


def test_every_entry_point_is_of_the_package():
    points = [point for kind in ("methods", "scorers") for point in entry_points(group=f"dumo_bench.{kind}")]
    assert len(points) > 15
    assert all(point.value.startswith("dumo_bench.") for point in points)


@pytest.mark.slow
def test_a_wheel_holds_one_top_level_package_with_baselines_data_and_templates(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"dumo_bench"}
    wanted = (
        "py.typed",
        "baselines/uce.py",
        "prompts/cartoon.toml",
        "report/page.html.j2",
        "emoji/weights/world.json",
        "report/page_case.html.j2",
        "report/assets/page.js",
        "report/assets/page.css",
        "report/assets/gallery.js",
        "published_numbers/coco.csv",
        "published_numbers/dumo-2025.toml",
        "published_numbers/emoji/numbers.csv",
    )
    assert {f"dumo_bench/{name}" for name in wanted} <= set(names)
