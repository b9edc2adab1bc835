"""The character editor's draft: brought back when the screen opens, kept on every pause, undone, redone."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar

from textual import getters, work
from textual.timer import Timer

from lunalux_core.documents.json_text import dump_json
from lunalux_core.editor.checks import check, tokens
from lunalux_core.editor.draft import Draft
from lunalux_core.editor.draft_store import DraftStore
from lunalux_core.editor.fields import FIELDS
from lunalux_core.errors import LunaluxError, NotFound
from lunalux_tui.create.head import CreateHead
from lunalux_tui.create.json_view import JsonView
from lunalux_tui.i18n import t
from lunalux_tui.parts.picture import Picture
from lunalux_tui.parts.screen import LunaScreen

if TYPE_CHECKING:
    pass

PAUSE = 0.6
"""Seconds without a key after which the draft is kept."""
LONGEST_UNKEPT = 2.0
"""Seconds of typing without such a pause after which it is kept all the same."""
PREVIEW_PAUSE = 0.15


class CreateBase(LunaScreen[None]):
    """Holds the draft; the panes of the screen write into it and call `touched`."""

    PREVIEW: ClassVar[str] = "-preview"

    head = getters.query_one(CreateHead)
    preview = getters.query_one(JsonView)

    def __init__(self) -> None:
        super().__init__()
        self.draft = Draft.new()
        self._ready = False
        self._pause: Timer | None = None
        self._unkept_since = 0.0
        self._preview_pause: Timer | None = None
        self._keeping = asyncio.Lock()

    @property
    def draft_store(self) -> DraftStore:
        return DraftStore(self.runtime.library)

    # -- what is written ---------------------------------------------------------------------------

    async def take_up(self, key: str | None = None) -> None:
        """Go on with a draft by its key (see `DraftStore.open`), or with the one that was open last."""
        await self.keep_draft()
        if key is None:
            key = await self.draft_store.current()
        try:
            self.draft = await self.draft_store.open(key)
        except NotFound:
            self.draft = await self.draft_store.open("")
        self._ready = True
        self.follow()

    def touched(self) -> None:
        """The draft changed: show it everywhere, and keep it when typing pauses or goes on for long."""
        self.head.kept = False
        self.tell_state()
        self.preview_later()
        now = time.monotonic()
        if self._pause is None:
            self._unkept_since = now
        elif now - self._unkept_since > LONGEST_UNKEPT:
            return
        else:
            self._pause.stop()
        self._pause = self.set_timer(PAUSE, self._paused)

    def _paused(self) -> None:
        self._pause = None
        self._keep()

    @work(group="keep", exit_on_error=False)
    async def _keep(self) -> None:
        await self.keep_draft()

    async def keep_draft(self) -> None:
        """Store what is written. Called on every pause, when the screen is left and when the program ends."""
        if not self._ready:
            return
        if self._pause is not None:
            self._pause.stop()
            self._pause = None
        async with self._keeping:  # one after the other, the newest last
            await self.draft_store.keep(self.draft)
        if self.is_mounted:
            self.head.kept = self._pause is None
            self.tell_state()

    def on_screen_suspend(self) -> None:
        if self._pause is not None:
            self._keep()

    # -- what is shown -----------------------------------------------------------------------------

    def follow(self) -> None:
        """Show the draft after it changed as a whole."""
        self.tell_state()
        self.show_picture()
        self.read_panes()
        self.preview_later()

    def read_panes(self) -> None:
        """Let the panes show the draft as it is now."""

    def tell_state(self) -> None:
        """The line at the top."""
        draft, document = self.draft, self.draft.document
        found = check(document)
        head = self.head
        head.name_shown = draft.card.name
        head.is_new = not draft.character_id
        head.unsaved = draft.changed
        head.errors = sum(one.level == "error" for one in found)
        head.warnings = sum(one.level == "warning" for one in found)
        head.tokens = sum(tokens(known.shown(document)) for known in FIELDS if known.sent)
        head.refresh()
        self.refresh_bindings()

    def show_picture(self) -> None:
        """The picture under the list of sections."""
        picture = self.draft.snapshot.picture
        name = self.draft.card.name
        self.query_one("#create-picture", Picture).show(
            picture.data if picture else None, who=name or "?", seed=self.draft.character_id or name
        )

    # -- JSON --------------------------------------------------------------------------------------

    def preview_later(self) -> None:
        """Write the preview again, when it is in view and typing pauses."""
        if not self.has_class(self.PREVIEW):
            return
        if self._preview_pause is not None:
            self._preview_pause.stop()
        self._preview_pause = self.set_timer(PREVIEW_PAUSE, self.show_preview)

    @work(group="preview", exclusive=True, exit_on_error=False)
    async def show_preview(self) -> None:
        """The document as JSON, line by line."""
        document = self.draft.document
        lines = await asyncio.to_thread(lambda: dump_json(document, indent=2).split("\n"))
        self.preview.show(lines)

    def action_preview(self) -> None:
        """Show or hide the JSON beside the form."""
        self.toggle_class(self.PREVIEW)
        if self.has_class(self.PREVIEW):
            self.show_preview()
            if self.has_class("-narrow"):
                self.preview.focus()

    # -- undo --------------------------------------------------------------------------------------

    def action_undo(self) -> None:
        self._went(self.draft.undo())

    def action_redo(self) -> None:
        self._went(self.draft.redo())

    def _went(self, place: str | None) -> None:
        if place is None:
            self.notify(t("create.nothing_undone"), markup=False, timeout=2)
            return
        self.follow()
        self.touched()
        self.reveal(place)

    def reveal(self, place: str) -> None:
        """Go to where something changed."""

    def tell_undo(self, key: str, **params: object) -> None:
        """Say what was done, and that it can be taken back."""
        self.notify(t(key, **params), title="", markup=False, timeout=4)

    def complain(self, error: LunaluxError) -> None:
        """Tell a failure."""
        self.show_failure(error)
