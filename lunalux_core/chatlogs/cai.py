"""Chats of character.ai as CAI Tools and its relatives save them: several chats in one file, never glued."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lunalux_core.chatlogs.chatlog import ChatLog, message_text
from lunalux_core.chatlogs.chatlog_dates import parse_date
from lunalux_core.chatlogs.spoken import Spoken, chat_of, objects
from lunalux_core.documents.coerce import as_flag, as_object, as_text
from lunalux_core.text import clean_line


def is_cai(document: Any) -> bool:
    if isinstance(document, list):
        return any(_is_message(item) or (item.get("chat") and _is_chat(item)) for item in objects(document))
    if isinstance(document.get("histories"), dict | list):
        return True
    if isinstance(document.get("turns"), list):
        return any("candidates" in turn for turn in objects(document["turns"]))
    return any("src__is_human" in message for message in objects(document.get("messages")))


def _is_message(document: Mapping[str, Any]) -> bool:
    return "isHuman" in document and "message" in document


def _is_chat(document: Mapping[str, Any]) -> bool:
    return any(_is_message(message) for message in objects(document.get("chat")))


def read_cai(document: Any) -> list[ChatLog]:
    character = ""
    if isinstance(document, dict):
        info = as_object(document.get("info"))
        about = as_object(info.get("character")) or as_object(document.get("character")) or info
        character = clean_line(as_text(about.get("name")))
    return [chat_of(messages, character_name=character) for messages in _chats(document)]


def _chats(document: Any) -> Iterator[Iterator[Spoken]]:
    if isinstance(document, list):
        if any(_is_message(item) for item in objects(document)):
            yield _simplified(document)
        else:
            yield from (_simplified(item.get("chat")) for item in objects(document))
        return
    histories = document.get("histories")
    inner = histories.get("histories") if isinstance(histories, dict) else histories
    if isinstance(document.get("turns"), list):
        yield _turns(document["turns"])
    elif isinstance(document.get("messages"), list):
        yield _legacy(document["messages"])
    yield from (_messages(chat.get("msgs")) for chat in objects(inner))


def _simplified(messages: Any) -> Iterator[Spoken]:
    for message in objects(messages):
        role = "user" if as_flag(message.get("isHuman")) else "assistant"
        yield Spoken(role, message_text(message.get("message")), _name(message.get("name")))  # type: ignore[arg-type]


def _messages(messages: Any) -> Iterator[Spoken]:
    for message in objects(messages):
        source = as_object(message.get("src"))
        human = as_flag(source.get("is_human"), as_flag(message.get("src__is_human")))
        yield Spoken(
            "user" if human else "assistant",
            message_text(message.get("text")),
            sent_at=parse_date(message.get("created")),
        )


def _legacy(messages: Any) -> Iterator[Spoken]:
    for message in objects(messages):
        # Answers that were swiped away stand there as messages of their own.
        if not as_flag(message.get("is_alternative")):
            yield Spoken(
                "user" if as_flag(message.get("src__is_human")) else "assistant",
                message_text(message.get("text")),
                _name(message.get("src__name")),
                parse_date(message.get("created")),
            )


def _turns(turns: list[Any]) -> Iterator[Spoken]:
    """Turns stand there with the newest first, and each with all its candidates."""
    for turn in reversed(list(objects(turns))):
        author = as_object(turn.get("author"))
        candidates = list(objects(turn.get("candidates")))
        texts = [message_text(candidate.get("raw_content")) for candidate in candidates]
        chosen = turn.get("primary_candidate_id")
        chosen_text = next(
            (
                text
                for candidate, text in zip(candidates, texts, strict=True)
                if candidate.get("candidate_id") == chosen
            ),
            texts[0] if texts else "",
        )
        yield Spoken(
            "user" if as_flag(author.get("is_human")) else "assistant",
            chosen_text,
            _name(author.get("name")),
            parse_date(turn.get("create_time")),
            versions=tuple(dict.fromkeys(texts)),
        )


def _name(value: Any) -> str:
    return clean_line(as_text(value))
