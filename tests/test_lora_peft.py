"""A LoRA is merged as peft and diffusers merge it, over peft's whole configuration, or refused by the field's name."""

from __future__ import annotations

import dataclasses
import json
import warnings
from copy import deepcopy

import published
import pytest
import tiny
from compared_lora import by_peft, stirred
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

from dumo_bench.errors import UserError
from dumo_bench.formats import lora_config
from dumo_bench.hosts import sd
from dumo_bench.methods.checkpoint import Checkpoint

#: what is allowed between our merged weight and peft's
BOUND = 1e-5


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.host()


def refused(host, path, *parts):
    with pytest.raises(UserError) as said:
        Checkpoint(str(path)).fit(host, ("ghost",), seed=0)
    assert len(str(said.value).splitlines()) == 1
    for part in parts:
        assert part in str(said.value)


def same_as_peft(host, network, part, folder):
    """Our edit beside peft's whole state dict: every tensor, those that no LoRA names among them."""
    edit = Checkpoint(str(folder)).fit(host, ("ghost",), seed=0)
    wanted = by_peft(network, folder)
    own = dict(network.named_parameters())
    assert {name.partition(".")[0] for name in edit.tensors} == {part}
    for name, tensor in own.items():
        ours = edit.tensors.get(f"{part}.{name}", tensor)
        theirs = wanted.get(name)
        assert theirs is not None and ours.shape == theirs.shape, name
        assert float((ours - theirs).abs().max()) < BOUND, name
    return edit


def trained(network, folder, config, seed):
    with warnings.catch_warnings(action="ignore"):
        model = stirred(get_peft_model(deepcopy(network), config), seed)
        model.save_pretrained(str(folder))
    return folder


UNET_LAYERS = ("attn2.to_k", "attn1.to_out.0", "ff.net.2", "conv1", "proj_in", "conv_shortcut", "conv_in", "linear_1")
TEXT_LAYERS = ("q_proj", "fc1", "out_proj", "token_embedding")
PATTERNS = ("to_k", "mid_block.*", ".*attn2.to_k", "down_blocks.0.*", "conv1", "fc1", "layers.1.mlp.fc1")


@st.composite
def configurations(draw, layers, *, text=False):
    """Of peft's configuration all that a saved adapter can have: 2^n of switches, patterns, targets, biases."""
    number = st.integers(1, 5)
    targets = draw(st.sets(st.sampled_from(layers), min_size=1, max_size=3))
    as_pattern = draw(st.booleans())
    embeds = "token_embedding" in targets
    dora = draw(st.booleans())
    saved = None if text else draw(st.none() | st.just(["conv_norm_out"]) | st.just(["conv_out", "time_embedding"]))
    if saved and "linear_1" in targets and "time_embedding" in saved:
        targets.add("attn2.to_k")  # what is saved whole gets no LoRA: something has to
    transform = draw(st.none() | st.just([0]) | st.just(1)) if text and not as_pattern and not embeds else None
    indices = {} if transform is None else {"layers_to_transform": transform}
    if indices and draw(st.booleans()):
        indices["layers_pattern"] = "layers"
    biased = {"attn1.to_out.0", "ff.net.2", "conv1", "proj_in", "conv_in", "linear_1", "q_proj", "fc1", "out_proj"}
    lora_bias = targets <= biased and not dora and draw(st.booleans())
    return LoraConfig(
        r=draw(number),
        lora_alpha=draw(st.sampled_from([1, 2, 5, 16])),
        rank_pattern=draw(st.dictionaries(st.sampled_from(PATTERNS), number, max_size=2)),
        alpha_pattern=draw(st.dictionaries(st.sampled_from(PATTERNS), st.integers(1, 9), max_size=2)),
        use_rslora=draw(st.booleans()),
        use_dora=dora,
        fan_in_fan_out=draw(st.booleans()),
        bias=draw(st.sampled_from(["none", "all", "lora_only"])),
        lora_bias=lora_bias,
        target_modules=rf".*({'|'.join(sorted(targets))})" if as_pattern else sorted(targets),
        exclude_modules=draw(st.none() | st.just(["mid_block.resnets.0.conv1"]) | st.just(r".*up_blocks.*to_k")),
        modules_to_save=saved,
        init_lora_weights=draw(st.sampled_from([True, False] if lora_bias else [True, False, "gaussian"])),
        lora_dropout=0.1,
        **indices,
    )


RUNS = settings(
    max_examples=20, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


@RUNS
@given(config=configurations(UNET_LAYERS), seed=st.integers(0, 99))
def test_a_peft_folder_of_a_unet_is_merged_as_peft_merges_it(host, tmp_path_factory, config, seed):
    folder = trained(host.unet, tmp_path_factory.mktemp("lora"), config, seed)
    same_as_peft(host, host.unet, "unet", folder)


@RUNS
@given(config=configurations(TEXT_LAYERS, text=True), seed=st.integers(0, 99))
def test_a_peft_folder_of_a_text_encoder_is_merged_as_peft_merges_it(host, tmp_path_factory, config, seed):
    folder = trained(host.text_encoder, tmp_path_factory.mktemp("lora"), config, seed)
    same_as_peft(host, host.text_encoder, "text", folder)


# what is read, field by field


def held(host):
    return published.lora(host.unet, "peft")


@pytest.mark.parametrize(
    ("said", "factor"),
    [
        ({"lora_alpha": 8}, 4.0),
        ({"r": 2, "lora_alpha": 8, "use_rslora": True}, 8 / 2**0.5),
        ({"lora_alpha": 8, "alpha_pattern": {"to_k|net.2": 1}}, 0.5),
        ({"lora_alpha": 8, "alpha_pattern": {"nowhere": 1}, "fan_in_fan_out": True, "lora_dropout": 0.5}, 4.0),
    ],
)
def test_the_scale_of_a_peft_folder_is_its_configurations(host, tmp_path, said, factor):
    own, wanted = dict(host.unet.named_parameters()), published.lora_merged(host.unet)
    edit = Checkpoint(str(published.peft_folder(tmp_path, held(host), **said))).fit(host, ("ghost",), seed=0)
    assert len(edit.tensors) == 32 and edit.header["imported"][0]["format"] == "LoRA of peft"
    for name, tensor in edit.tensors.items():
        base = own[name.removeprefix("unet.")]
        assert (tensor - base - factor * (wanted[name.removeprefix("unet.")] - base)).abs().max() < 1e-5


def test_the_configuration_is_part_of_the_recipe(host, tmp_path):
    keys = set()
    for alpha in (2, 8):
        folder = published.peft_folder(tmp_path / str(alpha) / "lora", held(host), lora_alpha=alpha)
        keys |= {Checkpoint(str(one)).identity()["file"] for one in (folder, folder / "adapter_model.safetensors")}
    assert len({key.rpartition(" ")[2] for key in keys}) == 2


#: every field that a merged weight cannot hold or that contradicts the tensors, with a value that is refused
REFUSED = {
    "peft_type": "LOHA",
    "init_lora_weights": "pissa_niter_4",
    "trainable_token_indices": [1, 2],
    "target_parameters": ["weight"],
    "layer_replication": [[0, 1]],
    "alora_invocation_tokens": [5],
    "use_qalora": True,
    "use_bdlora": {"nblocks": 2},
    "arrow_config": {"top_k": 1},
    "kasa_config": {"beta": 1},
    "monteclora_config": {"n": 1},
    "megatron_config": {"a": 1},
    "corda_config": {"a": 1},
    "lora_ga_config": {"a": 1},
    "loftq_config": {"loftq_bits": 4},
    "a_field_of_tomorrow": True,
    "r": 3,
    "rank_pattern": {"to_k": 7},
    "use_dora": True,
    "lora_bias": True,
    "target_modules": ["to_q"],
    "exclude_modules": ["attn2.to_k"],
    "modules_to_save": ["attn2"],
    "layers_to_transform": [7],
    "lora_alpha": "much",
    "alpha_pattern": [1],
    "use_rslora": "yes",
    "bias": "some",
    "layers_pattern": 3,
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_merged_is_refused_by_the_name_of_its_field(host, tmp_path, name):
    said = {"target_modules": ["attn2.to_k", "net.2"]} if name == "layers_to_transform" else {}
    refused(host, published.peft_folder(tmp_path, held(host), **said, **{name: REFUSED[name]}), "LoRA: ", name_of(name))


def name_of(field: str) -> str:
    """A LoRA of a layer that the configuration leaves out is told by the fields that choose layers, all together."""
    return "target_modules" if field in ("exclude_modules", "modules_to_save", "layers_to_transform") else field


def test_every_field_of_pefts_configuration_is_read_without_effect_or_refused():
    known = {*lora_config.Rules.__slots__, *lora_config.WITHOUT_EFFECT, "peft_type", "init_lora_weights"}
    assert {field.name for field in dataclasses.fields(LoraConfig)} <= known | REFUSED.keys()
    assert not lora_config.WITHOUT_EFFECT & REFUSED.keys()


def test_a_targeted_layer_without_its_tensors_is_missing(host, tmp_path):
    targets = ["attn2.to_k", "net.2", "attn2.to_v"]
    refused(
        host, published.peft_folder(tmp_path, held(host), target_modules=targets), "16 missing", "attn2.to_v.weight"
    )


def test_a_tensor_of_a_peft_folder_that_its_configuration_does_not_keep_is_refused(host, tmp_path):
    own = dict(host.unet.named_parameters())
    for name in ("conv_out.bias", "conv_out.weight"):
        more = {f"base_model.model.{name}": own[name] + 1}
        refused(host, published.peft_folder(tmp_path, {**held(host), **more}), "LoRA: ", name, "bias, modules_to_save")
    folder = published.peft_folder(tmp_path, {**held(host), **more}, modules_to_save=["conv_out"])
    edit = Checkpoint(str(folder)).fit(host, ("ghost",), seed=0)
    assert (edit.tensors["unet.conv_out.weight"] - own["conv_out.weight"] - 1).abs().max() < 1e-6


def test_pefts_keys_without_their_configuration_are_refused(host, tmp_path):
    save_file(held(host), tmp_path / "lora.safetensors")
    refused(host, tmp_path / "lora.safetensors", "peft's keys", "adapter_config.json", "beside the file")


def test_a_lora_says_its_scale_once(host, tmp_path):
    notes = {"lora_adapter_metadata": json.dumps({"unet.r": 2, "unet.lora_alpha": 1.0})}
    both = published.lora(host.unet, "diffusers", alpha=1.0)
    save_file(both, tmp_path / "both.safetensors", notes)
    refused(host, tmp_path / "both.safetensors", "alphas in the keys", "wanted one of the two")
    for style in ("diffusers", "kohya"):
        some = published.lora(host.unet, style, alpha=1.0)
        some.pop(next(name for name in some if name.endswith(".alpha")))
        save_file(some, tmp_path / "some.safetensors")
        refused(host, tmp_path / "some.safetensors", "has an alpha and", "has none")


def test_the_dora_of_a_file_in_diffusers_keys_is_that_of_peft(host, tmp_path):
    """The norms of a trained adapter in diffusers' file, whose configuration is in its notes or is told by the keys."""
    from safetensors.torch import load_file

    config = LoraConfig(r=2, lora_alpha=2, target_modules=["attn2.to_k", "conv1"], use_dora=True)
    folder = trained(host.unet, tmp_path / "peft", config, 0)
    tensors = load_file(folder / "adapter_model.safetensors")
    renamed = {f"unet.{name.removeprefix('base_model.model.')}": tensor for name, tensor in tensors.items()}
    save_file(renamed, tmp_path / "lora.safetensors")
    wanted = by_peft(host.unet, folder)
    edit = Checkpoint(str(tmp_path / "lora.safetensors")).fit(host, ("ghost",), seed=0)
    assert len(edit.tensors) == 16 + 22
    for name, tensor in edit.tensors.items():
        assert (tensor - wanted[name.removeprefix("unet.")]).abs().max() < BOUND
