"""The Inception network of FID, fed as clean-fid and as torchmetrics feed it: another resizing is another FID.

clean: PIL's bicubic in float, channel by channel (Parmar et al., CVPR 2022, https://arxiv.org/abs/2104.11222).
torchmetrics: bilinear with antialiasing, of torchmetrics' FrechetInceptionDistance. Both libraries' own code runs.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from dumo_bench.errors import UserError
from dumo_bench.scorers import memory, weights
from dumo_bench.scorers.features import Extracts
from dumo_bench.scorers.memory import Features
from dumo_bench.scorers.pictures import Picture, below
from dumo_bench.storage import files

How: TypeAlias = Literal["clean", "torchmetrics"]
PACKAGES = {"clean": "clean-fid", "torchmetrics": "'dumo-bench[fid]'"}
BATCH = 16
SOURCES: dict[How, str] = {
    "clean": "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
    "torchmetrics": "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
}


@dataclass(frozen=True)
class Inception:
    """2048 features of a picture. `file` holds the weights, `real` is a folder of real pictures; "" for none."""

    how: How
    file: str | Path = ""
    real: str | Path = ""
    device: str = "auto"

    @property
    def name(self) -> str:
        """What metrics are called after."""
        return self.how

    @property
    def label(self) -> str:
        """Name and hash of the weights."""
        return f"{self.how} inception {weights.sha12(self._file)}"

    @property
    def _file(self) -> Path:
        return Path(self.file) if self.file else files.cache() / "weights" / Path(SOURCES[self.how]).name

    def missing_weights(self) -> str | None:
        """What is missing and what to type, or None."""
        package = {"clean": "cleanfid", "torchmetrics": "torch_fidelity"}[self.how]
        if find_spec(package) is None:
            return f"{package} is missing: type `pip install {PACKAGES[self.how]}`"
        get = f"type `curl -L --create-dirs -o {self._file} {SOURCES[self.how]}`"
        if not self._file.is_file():
            return f"{self._file} is missing: {get}"
        if problem := weights.another(self._file):
            return f"{problem} {get}"
        if self.real and not Path(self.real).is_dir():
            return f"{self.real} is no folder: give one of real pictures, as fid_clean@FOLDER"
        return None

    def of(self, paths: Iterable[Path]) -> tuple[Features, int]:
        """Features (n, 2048) of the readable pictures, in order, and the number of the others."""
        if problem := self.missing_weights():
            raise UserError(problem)
        return memory.of_files(f"{self.label} {weights.device(self.device)}", list(paths), self._make)

    def _make(self, pictures: Sequence[Picture]) -> Features:
        """Loads the network only if a picture's features are not known yet."""
        return _load(self.how, self._file, weights.device(self.device))(pictures)

    def real_features(self) -> tuple[Features, int] | str:
        """The same of the pictures below `real`, and the number of the unreadable; or why there are none."""
        if not self.real:
            return f"no real pictures: fid_{self.how}@FOLDER compares with those in a folder"
        return self.of(below(Path(self.real))[0])


@cache
def _load(how: How, file: Path, device: str) -> Callable[[Sequence[Picture]], Features]:
    """Pictures to features (n, 2048), whatever their sizes."""
    with weights.opened(file, f"Inception of {how}"):
        make = {"clean": _clean, "torchmetrics": _torchmetrics}[how](file, device)

    def features(pictures: Sequence[Picture]) -> Features:
        batches = [pictures[start : start + BATCH] for start in range(0, len(pictures), BATCH)]
        return np.concatenate([make(batch) for batch in batches])

    return features


def _clean(file: Path, device: str) -> Callable[[Sequence[Picture]], Features]:
    import torch
    from cleanfid.inception_torchscript import InceptionV3W
    from cleanfid.resize import build_resizer

    resize = build_resizer("clean")
    with _named(file, "inception-2015-12-05.pt") as folder:  # clean-fid looks for this name in a folder
        network = InceptionV3W(folder, download=False, resize_inside=False).eval().to(device)

    @torch.inference_mode()
    def make(pictures: Sequence[Picture]) -> Features:
        batch = np.stack([resize(picture) for picture in pictures]).transpose(0, 3, 1, 2)
        found: Features = network(torch.from_numpy(batch).to(device)).float().cpu().numpy()
        return found

    return make


def _torchmetrics(file: Path, device: str) -> Callable[[Sequence[Picture]], Features]:
    import torch
    from torchmetrics.image.fid import NoTrainInceptionV3

    network = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(file)).to(device)

    @torch.inference_mode()
    def make(pictures: Sequence[Picture]) -> Features:
        of_one_size = [np.stack(list(same)) for _, same in groupby(pictures, key=lambda picture: picture.shape)]
        found = [network(torch.from_numpy(x).permute(0, 3, 1, 2).to(device)).float().cpu().numpy() for x in of_one_size]
        return np.concatenate(found)

    return make


@dataclass(frozen=True)
class AgainstFolder:
    """What stands before FID or KID in a scorer's bases: `real`, a folder its Inception compares with too."""

    takes: ClassVar[str] = "real"
    extractor: Extracts
    real: str | Path = ""

    def __post_init__(self) -> None:
        if self.real and isinstance(self.extractor, Inception):
            object.__setattr__(self, "extractor", replace(self.extractor, real=self.real))


@contextmanager
def _named(file: Path, name: str) -> Iterator[str]:
    """A folder that holds the file under a name, while it is being loaded."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        try:
            (Path(folder) / name).symlink_to(file.resolve())
        except OSError:  # Windows lets few users make one
            shutil.copyfile(file, Path(folder) / name)
        yield folder
