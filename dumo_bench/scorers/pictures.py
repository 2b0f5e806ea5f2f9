"""Reading pictures, and what becomes of the unreadable: None with a note, beside the scores of the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dumo_bench.types import Metric, Sample, Score

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

Picture: TypeAlias = NDArray[np.uint8]  # (h, w, 3), RGB
CHUNK = 64  # pictures measured at a time
MOST = 89_478_485  # pixels; above it Pillow warns of a bomb, above twice as many it refuses


#: how files are called that are read as pictures
KINDS = (".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff",
         ".ppm", ".tga")  # fmt: skip


def below(folder: Path) -> tuple[list[Path], list[Path]]:
    """What lies below a folder: files that are called pictures, and all else that is no folder.

    The latter has links to folders, which are not followed, and folders that cannot be opened.
    """
    called, others = list[Path](), list[Path]()

    def closed(error: OSError) -> None:
        others.append(Path(str(error.filename)))

    for where, folders, files in os.walk(folder, onerror=closed):
        others.extend(path for path in map(Path(where).joinpath, folders) if path.is_symlink())
        for path in map(Path(where).joinpath, files):
            there = path.is_file() or path.is_symlink()  # a link to nothing is a missing picture; a pipe is none
            (called if there and path.suffix.lower() in KINDS else others).append(path)
    return sorted(called), sorted(others)


def read(path: Path) -> Picture:
    """The picture in a file. Scorers share it, so nobody writes to it."""
    found = path.stat()
    return _decoded(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=2 * CHUNK)  # a chunk and its originals: each is decoded once for all scorers
def _decoded(path: Path, changed: int, size: int) -> Picture:
    from PIL import Image, ImageOps

    del changed, size  # what the cache tells a picture by that was made again
    with Image.open(path) as image:
        if image.width * image.height > MOST:
            raise ValueError(f"{image.width} x {image.height} are more than {MOST} pixels")
        upright = ImageOps.exif_transpose(image)  # as cv2 reads a photograph
        return np.array(_seen(upright).convert("RGB"))  # writable: torch warns of arrays that are not


def _seen(image: Image.Image) -> Image.Image:
    """The picture as a viewer shows it on white paper: what lies under transparent places is not in it.

    16 bits of grey become 8. Numbers without a known range are refused.
    """
    from PIL import Image

    if image.mode == "F":
        raise ValueError("numbers without a known range")
    if image.mode.startswith("I"):  # 0 to 65535
        levels = np.asarray(image, dtype=np.int64)
        if levels.min() < 0 or levels.max() > 65535:
            raise ValueError("numbers without a known range")
        return Image.fromarray(np.rint(levels / 257).astype(np.uint8))
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image
    layers = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers)


def frames(path: Path) -> int:
    """How many pictures are in the file: an animation has several, of which `read` takes the first."""
    from PIL import Image

    with Image.open(path) as image:
        return int(getattr(image, "n_frames", 1))


def read_or_reason(path: Path) -> Picture | str:
    """The picture, or one line that says why there is none."""
    try:
        return read(path)
    except FileNotFoundError:
        return f"picture is missing: {path.name}"
    except Exception as error:  # decoders of broken files raise anything: struct.error, EOFError, Pillow's own
        said = f" ({error})" if type(error) is ValueError else ""
        return f"picture cannot be read: {path.name}: {type(error).__name__}{said}"


def read_all(paths: Sequence[Path]) -> list[Picture | str]:
    """The pictures, or why there are none, in order; read on all cores, since decoding lets other threads run."""
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(read_or_reason, paths))


def originals(samples: Sequence[Sample]) -> list[Picture | str]:
    """The unedited model's picture of each sample, or why there is none."""
    there = iter(read_all([sample.original for sample in samples if sample.original]))
    return [next(there) if sample.original else "no picture of the unedited model" for sample in samples]


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def scored(
    samples: Sequence[Sample],
    metrics: Iterable[Metric],
    measure: Callable[[list[Sample], list[Picture]], Sequence[Sequence[Score]]],
) -> list[Sequence[Score]]:
    """`measure` over the readable samples, in chunks; every metric of the others is None, with the reason."""
    names = [metric.name for metric in metrics]

    def unread(why: str) -> list[Score]:
        return [Score(name, None, why, "unreadable") for name in names]

    rows: list[Sequence[Score]] = []
    for start in range(0, len(samples), CHUNK):
        chunk = samples[start : start + CHUNK]
        read_ones = read_all([sample.image for sample in chunk])
        good = [(s, p) for s, p in zip(chunk, read_ones, strict=True) if not isinstance(p, str)]
        measured = iter(measure([s for s, _ in good], [p for _, p in good]) if good else ())
        rows += [unread(p) if isinstance(p, str) else next(measured) for p in read_ones]
    return rows


def as_input(pictures: Sequence[Picture], size: int, device: str) -> Tensor:
    """(n, 3, size, size) in -1..1, as the emoji models take them; other sizes are resized by PIL's bicubic."""
    import torch
    from PIL import Image

    fitting = [p if p.shape[:2] == (size, size) else _resized(Image.fromarray(p), size) for p in pictures]
    batch = torch.from_numpy(np.stack(fitting)).permute(0, 3, 1, 2)
    return batch.to(device).float() / 127.5 - 1


def _resized(image: Image.Image, size: int) -> Picture:
    from PIL import Image

    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))
