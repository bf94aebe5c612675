"""Which calls a user is asked about first, and how much one turn may do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from engines.errors import InputError
from tools.spec import ToolSpec
from tools.types import Danger

Policy = Literal["auto", "ask", "deny"]
"""``auto``: the call is made. ``ask``: the user is asked first. ``deny``: it is never made."""

#: What is done with a tool for which nothing was chosen.
BY_DANGER: Mapping[Danger, Policy] = {
    Danger.NONE: "auto",
    Danger.PAID: "ask",
    Danger.CONSENT: "ask",
    Danger.DANGEROUS: "ask",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one turn may do. ``seconds`` and ``dollars`` are predicted, by the tools' cost hints."""

    replans: int = 2
    steps: int = 16
    seconds: float = 3_600.0
    dollars: float = 1.0


class Policies:
    """One user's choices, by tool, over the defaults of the tools' danger levels."""

    def __init__(self, chosen: Mapping[str, Policy] | None = None) -> None:
        self._chosen = dict(chosen or {})

    @classmethod
    def of(cls, *tables: Mapping[str, Policy], tools: Iterable[ToolSpec]) -> Policies:
        """Later tables go over earlier ones. Raises InputError for a tool that there is not."""
        chosen = {name: policy for table in tables for name, policy in table.items()}
        known = [spec.name for spec in tools]
        for name in chosen:
            if name not in known:
                raise InputError(
                    f"The setting 'approval' names {name!r}, and no tool is called so.",
                    fix=f"Tools: {', '.join(known)}.",
                )
        return cls(chosen)

    def over(self, chosen: Mapping[str, Policy]) -> Policies:
        """These choices go over what stands here, but what is denied here stays so."""
        return Policies({**self._chosen, **{tool: policy for tool, policy in chosen.items() if not self.denies(tool)}})

    def denies(self, tool: str) -> bool:
        return self._chosen.get(tool) == "deny"

    def __contains__(self, tool: str) -> bool:
        """Whether something was chosen for it."""
        return tool in self._chosen

    def __call__(self, spec: ToolSpec) -> Policy:
        return self._chosen.get(spec.name, BY_DANGER[spec.danger])
