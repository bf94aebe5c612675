"""The model hub's client as a program of its own, so that it can be stopped at any moment.

    python hub_client.py probe
    python hub_client.py get REPO REVISION PATH FOLDER BYTES SHA256

It imports nothing of the project. On failure its last line says why.
"""

from __future__ import annotations

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


if __name__ == "__main__":
    if sys.argv[1] == "probe":
        probe()
    else:
        repo, revision, path, folder, size, sha256 = sys.argv[2:]
        get(repo, revision, path, folder, int(size), sha256)
