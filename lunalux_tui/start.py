"""What the app does once the first frame is on screen."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

from lunalux_core.errors import LunaluxError, NotFound
from lunalux_tui.i18n import t
from lunalux_tui.opening import LISTED, asked_for

if TYPE_CHECKING:
    from pathlib import Path

    from lunalux_tui.shell import LunaluxApp


async def begin(app: LunaluxApp) -> None:
    """Finish what a crash left open, add the starters to a new library, open what was asked for."""
    from lunalux_tui.widgets.portrait import show_portrait
    from lunalux_tui.widgets.tour import show_tour

    runtime, chat, opening = app.runtime, app.chat, app.opening
    if opening.problem is not None and not opening.characters:
        return
    await chat.window.older()
    cut = await _recover(app)
    new = await runtime.first_start()
    if new or cut or len(opening.characters) == LISTED:
        await chat.refresh_roster()
    if cut and chat.conversation is not None:
        await chat.reload()
    wanted = opening.wanted or await _named(app)
    if wanted in chat.groups:
        await chat.open_group(wanted, new=app.begin_new)
    elif wanted:
        await chat.open_character(wanted, new=app.begin_new)
    elif chat.conversation is None:
        found = await runtime.library.characters.list(limit=50)
        speaks = [one for one in found if one.language == runtime.settings.lang]
        if found:
            await chat.open_character((speaks or found)[0].id)
            await chat.refresh_roster()
    if chat.conversation is None:
        chat.transcript.note(*app.words_of_emptiness(), error=False)
    await show_portrait(chat)
    await show_tour(app, new=new)
    await app.follow_account()
    await asyncio.to_thread(_warm)


async def _recover(app: LunaluxApp) -> int:
    """Mark what a crash cut off; how many replies. Trouble with that is told, and everything else goes on."""
    told = app.chat.transcript.note

    def damaged(file: Path) -> None:
        told(t("chat.journal_damaged"), t("chat.journal_kept", path=file))

    try:
        return await app.runtime.chat.recover(damaged)
    except LunaluxError as error:
        app.chat.show_error(error)
        return 0


async def _named(app: LunaluxApp) -> str:
    """Id of who was asked for before the starters were there, "" for nobody."""
    if not app.opening.named:
        return ""
    try:
        return "".join(await asked_for(app.runtime, app.opening.named))
    except NotFound as error:
        app.chat.show_error(error)
        return ""


def _warm() -> None:
    """Import what the first turn needs, so that it starts at once. In a thread: keys go on being read."""
    import_module("lunalux_core.dialogue.default")
    import_module("lunalux_core.llm.openai")
    import_module("httpx")
    import_module("lunalux_tui.screens.turns")
