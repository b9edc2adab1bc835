"""What the app does once the first frame is on screen."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

from lunalux_core.errors import LunaluxError, NotFound
from lunalux_core.library.recent import mark_seen
from lunalux_tui.app.first_frame import LISTED, asked_for
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from pathlib import Path

    from lunalux_tui.chat.chat_host import ChatHost


async def begin(app: ChatHost) -> None:
    """Finish what a crash left open, add the starters to a new library, open what was asked for."""
    from lunalux_tui.chat.portrait import show_portrait
    from lunalux_tui.chat.tour import show_tour

    runtime, chat, opening = app.runtime, app.chat, app.opening
    # The library cannot be read: nothing of what follows could be done.
    if opening.problem is not None and not opening.characters:
        return
    # The first frame shows few messages; those above them come now.
    await chat.window.older()
    problems = _Problems(app)
    cut = await problems.recover()
    new = await runtime.first_start()
    # As many as were asked for means that there may be more.
    if new or cut or len(opening.characters) == LISTED:
        await chat.objects.roster.refresh()
    if cut and chat.conversation is not None:
        await chat.objects.opener.reload()
    name = opening.wanted or await problems.named()
    if name in chat.objects.roster.groups:
        await chat.objects.opener.open_group(name, new=app.begin_new)
    elif name:
        await chat.objects.opener.open_character(name, new=app.begin_new)
    elif chat.conversation is None:
        characters = await runtime.library.characters.list(limit=50)
        speaks = [character for character in characters if character.language == runtime.settings.lang]
        if characters:
            await chat.objects.opener.open_character((speaks or characters)[0].id)
            await chat.objects.roster.refresh()
    if chat.conversation is None:
        chat.transcript.note(*app.words_of_emptiness(), error=False)
    # After the conversation is open, which draws the transcript anew.
    problems.tell()
    await show_portrait(chat)
    await show_tour(app, new=new)
    await app.follow_account()
    if new:
        await chat.objects.moving_in.offer()
    # Only now: what wants a model waits until the conversation is on screen.
    runtime.writes_memories = True
    runtime.memory_writer.on_question = lambda _, model: chat.objects.memory.ask_about(model)
    await runtime.memory_writer.resume()
    if chat.conversation is not None:
        await mark_seen(runtime.library.database, chat.conversation.id)
    await asyncio.to_thread(runtime.library.trash.empty)
    await asyncio.to_thread(_warm)


class _Problems:
    """Failures at the start that stop nothing: shown when the conversation is on screen."""

    def __init__(self, app: ChatHost) -> None:
        self._app = app
        self._errors: list[LunaluxError] = []
        self._damaged: list[Path] = []
        if app.opening.problem is not None:
            self._errors.append(app.opening.problem)

    async def recover(self) -> int:
        """Mark what a crash cut off; how many replies."""
        try:
            return await self._app.runtime.chat.recover(self._damaged.append)
        except LunaluxError as error:
            self._errors.append(error)
            return 0

    async def named(self) -> str:
        """Id of who was asked for before the starters were there, "" for nobody."""
        if not self._app.opening.named:
            return ""
        try:
            return "".join(await asked_for(self._app.runtime, self._app.opening.named))
        except NotFound as error:
            self._errors.append(error)
            return ""

    def tell(self) -> None:
        """Write it into the transcript, where it is not there yet."""
        chat = self._app.chat
        if self._errors or self._damaged:
            chat.transcript.clear_notes()
        for error in self._errors:
            chat.show_error(error)
        for file in self._damaged:
            chat.transcript.note(t("chat.journal_damaged"), t("chat.journal_kept", path=file))


def _warm() -> None:
    """Import what the first turn needs, so that it starts at once. In a thread: keys go on being read."""
    import_module("lunalux_core.dialogue.node_order")
    import_module("lunalux_core.llm.servers.openai")
    import_module("httpx")
    import_module("lunalux_tui.chat.turn_controller")
