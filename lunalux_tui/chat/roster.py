"""The list of characters: search, favourites, the ones used last on top."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Input

from lunalux_core.library.character_list import CharacterSummary
from lunalux_core.library.conversations import LastWords
from lunalux_core.library.groups import Group
from lunalux_core.text import clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.answer_field import NarrowField
from lunalux_tui.parts.drawn import Bar, Column, Part
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.theme.styles import ACCENT, BOLD, MUTED, SURFACE

GROUP = "◉"
"""The mark of a group in the list."""


class RosterBar(Bar):
    """How many characters there are, and the switch to favourites."""

    GROUND = SURFACE
    count: reactive[int] = reactive(0)
    favourites: reactive[bool] = reactive(False)

    def left(self) -> Sequence[Part]:
        return [Part(t("roster.title", n=self.count), MUTED | BOLD)]

    def right(self) -> Sequence[Part]:
        return [
            Part("⌕", MUTED, "screen.find_character"),
            Part("★" if self.favourites else "☆", ACCENT, "screen.only_favourites"),
        ]


class RosterRows(Rows):
    """The characters themselves, with the keys that act on one."""

    ACTIONS = (
        Action("roster.favourite", "screen.favourite", "f", footer=20),
        Action("roster.only_favourites", "screen.only_favourites", "F"),
        Action("roster.edit", "screen.edit_row", "e", footer=21, palette=False),
        Action("roster.search", "screen.find_character", "slash", footer=24, palette=False),
        Action("roster.delete", "screen.delete_character", "d,delete", footer=22),
        Action("roster.group", "screen.new_group", "n", footer=23, palette=False),
    )
    BINDINGS = bindings(ACTIONS)


class RosterSearch(NarrowField):
    """Words that narrow the list; the arrows move through it meanwhile."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (
        *NarrowField.ACTIONS,
        Action("roster.enter", "into_the_list", "tab", footer=81, palette=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(ACTIONS),
        Binding("up", "walk(-1)", show=False),
        Binding("down", "walk(1)", show=False),
    ]

    def __init__(self, rows: RosterRows) -> None:
        super().__init__(placeholder=t("roster.search"), id="roster-search", compact=True)
        self._list = rows

    def action_into_the_list(self) -> None:
        """To the rows, where letters act on the one under the cursor."""
        self._list.focus()

    def action_walk(self, step: int) -> None:
        self._list.action_move(step)

    def on_focus(self) -> None:
        self._list.always_here = True
        self._list.refresh()

    def on_blur(self) -> None:
        self._list.always_here = False
        self._list.refresh()


def _merged(
    groups: Sequence[Group],
    characters: Sequence[CharacterSummary],
    last_words: Mapping[str, LastWords],
    language: str,
) -> list[Row]:
    """Favourites first, then characters and groups by their last use; of those never talked with, the ones
    that speak the person's language before the others."""

    def rank(who: Group | CharacterSummary) -> tuple[bool, int, bool, int]:
        if isinstance(who, Group):
            return True, -who.used_at, False, -who.created_at
        foreign = not who.used_at and who.language != language
        return not who.favourite, -who.used_at, foreign, -who.created_at

    everybody: list[Group | CharacterSummary] = [*characters, *groups]
    return [_row(who, last_words.get(who.id)) for who in sorted(everybody, key=rank)]


def _row(who: Group | CharacterSummary, last: LastWords | None) -> Row:
    """A name with what was said last and when; before the first talk, with what it is about."""
    right = short_moment(last.updated_at) if last else ""
    said = said_by(last) if last else ""
    if isinstance(who, Group):
        return Row(who.id, who.name, said or t("cast.row", names=", ".join(who.names)), right, mark=GROUP)
    about = said or who.intro or who.creator or ", ".join(who.tags)
    return Row(who.id, who.name, about, right, mark="★" if who.favourite else "")


def said_by(last: LastWords) -> str:
    """What was said last, after the name of who said it where that is not the character itself."""
    words = clean_line(_MARKS.sub("", last.words), 160)
    if last.role == "user":
        return t("roster.you", words=words) if words else ""
    return f"{last.speaker}: {words}" if last.group_id and words else words


_MARKS = re.compile(r"[*_`#>]+")
"""Signs of Markdown, which mean nothing in one line of a list."""


def short_moment(milliseconds: int) -> str:
    """When something was: of today the time, of this year the day, else the year."""
    try:
        when, now = datetime.fromtimestamp(milliseconds / 1000), datetime.now()
    except (ValueError, OverflowError, OSError):
        return ""
    if when.date() == now.date():
        return when.strftime("%H:%M")
    return when.strftime("%m-%d") if when.year == now.year else when.strftime("%Y")


class Roster(Column):
    """Search field and list. Posts `Searched` when the person narrows the list."""

    favourites: reactive[bool] = reactive(False)

    class Searched(Message):
        """Other words, or the favourites switch."""

    words: str = ""
    """What the list is narrowed to."""

    def compose(self) -> ComposeResult:
        yield RosterBar()
        yield RosterRows(two_lines=True, id="roster-rows")

    @property
    def rows(self) -> RosterRows:
        return self.query_one(RosterRows)

    def find(self) -> None:
        """Go to the search field. It is made when it is first wanted: the first frame does without it."""
        for field in self.query(Input):
            field.focus()
            return
        field = RosterSearch(self.rows)
        self.mount(field, after=self.query_one(RosterBar))
        field.focus()

    def show(
        self,
        characters: Sequence[CharacterSummary],
        current: str,
        groups: Sequence[Group] = (),
        last_words: Mapping[str, LastWords] | None = None,
        language: str = "",
    ) -> None:
        """Show these groups and characters with what was said last; `current` is who is talked with.

        Args:
            language: the person's; those who speak it stand first among the ones never talked with.
        """
        rows = _merged(groups, characters, last_words or {}, language)
        self.query_one(RosterBar).count = len(characters)
        nobody = "none_found" if self.words else "no_favourites" if self.favourites else "none"
        self.rows.empty = t(f"roster.{nobody}")
        self.rows.current = current
        self.rows.set_rows(rows, at=self.rows.chosen or current)

    def said(self, last: LastWords) -> None:
        """Somebody said something: show it in the row that is talked with."""
        rows = [
            replace(row, detail=said_by(last) or row.detail, right=short_moment(last.updated_at))
            if row.id == last.owner_id
            else row
            for row in self.rows.rows
        ]
        self.rows.set_rows(rows)

    def clear(self) -> None:
        """Let go of the words that narrow the list."""
        for field in self.query(Input):
            field.value = ""

    def retranslate(self) -> None:
        for field in self.query(Input):
            field.placeholder = t("roster.search")

    def watch_favourites(self, favourites: bool) -> None:
        if self.is_mounted:
            self.query_one(RosterBar).favourites = favourites
            self.post_message(self.Searched())

    @on(Input.Changed, "#roster-search")
    def _narrow(self, event: Input.Changed) -> None:
        event.stop()
        self.words = event.value
        self.post_message(self.Searched())

    @on(Input.Submitted, "#roster-search")
    def _take_first(self, event: Input.Submitted) -> None:
        event.stop()
        # In the list's own turn: a message made here would not bubble beyond this parent of the list.
        self.rows.call_later(self.rows.action_choose)
