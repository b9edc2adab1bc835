"""Pictures between chat files and the library."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunalux_core.cards.assets import data_uri_bytes
from lunalux_core.cards.card_pictures import LARGEST_FILE
from lunalux_core.chatlogs.chatlog_pictures import LogPicture, without_pictures
from lunalux_core.documents.picture_refs import MOST_EACH
from lunalux_core.errors import LunaluxError
from lunalux_core.library.message_pictures import attachment, load_pictures, store_picture
from lunalux_core.regular_files import read_regular

if TYPE_CHECKING:
    from lunalux_core.database import Connection
    from lunalux_core.documents.picture_refs import PictureRef

Files = Callable[[str], bytes | None]
"""Gives the file that a chat names, None where there is none."""

_FOLDER = "user/images/"
"""Where SillyTavern keeps the pictures of chats, below the folder of one person's data."""
_UP = 4
"""Folders between a chat file and that folder, at most."""


def files_beside(path: Path | None) -> Files:
    """The files that a chat file at `path` may name: those in SillyTavern's folder of pictures above it."""

    def read(address: str) -> bytes | None:
        name = address.replace("\\", "/").lstrip("/")
        if path is None or not name.startswith(_FOLDER):
            return None
        for parent in list(path.absolute().parents)[:_UP]:
            folder = parent / _FOLDER
            try:
                # Links and dots are followed first: a chat may name any file,
                # and only those of this folder are read.
                file = (parent / name).resolve()
                if file.is_relative_to(folder.resolve()) and file.is_file():
                    return read_regular(file, LARGEST_FILE)
            except (OSError, ValueError, LunaluxError):
                continue
        return None

    return read


def taken_pictures(
    connection: Connection, pictures: Sequence[LogPicture], files: Files
) -> dict[str, PictureRef]:
    """Store the pictures of a message; by their addresses, those that could be read."""
    taken: dict[str, PictureRef] = {}
    for picture in pictures:
        data = data_uri_bytes(picture.address)
        if data is None:
            data = files(picture.address)
        if not data or len(taken) == MOST_EACH:
            continue
        try:
            attached = attachment(data, picture.name)
        except LunaluxError:  # it stays in the message's line as it came
            continue
        store_picture(connection, attached)
        taken[picture.address] = attached.ref
    return taken


def line_without(line: dict[str, Any], taken: Sequence[str]) -> dict[str, Any]:
    """A file's line without the pictures that the library has now: they would be kept twice."""
    extra = line.get("extra")
    if not taken or not isinstance(extra, dict):
        return line
    return {**line, "extra": without_pictures(extra, taken)}


def log_pictures(connection: Connection, refs: Sequence[PictureRef]) -> tuple[LogPicture, ...]:
    """Stored pictures as a chat file has them."""
    data = load_pictures(connection, [ref.hash for ref in refs])
    return tuple(
        LogPicture(ref.name, f"data:{ref.type};base64,{b64encode(data[ref.hash]).decode('ascii')}")
        for ref in refs
        if ref.hash in data
    )
