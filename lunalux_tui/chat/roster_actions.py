"""The list of characters and groups: what it shows, and what is done to its rows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lunalux_core.database import storage_error
from lunalux_core.library.character_list import ORDERS
from lunalux_tui.chat.protocols import Asker, Writing
from lunalux_tui.chat.roster import FOLDER
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_core.library import Library
    from lunalux_core.library.character_list import CharacterQuery, CharacterSummary
    from lunalux_core.library.conversations import LastWords
    from lunalux_core.library.groups import Group
    from lunalux_core.library.tags import Tag
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.group_actions import GroupActions
    from lunalux_tui.chat.opener import Opener
    from lunalux_tui.chat.protocols import CardEditor
    from lunalux_tui.chat.roster import Roster


class RosterView(Asker, Writing, Protocol):
    """What these actions ask of the screen."""


class RosterActions:
    """Reads and shows the list, and acts on what is marked in it or under its cursor.

    What is done to several characters at once can be taken back.

    Attributes:
        groups: those in the list, by their ids.
    """

    def __init__(
        self,
        runtime: Runtime,
        opener: Opener,
        roster: Roster,
        group_actions: GroupActions,
        editor: CardEditor,
        view: RosterView,
    ) -> None:
        self.groups: dict[str, Group] = {}
        self._runtime = runtime
        self._opener = opener
        self._roster = roster
        self._group_actions = group_actions
        self._editor = editor
        self._view = view
        self._undo: list[Callable[[], Awaitable[None]]] = []

    async def refresh(self) -> None:
        """Read the list again, as words, tags and folders narrow it."""
        roster, library = self._roster, self._runtime.library
        characters, total = await library.characters.page(roster.wanted, roster.limit)
        groups = await _groups_shown(library, roster.wanted)
        folders = [tag for tag in await library.tags.list() if tag.folder != "none"]
        looks = roster.words.split() or (roster.narrowed and not roster.folder)
        last_words = await library.conversations.last_words_of_owners()
        self.show(characters, groups, last_words, () if looks else folders, total)

    def show(
        self,
        characters: Sequence[CharacterSummary],
        groups: Sequence[Group],
        last_words: Mapping[str, LastWords],
        folders: Sequence[Tag] = (),
        total: int | None = None,
    ) -> None:
        """Show what was read."""
        self.groups = {group.id: group for group in groups}
        language = self._runtime.settings.lang
        row = self._opener.chat.row_id
        self._roster.show(characters, row, groups, last_words, language, folders=folders, total=total)

    def mark_open(self) -> None:
        """Show which row is open."""
        self._roster.rows.mark_current(self._opener.chat.row_id)

    async def open(self, row_id: str) -> None:
        """Open what a row stands for: a folder, a group or a character."""
        if row_id.startswith(FOLDER):
            self._roster.open_folder(row_id.removeprefix(FOLDER))
            return
        opener = self._opener
        await (opener.open_group(row_id) if row_id in self.groups else opener.open_character(row_id))
        self._view.action_focus_prompt()

    def edit(self) -> None:
        """Open the card under the cursor in its editor; a group has none."""
        row_id = self._roster.rows.chosen
        if row_id and row_id not in self.groups:
            self._editor.edit_character(row_id)

    @property
    def _characters(self) -> list[str]:
        """Ids of the characters that an action is about; a group is none."""
        return [identity for identity in self._roster.targets if identity not in self.groups]

    @property
    def _group(self) -> Group | None:
        """The group under the cursor, where no characters are marked."""
        return None if self._roster.marked else self.groups.get(self._roster.rows.chosen)

    async def favourite(self) -> None:
        """Make characters favourites, or ordinary ones again where all of them are."""
        characters = self._runtime.library.characters
        summaries = [(await characters.get(identity)).summary for identity in self._characters]
        wish = not all(summary.favourite for summary in summaries)
        for summary in summaries:
            await characters.set_favourite(summary.id, wish)
        await self.refresh()

    async def delete(self) -> None:
        """Ask, then delete the group, or the characters with their conversations."""
        if self._group is not None:
            await self._group_actions.delete(self._group)
        elif await self._delete(self._characters):
            self._roster.unmark()

    async def _delete(self, character_ids: Sequence[str]) -> bool:
        from lunalux_tui.parts.ask_dialog import ConfirmDialog

        if not character_ids:
            return False
        library = self._runtime.library
        name = (await library.characters.get(character_ids[0])).name
        question = t("dialog.delete_character.question", name=name, n=len(character_ids))
        if not await self._view.ask(ConfirmDialog(t("dialog.delete_character.title"), question)):
            return False
        trashed = await library.trash.delete(character_ids)
        self._undo.append(lambda: library.trash.restore(trashed))
        for identity in character_ids:
            await self._opener.character_deleted(identity)
        self._view.say(t("roster.deleted", n=len(character_ids), name=name))
        return True

    async def tag(self) -> None:
        """Give the characters, or the group, tags of the person's own, or take them away."""
        from lunalux_core.library.tags import GroupTags, Tags
        from lunalux_tui.chat.roster_dialogs import OwnTagsDialog

        library, group = self._runtime.library, self._group
        tags: Tags | GroupTags = library.tags
        if group is not None:
            tags = groups = GroupTags(library.database)
            ids: Sequence[str] = [group.id]
            dialog = OwnTagsDialog(self._runtime, ids, group.name, groups=groups)
        elif ids := self._characters:
            dialog = OwnTagsDialog(self._runtime, ids, (await library.characters.get(ids[0])).name)
        else:
            return
        await self._view.ask(dialog)
        if changes := dialog.changes:

            async def back() -> None:
                # From the last to the first, since each was made on what those before it had left.
                for change in reversed(changes):
                    await tags.undo(change)

            self._undo.append(back)
            self._view.say(t("roster.tagged", n=len(ids)))
        await self.refresh()

    async def narrow(self) -> None:
        """Ask which tags narrow the list: those that are wanted, and those that are left out."""
        from lunalux_tui.chat.roster_dialogs import NarrowDialog

        tags, roster = self._runtime.library.tags, self._roster
        dialog = NarrowDialog(await tags.list(), await tags.of_cards(), roster.tags, roster.without)
        answer = await self._view.ask(dialog)
        if answer is not None:
            wanted, without = json.loads(answer)
            roster.narrow(wanted, without)

    async def sort(self) -> None:
        """Ask for the order of the list."""
        from lunalux_tui.parts.pick_dialog import PickDialog
        from lunalux_tui.parts.rows import Row

        rows = [Row(name, t(f"roster.order.{name}")) for name in ORDERS]
        answer = await self._view.ask(
            PickDialog(t("dialog.roster_order.title"), rows, current=self._roster.order)
        )
        for order in ORDERS:
            if order == answer:
                self._roster.sort(order)

    async def export(self) -> None:
        """Write the cards of characters into a folder, as PNG files."""
        from lunalux_core.exporting.target import Names, card_file
        from lunalux_tui.parts.ask_dialog import AskDialog, ask_kept

        character_ids = self._characters
        if not character_ids:
            return
        library = self._runtime.library
        title = t("dialog.export_cards.title", n=len(character_ids))
        proposal = str(Path.home() / "lunalux-cards")
        draft = library.drafts.of("export_folder", proposal)
        answer = await ask_kept(self._view.ask, AskDialog(title, value=proposal), draft)
        if not answer:
            return
        folder, names = Path(answer).expanduser(), Names()
        for path in folder.glob("*.png") if folder.is_dir() else ():
            names.take(path.stem)  # what is there stays
        for identity in character_ids:
            character = await library.characters.get(identity)
            content = await asyncio.to_thread(card_file, library, character)
            try:
                folder.mkdir(parents=True, exist_ok=True)
                await asyncio.to_thread((folder / f"{names.take(character.name)}.png").write_bytes, content)
            except OSError as error:
                raise storage_error(error, folder) from error
        await draft.forget()
        self._view.say(t("chat.exported", path=str(folder)))

    async def undo(self) -> None:
        """Take back what was done last to characters of the list."""
        if not self._undo:
            self._view.say(t("chat.nothing_to_undo"), warn=True)
            return
        await self._undo.pop()()
        # A member that came back speaks in its group again.
        await self._opener.group_changed()
        await self.refresh()
        self._view.say(t("chat.undone"))


async def _groups_shown(library: Library, wanted: CharacterQuery) -> Sequence[Group]:
    """The groups of the library that fit; a group is never a favourite."""
    groups = () if wanted.favourites else await library.groups.list(wanted.words)
    if not groups:
        return ()
    tags = await library.tags.of_groups()
    return [group for group in groups if _fits(tags.get(group.id, ()), wanted)]


def _fits(tags: Sequence[Tag], wanted: CharacterQuery) -> bool:
    if wanted.folder:
        return any(tag.id == wanted.folder for tag in tags)
    if wanted.outside and any(tag.folder == "closed" for tag in tags):
        return False
    names = {tag.name.casefold() for tag in tags}
    return names.issuperset(name.casefold() for name in wanted.tags) and names.isdisjoint(
        name.casefold() for name in wanted.without
    )
