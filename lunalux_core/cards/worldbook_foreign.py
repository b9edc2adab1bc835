"""Lorebooks of other tools: NovelAI, Agnai, RisuAI and Narratium (FORMATS 2.2, 2.12 item 11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lunalux_core.cards.coerce import as_object, as_text

if TYPE_CHECKING:
    from lunalux_core.cards.worldbook import ReadBook


def read(document: Mapping[str, Any], name: str) -> ReadBook | None:
    """The book of a foreign file, or None when it is none of these."""
    if "lorebookVersion" in document:
        return _book(document, name, _novelai(document))
    if document.get("kind") == "memory":
        return _book(document, name, _agnai(document))
    if document.get("type") == "risu":
        return _book(document, name, _risu(document))
    if "entries" not in document and document and all(key.startswith("entry_") for key in document):
        return _book({}, name, _narratium(document))
    return None


def _book(document: Mapping[str, Any], name: str, entries: Iterator[dict[str, Any]]) -> ReadBook:
    from lunalux_core.cards.worldbook import Book, ReadBook, entry_from_world_info

    found = tuple(entry_from_world_info(raw, uid) for uid, raw in enumerate(entries))
    return ReadBook(Book(as_text(document.get("name")) or name, found, "other", {}))


def _dicts(value: Any) -> Iterator[Mapping[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _novelai(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in _dicts(document.get("entries")):
        context = as_object(entry.get("contextConfig"))
        yield {
            "key": entry.get("keys"),
            "comment": entry.get("displayName"),
            "content": entry.get("text"),
            "constant": entry.get("forceActivation"),
            "order": context.get("budgetPriority", 0),
            "disable": entry.get("enabled") is False,
        }


def _agnai(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in _dicts(document.get("entries")):
        yield {
            "key": entry.get("keywords"),
            "comment": entry.get("name"),
            "content": entry.get("entry"),
            "order": entry.get("weight"),
            "disable": entry.get("enabled") is False,
        }


def _risu(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in _dicts(document.get("data")):
        yield {
            "key": [part.strip() for part in as_text(entry.get("key")).split(",") if part.strip()],
            "keysecondary": [
                part.strip() for part in as_text(entry.get("secondkey")).split(",") if part.strip()
            ],
            "selective": entry.get("selective"),
            "comment": entry.get("comment"),
            "content": entry.get("content"),
            "constant": entry.get("alwaysActive"),
            "order": entry.get("insertorder"),
            "probability": entry.get("activationPercent", 100),
        }


def _narratium(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in document.values():
        raw = as_object(entry)
        position = raw.get("position")
        yield {
            **raw,
            "key": raw.get("key") or raw.get("keys"),
            "keysecondary": raw.get("keysecondary") or raw.get("secondary_keys"),
            "order": raw.get("order", raw.get("insertion_order")),
            "disable": raw.get("disable", raw.get("enabled") is False),
            # There, 4 stands for "no position was given" as often as for "at depth 1".
            "depth": 1 if position == 4 else raw.get("depth", 4),
            "role": 0,
        }
