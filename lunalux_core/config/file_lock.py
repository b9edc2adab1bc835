"""A lock for a small file: one writer at a time among the threads and programs of this computer."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lunalux_core.ids import short_id


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of the file at `path` during the block; it dies with the program.

    The lock is a file beside it, since the file itself is replaced by every write. In a folder where none
    can be made nothing is held: whoever writes there is told by the write itself.
    """
    try:
        handle = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield
        return
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write_whole(path: Path, data: bytes, mode: int = 0o600, *, durable: bool = False) -> None:
    """Replace the file at `path` by `data`, or leave it as it is. A link stays one: its target is replaced.

    Args:
        mode: for a file that is not there yet; one that is keeps its own.
        durable: on the disk before it takes the name, so that a power cut leaves the old file or the new one.

    Raises:
        OSError: the folder cannot be written to, or the disk is full.
    """
    target = Path(os.path.realpath(path))
    if target.exists():
        # A person may have opened the file to a group, or closed it further: that is not ours to change.
        mode = target.stat().st_mode & 0o777
    # Not the whole name with an ending: the name may be as long as names can be.
    new = target.with_name(f"{target.name[:40]}.{short_id()}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(new, flags, mode), "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        new.replace(target)
    # After the rename it is gone already; otherwise it must not stay beside the file.
    finally:
        new.unlink(missing_ok=True)
