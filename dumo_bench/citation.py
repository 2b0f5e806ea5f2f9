"""What to cite of a method, scorer, attack or suite, as a value, and its BibTeX. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["inproceedings", "article", "misc", "software"]
_ESCAPED = str.maketrans(
    {char: f"\\{char}" for char in "&%$#_"}
    | {"\\": r"\textbackslash{}", "{": r"\textbraceleft{}", "}": r"\textbraceright{}"}
)
_VENUE: dict[Kind, str] = {"inproceedings": "booktitle", "article": "journal", "misc": "howpublished"}


@dataclass(frozen=True, slots=True)
class Paper:
    """A publication. authors: "First Last" each, the last may be "others". arxiv: its number. kind: BibTeX's, by venue.

    key: of BibTeX; one key means one paper everywhere.
    """

    key: str
    title: str
    authors: tuple[str, ...]
    year: int
    venue: str = ""
    arxiv: str = ""
    url: str = ""
    kind: Kind | Literal[""] = ""

    @property
    def bibtex(self) -> str:
        """Its entry. The title keeps its capitals."""
        kind = self.kind or ("inproceedings" if self.venue else "misc")
        arxiv = {"eprint": self.arxiv, "archivePrefix": "arXiv"} if self.arxiv else {}
        url = self.url or (f"https://arxiv.org/abs/{self.arxiv}" if self.arxiv else "")
        fields = {
            "title": f"{{{_text(self.title)}}}",
            "author": " and ".join(map(_name, self.authors)),
            "year": str(self.year),
            _VENUE.get(kind, "note"): _text(self.venue),
            **arxiv,
            "url": url,
        }
        lines = [f"  {name} = {{{value}}},\n" for name, value in fields.items() if value]
        return f"@{kind}{{{self.key},\n{''.join(lines)}}}\n"


#: this program; CITATION.cff says the same
OWN = Paper(
    "dumobench",
    "dumo-bench: an open benchmark of concept erasure in text-to-image diffusion",
    ("The dumo-bench authors",),
    2025,
    kind="software",
)


def _name(author: str) -> str:
    """An author as BibTeX reads it: what begins with an article is one name."""
    return f"{{{author}}}" if author.startswith("The ") else _text(author)


def _text(text: str) -> str:
    """What LaTeX would read as a command, as itself; BibTeX counts braces, escaped or not."""
    return text.translate(_ESCAPED)
