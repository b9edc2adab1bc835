"""The fields of an entry in both spellings, and a reading that no value can break.

One table drives reading and writing of World Info (camelCase) and of `character_book` (mostly snake_case
under `extensions`).

See docs/spec/formats.md: Tolerant reading, Worldbook files, Worldbooks inside cards, Scan buffer and keys,
Activation, Placement, Worldbook departures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, NamedTuple, TypeVar

from lunalux_core.documents.coerce import as_flag, as_number, as_object, as_optional_integer, as_text
from lunalux_core.worldbook.entry import (
    AFTER,
    BEFORE,
    NOWHERE,
    OUTLET,
    CharacterFilter,
    Entry,
)


def _flag(value: object) -> bool:
    return value if isinstance(value, bool) else as_flag(value)


def _optional_flag(value: object) -> bool | None:
    return value if isinstance(value, bool) or value is None else None if value == "" else as_flag(value)


def _text(value: object) -> str:
    # Lone surrogates are all that `as_text` changes in a text, and ASCII has none.
    return value if type(value) is str and value.isascii() else as_text(value)


def _texts(value: object) -> tuple[str, ...]:
    """A list of texts, empty ones included; a single text is no list."""
    return tuple(map(_text, value)) if isinstance(value, list) else ()


def _number(default: float) -> Callable[[object], float]:
    def read(value: object) -> float:
        # Above that JavaScript rounds, and so does the way over a float.
        number = value if type(value) is int and -_EXACT < value < _EXACT else as_number(value, default)
        return int(number) if isinstance(number, float) and number.is_integer() else number

    return read


def _whole(default: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        return value if type(value) is int else int(as_number(value, default))

    return read


def _optional(value: object) -> int | None:
    return value if value is None or type(value) is int else as_optional_integer(value)


def _probability(value: object) -> float:
    """A percentage; null compares as 0."""
    return 0 if value is None else _hundred(value)


def _level(value: object) -> int:
    """The recursion level an entry waits for; true is the first."""
    if isinstance(value, bool):
        return int(value)
    return max(int(as_number(value, float(as_flag(value)))), 0)


def _position(value: object) -> int:
    """0 to 7; an empty text and null are as good as missing, anything else but a number is nowhere."""
    if value is None or value == "":
        return BEFORE
    if isinstance(value, str):
        value = as_number(value, NOWHERE)
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else NOWHERE
    return int(number) if number in _POSITIONS else NOWHERE


def _role(value: object) -> int:
    names = ("system", "user", "assistant")
    if isinstance(value, str) and value.strip().lower() in names:
        return names.index(value.strip().lower())
    number = as_number(value, 0)
    return int(number) if number in (0, 1, 2) else 0


def _filter(value: object) -> CharacterFilter:
    chosen = as_object(value)
    return CharacterFilter(
        _flag(chosen.get("isExclude")), _texts(chosen.get("names")), _texts(chosen.get("tags"))
    )


_POSITIONS = range(BEFORE, OUTLET + 1)
_EXACT = 1 << 53
_hundred = _number(100)


class Field(NamedTuple):
    """A field of `Entry`: its name in World Info, in `character_book`, and how it is read."""

    name: str
    world: str
    book: str
    read: Callable[[object], Any]
    nested: bool = True
    """In `character_book`, whether it stands in `extensions` and not in the entry itself."""


FIELDS: tuple[Field, ...] = (
    Field("keys", "key", "keys", _texts, nested=False),
    Field("secondary_keys", "keysecondary", "secondary_keys", _texts, nested=False),
    Field("comment", "comment", "comment", _text, nested=False),
    Field("content", "content", "content", _text, nested=False),
    Field("constant", "constant", "constant", _flag, nested=False),
    Field("selective", "selective", "selective", _flag, nested=False),
    Field("order", "order", "insertion_order", _hundred, nested=False),
    Field("vectorized", "vectorized", "vectorized", _flag),
    Field("selective_logic", "selectiveLogic", "selectiveLogic", _whole(0)),
    Field("position", "position", "position", _position),
    Field("depth", "depth", "depth", _optional),
    Field("role", "role", "role", _role),
    Field("probability", "probability", "probability", _probability),
    Field("use_probability", "useProbability", "useProbability", _flag),
    Field("exclude_recursion", "excludeRecursion", "exclude_recursion", _flag),
    Field("prevent_recursion", "preventRecursion", "prevent_recursion", _flag),
    Field("delay_until_recursion", "delayUntilRecursion", "delay_until_recursion", _level),
    Field("scan_depth", "scanDepth", "scan_depth", _optional),
    Field("case_sensitive", "caseSensitive", "case_sensitive", _optional_flag),
    Field("match_whole_words", "matchWholeWords", "match_whole_words", _optional_flag),
    Field("use_group_scoring", "useGroupScoring", "use_group_scoring", _optional_flag),
    Field("group", "group", "group", _text),
    Field("group_override", "groupOverride", "group_override", _flag),
    Field("group_weight", "groupWeight", "group_weight", _hundred),
    Field("sticky", "sticky", "sticky", _whole(0)),
    Field("cooldown", "cooldown", "cooldown", _whole(0)),
    Field("delay", "delay", "delay", _whole(0)),
    Field("automation_id", "automationId", "automation_id", _text),
    Field("display_index", "displayIndex", "display_index", _optional),
    Field("ignore_budget", "ignoreBudget", "ignore_budget", _flag),
    Field("match_persona_description", "matchPersonaDescription", "match_persona_description", _flag),
    Field("match_character_description", "matchCharacterDescription", "match_character_description", _flag),
    Field("match_character_personality", "matchCharacterPersonality", "match_character_personality", _flag),
    Field("match_character_depth_prompt", "matchCharacterDepthPrompt", "match_character_depth_prompt", _flag),
    Field("match_scenario", "matchScenario", "match_scenario", _flag),
    Field("match_creator_notes", "matchCreatorNotes", "match_creator_notes", _flag),
    Field("triggers", "triggers", "triggers", _texts),
    Field("outlet_name", "outletName", "outlet_name", _text),
    # SillyTavern has no place for the filter in a card's book and loses it there.
    Field("character_filter", "characterFilter", "characterFilter", _filter),
)
"""Every field but `uid` and `disabled`, which the two formats spell as opposites."""

RISU_CHANCE = "risu_activationPercent"
RISU_CASE = "risu_case_sensitive"
RISU_FIELDS = {"probability": RISU_CHANCE, "case_sensitive": RISU_CASE}
"""Fields that RisuAI keeps in `extensions` under names of its own."""

_USUAL = {field.name: field.default for field in fields(Entry)} | {"selective": False}
_WORLD = {field.world: (field.name, field.read, _USUAL[field.name]) for field in FIELDS}
_BOOK = {field.book: (field.name, field.read) for field in FIELDS if not field.nested}
_NESTED = {field.book: (field.name, field.read) for field in FIELDS if field.nested}


def is_off(raw: Mapping[str, Any]) -> bool:
    """Whether an entry is switched off by either word for it: `disable` of World Info, `enabled` of cards."""
    return _flag(raw.get("disable")) or not as_flag(raw.get("enabled"), True)


def entry_from_world_info(raw: Mapping[str, Any], uid: int | str) -> Entry:
    """One entry of SillyTavern's own file. What is missing is as in a new entry, but for `selective`:
    a file that does not say so leaves its secondary keys unused, as there."""
    values: dict[str, Any] = {"selective": False}
    for key, value in raw.items():
        if (target := _WORLD.get(key)) is None:
            continue
        name, read, usual = target
        # An empty text is as good as nothing where a number or a truth value was due; and most values are
        # just the default, which large books need not pay for.
        if value != "" and value is not usual:
            values[name] = read(value)
    if is_off(raw):
        values["disabled"] = True
    return Entry(uid, raw=raw, **values)


def entry_from_character_book(raw: Mapping[str, Any], uid: int | str) -> Entry:
    """One entry of a card's own book, by the table of "Worldbooks inside cards". Null is as good as missing,
    and a missing `enabled` means enabled ("Worldbook departures")."""
    values: dict[str, Any] = {"selective": False, "position": AFTER}
    if raw.get("position") == "before_char":
        values["position"] = BEFORE
    # `extensions` last, so that the position there, a number, wins over the word.
    extensions = as_object(raw.get("extensions"))
    for table, source in ((_BOOK, raw), (_NESTED, extensions)):
        for key, value in source.items():
            field = table.get(key)
            if field is not None and value is not None and value != "":
                values[field[0]] = field[1](value)
    if not values.get("comment"):
        values["comment"] = as_text(raw.get("name"))
    if (chance := extensions.get(RISU_CHANCE)) is not None:
        # Both programs keep what the other wrote and do not look at it: neither lets more in than it says.
        values["probability"] = min(values.get("probability", 100), _probability(chance))
    if (case := extensions.get(RISU_CASE)) is not None:
        values.setdefault("case_sensitive", _optional_flag(case))
    values["disabled"] = is_off(raw)
    return Entry(uid, raw=raw, **values)


T = TypeVar("T")


def javascript_order(pairs: Iterable[tuple[str, T]]) -> list[tuple[str, T]]:
    """Members in the order JavaScript walks an object: whole numbers rising, then the rest as written."""
    return sorted(pairs, key=lambda pair: int(pair[0]) if is_index(pair[0]) else _LAST)


_LAST = 1 << 32


def is_index(key: str) -> bool:
    """Whether a key counts as a whole number where JavaScript orders members."""
    plain = key.isascii() and key.isdigit() and (key == "0" or key[0] != "0")
    return plain and len(key) <= 10 and int(key) < _LAST - 1
