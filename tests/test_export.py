"""What is exported is loaded by diffusers, and imported again gives the same picture."""

from __future__ import annotations

import json

import fakes
import numpy as np
import published
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from dumo_bench.baselines.receler import Receler
from dumo_bench.errors import UserError
from dumo_bench.formats import export
from dumo_bench.hosts import sample, sd
from dumo_bench.methods.checkpoint import Checkpoint
from dumo_bench.methods.dumo import DuMo
from dumo_bench.plugins import loading
from dumo_bench.run.work import facts
from dumo_bench.storage.store import Store
from dumo_bench.types import Edit, Recipe


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host("float32")


@pytest.fixture(scope="module")
def learnt(host) -> dict[tuple[str, ...], Edit]:
    """DuMo's edits of one concept and of two."""
    ghost, alien = (DuMo().fit(host, (word,), seed=0) for word in ("ghost", "alien"))
    return {("ghost",): ghost, ("ghost", "alien"): DuMo().join([ghost, alien])}


def stored(host, folder, method, erase=("ghost",), edit=None):
    """A method's edit as `dumo-bench fit` leaves it: its file, and itself as read back."""
    made = edit or method.fit(host, erase, seed=0)
    recipe = Recipe(method.name, method.version, {"strength": getattr(method, "strength", 1.0)}, erase, 0, host.hash)
    store = Store(folder / "results")
    path = store.put_edit(recipe, Edit(made.tensors, {**made.header, **facts(host, recipe)}))
    return path, store.get_edit(recipe)


def test_an_edit_that_does_not_fit_the_model_is_one_line(host, tmp_path):
    for name, shape in (("unet.nothing", (1,)), (f"unet.{sd.key_value_names(host.unet)[0]}", (1, 1))):
        where = tmp_path / name
        path, _ = stored(host, where, loading.make("methods", "uce"), edit=Edit({name: torch.ones(shape)}, {}))
        with pytest.raises(UserError, match=r"than the U-Net of .*: it is for another model"):
            export.export(path, where / "new", "unet")
        assert not (where / "new").exists()


def drawn(host, method, edit, text="a photo of ghost"):
    with method.apply(host, edit) as guide:
        return sample.clean(host, guide, [tiny.job(text)])


def imported(host, path, erase=("ghost",), **settings):
    method = Checkpoint(str(path), **settings)
    edit = method.fit(host, erase, seed=0)
    return drawn(host, method, edit), edit


@pytest.mark.parametrize("form", ["unet", "partial"])
def test_changed_weights_exported_and_imported_give_the_same_picture(host, tmp_path, form):
    method = loading.make("methods", "uce")
    path, edit = stored(host, tmp_path, method)
    export.export(path, tmp_path / "out", form)
    assert torch.equal(imported(host, tmp_path / "out")[0], drawn(host, method, edit))


def test_an_exported_unet_is_loaded_by_diffusers_and_differs_where_the_edit_does(host, tmp_path):
    from diffusers import UNet2DConditionModel

    path, edit = stored(host, tmp_path, fakes.Scaled())
    export.export(path, tmp_path / "out", "unet")
    made, own = UNet2DConditionModel.from_pretrained(tmp_path / "out").state_dict(), host.unet.state_dict()
    assert {f"unet.{n}" for n in own if not torch.equal(made[n], own[n])} == set(edit.tensors)


def test_a_partial_file_has_the_names_of_the_unet_and_counts_itself(host, tmp_path):
    path, edit = stored(host, tmp_path, loading.make("methods", "uce"), ("ghost", "alien"))
    export.export(path, tmp_path / "out", "partial")
    (file,) = (tmp_path / "out").iterdir()
    assert file.name == "uce-ghost-alien.safetensors"
    held = load_file(file)
    assert len(held) == 32 and not host.unet.load_state_dict(held | {}, strict=False).unexpected_keys
    host.unet.load_state_dict(tiny.host().unet.state_dict())
    assert {f"unet.{n}" for n in held} == set(edit.tensors)


def test_a_part_of_its_own_is_taken_back_whole_and_not_otherwise(host, tmp_path):
    """One tensor is none of the published selections; the file says that it is all."""
    path, edit = stored(host, tmp_path, fakes.Scaled())
    export.export(path, tmp_path / "out", "partial")
    assert imported(host, tmp_path / "out")[1].tensors.keys() == edit.tensors.keys()
    (file,) = (tmp_path / "out").iterdir()
    save_file(load_file(file), file, metadata={"tensors": "2"})
    with pytest.raises(UserError, match="15 missing"):
        imported(host, tmp_path / "out")


@pytest.mark.parametrize("gate", [True, False])
@pytest.mark.parametrize("erase", [("ghost",), ("ghost", "alien")])
def test_dumo_exported_and_imported_gives_the_same_picture(host, learnt, tmp_path, gate, erase):
    method, made = DuMo(gate=gate), learnt[erase]
    path, edit = stored(host, tmp_path, method, erase, Edit(made.tensors, {**made.header, "gate": gate}))
    export.export(path, tmp_path / "out", "dumo")
    assert torch.equal(imported(host, tmp_path / "out", erase)[0], drawn(host, method, edit))


def test_the_strength_of_dumo_goes_into_its_table(host, learnt, tmp_path):
    method = DuMo(strength=0.5)
    path, edit = stored(host, tmp_path, method, edit=learnt["ghost",])
    export.export(path, tmp_path / "out", "dumo")
    assert torch.allclose(imported(host, tmp_path / "out")[0], drawn(host, method, edit), atol=1e-5)
    again, _ = stored(host, tmp_path / "again", Checkpoint(strength=0.5), edit=imported(host, tmp_path / "out")[1])
    export.export(again, tmp_path / "twice", "dumo")
    first, second = (np.load(tmp_path / name / "time_scale.npy") for name in ("out", "twice"))
    assert np.array_equal(first, second)  # an imported edit's is in the table already


@pytest.mark.parametrize("strength", [1.0, 0.5])
@pytest.mark.parametrize("erase", [("ghost",), ("ghost", "alien")])
def test_receler_exported_and_imported_gives_the_same_picture(host, tmp_path, erase, strength):
    """Two sets of erasers become one of twice the rank."""
    method, g = Receler(strength=strength), torch.Generator().manual_seed(0)
    singles = [Receler().fit(host, (word,), seed=0) for word in erase]
    lively = [Edit({k: t + 0.1 * torch.randn(t.shape, generator=g) for k, t in e.tensors.items()}, e.header)
              for e in singles]  # fmt: skip
    path, edit = stored(host, tmp_path, method, erase, method.join(lively))
    export.export(path, tmp_path / "out", "receler")
    picture, back = imported(host, tmp_path / "out", erase)
    assert torch.allclose(picture, drawn(host, method, edit), atol=1e-5)
    assert (picture - drawn(host, Receler(strength=0.0), edit)).abs().max() > 1e-3
    assert {len(t) for k, t in back.tensors.items() if k.endswith("down.bias")} == {4 * len(erase)}


def test_an_exported_receler_is_the_published_nesting(host, tmp_path):
    path, edit = stored(host, tmp_path, Receler())
    export.export(path, tmp_path / "out", "receler")
    held = torch.load(tmp_path / "out" / "eraser_weights.pt", weights_only=True)
    named = {f"adapter.0.{block}.{k}": t for block, own in held.items() for k, t in own.items()}
    assert len(held) == 16 and named.keys() == edit.tensors.keys()
    assert all(torch.equal(t, edit.tensors[k]) for k, t in named.items())
    said = json.loads((tmp_path / "out" / "eraser_config.json").read_text())
    assert said == {"eraser_type": "adapter", "eraser_rank": 4}


def test_an_exported_dumo_is_a_controlnet_without_its_hint(host, learnt, tmp_path):
    """diffusers' own ControlNet with these weights, and its hint at zero, says what EPR says."""
    from diffusers import ControlNetModel

    path, edit = stored(host, tmp_path, DuMo(), edit=learnt["ghost",])
    export.export(path, tmp_path / "out", "dumo")
    said = json.loads((tmp_path / "out" / "config.json").read_text())
    assert said.pop("_class_name") == "DuMo"
    said.pop("prompt_gate")
    net = ControlNetModel(**said)
    held = load_file(tmp_path / "out" / "diffusion_pytorch_model.safetensors")
    named = {name.replace("dumo_", "controlnet_"): tensor for name, tensor in held.items()}
    fits = net.load_state_dict(named, strict=False)
    assert not fits.unexpected_keys
    assert all(name.startswith("controlnet_cond_embedding.") for name in fits.missing_keys)
    g = torch.Generator().manual_seed(0)
    z, text = torch.randn(2, 4, 8, 8, generator=g), torch.randn(2, 77, 32, generator=g)
    with torch.no_grad():
        skips, middle = net(z, 300, text, torch.zeros(2, 3, 64, 64), return_dict=False)
        from dumo_bench.methods.dumo import load

        mine = load(host, edit)[0][0](z, torch.tensor([300, 300]), text)
    for theirs, own in zip([*skips, middle], mine, strict=True):
        assert torch.allclose(theirs, own, atol=1e-6)
    assert max(float(own.abs().max()) for own in mine) > 0


# what cannot be exported


def refused(path, to, form, *parts, **more):
    with pytest.raises(UserError) as said:
        export.export(path, to, form, **more)
    assert len(str(said.value).splitlines()) == 1
    for part in parts:
        assert part in str(said.value)
    assert not to.exists() or any(to.iterdir())


@pytest.mark.parametrize("form", ["unet", "partial"])
def test_dumo_does_not_go_into_a_unet(host, tmp_path, form):
    path, _ = stored(host, tmp_path, Checkpoint(), edit=dumo_edit(host, tmp_path))
    refused(path, tmp_path / "out", form, "beside the U-Net, with a gate", "--as dumo")


def dumo_edit(host, folder):
    return Checkpoint(str(published.dumo(folder / "ghost", host.unet))).fit(host, ("ghost",), seed=0)


@pytest.mark.parametrize("form", ["unet", "partial"])
def test_adapters_do_not_go_into_a_unet(host, tmp_path, form):
    edit = Checkpoint(str(published.receler(tmp_path / "receler", host.unet))).fit(host, ("ghost",), seed=0)
    path, _ = stored(host, tmp_path, Checkpoint(), edit=edit)
    refused(path, tmp_path / "out", form, "erasers beside the cross-attentions", "--as receler")


def test_a_changed_text_encoder_does_not_go_into_a_unet(host, tmp_path):
    name, own = next(iter(host.text_encoder.named_parameters()))
    path, _ = stored(host, tmp_path, fakes.Scaled(), edit=Edit({f"text.{name}": own + 1}, {}))
    refused(path, tmp_path / "out", "unet", "1 tensors of the text encoder", "dumo-bench generate")


def test_changed_weights_are_no_dumo(host, tmp_path):
    path, _ = stored(host, tmp_path, fakes.Scaled())
    refused(path, tmp_path / "out", "dumo", "of scaled, which has no EPR", "--as unet")


def test_a_scale_that_is_no_table_has_no_published_form(host, learnt, tmp_path):
    made = learnt["ghost",]
    line = {f"tlmo.0.{part}": made.tensors["tlmo.0"].clone() for part in ("weight", "bias", "heed")}
    rest = {name: tensor for name, tensor in made.tensors.items() if name != "tlmo.0"}
    path, _ = stored(host, tmp_path, DuMo(), edit=Edit({**rest, **line}, {**made.header, "tlmo": "linear"}))
    refused(path, tmp_path / "out", "dumo", "its scale is linear", "has a table")


def test_a_folder_with_something_in_it_is_left_alone(host, tmp_path):
    path, _ = stored(host, tmp_path, fakes.Scaled())
    refused(path, tmp_path / "results", "unet", "exists and is not empty")


def test_another_model_is_refused(host, tmp_path):
    path, _ = stored(host, tmp_path, fakes.Scaled())
    other = tiny.save(tmp_path / "other", seed=1)
    refused(path, tmp_path / "out", "unet", "made for another model", "--model", model=str(other))


# the commands


def test_results_with_several_edits_name_them(host, tmp_path, command):
    one, _ = stored(host, tmp_path, fakes.Scaled())
    said = command("export", tmp_path / "results", "--to", tmp_path / "out", "--as", "partial")
    assert said.code == 0 and "1 tensors: " in said.out and ".out." not in said.out
    stored(host, tmp_path, fakes.Scaled(), ("alien",))
    said = command("export", tmp_path / "results", "--to", tmp_path / "more")
    assert said.code == 2 and "holds 2 edits" in said.err and f"{one} (scaled: ghost)" in said.err
    assert "no edits in it" in command("export", tmp_path / "out", "--to", tmp_path / "more").err


def test_the_report_of_a_file_that_fits(host, command):
    said = command("checkpoint", tiny.weights(), "--model", tiny.folder())
    assert said.code == 0 and said.err == ""
    for part in (
        "diffusers' keys, cross-attention keys and values",
        "matched     32",
        "missing     0",
        "changed     32",
    ):
        assert part in said.out
    found = command("checkpoint", tiny.weights(), "--model", tiny.folder(), "--json").rows("files")
    assert found[0]["problem"] == "" and len(found[0]["change"]) == 32 and len(found[0]["sha256"]) == 64


def test_the_report_of_a_file_that_does_not_fit(tmp_path, command):
    save_file({"conv_in.bias": torch.ones(16), "conv_in.weight": torch.ones(3)}, tmp_path / "w.safetensors")
    said = command("checkpoint", tmp_path / "w.safetensors", "--model", tiny.folder())
    assert said.code == 2 and "mis-shaped  1: unet.conv_in.weight (3,)" in said.out
    assert "w.safetensors: as diffusers' keys" in said.err and len(said.err.strip().splitlines()) == 1


def test_a_run_with_a_checkpoint_makes_pictures_and_tables(tiny_suite, tmp_path, command):
    words = (
        "--method",
        "checkpoint",
        "--suite",
        tiny_suite,
        "--set",
        f"path={tiny.weights()}",
        "--out",
        tmp_path / "r",
    )
    said = command("generate", *words, "--limit", "2")
    assert said.code == 0 and "made 1 edit" in said.out
    assert command("plan", *words, "--limit", "2").out.count("0 missing") == 1


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_spm_exported_and_imported_gives_the_same_picture(host, tmp_path, strength):
    method = loading.make("methods", "spm", {"strength": strength})
    path, edit = stored(host, tmp_path, method, ("ghost", "alien"))
    assert export.export(path, tmp_path / "out", "spm")
    files = tuple(str(tmp_path / "out" / f"{name}.safetensors") for name in ("ghost", "alien"))
    method_of_import = Checkpoint(files)
    back = method_of_import.fit(host, ("ghost", "alien"), seed=0)
    assert (back.header["groups"], back.header["gate"]) == ([["ghost"], ["alien"]], "paper")
    for text in ("a photo of ghost", "a photo of dog"):
        assert torch.allclose(drawn(host, method_of_import, back, text), drawn(host, method, edit, text), atol=1e-5)


def test_an_exported_spm_is_a_lora_in_kohya_s_keys_with_its_prompts_in_the_notes(host, tmp_path):
    from safetensors import safe_open

    path, _ = stored(host, tmp_path, loading.make("methods", "spm"))
    export.export(path, tmp_path / "out", "spm")
    with safe_open(tmp_path / "out" / "ghost.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt", "prompts": "ghost", "rank": "1", "alpha": "1.0"}
        names = set(file.keys())
    flat = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
    assert len(names) == 3 * 192
    assert {f"{flat}.lora_down.weight", f"{flat}.lora_up.weight", f"{flat}.alpha"} <= names


def test_a_gate_is_not_exported_as_a_lora_and_none_not_as_an_spm(host, tmp_path):
    gated, _ = stored(host, tmp_path / "a", loading.make("methods", "spm"))
    free, _ = stored(host, tmp_path / "b", loading.make("methods", "spm", {"gate": "off"}))
    for path, form, says in ((gated, "lora", "with a gate: --as spm"), (free, "spm", "has no gate: --as lora")):
        refused(path, tmp_path / "out", form, says)


def test_membranes_without_a_gate_are_exported_as_one_lora_that_is_imported_as_their_sum(host, tmp_path):
    method = loading.make("methods", "spm", {"gate": "off"})
    path, edit = stored(host, tmp_path, method, ("ghost", "alien"))
    export.export(path, tmp_path / "out", "lora")
    made, back = imported(host, tmp_path / "out", ("ghost", "alien"))
    assert {name.partition(".")[0] for name in back.tensors} == {"unet"}
    assert torch.allclose(made, drawn(host, method, edit), atol=1e-4)


def test_stock_diffusers_loads_an_exported_lora_and_says_the_same(host, tmp_path):
    from diffusers import StableDiffusionPipeline

    from dumo_bench.kit import lora

    path, edit = stored(host, tmp_path, loading.make("methods", "modular", {"tune": ("a cat",)}))
    export.export(path, tmp_path / "out", "lora")
    pipe = StableDiffusionPipeline.from_pretrained(str(tiny.folder()), safety_checker=None)
    pipe.load_lora_weights(str(tmp_path / "out"))
    g = torch.Generator().manual_seed(0)
    asked = torch.randn(1, 4, 8, 8, generator=g), torch.tensor([500]), torch.randn(1, 77, 32, generator=g)
    with torch.no_grad():
        theirs = pipe.unet(asked[0], asked[1], encoder_hidden_states=asked[2]).sample
        with lora.attached(host.unet, lora.sets(host.unet, edit)):
            ours = host.estimate(*asked)
        assert (ours - host.estimate(*asked)).abs().max() > 1e-4
    assert torch.allclose(ours, theirs, atol=1e-5)
