"""What mkdocs does beyond the pages of docs/: the README is the first page, files of the repository that pages link to
come along, and every method and scorer is a section that mkdocstrings fills from its file.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
FIRST = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
LINK = re.compile(r"(\]\()([^)#:\s]+)((?:#[^)\s]*)?\))")
EVERY = re.compile(r"<!-- every (methods|scorers|attacks) -->")


def on_files(files: Files, config: Any) -> Files:
    """The site's files, with those of the repository that its pages lead to."""
    for path in sorted(_reached(ROOT / "docs" / file.src_uri for file in files.documentation_pages())):
        if files.get_file_from_path(at := uri(path)) is None:
            files.append(File.generated(config, at, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """A page's text with links as the site has them, and a section for every plugin where one is asked for."""
    here = Path(page.file.abs_src_path)
    text = LINK.sub(lambda found: f"{found[1]}{_moved(here, found[2])}{found[3]}", markdown)
    return EVERY.sub(lambda found: "\n".join(map(_section, sorted(_plugins(found[1]).items()))), text)


def uri(path: Path) -> str:
    """Where a file of the repository lies on the site."""
    inside = path.relative_to(ROOT)
    if inside == Path("README.md"):
        return "index.md"
    return PurePosixPath(inside.relative_to("docs") if inside.parts[0] == "docs" else inside).as_posix()


def _reached(pages: Iterator[Path]) -> set[Path]:
    """The files that pages link to, and these link to, and so on."""
    found: set[Path] = set()
    left = [*pages, *(ROOT / name for name in FIRST)]
    while left:
        if (path := left.pop()) in found:
            continue
        found.add(path)
        if path.suffix == ".md":
            links = (_target(path, link[2]) for link in LINK.finditer(path.read_text(encoding="utf-8")))
            left += [link for link in links if link and link.is_file()]
    return found


def _target(page: Path, link: str) -> Path | None:
    """What a page's link leads to; of a folder its page, where it has one."""
    path = Path(os.path.normpath(page.parent / link))
    if not path.is_relative_to(ROOT):
        return None
    pages = (path / name for name in ("README.md", "report.md"))
    return next((one for one in pages if one.is_file()), None) if path.is_dir() else path


def _moved(page: Path, link: str) -> str:
    """A link of a page, as it is from the page's place on the site."""
    if (target := _target(page, link)) is None:
        return link
    return PurePosixPath(os.path.relpath(uri(target), os.path.dirname(uri(page)) or ".")).as_posix()


def _plugins(kind: str) -> dict[str, str]:
    """Name and `package.module:Class` of this project's own."""
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: dict[str, str] = data["project"]["entry-points"][f"dumo_bench.{kind}"]
    return found


def _section(plugin: tuple[str, str]) -> str:
    """Its file's docstring, its own, its settings, and what it declares."""
    name, (module, _, cls) = plugin[0], plugin[1].partition(":")
    return f"""
## {name}

::: {module}
    options: {{members: false, show_root_heading: false}}

::: {module}.{cls}
    options:
      heading_level: 4
      members: [cite, version, kinds, ours, needs, by_task, by_kind, bounds, sees]
"""
