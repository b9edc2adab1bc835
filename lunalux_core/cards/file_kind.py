"""What a dropped file is, by its content. A file's name never decides.

See docs/spec/formats.md: Kinds of files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from lunalux_core.cards import png
from lunalux_core.cards.charx import is_zip
from lunalux_core.cards.foreign_cards import is_foreign as is_foreign_card
from lunalux_core.cards.foreign_cards import is_of_anything, looks_like_yaml
from lunalux_core.documents.coerce import as_object, as_text
from lunalux_core.documents.json_text import decode_text, parse_json
from lunalux_core.errors import InvalidInput
from lunalux_core.regex.risu_scripts import is_risu as is_risu_regex
from lunalux_core.regex.script import LISTS
from lunalux_core.worldbook.foreign_books import is_entry
from lunalux_core.worldbook.foreign_books import is_foreign as is_foreign_book


class FileKind(StrEnum):
    """The kinds of files people drop on the program."""

    CARD = "card"
    WORLDBOOK = "worldbook"
    PRESET = "preset"
    TEXT_PRESET = "text-preset"
    REGEX = "regex"
    CHAT = "chat"
    BYAF = "byaf"
    GROUP = "group"
    SETTINGS = "settings"
    NARRATIUM = "narratium"
    QUICK_REPLIES = "quick-replies"
    THEME = "theme"
    NOVELAI = "novelai-preset"
    RISU_PRESET = "risup"
    UNKNOWN = "unknown"


TOLD: dict[FileKind, tuple[str, str]] = {
    FileKind.WORLDBOOK: (
        "This is a worldbook, not a character.",
        "Import it with `lunalux worldbook import`.",
    ),
    FileKind.PRESET: ("This is a chat preset, not a character.", "Import it with `lunalux preset import`."),
    FileKind.TEXT_PRESET: (
        "This is a template for text completion, not a character.",
        "Import it with `lunalux template import`.",
    ),
    FileKind.REGEX: ("These are regex scripts, not a character.", "Import them with `lunalux regex import`."),
    FileKind.CHAT: ("This is a chat, not a character.", "Import it with `lunalux conversation import`."),
    FileKind.BYAF: ("This is an archive of Backyard, not one card.", "Import it with `lunalux import`."),
    FileKind.GROUP: ("This is a group of characters, not a card.", "Import it with `lunalux import`."),
    FileKind.SETTINGS: ("These are SillyTavern's settings, not a character.", "Use `lunalux import`."),
    FileKind.NARRATIUM: ("This is everything of a Narratium, not one character.", "Use `lunalux import`."),
    FileKind.QUICK_REPLIES: (
        "These are quick replies, not a character.",
        "Import them with `lunalux quickreply import`.",
    ),
    FileKind.THEME: (
        "This is a theme of SillyTavern, not a character.",
        "Lunalux has themes of its own; see docs/themes.md.",
    ),
    FileKind.NOVELAI: (
        "This is a preset of NovelAI, which Lunalux does not use.",
        "Choose a chat preset, or a sampler file.",
    ),
    FileKind.RISU_PRESET: (
        "This is a preset of RisuAI, which Lunalux does not read.",
        "Use a chat-completion preset of SillyTavern, or a built-in one.",
    ),
    FileKind.UNKNOWN: ("This file is not a character card.", "Choose a .png, .json, .charx or .yaml card."),
}
"""For every kind but a card: a sentence for those who wanted a card, and what to do with it instead."""

LEFT_ALONE = frozenset(
    {FileKind.QUICK_REPLIES, FileKind.THEME, FileKind.NOVELAI, FileKind.RISU_PRESET, FileKind.UNKNOWN}
)
"""Kinds that an import of anything only names."""

_V1_BODY = ("first_mes", "description", "personality", "scenario", "mes_example")


def recognise(data: bytes, filename: str = "") -> FileKind:
    """The kind of a file. Pictures and archives count as what they carry; damaged ones as UNKNOWN.

    Args:
        filename: not needed; a hint only for text that could be anything.
    """
    if png.is_png(data):
        return _png_kind(data)
    if is_zip(data):
        # Names of members are not compressed, so nothing need be opened.
        return FileKind.CARD if b"card.json" in data else FileKind.UNKNOWN
    try:
        text, _ = decode_text(data)
    except InvalidInput:  # too large for anything but a whole library with its pictures
        return FileKind.NARRATIUM if b'"characters_record"' in data else FileKind.UNKNOWN
    if text.lstrip()[:1] not in ("{", "["):
        if _is_markdown_chat(text):
            return FileKind.CHAT
        named = filename.lower().endswith((".yaml", ".yml"))
        return FileKind.CARD if named or looks_like_yaml(text[:100_000]) else FileKind.UNKNOWN
    try:
        return recognise_document(parse_json(text))
    except InvalidInput:
        return _lines_kind(text)


def recognise_document(document: object) -> FileKind:
    """The kind of a parsed JSON file."""
    if isinstance(document, list):
        return _list_kind(document)
    if not isinstance(document, dict):
        return FileKind.UNKNOWN
    for kind, test in _TESTS:
        if test(document):
            return kind
    return FileKind.UNKNOWN


def _list_kind(document: list[Any]) -> FileKind:
    """Regex scripts, entries of a worldbook (JanitorAI), or a chat; an odd item among them does not count."""
    from lunalux_core.chatlogs.chatlog import is_list_of_lines
    from lunalux_core.chatlogs.foreign_chats import is_foreign

    items = [item for item in document if isinstance(item, dict)]
    if is_list_of_lines(document) or is_foreign(document):
        return FileKind.CHAT
    if any("findRegex" in item for item in items):
        return FileKind.REGEX
    return FileKind.WORLDBOOK if items and any(map(is_entry, items)) else FileKind.UNKNOWN


def _png_kind(data: bytes) -> FileKind:
    try:
        shape = png.layout(data)
    except InvalidInput:
        return FileKind.UNKNOWN
    keywords = {(png.keyword_of(data, chunk) or "").lower() for chunk in shape.chunks}
    if keywords & set(png.CARD_KEYWORDS):
        return FileKind.CARD
    return FileKind.WORLDBOOK if "naidata" in keywords else FileKind.UNKNOWN


def _lines_kind(text: str) -> FileKind:
    """JSON lines: a chat when the first line is the head of one."""
    # The first line alone: a chat of years is not parsed to know what it is.
    first = text.lstrip().partition("\n")[0]
    try:
        head = parse_json(first)
    except InvalidInput:
        return FileKind.UNKNOWN
    return FileKind.CHAT if isinstance(head, dict) and _is_chat_head(head) else FileKind.UNKNOWN


def _says_card(document: Mapping[str, Any]) -> bool:
    return as_text(document.get("spec")).startswith("chara_card_v")


def _is_card(document: Mapping[str, Any]) -> bool:
    data = as_object(document.get("data"))
    # Worldbooks of V3 and chats of RisuAI have a named `data` as well.
    if "name" in data and "entries" not in data and not isinstance(data.get("message"), list):
        return True
    if is_foreign_card(document):
        return True
    flat = "name" in document and "entries" not in document and any(key in document for key in _V1_BODY)
    return flat and not is_of_anything(document)


def _is_worldbook(document: Mapping[str, Any]) -> bool:
    inner = as_object(document.get("data"))
    if document.get("spec") == "lorebook_v3" or isinstance(inner.get("entries"), dict | list):
        return True
    if is_foreign_book(document):
        return True
    return isinstance(document.get("entries"), dict | list) and "first_mes" not in document


def _is_preset(document: Mapping[str, Any]) -> bool:
    from lunalux_core.presets.recognition import is_preset, is_prompt_export, with_lists

    prompts = with_lists(document).get("prompts") if "prompts" in document else None
    if not isinstance(prompts, list):
        # Settings of a chat completion, saved before there were prompts or without them.
        bare = "openai_max_context" in document or "chat_completion_source" in document
        return is_prompt_export(document) or (bare and is_preset(document))
    return "prompt_order" in document or any(
        isinstance(item, dict) and "identifier" in item for item in prompts
    )


def _is_regex(document: Mapping[str, Any]) -> bool:
    """A script, scripts by their keys, a list of them under a name (`regex.script.LISTS`), RisuAI's file."""
    if document.get("type") == "risuModule" and is_foreign_book(document):
        return False  # a module of RisuAI with both counts as its lorebook
    if is_risu_regex(document) or "findRegex" in document or _all_values(document, "findRegex"):
        return True
    lists = [document.get(name) for name in LISTS]
    return any(isinstance(item, dict) and "findRegex" in item for items in lists for item in _members(items))


def _carries_scripts(document: Mapping[str, Any]) -> bool:
    """Whether scripts stand where cards and presets carry them."""
    from lunalux_core.regex.script import scripts_inside

    return bool(scripts_inside(document))


def _members(value: object) -> Iterable[Any]:
    return value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()


def _is_group(document: Mapping[str, Any]) -> bool:
    # Old groups of SillyTavern have no list of chats, but say how their members take turns.
    listed = isinstance(document.get("chats"), list) or "activation_strategy" in document
    return listed and isinstance(document.get("members"), list)


def _is_settings(document: Mapping[str, Any]) -> bool:
    """SillyTavern's settings.json, or the files of personas or tags it exports."""
    whole = "power_user" in document and isinstance(document.get("extension_settings"), dict)
    tags = isinstance(document.get("tags"), list) and isinstance(document.get("tag_map"), dict)
    return (
        whole
        or tags
        or (
            isinstance(document.get("personas"), dict)
            and isinstance(document.get("persona_descriptions"), dict)
        )
    )


def _is_narratium(document: Mapping[str, Any]) -> bool:
    return isinstance(document.get("characters_record"), list)


def _is_chat(document: Mapping[str, Any]) -> bool:
    from lunalux_core.chatlogs.chatlog import FORMAT
    from lunalux_core.chatlogs.foreign_chats import is_foreign

    return _is_chat_head(document) or document.get("format") == FORMAT or is_foreign(document)


def _is_markdown_chat(text: str) -> bool:
    from lunalux_core.chatlogs.markdown_chat import is_marked

    return is_marked(text)


def _is_chat_head(document: Mapping[str, Any]) -> bool:
    headed = "chat_metadata" in document or "user_name" in document
    # Cards of TavernAI say by `user_name` who made them.
    return (headed and "first_mes" not in document) or ("mes" in document and "is_user" in document)


def _is_quick_replies(document: Mapping[str, Any]) -> bool:
    return isinstance(document.get("qrList"), list) or isinstance(document.get("quickReplySlots"), list)


def _is_theme(document: Mapping[str, Any]) -> bool:
    return "blur_strength" in document and "main_text_color" in document


def _is_novelai(document: Mapping[str, Any]) -> bool:
    from lunalux_core.presets.recognition import is_novelai

    return is_novelai(document)


def _is_risu_preset(document: Mapping[str, Any]) -> bool:
    from lunalux_core.presets.recognition import is_risu

    return is_risu(document)


def _is_text_preset(document: Mapping[str, Any]) -> bool:
    from lunalux_core.templates.template_files import is_master, kind_of

    return kind_of(document) is not None or is_master(document)


def _all_values(document: Mapping[str, Any], key: str) -> bool:
    """A store: an object of objects that all have this key."""
    return bool(document) and all(isinstance(item, dict) and key in item for item in document.values())


# What says itself what it is comes first: a name and a description stand in many files.
_TESTS = (
    (FileKind.CARD, _says_card),
    (FileKind.SETTINGS, _is_settings),
    (FileKind.NARRATIUM, _is_narratium),
    (FileKind.GROUP, _is_group),
    (FileKind.CHAT, _is_chat),
    (FileKind.CARD, _is_card),
    (FileKind.PRESET, _is_preset),
    (FileKind.REGEX, _is_regex),
    (FileKind.WORLDBOOK, _is_worldbook),
    (FileKind.QUICK_REPLIES, _is_quick_replies),
    (FileKind.THEME, _is_theme),
    (FileKind.NOVELAI, _is_novelai),
    (FileKind.RISU_PRESET, _is_risu_preset),
    (FileKind.TEXT_PRESET, _is_text_preset),
    # Presets, cards and worldbooks carry scripts too; a file of nothing else is one of scripts.
    (FileKind.REGEX, _carries_scripts),
)
