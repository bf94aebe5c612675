"""Put beside the environment what only tests need and what would break it inside: run by `make test`, with its Python.

torchvision's wheels are built for PyTorch with CUDA. Beside the CPU build they can't load their operators, and then
transformers and diffusers, which import torchvision where it is installed, can't be imported either. Ultralytics needs
it. So it lies in a folder of its own, `.venv/aside/torchvision`, which only the tests of YOLO put on their path, and
those define the two operators that are missing (`tests/support/torchvision_aside.py`).

torchaudio is alike, but works in pure Python once its compiled library is gone; Coqui's library needs it, and of
torchcodec only that it is there. Both lie in `.venv/aside/coqui`, for the tests of Coqui alone.

Nothing is done twice, and nothing fails: where it can't be had, those tests are skipped and say why.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

#: The release of torchvision that goes with each of PyTorch.
FITTING = {"2.13": "0.28.0", "2.12": "0.27.0", "2.11": "0.26.0", "2.10": "0.25.0", "2.9": "0.24.0", "2.8": "0.23.0"}
ASIDE = Path(sys.prefix) / "aside"
#: Neither follows the releases of PyTorch any more.
COQUI = {"torchaudio": "2.11.0", "torchcodec": "0.17.0"}


def main() -> None:
    try:
        torch = ".".join(metadata.version("torch").split(".")[:2])
    except metadata.PackageNotFoundError:
        print("torchvision and torchaudio are left out: PyTorch is not installed.")
        return
    if torch not in FITTING:
        print(f"torchvision is left out: no release of it is known that goes with PyTorch {torch}.")
    else:
        put_aside("torchvision", {"torchvision": FITTING[torch]}, "YOLO")
    if put_aside("coqui", COQUI, "Coqui"):
        shutil.rmtree(ASIDE / "coqui" / "torchaudio" / "lib", ignore_errors=True)


def put_aside(name: str, packages: dict[str, str], tests: str) -> bool:
    """Install the packages into the folder of that name, where they are not there already."""
    folder = ASIDE / name
    if all(any(folder.glob(f"{package}-{version}*.dist-info")) for package, version in packages.items()):
        return True  # the star: builds for one kind of machine say so, as in 0.28.0+cpu
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
    wanted = [f"{package}=={version}" for package, version in packages.items()]
    done = subprocess.run(
        [*pip, "--upgrade", "--target", str(folder), *wanted], capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "pip failed")
        print(f"{name} is left out, and the tests of {tests} with it: {reason}")
    return not done.returncode


if __name__ == "__main__":
    main()
