"""Our number beside a published one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dumo_bench.analysis.recognition import DetectionRate
from dumo_bench.metrics.intervals import Interval
from dumo_bench.published.numbers import Published

if TYPE_CHECKING:
    import pandas as pd

#: unit -> the whole of a share in it
SCALE = {"%": 100.0, "0 to 1": 1.0}


@dataclass(frozen=True, slots=True)
class Ours:
    """Our number in the published unit, with its 95 % interval and its n, under a convention of ours.

    `n`: the pictures it is of; of a number of sets, such as FID, those of the smallest set. `partial`: whether the
    suite has more; None: not known. `detection_rate`: the weakest on unedited pictures; None: it needs none.
    `asked`: whether the prompts ask for the thing; where they do not, a low rate before any edit is no fault.
    `measured`: what of the convention is of the measurement alone: the metric and role, or how boxes are counted.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    convention: str
    partial: bool | None = None
    detection_rate: DetectionRate | None = None
    asked: bool = True
    measured: str = ""

    @property
    def unreliable(self) -> bool:
        """Whether it says nothing, since the scorer hardly recognises the thing before any edit."""
        return self.asked and self.detection_rate is not None and self.detection_rate.valid is False

    @property
    def without_detection_rate(self) -> bool:
        """Whether nobody measured how often its scorer recognises the thing before any edit."""
        return self.asked and self.detection_rate is not None and self.detection_rate.rate is None


def partial(parts: pd.Series) -> bool | None:
    """Whether what is made of these is partial: where one is; None: not known."""
    return True if parts.any() else None if parts.isna().any() else False


def case(row: Published, name: str) -> str:
    """Which case of ours stands beside a published number that names none."""
    return "" if row.case else f", case {name}"


def scaled(found: Interval, times: float) -> tuple[float | None, float | None]:
    """The ends of an interval in another unit."""
    return (None if found.low is None else found.low * times, None if found.high is None else found.high * times)
