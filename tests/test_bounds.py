"""What can be sampled and kept is asked where it is read, by the same bounds, before anything is made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dumo_bench.errors import UserError
from dumo_bench.fields import checked
from dumo_bench.plugins import static
from dumo_bench.run import plan, resize
from dumo_bench.suites import bounds, registry
from dumo_bench.types import Draw, Prompt, Sampling

WRONG = [
    ("height = 64", "height = 60", 12, "height is a multiple of 8"),
    ("height = 64", "height = 63.9", 12, "height is a multiple of 8"),
    ("height = 64", "height = 64.0", 12, "height is a multiple of 8"),
    ("width = 64", "width = 0", 13, "width is a multiple of 8"),
    ("width = 64", "width = -64", 13, "width is a multiple of 8"),
    ("width = 64", "width = 65536", 13, "to 8,192"),
    ("steps = 2", "steps = 0", 10, "steps is a whole number from 1 to 1,000"),
    ("steps = 2", "steps = 2.5", 10, "steps is a whole number"),
    ("steps = 2", "steps = true", 10, "steps is a whole number"),
    ("steps = 2", "steps = 1001", 10, "steps is a whole number"),
    ('"ddim"', '"dim"', 9, "Did you mean 'ddim'?"),
    ("guidance = 3.0", "guidance = nan", 11, "guidance is a number from 0 to 1000, got nan"),
    ("guidance = 3.0", "guidance = inf", 11, "guidance is a number from 0 to 1000"),
    ("guidance = 3.0", "guidance = -1", 11, "guidance is a number from 0 to 1000"),
    ("guidance = 3.0", 'guidance = "3"', 11, "guidance is a number from 0 to 1000"),
    ("width = 64", 'width = 64\ndtype = "float8"', 14, "dtype"),
    ("width = 64", "width = 64\ndtype = 16", 14, "dtype is one of float32"),
    ("width = 64", 'width = 64\nnoise = "gpu"', 14, "noise"),
    ("width = 64", "width = 64\nnegative = 1", 14, "negative is a text"),
    ("width = 64", "width = 64\nrevision = 1", 14, "revision is a text"),
    ("seeds = [1]", "seeds = [9223372036854775808]", 25, "seeds"),
    ("seeds = [1]", "seeds = [-1]", 25, "seeds"),
    ("seeds = [1]", "seeds = [1, 1]", 25, "a number twice"),
    ("seeds = [1]", "seeds = 1000000000", 25, "1 to 10,000 seeds"),
    ("seeds = [1]", "draws = {seed = 9223372036854775808, of = 2}", 25, "draws: seed is a whole number"),
    ("seeds = [1]", "draws = {seed = 1, of = 1000000000}", 25, "draws: of is a whole number from 1 to 10,000"),
    ("seeds = [1]", 'draws = {seed = "1", of = 2}', 25, "draws: seed is a whole number"),
    ("seeds = [1]", "draws = {seed = 1, of = true}", 25, "draws: of is a whole number"),
    ("version = 1", "version = 9223372036854775808", 3, "version is a whole number"),
    ("version = 1", "version = -1", 3, "version is a whole number"),
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=[new for _, new, *_ in WRONG])
def test_plan_refuses_it_with_its_line(command, bare_suite, tmp_path, wrong):
    old, new, line, says = wrong
    assert old in bare_suite.read_text()
    bare_suite.write_text(bare_suite.read_text().replace(old, new))
    said = command("plan", "-m", "uce", "-s", bare_suite, "-o", tmp_path / "out")
    assert said.code == 2 and len(said.err.splitlines()) == 1, said
    assert f"small.toml:{line}: " in said.err and says in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("seed", [-1, 2**63])
@pytest.mark.parametrize("verb", ["plan", "fit", "run"])
def test_a_seed_of_a_fit_that_no_table_holds_is_refused(command, bare_suite, tmp_path, verb, seed):
    said = command(verb, "-m", "uce", "-s", bare_suite, "--seed", seed, "-o", tmp_path / "out")
    assert said.code == 2 and "--seed is a whole number from 0 to 9,223,372,036,854,775,807" in said.err
    assert not (tmp_path / "out").exists()


LIST = """[csv]
file = "mine.csv"

[csv.columns]
id = "n"
text = "prompt"
concept = "what"
seed = "seed"
guidance = "scale"
height = "high"
"""


@pytest.fixture
def listed(bare_suite):
    head = bare_suite.read_text().partition("[related]")[0]
    bare_suite.write_text(head + LIST)

    def write(seed: object = 1, scale: object = 7, high: object = 64):
        (bare_suite.parent / "mine.csv").write_text(
            f"n,prompt,what,seed,scale,high\n1,a cat,cat,{seed},{scale},{high}\n"
        )
        return bare_suite

    return write


@pytest.mark.parametrize(
    "row",
    [
        {"seed": 2**63}, {"seed": -1}, {"seed": 1.5}, {"seed": "9" * 5000}, {"scale": "nan"}, {"scale": "inf"},
        {"scale": -1}, {"scale": 1001}, {"high": 60}, {"high": 63.9}, {"high": 0}, {"high": 65536},
    ],
    ids=str,
)  # fmt: skip
def test_a_row_has_the_same_bounds(command, listed, row):
    said = command("plan", "-m", "uce", "-s", listed(**row))
    assert said.code == 2 and "mine.csv:2: " in said.err and len(said.err.splitlines()) == 1


def test_the_ends_of_every_bound_can_be_said(listed):
    (prompt,) = registry.load(str(listed(2**63 - 1, 1000, 8192))).prompts
    assert (prompt.draws[0].seed, prompt.guidance, prompt.height) == (2**63 - 1, 1000.0, 8192)


def test_a_suite_of_a_package_has_the_same_bounds(tmp_path, bare_suite):
    (tmp_path / "theirs.py").write_text(
        "from dataclasses import replace\nfrom pathlib import Path\n"
        f"from dumo_bench.suites import registry\nwhole = registry.read(Path({str(bare_suite)!r}))\n"
        "from dumo_bench.types import Draw\n"
        "steps = replace(whole, sampling=replace(whole.sampling, steps=0))\n"
        "seed = replace(whole, prompts=(replace(whole.prompts[0], draws=(Draw(2**63),)),))\n"
        "size = replace(whole, prompts=(replace(whole.prompts[0], width=63),))\n"
    )
    for thing, says in (("steps", "steps"), ("seed", "'a-cat': seed"), ("size", "'a-cat': width")):
        with pytest.raises(UserError, match=f"{says} is"):
            registry.load(f"{tmp_path / 'theirs.py'}:{thing}")


@given(st.integers() | st.floats() | st.text(max_size=3) | st.booleans() | st.none())
def test_whatever_is_stated_is_taken_or_said(value):
    for name in bounds.RULES:
        said = bounds.wrong(name, value)
        assert said == "" or (said.startswith(f"{name} ") and "\n" not in repr(said))
    assert bounds.of_row(Prompt("a", "a", "a", (Draw(0),), guidance=float("nan"))) != ""


def test_a_size_that_the_model_has_no_latent_for_is_refused(bare_suite, bare_model):
    (bare_model / "vae" / "config.json").write_text('{"block_out_channels": [1, 1, 1, 1, 1, 1]}')
    assert resize.step(bare_model) == 32
    suite = registry.load(str(bare_suite))
    resize.possible(suite, bare_model)
    with pytest.raises(UserError, match="height is a multiple of 32"):
        resize.possible(_at(suite, 72), bare_model)


def _at(suite, height):
    from dataclasses import replace

    return replace(suite, sampling=replace(suite.sampling, height=height))


def test_noise_that_this_machine_cannot_draw_is_refused_before_the_fit(command, tiny_suite, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    tiny_suite.write_text(tiny_suite.read_text().replace("width = 64", 'width = 64\nnoise = "cuda"'))
    said = command("generate", "-m", "uce", "-s", tiny_suite, "-o", tmp_path / "out", "--device", "cpu")
    assert said.code == 2 and 'noise = "cuda"' in said.err and not list(tmp_path.rglob("*.safetensors.fit"))
    assert not (tmp_path / "out" / "edits").exists()


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_a_setting_is_a_finite_number(command, bare_suite, text):
    said = command("plan", "-m", "uce", "-s", bare_suite, "--set", f"strength={text}")
    assert said.code == 2 and "settings of uce: strength takes finite numbers" in said.err


def test_every_field_of_a_contract_has_a_rule():
    assert {*bounds.RULES} == {*Sampling.__dataclass_fields__} - {"sampler"}  # the plan fills that in
    assert checked("x", Sampling, {"steps": 3}) == {"steps": 3}


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (("--set", "ridge=1", "--set", "ridge=2"), "ridge is set already, to 1"),
        (("--model", ""), "model ''"),
        (("--shard", "\u0660/\u0662"), "wanted i/n"),
        (("--batch-size", 10**19), "--batch-size"),
    ],
    ids=str,
)
def test_an_option_that_means_nothing_or_two_things_is_refused_before_anything_is_made(
    command, bare_suite, tmp_path, typed, says
):
    said = command("generate", "-m", "uce", "-s", bare_suite, "-o", tmp_path / "out", *typed)
    assert said.code == 2 and says in said.err
    assert not (tmp_path / "out").exists()


def test_a_case_that_is_named_twice_is_one(command, bare_suite):
    once, twice = (command("plan", "-m", "uce", "-s", bare_suite, *n * ("--case", "cat")).out for n in (1, 2))
    assert once == twice


def test_a_revision_that_is_not_what_is_loaded_is_refused_and_another_model_has_none(command, bare_suite, tmp_path):
    bare_suite.write_text(bare_suite.read_text().replace("width = 64", 'width = 64\nrevision = "abc"'))
    said = command("plan", "-m", "uce", "-s", bare_suite)
    assert said.code == 2 and "revision 'abc'" in said.err and len(said.err.splitlines()) == 1
    other = plan.make(plan.Request("uce", str(bare_suite), model="emoji-sd"), static.make)
    assert other.contract.revision == ""
