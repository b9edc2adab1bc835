"""Chats of RisuAI: `risuChat` with one chat, `risuAllChats` with all of a character, of either version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lunalux_core.chatlogs.chatlog import ChatLog, message_text
from lunalux_core.chatlogs.chatlog_dates import parse_date
from lunalux_core.chatlogs.spoken import Spoken, chat_of, objects, texts_of, with_note
from lunalux_core.documents.coerce import as_flag, as_integer, as_object, as_text, as_variable
from lunalux_core.documents.prompt_values import Role
from lunalux_core.text import clean_line

_TYPES = ("risuchat", "risuallchats")
_ALL_BEFORE = "allBefore"


def is_risu(document: Mapping[str, Any]) -> bool:
    return as_text(document.get("type")).lower() in _TYPES


def read_risu(document: Mapping[str, Any]) -> list[ChatLog]:
    data = document.get("data")
    return [_chat(chat) for chat in (objects(data) if isinstance(data, list) else [as_object(data)])]


def _chat(chat: Mapping[str, Any]) -> ChatLog:
    return chat_of(
        _messages(list(objects(chat.get("message")))),
        title=clean_line(as_text(chat.get("name")), 120),
        header=with_note(chat.get("note"), depth=0, variables=_variables(chat)),
        notes=tuple(_notes(chat)),
    )


def _messages(messages: list[Mapping[str, Any]]) -> Iterator[Spoken]:
    """What is switched off there is hidden here: a message, or all up to the last one that says so."""
    cut = max(
        (place for place, message in enumerate(messages) if message.get("disabled") == _ALL_BEFORE),
        default=-1,
    )
    for place, message in enumerate(messages):
        off = message.get("disabled") == _ALL_BEFORE or as_flag(message.get("disabled"))
        text = message_text(message.get("data"))
        yield Spoken(
            _role(message),
            text,
            clean_line(as_text(message.get("name"))),
            parse_date(message.get("time")),
            as_text(as_object(message.get("generationInfo")).get("model")),
            hidden=off or place <= cut or as_flag(message.get("isComment")),
            versions=texts_of(message.get("swipes")),
        )


def _role(message: Mapping[str, Any]) -> Role:
    role = as_text(message.get("role")).lower()
    return "user" if role == "user" else "system" if role in ("system", "comment") else "assistant"


def _variables(chat: Mapping[str, Any]) -> dict[str, str]:
    """The chat's variables; there, their names are kept with a dollar sign before them."""
    state = as_object(chat.get("scriptstate"))
    return {name.removeprefix("$"): as_variable(value) for name, value in state.items()}


def _notes(chat: Mapping[str, Any]) -> Iterator[str]:
    if "fmIndex" in chat:
        opening = as_integer(chat.get("fmIndex"), -1)
        which = "its first message" if opening < 0 else f"its alternate greeting {opening + 1}"
        yield f"RisuAI keeps the opening of a chat with the character ({which}), not in this file."
    if lore := list(objects(chat.get("localLore"))):
        yield f"The chat's own lorebook ({len(lore)} entries) was left out; export it there on its own."
    if any(message.get("saying") and not message.get("name") for message in objects(chat.get("message"))):
        yield "Who of a group spoke is told there by ids that mean nothing elsewhere; names are missing."
