"""The start page: go on with the last conversations, favourites, and everybody while a name is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on, work
from textual.widgets import Input

from lunalux_core.library.character_list import CharacterQuery
from lunalux_core.library.recent import RecentChat, recent_chats
from lunalux_core.text import clean_line
from lunalux_tui.chat.roster import plain
from lunalux_tui.i18n import in_a_list, t
from lunalux_tui.parts.dialog import question
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row
from lunalux_tui.render.message import moment

if TYPE_CHECKING:
    from lunalux_core.library.character_list import CharacterSummary
    from lunalux_core.runtime import Runtime

CHAT, CHARACTER = "chat:", "character:"
"""Beginnings of the ids of rows."""
CHATS, FAVOURITES, FOUND = 100, 100, 50


class StartPage(PickDialog):
    """Answers the id of a row: a conversation or a character, with what it is before it."""

    TWO_LINES = True

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(question("start.title"), hint=question("start.hint"))
        self._runtime = runtime
        self._chats: list[Row] = []
        self._favourites: list[Row] = []

    def on_mount(self) -> None:
        super().on_mount()
        self._begin()

    @work(exit_on_error=False)
    async def _begin(self) -> None:
        library = self._runtime.library
        self._chats = [_chat_row(chat) for chat in await recent_chats(library.database, CHATS)]
        favourites, _ = await library.characters.page(CharacterQuery(favourites=True), FAVOURITES)
        self._favourites = [_character_row(character) for character in favourites]
        self.show([*self._chats, *self._favourites])

    @on(Input.Changed, "#narrow")
    def _typed(self, event: Input.Changed) -> None:
        event.prevent_default()  # the base class knows the rows on screen alone
        self._find(event.value)

    @work(exit_on_error=False, exclusive=True, group="find")
    async def _find(self, words: str) -> None:
        rows = [*self._chats, *self._favourites]
        if words.strip():
            characters, _ = await self._runtime.library.characters.page(CharacterQuery(words), FOUND)
            there = {row.id for row in self._favourites}
            rows += [row for character in characters if (row := _character_row(character)).id not in there]
            # A tag or a creator may be what was found by, which the row does not show.
            ids = {f"{CHARACTER}{character.id}" for character in characters}
            self.show(rows)
            fitting = [*self.rows.rows]
            shown = {row.id for row in fitting}
            fitting += [row for row in rows if row.id in ids and row.id not in shown]
            self.set_rows(fitting, at="")
        else:
            self.show(rows)


def _chat_row(chat: RecentChat) -> Row:
    mark = "▲" if chat.pinned else "●" if chat.unread else "◌"
    title = f"{chat.who}: {chat.title}" if chat.title else chat.who
    last = t("start.said", name=chat.by, words=plain(chat.last)) if chat.by else plain(chat.last)
    right = moment(chat.updated_at)
    if chat.unread:
        right = f"{t('start.unread')}  {right}"
    return Row(
        f"{CHAT}{chat.id}", clean_line(title), clean_line(last), right=right, mark=mark, strong=chat.unread
    )


def _character_row(character: CharacterSummary) -> Row:
    about = character.intro or character.creator or in_a_list(character.tags)
    mark = "★" if character.favourite else "☆"
    return Row(f"{CHARACTER}{character.id}", character.name, clean_line(about), mark=mark)
