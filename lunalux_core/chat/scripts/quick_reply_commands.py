"""Commands on the sets of quick replies in the library: what is in them, and changes to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lunalux_core.chat.scripts.arguments import bad, flag
from lunalux_core.chat.scripts.library_commands import switch_set
from lunalux_core.documents.coerce import as_integer
from lunalux_core.stscript.quick_reply_files import VERSION, read_set
from lunalux_core.stscript.reply_edits import (
    FIELDS,
    FLAGS,
    place_of,
    with_fields,
    with_menu,
    with_new_reply,
)
from lunalux_core.stscript.script_values import dump_json
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.chat.scripts.conversation_host import ConversationHost
    from lunalux_core.library.quick_replies import StoredSet
    from lunalux_core.stscript.host import AppCall

LONGEST_LABEL = 1_000
SETTINGS = {"nosend": "disableSend", "before": "placeBeforeInput", "inject": "injectInput"}
"""What the commands call the settings of a set."""


async def _labels(host: ConversationHost, call: AppCall) -> str:
    stored = await _set(host, call.text)
    return dump_json([reply.label for reply in stored.content.replies])


async def _sets(host: ConversationHost, call: AppCall) -> str:
    """Names of all sets; of those in force everywhere (global) or in this chat."""
    source = call.text.strip().lower() or "all"
    if source not in ("all", "global", "chat"):
        raise bad("TEXT", call.text)
    replies = host.runtime.library.quick_replies
    target = host.place if source == "chat" else ""
    uses = {use.set_id for use in await replies.uses() if (use.scope, use.target) == (source, target)}
    return dump_json(
        [quick_set.name for quick_set in await replies.list() if source == "all" or quick_set.id in uses]
    )


async def _get(host: ConversationHost, call: AppCall) -> str:
    """Every field of a reply, by the names that its commands take."""
    stored = await _set(host, call.named.get("set", ""))
    label = call.named.get("label", "") or call.text
    place = place_of(stored.content.document, label, call.named.get("id", ""))
    item = stored.content.document["qrList"][place]
    told = {name: item.get(field, False if name in FLAGS else "") for name, field in FIELDS.items()}
    told = {
        "set": stored.name,
        "id": float(as_integer(item.get("id"), place)),
        "label": told.pop("newlabel"),
        **told,
    }
    return dump_json({**told, "message": item.get("message", "")})


async def _create(host: ConversationHost, call: AppCall) -> str:
    label = clean_line(call.named.get("label", ""), LONGEST_LABEL)
    if not label:
        raise bad("label=", "")
    fields = {**_fields(replace(call, named=_without(call.named, "newlabel"))), "message": call.text}
    return await _change(host, call, lambda document: with_new_reply(document, label, fields))


async def _update(host: ConversationHost, call: AppCall) -> str:
    """Another label, message, or field; the message stays where none is written."""
    fields = {**_fields(call), **({"message": call.text} if call.text else {})}
    return await _change(host, call, lambda document: with_fields(document, _place(document, call), fields))


async def _menu_add(host: ConversationHost, call: AppCall) -> str:
    name, chained = (await _set(host, call.text)).name, flag(call, "chain")
    return await _change(host, call, lambda d: with_menu(d, _place(d, call), name, chained))


async def _menu_remove(host: ConversationHost, call: AppCall) -> str:
    if not (name := call.text.strip()):
        raise bad("TEXT", "")
    return await _change(host, call, lambda d: with_menu(d, _place(d, call), name, None))


async def _menu_clear(host: ConversationHost, call: AppCall) -> str:
    # SillyTavern has the label of the reply as the text of this command.
    named = replace(call, named={"label": call.text, **call.named})
    return await _change(host, named, lambda d: with_menu(d, _place(d, named), "", None))


async def _create_set(host: ConversationHost, call: AppCall) -> str:
    """A new, empty set; one of that name that is there stays as it is."""
    name = clean_line(call.text or call.named.get("name", ""), LONGEST_LABEL)
    if not name:
        raise bad("NAME", "")
    replies = host.runtime.library.quick_replies
    if not any(stored.name.casefold() == name.casefold() for stored in await replies.list()):
        document = {"version": VERSION, "name": name, **_settings(call), "idIndex": 1, "qrList": []}
        await replies.add(read_set(document, name))
    return ""


async def _update_set(host: ConversationHost, call: AppCall) -> str:
    stored = await _set(host, call.text or call.named.get("name", ""))
    await host.runtime.library.quick_replies.change(stored.id, lambda d: {**d, **_settings(call)})
    await host.surface.surroundings_changed()
    return ""


def _settings(call: AppCall) -> dict[str, bool]:
    """The settings of a set that are named."""
    return {field: flag(call, name) for name, field in SETTINGS.items() if name in call.named}


def _place(document: Mapping[str, Any], call: AppCall) -> int:
    return place_of(document, call.named.get("label", ""), call.named.get("id", ""))


def _fields(call: AppCall) -> dict[str, Any]:
    """The fields that are named."""
    return {
        field: flag(call, name) if name in FLAGS else clean_line(call.named[name], LONGEST_LABEL)
        for name, field in FIELDS.items()
        if name in call.named
    }


def _without(named: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in named.items() if key != name}


async def _change(host: ConversationHost, call: AppCall, change: Any) -> str:
    stored = await _set(host, call.named.get("set", ""))
    await host.runtime.library.quick_replies.change(stored.id, change)
    await host.surface.surroundings_changed()
    return ""


async def _set(host: ConversationHost, name: str) -> StoredSet:
    if not name.strip():
        raise bad("set=", "")
    return await host.runtime.library.quick_replies.find(name.strip())


async def _switch(scope: str, state: str, host: ConversationHost, call: AppCall) -> str:
    named = {**call.named, "scope": scope, **({"state": state} if state else {})}
    return await switch_set(host, replace(call, named=named))


COMMANDS = {
    "qr-list": _labels,
    "qr-set-list": _sets,
    "qr-get": _get,
    "qr-create": _create,
    "qr-update": _update,
    "qr-contextadd": _menu_add,
    "qr-contextdel": _menu_remove,
    "qr-contextclear": _menu_clear,
    "qr-set-create": _create_set,
    "qr-set-update": _update_set,
    "qr-set-on": partial(_switch, "global", "on"),
    "qr-set-off": partial(_switch, "global", "off"),
    "qr-chat-set": partial(_switch, "chat", ""),
    "qr-chat-set-on": partial(_switch, "chat", "on"),
    "qr-chat-set-off": partial(_switch, "chat", "off"),
}
