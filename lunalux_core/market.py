"""Market: the community, from disk first.

Lists and search read the local shelf; `refresh` and `more` are the only ways to the network, and a list
that has not expired is never fetched again unless the person asks for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lunalux_core.errors import InvalidInput, LunaluxError, NetworkError, NotFound
from lunalux_core.ids import now_ms
from lunalux_core.importing import ImportResult, import_data
from lunalux_core.library.market import Filters, Lang, Listing, MarketCard, MarketShelf, Sort

if TYPE_CHECKING:
    from lunalux_core.account import Account
    from lunalux_core.client.backend import BackendClient
    from lunalux_core.library import Library
    from lunalux_core.paths import Paths


class Market:
    """The verbs of the community.

    Args:
        client: the backend, made on first use.
        account: gives the session that every request needs.
        clock: milliseconds since 1970.
    """

    def __init__(
        self,
        library: Library,
        paths: Paths,
        shelf: MarketShelf,
        client: Callable[[], BackendClient],
        account: Callable[[], Account],
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._library = library
        self._paths = paths
        self._shelf = shelf
        self._client = client
        self._account = account
        self._clock = clock
        self._counted: set[str] = set()
        self._waiting: dict[tuple[Lang, Sort], asyncio.Lock] = {}

    async def listing(
        self, lang: Lang, sort: Sort, filters: Filters = Filters(), *, limit: int = 100, offset: int = 0
    ) -> Listing:
        """The list as last known, from disk; `fresh` says whether it still stands."""
        return await self._shelf.listing(lang, sort, filters, limit=limit, offset=offset)

    async def search(
        self, text: str, lang: Lang, sort: Sort, filters: Filters = Filters(), *, limit: int = 100
    ) -> Sequence[MarketCard]:
        """Search the lists on disk; no request."""
        return await self._shelf.search(text, lang, sort, filters, limit=limit)

    async def refresh(self, lang: Lang, sort: Sort, *, force: bool = False) -> bool:
        """Fetch the first page when the known one has expired; True when it was fetched.

        Raises:
            NetworkError, BackendError: the list on disk is untouched.
        """
        async with self._waiting.setdefault((lang, sort), asyncio.Lock()):
            known = await self._shelf.listing(lang, sort, limit=0)
            if known.fresh(self._clock()) and not force:
                return False
            await self._account().ensure()
            page = await self._client().first_page(sort, lang)
            items = [card.model_dump(by_alias=True) for card in page.characters]
            await self._shelf.replace(lang, sort, items, page.cache_ttl_millis, page.next_key)
            return True

    async def more(self, lang: Lang, sort: Sort) -> bool:
        """Fetch the next page of a list; False when there is none."""
        async with self._waiting.setdefault((lang, sort), asyncio.Lock()):
            known = await self._shelf.listing(lang, sort, limit=0)
            if known.next_key is None:
                return False
            await self._account().ensure()
            page = await self._client().more(sort, lang, known.next_key)
            items = [card.model_dump(by_alias=True) for card in page.characters]
            await self._shelf.append(lang, sort, items, page.cache_ttl_millis, page.next_key)
            return True

    async def card(self, card_id: str) -> MarketCard:
        """A card of a list on disk. Raises NotFound (CHARACTER_NOT_FOUND)."""
        found = await self._shelf.card(card_id)
        if found is None:
            raise NotFound(
                "CHARACTER_NOT_FOUND",
                f"There is no character {card_id!r} in the market as it is known here.",
                "Refresh the market: `lunalux market list --refresh`.",
                name=card_id,
            )
        return found

    async def thumbnail(self, card: MarketCard) -> bytes:
        """The bytes of a card's picture, kept on disk by the card's id and the URL without its signature."""
        import hashlib

        name = hashlib.sha256(card.thumbnail.partition("?")[0].encode()).hexdigest()[:32]
        path = self._paths.cache / "thumbnails" / name
        try:
            return await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:
            pass
        data = await self._client().fetch(card.thumbnail)

        def keep() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".new")
            temporary.write_bytes(data)
            temporary.replace(path)

        await asyncio.to_thread(keep)
        return data

    async def like(self, card_id: str) -> None:
        """Like once, for good. Without a network the like is kept and sent later."""
        account = self._account()
        await account.load()
        if card_id in account.state.liked:
            return
        await account.liked(card_id)
        await self._shelf.bump(card_id, likes=1)
        try:
            await account.ensure()
            await self._client().like(card_id)
        except NetworkError:
            pending = await self._library.state.get("likes_waiting", [])
            await self._library.state.set("likes_waiting", [*pending, card_id])

    async def send_waiting_likes(self) -> int:
        """Send likes that were made without a network; returns how many are still waiting."""
        pending = await self._library.state.get("likes_waiting", [])
        left = []
        for card_id in pending:
            try:
                await self._client().like(card_id)
            except NetworkError:
                left.append(card_id)
            except LunaluxError:
                continue  # the character is gone: there is nothing to like any more
        if left != pending:
            await self._library.state.set("likes_waiting", left)
        return len(left)

    async def download(self, card_id: str) -> ImportResult:
        """Download, import and bind; a character that is in the library already is only bound.

        Raises:
            NotFound: CHARACTER_NOT_FOUND. NetworkError, BackendError: nothing was changed here.
        """
        await self._account().ensure()
        there = await self._library.characters.by_market_id(card_id)
        skip = there is not None or card_id in self._counted
        try:
            data = await self._fetch(card_id, skip=skip)
        except NotFound:
            await self._shelf.remove(card_id)
            raise
        self._counted.add(card_id)
        if not skip:
            await self._shelf.bump(card_id, downloads=1)
        if there is not None:
            await self._library.characters.set_binding(there, active=True, market_id=card_id)
            character = await self._library.characters.get(there)
            return ImportResult(card_id, "duplicate", there, character.name, character.summary.spec)
        return await import_data(self._library, self._paths, data, f"{card_id}.png", market_id=card_id)

    async def _fetch(self, card_id: str, *, skip: bool) -> bytes:
        client = self._client()
        url = await client.presign_original(card_id, skip_count=skip)
        try:
            return await client.fetch(url)
        except NotFound:
            raise
        except LunaluxError:
            # The bucket cannot be reached from here, or the URL ran out: the backend hands the bytes on.
            return await client.download_original(card_id, skip_count=True)

    async def publish(
        self,
        png: bytes,
        filename: str,
        lang: Lang,
        intro: str,
        *,
        name: str | None = None,
        tags: tuple[str, ...] = (),
        progress: Callable[[str], None] = lambda step: None,
    ) -> str:
        """Publish a PNG card; returns the community id. `progress` hears upload, publish, done.

        An upload that went through is remembered by the content of the file, so that a publish that
        failed afterwards goes on from there.

        Raises:
            InvalidInput: INTRO_REQUIRED. BackendError, NetworkError: as the backend says.
        """
        import hashlib

        if not intro.strip():
            raise InvalidInput(
                "INTRO_REQUIRED",
                "A published character needs an intro.",
                "Write one or two sentences about it.",
            )
        await self._account().ensure()
        ticket = f"upload:{hashlib.sha256(png).hexdigest()}"
        progress("upload")
        key = await self._library.state.get(ticket) or await self._upload(filename, png)
        await self._library.state.set(ticket, key)
        progress("publish")
        try:
            done = await self._client().publish(key, lang, intro, name=name, tags=tags)
        except LunaluxError as error:
            if not isinstance(error, NetworkError):
                await self._library.state.set(ticket, None)
            raise
        await self._library.state.set(ticket, None)
        progress("done")
        return done.id

    async def _upload(self, filename: str, png: bytes) -> str:
        client = self._client()
        try:
            ticket = await client.presign_upload(filename, png)
            await client.put(ticket.url, png, ticket.headers)
            return ticket.key
        except NetworkError:
            return (await client.upload_direct(filename, png)).key
