"""What would break on macOS and Windows, as far as Linux can tell: imports, units, encodings, names of files."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_architecture import FILES, ROOT, found

from dumo_bench.hosts import device
from dumo_bench.run import machine, manifest
from dumo_bench.run.plan import Request
from dumo_bench.scorers import memory
from dumo_bench.storage import claims, names

UNIX = ("resource", "fcntl", "pwd", "grp", "termios", "tty", "pty", "syslog")


def test_no_file_imports_a_module_of_unix_as_it_is_loaded():
    assert [(path, name) for path in FILES for _, name in found(path, top=True) if name.split(".")[0] in UNIX] == []
    assert [name for path in FILES for _, name in found(path) if name in UNIX] == ["resource"]  # machine.peak's


@pytest.mark.parametrize(("platform", "bytes_each"), [("linux", 1024), ("darwin", 1), ("freebsd14", 1024)])
def test_peak_memory_is_in_bytes_on_every_system(platform, bytes_each, monkeypatch):
    usage = SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda _: SimpleNamespace(ru_maxrss=5000))
    monkeypatch.setitem(sys.modules, "resource", usage)
    monkeypatch.setattr(sys, "platform", platform)
    assert machine.peak() == 5000 * bytes_each


def test_peak_memory_is_none_where_the_system_does_not_say_and_a_number_here(monkeypatch):
    assert machine.peak() > 2**24
    monkeypatch.setitem(sys.modules, "resource", None)  # an import of it fails, as on Windows
    assert machine.peak() is None


def test_on_windows_nobody_is_asked_whether_he_lives_for_that_would_be_ctrl_c(monkeypatch):
    gone = json.dumps({"host": claims.platform.node(), "pid": 2**22 + 1, "beat": "0"})
    assert claims._gone(gone)
    asked = []
    monkeypatch.setattr(os, "kill", lambda *what: asked.append(what))
    monkeypatch.setattr(os, "name", "nt")
    assert not claims._gone(gone)
    assert asked == []


def text_calls(tree: ast.AST) -> list[tuple[int, str]]:
    """Lines where a file is read or written as text in whatever encoding the system has."""
    lines = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        of = ast.unparse(node.func)
        texts = name in ("read_text", "write_text") and of not in ("files.write_text", "write_text")
        mode = next((a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)), "r")
        opened = name == "open" and not of.startswith(("Image.", "tarfile.", "os.", "webbrowser.")) and "b" not in mode
        if (texts or opened) and not any(one.arg == "encoding" for one in node.keywords):
            lines.append((node.lineno, of))
    return lines


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_text_is_read_and_written_in_an_encoding_that_is_named(path):
    assert text_calls(ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    ("code", "n"),
    [("p.read_text()", 1), ("p.read_text(encoding='utf-8')", 0), ("open('x')", 1), ("p.open('rb')", 0),
     ("p.write_text('x')", 1), ("files.write_text(p, 'x')", 0), ("p.open('w')", 1)],
)  # fmt: skip
def test_a_planted_text_without_an_encoding_is_found(code, n):
    assert len(text_calls(ast.parse(code))) == n


FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_no_suite_method_or_model_becomes_a_file_name_that_windows_refuses(tmp_path_factory, suite, other):
    out = tmp_path_factory.getbasetemp()
    made = [
        manifest.path(out, Request(method=other, suite=suite), suite, other).name,
        memory.folder(f"{suite} {other}").name,
        f"costs-{names.plain(suite)}.svg",
    ]
    for name in made:
        assert not FORBIDDEN.search(name) and not DEVICES.fullmatch(name) and not name.endswith((" ", "."))


@pytest.mark.parametrize(
    ("said", "most"), [("150000 100000", 1), ("50000 100000", 1), ("max 100000", None), ("", None)]
)
def test_a_container_s_share_of_the_cores_is_what_may_be_used(tmp_path, said, most):
    (tmp_path / "cpu.max").write_text(said)
    assert device.cores(tmp_path / "cpu.max") == (most or device.cores(tmp_path / "none"))


def test_no_more_threads_than_cores_unless_the_user_says_how_many(monkeypatch):
    import torch

    told: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", told.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    monkeypatch.setattr(device, "cores", lambda: 2)
    for said, wanted in ((None, [2]), ("64", [2])):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if said:
            monkeypatch.setenv("OMP_NUM_THREADS", said)
        device.fewer_threads()
        assert told == wanted
