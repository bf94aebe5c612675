"""The tools on offer, by name, and how one is run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engines.errors import EngineError, NotFoundError
from memory.artifact_types import ArtifactRef
from memory.events import EventBody, Receipt, ToolFinished, ToolStarted
from tools.call import ToolCall, Workshop
from tools.spec import ToolSpec
from tools.types import ToolResult

if TYPE_CHECKING:
    from langchain_core.tools import StructuredTool


@dataclass(frozen=True)
class Outcome:
    """A finished call: the typed result and what came with it."""

    result: ToolResult
    artifacts: tuple[ArtifactRef, ...]
    receipts: tuple[Receipt, ...]
    seconds: float


class Registry:
    """Tools in a fixed order, so that prompts built from them are the same every time."""

    def __init__(self, specs: Iterable[ToolSpec], workshop: Workshop, *, timeout_seconds: float = 600) -> None:
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

    async def run(
        self, name: str, args: Mapping[str, Any], *, call_id: str, emit: Callable[[EventBody], None]
    ) -> Outcome:
        """Run one tool and report it. Raises what the tool raises; a tool over its time is cancelled: EngineError."""
        spec = self.get(name)
        call = ToolCall(self._workshop, spec.name, args, call_id, emit)
        emit(ToolStarted(call_id=call_id, tool=name, args=dict(args)))
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout) as limit:
                result = await spec.run(call, args)
        except TimeoutError as error:
            if not limit.expired():
                raise  # the tool's own, from something that it waited for
            raise EngineError(
                f"{name} was stopped after {self._timeout:g} s.",
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
