"""What a run takes from one that was before it, as its options say."""

from __future__ import annotations

from agent.parts import Parts
from engines.errors import NotFoundError
from graphs.options import TurnOptions
from graphs.preset import preset_of
from graphs.reuse import EarlierCalls, earlier_calls
from graphs.state import Preset


async def earlier_of(options: TurnOptions, parts: Parts) -> EarlierCalls | None:
    """The calls that may be taken. Of a run that has been deleted meanwhile there are none."""
    if options.take_from is None:
        return None
    log = await parts.log.read_all(options.take_from)
    return await earlier_calls(log, options.take_from, parts.tools, parts.artifacts, parts.shelf)


async def preset_for(options: TurnOptions, parts: Parts) -> Preset | None:
    """The plan to carry out again. Raises NotFoundError when its run has been deleted meanwhile."""
    if options.replay_of is None:
        return None
    log = await parts.log.read_all(options.replay_of)
    if not log:
        raise NotFoundError(f"Run {options.replay_of}, which is replayed, has been deleted.", fix="Send the message.")

    def capability_of(model: str) -> str | None:
        try:
            return parts.shelf.catalog.get(model).capability
        except NotFoundError:
            return None

    return preset_of(log, parts.tools, capability_of)
