"""What is done to a row of the list of characters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lunalux_tui.chat.view import Asker
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.opener import Opener


class RosterView(Asker, Protocol):
    """What these actions ask of the screen."""

    async def refresh_roster(self) -> None:
        """Read the list of characters again."""


class RosterActions:
    """Actions on a character of the list (an id, "" for none)."""

    def __init__(self, runtime: Runtime, opener: Opener, view: RosterView) -> None:
        self._runtime = runtime
        self._opener = opener
        self._view = view

    async def favourite(self, character_id: str) -> None:
        """Make a character a favourite, or an ordinary one again."""
        characters = self._runtime.library.characters
        matches = [character for character in await characters.list() if character.id == character_id]
        if matches:
            await characters.set_favourite(character_id, not matches[0].favourite)
            await self._view.refresh_roster()

    async def delete(self, character_id: str) -> None:
        """Ask, then delete a character with its conversations."""
        from lunalux_tui.parts.ask_dialog import ConfirmDialog

        characters = self._runtime.library.characters
        name = (await characters.get(character_id)).name
        question = t("dialog.delete_character.question", name=name)
        if await self._view.ask(ConfirmDialog(t("dialog.delete_character.title"), question)):
            await characters.delete(character_id)
            await self._opener.character_deleted(character_id)
