"""What a script can reach of the app: a host shows, asks and does; a script can do nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AppCall:
    """One command on the app.

    Args:
        name: its name in `commands.app_commands`, never an alias.
        named: arguments by name, closures as text.
        text: the unnamed argument.
    """

    name: str
    named: Mapping[str, str]
    text: str


class Host(Protocol):
    """The side of the app that scripts see."""

    @property
    def offers(self) -> Collection[str]:
        """Names of the commands of `commands.app_commands` it can do; scripts with others are refused."""
        ...

    async def echo(self, text: str, severity: str, title: str) -> None:
        """Show a text to the person. `severity` is info, success, warning or error."""
        ...

    async def perform(self, call: AppCall) -> str:
        """Do a command it offers; what it gives goes into the pipe. Time in here does not count as work."""
        ...

    async def quick_reply(self, name: str, named: Mapping[str, str]) -> str | None:
        """The script of a quick reply, ``SET.LABEL`` or a label; None if there is none of that name."""
        ...


class QuietHost:
    """A host without an app: it keeps what is shown, and offers nothing."""

    def __init__(self) -> None:
        self.echoes: list[str] = []

    @property
    def offers(self) -> Collection[str]:
        return ()

    async def echo(self, text: str, severity: str, title: str) -> None:
        self.echoes.append(text)

    async def perform(self, call: AppCall) -> str:
        # Never reached: a command that is not offered is refused before the script runs.
        raise LookupError(call.name)

    async def quick_reply(self, name: str, named: Mapping[str, str]) -> str | None:
        return None
