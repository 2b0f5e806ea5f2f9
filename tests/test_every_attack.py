"""What holds for every attack, whichever is installed: a random model, an edit, two prompts."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import tiny
import torch

from dumo_bench.errors import UserError
from dumo_bench.hosts import fingerprint, sample, sd
from dumo_bench.interfaces import Target
from dumo_bench.plugins import loading
from dumo_bench.run import attack as attacks
from dumo_bench.storage.store import Store
from dumo_bench.types import WHITE_BOX, Draw, Sampling

TEXTS = ("a ghost in ink style", "a photo of a ghost")
NAMES = loading.names("attacks")
CONTRACT = Sampling("tiny", "ddim", 4, 3.0, 64, 64)


def aimed(host, attack, by: str = "uce") -> Target:
    """Two prompts for two pictures each, and the edit of a method where the attack sees one."""
    method = tiny.method(by)
    edit = method.fit(host, ("ghost",), seed=0)
    sees = attack.sees in WHITE_BOX
    erased = (lambda: method.apply(host, edit)) if sees else None
    return Target(host, ("ghost",), TEXTS, attack.contract(CONTRACT), 2, erased)


@pytest.fixture(scope="module")
def host():
    return tiny.host()


@pytest.mark.parametrize("name", NAMES)
def test_it_finds_something_for_each_prompt_leaves_the_model_alone_and_is_the_same_each_time(host, name, tmp_path):
    attack, before = tiny.attack(name), fingerprint.taken(host)
    of = aimed(host, attack)
    found, again = list(attack.search(of, seed=3)), list(attack.search(of, seed=3))
    fingerprint.refuse(before, fingerprint.taken(host), name, "search")
    assert len(found) == len(TEXTS) and [one.text for one in found] == [one.text for one in again]
    assert [(one.measured, one.texts, one.forwards) for one in found] == [
        (one.measured, one.texts, one.forwards) for one in again
    ]
    store = Store(tmp_path)
    keys = [[store.put_start(one.start) if one.start else "" for one in some] for some in (found, again)]
    assert keys[0] == keys[1]
    job = replace(tiny.job(found[1].text), sampling=of.sampling, start=keys[0][1], draw=Draw(5, 1, 2))
    starts = {keys[0][1]: store.get_start(keys[0][1])} if keys[0][1] else {}
    assert sample.sample(host, partial(sd.stock_guide, host), [job], starts)[1] == [""], "its pictures can be made"


@pytest.mark.parametrize("name", NAMES)
def test_it_says_its_threat_model_and_cannot_see_an_edit_that_is_not_in_it(host, name):
    attack = tiny.attack(name)
    blind = replace(aimed(host, attack), erased=None)
    if attack.sees in WHITE_BOX:
        with pytest.raises(ValueError, match="sees"):
            list(attack.search(blind, seed=0))
    else:
        assert len(list(attack.search(blind, seed=0))) == len(TEXTS)


@pytest.mark.parametrize("name", [name for name in NAMES if loading.load("attacks", name).sees in WHITE_BOX])
@pytest.mark.parametrize("by", ["receler", "spm", "sld", "negative"])
def test_an_attack_on_the_erased_model_goes_through_adapters_gates_and_guidance_too(name, by):
    host = tiny.planned(tiny.quick_host("float32"), by)
    found = list(tiny.attack(name).search(aimed(host, tiny.attack(name), by), seed=0))
    assert len(found) == len(TEXTS) and all(one.forwards > 0 for one in found)


def test_a_model_s_own_numbers_stand_in_where_none_are_typed():
    own = attacks.made("unlearndiff", {}, "emoji-sd")
    assert (own.timesteps, own.iterations, own.tokens) == (10, 12, 3)
    assert attacks.made("unlearndiff", {"timesteps": 3}, "emoji-sd").timesteps == 3
    assert attacks.made("unlearndiff", {}, str(tiny.folder())).timesteps == 50, "the paper's"
    for name in NAMES:
        assert attacks.made(name, {}, "emoji-sd").name == name
    with pytest.raises(UserError, match="steps"):
        attacks.made("completion", {"steps": 1}, "emoji-sd")


def test_torch_is_not_left_without_gradients():
    assert torch.is_grad_enabled()
