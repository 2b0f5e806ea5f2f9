"""A results folder in an object store: what differs there, one thing at a time. The server is moto's."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import object_store
import pytest
import torch
from PIL import Image

from dumo_bench.cli import edge
from dumo_bench.errors import UserError
from dumo_bench.run.plan import Request
from dumo_bench.storage import checksums, claims, copies, files, garbage, metrics, remote, table
from dumo_bench.storage.store import Store
from dumo_bench.types import Draw, Edit, Job, Metric, Recipe, Sampling

RECIPE = Recipe("uce", "1", {"ridge": 0.5}, ("cat",), 0, "a" * 64)
JOB = Job(RECIPE, "a cat", Draw(1), Sampling("m", "ddim", 5, 7.5, 64, 64))
JOBS = [replace(JOB, draw=Draw(seed)) for seed in range(3)]
PIXELS = np.arange(64 * 64 * 3, dtype=np.uint32).astype(np.uint8).reshape(64, 64, 3)
EDIT = Edit({"unet.a": torch.arange(6.0).reshape(2, 3)}, {"seed": 0})


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with object_store.server() as found:
        yield found


@pytest.fixture(autouse=True)
def s3(address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with object_store.spoken_to(address, monkeypatch):
        yield


@pytest.fixture(params=["s3", "memory", "local"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A new results folder of each kind."""
    kinds = {"s3": object_store.bucket, "memory": object_store.memory, "local": lambda: str(tmp_path / "results")}
    return remote.place(kinds[request.param]())


def names(root: Path) -> list[str]:
    """All files of a folder."""
    if remote.far(root):
        there = root.fs.find(root.path)
        return sorted(name.strip("/").removeprefix(f"{root.path.strip('/')}/") for name in there)
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_what_is_typed_is_of_this_machine_unless_it_is_an_address(tmp_path):
    assert remote.place("results") == Path("results") and remote.place("/a//b/") == Path("/a/b")
    assert remote.place("s3:/bucket") == Path("s3:/bucket") and remote.place(f"file://{tmp_path}") == tmp_path
    found = remote.place(f"{object_store.bucket()}/")
    assert remote.far(found) and str(found).startswith("s3://bucket-") and str(found).endswith("/some/results")


def test_a_store_holds_the_same_names_and_bytes_wherever_it_lies(root, tmp_path):
    here, there = Store(tmp_path / "here"), Store(root)
    for place in (here, there):
        place.begin()
        for job in JOBS[:2]:
            place.put_image(job, PIXELS, 4)
        place.put_edit(RECIPE, EDIT)
    mine = [name for name in names(there.root) if not name.startswith(checksums.FOLDER)]
    assert mine == [name for name in names(here.root) if not name.startswith(checksums.FOLDER)] and len(mine) == 3
    pictures = [name for name in mine if name.endswith(".png")]
    assert [(there.root / n).read_bytes() for n in pictures] == [(here.root / n).read_bytes() for n in pictures]
    assert checksums.known(there.root).keys() == checksums.known(here.root).keys() == {job.key for job in JOBS[:2]}
    assert there.missing([*JOBS, *JOBS]) == here.missing([*JOBS, *JOBS]) == JOBS[2:]
    assert there.sizes(JOBS) == here.sizes(JOBS) and there.sizes(JOBS)[2] is None
    assert there.edit_hash(RECIPE) == here.edit_hash(RECIPE) != ""
    assert torch.equal(there.get_edit(RECIPE).tensors["unet.a"], EDIT.tensors["unet.a"])


def test_pictures_are_read_as_files_of_this_machine_under_their_names(root):
    place = Store(root)
    place.put_image(JOBS[0], PIXELS)
    there, absent = place.pictures(JOBS[:2])
    assert isinstance(there, Path) and there.name == f"{JOBS[0].key}.png"
    assert np.array_equal(np.asarray(Image.open(there)), PIXELS)
    assert absent.name == f"{JOBS[1].key}.png" and not absent.exists()


def test_many_pictures_are_found_by_one_list_and_few_one_by_one(monkeypatch):
    """The same answer both ways."""
    root = remote.place(object_store.bucket())
    place, every = Store(root), [replace(JOB, draw=Draw(seed)) for seed in range(remote._FEW + 1)]
    for job in every[::2]:
        remote.write(place.image_path(job), lambda stream: stream.write(b"x"))
    few = [place.sizes([job])[0] for job in every]
    monkeypatch.setattr(remote, "_info", lambda path: pytest.fail("one by one"))
    assert place.sizes(every) == few == [1 if n % 2 == 0 else None for n in range(len(every))]


def test_what_fails_while_it_is_written_is_not_there_and_what_was_there_stays(root):
    def broken(stream):
        stream.write(b"half")
        raise KeyError("half-way")

    files.write_bytes(root / "a", b"before")
    for name in ("a", "b"):
        with pytest.raises(KeyError):
            files.write(root / name, broken)
    assert names(root) == ["a"] and (root / "a").read_bytes() == b"before"


@pytest.mark.parametrize("root", ["s3", "memory"], indirect=True)
def test_a_file_is_created_once(root):
    assert remote.create(root / "claim", b"mine") and not remote.create(root / "claim", b"theirs")
    assert (root / "claim").read_bytes() == b"mine"


def test_of_several_programs_one_fits_and_the_others_wait(root, monkeypatch):
    monkeypatch.setattr(claims, "LOOK", 0.01)
    monkeypatch.setattr(claims, "BEAT", 0.01)
    began, made = threading.Event(), threading.Event()
    order: list[str] = []

    def first() -> None:
        with claims.claimed(root / "edits" / "e", made.is_set, "fit") as mine:
            began.set()
            time.sleep(0.3)
            order.append("first" if mine else "waited")
            made.set()

    thread = threading.Thread(target=first)
    thread.start()
    began.wait()
    with claims.claimed(root / "edits" / "e", made.is_set, "fit") as mine:
        order.append("second" if mine else "waited")
    thread.join()
    assert order == ["first", "waited"] and names(root) == []


def test_a_claim_whose_holder_is_gone_is_taken(root, monkeypatch):
    monkeypatch.setattr(claims, "LOOK", 0.01)
    monkeypatch.setattr(claims, "EXPIRY", 0.1)
    assert claims._created(root / "e.claim1")
    with claims.claimed(root / "e", lambda: False, "fit") as mine:
        assert mine and names(root) == ["e.claim2"]
    assert names(root) == []


def test_a_picture_that_was_replaced_is_found_and_one_without_a_hash_is_given_one(root):
    place = Store(root)
    for job in JOBS[:2]:
        place.put_image(job, PIXELS)
    assert place.check(JOBS) == checksums.Found({}, ())
    whole = place.image_path(JOBS[0]).read_bytes()
    files.write_bytes(place.image_path(JOBS[0]), whole[:-1] + b"x")
    files.write_bytes(place.image_path(JOBS[2]), whole)
    assert place.check(JOBS) == checksums.Found({JOBS[0].key: "it is not as it was made"}, (JOBS[2].key,))
    assert place.check(JOBS) == checksums.Found({JOBS[0].key: "it is not as it was made"}, ())
    place.drop(JOBS[:1])
    assert place.missing(JOBS) == JOBS[:1]


def test_pictures_whose_md5_the_store_lists_are_known_to_be_as_made_without_being_read(monkeypatch):
    place = Store(remote.place(object_store.bucket()))
    place.put_image(JOB, PIXELS)
    monkeypatch.setattr(remote, "contents", lambda paths: pytest.fail("read") if paths else {})
    assert place.check([JOB]) == checksums.Found({}, ())


def test_what_a_server_encrypts_or_got_in_pieces_has_no_md5():
    plain = hashlib.md5(b"x").hexdigest()
    assert remote._md5({"ETag": f'"{plain}"'}) == plain and remote._md5({"ETag": f'"{plain}-2"'}) == ""
    assert remote._md5({"md5Hash": "nU5EoeUIalvYwfOm6nAHgA=="}) == "9d4e44a1e5086a5bd8c1f3a6ea700780"
    assert remote._md5({}) == ""


def test_the_files_of_hashes_are_sha256sums(tmp_path):
    place = Store(remote.place(object_store.bucket()))
    for job in JOBS:
        place.put_image(job, PIXELS)
    place.root.fs.get(place.root.path, str(tmp_path / "copy"), recursive=True)
    (sums,) = (tmp_path / "copy" / checksums.FOLDER).iterdir()
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", sums], cwd=tmp_path / "copy", check=True)


def test_hashes_of_many_pictures_are_in_files_of_bounded_length(monkeypatch):
    monkeypatch.setattr(checksums, "_MOST", 2)
    place = Store(remote.place(object_store.memory()))
    for job in JOBS:
        place.put_image(job, PIXELS)
    assert len(names(place.root / checksums.FOLDER)) == 2
    assert checksums.known(place.root).keys() == {job.key for job in JOBS}


def test_a_copy_is_of_the_file_that_is_there_now(root):
    for content in (b"one", b"two", b"three"):
        files.write_bytes(root / "a", content)
        first = copies.local(root / "a")
        assert first.read_bytes() == content and copies.local(root / "a") == first
    (root / "a").unlink()
    assert not copies.local(root / "a").exists()


def test_copies_that_nobody_used_for_a_week_are_deleted():
    root = remote.place(object_store.bucket())
    for name in ("old", "new"):
        files.write_bytes(root / name, name.encode())
    old, new = (copies.local(root / name) for name in ("old", "new"))
    os.utime(old, (0, 0))
    (new.parent / "gone").symlink_to("nowhere")  # as what another program deletes while we look
    copies.clear()
    assert not old.exists() and not old.parent.exists() and new.exists()


def test_the_state_of_a_stopped_fit_lies_on_this_machine(root):
    assert isinstance(Store(root).fit_path(RECIPE), Path)


def test_the_files_of_a_table_are_merged(root):
    tables, about = root / "tables", metrics.Declared("s", "1", Metric("m", "share", "higher"))
    metrics.write(tables, [about])
    metrics.write(tables, [about, about._replace(metric=Metric("n", "share", "lower"))])
    assert len(table.listing(tables)) == 2 and [key[2] for key in metrics.read(tables)] == ["m", "n"]


def test_a_path_travels_to_a_worker():
    from dumo_bench.engines.worker import Terms

    terms = Terms(Request("uce", "s"), remote.place(object_store.bucket()).resolve(), "cpu", 1, Path(), None, ("", ""))
    assert pickle.loads(pickle.dumps(terms)).out == terms.out


def _no_bucket(monkeypatch: pytest.MonkeyPatch) -> str:
    return "s3://nobodys-bucket/results"


def _no_credentials(monkeypatch: pytest.MonkeyPatch) -> str:
    found = object_store.bucket()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    return found


def _no_extra(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(sys.modules, "upath", None)
    return "s3://bucket/results"


def _no_client(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    return "gs://bucket/results"


def _no_server(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("s3fs.core.S3FileSystem.retries", 1)
    return "s3://bucket/results"


def _no_address(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "minio:9000")
    return "s3://bucket/results"


def _no_kind(monkeypatch: pytest.MonkeyPatch) -> str:
    return "s4://bucket/results"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (_no_bucket, "there is no bucket 'nobodys-bucket': make it"),
        (_no_credentials, "Unable to locate credentials.*AWS_ACCESS_KEY_ID"),
        (_no_extra, re.escape("type pip install 'dumo-bench[s3]'")),
        (_no_client, "type pip install universal_pathlib gcsfs"),
        (_no_server, "does not answer .*AWS_ENDPOINT_URL"),
        (_no_address, "Invalid endpoint: minio:9000; .*AWS_ENDPOINT_URL"),
        (_no_kind, "no such kind of place: wanted .*s3://bucket/name"),
    ],
)
def test_a_store_that_cannot_be_used_is_one_line_that_says_what_to_type(command, monkeypatch, wrong, says):
    where = wrong(monkeypatch)
    object_store.forget()
    for argv in (["report", where], ["plan", "-m", "original", "-s", "emoji-cartoon", "--out", where]):
        said = command(*argv)
        assert (said.code, said.out) == (2, "")
        assert re.fullmatch(f"dumo-bench: {where}: .*{says}.*\n", said.err)


def test_a_store_that_refuses_in_the_middle_is_one_line(monkeypatch):
    root = remote.place(object_store.bucket())

    def refuses(*_, **__):
        raise PermissionError("Access Denied")

    monkeypatch.setattr(root.fs, "pipe_file", refuses)
    with pytest.raises(UserError, match=r"^s3://.*/a: the store refuses or does not answer \(Access Denied\); AWS_"):
        files.write_bytes(root / "a", b"x")


def test_what_a_store_s_library_raises_is_one_line_and_a_bug_is_none():
    from botocore.exceptions import EndpointConnectionError

    said = edge.fault(EndpointConnectionError(endpoint_url="http://nowhere"))
    assert said and "the store refuses or does not answer (Could not connect to" in said and "same command" in said
    assert edge.fault(KeyError("a")) is None and edge.fault(ValueError("botocore")) is None


@pytest.mark.parametrize("name", ["stats", "verify", "gc"])
def test_what_looks_at_every_file_of_a_folder_takes_one_of_this_machine(command, name):
    said = command("store", name, "s3://bucket/results")
    assert (said.code, said.out) == (2, "") and "copy it, as by `aws s3 sync`, first\n" in said.err


def test_what_may_be_deleted_is_told_of_a_folder_of_this_machine_alone(tmp_path):
    with pytest.raises(UserError, match=r"^s3://.*: only of a folder of this machine"):
        garbage.collect(remote.place(object_store.bucket()))
    assert garbage.collect(tmp_path).pieces == ()


def test_a_bucket_that_goes_in_the_middle_is_one_line():
    root = remote.place(object_store.bucket())
    root.fs.rmdir(root.drive)
    with pytest.raises(UserError, match=r"^s3://.*/a: there is no bucket 'bucket-.*': make it"):
        files.write_bytes(root / "a", b"x")
