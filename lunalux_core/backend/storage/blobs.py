"""The port for stored objects: uploaded cards and their thumbnails.

Keys are made by the server (`signatures.original_key`, `signatures.thumbnail_key`); no word of a client's
gets into one.

See docs/spec/backend.md: HTTP API, Identity and security.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from lunalux_core.errors import InvalidInput

# No part begins with a dot, so none leaves its folder or is hidden in it.
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
LONGEST_KEY = 512


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """What is known of a stored object without reading it. `size` in bytes."""

    size: int
    content_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class Presigned:
    """An address that may be used once by whoever holds it, until `expires_s` (epoch seconds).

    A PUT must send exactly `headers`, and a body of the signed length and type.
    """

    url: str
    expires_s: int
    headers: Mapping[str, str] = field(default_factory=dict)


class BlobExists(Exception):
    """An object is never overwritten by an upload."""


class Blobs(Protocol):
    """Objects by key. Every method may raise `table.Unavailable`."""

    async def put(self, key: str, data: bytes, content_type: str, *, replace: bool = False) -> BlobInfo:
        """Store an object whole.

        Raises:
            BlobExists: there is one, and `replace` is false.
        """
        ...

    async def get(self, key: str) -> bytes | None:
        """The object's bytes, None if there is none."""
        ...

    def stream(self, key: str) -> AsyncIterator[bytes]:
        """The object's bytes in pieces; nothing at all if there is none: ask `head` first."""
        ...

    async def head(self, key: str) -> BlobInfo | None: ...

    async def delete(self, key: str) -> None:
        """Remove the object; none there is no error."""
        ...

    async def presign_get(self, key: str, *, expires_in: int, filename: str | None = None) -> Presigned:
        """An address to read the object for `expires_in` seconds; with `filename`, as a download."""
        ...

    async def presign_put(
        self, key: str, *, size: int, content_type: str, expires_in: int, sha256: str | None = None
    ) -> Presigned:
        """An address to upload exactly `size` bytes of `content_type` to a key that is still free.

        Args:
            sha256: hex digest that the bytes must have, None for any.
        """
        ...

    async def aclose(self) -> None: ...


def check_blob_key(key: str) -> str:
    """The key itself.

    Raises:
        InvalidInput: INVALID_REQUEST, it could leave its folder or hide in it.
    """
    if not is_blob_key(key):
        raise InvalidInput("INVALID_REQUEST", "This is not the key of a stored object.")
    return key


def is_blob_key(key: str) -> bool:
    return len(key) <= LONGEST_KEY and _KEY.fullmatch(key) is not None


def attachment(filename: str) -> str:
    """A Content-Disposition that saves under a plain form of `filename`."""
    # A quote or a line break in the name would end the value of the header.
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", filename).strip("._") or "character"
    return f'attachment; filename="{plain[:100]}"'
