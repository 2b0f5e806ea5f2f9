"""What attacks bring back, in Markdown and CSV: a table for each threat model, so that no column mixes two."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from dumo_bench.analysis.attacks import Question, Share, Success, failed
from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.report.attack_matrix import groups, matrix, said
from dumo_bench.report.attack_rows import Row
from dumo_bench.report.markdown import escape
from dumo_bench.texts import cell
from dumo_bench.types import canonical

LEGEND = (
    "First attacks x methods: the share of pictures that show the erased concept. Then each row: one attack on one "
    "method. *Shows*: the share of the attack's pictures in which the scorer sees the erased concept, over several "
    "seeds a prompt. *Unedited*: the same attack on the unedited model, searched again where it sees the model "
    "(marked *), else under the same prompts. "
    "*Plain*: the plain prompts under fresh noise, of whose pictures all weigh the same. *More*: shows minus plain of "
    "each prompt, in the mean over prompts. *Ever*: the share of prompts of "
    "which at least one picture shows it; of the plain prompts so many pictures as search and pictures of the attack "
    "cost together. *Gain*: ever minus that. A prompt of which not all these pictures are measured counts in neither "
    "of the three, and is said. In brackets 95 % intervals that resample prompts. An attack that on no "
    "method gains, nor shows it more where both reach every prompt, is reported as failed. "
    "Forwards: rows through the network that a prompt's search cost, one with its gradient as three."
)
CONTROL = (
    "*Control*: the same attack on the method of `--control`; one that gains there too, with an interval above "
    "0 and of six prompts or more, is marked: of a model that never saw the concept, only what exceeds its success "
    "tells of erasing."
)
NO_CONTROL = (
    "`report --control METHOD` puts the success on a control, a model that never saw the concept, into each row."
)
_SHARES = {
    "attacked": "shows",
    "unedited": "unedited",
    "control": "control",
    "plain": "plain",
    "more": "more",
    "ever": "ever",
    "ever_plain": "ever, plain",
    "gain": "gain",
}


def document(rows: Sequence[Row]) -> str:
    """All of them, by what the attack sees."""
    controlled = any(row.of.control for row in rows)
    shares = {field: head for field, head in _SHARES.items() if field != "control" or controlled}
    lines = ["# Attacks\n", f"{LEGEND} {CONTROL if controlled else NO_CONTROL}\n"]
    lost = failed([row.of for row in rows])
    for sees, metric, mine in groups(rows):
        head = ("attack", "case", "method", *shares.values(), "forwards", "seconds")
        lines += [f"## Sees: {sees}; {escape(metric)}\n", *_glance(mine, lost), _line(head), _line(["---"] * len(head))]
        lines += [_line(_cells(row, shares, lost.get(row.of.attack, False))) for row in mine]
        names = {row.attack: row.settings for row in mine}
        lines += ["", *(f"{escape(name)}: {escape(settings)}.\n" for name, settings in names.items())]
    return "\n".join(lines)


def _glance(rows: Sequence[Row], lost: Mapping[Question, bool]) -> list[str]:
    """Attacks x methods, with what failed."""
    head, *lines = matrix(rows)
    never = {(row.attack, row.of.case) for row in rows if lost.get(row.of.attack)}
    found = [
        [escape(name) + " (**failed**)" * ((name, case) in never), escape(case), *cells] for name, case, *cells in lines
    ]
    ruled = ["---", "---", *["---:"] * (len(head) - 2)]
    return [*map(_line, (map(escape, head), ruled, *found)), "\nEach with what it is beside:\n"]


def table(rows: Sequence[Row]) -> str:
    """The same as CSV, a row each."""
    text, lost = io.StringIO(), failed([row.of for row in rows])
    into = csv.writer(text, lineterminator="\n")
    named = ("attack", "version", "sees", "settings", "seed", "texts", "forwards", "seconds")
    ends = [f"{name}_{end}" for name in _SHARES for end in Share._fields]
    of = ("method", "method_version", "params", "fit_seed", "model")
    told = ("attack_label", "searched_on_label", "method_label", "sampling", "partly")
    into.writerow(
        [*named, "searched_on", "edit", "suite", "case", *of, "metric", "failed", "on_control_too", *ends, *told]
    )
    for row in rows:
        one, edit = row.of, row.of.recipe
        search, never = asdict(one.search), lost.get(one.attack, False)
        fitted = (edit.method, edit.version, canonical(edit.params), edit.fit_seed, edit.model)
        own = [search["method"], search["edit"], one.suite, one.case, *fitted, one.metric, never, one.everywhere]
        shares = [share for name in _SHARES for share in (getattr(one, name) or [""] * len(Share._fields))]
        labels = (row.attack, row.searched_on, row.method, one.sampling, one.partly)
        into.writerow([_text(value) for value in (*(search[name] for name in named), *own, *shares, *labels)])
    return text.getvalue()


def _text(value: object) -> object:
    return cell(value) if isinstance(value, str) else value


def _cells(row: Row, shares: Iterable[str], never: bool) -> list[str]:
    one = row.of
    name = escape(row.found) + (" (**failed**)" if never and one.method != REFERENCE else "")
    name += " (**on the control too**)" if one.everywhere else ""
    name += f" (**{one.partly} prompt{'s' * (one.partly > 1)} measured in part**)" if one.partly else ""
    told = [_share(one, field) for field in shares]
    return [name, escape(one.case), escape(row.method), *told, str(one.search.forwards), f"{one.search.seconds:.0f}"]


def _share(one: Success, field: str) -> str:
    told = said(getattr(one, field), counted=field not in ("unedited", "control", "more", "gain"))
    return told + "\\*" * (one.again and field == "unedited")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
