"""Where a character in the editor comes from and where it goes: files, the library, the market, a chat."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from textual import work

from lunalux_core.documents.json_text import dump_json
from lunalux_core.editor import files as draft_files
from lunalux_core.editor.checks import MARKET_TAGS, require_name
from lunalux_core.editor.draft import Draft, Snapshot
from lunalux_core.editor.fields import BY_ID, split_tags
from lunalux_core.errors import LunaluxError
from lunalux_core.text import clean, clean_line
from lunalux_tui.create.screen_base import CreateBase
from lunalux_tui.i18n import LANGUAGES, t
from lunalux_tui.parts.ask_dialog import AskDialog, ConfirmDialog
from lunalux_tui.parts.files import export_name, path_of, read_file, split_paths
from lunalux_tui.parts.form_field import FieldBox, in_one_line
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row

if TYPE_CHECKING:
    from lunalux_core.library.market_cache import Lang
    from lunalux_tui.chat.host import ChatHost

NEW, OPEN = "new", "open "
"""Ids of rows: one begins a character, the others go on with a draft or a character by its key."""
LARGEST_COPY = 72_000
"""Characters that every terminal with OSC 52 takes; many cut off longer ones without a word."""

EXPORTS: dict[str, tuple[draft_files.ExportFormat, Literal["v2", "v3"] | None]] = {
    "png": ("png", None),
    "png_v2": ("png", "v2"),
    "json": ("json", None),
    "json_v2": ("json", "v2"),
    "json_v3": ("json", "v3"),
    "charx": ("charx", None),
}


class CreateFiles(CreateBase):
    """The verbs that ask something or take their time; each is a worker."""

    # -- opening -----------------------------------------------------------------------------------

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_open(self) -> None:
        """Go on with a draft, change a character of the library, or begin a new one."""
        await self.keep_draft()
        waiting = {one.key: one for one in await self.draft_store.drafts()}
        rows = [Row(NEW, t("create.open.new"), mark="+")]
        for draft in waiting.values():
            if draft.is_new:
                title = draft.name or t("create.nameless")
                rows.append(Row(OPEN + draft.key, title, right=t("create.open.draft"), mark="✎"))
        known = await self.runtime.library.characters.list()
        for one in known:
            note, mark = (t("create.open.unsaved"), "✎") if one.id in waiting else ("", "·")
            rows.append(Row(OPEN + one.id, one.name, right=note, mark=mark))
        there = {one.id for one in known}
        rows += [
            Row(OPEN + lost.key, lost.name, right=t("create.open.gone"), mark="✎")
            for lost in waiting.values()
            if not lost.is_new and lost.key not in there
        ]
        current, hint = OPEN + self.draft.key, t("create.open.hint")
        picked = await self.app.push_screen_wait(
            PickDialog(t("create.open.title"), rows, current=current, hint=hint)
        )
        if picked is not None:
            key = await self.draft_store.free_slot() if picked == NEW else picked.removeprefix(OPEN)
            await self.take_up(key)
            self.show_section("basics")

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_import(self) -> None:
        """Bring a card file into the form, with its picture; undo takes it back."""
        answer = await self.app.push_screen_wait(
            AskDialog(t("create.import.title"), hint=t("create.import.hint"), placeholder="~/cards/name.png")
        )
        if answer:
            await self.bring(answer)

    async def bring(self, written: str) -> None:
        """Read the card file that is named."""
        path = path_of(split_paths(written)[0])
        data = await asyncio.to_thread(read_file, path)
        snapshot, notes = await asyncio.to_thread(draft_files.read_snapshot, data, path.name)
        self.draft.become(snapshot, "basics")
        self.follow()
        self.touched()
        said = "\n".join([t("create.import.done", name=clean_line(snapshot_name(snapshot), 60)), *notes])
        self.notify(said, markup=False, timeout=6)

    # -- the picture -------------------------------------------------------------------------------

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_picture(self) -> None:
        """Choose the picture."""
        from lunalux_tui.create.picture_dialog import PictureDialog

        answer = await self.app.push_screen_wait(PictureDialog())
        if answer:
            data = await asyncio.to_thread(read_file, Path(answer))
            self.draft.attach(await asyncio.to_thread(draft_files.read_picture, data))
            self.follow()
            self.touched()

    def action_no_picture(self) -> None:
        """Take the picture away."""
        self.draft.attach(None)
        self.follow()
        self.touched()
        self.tell_undo("create.picture.removed")

    # -- tags and long texts -----------------------------------------------------------------------

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_tags(self) -> None:
        """Choose tags from the list of the settings."""
        from lunalux_tui.create.tags_dialog import TagsDialog

        settings, known = self.runtime.settings, BY_ID["tags"]
        offered = settings.tags_zh if settings.lang == "zh" else settings.tags_en
        answer = await self.app.push_screen_wait(
            TagsDialog(offered, split_tags(known.shown(self.draft.document)))
        )
        if answer is not None:
            self.draft.write(known, answer)
            self.follow()
            self.touched()

    def action_editor(self) -> None:
        """Open the text in the person's own editor."""
        from lunalux_tui.create.external_editor import edit_outside

        box = self.long_box
        if box is None:
            return
        try:
            text = clean(edit_outside(self.app, box.text))
        except LunaluxError as error:
            self.show_failure(error)
            return
        text = in_one_line(text) if box.kind == "line" else text
        if text != box.text:
            box.show(text)
            box.post_message(FieldBox.Edited(box, text))

    @property
    def long_box(self) -> FieldBox | None:
        """The text that an editor would be opened for."""
        return None

    def show_section(self, section_id: str, *, enter: bool = False, at: str = "") -> None:
        """Show a part of the form."""

    # -- the library -------------------------------------------------------------------------------

    async def save(self) -> str:
        """Put the draft into the library; the character's id, "" when the person does not want to."""
        require_name(self.draft)
        if await self.draft_store.changed_elsewhere(self.draft):
            question = ConfirmDialog(t("create.elsewhere.title"), t("create.elsewhere.question"))
            if not await self.app.push_screen_wait(question):
                return ""
        async with self._keeping:
            identity = await self.draft_store.save(self.draft)
        self.head.kept = True
        self.follow()
        await self._tell_chat(identity)
        return identity

    async def _tell_chat(self, identity: str) -> None:
        """Let the chat screen show the character under its new name."""
        chat = cast("ChatHost", self.app).chat
        await chat.refresh_roster()
        if chat.character is not None and chat.character.id == identity:
            chat.character = (await self.runtime.library.characters.get(identity)).summary
            chat.header.character = chat.character_name

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_save(self) -> None:
        """Add the character to the library, or save its changes there."""
        was = self.draft.character_id
        try:
            if await self.save():
                key = "create.saved" if was else "create.added"
                self.notify(t(key, name=clean_line(self.draft.card.name, 60)), markup=False, timeout=4)
        except LunaluxError as error:
            self._not_saved(error)

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_chat(self) -> None:
        """Save, and talk with the character at once."""
        try:
            identity = await self.save()
        except LunaluxError as error:
            self._not_saved(error)
            return
        if identity:
            self.lunalux.open_character(identity)

    def _not_saved(self, error: LunaluxError) -> None:
        self.show_failure(error)
        if error.code == "CHARACTER_NAMELESS":
            self.reveal("name")

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_clear(self) -> None:
        """Empty the form; undo brings everything back."""
        empty = Draft.new().snapshot
        self.draft.become(empty, "basics")
        self.follow()
        self.touched()
        self.tell_undo("create.cleared")

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_discard(self) -> None:
        """Back to what the library has; undo brings the changes back."""
        self.draft.become(self.draft.base, "basics")
        self.follow()
        self.touched()
        self.tell_undo("create.discarded")

    # -- files -------------------------------------------------------------------------------------

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_export(self) -> None:
        """Write a card file."""
        from lunalux_tui.create.export_dialog import ExportCardDialog

        picked = await self.app.push_screen_wait(ExportCardDialog(tuple(EXPORTS)))
        if picked is not None:
            target, spec = EXPORTS[picked]
            snapshot = self.draft.snapshot
            await self._write(target, lambda: draft_files.export(snapshot, target, spec))

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_save_json(self) -> None:
        """Write what the preview shows."""
        document = self.draft.document
        await self._write("json", lambda: (dump_json(document, indent=2) + "\n").encode())

    async def _write(self, ending: str, made: Callable[[], bytes]) -> None:
        name = export_name(self.draft.card.name, "", ending)
        where, hint = str(Path.cwd() / name), t("create.export.where_hint")
        answer = await self.app.push_screen_wait(AskDialog(t("create.export.where"), value=where, hint=hint))
        if not answer:
            return
        path = path_of(answer)
        if path.is_dir():
            path = path / name
        if path.exists():
            question = ConfirmDialog(t("create.export.title"), t("create.export.over", path=str(path)))
            if not await self.app.push_screen_wait(question):
                return
        data = await asyncio.to_thread(made)
        await asyncio.to_thread(draft_files.write_export, path, data)
        self.notify(t("create.export.done", path=str(path)), markup=False, timeout=5)

    @work(group="copy", exclusive=True, exit_on_error=False)
    async def action_copy_json(self) -> None:
        """The card as JSON into the clipboard, as far as the terminal has one."""
        document = self.draft.document
        text = await asyncio.to_thread(lambda: dump_json(document, indent=2))
        if os.environ.get("TERM", "") in ("", "dumb", "linux") and not self.app.is_headless:
            self.notify(t("create.copy.cannot"), markup=False, severity="warning")
            return
        self.app.copy_to_clipboard(text)
        if len(text.encode()) > LARGEST_COPY:
            said = t("create.copy.long", n=f"{len(text):,}")
            self.notify(said, markup=False, severity="warning", timeout=6)
        else:
            self.notify(t("create.copy.done"), markup=False, timeout=2)

    # -- the market --------------------------------------------------------------------------------

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_publish(self) -> None:
        """Give the character to the community: language, intro, tags."""
        from lunalux_core.importing import guess_language
        from lunalux_tui.market.publish_dialog import PublishDialog

        try:
            require_name(self.draft)
        except LunaluxError as error:
            self._not_saved(error)
            return
        await self.keep_draft()
        snapshot, card = self.draft.snapshot, self.draft.card
        language = guess_language(card.name + card.first_mes[:2000] + card.description[:2000])

        async def png() -> bytes:
            return await asyncio.to_thread(draft_files.export, snapshot, "png")

        await self.app.push_screen_wait(
            PublishDialog(
                self.runtime,
                self.draft.key or NEW,
                card.name,
                png,
                lang=cast("Lang", language if language in LANGUAGES else "en"),
                intro=BY_ID["user_description"].shown(snapshot.document),
                tags=tuple(split_tags(BY_ID["tags"].shown(snapshot.document)))[:MARKET_TAGS],
            )
        )


def snapshot_name(snapshot: Snapshot) -> str:
    """What a brought card is called."""
    return draft_files.snapshot_name(snapshot) or t("create.nameless")
