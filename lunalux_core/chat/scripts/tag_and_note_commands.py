"""Commands on the tags of whoever the chat is with, and on the author's note of the chat."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lunalux_core.chat.scripts.arguments import bad, whole
from lunalux_core.dialogue.authors_note import DEEPEST, ChatNote

if TYPE_CHECKING:
    from lunalux_core.chat.scripts.conversation_host import ConversationHost
    from lunalux_core.library.tags import GroupTags, Tags
    from lunalux_core.stscript.host import AppCall

POSITIONS = {"after": "after_main", "scenario": "after_main", "before": "before_main", "chat": "in_chat"}
ROLES = ("system", "user", "assistant")


async def _tagged(host: ConversationHost, call: AppCall) -> tuple[Tags | GroupTags, str]:
    """What keeps the tags of the one that is meant, and its id: name=, else whoever the chat is with."""
    from lunalux_core.library.tags import GroupTags

    library = host.runtime.library
    if name := call.named.get("name", "").strip():
        return library.tags, (await library.characters.find(name)).id
    place = await library.conversations.get(host.place)
    if place.group_id:
        return GroupTags(library.database), place.group_id
    return library.tags, place.character_id


async def _names(host: ConversationHost, call: AppCall) -> list[str]:
    tags, identity = await _tagged(host, call)
    return [tag.name for tag in (await tags.of([identity])).get(identity, ())]


async def _tag_add(host: ConversationHost, call: AppCall) -> str:
    """Whether the tag is new there."""
    tags, identity = await _tagged(host, call)
    return _told(bool((await tags.add(call.text.strip(), [identity])).added))


async def _tag_remove(host: ConversationHost, call: AppCall) -> str:
    """Whether the tag was there; it stays with everyone else."""
    tags, identity = await _tagged(host, call)
    # Asked first, because `find` raises for a tag that nobody has.
    if not await _has(host, call):
        return "false"
    tag = await host.runtime.library.tags.find(call.text.strip())
    return _told(bool((await tags.remove(tag.id, [identity])).removed))


async def _tag_exists(host: ConversationHost, call: AppCall) -> str:
    return _told(await _has(host, call))


async def _has(host: ConversationHost, call: AppCall) -> bool:
    from lunalux_core.library.character_words import tag_key

    return tag_key(call.text) in {tag_key(name) for name in await _names(host, call)}


async def _tag_list(host: ConversationHost, call: AppCall) -> str:
    return ", ".join(await _names(host, call))


def _told(yes: bool) -> str:
    return "true" if yes else "false"


async def _note(host: ConversationHost, call: AppCall) -> str:
    """The text of the author's note; without one it is given."""
    if not call.text.strip():
        return (await _held(host)).prompt
    await _keep(host, prompt=call.text.strip())
    return call.text.strip()


async def _depth(host: ConversationHost, call: AppCall) -> str:
    return await _number(host, call, "depth")


async def _frequency(host: ConversationHost, call: AppCall) -> str:
    return await _number(host, call, "interval")


async def _number(host: ConversationHost, call: AppCall, name: str) -> str:
    if call.text.strip():
        await _keep(host, **{name: whole(call.text, "TEXT", low=0, high=DEEPEST)})
    return str(getattr(await _held(host), name))


async def _position(host: ConversationHost, call: AppCall) -> str:
    if written := call.text.strip().lower():
        if written not in POSITIONS:
            raise bad("TEXT", call.text)
        await _keep(host, position=POSITIONS[written])
    names = {"after_main": "after", "before_main": "before", "in_chat": "chat"}
    return names[(await _held(host)).position]


async def _role(host: ConversationHost, call: AppCall) -> str:
    if written := call.text.strip().lower():
        if written not in ROLES:
            raise bad("TEXT", call.text)
        await _keep(host, role=written)
    return (await _held(host)).role


async def _held(host: ConversationHost) -> ChatNote:
    return ChatNote.read((await host.runtime.library.conversations.get(host.place)).note)


async def _keep(host: ConversationHost, **changes: Any) -> None:
    note = replace(await _held(host), **changes)
    await host.runtime.library.conversations.set(host.place, note=note.as_json())
    await host.surface.surroundings_changed()


COMMANDS = {
    "tag-add": _tag_add,
    "tag-remove": _tag_remove,
    "tag-exists": _tag_exists,
    "tag-list": _tag_list,
    "note": _note,
    "note-depth": _depth,
    "note-frequency": _frequency,
    "note-position": _position,
    "note-role": _role,
}
