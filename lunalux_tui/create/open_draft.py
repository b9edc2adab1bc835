"""The draft that is open in the character editor: brought back, kept on every pause, saved."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from lunalux_core.editor.draft import Draft
from lunalux_core.editor.draft_store import DraftStore
from lunalux_core.errors import NotFound

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime

PAUSE = 0.6
"""Seconds without a key after which the draft is kept."""
LONGEST_UNKEPT = 2.0
"""Seconds of typing without such a pause after which it is kept all the same."""


class Pause(Protocol):
    """A call that comes after a while."""

    def stop(self) -> None:
        """Let it not come."""


class DraftView(Protocol):
    """Where the draft is shown and written into."""

    @property
    def runtime(self) -> Runtime:
        """The core with the library that drafts are kept in."""

    def show_draft(self) -> None:
        """Show the draft after it changed as a whole."""

    def show_draft_state(self) -> None:
        """Show how it stands: whether it is kept and saved, what is wrong with it."""

    def set_timer(self, delay: float, callback: Callable[[], None]) -> Pause:
        """Call something in so many seconds."""

    def keep_in_background(self) -> object:
        """Run `OpenDraft.keep` beside what the person does."""


class OpenDraft:
    """Holds the draft; whoever writes into it calls `touched`."""

    def __init__(self, view: DraftView) -> None:
        self._view = view
        self.draft = Draft.new()
        self.kept = True
        """Whether everything that is written is on disk."""

        self._taken_up = False
        self._pause: Pause | None = None
        self._unkept_since = 0.0
        self._keeping = asyncio.Lock()

    @property
    def store(self) -> DraftStore:
        return DraftStore(self._view.runtime.library)

    async def take_up(self, key: str | None = None) -> None:
        """Go on with a draft by its key (see `DraftStore.open`), or with the one that was open last."""
        await self.keep()
        if key is None:
            key = await self.store.current()
        try:
            self.draft = await self.store.open(key)
        except NotFound:
            # Its character was deleted, and nothing of it was unsaved.
            self.draft = await self.store.open("")
        self._taken_up = True
        self._view.show_draft()

    def touched(self) -> None:
        """The draft changed: keep it when typing pauses or goes on for long."""
        self.kept = False
        self._view.show_draft_state()
        now = time.monotonic()
        # The first change since the last keeping; the bound for typing without a pause counts from here.
        if self._pause is None:
            self._unkept_since = now
        # The timer that runs is no longer put off.
        elif now - self._unkept_since > LONGEST_UNKEPT:
            return
        else:
            self._pause.stop()
        self._pause = self._view.set_timer(PAUSE, self._paused)

    def _paused(self) -> None:
        self._pause = None
        self._view.keep_in_background()

    def left(self) -> None:
        """The person goes elsewhere: what waits for a pause is kept now."""
        if self._pause is not None:
            self._view.keep_in_background()

    async def keep(self) -> None:
        """Store what is written. Called on every pause, when the screen is left and when the program ends."""
        # Until then the draft is an empty one, which must not take the place of what is stored.
        if not self._taken_up:
            return
        if self._pause is not None:
            self._pause.stop()
            self._pause = None
        async with self._keeping:  # one after the other, the newest last
            await self.store.keep(self.draft)
        # Typing that went on meanwhile has set the next pause.
        self.kept = self._pause is None
        self._view.show_draft_state()

    async def save(self) -> str:
        """Put the draft into the library; the character's id. Raises as `DraftStore.save` does."""
        async with self._keeping:
            identity = await self.store.save(self.draft)
        self.kept = True
        self._view.show_draft()
        return identity
