"""Scripts that cards bring: asked about once for each character, changed in a dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lunalux_tui.chat.view import Asker
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_core.chat.card_scripts import CardScripts
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.opener import OpenChat


class ScriptView(Asker, Protocol):
    """What these actions ask of the screen."""

    async def show_scripts(self, question: CardScripts | None) -> None:
        """Show the question about the scripts of a card; None for no question."""

    def surroundings_changed(self) -> None:
        """Show the messages, and ask, by the scripts as they are now."""


class ScriptActions:
    """Asks whether scripts of cards may run; nothing waits for the answer."""

    def __init__(self, runtime: Runtime, chat: OpenChat, view: ScriptView) -> None:
        self._runtime = runtime
        self._open = chat
        self._view = view
        self.asking: CardScripts | None = None
        """Whose scripts wait for an answer."""
        self._shown = True
        """Whether that is on screen; not when showing it was interrupted."""

    async def look(self) -> None:
        """Ask about the next card that brings scripts and was not asked about yet."""
        from lunalux_core.chat.card_scripts import scripts_of_cards

        conversation = self._open.conversation
        cards = await scripts_of_cards(self._runtime.library, conversation.id) if conversation else ()
        unasked = next((card for card in cards if card.allowed is None), None)
        if unasked == self.asking and self._shown:
            return
        self.asking, self._shown = unasked, False
        await self._view.show_scripts(unasked)
        self._shown = True

    async def answer(self, allowed: bool) -> None:
        """Answer the question that is on screen."""
        if self.asking is not None:
            await self._allow(self.asking.character_id, allowed)

    async def choose(self) -> None:
        """The scripts of the cards, and the answers given for them."""
        from lunalux_core.chat.card_scripts import scripts_of_cards
        from lunalux_tui.chat.scripts_dialog import ScriptsDialog

        if self._open.conversation is None:
            return
        cards = await scripts_of_cards(self._runtime.library, self._open.conversation.id)
        if not cards:
            self._view.say(t("scripts.none", name=self._open.name))
            return
        answer = await self._view.ask(ScriptsDialog(cards))
        if answer is not None:
            await self._allow(*answer)

    async def _allow(self, character_id: str, allowed: bool) -> None:
        characters = self._runtime.library.characters
        await characters.allow_scripts(character_id, allowed)
        name = (await characters.get(character_id)).name
        self._view.say(t("scripts.allowed_now" if allowed else "scripts.refused_now", name=name))
        self._view.surroundings_changed()
