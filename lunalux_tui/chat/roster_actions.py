"""What is done to a row of the list of characters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lunalux_core.database import storage_error
from lunalux_core.library.character_list import ORDERS, Order
from lunalux_tui.chat.view import Asker
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_core.library.groups import Group
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.opener import Opener


class RosterView(Asker, Protocol):
    """What these actions ask of the screen."""

    async def refresh_roster(self) -> None:
        """Read the list of characters again."""


class RosterActions:
    """Actions on characters of the list, by their ids; what is done to several at once can be taken back."""

    def __init__(self, runtime: Runtime, opener: Opener, view: RosterView) -> None:
        self._runtime = runtime
        self._opener = opener
        self._view = view
        self._undo: list[Callable[[], Awaitable[None]]] = []

    async def favourite(self, character_ids: Sequence[str]) -> None:
        """Make characters favourites, or ordinary ones again where all of them are."""
        characters = self._runtime.library.characters
        summaries = [(await characters.get(identity)).summary for identity in character_ids]
        wish = not all(summary.favourite for summary in summaries)
        for summary in summaries:
            await characters.set_favourite(summary.id, wish)
        await self._view.refresh_roster()

    async def delete(self, character_ids: Sequence[str]) -> bool:
        """Ask, then delete characters with their conversations; whether it was done."""
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

    async def tag(self, character_ids: Sequence[str]) -> None:
        """Give characters tags of the person's own, or take them away."""
        from lunalux_tui.chat.roster_dialogs import OwnTagsDialog

        if not character_ids:
            return
        library = self._runtime.library
        name = (await library.characters.get(character_ids[0])).name
        dialog = OwnTagsDialog(self._runtime, character_ids, name)
        await self._view.ask(dialog)
        if changes := dialog.changes:

            async def back() -> None:
                for change in reversed(changes):
                    await library.tags.undo(change)

            self._undo.append(back)
            self._view.say(t("roster.tagged", n=len(character_ids)))
        await self._view.refresh_roster()

    async def tag_group(self, group: Group) -> None:
        """Give a group tags of the person's own, or take them away."""
        from lunalux_core.library.tags import GroupTags
        from lunalux_tui.chat.roster_dialogs import OwnTagsDialog

        tags = GroupTags(self._runtime.library.database)
        dialog = OwnTagsDialog(self._runtime, [group.id], group.name, groups=tags)
        await self._view.ask(dialog)
        if changes := dialog.changes:

            async def back() -> None:
                for change in reversed(changes):
                    await tags.undo(change)

            self._undo.append(back)
            self._view.say(t("roster.tagged", n=1))
        await self._view.refresh_roster()

    async def narrow(
        self, wanted: Sequence[str], without: Sequence[str]
    ) -> tuple[list[str], list[str]] | None:
        """Ask which tags narrow the list: those that are wanted, and those that are left out."""
        from lunalux_tui.chat.roster_dialogs import NarrowDialog

        tags = self._runtime.library.tags
        dialog = NarrowDialog(await tags.list(), await tags.of_cards(), wanted, without)
        answer = await self._view.ask(dialog)
        if answer is None:
            return None
        having, lacking = json.loads(answer)
        return having, lacking

    async def sort(self, order: Order) -> Order | None:
        """Ask for the order of the list."""
        from lunalux_tui.parts.pick_dialog import PickDialog
        from lunalux_tui.parts.rows import Row

        rows = [Row(name, t(f"roster.order.{name}")) for name in ORDERS]
        answer = await self._view.ask(PickDialog(t("dialog.roster_order.title"), rows, current=order))
        return next((name for name in ORDERS if name == answer), None)

    async def export(self, character_ids: Sequence[str]) -> None:
        """Write the cards of characters into a folder, as PNG files."""
        from lunalux_core.exporting.target import Names, card_file
        from lunalux_tui.parts.ask_dialog import AskDialog

        if not character_ids:
            return
        library = self._runtime.library
        title = t("dialog.export_cards.title", n=len(character_ids))
        answer = await self._view.ask(AskDialog(title, value=str(Path.home() / "lunalux-cards")))
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
        self._view.say(t("chat.exported", path=str(folder)))

    async def undo(self) -> None:
        """Take back what was done last to characters of the list."""
        if not self._undo:
            self._view.say(t("chat.nothing_to_undo"), warn=True)
            return
        await self._undo.pop()()
        # A member that came back speaks in its group again.
        await self._opener.group_changed()
        await self._view.refresh_roster()
        self._view.say(t("chat.undone"))
