"""Commands that name the worldbooks in force: of the chat, of a character, of the persona, of all chats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lunalux_core.chat.scripts.arguments import one_of
from lunalux_core.documents.coerce import as_object, as_text
from lunalux_core.errors import NotFound
from lunalux_core.library.personas import load_persona
from lunalux_core.stscript.script_values import dump_json
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.chat.scripts.conversation_host import ConversationHost
    from lunalux_core.stscript.host import AppCall

LONGEST_TITLE = 60


async def _of_chat(host: ConversationHost, call: AppCall) -> str:
    """The name of the chat's own book; where it has none, of a new one, in force in this chat alone."""
    library = host.runtime.library
    place = await library.conversations.get(host.place)
    header = dict(place.metadata)
    texts = as_object(header.get("chat_metadata"))
    if name := as_text(texts.get("world_info")):
        try:
            return (await library.worldbooks.find(name, whole=True)).name
        except NotFound:
            pass  # it was deleted since: a new one takes its place
    title = clean_line(place.title, LONGEST_TITLE)
    named = clean_line(call.named.get("name", "")) or f"Chat Book {title} {place.id[:8]}".replace("  ", " ")
    book = await library.worldbooks.add(named, {"name": named, "entries": {}}, enabled=False)
    # Where SillyTavern keeps it, so that an exported chat takes it along.
    header["chat_metadata"] = {**texts, "world_info": book.name}
    await library.conversations.set(place.id, metadata=header)
    await host.surface.surroundings_changed()
    return book.name


async def _of_character(host: ConversationHost, call: AppCall) -> str:
    """The book that the card names (type=primary, the default), or a list of those tied to the character
    besides (additional), or of all; of whoever the chat is with, or who is named."""
    from lunalux_core.dialogue.active_books import parsed_card

    library = host.runtime.library
    kind = one_of(call, "type", ("primary", "additional", "all"), "primary")
    if name := (call.text or call.named.get("name", "")).strip():
        identity = (await library.characters.find(name)).id
    else:
        identity = (await library.conversations.get(host.place)).character_id
    if not identity:  # a group, and nobody is named
        return "" if kind == "primary" else "[]"
    world = parsed_card((await library.characters.get(identity)).document).world
    tied = list(await library.characters.worldbooks(identity))
    if kind == "primary":
        return world
    return dump_json([*([world] if world and kind == "all" else []), *tied])


async def _of_persona(host: ConversationHost, call: AppCall) -> str:
    library = host.runtime.library
    persona_id = (await library.conversations.get(host.place)).persona_id
    persona = await library.database.read(lambda connection: load_persona(connection, persona_id))
    return persona.worldbook if persona is not None else ""


async def _of_all(host: ConversationHost, call: AppCall) -> str:
    """A list of the books that are in force in every chat."""
    return dump_json([book.name for book in await host.runtime.library.worldbooks.list(enabled_only=True)])


COMMANDS = {
    "getchatbook": _of_chat,
    "getcharbook": _of_character,
    "getpersonabook": _of_persona,
    "getglobalbooks": _of_all,
}
