"""`dumo-bench view`: to this machine alone, to whom has the address; pictures and nothing else; read only."""

from __future__ import annotations

import http.client
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pictured
import pytest
from PIL import Image

from dumo_bench.errors import UserError
from dumo_bench.report import gallery
from dumo_bench.view import server

#: as where these packages are not installed
WITHOUT = """
import sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "diffusers", "transformers", "nudenet", "onnxruntime"):
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Finder)
"""
KEY = pictured.key("dumo", "ghost", 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictured.results(tmp_path_factory.mktemp("pictured"), side=512)


@pytest.fixture
def serving(folder: Path) -> Iterator[server.Server]:
    found = server.Server(server.Site(folder, lambda: "<!doctype html>the page"))
    threading.Thread(target=server.serve, args=(found,), daemon=True).start()
    yield found
    found.shutdown()


def asked(
    serving: server.Server, path: str, method: str = "GET", host: str | None = None, body: bytes | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Exactly this path, which no client has tidied."""
    to = http.client.HTTPConnection("127.0.0.1", serving.server_port, timeout=10)
    to.putrequest(method, path, skip_host=True)
    to.putheader("Host", host or f"127.0.0.1:{serving.server_port}")
    if body:
        to.putheader("Content-Length", str(len(body)))
    to.endheaders(body)
    said = to.getresponse()
    found = said.status, {name.lower(): value for name, value in said.getheaders()}, said.read()
    to.close()
    return found


def at(serving: server.Server, path: str) -> str:
    return f"/{serving.token}/{path}"


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))}


def test_the_page_and_its_pictures_are_served_and_nothing_is_written(serving, folder):
    before = listing(folder)
    status, headers, content = asked(serving, at(serving, ""))
    assert (status, headers["content-type"], content) == (200, "text/html; charset=utf-8", b"<!doctype html>the page")
    status, headers, content = asked(serving, at(serving, f"image/{KEY}"))
    assert (status, headers["content-type"]) == (200, "image/png")
    assert content == gallery.image(folder, KEY).read_bytes()
    status, headers, content = asked(serving, at(serving, f"thumb/{KEY}"))
    assert (status, headers["content-type"]) == (200, "image/webp")
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == "WEBP" and picture.size == (256, 256)
    assert listing(folder) == before


def test_it_listens_on_this_machine_alone(serving):
    assert serving.socket.getsockname()[0] == "127.0.0.1"
    others = {found[4][0] for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for other in others:
        with pytest.raises(OSError):
            socket.create_connection((other, serving.server_port), timeout=2)


def test_every_answer_forbids_what_a_browser_might_do_with_it(serving):
    for path in (at(serving, ""), at(serving, f"image/{KEY}"), "/"):
        headers = asked(serving, path)[1]
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["content-security-policy"] in ("default-src 'none'", "frame-ancestors 'none'")


def test_who_does_not_know_the_token_finds_nothing(serving):
    token = serving.token
    assert len(token) >= 32
    wrong = ("", "x", token[:-1], token + "x", token.swapcase(), f"%{ord(token[0]):02x}{token[1:]}", f"./{token}")
    for one in wrong:
        for path in ("", f"image/{KEY}", f"thumb/{KEY}"):
            assert asked(serving, f"/{one}/{path}")[0] == 404, one
    assert asked(serving, f"/{token}")[0] == 404
    assert server.Server(server.Site(Path("x"), str)).token != token


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "", "0.0.0.0"])
def test_a_page_elsewhere_whose_name_was_turned_to_this_machine_finds_nothing(serving, host):
    assert asked(serving, at(serving, ""), host=host or " ")[0] in (400, 404)


def test_this_machine_may_be_called_by_its_other_name(serving):
    assert asked(serving, at(serving, ""), host=f"localhost:{serving.server_port}")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"])
def test_nothing_but_reading_is_answered(serving, folder, method):
    before = listing(folder)
    assert asked(serving, at(serving, f"image/{KEY}"), method, body=b"x" * 100)[0] == 501
    assert listing(folder) == before
    assert asked(serving, at(serving, f"image/{KEY}"), "HEAD")[2] == b""


@pytest.mark.parametrize(
    "path",
    [
        "image/../../../../etc/passwd", "image/..%2f..%2fsummary.parquet", "../summary.parquet", "summary.parquet",
        "tables/scores/a.parquet", "image/", "image", f"image/{KEY[:-1]}", f"image/{KEY}0", f"image/{KEY.upper()}",
        f"image/{KEY}.png", f"image/{KEY}/", f"image//{KEY}", f"image/{KEY}%00", f"image/{'f' * 64}", f"edits/{KEY}",
        f"file/{KEY}", "image/%2e%2e", "\\..\\x", "image/" + "0" * 3000,
    ],
)  # fmt: skip
def test_no_path_leads_to_anything_but_a_picture(serving, path):
    status, _, content = asked(serving, at(serving, path))
    assert (status, content) == (404, b"not found\n")


def test_a_link_out_of_the_folder_is_no_picture(folder, tmp_path):
    out = shutil.copytree(folder, tmp_path / "out")
    secret = tmp_path / "secret.png"
    gallery.image(out, KEY).rename(secret)
    gallery.image(out, KEY).symlink_to(secret)
    site = server.Site(out, str)
    assert site.answer(f"image/{KEY}") is None and site.answer(f"thumb/{KEY}") is None


def test_a_broken_picture_is_none_in_small(folder, tmp_path):
    out = shutil.copytree(folder, tmp_path / "out")
    gallery.image(out, KEY).write_bytes(b"\x89PNG\r\n\x1a\n broken")
    assert server.Site(out, str).answer(f"thumb/{KEY}") is None


def test_a_port_that_is_taken_is_one_line(serving):
    with pytest.raises(UserError, match=f"port {serving.server_port}: .*--port 0"):
        server.Server(server.Site(Path("x"), str), serving.server_port)


def test_the_page_is_made_again_where_the_folder_has_changed_and_only_then(tmp_path):
    made: list[int] = []
    of = tmp_path / "summary.parquet"
    fresh = server.Fresh(lambda: made.append(1) or str(len(made)), of)  # type: ignore[func-returns-value]
    assert [fresh(), fresh()] == ["1", "1"]
    of.write_text("x")
    assert [fresh(), fresh()] == ["2", "2"]
    os.utime(of, (1, 1))
    assert [fresh(), fresh()] == ["3", "3"]


def test_a_folder_that_can_no_longer_be_read_says_why(folder):
    def gone() -> str:
        raise UserError("summary.parquet is not there")

    found = server.Site(folder, gone).answer("")
    assert found is not None and (found.status, found.content) == (500, b"summary.parquet is not there\n")


def test_the_command_serves_until_ctrl_c_and_needs_no_network_of_a_model(folder, tmp_path):
    (tmp_path / "without.py").write_text(WITHOUT)
    code = f"import without; from dumo_bench.cli.app import main; main(['view', {str(folder)!r}, '--no-browser'])"
    before = listing(folder)
    of = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": tmp_path}
    with subprocess.Popen([sys.executable, "-u", "-c", code], **of) as running:
        assert running.stdout is not None
        said = running.stdout.readline()
        address = urlsplit(next(word for word in said.split() if word.startswith("http")))
        to = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
        to.request("GET", address.path)
        page = to.getresponse()
        assert page.status == 200 and b"dumo-bench report" in page.read()
        to.close()
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=30)
    assert (running.returncode, errors) == (0, "")
    assert listing(folder) == before


def test_a_folder_without_numbers_is_one_line(command, tmp_path):
    said = command("view", tmp_path, "--no-browser")
    assert said.code == 2 and len(said.err.strip().splitlines()) == 1 and "summary.parquet" in said.err
