"""EraseAnything: its terms, the two ways its latents are come by, and a LoRA that stock diffusers loads."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import tiny
import tiny_kinds
import torch

from dumo_bench.baselines.eraseanything import EraseAnything, Plan, Step, layers, renamed
from dumo_bench.formats import export
from dumo_bench.hosts import flux, sample, sd
from dumo_bench.kit import attention, latents, lora, train
from dumo_bench.run.work import facts
from dumo_bench.storage.store import Store
from dumo_bench.types import Edit, Recipe

QUICK = {"steps": 3, "rows": 2, "pictures": 2, "run": {"steps": 3, "side": 1}}


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return replace(tiny_kinds.host("flux"), plans={"eraseanything": QUICK})


def step(host: sd.Host, **own) -> Step:
    method = EraseAnything(**own)
    return Step(method, host, method.plan(host), "ghost", train.seeded(0))


def test_the_map_is_the_attention_that_the_model_itself_pays(host):
    """Map times values is what the last double block hands to its output layer."""
    attn = host.unet.transformer_blocks[-1].attn
    seen: dict[str, torch.Tensor] = {}

    def values(module, args, kwargs):
        text, hidden = kwargs["encoder_hidden_states"], kwargs["hidden_states"]
        seen["v"] = torch.cat([attn.add_v_proj(text), attn.to_v(hidden)], 1).unflatten(-1, (attn.heads, -1))

    handles = [
        attn.register_forward_pre_hook(values, with_kwargs=True),
        attn.to_out[0].register_forward_pre_hook(lambda module, args: seen.update(out=args[0])),
    ]
    z, context = torch.randn(2, 4, 8, 8, dtype=torch.float64), sd.encode(host, ["a ghost", "a dog"])
    with attention.watched_joint(host.unet) as maps:
        host.estimate(z, torch.tensor([500.0, 100.0], dtype=torch.float64), context)
    for handle in handles:
        handle.remove()
    ours = (maps["last"] @ seen["v"].transpose(1, 2)).transpose(1, 2).flatten(2)
    assert torch.allclose(ours[:, context.shape[1] - 1 :], seen["out"], atol=1e-6)
    assert torch.allclose(maps["last"].sum(-1), torch.ones(1, dtype=torch.float64))


def test_it_trains_the_text_s_queries_and_keys_of_double_blocks_alone(host):
    names = layers(host.unet)
    assert len(names) == 2 * 2 and all(".attn.add_" in name for name in names)
    edit = EraseAnything().fit(host, ("ghost",), seed=0)
    assert edit.tensors.keys() == {f"lora.0.{name}.{side}.weight" for name in names for side in ("down", "up")}
    assert {t.shape[0] for name, t in edit.tensors.items() if ".down." in name} == {8}
    assert all(t.abs().max() > 0 for t in edit.tensors.values())


def test_before_the_first_step_the_esd_term_is_four_times_the_distance_to_the_neutral_prompt(host):
    """|v_p - (v_b - (v_p - v_b))|^2 = (1 + eta)^2 |v_p - v_b|^2, and as (1 + eta) times its gradient at eta 0."""
    one = step(host)
    one.t = torch.tensor([600.0, 200.0], dtype=torch.float64)
    z = torch.randn(2, 4, 8, 8, dtype=torch.float64)
    texts = ["a photo of ghost", "ghost in ink style"]
    v_p, v_b = (host.estimate(z, one.t, sd.encode(host, said)) for said in (texts, ["a photo of", "ghost"]))
    v_b = host.estimate(z, one.t, sd.encode(host, [train.without(text, ["ghost"]) for text in texts]))
    assert float(one.erase(z, texts)) == pytest.approx(4 * float((v_p - v_b).square().mean()))


def test_the_attention_term_is_the_heads_norm_at_the_concept_s_tokens(host):
    one = step(host)
    one.t = torch.tensor([500.0], dtype=torch.float64)
    x_t, texts = torch.randn(1, 4, 8, 8, dtype=torch.float64), ["a ghost"]
    at = one.tokens(texts)
    with attention.watched_joint(host.unet) as maps:
        host.estimate(x_t, one.t, sd.encode(host, texts))
    columns = at[0].nonzero()[:, 0]
    wanted = sum(float(maps["last"][0, :, q, k].norm()) for q in range(maps["last"].shape[2]) for k in columns)
    assert float(one.attended(x_t, texts, at)) == pytest.approx(wanted)
    assert not one.tokens(["a kirk"])[0, 10:].any()


def test_the_contrast_is_never_above_zero_and_least_where_the_concept_looks_unlike_its_synonym(host):
    one = step(host)
    one.t = torch.tensor([500.0, 500.0], dtype=torch.float64)
    texts, x_t = ["a ghost", "ghost in ink"], torch.randn(2, 4, 8, 8, dtype=torch.float64)
    assert float(one.contrast(x_t, texts, one.tokens(texts))) < 0


def test_a_prompt_keeps_its_words_in_some_order_and_the_synonym_takes_the_concept_s_place():
    assert renamed("a big Santa in the claus snow", "santa claus", "elf") == "a big elf in the snow"
    one = step(tiny_kinds.host("flux"))
    said = [one.shuffled("a photo of ghost", train.seeded(seed)) for seed in range(60)]
    assert all(sorted(first.split()) == sorted(["a", "photo", "of", "ghost"]) for first, _ in said)
    assert len({first for first, _ in said}) > 10
    assert 10 < sum("spectre" in second for _, second in said) < 50


def test_the_paper_s_latents_stand_at_the_level_that_is_asked_and_the_released_ones_are_noise(host):
    run = Plan().run
    for seed in range(3):
        z, t = step(host).standing(["a ghost"], train.seeded(seed))
        again = latents.stopped(
            host, partial(sd.stock_guide, host), ["a ghost"], [""], replace(run, steps=3, side=1), train.seeded(seed)
        )
        assert torch.equal(z, again.z) and torch.equal(t, again.t.to(t))
    levels = sample.scheduler(host, "flow-euler", 3).timesteps.tolist()
    assert float(t[0]) in [pytest.approx(level) for level in levels]
    z, t = step(host, latents="released").standing(["a ghost"] * 2, train.seeded(5))
    assert torch.equal(z, torch.randn(2, 4, 8, 8, generator=train.seeded(5)).to(z))
    assert t.unique().numel() == 2 and float(t.min()) > 0 and float(t.max()) < 1000


def test_a_fit_that_was_stopped_before_a_preserve_step_takes_over_the_level_of_the_erase_step(host):
    first, second = step(host), step(host)
    first.t = torch.tensor([321.0, 12.0], dtype=torch.float64)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.t, second.t)


def test_stock_diffusers_loads_the_exported_lora_and_predicts_the_same(tmp_path):
    from diffusers import FluxPipeline

    host = replace(tiny_kinds.host("flux", "float32"), plans={"eraseanything": {**QUICK, "lr": 0.1}})
    method = EraseAnything()
    ghost, cat = (method.fit(host, (word,), seed=0) for word in ("ghost", "cat"))
    made = method.join([ghost, cat])
    recipe = Recipe("eraseanything", "1", {"strength": 1.0}, ("ghost", "cat"), 0, host.hash)
    path = Store(tmp_path / "results").put_edit(recipe, Edit(made.tensors, {**made.header, **facts(host, recipe)}))
    export.export(path, tmp_path / "lora", "lora")
    pipe = FluxPipeline.from_pretrained(tiny_kinds.folder("flux"))
    pipe.load_lora_weights(tmp_path / "lora")
    z, context = torch.randn(2, 4, 8, 8), sd.encode(host, ["a ghost", "a cat"])
    t = torch.tensor([700.0, 300.0])
    with torch.no_grad(), lora.attached(host.unet, lora.sets(host.unet, made)):
        ours = host.estimate(z, t, context)
    plain = host.estimate(z, t, context)
    with torch.no_grad():
        theirs = pipe.transformer(
            hidden_states=flux.packed(z), encoder_hidden_states=context[:, :-1],
            pooled_projections=context[:, -1, : tiny_kinds.POOLED], timestep=t / 1000, img_ids=flux.places(z),
            txt_ids=torch.zeros(context.shape[1] - 1, 3), return_dict=False,
        )[0]  # fmt: skip
    assert torch.allclose(flux.unpacked(theirs, (8, 8)), ours, atol=1e-4)
    assert (ours - plain).abs().max() > 1e-3


def test_it_is_n_a_on_a_u_net(command, tiny_suite, tmp_path):
    said = command("plan", "-m", "eraseanything", "-s", tiny_suite, "-o", tmp_path / "out")
    assert said.code == 2 and "eraseanything knows FLUX, tiny is Stable Diffusion 1.x/2.x" in said.err
    assert tiny.folder().name == "tiny"
