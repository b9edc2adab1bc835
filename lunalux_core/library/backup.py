"""The whole library as one file, and back.

A backup is a zip of a consistent copy of the database, the pictures and the configuration. Keys and
session tokens are never part of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path, PurePosixPath
from typing import IO

from lunalux_core import __version__
from lunalux_core.config.paths import Paths
from lunalux_core.database import judge_database, storage_error
from lunalux_core.documents import archives
from lunalux_core.errors import InvalidInput, NotFound, StorageError
from lunalux_core.ids import now_ms, short_id
from lunalux_core.library import Library, restore_steps
from lunalux_core.library.migrations import migrate
from lunalux_core.regular_files import check_regular, check_target

FORMAT = "lunalux-backup"
PACKING = ".lunalux-backup-"
NEW = ".new"
LEFT_SECONDS = 24 * 3600
MANIFEST_LIMIT = 1024 * 1024
TABLES = ("characters", "conversations", "messages", "state")
"""What a library has in every version."""
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
        InvalidInput: EXPORT_NOT_A_FILE for a folder, a device or a pipe. StorageError: the target cannot be
            written.
    """
    check_target(target)
    # Beside the target, so that the rename at the end stays within one file system.
    temporary = target.with_name(f"{target.name}.{short_id()}{NEW}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear(target.parent, f"{PACKING}*")
        _clear(target.parent, f"{escape(target.name)}.{'[0-9a-f]' * 12}{NEW}")
        with tempfile.TemporaryDirectory(prefix=PACKING, dir=target.parent) as folder:
            copy = Path(folder) / "library.db"
            await library.database.backup(copy)
            # Listed after the copy: a picture is written before the row that
            # names it, so none of the copy's is missed.
            pictures = sorted(paths.pictures.iterdir()) if paths.pictures.is_dir() else []
            members = {"library.db": copy} | {f"pictures/{picture.name}": picture for picture in pictures}
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
    told = _ReportingCopy(total, progress)
    # Nobody else may read a library, not even while it is being written.
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with (
        os.fdopen(handle, "wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive,
    ):
        archive.writestr("manifest.json", json.dumps(manifest))
        for name, path in members.items():
            # Zip knows no time before 1980; a clock that was wrong is no reason to have no backup.
            info = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
            # Pictures are compressed already.
            info.compress_type = zipfile.ZIP_STORED if name.startswith("pictures/") else zipfile.ZIP_DEFLATED
            with path.open("rb") as inside, archive.open(info, "w") as outside:
                told.copy(inside, outside)


def restore(paths: Paths, source: Path, progress: Progress | None = None) -> Path | None:
    """Replace the library by a backup; call it with no library open.

    The library that was there is moved to `backups/` and its folder returned (None when there was none).

    Raises:
        NotFound: BACKUP_NOT_FOUND. InvalidInput: BACKUP_DAMAGED.
        StorageError: LIBRARY_TOO_NEW, for a backup of a newer program; LIBRARY_IN_USE, while another
            program has the library open; the data folder cannot be written. Nothing was changed then.
    """
    if paths.data.is_dir():
        with restore_steps.alone(paths):
            pass  # so that nobody waits for the copy of a large library to be told that it was for nothing
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
        told = _ReportingCopy(sum(archive.getinfo(name).file_size for name in names), progress)
        try:
            paths.own(paths.data)
            _clear(paths.data, "restore-*")
            fresh = Path(tempfile.mkdtemp(prefix="restore-", dir=paths.data))
            (fresh / "pictures").mkdir()
        except OSError as error:
            raise storage_error(error, paths.data) from error
        try:
            with archives.reading():
                for name in names:
                    with archive.open(name) as inside, (fresh / name).open("wb") as outside:
                        told.copy(inside, outside)
                _judge(fresh, source)
        # Also where the person breaks it off: half a copy is of no use to anybody.
        except BaseException as error:
            shutil.rmtree(fresh, ignore_errors=True)
            if isinstance(error, archives.DamagedArchive):
                raise _damaged(source) from error
            if isinstance(error, OSError):
                raise storage_error(error, paths.data) from error
            raise
        return fresh


def _clear(folder: Path, pattern: str) -> None:
    """Remove the temporary files that killed programs have left, once no program can be using them."""
    for path in folder.glob(pattern):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime <= LEFT_SECONDS:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _judge(fresh: Path, source: Path) -> None:
    """Bring the library of a backup to the newest schema; what cannot be a library never replaces one."""
    file = fresh / "library.db"
    # The library is as closed as the one it takes the place of, whatever the archive says.
    if os.name == "posix":
        file.chmod(0o600)
    try:
        judge_database(file, TABLES, lambda connection: migrate(connection, fresh / "before"))
    except StorageError as error:
        if error.code == "LIBRARY_TOO_NEW":
            raise StorageError(
                "LIBRARY_TOO_NEW",
                f"{source} was written by a newer Lunalux.",
                "Update Lunalux first; nothing was changed.",
                kind="backup",
                path=str(source),
            ) from error
        if error.code in {"STORAGE_DAMAGED", "STORAGE_FAILED"}:
            raise _damaged(source) from error
        raise


def put_in_place(paths: Paths, fresh: Path) -> Path | None:
    """The second half of a restore, with no library open: what `unpack` wrote becomes the library."""
    try:
        with restore_steps.alone(paths):
            return restore_steps.exchange(paths, fresh)
    except OSError as error:
        raise storage_error(error, paths.data) from error
    finally:
        # Where the plan stands, the next start takes the rest of the steps and needs what lies there.
        if not paths.restore_plan.exists():
            shutil.rmtree(fresh, ignore_errors=True)


class _ReportingCopy:
    """Copies files and reports the progress."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total = total
        self._copied = 0
        self._progress = progress

    def copy(self, inside: IO[bytes], outside: IO[bytes]) -> None:
        while piece := inside.read(1 << 20):
            outside.write(piece)
            self._copied += len(piece)
            if self._progress is not None:
                self._progress(self._copied, self._total)


def _opened(source: Path) -> zipfile.ZipFile:
    try:
        check_regular(source, archives.BACKUP.file)
        return archives.open_archive(source)
    except NotFound:
        raise NotFound(
            "BACKUP_NOT_FOUND", f"There is no file {source}.", "Check the path.", path=str(source)
        ) from None
    except (archives.DamagedArchive, OSError) as error:
        raise _damaged(source) from error


def _checked(archive: zipfile.ZipFile, source: Path) -> list[str]:
    """The members to restore, after checks; nothing but our own names is ever taken out of an archive."""
    try:
        manifest = json.loads(archives.read(archive, archive.getinfo("manifest.json"), MANIFEST_LIMIT))
        # Raises KeyError where there is none: a zip without a library is no backup.
        archive.getinfo("library.db")
        archives.check_sizes(archive.infolist(), archives.BACKUP)
    except (KeyError, ValueError, RecursionError, archives.DamagedArchive, archives.TooLarge) as error:
        raise _damaged(source) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _damaged(source)
    names = [info.filename for info in archive.infolist() if _is_ours(info)]
    if len(names) != len(set(names)):  # which of two is meant, nobody can say
        raise _damaged(source)
    return names


def _is_ours(info: zipfile.ZipInfo) -> bool:
    if info.filename in {"library.db", "config.toml"}:
        return True
    folder, _, name = info.filename.partition("/")
    path = PurePosixPath(name)
    plain = name not in {"", ".", ".."} and "\\" not in name and path.parts == (name,)
    return folder == "pictures" and plain and len(name.encode(errors="replace")) <= 255


def _damaged(source: Path) -> InvalidInput:
    return InvalidInput(
        "BACKUP_DAMAGED",
        f"{source} is not a whole Lunalux backup.",
        "Use a file that `lunalux backup` wrote.",
        path=str(source),
    )
