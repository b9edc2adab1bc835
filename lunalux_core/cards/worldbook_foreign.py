"""Lorebooks of other programs as World Info: NovelAI, Agnai, RisuAI and Narratium (FORMATS 2.2, 2.12)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lunalux_core.cards import png
from lunalux_core.cards.coerce import as_object, as_text
from lunalux_core.cards.jsontext import decode_text, parse_json
from lunalux_core.cards.worldbook_entry import AT_DEPTH

_STORE_KEYS = ("key", "keys")


def read(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same book as World Info (`name`, `entries`), or None when no other program is recognised."""
    if "lorebookVersion" in document:
        entries = _novelai(document)
    elif document.get("kind") == "memory":
        entries = _agnai(document)
    elif document.get("type") == "risu":
        entries = _risu(document)
    elif "entries" not in document and (stored := list(_stored(document))):
        entries = _narratium(stored)
    else:
        return None
    return {"name": as_text(document.get("name")), "entries": list(entries)}


def png_document(data: bytes) -> Any | None:
    """The JSON of a lorebook inside a picture (NovelAI's `naidata`), None where there is none.

    Raises:
        InvalidInput, LimitExceeded: what is inside is no usable JSON.
    """
    if not png.is_png(data):
        return None
    for text in png.texts(data, ["naidata"]):
        try:
            raw = base64.b64decode(text.value)
        except (binascii.Error, ValueError):
            raw = text.value
        return parse_json(decode_text(raw)[0])
    return None


def _dicts(value: object) -> Iterator[Mapping[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _novelai(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in _dicts(document.get("entries")):
        yield {
            "key": entry.get("keys"),
            "comment": entry.get("displayName"),
            "content": entry.get("text"),
            "constant": entry.get("forceActivation"),
            "order": as_object(entry.get("contextConfig")).get("budgetPriority", 0),
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
            "key": _listed(entry.get("key")),
            "keysecondary": _listed(entry.get("secondkey")),
            "selective": entry.get("selective"),
            "comment": entry.get("comment"),
            "content": entry.get("content"),
            "constant": entry.get("alwaysActive"),
            "order": entry.get("insertorder"),
            "probability": entry.get("activationPercent", 100),
        }


def _listed(value: object) -> list[str]:
    return [part.strip() for part in as_text(value).split(",") if part.strip()]


def _stored(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The entries of Narratium's store: by `entry_<n>`, and where the whole store was saved, by character."""
    for value in document.values():
        if _is_stored(value):
            yield value
        elif isinstance(value, dict):
            yield from filter(_is_stored, value.values())


def _is_stored(value: object) -> bool:
    return isinstance(value, dict) and "content" in value and any(key in value for key in _STORE_KEYS)


def _narratium(entries: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for raw in entries:
        extensions = as_object(raw.get("extensions"))
        position = extensions.get("position", raw.get("position", AT_DEPTH))
        # There, 4 stands for "no position was given" as often as for "at depth 1" (FORMATS 2.12 item 11).
        placed = (
            {"position": AT_DEPTH, "depth": 1, "role": 0} if position == AT_DEPTH else {"position": position}
        )
        yield {
            **raw,
            "key": raw.get("key", raw.get("keys")),
            "keysecondary": raw.get("keysecondary", raw.get("secondary_keys")),
            "order": raw.get("order", raw.get("insertion_order")),
            "disable": raw.get("disable", raw.get("enabled") is False),
            **placed,
        }
