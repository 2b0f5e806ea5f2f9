"""GIPHY's celebrity detector with random weights, put together as its own code does it; and a stand-in for what finds
faces. No picture of anybody is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision.models import resnet50

LABELS = ("Zoe_Last_[m.3]", "Ann_First_[m.1]", "Bo_Del_Mid_[m.2]")


class Theirs(nn.Module):
    """A stem, 256 numbers, the names."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        whole = resnet50(weights=None)
        self.stem = nn.Sequential(*list(whole.children())[:-1])
        self.fc1 = nn.Linear(whole.fc.in_features, 256)
        self.fc2 = nn.Linear(256, classes)

    def forward(self, x: torch.Tensor) -> Any:
        return self.fc2(self.fc1(self.stem(x).view(x.size(0), -1)))


def network() -> Theirs:
    torch.manual_seed(0)
    return Theirs(len(LABELS)).eval()


def write(folder: Path, of: Theirs, labels: Sequence[str] = LABELS) -> Path:
    """As the detector keeps them, with the centres of its loss, which nothing here reads, and its list of names."""
    kept = {f"model.{k}": w for k, w in of.state_dict().items() if not k.endswith("num_batches_tracked")}
    folder.mkdir(exist_ok=True)
    whole = {**kept, "center_loss_criterion.centers": torch.zeros(len(labels), 256)}
    torch.save({"model_state": whole}, folder / "best_model_states.pkl")
    lines = [f"{name},{i}\n" for i, name in enumerate(labels)]
    (folder / "labels.csv").write_text("Labels,Index\n" + "".join(lines), encoding="utf-8")
    return folder


@dataclass(frozen=True)
class Bright:
    """A face in the midst of whatever is bright."""

    def missing(self) -> str | None:
        return None

    def box(self, picture: Any, device: str) -> tuple[float, float, float, float] | None:
        del device
        return (8.0, 8.0, 40.0, 48.0) if picture.mean() > 100 else None
