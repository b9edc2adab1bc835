"""Commands that open a pane of the program."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lunalux_core.chat.scripts.conversation_host import ConversationHost
    from lunalux_core.stscript.host import AppCall


async def _open(host: ConversationHost, call: AppCall) -> str:
    host.surface.open_pane(call.name)
    return ""


COMMANDS = {"memory": _open}
