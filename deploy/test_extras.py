"""Put beside the environment what only tests need and what would break it inside: run by `make test`, with its Python.

torchvision's wheels are built for PyTorch with CUDA. Beside the CPU build they can't load their operators, and then
transformers and diffusers, which import torchvision where it is installed, can't be imported either. Ultralytics needs
it. So it lies in a folder of its own, `.venv/aside/torchvision`, which only the tests of YOLO put on their path, and
those define the two operators that are missing (`tests/support/torchvision_aside.py`).

Nothing is done twice, and nothing fails: where it can't be had, those tests are skipped and say why.
"""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

#: The release of torchvision that goes with each of PyTorch.
FITTING = {"2.13": "0.28.0", "2.12": "0.27.0", "2.11": "0.26.0", "2.10": "0.25.0", "2.9": "0.24.0", "2.8": "0.23.0"}
FOLDER = Path(sys.prefix) / "aside" / "torchvision"


def main() -> None:
    try:
        torch = ".".join(metadata.version("torch").split(".")[:2])
    except metadata.PackageNotFoundError:
        print("torchvision is left out: PyTorch is not installed.")
        return
    wanted = FITTING.get(torch)
    if wanted is None:
        print(f"torchvision is left out: no release of it is known that goes with PyTorch {torch}.")
        return
    if (FOLDER / f"torchvision-{wanted}.dist-info").is_dir() or list(FOLDER.glob(f"torchvision-{wanted}+*.dist-info")):
        return
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "--no-deps",
        "--no-compile",
    ]
    done = subprocess.run(
        [*pip, "--upgrade", "--target", str(FOLDER), f"torchvision=={wanted}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "pip failed")
        print(f"torchvision is left out, and the tests of YOLO with it: {reason}")


if __name__ == "__main__":
    main()
