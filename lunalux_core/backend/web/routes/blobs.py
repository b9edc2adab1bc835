"""The file adapter's signed addresses: what a private bucket does for presigned URLs, offline.

The address alone authorises; no session is asked for, exactly as with S3. On AWS there is nothing here.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from lunalux_core.backend.running.services import Services
from lunalux_core.backend.storage.blobs import BlobExists
from lunalux_core.backend.storage.file_blobs import FileBlobs, Grant
from lunalux_core.backend.storage.traced import plain_blobs
from lunalux_core.backend.web.http import CurrentServices
from lunalux_core.backend.web.openapi_examples import answers
from lunalux_core.backend.web.refusals import refuse
from lunalux_core.errors import LunaluxError

router = APIRouter(prefix="/blobs", tags=["blobs"])

Token = Annotated[str, Query(alias="t", max_length=4096)]
# What people uploaded must not run as a page of this server.
HARMLESS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}


@router.get(
    "/{key:path}",
    response_class=Response,
    responses=answers("FORBIDDEN", "NOT_FOUND")
    | {
        200: {"content": {"application/octet-stream": {}}},
        304: {"description": "The copy that `If-None-Match` names is still good"},
    },
)
async def read(
    key: str,
    services: CurrentServices,
    token: Token = "",
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The object that the address was signed for."""
    blobs = _files(services)
    grant = _granted(blobs, "GET", key, token)
    info = await blobs.head(key)
    if info is None:
        raise refuse("NOT_FOUND", "There is no such object.")
    headers = {"ETag": info.etag, "Cache-Control": "private, max-age=86400", **HARMLESS}
    if if_none_match is not None and if_none_match.strip() == info.etag:
        return Response(status_code=304, headers=headers)
    headers["Content-Length"] = str(info.size)
    if grant.disposition:
        headers["Content-Disposition"] = grant.disposition
    return StreamingResponse(blobs.stream(key), media_type=info.content_type, headers=headers)


@router.put(
    "/{key:path}",
    responses=answers("INVALID_REQUEST", "FORBIDDEN", "NOT_FOUND", "OBJECT_EXISTS", "TOO_LARGE"),
    response_class=Response,
)
async def write(
    key: str,
    request: Request,
    services: CurrentServices,
    token: Token = "",
    content_type: Annotated[str, Header()] = "",
) -> Response:
    """Store the body, if it is of the size, type and digest that the address was signed for."""
    blobs = _files(services)
    grant = _granted(blobs, "PUT", key, token)
    # Refused before the body is read, as far as its length is told.
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced[:20]) != grant.size:
        raise _forbidden()
    data = await request.body()
    if not grant.admits(content_type=content_type, data=data):
        raise _forbidden()
    try:
        info = await blobs.put(key, data, grant.content_type or "application/octet-stream")
    except BlobExists:
        raise refuse("OBJECT_EXISTS", "This upload was made already.") from None
    return Response(headers={"ETag": info.etag})


def _files(services: Services) -> FileBlobs:
    blobs = plain_blobs(services.blobs)
    if isinstance(blobs, FileBlobs):
        return blobs
    raise refuse("NOT_FOUND", "There is no such address.")


def _granted(blobs: FileBlobs, method: str, key: str, token: str) -> Grant:
    grant = blobs.verify(method, key, token)
    if grant is None:
        raise _forbidden()
    return grant


def _forbidden() -> LunaluxError:
    return refuse("FORBIDDEN", "This address is not valid, or not valid any more, for this request.")
