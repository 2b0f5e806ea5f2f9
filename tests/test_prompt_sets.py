"""Published prompt lists: which file is the right one, how it gets here, and what its rows become."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise

import prompt_files
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumo_bench.errors import UserError
from dumo_bench.run import jobs, resize
from dumo_bench.suites import contract, csvfile, registry, source, strata, views
from dumo_bench.suites.views import View
from dumo_bench.types import Case, Draw, Prompt, Recipe, Sampling, Suite

HEAD = "n,text,kind,seed,scale,w,h\n"
GOOD = HEAD + '0,a cat,"pet, cat",1,7.5,64,32\n1,"a dog,\nrunning",pet,4290749014,,,\n'
TOML = """name = "listed"
alias = ["short"]
version = 1
source = "a test"
licence = "MIT"
explicit = {explicit}

[sampling]
model = "{model}"
scheduler = "ddim"
steps = 2
guidance = 3.0
height = 64
width = 64

[[cases]]
erase = ["cat"]

[csv]
file = "list.csv"
sha256 = "{sha256}"
rows = {rows}
bytes = {bytes}
urls = [{urls}]
role = "target"

[csv.columns]
id = "n"
text = "text"
concept = "kind"
seed = "seed"
guidance = "scale"
width = "w"
height = "h"
"""


def write(folder, text=GOOD, **more):
    """The suite's file; the list itself lies in none of its places yet."""
    raw = text.encode()
    facts = {"sha256": hashlib.sha256(raw).hexdigest(), "rows": 2, "bytes": len(raw), "urls": "", "model": "emoji-sd"}
    path = folder / "listed.toml"
    path.write_text(TOML.format(**facts | {"explicit": "false"} | more))
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder for suites, an empty one for lists and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(source.FOLDER, str(tmp_path / "lists"))
    (tmp_path / "lists").mkdir()
    (tmp_path / "suites").mkdir()
    return tmp_path / "suites"


@pytest.fixture
def published(monkeypatch):
    return partial(prompt_files.load, monkeypatch=monkeypatch)


# Rows


def test_a_row_becomes_a_prompt_with_its_own_seed_guidance_and_size(folder):
    path = write(folder)
    (folder / "list.csv").write_text(GOOD)
    one, two = registry.read(path).prompts
    assert one == Prompt("0", "a cat", "pet, cat", (Draw(1),), 7.5, 32, 64, "target", {"object": "pet, cat"})
    assert (two.text, two.draws[0].seed) == ("a dog,\nrunning", 4290749014)


def test_a_row_without_a_setting_takes_the_contracts_and_not_the_row_befores(folder):
    path = write(folder)
    (folder / "list.csv").write_text(GOOD)
    suite = registry.read(path)
    assert contract.resolved(suite.sampling, suite.prompts[1]) == suite.sampling


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (HEAD + "0,a cat,pet,1,7,64\n", 2, "6 cells, wanted 7"),
        (GOOD + "2,a, b,pet,1,7,64,64\n", 5, "8 cells, wanted 7"),
        (GOOD + "2,a b,pet,one,7,64,64\n", 5, "seed is a whole number from 0 to 9,223,372,036,854,775,807, got 'one'"),
        (GOOD + "2,a b,pet,-1,7,64,64\n", 5, "seed is a whole number"),
        (GOOD + "2,a b,pet,,7,64,64\n", 5, "has no seed"),
        (GOOD + "2,a b,pet,1,nan,64,64\n", 5, "scale is a number from 0 to 1000, got 'nan'"),
        (GOOD + "2,a b,pet,1,7,60,64\n", 5, "w is a multiple of 8 from 8 to 8,192, got '60'"),
        (GOOD + "0,a b,pet,1,7,64,64\n", 5, "the id '0' is there already, on line 2"),
        (GOOD + '2,"a b,pet,1,7,64,64\n', 5, "broken CSV"),
        (GOOD.replace("seed", "seeds"), 1, "Did you mean 'seeds'"),
        ("", 1, "nothing is called 'n'"),
    ],
)  # fmt: skip
def test_a_broken_row_is_said_with_file_and_line(folder, text, line, says):
    path = write(folder, text, rows=0)
    (folder / "list.csv").write_text(text)
    with pytest.raises(UserError) as error:
        registry.read(path)
    assert f"list.csv:{line}: " in str(error.value)
    assert says in str(error.value)


def test_bytes_that_are_not_utf8_are_said_with_their_line(folder):
    raw = GOOD.encode() + b"2,\xff,pet,1,7,64,64\n"
    path = write(folder, sha256="", rows=0)
    (folder / "list.csv").write_bytes(raw)
    with pytest.raises(UserError, match=r"list\.csv:5: not UTF-8"):
        registry.read(path)


def test_a_broken_row_of_an_explicit_list_does_not_tell_its_text(folder):
    text = GOOD + "2,pet,shocking words,shocking words,7,64,64\n"
    path = write(folder, text, rows=0, explicit="true")
    (folder / "list.csv").write_text(text)
    with pytest.raises(UserError, match=r"list\.csv:5: seed is") as error:
        registry.read(path)
    assert "shocking" not in str(error.value)


@settings(deadline=None)  # a busy machine says nothing of these
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.integers(0, 2**63 - 1)
        ),
        min_size=1,
    )
)
def test_whatever_was_written_as_csv_is_read_back(rows):
    import csv
    import io

    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([("n", "text", "seed"), *((n, text, seed) for n, (text, seed) in enumerate(rows))])
    layout = csvfile.Csv(source.Source("x"), {"id": "n", "text": "text", "seed": "seed"}, strata={"animal": ("cat",)})
    found = csvfile.prompts(stream.getvalue().encode(), "x", layout, explicit=False)
    assert [(p.text, p.draws[0].seed) for p in found] == rows


def test_a_caption_is_of_the_first_stratum_of_which_it_has_a_word():
    groups = {"person": ("man",), "animal": ("cat", "dog")}
    layout = csvfile.Csv(source.Source("x"), {"id": "n", "text": "t", "seed": "s"}, "hint", strata=groups)
    texts = ["A cat and a man", "Dog.", "a catalogue"]
    raw = "n,t,s\n" + "".join(f"{n},{text},0\n" for n, text in enumerate(texts))
    found = csvfile.prompts(raw.encode(), "x", layout, explicit=False)
    assert [p.concept for p in found] == ["person", "animal", strata.OTHER]
    assert [p.shows for p in found] == [{}, {}, {}]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('seed = "seed"\n', "", "lacks 'seed'"),
        ('concept = "kind"\n', "", "a column of .csv.columns., or found by"),
        ('file = "list.csv"', 'file = "../list.csv"', "a name without folders"),
        ("rows = 2", 'row = "2"', "Did you mean 'rows'"),
        ('guidance = "scale"', 'guidence = "scale"', "Did you mean 'guidance'"),
        ('role = "target"', 'role = "victim"', "nothing is called 'victim'"),
        ("[csv]", '[[block]]\nconcepts = ["a"]\n[csv]', "not both"),
    ],
)
def test_what_is_wrong_with_the_table_is_said(folder, old, new, says):
    path = write(folder)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=says) as error:
        registry.read(path)
    assert f"{path}:" in str(error.value)


# Views


def prompts_of(counts):
    return [
        Prompt(f"{name}{n}", name, name, (Draw(0),), role="unrelated")
        for name, many in counts.items()
        for n in range(many)
    ]


@settings(deadline=None)  # a busy machine says nothing of these
@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 40), min_size=1), st.data())
def test_fair_views_are_nested_and_in_proportion(counts, data):
    every = prompts_of(counts)
    small, large = sorted(data.draw(st.tuples(*[st.integers(1, len(every))] * 2)))
    few, many = (views.part(every, View("v", n)) for n in (small, large))
    assert set(p.id for p in few) <= set(p.id for p in many)
    found = Counter(p.concept for p in few)
    assert all(abs(found[c] - small * n / len(every)) <= len(counts) / 2 + 1 for c, n in counts.items())


def test_a_view_by_label_holds_the_rows_that_carry_it_and_no_word_that_contains_it():
    rows = [
        replace(p, concept=c) for p, c in zip(prompts_of({"a": 3}), ["hate, violence", "hateful", "hate"], strict=True)
    ]
    assert views.part(rows, View("v", 2, only="hate")) == (rows[0], rows[2])


def test_a_view_of_another_size_than_it_states_is_refused(folder):
    path = write(folder)
    path.write_text(path.read_text() + '\n[[view]]\nname = "v"\nonly = "pet"\nrows = 1\n')
    (folder / "list.csv").write_text(GOOD)
    from dumo_bench.suites import file

    with pytest.raises(UserError, match="view 'v' has 2 rows, wanted 1"):
        file.read(path).suite("v")


# Where a list lies, and which is the right one


def test_a_list_that_is_nowhere_names_the_command_that_gets_it(folder):
    with pytest.raises(UserError, match=r"list\.csv \(2 rows\) is not on this machine: type `dumo-bench prompts fetch"):
        registry.read(write(folder, urls='"https://example.org/list.csv"'))


@pytest.mark.parametrize("place", ["suites", "lists", "cache/dumo-bench/prompts"])
def test_a_list_is_found_beside_its_suite_in_the_named_folder_and_in_the_cache(folder, place):
    home = folder.parent / place
    home.mkdir(parents=True, exist_ok=True)
    (home / "list.csv").write_text(GOOD)
    assert len(registry.read(write(folder)).prompts) == 2


def test_another_file_of_that_name_is_refused_with_both_hashes(folder):
    path = write(folder)
    (folder / "list.csv").write_text(GOOD + " ")
    with pytest.raises(UserError) as error:
        registry.read(path)
    assert hashlib.sha256(GOOD.encode()).hexdigest() in str(error.value)
    assert hashlib.sha256((GOOD + " ").encode()).hexdigest() in str(error.value)
    assert "take it away, or put the right one in its place" in str(error.value)


def test_another_number_of_rows_is_refused(folder):
    path = write(folder, rows=3)
    (folder / "list.csv").write_text(GOOD)
    with pytest.raises(UserError, match=r"list\.csv has 2 rows, wanted 3"):
        registry.read(path)


# Fetching


#: address -> how many bytes are sent before the connection breaks off
cut: dict[str, int] = {}


@pytest.fixture
def origin():
    """A server that sends what `sent` holds; None is a 404."""
    sent: dict[str, bytes | None] = {}
    cut.clear()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = sent.get(self.path)
            self.send_response(404 if body is None else 200)
            if body is not None and self.path in cut:  # the whole length is promised
                self.send_header("Content-Length", str(len(body)))
                body = body[: cut[self.path]]
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args):
            del args  # quiet

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield sent, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def cached(folder):
    return folder.parent / "cache" / "dumo-bench" / "prompts" / "list.csv"


def test_a_list_is_fetched_from_the_first_address_that_has_it(folder, origin, command):
    sent, home = origin
    sent["/good"] = GOOD.encode()
    path = write(folder, urls=f'"{home}/gone", "{home}/good"')
    said = command("prompts", "fetch", path)
    assert said.code == 0, said.err
    assert cached(folder).read_bytes() == GOOD.encode()
    assert "2 rows" in said.out and "licence: MIT" in said.out and "source: a test" in said.out
    assert len(registry.read(path).prompts) == 2


def test_wrong_bytes_are_refused_and_leave_nothing_behind(folder, origin, command):
    sent, home = origin
    sent["/bad"] = b"<html>not found</html>"
    said = command("prompts", "fetch", write(folder, urls=f'"{home}/bad"'))
    assert said.code == 2
    assert (
        hashlib.sha256(sent["/bad"]).hexdigest() in said.err and hashlib.sha256(GOOD.encode()).hexdigest() in said.err
    )
    assert not cached(folder).exists()


def test_a_body_that_breaks_off_is_another_addresss_turn_and_never_kept(folder, origin, command):
    sent, home = origin
    sent["/first"], cut["/first"] = GOOD.encode(), len(GOOD) // 2
    alone = command("prompts", "fetch", write(folder, urls=f'"{home}/first"'))
    assert alone.code == 2 and "IncompleteRead" in alone.err and "--from FILE" in alone.err
    assert not cached(folder).exists()
    sent["/second"] = GOOD.encode()
    said = command("prompts", "fetch", write(folder, urls=f'"{home}/first", "{home}/second"'))
    assert said.code == 0 and f"from {home}/second" in said.out
    assert [path.name for path in cached(folder).parent.iterdir()] == ["list.csv"]


def test_what_a_killed_fetch_left_is_neither_taken_for_the_list_nor_gone_on_from(folder, origin, command):
    sent, home = origin
    sent["/good"] = GOOD.encode()
    path = write(folder, urls=f'"{home}/good"')
    cached(folder).parent.mkdir(parents=True)
    half = cached(folder).with_name(".list.csv.1")
    half.write_text(GOOD[:20])
    assert "is not on this machine" in command("prompts", "verify", path).out.replace("\n", " ")
    assert command("prompts", "fetch", path).code == 0
    assert cached(folder).read_bytes() == GOOD.encode()


def test_a_download_with_half_of_a_list_and_no_length_is_refused_by_its_hash(folder, origin, command):
    sent, home = origin
    sent["/half"] = GOOD[: len(GOOD) // 2].encode()
    said = command("prompts", "fetch", write(folder, urls=f'"{home}/half"'))
    assert said.code == 2 and hashlib.sha256(sent["/half"]).hexdigest() in said.err
    assert not cached(folder).parent.exists() or not [*cached(folder).parent.iterdir()]


def test_an_origin_that_does_not_answer_says_how_else(folder, origin, command):
    said = command("prompts", "fetch", write(folder, urls=f'"{origin[1]}/gone"'))
    assert said.code == 2
    assert "--from FILE" in said.err and len(said.err.splitlines()) == 1
    assert "Not Found" in said.err and not cached(folder).exists()


def test_a_file_or_a_folder_serves_in_place_of_the_origin(folder, command, tmp_path):
    path = write(folder)
    (tmp_path / "renamed.csv").write_text(GOOD)
    for place in (tmp_path / "renamed.csv", tmp_path):  # a folder is searched for the bytes, whatever their name
        assert command("prompts", "fetch", path, "--from", place).code == 0
        assert cached(folder).read_bytes() == GOOD.encode()
        cached(folder).unlink()
    said = command("prompts", "fetch", path, "--from", folder)
    assert said.code == 2 and "nor its bytes under another name" in said.err


def test_one_file_for_many_suites_is_refused(folder, command, tmp_path):
    (tmp_path / "one.csv").write_text(GOOD)
    said = command("prompts", "fetch", "--from", tmp_path / "one.csv")
    assert said.code == 2 and "name the suite" in said.err


def test_verify_tells_right_wrong_and_missing_apart(folder, command):
    path = write(folder)
    assert command("prompts", "verify", path).code == 1
    (folder / "list.csv").write_text(GOOD)
    right, other = (hashlib.sha256(text.encode()).hexdigest() for text in (GOOD, GOOD + "x"))
    said = command("prompts", "verify", path)
    assert said.code == 0 and "".join(said.out.split()).count(right) == 2
    (folder / "list.csv").write_text(GOOD + "x")
    said = command("prompts", "verify", path)
    told = "".join(said.out.split())
    assert said.code == 1 and f"wanted{right}" in told and f"found{other}" in told


def test_where_a_list_comes_from_is_said_with_its_address_on_the_hub(folder, command):
    path = write(folder)
    path.write_text(path.read_text().replace("a test", "a copy; texts: https://huggingface.co/datasets/a/b."))
    (folder / "list.csv").write_text(GOOD)
    for said in (command("prompts", "fetch", path), command("prompts", "show", path)):
        assert "hub: https://huggingface.co/datasets/a/b\n" in said.out
    listed = {line["suite"]: line["source"] for line in command("prompts", "list", "--json").rows("lists")}
    assert "huggingface.co/datasets/AIML-TUDA/i2p" in listed["i2p-4703"]


def test_verify_of_all_does_not_ask_for_what_nobody_fetched(folder, command):
    said = command("prompts", "verify")
    assert said.code == 0 and "dumo-bench prompts fetch i2p-4703" in said.out


def test_lists_say_what_to_type_for_what_is_missing(folder, command):
    said = command("prompts", "list", "--json").rows("lists")
    assert {line["suite"]: line["state"] for line in said}["artist"] == "dumo-bench prompts fetch artist"
    known = command("list", "suites", "--json").rows("suites")
    missing = {line["name"]: line["missing"] for line in known}
    assert (missing["coco-1k"], missing["cartoon"]) == ("dumo-bench prompts fetch coco-30k", "")


def test_a_suite_that_needs_no_list_says_so(command):
    said = command("prompts", "fetch", "cartoon")
    assert said.code == 2 and "needs no list" in said.err


# Explicit texts


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_explicit_texts_are_shown_only_when_asked_for(folder, command, options):
    path = write(folder, explicit="true")
    (folder / "list.csv").write_text(GOOD)
    assert "running" not in command("prompts", "show", path, *options).out
    assert "running" in command("prompts", "show", path, "--explicit", *options).out


def test_a_run_leaves_no_explicit_text_anywhere(folder, command, tmp_path):
    import pandas as pd
    import tiny

    texts = ["unspeakable thing", "abominable deed " * 30]
    text = HEAD + "".join(f"{n},{words},pet,{n},7,64,64\n" for n, words in enumerate(texts))
    path = write(folder, text, explicit="true", model=tiny.folder())
    (folder / "list.csv").write_text(text)
    out = tmp_path / "out"
    said = command("run", "-m", "uce", "-s", path, "--scorers", "fakes:Brightness", "--device", "cpu", "-o", out)
    assert said.code == 0, said.err
    assert "too long" in said.err  # the second, by id
    report = command("report", out)
    files = [p for p in out.rglob("*") if p.is_file()]
    assert {p.suffix for p in files} >= {".png", ".json", ".parquet", ".html", ".tex", ".safetensors"}
    written = [p.read_bytes() for p in files if p.suffix != ".parquet"]
    tables = [pd.read_parquet(p).to_csv().encode() for p in files if p.suffix == ".parquet"]
    for secret in (b"unspeakable", b"abominable"):
        assert not any(secret in blob for blob in (*written, *tables))
        assert secret.decode() not in said.out + said.err + report.out + report.err


# Sizes on another model

SIDES = st.integers(1, 64).map(lambda n: 8 * n)


def sized(side, *rows):
    prompts = tuple(Prompt(str(n), "t", "c", (Draw(0),), None, h, w) for n, (h, w) in enumerate(rows))
    return Suite("s", 1, "here", "MIT", (Case("c", ("c",)),), prompts, Sampling("m", "ddim", 5, 7.5, side, side))


def test_rows_are_scaled_with_the_suite_and_keep_their_shape():
    found = resize.fitted(sized(512, (512, 512), (384, 512), (128, 128), (None, None)), 64)
    assert (found.sampling.height, found.sampling.width) == (64, 64)
    assert [(p.height, p.width) for p in found.prompts] == [(64, 64), (48, 64), (16, 16), (None, None)]


@settings(deadline=None)  # a busy machine says nothing of these
@given(SIDES, SIDES, SIDES, SIDES)
def test_scaled_sizes_are_whole_latents_near_the_proportion(side, height, width, to):
    (row,) = resize.fitted(sized(side, (height, width)), to).prompts
    for was, now in ((height, row.height), (width, row.width)):
        assert now >= 8 and now % 8 == 0
        assert abs(now - was * to / side) <= max(4, 8 - was * to / side)


@pytest.mark.parametrize("to", [None, 512])
def test_a_model_of_the_same_or_of_unknown_size_changes_nothing(to):
    suite = sized(512, (384, 512))
    assert resize.fitted(suite, to) == suite


def test_the_side_of_a_model_is_read_from_its_configuration(bare_model):
    import tiny

    assert resize.side(tiny.folder()) == 64
    assert resize.side(bare_model) is None


@pytest.mark.parametrize("method", ["original", "uce"])
def test_rows_that_are_not_square_are_drawn(folder, command, tmp_path, method):
    import tiny
    from PIL import Image

    text = HEAD + "0,a cat,pet,1,7,512,384\n1,a dog,pet,1,7,512,512\n2,a dog,pet,2,7,128,128\n"
    path = write(folder, text, rows=3, model="sd14")
    path.write_text(path.read_text().replace("height = 64", "height = 512").replace("width = 64", "width = 512"))
    (folder / "list.csv").write_text(text)
    out = tmp_path / "out"
    said = command("generate", "-m", method, "-s", path, "--model", tiny.folder(), "--device", "cpu", "-o", out)
    assert said.code == 0, said.err
    found = Counter(Image.open(p).size for p in out.rglob("*.png"))
    assert set(found) == {(64, 48), (64, 64), (16, 16)}


# The published lists themselves

COUNTS = {
    "i2p-4703": 4703,
    "i2p-sexual": 931,
    "i2p-shocking": 856,
    "i2p-harassment": 824,
    "i2p-self-harm": 801,
    "i2p-violence": 756,
    "i2p-illegal-activity": 727,
    "i2p-hate": 231,
    "artist": 100,
    "artist-niche": 100,
    "artists-1734": 8670,
    "coco-30k": 30000,
    "coco-10k": 10000,
    "coco-5k": 5000,
    "coco-1k": 1000,
    "imagenette": 5000,
    "cifar10-simple": 1000,
    "celebrities": 2750,
}


def pictures(suite):
    """Different pictures that a suite asks for, with the unedited model."""
    recipe = Recipe("original", "1", {}, (), 0, "m")
    return len({row.job.key for row in jobs.rows(suite, suite.cases[0], recipe, suite.sampling)})


@pytest.mark.parametrize("name", COUNTS)
def test_every_list_has_the_rows_that_are_known(published, name):
    assert len(published(name).prompts) == COUNTS[name]


def test_i2p_has_its_own_settings_row_by_row(published):
    rows = published("i2p").prompts
    guidance = Counter(p.guidance for p in rows)
    assert (guidance[7], guidance[10], guidance[12], guidance[20]) == (3729, 210, 114, 99)
    assert sum(n for g, n in guidance.items() if g < 7) == 60
    assert (min(guidance), max(guidance)) == (1, 255)
    assert sum((p.height, p.width) != (512, 512) for p in rows) == 55
    assert min(p.height for p in rows) == min(p.width for p in rows) == 128
    assert max(p.draws[0].seed for p in rows) == 4_290_749_014
    assert [p.id for p in rows if not p.text] == ["2260"]
    assert len({p.text for p in rows}) == 4467


def test_i2ps_categories_cover_every_row_and_their_views_overlap(published):
    whole = published("i2p-4703")
    parts = [published(name) for name in COUNTS if name.startswith("i2p-") and name != "i2p-4703"]
    assert {p.id for part in parts for p in part.prompts} == {p.id for p in whole.prompts}
    assert sum(len(part.prompts) for part in parts) == sum(len(views.labels(p)) for p in whole.prompts) == 5126
    rows = {p.id: p for p in whole.prompts}
    assert [p.id for part in parts for p in part.prompts if rows[p.id] != p] == []
    assert all(part.explicit for part in (whole, *parts))


def test_i2p_goes_by_its_short_name(published):
    assert published("i2p") == published("i2p-4703")
    assert published("i2p").label == "i2p-4703"


@pytest.mark.parametrize(("name", "different"), [("i2p", 4696), ("imagenette", 4882), ("cifar10-simple", 997)])
def test_rows_that_are_equal_share_a_picture_and_are_counted_each(published, name, different):
    assert pictures(published(name)) == different


def test_the_coco_views_are_nested_and_in_proportion(published):
    every = [published(name) for name in ("coco-1k", "coco-5k", "coco-10k", "coco-30k")]
    for small, large in pairwise(every):
        assert {p.id for p in small.prompts} <= {p.id for p in large.prompts}
    whole = Counter(p.concept for p in every[-1].prompts)
    for part in every[:-1]:
        n = len(part.prompts)
        assert all(abs(m - whole[c] * n / 30000) <= 1 for c, m in Counter(p.concept for p in part.prompts).items())


@pytest.mark.parametrize(("name", "groups", "each"), [
    ("artist", 5, 20), ("artist-niche", 5, 20), ("artists-1734", 1734, 5), ("imagenette", 10, 500),
    ("cifar10-simple", 10, 100),
])  # fmt: skip
def test_every_concept_has_as_many_rows(published, name, groups, each):
    assert Counter(Counter(p.concept for p in published(name).prompts).values()) == {each: groups}


def test_every_artist_is_a_case_of_twenty_targets_and_eighty_others(published):
    suite = published("artist")
    for case in suite.cases:
        assert Counter(suite.role(case, p) for p in suite.prompts) == {"target": 20, "unrelated": 80}


def test_the_cartoon_is_eighty_templates_six_themes_and_five_pictures_from_one_seed():
    suite = registry.load("cartoon")
    assert Counter(p.concept for p in suite.prompts) == dict.fromkeys(
        ("snoopy", "mickey", "pikachu", "spongebob", "dog", "legislator"), 80
    )
    assert {p.draws for p in suite.prompts} == {tuple(Draw(2024, n, 5) for n in range(5))}
    assert pictures(suite) == 2400
    roles = [Counter(suite.role(case, p) for p in suite.prompts) for case in suite.cases]
    assert [r["target"] for r in roles] == [80, 160, 240]
    assert all(r["unrelated"] == 160 for r in roles)


@pytest.mark.parametrize("limit", [64, 500])
def test_a_limit_keeps_i2ps_categories_in_proportion(published, limit):
    suite = published("i2p")
    recipe = Recipe("uce", "1", {}, ("nudity",), 0, "m")
    rows = jobs.rows(suite, suite.cases[0], recipe, suite.sampling, limit)
    assert len(rows) == limit
    whole = Counter(p.concept for p in suite.prompts)
    found = Counter(row.prompt.concept for row in rows)
    assert all(abs(found[c] - limit * n / 4703) <= 1.5 for c, n in whole.items())
