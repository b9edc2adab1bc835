"""Backyard's archives: characters and their scenarios in one ZIP, to cards and back.

A character becomes a card: its persona the description, the first scenario's narrative, instructions and
opening what a card has of them, the openings of the other scenarios further greetings. What a card has no
field for travels along in `extensions.backyard`, so that the way back loses nothing.

See docs/spec/formats.md: Kinds of files.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lunalux_core.cards import charx
from lunalux_core.cards.assets import picture_ext
from lunalux_core.cards.card import Card
from lunalux_core.documents.coerce import as_flag, as_object, as_text, as_texts
from lunalux_core.documents.json_text import (
    MAX_JSON_BYTES,
    decode_text,
    dump_json,
    parse_json,
    well_formed_value,
)
from lunalux_core.errors import InvalidInput

MANIFEST = "manifest.json"
KEPT = "backyard"
"""Key in `extensions` of what a card has no field for."""
NSFW = "NSFW"
"""The tag of a character that is marked so there."""
MOST = 1000
"""Characters, and scenarios, that are read from one archive."""
CHATS = ("messages",)
"""Fields of a scenario that become conversations and are not kept with the card."""

# Who says a line is marked by `#`; a name in a text has single braces, which double ones are not.
_LABEL = re.compile(r"#\{(user|character)\}:", re.IGNORECASE)
_NAME = re.compile(r"(?<!\{)\{(user|character)\}(?!\})", re.IGNORECASE)
_MACRO = re.compile(r"\{\{\s*(user|char)\s*\}\}", re.IGNORECASE)
_OURS = {"user": "{{user}}", "character": "{{char}}"}
_THEIRS = {"user": "{user}", "char": "{character}"}
_DEFAULTS: Mapping[str, Any] = {
    "schemaVersion": 1,
    "formattingInstructions": "",
    "minP": 0.1,
    "minPEnabled": True,
    "temperature": 1.2,
    "repeatPenalty": 1.05,
    "repeatLastN": 256,
    "topK": 30,
    "topP": 0.9,
    "exampleMessages": [],
    "canDeleteExampleMessages": True,
    "firstMessages": [],
    "narrative": "",
    "promptTemplate": None,
    "grammar": None,
    "messages": [],
}
"""A scenario as its schema asks for it, where nothing is known."""


@dataclass(frozen=True, slots=True)
class ByafCharacter:
    """One character of an archive. `picture_ext` begins with a dot, "" without a picture."""

    card: Card
    picture: bytes | None
    picture_ext: str


@dataclass(frozen=True, slots=True)
class Byaf:
    """What an archive holds. `scenarios` are the documents as they are, in order."""

    characters: tuple[ByafCharacter, ...]
    scenarios: tuple[Mapping[str, Any], ...]
    warnings: tuple[str, ...]


def is_byaf(members: Iterable[str]) -> bool:
    """Whether an archive with these files is one of Backyard."""
    names = set(members)
    return MANIFEST in names and any(name.startswith("characters/") for name in names)


def read_byaf(data: bytes) -> Byaf:
    """Read an archive.

    Raises:
        InvalidInput: CARD_NO_METADATA without a character; CHARX_DAMAGED, CHARX_UNSAFE, CARD_ENCRYPTED.
        LimitExceeded: CHARX_TOO_LARGE, CHARX_TOO_MANY_FILES.
    """
    archive = charx.Archive.of(data)
    warnings: list[str] = []
    manifest = _document(archive, MANIFEST, warnings)
    scenarios = [
        document
        for path in _listed(manifest, "scenarios", archive, "scenarios/")
        if (document := _document(archive, path, warnings))
    ]
    author = as_text(as_object(manifest.get("author")).get("name"))
    characters = [
        _character(archive, path, document, scenarios, author, manifest)
        for path in _listed(manifest, "characters", archive, "characters/")
        if (document := _document(archive, path, warnings))
    ]
    if not characters:
        raise InvalidInput(
            "CARD_NO_METADATA",
            "This archive of Backyard holds no character.",
            "Export the character from there again.",
            kind="byaf",
        )
    return Byaf(tuple(characters), tuple(scenarios), tuple(warnings))


def ours(text: str) -> str:
    """A text of Backyard with our macros."""
    text = _LABEL.sub(lambda match: f"{_OURS[match[1].lower()]}:", text)
    return _NAME.sub(lambda match: _OURS[match[1].lower()], text)


def theirs(text: str, *, labels: bool = False) -> str:
    """A text with Backyard's names for `{{user}}` and `{{char}}`; with `labels` also who says a line."""
    text = _MACRO.sub(lambda match: _THEIRS[match[1].lower()], text)
    return re.sub(r"(?m)^(?=\{(?:user|character)\}:)", "#", text) if labels else text


def first_message(scenario: Mapping[str, Any]) -> str:
    """How a scenario opens, with our macros."""
    return next(iter(_texts(scenario.get("firstMessages"))), "")


def _listed(manifest: Mapping[str, Any], key: str, archive: charx.Archive, folder: str) -> list[str]:
    """The files of a manifest's list; where it names none that is there, all of their folder."""
    there = [
        path
        for name in as_texts(manifest.get(key))
        # Only members of the archive are asked for, so a path with `..` finds nothing.
        if (path := posixpath.normpath(name.replace("\\", "/"))) in archive.members
    ]
    paths = there or sorted(
        name
        for name in archive.members
        if name.startswith(folder)
        and name.endswith(".json")
        and (key != "characters" or "/character.json" in name)
    )
    return list(dict.fromkeys(paths))[:MOST]


def _document(archive: charx.Archive, path: str, warnings: list[str]) -> Mapping[str, Any]:
    """A JSON object of the archive, {} with a warning where it cannot be read."""
    # The manifest may name files that an export left out.
    if path not in archive.members:
        return {}
    try:
        document = parse_json(decode_text(archive.read(path, MAX_JSON_BYTES))[0])
    except InvalidInput as error:
        warnings.append(f"{path}: {error.message}")
        return {}
    if not isinstance(document, dict):
        warnings.append(f"{path} holds no object and was left out.")
        return {}
    value: Mapping[str, Any] = well_formed_value(document)
    return value


def _character(
    archive: charx.Archive,
    path: str,
    document: Mapping[str, Any],
    scenarios: Sequence[Mapping[str, Any]],
    author: str,
    manifest: Mapping[str, Any],
) -> ByafCharacter:
    first = scenarios[0] if scenarios else {}
    opening = first_message(first)
    others = [first_message(scenario) for scenario in scenarios[1:]]
    name, display = as_text(document.get("name")), as_text(document.get("displayName"))
    used = {"persona", "name", "loreItems", "images"}
    # All but what the card itself shows: written back from the card, it follows what was edited there.
    kept = {
        "character": {key: value for key, value in document.items() if key not in used},
        "scenarios": [
            {key: value for key, value in scenario.items() if key not in CHATS} for scenario in scenarios
        ],
        "manifest": {key: value for key, value in manifest.items() if key not in ("characters", "scenarios")},
    }
    examples = "\n".join(f"<START>\n{text}" for text in _texts(first.get("exampleMessages")))
    card = Card.new(
        name.strip() or display.strip(),
        description=ours(as_text(document.get("persona"))),
        scenario=ours(as_text(first.get("narrative"))),
        first_mes=opening,
        alternate_greetings=list(dict.fromkeys(text for text in others if text.strip() and text != opening)),
        mes_example=examples,
        system_prompt=ours(as_text(first.get("formattingInstructions"))),
        creator=author,
        tags=[NSFW] if as_flag(document.get("isNSFW")) else [],
        extensions={KEPT: kept},
        **_book(document.get("loreItems")),
    )
    # A file of another kind after the name of a picture counts as no picture.
    picture = _picture(archive, posixpath.dirname(path), document.get("images"))
    ext = (picture_ext(picture) if picture is not None else None) or ""
    return ByafCharacter(card, picture if ext else None, ext)


def _texts(messages: object) -> list[str]:
    texts = (
        [as_text(as_object(message).get("text")) for message in messages]
        if isinstance(messages, list)
        else []
    )
    return [ours(text) for text in texts if text.strip()]


def _book(items: object) -> dict[str, Any]:
    """The lore as a worldbook; keys stand together there, parted by commas."""
    book_items = [as_object(item) for item in items] if isinstance(items, list) else []
    entries = [
        {
            "keys": [key.strip() for key in as_text(item.get("key")).split(",") if key.strip()],
            "content": ours(as_text(item.get("value"))),
            "extensions": {},
            "enabled": True,
            "insertion_order": number,
            "use_regex": False,
        }
        for number, item in enumerate(book_items)
        if as_text(item.get("key")).strip() or as_text(item.get("value")).strip()
    ]
    return {"character_book": {"extensions": {}, "entries": entries}} if entries else {}


def _picture(archive: charx.Archive, folder: str, images: object) -> bytes | None:
    for image in images if isinstance(images, list) else ():
        path = posixpath.normpath(posixpath.join(folder, as_text(as_object(image).get("path"))))
        if path in archive.members:
            return archive.read(path, charx.MAX_PICTURE)
    return None


# -- the way back --------------------------------------------------------------------------------------


def write_byaf(card: Card, chats: Sequence[Mapping[str, Any]] = (), picture: bytes | None = None) -> bytes:
    """An archive of one character.

    Args:
        chats: a scenario for each conversation, with at least `messages`; the fields of the card's own
            scenarios fill in what they lack.
    """
    kept = as_object(card.extensions.get(KEPT))
    about = as_object(kept.get("character"))
    # It becomes a folder of the archive.
    identity = re.sub(r"[^A-Za-z0-9_-]", "", as_text(about.get("id")))[:64] or "character1"
    folder = f"characters/{identity}"
    ext = picture_ext(picture) if picture is not None else None
    image = f"images/main{ext}" if ext else ""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    character = {
        "schemaVersion": 1,
        "displayName": card.name,
        "createdAt": now,
        "updatedAt": now,
        # Defaults, then what was kept of the archive it came from, then what the card says now.
        **about,
        "id": identity,
        "name": card.name,
        "isNSFW": any(tag.casefold() == NSFW.casefold() for tag in card.tags),
        "persona": theirs("\n\n".join(text for text in (card.description, card.personality) if text.strip())),
        "loreItems": _lore(card),
        "images": [{"path": image, "label": ""}] if image else [],
    }
    scenarios = _scenarios(card, kept, chats, identity)
    names = [f"scenarios/scenario{number}.json" for number in range(1, len(scenarios) + 1)]
    manifest = {
        "schemaVersion": 1,
        "createdAt": now,
        **({"author": {"name": card.creator, "backyardURL": ""}} if card.creator else {}),
        **as_object(kept.get("manifest")),
        "characters": [f"{folder}/character.json"],
        "scenarios": names,
    }
    files = {MANIFEST: _text(manifest), f"{folder}/character.json": _text(character)}
    files |= {name: _text(scenario) for name, scenario in zip(names, scenarios, strict=True)}
    if image and picture is not None:
        files[f"{folder}/{image}"] = picture
    return charx.write_archive(files)


def _scenarios(
    card: Card, kept: Mapping[str, Any], chats: Sequence[Mapping[str, Any]], identity: str
) -> list[dict[str, Any]]:
    """The card's own scenarios with their chats, then those of further greetings and further chats."""
    stored = kept.get("scenarios")
    kept_scenarios = [as_object(scenario) for scenario in stored] if isinstance(stored, list) else []
    greetings = [card.first_mes, *card.alternate_greetings]
    # One scenario at least: an archive without any is refused there.
    bare = max(len(kept_scenarios), len([text for text in greetings if text.strip()]), 1)
    scenarios = []
    for place in range(bare):
        own = kept_scenarios[place] if place < len(kept_scenarios) else {}
        greeting = greetings[place] if place < len(greetings) else ""
        scenario = {**_DEFAULTS, "narrative": theirs(card.scenario), **own}
        if place == 0:
            scenario |= {
                "narrative": theirs(card.scenario),
                "formattingInstructions": theirs(card.system_prompt),
                "exampleMessages": _examples(card.mes_example, identity),
            }
        # The openings of the other scenarios are their own; as greetings they were only copied to the card.
        if place == 0 or not own:
            scenario["firstMessages"] = _opening(greeting, identity)
        scenarios.append(scenario)
    free = list(range(bare))
    for chat in chats:
        title = chat.get("title")
        # A chat goes back to the scenario that it was read from; both have its title.
        place = next((at for at in free if title and scenarios[at].get("title") == title), -1)
        # Where there are more chats than scenarios, guessing would put one into a foreign scenario.
        if place < 0 and len(chats) <= bare and free:
            place = free[0]
        if place < 0:
            scenarios.append({**_DEFAULTS, "narrative": theirs(card.scenario)})
        else:
            free.remove(place)
        scenarios[place] |= _spoken(scenarios[place], chat, identity)
    return scenarios


def _spoken(scenario: Mapping[str, Any], chat: Mapping[str, Any], identity: str) -> dict[str, Any]:
    """A chat as fields of its scenario: what it opens with stands in a list of its own there."""
    messages = list(chat.get("messages", ()))
    spoken: dict[str, Any] = {**chat, "messages": messages}
    # The opening is drawn from `firstMessages` there; in both places it would be shown twice.
    if messages and messages[0].get("type") == "ai":
        chosen = max(messages[0]["outputs"], key=lambda output: output["activeTimestamp"])["text"]
        opening = next((message.get("text") for message in scenario["firstMessages"]), None)
        if opening is None:
            spoken["firstMessages"] = _opening(chosen, identity)
        if opening in (None, chosen):
            spoken["messages"] = messages[1:]
    return spoken


def _opening(text: str, identity: str) -> list[dict[str, str]]:
    return [{"characterID": identity, "text": theirs(text)}] if text.strip() else []


def _examples(text: str, identity: str) -> list[dict[str, str]]:
    parts = re.split(r"(?i)<START>\s*", text)
    return [
        {"characterID": identity, "text": theirs(part.strip(), labels=True)} for part in parts if part.strip()
    ]


def _lore(card: Card) -> list[dict[str, str]]:
    book = as_object(card.get("character_book"))
    entries = book.get("entries")
    items = entries.values() if isinstance(entries, dict) else entries if isinstance(entries, list) else ()
    return [
        {
            "key": ", ".join(as_texts(as_object(entry).get("keys"))),
            "value": theirs(as_text(as_object(entry).get("content"))),
        }
        for entry in items
        if as_object(entry).get("enabled") is not False
    ]


def _text(document: Mapping[str, Any]) -> bytes:
    return (dump_json(dict(document), indent=2) + "\n").encode()
