"""The whole library as one file, and back.

A backup is a zip of a consistent copy of the database, the pictures and the configuration. Keys and
session tokens are never part of it.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from lunalux_core import __version__
from lunalux_core.database import storage_error
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.ids import now_ms
from lunalux_core.library import Library
from lunalux_core.paths import Paths
from lunalux_core.regular_files import check_regular

FORMAT = "lunalux-backup"
LIMIT = 64 * 1024**3
LONGEST_MANIFEST = 1024 * 1024

Progress = Callable[[int, int], None]
"""Told bytes done and bytes in all."""


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup holds."""

    path: Path
    characters: int
    conversations: int
    pictures: int
    size: int


async def back_up(
    library: Library, paths: Paths, target: Path, progress: Progress | None = None
) -> BackupReport:
    """Write a backup; an existing file is replaced only when the new one is complete.

    Args:
        progress: told, from a thread, how many bytes of how many are written; what it raises ends the backup.

    Raises:
        StorageError: the target cannot be written.
    """
    temporary = target.with_name(target.name + ".new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            copy = Path(folder) / "library.db"
            await library.database.backup(copy)
            pictures = sorted(paths.pictures.iterdir()) if paths.pictures.is_dir() else []
            members = {"library.db": copy} | {f"pictures/{one.name}": one for one in pictures}
            if paths.config_file.is_file():
                members["config.toml"] = paths.config_file
            await asyncio.to_thread(_pack, temporary, members, progress)
        temporary.replace(target)
    except OSError as error:
        raise storage_error(error, target) from error
    finally:
        temporary.unlink(missing_ok=True)
    counts = await library.database.read(
        lambda c: c.execute(
            "SELECT (SELECT count(*) FROM characters), (SELECT count(*) FROM conversations)"
        ).fetchone()
    )
    return BackupReport(target, counts[0], counts[1], len(pictures), target.stat().st_size)


def _pack(target: Path, members: Mapping[str, Path], progress: Progress | None) -> None:
    manifest = {"format": FORMAT, "version": 1, "program": __version__, "created_at": now_ms()}
    total = sum(path.stat().st_size for path in members.values())
    told = _Told(total, progress)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        for name, path in members.items():
            info = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
            info.compress_type = zipfile.ZIP_STORED if name.startswith("pictures/") else zipfile.ZIP_DEFLATED
            with path.open("rb") as inside, archive.open(info, "w") as outside:
                told.copy(inside, outside)


def restore(paths: Paths, source: Path, progress: Progress | None = None) -> Path | None:
    """Replace the library by a backup; call it with no library open.

    The library that was there is moved to `backups/` and its folder returned (None when there was none).

    Raises:
        NotFound: BACKUP_NOT_FOUND. InvalidInput: BACKUP_DAMAGED.
        StorageError: the data folder cannot be written.
    """
    return put_in_place(paths, unpack(paths, source, progress))


def unpack(paths: Paths, source: Path, progress: Progress | None = None) -> Path:
    """The first half of a restore, which may run with the library open: a checked copy beside it.

    Returns:
        The folder for `put_in_place`; delete it where it is not wanted after all.

    Raises:
        As `restore`.
    """
    with _opened(source) as archive:
        names = _checked(archive, source)
        told = _Told(sum(archive.getinfo(name).file_size for name in names), progress)
        try:
            paths.data.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(prefix="restore-", dir=paths.data))
        except OSError as error:
            raise storage_error(error, paths.data) from error
        try:
            for name in names:
                target = fresh / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(name) as inside, target.open("wb") as outside:
                    told.copy(inside, outside)
        except BaseException as error:
            shutil.rmtree(fresh, ignore_errors=True)
            if isinstance(error, (zipfile.BadZipFile, EOFError, zlib.error)):
                raise _damaged(source) from error
            if isinstance(error, OSError):
                raise storage_error(error, paths.data) from error
            raise
        return fresh


def put_in_place(paths: Paths, fresh: Path) -> Path | None:
    """The second half of a restore, with no library open: what `unpack` wrote becomes the library."""
    try:
        return _put_in_place(paths, fresh)
    except OSError as error:
        raise storage_error(error, paths.data) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


class _Told:
    """Copies files and tells how far it is."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total = total
        self._done = 0
        self._progress = progress

    def copy(self, inside: IO[bytes], outside: IO[bytes]) -> None:
        while piece := inside.read(1 << 20):
            outside.write(piece)
            self._done += len(piece)
            if self._progress is not None:
                self._progress(self._done, self._total)


def _opened(source: Path) -> zipfile.ZipFile:
    try:
        check_regular(source, LIMIT)
        return zipfile.ZipFile(source)
    except NotFound:
        raise NotFound(
            "BACKUP_NOT_FOUND", f"There is no file {source}.", "Check the path.", path=str(source)
        ) from None
    except (zipfile.BadZipFile, OSError) as error:
        raise _damaged(source) from error


def _checked(archive: zipfile.ZipFile, source: Path) -> list[str]:
    """The members to restore, after checks; nothing but our own names is ever taken out of an archive."""
    try:
        if archive.getinfo("manifest.json").file_size > LONGEST_MANIFEST:
            raise _damaged(source)
        manifest = json.loads(archive.read("manifest.json"))
        archive.getinfo("library.db")
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise _damaged(source) from error
    if manifest.get("format") != FORMAT or sum(info.file_size for info in archive.infolist()) > LIMIT:
        raise _damaged(source)
    names = []
    for info in archive.infolist():
        path = PurePosixPath(info.filename)
        plain = len(path.parts) == 2 and path.parts[0] == "pictures" and ".." not in path.parts[1]
        if info.filename in {"library.db", "config.toml"} or plain:
            names.append(info.filename)
    return names


def _put_in_place(paths: Paths, fresh: Path) -> Path | None:
    old: Path | None = None
    existing = [path for path in (paths.library, paths.pictures) if path.exists()]
    if existing:
        old = paths.backups / f"replaced-{now_ms()}"
        old.mkdir(parents=True)
        for path in [*existing, *paths.data.glob("library.db-*")]:
            path.rename(old / path.name)
    (fresh / "library.db").rename(paths.library)
    if (fresh / "pictures").is_dir():
        (fresh / "pictures").rename(paths.pictures)
    if (fresh / "config.toml").is_file():
        paths.config.mkdir(parents=True, exist_ok=True)
        if old is not None and paths.config_file.is_file():
            shutil.copy2(paths.config_file, old / "config.toml")
        shutil.copy2(fresh / "config.toml", paths.config_file)
    return old


def _damaged(source: Path) -> InvalidInput:
    return InvalidInput(
        "BACKUP_DAMAGED",
        f"{source} is not a whole Lunalux backup.",
        "Use a file that `lunalux backup` wrote.",
        path=str(source),
    )
