"""Which character is in the editor, and what becomes of it: the library, the market."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from lunalux_core.editor import draft_files as draft_files
from lunalux_core.editor.card_fields import BY_ID, split_tags
from lunalux_core.editor.draft import Draft
from lunalux_core.editor.draft_checks import MARKET_TAGS, require_name
from lunalux_core.errors import LunaluxError
from lunalux_core.text import clean_line
from lunalux_tui.i18n import LANGUAGES, t
from lunalux_tui.parts.ask_dialog import ConfirmDialog
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row

if TYPE_CHECKING:
    from lunalux_core.language import Language
    from lunalux_tui.create.editor_view import EditorView
    from lunalux_tui.create.open_draft import OpenDraft

NEW, OPEN = "new", "open "
"""Ids of rows: one begins a character, the others go on with a draft or a character by its key."""


class LibraryActions:
    """Each asks what it needs to know, and tells how it went."""

    def __init__(self, view: EditorView, open_draft: OpenDraft) -> None:
        self._view = view
        self._open = open_draft

    @property
    def _draft(self) -> Draft:
        return self._open.draft

    # -- which character -----------------------------------------------------------------------------

    async def choose(self) -> None:
        """Go on with a draft, change a character of the library, or begin a new one."""
        # So that the list knows what was typed last.
        await self._open.keep()
        waiting = {draft.key: draft for draft in await self._open.store.drafts()}
        rows = [Row(NEW, t("create.open.new"), mark="+")]
        for draft in waiting.values():
            if draft.is_new:
                title = draft.name or t("create.nameless")
                rows.append(Row(OPEN + draft.key, title, right=t("create.open.draft"), mark="✎"))
        characters = await self._view.runtime.library.characters.list()
        for character in characters:
            note, mark = (t("create.open.unsaved"), "✎") if character.id in waiting else ("", "·")
            rows.append(Row(OPEN + character.id, character.name, right=note, mark=mark))
        # Of characters that were deleted meanwhile, what was written about them is still there.
        there = {character.id for character in characters}
        rows += [
            Row(OPEN + lost.key, lost.name, right=t("create.open.gone"), mark="✎")
            for lost in waiting.values()
            if not lost.is_new and lost.key not in there
        ]
        current, hint = OPEN + self._draft.key, t("create.open.hint")
        picked = await self._view.ask(PickDialog(t("create.open.title"), rows, current=current, hint=hint))
        if picked is not None:
            key = await self._open.store.free_slot() if picked == NEW else picked.removeprefix(OPEN)
            await self._open.take_up(key)
            self._view.show_section("basics")

    async def choose_tags(self) -> None:
        """Choose tags from the list of the settings."""
        from lunalux_tui.create.tags_dialog import TagsDialog

        settings, field = self._view.runtime.settings, BY_ID["tags"]
        offered = settings.tags_zh if settings.lang == "zh" else settings.tags_en
        answer = await self._view.ask(TagsDialog(offered, split_tags(field.shown(self._draft.document))))
        if answer is not None:
            self._draft.write(field, answer)
            self._view.draft_replaced()

    # -- the library ---------------------------------------------------------------------------------

    async def save(self) -> str:
        """Put the draft into the library; the character's id, or "" when the person knows why not."""
        try:
            require_name(self._draft)
            if await self._open.store.changed_elsewhere(self._draft):
                question = ConfirmDialog(t("create.elsewhere.title"), t("create.elsewhere.question"))
                if not await self._view.ask(question):
                    return ""
            identity = await self._open.save()
            await self._view.show_in_chat(identity)
        except LunaluxError as error:
            self._not_saved(error)
            return ""
        return identity

    async def save_and_tell(self) -> None:
        """Add the character to the library, or save its changes there."""
        was = self._draft.character_id
        if await self.save():
            key = "create.saved" if was else "create.added"
            name = clean_line(self._draft.card.name, 60)
            self._view.notify(t(key, name=name), markup=False, timeout=4)

    def _not_saved(self, error: LunaluxError) -> None:
        self._view.show_failure(error)
        if error.code == "CHARACTER_NAMELESS":
            self._view.reveal("name")

    def clear(self) -> None:
        """Empty the form; undo brings everything back."""
        empty = Draft.new().snapshot
        self._draft.become(empty, "basics")
        self._view.draft_replaced()
        self._view.tell_undo("create.cleared")

    def discard(self) -> None:
        """Back to what the library has; undo brings the changes back."""
        self._draft.become(self._draft.base, "basics")
        self._view.draft_replaced()
        self._view.tell_undo("create.discarded")

    # -- the market ----------------------------------------------------------------------------------

    async def publish(self) -> None:
        """Give the character to the community: language, intro, tags."""
        from lunalux_core.importing import guess_language
        from lunalux_tui.market.publish_dialog import PublishDialog, draft_of

        try:
            require_name(self._draft)
        except LunaluxError as error:
            self._not_saved(error)
            return
        await self._open.keep()
        snapshot, card = self._draft.snapshot, self._draft.card
        # The beginnings are enough for a guess; whole cards can be hundreds of kilobytes.
        language = guess_language(card.name + card.first_mes[:2000] + card.description[:2000])

        async def png() -> bytes:
            return await asyncio.to_thread(draft_files.export, snapshot, "png")

        key = self._draft.key or NEW
        await self._view.ask(
            PublishDialog(
                self._view.runtime,
                key,
                card.name,
                png,
                lang=cast("Language", language if language in LANGUAGES else "en"),
                intro=BY_ID["user_description"].shown(snapshot.document),
                tags=tuple(split_tags(BY_ID["tags"].shown(snapshot.document)))[:MARKET_TAGS],
                draft=await draft_of(self._view.runtime, key),
            )
        )
