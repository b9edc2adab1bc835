"""A line of slash commands: run as a script on the open conversation."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from lunalux_tui.chat.slash_host import ScriptHostView
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_core.chat.scripts.host import ConversationHost
    from lunalux_core.errors import LunaluxError
    from lunalux_core.runtime import Runtime
    from lunalux_core.stscript.interpreter import Outcome
    from lunalux_tui.chat.opener import Opener


class SlashView(ScriptHostView, Protocol):
    """What these actions ask of the screen."""

    def typed(self) -> str:
        """What stands in the prompt."""

    def run_script(self, script: str) -> None:
        """Run a script; there is never more than one."""

    def send(self, text: str) -> None:
        """Say something."""

    def take_typed(self, text: str) -> None:
        """Empty the prompt of a text that was understood."""

    def point_at(self, text: str, line: int, column: int) -> None:
        """Put the cursor to a place (from 1) of the text that stands in the prompt."""

    def show_error(self, error: LunaluxError) -> None:
        """Write a failure into the transcript."""


class SlashActions:
    """Runs scripts, and tells what became of them."""

    def __init__(self, runtime: Runtime, opener: Opener, view: SlashView) -> None:
        self._runtime = runtime
        self._opener = opener
        self._view = view

    async def choose_reply(self) -> None:
        """Have a quick reply of the library chosen: a script is run, words are sent, or put into the prompt
        where its set says so."""
        from lunalux_tui.parts.pick_dialog import PickDialog
        from lunalux_tui.parts.rows import Row

        stored = await self._runtime.library.quick_replies.list()
        replies = [
            (one.content, reply) for one in stored for reply in one.content.replies if not reply.hidden
        ]
        if not replies:
            self._view.say(t("slash.no_replies"))
            return
        rows = [
            Row(str(place), reply.label or reply.message, reply.title or reply.message, reply_set.name)
            for place, (reply_set, reply) in enumerate(replies)
        ]
        chosen = await self._view.ask(PickDialog(t("slash.replies"), rows, two_lines=True))
        if not chosen:
            return
        reply_set, reply = replies[int(chosen)]
        if reply.is_script:
            self._view.run_script(reply.message.lstrip())
        elif reply_set.document.get("disableSend"):
            before, words = bool(reply_set.document.get("placeBeforeInput")), self._view.typed()
            parts = (reply.message, words) if before else (words, reply.message)
            self._view.put_typed(" ".join(part for part in parts if part))
        else:
            self._view.send(reply.message)

    async def run(self, typed: str) -> None:
        """Run what was typed; it stays in the prompt unless it ran to its end. Of a script from elsewhere,
        `{{input}}` is what stands there."""
        from lunalux_core.chat.script_setting import script_setting
        from lunalux_core.chat.scripts.host import ConversationHost
        from lunalux_core.stscript.commands.table import everything
        from lunalux_core.stscript.interpreter import Interpreter
        from lunalux_tui.chat.slash_host import ScreenSurface

        conversation = self._opener.chat.conversation
        if conversation is None:
            self._view.say(t("chat.choose_character"))
            return
        setting = await script_setting(self._runtime.chat, conversation.id, self._opener.chat.turn_options())
        words = self._view.typed()
        if words != typed:
            setting = replace(setting, context=replace(setting.context, input=words))
        surface = ScreenSurface(self._runtime, self._opener, self._view)
        host = ConversationHost(self._runtime, surface, conversation.id, setting)
        interpreter = Interpreter(host, everything(host.offers), setting)
        host.stores = interpreter.stores
        try:
            outcome = await interpreter.run(typed)
        except asyncio.CancelledError:
            self._view.say(t("slash.stopped"))
            raise
        finally:
            await host.keep_variables()
        self._tell(typed, outcome, host)

    def _tell(self, typed: str, outcome: Outcome, host: ConversationHost) -> None:
        error = outcome.error
        if error is not None:
            self._view.show_error(error)
            line, column = error.params.get("line"), error.params.get("column")
            if isinstance(line, int) and isinstance(column, int):
                self._view.point_at(typed, line, column)
            return
        if host.failed:
            return
        self._view.take_typed(typed)
        if outcome.abort_shown:
            self._view.say(outcome.abort_shown, warn=True)
        elif outcome.pipe and not host.shown:
            self._view.say(outcome.pipe)
