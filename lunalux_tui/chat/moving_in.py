"""Coming from SillyTavern: its data is looked for where it usually lies, and offered with numbers, once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import Bar, Part, button
from lunalux_tui.parts.rows import Row
from lunalux_tui.theme.styles import ACCENT, BOLD

if TYPE_CHECKING:
    from lunalux_core.importing.moving_in import OtherHome

OFFERED = "moving_in.offered"
"""Key of the program's memory: whether the person was asked."""


async def found_elsewhere() -> Sequence[OtherHome]:
    """What lies on this computer; nothing of it is opened."""
    from lunalux_core.importing.moving_in import find

    return await asyncio.to_thread(find, Path.home(), os.environ)


def row_of(home: OtherHome) -> Row:
    """A find in the list of places to import from."""
    return Row(str(home.path), str(home.path), right=numbers(home), mark="★", strong=True)


def numbers(home: OtherHome) -> str:
    """How much lies there, in words."""
    return t("moving_in.numbers", characters=home.characters, chats=home.chats, books=home.books)


class MovingInBar(Bar):
    """The offer, above the prompt; nothing waits for the answer."""

    def __init__(self, home: OtherHome) -> None:
        super().__init__(id="moving-in")
        self.found = home

    def left(self) -> Sequence[Part]:
        words = t("moving_in.found", numbers=numbers(self.found))
        return [
            Part(words, ACCENT | BOLD),
            button(self, "chat.move_in", "screen.move_in(True)"),
            button(self, "chat.stay_out", "screen.move_in(False)"),
        ]
