"""Which pictures of a conversation a model is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lunalux_core.library.message_pictures import load_pictures

if TYPE_CHECKING:
    from lunalux_core.database import Connection
    from lunalux_core.documents.picture_refs import Attachment, PictureRef

MOST = 20
"""Pictures of one request: each is read, and paid for, again with every turn."""
MOST_BYTES = 12_000_000
"""Of all of them together: services refuse requests of twenty million bytes, and base64 adds a third."""


def chosen_pictures(
    connection: Connection, refs: Sequence[PictureRef], attached: Sequence[Attachment] = ()
) -> Mapping[str, bytes]:
    """The bytes of the newest pictures by hash; `refs` are oldest first, `attached` may not be stored yet."""
    hashes: list[str] = []
    room = MOST_BYTES
    # The newest are what the talk is about; a picture that is too large ends the walk.
    for ref in reversed(refs):
        if ref.hash in hashes:
            continue
        room -= ref.size
        if room < 0 or len(hashes) == MOST:
            break
        hashes.append(ref.hash)
    here = {item.ref.hash: item.data for item in attached if item.data and item.ref.hash in hashes}
    return {**load_pictures(connection, hashes), **here}
