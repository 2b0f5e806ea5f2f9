"""The pages say what the program prints (`make docs` writes it), name what exists, and their examples work."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dumo_bench.analysis import summary
from dumo_bench.plugins import loading
from dumo_bench.suites import registry

ROOT = Path(__file__).parents[1]
README, DOCS = ROOT / "README.md", ROOT / "docs"
COMMANDS, PLUGINS, EXTENDING = DOCS / "commands.md", DOCS / "plugins.md", DOCS / "extending.md"
PRINTED = (PLUGINS, COMMANDS)
PAGES = sorted(page for page in (README, ROOT / "CHANGELOG.md", *DOCS.glob("*.md")))
MARK = re.compile(r"<!-- says: (?P<argv>[^>]+?) -->\n(?P<said>.*?)<!-- end -->", re.DOTALL)


def says(argv: str) -> str:
    """What `dumo-bench argv` prints on a terminal of 100 columns without colours, as a code block."""
    away = ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "COLUMNS", "DUMO_BENCH_PROMPTS")
    plain = {k: v for k, v in os.environ.items() if k not in away}
    plain["XDG_CACHE_HOME"] = os.devnull  # prompt lists that somebody has fetched are not what a reader has
    out = subprocess.run(
        [sys.executable, "-c", "from dumo_bench.cli.app import main; main()", *argv.split()],
        capture_output=True,
        text=True,
        check=True,
        env=plain | {"TERMINAL_WIDTH": "100", "TERM": "dumb"},
    ).stdout
    lines = [line.rstrip() for line in out.strip("\n").splitlines()]
    return "```\n" + "\n".join(lines).strip("\n") + "\n```\n"


def commands() -> list[str]:
    """The commands that the program has."""
    from dumo_bench.cli.app import app

    groups = [group.name for group in app.registered_groups if group.name]
    return [*(info.name or info.callback.__name__ for info in app.registered_commands if info.callback), *groups]


def marked(page: Path) -> dict[str, str]:
    """What a page says that the program prints, by what it was asked."""
    return {found["argv"]: found["said"] for found in MARK.finditer(page.read_text())}


@pytest.mark.parametrize(("page", "argv"), [(page, argv) for page in PRINTED for argv in marked(page)])
def test_a_page_says_what_the_program_prints(page, argv):
    assert marked(page)[argv] == says(argv), "type `make docs`"


def test_every_list_has_its_place_and_every_command_its_help():
    assert set(marked(PLUGINS)) == {f"list {what}" for what in ("methods", "scorers", "suites", "models")}
    named = sorted(name for name in commands() if name != "list")
    assert sorted(marked(COMMANDS)) == sorted(["--help", *(f"{name} --help" for name in named)])
    headings = re.findall(r"^## dumo-bench ?(.*)$", COMMANDS.read_text(), re.MULTILINE)
    assert sorted(headings) == ["", *named]


def test_every_make_target_that_the_readme_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|    )make ([a-z-]+)", README.read_text()))
    assert named <= targets
    assert {"demo", "test"} <= named


def test_links_inside_the_repository_lead_somewhere():
    links = [
        (page, link)
        for page in PAGES
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / link).exists()
    ]
    assert links == []


def test_the_pages_name_modules_that_exist():
    texts = (page.read_text() for page in PAGES if page.name != "CHANGELOG.md")
    named = {name for text in texts for name in re.findall(r"`((?:dumo_bench|baselines|tests)/[\w/]+\.py)`", text)}
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def typed() -> list[tuple[str, list[str]]]:
    """Every `dumo-bench ...` of the pages' indented blocks, as words, with the name of its page."""
    texts = [(page.name, page.read_text().replace("\\\n", " ")) for page in PAGES if page.name != "CHANGELOG.md"]
    lines = [
        (name, line) for name, text in texts for line in re.findall(r"^ {4,}dumo-bench +(.*)$", text, re.MULTILINE)
    ]
    return [(name, shlex.split(line, comments=True)) for name, line in lines]


def unknown(words: list[str]) -> list[str]:
    """Those that are no command, or no option of it."""
    import typer

    from dumo_bench.cli.app import app

    command, left = typer.main.get_command(app), list(words)
    while hasattr(command, "commands"):
        if not left or left[0] not in command.commands:
            return left[:1] if left and not left[0].startswith("-") else []
        command = command.commands[left.pop(0)]
    known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)} | {"--help", "-h"}
    return [word for word in left if word.startswith("-") and word.partition("=")[0] not in known]


def test_what_the_pages_type_are_commands_with_their_options():
    every = typed()
    assert len(every) > 80 and {"run", "cite", "paper-diff"} <= {words[0] for _, words in every}
    assert [(page, words) for page, words in every if unknown(words)] == []


def test_an_option_that_a_command_lacks_is_found():
    assert unknown(["run", "--methd", "uce", "--suite", "x"]) == ["--methd"]
    assert unknown(["frob"]) == ["frob"] and unknown(["prompts", "fetch", "--from=x"]) == []


@pytest.fixture
def example(tmp_path):
    """`example("mute.py")`: the block of docs/extending.md whose first line is `# mute.py`, as a file."""

    def make(name: str) -> Path:
        blocks = re.findall(r"```(?:python|toml)\n(# (\S+)\n.*?)```", EXTENDING.read_text(), re.DOTALL)
        (found,) = [text for text, of in blocks if of == name]
        path = tmp_path / name
        path.write_text(found)
        return path

    return make


def test_the_designs_method_edits_and_is_undone(example):
    import tiny
    import torch

    from dumo_bench.hosts import sample
    from dumo_bench.interfaces import Method

    host, method = tiny.host(), loading.make("methods", f"{example('mute.py')}:Mute", {"strength": 0.9})
    assert isinstance(method, Method)
    before = [w.clone() for w in host.unet.parameters()]
    edit = method.fit(host, ("dog",), seed=0)
    with method.apply(host, edit) as guide:
        assert not all(torch.equal(a, b) for a, b in zip(before, host.unet.parameters(), strict=True))
        assert sample.sample(host, guide, [tiny.job()])[1] == [""]
    assert all(torch.equal(a, b) for a, b in zip(before, host.unet.parameters(), strict=True))


def test_the_designs_scorer_scores_and_says_what_it_could_not_read(example, tmp_path):
    import tiny_models

    from dumo_bench.interfaces import Scorer, problems

    scorer = loading.make("scorers", f"{example('contrast.py')}:Contrast")
    assert isinstance(scorer, Scorer) and problems(scorer.metrics, of_sets=False) is None
    pictures = tiny_models.samples(tmp_path, 2)
    pictures[1].image.write_bytes(b"no picture")
    good, bad = (scores[0] for scores in scorer.score(pictures))
    assert good.value > 0
    assert (bad.value, bad.reason) == (None, "unreadable") and "cannot be read" in bad.note


def test_the_designs_suite_has_prompts_of_every_role(example):
    suite = registry.read(example("kitchen.toml"))
    assert {suite.role(suite.cases[0], prompt) for prompt in suite.prompts} == {"target", "related", "unrelated"}


def test_the_designs_attack_writes_a_suite_of_other_prompts(example, command, tiny_suite, tmp_path):
    said = command("attack", "--attack", f"{example('typo.py')}:Typo", "--suite", tiny_suite, "--out", tmp_path / "out")
    assert said.code == 0, said.err
    found = registry.load(said.out.strip())
    texts = [prompt.text for prompt in found.prompts]
    assert found.cases[0].erase == ("cat",) and len(texts) == 4
    assert all("cat" not in text and ("act" in text or "cta" in text) for text in texts[:2])
    assert texts[2:] == ["a cat", "a photo of a cat"]  # the plain prompts, which fresh noise has at an equal budget


#: the rows of the README's table, their cases, and what their related prompts keep
CASES = {
    "ghost, an object": ("ghost", "object"),
    "ghost, santa claus": ("ghost+santa claus", "object"),
    "ghost, santa claus, clown": ("ghost+santa claus+clown", "object"),
    "noto, a style": ("noto", "style"),
    "ink, a style": ("ink", "style"),
    "seven unsafe objects": ("unsafe", "object"),
}


@pytest.mark.parametrize("row", CASES)
def test_the_readmes_table_is_what_the_committed_results_say(row):
    rows, (case, kept) = summary.read(ROOT / "results" / "emoji-methods"), CASES[row]
    rows = rows[(rows["case"] == case) & (rows["concept"] == "*") & ~rows["change"] & (rows["fit_seed"] == 0)]
    wanted = [("judge2.erased", "target"), (f"judge2.{kept}", "related"), ("judge2.object", "unrelated")]
    lines = README.read_text().partition("## Five methods")[2].splitlines()
    head, *told = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|"))
    (cells,) = (line[1:] for line in told if line[0] == row)
    for name, said in zip(head[1:], cells, strict=True):
        own = rows[rows["method"] == name.partition(" ")[0]]
        found = [own[(own["metric"] == metric) & (own["role"] == role)].iloc[0] for metric, role in wanted]
        shown = f"{found[0]['value']:.2f} [{found[0]['low']:.2f}, {found[0]['high']:.2f}]"
        assert said == " / ".join([shown, *(f"{one['value']:.2f}" for one in found[1:])])


if __name__ == "__main__":
    for page in PRINTED:
        text = page.read_text()
        page.write_text(MARK.sub(lambda m: f"<!-- says: {m['argv']} -->\n{says(m['argv'])}<!-- end -->", text))
