"""Commands that ask the person, or write into what they are typing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lunalux_core.chat.scripts.arguments import listed

if TYPE_CHECKING:
    from lunalux_core.chat.scripts.conversation_host import ConversationHost
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


async def _help(host: ConversationHost, call: AppCall) -> str:
    """What the commands do, or those whose name or use holds the text."""
    from lunalux_core.stscript.commands.command_table import everything

    lines = []
    for command in everything(host.offers):
        names = " ".join(f"/{name}" for name in (command.name, *command.aliases))
        line = f"{names}  {host.surface.command_help(command.help_key)}"
        if call.text.strip().lower() in line.lower():
            lines.append(line)
    if host.surface.asks:
        await host.surface.show_text("\n".join(lines))
    else:
        await host.surface.echo("\n".join(lines), "info", "")
    return ""


COMMANDS = {
    "input": _input,
    "popup": _popup,
    "buttons": _buttons,
    "setinput": _setinput,
    "help": _help,
}
