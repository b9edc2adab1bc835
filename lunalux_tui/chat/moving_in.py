"""Coming from SillyTavern: its data is looked for where it usually lies, and offered with numbers, once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lunalux_tui.chat.questions import Question
from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import Part
from lunalux_tui.parts.rows import Row
from lunalux_tui.theme.styles import ACCENT, BOLD

if TYPE_CHECKING:
    from lunalux_core.importing.moving_in import OtherHome
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.questions import Questions

SUBJECT = "moving-in"
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


class MovingIn:
    """The offer; nothing waits for the answer.

    Args:
        bring_along: imports a folder and tells what became of it.
    """

    def __init__(
        self, runtime: Runtime, questions: Questions, bring_along: Callable[[Sequence[str]], Awaitable[None]]
    ) -> None:
        self._runtime = runtime
        self._questions = questions
        self._bring_along = bring_along
        self._home: OtherHome | None = None

    async def offer(self) -> None:
        """Look for the data on this computer, and offer what is found; asked once."""
        state = self._runtime.library.state
        if await state.get(OFFERED, False):
            return
        homes = await found_elsewhere()
        # Noted also where nothing was found: looking through the home folder once is enough.
        await state.set(OFFERED, True)
        if homes:
            self._home = homes[0]
            self._questions.ask(Question(SUBJECT, partial(_words, homes[0]), _ANSWERS))

    async def answer(self, wanted: bool) -> None:
        """Answer the offer that is on screen."""
        # Taken first, so that a second press of the key imports nothing.
        home, self._home = self._home, None
        self._questions.withdraw(SUBJECT)
        if wanted and home is not None:
            await self._bring_along([str(home.path)])


_ANSWERS = (("chat.move_in", "screen.move_in(True)"), ("chat.stay_out", "screen.move_in(False)"))


def _words(home: OtherHome) -> Sequence[Part]:
    return [Part(t("moving_in.found", numbers=numbers(home)), ACCENT | BOLD)]
