"""A line of slash commands: run as a script on the open conversation."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from lunalux_tui.i18n import t, tell

if TYPE_CHECKING:
    from lunalux_core.chat.scripts.conversation_host import ConversationHost
    from lunalux_core.runtime import Runtime
    from lunalux_core.stscript.interpreter import ScriptOutcome
    from lunalux_core.stscript.quick_reply_files import QuickReply
    from lunalux_tui.chat.opener import Opener
    from lunalux_tui.chat.slash_host import ScriptParts


class SlashActions:
    """Runs scripts, and tells what became of them."""

    def __init__(self, runtime: Runtime, opener: Opener, parts: ScriptParts) -> None:
        self._runtime = runtime
        self._opener = opener
        self._parts = parts
        self._prompt = parts.prompt
        self._view = parts.view

    async def run(self, typed: str) -> None:
        """Run what was typed; it stays in the prompt unless it ran to its end. Of a script from elsewhere,
        `{{input}}` is what stands there."""
        ran = await self._ran(typed)
        if ran is not None:
            self._tell(typed, *ran)

    async def run_automatic(self, reply: QuickReply, *, turns: bool) -> bool:
        """Run a quick reply that is due by itself; False where a turn of it failed, which ends what else is
        due."""
        ran = await self._ran(reply.message.lstrip(), turns=turns)
        if ran is None:
            return False
        outcome, host = ran
        if outcome.error is not None:
            # A notice: what stands in the transcript goes when the messages are read again.
            told = t("quick.failed", name=reply.label or reply.title, reason=tell(outcome.error)[0])
            self._view.notice(f"{told} {t('quick.failed_hint')}", t("quick.title"), warn=True)
        elif outcome.abort_shown:
            self._view.say(outcome.abort_shown, warn=True)
        return not host.failed

    async def _ran(self, script: str, *, turns: bool = True) -> tuple[ScriptOutcome, ConversationHost] | None:
        from lunalux_core.chat.script_setting import script_setting
        from lunalux_core.chat.scripts.conversation_host import ConversationHost
        from lunalux_core.stscript.commands.command_table import everything
        from lunalux_core.stscript.interpreter import Interpreter
        from lunalux_tui.chat.slash_host import ScreenSurface

        conversation = self._opener.chat.conversation
        if conversation is None:
            self._view.say(t("chat.choose_character"))
            return None
        previews, options = self._runtime.chat.previews, self._opener.chat.turn_options()
        setting = await script_setting(previews, conversation.id, options)
        words = self._prompt.text
        if words != script:
            setting = replace(setting, context=replace(setting.context, input=words))
        surface = ScreenSurface(self._runtime, self._opener, self._parts, script)
        host = ConversationHost(self._runtime, surface, conversation.id, setting, turns=turns)
        interpreter = Interpreter(host, everything(host.offers), setting)
        host.stores = interpreter.stores
        try:
            return await interpreter.run(script), host
        except asyncio.CancelledError:
            self._view.say(t("slash.stopped"))
            raise
        finally:
            # Also after a failure or a stop: what the commands before it have set stays set.
            await host.keep_variables()

    def _tell(self, typed: str, outcome: ScriptOutcome, host: ConversationHost) -> None:
        error = outcome.error
        if error is not None:
            self._view.show_error(error)
            if not self._prompt.text:  # it began another chat
                self._prompt.rewrite(typed)
            line, column = error.params.get("line"), error.params.get("column")
            if isinstance(line, int) and isinstance(column, int):
                self._prompt.point_at(typed, line, column)
            return
        if host.failed:
            return
        self._prompt.take(typed)
        if outcome.abort_shown:
            self._view.say(outcome.abort_shown, warn=True)
        elif outcome.pipe and not host.shown:
            self._view.say(outcome.pipe)
