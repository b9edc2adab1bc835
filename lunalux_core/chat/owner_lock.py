"""A lock on an open file that ends with the program that holds it, however it ends.

A number of a process is no sign of life: numbers are given again, and mean another process in another
container. The system itself lets go of these locks.
"""

from __future__ import annotations

import os
import sys

_FAR = 1 << 30
"""The byte that is locked where a lock keeps others from reading it: far beyond all that is written."""


def take_lock(file: int) -> bool:
    """Lock an open file; False while somebody else holds it, be it another part of this program.

    A file system without locks lets everybody have it.
    """
    if sys.platform == "win32":
        import msvcrt

        # `locking` locks the bytes at the position in the file, from which the caller goes on to write.
        place = os.lseek(file, 0, os.SEEK_CUR)
        try:
            os.lseek(file, _FAR, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(file, place, os.SEEK_SET)
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
