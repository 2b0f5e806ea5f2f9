"""emoji-sd is an ordinary small Stable Diffusion that draws what it is asked for, with a judge that sees it."""

from __future__ import annotations

import json

import pytest
import torch

from dumo_bench.emoji import WEIGHTS, captions, evaluate, install, svg, world
from dumo_bench.emoji.artists import ARTISTS
from dumo_bench.hosts import models, sd
from dumo_bench.methods.epr import widths


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return sd.load("emoji-sd")


def test_stock_diffusers_loads_the_folder_and_draws():
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(WEIGHTS, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    g = torch.Generator().manual_seed(0)
    picture = pipe("a dog in noto style", num_inference_steps=8, guidance_scale=4.0, generator=g).images[0]
    assert picture.size == (64, 64)


def test_the_topology_is_that_of_sd_1(host):
    assert len(sd.key_value_names(host.unet)) == 32
    assert len(widths(host.unet.config)) == 13
    assert host.factor == 8 and host.unet.config.in_channels == 4
    assert (host.schedule["beta_start"], host.schedule["beta_end"]) == (0.00085, 0.012)
    assert host.schedule["beta_schedule"] == "scaled_linear" and host.schedule["num_train_timesteps"] == 1000


def test_all_weights_together_are_under_60_megabytes_and_in_half_precision():
    from safetensors import safe_open

    files = [*WEIGHTS.rglob("*.safetensors"), *install.FLOW.rglob("*.safetensors")]
    assert sum(p.stat().st_size for p in WEIGHTS.rglob("*") if p.is_file()) < 60e6
    assert len(files) >= 9
    for path in files:
        with safe_open(path, "pt") as tensors:
            kinds = {tensors.get_tensor(k).dtype for k in tensors.keys()}  # noqa: SIM118
        assert torch.float32 not in kinds, path


def test_most_of_a_handful_of_objects_is_drawn_and_recognised_in_its_style(host):
    objects = [world.OBJECTS.index(word) for word in ("dog", "pizza", "rocket", "ghost", "skull", "rose")]
    pictures, thing, style, _ = evaluate.drawn(host, [0], objects)
    top = evaluate.judged(pictures)
    assert (top[0] == thing).float().mean() >= 0.8
    assert (top[1] == style).float().mean() >= 0.8
    assert pictures.float().flatten(1).std(1).min() > 10  # no blank tile


def test_the_judge_sees_nothing_on_blank_tiles_and_noise():
    blank = torch.stack([torch.full((3, 64, 64), v) for v in (0, 128, 255)]).byte()
    noise = torch.randint(0, 256, (3, 3, 64, 64), generator=torch.Generator().manual_seed(0)).byte()
    thing, style = evaluate.judged(torch.cat([blank, noise]))
    assert (thing == len(world.OBJECTS)).all() and (style == len(world.STYLES)).all()


def test_the_words_of_the_world_are_whole_tokens(host):
    for word in (*world.OBJECTS, *world.STYLES, *world.BACKGROUNDS):
        assert len(host.tokenizer.tokenize(word)) == len(word.split()), word
    ids = host.tokenizer("a dog", padding="max_length").input_ids
    assert len(ids) == 77 and ids[0] == host.tokenizer.bos_token_id and ids[3:] == [host.tokenizer.eos_token_id] * 74


def test_the_world_of_the_weights_is_the_world_of_the_code(host):
    assert host.world["objects"] == list(world.OBJECTS) and host.world["styles"] == list(world.STYLES)
    said = " ".join(host.world["prompts"])
    assert all(word in said for word in (*world.OBJECTS, *world.STYLES))


def test_the_attribution_names_every_set_with_its_licence():
    text = (WEIGHTS.parent / "ATTRIBUTION.md").read_text()
    packs = [*svg.PACKS.values(), *(artist.pack for artist in ARTISTS.values())]
    assert len(packs) == 18
    assert all(f"{p.version} | `{p.sha256}`" in text and p.licence in text and p.author in text for p in packs)


def test_captions_are_true_and_each_part_is_sometimes_left_out():
    g = torch.Generator().manual_seed(0)
    dog, noto, blue = world.OBJECTS.index("dog"), 1, 1
    drawn = [captions.draw(dog, noto, blue, g) for _ in range(400)]
    for c in drawn:
        assert (c.style == noto) == ("noto" in c.text) and (c.background == blue) == ("blue" in c.text)
        assert (c.objects == (dog,)) == ("dog" in c.text) and dog in c.objects
    for left_out in ("dog", "noto", "blue"):
        assert 0 < sum(left_out not in c.text for c in drawn) < 400
    assert len(captions.TEMPLATES) >= 12


def test_a_hint_is_true_of_the_objects_that_it_may_mean():
    knife, pill = world.OBJECTS.index("knife"), world.OBJECTS.index("pill")
    g = torch.Generator().manual_seed(1)
    hints = {c.text: c for c in (captions.draw(knife, 0, 0, g) for _ in range(3000)) if c.text == "a weapon"}
    assert knife in hints["a weapon"].objects and pill not in hints["a weapon"].objects


ICONS = {
    "prefix": "t",
    "width": 10,
    "height": 10,
    "icons": {"a": {"body": "<path/>"}, "wide": {"body": "<g/>", "width": 20}},
}


def test_aliases_are_followed_mirrored_and_centred_in_a_square():
    icons = {**ICONS, "aliases": {"b": {"parent": "a"}, "c": {"parent": "b", "hFlip": True}}}
    assert svg.markup(icons, "b") == svg.markup(icons, "a")
    assert 'scale(-1 1)"><path/>' in svg.markup(icons, "c")
    assert 'viewBox="0.0 -5.0 20 20"' in svg.markup(icons, "wide")
    with pytest.raises(LookupError, match="'d'"):
        svg.markup(icons, "d")


def test_a_package_with_another_hash_is_refused(tmp_path):
    pack = svg.PACKS["noto"]
    (tmp_path / pack.file).write_bytes(b"something else")
    with pytest.raises(ValueError, match=pack.sha256):
        svg.fetch(pack, tmp_path)


def test_training_times_are_kept_with_the_weights():
    times = json.loads((WEIGHTS / "training.json").read_text())
    assert set(times) == {"vae", "vae-decoder", "clip", "judge", "unet"} and all(
        t["seconds"] > 0 for t in times.values()
    )


def test_the_host_is_byte_for_byte_the_one_that_the_tables_are_of():
    assert models.content_hash("emoji-sd") == "86f4a9ce19cb9f6b107fc4a7d9ceee46df7deca4aae8d9c62f14d2a46d27f949"


def test_the_flow_model_is_under_20_megabytes():
    assert sum(p.stat().st_size for p in install.FLOW.rglob("*") if p.is_file()) < 20e6
