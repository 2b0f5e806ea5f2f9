"""The page as a file: nothing is loaded, nothing but its own scripts runs, every picture is in it and is judged."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from test_hostile import NASTY, UNSEEN, cases, nasty
from test_report import EVIL, Page, results, suite

from dumo_bench import report
from dumo_bench.report import page, page_parts, pictures, thumbnails
from dumo_bench.types import Suite

quick = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
BREAKERS = ("</script><img src=x onerror=alert(1)>", "<!--<script>", "]]>", "\u2028alert(1)", "'-alert(1)-'", "{{7*7}}")
hostile = nasty | st.lists(st.sampled_from(BREAKERS), min_size=1, max_size=3).map(" ".join)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return results(tmp_path_factory.mktemp("results"))


def written(folder: Path, known: Suite | None, **how: bool) -> str:
    report.write(report.read(folder), {known.name: known} if known else None, **how)
    return (folder / "report.html").read_text(encoding="utf-8")


def block(text: str, name: str) -> Any:
    """The data that a script of the page reads."""
    (found,) = re.findall(rf'<script type="application/json" id="data-{name}">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def scripts(text: str) -> list[str]:
    return re.findall(r'<script type="module">(.*?)</script>', text, re.DOTALL)


def sha(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def policy(text: str) -> dict[str, list[str]]:
    (said,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', text)
    return {one.split()[0]: one.split()[1:] for one in unescape(said).split(";")}


# --- what may run and load


def test_the_policy_names_exactly_the_scripts_and_the_style_of_the_page(folder):
    text = written(folder, suite())
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    found = policy(text)
    assert found["script-src"] == [sha(one) for one in scripts(text)] and len(scripts(text)) == 3
    assert found["style-src"] == [sha(style)]
    assert found["default-src"] == found["base-uri"] == found["form-action"] == found["style-src-attr"] == ["'none'"]
    assert found["img-src"] == ["data:"]


def test_the_policy_stands_before_all_that_it_rules(folder):
    text = written(folder, suite())
    assert text.index("Content-Security-Policy") < text.index("<style>") < text.index("<script")


def test_the_page_names_no_address_that_it_could_load(folder):
    text = written(folder, suite())
    found = Page(text)
    assert not [tag for tag, _ in found.tags if tag in ("iframe", "object", "embed", "base", "video")]
    assert [link["href"] for link in found.all("link")] == ["data:,"]  # or a browser asks for an icon
    assert not [one for one in found.all("script") if "src" in one]
    assert all(str(image["src"]).startswith("data:image/") for image in found.all("img"))
    assert all(str(link["href"]).startswith("#") for link in found.all("a"))
    assert not [attributes for _, attributes in found.tags if "style" in attributes]
    own = [page_parts._asset(name) for name in ("page.js", "gallery.js", "page.css")]
    assert not re.search(r"https?:|url\(|@import|eval\(|innerHTML|insertAdjacentHTML|document\.write", "".join(own))


def test_vega_is_one_script_that_ends_no_element():
    assert "</script" not in page_parts._vega() and not UNSEEN.search(page_parts._vega())


@quick
@given(hostile)
def test_no_text_is_alive_on_the_page(text):
    data = pictures.Pictures([], {"prompts": [text], "methods": [text], text: text})
    shown = page_parts.Gallery(data.data, [text], [text])
    sections = [page.Section(one, {text: text}, verdict=text, verdicts=[text]) for one in cases(text)]
    ran = page.Ran([text], True, [text], [text], 1, text, [text])
    bare = page.render([page.Section(one) for one in cases("x")], ran=ran, shown=page_parts.Gallery({}, [], []))
    found = page.render(sections, ran=ran, shown=shown)
    assert scripts(found) == scripts(bare)
    acts = ("script", "img", "iframe", "svg", "style", "meta")
    assert [tag for tag, _ in Page(found).tags if tag in acts] == [tag for tag, _ in Page(bare).tags if tag in acts]
    assert not [name for _, attributes in Page(found).tags for name in attributes if name.startswith("on")]
    assert not UNSEEN.search(report.plain(found).replace("\u2028", ""))


@pytest.mark.parametrize("text", [*NASTY, *BREAKERS])
def test_data_of_the_page_come_back_as_they_are_shown(text):
    found = page_parts._json({"a": [text, 1, None, 0.5], text: True})
    assert not re.search("[<>&]", found)
    assert json.loads(found) == {"a": [report.plain(text), 1, None, 0.5], report.plain(text): True}


def test_a_prompt_that_ends_a_script_is_shown_and_does_not(folder):
    text = written(folder, suite())
    assert f"{EVIL} ghost 0" in block(text, "pictures")["prompts"]
    assert len(re.findall("<script", text)) == 3 + 3  # its own, and its data


# --- pictures


def test_every_picture_of_every_prompt_is_in_the_page(folder):
    text = written(folder, suite())
    data, thumbs = block(text, "pictures"), block(text, "thumbs")
    assert len(data["lines"]) == 36 and len(data["line"]) == len(data["method"]) == len(data["key"]) == 3 * 36
    assert data["methods"] == ["original", "dumo", "uce"]
    assert len(data["keys"]) == len(set(data["keys"])) == len(thumbs) == 3 * 36
    for one in filter(None, thumbs):
        with Image.open(io.BytesIO(base64.b64decode(one))) as picture:
            assert picture.format == "WEBP" and picture.size == (64, 64)
    (lost,) = [key for key, one in zip(data["keys"], thumbs, strict=True) if not one]
    assert bytes.fromhex(lost).startswith(b"2dog-00")


def test_a_picture_is_beside_its_own_method_and_prompt(folder):
    text = written(folder, suite())
    data, thumbs = block(text, "pictures"), block(text, "thumbs")
    for line, method, key in zip(data["line"], data["method"], data["key"], strict=True):
        made = bytes.fromhex(data["keys"][key]).rstrip(b"\0").decode()
        prompt = data["prompts"][data["lines"][line][3]]
        concept, n = prompt.removeprefix(f"{EVIL} ").split()
        assert made == f"{method}{concept}-{int(n):02d}"
        if thumbs[key]:
            with Image.open(io.BytesIO(base64.b64decode(thumbs[key]))) as picture:
                red = np.asarray(picture.convert("RGB"))[..., 0].mean()
            assert abs(red - 80 * method) < 8


def test_without_images_there_are_none(folder):
    text = written(folder, suite(), images=False)
    assert "data-thumbs" not in text and "data-pictures" not in text and 'href="#pictures' not in text
    assert policy(text)["img-src"] == ["data:"]


@pytest.mark.parametrize("known", [suite(explicit=True), None])
def test_texts_of_explicit_and_unknown_suites_are_ids_and_their_pictures_blurred(folder, known):
    text = written(folder, known)
    data = block(text, "pictures")
    assert "alert('x')" not in "".join(data["prompts"]) and "ghost-00" in data["prompts"]
    assert [blurred for *_, blurred in data["cases"]] == [True]
    assert [blurred for *_, blurred in block(written(folder, suite()), "pictures")["cases"]] == [False]


def test_the_tlmo_table_of_the_edit_is_on_the_page(folder):
    found = Page(written(folder, suite()))
    assert [image["alt"] for image in found.all("img") if "TLMO" in str(image["alt"])] == ["TLMO scales of dumo: ghost"]


# --- small copies


def some(folder: Path, n: int, side: int) -> list[Any]:
    rng = np.random.default_rng(0)
    for i in range(n):
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return [lambda i=i: folder / f"{i}.png" for i in range(n)]


def size(text: str) -> tuple[int, int]:
    with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
        return picture.size


def test_small_copies_are_as_large_as_the_budget_allows(tmp_path):
    every = some(tmp_path, 12, 256)
    sides = []
    for budget in (10**9, 100_000, 40_000):
        found = thumbnails.inside(every, budget)
        assert found.left_out == 0 and all(found.copies) and sum(map(len, found.copies)) <= budget
        sides.append({size(one) for one in found.copies})
    assert sides[0] == {(192, 192)} and all(len(one) == 1 for one in sides)
    assert max(sides[0]) > max(sides[1]) > max(sides[2])


def test_where_not_all_have_room_the_first_have_it_and_the_rest_are_counted(tmp_path):
    found = thumbnails.inside(some(tmp_path, 12, 64), 8_000)
    there = [bool(one) for one in found.copies]
    assert len(there) == 12 and there == sorted(there, reverse=True) and 0 < sum(there) < 12
    assert found.left_out == 12 - sum(there) and sum(map(len, found.copies)) <= 8_000


def test_a_small_picture_is_not_made_larger(tmp_path):
    assert {size(one) for one in thumbnails.inside(some(tmp_path, 2, 64)).copies} == {(64, 64)}


def test_no_pictures_are_no_copies():
    assert thumbnails.inside([]) == thumbnails.Small([], 0)
    assert thumbnails.inside([lambda: None]) == thumbnails.Small([""], 0)


def test_no_damage_to_a_picture_stops_a_report(tmp_path):
    path = tmp_path / "a.png"
    Image.effect_noise((64, 64), 50).save(path)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for i in range(400):
        broken = bytearray(whole)
        broken[rng.integers(0, 60)] = rng.integers(0, 256)
        path.write_bytes(broken[: rng.integers(0, len(broken))] if i % 2 else broken)
        assert thumbnails.webp(path, thumbnails.SIZES[0])[:4] in (b"", b"RIFF")
