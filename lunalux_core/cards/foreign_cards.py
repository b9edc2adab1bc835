"""Characters of other programs, mapped to card documents.

Pygmalion JSON, oobabooga YAML and JSON, Agnai, Faraday (Backyard's old files), RisuAI, character.ai as it is
downloaded, and the flat JSON of many sites and tools, which name the same few texts in many ways.

See docs/spec/formats.md: Characters of other programs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lunalux_core.cards.card import Card
from lunalux_core.cards.envelope import V2_FIELDS
from lunalux_core.documents.coerce import as_inner_texts, as_object, as_text
from lunalux_core.errors import InvalidInput, LimitExceeded
from lunalux_core.text import clean_line

MAX_YAML_CHARACTERS = 1_000_000

_NAMES: Mapping[str, tuple[str, ...]] = {
    "name": (
        "name", "char_name", "charName", "character_name", "characterName", "bot_name", "botName",
        "aiDisplayName", "aiName", "display_name", "displayName", "bot", "<|bot|>",
    ),
    "description": (
        "description", "char_persona", "charPersona", "persona", "context", "desc", "aiPersona", "definition",
        "character_description", "characterDescription", "char_description", "backstory", "background",
    ),
    "personality": ("personality", "char_personality", "charPersonality"),
    "scenario": ("scenario", "world_scenario", "worldScenario"),
    "first_mes": (
        "first_mes", "greeting", "char_greeting", "charGreeting", "firstMessage", "first_message", "firstMes",
        "firstmessage", "initial_message", "initialMessage", "opening_message", "openingMessage", "opening",
        "welcome_message", "welcomeMessage", "intro", "introduction", "intro_message", "introMessage",
    ),
    "mes_example": (
        "mes_example", "example_dialogue", "exampleDialogue", "example_dialogues", "exampleDialogues",
        "example_dialogs", "exampleDialogs", "example_messages", "exampleMessages", "exampleMessage",
        "example_conversation", "exampleConversation", "dialogue_examples", "sampleChat", "sample_chat",
        "sample_dialogue", "sampleDialogue", "customDialogue", "mesExample",
    ),
    "system_prompt": ("system_prompt", "systemPrompt", "basePrompt"),
    "post_history_instructions": (
        "post_history_instructions", "postHistoryInstructions", "replaceGlobalNote",
    ),
    "creator_notes": ("creator_notes", "creatorNotes", "creatorcomment", "tagline"),
    "creator": ("creator", "author", "creator_name", "creatorName"),
    "character_version": ("character_version", "characterVersion"),
}  # fmt: skip
"""What other programs call the fields of a card, the surest name first."""

_LISTS: Mapping[str, tuple[str, ...]] = {
    "alternate_greetings": (
        "alternate_greetings", "alternateGreetings", "first_messages", "firstMessages", "greetings",
        "alternativeFirstMessages", "alternate_first_messages",
    ),
    "tags": ("tags",),
}  # fmt: skip

_KNOWN = tuple(name for names in (*_NAMES.values(), *_LISTS.values()) for name in names)

_TOLD_TOO = (
    "persona", "char_persona", "charPersona", "context", "aiPersona", "definition", "backstory", "background",
)  # fmt: skip
"""What a model is told, too, where a `description` stands beside it, which is often one line for readers."""

_WRAPPED = ("character", "char", "bot")
"""Names under which a file may keep its only character."""

_SPOKEN = ("first_mes", "alternate_greetings")
_TEXTS = ("description", "personality", "scenario", "mes_example")
_OF_ANYTHING = ("description", "desc", "background", "intro", "introduction", "opening")
"""Names of texts that packages, settings and presets have as well."""
_BESIDE = frozenset(
    (
        "id", "_id", "uuid", "user_id", "userId", "avatar", "avatar_url", "avatarUrl", "image", "image_url",
        "imageUrl", "picture", "photo", "portrait", "url", "chat", "create_date", "created_at", "createdAt",
        "creation_date", "modification_date", "updated_at", "updatedAt", "talkativeness", "fav", "spec",
        "spec_version", "nickname", "title", "gender", "age", "pronouns", "species", "occupation", "nsfw",
        "is_nsfw", "isNsfw", "visibility", "language", "lang", "category", "categories", "topics", "color",
        "creator_notes_multilingual", "group_only_greetings", "character_book", "extensions", "source",
        "assets", "metadata", "json_data",
    )
)  # fmt: skip
"""What stands beside the texts of a character and says nothing against its being one."""
_TEMPLATE = ("turn_template", "instruction_template")
"""Fields of oobabooga's instruction templates, which have a `bot` and a `context`, too."""
_YAML_KEY = re.compile(r"^(?:name|bot|context|greeting|char_name)[ \t]*:", re.MULTILINE)


def is_foreign(document: Mapping[str, Any]) -> bool:
    """Whether a document is a character in another program's words: it has a name, and a text of one."""
    inner = _unwrapped(document)
    if "char_name" in inner or _is_agnai(inner):
        return True
    if isinstance(inner.get("entries"), list | dict) or is_template(inner):
        return False
    if "context" in inner and ("name" in inner or "bot" in inner):
        return True
    fields = _mapped(inner)
    named = any(key in inner for key in _NAMES["name"])
    return named and any(fields.get(name) for name in (*_SPOKEN, *_TEXTS)) and not is_of_anything(inner)


def is_of_anything(document: Mapping[str, Any]) -> bool:
    """Whether an object with a name and a description may be anything: no other text of a character is there,
    and it has fields that no character has.
    """
    texts = (name for ours in (*_SPOKEN, *_TEXTS) for name in (*_NAMES.get(ours, ()), *_LISTS.get(ours, ())))
    if any(name in document for name in texts if name not in _OF_ANYTHING):
        return False
    return any(key not in _KNOWN and key not in _BESIDE for key in document)


def is_template(document: Mapping[str, Any]) -> bool:
    """Whether an object is an instruction template of oobabooga."""
    return any(name in document for name in _TEMPLATE)


def looks_like_yaml(text: str) -> bool:
    """Whether a text that is no JSON has the keys of a character in YAML."""
    return _YAML_KEY.search(text) is not None


_OOBABOOGA = (
    re.compile(rf"^(?:{'|'.join(_TEMPLATE)})[ \t]*:", re.MULTILINE),
    re.compile(r"^(?:temperature|top_p|top_k|min_p|typical_p|repetition_penalty)[ \t]*:", re.MULTILINE),
)
"""Keys of oobabooga's instruction templates, and of its presets of samplers."""


def is_oobabooga_setting(text: str) -> bool:
    """Whether a YAML text is a preset or an instruction template of oobabooga, and no character."""
    template, samplers = _OOBABOOGA
    if template.search(text):
        return True
    return samplers.search(text) is not None and not looks_like_yaml(text)


def from_object(document: Mapping[str, Any]) -> Card | None:
    """The card in another program's object, None where it is a card already, or none that is known.

    Keys without a place in a card are kept at the top level.
    """
    if "data" in document or as_text(document.get("spec")).startswith("chara_card_v"):
        return None
    inner = _unwrapped(document)
    if _is_agnai(inner):
        from lunalux_core.cards.foreign_agnai import data_of

        return _card(data_of(inner), inner, _AGNAI_KEYS)
    if inner is document and "name" in inner and not _says_more(inner):
        return None  # its fields are called as in a card
    if not is_foreign(document):
        return None
    data = _mapped(inner)
    return _card(
        _with_risu(data, inner), inner, {name for name in _KNOWN if _has_place(inner.get(name), data)}
    )


def _has_place(value: object, data: Mapping[str, Any]) -> bool:
    """Whether nothing is lost without a value: the card's texts hold it, or it holds none."""
    if isinstance(value, dict):
        return False
    text = as_text(value).strip()
    fields = (item if isinstance(item, list) else [item] for item in data.values())
    texts = [as_text(item) for field in fields for item in field]
    return isinstance(value, list) or any(text in each or as_text(_called(text)) in each for each in texts)


def _says_more(document: Mapping[str, Any]) -> bool:
    """Whether other names hold a text that a flat card's own names do not."""
    if not as_text(document.get("name")).strip() or "context" in document:
        return True
    for ours in ("first_mes", *_TEXTS):
        if not as_text(document.get(ours)).strip() and _mapped(document).get(ours):
            return True
    lists = _LISTS["alternate_greetings"]
    return not document.get(lists[0]) and any(document.get(name) for name in lists[1:])


def _unwrapped(document: Mapping[str, Any]) -> Mapping[str, Any]:
    # The sure names only: `bot` may be the wrapper itself.
    if any(key in document for key in _NAMES["name"][:7]):
        return document
    inner = [as_object(document.get(name)) for name in _WRAPPED]
    return next((part for part in inner if any(key in part for key in _NAMES["name"])), document)


def left_beside(document: Mapping[str, Any]) -> tuple[str, ...]:
    """What to tell of lists of objects, such as a chat's messages, that stand beside the character."""
    if _unwrapped(document) is document:
        return ()
    return tuple(
        f"Only the character of this file is read; its {clean_line(key, 60)} ({len(value)} items) are left "
        "out."
        for key, value in document.items()
        if isinstance(value, list) and any(isinstance(item, dict) for item in value)
    )


def _mapped(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a card that are found in an object, under any of their names."""
    data: dict[str, Any] = {}
    for ours, names in _NAMES.items():
        texts = (as_text(document.get(name)) for name in names if not isinstance(document.get(name), list))
        if text := next((text for text in texts if text.strip()), ""):
            data[ours] = text
    if described := data.get("description"):
        further = dict.fromkeys(
            as_text(document[name]) for name in _TOLD_TOO if isinstance(document.get(name), str)
        )
        told = [text for text in further if text.strip() and text.strip() not in described]
        data["description"] = "\n\n".join([described, *told])
    for ours, names in _LISTS.items():
        if values := list(
            dict.fromkeys(text for name in names for text in as_inner_texts(document.get(name)))
        ):
            data[ours] = values
    # Some programs keep all first messages in a list under the name of one.
    listed = [document[name] for name in _NAMES["first_mes"] if isinstance(document.get(name), list)]
    spoken = [
        *(text for value in listed for text in as_inner_texts(value)),
        *data.pop("alternate_greetings", []),
    ]
    greetings = [text for text in dict.fromkeys(spoken) if text != data.get("first_mes")]
    if greetings and "first_mes" not in data:
        data["first_mes"] = greetings.pop(0)
    if greetings:
        data["alternate_greetings"] = greetings
    # Faraday's files, which have their own names for the two in a text.
    if "aiName" in document:
        data = {key: _called(value) for key, value in data.items()}
        if book := _lore_items(document.get("loreItems")):
            data["character_book"] = book
    return data


def _called(value: Any) -> Any:
    """Faraday's names for the two in a text, or in texts; it is Backyard by its older name."""
    if isinstance(value, list):
        return [_called(item) for item in value]
    from lunalux_core.cards.byaf import ours

    return ours(value)


def _lore_items(items: Any) -> dict[str, Any] | None:
    entries = [
        {
            "keys": [key.strip() for key in as_text(item.get("key")).split(",") if key.strip()],
            "content": _called(as_text(item.get("value"))),
            "enabled": True,
            "insertion_order": 100,
            "extensions": {},
        }
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, dict)
    ]
    return {"extensions": {}, "entries": entries} if entries else None


def _with_risu(data: dict[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """With the lorebook, the scripts and the note that a character of RisuAI keeps beside its texts."""
    from lunalux_core.regex.risu_scripts import read_risu
    from lunalux_core.worldbook.book_reader import read_book, write_character_book

    lore, scripts = document.get("globalLore"), document.get("customscript")
    if isinstance(lore, list) and lore:
        data["character_book"] = write_character_book(read_book({"type": "risu", "data": lore}).book)
    extensions: dict[str, Any] = {}
    if isinstance(scripts, list) and scripts:
        extensions["regex_scripts"] = read_risu({"type": "regex", "data": scripts})[0]
    note = document.get("depth_prompt")
    if as_text(as_object(note).get("prompt")).strip():
        extensions["depth_prompt"] = note
    if extensions:
        data["extensions"] = extensions
    return data


def _is_agnai(document: Mapping[str, Any]) -> bool:
    """A character of Agnai's: it says so, or has a persona of attributes."""
    if document.get("kind") in ("character", "library-character") and "name" in document:
        return True
    persona = as_object(document.get("persona"))
    return "name" in document and isinstance(persona.get("attributes"), dict)


_AGNAI_KEYS = {
    "name", "description", "persona", "greeting", "scenario", "sampleChat", "alternateGreetings", "tags",
    "systemPrompt", "postHistoryInstructions", "creator", "characterVersion", "characterBook", "insert",
    "extensions",
}  # fmt: skip


def _card(data: Mapping[str, Any], document: Mapping[str, Any], used: set[str]) -> Card:
    rest = {key: value for key, value in document.items() if key not in used}
    return Card.of({"spec": "chara_card_v2", "spec_version": "2.0", "data": {**V2_FIELDS, **data}, **rest})


def from_yaml(text: str) -> Card:
    """The card in an oobabooga (or Pygmalion) YAML file.

    Raises:
        InvalidInput: CARD_BAD_YAML; NOT_A_CARD when the file holds something else.
        LimitExceeded: YAML_TOO_LARGE over a million characters.
    """
    if is_oobabooga_setting(text):
        raise InvalidInput(
            "NOT_A_CARD",
            "This is a preset or an instruction template of oobabooga, which Lunalux does not read.",
            "Use SillyTavern's file for the same model.",
            kind="oobabooga",
        )
    document = _parse(text)
    if isinstance(document, dict) and "name" in as_object(document.get("data")):
        return Card.of(document)  # a card that is only written in YAML
    card = from_object(document) if isinstance(document, dict) else None
    if card is None:
        raise InvalidInput("NOT_A_CARD", "This YAML file is not a character.", "Choose a card.", kind="yaml")
    return card


def _parse(text: str) -> Any:
    import yaml

    if len(text) > MAX_YAML_CHARACTERS:
        raise LimitExceeded(
            "YAML_TOO_LARGE",
            "This YAML file has more than a million characters.",
            "No real character is that long.",
            limit=MAX_YAML_CHARACTERS,
        )
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise _bad_yaml("it uses aliases")  # a few lines of them can stand for gigabytes
        return _plain(yaml.safe_load(text))
    except RecursionError:
        raise _bad_yaml("it is nested too deep") from None
    except (yaml.YAMLError, ValueError) as error:
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise _bad_yaml(str(problem)) from None


def _plain(value: Any) -> Any:
    """YAML's dates, sets and bytes as text, so that the result is JSON."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return str(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _bad_yaml(reason: str) -> InvalidInput:
    return InvalidInput(
        "CARD_BAD_YAML",
        f"The YAML in this file is not valid: {reason}.",
        "Repair it in a text editor.",
        reason=reason,
    )
