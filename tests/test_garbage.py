"""`store gc` takes what no run refers to, and never what the resume of a run would have to make again."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from fakes import Brightness
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from dumo_bench.errors import UserError
from dumo_bench.kit import resume
from dumo_bench.methods.original import Original
from dumo_bench.run import jobs, manifest, note
from dumo_bench.run.plan import Part, Plan, Request
from dumo_bench.run.score import score
from dumo_bench.storage import claims, files, garbage, references, statistics, table
from dumo_bench.storage.store import Store
from dumo_bench.types import Case, Draw, Edit, Job, Prompt, Recipe, Sample, Sampling, Start, Suite, canonical

SPAWN = multiprocessing.get_context("spawn")
CONTRACT = Sampling("m", "ddim", 1, 1.0, 8, 8)
TEXTS = ("a cat", "a dog", "an alien", "a ghost")
NOW = -60.0  # an age below which everything lies


class Go(NamedTuple):
    """A run, and how far it comes: how many of its missing pictures it makes, whether it scores them."""

    method: str
    texts: tuple[str, ...]
    erase: tuple[str, ...]
    made: int
    scored: bool
    fitted: bool


def planned(go: Go) -> tuple[Request, Plan]:
    """The plan of a suite that is edited between runs: the same name, other prompts."""
    prompts = tuple(Prompt(text, text, text[2:].strip(), (Draw(1), Draw(2))) for text in go.texts)
    case = Case("case", go.erase)
    suite = Suite("small", 1, "", "", (case,), prompts, CONTRACT)

    def part(recipe: Recipe) -> Part:
        return Part(case, Original(), recipe, jobs.rows(suite, case, recipe, CONTRACT))

    reference, mine = Recipe("original", "1", {}, (), 0, "m"), Recipe(go.method, "1", {"k": 1}, go.erase, 0, "m")
    return Request(go.method, "small.toml"), Plan(suite, "m", "m", CONTRACT, (part(mine),), (part(reference),))


def singles(recipe: Recipe) -> list[Recipe]:
    """The edits that a method which fits concepts one by one makes on its way to one of all."""
    return [replace(recipe, erase=(concept,)) for concept in recipe.erase]


def put(store: Store, some: list[Job]) -> None:
    for job in some:
        store.put_image(job, np.full((8, 8, 3), int(job.key[:2], 16), np.uint8))


def fit(store: Store, recipe: Recipe) -> None:
    store.put_edit(recipe, Edit({"unet.a": torch.ones(1)}, {}))


def stop_fitting(store: Store, recipe: Recipe) -> None:
    """Leave what a stopped fit keeps."""
    thing = SimpleNamespace(state_dict=lambda: {}, load_state_dict=lambda kept: None)
    with pytest.raises(KeyboardInterrupt), resume.at(store.fit_path(recipe), 0.0, canonical(asdict(recipe))):
        with resume.stage(thing) as after:
            after(False)
        raise KeyboardInterrupt


def measure(store: Store, plan: Plan) -> None:
    about = {"suite": "small", "suite_version": 1, "erases": "object", "edit": "", "sampling": CONTRACT.key}
    for part in (*plan.reference, *plan.parts):
        there = [row for row in part.rows if store.has(row.job)]
        found = [Sample(r.job, r.prompt, r.draw, r.case, r.role, store.image_path(r.job)) for r in there]
        score(found, [Brightness()], store.root / "tables", about)


def go_on(store: Store, go: Go) -> Plan:
    request, plan = planned(go)
    note.write(store.root, request, plan)
    put(store, store.missing(plan.wanted())[: go.made])
    for recipe in singles(plan.parts[0].recipe):
        fit(store, recipe) if go.fitted else stop_fitting(store, recipe)
    if go.scored:
        measure(store, plan)
    return plan


def state(store: Store, plan: Plan) -> tuple[Any, ...]:
    """What a resume of a run finds: the pictures, edits and stopped fits it need not make again."""
    recipes = [plan.parts[0].recipe, *singles(plan.parts[0].recipe)]
    fits = [(store.has_edit(recipe), (store.fit_path(recipe) / "1.pt").exists()) for recipe in recipes]
    return [job.key for job in plan.wanted() if store.has(job)], fits


RUNS = st.builds(
    Go,
    st.sampled_from(["uce", "esd"]),
    st.lists(st.sampled_from(TEXTS), min_size=1, unique=True).map(tuple),
    st.sampled_from([("cat",), ("cat", "dog"), ("ghost",)]),
    st.integers(0, 20),
    st.booleans(),
    st.booleans(),
)
STRANGERS = st.integers(0, 50).map(lambda n: Job(Recipe("x", "1", {}, (), 0, "m"), "nobody's", Draw(n), CONTRACT))


@hypothesis(max_examples=25, deadline=None)
@given(st.lists(st.one_of(RUNS, STRANGERS, st.just("gc")), min_size=1, max_size=8))
def test_whatever_was_run_no_resume_has_to_make_again_what_was_there(tmp_path_factory, done):
    """And everything else goes, at once where no age protects it."""
    store = Store(tmp_path_factory.mktemp("store") / "out")
    plans, strangers = list[Plan](), list[Job]()
    for one in [*done, "gc"]:
        if isinstance(one, Go):
            plans.append(go_on(store, one))
        elif isinstance(one, Job):
            strangers.append(one)
            put(store, [one])
            fit(store, Recipe("x", "1", {}, ("nobody's",), one.draw.seed, "m"))
        else:
            before = [state(store, plan) for plan in plans]
            garbage.collect(store.root, delete=True, older=NOW)
            after = [state(store, plan) for plan in plans]
            pictures = {key for keys, _ in after for key in keys}
            assert [keys for keys, _ in after] == [keys for keys, _ in before]
            assert all(now == (was[0], was[1] and not was[0]) for a, b in zip(after, before, strict=True)
                       for now, was in zip(a[1], b[1], strict=True))  # fmt: skip
            assert {path.stem for path in store.root.glob("images/*/*.png")} == pictures
            assert not any(store.has(job) for job in strangers)
            assert not list((store.root / "edits").glob("*.claim*"))
    shutil.rmtree(store.root)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(claims, "LOOK", 0.02)
    return Store(tmp_path / "out")


ONE = Go("uce", ("a cat", "a dog"), ("cat",), 99, scored=False, fitted=True)


def stranger(n: int = 0) -> Job:
    return Job(Recipe("x", "1", {}, (), 0, "m"), "nobody's", Draw(n), CONTRACT)


def test_a_run_that_is_given_up_gives_its_pictures_up_and_those_that_tables_name_stay(store):
    kept = go_on(store, ONE._replace(texts=("a cat",), scored=True))
    gone = go_on(store, ONE._replace(method="esd", texts=("a ghost",)))
    for path in references.folder(store.root).glob("*.json"):
        path.unlink()
    garbage.collect(store.root, delete=True, older=NOW)
    assert {path.stem for path in store.root.glob("images/*/*.png")} == {job.key for job in kept.wanted()}
    assert store.has_edit(kept.parts[0].recipe) and not store.has_edit(gone.parts[0].recipe)


def test_a_starting_point_stays_while_a_note_or_a_suite_of_an_attack_names_it(store):
    noted, named, lost = (store.put_start(Start(latents=torch.full((1, 4, 8, 8), n))) for n in (1.0, 2.0, 3.0))
    request, plan = planned(ONE)
    (part,) = plan.parts
    rows = tuple(replace(row, job=replace(row.job, start=noted)) for row in part.rows)
    before = note.write(store.root, request, plan)
    note.write(store.root, request, replace(plan, parts=(replace(part, rows=rows),)))
    files.write_text(store.root / "attacks" / "of.csv", f"id,prompt,start\nx,a ghost,{named}\n")
    assert garbage.collect(store.root).pieces == (), "they are younger than a day"
    (found,) = garbage.collect(store.root, delete=True, older=NOW).pieces
    assert (found.kind, found.path) == ("starting point", store.start_path(lost))
    assert {path.stem for path in store.root.glob("starts/*")} == {noted, named}
    assert all("starts" not in group for group in json.loads(before.read_text())["groups"]), "as before there were some"


def test_nothing_is_deleted_unless_asked_and_nothing_that_is_younger_than_a_day(store):
    put(store, [stranger()])
    (found,) = garbage.collect(store.root, older=NOW).pieces
    assert (found.kind, found.path) == (
        "picture",
        store.image_path(stranger()),
    ) and found.bytes == found.path.stat().st_size
    assert store.has(stranger())
    assert garbage.collect(store.root, delete=True).pieces == () and store.has(stranger())
    os.utime(store.image_path(stranger()), (0, 0))
    garbage.collect(store.root, delete=True)
    assert not store.has(stranger())


def test_runs_of_earlier_versions_noted_nothing_so_their_pictures_stay_until_they_are_noted(store):
    request, plan = planned(ONE)
    put(store, [*plan.wanted(), stranger()])
    fit(store, plan.parts[0].recipe)
    manifest.write(store.root, request, plan, ["fid"], {"made": 4})
    found = garbage.collect(store.root, delete=True, older=NOW)
    assert found.unnoted == (manifest.path(store.root, request, "small", "uce"),) and found.pieces == ()
    assert store.has(stranger())
    note.write(store.root, request, plan)
    found = garbage.collect(store.root, delete=True, older=NOW)
    assert [piece.path for piece in found.pieces] == [store.image_path(stranger())] and not found.unnoted
    assert store.missing(plan.wanted()) == [] and store.has_edit(plan.parts[0].recipe)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"wish": {}, "groups": [{}]}', '{"wish": {}, "groups": 3}', '{"wish": 1, "groups": []}',
     '{"wish":{},"groups":[{"suite":"s","recipe":{"erase":[]},"pictures":[]}]}', "[" * 100_000],
)  # fmt: skip
def test_a_broken_note_is_one_line_and_nothing_is_deleted(store, text):
    put(store, [stranger()])
    go_on(store, ONE)
    references.folder(store.root).joinpath("odd-1.json").write_text(text)
    with pytest.raises(UserError, match=r"odd-1.json is broken .* delete it and type the command"):
        garbage.collect(store.root, delete=True, older=NOW)
    assert store.has(stranger()) and list((store.root / "runs").glob("*.claim*")) == []


def test_a_broken_part_of_a_table_is_one_line_and_nothing_is_deleted(store):
    put(store, [stranger()])
    (store.root / "tables" / "scores").mkdir(parents=True)
    (store.root / "tables" / "scores" / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="not a readable parquet file"):
        garbage.collect(store.root, delete=True, older=NOW)
    assert store.has(stranger())


@pytest.mark.parametrize("name", ["scores", "detections"])
def test_a_table_that_does_not_say_what_it_refers_to_ends_gc_before_anything_goes(store, name):
    put(store, [stranger()])
    path = store.root / "tables" / name / "odd.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"key": [None, "a"], "suite": [1, 2], "method": [None, None]}), path)
    with pytest.raises(UserError, match=r"odd\.parquet has schema version none"):
        garbage.collect(store.root, delete=True, older=NOW)
    assert store.has(stranger())
    if name == "scores":
        with pytest.raises(UserError, match=r"odd\.parquet has schema version none"):
            statistics.lines(store.root)


def test_a_manifest_whose_name_begins_as_another_ones_note_is_not_noted_by_it(store):
    (store.root / "runs").mkdir(parents=True)
    manifests = [store.root / "runs" / name for name in ("a-0.json", "a-0-b-1.json")]
    for path in manifests:
        path.write_text("{}")
    references.note(store.root, "a-0-b-1", {}, [])
    assert garbage.collect(store.root).unnoted == (manifests[0],)


def test_files_that_go_while_they_are_counted_are_of_no_bytes(store):
    assert files.age(store.root / "gone") == 0 and garbage.size(store.root / "gone") == 0


def test_files_of_others_are_left_alone(store):
    names = ("notes.txt", "images/ab/mine.png", "images/me.png", "edits/mine.safetensors", "edits/x.fit/1.pt",
             "a/b.claim1", "report.html", "images/" + "a" * 64 + ".png", "runs/notes.md")  # fmt: skip
    for name in names:
        (store.root / name).parent.mkdir(parents=True, exist_ok=True)
        (store.root / name).write_text("mine")
    assert garbage.collect(store.root, delete=True, older=NOW).pieces == ()
    assert all((store.root / name).exists() for name in names)


def test_what_was_half_written_and_the_claims_of_those_who_are_gone_are_taken(store):
    dead, far = store.root / "edits" / "a.claim1", store.root / "edits" / "b.claim1"
    store.root.joinpath("edits").mkdir(parents=True)
    process = SPAWN.Process(target=time.sleep, args=(0,))
    process.start()
    process.join()
    dead.write_text(json.dumps({"host": platform.node(), "pid": process.pid, "beat": "0"}))
    far.write_text(json.dumps({"host": "elsewhere", "pid": 1, "beat": "0"}))
    partial = store.root / "images" / ".h-1-0123abcd.partial"
    partial.parent.mkdir()
    partial.write_text("half")
    os.utime(partial, (0, 0))
    being_written, theirs = partial.with_name(".h-2-0123abcd.partial"), partial.with_name(".film.mkv.partial")
    being_written.write_text("half")
    theirs.write_text("another program's")
    os.utime(theirs, (0, 0))
    kinds = {piece.path: piece.kind for piece in garbage.collect(store.root, delete=True, older=NOW).pieces}
    assert kinds == {dead: "claim", partial: "half written"} and far.exists() and being_written.exists()
    os.utime(far, (0, 0))
    garbage.collect(store.root, delete=True)
    store.begin()
    assert not far.exists() and theirs.exists()


def test_an_edit_that_somebody_is_at_stays(store):
    recipe = Recipe("x", "1", {}, ("nobody's",), 0, "m")
    stop_fitting(store, recipe)
    with claims.claimed(store.claim_path(recipe), lambda: False, "fit"):
        fit(store, recipe)
        assert garbage.collect(store.root, delete=True, older=NOW).pieces == ()
    kinds = [piece.kind for piece in garbage.collect(store.root, delete=True, older=NOW).pieces]
    assert sorted(kinds) == ["edit", "stopped fit"] and not store.has_edit(recipe)
    assert not store.fit_path(recipe).exists()


def test_a_stopped_fit_that_does_not_say_what_it_is_of_stays(store):
    path = store.fit_path(Recipe("x", "1", {}, ("cat",), 0, "m"))
    path.mkdir(parents=True)
    (path / "1.pt").write_bytes(b"state")
    assert garbage.collect(store.root, delete=True, older=NOW).pieces == ()


def test_a_note_is_written_once_and_another_content_of_the_suite_has_its_own(store):
    first = note.write(store.root, *planned(ONE))
    before = first.stat().st_mtime_ns
    assert note.write(store.root, *planned(ONE)) == first and first.stat().st_mtime_ns == before
    assert note.write(store.root, *planned(ONE._replace(texts=("a ghost",)))) != first
    request, plan = planned(ONE)
    assert note.write(store.root, replace(request, shard=(1, 2)), plan) == first
    assert len(references.notes(store.root)) == 2 and manifest.read_all(store.root) == []


def test_whoever_notes_waits_for_whoever_deletes(store):
    with references.alone(store.root, "deleting"):
        noting = threading.Thread(target=note.write, args=(store.root, *planned(ONE)))
        noting.start()
        time.sleep(0.3)
        assert not references.notes(store.root)
    noting.join()
    assert len(references.notes(store.root)) == 1


def collect_for(root: Path, stop: Any) -> None:
    claims.LOOK = 0.002
    while not stop.is_set():
        garbage.collect(root, delete=True, older=NOW)


@pytest.fixture
def collecting(store: Store) -> Iterator[None]:
    stop = SPAWN.Event()
    other = SPAWN.Process(target=collect_for, args=(store.root, stop))
    other.start()
    yield
    stop.set()
    other.join()
    assert other.exitcode == 0


def test_a_run_beside_a_collector_keeps_what_it_found_and_what_it_made(store, collecting, monkeypatch):
    """Pictures lie there that nobody refers to: whatever is there once the run is noted is there at its end."""
    monkeypatch.setattr(claims, "LOOK", 0.002)
    found = 0
    for n in range(20):
        go = ONE._replace(texts=(f"a cat {n}", f"a dog {n}"), method=f"m{n}")
        request, plan = planned(go)
        put(store, plan.wanted()[:4])  # nobody's yet: some may be gone before it is noted
        note.write(store.root, request, plan)
        there = [job for job in plan.wanted() if store.has(job)]
        found += len(there)
        put(store, store.missing(plan.wanted()))
        measure(store, plan)
        assert store.missing(plan.wanted()) == [] and all(store.has(job) for job in there)
    assert all(row["value"] is not None for row in table.records(table.read(store.root / "tables", "scores")))
    assert found > 0
