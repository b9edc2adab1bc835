"""Worldbooks and their entries as values.

See docs/spec/formats.md: Worldbook files, Worldbooks inside cards, Placement.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

BEFORE, AFTER, NOTE_TOP, NOTE_BOTTOM, AT_DEPTH, EXAMPLES_TOP, EXAMPLES_BOTTOM, OUTLET = range(8)
"""Values of `Entry.position`."""
NOWHERE = -1
"""A position SillyTavern does not know: such an entry is activated, but its text is put nowhere."""
AND_ANY, NOT_ALL, NOT_ANY, AND_ALL = range(4)
"""Values of `Entry.selective_logic`: how the secondary keys decide."""
DEFAULT_DEPTH = 4

_COMMA = re.compile(r",[\s\ufeff]*")


@dataclass(frozen=True, slots=True)
class CharacterFilter:
    """Which characters an entry is for, or with `exclude`, is not for. Empty lists restrict nothing."""

    exclude: bool = False
    names: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. Defaults are those of a new entry; None means "as in the settings".

    `uid` is a whole number in every file SillyTavern wrote and may be a text in others. `depth` and `role`
    (0 system, 1 user, 2 assistant) count for position 4; `depth` None is meant as 4. `probability` is a
    percentage. `delay_until_recursion` is 0 or the level. `sticky`, `cooldown`, `delay` and `scan_depth`
    are in messages. `vectorized` lets closeness call it beside its keys; `automation_id` names the quick
    replies that run when it is activated.
    """

    uid: int | str
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
    depth: int | None = DEFAULT_DEPTH
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
    display_index: int | None = None
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
    """The object the entry was read from; writing changes only what was changed here."""

    @property
    def groups(self) -> tuple[str, ...]:
        """The inclusion groups: split at commas and the blanks after them, as SillyTavern does."""
        return tuple(filter(None, _COMMA.split(self.group))) if self.group else ()


EXTENSION_KEY = "lunalux"
"""The key of our own data in the `extensions` of a book."""

Shape = Literal["world_info", "character_book", "lorebook_v3", "other"]
"""The kinds of files: SillyTavern's own, a card's book, the same in its own file, another program's."""


@dataclass(frozen=True, slots=True)
class Book:
    """A worldbook. `raw` is the document it was read from, `shape` says which kind that was.

    `scan_depth` (messages), `token_budget` (tokens) and `recursive_scanning` are the book's own wishes;
    SillyTavern stores and ignores them, and so do we unless `ActiveBook.own_settings` says otherwise.
    """

    name: str
    entries: tuple[Entry, ...]
    shape: Shape = "world_info"
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    scan_depth: int | None = None
    token_budget: int | None = None
    recursive_scanning: bool | None = None


@dataclass(frozen=True, slots=True)
class ReadBook:
    """A book and what differs from what its author may expect: the import report, in sentences."""

    book: Book
    notes: tuple[str, ...] = ()
