"""Where in the frequencies of a picture an edit acts: the radially averaged power spectrum of edited minus unedited
pictures of the same prompt and noise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dumo_bench.report.plots import style

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The mean power of differences by spatial frequency, in cycles a picture from 1 to half its side; of n pairs."""

    label: str
    role: str
    power: Floats
    n: int


def radial(difference: Floats) -> Floats:
    """The power spectrum (side // 2,) of a square grey difference, averaged over rings of equal frequency.

    Ring k holds the frequencies that round to k, from 1 to half the side; the mean itself (0) is left out. Divided by
    the number of pixels squared, so that all frequencies together sum to the mean square (Parseval).
    """
    side = difference.shape[0]
    power = np.abs(np.fft.fft2(difference)) ** 2 / side**4
    rows = np.fft.fftfreq(side, 1 / side)
    rings = np.rint(np.hypot(rows[:, None], rows[None, :])).astype(int).ravel()
    sums, counts = np.bincount(rings, power.ravel()), np.bincount(rings)
    return np.asarray((sums / np.maximum(counts, 1))[1 : side // 2 + 1], dtype=np.float64)


def grey(path: Path) -> Floats | None:
    """A picture as luminance in 0 to 1, (side, side), cut to a square; None where it cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            shown = np.asarray(picture.convert("L"), dtype=np.float64) / 255
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    side = min(shown.shape)
    return shown[:side, :side]


def of_pairs(label: str, role: str, pairs: Iterable[tuple[Path, Path]]) -> Spectrum | None:
    """Of pictures, each with the unedited model's; None where no pair can be read."""
    found = []
    for edited, unedited in pairs:
        a, b = grey(edited), grey(unedited)
        if a is not None and b is not None and a.shape == b.shape:
            found.append(radial(a - b))
    return Spectrum(label, role, np.mean(found, axis=0), len(found)) if found else None


@style.styled
def draw(spectra: Sequence[Spectrum], title: str) -> Any:
    """A panel a role, a line a method, both axes logarithmic."""
    roles = list(dict.fromkeys(one.role for one in spectra))
    labels = list(dict.fromkeys(one.label for one in spectra))
    looks = dict(zip(labels, style.looks(len(labels)), strict=True))
    made, panels = style.figure(style.TEXT, 2.6, len(roles))
    for axes, role in zip(panels, roles, strict=True):
        own = [one for one in spectra if one.role == role]
        for one in own:
            axes.plot(
                np.arange(1, len(one.power) + 1),
                one.power,
                label=style.text(one.label),
                markevery=8,
                **looks[one.label],
            )
        axes.set(xscale="log", yscale="log", title=style.text(f"{role} prompts, {own[0].n} pairs"))
        axes.grid()
    panels[0].set_ylabel("power of edited minus unedited")
    made.supxlabel("cycles a picture", fontsize=8)
    made.suptitle(style.text(title), fontsize=8)
    handles, names = panels[0].get_legend_handles_labels()
    made.legend(handles, names, loc="outside right center")
    return made
