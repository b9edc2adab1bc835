"""Commands on the messages of the branch; they are counted from 0."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lunalux_core.chat.scripts.arguments import bad, flag, number, one_of, whole
from lunalux_core.errors import InvalidInput
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.chat.scripts.conversation_host import ConversationHost
    from lunalux_core.library.conversations import Message
    from lunalux_core.stscript.host import AppCall

MOST = 999_999_999


async def chosen(host: ConversationHost, call: AppCall) -> list[Message]:
    """The messages that ``3`` or ``2-5`` means; the last one where nothing is written."""
    path, written = await host.path(), call.text.strip()
    first, dash, last = written.partition("-")
    if not written:
        return path[-1:]
    start = _index(host, first, written, len(path))
    end = whole(last, host.surface.words("range"), low=0, high=MOST) if dash else start
    return path[start : end + 1]


def _index(host: ConversationHost, written: str, whole_text: str, length: int) -> int:
    """The index of a message on the branch. Raises Fault (SCRIPT_BAD_ARGUMENT)."""
    text = written.strip()
    # Bounded in length, for Python refuses numbers of thousands of digits.
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or int(text) >= length:
        raise bad(host.surface.words("range"), whole_text)
    return int(text)


async def _message_at(host: ConversationHost, written: str) -> tuple[Message, int]:
    """One message and its number; the last where nothing is written. Raises InvalidInput (CHAT_EMPTY)."""
    path = await host.path()
    if not path:
        raise InvalidInput("CHAT_EMPTY", "There are no messages yet.", "Send something first.")
    index = _index(host, written, written, len(path)) if written.strip() else len(path) - 1
    return path[index], index


async def _messages(host: ConversationHost, call: AppCall) -> str:
    names, hidden = flag(call, "names", True), flag(call, "hidden", True)
    return "\n\n".join(
        f"{message.name}: {message.content}" if names else message.content
        for message in await chosen(host, call)
        if hidden or not message.hidden
    )


async def _hide(host: ConversationHost, call: AppCall) -> str:
    return await _set_hidden(host, call, True)


async def _scene(host: ConversationHost, call: AppCall) -> str:
    """A scene ends with the message that is named, else with the last one; ``off`` lets it go on."""
    ends = call.text.strip().casefold() != "off"
    for message in await chosen(host, call if ends else replace(call, text="")):
        await host.runtime.chat.edits.end_scene(message.id, ends)
    return ""


async def _unhide(host: ConversationHost, call: AppCall) -> str:
    return await _set_hidden(host, call, False)


async def _set_hidden(host: ConversationHost, call: AppCall, hidden: bool) -> str:
    for message in await chosen(host, call):
        await host.runtime.chat.edits.hide(message.id, hidden)
    await host.surface.messages_changed()
    return ""


async def _delete_swipe(host: ConversationHost, call: AppCall) -> str:
    """Deletes the version that is shown, or the one of a number (from 1); gives the number, from 0, of the
    one that is shown then."""
    message, _ = await _message_at(host, "")
    versions = await host.runtime.library.conversations.siblings(message.id)
    if len(versions) < 2:
        raise InvalidInput(
            "ONLY_SWIPE", "The last message has one version alone.", "Swipe first, or delete the message."
        )
    number = whole(call.text, "1", low=1, high=len(versions)) if call.text.strip() else message.swipe + 1
    await host.runtime.chat.edits.delete(versions[number - 1])
    await host.surface.messages_changed()
    return str((await _message_at(host, ""))[0].swipe)


async def _count(host: ConversationHost, call: AppCall) -> str:
    """About how many tokens the messages of the branch are, hidden ones left out."""
    from lunalux_core.dialogue.context_window import counter

    # A turn knows the model that replies here, and each model counts in its own way.
    turn = await host.runtime.chat.previews.turn(host.place, "", host.surface.options())
    text = "\n".join(message.content for message in await host.path() if not message.hidden)
    return str(counter(turn).text(text))


async def _trim_tokens(host: ConversationHost, call: AppCall) -> str:
    """The beginning (direction=start) or the end of a text, limit= tokens long."""
    from lunalux_core.dialogue.context_window import counter

    if "limit" not in call.named:
        raise bad("limit=", "")
    limit = number(call, "limit", 0, low=-MOST, high=MOST)
    from_start = one_of(call, "direction", ("start", "end"), "end") == "start"
    if limit <= 0 or not call.text:
        return ""
    turn = await host.runtime.chat.previews.turn(host.place, "", host.surface.options())
    count, text = counter(turn).text, call.text

    def part(length: int) -> str:
        return text[:length] if from_start else text[len(text) - length :]

    # Longer texts never have fewer tokens, or hardly: the longest one that fits is between two bounds.
    fits, too_long = 0, len(text) + 1
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        fits, too_long = (middle, too_long) if count(part(middle)) <= limit else (fits, middle)
    return part(fits)


async def _tokens(host: ConversationHost, call: AppCall) -> str:
    """About how many tokens a text is."""
    from lunalux_core.dialogue.context_window import counter

    turn = await host.runtime.chat.previews.turn(host.place, "", host.surface.options())
    return str(counter(turn).text(call.text))


async def _branch(host: ConversationHost, call: AppCall) -> str:
    """Go on from a message; what followed stays as a branch of its own. Gives the number of the message."""
    message, place = await _message_at(host, call.text or call.named.get("mesId", ""))
    await host.runtime.chat.edits.truncate(message.id)
    await host.surface.messages_changed()
    return str(place)


async def _checkpoint(host: ConversationHost, call: AppCall) -> str:
    """Give a message a name; gives that name."""
    message, place = await _message_at(host, call.named.get("mesId", ""))
    name = clean_line(call.text) or f"Checkpoint {place}"
    await host.runtime.chat.edits.mark(message.id, name)
    await host.surface.messages_changed()
    return name


COMMANDS = {
    "messages": _messages,
    "hide": _hide,
    "unhide": _unhide,
    "scene": _scene,
    "delete-swipe": _delete_swipe,
    "count": _count,
    "tokens": _tokens,
    "trimtokens": _trim_tokens,
    "branch-create": _branch,
    "checkpoint-create": _checkpoint,
}
