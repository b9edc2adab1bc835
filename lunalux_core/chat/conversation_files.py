"""Conversations in and out of the library: between stored messages and chat files.

See docs/spec/formats.md: Macro values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lunalux_core.chatlogs.chatlog import (
    ChatLog,
    LogNode,
    write_jsonl,
    write_native,
    write_text,
)
from lunalux_core.chatlogs.chatlog_pictures import LogPicture
from lunalux_core.chatlogs.chatlog_reader import read_chats
from lunalux_core.chatlogs.markdown_chat import write_markdown
from lunalux_core.database import Connection
from lunalux_core.dialogue.authors_note import ChatNote
from lunalux_core.documents.coerce import as_object, as_variable
from lunalux_core.documents.json_text import well_formed_value
from lunalux_core.errors import InvalidInput
from lunalux_core.ids import now_ms
from lunalux_core.library import Library
from lunalux_core.library.characters import load_character
from lunalux_core.library.conversations import (
    MARK,
    PICTURES,
    SCENE,
    Conversation,
    Message,
    create_conversation,
    insert_message,
    load_conversation,
    load_tree,
    new_message,
    set_conversation,
    update_message,
)
from lunalux_core.library.groups import Group, load_group
from lunalux_core.library.message_edits import MARK_LENGTH
from lunalux_core.memory.memories_in_chat_files import (
    MEMORY,
    memories_for_file,
    rolling_of,
    rolling_text,
    store_from_file,
    store_rolling,
)
from lunalux_core.text import clean, clean_line
from lunalux_core.worldbook.engine.engine_inputs import TimedState

ChatFormat = Literal["jsonl", "md", "txt", "json"]
FORMATS: tuple[ChatFormat, ...] = ("jsonl", "md", "txt", "json")


@dataclass(frozen=True, slots=True)
class ImportedChat:
    """What an import stored; `notes` says what differed from the file.

    Args:
        messages: of the first conversation, on the path that is shown.
        others: ids of further conversations, where the file held several chats.
    """

    conversation_id: str
    messages: int
    notes: tuple[str, ...]
    others: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, logs: Sequence[ChatLog], ids: Sequence[str], notes: Sequence[str] | None = None
    ) -> ImportedChat:
        """What became of the chats of one file; `notes` in place of their own."""
        own = [note for log in logs for note in log.notes] if notes is None else notes
        remarks = [f"The file holds {len(ids)} chats; each became a conversation."] if len(ids) > 1 else []
        return cls(ids[0], len(logs[0].path()), tuple(dict.fromkeys([*remarks, *own])), tuple(ids[1:]))


async def export_conversation(
    library: Library, conversation_id: str, format: ChatFormat, *, thinking: bool = False
) -> str:
    """The text of an export file. Raises NotFound."""
    log = await conversation_log(library, conversation_id)
    match format:
        case "jsonl":
            return write_jsonl(log)
        case "md":
            return write_markdown(log, thinking=thinking)
        case "txt":
            return write_text(log)
        case "json":
            return json.dumps(write_native(log), ensure_ascii=False, indent=1) + "\n"


def format_of(path: Path) -> ChatFormat:
    """The export format a file name asks for. Raises InvalidInput (EXPORT_FORMAT_UNKNOWN)."""
    ending = {"markdown": "md"}.get(path.suffix[1:].lower(), path.suffix[1:].lower())
    for name in FORMATS:
        if ending == name:
            return name
    raise InvalidInput(
        "EXPORT_FORMAT_UNKNOWN",
        f"{path.name} does not say what to write.",
        f"End its name in one of: {', '.join('.' + f for f in FORMATS)}.",
        path=path.name,
        formats=", ".join("." + f for f in FORMATS),
    )


async def import_conversation(
    library: Library,
    character_id: str,
    data: bytes,
    filename: str = "",
    *,
    user_name: str = "You",
    path: Path | None = None,
) -> ImportedChat:
    """Store the chats of a file as new conversations of a character.

    Raises:
        InvalidInput: not a chat, or damaged. NotFound: no such character.
    """
    logs = read_chats(data, filename)
    character = await library.characters.get(character_id)
    titles = titles_of(logs, Path(filename).stem)
    ids = await library.database.write(
        lambda c: [
            store_chat(c, log, character_id, character.name, title, user_name, path)
            for log, title in zip(logs, titles, strict=True)
        ]
    )
    return ImportedChat.of(logs, ids)


def titles_of(logs: Sequence[ChatLog], stem: str) -> list[str]:
    """What to call the chats of a file that is called `stem`."""
    return [
        clean_line(log.title or (f"{stem} {number}" if len(logs) > 1 else stem), 120)
        for number, log in enumerate(logs, 1)
    ]


def store_chat(
    connection: Connection,
    log: ChatLog,
    character_id: str,
    character: str,
    title: str,
    user_name: str,
    path: Path | None = None,
) -> str:
    """Store a chat that was read as a new conversation, within a transaction; its id.

    Variables and timed effects of the file become the state of the last message, so that they belong to its
    branch.

    Args:
        character, user_name: names where the file has none.
        path: of the chat's file, where pictures may lie beside it.
    """
    conversation = create_conversation(connection, character_id, title)
    return _store(connection, log, conversation, character, user_name, {}, path)


def store_group_chat(
    connection: Connection,
    log: ChatLog,
    group: Group,
    title: str,
    user_name: str,
    path: Path | None = None,
) -> str:
    """`store_chat` for a conversation of a group; its members speak by their names."""
    conversation = create_conversation(connection, "", title, group_id=group.id)
    speakers = {member.name.casefold(): member.character_id for member in group.members}
    return _store(connection, log, conversation, group.name, user_name, speakers, path)


def _store(
    connection: Connection,
    log: ChatLog,
    conversation: Conversation,
    character: str,
    user_name: str,
    speakers: Mapping[str, str],
    path: Path | None,
) -> str:
    stored: list[Message] = []
    names = {"user": log.user_name or user_name, "assistant": character, "system": ""}
    for node in log.nodes:
        parent = stored[node.parent] if node.parent >= 0 else None
        message = _message(node, conversation.id, parent, names[node.role])
        if node.pictures:
            message = _with_pictures(connection, message, node, path)
        if node.role == "assistant":
            message = replace(message, speaker=speakers.get(message.name.casefold(), ""))
        stored.append(message)
        insert_message(connection, stored[-1])
    # Every message on the way up remembers its child, as if the chat had been held here.
    at = log.head
    while at >= 0 and log.nodes[at].parent >= 0:
        above = log.nodes[at].parent
        update_message(connection, stored[above].id, selected_child=stored[at].id)
        at = above
    head = stored[log.head].id if log.head >= 0 else ""
    # Only the last message carries it: on the way up nobody knows what was set where.
    if head and (state := _state(log.header)):
        update_message(connection, head, state=state)
    set_conversation(
        connection,
        conversation.id,
        head_id=head,
        metadata=well_formed_value(dict(log.header)),
        note=ChatNote.of_file(_metadata(log.header)).as_json(),
    )
    _store_memories(connection, conversation.id, log, [message.id for message in stored])
    return conversation.id


def _store_memories(connection: Connection, conversation_id: str, log: ChatLog, ids: Sequence[str]) -> None:
    """What the chat remembers: our own memories, else SillyTavern's rolling summaries; and what else our own
    files keep beside a story.
    """
    if log.trackers:
        from lunalux_core.trackers.trackers_in_chat_files import store_trackers

        store_trackers(connection, conversation_id, log.trackers, ids)
    if log.documents:
        from lunalux_core.bank.documents_in_chat_files import store_documents

        store_documents(connection, conversation_id, log.documents)
    rolling = [(ids[at], text) for at in log.path() if (text := rolling_of(log.nodes[at].line))]
    # Our own files also hold the memories as a rolling summary, for SillyTavern. Only one of the two is
    # read, else a prompt would tell the same events twice.
    if log.memories:
        store_from_file(connection, conversation_id, log.memories, ids)
    elif rolling:
        store_rolling(connection, conversation_id, rolling)


def _message(node: LogNode, conversation_id: str, parent: Message | None, name: str) -> Message:
    return new_message(
        conversation_id,
        parent,
        node.role,
        clean_line(node.name, 200) or name,
        clean(node.text),
        raw=clean(node.raw or node.text),
        thinking=clean(node.thinking),
        suggestions=tuple(clean_line(s, 200) for s in node.suggestions),
        event=clean_line(node.event, 500),
        model=clean_line(node.model, 200),
        hidden=node.hidden,
        created_at=node.sent_at or now_ms(),
        extra={
            **({"line": well_formed_value(dict(node.line))} if node.line else {}),
            **({MARK: mark} if (mark := clean_line(node.mark, MARK_LENGTH)) else {}),
            **({SCENE: True} if node.ends_scene else {}),
        },
    )


def _with_pictures(connection: Connection, message: Message, node: LogNode, path: Path | None) -> Message:
    """The message with the pictures of the file that can be read; the others stay in its line."""
    from lunalux_core.chat.picture_files import files_beside, line_without, taken_pictures

    taken = taken_pictures(connection, node.pictures, files_beside(path))
    if not taken:
        return message
    extra = dict(message.extra)
    if "line" in extra:
        extra["line"] = line_without(dict(extra["line"]), list(taken))
    refs = {ref.hash: ref.as_json() for ref in taken.values()}
    return replace(message, extra={**extra, PICTURES: list(refs.values())})


def _state(header: Mapping[str, Any]) -> dict[str, Any]:
    metadata = _metadata(header)
    variables = {
        str(name): as_variable(value) for name, value in as_object(metadata.get("variables")).items()
    }
    timed = TimedState.read(metadata.get("timedWorldInfo")).as_json()
    return ({"variables": variables} if variables else {}) | ({"timed": timed} if timed else {})


def _header(conversation: Conversation, state: Mapping[str, Any]) -> dict[str, Any]:
    """The head of a chat file, with what has changed here since it came: note, variables, timed effects."""
    header = dict(conversation.metadata)
    metadata = _metadata(header)
    own = ChatNote.read(conversation.note).for_file(metadata)
    if state.get("variables"):
        # A variable that is as it came keeps the type it had in its file.
        before = as_object(metadata.get("variables"))
        own["variables"] = {
            name: before[name] if name in before and as_variable(before[name]) == text else text
            for name, text in state["variables"].items()
        }
    if state.get("timed"):
        own["timedWorldInfo"] = state["timed"]
    if own != metadata:
        header["chat_metadata"] = own
    return header


def _metadata(header: Mapping[str, Any]) -> Mapping[str, Any]:
    return as_object(header.get("chat_metadata"))


async def conversation_log(library: Library, conversation_id: str) -> ChatLog:
    """A conversation with its whole tree, as chat files know it. Raises NotFound."""
    from lunalux_core.bank.documents_in_chat_files import documents_for_file
    from lunalux_core.trackers.trackers_in_chat_files import trackers_for_file

    def read(connection: Connection) -> ChatLog:
        conversation = load_conversation(connection, conversation_id)
        messages = load_tree(connection, conversation_id)
        place = {message.id: index for index, message in enumerate(messages)}
        told = rolling_text(connection, conversation_id)
        nodes = tuple(
            _node(connection, _remembering(message, told), place.get(message.parent_id, -1))
            for message in messages
        )
        # The variables of a file are those at its end, which another branch does not share.
        head = next((message for message in messages if message.id == conversation.head_id), None)
        user = next((node.name for node in nodes if node.role == "user"), "")
        group = load_group(connection, conversation.group_id) if conversation.group_id else None
        owner = group or load_character(connection, conversation.character_id)
        return ChatLog(
            nodes,
            place.get(conversation.head_id, -1),
            user_name=user,
            character_name=owner.name,
            title=conversation.title,
            header=_header(conversation, head.state if head else {}),
            group=_described(group) if group else {},
            memories=tuple(memories_for_file(connection, conversation_id, place)),
            trackers=tuple(trackers_for_file(connection, conversation_id, place)),
            documents=tuple(documents_for_file(connection, conversation_id)),
        )

    return await library.database.read(read)


def _remembering(message: Message, told: tuple[str, str] | None) -> Message:
    """The message as a chat file has it: with the rolling summary, where it is the last that this covers."""
    if told is None or message.id != told[0]:
        return message
    line = dict(as_object(message.extra.get("line")))
    line["extra"] = {**as_object(line.get("extra")), MEMORY: told[1]}
    return replace(message, extra={**message.extra, "line": line})


def _described(group: Group) -> dict[str, Any]:
    """A group as our own files hold it: by names, since ids mean nothing elsewhere."""
    return {
        "name": group.name,
        "order": group.order,
        "cards": group.cards,
        "self_responses": group.self_responses,
        **({"join_prefix": group.join_prefix} if group.join_prefix else {}),
        **({"join_suffix": group.join_suffix} if group.join_suffix else {}),
        "members": [{"name": member.name, "muted": member.muted} for member in group.members],
    }


def _node(connection: Connection, message: Message, parent: int) -> LogNode:
    return LogNode(
        parent=parent,
        role=message.role,
        name=message.name,
        text=message.content,
        thinking=message.thinking,
        sent_at=message.created_at,
        model=message.model,
        hidden=message.hidden,
        suggestions=message.suggestions,
        event=message.event,
        raw=message.raw,
        mark=message.mark,
        ends_scene=message.ends_scene,
        line=as_object(message.extra.get("line")),
        pictures=_pictures(connection, message) if message.pictures else (),
    )


def _pictures(connection: Connection, message: Message) -> tuple[LogPicture, ...]:
    from lunalux_core.chat.picture_files import log_pictures

    return log_pictures(connection, message.pictures)
