from __future__ import annotations

from pathlib import Path

import pytest
from suite_head import HEAD

from dumo_bench.errors import UserError
from dumo_bench.suites import registry
from dumo_bench.suites.blocks import expand
from dumo_bench.types import Draw

BLOCK = """
[[block]]
concepts = ["a cat", "an owl"]
templates = ["{thing}"]
seeds = [1]
"""


def read(tmp_path: Path, text: str):
    path = tmp_path / "s.toml"
    path.write_text(text)
    return registry.read(path)


def prompts(**block):
    return expand({"seeds": [1], **block}, explicit=False)


def test_a_file_becomes_a_suite(tmp_path):
    suite = read(tmp_path, HEAD + BLOCK)
    assert (suite.label, suite.cases[0].name, suite.sampling.guidance) == ("s-2", "cat", 3.0)
    assert [(p.id, p.text, p.concept, p.shows) for p in suite.prompts] == [
        ("a-cat", "a cat", "cat", {"object": "cat"}),
        ("an-owl", "an owl", "owl", {"object": "owl"}),
    ]


def test_a_block_is_the_product_of_concepts_and_templates():
    found = prompts(concepts=["a cat", "an owl"], templates=["{thing}", "{bare}!"])
    assert [p.text for p in found] == ["a cat", "cat!", "an owl", "owl!"]


def test_a_table_says_how_a_concept_is_written():
    (one,) = prompts(concepts={"Van Gogh": "Vincent van Gogh"}, templates=["by {style}"], kind="style")
    assert (one.text, one.concept, one.shows) == ("by Vincent van Gogh", "Van Gogh", {"style": "Van Gogh"})


def test_what_the_text_leaves_open_is_not_shown():
    found = prompts(concepts=["a cat"], styles=["noto"], templates=["{thing}", "{thing} by {style}", "{style} style"])
    assert [p.shows for p in found] == [{"object": "cat"}, {"object": "cat", "style": "noto"}, {"style": "noto"}]


def test_a_hint_shows_no_object_and_is_counted_under_its_own_name():
    (one,) = prompts(**{"as": "hint"}, kind="hint", concepts=["a weapon"], templates=["{thing}"], role="target")
    assert (one.concept, one.shows, one.role) == ("hint", {}, "target")


def test_axes_that_are_not_multiplied_turn_so_that_each_pair_is_met_alike():
    axes = {"concepts": list("vwxyz"), "styles": list("12345"), "backgrounds": list("abcde")}
    found = prompts(**axes, templates=["{thing} {style} {background}" + "." * n for n in range(5)])
    pairs = [tuple(p.text.strip(".").split()) for p in found]
    assert len({p[:2] for p in pairs}) == len({p[1:] for p in pairs}) == 25


def test_every_multiplies_the_axes_it_names():
    found = prompts(concepts=["x"], styles=["1", "2"], templates=["{thing} {style}"], every=["concepts", "styles"])
    assert [p.text for p in found] == ["x 1", "x 2"]


def test_a_prompt_keeps_its_id_and_its_seeds_when_others_are_added():
    few = prompts(concepts=["a cat"], templates=["{thing}"], seeds=3)
    many = prompts(concepts=["an owl", "a cat", "a dog"], templates=["{thing}"], seeds=3)
    assert few[0] in many
    assert len({d.seed for p in many for d in p.draws}) == 9


def test_draws_of_one_generator_are_told_apart():
    (one,) = expand({"concepts": ["x"], "templates": ["{thing}"], "draws": {"seed": 2024, "of": 3}}, explicit=False)
    assert one.draws == (Draw(2024, 0, 3), Draw(2024, 1, 3), Draw(2024, 2, 3))


def test_the_ids_of_an_explicit_suite_do_not_tell_its_texts():
    (one,) = expand({"concepts": ["a cat"], "templates": ["{thing}"], "seeds": 1}, explicit=True)
    assert "cat" not in one.id


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (HEAD + "[[block]\n", 16, "broken TOML"),
        (HEAD + BLOCK.replace("templates", "template"), 19, "Did you mean 'templates'"),
        (HEAD.replace("steps", "stepps") + BLOCK, 9, "Did you mean 'steps'"),
        ("colour = 1\n" + HEAD + BLOCK, 1, "nothing is called 'colour'"),
        (HEAD, 1, "lacks 'block': it is empty"),
        (HEAD.replace('licence = "MIT"', "") + BLOCK, 1, "lacks 'licence'"),
        (HEAD.replace('model = "emoji-sd"', "") + BLOCK, 6, "lacks 'model'"),
        (HEAD.replace("guidance = 3", 'guidance = "3"') + BLOCK, 10, "guidance is a number from 0 to 1000, got '3'"),
        (HEAD.replace("version = 1", 'version = "1"') + BLOCK, 2, "version is of type int"),
        (HEAD.replace('["cat"]', '["cats"]') + BLOCK, 14, "Did you mean 'cat'"),
        (HEAD.replace('["cat"]', "[]") + BLOCK, 14, "erases nothing"),
        (HEAD + BLOCK + BLOCK, 22, "the id 'a-cat' is there already, from block 1"),
        (HEAD + BLOCK + BLOCK.replace("[1]", "0"), 25, "seeds is a number"),
        (HEAD + BLOCK.replace("{thing}", "{thin}"), 19, "cannot be filled"),
        (HEAD + BLOCK.replace("{thing}", "{style}"), 19, "cannot be filled"),
        (HEAD + BLOCK.replace('["a cat", "an owl"]', "[]"), 18, "concepts is a list"),
        (HEAD + BLOCK + 'role = "victim"\n', 21, "role is one of"),
        (HEAD + BLOCK + 'kind = "thing"\n', 21, "kind is one of"),
        (HEAD + BLOCK + 'every = ["styles"]\n', 21, "every lists axes of the block"),
        (HEAD + BLOCK + "draws = {seed = 1, of = 2}\n", 21, "seeds or draws, not both"),
        ("task = 'stile'\n" + HEAD + BLOCK, 1, "Did you mean 'style'"),
        (HEAD + BLOCK + "as = 1\n", 21, "as is of type str"),
        (HEAD + BLOCK + 'as = ["x"]\n', 21, "as is of type str"),
        (HEAD + BLOCK + 'as = " "\n', 21, "as is a text that is not blank"),
        (HEAD + BLOCK + 'every = [["concepts"]]\n', 21, "every lists axes of the block"),
        (HEAD.replace('"s"', '" "') + BLOCK, 1, "name is a text that is not blank"),
        (HEAD.replace('"s"', '"\\u200b"') + BLOCK, 1, "name is a text that is not blank"),
        (HEAD + 'name = ""\n' + BLOCK, 1, "name is a text that is not blank"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, text, line, says):
    with pytest.raises(UserError) as error:
        read(tmp_path, text)
    assert f"s.toml:{line}: " in str(error.value)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        registry.load(str(tmp_path / "none.toml"))


def test_an_unknown_suite_says_the_nearest():
    with pytest.raises(UserError, match="Did you mean 'emoji-cartoon'"):
        registry.load("emoji-cartoons")


def test_a_suite_of_another_package_is_a_suite_a_path_or_a_function(tmp_path, monkeypatch):
    path = tmp_path / "s.toml"
    path.write_text(HEAD + BLOCK)
    module = tmp_path / "theirs.py"
    module.write_text(
        "from dumo_bench.suites import registry as suites\n"
        f"PATH = {str(path)!r}\nSUITE = suites.read(__import__('pathlib').Path(PATH))\n"
        "def function(): return SUITE\n"
    )
    found = [registry.load(f"{module}:{thing}") for thing in ("PATH", "SUITE", "function")]
    assert found[0] == found[1] == found[2]


class Words:
    """A tokenizer of which every word is a token."""

    model_max_length = 6

    def __call__(self, text, add_special_tokens, verbose):
        assert not add_special_tokens and not verbose
        self.words = text.split()
        return type("Out", (), {"input_ids": list(range(len(self.words)))})

    def decode(self, ids):
        return " ".join(self.words[i] for i in ids)


def test_the_words_that_the_tokenizer_cuts_are_named():
    (short,) = prompts(concepts=["a b c d"], templates=["{thing}"])
    (long,) = prompts(concepts=["one two three four five six"], templates=["{thing}"])
    assert [(t.prompt, t.cut) for t in registry.too_long([short, long], Words())] == [(long, "five six")]
