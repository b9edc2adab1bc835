"""The list of characters: search, favourites, the ones used last on top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Input

from lunalux_core.library.character_list import CharacterSummary
from lunalux_core.library.groups import Group
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
        Action("roster.search", "screen.find_character", "slash", footer=21, palette=False),
        Action("roster.delete", "screen.delete_character", "delete", footer=22),
        Action("roster.group", "screen.new_group", "n", footer=23, palette=False),
    )
    BINDINGS = bindings(ACTIONS)


class RosterSearch(NarrowField):
    """Words that narrow the list; the arrows move through it meanwhile."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "walk(-1)", show=False),
        Binding("down", "walk(1)", show=False),
    ]

    def __init__(self, rows: RosterRows) -> None:
        super().__init__(placeholder=t("roster.search"), id="roster-search", compact=True)
        self._list = rows

    def action_walk(self, step: int) -> None:
        self._list.action_move(step)

    def on_focus(self) -> None:
        self._list.always_here = True
        self._list.refresh()

    def on_blur(self) -> None:
        self._list.always_here = False
        self._list.refresh()


def _merged(groups: Sequence[Group], characters: Sequence[CharacterSummary]) -> list[Row]:
    """Favourites first, then characters and groups by their last use, those never talked with last."""

    def rank(who: Group | CharacterSummary) -> tuple[bool, int, int]:
        favourite = isinstance(who, CharacterSummary) and who.favourite
        return not favourite, -who.used_at, -who.created_at

    everybody: list[Group | CharacterSummary] = [*characters, *groups]
    return [_row(who) for who in (sorted(everybody, key=rank) if groups else everybody)]


def _row(who: Group | CharacterSummary) -> Row:
    if isinstance(who, Group):
        return Row(who.id, who.name, t("cast.row", names=", ".join(who.names)), mark=GROUP)
    about = who.intro or who.creator or ", ".join(who.tags)
    return Row(who.id, who.name, about, mark="★" if who.favourite else "")


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
        self, characters: Sequence[CharacterSummary], current: str, groups: Sequence[Group] = ()
    ) -> None:
        """Show these groups and characters; `current` is the one that is talked with."""
        rows = _merged(groups, characters)
        self.query_one(RosterBar).count = len(characters)
        self.rows.empty = t("roster.none_found") if self.words or self.favourites else t("roster.none")
        self.rows.current = current
        self.rows.set_rows(rows, at=self.rows.chosen or current)

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
