"""Chat files: SillyTavern's JSON lines and our own JSON both ways, plain text out.

A chat is read into a flat list of nodes that name their parent, which holds a linear log
with swipes, Narratium's tree and our own tree alike. The original line of every message is kept, so that
writing a SillyTavern file changes only what changed.

See docs/spec/formats.md: Chats, Chat files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lunalux_core.chatlogs.chatlog_dates import parse_date, st_date
from lunalux_core.chatlogs.chatlog_pictures import (
    LogPicture,
    as_native,
    native_pictures,
    st_media,
    st_pictures,
)
from lunalux_core.documents.coerce import as_flag, as_optional_integer, as_text, as_texts
from lunalux_core.errors import InvalidInput

if TYPE_CHECKING:
    from lunalux_core.documents.prompt_values import Role

ROLES: Mapping[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}
FORMAT = "lunalux-conversation"
FORMAT_VERSION = 1
_HEAD = 10
"""Lines that are looked at to tell what a list is: the first may be a bad one."""
_HEADER_NAMES = ("name", "character_name", "character_names")
"""Names that make a first line without a text a header, too, where messages follow it."""
# Written anew from the siblings of a node; the copies of the file would be out of date after an edit.
_REBUILT = {"swipes", "swipe_info", "swipe_id"}


@dataclass(frozen=True, slots=True)
class LogNode:
    """One message. `parent` is an index into the list, -1 at the top; `sent_at` milliseconds, 0 unknown.

    `line` is the message as the file had it (for a swipe: its entry of swipe_info). `pictures` go with it.
    """

    parent: int
    role: Role
    name: str
    text: str
    thinking: str = ""
    sent_at: int = 0
    model: str = ""
    hidden: bool = False
    suggestions: tuple[str, ...] = ()
    event: str = ""
    raw: str = ""
    mark: str = ""
    ends_scene: bool = False
    line: Mapping[str, Any] = field(default_factory=dict)
    pictures: tuple[LogPicture, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatLog:
    """A chat file. `head` is the index of the leaf of the path that was shown, -1 for an empty chat.

    `group` describes the group it belongs to ({name, order, cards, self_responses, members: [{name,
    muted}]}), and is empty for a chat with one character. `memories`, `trackers` and `documents` are what
    stands beside the story, as our own JSON has them.
    """

    nodes: tuple[LogNode, ...]
    head: int
    user_name: str = ""
    character_name: str = ""
    title: str = ""
    header: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    group: Mapping[str, Any] = field(default_factory=dict)
    memories: tuple[Any, ...] = ()
    trackers: tuple[Any, ...] = ()
    documents: tuple[Any, ...] = ()

    def path(self) -> list[int]:
        """Indexes from the top to the head."""
        places = []
        at = self.head
        while at >= 0:
            places.append(at)
            at = self.nodes[at].parent
        return places[::-1]


def is_list_of_lines(document: Sequence[Any]) -> bool:
    """Whether a JSON list holds SillyTavern's lines, as some programs save them."""
    return any(
        isinstance(line, dict) and (is_header(line) or ("mes" in line and "is_user" in line))
        for line in document[:_HEAD]
    )


def read_jsonl(text: str, filename: str = "") -> list[ChatLog]:
    """SillyTavern's lines. A bad line is skipped and told; a file without a header loses no message."""
    lines = enumerate(text.split("\n"), 1)  # not splitlines: U+2028 may stand in a message
    return read_lines(((number, json_or_none(line)) for number, line in lines if line.strip()), filename)


def read_lines(lines: Iterable[tuple[int, Any]], filename: str) -> list[ChatLog]:
    """The chats in numbered lines as documents; each header begins one, which may be empty.

    Raises:
        InvalidInput: CHAT_UNKNOWN_FORMAT.
    """
    chats = [_Builder()]
    is_first = True
    for number, document in lines:
        chat = chats[-1]
        if not isinstance(document, dict):
            chat.notes.append(f"Line {number} is not a message and was left out.")
        elif is_message(document):
            chat.add_line(document, number)
        elif is_header(document):
            # Chats that were put into one file one after the other.
            if chat.header or chat.nodes:
                chats.append(chat := _Builder())
            chat.header = document
        elif is_first and any(key in document for key in _HEADER_NAMES):
            chat.header = document
        # A first line that is neither header nor message belongs to another program's file.
        elif is_first:
            raise unknown_chat(filename)
        else:
            chat.notes.append(f"Line {number} has no text and was left out.")
        is_first = False
    # A header alone is a chat that nobody has spoken in yet; only a certain one is believed without messages.
    if not any(chat.nodes or is_header(chat.header) for chat in chats):
        raise unknown_chat(filename)
    return [chat.log() for chat in chats]


def write_jsonl(log: ChatLog) -> str:
    """SillyTavern's lines: the path that is shown, siblings as swipes (their text and info only)."""
    # "unused" is SillyTavern's own word for a name that it takes from elsewhere; `_named` reads it as none.
    header = {"user_name": "unused", "character_name": "unused", "chat_metadata": {}, **log.header}
    siblings: dict[int, list[int]] = {}
    for index, node in enumerate(log.nodes):
        siblings.setdefault(node.parent, []).append(index)
    lines = [header, *(_st_line(log, index, siblings[log.nodes[index].parent]) for index in log.path())]
    return "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)


def write_text(log: ChatLog) -> str:
    """`Name: text` blocks as SillyTavern's plain export writes them; hidden messages are dropped."""
    blocks = []
    for index in log.path():
        node = log.nodes[index]
        if not node.hidden:
            extra = node.line.get("extra")
            shown = extra.get("display_text") if isinstance(extra, dict) else None
            blocks.append(f"{node.name}: {shown or node.text}\n\n")
    return "".join(blocks)


_KEPT = ("memories", "trackers", "documents")


def write_native(log: ChatLog) -> dict[str, Any]:
    """Our own JSON: the whole tree, nothing lost."""
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "title": log.title,
        "user_name": log.user_name,
        "character_name": log.character_name,
        **({"group": dict(log.group)} if log.group else {}),
        "header": dict(log.header),
        "head": log.head,
        "messages": [
            {
                "parent": node.parent,
                "role": node.role,
                "name": node.name,
                "content": node.text,
                "thinking": node.thinking,
                "sent_at": node.sent_at,
                "model": node.model,
                "hidden": node.hidden,
                "suggestions": list(node.suggestions),
                "event": node.event,
                "raw": node.raw,
                **({"mark": node.mark} if node.mark else {}),
                **as_native(node.pictures),
                **({"ends_scene": True} if node.ends_scene else {}),
                "line": dict(node.line),
            }
            for node in log.nodes
        ],
        **{name: list(kept) for name in _KEPT if (kept := getattr(log, name))},
    }


def read_native(document: Mapping[str, Any]) -> ChatLog | None:
    """Our own JSON, or None when it is something else. Raises InvalidInput (CHAT_DAMAGED)."""
    if document.get("format") != FORMAT:
        return None
    entries = document.get("messages")
    nodes = tuple(_native_node(entry) for entry in (entries if isinstance(entries, list) else (None,)))
    head = as_optional_integer(document.get("head"))
    # Written by hand or by a script, a file may lack it: then its last message is the one shown.
    head = len(nodes) - 1 if head is None else head
    # A parent stands before its children, so that a tree without circles is sure after one look at each.
    if not all(-1 <= node.parent < place for place, node in enumerate(nodes)) or not -1 <= head < len(nodes):
        raise _damaged()
    header, group = document.get("header"), document.get("group")
    return ChatLog(
        nodes,
        head,
        user_name=as_text(document.get("user_name")),
        character_name=as_text(document.get("character_name")),
        title=as_text(document.get("title")),
        header=header if isinstance(header, dict) else {},
        group=group if isinstance(group, dict) else {},
        **{name: tuple(kept) for name in _KEPT if isinstance(kept := document.get(name), list)},
    )


def _native_node(entry: Any) -> LogNode:
    """One message of our own JSON; only what the tree cannot do without makes it damaged."""
    if not isinstance(entry, dict):
        raise _damaged()
    role = ROLES.get(as_text(entry.get("role")))
    parent = as_optional_integer(entry.get("parent"))
    if role is None or parent is None:
        raise _damaged()
    suggestions, line = entry.get("suggestions"), entry.get("line")
    return LogNode(
        parent=parent,
        role=role,
        name=as_text(entry.get("name")),
        text=as_text(entry.get("content")),
        thinking=as_text(entry.get("thinking")),
        sent_at=parse_date(entry.get("sent_at")),
        model=as_text(entry.get("model")),
        hidden=entry.get("hidden") is True,
        suggestions=tuple(map(as_text, suggestions)) if isinstance(suggestions, list) else (),
        event=as_text(entry.get("event")),
        raw=as_text(entry.get("raw")),
        mark=as_text(entry.get("mark")),
        ends_scene=entry.get("ends_scene") is True,
        line=line if isinstance(line, dict) else {},
        pictures=native_pictures(entry.get("pictures")),
    )


class _Builder:
    """Collects the nodes of a linear log with swipes."""

    def __init__(self) -> None:
        self.nodes: list[LogNode] = []
        self.head = -1
        self.header: Mapping[str, Any] = {}
        self.notes: list[str] = []

    def log(self) -> ChatLog:
        names = {
            role: next((node.name for node in self.nodes if node.role == role), "")
            for role in ("user", "assistant")
        }
        members = as_texts(self.header.get("character_names"))  # a room of TavernAI
        kept = [key for key in ("scenario", "notes") if members and as_text(self.header.get(key)).strip()]
        told = (
            [f"The room's own texts are kept with the chat and not used: {', '.join(kept)}."] if kept else []
        )
        return ChatLog(
            tuple(self.nodes),
            self.head,
            user_name=_named(self.header.get("user_name")) or names["user"],
            character_name=_named(self.header.get("character_name")) or names["assistant"],
            header=self.header,
            notes=(*told, *self.notes),
            group={"members": [{"name": name} for name in members]} if len(members) > 1 else {},
        )

    def add_line(self, line: Mapping[str, Any], number: int) -> None:
        text = None if line.get("mes") is None else message_text(line["mes"])
        swipes, chosen = _swipes(line, text, self.notes, number)
        parent, shown = self.head, -1
        info = line.get("swipe_info")
        for index, swipe in enumerate(swipes):
            own = info[index] if isinstance(info, list) and index < len(info) else {}
            # The fields of the line itself are those of the swipe that is shown; `swipe_info` may lag behind.
            here = line if index == chosen else (own if isinstance(own, dict) else {})
            self.nodes.append(_node(parent, line, swipe, here, is_shown=index == chosen))
            if index == chosen:
                shown = len(self.nodes) - 1
        self.head = shown


def _node(
    parent: int, line: Mapping[str, Any], text: str, own: Mapping[str, Any], *, is_shown: bool
) -> LogNode:
    extra = own.get("extra")
    extra = extra if isinstance(extra, dict) else {}
    # `is_system` only hides a line from the model, whoever spoke; what the program itself said has a type.
    hidden = as_flag(line.get("is_system"))
    typed = extra.get("type") == "narrator" or (hidden and bool(as_text(extra.get("type"))))
    role: Role = "user" if as_flag(line.get("is_user")) else ("system" if typed else "assistant")
    return LogNode(
        parent=parent,
        role=role,
        name=as_text(line.get("name")),
        text=text,
        thinking=as_text(extra.get("reasoning")),
        sent_at=parse_date(own.get("send_date", line.get("send_date"))),
        model=as_text(extra.get("model")),
        hidden=hidden,
        mark=as_text(extra.get("bookmark_link")),
        line={key: value for key, value in own.items() if key not in _REBUILT} if is_shown else own,
        pictures=st_pictures(extra),
    )


def _swipes(
    line: Mapping[str, Any], text: str | None, notes: list[str], number: int
) -> tuple[list[str], int]:
    """The swipes of a line and the one shown; `mes` is trusted over its swipe, where there is one."""
    swipes = line.get("swipes")
    texts = [message_text(s) for s in swipes] if isinstance(swipes, list) else []
    if not texts:
        return [text or ""], 0
    named = as_optional_integer(line.get("swipe_id"))
    chosen = named if named is not None and 0 <= named < len(texts) else -1
    if text is None:
        text = texts[chosen]  # the newest, where none is named
    # Text is never dropped for a wrong number: it is the swipe with these words, or one more.
    if chosen < 0:
        if text not in texts:
            texts.append(text)
        chosen = texts.index(text)
        if line.get("swipe_id") is not None:
            notes.append(f"Line {number} names a swipe that does not exist; its text was kept.")
    elif texts[chosen] != text:
        notes.append(f"Line {number} differs from its swipe; the message's own text was kept.")
        texts[chosen] = text
    return texts, chosen


def _st_line(log: ChatLog, index: int, siblings: Sequence[int]) -> dict[str, Any]:
    node = log.nodes[index]
    # First, so that a person who looks into the file finds them at the beginning of each line.
    line = {"name": "", "is_user": False, "is_system": False, **node.line}
    line["name"], line["is_user"], line["is_system"] = node.name, node.role == "user", node.hidden
    # The file's own spelling of a date is kept: an export that changes nothing is the file that was read.
    line.setdefault("send_date", st_date(node.sent_at))
    if log.group and node.role == "assistant":
        line.setdefault("original_avatar", f"{node.name}.png")
    line["mes"] = node.text
    line["extra"] = _st_extra(node)
    if len(siblings) > 1:
        line["swipes"] = [log.nodes[i].text for i in siblings]
        line["swipe_id"] = siblings.index(index)
        line["swipe_info"] = [_swipe_info(log.nodes[i]) for i in siblings]
    return line


def _swipe_info(node: LogNode) -> dict[str, Any]:
    info = {k: v for k, v in node.line.items() if k in {"send_date", "gen_started", "gen_finished"}}
    info.setdefault("send_date", st_date(node.sent_at))
    return {**info, "extra": _st_extra(node)}


def _st_extra(node: LogNode) -> dict[str, Any]:
    extra = node.line.get("extra")
    merged = dict(extra) if isinstance(extra, dict) else {}
    if node.thinking:
        merged["reasoning"] = node.thinking
    if node.model:
        merged.setdefault("model", node.model)
    if node.role == "system":
        merged.setdefault("type", "narrator")
    if node.mark:
        merged["bookmark_link"] = node.mark
    else:
        # A mark that was taken away here must not come back with the line as the file had it.
        merged.pop("bookmark_link", None)
    return st_media(merged, node.pictures)


def message_text(value: Any) -> str:
    """A message's text; Chub wraps it into an object, and null is empty."""
    if isinstance(value, dict):
        value = value.get("message")
    return as_text(value).replace("\r\n", "\n").replace("\r", "\n")


def is_header(document: Mapping[str, Any]) -> bool:
    """Whether a document is the first line of a chat file, which is no message."""
    return ("chat_metadata" in document or "user_name" in document) and not is_message(document)


def is_message(document: Mapping[str, Any]) -> bool:
    """Whether a document is a message of SillyTavern's; some programs write its swipes only."""
    return "mes" in document or bool(isinstance(swipes := document.get("swipes"), list) and swipes)


def _named(value: Any) -> str:
    text = as_text(value)
    return "" if text == "unused" else text


def json_or_none(text: str) -> Any:
    """A JSON text; None for anything else."""
    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        return None


def _finite(digits: str) -> float | None:
    """A number too large for any program would be written back as Infinity."""
    number = float(digits)
    return number if abs(number) != float("inf") else None


def _no_number(name: str) -> None:
    """NaN and Infinity are no JSON; written back, no other program would read them."""
    raise ValueError(name)


def unknown_chat(filename: str) -> InvalidInput:
    """The refusal (CHAT_UNKNOWN_FORMAT) of a file that no tool known here wrote."""
    return InvalidInput(
        "CHAT_UNKNOWN_FORMAT",
        f"{filename or 'This file'} is not a chat that Lunalux knows.",
        "SillyTavern .jsonl, Narratium, RisuAI, Agnai, CAI Tools, oobabooga, Kobold Lite and our own JSON "
        "and Markdown are read.",
        path=filename,
    )


def _damaged() -> InvalidInput:
    return InvalidInput(
        "CHAT_DAMAGED",
        "This conversation file is damaged: its messages do not form a tree.",
        "Export it again where it came from.",
    )
