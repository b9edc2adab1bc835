"""What a dropped file is, by its content (FORMATS 1.6). A file's name never decides."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from lunalux_core.cards import png
from lunalux_core.cards.charx import is_zip
from lunalux_core.cards.coerce import as_object, as_text
from lunalux_core.cards.foreign import is_oobabooga, is_pygmalion, looks_like_yaml
from lunalux_core.cards.jsontext import decode_text, parse_json
from lunalux_core.errors import InvalidInput


class Kind(StrEnum):
    """The kinds of files people drop on the program."""

    CARD = "card"
    WORLDBOOK = "worldbook"
    PRESET = "preset"
    TEXT_PRESET = "text-preset"
    REGEX = "regex"
    CHAT = "chat"
    GROUP = "group"
    SETTINGS = "settings"
    NARRATIUM = "narratium"
    UNKNOWN = "unknown"


TOLD: dict[Kind, tuple[str, str]] = {
    Kind.WORLDBOOK: ("This is a worldbook, not a character.", "Import it with `lunalux worldbook import`."),
    Kind.PRESET: ("This is a chat preset, not a character.", "Import it with `lunalux preset import`."),
    Kind.TEXT_PRESET: (
        "This is a template for text completion, not a character.",
        "Import it with `lunalux template import`.",
    ),
    Kind.REGEX: ("These are regex scripts, not a character.", "Import them with `lunalux regex import`."),
    Kind.CHAT: ("This is a chat, not a character.", "Import it with `lunalux conversation import`."),
    Kind.GROUP: ("This is a group of characters, not a card.", "Import it with `lunalux import`."),
    Kind.SETTINGS: ("These are SillyTavern's settings, not a character.", "Use `lunalux import`."),
    Kind.NARRATIUM: ("This is everything of a Narratium, not one character.", "Use `lunalux import`."),
    Kind.UNKNOWN: ("This file is not a character card.", "Choose a .png, .json, .charx or .yaml card."),
}
"""For every kind but a card: a sentence for those who wanted a card, and what to do with it instead."""

_V1_BODY = ("first_mes", "description", "personality", "scenario", "mes_example")


def recognise(data: bytes, filename: str = "") -> Kind:
    """The kind of a file. Pictures and archives count as what they carry; damaged ones as UNKNOWN.

    Args:
        filename: not needed; a hint only for text that could be anything.
    """
    if png.is_png(data):
        return _png_kind(data)
    if is_zip(data):
        return Kind.CARD if b"card.json" in data else Kind.UNKNOWN
    try:
        text, _ = decode_text(data)
    except InvalidInput:  # too large for anything but a whole library with its pictures
        return Kind.NARRATIUM if b'"characters_record"' in data else Kind.UNKNOWN
    if text.lstrip()[:1] not in ("{", "["):
        named = filename.lower().endswith((".yaml", ".yml"))
        return Kind.CARD if named or looks_like_yaml(text[:100_000]) else Kind.UNKNOWN
    try:
        return recognise_document(parse_json(text))
    except InvalidInput:
        return _lines_kind(text)


def recognise_document(document: object) -> Kind:
    """The kind of a parsed JSON file."""
    if isinstance(document, list):
        if document and all(isinstance(item, dict) and "findRegex" in item for item in document):
            return Kind.REGEX
        return Kind.UNKNOWN
    if not isinstance(document, dict):
        return Kind.UNKNOWN
    for kind, test in _TESTS:
        if test(document):
            return kind
    return Kind.UNKNOWN


def _png_kind(data: bytes) -> Kind:
    try:
        shape = png.layout(data)
    except InvalidInput:
        return Kind.UNKNOWN
    keywords = {(png.keyword_of(data, chunk) or "").lower() for chunk in shape.chunks}
    if keywords & set(png.CARD_KEYWORDS):
        return Kind.CARD
    return Kind.WORLDBOOK if "naidata" in keywords else Kind.UNKNOWN


def _lines_kind(text: str) -> Kind:
    """JSON lines: a chat when the first line is the head of one."""
    first = text.lstrip().partition("\n")[0]
    try:
        head = parse_json(first)
    except InvalidInput:
        return Kind.UNKNOWN
    return Kind.CHAT if isinstance(head, dict) and _is_chat_head(head) else Kind.UNKNOWN


def _is_card(document: Mapping[str, Any]) -> bool:
    if as_text(document.get("spec")).startswith("chara_card_v"):
        return True
    data = as_object(document.get("data"))
    if "name" in data and "entries" not in data and not isinstance(data.get("message"), list):
        return True
    if is_pygmalion(document) or is_oobabooga(document):
        return True
    return "name" in document and "entries" not in document and any(key in document for key in _V1_BODY)


def _is_worldbook(document: Mapping[str, Any]) -> bool:
    if document.get("spec") == "lorebook_v3" or "lorebookVersion" in document:
        return True
    if document.get("kind") == "memory" or document.get("type") == "risu":
        return True
    if isinstance(document.get("entries"), dict | list) and "first_mes" not in document:
        return True
    return _all_values(document, "content") and (
        _all_values(document, "key") or _all_values(document, "keys")
    )


def _is_preset(document: Mapping[str, Any]) -> bool:
    prompts = document.get("prompts")
    if not isinstance(prompts, list):
        return False
    return "prompt_order" in document or any(
        isinstance(item, dict) and "identifier" in item for item in prompts
    )


def _is_regex(document: Mapping[str, Any]) -> bool:
    if document.get("type") == "regex" and isinstance(document.get("data"), list):  # RisuAI
        return True
    return "findRegex" in document or _all_values(document, "findRegex")


def _is_group(document: Mapping[str, Any]) -> bool:
    return isinstance(document.get("members"), list) and isinstance(document.get("chats"), list)


def _is_settings(document: Mapping[str, Any]) -> bool:
    """SillyTavern's settings.json, or the file of personas it exports."""
    whole = "power_user" in document and isinstance(document.get("extension_settings"), dict)
    return whole or (
        isinstance(document.get("personas"), dict) and isinstance(document.get("persona_descriptions"), dict)
    )


def _is_narratium(document: Mapping[str, Any]) -> bool:
    return isinstance(document.get("characters_record"), list)


def _is_chat(document: Mapping[str, Any]) -> bool:
    from lunalux_core.cards.chatlog import FORMAT

    if _is_chat_head(document) or document.get("format") == FORMAT or document.get("type") == "risuChat":
        return True
    lists = ("nodes", "data_visible", "actions")
    return (
        any(isinstance(document.get(key), list) for key in lists)
        or isinstance(document.get("histories"), dict)
        or (document.get("kind") == "chat" and isinstance(document.get("messages"), list))
    )


def _is_chat_head(document: Mapping[str, Any]) -> bool:
    known = "chat_metadata" in document or "user_name" in document
    return known or ("mes" in document and "is_user" in document)


def _is_text_preset(document: Mapping[str, Any]) -> bool:
    from lunalux_core.templates.reading import is_master, kind_of

    return kind_of(document) is not None or is_master(document)


def _all_values(document: Mapping[str, Any], key: str) -> bool:
    """A store: an object of objects that all have this key."""
    return bool(document) and all(isinstance(item, dict) and key in item for item in document.values())


_TESTS = (
    (Kind.SETTINGS, _is_settings),
    (Kind.NARRATIUM, _is_narratium),
    (Kind.GROUP, _is_group),
    (Kind.CARD, _is_card),
    (Kind.WORLDBOOK, _is_worldbook),
    (Kind.PRESET, _is_preset),
    (Kind.REGEX, _is_regex),
    (Kind.CHAT, _is_chat),
    (Kind.TEXT_PRESET, _is_text_preset),
)
