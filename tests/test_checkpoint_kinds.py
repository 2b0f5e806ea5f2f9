"""Published weights for other kinds of models: what ESD, UCE and EraseAnything write imports whole, and there alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import published
import pytest
import tiny
import tiny_kinds
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dumo_bench.errors import UserError
from dumo_bench.formats import export, kind, unet_state
from dumo_bench.hosts import flows, kinds, sample, sd
from dumo_bench.kit import parameters
from dumo_bench.methods.checkpoint import Checkpoint
from dumo_bench.plugins import loading
from dumo_bench.run.work import facts
from dumo_bench.storage.store import Store
from dumo_bench.types import Edit, Recipe

State = Mapping[str, Tensor]


@cache
def host(name: str) -> sd.Host:
    return tiny.quick_host("float32") if name == "tiny" else replace(tiny_kinds.host(name, "float32"), plans=tiny.QUICK)


def eraser(name: str, of: sd.Host, **settings):
    own = loading.load("methods", name).by_kind.get(of.kind.name, {})
    return tiny.method(name, of.model, **{**own, **settings})


def drawn(of: sd.Host, method, edit: Edit) -> Tensor:
    job = tiny.job("a photo of ghost")
    job = replace(job, sampling=replace(job.sampling, scheduler=flows.fitting("ddim", of.kind)))
    with method.apply(of, edit) as guide:
        return sample.clean(of, guide, [job])


def stored(of: sd.Host, folder: Path, method, edit: Edit) -> tuple[Path, Edit]:
    """An edit as `dumo-bench fit` leaves it."""
    recipe = Recipe(method.name, method.version, {"strength": 1.0}, ("ghost",), 0, of.hash)
    store = Store(folder / "results")
    path = store.put_edit(recipe, Edit(edit.tensors, {**edit.header, **facts(of, recipe)}))
    return path, store.get_edit(recipe)


def refused(of: sd.Host, path: Path, *words: str) -> None:
    with pytest.raises(UserError) as error:
        Checkpoint(str(path)).fit(of, ["ghost"], seed=0)
    assert "\n" not in str(error.value) and all(word in str(error.value) for word in words), error.value


def bare(state: State, network: str) -> State:
    """Newer ESD and UCE: the trained tensors under the network's own names."""
    return state


def prefixed(state: State, network: str) -> State:
    return {f"{network}.{name}": tensor for name, tensor in state.items()}


WRITTEN: list[tuple[str, str, dict[str, str], str]] = [
    ("esd", "sdxl", {}, "cross-attention"),
    ("esd", "sdxl", {"variant": "strict"}, "cross-attention keys and values"),
    ("esd", "sdxl", {"variant": "u"}, "linear layers and convolutions of blocks outside cross-attention"),
    ("uce", "sdxl", {}, "cross-attention keys and values"),
    ("esd", "flux", {}, "linear layers of attention"),
    ("esd", "flux", {"variant": "strict"}, "attention keys and values"),
    ("uce", "flux", {}, "what reads the text"),
    ("esd", "sd3", {}, "linear layers of attention"),
]


@pytest.mark.parametrize("write", [bare, prefixed])
@pytest.mark.parametrize(("name", "of", "settings", "family"), WRITTEN)
def test_a_published_form_imports_as_the_edit_that_it_was_written_from(tmp_path, name, of, settings, family, write):
    model = host(of)
    method = eraser(name, model, **settings)
    edit = method.fit(model, ["ghost"], seed=0)
    network = model.kind.network
    state = {full.removeprefix(f"{network}."): tensor for full, tensor in edit.tensors.items()}
    save_file(dict(write(state, network)), tmp_path / "erased.safetensors")
    found = Checkpoint(str(tmp_path / "erased.safetensors")).fit(model, ["ghost"], seed=0)
    assert found.header["imported"][0]["format"] == f"diffusers' keys, {family}"
    assert found.tensors and found.tensors.keys() <= edit.tensors.keys()
    assert torch.equal(drawn(model, Checkpoint(), found), drawn(model, method, edit))


@pytest.mark.parametrize("name", ["esd", "uce"])
@pytest.mark.parametrize(("of", "form"), [("sdxl", "partial"), ("sdxl", "unet"), ("flux", "partial")])
def test_an_exported_edit_is_taken_back_and_makes_the_same_picture(tmp_path, name, of, form):
    model = host(of)
    method = eraser(name, model)
    path, edit = stored(model, tmp_path, method, method.fit(model, ["ghost"], seed=0))
    export.export(path, tmp_path / "out", form)
    back = Checkpoint(str(tmp_path / "out")).fit(model, ["ghost"], seed=0)
    assert torch.equal(drawn(model, Checkpoint(), back), drawn(model, method, edit))


def erased(folder: Path, of: str = "flux") -> tuple[sd.Host, Edit, Path]:
    """EraseAnything's edit, large enough to be seen, and the LoRA that is exported of it."""
    model = host(of)
    method = eraser("eraseanything", model)
    made = method.fit(model, ["ghost"], seed=0)
    made = Edit({n: 30 * t if ".up." in n else t for n, t in made.tensors.items()}, made.header)
    path, edit = stored(model, folder, method, made)
    export.export(path, folder / "lora", "lora")
    (file,) = (folder / "lora").iterdir()
    return model, edit, file


def test_a_lora_of_eraseanything_is_merged_and_makes_the_same_picture(tmp_path):
    model, edit, file = erased(tmp_path)
    assert all(name.startswith("transformer.transformer_blocks.") for name in load_file(file))
    back = Checkpoint(str(file)).fit(model, ["ghost"], seed=0)
    assert back.header["imported"][0]["format"] == "LoRA, text queries and keys of double blocks"
    ours, plain = drawn(model, eraser("eraseanything", model), edit), drawn(model, Checkpoint(), Edit({}, back.header))
    assert torch.allclose(drawn(model, Checkpoint(), back), ours, atol=1e-4)
    assert (ours - plain).abs().max() > 1e-3


def test_a_lora_that_diffusers_writes_of_a_transformer_is_read_with_the_rank_and_alpha_in_its_notes(tmp_path):
    """The layout of the released files: rank 8 on the text's queries and keys of every double block."""
    from diffusers import FluxPipeline
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    model = host("flux")
    pipe = FluxPipeline.from_pretrained(str(tiny_kinds.folder("flux")))
    targets = ["attn.add_k_proj", "attn.add_q_proj"]
    pipe.transformer.add_adapter(LoraConfig(r=8, lora_alpha=4, init_lora_weights="gaussian", target_modules=targets))
    for name, tensor in pipe.transformer.named_parameters():
        if "lora_B" in name:
            tensor.data.copy_(published.noise(tensor, len(name)))
    held, config = get_peft_model_state_dict(pipe.transformer), pipe.transformer.peft_config["default"].to_dict()
    notes = {"transformer_lora_adapter_metadata": config}
    FluxPipeline.save_lora_weights(tmp_path, held, **notes)
    found = Checkpoint(str(tmp_path / "pytorch_lora_weights.safetensors")).fit(model, ["ghost"], seed=0)
    own, half = dict(model.unet.named_parameters()), 4 / 8
    assert len(found.tensors) == 2 * 2
    for full, tensor in found.tensors.items():
        layer = full.removeprefix("transformer.").removesuffix(".weight")
        change = half * held[f"{layer}.lora_B.weight"] @ held[f"{layer}.lora_A.weight"]
        assert torch.allclose(tensor, own[f"{layer}.weight"] + change, atol=1e-6)


def test_a_folder_of_peft_is_merged_into_its_transformer_and_refused_by_another_kind(tmp_path):
    model, layers = host("flux"), ["attn.add_q_proj", "attn.add_k_proj"]
    names = [f"transformer_blocks.{i}.{layer}" for i in range(2) for layer in layers]
    own = dict(model.unet.named_parameters())
    sides = {"A": torch.ones(8, 32), "B": torch.full((32, 8), 0.01)}
    held = {f"base_model.model.{name}.lora_{side}.weight": t.clone() for name in names for side, t in sides.items()}
    folder = published.peft_folder(tmp_path / "peft", held, r=8, lora_alpha=16, target_modules=layers)
    edit = Checkpoint(str(folder)).fit(model, ["ghost"], seed=0)
    assert edit.tensors.keys() == {f"transformer.{name}.weight" for name in names}
    for name in names:
        assert torch.allclose(edit.tensors[f"transformer.{name}.weight"], own[f"{name}.weight"] + 2 * 0.08, atol=1e-6)
    refused(host("tiny"), folder, "made for FLUX or Stable Diffusion 3, ", " is Stable Diffusion 1.x/2.x")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda held, layer: [held.pop(f"{layer}.lora_{side}.weight") for side in "AB"], "1 missing"),
        (lambda held, layer: held.pop(f"{layer}.lora_B.weight"), "has no lora_B"),
        (lambda held, layer: [held.update({n.replace(".0.", ".9."): held.pop(n)}) for n in [*held]], "fit"),
        (lambda held, layer: held.update({f"{layer}.lora_B.weight": torch.ones(3, 8)}), "1 mis-shaped"),
        (lambda held, layer: held.update({f"{layer}.lora_B.weight": torch.full((32, 8), torch.nan)}), "not finite"),
        (lambda held, layer: [t.zero_() for n, t in held.items() if "lora_B" in n], "changes nothing"),
    ],
)  # fmt: skip
def test_a_lora_of_eraseanything_that_is_not_whole_is_refused(tmp_path, change, says):
    model, _, file = erased(tmp_path)
    held = load_file(file)
    change(held, "transformer.transformer_blocks.0.attn.add_q_proj")
    save_file(held, tmp_path / "broken.safetensors")
    refused(model, tmp_path / "broken.safetensors", says)


def test_partial_true_takes_a_lora_of_some_of_eraseanything_s_layers(tmp_path):
    model, _, file = erased(tmp_path)
    some = {name: tensor for name, tensor in load_file(file).items() if ".0.attn.add_q_proj." in name}
    save_file(some, tmp_path / "some.safetensors")
    refused(model, tmp_path / "some.safetensors", "3 missing")
    edit = Checkpoint(str(tmp_path / "some.safetensors"), partial=True).fit(model, ["ghost"], seed=0)
    assert edit.tensors.keys() == {"transformer.transformer_blocks.0.attn.add_q_proj.weight"}


@pytest.mark.parametrize("of", ["sdxl", "flux", "sd3"])
@pytest.mark.parametrize("wrong", ["missing", "another name", "another shape"])
def test_a_file_of_what_was_trained_is_whole_or_refused(tmp_path, of, wrong):
    model = host(of)
    names = parameters.selected(model, "attn2" if of == "sdxl" else "attn")
    own = dict(model.unet.named_parameters())
    state = {name: own[name] + 0.1 for name in names}
    last = names[-1]
    tensor = state.pop(last)
    if wrong == "another name":
        state[f"{last}s"] = tensor
    elif wrong == "another shape":
        state[last] = tensor[:-1].clone()
    save_file(state, tmp_path / "erased.safetensors")
    refused(model, tmp_path / "erased.safetensors", {"another shape": "mis-shaped"}.get(wrong, "missing"))


# the wrong kind

XL = "down_blocks.2.attentions.0.transformer_blocks.9.attn2.to_k.weight"
FILES: dict[str, tuple[State, str]] = {
    "flux": ({"transformer_blocks.0.attn.to_k.weight": torch.ones(4, 4),
              "single_transformer_blocks.0.attn.to_k.weight": torch.ones(4, 4)}, "FLUX"),
    "flux or sd3": ({"transformer.transformer_blocks.0.attn.add_q_proj.lora_A.weight": torch.ones(8, 4),
                     "transformer.transformer_blocks.0.attn.add_q_proj.lora_B.weight": torch.ones(4, 8)},
                    "FLUX or Stable Diffusion 3"),
    "sd3": ({"pos_embed.proj.weight": torch.ones(4, 4)}, "Stable Diffusion 3"),
    "sdxl": ({XL: torch.ones(4, 2048)}, "Stable Diffusion XL"),
    "sdxl by its width": ({XL.replace("blocks.9", "blocks.0"): torch.ones(4, 2048)}, "Stable Diffusion XL"),
    "sd": ({"down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v.weight": torch.ones(4, 768)},
           "Stable Diffusion 1.x/2.x"),
}  # fmt: skip
#: a model -> the files above that are for its kind
FITS = {
    "tiny": {"sd"},
    "sdxl": {"sdxl", "sdxl by its width"},
    "flux": {"flux", "flux or sd3"},
    "sd3": {"sd3", "flux or sd3"},
}


@pytest.mark.parametrize("model", FITS)
@pytest.mark.parametrize("file", FILES)
def test_a_file_of_another_kind_is_refused_in_a_line_that_names_both(tmp_path, model, file):
    held, title = FILES[file]
    save_file(dict(held), tmp_path / "erased.safetensors")
    of = host(model)
    both = (f"made for {title}, ", f" is {of.kind.title}")
    refused(of, tmp_path / "erased.safetensors", *(() if file in FITS[model] else both))


OTHERS: list[tuple[str, Callable[[Path], Path]]] = [
    ("an SPM", lambda at: published.spm(at / "spm.safetensors", host("tiny").unet)),
    ("of DuMo", lambda at: published.dumo(at / "dumo", host("tiny").unet)),
    ("of Receler", lambda at: published.receler(at / "receler", host("tiny").unet)),
    ("in CompVis's names", lambda at: written(at, published.compvis(published.moved(host("tiny").unet)))),
    ("unet", lambda at: written_folder(at / "unet")),
]


def written(at: Path, held: State) -> Path:
    torch.save(dict(held), at / "erased.pt")
    return at / "erased.pt"


def written_folder(at: Path) -> Path:
    host("tiny").unet.save_pretrained(at)
    return at


@pytest.mark.parametrize("of", ["sdxl", "flux", "sd3"])
@pytest.mark.parametrize(("what", "write"), OTHERS)
def test_what_is_read_for_stable_diffusion_1_and_2_alone_says_so_elsewhere(tmp_path, of, what, write):
    title = host(of).kind.title
    refused(host(of), write(tmp_path), what, "made for Stable Diffusion 1.x/2.x", f" is {title}")


@pytest.mark.parametrize("of", ["sdxl", "flux", "sd3"])
def test_a_pipeline_of_another_kind_is_not_read_in_part(of):
    refused(host(of), tiny_kinds.folder(of), "name the folder of the U-Net or transformer")


@pytest.mark.parametrize("of", ["sdxl", "flux", "sd3"])
def test_a_network_s_folder_is_read_whole(tmp_path, of):
    model = host(of)
    base = next(cls for cls in type(model.unet).__mro__ if cls.__module__.startswith("diffusers"))
    net = base.from_config(dict(model.unet.config))
    moved = published.moved(model.unet, only="attn")
    net.load_state_dict(moved)
    net.save_pretrained(tmp_path / "net")
    found = Checkpoint(str(tmp_path / "net")).fit(model, ["ghost"], seed=0)
    network = model.kind.network
    assert found.header["imported"][0]["matched"] == len(unet_state.selections(model)[unet_state.ALL])
    assert found.tensors and all(torch.equal(t, moved[n.removeprefix(f"{network}.")]) for n, t in found.tensors.items())


def test_a_transformer_is_exported_as_its_changed_tensors_and_not_as_a_u_net(tmp_path):
    model = host("flux")
    method = eraser("uce", model)
    path, _ = stored(model, tmp_path, method, method.fit(model, ["ghost"], seed=0))
    with pytest.raises(UserError, match="has a transformer in its place: --as partial"):
        export.export(path, tmp_path / "out", "unet")


def real(name: str) -> torch.nn.Module:
    """The network of SDXL, FLUX.1-dev and SD3, without numbers."""
    import diffusers

    with torch.device("meta"):
        if name == "flux":
            return diffusers.FluxTransformer2DModel(guidance_embeds=True)
        if name == "sd3":
            return diffusers.SD3Transformer2DModel(num_layers=24, num_attention_heads=24, caption_projection_dim=1536)
        return diffusers.UNet2DConditionModel(
            block_out_channels=(320, 640, 1280), attention_head_dim=(5, 10, 20), cross_attention_dim=2048,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10), use_linear_projection=True, addition_embed_type="text_time",
            addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("sdxl", [140, 350, 772, 1680]), ("flux", [2, 228, 532, 1160]), ("sd3", [96, 382, 682])],
)
def test_the_selections_of_the_real_networks_have_these_sizes(name, sizes):
    """UCE on XL: keys and values of 70 blocks; on FLUX: two matrices. EraseAnything: two layers of 19 double blocks."""
    model = replace(host(name), unet=real(name))
    assert kind.told(dict(model.unet.named_parameters())) == (model.kind,)
    assert [len(names) for names in unet_state.selections(model).values()] == sizes
    assert len(unet_state.adapted(model, {})[1]) == (2 * 19 if name == "flux" else 0)


@pytest.mark.parametrize("name", ["tiny", *tiny_kinds.MAKE])
def test_a_model_s_own_names_are_of_its_kind(name):
    assert host(name).kind in kind.told(dict(host(name).unet.named_parameters()))
    assert kind.told({}) == () == kind.told({"text_model.embeddings.position_ids": None})
    assert set(kind.MARKS) == {one.name for one in kinds.KINDS}
