"""Commands on worldbooks and sets of quick replies of the library."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from lunalux_core.chat.scripts.arguments import bad, flag, one_of, switched
from lunalux_core.library.quick_replies import ReplyScope, ReplyUse
from lunalux_core.stscript.values import dump_json, is_true, number_text, parse_json, to_number
from lunalux_core.worldbook.fields import FIELDS

if TYPE_CHECKING:
    from lunalux_core.chat.scripts.host import ConversationHost
    from lunalux_core.editor.worldbook import BookView, Slot
    from lunalux_core.library.shelf import ShelfItem
    from lunalux_core.stscript.host import AppCall

_NAMES: Mapping[str, str] = {
    **{field.name: field.name for field in FIELDS},
    **{field.world: field.name for field in FIELDS},
    "disable": "disabled",
    "disabled": "disabled",
}
_READ = {field.name: field.read for field in FIELDS} | {"disabled": bool}
SCOPES: tuple[ReplyScope, ...] = ("global", "chat", "character")


async def _world(host: ConversationHost, call: AppCall) -> str:
    """Switches a worldbook on or off for all chats; state=off without a name switches all off."""
    shelf = host.runtime.library.worldbooks
    if not call.text.strip():
        if one_of(call, "state", ("on", "off", "toggle"), "toggle") != "off":
            raise bad("NAME", "")
        for book in await shelf.list(enabled_only=True):
            await shelf.enable(book.id, False)
    else:
        book = await shelf.find(call.text.strip())
        await shelf.enable(book.id, switched(call, book.enabled))
    await host.surface.surroundings_changed()
    return ""


async def _get_field(host: ConversationHost, call: AppCall) -> str:
    _, _, slot, name = await _entry(host, call, call.text)
    value = slot.uid if name == "uid" else getattr(slot.entry, name)
    return _told(value)


async def _set_field(host: ConversationHost, call: AppCall) -> str:
    item, view, slot, name = await _entry(host, call, call.named.get("uid", ""))
    if name == "uid":
        raise bad("field=", name)
    value = _typed(getattr(slot.entry, name), call.text)
    # The edit is one of a card; of its path only the entry's key counts here.
    ((path, raw),) = view.changed(slot, view, **{name: _READ[name](value)}).items()
    entries: Any = item.document["entries"]
    entries = dict(entries) if isinstance(entries, dict) else list(entries)
    entries[path[-1]] = raw
    await host.runtime.library.worldbooks.save(item.id, document={**item.document, "entries": entries})
    await host.surface.surroundings_changed()
    return ""


async def _entry(host: ConversationHost, call: AppCall, uid: str) -> tuple[ShelfItem, BookView, Slot, str]:
    """The entry that file= and a uid mean, and the name of its field."""
    from lunalux_core.editor.worldbook import BookView

    written = call.named.get("field", "content").strip()
    name = "uid" if written == "uid" else _NAMES.get(written, "")
    if not name:
        raise bad("field=", written)
    item = await host.runtime.library.worldbooks.find(call.named.get("file", "").strip())
    document = item.document if isinstance(item.document, dict) else {}
    # The editor reads books of cards, so this one is put into a card for it.
    view = BookView({"data": {"character_book": document}})
    slot = next((slot for slot in view.slots if str(slot.uid) == uid.strip()), None)
    if slot is None or "entries" not in document:
        raise bad("uid=", uid)
    return item, view, slot, name


def _told(value: object) -> str:
    if isinstance(value, tuple):
        return dump_json([str(item) for item in value])
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(float(value))
    return "" if value is None else str(value)


def _typed(now: object, written: str) -> object:
    """What is written, as the kind of value that the field has now."""
    if isinstance(now, tuple):
        parsed = parse_json(written) if written.lstrip().startswith("[") else None
        if isinstance(parsed, list):
            return [item if isinstance(item, str) else json.dumps(item) for item in parsed]
        return [part for part in (part.strip() for part in written.split(",")) if part]
    if isinstance(now, bool):
        return is_true(written)
    if isinstance(now, int | float):
        number = to_number(written)
        if math.isnan(number) or math.isinf(number):
            raise bad("TEXT", written)
        return int(number) if number.is_integer() else number
    if now is None:
        number = to_number(written)
        return None if math.isnan(number) or math.isinf(number) or not written.strip() else int(number)
    return written


async def _quick_reply_set(host: ConversationHost, call: AppCall) -> str:
    """Puts a set in force, or takes it out: scope=global, chat or character; state=on, off or toggle."""
    replies = host.runtime.library.quick_replies
    scope = cast("ReplyScope", one_of(call, "scope", SCOPES, "global"))
    place = await host.runtime.library.conversations.get(host.place)
    target = {"global": "", "chat": place.id, "character": place.character_id or place.group_id}[scope]
    stored = await replies.find(call.text.strip())
    now = any(
        use.set_id == stored.id and (use.scope, use.target) == (scope, target) for use in await replies.uses()
    )
    use = ReplyUse(scope, target, stored.id, visible=flag(call, "visible", True))
    await replies.use(use, on=switched(call, now))
    await host.surface.surroundings_changed()
    return ""


COMMANDS = {
    "world": _world,
    "getentryfield": _get_field,
    "setentryfield": _set_field,
    "qr-set": _quick_reply_set,
}
