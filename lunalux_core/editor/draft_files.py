"""Drafts as files: card files and pictures in, card files out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lunalux_core.cards.card import Card
from lunalux_core.config.file_lock import write_whole
from lunalux_core.database import storage_error
from lunalux_core.editor.draft import Attachment, Snapshot
from lunalux_core.errors import InvalidInput, StorageError
from lunalux_core.regular_files import check_target
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.cards.export import ExportFormat


def snapshot_name(snapshot: Snapshot) -> str:
    """What to call a draft."""
    return clean_line(Card(snapshot.document, "").name, 120)


def read_snapshot(data: bytes, filename: str) -> tuple[Snapshot, tuple[str, ...]]:
    """A card file as the state of a draft, with its picture, and what is worth knowing about it.

    Raises what `cards.card_reader.read_card` raises.
    """
    from lunalux_core.cards.card_reader import read_card

    loaded = read_card(data, filename)
    picture = Attachment(loaded.picture, loaded.picture_ext) if loaded.picture is not None else None
    archive = Attachment(data, ".charx") if loaded.source_format == "charx" else None
    document = loaded.card.document
    return Snapshot(document, document, picture, archive), loaded.warnings


def read_picture(data: bytes) -> Attachment:
    """A picture for a draft (blocking: it is decoded once).

    Raises:
        InvalidInput: PICTURE_UNKNOWN, PICTURE_BROKEN. LimitExceeded: PICTURE_TOO_LARGE.
    """
    from lunalux_core.cards.assets import picture_ext
    from lunalux_core.cards.card_pictures import check_picture

    ext = picture_ext(data)
    if ext is None:
        raise InvalidInput(
            "PICTURE_UNKNOWN", "This file is no picture.", "Choose a PNG, JPEG, WebP, GIF or AVIF file."
        )
    check_picture(data)
    return Attachment(data, ext)


def export(snapshot: Snapshot, target: ExportFormat, spec: Literal["v2", "v3"] | None = None) -> bytes:
    """A draft as a card file (blocking). Raises what `cards.export` and `card_pictures.as_png` raise."""
    from lunalux_core.cards.export import export_card
    from lunalux_core.cards.png import is_png

    picture = snapshot.picture.data if snapshot.picture else None
    if target == "png" and picture is not None and not is_png(picture):
        from lunalux_core.cards.card_pictures import as_png

        picture = as_png(picture)
    card = Card(snapshot.document, "")
    archive = snapshot.archive.data if snapshot.archive else None
    return export_card(card, target, spec=spec, picture=picture, archive=archive)


def write_export(path: Path, data: bytes) -> None:
    """Write a file for the person, whole or not at all.

    Raises:
        InvalidInput: EXPORT_NOT_A_FILE for a device or a pipe. StorageError: EXPORT_FAILED.
    """
    check_target(path)
    try:
        _write(path, data)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(
            "EXPORT_FAILED",
            f"{path} cannot be written: {reason}.",
            "Choose a folder that you may write to.",
            path=str(path),
            reason=reason,
        ) from error


def write_file(path: Path, data: bytes) -> None:
    """Write a file of the library, whole or not at all. Raises StorageError."""
    try:
        _write(path, data)
    except OSError as error:
        raise storage_error(error, path.parent) from error


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data, 0o666, durable=True)
