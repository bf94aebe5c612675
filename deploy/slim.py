"""Remove from an environment what runs nowhere: ``.venv/bin/python deploy/slim.py``

Packages ship their own test suites, C headers and notebook widgets; together they are a tenth of the
environment. Only whole folders and files of these kinds go; what a package imports stays. Afterwards everything is
compiled to bytecode, so that the first start is as quick as the later ones.
"""

from __future__ import annotations

import compileall
import shutil
import sys
import sysconfig
from pathlib import Path

#: Folders of test suites, wherever they are, and others by their place in site-packages.
TEST_FOLDERS = ("tests",)
FOLDERS = ("pyarrow/include", "pyarrow/includes", "pydeck/nbextension")

#: Sources of compiled modules. Stubs (.pyi) stay: a type checker in the same environment needs them.
SUFFIXES = (".pyx", ".pxd", ".pxi")


def slim(site_packages: Path) -> int:
    """Returns how many bytes went."""
    doomed = [site_packages / folder for folder in FOLDERS]
    doomed += [path for name in TEST_FOLDERS for path in site_packages.rglob(name) if path.is_dir()]
    doomed += [path for path in site_packages.rglob("*") if path.suffix in SUFFIXES and path.is_file()]
    freed = 0
    for path in doomed:
        if path.is_dir():
            freed += sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            shutil.rmtree(path)
        elif path.is_file():
            freed += path.stat().st_size
            path.unlink()
    return freed


def main() -> None:
    if sys.prefix == sys.base_prefix:
        sys.exit("This is not a virtual environment: nothing was removed.")
    site_packages = Path(sysconfig.get_path("purelib"))
    print(f"{slim(site_packages) / 1e6:.0f} MB of tests and headers removed.")
    compileall.compile_dir(site_packages, quiet=2, workers=0)


if __name__ == "__main__":
    main()
