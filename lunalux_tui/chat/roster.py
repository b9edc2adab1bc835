"""The list of characters: search, favourites, the ones used last on top."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Input

from lunalux_core.library.character_list import CharacterQuery, CharacterSummary, Order
from lunalux_core.library.conversations import LastWords
from lunalux_core.library.groups import Group
from lunalux_core.text import clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import in_a_list, t
from lunalux_tui.parts.answer_field import NarrowField
from lunalux_tui.parts.drawn import Bar, Column, Part
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.theme.styles import ACCENT, BOLD, MUTED, SURFACE

if TYPE_CHECKING:
    from lunalux_core.library.tags import Tag

GROUP = "◉"
"""The mark of a group in the list."""
MARKED = "●"
"""The mark of a character that was marked for what comes next."""
FOLDER = "folder:"
"""The beginning of the id of a folder's row."""
PAGE = 200
"""Characters that are read at once; more follow when the cursor comes near their end."""
NEAR = 40
"""Rows before the end at which more are read."""


class RosterBar(Bar):
    """How many characters there are, and the switch to favourites."""

    GROUND = SURFACE
    count: reactive[int] = reactive(0)
    marked: reactive[int] = reactive(0)
    narrowed: reactive[bool] = reactive(False)
    favourites: reactive[bool] = reactive(False)

    def left(self) -> Sequence[Part]:
        title = [Part(t("roster.title", n=self.count), MUTED | BOLD)]
        if self.marked:
            title.append(Part(t("roster.marked", n=self.marked), ACCENT))
        return title

    def right(self) -> Sequence[Part]:
        return [
            *([Part("#", ACCENT, "screen.narrow_by_tags")] if self.narrowed else []),
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
        Action("roster.tags", "screen.tag_characters", "t", footer=24),
        Action("roster.narrow", "screen.narrow_by_tags", "number_sign", footer=25),
        Action("roster.sort", "screen.sort_characters", "s", footer=26),
        Action("roster.mark", "screen.mark_character", "space", palette=False),
        Action("roster.export", "screen.export_characters", "x"),
        Action("roster.undo", "screen.undo_roster", "u"),
    )
    BINDINGS = bindings(ACTIONS)

    class NearEnd(Message):
        """The wheel or the scroll bar came near the last row that there is."""

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        # The wheel moves the view and not the cursor, which would tell of it by `Moved`.
        if new_value > old_value and new_value >= self.max_scroll_y - NEAR * self._height:
            self.post_message(self.NearEnd())


class RosterSearch(NarrowField):
    """Words that narrow the list; the arrows move through it meanwhile."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (
        *NarrowField.ACTIONS,
        Action("roster.enter", "into_the_list", "tab", footer=2, palette=False),
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
        # The arrows move the cursor of the list meanwhile, so it has to be seen without the focus.
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
    order: Order = "recent",
) -> list[Row]:
    """Favourites first, then characters and groups by their last use; of those never talked with, the ones
    that speak the person's language before the others. In any other order groups stand before all."""
    if order != "recent":
        ordered: list[Group | CharacterSummary] = [*groups, *characters]
        return [_row(who, last_words.get(who.id)) for who in ordered]

    def rank(who: Group | CharacterSummary) -> tuple[bool, int, bool, int]:
        if isinstance(who, Group):
            return True, -who.used_at, False, -who.created_at
        foreign = not who.used_at and who.language != language
        return not who.favourite, -who.used_at, foreign, -who.created_at

    everybody: list[Group | CharacterSummary] = [*characters, *groups]
    return [_row(who, last_words.get(who.id)) for who in sorted(everybody, key=rank)]


def _folder_rows(folders: Sequence[Tag], opened: str) -> list[Row]:
    """The folders of the list; of one that is open the way out."""
    for tag in folders:
        if tag.id == opened:
            return [Row(f"{FOLDER}{tag.id}", tag.name, t("roster.leave_folder"), mark="▾")]
    return [
        Row(f"{FOLDER}{tag.id}", tag.name, t("roster.in_folder", n=tag.characters), mark="▸")
        for tag in folders
    ]


def _row(who: Group | CharacterSummary, last: LastWords | None) -> Row:
    """A name with what was said last and when; before the first talk, with what it is about."""
    right = short_moment(last.updated_at) if last else ""
    said = said_by(last) if last else ""
    if isinstance(who, Group):
        return Row(who.id, who.name, said or t("cast.row", names=in_a_list(who.names)), right, mark=GROUP)
    about = said or who.intro or who.creator or in_a_list(who.tags)
    return Row(who.id, who.name, about, right, mark="★" if who.favourite else "")


def said_by(last: LastWords) -> str:
    """What was said last, after the name of who said it where that is not the character itself."""
    words = clean_line(plain(last.words), 160)
    if last.role == "user":
        return t("roster.you", words=words) if words else ""
    return f"{last.speaker}: {words}" if last.group_id and words else words


def plain(words: str) -> str:
    """Words without signs of Markdown, which mean nothing in one line of a list."""
    return _MARKS.sub("", words)


_MARKS = re.compile(r"[*_`#>]+")


def short_moment(milliseconds: int) -> str:
    """When something was: of today the time, of this year the day, else the year."""
    try:
        when, now = datetime.fromtimestamp(milliseconds / 1000), datetime.now()
    # A damaged library may hold any number; the row is worth showing without a time.
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

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.tags: Sequence[str] = ()
        self.without: Sequence[str] = ()
        self.order: Order = "recent"
        self.folder = ""
        self.marked: list[str] = []
        self.limit = PAGE
        self._total = 0
        self._shown: Sequence[Row] = ()

    @property
    def narrowed(self) -> bool:
        """Whether anything but words narrows the list."""
        return bool(self.tags or self.without or self.folder or self.favourites)

    @property
    def wanted(self) -> CharacterQuery:
        """Which characters the list is to show. Folders hide theirs only while nothing is looked for."""
        looks = bool(self.words.split()) or self.narrowed
        return CharacterQuery(
            self.words, self.favourites, self.tags, self.without, self.folder, not looks, self.order
        )

    @property
    def targets(self) -> list[str]:
        """Ids that an action is about: the marked characters, else the one under the cursor."""
        chosen = self.rows.chosen
        return list(self.marked) or ([chosen] if chosen and not chosen.startswith(FOLDER) else [])

    def narrow(self, tags: Sequence[str], without: Sequence[str]) -> None:
        """Show only those with all these tags and none of those."""
        self.tags, self.without = tags, without
        self._again()

    def open_folder(self, tag_id: str) -> None:
        """Show what is in a folder; leave it where it is open."""
        self.folder = "" if self.folder == tag_id else tag_id
        self._again()

    def sort(self, order: Order) -> None:
        self.order = order
        self._again()

    def mark(self) -> None:
        """Mark the row under the cursor, or take its mark away, and go on to the next."""
        chosen = self.rows.chosen
        if not chosen or chosen.startswith(FOLDER):
            return
        if chosen in self.marked:
            self.marked.remove(chosen)
        else:
            self.marked.append(chosen)
        self._draw()
        self.rows.action_move(1)

    def unmark(self) -> None:
        self.marked.clear()
        self._draw()

    def _again(self) -> None:
        self.limit = PAGE
        self.post_message(self.Searched())

    @on(Rows.Moved)
    def _near_the_end(self) -> None:
        if self.rows.cursor >= len(self._shown) - 1:
            self._read_on(self._total)  # the end was asked for: that is the end of all
        elif self.rows.cursor >= len(self._shown) - NEAR:
            self._read_on(self.limit + PAGE)

    @on(RosterRows.NearEnd)
    def _scrolled_near_the_end(self) -> None:
        self._read_on(self.limit + PAGE)

    def _read_on(self, limit: int) -> None:
        if self.limit < self._total:
            self.limit = limit
            self.post_message(self.Searched())

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
        *,
        folders: Sequence[Tag] = (),
        total: int | None = None,
    ) -> None:
        """Show these folders, groups and characters with what was said last; `current` is who is talked with.

        Args:
            language: the person's; those who speak it stand first among the ones never talked with.
            total: characters that fit, where these are the first of them.
        """
        people = _merged(groups, characters, last_words or {}, language, self.order)
        self._shown = [*_folder_rows(folders, self.folder), *people]
        self._total = len(characters) if total is None else total
        only = self.favourites and not (self.words or self.tags or self.without or self.folder)
        nobody = "no_favourites" if only else "none_found" if self.words or self.narrowed else "none"
        self.rows.empty = t(f"roster.{nobody}")
        self.rows.current = current
        self._draw(self.rows.chosen or current)

    def _draw(self, at: str | None = None) -> None:
        bar = self.query_one(RosterBar)
        bar.count, bar.marked = self._total, len(self.marked)
        bar.narrowed = bool(self.tags or self.without)
        marked = set(self.marked)
        rows = (
            [replace(row, mark=MARKED) if row.id in marked else row for row in self._shown]
            # With nothing marked, none of what may be thousands of rows is copied.
            if marked
            else self._shown
        )
        self.rows.set_rows(rows, at=at)

    def said(self, last: LastWords) -> None:
        """Somebody said something: show it in the row that is talked with."""
        self._shown = [
            replace(row, detail=said_by(last) or row.detail, right=short_moment(last.updated_at))
            if row.id == last.owner_id
            else row
            for row in self._shown
        ]
        self._draw()

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
            self._again()

    @on(Input.Changed, "#roster-search")
    def _narrow(self, event: Input.Changed) -> None:
        event.stop()
        self.words = event.value
        self._again()

    @on(Input.Submitted, "#roster-search")
    def _take_first(self, event: Input.Submitted) -> None:
        event.stop()
        # In the list's own turn: a message made here would not bubble beyond this parent of the list.
        self.rows.call_later(self.rows.action_choose)
