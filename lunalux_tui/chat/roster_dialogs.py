"""What the list of characters asks: which tags narrow it, how it is ordered, which tags characters have."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on, work
from textual.widgets import Input

from lunalux_core.errors import LunaluxError
from lunalux_core.library.tags import FOLDERS
from lunalux_core.text import clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t, tell
from lunalux_tui.parts.dialog import CANCEL, question
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row, Rows

if TYPE_CHECKING:
    from lunalux_core.library.tags import CardTag, GroupTags, Tag, Tagging, Tags
    from lunalux_core.runtime import Runtime

NEW = "new"
"""Id of the row that makes a tag of the typed words."""


class NarrowDialog(PickDialog):
    """Every tag there is: enter wants it, again leaves it out, again lets it go.

    Answers JSON: the tags that are wanted, and those that are left out.
    """

    ACTIONS = (Action("tags.done", "done", "ctrl+s", footer=81, priority=True, palette=False), CANCEL)
    BINDINGS = [*PickDialog.BINDINGS, *bindings(ACTIONS)]  # noqa: RUF012

    def __init__(
        self, own: Sequence[Tag], cards: Sequence[CardTag], wanted: Sequence[str], without: Sequence[str]
    ) -> None:
        super().__init__(question("roster_tags.title"), hint=question("roster_tags.hint"))
        # Of two tags of one name, the person's own is listed: both are narrowed by in the same way.
        names = {tag.name.casefold() for tag in own}
        self._tags = [(tag.name, tag.characters) for tag in own]
        self._tags += [(tag.name, tag.characters) for tag in cards if tag.name.casefold() not in names]
        self._states = {name.casefold(): True for name in wanted}
        self._states |= {name.casefold(): False for name in without}

    def on_mount(self) -> None:
        super().on_mount()
        self._draw()

    def _draw(self) -> None:
        signs = {True: "✓", False: "✗", None: "·"}
        self.show(
            [
                Row(name, name, right=str(number), mark=signs[self._states.get(name.casefold())])
                for name, number in self._tags
            ]
        )

    @on(Input.Submitted, "#narrow")
    @on(Rows.Chosen)
    def _turn(self, event: Input.Submitted | Rows.Chosen) -> None:
        event.stop()
        event.prevent_default()  # the base class would answer with it
        key = self.rows.chosen.casefold()
        if not key:
            return
        if key not in self._states:
            self._states[key] = True
        elif self._states[key]:
            self._states[key] = False
        else:
            del self._states[key]
        self._draw()

    def action_done(self) -> None:
        wanted = [name for name, _ in self._tags if self._states.get(name.casefold()) is True]
        without = [name for name, _ in self._tags if self._states.get(name.casefold()) is False]
        self.dismiss(json.dumps([wanted, without]))

    def action_cancel(self) -> None:
        self.action_done()


class OwnTagsDialog(PickDialog):
    """The person's tags on some characters: enter gives one or takes it away, words that are no tag make one.

    What is done is done at once; `changes` holds it for its undo.
    """

    ACTIONS = (
        Action("own_tags.rename", "rename", "ctrl+e", footer=81, priority=True, palette=False),
        Action("own_tags.folder", "folder", "ctrl+o", footer=82, priority=True, palette=False),
        Action("own_tags.delete", "delete", "ctrl+d", footer=83, priority=True, palette=False),
        CANCEL,
    )
    BINDINGS = [*PickDialog.BINDINGS, *bindings(ACTIONS)]  # noqa: RUF012
    EMPTY = "own_tags.none"
    ABOUT_A_ROW = frozenset({"rename", "folder", "delete"})

    def __init__(
        self, runtime: Runtime, character_ids: Sequence[str], name: str, *, groups: GroupTags | None = None
    ) -> None:
        """The ids are those of groups where their tags are given (`groups`)."""
        super().__init__(
            question("own_tags.title", name=clean_line(name, 40), n=len(character_ids)),
            hint=question("own_tags.hint"),
        )
        self._tags = runtime.library.tags
        self._drafts = runtime.library.drafts
        self._given: Tags | GroupTags = groups or self._tags
        self._ids = list(character_ids)
        self._all_tags: Sequence[Tag] = ()
        self._having: Counter[str] = Counter()
        self.changes: list[Tagging] = []

    def on_mount(self) -> None:
        super().on_mount()
        self._begin()

    @work(exit_on_error=False)
    async def _begin(self) -> None:
        await self._read()

    async def _read(self) -> None:
        self._all_tags = await self._tags.list()
        tags_of = await self._given.of(self._ids)
        self._having = Counter(tag.id for tags in tags_of.values() for tag in tags)
        self._draw()

    def _draw(self) -> None:
        rows = [
            Row(
                tag.id,
                tag.name,
                right=t(f"own_tags.folders.{tag.folder}") if tag.folder != "none" else "",
                mark=self._sign(tag.id),
            )
            for tag in self._all_tags
        ]
        words = clean_line(self.words, 60)
        if words and all(tag.name.casefold() != words.casefold() for tag in self._all_tags):
            rows.append(Row(NEW, t("own_tags.new", name=words), mark="+"))
        self.show(rows)

    def _sign(self, tag_id: str) -> str:
        number = self._having[tag_id]
        return "✓" if number == len(self._ids) and number else "–" if number else "·"

    @on(Input.Changed, "#narrow")
    def _typed(self, event: Input.Changed) -> None:
        # Drawn anew and not only narrowed: the row that makes a tag follows the words.
        event.prevent_default()
        self._draw()

    @on(Input.Submitted, "#narrow")
    @on(Rows.Chosen)
    def _turn(self, event: Input.Submitted | Rows.Chosen) -> None:
        event.stop()
        event.prevent_default()  # the base class would answer with it
        if self.rows.chosen and self._ids:
            self._change(self.rows.chosen)

    @work(exit_on_error=False, group="own-tags")
    async def _change(self, row_id: str) -> None:
        if row_id == NEW:
            change = await self._given.add(self.words, self._ids)
            self.query_one("#narrow", Input).value = ""
        elif self._sign(row_id) == "✓":
            change = await self._given.remove(row_id, self._ids)
        else:
            name = next(tag.name for tag in self._all_tags if tag.id == row_id)
            change = await self._given.add(name, self._ids)
        self.changes.append(change)
        await self._read()

    def _chosen(self) -> Tag | None:
        return next((tag for tag in self._all_tags if tag.id == self.rows.chosen), None)

    @work(exit_on_error=False, group="own-tags")
    async def action_rename(self) -> None:
        from lunalux_tui.parts.ask_dialog import AskDialog, ask_kept

        tag = self._chosen()
        if tag is None:
            return
        draft = self._drafts.of(f"tag_name:{tag.id}", tag.name)
        dialog = AskDialog(question("own_tags.rename"), value=tag.name)
        if name := await ask_kept(self.app.push_screen_wait, dialog, draft):
            try:
                await self._tags.rename(tag.id, name)
                await draft.forget()
            except LunaluxError as error:
                self.notify(tell(error)[0], severity="warning", markup=False)
            await self._read()

    @work(exit_on_error=False, group="own-tags")
    async def action_folder(self) -> None:
        if tag := self._chosen():
            await self._tags.fold(tag.id, FOLDERS[(FOLDERS.index(tag.folder) + 1) % len(FOLDERS)])
            await self._read()

    @work(exit_on_error=False, group="own-tags")
    async def action_delete(self) -> None:
        from lunalux_tui.parts.ask_dialog import ConfirmDialog

        tag = self._chosen()
        if tag is None:
            return
        words = t("dialog.own_tags.delete", name=tag.name, n=tag.characters)
        if await self.app.push_screen_wait(ConfirmDialog(question("own_tags.delete_title"), words)):
            await self._tags.delete(tag.id)
            await self._read()
