"""SPM: its membranes, anchors and gate as arXiv 2312.16145 has them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import torch

from dumo_bench.baselines import esd
from dumo_bench.baselines.spm import PLAN, SPM, Step, anchors
from dumo_bench.hosts import sd
from dumo_bench.kit import lora, parameters, train
from dumo_bench.kit.gate import Gate
from dumo_bench.types import Edit


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host()


@pytest.fixture
def membrane(host) -> dict[str, lora.Pair]:
    return lora.fresh(host.unet, lora.inside_transformers(host.unet), 1, train.seeded(1))


def outer(host, membrane, **settings) -> Step:
    return Step(host, SPM(**settings).plan(host), 1.0, ["ghost"], membrane, train.seeded(2))


def lively(host, *concepts: str, gate: str = "paper") -> Edit:
    """The edit of membranes that say something."""
    edits = [SPM(steps=0, gate=gate).fit(host, [c], seed=i) for i, c in enumerate(concepts)]
    edit, g = SPM().join(edits), train.seeded(5)
    return Edit({k: t + 0.1 * torch.randn(t.shape, generator=g).to(t) for k, t in edit.tensors.items()}, edit.header)


def estimate(host, edit: Edit, text: str, **settings) -> torch.Tensor:
    z = torch.randn(1, 4, 8, 8, generator=train.seeded(0), dtype=torch.float64)
    with torch.no_grad(), SPM(**settings).apply(host, edit) as guide:
        return guide(sd.conditions(host, [text], [3.0]))(z, torch.tensor(500))


def test_without_anchors_the_first_step_is_esd_s_on_the_same_latents(host, membrane):
    """The loss is equal, and u's gradient is ESD's of the weight, times v."""
    step = outer(host, membrane, anchors=0, retain=0.0)
    rows, _ = step.lesson.rows(0, lambda given: sd.stock_guide(host, given), train.seeded(3))
    names = [f"{layer}.weight" for layer in membrane]
    student = parameters.twin(host.unet, names)
    theirs = esd.objective(host.unet, student, rows, 1.0)
    own = step.erasing(rows)
    assert torch.allclose(own, theirs, rtol=1e-12) and own > 0
    theta = dict(student.named_parameters())
    wanted = torch.autograd.grad(theirs, [theta[n] for n in names])
    found = torch.autograd.grad(own, [pair.up.weight for pair in membrane.values()])
    for pair, gradient, up in zip(membrane.values(), wanted, found, strict=True):
        assert torch.allclose(up.flatten(1), gradient.flatten(1) @ pair.down.weight.flatten(1).T, atol=1e-12)
    assert max(up.abs().max() for up in found) > 1e-6


def test_at_the_first_step_the_anchors_and_what_is_retained_ask_for_nothing(host, membrane):
    with_anchors = outer(host, membrane)(0, train.seeded(3))
    without = outer(host, membrane, anchors=0, retain=0.0)(0, train.seeded(3))
    assert torch.allclose(with_anchors, without, rtol=1e-12)


def test_an_anchor_weighs_what_the_membrane_changes_of_it(host, membrane):
    for pair in membrane.values():
        pair.up.weight.data.normal_(0, 0.1, generator=train.seeded(4))
    plain = outer(host, membrane, anchors=0, retain=0.0)(0, train.seeded(3))
    losses = [outer(host, membrane, anchoring=w, retain=0.0)(0, train.seeded(3)) for w in (1.0, 10.0)]
    one, ten = (float((loss - plain).detach()) for loss in losses)
    assert one > 1e-4 and ten == pytest.approx(10 * one)


def test_anchors_are_random_embeddings_about_as_long_as_the_concept_and_unlike_it(host):
    concept = sd.encode(host, ["ghost"])[0]
    found = anchors(concept, 200, train.seeded(0)).flatten(1)
    ratio = found.norm(dim=1) / concept.norm()
    assert 0.8 <= ratio.min() < 0.85 and 1.15 < ratio.max() <= 1.2
    cosine = torch.cosine_similarity(found, concept.flatten()[None])
    assert cosine.abs().max() < 0.1 and cosine.std() > 1e-3


def test_anchors_like_the_concept_are_accepted_as_rarely_as_they_are_like_it():
    """In one dimension a direction is the concept's, with cosine 1, or the opposite."""
    found = anchors(torch.ones(1, 1, dtype=torch.float64), 50, train.seeded(0))
    assert (found < 0).all()


def test_the_gate_opens_a_membrane_by_the_prompt_s_share_of_its_concept(host):
    edit, text = lively(host, "ghost"), "a photo of dog"
    z = torch.randn(1, 4, 8, 8, generator=train.seeded(0), dtype=torch.float64)
    given = sd.conditions(host, [text], [3.0])
    gamma = float(Gate(host, ["ghost"])(given))
    assert 0 < gamma < 1
    with torch.no_grad(), lora.attached(host.unet, lora.sets(host.unet, edit), [gamma]):
        wanted = sd.stock_guide(host, given)(z, torch.tensor(500))
    assert torch.allclose(estimate(host, edit, text), wanted, atol=1e-10)
    closed = Edit(edit.tensors, {**edit.header, "gate": "off"})
    with torch.no_grad(), lora.attached(host.unet, lora.sets(host.unet, edit)):
        whole = sd.stock_guide(host, given)(z, torch.tensor(500))
    assert torch.allclose(estimate(host, closed, text), whole, atol=1e-10)
    assert torch.allclose(estimate(host, edit, "a ghost"), estimate(host, closed, "a ghost"), atol=1e-10)


def test_the_code_s_gate_is_the_square_of_the_paper_s_for_one_membrane(host):
    paper, code = (lively(host, "ghost", gate=gate) for gate in ("paper", "code"))
    gamma = float(Gate(host, ["ghost"])(sd.conditions(host, ["a photo of dog"], [3.0])))
    assert torch.allclose(
        estimate(host, code, "a photo of dog"), estimate(host, paper, "a photo of dog", strength=gamma), atol=1e-10
    )


def test_several_concepts_have_a_membrane_and_a_gate_each_and_order_is_nothing(host):
    assert SPM().parts(host, ["ghost", "alien", "dog", "cat"]) == [("ghost",), ("alien",), ("dog",), ("cat",)]
    edit = SPM().fit(host, ["ghost", "alien"], seed=0)
    assert (edit.header["sets"], edit.header["groups"], len(edit.header["curves"])) == (2, [["ghost"], ["alien"]], 2)
    alone = SPM().fit(host, ["alien"], seed=0)
    assert all(torch.equal(t, edit.tensors[k.replace("lora.0.", "lora.1.")]) for k, t in alone.tensors.items())
    two = lively(host, "ghost", "alien")
    turned = {
        k.replace("lora.0", "lora.x").replace("lora.1", "lora.0").replace("lora.x", "lora.1"): t
        for k, t in two.tensors.items()
    }
    other = Edit(turned, {**two.header, "groups": two.header["groups"][::-1]})
    assert torch.allclose(estimate(host, two, "a ghost"), estimate(host, other, "a ghost"), atol=1e-10)


def test_an_edit_has_two_tensors_for_every_layer_of_the_transformers(host):
    edit = SPM().fit(host, ["ghost"], seed=0)
    assert len(edit.tensors) == 2 * 192
    assert {len(t) for k, t in edit.tensors.items() if k.endswith("down.weight")} == {1}


def test_the_published_numbers():
    assert (PLAN.steps, PLAN.lr, PLAN.rank, PLAN.anchors, PLAN.anchoring, PLAN.run.steps) == (
        3000,
        1e-4,
        1,
        4,
        1000,
        30,
    )
    assert (PLAN.retain, PLAN.rows, PLAN.harvest, PLAN.ema) == (0.0, 1, 0, 0.0)
    assert (SPM().eta, SPM().gate) == (1.0, "paper")
    assert SPM().plan(replace(tiny.host(), plans={})) == PLAN
