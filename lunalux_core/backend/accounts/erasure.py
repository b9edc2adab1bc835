"""Erasing an account: nothing that names or describes a person stays.

It begins with a mark, `USER#{u}` / `ERASE`, in the ledger table, and ends with taking it away. Every step
between may be repeated, so the sweep finishes what a crash interrupted:

1. the way in: the identity, so that nobody signs in any more, and the session;
2. the account's own rows with its username, in one transaction;
3. what hangs on them: cards with their files, uploads, likes, movements.

What stays says nothing about anybody: claims of coupons and invitations that counted, under a random id, and
complaints about other people's cards, which an operator may still have to judge.

See docs/spec/backend.md: Identity and security.
"""

from __future__ import annotations

from collections.abc import Callable

from lunalux_core.backend.accounts.identity import Identity
from lunalux_core.backend.accounts.sessions import Sessions
from lunalux_core.backend.market.wire_pages import object_key
from lunalux_core.backend.repos.activity import OWN, UPLOAD, ending, note_key
from lunalux_core.backend.repos.characters import Characters
from lunalux_core.backend.repos.movements import ERASE, erasing, user_pk
from lunalux_core.backend.repos.users import Users
from lunalux_core.backend.running.backend_settings import TableNames
from lunalux_core.backend.storage.blobs import Blobs
from lunalux_core.backend.storage.foreign_values import text
from lunalux_core.backend.storage.table import Delete, Item, Key, Put, Store, rows_of
from lunalux_core.errors import InvalidInput
from lunalux_core.language import Language


class Erasure:
    """Takes accounts away, over the repositories that hold their parts.

    Args:
        forget: told the language of every card that left the market.
    """

    def __init__(
        self,
        store: Store,
        tables: TableNames,
        users: Users,
        characters: Characters,
        blobs: Blobs,
        identity: Identity,
        sessions: Sessions,
        now_ms: Callable[[], int],
        forget: Callable[[Language], None] = lambda lang: None,
    ) -> None:
        self._store, self._tables, self._now_ms, self._forget = store, tables, now_ms, forget
        self._users, self._characters, self._blobs = users, characters, blobs
        self._identity, self._sessions = identity, sessions

    async def erase(self, user_id: str, email: str) -> None:
        """Erase an account for good; to repeat it does no harm.

        Args:
            email: the address it signs in with, empty where there is none.
        """
        mark = erasing(user_id, email, self._now_ms())
        await self._store.write(Put(self._tables.ledger, mark, when=None))
        await self.finish(mark)

    async def finish(self, mark: Item) -> None:
        """Do what an erasure's mark asks for, from wherever it stopped."""
        user_id = str(mark["PK"]).removeprefix("USER#")
        if email := text(mark.get("email")):
            await self._identity.remove(email, user_id)
        await self._sessions.bury(user_id)
        await self._users.erase(user_id)
        # Before the rows that say which cards and uploads are the account's are taken away.
        await self._erase_cards(user_id)
        for table, spared in ((self._tables.liked, ""), (self._tables.ledger, ERASE)):
            async for row in rows_of(self._store, table, user_pk(user_id)):
                if row["SK"] != spared:
                    await self._store.write(Delete(table, Key(row["PK"], row["SK"]), when=None))
        # Last of all: as long as the mark stands, the sweep goes on after a crash.
        await self._store.write(Delete(self._tables.ledger, Key(user_pk(user_id), ERASE), when=None))

    async def _erase_cards(self, user_id: str) -> None:
        """Cards and uploads with their files; their rows of the liked table go with the others."""
        async for row in rows_of(self._store, self._tables.liked, user_pk(user_id)):
            kind, _, rest = str(row["SK"]).partition("#")
            if kind + "#" == UPLOAD:
                await self._erase_upload(row, rest)
            elif kind + "#" == OWN:
                await self._erase_card(rest, user_id)

    async def _erase_upload(self, row: Item, upload_id: str) -> None:
        try:
            await self._blobs.delete(text(row.get("key")))
        except InvalidInput:
            pass  # the row names no object
        await self._store.write(Delete(self._tables.liked, note_key(ending(row), upload_id), when=None))

    async def _erase_card(self, character_id: str, user_id: str) -> None:
        card = await self._characters.erase(character_id, user_id)
        if card is None:
            return
        for address in (card.image_url, card.thumbnail_url):
            if (key := object_key(address)) is not None:
                await self._blobs.delete(key)
        await self._characters.disown(card)
        self._forget(card.language)

    async def adopt(self, user_id: str) -> int:
        """Note the account's cards that are older than the notes; reads both markets, for operators."""
        count = 0
        async for card_id in self._characters.owned_by(user_id):
            row = {"PK": user_pk(user_id), "SK": f"{OWN}{card_id}", "characterId": card_id}
            await self._store.write(Put(self._tables.liked, row, when=None))
            count += 1
        return count
