"""Which files an import means: paths, folders, globs, lists, and the members of zip archives.

Of a SillyTavern data folder only what Lunalux can use is taken; pictures of other things, caches and
secrets are left alone, and their names are told.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING

from lunalux_core.cards.charx import CARD_MEMBER
from lunalux_core.documents import archives
from lunalux_core.errors import InvalidInput, LimitExceeded, LunaluxError, NotFound
from lunalux_core.importing.import_results import ImportResult, failed
from lunalux_core.regular_files import check_regular, read_regular

if TYPE_CHECKING:
    from zipfile import ZipFile

ENDINGS = (".png", ".json", ".charx", ".byaf", ".yaml", ".yml", ".jpg", ".jpeg", ".webp")
"""Of files that may hold a card, and of pictures that people take for one."""

ALL_ENDINGS = (*ENDINGS, ".jsonl", ".lorebook", ".scenario", ".story", ".zip", ".risum", ".risup")
"""Of files that an import looks at; the last two to say that they are not read."""

ASSETS = "assets"
"""The folder of a CHARX with its pictures."""

_NO_FILES = ("__MACOSX",)
"""Folders that archivers put beside the files, without anything of the person's in them."""

MAX_PLAIN = 64 * 1024 * 1024
"""Bytes of the largest file that is no archive."""

ROOM = 256 * 1024 * 1024
"""Bytes of files that all reading threads of an import hold at once; a larger one waits until it is alone."""

QUICK_REPLIES = "QuickReplies"
"""The folder of a SillyTavern data folder that a command of its own reads, since its files are scripts."""

_LEFT_FOLDERS = (
    "thumbnails", "User Avatars", "backgrounds", "themes", "movingUI", QUICK_REPLIES, "NovelAI Settings",
    "KoboldAI Settings", "vectors", "assets", "extensions",
    "user", "backups", "files", "_uploads", "_cache", "_storage",
)  # fmt: skip
_LEFT_FILES = ("secrets.json", "stats.json", "content.log", "image-metadata.json")
_LEFT = frozenset((*_LEFT_FOLDERS, *_LEFT_FILES))
"""What lies in a SillyTavern data folder and an import leaves there."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside a zip archive."""

    archive: Path
    name: str
    size: int
    opened: ZipFile = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.archive}!{self.name}"

    def read(self) -> bytes:
        """Raises LimitExceeded (ARCHIVE_TOO_LARGE), InvalidInput (ARCHIVE_DAMAGED)."""
        try:
            info = self.opened.getinfo(self.name)
            archives.check_size(info, archives.COLLECTION)
            return archives.read(self.opened, info, archives.COLLECTION.file, MAX_PLAIN)
        except archives.DamagedArchive:
            raise _damaged(str(self)) from None
        except archives.TooLarge:
            raise _too_large(str(self)) from None


ImportSource = Path | Member


def beside(source: ImportSource, name: str) -> ImportSource | None:
    """The file of a relative path beside another, in its folder or archive; None where there is none."""
    if isinstance(source, Path):
        path = source.parent / name
        return path if path.is_file() else None
    full = str(PurePosixPath(source.name).parent / name)
    info = source.opened.NameToInfo.get(full)
    return None if info is None else Member(source.archive, full, info.file_size, source.opened)


def files_below(source: ImportSource, folder: str) -> dict[str, int]:
    """The sizes of the files in a folder beside another file, by their paths from there."""
    if isinstance(source, Path):
        inside = (path for path in sorted((source.parent / folder).rglob("*")) if path.is_file())
        return {path.relative_to(source.parent).as_posix(): path.stat().st_size for path in inside}
    parent = PurePosixPath(source.name).parent
    infos = {PurePosixPath(info.filename): info for info in source.opened.infolist() if not info.is_dir()}
    return {
        str(path.relative_to(parent)): info.file_size
        for path, info in infos.items()
        if path.is_relative_to(parent / folder)
    }


def place(source: ImportSource) -> PurePath:
    """The path of a source, for its name, its ending and the folders it lies in."""
    return source if isinstance(source, Path) else PurePosixPath(source.name)


def size_of(source: ImportSource) -> int:
    return source.stat().st_size if isinstance(source, Path) else source.size


def read_source(source: ImportSource) -> bytes:
    """The bytes of a source.

    Raises:
        InvalidInput: FILE_NOT_REGULAR, FILE_UNREADABLE, ARCHIVE_DAMAGED.
        LimitExceeded: FILE_TOO_LARGE, ARCHIVE_TOO_LARGE. NotFound: FILE_NOT_FOUND.
    """
    return read_regular(source, archives.COLLECTION.file) if isinstance(source, Path) else source.read()


class Room:
    """Bytes that may be in memory at once, shared by the threads of an import."""

    def __init__(self, size: int = ROOM) -> None:
        self._size = size
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Hold `size` bytes of the room, once they are free; more than there is means all of it."""
        # Else a file larger than the whole room would wait for ever.
        size = min(size, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._taken + size <= self._size)
            self._taken += size
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()


def expand(arguments: Iterable[str], stdin: Iterable[str] = ()) -> Iterator[Path | ImportResult]:
    """Card files named by paths, folders (recursively), globs, and `-` for a list on stdin, in stable order.

    A path that does not exist comes out as a failed result.
    """
    for path in _named(arguments, stdin):
        if isinstance(path, Path) and path.is_dir():
            closed: list[ImportResult] = []
            yield from (file for file in _inside(path, closed) if file.suffix.lower() in ENDINGS)
            yield from closed
        else:
            yield path


def gather(
    arguments: Iterable[str],
    stdin: Iterable[str] = (),
    left: set[str] | None = None,
    fetch: Callable[[str], Path] | None = None,
) -> Iterator[ImportSource | ImportResult]:
    """Files of every kind, named like those of `expand`, and the members of zip archives.

    Args:
        left: takes the names of what was left alone in a SillyTavern data folder.
        fetch: gives the file at an address (`address.Downloads.fetch`); without it an address is a path.
    """
    left = set() if left is None else left
    for path in _named(arguments, stdin, fetch):
        if isinstance(path, ImportResult):
            yield path
            continue
        closed: list[ImportResult] = []
        if path.is_dir():
            files = list(_inside(path, closed))
            names = [file.relative_to(path).parts for file in files]
            useful = _useful(names, left)
            paths = [file for file, good in zip(files, useful, strict=True) if good]
        else:
            paths = [path]
        for file in paths:
            if file.suffix.lower() == ".zip":
                yield from _members(file, left)
            else:
                yield file
        yield from closed


def _named(
    arguments: Iterable[str], stdin: Iterable[str], fetch: Callable[[str], Path] | None = None
) -> Iterator[Path | ImportResult]:
    for argument in arguments:
        if argument == "-":
            yield from _named((line.strip() for line in stdin if line.strip()), (), fetch)
            continue
        if fetch is not None and argument.lower().startswith(("http://", "https://")):
            try:
                yield fetch(argument)
            except LunaluxError as refusal:
                from lunalux_core.importing.address import shown

                yield failed(shown(argument), refusal)
            continue
        paths = _paths(argument)
        yield from paths
        if not paths:
            error = NotFound(
                "FILE_NOT_FOUND", f"There is no file {argument}.", "Check the path.", path=argument
            )
            yield failed(argument, error)


def _paths(argument: str) -> list[Path]:
    """The path that is named, or the files of a pattern; nothing where there is neither, or the name is one
    that no file can have.
    """
    try:
        path = Path(argument).expanduser()
        if path.exists():
            return [path]
        if not any(sign in argument for sign in "*?["):
            return []
        # A pattern is relative to where it begins: `glob` refuses one with a root or drive in it.
        inside = Path(path.anchor or ".").glob(str(path.relative_to(path.anchor)))
        hidden = path.name.startswith(".")
        return sorted(file for file in inside if file.is_file() and (hidden or not _is_hidden(file.name)))
    except (OSError, ValueError, RuntimeError, NotImplementedError, IndexError):
        return []


def _is_hidden(name: str) -> bool:
    """Whether a file or folder is none of the person's: dot files, among them those that a Mac puts beside
    every file on other systems' disks.
    """
    return (name.startswith(".") and name not in (".", "..")) or name in _NO_FILES


def _inside(folder: Path, closed: list[ImportResult]) -> Iterator[Path]:
    """The files of a folder and those below it; `closed` takes the folders that cannot be looked into."""

    def told(error: OSError) -> None:
        where = Path(error.filename or folder)
        closed.append(failed(where, unreadable(where, error)))

    paths: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=told):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        paths += [Path(place, name) for name in names if not _is_hidden(name)]
    return (file for file in sorted(paths) if file.is_file())


def _useful(names: Sequence[tuple[str, ...]], left: set[str]) -> list[bool]:
    """For each file, by the parts of its path, whether an import looks at it."""
    folders: dict[tuple[str, ...], set[str]] = {}
    for parts in names:
        for depth in range(len(parts) - 1):
            folders.setdefault(parts[:depth], set()).add(parts[depth])
    # A data folder is known by what lies in it, so that an ordinary folder of cards is taken whole.
    roots = {folder for folder, inside in folders.items() if _is_sillytavern(inside)}
    # A CHARX that somebody unpacked: its pictures belong to the card beside them.
    unpacked = {parts[:-1] for parts in names if parts[-1].lower() == CARD_MEMBER}
    return [not _is_asset(parts, unpacked) and _kept(parts, roots, left) for parts in names]


def _is_asset(parts: tuple[str, ...], unpacked: set[tuple[str, ...]]) -> bool:
    return any(parts[:depth] in unpacked and parts[depth] == ASSETS for depth in range(len(parts) - 1))


def _is_sillytavern(folders: set[str]) -> bool:
    return "characters" in folders and bool(folders & {"chats", "worlds", "OpenAI Settings", "group chats"})


def _kept(parts: tuple[str, ...], roots: set[tuple[str, ...]], left: set[str]) -> bool:
    for depth in range(len(parts)):
        if parts[:depth] in roots:
            if parts[depth] in _LEFT:
                left.add(parts[depth])
                return False
            # Below characters/NAME/ lie the pictures of expressions, of which none is a card.
            if parts[depth] == "characters" and len(parts) > depth + 2:
                left.add("pictures of expressions")
                return False
    return PurePosixPath(parts[-1]).suffix.lower() in ALL_ENDINGS


def _members(path: Path, left: set[str]) -> Iterator[ImportSource | ImportResult]:
    """What is in a zip archive; the archive itself when it is a card, or one of Backyard."""
    from lunalux_core.cards.byaf import is_byaf

    try:
        check_regular(path, sys.maxsize)
    except LunaluxError as error:
        yield failed(path, error)
        return
    try:
        archive = archives.open_archive(path)
    except (archives.DamagedArchive, OSError):
        yield failed(path, _damaged(str(path)))
        return
    infos = [info for info in archive.infolist() if not info.is_dir()]
    infos = [info for info in infos if not any(map(_is_hidden, PurePosixPath(info.filename).parts))]
    names = {info.filename for info in infos}
    # A card in a zip is a CHARX with another ending.
    if any(name.lower() == CARD_MEMBER for name in names) or is_byaf(names):
        yield path
        return
    if names >= {"library.db", "manifest.json"}:
        yield failed(path, _backup(str(path)))
        return
    if len(infos) > archives.COLLECTION.files:
        yield failed(path, _too_large(str(path)))
        return
    useful = _useful([PurePosixPath(info.filename).parts or ("",) for info in infos], left)
    for info, good in zip(infos, useful, strict=True):
        member = Member(path, info.filename, info.file_size, archive)
        # An archive inside an archive is not unpacked: a few bytes could unpack without end.
        if good and info.filename.lower().endswith(".zip"):
            yield failed(member, _nested(str(member)))
        elif good:
            yield member


def unreadable(source: ImportSource, error: OSError) -> LunaluxError:
    reason = str(error.strerror or error)  # of the system, in its language
    return InvalidInput(
        "FILE_UNREADABLE",
        f"{source} cannot be read: {reason}.",
        "Check its permissions.",
        path=str(source),
        reason=reason,
    )


def _backup(path: str) -> InvalidInput:
    return InvalidInput(
        "ARCHIVE_IS_BACKUP",
        f"{path} is a backup of a whole Lunalux library.",
        "`lunalux restore` puts it in the place of this one.",
        path=path,
    )


def _nested(path: str) -> InvalidInput:
    return InvalidInput(
        "ARCHIVE_IN_ARCHIVE",
        f"{path} is an archive inside an archive, which is not unpacked.",
        "Unpack the outer one yourself and import the folder.",
        path=path,
    )


def _damaged(path: str) -> InvalidInput:
    return InvalidInput(
        "ARCHIVE_DAMAGED",
        f"{path} cannot be unpacked: it is damaged or locked by a password.",
        "Get it again, or unpack it yourself and import the folder.",
        path=path,
    )


def _too_large(path: str) -> LimitExceeded:
    return LimitExceeded(
        "ARCHIVE_TOO_LARGE",
        f"{path} unpacks to more than an archive of characters and chats does.",
        "Unpack it yourself and import the folder.",
        path=path,
    )
