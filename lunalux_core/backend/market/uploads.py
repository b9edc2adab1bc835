"""Uploads that nobody published: their objects, tickets and notes are taken away when they have ended.

Every ticket leaves a note under the day it ends, `UPLOADS#yyyymmdd`, which outlives the ticket: so whatever
arrives under a signed address is found again, published or not. The published file is another object.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from lunalux_core.backend.repos.activity import UPLOAD, note_pk
from lunalux_core.backend.repos.movements import user_pk
from lunalux_core.backend.running.backend_settings import DAY_SECONDS, BackendSettings
from lunalux_core.backend.running.logs import logger
from lunalux_core.backend.running.signatures import published_key, thumbnail_key
from lunalux_core.backend.storage.blobs import Blobs
from lunalux_core.backend.storage.foreign_values import text, whole
from lunalux_core.backend.storage.table import Delete, Item, Key, Store, rows_of
from lunalux_core.errors import InvalidInput

GRACE_SECONDS = 3600
"""Nothing that publishes an upload before its end is still at it so long afterwards."""
LOOK_BACK_DAYS = 14


class Uploads:
    """The sweep of the liked table's uploads."""

    def __init__(
        self, store: Store, settings: BackendSettings, blobs: Blobs, now_ms: Callable[[], int]
    ) -> None:
        self._store, self._table, self._blobs, self._now_ms = store, settings.tables.liked, blobs, now_ms
        self._originals, self._thumbnails = settings.original_prefix, settings.thumbnail_prefix

    async def ended(self) -> AsyncIterator[Item]:
        """The notes of the uploads that have ended."""
        over_s = self._now_ms() // 1000 - GRACE_SECONDS
        for days in range(LOOK_BACK_DAYS, -1, -1):
            async for row in rows_of(self._store, self._table, note_pk(over_s - days * DAY_SECONDS)):
                if whole(row.get("endsAt")) <= over_s:
                    yield row

    async def take_away(self, note: Item) -> bool:
        """Delete what an ended upload left: the object first, then what would find it again."""
        # The note goes last: broken off anywhere, the next sweep finds it and takes the same steps again.
        await self._delete(text(note.get("object")))
        owner, upload_id = text(note.get("owner")), str(note["SK"])
        if owner:
            ticket = Key(user_pk(owner), f"{UPLOAD}{upload_id}")
            row = await self._store.get(self._table, ticket)
            if row is not None:  # a publication that broke off may have left its pictures, but no card
                await self._delete(published_key(self._originals, upload_id))
                await self._delete(thumbnail_key(self._thumbnails, upload_id))
                await self._store.write(Delete(self._table, ticket))
        await self._store.write(Delete(self._table, Key(str(note["PK"]), str(note["SK"]))))
        return True

    async def _delete(self, name: str) -> None:
        try:
            await self._blobs.delete(name)
        except InvalidInput:
            logger.warning("an upload's note names no object")
