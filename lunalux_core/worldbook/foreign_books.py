"""Lorebooks of other programs as World Info: NovelAI, Agnai, RisuAI, JanitorAI, Kobold Lite and others.

Whether a document is such a book is asked here too, by the same tests. What is switched off there stays so.

See docs/spec/formats.md: Worldbooks inside cards, Worldbook departures.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lunalux_core.documents.coerce import as_flag, as_number, as_object, as_text, as_texts
from lunalux_core.documents.json_text import decode_text, parse_json
from lunalux_core.worldbook.entry import AFTER, AT_DEPTH, BEFORE, NOT_ANY

_STORE_KEYS = ("key", "keys")
_JANITOR = ("keysRaw", "keywordsRaw", "keysecondaryRaw", "inclusionGroupRaw", "activationMode")
"""Fields that only entries of JanitorAI have."""
_KOBOLD = ("widisabled", "keyanti", "wigroup")
"""Fields that only entries of Kobold Lite have."""
_DUNGEON = ("entry", "value")
"""Where AI Dungeon keeps an entry's text, in old files and in story cards."""
_ORDERS = ("insertion_order", "priority")
"""Where entries of JanitorAI say how important they are, the newer name first."""
_FOLDER = "\uf000folder:"
"""How the key of a folder begins that RisuAI keeps among the entries."""

Entries = Iterator[dict[str, Any]]


def read(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same book as World Info (`name`, `entries`), or None when no other program is recognised."""
    reader = _reader(document)
    if reader is None:
        return None
    # Null there is "not set", while World Info compares a probability of null as 0.
    entries = [
        {key: value for key, value in entry.items() if value is not None} for entry in reader(document)
    ]
    return {"name": as_text(document.get("name")), "entries": entries}


def is_foreign(document: Mapping[str, Any]) -> bool:
    """Whether a document is a lorebook of another program."""
    return _reader(document) is not None


def is_entry(item: Mapping[str, Any]) -> bool:
    """Whether an object looks like an entry of any program: keys, and a text for them."""
    keys = ("key", "keys", "keywords", "keysRaw", "keysecondary")
    return any(name in item for name in keys) and any(name in item for name in (*_DUNGEON, "content", "text"))


def _reader(document: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Entries] | None:
    if "lorebookVersion" in document or _inside_novelai(document):
        return _novelai
    if document.get("kind") == "memory":
        return _agnai
    if document.get("type") == "risu" or (document.get("type") == "risuModule" and document.get("lorebook")):
        return _risu
    if "entries" not in document:
        return _narratium if any(True for _ in _stored(document)) else None
    entries = list(_entries(document))
    for signs, reader in ((_JANITOR, _janitor), (_KOBOLD, _kobold), (("keywords",), _agnai)):
        if any(sign in entry for entry in entries for sign in signs):
            return reader
    plain = [entry for entry in entries if "content" not in entry and ("keys" in entry or "key" in entry)]
    return _dungeon if any(sign in entry for entry in plain for sign in _DUNGEON) else None


def _inside_novelai(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The lorebook that a scenario or a story of NovelAI carries; empty where there is none."""
    holders = (document, as_object(document.get("content")))
    books = [as_object(holder.get("lorebook")) for holder in holders]
    return next((book for book in books if "lorebookVersion" in book), {})


def _entries(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    entries = document.get("entries")
    return _dicts(list(entries.values()) if isinstance(entries, dict) else entries)


def png_document(data: bytes) -> Any | None:
    """The JSON of a lorebook inside a picture (NovelAI's `naidata`), None where there is none.

    Raises:
        InvalidInput, LimitExceeded: what is inside is no usable JSON.
    """
    from lunalux_core.cards import png

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


def _novelai(document: Mapping[str, Any]) -> Entries:
    """An entry is off where its category is; ``a & b`` is a key that wants both words."""
    document = _inside_novelai(document) or document
    off = {
        as_text(category.get("id"))
        for category in _dicts(document.get("categories"))
        if not as_flag(category.get("enabled"), True)
    }
    for entry in _entries(document):
        yield {
            "key": [_both(key) for key in _listed(entry.get("keys"))],
            "comment": entry.get("displayName"),
            "content": entry.get("text"),
            "constant": entry.get("forceActivation"),
            "order": as_number(as_object(entry.get("contextConfig")).get("budgetPriority"), 0),
            "disable": not as_flag(entry.get("enabled"), True) or as_text(entry.get("category")) in off,
        }


def _dungeon(document: Mapping[str, Any]) -> Entries:
    """Keys are one text with commas in AI Dungeon, a list in the files of tools around it."""
    for entry in _entries(document):
        yield {
            "key": _listed(entry.get("keys") or entry.get("key")),
            "comment": entry.get("title") or entry.get("name") or entry.get("type"),
            "content": as_text(entry.get("entry")) or as_text(entry.get("value")),
            "disable": not as_flag(entry.get("enabled"), True),
        }


def _both(key: str) -> str:
    parts = [part.strip() for part in key.split("&")]
    if key.startswith("/") or len(parts) < 2 or not all(parts):
        return key
    # Each looks ahead from the start, so the words may stand in any order.
    lookaheads = "".join(rf"(?=[\s\S]*{re.escape(part)})" for part in parts)
    return "/" + lookaheads.replace("/", r"\/") + "/i"


def _agnai(document: Mapping[str, Any]) -> Entries:
    for entry in _entries(document):
        chance = as_flag(entry.get("useProbability"), True)
        yield {
            "key": _listed(entry.get("keywords")),
            "keysecondary": _listed(entry.get("secondaryKeys")),
            "selective": entry.get("selective"),
            "selectiveLogic": entry.get("selectiveLogic"),
            "comment": entry.get("name") or entry.get("comment"),
            "content": entry.get("entry"),
            "constant": entry.get("constant"),
            "order": entry.get("weight"),
            "position": AFTER if entry.get("position") == "after_char" else BEFORE,
            "probability": entry.get("probability") if chance else 100,
            "excludeRecursion": entry.get("excludeRecursion"),
            "disable": not as_flag(entry.get("enabled"), True),
        }


def _risu(document: Mapping[str, Any]) -> Entries:
    """Folders are no entries. A child stands for an entry above it, under further keys."""
    entries = list(_dicts(document.get("lorebook" if document.get("type") == "risuModule" else "data")))
    written: list[tuple[Mapping[str, Any], dict[str, Any]]] = []
    for entry in entries:
        if entry.get("mode") == "folder" or as_text(entry.get("key")).startswith(_FOLDER):
            continue
        parent = next(
            (written_entry for raw, written_entry in written if raw.get("id") == entry.get("id")), None
        )
        if entry.get("mode") == "child" and parent is not None:
            parent["key"] += _risu_keys(entry)
        else:
            written.append((entry, _risu_entry(entry)))
    yield from (written_entry for _, written_entry in written)


def _risu_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "key": _risu_keys(entry),
        "keysecondary": _listed(entry.get("secondkey")),
        "selective": entry.get("selective"),
        "comment": entry.get("comment"),
        "content": entry.get("content"),
        "constant": as_flag(entry.get("alwaysActive")) or entry.get("mode") == "constant",
        "order": entry.get("insertorder"),
        "probability": entry.get("activationPercent"),
        "caseSensitive": as_object(entry.get("extentions")).get("risu_case_sensitive"),
        "disable": as_flag(entry.get("disabled")) or not as_flag(entry.get("enabled"), True),
    }


def _risu_keys(entry: Mapping[str, Any]) -> list[str]:
    if not as_flag(entry.get("useRegex")):
        return _listed(entry.get("key"))
    pattern = as_text(entry.get("key")).strip()
    if pattern and not pattern.startswith("/"):
        pattern = "/" + pattern.replace("/", r"\/") + "/"
    return [pattern] if pattern else []


def _janitor(document: Mapping[str, Any]) -> Entries:
    for entry in _entries(document):
        second = _listed(entry.get("keysecondary") or entry.get("keysecondaryRaw"))
        yield {
            "key": _listed(entry.get("key") or entry.get("keysRaw") or entry.get("keywordsRaw")),
            "keysecondary": second,
            "selective": as_flag(entry.get("selective"), bool(second)),
            "selectiveLogic": entry.get("selectiveLogic"),
            "comment": entry.get("name") or entry.get("comment"),
            "content": entry.get("content"),
            "constant": entry.get("constant"),
            "order": next((entry[key] for key in _ORDERS if entry.get(key) is not None), None),
            "probability": entry.get("probability"),
            "group": entry.get("inclusionGroupRaw"),
            "groupOverride": entry.get("prioritizeInclusion"),
            "groupWeight": entry.get("groupWeight"),
            "caseSensitive": entry.get("case_sensitive"),
            "matchWholeWords": entry.get("matchWholeWords"),
            "delay": entry.get("minMessages"),
            "disable": as_flag(entry.get("disable")) or not as_flag(entry.get("enabled"), True),
        }


def _kobold(document: Mapping[str, Any]) -> Entries:
    """Keys are one text with commas; `keyanti` are words that must not be there."""
    for entry in _entries(document):
        anti, second = _listed(entry.get("keyanti")), _listed(entry.get("keysecondary"))
        selective = as_flag(entry.get("selective")) and bool(second)
        yield {
            "key": _listed(entry.get("key")),
            "keysecondary": second if selective else anti,
            "selective": selective or bool(anti),
            "selectiveLogic": NOT_ANY if anti and not selective else 0,
            "comment": entry.get("comment"),
            "content": entry.get("content"),
            "constant": entry.get("constant"),
            "probability": entry.get("probability"),
            "disable": entry.get("widisabled"),
        }


def remarks_on(document: Mapping[str, Any]) -> tuple[str, ...]:
    """What a lorebook of another program does that is not done here, one sentence each."""
    notes = []
    if _inside_novelai(document):
        notes.append("Of NovelAI's scenario or story, only the lorebook is read.")
    if scripted := sum(bool(as_text(entry.get("activationScript")).strip()) for entry in _entries(document)):
        notes.append(
            f"{scripted} of the entries have a script of JanitorAI, which is not run; their keys count."
        )
    if document.get("type") == "risuModule" and document.get("trigger"):
        notes.append("The module's triggers are not run.")
    return tuple(notes)


def _listed(value: object) -> list[str]:
    """Keys as a list; one text is cut at its commas."""
    if isinstance(value, list):
        return list(as_texts(value))
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


def _narratium(document: Mapping[str, Any]) -> Entries:
    for raw in _stored(document):
        extensions = as_object(raw.get("extensions"))
        position = extensions.get("position", raw.get("position", AT_DEPTH))
        # There, 4 stands for "no position was given" as often as for "at depth 1".
        placed = (
            {"position": AT_DEPTH, "depth": 1, "role": 0} if position == AT_DEPTH else {"position": position}
        )
        yield {
            **raw,
            "key": raw.get("key", raw.get("keys")),
            "keysecondary": raw.get("keysecondary", raw.get("secondary_keys")),
            "order": raw.get("order", raw.get("insertion_order")),
            "disable": as_flag(raw.get("disable"), not as_flag(raw.get("enabled"), True)),
            **placed,
        }
