"""Objects as files in one folder, with signed addresses under the app's own `/blobs/` route.

The embedded counterpart of a private bucket: the same presign-then-PUT, the same expiry, the same refusals.
A file appears whole under its name or not at all; its content type is in a small file beside it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import quote

from lunalux_core.backend.running.signatures import Signer
from lunalux_core.backend.storage.blobs import BlobExists, BlobInfo, Presigned, attachment, check_blob_key
from lunalux_core.backend.storage.table import Unavailable

T = TypeVar("T")
PIECE = 64 * 1024
TYPE_SUFFIX = "~type"
Method = Literal["GET", "PUT"]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a signed address allows. For PUT, `size`, `content_type` and `sha256` bind the body; for GET
    `disposition` is the Content-Disposition to answer with."""

    method: Method
    key: str
    expires_s: int
    size: int | None = None
    content_type: str | None = None
    sha256: str | None = None
    disposition: str | None = None

    def admits(self, *, content_type: str, data: bytes) -> bool:
        """Whether an uploaded body is the one that was signed for."""
        return (
            len(data) == self.size
            and content_type.partition(";")[0].strip().lower() == self.content_type
            and (self.sha256 is None or hashlib.sha256(data).hexdigest() == self.sha256.lower())
        )


class FileBlobs:
    """Blobs below `folder`.

    Args:
        public_url: scheme and host that clients reach this server by; addresses are relative if empty.
        now_s: the wall clock in seconds.
    """

    def __init__(
        self, folder: Path, signer: Signer, *, public_url: str = "", now_s: Callable[[], int]
    ) -> None:
        self._folder, self._signer, self._now_s = folder, signer, now_s
        self._public_url = public_url.rstrip("/")

    async def put(self, key: str, data: bytes, content_type: str, *, replace: bool = False) -> BlobInfo:
        path = self._path(key)
        await _in_thread(lambda: _write(path, data, content_type, replace))
        return BlobInfo(len(data), content_type, _etag(data))

    async def get(self, key: str) -> bytes | None:
        path = self._path(key)
        return await _in_thread(lambda: path.read_bytes() if path.is_file() else None)

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        path = self._path(key)
        if not path.is_file():
            return
        file = await _in_thread(lambda: path.open("rb"))
        with file:
            while piece := await _in_thread(lambda: file.read(PIECE)):
                yield piece

    async def head(self, key: str) -> BlobInfo | None:
        path = self._path(key)

        def look() -> BlobInfo | None:
            if not path.is_file():
                return None
            facts = path.stat()
            kind = path.with_name(path.name + TYPE_SUFFIX)
            content_type = kind.read_text("ascii") if kind.is_file() else "application/octet-stream"
            return BlobInfo(facts.st_size, content_type, _etag_of(path, facts.st_mtime_ns, facts.st_size))

        return await _in_thread(look)

    async def delete(self, key: str) -> None:
        path = self._path(key)

        def remove() -> None:
            path.unlink(missing_ok=True)
            path.with_name(path.name + TYPE_SUFFIX).unlink(missing_ok=True)

        await _in_thread(remove)

    async def presign_get(self, key: str, *, expires_in: int, filename: str | None = None) -> Presigned:
        disposition = None if filename is None else attachment(filename)
        grant = Grant("GET", check_blob_key(key), self._now_s() + expires_in, disposition=disposition)
        return Presigned(self._address(grant), grant.expires_s)

    async def presign_put(
        self, key: str, *, size: int, content_type: str, expires_in: int, sha256: str | None = None
    ) -> Presigned:
        expires = self._now_s() + expires_in
        grant = Grant("PUT", check_blob_key(key), expires, size, content_type.lower(), sha256)
        headers = {"Content-Type": content_type, "If-None-Match": "*"}
        return Presigned(self._address(grant), grant.expires_s, headers)

    def verify(self, method: str, key: str, token: str) -> Grant | None:
        """What the address `/blobs/{key}?t={token}` allows now, None if nothing."""
        # The signature covers method and key, so an address to read does not allow to write.
        claims = self._signer.verify("blob", token)
        if claims is None or (claims.get("m"), claims.get("k")) != (method, key):
            return None
        grant = _grant(claims)
        return grant if grant.expires_s > self._now_s() else None

    async def aclose(self) -> None:
        return

    def _address(self, grant: Grant) -> str:
        claims = {
            "m": grant.method,
            "k": grant.key,
            "x": grant.expires_s,
            "n": grant.size,
            "t": grant.content_type,
            "h": grant.sha256,
            "d": grant.disposition,
        }
        token = self._signer.sign("blob", {k: v for k, v in claims.items() if v is not None})
        return f"{self._public_url}/blobs/{quote(grant.key)}?t={token}"

    def _path(self, key: str) -> Path:
        return self._folder.joinpath(*check_blob_key(key).split("/"))


def _grant(claims: Mapping[str, object]) -> Grant:
    method: Method = "PUT" if claims["m"] == "PUT" else "GET"

    def text(name: str) -> str | None:
        value = claims.get(name)
        return value if isinstance(value, str) else None

    size, expires = claims.get("n"), claims.get("x")
    return Grant(
        method,
        str(claims["k"]),
        expires if isinstance(expires, int) else 0,
        size if isinstance(size, int) else None,
        text("t"),
        text("h"),
        text("d"),
    )


def _write(path: Path, data: bytes, content_type: str, replace: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not replace and path.exists():
        raise BlobExists(path.name)
    # The type first: an object that can be seen has its type.
    _place(path.with_name(path.name + TYPE_SUFFIX), content_type.encode("ascii", "replace"), True)
    _place(path, data, replace)


def _place(path: Path, data: bytes, replace: bool) -> None:
    """Put a whole, synced file under its name; without `replace` the first one stays."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}~")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
            return
        try:
            # link(), unlike rename(), fails where the name is taken: of two uploads the first one stays.
            os.link(draft, path)
        except FileExistsError:
            raise BlobExists(path.name) from None
        except OSError:  # a file system without hard links
            if path.exists():
                raise BlobExists(path.name) from None
            draft.replace(path)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


async def _in_thread(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise Unavailable(f"The folder of stored objects cannot be used: {error.strerror}") from error


@lru_cache(maxsize=4096)
def _etag_of(path: Path, mtime_ns: int, size: int) -> str:
    """The etag of a file, read once for as long as the file is the same."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return f'"{digest.hexdigest()}"'
