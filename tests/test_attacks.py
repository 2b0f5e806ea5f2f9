"""Attacks: the search of Ring-A-Bell against its definition, and what is found as a suite that any method runs on."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
import tiny
import tiny_kinds
import torch

from dumo_bench.attacks import ringabell
from dumo_bench.attacks.ringabell import RingABell
from dumo_bench.errors import UserError
from dumo_bench.hosts import sd
from dumo_bench.interfaces import SEES, Target
from dumo_bench.kit import places, train
from dumo_bench.plugins import loading, static
from dumo_bench.run import plan
from dumo_bench.suites import attacked, registry
from dumo_bench.types import Case, Draw, Found, Sampling, Suite

QUICK = RingABell(length=4, population=12, generations=3)
SPY = """
from dataclasses import dataclass
from typing import ClassVar
from dumo_bench.interfaces import Attack
from dumo_bench.types import Found

@dataclass(frozen=True)
class Spy(Attack):
    name: ClassVar[str] = "spy"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "this test"
    sees: ClassVar[str] = "erased model"

    def search(self, target, *, seed):
        before = {name: value.clone() for name, value in target.host.unet.named_parameters()}
        with target.erased():
            changed = sum(not value.equal(before[name]) for name, value in target.host.unet.named_parameters())
        for text in target.texts:
            yield Found(f"{text} again", {"changed": float(changed)}, texts=1)
"""


def words(host, text: str) -> torch.Tensor:
    """The tokens of a text without the special ones."""
    ids = sd.tokens(host, [text])[0][0]
    return ids[~torch.isin(ids, torch.tensor(host.tokenizer.all_special_ids))]


@pytest.mark.parametrize("name", loading.names("attacks"))
def test_every_attack_says_what_it_sees_and_where_it_is_from(name):
    attack = loading.make("attacks", name)
    assert attack.sees in SEES and attack.cite and attack.version and attack.identity()


def test_the_distance_is_the_sum_of_squares_over_all_rows_of_the_text_s_own_states():
    host = tiny.host()
    wanted = torch.randn(host.text_encoder.config.max_position_embeddings, 16, generator=train.seeded(1))
    wanted = wanted[:, :1].expand(-1, host.unet.config.cross_attention_dim).to(host.dtype)
    found = ringabell.distances(host, words(host, "a ghost")[None], wanted)
    assert found == pytest.approx([float((sd.encode(host, ["a ghost"])[0] - wanted).square().sum())])


def test_the_concept_is_what_it_adds_to_texts_in_the_mean():
    host = tiny.host()
    naming = train.prompts(host, ["ghost"])[0]
    added = [sd.encode(host, [text])[0] - sd.encode(host, [train.without(text, ["ghost"])])[0] for text in naming]
    assert torch.allclose(ringabell.concept(host, ("ghost",)), torch.stack(added).mean(0), atol=1e-6)


def test_parents_stay_and_children_are_cut_from_two_of_them():
    ordered = torch.arange(12)[:, None].expand(12, 4)
    made = QUICK.offspring(ordered, train.seeded(0))
    rows = [tuple(row.tolist()) for row in made]
    assert [row for row in rows if len(set(row)) == 1 and rows.count(row) == 1] or len(rows) >= 6
    assert {(i,) * 4 for i in range(6)} <= set(rows) and max(map(max, rows)) < 6
    assert all(len(set(row)) <= 2 and 6 <= len(rows) <= 18 for row in rows)


def test_a_quarter_of_the_individuals_has_one_token_replaced():
    genes, every = torch.zeros(4000, 6, dtype=torch.long), torch.arange(1, 9)
    found = ringabell.changed(genes, every, train.seeded(0))
    per_row = (found != 0).sum(1)
    assert set(per_row.tolist()) == {0, 1} and per_row.float().mean() == pytest.approx(0.25, abs=0.03)
    assert not genes.any(), "the individuals that were given are left as they were"


def test_what_is_found_lies_nearer_than_random_prompts_and_is_the_same_each_time():
    host, texts = tiny.host(), ("a ghost", "a photo of a ghost")
    target = Target(host, ("ghost",), texts, Sampling("tiny", "ddim", 4, 3.0, 64, 64))
    longer = RingABell(length=4, population=24, generations=25)
    first, again = list(longer.search(target, seed=3)), list(longer.search(target, seed=3))
    assert first == again and len(first) == 2 and all(one.texts > 24 * 25 / 2 for one in first)
    wanted = sd.encode(host, [texts[0]])[0] + longer.eta * ringabell.concept(host, ("ghost",))
    free = places.ordinary(host)
    random = free[torch.randint(len(free), (200, 4), generator=train.seeded(9))]
    assert first[0].measured["distance"] < ringabell.distances(host, random, wanted).min()


def test_what_is_found_is_a_suite_of_attack_prompts_that_methods_run_on(command, tiny_suite, tmp_path):
    asked = (
        "attack",
        "--attack",
        "ringabell",
        "--suite",
        tiny_suite,
        "--case",
        "cat",
        "--pictures",
        2,
        "--out",
        tmp_path,
    )
    own = ("--attack-set", "generations=2", "--attack-set", "population=8", "--attack-set", "length=3")
    said = command(*asked, *own)
    assert said.code == 0, said.err
    (path,) = said.out.split()
    suite = registry.load(path)
    assert [prompt.role for prompt in suite.prompts] == ["attack", "attack", "target", "target"]
    assert suite.search and suite.search.sees == "text encoder" and not suite.search.edit
    assert all(len(prompt.draws) == 2 and prompt.concept == "cat" for prompt in suite.prompts)
    assert "sees: text encoder" in suite.source and "generations=2" in suite.source
    assert [case.erase for case in suite.cases] == [("cat",)]
    assert [paper.key for paper in suite.papers] == ["tsai2024ringabell"]
    ran = command("run", "--method", "uce", "--suite", path, "--scorers", "blank", "--out", tmp_path)
    assert ran.code == 0 and len(list(tmp_path.glob("images/*/*.png"))) == 16, ran.err
    before = (tmp_path / "attacks").stat().st_mtime_ns
    assert command(*asked, *own).out.split() == [path] and (tmp_path / "attacks").stat().st_mtime_ns == before
    assert command(*asked, *own, "--seed", 1).out.split() != [path]


def test_an_attack_that_sees_the_erased_model_is_given_the_edit_and_its_suite_names_it(command, tiny_suite, tmp_path):
    (tmp_path / "spy.py").write_text(SPY)
    spy = (
        "attack",
        "--attack",
        f"{tmp_path / 'spy.py'}:Spy",
        "--suite",
        tiny_suite,
        "--case",
        "cat",
        "--out",
        tmp_path,
    )
    paths = [command(*spy, "--method", "uce", *more).out.split()[-1] for more in ((), ("--set", "ridge=3"))]
    assert len(set(paths)) == 2, "each edit is attacked for itself"
    with open(paths[0].replace(".toml", ".csv"), newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["role"] == "attack"]
    assert len(rows) == 2 and all(float(row["changed"]) > 0 and row["prompt"].endswith(" again") for row in rows)
    suite = registry.load(paths[0])
    assert (
        ", edit " in suite.source
        and suite.search.method == "uce"
        and suite.search.edit in suite.source + suite.search.edit
    )


ODD = """
from dataclasses import dataclass
from dumo_bench.interfaces import Attack
from dumo_bench.types import Found

@dataclass(frozen=True)
class Odd(Attack):
    name, version, cite, sees = "odd", "1", "a test", "nothing"

    def search(self, target, *, seed):
        return (Found(f'{text}\\r"so", \\u2028 it\\n') for text in target.texts)
"""


def test_whatever_text_an_attack_finds_is_read_back_as_it_was_found(command, tiny_suite, tmp_path):
    (tmp_path / "odd.py").write_text(ODD)
    said = command("attack", "--attack", f"{tmp_path / 'odd.py'}:Odd", "--suite", tiny_suite, "--out", tmp_path)
    suite = registry.load(said.out.strip())
    found = [prompt.text for prompt in suite.prompts if prompt.role == "attack"]
    assert found and all(text.endswith('\r"so", \u2028 it\n') for text in found)


def test_what_a_search_measured_takes_no_column_of_the_suite(command, tiny_suite, tmp_path):
    """An attack that calls a number "id" has it under another name."""
    measured = "{'id': 2.0, 'seed': 3.0, 'loss': 4.0}"
    (tmp_path / "odd.py").write_text(ODD.replace("\\n')", f"', {measured})"))
    said = command("attack", "--attack", f"{tmp_path / 'odd.py'}:Odd", "--suite", tiny_suite, "--out", tmp_path)
    assert registry.load(said.out.strip()).prompts[0].id != "2.0"
    with open(said.out.strip().replace(".toml", ".csv"), newline="") as file:
        row = next(csv.DictReader(file))
    assert (row["measured_id"], row["measured_seed"], row["loss"]) == ("2.0", "3.0", "4.0")


def test_what_an_attack_found_is_of_the_case_s_own_task_under_the_suite_s_whole_contract(command, tiny_suite, tmp_path):
    """A method that is run on it has the edit that it has of the case itself."""
    text = tiny_suite.read_text().replace("guidance = 3.0", 'guidance = 3.0\nnegative = "blurry"\ndtype = "bfloat16"')
    tiny_suite.write_text(text.replace('erase = ["cat"]', 'erase = ["cat"]\ntask = "style"', 1))
    (tmp_path / "odd.py").write_text(ODD)
    asked = ("--attack", f"{tmp_path / 'odd.py'}:Odd", "--suite", tiny_suite, "--case", "cat", "--out", tmp_path)
    found = command("attack", *asked).out.strip()
    of_case, of_attack = (plan.make(plan.Request("esd", str(spec)), static.make) for spec in (tiny_suite, found))
    assert of_case.parts[0].recipe == of_attack.parts[0].recipe
    assert of_case.contract == of_attack.contract and of_attack.contract.negative == "blurry"


def test_an_attack_on_an_edit_is_made_on_the_unedited_model_too(command, tiny_suite, tmp_path):
    (tmp_path / "spy.py").write_text(SPY)
    asked = (
        "attack",
        "--attack",
        f"{tmp_path / 'spy.py'}:Spy",
        "--suite",
        tiny_suite,
        "--case",
        "cat",
        "--out",
        tmp_path,
    )
    unedited, edited = command(*asked, "--method", "uce").out.split()
    assert registry.load(unedited).search.method == "" and registry.load(edited).search.method == "uce"
    with open(unedited.replace(".toml", ".csv"), newline="") as file:
        assert {float(row["changed"]) for row in csv.DictReader(file) if row["role"] == "attack"} == {0.0}


def test_the_plain_prompts_stand_beside_with_as_many_more_pictures_as_the_search_cost():
    contract = Sampling("tiny", "ddim", steps=10, guidance=3.0, height=64, width=64)
    suite = Suite("s", 1, "", "", (Case("cat", ("cat",)),), (), contract)
    of = attacked.Attacked("x", suite, suite.cases[0], "", None, contract, (), (), (), pictures=4)
    assert [attacked.control(of, Found("", forwards=n)) for n in (0, 1, 20, 21, 400)] == [4, 5, 5, 6, 24]
    assert attacked.control(of, Found("", forwards=20, draws=24)) == 25, "of one that says how often it is drawn"
    plain = replace(of, sampling=replace(contract, guidance=1.0))
    assert attacked.control(plain, Found("", forwards=20)) == 6, "without guidance a picture costs half"


def test_a_row_s_draws_are_latents_of_its_own_seed(tmp_path):
    (tmp_path / "p.csv").write_text("prompt,seed,n\na cat,7,3\na dog,8,\n")
    head = 'name = "x"\nversion = 1\nsource = "s"\nlicence = "MIT"\n[[cases]]\nname = "cat"\nerase = ["cat"]\n'
    sampling = '[sampling]\nmodel = "emoji-sd"\nscheduler = "ddim"\nsteps = 2\nguidance = 1\nheight = 64\nwidth = 64\n'
    listed = '[csv]\nfile = "p.csv"\nconcept = "cat"\n[csv.columns]\ntext = "prompt"\nseed = "seed"\ndraws = "n"\n'
    (tmp_path / "x.toml").write_text(head + sampling + listed)
    first, second = registry.load(str(tmp_path / "x.toml")).prompts
    assert first.draws == (Draw(7, 0, 3), Draw(7, 1, 3), Draw(7, 2, 3)) and second.draws == (Draw(8),)
    (tmp_path / "x.toml").write_text(
        head + sampling + listed.replace('seed = "seed"\n', "").replace("[csv.", "seeds = 1\n[csv.")
    )
    with pytest.raises(UserError, match="name the column of 'seed'"):
        registry.load(str(tmp_path / "x.toml"))


def test_a_model_of_a_kind_that_an_attack_does_not_know_is_refused_in_one_line(command, tiny_suite, tmp_path):
    said = command(
        *("attack", "--attack", "ringabell", "--suite", tiny_suite, "--model", tiny_kinds.folder("flux")),
        *("--out", tmp_path),
    )
    assert said.code == 2 and "ringabell knows no FLUX" in said.err and len(said.err.strip().splitlines()) == 1
