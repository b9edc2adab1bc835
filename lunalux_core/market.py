"""Market: the community, from disk first.

Lists and search read the local cache; `refresh` and `more` are the only ways to the network, and a list
that has not expired is never fetched again unless the person asks for it. What a person does without a
network (a like) is kept and sent when there is one.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from lunalux_core.config.file_lock import write_whole
from lunalux_core.errors import BackendError, InvalidInput, LunaluxError, NetworkError, NotFound
from lunalux_core.ids import now_ms
from lunalux_core.language import Language
from lunalux_core.library.market_cache import Filters, Listing, MarketCache, MarketCard, Sort

if TYPE_CHECKING:
    from lunalux_core.account import Account
    from lunalux_core.client.backend_client import BackendClient
    from lunalux_core.config.paths import Paths
    from lunalux_core.importing import ImportResult
    from lunalux_core.library import Library
    from lunalux_core.wire.characters import CharacterPageResponse, OwnCharacter

LONGEST_TTL_MS = 7 * 24 * 3600 * 1000
THUMBNAIL_LIMIT = 4 * 1024 * 1024
THUMBNAILS_KEPT = 5000


class Market:
    """What can be done with the community's market: browse, search, like, download, publish.

    Args:
        client: the backend, made on first use.
        account: gives the session that every request needs.
        clock: milliseconds since 1970.
    """

    def __init__(
        self,
        library: Library,
        paths: Paths,
        cache: MarketCache,
        client: Callable[[], BackendClient],
        account: Callable[[], Account],
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._library = library
        self._paths = paths
        self._cache = cache
        self._client = client
        self._account = account
        self._clock = clock
        self._counted: set[str] = set()
        self._thumbnails = _Thumbnails(paths.cache / "thumbnails")
        self._waiting: dict[tuple[Language, Sort], asyncio.Lock] = {}

    def close(self) -> None:
        self._cache.close()

    # -- lists -------------------------------------------------------------------------------------

    async def listing(
        self, lang: Language, sort: Sort, filters: Filters = Filters(), *, limit: int = 100, offset: int = 0
    ) -> Listing:
        """The list as last known, from disk; `fresh` says whether it still stands."""
        return await self._cache.listing(lang, sort, filters, limit=limit, offset=offset)

    async def search(
        self, text: str, lang: Language, sort: Sort, filters: Filters = Filters(), *, limit: int = 100
    ) -> Sequence[MarketCard]:
        """Search the lists on disk; no request."""
        return await self._cache.search(text, lang, sort, filters, limit=limit)

    async def refresh(self, lang: Language, sort: Sort, *, force: bool = False) -> bool:
        """Fetch the first page when the known one has expired; True when it was fetched.

        Raises:
            NetworkError, BackendError: the list on disk is untouched.
        """
        async with self._lock(lang, sort):
            listing = await self._cache.listing(lang, sort, limit=0)
            if listing.fresh(self._clock()) and not force:
                return False
            await self._account().online()
            page = await self._client().market.first_page(sort, lang)
            # A wrong time of the server must neither fetch at every look nor keep a list for years.
            ttl = min(max(page.cache_ttl_millis, 0), LONGEST_TTL_MS)
            await self._cache.replace(lang, sort, _items(page), ttl, page.next_key)
        await self.send_waiting_likes()
        return True

    async def more(self, lang: Language, sort: Sort) -> bool:
        """Fetch the next page of a list; False when there is none."""
        async with self._lock(lang, sort):
            listing = await self._cache.listing(lang, sort, limit=0)
            if listing.next_key is None:
                return False
            await self._account().online()
            try:
                page = await self._client().market.more(sort, lang, listing.next_key)
            except BackendError as error:
                if error.code != "INVALID_REQUEST":
                    raise
                # The key has run out: the list ends here until it is fetched anew.
                await self._cache.append(lang, sort, [], listing.next_key, None)
                return False
            # A key that leads to itself would be asked for without end.
            next_key = page.next_key if page.next_key != listing.next_key else None
            return await self._cache.append(lang, sort, _items(page), listing.next_key, next_key)

    async def count(self, lang: Language, sort: Sort) -> int:
        """How many cards of a list are on disk."""
        return await self._cache.count(lang, sort)

    async def card(self, card_id: str) -> MarketCard:
        """A card of a list on disk. Raises NotFound (CHARACTER_NOT_FOUND)."""
        card = await self._cache.card(card_id)
        if card is None:
            raise NotFound(
                "CHARACTER_NOT_IN_LISTS",
                f"There is no character {card_id!r} in the market as it is known here.",
                "Refresh the market: `lunalux market list --refresh`.",
                name=card_id,
            )
        return card

    async def thumbnail(self, card: MarketCard) -> bytes:
        """The bytes of a card's picture, kept on disk by the URL without its signature.

        Raises:
            NetworkError, BackendError: the picture cannot be had now; URL_EXPIRED when the list is too old.
        """
        path = self._thumbnail_path(card)
        try:
            return await asyncio.to_thread(path.read_bytes)
        except OSError:
            pass
        data = await self._client().exchange.fetch(card.thumbnail, limit=THUMBNAIL_LIMIT)
        await asyncio.to_thread(self._thumbnails.keep, path.name, data)
        return data

    async def forget_thumbnail(self, card: MarketCard) -> None:
        """Throw away the kept bytes of a picture that turned out to be none; the next wish fetches it."""
        await asyncio.to_thread(self._thumbnail_path(card).unlink, missing_ok=True)

    def _thumbnail_path(self, card: MarketCard) -> Path:
        name = hashlib.sha256(card.thumbnail.partition("?")[0].encode()).hexdigest()[:32]
        return self._paths.cache / "thumbnails" / name

    # -- what a person does ------------------------------------------------------------------------

    async def like(self, card_id: str) -> bool:
        """Like once, for good. False when the like waits for a network; it is kept and sent later.

        Raises:
            NotFound: the character is gone. SessionError: nobody is signed in.
        """
        account = self._account()
        await account.load()
        if card_id in account.state.liked:
            return card_id not in await self._likes_waiting()
        sent = True
        try:
            await account.online()
            await self._client().market.like(card_id)
        except NetworkError:
            if not account.state.user_id:
                raise
            await self._change_waiting(lambda waiting: [*waiting, card_id])
            sent = False
        except NotFound:
            await self._cache.remove(card_id)
            raise
        await account.liked(card_id)
        await self._cache.bump(card_id, likes=1)
        return sent

    async def send_waiting_likes(self) -> int:
        """Send likes that were made without a network; returns how many are still waiting."""
        for card_id in await self._likes_waiting():
            try:
                await self._client().market.like(card_id)
            except NotFound:
                pass  # the character is gone: there is nothing to like any more
            except LunaluxError:
                continue
            await self._change_waiting(partial(_without, card_id))
        return len(await self._likes_waiting())

    async def download(self, card_id: str) -> ImportResult:
        """Download, import and bind; a character that is in the library already is only bound.

        Raises:
            NotFound: CHARACTER_NOT_FOUND. NetworkError, BackendError: nothing was changed here.
        """
        from lunalux_core.importing import ImportResult, import_data

        there = await self._library.characters.by_market_id(card_id)
        # Whoever has the card already is no new download.
        skip = there is not None or card_id in self._counted
        try:
            data = await self._fetch(card_id, skip=skip)
        except NotFound:
            await self._cache.remove(card_id)
            raise
        except NetworkError:
            if there is None:
                raise
            data = b""  # it is in the library: nothing has to come for the chat to begin
        if data:
            self._counted.add(card_id)
        if not skip:
            await self._cache.bump(card_id, downloads=1)
        if there is not None:
            await self._library.characters.set_binding(there, active=True, market_id=card_id)
            character = await self._library.characters.get(there)
            return ImportResult(card_id, "duplicate", there, character.name, character.summary.spec)
        return await import_data(self._library, self._paths, data, f"{card_id}.png", market_id=card_id)

    async def publish(
        self,
        png: bytes,
        filename: str,
        lang: Language,
        intro: str,
        *,
        name: str | None = None,
        tags: tuple[str, ...] = (),
        progress: Callable[[str], None] = lambda step: None,
    ) -> str:
        """Publish a PNG card; returns the community id. `progress` hears upload, publish, done.

        An upload that went through is remembered by the content of the file, so that a publish that was
        cut off afterwards goes on from there.

        Raises:
            InvalidInput: INTRO_REQUIRED. BackendError, NetworkError: as the backend says.
        """
        if not intro.strip():
            raise _no_intro()
        await self._account().online()
        ticket = f"upload:{self._account().state.user_id}:{hashlib.sha256(png).hexdigest()}"
        stored = await self._library.state.get(ticket)
        upload_key = stored if isinstance(stored, str) else None
        progress("upload")
        key = upload_key or await self._upload(filename, png)
        for again in (upload_key is not None, False):
            # Remembered before it is published: a program that is killed in between does not upload again.
            await self._library.state.set(ticket, key)
            progress("publish")
            try:
                response = await self._client().market.publish(key, lang, intro, name=name, tags=tags)
            except NetworkError:
                raise
            except LunaluxError as error:
                await self._library.state.set(ticket, None)
                if again and isinstance(error, NotFound):  # the kept upload has run out meanwhile
                    key = await self._upload(filename, png)
                    continue
                raise
            break
        await self._library.state.set(ticket, None)
        progress("done")
        return response.id

    async def mine(self) -> Sequence[OwnCharacter]:
        """The published cards of the account in force, the newest first; hidden ones too."""
        await self._account().online()
        return (await self._client().market.own_characters()).characters

    async def edit(
        self, card_id: str, *, intro: str | None = None, tags: Sequence[str] | None = None
    ) -> None:
        """Change intro or tags of a published card of one's own; what is None stays.

        Raises:
            InvalidInput: INTRO_REQUIRED, for a blank one. NotFound: the character is gone.
            BackendError: FORBIDDEN, it belongs to somebody else. NetworkError: nothing was changed.
        """
        if intro is not None and not intro.strip():
            raise _no_intro()
        await self._account().online()
        await self._client().market.edit(card_id, intro=intro, tags=tags)
        await self._cache.reword(card_id, intro, tags)

    async def withdraw(self, card_id: str) -> None:
        """Take a published card of one's own out of the community, for good; the library keeps the character.

        Raises:
            NotFound: the character is gone. BackendError: FORBIDDEN, it belongs to somebody else.
        """
        await self._account().online()
        await self._client().market.withdraw(card_id)
        await self._cache.remove(card_id)

    async def report(self, card_id: str, reason: str) -> None:
        """Tell the operators of the community what is wrong with a card.

        Raises:
            InvalidInput: REASON_REQUIRED. NotFound: the character is gone.
        """
        if not reason.strip():
            raise InvalidInput(
                "REASON_REQUIRED",
                "A report needs a reason.",
                "Say in a sentence what is wrong with the character.",
            )
        await self._account().online()
        await self._client().market.report(card_id, reason.strip())

    # -- inside ------------------------------------------------------------------------------------

    async def _fetch(self, card_id: str, *, skip: bool) -> bytes:
        await self._account().online()
        client = self._client()
        url = await client.market.presign_original(card_id, skip_count=skip)
        try:
            return await client.exchange.fetch(url)
        except NotFound:
            raise
        except (NetworkError, BackendError):
            # The bucket cannot be reached from here, or the URL ran out: the backend hands the bytes on.
            return await client.market.download_original(card_id, skip_count=True)

    async def _upload(self, filename: str, png: bytes) -> str:
        client = self._client()
        ticket = await client.market.presign_upload(filename, png)
        try:
            await client.exchange.put(ticket.url, png, ticket.headers)
            return ticket.key
        except (NetworkError, BackendError):
            # The bucket cannot be reached from here, or does not take the URL (a clock that goes wrong).
            return (await client.market.upload_direct(filename, png)).key

    async def _likes_waiting(self) -> list[str]:
        return _texts(await self._library.state.get(self._likes_key(), []))

    async def _change_waiting(self, change: Callable[[list[str]], list[str]]) -> None:
        """Add a like to those that wait, or take one away, whatever else is added and sent meanwhile."""
        await self._library.state.update(
            self._likes_key(), lambda kept: list(dict.fromkeys(change(_texts(kept))))
        )

    def _likes_key(self) -> str:
        return f"likes_waiting:{self._account().state.user_id}"

    def _lock(self, lang: Language, sort: Sort) -> asyncio.Lock:
        return self._waiting.setdefault((lang, sort), asyncio.Lock())


def _items(page: CharacterPageResponse) -> list[dict[str, object]]:
    return [card.model_dump(by_alias=True) for card in page.characters]


def _no_intro() -> InvalidInput:
    return InvalidInput(
        "INTRO_REQUIRED", "A published character needs an intro.", "Write one or two sentences about it."
    )


def _texts(value: object) -> list[str]:
    """The texts of a kept list."""
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _without(left_out: str, texts: list[str]) -> list[str]:
    return [text for text in texts if text != left_out]


class _Thumbnails:
    """The folder of kept pictures. It is counted once; what this program keeps is counted as it goes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = -1
        self._lock = Lock()

    def keep(self, name: str, data: bytes) -> None:
        """Write a picture whole or not at all, and let go of the oldest when there are too many."""
        with self._lock, suppress(OSError):  # a cache that cannot be written costs time, nothing else
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._folder / name, data)
            if self._count < 0:
                self._count = sum(1 for _ in self._folder.iterdir())
            else:
                self._count += 1
            if self._count > THUMBNAILS_KEPT:
                self._thin()

    def _thin(self) -> None:
        files = sorted(self._folder.iterdir(), key=lambda file: file.stat().st_mtime)
        # A tenth more than must go, so that not every new picture lists the folder.
        gone = files[: len(files) - THUMBNAILS_KEPT + THUMBNAILS_KEPT // 10]
        for file in gone:
            file.unlink(missing_ok=True)
        self._count = len(files) - len(gone)
