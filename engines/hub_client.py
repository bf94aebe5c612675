"""The model hub's client as a program of its own, so that it can be stopped at any moment.

    python hub_client.py probe
    python hub_client.py get REPO REVISION PATH FOLDER BYTES SHA256
    python hub_client.py snapshot REPO REVISION FOLDER [PATTERN]...

It imports nothing of the project. On failure its last line says why.
"""

from __future__ import annotations

import hashlib
import json
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

TIMEOUT_SECONDS = 5.0


def probe() -> None:
    """End quietly if the hub answers at all. The hub's own client would retry for half a minute."""
    from huggingface_hub.constants import ENDPOINT as endpoint  # noqa: N811 # the library's, or HF_ENDPOINT

    try:
        urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=TIMEOUT_SECONDS).close()  # noqa: S310 - the user's endpoint
    except urllib.error.HTTPError:
        return  # it answers
    except (OSError, ValueError) as error:
        if isinstance(getattr(error, "reason", None), ssl.SSLError):
            return  # it answers; the hub's client may have other certificates
        raise SystemExit(f"the hub can't be reached: {getattr(error, 'reason', error)}") from None


def get(repo: str, revision: str, path: str, folder: str, size: int, sha256: str) -> None:
    """Fetch one file to FOLDER/PATH, going on with a part that is there. One of another size or hash is not begun."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    try:
        known = get_hf_file_metadata(hf_hub_url(repo, path, revision=revision), timeout=TIMEOUT_SECONDS)
        # A large file's etag is its sha256; a small one's is a git hash.
        other = len(known.etag or "") == len(sha256) and known.etag != sha256
        if other or known.size not in (None, size):
            raise SystemExit(f"its {path} is not the catalog's file")
        _fetch(repo, revision, path, Path(folder) / path, size)
    except Exception as error:
        raise SystemExit(_line(error)) from None


def snapshot(repo: str, revision: str, folder: str, patterns: list[str]) -> None:
    """Fetch a repository's files into FOLDER, going on where an earlier try stopped, and check them.

    The hub names the sha256 of every large file and the git hash of a small one. What an earlier try left may be of an
    earlier commit: a file that turns out wrong is then fetched once more. What was fetched is written to
    FOLDER/.snapshot.json: the commit, and each file with its size and its sha256.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils import filter_repo_objects  # type: ignore[attr-defined]  # documented, not in __all__

    sizes, hashes = {}, {}
    try:
        info = HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=TIMEOUT_SECONDS)
        commit = info.sha or revision
        wanted = set(filter_repo_objects([f.rfilename for f in info.siblings or ()], allow_patterns=patterns or None))
        for item in info.siblings or ():
            if item.rfilename in wanted:
                place = Path(folder) / item.rfilename
                begun = place.exists()
                _fetch(repo, commit, item.rfilename, place, item.size)
                right = _is_right(place, item)
                if begun and not right:
                    place.unlink()
                    _fetch(repo, commit, item.rfilename, place, item.size)
                    right = _is_right(place, item)
                if not right:
                    place.unlink()
                    raise ValueError(f"{place.name} is not the hub's file")
                sizes[item.rfilename] = place.stat().st_size
                hashes[item.rfilename] = item.lfs.sha256 if item.lfs else _hash(place, hashlib.sha256())
    except Exception as error:
        raise SystemExit(_line(error)) from None
    if not sizes:
        raise SystemExit(f"{repo} has no file that fits {', '.join(patterns)}")
    note = {"revision": commit, "files": sizes, "sha256": hashes}
    Path(folder, ".snapshot.json").write_text(json.dumps(note), "utf-8")


def _fetch(repo: str, revision: str, path: str, target: Path, size: int | None) -> None:
    """Bring ``target`` to its full size. ``hf_hub_download`` throws the part of a broken download away, so the function
    beneath it is used.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented, but not in __all__

    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("ab") as part:
        if size is None or part.tell() > size:
            part.truncate(0)
        if size is None or part.tell() < size:
            url = hf_hub_url(repo, path, revision=revision)
            http_get(url, part, resume_size=part.tell(), headers=build_hf_headers(), expected_size=size)


def _is_right(path: Path, item: RepoSibling) -> bool:
    """Whether a fetched file has the hash that the hub names; where it names none, nobody can tell."""
    if item.lfs:
        return _hash(path, hashlib.sha256()) == item.lfs.sha256
    start = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)  # git's way
    return item.blob_id is None or _hash(path, start) == item.blob_id


def _hash(path: Path, start: hashlib._Hash) -> str:
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            start.update(piece)
    return start.hexdigest()


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}"


if __name__ == "__main__":
    if sys.argv[1] == "probe":
        probe()
    elif sys.argv[1] == "snapshot":
        repo, revision, folder, *patterns = sys.argv[2:]
        snapshot(repo, revision, folder, patterns)
    else:
        repo, revision, path, folder, size, sha256 = sys.argv[2:]
        get(repo, revision, path, folder, int(size), sha256)
