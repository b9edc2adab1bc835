"""The whole library as one file, and back.

A backup is a zip of a consistent copy of the database, the pictures and the configuration. Keys and
session tokens are never part of it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lunalux_core import __version__
from lunalux_core.database import storage_error
from lunalux_core.errors import InvalidInput
from lunalux_core.ids import now_ms
from lunalux_core.library import Library
from lunalux_core.paths import Paths

FORMAT = "lunalux-backup"
LIMIT = 64 * 1024**3


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup holds."""

    path: Path
    characters: int
    conversations: int
    pictures: int
    size: int


async def back_up(library: Library, paths: Paths, target: Path) -> BackupReport:
    """Write a backup; an existing file is replaced only when the new one is complete.

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
            manifest = {"format": FORMAT, "version": 1, "program": __version__, "created_at": now_ms()}
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
                archive.writestr("manifest.json", json.dumps(manifest))
                archive.write(copy, "library.db", zipfile.ZIP_DEFLATED)
                if paths.config_file.is_file():
                    archive.write(paths.config_file, "config.toml")
                for picture in pictures:
                    archive.write(picture, f"pictures/{picture.name}")
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise storage_error(error, target) from error
    counts = await library.database.read(
        lambda c: c.execute(
            "SELECT (SELECT count(*) FROM characters), (SELECT count(*) FROM conversations)"
        ).fetchone()
    )
    return BackupReport(target, counts[0], counts[1], len(pictures), target.stat().st_size)


def restore(paths: Paths, source: Path) -> Path | None:
    """Replace the library by a backup; call it with no library open.

    The library that was there is moved to `backups/` and its folder returned (None when there was none).

    Raises:
        InvalidInput: BACKUP_NOT_FOUND, BACKUP_DAMAGED. StorageError: the data folder cannot be written.
    """
    with _opened(source) as archive:
        names = _checked(archive, source)
        paths.data.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=paths.data) as folder:
            fresh = Path(folder)
            try:
                for name in names:
                    target = fresh / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(name) as inside, target.open("wb") as outside:
                        shutil.copyfileobj(inside, outside, 1 << 20)
                return _put_in_place(paths, fresh)
            except (zipfile.BadZipFile, EOFError) as error:
                raise _damaged(source) from error
            except OSError as error:
                raise storage_error(error, paths.data) from error


def _opened(source: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(source)
    except FileNotFoundError:
        raise InvalidInput(
            "BACKUP_NOT_FOUND", f"There is no file {source}.", "Check the path.", path=str(source)
        ) from None
    except (zipfile.BadZipFile, OSError) as error:
        raise _damaged(source) from error


def _checked(archive: zipfile.ZipFile, source: Path) -> list[str]:
    """The members to restore, after checks; nothing but our own names is ever taken out of an archive."""
    try:
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
