"""The contracts every method keeps, on a random model of SD 1.x's topology in float64."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import torch
from torch import Tensor

from dumo_bench import plugins, sample, sd
from dumo_bench.store import Store
from dumo_bench.types import Edit, Recipe, UserError
from dumo_bench.work import facts

METHODS = plugins.names("methods")
LEARNING = [name for name in METHODS if name != "original"]
ERASE = ("ghost", "alien")
TEXTS = ("a ghost", "a photo of dog", "", "alien in noto style")


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host()


@pytest.fixture(scope="module")
def edits(host: sd.Host) -> dict[str, Edit]:
    made = {}
    for name in METHODS:
        edit = tiny.method(name).fit(host, ERASE, seed=3)
        made[name] = Edit(edit.tensors, {**edit.header, "model_hash": host.hash})
    return made


def state(host: sd.Host) -> list[Tensor]:
    return [t.clone() for part in (host.unet, host.text_encoder, host.vae) for t in part.state_dict().values()]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def latents(host: sd.Host, method, edit: Edit, jobs) -> Tensor:
    with method.apply(host, edit) as guide:
        return sample.clean(host, guide, jobs)


JOBS = [tiny.job(text, seed, guidance=1.0 + seed) for seed, text in enumerate(TEXTS)]


@pytest.mark.parametrize("name", METHODS)
def test_fit_leaves_the_host_bit_for_bit_as_it_was(host, name):
    before = state(host)
    tiny.method(name).fit(host, ("ghost",), seed=0)
    assert same(before, state(host))


@pytest.mark.parametrize("name", METHODS)
def test_leaving_apply_restores_the_host_bit_for_bit_even_after_an_error(host, edits, name):
    before = state(host)
    with pytest.raises(KeyError), tiny.method(name).apply(host, edits[name]):
        raise KeyError
    assert same(before, state(host))


@pytest.mark.parametrize("name", LEARNING)
def test_the_same_seed_gives_the_same_edit(host, edits, name):
    again = tiny.method(name).fit(host, ERASE, seed=3)
    assert again.tensors.keys() == edits[name].tensors.keys()
    assert all(torch.equal(t, again.tensors[k]) for k, t in edits[name].tensors.items())


@pytest.mark.parametrize("name", LEARNING)
def test_an_edit_changes_the_picture_it_is_for(host, edits, name):
    plain = latents(host, plugins.make("methods", "original"), Edit({}, {}), JOBS[:1])
    edited = latents(host, tiny.method(name), edits[name], JOBS[:1])
    assert (plain - edited).abs().max() > 1e-6


@pytest.mark.parametrize("name", LEARNING)
def test_strength_zero_gives_the_original(host, name):
    method = tiny.method(name, strength=0.0)
    edit = method.fit(host, ("ghost",), seed=0)
    plain = latents(host, plugins.make("methods", "original"), Edit({}, {}), JOBS)
    assert torch.allclose(plain, latents(host, method, edit, JOBS), atol=1e-10)


@pytest.mark.parametrize("name", METHODS)
def test_a_picture_does_not_depend_on_the_batch_or_its_order(host, edits, name):
    method, edit = tiny.method(name), edits[name]
    together = latents(host, method, edit, JOBS)
    backwards = latents(host, method, edit, JOBS[::-1]).flip(0)
    alone = torch.cat([latents(host, method, edit, [job]) for job in JOBS])
    assert torch.allclose(together, backwards, atol=1e-5)
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("name", LEARNING)
def test_an_edit_read_from_disk_gives_the_same_picture(host, edits, tmp_path, name):
    method, store = tiny.method(name), Store(tmp_path)
    recipe = Recipe(name, method.version, {}, ERASE, 3, host.hash)
    store.put_edit(recipe, Edit(edits[name].tensors, {**edits[name].header, **facts(host, recipe)}))
    read = store.get_edit(recipe)
    assert torch.equal(latents(host, method, edits[name], JOBS), latents(host, method, read, JOBS))


@pytest.mark.parametrize("name", LEARNING)
def test_an_edit_of_another_model_is_refused(host, edits, name):
    foreign = Edit(edits[name].tensors, {**edits[name].header, "model_hash": "0" * 64})
    with (
        pytest.raises(UserError, match="made for a model with hash"),
        tiny.method(name).apply(host, foreign),
    ):
        pass


@pytest.mark.parametrize("name", METHODS)
def test_a_method_says_what_it_is(name):
    method = tiny.method(name)
    assert method.name == name
    assert method.version and method.cite and method.needs <= {"unet", "mmdit", "images", "masks"}
    assert replace(method) == method
