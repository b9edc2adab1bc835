"""Commands that take messages out of the branch, or put a version beside one; undo brings all of it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lunalux_core.chat.scripts.arguments import bad, flag, whole
from lunalux_core.chat.scripts.message_commands import MOST, chosen
from lunalux_core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lunalux_core.chat.scripts.conversation_host import ConversationHost
    from lunalux_core.library.conversations import Message
    from lunalux_core.stscript.host import AppCall


async def _cut(host: ConversationHost, call: AppCall) -> str:
    """Deletes the messages that ``3`` or ``2-5`` means; gives their words."""
    if not call.text.strip():
        raise bad(host.surface.words("range"), "")
    return await _take_out(host, await chosen(host, call))


async def _delete(host: ConversationHost, call: AppCall) -> str:
    """Deletes that many messages from the end; gives their words."""
    count = whole(call.text, host.surface.words("count"), low=0, high=MOST)
    path = await host.path()
    if count > len(path):
        raise bad(host.surface.words("count"), call.text)
    return await _take_out(host, path[len(path) - count :])


async def _delete_name(host: ConversationHost, call: AppCall) -> str:
    """Deletes every message of somebody, by the whole name."""
    if not (name := call.text.strip()):
        raise bad("NAME", "")
    await _take_out(host, [message for message in await host.path() if message.name == name])
    return ""


async def _take_out(host: ConversationHost, messages: Sequence[Message]) -> str:
    # The variables stand with the last message: kept before, so that none goes with one that is deleted.
    await host.keep_variables()
    await host.runtime.chat.edits.cut(host.place, [message.id for message in messages])
    await host.keep_all_variables()
    await host.surface.messages_changed()
    return "".join(f"{message.content}\n" for message in messages)


async def _add_swipe(host: ConversationHost, call: AppCall) -> str:
    """Puts a version beside the last reply, shown with switch=true; gives its number, from 0."""
    if not call.text:
        raise bad("TEXT", "")
    last = (await host.path())[-1:]
    if not last or last[0].role != "assistant":
        raise InvalidInput(
            "SWIPE_OF_A_REPLY",
            "Only a reply has versions, and the last message is none.",
            "Let somebody reply first, or write the text with /sendas.",
        )
    await host.runtime.chat.edits.edit_as_branch(last[0].id, call.text, shown=flag(call, "switch"))
    await host.surface.messages_changed()
    return str(len(await host.runtime.library.conversations.siblings(last[0].id)) - 1)


COMMANDS = {"cut": _cut, "delmode": _delete, "delname": _delete_name, "addswipe": _add_swipe}
