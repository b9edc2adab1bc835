"""The shapes of a card document: flat V1, V2 and V3 envelopes, and SillyTavern's copy at top level.

Every function takes a document and gives a new one; what it does not name stays as it
was, in its place.

See docs/spec/formats.md: Card versions, PNG cards, Tolerant reading.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

from lunalux_core.documents.coerce import as_flag, as_number, as_object, as_tags, as_text
from lunalux_core.documents.json_text import canonical_json, parse_object
from lunalux_core.errors import LunaluxError

Spec = Literal["v1", "v2", "v3"]

V1_FIELDS = ("name", "description", "personality", "scenario", "first_mes", "mes_example")
V2_FIELDS: dict[str, Any] = {
    **dict.fromkeys(V1_FIELDS, ""),
    "creator_notes": "",
    "system_prompt": "",
    "post_history_instructions": "",
    "alternate_greetings": [],
    "tags": [],
    "creator": "",
    "character_version": "",
    "extensions": {},
}
"""The fields a V2 card must have, with the value of an empty card."""

OPTIONAL_FIELDS = (
    "character_book",
    "assets",
    "nickname",
    "creator_notes_multilingual",
    "source",
    "group_only_greetings",
    "creation_date",
    "modification_date",
)
MIRROR_ALIASES: dict[tuple[str, ...], str] = {
    ("creator_notes",): "creatorcomment",
    ("extensions", "talkativeness"): "talkativeness",
    ("extensions", "fav"): "fav",
}
"""Top-level names under which SillyTavern keeps copies of `data.*` that are called differently there."""

BINDING = "marketBinding"
_BOOKKEEPING = {
    "spec",
    "spec_version",
    "data",
    *V2_FIELDS,
    *OPTIONAL_FIELDS,
    *MIRROR_ALIASES.values(),
    "avatar",
    "chat",
    "create_date",
    "json_data",
    BINDING,
}
_SKIPPABLE = {*V2_FIELDS, "group_only_greetings"}


def data_of(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The inner object of a V2 or V3 card, None in a flat card."""
    data = document.get("data")
    return data if isinstance(data, dict) else None


def mended(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document with the objects that some tools write otherwise: `data` as JSON text, and a book as the
    list of its entries alone. Anything else is left as it is.
    """
    data = document.get("data")
    if isinstance(data, str) and data.lstrip().startswith("{"):
        with suppress(LunaluxError):
            document = {**document, "data": parse_object(data)}
    data = document.get("data")
    if isinstance(data, dict):
        return {**document, "data": _with_book(data)} if _lists_book(data) else document
    return _with_book(document) if _lists_book(document) else document


def _lists_book(fields: Mapping[str, Any]) -> bool:
    book = fields.get("character_book")
    return isinstance(book, list) and any(isinstance(item, dict) and "content" in item for item in book)


def _with_book(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {**fields, "character_book": {"entries": fields["character_book"]}}


def spec_of(document: Mapping[str, Any]) -> Spec:
    """Which specification a document follows, whatever is wrong with its `spec`."""
    if data_of(document) is None:
        return "v1"
    spec = document.get("spec")
    # A version that does not exist yet is read as the newest that does.
    if isinstance(spec, str) and spec.startswith("chara_card_v"):
        return "v2" if spec == "chara_card_v2" else "v3"
    return "v3" if as_number(document.get("spec_version"), 2.0) >= 3 else "v2"


def without_binding(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without `marketBinding`, which belongs to the local record and never leaves it."""
    bare = {key: value for key, value in document.items() if key != BINDING}
    data = data_of(document)
    if data is not None and BINDING in data:
        bare["data"] = {key: value for key, value in data.items() if key != BINDING}
    return bare


def as_v2(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with a V2 envelope. A flat card gains `data`; its own fields stay as the mirror."""
    return {"spec": "chara_card_v2", "spec_version": "2.0"} | _enveloped(document, "chara_card_v2", "2.0")


def as_v3(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with a V3 envelope; `group_only_greetings`, required there, is added where absent."""
    # Already all that V3 asks for: it is written as it came, in its own order.
    if spec_of(document) == "v3" and "group_only_greetings" in (data_of(document) or {}):
        return without_binding(document)
    version = "3.0" if spec_of(document) != "v3" else document.get("spec_version", "3.0")
    changed = _enveloped(document, "chara_card_v3", version)
    changed["data"] = {**changed["data"]}
    changed["data"].setdefault("group_only_greetings", [])
    return {"spec": "chara_card_v3", "spec_version": version} | changed


def mirrored(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the top-level copy that SillyTavern expects; copies that are there stay."""
    data = data_of(document) or {}
    extensions = as_object(data.get("extensions"))
    copy: dict[str, Any] = {name: as_text(data.get(name)) for name in V1_FIELDS}
    copy |= {
        "creatorcomment": as_text(data.get("creator_notes")),
        "avatar": "none",
        "talkativeness": min(max(as_number(extensions.get("talkativeness"), 0.5), 0.0), 1.0),
        "fav": as_flag(extensions.get("fav")),
        "tags": list(as_tags(data.get("tags"))),
    }
    return {**document, **{name: value for name, value in copy.items() if name not in document}}


def content_hash(document: Mapping[str, Any]) -> str:
    """The identity of a card's content, in 64 hexadecimal digits.

    Equal for a card and its re-exports: the envelope, SillyTavern's mirror and bookkeeping (last chat,
    creation date of the file), empty fields and the addresses of assets do not count; unknown keys do.
    """
    whole = _enveloped(document, "", "")["data"]
    # Programs add empty fields when they save a card; that makes it no other card.
    data = {key: value for key, value in whole.items() if key not in _SKIPPABLE or value not in ("", [], {})}
    # Addresses of assets change with the file that holds them.
    data.pop("assets", None)
    rest = {key: value for key, value in document.items() if key not in _BOOKKEEPING}
    return hashlib.sha256(canonical_json([data, rest]).encode()).hexdigest()


def _enveloped(document: Mapping[str, Any], spec: str, version: object) -> dict[str, Any]:
    bare = without_binding(document)
    data = data_of(bare)
    if data is None:
        data = V2_FIELDS | {name: bare[name] for name in (*V2_FIELDS, *OPTIONAL_FIELDS) if name in bare}
        if "creator_notes" not in bare and "creatorcomment" in bare:
            data["creator_notes"] = bare["creatorcomment"]
        if "talkativeness" in bare and isinstance(data["extensions"], dict):
            data["extensions"] = {"talkativeness": bare["talkativeness"]} | data["extensions"]
    # Some editors fill the top level only and leave `data` incomplete.
    elif missing := [name for name in V1_FIELDS if name not in data and bare.get(name)]:
        data = {**data, **{name: bare[name] for name in missing}}
    return {**bare, "spec": spec, "spec_version": version, "data": data}
