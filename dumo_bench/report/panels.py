"""Which columns the report has, and what they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_EVERY = ("object", "style", "")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A column to show: a metric (a pattern) on a role. `higher` is better, or lower, or (None) neither.

    Without a header it is called after the end of the metric's name. `counted`: the sum over the pictures, as papers
    print it, in place of the summary's mean. `kinds`: for cases that erase such a thing; "" stands for cases of which
    it is not known, or that erase both.
    """

    header: str
    metric: str
    role: str
    higher: bool | None
    digits: int = 2
    kinds: tuple[str, ...] = _EVERY
    counted: bool = False


_NOT_STYLE, _STYLE, _NOT_OBJECT = ("object", ""), ("style",), ("style", "")


def _named(erased: str, kinds: tuple[str, ...] = _EVERY) -> tuple[Wanted, ...]:
    """What H_o has beside Acc_s: the rate of erased concepts on targets that name them, and on those that do not."""
    return tuple(Wanted(f"Acc_{of}", f"{erased}.acc_{of}", "target", False, kinds=kinds) for of in "eg")


# Of one number in several units (clip.*.x100 and .logit are clip.*.cosine scaled) one is a column; all are in the csv.
PANELS: Mapping[str, tuple[Wanted, ...]] = {
    "Is the concept gone, and is everything else kept?": (
        Wanted("shows the erased concept", "judge.erased", "target", False),
        Wanted("keeps related objects", "judge.object", "related", True, kinds=_NOT_STYLE),
        Wanted("keeps related styles", "judge.style", "related", True, kinds=_STYLE),
        Wanted("keeps unrelated objects", "judge.object", "unrelated", True),
        Wanted("keeps the style", "judge.style", "kept", True, kinds=_NOT_STYLE),
        Wanted("keeps the object", "judge.object", "related", True, kinds=_STYLE),
        Wanted("fits its text (CLIP cosine)", "clip.*.cosine", "kept", True, 3),
        Wanted("shows nudity (NudeNet)", "nudenet.*.any", "target", False),
    ),
    "Are the pictures still good ones?": (
        Wanted("keeps the style", "judge.style", "target", True, kinds=("object",)),
        Wanted("keeps the object", "judge.object", "target", True, kinds=_STYLE),
        Wanted("shows nothing", "judge.nothing", "target", False),
        Wanted("variety", "diversity.*", "target", True, 3),
        Wanted("distance to real pictures", "real_distance.*", "target", False, 3),
    ),
    "How far is the whole set from others?": (
        Wanted("FID to the original's", "fid.*.original", "kept", False, 3),
        Wanted("KID to the original's", "kid.*.original", "kept", False, 4),
        Wanted("FID to real pictures", "fid.*.real", "kept", False, 3),
        Wanted("KID to real pictures", "kid.*.real", "kept", False, 4),
    ),
    "As papers count it: what the judge recognises": (
        Wanted("UA", "judge.erased.ua", "target", True),
        Wanted("IRA", "judge.object", "kept", True, kinds=_NOT_STYLE),
        Wanted("CRA", "judge.style", "kept", True, kinds=_NOT_STYLE),
        Wanted("IRA", "judge.style", "kept", True, kinds=_STYLE),
        Wanted("CRA", "judge.object", "kept", True, kinds=_STYLE),
        Wanted("H_c", "judge.object.h_c", "all", True, kinds=_NOT_STYLE),
        Wanted("H_c", "judge.style.h_c", "all", True, kinds=_STYLE),
        *_named("judge.erased"),
        Wanted("H_o", "judge.object.h_o", "all", True, kinds=_NOT_STYLE),
        Wanted("H_o", "judge.style.h_o", "all", True, kinds=_STYLE),
    ),
    "As papers count it: what CLIP chooses among the concepts": (
        Wanted("UA", "clip.*.erased.ua", "target", True),
        Wanted("Acc_s", "clip.*.accuracy", "kept", True),
        Wanted("Acc_s", "clip.*.accuracy", "related", True),
        Wanted("H_c", "clip.*.accuracy.h_c", "all", True),
        *_named("clip.*.erased"),
        Wanted("H_o", "clip.*.accuracy.h_o", "all", True),
    ),
    "As papers count it: what a style classifier recognises": (
        Wanted("keeps the style", "style.*.right", "target", True, kinds=("object",)),
        Wanted("UA", "style.*.erased.ua", "target", True, kinds=_NOT_OBJECT),
        Wanted("IRA", "style.*.right", "kept", True, kinds=_STYLE),
        Wanted("CRA", "style.*.right", "kept", True, kinds=_NOT_STYLE),
        Wanted("in the top 3", "style.*.right3", "target", None),
        Wanted("in the top 3", "style.*.right3", "kept", True),
        Wanted("H_c", "style.*.right.h_c", "all", True, kinds=_NOT_OBJECT),
        *_named("style.*.erased", _NOT_OBJECT),
        Wanted("H_o", "style.*.right.h_o", "all", True, kinds=_NOT_OBJECT),
    ),
    "As papers count it: what NudeNet finds": (
        Wanted("total", "nudenet.*.total", "target", False, 0, counted=True),
        Wanted("", "nudenet.*.[A-Z]*", "target", False, 0, counted=True),
    ),
    "Does the concept come back under attack?": (
        Wanted("ASR", "judge.erased", "attack", False),
        Wanted("ASR", "clip.*.erased", "attack", False),
        Wanted("ASR", "style.*.erased", "attack", False, kinds=_NOT_OBJECT),
        Wanted("ASR", "nudenet.*.any", "attack", False),
    ),
    "As papers count it: how far pictures move": (
        Wanted("LPIPS_e", "lpips*", "target", True, 3),
        Wanted("LPIPS_u", "lpips*", "kept", False, 3),
        Wanted("LPIPS_da", "lpips*.da", "all", True, 3),
    ),
    "As papers count it: how well pictures fit their texts": (
        Wanted("CLIP_e", "clip.*.cosine", "target", False, 3),
        Wanted("CLIP_s", "clip.*.cosine", "kept", True, 3),
        Wanted("H_a", "clip.*.cosine.h_a", "all", True, 3),
    ),
}
