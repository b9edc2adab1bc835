"""Group chats from files: whose words they are, and which group of the library they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunalux_core.chat.conversation_files import (
    ImportedChat,
    import_conversation,
    store_group_chat,
    titles_of,
)
from lunalux_core.chatlogs.chatlog import ChatLog
from lunalux_core.chatlogs.chatlog_reader import read_chats
from lunalux_core.documents.coerce import as_flag, as_object, as_text
from lunalux_core.errors import NotFound
from lunalux_core.library.characters import id_by_name
from lunalux_core.library.groups import CARD_MODES, TURN_ORDERS, Group, group_of, insert_group, load_group
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.database import Connection
    from lunalux_core.library import Library


def is_group_chat(log: ChatLog) -> bool:
    """Whether several characters speak in a chat, or its file says that it is a group's.

    A chat whose character was renamed in its course has two names too; SillyTavern marks a group's replies
    with the card they come from (`original_avatar`), our own files name the group.
    """
    if log.group:
        return True
    replies = [node.line for node in log.nodes if node.role == "assistant"]
    return len(speakers(log)) > 1 and (
        any(as_text(line.get("original_avatar")) or as_flag(line.get("is_group")) for line in replies)
        or _is_older_group(replies)
    )


def _is_older_group(replies: Sequence[Mapping[str, Any]]) -> bool:
    """Whether each reply has a picture of its own and these differ.

    SillyTavern once wrote no more than that. In a chat with one character, lines that a script put into
    somebody else's mouth have one, too, but the character's own have none.
    """
    pictures = [as_text(line.get("force_avatar")).partition("?")[0] for line in replies]
    return all(pictures) and len(set(pictures)) > 1


def speakers(log: ChatLog) -> tuple[str, ...]:
    """Names of everybody but the person, the members of the group before those who only speak."""
    listed = (clean_line(as_text(member.get("name")), 200) for member in _members(log.group))
    spoken = (clean_line(node.name, 200) for node in log.nodes if node.role == "assistant")
    return tuple(dict.fromkeys(name for name in (*listed, *spoken) if name))


async def import_group_chat(
    library: Library,
    data: bytes,
    filename: str = "",
    *,
    group_id: str = "",
    user_name: str = "You",
    path: Path | None = None,
) -> ImportedChat:
    """Store the chats of a file as new conversations of a group: the one that is named, else the one with
    these members, else a new one.

    Raises:
        InvalidInput: not a chat, or damaged.
        NotFound: GROUP_WITHOUT_MEMBERS, when no speaker is in the library; GROUP_NOT_FOUND.
    """
    logs = read_chats(data, filename)
    titles = titles_of(logs, Path(filename).stem)

    def change(connection: Connection) -> tuple[list[str], list[str]]:
        ids, notes = [], []
        for log, title in zip(logs, titles, strict=True):
            if group_id:
                group = load_group(connection, group_id)
                missing = [name for name in speakers(log) if name.casefold() not in _keys(group.names)]
            else:
                group, missing = group_for(connection, log, title)
            ids.append(store_group_chat(connection, log, group, title, user_name, path))
            notes += [*log.notes, *missing_warnings(group, missing)]
        return ids, notes

    ids, notes = await library.database.write(change)
    return ImportedChat.of(logs, ids, list(dict.fromkeys(notes)))


async def import_chat(
    library: Library,
    data: bytes,
    filename: str = "",
    *,
    character_id: str = "",
    group_id: str = "",
    user_name: str = "You",
    path: Path | None = None,
) -> ImportedChat:
    """Store a chat file with a character or a group; a group's chat goes to a group even if a character is
    named.

    Raises:
        InvalidInput: not a chat, or damaged. NotFound: GROUP_WITHOUT_MEMBERS, CHARACTER_NOT_FOUND and others.
    """
    if character_id and not is_group_chat(read_chats(data, filename)[0]):
        return await import_conversation(
            library, character_id, data, filename, user_name=user_name, path=path
        )
    return await import_group_chat(library, data, filename, group_id=group_id, user_name=user_name, path=path)


def group_for(connection: Connection, log: ChatLog, title: str) -> tuple[Group, list[str]]:
    """The group a chat belongs to, made if need be, and the names of speakers that are not in the library.

    Raises:
        NotFound: GROUP_WITHOUT_MEMBERS.
    """
    ids: dict[str, str] = {}
    missing = []
    for name in speakers(log):
        identity = id_by_name(connection, name)
        if identity:
            ids[name.casefold()] = identity
        else:
            missing.append(name)
    called = clean_line(as_text(log.group.get("name")), 200)
    if not ids:
        raise NotFound(
            "GROUP_WITHOUT_MEMBERS",
            f"No member of the group {called or title!r} is here.",
            "Import the characters of the group together with it.",
            name=called or title,
        )
    # The same members and the same name: two groups may consist of the same characters.
    there = group_of(connection, set(ids.values()), called)
    return there or _made(connection, log.group, called, ids), missing


def missing_warnings(group: Group, missing: Sequence[str]) -> list[str]:
    """What to tell of speakers that nobody can answer for."""
    return [
        f"{name} is not a member of {group.name}: the words are kept, but nobody answers for {name}."
        for name in missing
    ]


def _made(connection: Connection, described: Mapping[str, Any], name: str, ids: Mapping[str, str]) -> Group:
    muted = {
        as_text(member.get("name")).casefold()
        for member in _members(described)
        if as_flag(member.get("muted"))
    }
    order, cards = as_text(described.get("order")), as_text(described.get("cards"))
    return insert_group(
        connection,
        name,
        [(identity, key in muted) for key, identity in ids.items()],
        order=next((turn_order for turn_order in TURN_ORDERS if turn_order == order), "natural"),
        cards=next((card_mode for card_mode in CARD_MODES if card_mode == cards), "swap"),
        self_responses=as_flag(described.get("self_responses")),
        join_prefix=as_text(described.get("join_prefix")),
        join_suffix=as_text(described.get("join_suffix")),
    )


def _members(described: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    members = described.get("members")
    yield from (as_object(member) for member in (members if isinstance(members, list) else ()))


def _keys(names: Sequence[str]) -> set[str]:
    return {name.casefold() for name in names}
