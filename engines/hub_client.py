"""The model hub's client as a program of its own, so that it can be stopped at any moment.

    python hub_client.py probe
    python hub_client.py get REPO REVISION PATH FOLDER BYTES SHA256
    python hub_client.py snapshot REPO REVISION FOLDER [PATTERN]...

It imports nothing of the project. On failure its last line says why.
"""

from __future__ import annotations

import hashlib
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path

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
    """Fetch one file to FOLDER/PATH, going on with a part that is there. One of another size or hash is not begun.

    ``hf_hub_download`` throws the part of a broken download away, so the function beneath it is used.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented, but not in __all__

    url, target = hf_hub_url(repo, path, revision=revision), Path(folder) / path
    try:
        known = get_hf_file_metadata(url, timeout=TIMEOUT_SECONDS)
        # A large file's etag is its sha256; a small one's is a git hash.
        other = len(known.etag or "") == len(sha256) and known.etag != sha256
        if other or known.size not in (None, size):
            raise SystemExit(f"its {path} is not the catalog's file")
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("ab") as part:
            if part.tell() > size:
                part.truncate(0)
            http_get(url, part, resume_size=part.tell(), headers=build_hf_headers(), expected_size=size)
    except Exception as error:
        raise SystemExit(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}") from None


def snapshot(repo: str, revision: str, folder: str, patterns: list[str]) -> None:
    """Fetch a repository's files into FOLDER, going on where an earlier try stopped, and check them.

    The hub names the sha256 of every large file; a small one is checked by its size. What was fetched is written to
    FOLDER/.snapshot.json: the commit, and each file with its size.
    """
    import json

    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.utils import filter_repo_objects  # type: ignore[attr-defined]  # documented, not in __all__

    try:
        info = HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=TIMEOUT_SECONDS)
        snapshot_download(repo, revision=info.sha, local_dir=folder, allow_patterns=patterns or None)
        names = [item.rfilename for item in info.siblings or ()]
        wanted = set(filter_repo_objects(names, allow_patterns=patterns or None))
        for item in info.siblings or ():
            if item.rfilename in wanted:
                _check(Path(folder) / item.rfilename, item.size, item.lfs.sha256 if item.lfs else None)
    except Exception as error:
        raise SystemExit(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}") from None
    if not wanted:
        raise SystemExit(f"{repo} has no file that fits {', '.join(patterns)}")
    sizes = {name: (Path(folder) / name).stat().st_size for name in sorted(wanted)}
    Path(folder, ".snapshot.json").write_text(json.dumps({"revision": info.sha, "files": sizes}), "utf-8")


def _check(path: Path, size: int | None, sha256: str | None) -> None:
    if size is not None and path.stat().st_size != size:
        raise ValueError(f"{path.name} has {path.stat().st_size} bytes, not {size}")
    if sha256 is None:
        return
    with path.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != sha256:
            path.unlink()
            raise ValueError(f"{path.name} is not the hub's file")


if __name__ == "__main__":
    if sys.argv[1] == "probe":
        probe()
    elif sys.argv[1] == "snapshot":
        repo, revision, folder, *patterns = sys.argv[2:]
        snapshot(repo, revision, folder, patterns)
    else:
        repo, revision, path, folder, size, sha256 = sys.argv[2:]
        get(repo, revision, path, folder, int(size), sha256)
