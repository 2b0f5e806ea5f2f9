"""SCE: what the reconstruction says, its first term beside SDD's loss, and that every table says what it is."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
import tiny
import torch

from dumo_bench.baselines import sce, sdd
from dumo_bench.baselines.sce import PLANS, SCE, Towards
from dumo_bench.errors import UserError
from dumo_bench.hosts import sd
from dumo_bench.kit import latents, parameters, train
from dumo_bench.kit.latents import Latents
from dumo_bench.plugins import static
from dumo_bench.report.variants import VARIANT, variants
from dumo_bench.run import jobs
from dumo_bench.types import canonical


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host()


@pytest.fixture(scope="module")
def empty(host) -> torch.Tensor:
    return sd.encode(host, [""])


@pytest.fixture(scope="module")
def student(host):
    """A student that is no longer the model."""
    names = parameters.SELECTIONS["attn2"](host.unet)
    made = parameters.twin(host.unet, names)
    for name in names:
        dict(made.named_parameters())[name].data.mul_(1.5)
    return made


def rows(host, other: str = "") -> Latents:
    z = torch.randn(2, 4, 8, 8, generator=train.seeded(0), dtype=torch.float64)
    texts = ["a photo of ghost"] * 2
    context, anchor = sd.encode(host, texts), sd.encode(host, [other] * 2)
    return Latents(z, torch.tensor([10, 700]), context, anchor, sd.tokens(host, texts)[0])


def test_with_an_empty_alternative_the_first_term_is_sdd_s_loss_in_value_and_not_in_gradient(host, student, empty):
    free = [p for p in student.parameters() if p.requires_grad]
    these = rows(host)
    first, _ = sce.terms(host.unet, student, these, empty)
    other = sdd.objective(student, these)
    assert torch.allclose(first, other, rtol=1e-9)
    own, theirs = (torch.cat([g.flatten() for g in torch.autograd.grad(loss, free)]) for loss in (first, other))
    assert torch.nn.functional.cosine_similarity(own, theirs, dim=0) < 0.9


def test_the_terms_are_the_formula(host, student, empty):
    these, none = rows(host, "a photo of dog"), empty.expand(2, -1, -1)
    e_c, e_u = (latents.estimate(student, these.z, these.t, c) for c in (these.context, none))
    e_r, e_0 = (latents.estimate(host.unet, these.z, these.t, c) for c in (these.anchor, none))
    guidance, free = sce.terms(host.unet, student, these, empty)
    assert torch.allclose(guidance, ((e_c - e_u) - (e_r - e_0)).square().mean())
    assert torch.allclose(free, (e_u - e_0).square().mean()) and bool(free > 0)


def test_a_concept_that_is_its_own_alternative_has_no_loss_before_the_first_step(host, empty):
    guidance, free = sce.terms(host.unet, host.unet, rows(host, "a photo of ghost"), empty)
    assert float(guidance) == float(free) == 0.0


def test_the_unconditional_estimate_is_held_by_its_weight(host, empty):
    def left(kept: float) -> float:
        own = tiny.planned(host, "sce", steps=12, retain=0.0, lr=3e-3)
        made = SCE(kept=kept).fit(own, ["ghost"], seed=0).tensors
        student = parameters.twin(host.unet, [n.removeprefix("unet.") for n in made])
        for name, tensor in made.items():
            dict(student.named_parameters())[name.removeprefix("unet.")].data.copy_(tensor)
        with torch.no_grad():
            return float(sce.terms(host.unet, student, rows(host), empty)[1])

    assert left(100.0) < 0.5 * left(0.0)


def test_an_alternative_stands_in_its_concept_s_place_and_without_one_nothing_does(host):
    plan = replace(PLANS["ours"], steps=1)
    said = Towards(host, plan, {"ghost": "dog", "alien": ""}, train.seeded(0)).anchor
    assert said("a photo of ghost") == "a photo of dog" and said("ghost") == "dog"
    assert said("a picture of alien at night") == "a picture of at night" and said("alien") == ""


def test_alternatives_are_one_for_all_or_one_each(host):
    made = SCE(alternative=("dog",)).fit(host, ["ghost", "alien"], seed=0)
    assert made.header["alternatives"] == {"ghost": "dog", "alien": "dog"}
    with pytest.raises(UserError, match="sce: 2 alternatives for 1 concepts: wanted one for all, or one each"):
        SCE(alternative=("dog", "cat")).fit(host, ["ghost"], seed=0)


def test_every_table_and_the_list_say_that_it_is_a_reconstruction():
    params = canonical(jobs.recipe(SCE(), ["ghost"], fit_seed=0, model="").params)
    row = dict(zip(VARIANT, ("sce", "1", params, 0, "m", "s"), strict=True))
    labels = [str(label) for label in variants(pd.DataFrame([row])).values()]
    assert labels == ["sce (reconstructed=from the abstract)"]
    assert "reconstructed from its abstract" in static.about("dumo_bench.baselines.sce:SCE")
    assert "reconstructed" in SCE.cite
