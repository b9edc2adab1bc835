"""What somebody did with market characters: likes, counted downloads, upload tickets.

Rows that ended are treated as gone even while the store still shows them.

See docs/spec/backend.md: Transactions, Counters and ranking, Identity and security.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lunalux_core.backend.repos.characters import CardPlace, Characters, MarketCard, no_character
from lunalux_core.backend.repos.heat import Gain, counting
from lunalux_core.backend.repos.movements import user_pk
from lunalux_core.backend.running.backend_settings import RankingSettings, TableNames
from lunalux_core.backend.running.clock import iso
from lunalux_core.backend.storage.foreign_values import is_number, optional_text, text, whole
from lunalux_core.backend.storage.table import (
    Absent,
    All,
    AnyOf,
    ConditionFailed,
    Delete,
    Ge,
    Item,
    Key,
    Le,
    Operation,
    Put,
    Store,
    rows_of,
)

LIKED, DOWNLOAD, UPLOAD, OWN = "LIKED#", "DL#", "UPLOAD#", "OWN#"
DOWNLOAD_WINDOW_S = 24 * 3600
PAGE = 100
OWN_MOST = 1000
"""Cards of one person that are listed."""
# Shortly before the year 10000, beyond which Python has no dates.
LAST_SECOND = 253_000_000_000


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to publish one uploaded object. `sha256` is the hex digest it must have, None for any."""

    id: str
    user_id: str
    key: str
    size: int
    sha256: str | None
    expires_s: int


class Activity:
    """The liked table.

    Args:
        ttl_s: how long a like lasts, None for ever.
    """

    def __init__(
        self,
        store: Store,
        tables: TableNames,
        characters: Characters,
        ranking: RankingSettings,
        now_ms: Callable[[], int],
        *,
        ttl_s: int | None = None,
    ) -> None:
        self._store, self._tables, self._characters = store, tables, characters
        self._ranking, self._now_ms, self._ttl_s = ranking, now_ms, ttl_s

    async def like(self, user_id: str, character_id: str) -> bool:
        """Like a character; False where that was so already.

        Raises:
            NotFound: CHARACTER_NOT_FOUND.
        """
        gain = Gain({"LikedCount": 1}, self._ranking.like_heat)
        return await self._once(character_id, self._row(user_id, LIKED, character_id, self._ttl_s), gain)

    async def own(self, user_id: str) -> list[str]:
        """Ids of the cards that somebody published, as they were noted then."""
        ids: list[str] = []
        after: Mapping[str, str] | None = None
        while len(ids) < OWN_MOST:
            page = await self._store.query(
                self._tables.liked, user_pk(user_id), prefix=OWN, after=after, limit=PAGE
            )
            ids += [str(row["characterId"]) for row in page.items if row.get("characterId")]
            if (after := page.after) is None:
                break
        return ids

    async def downloaded(self, user_id: str, card: MarketCard) -> bool:
        """Count a download, once a day for each account and never the owner's own."""
        if user_id == card.owner:
            return False
        gain = Gain({"DownloadCount": 1}, self._ranking.download_heat)
        return await self._once(card.id, self._row(user_id, DOWNLOAD, card.id, DOWNLOAD_WINDOW_S), gain)

    async def _once(self, character_id: str, row: dict[str, Any], gain: Gain) -> bool:
        """Write `row` and count `gain`, both or neither; False where the row stands already."""
        place = await self._characters.countable(character_id)
        while place is not None:
            gained = await self._write_once(place, row, gain)
            if gained is not None:
                return gained
            place = await self._characters.moved(place)
        raise no_character(character_id)

    async def _write_once(self, place: CardPlace, row: dict[str, Any], gain: Gain) -> bool | None:
        """None where no visible card is at `place`."""
        now = self._now_ms()
        over = AnyOf(Absent(), Le("expiresAt", now // 1000))
        # The row first: the index of what failed tells a repetition from a card that has moved.
        writes: list[Operation] = [
            Put(self._tables.liked, row, when=over),
            counting(self._characters, place, gain, now),
        ]
        try:
            await self._store.transact(writes)
        except ConditionFailed as failed:
            return False if failed.index == 0 else None
        await self._characters.heated(place, gain.heat)
        return True

    def _row(self, user_id: str, kind: str, character_id: str, ttl_s: int | None) -> dict[str, Any]:
        now = self._now_ms()
        row = {
            "PK": user_pk(user_id),
            "SK": f"{kind}{character_id}",
            "userId": user_id,
            "characterId": character_id,
            "createdAt": iso(now),
        }
        return row if ttl_s is None else {**row, "expiresAt": now // 1000 + ttl_s}

    async def liked(self, user_id: str) -> list[str]:
        """Ids of the characters that somebody likes."""
        rows = rows_of(self._store, self._tables.liked, user_pk(user_id), prefix=LIKED)
        return [str(row["SK"]).removeprefix(LIKED) async for row in rows if not self._over(row)]

    def _over(self, row: Item) -> bool:
        return is_number(row.get("expiresAt")) and row["expiresAt"] <= self._now_ms() // 1000

    async def open_ticket(
        self, user_id: str, upload_id: str, key: str, size: int, sha256: str | None, ttl_s: int
    ) -> Ticket:
        """Note that somebody may upload `size` bytes as the object `key` and publish them.

        The row does not expire by itself: it is the sweep's, or the erasure's, together with the object.
        """
        now = self._now_ms()
        ticket = Ticket(upload_id, user_id, key, size, sha256, now // 1000 + ttl_s)
        row: dict[str, Any] = {
            "PK": user_pk(user_id),
            "SK": f"{UPLOAD}{upload_id}",
            "userId": user_id,
            "key": key,
            "size": size,
            "createdAt": iso(now),
            "endsAt": ticket.expires_s,
        }
        if sha256 is not None:
            row["sha256"] = sha256
        note = _note(ticket, owner=True)
        await self._store.transact(
            [Put(self._tables.liked, row, when=Absent()), Put(self._tables.liked, note, when=None)]
        )
        return ticket

    async def open_uploads(self, user_id: str) -> tuple[int, int]:
        """How many uploads of an account wait to be published, and their bytes."""
        count = size = 0
        async for row in rows_of(self._store, self._tables.liked, user_pk(user_id), prefix=UPLOAD):
            count += 1
            size += max(0, whole(row.get("size")))
        return count, size

    async def ticket(self, user_id: str, upload_id: str) -> Ticket | None:
        """Somebody's own ticket that has not ended."""
        row = await self._store.get(self._tables.liked, Key(user_pk(user_id), f"{UPLOAD}{upload_id}"))
        ends = ending(row) if row is not None else 0
        if row is None or ends <= self._now_ms() // 1000:
            return None
        sha256 = optional_text(row.get("sha256"))
        return Ticket(upload_id, user_id, text(row.get("key")), whole(row.get("size")), sha256, ends)

    def consume(self, ticket: Ticket) -> list[Operation]:
        """What `Characters.publish` does in its transaction: a ticket publishes once, and the account
        notes the card as its own, under the upload's id, for the day it is erased."""
        key, now_s = Key(user_pk(ticket.user_id), f"{UPLOAD}{ticket.id}"), self._now_ms() // 1000
        own = {"PK": key.pk, "SK": f"{OWN}{ticket.id}", "characterId": ticket.id}
        # Tickets of an earlier version end by `expiresAt`.
        lasting = AnyOf(Ge("endsAt", now_s), All(Absent("endsAt"), Ge("expiresAt", now_s)))
        return [
            Delete(self._tables.liked, key, when=lasting),
            Put(self._tables.liked, own, when=None),
            Put(self._tables.liked, _note(ticket, owner=False), when=None),
        ]


def ending(row: Item) -> int:
    """When an upload's ticket ends, in epoch seconds; older rows have it as their time to live."""
    return whole(row.get("endsAt", row.get("expiresAt")))


def note_pk(ends_s: int) -> str:
    """Where the uploads are noted that end on the day of `ends_s`."""
    return f"UPLOADS#{iso(max(0, min(ends_s, LAST_SECOND)) * 1000)[:10].replace('-', '')}"


def note_key(ends_s: int, upload_id: str) -> Key:
    return Key(note_pk(ends_s), upload_id)


def _note(ticket: Ticket, *, owner: bool) -> dict[str, Any]:
    """The row by which the sweep finds an upload; without its owner once it is published."""
    key = note_key(ticket.expires_s, ticket.id)
    row = {"PK": key.pk, "SK": key.sk, "object": ticket.key, "endsAt": ticket.expires_s}
    return row | ({"owner": ticket.user_id} if owner else {})
