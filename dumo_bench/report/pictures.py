"""All pictures of a report as columns: whose they are, what each scorer says of them, and where they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.analysis.scores import Scores
from dumo_bench.report import judged
from dumo_bench.report.cells import CaseTables
from dumo_bench.report.judged import PICTURE
from dumo_bench.report.variants import VARIANT, Label, variants
from dumo_bench.storage import scan
from dumo_bench.texts import line

if TYPE_CHECKING:
    import polars as pl

ROLES = ("target", "attack", "related", "unrelated")
COLUMNS = (
    "suite", "suite_version", "case", *VARIANT, "role", "concept", *PICTURE, "key", "edit", "erase",
    "scorer", "metric", "value", "note",
)  # fmt: skip
"""Of scores, what is shown of pictures."""
BY = ["suite", "suite_version", "case", *VARIANT, "edit", "erase"]  # what they are found by


class Names:
    """Texts that stand once, and are told by their place."""

    def __init__(self) -> None:
        self.place: dict[str, int] = {}

    def __call__(self, text: object) -> int:
        return self.place.setdefault(line(str(text)), len(self.place))

    @property
    def every(self) -> list[str]:
        return list(self.place)


@dataclass(frozen=True, slots=True)
class Of:
    """A case whose pictures are shown. texts: prompt id -> text; None: not to be shown, and its pictures blurred. kind:
    of thing that it erases."""

    tables: CaseTables
    texts: Mapping[str, str] | None
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Pictures:
    """keys: each picture once, those of the worst prompts first; data: columns that the page's script reads as JSON."""

    keys: Sequence[str]
    data: Mapping[str, Any]


class _Columns:
    """What grows: lines [case, role, concept, prompt, seed, draw], tiles by columns, and each scorer's verdicts."""

    def __init__(self) -> None:
        self.names = {what: Names() for what in ("suites", "methods", "concepts", "prompts", "seen")}
        self.names["seen"]("")
        self.lines: list[list[Any]] = []
        self.line: list[int] = []
        self.method: list[int] = []
        self.key: list[str] = []
        self.judges: dict[str, dict[str, list[Any]]] = {}

    def add(self, number: int, texts: Mapping[str, str], own: pl.DataFrame) -> None:
        """The pictures of a case, sorted by `_tiles`."""
        before: tuple[Any, ...] = ()
        for *at, label, key in own.select("role", "concept", *PICTURE, "label", "key").iter_rows():
            if tuple(at) != before:
                role, concept, prompt, seed, draw = before = tuple(at)
                text = self.names["prompts"](texts.get(prompt, prompt))
                self.lines.append([number, ROLES.index(role), self.names["concepts"](concept), text, seed, draw])
            self.line.append(len(self.lines) - 1)
            self.method.append(self.names["methods"](label))
            self.key.append(key)

    def judge(self, scorer: str, found: pl.DataFrame) -> None:
        """A scorer's verdicts of the pictures that were added last."""
        own = self.judges.setdefault(scorer, {"codes": [], "worst": [], "seen": []})
        self._fill(own, len(self.key) - len(found))
        own["codes"] += found["code"].to_list()
        own["worst"] += found["worst"].fill_null(-1).to_list()
        own["seen"] += [self.names["seen"](text.replace("/", ", ")) for text in found["seen"]]

    def _fill(self, own: Mapping[str, list[Any]], n: int) -> None:
        """Of pictures that a scorer was not asked about."""
        for what, nothing in (("codes", "-"), ("worst", -1), ("seen", 0)):
            own[what] += [nothing] * (n - len(own[what]))

    def told(self) -> list[dict[str, Any]]:
        for own in self.judges.values():
            self._fill(own, len(self.key))
        return [{"name": line(name), **own, "codes": "".join(own["codes"])} for name, own in self.judges.items()]

    def keys(self) -> list[str]:
        """Every key once, those of lines with a failure first: should there be no room for all, they have some."""
        fails = [False] * len(self.lines)
        for own in self.judges.values():
            for at, code in zip(self.line, own["codes"], strict=False):
                fails[at] = fails[at] or code in "SL"
        both = [key for bad in (True, False) for at, key in zip(self.line, self.key, strict=True) if fails[at] is bad]
        return list(dict.fromkeys(both))


def of(cases: Sequence[Of], scores: Scores, metrics: Catalogue) -> Pictures:
    """The pictures of some cases, from the columns `COLUMNS` of scores by `BY`."""
    found, shown = _Columns(), []
    for number, case in enumerate(cases):
        rows = _of_case(scores, case.tables)
        labels = variants(scan.to_frame(rows.select(VARIANT).unique())) if len(rows) else {}
        own = _tiles(rows, labels)
        found.add(number, case.texts or {}, own)
        for one in judged.judges(rows, metrics, case.kind):
            found.judge(one.scorer, judged.of(one, own, rows))
        several = len({one.tables.version for one in cases if one.tables.suite == case.tables.suite}) > 1
        suite = f"{case.tables.suite} (version {case.tables.version})" if several else case.tables.suite
        shown.append([found.names["suites"](suite), line(case.tables.case), case.texts is None])
    judges, keys = found.told(), found.keys()
    place = {key: n for n, key in enumerate(keys)}
    return Pictures(keys, {
        **{what: one.every for what, one in found.names.items()},
        "roles": ROLES, "codes": judged.CODES, "cases": shown, "original": REFERENCE, "lines": found.lines,
        "line": found.line, "method": found.method, "key": [place[key] for key in found.key], "judges": judges,
    })  # fmt: skip


def _of_case(scores: Scores, case: CaseTables) -> pl.DataFrame:
    keys = scores.of_case(case.suite, case.version, case.case).select("suite", "suite_version", "case")
    return scores.of(keys.unique(), COLUMNS)


def _tiles(rows: pl.DataFrame, labels: Mapping[tuple[Any, ...], Label]) -> pl.DataFrame:
    """A row a picture: prompt by prompt, the roles in order, the methods in the order of their labels."""
    import polars as pl

    once = rows.unique([*VARIANT, *PICTURE], keep="first", maintain_order=True)
    found = once.with_columns(pl.col(pl.Categorical).cast(pl.String))
    order = pl.DataFrame(
        [(*key, str(label), n) for n, (key, label) in enumerate(labels.items())],
        schema={name: found.schema[name] for name in VARIANT} | {"label": pl.String, "place": pl.Int64}, orient="row",
    )  # fmt: skip
    roles = pl.DataFrame({"role": ROLES, "turn": range(len(ROLES))})
    whole = found.join(order, on=VARIANT, how="left").join(roles, on="role", how="inner")
    return whole.sort("turn", "concept", "prompt_id", "draw", "seed", "place")
