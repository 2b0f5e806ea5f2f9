"""The page in a real browser: what is clicked, filtered, uncovered and zoomed, and that nothing else runs or loads."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pictured
import pytest

from dumo_bench import report
from dumo_bench.types import Suite
from dumo_bench.view import server

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no chromium here (apt install chromium)")
ALIVE = (
    "</script><img src=x onerror=\"document.title='ran'\">",
    "<img src=x onerror=\"document.title='ran'\">",
    "<!--<script>document.title='ran'</script>",
    "<a href=\"javascript:document.title='ran'\">x</a> {{constructor.constructor('document.title=1')()}}",
)
PHONE = {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "has_touch": True}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        found = p.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """`opened(address)`: a page of the browser. At the end: nothing was said on its console, nothing but what it may
    was asked for."""
    contexts, faults = [], []

    def open_(address: str, **how: Any) -> Any:
        contexts.append(browser.new_context(**how))
        page = contexts[-1].new_page()
        page.on("console", lambda said: faults.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        own = address.partition("#")[0]
        page.on("request", lambda asked: asked.url.startswith((own, "data:")) or faults.append(f"asked {asked.url}"))
        page.goto(address)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert faults == []


def written(folder: Path, known: Suite | None, **how: bool) -> Path:
    report.write(report.read(folder), {known.name: known} if known else {}, **how)
    return folder / "report.html"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """`address("shown")`: a page of one folder whose suite is shown, explicit or unknown, or that has no images."""
    out = pictured.results(tmp_path_factory.mktemp("pictured"))
    how = {
        "shown": pictured.suite(),
        "explicit": pictured.suite(explicit=True),
        "unknown": None,
        "bare": pictured.suite(),
    }

    @cache
    def made(name: str) -> str:
        page = written(out, how[name], images=name != "bare")
        return page.rename(out / f"{name}.html").as_uri()

    return made


def lines(page: Any) -> list[str]:
    """The prompts that are shown, in their order."""
    return page.locator("#lines h3").all_text_contents()


def choose(page: Any, **wanted: str) -> None:
    for name, label in wanted.items():
        page.locator(f"#filters [name={name}]").select_option(label=label)


def count(page: Any) -> str:
    return page.locator("#count").inner_text()


def focused(page: Any) -> str | None:
    return page.evaluate("document.activeElement.getAttribute('aria-label')")


def becomes(read: Callable[[], Any], wanted: Any) -> None:
    """What is read is this, as soon as the page has answered a key or an address. (A wait of Playwright's own would
    evaluate a text in the page, which its policy forbids.)"""
    end = time.monotonic() + 5
    while read() != wanted and time.monotonic() < end:
        time.sleep(0.02)
    assert read() == wanted


def test_the_first_screen_says_what_ran_and_the_verdict(address, opened):
    page = opened(address("shown"))
    said = page.locator("#overview").inner_text()
    assert "108 pictures on 1 case: the unedited model and 2 methods, measured by concept." in said
    assert "1 of 2 methods erase significantly. Least left: dumo shows the erased concept in 0.08" in said
    assert [one.is_visible() for one in page.locator("section.part").all()] == [True, False, False]


def test_tabs_show_a_part_each_and_charts_are_drawn_when_looked_at(address, opened):
    page = opened(address("shown"))
    assert page.locator(".view svg").count() == 0
    page.get_by_role("link", name="emoji-cartoon: ghost", exact=True).click()
    assert page.locator("#case-1").is_visible() and not page.locator("#overview").is_visible()
    page.locator(".view svg").first.wait_for()
    for view in page.locator(".view").all():
        view.scroll_into_view_if_needed()
        view.locator("svg").wait_for()
        drawn, frame = view.locator("svg").bounding_box(), view.bounding_box()
        assert 0 < drawn["width"] <= frame["width"] + 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_and_page_have_the_colours_of_the_system(address, opened, scheme):
    page = opened(address("shown") + "#case-1", color_scheme=scheme)
    page.locator(".view svg text").first.wait_for()
    ink = page.locator(".view svg text").first.get_attribute("fill")
    assert ink == {"light": "#1d2330", "dark": "#e6e9ef"}[scheme]


def test_filters_find_what_a_method_left_and_what_it_lost(address, opened):
    page = opened(address("shown") + "#pictures")
    becomes(lambda: count(page), "108 pictures of 36 prompts")
    choose(page, method="uce", code="erased, still shown")
    becomes(lambda: count(page), "6 pictures of 6 prompts")
    assert lines(page) == [f"a ghost {n}" for n in (5, 4, 3, 2, 1, 0)]  # the surest first
    assert page.locator("#lines article").first.locator("figcaption b").all_inner_texts() == ["original", "uce"]
    choose(page, method="all", code="kept, lost")
    assert lines(page) == ["a alien 1"]
    choose(page, code="not in the unedited picture either")
    assert lines(page) == ["a dog 3"] and count(page) == "2 pictures of 1 prompt"
    choose(page, sort="by prompt", code="all", role="related")
    assert lines(page) == [f"a alien {n}" for n in range(12)]
    page.locator("#filters [name=find]").fill("alien 11")
    assert lines(page) == ["a alien 11"]
    page.locator("#filters [name=reset]").click()
    becomes(lambda: count(page), "108 pictures of 36 prompts")
    page.locator("#filters [name=find]").fill("no such text")
    becomes(lambda: count(page), "No picture is like that.")


def test_a_link_from_the_verdict_opens_its_failures_and_a_filter_is_in_the_address(address, opened):
    page = opened(address("shown"))
    page.get_by_role("link", name="still shown").click()
    becomes(lambda: count(page), "7 pictures of 6 prompts")
    choose(page, method="dumo")
    again = opened(page.url)
    becomes(lambda: count(again), "1 picture of 1 prompt")
    assert lines(again) == ["a ghost 0"]


def test_all_pictures_come_as_one_scrolls(address, opened):
    page = opened(address("shown") + "#pictures", viewport={"width": 1200, "height": 500})
    assert page.locator("#lines article").count() < 36
    for _ in range(30):
        page.mouse.wheel(0, 3000)
        page.wait_for_timeout(30)
    assert page.locator("#lines article").count() == 36
    assert page.locator("#lines button").count() == 108
    assert page.locator("#lines button", has_text="no picture").count() == 1


def test_a_picture_is_zoomed_beside_the_unedited_one_and_keys_lead_on(address, opened):
    page = opened(address("shown") + "#pictures?role=0&sort=order")
    page.locator("#lines button").nth(1).click()
    zoom = page.locator("#zoom")
    shown = lambda: [*zoom.locator("figcaption b").all_inner_texts(), zoom.locator(".said").inner_text()]  # noqa: E731
    becomes(shown, ["original", "dumo", "a ghost 0"])
    page.keyboard.press("ArrowRight")
    becomes(shown, ["original", "uce", "a ghost 0"])
    page.keyboard.press("ArrowDown")
    becomes(shown, ["original", "uce", "a ghost 1"])
    page.keyboard.press("Escape")
    page.locator("#zoom").wait_for(state="hidden")
    becomes(lambda: focused(page), "uce: erased, still shown")


def test_arrows_lead_from_picture_to_picture(address, opened):
    page = opened(address("shown") + "#pictures?role=0&sort=order")
    page.locator("#lines button").first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    line = page.evaluate("document.activeElement.closest('article').querySelector('h3').innerText")
    assert (line, page.evaluate("document.activeElement.getAttribute('aria-label')")) == (
        "a ghost 1",
        "dumo: erased, gone",
    )


@pytest.mark.parametrize("known", ["explicit", "unknown"])
def test_explicit_pictures_are_blurred_until_each_is_clicked_or_all_are_switched_on(address, opened, known):
    page = opened(address(known) + "#pictures?role=0&sort=order")
    assert lines(page)[0] == "ghost-00"
    images = page.locator("#lines img")
    blurred = lambda: [one.evaluate("one => getComputedStyle(one).filter") != "none" for one in images.all()]  # noqa: E731
    assert set(blurred()) == {True}
    page.locator("#lines button").nth(1).click()
    assert blurred()[:3] == [True, False, True] and not page.locator("#zoom").is_visible()
    page.locator("#lines button").nth(1).click()
    assert page.locator("#zoom").is_visible()
    beside = page.locator("#zoom img")
    assert [one.evaluate("one => getComputedStyle(one).filter") != "none" for one in beside.all()] == [True, False]
    page.keyboard.press("Escape")
    page.get_by_label("show blurred pictures").check()
    assert set(blurred()) == {False}
    page.get_by_label("show blurred pictures").uncheck()
    assert blurred()[:3] == [True, False, True]


@pytest.mark.parametrize("text", ALIVE)
def test_no_suites_text_ever_runs(tmp_path, opened, text):
    out, known = pictured.results(tmp_path), pictured.suite(text.replace("{", "{{").replace("}", "}}") + " {n}")
    page = opened(written(out, known).as_uri() + "#pictures")
    assert lines(page)[0].startswith(text[:20])
    page.locator("#lines button").nth(1).click()
    page.locator("#zoom").wait_for()
    assert page.locator("main img[src=x], dialog img[src=x]").count() == 0
    assert page.title() == "dumo-bench report"


def test_a_script_that_got_into_the_page_would_not_run(address, browser, tmp_path):
    """The policy, by itself: text that was let through as an element."""
    whole = Path(address("shown").removeprefix("file://")).read_text()
    evil = "<script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\"><img src='http://127.0.0.1:9/'>"
    (tmp_path / "evil.html").write_text(whole.replace("<main>", f"<main>{evil}"))
    page, refused, asked = browser.new_page(), [], []
    page.on("console", lambda said: refused.append(said.text))
    page.on("requestfinished", lambda one: asked.append(one.url))
    page.goto((tmp_path / "evil.html").as_uri())
    assert page.title() == "dumo-bench report" and asked == [(tmp_path / "evil.html").as_uri()]
    assert sum("Content Security Policy" in said for said in refused) >= 3
    page.close()


def test_on_a_phone_nothing_is_wider_than_the_screen(address, opened):
    for part in ("overview", "pictures", "case-1"):
        page = opened(f"{address('shown')}#{part}", **PHONE)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, part
    page = opened(address("shown") + "#pictures", **PHONE)
    page.locator("#lines button").nth(1).tap()
    assert page.locator("#zoom").bounding_box()["width"] <= 390


def test_without_images_the_page_has_its_tables_and_charts(address, opened):
    page = opened(address("bare") + "#case-1")
    page.locator(".view svg").first.wait_for()
    assert page.locator("#pictures").count() == 0 and page.locator("table").first.is_visible()


def test_a_served_folder_shows_small_pictures_lazily_and_full_ones_when_zoomed(tmp_path, browser):
    out, known = pictured.results(tmp_path, side=512), pictured.suite()
    made = report.page_of(report.read(out), {known.name: known})
    serving = server.Server(server.Site(out, lambda: made))
    threading.Thread(target=server.serve, args=(serving,), daemon=True).start()
    try:
        asked, faults = [], []
        page = browser.new_page(viewport={"width": 1200, "height": 500})
        page.on("requestfinished", lambda one: asked.append(one.url.removeprefix(serving.address)))
        page.on("console", lambda said: faults.append(said.text))
        page.goto(serving.address + "#pictures?role=0&sort=order")
        page.locator("#lines img").first.evaluate("one => one.decode()")
        assert {one.split("/")[0] for one in asked} <= {"", "#pictures?role=0&sort=order", "thumb"}
        page.locator("#lines button").nth(1).click()
        for image in page.locator("#zoom img").all():
            image.evaluate("one => one.decode()")
        assert page.locator("#zoom img").nth(1).evaluate("one => one.naturalWidth") == 512
        assert {f"image/{pictured.key('dumo', 'ghost', 0)}", f"image/{pictured.key('original', 'ghost', 0)}"} <= set(
            asked
        )
        assert faults == []
        page.close()
    finally:
        serving.shutdown()
