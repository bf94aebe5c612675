"""`@tool`: one declaration, from which come the LangChain tool, the plan schema, the REST route and the docs.

@tool(cost=Cost(seconds=0.2))
async def detect_objects(call: ToolCall, image: ImageRef, threshold: Threshold = 0.4) -> ObjectsFound:
"Find and count objects and people in a picture."
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo

from engines.errors import InputError
from tools.types import Cost, Danger, Granted, Media, MediaKind, Multiple, OneOf, Planned, ToolResult

if TYPE_CHECKING:
    from tools.call import ToolCall

ToolFunction = Callable[..., Awaitable[ToolResult]]


@dataclass(frozen=True)
class ToolSpec:
    """A tool as declared. ``parameters`` is a pydantic model made from the function's signature."""

    name: str
    purpose: str
    function: ToolFunction
    parameters: type[BaseModel]
    result: type[ToolResult]
    cost: Cost
    danger: Danger
    one_of: frozenset[str] = frozenset()
    """Media parameters of which a call gives exactly one: what the tool works on."""
    repeatable: bool = True
    """The arguments alone decide what comes of a call, and nothing else does: its result may be taken another time."""

    @cached_property
    def media_parameters(self) -> Mapping[str, MediaKind]:
        """Parameter -> kind of media it takes (text included)."""
        return _media_fields(self.parameters)

    @cached_property
    def required(self) -> frozenset[str]:
        return frozenset(name for name, field in self.parameters.model_fields.items() if field.is_required())

    @cached_property
    def produces(self) -> Mapping[MediaKind, str]:
        """Kind of media -> the result's field that holds it, for later steps to work on."""
        return {kind: name for name, kind in _media_fields(self.result).items()}

    @cached_property
    def gives(self) -> frozenset[MediaKind]:
        """The kinds of media a later step may take from the result. Mere facts are given as text: their summary."""
        return frozenset(self.produces or ("text",))

    @cached_property
    def forms(self) -> tuple[frozenset[str], ...]:
        """The sets of parameters that a call must give: one set, or one for each of ``one_of``."""
        return tuple(self.required | {name} for name in self.parameters.model_fields if name in self.one_of) or (
            self.required,
        )

    @cached_property
    def permissions(self) -> tuple[str, ...]:
        """The parameters that only a user's own words may set."""
        return self._marked(Granted)

    @cached_property
    def multiples(self) -> tuple[str, ...]:
        """The parameters that take a number of times."""
        return self._marked(Multiple)

    def _marked(self, mark: type) -> tuple[str, ...]:
        fields = self.parameters.model_fields.items()
        return tuple(name for name, field in fields if any(isinstance(each, mark) for each in field.metadata))

    def choices(self, parameter: str) -> OneOf | None:
        """Where the values of a parameter come from, if an engine names them."""
        marks = self.parameters.model_fields[parameter].metadata
        return next((item for item in marks if isinstance(item, OneOf)), None)

    def is_planned(self, parameter: str) -> bool:
        """Whether a planner may set it: it is required, its values are named, or it is marked so; no permission is."""
        if parameter in self.permissions:
            return False
        marks = self.parameters.model_fields[parameter].metadata
        return parameter in self.required or any(isinstance(item, OneOf | Planned) for item in marks)

    def must_be_named(self, parameter: str) -> bool:
        """Whether a planner may set the option only when the request names it or its value."""
        marks = self.parameters.model_fields[parameter].metadata
        return any(isinstance(item, Planned | OneOf) and item.named for item in marks)

    def validate(self, args: Mapping[str, Any]) -> BaseModel:
        """Raises InputError that names the argument that does not fit."""
        try:
            checked = self.parameters.model_validate(dict(args))
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"]) or "arguments"
            known = ", ".join(self.parameters.model_fields)
            raise InputError(f"{self.name}: {name}: {first['msg']}.", fix=f"Parameters: {known}.") from error
        given = sorted(name for name in self.one_of if getattr(checked, name) is not None)
        if self.one_of and len(given) != 1:
            what = f"not both {' and '.join(given)}" if given else "and nothing was given"
            raise InputError(
                f"{self.name} works on one of {' or '.join(sorted(self.one_of))}, {what}.", fix="Give one."
            )
        return checked

    async def run(self, call: ToolCall, args: Mapping[str, Any]) -> ToolResult:
        """Check the arguments and do the work."""
        checked = self.validate(args)
        return await self.function(call, **{name: getattr(checked, name) for name in type(checked).model_fields})

    def parameters_schema(self) -> dict[str, Any]:
        """JSON schema of the parameters, for REST clients and forms."""
        return self.parameters.model_json_schema()


def tool(
    *, cost: Cost, danger: Danger = Danger.NONE, one_of: tuple[str, ...] = (), repeatable: bool = True
) -> Callable[[ToolFunction], ToolSpec]:
    """Declare a tool. Its name is the function's, its purpose the docstring's first sentence.

    ``one_of`` names optional media parameters of which a call gives exactly one, as in ``one_of=("image", "video")``.
    A tool is not ``repeatable`` when it keeps something, or looks at what may have changed since: the time, the web.
    """

    def declare(function: ToolFunction) -> ToolSpec:
        hints = get_type_hints(function, include_extras=True)
        result = hints.pop("return")
        parameters = list(inspect.signature(function).parameters.values())[1:]  # the first is the ToolCall
        fields: dict[str, Any] = {
            parameter.name: (
                hints[parameter.name],
                ... if parameter.default is inspect.Parameter.empty else parameter.default,
            )
            for parameter in parameters
        }
        name = function.__name__
        model = create_model(f"{name}_parameters", __config__=ConfigDict(extra="forbid", frozen=True), **fields)
        purpose = (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ")
        return ToolSpec(name, purpose, function, model, result, cost, danger, frozenset(one_of), repeatable)

    return declare


def _media_fields(model: type[BaseModel]) -> dict[str, MediaKind]:
    marks = {name: _media_of(field) for name, field in model.model_fields.items()}
    return {name: media.kind for name, media in marks.items() if media and not media.overlay}


def _media_of(field: FieldInfo) -> Media | None:
    """The mark is in the field's metadata, or inside ``ImageRef | None``."""
    inside = [item for option in get_args(field.annotation) for item in getattr(option, "__metadata__", ())]
    return next((item for item in (*field.metadata, *inside) if isinstance(item, Media)), None)
