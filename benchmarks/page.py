"""How large a report's page is, how long it takes to write, and how soon a browser shows and filters it.

    python benchmarks/page.py [--pictures 5000] [--size 512] [--slower 4]

A results folder of five methods on two cases is made up: verdicts by chance, pictures that are crops of a photograph
that matplotlib ships, 200 different ones, each linked to many names. Chromium, without a window, opens report.html from
the disk and then what `view` serves. First paint is the browser's own, from the start of loading; a filter's time runs
from the choice to the second frame behind it, when it has been drawn. `--slower 4` has the browser compute so many
times slower, as a phone does. Medians and the worst of `--rounds`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from dumo_bench import report
from dumo_bench.analysis import summary
from dumo_bench.report import gallery
from dumo_bench.run import manifest
from dumo_bench.storage import table
from dumo_bench.types import Suite
from dumo_bench.view import server

METHODS, CASES = ("original", "dumo", "esd", "uce", "rece"), ("ghost", "noto")
ROLES = ("target", "related", "unrelated")
DISTINCT = 200
FILTERS = [("method", "uce"), ("code", "erased, still shown"), ("method", "all"), ("code", "kept, lost")]
FILTERS += [("code", "all"), ("role", "target"), ("sort", "by prompt"), ("role", "all"), ("sort", "worst first")]
TIMED = """([name, label]) => new Promise((done) => {
  const select = document.querySelector(`#filters [name=${name}]`);
  select.value = [...select.options].find((one) => one.textContent === label).value;
  const start = performance.now();
  select.dispatchEvent(new Event("input", { bubbles: true }));
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)));
})"""


def crops(size: int) -> Iterator[Any]:
    """Square pieces of a photograph."""
    import matplotlib
    from PIL import Image

    photo = Image.open(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg").convert("RGB")
    rng = np.random.default_rng(0)
    for x, y, side in zip(*rng.integers((0, 0, 250), (200, 200, 400), (DISTINCT, 3)).T, strict=True):
        yield photo.crop((int(x), int(y), int(x + side), int(y + side))).resize((size, size))


def folder(out: Path, pictures: int, size: int) -> Path:
    """A results folder of so many pictures."""
    rng, rows, n = np.random.default_rng(1), [], 0
    first = [out / f"{i}.png" for i in range(DISTINCT)]
    for path, picture in zip(first, crops(size), strict=True):
        picture.save(path)
    for prompt in range(pictures // len(METHODS)):
        for method in METHODS:
            key = f"{n:064x}"
            place = gallery.image(out, key)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.link(first[n % DISTINCT], place)
            rows += _rows(method, prompt, key, rng.random())
            n += 1
    table.write_part(out / "tables", "scores", "a", rows)
    summary.write(out)
    return out


def _rows(method: str, prompt: int, key: str, p: float) -> list[dict[str, Any]]:
    role = ROLES[prompt % 3]
    concept = "ghost" if role == "target" else f"concept {prompt % 40}"
    run = {
        "suite": "made-up", "suite_version": 1, "case": CASES[prompt % 2], "method": method, "method_version": "1",
        "params": "{}", "erases": "object", "erase": "[]" if method == "original" else '["ghost"]', "fit_seed": 0,
        "edit": "", "model": "m", "sampling": "s", "prompt_id": f"a picture of {concept}, number {prompt}",
        "concept": concept, "role": role, "seed": prompt, "draw": 0, "key": key, "scorer": "concept",
        "scorer_version": "1", "reason": "", "note": f"{concept}/photo", "content": None, "batch": None,
    }  # fmt: skip
    p = 0.5 + p / 2 if method == "original" else p
    values = {"judge.object": float(p > 0.5), "judge.object_p": p, "judge.erased": float(p > 0.5), "judge.erased_p": p}
    return [run | {"metric": metric, "value": value} for metric, value in values.items()]


def opened(browser: Browser, address: str, slower: float) -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    if slower > 1:
        page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
    page.goto(address)
    return page


def measured(browser: Browser, address: str, slower: float, rounds: int) -> dict[str, list[float]]:
    """First paint and until all scripts have run, in seconds; filters, in milliseconds."""
    found: dict[str, list[float]] = {"first paint, s": [], "ready, s": [], "filter, ms": []}
    for _ in range(rounds):
        page = opened(browser, address, slower)
        (paint,) = page.evaluate("performance.getEntriesByName('first-contentful-paint').map((one) => one.startTime)")
        ready = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        found["first paint, s"].append(paint / 1000)
        found["ready, s"].append(ready / 1000)
        page.goto(f"{address}#pictures")
        page.wait_for_timeout(500)
        found["filter, ms"] += [page.evaluate(TIMED, list(one)) for one in FILTERS]
        page.close()
    return found


def told(name: str, found: dict[str, list[float]]) -> None:
    said = ", ".join(f"{what} {statistics.median(of):.3g} (worst {max(of):.3g})" for what, of in found.items())
    print(f"{name}: {said}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slower", type=float, default=1)
    given = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with TemporaryDirectory() as place, sync_playwright() as playwright:
        out = folder(Path(place), given.pictures, given.size)
        start, suites = time.perf_counter(), dict[str, Suite](manifest.suites(out))
        read = report.read(out)
        report.write(read, suites)
        spent, size = time.perf_counter() - start, (out / "report.html").stat().st_size
        print(f"{given.pictures} pictures of {given.size} px, load {os.getloadavg()[0]:.1f}, slower {given.slower:g}")
        print(f"report: {spent:.1f} s, report.html {size / 1e6:.1f} MB")
        page = report.page_of(read, suites)
        serving = server.Server(server.Site(out, lambda: page))
        threading.Thread(target=server.serve, args=(serving,), daemon=True).start()
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, at in (("report.html", (out / "report.html").as_uri()), ("view", serving.address)):
            told(name, measured(browser, at, given.slower, given.rounds))
        print(f"view: the page is {len(page.encode()) / 1e6:.1f} MB")
        browser.close()
        serving.shutdown()


if __name__ == "__main__":
    main()
