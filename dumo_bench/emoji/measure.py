"""How well a judge knows drawings that it never saw, how sure it is, and whether it knows a ruin when it sees one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from dumo_bench.emoji import augment, views, warp, world
from dumo_bench.emoji.drawings import Drawings

CLASSES = len(world.OBJECTS) + 1
SURE = 0.5  # an object that is less likely than this is not nameable
TEMPERATURES = tuple(round(0.5 * 1.05**k, 3) for k in range(45))  # 0.5 to 4.3


@torch.no_grad()
def logits(judge: Any, pictures: Tensor) -> Tensor:
    """Logits of pictures in -1..1, enlarged to the side that the judge's configuration names, if it names one."""
    return scored(judge, pictures)


def scored(judge: Any, pictures: Tensor) -> Tensor:
    """The same with gradients."""
    side = getattr(judge.config, "side", pictures.shape[-1])
    if side != pictures.shape[-1]:
        pictures = F.interpolate(pictures, size=(side, side), mode="bilinear", align_corners=False)
    found: Tensor = judge(pictures).logits
    return found


def seen(judge: Any, pictures: Tensor) -> Tensor:
    """Logits (n, classes) on the CPU of pictures (n, 3, 64, 64) uint8."""
    parts = [logits(judge, part.float() / 127.5 - 1) for part in torch.split(pictures, 256)]
    return torch.cat(parts).float().cpu()


def shown(drawings: Drawings, cropped: bool) -> tuple[Tensor, Tensor]:
    """Every drawing upright on each background, uint8, and its object; cropped ones fill the tile."""
    n, here = len(drawings.object), str(drawings.rgba.device)
    box = warp.boxes(drawings.rgba[:, 3]) if cropped else warp.whole(n, here)
    figure = warp.placed(drawings.rgba / 255, box, warp.still(n, here))
    colours = torch.tensor(list(world.BACKGROUNDS.values()), device=here) / 255
    tiles = [views.as_bytes(augment.over(figure, colour[:, None, None])) for colour in colours]
    return torch.cat(tiles), drawings.object.repeat(len(colours)).cpu()


def calibration_error(found: Tensor, right: Tensor, bins: int = 15) -> float:
    """ECE: |accuracy - confidence| of (n, classes) probabilities over equally wide bins, weighted by their sizes."""
    sure, top = found.max(1)
    hit = (top == right).float()
    place = (sure * bins).long().clamp_max(bins - 1)
    gaps = [(hit[place == b].sum() - sure[place == b].sum()).abs() for b in range(bins)]
    return float(torch.stack(gaps).sum() / len(right))


def temperature(found: Tensor, right: Tensor) -> float:
    """The temperature under which logits (n, classes) are likeliest."""
    losses = {t: float(F.cross_entropy(found / t, right)) for t in TEMPERATURES}
    return min(losses, key=losses.__getitem__)


def figures(found: Tensor, right: Tensor, t: float) -> dict[str, float]:
    """Accuracy of the object, confidence and its error, as they are and at temperature t."""
    own, cooled = found.softmax(1), (found / t).softmax(1)
    return {
        "accuracy": float((found.argmax(1) == right).float().mean()),
        "confidence": float(own.amax(1).mean()),
        "ece": calibration_error(own, right),
        "ece_t": calibration_error(cooled, right),
        "confidence_t": float(cooled.amax(1).mean()),
        "best_t": temperature(found, right),
    }


def strangers(judge: Any, every: Drawings, known: frozenset[str]) -> dict[str, tuple[Tensor, Tensor]]:
    """Name, and name/cropped -> object logits and objects, of each artist that the judge has not seen."""
    out = {}
    for name in sorted(set(every.names) - known):
        for cropped in (False, True):
            pictures, right = shown(every.only(frozenset({name})), cropped)
            out[name + "/cropped" * cropped] = seen(judge, pictures)[:, :CLASSES], right
    return out


def fitted(found: dict[str, tuple[Tensor, Tensor]], held_out: str) -> float:
    """The temperature of all strangers but the held-out one; 1 if there are none."""
    rest = [pair for name, pair in found.items() if not name.startswith(held_out)]
    return temperature(*(torch.cat(part) for part in zip(*rest, strict=True))) if rest else 1.0


def judged(judge: Any, every: Drawings, known: frozenset[str], lessons: Any) -> dict[str, Any]:
    """All that is said of a judge: strangers, own styles, generated pictures, ruins."""
    from dumo_bench.emoji.artists import HELD_OUT

    found = strangers(judge, every, known)
    t = fitted(found, HELD_OUT)
    out: dict[str, Any] = {"temperature": t, **{name: figures(*pair, t) for name, pair in found.items()}}
    g = torch.Generator(lessons.ruins.device).manual_seed(99)
    pictures, truth = views.tiles(lessons.studio, 2, g)
    out["own"] = _own(judge, pictures, truth, t)
    out["echoes"] = _own(judge, lessons.echoes[::4], lessons.shown[::4], t)
    ruined = seen(judge, lessons.ruins[::4])
    out["ruins caught"] = alarm(ruined, t)
    return out


def alarm(found: Tensor, t: float) -> float:
    """Share of pictures that show nothing nameable: `nothing` is likeliest, or no object is as likely as SURE."""
    p = (found[:, :CLASSES] / t).softmax(1)
    return float(((p.argmax(1) == CLASSES - 1) | (p[:, :-1].amax(1) < SURE)).float().mean())


def _own(judge: Any, pictures: Tensor, truth: Tensor, t: float) -> dict[str, float]:
    found, truth = seen(judge, pictures), truth.cpu()
    style = float((found[:, CLASSES:].argmax(1) == truth[:, 1]).float().mean())
    facts = figures(found[:, :CLASSES], truth[:, 0], t)
    return {"object": facts["accuracy"], "style": style, "ece": facts["ece"], "alarms": alarm(found, t)}
