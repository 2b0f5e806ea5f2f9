"""The documentation builds strictly as a site that fetches nothing from elsewhere, with a section for every plugin."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dumo_bench.plugins import loading

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    argv = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    said = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "WARNING" not in said.stderr
    return folder


class Fetched(HTMLParser):
    """What a browser fetches for a page by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = dict(attrs)
        if tag == "link" and of.get("rel") not in {"canonical", "prev", "next"}:
            self.found.append(of.get("href") or "")
        elif tag != "a":
            self.found.append(of.get("src") or "")


def fetched(page: Path) -> Iterator[str]:
    parser = Fetched()
    parser.feed(page.read_text(encoding="utf-8"))
    yield from filter(None, parser.found)


def test_no_page_fetches_anything_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    every = [(page.name, url) for page in pages for url in fetched(page)]
    assert len(pages) > 30 and len(every) > 100
    assert [(page, url) for page, url in every if re.match(r"(\w+:)?//", url)] == []


def test_no_style_sheet_fetches_anything_from_elsewhere(site):
    sheets = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    urls = [url for sheet in sheets for url in re.findall(r"""(?:url\(|@import\s)\s*["']?([^"')]+)""", sheet)]
    assert sheets and [url for url in urls if re.match(r"(https?:)?//", url)] == []


@pytest.mark.parametrize(("page", "kind"), [("methods", "methods"), ("metrics", "scorers")])
def test_every_plugin_has_its_section_with_what_its_file_says(site, page, kind):
    text = (site / f"{page}.html").read_text(encoding="utf-8")
    headings = set(re.findall(r'<h[23] id="([\w-]+)"', text))
    assert {name.lower() for name in loading.names(kind)} <= headings
    assert "<!-- every" not in text and "::: " not in text


def test_every_page_of_docs_is_in_the_navigation(site):
    first = (site / "index.html").read_text(encoding="utf-8")
    pages = {f"{page.stem}.html" for page in (ROOT / "docs").glob("*.md")}
    assert pages - set(re.findall(r'href="([\w-]+\.html)"', first)) == set()
