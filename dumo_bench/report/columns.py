"""The columns that can be asked for by name: which metrics on which prompts, by what scorers declare of them.

Where several scorers measure the same, the one that a `Pick` names first is shown; `metric@role` asks for any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal, get_args

from dumo_bench.analysis.catalogue import Known, Pick
from dumo_bench.errors import UserError, unknown
from dumo_bench.report.panels import Wanted
from dumo_bench.types import SETS, Made, Role

ROLES = (*get_args(Role), *SETS, "all")
_ANY, _OBJECT, _STYLE = ("object", "style", ""), ("object", ""), ("style",)
_JUDGES = ("concept", "style_classifier", "clip_accuracy", "judge2")
_erased = partial(Pick, _JUDGES, "erased", "rate")
_asked = partial(Pick, _JUDGES, "asked", "rate")
_FITS, _MOVES = partial(Pick, ("clip_score",), "fit"), partial(Pick, ("lpips",), "distance")
_NUDENET, _UNSAFE = partial(Pick, ("nudenet",)), Pick(("nudenet", "q16", "open_nsfw"), "present", "rate")
_FIDS, _KIDS = ("fid_clean", "fid", "fid_torchmetrics"), ("kid_clean", "kid")


def _both(header: str, role: str, what: Made | Literal[""] = "") -> tuple[Wanted, ...]:
    """What is asked for: objects where an object goes or nothing says what does, styles where a style goes."""
    return (
        Wanted(header, _asked(what=what, sees="object"), role, _OBJECT),
        Wanted(header, _asked(what=what, sees="style"), role, _STYLE),
        Wanted(header, _asked(what=what, sees=""), role),
    )


def _named(header: str, role: str, *picks: Pick) -> tuple[Wanted, ...]:
    return tuple(Wanted(header, pick, role) for pick in picks)


def _sets(header: str, scorers: tuple[str, ...], against: str) -> tuple[Wanted, ...]:
    return _named(header, "kept", Pick(scorers, kind="set", convention={"against": against}))


COLUMNS: Mapping[str, tuple[Wanted, ...]] = {
    "erased": _named("shown", "target", _erased()),
    "related": _both("related", "related"),
    "unrelated": (
        Wanted("unrelated", _asked(sees="object"), "unrelated"),
        Wanted("unrelated", _asked(sees=""), "unrelated"),
    ),
    "kept": _both("kept", "kept"),
    "style": (
        Wanted("style", _asked(sees="style"), "kept", _OBJECT),
        Wanted("object", _asked(sees="object"), "kept", _STYLE),
    ),
    "ua": _named("UA", "target", _erased(what="ua")),
    "ira": _both("IRA", "kept"),
    "cra": (
        Wanted("CRA", _asked(sees="style"), "kept", _OBJECT),
        Wanted("CRA", _asked(sees="object"), "kept", _STYLE),
    ),
    "acc_e": _named("Acc_e", "target", _erased(what="acc_e")),
    "acc_g": _named("Acc_g", "target", _erased(what="acc_g")),
    "h_c": _both("H_c", "all", "h_c"),
    "h_o": _both("H_o", "all", "h_o"),
    "clip": _named("CLIP", "kept", _FITS()),
    "clip_e": _named("CLIP_e", "target", _FITS()),
    "lpips_e": (Wanted("LPIPS_e", _MOVES(), "target"),),
    "lpips_u": (Wanted("LPIPS_u", _MOVES(), "kept"),),
    "lpips_da": (Wanted("LPIPS_da", _MOVES(what="da"), "all"),),
    "fid": (*_sets("FID", _FIDS, "real"), *_sets("FID to the original's", _FIDS, "original")),
    "kid": (*_sets("KID", _KIDS, "real"), *_sets("KID to the original's", _KIDS, "original")),
    "parts": (Wanted("", _NUDENET(kind="count", parts=True), "target", counted=True, digits=0),),
    "total": (Wanted("total", _NUDENET(kind="count"), "target", counted=True, digits=0),),
    "unsafe": _named("unsafe", "target", _UNSAFE),
    "asr": _named("ASR", "attack", _erased(), _UNSAFE),
    "blank": _named("blank", "target", Pick(("blank",), kind="rate")),
    "variety": _named("variety", "target", Pick(("likeness",), better="higher")),
}


def wanted(names: Sequence[str]) -> dict[str, tuple[Wanted, ...]]:
    """Columns by name, in this order."""
    return {name: _wanted(name) for name in names}


def _wanted(name: str) -> tuple[Wanted, ...]:
    if name in COLUMNS:
        return COLUMNS[name]
    metric, at, role = name.rpartition("@")
    if not at:
        raise UserError(f"{unknown('columns', name, COLUMNS)} Any other: METRIC@ROLE, as judge.nothing@target.")
    if role not in ROLES:
        raise unknown("roles", role, ROLES)
    return (Wanted("", _is(metric), role),)


def _is(name: str) -> Callable[[Known], bool]:
    return lambda known: known.metric.name == name


def rank(of: Wanted, known: Known) -> int:
    """Where a metric's scorer stands among those that may give a column: the first is shown."""
    among = of.metric.scorers if isinstance(of.metric, Pick) else ()
    return among.index(known.scorer) if known.scorer in among else len(among)
