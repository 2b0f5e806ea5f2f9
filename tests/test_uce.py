"""UCE: both presets move the rows they say, and change the cross-attention keys and values alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import tiny_kinds
import torch

from dumo_bench.baselines.uce import RIDGE_2025, UCE
from dumo_bench.errors import UserError
from dumo_bench.hosts import sd
from dumo_bench.kit import embeddings, linear
from dumo_bench.types import Edit

PRESETS = ("paper", "2025")
both = pytest.mark.parametrize("preset", PRESETS)


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.host("float64")


def near(one: Edit, two: Edit, atol: float = 1e-12) -> bool:
    return all(torch.allclose(t, two.tensors[k], atol=atol) for k, t in one.tensors.items())


def original(host: sd.Host) -> Edit:
    return Edit({f"unet.{n}": w for n, w in linear.weights(host.unet).items()}, {})


@both
def test_exactly_the_cross_attention_keys_and_values_change(host, preset):
    edit = UCE(preset=preset).fit(host, ["ghost"], seed=0)
    assert sorted(edit.tensors) == sorted(f"unet.{n}" for n in sd.key_value_names(host.unet))
    assert len(edit.tensors) == 32
    assert all(not torch.equal(t, original(host).tensors[k]) for k, t in edit.tensors.items())


@both
def test_the_order_of_concepts_does_not_matter(host, preset):
    one, two = (UCE(preset=preset).fit(host, erase, seed=0) for erase in (["ghost", "alien"], ["alien", "ghost"]))
    assert near(one, two)


@both
def test_nothing_to_erase_and_a_very_large_ridge_give_the_original(host, preset):
    assert near(UCE(preset=preset).fit(host, [], seed=0), original(host))
    assert near(UCE(preset=preset, ridge=1e14).fit(host, ["ghost"], seed=0), original(host), atol=1e-9)


def test_the_papers_preset_is_its_formula_layer_by_layer(host):
    edit = UCE(target="dog", preserve=("cat",), ridge=0.5).fit(host, ["ghost", "alien"], seed=0)
    old, new = embeddings.aligned(host, [("ghost", "dog"), ("alien", "dog")])
    keep = sd.encode(host, ["", "cat"]).flatten(0, 1)
    right = 0.5 * torch.eye(32, dtype=torch.float64) + old.T @ old + 0.5 * keep.T @ keep
    for name, w in linear.weights(host.unet).items():
        left = 0.5 * w + (new @ w.T).T @ old + 0.5 * (keep @ w.T).T @ keep
        assert torch.allclose(edit.tensors[f"unet.{name}"], left @ torch.linalg.inv(right), atol=1e-10)


def test_2025_is_its_formula_with_one_row_a_concept_and_nothing_preserved(host):
    edit = UCE(preset="2025").fit(host, ["a ghost"], seed=0)
    c, start = sd.encode(host, ["a ghost"])[0, 2], sd.encode(host, [""])[0, 0]
    right = RIDGE_2025 * torch.eye(32, dtype=torch.float64) + torch.outer(c, c)
    for name, w in linear.weights(host.unet).items():
        left = RIDGE_2025 * w + torch.outer(w @ start, c)
        assert torch.allclose(edit.tensors[f"unet.{name}"], left @ torch.linalg.inv(right), atol=1e-10)
    assert edit.header == {"ridge_used": RIDGE_2025, "preserved": 0}


def test_2025_changes_nothing_orthogonal_to_the_concepts_row(host):
    edit = UCE(preset="2025").fit(host, ["ghost"], seed=0)
    c, other = sd.encode(host, ["ghost"])[0, 1], torch.randn(32, generator=torch.Generator().manual_seed(0)).double()
    beside = other - (other @ c) / (c @ c) * c
    for name, w in linear.weights(host.unet).items():
        assert torch.allclose(edit.tensors[f"unet.{name}"] @ beside, w @ beside, atol=1e-12)


def test_the_paper_always_preserves_the_empty_text_and_2025_only_what_is_asked(host):
    asked = ("ghost", "dog")
    assert UCE(preserve=asked).preserved(host, ["ghost"]) == ["", "dog"]
    assert UCE(preset="2025", preserve=asked).preserved(host, ["ghost"]) == ["dog"]
    known = replace(host, world={"styles": ("noto", "ink")})
    assert UCE(**UCE.by_task["style"]).preserved(known, ["ink"]) == ["", "noto"]


def test_a_preserved_string_that_is_erased_is_left_out_in_any_case(host):
    known = replace(host, world={"styles": ("Noto", "ink")})
    assert embeddings.strings(known, ("@styles", "GHOST", "dog"), ["noto", "Ghost"]) == ["ink", "dog"]


def test_a_list_to_preserve_that_nobody_knows_is_refused_and_the_presets_own_are_empty_without_a_world(host):
    assert host.world == {} and embeddings.strings(host, (*embeddings.WORLD, "dog"), ["ghost"]) == ["dog"]
    with pytest.raises(UserError, match=r"'@syles'. Did you mean '@styles'\? Known: @objects, @styles\."):
        UCE(preserve=("@syles",)).fit(host, ["ghost"], seed=0)
    known = replace(host, world={"styles": ("noto",), "moods": ("glad",)})
    with pytest.raises(UserError, match=r"'@nmae'\. .*Known: @moods, @objects, @styles"):
        embeddings.strings(known, ("@nmae",), [])


def test_an_empty_text_asked_of_2025_keeps_the_start_rows_projection(host):
    start = sd.encode(host, [""])[0, 0]
    free, kept = (UCE(preset="2025", preserve=p, target="dog").fit(host, ["ghost"], seed=0) for p in ((), ("",)))
    off = [
        max(float((e.tensors[f"unet.{n}"] @ start - w @ start).norm()) for n, w in linear.weights(host.unet).items())
        for e in (free, kept)
    ]
    assert off[1] < off[0] / 2


def test_a_phrase_goes_to_the_bare_target_in_the_paper_and_to_its_like_in_2025():
    paper, later = (UCE(preset=p, augment="art", target="art").pairs(["ink"]) for p in PRESETS)
    assert len(paper) == len(later) == 6
    assert paper[1] == ("painting by ink", "art") and later[1] == ("painting by ink", "painting by art")
    assert UCE().pairs(["ghost"]) == [("ghost", " ")]
    assert UCE(preset="2025").pairs(["ghost"]) == [("ghost", "")]
    assert UCE(augment="object").pairs(["ghost"])[3] == ("portrait of ghost", " ")


def test_the_lists_of_the_world_stay_where_there_are_any_and_else_nothing_is_added(host):
    known = replace(host, world={"styles": ("noto",), "objects": ("dog", "ghost")})
    method = UCE(**UCE.by_task["object"])
    assert method.preserved(known, ["ghost"]) == ["", "dog", "noto"]
    assert method.preserved(host, ["ghost"]) == UCE().preserved(host, ["ghost"]) == [""]


def test_many_preserved_strings_weigh_what_the_model_s_plan_says_at_least(host):
    known = tiny.planned(host, "linear", least=0.03)
    assert [UCE().own(known, 1, n)[0] for n in (1, 4, 20, 500)] == [1.0, 0.25, 0.05, 0.03]
    assert UCE().own(host, 1, 500)[0] == 0.1  # the paper's


def test_on_flux_two_matrices_change_each_by_its_own_rows():
    """The formula with one row a text, written out: T5's before its end, and CLIP's pooled state."""
    host = tiny_kinds.host("flux")
    edit = UCE(preset="2025", target="dog", preserve=("cat",), ridge=0.5).fit(host, ["ghost"], seed=0)
    clip, t5 = host.towers

    def rows(word: str) -> tuple[torch.Tensor, torch.Tensor]:
        states = t5.encoder(t5.tokens([word], host.device)[0]).last_hidden_state[0]
        return states[len(word) - 1], clip.encoder(clip.tokens([word], host.device)[0]).pooler_output[0]

    names = ("context_embedder.weight", "time_text_embed.text_embedder.linear_1.weight")
    assert edit.tensors.keys() == {f"transformer.{name}" for name in names}
    for i, name in enumerate(names):
        w = dict(host.unet.named_parameters())[name].detach()
        c, target, keep = (rows(word)[i][:, None] for word in ("ghost", "dog", "cat"))
        stay = 0.5 * torch.eye(len(c), dtype=w.dtype) + keep @ keep.T
        wanted = (w @ stay + w @ target @ c.T) @ torch.linalg.inv(stay + c @ c.T)
        assert torch.allclose(edit.tensors[f"transformer.{name}"], wanted, atol=1e-10)


def test_on_sdxl_every_key_and_value_changes_by_both_towers_rows():
    host = tiny_kinds.host("sdxl")
    edit = UCE(preset="2025", target="dog").fit(host, ["ghost"], seed=0)
    assert sorted(edit.tensors) == sorted(f"unet.{n}" for n in sd.key_value_names(host.unet))
    own = dict(host.unet.named_parameters())
    first, second = (sd.encode(host, [word])[0, 1] for word in ("ghost", "dog"))
    for name, tensor in edit.tensors.items():
        there, to = (w @ row for w, row in ((tensor, first), (own[name[5:]], second)))
        assert (there - to).norm() < 0.2 * (own[name[5:]] @ first - to).norm()
