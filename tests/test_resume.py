"""A fit that is stopped, by Ctrl-C or a lost machine, goes on where it was and ends with the same edit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import torch

from dumo_bench.errors import UserError
from dumo_bench.hosts import sd
from dumo_bench.kit import resume, train
from dumo_bench.run import work
from dumo_bench.storage.store import Store
from dumo_bench.types import Recipe

TRAINED = ("advunlearn", "ca", "dumo", "eap", "esd", "mace", "modular", "receler", "sce", "sdd", "spm")


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host()


def recipe(host: sd.Host, name: str) -> Recipe:
    return Recipe(name, "1", {}, ("ghost",), 3, host.hash)


def stop(monkeypatch, after: int) -> None:
    """From now on, Ctrl-C is pressed once so many steps are done, counted over the loops of a fit."""
    left, whole = [after], train.progress.track

    def track(items, label, total=None):
        for item in whole(items, label, total):
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            yield item

    monkeypatch.setattr(train.progress, "track", track)


@pytest.mark.parametrize(
    ("name", "after"), [(name, n) for name in TRAINED for n in (0, 1)] + [("dumo", 2), ("dumo", 3)]
)
def test_a_stopped_fit_ends_with_the_edit_it_would_have_had(host, tmp_path, monkeypatch, name, after):
    """Every method trains for two steps here, DuMo then for two more."""
    monkeypatch.setattr(resume, "EVERY", 0.0)
    made, whole, store = recipe(host, name), Store(tmp_path / "whole"), Store(tmp_path / "stopped")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop(patch, after)
        work.fit(host, tiny.method(name), made, store)
    assert not store.has_edit(made)
    assert any(store.fit_path(made).glob("*.pt")) == (after > 0)
    work.fit(host, tiny.method(name), made, store)
    work.fit(host, tiny.method(name), made, whole)
    expected, found = whole.get_edit(made), store.get_edit(made)
    assert expected.tensors.keys() == found.tensors.keys()
    assert all(torch.equal(expected.tensors[k], found.tensors[k]) for k in found.tensors)
    assert expected.header["curves"] == found.header["curves"]
    assert not store.fit_path(made).exists()


def test_steps_that_were_done_are_not_done_again(host, tmp_path, monkeypatch):
    p = torch.nn.Parameter(torch.ones(2))
    seen: list[int] = []

    def loss(step, g):
        seen.append(step)
        if step == 3 and seen.count(3) == 1:
            raise KeyboardInterrupt
        return (p * torch.rand(2, generator=g)).sum()

    for _ in range(2):
        with torch.no_grad():
            p.fill_(1.0)
        try:
            with resume.at(tmp_path / "fit", every=0.0):
                train.fit(loss, [p], train.Fit(5, 0.1, ema=0.5), train.seeded(0))
        except KeyboardInterrupt:
            continue
    assert seen == [0, 1, 2, 3, 3, 4]
    q = torch.nn.Parameter(torch.ones(2))
    train.fit(lambda s, g: (q * torch.rand(2, generator=g)).sum(), [q], train.Fit(5, 0.1, ema=0.5), train.seeded(0))
    assert torch.equal(p, q)


def test_seconds_of_all_goes_add_up(tmp_path):
    def go() -> float:
        p = torch.nn.Parameter(torch.ones(1))
        with resume.at(tmp_path / "fit", every=0.0) as kept:
            kept.began -= 100  # as if it had taken so long
            train.fit(lambda step, g: p.sum(), [p], train.Fit(2, 0.1), train.seeded(0))
            if kept.seconds < 150:
                raise KeyboardInterrupt
            return kept.seconds

    with pytest.raises(KeyboardInterrupt):
        go()
    assert 200 < go() < 210


def test_a_state_that_cannot_be_read_is_one_line_that_says_what_to_delete(host, tmp_path):
    store, made = Store(tmp_path), recipe(host, "esd")
    store.fit_path(made).mkdir(parents=True)
    (store.fit_path(made) / "1.pt").write_bytes(b"half a file")
    with pytest.raises(UserError, match=rf"delete {store.fit_path(made)} to begin anew"):
        work.fit(host, tiny.method("esd"), made, store)


def test_another_recipe_does_not_see_the_state(host, tmp_path):
    store, made = Store(tmp_path), recipe(host, "esd")
    assert store.fit_path(made) != store.fit_path(replace(made, fit_seed=4))
