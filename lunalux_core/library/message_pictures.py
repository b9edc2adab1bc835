"""Pictures of messages: their bytes, once for the same picture, and those that wait beside a draft.

Which messages show a picture is noted by the database itself (`migrations.PICTURES`), so that whatever
stores, copies or deletes messages needs not know of pictures. One that no message, draft or undo shows goes
when a conversation is deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from lunalux_core.database import Connection, Database
from lunalux_core.documents.picture_refs import MOST_EACH, Attachment, PictureRef, picture_name
from lunalux_core.errors import LimitExceeded
from lunalux_core.ids import now_ms
from lunalux_core.library.cells import plain_text, whole_number
from lunalux_core.library.parts import in_parts

if TYPE_CHECKING:
    from pathlib import Path


class Pictures:
    """The shelf of pictures."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def data(self, picture_hash: str) -> bytes:
        """The bytes of a picture; nothing where it is gone."""
        pictures = await self._database.read(lambda c: load_pictures(c, [picture_hash]))
        return pictures.get(picture_hash, b"")

    async def draft(self, conversation_id: str) -> Sequence[PictureRef]:
        """The pictures that wait beside the draft of a conversation, in their order."""
        return await self._database.read(lambda c: drafted(c, conversation_id))

    async def attach(self, conversation_id: str, attachment: Attachment) -> Sequence[PictureRef]:
        """Put a picture beside the draft; all that wait there then.

        Raises:
            LimitExceeded: PICTURES_TOO_MANY.
        """

        def change(connection: Connection) -> Sequence[PictureRef]:
            there = drafted(connection, conversation_id)
            # One that waits there already may be put again; it moves to the end.
            if len(there) >= MOST_EACH and all(ref.hash != attachment.ref.hash for ref in there):
                raise too_many()
            store_picture(connection, attachment)
            connection.execute(
                "INSERT OR REPLACE INTO draft_pictures (conversation_id, hash, place, name) VALUES (?, ?, "
                "(SELECT coalesce(max(place), 0) + 1 FROM draft_pictures WHERE conversation_id = ?1), ?)",
                (conversation_id, attachment.ref.hash, attachment.ref.name),
            )
            return drafted(connection, conversation_id)

        return await self._database.write(change)

    async def detach(self, conversation_id: str, picture_hash: str = "") -> Sequence[PictureRef]:
        """Take a picture from beside the draft, without a hash the last one; what waits there then."""

        def change(connection: Connection) -> Sequence[PictureRef]:
            there = drafted(connection, conversation_id)
            gone = picture_hash or (there[-1].hash if there else "")
            remove_drafted(connection, conversation_id, [gone])
            # Undo may still bring back a message that shows it, so changes are asked, too.
            connection.execute(
                "DELETE FROM pictures WHERE hash = ?1 "
                "AND NOT EXISTS (SELECT 1 FROM message_pictures WHERE hash = ?1) "
                "AND NOT EXISTS (SELECT 1 FROM draft_pictures WHERE hash = ?1) "
                "AND NOT EXISTS (SELECT 1 FROM changes WHERE instr(before, ?1) OR instr(after, ?1))",
                (gone,),
            )
            return drafted(connection, conversation_id)

        return await self._database.write(change)


async def attachment_of(path: Path) -> Attachment:
    """A picture's file, ready to go with a message.

    Raises:
        NotFound: FILE_NOT_FOUND. InvalidInput: FILE_UNREADABLE, FILE_NOT_REGULAR, PICTURE_UNKNOWN,
        PICTURE_BROKEN. LimitExceeded: FILE_TOO_LARGE, PICTURE_TOO_LARGE.
    """
    from lunalux_core.cards.card_pictures import LARGEST_FILE
    from lunalux_core.regular_files import read_regular

    return await asyncio.to_thread(lambda: attachment(read_regular(path, LARGEST_FILE), path.name))


def attachment(data: bytes, name: str) -> Attachment:
    """The bytes of a picture, cleaned (blocking). Raises as `cards.card_pictures.clean_picture`."""
    from lunalux_core.cards.card_pictures import clean_picture

    clean = clean_picture(data)
    # Of the cleaned bytes, so that a picture is one whatever else its file holds.
    identity = sha256(clean.data).hexdigest()
    ref = PictureRef(identity, picture_name(name), clean.type, clean.width, clean.height, len(clean.data))
    return Attachment(ref, clean.data)


def too_many() -> LimitExceeded:
    return LimitExceeded(
        "PICTURES_TOO_MANY",
        f"A message takes at most {MOST_EACH} pictures.",
        "Send some of them with the next one.",
        limit=MOST_EACH,
    )


def store_picture(connection: Connection, attachment: Attachment) -> None:
    """Keep the bytes of a picture, once for the same; one without bytes is there already."""
    if not attachment.data:
        return
    ref = attachment.ref
    connection.execute(
        "INSERT OR IGNORE INTO pictures (hash, type, width, height, created_at, data) VALUES (?,?,?,?,?,?)",
        (ref.hash, ref.type, ref.width, ref.height, now_ms(), attachment.data),
    )


def load_pictures(connection: Connection, hashes: Sequence[str]) -> Mapping[str, bytes]:
    """The bytes of pictures by their hashes, as far as they are there."""
    pictures: dict[str, bytes] = {}
    for marks, some in in_parts(hashes):
        rows = connection.execute(f"SELECT hash, data FROM pictures WHERE hash IN ({marks})", some)
        pictures |= {row[0]: bytes(row[1]) for row in rows if isinstance(row[1], bytes)}
    return pictures


def drafted(connection: Connection, conversation_id: str) -> Sequence[PictureRef]:
    """The pictures beside a draft."""
    rows = connection.execute(
        "SELECT p.hash, d.name, p.type, p.width, p.height, length(p.data) FROM draft_pictures d "
        "JOIN pictures p ON p.hash = d.hash WHERE d.conversation_id = ? ORDER BY d.place",
        (conversation_id,),
    )
    return [
        PictureRef(row[0], plain_text(row[1]), row[2], *(whole_number(number) for number in row[3:]))
        for row in rows
    ]


def remove_drafted(connection: Connection, conversation_id: str, hashes: Iterable[str]) -> None:
    """These pictures wait beside a draft no more."""
    connection.executemany(
        "DELETE FROM draft_pictures WHERE conversation_id = ? AND hash = ?",
        [(conversation_id, gone) for gone in hashes],
    )
