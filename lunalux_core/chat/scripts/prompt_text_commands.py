"""Commands that put texts into the prompts to come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from lunalux_core.chat.scripts.arguments import bad, flag, number, one_of
from lunalux_core.chat.standing_note import keep_note, note_in
from lunalux_core.dialogue.chat_texts import (
    DEEPEST,
    LONGEST_ID,
    POSITIONS,
    ROLES,
    ChatInjection,
    InjectionPosition,
    injections_in,
    with_injection,
    without_injections,
)
from lunalux_core.library.conversations import load_conversation, set_conversation
from lunalux_core.stscript.script_values import dump_json
from lunalux_core.text import clean, clean_line

if TYPE_CHECKING:
    from lunalux_core.chat.scripts.conversation_host import ConversationHost
    from lunalux_core.database import Connection
    from lunalux_core.documents.prompt_values import Role
    from lunalux_core.stscript.host import AppCall


async def _inject(host: ConversationHost, call: AppCall) -> str:
    identity = clean_line(call.named.get("id", ""), LONGEST_ID)
    if not identity:
        raise bad("id=", call.named.get("id", ""))
    injection = ChatInjection(
        identity,
        clean(call.text),
        cast("InjectionPosition", one_of(call, "position", tuple(POSITIONS), "after")),
        number(call, "depth", 4, low=0, high=DEEPEST),
        cast("Role", one_of(call, "role", ROLES, "system")),
        flag(call, "scan"),
        flag(call, "ephemeral"),
    )
    await _change(host, lambda header: with_injection(header, injection))
    return ""


async def _flush(host: ConversationHost, call: AppCall) -> str:
    identity = clean_line(call.text, LONGEST_ID)
    await _change(host, lambda header: without_injections(header, *([identity] if identity else [])))
    return ""


async def _list(host: ConversationHost, call: AppCall) -> str:
    place = await host.runtime.library.conversations.get(host.place)
    return dump_json(
        {
            injection.id: {
                "value": injection.content,
                "position": injection.position,
                "depth": float(injection.depth),
                "role": injection.role,
                "scan": injection.scan,
                "ephemeral": injection.ephemeral,
            }
            for injection in injections_in(place.metadata)
        }
    )


async def _ooc(host: ConversationHost, call: AppCall) -> str:
    """Sets the standing out-of-character note; `off` takes it away, without a text it is given."""
    library, text = host.runtime.library, call.text.strip()
    if not text:
        return note_in((await library.conversations.get(host.place)).metadata)
    await keep_note(library, host.place, "" if text.casefold() == "off" else text)
    return ""


async def _change(host: ConversationHost, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
    def work(connection: Connection) -> None:
        place = load_conversation(connection, host.place)
        set_conversation(connection, host.place, metadata=change(place.metadata))

    await host.runtime.library.database.write(work)


COMMANDS = {"inject": _inject, "flushinject": _flush, "listinjects": _list, "ooc": _ooc}
