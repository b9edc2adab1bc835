"""Single characters: upload, publish, download, edit, delete, report.

See docs/spec/backend.md: HTTP API, Identity and security, Counters and ranking.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Form, Path, Query, Request, Response, UploadFile
from fastapi.responses import StreamingResponse

from lunalux_core.backend.accounts.sessions import Session
from lunalux_core.backend.market.publishing import (
    INTRO_CHARS,
    NAME_CHARS,
    PNG,
    UPLOAD_SECONDS,
    Publishing,
    PublishingWish,
    clean_tags,
)
from lunalux_core.backend.market.wire_pages import absolute, object_key
from lunalux_core.backend.repos.characters import MarketCard, no_character
from lunalux_core.backend.running.services import Services
from lunalux_core.backend.storage.blobs import attachment
from lunalux_core.backend.web import limits
from lunalux_core.backend.web.http import CurrentServices, CurrentSession, limit
from lunalux_core.backend.web.openapi_examples import SESSION, answers
from lunalux_core.backend.web.refusals import refuse
from lunalux_core.text import clean, clean_line, is_blank
from lunalux_core.wire.characters import (
    EditRequest,
    OwnCharactersResponse,
    PresignOriginalResponse,
    PresignUploadRequest,
    PresignUploadResponse,
    PublishRequest,
    PublishResponse,
    ReportRequest,
    UploadDirectResponse,
)
from lunalux_core.wire.wire_body import Identifier, Success

router = APIRouter(prefix="/api/character", tags=["characters"])

DOWNLOAD_SECONDS = 600
UPLOAD = ("TOO_LARGE", "RATE_LIMITED")
_OTHERS = "This character belongs to somebody else."
IdPath = Annotated[Identifier, Path()]
IdQuery = Annotated[Identifier, Query(alias="id")]
SkipQuery = Annotated[str | None, Query(alias="skipCount", max_length=8)]


@router.post("/presign-upload", responses=answers(*SESSION, *UPLOAD))
async def presign_upload(
    body: PresignUploadRequest, request: Request, session: CurrentSession, services: CurrentServices
) -> PresignUploadResponse:
    """An address to upload a card to. The object's name is the server's, whatever the file's."""
    await limit(services, limits.UPLOAD, session.user_id)
    ticket = await Publishing(services, session.user_id).open_ticket(body.size, body.sha256)
    signed = await services.blobs.presign_put(
        ticket.key, size=ticket.size, content_type=PNG, expires_in=UPLOAD_SECONDS, sha256=ticket.sha256
    )
    return PresignUploadResponse(
        url=absolute(signed.url, services.settings, str(request.base_url)),
        key=ticket.key,
        headers=dict(signed.headers),
        expires_in=signed.expires_s - services.now_ms() // 1000,
    )


@router.get("/presign-upload", responses=answers(*SESSION, *UPLOAD))
async def presign_upload_by_query(
    query: Annotated[PresignUploadRequest, Query()],
    request: Request,
    session: CurrentSession,
    services: CurrentServices,
) -> PresignUploadResponse:
    """The same with the members as a query."""
    return await presign_upload(query, request, session, services)


@router.post("/upload-direct", responses=answers(*SESSION, *UPLOAD, "INVALID_CARD"))
async def upload_direct(
    session: CurrentSession,
    services: CurrentServices,
    file: Annotated[UploadFile, File()],
    filename: Annotated[str | None, Form(max_length=512)] = None,
) -> UploadDirectResponse:
    """Upload through the server, for clients that cannot reach the bucket."""
    await limit(services, limits.UPLOAD, session.user_id)
    most = services.settings.max_upload_bytes
    # One byte more than allowed shows that there is more.
    data = await file.read(most + 1)
    if len(data) > most:
        raise refuse("TOO_LARGE", f"A card may have at most {most} bytes.", limit=most)
    ticket = await Publishing(services, session.user_id).store(data)
    return UploadDirectResponse(key=ticket.key)


@router.post(
    "/finalize-publish",
    responses=answers(*SESSION, "INTRO_REQUIRED", "INVALID_CARD", "UPLOAD_NOT_FOUND", *UPLOAD),
)
async def finalize_publish(
    body: PublishRequest, session: CurrentSession, services: CurrentServices
) -> PublishResponse:
    """Put an uploaded card on the market. The same upload again gives the same id."""
    await limit(services, limits.UPLOAD, session.user_id)
    wish = PublishingWish(body.s3_key, body.language, body.intro or "", body.name, body.tags)
    return PublishResponse(id=await Publishing(services, session.user_id).publish(wish))


@router.get("/presign-original", responses=answers(*SESSION, "CHARACTER_NOT_FOUND", "RATE_LIMITED"))
async def presign_original(
    request: Request,
    session: CurrentSession,
    services: CurrentServices,
    character_id: IdQuery,
    skip_count: SkipQuery = None,
) -> PresignOriginalResponse:
    """An address to download the card's file from; counts a download, once a day and account."""
    card, key = await _downloadable(services, session, character_id)
    signed = await services.blobs.presign_get(key, expires_in=DOWNLOAD_SECONDS, filename=f"{card.id}.png")
    await _count_download(services, session, card, skip_count)
    return PresignOriginalResponse(url=absolute(signed.url, services.settings, str(request.base_url)))


@router.get(
    "/download-original",
    response_class=Response,
    responses=answers(*SESSION, "CHARACTER_NOT_FOUND", "RATE_LIMITED")
    | {200: {"content": {PNG: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def download_original(
    session: CurrentSession,
    services: CurrentServices,
    character_id: IdQuery,
    skip_count: SkipQuery = None,
) -> Response:
    """The card's file through the server."""
    card, key = await _downloadable(services, session, character_id)
    info = await services.blobs.head(key)
    if info is None:
        raise refuse("CHARACTER_NOT_FOUND", "This character's file is gone.")
    # Counted only once the file is known to be there.
    await _count_download(services, session, card, skip_count)
    headers = {
        "Content-Length": str(info.size),
        "Content-Disposition": attachment(f"{card.id}.png"),
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(services.blobs.stream(key), media_type=PNG, headers=headers)


@router.get("/mine", responses=answers(*SESSION), response_model_exclude_none=True)
async def mine(request: Request, session: CurrentSession, services: CurrentServices) -> OwnCharactersResponse:
    """One's own published cards, the newest first; those that were taken back are gone."""
    cards = []
    for character_id in await services.activity.own(session.user_id):
        card = await services.characters.find_any(character_id)
        if card is not None and card.owner == session.user_id and card.status != "deleted":
            cards.append(card)
    cards.sort(key=lambda card: card.created_at, reverse=True)
    return await services.pages.own(cards, str(request.base_url))


@router.delete("/{character_id}", responses=answers(*SESSION, "CHARACTER_NOT_FOUND", "FORBIDDEN"))
async def delete(character_id: IdPath, session: CurrentSession, services: CurrentServices) -> Success:
    """Take one's own card off the market, with its files; for good."""
    card = await services.characters.find_any(character_id)
    own = card is not None and card.owner == session.user_id
    # What operators have hidden is not there for others, and its owner's all the same.
    if card is None or (card.status != "active" and not own):
        raise no_character(character_id)
    if not own:
        raise refuse("FORBIDDEN", _OTHERS)
    if card.status == "deleted":
        # A first try that failed at the files left them: asking again takes them away, too.
        await _remove_files(services, card)
        raise no_character(character_id)
    # Before its files, so that nobody is shown a card whose picture is not there.
    await services.characters.set_status(card.id, "deleted")
    services.listings.forget(card.language)
    await _remove_files(services, card)
    return Success()


async def _remove_files(services: Services, card: MarketCard) -> None:
    for address in (card.image_url, card.thumbnail_url):
        if (key := object_key(address)) is not None:
            await services.blobs.delete(key)


@router.patch(
    "/{character_id}",
    responses=answers(
        *SESSION, "CHARACTER_NOT_FOUND", "FORBIDDEN", "INTRO_REQUIRED", "INVALID_REQUEST", "VERSION_CONFLICT"
    ),
)
async def edit(
    character_id: IdPath, body: EditRequest, session: CurrentSession, services: CurrentServices
) -> Success:
    """Change name, intro or tags of one's own card; what is not given stays. A hidden one stays as the
    operators saw it."""
    card = await services.characters.require(character_id)
    if card.owner != session.user_id:
        raise refuse("FORBIDDEN", _OTHERS)
    intro = None if body.intro is None else clean(body.intro).strip()[:INTRO_CHARS]
    name = None if body.name is None else clean_line(body.name, NAME_CHARS)
    if intro is not None and is_blank(intro):
        raise refuse("INTRO_REQUIRED", "A published character needs an intro.")
    if name == "":
        raise refuse("INVALID_REQUEST", "A published character needs a name.")
    tags = None if body.tags is None else clean_tags(body.tags)
    await services.characters.edit(card, name=name, intro=intro, tags=tags, version=body.version)
    services.listings.forget(card.language)
    return Success()


@router.post("/report", responses=answers(*SESSION, "CHARACTER_NOT_FOUND", "RATE_LIMITED"))
async def report(body: ReportRequest, session: CurrentSession, services: CurrentServices) -> Success:
    """Tell the operators about a card."""
    reason = clean(body.reason).strip()
    if is_blank(reason):
        raise refuse("INVALID_REQUEST", "A report needs a reason.")
    await limit(services, limits.REPORT, session.user_id)
    await services.characters.report(body.character_id, session.user_id, reason)
    return Success()


async def _downloadable(services: Services, session: Session, character_id: str) -> tuple[MarketCard, str]:
    await limit(services, limits.DOWNLOAD, session.user_id)
    card = await services.characters.require(character_id)
    key = object_key(card.image_url)
    if key is None:
        raise refuse("CHARACTER_NOT_FOUND", "This character's file is gone.")
    return card, key


async def _count_download(
    services: Services, session: Session, card: MarketCard, skip_count: str | None
) -> None:
    """`skipCount` can only switch counting off: whether a download counts, the server's own row decides."""
    if skip_count in {"1", "true"}:
        return
    if await services.activity.downloaded(session.user_id, card):
        services.touched(card.language)
