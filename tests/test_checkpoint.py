"""Published weights are imported as they are or not at all."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import published
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from dumo_bench.errors import UserError
from dumo_bench.hosts import sample, sd
from dumo_bench.hosts.sample import clean
from dumo_bench.kit.gate import Gate
from dumo_bench.methods.checkpoint import Checkpoint
from dumo_bench.methods.dumo import DuMo
from dumo_bench.run import jobs
from dumo_bench.types import Edit


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.host()


def imported(host, path, erase=("ghost",), **settings) -> Edit:
    made = Checkpoint(path if isinstance(path, tuple) else str(path), **settings).fit(host, erase, seed=0)
    return Edit(made.tensors, {**made.header, "model_hash": host.hash})


def drawn(host, edit, text="a photo of ghost"):
    with Checkpoint().apply(host, edit) as guide:
        return clean(host, guide, [tiny.job(text)])


def drawn_with(host, state):
    """The latents of the model with these weights loaded by torch, and the model put back."""
    before = {name: tensor.clone() for name, tensor in host.unet.state_dict().items()}
    host.unet.load_state_dict(state)
    try:
        return sample.clean(host, lambda given: sd.stock_guide(host, given), [tiny.job("a photo of ghost")])
    finally:
        host.unet.load_state_dict(before)


def refused(host, path, *parts, **settings):
    with pytest.raises(UserError) as said:
        imported(host, path, **settings)
    assert len(str(said.value).splitlines()) == 1
    for part in parts:
        assert part in str(said.value)


# the families, each against torch's own loading of the same weights


@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"state_dict": state}, published.nested])
def test_a_whole_unet_in_a_pickle_gives_the_picture_of_its_weights(host, tmp_path, wrap):
    state = published.moved(host.unet)
    torch.save(wrap(state), tmp_path / "diffusers-Dog-ESDx1-UNET.pt")
    edit = imported(host, tmp_path / "diffusers-Dog-ESDx1-UNET.pt")
    assert torch.equal(drawn(host, edit), drawn_with(host, state))
    assert edit.header["imported"][0]["format"] == "diffusers' keys, the whole U-Net"
    assert edit.header["imported"][0]["matched"] == len(state)


def test_of_a_whole_unet_only_what_changed_is_kept(host, tmp_path):
    """As RECE's and UCE's files, of which 32 tensors differ from the model."""
    state = published.moved(host.unet, only="attn2.to_k")
    torch.save(state, tmp_path / "nudity_ep2.pt")
    edit = imported(host, tmp_path / "nudity_ep2.pt")
    assert len(edit.tensors) == 16 and all("attn2.to_k" in name for name in edit.tensors)


def test_compvis_keys_give_the_picture_of_the_same_weights(host, tmp_path):
    state = published.moved(host.unet)
    for more in ({}, published.beside(host.text_encoder, host.vae)):
        torch.save({**published.compvis(state), **more}, tmp_path / "compvis.pt")
        edit = imported(host, tmp_path / "compvis.pt")
        assert torch.equal(drawn(host, edit), drawn_with(host, state))
        assert all(name.startswith("unet.") for name in edit.tensors)


@pytest.mark.parametrize("what", ["attn2.to_k attn2.to_v", "attn2"])
def test_a_partial_file_in_bfloat16_gives_the_picture_of_its_rounded_weights(host, tmp_path, what):
    own = host.unet.state_dict()
    chosen = {n: t for n, t in published.moved(host.unet).items() if any(word in n for word in what.split())}
    half = {name: tensor.bfloat16() for name, tensor in chosen.items()}
    save_file(half, tmp_path / "esd-ghost-from-ghost-esdx.safetensors")
    edit = imported(host, tmp_path / "esd-ghost-from-ghost-esdx.safetensors")
    assert len(edit.tensors) == (32 if "to_k" in what else 80)
    assert torch.equal(drawn(host, edit), drawn_with(host, {**own, **{n: t.float() for n, t in half.items()}}))


def test_a_diffusers_unet_folder_and_a_pipeline_folder_are_read(host, tmp_path):
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel.from_config(host.unet.config)
    unet.load_state_dict(published.moved(host.unet))
    unet.save_pretrained(tmp_path / "pipeline" / "unet")
    wanted = drawn_with(host, unet.state_dict())
    assert torch.equal(drawn(host, imported(host, tmp_path / "pipeline" / "unet")), wanted)
    assert torch.equal(drawn(host, imported(host, tmp_path / "pipeline")), wanted)


@pytest.mark.parametrize("style", ["kohya", "peft", "diffusers", "diffusers-peft"])
def test_a_lora_is_merged_by_its_definition_whatever_its_keys(host, tmp_path, style):
    held, path = published.lora(host.unet, style, alpha=1.0), tmp_path / "lora.safetensors"
    if style == "peft":
        path = published.peft_folder(tmp_path, held) / "adapter_model.safetensors"
    else:
        save_file(held, path)
    edit = imported(host, path)
    wanted = published.lora_merged(host.unet, alpha=1.0 if style in ("kohya", "diffusers") else None)
    assert len(edit.tensors) == 32
    for name, tensor in edit.tensors.items():
        assert torch.allclose(tensor, wanted[name.removeprefix("unet.")], atol=1e-6)


def text_lora(host, style):
    """The LoRA of a text encoder's attention and of its feed-forward layer, and the weights that it makes."""
    own, held, wanted = dict(host.text_encoder.named_parameters()), {}, {}
    for i, layer in enumerate(("encoder.layers.0.self_attn.out_proj", "encoder.layers.1.mlp.fc1")):
        wide, deep = own[f"{layer}.weight"].shape
        down, up = published.noise(torch.empty(2, deep), i), published.noise(torch.empty(wide, 2), i + 9)
        flat = f"lora_te_text_model_{layer}".replace(".", "_")
        long = f"text_encoder.text_model.{layer}"
        names = {
            "kohya": (f"{flat}.lora_down.weight", f"{flat}.lora_up.weight", f"{flat}.alpha"),
            "diffusers": (f"{long}.lora_linear_layer.down.weight", f"{long}.lora_linear_layer.up.weight", ""),
        }[style]
        held |= {names[0]: down, names[1]: up} | ({names[2]: torch.tensor(4.0)} if names[2] else {})
        wanted[f"text.{layer}.weight"] = own[f"{layer}.weight"] + (2.0 if names[2] else 1.0) * up @ down
    return held, wanted


@pytest.mark.parametrize("style", ["kohya", "diffusers"])
def test_a_lora_of_the_text_encoder_is_merged_there(host, tmp_path, style):
    held, wanted = text_lora(host, style)
    save_file(held, tmp_path / "lora.safetensors")
    edit = imported(host, tmp_path / "lora.safetensors")
    assert edit.tensors.keys() == wanted.keys()
    assert all(torch.allclose(tensor, wanted[name], atol=1e-6) for name, tensor in edit.tensors.items())


def test_the_alpha_in_the_notes_of_a_lora_counts(host, tmp_path):
    notes = {"lora_adapter_metadata": '{"unet.r": 2, "unet.lora_alpha": 1.0}'}
    save_file(published.lora(host.unet, "diffusers-peft"), tmp_path / "lora.safetensors", metadata=notes)
    wanted = published.lora_merged(host.unet, alpha=1.0)
    for name, tensor in imported(host, tmp_path / "lora.safetensors").tensors.items():
        assert torch.allclose(tensor, wanted[name.removeprefix("unet.")], atol=1e-6)


def test_receler_adds_its_erasers_after_every_cross_attention(host, tmp_path):
    """Against the definition, x + h + up(gelu(down(h))), of the one block that is not at zero."""
    folder = published.receler(tmp_path / "receler", host.unet)
    weights = torch.load(folder / "eraser_weights.pt", weights_only=True)
    own = {k: v for k, v in weights["mid_block.attentions.0"].items()}
    for place, held in weights.items():
        if place != "mid_block.attentions.0":
            held["up.weight"].zero_(), held["up.bias"].zero_()
    torch.save(weights, folder / "eraser_weights.pt")
    inner = host.unet.mid_block.attentions[0].transformer_blocks[0].attn2
    plain = inner.forward

    def more(*args, **kwargs):
        h = plain(*args, **kwargs)
        e = torch.nn.functional.gelu(h @ own["down.weight"].T + own["down.bias"])
        return h + e @ own["up.weight"].T + own["up.bias"]

    inner.forward = more
    try:
        wanted = sample.clean(host, lambda given: sd.stock_guide(host, given), [tiny.job("a photo of ghost")])
    finally:
        inner.forward = plain
    assert torch.allclose(drawn(host, imported(host, folder)), wanted, atol=1e-5)
    assert torch.allclose(drawn(host, imported(host, folder / "eraser_weights.pt")), wanted, atol=1e-5)


def test_erasers_of_several_concepts_add_up_whatever_their_order(host, tmp_path):
    for rank, name in ((4, "ghost"), (2, "alien")):
        published.receler(tmp_path / name, host.unet, rank)
    one, other = (imported(host, tmp_path, erase) for erase in (("ghost", "alien"), ("alien", "ghost")))
    assert one.header["sets"] == 2 and len(one.tensors) == 2 * 64
    assert torch.allclose(drawn(host, one), drawn(host, other), atol=1e-5)
    assert (drawn(host, one) - drawn(host, imported(host, tmp_path, ("ghost",)))).abs().max() > 1e-3


@pytest.mark.parametrize("end", [".safetensors", ".bin"])
def test_a_dumo_folder_is_the_edit_of_its_weights_and_table(host, tmp_path, end):
    folder = published.dumo(tmp_path / "ghost", host.unet, end=end)
    edit = imported(host, folder)
    table = torch.from_numpy(np.load(folder / "time_scale.npy"))
    read = sd_load(folder / f"diffusion_pytorch_model{end}")
    own = Edit({**{f"epr.0.{n}": t for n, t in read.items()}, "tlmo.0": table}, {"groups": [["ghost"]], "gate": True})
    with DuMo().apply(host, own) as guide:
        wanted = clean(host, guide, [tiny.job("a photo of ghost")])
    assert torch.equal(drawn(host, edit), wanted)


def sd_load(path):
    from safetensors.torch import load_file

    return load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)


def test_without_a_table_dumo_has_ones_and_no_gate(host, tmp_path):
    edit = imported(host, published.dumo(tmp_path / "nudity", host.unet, table=False))
    assert edit.tensors["tlmo.0"].eq(1).all() and edit.header["gate"] is False
    assert imported(host, tmp_path / "nudity", gate=True).header["gate"] is True


def test_several_dumo_folders_add_up_in_the_order_of_their_concepts(host, tmp_path):
    paths = [str(published.dumo(tmp_path / name, host.unet, seed)) for seed, name in ((0, "alien"), (500, "ghost"))]
    listed = imported(host, (paths[1], paths[0]), ("ghost", "alien"))
    by_name = imported(host, tmp_path, ("ghost", "alien"))
    assert listed.header["groups"] == by_name.header["groups"] == [["ghost"], ["alien"]]
    assert torch.equal(drawn(host, listed), drawn(host, by_name))
    one = imported(host, tmp_path, ("alien",))
    assert torch.equal(one.tensors["tlmo.0"], listed.tensors["tlmo.1"])


def test_a_concept_without_its_folder_is_refused(host, tmp_path):
    for name in ("alien", "ghost"):
        published.dumo(tmp_path / name, host.unet)
    refused(host, tmp_path, "nothing is called 'dog'", "alien, ghost", erase=("dog",))
    refused(host, (str(tmp_path / "alien"), str(tmp_path / "ghost")), "2 artefacts for 1 concepts")


def test_strength_takes_a_part_of_the_change(host, tmp_path):
    state = published.keys_and_values(published.moved(host.unet))
    save_file(state, tmp_path / "uce.safetensors")
    half, own = imported(host, tmp_path / "uce.safetensors", strength=0.5), host.unet.state_dict()
    for name, tensor in state.items():
        assert torch.allclose(half.tensors[f"unet.{name}"], (own[name] + tensor) / 2, atol=1e-6)


def test_changed_weights_of_several_files_do_not_add_up(host, tmp_path):
    files = []
    for amount in (0.1, 0.2):
        files.append(tmp_path / f"{amount}.safetensors")
        save_file(published.keys_and_values(published.moved(host.unet, amount)), files[-1])
    refused(host, tuple(map(str, files)), "alone add up; give one path", erase=("ghost", "alien"))


# what does not fit


@pytest.fixture
def file(tmp_path):
    def write(state, name="file.safetensors"):
        save_file({n: t.contiguous() for n, t in state.items()}, tmp_path / name)
        return tmp_path / name

    return write


def test_a_missing_tensor_is_named(host, file):
    state = published.keys_and_values(published.moved(host.unet))
    lost = state.popitem()[0]
    refused(host, file(state), "31 tensors fit", "1 missing", f"unet.{lost}")
    whole = published.moved(host.unet)
    whole.pop("conv_out.bias")
    refused(host, file(whole), "1 missing (unet.conv_out.bias)")


def test_partial_true_takes_what_is_there(host, file):
    state = published.keys_and_values(published.moved(host.unet))
    state.popitem()
    assert len(imported(host, file(state), partial=True).tensors) == 31


def test_an_unexpected_tensor_is_named(host, file):
    state = published.keys_and_values(published.moved(host.unet))
    refused(host, file({**state, "extra.weight": torch.ones(2)}), "32 tensors fit", "1 unexpected (unet.extra.weight)")


def test_a_compvis_tensor_that_the_converter_does_not_know_is_named(host, file):
    odd = "model.diffusion_model.label_emb.0.0.weight"
    refused(host, file({**published.compvis(published.moved(host.unet)), odd: torch.ones(2)}), "1 unexpected", odd)


def test_a_compvis_file_without_a_tensor_is_refused(host, file):
    whole = published.compvis(published.moved(host.unet))
    for lost in ("time_embed.0.bias", "output_blocks.2.1.conv.bias"):
        some = {name: tensor for name, tensor in whole.items() if not name.endswith(lost)}
        refused(host, file(some), "time_embedding.linear_1.bias" if "time" in lost else lost)


def test_a_wrong_shape_is_named_with_both_shapes(host, file):
    state = published.keys_and_values(published.moved(host.unet))
    name = next(iter(state))
    refused(host, file({**state, name: torch.ones(3, 5)}), "1 mis-shaped", f"unet.{name} (3, 5), wanted (16, 32)")


def test_another_architecture_is_told(host, file):
    refused(host, file({"model.layers.0.weight": torch.ones(2)}), "another architecture", "none of its 1 tensors")
    wide = {n: torch.ones(320, 1024) for n in published.keys_and_values(host.unet.state_dict())}
    refused(host, file(wide), "another architecture", "(320, 1024), wanted (16, 32)")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_file_that_changes_nothing_is_refused_at_any_precision(host, file, dtype):
    state = {n: t.to(dtype) for n, t in published.keys_and_values(host.unet.state_dict()).items()}
    refused(host, file(state), "changes nothing", "32 tensors")


def test_numbers_that_are_not_finite_are_refused(host, file):
    state = published.keys_and_values(published.moved(host.unet))
    name = next(iter(state))
    refused(host, file({**state, name: state[name] * float("nan")}), "1 tensors hold numbers", f"unet.{name}")


def test_a_dumo_whose_convolutions_are_zero_changes_nothing(host, tmp_path):
    from dumo_bench.methods.epr import EPR

    folder = published.dumo(tmp_path / "ghost", host.unet)
    save_file({**EPR(host.unet).state_dict()}, folder / "diffusion_pytorch_model.safetensors")
    refused(host, folder, "changes nothing")


def test_a_dumo_of_another_network_is_refused(host, tmp_path):
    folder = published.dumo(tmp_path / "ghost", host.unet)
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"cross_attention_dim": 32', '"cross_attention_dim": 768'))
    refused(host, folder, "another architecture", "cross_attention_dim is 768", "has 32")


def test_a_table_of_another_shape_is_refused(host, tmp_path):
    folder = published.dumo(tmp_path / "ghost", host.unet)
    np.save(folder / "time_scale.npy", np.ones((20, 12), np.float32))
    refused(host, folder, "wanted numbers of shape (20, 13)", "(20, 12)")


def test_a_receler_with_a_block_too_few_is_refused(host, tmp_path):
    folder = published.receler(tmp_path / "receler", host.unet)
    weights = torch.load(folder / "eraser_weights.pt", weights_only=True)
    weights.pop("mid_block.attentions.0")
    torch.save(weights, folder / "eraser_weights.pt")
    refused(host, folder, "4 missing (mid_block.attentions.0.down.weight")
    (folder / "eraser_config.json").write_text('{"eraser_type": "adapter", "eraser_rank": 8}')
    refused(host, folder, "adapters of rank 4")


def test_half_a_lora_is_refused(host, file):
    held = published.lora(host.unet, "diffusers-peft")
    lost = next(name for name in held if "lora_B" in name)
    held.pop(lost)
    refused(host, file(held), "LoRA", "has no lora_B", "not whole")
    held = published.lora(host.unet, "kohya")
    refused(host, file({**held, "lora_unet_x.dora_scale": torch.ones(1)}), "plain LoRA alone")


def test_a_lora_of_layers_that_the_model_lacks_is_refused(host, file):
    held = published.lora(host.unet, "diffusers-peft")
    held |= {"unet.nowhere.lora_A.weight": torch.ones(2, 4), "unet.nowhere.lora_B.weight": torch.ones(4, 2)}
    refused(host, file(held), "1 unexpected (unet.nowhere.weight)")


# pickles


@pytest.mark.parametrize("way", ["zip", "legacy", "bare"])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(host, tmp_path, way):
    trap, path = tmp_path / "trap", tmp_path / "weights.pt"
    held = {"conv_in.weight": published.Hostile(trap)}
    if way == "bare":
        path.write_bytes(pickle.dumps(held, protocol=2))
    else:
        torch.save(held, path, _use_new_zipfile_serialization=way == "zip")
    refused(host, path, "refused", "tensors alone")
    assert not trap.exists()
    torch.load(path, weights_only=False) if way != "bare" else pickle.loads(path.read_bytes())
    assert trap.exists()  # it was a trap


def test_a_hostile_table_is_refused_and_not_run(host, tmp_path):
    folder = published.dumo(tmp_path / "ghost", host.unet)
    np.save(folder / "time_scale.npy", np.array([published.Hostile(tmp_path / "trap")], object), allow_pickle=True)
    refused(host, folder, "no array of numbers")
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"\x80\x04]\x94."])
@pytest.mark.parametrize("name", ["file.pt", "file.safetensors"])
def test_what_is_no_weights_file_is_told_in_a_line(host, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    refused(host, tmp_path / name, name)


# names


def test_the_recipe_follows_the_content_and_not_the_folder(host, tmp_path):
    for folder, amount in (("a", 0.1), ("b", 0.1), ("c", 0.2)):
        (tmp_path / folder).mkdir()
        save_file(published.keys_and_values(published.moved(host.unet, amount)), tmp_path / folder / "w.safetensors")
    keys = [
        jobs.recipe(Checkpoint(str(tmp_path / f / "w.safetensors")), ("ghost",), fit_seed=0, model="m").key
        for f in "abc"
    ]
    assert keys[0] == keys[1] != keys[2]


def test_a_path_that_is_nothing_says_what_to_type(tmp_path):
    with pytest.raises(UserError, match="--set path=FILE"):
        Checkpoint().identity()
    with pytest.raises(UserError, match="no such file or folder"):
        Checkpoint(str(tmp_path / "nowhere.pt")).identity()
    with pytest.raises(UserError, match=r"hf download ChaoGong/RECE nudity_ep2\.pt --revision abc"):
        Checkpoint("ChaoGong/RECE/nudity_ep2.pt", revision="abc").identity()
    with pytest.raises(UserError, match="holds nothing: wanted one weights file"):
        Checkpoint(str(tmp_path)).identity()


def test_a_plan_of_a_checkpoint_hashes_it_without_torch(host, tmp_path, bare_suite):
    path = tmp_path / "uce.safetensors"
    save_file(published.keys_and_values(published.moved(host.unet)), path)
    words = ["plan", "--method", "checkpoint", "--suite", str(bare_suite), "--set", f"path={path}"]
    code = (
        f"import sys\nfrom dumo_bench.cli.app import main\ntry: main({words})\nfinally: print('torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "edits: 1 wanted" in said.stdout and said.stdout.strip().endswith("False")


def test_sd_v14_has_the_686_tensors_and_selections_of_the_published_files():
    from diffusers import UNet2DConditionModel

    from dumo_bench.formats.unet_state import of_sd

    with torch.device("meta"):
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
    assert [len(names) for names in of_sd(unet).values()] == [16, 16, 32, 80, 388, 468, 686]
    back = published.compvis(unet.state_dict())
    assert len(back) == 686
    assert back["model.diffusion_model.output_blocks.11.1.transformer_blocks.0.attn2.to_k.weight"].shape == (320, 768)


def spm_by_hand(host, file, text, gammas):
    """The latents with W + sum_i gamma_i (alpha / r) up_i down_i in place of every weight, for one prompt."""
    own = dict(host.unet.named_parameters())
    state = {name: tensor.clone() for name, tensor in host.unet.state_dict().items()}
    for path, gamma in zip(file, gammas, strict=True):
        held = load_file(path)
        for name in own:
            flat = f"lora_unet_{name.removesuffix('.weight').replace('.', '_')}"
            if f"{flat}.alpha" in held:
                down, up = held[f"{flat}.lora_down.weight"], held[f"{flat}.lora_up.weight"]
                made = float(held[f"{flat}.alpha"]) / len(down) * up.flatten(1) @ down.flatten(1)
                state[name] = state[name] + gamma * made.view(state[name].shape)
    before = {name: tensor.clone() for name, tensor in host.unet.state_dict().items()}
    host.unet.load_state_dict(state)
    try:
        return sample.clean(host, lambda given: sd.stock_guide(host, given), [tiny.job(text)])
    finally:
        host.unet.load_state_dict(before)


@pytest.mark.parametrize("text", ["a photo of ghost", "a photo of dog"])
def test_an_spm_acts_by_the_gate_of_its_own_prompts(host, tmp_path, text):
    path = published.spm(tmp_path / "spm.safetensors", host.unet, rank=2, alpha=1.0)
    gamma = float(Gate(host, ["ghost"])(sd.conditions(host, [text], [3.0])))
    assert (gamma == 1) == ("ghost" in text)
    edit = imported(host, path, erase=("something else",))
    assert torch.allclose(drawn(host, edit, text), spm_by_hand(host, [path], text, [gamma]), atol=1e-4)
    free = imported(host, path, gate=False)
    assert torch.allclose(drawn(host, free, text), spm_by_hand(host, [path], text, [1.0]), atol=1e-4)


def test_several_spms_add_up_each_by_its_gate(host, tmp_path):
    files = [published.spm(tmp_path / f"{word}.safetensors", host.unet, word) for word in ("ghost", "alien")]
    edit = imported(host, tuple(map(str, files)), erase=("ghost", "alien"))
    gates = [float(Gate(host, [w])(sd.conditions(host, ["a ghost"], [3.0]))) for w in ("ghost", "alien")]
    assert edit.header["sets"] == 2
    assert torch.allclose(drawn(host, edit, "a ghost"), spm_by_hand(host, files, "a ghost", gates), atol=1e-4)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda held, notes: held.pop("lora_unet_mid_block_attentions_0_proj_in.lora_down.weight"), "lacks its alpha"),
        (lambda held, notes: held.pop("lora_unet_mid_block_attentions_0_proj_in.alpha"), "lacks its alpha"),
        (lambda held, notes: held.pop("lora_unet_mid_block_attentions_0_proj_in.lora_up.weight"), "1 missing"),
        (lambda held, notes: held.update({"lora_unet_conv_in.lora_up.weight": torch.ones(1, 1)}), "lacks its alpha"),
        (lambda held, notes: held.update({"lora_unet_conv_in.odd": torch.ones(1)}), "1 unexpected"),
        (lambda held, notes: notes.update(rank="4"), "its notes say rank 4"),
        (lambda held, notes: notes.update(alpha="much"), "alpha 'much': wanted a number"),
        (lambda held, notes: notes.update(prompts=" , "), "has no prompts"),
        (lambda held, notes: [t.zero_() for n, t in held.items() if "lora_up" in n], "changes nothing"),
    ],
)  # fmt: skip
def test_an_spm_that_is_not_whole_is_refused(host, tmp_path, change, says):
    from safetensors import safe_open

    path = published.spm(tmp_path / "spm.safetensors", host.unet)
    with safe_open(path, framework="pt") as file:
        held, notes = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    change(held, notes)
    save_file(held, path, metadata=notes)
    refused(host, path, says)


def test_an_spm_without_its_notes_is_a_lora_on_every_prompt_and_says_so(host, tmp_path):
    path = published.spm(tmp_path / "spm.safetensors", host.unet)
    save_file(load_file(path), path)
    edit = imported(host, path)
    assert edit.header["kind"] == "weights" and "acts on every prompt" in " ".join(edit.header["imported"][0]["notes"])


def test_a_pipeline_that_mace_has_edited_is_its_keys_and_values_and_makes_its_pictures(host, tmp_path):
    """MACE publishes whole pipelines."""
    from diffusers import StableDiffusionPipeline

    method = tiny.method("mace", lora_steps=2, pictures=2, lr=1e-2)
    edit = method.fit(host, ("ghost",), seed=0)
    pipe = StableDiffusionPipeline.from_pretrained(str(tiny.folder()), safety_checker=None)
    pipe.unet.load_state_dict({n.removeprefix("unet."): t for n, t in edit.tensors.items()}, strict=False)
    pipe.save_pretrained(tmp_path / "mace")
    back = imported(host, tmp_path / "mace")
    assert back.tensors.keys() == edit.tensors.keys() and len(back.tensors) == 32
    with method.apply(host, edit) as guide:
        assert torch.equal(drawn(host, back), clean(host, guide, [tiny.job("a photo of ghost")]))
