"""Where an export goes: names that stay in their folder, a folder or a zip archive, and what was written."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lunalux_core.database import storage_error
from lunalux_core.regular_files import check_target, write_named

if TYPE_CHECKING:
    from lunalux_core.library import Library
    from lunalux_core.library.characters import Character


Progress = Callable[[int, int], None]
"""Told characters done and characters in all; what it raises ends the export."""

# Names of devices on Windows, which no file can have there, whatever its ending.
_DEVICE = re.compile(r"CON|PRN|AUX|NUL|(?:COM|LPT)[0-9¹²³]", re.IGNORECASE)


def silent(done: int, total: int) -> None:
    """A progress callback for callers that show none."""


@dataclass(slots=True)
class ExportReport:
    """How many of each kind were written, and what the form cannot hold: in words, and how many of what."""

    path: Path
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    lost: dict[str, int] = field(default_factory=dict)

    def count(self, kind: str) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1

    def lose(self, kind: str, number: int, sentence: str) -> None:
        """Note what the form cannot hold."""
        self.lost[kind] = self.lost.get(kind, 0) + number
        self.notes.append(sentence)


class Target(Protocol):
    """Takes files by their path inside of the export."""

    def write(self, name: str, data: bytes) -> None: ...


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, name: str, data: bytes) -> None:
        write_named(self._path / name, data)


class _Archive:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def write(self, name: str, data: bytes) -> None:
        # A PNG is compressed already: packing it again costs time and saves nothing.
        packed = zipfile.ZIP_STORED if name.endswith(".png") else zipfile.ZIP_DEFLATED
        self._archive.writestr(name, data, packed)


@contextmanager
def opened(path: Path) -> Iterator[Target]:
    """A folder, or a zip archive that takes its name only when it is complete.

    Raises:
        InvalidInput: EXPORT_NOT_A_FILE for a device or a pipe. StorageError: it cannot be written.
    """
    if not path.is_dir():
        check_target(path)
    temporary = path.with_name(path.name + ".new")
    try:
        # A folder is filled in place: a second export into it replaces what has the same name.
        if path.suffix.lower() != ".zip":
            path.mkdir(parents=True, exist_ok=True)
            yield _Folder(path)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(temporary, "w", allowZip64=True) as archive:
            yield _Archive(archive)
        temporary.replace(path)
    except OSError as error:
        raise storage_error(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


class Names:
    """File names of one folder, each once, whatever the case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, proposal: str) -> str:
        base = name = file_name(proposal)
        number = 1
        # Windows and macOS take two names that differ in case alone for the same file.
        while name.casefold() in self._taken:
            name = f"{base}{number}"
            number += 1
        self._taken.add(name.casefold())
        return name


def file_name(name: str) -> str:
    """Words from outside as a file name that stays in its folder on every system."""
    safe = "".join(c if c.isalnum() or c in " -_()@" else "_" for c in name)
    safe = " ".join(safe.split())[:80].strip(" ._")
    reserved = _DEVICE.fullmatch(safe) is not None
    return f"character {safe}".strip() if reserved or not safe else safe


def card_file(library: Library, character: Character, target: str = "png", spec: str | None = None) -> bytes:
    """A character as a card file, with its own picture or, where it has none, a plain drawn one."""
    from lunalux_core.cards.card import Card
    from lunalux_core.cards.export import export_card

    characters = library.characters
    picture_path = characters.picture_path(character.summary)
    archive_path = characters.pictures / f"{character.id}.charx"
    picture = picture_path.read_bytes() if picture_path and picture_path.is_file() else None
    archive = archive_path.read_bytes() if archive_path.is_file() else None
    if picture is not None and target == "png":
        from lunalux_core.cards.card_pictures import as_png

        picture = as_png(picture)
    return export_card(
        Card.parse(character.document),
        target,  # type: ignore[arg-type]
        spec=spec,  # type: ignore[arg-type]
        picture=picture,
        archive=archive,
    )
