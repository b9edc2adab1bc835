"""What shows how a chat works inside: scripts of cards, the raw reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import work

from lunalux_tui.chat.message_actions import MessageActions
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_core.chat.card_scripts import CardScripts

WORK = "dialog"


class ToolActions(MessageActions):
    """Actions on what becomes of words on their way to the model and to the screen."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "answer_scripts":
            return self.asking is not None
        if action in {"scripts", "raw", "inspect"}:
            return self.conversation is not None
        return super().check_action(action, parameters)

    # -- scripts of cards --------------------------------------------------------------------------

    @property
    def asking(self) -> CardScripts | None:
        """Whose scripts wait for an answer."""
        from lunalux_tui.chat.scripts_bar import ScriptsBar

        return next((bar.found for bar in self.query(ScriptsBar)), None)

    def surroundings_changed(self) -> None:
        super().surroundings_changed()
        self.ask_about_scripts()

    @work(group="scripts", exclusive=True, exit_on_error=False)
    async def ask_about_scripts(self) -> None:
        """Ask once for each character whose card brings scripts; nothing waits for the answer."""
        from lunalux_core.chat.card_scripts import scripts_of_cards

        found = (
            await scripts_of_cards(self.runtime.library, self.conversation.id) if self.conversation else ()
        )
        unasked = next((one for one in found if one.allowed is None), None)
        if unasked is None and not self.query("#scripts-question"):
            return
        from lunalux_tui.chat.scripts_bar import ScriptsBar

        if unasked is not None and unasked == self.asking:
            return
        await self.query(ScriptsBar).remove()
        if unasked is not None:
            await self.query_one("#main").mount(ScriptsBar(unasked), before="#prompt")
        self.refresh_bindings()

    @work(group="scripts", exclusive=True, exit_on_error=False)
    async def action_answer_scripts(self, allowed: bool) -> None:
        if self.asking is not None:
            await self._allow_scripts(self.asking.character_id, allowed)

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_scripts(self) -> None:
        """The scripts of the card, and the answer given for them."""
        from lunalux_core.chat.card_scripts import scripts_of_cards
        from lunalux_tui.chat.scripts_dialog import ScriptsDialog

        if self.conversation is None:
            return
        found = await scripts_of_cards(self.runtime.library, self.conversation.id)
        if not found:
            self.notify(t("scripts.none", name=self.character_name), markup=False)
            return
        answer = await self.app.push_screen_wait(ScriptsDialog(found))
        if answer is not None:
            await self._allow_scripts(*answer)

    async def _allow_scripts(self, character_id: str, allowed: bool) -> None:
        characters = self.runtime.library.characters
        await characters.allow_scripts(character_id, allowed)
        name = (await characters.get(character_id)).name
        self.notify(t("scripts.allowed_now" if allowed else "scripts.refused_now", name=name), markup=False)
        self.surroundings_changed()

    # -- the preset --------------------------------------------------------------------------------

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_preset(self) -> None:
        """The prompts of the preset in use, and the way to another one."""
        from lunalux_tui.parts.preset_choice import in_use
        from lunalux_tui.parts.preset_dialog import PresetDialog

        await self.app.push_screen_wait(PresetDialog(await in_use(self.lunalux)))

    # -- the inspector -----------------------------------------------------------------------------

    @work(group=WORK, exclusive=True, exit_on_error=False)
    async def action_inspect(self) -> None:
        """How the prompt of the last turn came about, and what would be sent now."""
        from lunalux_tui.chat.inspector.dialog import InspectorDialog

        if self.conversation is not None:
            dialog = InspectorDialog(
                self.runtime, self.conversation.id, self.prompt.text, self.turn_options()
            )
            await self.app.push_screen_wait(dialog)

    # -- the raw reply -----------------------------------------------------------------------------

    def action_raw(self) -> None:
        """The model's own words, before the output contract and the scripts."""
        from lunalux_tui.chat.raw_dialog import RawDialog

        message = self.target()
        if message is not None:
            self.app.push_screen(RawDialog(message))
