"""Whatever a case is called, its files can be written, each under a name of its own."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dumo_bench.storage.names import MOST, bounded, plain

CELEBRITIES = [f"Somebody Whose Name Is Long The {n}th" for n in range(100)]


@given(st.text(max_size=400))
def test_a_name_is_bounded_and_a_short_one_stays(name):
    found = bounded(name)
    assert len(found.encode("utf-8", "surrogatepass")) <= MOST
    assert (found == name) == (len(name.encode("utf-8", "surrogatepass")) <= MOST)
    assert len(plain(name)) <= MOST and plain(name).isascii()


def test_names_that_are_cut_or_lose_their_script_stay_apart():
    assert bounded("a" * 300 + "b") != bounded("a" * 300 + "c")
    assert len({plain(name) for name in ("猫", "犬", "--", "кот", "ком")}) == 5
    assert plain("emoji-cartoon-ghost+santa claus") == "emoji-cartoon-ghost-santa-claus"


def test_a_hundred_celebrities_are_erased_and_scored_in_a_case_without_a_name(command, tiny_suite, tmp_path):
    quoted = ", ".join(f'"{name}"' for name in CELEBRITIES)
    text = tiny_suite.read_text().replace('name = "cat"\n', "").replace('erase = ["cat"]', f"erase = [{quoted}]")
    text = text.replace('cat = ["dog"]\n', "")
    tiny_suite.write_text(text.replace('["a cat", "a dog", "an alien"]', f'["{CELEBRITIES[0]}", "{CELEBRITIES[1]}"]'))
    _with_all_prompts(tiny_suite, quoted)
    out = tmp_path / "out"
    run = ("-m", "uce", "-s", tiny_suite, "-o", out, "--device", "cpu", "--limit", 4)
    said = command("run", *run, "--scorers", "tests/fakes.py:Brightness,fid")
    assert said.code == 0, said.err
    assert command("report", out).code == 0
    assert {path.suffix for path in out.rglob("*") if path.is_file()} >= {".parquet", ".json", ".png", ".safetensors"}
    assert max(len(path.name.encode()) for path in Path(out).rglob("*")) < 200
    again = command("run", *run, "--scorers", "tests/fakes.py:Brightness,fid")
    assert again.code == 0 and "made 0 edits" in again.out


def _with_all_prompts(suite: Path, quoted: str) -> None:
    """Every celebrity has a prompt, as a case of which no prompt speaks is refused."""
    suite.write_text(
        suite.read_text() + f'\n[[block]]\nconcepts = [{quoted}]\ntemplates = ["a drawing of {{thing}}"]\nseeds = [1]\n'
    )
