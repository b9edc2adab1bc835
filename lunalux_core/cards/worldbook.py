"""Worldbooks (lorebooks): SillyTavern's World Info, the `character_book` of cards, lorebook_v3, and others.

FORMATS 2.1, 2.2. Every entry keeps the object it was read from; the fields here are a tolerant reading of
it, and writing changes only what a file of that kind must have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lunalux_core.cards.coerce import as_flag, as_object, as_text
from lunalux_core.errors import InvalidInput

Shape = Literal["world_info", "character_book", "other"]

BEFORE, AFTER, NOTE_TOP, NOTE_BOTTOM, AT_DEPTH, EXAMPLES_TOP, EXAMPLES_BOTTOM, OUTLET = range(8)
AND_ANY, NOT_ALL, NOT_ANY, AND_ALL = range(4)


@dataclass(frozen=True, slots=True)
class CharacterFilter:
    """Which characters an entry is for; names are compared as they are, tags by name."""

    exclude: bool = False
    names: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry (FORMATS 2.1). Numbers of messages, tokens in nothing; None means "as in the settings".

    `delay_until_recursion` is 0 or the level. `depth` is None where the file says null (4 is meant).
    """

    uid: int
    keys: tuple[str, ...] = ()
    secondary_keys: tuple[str, ...] = ()
    comment: str = ""
    content: str = ""
    constant: bool = False
    vectorized: bool = False
    selective: bool = True
    selective_logic: int = AND_ANY
    order: float = 100
    position: int = BEFORE
    depth: int | None = 4
    role: int = 0
    disabled: bool = False
    probability: float = 100
    use_probability: bool = True
    exclude_recursion: bool = False
    prevent_recursion: bool = False
    delay_until_recursion: int = 0
    scan_depth: int | None = None
    case_sensitive: bool | None = None
    match_whole_words: bool | None = None
    use_group_scoring: bool | None = None
    group: str = ""
    group_override: bool = False
    group_weight: float = 100
    sticky: int = 0
    cooldown: int = 0
    delay: int = 0
    automation_id: str = ""
    ignore_budget: bool = False
    match_persona_description: bool = False
    match_character_description: bool = False
    match_character_personality: bool = False
    match_character_depth_prompt: bool = False
    match_scenario: bool = False
    match_creator_notes: bool = False
    triggers: tuple[str, ...] = ()
    outlet_name: str = ""
    character_filter: CharacterFilter = CharacterFilter()
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def groups(self) -> tuple[str, ...]:
        """The inclusion groups of a comma separated list."""
        return tuple(name for part in self.group.split(",") if (name := part.strip()))


@dataclass(frozen=True, slots=True)
class Book:
    """A worldbook. `raw` is the document it was read from, `shape` says which kind that was."""

    name: str
    entries: tuple[Entry, ...]
    shape: Shape = "world_info"
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ReadBook:
    """A book and what differed from what its author may expect, as sentences."""

    book: Book
    notes: tuple[str, ...] = ()


def read_book(document: Any, name: str = "") -> ReadBook:
    """Read any worldbook, recognised by its content.

    Raises:
        InvalidInput: WORLDBOOK_UNKNOWN, when it is none.
    """
    from lunalux_core.cards import worldbook_foreign

    if isinstance(document, list):
        return _read_character_book({"entries": document}, name)
    if not isinstance(document, dict):
        raise _unknown(name)
    if document.get("spec") == "lorebook_v3":
        return _read_character_book(as_object(document.get("data")), name, document)
    if foreign := worldbook_foreign.read(document, name):
        return foreign
    entries = document.get("entries")
    if isinstance(entries, dict):
        inner = [value for value in entries.values() if isinstance(value, dict)]
        if any("keys" in entry and "key" not in entry for entry in inner):
            ordered = [entries[key] for key in sorted(entries, key=_numeric)]
            return _read_character_book({**document, "entries": ordered}, name, document)
        return _read_world_info(document, sorted(entries.items(), key=_as_javascript), name)
    if isinstance(entries, list):
        inner = [value for value in entries if isinstance(value, dict)]
        if any("key" in entry or "uid" in entry for entry in inner):
            return _read_world_info(document, [(str(i), e) for i, e in enumerate(entries)], name)
        return _read_character_book(document, name)
    if not entries and ("name" in document or "entries" in document):
        return ReadBook(Book(as_text(document.get("name")) or name, (), "character_book", document))
    raise _unknown(name)


def _read_world_info(document: Mapping[str, Any], entries: Sequence[tuple[str, Any]], name: str) -> ReadBook:
    found: dict[int, Entry] = {}
    for place, (key, raw) in enumerate(entries):
        if isinstance(raw, dict):
            uid = _integer(raw.get("uid"), _integer(key, place))
            found[uid] = entry_from_world_info(raw, uid)
    return ReadBook(
        Book(as_text(document.get("name")) or name, tuple(found.values()), "world_info", document)
    )


def entry_from_world_info(raw: Mapping[str, Any], uid: int) -> Entry:
    """One entry of SillyTavern's own file, with the defaults of 2.1 for what is missing."""
    get = raw.get
    chosen = as_object(get("characterFilter"))
    return Entry(
        uid=uid,
        keys=_texts(get("key")),
        secondary_keys=_texts(get("keysecondary")),
        comment=as_text(get("comment")),
        content=as_text(get("content")),
        constant=as_flag(get("constant")),
        vectorized=as_flag(get("vectorized")),
        selective=_flag(get("selective"), False),
        selective_logic=_integer(get("selectiveLogic"), 0),
        order=_number(get("order"), 100),
        position=_position(get("position")),
        depth=_optional(get("depth", 4)),
        role=_role(get("role")),
        disabled=as_flag(get("disable")),
        probability=_probability(raw),
        use_probability=_flag(get("useProbability"), True),
        exclude_recursion=as_flag(get("excludeRecursion")),
        prevent_recursion=as_flag(get("preventRecursion")),
        delay_until_recursion=_level(get("delayUntilRecursion")),
        scan_depth=_optional(get("scanDepth")),
        case_sensitive=_optional_flag(get("caseSensitive")),
        match_whole_words=_optional_flag(get("matchWholeWords")),
        use_group_scoring=_optional_flag(get("useGroupScoring")),
        group=as_text(get("group")),
        group_override=as_flag(get("groupOverride")),
        group_weight=_number(get("groupWeight"), 100),
        sticky=_integer(get("sticky"), 0),
        cooldown=_integer(get("cooldown"), 0),
        delay=_integer(get("delay"), 0),
        automation_id=as_text(get("automationId")),
        ignore_budget=as_flag(get("ignoreBudget")),
        match_persona_description=as_flag(get("matchPersonaDescription")),
        match_character_description=as_flag(get("matchCharacterDescription")),
        match_character_personality=as_flag(get("matchCharacterPersonality")),
        match_character_depth_prompt=as_flag(get("matchCharacterDepthPrompt")),
        match_scenario=as_flag(get("matchScenario")),
        match_creator_notes=as_flag(get("matchCreatorNotes")),
        triggers=_texts(get("triggers")),
        outlet_name=as_text(get("outletName")),
        character_filter=CharacterFilter(
            as_flag(chosen.get("isExclude")), _texts(chosen.get("names")), _texts(chosen.get("tags"))
        ),
        raw=raw,
    )


_RENAMED = {
    "exclude_recursion": "excludeRecursion",
    "prevent_recursion": "preventRecursion",
    "delay_until_recursion": "delayUntilRecursion",
    "display_index": "displayIndex",
    "probability": "probability",
    "useProbability": "useProbability",
    "depth": "depth",
    "selectiveLogic": "selectiveLogic",
    "group": "group",
    "group_override": "groupOverride",
    "group_weight": "groupWeight",
    "scan_depth": "scanDepth",
    "case_sensitive": "caseSensitive",
    "match_whole_words": "matchWholeWords",
    "use_group_scoring": "useGroupScoring",
    "automation_id": "automationId",
    "role": "role",
    "vectorized": "vectorized",
    "sticky": "sticky",
    "cooldown": "cooldown",
    "delay": "delay",
    "match_persona_description": "matchPersonaDescription",
    "match_character_description": "matchCharacterDescription",
    "match_character_personality": "matchCharacterPersonality",
    "match_character_depth_prompt": "matchCharacterDepthPrompt",
    "match_scenario": "matchScenario",
    "match_creator_notes": "matchCreatorNotes",
    "triggers": "triggers",
    "ignore_budget": "ignoreBudget",
    "outlet_name": "outletName",
    "characterFilter": "characterFilter",
}
"""Names in an entry's `extensions` and their twins in World Info (FORMATS 2.2)."""


def _read_character_book(
    book: Mapping[str, Any], name: str, document: Mapping[str, Any] | None = None
) -> ReadBook:
    notes: list[str] = []
    found: dict[int, Entry] = {}
    entries = book.get("entries")
    for place, raw in enumerate(entries if isinstance(entries, list) else ()):
        if not isinstance(raw, dict):
            continue
        uid = _integer(raw.get("id"), place)
        if uid in found:
            notes.append(f"Two entries have the id {uid}; the later one is used.")
        if "enabled" not in raw:
            notes.append(f"Entry {uid} does not say whether it is enabled; it is taken as enabled.")
        found.pop(uid, None)
        found[uid] = entry_from_character_book(raw, uid)
    title = as_text(book.get("name")) or name
    return ReadBook(Book(title, tuple(found.values()), "character_book", document or book), tuple(notes))


def entry_from_character_book(raw: Mapping[str, Any], uid: int) -> Entry:
    """One entry of a card's own book, through the table of FORMATS 2.2."""
    extensions = as_object(raw.get("extensions"))
    twin = {new: extensions[old] for old, new in _RENAMED.items() if old in extensions}
    if "probability" in twin and twin["probability"] is None:
        twin["probability"] = 100
    position = extensions.get("position")
    if _optional(position) is None:
        position = BEFORE if raw.get("position") == "before_char" else AFTER
    twin |= {
        "uid": uid,
        "key": raw.get("keys"),
        "keysecondary": raw.get("secondary_keys"),
        "comment": raw.get("comment") or raw.get("name"),
        "content": raw.get("content"),
        "constant": raw.get("constant"),
        "selective": _flag(raw.get("selective"), False),
        "order": raw.get("insertion_order"),
        "disable": not _flag(raw.get("enabled"), True),
        "position": position,
        "depth": _integer(extensions.get("depth"), 4),
    }
    from dataclasses import replace

    return replace(entry_from_world_info(twin, uid), raw=raw)


def write_world_info(book: Book) -> dict[str, Any]:
    """The book as SillyTavern's own file; unknown members of file and entries stay."""
    head = {k: v for k, v in book.raw.items() if k != "entries"} if book.shape == "world_info" else {}
    return {
        **head,
        "entries": {str(e.uid): _world_info_entry(e, book.shape, i) for i, e in enumerate(book.entries)},
    }


def _world_info_entry(entry: Entry, shape: Shape, index: int) -> dict[str, Any]:
    written: dict[str, Any] = {
        "uid": entry.uid,
        "key": list(entry.keys),
        "keysecondary": list(entry.secondary_keys),
        "comment": entry.comment,
        "content": entry.content,
        "constant": entry.constant,
        "vectorized": entry.vectorized,
        "selective": entry.selective,
        "selectiveLogic": entry.selective_logic,
        "order": entry.order,
        "position": entry.position,
        "depth": entry.depth,
        "role": entry.role,
        "disable": entry.disabled,
        "probability": entry.probability,
        "useProbability": entry.use_probability,
        "excludeRecursion": entry.exclude_recursion,
        "preventRecursion": entry.prevent_recursion,
        "delayUntilRecursion": entry.delay_until_recursion,
        "scanDepth": entry.scan_depth,
        "caseSensitive": entry.case_sensitive,
        "matchWholeWords": entry.match_whole_words,
        "useGroupScoring": entry.use_group_scoring,
        "group": entry.group,
        "groupOverride": entry.group_override,
        "groupWeight": entry.group_weight,
        "sticky": entry.sticky,
        "cooldown": entry.cooldown,
        "delay": entry.delay,
        "automationId": entry.automation_id,
        "ignoreBudget": entry.ignore_budget,
        "matchPersonaDescription": entry.match_persona_description,
        "matchCharacterDescription": entry.match_character_description,
        "matchCharacterPersonality": entry.match_character_personality,
        "matchCharacterDepthPrompt": entry.match_character_depth_prompt,
        "matchScenario": entry.match_scenario,
        "matchCreatorNotes": entry.match_creator_notes,
        "triggers": list(entry.triggers),
        "outletName": entry.outlet_name,
        "displayIndex": index,
    }
    if entry.character_filter != CharacterFilter():
        written["characterFilter"] = {
            "isExclude": entry.character_filter.exclude,
            "names": list(entry.character_filter.names),
            "tags": list(entry.character_filter.tags),
        }
    if shape != "world_info":
        return {**written, "extensions": as_object(entry.raw.get("extensions"))} if entry.raw else written
    # Where the file's own value reads the same, it stays as it was written.
    again = entry_from_world_info({**written, **entry.raw}, entry.uid)
    return {**written, **entry.raw} if again == entry else {**entry.raw, **written}


def write_character_book(book: Book) -> dict[str, Any]:
    """The book as it stands in a card (FORMATS 2.12 item 10), on top of the original entry objects."""
    head = {k: v for k, v in book.raw.items() if k != "entries"} if book.shape == "character_book" else {}
    entries = [_book_entry(entry, book.shape, index) for index, entry in enumerate(book.entries)]
    return {"name": book.name, **head, "extensions": as_object(head.get("extensions")), "entries": entries}


def _book_entry(entry: Entry, shape: Shape, index: int) -> dict[str, Any]:
    world = _world_info_entry(entry, "other", index)
    raw = entry.raw if shape == "character_book" else {}
    old = as_object(raw.get("extensions"))
    extensions = {**old, **{name: world[twin] for name, twin in _RENAMED.items() if twin in world}}
    extensions["position"] = entry.position
    if shape == "character_book" and entry_from_character_book(raw, entry.uid) == entry:
        return dict(raw)
    return {
        **raw,
        "id": entry.uid,
        "keys": list(entry.keys),
        "secondary_keys": list(entry.secondary_keys),
        "comment": entry.comment,
        "content": entry.content,
        "constant": entry.constant,
        "selective": entry.selective,
        "insertion_order": entry.order,
        "enabled": not entry.disabled,
        "position": "before_char" if entry.position == BEFORE else "after_char",
        "use_regex": True,
        "extensions": extensions,
    }


def _texts(value: Any) -> tuple[str, ...]:
    """A list of texts; a single text is not one (FORMATS 2.5 item 4)."""
    return tuple(as_text(item) for item in value if item is not None) if isinstance(value, list) else ()


def _number(value: Any, default: float) -> float:
    if isinstance(value, bool) or value is None:
        return default
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return default
    if number != number or number in (float("inf"), float("-inf")):
        return default
    return int(number) if number == int(number) else number


def _integer(value: Any, default: int) -> int:
    return int(_number(value, default))


def _optional(value: Any) -> int | None:
    if value is None or value == "":
        return None
    sentinel = -(1 << 40)
    number = _integer(value, sentinel)
    return None if number == sentinel else number


def _numeric(key: str) -> tuple[float, str]:
    return (_number(key, float(1 << 60)), key)


def _as_javascript(item: tuple[str, Any]) -> tuple[int, int]:
    """The order in which JavaScript walks an object: whole numbers ascending, then the rest as written."""
    key = item[0]
    return (0, int(key)) if key.isdecimal() and (key == "0" or key[0] != "0") else (1, 0)


def _flag(value: Any, default: bool) -> bool:
    return default if value is None or value == "" else as_flag(value)


def _optional_flag(value: Any) -> bool | None:
    return None if value is None or value == "" else as_flag(value)


def _level(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, str) and value.lower() in {"true", "false"}):
        return int(as_flag(value))
    return max(_integer(value, 0), 0)


def _probability(raw: Mapping[str, Any]) -> float:
    """Missing is 100; null compares as 0 (FORMATS 2.6 b)."""
    if "probability" in raw and raw["probability"] is None:
        return 0
    return _number(raw.get("probability"), 100)


def _position(value: Any) -> int:
    if isinstance(value, str) and not value.strip().lstrip("-").isdigit():
        return {"before_char": BEFORE, "after_char": AFTER, "": BEFORE}.get(value.strip(), -1)
    return _integer(value, BEFORE)


def _role(value: Any) -> int:
    if isinstance(value, str):
        named = {"system": 0, "user": 1, "assistant": 2}.get(value.strip().lower())
        if named is not None:
            return named
    number = _integer(value, 0)
    return number if number in (0, 1, 2) else 0


def _unknown(name: str) -> InvalidInput:
    return InvalidInput(
        "WORLDBOOK_UNKNOWN",
        f"{name or 'This file'} is not a worldbook.",
        "World Info, character_book, lorebook_v3, NovelAI, Agnai, RisuAI and Narratium files are read.",
        name=name,
    )
