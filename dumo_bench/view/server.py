"""A results folder's page and pictures over HTTP, to this machine alone, and to whom was given the address.

It listens on the loopback interface; all it knows stands below a random token, so that no other user and no other page
of the browser finds it; it answers GET, writes nothing, and takes of a request two things: that token, and the key of a
picture, 64 hexadecimal digits.
"""

from __future__ import annotations

import re
import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from dumo_bench.errors import UserError
from dumo_bench.report import gallery, thumbnails
from dumo_bench.storage import remote

HOST = "127.0.0.1"
TEXT = "text/plain; charset=utf-8"
SMALL = thumbnails.Size(256, 80)
_KEPT = 2000  # small copies in memory: about 20 MB
_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class Fresh:
    """A text that is made when it is first asked for, and again once a file has changed; by one thread at a time."""

    def __init__(self, make: Callable[[], str], of: Path) -> None:
        self._make, self._of, self._lock = make, of, threading.Lock()
        self._made: tuple[float, str] | None = None

    def __call__(self) -> str:
        with self._lock:
            time = 0.0 if remote.far(self._of) or not self._of.exists() else self._of.stat().st_mtime
            if self._made is None or self._made[0] != time:
                self._made = time, self._make()
            return self._made[1]


class Answer(NamedTuple):
    """What is sent; policy: what a document may load, beside what it says itself."""

    content: bytes
    kind: str
    policy: str = "default-src 'none'"
    keep: str = "no-store"
    status: HTTPStatus = HTTPStatus.OK


@dataclass(frozen=True)
class Site:
    """What there is to see of a results folder. page: makes its text."""

    out: Path
    page: Callable[[], str]

    def answer(self, path: str) -> Answer | None:
        """What lies at a path below the token; None: nothing does."""
        if path == "":
            return self._page()
        what = re.fullmatch(r"(thumb|image)/([0-9a-f]{64})", path)
        found = _picture(self.out, what[2], small=what[1] == "thumb") if what else None
        kind = "image/webp" if what and what[1] == "thumb" else "image/png"
        return Answer(found, kind, keep="private, max-age=3600") if found else None

    def _page(self) -> Answer:
        """The page; where the folder can no longer be read, why."""
        try:
            return Answer(self.page().encode(), "text/html; charset=utf-8", "frame-ancestors 'none'")
        except UserError as error:
            return Answer(f"{error}\n".encode(), TEXT, status=HTTPStatus.INTERNAL_SERVER_ERROR)


def _picture(out: Path, key: str, *, small: bool) -> bytes | None:
    """A picture of the folder, nothing else of this machine."""
    if small:
        return _small(out, key)
    path = gallery.own(out, key)
    return path.read_bytes() if path else None


@lru_cache(_KEPT)
def _small(out: Path, key: str) -> bytes:
    return thumbnails.webp(gallery.own(out, key), SMALL)


class Server(ThreadingHTTPServer):
    """Serves a site; port 0: any that is free. `address` is what a browser opens."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, site: Site, port: int = 0) -> None:
        self.site, self.token = site, secrets.token_urlsafe(24)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise UserError(f"port {port}: {error.strerror or error}; --port 0 takes one that is free") from error

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any) -> None:
        """A browser that goes away in the middle is no fault."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = 30
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "dumo-bench", ""
    _names: ClassVar = ("127.0.0.1", "localhost")

    def do_GET(self) -> None:
        self._send(self._answer())

    def do_HEAD(self) -> None:
        self._send(self._answer(), body=False)

    def _answer(self) -> Answer | None:
        """Nothing to whom calls this machine by another name (a page elsewhere whose name was turned to it), or does
        not know the token."""
        by_name = self.headers.get("Host", "") in {f"{name}:{self.server.server_port}" for name in self._names}
        token, _, path = self.path.partition("?")[0].removeprefix("/").partition("/")
        known = secrets.compare_digest(token.encode(), self.server.token.encode())
        within = self.path.startswith(f"/{self.server.token}/")
        return self.server.site.answer(path) if by_name and known and within else None

    def _send(self, found: Answer | None, *, body: bool = True) -> None:
        sent = found or Answer(b"not found\n", TEXT, status=HTTPStatus.NOT_FOUND)
        self.send_response(sent.status)
        told = {"Content-Type": sent.kind, "Content-Length": str(len(sent.content)), "Cache-Control": sent.keep}
        for name, value in {**told, "Content-Security-Policy": sent.policy, **_SAFE}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(sent.content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: paths hold the token."""


def serve(server: Server) -> None:
    """Until Ctrl-C, which is how it ends."""
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
