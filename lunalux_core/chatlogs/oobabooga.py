"""Histories of oobabooga's text-generation-webui of every age, and what CAI Tools writes in their form.

Three shapes: `internal` and `visible` with `metadata` (since 2023), `data` and `data_visible` before that,
and `chat` with lines of `Name: text`, which the oldest took over from Pygmalion. The internal rows have the
words as they were written; the visible ones are escaped for HTML.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Any

from lunalux_core.chatlogs.chatlog import ChatLog, message_text
from lunalux_core.chatlogs.chatlog_dates import parse_date
from lunalux_core.chatlogs.spoken import Spoken, chat_of, objects
from lunalux_core.documents.coerce import as_integer, as_object, as_text
from lunalux_core.documents.prompt_values import Role

_BEGIN = "<|BEGIN-VISIBLE-CHAT|>"
_SHAPES = (("internal", "visible"), ("data", "data_visible"), ("history", "history_visible"))
_ROLES: tuple[tuple[Role, int], ...] = (("user", 0), ("assistant", 1))


def is_ooba(document: Mapping[str, Any]) -> bool:
    if any(isinstance(document.get(key), list) for pair in _SHAPES for key in pair if key not in _PLAIN):
        return True
    rows = document.get("data", document.get("history"))
    if isinstance(rows, list) and rows and all(_is_row(row) for row in rows):
        return True
    lines = document.get("chat")
    return isinstance(lines, list) and bool(lines) and all(isinstance(line, str) for line in lines)


_PLAIN = ("data", "history")
"""Names that other programs' files have too: these say something only together with their content."""


def read_ooba(document: Mapping[str, Any]) -> list[ChatLog]:
    lines = document.get("chat")
    if isinstance(lines, list):
        return [chat_of(_lines(lines))]
    raw, shown = next(
        (
            (document.get(raw_key), document.get(two))
            for raw_key, two in _SHAPES
            if raw_key in document or two in document
        ),
        (None, None),
    )
    return [chat_of(_rows(_listed(raw), _listed(shown), as_object(document.get("metadata"))))]


def _is_row(row: object) -> bool:
    return isinstance(row, list) and len(row) == 2 and all(isinstance(text, str | None) for text in row)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _rows(raw: list[Any], shown: list[Any], metadata: Mapping[str, Any]) -> Iterator[Spoken]:
    for place in range(max(len(raw), len(shown))):
        for role, side in _ROLES:
            own = _side(raw, place, side)
            text = html.unescape(_side(shown, place, side) or "") if own is None else own
            # Stands in the place of the person's words where the character speaks first.
            if text.startswith(_BEGIN):
                continue
            about = as_object(metadata.get(f"{role}_{place}"))
            yield Spoken(
                role,
                message_text(text),
                sent_at=parse_date(about.get("timestamp")),
                model=as_text(about.get("model_name")) if role == "assistant" else "",
                versions=_versions(about, message_text(text)),
            )


def _side(rows: list[Any], place: int, side: int) -> str | None:
    """A person's (0) or a character's (1) words in a row; None where the row has no such text."""
    row = rows[place] if place < len(rows) else None
    text = row[side] if isinstance(row, list) and len(row) > side else None
    return text if isinstance(text, str) else None


def _versions(about: Mapping[str, Any], text: str) -> tuple[str, ...]:
    """The versions of a message; the one in use is what the row says, which may have been edited since."""
    versions = [message_text(as_text(version.get("content"))) for version in objects(about.get("versions"))]
    chosen = as_integer(about.get("current_version_index"), -1)
    if text not in versions and 0 <= chosen < len(versions):
        versions[chosen] = text
    return tuple(dict.fromkeys(version for version in versions if version))


def _lines(lines: list[Any]) -> Iterator[Spoken]:
    """Lines of `Name: text`. The person is called You there; the character is whoever speaks first."""
    split = [as_text(line).partition(":") for line in lines]
    names = [name.strip() for name, _, _ in split]
    person = next((name for name in names if name.casefold() in ("you", "user")), "")
    character = next((name for name in names if name != person), "")
    for name, colon, text in split:
        is_character = name.strip() == character
        words = message_text(text if colon else name).strip()
        yield Spoken("assistant" if is_character else "user", words, name.strip() if colon else "")
