"""Savefiles of Kobold Lite and KoboldAI: one running text in pieces, told apart by the mode it was played in.

Modes are 1 story, 2 adventure, 3 chat, 4 instruct. Files without settings do not say which, so their text
does. Old files of KoboldAI keep their pieces as an object.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lunalux_core.chatlogs.chatlog import ChatLog, message_text
from lunalux_core.chatlogs.spoken import Spoken, chat_of, with_note
from lunalux_core.documents.coerce import as_flag, as_integer, as_object, as_text
from lunalux_core.documents.prompt_values import Role

STORY, ADVENTURE, CHAT, INSTRUCT = 1, 2, 3, 4

_SIGNS = ("gamestarted", "savedsettings", "actions_metadata", "memory", "authorsnote")
# Pictures stand in the text as base64 between marks; the bound keeps one that is not closed from taking all.
_IMAGE = re.compile(r"\[<\|[a-z]\|.{1,10000000}?\|[a-z]\|>\]", re.DOTALL)
_TAG = re.compile(r"\{\{\[(INPUT|OUTPUT|SYSTEM)(_END)?\]\}\}")
_ACTION = re.compile(r"\n\n> (.+?)(?:\n|\Z)")
_ANY_NAME = re.compile(r"^([^\s:*\"<>{}\[\]][^\n:*\"<>{}\[\]]{0,39}): ", re.MULTILINE)
_TAG_ROLES: Mapping[str, Role] = {"INPUT": "user", "OUTPUT": "assistant", "SYSTEM": "system"}
_GROUP = "||$||"
_PERSONS = ("You", "User")
"""What a person is called where nobody was asked, in old files beside the name in the settings."""


def is_kobold(document: Mapping[str, Any]) -> bool:
    actions = document.get("actions")
    if not isinstance(actions, list | dict):
        return False
    return "prompt" in document or any(sign in document for sign in _SIGNS)


def read_kobold(document: Mapping[str, Any]) -> list[ChatLog]:
    settings = as_object(document.get("savedsettings"))
    pieces = _pieces(document)
    person = as_text(settings.get("chatname")) or "User"
    others = [name for name in as_text(settings.get("chatopponent")).split(_GROUP) if name.strip()]
    text = "".join(pieces)
    mode = _mode(as_integer(settings.get("opmode"), 0), text, settings)
    messages = _messages(mode, pieces, settings, person, others)
    return [
        chat_of(
            messages,
            user_name=person if settings.get("chatname") else "",
            character_name=others[0] if others else "",
            header=with_note(_note(document)),
            notes=tuple(_notes(document, mode, pieces)),
        )
    ]


def _messages(
    mode: int, pieces: Sequence[str], settings: Mapping[str, Any], person: str, others: Sequence[str]
) -> Iterator[Spoken]:
    match mode:
        case 1:
            return _story(pieces)
        case 2:
            return _adventure("".join(pieces))
        case 3:
            return _chat(pieces, person, others, as_flag(settings.get("chat_match_any_name")))
        case _:
            return _instruct("".join(pieces), settings, person, others)


def _pieces(document: Mapping[str, Any]) -> list[str]:
    """The prompt and all actions, without the pictures in them."""
    actions = document.get("actions")
    if isinstance(actions, dict):
        inner = as_object(actions.get("actions")) or actions
        actions = [as_object(item).get("Selected Text") for item in inner.values()]
    texts = [document.get("prompt"), *(actions if isinstance(actions, list) else ())]
    return [_IMAGE.sub("", message_text(as_text(text))) for text in texts]


def _mode(number: int, text: str, settings: Mapping[str, Any]) -> int:
    """The mode a file says; in a file that says none, what the text looks like.

    Tags of an instruction are such wherever they stand: a chat may have been begun in another mode.
    """
    if _TAG.search(text) and number != CHAT:
        return INSTRUCT
    if number in (STORY, ADVENTURE, CHAT, INSTRUCT):
        return number
    if _ACTION.search(text):
        return ADVENTURE
    names = Counter(_ANY_NAME.findall(text))
    # Two are a short chat, if one of them is called as a person without a name is.
    talked = len(names) > 1 and not names.keys().isdisjoint(_PERSONS)
    talked = talked or any(count > 1 for count in names.values())
    return CHAT if settings.get("chatopponent") or talked else STORY


def _story(pieces: Sequence[str]) -> Iterator[Spoken]:
    for piece in pieces:
        yield Spoken("assistant", piece.strip())


def _adventure(text: str) -> Iterator[Spoken]:
    """What the person did stands on lines of its own that begin with a sign."""
    # Two line breaks more, so that an action at the very beginning is one as well.
    for place, part in enumerate(_ACTION.split("\n\n" + text)):
        yield Spoken("user" if place % 2 else "assistant", part.strip())


def _chat(pieces: Sequence[str], person: str, others: Sequence[str], any_name: bool) -> Iterator[Spoken]:
    """Turns begin with `Name: ` at the start of a line; text before the first of them is the narrator's.

    In a file that does not say what the two are called, whoever speaks in the prompt is the character.
    """
    # Tags are left from another mode; each ends a line, so that a name after one begins a line.
    pieces = [_TAG.sub("\n", piece) for piece in pieces]
    text = "".join(pieces)
    persons = [person, *(name for name in _PERSONS if name not in others)]
    others = others or _speakers(pieces, persons)
    # Old files call the person You, whatever name the settings have.
    begins = _names_pattern([*persons, *others])
    if not begins.search(text):
        any_name = True
        names = list(dict.fromkeys(_ANY_NAME.findall(text)))
        greets = bool(_ANY_NAME.search(pieces[0]))
        persons = [next(iter(names[1:2] if greets else names), person)]
    begins = _ANY_NAME if any_name else begins
    place, name = 0, ""
    for match in begins.finditer(text):
        yield _turn(text[place : match.start()], name, persons)
        place, name = match.end(), match[1]
    yield _turn(text[place:], name, persons)


def _speakers(pieces: Sequence[str], persons: Sequence[str]) -> list[str]:
    """Who speaks to the person, in a chat that does not say it; nobody where the person does not speak.

    A word before a colon may stand anywhere in what is said, so names count that begin a piece; where there
    are none, the one that begins most lines.
    """
    text = "".join(pieces)
    if not _names_pattern(persons).search(text):
        return []
    own = {person.casefold() for person in persons}
    place, begun = 0, []
    for piece in pieces:
        if match := _ANY_NAME.match(text, place + len(piece) - len(piece.lstrip())):
            begun.append(match[1])
        place += len(piece)
    found = [name for name in begun if name.casefold() not in own]
    if not found:
        found = [name for name in _ANY_NAME.findall(text) if name.casefold() not in own]
        found = [name for name, _ in Counter(found).most_common(1)]
    return list(dict.fromkeys(found))


def _turn(text: str, name: str, persons: Sequence[str]) -> Spoken:
    is_person = name.strip().casefold() in {person.strip().casefold() for person in persons}
    role: Role = "system" if not name else "user" if is_person else "assistant"
    return Spoken(role, text.strip(), name.strip())


def _names_pattern(names: Sequence[str]) -> re.Pattern[str]:
    listed = "|".join(re.escape(name.strip()) for name in names if name.strip())
    return re.compile(rf"^({listed}):(?: |$)", re.MULTILINE | re.IGNORECASE)


def _instruct(text: str, settings: Mapping[str, Any], person: str, others: Sequence[str]) -> Iterator[Spoken]:
    named = as_flag(settings.get("inject_chatnames_instruct"))
    called = _names_pattern([person, *others])
    for role, part in _parts(text, settings):
        words, name = part.strip(), ""
        if named and (match := called.match(words)):
            words, name = words[match.end() :].strip(), match[1]
        yield Spoken(role, words, name)


def _parts(text: str, settings: Mapping[str, Any]) -> Iterator[tuple[Role, str]]:
    """The text at its tags, or at the model's own tags where the file was saved with those."""
    tags = {f"{{{{[{tag}]}}}}": role for tag, role in _TAG_ROLES.items()}
    # What follows an end belongs to nobody until the next tag; words that do stand there are the model's.
    tags |= {f"{{{{[{tag}_END]}}}}": "assistant" for tag in _TAG_ROLES}
    if as_flag(settings.get("raw_instruct_tags")) or not _TAG.search(text):
        tags = _own_tags(settings) | tags
    # A tag may be the beginning of another.
    sought = re.compile("|".join(re.escape(tag) for tag in sorted(tags, key=len, reverse=True)))
    role: Role = "assistant"
    place = 0
    for match in sought.finditer(text):
        yield role, text[place : match.start()]
        role = tags[match[0]]
        place = match.end()
    yield role, text[place:]


def _own_tags(settings: Mapping[str, Any]) -> dict[str, Role]:
    """The model's tags in the settings, and whose words follow each."""
    names: dict[str, Role] = {
        "instruct_starttag": "user",
        "instruct_endtag": "assistant",
        "instruct_systag": "system",
    }
    names |= {f"{name}_end": "assistant" for name in names}
    tags: dict[str, Role] = {}
    for name, role in names.items():
        tag = as_text(settings.get(name)).replace("\\n", "\n").strip()
        if tag:
            tags.setdefault(tag, role)
    return tags


def _note(document: Mapping[str, Any]) -> str:
    note = as_text(document.get("authorsnote", document.get("authornote"))).strip()
    template = as_text(document.get("anotetemplate", document.get("authornotetemplate")))
    return template.replace("<|>", note) if note and "<|>" in template else note


def _notes(document: Mapping[str, Any], mode: int, pieces: Sequence[str]) -> Iterator[str]:
    if mode == STORY and any(piece.strip() for piece in pieces):
        yield "A story has no speakers: each of its parts became a message of the character."
    if as_text(document.get("memory")).strip():
        yield "The story's memory was left out; put it into the character's description or a worldbook."
    if isinstance(lore := document.get("worldinfo"), list) and lore:
        yield f"The story's own world info ({len(lore)} entries) was left out."
    if isinstance(document.get("altbranches"), list) and any(document["altbranches"]):
        yield "Only the branch that was open is read."
