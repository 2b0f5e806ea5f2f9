"""A file that is broken, odd or of no use is refused in one line that names what is wrong; nothing of it is run."""

from __future__ import annotations

import numpy as np
import published
import pytest
import tiny
import torch
from safetensors.torch import save_file

from dumo_bench.errors import UserError
from dumo_bench.hosts import sd
from dumo_bench.methods.checkpoint import Checkpoint
from dumo_bench.types import Edit


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.host()


def imported(host, path) -> Edit:
    return Checkpoint(str(path)).fit(host, ("ghost",), seed=0)


def refused(host, path, *parts):
    with pytest.raises(UserError) as said:
        imported(host, path)
    assert len(str(said.value).splitlines()) == 1
    for part in parts:
        assert part in str(said.value)


@pytest.fixture
def changed(host) -> dict[str, torch.Tensor]:
    """Cross-attention keys and values as an eraser leaves them."""
    return published.keys_and_values(published.moved(host.unet))


@pytest.fixture
def pickled(tmp_path):
    def write(held):
        torch.save(held, tmp_path / "file.pt")
        return tmp_path / "file.pt"

    return write


# DuMo's table


def with_table(folder, host, values):
    published.dumo(folder, host.unet)
    np.save(folder / "time_scale.npy", values)
    return folder


ONES = np.ones((20, 13), np.float32)


def test_a_table_of_zeros_changes_nothing(host, tmp_path):
    refused(host, with_table(tmp_path / "ghost", host, 0 * ONES), "changes nothing: time_scale.npy is 0 everywhere")
    some = 0 * ONES
    some[3, 5] = 0.5
    assert imported(host, with_table(tmp_path / "ghost", host, some)).tensors["tlmo.0"].sum() == 0.5


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_a_table_whose_numbers_are_not_finite_is_refused(host, tmp_path, value):
    values = ONES.astype(np.float64)
    values[3, 5] = value
    refused(host, with_table(tmp_path / "ghost", host, values), "1 tensors hold numbers", "(time_scale.npy)")


def test_a_table_is_read_whatever_the_order_of_its_bytes(host, tmp_path):
    edit = imported(host, with_table(tmp_path / "ghost", host, ONES.astype(">f4")))
    assert edit.tensors["tlmo.0"].eq(1).all()


def test_an_archive_or_half_a_header_in_the_place_of_a_table_is_refused(host, tmp_path):
    folder = with_table(tmp_path / "ghost", host, ONES)
    header = (folder / "time_scale.npy").read_bytes().replace(b"{'descr'", b"((((((((")
    np.savez(tmp_path / "table.npz", ONES)
    for content in ((tmp_path / "table.npz").read_bytes(), header):
        (folder / "time_scale.npy").write_bytes(content)
        refused(host, folder, "time_scale.npy: no array of numbers")


# what is no dense tensor of real numbers


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_is_cut_short_is_refused(host, changed, tmp_path, share, zipped):
    torch.save(changed, tmp_path / "whole.pt", _use_new_zipfile_serialization=zipped)
    content = (tmp_path / "whole.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(content[: int(share * len(content))])
    refused(host, tmp_path / "cut.pt", "cut.pt: refused", "wanted a file of tensors alone")


ODD = {
    "int64": lambda tensor: tensor.long(),
    "bool": lambda tensor: tensor > 0,
    "complex64": lambda tensor: torch.complex(tensor, tensor),
    "float8_e4m3fn": lambda tensor: tensor.to(torch.float8_e4m3fn),
    "qint8": lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
    "sparse_coo": lambda tensor: tensor.to_sparse(),
    "meta": lambda tensor: tensor.to("meta"),
}


@pytest.mark.filterwarnings("ignore")  # of torch, that it will lose quantised tensors
@pytest.mark.parametrize("kind", ODD)
def test_a_tensor_that_is_no_dense_one_of_real_numbers_is_named(host, changed, pickled, kind):
    name = next(iter(changed))
    path = pickled({**changed, name: ODD[kind](changed[name])})
    refused(host, path, repr(name), kind, "wanted float16 or bfloat16 or float32 or float64, strided (dense), on cpu")


def test_numbers_that_the_models_precision_cannot_hold_are_refused(host, changed, pickled):
    name = next(iter(changed))
    path = pickled({**changed, name: changed[name].double() + 1e300})
    refused(host, path, "1 tensors hold numbers that are not finite", name)


def test_a_dictionary_within_itself_is_refused(host, pickled):
    held = {"a": torch.ones(2)}
    held["self"] = held
    refused(host, pickled(held), "'self.self' is dict", "dictionaries of tensors")


def test_a_receler_whose_matrix_is_a_number_is_refused(host, tmp_path):
    folder = published.receler(tmp_path / "receler", host.unet)
    weights = torch.load(folder / "eraser_weights.pt", weights_only=True)
    weights["mid_block.attentions.0"]["down.weight"] = torch.tensor(1.0)
    torch.save(weights, folder / "eraser_weights.pt")
    refused(host, folder, "1 mis-shaped (mid_block.attentions.0.down.weight (), wanted (4, 32))")


@pytest.mark.parametrize("content", ["[" * 100_000, '{"_class_name": ["DuMo"]}'])
def test_an_odd_config_is_refused(host, tmp_path, content):
    folder = published.dumo(tmp_path / "ghost", host.unet)
    (folder / "config.json").write_text(content)
    refused(host, folder, "config.json")


# CompVis


@pytest.fixture
def whole(host) -> dict[str, torch.Tensor]:
    """A CompVis file with all parts of its model, of which the U-Net alone is changed."""
    return {**published.compvis(published.moved(host.unet)), **published.beside(host.text_encoder, host.vae)}


def test_a_compvis_file_whose_vae_is_another_is_refused(host, whole, pickled):
    name = "first_stage_model.decoder.conv_in.weight"
    refused(host, pickled({**whole, name: whole[name] + 1}), "its VAE is not that of", "decoder.conv_in.weight")


def test_a_compvis_file_without_a_tensor_of_its_text_encoder_is_refused(host, whole, pickled):
    lost = "cond_stage_model.transformer.text_model.final_layer_norm.bias"
    some = {name: tensor for name, tensor in whole.items() if name != lost}
    refused(host, pickled(some), "1 missing (text.", "final_layer_norm.bias")


def test_other_tensors_beside_a_compvis_unet_are_unexpected(host, changed, whole, pickled):
    refused(host, pickled({**whole, **changed}), "32 unexpected", next(iter(changed)))
    refused(host, pickled({**whole, "cond_stage_model.x": torch.ones(1)}), "1 unexpected (cond_stage_model.x)")


# LoRA


NOTES = {
    "{": "no JSON",
    "[]": "wanted a JSON object",
    '{"unet.alpha_pattern": [1]}': "alpha_pattern is '[1]': wanted an object of numbers",
    '{"unet.lora_alpha": "much"}': "is 'much': wanted a number",
    '{"unet.alpha_pattern": {"to_k": {}}}': "wanted an object of numbers",
}


@pytest.mark.parametrize("text", NOTES)
def test_broken_notes_of_a_lora_are_told(host, tmp_path, text):
    held = published.lora(host.unet, "diffusers-peft")
    save_file(held, tmp_path / "lora.safetensors", metadata={"lora_adapter_metadata": text})
    refused(host, tmp_path / "lora.safetensors", "LoRA: lora_adapter_metadata", NOTES[text])


@pytest.mark.parametrize("style", ["kohya", "diffusers"])
def test_the_alpha_of_a_lora_is_one_number_and_may_be_a_whole_one(host, pickled, style):
    held = published.lora(host.unet, style, alpha=1.0)
    alphas = [name for name in held if name.endswith(".alpha")]
    refused(host, pickled({**held, alphas[0]: torch.ones(3)}), alphas[0], "of shape (3,): wanted one number")
    whole, wanted = (imported(host, pickled({**held, **more})) for more in (dict.fromkeys(alphas, torch.tensor(1)), {}))
    assert all(torch.equal(tensor, wanted.tensors[name]) for name, tensor in whole.tensors.items())


def test_a_lora_of_rank_zero_is_refused(host, pickled):
    held = published.lora(host.unet, "diffusers")
    down, up, _ = list(held)[:3]
    refused(host, pickled({**held, down: held[down][:0], up: held[up][:, :0]}), "no pair of one rank")


def test_a_layer_that_diffusers_would_drop_from_a_lora_is_refused(host, pickled):
    more = {f"lora_unet_middle_block_7_x.lora_{side}.weight": torch.ones(2, 2) for side in ("down", "up")}
    refused(host, pickled({**published.lora(host.unet, "kohya"), **more}), "names 64 of 66 tensors")
