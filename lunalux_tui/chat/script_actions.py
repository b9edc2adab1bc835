"""Scripts that cards bring: asked about once for each character, changed in a dialog."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from lunalux_core.text import clean_line
from lunalux_tui.chat.questions import Question
from lunalux_tui.i18n import in_a_list, t
from lunalux_tui.parts.drawn import Part
from lunalux_tui.theme.styles import BOLD, MUTED, WARNING

if TYPE_CHECKING:
    from lunalux_core.chat.card_scripts import CardScripts
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.opener import OpenChat
    from lunalux_tui.chat.protocols import Asker
    from lunalux_tui.chat.questions import Questions

SUBJECT = "scripts-question"
NAMES = 6
"""Names of scripts in the question; the dialog has them all."""


class Surroundings(Protocol):
    """Where the conversation is shown."""

    def surroundings_changed(self) -> None:
        """Show the messages, and ask, by the scripts as they are now."""


class ScriptActions:
    """Asks whether scripts of cards may run; nothing waits for the answer."""

    def __init__(
        self, runtime: Runtime, chat: OpenChat, questions: Questions, shown: Surroundings, view: Asker
    ) -> None:
        self._runtime = runtime
        self._open = chat
        self._questions = questions
        self._shown = shown
        self._view = view
        self._asking: CardScripts | None = None
        """Whose scripts wait for an answer."""

    async def look(self) -> None:
        """Ask about the next card that brings scripts and was not asked about yet."""
        from lunalux_core.chat.card_scripts import scripts_of_cards

        conversation = self._open.conversation
        cards = await scripts_of_cards(self._runtime.library, conversation.id) if conversation else ()
        unasked = next((card for card in cards if card.allowed is None), None)
        # The same question stands there already; asked again, its bar would be made anew.
        if unasked == self._asking:
            return
        self._asking = unasked
        if unasked is None:
            self._questions.withdraw(SUBJECT)
        else:
            self._questions.ask(Question(SUBJECT, partial(_words, unasked), _ANSWERS))

    async def answer(self, allowed: bool) -> None:
        """Answer the question that is on screen."""
        if self._asking is not None:
            await self._allow(self._asking.character_id, allowed)

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
        self._shown.surroundings_changed()


_ANSWERS = (
    ("chat.scripts_allow", "screen.answer_scripts(True)"),
    ("chat.scripts_refuse", "screen.answer_scripts(False)"),
    ("chat.scripts", "screen.scripts"),
)


def _words(scripts: CardScripts) -> Sequence[Part]:
    question = t("scripts.asks", name=clean_line(scripts.name, 40), n=len(scripts.scripts))
    names = in_a_list(clean_line(name, 40) for name in scripts.names[:NAMES])
    if len(scripts.names) > NAMES:
        names += " …"
    return [Part(f"⚠ {question}", WARNING | BOLD), Part(names, MUTED)]
