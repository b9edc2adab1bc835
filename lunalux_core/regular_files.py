"""Files that a person names: judged before a byte is read, and written whole or not at all.

A pipe would hold the program up for ever, a device has no end, and a file's size is known before its bytes.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from lunalux_core.errors import InvalidInput, LimitExceeded, LunaluxError, NotFound
from lunalux_core.text import clean_line

LARGEST_FILE = 64 * 1024 * 1024
"""Bytes of the largest file that is read whole, where a reader has no other limit."""

_NO_PATH = (OSError, ValueError, RuntimeError)
"""Too long for a name; with a zero in it; ~ of somebody who is not here."""


def path_of(text: str | Path) -> Path:
    """The path a person wrote, with `~` for the home folder. Raises InvalidInput (PATH_UNUSABLE)."""
    try:
        path = Path(text).expanduser()
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            path.lstat()  # the rest is told only now
    except _NO_PATH as error:
        name = clean_line(str(text), 60)
        raise InvalidInput(
            "PATH_UNUSABLE",
            f"{name} cannot be the path of a file.",
            "Write one such as ~/cards/name.png.",
            path=name,
        ) from error
    return path


def check_regular(path: Path, limit: int = LARGEST_FILE) -> int:
    """The size of a file in bytes.

    Raises:
        NotFound: FILE_NOT_FOUND. InvalidInput: FILE_UNREADABLE, FILE_NOT_REGULAR for pipes, devices and
        sockets, PATH_UNUSABLE. LimitExceeded: FILE_TOO_LARGE over `limit` bytes.
    """
    try:
        status = path_of(path).stat()
    except OSError as error:
        raise unreadable(path, error) from error
    return _judged(path, status, limit)


def read_regular(path: Path, limit: int = LARGEST_FILE) -> bytes:
    """The bytes of a file. Raises as `check_regular`; a file that grows meanwhile is held to `limit` too."""
    named = path_of(path)
    check_regular(path, limit)
    try:
        # Not waiting: between the look and the opening a pipe may have taken the file's place.
        with os.fdopen(os.open(named, _OPENING), "rb") as file:
            _judged(path, os.fstat(file.fileno()), limit)
            data = file.read(limit + 1)
    except OSError as error:
        raise unreadable(path, error) from error
    if len(data) > limit:
        raise _too_large(path, limit)
    return data


def check_target(path: Path) -> None:
    """Refuse to put a new file in the place of what is no file. Raises InvalidInput (EXPORT_NOT_A_FILE)."""
    if path.exists() and not path.is_file():
        raise InvalidInput(
            "EXPORT_NOT_A_FILE", f"{path} is not a file.", "Choose another name.", path=str(path)
        )


def write_named(path: Path, data: bytes) -> None:
    """Write a file that a person named, making its folder: whole, or what was there stays.

    What is no regular file (`/dev/stdout`, a pipe) takes the bytes and stays what it is.

    Raises:
        InvalidInput: PATH_UNUSABLE, EXPORT_NOT_A_FILE for a folder. StorageError: it cannot be written.
    """
    from lunalux_core.config.file_lock import write_whole
    from lunalux_core.database import storage_error

    target = path_of(path)
    if target.is_dir():
        check_target(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_file():
            target.write_bytes(data)
            return
        try:
            write_whole(target, data, 0o666)
        except PermissionError:
            # A file that may be written to, in a folder that takes no new one.
            if not target.is_file():
                raise
            target.write_bytes(data)
    except OSError as error:
        raise storage_error(error, path) from error


_OPENING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def _judged(path: Path, status: os.stat_result, limit: int) -> int:
    if stat.S_ISDIR(status.st_mode):
        raise unreadable(path, IsADirectoryError(21, "Is a directory"))
    if not stat.S_ISREG(status.st_mode):
        raise InvalidInput(
            "FILE_NOT_REGULAR",
            f"{path} is no file but a pipe, a device or a socket.",
            "Write its contents to a file and name that one.",
            path=str(path),
        )
    if status.st_size > limit:
        raise _too_large(path, limit)
    return status.st_size


def _too_large(path: Path, limit: int) -> LimitExceeded:
    return LimitExceeded(
        "FILE_TOO_LARGE",
        f"{path} is larger than {limit // 2**20} MB.",
        "Choose a smaller file.",
        path=str(path),
        limit=limit,
    )


def unreadable(path: Path, error: OSError) -> LunaluxError:
    """The sentence for a file that the system does not give."""
    if isinstance(error, FileNotFoundError):
        return NotFound("FILE_NOT_FOUND", f"There is no file {path}.", "Check the path.", path=str(path))
    reason = str(error.strerror or error)
    return InvalidInput(
        "FILE_UNREADABLE",
        f"{path} cannot be read: {reason}.",
        "Check the path and its permissions.",
        path=str(path),
        reason=reason,
    )
