"""Pictures of messages in chat files: SillyTavern's fields and our own.

SillyTavern names pictures by an address: a file below its own data folder, or a `data:` URI. Newer versions
have them in `extra.media`, older ones one in `extra.image`. We write the newer form with the bytes in it: our
files travel without a folder beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from lunalux_core.documents.coerce import as_text

MOST = 64
"""Pictures of one message that are looked at."""
_ONE = ("image", "image_swipes", "inline_image", "media_index")


@dataclass(frozen=True, slots=True)
class LogPicture:
    """A picture of a message: its bytes as a `data:` URI, or the path of its file below the data folder."""

    name: str
    address: str = field(repr=False)


def st_pictures(extra: Mapping[str, Any]) -> tuple[LogPicture, ...]:
    """The pictures of a SillyTavern message."""
    pictures: dict[str, LogPicture] = {}
    media = extra.get("media")
    entries = [entry for entry in media if isinstance(entry, dict)] if isinstance(media, list) else []
    for entry in [*entries, {"url": extra.get("image"), "title": extra.get("title")}][:MOST]:
        address = as_text(entry.get("url"))
        if address and as_text(entry.get("type") or "image") == "image":
            # A data URI has no file name; the end of its bytes would pass for one.
            named = "" if address.startswith("data:") else PurePosixPath(address).name
            pictures.setdefault(address, LogPicture(as_text(entry.get("title")) or named, address))
    return tuple(pictures.values())


def without_pictures(extra: Mapping[str, Any], taken: Sequence[str]) -> dict[str, Any]:
    """The `extra` of a SillyTavern message without the pictures at these addresses."""
    rest = {name: value for name, value in extra.items() if name not in (*_ONE, "media")}
    media = extra.get("media")
    left = [
        entry
        for entry in (media if isinstance(media, list) else ())
        if not isinstance(entry, dict) or entry.get("url") not in taken
    ]
    if left:
        rest["media"] = left
    if extra.get("image") and extra["image"] not in taken:
        rest |= {name: extra[name] for name in _ONE if name in extra}
    return rest


def st_media(extra: Mapping[str, Any], pictures: Sequence[LogPicture]) -> dict[str, Any]:
    """The `extra` of a SillyTavern message with these pictures."""
    if not pictures:
        return dict(extra)
    own = [
        {"url": picture.address, "type": "image", "title": picture.name, "source": "upload"}
        for picture in pictures
    ]
    media = extra.get("media")
    return {
        **extra,
        "media": [*own, *(media if isinstance(media, list) else ())],
        "media_display": extra.get("media_display", "list"),
        "media_index": 0,
        "inline_image": True,
    }


def native_pictures(rows: object) -> tuple[LogPicture, ...]:
    """The pictures of a message of our own JSON."""
    pictures = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return tuple(LogPicture(as_text(row.get("name")), as_text(row.get("uri"))) for row in pictures[:MOST])


def as_native(pictures: Sequence[LogPicture]) -> dict[str, Any]:
    """The field of our own JSON; nothing where there are none."""
    rows = [{"name": picture.name, "uri": picture.address} for picture in pictures]
    return {"pictures": rows} if rows else {}
