"""Words that were written in a dialog and not saved: they are offered again the next time it opens."""

from __future__ import annotations

from lunalux_core.database import Connection, Database
from lunalux_core.library.cells import object_in, plain_text
from lunalux_core.library.program_state import put_state, state_cell

KEPT = 100
"""Drafts kept; the oldest make room."""
_KEY = "unsaved"


class Drafts:
    """The shelf of drafts, by what they are a draft of. In memory first: a full disk loses none of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._here: dict[str, str] = {}

    def of(self, key: str, saved: str = "") -> Draft:
        """The draft of one thing, whose saved words are `saved`."""
        return Draft(self, key, saved)

    async def get(self, of: str) -> str:
        """The draft of something, "" where there is none."""
        if of in self._here:
            return self._here[of]
        return await self._database.read(lambda connection: _all(connection).get(of, ""))

    async def keep(self, of: str, text: str) -> None:
        """Keep a draft in place of an earlier one; "" forgets it."""
        self._here[of] = text

        def change(connection: Connection) -> None:
            drafts = _all(connection)
            if drafts.get(of, "") == text:
                return
            # Taken out first, so that it comes last and the oldest are the ones that make room.
            drafts.pop(of, None)
            if text:
                drafts[of] = text
            newest = dict(list(drafts.items())[-KEPT:])
            put_state(connection, _KEY, newest)

        await self._database.write(change)


class Draft:
    """The draft of one thing."""

    def __init__(self, drafts: Drafts, key: str, saved: str) -> None:
        self._drafts = drafts
        self._key = key
        self._saved = saved

    async def read(self) -> str:
        """What was not saved last time, "" for nothing."""
        kept = await self._drafts.get(self._key)
        # They may have been saved by another program meanwhile, or just before this one was killed.
        return "" if kept == self._saved else kept

    async def keep(self, text: str) -> None:
        """Keep what is being written; the saved words themselves are no draft."""
        await self._drafts.keep(self._key, "" if text == self._saved else text)

    async def forget(self) -> None:
        """The words stand where they belong."""
        await self._drafts.keep(self._key, "")


def _all(connection: Connection) -> dict[str, str]:
    cell = object_in(state_cell(connection, _KEY))
    return {name: plain_text(text) for name, text in cell.items()}
