"""A linear chat out of messages, as most programs keep one: each in turn, some with several versions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lunalux_core.chatlogs.chatlog import ChatLog, LogNode, message_text
from lunalux_core.documents.coerce import as_object, as_text
from lunalux_core.documents.prompt_values import Role

_THOUGHT = re.compile(r"\s*<think(?:ing)?>(.*?)(?:</think(?:ing)?>\s*|\Z)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Spoken:
    """One message. `sent_at` is milliseconds, 0 unknown; hidden ones are kept and not sent.

    Args:
        versions: all texts of the message, its own among them, where there are several (swipes).
    """

    role: Role
    text: str
    name: str = ""
    sent_at: int = 0
    model: str = ""
    hidden: bool = False
    versions: tuple[str, ...] = ()
    line: Mapping[str, Any] = field(default_factory=dict)


def chat_of(messages: Iterable[Spoken], **about: Any) -> ChatLog:
    """The chat of these messages; those without any text are left out. `about` are fields of `ChatLog`."""
    nodes: list[LogNode] = []
    head = -1
    for message in messages:
        if any(text.strip() for text in (message.text, *message.versions)):
            head = _add(nodes, head, message)
    return ChatLog(tuple(nodes), head, **about)


def _add(nodes: list[LogNode], parent: int, message: Spoken) -> int:
    """Add a message with its versions below `parent`; the place of the one that is shown."""
    texts = list(message.versions) if message.text in message.versions else [*message.versions, message.text]
    shown = texts.index(message.text)
    first = len(nodes)
    for text in texts:
        spoken, thinking = thought_apart(text) if message.role == "assistant" else (text, "")
        node = LogNode(
            parent,
            message.role,
            message.name,
            spoken,
            thinking,
            message.sent_at,
            message.model,
            message.hidden,
            raw=text if thinking else "",
        )
        nodes.append(node)
    # What else the file says of a message is about the version that is shown.
    nodes[first + shown] = replace(nodes[first + shown], line=message.line)
    return first + shown


def thought_apart(text: str) -> tuple[str, str]:
    """A text without the reasoning it begins with, and that reasoning."""
    match = _THOUGHT.match(text)
    return (text[match.end() :], match[1].strip()) if match else (text, "")


def objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of a list; nothing where there is no list."""
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def texts_of(value: Any) -> tuple[str, ...]:
    """The texts of a list, in the form of messages."""
    return (
        tuple(message_text(text) for text in value if isinstance(text, str))
        if isinstance(value, list)
        else ()
    )


def with_note(text: Any, *, depth: int = 4, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The head of a chat file (SillyTavern's) that carries an author's note and variables, where there are
    any.
    """
    metadata: dict[str, Any] = {}
    if note := as_text(text).strip():
        metadata |= {"note_prompt": note, "note_interval": 1, "note_position": 1, "note_depth": depth}
    if variables := as_object(variables):
        metadata["variables"] = dict(variables)
    return {"chat_metadata": metadata} if metadata else {}
