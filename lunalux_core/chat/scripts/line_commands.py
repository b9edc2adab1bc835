"""Commands that write lines into the story."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lunalux_core.chat.scripts.arguments import bad, flag
from lunalux_core.dialogue.direction import Voice
from lunalux_core.stscript.dice import roll

if TYPE_CHECKING:
    from lunalux_core.chat.scripts.conversation_host import ConversationHost
    from lunalux_core.library.conversations import Message
    from lunalux_core.stscript.host import AppCall


async def _say(host: ConversationHost, call: AppCall, text: str, voice: Voice) -> Message:
    if at := call.named.get("at"):  # a line can only stand at the end
        raise bad("at=", at)
    # Before the line: its macros read what the script has set.
    await host.keep_variables()
    options = replace(host.surface.options(), voice=voice)
    line, _ = await host.runtime.chat.say(host.place, text.strip(), options)
    await host.surface.messages_changed(to_end=True)
    return line


async def _send(host: ConversationHost, call: AppCall) -> str:
    await _say(host, call, call.text, Voice())
    return ""


async def _sendas(host: ConversationHost, call: AppCall) -> str:
    await _say(host, call, call.text, Voice("somebody", call.named.get("name", "")))
    return ""


async def _sys(host: ConversationHost, call: AppCall) -> str:
    await _say(host, call, call.text, Voice("narrator", call.named.get("name", "")))
    return ""


async def _comment(host: ConversationHost, call: AppCall) -> str:
    line = await _say(host, call, call.text, Voice("narrator", host.surface.words("comment")))
    # A hidden line is shown but not sent, which is what a comment is.
    await host.runtime.chat.edits.hide(line.id)
    await host.surface.messages_changed()
    return ""


async def _roll(host: ConversationHost, call: AppCall) -> str:
    rolled = roll(call.text, host.setting.context.random)
    if rolled is None:
        raise bad(host.surface.words("dice"), call.text)
    if not flag(call, "quiet"):
        told = host.surface.words(
            "rolled", name=host.setting.context.user, formula=rolled.formula, fallen=rolled.words
        )
        await _say(host, call, told, Voice("narrator"))
    return str(rolled.total)


COMMANDS = {"send": _send, "sendas": _sendas, "sys": _sys, "comment": _comment, "roll": _roll}
