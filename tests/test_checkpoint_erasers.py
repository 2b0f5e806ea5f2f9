"""What SDD, EAP, SPEED and CA publish: an edit of each, written as its code writes it, imports as the same edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import published
import pytest
import tiny
import torch
from torch import Tensor

from dumo_bench.errors import UserError
from dumo_bench.hosts import sample, sd
from dumo_bench.methods.checkpoint import Checkpoint
from dumo_bench.types import Edit

State = Mapping[str, Tensor]


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host("float32")


def changed(edit: Edit) -> dict[str, Tensor]:
    """The tensors of an edit under the U-Net's own names."""
    return {name.removeprefix("unet."): tensor for name, tensor in edit.tensors.items()}


def folder(host: sd.Host, state: State, at: Path) -> Path:
    """SDD: a diffusers U-Net."""
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel.from_config(host.unet.config)
    unet.load_state_dict({**host.unet.state_dict(), **state})
    unet.save_pretrained(at / "unet")
    return at / "unet"


def saved(at: Path, name: str, held: object) -> Path:
    torch.save(held, at / name)
    return at / name


def whole(host: sd.Host, state: State, at: Path) -> Path:
    """EAP: all tensors of the U-Net in diffusers' keys."""
    return saved(at, "diffusers.pt", {**host.unet.state_dict(), **state})


def compvis(host: sd.Host, state: State, at: Path) -> Path:
    """EAP: the same in CompVis's."""
    return saved(at, "compvis.pt", published.compvis({**host.unet.state_dict(), **state}))


def trained(host: sd.Host, state: State, at: Path) -> Path:
    """SPEED: what it changed alone."""
    return saved(at, "weight.pt", dict(state))


def delta(host: sd.Host, state: State, at: Path) -> Path:
    """CA: what it changed, below the part of the model."""
    return saved(at, "delta.bin", {"unet": dict(state)})


def delta_of_compvis(host: sd.Host, state: State, at: Path) -> Path:
    """CA's first code: the same in CompVis's names."""
    return saved(at, "delta_epoch=000001.ckpt", {"state_dict": published.compvis(state)})


WRITTEN: list[tuple[str, Callable[[sd.Host, State, Path], Path], str]] = [
    ("sdd", folder, "the whole U-Net"),
    ("eap", whole, "the whole U-Net"),
    ("eap", compvis, "the whole U-Net"),
    ("speed", trained, "cross-attention values"),
    ("ca", delta, "cross-attention keys and values"),
    ("ca", delta_of_compvis, "cross-attention keys and values"),
]


@pytest.mark.parametrize(("name", "write", "family"), WRITTEN)
def test_a_published_form_imports_as_the_edit_that_it_was_written_from(host, tmp_path, name, write, family):
    edit = tiny.method(name).fit(host, ["ghost"], seed=0)
    path = write(host, changed(edit), tmp_path)
    found = Checkpoint(str(path)).fit(host, ["ghost"], seed=0)
    assert found.header["imported"][0]["format"].endswith(family)
    own = {f"unet.{name}": tensor for name, tensor in host.unet.named_parameters()}
    assert found.tensors.keys() == {n for n, t in edit.tensors.items() if not torch.equal(t, own[n])}
    assert all(torch.equal(tensor, edit.tensors[n]) for n, tensor in found.tensors.items())
    pictures = []
    for method, one in ((tiny.method(name), edit), (Checkpoint(), found)):
        with method.apply(host, one) as guide:
            pictures.append(sample.clean(host, guide, [tiny.job("a photo of ghost")]))
    assert torch.equal(*pictures)


@pytest.mark.parametrize(("name", "write"), [("speed", trained), ("ca", delta), ("ca", delta_of_compvis)])
@pytest.mark.parametrize("wrong", ["missing", "another name", "another shape"])
def test_a_file_of_what_was_trained_is_whole_or_refused(host, tmp_path, name, write, wrong):
    state = changed(tiny.method(name).fit(host, ["ghost"], seed=0))
    first = next(iter(state))
    tensor = state.pop(first)
    if wrong == "another name":
        state[first.replace("attn2", "attn9")] = tensor
    elif wrong == "another shape":
        state[first] = tensor[:-1]
    with pytest.raises(UserError, match=r"missing|unexpected|mis-shaped|not whole"):
        Checkpoint(str(write(host, state, tmp_path))).fit(host, ["ghost"], seed=0)


def test_a_delta_with_a_trained_text_encoder_brings_it_whole(host, tmp_path):
    text = {name: 1.01 * tensor for name, tensor in host.text_encoder.state_dict().items()}
    unet = published.keys_and_values(published.moved(host.unet))
    found = Checkpoint(str(saved(tmp_path, "delta.bin", {"unet": unet, "text_encoder": text})))
    edit = found.fit(host, ["ghost"], seed=0)
    assert {name.partition(".")[0] for name in edit.tensors} == {"unet", "text"}
    with pytest.raises(UserError, match="missing"):
        part = dict(list(text.items())[1:])
        Checkpoint(str(saved(tmp_path, "delta.bin", {"unet": unet, "text_encoder": part}))).fit(host, ["ghost"], seed=0)


def test_a_delta_is_read_as_tensors_alone(host, tmp_path):
    path = saved(tmp_path, "delta.bin", {"unet": {"x": published.Hostile(tmp_path / "run.txt")}})
    with pytest.raises(UserError, match="its pickle asks for"):
        Checkpoint(str(path)).fit(host, ["ghost"], seed=0)
    assert not (tmp_path / "run.txt").exists()
