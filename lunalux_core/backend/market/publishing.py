"""From an upload to a card on the market.

Everything that a stranger sent is judged before anything is kept: the ticket, the size, the picture's
header, the card's text. The published file is written anew under a name of the server's: the picture and
the card, nothing else. Blobs come first and the row last, so a crash leaves no card without its picture.

See docs/spec/backend.md: Transactions, Identity and security.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from lunalux_core.backend.market.png_inspection import inspect
from lunalux_core.backend.repos.activity import Ticket
from lunalux_core.backend.repos.characters import MarketCard, NewCard
from lunalux_core.backend.running.services import Services
from lunalux_core.backend.running.signatures import original_key, published_key, thumbnail_key
from lunalux_core.backend.web.refusals import rate_limited, refuse
from lunalux_core.cards.card import Card
from lunalux_core.cards.png_card import read_png, write_png
from lunalux_core.errors import BackendError, InvalidInput
from lunalux_core.ids import uuid4
from lunalux_core.language import Language
from lunalux_core.text import clean, clean_line, is_blank

PNG, WEBP = "image/png", "image/webp"
UPLOAD_SECONDS = 15 * 60
TICKET_SECONDS = 24 * 3600
MOST_OPEN_UPLOADS = 64
MOST_OPEN_BYTES = 128 * 1024 * 1024
"""Of one account, uploaded or announced but not yet published."""
OPEN_UPLOADS_RETRY_SECONDS = 3600
NAME_CHARS, INTRO_CHARS, TAG_CHARS = 100, 4000, 32
_UPLOAD_ID = re.compile(r"/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.png\Z")


@dataclass(frozen=True, slots=True)
class PublishingWish:
    """What the owner wants to publish. `name` None takes the card's."""

    key: str
    language: Language
    intro: str
    name: str | None
    tags: Sequence[str]


class Publishing:
    """Uploads and publications of one account."""

    def __init__(self, services: Services, user_id: str) -> None:
        self._services, self._user_id = services, user_id

    async def open_ticket(self, size: int, sha256: str | None) -> Ticket:
        """The right to upload `size` bytes under a name of ours and publish them within a day.

        Raises:
            BackendError: TOO_LARGE, INVALID_REQUEST, RATE_LIMITED with too many that wait.
        """
        most = self._services.settings.max_upload_bytes
        if size > most:
            raise refuse("TOO_LARGE", f"A card may have at most {most} bytes.", limit=most)
        if size < 1:
            raise refuse("INVALID_REQUEST", "An empty file cannot be published.")
        if self._services.settings.rate_limits:
            waiting, waiting_bytes = await self._services.activity.open_uploads(self._user_id)
            if waiting >= MOST_OPEN_UPLOADS or waiting_bytes + size > MOST_OPEN_BYTES:
                raise rate_limited(OPEN_UPLOADS_RETRY_SECONDS)
        upload_id = uuid4()
        key = original_key(self._services.settings.original_prefix, self._user_id, upload_id)
        return await self._services.activity.open_ticket(
            self._user_id, upload_id, key, size, sha256.lower() if sha256 else None, TICKET_SECONDS
        )

    async def store(self, data: bytes) -> Ticket:
        """Keep an upload that came through the server.

        Raises:
            InvalidInput: INVALID_CARD, it is no PNG.
        """
        # What is no picture gets no ticket.
        await asyncio.to_thread(inspect, data)
        ticket = await self.open_ticket(len(data), hashlib.sha256(data).hexdigest())
        await self._services.blobs.put(ticket.key, data, PNG)
        return ticket

    async def publish(self, wish: PublishingWish) -> str:
        """Put the card on the market; returns its id. Asking again for the same upload gives the same id.

        Raises:
            BackendError: INTRO_REQUIRED, UPLOAD_NOT_FOUND, TOO_LARGE. InvalidInput: INVALID_CARD.
        """
        intro = clean(wish.intro).strip()[:INTRO_CHARS]
        if is_blank(intro):
            raise refuse("INTRO_REQUIRED", "A published character needs an intro.")
        upload_id = self._upload_id(wish.key)
        ticket = await self._services.activity.ticket(self._user_id, upload_id)
        # With the card on the market the ticket is gone: this is a retry whose first answer was lost.
        if ticket is None or ticket.key != wish.key:
            return await self._published_before(upload_id)
        data = await self._uploaded(ticket)
        picture, card = await asyncio.to_thread(_read, data)
        name = clean_line(wish.name or "", NAME_CHARS) or clean_line(card.name, NAME_CHARS)
        if not name:
            raise _invalid("The card has no name.")
        thumbnail = await self._services.thumbnails.make(picture)
        original = await asyncio.to_thread(write_png, picture, card)
        creator = clean_line(card.creator, NAME_CHARS)
        new = await self._store_pictures(upload_id, original, thumbnail, name, intro, creator, wish)
        try:
            published = await self._services.characters.publish(new, self._services.activity.consume(ticket))
        except BackendError as error:
            if error.code != "UPLOAD_NOT_FOUND":
                raise
            return await self._published_before(upload_id)
        # Last: until the row stands, a retry needs the upload.
        await self._services.blobs.delete(ticket.key)
        await self._show(published)
        return published.id

    def _upload_id(self, key: str) -> str:
        """The upload's id in a key that can only be this account's."""
        match = _UPLOAD_ID.search(key)
        prefix = self._services.settings.original_prefix
        own = "" if match is None else original_key(prefix, self._user_id, match[1])
        if match is None or key not in (own, own.replace("/u-", "/")):  # the latter from before the mark
            raise _not_found()
        return match[1]

    async def _published_before(self, upload_id: str) -> str:
        """The card that this upload became already; a retry is no second publication."""
        card = await self._services.characters.find(upload_id)
        if card is None or card.owner != self._user_id:
            raise _not_found()
        return card.id

    async def _uploaded(self, ticket: Ticket) -> bytes:
        """The uploaded bytes, read only once their size is known to be what was announced."""
        head = await self._services.blobs.head(ticket.key)
        if head is None:
            raise _not_found()
        if head.size > self._services.settings.max_upload_bytes:
            raise refuse("TOO_LARGE", "The uploaded file is too large.")
        if head.size != ticket.size:
            raise _invalid("The uploaded file has another size than was announced.")
        data = await self._services.blobs.get(ticket.key)
        if data is None:
            raise _not_found()
        if ticket.sha256 is not None and hashlib.sha256(data).hexdigest() != ticket.sha256:
            raise _invalid("The uploaded file is not the one that was announced.")
        return data

    async def _store_pictures(
        self,
        card_id: str,
        original: bytes,
        thumbnail: bytes,
        name: str,
        intro: str,
        creator: str,
        wish: PublishingWish,
    ) -> NewCard:
        settings, blobs = self._services.settings, self._services.blobs
        image = published_key(settings.original_prefix, card_id)
        small = thumbnail_key(settings.thumbnail_prefix, card_id)
        # Replaced, for a retry after a crash finds the files of the first try.
        await asyncio.gather(
            blobs.put(image, original, PNG, replace=True), blobs.put(small, thumbnail, WEBP, replace=True)
        )
        return NewCard(
            id=card_id,
            name=name,
            language=wish.language,
            thumbnail_url=f"s3://{settings.bucket}/{small}",
            image_url=f"s3://{settings.bucket}/{image}",
            intro=intro,
            tags=clean_tags(wish.tags),
            owner=self._user_id,
            creator=creator,
        )

    async def _show(self, card: MarketCard) -> None:
        """Embedded, the new card is on the pages at once; elsewhere the timer's batch puts it there."""
        if self._services.rank_on_request:
            await self._services.ranking.drain(card.language, "time")
            await self._services.ranking.drain(card.language, "hot")
            self._services.touched(card.language)


def clean_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Up to ten different tags, each a short line without control characters."""
    lines = (clean_line(tag, TAG_CHARS) for tag in tags)
    return tuple(dict.fromkeys(line for line in lines if line))[:10]


def _read(data: bytes) -> tuple[bytes, Card]:
    """The bare picture and the card of an uploaded file.

    Raises:
        InvalidInput: INVALID_CARD for all that is wrong with either.
    """
    picture = inspect(data)
    try:
        card = read_png(data).card
    except InvalidInput as error:
        raise _invalid(error.message) from error
    return picture.bare, card


def _invalid(message: str) -> InvalidInput:
    return InvalidInput("INVALID_CARD", message, "Export the card again as PNG and publish that file.")


def _not_found() -> BackendError:
    return refuse("UPLOAD_NOT_FOUND", "There is no such upload of yours, or it has expired.")
