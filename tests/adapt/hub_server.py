"""A small Hub on this machine: what huggingface_hub asks for when it fetches and gives files, and nothing else.

Large files travel as Git LFS asks for them (batch, PUT), fetched ones in ranges; each commit keeps its own files.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import socket
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "token-of-these-tests"  # noqa: S105 - of no other server
LARGE = (".onnx", ".safetensors", ".pkl", ".sav")


@dataclass
class Repo:
    """A model: its branches, and the files of each commit."""

    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: bool = False
    gated: bool = False

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        """Adds a commit with these files and no others."""
        parts = [self.branches.get(branch, ""), str(len(self.commits)), *map(repr, sorted(files.items()))]
        name = hashlib.sha1("\n".join(parts).encode()).hexdigest()  # noqa: S324 - as Git does
        self.commits[name] = dict(files)
        self.branches[branch] = name
        return name

    def resolve(self, revision: str) -> str | None:
        """The commit of a branch or commit."""
        return self.branches.get(revision, revision if revision in self.commits else None)


class Hub:
    """The server, on a free port of this machine until `close`.

    Attributes:
        repos: By OWNER/NAME.
        log: Every request as "METHOD path"; `ranges`: those for a part of a file.
        broken: How many of the next downloads of a file break off in the middle.
        short: Files that are sent as if they were half as long; `tampered`: with other bytes.
        status: Answer everything with this status instead.
    """

    def __init__(self, port: int = 0) -> None:
        self.repos: dict[str, Repo] = {}
        self.stored: dict[str, bytes] = {}
        self.log: list[str] = []
        self.ranges: list[str] = []
        self.broken: Counter[str] = Counter()
        self.short: set[str] = set()
        self.tampered: set[str] = set()
        self.status: int | None = None
        self.connections: list[socket.socket] = []
        hub = self

        class Bound(_Handler):
            pass

        Bound.hub = hub
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Bound)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        """What HF_ENDPOINT should be."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stops; from then on nobody answers at the port."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.hub.connections.append(self.connection)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Keeps quiet."""

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:  # noqa: PLR0911 - one way for each question
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or self._chunks()
        self.hub.log.append(f"{self.command} {path}")
        if self.hub.status is not None:
            return self._send(self.hub.status, {"error": "out of order"})
        if path == "/api/validate-yaml":
            return self._send(200, {"warnings": [], "errors": []})
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if stored := re.fullmatch(r"/lfs/([0-9a-f]{64})", path):
            self.hub.stored[stored[1]] = body
            return self._send(200, {})
        if found := re.fullmatch(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            return self._batch(json.loads(body)) if self._known(found[1], write=True) else None
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/(.+?)/([^/]+(?:/[^/]+)*)", path):
            return self._file(found[1], found[2], found[3]) if self._known(found[1]) else None
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/([a-z-]+)/(.+?)/?)?", path):
            return self._api(found[1], found[2] or "revision", found[3] or "main", body)
        return self._send(404, {"error": f"this server knows no {path}"})

    def _api(self, name: str, what: str, revision: str, body: bytes) -> None:  # noqa: PLR0911 - as above
        repo = self._known(name, write=what in {"preupload", "commit", "branch"})
        if repo is None:
            return None
        if what == "branch":
            repo.branches[revision] = repo.branches["main"]
            return self._send(200, {})
        commit = repo.resolve(revision)
        if commit is None:
            return self._send(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})
        files = repo.commits[commit]
        if what == "revision":
            return self._send(200, {"id": name, "sha": commit, "siblings": [], "private": repo.private, "tags": []})
        if what == "tree":
            return self._send(200, [_listed(path, content) for path, content in sorted(files.items())])
        if what == "preupload":
            asked = json.loads(body)["files"]
            modes = [_mode(one["path"], files.get(one["path"])) for one in asked]
            return self._send(200, {"files": modes})
        if what == "commit":
            return self._commit(repo, name, revision, body)
        return self._send(404, {"error": f"this server knows no {what}"})

    def _known(self, name: str, *, write: bool = False) -> Repo | None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        repo = self.hub.repos.get(name)
        if token and token != TOKEN:
            said = {"X-Error-Message": "Invalid credentials in Authorization header"}
            self._send(401, {"error": said["X-Error-Message"]}, said)
        elif repo is None or (repo.private and not token):
            self._send(404 if token else 401, {"error": "not found"}, {"X-Error-Code": "RepoNotFound"})
        elif repo.gated and not token:
            self._send(403, {"error": "gated"}, {"X-Error-Code": "GatedRepo"})
        elif write and (not token or name.startswith("others/")):
            said = {"X-Error-Message": f"this token may not write to {name}"}
            self._send(403, {"error": said["X-Error-Message"]}, said)
        else:
            return repo
        return None

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        repo = self.hub.repos.setdefault(name, Repo(private=asked.get("visibility") == "private"))
        repo.commit({".gitattributes": b"*.onnx filter=lfs\n"})
        self._send(200, {"url": f"{self.hub.url}/{name}", "name": name, "id": "1"})

    def _batch(self, asked: dict[str, Any]) -> None:
        objects: list[dict[str, Any]] = []
        for one in asked["objects"]:
            actions = {"upload": {"href": f"{self.hub.url}/lfs/{one['oid']}"}}
            known = one["oid"] in self.hub.stored
            objects.append({"oid": one["oid"], "size": one["size"], **({} if known else {"actions": actions})})
        self._send(200, {"transfer": "basic", "objects": objects})

    def _commit(self, repo: Repo, name: str, branch: str, body: bytes) -> None:
        lines = [json.loads(line) for line in body.splitlines()]
        files = dict(repo.commits[repo.branches[branch]])
        if lines[0]["value"].get("parentCommit") not in {None, repo.branches[branch]}:
            return self._send(412, {"error": "the branch moved"})
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.stored[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        commit = repo.commit(files, branch)
        url = f"{self.hub.url}/{name}/commit/{commit}"
        return self._send(200, {"commitUrl": url, "commitOid": commit, "pullRequestUrl": None})

    def _file(self, name: str, revision: str, path: str) -> None:
        repo = self.hub.repos[name]
        commit = repo.resolve(revision)
        content = repo.commits[commit].get(path) if commit else None
        if commit is None or content is None:
            return self._send(404, {}, {"X-Error-Code": "EntryNotFound" if commit else "RevisionNotFound"})
        headers = {"X-Repo-Commit": commit, "ETag": f'"{_git_blob(content)}"', "Accept-Ranges": "bytes"}
        if path.endswith(LARGE):
            digest = hashlib.sha256(content).hexdigest()
            headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content))}
        status, start = 200, 0
        if asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or ""):
            self.hub.ranges.append(f"{path} {asked[0]}")
            status, start = 206, int(asked[1])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        content = content[start:]
        if self.command == "GET" and path in self.hub.short:
            content = content[: len(content) // 2]
        if path in self.hub.tampered:
            content = bytes(255 - byte for byte in content)
        if self.command == "GET" and self.hub.broken[path] > 0:
            self.hub.broken[path] -= 1
            self._head(status, headers, len(content))
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return None
        self._head(status, headers, len(content))
        if self.command == "GET":
            self.wfile.write(content)
        return None

    def _send(self, status: int, content: object, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(content).encode()
        self._head(status, {"Content-Type": "application/json", **(headers or {})}, len(data))
        if self.command != "HEAD":
            self.wfile.write(data)

    def _head(self, status: int, headers: dict[str, str], length: int) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _chunks(self) -> bytes:
        """A body whose length was not told beforehand."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return b""
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)


def _listed(path: str, content: bytes) -> dict[str, Any]:
    common = {"type": "file", "path": path, "size": len(content), "oid": _git_blob(content)}
    if not path.endswith(LARGE):
        return common
    digest = hashlib.sha256(content).hexdigest()
    return {**common, "lfs": {"oid": digest, "size": len(content), "pointerSize": 130}}


def _mode(path: str, there: bytes | None) -> dict[str, Any]:
    mode = "lfs" if path.endswith(LARGE) else "regular"
    known = {} if there is None else {"oid": hashlib.sha256(there).hexdigest() if mode == "lfs" else _git_blob(there)}
    return {"path": path, "uploadMode": mode, "shouldIgnore": False, **known}


def _git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # noqa: S324 - as above
