"""A hub of data sets in this process: what huggingface_hub asks of one to make, list, commit and fetch, by HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

SHA = "a" * 40


class Hub:
    """Repositories by name, each a mapping of paths to content."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.refuses = 0  # a status with which everything is answered
        self.url = ""


@contextmanager
def running() -> Iterator[Hub]:
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *args: Any) -> None:
        pass

    def _answer(self, status: int, body: Any = None, headers: dict[str, str] | None = None) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(raw)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.hub.refuses:
            return self._answer(self.hub.refuses, {"error": "refused"})
        if self.path == "/api/repos/create":
            return self._answer(*self._create(json.loads(raw)))
        if self.path == "/api/validate-yaml":
            return self._answer(200, {"errors": [], "warnings": []})
        if found := re.match(r"/api/datasets/(.+?/.+?)/preupload/", self.path):
            files = json.loads(raw)["files"]
            return self._answer(
                200, {"files": [{**file, "uploadMode": "regular", "shouldIgnore": False} for file in files]}
            )
        if found := re.match(r"/api/datasets/(.+?/.+?)/commit/", self.path):
            self._commit(self.hub.repositories[found[1]], raw)
            return self._answer(
                200, {"commitUrl": f"{self.hub.url}/datasets/{found[1]}/commit/{SHA}", "commitOid": SHA}
            )
        return self._answer(404)

    def _create(self, asked: dict[str, Any]) -> tuple[int, dict[str, str]]:
        name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
        place = f"{self.hub.url}/datasets/{name}"
        if name in self.hub.repositories:
            return 409, {"error": "it is there", "url": place}
        self.hub.repositories[name] = {}
        self.hub.private[name] = bool(asked.get("private")) or asked.get("visibility") == "private"
        return 200, {"url": place}

    def _commit(self, files: dict[str, bytes], raw: bytes) -> None:
        for line in raw.splitlines():
            said = json.loads(line)
            if said["key"] == "file":
                files[said["value"]["path"]] = base64.b64decode(said["value"]["content"])
            elif said["key"] == "deletedFile":
                del files[said["value"]["path"]]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.hub.refuses:
            return self._answer(self.hub.refuses, {"error": "refused"})
        if found := re.match(r"/datasets/(.+?/.+?)/resolve/[^/]+/(.+)", self.path):
            content = self.hub.repositories.get(found[1], {}).get(found[2])
            if content is None:
                return self._answer(404, headers={"X-Error-Code": "EntryNotFound"})
            return self._answer(200, content, {"ETag": hashlib.sha1(content).hexdigest(), "X-Repo-Commit": SHA})
        if found := re.match(r"/api/datasets/([^/]+/[^/?]+)(.*)", self.path):
            return self._about(found[1], found[2])
        return self._answer(404)

    def _about(self, name: str, rest: str) -> None:
        files = self.hub.repositories.get(name)
        if files is None:
            return self._answer(404, headers={"X-Error-Code": "RepoNotFound"})
        if rest.startswith("/tree"):
            every = [{"type": "file", "path": p, "size": len(c), "oid": "0"} for p, c in files.items()]
            return self._answer(200, every)
        siblings = [{"rfilename": path, "size": len(content)} for path, content in files.items()]
        about = {"id": name, "sha": SHA, "siblings": siblings, "private": self.hub.private[name], "tags": []}
        return self._answer(200, about)
