"""Objects in a private bucket of S3, behind presigned addresses.

See docs/spec/backend.md: Identity and security.
"""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from lunalux_core.backend.storage.aws_calls import AwsAccess, AwsCallError, Caller
from lunalux_core.backend.storage.blobs import BlobExists, BlobInfo, Presigned, attachment, check_blob_key
from lunalux_core.backend.storage.table import Unavailable

PIECE = 256 * 1024
LONGEST_S = 7 * 24 * 3600  # what SigV4 allows
MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
OCCUPIED = frozenset({"412", "PreconditionFailed", "ConditionalRequestConflict"})


class S3Blobs:
    """Blobs in `bucket`, which `provision` has made.

    Args:
        now_s: the wall clock in seconds.
    """

    def __init__(
        self,
        access: AwsAccess,
        bucket: str,
        *,
        now_s: Callable[[], int] = lambda: int(time.time()),
        counted: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._access, self._bucket, self._now_s = access, bucket, now_s
        self._credentials: Any = None
        self._caller = Caller(self._connect, counted=counted)

    def _connect(self) -> Any:
        session = self._access.session()
        self._credentials = session.get_credentials()
        return self._access.client("s3", session)

    async def put(self, key: str, data: bytes, content_type: str, *, replace: bool = False) -> BlobInfo:
        arguments: dict[str, Any] = {"Body": data, "ContentType": content_type}
        if not replace:
            arguments["IfNoneMatch"] = "*"
        try:
            # A second try that may not replace would meet the object of the first and take it for somebody
            # else's.
            answer = await self._call("put_object", key, repeatable=replace, **arguments)
        except AwsCallError as refused:
            if refused.code in OCCUPIED:
                raise BlobExists(key) from None
            raise _unavailable(refused) from refused
        return BlobInfo(len(data), content_type, str(answer["ETag"]))

    async def get(self, key: str) -> bytes | None:
        name = check_blob_key(key)

        def read(client: Any) -> bytes:
            data: bytes = client.get_object(Bucket=self._bucket, Key=name)["Body"].read()
            return data

        try:
            body: bytes = await self._caller.run("get_object", read, repeatable=True)
        except AwsCallError as refused:
            if refused.code in MISSING:
                return None
            raise _unavailable(refused) from refused
        return body

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        try:
            answer = await self._call("get_object", key, repeatable=True)
        except AwsCallError as refused:
            if refused.code in MISSING:
                return
            raise _unavailable(refused) from refused
        body = answer["Body"]
        try:
            while piece := await self._caller.run("read", lambda _: body.read(PIECE), repeatable=False):
                yield piece
        finally:
            body.close()

    async def head(self, key: str) -> BlobInfo | None:
        try:
            answer = await self._call("head_object", key, repeatable=True)
        except AwsCallError as refused:
            if refused.code in MISSING:
                return None
            raise _unavailable(refused) from refused
        return BlobInfo(int(answer["ContentLength"]), str(answer["ContentType"]), str(answer["ETag"]))

    async def delete(self, key: str) -> None:
        try:
            await self._call("delete_object", key, repeatable=True)
        except AwsCallError as refused:
            raise _unavailable(refused) from refused

    async def presign_get(self, key: str, *, expires_in: int, filename: str | None = None) -> Presigned:
        params: dict[str, Any] = {}
        if filename is not None:
            params = {
                "ResponseContentDisposition": attachment(filename),
                "ResponseContentType": "image/png",
            }
        return await self._presign("get_object", key, expires_in, params, {})

    async def presign_put(
        self, key: str, *, size: int, content_type: str, expires_in: int, sha256: str | None = None
    ) -> Presigned:
        # If-None-Match is signed, too: the key must be free when the upload comes, not only now.
        params: dict[str, Any] = {"ContentType": content_type, "ContentLength": size, "IfNoneMatch": "*"}
        headers = {"Content-Type": content_type, "If-None-Match": "*"}
        if sha256 is not None:
            checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
            params["ChecksumSHA256"] = checksum
            headers["x-amz-checksum-sha256"] = checksum
        return await self._presign("put_object", key, expires_in, params, headers)

    async def _presign(
        self, method: str, key: str, expires_in: int, params: dict[str, Any], headers: dict[str, str]
    ) -> Presigned:
        """Signing needs no request; the address dies with the credentials that signed it."""
        # Making the client also sets `_credentials`.
        client = await self._caller.client()
        now = self._now_s()
        seconds = max(1, min(expires_in, LONGEST_S, self._credentials_left(now)))
        url = client.generate_presigned_url(
            method,
            Params={"Bucket": self._bucket, "Key": check_blob_key(key), **params},
            ExpiresIn=seconds,
        )
        return Presigned(str(url), now + seconds, headers)

    def _credentials_left(self, now: int) -> int:
        """Seconds until a role's temporary credentials expire; no end for those of a user."""
        # botocore has no public name for this time.
        expiry = getattr(self._credentials, "_expiry_time", None)
        return LONGEST_S if expiry is None else int(expiry.timestamp()) - now

    async def _call(self, method: str, key: str, *, repeatable: bool, **arguments: Any) -> Any:
        name = check_blob_key(key)
        return await self._caller.call(
            method, repeatable=repeatable, Bucket=self._bucket, Key=name, **arguments
        )

    async def aclose(self) -> None:
        """Wait for the calls under way. Safe to call twice."""
        self._caller.close()


def _unavailable(refused: AwsCallError) -> Unavailable:
    if refused.code == "NoSuchBucket":
        return Unavailable("The bucket does not exist; run `lunalux admin provision`.")
    return Unavailable(f"The cloud storage refused ({refused.code}); check the server's AWS policy.")
