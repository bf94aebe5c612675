"""The chat model that a turn's nodes see: whichever model the run's route has settled on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import Field, SkipValidation

from agent.routing import Route, is_failure
from engines.catalog import Planning
from engines.errors import PlanError, SensoriumError
from engines.text.structured import Constrained, with_call_options


class RoutedChat(BaseChatModel):
    """Takes what `EmbeddedChat` takes. A model that fails before its first token is followed by the next best; one that
    fails later fails the call: what it said can't be taken back.
    """

    route: SkipValidation[Route] = Field(exclude=True, repr=False)

    @property
    def _llm_type(self) -> str:
        return "sensorium-routed"

    @property
    def planning(self) -> Planning:
        """How the model that is asked now is best asked for plans."""
        planning: Planning = getattr(self.route.chat(), "planning", "schema")
        return planning

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools to call, told of them in its own way. ``tool_choice`` as LangChain has it."""
        chosen = {"tool_choice": tool_choice} if tool_choice else {}
        return self.bind(told_of=list(tools), **chosen, **kwargs)

    def constrained(self, schema: Mapping[str, Any], **call: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with decoding held to a JSON schema; ``call`` as in ``bind``."""
        return self.bind(held_to=dict(schema), **call)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 # LangChain's signature
        **kwargs: Any,
    ) -> ChatResult:
        while True:
            self.route.begin()
            try:
                answer = await _bound(self.route.chat(), stop, kwargs).ainvoke(self._seen(messages))
            except SensoriumError as error:
                await self._go_on_after(error)
                continue
            except BaseException:  # cancelled, or broken in a way that says nothing of the model
                self.route.let_go()
                raise
            self.route.succeeded()
            return ChatResult(generations=[ChatGeneration(message=answer)])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 # LangChain's signature
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        while True:
            self.route.begin()
            spoke = False
            try:
                async for chunk in _bound(self.route.chat(), stop, kwargs).astream(self._seen(messages)):
                    if chunk.text and not spoke:
                        spoke = True
                        self.route.succeeded()
                    yield ChatGenerationChunk(message=cast("AIMessageChunk", chunk))
            except SensoriumError as error:
                if spoke:
                    self._note(error)
                    raise
                await self._go_on_after(error)
                continue
            except BaseException:
                self.route.let_go()
                raise
            self.route.succeeded()
            return

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        """Not offered: a turn never blocks."""
        raise NotImplementedError("A turn's chat model is asynchronous: use ainvoke() or astream().")

    def _seen(self, messages: list[BaseMessage]) -> list[BaseMessage]:
        """Without pictures where the model can't see: it takes over from one that can."""
        if self.route.facts().vision:
            return messages
        return [
            message if isinstance(message.content, str) else message.model_copy(update={"content": str(message.text)})
            for message in messages
        ]

    def _note(self, error: SensoriumError) -> None:
        if is_failure(error):
            self.route.switcher.failed(self.route.model, error)
        else:
            self.route.let_go()

    async def _go_on_after(self, error: SensoriumError) -> None:
        """Returns when another model is to be asked; raises the error when none is."""
        if not is_failure(error):
            self.route.let_go()
            raise error
        if not await self.route.take_over(error):
            raise error


#: Call options that are told each kind of model in its own way.
_OURS = ("held_to", "told_of")


def _bound(model: BaseChatModel, stop: list[str] | None, call: Mapping[str, Any]) -> Runnable[Any, Any]:
    """The model with what was asked of the call; each kind of model is told a schema in its own way."""
    if call.get("adapter") and getattr(model, "planning", "") != "lines":
        raise PlanError("The model that took over was not tuned for this.", fix="Ask it in words.")
    told = {key: value for key, value in call.items() if key not in _OURS and not key.startswith("ls_")}
    if stop:
        told["stop"] = stop
    if "held_to" in call:
        return cast("Constrained", model).constrained(call["held_to"], **told)
    if "told_of" in call:
        return with_call_options(model, model.bind_tools(call["told_of"]), **told)
    return model.bind(**told) if told else model
