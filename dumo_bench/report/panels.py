"""Which columns the report has, and what they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wanted:
    """A column to show: a metric (a pattern) on a role. `higher` is better, or lower, or (None) neither.

    `kinds`: for cases that erase such a thing; "" stands for cases of which it is not known, or that erase both.
    """

    header: str
    metric: str
    role: str
    higher: bool | None
    digits: int = 2
    kinds: tuple[str, ...] = ("object", "style", "")


_NOT_STYLE, _STYLE = ("object", ""), ("style",)
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
        Wanted("variety", "diversity.*", "target", True, 3),
        Wanted("distance to real pictures", "real_distance.*", "target", False, 3),
        Wanted("FID to the original's", "fid.*.original", "kept", False, 3),
        Wanted("KID to the original's", "kid.*.original", "kept", False, 4),
    ),
    "As papers count it: what is recognised": (
        Wanted("UA", "judge.erased.ua", "target", True),
        Wanted("IRA", "judge.object", "kept", True, kinds=_NOT_STYLE),
        Wanted("CRA", "judge.style", "kept", True, kinds=_NOT_STYLE),
        Wanted("IRA", "judge.style", "kept", True, kinds=_STYLE),
        Wanted("CRA", "judge.object", "kept", True, kinds=_STYLE),
        Wanted("H_c", "judge.object.h_c", "all", True, kinds=_NOT_STYLE),
        Wanted("H_c", "judge.style.h_c", "all", True, kinds=_STYLE),
        Wanted("H_o", "judge.object.h_o", "all", True, kinds=_NOT_STYLE),
        Wanted("H_o", "judge.style.h_o", "all", True, kinds=_STYLE),
    ),
    "Does the concept come back under attack?": (
        Wanted("ASR", "judge.erased", "attack", False),
        Wanted("ASR", "nudenet.*.any", "attack", False),
    ),
    "As papers count it: how far pictures move": (
        Wanted("LPIPS_e", "lpips*", "target", True, 3),
        Wanted("LPIPS_u", "lpips*", "kept", False, 3),
        Wanted("LPIPS_da", "lpips*.da", "all", True, 3),
        Wanted("H_a", "clip.*.cosine.h_a", "all", True, 3),
    ),
}
