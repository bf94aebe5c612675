"""Every tool on offer: the built-in ones, and those of installed packages.

A package adds tools through the entry point group ``sensorium.tools``; each entry point names a `ToolSpec` or a
sequence of them (see docs/extending.md).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from importlib import metadata

from tools.builtin import BUILT_IN
from tools.spec import ToolSpec

log = logging.getLogger(__name__)


def offered_tools() -> tuple[ToolSpec, ...]:
    """Built-in tools first. A package that can't be loaded, or whose tool has a name that is taken, is passed over with
    a warning: it must not keep the others from working.
    """
    tools = {spec.name: spec for spec in BUILT_IN}
    for point in sorted(metadata.entry_points(group="sensorium.tools"), key=lambda point: point.name):
        for spec in _specs_of(point):
            if spec.name in tools:
                log.warning("The tool %s of %s is left out: its name is taken.", spec.name, point.value)
            else:
                tools[spec.name] = spec
    return tuple(tools.values())


def _specs_of(point: metadata.EntryPoint) -> Iterable[ToolSpec]:
    try:
        found = point.load()
    except Exception as error:  # a stranger's module may raise anything when it is imported
        log.warning("The tools of %s can't be loaded: %s: %s", point.value, type(error).__name__, error)
        return
    for spec in found if isinstance(found, list | tuple) else (found,):
        if isinstance(spec, ToolSpec):
            yield spec
        else:
            log.warning("%s names %r, which is no tool: declare it with @tool.", point.value, spec)
