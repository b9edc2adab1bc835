"""Commands on worldbooks and sets of quick replies of the library."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from lunalux_core.chat.scripts.arguments import bad, flag, one_of, switched
from lunalux_core.library.quick_replies import ReplyScope, ReplyUse
from lunalux_core.stscript.script_values import dump_json, is_true, number_text, parse_json, to_number
from lunalux_core.worldbook.entry_fields import FIELDS

if TYPE_CHECKING:
    from lunalux_core.chat.scripts.conversation_host import ConversationHost
    from lunalux_core.editor.card_worldbook import BookView, Slot
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
    from lunalux_core.editor.card_worldbook import BookView

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


async def _create_entry(host: ConversationHost, call: AppCall) -> str:
    """Adds an entry to a book (file=) that is called by key=; gives its uid."""
    from lunalux_core.editor.card_worldbook import BookView, split_keys
    from lunalux_core.worldbook.entry import Entry

    item = await host.runtime.library.worldbooks.find(call.named.get("file", "").strip())
    document = item.document if isinstance(item.document, dict) else {}
    view = BookView({"data": {"character_book": document}})
    keys = split_keys(call.named.get("key", ""))
    ((path, raw),) = view.added(Entry(0, keys=keys, content=call.text))[0].items()
    entries = document.get("entries")
    # Of a book whose entries have names the editor gives the new one alone, else the whole list.
    if len(path) > 3 and isinstance(entries, dict):
        raw = {**entries, path[-1]: raw}
    await host.runtime.library.worldbooks.save(item.id, document={**document, "entries": raw})
    await host.surface.surroundings_changed()
    # The editor gives a new entry the number after the highest.
    saved = BookView({"data": {"character_book": {**document, "entries": raw}}})
    return str(max((slot.uid for slot in saved.slots if isinstance(slot.uid, int)), default=0))


async def _find_entry(host: ConversationHost, call: AppCall) -> str:
    """The uid of the first entry of a book whose field is the text, else holds it, else stands in it."""
    from lunalux_core.editor.card_worldbook import BookView

    written = call.named.get("field", "key").strip()
    if not (name := _NAMES.get(written, "")):
        raise bad("field=", written)
    item = await host.runtime.library.worldbooks.find(call.named.get("file", "").strip())
    view = BookView({"data": {"character_book": item.document if isinstance(item.document, dict) else {}}})
    wanted = call.text.strip().casefold()
    if not wanted:
        raise bad("TEXT", call.text)
    best: dict[int, str] = {}
    for slot in view.slots:
        value = getattr(slot.entry, name)
        for text in value if isinstance(value, tuple) else (value,):
            low = _told(text).casefold()
            rank = 0 if low == wanted else 1 if wanted in low else 2 if low and low in wanted else None
            if rank is not None:
                best.setdefault(rank, str(slot.uid))
    return best[min(best)] if best else ""


async def _regex(host: ConversationHost, call: AppCall) -> str:
    """The text as a regex script of the library leaves it, by its name, switched on or not."""
    import asyncio
    from dataclasses import replace
    from functools import partial

    from lunalux_core.regex.script import SLASH_COMMAND, read_script
    from lunalux_core.regex.substitution import run_scripts

    item = await host.runtime.library.scripts.find(call.named.get("name", "").strip())
    if not isinstance(item.document, dict):
        raise bad("name=", item.name)
    # What is called by its name runs, whatever it is switched on for.
    script = replace(
        read_script(item.document),
        disabled=False,
        markdown_only=False,
        prompt_only=False,
        placement=(SLASH_COMMAND,),
    )
    run = partial(run_scripts, [script], call.text, placement=SLASH_COMMAND, target="store")
    result = await asyncio.to_thread(run, engine=host.runtime.engine)
    if result.skipped:
        raise bad("name=", f"{item.name}: {result.skipped[0].detail or result.skipped[0].reason}")
    return result.text


async def _regex_toggle(host: ConversationHost, call: AppCall) -> str:
    shelf = host.runtime.library.scripts
    item = await shelf.find(call.text.strip())
    await shelf.enable(item.id, switched(call, item.enabled))
    await host.surface.surroundings_changed()
    return item.name


async def switch_set(host: ConversationHost, call: AppCall) -> str:
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
    "createentry": _create_entry,
    "findentry": _find_entry,
    "regex": _regex,
    "regex-toggle": _regex_toggle,
    "qr-set": switch_set,
}
