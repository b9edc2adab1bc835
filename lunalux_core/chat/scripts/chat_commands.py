"""Commands on the chat as a whole: another one, and its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lunalux_core.chat.scripts.arguments import bad, flag
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.chat.scripts.conversation_host import ConversationHost
    from lunalux_core.stscript.host import AppCall


async def _new_chat(host: ConversationHost, call: AppCall) -> str:
    """A new chat with the same character or group, on which the script goes on."""
    if flag(call, "delete"):
        raise InvalidInput(
            "SCRIPT_KEEPS_CHATS",
            "A script deletes no chat.",
            "Leave delete= out, and delete the old chat yourself in the list of conversations.",
        )
    if not host.turns:
        raise InvalidInput(
            "REPLY_IS_COMING",
            "A reply is being made in this chat.",
            "Let the quick reply run after the reply, or take /newchat out.",
        )
    place, chat = await host.runtime.library.conversations.get(host.place), host.runtime.chat
    start = chat.start_group(place.group_id) if place.group_id else chat.start(place.character_id)
    fresh = await start
    await host.move_to(fresh.id)
    await host.surface.open_chat(fresh.id)
    return ""


async def _name(host: ConversationHost, call: AppCall) -> str:
    return (await host.runtime.library.conversations.get(host.place)).title


async def _rename(host: ConversationHost, call: AppCall) -> str:
    if not (title := clean_line(call.text)):
        raise bad("NAME", call.text)
    await host.runtime.library.conversations.rename(host.place, title)
    await host.surface.messages_changed()
    return ""


async def _find(host: ConversationHost, call: AppCall) -> str:
    """The name of the character that is meant, as other commands take it; "" where there is none."""
    name = (call.text or call.named.get("name", "")).strip()
    if not name:
        raise bad("NAME", "")
    try:
        return (await host.runtime.library.characters.find(name)).name
    except NotFound:
        return ""


COMMANDS = {"newchat": _new_chat, "getchatname": _name, "renamechat": _rename, "char-find": _find}
