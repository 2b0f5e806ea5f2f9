"""Protocol C: a sequence of one is the plain fit, and what is kept apart adds up."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest
import tiny
import torch

from dumo_bench.analysis import sequences
from dumo_bench.errors import UserError
from dumo_bench.hosts import sample, sd
from dumo_bench.kit import lora, train
from dumo_bench.kit.gate import Route
from dumo_bench.plugins import loading
from dumo_bench.run import jobs, work
from dumo_bench.storage.store import Store
from dumo_bench.suites import registry
from dumo_bench.types import Edit

TWO = ("ghost", "alien")


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host()


def method(of: str, **settings):
    return loading.make("methods", "sequence", {"of": of, **settings})


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(t, b[k]) for k, t in a.items())


def drawn(host, one, edit) -> torch.Tensor:
    with one.apply(host, edit) as guide:
        return sample.clean(host, guide, [tiny.job("a ghost", 0, guidance=3.0, steps=2)])


@pytest.mark.parametrize("of", ["uce", "modular"])
def test_a_sequence_of_one_is_the_plain_fit(host, of):
    made = method(of)
    plain = made.inner.fit(host, TWO[:1], seed=0)
    found = made.fit(host, TWO[:1], seed=0)
    assert same(plain.tensors, found.tensors)
    assert torch.equal(drawn(host, made.inner, plain), drawn(host, made, found))


def test_half_a_sequence_is_taken_of_the_whole_one(host, tmp_path):
    weak, store = method("uce", strength=0.5), Store(tmp_path)
    recipe = jobs.recipe(weak, TWO[:1], fit_seed=0, model=host.hash)
    work.fit(host, weak, recipe, store)
    whole = jobs.recipe(method("uce"), TWO[:1], fit_seed=0, model=host.hash)
    assert store.has_edit(whole) and same(store.get_edit(recipe).tensors, store.get_edit(whole).tensors)
    assert not torch.equal(*(drawn(host, one, store.get_edit(recipe)) for one in (weak, method("uce"))))


def test_all_strengths_of_a_sequence_are_of_the_same_stages(host):
    assert method("uce", strength=0.5).base(TWO) == method("uce").base(TWO)
    assert method("uce", strength=0.5).base(TWO[:1]) == method("uce").base(TWO[:1])


def test_the_next_is_fitted_on_what_the_one_before_left(host):
    made = method("uce")
    first = made.fit(host, TWO[:1], seed=0)
    both = made.fit(host, TWO, seed=0)
    with made.inner.apply(host, first):
        second = made.inner.fit(host, TWO[1:], seed=0)
    assert same(both.tensors, {**first.tensors, **second.tensors})
    assert not same(both.tensors, made.fit(host, TWO[::-1], seed=0).tensors)


def test_a_sum_of_adapters_has_each_as_it_is_alone_and_a_chain_has_not(host):
    alone = [method("modular").inner.fit(host, [c], seed=0) for c in TWO]
    both = method("modular", combine="sum").fit(host, TWO, seed=0)
    second = {k.replace("lora.0.", "lora.1."): t for k, t in alone[1].tensors.items()}
    assert same(both.tensors, {**alone[0].tensors, **second}) and both.header["sets"] == 2
    chain = method("modular").fit(host, TWO, seed=0)
    assert not same(chain.tensors, both.tensors)
    assert same({k: chain.tensors[k] for k in alone[0].tensors}, alone[0].tensors)
    with lora.attached(host.unet, lora.sets(host.unet, alone[0])):
        on_top = method("modular").inner.fit(host, TWO[1:], seed=0)
    assert same({k.replace("lora.0.", "lora.1."): t for k, t in on_top.tensors.items()}, own(chain, 1))


def own(edit: Edit, i: int) -> dict[str, torch.Tensor]:
    return {k: t for k, t in edit.tensors.items() if k.startswith(f"lora.{i}.")}


@pytest.mark.parametrize("of", ["modular", "spm"])
def test_a_penalty_of_no_weight_is_the_sum_and_a_heavy_one_turns_adapters_apart(host, of):
    summed = method(of, combine="sum").fit(host, TWO, seed=0)
    assert same(summed.tensors, method(of, combine="orthogonal", apart=0.0).fit(host, TWO, seed=0).tensors)
    heavy = method(of, combine="orthogonal", apart=1e6).fit(host, TWO, seed=0)

    def between(edit: Edit) -> float:
        one, two = lora.sets(host.unet, edit)
        return float(lora.overlap(two, [one]))

    assert between(heavy) < between(summed)


def test_orthogonal_rows_do_not_overlap_and_equal_ones_do(host):
    layers = lora.cross_attentions(host.unet, ("to_q",))
    one, two = (lora.fresh(host.unet, layers, 2, train.seeded(i)) for i in range(2))
    with torch.no_grad():
        for name in layers:
            basis = torch.linalg.qr(torch.randn(one[name].weights[0].shape[1], 4, dtype=torch.float64)).Q.T
            one[name].weights[0].copy_(basis[:2])
            two[name].weights[0].copy_(basis[2:])
    assert float(lora.overlap(two, [one]).detach()) == pytest.approx(0, abs=1e-12)
    assert float(lora.overlap(one, [one], 3.0).detach()) == pytest.approx(3 / 2)  # the mean of a 2 x 2 unit matrix
    assert float(lora.overlap(two, [])) == 0


def test_weights_of_a_route_are_a_unit_vector_and_largest_for_the_concept_that_is_named(host):
    given = sd.conditions(host, ["a ghost", "alien", ""], [1.0] * 3)
    found = torch.stack(Route(host, [["ghost"], ["alien"]])(given))
    assert torch.allclose(found[:, :2].norm(dim=0), torch.ones(2, dtype=torch.float64))
    assert found[0, 0] > found[1, 0] and found[1, 1] > found[0, 1]
    assert torch.equal(found[:, 2], torch.zeros(2, dtype=torch.float64))  # no token, no adapter
    [alone] = Route(host, [["ghost"]])(given)
    assert torch.allclose(alone[:2], torch.ones(2, dtype=torch.float64))


def test_a_route_of_one_is_the_adapter_and_of_two_equals_is_its_root_of_two(host):
    made = method("modular", combine="route")
    edit = made.fit(host, TWO[:1], seed=0)
    assert torch.allclose(drawn(host, made, edit), drawn(host, method("modular"), edit), atol=1e-10)
    twice = lora.joined(edit, edit)
    scaled = replace(method("modular"), strength=2**0.5).over(made.inner)
    assert torch.allclose(drawn(host, made, twice), drawn(host, scaled, edit), atol=1e-8)  # two of weight 1 / sqrt 2


def test_what_cannot_be_combined_is_refused(host):
    with pytest.raises(UserError, match="uce has none"):
        method("uce", combine="sum").fit(host, TWO, seed=0)
    with pytest.raises(UserError, match="adds modules"):
        method("receler").fit(host, TWO, seed=0)


def scored(method: str, erase, values, **about) -> list[dict]:
    """Rows of the scores of a stage: concept -> the values of its pictures, a prompt each."""
    what = {"suite": "s", "case": "+".join(erase), "method": method, "fit_seed": 0, "draw": 0}
    what |= {"suite_version": 1, "method_version": "1", "model": "m", "sampling": "f32", **about}
    what["params"] = json.dumps({"base": "+".join(erase[:-1])})  # each stage is on another edit
    said = {"erase": json.dumps(list(erase)), "metric": "judge.object"}
    return [
        {**what, **said, "concept": concept, "prompt_id": f"{concept} {n}", "seed": n, "value": value}
        for concept, every in values.items()
        for n, value in enumerate(every)
    ]


def test_relapse_is_what_is_there_at_the_end_and_was_not_right_after():
    stages = {
        (): {"a": [1, 1, 1, 1], "b": [1, 1, 1, 1], "dog": [1, 1, 1, 0]},
        ("a",): {"a": [0, 0, 0, 1], "b": [1, 1, 1, 0], "dog": [1, 1, 1, 0]},
        ("a", "b"): {"a": [1, 0, 1, 1], "b": [0, 0, 0, 0], "dog": [1, 0, 0, 0]},
    }
    rows = [row for erase, of in stages.items() for row in scored("uce" if erase else "original", erase, of)]
    [found] = sequences.read(pd.DataFrame(rows), "judge.object")
    first, second = found.fates
    assert (first.left.value, first.end.value, first.relapse.value, first.waiting) == (0.25, 0.75, 0.5, None)
    assert second.relapse.value == 0 and second.waiting is not None and second.waiting.value == -0.25
    assert found.others is not None and found.others.value == -0.5
    assert first.relapse is not None and first.relapse.low is not None and first.relapse.low < 0.5 < first.relapse.high
    assert [row["concept"] for row in sequences.rows([found])] == ["a", "b", "all others"]


def test_a_sequence_lacks_no_stage_and_has_no_continuation():
    every = [("a",), ("a", "b"), ("a", "b", "c"), ("b",), ("b", "a"), ("c", "a"), ("d",)]
    assert list(sequences.ends(every)) == [("a", "b", "c"), ("b", "a")]


@pytest.mark.parametrize("apart", [{"sampling": "f16"}, {"suite_version": 2}, {"model": "n"}, {"method_version": "2"}])
def test_a_stage_under_another_contract_version_or_model_is_of_another_sequence(apart):
    """Nothing is left under the first; under the second only the last stage was scored, and shows both."""
    gone, back = {"a": [0, 0], "b": [0, 0]}, {"a": [1, 1], "b": [1, 1]}
    rows = [*scored("original", (), back), *scored("uce", ("a",), gone), *scored("uce", ("a", "b"), gone)]
    rows += scored("uce", ("a", "b"), back, **apart)
    rows += scored("original", (), gone, **apart) if "method_version" not in apart else []
    [found] = sequences.read(pd.DataFrame(rows), "judge.object")
    assert [(fate.before.value, fate.end.value, fate.relapse.value) for fate in found.fates] == [(1, 0, 0)] * 2


def test_a_concept_that_is_not_measured_at_the_end_has_its_row(command):
    stages = {("a",): {"a": [0, 1], "b": [1, 1]}, ("a", "b"): {"a": [None, None], "b": [0, 0]}}
    rows = [row for erase, of in stages.items() for row in scored("uce", erase, of)]
    first, second = sequences.rows(sequences.read(pd.DataFrame(rows), "judge.object"))
    assert (first["concept"], first["left"], first["end"], first["relapse"], first["n"]) == ("a", 0.5, None, None, 0)
    assert (second["before"], second["left"], second["end"]) == (None, 0.0, 0.0)


def test_sequences_of_two_settings_are_told_apart(capsys):
    from dumo_bench.cli import curves

    ridges = [{"of": "uce", "of_set": [f"ridge={ridge}"], "show": "of"} for ridge in (5, 9)]
    rows = []
    for params in ridges:
        for erase in (("a",), ("a", "b")):
            rows += [{**row, "params": json.dumps(params)} for row in scored("sequence", erase, {"a": [0], "b": [0]})]
    curves.sequences(sequences.rows(sequences.read(pd.DataFrame(rows), "judge.object")))
    heads = [line for line in capsys.readouterr().out.splitlines() if line.startswith("s, sequence")]
    assert len(heads) == len(set(heads)) == 2 and "ridge=5" in heads[0]


def test_what_is_scored_of_an_unfinished_sequence_is_said():
    rows = [*scored("original", (), {"a": [1]}), *scored("uce", ("a",), {"a": [0]})]
    assert sequences.read(pd.DataFrame(rows), "judge.object") == []
    assert sequences.scored(pd.DataFrame(rows), "judge.object") == ["uce: a"]


def test_every_concept_of_the_suite_stands_at_every_place_once():
    suite = registry.load("emoji-sequence")
    orders = list(sequences.ends([case.erase for case in suite.cases]))
    assert len(orders) == 5 and all(len(order) == 5 for order in orders)
    assert all(len({order[place] for order in orders}) == 5 for place in range(5))
    asked = {prompt.concept for prompt in suite.prompts}
    assert set(orders[0]) < asked and len(asked) == 10
