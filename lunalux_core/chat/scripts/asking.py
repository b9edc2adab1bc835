"""Commands that ask the person, or write into what they are typing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lunalux_core.chat.scripts.arguments import listed

if TYPE_CHECKING:
    from lunalux_core.chat.scripts.host import ConversationHost
    from lunalux_core.stscript.host import AppCall


async def _input(host: ConversationHost, call: AppCall) -> str:
    return await host.surface.ask_text(call.text, call.named.get("default", ""))


async def _popup(host: ConversationHost, call: AppCall) -> str:
    await host.surface.show_text(call.text)
    return call.text


async def _buttons(host: ConversationHost, call: AppCall) -> str:
    labels = listed(call.named.get("labels", ""))
    return await host.surface.choose(call.text, labels) if labels else ""


async def _setinput(host: ConversationHost, call: AppCall) -> str:
    await host.surface.put_typed(call.text)
    return call.text


COMMANDS = {"input": _input, "popup": _popup, "buttons": _buttons, "setinput": _setinput}
