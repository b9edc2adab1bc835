"""What the scripts of a set of quick replies need and Lunalux does not have: told when a set is imported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lunalux_core.errors import LunaluxError
from lunalux_core.stscript.budget import Limits
from lunalux_core.stscript.commands.declaration import Command, Registry
from lunalux_core.stscript.faults import Source
from lunalux_core.stscript.parser import parse
from lunalux_core.stscript.quick_replies import QuickReplySet

MOST_TEXT = 2_000_000
"""Characters of one set that are looked at: a set of any size is imported without a long wait."""


@dataclass(frozen=True, slots=True)
class Lack:
    """A reply that cannot run as it is.

    Args:
        commands: names that Lunalux does not know, in the order in which they are written.
        error: why its text cannot be read; None where it can.
    """

    label: str
    commands: tuple[str, ...]
    error: LunaluxError | None = None


def lacks(content: QuickReplySet, known: Registry) -> Iterator[Lack]:
    """The replies that cannot run, whatever is open; the others of a set run without them."""
    left = MOST_TEXT
    for reply in content.replies:
        text = reply.message.lstrip()
        left -= len(text)
        if not reply.is_script or len(text) > Limits().script or left < 0:
            continue
        commands = _Tolerant(known)
        try:
            parse(Source(text), commands, whole_quotes=known.whole_quotes)
        except LunaluxError as error:
            yield Lack(reply.label, tuple(commands.unknown), error)
        else:
            if commands.unknown:
                yield Lack(reply.label, tuple(commands.unknown))


class _Tolerant:
    """Commands of which every name is one. What is unknown is noted, and read as /pass is."""

    def __init__(self, known: Registry) -> None:
        self._known = known
        self.unknown: dict[str, None] = {}

    def get(self, name: str) -> Command | None:
        command = self._known.get(name)
        if command is None:
            # The parser goes on behind it, so that all that is missing is told at once.
            self.unknown[name] = None
            return self._known.get("pass")
        return command

    def offered(self, name: str) -> bool:
        return True
