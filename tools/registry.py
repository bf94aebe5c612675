"""The tools on offer, by name, and how one is run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engines.errors import EngineError, NotFoundError
from memory.artifact_types import ArtifactRef
from memory.events import EventBody, Receipt, ToolFinished, ToolStarted
from tools.call import Again, ToolCall, Workshop
from tools.spec import ToolSpec
from tools.types import ToolResult

if TYPE_CHECKING:
    from langchain_core.tools import StructuredTool


#: A call may take so many times what its tool's cost hint says: inputs differ, and so do machines.
SLACK = 60


@dataclass(frozen=True)
class Outcome:
    """A finished call: the typed result and what came with it."""

    result: ToolResult
    artifacts: tuple[ArtifactRef, ...]
    receipts: tuple[Receipt, ...]
    seconds: float


class Registry:
    """Tools in a fixed order, so that prompts built from them are the same every time."""

    def __init__(
        self,
        specs: Iterable[ToolSpec],
        workshop: Workshop,
        *,
        timeout_seconds: float = 600,
        check_allowed: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """``check_allowed`` raises for a tool that may not be run; None: all may."""
        self._check_allowed = check_allowed
        self._specs = {spec.name: spec for spec in specs}
        self._workshop = workshop
        self._timeout = timeout_seconds

    def __iter__(self) -> Iterator[ToolSpec]:
        return iter(self._specs.values())

    def get(self, name: str) -> ToolSpec:
        try:
            return self._specs[name]
        except KeyError:
            known = ", ".join(self._specs)
            raise NotFoundError(f"No tool is called {name!r}.", fix=f"Tools: {known}.") from None

    def time_limit(self, spec: ToolSpec) -> float:
        """Seconds after which a call is stopped: what the settings allow, or half of it for a tool that says that it is
        quick.
        """
        return min(self._timeout, max(self._timeout / 2, SLACK * spec.cost.seconds))

    async def run(
        self,
        name: str,
        args: Mapping[str, Any],
        *,
        call_id: str,
        emit: Callable[[EventBody], None],
        again: Again | None = None,
    ) -> Outcome:
        """Run one tool and report it. Raises what the tool raises, and DeniedError for one that may not be run; a tool
        over its time is cancelled: EngineError.
        """
        spec = self.get(name)
        if self._check_allowed:
            await self._check_allowed(name)
        seconds_allowed = self.time_limit(spec)
        call = ToolCall(self._workshop, spec.name, args, call_id, emit, again=again)
        emit(ToolStarted(call_id=call_id, tool=name, args=dict(args)))
        started = time.monotonic()
        try:
            async with asyncio.timeout(seconds_allowed) as limit:
                result = await spec.run(call, args)
        except TimeoutError as error:
            if not limit.expired():
                raise  # the tool's own, from something that it waited for
            raise EngineError(
                f"{name} was stopped after {seconds_allowed:g} s.",
                fix="Give it less to do, or raise SENSORIUM_TOOL_TIMEOUT_SECONDS.",
            ) from error
        finally:
            call.close()
        seconds = round(time.monotonic() - started, 3)
        outcome = Outcome(result, tuple(call.made), tuple(call.receipts), seconds)
        emit(
            ToolFinished(
                call_id=call_id,
                tool=name,
                result=result.model_dump(mode="json"),
                summary=result.summary(),
                seconds=seconds,
                receipts=outcome.receipts,
            )
        )
        return outcome

    def helper(self, job: str, *, call_id: str, emit: Callable[[EventBody], None]) -> ToolCall:
        """Engines and artifacts for what a turn does beside its plan, such as hearing a voice message. Its receipts
        name the ``job``; no `tool.started` is told.
        """
        return ToolCall(self._workshop, job, {}, call_id, emit)

    def langchain_tools(self, *, emit: Callable[[EventBody], None]) -> list[StructuredTool]:
        """The same tools for any LangChain agent: arguments are artifact ids and text, answers are the summaries,
        and the whole `Outcome` is the message's artifact.
        """
        return [self._langchain_tool(spec, emit) for spec in self]

    def _langchain_tool(self, spec: ToolSpec, emit: Callable[[EventBody], None]) -> StructuredTool:
        from langchain_core.tools import StructuredTool

        async def call(**args: Any) -> tuple[str, Outcome]:
            outcome = await self.run(spec.name, args, call_id=f"{spec.name}-{time.monotonic_ns()}", emit=emit)
            return outcome.result.summary(), outcome

        return StructuredTool(
            name=spec.name,
            description=spec.purpose,
            args_schema=spec.parameters,
            coroutine=call,
            response_format="content_and_artifact",
        )
