"""DuMo: what corrections add up to, behind which gate, and what they are taught: with an EPR that says something."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import torch
from torch.nn.functional import mse_loss

from dumo_bench.hosts import sd
from dumo_bench.kit import latents, train
from dumo_bench.kit.gate import Gate
from dumo_bench.methods.dumo import DuMo, load
from dumo_bench.methods.dumo_recipe import learn, objective
from dumo_bench.methods.epr import corrected, denoiser, scaled
from dumo_bench.methods.tlmo import bins
from dumo_bench.types import Conditions, Edit

T = torch.tensor(500)


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host()


@pytest.fixture(scope="module")
def edits(host) -> list[Edit]:
    """Of two concepts, every tensor moved."""
    made = [DuMo(gate=False).fit(host, (word,), seed=0) for word in ("ghost", "alien")]
    g = train.seeded(1)
    return [
        Edit({k: t + 0.05 * torch.randn(t.shape, generator=g) for k, t in e.tensors.items()}, e.header) for e in made
    ]


@pytest.fixture(scope="module")
def z() -> torch.Tensor:
    return torch.randn(2, 4, 8, 8, generator=train.seeded(0), dtype=torch.float64)


def asked(host, guidance: float = 3.0) -> Conditions:
    return sd.conditions(host, ["a ghost", "a dog"], [guidance, guidance])


def estimate(host, method: DuMo, edit: Edit, z: torch.Tensor) -> torch.Tensor:
    with torch.no_grad(), method.apply(host, edit) as guide:
        return guide(asked(host))(z, T)


@torch.no_grad()
def half(host, edits: list[Edit], z: torch.Tensor, context: torch.Tensor, gate: float = 1.0) -> torch.Tensor:
    """The estimate of one half of the guidance, by the formula: sum over concepts of m a[g(t), l] Z_l(f_l)."""
    modules = [module for edit in edits for module in load(host, edit)]
    every = [
        [gate * a * r for a, r in zip(table[bins(T)], epr(z, T[None], context), strict=True)] for epr, table in modules
    ]
    return corrected(host.unet, z, T, context, [sum(layer) for layer in zip(*every, strict=True)])


def test_the_corrections_of_joined_concepts_are_those_of_each_summed(host, edits, z):
    given, method = asked(host), DuMo(gate=False)
    free, bound = (half(host, edits, z, context) for context in (given.uncond, given.cond))
    joined = estimate(host, method, method.join(edits), z)
    assert torch.allclose(joined, free + 3.0 * (bound - free), atol=1e-10)
    assert all((joined - estimate(host, method, edit, z)).abs().max() > 1e-3 for edit in edits)


def test_a_concept_joined_with_itself_counts_twice(host, edits, z):
    twice = estimate(host, DuMo(gate=False), DuMo().join([edits[0], edits[0]]), z)
    assert torch.allclose(twice, estimate(host, DuMo(strength=2.0), edits[0], z), atol=1e-10)


@pytest.mark.parametrize(("guidance", "which"), [(0.0, "uncond"), (1.0, "cond")])
def test_a_gate_holds_for_both_halves_of_the_guidance(host, edits, z, guidance, which):
    """At guidance 0 the unconditional half is all there is, at 1 the conditional one."""
    given = asked(host, guidance)
    with torch.no_grad():
        made = denoiser(host.unet, load(host, edits[0]), [torch.full((2,), 0.7)], given)(z, T)
    assert torch.allclose(made, half(host, edits[:1], z, getattr(given, which), gate=0.7), atol=1e-6)
    assert (made - half(host, edits[:1], z, getattr(given, which))).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("text", "m"), [("a dog", 0.0), ("", 0.0), ("a ghost", 0.5), ("alien in ink style", 0.5), ("alien ghost", 1.0)]
)
def test_a_gate_counts_the_concept_s_words_and_no_start_end_or_padding(host, text, m):
    """Of a prompt whose states are at right angles to the concept's, so that the overlap is all there is."""
    given = sd.conditions(host, [text], [1.0])
    blank = replace(given, cond=torch.zeros_like(given.cond))
    assert float(Gate(host, ["ghost alien"])(blank)) == m


def test_the_objective_is_the_change_wanted_and_retain_times_what_else_has_moved(host, edits, z):
    ((epr, table),) = load(host, edits[0])
    t, said = torch.tensor([20, 700]), sd.encode(host, ["a ghost", "ghost", "a dog", "a cat"])
    erase = latents.Latents(z, t, said[:2], sd.encode(host, ["a", ""]), t)
    keep = latents.Latents(z.flip(0), t, said[2:], said[2:], t)

    def residuals(*inputs):
        return scaled(epr, table, *inputs)

    def made(rows):
        return corrected(host.unet, rows.z, rows.t, rows.context, residuals(rows.z, rows.t, rows.context))

    with torch.no_grad():
        own, anchor, stay = (
            host.unet(rows.z, t, encoder_hidden_states=context).sample
            for rows, context in ((erase, erase.context), (erase, erase.anchor), (keep, keep.context))
        )
        change, moved = mse_loss(made(erase), anchor - 0.5 * (own - anchor)), mse_loss(made(keep), stay)
        found = objective(host.unet, (erase, keep), residuals, 0.5, 3.0)
    assert moved > 1e-3
    assert float(found) == pytest.approx(float(change + 3.0 * moved), rel=1e-9)


def test_latents_to_erase_are_sampled_by_the_model_as_it_is_being_edited(host):
    """Of the two stages each samples once: with an EPR that says nothing yet, and with the one that has learnt."""
    said: list[bool] = []

    def look(module, args, kwargs):
        added = kwargs.get("down_block_additional_residuals")
        if added is not None and not torch.is_grad_enabled():
            said.append(any(bool(r.any()) for r in added))

    hook = host.unet.register_forward_pre_hook(look, with_kwargs=True)
    learn(host, DuMo(), ["ghost"], train.seeded(0))
    hook.remove()
    calls = latents.Trajectory().steps - 1  # the last level is the last step's input
    assert said == [False] * calls + [True] * calls
