"""What the scripts of a set of quick replies need and Lunalux does not have: told when a set is imported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lunalux_core.errors import LunaluxError
from lunalux_core.stscript.commands.declaration import Command, Registry
from lunalux_core.stscript.faults import ScriptSource
from lunalux_core.stscript.parser import parse
from lunalux_core.stscript.quick_reply_files import QuickReplySet
from lunalux_core.stscript.run_limits import Limits

MOST_TEXT = 2_000_000
"""Characters of one set that are looked at: a set of any size is imported without a long wait."""


@dataclass(frozen=True, slots=True)
class Lack:
    """A reply that cannot run as it is.

    Args:
        commands: names that Lunalux does not know, in the order in which they are written, each with line and
            column (from 1) of the first time.
        error: why its text cannot be read; None where it can.
    """

    label: str
    commands: tuple[tuple[str, tuple[int, int]], ...]
    error: LunaluxError | None = None


def lacks(content: QuickReplySet, registry: Registry) -> Iterator[Lack]:
    """The replies that cannot run, whatever is open; the others of a set run without them."""
    left = MOST_TEXT
    for reply in content.replies:
        text = reply.message
        left -= len(text)
        if not reply.is_script or len(text) > Limits().script or left < 0:
            continue
        commands, source = _Tolerant(registry), ScriptSource(text)
        failure = None
        try:
            parse(source, commands, whole_quotes=registry.whole_quotes)
        except LunaluxError as error:
            failure = error
        if failure is not None or commands.unknown:
            unknown = tuple((name, source.place(at)) for name, at in commands.unknown.items())
            yield Lack(reply.label, unknown, failure)


class _Tolerant:
    """Commands of which every name is one. What is unknown is noted, and read as /pass is."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.unknown: dict[str, int] = {}
        """Where each stands first, as an index of the script."""

    def get(self, name: str, at: int = 0) -> Command | None:
        command = self._registry.get(name)
        if command is None:
            # The parser goes on after it, so that all that is missing is told at once.
            self.unknown.setdefault(name, at)
            return self._registry.get("pass")
        return command

    def offered(self, name: str) -> bool:
        return True
