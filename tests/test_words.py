"""The field's words: coinages that were replaced do not come back, in code, in pages or in what the program prints."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: what was said, and the field's word for it
PLAIN = {
    r"\bWish(es)?\b": "Request",
    r"\bsurely\b": "q_value; significant",
    r"validity card": "detection rate on unedited pictures",
    r"not told apart": "not significant",
    r"[\"]would tell|Would tell:|pictures would tell": "n for 80 % power",
    r"\bhow surely\b": "confidence interval, p-value",
    r"\bvandal\b": "blank pictures, a control method",
    r"\bshuffler\b": "shuffled pictures, a control method",
    r"\bgreyed out\b": "unreliable",
    r"Wanted were": "We aimed to",
    r"\buncarded\b": "without a detection rate",
}
KEPT = {"CHANGELOG.md", "tests/test_words.py"}  # what was once said there stays


def pages() -> list[Path]:
    """Every text of the repository that people read or write."""
    kinds = ("*.py", "*.md", "*.toml", "*.j2", "Makefile")
    listed = subprocess.run(["git", "ls-files", *kinds], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines() if name not in KEPT and not name.startswith("results/")]


@pytest.mark.parametrize("coined", PLAIN)
def test_a_coinage_has_not_come_back(coined):
    found = re.compile(coined, re.IGNORECASE if coined.islower() else 0)
    met = [
        f"{path.relative_to(ROOT)}:{n}: {line.strip()}"
        for path in pages()
        for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if found.search(line)
    ]
    assert met == [], f"say: {PLAIN[coined]}"


def test_what_is_looked_for_is_found_where_it_stands():
    assert all(any(re.search(coined, text, re.IGNORECASE) for text in SAID) for coined in PLAIN)


SAID = (
    "class Wish:", "def surely(cell):", "the validity card of", "not told apart", "Would tell: so", "and how surely",
    "a vandal and", "a shuffler", "is greyed out", "Wanted were a quarter", "line.uncarded",
)  # fmt: skip


def test_the_readme_is_two_screens_and_the_design_page_has_no_experiments():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 130
    design = (ROOT / "docs" / "design.md").read_text()
    assert len(re.findall(r"\b0\.\d\d\b", design)) <= 1, "numbers of experiments belong to docs/lab-notes.md"


def test_every_word_of_the_glossary_is_used_in_the_pages_or_the_code():
    rows = re.findall(r"^\| (\w[\w ]*) \|", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    texts = " ".join(path.read_text(encoding="utf-8") for path in pages() if path.name != "glossary.md")
    assert len(rows) >= 30
    assert [word for word in rows if word != "word" and word not in texts] == []
