"""The contracts every method keeps, on emoji-sd and on random models of each kind that it knows, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import tiny
import tiny_kinds
import torch
from torch import Tensor

from dumo_bench.errors import UserError
from dumo_bench.hosts import flows, kinds, kv_cache, models, sample, sd
from dumo_bench.interfaces import Method
from dumo_bench.plugins import loading
from dumo_bench.run import whole
from dumo_bench.run.work import facts
from dumo_bench.storage.store import Store
from dumo_bench.types import Edit, Job, Recipe

METHODS = [name for name in loading.names("methods") if name != "pictures"]  # which draws none itself
HOSTS = {"tiny": "sd", "emoji-sd": "sd", **{name: tiny_kinds.KIND[name] for name in tiny_kinds.MAKE}}
LACKS = {"flux-dev": {"negative"}}
TEXTS = ("a ghost", "a photo of dog", "", "alien in noto style")


def known(names: Sequence[str] = METHODS) -> list[tuple[str, str]]:
    """Hosts, each with the methods of these that know its kind."""
    classes = {name: loading.load("methods", name) for name in names}
    every = [(host, kind, name, cls) for host, kind in HOSTS.items() for name, cls in classes.items()]
    fit = [(host, name, cls) for host, kind, name, cls in every if not cls.kinds or kind in cls.kinds]
    return [(host, name) for host, name, cls in fit if not cls.needs & LACKS.get(host, set())]


def each(names: Sequence[str] = METHODS) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("host", "name"), known(names), indirect=["host"], scope="module")


LEARNING = [name for name in METHODS if name != "original"]


@pytest.fixture(scope="module")
def host(request) -> sd.Host:
    quick = {"tiny": tiny.quick_host, "emoji-sd": tiny.quick_emoji}
    return quick.get(request.param, partial(tiny_kinds.quick_host, request.param))()


@pytest.fixture(scope="module")
def method(host: sd.Host) -> Callable[..., Method]:
    """A method by name, for this host."""

    def make(name: str, **settings) -> Method:
        own = loading.load("methods", name).by_kind.get(host.kind.name, {})
        return tiny.method(name, host.model, **{**own, **settings})

    return make


@pytest.fixture(scope="module")
def erase(host) -> tuple[str, ...]:
    return ("ghost",) if host.model == "emoji-sd" else ("ghost", "alien")  # several are the same code, and slow


@pytest.fixture(scope="module")
def jobs(host) -> list[Job]:
    steps = 2 if host.model == "emoji-sd" else 4
    found = [tiny.job(text, seed, guidance=4.0 - seed, steps=steps) for seed, text in enumerate(TEXTS)]
    name = flows.fitting("ddim", host.kind)
    return [replace(job, sampling=replace(job.sampling, scheduler=name)) for job in found]


class Lazy(dict[str, Any]):
    """What is made when it is first asked for: tests go from host to host, and few of them want every method's."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, name: str) -> Any:
        return self.setdefault(name, self.make(name))


@pytest.fixture(scope="module")
def fitted(host, method, erase) -> Lazy:
    """A method's edit, and whether its fit left the host as it was."""

    def fit(name: str) -> tuple[Edit, bool]:
        before = state(host)
        edit = method(name).fit(host, erase, seed=3)
        return Edit(edit.tensors, {**edit.header, "model_hash": host.hash}), same(before, state(host))

    return Lazy(fit)


@pytest.fixture(scope="module")
def edits(fitted) -> Lazy:
    return Lazy(lambda name: fitted[name][0])


@pytest.fixture(scope="module")
def plain(host, jobs) -> Tensor:
    """The unedited model's latents of the jobs."""
    return latents(host, loading.make("methods", "original"), Edit({}, {}), jobs)


def state(host: sd.Host) -> dict[str, Tensor]:
    """A copy of all weights, named as in an edit."""
    parts = {**host.parts, "vae": host.vae}
    return {f"{part}.{name}": t.clone() for part, net in parts.items() for name, t in net.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(t, b[name]) for name, t in a.items())


def latents(host: sd.Host, method, edit: Edit, jobs) -> Tensor:
    with method.apply(host, edit) as guide:
        return sample.clean(host, guide, jobs)


@each()
def test_fit_leaves_the_host_bit_for_bit_as_it_was(fitted, name):
    assert fitted[name][1]


@each()
def test_inside_apply_a_weight_is_the_edit_s_where_the_edit_names_it_and_else_the_host_s(host, method, edits, name):
    before = state(host)
    with method(name).apply(host, edits[name]):
        inside = state(host)
    assert same(inside, {k: edits[name].tensors.get(k, t).to(t.dtype) for k, t in before.items()})


@each()
def test_leaving_apply_restores_the_host_bit_for_bit_even_after_an_error(host, method, edits, name):
    before = state(host)
    with pytest.raises(KeyError), method(name).apply(host, edits[name]):
        raise KeyError
    assert same(before, state(host))


@each(LEARNING)
def test_the_same_seed_gives_the_same_edit(host, method, edits, erase, name):
    again = method(name).fit(host, erase, seed=3)
    assert again.tensors.keys() == edits[name].tensors.keys()
    assert all(torch.equal(t, again.tensors[k]) for k, t in edits[name].tensors.items())


@each(LEARNING)
def test_an_edit_changes_the_picture_it_is_for(host, method, edits, plain, jobs, name):
    edited = latents(host, method(name), edits[name], jobs[:1])
    assert (plain[:1] - edited).abs().max() > 1e-6


@each(LEARNING)
def test_strength_zero_gives_the_original(host, method, edits, plain, jobs, name):
    still = method(name, strength=0.0)
    edit = still.finished(host, edits[name]) if still.after_fit else still.fit(host, ("ghost",), seed=0)
    assert torch.allclose(plain, latents(host, still, edit, jobs), atol=1e-10)


@each([name for name in METHODS if tiny.method(name).after_fit])
def test_one_fit_serves_every_value_of_what_acts_after_it(host, method, edits, erase, jobs, name):
    weak = method(name, strength=0.5)
    assert weak.after_fit == {"strength"} and whole.method(weak) == method(name)
    of_its_own, of_the_one = weak.fit(host, erase, seed=3), weak.finished(host, edits[name])
    assert same(dict(of_its_own.tensors), dict(of_the_one.tensors))
    assert dict(of_the_one.header) == {**of_its_own.header, "model_hash": host.hash}
    strong, half = (
        latents(host, it, of_the_one if it is weak else edits[name], jobs[:1]) for it in (method(name), weak)
    )
    assert not torch.equal(strong, half)


@each([name for name in METHODS if hasattr(tiny.method(name), "steps")])
def test_no_steps_give_the_original_exactly(host, method, erase, plain, jobs, name):
    still = method(name, steps=0)
    edit = still.fit(host, erase, seed=0)
    assert torch.equal(plain, latents(host, still, Edit(edit.tensors, {**edit.header, "model_hash": host.hash}), jobs))


@each()
def test_a_picture_does_not_depend_on_the_batch_its_order_or_its_shard(host, method, edits, jobs, name):
    eraser, edit = method(name), edits[name]
    together = latents(host, eraser, edit, jobs)
    backwards = latents(host, eraser, edit, jobs[::-1]).flip(0)
    alone = torch.cat([latents(host, eraser, edit, [job]) for job in jobs])
    shards = torch.stack([latents(host, eraser, edit, jobs[i::2]) for i in range(2)], dim=1).flatten(0, 1)
    for other in (backwards, alone, shards):
        assert torch.allclose(together, other, atol=1e-5)


@each(LEARNING)
def test_an_edit_read_from_disk_gives_the_same_picture(host, method, edits, tmp_path, jobs, name):
    eraser, store = method(name), Store(tmp_path)
    recipe = Recipe(name, eraser.version, {}, ("ghost",), 3, host.hash)
    store.put_edit(recipe, Edit(edits[name].tensors, {**edits[name].header, **facts(host, recipe)}))
    read = store.get_edit(recipe)
    assert torch.equal(latents(host, eraser, edits[name], jobs), latents(host, eraser, read, jobs))


@each()
def test_what_is_kept_of_a_text_during_a_run_moves_no_bit(monkeypatch, host, method, edits, jobs, name):
    eraser, edit = method(name), edits[name]
    kept = latents(host, eraser, edit, jobs)
    monkeypatch.setattr(kv_cache, "LAYERS", ("no layer is called so",))
    assert torch.equal(kept, latents(host, eraser, edit, jobs))


@each(LEARNING)
def test_an_edit_of_another_model_is_refused(host, method, edits, name):
    foreign = Edit(edits[name].tensors, {**edits[name].header, "model_hash": "0" * 64})
    with (
        pytest.raises(UserError, match="made for a model with hash"),
        method(name).apply(host, foreign),
    ):
        pass


@pytest.mark.parametrize("name", METHODS)
def test_a_method_says_what_it_is(name):
    method = tiny.method(name)
    assert isinstance(method, Method) and method.name == name
    assert method.version and method.cite and method.needs <= models.FEATURES.keys()
    assert method.kinds <= {kind.name for kind in kinds.KINDS} >= method.by_kind.keys()
    assert replace(method) == method
