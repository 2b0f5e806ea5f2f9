"""Which columns the report has, and what they are called: metrics by what they declare, not by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from dumo_bench.analysis.catalogue import Known, Pick

_EVERY = ("object", "style", "")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A column to show: some metrics on a role. Which way is better, and how many digits, the metrics say themselves.

    Without a header it is called as the metric is. `counted`: the sum over the pictures, as papers print it, in place
    of the summary's mean. `kinds`: for cases that erase such a thing; "" stands for explicit content, and for cases of
    which it is not known, or that erase both. `leads`: its panel is shown only where this column is measured.
    """

    header: str
    metric: Pick | Callable[[Known], bool]
    role: str
    kinds: tuple[str, ...] = _EVERY
    counted: bool = False
    digits: int | None = None
    leads: bool = False


Panels: TypeAlias = Mapping[str, tuple[Wanted, ...]]
_NOT_STYLE, _STYLE, _NOT_OBJECT = ("object", ""), ("style",), ("style", "")

_judge, _style = partial(Pick, ("concept",)), partial(Pick, ("style_classifier",))
_second = partial(Pick, ("judge2",))
_clip, _nudenet, _likeness = (
    partial(Pick, ("clip_accuracy",)),
    partial(Pick, ("nudenet",)),
    partial(Pick, ("likeness",)),
)
_mace = partial(Pick, ("clip_accuracy_mace",))
_FITS, _MOVES = partial(Pick, ("clip_score",), "fit"), partial(Pick, ("lpips",), "distance")
_SHIFTS = partial(Pick, ("stlpips",), "distance")
_OBJECT, _STYLED = (partial(_judge, "asked", "rate", sees=sees) for sees in ("object", "style"))
_GONE = partial(_judge, "erased", "rate")
_NOTHING = _judge("", "rate")
_OBJECT2, _STYLED2 = (partial(_second, "asked", "rate", sees=sees) for sees in ("object", "style"))
_GONE2 = partial(_second, "erased", "rate")
_BLANK = Pick(("blank",), kind="rate")
_LIKELY, _LIKELY_GONE = partial(_mace, "asked"), partial(_mace, "erased")
_CONCEPT, _CONCEPT_GONE = partial(_clip, "asked", "rate"), partial(_clip, "erased", "rate")
_RIGHT, _RIGHT3, _STYLE_GONE = partial(_style, "asked", "rate"), _style("", "rate"), partial(_style, "erased", "rate")


def _sets(family: tuple[str, ...], against: str) -> Pick:
    return Pick(family, kind="set", convention={"against": against})


_FIDS, _KIDS = ("fid", "fid_clean", "fid_torchmetrics"), ("kid", "kid_clean")


def _named(erased: Callable[..., Pick], kinds: tuple[str, ...] = _EVERY) -> tuple[Wanted, ...]:
    """What H_o has beside Acc_s: the rate of erased concepts on targets that name them, and on those that do not."""
    return tuple(Wanted(f"Acc_{of[-1]}", erased(what=of), "target", kinds) for of in ("acc_e", "acc_g"))


# Of one number in several units (CLIP's x100 and logit are its cosine scaled) one is a column; all are in the csv.
PANELS: Panels = {
    "Is the concept gone, and is everything else kept?": (
        Wanted("shows the erased concept", _GONE(), "target"),
        Wanted("keeps related objects", _OBJECT(), "related", _NOT_STYLE),
        Wanted("keeps related styles", _STYLED(), "related", _STYLE),
        Wanted("keeps unrelated objects", _OBJECT(), "unrelated"),
        Wanted("keeps the style", _STYLED(), "kept", _NOT_STYLE),
        Wanted("keeps the object", _OBJECT(), "related", _STYLE),
        Wanted("fits its text (CLIP cosine)", _FITS(), "kept"),
        Wanted("shows nudity (NudeNet)", _nudenet("present", "rate"), "target"),
    ),
    "Are the pictures still good ones?": (
        Wanted("keeps the style", _STYLED(), "target", ("object",)),
        Wanted("keeps the object", _OBJECT(), "target", _STYLE),
        Wanted("shows nothing", _NOTHING, "target"),
        Wanted("blank", _BLANK, "target"),
        Wanted("variety", _likeness(better="higher"), "target"),
        Wanted("distance to real pictures", _likeness(better="lower"), "target"),
    ),
    "What does a second judge see?": (
        Wanted("shows the erased concept", _GONE2(), "target"),
        Wanted("keeps related objects", _OBJECT2(), "related", _NOT_STYLE),
        Wanted("keeps related styles", _STYLED2(), "related", _STYLE),
        Wanted("keeps unrelated objects", _OBJECT2(), "unrelated"),
        Wanted("keeps the style", _STYLED2(), "kept", _NOT_STYLE),
        Wanted("keeps the object", _OBJECT2(), "related", _STYLE),
        Wanted("shows nothing nameable", _second("", "rate"), "target"),
        Wanted("shows nothing nameable", _second("", "rate"), "kept"),
        Wanted("UA", _GONE2(what="ua"), "target"),
        Wanted("H_c", _OBJECT2(what="h_c"), "all", _NOT_STYLE),
        Wanted("H_c", _STYLED2(what="h_c"), "all", _STYLE),
    ),
    "How far is the whole set from others?": (
        Wanted("FID to the original's", _sets(_FIDS, "original"), "kept"),
        Wanted("KID to the original's", _sets(_KIDS, "original"), "kept"),
        Wanted("FID to real pictures", _sets(_FIDS, "real"), "kept"),
        Wanted("KID to real pictures", _sets(_KIDS, "real"), "kept"),
    ),
    "As papers count it: what the judge recognises": (
        Wanted("UA", _GONE(what="ua"), "target"),
        Wanted("IRA", _OBJECT(), "kept", _NOT_STYLE),
        Wanted("CRA", _STYLED(), "kept", _NOT_STYLE),
        Wanted("IRA", _STYLED(), "kept", _STYLE),
        Wanted("CRA", _OBJECT(), "kept", _STYLE),
        Wanted("H_c", _OBJECT(what="h_c"), "all", _NOT_STYLE),
        Wanted("H_c", _STYLED(what="h_c"), "all", _STYLE),
        *_named(_GONE),
        Wanted("H_o", _OBJECT(what="h_o"), "all", _NOT_STYLE),
        Wanted("H_o", _STYLED(what="h_o"), "all", _STYLE),
    ),
    "As EraseBench counts it: the name, other words, neighbours": (
        Wanted("Eff", _GONE(what="acc_e"), "target"),
        Wanted("Gen", _GONE(what="acc_g"), "target"),
        Wanted("Sens", _OBJECT(), "related", _NOT_STYLE),
        Wanted("Sens", _STYLED(), "related", _STYLE),
        Wanted("HM", _OBJECT(what="hm"), "all", _NOT_STYLE, leads=True),
        Wanted("HM", _STYLED(what="hm"), "all", _STYLE, leads=True),
    ),
    "As papers count it: what CLIP chooses among the concepts": (
        Wanted("shows the erased concept", _CONCEPT_GONE(), "target"),
        Wanted("UA", _CONCEPT_GONE(what="ua"), "target"),
        Wanted("Acc_s", _CONCEPT(), "kept"),
        Wanted("Acc_s", _CONCEPT(), "related"),
        Wanted("H_c", _CONCEPT(what="h_c"), "all"),
        *_named(_CONCEPT_GONE),
        Wanted("H_o", _CONCEPT(what="h_o"), "all"),
    ),
    "As MACE counts it: how probable the concept is by CLIP": (
        Wanted("Acc_s", _LIKELY(), "kept"),
        *_named(_LIKELY_GONE),
        Wanted("H_c", _LIKELY(what="h_c"), "all"),
        Wanted("H_o", _LIKELY(what="h_o"), "all"),
    ),
    "As papers count it: what a style classifier recognises": (
        Wanted("keeps the style", _RIGHT(), "target", ("object",)),
        Wanted("shows the erased concept", _STYLE_GONE(), "target", _NOT_OBJECT),
        Wanted("UA", _STYLE_GONE(what="ua"), "target", _NOT_OBJECT),
        Wanted("IRA", _RIGHT(), "kept", _STYLE),
        Wanted("CRA", _RIGHT(), "kept", _NOT_STYLE),
        Wanted("in the top 3", _RIGHT3, "target"),
        Wanted("in the top 3", _RIGHT3, "kept"),
        Wanted("H_c", _RIGHT(what="h_c"), "all", _NOT_OBJECT),
        *_named(_STYLE_GONE, _NOT_OBJECT),
        Wanted("H_o", _RIGHT(what="h_o"), "all", _NOT_OBJECT),
    ),
    "As papers count it: what NudeNet finds": (
        Wanted("total", _nudenet(kind="count"), "target", counted=True, digits=0),
        Wanted("", _nudenet(kind="count", parts=True), "target", counted=True, digits=0),
    ),
    "Does the concept come back under attack?": (
        Wanted("ASR", _GONE(), "attack"),
        Wanted("ASR", _CONCEPT_GONE(), "attack"),
        Wanted("ASR", _STYLE_GONE(), "attack", _NOT_OBJECT),
        Wanted("ASR", _nudenet("present", "rate"), "attack"),
    ),
    "As papers count it: how far pictures move": (
        Wanted("LPIPS_e", _MOVES(), "target"),
        Wanted("LPIPS_u", _MOVES(), "kept"),
        Wanted("LPIPS_da", _MOVES(what="da"), "all"),
    ),
    "How far pictures move, by ST-LPIPS: no number of it compares with LPIPS": (
        Wanted("ST-LPIPS_e", _SHIFTS(), "target"),
        Wanted("ST-LPIPS_u", _SHIFTS(), "kept"),
        Wanted("ST-LPIPS_da", _SHIFTS(what="da"), "all"),
    ),
    "As papers count it: how well pictures fit their texts": (
        Wanted("CLIP_e", _FITS(), "target"),
        Wanted("CLIP_s", _FITS(), "kept"),
        Wanted("H_a", _FITS(what="h_a"), "all"),
    ),
}
OTHERS = "Other scorers"
_ROLES = ("target", "kept", "attack")


def others(among: Iterable[Known]) -> Iterator[Wanted]:
    """A column for every metric on targets, kept prompts and attacks, and for what is made of them: of scorers that no
    panel names. A copy in another unit has none."""
    named = {scorer for wanted in PANELS.values() for one in wanted for scorer in _scorers(one)}
    for known in among:
        if known.scorer not in named and not known.metric.copy_of:
            roles = (known.number.role,) if known.number else _ROLES
            yield from (Wanted(_header(known), partial(_is, known), role) for role in roles)


def _scorers(wanted: Wanted) -> tuple[str, ...]:
    return wanted.metric.scorers if isinstance(wanted.metric, Pick) else ()


def _header(known: Known) -> str:
    return f"{known.metric.header} ({known.number.of.header})" if known.number else known.metric.header


def _is(known: Known, other: Known) -> bool:
    return known == other
