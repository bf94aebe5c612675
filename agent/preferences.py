"""What the user has chosen for all turns: a chat model, and which tools may do their work unasked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict, Unpack, get_args

from pydantic import BaseModel, ConfigDict

from engines.errors import DeniedError, InputError, NotFoundError
from engines.text.chat import ChatModels
from graphs.policy import Policies, Policy
from memory.users import Users
from tools.spec import ToolSpec

__all__ = ["AUTO", "Policy", "Preferences", "Profile", "ToolPolicy"]

#: In the place of a model's id: the switcher chooses, whatever the settings name.
AUTO = "auto"

_APPROVAL = "approval:"
"""Begins the key of a tool's policy among a user's stored choices: each key is changed by itself."""


class ToolPolicy(BaseModel):
    """``chosen_by``: the user, the settings, or by default how dangerous the tool is."""

    model_config = ConfigDict(frozen=True)

    tool: str
    policy: Policy
    chosen_by: Literal["default", "settings", "user"]


class Profile(BaseModel):
    """``model``: the chat model for turns that name none; None: as the settings say."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    model: str | None
    approval: tuple[ToolPolicy, ...]


class Changes(TypedDict, total=False):
    """None as the model or as a tool's policy goes back to what the settings say."""

    name: str
    model: str | None
    approval: Mapping[str, Policy | None]


class Preferences:
    """One user's, over what the settings say. A tool that the settings deny stays denied."""

    def __init__(
        self,
        users: Users,
        owner: str,
        *,
        tools: Sequence[ToolSpec],
        chat_models: ChatModels,
        policies: Policies,
        model: str | None = None,
    ) -> None:
        """``policies`` and ``model`` as the settings have them."""
        self._users = users
        self._owner = owner
        self._tools = tools
        self._chat_models = chat_models
        self._policies = policies
        self._model = model

    async def profile(self) -> Profile:
        user = await self._users.get(self._owner)
        mine = _approval(user.settings)
        merged = self._policies.over(mine)
        return Profile(
            id=user.id,
            name=user.name,
            model=user.settings.get("model"),
            approval=tuple(
                ToolPolicy(tool=spec.name, policy=merged(spec), chosen_by=self._chosen_by(spec, mine))
                for spec in self._tools
            ),
        )

    async def change(self, **changes: Unpack[Changes]) -> Profile:
        """Change what is given, and nothing else.

        Raises InputError for a tool that there is not or that the settings deny, and for a name that is empty or too
        long; NotFoundError for a chat model that there is not.
        """
        choices: dict[str, str | None] = {}
        for tool, policy in changes.get("approval", {}).items():
            self._check(tool, policy)
            choices[_APPROVAL + tool] = policy
        if "model" in changes:
            choices["model"] = model = changes["model"]
            if model not in (None, AUTO):
                self._chat_models.describe(model)
        await self._users.choose(self._owner, choices, name=changes.get("name"))
        return await self.profile()

    async def policies(self) -> Policies:
        """What is done with each tool now."""
        return self._policies.over(_approval((await self._users.get(self._owner)).settings))

    async def check_allowed(self, tool: str) -> None:
        """Raises DeniedError for a tool that never works."""
        spec = next((spec for spec in self._tools if spec.name == tool), None)
        if spec and (await self.policies())(spec) == "deny":
            raise DeniedError(f"{tool} may not be used.", fix="See your permissions: sensorium me")

    async def model(self, named: str | None = None) -> str | None:
        """The chat model of a turn, where the message names one or none; None: the switcher chooses.

        Raises NotFoundError for a model that there is not (any more).
        """
        chosen: str | None = None
        if named is None:
            chosen = (await self._users.get(self._owner)).settings.get("model")
        model = named or chosen or self._model
        if model in (None, AUTO):
            return None
        try:
            return self._chat_models.describe(model).id
        except NotFoundError as error:
            if model != chosen:
                raise
            fix = "Choose another: sensorium me --model ID, or default."
            raise NotFoundError(f"The chat model that you chose is gone: {chosen}.", fix=fix) from error

    def _chosen_by(self, spec: ToolSpec, mine: Mapping[str, Policy]) -> Literal["default", "settings", "user"]:
        if spec.name in mine and not self._policies.denies(spec.name):
            return "user"
        return "settings" if spec.name in self._policies else "default"

    def _check(self, tool: str, policy: Policy | None) -> None:
        known = [spec.name for spec in self._tools]
        if tool not in known:
            raise InputError(f"No tool is called {tool[:80]!r}.", fix=f"Tools: {', '.join(known)}.")
        if policy is not None and policy not in get_args(Policy):
            raise InputError(f"{policy!r} is no policy.", fix="Say auto, ask or deny.")
        if policy not in (None, "deny") and self._policies.denies(tool):
            raise InputError(f"The settings deny {tool}.", fix="Change 'approval' or 'user_approval' there.")


def _approval(settings: Mapping[str, str]) -> dict[str, Policy]:
    found = {key.removeprefix(_APPROVAL): value for key, value in settings.items() if key.startswith(_APPROVAL)}
    return {tool: policy for policy in get_args(Policy) for tool, value in found.items() if value == policy}
