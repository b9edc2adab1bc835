"""What tokenizers have counted, kept between starts: one small file for each, in the cache folder.

A file holds hashes of texts and their counts, never a text. It is read when the first prompt for its model is
counted, and written beside everything else; one that cannot be read or written is done without.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

MOST_KEPT = 20_000
"""Texts of one file; the oldest make room."""
MOST_FILES = 40
"""Tokenizers; the ones used last are kept."""

_HEAD = struct.Struct("<4sfQQ")
_ROW = struct.Struct("<8sI")
_MAGIC = b"LTC1"


class KeptCounts:
    """The file of one tokenizer.

    Args:
        folder: where the files are.
        identity: what tells the tokenizer from others: its server, the model, and what is loaded.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        name = blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
        self._path = folder / f"{name}.counts"

    def read(self) -> tuple[float, int, int, dict[bytes, int]]:
        """The cost of a message's frame, tokens counted and estimated in all, counts by `digest`."""
        try:
            data = self._path.read_bytes()
            magic, frame, counted, estimated = _HEAD.unpack_from(data)
            rows = memoryview(data)[_HEAD.size :]
            # A file that a kill cut short counts up to its last whole row.
            whole = len(rows) - len(rows) % _ROW.size
            if magic != _MAGIC or not 0 <= frame < 1000 or whole > MOST_KEPT * _ROW.size:
                return 0, 0, 0, {}
            return frame, counted, estimated, dict(_ROW.iter_unpack(rows[:whole]))
        except (OSError, struct.error):
            return 0, 0, 0, {}

    def write(self, frame: float, counted: int, estimated: int, fresh: Mapping[bytes, int]) -> None:
        """Add what was counted since (blocking); another program may have written meanwhile."""
        rows = self.read()[3]
        for digest, tokens in fresh.items():
            rows.pop(digest, None)  # so that it stands at the end, among the newest
            rows[digest] = min(tokens, 0xFFFFFFFF)
        newest = list(rows.items())[-MOST_KEPT:]
        # Two programs may write at once; each renames a file of its own.
        temporary = self._path.with_suffix(f".{os.getpid()}.new")
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            head = _HEAD.pack(_MAGIC, frame, counted, estimated)
            temporary.write_bytes(head + b"".join(_ROW.pack(*row) for row in newest))
            temporary.replace(self._path)
            files = sorted(self._path.parent.glob("*.counts"), key=lambda path: path.stat().st_mtime)
            for old in files[:-MOST_FILES]:
                old.unlink(missing_ok=True)


def digest(text: str) -> bytes:
    """A text as the files know it."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
