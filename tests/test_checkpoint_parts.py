"""A checkpoint of several parts of a model is imported whole or refused, whatever a program put around its names."""

from __future__ import annotations

import json

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


@pytest.fixture(scope="module")
def pipeline():
    """diffusers' own pipeline of the tiny model."""
    from diffusers import StableDiffusionPipeline

    def load():
        return StableDiffusionPipeline.from_pretrained(tiny.folder(), safety_checker=None, local_files_only=True)

    return load


def imported(host, path, **settings) -> Edit:
    return Checkpoint(str(path), **settings).fit(host, ("ghost",), seed=0)


def refused(host, path, *parts):
    with pytest.raises(UserError) as said:
        imported(host, path)
    assert len(str(said.value).splitlines()) == 1
    for part in parts:
        assert part in str(said.value)


def stir(network, amount=0.1):
    for i, tensor in enumerate(network.parameters()):
        tensor.data += amount * published.noise(tensor, i)
    return network


def same_weights(host, edit, unet=None, text=None):
    """The edited model's parts are these networks, tensor by tensor, as torch holds them."""
    with sd.edited(host, edit):
        for part, theirs in ((host.unet, unet), (host.text_encoder, text)):
            for (name, ours), wanted in zip(part.named_parameters(), (theirs or part).parameters(), strict=True):
                assert torch.equal(ours, wanted), name


# pipelines


def test_a_pipeline_whose_text_encoder_was_changed_too_is_imported_with_both(host, pipeline, tmp_path):
    changed = pipeline()
    stir(changed.unet), stir(changed.text_encoder)
    changed.save_pretrained(tmp_path)
    edit = imported(host, tmp_path)
    assert {name.partition(".")[0] for name in edit.tensors} == {"unet", "text"}
    same_weights(host, edit, changed.unet, changed.text_encoder)
    assert (
        edit.header["imported"][0]["format"] == "diffusers' keys, the whole U-Net and diffusers' keys, the text encoder"
    )


def test_of_a_pipeline_what_equals_the_model_is_not_in_the_edit(host, pipeline, tmp_path):
    changed = pipeline()
    stir(changed.text_encoder)
    changed.save_pretrained(tmp_path)
    edit = imported(host, tmp_path)
    assert edit.tensors and all(name.startswith("text.") for name in edit.tensors)
    same_weights(host, edit, text=changed.text_encoder)
    pipeline().save_pretrained(tmp_path / "same")
    refused(host, tmp_path / "same", "changes nothing")


def test_a_pipeline_whose_vae_was_changed_is_refused_and_its_unet_alone_is_not(host, pipeline, tmp_path):
    changed = pipeline()
    stir(changed.unet), stir(changed.vae)
    changed.save_pretrained(tmp_path)
    refused(host, tmp_path, "its VAE is not that of", "U-Net and text encoder alone")
    same_weights(host, imported(host, tmp_path / "unet"), changed.unet)
    refused(host, tmp_path / "vae", "its VAE is not that of")


def test_the_hash_of_a_pipeline_is_of_all_its_parts(host, pipeline, tmp_path):
    keys = []
    for i, moved in enumerate(("unet", "text_encoder", "vae")):
        changed = pipeline()
        stir(getattr(changed, moved), 0.1 * (i + 1))
        changed.save_pretrained(tmp_path / str(i) / "pipeline")
        keys.append(Checkpoint(str(tmp_path / str(i) / "pipeline")).identity()["file"])
    assert len(set(keys)) == 3


@pytest.mark.parametrize("end", ["safetensors", "bin"])
def test_a_text_encoder_alone_is_imported_from_its_folder_and_from_its_file(host, pipeline, tmp_path, end):
    text = stir(pipeline().text_encoder)
    text.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    if end == "bin":  # as older programs wrote it: another name, `text_model.` around all, and a buffer
        older = {f"text_model.{name.removeprefix('text_model.')}": t for name, t in text.state_dict().items()}
        older["text_model.embeddings.position_ids"] = torch.arange(77)[None]
        file.unlink()
        file = tmp_path / "pytorch_model.bin"
        torch.save(older, file)
    for path in (tmp_path, file):
        same_weights(host, imported(host, path), text=text)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_attention_heads": 4}))
    refused(host, tmp_path, "another architecture: num_attention_heads is 4")


def test_half_a_text_encoder_is_refused_and_taken_with_partial(host, pipeline, tmp_path):
    state = dict(stir(pipeline().text_encoder).state_dict())
    lost = next(name for name in state if name.endswith("final_layer_norm.bias"))
    state.pop(lost)
    save_file(state, tmp_path / "text.safetensors")
    refused(host, tmp_path / "text.safetensors", "1 missing (text.", "final_layer_norm.bias")
    assert imported(host, tmp_path / "text.safetensors", partial=True).tensors


def test_one_file_of_both_parts_is_imported_with_both(host, pipeline, tmp_path):
    unet, text = stir(pipeline().unet), stir(pipeline().text_encoder)
    both = {f"unet.{n}": t for n, t in unet.state_dict().items()}
    both |= {f"text_encoder.{n}": t for n, t in text.state_dict().items()}
    save_file(both, tmp_path / "both.safetensors")
    same_weights(host, imported(host, tmp_path / "both.safetensors"), unet, text)


def test_a_compvis_file_whose_text_encoder_was_changed_is_imported_with_both(host, pipeline, tmp_path):
    changed = pipeline()
    stir(changed.unet), stir(changed.text_encoder)
    whole = published.compvis(changed.unet.state_dict()) | published.beside(changed.text_encoder, host.vae)
    torch.save({"state_dict": whole}, tmp_path / "model.ckpt")
    same_weights(host, imported(host, tmp_path / "model.ckpt"), changed.unet, changed.text_encoder)


def test_the_loras_of_both_parts_in_pefts_folders_are_merged_together(host, tmp_path):
    """As peft's own example for diffusers writes them: a folder for the U-Net and one for the text encoder."""
    from compared_lora import by_peft, stirred
    from peft import LoraConfig, get_peft_model

    networks = {"unet": (host.unet, ["attn2.to_k"]), "text_encoder": (host.text_encoder, ["q_proj", "fc1"])}
    for name, (network, layers) in networks.items():
        import copy

        model = get_peft_model(copy.deepcopy(network), LoraConfig(r=2, lora_alpha=9, target_modules=layers))
        stirred(model).save_pretrained(str(tmp_path / name))
    edit = imported(host, tmp_path)
    for part, name in (("unet", "unet"), ("text", "text_encoder")):
        wanted = by_peft(networks[name][0], tmp_path / name)
        mine = {n.removeprefix(f"{part}."): t for n, t in edit.tensors.items() if n.startswith(f"{part}.")}
        assert mine and all((tensor - wanted[n]).abs().max() < 1e-5 for n, tensor in mine.items())


# names


WRAPPED = {
    "compiled": (lambda name: f"_orig_mod.{name}", "_orig_mod. taken off"),
    "blocks compiled": (lambda name: name.replace(".attentions.", "._orig_mod.attentions.", 1), "_orig_mod. taken off"),
    "parallel": (lambda name: f"module.{name}", "module. taken off"),
    "parallel, compiled": (lambda name: f"module._orig_mod.{name}", "module. taken off"),
    "parallel in a part": (lambda name: f"unet.module.{name}", "module. taken off"),
    "averages": (lambda name: f"ema_model.{name}", "averages of weights (EMA)"),
    "averages, parallel": (lambda name: f"ema.module.{name}", "averages of weights (EMA)"),
}


@pytest.mark.parametrize("how", WRAPPED)
def test_what_programs_put_around_names_is_taken_off_and_said(host, tmp_path, how):
    rename, said = WRAPPED[how]
    state = published.moved(host.unet)
    save_file({rename(name): tensor for name, tensor in state.items()}, tmp_path / "wrapped.safetensors")
    save_file(state, tmp_path / "bare.safetensors")
    wrapped, bare = (imported(host, tmp_path / f"{name}.safetensors") for name in ("wrapped", "bare"))
    assert wrapped.tensors.keys() == bare.tensors.keys()
    assert all(torch.equal(tensor, bare.tensors[name]) for name, tensor in wrapped.tensors.items())
    assert any(note.startswith(said) for note in wrapped.header["imported"][0]["notes"])


@pytest.mark.parametrize("start", ["ema.", "ema_model.", "model_ema.", "unet_ema."])
def test_weights_beside_their_averages_are_refused_and_both_are_named(host, tmp_path, start):
    state = published.moved(host.unet)
    both = {**state, **{f"{start}{name}": tensor + 1 for name, tensor in state.items()}}
    save_file(both, tmp_path / "both.safetensors")
    n = len(state)
    refused(host, tmp_path / "both.safetensors", f"holds {n} tensors and beside them {n} averages (EMA, {start}*)")


def test_averages_beside_a_state_dict_are_refused_though_an_optimizer_is_not(host, tmp_path):
    state = published.moved(host.unet)
    torch.save({"state_dict": state, "optimizer": {"a": torch.ones(1)}}, tmp_path / "plain.pt")
    assert imported(host, tmp_path / "plain.pt").tensors
    torch.save({"state_dict": state, "ema_state_dict": state}, tmp_path / "twins.pt")
    refused(host, tmp_path / "twins.pt", "holds state_dict and ema_state_dict, its averages (EMA)")


def test_a_folder_of_averages_beside_a_unet_is_named(host, pipeline, tmp_path):
    stir(pipeline().unet).save_pretrained(tmp_path / "unet")
    stir(pipeline().unet).save_pretrained(tmp_path / "unet_ema")
    refused(host, tmp_path, "holds unet_ema, averages of weights (EMA), beside unet: name one")
    assert imported(host, tmp_path / "unet_ema").tensors


def test_two_tensors_that_come_to_one_name_are_refused(host, tmp_path):
    state = published.moved(host.unet)
    torch.save({**state, "_orig_mod.conv_in.bias": state["conv_in.bias"] + 1}, tmp_path / "two.pt")
    refused(host, tmp_path / "two.pt", "and another tensor are both conv_in.bias")


def test_an_artefact_that_is_wrapped_and_a_lora_is_unwrapped_too(host, tmp_path):
    held = published.lora(host.unet, "diffusers-peft")
    save_file(held, tmp_path / "bare.safetensors")
    renamed = {name.replace("unet.", "unet._orig_mod."): tensor for name, tensor in held.items()}
    save_file(renamed, tmp_path / "wrapped.safetensors")
    wrapped, bare = (imported(host, tmp_path / f"{name}.safetensors") for name in ("wrapped", "bare"))
    assert all(torch.equal(tensor, bare.tensors[name]) for name, tensor in wrapped.tensors.items())
