"""Fill a folder with what this Python lacks: wheels of a folder whose package is not installed, and who we are.

    python benchmarks/gpu_site.py SITE ROOT [WHEELS]

The project itself runs from the checkout ROOT; its name, version and entry points are written beside the wheels, so
that it is found without being built.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def installed(name: str) -> bool:
    """Whether this Python has a package of that name."""
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def install(wheels: list[Path], site: Path) -> None:
    """Unpack the wheels; nothing is fetched, and nothing installed is touched."""
    quiet = ["-q", "--no-index", "--no-deps", "--no-compile", "--no-cache-dir", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", "install", *quiet, *map(str, wheels)], check=True)


def introduce(root: Path, site: Path) -> None:
    """Write the metadata that an installation would have."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    place = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    place.mkdir()
    (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = {"console_scripts": project["scripts"], **project["entry-points"]}
    lines = [f"[{group}]\n" + "\n".join(f"{k} = {v}" for k, v in found.items()) for group, found in groups.items()]
    (place / "entry_points.txt").write_text("\n\n".join(lines) + "\n")


def main(site: Path, root: Path, wheels: Path | None = None) -> None:
    there = sorted(wheels.glob("*.whl")) if wheels else []
    missing = [wheel for wheel in there if not installed(wheel.name.split("-")[0])]
    print("from wheels:", " ".join(wheel.name.rpartition("-py")[0] or wheel.name for wheel in missing) or "nothing")
    if missing:
        install(missing, site)
    if not installed("dumo-bench"):
        introduce(root, site)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
