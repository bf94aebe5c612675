"""Fetching a model on an Ollama server: the server downloads and keeps it, and says how far it is."""

from __future__ import annotations

from engines.downloads import Meter, OnPullProgress
from engines.errors import DownloadError
from engines.progress import NEVER, CancelToken
from engines.text.remote import unreachable


def pull_on_ollama(base_url: str, model: str, *, on_progress: OnPullProgress, cancel: CancelToken = NEVER) -> None:
    """Blocking. A pull that is given up goes on where it stopped: the server keeps the parts.

    Raises UnavailableError when no server answers, DownloadError when it can't get the model, Cancelled.
    """
    import httpx
    import ollama

    meter = Meter(f"ollama/{model}", on_progress)
    layers: dict[str, tuple[int, int]] = {}
    """Digest -> bytes so far, bytes."""
    try:
        for step in ollama.Client(host=base_url, timeout=httpx.Timeout(None, connect=5)).pull(model, stream=True):
            cancel.check()
            if step.digest and step.total:
                is_new = step.digest not in layers
                layers[step.digest] = (step.completed or 0, step.total)
                if is_new:
                    meter.start(sum(total for _, total in layers.values()), f"the server at {base_url} fetches it")
                for digest, (done, _) in layers.items():
                    meter.count(digest, done)
            elif step.status:
                meter.say(step.status)
    except (ConnectionError, httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise unreachable("ollama", base_url) from error
    except (ollama.ResponseError, httpx.HTTPError) as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise DownloadError(
            f"The Ollama server at {base_url} could not get {model}: {line}.",
            fix="See its library for the right name, or look at the server's own log.",
        ) from error
    meter.say("ready")
